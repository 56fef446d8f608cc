//! A random day of the office: phones, applications, an administrator and a network that nobody
//! has agreed with each other. The seed alone says what happens.

use std::time::Duration;

use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use sip_stack::sdp::Codec;
use sip_stack::time::{Entropy, Seeded};
use switch::exchange::{AdminRequest, CallAction};
use switch::phone::{Behaviour, HoldSpelling, PhoneEvent};

use super::network::Faults;
use super::world::{Application, PhoneIndex, World};

/// Lines that have phones.
const LINES: [&str; 4] = ["201", "202", "203", "204"];
/// What is dialled: mostly lines, also an unreachable one, nobody, a trunk, a feature code.
pub(super) const NUMBERS: [&str; 10] =
    ["201", "202", "203", "204", "201", "202", "203", "205", "299", "0123456"];
/// How a phone refuses.
const REFUSALS: [u16; 9] = [486, 603, 480, 404, 302, 488, 500, 503, 600];
/// Calls of a phone at one time.
const MAX_LEGS: usize = 3;
/// Failed calls, ringing and repetitions are over after this.
const CALM: Duration = Duration::from_secs(100);
/// By then every session is refreshed or given up (RFC 4028 with the default interval).
const REFRESHED: Duration = Duration::from_secs(1900);

/// A random day; see the module's text.
pub struct Schedule {
    /// The world it happens in.
    pub world: World,
    random: Seeded,
    pub(super) applications: Vec<(Application, Vec<u64>)>,
    /// Relay ports of calls whose phone was switched off.
    dead: Vec<u16>,
    /// Somebody may hold a call without its phone.
    is_switch_holding: bool,
    /// Transfer, park, pickup, forwarding and hunt groups are used, too.
    pub(super) has_features: bool,
    pub(super) has_applications: bool,
    has_faults: bool,
    has_restarts: bool,
}

impl Schedule {
    /// Plays the day of a seed: chaos, calm, agreement, the end of all calls, rest.
    pub fn play(seed: u64) -> Schedule {
        let mut day = Schedule::new(seed);
        let steps = 8 + day.below(32);
        for _ in 0..steps {
            day.pause();
            day.act();
        }
        day.calm_down();
        let is_switch_holding = day.is_switch_holding;
        day.world.assert_agreement(is_switch_holding);
        day.end();
        day
    }

    /// Plays a day with transfer, park, pickup, forwarding and hunt groups. Who talks to whom at
    /// its end is anybody's guess; that everything ends is not.
    pub fn play_with_features(seed: u64) -> Schedule {
        let mut day = Schedule::new(seed);
        day.has_features = true;
        let steps = 10 + day.below(40);
        for _ in 0..steps {
            day.pause();
            if day.below(3) == 0 { day.use_feature() } else { day.act() }
        }
        day.calm_down();
        day.clear();
        day.end();
        day
    }

    pub(super) fn new(seed: u64) -> Schedule {
        Schedule::in_office(seed, |_| {})
    }

    /// A day in an office that is not quite that of `config/office.toml`.
    pub(super) fn in_office(seed: u64, change: impl FnOnce(&mut config::Config)) -> Schedule {
        let mut random = Seeded::new(seed.wrapping_mul(0x9e37_79b9).wrapping_add(17));
        let kind = random.next_u64();
        let mut day = Schedule {
            // In half of the offices the members of the shared line may join each other.
            world: World::office_with(seed, |config| {
                let allows_join = (kind >> 24).is_multiple_of(2);
                config.shared_lines.values_mut().for_each(|line| line.allow_join = allows_join);
                change(config);
            }),
            random,
            applications: Vec::new(),
            dead: Vec::new(),
            is_switch_holding: false,
            has_features: false,
            has_applications: !kind.is_multiple_of(3),
            has_faults: (kind >> 8).is_multiple_of(2),
            has_restarts: (kind >> 16).is_multiple_of(4),
        };
        let phones = 3 + day.below(4);
        for index in 0..phones {
            let own = LINES.get(index).filter(|_| index < 3).copied();
            let line = own.unwrap_or_else(|| day.pick(&LINES));
            let behaviour = day.behaviour();
            let phone = day.world.unregistered_phone(line, behaviour);
            day.world
                .with_phone(phone, |phone, now| phone.register(now, Duration::from_secs(3600)));
        }
        day.world.settle();
        if day.has_applications {
            for name in ["crm", "wallboard"].iter().take(1 + day.below(2)) {
                day.start_application(name);
            }
        }
        if day.has_faults {
            let faults = day.faults();
            day.world.set_faults(faults);
        }
        day
    }

