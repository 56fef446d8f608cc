//! Shared lines on the real program with real phones: what every line is told, in order, who hears
//! whom, and that nothing is left.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed unwrap here is a failed test, which waits for real programs"
)]

use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use switch::phone::Behaviour;
use tests::program::{Application, LivePhone, Program, office};

/// The office with the phones of both members of 250, a caller, and an application that has opened
/// all three lines as owner and monitor.
struct Desk {
    ada: LivePhone,
    dan: LivePhone,
    finn: LivePhone,
    app: Application,
    /// 201, 204, 206.
    lines: [u64; 3],
    program: Program,
}

impl Desk {
    fn open() -> Desk {
        Desk::of(Program::start())
    }

    /// Members may join each other's calls.
    fn with_joining() -> Desk {
        let joining = |text: String| {
            text.replace(
                "members = [\"201\", \"204\"]",
                "members = [\"201\", \"204\"]\nallow_join = true",
            )
        };
        Desk::of(Program::with(office(joining)))
    }

    fn of(program: Program) -> Desk {
        let [ada, dan, finn] = ["201", "204", "206"].map(|line| program.live_phone(line));
        let mut app = program.application("desk");
        let lines = ["201", "204", "206"].map(|line| app.open(line));
        Desk { ada, dan, finn, app, lines, program }
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        let answer = self.app.call(method, params.clone());
        answer.unwrap_or_else(|error| panic!("{method} {params}: {error}"))
    }

    /// An asynchronous function on a call.
    fn tell(&mut self, method: &str, call: &str) {
        let handle = self.app.handle(call);
        self.ask(method, json!({"hCall": handle}));
    }

    fn refused(&mut self, method: &str, call: &str) -> String {
        let handle = self.app.handle(call);
        self.app.refusal(method, json!({"hCall": handle}))
    }

    fn features(&mut self, call: &str) -> Vec<String> {
        let handle = self.app.handle(call);
        let status = self.ask("lineGetCallStatus", json!({"hCall": handle}));
        // What every call has at all times says nothing about the appearance.
        let always = ["MONITOR", "SET", "SECURE"];
        let mut features = words(&status["callFeatures"]);
        features.retain(|name| !always.iter().any(|common| name.starts_with(common)));
        features
    }

    fn info(&mut self, call: &str) -> Value {
        let handle = self.app.handle(call);
        self.ask("lineGetCallInfo", json!({"hCall": handle}))
    }

    /// 206 has called 250, which rings at both members.
    fn ringing(&mut self) -> (LegId, LegId, LegId) {
        let near = self.finn.call("250");
        let at_ada = self.ada.incoming();
        let at_dan = self.dan.incoming();
        self.app.expect(&[
            "206 NEW OWNER",
            "206 DIALING OWNER",
            "206 PROCEEDING",
            "201 NEW OWNER",
            "201 OFFERING ACTIVE OWNER",
            "204 NEW OWNER",
            "204 OFFERING ACTIVE OWNER",
            "206 RINGBACK",
        ]);
        (near, at_ada, at_dan)
    }

    /// 201 has answered the call of 206 by hand.
    fn talking(&mut self) -> (LegId, LegId) {
        let (near, at_ada, at_dan) = self.ringing();
        self.ada.answer(at_ada);
        self.app.expect(&[
            "201 CONNECTED ACTIVE",
            "204 CONNECTED INACTIVE",
            "206 CONNECTED ACTIVE",
            "206 INFO CONNECTEDID",
            "201 INFO CONNECTEDID",
        ]);
        self.dan.ended(at_dan);
        self.finn.connected(near);
        self.ada.connected(at_ada);
        (near, at_ada)
    }

    /// 201 talks to 206 and has put the call on hold at its phone.
    fn held(&mut self) -> (LegId, LegId) {
        let (near, at_ada) = self.talking();
        self.ada.hold(at_ada);
        self.app.expect(&["201 ONHOLD", "204 ONHOLD", "206 CONNECTED ACTIVEHELD"]);
        (near, at_ada)
    }

