//! The matrix of modes, callers and occasions; what can be set; what the feature codes change.

use super::*;

const INSIDE: CallerFacts<'_> = CallerFacts { number: "202", is_internal: true };
const OUTSIDE: CallerFacts<'_> = CallerFacts { number: "0612", is_internal: false };

fn office() -> Config {
    config::parse(include_str!("../../../../config/office.toml"), "office.toml").unwrap()
}

fn entry(mode: ForwardMode, caller: &str, destination: &str) -> ForwardEntry {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    ForwardEntry { mode, caller: some(caller), destination: some(destination) }
}

fn list(entries: &[(ForwardMode, &str, &str)]) -> Forwarding {
    let entries = entries.iter().map(|(mode, caller, to)| entry(*mode, caller, to)).collect();
    Forwarding { entries, rings: None }
}

fn goes(forwarding: &Forwarding, occasion: Occasion, caller: CallerFacts<'_>) -> String {
    match forwarding.decide(occasion, caller) {
        Decision::None => "rings".to_owned(),
        Decision::Refuse => "refused".to_owned(),
        Decision::Forward { destination, .. } => destination,
    }
}

#[test]
fn every_mode_applies_to_its_callers_on_its_occasions_and_to_no_others() {
    use ForwardMode as M;
    const OCCASIONS: [Occasion; 4] =
        [Occasion::Always, Occasion::Busy, Occasion::NoAnswer, Occasion::Unreachable];
    // Occasions on which it applies; inside caller, outside caller.
    let rows = [
        (M::Uncond, "1000", true, true),
        (M::UncondInternal, "1000", true, false),
        (M::UncondExternal, "1000", false, true),
        (M::UncondSpecific, "1000", true, false),
        (M::Busy, "0100", true, true),
        (M::BusyInternal, "0100", true, false),
        (M::BusyExternal, "0100", false, true),
        (M::BusySpecific, "0100", true, false),
        (M::NoAnsw, "0011", true, true),
        (M::NoAnswInternal, "0011", true, false),
        (M::NoAnswExternal, "0011", false, true),
        (M::NoAnswSpecific, "0011", true, false),
        (M::BusyNa, "0111", true, true),
        (M::BusyNaInternal, "0111", true, false),
        (M::BusyNaExternal, "0111", false, true),
        (M::BusyNaSpecific, "0111", true, false),
    ];
    for (mode, occasions, inside, outside) in rows {
        let set = list(&[(mode, "202", "206")]);
        for (occasion, applies) in OCCASIONS.into_iter().zip(occasions.chars()) {
            for (caller, fits) in [(INSIDE, inside), (OUTSIDE, outside)] {
                let expected = if applies == '1' && fits { "206" } else { "rings" };
                let found = goes(&set, occasion, caller);
                assert_eq!(found, expected, "{mode:?} {occasion:?} {}", caller.number);
            }
        }
    }
}

#[test]
fn the_reason_says_which_family_forwarded() {
    use ForwardMode as M;
    let set = list(&[(M::Uncond, "", "203"), (M::Busy, "", "204"), (M::NoAnsw, "", "205")]);
    let rows = [
        (Occasion::Always, CallReason::FwdUncond),
        (Occasion::Busy, CallReason::FwdBusy),
        (Occasion::NoAnswer, CallReason::FwdNoAnswer),
        (Occasion::Unreachable, CallReason::FwdNoAnswer),
    ];
    for (occasion, expected) in rows {
        match set.decide(occasion, INSIDE) {
            Decision::Forward { reason, .. } => assert_eq!(reason, expected),
            other => panic!("{occasion:?} {other:?}"),
        }
    }
}

#[test]
fn the_specific_caller_goes_before_inside_and_outside_and_those_before_all() {
    use ForwardMode as M;
    let set = list(&[
        (M::BusyNa, "", "206"),
        (M::Busy, "", "205"),
        (M::BusyInternal, "", "204"),
        (M::BusySpecific, "202", "203"),
    ]);
    assert_eq!(goes(&set, Occasion::Busy, INSIDE), "203");
    let other = CallerFacts { number: "201", is_internal: true };
    assert_eq!(goes(&set, Occasion::Busy, other), "204");
    assert_eq!(goes(&set, Occasion::Busy, OUTSIDE), "205", "BUSY before BUSYNA");
    assert_eq!(goes(&set, Occasion::NoAnswer, OUTSIDE), "206");
}

