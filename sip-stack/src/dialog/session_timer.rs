//! Session timers (RFC 4028): who refreshes, how often, and what is said about it. No clock.

use std::time::Duration;

use super::text;
use crate::header::{Refresher, SessionExpires};
use crate::message::{HeaderName, Message};

/// The protocol's floor of Min-SE (RFC 4028 §4).
const FLOOR_S: u32 = 90;
/// Longest margin before the end of the interval at which the other side hangs up (§10).
const MARGIN: Duration = Duration::from_secs(32);
/// Longest interval we agree to.
const CEILING_S: u32 = 86_400;

fn asked_by(message: &Message) -> Option<SessionExpires> {
    SessionExpires::parse(message.header(HeaderName::SessionExpires)?).ok()
}

/// What a 2xx of ours says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Agreed {
    pub(crate) interval_s: u32,
    pub(crate) refresher: Refresher,
    /// Whether the peer understands timers: only then the 2xx may require them.
    pub(crate) has_peer_timer: bool,
}

impl Agreed {
    /// Session-Expires of the 2xx.
    pub(crate) fn header(&self) -> String {
        SessionExpires { interval: self.interval_s, refresher: Some(self.refresher) }.to_string()
    }
}

/// The interval is below our Min-SE: 422.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TooSmall {
    pub(crate) min_se_s: u32,
}

/// The session timer of one leg.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionTimer {
    /// What we ask for; zero asks for nothing.
    asked_s: u32,
    min_se_s: u32,
    /// The peer refused a smaller interval, so Min-SE is sent (§7.4).
    has_raised: bool,
    /// What is agreed, and whether the refresh is ours.
    current: Option<(u32, bool)>,
}

impl SessionTimer {
    pub(crate) fn new(session_expires: Duration, min_se: Duration) -> Self {
        let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(CEILING_S);
        let min_se_s = seconds(min_se).clamp(FLOOR_S, CEILING_S);
        let asked_s = match seconds(session_expires).min(CEILING_S) {
            0 => 0,
            asked => asked.max(min_se_s),
        };
        Self { asked_s, min_se_s, has_raised: false, current: None }
    }

    /// A leg without session timer.
    pub(crate) fn off() -> Self {
        Self { asked_s: 0, min_se_s: FLOOR_S, has_raised: false, current: None }
    }

    /// Session-Expires and Min-SE of a request of ours.
    pub(crate) fn request_headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        match self.current {
            Some((interval, is_ours)) => {
                let side = if is_ours { Refresher::Uac } else { Refresher::Uas };
                let interval = interval.max(if self.has_raised { self.min_se_s } else { 0 });
                let value = SessionExpires { interval, refresher: Some(side) };
                headers.push(("Session-Expires", value.to_string()));
            }
            None if self.asked_s > 0 => headers.push(("Session-Expires", self.asked_s.to_string())),
            None => {}
        }
        if !headers.is_empty() && (self.has_raised || self.min_se_s > FLOOR_S) {
            headers.push(("Min-SE", self.min_se_s.to_string()));
        }
        headers
    }

    /// A 422: asks for more next time; false if the peer gave no usable Min-SE.
    pub(crate) fn raise(&mut self, response: &Message) -> bool {
        let Some(min_se) = text::number(response, HeaderName::MinSe) else { return false };
        if min_se > CEILING_S || min_se <= self.min_se_s && self.has_raised {
            return false;
        }
        self.min_se_s = self.min_se_s.max(min_se);
        self.asked_s = self.asked_s.max(self.min_se_s);
        self.has_raised = true;
        true
    }

    /// A 2xx to a request of ours.
    pub(crate) fn on_answer(&mut self, response: &Message) {
        self.current = match asked_by(response) {
            Some(said) => {
                let interval = said.interval.clamp(FLOOR_S, CEILING_S);
                Some((interval, said.refresher != Some(Refresher::Uas)))
            }
            // §7.2: the peer has no timers; we refresh alone.
            None => self
                .current
                .map(|(interval, _)| interval)
                .or_else(|| self.wanted())
                .map(|interval| (interval, true)),
        };
    }

    fn wanted(&self) -> Option<u32> {
        (self.asked_s > 0).then_some(self.asked_s)
    }

    /// What a 2xx to this request of the peer shall say; `None`: nothing.
    pub(crate) fn negotiate(&self, request: &Message) -> Result<Option<Agreed>, TooSmall> {
        let asked = asked_by(request);
        let has_peer_timer = text::has_token(request, HeaderName::Supported, "timer");
        let peer_min_s = text::number(request, HeaderName::MinSe).unwrap_or(0).min(CEILING_S);
        let ours = self.current.map(|(interval, _)| interval).or_else(|| self.wanted());
        let interval_s = match (asked, ours) {
            (Some(asked), _) if asked.interval < self.min_se_s && has_peer_timer => {
                return Err(TooSmall { min_se_s: self.min_se_s });
            }
            // §9: the UAS may lower the interval, never below the request's Min-SE.
            (Some(asked), ours) => {
                let ceiling = ours.unwrap_or(CEILING_S).max(peer_min_s).max(self.min_se_s);
                asked.interval.max(self.min_se_s).min(ceiling)
            }
            (None, Some(ours)) => ours.max(peer_min_s),
            (None, None) => return Ok(None),
        };
        let refresher = match asked.and_then(|asked| asked.refresher) {
            _ if !has_peer_timer => Refresher::Uas,
            Some(side) => side,
            None => match self.current {
                // A refresh without the parameter keeps the roles.
                Some((_, true)) => Refresher::Uas,
                _ => Refresher::Uac,
            },
        };
        Ok(Some(Agreed { interval_s, refresher, has_peer_timer }))
    }

    /// Our 2xx said so.
    pub(crate) fn agree(&mut self, agreed: Agreed) {
        self.current = Some((agreed.interval_s, agreed.refresher == Refresher::Uas));
    }

    /// When the refresh is ours: how long from now.
    pub(crate) fn refresh_after(&self) -> Option<Duration> {
        match self.current {
            Some((interval, true)) => Some(Duration::from_secs(u64::from(interval)) / 2),
            _ => None,
        }
    }

    /// When the refresh is ours and one failed: how long to wait for the next try, of which three fit before
    /// the peer's patience ends.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.refresh_after().map(|half| half / 5)
    }

    /// When the refresh is the peer's: how long to wait for it.
    pub(crate) fn expires_after(&self) -> Option<Duration> {
        match self.current {
            Some((interval, false)) => {
                let interval = Duration::from_secs(u64::from(interval));
                Some(interval.saturating_sub(MARGIN.min(interval / 3)))
            }
            _ => None,
        }
    }
}
