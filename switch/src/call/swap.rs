//! The phone moves between the calls of its line: swap, the end of a consultation, a call whose party
//! was sent elsewhere.
//!
//! Two calls may share one dialog (consultation, conference) or have one each, when the phone made
//! them. Where the phone itself holds one of its dialogs, the calls change dialogs instead of asking
//! it: no phone need understand it. Source: TAPI lineSwapHold, lineUnhold; sip-mapping §2.7, §2.9.4.

use tapi::constant::{CallState, LineErr};
use tapi::{CallMode, RequestKey};

use super::CallId;
use super::parent::ACTIVE;
use crate::exchange::Exchange;

impl Exchange {
    /// lineSwapHold: the phone moves to the held call; the active one takes that one's held state.
    ///
    /// Errors: INVALCALLSTATE unless the active call is CONNECTED with the phone and the other held
    /// beside it, OPERATIONFAILED when a conference would have nothing to mix; nothing has changed.
    pub(crate) fn swap_hold(
        &mut self,
        active: CallId,
        held: CallId,
        request: RequestKey,
    ) -> Result<(), LineErr> {
        let (Some(one), Some(other)) = (self.calls.get(active.0), self.calls.get(held.0)) else {
            return Err(LineErr::InvalCallHandle);
        };
        let shares_phone = other.leg.is_none();
        let is_held = match other.state {
            CallState::OnHold => !shares_phone,
            CallState::OnHoldPendTransfer | CallState::OnHoldPendConf => {
                shares_phone && one.partner == Some(held)
            }
            _ => false,
        };
        let is_active = one.state == CallState::Connected && one.leg.is_some();
        if !is_held || !is_active || one.party != other.party {
            return Err(LineErr::InvalCallState);
        }
        let changes_dialogs = shares_phone || other.hold.by_phone;
        if changes_dialogs && !self.can_confer_with(held, active) {
            return Err(LineErr::OperationFailed);
        }
        let held_state = other.state;
        self.done(Some(request));
        if changes_dialogs {
            self.swap_phones(active, held);
        }
        for (id, by_switch) in [(active, !changes_dialogs), (held, false)] {
            if let Some(call) = self.calls.get_mut(id.0) {
                call.hold.by_switch = by_switch;
            }
        }
        self.set_state(active, held_state, CallMode::None);
        self.reconnect(held);
        self.show_far_hold(active);
        self.refresh_capability(active);
        Ok(())
    }

    /// Whether a call that is the parent of a conference can go on with the phone of another one.
    pub(crate) fn can_confer_with(&self, parent: CallId, phone: CallId) -> bool {
        let Some(key) = self.conference_of_parent(parent) else { return true };
        self.answered_parties(key).iter().chain([&phone]).all(|id| self.can_be_mixed(*id))
    }

    /// A call with a phone goes on: CONNECTED unless that phone holds, its party heard again.
    pub(crate) fn reconnect(&mut self, id: CallId) {
        self.set_state(id, CallState::Connected, ACTIVE);
        if let Some(key) = self.conference_of_parent(id) {
            let joining = self.answered_parties(key);
            joining.into_iter().chain([id]).for_each(|member| self.mix(member, key));
        } else if let Some(far) = self.far(id)
            && self.calls.get(far.0).is_some_and(|far| far.leg.is_some())
            && let Err(cause) = self.align(id, far)
        {
            tracing::warn!(cause = cause.relay, "two parties that talked share no codec");
        }
        if self.calls.get(id.0).is_some_and(|call| call.hold.by_phone) {
            // It held the call that it has left; where it can be told, it resumes this one.
            self.tell_phone(id, "talk");
        }
        self.identify_far(id);
        self.show_hold(id);
        self.show_far_hold(id);
        self.refresh_capability(id);
    }

    /// A consultation call is over: the phone that it used belongs to the held call again, which is
    /// given back to be resumed.
    pub(crate) fn give_phone_back(&mut self, id: CallId) -> Option<CallId> {
        let held = self.calls.get(id.0)?.partner?;
        let has_phone = |id: CallId| self.calls.get(id.0).is_some_and(|call| call.leg.is_some());
        if has_phone(held) || !has_phone(id) {
            return None;
        }
        self.swap_phones(id, held);
        Some(held)
    }

    /// The call that waited for a consultation has the phone again.
    pub(crate) fn resume(&mut self, held: CallId) {
        match self.conference_of_parent(held) {
            Some(key) => self.conference_resumes(key, held),
            None => self.reconnect(held),
        }
    }

    /// The party of a call has been sent elsewhere: the call is IDLE, its phone back at the call
    /// that waited for it, or hung up.
    pub(crate) fn retire(&mut self, id: CallId) {
        let held = self.give_phone_back(id);
        self.release_with(id, "Q.850;cause=16");
        self.finish(id);
        held.into_iter().for_each(|held| self.resume(held));
    }
}
