//! The server side of the layer: requests from outside and our responses to them.

use std::collections::VecDeque;

use ahash::AHashMap;
use bytes::Bytes;

use super::event::{Counters, Event, MIN_ECHO_TIME, Outbox, ServerKey};
use super::generate;
use super::invite_server::InviteServer;
use super::key::{PathIndex, RequestKeys};
use super::server::Server;
use super::timer::{Action, Class, Clock, ServerInput, Setting, Timer, Timers};
use crate::flow::{Flow, Received, Transmit};
use crate::message::{HeaderName, Message, Method, validate};
use crate::slab::{Key, Slab};
use crate::time::{Now, TimerToken, TimerWheel};

/// One in so many server transactions is kept for requests inside dialogs.
const RESERVED_SHARE: usize = 16;

#[derive(Clone, Copy, Debug)]
enum Machine {
    Invite(InviteServer),
    Other(Server),
}

#[derive(Debug)]
struct Transaction {
    machine: Machine,
    keys: RequestKeys,
    /// Over which flow the request came.
    flow: Flow,
    /// Until the final response.
    request: Option<Message>,
    /// The last response, for echoes of the request.
    response: Option<Bytes>,
    is_cancelled: bool,
    repeat: Option<TimerToken>,
    life: Option<TimerToken>,
}

/// All server transactions.
pub(super) struct ServerSide {
    timers: Timers,
    limit: usize,
    transactions: Slab<Transaction>,
    by_request: AHashMap<Box<str>, Key>,
    /// By Call-ID, From tag and CSeq: finds merged requests and CANCELs with an altered Via.
    by_call: AHashMap<Box<str>, Key>,
    by_path: PathIndex,
    /// What has its final response, by the time of it; some are gone by now.
    answered: VecDeque<(Now, Key)>,
    wheel: TimerWheel<(Key, Timer)>,
    actions: Vec<Action>,
}

impl ServerSide {
    pub(super) fn new(timers: Timers, limit: usize) -> Self {
        Self {
            timers,
            limit,
            transactions: Slab::new(),
            by_request: AHashMap::new(),
            by_call: AHashMap::new(),
            by_path: PathIndex::default(),
            answered: VecDeque::new(),
            wheel: TimerWheel::new(),
            actions: Vec::new(),
        }
    }

    pub(super) fn on_request(
        &mut self,
        now: Now,
        received: Received,
        counters: &mut Counters,
        out: &mut Outbox,
    ) {
        let method = received.message.method();
        let Some(keys) = RequestKeys::of(&received.message, &received.flow) else {
            counters.malformed_requests += 1;
            if method != Method::Ack {
                refuse_malformed(&received, out);
            }
            return;
        };
        match method {
            Method::Ack => self.on_ack(now, received, &keys, out),
            Method::Cancel => self.on_cancel(received, &keys, counters, out),
            _ => self.on_ordinary(now, received, keys, counters, out),
        }
    }

    fn on_ordinary(
        &mut self,
        now: Now,
        received: Received,
        keys: RequestKeys,
        counters: &mut Counters,
        out: &mut Outbox,
    ) {
        if let Some(key) = self.by_request.get(&keys.transaction).copied() {
            counters.absorbed_requests += 1;
            self.step(now, key, ServerInput::Request, out);
            return;
        }
        let Received { message, flow } = received;
        // RFC 3261 §8.2.2.2: the same request over another path.
        if !keys.has_to_tag && self.by_call.contains_key(&keys.call) {
            counters.merged_requests += 1;
            let tag = generate::stateless_tag(&message);
            send(&generate::answer(&message, 482, "Loop Detected", &tag), &flow, &keys, out);
            return;
        }
        // What ends or keeps up a call goes before what begins one.
        let reserve = if keys.has_to_tag { 0 } else { self.limit / RESERVED_SHARE };
        if !self.make_room(now, reserve) {
            counters.refused_requests += 1;
            send(&generate::overloaded(&message), &flow, &keys, out);
            return;
        }
        counters.requests += 1;
        let machine = match message.method() {
            Method::Invite => Machine::Invite(InviteServer::new()),
            _ => Machine::Other(Server::new()),
        };
        let key = self.transactions.insert(Transaction {
            machine,
            keys: keys.clone(),
            flow,
            request: Some(message.clone()),
            response: None,
            is_cancelled: false,
            repeat: None,
            life: None,
        });
        self.by_request.insert(keys.transaction, key);
        self.by_call.entry(keys.call).or_insert(key);
        self.by_path.insert(&flow, key);
        out.events.push_back(Event::Request { key: ServerKey(key), message, flow });
        self.step(now, key, ServerInput::Start, out);
    }

