//! The registry with 100,000 bindings: look-ups by one and two threads, and a refresh beside them.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use config::{Config, Line};
use criterion::{Criterion, criterion_group, criterion_main};
use sip_stack::flow::{Flow, Received};
use sip_stack::message::Message;
use sip_stack::time::Now;
use switch::exchange::Clock;
use switch::registrar::Registrar;
use switch::registry::{MAX_BINDINGS, Registry};

const DOMAIN: &str = "bench.test";

/// A registrar, one line of whose configuration stands for all of them.
struct Office {
    registrar: Registrar,
    config: Config,
    line: Line,
    cseq: u32,
}

fn clock() -> Clock {
    Clock { now: Now(Duration::from_secs(1)), unix_ms: 1_767_225_600_000 }
}

fn number(index: usize) -> String {
    format!("{}", 1_000_000 + index)
}

/// A step through all lines that jumps about in memory.
fn next(index: usize) -> usize {
    (index + 7_919) % MAX_BINDINGS
}

impl Office {
    fn new() -> Option<Office> {
        let text = format!(
            "domain = \"{DOMAIN}\"\n[sip]\nlisten = [\"udp:127.0.0.1:0\"]\n\
             [media]\naddress = \"127.0.0.1\"\n[lines.201]\npassword = \"secret\"\n"
        );
        let config = config::parse(&text, "bench.toml").ok()?;
        let line = config.lines.get("201")?.clone();
        let registrar = Registrar::new(Arc::new(Registry::new()));
        let mut office = Office { registrar, config, line, cseq: 0 };
        (0..MAX_BINDINGS).try_for_each(|index| office.register(index)).map(|()| office)
    }

    /// An authenticated REGISTER; `None` if it is refused.
    fn register(&mut self, index: usize) -> Option<()> {
        let received = self.request(index)?;
        self.carry_out(index, &received)
    }

    fn request(&mut self, index: usize) -> Option<Received> {
        self.cseq += 1;
        let (number, cseq) = (number(index), self.cseq);
        let text = format!(
            "REGISTER sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:7000;branch=z9hG4bK{cseq}\r\n\
             From: <sip:{number}@{DOMAIN}>;tag=1\r\nTo: <sip:{number}@{DOMAIN}>\r\n\
             Call-ID: {number}\r\nCSeq: {cseq} REGISTER\r\n\
             Contact: <sip:{number}@127.0.0.1:7000>;expires=3600\r\nContent-Length: 0\r\n\r\n"
        );
        let flow = Flow::udp("127.0.0.1:5060".parse().ok()?, "127.0.0.1:7000".parse().ok()?);
        Some(Received { message: Message::parse(Bytes::from(text)).ok()?, flow })
    }

    fn carry_out(&mut self, index: usize, received: &Received) -> Option<()> {
        self.line.number = number(index);
        let Received { message, flow } = received;
        let outcome = self.registrar.register(clock(), &self.config, &self.line, message, *flow);
        (outcome.reply.status == 200).then_some(())
    }
}

/// Does something while another thread looks up without pause.
fn beside_a_reader(look_up: &(impl Fn(&mut usize) + Sync), act: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut index = MAX_BINDINGS / 2;
            while !is_over.load(Ordering::Relaxed) {
                look_up(&mut index);
            }
        });
        act();
        is_over.store(true, Ordering::Relaxed);
    });
}

fn bench(criterion: &mut Criterion) {
    let Some(mut office) = Office::new() else { return };
    let registry = Arc::clone(office.registrar.registry());
    let numbers: Vec<String> = (0..MAX_BINDINGS).map(number).collect();
    let look_up = |index: &mut usize| {
        *index = next(*index);
        let found = numbers.get(*index).map(|number| registry.contacts(number).len());
        black_box(found);
    };
    let mut group = criterion.benchmark_group("registry/100000 lines");
    let mut index = 0;
    group.bench_function("look-up, 1 thread", |bencher| bencher.iter(|| look_up(&mut index)));
    beside_a_reader(&look_up, || {
        group.bench_function("look-up, 2 threads", |bencher| bencher.iter(|| look_up(&mut index)));
    });
    // REGISTER as the registrar sees it: steps of RFC 3261 §10.3, replacing the binding, the reply.
    let mut line = 0;
    let mut refresh = |office: &mut Office| {
        line = next(line);
        office.register(line)
    };
    group.bench_function("refresh, 1 thread", |bencher| bencher.iter(|| refresh(&mut office)));
    beside_a_reader(&look_up, || {
        group.bench_function("refresh beside a reader", |bencher| {
            bencher.iter(|| refresh(&mut office));
        });
    });
    group.finish();
}

fn short() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
}

criterion_group! { name = benches; config = short(); targets = bench }
criterion_main!(benches);
