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
fn digits_are_converted_where_a_transfer_joins_legs_that_take_them_differently() {
    let only_voice = codecs(vec![Codec::pcmu()]);
    let mut desk = Desk::with(Behaviour::default(), only_voice);
    let c = desk.program.live_phone("203");
    let made = desk.ask("lineSetupTransfer", "201", json!({"wait": true}));
    let consult = made["hConsultCall"].clone();
    let dial = json!({"hCall": consult, "destAddress": "203", "wait": true});
    desk.app.call("lineDial", dial).unwrap();
    let third = c.incoming();
    c.answer(third);
    c.connected(third);
    c.hears(&desk.a);
    let transfer = json!({
        "hConsultCall": consult, "transferMode": "LINETRANSFERMODE_TRANSFER", "wait": true,
    });
    desk.ask("lineCompleteTransfer", "201", transfer);
    c.hears(&desk.b);
    desk.b.hears(&c);
    // 203 takes events, 202 sends none; the other way round INFO is all that 202 takes.
    assert_eq!(desk.b.info(desk.far, RELAY, "Signal=4\r\nDuration=160\r\n"), 200);
    c.hears_digits("4");
    c.press(third, "6");
    assert_eq!(desk.b.info_digit(), '6');
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
fn keys_in_the_voice_of_a_phone_without_events_are_heard_when_somebody_asks() {
    let only_voice = || codecs(vec![Codec::pcmu()]);
    let mut desk = Desk::with(only_voice(), only_voice());
    desk.monitor("202");
    desk.a.press_audibly(desk.near, "15#");
    for digit in ["1", "5", "#"] {
        let told = format!("202 MONITORDIGITS {digit} DTMF");
        desk.app.expect(&[&told, &format!("{told}END")]);
    }
    // A phone that says its key in the voice and by INFO has pressed it once.
    desk.a.press_audibly(desk.near, "7");
    desk.app.skip_to("202 MONITORDIGITS 7 DTMFEND");
    assert_eq!(desk.a.info(desk.near, RELAY, "Signal=7\r\nDuration=100\r\n"), 200);
    desk.app.expect_silence();
    desk.hang_up();
}

/// What busy and ringback tones are made of in the office's country, or by E.180.
const FIELD: &[u16] = &[425, 440];
const DTMF: &str = "LINEDIGITMODE_DTMF";

#[test]
fn generated_digits_reach_the_far_phone_as_events_and_its_call_too() {
    let mut desk = Desk::talking();
    desk.ask("lineMonitorDigits", "202", json!({"digitModes": DTMF}));
    desk.app.expect(&["202 INFO MONITORMODES"]);
    let digits = json!({"digitMode": DTMF, "digits": "12x,#", "duration": 60, "endToEndId": 7});
    assert_eq!(desk.ask("lineGenerateDigits", "201", digits), json!({}));
    desk.app.expect(&[
        "202 MONITORDIGITS 1 DTMF",
        "202 MONITORDIGITS 2 DTMF",
        "202 MONITORDIGITS # DTMF",
        "201 GENERATE DONE 7",
    ]);
    desk.b.hears_digits("12#");
    assert_eq!(desk.a.with(|phone| phone.digits().to_owned()), "");
    desk.b.hears(&desk.a);
    desk.hang_up();
}

#[test]
fn generated_digits_reach_a_phone_without_events_by_info() {
    let only_voice = || codecs(vec![Codec::pcmu()]);
    let mut desk = Desk::with(only_voice(), only_voice());
    let digits = json!({"digitMode": DTMF, "digits": "90", "duration": 60});
    desk.ask("lineGenerateDigits", "202", digits);
    assert_eq!((desk.a.info_digit(), desk.a.info_digit()), ('9', '0'));
    desk.app.expect(&["202 GENERATE DONE"]);
    desk.hang_up();
}

#[test]
fn a_newer_generation_an_abort_and_a_hold_cancel_what_is_being_sent() {
    let mut desk = Desk::talking();
    let long = |digits: &str| json!({"digitMode": DTMF, "digits": digits, "duration": 2_000});
    desk.ask("lineGenerateDigits", "201", long("111111"));
    desk.ask("lineGenerateTone", "201", json!({"toneMode": "LINETONEMODE_BUSY"}));
    desk.app.expect(&["201 GENERATE CANCEL"]);
    desk.b.hears_one_of(FIELD);
    desk.ask("lineGenerateTone", "201", json!({"toneMode": 0}));
    desk.app.expect(&["201 GENERATE CANCEL"]);
    desk.b.hears(&desk.a);
    desk.ask("lineGenerateDigits", "201", long("222222"));
    desk.ask("lineGenerateDigits", "201", json!({"digits": null}));
    desk.app.expect(&["201 GENERATE CANCEL"]);
    desk.ask("lineGenerateTone", "201", json!({"toneMode": "LINETONEMODE_RINGBACK"}));
    desk.a.hold(desk.near);
    desk.app.expect(&["201 GENERATE CANCEL", "201 ONHOLD", "202 CONNECTED ACTIVEHELD"]);
    desk.a.resume(desk.near);
    desk.app.expect(&["201 CONNECTED ACTIVE", "202 CONNECTED ACTIVE"]);
    desk.b.hears(&desk.a);
    desk.ask("lineGenerateTone", "201", json!({"toneMode": "LINETONEMODE_RINGBACK"}));
    desk.b.hang_up(desk.far);
    desk.app.skip_to("201 GENERATE CANCEL");
}

#[test]
fn tones_are_heard_as_they_were_asked_for_and_for_so_long() {
    let mut desk = Desk::talking();
    let custom = json!({
        "toneMode": "LINETONEMODE_CUSTOM", "duration": 1_000,
        "tones": [{"frequency": 600}, {"frequency": 1_500, "volume": 30_000}],
    });
    desk.ask("lineGenerateTone", "201", custom);
    desk.b.hears_frequencies(&[600, 1_500]);
    desk.app.expect(&["201 GENERATE DONE"]);
    desk.b.hears(&desk.a);
    for (mode, frequencies_hz) in [("BUSY", FIELD), ("RINGBACK", FIELD), ("BEEP", &[1_400])] {
        let tone = json!({"toneMode": format!("LINETONEMODE_{mode}"), "duration": 600});
        desk.ask("lineGenerateTone", "202", tone);
        desk.a.hears_one_of(frequencies_hz);
        desk.app.expect(&["202 GENERATE DONE"]);
    }
    // One cycle, without a duration.
    desk.ask("lineGenerateTone", "202", json!({"toneMode": "LINETONEMODE_BILLING"}));
    desk.app.expect(&["202 GENERATE DONE"]);
    desk.a.hears(&desk.b);
    desk.hang_up();
}

#[test]
fn tones_and_silence_that_were_listed_are_told_with_their_tags() {
    let mut desk = Desk::talking();
    let list = json!([
        {"appSpecific": 7, "duration": 300, "frequency1": 1_000},
        {"appSpecific": 8, "duration": 300, "frequency1": 350, "frequency2": 440},
    ]);
    desk.ask("lineMonitorTones", "202", json!({"toneList": list}));
    desk.app.expect(&["202 INFO MONITORMODES"]);
    desk.a.sound(desk.near, [1_000, 1_000], 40);
    desk.app.expect(&["202 MONITORTONE 7"]);
    desk.a.sound(desk.near, [350, 440], 40);
    desk.app.expect(&["202 MONITORTONE 8"]);
    desk.ask("lineMonitorTones", "202", json!({"toneList": null}));
    desk.app.expect(&["202 INFO MONITORMODES"]);
    desk.a.sound(desk.near, [1_000, 1_000], 40);
    desk.b.hears_frequencies(&[1_000]);
    desk.app.expect_silence();
    desk.hang_up();
}

#[test]
fn a_calling_fax_machine_is_told_to_who_monitors_media() {
    let mut desk = Desk::talking();
    desk.ask("lineMonitorMedia", "202", json!({"mediaModes": "LINEMEDIAMODE_G3FAX"}));
    desk.app.expect(&["202 INFO MONITORMODES"]);
    desk.a.sound(desk.near, [1_100, 1_100], 30);
    desk.app.expect(&["202 MONITORMEDIA G3FAX"]);
    // It is reported only: the call is what it was.
    let info = desk.ask("lineGetCallInfo", "202", json!({}));
    assert_eq!(info["mediaMode"], json!(["LINEMEDIAMODE_INTERACTIVEVOICE"]));
    assert_eq!(info["monitorMediaModes"], json!(["LINEMEDIAMODE_G3FAX"]));
    desk.ask("lineMonitorMedia", "202", json!({"mediaModes": 0}));
    desk.app.expect(&["202 INFO MONITORMODES"]);
    desk.hang_up();
}

#[test]
fn capabilities_say_what_can_be_heard_and_sent() {
    let mut desk = Desk::talking();
    let caps = desk.app.call("lineGetDevCaps", json!({"deviceId": 0})).unwrap();
    for (name, expected) in [
        ("monitorDigitModes", json!(BOTH)),
        ("generateDigitModes", json!([DTMF])),
        (
            "generateToneModes",
            json!([
                "LINETONEMODE_CUSTOM",
                "LINETONEMODE_RINGBACK",
                "LINETONEMODE_BUSY",
                "LINETONEMODE_BEEP",
                "LINETONEMODE_BILLING"
            ]),
        ),
        ("generateToneMaxNumFreq", json!(4)),
        ("monitorToneMaxNumFreq", json!(3)),
        ("monitorToneMaxNumEntries", json!(16)),
        ("gatherDigitsMinTimeout", json!(100)),
        ("gatherDigitsMaxTimeout", json!(600_000)),
    ] {
        assert_eq!(caps[name], expected, "{name}");
    }
    let modes = caps["mediaModes"].as_array().unwrap();
    assert!(modes.contains(&json!("LINEMEDIAMODE_G3FAX")), "{modes:?}");
    let status = desk.ask("lineGetCallStatus", "202", json!({}));
    for feature in ["MONITORDIGITS", "MONITORTONES", "MONITORMEDIA", "GATHERDIGITS"] {
        let name = json!(format!("LINECALLFEATURE_{feature}"));
        assert!(status["callFeatures"].as_array().unwrap().contains(&name), "{feature}");
    }
    for feature in ["GENERATEDIGITS", "GENERATETONE"] {
        let name = json!(format!("LINECALLFEATURE_{feature}"));
        assert!(status["callFeatures"].as_array().unwrap().contains(&name), "{feature}");
    }
}

#[test]
fn the_shell_follows_digits_tones_and_media() {
    let mut desk = Desk::talking();
    let mut events = desk.program.follow(&["events", "--json"]);
    let (sender, seen) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let line = events.wait(|line| line.contains("LINE_MONITORDIGITS"));
        // Nobody waits any more if the test has failed.
        let _ = sender.send(line);
    });
    desk.monitor("202");
    // The follower may begin late: keys are pressed until it has seen one.
    let mut line = None;
    for _ in 0..40 {
        desk.a.press(desk.near, "5");
        desk.app.skip_to("202 MONITORDIGITS 5 DTMFEND");
        line = seen.try_recv().ok();
        if line.is_some() {
            break;
        }
    }
    let seen = line.expect("the shell shows a digit");
    let event: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!((&event["line"], &event["digit"]), (&json!("202"), &json!("5")));
}

