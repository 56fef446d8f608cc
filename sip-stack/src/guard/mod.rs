//! Who is listened to, and how often: rates per source, bans, overload. No I/O, no clock.
//!
//! The transports ask [`Guard::admit`] about every message before they parse it; whoever
//! authenticates tells [`Guard::authenticated`] and [`Guard::failed`]. Every table has a ceiling, so
//! that a flood from a million addresses costs no more memory than one from a thousand (SEC-63).
//! Requirements: SEC-60 to 63 (rates, bans), SEC-102 (overload).

mod ban;
mod bucket;
mod lru;
mod network;
mod overload;
mod peek;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub use ban::{Ban, BanReason, BanSettings, FormerBan, MAX_BANS};
pub use bucket::{Bucket, Rate};
pub use network::{Network, source_of};
pub use overload::OverloadSettings;
pub use peek::{Kind, Peek, calls_itself, is_to_number, peek};

use bytes::Bytes;

use crate::message::fit::{fit, shortest};
use crate::time::Now;
use ban::Bans;
use bucket::Window;
use lru::Lru;
use overload::{Overload, Rank};

/// Flows that have proved who they are; the one that was silent longest is forgotten first.
pub const MAX_FLOWS: usize = 131_072;
/// How long a flow that proved who it is counts as known without doing so again.
const FLOW_LIFE: Duration = Duration::from_secs(7200);
/// Notices that wait for whoever writes them down.
const MAX_NOTICES: usize = 256;
/// A source that exceeds its rates is mentioned once in this time.
const MENTION_EVERY: Duration = Duration::from_secs(60);
/// After this many failed logins, fewer than lead to a ban, the source's requests count this often.
const THROTTLE_AFTER: usize = 10;
const THROTTLED_COST: f32 = 10.0;
/// Responses and ACKs that belong to nobody we know may come this many times as often as requests.
const ANSWERS: f64 = 5.0;
/// Most octets that a stranger can be owed.
const MOST_CREDIT: usize = 65_536;
/// Who asks for no more new work than this wants little.
const LITTLE: Rate = Rate { per_second: 1.0, burst: 10 };
/// Emergency calls of one flow that go before everything else, whatever the rates.
const EMERGENCIES: Rate = Rate { per_second: 5.0, burst: 20 };

/// How often what may come.
#[derive(Clone, PartialEq, Debug)]
pub struct GuardSettings {
    /// Networks that no rate and no ban concerns.
    pub exempt: Vec<Network>,
    /// Requests of a source that has not proved who it is.
    pub strangers: Rate,
    /// What is no SIP, of a source.
    pub malformed: Rate,
    /// New connections of a source.
    pub connections: Rate,
    /// Requests of a flow that has proved who it is.
    pub known: Rate,
    /// New calls of such a flow.
    pub known_invites: Rate,
    /// When somebody is banned.
    pub bans: BanSettings,
    /// What overload is.
    pub overload: OverloadSettings,
    /// Numbers that a flow that has proved who it is may call whatever else goes on.
    pub emergency: Vec<String>,
    /// What programs call themselves that only look for something to break into; lower case.
    pub scanners: Vec<String>,
    /// Sources that are remembered; read at the start only.
    pub max_sources: usize,
}

impl Default for GuardSettings {
    /// SEC-60, SEC-61, SEC-102.
    fn default() -> Self {
        Self {
            exempt: Vec::new(),
            strangers: Rate::per_second(20),
            malformed: Rate::per_minute(50),
            connections: Rate::per_second(10),
            known: Rate::per_second(50),
            known_invites: Rate::per_second(5),
            bans: BanSettings::default(),
            overload: OverloadSettings::default(),
            emergency: Vec::new(),
            scanners: Vec::new(),
            max_sources: 65_536,
        }
    }
}

/// Which of the two ways into the switch a message takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lane {
    /// Belongs to something that exists: handled first.
    Urgent,
    /// New work.
    Ordinary,
}

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// It goes on.
    Pass(Lane),
    /// There is too much to do: 503, the peer may come again later.
    Refuse,
    /// There is too much to do and this is not worth an answer where answers can be spared.
    Shed,
    /// The source is banned or exceeds its rate: not a word.
    Drop,
}

