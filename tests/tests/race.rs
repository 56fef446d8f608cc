//! Races: two things that cross, in every order and at every distance that the network allows.
//!
//! Each race is run hundreds of times, with the distance and the jitter taken from the seed. There
//! is exactly one outcome, everybody agrees on it, and nothing is left. Source: sip-mapping §3.17;
//! RFC 5407.

use std::time::Duration;

use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use sip_stack::time::{Entropy, Seeded};
use switch::exchange::AdminRequest;
use switch::phone::{Behaviour, HoldSpelling, PhoneCore};
use tests::sim::{Application, Faults, PhoneIndex, World};

/// Runs of each race.
const RUNS: u64 = 200;
/// The actions are at most this far apart: more than a round trip.
const APART_MS: u64 = 14;
/// Whatever the race has begun is over by then.
const CALM: Duration = Duration::from_secs(50);

/// A call from 201 to 202 and everybody who may act on it.
struct Cast {
    caller: PhoneIndex,
    called: PhoneIndex,
    twin: PhoneIndex,
    /// The call at the caller's, the called and the second called phone.
    near: LegId,
    far: LegId,
    twin_far: LegId,
    application: Application,
    /// The calls of 201 and 202 as the application knows them.
    outgoing: u64,
    incoming: u64,
}

type Act = fn(&mut World, &Cast);

/// Lets the call ring, or be answered, and both actions happen; then there is calm and agreement.
fn race(is_answered: bool, one: Act, other: Act, judge: Act) {
    for seed in 0..RUNS {
        let mut random = Seeded::new(seed ^ 0x7ace);
        let jitter_ms = random.next_u64() % 8;
        let mut world = World::with_faults(seed, Faults::default());
        let cast = stage(&mut world, is_answered);
        world.set_faults(Faults {
            jitter_ms,
            duplicate_percent: seed % 2 * 10,
            ..Faults::default()
        });
        let (first, second) =
            if random.next_u64().is_multiple_of(2) { (one, other) } else { (other, one) };
        first(&mut world, &cast);
        world.run_for(Duration::from_millis(random.next_u64() % APART_MS));
        second(&mut world, &cast);
        world.run_for(CALM);
        world.assert_agreement(true);
        judge(&mut world, &cast);
        end(&mut world, &cast);
    }
}

fn stage(world: &mut World, is_answered: bool) -> Cast {
    let caller = world.phone("201");
    let called = world.phone("202");
    let twin = world.phone("202");
    let application = world.application("crm");
    world.open(application, "201");
    world.open(application, "202");
    let near = world.with_phone(caller, |phone, now| phone.call(now, "202")).unwrap();
    let (far, twin_far) = (world.incoming(called), world.incoming(twin));
    world.settle();
    let calls = world.watch(application).handles();
    let [(outgoing, _), (incoming, _)] = calls[..] else { panic!("two calls: {calls:?}") };
    if is_answered {
        world.with_phone(called, |phone, now| phone.answer(now, far));
        world.settle();
    }
    let legs = (near, far, twin_far);
    let (near, far, twin_far) = legs;
    Cast { caller, called, twin, near, far, twin_far, application, outgoing, incoming }
}

fn end(world: &mut World, cast: &Cast) {
    for phone in [cast.caller, cast.called, cast.twin] {
        for leg in world.legs(phone) {
            world.with_phone(phone, |phone, now| phone.hang_up(now, leg));
        }
    }
    world.assert_at_rest();
    world.shutdown(cast.application);
    world.assert_forgotten();
}

fn at_caller(
    world: &mut World,
    cast: &Cast,
    act: impl FnOnce(&mut PhoneCore, sip_stack::time::Now, LegId),
) {
    world.with_phone(cast.caller, |phone, now| act(phone, now, cast.near));
}

fn at_called(
    world: &mut World,
    cast: &Cast,
    act: impl FnOnce(&mut PhoneCore, sip_stack::time::Now, LegId),
) {
    world.with_phone(cast.called, |phone, now| act(phone, now, cast.far));
}

fn caller_hangs_up(world: &mut World, cast: &Cast) {
    at_caller(world, cast, |phone, now, leg| phone.hang_up(now, leg));
}

fn called_hangs_up(world: &mut World, cast: &Cast) {
    at_called(world, cast, |phone, now, leg| phone.hang_up(now, leg));
}

fn called_answers(world: &mut World, cast: &Cast) {
    at_called(world, cast, |phone, now, leg| phone.answer(now, leg));
}

fn twin_answers(world: &mut World, cast: &Cast) {
    world.with_phone(cast.twin, |phone, now| phone.answer(now, cast.twin_far));
}

fn caller_holds(world: &mut World, cast: &Cast) {
    at_caller(world, cast, |phone, now, leg| {
        phone.hold(now, leg, HoldSpelling::SendOnly);
    });
}

