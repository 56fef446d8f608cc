//! Digits, tones and kinds of media: what phones press as events (RFC 4733), by INFO and in the voice is
//! told to who monitors or gathers; what an application generates is heard at the far phone.

use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use sip_stack::sdp::Codec;
use switch::phone::Behaviour;
use tests::program::LivePhone;
use tests::row::{Row, hear_each_other};

const LINES: [&str; 2] = ["201", "202"];
const DTMF: &str = "LINEDIGITMODE_DTMF";
const BOTH: [&str; 2] = ["LINEDIGITMODE_DTMF", "LINEDIGITMODE_DTMFEND"];
const RELAY: &str = "application/dtmf-relay";

struct Desk {
    row: Row,
    a: LivePhone,
    b: LivePhone,
    near: LegId,
    far: LegId,
}

fn talking(behaviour: fn() -> Behaviour) -> Desk {
    let mut row = Row::open(&LINES);
    let [a, b] = LINES.map(|line| row.program.live_phone_with(line, behaviour()));
    let (near, far) = row.talk(&a, &b);
    Desk { row, a, b, near, far }
}

impl Desk {
    fn ask(&mut self, method: &str, call: &str, more: Value) {
        let mut params = json!({"hCall": self.row.app.handle(call)});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.row.ask(method, params);
    }

    /// 202's call is monitored for what 201 presses.
    fn monitor(&mut self) {
        self.ask("lineMonitorDigits", "202", json!({"digitModes": BOTH}));
        self.row.told(&[("202", "202 INFO MONITORMODES")]);
    }

    fn digit_is_told(&mut self, digit: char) {
        let told = format!("202 MONITORDIGITS {digit} DTMF; 202 MONITORDIGITS {digit} DTMFEND");
        self.row.told(&[("202", &told)]);
    }

    /// The voice comes through as before; then 201 hangs up.
    fn end(self) {
        let Desk { mut row, a, b, near, far } = self;
        hear_each_other(&a, &b);
        a.hang_up(near);
        b.ended(far);
        row.told(&[("201", "201 IDLE"), ("202", "202 DISCONNECTED NORMAL; 202 IDLE")]);
        row.is_empty();
    }
}

/// Knows no telephone-events.
fn voice_only() -> Behaviour {
    Behaviour { codecs: vec![Codec::pcmu()], ..Behaviour::default() }
}

#[test]
fn a_phone_presses_keys_as_events_by_info_and_in_its_voice() {
    let mut desk = talking(Behaviour::default);
    desk.monitor();
    desk.a.press(desk.near, "5");
    desk.digit_is_told('5');
    desk.b.hears_digits("5");
    assert_eq!(desk.a.info(desk.near, RELAY, "Signal=#\r\nDuration=160\r\n"), 200);
    desk.digit_is_told('#');
    assert_eq!(desk.b.info_digit(), '#');
    // Nobody monitors what 202 presses.
    desk.b.press(desk.far, "7");
    desk.a.hears_digits("7");
    desk.end();
    let mut desk = talking(voice_only);
    desk.monitor();
    desk.a.press_audibly(desk.near, "3");
    desk.digit_is_told('3');
    desk.end();
}

#[test]
fn a_phone_presses_what_an_application_gathers() {
    let mut desk = talking(Behaviour::default);
    let gather = json!({"digitModes": DTMF, "numDigits": 4, "terminationDigits": "#"});
    desk.ask("lineGatherDigits", "202", gather.clone());
    desk.a.press(desk.near, "1234");
    desk.row.told(&[("202", "202 GATHERDIGITS 1234 BUFFERFULL")]);
    desk.ask("lineGatherDigits", "202", gather.clone());
    desk.a.press(desk.near, "9#");
    desk.row.told(&[("202", "202 GATHERDIGITS 9# TERMDIGIT")]);
    desk.b.hears_digits("12349#");
    desk.ask("lineGatherDigits", "202", gather);
    desk.ask("lineGatherDigits", "202", json!({"digits": null}));
    desk.row.told(&[("202", "202 GATHERDIGITS CANCEL")]);
    desk.end();
}

#[test]
fn a_phone_sounds_tones_and_fax_which_applications_listen_for() {
    let mut desk = talking(Behaviour::default);
    let list = json!([{"appSpecific": 7, "duration": 300, "frequency1": 1_000}]);
    desk.ask("lineMonitorTones", "202", json!({"toneList": list}));
    desk.row.told(&[("202", "202 INFO MONITORMODES")]);
    desk.a.sound(desk.near, [1_000, 1_000], 40);
    desk.row.told(&[("202", "202 MONITORTONE 7")]);
    desk.ask("lineMonitorMedia", "202", json!({"mediaModes": "LINEMEDIAMODE_G3FAX"}));
    desk.row.told(&[("202", "202 INFO MONITORMODES")]);
    desk.a.sound(desk.near, [1_100, 1_100], 30);
    desk.row.told(&[("202", "202 MONITORMEDIA G3FAX")]);
    desk.end();
}

#[test]
fn an_application_generates_digits_that_the_far_phone_and_its_applications_hear() {
    let mut desk = talking(Behaviour::default);
    desk.monitor();
    let digits = json!({"digitMode": DTMF, "digits": "1#", "duration": 60, "endToEndId": 7});
    desk.ask("lineGenerateDigits", "201", digits);
    desk.row.told(&[
        ("201", "201 GENERATE DONE 7"),
        (
            "202",
            "202 MONITORDIGITS 1 DTMF; 202 MONITORDIGITS 1 DTMFEND; \
             202 MONITORDIGITS # DTMF; 202 MONITORDIGITS # DTMFEND",
        ),
    ]);
    desk.b.hears_digits("1#");
    assert_eq!(desk.a.with(|phone| phone.digits().to_owned()), "");
    desk.end();
    // A phone that knows no events is told by INFO.
    let mut desk = talking(voice_only);
    desk.ask(
        "lineGenerateDigits",
        "202",
        json!({"digitMode": DTMF, "digits": "9", "duration": 60}),
    );
    assert_eq!(desk.a.info_digit(), '9');
    desk.row.told(&[("202", "202 GENERATE DONE")]);
    desk.end();
}

#[test]
fn an_application_generates_tones_to_their_end_and_until_it_changes_its_mind() {
    let mut desk = talking(Behaviour::default);
    let custom = json!({
        "toneMode": "LINETONEMODE_CUSTOM", "duration": 600, "tones": [{"frequency": 900}],
    });
    desk.ask("lineGenerateTone", "201", custom);
    desk.b.hears_frequencies(&[900]);
    desk.row.told(&[("201", "201 GENERATE DONE")]);
    desk.ask("lineGenerateTone", "201", json!({"toneMode": "LINETONEMODE_BUSY"}));
    desk.b.hears_one_of(&[425, 440]);
    desk.ask("lineGenerateTone", "201", json!({"toneMode": 0}));
    desk.row.told(&[("201", "201 GENERATE CANCEL")]);
    desk.end();
}
