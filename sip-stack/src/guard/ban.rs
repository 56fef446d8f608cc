//! Who is not listened to at all, and for how long.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::time::Duration;

use ahash::AHashMap;

use crate::time::Now;

/// Most sources that are banned at once; one more takes the place of the one that would be over first.
pub const MAX_BANS: usize = 10_000;

/// When somebody is banned, and for how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BanSettings {
    /// So many failed logins …
    pub failures: usize,
    /// … within this time.
    pub within: Duration,
    /// How long the first ban lasts; each further one twice as long …
    pub first: Duration,
    /// … up to this.
    pub longest: Duration,
}

impl Default for BanSettings {
    /// SEC-61: 15 in 5 minutes; 10 minutes, doubling to a day.
    fn default() -> Self {
        Self {
            failures: 15,
            within: Duration::from_secs(300),
            first: Duration::from_secs(600),
            longest: Duration::from_secs(86_400),
        }
    }
}

/// Why somebody is banned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BanReason {
    /// Too many failed logins.
    Failures,
    /// An administrator's wish.
    Administrator,
}

impl BanReason {
    /// The reason of these words.
    #[must_use]
    pub fn of_text(text: &str) -> Option<Self> {
        [Self::Failures, Self::Administrator].into_iter().find(|reason| reason.text() == text)
    }

    /// In a few words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Failures => "failed authentications",
            Self::Administrator => "administrator",
        }
    }
}

/// A ban in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ban {
    /// An IPv4 address, or the first address of an IPv6 /64.
    pub source: IpAddr,
    /// Why.
    pub reason: BanReason,
    /// When it began.
    pub since: Now,
    /// When it is over.
    pub until: Now,
    /// How often this source has been banned, this time included.
    pub times: u32,
    /// How long it had been in force before this process began.
    pub before: Duration,
}

/// A ban that an earlier process had made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FormerBan {
    /// An IPv4 address, or the first address of an IPv6 /64.
    pub source: IpAddr,
    /// Why.
    pub reason: BanReason,
    /// How long ago it began.
    pub age: Duration,
    /// How long it still lasts; zero where it is over and only counts for how long the next one lasts.
    pub left: Duration,
    /// How often this source had been banned, this time included.
    pub times: u32,
}

/// All bans, and for a while those that are over: the next one lasts longer.
#[derive(Default)]
pub(super) struct Bans(AHashMap<IpAddr, Ban>);

impl Bans {
    pub(super) fn is_banned(&self, now: Now, source: IpAddr) -> bool {
        !self.0.is_empty() && self.0.get(&source).is_some_and(|ban| now < ban.until)
    }

    /// Bans for a time, or for as long as it is this one's turn.
    pub(super) fn ban(
        &mut self,
        now: Now,
        source: IpAddr,
        reason: BanReason,
        (duration, settings): (Option<Duration>, &BanSettings),
    ) -> Ban {
        let times = self.0.get(&source).map_or(0, |ban| ban.times).saturating_add(1);
        let doubled = 1_u32.checked_shl(times - 1).unwrap_or(u32::MAX);
        let turn = settings.first.saturating_mul(doubled).min(settings.longest);
        let until = now + duration.unwrap_or(turn);
        let ban = Ban { source, reason, since: now, until, times, before: Duration::ZERO };
        if self.0.len() >= MAX_BANS && !self.0.contains_key(&source) {
            self.make_room(now, settings.longest);
        }
        self.0.insert(source, ban);
        ban
    }

    /// Takes up what an earlier process had decided; what is known already is newer.
    pub(super) fn restore(&mut self, now: Now, former: FormerBan) {
        let FormerBan { source, reason, age, left, times } = former;
        if self.0.len() < MAX_BANS {
            let ban = Ban { source, reason, since: now, until: now + left, times, before: age };
            self.0.entry(source).or_insert(ban);
        }
    }

    fn make_room(&mut self, now: Now, memory: Duration) {
        self.0.retain(|_, ban| now - ban.until < memory && now < ban.until + memory);
        if self.0.len() >= MAX_BANS
            && let Some(first) = self.0.values().min_by_key(|ban| ban.until).map(|ban| ban.source)
        {
            self.0.remove(&first);
        }
    }

    /// True where there was one in force. What led to it is forgotten.
    pub(super) fn lift(&mut self, now: Now, source: IpAddr) -> bool {
        self.0.remove(&source).is_some_and(|ban| now < ban.until)
    }