    fn address_features(&mut self, line: usize, address: u32) -> Vec<String> {
        let h_line = self.lines[line];
        let wish = json!({"hLine": h_line, "addressId": address});
        words(&self.ask("lineGetAddressStatus", wish)["addressFeatures"])
    }

    fn nothing_is_left(mut self) {
        self.app.expect_silence();
        self.program.until("/api/v1/calls", |answer| answer["items"] == json!([]));
        self.program.until("/api/v1/media", |answer| answer["items"] == json!([]));
        for (line, addresses) in [(0, 2), (1, 2), (2, 1)] {
            for address in 0..addresses {
                let wish = json!({"hLine": self.lines[line], "addressId": address});
                let status = self.ask("lineGetAddressStatus", wish);
                let counts = ["numActiveCalls", "numOnHoldCalls", "numOnHoldPendCalls"];
                assert!(counts.iter().all(|count| status[*count] == 0), "{status}");
            }
        }
    }
}

fn words(names: &Value) -> Vec<String> {
    let names = names.as_array().expect("a set of names");
    let word = |name: &Value| {
        let name = name.as_str().unwrap();
        name.split_once('_').map_or(name, |(_, word)| word).to_owned()
    };
    names.iter().map(word).collect()
}

#[test]
fn a_call_to_a_shared_line_rings_at_all_members_and_is_shown_to_those_that_did_not_answer() {
    let mut desk = Desk::open();
    let (near, at_ada) = desk.talking();
    desk.ada.hears(&desk.finn);
    desk.finn.hears(&desk.ada);
    for call in ["201", "204"] {
        let info = desk.info(call);
        assert_eq!((&info["addressId"], &info["calledId"]), (&json!(1), &json!("250")), "{call}");
        assert_eq!(
            (&info["callerId"], &info["origin"]),
            (&json!("206"), &json!("LINECALLORIGIN_INTERNAL"))
        );
        assert_eq!(info["callId"], desk.info("206")["callId"]);
    }
    let caller = desk.info("206");
    assert_eq!(
        (&caller["connectedId"], &caller["connectedIdName"]),
        (&json!("250"), &json!("Front desk"))
    );
    assert_eq!(desk.features("204"), ["DROP"]);
    assert_eq!(desk.refused("lineHold", "204"), "INVALCALLSTATE");
    assert_eq!(desk.refused("lineAnswer", "204"), "OPERATIONUNAVAIL", "the line is exclusive");
    let rows = desk.program.get("/api/v1/calls").1["items"].clone();
    let at = |line: &str| {
        let found = rows.as_array().unwrap().iter().find(|row| row["line"] == line).cloned();
        let row = found.unwrap();
        (row["addressId"].clone(), row["address"].clone(), row["mode"].clone())
    };
    let mode = |name: &str| json!(format!("LINECONNECTEDMODE_{name}"));
    assert_eq!(at("201"), (json!(1), json!("250"), mode("ACTIVE")));
    assert_eq!(at("204"), (json!(1), json!("250"), mode("INACTIVE")));
    desk.ada.hang_up(at_ada);
    desk.app.expect(&[
        "206 DISCONNECTED NORMAL",
        "206 IDLE",
        "201 IDLE",
        "204 DISCONNECTED NORMAL",
        "204 IDLE",
    ]);
    desk.finn.ended(near);
    desk.nothing_is_left();
}

#[test]
fn the_callers_hang_up_ends_every_appearance() {
    let mut desk = Desk::open();
    let (near, at_ada) = desk.talking();
    desk.finn.hang_up(near);
    desk.app.expect(&[
        "201 DISCONNECTED NORMAL",
        "204 DISCONNECTED NORMAL",
        "204 IDLE",
        "201 IDLE",
        "206 IDLE",
    ]);
    desk.ada.ended(at_ada);
    desk.nothing_is_left();
}