    fn behaviour(&mut self) -> Behaviour {
        let codecs = match self.below(6) {
            0 => vec![Codec::pcma()],
            1 => vec![Codec::pcmu(), Codec::telephone_event()],
            2 => vec![Codec::g722(), Codec::pcma()],
            _ => Vec::new(),
        };
        Behaviour {
            rings: self.below(8) > 0,
            auto_answers: self.below(4) > 0,
            obeys_events: self.below(3) > 0,
            refuses_with: None,
            offers_late: self.below(6) == 0,
            hundred_rel: self.below(4) == 0,
            codecs,
            srtp: Behaviour::default().srtp,
            media_host: None,
        }
    }

    fn faults(&mut self) -> Faults {
        Faults {
            loss_percent: self.below(3) as u64 * 6,
            duplicate_percent: self.below(3) as u64 * 10,
            jitter_ms: self.pick(&[0, 5, 50, 400]),
            echo_percent: self.below(2) as u64 * 2,
        }
    }

    /// Time goes by: often none at all, so that things cross.
    pub(super) fn pause(&mut self) {
        let ms = match self.below(10) {
            0 | 1 => 0,
            2..=4 => self.below(12),
            5..=7 => self.below(600),
            8 => self.below(4_000),
            _ => self.below(25_000),
        };
        self.world.run_for(Duration::from_millis(ms as u64));
        self.listen();
    }

    pub(super) fn act(&mut self) {
        match self.below(100) {
            0..=21 => self.dial(),
            22..=43 => self.pick_up(),
            44..=48 => self.refuse(),
            49..=57 => self.hang_up(),
            58..=67 => self.press_hold(),
            68..=70 => self.press_digit(),
            71..=88 if self.has_applications => self.ask(),
            71..=80 => self.pick_up(),
            81..=90 => self.administer(),
            _ => self.disturb(),
        }
    }

    pub(super) fn dial(&mut self) {
        let (phone, number) = (self.some_phone(), self.number());
        self.dial_from(phone, number);
    }

    pub(super) fn dial_from(&mut self, phone: PhoneIndex, number: &str) {
        if self.world.legs(phone).len() < MAX_LEGS {
            self.world.note(format!("{} dials {number}", self.name(phone)));
            self.world.with_phone(phone, |phone, now| phone.call(now, number));
        }
    }

    /// A member of the shared line calls in its name, or comes back to its call.
    pub(super) fn dial_as_shared(&mut self) {
        let phone = self.some_phone();
        let number = self.pick(&["250", "201", "202", "203", "*7", "299"]);
        if self.world.legs(phone).len() < MAX_LEGS {
            self.world.note(format!("{} dials {number} as 250", self.name(phone)));
            self.world.with_phone(phone, |phone, now| phone.call_as(now, "250", number));
        }
    }

    pub(super) fn pick_up(&mut self) {
        if let Some((phone, leg)) = self.some_leg(|is_uac, is_confirmed| !is_uac && !is_confirmed) {
            self.world.note(format!("{} picks up", self.name(phone)));
            self.world.with_phone(phone, |phone, now| phone.answer(now, leg));
        }
    }

    fn refuse(&mut self) {
        let status = self.pick(&REFUSALS);
        if let Some((phone, leg)) = self.some_leg(|is_uac, is_confirmed| !is_uac && !is_confirmed) {
            self.world.note(format!("{} refuses with {status}", self.name(phone)));
            self.world.with_phone(phone, |phone, now| phone.reject(now, leg, status));
        }
    }

