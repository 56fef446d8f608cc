//! Call completion on real sockets, begun by phones and by applications: the whole trace on every line,
//! the tables, who hears whom, and nothing left behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed unwrap here is a failed test, which waits for real programs"
)]

use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use switch::phone::{Behaviour, PhoneEvent};
use tests::program::{Application, LivePhone, Program, http, office};

/// The office; 202 talks to 203 and takes no second call; an application has opened 201 and 202.
struct Desk {
    a: LivePhone,
    b: LivePhone,
    c: LivePhone,
    app: Application,
    lines: [u64; 2],
    far: LegId,
    program: Program,
}

/// The office with settings of `[completion]`; a short guard makes the tests quick.
fn completing(settings: &str) -> String {
    office(|text| {
        text.replace(
            "[completion]\n",
            &format!("[completion]\nidle_guard = \"200ms\"\n{settings}\n"),
        )
    })
}

impl Desk {
    fn new(settings: &str) -> Desk {
        Desk::of(Program::with(completing(settings)))
    }

    fn of(program: Program) -> Desk {
        // A phone that never answers by itself, so that a recall has to be answered.
        let quiet = || Behaviour { auto_answers: false, ..Behaviour::default() };
        let [a, b, c] = ["201", "202", "203"].map(|line| program.live_phone_with(line, quiet()));
        let far = b.call("203");
        let other = c.incoming();
        c.answer(other);
        b.connected(far);
        b.with(|phone| phone.behaviour().refuses_with = Some(486));
        let mut app = program.application("desk");
        let lines = ["201", "202"].map(|line| app.open(line));
        for line in lines {
            let states = ["NUMCOMPLETIONS", "COMPLCANCEL", "MSGWAITON", "MSGWAITOFF"];
            let states = states.map(|state| format!("LINEDEVSTATE_{state}"));
            let wish = json!({"hLine": line, "lineStates": states, "addressStates": []});
            app.call("lineSetStatusMessages", wish).unwrap();
        }
        Desk { a, b, c, app, lines, far, program }
    }

    /// 201 dials 202 by hand and finds it busy.
    fn finds_busy(&mut self) {
        self.a.call("202");
        assert_eq!(self.a.failed().0, 486);
        self.app.expect(&[
            "201 NEW OWNER",
            "201 DIALING OWNER",
            "201 PROCEEDING",
            "202 NEW OWNER",
            "202 OFFERING ACTIVE OWNER",
            "202 DISCONNECTED BUSY",
            "202 IDLE",
            "201 BUSY STATION",
        ]);
    }

    /// lineCompleteCall on 201's call; what LINE_REPLY brings.
    fn complete(&mut self, mode: &str) -> Value {
        let call = self.app.handle("201");
        let mode = format!("LINECALLCOMPLMODE_{mode}");
        let wish = json!({"hCall": call, "completionMode": mode});
        let answer = self.app.call("lineCompleteCall", wish).unwrap();
        assert!(answer["requestId"].as_u64().is_some_and(|id| id > 0), "{answer}");
        let reply = self.app.next("LINE_REPLY");
        assert_eq!(
            (&reply["method"], &reply["params"]["result"]),
            (&json!("LINE_REPLY"), &json!(0))
        );
        reply["params"].clone()
    }

    fn info(&mut self, call: &str) -> Value {
        let handle = self.app.handle(call);
        self.app.call("lineGetCallInfo", json!({"hCall": handle})).unwrap()
    }

    fn outstanding(&mut self) -> Value {
        let line = self.lines[0];
        let status = self.app.call("lineGetLineDevStatus", json!({"hLine": line})).unwrap();
        status["numCallCompletions"].clone()
    }

    fn items(&self) -> Vec<Value> {
        let (status, answer) = self.program.get("/api/v1/completions");
        assert_eq!(status, 200, "{answer}");
        answer["items"].as_array().unwrap().clone()
    }

