//! Races of features: pickup, park and recall, transfer, glare. Exactly one wins, the others get
//! the field's answer, nobody's call is lost.
//!
//! Each race is run a thousand times with distance, jitter, duplication and the order of the actions
//! taken from the seed; `STROWGER_RACES=20000` runs more, `STROWGER_SEED=4711` a single one. After
//! each run every party is in exactly the calls that it believes to be in, and once they are over
//! nothing is left. Source: sip-mapping §3.4, §3.6, §3.7, §3.17; RFC 3261 §14.1; RFC 3515; RFC 5407.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use sip_stack::sdp::Codec;
use sip_stack::time::{Entropy, Seeded};
use switch::exchange::{AdminRequest, CallAction};
use switch::phone::{Behaviour, HoldSpelling, PhoneEvent};
use tests::sim::{Faults, PhoneIndex, World};

/// Runs of each race.
const RUNS: u64 = 250;
/// The actions are at most this far apart: more than a round trip.
const APART_MS: u64 = 24;
/// A phone that answers has been ringing for so long.
const RINGS: Duration = Duration::from_secs(2);
/// Whatever the race has begun is over by then.
const CALM: Duration = Duration::from_secs(50);
/// `timeout` of the lot in the office.
const RECALL_MS: u64 = 90_000;
/// `idle_guard` of the office: a line has been free for so long when its caller is rung.
const GUARD_MS: u64 = 3_000;
/// Rounds of hanging up until everything must have ended.
const ROUNDS: usize = 12;

/// One run of a race.
struct Run {
    world: World,
    random: Seeded,
    answering: Vec<PhoneIndex>,
}

type Act<'a> = Box<dyn FnOnce(&mut World) + 'a>;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Runs a race with every seed; a failed run names its seed.
fn race(run: fn(&mut Run)) {
    let seeds = match number("STROWGER_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("STROWGER_RACES").unwrap_or(RUNS),
    };
    for seed in seeds {
        let result = catch_unwind(AssertUnwindSafe(|| {
            let random = Seeded::new(seed.wrapping_mul(0x9e37) ^ 0xfea7);
            let mut race = Run { world: World::office(seed), random, answering: Vec::new() };
            run(&mut race);
            race.end();
        }));
        assert!(result.is_ok(), "the race failed with STROWGER_SEED={seed}");
    }
}

impl Run {
    fn below(&mut self, limit: u64) -> u64 {
        self.random.next_u64() % limit
    }

    fn phone(&mut self, line: &str) -> PhoneIndex {
        self.world.phone(line)
    }

    /// A phone that answers what the race has made ring there.
    fn answering(&mut self, line: &str) -> PhoneIndex {
        let phone = self.phone(line);
        self.answering.push(phone);
        phone
    }

    /// The caller's call to a number that rings at a phone: both ends.
    fn ringing(&mut self, caller: PhoneIndex, called: PhoneIndex) -> (LegId, LegId) {
        let number = self.world.number(called).to_owned();
        let near = self.world.with_phone(caller, |phone, now| phone.call(now, &number)).unwrap();
        let far = self.world.incoming(called);
        self.world.settle();
        (near, far)
    }

    /// From here on the network delays and duplicates.
    fn disturb(&mut self) {
        let (jitter_ms, duplicate_percent) = (self.below(8), self.below(2) * 10);
        self.world.set_faults(Faults { jitter_ms, duplicate_percent, ..Faults::default() });
    }

    /// Does all of this in an order and at distances of the seed; then there is calm.
    fn cross(&mut self, mut acts: Vec<Act<'_>>) {
        self.disturb();
        while !acts.is_empty() {
            let index = self.below(acts.len() as u64) as usize;
            acts.swap_remove(index)(&mut self.world);
            let apart = self.below(APART_MS);
            self.world.run_for(Duration::from_millis(apart));
        }
        self.answer_what_rings();
        self.world.run_for(CALM);
    }

