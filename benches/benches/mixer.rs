//! What 20 ms of a conference cost: taking, mixing and writing a packet for every member.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use media::codec::voice::Encoder;
use media::context::{Member, Mixer, PACKET_LEN};
use media::plan::Inlet;
use media::rtp::Seq;
use media::{MemberCodec, TerminationId, Voice};

const PCMA: MemberCodec = MemberCodec { payload: 8, kind: Voice::Pcma };
const G722: MemberCodec = MemberCodec { payload: 9, kind: Voice::G722 };

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

criterion_group!(benches, bench);
criterion_main!(benches);
