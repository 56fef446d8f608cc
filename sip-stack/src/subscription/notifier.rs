//! The subscriptions of a notifier and the pace of their NOTIFYs.

use std::collections::VecDeque;
use std::time::Duration;

use crate::endpoint::LegId;
use crate::slab::{Key, Slab};
use crate::time::{Now, TimerToken, TimerWheel};

/// NOTIFYs that may fail one after the other before the subscription is given up, where the failure
/// itself does not say that it is over.
const MAX_FAILURES: u8 = 2;
/// The longest Retry-After of a refused NOTIFY that is waited for; longer ones end it.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(120);
/// Responses that end the usage or its dialog (RFC 5057 §5.1, RFC 6665 §4.2.2): 408 and silence, too.
const LAST_RESPONSES: [u16; 15] =
    [404, 405, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604, 606];

/// Names a subscription; stale ones find nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SubscriptionId(pub Key);

/// How fast NOTIFYs of one subscription may follow each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    /// Shortest time between two; what changes meanwhile goes into one (sip-mapping §3.12).
    pub gap: Duration,
    /// When a NOTIFY is tried again that was refused for the moment.
    pub retry: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { gap: Duration::from_millis(100), retry: Duration::from_secs(4) }
    }
}

/// Why a subscription ends by the notifier's will (RFC 6665 §4.1.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// The subscriber may come back at once: the switch stops.
    Deactivated,
    /// It may not watch any more.
    Rejected,
    /// Its time is over, or it ended the subscription itself.
    Timeout,
    /// What it watches is gone.
    NoResource,
}

impl Reason {
    /// As in Subscription-State.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deactivated => "deactivated",
            Self::Rejected => "rejected",
            Self::Timeout => "timeout",
            Self::NoResource => "noresource",
        }
    }
}

/// A NOTIFY to be sent now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// The dialog.
    pub leg: LegId,
    /// The value of Event.
    pub event: String,
    /// The value of Subscription-State.
    pub state: String,
    /// Counts the NOTIFYs of the subscription from 0.
    pub version: u32,
}

/// A subscription that is over; its dialog may be released.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ended<T> {
    /// Which.
    pub id: SubscriptionId,
    /// Its dialog.
    pub leg: LegId,
    /// What it was about.
    pub about: T,
}

#[derive(Debug)]
struct Subscription<T> {
    leg: LegId,
    event: String,
    about: T,
    expires_at: Now,
    /// It ends with the next NOTIFY.
    ending: Option<Reason>,
    /// A NOTIFY is wanted.
    is_due: bool,
    /// It is wanted even if it says nothing new: after SUBSCRIBE, and the last one.
    is_owed: bool,
    /// One is on its way; whether it is the last.
    in_flight: Option<bool>,
    /// None is sent before.
    not_before: Now,
    version: u32,
    /// What the subscriber knows, by its fingerprint.
    known: Option<u64>,
    failures: u8,
    timer: Option<TimerToken>,
}

/// All subscriptions of one notifier; `T` is what each is about.
///
/// The order of use: [`Notifier::add`] and its relatives; then, until it gives nothing,
/// [`Notifier::poll`], and for what it gives [`Notifier::notify`] with the fingerprint of the newest
/// state; then [`Notifier::poll_ended`]. [`Notifier::expire`] at [`Notifier::next_deadline`].
#[derive(Debug)]
pub struct Notifier<T> {
    pace: Pace,
    all: Slab<Subscription<T>>,
    timers: TimerWheel<Key>,
    /// Subscriptions that something happened to.
    touched: VecDeque<Key>,
    ended: VecDeque<Ended<T>>,
}

impl<T> Notifier<T> {
    /// Without subscriptions.
    #[must_use]
    pub fn new(pace: Pace) -> Self {
        Self {
            pace,
            all: Slab::new(),
            timers: TimerWheel::new(),
            touched: VecDeque::new(),
            ended: VecDeque::new(),
        }
    }

