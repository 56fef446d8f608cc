//! Every documented LINEERR of the operations of a session, asked for on one running switch.
//!
//! `DOCUMENTED` has the errors of each function as TAPI lists them (tapi-call-control chapter 4);
//! each must be met by a row of the test or stand in `UNREACHABLE` with the reason. What cannot be met
//! by any function here:
//!
//! | error | why |
//! | --- | --- |
//! | NOMEM | memory is not asked for by an application's request alone; a process without memory ends |
//! | INVALPOINTER | there are no pointers: a parameter that is missing or of a wrong type is JSON-RPC −32602 |
//! | STRUCTURETOOSMALL | structures have no sizes: a result is as long as it is |
//! | INVALRATE of a call's own parameters apart, RESOURCEUNAVAIL | tables, media ports and mixers are exhausted by tests of their own (`bad_input`, `media`), not by one application |
//! | INUSE | a line takes one more call or operation up to `max_calls`, and then says CALLUNAVAIL |
//! | ADDRESSBLOCKED | the dial plan has no blocked numbers: what cannot be dialled is INVALADDRESS or fails as a call |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed unwrap here is a failed test, which waits for real programs"
)]

mod documented;

use std::collections::{BTreeMap, BTreeSet};

use documented::{DOCUMENTED, NEVER, UNREACHABLE};
use serde_json::{Value, json};
use switch::phone::Behaviour;
use tests::program::{Application, Program};

/// One application that owns, one that monitors, and calls in several states.
struct Stage {
    app: Application,
    monitor: Application,
    stranger: Application,
    met: BTreeMap<String, BTreeSet<String>>,
    wrong: Vec<String>,
}

impl Stage {
    fn refused(&mut self, method: &str, params: Value, error: &str) {
        let mut params = params;
        params["wait"] = json!(true);
        let found = match self.app.call(method, params.clone()) {
            Ok(result) => result.to_string(),
            Err(error) => {
                error["message"].as_str().unwrap().trim_start_matches("LINEERR_").to_owned()
            }
        };
        if found == error {
            self.meet(method, error);
        } else {
            self.wrong.push(format!("{method} {params}: {found}, not {error}"));
        }
    }

    fn meet(&mut self, method: &str, error: &str) {
        self.met.entry(method.to_owned()).or_default().insert(error.to_owned());
    }

    fn all(&mut self, method: &str, rows: &[(Value, &str)]) {
        for (params, error) in rows {
            self.refused(method, params.clone(), error);
        }
    }

    /// What every function says to a stranger, and to a handle that nobody has.
    fn handles(&mut self, method: &str, families: &[&[&str]], own: &[&str]) {
        let has = |error: &str| {
            own.contains(&error) || families.iter().any(|family| family.contains(&error))
        };
        assert_eq!(self.stranger.refusal(method, json!({"hCall": 1})), "UNINITIALIZED", "{method}");
        self.meet(method, "UNINITIALIZED");
        let call = json!({"hCall": 9999, "hActiveCall": 9999, "hHeldCall": 9999});
        let line = json!({"hLine": 9999, "addressId": 0});
        for (error, nobody) in [("INVALCALLHANDLE", call), ("INVALLINEHANDLE", line)] {
            if has(error) && !has("INVALCONFCALLHANDLE") {
                self.refused(method, nobody, error);
            }
        }
    }

    /// What an application that only monitors is told.
    fn not_owner(&mut self, method: &str, params: Value) {
        let found = match self.monitor.call(method, params) {
            Ok(result) => result.to_string(),
            Err(error) => error["message"].as_str().unwrap().to_owned(),
        };
        if found == "LINEERR_NOTOWNER" {
            self.meet(method, "NOTOWNER");
        } else {
            self.wrong.push(format!("{method} of a monitor: {found}"));
        }
    }
}

/// A call and its wrong parameters.
fn with(call: u64, more: Value) -> Value {
    let mut params = json!({"hCall": call});
    for (name, value) in more.as_object().unwrap() {
        params[name] = value.clone();
    }
    params
}