    fn hang_up(&mut self) {
        if let Some((phone, leg)) = self.some_leg(|is_uac, is_confirmed| is_uac || is_confirmed) {
            self.world.note(format!("{} hangs up", self.name(phone)));
            self.world.with_phone(phone, |phone, now| phone.hang_up(now, leg));
        }
    }

    fn press_hold(&mut self) {
        let Some((phone, leg)) = self.some_leg(|_, is_confirmed| is_confirmed) else { return };
        let spellings = [HoldSpelling::SendOnly, HoldSpelling::Inactive, HoldSpelling::ZeroAddress];
        let spelling = self.pick(&spellings);
        let is_resume = self.below(2) == 0;
        let word = if is_resume { "resumes".to_owned() } else { format!("holds, {spelling:?}") };
        self.world.note(format!("{} {word}", self.name(phone)));
        self.world.with_phone(phone, |phone, now| match is_resume {
            true => phone.resume(now, leg),
            false => phone.hold(now, leg, spelling),
        });
    }

    fn press_digit(&mut self) {
        if let Some((phone, leg)) = self.some_leg(|_, is_confirmed| is_confirmed) {
            self.world.note(format!("{} presses 5", self.name(phone)));
            self.world.with_phone(phone, |phone, now| phone.send_digit(now, leg, '5'));
        }
    }

    fn ask(&mut self) {
        if self.applications.is_empty() {
            return self.start_application("crm");
        }
        let index = self.below(self.applications.len());
        let application = self.applications[index].0;
        if !self.world.is_connected(application) {
            let resumed = self.world.resume(application);
            if resumed.is_err() {
                self.world.forget(application);
                self.applications.remove(index);
            }
            return;
        }
        match self.below(20) {
            0..=3 => self.make_call(index),
            4..=14 => self.act_on_call(index),
            15 => self.world.disconnect(application),
            16 => self.close_line(index),
            17 => self.open_line(index),
            18 => {
                self.world.shutdown(application);
                self.applications.remove(index);
            }
            _ => {
                let lines = self.applications[index].1.clone();
                if let Some(line) = self.one_of(&lines) {
                    let select = "LINECALLSELECT_LINE";
                    let params = json!({"hLine": line, "addressId": 0, "select": select});
                    let _ = self.request(index, "lineGetNewCalls", params);
                }
            }
        }
    }

    fn make_call(&mut self, index: usize) {
        let lines = self.applications[index].1.clone();
        let number = self.pick(&NUMBERS);
        let number =
            if self.below(8) == 0 { format!("{};", &number[..1]) } else { number.to_owned() };
        if let Some(line) = self.one_of(&lines) {
            let _ =
                self.request(index, "lineMakeCall", json!({"hLine": line, "destAddress": number}));
        }
    }

    fn act_on_call(&mut self, index: usize) {
        let handles = self.world.watch(self.applications[index].0).handles();
        let recent: Vec<u64> = handles.iter().rev().take(6).map(|(handle, _)| *handle).collect();
        let Some(call) = self.one_of(&recent) else { return };
        let functions = [
            "lineAnswer",
            "lineAnswer",
            "lineAccept",
            "lineDrop",
            "lineHold",
            "lineHold",
            "lineUnhold",
            "lineUnhold",
            "lineDeallocateCall",
            "lineDial",
            "lineGetCallInfo",
            "lineGetCallStatus",
        ];
        let function = self.pick(&functions);
        let mut params = json!({"hCall": call});
        if function == "lineDial" {
            params["destAddress"] = self.pick(&["0", "02", "2", "99;", "1;"]).into();
        }
        self.is_switch_holding |= function == "lineHold";
        let answer = self.request(index, function, params);
        if let (Ok(status), "lineGetCallStatus") = (answer, function) {
            self.check_status(index, call, &status);
        }
    }

