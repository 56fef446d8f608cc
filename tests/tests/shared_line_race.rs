//! Races at a shared line: whoever takes its call, exactly one has it, the caller is never lost, and
//! every appearance shows the same. Source: tapi-call-control §7.2, §7.3; sip-mapping §3.17.

use std::time::Duration;

use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use sip_stack::time::{Entropy, Seeded};
use switch::exchange::AdminRequest;
use switch::phone::{HoldSpelling, PhoneEvent};
use tests::sim::{Application, Faults, PhoneIndex, World};

/// Runs of each race.
const RUNS: u64 = 100;
/// The actions are at most this far apart: more than a round trip.
const APART_MS: u64 = 14;
/// Whatever the race has begun is over by then.
const CALM: Duration = Duration::from_secs(50);

/// 206 has called 250; phones of all its members.
struct Cast {
    caller: PhoneIndex,
    /// 201, 204, 202.
    members: [PhoneIndex; 3],
    near: LegId,
    /// The call at each member while it rang.
    rang: [LegId; 3],
    application: Application,
    /// hLine of each member.
    lines: [u64; 3],
}

type Act = fn(&mut World, &Cast);

/// What has happened to the call before the race.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Ringing,
    Talking,
    Held,
}

fn stage(world: &mut World, before: Before) -> Cast {
    let caller = world.phone("206");
    let members = ["201", "204", "202"].map(|line| world.phone(line));
    let application = world.application("crm");
    let lines = ["201", "204", "202"].map(|line| world.open(application, line));
    let near = world.with_phone(caller, |phone, now| phone.call(now, "250")).unwrap();
    let rang = members.map(|member| world.incoming(member));
    world.settle();
    if before != Before::Ringing {
        world.with_phone(members[0], |phone, now| phone.answer(now, rang[0]));
        world.settle();
    }
    if before == Before::Held {
        world.with_phone(members[0], |phone, now| phone.hold(now, rang[0], HoldSpelling::SendOnly));
        world.settle();
    }
    Cast { caller, members, near, rang, application, lines }
}

fn office(seed: u64, allow_join: bool) -> World {
    World::office_with(seed, |config| {
        let shared = config.shared_lines.get_mut("250").unwrap();
        shared.members = ["201", "204", "202"].map(str::to_owned).to_vec();
        shared.allow_join = allow_join;
    })
}

fn race(before: Before, allow_join: bool, one: Act, other: Act, judge: Act) {
    for seed in 0..RUNS {
        let mut random = Seeded::new(seed ^ 0x5a1e);
        let jitter_ms = random.next_u64() % 8;
        let mut world = office(seed, allow_join);
        let cast = stage(&mut world, before);
        let duplicate_percent = seed % 2 * 10;
        world.set_faults(Faults { jitter_ms, duplicate_percent, ..Faults::default() });
        let (first, second) =
            if random.next_u64().is_multiple_of(2) { (one, other) } else { (other, one) };
        first(&mut world, &cast);
        world.run_for(Duration::from_millis(random.next_u64() % APART_MS));
        second(&mut world, &cast);
        world.run_for(CALM);
        agree(&mut world, &cast);
        judge(&mut world, &cast);
        for phone in cast.members.into_iter().chain([cast.caller]) {
            for leg in world.legs(phone) {
                world.with_phone(phone, |phone, now| phone.hang_up(now, leg));
            }
        }
        world.assert_at_rest();
        world.shutdown(cast.application);
        world.assert_forgotten();
    }
}

/// The rows of the shared line that are not over.
fn rows(world: &mut World) -> Vec<Value> {
    let rows = world.administrator(AdminRequest::Calls).unwrap();
    let is_alive = |row: &&Value| {
        let state = row["callState"].as_str().unwrap_or_default();
        row["addressId"] == 1
            && !matches!(state, "LINECALLSTATE_BUSY" | "LINECALLSTATE_DISCONNECTED")
    };
    rows.as_array().unwrap().iter().filter(is_alive).cloned().collect()
}

fn shown(row: &Value) -> String {
    let word = |name: &str| row[name].as_str().and_then(|text| text.rsplit('_').next());
    format!("{} {}", word("callState").unwrap_or_default(), word("mode").unwrap_or_default())
}

/// While the call lives, one member at least has a phone in it, all phones in it are those of
/// appearances that have it, and every member sees it once.
fn agree(world: &mut World, cast: &Cast) {
    let rows = rows(world);
    let ladder = |world: &World| format!("seed {}\n{}", world.seed(), world.ladder());
    let talking: usize = cast.members.iter().map(|phone| world.legs(*phone).len()).sum();
    let is_alive = !world.legs(cast.caller).is_empty();
    assert_eq!(talking > 0, is_alive, "{}", ladder(world));
    assert_eq!(rows.len(), if is_alive { 3 } else { 0 }, "{rows:?} {}", ladder(world));
    let mut lines: Vec<&str> = rows.iter().filter_map(|row| row["line"].as_str()).collect();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), rows.len(), "each member sees it once: {}", ladder(world));
}

