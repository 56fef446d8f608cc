//! Operations on a call.
//!
//! One row per operation. The row makes the bit of the capability mask, the bit of the present
//! features, and the error of the function: they cannot disagree.

use crate::constant::{
    CallComplCond, CallComplMode, CallFeature, CallFeature2, CallPrivilege, CallState, LineErr,
    Mask,
};
use crate::model::{CallCapability, CallMode, Offers, base_of, has_variant};

/// What the features of a call depend on.
#[derive(Clone, Copy, Debug)]
pub struct CallSituation {
    /// Present state.
    pub state: CallState,
    /// Present mode.
    pub mode: CallMode,
    /// What the provider can do.
    pub capability: CallCapability,
    /// Privilege of the application that asks.
    pub privilege: CallPrivilege,
    /// Whether the line is in service.
    pub is_in_service: bool,
    /// Whether the last dialled string asked for more.
    pub takes_digits: bool,
    /// What the address can ever do.
    pub offered: Mask<CallFeature>,
    /// Variants of that.
    pub offered2: Mask<CallFeature2>,
    /// What the calls beside it allow.
    pub around: Surroundings,
}

/// What beside the call itself decides: its siblings, its part in transfers and conferences, and
/// the limits of the address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Surroundings {
    /// Another call of the address is CONNECTED with this station taking part, and is not its
    /// consultation call.
    pub has_active_sibling: bool,
    /// One more call may be put on hold.
    pub has_room_on_hold: bool,
    /// One more call may be put on consultation hold, and an appearance is free for the
    /// consultation call.
    pub has_room_to_consult: bool,
    /// A call of the address is there to swap with: held for an active one, active for a held.
    pub can_swap: bool,
    /// State of the consultation half, if this call is one half of a possible transfer.
    pub transfer: Option<CallState>,
    /// Such a transfer can be completed as a conference.
    pub can_confer: bool,
    /// A conference of the line waits for a call like this one.
    pub can_join: bool,
    /// There is room in that conference, or in the one that this call is parent of.
    pub has_room_in_conference: bool,
    /// It is the parent of a conference.
    pub is_conference: bool,
    /// It was begun to consult for a call that still waits.
    pub is_consultation: bool,
    /// It is a member that may be removed.
    pub can_be_removed: bool,
    /// It is the only member of a conference that is being set up.
    pub is_first_member: bool,
    /// User-user information waits to be released.
    pub has_stored_info: bool,
    /// On which failure a call of the address can be completed.
    pub completes_on: Mask<CallComplCond>,
}

/// An operation on a call.
#[derive(Clone, Copy)]
struct Row {
    feature: CallFeature,
    /// States it is possible in.
    states: &'static [CallState],
    /// What must hold beside the state, else the call is in no valid state for it.
    condition: fn(&CallSituation) -> bool,
    /// Whether the provider can do it on this call.
    is_able: fn(&CallCapability) -> bool,
    /// The error where something is full.
    room: fn(&CallSituation) -> Result<(), LineErr>,
    /// The error while the line is out of service.
    out_of_service: LineErr,
    /// The error at the wrong moment.
    not_now: LineErr,
}

const fn row(
    feature: CallFeature,
    states: &'static [CallState],
    condition: fn(&CallSituation) -> bool,
) -> Row {
    Row {
        feature,
        states,
        condition,
        is_able: |_| true,
        room: |_| Ok(()),
        out_of_service: LineErr::OperationFailed,
        not_now: LineErr::InvalCallState,
    }
}

/// The common operations are possible in these states.
const ALIVE: &[CallState] = {
    use CallState as S;
    &[
        S::Offering,
        S::Accepted,
        S::DialTone,
        S::Dialing,
        S::Ringback,
        S::Busy,
        S::SpecialInfo,
        S::Connected,
        S::Proceeding,
        S::OnHold,
        S::Conferenced,
        S::OnHoldPendConf,
        S::OnHoldPendTransfer,
    ]
};

const NOT_IDLE: &[CallState] = {
    use CallState as S;
    &[
        S::Offering,
        S::Accepted,
        S::DialTone,
        S::Dialing,
        S::Ringback,
        S::Busy,
        S::SpecialInfo,
        S::Connected,
        S::Proceeding,
        S::OnHold,
        S::Conferenced,
        S::OnHoldPendConf,
        S::OnHoldPendTransfer,
        S::Disconnected,
        S::Unknown,
    ]
};

const CONNECTED: &[CallState] = &[CallState::Connected];

/// The operations of every address.
const ALWAYS: Mask<CallFeature> = Mask::from_bits(
    CallFeature::Accept as u32
        | CallFeature::Answer as u32
        | CallFeature::Dial as u32
        | CallFeature::Drop as u32
        | CallFeature::Hold as u32
        | CallFeature::Unhold as u32,
);