    /// Time passes until those who answer have been ringing for a while; they answer.
    fn answer_what_rings(&mut self) {
        self.world.run_for(RINGS);
        for phone in self.answering.clone() {
            let is_ringing =
                |world: &World, leg| world.leg(phone, leg).is_some_and(|view| !view.is_confirmed);
            for leg in self.world.legs(phone) {
                if is_ringing(&self.world, leg) {
                    answer(phone, leg)(&mut self.world);
                }
            }
        }
    }

    fn talks(&self, phone: PhoneIndex) -> usize {
        self.world.legs(phone).len()
    }

    fn demand(&self, is_so: bool, what: &str) {
        self.world.demand(if is_so { Ok(()) } else { Err(what.to_owned()) });
    }

    fn rows(&mut self, request: AdminRequest) -> Vec<Value> {
        self.world.administrator(request).unwrap().as_array().cloned().unwrap()
    }

    /// A caller is parked in slot 701 by 205.
    fn parked(&mut self) -> (PhoneIndex, PhoneIndex) {
        let (parker, caller) = (self.phone("205"), self.phone("206"));
        let (_, leg) = self.ringing(caller, parker);
        self.world.with_phone(parker, |phone, now| phone.answer(now, leg));
        self.world.settle();
        self.world.with_phone(parker, |phone, now| phone.transfer(now, leg, "701"));
        self.world.settle();
        let rows = self.rows(AdminRequest::Park);
        self.demand(rows.len() == 1 && rows[0]["slot"] == "701", "the caller is parked");
        (parker, caller)
    }

    /// Everybody hangs up, again and again because parked calls come back; nothing is left.
    fn end(&mut self) {
        for _ in 0..ROUNDS {
            for phone in (0..self.world.phone_count()).map(PhoneIndex) {
                for leg in self.world.legs(phone) {
                    self.world.with_phone(phone, |phone, now| phone.hang_up(now, leg));
                }
            }
            self.world.run_for(CALM);
            if self.rows(AdminRequest::Calls).is_empty() {
                break;
            }
        }
        let parked = self.rows(AdminRequest::Park);
        self.demand(parked.is_empty(), "a slot stays taken");
        self.world.assert_at_rest();
    }
}

fn dial<'a>(phone: PhoneIndex, number: &'static str) -> Act<'a> {
    Box::new(move |world| {
        world.with_phone(phone, |phone, now| phone.call(now, number));
    })
}

fn answer<'a>(phone: PhoneIndex, leg: LegId) -> Act<'a> {
    Box::new(move |world| world.with_phone(phone, |phone, now| phone.answer(now, leg)))
}

fn hang_up<'a>(phone: PhoneIndex, leg: LegId) -> Act<'a> {
    Box::new(move |world| world.with_phone(phone, |phone, now| phone.hang_up(now, leg)))
}

fn transfer<'a>(phone: PhoneIndex, leg: LegId, number: &'static str) -> Act<'a> {
    Box::new(move |world| world.with_phone(phone, |phone, now| phone.transfer(now, leg, number)))
}

fn join<'a>(phone: PhoneIndex, leg: LegId, other: LegId) -> Act<'a> {
    Box::new(move |world| {
        world.with_phone(phone, |phone, now| phone.transfer_attended(now, leg, other));
    })
}

fn hold<'a>(phone: PhoneIndex, leg: LegId) -> Act<'a> {
    Box::new(move |world| {
        world.with_phone(phone, |phone, now| phone.hold(now, leg, HoldSpelling::SendOnly));
    })
}

// --- Pickup

#[test]
fn of_all_who_pick_up_one_call_exactly_one_gets_it() {
    race(|run| {
        let (caller, called) = (run.phone("206"), run.phone("205"));
        let codes = [("201", "**205"), ("202", "*820"), ("203", "**205"), ("204", "*8")];
        let count = 2 + run.below(3) as usize;
        let pickers: Vec<_> =
            codes[..count].iter().map(|(line, code)| (run.phone(line), *code)).collect();
        let (_, far) = run.ringing(caller, called);
        let mut acts: Vec<Act<'_>> = pickers.iter().map(|(p, code)| dial(*p, code)).collect();
        let answers_itself = run.below(2) == 0;
        if answers_itself {
            acts.push(answer(called, far));
        }
        run.cross(acts);
        run.world.assert_agreement(false);
        let winners = pickers.iter().map(|(phone, _)| run.talks(*phone)).sum::<usize>();
        let others = winners + run.talks(called);
        run.demand(run.talks(caller) == 1 && others == 1, "one has the call");
        let (mut lost, phones) = (0, pickers.len());
        for (picker, _) in pickers {
            let failed = |event: &PhoneEvent| matches!(event, PhoneEvent::Failed { status, .. } if (400..500).contains(status));
            lost += usize::from(run.world.take(picker, failed).is_some());
        }
        run.demand(lost == phones - winners, "the others are refused with 4xx");
    });
}

