//! Digits, tones and media.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap here is a failed test")]

mod kit;

use kit::Bench;
use serde_json::{Value, json};
use tapi::constant::{
    CallState as S, ConnectedMode, DigitMode, DisconnectMode, Mask, MediaMode, ToneMode,
};
use tapi::{CallKey, CallMode, GeneratedTone, Intent, LineErr, RequestKey, Tone};

const DTMF: &str = "LINEDIGITMODE_DTMF";

fn press(bench: &mut Bench, key: CallKey, digits: &str) {
    for digit in digits.chars() {
        let now_ms = bench.now_ms;
        bench.server.digit(now_ms, key, digit, DigitMode::Dtmf);
        bench.server.digit(now_ms, key, digit, DigitMode::DtmfEnd);
    }
}

fn detect(call: CallKey, digits: impl Into<Mask<DigitMode>>) -> Intent {
    Intent::Detect { call, digits: digits.into(), media: Mask::EMPTY, tones: Vec::new() }
}

#[test]
fn digits_go_to_the_applications_that_monitor_them() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    bench.monitor(2, "201");
    let (h_call, key) = bench.connected(1);
    bench.messages(2);
    let monitor = |modes: Value| json!({"hCall": 2, "digitModes": modes});
    press(&mut bench, key, "1");
    assert!(bench.trace(1).is_empty());
    assert_eq!(bench.ok(2, "lineMonitorDigits", monitor(json!(DTMF))), json!({}));
    assert_eq!(bench.all_intents(), [detect(key, DigitMode::Dtmf)]);
    assert_eq!(bench.trace(1), ["CALLINFO 2 MONITORMODES"]);
    bench.ok(1, "lineMonitorDigits", monitor(json!(6)));
    assert_eq!(bench.all_intents(), [detect(key, DigitMode::Dtmf | DigitMode::DtmfEnd)]);
    bench.trace(1);
    bench.trace(2);
    press(&mut bench, key, "#");
    assert_eq!(bench.trace(1), ["MONITORDIGITS 2 # DTMF", "MONITORDIGITS 2 # DTMFEND"]);
    assert_eq!(bench.trace(2), ["MONITORDIGITS 2 # DTMF"]);
    let info = bench.ok(2, "lineGetCallInfo", json!({"hCall": 2}));
    assert_eq!(info["monitorDigitModes"], json!(["LINEDIGITMODE_DTMF", "LINEDIGITMODE_DTMFEND"]));
    // Away from the call: suspended, not cancelled.
    bench.state(key, S::Connected, CallMode::Connected(ConnectedMode::Inactive));
    bench.trace(2);
    press(&mut bench, key, "2");
    assert!(bench.trace(2).is_empty());
    bench.state(key, S::Connected, CallMode::Connected(ConnectedMode::Active));
    bench.trace(2);
    press(&mut bench, key, "3");
    assert_eq!(bench.trace(2), ["MONITORDIGITS 2 3 DTMF"]);

    bench.ok(1, "lineMonitorDigits", json!({"hCall": h_call, "digitModes": 0}));
    assert_eq!(bench.all_intents(), [detect(key, DigitMode::Dtmf)]);
    bench.ok(2, "lineDeallocateCall", json!({"hCall": 2}));
    assert_eq!(bench.all_intents(), [detect(key, Mask::EMPTY)]);
    bench.trace(1);
    press(&mut bench, key, "4");
    assert!(bench.trace(1).is_empty());
}

#[test]
fn monitoring_ends_with_the_call() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let (h_call, key) = bench.connected(1);
    bench.ok(1, "lineMonitorDigits", json!({"hCall": h_call, "digitModes": DTMF}));
    bench.all_intents();
    bench.trace(1);
    bench.state(key, S::Disconnected, CallMode::Disconnected(DisconnectMode::Normal));
    press(&mut bench, key, "1");
    assert_eq!(bench.trace(1), ["CALLSTATE 2 DISCONNECTED NORMAL"]);
    let info = bench.ok(1, "lineGetCallInfo", json!({"hCall": h_call}));
    assert_eq!(info["monitorDigitModes"], json!([]));
}

