//! A call on one address of one line, and the store of all calls.

use std::collections::VecDeque;

use crate::constant::{
    CallFeature, CallOrigin, CallPrivilege, CallState, DigitMode, Mask, MediaMode,
};
use crate::server::RequestKey;

use super::{AddressId, ApplicationId, CallInfo, CallMode, DeviceId};

/// Names one call of the server. A key whose call is gone stays invalid for ever.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallKey {
    index: u32,
    generation: u32,
}

/// What the provider can do with a call now, as far as state and privilege do not tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallCapability {
    /// Claiming the call means something.
    pub can_accept: bool,
    /// The phone can be told to answer.
    pub can_answer: bool,
    /// The call takes (more) digits.
    pub can_dial: bool,
    /// The call can be held.
    pub can_hold: bool,
    /// The call can be taken back from hold.
    pub can_unhold: bool,
    /// Nobody is at the other end: it is a conference room, or an announcement.
    pub is_alone: bool,
    /// What the address offers and this call cannot.
    pub unavailable: Mask<CallFeature>,
    /// What it can, and not at this moment.
    pub not_now: Mask<CallFeature>,
}

impl Default for CallCapability {
    fn default() -> Self {
        Self {
            can_accept: true,
            can_answer: true,
            can_dial: true,
            can_hold: true,
            can_unhold: true,
            is_alone: false,
            unavailable: Mask::EMPTY,
            not_now: Mask::EMPTY,
        }
    }
}

/// One application's handle to a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Holder {
    pub(crate) application: ApplicationId,
    pub(crate) h_line: u32,
    pub(crate) h_call: u32,
    pub(crate) privilege: CallPrivilege,
}

impl Holder {
    pub(crate) fn is_owner(&self) -> bool {
        self.privilege == CallPrivilege::Owner
    }
}

/// A call: one party's view of a connection.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) line: DeviceId,
    pub(crate) address: AddressId,
    pub(crate) state: CallState,
    pub(crate) mode: CallMode,
    pub(crate) entered_ms: u64,
    pub(crate) info: CallInfo,
    pub(crate) capability: CallCapability,
    pub(crate) holders: Vec<Holder>,
    /// The request that creates it, until its LINE_REPLY.
    pub(crate) creation: Option<RequestKey>,
    /// States reported before that reply.
    pub(crate) backlog: Vec<(CallState, CallMode)>,
    /// Its place among the IDLE calls that are still held.
    pub(crate) idle_place: u64,
    /// The last dialled string asked for more to follow.
    pub(crate) takes_digits: bool,
    /// Some digit has been dialled.
    pub(crate) has_digits: bool,
    /// The call that this one was begun for: on consultation hold, or a conference.
    pub(crate) consults: Option<CallKey>,
    /// Its place in the order in which calls became members of conferences.
    pub(crate) joined: u64,
    /// User-user information that waits for the release of what is stored.
    pub(crate) later_info: VecDeque<String>,
    /// What applications have detected on it.
    pub(crate) detections: Vec<Detection>,
}

/// What one application wants to hear of on a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Detection {
    pub(crate) application: ApplicationId,
    pub(crate) h_call: u32,
    pub(crate) digits: Mask<DigitMode>,
    pub(crate) media: Mask<MediaMode>,
    /// Tones, each with the application's tag.
    pub(crate) tones: Vec<(u32, Tone)>,
}

impl Detection {
    pub(crate) fn is_empty(&self) -> bool {
        self.digits.is_empty() && self.media.is_empty() && self.tones.is_empty()
    }
}

/// A tone to be detected.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Tone {
    /// How long it must last, in milliseconds.
    pub duration_ms: u32,
    /// Its frequencies; all 0 for silence.
    pub frequencies_hz: [u32; 3],
}

impl Call {
    /// A call in UNKNOWN: what is so far only asked for.
    pub(crate) fn new(line: DeviceId, address: AddressId, info: CallInfo, now_ms: u64) -> Self {
        Self {
            line,
            address,
            state: CallState::Unknown,
            mode: CallMode::None,
            entered_ms: now_ms,
            info,
            capability: CallCapability::default(),
            holders: Vec::new(),
            creation: None,
            backlog: Vec::new(),
            idle_place: 0,
            takes_digits: false,
            has_digits: false,
            consults: None,
            joined: 0,
            later_info: VecDeque::new(),
            detections: Vec::new(),
        }
    }

    /// Whether it is the parent of a conference.
    pub(crate) fn is_conference(&self) -> bool {
        self.info.origin == CallOrigin::Conference
    }

    /// Whether this station takes part in it, not held.
    pub(crate) fn is_active(&self) -> bool {
        self.state == CallState::Connected && !self.mode.is_inactive()
    }

    /// Whether it is on hold of any kind.
    pub(crate) fn is_on_hold(&self) -> bool {
        self.state == CallState::OnHold || self.is_on_hold_pending()
    }

    /// Whether it is on consultation hold.
    pub(crate) fn is_on_hold_pending(&self) -> bool {
        matches!(self.state, CallState::OnHoldPendTransfer | CallState::OnHoldPendConf)
    }

    pub(crate) fn owners(&self) -> usize {
        self.holders.iter().filter(|holder| holder.is_owner()).count()
    }

    pub(crate) fn monitors(&self) -> usize {
        self.holders.len() - self.owners()
    }

    pub(crate) fn holder(&self, application: ApplicationId, h_call: u32) -> Option<&Holder> {
        self.holders.iter().find(|h| h.application == application && h.h_call == h_call)
    }

    pub(crate) fn is_held_by(&self, application: ApplicationId) -> bool {
        self.holders.iter().any(|h| h.application == application)
    }
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    call: Option<Call>,
}

/// All calls, by key. How many there can be follows from `max_calls` of the addresses and from
/// the bound on idle calls.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

impl Calls {
    pub(crate) fn insert(&mut self, call: Call) -> CallKey {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let slot = &mut self.slots[index as usize];
        slot.call = Some(call);
        CallKey { index, generation: slot.generation }
    }

    pub(crate) fn get(&self, key: CallKey) -> Option<&Call> {
        let slot = self.slots.get(key.index as usize)?;
        slot.call.as_ref().filter(|_| slot.generation == key.generation)
    }

    pub(crate) fn get_mut(&mut self, key: CallKey) -> Option<&mut Call> {
        let slot = self.slots.get_mut(key.index as usize)?;
        slot.call.as_mut().filter(|_| slot.generation == key.generation)
    }

    pub(crate) fn remove(&mut self, key: CallKey) -> Option<Call> {
        self.get(key)?;
        let slot = self.slots.get_mut(key.index as usize)?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.index);
        slot.call.take()
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_does_not_reach_the_next_call_in_its_place() {
        let call = || Call::new(DeviceId(0), AddressId(0), CallInfo::default(), 0);
        let mut calls = Calls::default();
        let first = calls.insert(call());
        assert!(calls.remove(first).is_some());
        let second = calls.insert(call());
        assert_ne!(first, second);
        assert!(calls.get(first).is_none());
        assert!(calls.remove(first).is_none());
        assert!(calls.get(second).is_some());
        assert_eq!(calls.len(), 1);
    }
}
