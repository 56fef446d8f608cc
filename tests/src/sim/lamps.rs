//! What a random day does with lamps, and what must be true of them.
//!
//! A phone knows what it was told last. When the day is calm, the answer to a refresh is compared
//! with that, and with the tables of administrators: a change that nobody was told of shows here.

use std::time::Duration;

use serde_json::Value;
use switch::exchange::AdminRequest;
use switch::phone::{Lamp, PhoneEvent};

use super::schedule::Schedule;
use super::world::PhoneIndex;
use crate::lamp::{attribute, state_of};

/// What is watched, in which package.
const WATCHED: [(&str, &str); 18] = [
    ("201", "dialog"),
    ("202", "dialog"),
    ("203", "dialog"),
    ("204", "dialog"),
    ("202", "dialog"),
    ("700", "dialog"),
    ("701", "dialog"),
    ("702", "dialog"),
    ("260", "dialog"),
    ("*8", "dialog"),
    ("*820", "dialog"),
    ("800", "dialog"),
    ("*78", "dialog"),
    ("*72", "dialog"),
    ("800", "conference"),
    ("201", "message-summary"),
    ("202", "presence"),
    ("299", "dialog"),
];
/// How long, in seconds: some only once, some too short.
const TIMES: [u64; 6] = [0, 2, 30, 600, 600, 600];
/// Every subscription is over after this unless it is refreshed.
const OVER: Duration = Duration::from_secs(640);

impl Schedule {
    /// Plays a day with features on which phones watch each other, and pick up by their lamps.
    pub fn play_with_lamps(seed: u64) -> Schedule {
        let mut day = Schedule::new(seed);
        day.has_features = true;
        let steps = 15 + day.below(40);
        for _ in 0..steps {
            day.pause();
            match day.below(5) {
                0 | 1 => day.use_lamp(),
                2 => day.use_feature(),
                _ => day.act(),
            }
        }
        day.calm_down();
        day.check_lamps(false);
        day.clear();
        day.check_lamps(true);
        day.put_lamps_away();
        day.end();
        day
    }

    fn use_lamp(&mut self) {
        let phone = self.some_phone();
        let lamps = self.lamps(phone);
        match self.below(10) {
            0..=3 => {
                let (number, event) = self.pick(&WATCHED);
                let time = Duration::from_secs(self.pick(&TIMES));
                self.world.note(format!("{} watches {number} ({event})", self.name(phone)));
                self.world.with_phone(phone, |phone, now| phone.watch(now, number, event, time));
            }
            4 => {
                if let Some(lamp) = self.one_of(&lamps) {
                    let time = Duration::from_secs(self.pick(&TIMES));
                    self.world.note(format!("{} refreshes {}", self.name(phone), lamp.number));
                    self.world.with_phone(phone, |p, now| p.watch_again(now, lamp.leg, time));
                }
            }
            5 => {
                let count = self.below(3) as u32;
                let line = self.pick(&["201", "202"]).to_owned();
                let request = AdminRequest::SetMessageWaiting { line, count };
                let _ = self.world.administrator(request);
            }
            _ => self.press_lamp(phone, &lamps),
        }
    }

    /// The key beside a lamp that blinks, perhaps no longer.
    fn press_lamp(&mut self, phone: PhoneIndex, lamps: &[Lamp]) {
        let blinking: Vec<&Lamp> =
            lamps.iter().filter(|lamp| lamp.document.contains("<state>early")).collect();
        let Some(lamp) = self.one_of(&blinking) else { return };
        let value = |name| attribute(&lamp.document, name);
        let (call_id, local, remote) = (value("call-id"), value("local-tag"), value("remote-tag"));
        if call_id.is_empty() || self.world.legs(phone).len() >= 3 {
            return;
        }
        let tags = self.pick(&[(remote, local), (local, remote), ("0", "0")]);
        self.world.note(format!("{} picks up at {} by its lamp", self.name(phone), lamp.number));
        self.world.with_phone(phone, |phone, now| {
            phone.call_replacing(now, &lamp.number, (call_id, tags.0, tags.1))
        });
    }

    fn lamps(&mut self, phone: PhoneIndex) -> Vec<Lamp> {
        self.world.with_phone(phone, |phone, _| phone.lamps())
    }