#[test]
fn a_held_call_is_taken_by_the_code_at_another_member() {
    let mut desk = Desk::open();
    let (near, at_ada) = desk.held();
    desk.finn.hears_tone();
    let at_dan = desk.dan.call("*7");
    desk.dan.connected(at_dan);
    desk.app.expect(&[
        "204/2 NEW OWNER",
        "204/2 DIALING OWNER",
        "204/2 PROCEEDING",
        "204/2 INFO REASON|CALLERID|CALLEDID|REDIRECTINGID",
        "204/2 INFO CALLID",
        "204 IDLE",
        "204/2 CONNECTED ACTIVE",
        "201 CONNECTED INACTIVE",
        "206 CONNECTED ACTIVE",
        "206 INFO CONNECTEDID",
        "204/2 INFO CONNECTEDID",
    ]);
    desk.ada.ended(at_ada);
    desk.dan.hears(&desk.finn);
    desk.finn.hears(&desk.dan);
    let info = desk.info("204/2");
    assert_eq!((&info["reason"], &info["addressId"]), (&json!("LINECALLREASON_PICKUP"), &json!(1)));
    assert_eq!((&info["callerId"], &info["calledId"]), (&json!("206"), &json!("250")));
    assert_eq!(info["redirectingId"], "201");
    assert_eq!(info["callId"], desk.info("206")["callId"]);
    // Nothing is on hold any more.
    desk.ada.call("*7");
    assert_eq!(desk.ada.failed().0, 404);
    desk.app.skip_to("201/2 DISCONNECTED BADADDRESS");
    desk.tell("lineDrop", "201/2");
    desk.app.expect(&["REPLY 0", "201/2 IDLE"]);
    desk.finn.hang_up(near);
    desk.app.skip_to("206 IDLE");
    desk.dan.ended(at_dan);
    desk.nothing_is_left();
}

#[test]
fn an_invite_with_replaces_takes_a_held_call_and_no_other() {
    let mut desk = Desk::open();
    let (near, at_ada) = desk.talking();
    let (call_id, switch_tag, phone_tag) = desk.ada.with(|phone| phone.dialog(at_ada)).unwrap();
    let dialog = (call_id.as_str(), switch_tag.as_str(), phone_tag.as_str());
    desk.dan.with(|phone| phone.call_replacing("250", dialog));
    assert_eq!(desk.dan.failed().0, 403, "201 talks: the call is its alone");
    desk.app.skip_to("204/2 IDLE");
    desk.ada.hold(at_ada);
    desk.app.expect(&["201 ONHOLD", "204 ONHOLD", "206 CONNECTED ACTIVEHELD"]);
    let at_dan = desk.dan.with(|phone| phone.call_replacing("250", dialog)).unwrap();
    desk.dan.connected(at_dan);
    desk.app.skip_to("204/3 CONNECTED ACTIVE");
    desk.app.expect(&[
        "201 CONNECTED INACTIVE",
        "206 CONNECTED ACTIVE",
        "206 INFO CONNECTEDID",
        "204/3 INFO CONNECTEDID",
    ]);
    desk.ada.ended(at_ada);
    desk.dan.hears(&desk.finn);
    desk.dan.hang_up(at_dan);
    desk.app.skip_to("201 IDLE");
    desk.finn.ended(near);
    desk.nothing_is_left();
}

