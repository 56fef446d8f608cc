//! What is suspicious and keeps nobody out by itself: logins from where a line never was, a line whose
//! password is guessed from everywhere, identities and dialogs of others (security SEC-29, 62, 110).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use sip_stack::endpoint::LegId;
use sip_stack::flow::Flow;
use sip_stack::message::{HeaderName, Message};
use sip_stack::time::Now;

use super::counters::count;
use super::mailbox::Output;
use super::{Exchange, Suspicion};
use crate::registrar::Login;

/// What is guessed about each line. Only lines of the configuration get here.
#[derive(Debug, Default)]
pub(crate) struct Guesses(HashMap<String, Guessed>);

#[derive(Clone, Copy, Debug)]
struct Guessed {
    since: Now,
    count: u32,
}

impl Guesses {
    /// Counts a failed login; whether it is just the one that is too many within `within`.
    fn note(&mut self, now: Now, line: &str, most: u32, within: Duration) -> bool {
        let fresh = Guessed { since: now, count: 0 };
        let guessed = self.0.entry(line.to_owned()).or_insert(fresh);
        if now - guessed.since >= within {
            *guessed = fresh;
        }
        guessed.count = guessed.count.saturating_add(1);
        guessed.count == most
    }

    /// Forgets lines that are no more.
    pub(super) fn keep_only(&mut self, is_line: impl Fn(&str) -> bool) {
        self.0.retain(|line, _| is_line(line));
    }
}

impl Exchange {
    /// Something for the security log.
    pub(crate) fn suspect(
        &mut self,
        what: Suspicion,
        source: Option<SocketAddr>,
        line: &str,
        reason: impl Into<String>,
    ) {
        let (line, reason) = (line.to_owned(), reason.into());
        self.outputs.push(Output::Suspicious { what, source, line, reason });
    }

    /// The password of a line was wrong, surely from this address. The line is never locked: that would
    /// be the guesser's to decide. Too many at once are an alarm.
    pub(super) fn note_guess(&mut self, line: &str, source: SocketAddr) {
        let config::BanRules { alarm, within, .. } = self.config.security.bans;
        let is_line = self.config.lines.contains_key(line);
        if !is_line || !self.guesses.note(self.clock.now, line, alarm, within) {
            return;
        }
        count(&self.counters.account_alarms_total);
        let seconds = within.as_secs();
        let reason = format!("{alarm} failed logins within {seconds} s");
        self.suspect(Suspicion::AccountAttack, Some(source), line, reason);
        self.publish(
            "ACCOUNT_UNDER_ATTACK",
            json!({"line": line, "failures": alarm, "withinSeconds": seconds}),
        );
    }

    /// A phone has registered: is it somewhere, or something, that its line never was?
    pub(super) fn note_login(&mut self, line: &str, message: &Message, flow: Flow) {
        let agent = message.header(HeaderName::UserAgent).unwrap_or_default();
        let Some(login) = self.familiar.note(line, flow.remote.ip(), agent) else { return };
        self.outputs.push(Output::Store(self.familiar.stored(line)));
        let Login { network, user_agent, is_first } = login;
        // There is nothing to compare the first one with.
        if is_first {
            return;
        }
        let mut news = Vec::new();
        news.extend(network.as_ref().map(|network| format!("network {network}")));
        news.extend(user_agent.as_ref().map(|agent| format!("User-Agent {agent}")));
        let reason = format!("never seen for this line: {}", news.join(", "));
        self.suspect(Suspicion::NewNetwork, Some(flow.remote), line, reason);
        let source = flow.remote.ip().to_canonical().to_string();
        self.publish(
            "LOGIN_FROM_NEW_NETWORK",
            json!({"line": line, "source": source, "network": network, "userAgent": user_agent}),
        );
    }

    /// A line that wants to speak in a dialog of another one.
    pub(super) fn note_hijack(&mut self, leg: LegId, user: &str, source: SocketAddr) {
        let owner = self.by_leg.get(&leg).and_then(|call| self.calls.get(call.0));
        let owner = owner.map(|call| call.party.number().to_owned()).unwrap_or_default();
        let reason = format!("a request in a dialog of {owner}");
        self.suspect(Suspicion::Hijack, Some(source), user, reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alarm_is_raised_once_in_its_time_and_for_each_line() {
        let mut guesses = Guesses::default();
        let within = Duration::from_secs(300);
        let mut raised = |seconds: u64, line: &str, times: usize| {
            let now = Now::from_millis(seconds * 1000);
            (0..times).filter(|_| guesses.note(now, line, 50, within)).count()
        };
        assert_eq!(raised(0, "201", 49), 0);
        assert_eq!(raised(100, "202", 49), 0);
        assert_eq!(raised(299, "201", 100), 1);
        assert_eq!(raised(300, "201", 49), 0);
        assert_eq!(raised(301, "201", 1), 1);
        assert_eq!(raised(400, "202", 49), 0, "those of before are over");
    }
}