    /// Those in force, the oldest first.
    pub(super) fn list(&self, now: Now) -> Vec<Ban> {
        let mut list: Vec<Ban> = self.0.values().filter(|ban| now < ban.until).copied().collect();
        // Those of an earlier process are as old as they were there.
        list.sort_unstable_by_key(|ban| (Reverse(ban.before + (now - ban.since)), ban.source));
        list
    }

    pub(super) fn count(&self, now: Now) -> usize {
        self.0.values().filter(|ban| now < ban.until).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        Now::from_millis(seconds * 1000)
    }

    fn address(last: u32) -> IpAddr {
        IpAddr::from((0xc633_0000 + last).to_be_bytes())
    }

    #[test]
    fn each_ban_is_twice_as_long_up_to_the_longest() {
        let settings = BanSettings::default();
        let mut bans = Bans::default();
        let mut now = 0;
        let mut durations = Vec::new();
        for _ in 0..10 {
            let ban = bans.ban(at(now), address(1), BanReason::Failures, (None, &settings));
            durations.push((ban.until - ban.since).as_secs());
            assert!(bans.is_banned(at(now), address(1)));
            now += durations.last().unwrap();
            assert!(!bans.is_banned(at(now), address(1)));
        }
        assert_eq!(durations[..4], [600, 1200, 2400, 4800]);
        assert_eq!(durations[9], 86_400);
    }

    #[test]
    fn a_lifted_ban_is_over_and_forgotten() {
        let settings = BanSettings::default();
        let mut bans = Bans::default();
        bans.ban(at(0), address(1), BanReason::Failures, (None, &settings));
        assert_eq!(bans.list(at(1)).len(), 1);
        assert!(bans.lift(at(1), address(1)));
        assert!(!bans.lift(at(1), address(1)));
        assert!(bans.list(at(1)).is_empty());
        let next = bans.ban(at(2), address(1), BanReason::Failures, (None, &settings));
        assert_eq!(next.times, 1);
    }

    #[test]
    fn what_an_earlier_process_had_decided_goes_on_and_counts() {
        let settings = BanSettings::default();
        let mut bans = Bans::default();
        let former = FormerBan {
            source: address(1),
            reason: BanReason::Failures,
            age: Duration::from_secs(200),
            left: Duration::from_secs(400),
            times: 1,
        };
        bans.restore(at(5), former);
        let over = FormerBan { source: address(2), left: Duration::ZERO, times: 3, ..former };
        bans.restore(at(5), over);
        assert!(bans.is_banned(at(404), address(1)) && !bans.is_banned(at(405), address(1)));
        assert!(!bans.is_banned(at(5), address(2)));
        assert_eq!(bans.list(at(6))[0].before.as_secs(), 200);
        let next = bans.ban(at(6), address(2), BanReason::Failures, (None, &settings));
        assert_eq!((next.times, (next.until - next.since).as_secs()), (4, 4800));
        bans.restore(at(7), over);
        assert!(bans.is_banned(at(8), address(2)), "what is newer stays");
    }

    #[test]
    fn the_oldest_ban_is_listed_first_whichever_process_made_it() {
        let (settings, mut bans) = (BanSettings::default(), Bans::default());
        bans.ban(at(5), address(2), BanReason::Failures, (None, &settings));
        for (last, age) in [(9, 3_600), (1, 60)] {
            let (age, left) = (Duration::from_secs(age), Duration::from_secs(400));
            let (source, reason) = (address(last), BanReason::Failures);
            bans.restore(at(6), FormerBan { source, reason, age, left, times: 1 });
        }
        let listed: Vec<IpAddr> = bans.list(at(7)).iter().map(|ban| ban.source).collect();
        assert_eq!(listed, [9, 1, 2].map(address));
    }

    #[test]
    fn the_table_has_a_ceiling() {
        let settings = BanSettings::default();
        let mut bans = Bans::default();
        for source in 0..MAX_BANS as u32 + 5 {
            bans.ban(
                at(u64::from(source)),
                address(source),
                BanReason::Failures,
                (None, &settings),
            );
        }
        assert!(bans.0.len() <= MAX_BANS);
        assert!(bans.0.contains_key(&address(MAX_BANS as u32 + 4)));
    }
}
