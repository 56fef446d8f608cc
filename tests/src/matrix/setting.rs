//! One world in one situation: line 201 with its phone, four others to talk to, an application that
//! owns the calls of 201 and one that monitors them.

use std::time::Duration;

use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use switch::exchange::{AdminRequest, CallAction};
use switch::phone::{Behaviour, HoldSpelling, PhoneEvent};

use crate::sim::{Application, PhoneIndex, World};

/// What the phone of line 201 is like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phones {
    /// It does what `Event: talk` and `hold` say, and answers by itself when told to.
    Obedient,
    /// It obeys its user alone.
    Plain,
}

/// Rounds of hanging up until everything must have ended.
const ROUNDS: usize = 12;

/// A world in a situation; see the module's text.
pub struct Setting {
    /// The world.
    pub world: World,
    /// Whose calls they are.
    pub owner: Application,
    /// Who only sees them.
    pub monitor: Application,
    /// The owner's line 201.
    pub h_line: u64,
    /// The monitor's.
    pub monitor_line: u64,
    /// Phones of 201, 202, 203, 204 and 206, and of 205, which nobody uses but the operations.
    pub phones: [PhoneIndex; 6],
    kind: Phones,
}

impl Setting {
    /// All phones registered, both applications on line 201, no call.
    pub fn new(kind: Phones, seed: u64) -> Setting {
        let mut world = World::office(seed);
        let behaviour = match kind {
            Phones::Obedient => Behaviour::default(),
            Phones::Plain => {
                Behaviour { auto_answers: false, obeys_events: false, ..Behaviour::default() }
            }
        };
        let own = world.unregistered_phone("201", behaviour);
        world.register(own);
        let [b, c, d, e, free] = ["202", "203", "204", "206", "205"].map(|line| world.phone(line));
        let owner = world.application("owner");
        let h_line = world.open(owner, "201");
        let monitor = world.application("monitor");
        let monitor_line = world.open(monitor, "201");
        Setting {
            world,
            owner,
            monitor,
            h_line,
            monitor_line,
            phones: [own, b, c, d, e, free],
            kind,
        }
    }

    /// The handles that an application has of calls of 201, oldest first, with the state told.
    pub fn calls(&self, application: Application) -> Vec<(u64, String)> {
        let name = |state: Option<tapi::constant::CallState>| {
            let name = state.map_or("LINECALLSTATE_UNKNOWN", |state| tapi::Constant::name(state));
            name.trim_start_matches("LINECALLSTATE_").to_owned()
        };
        let handles = self.world.watch(application).handles();
        handles.into_iter().map(|(handle, state)| (handle, name(state))).collect()
    }

    /// The owner's last handle whose call is in this state.
    pub fn call(&self, state: &str) -> u64 {
        let calls = self.calls(self.owner);
        let found = calls.iter().rev().find(|(_, now)| now == state);
        found.unwrap_or_else(|| panic!("no call is {state}: {calls:?}")).0
    }

    /// The features and their variants that an application reads.
    pub fn features(&mut self, application: Application, call: u64) -> [Vec<String>; 2] {
        let status = self.world.ask(application, "lineGetCallStatus", json!({"hCall": call}));
        let status = status.unwrap_or_default();
        [words(&status["callFeatures"]), words(&status["callFeatures2"])]
    }

    /// LINEADDRESSSTATUS.dwAddressFeatures.
    pub fn address_features(&mut self) -> Vec<String> {
        let params = json!({"hLine": self.h_line, "addressId": 0});
        let status = self.world.ask(self.owner, "lineGetAddressStatus", params);
        words(&status.unwrap_or_default()["addressFeatures"])
    }

    /// LINEADDRESSCAPS: call features, their variants, address features.
    pub fn capabilities(&mut self) -> [Vec<String>; 3] {
        let params = json!({"deviceId": 0, "addressId": 0});
        let caps = self.world.ask(self.owner, "lineGetAddressCaps", params);
        let caps = caps.expect("lineGetAddressCaps");
        ["callFeatures", "callFeatures2", "addressFeatures"].map(|field| words(&caps[field]))
    }

    /// A function that must succeed; its reply.
    pub fn ask(&mut self, function: &str, params: Value) -> Value {
        let done = self.outcome(self.owner, function, params.clone());
        done.unwrap_or_else(|error| panic!("{function} {params}: {error}\n{}", self.world.ladder()))
    }

