//! What a phone is told beforehand, and what its user notices.

use std::net::{IpAddr, SocketAddr};

use config::{Srtp, SrtpKeys};
use sip_stack::endpoint::LegId;
use sip_stack::flow::Flow;
use sip_stack::message::Method;
use sip_stack::sdp::{Codec, Direction};

/// Who the phone is and where it lives.
#[derive(Clone, Debug)]
pub struct PhoneConfig {
    /// Its line's number, also its user name.
    pub number: String,
    /// Its password.
    pub password: String,
    /// The SIP domain.
    pub domain: String,
    /// How it reaches the switch.
    pub flow: Flow,
    /// Where it wants its media.
    pub rtp: SocketAddr,
    /// What it does by itself.
    pub behaviour: Behaviour,
}

/// What the phone does without being asked.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// Sends 180 to an INVITE.
    pub rings: bool,
    /// Answers an INVITE that carries `answer-after=0`.
    pub auto_answers: bool,
    /// Says `Allow-Events: talk, hold` and obeys such NOTIFYs.
    pub obeys_events: bool,
    /// Refuses every INVITE with this status.
    pub refuses_with: Option<u16>,
    /// Sends its INVITEs without SDP and answers in the ACK.
    pub offers_late: bool,
    /// Asks for reliable provisional responses.
    pub hundred_rel: bool,
    /// Codecs it speaks, best first; empty means G.711 and G.722.
    pub codecs: Vec<Codec>,
    /// Whether it speaks SRTP, and how it offers keys.
    pub srtp: (Srtp, SrtpKeys),
    /// The host of its media, where that is not the one of its signalling.
    pub media_host: Option<IpAddr>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Behaviour {
            rings: true,
            auto_answers: true,
            obeys_events: true,
            refuses_with: None,
            offers_late: false,
            hundred_rel: false,
            codecs: Vec::new(),
            srtp: (Srtp::Off, SrtpKeys::Sdes),
            media_host: None,
        }
    }
}

/// How a phone spells hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HoldSpelling {
    /// `a=sendonly`.
    SendOnly,
    /// `a=inactive`.
    Inactive,
    /// `c=IN IP4 0.0.0.0`, as RFC 2543 had it.
    ZeroAddress,
}

/// What the phone's user would notice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PhoneEvent {
    /// The final answer to REGISTER.
    Registered {
        /// Its status code.
        status: u16,
    },
    /// Somebody calls.
    Incoming {
        /// The call.
        leg: LegId,
        /// The From value.
        from: String,
    },
    /// A provisional response to our call.
    Progress {
        /// The call.
        leg: LegId,
        /// Its status code.
        status: u16,
        /// It carried SDP.
        has_media: bool,
    },
    /// The call is up; for our own calls the 2xx came, for others the ACK did.
    Connected {
        /// The call.
        leg: LegId,
    },
    /// Our call failed.
    Failed {
        /// The call.
        leg: LegId,
        /// The status code.
        status: u16,
        /// The Reason value, if there was one.
        reason: Option<String>,
    },
    /// The far side ended the call, before or after the answer.
    Ended {
        /// The call.
        leg: LegId,
    },
    /// A re-INVITE or UPDATE of the switch was answered.
    Changed {
        /// The call.
        leg: LegId,
        /// The switch holds us.
        is_held: bool,
    },
    /// Our re-INVITE was answered with this direction of the switch.
    OfferAnswered {
        /// The call.
        leg: LegId,
        /// What the switch's audio does.
        direction: Direction,
    },
    /// Our re-INVITE was refused.
    OfferRefused {
        /// The call.
        leg: LegId,
        /// The status code.
        status: u16,
    },
    /// NOTIFY of a transfer: how far it has come.
    TransferProgress {
        /// The call in which REFER was sent.
        leg: LegId,
        /// The status code of the sipfrag.
        status: u16,
        /// No further NOTIFY will come.
        is_final: bool,
    },
    /// The switch refused our REFER.
    TransferRefused {
        /// Its status code.
        status: u16,
    },
    /// User-to-User came with a message of the call (RFC 7433).
    UserInfo {
        /// The call.
        leg: LegId,
        /// The value.
        value: String,
    },
    /// The final answer to a SUBSCRIBE.
    Subscribed {
        /// The subscription; it is over unless the status is 2xx.
        leg: LegId,
        /// The status code.
        status: u16,
        /// What was granted, in seconds.
        expires: Option<u32>,
    },
    /// NOTIFY inside a subscription.
    Notified {
        /// The subscription.
        leg: LegId,
        /// Subscription-State.
        state: String,
        /// The document.
        body: String,
    },
    /// A request inside the call that the phone only notes (INFO and the like).
    Request {
        /// The call.
        leg: LegId,
        /// Its method.
        method: Method,
    },
    /// A digit came by INFO.
    Digit {
        /// The call.
        leg: LegId,
        /// The key.
        digit: char,
    },
    /// The final answer to an INFO of ours.
    InfoAnswered {
        /// Its status code.
        status: u16,
    },
}
