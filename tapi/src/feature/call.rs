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
    (offers.call_features & known) | ALWAYS
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
mod tests {
    use super::*;
    use crate::constant::{ConnectedMode, Constant as _, DisconnectMode};
    use CallFeature as F;
    use CallState as S;

    fn situation(state: CallState) -> CallSituation {
        let mode = match state {
            S::Disconnected => CallMode::Disconnected(DisconnectMode::Normal),
            _ => CallMode::None,
        };
        CallSituation {
            state,
            mode,
            capability: CallCapability::default(),
            privilege: CallPrivilege::Owner,
            is_in_service: true,
            takes_digits: true,
            offered: offered_call_features(&Offers::default()),
            offered2: Mask::EMPTY,
            around: Surroundings { has_room_on_hold: true, ..Surroundings::default() },
        }
    }

    /// The same call on an address that offers everything.
    fn full(state: CallState, around: Surroundings) -> CallSituation {
        let offers = Offers::full();
        CallSituation {
            offered: offered_call_features(&offers),
            offered2: offered_call_features2(&offers),
            around,
            ..situation(state)
        }
    }

    /// Per state, what an owner can do of that which is offered.
    const TABLE: &[(S, &[F])] = &[
        (S::Idle, &[]),
        (S::Offering, &[F::Accept, F::Answer, F::Drop]),
        (S::Accepted, &[F::Answer, F::Drop]),
        (S::DialTone, &[F::Dial, F::Drop]),
        (S::Dialing, &[F::Dial, F::Drop]),
        (S::Ringback, &[F::Drop]),
        (S::Busy, &[F::Drop]),
        (S::SpecialInfo, &[F::Drop]),
        (S::Connected, &[F::Hold, F::Drop]),
        (S::Proceeding, &[F::Drop]),
        (S::OnHold, &[F::Unhold, F::Drop]),
        (S::Conferenced, &[F::Drop]),
        (S::OnHoldPendConf, &[F::Unhold, F::Drop]),
        (S::OnHoldPendTransfer, &[F::Unhold, F::Drop]),
        (S::Disconnected, &[F::Drop]),
        (S::Unknown, &[F::Drop]),
    ];

    #[test]
    fn features_of_each_state_are_those_of_the_reference() {
        assert_eq!(TABLE.len(), S::ALL.len());
        for (state, expected) in TABLE {
            assert_eq!(call_features(&situation(*state)), Mask::from(*expected), "{state:?}");
        }
    }

    #[test]
    fn an_inactive_appearance_is_joined_and_not_held() {
        let mut call = situation(S::Connected);
        call.mode = CallMode::Connected(ConnectedMode::Inactive);
        assert_eq!(call_features(&call), F::Answer | F::Drop);
        call.mode = CallMode::Connected(ConnectedMode::ActiveHeld);
        assert_eq!(call_features(&call), F::Hold | F::Drop);
    }

    #[test]
    fn a_monitor_gets_nothing_that_changes_the_call() {
        for (state, _) in TABLE {
            let call = CallSituation { privilege: CallPrivilege::Monitor, ..situation(*state) };
            assert!(call_features(&call).is_empty(), "{state:?}");
        }
    }

    #[test]
    fn out_of_service_leaves_only_drop() {
        for (state, expected) in TABLE {
            let call = CallSituation { is_in_service: false, ..situation(*state) };
            let left = Mask::from(*expected) & F::Drop;
            assert_eq!(call_features(&call), left, "{state:?}");
        }
        let call = CallSituation { is_in_service: false, ..situation(S::Connected) };
        assert_eq!(check(F::Hold, &call), Err(LineErr::OperationFailed));
    }

    #[test]
    fn the_error_says_never_or_not_now() {
        let mut call = situation(S::Offering);
        assert_eq!(check(F::Park, &call), Err(LineErr::OperationUnavail));
        assert_eq!(check(F::Hold, &call), Err(LineErr::InvalCallState));
        call.capability.can_answer = false;
        assert_eq!(check(F::Answer, &call), Err(LineErr::OperationUnavail));
        assert!(!call_features(&call).contains(F::Answer));
        assert_eq!(check(F::Drop, &situation(S::Idle)), Err(LineErr::InvalCallState));
    }