#[test]
fn a_caller_that_hangs_up_while_it_is_picked_up_leaves_nobody_behind() {
    race(|run| {
        let (caller, called, picker) = (run.phone("201"), run.phone("202"), run.phone("203"));
        let (near, _) = run.ringing(caller, called);
        let code = if run.below(2) == 0 { "*8" } else { "**202" };
        run.cross(vec![dial(picker, code), hang_up(caller, near)]);
        let left = [caller, called, picker].map(|phone| run.talks(phone));
        run.demand(left == [0, 0, 0], "nobody is in a call");
    });
}

#[test]
fn a_key_that_replaces_the_ringing_call_against_its_answer_has_one_winner() {
    race(|run| {
        let (caller, called, picker) = (run.phone("201"), run.phone("202"), run.phone("203"));
        let (_, far) = run.ringing(caller, called);
        let dialog = run.world.with_phone(called, |phone, _| phone.dialog(far)).unwrap();
        let pick: Act<'_> = Box::new(move |world| {
            let dialog = (&*dialog.0, &*dialog.1, &*dialog.2);
            world.with_phone(picker, |phone, now| phone.call_replacing(now, "202", dialog));
        });
        run.cross(vec![pick, answer(called, far)]);
        run.world.assert_agreement(false);
        let (picked, answered) = (run.talks(picker), run.talks(called));
        run.demand(run.talks(caller) == 1 && picked + answered == 1, "one has the call");
    });
}

// --- Park

#[test]
fn of_two_who_take_one_parked_call_exactly_one_gets_it() {
    race(|run| {
        let (_, caller) = run.parked();
        let takers = ["201", "202", "203"].map(|line| run.phone(line));
        run.cross(takers.iter().map(|taker| dial(*taker, "701")).collect());
        run.world.assert_agreement(false);
        let talking = takers.map(|taker| run.talks(taker));
        let is_one = run.talks(caller) == 1 && talking.iter().sum::<usize>() == 1;
        run.demand(is_one, "one has the call");
        for (taker, talking) in takers.into_iter().zip(talking) {
            let refused = |event: &PhoneEvent| matches!(event, PhoneEvent::Failed { .. });
            let is_refused = run.world.take(taker, refused).is_some();
            run.demand(is_refused == (talking == 0), "the others are refused");
        }
    });
}

#[test]
fn of_two_calls_that_are_parked_in_one_slot_one_is_in_it_and_the_other_stays() {
    race(|run| {
        let [a, b, c, d] = ["201", "202", "203", "204"].map(|line| run.phone(line));
        let (near, far) = run.world.connected(a, b);
        let (other_near, other_far) = run.world.connected(c, d);
        let one =
            if run.below(2) == 0 { transfer(a, near, "701") } else { transfer(b, far, "701") };
        let other = if run.below(2) == 0 { (c, other_near) } else { (d, other_far) };
        run.cross(vec![one, transfer(other.0, other.1, "701")]);
        let parked = run.rows(AdminRequest::Park);
        run.demand(parked.len() == 1, "one is parked");
        let mut left = [a, b, c, d].map(|phone| run.talks(phone));
        left[..2].sort_unstable();
        left[2..].sort_unstable();
        run.demand(left == [0, 1, 1, 1] || left == [1, 1, 0, 1], "the other call is as before");
    });
}

