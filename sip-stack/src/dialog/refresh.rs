//! The clock side of session timers: RFC 4028 §7.2, §7.4, §10.

use std::time::Duration;

use super::core::Core;
use super::event::{EndCause, Event};
use super::leg::{Leg, OurOffer, Phase, Timer};
use crate::message::Method;

/// How long a refresh waits when another offer is on its way.
const BUSY_WAIT: Duration = Duration::from_secs(5);

impl Core {
    /// Starts the session timer anew: after each 2xx of INVITE and UPDATE.
    pub(crate) fn watch_session(&mut self, leg: &mut Leg) {
        self.disarm(leg, Timer::Refresh);
        self.disarm(leg, Timer::Expiry);
        if let Some(after) = leg.session.refresh_after() {
            self.arm(leg, Timer::Refresh, after);
        }
        if let Some(after) = leg.session.expires_after() {
            self.arm(leg, Timer::Expiry, after);
        }
    }

    /// Our refresh is due: by UPDATE without SDP if the peer knows it, else by re-INVITE with the
    /// session as it is.
    pub(crate) fn on_refresh_timer(&mut self, leg: &mut Leg) {
        if leg.phase != Phase::Confirmed {
            return;
        }
        if !leg.may_offer() {
            return self.arm(leg, Timer::Refresh, BUSY_WAIT);
        }
        let sdp = if leg.peer.allows(&Method::Update) {
            None
        } else if leg.local_sdp.is_some() {
            leg.local_sdp.clone()
        } else {
            return self.watch_session(leg);
        };
        self.send_offer(leg, OurOffer::new(sdp, true));
    }

    /// The peer did not refresh in time.
    pub(crate) fn on_expiry_timer(&mut self, leg: &mut Leg) {
        if !matches!(leg.phase, Phase::Confirmed) {
            return;
        }
        self.emit_last(leg, Event::Ended { leg: leg.id(), cause: EndCause::SessionExpired });
        let reason = "SIP;cause=408;text=\"Session timer\"".to_owned();
        self.bye(leg, vec![("Reason".to_owned(), reason)]);
    }
}