    #[test]
    fn a_held_call_waits_for_the_active_one() {
        let around = Surroundings { has_active_sibling: true, ..Surroundings::default() };
        let call = CallSituation { around, ..situation(S::OnHold) };
        assert_eq!(check(F::Unhold, &call), Err(LineErr::InvalCallState));
    }

    /// COMMON of the reference, without what no switch of this kind has: media control,
    /// terminals, quality of service.
    const COMMON: u32 =
        0xE0E8_7000 & !(F::SetMediaControl as u32 | F::SetTerminal as u32 | F::SetQos as u32);

    const ALONE: Surroundings = Surroundings {
        has_active_sibling: false,
        has_room_on_hold: true,
        has_room_to_consult: true,
        can_swap: false,
        transfer: None,
        can_confer: false,
        can_join: false,
        has_room_in_conference: true,
        is_conference: false,
        is_consultation: false,
        can_be_removed: false,
        is_first_member: false,
        has_stored_info: false,
        completes_on: Mask::from_bits(CallComplCond::Busy as u32 | CallComplCond::NoAnswer as u32),
    };

    /// The reference's features of each state, beside COMMON and DROP, where everything is
    /// offered and the call has no sibling.
    const FULL: &[(S, &[F])] = &[
        (S::Offering, &[F::Accept, F::Answer, F::Redirect, F::SendUserUser]),
        (S::Accepted, &[F::Answer, F::Redirect, F::SendUserUser]),
        (S::DialTone, &[F::Dial]),
        (S::Dialing, &[F::Dial]),
        (S::Proceeding, &[F::CompleteCall]),
        (S::Ringback, &[F::CompleteCall, F::SendUserUser]),
        (S::Busy, &[F::CompleteCall]),
        (S::SpecialInfo, &[]),
        (
            S::Connected,
            &[
                F::Hold,
                F::Park,
                F::BlindTransfer,
                F::SetupTransfer,
                F::SetupConf,
                F::SendUserUser,
                F::GatherDigits,
                F::GenerateDigits,
                F::GenerateTone,
            ],
        ),
        (S::OnHold, &[F::Unhold]),
        (S::OnHoldPendTransfer, &[F::Unhold]),
        (S::OnHoldPendConf, &[F::Unhold]),
        (S::Conferenced, &[]),
    ];

    #[test]
    fn with_everything_offered_each_state_has_the_features_of_the_reference() {
        for (state, expected) in FULL {
            let expected = Mask::from(*expected) | Mask::from_bits(COMMON) | F::Drop;
            assert_eq!(call_features(&full(*state, ALONE)), expected, "{state:?}");
        }
        for (state, expected) in [
            (S::Idle, Mask::EMPTY),
            (S::Disconnected, F::Drop.into()),
            (S::Unknown, F::Drop.into()),
        ] {
            assert_eq!(call_features(&full(state, ALONE)), expected, "{state:?}");
        }
    }

    /// What a sibling or a relation adds to the features of a state, and what it takes.
    struct Case {
        what: &'static str,
        state: S,
        around: Surroundings,
        more: &'static [F],
        less: &'static [F],
    }

