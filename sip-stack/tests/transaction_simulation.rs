//! Two transaction layers and a bad network between them, thousands of times.
//!
//! Each seed makes a network, a handful of requests and the habits of the users on both sides:
//! provisional and final responses at random times, silence, CANCEL at any moment (also crossing a
//! 2xx), paths that break. Whatever happens, the promises of RFC 3261 §17 and RFC 6026 hold; they
//! are asserted on the way and at the end. A failure names its seed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use common::network::{Network, Profile};
use sip_stack::flow::{Flow, Received, Transmit, Transport};
use sip_stack::message::{self, Message, Method};
use sip_stack::time::{Entropy, Now, Seeded};
use sip_stack::transaction::{
    ClientKey, Event, Layer, Limits, Outbox, Outgoing, ServerKey, Timers,
};

const CALLER: &str = "192.0.2.1:5060";
const CALLEE: &str = "192.0.2.2:5060";
/// 64·T1.
const GIVE_UP: Duration = Duration::from_secs(32);
/// When the caller's patience ends, whatever the callee said.
const PATIENCE: Duration = Duration::from_secs(180);
/// More steps than any schedule needs.
const MAX_STEPS: usize = 20_000;

/// How a request of the caller ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Success,
    Refusal,
    TimedOut,
    TransportFailed,
}

/// What the caller knows of one of its requests.
struct Call {
    method: Method,
    request: Bytes,
    branch: String,
    key: Option<ClientKey>,
    outcome: Option<Outcome>,
    first_refusal_at: Option<Now>,
    has_ended: bool,
}

/// What the callee knows of one server transaction.
struct Served {
    call: usize,
    request: Message,
    status: Option<u16>,
    final_at: Option<Now>,
    is_acknowledged: bool,
    is_stateless: bool,
}

/// What a user does at its time.
enum Act {
    Start(usize),
    Cancel(usize),
    Respond(ServerKey, u16),
    RepeatSuccess(ServerKey, Duration),
    Cut,
}

struct World {
    seed: u64,
    chance: Seeded,
    now: Now,
    transport: Transport,
    network: Network,
    caller: Layer,
    callee: Layer,
    out: Outbox,
    acts: BTreeMap<(Now, u64), Act>,
    serial: u64,
    calls: Vec<Call>,
    served: BTreeMap<ServerKey, Served>,
    is_cut: bool,
    deliveries: u64,
}

impl World {
    fn new(seed: u64, transport: Transport) -> Self {
        let mut chance = Seeded::new(seed);
        // One network in eight is so slow that T4 is nearly used up.
        let delay_max_ms = if chance.below(8) == 0 { 4_900 } else { 1 + chance.below(450) };
        let profile = Profile {
            loss_percent: [0, 5, 30, 70][chance.below(4) as usize],
            duplicate_percent: [0, 10, 50][chance.below(3) as usize],
            delay_min_ms: 1,
            delay_max_ms,
        };
        let layer = || Layer::new(Timers::default(), Limits::default());
        let mut world = Self {
            seed,
            network: Network::new(chance.next_u64(), profile),
            chance,
            now: Now::ZERO,
            transport,
            caller: layer(),
            callee: layer(),
            out: Outbox::default(),
            acts: BTreeMap::new(),
            serial: 0,
            calls: Vec::new(),
            served: BTreeMap::new(),
            is_cut: false,
            deliveries: 0,
        };
        for number in 0..=world.chance.below(3) {
            world.plan_call(number);
        }
        if world.chance.below(10) == 0 {
            let at = world.chance.below(40_000);
            world.plan(at, Act::Cut);
        }
        world
    }