#[test]
fn a_phone_calls_in_the_name_of_the_shared_line_and_comes_back_to_it_from_another_member() {
    let mut desk = Desk::open();
    let at_ada = desk.ada.with(|phone| phone.call_as("250", "206")).unwrap();
    let far = desk.finn.wait("an INVITE", |event| match event {
        switch::phone::PhoneEvent::Incoming { leg, from } => Some((*leg, from.clone())),
        _ => None,
    });
    assert!(far.1.contains("\"Front desk\" <sip:250@"), "{}", far.1);
    desk.app.expect(&[
        "201 NEW OWNER",
        "201 DIALING OWNER",
        "201 PROCEEDING",
        "204 NEW OWNER",
        "204 CONNECTED INACTIVE OWNER",
        "206 NEW OWNER",
        "206 OFFERING ACTIVE OWNER",
        "201 RINGBACK",
    ]);
    desk.finn.answer(far.0);
    desk.app.expect(&[
        "206 CONNECTED ACTIVE",
        "201 CONNECTED ACTIVE",
        "201 INFO CONNECTEDID",
        "206 INFO CONNECTEDID",
    ]);
    assert_eq!(desk.info("206")["callerId"], "250");
    desk.ada.connected(at_ada);
    // Who calls the line in its own name comes back to its call, when there is one to come back to.
    desk.dan.with(|phone| phone.call_as("250", "250"));
    assert_eq!(desk.dan.failed().0, 486);
    desk.app.skip_to("204/2 BUSY STATION");
    desk.tell("lineDrop", "204/2");
    desk.app.expect(&["REPLY 0", "204/2 IDLE"]);
    desk.ada.hold(at_ada);
    desk.app.expect(&["201 ONHOLD", "204 ONHOLD", "206 CONNECTED ACTIVEHELD"]);
    let at_dan = desk.dan.with(|phone| phone.call_as("250", "250")).unwrap();
    desk.dan.connected(at_dan);
    desk.app.skip_to("204/3 CONNECTED ACTIVE");
    desk.app.expect(&["201 CONNECTED INACTIVE", "204/3 INFO CONNECTEDID", "206 INFO CONNECTEDID"]);
    desk.ada.ended(at_ada);
    desk.dan.hears(&desk.finn);
    desk.finn.hears(&desk.dan);
    desk.finn.hang_up(far.0);
    desk.app.expect(&[
        "204/3 DISCONNECTED NORMAL",
        "201 DISCONNECTED NORMAL",
        "201 IDLE",
        "204/3 IDLE",
        "206 IDLE",
    ]);
    desk.dan.ended(at_dan);
    desk.nothing_is_left();
}

#[test]
fn a_stranger_cannot_call_in_the_name_of_the_shared_line() {
    let mut desk = Desk::open();
    desk.finn.with(|phone| phone.call_as("250", "201"));
    assert_eq!(desk.finn.failed().0, 403);
    desk.app.expect_silence();
    desk.nothing_is_left();
}

#[test]
fn an_application_answers_holds_picks_up_and_drops_at_a_shared_line() {
    let mut desk = Desk::open();
    let (near, at_ada, at_dan) = desk.ringing();
    desk.tell("lineAnswer", "204");
    desk.app.expect(&[
        "REPLY 0",
        "204 CONNECTED ACTIVE",
        "201 CONNECTED INACTIVE",
        "206 CONNECTED ACTIVE",
        "206 INFO CONNECTEDID",
        "204 INFO CONNECTEDID",
    ]);
    desk.ada.ended(at_ada);
    assert!(!desk.address_features(0, 1).contains(&"PICKUPHELD".to_owned()));
    desk.tell("lineHold", "204");
    desk.app.expect(&["REPLY 0", "204 ONHOLD", "201 ONHOLD", "206 CONNECTED ACTIVEHELD"]);
    assert_eq!(desk.features("201"), ["DROP", "UNHOLD"]);
    assert!(desk.address_features(0, 1).contains(&"PICKUPHELD".to_owned()));
    let line = desk.lines[0];
    desk.ask("linePickup", json!({"hLine": line, "addressId": 1}));
    // 201's phone answers by itself, then the call is its own.
    desk.app.expect(&[
        "REPLY 0",
        "201/2 INFO REASON|CALLERID|CALLEDID|REDIRECTINGID",
        "201/2 INFO CALLID",
        "201 IDLE",
        "201/2 CONNECTED ACTIVE",
        "204 CONNECTED INACTIVE",
        "206 CONNECTED ACTIVE",
        "206 INFO CONNECTEDID",
        "201/2 INFO CONNECTEDID",
    ]);
    desk.dan.ended(at_dan);
    desk.ada.hears(&desk.finn);
    desk.finn.hears(&desk.ada);
    assert_eq!(desk.info("201/2")["reason"], "LINECALLREASON_PICKUP");
    // And back by the other way: lineUnhold of the appearance.
    desk.tell("lineHold", "201/2");
    desk.app.expect(&["REPLY 0", "201/2 ONHOLD", "204 ONHOLD", "206 CONNECTED ACTIVEHELD"]);
    desk.tell("lineUnhold", "204");
    desk.app.expect(&[
        "REPLY 0",
        "204 CONNECTED ACTIVE",
        "201/2 CONNECTED INACTIVE",
        "206 CONNECTED ACTIVE",
        "206 INFO CONNECTEDID",
        "204 INFO CONNECTEDID",
    ]);
    desk.dan.hears(&desk.finn);
    desk.finn.hears(&desk.dan);
    // The appearance that only shows the call is put away; the call goes on.
    desk.tell("lineDrop", "201/2");
    desk.app.expect(&["REPLY 0", "201/2 IDLE"]);
    desk.dan.hears(&desk.finn);
    desk.tell("lineDrop", "204");
    desk.app.expect(&["REPLY 0", "204 IDLE", "206 DISCONNECTED NORMAL", "206 IDLE"]);
    desk.finn.ended(near);
    desk.nothing_is_left();
}

