//! Calls: one party's view of a connection, its SIP legs and its media end.
//!
//! A **call** is TAPI's call: what one line (or one trunk) takes part in. A **connection** joins the
//! calls of those who talk to each other; they share dwCallID. A **leg** is one SIP dialog. A call
//! can live without a leg (a failed attempt that is kept for completion) and, while its phones
//! ring, with several. Everything here is carried out by the
//! [`Exchange`](crate::exchange::Exchange), which owns all of it.

pub mod agent_code;
pub mod announce;
pub mod bridge;
pub mod camp;
pub mod cause;
pub mod code;
pub mod complete;
pub mod conference;
mod connectivity;
pub mod digit;
pub(crate) mod diversion;
pub mod end;
pub mod errand;
pub mod fork;
pub mod forward;
pub(crate) mod generate;
pub mod hunt;
pub mod identity;
pub mod intrude;
pub mod later;
pub(crate) mod listen;
pub mod modify;
pub mod no_hold;
pub mod originate;
pub mod parent;
pub mod park;
pub mod pickup;
pub(crate) mod protection;
pub mod queue;
pub mod recall;
pub(crate) mod record;
pub(crate) mod recording;
pub mod refer;
pub mod release;
pub mod ring;
pub(crate) mod screen;
pub mod seek;
pub mod shared;
pub mod splice;
pub mod station;
pub mod supervise;
pub mod swap;
pub(crate) mod toll;
pub mod transcode;
pub mod transfer;
pub(crate) mod treatment;
pub mod trunk;
pub mod user_info;
pub mod wishes;

use sip_stack::endpoint::LegId;
use sip_stack::slab::Key;
use sip_stack::time::{Now, TimerToken};
use tapi::constant::{CallState, CallTreatment};
use tapi::{CallKey, CallMode, RequestKey};

use self::cause::Cause;
use self::conference::ConferenceKey;
use self::diversion::Diversions;
use self::end::MediaEnd;
use self::errand::Errand;
use self::hunt::Hunt;
use self::queue::Waiting as QueueWaiting;
use self::seek::Seek;
use self::wishes::Details;

/// Names a call inside the exchange; stale ones find nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CallId(pub Key);

/// Names a connection inside the exchange.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ConnectionKey(pub Key);

/// Whose call it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Party {
    /// A line of ours, by its number.
    Line(String),
    /// The far side of a trunk; no application sees a call for it.
    Trunk {
        /// The trunk's name.
        name: String,
        /// The outside party's number.
        number: String,
    },
}

impl Party {
    /// The number by which others know this party.
    pub fn number(&self) -> &str {
        match self {
            Party::Line(number) | Party::Trunk { number, .. } => number,
        }
    }

    /// The line's number, if it is one of ours.
    pub fn line(&self) -> Option<&str> {
        match self {
            Party::Line(number) => Some(number),
            Party::Trunk { .. } => None,
        }
    }
}

/// Which end of the connection the call is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// It began the connection (origin OUTBOUND).
    Caller,
    /// It was called.
    Called,
}

/// How the caller's own phone takes part before the destination is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origination {
    /// The phone dialled: its INVITE waits for our answer.
    Phone,
    /// An application dials: the phone is called first; not answered yet.
    Summoning,
    /// An application dials and the phone has answered us.
    Summoned,
}

/// Who keeps the call on hold. It is CONNECTED again only when nobody does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Hold {
    /// The phone's last offer or answer was a hold.
    pub by_phone: bool,
    /// The switch holds, on an application's or administrator's wish.
    pub by_switch: bool,
}

impl Hold {
    /// Whether anybody holds.
    pub fn is_held(self) -> bool {
        self.by_phone || self.by_switch
    }
}

/// An application's operation that waits for the phone.
#[derive(Clone, Copy, Debug)]
pub enum Waiting {
    /// lineAnswer: the phone is told to answer, once it can be.
    Answer {
        /// The operation.
        request: RequestKey,
        /// A phone was told.
        is_told: bool,
    },
    /// lineHold: the phone was told to hold.
    Hold(RequestKey),
    /// lineUnhold: the phone was told to resume.
    Unhold(RequestKey),
    /// linePickup, lineUnpark: the line's own phone is called first.
    Errand(RequestKey),
}

impl Waiting {
    /// The request that is to be completed.
    pub fn request(self) -> RequestKey {
        match self {
            Waiting::Answer { request, .. }
            | Waiting::Hold(request)
            | Waiting::Unhold(request)
            | Waiting::Errand(request) => request,
        }
    }
}