    /// 202 hangs up; 201 is rung, answers, 202 answers: `name` is the call of 201, `other` that of 202.
    fn expect_completion(mut self, name: &str, other: &str) {
        self.b.with(|phone| phone.behaviour().refuses_with = None);
        self.b.hang_up(self.far);
        let recall = self.a.wait("the recall", |event| match event {
            PhoneEvent::Incoming { leg, .. } => Some(*leg),
            _ => None,
        });
        let say = |text: &str| format!("{name} {text}");
        self.app.skip_to(&say("NEW OWNER"));
        self.app.expect(&[&say("OFFERING ACTIVE OWNER")]);
        let info = self.info(name);
        assert_eq!(info["reason"], "LINECALLREASON_CALLCOMPLETION", "{info}");
        assert_eq!((&info["callerId"], &info["callerIdName"]), (&json!("202"), &json!("Ben")));
        assert_eq!(info["calledId"], "201");
        let row = self.items()[0].clone();
        assert_eq!(
            (&info["completionId"], &info["relatedCallId"]),
            (&row["completionId"], &row["callId"])
        );
        assert_eq!(row["state"], "RECALLING");
        self.a.answer(recall);
        let (new, offering) =
            (format!("{other} NEW OWNER"), format!("{other} OFFERING ACTIVE OWNER"));
        self.app.expect(&[&say("PROCEEDING"), &new, &offering, &say("RINGBACK")]);
        let far = self.b.incoming();
        self.b.answer(far);
        let connected = format!("{other} CONNECTED ACTIVE");
        let informed = format!("{other} INFO CONNECTEDID");
        self.app.expect(&[
            &connected,
            &say("CONNECTED ACTIVE"),
            &say("INFO CONNECTEDID"),
            &informed,
            "201 DEV NUMCOMPLETIONS",
        ]);
        self.a.hears(&self.b);
        self.b.hears(&self.a);
        assert_eq!(self.outstanding(), 0);
        assert_eq!(self.items(), Vec::<Value>::new());
        self.a.hang_up(recall);
        let (gone, idle) = (format!("{other} DISCONNECTED NORMAL"), format!("{other} IDLE"));
        self.app.expect(&[&gone, &idle, &say("IDLE")]);
        self.expect_rest();
    }

    fn expect_rest(mut self) {
        self.app.expect_silence();
        self.program.until("/api/v1/calls", |answer| answer["items"] == json!([]));
        self.program.until("/api/v1/media", |answer| answer["items"] == json!([]));
        self.program.until("/api/v1/completions", |answer| answer["items"] == json!([]));
    }
}

/// Skips what happens at 202 when its call with 203 ends.
const SHOWN: [&str; 2] = ["completionId", "line"];

#[test]
fn a_phone_asks_by_code_and_is_rung_when_the_line_is_free() {
    let mut desk = Desk::new("");
    desk.finds_busy();
    let leg = desk.a.call("*66");
    desk.a.connected(leg);
    desk.app.expect(&[
        "201 IDLE",
        "201/2 NEW OWNER",
        "201/2 DIALING OWNER",
        "201/2 PROCEEDING",
        "201/2 CONNECTED ACTIVE",
        "201 DEV NUMCOMPLETIONS",
    ]);
    desk.a.ended(leg);
    desk.app.expect(&["201/2 DISCONNECTED NORMAL", "201/2 IDLE"]);
    let rows = desk.items();
    assert_eq!(rows.len(), 1);
    assert_eq!((&rows[0]["line"], &rows[0]["callee"]), (&json!("201"), &json!("202")));
    assert_eq!(rows[0]["mode"], "LINECALLCOMPLMODE_CALLBACK");
    assert_eq!(rows[0]["condition"], "LINECALLCOMPLCOND_BUSY");
    assert_eq!(desk.outstanding(), 1);
    desk.expect_completion("201/3", "202/2");
}