fn called_holds(world: &mut World, cast: &Cast) {
    at_called(world, cast, |phone, now, leg| {
        phone.hold(now, leg, HoldSpelling::Inactive);
    });
}

/// The function may come too late; then it is refused.
fn ask(world: &mut World, cast: &Cast, method: &str, call: u64) {
    let _ = world.ask(cast.application, method, json!({"hCall": call}));
}

fn nobody_talks(world: &mut World, cast: &Cast) {
    assert_eq!(talks(world, cast), [0, 0, 0], "seed {}\n{}", world.seed(), world.ladder());
    assert_eq!(rows(world), Vec::<Value>::new(), "seed {}", world.seed());
}

fn caller_and_one_phone_talk(world: &mut World, cast: &Cast) {
    let [near, far, twin] = talks(world, cast);
    assert_eq!((near, far + twin), (1, 1), "seed {}\n{}", world.seed(), world.ladder());
}

fn talks(world: &World, cast: &Cast) -> [usize; 3] {
    [cast.caller, cast.called, cast.twin].map(|phone| world.legs(phone).len())
}

fn rows(world: &mut World) -> Vec<Value> {
    let rows = world.administrator(AdminRequest::Calls).unwrap();
    let is_alive = |row: &&Value| {
        let state = row["callState"].as_str().unwrap_or_default();
        !matches!(state, "LINECALLSTATE_BUSY" | "LINECALLSTATE_DISCONNECTED")
    };
    rows.as_array().unwrap().iter().filter(is_alive).cloned().collect()
}

fn states(world: &mut World) -> Vec<String> {
    let text = |row: &Value| row["callState"].as_str().unwrap_or_default().to_owned();
    rows(world).iter().map(text).collect()
}

#[test]
fn a_cancel_that_crosses_the_200_ends_the_call_everywhere() {
    race(false, caller_hangs_up, called_answers, nobody_talks);
}

#[test]
fn of_two_phones_that_answer_exactly_one_talks_to_the_caller() {
    race(false, called_answers, twin_answers, caller_and_one_phone_talk);
}

#[test]
fn an_answer_against_the_refusal_of_the_other_phone_wins() {
    let refuse: Act = |world, cast| {
        world.with_phone(cast.twin, |phone, now| phone.reject(now, cast.twin_far, 486));
    };
    race(false, called_answers, refuse, caller_and_one_phone_talk);
}

#[test]
fn a_drop_by_the_application_against_the_phones_bye_ends_the_call_once() {
    race(true, |w, c| ask(w, c, "lineDrop", c.outgoing), caller_hangs_up, nobody_talks);
}

#[test]
fn a_drop_by_the_application_against_the_far_bye_ends_the_call_once() {
    race(true, |w, c| ask(w, c, "lineDrop", c.outgoing), called_hangs_up, nobody_talks);
}

#[test]
fn drops_of_both_lines_end_the_call_once() {
    let outgoing: Act = |world, cast| ask(world, cast, "lineDrop", cast.outgoing);
    race(true, outgoing, |w, c| ask(w, c, "lineDrop", c.incoming), nobody_talks);
}

#[test]
fn a_drop_of_the_ringing_call_against_its_answer_ends_it() {
    let judge: Act = |world, cast| {
        // Whoever came first: the drop took the offered call or the established one.
        assert_eq!(talks(world, cast), [0, 0, 0], "seed {}", world.seed());
    };
    race(false, |w, c| ask(w, c, "lineDrop", c.incoming), called_answers, judge);
}

#[test]
fn line_answer_against_the_callers_cancel_leaves_nobody_talking() {
    race(false, |w, c| ask(w, c, "lineAnswer", c.incoming), caller_hangs_up, nobody_talks);
}

#[test]
fn line_answer_against_the_handset_of_the_other_phone_connects_one() {
    race(
        false,
        |w, c| ask(w, c, "lineAnswer", c.incoming),
        twin_answers,
        caller_and_one_phone_talk,
    );
}

#[test]
fn line_hold_against_the_phones_own_hold_is_one_hold() {
    let judge: Act = |world, _| {
        let mut states = states(world);
        states.sort();
        assert_eq!(states, ["LINECALLSTATE_CONNECTED", "LINECALLSTATE_ONHOLD"]);
    };
    race(true, |w, c| ask(w, c, "lineHold", c.outgoing), caller_holds, judge);
}

#[test]
fn line_hold_against_a_hold_of_the_far_phone_holds_both_ends() {
    let judge: Act = |world, _| {
        assert_eq!(states(world), ["LINECALLSTATE_ONHOLD", "LINECALLSTATE_ONHOLD"]);
    };
    race(true, |w, c| ask(w, c, "lineHold", c.outgoing), called_holds, judge);
}