    fn on_ack(&mut self, now: Now, received: Received, keys: &RequestKeys, out: &mut Outbox) {
        let Some(key) = self.by_request.get(&keys.transaction).copied() else {
            return pass_ack(received, out);
        };
        let is_for_user = self.transactions.get(key).is_some_and(
            |transaction| matches!(&transaction.machine, Machine::Invite(m) if m.is_accepted()),
        );
        if is_for_user {
            return pass_ack(received, out);
        }
        self.step(now, key, ServerInput::Ack, out);
    }

    /// RFC 3261 §9.2: CANCEL is answered hop by hop, whatever becomes of its INVITE.
    fn on_cancel(
        &mut self,
        received: Received,
        keys: &RequestKeys,
        counters: &mut Counters,
        out: &mut Outbox,
    ) {
        let Received { message, flow } = received;
        let Some(key) = self.cancelled_invite(keys, &flow) else {
            counters.unmatched_cancels += 1;
            let tag = generate::stateless_tag(&message);
            let reason = "Call/Transaction Does Not Exist";
            send(&generate::answer(&message, 481, reason, &tag), &flow, keys, out);
            return;
        };
        let Some(transaction) = self.transactions.get_mut(key) else { return };
        // RFC 3261 §9.2: the To tag should be that of the INVITE's responses.
        let tag = transaction
            .response
            .clone()
            .and_then(|response| Message::parse(response).ok())
            .and_then(|response| response.to().ok()?.tag().map(str::to_owned))
            .unwrap_or_else(|| generate::stateless_tag(&message));
        send(&generate::answer(&message, 200, "OK", &tag), &flow, keys, out);
        let is_open = matches!(&transaction.machine, Machine::Invite(m) if m.is_open());
        if is_open && !transaction.is_cancelled {
            transaction.is_cancelled = true;
            out.events.push_back(Event::Cancel { key: ServerKey(key), message });
        }
    }

    /// The INVITE a CANCEL belongs to: by branch from the same host or, because some user agents
    /// behind a NAT change their sent-by in between, by Call-ID, From tag and CSeq number over the
    /// same path.
    fn cancelled_invite(&self, keys: &RequestKeys, flow: &Flow) -> Option<Key> {
        let is_invite = |key: &Key, is_from_there: fn(&Flow, &Flow) -> bool| {
            self.transactions.get(*key).is_some_and(|transaction| {
                matches!(transaction.machine, Machine::Invite(_))
                    && is_from_there(&transaction.flow, flow)
            })
        };
        let by_branch = self.by_request.get(&keys.transaction).copied();
        by_branch.filter(|key| is_invite(key, Flow::is_same_host)).or_else(|| {
            let by_call = self.by_call.get(&keys.call).copied();
            by_call.filter(|key| is_invite(key, Flow::is_same_path))
        })
    }

    pub(super) fn respond(
        &mut self,
        now: Now,
        ServerKey(key): ServerKey,
        status: u16,
        bytes: &Bytes,
        out: &mut Outbox,
    ) -> bool {
        let Some(class) = Class::of(status) else { return false };
        let Some(transaction) = self.transactions.get_mut(key) else { return false };
        let may_respond = match &transaction.machine {
            Machine::Invite(machine) => machine.may_respond(class),
            Machine::Other(machine) => machine.is_open(),
        };
        if !may_respond {
            return false;
        }
        transaction.response = Some(generate::stamp_via(bytes, transaction.flow.remote));
        let is_first_final = class != Class::Provisional && transaction.request.take().is_some();
        self.step(now, key, ServerInput::Response(class), out);
        if is_first_final && self.transactions.contains(key) {
            self.answered.push_back((now, key));
        }
        if class == Class::Success
            && let Some(transaction) = self.transactions.get_mut(key)
            && matches!(transaction.machine, Machine::Invite(_))
        {
            // RFC 6026 §7.1: the user repeats its 2xx, the machine does not.
            transaction.response = None;
        }
        true
    }

