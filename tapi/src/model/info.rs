//! What is known of a call beside its state: LINECALLINFO, parties, and LINECALLPARAMS.

use crate::constant::{
    BearerMode, CallInfoState, CallOrigin, CallParamFlag, CallPartyId, CallReason, CallTreatment,
    Mask, MediaMode,
};

/// The rate of a voice channel in bits per second, LINECALLINFO.dwRate.
pub const VOICE_RATE_BPS: u32 = 64_000;

/// LINECALLINFO.dwTrunk of a call whose trunk is not known.
pub const TRUNK_UNKNOWN: u32 = 0xFFFF_FFFF;

/// One of the five parties of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartyId {
    /// What is known; NAME and ADDRESS combine, the others stand alone.
    pub flags: Mask<CallPartyId>,
    /// The number, empty unless ADDRESS is set.
    pub number: String,
    /// The name, empty unless NAME is set.
    pub name: String,
}

impl PartyId {
    /// A party of which number, name or both are known; with neither it is not known yet.
    pub fn known(number: impl Into<String>, name: impl Into<String>) -> Self {
        let (number, name) = (number.into(), name.into());
        let mut flags = Mask::EMPTY;
        if !number.is_empty() {
            flags.insert(CallPartyId::Address);
        }
        if !name.is_empty() {
            flags.insert(CallPartyId::Name);
        }
        if flags.is_empty() {
            flags.insert(CallPartyId::Unknown);
        }
        Self { flags, number, name }
    }

    /// A party of which nothing is known yet.
    pub fn unknown() -> Self {
        Self::nothing(CallPartyId::Unknown)
    }

    /// A party that withholds its identity.
    pub fn blocked() -> Self {
        Self::nothing(CallPartyId::Blocked)
    }

    /// A party whose identity the network did not pass on.
    pub fn out_of_area() -> Self {
        Self::nothing(CallPartyId::OutOfArea)
    }

    /// A party that will not become known, or that this call does not have.
    pub fn unavail() -> Self {
        Self::nothing(CallPartyId::Unavail)
    }

    fn nothing(flag: CallPartyId) -> Self {
        Self { flags: flag.into(), number: String::new(), name: String::new() }
    }
}

impl Default for PartyId {
    fn default() -> Self {
        Self::unknown()
    }
}

/// LINEDIALPARAMS, in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DialParams {
    /// Pause of a comma.
    pub dial_pause: u32,
    /// Time between digits.
    pub dial_speed: u32,
    /// Length of a digit.
    pub digit_duration: u32,
    /// Longest wait for a dial tone.
    pub wait_for_dialtone: u32,
}

impl DialParams {
    /// The smallest values of a line.
    pub const MIN: Self =
        Self { dial_pause: 0, dial_speed: 40, digit_duration: 40, wait_for_dialtone: 0 };
    /// The largest values of a line.
    pub const MAX: Self =
        Self { dial_pause: 10_000, dial_speed: 2_000, digit_duration: 2_000, wait_for_dialtone: 0 };
    /// What is used where nothing is asked.
    pub const DEFAULT: Self =
        Self { dial_pause: 2_000, dial_speed: 80, digit_duration: 100, wait_for_dialtone: 0 };
}

impl Default for DialParams {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// LINECALLINFO, without what the server itself keeps (counts, monitoring, handles).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallInfo {
    /// Where the call came from.
    pub origin: CallOrigin,
    /// Why it is here.
    pub reason: CallReason,
    /// The same for every view of one connection; 0 while none is assigned.
    pub call_id: u32,
    /// The call that this one belongs to, 0 for none.
    pub related_call_id: u32,
    /// The completion request that led to it, 0 for none.
    pub completion_id: u32,
    /// Transport quality.
    pub bearer_mode: BearerMode,
    /// In bits per second.
    pub rate: u32,
    /// Media of the call; changed by the owner only.
    pub media_mode: Mask<MediaMode>,
    /// The application's own number.
    pub app_specific: u32,
    /// Flags of the setup.
    pub call_param_flags: Mask<CallParamFlag>,
    /// Dialling times.
    pub dial_params: DialParams,
    /// 0 for unknown.
    pub country_code: u32,
    /// [`TRUNK_UNKNOWN`] for none.
    pub trunk: u32,
    /// Who calls.
    pub caller: PartyId,
    /// Whom the call was first addressed to.
    pub called: PartyId,
    /// Who is there, seen from this line.
    pub connected: PartyId,
    /// Where the call was redirected to.
    pub redirection: PartyId,
    /// Who redirected it.
    pub redirecting: PartyId,
    /// First application that originated, accepted or answered the call.
    pub app_name: String,
    /// From LINECALLPARAMS.
    pub displayable_address: String,
    /// From LINECALLPARAMS.
    pub called_party: String,
    /// From LINECALLPARAMS.
    pub comment: String,
    /// Display text from the network.
    pub display: String,
    /// What the party hears while unanswered or held; none where treatments are not offered.
    pub treatment: Option<CallTreatment>,
    /// What the other party last sent, until it is released.
    pub user_user_info: String,
    /// lineSetCallData.
    pub call_data: String,
}

