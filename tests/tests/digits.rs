//! Digits, tones and kinds of media on real sockets: what phones press reaches applications and the
//! far phone, what applications send is heard at the phones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed unwrap here is a failed test, which waits for real programs"
)]

use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use sip_stack::sdp::Codec;
use switch::phone::Behaviour;
use tests::program::{Application, LivePhone, Program};

const RELAY: &str = "application/dtmf-relay";
const BOTH: [&str; 2] = ["LINEDIGITMODE_DTMF", "LINEDIGITMODE_DTMFEND"];

/// 201 and 202 talk; an application has opened both lines.
struct Desk {
    a: LivePhone,
    b: LivePhone,
    near: LegId,
    far: LegId,
    app: Application,
    program: Program,
}

impl Desk {
    fn talking() -> Desk {
        Desk::with(Behaviour::default(), Behaviour::default())
    }

    fn with(one: Behaviour, other: Behaviour) -> Desk {
        let program = Program::start();
        let a = program.live_phone_with("201", one);
        let b = program.live_phone_with("202", other);
        let mut app = program.application("desk");
        for line in ["201", "202"] {
            app.open(line);
        }
        let near = a.call("202");
        let far = b.incoming();
        a.rings_there();
        b.answer(far);
        a.connected(near);
        b.connected(far);
        app.skip_to("202 INFO CONNECTEDID");
        a.hears(&b);
        b.hears(&a);
        Desk { a, b, near, far, app, program }
    }

    fn ask(&mut self, method: &str, call: &str, more: Value) -> Value {
        let mut params = json!({"hCall": self.app.handle(call)});
        for (name, value) in more.as_object().unwrap() {
            params[name] = value.clone();
        }
        let answer = self.app.call(method, params.clone());
        answer.unwrap_or_else(|error| panic!("{method} {params}: {error}"))
    }

    fn refused(&mut self, method: &str, call: &str, more: Value) -> String {
        let mut params = json!({"hCall": self.app.handle(call)});
        for (name, value) in more.as_object().unwrap() {
            params[name] = value.clone();
        }
        self.app.refusal(method, params)
    }

    fn monitor(&mut self, call: &str) {
        self.ask("lineMonitorDigits", call, json!({"digitModes": BOTH}));
        self.app.expect(&[&format!("{call} INFO MONITORMODES")]);
    }

    fn hang_up(mut self) {
        self.a.hang_up(self.near);
        self.b.ended(self.far);
        self.app.skip_to("201 IDLE");
        self.program.until("/api/v1/calls", |answer| answer["items"] == json!([]));
        self.program.until("/api/v1/media", |answer| answer["items"] == json!([]));
    }
}

fn codecs(codecs: Vec<Codec>) -> Behaviour {
    Behaviour { codecs, ..Behaviour::default() }
}

#[test]
fn keys_pressed_as_events_are_told_on_the_call_of_who_hears_them_and_reach_the_far_phone() {
    let mut desk = Desk::talking();
    desk.monitor("202");
    desk.a.press(desk.near, "5#");
    desk.app.expect(&[
        "202 MONITORDIGITS 5 DTMF",
        "202 MONITORDIGITS 5 DTMFEND",
        "202 MONITORDIGITS # DTMF",
        "202 MONITORDIGITS # DTMFEND",
    ]);
    desk.b.hears_digits("5#");
    // What 202 presses is heard by 201, whose call nobody monitors.
    desk.b.press(desk.far, "7");
    desk.a.hears_digits("7");
    desk.app.expect_silence();
    desk.hang_up();
}

#[test]
fn keys_sent_by_info_are_told_and_passed_on_as_they_came() {
    let mut desk = Desk::talking();
    desk.monitor("202");
    for (kind, body, digit) in [
        (RELAY, "Signal=5\r\nDuration=160\r\n", '5'),
        (RELAY, "Signal= 11\r\nDuration= 250\r\n", '#'),
        ("application/dtmf", "*", '*'),
    ] {
        assert_eq!(desk.a.info(desk.near, kind, body), 200, "{body:?}");
        let told = format!("202 MONITORDIGITS {digit} DTMF");
        desk.app.expect(&[&told, &format!("{told}END")]);
        assert_eq!(desk.b.info_digit(), digit);
    }
    desk.hang_up();
}