    pub(super) fn refuse(
        &mut self,
        ServerKey(key): ServerKey,
        bytes: &Bytes,
        out: &mut Outbox,
    ) -> bool {
        let Some(transaction) = self.transactions.get(key) else { return false };
        let is_open = match &transaction.machine {
            Machine::Invite(machine) => machine.is_open(),
            Machine::Other(machine) => machine.is_open(),
        };
        // After a 1xx the peer does not repeat its request any more: the refusal must not get lost.
        let may_be_forgotten = is_open && transaction.response.is_none();
        if may_be_forgotten {
            send(bytes, &transaction.flow, &transaction.keys, out);
            self.remove(key);
        }
        may_be_forgotten
    }

    /// Makes sure that one more fits, beside a reserve; false if all are still needed.
    fn make_room(&mut self, now: Now, reserve: usize) -> bool {
        while self.transactions.len() + reserve >= self.limit {
            let Some((since, key)) = self.answered.front().copied() else { return false };
            if self.transactions.contains(key) {
                if now - since < MIN_ECHO_TIME {
                    return false;
                }
                self.remove(key);
            }
            self.answered.pop_front();
        }
        true
    }

    /// Forgets what is gone of the answered ones.
    fn tidy(&mut self) {
        let transactions = &self.transactions;
        while self.answered.pop_front_if(|(_, key)| !transactions.contains(*key)).is_some() {}
        if self.answered.len() > 2 * self.limit {
            self.answered.retain(|(_, key)| transactions.contains(*key));
        }
    }

    pub(super) fn trying(&mut self, now: Now, ServerKey(key): ServerKey, out: &mut Outbox) -> bool {
        let request = self.transactions.get(key).and_then(|transaction| {
            transaction.response.is_none().then(|| transaction.request.clone()).flatten()
        });
        let Some(request) = request else { return false };
        self.respond(now, ServerKey(key), 100, &generate::trying(&request), out)
    }

    pub(super) fn transport_failed(&mut self, now: Now, flow: &Flow, out: &mut Outbox) {
        for key in self.by_path.of(flow) {
            let transaction = self.transactions.get(key);
            if transaction.is_some_and(|transaction| transaction.flow.is_same_path(flow)) {
                self.step(now, key, ServerInput::TransportFailed, out);
            }
        }
    }

    pub(super) fn expire(&mut self, now: Now, counters: &mut Counters, out: &mut Outbox) {
        while let Some((key, timer)) = self.wheel.expire(now) {
            let Some(transaction) = self.transactions.get_mut(key) else { continue };
            match timer.clock() {
                Clock::Repeat => transaction.repeat = None,
                Clock::Life => transaction.life = None,
            }
            if timer == Timer::H {
                counters.missing_acks += 1;
            }
            self.step(now, key, ServerInput::Timer(timer), out);
        }
        self.tidy();
    }

    /// Lets a machine take one input and carries out what it orders.
    fn step(&mut self, now: Now, key: Key, input: ServerInput, out: &mut Outbox) {
        let Some(transaction) = self.transactions.get_mut(key) else { return };
        let with =
            Setting { timers: self.timers, is_reliable: transaction.flow.transport.is_reliable() };
        let mut actions = std::mem::take(&mut self.actions);
        match &mut transaction.machine {
            Machine::Invite(machine) => machine.handle(input, with, &mut actions),
            Machine::Other(machine) => machine.handle(input, with, &mut actions),
        }
        let mut is_trying_due = false;
        for action in actions.drain(..) {
            is_trying_due |= action == Action::Trying;
            self.carry_out(now, key, action, out);
        }
        self.actions = actions;
        if is_trying_due {
            self.trying(now, ServerKey(key), out);
        }
    }

