//! The demonstration's features: consultation transfer, swap and conference, park and retrieval,
//! pickup, forwarding.

use serde_json::json;
use sip_stack::endpoint::LegId;
use sip_stack::sdp::Direction;

use super::{
    CliError, Demo, PATIENCE, call, failed, hear, incoming, wait_connected, wait_direction,
};
use crate::phone::{HoldSpelling, Phone, PhoneEvent};

impl Demo {
    /// 201 talks to 202, holds it, asks 203, and joins the two.
    pub(super) fn transfer(
        &mut self,
        a: &mut Phone,
        b: &mut Phone,
        c: &mut Phone,
    ) -> Result<(), CliError> {
        let (first, far) = self.connect(a, b)?;
        a.hold(first, HoldSpelling::SendOnly);
        wait_direction(a, b, Direction::RecvOnly)?;
        self.show(
            "201: re-INVITE sendonly, 200 recvonly",
            &[("201", "ONHOLD"), ("202", "CONNECTED ACTIVEHELD")],
        )?;
        let (second, target) = self.connect(a, c)?;
        a.transfer_attended(first, second);
        let done =
            a.wait(&mut [b, c], PATIENCE, "NOTIFY with the outcome", |event| match event {
                PhoneEvent::TransferProgress { status, is_final: true, .. } => Some(*status),
                _ => None,
            })?;
        if done != 200 {
            return Err(failed("REFER", &format!("the switch said {done}")));
        }
        self.show(
            "201: REFER with Replaces, 202, NOTIFY 200",
            &[("201", "IDLE"), ("202", "CONNECTED ACTIVE")],
        )?;
        hear(b, c, "202 and 203 hear each other")?;
        self.show("RTP between 202 and 203, both ways", &[])?;
        for leg in [first, second] {
            a.hang_up(leg);
        }
        self.show("201: BYE in both of its dialogs", &[])?;
        b.hang_up(far);
        ended(c, &mut [a, b], target)?;
        self.show(
            "202: BYE, the switch: BYE to 203",
            &[("202", "IDLE"), ("203", "DISCONNECTED NORMAL"), ("203", "IDLE")],
        )
    }

    /// 201 parks 202 in the lot; 203 dials the slot.
    pub(super) fn park(
        &mut self,
        a: &mut Phone,
        b: &mut Phone,
        c: &mut Phone,
    ) -> Result<(), CliError> {
        let (near, far) = self.connect(a, b)?;
        a.transfer(near, "700");
        a.wait(&mut [b], PATIENCE, "NOTIFY 200", |event| {
            matches!(event, PhoneEvent::TransferProgress { status: 200, is_final: true, .. })
                .then_some(())
        })?;
        a.hang_up(near);
        self.show(
            "201: REFER to 700, 202, NOTIFY 200, BYE",
            &[("201", "IDLE"), ("202", "CONNECTED ACTIVEHELD")],
        )?;
        let leg = call(c, "701")?;
        wait_connected(c, b, leg)?;
        self.show(
            "203: INVITE 701, 200, ACK",
            &[("203", "DIALING"), ("203", "CONNECTED"), ("202", "CONNECTED ACTIVE")],
        )?;
        hear(b, c, "202 and 203 hear each other")?;
        self.show("RTP between 202 and 203, both ways", &[])?;
        c.hang_up(leg);
        ended(b, &mut [a, c], far)?;
        self.show(
            "203: BYE, the switch: BYE to 202",
            &[("203", "IDLE"), ("202", "DISCONNECTED NORMAL"), ("202", "IDLE")],
        )
    }

    /// 201 calls 202; 203 takes the call with *8.
    pub(super) fn pick_up(
        &mut self,
        a: &mut Phone,
        b: &mut Phone,
        c: &mut Phone,
    ) -> Result<(), CliError> {
        b.behaviour().refuses_with = None;
        let near = call(a, "202")?;
        let ringing = incoming(b, a)?;
        self.show(
            "201: INVITE 202, 202: 180 Ringing",
            &[("202", "OFFERING"), ("201", "RINGBACK")],
        )?;
        let leg = call(c, "*8")?;
        wait_connected(c, a, leg)?;
        ended(b, &mut [a, c], ringing)?;
        wait_connected(a, c, near)?;
        self.show(
            "203: INVITE *8, 200; the switch: CANCEL to 202",
            &[
                ("203", "CONNECTED"),
                ("201", "CONNECTED"),
                ("202", "DISCONNECTED PICKUP"),
                ("202", "IDLE"),
            ],
        )?;
        hear(a, c, "201 and 203 hear each other")?;
        self.show("RTP between 201 and 203, both ways", &[])?;
        a.hang_up(near);
        ended(c, &mut [a, b], leg)?;
        self.show(
            "201: BYE, the switch: BYE to 203",
            &[("201", "IDLE"), ("203", "DISCONNECTED NORMAL"), ("203", "IDLE")],
        )
    }