#[test]
fn an_application_calls_from_the_shared_address_and_transfers_the_call() {
    let mut desk = Desk::open();
    let line = desk.lines[0];
    desk.ask(
        "lineMakeCall",
        json!({"hLine": line, "destAddress": "206", "callParams": {"addressId": 1}}),
    );
    desk.app.expect(&[
        "REPLY 0",
        "201 DIALING",
        "204 NEW OWNER",
        "204 CONNECTED INACTIVE OWNER",
        "201 PROCEEDING",
        "206 NEW OWNER",
        "206 OFFERING ACTIVE OWNER",
        "201 RINGBACK",
    ]);
    desk.tell("lineAnswer", "206");
    desk.app.skip_to("206 INFO CONNECTEDID");
    assert_eq!(
        (desk.info("201")["addressId"].clone(), desk.info("206")["callerId"].clone()),
        (json!(1), json!("250"))
    );
    desk.ada.hears(&desk.finn);
    let held = desk.app.handle("201");
    desk.ask("lineSetupTransfer", json!({"hCall": held}));
    desk.app.skip_to("201 ONHOLDPENDTRANSFER");
    // On consultation hold the call is not free to be taken.
    desk.app.expect(&["206 CONNECTED ACTIVEHELD"]);
    assert!(!desk.address_features(1, 1).contains(&"PICKUPHELD".to_owned()));
    let target = desk.program.live_phone("202");
    desk.ask("lineUnhold", json!({"hCall": held}));
    desk.app.skip_to("206 CONNECTED ACTIVE");
    desk.ask("lineBlindTransfer", json!({"hCall": held, "destAddress": "202"}));
    desk.app.expect(&["REPLY 0", "201 IDLE", "204 DISCONNECTED NORMAL", "204 IDLE"]);
    let far = target.incoming();
    target.answer(far);
    target.connected(far);
    desk.finn.hears(&target);
    target.hang_up(far);
    desk.app.skip_to("206 IDLE");
    desk.nothing_is_left();
}