    /// What becomes of a function: its result or reply, or the name of its LINEERR.
    pub fn outcome(
        &mut self,
        application: Application,
        function: &str,
        params: Value,
    ) -> Result<Value, String> {
        let name = |error: &Value| error.as_str().unwrap_or("?").replacen("LINEERR_", "", 1);
        let answer = self.world.ask(application, function, params);
        let answer = answer.map_err(|error| name(&error["message"]))?;
        let Some(request) = answer["requestId"].as_u64() else { return Ok(answer) };
        for _ in 0..40 {
            let replies = self.world.inbox(application).iter();
            let reply = replies
                .filter(|message| message["method"] == "LINE_REPLY")
                .find(|message| message["params"]["requestId"] == json!(request));
            if let Some(reply) = reply.map(|reply| reply["params"].clone()) {
                return match &reply["result"] {
                    Value::String(error) => Err(name(&json!(error))),
                    _ => Ok(reply),
                };
            }
            self.world.run_for(Duration::from_millis(250));
            let calls_phone = matches!(function, "linePickup" | "lineUnpark");
            if calls_phone && self.kind == Phones::Plain {
                self.answer_latest();
            }
        }
        Err("no LINE_REPLY".to_owned())
    }

    /// What a refused request must leave as it is, in short.
    pub fn glance(&mut self) -> Vec<String> {
        let mut seen = vec![self.world.media.with(|model| format!("{model:?}"))];
        for request in [AdminRequest::Calls, AdminRequest::Park] {
            seen.push(self.world.administrator(request).unwrap_or_default().to_string());
        }
        let calls = self.calls(self.owner).into_iter();
        seen.extend(calls.map(|(call, state)| format!("{call} {state}")));
        seen
    }

    /// The same at length: everything that an application can read of the calls.
    pub fn snapshot(&mut self) -> Vec<String> {
        let mut seen = self.glance();
        for (call, _) in self.calls(self.owner) {
            for query in ["lineGetCallStatus", "lineGetCallInfo"] {
                let answer = self.world.ask(self.owner, query, json!({"hCall": call}));
                seen.push(format!("{answer:?}"));
            }
        }
        seen
    }

    /// Line 201 talks to the phone at this place, which 201 has called.
    pub fn talk_to(&mut self, place: usize) -> (LegId, LegId) {
        let legs = self.world.connected(self.phones[0], self.phones[place]);
        self.world.settle();
        legs
    }

    /// The phone at this place calls 201, which answers.
    pub fn called_by(&mut self, place: usize) -> (LegId, LegId) {
        let legs = self.world.connected(self.phones[place], self.phones[0]);
        self.world.settle();
        legs
    }

    /// The user of 201 holds.
    pub fn press_hold(&mut self, leg: LegId) {
        let spelling = HoldSpelling::SendOnly;
        self.world.with_phone(self.phones[0], |phone, now| phone.hold(now, leg, spelling));
        self.world.settle();
    }

    /// The user at this place dials.
    pub fn dial(&mut self, place: usize, number: &str) -> LegId {
        let leg = self.world.with_phone(self.phones[place], |phone, now| phone.call(now, number));
        self.world.settle();
        leg.expect("a free leg")
    }

    /// The user at this place takes the call that rings there.
    pub fn answer(&mut self, place: usize) -> LegId {
        let phone = self.phones[place];
        let leg = self.world.incoming(phone);
        self.world.with_phone(phone, |phone, now| phone.answer(now, leg));
        self.world.settle();
        leg
    }

    /// The user of 201 takes what has rung last.
    fn answer_latest(&mut self) {
        let own = self.phones[0];
        let mut latest = None;
        let is_call = |event: &PhoneEvent| matches!(event, PhoneEvent::Incoming { .. });
        while let Some(PhoneEvent::Incoming { leg, .. }) = self.world.take(own, is_call) {
            latest = Some(leg);
        }
        if let Some(leg) = latest {
            self.world.with_phone(own, |phone, now| phone.answer(now, leg));
        }
    }

