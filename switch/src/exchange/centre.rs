//! The joint between the exchange and the call centre ([`acd::Center`]).
//!
//! What happens to calls that wait, to agents' calls and to phones is told to the centre as it happens;
//! what the centre wants is taken once the input is dealt with, in [`Exchange::settle_centre`]: phones
//! ring, calls go elsewhere, applications are told. Source: tapi-agents 10.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use acd::{
    Center, Destination, Output as Wish, Overflowed, PhoneState, Refusal, Time, WaitingCall,
};
use config::{Config, Queue};
use sip_stack::time::{Now, TimerToken};
use tapi::agent::{AgentId, AgentNotice, AgentRequest, QueueId, WorkAddress};
use tapi::constant::{DisconnectMode, LineErr};
use tapi::{AddressId, RequestKey};

use super::Exchange;
use super::centre_plan::plan;
use super::mailbox::Output;
use crate::call::agent_code::PinEntry;
use crate::call::announce::Standing;
use crate::call::cause::{Cause, Outcome};
use crate::call::fork::ELSEWHERE;
use crate::call::{CallId, ConnectionKey, Timer};
use crate::presence::Entity;
use crate::store::Change;

/// A waiting call as the centre names it.
pub(crate) type Ticket = acd::CallKey;

/// How often the picture of the centre is kept, at most.
const KEEP_EVERY: Duration = Duration::from_millis(500);

/// How a call leaves its queue other than by an agent's answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Parting {
    /// The caller has hung up.
    Abandoned,
    /// An application, or who picked it up, has it.
    Taken,
    /// Somebody has sent it to another queue.
    Flows,
    /// The centre itself has sent it away and knows.
    SentAway,
}

/// A call that a phone has from the centre.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Given {
    ticket: Ticket,
    at: WorkAddress,
    is_answered: bool,
}

/// The centre, and what the exchange remembers for it.
pub(crate) struct Centre {
    pub(super) center: Center,
    seed: u64,
    next_ticket: u64,
    waiting: BTreeMap<Ticket, ConnectionKey>,
    /// Agents' calls that came from the centre.
    given: HashMap<CallId, Given>,
    /// Calls that have come and about which the centre has not said anything yet.
    fresh: BTreeSet<Ticket>,
    /// Lines whose phones may be in another state.
    touched: BTreeSet<String>,
    phones: HashMap<String, PhoneState>,
    /// PINs that are being keyed.
    pub(crate) pins: HashMap<CallId, PinEntry>,
    /// How often in a row, and when last, the PIN of an agent was wrong.
    pub(crate) wrong_pins: HashMap<String, (u32, Now)>,
    timer: Option<TimerToken>,
    keeping: Option<TimerToken>,
    kept: String,
}

impl Centre {
    /// A centre in which nobody works.
    pub(super) fn new(config: &Config, seed: u64) -> Centre {
        Centre {
            center: Center::new(acd::Plan::new(&config.domain), Time(0), seed),
            seed,
            next_ticket: 0,
            waiting: BTreeMap::new(),
            given: HashMap::new(),
            fresh: BTreeSet::new(),
            touched: BTreeSet::new(),
            phones: HashMap::new(),
            pins: HashMap::new(),
            wrong_pins: HashMap::new(),
            timer: None,
            keeping: None,
            kept: String::new(),
        }
    }
}

impl Exchange {
    pub(super) fn centre_now(&self) -> Time {
        Time(self.clock.unix_ms)
    }

    /// Opens the centre of the configuration, with what the previous run kept.
    pub(super) fn open_centre(&mut self, kept: Option<&str>) {
        let now = self.centre_now();
        let plan = plan(&self.config, &self.tapi);
        let read = kept.map(serde_json::from_str::<acd::Snapshot>);
        self.centre.center = match read {
            Some(Ok(snapshot)) => {
                let line_of = |number: &str| self.tapi.line_by_number(number);
                Center::restore(plan, &snapshot, now, self.centre.seed, line_of)
            }
            Some(Err(error)) => {
                tracing::error!(%error, "the kept call centre cannot be read");
                Center::new(plan, now, self.centre.seed)
            }
            None => Center::new(plan, now, self.centre.seed),
        };
        kept.unwrap_or_default().clone_into(&mut self.centre.kept);
        let lines: Vec<String> = self.config.lines.keys().cloned().collect();
        lines.iter().for_each(|line| self.touch_desk(line));
        while self.settle_centre() {}
        self.counters.centre.store(Arc::new(self.centre_samples()));
    }

