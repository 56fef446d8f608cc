//! The demonstration's completion of calls to a busy line: asked for by a phone's feature code, then by
//! an application; each time the caller is rung when the line is free, and talks to it.

use serde_json::json;
use sip_stack::endpoint::LegId;

use super::feature::{ended, rings};
use super::{CliError, Demo, hear, wait_connected};
use crate::phone::Phone;

impl Demo {
    /// 203 finds 202 busy, asks to be called back, and is.
    pub(super) fn complete(
        &mut self,
        a: &mut Phone,
        b: &mut Phone,
        c: &mut Phone,
    ) -> Result<(), CliError> {
        let (near, far) = self.connect(a, b)?;
        self.busy(c, b)?;
        self.code(c, a, "*66")?;
        b.behaviour().refuses_with = None;
        self.hang_up(a, near, b, far)?;
        self.called_back(a, b, c)?;

        let (near, far) = self.connect(a, b)?;
        self.busy(c, b)?;
        let failed = self.watcher.call_of("203");
        let wish = json!({"hCall": failed, "completionMode": "LINECALLCOMPLMODE_CALLBACK"});
        self.watcher.operate("lineCompleteCall", wish, "203")?;
        self.show("application: lineCompleteCall CALLBACK", &[("203", "IDLE")])?;
        b.behaviour().refuses_with = None;
        self.hang_up(a, near, b, far)?;
        self.called_back(a, b, c)
    }

    fn hang_up(
        &mut self,
        a: &mut Phone,
        near: LegId,
        b: &mut Phone,
        far: LegId,
    ) -> Result<(), CliError> {
        a.hang_up(near);
        ended(b, &mut [a], far)?;
        let states = [("201", "IDLE"), ("202", "IDLE")];
        // 203 is rung as soon as 202 is free.
        self.show_before("201: BYE, the switch: BYE to 202", &states, Some(("203", "OFFERING")))
    }

    /// 202 is free: 203 is rung, answers, and only then 202 is called.
    fn called_back(&mut self, a: &mut Phone, b: &mut Phone, c: &mut Phone) -> Result<(), CliError> {
        let recall = rings(c, &mut [a, b])?;
        self.show("the switch: INVITE to 203, 180", &[("203", "OFFERING")])?;
        c.answer(recall);
        let target = rings(b, &mut [a, c])?;
        self.show(
            "203: 200; the switch: INVITE to 202, 180",
            &[("203", "PROCEEDING"), ("202", "OFFERING"), ("203", "RINGBACK")],
        )?;
        b.answer(target);
        wait_connected(b, c, target)?;
        self.show("202: 200 OK", &[("202", "CONNECTED"), ("203", "CONNECTED")])?;
        hear(b, c, "202 and 203 hear each other")?;
        self.show("RTP between 202 and 203, both ways", &[])?;
        b.hang_up(target);
        ended(c, &mut [a, b], recall)?;
        self.show(
            "202: BYE, the switch: BYE to 203",
            &[("202", "IDLE"), ("203", "DISCONNECTED NORMAL"), ("203", "IDLE")],
        )
    }
}