#[test]
fn a_parked_call_that_is_taken_as_it_is_recalled_goes_to_one_of_them() {
    race(|run| {
        let (parker, caller) = (run.phone("205"), run.phone("206"));
        let taker = run.phone("203");
        let (_, leg) = run.ringing(caller, parker);
        run.world.with_phone(parker, |phone, now| phone.answer(now, leg));
        run.world.settle();
        run.world.with_phone(parker, |phone, now| phone.transfer(now, leg, "701"));
        let parked_at = |world: &World| {
            let event = world.events.iter().find(|event| event["kind"] == json!("PARKED"))?;
            event["time"].as_u64()
        };
        run.world.until("the call is parked", |world| parked_at(world).is_some());
        let recall = parked_at(&run.world).unwrap() + RECALL_MS;
        let early = run.below(APART_MS);
        let wait = recall - early - run.world.unix_ms();
        run.world.run_for(Duration::from_millis(wait));
        run.disturb();
        dial(taker, "701")(&mut run.world);
        run.world.run_for(Duration::from_secs(2));
        let (recalled, taken) = (run.talks(parker), run.talks(taker));
        run.demand(recalled + taken == 1, "it is recalled or taken");
        if recalled == 1 {
            let leg = run.world.legs(parker)[0];
            run.world.with_phone(parker, |phone, now| phone.answer(now, leg));
        }
        run.world.run_for(CALM);
        run.world.assert_agreement(false);
        run.demand(run.talks(caller) == 1, "the parked party talks");
    });
}

#[test]
fn a_parked_party_that_hangs_up_as_it_is_taken_leaves_nobody_behind() {
    race(|run| {
        let (_, caller) = run.parked();
        let taker = run.phone("203");
        let leg = run.world.legs(caller)[0];
        run.cross(vec![hang_up(caller, leg), dial(taker, "701")]);
        run.demand(run.talks(caller) + run.talks(taker) == 0, "nobody is in a call");
        let parked = run.rows(AdminRequest::Park);
        run.demand(parked.is_empty(), "the slot is free");
    });
}

// --- Transfer

#[test]
fn a_target_that_answers_as_the_transferor_hangs_up_gets_the_call() {
    race(|run| {
        let [a, b, c] = ["201", "202", "203"].map(|line| run.phone(line));
        let (_, far) = run.world.connected(a, b);
        run.world.with_phone(b, |phone, now| phone.transfer(now, far, "203"));
        let target = run.world.incoming(c);
        run.cross(vec![answer(c, target), hang_up(b, far)]);
        run.world.assert_agreement(false);
        let left = [a, b, c].map(|phone| run.talks(phone));
        run.demand(left == [1, 0, 1], "the far party and the target talk");
    });
}

#[test]
fn a_consultation_that_is_answered_as_it_is_transferred_joins_the_parties() {
    race(|run| {
        let [a, b, c] = ["201", "202", "203"].map(|line| run.phone(line));
        let (_, far) = run.world.connected(a, b);
        run.world.with_phone(b, |phone, now| phone.hold(now, far, HoldSpelling::SendOnly));
        run.world.settle();
        let (consult, target) = run.ringing(b, c);
        run.cross(vec![answer(c, target), join(b, far, consult)]);
        run.world.assert_agreement(false);
        let left = [a, b, c].map(|phone| run.talks(phone));
        run.demand(left == [1, 0, 1], "the far party and the target talk");
    });
}

#[test]
fn a_refer_against_the_bye_of_the_far_party_ends_everything() {
    race(|run| {
        let [a, b, c] = ["201", "202", "203"].map(|line| run.phone(line));
        let (near, far) = run.world.connected(a, b);
        run.cross(vec![transfer(b, far, "203"), hang_up(a, near)]);
        let left = [a, b, c].map(|phone| run.talks(phone));
        run.demand(left == [0, 0, 0], "nobody is in a call");
    });
}

#[test]
fn a_refer_against_the_bye_of_who_sent_it_transfers_or_ends() {
    race(|run| {
        let [a, b] = ["201", "202"].map(|line| run.phone(line));
        let c = run.answering("203");
        let (_, far) = run.world.connected(a, b);
        run.cross(vec![transfer(b, far, "203"), hang_up(b, far)]);
        run.world.assert_agreement(false);
        let left = [a, b, c].map(|phone| run.talks(phone));
        run.demand(left == [1, 0, 1] || left == [0, 0, 0], "transferred or over");
    });
}

