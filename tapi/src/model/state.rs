//! The state of a call: modes, and which transition may follow which state.

use crate::constant::{
    BusyMode, CallState, ConnectedMode, Constant as _, DialToneMode, DisconnectMode, OfferingMode,
    SpecialInfo,
};

use super::{API_1_4, API_2_0, CallKey};

/// What a state carries beside itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CallMode {
    /// Nothing; in OFFERING and CONNECTED the same as ACTIVE.
    #[default]
    None,
    /// Of OFFERING.
    Offering(OfferingMode),
    /// Of DIALTONE.
    DialTone(DialToneMode),
    /// Of BUSY.
    Busy(BusyMode),
    /// Of SPECIALINFO.
    SpecialInfo(SpecialInfo),
    /// Of CONNECTED.
    Connected(ConnectedMode),
    /// Of DISCONNECTED, which always has one.
    Disconnected(DisconnectMode),
    /// Of CONFERENCED: the parent.
    Conferenced(CallKey),
}

impl CallMode {
    /// Whether a call in this state can have this mode.
    pub fn fits(self, state: CallState) -> bool {
        match self {
            Self::None => state != CallState::Disconnected,
            Self::Offering(_) => state == CallState::Offering,
            Self::DialTone(_) => state == CallState::DialTone,
            Self::Busy(_) => state == CallState::Busy,
            Self::SpecialInfo(_) => state == CallState::SpecialInfo,
            Self::Connected(_) => state == CallState::Connected,
            Self::Disconnected(_) => state == CallState::Disconnected,
            Self::Conferenced(_) => state == CallState::Conferenced,
        }
    }

    /// The constant's name; none for no mode and for CONFERENCED, which names a call instead.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::None | Self::Conferenced(_) => None,
            Self::Offering(mode) => Some(mode.name()),
            Self::DialTone(mode) => Some(mode.name()),
            Self::Busy(mode) => Some(mode.name()),
            Self::SpecialInfo(mode) => Some(mode.name()),
            Self::Connected(mode) => Some(mode.name()),
            Self::Disconnected(mode) => Some(mode.name()),
        }
    }

    /// Whether another station, not this one, takes part in the call (bridged addresses).
    pub fn is_inactive(self) -> bool {
        use ConnectedMode::{Inactive, InactiveHeld};
        matches!(self, Self::Connected(Inactive | InactiveHeld))
    }

    /// What an application of an older version is told instead: it must not see values that
    /// came after it.
    pub fn for_version(self, version: u32) -> Self {
        use DisconnectMode as D;
        match self {
            Self::Offering(_) | Self::Connected(_) if version < API_2_0 => Self::None,
            Self::Disconnected(D::Cancelled) if version < API_2_0 => Self::Disconnected(D::Normal),
            Self::Disconnected(
                D::DoNotDisturb
                | D::Blocked
                | D::QosUnavail
                | D::TempFailure
                | D::OutOfOrder
                | D::NumberChanged,
            ) if version < API_2_0 => Self::Disconnected(D::Unknown),
            Self::Disconnected(D::NoDialTone) if version < API_1_4 => {
                Self::Disconnected(D::Unknown)
            }
            other => other,
        }
    }
}

/// Why the provider's report about a call was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The call is gone, or never was.
    #[error("the call does not exist")]
    NoSuchCall,
    /// The transition matrix has no such step.
    #[error("no transition from {from:?} to {to:?}")]
    Illegal {
        /// The present state; none for a new call.
        from: Option<CallState>,
        /// The reported state.
        to: CallState,
    },
    /// The mode belongs to another state, or DISCONNECTED came without one.
    #[error("mode {mode:?} does not belong to {state:?}")]
    WrongMode {
        /// The reported state.
        state: CallState,
        /// The reported mode.
        mode: CallMode,
    },
}

/// The transition matrix: a row per state, with the states that may follow it.
///
/// UNKNOWN may come before and after any state but IDLE and has no row. CONNECTED follows
/// CONNECTED when its mode changes.
const MATRIX: &[(Option<CallState>, &[CallState])] = {
    use CallState::{
        Accepted, Busy, Conferenced, Connected, DialTone, Dialing, Disconnected, Idle, Offering,
        OnHold, OnHoldPendConf, OnHoldPendTransfer, Proceeding, Ringback, SpecialInfo,
    };
    &[
        (
            None,
            &[
                Offering,
                DialTone,
                Dialing,
                Proceeding,
                Ringback,
                Connected,
                OnHold,
                OnHoldPendConf,
                Conferenced,
            ],
        ),
        (Some(Idle), &[]),
        (Some(Offering), &[Idle, Accepted, Proceeding, Connected, Disconnected]),
        (Some(Accepted), &[Idle, Connected, Disconnected]),
        (Some(DialTone), &[Idle, Dialing, Proceeding, SpecialInfo, Connected, Disconnected]),
        (Some(Dialing), &[Idle, Proceeding, Ringback, Busy, SpecialInfo, Connected, Disconnected]),
        (
            Some(Proceeding),
            &[Idle, Ringback, Busy, SpecialInfo, Connected, Conferenced, Disconnected],
        ),
        (Some(Ringback), &[Idle, Busy, Connected, Conferenced, Disconnected]),
        (Some(Busy), &[Idle, Ringback, Connected, Disconnected]),
        (Some(SpecialInfo), &[Idle, Disconnected]),
        (
            Some(Connected),
            &[
                Idle,
                Connected,
                OnHold,
                OnHoldPendTransfer,
                OnHoldPendConf,
                Conferenced,
                Disconnected,
            ],
        ),
        (Some(OnHold), &[Idle, Offering, Connected, OnHoldPendTransfer, Conferenced, Disconnected]),
        (Some(OnHoldPendTransfer), &[Idle, Connected, OnHold, Conferenced, Disconnected]),
        (Some(OnHoldPendConf), &[Idle, Connected, Disconnected]),
        (Some(Conferenced), &[Idle, Connected, OnHold, Disconnected]),
        (Some(Disconnected), &[Idle]),
    ]
};

