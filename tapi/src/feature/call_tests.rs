//! The features of calls by state, siblings and privilege.

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
    for (state, expected) in
        [(S::Idle, Mask::EMPTY), (S::Disconnected, F::Drop.into()), (S::Unknown, F::Drop.into())]
    {
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
    let only_conference =
        CallSituation { offered2: V::TransferConf.into(), ..full(S::OnHoldPendTransfer, around) };
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