/// Something worth a line in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// A source is not listened to any more.
    Banned(Ban),
    /// A source is listened to again because somebody said so.
    Lifted(IpAddr),
    /// A source exceeded its rate; said once a minute.
    Limited {
        /// Who.
        source: SocketAddr,
        /// At what.
        what: &'static str,
    },
    /// A source says by its name that it only looks for something to break into; said once a minute.
    Scanner(SocketAddr),
}

/// What the guard counts, and how much it holds.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct GuardCounts {
    /// Messages and connections of banned sources.
    pub banned: u64,
    /// Messages beyond a rate.
    pub limited: u64,
    /// Connections beyond a rate.
    pub connections_limited: u64,
    /// What was no SIP, beyond a rate.
    pub malformed_limited: u64,
    /// Requests of programs that only look for something to break into.
    pub scanners: u64,
    /// New work refused with 503 because of overload.
    pub refused: u64,
    /// New work dropped because of overload.
    pub shed: u64,
    /// Failed logins that count towards a ban.
    pub failures: u64,
    /// Answers not sent because they were longer than what a stranger had sent.
    pub unanswered: u64,
    /// Bans so far.
    pub bans: u64,
    /// Bans in force.
    pub bans_now: u64,
    /// Sources remembered.
    pub sources: u64,
    /// Flows that have proved who they are.
    pub flows: u64,
    /// New work that is let in per second during overload; zero when there is none.
    pub budget: u64,
}

#[derive(Default)]
struct Source {
    requests: Bucket,
    answers: Bucket,
    /// Requests over connections: nobody can forge where they come from, and who forges datagrams of an
    /// address does not keep those out.
    streamed: Bucket,
    /// New work lately, to tell who wants little.
    lately: Bucket,
    malformed: Bucket,
    connections: Bucket,
    failures: Window,
    /// Octets that came and have not been answered (SEC-64).
    credit: usize,
    throttled_until: Now,
    /// When a login was good here, last.
    proved_at: Option<Now>,
    mentioned_at: Option<Now>,
    scanned_at: Option<Now>,
}

/// How a message comes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Datagram,
    Stream,
}

struct Flow {
    requests: Bucket,
    invites: Bucket,
    /// Calls to emergency numbers that go before everything else.
    emergencies: Bucket,
    proved_at: Now,
}

/// Decides who is listened to; see the module's text.
pub struct Guard {
    settings: GuardSettings,
    /// Peers that the configuration names: no rate, no ban, known.
    trusted: Vec<IpAddr>,
    sources: Lru<IpAddr, Source>,
    flows: Lru<SocketAddr, Flow>,
    bans: Bans,
    overload: Overload,
    hasher: ahash::RandomState,
    notices: VecDeque<Notice>,
    counts: GuardCounts,
}

impl Guard {
    /// A guard that has seen nothing yet.
    #[must_use]
    pub fn new(settings: GuardSettings) -> Self {
        Self {
            sources: Lru::new(settings.max_sources),
            flows: Lru::new(MAX_FLOWS),
            bans: Bans::default(),
            overload: Overload::new(settings.overload),
            trusted: Vec::new(),
            hasher: ahash::RandomState::new(),
            notices: VecDeque::new(),
            counts: GuardCounts::default(),
            settings,
        }
    }

    /// Other rates from now on; what has been seen stays.
    pub fn configure(&mut self, settings: GuardSettings) {
        self.overload.configure(settings.overload);
        self.settings = settings;
    }

    /// The peers that the configuration names are at these addresses.
    pub fn trust(&mut self, addresses: impl IntoIterator<Item = IpAddr>) {
        self.trusted = addresses.into_iter().map(|address| address.to_canonical()).collect();
        self.trusted.sort_unstable();
        self.trusted.dedup();
    }

    /// What becomes of a message that has come in as a datagram.
    pub fn admit(&mut self, now: Now, from: SocketAddr, octets: &[u8]) -> Admission {
        self.admit_by(Way::Datagram, now, from, octets)
    }

