//! The client side of the layer: requests of ours and the responses to them.

use std::collections::VecDeque;

use ahash::AHashMap;
use bytes::Bytes;

use super::client::Client;
use super::event::{ClientKey, Counters, Event, Full, MIN_ECHO_TIME, Outbox, Outgoing};
use super::generate;
use super::invite_client::InviteClient;
use super::key::{PathIndex, transaction_branch};
use super::timer::{Action, Class, ClientInput, Clock, Setting, Timer, Timers};
use crate::flow::{Flow, Received, Transmit};
use crate::message::{HeaderName, Message, Method};
use crate::slab::{Key, Slab};
use crate::time::{Now, TimerToken, TimerWheel};

#[derive(Clone, Copy, Debug)]
enum Machine {
    Invite(InviteClient),
    Other(Client),
}

/// Where the CANCEL of an INVITE stands.
#[derive(Clone, Debug)]
enum Cancellation {
    None,
    /// It waits for a provisional response (RFC 3261 §9.1).
    Queued(Bytes),
    Sent,
}

#[derive(Debug)]
struct Transaction {
    machine: Machine,
    method: Method,
    branch: Box<str>,
    request: Bytes,
    flow: Flow,
    cancellation: Cancellation,
    repeat: Option<TimerToken>,
    life: Option<TimerToken>,
}

/// All client transactions.
pub(super) struct ClientSide {
    timers: Timers,
    limit: usize,
    transactions: Slab<Transaction>,
    /// Everything but CANCEL, by branch.
    by_branch: AHashMap<Box<str>, Key>,
    /// The CANCELs that the layer made; they share their INVITE's branch.
    cancels: AHashMap<Box<str>, Key>,
    by_path: PathIndex,
    /// What got its final response, by the time of it; some are gone by now.
    answered: VecDeque<(Now, Key)>,
    wheel: TimerWheel<(Key, Timer)>,
    actions: Vec<Action>,
}

impl ClientSide {
    pub(super) fn new(timers: Timers, limit: usize) -> Self {
        Self {
            timers,
            limit,
            transactions: Slab::new(),
            by_branch: AHashMap::new(),
            cancels: AHashMap::new(),
            by_path: PathIndex::default(),
            answered: VecDeque::new(),
            wheel: TimerWheel::new(),
            actions: Vec::new(),
        }
    }

    pub(super) fn request(
        &mut self,
        now: Now,
        outgoing: Outgoing,
        counters: &mut Counters,
        out: &mut Outbox,
    ) -> Result<ClientKey, Full> {
        // Two requests under one branch could not be told apart: the caller's randomness failed.
        if self.by_branch.contains_key(&*outgoing.branch) || !self.make_room(now, out) {
            counters.refused_clients += 1;
            return Err(Full);
        }
        let branch: Box<str> = outgoing.branch.into();
        let flow = outgoing.flow;
        let machine = match outgoing.method {
            Method::Invite => Machine::Invite(InviteClient::new()),
            _ => Machine::Other(Client::new()),
        };
        let key = self.transactions.insert(Transaction {
            machine,
            method: outgoing.method,
            branch: branch.clone(),
            request: outgoing.bytes,
            flow,
            cancellation: Cancellation::None,
            repeat: None,
            life: None,
        });
        self.by_branch.insert(branch, key);
        self.by_path.insert(&flow, key);
        self.step(now, key, ClientInput::Start, None, out);
        Ok(ClientKey(key))
    }