#[test]
fn re_invites_of_both_sides_both_take_effect() {
    let judge: Act = |world, _| {
        assert_eq!(states(world), ["LINECALLSTATE_ONHOLD", "LINECALLSTATE_ONHOLD"]);
    };
    race(true, caller_holds, called_holds, judge);
}

#[test]
fn line_unhold_against_the_phones_hold_agrees_on_something() {
    let hold_and_unhold: Act = |world, cast| {
        ask(world, cast, "lineHold", cast.outgoing);
        ask(world, cast, "lineUnhold", cast.outgoing);
    };
    race(true, hold_and_unhold, caller_holds, |_, _| {});
}

#[test]
fn a_bye_that_crosses_a_bye_is_answered_and_ends_the_call() {
    race(true, caller_hangs_up, called_hangs_up, nobody_talks);
}

#[test]
fn a_bye_that_crosses_a_re_invite_of_the_same_side_ends_the_call() {
    race(true, caller_hangs_up, caller_holds, nobody_talks);
}

#[test]
fn a_bye_that_crosses_a_re_invite_of_the_far_side_ends_the_call() {
    race(true, caller_hangs_up, called_holds, nobody_talks);
}

#[test]
fn the_callers_bye_against_line_hold_ends_the_call_and_answers_the_request() {
    race(true, |w, c| ask(w, c, "lineHold", c.outgoing), caller_hangs_up, nobody_talks);
}

#[test]
fn an_answer_at_the_end_of_the_ring_timeout_connects_or_fails_for_both() {
    for seed in 0..RUNS {
        let mut world =
            World::with_faults(seed, Faults { jitter_ms: seed % 8, ..Faults::default() });
        let cast = stage(&mut world, false);
        let offered = world.events.iter().find(|e| e["callState"] == "LINECALLSTATE_OFFERING");
        let since = offered.and_then(|event| event["time"].as_u64()).unwrap();
        let timeout = since + 20_000 - APART_MS / 2;
        let wait = timeout + seed % APART_MS - world.unix_ms();
        world.run_for(Duration::from_millis(wait));
        called_answers(&mut world, &cast);
        world.run_for(CALM);
        world.assert_agreement(false);
        let [near, far, twin] = talks(&world, &cast);
        assert_eq!((near, twin), (far, 0), "seed {seed}\n{}", world.ladder());
        end(&mut world, &cast);
    }
}

#[test]
fn the_own_phones_answer_against_the_applications_drop_leaves_nothing() {
    for seed in 0..RUNS {
        let mut world =
            World::with_faults(seed, Faults { jitter_ms: seed % 6, ..Faults::default() });
        let silent = Behaviour { auto_answers: false, ..Behaviour::default() };
        let own = world.unregistered_phone("201", silent);
        world.register(own);
        world.phone("202");
        let application = world.application("crm");
        let line = world.open(application, "201");
        let wish = json!({"hLine": line, "destAddress": "202"});
        world.ask(application, "lineMakeCall", wish).unwrap();
        let leg = world.incoming(own);
        let call = world.watch(application).handles()[0].0;
        let drop: fn(&mut World, Application, u64) = |world, application, call| {
            let _ = world.ask(application, "lineDrop", json!({"hCall": call}));
        };
        if seed % 2 == 0 {
            drop(&mut world, application, call);
        }
        world.with_phone(own, |phone, now| phone.answer(now, leg));
        world.run_for(Duration::from_millis(seed / 2 % APART_MS));
        if seed % 2 == 1 {
            drop(&mut world, application, call);
        }
        world.run_for(CALM);
        world.assert_agreement(false);
        assert_eq!(rows(&mut world), Vec::<Value>::new(), "seed {seed}");
        world.assert_at_rest();
    }
}

#[test]
fn a_call_to_a_phone_that_takes_its_registration_away_rings_or_fails() {
    for seed in 0..RUNS {
        let mut world =
            World::with_faults(seed, Faults { jitter_ms: seed % 8, ..Faults::default() });
        let (caller, called) = (world.phone("201"), world.phone("202"));
        if seed % 2 == 0 {
            world.with_phone(called, |phone, now| phone.register(now, Duration::ZERO));
            world.run_for(Duration::from_millis(seed / 2 % APART_MS));
        }
        world.with_phone(caller, |phone, now| phone.call(now, "202"));
        if seed % 2 == 1 {
            world.run_for(Duration::from_millis(seed / 2 % APART_MS));
            world.with_phone(called, |phone, now| phone.register(now, Duration::ZERO));
        }
        world.run_for(Duration::from_secs(5));
        let is_ringing = world.legs(called).len() == 1;
        assert_eq!(world.legs(caller).len(), usize::from(is_ringing), "seed {seed}");
        world.run_for(CALM);
        world.assert_at_rest();
    }
}