#[test]
fn monitor_errors() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let (h_call, key) = bench.connected(1);
    let tones = |list: Value| json!({"hCall": h_call, "toneList": list});
    let many: Vec<Value> = (0..17).map(|tag| json!({"appSpecific": tag})).collect();
    for (method, rows) in [
        (
            "lineMonitorDigits",
            vec![
                (json!({"hCall": 99, "digitModes": 2}), "LINEERR_INVALCALLHANDLE"),
                (json!({"hCall": h_call}), "Invalid params"),
                (json!({"hCall": h_call, "digitModes": 1}), "LINEERR_INVALDIGITMODE"),
                (json!({"hCall": h_call, "digitModes": 8}), "LINEERR_INVALDIGITMODE"),
            ],
        ),
        (
            "lineMonitorMedia",
            vec![
                (json!({"hCall": 99, "mediaModes": 4}), "LINEERR_INVALCALLHANDLE"),
                (json!({"hCall": h_call, "mediaModes": 1}), "LINEERR_INVALMEDIAMODE"),
                (json!({"hCall": h_call, "mediaModes": 0x100}), "LINEERR_INVALMEDIAMODE"),
            ],
        ),
        (
            "lineMonitorTones",
            vec![
                (json!({"hCall": 99}), "LINEERR_INVALCALLHANDLE"),
                (tones(json!(5)), "Invalid params"),
                (tones(json!([5])), "Invalid params"),
                (tones(json!([{"frequency1": -1}])), "LINEERR_INVALTONE"),
                (tones(json!([{"frequency2": 4_000}])), "LINEERR_INVALTONE"),
                (tones(json!(many)), "LINEERR_INVALTONE"),
            ],
        ),
    ] {
        bench.check(1, method, &rows);
    }
    bench.state(key, S::Disconnected, CallMode::Disconnected(DisconnectMode::Normal));
    for method in ["lineMonitorDigits", "lineMonitorMedia", "lineMonitorTones"] {
        let params = json!({"hCall": h_call, "digitModes": 2, "mediaModes": 4});
        assert_eq!(bench.refused(1, method, params), "LINEERR_INVALCALLSTATE");
    }
}

#[test]
fn the_tone_detectors_of_a_call_are_shared_by_all_applications() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    bench.monitor(2, "201");
    let (h_call, _) = bench.connected(1);
    bench.messages(2);
    let list = |from: u32, count: u32| {
        let one = |hz: u32| json!({"appSpecific": hz, "duration": 100, "frequency1": hz});
        json!((from..from + count).map(one).collect::<Vec<_>>())
    };
    let ask = |h_call: u64, list: Value| json!({"hCall": h_call, "toneList": list});
    bench.ok(1, "lineMonitorTones", ask(h_call, list(400, 10)));
    let refused = bench.refused(2, "lineMonitorTones", ask(2, list(500, 7)));
    assert_eq!(refused, "LINEERR_RESOURCEUNAVAIL");
    // The same tones are detected once.
    bench.ok(2, "lineMonitorTones", ask(2, list(404, 12)));
    bench.ok(1, "lineMonitorTones", ask(h_call, json!(null)));
    bench.ok(2, "lineMonitorTones", ask(2, list(500, 16)));
}

#[test]
fn tones_and_media_are_told_as_listed() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let (h_call, key) = bench.connected(1);
    let list = json!([
        {"appSpecific": 7, "duration": 500, "frequency1": 1100},
        {"appSpecific": 8, "duration": 2_000},
    ]);
    bench.ok(1, "lineMonitorTones", json!({"hCall": h_call, "toneList": list}));
    let fax = Tone { duration_ms: 500, frequencies_hz: [1100, 0, 0] };
    let silence = Tone { duration_ms: 2_000, frequencies_hz: [0, 0, 0] };
    let expected = Intent::Detect {
        call: key,
        digits: Mask::EMPTY,
        media: Mask::EMPTY,
        tones: vec![fax, silence],
    };
    assert_eq!(bench.all_intents(), [expected]);
    bench.ok(1, "lineMonitorMedia", json!({"hCall": h_call, "mediaModes": 0x20}));
    bench.all_intents();
    bench.trace(1);
    bench.server.tone(1_000, key, silence);
    bench.server.tone(1_000, key, Tone { duration_ms: 1, frequencies_hz: [1, 0, 0] });
    bench.server.media(1_000, key, MediaMode::G3Fax);
    bench.server.media(1_000, key, MediaMode::AutomatedVoice);
    assert_eq!(bench.trace(1), ["MONITORTONE 2 8", "MONITORMEDIA 2 G3FAX"]);
    bench.ok(1, "lineMonitorTones", json!({"hCall": h_call, "toneList": null}));
    bench.server.tone(1_000, key, silence);
    bench.trace(1);
    bench.server.tone(1_000, key, silence);
    assert!(bench.trace(1).is_empty());
}

