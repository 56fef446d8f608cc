//! An agent session: an agent who serves a group at an address, its transitions (tapi-agents 7.1) and
//! its books (tapi-agents 8).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tapi::agent::{AgentId, AgentSessionInfo, GroupId, QueueId, WorkAddress};
use tapi::constant::AgentSessionState;

use crate::queue::CallKey;
use crate::statistics::call_rate;
use crate::time::{Time, seconds, seconds_of};

/// What comes of an application's wish for a session's state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    /// It is the state already.
    Silent,
    /// It is entered at once.
    Now,
    /// It becomes the next state: a call is in progress.
    AfterCall,
    /// It stays in after-call work until it says otherwise.
    Stay,
    /// LINEERR_INVALAGENTSTATE.
    Refused,
}

/// The table of tapi-agents 7.1, rows 3, 11, 15, 16 and 18 … 22: what an application may ask of a
/// session.
pub fn asked(from: AgentSessionState, to: AgentSessionState) -> Asked {
    use AgentSessionState::{BusyOnCall, BusyWrapUp, Ended, NotReady, Ready, Released};
    match (from, to) {
        // Row 20: only a call makes a session busy.
        (_, BusyOnCall) => Asked::Refused,
        // Row 16: the timer is cancelled.
        (BusyWrapUp, BusyWrapUp) => Asked::Stay,
        // Setting the present state again succeeds silently; rows 20 and 22 come before that.
        (NotReady | Ready, _) if from == to => Asked::Silent,
        // Rows 3, 15 and 18.
        (NotReady, Ready | Ended)
        | (Ready, NotReady | Ended)
        | (BusyWrapUp, NotReady | Ready | Ended) => Asked::Now,
        // Row 11, and 7.4 for after-call work.
        (BusyOnCall, NotReady | Ready | Ended | BusyWrapUp) => Asked::AfterCall,
        // Row 19.
        (Ended, Released) => Asked::Now,
        // Rows 21 and 22; and a session ends before it is released.
        _ => Asked::Refused,
    }
}

/// Whether a session can go from one state to the other at all: the documented transitions, and
/// the end of an ended one.
pub(crate) fn is_transition(from: AgentSessionState, to: AgentSessionState) -> bool {
    use AgentSessionState::{BusyOnCall, BusyWrapUp, Ended, NotReady, Ready, Released};
    matches!(
        (from, to),
        (NotReady, Ready | Ended)
            | (Ready, NotReady | BusyOnCall | Ended)
            | (BusyOnCall, NotReady | Ready | BusyWrapUp | Ended)
            | (BusyWrapUp, NotReady | Ready | Ended)
            | (Ended, Released)
    )
}

/// The queue call that a session is busy with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Served {
    /// The call.
    pub(crate) call: CallKey,
    /// Where it came from.
    pub(crate) queue: QueueId,
    /// When it was answered.
    pub(crate) answered: Time,
    /// The after-call work that follows.
    pub(crate) wrap_up: Duration,
}

/// What a session counts, over its whole life.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct SessionCounts {
    pub(crate) calls: u32,
    pub(crate) talk_ms: u64,
    pub(crate) wrap_up_ms: u64,
    /// Calls answered: those of the times to answer.
    pub(crate) answers: u32,
    pub(crate) to_answer_ms: u64,
    pub(crate) longest_to_answer_ms: u64,
}

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) agent: AgentId,
    pub(crate) group: GroupId,
    pub(crate) at: WorkAddress,
    pub(crate) state: AgentSessionState,
    pub(crate) next: Option<AgentSessionState>,
    /// Whether the configuration has no more place for it: it ends after its call, come what may.
    pub(crate) is_ending: bool,
    pub(crate) started: Time,
    pub(crate) ended: Option<Time>,
    pub(crate) ready_since: Time,
    pub(crate) served: Option<Served>,
    /// Since when there is after-call work.
    pub(crate) wrap_up: Option<Time>,
    pub(crate) counts: SessionCounts,
    /// When a change of the books was told last.
    pub(crate) told: Option<Time>,
}

impl Session {
    /// A session as lineCreateAgentSession makes it (row 1).
    pub(crate) fn new(agent: AgentId, group: GroupId, at: WorkAddress, now: Time) -> Self {
        Self {
            agent,
            group,
            at,
            state: AgentSessionState::NotReady,
            next: None,
            is_ending: false,
            started: now,
            ended: None,
            ready_since: now,
            served: None,
            wrap_up: None,
            counts: SessionCounts::default(),
            told: None,
        }
    }

    /// Whether it has not ended.
    pub(crate) fn is_live(&self) -> bool {
        !matches!(self.state, AgentSessionState::Ended | AgentSessionState::Released)
    }

    /// Whether a queue call, or the work after one, is in progress.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self.state, AgentSessionState::BusyOnCall | AgentSessionState::BusyWrapUp)
    }

    /// LINEAGENTSESSIONINFO.
    pub(crate) fn info(&self, now: Time) -> AgentSessionInfo {
        let lived = self.ended.unwrap_or(now).since(self.started);
        let counts = &self.counts;
        let (talk, wrap_up) = (seconds_of(counts.talk_ms), seconds_of(counts.wrap_up_ms));
        let call = talk.saturating_add(wrap_up);
        let average = |total: u32| total.checked_div(counts.calls).unwrap_or(0);
        AgentSessionInfo {
            state: self.state,
            next: self.next,
            start_unix_ms: self.started.0,
            duration: seconds(lived),
            calls: counts.calls,
            talk_time: talk,
            average_talk_time: average(talk),
            call_time: call,
            average_call_time: average(call),
            wrap_up_time: wrap_up,
            average_wrap_up_time: average(wrap_up),
            call_rate: call_rate(counts.calls, lived),
            longest_time_to_answer: seconds_of(counts.longest_to_answer_ms),
            average_time_to_answer: seconds_of(
                counts.to_answer_ms.checked_div(u64::from(counts.answers)).unwrap_or(0),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapi::Constant as _;

    #[test]
    fn whatever_an_application_gets_at_once_is_a_transition() {
        for &from in AgentSessionState::ALL {
            for &to in AgentSessionState::ALL {
                if asked(from, to) == Asked::Now {
                    assert!(is_transition(from, to), "{from:?} to {to:?}");
                }
            }
        }
    }

    #[test]
    fn a_call_never_reaches_a_session_from_wrap_up_and_wrap_up_only_follows_a_call() {
        use AgentSessionState::{BusyOnCall, BusyWrapUp, NotReady, Ready};
        assert!(!is_transition(BusyWrapUp, BusyOnCall));
        assert!(!is_transition(NotReady, BusyOnCall));
        assert!(!is_transition(NotReady, BusyWrapUp));
        assert!(!is_transition(Ready, BusyWrapUp));
    }
}