#[test]
fn the_shell_sends_digits_into_a_call() {
    let desk = Desk::talking();
    let params = json!({"line": "201", "digitMode": DTMF, "digits": "12#"}).to_string();
    let output = desk.program.command(&["tapi", "lineGenerateDigits", &params]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    desk.b.hears_digits("12#");
}

#[test]
fn what_cannot_be_monitored_is_refused_in_the_documented_words() {
    let mut desk = Desk::talking();
    let many: Vec<Value> = (0..17).map(|tag| json!({"appSpecific": tag})).collect();
    let custom = |tones: Value| json!({"toneMode": "LINETONEMODE_CUSTOM", "tones": tones});
    for (method, more, error) in [
        ("lineMonitorDigits", json!({"digitModes": "LINEDIGITMODE_PULSE"}), "INVALDIGITMODE"),
        ("lineMonitorMedia", json!({"mediaModes": "LINEMEDIAMODE_TELETEX"}), "INVALMEDIAMODE"),
        ("lineMonitorTones", json!({"toneList": many}), "INVALTONE"),
        ("lineMonitorTones", json!({"toneList": [{"frequency1": 5_000}]}), "INVALTONE"),
        ("lineGenerateDigits", json!({"digitMode": 1, "digits": "1"}), "INVALDIGITMODE"),
        ("lineGenerateTone", json!({"toneMode": 0x20}), "INVALTONEMODE"),
        ("lineGenerateTone", custom(json!([])), "INVALTONE"),
        ("lineGenerateTone", custom(json!([{"frequency": 4_000}])), "INVALTONE"),
        ("lineGenerateTone", custom(json!(vec![json!({"frequency": 440}); 5])), "INVALTONE"),
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