/// Digits that an application dials piece by piece (lineDial).
#[derive(Clone, Debug, Default)]
pub struct Dialling {
    /// What was dialled so far.
    pub digits: String,
    /// No more digits will come.
    pub is_complete: bool,
}

/// One party's view of a connection.
#[derive(Debug)]
pub struct Call {
    /// The connection it belongs to.
    pub connection: ConnectionKey,
    /// Which end it is.
    pub side: Side,
    /// Whose call.
    pub party: Party,
    /// Of a call to a trunk: the lines at whose expense it was placed, wherever it went since.
    pub payers: Vec<String>,
    /// The shared line of which it is an appearance; `None` at the line's own address.
    pub shared: Option<String>,
    /// Its object in the TAPI server; trunks have none.
    pub tapi: Option<CallKey>,
    /// LINECALLSTATE_ as last reported.
    pub state: CallState,
    /// The mode that belongs to the state.
    pub mode: CallMode,
    /// When the state was entered, milliseconds since 1970.
    pub since_unix_ms: u64,
    /// SIP dialogs: several while phones ring, one afterwards, none for a failed attempt.
    pub legs: Vec<LegId>,
    /// The leg that was answered or that dialled.
    pub leg: Option<LegId>,
    /// Media ports and descriptions.
    pub end: MediaEnd,
    /// Who holds it.
    pub hold: Hold,
    /// How the caller's phone takes part; meaningless on the called side.
    pub origination: Origination,
    /// Digits of an application.
    pub dialling: Dialling,
    /// What applications chose for those who wait because of it.
    pub treatment: Option<CallTreatment>,
    /// Its phone, whose INVITE waits, lets early media play (RFC 5009).
    pub takes_early_media: bool,
    /// Its party hears itself.
    pub is_echoed: bool,
    /// The conference that its party hears.
    pub conference: Option<ConferenceKey>,
    /// What the phone is called for, when it is not a number (linePickup, lineUnpark).
    pub errand: Option<Errand>,
    /// The other half of a consultation: the held call and its consultation call name each other.
    pub partner: Option<CallId>,
    /// A phone of it has rung.
    pub has_alerted: bool,
    /// What its phones said so far, when some refused.
    pub refusal: Option<Cause>,
    /// An application's operation that waits for the phone.
    pub waiting: Option<Waiting>,
    /// The timer of the present phase.
    pub timer: Option<TimerToken>,
    /// Repeats LINEDEVSTATE_RINGING.
    pub ring_timer: Option<TimerToken>,
    /// How often the line was said to ring.
    pub ring_count: u32,
    /// What goes along with it.
    pub details: Details,
    /// When what happened to it.
    pub history: record::History,
}

/// The SIP side of a call: what moves when one phone serves another call of its line.
#[derive(Debug)]
pub(crate) struct Phone {
    legs: Vec<LegId>,
    leg: Option<LegId>,
    end: MediaEnd,
    is_holding: bool,
}

impl Call {
    /// Takes the phone away; an empty media end of the same address stays.
    pub(crate) fn take_phone(&mut self) -> Phone {
        let empty = self.end.empty();
        Phone {
            legs: std::mem::take(&mut self.legs),
            leg: self.leg.take(),
            end: std::mem::replace(&mut self.end, empty),
            is_holding: std::mem::take(&mut self.hold.by_phone),
        }
    }

    /// Gives the call a phone.
    pub(crate) fn phone_from(&mut self, phone: Phone) {
        self.legs = phone.legs;
        self.leg = phone.leg;
        self.end = phone.end;
        self.hold.by_phone = phone.is_holding;
    }

    /// Whether it failed and its phone has nothing of it any more.
    pub(crate) fn is_over_for_its_phone(&self) -> bool {
        self.legs.is_empty() && matches!(self.state, CallState::Busy | CallState::Disconnected)
    }

    /// Whether its party is in a conversation, talking or on hold.
    pub(crate) fn is_established(&self) -> bool {
        self.state == CallState::Connected || self.is_away()
    }

    /// Everything is dialled and nobody has answered yet.
    pub(crate) fn awaits_answer(&self) -> bool {
        use CallState::{Proceeding, Ringback, SpecialInfo};
        matches!(self.state, Proceeding | Ringback | SpecialInfo)
    }

    /// Whether its party does not listen to the far party: on hold in any way, or its phone serves
    /// another call.
    pub(crate) fn is_away(&self) -> bool {
        use CallState::{Conferenced, OnHold, OnHoldPendConf, OnHoldPendTransfer};
        let is_elsewhere =
            matches!(self.state, Conferenced | OnHold | OnHoldPendConf | OnHoldPendTransfer);
        self.hold.is_held() || is_elsewhere
    }
}

