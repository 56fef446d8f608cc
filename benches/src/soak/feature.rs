//! Five phones that use features all the time: hold, attended transfer, park and retrieval, pickup,
//! forwarding, a queue with an agent.

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use sip_stack::endpoint::LegId;
use sip_stack::time::Seeded;
use switch::phone::{HoldSpelling, Phone, PhoneError, PhoneEvent};

use super::gauge::api;
use crate::load::{Report, now};
use crate::rig::DOMAIN;

/// How long a step may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Phones register for so long, and again when a third of it is over: no round lasts that long.
const EXPIRES: Duration = Duration::from_secs(1_800);
/// The phones' lines; the last one is the agent's.
const LINES: [&str; 4] = ["201", "202", "203", "204"];

const FEATURES: &str = r#"
[pickup_groups.office]
id = "10"
[park.lots.main]
number = "700"
slots = "701-720"
[queues.support]
number = "600"
strategy = "longest-idle"
groups = ["helpdesk"]
wrap_up = "1s"
[agent_groups.helpdesk]
name = "Help desk"
[agents.jane]
password = "471100815"
groups = ["helpdesk"]
line = "204"
[feature_codes]
pickup_group = "*8"
forward_all_set = "*72"
forward_all_cancel = "*73"
"#;

/// The load's configuration with the lines and features of these phones, kept in a file.
pub(super) fn configuration(lines: usize, state: &Path) -> String {
    let text = crate::rig::configuration(lines);
    let mut text = text.replace(":memory:", &state.to_string_lossy());
    for line in LINES {
        let group = if line == "204" { "" } else { "pickup_group = \"office\"\n" };
        text.push_str(&format!(
            "[lines.{line}]\nname = \"Feature {line}\"\npassword = \"pw-{line}\"\n{group}"
        ));
    }
    text.push_str(FEATURES);
    text
}

type Step = Result<(), Box<dyn Error + Send + Sync>>;

/// The thread that uses features.
pub(super) struct Features {
    thread: JoinHandle<Step>,
    rounds: Arc<AtomicU64>,
}

struct Desk {
    a: Phone,
    b: Phone,
    c: Phone,
    agent: Phone,
}

impl Features {
    pub(super) fn start(
        switch: SocketAddr,
        control: SocketAddr,
        is_over: Arc<AtomicBool>,
    ) -> Result<Features, Box<dyn Error>> {
        let mut phones = Vec::new();
        for (serial, line) in (1..).zip(LINES) {
            let entropy = Box::new(Seeded::new(serial));
            let mut phone = Phone::new(line, &format!("pw-{line}"), DOMAIN, switch, entropy)?;
            register(&mut phone, &mut [])?;
            phones.push(phone);
        }
        let [a, b, c, agent] = <[Phone; 4]>::try_from(phones).map_err(|_| "four phones")?;
        let (status, body) =
            api(control, "POST", "/api/v1/agents/jane/login", "{\"line\": \"204\"}")?;
        if status != 200 {
            return Err(format!("the agent cannot log in: {status} {body}").into());
        }
        let rounds = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&rounds);
        let thread = std::thread::Builder::new().name("features".to_owned()).spawn(move || {
            let mut desk = Desk { a, b, c, agent };
            let mut registered = now();
            while !is_over.load(Ordering::Relaxed) {
                if registered.elapsed() > EXPIRES / 3 {
                    desk.register()?;
                    registered = now();
                }
                desk.round()?;
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        })?;
        Ok(Features { thread, rounds })
    }

    pub(super) fn finish(self, report: &mut Report) -> Result<(), Box<dyn Error>> {
        let result = self.thread.join().map_err(|_| "the features' thread panicked")?;
        let rounds = self.rounds.load(Ordering::Relaxed);
        let what = "hold, transfer, park, pickup, forwarding, queue: rounds";
        report.row(what, &rounds.to_string(), "");
        if let Err(error) = result {
            report.fault(format!("the features, after {rounds} rounds: {error}"));
        }
        Ok(())
    }
}

impl Desk {
    fn register(&mut self) -> Step {
        let Desk { a, b, c, agent } = self;
        register(a, &mut [b, c, agent])?;
        register(b, &mut [a, c, agent])?;
        register(c, &mut [a, b, agent])?;
        Ok(register(agent, &mut [a, b, c])?)
    }

    fn round(&mut self) -> Step {
        self.transfer()?;
        self.park()?;
        self.pick_up()?;
        self.forward()?;
        self.queue()
    }

