//! Reader of `[subscriptions]`.

use std::time::Duration;

use super::Section;
use crate::model::subscription::Subscriptions;

const SECOND: Duration = Duration::from_secs(1);

/// Most subscriptions that can be allowed.
const MAX: u32 = 1_000_000;

pub(super) fn subscriptions(root: &Section<'_>) -> Subscriptions {
    let mut set = Subscriptions::default();
    let Some(section) = root.table("subscriptions") else { return set };
    set.min_expires = section.seconds("min_expires", SECOND).unwrap_or(set.min_expires);
    set.max_expires = section
        .seconds("max_expires", SECOND)
        .unwrap_or_else(|| set.max_expires.max(set.min_expires));
    set.default_expires = section
        .seconds("default_expires", SECOND)
        .unwrap_or_else(|| set.default_expires.max(set.min_expires).min(set.max_expires));
    if set.max_expires < set.min_expires {
        let found = "subscriptions.max_expires is shorter than subscriptions.min_expires";
        section.fault("max_expires", found, "at least subscriptions.min_expires");
    } else if !(set.min_expires..=set.max_expires).contains(&set.default_expires) {
        let found = "subscriptions.default_expires is not between min_expires and max_expires";
        section.fault("default_expires", found, "a duration from min_expires to max_expires");
    }
    let limit = |key, default: usize| {
        let number = section.integer(key, 1..=MAX);
        number.and_then(|number| usize::try_from(number).ok()).unwrap_or(default)
    };
    set.max_per_line = limit("max_per_line", set.max_per_line);
    set.max = limit("max", set.max);
    set.callers_confirmed = section.boolean("callers_confirmed").unwrap_or(set.callers_confirmed);
    section.finish();
    set
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::{Watchers, parse};

    const BASE: &str = "domain = \"x.test\"\n[lines.201]\npassword = \"pw\"\n";

    fn fault(text: &str) -> String {
        let faults = parse(&format!("{BASE}{text}"), "x").unwrap_err();
        assert_eq!(faults.len(), 1, "{faults:?}");
        faults[0].to_string()
    }

    #[test]
    fn what_the_file_leaves_out_follows_what_it_says() {
        let text = format!("{BASE}[subscriptions]\nmax_expires = \"20s\"\nmax_per_line = 3\n");
        let set = parse(&text, "x").unwrap().subscriptions;
        assert_eq!(set.default_expires, Duration::from_secs(20));
        assert_eq!((set.max_per_line, set.max, set.callers_confirmed), (3, 20_000, true));
        let text = format!("{BASE}[subscriptions]\nmin_expires = \"2h\"\n");
        let set = parse(&text, "x").unwrap().subscriptions;
        assert_eq!((set.default_expires, set.max_expires), (set.min_expires, set.min_expires));
    }

    #[test]
    fn bounds_that_contradict_each_other_are_faults() {
        let text = "[subscriptions]\nmin_expires = \"60s\"\nmax_expires = \"30s\"\n";
        assert!(fault(text).contains("max_expires is shorter than subscriptions.min_expires"));
        let text = "[subscriptions]\ndefault_expires = \"2s\"\n";
        assert!(fault(text).contains("default_expires is not between"));
        assert!(fault("[subscriptions]\nmax = 0\n").contains("subscriptions.max"));
    }

    #[test]
    fn a_line_is_watched_by_whom_it_or_the_default_says() {
        let text = "[lines.202]\npassword = \"x\"\nwatchers = \"nobody\"\n\
                    [defaults.line]\nwatchers = \"pickup-group\"\n";
        let lines = parse(&format!("{BASE}{text}"), "x").unwrap().lines;
        assert_eq!(lines["201"].watchers, Watchers::PickupGroup);
        assert_eq!(lines["202"].watchers, Watchers::Nobody);
        let text = "[lines.202]\npassword = \"x\"\nwatchers = \"noone\"\n";
        assert!(fault(text).contains("\"noone\" is not known here"));
    }
}
