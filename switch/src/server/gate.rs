//! The guard of the running switch: its settings, what it writes down, what it counts.

use std::sync::Arc;

use config::Config;
use sip_stack::guard::{
    BanSettings, GuardCounts, GuardSettings, Network, Notice, OverloadSettings, Rate,
};
use sip_stack::transport::Gate;

use crate::observe::{Family, Sample, security};

/// A gate with the settings of `[security]`.
pub(super) fn open(config: &Config) -> Arc<Gate> {
    Arc::new(Gate::new(settings(config), write_down))
}

/// `[security]` as the guard takes it.
pub(super) fn settings(config: &Config) -> GuardSettings {
    let config::Security { exempt, emergency, limits, bans } = &config.security;
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
