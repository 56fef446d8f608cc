//! Whole jobs through the exchange, without sockets and threads; the phones' own text included.

use std::time::Duration;

use benches::rig::Rig;
use criterion::{Criterion, criterion_group, criterion_main};

const LINES: usize = 1_000;
/// Time between two jobs, so that the transactions of 4,000 of them are alive.
const PACE: Duration = Duration::from_millis(8);

fn bench(criterion: &mut Criterion) {
    let mut rig = match Rig::registered(LINES) {
        Ok(rig) => rig,
        Err(error) => return eprintln!("call: {error}"),
    };
    let mut line = 0;
    let mut next = || {
        line = (line + 1) % LINES;
        line
    };
    let mut group = criterion.benchmark_group("exchange");
    group.bench_function("register: 401, digest, 200", |bencher| {
        bencher.iter(|| {
            rig.register(next());
            rig.pass(PACE);
        });
    });
    group.bench_function("refresh: digest, 200", |bencher| {
        bencher.iter(|| {
            rig.refresh(next());
            rig.pass(PACE);
        });
    });
    group.bench_function("call: 401, digest, 180, 200, ack, bye on both legs", |bencher| {
        bencher.iter(|| {
            rig.call();
            rig.pass(PACE);
        });
    });
    group.finish();
    if let Err(error) = rig.verdict() {
        eprintln!("call: {error}");
    }
}

fn short() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
}

criterion_group! { name = benches; config = short(); targets = bench }
criterion_main!(benches);