    /// What becomes of a message that has come in over a connection.
    pub fn admit_from_stream(&mut self, now: Now, from: SocketAddr, octets: &[u8]) -> Admission {
        self.admit_by(Way::Stream, now, from, octets)
    }

    fn admit_by(&mut self, way: Way, now: Now, from: SocketAddr, octets: &[u8]) -> Admission {
        let (address, source) = (from.ip(), source_of(from.ip()));
        let is_trusted = self.trusted.binary_search(&address).is_ok();
        let is_exempt = is_trusted || self.is_exempt(address);
        if !is_exempt && self.bans.is_banned(now, source) {
            self.counts.banned += 1;
            return Admission::Drop;
        }
        let peek = peek(octets);
        let is_known = self.has_proved(now, from) || is_trusted;
        let is_emergency = is_known
            && peek.kind == Kind::Invite
            && is_to_number(octets, &self.settings.emergency)
            && self.has_emergency_turn(now, from);
        let is_within =
            is_exempt || is_emergency || self.is_within(now, from, (way, peek), is_known);
        if !is_within {
            self.counts.limited += 1;
            return Admission::Drop;
        }
        if !is_exempt && !is_known && self.is_scanner(now, from, peek.kind, octets) {
            return Admission::Drop;
        }
        if !is_exempt
            && !is_known
            && let Some(source) = self.sources.peek_mut(&source_of(address))
        {
            source.credit = source.credit.saturating_add(octets.len()).min(MOST_CREDIT);
        }
        match peek.kind {
            Kind::Response | Kind::Ack => Admission::Pass(Lane::Urgent),
            _ if is_emergency => Admission::Pass(Lane::Urgent),
            _ if peek.is_in_dialog && (is_known || is_exempt) => Admission::Pass(Lane::Urgent),
            Kind::Cancel => Admission::Pass(Lane::Ordinary),
            _ if self.has_turn(now, source, is_known) => Admission::Pass(Lane::Ordinary),
            Kind::Invite | Kind::Register if !peek.is_in_dialog => {
                self.counts.refused += 1;
                Admission::Refuse
            }
            _ => {
                self.counts.shed += 1;
                Admission::Shed
            }
        }
    }

    /// Whether one more emergency call of a flow goes before everything else; beyond that it is a call as
    /// others are.
    fn has_emergency_turn(&mut self, now: Now, from: SocketAddr) -> bool {
        let flow = self.flows.peek_mut(&from);
        flow.is_none_or(|flow| flow.emergencies.take(now, EMERGENCIES, 1.0))
    }

    /// Whether new work of a source is let in, if there is more than can be done.
    fn has_turn(&mut self, now: Now, source: IpAddr, is_known: bool) -> bool {
        let hash = self.hasher.hash_one(source);
        let state = self.sources.enter(source, Source::default);
        let is_modest = state.is_some_and(|state| state.lately.take(now, LITTLE, 1.0));
        let rank = match (is_known, is_modest) {
            (true, _) => Rank::Known,
            (false, true) => Rank::Modest,
            (false, false) => Rank::Heavy,
        };
        self.overload.admit(now, rank, hash)
    }

    fn is_within(
        &mut self,
        now: Now,
        from: SocketAddr,
        (way, peek): (Way, Peek),
        is_known: bool,
    ) -> bool {
        let is_answer = matches!(peek.kind, Kind::Response | Kind::Ack);
        if is_known {
            let (known, invites) = (self.settings.known, self.settings.known_invites);
            let Some(flow) = self.flows.peek_mut(&from) else { return true };
            let is_new_call = peek.kind == Kind::Invite && !peek.is_in_dialog;
            return is_answer
                || (flow.requests.take(now, known, 1.0)
                    && (!is_new_call || flow.invites.take(now, invites, 1.0)))
                || self.exceeded(now, from, "requests of an authenticated flow");
        }
        let rate = self.settings.strangers;
        let answers = Rate { per_second: rate.per_second * ANSWERS, burst: rate.burst };
        let Some(source) = self.sources.enter(source_of(from.ip()), Source::default) else {
            return true;
        };
        let cost = if now < source.throttled_until { THROTTLED_COST } else { 1.0 };
        let is_within = match (is_answer, way) {
            (true, _) => source.answers.take(now, answers, 1.0),
            (false, Way::Datagram) => source.requests.take(now, rate, cost),
            (false, Way::Stream) => source.streamed.take(now, rate, cost),
        };
        is_within || self.exceeded(now, from, "unauthenticated requests")
    }

