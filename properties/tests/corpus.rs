//! Each target over what the fuzzers kept, and over pieces of it.

use std::path::PathBuf;

use properties::TARGETS;

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    let read = |path: PathBuf| {
        let octets = std::fs::read(&path).expect("a file of the corpus");
        (path, octets)
    };
    files.into_iter().map(read).collect()
}

#[test]
fn every_target_holds_over_its_corpus() {
    for (name, body) in TARGETS {
        let files = corpus(name);
        assert!(!files.is_empty(), "{name} has a corpus");
        for (path, octets) in &files {
            let outcome = std::panic::catch_unwind(|| body(octets));
            assert!(outcome.is_ok(), "{name} fails on {}", path.display());
        }
    }
}

#[test]
fn every_target_holds_over_the_first_and_second_half_of_what_is_in_its_corpus() {
    for (name, body) in TARGETS {
        for (_, octets) in corpus(name) {
            let (first, second) = octets.split_at(octets.len() / 2);
            body(first);
            body(second);
        }
    }
}

#[test]
fn every_target_has_a_program_for_the_fuzzer_and_every_corpus_a_target() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).expect("fuzz/Cargo.toml");
    for (name, _) in TARGETS {
        assert!(root.join("fuzz_targets").join(format!("{name}.rs")).is_file(), "{name}");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
    for folder in std::fs::read_dir(root.join("corpus")).expect("the corpora") {
        let folder = folder.expect("a folder").file_name();
        assert!(TARGETS.iter().any(|(name, _)| folder.to_str() == Some(name)), "{folder:?}");
    }
}

#[test]
fn the_corpora_stay_small() {
    let mut octets = 0;
    for (name, _) in TARGETS {
        octets += corpus(name).iter().map(|(_, file)| file.len()).sum::<usize>();
    }
    assert!(octets < 600_000, "{octets} octets: minimise them with `make fuzz-minimise`");
}
