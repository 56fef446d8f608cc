//! What a packet costs in the relay without its system calls: one run of the plan.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use media::PayloadMap;
use media::StreamSpec;
use media::context::{Board, compile};
use media::plan::{Arrival, Component, Ends, ForwardPlan, Ingress, Outlet, next_port, run};
use media::rtp::{Header, RtpTime, Seq, Ssrc};
use media::{StreamPorts, Treatment};

const PEER: &str = "192.0.2.1:4000";
const FAR: &str = "198.51.100.1:6000";

/// A stream of PCMA and telephone-events, connected to one with other numbers.
fn plan() -> Option<ForwardPlan> {
    let mut board = Board::default();
    let ports = StreamPorts { rtp: 4_000, rtcp: 4_001 };
    let (a, b) = (board.insert(), board.insert());
    let (a, b) = (board.push(a, ports, ())?, board.push(b, ports, ())?);
    let remote = PEER.parse().ok();
    let spec = StreamSpec { remote, accept: vec![8, 101], ..StreamSpec::default() };
    board.stream_mut(a)?.spec = spec;
    board.stream_mut(a)?.treatment = Treatment::None;
    board.link(a, b, vec![(8, 8), (101, 96)].into(), PayloadMap::identity());
    board.stream(a).map(compile)
}

fn header(sequence: u16, ssrc: u32) -> Header {
    Header {
        payload: 8,
        is_marked: false,
        sequence: Seq(sequence),
        timestamp: RtpTime(u32::from(sequence) * 160),
        ssrc: Ssrc(ssrc),
    }
}

fn bench(criterion: &mut Criterion) {
    let (Some(plan), Ok(peer), Ok(far)) = (plan(), PEER.parse(), FAR.parse()) else { return };
    let (own, sink) = (Outlet::default(), Outlet::default());
    sink.set_remote(Some(far), Some(next_port(far)));
    sink.set_direction(true, false);
    let mut ingress = Ingress::default();
    let mut packet = [0u8; 172];
    let (mut sequence, mut now_us) = (0u16, 1u64);
    let mut step = |ssrc: u32, from| {
        sequence = sequence.wrapping_add(1);
        now_us += 20_000;
        header(sequence, ssrc).write(&mut packet);
        let ends = Ends { own: &own, sink: Some(&sink) };
        let component = Component::Media;
        let arrival = Arrival { packet: &mut packet, from, component, now_us };
        run(black_box(&plan), &mut ingress, ends, arrival)
    };
    criterion.bench_function("relay/pass", |bencher| bencher.iter(|| black_box(step(7, peer))));
    // From here on the source differs from the first one: everything is rewritten.
    criterion.bench_function("relay/rewrite", |bencher| bencher.iter(|| black_box(step(8, peer))));
    criterion.bench_function("relay/stranger", |bencher| bencher.iter(|| black_box(step(9, far))));
}

criterion_group!(benches, bench);
criterion_main!(benches);