#[test]
fn an_info_that_says_no_key_is_400_and_one_of_another_type_is_415() {
    let mut desk = Desk::talking();
    desk.monitor("202");
    for (kind, body, status) in [
        (RELAY, "Duration=160\r\n", 400),
        (RELAY, "Signal=55\r\n", 400),
        ("application/dtmf", "none", 400),
        ("text/plain", "5", 415),
        ("application/media_control+xml", "<media_control/>", 200),
    ] {
        assert_eq!(desk.a.info(desk.near, kind, body), status, "{kind} {body:?}");
    }
    desk.app.expect_silence();
    desk.a.hears(&desk.b);
    desk.hang_up();
}

#[test]
fn a_key_that_a_phone_sends_in_two_ways_counts_once() {
    let mut desk = Desk::talking();
    desk.monitor("202");
    desk.a.press(desk.near, "5");
    desk.app.skip_to("202 MONITORDIGITS 5 DTMFEND");
    assert_eq!(desk.a.info(desk.near, RELAY, "Signal=5\r\nDuration=100\r\n"), 200);
    desk.app.expect_silence();
    assert_eq!(desk.a.info(desk.near, RELAY, "Signal=6\r\nDuration=100\r\n"), 200);
    desk.app.expect(&["202 MONITORDIGITS 6 DTMF", "202 MONITORDIGITS 6 DTMFEND"]);
    desk.hang_up();
}

#[test]
fn digits_are_gathered_to_each_of_their_ends() {
    let mut desk = Desk::talking();
    let gather = |more: Value| {
        let mut params = json!({"digitModes": "LINEDIGITMODE_DTMF", "numDigits": 3});
        for (name, value) in more.as_object().unwrap() {
            params[name] = value.clone();
        }
        params
    };
    desk.ask("lineGatherDigits", "202", gather(json!({})));
    desk.a.press(desk.near, "123");
    desk.app.expect(&["202 GATHERDIGITS 123 BUFFERFULL"]);
    desk.b.hears_digits("123");
    desk.ask("lineGatherDigits", "202", gather(json!({"terminationDigits": "#"})));
    assert_eq!(desk.a.info(desk.near, RELAY, "Signal=9\r\nDuration=160\r\n"), 200);
    assert_eq!(desk.a.info(desk.near, RELAY, "Signal=#\r\nDuration=160\r\n"), 200);
    desk.app.expect(&["202 GATHERDIGITS 9# TERMDIGIT"]);
    desk.ask("lineGatherDigits", "202", gather(json!({"firstDigitTimeout": 300})));
    desk.app.expect(&["202 GATHERDIGITS FIRSTTIMEOUT"]);
    desk.ask("lineGatherDigits", "202", gather(json!({"interDigitTimeout": 400})));
    desk.a.press(desk.near, "8");
    desk.app.expect(&["202 GATHERDIGITS 8 INTERTIMEOUT"]);
    desk.ask("lineGatherDigits", "202", gather(json!({})));
    desk.a.press(desk.near, "6");
    desk.b.hears_digits("12386");
    desk.ask("lineGatherDigits", "202", json!({"digits": null}));
    desk.app.expect(&["202 GATHERDIGITS 6 CANCEL"]);
    desk.ask("lineGatherDigits", "202", gather(json!({})));
    desk.a.hang_up(desk.near);
    desk.app.skip_to("202 GATHERDIGITS CANCEL");
}

#[test]
fn two_applications_monitor_and_each_stops_for_itself() {
    let mut desk = Desk::talking();
    let mut other = desk.program.application("other");
    let line = other.open_for("202", &["MONITOR"]);
    let select = "LINECALLSELECT_LINE";
    let params = json!({"hLine": line, "addressId": 0, "select": select});
    let calls = other.call("lineGetNewCalls", params).unwrap();
    let handle = calls["calls"][0].as_u64().unwrap();
    let params = json!({"hCall": handle, "digitModes": "LINEDIGITMODE_DTMF"});
    other.call("lineMonitorDigits", params).unwrap();
    desk.app.skip_to("202 INFO MONITORMODES");
    desk.monitor("202");
    desk.a.press(desk.near, "1");
    desk.app.expect(&["202 MONITORDIGITS 1 DTMF", "202 MONITORDIGITS 1 DTMFEND"]);
    let digit = |message: &Value| message["method"] == "LINE_MONITORDIGITS";
    assert_eq!(other.wait("the digit", digit)["params"]["digit"], "1");
    desk.ask("lineMonitorDigits", "202", json!({"digitModes": 0}));
    desk.app.expect(&["202 INFO MONITORMODES"]);
    desk.a.press(desk.near, "2");
    assert_eq!(other.wait("the digit", digit)["params"]["digit"], "2");
    desk.app.expect_silence();
    desk.hang_up();
}