    /// Notes that a source has exceeded a rate; always false.
    fn exceeded(&mut self, now: Now, from: SocketAddr, what: &'static str) -> bool {
        let Some(source) = self.sources.enter(source_of(from.ip()), Source::default) else {
            return false;
        };
        if source.mentioned_at.is_none_or(|at| now - at >= MENTION_EVERY) {
            source.mentioned_at = Some(now);
            self.note(Notice::Limited { source: from, what });
        }
        false
    }

    /// Whether a request comes from a program that calls itself what nobody's phone does (SEC-66). A
    /// help against noise and no protection: it is dropped, and nobody is banned for a name.
    fn is_scanner(&mut self, now: Now, from: SocketAddr, kind: Kind, octets: &[u8]) -> bool {
        if kind == Kind::Response || !calls_itself(octets, &self.settings.scanners) {
            return false;
        }
        self.counts.scanners += 1;
        let Some(source) = self.sources.enter(source_of(from.ip()), Source::default) else {
            return true;
        };
        if source.scanned_at.is_none_or(|at| now - at >= MENTION_EVERY) {
            source.scanned_at = Some(now);
            self.note(Notice::Scanner(from));
        }
        true
    }

    /// Whether what is no SIP may still be looked at and answered.
    pub fn admit_malformed(&mut self, now: Now, from: SocketAddr) -> bool {
        let rate = self.settings.malformed;
        let may = self.is_free(from.ip())
            || self
                .sources
                .enter(source_of(from.ip()), Source::default)
                .is_none_or(|source| source.malformed.take(now, rate, 1.0))
            || self.exceeded(now, from, "malformed messages");
        self.counts.malformed_limited += u64::from(!may);
        may
    }

    /// Whether a new connection is taken.
    pub fn admit_connection(&mut self, now: Now, from: SocketAddr) -> bool {
        if self.is_free(from.ip()) {
            return true;
        }
        if self.is_banned(now, from.ip()) {
            self.counts.banned += 1;
            return false;
        }
        let rate = self.settings.connections;
        let may = self
            .sources
            .enter(source_of(from.ip()), Source::default)
            .is_none_or(|source| source.connections.take(now, rate, 1.0))
            || self.exceeded(now, from, "new connections");
        self.counts.connections_limited += u64::from(!may);
        may
    }

    /// A request on this flow was authenticated.
    pub fn authenticated(&mut self, now: Now, from: SocketAddr) {
        let make = || Flow {
            requests: Bucket::default(),
            invites: Bucket::default(),
            emergencies: Bucket::default(),
            proved_at: now,
        };
        if let Some(flow) = self.flows.enter(from, make) {
            flow.proved_at = now;
        }
        if let Some(source) = self.sources.enter(source_of(from.ip()), Source::default) {
            source.proved_at = Some(now);
        }
    }

    /// A login failed that answered a challenge which was given to this very address (SEC-61): only
    /// such ones lead to bans, so that nobody can have another banned by forging an address.
    pub fn failed(&mut self, now: Now, from: SocketAddr) {
        self.counts.failures += 1;
        if self.is_free(from.ip()) {
            return;
        }
        let bans = self.settings.bans;
        let address = source_of(from.ip());
        let Some(source) = self.sources.enter(address, Source::default) else { return };
        let failures = source.failures.note(now, bans.within, bans.failures);
        if failures >= THROTTLE_AFTER.min(bans.failures) {
            source.throttled_until = now + bans.within;
        }
        let is_home = source.proved_at.is_some_and(|at| now - at < FLOW_LIFE);
        if failures >= bans.failures && !is_home {
            source.failures.clear();
            self.ban(now, address, BanReason::Failures, None);
        }
    }

