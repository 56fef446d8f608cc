//! Accept, answer, drop, hold, unhold, swap.

use crate::constant::{CallFeature, LineErr};
use crate::model::CallKey;
use crate::server::{Fault, Purpose, Server};

use super::lookup::check_owner;
use super::{Asked, Intent, Outcome};

/// lineAccept.
pub(super) fn accept(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    begin(server, asked, CallFeature::Accept, Purpose::Claim, |call| Intent::Accept { call })
}

/// lineAnswer; also joins a bridged call that is active at another station.
pub(super) fn answer(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    begin(server, asked, CallFeature::Answer, Purpose::Claim, |call| Intent::Answer { call })
}

/// lineDrop: rejects, abandons, releases or clears.
pub(super) fn drop(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    begin(server, asked, CallFeature::Drop, Purpose::Drop, |call| Intent::Drop { call })
}

/// lineHold.
pub(super) fn hold(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    begin(server, asked, CallFeature::Hold, Purpose::Other, |call| Intent::Hold { call })
}

/// lineUnhold, from hard or consultation hold.
pub(super) fn unhold(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    begin(server, asked, CallFeature::Unhold, Purpose::Other, |call| Intent::Unhold { call })
}

/// lineSwapHold: the held call becomes active, and the active one takes its kind of hold.
pub(super) fn swap_hold(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let active = server.named_call(asked, "hActiveCall", LineErr::InvalCallHandle)?;
    let other = server.named_call(asked, "hHeldCall", LineErr::InvalCallHandle)?;
    check_owner(&active)?;
    check_owner(&other)?;
    server.check_feature(&active, CallFeature::SwapHold)?;
    server.check_feature(&other, CallFeature::SwapHold)?;
    if !server.can_swap(active.key, other.key) {
        let detail = "An active and a held call of one address are swapped.";
        return Err(Fault::line(LineErr::InvalCallState, detail));
    }
    let intent = Intent::SwapHold { active: active.key, held: other.key };
    Ok(active.begin(intent, Purpose::Other))
}

fn begin(
    server: &Server,
    asked: Asked<'_>,
    feature: CallFeature,
    purpose: Purpose,
    intent: impl FnOnce(CallKey) -> Intent,
) -> Result<Outcome, Fault> {
    server.held_call(asked)?;
    let info = asked.params.opt_text("userUserInfo", LineErr::UserUserInfoTooBig)?;
    if !info.unwrap_or_default().is_empty() {
        let detail = "User-user information is not carried.";
        return Err(Fault::line(LineErr::UserUserInfoTooBig, detail));
    }
    let held = server.owned_call(asked)?;
    server.check_feature(&held, feature)?;
    Ok(held.begin(intent(held.key), purpose))
}