    /// What is asked is what was told.
    fn check_status(&mut self, index: usize, call: u64, status: &Value) {
        let told = self.world.watch(self.applications[index].0).state(call);
        let told = told.map(tapi::Constant::name);
        let fits = told.is_none() || told == status["callState"].as_str();
        let rule = format!("call {call} was told as {told:?} and is asked as {status}");
        self.world.demand(if fits { Ok(()) } else { Err(rule) });
    }

    fn close_line(&mut self, index: usize) {
        let lines = self.applications[index].1.clone();
        if let Some(line) = self.one_of(&lines) {
            self.applications[index].1.retain(|other| *other != line);
            let _ = self.request(index, "lineClose", json!({"hLine": line}));
        }
    }

    fn open_line(&mut self, index: usize) {
        let line = self.pick(&LINES);
        let h_line = self.world.open(self.applications[index].0, line);
        self.applications[index].1.push(h_line);
    }

    fn start_application(&mut self, name: &str) {
        let application = self.world.application(name);
        self.applications.push((application, Vec::new()));
        let index = self.applications.len() - 1;
        for _ in 0..3 {
            self.open_line(index);
        }
    }

    /// A function of an application; it may be refused, but only in TAPI's words.
    pub(super) fn request(
        &mut self,
        index: usize,
        method: &str,
        params: Value,
    ) -> Result<Value, Value> {
        let answer = self.world.ask(self.applications[index].0, method, params);
        if let Err(error) = &answer {
            let is_lineerr = error["message"].as_str().is_some_and(|m| m.starts_with("LINEERR_"));
            let rule = format!("{method} is refused with {error}");
            self.world.demand(if is_lineerr { Ok(()) } else { Err(rule) });
        }
        answer
    }

    fn administer(&mut self) {
        if self.below(3) == 0 {
            let (from, to) = (self.pick(&LINES), self.pick(&NUMBERS));
            self.world.note(format!("administrator: {from} calls {to}"));
            let request = AdminRequest::MakeCall { from: from.to_owned(), to: to.to_owned() };
            let _ = self.world.administrator(request);
            return;
        }
        let action = self.pick(&[CallAction::Drop, CallAction::Hold, CallAction::Unhold]);
        self.is_switch_holding |= action == CallAction::Hold;
        if let Some((line, call_id)) = self.some_row() {
            self.world.note(format!("administrator: {action:?} at {line}"));
            let _ = self.world.administrator(AdminRequest::CallAction { call_id, line, action });
        }
    }

    fn disturb(&mut self) {
        let phone = self.some_phone();
        match self.below(8) {
            0 | 1 if self.has_restarts => {
                self.world.note(format!("{} loses power", self.name(phone)));
                for leg in self.world.legs(phone) {
                    self.dead.extend(self.world.relay_port(phone, leg));
                }
                self.world.restart(phone);
                self.world.with_phone(phone, |p, now| p.register(now, Duration::from_secs(3600)));
            }
            2 | 3 if self.has_faults => {
                self.world.note(format!("{} is cut off", self.name(phone)));
                self.world.unplug(phone);
                let ms = self.below(6_000) as u64;
                self.world.run_for(Duration::from_millis(ms));
                self.world.plug(phone);
            }
            4 => {
                let room = self.world.media.with(|model| model.count()) + self.below(3);
                self.world.note(format!("room for {room} terminations"));
                self.world.media.with(|model| model.limit(room));
            }
            5 => {
                let seconds = self.pick(&[0, 5, 10, 3600]);
                self.world.note(format!("{} registers for {seconds} s", self.name(phone)));
                let time = Duration::from_secs(seconds);
                self.world.with_phone(phone, |phone, now| phone.register(now, time));
            }
            6 if self.has_faults => {
                let faults = self.faults();
                self.world.set_faults(faults);
            }
            _ => self.world.media.with(super::media::MediaModel::unlimited),
        }
    }