#[test]
fn an_attended_transfer_against_the_bye_of_the_consulted_leaves_the_first_call_or_joins() {
    race(|run| {
        let [a, b, c] = ["201", "202", "203"].map(|line| run.phone(line));
        let (_, far) = run.world.connected(a, b);
        run.world.with_phone(b, |phone, now| phone.hold(now, far, HoldSpelling::SendOnly));
        run.world.settle();
        let (consult, target) = run.world.connected(b, c);
        run.cross(vec![join(b, far, consult), hang_up(c, target)]);
        run.world.assert_agreement(false);
        let left = [a, b, c].map(|phone| run.talks(phone));
        run.demand(left == [1, 1, 0] || left == [0, 0, 0], "the first call stays or all is over");
    });
}

#[test]
fn transfers_of_both_parties_at_once_leave_whole_calls() {
    race(|run| {
        let [a, b] = ["201", "202"].map(|line| run.phone(line));
        let (c, d) = (run.answering("203"), run.answering("204"));
        let (near, far) = run.world.connected(a, b);
        run.cross(vec![transfer(a, near, "203"), transfer(b, far, "204")]);
        run.world.assert_agreement(false);
        let left: usize = [a, b, c, d].map(|phone| run.talks(phone)).iter().sum();
        run.demand(left == 0 || left == 2, "one call or none");
    });
}

#[test]
fn an_administrators_park_against_a_phones_transfer_does_one_of_both() {
    race(|run| {
        let [a, b] = ["201", "202"].map(|line| run.phone(line));
        let c = run.answering("203");
        let (_, far) = run.world.connected(a, b);
        let call_id = run.rows(AdminRequest::Calls)[0]["callId"].as_u64().unwrap();
        let call_id = u32::try_from(call_id).unwrap();
        let park: Act<'_> = Box::new(move |world| {
            let action = CallAction::Park { slot: Some("701".to_owned()) };
            let line = "202".to_owned();
            let _ = world.administrator(AdminRequest::CallAction { call_id, line, action });
        });
        run.cross(vec![transfer(b, far, "203"), park]);
        let parked = run.rows(AdminRequest::Park).len();
        let left = [a, b, c].map(|phone| run.talks(phone));
        let is_one = (parked, left) == (1, [1, 0, 0]) || (parked, left) == (0, [1, 0, 1]);
        run.demand(is_one, &format!("parked or transferred: {parked} {left:?}"));
    });
}

// --- Completion

impl Run {
    /// Refuses a further call, or takes it.
    fn refuse(&mut self, phone: PhoneIndex, is_busy: bool) {
        let status = is_busy.then_some(486);
        self.world.with_phone(phone, |phone, _| phone.behaviour().refuses_with = status);
    }

    /// 201 waits for 202, which has been free almost as long as the switch waits until it rings 201.
    fn about_to_be_recalled(&mut self) -> (PhoneIndex, PhoneIndex) {
        let (caller, called) = (self.answering("201"), self.answering("202"));
        let other = self.phone("203");
        let (far, _) = self.world.connected(called, other);
        self.refuse(called, true);
        for number in ["202", "*66"] {
            dial(caller, number)(&mut self.world);
            self.world.settle();
        }
        let rows = self.rows(AdminRequest::Completions);
        self.demand(rows.len() == 1 && rows[0]["line"] == "201", "201 waits for 202");
        self.refuse(called, false);
        hang_up(called, far)(&mut self.world);
        let wait = GUARD_MS - APART_MS + self.below(2 * APART_MS);
        self.world.run_for(Duration::from_millis(wait));
        (caller, called)
    }

    /// Whoever is rung answers, also who is rung because another has answered.
    fn everybody_answers(&mut self) {
        for _ in 0..ROUNDS {
            self.answer_what_rings();
        }
        self.world.run_for(CALM);
    }

    /// Why requests for completion have ended.
    fn completion_ends(&self) -> Vec<&str> {
        let ended = self.world.events.iter().filter(|event| event["kind"] == "COMPLETION_ENDED");
        ended.filter_map(|event| event["reason"].as_str()).collect()
    }
}