    /// Makes sure that one more fits: ends the oldest that only wait for echoes, as their timers
    /// would. False if all are still needed.
    fn make_room(&mut self, now: Now, out: &mut Outbox) -> bool {
        while self.by_branch.len() >= self.limit {
            let Some((since, key)) = self.answered.front().copied() else { return false };
            if self.transactions.contains(key) {
                if now - since < MIN_ECHO_TIME {
                    return false;
                }
                for timer in [Timer::D, Timer::K, Timer::M] {
                    self.step(now, key, ClientInput::Timer(timer), None, out);
                }
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

    pub(super) fn cancel(
        &mut self,
        now: Now,
        ClientKey(key): ClientKey,
        headers: &[(HeaderName, String)],
        out: &mut Outbox,
    ) -> bool {
        let Some(transaction) = self.transactions.get_mut(key) else { return false };
        let Machine::Invite(machine) = transaction.machine else { return false };
        if !machine.is_open() || !matches!(transaction.cancellation, Cancellation::None) {
            return false;
        }
        let cancel = Message::parse(transaction.request.clone())
            .ok()
            .and_then(|invite| generate::cancellation(&invite, headers));
        let Some(cancel) = cancel else { return false };
        transaction.cancellation = Cancellation::Queued(cancel);
        self.release_cancel(now, key, out);
        true
    }

    /// Sends a queued CANCEL if its INVITE is proceeding.
    fn release_cancel(&mut self, now: Now, key: Key, out: &mut Outbox) {
        let Some(transaction) = self.transactions.get_mut(key) else { return };
        if !matches!(&transaction.machine, Machine::Invite(machine) if machine.is_proceeding()) {
            return;
        }
        let Cancellation::Queued(bytes) = &transaction.cancellation else { return };
        let cancel = Transaction {
            machine: Machine::Other(Client::new()),
            method: Method::Cancel,
            branch: transaction.branch.clone(),
            request: bytes.clone(),
            flow: transaction.flow,
            cancellation: Cancellation::Sent,
            repeat: None,
            life: None,
        };
        transaction.cancellation = Cancellation::Sent;
        if self.cancels.len() < self.limit {
            let branch = transaction.branch.clone();
            let flow = cancel.flow;
            let cancel_key = self.transactions.insert(cancel);
            self.by_path.insert(&flow, cancel_key);
            self.cancels.insert(branch, cancel_key);
            self.step(now, cancel_key, ClientInput::Start, None, out);
        } else {
            // Better a CANCEL that is not repeated than none.
            out.transmits.push(Transmit { bytes: cancel.request, flow: cancel.flow });
        }
        self.step(now, key, ClientInput::CancelSent, None, out);
    }

    pub(super) fn on_response(
        &mut self,
        now: Now,
        received: Received,
        counters: &mut Counters,
        out: &mut Outbox,
    ) {
        let Some((key, class)) = self.find(&received.message) else {
            counters.unmatched_responses += 1;
            return;
        };
        // A response is believed only from the host to which the request went.
        let is_ours = self
            .transactions
            .get(key)
            .is_some_and(|transaction| transaction.flow.is_same_host(&received.flow));
        if !is_ours {
            counters.foreign_responses += 1;
            return;
        }
        let was_open = self.is_open(ClientKey(key));
        self.step(now, key, ClientInput::Response(class), Some(&received), out);
        if was_open
            && class != Class::Provisional
            && let Some(transaction) = self.transactions.get_mut(key)
        {
            self.answered.push_back((now, key));
            if class == Class::Success {
                // Never needed again, and there may be tens of thousands.
                transaction.request = Bytes::new();
            }
        }
        if class == Class::Provisional {
            self.release_cancel(now, key, out);
        }
    }

    /// RFC 3261 §17.1.3: the branch of the top Via and the method of the CSeq.
    fn find(&self, response: &Message) -> Option<(Key, Class)> {
        let class = response.status().and_then(Class::of)?;
        Some((self.find_transaction(response)?, class))
    }

    fn find_transaction(&self, message: &Message) -> Option<Key> {
        let via = message.via().ok()?;
        let branch = transaction_branch(&via)?;
        let method = message.cseq().ok()?.method;
        let index = if method == Method::Cancel { &self.cancels } else { &self.by_branch };
        let key = index.get(branch).or_else(|| self.by_branch.get(branch)).copied()?;
        self.transactions.get(key).filter(|transaction| transaction.method == method)?;
        Some(key)
    }

    pub(super) fn unsent(&mut self, now: Now, request: &Message, out: &mut Outbox) {
        if request.is_request()
            && let Some(key) = self.find_transaction(request)
        {
            self.step(now, key, ClientInput::TransportFailed, None, out);
        }
    }

    pub(super) fn transport_failed(&mut self, now: Now, flow: &Flow, out: &mut Outbox) {
        for key in self.by_path.of(flow) {
            let transaction = self.transactions.get(key);
            if transaction.is_some_and(|transaction| transaction.flow.is_same_path(flow)) {
                self.step(now, key, ClientInput::TransportFailed, None, out);
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
            if matches!(timer, Timer::B | Timer::F | Timer::Cancelled) {
                counters.timeouts += 1;
            }
            self.step(now, key, ClientInput::Timer(timer), None, out);
        }
        self.tidy();
    }

    /// Lets a machine take one input and carries out what it orders.
    fn step(
        &mut self,
        now: Now,
        key: Key,
        input: ClientInput,
        response: Option<&Received>,
        out: &mut Outbox,
    ) {
        let Some(transaction) = self.transactions.get_mut(key) else { return };
        let with =
            Setting { timers: self.timers, is_reliable: transaction.flow.transport.is_reliable() };
        let mut actions = std::mem::take(&mut self.actions);
        match &mut transaction.machine {
            Machine::Invite(machine) => machine.handle(input, with, &mut actions),
            Machine::Other(machine) => machine.handle(input, with, &mut actions),
        }
        for action in actions.drain(..) {
            self.carry_out(now, key, action, response, out);
        }
        self.actions = actions;
    }

    fn carry_out(
        &mut self,
        now: Now,
        key: Key,
        action: Action,
        response: Option<&Received>,
        out: &mut Outbox,
    ) {
        let Some(transaction) = self.transactions.get_mut(key) else { return };
        // Nobody waits for the fate of a CANCEL; its INVITE tells.
        let is_cancel = transaction.method == Method::Cancel
            && matches!(transaction.cancellation, Cancellation::Sent);
        let key_of_user = ClientKey(key);
        match action {
            Action::Send => {
                let bytes = transaction.request.clone();
                out.transmits.push(Transmit { bytes, flow: transaction.flow });
            }
            Action::Acknowledge => {
                let ack = response.and_then(|refusal| {
                    let invite = Message::parse(transaction.request.clone()).ok()?;
                    generate::acknowledgement(&invite, &refusal.message)
                });
                if let Some(bytes) = ack {
                    out.transmits.push(Transmit { bytes, flow: transaction.flow });
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
            Action::Trying => {}
            _ if is_cancel => {}
            Action::Deliver => {
                if let Some(Received { message, flow }) = response.cloned() {
                    out.events.push_back(Event::Response { key: key_of_user, message, flow });
                }
            }
            Action::TimedOut => out.events.push_back(Event::TimedOut { key: key_of_user }),
            Action::TransportFailed => {
                out.events.push_back(Event::TransportFailed { key: key_of_user });
            }
            Action::Ended => out.events.push_back(Event::Ended { key: key_of_user }),
        }
    }

    fn remove(&mut self, key: Key) {
        let Some(transaction) = self.transactions.remove(key) else { return };
        self.by_path.remove(&transaction.flow, key);
        for token in [transaction.repeat, transaction.life].into_iter().flatten() {
            self.wheel.disarm(token);
        }
        let index = if self.by_branch.get(&transaction.branch) == Some(&key) {
            &mut self.by_branch
        } else {
            &mut self.cancels
        };
        if index.get(&transaction.branch) == Some(&key) {
            index.remove(&transaction.branch);
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

    /// Whether the transaction exists and has no final response yet.
    pub(super) fn is_open(&self, ClientKey(key): ClientKey) -> bool {
        self.transactions.get(key).is_some_and(|transaction| match transaction.machine {
            Machine::Invite(machine) => machine.is_open(),
            Machine::Other(machine) => machine.is_open(),
        })
    }

    /// Each transaction is indexed once, and has a timer that ends it unless the peer is
    /// alerting.
    pub(super) fn check(&self) {
        debug_assert_eq!(self.transactions.len(), self.by_branch.len() + self.cancels.len());
        let mut armed = 0;
        for (key, transaction) in self.transactions.iter() {
            let index = if self.by_branch.get(&transaction.branch) == Some(&key) {
                &self.by_branch
            } else {
                &self.cancels
            };
            debug_assert_eq!(index.get(&transaction.branch), Some(&key), "{transaction:?}");
            let is_alerting =
                matches!(&transaction.machine, Machine::Invite(machine) if machine.is_proceeding());
            debug_assert!(is_alerting || transaction.life.is_some(), "{transaction:?}");
            armed += [transaction.repeat, transaction.life].iter().flatten().count();
        }
        debug_assert_eq!(armed, self.wheel.len());
        debug_assert_eq!(self.by_path.len(), self.transactions.len());
    }
}