    /// The phone at this place behaves otherwise from now on.
    pub fn behave(&mut self, place: usize, change: impl FnOnce(&mut Behaviour)) {
        self.world.with_phone(self.phones[place], |phone, _| change(phone.behaviour()));
    }

    /// lineMakeCall, the phone of 201 being answered.
    pub fn make_call(&mut self, number: &str) {
        let params = json!({"hLine": self.h_line, "destAddress": number});
        self.ask("lineMakeCall", params);
        if self.kind == Phones::Plain {
            self.answer(0);
        }
        self.world.settle();
    }

    /// lineHold.
    pub fn hold(&mut self, call: u64) {
        self.ask("lineHold", json!({"hCall": call}));
        self.world.settle();
    }

    /// lineSwapHold.
    pub fn swap(&mut self, active: u64, held: u64) {
        self.ask("lineSwapHold", json!({"hActiveCall": active, "hHeldCall": held}));
        self.world.settle();
    }

    /// lineSetupTransfer; the consultation call.
    pub fn consult(&mut self, call: u64) -> u64 {
        let reply = self.ask("lineSetupTransfer", json!({"hCall": call}));
        self.world.settle();
        reply["hConsultCall"].as_u64().expect("hConsultCall")
    }

    /// lineDial.
    pub fn dial_on(&mut self, call: u64, number: &str) {
        self.ask("lineDial", json!({"hCall": call, "destAddress": number}));
        self.world.settle();
    }

    /// lineSetupConference; parent and consultation call.
    pub fn set_up_conference(&mut self, call: u64) -> (u64, u64) {
        let reply = self.ask("lineSetupConference", json!({"hCall": call}));
        self.world.settle();
        let handle = |name: &str| reply[name].as_u64().expect("a handle");
        (handle("hConfCall"), handle("hConsultCall"))
    }

    /// 201, 202 and 203 in a conference; parent and members.
    pub fn conference(&mut self) -> [u64; 3] {
        self.talk_to(1);
        let first = self.call("CONNECTED");
        let (parent, consult) = self.set_up_conference(first);
        self.dial_on(consult, "203");
        self.answer(2);
        self.add(parent, consult);
        [parent, first, consult]
    }

    /// lineAddToConference.
    pub fn add(&mut self, parent: u64, call: u64) {
        self.ask("lineAddToConference", json!({"hConfCall": parent, "hConsultCall": call}));
        self.world.settle();
    }

    /// linePrepareAddToConference; the consultation call.
    pub fn prepare(&mut self, parent: u64) -> u64 {
        let reply = self.ask("linePrepareAddToConference", json!({"hConfCall": parent}));
        self.world.settle();
        reply["hConsultCall"].as_u64().expect("hConsultCall")
    }

    /// The phone of 201 takes its registration back: the line is out of service.
    pub fn unregister(&mut self) {
        self.world.with_phone(self.phones[0], |phone, now| phone.register(now, Duration::ZERO));
        self.world.settle();
    }

    /// Everybody hangs up until nothing is left anywhere.
    pub fn end(mut self) {
        for _ in 0..ROUNDS {
            for phone in (0..self.world.phone_count()).map(PhoneIndex) {
                for leg in self.world.legs(phone) {
                    self.world.with_phone(phone, |phone, now| phone.hang_up(now, leg));
                }
            }
            let rows = self.world.administrator(AdminRequest::Calls).unwrap_or_default();
            for row in rows.as_array().into_iter().flatten() {
                let line = row["line"].as_str().unwrap_or_default().to_owned();
                let Some(call_id) = row["callId"].as_u64() else { continue };
                let call_id = u32::try_from(call_id).unwrap_or_default();
                let action = CallAction::Drop;
                let request = AdminRequest::CallAction { call_id, line, action };
                let _ = self.world.administrator(request);
            }
            self.world.run_for(Duration::from_secs(45));
            let rows = self.world.administrator(AdminRequest::Calls).unwrap_or_default();
            if rows == json!([]) {
                break;
            }
        }
        self.world.cancel_completions();
        self.world.assert_at_rest();
    }
}

/// The names of a set of constants without their prefix.
fn words(set: &Value) -> Vec<String> {
    let names = set.as_array().into_iter().flatten().filter_map(Value::as_str);
    names.map(|name| name.rsplit('_').next().unwrap_or(name).to_owned()).collect()
}