    /// What each phone was told last is what a refresh says now, and what the tables say.
    fn check_lamps(&mut self, is_idle: bool) {
        for phone in (0..self.world.phone_count()).map(PhoneIndex) {
            for lamp in self.lamps(phone) {
                let before = self.world.events.len();
                let Some(truth) = self.refresh(phone, &lamp) else { continue };
                let parked = self.world.administrator(AdminRequest::Park).unwrap_or_default();
                let calls = self.world.administrator(AdminRequest::Calls).unwrap_or_default();
                if self.world.events.len() != before {
                    continue; // Something happened meanwhile: a parked party rings again.
                }
                let (told, now) = (content(&lamp.document), content(&truth));
                let rule = format!("told was {told}\nand true is {now}");
                self.world.demand(if told == now { Ok(()) } else { Err(rule) });
                let fresh = Lamp { document: truth, ..lamp };
                let seen = shows_what_is(&fresh, &calls, &parked, is_idle);
                self.world.demand(seen.map_err(|rule| format!("{rule}: {fresh:?}")));
            }
        }
    }

    /// What the NOTIFY says that answers a refresh; `None` if the switch has given the subscription
    /// up because the phone could not be reached.
    fn refresh(&mut self, phone: PhoneIndex, lamp: &Lamp) -> Option<String> {
        let time = Duration::from_secs(600);
        self.world.with_phone(phone, |phone, now| phone.watch_again(now, lamp.leg, time));
        let is_answer = |event: &PhoneEvent| matches!(event, PhoneEvent::Subscribed { leg, .. } if *leg == lamp.leg);
        let is_notify = |event: &PhoneEvent| matches!(event, PhoneEvent::Notified { leg, .. } if *leg == lamp.leg);
        while self.world.pick(phone, is_notify).is_some() {}
        let mut status = 0;
        self.world.until("the refresh is answered", |world| {
            if let Some(PhoneEvent::Subscribed { status: found, .. }) = world.pick(phone, is_answer)
            {
                status = found;
            }
            status != 0
        });
        if status != 200 {
            return None;
        }
        let mut document = None;
        self.world.until("NOTIFY follows the refresh", |world| {
            if let Some(PhoneEvent::Notified { body, .. }) = world.pick(phone, is_notify) {
                document = Some(body);
            }
            document.is_some()
        });
        document
    }

    /// Phones that still watch stop; what phones without power had is over some time later.
    fn put_lamps_away(&mut self) {
        for phone in (0..self.world.phone_count()).map(PhoneIndex) {
            for lamp in self.lamps(phone) {
                let now_or_never = Duration::ZERO;
                self.world.with_phone(phone, |p, now| p.watch_again(now, lamp.leg, now_or_never));
            }
        }
        self.world.run_for(OVER);
        for phone in (0..self.world.phone_count()).map(PhoneIndex) {
            let left = self.lamps(phone);
            let rule = format!("{} still watches {left:?}", self.name(phone));
            self.world.demand(if left.is_empty() { Ok(()) } else { Err(rule) });
        }
    }
}

/// A document without its version.
fn content(document: &str) -> &str {
    document.split_once("state=\"full\"").map_or(document, |(_, rest)| rest)
}

/// Errors: what the document says and the tables do not.
fn shows_what_is(
    lamp: &Lamp,
    calls: &Value,
    parked: &Value,
    is_idle: bool,
) -> Result<(), &'static str> {
    let rows = |table: &Value| table.as_array().cloned().unwrap_or_default();
    let is_lit = state_of(&lamp.document) != "terminated";
    let is_setting = lamp.number.starts_with("*7");
    if lamp.event != "dialog" || is_setting {
        return Ok(());
    }
    if is_idle && is_lit {
        return Err("a lamp is lit, and nothing goes on");
    }
    if lamp.number.starts_with("70") {
        let is_taken = |row: &Value| row["slot"] == lamp.number.as_str() || lamp.number == "700";
        let is_taken = rows(parked).iter().any(is_taken);
        return if is_taken == is_lit { Ok(()) } else { Err("the park table says otherwise") };
    }
    if lamp.number.starts_with("20") {
        let live = [
            "DIALTONE",
            "DIALING",
            "PROCEEDING",
            "RINGBACK",
            "OFFERING",
            "ACCEPTED",
            "CONNECTED",
            "ONHOLD",
            "ONHOLDPENDTRANSFER",
            "ONHOLDPENDCONFERENCE",
        ];
        let is_live = |row: &&Value| {
            let state = row["callState"].as_str().unwrap_or_default();
            // What another station of a shared line does keeps nobody's own phone busy.
            row["line"] == lamp.number.as_str()
                && row["mode"] != "LINECONNECTEDMODE_INACTIVE"
                && live.contains(&state.trim_start_matches("LINECALLSTATE_"))
        };
        let count = rows(calls).iter().filter(is_live).count();
        let shown = lamp.document.matches("<state>").count();
        let is_right = if count == 0 { !is_lit } else { shown == count.min(8) };
        return if is_right { Ok(()) } else { Err("the table of calls says otherwise") };
    }
    Ok(())
}
