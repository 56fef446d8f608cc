//! Call completion after a busy line: called back, camped on, intruded, left a message; asked for by a
//! phone's code and by an application, and taken back by both.

use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use switch::phone::Behaviour;
use tests::program::{LivePhone, Program, office};
use tests::row::{Row, hear_each_other};

const LINES: [&str; 3] = ["201", "203", "206"];

/// 203 talks to 206 and takes no second call; 201 may intrude.
struct Desk {
    row: Row,
    phones: [LivePhone; 3],
    /// The legs of the call between 203 and 206.
    talk: (LegId, LegId),
}

fn busy() -> Desk {
    let text = office(|text| {
        text.replace(
            "[completion]\n",
            "[completion]\nidle_guard = \"200ms\"\nintruders = [\"201\"]\n\
             messages = [\"Please call back.\", \"Lunch?\"]\n",
        )
    });
    let mut row = Row::with(Program::with(text), &LINES);
    let quiet = || Behaviour { auto_answers: false, ..Behaviour::default() };
    let phones = LINES.map(|line| row.program.live_phone_with(line, quiet()));
    let talk = row.talk(&phones[1], &phones[2]);
    phones[1].with(|phone| phone.behaviour().refuses_with = Some(486));
    for line in ["201", "203"] {
        let states = ["NUMCOMPLETIONS", "COMPLCANCEL", "MSGWAITON", "MSGWAITOFF"];
        let states = states.map(|state| format!("LINEDEVSTATE_{state}"));
        let h_line = row.line(line);
        row.ask(
            "lineSetStatusMessages",
            json!({"hLine": h_line, "lineStates": states, "addressStates": []}),
        );
    }
    Desk { row, phones, talk }
}

impl Desk {
    /// 201 dials 203 by hand.
    fn finds_busy(&mut self) {
        self.phones[0].call("203");
        assert_eq!(self.phones[0].failed().0, 486);
        let name = self.row.app.next_name("201");
        let other = self.row.app.next_name("203");
        let caller = format!(
            "{name} NEW OWNER; {name} DIALING OWNER; {name} PROCEEDING; {name} BUSY STATION"
        );
        let called = format!(
            "{other} NEW OWNER; {other} OFFERING ACTIVE OWNER; {other} DISCONNECTED BUSY; {other} IDLE"
        );
        self.row.told(&[("201", &caller), ("203", &called)]);
    }

    /// 201's phone dials a code, which the switch confirms.
    fn dials_code(&mut self, code: &str, before: &str, after: &str) {
        let a = &self.phones[0];
        let name = self.row.app.next_name("201");
        let leg = a.call(code);
        a.connected(leg);
        a.hears_tone();
        a.ended(leg);
        let told = format!(
            "{before}{name} NEW OWNER; {name} DIALING OWNER; {name} PROCEEDING; \
             {name} CONNECTED ACTIVE; {after}{name} DISCONNECTED NORMAL; {name} IDLE"
        );
        self.row.told(&[("201", &told)]);
    }

    fn complete(&mut self, mode: &str, more: Value) {
        let mut wish = json!({"completionMode": format!("LINECALLCOMPLMODE_{mode}")});
        wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.row.tell("lineCompleteCall", "201", wish);
    }

    fn requests(&self) -> Vec<Value> {
        self.row.program.get("/api/v1/completions").1["items"].as_array().unwrap().clone()
    }

    /// The first call between 203 and 206 ends; 201 is rung, and reaches 203.
    fn completes(self, recalled: &str, reached: &str, by_application: bool, camped: &str) {
        self.completes_after(["203", "206"], [recalled, reached], by_application, camped);
    }

