//! Applications transfer, swap, park, unpark and pick up: the ordered messages, who hears whom, and
//! nothing left behind.

use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use switch::phone::{Behaviour, PhoneEvent};
use tests::sim::{Application, PhoneIndex, World};

struct Talk {
    world: World,
    app: Application,
    h_line: u64,
    h_call: u64,
    a: PhoneIndex,
    b: PhoneIndex,
    c: PhoneIndex,
    near: LegId,
    far: LegId,
}

/// 201 talks to 202; an application owns 201's call; 203 is there.
fn talk(seed: u64) -> Talk {
    let mut world = World::office(seed);
    let [a, b, c] = ["201", "202", "203"].map(|line| world.phone(line));
    let app = world.application("crm");
    let h_line = world.open(app, "201");
    let (near, far) = world.connected(a, b);
    world.settle();
    let first = world.inbox(app).iter().find(|m| m["method"] == "LINE_APPNEWCALL").cloned();
    let h_call = first.unwrap()["params"]["hCall"].as_u64().unwrap();
    world.trace(app);
    Talk { world, app, h_line, h_call, a, b, c, near, far }
}

impl Talk {
    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.world.ask(self.app, method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// The consultation call of lineSetupTransfer.
    fn consult(&mut self) -> u64 {
        let h_call = self.h_call;
        self.ask("lineSetupTransfer", json!({"hCall": h_call}));
        let reply =
            self.world.inbox(self.app).iter().find(|m| m["method"] == "LINE_REPLY").cloned();
        reply.unwrap()["params"]["hConsultCall"].as_u64().unwrap()
    }

    fn states(&mut self) -> Vec<String> {
        self.world.trace(self.app)
    }

    fn end(mut self) {
        for phone in [self.a, self.b, self.c] {
            for leg in self.world.with_phone(phone, |phone, _| phone.legs()) {
                self.world.with_phone(phone, |phone, now| phone.hang_up(now, leg));
                self.world.settle();
            }
        }
        self.world.assert_at_rest();
    }
}

fn call_states(trace: &[String]) -> Vec<&str> {
    trace.iter().filter_map(|line| line.strip_prefix("LINE_CALLSTATE ")).collect()
}

#[test]
fn a_consultation_transfer_moves_the_one_phone_and_joins_the_far_parties() {
    let mut talk = talk(500);
    let consult = talk.consult();
    let trace = talk.states();
    assert_eq!(trace[0], "LINE_REPLY 0");
    assert_eq!(
        call_states(&trace),
        ["DIALTONE INTERNAL", "ONHOLDPENDTRANSFER"].as_slice().to_vec()
    );
    assert!(!talk.world.hears(talk.a, talk.b, talk.far), "202 is on hold");
    talk.ask("lineDial", json!({"hCall": consult, "destAddress": "203"}));
    let target = talk.world.incoming(talk.c);
    talk.world.with_phone(talk.c, |phone, now| phone.answer(now, target));
    talk.world.settle();
    assert!(
        talk.world.hears(talk.c, talk.a, talk.near) && talk.world.hears(talk.a, talk.c, target)
    );
    assert_eq!(
        call_states(&talk.states()),
        ["DIALING", "PROCEEDING", "RINGBACK", "CONNECTED ACTIVE"]
    );
    let h_call = talk.h_call;
    talk.ask(
        "lineCompleteTransfer",
        json!({"hCall": h_call, "hConsultCall": consult, "transferMode": "LINETRANSFERMODE_TRANSFER"}),
    );
    talk.world.settle();
    let trace = talk.states();
    assert_eq!(trace[0], "LINE_REPLY 0");
    assert_eq!(call_states(&trace), ["IDLE", "IDLE"]);
    assert!(talk.world.hears(talk.c, talk.b, talk.far) && talk.world.hears(talk.b, talk.c, target));
    let (a, near) = (talk.a, talk.near);
    talk.world.run_for(std::time::Duration::from_secs(6));
    talk.world.expect(a, "the transferor is hung up", |e| *e == PhoneEvent::Ended { leg: near });
    talk.end();
}

#[test]
fn dropping_the_consultation_call_reconnects_the_first() {
    let mut talk = talk(501);
    let consult = talk.consult();
    talk.ask("lineDial", json!({"hCall": consult, "destAddress": "203"}));
    talk.world.incoming(talk.c);
    talk.states();
    talk.ask("lineDrop", json!({"hCall": consult}));
    talk.world.settle();
    let trace = talk.states();
    assert_eq!(call_states(&trace), ["IDLE", "CONNECTED ACTIVE"]);
    assert!(
        talk.world.hears(talk.b, talk.a, talk.near) && talk.world.hears(talk.a, talk.b, talk.far)
    );
    talk.end();
}

#[test]
fn unhold_of_the_first_call_ends_the_consultation() {
    let mut talk = talk(502);
    talk.consult();
    talk.states();
    let h_call = talk.h_call;
    talk.ask("lineUnhold", json!({"hCall": h_call}));
    talk.world.settle();
    assert_eq!(call_states(&talk.states()), ["IDLE", "CONNECTED ACTIVE"]);
    assert!(
        talk.world.hears(talk.b, talk.a, talk.near) && talk.world.hears(talk.a, talk.b, talk.far)
    );
    talk.end();
}

#[test]
fn swap_toggles_between_the_two_parties_of_a_consultation() {
    let mut talk = talk(503);
    let consult = talk.consult();
    talk.ask("lineDial", json!({"hCall": consult, "destAddress": "203"}));
    let target = talk.world.incoming(talk.c);
    talk.world.with_phone(talk.c, |phone, now| phone.answer(now, target));
    talk.world.settle();
    talk.states();
    let h_call = talk.h_call;
    talk.ask("lineSwapHold", json!({"hActiveCall": consult, "hHeldCall": h_call}));
    talk.world.settle();
    assert_eq!(call_states(&talk.states()), ["ONHOLDPENDTRANSFER", "CONNECTED ACTIVE"]);
    assert!(
        talk.world.hears(talk.b, talk.a, talk.near) && talk.world.hears(talk.a, talk.b, talk.far)
    );
    assert!(!talk.world.hears(talk.a, talk.c, target), "203 waits");
    talk.ask("lineSwapHold", json!({"hActiveCall": h_call, "hHeldCall": consult}));
    talk.world.settle();
    assert!(
        talk.world.hears(talk.c, talk.a, talk.near) && talk.world.hears(talk.a, talk.c, target)
    );
    talk.end();
}

#[test]
fn a_consulted_party_that_hangs_up_gives_the_first_party_back() {
    let mut talk = talk(504);
    let consult = talk.consult();
    talk.ask("lineDial", json!({"hCall": consult, "destAddress": "203"}));
    let target = talk.world.incoming(talk.c);
    talk.world.with_phone(talk.c, |phone, now| phone.answer(now, target));
    talk.world.settle();
    talk.states();
    talk.world.with_phone(talk.c, |phone, now| phone.hang_up(now, target));
    talk.world.run_for(std::time::Duration::from_secs(3));
    assert_eq!(call_states(&talk.states()), ["DISCONNECTED NORMAL", "IDLE", "CONNECTED ACTIVE"]);
    assert!(talk.world.hears(talk.b, talk.a, talk.near));
    talk.end();
}

#[test]
fn a_user_that_hangs_up_during_the_consultation_completes_the_transfer() {
    let mut talk = talk(505);
    let consult = talk.consult();
    talk.ask("lineDial", json!({"hCall": consult, "destAddress": "203"}));
    let target = talk.world.incoming(talk.c);
    talk.world.with_phone(talk.c, |phone, now| phone.answer(now, target));
    talk.world.settle();
    let (a, near) = (talk.a, talk.near);
    talk.world.with_phone(a, |phone, now| phone.hang_up(now, near));
    talk.world.settle();
    assert!(talk.world.hears(talk.c, talk.b, talk.far) && talk.world.hears(talk.b, talk.c, target));
    talk.end();
}

#[test]
fn a_blind_transfer_ends_the_call_and_a_target_that_fails_rings_the_line_back() {
    let mut talk = talk(506);
    let h_call = talk.h_call;
    talk.ask("lineBlindTransfer", json!({"hCall": h_call, "destAddress": "203"}));
    let target = talk.world.incoming(talk.c);
    let trace = talk.states();
    assert_eq!(trace[0], "LINE_REPLY 0");
    assert_eq!(call_states(&trace), ["IDLE"]);
    talk.world.with_phone(talk.c, |phone, now| phone.reject(now, target, 486));
    let recall = talk.world.incoming(talk.a);
    talk.world.with_phone(talk.a, |phone, now| phone.answer(now, recall));
    talk.world.settle();
    assert!(talk.world.hears(talk.a, talk.b, talk.far) && talk.world.hears(talk.b, talk.a, recall));
    talk.end();
}

#[test]
fn a_blind_transfer_to_an_unknown_number_fails_and_the_call_stays() {
    let mut talk = talk(507);
    let h_call = talk.h_call;
    let error = talk
        .world
        .ask(
            talk.app,
            "lineBlindTransfer",
            json!({"hCall": h_call, "destAddress": "299", "wait": true}),
        )
        .unwrap_err();
    assert_eq!(error["message"], "LINEERR_INVALADDRESS");
    assert!(
        talk.world.hears(talk.b, talk.a, talk.near) && talk.world.hears(talk.a, talk.b, talk.far)
    );
    talk.end();
}

#[test]
fn a_call_is_parked_and_unparked_by_applications() {
    let mut talk = talk(508);
    let (h_call, h_line) = (talk.h_call, talk.h_line);
    let parked = talk.ask(
        "linePark",
        json!({"hCall": h_call, "parkMode": "LINEPARKMODE_NONDIRECTED", "wait": true}),
    );
    assert_eq!(parked["address"], "701");
    talk.world.settle();
    assert_eq!(call_states(&talk.states()), ["IDLE"]);
    let (a, near) = (talk.a, talk.near);
    talk.world.expect(a, "the parker is hung up", |e| *e == PhoneEvent::Ended { leg: near });
    talk.ask("lineUnpark", json!({"hLine": h_line, "addressId": 0, "destAddress": "701"}));
    let leg = talk.world.incoming(talk.a);
    talk.world.settle();
    let trace = talk.states();
    assert_eq!(trace[0], "LINE_REPLY 0");
    assert_eq!(call_states(&trace), ["CONNECTED ACTIVE"]);
    assert!(talk.world.hears(talk.a, talk.b, talk.far) && talk.world.hears(talk.b, talk.a, leg));
    talk.end();
}

#[test]
fn an_application_picks_up_what_rings_in_the_group() {
    let mut world = World::office(509);
    let [a, b, c] = ["206", "202", "201"].map(|line| world.phone(line));
    let app = world.application("crm");
    let h_line = world.open(app, "201");
    let near = world.with_phone(a, |phone, now| phone.call(now, "202")).unwrap();
    world.incoming(b);
    world.ask(app, "linePickup", json!({"hLine": h_line, "addressId": 0})).unwrap();
    let leg = world.incoming(c);
    world.settle();
    let trace = world.trace(app);
    assert_eq!(trace[0], "LINE_REPLY 0");
    assert_eq!(call_states(&trace), ["CONNECTED ACTIVE"]);
    assert!(world.hears(c, a, near) && world.hears(a, c, leg));
    let again =
        world.ask(app, "linePickup", json!({"hLine": h_line, "addressId": 0, "wait": true}));
    assert!(again.is_err(), "nothing rings any more: {again:?}");
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.settle();
    world.assert_at_rest();
}

#[test]
fn an_application_redirects_an_offered_call_and_the_line_is_idle() {
    let mut world = World::office(510);
    let [a, b, c] = ["206", "201", "203"].map(|line| world.phone(line));
    let app = world.application("crm");
    world.open(app, "201");
    let near = world.with_phone(a, |phone, now| phone.call(now, "201")).unwrap();
    world.incoming(b);
    let call = world.inbox(app)[0]["params"]["hCall"].as_u64().unwrap();
    world.trace(app);
    world.ask(app, "lineRedirect", json!({"hCall": call, "destAddress": "203"})).unwrap();
    let leg = world.incoming(c);
    world.expect(b, "the ringing stops", |event| matches!(event, PhoneEvent::Ended { .. }));
    let trace = world.trace(app);
    assert_eq!(trace[0], "LINE_REPLY 0");
    assert_eq!(call_states(&trace), ["IDLE"]);
    world.with_phone(c, |phone, now| phone.answer(now, leg));
    world.settle();
    assert!(world.hears(c, a, near) && world.hears(a, c, leg));
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.settle();
    world.assert_at_rest();
}

#[test]
fn line_forward_sends_calls_on_is_confirmed_by_address_state_and_null_cancels_it() {
    let mut world = World::office(511);
    let [a, b, c] = ["206", "201", "203"].map(|line| world.phone(line));
    let app = world.application("crm");
    let h_line = world.open(app, "201");
    let wanted =
        json!({"hLine": h_line, "lineStates": [], "addressStates": ["LINEADDRESSSTATE_FORWARD"]});
    world.ask(app, "lineSetStatusMessages", wanted).unwrap();
    let list = json!([{"forwardMode": "LINEFORWARDMODE_UNCOND", "destAddress": "203"}]);
    let set = json!({"hLine": h_line, "allAddresses": true, "forwardList": list});
    world.ask(app, "lineForward", set).unwrap();
    let methods: Vec<_> = world.inbox(app).iter().map(|m| m["method"].clone()).collect();
    // One for the line's own address, one for the shared line that it is a member of.
    assert_eq!(methods, ["LINE_REPLY", "LINE_ADDRESSSTATE", "LINE_ADDRESSSTATE"]);
    let near = world.with_phone(a, |phone, now| phone.call(now, "201")).unwrap();
    let leg = world.incoming(c);
    world.with_phone(c, |phone, now| phone.answer(now, leg));
    world.settle();
    assert!(world.hears(c, a, near));
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.settle();
    let cancel = json!({"hLine": h_line, "allAddresses": true, "forwardList": null});
    world.ask(app, "lineForward", cancel).unwrap();
    world.with_phone(a, |phone, now| phone.call(now, "201"));
    let leg = world.incoming(b);
    world.with_phone(b, |phone, now| phone.reject(now, leg, 486));
    world.run_for(std::time::Duration::from_secs(30));
    world.assert_at_rest();
}

/// 201 calls 202, whose application wants to answer before the phone has said a word. What its
/// lineAnswer replies, and what the phones are in then.
fn answered_at_first_sight(obeys_events: bool) -> (Value, [usize; 2]) {
    let mut world = World::office(520);
    let a = world.phone("201");
    let behaviour = Behaviour { obeys_events, ..Behaviour::default() };
    let b = world.unregistered_phone("202", behaviour);
    world.register(b);
    let app = world.application("crm");
    world.open(app, "202");
    world.with_phone(a, |phone, now| phone.call(now, "202"));
    world.until("the call is offered", |world| !world.watch(app).handles().is_empty());
    assert!(world.legs(b).is_empty(), "the phone has not got its INVITE yet");
    let call = world.watch(app).handles()[0].0;
    world.ask(app, "lineAnswer", json!({"hCall": call})).expect("it may be possible");
    world.settle();
    let reply = world.inbox(app).iter().find(|message| message["method"] == "LINE_REPLY").cloned();
    let result = reply.expect("the request ends")["params"]["result"].clone();
    let talking = [a, b].map(|phone| {
        let legs = world.legs(phone);
        let is_up = |leg: &&LegId| world.leg(phone, **leg).is_some_and(|view| view.is_confirmed);
        legs.iter().filter(is_up).count()
    });
    for phone in [a, b] {
        for leg in world.legs(phone) {
            world.with_phone(phone, |phone, now| phone.hang_up(now, leg));
        }
    }
    world.assert_at_rest();
    (result, talking)
}

#[test]
fn line_answer_before_the_phone_rings_takes_effect_when_it_does() {
    assert_eq!(answered_at_first_sight(true), (json!(0), [1, 1]));
}

#[test]
fn line_answer_before_the_phone_rings_is_refused_when_it_cannot_be_told() {
    assert_eq!(answered_at_first_sight(false), (json!("LINEERR_OPERATIONUNAVAIL"), [0, 0]));
}