fn gather(h_call: u64, more: Value) -> Value {
    let mut params = json!({"hCall": h_call, "digitModes": DTMF, "numDigits": 4});
    for (name, value) in more.as_object().unwrap() {
        params[name] = value.clone();
    }
    params
}

#[test]
fn digits_are_gathered_until_full_terminated_or_late() {
    let cases: [(Value, &str, u64, &str); 6] = [
        (json!({}), "12345", 0, "GATHERDIGITS 2 1234 BUFFERFULL"),
        (json!({"terminationDigits": "#*"}), "12#4", 0, "GATHERDIGITS 2 12# TERMDIGIT"),
        (json!({"terminationDigits": "#", "numDigits": 1}), "#", 0, "GATHERDIGITS 2 # TERMDIGIT"),
        (json!({"firstDigitTimeout": 5_000}), "", 5_000, "GATHERDIGITS 2  FIRSTTIMEOUT"),
        (json!({"interDigitTimeout": 1_000}), "12", 1_000, "GATHERDIGITS 2 12 INTERTIMEOUT"),
        (
            json!({"firstDigitTimeout": 5_000, "interDigitTimeout": 900}),
            "1",
            900,
            "GATHERDIGITS 2 1 INTERTIMEOUT",
        ),
    ];
    for (more, digits, wait_ms, expected) in cases {
        let mut bench = Bench::full();
        bench.owner(1, "201");
        let (h_call, key) = bench.connected(1);
        assert_eq!(bench.ok(1, "lineGatherDigits", gather(h_call, more)), json!({}));
        assert_eq!(bench.all_intents(), [detect(key, DigitMode::Dtmf)]);
        press(&mut bench, key, digits);
        let deadline = bench.server.next_deadline();
        if wait_ms > 0 {
            assert_eq!(deadline, Some(bench.now_ms + wait_ms), "{expected}");
            bench.now_ms += wait_ms - 1;
            let now_ms = bench.now_ms;
            bench.server.expire(now_ms);
            assert!(bench.trace(1).is_empty(), "{expected}");
            bench.now_ms += 1;
            bench.server.expire(now_ms + 1);
        }
        assert_eq!(bench.trace(1), [expected]);
        assert_eq!(bench.server.next_deadline(), None);
        assert_eq!(bench.all_intents(), [detect(key, Mask::EMPTY)]);
    }
}

#[test]
fn a_newer_gathering_and_the_end_of_the_call_cancel_one() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    bench.owner(2, "201");
    let (h_call, key) = bench.connected(1);
    bench.ok(2, "lineSetCallPrivilege", json!({"hCall": 2, "callPrivilege": 4}));
    bench.messages(1);
    bench.messages(2);
    bench.ok(1, "lineGatherDigits", gather(h_call, json!({})));
    press(&mut bench, key, "12");
    bench.ok(2, "lineGatherDigits", gather(2, json!({"numDigits": 9})));
    assert_eq!(bench.trace(1), ["GATHERDIGITS 2 12 CANCEL"]);
    press(&mut bench, key, "3");
    bench.ok(1, "lineGatherDigits", json!({"hCall": h_call, "digits": null}));
    assert_eq!(bench.trace(2), ["GATHERDIGITS 2 3 CANCEL"]);
    bench.ok(2, "lineGatherDigits", gather(2, json!({})));
    bench.state(key, S::Disconnected, CallMode::Disconnected(DisconnectMode::Normal));
    assert_eq!(bench.trace(2), ["GATHERDIGITS 2  CANCEL", "CALLSTATE 2 DISCONNECTED NORMAL"]);
    assert_eq!(bench.trace(1), ["CALLSTATE 2 DISCONNECTED NORMAL"]);
}