    /// 203 and 206 hang up; 201 is rung, answers by its own hand or an application's, and reaches 203.
    fn completes_after(
        mut self,
        over: [&str; 2],
        calls: [&str; 2],
        by_application: bool,
        camped: &str,
    ) {
        let [recalled, reached] = calls;
        let [a, b, c] = &self.phones;
        let row = &mut self.row;
        b.with(|phone| phone.behaviour().refuses_with = None);
        b.hang_up(self.talk.0);
        c.ended(self.talk.1);
        let recall = a.incoming();
        row.told(&[
            ("201", &format!("{recalled} NEW OWNER; {recalled} OFFERING ACTIVE OWNER")),
            ("203", &format!("{} IDLE{camped}", over[0])),
            ("206", &format!("{0} DISCONNECTED NORMAL; {0} IDLE", over[1])),
        ]);
        assert_eq!(row.parties(recalled), "CALLCOMPLETION 203 201 - - -");
        let reply = if by_application {
            row.tell("lineAnswer", recalled, json!({}));
            "REPLY 0; "
        } else {
            a.answer(recall);
            ""
        };
        let far = b.incoming();
        row.told(&[
            ("201", &format!("{reply}{recalled} PROCEEDING; {recalled} RINGBACK")),
            ("203", &format!("{reached} NEW OWNER; {reached} OFFERING ACTIVE OWNER")),
        ]);
        b.answer(far);
        row.told(&[
            (
                "201",
                &format!(
                    "{recalled} CONNECTED ACTIVE; {recalled} INFO CONNECTEDID; 201 DEV NUMCOMPLETIONS"
                ),
            ),
            ("203", &format!("{reached} CONNECTED ACTIVE; {reached} INFO CONNECTEDID")),
        ]);
        hear_each_other(a, b);
        c.hears_nothing_of(b);
        a.hang_up(recall);
        b.ended(far);
        row.told(&[
            ("201", &format!("{recalled} IDLE")),
            ("203", &format!("{reached} DISCONNECTED NORMAL; {reached} IDLE")),
        ]);
        self.row.is_empty();
    }

    /// 203 and 206 hang up and nobody is rung.
    fn end(self) {
        let Desk { mut row, phones, talk } = self;
        phones[1].hang_up(talk.0);
        phones[2].ended(talk.1);
        row.told(&[("203", "203 IDLE"), ("206", "206 DISCONNECTED NORMAL; 206 IDLE")]);
        row.is_empty();
    }
}

#[test]
fn a_phone_asks_by_code_to_be_called_back() {
    let mut desk = busy();
    desk.finds_busy();
    desk.dials_code("*66", "201 IDLE; ", "201 DEV NUMCOMPLETIONS; ");
    desk.completes("201/3", "203/3", false, "");
}

#[test]
fn a_phone_takes_its_request_back_by_code() {
    let mut desk = busy();
    desk.finds_busy();
    desk.dials_code("*66", "201 IDLE; ", "201 DEV NUMCOMPLETIONS; ");
    assert_eq!(desk.requests().len(), 1);
    desk.dials_code("*86", "", "201 DEV COMPLCANCEL; 201 DEV NUMCOMPLETIONS; ");
    desk.end();
}

#[test]
fn an_application_asks_to_be_called_back() {
    let mut desk = busy();
    desk.finds_busy();
    desk.complete("CALLBACK", json!({}));
    desk.row.told(&[("201", "REPLY 0; 201 IDLE; 201 DEV NUMCOMPLETIONS")]);
    desk.completes("201/2", "203/3", true, "");
}

#[test]
fn an_application_camps_on_and_the_busy_line_sees_who_waits() {
    let mut desk = busy();
    desk.finds_busy();
    desk.complete("CAMPON", json!({}));
    desk.row.told(&[
        ("201", "REPLY 0; 201 IDLE; 201 DEV NUMCOMPLETIONS"),
        ("203", "203/3 NEW OWNER; 203/3 ONHOLD OWNER"),
    ]);
    assert_eq!(desk.row.parties("203/3"), "CAMPEDON 201 203 - - -");
    desk.completes("201/2", "203/4", true, "; 203/3 IDLE");
}

#[test]
fn an_application_takes_its_request_back() {
    let mut desk = busy();
    desk.finds_busy();
    desk.complete("CALLBACK", json!({}));
    desk.row.told(&[("201", "REPLY 0; 201 IDLE; 201 DEV NUMCOMPLETIONS")]);
    let completion = desk.requests()[0]["completionId"].clone();
    let line = desk.row.line("201");
    let cancel = json!({"hLine": line, "completionId": completion});
    desk.row.ask("lineUncompleteCall", cancel.clone());
    desk.row.told(&[("201", "REPLY 0; 201 DEV NUMCOMPLETIONS")]);
    assert_eq!(desk.row.app.refusal("lineUncompleteCall", cancel), "INVALCOMPLETIONID");
    desk.end();
}