    /// A SUBSCRIBE was answered 200 and made this dialog; its NOTIFY is due at once. With `expires`
    /// zero it is the only one.
    pub fn add(
        &mut self,
        now: Now,
        leg: LegId,
        event: String,
        expires: Duration,
        about: T,
    ) -> SubscriptionId {
        let key = self.all.insert(Subscription {
            leg,
            event,
            about,
            expires_at: now + expires,
            ending: expires.is_zero().then_some(Reason::Timeout),
            is_due: true,
            is_owed: true,
            in_flight: None,
            not_before: now,
            version: 0,
            known: None,
            failures: 0,
            timer: None,
        });
        self.arm(now, key);
        self.touched.push_back(key);
        SubscriptionId(key)
    }

    /// A SUBSCRIBE inside the dialog: a longer life, or its end, and a NOTIFY in any case. False when
    /// the subscription is over already: 481.
    pub fn refresh(&mut self, now: Now, id: SubscriptionId, expires: Duration) -> bool {
        let Some(subscription) = self.all.get_mut(id.0) else { return false };
        if subscription.ending.is_some() {
            return false;
        }
        subscription.expires_at = now + expires;
        subscription.ending = expires.is_zero().then_some(Reason::Timeout);
        subscription.is_due = true;
        subscription.is_owed = true;
        // RFC 6665 §4.2.1.2: at once, whatever the pace.
        subscription.not_before = now;
        subscription.failures = 0;
        self.arm(now, id.0);
        self.touched.push_back(id.0);
        true
    }

    /// What it watches may have changed.
    pub fn changed(&mut self, id: SubscriptionId) {
        if let Some(subscription) = self.all.get_mut(id.0)
            && !subscription.is_due
        {
            subscription.is_due = true;
            self.touched.push_back(id.0);
        }
    }

    /// Ends a subscription by a last NOTIFY.
    pub fn end(&mut self, now: Now, id: SubscriptionId, reason: Reason) {
        let Some(subscription) = self.all.get_mut(id.0) else { return };
        if subscription.ending.is_none() {
            subscription.ending = Some(reason);
            subscription.is_due = true;
            subscription.is_owed = true;
            subscription.not_before = subscription.not_before.min(now);
            self.touched.push_back(id.0);
        }
    }

    /// The final response to the NOTIFY in flight: 408 for silence, 503 for a broken transport.
    ///
    /// Source: RFC 6665 §4.2.2; sip-mapping §3.12 "failures".
    pub fn answered(
        &mut self,
        now: Now,
        id: SubscriptionId,
        status: u16,
        retry_after: Option<Duration>,
    ) {
        let Some(subscription) = self.all.get_mut(id.0) else { return };
        let Some(is_last) = subscription.in_flight.take() else { return };
        if is_last || LAST_RESPONSES.contains(&status) {
            return self.finish(id.0);
        }
        if status < 300 {
            subscription.failures = 0;
        } else {
            subscription.failures += 1;
            let wait = retry_after.unwrap_or(self.pace.retry);
            if subscription.failures >= MAX_FAILURES || wait > MAX_RETRY_AFTER {
                return self.finish(id.0);
            }
            // The last state must not get lost.
            subscription.known = None;
            subscription.is_due = true;
            subscription.not_before = subscription.not_before.max(now + wait);
        }
        self.arm(now, id.0);
        self.touched.push_back(id.0);
    }

    /// The dialog is gone: no further word.
    pub fn forget(&mut self, id: SubscriptionId) {
        self.finish(id.0);
    }

    /// Lets all timers fire whose time has come.
    pub fn expire(&mut self, now: Now) {
        while let Some(key) = self.timers.expire(now) {
            let Some(subscription) = self.all.get_mut(key) else { continue };
            subscription.timer = None;
            if subscription.expires_at <= now && subscription.ending.is_none() {
                subscription.ending = Some(Reason::Timeout);
                subscription.is_due = true;
                subscription.is_owed = true;
                subscription.not_before = subscription.not_before.min(now);
            }
            self.arm(now, key);
            self.touched.push_back(key);
        }
    }

