//! What the provider offers beyond making, answering, holding and dropping calls.
//!
//! What is not declared here answers LINEERR_OPERATIONUNAVAIL, and its bit is clear in every
//! capability and feature mask. The default declares nothing.

use crate::constant::{
    AddrCapFlag, AddrFeature, CallComplCond, CallFeature, CallFeature2, CallState, CallTreatment,
    DigitMode, ForwardMode, LineDevStatusFlag, Mask, MediaMode, RemoveFromConf, ToneMode,
};

/// What can ever be done on an address, LINEADDRESSCAPS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offers {
    /// Operations on calls, beside those that every address has.
    pub call_features: Mask<CallFeature>,
    /// Variants of them; where an operation has none here, any variant works.
    pub call_features2: Mask<CallFeature2>,
    /// Operations that otherwise every address has, and this one has not.
    pub never: Mask<CallFeature>,
    /// Operations on the address, beside MAKECALL.
    pub address_features: Mask<AddrFeature>,
    /// Whether calls can be made from it; queues and route points make none.
    pub makes_calls: bool,
    /// Calls on consultation hold at one time.
    pub max_on_hold_pending: u32,
    /// Parties of one conference, this one included.
    pub max_conference: u32,
    /// Parties of a conference made by completing a transfer, this one included.
    pub max_transfer_conference: u32,
    /// Which members can be removed from a conference.
    pub remove_from_conference: RemoveFromConf,
    /// What becomes of a removed member.
    pub removed_state: CallState,
    /// A transfer may be completed to a busy party.
    pub transfers_to_busy: bool,
    /// Limits of lineForward.
    pub forward: ForwardLimits,
    /// Limits of lineCompleteCall.
    pub completion: CompletionLimits,
    /// What lineSetCallTreatment can choose.
    pub treatments: Vec<CallTreatment>,
    /// Bytes of lineSetCallData.
    pub max_call_data: u32,
}

/// What a forwarding list may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ForwardLimits {
    /// Modes of entries.
    pub modes: Mask<ForwardMode>,
    /// Entries of a list.
    pub max_entries: u32,
    /// Entries for one caller.
    pub max_specific_entries: u32,
    /// The least count of rings before no-answer forwarding.
    pub min_rings: u32,
    /// The highest.
    pub max_rings: u32,
}

/// What lineCompleteCall can be asked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CompletionLimits {
    /// On which failure.
    pub conditions: Mask<CallComplCond>,
    /// Outstanding requests at one time.
    pub max: u32,
    /// The messages of mode MESSAGE, by their number.
    pub messages: Vec<String>,
}

/// What can ever be done on a line, LINEDEVCAPS.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LineOffers {
    /// Digits that can be detected.
    pub monitor_digit_modes: Mask<DigitMode>,
    /// Digits that can be sent.
    pub generate_digit_modes: Mask<DigitMode>,
    /// Shortest time-out of lineGatherDigits in milliseconds.
    pub gather_min_timeout_ms: u32,
    /// Longest; 0 where time-outs are not offered.
    pub gather_max_timeout_ms: u32,
    /// Tones that can be sent.
    pub generate_tone_modes: Mask<ToneMode>,
    /// Frequencies of a custom tone.
    pub max_generated_frequencies: u32,
    /// Frequencies of a tone to be detected.
    pub max_monitored_frequencies: u32,
    /// Tones that one application may have detected.
    pub max_monitored_tones: u32,
    /// Media that can be detected.
    pub monitor_media_modes: Mask<MediaMode>,
    /// Bytes of lineSendUserUserInfo.
    pub user_user_info_size: u32,
    /// What lineSetLineDevStatus can change.
    pub settable_status: Mask<LineDevStatusFlag>,
    /// Who handles agents.
    pub agents: AgentService,
}

/// Who serves the requests of the call centre that come by a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AgentService {
    /// Nobody: they answer LINEERR_OPERATIONUNAVAIL.
    #[default]
    None,
    /// The provider, all of them: they come as [`Intent::Agent`](crate::Intent::Agent).
    BuiltIn,
    /// Applications that open the line with LINEOPENOPTION_PROXY, each for the types it names.
    Application,
}

impl Default for Offers {
    fn default() -> Self {
        Self {
            call_features: Mask::EMPTY,
            call_features2: Mask::EMPTY,
            never: Mask::EMPTY,
            address_features: Mask::EMPTY,
            makes_calls: true,
            max_on_hold_pending: 0,
            max_conference: 0,
            max_transfer_conference: 0,
            remove_from_conference: RemoveFromConf::None,
            removed_state: CallState::Idle,
            transfers_to_busy: false,
            forward: ForwardLimits::default(),
            completion: CompletionLimits::default(),
            treatments: Vec::new(),
            max_call_data: 0,
        }
    }
}

impl Offers {
    /// Every operation that there is, with the limits of a usual office.
    pub fn full() -> Self {
        let unset = ForwardMode::Unknown | ForwardMode::Unavail;
        Self {
            call_features: Mask::all()
                - (CallFeature::SetMediaControl | CallFeature::SetTerminal | CallFeature::SetQos),
            call_features2: Mask::all(),
            never: Mask::EMPTY,
            makes_calls: true,
            address_features: Mask::all()
                - (AddrFeature::SetMediaControl
                    | AddrFeature::SetTerminal
                    | AddrFeature::SetupConf
                    | AddrFeature::PickupHeld),
            max_on_hold_pending: 1,
            max_conference: 32,
            max_transfer_conference: 3,
            remove_from_conference: RemoveFromConf::Any,
            removed_state: CallState::Idle,
            transfers_to_busy: false,
            forward: ForwardLimits {
                modes: Mask::all() - unset,
                max_entries: 16,
                max_specific_entries: 8,
                min_rings: 1,
                max_rings: 10,
            },
            completion: CompletionLimits {
                conditions: CallComplCond::Busy | CallComplCond::NoAnswer,
                max: 5,
                messages: vec!["Please call back.".to_owned()],
            },
            treatments: vec![
                CallTreatment::Silence,
                CallTreatment::Ringback,
                CallTreatment::Busy,
                CallTreatment::Music,
            ],
            max_call_data: 4096,
        }
    }

