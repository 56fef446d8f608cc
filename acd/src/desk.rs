//! An address where somebody works: its phone, who is logged in there, and what the older functions
//! show of it (tapi-agents 7.4).

use tapi::agent::{AgentId, AgentSessionId};
use tapi::constant::{AgentState, AgentStatusChange, Mask};

/// A phone, as the exchange tells it. Calls that the centre gave it are not counted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PhoneState {
    /// Whether it is registered.
    pub is_registered: bool,
    /// Whether it is not to be disturbed.
    pub is_dnd: bool,
    /// Incoming calls that ring.
    pub alerting: u32,
    /// Incoming calls that were answered, held ones among them.
    pub incoming: u32,
    /// Outgoing calls that nobody has answered yet.
    pub dialling: u32,
    /// Outgoing calls that were answered, held ones among them.
    pub outgoing: u32,
}

impl PhoneState {
    /// A registered phone without calls.
    pub const FREE: Self = Self {
        is_registered: true,
        is_dnd: false,
        alerting: 0,
        incoming: 0,
        dialling: 0,
        outgoing: 0,
    };

    /// Whether there is any call that did not come from the centre.
    pub(crate) fn has_calls(&self) -> bool {
        self.alerting > 0 || self.incoming > 0 || self.dialling > 0 || self.outgoing > 0
    }
}

/// What LINE_AGENTSTATUS said last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Shown {
    pub(crate) state: AgentState,
    pub(crate) next: Option<AgentState>,
    pub(crate) activity: Option<u32>,
    pub(crate) valid: Mask<AgentState>,
    pub(crate) valid_next: Mask<AgentState>,
}

impl Default for Shown {
    fn default() -> Self {
        Self {
            state: AgentState::LoggedOff,
            next: None,
            activity: None,
            valid: Mask::EMPTY,
            valid_next: Mask::EMPTY,
        }
    }
}

impl Shown {
    /// What differs from before.
    pub(crate) fn changes_from(&self, old: &Self) -> Mask<AgentStatusChange> {
        let mut changed = Mask::EMPTY;
        let mut note = |is_changed: bool, what: AgentStatusChange| {
            if is_changed {
                changed.insert(what);
            }
        };
        note(self.state != old.state, AgentStatusChange::State);
        note(self.next != old.next, AgentStatusChange::NextState);
        note(self.activity != old.activity, AgentStatusChange::Activity);
        note(self.valid != old.valid, AgentStatusChange::ValidStates);
        note(self.valid_next != old.valid_next, AgentStatusChange::ValidNextStates);
        changed
    }
}

/// An address.
#[derive(Default, Debug)]
pub(crate) struct Desk {
    pub(crate) phone: PhoneState,
    /// Whether the phone could not be reached although it seemed registered.
    pub(crate) is_unreachable: bool,
    /// Who works here.
    pub(crate) agent: Option<AgentId>,
    pub(crate) live: Vec<AgentSessionId>,
    pub(crate) activity: Option<u32>,
    pub(crate) shown: Shown,
}

impl Desk {
    /// Whether a call of a queue may ring here.
    pub(crate) fn is_open(&self) -> bool {
        self.phone.is_registered
            && !self.is_unreachable
            && !self.phone.is_dnd
            && !self.phone.has_calls()
    }

    /// Whether nothing is to be remembered of it.
    pub(crate) fn is_blank(&self) -> bool {
        self.phone == PhoneState::default() && self.agent.is_none() && !self.is_unreachable
    }
}
