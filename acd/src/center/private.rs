//! Phones: whether they can be reached, and the calls that did not come from a queue.

use tapi::DeviceId;
use tapi::agent::WorkAddress;

use super::Center;
use crate::desk::PhoneState;
use crate::limit::MAX_ADDRESSES;
use crate::time::Time;
use crate::timer::Timer;

impl Center {
    /// A phone's state, told on each change, one call at a time: an answered private call that is no
    /// longer counted has ended and is booked (tapi-agents 8).
    pub fn phone(&mut self, at: WorkAddress, state: PhoneState, now: Time) {
        if !self.desks.contains_key(&at) && self.desks.len() >= MAX_ADDRESSES {
            return;
        }
        let desk = self.desks.entry(at).or_default();
        let old = std::mem::replace(&mut desk.phone, state);
        if state.is_registered {
            desk.is_unreachable = false;
        }
        let agent = desk.agent;
        if desk.is_blank() {
            self.desks.remove(&at);
        }
        if state.is_registered {
            self.timers.cancel(Timer::Unreachable(at));
        }
        let incoming = old.incoming.saturating_sub(state.incoming);
        let outgoing = old.outgoing.saturating_sub(state.outgoing);
        if let Some(id) = agent
            && let Some(someone) = self.agents.get_mut(&id)
        {
            if incoming > 0 || outgoing > 0 {
                someone.roll(now);
                someone.counts.incoming = someone.counts.incoming.saturating_add(incoming);
                someone.counts.outgoing = someone.counts.outgoing.saturating_add(outgoing);
                self.changes.agent_infos.push(id);
            }
            self.changes.agent(id);
        }
        self.finish(now);
    }

    /// A line is no more: the sessions at its addresses end, those with a call after it (row 18).
    pub fn remove_line(&mut self, line: DeviceId, now: Time) {
        let of_line = |at: &WorkAddress| at.line == line;
        let gone: Vec<WorkAddress> = self.desks.keys().copied().filter(of_line).collect();
        for at in gone {
            let live = self.desks.get(&at).map(|desk| desk.live.clone()).unwrap_or_default();
            for session in live {
                self.end_for_good(session, now);
            }
            self.phone(at, PhoneState::default(), now);
        }
    }

    /// A phone that could not be reached may have come back.
    pub(super) fn try_again(&mut self, at: WorkAddress) {
        if let Some(desk) = self.desks.get_mut(&at) {
            desk.is_unreachable = false;
            if let Some(agent) = desk.agent {
                self.changes.agent(agent);
            }
            self.changes.desk(at);
        }
    }
}
