//! `strowger demo`: a switch on free ports, three built-in phones, one application, and what
//! phones and the application do with calls: hold, busy, transfer, swap, conference, park, pickup,
//! forwarding, completion of a call to a busy line.
//!
//! Each SIP step of a phone stands beside the TAPI messages that it causes, as an application sees
//! them. The exit code is 0 only if every step happened.

mod application;
mod completion;
mod feature;
mod office;

use std::io::{Write, stdout};
use std::time::Duration;

use sip_stack::endpoint::LegId;
use sip_stack::sdp::Direction;

use self::application::Watcher;
use self::office::Office;
use super::CliError;
use crate::phone::{HoldSpelling, Phone, PhoneEvent};

/// How long a step may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// RTP packets that must come through the relay before somebody is said to hear somebody.
const PACKETS: u64 = 5;

/// Plays the demonstration.
pub(super) fn run() -> Result<(), CliError> {
    let office = Office::open()?;
    let watcher = Watcher::connect(&office, &["201", "202", "203"])?;
    let mut demo = Demo { watcher, step: 0 };
    let phone = |number| office.phone(number);
    let (mut ada, mut ben, mut cleo) = (phone("201")?, phone("202")?, phone("203")?);
    demo.title("Registration")?;
    for phone in [&mut ada, &mut ben, &mut cleo] {
        demo.register(phone)?;
    }
    demo.title("A call with hold")?;
    demo.talk(&mut ada, &mut ben)?;
    demo.title("A busy phone")?;
    demo.busy(&mut cleo, &mut ben)?;
    demo.title("A consultation transfer by a phone")?;
    demo.transfer(&mut ada, &mut ben, &mut cleo)?;
    demo.title("An application consults, swaps, and makes a conference of both calls")?;
    demo.confer(&mut ada, &mut ben, &mut cleo)?;
    demo.title("A call is parked and taken out of its slot")?;
    demo.park(&mut ada, &mut ben, &mut cleo)?;
    demo.title("A call that rings elsewhere is picked up")?;
    demo.pick_up(&mut ada, &mut ben, &mut cleo)?;
    demo.title("A line is forwarded")?;
    demo.forward(&mut ada, &mut ben, &mut cleo)?;
    demo.title("A busy line is waited for, by a phone's code and by an application")?;
    demo.complete(&mut ada, &mut ben, &mut cleo)?;
    writeln!(stdout(), "\nEvery one of the {} steps happened.", demo.step)?;
    Ok(())
}

struct Demo {
    watcher: Watcher,
    step: u32,
}

impl Demo {
    fn title(&self, text: &str) -> Result<(), CliError> {
        writeln!(stdout(), "\n{text}\n  {:<46} TAPI", "SIP")?;
        Ok(())
    }

    /// Prints a step and what applications were told because of it; `states` must be among that.
    fn show(&mut self, sip: &str, states: &[(&str, &str)]) -> Result<(), CliError> {
        self.show_before(sip, states, None)
    }

    /// As [`Demo::show`], but for what applications were told from `next` on: the switch goes on by
    /// itself, and that belongs to the step which comes then.
    fn show_before(
        &mut self,
        sip: &str,
        states: &[(&str, &str)],
        next: Option<(&str, &str)>,
    ) -> Result<(), CliError> {
        let told = self
            .watcher
            .collect(states, next, PATIENCE)
            .map_err(|missing| failed(sip, &missing))?;
        self.step += 1;
        let mut left = sip;
        for line in &told {
            writeln!(stdout(), "  {left:<46} {line}")?;
            left = "";
        }
        if told.is_empty() {
            writeln!(stdout(), "  {left}")?;
        }
        Ok(())
    }

    fn register(&mut self, phone: &mut Phone) -> Result<(), CliError> {
        phone.register(Duration::from_secs(300));
        phone.wait(&mut [], PATIENCE, "REGISTER 200", |event| {
            (*event == PhoneEvent::Registered { status: 200 }).then_some(())
        })?;
        let number = phone.number().to_owned();
        self.show(&format!("{number}: REGISTER, 401, REGISTER, 200"), &[(&number, "INSERVICE")])
    }