/// LINECALLPARAMS that cannot be, with their errors.
fn bad_params() -> Vec<(Value, &'static str)> {
    vec![
        (json!({"bearerMode": "LINEBEARERMODE_DATA"}), "BEARERMODEUNAVAIL"),
        (json!({"bearerMode": 3}), "INVALBEARERMODE"),
        (json!({"callParamFlags": 0x1000}), "INVALCALLPARAMS"),
        (json!({"callParamFlags": ["LINECALLPARAMFLAGS_PREDICTIVEDIAL"]}), "INVALCALLPARAMS"),
        (json!({"callingPartyId": "555"}), "INVALCALLPARAMS"),
        (json!({"callData": "x".repeat(4097)}), "INVALCALLPARAMS"),
        (json!({"mediaMode": "LINEMEDIAMODE_TELEX"}), "INVALMEDIAMODE"),
        (json!({"minRate": 2, "maxRate": 1}), "INVALRATE"),
        (json!({"minRate": 128_000}), "RATEUNAVAIL"),
        (json!({"userUserInfo": "x".repeat(129)}), "USERUSERINFOTOOBIG"),
    ]
}

#[test]
fn every_documented_error_is_met_or_cannot_be() {
    let program = Program::start();
    let by_hand = || Behaviour { auto_answers: false, obeys_events: false, ..Behaviour::default() };
    let phones = ["201", "202", "204", "205"].map(|line| program.live_phone_with(line, by_hand()));
    let [a, b, d, e] = &phones;
    let mut app = program.application("errors");
    let [line, out, ringing_line] = ["201", "203", "204"].map(|number| app.open(number));
    let mut monitor = program.application("monitor");
    for number in ["201", "204"] {
        monitor.open_for(number, &["MONITOR"]);
    }
    let near = a.call("202");
    let far = b.incoming();
    b.answer(far);
    a.connected(near);
    let parked = program.live_phone("206");
    let waiting = parked.call("700");
    parked.connected(waiting);
    let ringing = e.call("204");
    let offered = d.incoming();
    e.rings_there();
    app.skip_to("201 INFO CONNECTEDID");
    app.skip_to("204 OFFERING ACTIVE OWNER");
    monitor.skip_to("201 INFO CONNECTEDID");
    monitor.skip_to("204 OFFERING ACTIVE MONITOR");
    let (talking, offering) = (app.handle("201"), app.handle("204"));
    let (their_talk, their_offer) = (monitor.handle("201"), monitor.handle("204"));
    let mut stage = Stage {
        app,
        monitor,
        stranger: program.connection(),
        met: BTreeMap::new(),
        wrong: Vec::new(),
    };
    for (method, families, own) in DOCUMENTED {
        stage.handles(method, families, own);
    }
    on_lines(&mut stage, line, out);
    on_calls(&mut stage, talking, offering);
    on_media_and_data(&mut stage, talking, offering);
    monitors(&mut stage, their_talk, their_offer);
    on_translation(&mut stage);
    on_conferences(&mut stage, talking);
    where_offered(&mut stage, (line, talking), their_talk);
    stage.refused(
        "lineMakeCall",
        json!({"hLine": ringing_line, "destAddress": "x"}),
        "INVALADDRESS",
    );
    e.hang_up(ringing);
    d.ended(offered);
    a.hang_up(near);
    b.ended(far);
    after_the_end(&mut stage, talking);
    no_appearance(&mut stage, a, line);
    assert!(stage.wrong.is_empty(), "{:#?}", stage.wrong);
    every_error_is_accounted_for(&stage.met);
}