#[test]
fn an_application_intrudes_and_the_three_hear_each_other_until_it_leaves() {
    let mut desk = busy();
    desk.finds_busy();
    desk.complete("INTRUDE", json!({}));
    let near = desk.phones[0].incoming();
    desk.phones[0].answer(near);
    desk.row.told(&[
        ("201", "REPLY 0; 201 CONNECTED ACTIVE; 201 INFO CONNECTEDID; 201 DEV NUMCOMPLETIONS"),
        ("203", "203/3 NEW OWNER; 203/3 CONNECTED ACTIVE OWNER; 203/3 INFO CONNECTEDID"),
    ]);
    let [a, b, c] = &desk.phones;
    a.hears_mix(&[b, c]);
    b.hears_mix(&[a, c]);
    c.hears_mix(&[a, b]);
    assert_eq!(desk.row.parties("203/3"), "INTRUDE 201 203 201 - -");
    desk.row.tell("lineDrop", "201", json!({}));
    a.ended(near);
    desk.row.told(&[
        ("201", "REPLY 0; 201 IDLE; 201 DEV NUMCOMPLETIONS"),
        ("203", "203/3 DISCONNECTED NORMAL; 203/3 IDLE"),
    ]);
    hear_each_other(b, c);
    desk.end();
}

#[test]
fn an_application_leaves_a_message_and_it_is_taken_away() {
    let mut desk = busy();
    desk.finds_busy();
    desk.complete("MESSAGE", json!({"messageId": 1}));
    desk.row.told(&[("201", "REPLY 0; 201 IDLE"), ("203", "203 DEV MSGWAITON")]);
    let lines = desk.row.program.get("/api/v1/lines").1;
    let rows = lines["items"].as_array().unwrap();
    let left = &rows.iter().find(|row| row["line"] == "203").unwrap()["messages"][0];
    assert_eq!((&left["from"], &left["text"]), (&json!("201"), &json!("Lunch?")));
    let path = "/api/v1/lines/203/messages";
    let token = Some(tests::program::TOKEN);
    assert_eq!(tests::program::http(desk.row.program.api, "DELETE", path, token, "").0, 200);
    desk.row.told(&[("203", "203 DEV MSGWAITOFF")]);
    desk.end();
}

/// 201 rings at 203, where nobody answers.
fn unanswered() -> Desk {
    let desk = busy();
    let Desk { mut row, phones, talk } = desk;
    let [a, b, c] = &phones;
    b.hang_up(talk.0);
    c.ended(talk.1);
    b.with(|phone| phone.behaviour().refuses_with = None);
    row.told(&[("203", "203 IDLE"), ("206", "206 DISCONNECTED NORMAL; 206 IDLE")]);
    let rung = row.ring(a, b);
    Desk { row, phones, talk: rung }
}

impl Desk {
    /// 203 talks to 206 again: as soon as that call is over, it is at its phone.
    fn is_used(&mut self) {
        self.talk = self.row.talk(&self.phones[1], &self.phones[2]);
    }
}

#[test]
fn a_phone_that_gave_up_asks_by_code_to_be_called_back_when_the_line_was_used() {
    let mut desk = unanswered();
    let (near, far) = desk.talk;
    desk.phones[0].hang_up(near);
    desk.phones[1].ended(far);
    let told = [("201", "201 IDLE"), ("203", "203/2 DISCONNECTED CANCELLED; 203/2 IDLE")];
    desk.row.told(&told);
    desk.dials_code("*66", "", "201 DEV NUMCOMPLETIONS; ");
    assert_eq!(desk.requests()[0]["condition"], "LINECALLCOMPLCOND_NOANSWER");
    desk.is_used();
    desk.completes_after(["203/3", "206/2"], ["201/3", "203/4"], false, "");
}

#[test]
fn an_application_asks_to_be_called_back_while_the_other_phone_rings() {
    let mut desk = unanswered();
    let (_, far) = desk.talk;
    desk.complete("CALLBACK", json!({}));
    assert_eq!(desk.phones[0].failed().0, 480);
    desk.phones[1].ended(far);
    desk.row.told(&[
        ("201", "REPLY 0; 201 IDLE; 201 DEV NUMCOMPLETIONS"),
        ("203", "203/2 DISCONNECTED CANCELLED; 203/2 IDLE"),
    ]);
    assert_eq!(desk.requests()[0]["condition"], "LINECALLCOMPLCOND_NOANSWER");
    desk.is_used();
    desk.completes_after(["203/3", "206/2"], ["201/2", "203/4"], true, "");
}