    /// The network recovers, and everything that began comes to its end or is established.
    pub(super) fn calm_down(&mut self) {
        self.world.note("calm");
        self.world.heal();
        self.world.media.with(super::media::MediaModel::unlimited);
        for line in LINES {
            // Nobody will dial the rest of a number.
            for row in self.rows().iter().filter(|row| row["line"] == json!(line)) {
                let is_waiting = ["LINECALLSTATE_DIALTONE", "LINECALLSTATE_DIALING"]
                    .iter()
                    .any(|state| row["callState"] == json!(state));
                if is_waiting && let Some(call_id) = call_id(row) {
                    let line = line.to_owned();
                    let action = CallAction::Drop;
                    let request = AdminRequest::CallAction { call_id, line, action };
                    let _ = self.world.administrator(request);
                }
            }
        }
        self.world.run_for(CALM);
        if !self.dead.is_empty() {
            // The relay misses the packets of phones without power; the session timer does the rest.
            for port in std::mem::take(&mut self.dead) {
                if let Some((id, stream)) = self.world.media.with(|model| model.owner(port)) {
                    let notify = media::Notify::Timeout { id, stream };
                    self.world.input(switch::exchange::Input::Media(notify));
                }
            }
            self.world.run_for(REFRESHED);
        }
        self.listen();
    }

    /// Every call is hung up by somebody; nothing is left.
    pub(super) fn end(&mut self) {
        self.world.note("the end");
        for phone in (0..self.world.phone_count()).map(PhoneIndex) {
            for leg in self.world.legs(phone) {
                if self.below(2) == 0 {
                    self.world.with_phone(phone, |phone, now| phone.hang_up(now, leg));
                }
            }
        }
        self.world.settle();
        for row in self.rows() {
            let line = row["line"].as_str().unwrap_or_default().to_owned();
            if let Some(call_id) = call_id(&row) {
                let action = CallAction::Drop;
                let request = AdminRequest::CallAction { call_id, line, action };
                let _ = self.world.administrator(request);
            }
        }
        for (application, _) in self.applications.clone() {
            if !self.world.is_connected(application) && self.world.resume(application).is_err() {
                self.world.forget(application);
            }
        }
        self.world.assert_at_rest();
        for (application, _) in std::mem::take(&mut self.applications) {
            if self.world.is_connected(application) {
                self.world.shutdown(application);
            }
        }
        self.world.assert_forgotten();
    }

    /// Takes what phones and applications were told, so that it does not pile up.
    fn listen(&mut self) {
        for phone in (0..self.world.phone_count()).map(PhoneIndex) {
            while self.world.take(phone, |_: &PhoneEvent| true).is_some() {}
        }
        for (application, _) in &self.applications {
            self.world.inbox(*application).clear();
        }
    }

    pub(super) fn rows(&mut self) -> Vec<Value> {
        let rows = self.world.administrator(AdminRequest::Calls).unwrap_or_default();
        rows.as_array().cloned().unwrap_or_default()
    }

    pub(super) fn some_row(&mut self) -> Option<(String, u32)> {
        let rows = self.rows();
        let row = self.one_of(&rows)?;
        Some((row["line"].as_str()?.to_owned(), call_id(&row)?))
    }

    pub(super) fn some_leg(
        &mut self,
        fits: impl Fn(bool, bool) -> bool,
    ) -> Option<(PhoneIndex, LegId)> {
        let mut found = Vec::new();
        for phone in (0..self.world.phone_count()).map(PhoneIndex) {
            for leg in self.world.legs(phone) {
                let view = self.world.leg(phone, leg);
                if view.is_some_and(|view| fits(view.is_uac, view.is_confirmed)) {
                    found.push((phone, leg));
                }
            }
        }
        self.one_of(&found)
    }

    pub(super) fn some_phone(&mut self) -> PhoneIndex {
        PhoneIndex(self.below(self.world.phone_count()))
    }

    pub(super) fn name(&self, phone: PhoneIndex) -> String {
        format!("phone {} of {}", phone.0, self.world.number(phone))
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.random.next_u64() % limit.max(1) as u64) as usize
    }

    pub(super) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    pub(super) fn one_of<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() {
            return None;
        }
        Some(from[self.below(from.len())].clone())
    }
}

pub(super) fn call_id(row: &Value) -> Option<u32> {
    row["callId"].as_u64().and_then(|id| u32::try_from(id).ok())
}