    /// Bans a source for a time, or for as long as it is its turn.
    pub fn ban(
        &mut self,
        now: Now,
        source: IpAddr,
        reason: BanReason,
        time: Option<Duration>,
    ) -> Ban {
        let ban = self.bans.ban(now, source_of(source), reason, (time, &self.settings.bans));
        self.counts.bans += 1;
        self.note(Notice::Banned(ban));
        ban
    }

    /// Lifts a ban and forgets what led to it; false where there is none.
    pub fn lift(&mut self, now: Now, source: IpAddr) -> bool {
        let source = source_of(source);
        if let Some(state) = self.sources.peek_mut(&source) {
            state.failures.clear();
            state.throttled_until = Now::ZERO;
        }
        let was_banned = self.bans.lift(now, source);
        if was_banned {
            self.note(Notice::Lifted(source));
        }
        was_banned
    }

    /// Takes up the bans of an earlier process.
    pub fn restore(&mut self, now: Now, former: impl IntoIterator<Item = FormerBan>) {
        former.into_iter().for_each(|former| self.bans.restore(now, former));
    }

    /// The bans in force, the oldest first.
    #[must_use]
    pub fn bans(&self, now: Now) -> Vec<Ban> {
        self.bans.list(now)
    }

    /// Whether a source is not listened to.
    #[must_use]
    pub fn is_banned(&self, now: Now, address: IpAddr) -> bool {
        !self.is_free(address.to_canonical()) && self.bans.is_banned(now, source_of(address))
    }

    /// The response as it may be sent to where it goes; `asked` is how long the request was that it
    /// answers, if it answers one at once. Nobody who has not proved who it is gets more octets in all
    /// than came from there, so that a forged source gains nothing; and where it can be said in as many
    /// octets as the request had, it is.
    pub fn fit(
        &mut self,
        now: Now,
        to: SocketAddr,
        response: &Bytes,
        asked: Option<usize>,
    ) -> Option<Bytes> {
        if self.is_free(to.ip()) || self.has_proved(now, to) {
            return Some(response.clone());
        }
        let source = self.sources.peek_mut(&source_of(to.ip()));
        let credit = source.as_ref().map_or(0, |source| source.credit);
        let limit = asked.map_or(0, |asked| asked.min(credit));
        // What is longer than its request in any form goes out when enough has come in, the request
        // sent again for instance.
        // One answer for each datagram (SEC-64): what repeats itself by a timer is not one.
        let fitting = asked.and_then(|_| {
            fit(response, limit)
                .or_else(|| Some(shortest(response)).filter(|shortest| shortest.len() <= credit))
        });
        match (&fitting, source) {
            (Some(fitting), Some(source)) => source.credit = credit.saturating_sub(fitting.len()),
            _ => self.counts.unanswered += 1,
        }
        fitting
    }

    /// New work has been taken up after it waited so long; so much waits still.
    pub fn measured(&mut self, now: Now, delay: Duration, backlog: usize) {
        self.overload.measured(now, delay, backlog);
    }

    /// What is worth a line in the log.
    pub fn notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// The counters so far.
    #[must_use]
    pub fn counts(&self, now: Now) -> GuardCounts {
        GuardCounts {
            bans_now: self.bans.count(now) as u64,
            sources: self.sources.len() as u64,
            flows: self.flows.len() as u64,
            budget: self.overload.budget_per_second().map_or(0, |budget| budget.max(1.0) as u64),
            ..self.counts
        }
    }

    fn has_proved(&mut self, now: Now, from: SocketAddr) -> bool {
        self.flows.touch(&from).is_some_and(|flow| now - flow.proved_at < FLOW_LIFE)
    }

    fn is_exempt(&self, address: IpAddr) -> bool {
        self.settings.exempt.iter().any(|network| network.contains(address))
    }

    fn is_free(&self, address: IpAddr) -> bool {
        self.is_exempt(address) || self.trusted.binary_search(&address).is_ok()
    }

    fn note(&mut self, notice: Notice) {
        if self.notices.len() < MAX_NOTICES {
            self.notices.push_back(notice);
        }
    }
}

#[cfg(test)]
mod tests;
