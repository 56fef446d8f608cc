//! Accept, answer, drop, hold, unhold, swap.

use crate::constant::{CallFeature, LineErr};
use crate::model::CallKey;
use crate::server::{Fault, Purpose, Server};

use super::call_params::user_user_info;
use super::lookup::check_owner;
use super::{Asked, Intent, Outcome};

/// lineAccept.
pub(super) fn accept(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    with_info(server, asked, CallFeature::Accept, Purpose::Claim, |call, info| Intent::Accept {
        call,
        info,
    })
}

/// lineAnswer; also joins a bridged call that is active at another station.
pub(super) fn answer(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    with_info(server, asked, CallFeature::Answer, Purpose::Claim, |call, info| Intent::Answer {
        call,
        info,
    })
}

/// lineDrop: rejects, abandons, releases or clears.
pub(super) fn drop(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    with_info(server, asked, CallFeature::Drop, Purpose::Drop, |call, info| Intent::Drop {
        call,
        info,
    })
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
    let held = server.owned_call(asked)?;
    server.check_feature(&held, feature)?;
    Ok(held.begin(intent(held.key), purpose))
}

/// An operation that the other party may be sent user-user information with.
fn with_info(
    server: &Server,
    asked: Asked<'_>,
    feature: CallFeature,
    purpose: Purpose,
    intent: impl FnOnce(CallKey, String) -> Intent,
) -> Result<Outcome, Fault> {
    let held = server.held_call(asked)?;
    let line = server.lines.get(held.call.line.0 as usize);
    let max = line.map_or(0, |line| line.spec.offers.user_user_info_size);
    let info = user_user_info(*asked.params, max)?;
    begin(server, asked, feature, purpose, |call| intent(call, info))
}
