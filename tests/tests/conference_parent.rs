//! Conferences that a line builds call by call: parent, members, consultation.

use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use switch::exchange::{AdminRequest, ConferenceStep};
use tapi::LineErr;
use tests::sim::{PhoneIndex, World};

struct Office {
    world: World,
    phones: [PhoneIndex; 4],
    legs: Vec<LegId>,
    parent: u32,
    members: Vec<u32>,
}

impl Office {
    /// 201 talks to 202.
    fn new(seed: u64) -> Office {
        let mut world = World::office(seed);
        let phones = ["201", "202", "203", "204"].map(|line| world.phone(line));
        let (near, far) = world.connected(phones[0], phones[1]);
        world.settle();
        let legs = vec![near, far];
        let mut office = Office { world, phones, legs, parent: 0, members: Vec::new() };
        let call = office.rows("201").first().unwrap()["callId"].as_u64().unwrap();
        office.members.push(u32::try_from(call).unwrap());
        office
    }

    fn rows(&mut self, line: &str) -> Vec<Value> {
        let rows = self.world.administrator(AdminRequest::Calls).unwrap();
        let rows = rows.as_array().unwrap().iter();
        rows.filter(|row| row["line"] == json!(line)).cloned().collect()
    }

    fn state(&mut self, call: u32) -> String {
        let rows = self.rows("201");
        let row = rows.iter().find(|row| row["callId"] == json!(call));
        let state = row.and_then(|row| row["callState"].as_str());
        state.map_or("gone", |state| state.rsplit('_').next().unwrap()).to_owned()
    }

    fn step(&mut self, step: ConferenceStep<'_>) -> Result<Vec<u32>, LineErr> {
        let made = self.world.conference("201", step);
        self.world.settle();
        made
    }

    fn set_up(&mut self) -> u32 {
        let made = self.step(ConferenceStep::SetUp(self.members[0])).unwrap();
        self.parent = made[0];
        made[1]
    }

    /// The consultation call reaches a phone, which answers.
    fn dial(&mut self, consult: u32, phone: usize, number: &str) {
        self.step(ConferenceStep::Dial(consult, number)).unwrap();
        let phone = self.phones[phone];
        let leg = self.world.incoming(phone);
        self.world.with_phone(phone, |phone, now| phone.answer(now, leg));
        self.world.settle();
        self.legs.push(leg);
    }

    fn add(&mut self, consult: u32) {
        self.step(ConferenceStep::Add(self.parent, consult)).unwrap();
        self.members.push(consult);
    }

    /// 201 with 202 and 203.
    fn three(seed: u64) -> Office {
        let mut office = Office::new(seed);
        let consult = office.set_up();
        office.dial(consult, 2, "203");
        office.add(consult);
        office
    }

    /// Who among the phones hears whom is exactly this group.
    fn hear_each_other(&self, group: &[usize]) {
        for (speaker, leg) in self.legs.iter().enumerate() {
            for listener in 0..self.legs.len() {
                let expected =
                    speaker != listener && group.contains(&speaker) && group.contains(&listener);
                let heard = self.world.hears(self.phones[listener], self.phones[speaker], *leg);
                let ladder = self.world.ladder();
                assert_eq!(heard, expected, "{listener} hears {speaker}\n{ladder}");
            }
        }
    }

    fn hang_up(&mut self, phone: usize) {
        let leg = self.legs[phone];
        self.world.with_phone(self.phones[phone], |phone, now| phone.hang_up(now, leg));
        self.world.settle();
    }
}

