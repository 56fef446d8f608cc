//! What goes along with a call: user-user information, call data, wishes of the caller, security,
//! identities, and whose call it is; on the real program with real phones, from both ends.

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
use tests::program::{Application, LivePhone, Program};

const UUI: &str = "User-to-User";
const HELLO: &str = "68656c6c6f;encoding=hex";

/// An office with three phones and an application that owns and monitors their lines.
struct Desk {
    a: LivePhone,
    b: LivePhone,
    c: LivePhone,
    app: Application,
    lines: [u64; 3],
    program: Program,
}

impl Desk {
    fn new() -> Desk {
        let program = Program::start();
        // Ada's phone answers what an application makes, the others are answered by hand.
        let by_hand = || Behaviour { auto_answers: false, ..Behaviour::default() };
        let a = program.live_phone("201");
        let b = program.live_phone_with("202", by_hand());
        let c = program.live_phone_with("203", by_hand());
        let mut app = program.application("desk");
        let lines = ["201", "202", "203"].map(|line| app.open(line));
        Desk { a, b, c, app, lines, program }
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        let answer = self.app.call(method, params.clone());
        answer.unwrap_or_else(|error| panic!("{method} {params}: {error}"))
    }

    /// A function on a call, carried out before this returns.
    fn done(&mut self, method: &str, call: &str, more: Value) -> Value {
        let mut params = json!({"hCall": self.app.handle(call), "wait": true});
        for (name, value) in more.as_object().unwrap() {
            params[name] = value.clone();
        }
        self.ask(method, params)
    }

    fn make_call(&mut self, number: &str, wishes: Value) {
        let line = self.lines[0];
        let params = json!({"hLine": line, "destAddress": number, "callParams": wishes});
        self.ask("lineMakeCall", params);
    }

    fn info(&mut self, call: &str, field: &str) -> Value {
        let handle = self.app.handle(call);
        self.ask("lineGetCallInfo", json!({"hCall": handle}))[field].clone()
    }

    /// Number and flags of a party of a call.
    fn party(&mut self, call: &str, party: &str) -> (String, Vec<String>) {
        let number = self.info(call, party).as_str().unwrap_or_default().to_owned();
        let flags = self.info(call, &format!("{party}Flags"));
        let flags = flags.as_array().unwrap().iter().map(|flag| flag.as_str().unwrap());
        let flags = flags.map(|flag| flag.trim_start_matches("LINECALLPARTYID_").to_owned());
        (number, flags.collect())
    }

    fn numbers(&mut self, call: &str) -> Vec<String> {
        ["callerId", "calledId", "connectedId", "redirectingId", "redirectionId"]
            .map(|party| self.party(call, party).0)
            .to_vec()
    }

    /// 201 has dialled 202 by hand, and 202 has answered by hand.
    fn talking(&mut self) -> (LegId, LegId) {
        let near = self.a.call("202");
        let far = self.b.incoming();
        self.b.answer(far);
        self.a.connected(near);
        self.b.connected(far);
        self.app.skip_to("202 INFO CONNECTEDID");
        (near, far)
    }

    fn no_call_is_left(mut self) {
        for line in self.lines {
            let status = self.ask("lineGetAddressStatus", json!({"hLine": line, "addressId": 0}));
            let counts = ["numActiveCalls", "numOnHoldCalls", "numOnHoldPendCalls"];
            assert!(counts.iter().all(|count| status[*count] == 0), "{status}");
        }
        self.program.until("/api/v1/calls", |answer| answer["items"] == json!([]));
        self.program.until("/api/v1/media", |answer| answer["items"] == json!([]));
    }
}