    /// The flags of LINEADDRESSCAPS that go with [`Offers::full`].
    pub fn full_cap_flags() -> Mask<AddrCapFlag> {
        use AddrCapFlag as F;
        F::Dialed
            | F::PartialDial
            | F::AutoReconnect
            | F::TransferHeld
            | F::TransferMake
            | F::ConferenceHeld
            | F::ConferenceMake
            | F::ConfDrop
            | F::CompletionId
            | F::FwdNumRings
            | F::FwdStatusValid
            | F::FwdIntExtAddr
            | F::FwdBusyNaAddr
            | F::Secure
    }

    /// Whether a variant of an operation is offered: it is declared, or no variant of the
    /// operation is.
    pub fn has_variant(&self, variant: CallFeature2) -> bool {
        has_variant(self.call_features2, variant)
    }

    /// LINEADDRESSCAPS.dwAddressFeatures, without MAKECALL: a refinement brings its base bit.
    pub fn offered_address_features(&self) -> Mask<AddrFeature> {
        let mut features = self.address_features;
        if features.intersects(PICKUPS) {
            features.insert(AddrFeature::Pickup);
        }
        if features.intersects(FORWARDS) {
            features.insert(AddrFeature::Forward);
        }
        features
    }
}

impl LineOffers {
    /// Everything that there is, with usual limits.
    pub fn full() -> Self {
        Self {
            monitor_digit_modes: DigitMode::Dtmf | DigitMode::DtmfEnd,
            generate_digit_modes: DigitMode::Dtmf.into(),
            gather_min_timeout_ms: 100,
            gather_max_timeout_ms: 600_000,
            generate_tone_modes: Mask::all(),
            max_generated_frequencies: 4,
            max_monitored_frequencies: 3,
            max_monitored_tones: 16,
            monitor_media_modes: MediaMode::InteractiveVoice
                | MediaMode::AutomatedVoice
                | MediaMode::G3Fax,
            user_user_info_size: 128,
            settable_status: LineDevStatusFlag::MsgWait.into(),
            agents: AgentService::BuiltIn,
        }
    }
}

/// Refinements of PICKUP.
pub(crate) const PICKUPS: Mask<AddrFeature> = Mask::from_bits(
    AddrFeature::PickupHeld as u32
        | AddrFeature::PickupGroup as u32
        | AddrFeature::PickupDirect as u32
        | AddrFeature::PickupWaiting as u32,
);

/// Refinements of FORWARD.
pub(crate) const FORWARDS: Mask<AddrFeature> =
    Mask::from_bits(AddrFeature::ForwardFwd as u32 | AddrFeature::ForwardDnd as u32);

/// The operation that a variant refines, with all its variants.
const REFINEMENTS: &[(CallFeature, &[CallFeature2])] = {
    use CallFeature2 as V;
    &[
        (CallFeature::SetupConf, &[V::NoHoldConference]),
        (CallFeature::SetupTransfer, &[V::OneStepTransfer]),
        (
            CallFeature::CompleteCall,
            &[V::ComplCampOn, V::ComplCallback, V::ComplIntrude, V::ComplMessage],
        ),
        (CallFeature::CompleteTransf, &[V::TransferNorm, V::TransferConf]),
        (CallFeature::Park, &[V::ParkDirect, V::ParkNonDirect]),
    ]
};

/// The operation that a variant refines.
pub(crate) fn base_of(variant: CallFeature2) -> Option<CallFeature> {
    let row = REFINEMENTS.iter().find(|(_, variants)| variants.contains(&variant));
    row.map(|(base, _)| *base)
}

/// Whether a variant can be asked for: none of its operation's variants is declared, or it is.
/// An option that is the only variant of its operation must be declared.
pub(crate) fn has_variant(declared: Mask<CallFeature2>, variant: CallFeature2) -> bool {
    let variants = REFINEMENTS.iter().find(|(_, all)| all.contains(&variant)).map(|(_, all)| *all);
    let all: Mask<CallFeature2> = variants.unwrap_or(&[]).into();
    declared.contains(variant) || (all.len() > 1 && !declared.intersects(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_works_when_it_or_none_of_its_kind_is_declared() {
        let park = CallFeature2::ParkDirect;
        assert!(has_variant(Mask::EMPTY, park));
        assert!(has_variant(park.into(), park));
        assert!(!has_variant(CallFeature2::ParkNonDirect.into(), park));
        assert!(!has_variant(Mask::EMPTY, CallFeature2::OneStepTransfer));
        assert_eq!(base_of(park), Some(CallFeature::Park));
    }

    #[test]
    fn refinements_bring_their_base_bit() {
        let offers =
            Offers { address_features: AddrFeature::PickupGroup.into(), ..Offers::default() };
        let expected = AddrFeature::Pickup | AddrFeature::PickupGroup;
        assert_eq!(offers.offered_address_features(), expected);
    }
}