#[test]
fn a_conference_of_three_is_set_up_and_ends_with_its_parent() {
    let mut office = Office::new(400);
    let consult = office.set_up();
    assert_eq!(office.state(office.parent), "ONHOLDPENDCONF");
    assert_eq!(
        (office.state(consult), office.state(office.members[0])),
        ("DIALTONE".to_owned(), "CONFERENCED".to_owned())
    );
    assert!(matches!(
        office.world.treatment(office.phones[1], office.legs[1]),
        media::Treatment::Tone(media::Tone::Hold, _)
    ));
    office.dial(consult, 2, "203");
    assert_eq!(office.state(consult), "CONNECTED");
    office.hear_each_other(&[0, 2]);
    office.add(consult);
    assert_eq!(office.state(office.parent), "CONNECTED");
    assert_eq!(office.state(consult), "CONFERENCED");
    office.hear_each_other(&[0, 1, 2]);
    for line in ["202", "203"] {
        let rows = office.rows(line);
        assert_eq!(rows[0]["callState"], json!("LINECALLSTATE_CONNECTED"));
        assert_eq!(rows[0]["mode"], json!("LINECONNECTEDMODE_ACTIVE"));
    }
    office.step(ConferenceStep::Drop(office.parent)).unwrap();
    assert!(office.rows("201").is_empty());
    office.world.assert_at_rest();
}

#[test]
fn a_fourth_party_joins_while_the_others_go_on_talking() {
    let mut office = Office::three(401);
    let consult = office.step(ConferenceStep::Prepare(office.parent)).unwrap()[0];
    assert_eq!(office.state(office.parent), "ONHOLDPENDCONF");
    office.hear_each_other(&[1, 2]);
    office.dial(consult, 3, "204");
    office.add(consult);
    office.hear_each_other(&[0, 1, 2, 3]);
    office.hang_up(0);
    assert!(office.rows("201").is_empty() && office.rows("204").is_empty());
    office.world.assert_at_rest();
}

#[test]
fn a_removed_member_leaves_a_call_of_two() {
    let mut office = Office::three(402);
    office.step(ConferenceStep::Remove(office.members[1])).unwrap();
    assert_eq!(office.state(office.parent), "gone");
    assert_eq!(office.state(office.members[0]), "CONNECTED");
    assert!(office.rows("203").is_empty());
    office.hear_each_other(&[0, 1]);
    office.hang_up(1);
    office.world.assert_at_rest();
}

#[test]
fn a_member_that_hangs_up_leaves_the_others_and_then_a_call_of_two() {
    let mut office = Office::three(403);
    let consult = office.step(ConferenceStep::Prepare(office.parent)).unwrap()[0];
    office.dial(consult, 3, "204");
    office.add(consult);
    office.hang_up(1);
    assert_eq!(office.state(office.parent), "CONNECTED");
    office.hear_each_other(&[0, 2, 3]);
    office.hang_up(3);
    assert_eq!(office.state(office.members[1]), "CONNECTED");
    office.hear_each_other(&[0, 2]);
    office.hang_up(0);
    office.world.assert_at_rest();
}

#[test]
fn dropping_the_first_consultation_gives_back_the_call_of_two() {
    let mut office = Office::new(404);
    let consult = office.set_up();
    office.dial(consult, 2, "203");
    office.step(ConferenceStep::Drop(consult)).unwrap();
    assert_eq!(office.state(office.members[0]), "CONNECTED");
    assert_eq!(office.rows("201").len(), 1);
    office.hear_each_other(&[0, 1]);
    office.hang_up(0);
    office.world.assert_at_rest();
}

#[test]
fn dropping_a_later_consultation_gives_back_the_conference() {
    let mut office = Office::three(405);
    let consult = office.step(ConferenceStep::Prepare(office.parent)).unwrap()[0];
    office.step(ConferenceStep::Drop(consult)).unwrap();
    assert_eq!(office.state(office.parent), "CONNECTED");
    office.hear_each_other(&[0, 1, 2]);
    office.step(ConferenceStep::Drop(office.parent)).unwrap();
    office.world.assert_at_rest();
}