#[test]
fn what_phones_send_each_other_reaches_the_other_phone_and_its_applications() {
    let mut desk = Desk::new();
    desk.a.with(|phone| phone.attach(UUI, HELLO));
    desk.b.with(|phone| phone.attach(UUI, "\"it rings\";purpose=crm"));
    let near = desk.a.call("202");
    let far = desk.b.incoming();
    assert_eq!(desk.b.user_info(far), HELLO);
    assert_eq!(desk.a.user_info(near), "\"it rings\";purpose=crm");
    desk.app.expect(&[
        "201 NEW OWNER",
        "201 DIALING OWNER",
        "201 PROCEEDING",
        "202 NEW OWNER",
        "202 OFFERING ACTIVE OWNER",
        "201 INFO USERUSERINFO",
        "201 RINGBACK",
    ]);
    assert_eq!(desk.info("202", "userUserInfo"), "hello");
    assert_eq!(desk.info("201", "userUserInfo"), "it rings");
    desk.done("lineReleaseUserUserInfo", "201", json!({}));
    desk.b.with(|phone| phone.attach(UUI, "616e73776572"));
    desk.b.answer(far);
    assert_eq!(desk.a.user_info(near), "616e73776572");
    desk.app.expect(&["201 INFO USERUSERINFO", "202 CONNECTED ACTIVE", "201 CONNECTED ACTIVE"]);
    assert_eq!(desk.info("201", "userUserInfo"), "answer");
    desk.app.skip_to("202 INFO CONNECTEDID");
    desk.a.connected(near);
    desk.b.connected(far);
    // What is stored is not overwritten before it is released.
    desk.a.with(|phone| {
        phone.attach(UUI, "6e657874");
        phone.inform(near);
    });
    assert_eq!(desk.b.user_info(far), "6e657874");
    desk.app.expect_silence();
    assert_eq!(desk.info("202", "userUserInfo"), "hello");
    desk.done("lineReleaseUserUserInfo", "202", json!({}));
    desk.app.expect(&["202 INFO USERUSERINFO"]);
    assert_eq!(desk.info("202", "userUserInfo"), "next");
    desk.done("lineReleaseUserUserInfo", "201", json!({}));
    desk.b.with(|phone| phone.attach(UUI, HELLO));
    desk.b.hang_up(far);
    assert_eq!(desk.a.user_info(near), HELLO);
    desk.a.ended(near);
    desk.app.expect(&["201 INFO USERUSERINFO", "201 DISCONNECTED NORMAL", "201 IDLE", "202 IDLE"]);
    desk.no_call_is_left();
}

#[test]
fn what_an_application_sends_reaches_the_other_phone_and_its_applications() {
    let mut desk = Desk::new();
    desk.make_call("202", json!({"userUserInfo": "hello"}));
    let far = desk.b.incoming();
    assert_eq!(desk.b.user_info(far), HELLO);
    desk.app.skip_to("201 RINGBACK");
    assert_eq!(desk.info("202", "userUserInfo"), "hello");
    let own = desk.a.incoming();
    desk.done("lineSendUserUserInfo", "202", json!({"userUserInfo": "soon"}));
    assert_eq!(desk.a.user_info(own), "736f6f6e;encoding=hex");
    desk.app.expect(&["201 INFO USERUSERINFO"]);
    assert_eq!(desk.info("201", "userUserInfo"), "soon");
    desk.done("lineReleaseUserUserInfo", "201", json!({}));
    desk.done("lineAnswer", "202", json!({"userUserInfo": "here"}));
    desk.app.skip_to("201 INFO USERUSERINFO");
    desk.app.skip_to("202 INFO CONNECTEDID");
    assert_eq!(desk.info("201", "userUserInfo"), "here");
    desk.done("lineReleaseUserUserInfo", "202", json!({}));
    desk.done("lineSendUserUserInfo", "201", json!({"userUserInfo": "hello"}));
    assert_eq!(desk.b.user_info(far), HELLO);
    desk.app.expect(&["202 INFO USERUSERINFO"]);
    desk.done("lineReleaseUserUserInfo", "202", json!({}));
    let parting = json!({"hCall": desk.app.handle("201"), "userUserInfo": "soon"});
    desk.ask("lineDrop", parting);
    assert_eq!(desk.b.user_info(far), "736f6f6e;encoding=hex");
    desk.app.expect(&[
        "REPLY 0",
        "202 INFO USERUSERINFO",
        "201 IDLE",
        "202 DISCONNECTED NORMAL",
        "202 IDLE",
    ]);
    desk.no_call_is_left();
}