    fn carry_out(&mut self, now: Now, key: Key, action: Action, out: &mut Outbox) {
        let Some(transaction) = self.transactions.get_mut(key) else { return };
        match action {
            Action::Send => {
                if let Some(bytes) = transaction.response.clone() {
                    let flow = transaction.keys.reply_to;
                    out.transmits.push(Transmit { bytes, flow });
                }
            }
            Action::Arm(timer, delay) => {
                let token = self.wheel.arm(now + delay, (key, timer));
                let place = match timer.clock() {
                    Clock::Repeat => &mut transaction.repeat,
                    Clock::Life => &mut transaction.life,
                };
                if let Some(former) = place.replace(token) {
                    self.wheel.disarm(former);
                }
            }
            Action::Disarm(clock) => {
                let place = match clock {
                    Clock::Repeat => &mut transaction.repeat,
                    Clock::Life => &mut transaction.life,
                };
                if let Some(former) = place.take() {
                    self.wheel.disarm(former);
                }
            }
            Action::Terminate => self.remove(key),
            // The rest is ordered by client machines only, and 100 is sent by `step`.
            _ => {}
        }
    }

    fn remove(&mut self, key: Key) {
        let Some(transaction) = self.transactions.remove(key) else { return };
        self.by_path.remove(&transaction.flow, key);
        for token in [transaction.repeat, transaction.life].into_iter().flatten() {
            self.wheel.disarm(token);
        }
        self.by_request.remove(&transaction.keys.transaction);
        if self.by_call.get(&transaction.keys.call) == Some(&key) {
            self.by_call.remove(&transaction.keys.call);
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Now> {
        self.wheel.next_deadline()
    }

    pub(super) fn len(&self) -> usize {
        self.transactions.len()
    }

    pub(super) fn timer_count(&self) -> usize {
        self.wheel.len()
    }

    /// Whether the user still owes a final response.
    pub(super) fn is_open(&self, ServerKey(key): ServerKey) -> bool {
        self.transactions.get(key).is_some_and(|transaction| match transaction.machine {
            Machine::Invite(machine) => machine.is_open(),
            Machine::Other(machine) => machine.is_open(),
        })
    }

    /// Whether a response is repeated until the peer acknowledges it (RFC 3261 §17.2.1).
    pub(super) fn is_repeating(&self) -> bool {
        self.transactions.iter().any(|(_, transaction)| transaction.repeat.is_some())
    }

    /// Each transaction is indexed, and has a timer that ends it unless the user owes its answer.
    pub(super) fn check(&self) {
        debug_assert_eq!(self.transactions.len(), self.by_request.len());
        debug_assert!(self.by_call.len() <= self.by_request.len());
        let mut armed = 0;
        for (key, transaction) in self.transactions.iter() {
            debug_assert_eq!(self.by_request.get(&transaction.keys.transaction), Some(&key));
            let is_open = self.is_open(ServerKey(key));
            debug_assert_eq!(is_open, transaction.life.is_none(), "{transaction:?}");
            debug_assert_eq!(is_open, transaction.request.is_some(), "{transaction:?}");
            armed += [transaction.repeat, transaction.life].iter().flatten().count();
        }
        for key in self.by_call.values() {
            debug_assert!(self.transactions.contains(*key));
        }
        debug_assert_eq!(armed, self.wheel.len());
        debug_assert_eq!(self.by_path.len(), self.transactions.len());
    }
}

/// Hands an ACK to the user, who knows whether it has a dialog for it.
fn pass_ack(received: Received, out: &mut Outbox) {
    let Received { message, flow } = received;
    out.events.push_back(Event::Ack { message, flow });
}

/// Sends a response for which no state is kept.
fn send(bytes: &Bytes, flow: &Flow, keys: &RequestKeys, out: &mut Outbox) {
    let bytes = generate::stamp_via(bytes, flow.remote);
    out.transmits.push(Transmit { bytes, flow: keys.reply_to });
}

/// Says to the source of a request what it lacks to be a transaction, if it has a Via to echo.
fn refuse_malformed(received: &Received, out: &mut Outbox) {
    let Received { message, flow } = received;
    if message.header(HeaderName::Via).is_none() {
        return;
    }
    let tag = generate::stateless_tag(message);
    let refusal = validate::check(message).err();
    let bytes = refusal
        .and_then(|refusal| refusal.response(message, &tag))
        .unwrap_or_else(|| generate::answer(message, 400, "Bad Request", &tag));
    let bytes = generate::stamp_via(&bytes, flow.remote);
    out.transmits.push(Transmit { bytes, flow: *flow });
}