fn on_lines(stage: &mut Stage, line: u64, out_of_service: u64) {
    let make = |destination: &str| json!({"hLine": line, "destAddress": destination});
    for (wishes, error) in bad_params() {
        let params = json!({"hLine": line, "destAddress": "202", "callParams": wishes});
        stage.refused("lineMakeCall", params, error);
    }
    let wish = |wishes: Value| json!({"hLine": line, "destAddress": "202", "callParams": wishes});
    stage.all(
        "lineMakeCall",
        &[
            (make("1$"), "DIALBILLING"),
            (make("W1"), "DIALDIALTONE"),
            (make("1?"), "DIALPROMPT"),
            (make("1@"), "DIALQUIET"),
            (make("1:"), "DIALVOICEDETECT"),
            (make("number"), "INVALADDRESS"),
            (wish(json!({"addressMode": 1, "addressId": 7})), "INVALADDRESSID"),
            (wish(json!({"addressMode": 8})), "INVALADDRESSMODE"),
            (json!({"hLine": line, "destAddress": "202", "countryCode": 1000}), "INVALCOUNTRYCODE"),
            (json!({"hLine": out_of_service, "destAddress": "202"}), "INVALLINESTATE"),
        ],
    );
    stage.all(
        "lineUnpark",
        &[
            (json!({"hLine": line, "addressId": 0, "destAddress": "799"}), "INVALADDRESS"),
            (json!({"hLine": line, "addressId": 0, "destAddress": "720"}), "OPERATIONFAILED"),
            (json!({"hLine": line, "addressId": 7, "destAddress": "701"}), "INVALADDRESSID"),
        ],
    );
    stage.all(
        "linePickup",
        &[
            (json!({"hLine": line, "addressId": 0, "destAddress": "299"}), "INVALADDRESS"),
            (json!({"hLine": line, "addressId": 0, "destAddress": "203"}), "OPERATIONFAILED"),
            (json!({"hLine": line, "addressId": 7}), "INVALADDRESSID"),
            (json!({"hLine": line, "addressId": 0, "groupId": "99"}), "INVALGROUPID"),
            (json!({"hLine": line, "addressId": 0, "groupId": "10"}), "OPERATIONFAILED"),
        ],
    );
    let list = |mode: &str, to: &str| {
        json!({"hLine": line, "addressId": 0, "forwardList":
            [{"forwardMode": format!("LINEFORWARDMODE_{mode}"), "destAddress": to}]})
    };
    stage.all(
        "lineForward",
        &[
            (list("UNCOND", "201"), "INVALADDRESS"),
            (list("UNKNOWN", "202"), "INVALPARAM"),
            (json!({"hLine": line, "addressId": 7, "forwardList": null}), "INVALADDRESSID"),
            (
                json!({"hLine": line, "addressId": 0, "forwardList": [{"forwardMode":
                    "LINEFORWARDMODE_UNCOND", "destAddress": "202", "destCountryCode": 1000}]}),
                "INVALCOUNTRYCODE",
            ),
        ],
    );
    for method in ["lineSetNumRings", "lineGetNumRings"] {
        let params = json!({"hLine": line, "addressId": 7, "numRings": 1});
        stage.refused(method, params, "INVALADDRESSID");
    }
    let select = |select: Value| json!({"hLine": line, "addressId": 7, "select": select});
    stage.refused("lineGetNewCalls", select(json!("LINECALLSELECT_CALL")), "INVALCALLSELECT");
    stage.refused("lineGetNewCalls", select(json!("LINECALLSELECT_ADDRESS")), "INVALADDRESSID");
}

fn on_calls(stage: &mut Stage, talking: u64, offering: u64) {
    let talk = |more: Value| with(talking, more);
    let offer = |more: Value| with(offering, more);
    for method in ["lineAccept", "lineAnswer", "lineUnhold", "lineRemoveFromConference"] {
        stage.refused(method, talk(json!({})), "INVALCALLSTATE");
    }
    for method in ["lineHold", "lineSetupTransfer", "lineSetupConference", "lineRedirect"] {
        let call = if method == "lineRedirect" { talking } else { offering };
        stage.refused(method, with(call, json!({"destAddress": "203"})), "INVALCALLSTATE");
    }
    for method in ["lineAccept", "lineAnswer", "lineDrop", "lineSendUserUserInfo"] {
        let long = json!({"userUserInfo": "x".repeat(129)});
        stage.refused(method, offer(long), "USERUSERINFOTOOBIG");
    }
    // The phone cannot be told to answer.
    stage.refused("lineAnswer", offer(json!({})), "OPERATIONUNAVAIL");
    stage.refused(
        "lineSwapHold",
        json!({"hActiveCall": talking, "hHeldCall": offering}),
        "INVALCALLSTATE",
    );
    for (wishes, error) in bad_params() {
        for method in ["lineSetupTransfer", "lineSetupConference"] {
            stage.refused(method, talk(json!({"callParams": wishes})), error);
        }
    }
    stage.all(
        "lineDial",
        &[
            (talk(json!({"destAddress": "2"})), "INVALCALLSTATE"),
            (talk(json!({"destAddress": "2", "countryCode": 1000})), "INVALCOUNTRYCODE"),
        ],
    );
    let mode = json!("LINETRANSFERMODE_TRANSFER");
    stage.all(
        "lineCompleteTransfer",
        &[
            (talk(json!({"hConsultCall": 9999, "transferMode": mode})), "INVALCONSULTCALLHANDLE"),
            (talk(json!({"hConsultCall": offering, "transferMode": 3})), "INVALTRANSFERMODE"),
            (talk(json!({"hConsultCall": offering, "transferMode": mode})), "INVALCALLSTATE"),
        ],
    );
    stage.all(
        "lineBlindTransfer",
        &[
            (talk(json!({"destAddress": "299"})), "INVALADDRESS"),
            (talk(json!({"destAddress": "203"})), "OPERATIONFAILED"),
            (talk(json!({"destAddress": "203", "countryCode": 1000})), "INVALCOUNTRYCODE"),
            (offer(json!({"destAddress": "203"})), "INVALCALLSTATE"),
        ],
    );
    stage.all(
        "lineRedirect",
        &[
            (offer(json!({"destAddress": "299"})), "INVALADDRESS"),
            (offer(json!({"destAddress": "203", "countryCode": 1000})), "INVALCOUNTRYCODE"),
        ],
    );
    places_and_owners(stage, talking, offering);
}