#[test]
fn a_ringing_call_carries_information_both_ways_and_a_refusal_back() {
    let mut desk = Desk::new();
    let near = desk.a.call("202");
    let far = desk.b.incoming();
    desk.a.rings_there();
    desk.app.skip_to("201 RINGBACK");
    desk.done("lineSendUserUserInfo", "202", json!({"userUserInfo": "hello"}));
    assert_eq!(desk.a.user_info(near), HELLO, "a provisional response");
    desk.app.expect(&["201 INFO USERUSERINFO"]);
    desk.done("lineSendUserUserInfo", "201", json!({"userUserInfo": "hello"}));
    assert_eq!(desk.b.user_info(far), HELLO, "INFO");
    desk.app.expect(&["202 INFO USERUSERINFO"]);
    desk.done("lineReleaseUserUserInfo", "201", json!({}));
    let refusal = json!({"hCall": desk.app.handle("202"), "userUserInfo": "soon"});
    desk.ask("lineDrop", refusal);
    assert_eq!(desk.a.user_info(near), "736f6f6e;encoding=hex");
    assert_eq!(desk.a.failed().0, 603);
    desk.app.expect(&["REPLY 0", "201 INFO USERUSERINFO", "202 IDLE", "201 DISCONNECTED REJECT"]);
}

#[test]
fn call_data_are_seen_on_both_lines_and_stay_with_a_transferred_call() {
    let mut desk = Desk::new();
    let (near, far) = desk.talking();
    let params = json!({"hCall": desk.app.handle("202"), "callData": "ticket 5"});
    desk.ask("lineSetCallData", params);
    desk.app.expect(&["REPLY 0", "202 INFO CALLDATA", "201 INFO CALLDATA"]);
    assert_eq!(desk.info("201", "callData"), "ticket 5");
    desk.done("lineBlindTransfer", "202", json!({"destAddress": "203"}));
    let target = desk.c.incoming();
    desk.app.skip_to("203 OFFERING ACTIVE OWNER");
    assert_eq!(desk.info("203", "callData"), "ticket 5");
    assert_eq!(desk.info("203", "reason"), "LINECALLREASON_TRANSFER");
    assert_eq!(desk.numbers("203"), ["201", "202", "", "202", "203"]);
    desk.c.answer(target);
    desk.c.connected(target);
    desk.c.hears(&desk.a);
    desk.app.skip_to("203 INFO CONNECTEDID");
    assert_eq!(desk.numbers("203"), ["201", "202", "201", "202", "203"]);
    assert_eq!(desk.numbers("201"), ["201", "202", "203", "202", "203"]);
    assert_eq!(desk.info("201", "callId"), desk.info("203", "callId"));
    desk.b.ended(far);
    desk.a.hang_up(near);
    desk.c.ended(target);
    desk.no_call_is_left();
}

#[test]
fn call_data_of_the_consultation_come_along_when_the_transferred_call_has_none() {
    let mut desk = Desk::new();
    let (near, _) = desk.talking();
    let setup =
        desk.done("lineSetupTransfer", "202", json!({"callParams": {"callData": "case 7"}}));
    let consult = setup["hConsultCall"].as_u64().unwrap();
    desk.ask("lineDial", json!({"hCall": consult, "destAddress": "203", "wait": true}));
    let target = desk.c.incoming();
    desk.app.skip_to("203 OFFERING ACTIVE OWNER");
    assert_eq!(desk.info("203", "callData"), "case 7");
    desk.c.answer(target);
    desk.c.connected(target);
    desk.app.skip_to("203 INFO CONNECTEDID");
    let complete = json!({"hConsultCall": consult, "transferMode": "LINETRANSFERMODE_TRANSFER"});
    desk.done("lineCompleteTransfer", "202", complete);
    desk.app.skip_to("201 INFO CALLDATA");
    desk.a.hears(&desk.c);
    assert_eq!(desk.info("201", "callData"), "case 7");
    assert_eq!(desk.info("203", "callData"), "case 7");
    desk.app.skip_to("201 INFO RELATEDCALLID|REDIRECTIONID|REDIRECTINGID");
    desk.app.skip_to("203 INFO CONNECTEDID");
    assert_eq!(desk.numbers("203"), ["201", "203", "201", "202", "203"]);
    assert_eq!(desk.numbers("201"), ["201", "202", "203", "202", "203"]);
    desk.a.hang_up(near);
    desk.c.ended(target);
}