    /// A new configuration: calls of queues that are gone go where such calls went.
    pub(super) fn reload_centre(&mut self, before: &Arc<Config>) {
        let now = self.centre_now();
        let plan = plan(&self.config, &self.tapi);
        self.centre.center.replan(plan, now);
        let lines: Vec<String> = self.config.lines.keys().cloned().collect();
        lines.iter().for_each(|line| self.touch_desk(line));
        while self.settle_centre() {}
        for queue in before.queues.values() {
            let device = self.tapi.line_by_number(&queue.number);
            let is_gone = self.config.queue_at(&queue.number).is_none();
            if let Some(device) = device.filter(|_| is_gone) {
                self.tapi.remove_line(self.clock.unix_ms, device);
            }
        }
    }

    /// A line is about to be taken away: nobody works there any more.
    pub(super) fn leave_desk(&mut self, line: &str, device: tapi::DeviceId) {
        let now = self.centre_now();
        self.centre.phones.remove(line);
        self.centre.center.remove_line(device, now);
    }

    /// Something about the phone of a line may have changed.
    pub(crate) fn touch_desk(&mut self, line: &str) {
        if !self.config.agents.is_empty() && self.config.lines.contains_key(line) {
            self.centre.touched.insert(line.to_owned());
        }
    }

    /// A new name for a call that is about to wait in a connection.
    pub(crate) fn centre_ticket(&mut self, key: ConnectionKey) -> Option<Ticket> {
        if self.centre.waiting.len() >= acd::MAX_WAITING_CALLS {
            return None;
        }
        self.centre.next_ticket += 1;
        let ticket = acd::CallKey(self.centre.next_ticket);
        self.centre.waiting.insert(ticket, key);
        Some(ticket)
    }

    pub(super) fn queue_id(&self, name: &str) -> Option<QueueId> {
        self.centre.center.queue_named(name)
    }

    /// A call waits from now on; `from` is the queue that it has left for this one.
    ///
    /// Errors: where it goes instead, if anywhere, and the cause for a caller that goes nowhere.
    pub(crate) fn centre_arrived(
        &mut self,
        ticket: Ticket,
        queue: &Queue,
        from: Option<&str>,
    ) -> Result<(), (Option<String>, Cause)> {
        self.tell_phones();
        let id = self.queue_id(&queue.id).ok_or((None, Cause::UNKNOWN_NUMBER))?;
        let from_queue = from.and_then(|name| self.queue_id(name));
        let call = WaitingCall { key: ticket, queue: id, from_queue, priority: 0 };
        let now = self.centre_now();
        let Err(refusal) = self.centre.center.enqueue(call, now) else {
            self.centre.fresh.insert(ticket);
            return Ok(());
        };
        self.centre.waiting.remove(&ticket);
        let to = match refusal.why {
            Overflowed::Full => queue.on_full.clone(),
            _ => self.number_of_destination(refusal.to),
        };
        Err((to, cause_of(refusal.why)))
    }

    /// Where a call waits.
    pub(super) fn waiting_connection(&self, ticket: Ticket) -> Option<ConnectionKey> {
        self.centre.waiting.get(&ticket).copied()
    }

    /// An agent has answered.
    pub(crate) fn centre_answered(&mut self, ticket: Ticket, agent: CallId) {
        let now = self.centre_now();
        self.centre.waiting.remove(&ticket);
        if let Some(given) = self.centre.given.get_mut(&agent) {
            given.is_answered = true;
            let at = given.at;
            noted(self.centre.center.answered(ticket, at, now));
        }
    }

    /// A call waits no more.
    pub(crate) fn centre_parted(&mut self, ticket: Ticket, how: Parting) {
        let now = self.centre_now();
        self.centre.waiting.remove(&ticket);
        self.centre.fresh.remove(&ticket);
        self.centre.given.retain(|_, given| given.ticket != ticket || given.is_answered);
        match how {
            Parting::Abandoned => noted(self.centre.center.abandon(ticket, now)),
            Parting::Taken => noted(self.centre.center.take_away(ticket, now)),
            Parting::Flows => noted(self.centre.center.flow(ticket, now)),
            Parting::SentAway => {}
        }
    }

    /// An agent's phone rings: 180, or the first sign of it.
    pub(crate) fn centre_rings(&mut self, agent: CallId) {
        let now = self.centre_now();
        if let Some(given) = self.centre.given.get(&agent).filter(|given| !given.is_answered) {
            noted(self.centre.center.ringing(given.ticket, given.at, now));
        }
    }

