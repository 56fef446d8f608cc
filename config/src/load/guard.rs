//! Reader of `[security]`.

use std::time::Duration;

use super::Section;
use crate::model::guard::{BanRules, Network, Outside, RateLimits, Security};

/// Most networks and numbers in a list.
const MAX_LIST: usize = 1000;
const SECOND: Duration = Duration::from_secs(1);

pub(super) fn security(root: &Section<'_>) -> Security {
    let mut security = Security::default();
    let Some(section) = root.table("security") else { return security };
    if let Some(texts) = section.strings("exempt", "a list such as [\"192.0.2.0/24\"]") {
        let mut exempt = Vec::new();
        for text in texts.iter().take(MAX_LIST) {
            match Network::parse(&text.value) {
                Some(network) => exempt.push(network),
                None => {
                    let found = format!("\"{}\" is no network", text.value);
                    let expected = "an address or a network such as \"192.0.2.0/24\"";
                    section.context.fault(&text.span, found, expected);
                }
            }
        }
        security.exempt = exempt;
    }
    if let Some(numbers) = section.strings("emergency", "a list such as [\"112\"]") {
        let numbers = numbers.into_iter().take(MAX_LIST);
        let numbers = numbers.filter(|number| section.is_number(number));
        security.emergency = numbers.map(|number| number.value).collect();
    }
    if let Some(names) = section.strings("scanners", "a list such as [\"friendly-scanner\"]") {
        for name in names.iter().filter(|name| !is_telling(&name.value)) {
            let found = format!("\"{}\" is no name to tell a scanner by", name.value);
            section.context.fault(&name.span, found, "four to 64 printable characters");
        }
        let names = names.into_iter().take(MAX_LIST);
        security.scanners = names.map(|name| name.value.to_ascii_lowercase()).collect();
    }
    if let Some(section) = section.table("limits") {
        security.limits = limits(&section, security.limits);
        section.finish();
    }
    if let Some(section) = section.table("bans") {
        security.bans = bans(&section, security.bans);
        section.finish();
    }
    section.finish();
    security
}

/// Whether a name is such that it is not part of many others.
fn is_telling(name: &str) -> bool {
    (4..=64).contains(&name.len()) && name.bytes().all(|octet| matches!(octet, b' '..=b'~'))
}

/// What a line may spend.
pub(super) fn outside(section: &Section<'_>, default: &Outside) -> Outside {
    let barred = section.strings("barred", "a list of beginnings of numbers such as [\"00\"]");
    let barred = barred.map(|list| {
        let numbers = list.into_iter().take(MAX_LIST);
        let numbers = numbers.filter(|number| section.is_number(number));
        numbers.map(|number| number.value).collect()
    });
    let calls = section.integer("outside_calls", 0..=100_000);
    Outside {
        barred: barred.unwrap_or_else(|| default.barred.clone()),
        calls: calls.and_then(|most| usize::try_from(most).ok()).or(default.calls),
        calls_per_minute: section
            .integer("outside_calls_per_minute", 1..=100_000)
            .or(default.calls_per_minute),
    }
}

fn limits(section: &Section<'_>, default: RateLimits) -> RateLimits {
    let rate = |key, default| section.integer(key, 1..=1_000_000).unwrap_or(default);
    let sources = section.integer("sources", 100..=4_000_000);
    RateLimits {
        unauthenticated: rate("unauthenticated", default.unauthenticated),
        authenticated: rate("authenticated", default.authenticated),
        calls: rate("calls", default.calls),
        malformed: rate("malformed", default.malformed),
        connections: rate("connections", default.connections),
        sources: sources.and_then(|number| usize::try_from(number).ok()).unwrap_or(default.sources),
        overload_delay: section
            .duration("overload_delay", Duration::from_millis(1))
            .unwrap_or(default.overload_delay),
    }
}

fn bans(section: &Section<'_>, default: BanRules) -> BanRules {
    let failures = section.integer("failures", 1..=1000);
    let duration = section.duration("duration", SECOND).unwrap_or(default.duration);
    let longest = section.duration("longest", SECOND).unwrap_or(default.longest.max(duration));
    if longest < duration {
        let found = "security.bans.longest is shorter than security.bans.duration";
        section.fault("longest", found, "at least security.bans.duration");
    }
    BanRules {
        failures: failures
            .and_then(|number| usize::try_from(number).ok())
            .unwrap_or(default.failures),
        within: section.duration("within", SECOND).unwrap_or(default.within),
        duration,
        longest,
        alarm: section.integer("alarm", 1..=1_000_000).unwrap_or(default.alarm),
    }
}

#[cfg(test)]
mod tests {
    use crate::parse;

    const BASE: &str = "domain = \"x.test\"\n[lines.201]\npassword = \"pw\"\n";

    #[test]
    fn the_shipped_figures_hold_where_the_file_says_nothing() {
        let security = parse(BASE, "x").unwrap().security;
        assert_eq!(security.limits.unauthenticated, 20);
        assert_eq!((security.bans.failures, security.bans.duration.as_secs()), (15, 600));
        assert_eq!(security.exempt.len(), 2);
    }

    #[test]
    fn settings_are_read_and_leave_the_others_alone() {
        let text = format!(
            "{BASE}[security]\nexempt = [\"192.0.2.0/24\", \"2001:db8::/32\"]\nemergency = []\n\
             [security.limits]\nunauthenticated = 7\noverload_delay = \"5ms\"\n\
             [security.bans]\nduration = \"48h\"\n"
        );
        let security = parse(&text, "x").unwrap().security;
        assert_eq!(security.exempt[0].to_string(), "192.0.2.0/24");
        assert_eq!((security.limits.unauthenticated, security.limits.calls), (7, 5));
        assert!(security.emergency.is_empty());
        assert!(security.scanners.contains(&"friendly-scanner".to_owned()));
        let text = format!("{BASE}[security]\nscanners = [\"EvilScan\"]\n");
        assert_eq!(parse(&text, "x").unwrap().security.scanners, ["evilscan"]);
        assert_eq!(security.bans.longest.as_secs(), 48 * 3600);
    }

    #[test]
    fn a_line_may_spend_what_it_or_the_default_says() {
        let text = format!(
            "{BASE}[lines.202]\npassword = \"x\"\nbarred = []\noutside_calls = 2\n\
             [defaults.line]\nbarred = [\"00\", \"0900\"]\noutside_calls_per_minute = 5\n"
        );
        let lines = parse(&text, "x").unwrap().lines;
        assert_eq!(lines["201"].outside.barred, ["00", "0900"]);
        assert_eq!(lines["201"].outside.calls, None);
        assert!(lines["202"].outside.barred.is_empty());
        let own = &lines["202"].outside;
        assert_eq!((own.calls, own.calls_per_minute), (Some(2), Some(5)));
    }

    #[test]
    fn what_makes_no_sense_is_a_fault() {
        for (text, found) in [
            ("[security]\nexempt = [\"192.0.2.0/33\"]\n", "is no network"),
            ("[security]\nexempt = [\"localhost\"]\n", "is no network"),
            ("[security]\nscanners = [\"x\"]\n", "is no name"),
            ("[security.bans]\nalarm = 0\n", "security.bans.alarm is 0"),
            ("[security.limits]\ncalls = 0\n", "security.limits.calls is 0"),
            ("[security.bans]\nlongest = \"1m\"\n", "is shorter than"),
            ("[security.bans]\nfailure = 3\n", "unknown setting"),
        ] {
            let faults = parse(&format!("{BASE}{text}"), "x").unwrap_err();
            assert!(faults[0].to_string().contains(found), "{faults:?}");
        }
    }
}