#[test]
fn call_data_and_parties_stay_with_a_parked_and_with_a_picked_up_call() {
    let mut desk = Desk::new();
    desk.talking();
    desk.done("lineSetCallData", "202", json!({"callData": "ticket 6"}));
    let park = json!({"parkMode": "LINEPARKMODE_DIRECTED", "dirAddress": "705"});
    desk.done("linePark", "202", park);
    let leg = desk.c.call("705");
    desk.c.connected(leg);
    desk.app.skip_to("203 INFO CONNECTEDID");
    assert_eq!(desk.info("203", "callData"), "ticket 6");
    assert_eq!(desk.info("203", "reason"), "LINECALLREASON_UNPARK");
    assert_eq!(desk.numbers("203"), ["201", "202", "201", "202", "203"]);
    desk.c.hang_up(leg);
    desk.app.skip_to("203 IDLE");
    let near = desk.a.call("202");
    desk.b.incoming();
    desk.app.skip_to("201/2 RINGBACK");
    desk.done("lineSetCallData", "201/2", json!({"callData": "ticket 7"}));
    let taken = desk.c.call("**202");
    desk.c.connected(taken);
    desk.a.connected(near);
    desk.app.skip_to("203/2 INFO CONNECTEDID");
    assert_eq!(desk.info("203/2", "callData"), "ticket 7");
    assert_eq!(desk.info("203/2", "reason"), "LINECALLREASON_PICKUP");
    assert_eq!(desk.numbers("203/2"), ["201", "202", "201", "202", "203"]);
    desk.a.hang_up(near);
    desk.c.ended(taken);
}

#[test]
fn a_secure_call_is_not_disturbed_and_the_line_is_busy_for_others() {
    let mut desk = Desk::new();
    let (near, far) = desk.talking();
    let secure = json!({"hCall": desk.app.handle("201")});
    desk.ask("lineSecureCall", secure);
    desk.app.expect(&["REPLY 0", "201 INFO OTHER"]);
    assert_eq!(desk.info("201", "callParamFlags"), json!(["LINECALLPARAMFLAGS_SECURE"]));
    desk.c.call("201");
    assert_eq!(desk.c.failed().0, 486);
    // The other end is not: it may be called, and the secure call ends like any other.
    let waiting = desk.c.call("202");
    desk.b.incoming();
    desk.c.hang_up(waiting);
    desk.a.hang_up(near);
    desk.b.ended(far);
    desk.app.skip_to("201 IDLE");
    let again = desk.c.call("201");
    desk.a.incoming();
    desk.c.hang_up(again);
}

#[test]
fn a_call_can_be_made_secure_from_the_beginning() {
    let mut desk = Desk::new();
    desk.make_call("202", json!({"callParamFlags": ["LINECALLPARAMFLAGS_SECURE"]}));
    desk.b.incoming();
    desk.app.skip_to("201 RINGBACK");
    assert_eq!(desk.info("201", "callParamFlags"), json!(["LINECALLPARAMFLAGS_SECURE"]));
    desk.c.call("201");
    assert_eq!(desk.c.failed().0, 486);
    desk.done("lineDrop", "201", json!({}));
}