#[test]
fn the_phone_that_hangs_up_during_a_consultation_ends_all() {
    let mut office = Office::three(406);
    let consult = office.step(ConferenceStep::Prepare(office.parent)).unwrap()[0];
    office.dial(consult, 3, "204");
    office.hang_up(0);
    for line in ["201", "202", "203", "204"] {
        assert!(office.rows(line).is_empty(), "{line}");
    }
    office.world.assert_at_rest();
}

#[test]
fn what_the_states_forbid_is_refused_and_changes_nothing() {
    let mut office = Office::three(407);
    let (parent, first) = (office.parent, office.members[0]);
    let add = office.step(ConferenceStep::Add(parent, first));
    assert_eq!(add, Err(LineErr::InvalCallHandle));
    assert_eq!(office.step(ConferenceStep::Prepare(first)), Err(LineErr::InvalConfCallHandle));
    assert_eq!(office.step(ConferenceStep::SetUp(parent)), Err(LineErr::InvalCallState));
    assert_eq!(office.step(ConferenceStep::Remove(parent)), Err(LineErr::InvalCallState));
    office.hear_each_other(&[0, 1, 2]);
    office.step(ConferenceStep::Drop(parent)).unwrap();
    office.world.assert_at_rest();
}

#[test]
fn an_application_builds_a_conference_and_drops_it() {
    use tapi::constant::CallState;
    let mut office = Office::new(408);
    office.hang_up(0);
    office.legs.clear();
    let app = office.world.application("crm");
    office.world.open(app, "201");
    let (near, far) = office.world.connected(office.phones[0], office.phones[1]);
    office.legs = vec![near, far];
    office.world.settle();
    let message = |message: &&Value| message["method"] == json!("LINE_APPNEWCALL");
    let call = office.world.inbox(app).iter().find(message).unwrap()["params"]["hCall"].clone();
    office.world.trace(app);
    let ask = |office: &mut Office, method: &str, params: Value| {
        let answer = office.world.ask(app, method, params);
        office.world.settle();
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    };
    // Replies and states; what LINE_CALLINFO says in between is not looked at.
    let told = |office: &mut Office| {
        let mut trace = office.world.trace(app);
        trace.retain(|message| !message.starts_with("LINE_CALLINFO"));
        trace
    };
    ask(&mut office, "lineSetupConference", json!({"hCall": call}));
    let reply = |message: &&Value| message["method"] == json!("LINE_REPLY");
    let reply = office.world.inbox(app).iter().find(reply).unwrap()["params"].clone();
    let (parent, consult) = (reply["hConfCall"].clone(), reply["hConsultCall"].clone());
    assert_eq!(
        told(&mut office),
        [
            "LINE_REPLY 0",
            "LINE_CALLSTATE ONHOLDPENDCONF",
            "LINE_CALLSTATE DIALTONE INTERNAL",
            "LINE_CALLSTATE CONFERENCED",
        ]
    );
    ask(&mut office, "lineDial", json!({"hCall": consult, "destAddress": "203"}));
    let ringing = office.world.incoming(office.phones[2]);
    office.world.with_phone(office.phones[2], |phone, now| phone.answer(now, ringing));
    office.world.settle();
    office.legs.push(ringing);
    office.world.trace(app);
    ask(&mut office, "lineAddToConference", json!({"hConfCall": parent, "hConsultCall": consult}));
    office.hear_each_other(&[0, 1, 2]);
    assert_eq!(
        told(&mut office),
        ["LINE_REPLY 0", "LINE_CALLSTATE CONFERENCED", "LINE_CALLSTATE CONNECTED ACTIVE",]
    );
    let state =
        |office: &Office, call: &Value| office.world.watch(app).state(call.as_u64().unwrap());
    assert_eq!(state(&office, &call), Some(CallState::Conferenced));
    ask(&mut office, "lineDrop", json!({"hCall": parent}));
    for handle in [&call, &consult, &parent] {
        assert_eq!(state(&office, handle), Some(CallState::Idle));
    }
    office.world.assert_at_rest();
}