    /// 201 talks to 202; an application asks 203, goes back to 202, and joins all three.
    pub(super) fn confer(
        &mut self,
        a: &mut Phone,
        b: &mut Phone,
        c: &mut Phone,
    ) -> Result<(), CliError> {
        let (near, far) = self.connect(a, b)?;
        let first = self.watcher.call_of("201");
        let consult = self.watcher.operate("lineSetupTransfer", json!({"hCall": first}), "201")?;
        self.show(
            "application: lineSetupTransfer",
            &[("201", "ONHOLDPENDTRANSFER"), ("201", "DIALTONE"), ("202", "CONNECTED ACTIVEHELD")],
        )?;
        let number = json!({"hCall": consult, "destAddress": "203"});
        self.watcher.operate("lineDial", number, "201")?;
        let target = rings(c, &mut [a, b])?;
        c.answer(target);
        wait_connected(c, a, target)?;
        self.show(
            "lineDial 203; 203: 180, 200",
            &[("203", "OFFERING"), ("201", "RINGBACK"), ("203", "CONNECTED"), ("201", "CONNECTED")],
        )?;
        hear(a, c, "201 and 203 hear each other")?;
        let swap = json!({"hActiveCall": consult, "hHeldCall": first});
        self.watcher.operate("lineSwapHold", swap, "201")?;
        self.show(
            "application: lineSwapHold",
            &[("201", "ONHOLD"), ("201", "CONNECTED"), ("203", "CONNECTED ACTIVEHELD")],
        )?;
        hear(a, b, "201 and 202 hear each other")?;
        self.show("RTP between 201 and 202, both ways", &[])?;
        let join = json!({"hCall": first, "hConsultCall": consult,
            "transferMode": "LINETRANSFERMODE_CONFERENCE"});
        self.watcher.operate("lineCompleteTransfer", join, "201")?;
        self.show("application: lineCompleteTransfer CONFERENCE", &[("201", "CONFERENCED")])?;
        all_hear(a, b, c)?;
        self.show("RTP: each hears the two others, mixed", &[])?;
        a.hang_up(near);
        ended(b, &mut [a, c], far)?;
        ended(c, &mut [a, b], target)?;
        self.show(
            "201: BYE, the switch: BYE to 202 and 203",
            &[("201", "IDLE"), ("202", "IDLE"), ("203", "IDLE")],
        )
    }

    /// 202 forwards all its calls to 203; 201 calls 202.
    pub(super) fn forward(
        &mut self,
        a: &mut Phone,
        b: &mut Phone,
        c: &mut Phone,
    ) -> Result<(), CliError> {
        self.code(b, a, "*72203")?;
        let near = call(a, "202")?;
        let leg = rings(c, &mut [a, b])?;
        c.answer(leg);
        wait_connected(a, c, near)?;
        self.show(
            "201: INVITE 202; 203: 180, 200",
            &[("203", "OFFERING"), ("201", "CONNECTED"), ("203", "CONNECTED")],
        )?;
        hear(a, c, "201 and 203 hear each other")?;
        a.hang_up(near);
        ended(c, &mut [a, b], leg)?;
        self.show("201: BYE, the switch: BYE to 203", &[("201", "IDLE"), ("203", "IDLE")])?;
        self.code(b, a, "*73")
    }

    /// A phone dials a feature code, which answers and hangs up.
    pub(super) fn code(
        &mut self,
        phone: &mut Phone,
        other: &mut Phone,
        code: &str,
    ) -> Result<(), CliError> {
        let number = phone.number().to_owned();
        let leg = call(phone, code)?;
        ended(phone, &mut [other], leg)?;
        self.show(&format!("{number}: INVITE {code}, 200, BYE"), &[(&number, "IDLE")])
    }

    /// 201 calls somebody who answers.
    pub(super) fn connect(
        &mut self,
        a: &mut Phone,
        b: &mut Phone,
    ) -> Result<(LegId, LegId), CliError> {
        b.behaviour().refuses_with = None;
        let number = b.number().to_owned();
        let near = call(a, &number)?;
        let far = incoming(b, a)?;
        b.answer(far);
        wait_connected(a, b, near)?;
        self.show(
            &format!("{}: INVITE {number}, 180, 200, ACK", a.number()),
            &[(&number, "OFFERING"), (&number, "CONNECTED"), (a.number(), "CONNECTED")],
        )?;
        Ok((near, far))
    }
}

/// Waits until a phone is called.
pub(super) fn rings(phone: &mut Phone, others: &mut [&mut Phone]) -> Result<LegId, CliError> {
    Ok(phone.wait(others, PATIENCE, "INVITE", |event| match event {
        PhoneEvent::Incoming { leg, .. } => Some(*leg),
        _ => None,
    })?)
}

/// Each of three phones hears the voices of the two others, mixed.
fn all_hear(a: &mut Phone, b: &mut Phone, c: &mut Phone) -> Result<(), CliError> {
    let came = Phone::run(&mut [a, b, c], PATIENCE, |phones| match phones {
        [a, b, c] => {
            let (a, b, c): (&Phone, &Phone, &Phone) = (a, b, c);
            a.hears_mixed(&[b, c]) && b.hears_mixed(&[a, c]) && c.hears_mixed(&[a, b])
        }
        _ => false,
    });
    if came { Ok(()) } else { Err(failed("all hear each other", "no mixed voices came")) }
}

/// Waits until the switch has ended a phone's call.
pub(super) fn ended(
    phone: &mut Phone,
    others: &mut [&mut Phone],
    leg: LegId,
) -> Result<(), CliError> {
    phone.wait(others, PATIENCE, "BYE or CANCEL", |event| {
        (*event == PhoneEvent::Ended { leg }).then_some(())
    })?;
    Ok(())
}
