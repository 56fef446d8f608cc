//! The books as they must be, from nothing but the log of what happened (tapi-agents 8).

use std::collections::BTreeMap;

use acd::Time;
use tapi::agent::{AgentId, AgentSessionId, QueueId};
use tapi::constant::AgentSessionState;

/// How a call left a queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum How {
    Answered,
    Abandoned,
    FlowedOut,
    LastResort,
    Taken,
}

/// Something that happened.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Entry {
    Entered { call: u64, queue: QueueId, is_flow: bool },
    Left { call: u64, queue: QueueId, how: How },
    Answered { session: AgentSessionId, agent: AgentId, after_ms: u64 },
    Ended { session: AgentSessionId, agent: AgentId },
    Session { session: AgentSessionId, agent: AgentId, state: Option<AgentSessionState> },
    PrivateOver { agent: AgentId, is_incoming: bool },
    AgentPeriod { agent: AgentId, seconds: u32 },
    QueuePeriod { queue: QueueId, seconds: u32 },
    QueueCame { queue: QueueId },
}

/// The log: each entry with its moment.
pub(crate) type Log = Vec<(Time, Entry)>;

/// A tumbling window: entries before `first`, or before `start`, are of an earlier one.
#[derive(Clone, Copy, Debug)]
struct Window {
    start: u64,
    first: usize,
    period_ms: u64,
}

impl Window {
    /// The window that `now` is in, of all those since the last change of the period.
    fn at(now: Time, changed: u64, first: usize, seconds: u32) -> Self {
        let period_ms = u64::from(seconds) * 1000;
        let start = changed + (now.0 - changed) / period_ms * period_ms;
        Self { start, first, period_ms }
    }

    fn has(&self, index: usize, at: Time) -> bool {
        index >= self.first && at.0 >= self.start
    }
}

#[derive(Default, PartialEq, Debug)]
pub(crate) struct QueueBooks {
    pub(crate) carried: u32,
    pub(crate) queued: u32,
    pub(crate) flowed_in: u32,
    pub(crate) answered: u32,
    pub(crate) abandoned: u32,
    pub(crate) flowed_out: u32,
    pub(crate) last_resort: u32,
    pub(crate) taken: u32,
    pub(crate) waiting: u32,
    pub(crate) average_wait: u64,
    pub(crate) longest_ever: u64,
    pub(crate) longest_now: u64,
}

/// A queue's books.
pub(crate) fn queue(log: &Log, id: QueueId, begin: Time, now: Time) -> QueueBooks {
    let mut window = Window::at(now, begin.0, 0, 86_400);
    let mut came = 0;
    for (index, (at, entry)) in log.iter().enumerate() {
        match entry {
            Entry::QueueCame { queue } if *queue == id => {
                window = Window::at(now, at.0, index, 86_400);
                came = index;
            }
            Entry::QueuePeriod { queue, seconds } if *queue == id => {
                window = Window::at(now, at.0, index, *seconds);
            }
            _ => {}
        }
    }
    let mut books = QueueBooks::default();
    let mut inside: BTreeMap<u64, (usize, Time)> = BTreeMap::new();
    let (mut waits, mut departed) = (0_u64, 0);
    for (index, (at, entry)) in log.iter().enumerate().skip(came) {
        match *entry {
            Entry::Entered { call, queue, is_flow } if queue == id => {
                inside.insert(call, (index, *at));
                if window.has(index, *at) {
                    books.queued += 1;
                    books.flowed_in += u32::from(is_flow);
                }
            }
            Entry::Left { call, queue, how } if queue == id => {
                let (since_index, since) = inside.remove(&call).unwrap();
                let waited = at.0 - since.0;
                books.longest_ever = books.longest_ever.max(waited / 1000);
                if !window.has(index, *at) {
                    continue;
                }
                books.carried += u32::from(!window.has(since_index, since));
                waits += waited;
                departed += 1;
                match how {
                    How::Answered => books.answered += 1,
                    How::Abandoned => books.abandoned += 1,
                    How::FlowedOut => books.flowed_out += 1,
                    How::LastResort => books.last_resort += 1,
                    How::Taken => books.taken += 1,
                }
            }
            _ => {}
        }
    }
    for (index, since) in inside.values() {
        books.waiting += 1;
        books.carried += u32::from(!window.has(*index, *since));
        books.longest_now = books.longest_now.max((now.0 - since.0) / 1000);
    }
    books.average_wait = waits.checked_div(departed).unwrap_or(0) / 1000;
    books
}