    fn plan_call(&mut self, number: u64) {
        let kinds = [Method::Invite, Method::Invite, Method::Register, Method::Bye];
        let method = kinds[self.chance.below(4) as usize].clone();
        let branch = format!("z9hG4bK{:016x}", self.chance.next_u64());
        let token = self.transport.via_token();
        let request = format!(
            "{method} sip:b@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/{token} {CALLER};branch={branch}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:a@192.0.2.1>;tag=a\r\nTo: <sip:b@192.0.2.2>\r\n\
             Call-ID: {number}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
        );
        let call = self.calls.len();
        let is_invite = method == Method::Invite;
        self.calls.push(Call {
            method,
            request: request.into(),
            branch,
            key: None,
            outcome: None,
            first_refusal_at: None,
            has_ended: false,
        });
        let start = self.chance.below(1_000);
        self.plan(start, Act::Start(call));
        if is_invite {
            if self.chance.below(2) == 0 {
                let span = [50, 1_000, 40_000][self.chance.below(3) as usize];
                let at = start + self.chance.below(span);
                self.plan(at, Act::Cancel(call));
            }
            self.plan(start + PATIENCE.as_secs() * 1_000, Act::Cancel(call));
        }
    }

    fn plan(&mut self, delay_ms: u64, act: Act) {
        self.serial += 1;
        self.acts.insert((self.now + Duration::from_millis(delay_ms), self.serial), act);
    }

    fn flow(&self) -> Flow {
        Flow {
            transport: self.transport,
            local: CALLER.parse().unwrap(),
            remote: CALLEE.parse().unwrap(),
            connection: self.transport.is_reliable().then_some(1),
        }
    }

    /// Goes from one moment at which something happens to the next until nothing does.
    fn run(&mut self) {
        for _ in 0..MAX_STEPS {
            let next = [
                self.network.next_arrival(),
                self.acts.keys().next().map(|(at, _)| *at),
                self.caller.next_deadline(),
                self.callee.next_deadline(),
            ];
            let Some(next) = next.into_iter().flatten().min() else { return };
            self.now = self.now.max(next);
            while let Some((bytes, flow)) = self.network.arrive(self.now) {
                self.deliver(bytes, flow);
            }
            while let Some(first) = self.acts.first_entry().filter(|act| act.key().0 <= self.now) {
                let act = first.remove();
                self.act(act);
            }
            self.caller.expire(self.now, &mut self.out);
            self.settle(true);
            self.callee.expire(self.now, &mut self.out);
            self.settle(false);
        }
        panic!("seed {}: no end in sight", self.seed);
    }

    fn deliver(&mut self, bytes: Bytes, flow: Flow) {
        self.deliveries += 1;
        let message = Message::parse(bytes).unwrap();
        let is_for_caller = flow.local.to_string() == CALLER;
        let mut must_acknowledge = false;
        if is_for_caller {
            must_acknowledge = self.must_be_acknowledged(&message);
        } else if message.method() == Method::Ack {
            self.note_ack(&message);
        }
        let received = Received { message, flow };
        if is_for_caller {
            self.caller.receive(self.now, received, &mut self.out);
            if must_acknowledge {
                let acks = self.out.transmits.iter().filter(|out| out.bytes.starts_with(b"ACK "));
                assert_eq!(acks.count(), 1, "seed {}: refusal without ACK", self.seed);
            }
        } else {
            self.callee.receive(self.now, received, &mut self.out);
        }
        self.settle(is_for_caller);
    }

    /// Whether a refusal arrives for an INVITE that is open or was refused less than 64·T1 ago.
    fn must_be_acknowledged(&self, response: &Message) -> bool {
        let is_refusal = response.status() >= Some(300) && response.method() == Method::Invite;
        let call = &self.calls[call_of(response)];
        let is_late = call.first_refusal_at.is_some_and(|first| self.now >= first + GIVE_UP);
        let is_live = match call.outcome {
            None => true,
            Some(Outcome::Refusal) => !is_late && !self.transport.is_reliable() && !self.is_cut,
            Some(_) => false,
        };
        is_refusal && is_live
    }