#[test]
fn members_join_through_the_mixer_where_the_line_allows_it() {
    let mut desk = Desk::with_joining();
    let (near, at_ada) = desk.talking();
    assert_eq!(desk.features("204"), ["ANSWER", "DROP"]);
    desk.tell("lineAnswer", "204");
    desk.app.expect(&["REPLY 0", "204 CONNECTED ACTIVE", "204 INFO CONNECTEDID"]);
    let at_dan = desk.dan.incoming();
    for phone in [&desk.ada, &desk.dan, &desk.finn] {
        let before = phone.rtp().received;
        phone.wait_for_packets(before + 10);
    }
    assert!(!desk.features("201").contains(&"BLINDTRANSFER".to_owned()));
    assert_eq!(desk.refused("lineDial", "201"), "INVALCALLSTATE");
    // One station's hold leaves the call to the other.
    desk.tell("lineHold", "201");
    desk.app.expect(&["REPLY 0", "201 CONNECTED INACTIVE"]);
    desk.dan.hears(&desk.finn);
    desk.finn.hears(&desk.dan);
    desk.ada.hears_nothing_of(&desk.finn);
    desk.tell("lineAnswer", "201");
    desk.app.expect(&["REPLY 0", "201 CONNECTED ACTIVE"]);
    // All stations hold: the call is on hold.
    desk.tell("lineHold", "201");
    desk.app.expect(&["REPLY 0", "201 CONNECTED INACTIVE"]);
    desk.tell("lineHold", "204");
    desk.app.expect(&["REPLY 0", "204 ONHOLD", "201 ONHOLD", "206 CONNECTED ACTIVEHELD"]);
    desk.finn.hears_tone();
    desk.tell("lineUnhold", "204");
    desk.app.expect(&[
        "REPLY 0",
        "204 CONNECTED ACTIVE",
        "201 CONNECTED INACTIVE",
        "206 CONNECTED ACTIVE",
    ]);
    desk.tell("lineAnswer", "201");
    desk.app.expect(&["REPLY 0", "201 CONNECTED ACTIVE"]);
    // The first station leaves, the second goes on.
    desk.ada.hang_up(at_ada);
    desk.app.expect(&["201 CONNECTED INACTIVE"]);
    desk.dan.hears(&desk.finn);
    desk.finn.hears(&desk.dan);
    desk.tell("lineAnswer", "201");
    desk.app.expect(&["REPLY 0", "201 CONNECTED ACTIVE", "201 INFO CONNECTEDID"]);
    desk.tell("lineDrop", "204");
    desk.app.expect(&["REPLY 0", "204 CONNECTED INACTIVE"]);
    desk.dan.ended(at_dan);
    desk.ada.hears(&desk.finn);
    desk.finn.hang_up(near);
    desk.app.skip_to("206 IDLE");
    desk.nothing_is_left();
}

#[test]
fn a_phone_joins_by_calling_the_line_in_its_own_name() {
    let mut desk = Desk::with_joining();
    let (near, at_ada) = desk.talking();
    let at_dan = desk.dan.with(|phone| phone.call_as("250", "250")).unwrap();
    desk.dan.connected(at_dan);
    desk.app.expect(&[
        "204/2 NEW OWNER",
        "204/2 DIALING OWNER",
        "204/2 PROCEEDING",
        "204/2 INFO CALLID",
        "204 IDLE",
        "204/2 CONNECTED ACTIVE",
        "204/2 INFO CONNECTEDID",
    ]);
    // The phone of one station holds: only that station is out, until the phone resumes.
    desk.ada.hold(at_ada);
    desk.app.expect(&["201 CONNECTED INACTIVE"]);
    desk.dan.hears(&desk.finn);
    desk.ada.resume(at_ada);
    desk.app.expect(&["201 CONNECTED ACTIVE"]);
    desk.dan.hang_up(at_dan);
    desk.app.expect(&["204/2 CONNECTED INACTIVE"]);
    desk.ada.hears(&desk.finn);
    desk.ada.hang_up(at_ada);
    desk.app.expect(&[
        "206 DISCONNECTED NORMAL",
        "206 IDLE",
        "201 IDLE",
        "204/2 DISCONNECTED NORMAL",
        "204/2 IDLE",
    ]);
    desk.finn.ended(near);
    desk.nothing_is_left();
}