    /// When [`Notifier::expire`] should be called next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Now> {
        self.timers.next_deadline()
    }

    /// The next subscription whose NOTIFY may go out now.
    pub fn poll(&mut self, now: Now) -> Option<SubscriptionId> {
        while let Some(key) = self.touched.pop_front() {
            let Some(subscription) = self.all.get(key) else { continue };
            let is_ready = subscription.is_due && subscription.in_flight.is_none();
            if is_ready && subscription.not_before <= now {
                return Some(SubscriptionId(key));
            }
            if is_ready {
                self.arm(now, key);
            }
        }
        None
    }

    /// The newest state has this fingerprint: the NOTIFY to send, or none when the subscriber knows
    /// it already. Its response belongs to [`Notifier::answered`].
    pub fn notify(&mut self, now: Now, id: SubscriptionId, fingerprint: u64) -> Option<Notice> {
        let pace = self.pace;
        let subscription = self.all.get_mut(id.0)?;
        subscription.is_due = false;
        if !subscription.is_owed && subscription.known == Some(fingerprint) {
            return None;
        }
        let state = match subscription.ending {
            Some(reason) => format!("terminated;reason={}", reason.name()),
            None => {
                let left = subscription.expires_at.0.saturating_sub(now.0);
                format!("active;expires={}", left.as_millis().div_ceil(1000))
            }
        };
        let version = subscription.version;
        subscription.version = version.wrapping_add(1);
        subscription.is_owed = false;
        subscription.known = Some(fingerprint);
        subscription.in_flight = Some(subscription.ending.is_some());
        subscription.not_before = now + pace.gap;
        let (leg, event) = (subscription.leg, subscription.event.clone());
        Some(Notice { leg, event, state, version })
    }

    /// The next subscription that is over.
    pub fn poll_ended(&mut self) -> Option<Ended<T>> {
        self.ended.pop_front()
    }

    /// What a subscription is about.
    #[must_use]
    pub fn about(&self, id: SubscriptionId) -> Option<&T> {
        self.all.get(id.0).map(|subscription| &subscription.about)
    }

    /// Its Event value.
    #[must_use]
    pub fn event(&self, id: SubscriptionId) -> Option<&str> {
        self.all.get(id.0).map(|subscription| subscription.event.as_str())
    }

    /// When it ends unless it is refreshed.
    #[must_use]
    pub fn expires_at(&self, id: SubscriptionId) -> Option<Now> {
        self.all.get(id.0).map(|subscription| subscription.expires_at)
    }

    /// All that are not over.
    pub fn ids(&self) -> impl Iterator<Item = SubscriptionId> + '_ {
        self.all.iter().map(|(key, _)| SubscriptionId(key))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The invariants, asserted in debug builds: for tests and simulations.
    pub fn check(&self) {
        let timers = self.all.iter().filter(|(_, one)| one.timer.is_some()).count();
        debug_assert_eq!(timers, self.timers.len(), "timers have owners");
        for (key, one) in self.all.iter() {
            let is_waiting = one.in_flight.is_some() || one.timer.is_some();
            let is_touched = self.touched.contains(&key);
            debug_assert!(is_waiting || is_touched, "a subscription that nothing ends");
        }
    }

    fn finish(&mut self, key: Key) {
        if let Some(subscription) = self.all.remove(key) {
            if let Some(token) = subscription.timer {
                self.timers.disarm(token);
            }
            let Subscription { leg, about, .. } = subscription;
            self.ended.push_back(Ended { id: SubscriptionId(key), leg, about });
        }
    }

    /// One timer for the next thing that time brings: the delayed NOTIFY, or the end.
    fn arm(&mut self, now: Now, key: Key) {
        let Some(subscription) = self.all.get_mut(key) else { return };
        if let Some(token) = subscription.timer.take() {
            self.timers.disarm(token);
        }
        let end = subscription.ending.is_none().then_some(subscription.expires_at);
        let is_delayed = subscription.is_due
            && subscription.in_flight.is_none()
            && subscription.not_before > now;
        let next = is_delayed.then_some(subscription.not_before);
        if let Some(at) = [end, next].into_iter().flatten().min() {
            subscription.timer = Some(self.timers.arm(at, key));
        }
    }
}