#[test]
fn an_application_asks_and_the_call_goes_idle_and_comes_back_with_its_identifier() {
    let mut desk = Desk::new("");
    desk.finds_busy();
    let reply = desk.complete("CALLBACK");
    desk.app.expect(&["201 IDLE", "201 DEV NUMCOMPLETIONS"]);
    assert_eq!(desk.items()[0]["completionId"], reply["completionId"]);
    assert_eq!(desk.outstanding(), 1);
    desk.expect_completion("201/2", "202/2");
}

#[test]
fn an_application_camps_on_and_the_busy_line_sees_who_waits() {
    let mut desk = Desk::new("");
    desk.finds_busy();
    desk.complete("CAMPON");
    desk.app.expect(&[
        "201 IDLE",
        "201 DEV NUMCOMPLETIONS",
        "202/2 NEW OWNER",
        "202/2 ONHOLD OWNER",
    ]);
    let info = desk.info("202/2");
    assert_eq!(info["reason"], "LINECALLREASON_CAMPEDON");
    assert_eq!((&info["callerId"], &info["calledId"]), (&json!("201"), &json!("202")));
    desk.expect_completion("201/2", "202/3");
}

#[test]
fn an_unanswered_call_is_completed_after_the_line_was_used() {
    let mut desk = Desk::new("");
    desk.b.with(|phone| phone.behaviour().refuses_with = None);
    let near = desk.a.call("202");
    desk.b.incoming();
    desk.app.skip_to("201 RINGBACK");
    let handle = desk.app.handle("201");
    let status = desk.app.call("lineGetCallStatus", json!({"hCall": handle})).unwrap();
    let features = status["callFeatures"].as_array().unwrap();
    assert!(features.contains(&json!("LINECALLFEATURE_COMPLETECALL")), "{features:?}");
    desk.complete("CALLBACK");
    desk.app.expect(&[
        "201 IDLE",
        "202 DISCONNECTED CANCELLED",
        "202 IDLE",
        "201 DEV NUMCOMPLETIONS",
    ]);
    assert_eq!(desk.a.failed().0, 480);
    let _ = near;
    assert_eq!(desk.items()[0]["condition"], "LINECALLCOMPLCOND_NOANSWER");
    desk.expect_completion("201/2", "202/2");
}

#[test]
fn a_request_is_cancelled_by_its_application_its_phone_and_an_administrator() {
    let mut desk = Desk::new("");
    desk.finds_busy();
    let completion = desk.complete("CALLBACK")["completionId"].clone();
    desk.app.expect(&["201 IDLE", "201 DEV NUMCOMPLETIONS"]);
    let line = desk.lines[0];
    let cancel = json!({"hLine": line, "completionId": completion});
    desk.app.call("lineUncompleteCall", cancel.clone()).unwrap();
    desk.app.expect(&["REPLY 0", "201 DEV NUMCOMPLETIONS"]);
    assert_eq!(desk.app.refusal("lineUncompleteCall", cancel), "INVALCOMPLETIONID");
    for by_phone in [true, false] {
        desk.a.call("202");
        assert_eq!(desk.a.failed().0, 486);
        let code = desk.a.call("*66");
        desk.a.ended(code);
        desk.app.skip_to("201 DEV NUMCOMPLETIONS");
        let row = desk.items()[0].clone();
        let cancelled = |desk: &mut Desk| {
            let told = desk.app.wait("COMPLCANCEL", |message| {
                message["params"]["lineDevState"] == "LINEDEVSTATE_COMPLCANCEL"
            });
            assert_eq!(told["params"]["completionId"], row["completionId"], "{told}");
            desk.app.expect(&["201 DEV NUMCOMPLETIONS"]);
        };
        if by_phone {
            let code = desk.a.call("*86");
            desk.a.ended(code);
            cancelled(&mut desk);
        } else {
            let path = format!("/api/v1/completions/{}", row["completionId"]);
            let delete =
                |path: &str, token: &str| http(desk.program.api, "DELETE", path, Some(token), "").0;
            assert_eq!(delete(&path, "wrong"), 401);
            assert_eq!(delete("/api/v1/completions/7777", "admin-token"), 404);
            assert_eq!(delete("/api/v1/completions/x", "admin-token"), 404);
            assert_eq!(delete(&path, "admin-token"), 200);
            assert_eq!(delete(&path, "admin-token"), 404);
            cancelled(&mut desk);
        }
        assert_eq!(desk.outstanding(), 0);
    }
    for code in ["*86", "*66"] {
        desk.a.call(code);
        let (status, reason) = desk.a.failed();
        assert_eq!(status, 404, "{code}");
        assert!(reason.is_some_and(|reason| reason.starts_with("Q.850;cause=")), "{code}");
    }
}

