//! The guard of the running switch: its settings, what it writes down, what it counts.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use config::Config;
use sip_stack::guard::{
    Ban, BanReason, BanSettings, FormerBan, GuardCounts, GuardSettings, Network, Notice,
    OverloadSettings, Rate,
};
use sip_stack::transport::Gate;

use super::clock;
use crate::observe::{Family, Sample, security};
use crate::store::{Change, Store, StoredBan};

/// Where bans are kept, once it is open: listeners are bound before the state file is opened.
pub(super) type Keeper = Arc<OnceLock<Arc<dyn Store>>>;

/// A gate with the settings of `[security]`, and what its bans are kept by.
pub(super) fn open(config: &Config) -> (Arc<Gate>, Keeper) {
    let keeper = Keeper::default();
    let kept = Arc::clone(&keeper);
    let tell = move |notice| {
        if let Some(store) = kept.get() {
            keep(store.as_ref(), notice);
        }
        write_down(notice);
    };
    (Arc::new(Gate::new(settings(config), tell)), keeper)
}

/// The bans that an earlier process made go on; from now on they are kept.
pub(super) fn restore(gate: &Gate, keeper: &Keeper, store: &Arc<dyn Store>) {
    let now = clock::unix_ms();
    gate.restore(store.take_bans().iter().filter_map(|ban| former(ban, now)));
    // It can be said once, and is.
    let _ = keeper.set(Arc::clone(store));
}

fn keep(store: &dyn Store, notice: Notice) {
    match notice {
        Notice::Banned(ban) => store.apply(Change::SaveBan(stored(&ban, clock::unix_ms()))),
        Notice::Lifted(source) => {
            store.apply(Change::RemoveBan { source: source.to_string() });
        }
        Notice::Limited { .. } | Notice::Scanner(_) => {}
    }
}

/// A ban that begins now, as a row.
fn stored(ban: &Ban, now_unix_ms: u64) -> StoredBan {
    let lasts = u64::try_from((ban.until - ban.since).as_millis()).unwrap_or(u64::MAX);
    StoredBan {
        source: ban.source.to_string(),
        reason: ban.reason.text().to_owned(),
        since_unix_ms: now_unix_ms,
        until_unix_ms: now_unix_ms.saturating_add(lasts),
        times: ban.times,
    }
}

/// A row as a ban; one that would last longer than it was meant to, because the clock was set back, is cut.
fn former(row: &StoredBan, now_unix_ms: u64) -> Option<FormerBan> {
    let source: IpAddr = row.source.parse().ok()?;
    let reason = BanReason::of_text(&row.reason)?;
    let whole = row.until_unix_ms.saturating_sub(row.since_unix_ms);
    let left = row.until_unix_ms.saturating_sub(now_unix_ms).min(whole);
    let age = now_unix_ms.saturating_sub(row.since_unix_ms);
    let (age, left) = (Duration::from_millis(age), Duration::from_millis(left));
    Some(FormerBan { source, reason, age, left, times: row.times })
}

/// `[security]` as the guard takes it.
pub(super) fn settings(config: &Config) -> GuardSettings {
    let config::Security { exempt, emergency, scanners, limits, bans } = &config.security;
    GuardSettings {
        exempt: exempt.iter().map(|network| Network::new(network.address, network.bits)).collect(),
        strangers: Rate::per_second(limits.unauthenticated),
        malformed: Rate::per_minute(limits.malformed),
        connections: Rate::per_second(limits.connections),
        known: Rate::per_second(limits.authenticated),
        known_invites: Rate::per_second(limits.calls),
        bans: BanSettings {
            failures: bans.failures,
            within: bans.within,
            first: bans.duration,
            longest: bans.longest,
        },
        overload: OverloadSettings { target: limits.overload_delay, ..OverloadSettings::default() },
        emergency: emergency.clone(),
        scanners: scanners.clone(),
        max_sources: limits.sources,
    }
}

fn write_down(notice: Notice) {
    match notice {
        Notice::Banned(ban) => {
            security::banned(ban.source, ban.reason.text(), (ban.until - ban.since).as_secs());
        }
        Notice::Lifted(source) => security::unbanned(source),
        Notice::Limited { source, what } => security::rate_limited(source, what),
        Notice::Scanner(source) => security::scanner(source),
    }
}

/// For `/metrics`.
pub(super) fn samples(gate: &Gate) -> Vec<Sample> {
    let counts: GuardCounts = gate.counts();
    let guard = Family("guard");
    vec![
        guard.counter(
            "banned_messages",
            "Messages and connections of banned sources.",
            counts.banned,
        ),
        guard.counter("limited", "Messages dropped because of a rate limit.", counts.limited),
        guard.counter(
            "connections_limited",
            "Connections refused because of a rate limit.",
            counts.connections_limited,
        ),
        guard.counter(
            "malformed_limited",
            "Messages that were no SIP, beyond their rate limit.",
            counts.malformed_limited,
        ),
        guard.counter(
            "unanswered",
            "Answers not sent: longer than what a stranger had sent.",
            counts.unanswered,
        ),
        guard.counter(
            "scanners",
            "Requests of programs named in [security] scanners.",
            counts.scanners,
        ),
        guard.counter("failures", "Failed logins that count towards a ban.", counts.failures),
        guard.counter("bans", "Bans so far.", counts.bans),
        guard.gauge("bans_in_force", "Bans in force now.", counts.bans_now),
        guard.gauge("sources", "Sources that are remembered.", counts.sources),
        guard.gauge("flows", "Flows that have authenticated.", counts.flows),
        guard.counter("overload_refused", "New work refused because of overload.", counts.refused),
        guard.counter("overload_shed", "New work dropped because of overload.", counts.shed),
        guard.gauge(
            "overload_admitted_per_second",
            "New work let in per second during overload; 0 without.",
            counts.budget,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(since: u64, until: u64) -> StoredBan {
        StoredBan {
            source: "192.0.2.7".to_owned(),
            reason: "failed authentications".to_owned(),
            since_unix_ms: since,
            until_unix_ms: until,
            times: 2,
        }
    }

    #[test]
    fn a_ban_goes_on_for_what_was_left_of_it() {
        let former = former(&row(1_000_000, 1_600_000), 1_200_000).unwrap();
        assert_eq!((former.age.as_secs(), former.left.as_secs(), former.times), (200, 400, 2));
    }

    #[test]
    fn one_that_is_over_only_counts_and_a_clock_that_was_set_back_prolongs_none() {
        assert!(former(&row(1_000_000, 1_600_000), 2_000_000).unwrap().left.is_zero());
        let cut = former(&row(1_000_000, 1_600_000), 5_000).unwrap();
        assert_eq!((cut.age.as_secs(), cut.left.as_secs()), (0, 600));
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let damaged = StoredBan { source: "office".to_owned(), ..row(0, 1) };
        assert_eq!(former(&damaged, 0), None);
        let unknown = StoredBan { reason: "mood".to_owned(), ..row(0, 1) };
        assert_eq!(former(&unknown, 0), None);
    }
}