/// The operations on a call that there are.
const ROWS: &[Row] = {
    use CallFeature as F;
    use CallState as S;
    &[
        Row {
            is_able: |capability| capability.can_accept,
            ..row(F::Accept, &[S::Offering], |_| true)
        },
        Row {
            is_able: |capability| capability.can_answer,
            ..row(F::Answer, &[S::Offering, S::Accepted, S::Connected], |call| {
                call.state != S::Connected || call.mode.is_inactive()
            })
        },
        Row {
            is_able: |capability| capability.can_dial,
            ..row(F::Dial, &[S::DialTone, S::Dialing], |call| {
                call.state == S::DialTone || call.takes_digits
            })
        },
        row(F::Drop, NOT_IDLE, |_| true),
        Row {
            is_able: |capability| capability.can_hold,
            ..row(F::Hold, CONNECTED, |call| takes_part(call) && call.around.has_room_on_hold)
        },
        Row {
            is_able: |capability| capability.can_unhold,
            ..row(
                F::Unhold,
                &[S::OnHold, S::OnHoldPendTransfer, S::OnHoldPendConf, S::Conferenced],
                |call| match call.state {
                    S::Conferenced => call.around.is_first_member,
                    // A conference is not given up for the consultation call: that one comes
                    // back by swapping.
                    S::OnHoldPendConf => {
                        !call.around.is_consultation && !call.around.has_active_sibling
                    }
                    _ => !call.around.has_active_sibling,
                },
            )
        },
        row(
            F::SwapHold,
            &[S::Connected, S::OnHold, S::OnHoldPendTransfer, S::OnHoldPendConf],
            |call| takes_part(call) && call.around.can_swap,
        ),
        Row {
            room: |call| room(call.around.has_room_to_consult, LineErr::CallUnavail),
            out_of_service: LineErr::InvalLineState,
            ..row(F::SetupTransfer, CONNECTED, |call| takes_part(call) && is_plain(call))
        },
        row(
            F::CompleteTransf,
            &[S::Connected, S::Ringback, S::Proceeding, S::Busy, S::OnHold, S::OnHoldPendTransfer],
            |call| {
                can_transfer(call, CallFeature2::TransferNorm)
                    || can_transfer(call, CallFeature2::TransferConf)
            },
        ),
        row(F::BlindTransfer, CONNECTED, can_be_sent),
        row(F::Redirect, &[S::Offering, S::Accepted], |_| true),
        row(F::Park, CONNECTED, can_be_sent),
        Row {
            room: |call| room(call.around.has_room_to_consult, LineErr::CallUnavail),
            out_of_service: LineErr::InvalLineState,
            ..row(F::SetupConf, CONNECTED, |call| {
                takes_part(call) && is_plain(call) && !call.capability.is_alone
            })
        },
        Row {
            room: |call| {
                room(call.around.has_room_in_conference, LineErr::ConferenceFull)?;
                room(call.around.has_room_to_consult, LineErr::CallUnavail)
            },
            out_of_service: LineErr::InvalLineState,
            ..row(F::PrepareAddConf, CONNECTED, |call| {
                takes_part(call) && call.around.is_conference
            })
        },
        Row {
            room: |call| room(call.around.has_room_in_conference, LineErr::ConferenceFull),
            ..row(F::AddToConf, &[S::Connected, S::OnHold, S::Proceeding, S::Ringback], |call| {
                takes_part(call) && call.around.can_join
            })
        },
        row(F::RemoveFromConf, &[S::Conferenced], |call| call.around.can_be_removed),
        row(F::CompleteCall, &[S::Busy, S::Ringback, S::Proceeding], |call| {
            let condition = match call.state {
                S::Busy => CallComplCond::Busy,
                _ => CallComplCond::NoAnswer,
            };
            call.around.completes_on.contains(condition)
        }),
        row(F::SecureCall, ALIVE, |_| true),
        row(F::SetCallParams, ALIVE, |_| true),
        row(F::SetCallData, ALIVE, |_| true),
        row(F::SetTreatment, ALIVE, |_| true),
        row(F::SendUserUser, &[S::Offering, S::Accepted, S::Ringback, S::Connected], |call| {
            takes_part(call) && !call.capability.is_alone
        }),
        Row {
            not_now: LineErr::OperationFailed,
            ..row(F::ReleaseUserUserInfo, NOT_IDLE, |call| call.around.has_stored_info)
        },
        row(F::MonitorDigits, ALIVE, |_| true),
        row(F::MonitorMedia, ALIVE, |_| true),
        row(F::MonitorTones, ALIVE, |_| true),
        row(F::GatherDigits, CONNECTED, takes_part),
        row(F::GenerateDigits, CONNECTED, takes_part),
        row(F::GenerateTone, CONNECTED, takes_part),
    ]
};

fn room(has_room: bool, error: LineErr) -> Result<(), LineErr> {
    if has_room { Ok(()) } else { Err(error) }
}

/// Whether this station takes part: not an idle appearance of a bridged call.
fn takes_part(call: &CallSituation) -> bool {
    !call.mode.is_inactive()
}

/// Whether there is a party that can be sent elsewhere.
fn can_be_sent(call: &CallSituation) -> bool {
    takes_part(call) && !call.around.is_conference && !call.capability.is_alone
}