#[test]
fn what_a_shared_address_can_do_is_told_truthfully() {
    for (desk, sharing) in [(Desk::open(), "BRIDGEDEXCL"), (Desk::with_joining(), "BRIDGEDSHARED")]
    {
        let mut desk = desk;
        let device = desk.ask("lineGetID", json!({"hLine": desk.lines[1], "select": "LINECALLSELECT_LINE", "deviceClass": "tapi/line"}));
        let device = device["deviceId"].as_u64().expect("a device");
        let caps = desk.ask("lineGetDevCaps", json!({"deviceId": device}));
        assert_eq!(caps["numAddresses"], 2);
        let own = desk.ask("lineGetAddressCaps", json!({"deviceId": device, "addressId": 0}));
        assert_eq!(
            (&own["address"], &own["addressSharing"]),
            (&json!("204"), &json!("LINEADDRESSSHARING_PRIVATE"))
        );
        assert!(!words(&own["connectedModes"]).contains(&"INACTIVE".to_owned()));
        let shared = desk.ask("lineGetAddressCaps", json!({"deviceId": device, "addressId": 1}));
        assert_eq!(
            (&shared["address"], &shared["addressSharing"]),
            (&json!("250"), &json!(format!("LINEADDRESSSHARING_{sharing}")))
        );
        assert_eq!(
            words(&shared["connectedModes"]),
            ["ACTIVE", "INACTIVE", "ACTIVEHELD", "INACTIVEHELD"]
        );
        assert_eq!(words(&shared["offeringModes"]), ["ACTIVE", "INACTIVE"]);
        let held = words(&shared["addressFeatures"]).contains(&"PICKUPHELD".to_owned());
        assert_eq!(held, sharing == "BRIDGEDEXCL");
        assert!(!words(&shared["callFeatures"]).contains(&"SETUPCONF".to_owned()));
        assert_eq!(
            desk.app.refusal("lineGetAddressCaps", json!({"deviceId": device, "addressId": 2})),
            "INVALADDRESSID"
        );
        let line = desk.lines[1];
        for wish in [json!({"destAddress": "201"}), json!({"groupId": "10"})] {
            let mut wish = wish;
            wish["hLine"] = json!(line);
            wish["addressId"] = json!(1);
            assert_eq!(desk.app.refusal("linePickup", wish), "OPERATIONUNAVAIL");
        }
        desk.nothing_is_left();
    }
}

#[test]
fn members_that_do_not_ring_see_the_call_and_an_application_makes_them_answer() {
    let mut desk = Desk::open();
    let (status, _) = tests::program::http(
        desk.program.api,
        "PUT",
        "/api/v1/lines/204/dnd",
        Some(tests::program::TOKEN),
        "{\"enabled\": true}",
    );
    assert_eq!(status, 200);
    let near = desk.finn.call("250");
    let at_ada = desk.ada.incoming();
    desk.app.expect(&[
        "206 NEW OWNER",
        "206 DIALING OWNER",
        "206 PROCEEDING",
        "201 NEW OWNER",
        "201 OFFERING ACTIVE OWNER",
        "204 NEW OWNER",
        "204 OFFERING INACTIVE OWNER",
        "206 RINGBACK",
    ]);
    assert!(desk.features("204").contains(&"ANSWER".to_owned()));
    desk.tell("lineAnswer", "204");
    desk.app.expect(&[
        "REPLY 0",
        "204 CONNECTED ACTIVE",
        "201 CONNECTED INACTIVE",
        "206 CONNECTED ACTIVE",
        "206 INFO CONNECTEDID",
        "204 INFO CONNECTEDID",
    ]);
    desk.ada.ended(at_ada);
    desk.dan.hears(&desk.finn);
    desk.finn.hang_up(near);
    desk.app.skip_to("206 IDLE");
    desk.nothing_is_left();
}

#[test]
fn a_shared_line_is_forwarded_for_all_its_members() {
    let mut desk = Desk::open();
    for line in desk.lines {
        let wish =
            json!({"hLine": line, "lineStates": [], "addressStates": ["LINEADDRESSSTATE_FORWARD"]});
        desk.ask("lineSetStatusMessages", wish);
    }
    let ben = desk.program.live_phone("202");
    let list = json!([{"forwardMode": "LINEFORWARDMODE_UNCOND", "destAddress": "202"}]);
    let line = desk.lines[0];
    desk.ask("lineForward", json!({"hLine": line, "addressId": 1, "forwardList": list}));
    desk.app.expect(&["REPLY 0", "201 ADDRESS FORWARD", "204 ADDRESS FORWARD"]);
    let near = desk.finn.call("250");
    let far = ben.incoming();
    desk.app.skip_to("206 RINGBACK");
    ben.answer(far);
    desk.finn.connected(near);
    assert_eq!(desk.info("206")["redirectingId"], "250");
    desk.finn.hang_up(near);
    desk.app.skip_to("206 IDLE");
    // Its own number still reaches the member; then the other member takes the forwarding away.
    let own = desk.finn.call("201");
    let at_ada = desk.ada.incoming();
    desk.finn.hang_up(own);
    desk.ada.ended(at_ada);
    desk.app.skip_to("206/2 IDLE");
    let line = desk.lines[1];
    desk.ask("lineForward", json!({"hLine": line, "addressId": 1, "forwardList": []}));
    desk.app.expect(&["REPLY 0", "201 ADDRESS FORWARD", "204 ADDRESS FORWARD"]);
    desk.nothing_is_left();
}