    fn talk(&mut self, a: &mut Phone, b: &mut Phone) -> Result<(), CliError> {
        let near = call(a, "202")?;
        let far = incoming(b, a)?;
        self.show(
            "201: INVITE 202, 202: 180 Ringing",
            &[("201", "DIALING"), ("201", "PROCEEDING"), ("202", "OFFERING"), ("201", "RINGBACK")],
        )?;
        b.answer(far);
        wait_connected(a, b, near)?;
        self.show("202: 200 OK, 201: ACK", &[("202", "CONNECTED"), ("201", "CONNECTED")])?;
        hear(a, b, "both hear each other")?;
        self.show("RTP through the relay, both ways", &[])?;
        a.hold(near, HoldSpelling::SendOnly);
        wait_direction(a, b, Direction::RecvOnly)?;
        self.show(
            "201: re-INVITE sendonly, 200 recvonly",
            &[("201", "ONHOLD"), ("202", "CONNECTED ACTIVEHELD")],
        )?;
        a.resume(near);
        wait_direction(a, b, Direction::SendRecv)?;
        self.show(
            "201: re-INVITE sendrecv, 200 sendrecv",
            &[("201", "CONNECTED ACTIVE"), ("202", "CONNECTED ACTIVE")],
        )?;
        hear(a, b, "both hear each other again")?;
        self.show("RTP through the relay again, both ways", &[])?;
        a.hang_up(near);
        b.wait(&mut [a], PATIENCE, "BYE", |event| {
            (*event == PhoneEvent::Ended { leg: far }).then_some(())
        })?;
        self.show(
            "201: BYE, the switch: BYE to 202",
            &[("201", "IDLE"), ("202", "DISCONNECTED NORMAL"), ("202", "IDLE")],
        )
    }

    fn busy(&mut self, caller: &mut Phone, called: &mut Phone) -> Result<(), CliError> {
        called.behaviour().refuses_with = Some(486);
        call(caller, "202")?;
        caller.wait(&mut [called], PATIENCE, "486", |event| {
            matches!(event, PhoneEvent::Failed { status: 486, .. }).then_some(())
        })?;
        self.show(
            "203: INVITE 202, 202: 486 Busy Here",
            &[("203", "BUSY STATION"), ("202", "DISCONNECTED BUSY")],
        )
    }
}

fn call(phone: &mut Phone, number: &str) -> Result<LegId, CliError> {
    phone.call(number).ok_or_else(|| failed("INVITE", "the phone has no room for a call"))
}

fn incoming(phone: &mut Phone, other: &mut Phone) -> Result<LegId, CliError> {
    let leg = phone.wait(&mut [other], PATIENCE, "INVITE", |event| match event {
        PhoneEvent::Incoming { leg, .. } => Some(*leg),
        _ => None,
    })?;
    other.wait(&mut [phone], PATIENCE, "180", |event| {
        matches!(event, PhoneEvent::Progress { status: 180, .. }).then_some(())
    })?;
    Ok(leg)
}

fn wait_connected(a: &mut Phone, b: &mut Phone, leg: LegId) -> Result<(), CliError> {
    a.wait(&mut [b], PATIENCE, "200", |event| {
        (*event == PhoneEvent::Connected { leg }).then_some(())
    })?;
    Ok(())
}

fn wait_direction(a: &mut Phone, b: &mut Phone, wanted: Direction) -> Result<(), CliError> {
    a.wait(&mut [b], PATIENCE, "200 to re-INVITE", |event| match event {
        PhoneEvent::OfferAnswered { direction, .. } if *direction == wanted => Some(()),
        _ => None,
    })?;
    Ok(())
}

fn hear(a: &mut Phone, b: &mut Phone, what: &str) -> Result<(), CliError> {
    let before = (a.rtp().voice, b.rtp().voice);
    let came = Phone::run(&mut [a, b], PATIENCE, |phones| match phones {
        [a, b] => {
            a.rtp().voice >= before.0 + PACKETS
                && b.rtp().voice >= before.1 + PACKETS
                && a.hears(b)
                && b.hears(a)
        }
        _ => false,
    });
    if came { Ok(()) } else { Err(failed(what, "no voice came through the relay")) }
}

fn failed(step: &str, reason: &str) -> CliError {
    CliError::Demo { step: step.to_owned(), reason: reason.to_owned() }
}
