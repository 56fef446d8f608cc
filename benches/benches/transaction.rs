//! The transaction layer: an INVITE from its arrival to its ACK, on either side.

use std::hint::black_box;
use std::time::Duration;

use benches::sample::{INVITE, OK};
use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use sip_stack::flow::{Flow, Received};
use sip_stack::message::{Message, Method, response_to};
use sip_stack::time::Now;
use sip_stack::transaction::{Event, Layer, Limits, Outbox, Outgoing, Timers};

/// Jobs of one layer before it is thrown away.
const ROUND: u32 = 1_000;

fn flow() -> Option<Flow> {
    Some(Flow::udp("192.0.2.1:5060".parse().ok()?, "192.0.2.45:5060".parse().ok()?))
}

fn layer() -> (Layer, Outbox) {
    (Layer::new(Timers::default(), Limits::default()), Outbox::default())
}

/// The same request for another transaction.
fn numbered(text: &str, number: u32) -> Option<Message> {
    let text = text
        .replace(";branch=z9hG4bK", &format!(";branch=z9hG4bK{number}-"))
        .replace("Call-ID: ", &format!("Call-ID: {number}-"));
    Message::parse(Bytes::from(text)).ok()
}

/// An INVITE arrives, is answered 180 and 200, and comes once more.
fn serve(layer: &mut Layer, out: &mut Outbox, message: &Message, flow: Flow) {
    let received = || Received { message: message.clone(), flow };
    layer.receive(Now::ZERO, received(), out);
    if let Some(Event::Request { key, message, .. }) = out.events.pop_front() {
        for status in [180, 200] {
            let bytes = response_to(&message, status, "Reason", Some("a48279f6")).finish(None, b"");
            layer.respond(Now::ZERO, key, status, &bytes, out);
        }
    }
    layer.receive(Now::ZERO, received(), out);
    out.transmits.clear();
}

/// An INVITE of ours goes out, rings and is answered.
fn ask(layer: &mut Layer, out: &mut Outbox, invite: &(String, Message, Message), flow: Flow) {
    let (branch, ringing, answer) = invite;
    let bytes = Bytes::from_static(INVITE.as_bytes());
    let outgoing = Outgoing { bytes, method: Method::Invite, branch: branch.clone(), flow };
    let sent = layer.request(Now::ZERO, outgoing, out);
    for message in [ringing, answer] {
        layer.receive(Now::ZERO, Received { message: message.clone(), flow }, out);
    }
    black_box(sent.is_ok());
    out.transmits.clear();
    out.events.clear();
}

fn bench(criterion: &mut Criterion) {
    let Some(flow) = flow() else { return };
    let invites: Vec<Message> = (0..ROUND).filter_map(|number| numbered(INVITE, number)).collect();
    let outgoing: Vec<(String, Message, Message)> = (0..ROUND)
        .filter_map(|number| {
            let answer = numbered(OK, number)?;
            let ringing = numbered(&OK.replace("200 OK", "180 Ringing"), number)?;
            Some((answer.via().ok()?.branch?.to_owned(), ringing, answer.clone()))
        })
        .collect();
    let mut group = criterion.benchmark_group("transaction");
    group.throughput(criterion::Throughput::Elements(u64::from(ROUND)));
    group.bench_function("invite server: request, 180, 200, echo", |bencher| {
        let round = |(mut layer, mut out): (Layer, Outbox)| {
            invites.iter().for_each(|invite| serve(&mut layer, &mut out, invite, flow));
            layer
        };
        bencher.iter_batched(layer, round, BatchSize::LargeInput);
    });
    group.bench_function("invite client: request, 180, 200", |bencher| {
        let round = |(mut layer, mut out): (Layer, Outbox)| {
            outgoing.iter().for_each(|invite| ask(&mut layer, &mut out, invite, flow));
            layer
        };
        bencher.iter_batched(layer, round, BatchSize::LargeInput);
    });
    group.finish();
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
}

criterion_group! { name = benches; config = short(); targets = bench }
criterion_main!(benches);