    /// No phone of an agent takes the call.
    pub(crate) fn centre_refused(&mut self, agent: CallId, cause: Cause) {
        let now = self.centre_now();
        if let Some(given) = self.centre.given.remove(&agent) {
            noted(self.centre.center.refused(given.ticket, given.at, refusal(cause), now));
        }
    }

    /// An agent's call is over, or went to somebody else.
    pub(crate) fn centre_call_ended(&mut self, id: CallId) {
        let now = self.centre_now();
        self.centre.pins.remove(&id);
        let Some(given) = self.centre.given.remove(&id) else { return };
        match given.is_answered {
            true => noted(self.centre.center.left(given.ticket, given.at, now)),
            false => {
                let why = Refusal::Rejected;
                noted(self.centre.center.refused(given.ticket, given.at, why, now));
            }
        }
    }

    /// Where a call stands in its queue.
    pub(crate) fn standing(&self, queue: &str, ticket: Ticket) -> Option<Standing> {
        let waiting = self.centre.center.waiting(self.queue_id(queue)?, self.centre_now());
        let own = waiting.into_iter().find(|waiting| waiting.call == ticket)?;
        let position = usize::try_from(own.position).unwrap_or(usize::MAX);
        Some(Standing { position, expected: own.expected_wait })
    }

    /// An application's request to the handler.
    pub(super) fn ask_centre(&mut self, request: RequestKey, asked: AgentRequest) {
        self.tell_phones();
        let now = self.centre_now();
        let works_at = self
            .whose(&asked)
            .and_then(|agent| self.centre.center.agent_view(agent, now)?.at.map(|at| at.line));
        let may = works_at.is_none_or(|line| self.tapi.requester_sees(request, line));
        let answer = match (may, self.is_where_calls_ring(&asked)) {
            (true, true) => self.centre.center.ask(asked, now),
            (true, false) => Err(LineErr::InvalAddressId),
            (false, _) => Err(LineErr::OperationUnavail),
        };
        self.tapi.complete_agent(self.clock.unix_ms, request, answer);
    }

    /// Whether somebody who begins to work does so where calls of queues can ring: at the own address
    /// of a line with phones, neither at a queue nor at a shared line.
    fn is_where_calls_ring(&self, asked: &AgentRequest) -> bool {
        use AgentRequest as R;
        let at = match asked {
            R::CreateAgentSession { at, .. } => at,
            R::SetAgentGroup { at, groups } if !groups.is_empty() => at,
            _ => return true,
        };
        let line = self.tapi.line_number(at.line);
        at.address == AddressId(0) && line.is_some_and(|line| self.config.lines.contains_key(line))
    }

    /// The agent that a request is about, where it names one or one of its sessions.
    fn whose(&self, asked: &AgentRequest) -> Option<AgentId> {
        use AgentRequest as R;
        match asked {
            R::SetAgentMeasurementPeriod { agent, .. }
            | R::GetAgentInfo { agent }
            | R::CreateAgentSession { agent, .. }
            | R::GetAgentSessionList { agent }
            | R::SetAgentStateEx { agent, .. } => Some(*agent),
            R::SetAgentSessionState { session, .. } | R::GetAgentSessionInfo { session } => {
                let sessions = self.centre.center.sessions(self.centre_now());
                sessions.into_iter().find(|one| one.id == *session).map(|one| one.agent)
            }
            _ => None,
        }
    }

    /// The centre's clock.
    pub(super) fn on_centre_timer(&mut self) {
        self.centre.timer = None;
        let now = self.centre_now();
        self.centre.center.tick(now);
    }

    /// Tells the centre of phones and does what it wants; false when there is nothing to do.
    pub(super) fn settle_centre(&mut self) -> bool {
        self.tell_phones();
        let wishes: Vec<Wish> = self.centre.center.outputs().collect();
        let has_work = !wishes.is_empty() || !self.centre.fresh.is_empty();
        for wish in wishes {
            self.grant_wish(wish);
        }
        for ticket in std::mem::take(&mut self.centre.fresh) {
            self.greet(ticket);
        }
        if has_work {
            self.keep_centre_later();
        }
        self.arm_centre();
        has_work
    }

    /// Tells the centre of phones that are in another state: before it decides anything.
    pub(super) fn tell_phones(&mut self) {
        let now = self.centre_now();
        for line in std::mem::take(&mut self.centre.touched) {
            let state = self.phone_state(&line);
            if self.centre.phones.get(&line) == Some(&state) {
                continue;
            }
            let Some(device) = self.tapi.line_by_number(&line) else { continue };
            self.centre.phones.insert(line, state);
            let at = WorkAddress { line: device, address: AddressId(0) };
            self.centre.center.phone(at, state, now);
        }
    }