impl Default for CallInfo {
    fn default() -> Self {
        Self {
            origin: CallOrigin::Unknown,
            reason: CallReason::Direct,
            call_id: 0,
            related_call_id: 0,
            completion_id: 0,
            bearer_mode: BearerMode::Voice,
            rate: VOICE_RATE_BPS,
            media_mode: MediaMode::InteractiveVoice.into(),
            app_specific: 0,
            call_param_flags: Mask::EMPTY,
            dial_params: DialParams::DEFAULT,
            country_code: 0,
            trunk: TRUNK_UNKNOWN,
            caller: PartyId::unknown(),
            called: PartyId::unknown(),
            connected: PartyId::unknown(),
            redirection: PartyId::unavail(),
            redirecting: PartyId::unavail(),
            app_name: String::new(),
            displayable_address: String::new(),
            called_party: String::new(),
            comment: String::new(),
            display: String::new(),
            treatment: None,
            user_user_info: String::new(),
            call_data: String::new(),
        }
    }
}

impl CallInfo {
    /// Which items are not as they were.
    pub fn changes_since(&self, old: &Self) -> Mask<CallInfoState> {
        use CallInfoState as I;
        [
            (I::BearerMode, self.bearer_mode != old.bearer_mode),
            (I::Rate, self.rate != old.rate),
            (I::MediaMode, self.media_mode != old.media_mode),
            (I::AppSpecific, self.app_specific != old.app_specific),
            (I::CallId, self.call_id != old.call_id),
            (I::RelatedCallId, self.related_call_id != old.related_call_id),
            (I::Origin, self.origin != old.origin),
            (I::Reason, self.reason != old.reason),
            (I::CompletionId, self.completion_id != old.completion_id),
            (I::Trunk, self.trunk != old.trunk),
            (I::CallerId, self.caller != old.caller),
            (I::CalledId, self.called != old.called),
            (I::ConnectedId, self.connected != old.connected),
            (I::RedirectionId, self.redirection != old.redirection),
            (I::RedirectingId, self.redirecting != old.redirecting),
            (I::Display, self.display != old.display),
            (I::UserUserInfo, self.user_user_info != old.user_user_info),
            (I::DialParams, self.dial_params != old.dial_params),
            (I::Treatment, self.treatment != old.treatment),
            (I::CallData, self.call_data != old.call_data),
            (I::Other, self.call_param_flags != old.call_param_flags),
        ]
        .into_iter()
        .filter(|(_, is_changed)| *is_changed)
        .map(|(item, _)| item)
        .collect()
    }
}

/// LINECALLPARAMS, checked: what an outgoing call shall be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallParams {
    /// Transport quality.
    pub bearer_mode: BearerMode,
    /// Media of the call.
    pub media_mode: Mask<MediaMode>,
    /// Wishes about the setup.
    pub flags: Mask<CallParamFlag>,
    /// Dialling times, within the line's limits.
    pub dial_params: DialParams,
    /// Seconds after dialling until DISCONNECTED(NOANSWER); none for no limit.
    pub no_answer_timeout_s: Option<u32>,
    /// For the log of applications.
    pub displayable_address: String,
    /// For the log of applications.
    pub called_party: String,
    /// For the log of applications.
    pub comment: String,
    /// The identity to show, where the address honours one (SETCALLINGID); else empty.
    pub calling_party_id: String,
    /// Data that goes with the call.
    pub call_data: String,
    /// What the called party is sent together with the call.
    pub user_user_info: String,
}

impl Default for CallParams {
    fn default() -> Self {
        Self {
            bearer_mode: BearerMode::Voice,
            media_mode: MediaMode::InteractiveVoice.into(),
            flags: Mask::EMPTY,
            dial_params: DialParams::DEFAULT,
            no_answer_timeout_s: None,
            displayable_address: String::new(),
            called_party: String::new(),
            comment: String::new(),
            calling_party_id: String::new(),
            call_data: String::new(),
            user_user_info: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_transfer_moves_is_found() {
        use CallInfoState as I;
        let before = CallInfo { call_id: 7, ..CallInfo::default() };
        assert!(before.changes_since(&before).is_empty());
        let after = CallInfo {
            call_id: 8,
            related_call_id: 7,
            reason: CallReason::Transfer,
            connected: PartyId::known("203", ""),
            redirecting: PartyId::known("201", ""),
            ..before.clone()
        };
        let expected = I::CallId | I::RelatedCallId | I::Reason | I::ConnectedId | I::RedirectingId;
        assert_eq!(after.changes_since(&before), expected);
    }

    #[test]
    fn flags_of_a_party_say_what_is_there() {
        let both = CallPartyId::Address | CallPartyId::Name;
        assert_eq!(PartyId::known("201", "Ada").flags, both);
        assert_eq!(PartyId::known("201", "").flags, CallPartyId::Address.into());
        assert_eq!(PartyId::known("", "").flags, CallPartyId::Unknown.into());
        assert_eq!(PartyId::blocked().flags, CallPartyId::Blocked.into());
    }
}
