//! Digits and tones where who hears whom changes: conferences, transfers, simulated.

use std::time::Duration;

use media::{Performance, Tone};
use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use tests::sim::{Application, PhoneIndex, World};

const DTMF: &str = "LINEDIGITMODE_DTMF";

struct Office {
    world: World,
    app: Application,
    phones: [PhoneIndex; 3],
}

impl Office {
    fn new(seed: u64) -> Office {
        let mut world = World::office(seed);
        let phones = ["201", "202", "203"].map(|line| world.phone(line));
        let app = world.application("desk");
        for line in ["201", "202", "203"] {
            world.open(app, line);
        }
        Office { world, app, phones }
    }

    /// Two phones talk; the calls of both lines.
    fn talk(&mut self, a: usize, b: usize) -> ([LegId; 2], [u64; 2]) {
        self.world.trace(self.app);
        let (near, far) = self.world.connected(self.phones[a], self.phones[b]);
        self.world.settle();
        let new = |message: &&Value| message["method"] == json!("LINE_APPNEWCALL");
        let new = self.world.inbox(self.app).iter().filter(new);
        let calls: Vec<u64> =
            new.map(|message| message["params"]["hCall"].as_u64().unwrap()).collect();
        ([near, far], [calls[0], calls[1]])
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        let answer = self.world.ask(self.app, method, params);
        self.world.settle();
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Digits, tones and generations that were told, with the call.
    fn told(&mut self) -> Vec<String> {
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let inbox = std::mem::take(self.world.inbox(self.app));
        let one = |message: &Value| {
            let params = &message["params"];
            let call = params["hCall"].as_u64().unwrap_or_default();
            match message["method"].as_str()? {
                "LINE_MONITORDIGITS" => Some(format!("{call} {}", word(&params["digit"]))),
                "LINE_GATHERDIGITS" => Some(format!(
                    "{call} {} {}",
                    word(&params["digits"]),
                    word(&params["reason"]).trim_start_matches("LINEGATHERTERM_")
                )),
                "LINE_GENERATE" => {
                    let reason = word(&params["reason"]);
                    Some(format!("{call} {}", reason.trim_start_matches("LINEGENERATETERM_")))
                }
                _ => None,
            }
        };
        inbox.iter().filter_map(one).collect()
    }

    fn performance(&self, phone: usize, leg: LegId) -> Option<Performance> {
        let port = self.world.relay_port(self.phones[phone], leg).unwrap();
        self.world.media.with(|model| model.performance(port)).map(|(_, played)| played)
    }

    /// 201 with 202 and 203; the legs, and the parent's handle.
    fn conference(&mut self) -> (Vec<LegId>, u64) {
        let ([near, far], [call, _]) = self.talk(0, 1);
        self.world.trace(self.app);
        self.ask("lineSetupConference", json!({"hCall": call}));
        let reply = |message: &&Value| message["method"] == json!("LINE_REPLY");
        let reply = self.world.inbox(self.app).iter().find(reply).unwrap()["params"].clone();
        let (parent, consult) = (reply["hConfCall"].clone(), reply["hConsultCall"].clone());
        self.ask("lineDial", json!({"hCall": consult, "destAddress": "203"}));
        let third = self.world.incoming(self.phones[2]);
        self.world.with_phone(self.phones[2], |phone, now| phone.answer(now, third));
        self.world.settle();
        self.ask("lineAddToConference", json!({"hConfCall": parent, "hConsultCall": consult}));
        self.told();
        (vec![near, far, third], parent.as_u64().unwrap())
    }

    fn end(mut self, legs: &[(usize, LegId)]) {
        for (phone, leg) in legs {
            let phone = self.phones[*phone];
            self.world.with_phone(phone, |phone, now| phone.hang_up(now, *leg));
            self.world.settle();
        }
        self.world.assert_at_rest();
    }
}

#[test]
fn in_a_conference_every_members_digits_come_on_the_parent() {
    let mut office = Office::new(500);
    let (legs, parent) = office.conference();
    office.ask("lineMonitorDigits", json!({"hCall": parent, "digitModes": DTMF}));
    for (phone, digit) in [(1, '4'), (2, '5')] {
        assert!(office.world.press(office.phones[phone], legs[phone], digit));
    }
    assert_eq!(office.told(), [format!("{parent} 4"), format!("{parent} 5")]);
    // What the parent's own phone presses is not heard by itself.
    office.world.press(office.phones[0], legs[0], '6');
    assert!(office.told().is_empty());
    office.end(&[(0, legs[0])]);
}

#[test]
fn what_is_sent_on_a_conference_is_heard_by_all_others() {
    let mut office = Office::new(501);
    let (legs, parent) = office.conference();
    let tone = json!({"hCall": parent, "toneMode": "LINETONEMODE_BEEP"});
    office.ask("lineGenerateTone", tone);
    for phone in [1, 2] {
        let played = office.performance(phone, legs[phone]);
        assert_eq!(played, Some(Performance::Tone(Tone::Beep, None)), "{phone}");
    }
    assert_eq!(office.performance(0, legs[0]), None);
    // Who leaves does not end it for the others.
    office.world.with_phone(office.phones[2], |phone, now| phone.hang_up(now, legs[2]));
    office.world.settle();
    office.told();
    office.end(&[(0, legs[0])]);
}

#[test]
fn digits_are_sent_one_after_the_other_with_pauses_and_then_done() {
    let mut office = Office::new(502);
    let ([near, far], [call, other]) = office.talk(0, 1);
    office.ask("lineMonitorDigits", json!({"hCall": other, "digitModes": DTMF}));
    office.told();
    let digits = json!({"hCall": call, "digitMode": DTMF, "digits": "1,2", "duration": 100});
    let begin = office.world.now();
    office.ask("lineGenerateDigits", digits);
    assert_eq!(office.told(), [format!("{other} 1")]);
    let played = office.performance(1, far);
    let is_one = |played: &Performance| matches!(played, Performance::Digits { digits, .. } if digits == "1");
    assert!(played.as_ref().is_some_and(is_one), "{played:?}");
    office.world.until("the end", |world| {
        world.inbox(office.app).iter().any(|message| message["method"] == json!("LINE_GENERATE"))
    });
    let time = office.world.now() - begin;
    // Two digits with their gaps, and the usual pause of two seconds.
    assert!((2_300..2_800).contains(&time.as_millis()), "{time:?}");
    assert_eq!(office.told(), [format!("{other} 2"), format!("{call} DONE")]);
    office.end(&[(0, near)]);
}

#[test]
fn a_gathering_goes_on_with_whom_a_transfer_brings() {
    let mut office = Office::new(503);
    let ([near, far], [_, other]) = office.talk(0, 1);
    let gather = json!({"hCall": other, "digitModes": DTMF, "numDigits": 3});
    office.ask("lineGatherDigits", gather);
    office.world.press(office.phones[0], near, '1');
    office.world.with_phone(office.phones[0], |phone, now| phone.transfer(now, near, "203"));
    office.world.settle();
    let third = office.world.incoming(office.phones[2]);
    office.world.with_phone(office.phones[2], |phone, now| phone.answer(now, third));
    office.world.settle();
    // Its keys are listened for now, those of the transferor's phone no more.
    let port = office.world.relay_port(office.phones[2], third).unwrap();
    assert!(office.world.media.with(|model| model.watch(port)).keys);
    office.world.press(office.phones[2], third, '2');
    office.world.press(office.phones[2], third, '3');
    assert_eq!(office.told(), [format!("{other} 123 BUFFERFULL")]);
    assert!(!office.world.media.with(|model| model.watch(port)).keys);
    office.world.with_phone(office.phones[0], |phone, now| phone.hang_up(now, near));
    office.end(&[(1, far)]);
}

#[test]
fn a_tone_follows_the_party_that_a_transfer_brings() {
    let mut office = Office::new(504);
    let ([near, far], [_, other]) = office.talk(0, 1);
    office.ask("lineGenerateTone", json!({"hCall": other, "toneMode": "LINETONEMODE_BUSY"}));
    let busy = Some(Performance::Tone(Tone::Busy, None));
    assert_eq!(office.performance(0, near), busy);
    office.world.with_phone(office.phones[0], |phone, now| phone.transfer(now, near, "203"));
    office.world.settle();
    let third = office.world.incoming(office.phones[2]);
    office.world.with_phone(office.phones[2], |phone, now| phone.answer(now, third));
    office.world.settle();
    assert_eq!(office.performance(2, third), busy);
    office.ask("lineGenerateTone", json!({"hCall": other, "toneMode": 0}));
    assert_eq!(office.performance(2, third), None);
    office.world.with_phone(office.phones[0], |phone, now| phone.hang_up(now, near));
    office.end(&[(1, far)]);
}

#[test]
fn a_number_dialled_by_keys_ends_with_the_square_or_with_a_pause() {
    for (digits, end) in [("0123456#", false), ("0123456", true)] {
        let mut office = Office::new(505);
        office.world.trace(office.app);
        let line = office.world.open(office.app, "201");
        office.ask("lineMakeCall", json!({"hLine": line, "destAddress": ""}));
        let leg = office.world.incoming(office.phones[0]);
        office.world.trace(office.app);
        for digit in digits.chars() {
            office.world.press(office.phones[0], leg, digit);
        }
        let has_dialled = |office: &mut Office| {
            let told = office.world.trace(office.app);
            told.iter().any(|message| message == "LINE_CALLSTATE PROCEEDING")
        };
        assert_eq!(has_dialled(&mut office), !end, "{digits}");
        office.world.run_for(Duration::from_secs(5));
        assert_eq!(has_dialled(&mut office), end, "{digits}");
        office.end(&[(0, leg)]);
    }
}

#[test]
fn a_number_does_not_grow_beyond_what_one_dial_string_may_hold() {
    let mut office = Office::new(506);
    office.world.trace(office.app);
    let line = office.world.open(office.app, "201");
    office.ask("lineMakeCall", json!({"hLine": line, "destAddress": ""}));
    let leg = office.world.incoming(office.phones[0]);
    let reply = |message: &&Value| message["method"] == json!("LINE_REPLY");
    let made = office.world.inbox(office.app).iter().find(reply).unwrap()["params"].clone();
    let half = format!("{};", "0".repeat(200));
    office.world.trace(office.app);
    for refused in [false, true] {
        office.ask("lineDial", json!({"hCall": made["hCall"], "destAddress": half}));
        let told = office.world.trace(office.app);
        let is_refused = told.iter().any(|message| message.contains("INVALADDRESS"));
        assert_eq!(is_refused, refused, "{told:?}");
    }
    for _ in 0..100 {
        office.world.press(office.phones[0], leg, '0');
    }
    office.world.run_for(Duration::from_secs(5));
    let told = office.world.trace(office.app);
    assert!(told.iter().any(|message| message == "LINE_CALLSTATE PROCEEDING"), "{told:?}");
    let info = office.ask("lineGetCallInfo", json!({"hCall": made["hCall"]}));
    let dialled = info["calledId"].as_str().unwrap_or_default();
    assert_eq!(dialled.len(), 256, "{info}");
    office.end(&[(0, leg)]);
}