/// Whether a consultation can be begun for the call.
fn is_plain(call: &CallSituation) -> bool {
    !call.around.is_conference && !call.around.is_consultation
}

/// Whether a transfer can be completed in this way now.
fn can_transfer(call: &CallSituation, way: CallFeature2) -> bool {
    let is_ready = match way {
        CallFeature2::TransferConf => call.around.can_confer,
        _ => call.around.transfer.is_some(),
    };
    is_ready && has_variant(call.offered2, way)
}

/// Whether the called party is busy: nobody waits for, or joins, the call of one that only rings.
fn needs_busy_party(call: &CallSituation) -> bool {
    call.state == CallState::Busy
}

/// Whether a call that met this failure can be completed in this way: waiting in line and intrusion
/// need a busy party (tapi-call-control 7.5).
///
/// Errors: InvalCallState.
pub fn check_completion(mode: CallComplMode, call: &CallSituation) -> Result<(), LineErr> {
    match mode {
        CallComplMode::CampOn | CallComplMode::Intrude if !needs_busy_party(call) => {
            Err(LineErr::InvalCallState)
        }
        _ => Ok(()),
    }
}

/// What a monitor may ask for; everything else is the owner's.
const OF_MONITORS: Mask<CallFeature> = Mask::from_bits(
    CallFeature::MonitorDigits as u32
        | CallFeature::MonitorMedia as u32
        | CallFeature::MonitorTones as u32,
);

/// LINEADDRESSCAPS.dwCallFeatures: what can ever be done.
pub fn offered_call_features(offers: &Offers) -> Mask<CallFeature> {
    let known: Mask<CallFeature> = ROWS.iter().map(|row| row.feature).collect();
    ((offers.call_features & known) | ALWAYS) - offers.never
}

/// LINEADDRESSCAPS.dwCallFeatures2: the variants of what can ever be done.
pub fn offered_call_features2(offers: &Offers) -> Mask<CallFeature2> {
    let offered = offered_call_features(offers);
    let variants = offers.call_features2.iter();
    variants.filter(|v| base_of(*v).is_some_and(|base| offered.contains(base))).collect()
}

/// Whether an operation is possible on a call now, and if not, why (privilege and room aside).
///
/// Errors: OperationUnavail where it is never possible, or not with this phone; OperationFailed
/// or InvalLineState while the line is out of service; InvalCallState at the wrong moment.
pub fn check(feature: CallFeature, call: &CallSituation) -> Result<(), LineErr> {
    let row = ROWS.iter().find(|row| row.feature == feature).ok_or(LineErr::OperationUnavail)?;
    if !call.offered.contains(feature) {
        return Err(LineErr::OperationUnavail);
    }
    if call.state != CallState::Idle && !call.is_in_service && feature != CallFeature::Drop {
        return Err(row.out_of_service);
    }
    let is_now = row.states.contains(&call.state) && !call.capability.not_now.contains(feature);
    if !is_now || !(row.condition)(call) {
        return Err(row.not_now);
    }
    if !(row.is_able)(&call.capability) || call.capability.unavailable.contains(feature) {
        return Err(LineErr::OperationUnavail);
    }
    Ok(())
}

/// Whether there is room for an operation that is possible otherwise.
///
/// Errors: CallUnavail, ConferenceFull.
pub fn check_room(feature: CallFeature, call: &CallSituation) -> Result<(), LineErr> {
    let row = ROWS.iter().find(|row| row.feature == feature).ok_or(LineErr::OperationUnavail)?;
    (row.room)(call)
}

/// LINECALLSTATUS.dwCallFeatures: what this application can do with the call now.
pub fn call_features(call: &CallSituation) -> Mask<CallFeature> {
    let is_possible = |f: &CallFeature| check(*f, call).is_ok() && check_room(*f, call).is_ok();
    let possible: Mask<CallFeature> =
        ROWS.iter().map(|row| row.feature).filter(is_possible).collect();
    match call.privilege {
        CallPrivilege::Owner => possible,
        CallPrivilege::Monitor => possible & OF_MONITORS,
        CallPrivilege::None => Mask::EMPTY,
    }
}

/// LINECALLSTATUS.dwCallFeatures2: the variants of what this application can do now.
pub fn call_features2(call: &CallSituation) -> Mask<CallFeature2> {
    use CallFeature2 as V;
    let now = call_features(call);
    let survives = |variant: &CallFeature2| match variant {
        V::NoHoldConference => {
            now.contains(CallFeature::SetupConf) || now.contains(CallFeature::PrepareAddConf)
        }
        V::TransferNorm | V::TransferConf => {
            now.contains(CallFeature::CompleteTransf) && can_transfer(call, *variant)
        }
        V::ComplCampOn | V::ComplIntrude => {
            now.contains(CallFeature::CompleteCall) && needs_busy_party(call)
        }
        other => base_of(*other).is_some_and(|base| now.contains(base)),
    };
    call.offered2.iter().filter(survives).collect()
}

#[cfg(test)]
#[path = "call_tests.rs"]
mod tests;