#[derive(Default, PartialEq, Debug)]
pub(crate) struct SessionBooks {
    pub(crate) state: Option<AgentSessionState>,
    pub(crate) duration: u64,
    pub(crate) calls: u32,
    pub(crate) talk: u64,
    pub(crate) wrap_up: u64,
    pub(crate) longest_to_answer: u64,
    pub(crate) average_to_answer: u64,
}

/// A session's books.
pub(crate) fn session(log: &Log, id: AgentSessionId, now: Time) -> SessionBooks {
    let mut books = SessionBooks::default();
    let (mut began, mut ended) = (None, None);
    let (mut answered, mut wrapping) = (None, None);
    let (mut talk, mut wrap_up, mut to_answer, mut answers) = (0, 0, 0_u64, 0);
    for (at, entry) in log {
        match *entry {
            Entry::Session { session, state, .. } if session == id => {
                if let Some(since) = wrapping.take() {
                    wrap_up += at.0 - since;
                }
                match state {
                    None => began = Some(at.0),
                    Some(AgentSessionState::BusyWrapUp) => wrapping = Some(at.0),
                    Some(AgentSessionState::Ended) => ended = Some(at.0),
                    Some(_) => {}
                }
                books.state = state.or(Some(AgentSessionState::NotReady));
            }
            Entry::Answered { session, after_ms, .. } if session == id => {
                answered = Some(at.0);
                answers += 1;
                to_answer += after_ms;
                books.longest_to_answer = books.longest_to_answer.max(after_ms / 1000);
            }
            Entry::Ended { session, .. } if session == id => {
                talk += at.0 - answered.take().unwrap();
                books.calls += 1;
            }
            _ => {}
        }
    }
    books.duration = (ended.unwrap_or(now.0) - began.unwrap_or(now.0)) / 1000;
    books.talk = talk / 1000;
    books.wrap_up = wrap_up / 1000;
    books.average_to_answer = to_answer.checked_div(answers).unwrap_or(0) / 1000;
    books
}

#[derive(Default, PartialEq, Debug)]
pub(crate) struct AgentBooks {
    pub(crate) period: u64,
    pub(crate) calls: u32,
    pub(crate) incoming: u32,
    pub(crate) outgoing: u32,
    pub(crate) talk: u64,
    pub(crate) wrap_up: u64,
    /// Calls per hour with a session, times 10 000.
    pub(crate) rate: u64,
}

/// An agent's books; `begin` is when it was put into the configuration.
pub(crate) fn agent(log: &Log, id: AgentId, begin: Time, now: Time) -> AgentBooks {
    let mut window = Window::at(now, begin.0, 0, 86_400);
    for (index, (at, entry)) in log.iter().enumerate() {
        if let Entry::AgentPeriod { agent, seconds } = *entry
            && agent == id
        {
            window = Window::at(now, at.0, index, seconds);
        }
    }
    let mut books = AgentBooks { period: window.period_ms / 1000, ..AgentBooks::default() };
    let mut answered = BTreeMap::new();
    let mut wrapping = BTreeMap::new();
    let mut live = BTreeMap::new();
    let mut active_since = 0;
    let (mut talk, mut wrap_up, mut active) = (0, 0, 0);
    for (index, (at, entry)) in log.iter().enumerate() {
        let counts = window.has(index, *at);
        match *entry {
            Entry::Session { session, agent, state } if agent == id => {
                if let Some(since) = wrapping.remove(&session)
                    && counts
                {
                    wrap_up += at.0 - since;
                }
                match state {
                    None => {
                        if live.is_empty() {
                            active_since = at.0;
                        }
                        live.insert(session, ());
                    }
                    Some(AgentSessionState::BusyWrapUp) => drop(wrapping.insert(session, at.0)),
                    Some(AgentSessionState::Ended) => {
                        live.remove(&session);
                        if live.is_empty() {
                            active += at.0.saturating_sub(active_since.max(window.start));
                        }
                    }
                    Some(_) => {}
                }
            }
            Entry::Answered { session, agent, .. } if agent == id => {
                answered.insert(session, at.0);
            }
            Entry::Ended { session, agent } if agent == id => {
                let since = answered.remove(&session).unwrap();
                if counts {
                    books.calls += 1;
                    talk += at.0 - since;
                }
            }
            Entry::PrivateOver { agent, is_incoming } if agent == id && counts => {
                books.incoming += u32::from(is_incoming);
                books.outgoing += u32::from(!is_incoming);
            }
            _ => {}
        }
    }
    if !live.is_empty() {
        active += now.0 - active_since.max(window.start);
    }
    books.talk = talk / 1000;
    books.wrap_up = wrap_up / 1000;
    books.rate = (u64::from(books.calls) * 3_600_000 * 10_000).checked_div(active).unwrap_or(0);
    books
}