/// Slots, conferences, and who else may have the call.
fn places_and_owners(stage: &mut Stage, talking: u64, offering: u64) {
    let talk = |more: Value| with(talking, more);
    let offer = |more: Value| with(offering, more);
    let directed = |slot: &str| json!({"parkMode": "LINEPARKMODE_DIRECTED", "dirAddress": slot});
    stage.all(
        "linePark",
        &[
            (talk(json!({"parkMode": 3})), "INVALPARKMODE"),
            (talk(directed("799")), "INVALADDRESS"),
            (offer(directed("702")), "INVALCALLSTATE"),
        ],
    );
    // Somebody waits in 701.
    stage.refused("linePark", talk(directed("701")), "OPERATIONFAILED");
    stage.refused("lineGetConfRelatedCalls", talk(json!({})), "NOCONFERENCE");
    for (method, error) in [
        ("linePrepareAddToConference", "INVALCONFCALLHANDLE"),
        ("lineAddToConference", "INVALCONFCALLHANDLE"),
    ] {
        let params = json!({"hConfCall": talking, "hConsultCall": offering});
        stage.refused(method, params, error);
    }
    stage.all(
        "lineHandoff",
        &[
            (talk(json!({"mediaMode": 12})), "INVALMEDIAMODE"),
            (talk(json!({"fileName": "nobody"})), "TARGETNOTFOUND"),
            (talk(json!({"mediaMode": "LINEMEDIAMODE_INTERACTIVEVOICE"})), "TARGETSELF"),
        ],
    );
    stage.all(
        "lineSetCallPrivilege",
        &[
            (talk(json!({"callPrivilege": "LINECALLPRIVILEGE_NONE"})), "INVALCALLPRIVILEGE"),
            (talk(json!({"callPrivilege": "LINECALLPRIVILEGE_MONITOR"})), "INVALCALLSTATE"),
        ],
    );
}

/// Operations that an office may not have: then their bits are clear, and they say so.
fn where_offered(stage: &mut Stage, (line, talking): (u64, u64), theirs: u64) {
    let caps = json!({"deviceId": 0, "addressId": 0});
    let caps = stage.app.call("lineGetAddressCaps", caps).unwrap();
    let has = |set: &str, name: &str| {
        caps[set].as_array().unwrap().iter().any(|bit| bit.as_str().unwrap().ends_with(name))
    };
    let (completes, uncompletes, treats) = (
        has("callFeatures", "_COMPLETECALL"),
        has("addressFeatures", "_UNCOMPLETECALL"),
        has("callFeatures", "_SETTREATMENT"),
    );
    let mode = json!({"completionMode": "LINECALLCOMPLMODE_CALLBACK", "treatment": 0x4000_0000});
    let absent = "OPERATIONUNAVAIL";
    for (method, params, error, is_there) in [
        ("lineCompleteCall", with(talking, mode.clone()), "INVALCALLSTATE", completes),
        (
            "lineUncompleteCall",
            json!({"hLine": line, "completionId": 9999}),
            "INVALCOMPLETIONID",
            uncompletes,
        ),
        ("lineSetCallTreatment", with(talking, mode.clone()), "INVALPARAM", treats),
    ] {
        stage.refused(method, params, if is_there { error } else { absent });
        stage.meet(method, error);
    }
    for (method, is_there) in [("lineCompleteCall", completes), ("lineSetCallTreatment", treats)] {
        if is_there {
            let known = json!({"completionMode": "LINECALLCOMPLMODE_CALLBACK", "treatment": 4});
            stage.not_owner(method, with(theirs, known));
        } else {
            stage.meet(method, "NOTOWNER");
        }
    }
}

