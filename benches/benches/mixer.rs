//! What 20 ms of a conference cost: taking, mixing and writing a packet for every member; and what 20 ms of
//! a call cost whose parties share no codec, in both directions.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use media::codec::voice::Encoder;
use media::context::{Member, Mixer, PACKET_LEN};
use media::plan::Inlet;
use media::rtp::Seq;
use media::{MemberCodec, TerminationId, Voice};

const PCMA: MemberCodec = MemberCodec { payload: 8, kind: Voice::Pcma };
const PCMU: MemberCodec = MemberCodec { payload: 0, kind: Voice::Pcmu };
const G722: MemberCodec = MemberCodec { payload: 9, kind: Voice::G722 };
const OPUS: MemberCodec = MemberCodec { payload: 96, kind: Voice::Opus };
/// Packets of speech that are said again and again: two seconds.
const SPEECH: usize = 100;

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mixer/frame");
    for (name, codecs) in [("g711", [PCMA, PCMA]), ("g711+g722", [PCMA, G722])] {
        for count in [3u32, 10, 32] {
            let mut mixer = Mixer::new();
            let mut parties = Vec::new();
            for (index, codec) in (0..count).zip(codecs.iter().cycle()) {
                let inlet = Arc::new(Inlet::new());
                let member = Member::new((), Arc::clone(&inlet), (&[*codec], *codec), index);
                mixer.join((TerminationId::new(index, 0), 0), Box::new(member));
                let mut payload = [0u8; 160];
                let samples: Vec<i16> = (0..320).map(|n| (n * 37 % 8_000) - 4_000).collect();
                Encoder::new(codec.kind).encode(&samples, &mut payload);
                parties.push((inlet, codec.payload, payload));
            }
            let mut sequence = 0u16;
            group.bench_function(BenchmarkId::new(name, count), |bencher| {
                bencher.iter(|| {
                    sequence = sequence.wrapping_add(1);
                    for (inlet, kind, payload) in &parties {
                        inlet.push(Seq(sequence), *kind, black_box(payload));
                    }
                    mixer.listen();
                    for place in 0..parties.len() {
                        let mut packet = [0u8; PACKET_LEN];
                        black_box(mixer.speak(place, &mut packet));
                        black_box(packet);
                    }
                });
            });
        }
    }
    group.finish();
}

/// CPU time of this thread, as the scheduler counts it.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let used = text.split(' ').next().and_then(|text| text.parse().ok());
    Duration::from_nanos(used.unwrap_or_default())
}

/// Something like speech: a voice of 140 Hz whose loudness and timbre change, and pauses.
fn speech(codec: MemberCodec) -> Vec<Vec<u8>> {
    let rate_hz = f64::from(codec.kind.rate_hz());
    let length = usize::try_from(codec.kind.rate_hz() / 50).unwrap_or_default();
    let mut encoder = Encoder::new(codec.kind);
    let mut noise = 1u32;
    let frames = (0..SPEECH).map(|frame| {
        let samples: Vec<i16> = (0..length)
            .map(|at| {
                let time = (frame * length + at) as f64 / rate_hz;
                let loudness = (time * 3.0 * std::f64::consts::PI).sin().max(0.0);
                let voice: f64 = (1..16u8)
                    .map(f64::from)
                    .map(|n| {
                        let timbre = 1.0 / (1.0 + (n - 5.0 - 4.0 * (time * 5.0).sin()).abs());
                        timbre * (std::f64::consts::TAU * 140.0 * n * time).sin()
                    })
                    .sum();
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let hiss = f64::from(noise >> 16) / 65_536.0 - 0.5;
                (loudness * 4_000.0 * voice + 200.0 * hiss) as i16
            })
            .collect();
        let mut payload = [0; 400];
        let length = encoder.encode(&samples, &mut payload);
        payload[..length].to_vec()
    });
    frames.collect()
}

/// The figures are CPU time: they do not depend on what else the machine does but for its caches.
fn transcoded(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mixer/transcoded call");
    let pairs = [
        ("PCMU-PCMA", [PCMU, PCMA]),
        ("PCMU-G722", [PCMU, G722]),
        ("PCMU-Opus", [PCMU, OPUS]),
        ("G722-Opus", [G722, OPUS]),
    ];
    for (name, codecs) in pairs {
        let mut mixer = Mixer::new();
        let parties = codecs.map(|codec| (Arc::new(Inlet::new()), codec.payload, speech(codec)));
        for ((index, codec), (inlet, ..)) in (0..).zip(codecs).zip(&parties) {
            let member = Member::new((), Arc::clone(inlet), (&[codec], codec), index);
            mixer.join((TerminationId::new(index, 0), 0), Box::new(member));
        }
        let mut number = 0usize;
        let mut frame = || {
            number += 1;
            let sequence = Seq(u16::try_from(number & 0xffff).unwrap_or_default());
            for (inlet, kind, said) in &parties {
                inlet.push(sequence, *kind, black_box(&said[number % SPEECH]));
            }
            mixer.listen();
            for place in 0..parties.len() {
                let mut packet = [0u8; PACKET_LEN];
                black_box(mixer.speak(place, &mut packet));
                black_box(packet);
            }
        };
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| {
                let before = cpu_time();
                (0..count).for_each(|_| frame());
                cpu_time().saturating_sub(before)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench, transcoded);
criterion_main!(benches);