#[test]
fn whoever_hides_is_anonymous_to_the_other_phone_and_blocked_to_its_applications() {
    let mut desk = Desk::new();
    desk.make_call("202", json!({"callParamFlags": ["LINECALLPARAMFLAGS_BLOCKID"]}));
    let (far, from) = desk.b.incoming_from();
    assert!(from.starts_with("\"Anonymous\" <sip:anonymous@anonymous.invalid>"), "{from}");
    desk.app.skip_to("201 RINGBACK");
    let blocked = (String::new(), vec!["BLOCKED".to_owned()]);
    assert_eq!(desk.party("202", "callerId"), blocked);
    assert_eq!(desk.party("201", "callerId").0, "201", "the own line knows who it is");
    desk.b.answer(far);
    desk.b.connected(far);
    desk.app.skip_to("202 INFO CONNECTEDID");
    assert_eq!(desk.party("202", "connectedId"), blocked);
    assert_eq!(desk.party("201", "connectedId").0, "202");
    desk.done("lineDrop", "201", json!({}));
    desk.b.ended(far);
    desk.app.skip_to("202 IDLE");
    // The same, wished by the phone (RFC 3323).
    desk.a.with(|phone| phone.attach("Privacy", "id"));
    let near = desk.a.call("202");
    let (_, from) = desk.b.incoming_from();
    assert!(from.starts_with("\"Anonymous\""), "{from}");
    desk.app.skip_to("202/2 OFFERING ACTIVE OWNER");
    assert_eq!(desk.party("202/2", "callerId"), blocked);
    desk.a.hang_up(near);
}

#[test]
fn an_attempt_ends_when_nobody_answers_for_as_long_as_the_application_waits() {
    let mut desk = Desk::new();
    desk.make_call("202", json!({"noAnswerTimeout": 1}));
    let far = desk.b.incoming();
    desk.app.skip_to("201 RINGBACK");
    desk.app.expect(&["202 DISCONNECTED CANCELLED", "202 IDLE", "201 DISCONNECTED NOANSWER"]);
    desk.b.ended(far);
    desk.done("lineDrop", "201", json!({}));
    desk.no_call_is_left();
}

#[test]
fn a_called_phone_is_taken_off_hook_where_the_application_wishes_it() {
    let mut desk = Desk::new();
    desk.b.with(|phone| phone.behaviour().auto_answers = true);
    desk.make_call("202", json!({"callParamFlags": ["LINECALLPARAMFLAGS_DESTOFFHOOK"]}));
    desk.app.skip_to("202 INFO CONNECTEDID");
    desk.a.hears(&desk.b);
    desk.done("lineDrop", "201", json!({}));
    desk.no_call_is_left();
}

#[test]
fn texts_of_the_call_parameters_and_the_parameters_themselves_are_in_the_information() {
    let mut desk = Desk::new();
    desk.make_call(
        "202",
        json!({
            "displayableAddress": "Ben, desk 4", "calledParty": "Ben", "comment": "invoice",
            "callData": "ticket 8", "bearerMode": "LINEBEARERMODE_SPEECH",
            "addressMode": "LINEADDRESSMODE_DIALABLEADDR", "origAddress": "201",
        }),
    );
    desk.b.incoming();
    desk.app.skip_to("201 RINGBACK");
    for (field, value) in [
        ("displayableAddress", "Ben, desk 4"),
        ("calledParty", "Ben"),
        ("comment", "invoice"),
        ("callData", "ticket 8"),
        ("bearerMode", "LINEBEARERMODE_SPEECH"),
    ] {
        assert_eq!(desk.info("201", field), value);
    }
    assert_eq!(desk.info("202", "callData"), "ticket 8");
    let params = json!({"hCall": desk.app.handle("201"), "bearerMode": "LINEBEARERMODE_VOICE",
        "dialParams": {"dialPause": 500}});
    desk.ask("lineSetCallParams", params);
    desk.app.expect(&["REPLY 0", "201 INFO BEARERMODE|DIALPARAMS"]);
    assert_eq!(desk.info("201", "dialParams")["dialPause"], 500);
    desk.done("lineDrop", "201", json!({}));
}