/// Who asked to be called back and then makes a call of its own, at the moment at which it would be
/// rung: it gets its call, and is rung again later, or has both; the request is met once.
#[test]
fn a_recall_to_a_caller_that_has_become_busy_is_made_later_or_waits_beside_its_call() {
    static DEFERRED: AtomicU64 = AtomicU64::new(0);
    race(|run| {
        let friend = run.answering("204");
        let (caller, called) = run.about_to_be_recalled();
        let takes_second = run.below(2) == 0;
        run.refuse(caller, !takes_second);
        run.disturb();
        dial(caller, "204")(&mut run.world);
        run.everybody_answers();
        run.world.assert_agreement(false);
        let (own, recalled) = (run.talks(friend), run.talks(called));
        run.demand(own == 1, "the caller's own call is made");
        run.demand(run.talks(caller) == own + recalled, "the caller is in what it has");
        let waiting = run.rows(AdminRequest::Completions).len();
        run.demand(waiting + recalled == 1, "the request is met, or waits");
        DEFERRED.fetch_add(waiting as u64, Ordering::Relaxed);
        run.refuse(caller, false);
        for leg in run.world.legs(caller) {
            hang_up(caller, leg)(&mut run.world);
        }
        run.everybody_answers();
        run.world.assert_agreement(false);
        let left = [caller, called, friend].map(|phone| run.talks(phone));
        run.demand(left == [waiting, waiting, 0], "the waiting request is met now");
        let ends = run.completion_ends();
        run.demand(ends == ["COMPLETED"], &format!("the request ends once: {ends:?}"));
        let rows = run.rows(AdminRequest::Completions);
        run.demand(rows.is_empty(), "nobody waits any more");
    });
    let is_whole = number("STROWGER_SEED").is_none();
    assert!(!is_whole || DEFERRED.load(Ordering::Relaxed) > 0, "no recall met a busy caller");
}

// --- Glare

#[test]
fn offers_of_the_switch_and_a_phone_that_cross_both_take_effect() {
    static CROSSED: AtomicU64 = AtomicU64::new(0);
    race(|run| {
        // The target's codec makes the switch offer it to the caller.
        let [a, b] = ["201", "202"].map(|line| run.phone(line));
        let behaviour = Behaviour { codecs: vec![Codec::pcma()], ..Behaviour::default() };
        let c = run.world.unregistered_phone("203", behaviour);
        run.world.register(c);
        let (near, far) = run.world.connected(a, b);
        run.world.with_phone(b, |phone, now| phone.transfer(now, far, "203"));
        let target = run.world.incoming(c);
        run.cross(vec![answer(c, target), hold(a, near)]);
        run.world.assert_agreement(false);
        let left = [a, b, c].map(|phone| run.talks(phone));
        run.demand(left == [1, 0, 1], "the far party and the target are in a call");
        let rows = run.rows(AdminRequest::Calls);
        let held = rows.iter().find(|row| row["line"] == "201").map(|row| row["callState"].clone());
        run.demand(held == Some(json!("LINECALLSTATE_ONHOLD")), "the far party holds");
        let has_crossed = run.world.ladder().contains(" 491 ");
        CROSSED.fetch_add(u64::from(has_crossed), Ordering::Relaxed);
    });
    let is_whole = number("STROWGER_SEED").is_none();
    assert!(!is_whole || CROSSED.load(Ordering::Relaxed) > 0, "no glare in all runs");
}

#[test]
fn holds_of_both_phones_that_cross_hold_both_ends() {
    race(|run| {
        let [a, b] = ["201", "202"].map(|line| run.phone(line));
        let (near, far) = run.world.connected(a, b);
        run.cross(vec![hold(a, near), hold(b, far)]);
        run.world.assert_agreement(false);
        let rows = run.rows(AdminRequest::Calls);
        let is_held = rows.iter().all(|row| row["callState"] == "LINECALLSTATE_ONHOLD");
        run.demand(rows.len() == 2 && is_held, "both are on hold");
    });
}
