//! The demonstration's features: consultation transfer, park and retrieval, pickup.

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

    /// 201 calls somebody who answers.
    fn connect(&mut self, a: &mut Phone, b: &mut Phone) -> Result<(LegId, LegId), CliError> {
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

/// Waits until the switch has ended a phone's call.
fn ended(phone: &mut Phone, others: &mut [&mut Phone], leg: LegId) -> Result<(), CliError> {
    phone.wait(others, PATIENCE, "BYE or CANCEL", |event| {
        (*event == PhoneEvent::Ended { leg }).then_some(())
    })?;
    Ok(())
}