#[test]
fn gathering_coexists_with_monitoring_and_dies_with_its_handle() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let (h_call, key) = bench.connected(1);
    bench.ok(1, "lineMonitorDigits", json!({"hCall": h_call, "digitModes": DTMF}));
    bench.ok(1, "lineGatherDigits", gather(h_call, json!({"numDigits": 1})));
    bench.trace(1);
    press(&mut bench, key, "5");
    assert_eq!(bench.trace(1), ["MONITORDIGITS 2 5 DTMF", "GATHERDIGITS 2 5 BUFFERFULL"]);
    bench.ok(1, "lineGatherDigits", gather(h_call, json!({"firstDigitTimeout": 500})));
    bench.ok(1, "lineDeallocateCall", json!({"hCall": h_call}));
    assert_eq!(bench.server.next_deadline(), None);
    bench.server.expire(999_999);
    assert!(bench.trace(1).is_empty());
}

#[test]
fn gather_errors() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    bench.monitor(2, "201");
    let (h_call, key) = bench.connected(1);
    let with = |more: Value| gather(h_call, more);
    bench.check(
        1,
        "lineGatherDigits",
        &[
            (gather(99, json!({})), "LINEERR_INVALCALLHANDLE"),
            (with(json!({"terminationDigits": 5})), "Invalid params"),
            (with(json!({"digitModes": 1})), "LINEERR_INVALDIGITMODE"),
            (with(json!({"digitModes": 0})), "LINEERR_INVALDIGITMODE"),
            (with(json!({"numDigits": 0})), "LINEERR_INVALPARAM"),
            (with(json!({"numDigits": 5_000})), "LINEERR_INVALPARAM"),
            (with(json!({"numDigits": null})), "Invalid params"),
            (with(json!({"terminationDigits": "x"})), "LINEERR_INVALDIGITS"),
            (with(json!({"firstDigitTimeout": 1})), "LINEERR_INVALTIMEOUT"),
            (with(json!({"interDigitTimeout": 600_001})), "LINEERR_INVALTIMEOUT"),
        ],
    );
    assert_eq!(bench.refused(2, "lineGatherDigits", gather(2, json!({}))), "LINEERR_NOTOWNER");
    bench.state(key, S::OnHold, CallMode::None);
    assert_eq!(bench.refused(1, "lineGatherDigits", with(json!({}))), "LINEERR_INVALCALLSTATE");
}

fn generating(bench: &mut Bench, method: &str, params: Value) -> (RequestKey, Intent) {
    assert_eq!(bench.ok(1, method, params), json!({}));
    bench.intent()
}

#[test]
fn digits_are_sent_and_the_end_is_told_to_who_asked() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    bench.monitor(2, "201");
    let (h_call, key) = bench.connected(1);
    bench.messages(2);
    let send = |digits: &str, duration: u32| {
        json!({"hCall": h_call, "digitMode": DTMF, "digits": digits, "duration": duration,
            "endToEndId": 9})
    };
    for (digits, duration, expected, duration_ms) in
        [("12#a,!", 0, "12#A,!", 100), ("1x2 é", 1, "12", 40), ("5", 9_999, "5", 2_000)]
    {
        let (request, intent) =
            generating(&mut bench, "lineGenerateDigits", send(digits, duration));
        let expected = Intent::GenerateDigits {
            call: key,
            digits: expected.to_owned(),
            mode: DigitMode::Dtmf,
            duration_ms,
            pause_ms: 2_000,
        };
        assert_eq!(intent, expected);
        assert!(bench.trace(1).is_empty());
        bench.complete(request);
        bench.complete(request);
        assert_eq!(bench.trace(1), ["GENERATE 2 DONE 9"]);
    }
    let (request, _) = generating(&mut bench, "lineGenerateDigits", send("1", 0));
    bench.fail(request, LineErr::OperationFailed);
    assert_eq!(bench.trace(1), ["GENERATE 2 CANCEL 9"]);
    assert!(bench.trace(2).is_empty());
}