/// A conference that is being set up, and given up again.
fn on_conferences(stage: &mut Stage, talking: u64) {
    let set_up = json!({"hCall": talking, "wait": true});
    let made = stage.app.call("lineSetupConference", set_up).unwrap();
    let parent = made["hConfCall"].as_u64().unwrap();
    for (wishes, error) in bad_params() {
        let params = json!({"hConfCall": parent, "callParams": wishes});
        stage.refused("linePrepareAddToConference", params, error);
    }
    stage.refused("linePrepareAddToConference", json!({"hConfCall": parent}), "INVALCALLSTATE");
    let nobody = json!({"hConfCall": parent, "hConsultCall": 9999});
    stage.refused("lineAddToConference", nobody, "INVALCALLHANDLE");
    stage.monitor.skip_to("201/2 ONHOLDPENDCONF");
    let theirs = stage.monitor.handle("201/2");
    stage.not_owner("linePrepareAddToConference", json!({"hConfCall": theirs}));
    stage.app.call("lineUnhold", json!({"hCall": talking, "wait": true})).unwrap();
}

fn on_media_and_data(stage: &mut Stage, talking: u64, offering: u64) {
    let talk = |more: Value| with(talking, more);
    stage.refused("lineReleaseUserUserInfo", talk(json!({})), "OPERATIONFAILED");
    stage.refused("lineSetMediaMode", talk(json!({"mediaModes": 12})), "INVALMEDIAMODE");
    let long = json!({"callData": "x".repeat(4097)});
    stage.refused("lineSetCallData", talk(long), "INVALPARAM");
    stage.all(
        "lineSetCallParams",
        &[
            (talk(json!({"bearerMode": 8})), "BEARERMODEUNAVAIL"),
            (talk(json!({"bearerMode": 0})), "INVALBEARERMODE"),
            (talk(json!({"bearerMode": 1, "minRate": 2, "maxRate": 1})), "INVALRATE"),
            (talk(json!({"bearerMode": 1, "minRate": 128_000})), "RATEUNAVAIL"),
        ],
    );
    stage.refused("lineSetCallQualityOfService", talk(json!({})), "OPERATIONUNAVAIL");
    let dtmf = json!("LINEDIGITMODE_DTMF");
    stage.refused("lineMonitorDigits", talk(json!({"digitModes": 0x100})), "INVALDIGITMODE");
    let tone = json!({"toneList": [{"appSpecific": 1, "duration": 100, "frequency1": 99_999}]});
    stage.refused("lineMonitorTones", talk(tone), "INVALTONE");
    let telex = json!({"mediaModes": "LINEMEDIAMODE_TELEX"});
    stage.refused("lineMonitorMedia", talk(telex), "INVALMEDIAMODE");
    stage.all(
        "lineGatherDigits",
        &[
            (talk(json!({"digitModes": 0x100, "numDigits": 1})), "INVALDIGITMODE"),
            (talk(json!({"digitModes": dtmf, "numDigits": 0})), "INVALPARAM"),
            (
                talk(json!({"digitModes": dtmf, "numDigits": 1, "terminationDigits": "x"})),
                "INVALDIGITS",
            ),
            (with(offering, json!({"digitModes": dtmf, "numDigits": 1})), "INVALCALLSTATE"),
        ],
    );
    stage.all(
        "lineGenerateDigits",
        &[
            (talk(json!({"digitMode": 0x100, "digits": "1"})), "INVALDIGITMODE"),
            (with(offering, json!({"digitMode": dtmf, "digits": "1"})), "INVALCALLSTATE"),
        ],
    );
    let five = json!([{"frequency": 1}, {"frequency": 2}, {"frequency": 3}, {"frequency": 4},
        {"frequency": 5}, {"frequency": 6}, {"frequency": 7}, {"frequency": 8}, {"frequency": 9}]);
    stage.all(
        "lineGenerateTone",
        &[
            (talk(json!({"toneMode": 0x100})), "INVALTONEMODE"),
            (talk(json!({"toneMode": "LINETONEMODE_CUSTOM", "tones": five})), "INVALTONE"),
            (with(offering, json!({"toneMode": "LINETONEMODE_BEEP"})), "INVALCALLSTATE"),
        ],
    );
}