    /// An ACK with the branch of a refused INVITE that still waits for it.
    fn note_ack(&mut self, ack: &Message) {
        let branch = ack.via().unwrap().branch.unwrap();
        let now = self.now;
        let waiting = self.served.values_mut().filter(|served| {
            served.request.method() == Method::Invite
                && served.request.via().unwrap().branch == Some(branch)
                && served.final_at.is_some_and(|at| now < at + GIVE_UP)
        });
        waiting.for_each(|served| served.is_acknowledged = true);
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Start(call) => {
                let outgoing = Outgoing {
                    bytes: self.calls[call].request.clone(),
                    method: self.calls[call].method.clone(),
                    branch: self.calls[call].branch.clone(),
                    flow: self.flow(),
                };
                let key = self.caller.request(self.now, outgoing, &mut self.out).unwrap();
                self.calls[call].key = Some(key);
                if self.is_cut {
                    self.caller.transport_failed(self.now, &self.flow(), &mut self.out);
                }
                self.settle(true);
            }
            Act::Cancel(call) => {
                if let Some(key) = self.calls[call].key {
                    self.caller.cancel(self.now, key, &[], &mut self.out);
                }
                self.settle(true);
            }
            Act::Respond(key, status) => self.respond(key, status),
            Act::RepeatSuccess(key, interval) => self.repeat_success(key, interval),
            Act::Cut => self.cut(),
        }
    }

    fn cut(&mut self) {
        self.network.cut();
        self.is_cut = true;
        // On datagrams nobody may notice.
        if self.transport.is_reliable() || self.chance.below(2) == 0 {
            let flow = self.flow();
            self.caller.transport_failed(self.now, &flow, &mut self.out);
            self.settle(true);
            let flow = Flow { local: flow.remote, remote: flow.local, ..flow };
            self.callee.transport_failed(self.now, &flow, &mut self.out);
            self.settle(false);
            let now = self.now;
            let waiting = self
                .served
                .values_mut()
                .filter(|served| served.final_at.is_some_and(|at| now < at + GIVE_UP));
            // Their ACK is not waited for any more.
            waiting.for_each(|served| served.is_acknowledged = true);
        }
    }

    /// Handles what a layer said: sends, and lets its user react.
    fn settle(&mut self, is_caller: bool) {
        if is_caller {
            self.caller.check()
        } else {
            self.callee.check()
        }
        self.flush();
        while let Some(event) = self.out.events.pop_front() {
            match event {
                Event::Request { key, message, .. } => self.on_request(key, message),
                Event::Cancel { key, .. } => {
                    let delay = self.chance.below(300);
                    self.plan(delay, Act::Respond(key, 487));
                }
                Event::Ack { message, .. } => {
                    let call = call_of(&message);
                    let is_accepted =
                        |served: &&mut Served| served.call == call && served.status == Some(200);
                    let acked = self.served.values_mut().filter(is_accepted);
                    acked.for_each(|served| served.is_acknowledged = true);
                }
                Event::Response { key, message, .. } => self.on_response(key, &message),
                Event::TimedOut { key } => self.end(key, Outcome::TimedOut),
                Event::TransportFailed { key } => self.end(key, Outcome::TransportFailed),
                Event::Ended { key } => {
                    let call = self.call_with(key);
                    assert_eq!(call.outcome, Some(Outcome::Success));
                    assert!(!call.has_ended);
                    call.has_ended = true;
                }
                other => panic!("unknown event {other:?}"),
            }
        }
    }

    fn flush(&mut self) {
        for transmit in std::mem::take(&mut self.out.transmits) {
            self.network.send(self.now, transmit);
        }
    }

    fn call_with(&mut self, key: ClientKey) -> &mut Call {
        let seed = self.seed;
        let call = self.calls.iter_mut().find(|call| call.key == Some(key));
        call.unwrap_or_else(|| panic!("seed {seed}: an event of nobody"))
    }

    fn end(&mut self, key: ClientKey, outcome: Outcome) {
        let seed = self.seed;
        let call = self.call_with(key);
        assert_eq!(call.outcome, None, "seed {seed}: a second end ({outcome:?})");
        call.outcome = Some(outcome);
        call.has_ended = true;
    }

    fn on_response(&mut self, key: ClientKey, response: &Message) {
        let (seed, now) = (self.seed, self.now);
        let status = response.status().unwrap();
        let index = call_of(response);
        let call = self.call_with(key);
        assert_eq!(response.via().unwrap().branch, Some(call.branch.as_str()), "seed {seed}");
        assert_eq!(response.method(), call.method, "seed {seed}");
        assert!(!call.has_ended, "seed {seed}: {status} after the end");
        match status {
            100..=199 => assert_eq!(call.outcome, None, "seed {seed}: {status} after a final"),
            200..=299 if call.method == Method::Invite => {
                // Every 2xx comes through, and only 2xx follow a 2xx.
                assert!(matches!(call.outcome, None | Some(Outcome::Success)), "seed {seed}");
                call.outcome = Some(Outcome::Success);
                let ack = format!(
                    "ACK sip:b@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/{} {CALLER};branch={}ack\r\n\
                     From: <sip:a@192.0.2.1>;tag=a\r\nTo: <sip:b@192.0.2.2>;tag=b\r\n\
                     Call-ID: {index}\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n",
                    self.transport.via_token(),
                    self.calls[index].branch,
                );
                self.network.send(now, Transmit { bytes: ack.into(), flow: self.flow() });
            }
            _ => {
                let is_invite = call.method == Method::Invite;
                let outcome = if status < 300 { Outcome::Success } else { Outcome::Refusal };
                assert_eq!(call.outcome, None, "seed {seed}: final {status} delivered twice");
                call.outcome = Some(outcome);
                call.has_ended = true;
                call.first_refusal_at = is_invite.then_some(now);
            }
        }
    }

    /// A request reaches the callee's user, who makes up its mind what to do when.
    fn on_request(&mut self, key: ServerKey, request: Message) {
        let call = call_of(&request);
        for former in self.served.values().filter(|served| served.call == call) {
            // A second delivery is possible only after the memory of the first has ended.
            let is_forgotten = former.final_at.is_some_and(|at| self.now >= at + GIVE_UP);
            assert!(
                former.is_stateless || is_forgotten,
                "seed {}: {} delivered twice",
                self.seed,
                request.method()
            );
        }
        assert_ne!(request.method(), Method::Cancel);
        let is_stateless = self.chance.below(12) == 0;
        let served = Served {
            call,
            request,
            status: None,
            final_at: None,
            is_acknowledged: false,
            is_stateless,
        };
        if is_stateless {
            let bytes = response(&served.request, 401);
            assert!(self.callee.refuse(key, &bytes, &mut self.out));
            self.flush();
            self.served.insert(key, served);
            return;
        }
        self.served.insert(key, served);
        let mut at = 0;
        for _ in 0..self.chance.below(4) {
            at += self.chance.below(3_000);
            let status = [100, 180, 183][self.chance.below(3) as usize];
            self.plan(at, Act::Respond(key, status));
        }
        let span = [1, 400, 5_000, 45_000][self.chance.below(4) as usize];
        at += self.chance.below(span);
        // One in ten falls silent until long after everybody gave up.
        if self.chance.below(10) == 0 {
            at += 400_000;
        }
        let statuses = [200, 200, 200, 302, 404, 486, 503, 603];
        let status = statuses[self.chance.below(8) as usize];
        self.plan(at, Act::Respond(key, status));
    }

    fn respond(&mut self, key: ServerKey, status: u16) {
        let served = self.served.get_mut(&key).unwrap();
        if served.final_at.is_some() {
            // The last word was spoken (CANCEL and the answer cross): the layer must refuse.
            let is_repeat = served.status == Some(200) && status == 200;
            assert!(is_repeat || !self.callee.is_owed(key), "seed {}", self.seed);
            return;
        }
        let bytes = response(&served.request, status);
        let is_invite = served.request.method() == Method::Invite;
        served.status = Some(status);
        if status >= 200 {
            served.final_at = Some(self.now);
        }
        assert!(self.callee.respond(self.now, key, status, &bytes, &mut self.out));
        assert_eq!(self.out.transmits.len(), 1);
        if is_invite && status == 200 {
            self.plan(500, Act::RepeatSuccess(key, Duration::from_millis(500)));
        }
        if status >= 200 {
            let other = if status == 200 { 486 } else { 200 };
            let bytes = response(&self.served[&key].request, other);
            let was_sent = self.callee.respond(self.now, key, other, &bytes, &mut self.out);
            assert!(!was_sent, "seed {}: two different finals", self.seed);
        }
        self.settle(false);
    }

    /// The user repeats its 2xx until the ACK: RFC 3261 §13.3.1.4.
    fn repeat_success(&mut self, key: ServerKey, interval: Duration) {
        let served = &self.served[&key];
        if served.is_acknowledged || served.final_at.is_none_or(|at| self.now >= at + GIVE_UP) {
            return;
        }
        let bytes = response(&served.request, 200);
        assert!(self.callee.respond(self.now, key, 200, &bytes, &mut self.out));
        let next = (interval * 2).min(Duration::from_secs(4));
        self.plan(u64::try_from(next.as_millis()).unwrap(), Act::RepeatSuccess(key, next));
        self.settle(false);
    }

    /// What must hold when everything has come to rest.
    fn rest(&self) {
        let seed = self.seed;
        for layer in [&self.caller, &self.callee] {
            assert_eq!(layer.client_count(), 0, "seed {seed}: client transactions left");
            assert_eq!(layer.server_count(), 0, "seed {seed}: server transactions left");
            assert_eq!(layer.timer_count(), 0, "seed {seed}: timers left");
        }
        for call in &self.calls {
            assert!(call.outcome.is_some(), "seed {seed}: {} never ended", call.method);
            assert!(call.has_ended, "seed {seed}: {} not told its end", call.method);
        }
        let unacknowledged = self.served.values().filter(|served| {
            served.request.method() == Method::Invite
                && served.status.is_some_and(|status| status >= 300)
                && !served.is_acknowledged
        });
        let missing = u64::try_from(unacknowledged.count()).unwrap();
        assert_eq!(self.callee.counters().missing_acks, missing, "seed {seed}");
    }
}