#[test]
fn monitoring_pauses_on_hold_and_goes_along_with_a_transfer() {
    let mut desk = Desk::talking();
    let c = desk.program.live_phone("203");
    desk.monitor("202");
    desk.b.hold(desk.far);
    desk.app.expect(&["202 ONHOLD", "201 CONNECTED ACTIVEHELD"]);
    assert_eq!(desk.a.info(desk.near, RELAY, "Signal=1\r\nDuration=160\r\n"), 200);
    desk.app.expect_silence();
    desk.b.resume(desk.far);
    desk.app.expect(&["202 CONNECTED ACTIVE", "201 CONNECTED ACTIVE"]);
    desk.a.press(desk.near, "2");
    desk.app.expect(&["202 MONITORDIGITS 2 DTMF", "202 MONITORDIGITS 2 DTMFEND"]);
    desk.ask("lineBlindTransfer", "201", json!({"destAddress": "203"}));
    let third = c.incoming();
    c.answer(third);
    desk.app.skip_to("201 IDLE");
    c.hears(&desk.b);
    desk.b.hears(&c);
    c.press(third, "3");
    desk.app.skip_to("202 MONITORDIGITS 3 DTMFEND");
    c.hang_up(third);
    desk.b.ended(desk.far);
}

#[test]
fn a_leg_without_events_gets_digits_by_info_after_a_transfer() {
    let only_voice = codecs(vec![Codec::pcmu()]);
    let mut desk = Desk::with(Behaviour::default(), only_voice.clone());
    let c = desk.program.live_phone("203");
    desk.ask("lineBlindTransfer", "201", json!({"destAddress": "203"}));
    let third = c.incoming();
    c.answer(third);
    desk.app.skip_to("201 IDLE");
    c.hears(&desk.b);
    desk.b.hears(&c);
    assert_eq!(desk.b.info(desk.far, RELAY, "Signal=4\r\nDuration=160\r\n"), 200);
    assert_eq!(c.info_digit(), '4');
    c.hang_up(third);
    desk.b.ended(desk.far);
}

#[test]
fn a_number_is_dialled_by_the_keys_of_a_phone_that_hears_dial_tone() {
    let program = Program::start();
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let mut app = program.application("desk");
    let line = app.open("201");
    app.call("lineMakeCall", json!({"hLine": line, "destAddress": ""})).unwrap();
    app.expect(&["REPLY 0", "201 DIALTONE INTERNAL"]);
    let near = a.incoming();
    a.connected(near);
    a.hears_tone();
    a.press(near, "20");
    app.expect(&["201 DIALING"]);
    a.press(near, "2");
    app.expect(&["201 INFO CALLEDID", "201 PROCEEDING"]);
    let far = b.incoming();
    b.answer(far);
    app.skip_to("201 CONNECTED ACTIVE");
    a.hears(&b);
    b.hears(&a);
    a.hang_up(near);
    b.ended(far);
}

#[test]
fn what_cannot_be_monitored_is_refused_in_the_documented_words() {
    let mut desk = Desk::talking();
    for (method, more, error) in [
        ("lineMonitorDigits", json!({"digitModes": "LINEDIGITMODE_PULSE"}), "INVALDIGITMODE"),
        ("lineGatherDigits", json!({"digitModes": 1, "numDigits": 1}), "INVALDIGITMODE"),
        ("lineGatherDigits", json!({"digitModes": 2, "numDigits": 0}), "INVALPARAM"),
        (
            "lineGatherDigits",
            json!({"digitModes": 2, "numDigits": 1, "terminationDigits": "z"}),
            "INVALDIGITS",
        ),
        (
            "lineGatherDigits",
            json!({"digitModes": 2, "numDigits": 1, "firstDigitTimeout": 1}),
            "INVALTIMEOUT",
        ),
    ] {
        assert_eq!(desk.refused(method, "202", more), error, "{method}");
    }
    let handle = desk.app.handle("202");
    let mut other = desk.program.application("other");
    let line = other.open_for("202", &["MONITOR"]);
    let params = json!({"hLine": line, "addressId": 0, "select": "LINECALLSELECT_LINE"});
    let own = other.call("lineGetNewCalls", params).unwrap()["calls"][0].clone();
    let params = json!({"hCall": own, "digitModes": 2, "numDigits": 1});
    assert_eq!(other.refusal("lineGatherDigits", params), "NOTOWNER");
    desk.b.hold(desk.far);
    desk.app.skip_to("202 ONHOLD");
    let params = json!({"hCall": handle, "digitModes": 2, "numDigits": 1});
    assert_eq!(desk.app.refusal("lineGatherDigits", params), "INVALCALLSTATE");
}