/// Exactly one phone of the members has the call.
fn one_has_it(world: &mut World, cast: &Cast) {
    let having: Vec<(PhoneIndex, LegId)> = cast
        .members
        .iter()
        .flat_map(|phone| world.legs(*phone).into_iter().map(|leg| (*phone, leg)))
        .collect();
    let why = format!("{having:?} seed {}\n{}", world.seed(), world.ladder());
    let [(phone, leg)] = having[..] else { panic!("{why}") };
    let mut states: Vec<String> = rows(world).iter().map(shown).collect();
    states.sort();
    let is_held = states[0].starts_with("ONHOLD");
    if is_held {
        assert_eq!(states, ["ONHOLD ", "ONHOLD ", "ONHOLD "], "{why}");
    } else {
        assert_eq!(
            states,
            ["CONNECTED ACTIVE", "CONNECTED INACTIVE", "CONNECTED INACTIVE"],
            "{why}"
        );
        assert!(world.hears(phone, cast.caller, cast.near), "{why}");
        assert!(world.hears(cast.caller, phone, leg), "{why}");
    }
}

fn one_talks(world: &mut World, cast: &Cast) {
    one_has_it(world, cast);
    let states: Vec<String> = rows(world).iter().map(shown).collect();
    assert!(states.contains(&"CONNECTED ACTIVE".to_owned()), "{states:?} seed {}", world.seed());
}

fn nobody_has_it(world: &mut World, cast: &Cast) {
    assert!(world.legs(cast.caller).is_empty(), "seed {}\n{}", world.seed(), world.ladder());
}

fn answers(world: &mut World, cast: &Cast, member: usize) {
    world.with_phone(cast.members[member], |phone, now| phone.answer(now, cast.rang[member]));
}

fn takes(world: &mut World, cast: &Cast, member: usize) {
    world.with_phone(cast.members[member], |phone, now| phone.call(now, "*7"));
}

fn picks_up(world: &mut World, cast: &Cast, member: usize) {
    let wish = json!({"hLine": cast.lines[member], "addressId": 1});
    let _ = world.ask(cast.application, "linePickup", wish);
}

/// A function on the application's call of a member, whichever it is now.
fn ask(world: &mut World, cast: &Cast, method: &str, member: usize) {
    let handles = world.watch(cast.application).handles();
    let line = cast.lines[member];
    for (call, _) in handles.into_iter().rev() {
        let info = world.ask(cast.application, "lineGetCallInfo", json!({"hCall": call}));
        if info.is_ok_and(|info| info["hLine"] == json!(line)) {
            let _ = world.ask(cast.application, method, json!({"hCall": call}));
            return;
        }
    }
}

fn holder_resumes(world: &mut World, cast: &Cast) {
    world.with_phone(cast.members[0], |phone, now| phone.resume(now, cast.rang[0]));
}

fn holder_holds(world: &mut World, cast: &Cast) {
    world.with_phone(cast.members[0], |phone, now| {
        phone.hold(now, cast.rang[0], HoldSpelling::SendOnly)
    });
}

fn holder_hangs_up(world: &mut World, cast: &Cast) {
    world.with_phone(cast.members[0], |phone, now| phone.hang_up(now, cast.rang[0]));
}

fn caller_hangs_up(world: &mut World, cast: &Cast) {
    world.with_phone(cast.caller, |phone, now| phone.hang_up(now, cast.near));
}

#[test]
fn of_two_members_that_answer_one_has_the_call() {
    race(Before::Ringing, false, |w, c| answers(w, c, 0), |w, c| answers(w, c, 1), one_talks);
}

#[test]
fn of_a_phone_and_an_application_that_answer_one_has_the_call() {
    let told: Act = |world, cast| ask(world, cast, "lineAnswer", 1);
    race(Before::Ringing, false, |w, c| answers(w, c, 0), told, one_talks);
}

#[test]
fn an_answer_against_the_pickup_of_a_waiting_call_by_an_application_has_one_winner() {
    race(Before::Ringing, false, |w, c| answers(w, c, 0), |w, c| picks_up(w, c, 1), one_talks);
}

#[test]
fn a_member_that_answers_while_the_caller_gives_up_talks_to_nobody() {
    race(Before::Ringing, false, |w, c| answers(w, c, 0), caller_hangs_up, nobody_has_it);
}