    const CASES: &[Case] = &[
        Case {
            what: "1: a conference waits",
            state: S::Connected,
            around: Surroundings { can_join: true, ..ALONE },
            more: &[F::AddToConf],
            less: &[],
        },
        Case {
            what: "1: a conference waits for a ringing call",
            state: S::Ringback,
            around: Surroundings { can_join: true, ..ALONE },
            more: &[F::AddToConf],
            less: &[],
        },
        Case {
            what: "1: the conference is full",
            state: S::Connected,
            around: Surroundings { can_join: true, has_room_in_conference: false, ..ALONE },
            more: &[],
            less: &[],
        },
        Case {
            what: "2: the consultation half",
            state: S::Ringback,
            around: Surroundings { transfer: Some(S::Ringback), ..ALONE },
            more: &[F::CompleteTransf],
            less: &[],
        },
        Case {
            what: "2: the held half",
            state: S::OnHoldPendTransfer,
            around: Surroundings { transfer: Some(S::Connected), can_confer: true, ..ALONE },
            more: &[F::CompleteTransf],
            less: &[],
        },
        Case {
            what: "3: a conference parent",
            state: S::Connected,
            around: Surroundings { is_conference: true, ..ALONE },
            more: &[F::PrepareAddConf],
            less: &[F::Park, F::BlindTransfer, F::SetupTransfer, F::SetupConf],
        },
        Case {
            what: "4: a consultation call",
            state: S::Connected,
            around: Surroundings { is_consultation: true, ..ALONE },
            more: &[],
            less: &[F::SetupTransfer, F::SetupConf],
        },
        Case {
            what: "4: no appearance is left",
            state: S::Connected,
            around: Surroundings { has_room_to_consult: false, ..ALONE },
            more: &[],
            less: &[F::SetupTransfer, F::SetupConf],
        },
        Case {
            what: "5: a held call",
            state: S::Connected,
            around: Surroundings { can_swap: true, ..ALONE },
            more: &[F::SwapHold],
            less: &[],
        },
        Case {
            what: "5: an active call",
            state: S::OnHold,
            around: Surroundings { can_swap: true, has_active_sibling: true, ..ALONE },
            more: &[F::SwapHold],
            less: &[F::Unhold],
        },
        Case {
            what: "6: a full conference",
            state: S::Connected,
            around: Surroundings { is_conference: true, has_room_in_conference: false, ..ALONE },
            more: &[],
            less: &[F::Park, F::BlindTransfer, F::SetupTransfer, F::SetupConf],
        },
        Case {
            what: "a removable member",
            state: S::Conferenced,
            around: Surroundings { can_be_removed: true, ..ALONE },
            more: &[F::RemoveFromConf],
            less: &[],
        },
        Case {
            what: "the only member of a conference to be",
            state: S::Conferenced,
            around: Surroundings { is_first_member: true, ..ALONE },
            more: &[F::Unhold],
            less: &[],
        },
        Case {
            what: "stored user-user information",
            state: S::Disconnected,
            around: Surroundings { has_stored_info: true, ..ALONE },
            more: &[F::ReleaseUserUserInfo],
            less: &[],
        },
    ];

    #[test]
    fn siblings_add_and_take_features() {
        for Case { what, state, around, more, less } in CASES {
            let (more, less) = (Mask::from(*more), Mask::from(*less));
            let plain = call_features(&full(*state, ALONE));
            assert!(plain.contains_all(less), "{what}");
            assert_eq!(call_features(&full(*state, *around)), (plain | more) - less, "{what}");
        }
    }

    #[test]
    fn variants_follow_their_operation() {
        use CallFeature2 as V;
        let connected = full(S::Connected, ALONE);
        let expected = V::NoHoldConference | V::OneStepTransfer | V::ParkDirect | V::ParkNonDirect;
        assert_eq!(call_features2(&connected), expected);
        let busy = call_features2(&full(S::Busy, ALONE));
        assert_eq!(busy, V::ComplCampOn | V::ComplCallback | V::ComplIntrude | V::ComplMessage);
        let half = |state| {
            let can_confer = state == S::Connected;
            let around = Surroundings { transfer: Some(state), can_confer, ..ALONE };
            call_features2(&full(S::OnHoldPendTransfer, around))
        };
        assert_eq!(half(S::Ringback), V::TransferNorm.into());
        assert_eq!(half(S::Connected), V::TransferNorm | V::TransferConf);
        let around = Surroundings { transfer: Some(S::Ringback), ..ALONE };
        let only_conference = CallSituation {
            offered2: V::TransferConf.into(),
            ..full(S::OnHoldPendTransfer, around)
        };
        assert!(!call_features(&only_conference).contains(F::CompleteTransf));
    }

    #[test]
    fn a_monitor_may_only_detect() {
        let call = CallSituation { privilege: CallPrivilege::Monitor, ..full(S::Connected, ALONE) };
        assert_eq!(call_features(&call), OF_MONITORS);
    }

    #[test]
    fn what_one_call_cannot_is_clear_and_unavailable() {
        let mut call = full(S::Connected, ALONE);
        call.capability.unavailable = F::Park.into();
        assert_eq!(check(F::Park, &call), Err(LineErr::OperationUnavail));
        assert!(!call_features(&call).contains(F::Park));
        call.is_in_service = false;
        assert_eq!(check(F::SetupTransfer, &call), Err(LineErr::InvalLineState));
    }
}