#[test]
fn a_call_is_handed_to_an_application_by_name_and_by_media_mode() {
    let mut desk = Desk::new();
    let mut crm = desk.program.application("crm.exe");
    crm.open("201");
    let mut watcher = desk.program.application("watcher");
    watcher.open_for("201", &["MONITOR"]);
    desk.talking();
    crm.skip_to("201 INFO CONNECTEDID");
    watcher.skip_to("201 INFO CONNECTEDID");
    let call = desk.app.handle("201");
    let hand = |to: Value| json!({"hCall": call, "fileName": to});
    let voice = json!({"hCall": call, "mediaMode": ["LINEMEDIAMODE_INTERACTIVEVOICE"]});
    assert_eq!(desk.app.refusal("lineHandoff", hand(json!("nobody"))), "TARGETNOTFOUND");
    assert_eq!(desk.app.refusal("lineHandoff", hand(json!("watcher"))), "TARGETNOTFOUND");
    assert_eq!(desk.app.refusal("lineHandoff", voice.clone()), "TARGETSELF");
    desk.ask("lineHandoff", hand(json!("CRM.EXE")));
    crm.expect(&["201 CONNECTED ACTIVE OWNER"]);
    watcher.expect(&["201 INFO NUMOWNERINCR|NUMMONITORS"]);
    // The giver stays an owner until it steps down.
    let monitor = json!({"hCall": call, "callPrivilege": "LINECALLPRIVILEGE_MONITOR"});
    desk.ask("lineSetCallPrivilege", monitor);
    watcher.expect(&["201 INFO NUMOWNERDECR|NUMMONITORS"]);
    assert_eq!(desk.app.refusal("lineHold", json!({"hCall": call})), "NOTOWNER");
    let of_crm = crm.handle("201");
    let back = json!({"hCall": of_crm, "mediaMode": ["LINEMEDIAMODE_INTERACTIVEVOICE"]});
    crm.call("lineHandoff", back).unwrap();
    desk.app.skip_to("201 CONNECTED ACTIVE OWNER");
    crm.call("lineDeallocateCall", json!({"hCall": of_crm})).unwrap();
    desk.done("lineDrop", "201", json!({}));
    desk.no_call_is_left();
}

#[test]
fn the_owners_own_number_and_the_media_mode_are_told_to_the_others() {
    let mut desk = Desk::new();
    let mut watcher = desk.program.application("watcher");
    watcher.open_for("201", &["MONITOR"]);
    desk.talking();
    watcher.skip_to("201 INFO CONNECTEDID");
    let call = desk.app.handle("201");
    desk.ask("lineSetAppSpecific", json!({"hCall": call, "appSpecific": 4711}));
    watcher.expect(&["201 INFO APPSPECIFIC"]);
    let params = json!({"hCall": watcher.handle("201")});
    assert_eq!(watcher.call("lineGetCallInfo", params).unwrap()["appSpecific"], 4711);
    let modes = json!({"hCall": call, "mediaModes": ["LINEMEDIAMODE_AUTOMATEDVOICE"]});
    desk.ask("lineSetMediaMode", modes);
    watcher.expect(&["201 INFO MEDIAMODE"]);
    desk.app.expect(&["201 INFO MEDIAMODE"]);
    desk.app.expect_silence();
}

#[test]
fn the_fewest_rings_that_any_application_asks_for_are_what_all_are_told() {
    let mut desk = Desk::new();
    let mut other = desk.program.application("answering machine");
    let theirs = other.open("201");
    let line = desk.lines[0];
    let rings = |app: &mut Application, line: u64| {
        let asked = json!({"hLine": line, "addressId": 0});
        app.call("lineGetNumRings", asked).unwrap()["numRings"].clone()
    };
    assert_eq!(rings(&mut desk.app, line), json!(u32::MAX));
    desk.ask("lineSetNumRings", json!({"hLine": line, "addressId": 0, "numRings": 4}));
    let fewer = json!({"hLine": theirs, "addressId": 0, "numRings": 2});
    other.call("lineSetNumRings", fewer).unwrap();
    assert_eq!(rings(&mut desk.app, line), 2);
    other.call("lineClose", json!({"hLine": theirs})).unwrap();
    assert_eq!(rings(&mut desk.app, line), 4);
}
