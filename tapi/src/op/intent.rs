//! What the functions lead to.

use crate::agent::AgentRequest;
use crate::constant::{
    CallComplMode, CallTreatment, DigitMode, LineDevStatusFlag, Mask, MediaMode, ToneMode,
};
use crate::model::{AddressId, CallKey, CallParams, DeviceId, Forward, Tone};

/// What an application wants done, after every documented check has passed.
///
/// Calls that an intent creates are there already, without a state; they become known to
/// applications when the request succeeds. The states of all its calls are reported after that.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Intent {
    /// lineMakeCall: begin a call from this address.
    MakeCall {
        /// The line that calls.
        line: DeviceId,
        /// The address that calls.
        address: AddressId,
        /// The new call.
        call: CallKey,
        /// The digits dialled; empty to take only an appearance. What follows a pause (`,`) is sent
        /// after the answer.
        destination: String,
        /// Whether the number is complete; if not, more comes by [`Intent::Dial`].
        complete: bool,
        /// What the call shall be.
        params: Box<CallParams>,
    },
    /// lineDial: more digits.
    Dial {
        /// The call.
        call: CallKey,
        /// The digits, possibly none.
        digits: String,
        /// Whether the number is complete with them.
        complete: bool,
    },
    /// lineAccept: somebody takes responsibility for the offered call.
    Accept {
        /// The call.
        call: CallKey,
        /// User-user information for the caller; may be empty.
        info: String,
    },
    /// lineAnswer: make the phone answer, or join.
    Answer {
        /// The call.
        call: CallKey,
        /// User-user information for the other party; may be empty.
        info: String,
    },
    /// lineDrop: reject, abandon, release or clear.
    Drop {
        /// The call.
        call: CallKey,
        /// User-user information for the other party; may be empty.
        info: String,
    },
    /// lineHold.
    Hold {
        /// The call.
        call: CallKey,
    },
    /// lineUnhold, which also gives up the consultation that the call waits for; of the only
    /// member of a conference that is being set up it ends the conference.
    Unhold {
        /// The call.
        call: CallKey,
    },
    /// lineSwapHold: the held call becomes CONNECTED, the active one gets its kind of hold.
    SwapHold {
        /// The active call.
        active: CallKey,
        /// The held call.
        held: CallKey,
    },
    /// lineSetupTransfer: ONHOLDPENDTRANSFER, and a consultation call.
    SetupTransfer {
        /// The call to be transferred.
        call: CallKey,
        /// The new consultation call.
        consultation: CallKey,
        /// What it dials at once (ONESTEPTRANSFER); else it takes digits in DIALTONE.
        target: Option<String>,
        /// What the consultation call shall be.
        params: Box<CallParams>,
    },
    /// lineCompleteTransfer.
    CompleteTransfer {
        /// The held call.
        held: CallKey,
        /// The other one: CONNECTED, RINGBACK, PROCEEDING or BUSY.
        consultation: CallKey,
        /// The parent to be with LINETRANSFERMODE_CONFERENCE; none to join the far parties.
        conference: Option<CallKey>,
    },
    /// lineBlindTransfer.
    BlindTransfer {
        /// The call.
        call: CallKey,
        /// Where it goes.
        destination: String,
    },
    /// lineRedirect.
    Redirect {
        /// The offered call.
        call: CallKey,
        /// Where it goes.
        destination: String,
    },
    /// linePark. Without a slot the reply has the field `address`.
    Park {
        /// The call.
        call: CallKey,
        /// The slot; none for one that the provider finds.
        slot: Option<String>,
    },
    /// lineUnpark.
    Unpark {
        /// The line that takes the call.
        line: DeviceId,
        /// Its address.
        address: AddressId,
        /// The new call, of which the provider fills in LINECALLINFO.
        call: CallKey,
        /// The slot.
        slot: String,
    },
    /// linePickup.
    Pickup {
        /// The line that takes the call.
        line: DeviceId,
        /// Its address.
        address: AddressId,
        /// The new call, of which the provider fills in LINECALLINFO.
        call: CallKey,
        /// Which call is taken.
        target: PickupTarget,
    },
    /// lineSetupConference: the call becomes CONFERENCED, the parent ONHOLDPENDCONF.
    SetupConference {
        /// The first member; none where conferences begin empty.
        call: Option<CallKey>,
        /// The line.
        line: DeviceId,
        /// The address.
        address: AddressId,
        /// The new parent.
        conference: CallKey,
        /// The new consultation call.
        consultation: CallKey,
        /// How many parties are expected, 0 for unsaid.
        parties: u32,
        /// Whom the consultation call dials at once, nobody being held (NOHOLDCONFERENCE).
        target: Option<String>,
        /// What the consultation call shall be.
        params: Box<CallParams>,
    },
    /// linePrepareAddToConference: the parent becomes ONHOLDPENDCONF.
    PrepareAddToConference {
        /// The parent.
        conference: CallKey,
        /// The new consultation call.
        consultation: CallKey,
        /// Whom the consultation call dials at once, nobody being held (NOHOLDCONFERENCE).
        target: Option<String>,
        /// What the consultation call shall be.
        params: Box<CallParams>,
    },
    /// lineAddToConference: the call becomes CONFERENCED, the parent CONNECTED.
    AddToConference {
        /// The parent.
        conference: CallKey,
        /// The new member.
        call: CallKey,
    },
    /// lineRemoveFromConference.
    RemoveFromConference {
        /// The parent.
        conference: CallKey,
        /// The member.
        call: CallKey,
    },
    /// lineForward: the list replaces what was there. Followed by `Server::forwarding`.
    Forward {
        /// The line.
        line: DeviceId,
        /// Its addresses that are meant.
        addresses: Vec<AddressId>,
        /// The new list; empty cancels.
        list: Vec<Forward>,
        /// Rings before no-answer forwarding; none for the provider's own measure.
        rings: Option<u32>,
    },
    /// lineCompleteCall. Followed by `Server::completion_added` where the request stays.
    CompleteCall {
        /// The call that met busy or no answer.
        call: CallKey,
        /// How it is to be completed.
        mode: CallComplMode,
        /// The identifier of the request, which the reply gives.
        completion: u32,
        /// The number of the message, in mode MESSAGE.
        message: Option<u32>,
    },
    /// lineUncompleteCall. Followed by `Server::completion_ended`.
    UncompleteCall {
        /// The line.
        line: DeviceId,
        /// The request.
        completion: u32,
    },
    /// lineSecureCall.
    SecureCall {
        /// The call.
        call: CallKey,
    },
    /// lineSetCallData: other calls of the connection may have the data, too. Of this call
    /// LINECALLINFO is changed when the request is complete.
    SetCallData {
        /// The call.
        call: CallKey,
        /// The data that replace what was there.
        data: String,
    },
    /// lineSetCallTreatment.
    SetCallTreatment {
        /// The call.
        call: CallKey,
        /// What its party is to hear while unanswered or held.
        treatment: CallTreatment,
    },
    /// lineSendUserUserInfo.
    SendUserUserInfo {
        /// The call.
        call: CallKey,
        /// What is sent.
        info: String,
    },
    /// A function of the call centre, for the provider's own agent handler. Answered with
    /// `Server::complete_agent`.
    Agent {
        /// The line by which it came.
        line: DeviceId,
        /// What is asked.
        request: AgentRequest,
    },
    /// lineSetLineDevStatus.
    SetLineDevStatus {
        /// The line.
        line: DeviceId,
        /// What changes.
        change: Mask<LineDevStatusFlag>,
        /// Whether it is set or cleared.
        is_on: bool,
    },
    /// What the applications together have detected on a call has changed. Needs no completion.
    /// Followed by `Server::digit`, `Server::tone` and `Server::media`.
    Detect {
        /// The call.
        call: CallKey,
        /// Digits, for monitoring and gathering.
        digits: Mask<DigitMode>,
        /// Media.
        media: Mask<MediaMode>,
        /// Tones.
        tones: Vec<Tone>,
    },
    /// lineGenerateDigits; it takes the place of what was being sent. Completed when the last
    /// digit has gone out, or cannot.
    GenerateDigits {
        /// The call.
        call: CallKey,
        /// Digits, with "," for a pause and "!" for a hook flash.
        digits: String,
        /// How they are sent.
        mode: DigitMode,
        /// Length of a digit in milliseconds.
        duration_ms: u32,
        /// Length of a pause in milliseconds.
        pause_ms: u32,
    },
    /// lineGenerateTone; it takes the place of what was being sent. Completed when the tone is
    /// over, or cannot be sent.
    GenerateTone {
        /// The call.
        call: CallKey,
        /// Which tone.
        mode: ToneMode,
        /// How long in milliseconds; none until it is stopped (BILLING: one cycle).
        duration_ms: Option<u32>,
        /// The parts of a custom tone.
        components: Vec<GeneratedTone>,
    },
    /// Nothing more is to be sent on a call. Needs no completion.
    StopGenerating {
        /// The call.
        call: CallKey,
    },
}

/// Which call linePickup takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PickupTarget {
    /// What alerts at an address.
    Address {
        /// Its number.
        number: String,
        /// The group it must be in, if one was named.
        group: Option<String>,
    },
    /// What alerts in a group.
    Group(String),
    /// What waits at the own address, else what is held at another appearance of it, else what
    /// alerts in the own group.
    Nearest,
}

/// A part of a custom tone, LINEGENERATETONE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GeneratedTone {
    /// Its frequency.
    pub frequency_hz: u32,
    /// How long it sounds.
    pub cadence_on_ms: u32,
    /// How long it pauses; 0 for a continuous tone.
    pub cadence_off_ms: u32,
    /// 0 to 65535.
    pub volume: u32,
}
