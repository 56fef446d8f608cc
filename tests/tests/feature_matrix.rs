//! The state matrix of tapi-call-control chapter 3 walked against the real exchange: where a feature bit
//! is lit the operation succeeds, or fails for a reason from outside; where it is clear it is refused
//! with the documented error, and nothing changes.
//!
//! `STROWGER_SITUATION="conference"` walks only the situations whose name contains that.

use std::collections::BTreeSet;

use tests::matrix::{Cells, NOT_ABOUT_CALLS, OPERATIONS, PAIRS, Phones, SITUATIONS, walk};

/// The least number of cells of each walk: nobody takes situations or operations away unnoticed.
const LEAST: usize = 4_000;
/// Failures that are printed.
const MOST_FAILURES: usize = 40;

fn walk_all(phones: Phones, is_in_service: bool) {
    let wanted = std::env::var("STROWGER_SITUATION").unwrap_or_default();
    let mut cells = Cells::default();
    for situation in SITUATIONS.iter().filter(|situation| situation.name.contains(&wanted)) {
        cells.join(walk(situation, phones, is_in_service));
    }
    let Cells { lit, refused, failures } = cells;
    println!("{phones:?}: {} cells, {lit} announced and {refused} not", lit + refused);
    let shown: Vec<&String> = failures.iter().take(MOST_FAILURES).collect();
    assert!(failures.is_empty(), "{} failures: {shown:#?}", failures.len());
    assert!(lit + refused >= LEAST || !wanted.is_empty(), "only {} cells", lit + refused);
}

#[test]
fn what_is_announced_works_and_what_is_not_is_refused_with_a_phone_that_obeys() {
    walk_all(Phones::Obedient, true);
}

#[test]
fn what_is_announced_works_and_what_is_not_is_refused_with_a_plain_phone() {
    walk_all(Phones::Plain, true);
}

#[test]
fn out_of_service_only_drop_remains() {
    walk_all(Phones::Obedient, false);
}

#[test]
fn every_function_that_is_offered_has_its_row() {
    let rows: BTreeSet<&str> = OPERATIONS
        .iter()
        .map(|operation| operation.function)
        .chain(PAIRS.iter().map(|pair| pair.function))
        .collect();
    for function in tapi::offered_functions() {
        let is_known = rows.contains(function) || NOT_ABOUT_CALLS.contains(&function);
        assert!(is_known, "{function} is offered and no row of the matrix asks for it");
    }
}