#[test]
fn of_two_members_that_take_the_held_call_one_has_it() {
    race(Before::Held, false, |w, c| takes(w, c, 1), |w, c| takes(w, c, 2), one_talks);
}

#[test]
fn of_a_code_and_a_held_pickup_of_an_application_one_has_the_call() {
    race(Before::Held, false, |w, c| takes(w, c, 1), |w, c| picks_up(w, c, 2), one_talks);
}

#[test]
fn of_two_held_pickups_of_applications_one_has_the_call() {
    race(Before::Held, false, |w, c| picks_up(w, c, 1), |w, c| picks_up(w, c, 2), one_talks);
}

#[test]
fn of_line_unhold_at_two_members_one_has_the_call() {
    let one: Act = |world, cast| ask(world, cast, "lineUnhold", 1);
    let other: Act = |world, cast| ask(world, cast, "lineUnhold", 2);
    race(Before::Held, false, one, other, one_talks);
}

#[test]
fn the_holders_resumption_against_a_taker_has_one_winner() {
    race(Before::Held, false, holder_resumes, |w, c| takes(w, c, 1), one_talks);
}

#[test]
fn the_holders_resumption_against_an_application_has_one_winner() {
    race(Before::Held, false, holder_resumes, |w, c| picks_up(w, c, 1), one_talks);
}

#[test]
fn a_hold_that_crosses_its_taker_leaves_one_with_the_call() {
    race(Before::Talking, false, holder_holds, |w, c| takes(w, c, 1), one_has_it);
}

#[test]
fn the_caller_that_hangs_up_while_the_held_call_is_taken_ends_it_everywhere() {
    race(Before::Held, false, caller_hangs_up, |w, c| takes(w, c, 1), nobody_has_it);
    race(Before::Held, false, caller_hangs_up, |w, c| picks_up(w, c, 1), nobody_has_it);
}

#[test]
fn the_holder_that_hangs_up_against_a_taker_leaves_the_call_whole_or_ended() {
    let judge: Act = |world, cast| {
        if !world.legs(cast.caller).is_empty() {
            one_talks(world, cast);
        }
    };
    race(Before::Held, false, holder_hangs_up, |w, c| takes(w, c, 1), judge);
}

#[test]
fn two_members_that_join_at_once_are_both_in_the_call() {
    let judge: Act = |world, cast| {
        let legs: Vec<(PhoneIndex, LegId)> = cast
            .members
            .iter()
            .chain([&cast.caller])
            .flat_map(|phone| world.legs(*phone).into_iter().map(|leg| (*phone, leg)))
            .collect();
        assert_eq!(legs.len(), 4, "seed {}\n{}", world.seed(), world.ladder());
        for (speaker, leg) in &legs {
            for (listener, _) in legs.iter().filter(|(listener, _)| listener != speaker) {
                assert!(world.hears(*listener, *speaker, *leg), "seed {}", world.seed());
            }
        }
        let states: Vec<String> = rows(world).iter().map(shown).collect();
        assert_eq!(states, ["CONNECTED ACTIVE"; 3]);
    };
    race(
        Before::Talking,
        true,
        |w, c| {
            w.with_phone(c.members[1], |phone, now| phone.call_as(now, "250", "250"));
        },
        |w, c| {
            w.with_phone(c.members[2], |phone, now| phone.call_as(now, "250", "250"));
        },
        judge,
    );
}

#[test]
fn a_member_that_joins_while_the_first_one_leaves_finds_the_call_or_its_end() {
    let joins: Act = |world, cast| {
        world.with_phone(cast.members[1], |phone, now| phone.call_as(now, "250", "250"));
    };
    let judge: Act = |world, cast| {
        if !world.legs(cast.caller).is_empty() {
            one_talks(world, cast);
        }
    };
    race(Before::Talking, true, joins, holder_hangs_up, judge);
}

#[test]
fn line_answer_joins_against_the_callers_hang_up_and_leaves_nothing() {
    let joins: Act = |world, cast| ask(world, cast, "lineAnswer", 1);
    race(Before::Talking, true, joins, caller_hangs_up, nobody_has_it);
}

#[test]
fn a_loser_is_refused_with_404_and_never_left_alone() {
    let mut world = office(900, false);
    let cast = stage(&mut world, Before::Held);
    takes(&mut world, &cast, 1);
    takes(&mut world, &cast, 2);
    world.expect(cast.members[2], "the loser is told", |event| {
        matches!(event, PhoneEvent::Failed { status: 404, .. })
    });
    world.run_for(CALM);
    one_talks(&mut world, &cast);
    caller_hangs_up(&mut world, &cast);
    world.assert_at_rest();
}
