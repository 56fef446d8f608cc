//! What changed between two configurations, and what of it needs a restart.

use std::collections::BTreeMap;

use crate::model::Config;
use crate::model::guard::Security;
use crate::model::rim::{Api, Media, Sip, Switch};

/// What a reload does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Numbers of lines that are new.
    pub lines_added: Vec<String>,
    /// Numbers of lines that are gone.
    pub lines_removed: Vec<String>,
    /// Numbers of lines with other settings.
    pub lines_changed: Vec<String>,
    /// Sections and settings, apart from lines, that take effect at once.
    pub applied: Vec<&'static str>,
    /// Settings that changed but take effect only when the program is started again.
    pub needs_restart: Vec<&'static str>,
}

impl Changes {
    /// Do both files say the same?
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A setting's name and whether two configurations differ in it.
type Setting = (&'static str, fn(&Config, &Config) -> bool);

/// What a running switch cannot change: its sockets, its identity, its database.
const NEEDS_RESTART: [Setting; 21] = [
    ("switch.user", |old, new| old.switch.user != new.switch.user),
    ("switch.group", |old, new| old.switch.group != new.switch.group),
    ("domain", |old, new| old.domain != new.domain),
    ("sip.listen", |old, new| old.sip.listen != new.sip.listen),
    ("sip.session_expires", |old, new| old.sip.session_expires != new.sip.session_expires),
    ("sip.min_session_expires", |old, new| {
        old.sip.min_session_expires != new.sip.min_session_expires
    }),
    ("sip.digest", |old, new| old.sip.digest != new.sip.digest),
    ("sip.connections", |old, new| old.sip.connections != new.sip.connections),
    ("security.limits.sources", |old, new| {
        old.security.limits.sources != new.security.limits.sources
    }),
    ("media.address", |old, new| old.media.address != new.media.address),
    ("media.public_address", |old, new| old.media.public_address != new.media.public_address),
    ("media.ports", |old, new| old.media.ports != new.media.ports),
    ("media.shared_ports", |old, new| old.media.shared_ports != new.media.shared_ports),
    ("media.workers", |old, new| old.media.workers != new.media.workers),
    ("media.busy_limit", |old, new| old.media.busy_limit != new.media.busy_limit),
    ("media.timeout", |old, new| old.media.timeout != new.media.timeout),
    ("media.fast_path", |old, new| old.media.fast_path != new.media.fast_path),
    ("media.fast_path_pins", |old, new| old.media.fast_path_pins != new.media.fast_path_pins),
    ("media.port_steering", |old, new| old.media.steers_ports != new.media.steers_ports),
    ("state.path", |old, new| old.state != new.state),
    ("capture", |old, new| old.capture != new.capture),
];

/// The API's own; its listener is a socket like the others.
const API_NEEDS_RESTART: [Setting; 3] = [
    ("api.listen", |old, new| old.api.listen != new.api.listen),
    ("api.resume_window", |old, new| old.api.resume_window != new.api.resume_window),
    ("api.max_queued_messages", |old, new| {
        old.api.max_queued_messages != new.api.max_queued_messages
    }),
];

const APPLIED: [Setting; 28] = [
    ("sip.tls", |old, new| old.sip.tls != new.sip.tls),
    ("sip.websocket", |old, new| old.sip.origins != new.sip.origins),
    ("media.music", |old, new| old.media.music != new.media.music),
    ("media.sdes_without_tls", |old, new| old.media.sdes_without_tls != new.media.sdes_without_tls),
    ("media.transcode", |old, new| old.media.transcode != new.media.transcode),
    ("media.max_transcoded", |old, new| old.media.max_transcoded != new.media.max_transcoded),
    ("registration", |old, new| old.registration != new.registration),
    ("security", |old, new| without_size(&old.security) != without_size(&new.security)),
    ("subscriptions", |old, new| old.subscriptions != new.subscriptions),
    ("api.tokens", |old, new| old.api.tokens != new.api.tokens),
    ("api.audit_file", |old, new| old.api.audit_file != new.api.audit_file),
    ("call_records", |old, new| old.call_records != new.call_records),
    ("recording", |old, new| old.recording != new.recording),
    ("switch", |old, new| old.switch.drain_timeout != new.switch.drain_timeout),
    ("pickup_groups", |old, new| old.pickup_groups != new.pickup_groups),
    ("shared_lines", |old, new| old.shared_lines != new.shared_lines),
    ("park", |old, new| old.park != new.park),
    ("hunt_groups", |old, new| old.hunt_groups != new.hunt_groups),
    ("conference", |old, new| old.conference != new.conference),
    ("queues", |old, new| old.queues != new.queues),
    ("agent_groups", |old, new| old.agent_groups != new.agent_groups),
    ("agents", |old, new| old.agents != new.agents),
    ("call_centre", |old, new| old.call_centre != new.call_centre),
    ("completion", |old, new| old.completion != new.completion),
    ("feature_codes", |old, new| old.feature_codes != new.feature_codes),
    ("trunks", |old, new| old.trunks != new.trunks),
    ("location", |old, new| old.location != new.location),
    ("routes", |old, new| old.routes != new.routes),
];

/// What of `[security]` takes effect at once.
fn without_size(security: &Security) -> Security {
    let mut security = security.clone();
    security.limits.sources = 0;
    security
}

/// What is different in `new`.
pub fn diff(old: &Config, new: &Config) -> Changes {
    let differing = |settings: &[Setting]| -> Vec<&'static str> {
        let different = settings.iter().filter(|(_, differs)| differs(old, new));
        different.map(|(name, _)| *name).collect()
    };
    let mut needs_restart = differing(&NEEDS_RESTART);
    needs_restart.extend(differing(&API_NEEDS_RESTART));
    let mut changes = Changes {
        lines_added: missing(&new.lines, &old.lines),
        lines_removed: missing(&old.lines, &new.lines),
        lines_changed: Vec::new(),
        applied: differing(&APPLIED),
        needs_restart,
    };
    for (number, line) in &new.lines {
        if old.lines.get(number).is_some_and(|before| before != line) {
            changes.lines_changed.push(number.clone());
        }
    }
    changes
}

impl Config {
    /// What a running switch goes over to when this file is reloaded: the file, but with everything
    /// that needs a restart as it is in `running`.
    #[must_use]
    pub fn over(self, running: &Self) -> Self {
        let (tokens, audit_file) = (self.api.tokens, self.api.audit_file);
        Self {
            domain: running.domain.clone(),
            sip: self.sip.over(&running.sip),
            media: Media {
                music: self.media.music,
                sdes_without_tls: self.media.sdes_without_tls,
                transcode: self.media.transcode,
                max_transcoded: self.media.max_transcoded,
                ..running.media.clone()
            },
            security: self.security.over(&running.security),
            api: Api { tokens, audit_file, ..running.api.clone() },
            state: running.state.clone(),
            capture: running.capture.clone(),
            switch: Switch { drain_timeout: self.switch.drain_timeout, ..running.switch.clone() },
            ..self
        }
    }
}

impl Security {
    /// The size of the table of sources stays.
    #[must_use]
    pub fn over(mut self, running: &Self) -> Self {
        self.limits.sources = running.limits.sources;
        self
    }
}

impl Sip {
    /// Listeners and timers stay; certificates and origins are the file's. A file that has lost its
    /// certificates leaves those that listeners work with.
    #[must_use]
    pub fn over(self, running: &Self) -> Self {
        let tls = self.tls.or_else(|| running.tls.clone());
        Self { tls, origins: self.origins, ..running.clone() }
    }
}

/// The keys of `of` that are not in `other`.
fn missing<T>(of: &BTreeMap<String, T>, other: &BTreeMap<String, T>) -> Vec<String> {
    of.keys().filter(|key| !other.contains_key(*key)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    const OFFICE: &str = include_str!("../office.toml");

    fn changed(from: &str, to: &str) -> Changes {
        assert!(OFFICE.contains(from), "{from}");
        let old = parse(OFFICE, "old.toml").unwrap();
        let new = parse(&OFFICE.replacen(from, to, 1), "new.toml").unwrap();
        diff(&old, &new)
    }

    #[test]
    fn finds_nothing_in_another_layout_of_the_same() {
        assert!(changed("[lines.201]", "\n\n# moved\n[lines.201]").is_empty());
    }

    #[test]
    fn names_lines_that_came_went_and_changed() {
        let changes = changed(
            "[lines.206]\nname = \"Finn\"\npassword = \"pw-206\"",
            "[lines.206]\nname = \"Fiona\"\npassword = \"pw-206\"\n[lines.207]\npassword = \"x\"",
        );
        assert_eq!(changes.lines_added, ["207"]);
        assert_eq!(changes.lines_changed, ["206"]);
        assert!(changes.lines_removed.is_empty());
        let old = parse(OFFICE, "old.toml").unwrap();
        let mut new = old.clone();
        new.lines.remove("203");
        assert_eq!(diff(&old, &new).lines_removed, ["203"]);
    }

    #[test]
    fn a_line_default_changes_every_line_that_uses_it() {
        let changes = changed("max_calls = 4", "max_calls = 5");
        assert_eq!(changes.lines_changed, ["201", "202", "203", "204", "205", "206"]);
    }

    #[test]
    fn listeners_and_addresses_need_a_restart() {
        for (from, to, setting) in [
            ("tcp:127.0.0.1:5060", "tcp:127.0.0.1:5062", "sip.listen"),
            ("127.0.0.1:8080", "127.0.0.1:8081", "api.listen"),
            ("16384-32767", "16384-20000", "media.ports"),
            (":memory:", "state.db", "state.path"),
            ("office.test", "other.test", "domain"),
        ] {
            let changes = changed(from, to);
            assert_eq!(changes.needs_restart, [setting]);
            assert!(changes.applied.is_empty(), "{changes:?}");
        }
    }

    #[test]
    fn a_running_switch_keeps_what_needs_a_restart_and_takes_the_rest() {
        let old = parse(OFFICE, "old.toml").unwrap();
        let mut text = OFFICE.to_owned();
        for (from, to) in [
            ("office.test", "other.test"),
            ("tcp:127.0.0.1:5060", "tcp:127.0.0.1:5062"),
            ("16384-32767", "16384-20000"),
            ("[state]", "[capture]\nkept_kib = 7\n[switch]\nuser = \"other\"\n[state]"),
            ("127.0.0.1:8080", "127.0.0.1:8081"),
            (":memory:", "state.db"),
            ("crm-token", "crm-token-2"),
            ("Finn", "Fiona"),
        ] {
            text = text.replacen(from, to, 1);
        }
        let applied = parse(&text, "new.toml").unwrap().over(&old);
        let changes = diff(&old, &applied);
        assert_eq!(changes.needs_restart, Vec::<&str>::new());
        assert_eq!(changes.applied, ["api.tokens"]);
        assert_eq!(changes.lines_changed, ["206"]);
    }

    #[test]
    fn what_of_media_applies_at_once_is_taken_over_and_is_no_news_the_next_time() {
        let old = parse(OFFICE, "old.toml").unwrap();
        let wishes = "sdes_without_tls = true\ntranscode = [\"opus\"]\nmax_transcoded = 7\n";
        let text = OFFICE.replace("[media]\n", &format!("[media]\n{wishes}busy_limit = 51\n"));
        let file = parse(&text, "new.toml").unwrap();
        let running = file.clone().over(&old);
        let media = ["media.sdes_without_tls", "media.transcode", "media.max_transcoded"];
        assert_eq!(diff(&old, &running).applied, media);
        assert_eq!(running.media.max_transcoded, 7);
        let again = diff(&running, &file);
        assert!(again.applied.is_empty(), "{again:?}");
        assert_eq!(again.needs_restart, ["media.busy_limit"]);
    }

    #[test]
    fn tokens_routes_and_features_apply_at_once() {
        for (from, to, section) in [
            ("crm-token", "crm-token-2", "api.tokens"),
            ("{3,}", "{4,}", "routes"),
            ("carrier-pw", "carrier-pw-2", "trunks"),
            ("*43", "*44", "feature_codes"),
            ("keep_failed_call = \"20s\"", "keep_failed_call = \"30s\"", "completion"),
        ] {
            let changes = changed(from, to);
            assert_eq!(changes.applied, [section]);
            assert!(changes.needs_restart.is_empty(), "{changes:?}");
        }
    }
}