#[test]
fn the_tables_show_who_waits_for_whom_and_the_shell_completion_is_still_there() {
    let mut desk = Desk::new("");
    desk.finds_busy();
    desk.complete("CALLBACK");
    desk.app.expect(&["201 IDLE", "201 DEV NUMCOMPLETIONS"]);
    let rows = desk.items();
    let output = desk.program.command(&["completions", "--json"]);
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    for member in SHOWN {
        assert_eq!(shown["items"][0][member], rows[0][member]);
    }
    let table = desk.program.command(&["completions"]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.starts_with("ID"), "{table}");
    let row = table.lines().nth(1).unwrap();
    for word in ["201", "202", "CALLBACK", "BUSY", "WAITING"] {
        assert!(row.contains(word), "{word}: {table}");
    }
    let script = tests::program::run(&["completions", "bash"]);
    assert!(String::from_utf8(script.stdout).unwrap().contains("_strowger"));
}

#[test]
fn a_message_is_left_told_and_taken_away_when_it_was_read() {
    let mut desk = Desk::new("messages = [\"Please call back.\", \"Lunch?\"]");
    desk.finds_busy();
    let call = desk.app.handle("201");
    let wish = |number: u32| json!({"hCall": call, "completionMode": "LINECALLCOMPLMODE_MESSAGE", "messageId": number});
    assert_eq!(desk.app.refusal("lineCompleteCall", wish(2)), "INVALMESSAGEID");
    desk.app.call("lineCompleteCall", wish(1)).unwrap();
    desk.app.expect(&["REPLY 0", "201 IDLE", "202 DEV MSGWAITON"]);
    assert_eq!(desk.outstanding(), 0, "nothing is waited for");
    let messages = |program: &Program| {
        let (_, answer) = program.get("/api/v1/lines");
        let rows = answer["items"].as_array().unwrap().clone();
        rows.iter().find(|row| row["line"] == "202").unwrap()["messages"].clone()
    };
    let left = messages(&desk.program);
    assert_eq!((&left[0]["from"], &left[0]["text"]), (&json!("201"), &json!("Lunch?")), "{left}");
    let path = "/api/v1/lines/202/messages";
    assert_eq!(http(desk.program.api, "DELETE", path, Some("admin-token"), "").0, 200);
    desk.app.expect(&["202 DEV MSGWAITOFF"]);
    assert_eq!(messages(&desk.program), json!([]));
    let line = desk.lines[0];
    let caps = desk.app.call("lineGetAddressCaps", json!({"deviceId": 0, "addressId": 0})).unwrap();
    assert_eq!(caps["numCompletionMessages"], 2);
    assert_eq!(caps["completionMsgText"], json!(["Please call back.", "Lunch?"]));
    assert_eq!(caps["maxCallCompletions"], 10);
    assert_eq!(
        caps["callCompletionConds"],
        json!(["LINECALLCOMPLCOND_BUSY", "LINECALLCOMPLCOND_NOANSWER"])
    );
    assert_eq!(
        caps["callCompletionModes"],
        json!([
            "LINECALLCOMPLMODE_CAMPON",
            "LINECALLCOMPLMODE_CALLBACK",
            "LINECALLCOMPLMODE_MESSAGE"
        ])
    );
    let _ = line;
}