/// The Call-ID is the number of the call.
fn call_of(message: &Message) -> usize {
    message.call_id().parse().unwrap()
}

fn response(request: &Message, status: u16) -> Bytes {
    let tag = (status > 100).then_some("b");
    message::response_to(request, status, "Reason", tag).finish(None, b"")
}

/// Runs a range of seeds and returns how often each outcome was seen, in the order of `Outcome`.
fn run(seeds: std::ops::Range<u64>, transport: Transport) -> [usize; 4] {
    let mut seen = [0; 4];
    let mut deliveries = 0;
    for seed in seeds {
        let mut world = World::new(seed, transport);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            world.run();
            world.rest();
        }));
        if let Err(panic) = outcome {
            eprintln!("the failing seed is {seed} on {transport} at {:?}", world.now);
            std::panic::resume_unwind(panic);
        }
        deliveries += world.deliveries;
        for call in &world.calls {
            seen[call.outcome.unwrap() as usize] += 1;
        }
    }
    println!("{transport}: {deliveries} messages delivered, outcomes {seen:?}");
    seen
}

#[test]
fn transactions_keep_their_promises_over_bad_datagram_networks() {
    let seen = run(0..9_000, Transport::Udp);
    assert!(seen.iter().all(|count| *count > 50), "some behaviour was not exercised: {seen:?}");
}

#[test]
fn transactions_keep_their_promises_over_streams() {
    let seen = run(100_000..103_000, Transport::Tcp);
    assert!(seen.iter().all(|count| *count > 50), "some behaviour was not exercised: {seen:?}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in [3, 77, 4_711] {
        let trace = |seed| {
            let mut world = World::new(seed, Transport::Udp);
            world.run();
            (world.now, world.deliveries, world.served.len())
        };
        assert_eq!(trace(seed), trace(seed));
    }
}
