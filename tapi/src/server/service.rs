//! The provider's side of services: forwarding, completion requests, user-user information, and
//! which calls belong together.

use crate::constant::{AddressState, CallInfoState, LineDevState};
use crate::message::LineDetail;
use crate::model::{AddressId, CallKey, DeviceId, Forwarding};

use super::Server;

/// User-user information that waits behind what has not been released; more is lost.
const MAX_LATER_INFO: usize = 16;

/// How a completion request ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CompletionEnd {
    /// The call was completed, or lineUncompleteCall cancelled the request.
    Done,
    /// Somebody else cancelled it, or it ran out.
    Cancelled,
}

impl Server {
    /// The forwarding of an address that is now in force; LINEADDRESSSTATE_FORWARD follows.
    /// To be called after lineForward was carried out, and for every change made elsewhere.
    pub fn forwarding(&mut self, device: DeviceId, address: AddressId, forwarding: Forwarding) {
        let Some(line) = self.lines.get_mut(device.0 as usize) else { return };
        if line.address(address).is_none() {
            return;
        }
        if forwarding == Forwarding::default() {
            line.forwarding.remove(&address);
        } else {
            line.forwarding.insert(address, forwarding);
        }
        self.tell_address(device, address, AddressState::Forward.into());
    }

    /// A completion identifier that no request of the server has had. [`Intent::CompleteCall`]
    /// brings one; requests from elsewhere take theirs here.
    ///
    /// [`Intent::CompleteCall`]: crate::Intent::CompleteCall
    pub fn next_completion_id(&mut self) -> u32 {
        self.last_completion = self.last_completion.wrapping_add(1).max(1);
        self.last_completion
    }

    /// No request gets an identifier up to this one: the provider's former run has used them.
    pub fn completions_from(&mut self, last: u32) {
        self.last_completion = self.last_completion.max(last);
    }

    /// A completion request of an address is outstanding; LINEDEVSTATE_NUMCOMPLETIONS follows.
    /// For a lineCompleteCall to be called after the call has gone IDLE.
    pub fn completion_added(&mut self, device: DeviceId, address: AddressId, id: u32) {
        self.last_completion = self.last_completion.max(id);
        let Some(line) = self.lines.get_mut(device.0 as usize) else { return };
        if line.completions.insert(id, address).is_none() {
            self.tell_line(device, LineDevState::NumCompletions, LineDetail::None, None);
        }
    }

    /// A completion request is over; its identifier is invalid. LINEDEVSTATE_COMPLCANCEL tells
    /// of a cancellation from outside, LINEDEVSTATE_NUMCOMPLETIONS always follows.
    pub fn completion_ended(&mut self, device: DeviceId, id: u32, end: CompletionEnd) {
        let Some(line) = self.lines.get_mut(device.0 as usize) else { return };
        if line.completions.remove(&id).is_none() {
            return;
        }
        if end == CompletionEnd::Cancelled {
            let detail = LineDetail::Completion(id);
            self.tell_line(device, LineDevState::ComplCancel, detail, None);
        }
        self.tell_line(device, LineDevState::NumCompletions, LineDetail::None, None);
    }

    /// The outstanding completion requests of a line, with their addresses.
    pub fn completions(&self, device: DeviceId) -> Vec<(u32, AddressId)> {
        let line = self.lines.get(device.0 as usize);
        let all = line.map(|line| line.completions.iter().map(|(id, at)| (*id, *at)).collect());
        all.unwrap_or_default()
    }

    /// User-user information arrived. What is stored is not overwritten before it is released.
    pub fn user_user_info(&mut self, now_ms: u64, key: CallKey, info: impl Into<String>) {
        self.tick(now_ms);
        let Some(call) = self.calls.get_mut(key) else { return };
        if call.info.user_user_info.is_empty() {
            call.info.user_user_info = info.into();
            self.tell_info(key, CallInfoState::UserUserInfo.into(), None);
        } else if call.later_info.len() < MAX_LATER_INFO {
            call.later_info.push_back(info.into());
        }
    }

    /// The call was begun to consult for another one, or for a conference that its address is
    /// parent of; none takes that back. Calls that requests create are related already.
    pub fn call_consults(&mut self, consultation: CallKey, first: Option<CallKey>) {
        if let Some(call) = self.calls.get_mut(consultation) {
            call.consults = first.filter(|first| *first != consultation);
        }
    }

    /// The call that this one consults for, while one of them waits for the other.
    pub fn consultation_of(&self, consultation: CallKey) -> Option<CallKey> {
        self.consulted_by(consultation)
    }

    /// The members of a conference in the order in which they were added.
    pub fn conference_members(&self, conference: CallKey) -> Vec<CallKey> {
        self.members(conference)
    }
}
