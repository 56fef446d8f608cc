//! Which operations can be asked for: LINECALLFEATURE, LINEADDRFEATURE and LINEFEATURE.
//!
//! One row per operation on a call. The row makes the bit of the capability mask, the bit of the
//! present features, and the error of the function: they cannot disagree.

use crate::constant::{
    AddrFeature, CallFeature, CallPrivilege, CallState, LineErr, LineFeature, Mask,
};
use crate::model::{CallCapability, CallMode};

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
    /// Whether another call of the address is CONNECTED with this station taking part.
    pub has_active_sibling: bool,
    /// Whether one more call may be put on hold.
    pub has_room_on_hold: bool,
    /// Whether the last dialled string asked for more.
    pub takes_digits: bool,
}

/// An operation on a call.
struct Row {
    feature: CallFeature,
    /// States it is possible in.
    states: &'static [CallState],
    /// What must hold beside the state, else the call is in no valid state for it.
    condition: fn(&CallSituation) -> bool,
    /// Whether the provider can do it on this call.
    is_able: fn(&CallSituation) -> bool,
}

/// The operations on a call that are offered.
const ROWS: &[Row] = {
    use CallState as S;
    &[
        Row {
            feature: CallFeature::Accept,
            states: &[S::Offering],
            condition: |_| true,
            is_able: |call| call.capability.can_accept,
        },
        Row {
            feature: CallFeature::Answer,
            states: &[S::Offering, S::Accepted, S::Connected],
            condition: |call| call.state != S::Connected || call.mode.is_inactive(),
            is_able: |call| call.capability.can_answer,
        },
        Row {
            feature: CallFeature::Dial,
            states: &[S::DialTone, S::Dialing],
            condition: |call| call.state == S::DialTone || call.takes_digits,
            is_able: |call| call.capability.can_dial,
        },
        Row {
            feature: CallFeature::Drop,
            states: &[
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
            ],
            condition: |_| true,
            is_able: |_| true,
        },
        Row {
            feature: CallFeature::Hold,
            states: &[S::Connected],
            condition: |call| !call.mode.is_inactive() && call.has_room_on_hold,
            is_able: |call| call.capability.can_hold,
        },
        Row {
            feature: CallFeature::Unhold,
            states: &[S::OnHold, S::OnHoldPendTransfer, S::OnHoldPendConf],
            condition: |call| !call.has_active_sibling,
            is_able: |call| call.capability.can_unhold,
        },
    ]
};

/// What a monitor may ask for; everything else is the owner's.
const OF_MONITORS: Mask<CallFeature> = Mask::from_bits(
    CallFeature::MonitorDigits as u32
        | CallFeature::MonitorMedia as u32
        | CallFeature::MonitorTones as u32,
);

/// LINEADDRESSCAPS.dwCallFeatures: what can ever be done.
pub fn offered_call_features() -> Mask<CallFeature> {
    ROWS.iter().map(|row| row.feature).collect()
}

/// Whether an operation is possible on a call now, and if not, why (privilege aside).
///
/// Errors: OperationUnavail where it is never possible, or not with this phone; OperationFailed
/// while the line is out of service; InvalCallState at the wrong moment.
pub fn check(feature: CallFeature, call: &CallSituation) -> Result<(), LineErr> {
    let row = ROWS.iter().find(|row| row.feature == feature).ok_or(LineErr::OperationUnavail)?;
    let is_state_right = row.states.contains(&call.state) && (row.condition)(call);
    if call.state != CallState::Idle && !call.is_in_service && feature != CallFeature::Drop {
        return Err(LineErr::OperationFailed);
    }
    if !is_state_right {
        return Err(LineErr::InvalCallState);
    }
    if !(row.is_able)(call) {
        return Err(LineErr::OperationUnavail);
    }
    Ok(())
}

/// LINECALLSTATUS.dwCallFeatures: what this application can do with the call now.
pub fn call_features(call: &CallSituation) -> Mask<CallFeature> {
    let possible: Mask<CallFeature> =
        ROWS.iter().map(|row| row.feature).filter(|f| check(*f, call).is_ok()).collect();
    match call.privilege {
        CallPrivilege::Owner => possible,
        CallPrivilege::Monitor => possible & OF_MONITORS,
        CallPrivilege::None => Mask::EMPTY,
    }
}

/// What the features of an address depend on.
#[derive(Clone, Copy, Debug)]
pub struct AddressSituation {
    /// Whether the line is in service.
    pub is_in_service: bool,
    /// Calls that are not IDLE.
    pub calls: u32,
    /// How many there may be.
    pub max_calls: u32,
}

/// LINEADDRESSCAPS.dwAddressFeatures: what can ever be done on an address.
pub fn offered_address_features() -> Mask<AddrFeature> {
    AddrFeature::MakeCall.into()
}

/// LINEADDRESSSTATUS.dwAddressFeatures: what can be done on an address now.
pub fn address_features(address: &AddressSituation) -> Mask<AddrFeature> {
    if address.is_in_service && address.calls < address.max_calls {
        offered_address_features()
    } else {
        Mask::EMPTY
    }
}

/// LINEDEVCAPS.dwLineFeatures: what can ever be done on a line.
pub fn offered_line_features() -> Mask<LineFeature> {
    LineFeature::MakeCall.into()
}

/// LINEDEVSTATUS.dwLineFeatures: a call can be made while some address can make one.
pub fn line_features(addresses: impl IntoIterator<Item = AddressSituation>) -> Mask<LineFeature> {
    let mut features = Mask::EMPTY;
    for address in addresses {
        if address_features(&address).contains(AddrFeature::MakeCall) {
            features.insert(LineFeature::MakeCall);
        }
    }
    features
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
            has_active_sibling: false,
            has_room_on_hold: true,
            takes_digits: true,
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
        let call = CallSituation { has_active_sibling: true, ..situation(S::OnHold) };
        assert_eq!(check(F::Unhold, &call), Err(LineErr::InvalCallState));
    }

    #[test]
    fn a_call_can_be_made_while_the_line_is_in_service_and_an_appearance_is_free() {
        let free = AddressSituation { is_in_service: true, calls: 1, max_calls: 2 };
        let full = AddressSituation { calls: 2, ..free };
        let dead = AddressSituation { is_in_service: false, ..free };
        assert_eq!(address_features(&free), AddrFeature::MakeCall.into());
        assert!(address_features(&full).is_empty() && address_features(&dead).is_empty());
        assert_eq!(line_features([full, free]), LineFeature::MakeCall.into());
        assert!(line_features([full, dead]).is_empty());
    }
}
