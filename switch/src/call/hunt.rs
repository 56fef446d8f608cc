//! Hunt groups: members are rung together or one after the other, until one answers.
//!
//! [`feature::hunt`](crate::feature::hunt) knows the order; this rings. Members' own forwarding is
//! ignored, their do not disturb is not. Source: sip-mapping §3.10.

use std::collections::VecDeque;

use config::HuntGroup;
use tapi::constant::CallReason;

use super::cause::Cause;
use super::diversion::Hop;
use super::{CallId, ConnectionKey};
use crate::exchange::Exchange;

/// A group whose members are being tried.
#[derive(Clone, Debug)]
pub struct Hunt {
    group: HuntGroup,
    /// Who is rung next, round by round.
    rounds: VecDeque<Vec<String>>,
    /// What the members said so far.
    best: Option<Cause>,
}

impl Hunt {
    /// The group.
    pub(crate) fn group(&self) -> &HuntGroup {
        &self.group
    }

    /// A member did not take the call.
    pub(crate) fn note(&mut self, cause: Cause) {
        self.best = Some(self.best.map_or(cause, |best| best.better_of(cause)));
    }
}

impl Exchange {
    /// Calls a group.
    ///
    /// Errors: the cause that says most when no member can be rung and the call goes nowhere else.
    pub(crate) fn hunt(
        &mut self,
        key: ConnectionKey,
        source: CallId,
        group: &HuntGroup,
    ) -> Result<(), Cause> {
        let rounds = self.hunting.rounds(group);
        let connection = self.connections.get_mut(key.0).ok_or(Cause::NO_RESOURCES)?;
        connection.hunt = Some(Hunt { group: group.clone(), rounds, best: None });
        self.ring_round(key, source)
    }

    /// All members of a round are out: the next one; false when no group is tried.
    pub(crate) fn hunt_on(&mut self, key: ConnectionKey) -> bool {
        let is_hunting = self.connections.get(key.0).is_some_and(|c| c.hunt.is_some());
        let Some(source) = self.source_of(key).filter(|_| is_hunting) else { return false };
        if let Err(cause) = self.ring_round(key, source) {
            self.attempt_lost(key, cause);
        }
        true
    }

    /// Rings the next round in which anybody can be rung; after the last one the call goes where the
    /// group sends unanswered calls.
    fn ring_round(&mut self, key: ConnectionKey, source: CallId) -> Result<(), Cause> {
        loop {
            let connection = self.connections.get_mut(key.0).ok_or(Cause::NO_RESOURCES)?;
            let hunt = connection.hunt.as_mut().ok_or(Cause::NO_RESOURCES)?;
            let Some(round) = hunt.rounds.pop_front() else { break };
            let group = hunt.group.clone();
            let mut is_ringing = false;
            for member in round {
                match self.ring_member(key, source, &group, &member) {
                    Ok(()) => is_ringing = true,
                    Err(cause) => {
                        let connection = self.connections.get_mut(key.0);
                        if let Some(hunt) = connection.and_then(|c| c.hunt.as_mut()) {
                            hunt.note(cause);
                        }
                    }
                }
            }
            if is_ringing {
                return Ok(());
            }
        }
        self.overflow(key, source)
    }

    fn ring_member(
        &mut self,
        key: ConnectionKey,
        source: CallId,
        group: &HuntGroup,
        member: &str,
    ) -> Result<(), Cause> {
        let is_caller = self.calls.get(source.0).and_then(|call| call.party.line()) == Some(member);
        if is_caller {
            return Err(Cause::NO_APPEARANCE);
        }
        if self.is_undisturbed(member, source) {
            return Err(Cause::DO_NOT_DISTURB);
        }
        self.call_line(key, source, member, group.ring_timeout)?;
        self.hunting.tried(group, member);
        Ok(())
    }

    /// No member took the call.
    fn overflow(&mut self, key: ConnectionKey, source: CallId) -> Result<(), Cause> {
        let connection = self.connections.get_mut(key.0).ok_or(Cause::NO_RESOURCES)?;
        let hunt = connection.hunt.take().ok_or(Cause::NO_RESOURCES)?;
        let cause = hunt.best.unwrap_or(Cause::NOT_REGISTERED);
        let to = hunt.group.on_no_answer.ok_or(cause)?;
        let hop = Hop { from: hunt.group.number, to, reason: CallReason::FwdNoAnswer };
        self.check_hop(key, source, &hop).map_err(|_| cause)?;
        self.divert(key, source, hop)
    }
}