    fn arm_centre(&mut self) {
        if let Some(token) = self.centre.timer.take() {
            self.timers.disarm(token);
        }
        if let Some(at) = self.centre.center.next_timer() {
            let delay = Duration::from_millis(at.0.saturating_sub(self.clock.unix_ms));
            self.centre.timer = Some(self.arm(delay, Timer::Centre));
        }
    }

    fn grant_wish(&mut self, wish: Wish) {
        match wish {
            Wish::Ring { call, at, timeout, .. } => self.ring_for(call, at, timeout),
            Wish::StopRinging { call, at, is_answered_elsewhere } => {
                self.stop_ringing_at(call, at, is_answered_elsewhere);
            }
            Wish::Overflow { call, to, why, .. } => self.send_from_queue(call, to, why),
            Wish::Announce { .. } => {}
            Wish::Notice { notice, at } => self.tell_notice(notice, at),
        }
    }

    fn ring_for(&mut self, ticket: Ticket, at: WorkAddress, timeout: Option<Duration>) {
        let now = self.centre_now();
        let Some(&key) = self.centre.waiting.get(&ticket) else { return };
        let Some(line) = self.tapi.line_number(at.line).map(str::to_owned) else {
            return noted(self.centre.center.refused(ticket, at, Refusal::Failed, now));
        };
        let own = self.config.lines.get(&line).map(|line| line.ring_timeout);
        let ring_time = timeout.or(own).unwrap_or(self.config.line_defaults.ring_timeout);
        match self.ring_agent(key, &line, ring_time) {
            Ok(agent) => {
                let given = Given { ticket, at, is_answered: false };
                self.centre.given.insert(agent, given);
                self.touch_desk(&line);
            }
            Err(cause) => noted(self.centre.center.refused(ticket, at, refusal(cause), now)),
        }
    }

    fn stop_ringing_at(&mut self, ticket: Ticket, at: WorkAddress, is_elsewhere: bool) {
        let mut given = self.centre.given.iter();
        let found =
            given.find(|(_, given)| given.ticket == ticket && given.at == at && !given.is_answered);
        let Some(agent) = found.map(|(agent, _)| *agent) else { return };
        self.centre.given.remove(&agent);
        let (mode, reason) = match is_elsewhere {
            true => (DisconnectMode::Pickup, ELSEWHERE),
            false => (DisconnectMode::Cancelled, "SIP;cause=487;text=\"Request Terminated\""),
        };
        self.clear_called(agent, mode, reason);
    }

    /// The call cannot stay: to where its queue sends it, or to nobody.
    fn send_from_queue(&mut self, ticket: Ticket, to: Destination, why: Overflowed) {
        let Some(&key) = self.centre.waiting.get(&ticket) else { return };
        let number = self.number_of_destination(to);
        self.end_waiting(key, number.as_deref(), cause_of(why), Parting::SentAway);
    }

    fn number_of_destination(&self, to: Destination) -> Option<String> {
        match to {
            Destination::HangUp => None,
            Destination::Number(number) => Some(number),
            Destination::Queue(queue) => self.queue_number(queue),
        }
    }

    fn queue_number(&self, id: QueueId) -> Option<String> {
        let mut queues = self.config.queues.values();
        queues.find(|queue| self.queue_id(&queue.id) == Some(id)).map(|queue| queue.number.clone())
    }

    /// A call has come: while an agent rings at once it hears ringing for a while, else it is
    /// answered with music (tapi-agents 10.3).
    fn greet(&mut self, ticket: Ticket) {
        let Some(&key) = self.centre.waiting.get(&ticket) else { return };
        let waiting = self.connections.get(key.0).and_then(|c| c.queue.as_ref());
        let Some(waiting) = waiting.filter(|waiting| !waiting.is_answered) else { return };
        let (call, is_ringing) = (waiting.call, !waiting.agents.is_empty());
        let Some(queue) = self.config.queues.get(&waiting.queue) else { return };
        let (answers, answer_after) = (queue.answers, queue.answer_after);
        if !answers {
            return;
        }
        if is_ringing && !answer_after.is_zero() {
            self.set_call_timer(call, answer_after, Timer::RungInQueue(call));
        } else {
            self.answer_waiting(key);
        }
    }

    /// Every application that has a line open and may see the agent is told, and lamps are looked at.
    fn tell_notice(&mut self, notice: AgentNotice, works_at: Option<tapi::DeviceId>) {
        if matches!(notice, AgentNotice::Agent { .. } | AgentNotice::Session { .. }) {
            self.touch_agent_lamps();
        }
        self.tapi.tell_agents(&notice, works_at);
    }