#[test]
fn a_line_with_the_right_joins_the_call_of_a_busy_one_and_leaves_the_two_alone_again() {
    for uncompletes in [true, false] {
        let mut desk = Desk::new("intruders = [\"201\"]");
        desk.finds_busy();
        let call = desk.app.handle("201");
        let wish = json!({"hCall": call, "completionMode": "LINECALLCOMPLMODE_INTRUDE"});
        desk.app.call("lineCompleteCall", wish).unwrap();
        // The phone has hung up long ago: it is called first.
        let near = desk.a.incoming();
        desk.a.answer(near);
        let reply = desk.app.next("LINE_REPLY")["params"].clone();
        assert_eq!(reply["result"], 0, "{reply}");
        desk.app.expect(&[
            "202/2 NEW OWNER",
            "202/2 CONNECTED ACTIVE OWNER",
            "201 CONNECTED ACTIVE",
        ]);
        desk.app.skip_to("201 DEV NUMCOMPLETIONS");
        assert_eq!(desk.info("202/2")["reason"], "LINECALLREASON_INTRUDE");
        assert_eq!(desk.outstanding(), 1);
        // Each of the three hears the mix of the two others.
        desk.a.hears_tone();
        desk.b.hears_tone();
        desk.c.hears_tone();
        if uncompletes {
            let line = desk.lines[0];
            let cancel = json!({"hLine": line, "completionId": reply["completionId"]});
            desk.app.call("lineUncompleteCall", cancel).unwrap();
            desk.app.expect(&[
                "REPLY 0",
                "201 DISCONNECTED NORMAL",
                "201 IDLE",
                "202/2 DISCONNECTED NORMAL",
                "202/2 IDLE",
                "201 DEV NUMCOMPLETIONS",
            ]);
            desk.a.ended(near);
        } else {
            desk.a.hang_up(near);
            desk.app.skip_to("201 DEV NUMCOMPLETIONS");
        }
        desk.b.hears(&desk.c);
        desk.c.hears(&desk.b);
        assert_eq!(desk.outstanding(), 0);
        desk.b.hang_up(desk.far);
        desk.program.until("/api/v1/calls", |answer| answer["items"] == json!([]));
        desk.program.until("/api/v1/media", |answer| answer["items"] == json!([]));
    }
}

#[test]
fn a_line_without_the_right_cannot_intrude_and_is_not_told_that_it_could() {
    let mut desk = Desk::new("intruders = [\"204\"]");
    desk.finds_busy();
    let call = desk.app.handle("201");
    let status = desk.app.call("lineGetCallStatus", json!({"hCall": call})).unwrap();
    let refined = status["callFeatures2"].as_array().unwrap();
    assert!(refined.contains(&json!("LINECALLFEATURE2_COMPLCAMPON")), "{refined:?}");
    assert!(!refined.contains(&json!("LINECALLFEATURE2_COMPLINTRUDE")), "{refined:?}");
    let wish = json!({"hCall": call, "completionMode": "LINECALLCOMPLMODE_INTRUDE"});
    assert_eq!(desk.app.refusal("lineCompleteCall", wish), "OPERATIONUNAVAIL");
    desk.app.expect_silence();
}

#[test]
fn a_request_survives_the_death_of_the_process_and_is_carried_out_afterwards() {
    let mut desk = Desk::of(Program::with_database(&completing("")));
    desk.finds_busy();
    desk.complete("CALLBACK");
    let before = desk.items();
    desk.program.until_rows("bindings", 3);
    desk.program.until_rows("completions", 1);
    let Desk { a, b, c, far, program, .. } = desk;
    b.with(|phone| phone.behaviour().refuses_with = None);
    let program = program.crash_and_restart();
    let (_, answer) = program.get("/api/v1/completions");
    assert_eq!(answer["items"][0]["completionId"], before[0]["completionId"]);
    // The switch knows of no call at 202: the caller is rung.
    let recall = a.incoming();
    a.answer(recall);
    let second = b.incoming();
    b.answer(second);
    a.hears(&b);
    program.until("/api/v1/completions", |answer| answer["items"] == json!([]));
    let _ = (c, far);
}
