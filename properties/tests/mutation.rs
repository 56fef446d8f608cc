//! Each target over random changes of what is in its corpus. No coverage guides it, and no nightly
//! compiler is needed: `make test` makes a few inputs of a fixed seed, `STROWGER_MUTATIONS=300`
//! goes on for so many seconds with each target of `STROWGER_TARGETS` (all), from another seed each time.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use properties::TARGETS;

/// Inputs of a target in `make test`.
const FEW: u64 = 20;
/// Octets of the longest input.
const LENGTH_MAX: usize = 4_096;
/// Octets that mean something to a reader.
const WORDS: [&[u8]; 12] = [
    b"\r\n",
    b"\0",
    b"\xff\xff",
    b";",
    b",",
    b"\"",
    b"<sip:a@b>",
    b"%00",
    b"\r\n\r\n",
    b"4294967296",
    b"{\"",
    b"\x80",
];

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{folder:?}: {error}"))
        .map(|file| file.expect("a file").path())
        .collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).expect("a file of the corpus")).collect()
}

/// One to eight changes of one input, some of them pieces of another one.
fn changed(random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut octets = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(8) {
        let at = random.below(octets.len() + 1);
        let end = (at + 1 + random.below(16)).min(octets.len());
        match random.below(7) {
            0 => octets.truncate(at),
            1 => drop(octets.drain(at..end.max(at))),
            2 => drop(octets.splice(at..at, octets[at..end.max(at)].to_vec())),
            3 => drop(octets.splice(at..at, WORDS[random.below(WORDS.len())].iter().copied())),
            4 => {
                let other = &corpus[random.below(corpus.len())];
                let from = random.below(other.len() + 1);
                let to = (from + random.below(64)).min(other.len());
                octets.splice(at..at, other[from..to].iter().copied());
            }
            5 => {
                if let Some(octet) = octets.get_mut(at) {
                    *octet ^= 1 << random.below(8);
                }
            }
            _ => {
                if let Some(octet) = octets.get_mut(at) {
                    *octet = random.next() as u8;
                }
            }
        }
    }
    octets.truncate(LENGTH_MAX);
    octets
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a long run ends by the clock")]
fn every_target_holds_over_random_changes_of_its_corpus() {
    let asked = std::env::var("STROWGER_MUTATIONS").ok();
    let lasts: Option<Duration> =
        asked.map(|text| Duration::from_secs(text.parse().expect("seconds")));
    let wanted = std::env::var("STROWGER_TARGETS").unwrap_or_default();
    let start = Instant::now();
    let seed = if lasts.is_some() { u64::from(std::process::id()) } else { 1 };
    for (name, body) in TARGETS {
        if !wanted.is_empty() && !wanted.split_whitespace().any(|one| one == name) {
            continue;
        }
        let (corpus, mut random) = (corpus(name), Random(seed));
        let (began, mut runs) = (start.elapsed(), 0_u64);
        while lasts.map_or(runs < FEW, |lasts| start.elapsed() - began < lasts) {
            let octets = changed(&mut random, &corpus);
            let outcome = std::panic::catch_unwind(|| body(&octets));
            assert!(outcome.is_ok(), "{name} fails, seed {seed}, run {runs}, on {octets:?}");
            runs += 1;
        }
        if lasts.is_some() {
            println!("{name}: {runs} inputs of seed {seed}, no failure");
        }
    }
}
