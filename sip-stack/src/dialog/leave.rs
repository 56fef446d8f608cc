//! The end of a leg: released by the switch, or by the peer's BYE.
//!
//! RFC 3261 §15 and §9, RFC 5407 §3.

use super::command::{Release, Reply};
use super::core::Core;
use super::event::{EndCause, Event};
use super::leg::{Leg, Phase};
use crate::message::Message;
use crate::transaction::ServerKey;

impl Core {
    /// Does what the state of the leg asks for: CANCEL, BYE now or after the ACK, or a refusal.
    pub(crate) fn release(&mut self, leg: &mut Leg, release: Release) {
        leg.is_attached = false;
        match leg.phase {
            Phase::Calling => self.cancel(leg, release.reason_headers),
            Phase::Answering => {
                let cseq = leg.outbound.as_ref().map_or(0, |outbound| outbound.cseq);
                self.acknowledge(leg, cseq, None);
                self.bye(leg, release.reason_headers);
            }
            Phase::Ringing => {
                let reply = Reply {
                    status: release.status,
                    reason: String::new(),
                    headers: release.reason_headers,
                };
                self.reject(leg, &reply);
            }
            Phase::Confirmed => self.release_confirmed(leg, release),
            Phase::Subscription => self.close(leg),
            Phase::Cancelling | Phase::Leaving | Phase::Closed => {}
        }
    }

    fn release_confirmed(&mut self, leg: &mut Leg, release: Release) {
        let awaits_ack = leg.unacknowledged.as_ref().is_some_and(|sent| sent.is_first);
        if !awaits_ack {
            return self.bye(leg, release.reason_headers);
        }
        // RFC 3261 §15: no BYE of the callee before the ACK; the 2xx goes on being repeated.
        leg.phase = Phase::Leaving;
        leg.queued = None;
        leg.ours = None;
        leg.release = Some(release);
        if let Some(theirs) = leg.theirs.take() {
            let tag = leg.local_tag.clone();
            self.reply(theirs.key, &theirs.message, &Reply::new(487), &tag);
        }
    }

    /// BYE of the peer: 200, and the leg is gone.
    pub(crate) fn on_bye(&mut self, leg: &mut Leg, key: ServerKey, message: &Message) {
        let tag = leg.local_tag.clone();
        if matches!(leg.phase, Phase::Calling | Phase::Cancelling | Phase::Subscription) {
            // RFC 3261 §15: the callee has no BYE for an early dialog.
            return self.reply(key, message, &Reply::new(481), &tag);
        }
        self.reply(key, message, &Reply::new(200), &tag);
        if leg.phase == Phase::Closed {
            return;
        }
        let event = Event::Ended { leg: leg.id(), cause: EndCause::Bye(message.clone()) };
        self.emit_last(leg, event);
        self.close(leg);
    }
}