    /// a calls b, holds, asks c, joins both; b hangs up.
    fn transfer(&mut self) -> Step {
        let Desk { a, b, c, .. } = self;
        let (first, far) = connect(a, b)?;
        a.hold(first, HoldSpelling::SendOnly);
        agreed(a, b)?;
        a.resume(first);
        agreed(a, b)?;
        a.hold(first, HoldSpelling::SendOnly);
        agreed(a, b)?;
        let (second, target) = connect(a, c)?;
        a.transfer_attended(first, second);
        transferred(a, &mut [b, c])?;
        a.hang_up(first);
        a.hang_up(second);
        b.hang_up(far);
        ended(c, &mut [a, b], target)
    }

    /// a parks b, c takes it out again.
    fn park(&mut self) -> Step {
        let Desk { a, b, c, .. } = self;
        let (near, far) = connect(a, b)?;
        a.transfer(near, "701");
        transferred(a, &mut [b])?;
        a.hang_up(near);
        let leg = call(c, "701")?;
        connected(c, &mut [a, b], leg)?;
        c.hang_up(leg);
        ended(b, &mut [a, c], far)
    }

    /// a calls b, c takes the call.
    fn pick_up(&mut self) -> Step {
        let Desk { a, b, c, .. } = self;
        let near = call(a, "202")?;
        let ringing = rings(b, &mut [a])?;
        let leg = call(c, "*8")?;
        connected(c, &mut [a, b], leg)?;
        ended(b, &mut [a, c], ringing)?;
        connected(a, &mut [b, c], near)?;
        a.hang_up(near);
        ended(c, &mut [a, b], leg)
    }

    /// b sends its calls to c and takes that back.
    fn forward(&mut self) -> Step {
        let Desk { a, b, c, .. } = self;
        let set = call(b, "*72203")?;
        ended(b, &mut [a], set)?;
        let near = call(a, "202")?;
        let leg = rings(c, &mut [a, b])?;
        c.answer(leg);
        connected(a, &mut [b, c], near)?;
        a.hang_up(near);
        ended(c, &mut [a, b], leg)?;
        let cancel = call(b, "*73")?;
        ended(b, &mut [a], cancel)
    }

    /// a waits in the queue until the agent is given the call.
    fn queue(&mut self) -> Step {
        let Desk { a, agent, .. } = self;
        let near = call(a, "600")?;
        connected(a, &mut [agent], near)?;
        let far = rings(agent, &mut [a])?;
        agent.answer(far);
        connected(agent, &mut [a], far)?;
        a.hang_up(near);
        ended(agent, &mut [a], far)
    }
}

fn register(phone: &mut Phone, others: &mut [&mut Phone]) -> Result<(), PhoneError> {
    phone.register(EXPIRES);
    phone.wait(others, PATIENCE, "registration", |event| {
        (*event == PhoneEvent::Registered { status: 200 }).then_some(())
    })
}

fn call(phone: &mut Phone, number: &str) -> Result<LegId, PhoneError> {
    // A phone without room for a call says so by what it sees instead.
    phone.call(number).ok_or_else(|| PhoneError::Missing {
        number: phone.number().to_owned(),
        what: "room for a call",
        seen: String::new(),
    })
}

fn rings(phone: &mut Phone, others: &mut [&mut Phone]) -> Result<LegId, PhoneError> {
    phone.wait(others, PATIENCE, "INVITE", |event| match event {
        PhoneEvent::Incoming { leg, .. } => Some(*leg),
        _ => None,
    })
}

fn connected(phone: &mut Phone, others: &mut [&mut Phone], leg: LegId) -> Step {
    phone.wait(others, PATIENCE, "200", |event| {
        (*event == PhoneEvent::Connected { leg }).then_some(())
    })?;
    Ok(())
}

fn connect(a: &mut Phone, b: &mut Phone) -> Result<(LegId, LegId), Box<dyn Error + Send + Sync>> {
    let number = b.number().to_owned();
    let near = call(a, &number)?;
    let far = rings(b, &mut [a])?;
    b.answer(far);
    connected(a, &mut [b], near)?;
    Ok((near, far))
}

fn agreed(a: &mut Phone, b: &mut Phone) -> Step {
    a.wait(&mut [b], PATIENCE, "200 to the re-INVITE", |event| {
        matches!(event, PhoneEvent::OfferAnswered { .. }).then_some(())
    })?;
    Ok(())
}

fn transferred(phone: &mut Phone, others: &mut [&mut Phone]) -> Step {
    phone.wait(others, PATIENCE, "NOTIFY 200", |event| {
        matches!(event, PhoneEvent::TransferProgress { status: 200, is_final: true, .. })
            .then_some(())
    })?;
    Ok(())
}

fn ended(phone: &mut Phone, others: &mut [&mut Phone], leg: LegId) -> Step {
    phone.wait(others, PATIENCE, "BYE or CANCEL", |event| {
        (*event == PhoneEvent::Ended { leg }).then_some(())
    })?;
    Ok(())
}