#[test]
fn do_not_disturb_goes_before_forwarding_and_lets_forwarding_on_busy_apply() {
    use ForwardMode as M;
    let set = list(&[(M::Uncond, "", "206"), (M::Uncond, "", "")]);
    assert_eq!(goes(&set, Occasion::Always, INSIDE), "refused");
    let set = list(&[(M::Uncond, "", ""), (M::BusyExternal, "", "206")]);
    assert_eq!(goes(&set, Occasion::Always, INSIDE), "refused");
    assert_eq!(goes(&set, Occasion::Always, OUTSIDE), "206");
    let set = list(&[(M::UncondSpecific, "202", "")]);
    assert_eq!(goes(&set, Occasion::Always, INSIDE), "refused");
    assert_eq!(goes(&set, Occasion::Always, OUTSIDE), "rings");
    assert!(!set.is_do_not_disturb(), "for one caller only");
}

#[test]
fn the_ring_count_counts_ring_cycles_where_a_no_answer_entry_fits() {
    use ForwardMode as M;
    let cycle = Duration::from_secs(5);
    let set = Forwarding { rings: Some(3), ..list(&[(M::NoAnswExternal, "", "206")]) };
    assert_eq!(set.ring_time(OUTSIDE, cycle), Some(Duration::from_secs(15)));
    assert_eq!(set.ring_time(INSIDE, cycle), None);
    let set = list(&[(M::NoAnsw, "", "206")]);
    assert_eq!(set.ring_time(INSIDE, cycle), None, "the line's own time");
}

#[test]
fn what_cannot_be_set_is_refused_with_the_documented_error() {
    use ForwardMode as M;
    let config = office();
    let rows = [
        (entry(M::Uncond, "", "201"), LineErr::InvalAddress),
        (entry(M::Uncond, "", "299"), LineErr::InvalAddress),
        (entry(M::Uncond, "", "700"), LineErr::InvalAddress),
        (entry(M::Uncond, "", "*43"), LineErr::InvalAddress),
        (entry(M::Unknown, "", "206"), LineErr::InvalParam),
        (entry(M::Unavail, "", "206"), LineErr::InvalParam),
        (entry(M::BusySpecific, "", "206"), LineErr::InvalParam),
    ];
    for (wrong, error) in rows {
        let set = Forwarding { entries: vec![wrong.clone()], rings: None };
        assert_eq!(set.checked(&config, "201"), Err(error), "{wrong:?}");
    }
    let twice = vec![entry(M::Uncond, "", "206"), entry(M::Uncond, "", "202")];
    let twice = Forwarding { entries: twice, rings: None };
    assert_eq!(twice.checked(&config, "201"), Err(LineErr::InvalParam));
    let beside = vec![entry(M::Uncond, "", "206"), entry(M::Uncond, "", "")];
    let beside = Forwarding { entries: beside, rings: None };
    assert!(beside.checked(&config, "201").is_ok(), "do not disturb beside a destination");
    let many = vec![entry(M::Uncond, "", "206"); MAX_ENTRIES + 1];
    let many = Forwarding { entries: many, rings: None };
    assert_eq!(many.checked(&config, "201"), Err(LineErr::InvalParam));
}

#[test]
fn lines_groups_and_outside_numbers_can_be_forwarded_to() {
    let config = office();
    for number in ["206", "260", "0612345678"] {
        assert_eq!(check_destination(&config, "201", number), Ok(()), "{number}");
    }
}

#[test]
fn a_list_is_kept_without_what_its_modes_do_not_use() {
    let config = office();
    let given = Forwarding {
        entries: vec![
            ForwardEntry {
                mode: ForwardMode::Busy,
                caller: Some("202".to_owned()),
                destination: Some("206".to_owned()),
            },
            ForwardEntry {
                mode: ForwardMode::Uncond,
                caller: None,
                destination: Some(String::new()),
            },
        ],
        rings: Some(1000),
    };
    let kept = given.checked(&config, "201").unwrap();
    assert_eq!(kept.entries[0], entry(ForwardMode::Busy, "", "206"));
    assert!(kept.is_do_not_disturb());
    assert_eq!(kept.rings, Some(MAX_RINGS));
}

#[test]
fn a_code_changes_its_own_family_and_leaves_the_others() {
    use ForwardMode as M;
    let before =
        list(&[(M::BusyNaExternal, "", "205"), (M::Uncond, "", ""), (M::Uncond, "", "204")]);
    let set = before.with(Family::Busy, Some("206"));
    let expected = list(&[
        (M::NoAnswExternal, "", "205"),
        (M::Uncond, "", ""),
        (M::Uncond, "", "204"),
        (M::Busy, "", "206"),
    ]);
    assert_eq!(set, expected);
    let cancelled = set.with(Family::Unconditional, None).with(Family::Busy, None);
    assert_eq!(cancelled, list(&[(M::NoAnswExternal, "", "205"), (M::Uncond, "", "")]));
    assert!(cancelled.is_do_not_disturb());
    assert_eq!(cancelled.with_do_not_disturb(false), list(&[(M::NoAnswExternal, "", "205")]));
    assert_eq!(cancelled.with_do_not_disturb(true), cancelled);
}