/// Whether a call may go from one state (none: it is new) to another.
pub fn is_legal(from: Option<CallState>, to: CallState) -> bool {
    match (from, to) {
        (Some(CallState::Idle), _) => false,
        (_, CallState::Unknown) | (Some(CallState::Unknown), _) => true,
        _ => MATRIX.iter().any(|(row, next)| *row == from && next.contains(&to)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CallState as S;

    /// The matrix as the reference prints it, one row per state.
    /// Columns: IDLE OFFERING ACCEPTED DIALTONE DIALING PROCEEDING RINGBACK BUSY CONNECTED ONHOLD
    /// ONHOLDPENDTRANSFER ONHOLDPENDCONF CONFERENCED DISCONNECTED.
    const REFERENCE: &[(Option<S>, &str)] = &[
        (None, ".x.xxxx.xx.xx."),
        (Some(S::Offering), "x.x..x..x....x"),
        (Some(S::Accepted), "x.......x....x"),
        (Some(S::DialTone), "x...xx..x....x"),
        (Some(S::Dialing), "x....xxxx....x"),
        (Some(S::Proceeding), "x.....xxx...xx"),
        (Some(S::Ringback), "x......xx...xx"),
        (Some(S::Busy), "x.....x.x....x"),
        (Some(S::Connected), "x.......xxxxxx"),
        (Some(S::OnHold), "xx......x.x.xx"),
        (Some(S::OnHoldPendTransfer), "x.......xx..xx"),
        (Some(S::OnHoldPendConf), "x.......x....x"),
        (Some(S::Conferenced), "x.......xx...x"),
        (Some(S::Disconnected), "x............."),
        (Some(S::Idle), ".............."),
        (Some(S::Unknown), "xxxxxxxxxxxxxx"),
        (Some(S::SpecialInfo), "x............x"),
    ];

    const COLUMNS: [S; 14] = [
        S::Idle,
        S::Offering,
        S::Accepted,
        S::DialTone,
        S::Dialing,
        S::Proceeding,
        S::Ringback,
        S::Busy,
        S::Connected,
        S::OnHold,
        S::OnHoldPendTransfer,
        S::OnHoldPendConf,
        S::Conferenced,
        S::Disconnected,
    ];

    #[test]
    fn the_matrix_is_the_reference_row_by_row() {
        for (from, row) in REFERENCE {
            for (to, cell) in COLUMNS.iter().zip(row.chars()) {
                assert_eq!(is_legal(*from, *to), cell == 'x', "{from:?} to {to:?}");
            }
        }
    }

    #[test]
    fn unknown_follows_any_state_but_idle() {
        for (from, _) in REFERENCE {
            assert_eq!(is_legal(*from, S::Unknown), *from != Some(S::Idle), "{from:?}");
        }
    }

    #[test]
    fn special_information_follows_dial_tone_dialing_and_proceeding() {
        for (from, _) in REFERENCE {
            let expected =
                matches!(from, Some(S::DialTone | S::Dialing | S::Proceeding | S::Unknown));
            assert_eq!(is_legal(*from, S::SpecialInfo), expected, "{from:?}");
        }
    }

    #[test]
    fn a_mode_belongs_to_its_state_and_disconnected_needs_one() {
        assert!(CallMode::None.fits(S::Connected));
        assert!(!CallMode::None.fits(S::Disconnected));
        assert!(CallMode::Busy(BusyMode::Trunk).fits(S::Busy));
        assert!(!CallMode::Busy(BusyMode::Trunk).fits(S::Connected));
    }

    #[test]
    fn older_applications_get_no_newer_modes() {
        use DisconnectMode as D;
        for (mode, old) in [
            (D::Cancelled, D::Normal),
            (D::DoNotDisturb, D::Unknown),
            (D::Blocked, D::Unknown),
            (D::Busy, D::Busy),
            (D::NoDialTone, D::NoDialTone),
        ] {
            let mode = CallMode::Disconnected(mode);
            assert_eq!(mode.for_version(API_1_4), CallMode::Disconnected(old));
            assert_eq!(mode.for_version(API_2_0), mode);
        }
        let held = CallMode::Connected(ConnectedMode::ActiveHeld);
        assert_eq!(held.for_version(API_1_4), CallMode::None);
    }
}