    fn keep_centre_later(&mut self) {
        if self.centre.keeping.is_none() {
            self.centre.keeping = Some(self.arm(KEEP_EVERY, Timer::SaveCentre));
        }
    }

    /// Keeps the picture of the centre, if it is another one.
    pub(super) fn save_centre(&mut self) {
        if let Some(timer) = self.centre.keeping.take() {
            self.timers.disarm(timer);
        }
        self.counters.centre.store(Arc::new(self.centre_samples()));
        let now = self.centre_now();
        let name_of = |line| self.tapi.line_number(line).map(str::to_owned);
        let snapshot = self.centre.center.snapshot(now, name_of);
        match serde_json::to_string(&snapshot) {
            Ok(text) if text != self.centre.kept => {
                self.centre.kept.clone_from(&text);
                self.outputs.push(Output::Store(Change::SaveCentre { snapshot: text }));
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "the call centre cannot be written"),
        }
    }

    /// How many calls agents have, and how many wait; nothing is left of either after the last one.
    pub(super) fn centre_residue(&self) -> usize {
        self.centre.waiting.len() + self.centre.given.len() + self.centre.pins.len()
    }

    /// The timers that the centre needs even while nothing happens.
    pub(super) fn centre_timers(&self) -> usize {
        [self.centre.timer, self.centre.keeping].iter().flatten().count()
    }

    /// A phone as the centre sees it: calls that it gave are not counted.
    fn phone_state(&self, line: &str) -> PhoneState {
        use tapi::constant::CallState as S;
        let set = self.forwardings.get(line);
        let mut state = PhoneState {
            is_registered: self.is_registered(line),
            is_dnd: set.is_some_and(|set| set.is_do_not_disturb()),
            ..PhoneState::default()
        };
        for id in self.by_line.get(line).into_iter().flatten() {
            let Some(call) = self.calls.get(id.0) else { continue };
            let is_shown = self.completing.camped.contains_key(id) || self.is_bystander(*id);
            if self.centre.given.contains_key(id) || is_shown {
                continue;
            }
            let is_caller = call.side == crate::call::Side::Caller;
            let has_party = self.connections.get(call.connection.0).is_some_and(|connection| {
                connection.answered.is_some() || connection.caller != Some(*id)
            });
            match call.state {
                S::Offering | S::Accepted => state.alerting += 1,
                _ if call.is_established() || call.state == S::Conferenced => {
                    // A feature code, a room, a queue: occupied, but no call with anybody.
                    let count = match (is_caller, has_party) {
                        (true, true) => &mut state.outgoing,
                        (true, false) => &mut state.dialling,
                        (false, _) => &mut state.incoming,
                    };
                    *count += 1;
                }
                S::Idle | S::Unknown => {}
                S::Busy | S::Disconnected if call.legs.is_empty() => {}
                _ => state.dialling += 1,
            }
        }
        state
    }

    /// Lamps of agents may have changed.
    fn touch_agent_lamps(&mut self) {
        let config = self.config.clone();
        for agent in config.agents.keys() {
            self.presence.touch(Entity::Agent(agent.clone()));
        }
        self.presence.touch_work();
    }
}

/// What a failure of an agent's phone means to the centre (tapi-agents 10.5).
fn refusal(cause: Cause) -> Refusal {
    match cause.outcome {
        Outcome::BusyStation => Refusal::Busy,
        Outcome::Disconnected(mode) => match mode {
            DisconnectMode::NoAnswer => Refusal::NoAnswer,
            DisconnectMode::Unreachable => Refusal::Unregistered,
            DisconnectMode::Reject | DisconnectMode::DoNotDisturb | DisconnectMode::Forwarded => {
                Refusal::Rejected
            }
            _ => Refusal::Failed,
        },
        Outcome::BusyTrunk => Refusal::Failed,
    }
}

/// What a caller hears whom a queue sends nowhere.
fn cause_of(why: Overflowed) -> Cause {
    match why {
        Overflowed::Full => Cause::NO_APPEARANCE,
        Overflowed::NobodyLoggedIn => Cause::NOT_REGISTERED,
        Overflowed::MaxWait | Overflowed::QueueRemoved => Cause::NO_ANSWER,
    }
}

/// The centre knows a call no more that the exchange still had: nothing is left to be told.
fn noted<T, E: std::fmt::Display>(told: Result<T, E>) {
    if let Err(error) = told {
        tracing::debug!(%error, "the call centre is told of a call that it does not have");
    }
}