#[test]
fn a_shared_line_has_as_many_calls_as_an_address_may_have_and_one_more_is_busy() {
    let few = |text: String| text.replace("max_calls = 4", "max_calls = 1");
    let mut desk = Desk::of(Program::with(office(few)));
    let (near, _) = desk.talking();
    assert!(!desk.address_features(1, 1).contains(&"MAKECALL".to_owned()));
    let line = desk.lines[1];
    let wish = json!({"hLine": line, "destAddress": "206", "callParams": {"addressId": 1}});
    assert_eq!(desk.app.refusal("lineMakeCall", wish), "CALLUNAVAIL");
    desk.dan.with(|phone| phone.call_as("250", "206"));
    assert_eq!(desk.dan.failed().0, 486);
    let outsider = desk.program.live_phone("205");
    outsider.call("250");
    assert_eq!(outsider.failed().0, 486);
    desk.finn.hang_up(near);
    desk.app.skip_to("206 IDLE");
    desk.nothing_is_left();
}

#[test]
fn the_program_shows_shared_lines() {
    let mut desk = Desk::open();
    let (near, _) = desk.held();
    let said = |arguments: &[&str]| {
        let output = desk.program.command(arguments);
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let lines = said(&["lines"]);
    let row = lines.lines().find(|row| row.starts_with("201")).unwrap();
    assert!(row.contains("250 BRIDGEDEXCL"), "{lines}");
    let calls = said(&["calls"]);
    assert_eq!(
        calls.lines().filter(|row| row.contains(" 250 ") && row.contains("ONHOLD")).count(),
        2,
        "{calls}"
    );
    desk.finn.hang_up(near);
    desk.app.skip_to("206 IDLE");
    desk.nothing_is_left();
}

#[test]
fn a_phone_that_refuses_leaves_the_call_to_the_other_members() {
    let mut desk = Desk::open();
    let (near, at_ada, at_dan) = desk.ringing();
    desk.ada.reject(at_ada, 486);
    desk.app.expect(&["201 DISCONNECTED BUSY", "201 IDLE"]);
    desk.dan.answer(at_dan);
    desk.app.expect(&[
        "204 CONNECTED ACTIVE",
        "206 CONNECTED ACTIVE",
        "206 INFO CONNECTEDID",
        "204 INFO CONNECTEDID",
        "201/2 NEW OWNER",
        "201/2 CONNECTED INACTIVE OWNER",
    ]);
    desk.finn.hang_up(near);
    desk.app.skip_to("206 IDLE");
    desk.nothing_is_left();
}

#[test]
fn a_phone_that_does_not_come_leaves_the_held_call_where_it_is() {
    let program = Program::start();
    let busy = Behaviour { refuses_with: Some(486), ..Behaviour::default() };
    let [ada, finn] = ["201", "206"].map(|line| program.live_phone(line));
    let dan = program.live_phone("204");
    let mut app = program.application("desk");
    let lines = ["201", "204", "206"].map(|line| app.open(line));
    let mut desk = Desk { ada, dan, finn, app, lines, program };
    let (near, at_ada) = desk.held();
    desk.dan.with(|phone| *phone.behaviour() = busy);
    desk.tell("lineUnhold", "204");
    desk.app.expect(&["REPLY OPERATIONFAILED"]);
    let line = desk.lines[1];
    desk.ask("linePickup", json!({"hLine": line, "addressId": 1}));
    desk.app.expect(&["REPLY OPERATIONFAILED"]);
    desk.ada.resume(at_ada);
    desk.app.expect(&["201 CONNECTED ACTIVE", "204 CONNECTED INACTIVE", "206 CONNECTED ACTIVE"]);
    desk.ada.hears(&desk.finn);
    desk.finn.hang_up(near);
    desk.app.skip_to("206 IDLE");
    desk.nothing_is_left();
}