#[test]
fn a_newer_generation_an_abort_and_the_end_of_the_call_cancel_one() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let (h_call, key) = bench.connected(1);
    let digits = json!({"hCall": h_call, "digitMode": DTMF, "digits": "123"});
    let (old, _) = generating(&mut bench, "lineGenerateDigits", digits.clone());
    let tone = json!({"hCall": h_call, "toneMode": "LINETONEMODE_BEEP", "duration": 500});
    let (request, intent) = generating(&mut bench, "lineGenerateTone", tone.clone());
    let mode = ToneMode::Beep;
    let components = Vec::new();
    let expected = Intent::GenerateTone { call: key, mode, duration_ms: Some(500), components };
    assert_eq!(intent, expected);
    assert_eq!(bench.trace(1), ["GENERATE 2 CANCEL"]);
    bench.complete(old);
    assert!(bench.trace(1).is_empty(), "what was cancelled is not done");
    bench.complete(request);
    assert_eq!(bench.trace(1), ["GENERATE 2 DONE"]);
    for (method, stop) in [
        ("lineGenerateDigits", json!({"hCall": h_call, "digits": null})),
        ("lineGenerateTone", json!({"hCall": h_call, "toneMode": 0})),
    ] {
        generating(&mut bench, "lineGenerateTone", tone.clone());
        let (_, intent) = generating(&mut bench, method, stop.clone());
        assert_eq!(intent, Intent::StopGenerating { call: key });
        assert_eq!(bench.trace(1), ["GENERATE 2 CANCEL"]);
        bench.ok(1, method, stop);
        assert!(bench.all_intents().is_empty(), "there is nothing to stop");
    }
    generating(&mut bench, "lineGenerateDigits", digits);
    bench.state(key, S::Idle, CallMode::None);
    assert_eq!(bench.trace(1), ["GENERATE 2 CANCEL", "CALLSTATE 2 IDLE"]);
}

#[test]
fn what_is_sent_outlives_its_handle_unless_it_would_never_end() {
    for (tone, is_stopped) in [
        (json!({"toneMode": "LINETONEMODE_BUSY"}), true),
        (json!({"toneMode": "LINETONEMODE_BUSY", "duration": 500}), false),
        (json!({"toneMode": "LINETONEMODE_BILLING"}), false),
    ] {
        let mut bench = Bench::full();
        bench.owner(1, "201");
        let (h_call, key) = bench.connected(1);
        let mut params = tone.clone();
        params["hCall"] = json!(h_call);
        generating(&mut bench, "lineGenerateTone", params);
        bench.ok(1, "lineDeallocateCall", json!({"hCall": h_call}));
        let stop = Intent::StopGenerating { call: key };
        assert_eq!(bench.all_intents().contains(&stop), is_stopped, "{tone}");
    }
}

#[test]
fn a_custom_tone_has_components() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let (h_call, key) = bench.connected(1);
    let tone = |tones: Value| json!({"hCall": h_call, "toneMode": 1, "tones": tones});
    let parts = json!([{"frequency": 440, "cadenceOn": 250, "cadenceOff": 250},
        {"frequency": 480, "volume": 1000}]);
    let (_, intent) = generating(&mut bench, "lineGenerateTone", tone(parts));
    let part = |frequency_hz, cadence_ms, volume| GeneratedTone {
        frequency_hz,
        cadence_on_ms: cadence_ms,
        cadence_off_ms: cadence_ms,
        volume,
    };
    let expected = Intent::GenerateTone {
        call: key,
        mode: ToneMode::Custom,
        duration_ms: None,
        components: vec![part(440, 250, 0xFFFF), part(480, 0, 1_000)],
    };
    assert_eq!(intent, expected);
    let five = json!(vec![json!({"frequency": 440}); 5]);
    bench.check(
        1,
        "lineGenerateTone",
        &[
            (tone(five), "LINEERR_INVALTONE"),
            (tone(json!([])), "LINEERR_INVALTONE"),
            (tone(json!([{"frequency": 0}])), "LINEERR_INVALTONE"),
            (tone(json!([{"frequency": 1, "volume": 65_536}])), "LINEERR_INVALTONE"),
            (tone(json!([7])), "Invalid params"),
            (json!({"hCall": h_call, "toneMode": 3}), "LINEERR_INVALTONEMODE"),
            (json!({"hCall": 99, "toneMode": 2}), "LINEERR_INVALCALLHANDLE"),
        ],
    );
    bench.check(
        1,
        "lineGenerateDigits",
        &[
            (json!({"hCall": h_call, "digits": "1", "digitMode": 1}), "LINEERR_INVALDIGITMODE"),
            (json!({"hCall": h_call, "digits": "1"}), "LINEERR_INVALDIGITMODE"),
            (json!({"hCall": h_call, "digits": 1}), "Invalid params"),
        ],
    );
    bench.state(key, S::OnHold, CallMode::None);
    let beep = json!({"hCall": h_call, "toneMode": 8});
    assert_eq!(bench.refused(1, "lineGenerateTone", beep), "LINEERR_INVALCALLSTATE");
}