/// A party in a park slot.
#[derive(Clone, Debug)]
pub struct Parked {
    /// Its call.
    pub call: CallId,
    /// The line that parked it.
    pub by: Option<String>,
    /// Since when it waits, in milliseconds since 1970.
    pub since_unix_ms: u64,
}

/// Two or more calls whose parties talk or try to.
#[derive(Debug)]
pub struct Connection {
    /// dwCallID of all its calls.
    pub call_id: u32,
    /// Who called; `None` once that call is IDLE.
    pub caller: Option<CallId>,
    /// Who is called: all that ring, then the one that answered.
    pub called: Vec<CallId>,
    /// The called party that answered.
    pub answered: Option<CallId>,
    /// Appearances of a shared line beside the one that has the call.
    pub stations: Vec<CallId>,
    /// The number that was dialled.
    pub dialled: String,
    /// What the next leg gets (RFC 3261 §8.1.1.6).
    pub max_forwards: u32,
    /// A re-offer that travels to the far side.
    pub reoffer: Option<Reoffer>,
    /// When it began.
    pub began: Now,
    /// This connection looks for somebody on behalf of a party of another one.
    pub seek: Option<Seek>,
    /// The connection that looks for somebody for a party of this one.
    pub search: Option<ConnectionKey>,
    /// Who sent the call on, and why.
    pub diversions: Diversions,
    /// The members of a group are tried.
    pub hunt: Option<Hunt>,
    /// Its caller waits in a queue.
    pub queue: Option<QueueWaiting>,
    /// The queue that it has left for another one.
    pub left_queue: Option<String>,
    /// lineSetCallData: what all its lines see.
    pub call_data: String,
    /// User-to-User that the called phones get with the INVITE.
    pub user_info: Option<String>,
    /// It completes an earlier call.
    pub completion: Option<Completes>,
    /// Its caller asked for TLS on every hop (a SIPS URI, RFC 3261 §26.2.2).
    pub is_sips: bool,
}

/// How a connection completes an earlier call (TAPI lineCompleteCall).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completes {
    /// The line that asked is rung, then the other one is called.
    Recall {
        /// The request.
        request: u32,
        /// dwCallID of the earlier call.
        call_id: u32,
    },
    /// A waiting caller is shown at the busy line.
    CampOn {
        /// The line that waits.
        line: String,
        /// dwCallID of the earlier call.
        call_id: u32,
    },
    /// The caller has joined the call of the busy line.
    Intrusion,
}

/// A re-INVITE or UPDATE of one side that the other side has to agree to (new media, T.38).
#[derive(Debug)]
pub struct Reoffer {
    /// Who offered.
    pub from: CallId,
    /// Who has to agree.
    pub to: CallId,
    /// What `from` offered.
    pub offer: sip_stack::sdp::Session,
    /// What we offered the far side because of it.
    pub far_offer: sip_stack::sdp::Session,
}

/// What the exchange's timer wheel holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timer {
    /// `ring_timeout` of a called line, or of the caller's own phone.
    NoAnswer(CallId),
    /// `[completion] keep_failed_call` is over.
    KeepFailed(CallId),
    /// LINEDEVSTATE_RINGING is due again.
    Ring(CallId),
    /// Nobody has answered for dwNoAnswerTimeout of lineMakeCall.
    Unanswered(CallId),
    /// A phone that was told to answer, hold or resume did not.
    PhoneControl(CallId),
    /// Nobody has pressed a key for a while: the number is complete.
    Dialled(CallId),
    /// A digit, a pause or a tone that an application sends is over.
    Generated(CallId),
    /// A party was parked for as long as its lot allows.
    Parked(CallId),
    /// A transferor's phone should have hung up by now.
    Parting(LegId),
    /// A phone has heard in early media why its call fails.
    Refuse(CallId, Cause),
    /// The confirmation tone of a feature code has been heard.
    Confirmed(CallId),
    /// A line that somebody waits for with this request has been free for a moment.
    CalleeFree(u32),
    /// The time of a request for completion is over.
    CompletionExpires(u32),
    /// A caller that waits in a queue has heard ringing for long enough.
    RungInQueue(CallId),
    /// Those who wait because of a queue's call are told something.
    Announce(CallId),
    /// Nobody keys the rest of a PIN.
    PinPause(CallId),
    /// The call centre has something to do.
    Centre,
    /// Its picture is to be kept.
    SaveCentre,
    /// Calls of the previous run are to be ended.
    Farewell,
    /// They have been told for long enough.
    FarewellTold,
    /// Registrations may have expired.
    Registrations,
    /// The registration at a trunk's peer is due again.
    Enrol(u32),
    /// Resume windows of applications may be over.
    Applications,
}