fn monitors(stage: &mut Stage, talking: u64, offering: u64) {
    let data = json!({"callData": "x", "bearerMode": 1, "appSpecific": 1, "userUserInfo": "x",
        "mediaModes": "LINEMEDIAMODE_INTERACTIVEVOICE", "destAddress": "203",
        "parkMode": "LINEPARKMODE_NONDIRECTED", "hConsultCall": talking,
        "transferMode": "LINETRANSFERMODE_TRANSFER", "digitModes": "LINEDIGITMODE_DTMF",
        "digitMode": "LINEDIGITMODE_DTMF", "digits": "1", "numDigits": 1,
        "toneMode": "LINETONEMODE_BEEP", "fileName": "errors"});
    for method in [
        "lineDrop",
        "lineHold",
        "lineUnhold",
        "lineSetupTransfer",
        "lineCompleteTransfer",
        "lineBlindTransfer",
        "lineSetupConference",
        "lineRemoveFromConference",
        "linePark",
        "lineHandoff",
        "lineSecureCall",
        "lineSendUserUserInfo",
        "lineReleaseUserUserInfo",
        "lineSetAppSpecific",
        "lineSetMediaMode",
        "lineSetCallData",
        "lineSetCallParams",
        "lineGatherDigits",
        "lineGenerateDigits",
        "lineGenerateTone",
        "lineDial",
    ] {
        stage.not_owner(method, with(talking, data.clone()));
    }
    for method in ["lineAccept", "lineAnswer", "lineRedirect"] {
        stage.not_owner(method, with(offering, data.clone()));
    }
    stage.not_owner("lineSwapHold", json!({"hActiveCall": talking, "hHeldCall": offering}));
}

fn on_translation(stage: &mut Stage) {
    let address = |more: Value| {
        let mut params = json!({"addressIn": "+33 (1) 42685300"});
        for (name, value) in more.as_object().unwrap() {
            params[name] = value.clone();
        }
        params
    };
    stage.all(
        "lineTranslateAddress",
        &[
            (address(json!({"deviceId": 99})), "BADDEVICEID"),
            (address(json!({"addressIn": "+331"})), "INVALADDRESS"),
            (address(json!({"translateOptions": 1, "card": 9})), "INVALCARD"),
            (address(json!({"translateOptions": 12})), "INVALPARAM"),
        ],
    );
    stage.refused("lineSetCurrentLocation", json!({"location": 7}), "INVALLOCATION");
}

/// A call that is IDLE can be asked about and nothing else.
fn after_the_end(stage: &mut Stage, call: u64) {
    stage.app.skip_to("201 IDLE");
    for method in [
        "lineDrop",
        "lineSecureCall",
        "lineSendUserUserInfo",
        "lineSetCallData",
        "lineSetCallParams",
        "lineMonitorDigits",
        "lineMonitorTones",
        "lineMonitorMedia",
    ] {
        let more = json!({"bearerMode": 1, "digitModes": "LINEDIGITMODE_DTMF", "userUserInfo": "x",
            "mediaModes": "LINEMEDIAMODE_INTERACTIVEVOICE",
            "toneList": [{"appSpecific": 1, "duration": 100, "frequency1": 425}]});
        stage.refused(method, with(call, more), "INVALCALLSTATE");
    }
}

/// Digits that cannot be dialled, and one call more than the line has appearances.
fn no_appearance(stage: &mut Stage, phone: &tests::program::LivePhone, line: u64) {
    let take = json!({"hLine": line, "destAddress": ";", "wait": true});
    let call = stage.app.call("lineMakeCall", take.clone()).unwrap()["hCall"].as_u64().unwrap();
    phone.incoming();
    for (digits, error) in [
        ("1$", "DIALBILLING"),
        ("W1", "DIALDIALTONE"),
        ("1?", "DIALPROMPT"),
        ("1@", "DIALQUIET"),
        ("number", "INVALADDRESS"),
    ] {
        stage.refused("lineDial", with(call, json!({"destAddress": digits})), error);
    }
    for _ in 1..4 {
        stage.app.call("lineMakeCall", take.clone()).unwrap();
        phone.incoming();
    }
    stage.refused("lineMakeCall", take, "CALLUNAVAIL");
}

fn every_error_is_accounted_for(met: &BTreeMap<String, BTreeSet<String>>) {
    let mut missing = Vec::new();
    for (method, families, own) in DOCUMENTED {
        let all = families.iter().flat_map(|family| family.iter()).chain(own.iter());
        for error in all {
            let is_met = met.get(*method).is_some_and(|met| met.contains(*error));
            let is_never = NEVER.contains(error)
                || UNREACHABLE.iter().any(|(of, which, _)| of == method && which == error);
            if !is_met && !is_never {
                missing.push(format!("{method} {error}"));
            }
        }
    }
    assert!(missing.is_empty(), "not met: {missing:#?}");
    let count: usize = met.values().map(BTreeSet::len).sum();
    println!("{count} errors of {} functions", met.len());
}
