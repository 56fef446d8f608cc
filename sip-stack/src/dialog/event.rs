//! What the endpoint tells the switch, and the buffer it tells it in.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::flow::{Flow, Transmit};
use crate::message::Message;
use crate::slab::Key;
use crate::transaction::ServerKey;

/// One INVITE dialog of ours, or one in the making; generation-counted, never reused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LegId(pub(crate) Key);

/// A non-INVITE request of a peer that waits for our answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RequestId(pub(crate) ServerKey);

/// What a command or an input caused: messages to send and events to act on, in order.
#[derive(Default, Debug)]
pub struct Outbox {
    /// Messages for the transport.
    pub transmits: Vec<Transmit>,
    /// Events for the switch, oldest first.
    pub events: VecDeque<Event>,
}

impl Outbox {
    /// An empty outbox.
    pub fn new() -> Self {
        Self::default()
    }
}

/// Where the offer of an [`Event::Offer`] travelled.
///
/// Source: RFC 6337 §2, the table of offer/answer patterns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OfferVia {
    /// A re-INVITE; without SDP it asks for an offer of ours.
    ReInvite,
    /// An UPDATE (RFC 3311).
    Update,
    /// The PRACK of a reliable provisional response (RFC 3262 §5).
    Prack,
}

/// Who ended an INVITE of ours that was not answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefusalSource {
    /// The peer, by a final response.
    Response,
    /// Nobody: no response within 64·T1, or timer C fired.
    Timeout,
    /// The transport could not deliver the request.
    TransportFailed,
}

/// Why an established (or answered) leg ended without a command of the switch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EndCause {
    /// The peer sent BYE.
    Bye(Message),
    /// Our 2xx was not acknowledged within 64·T1 (RFC 3261 §13.3.1.4).
    NoAck,
    /// Nobody refreshed the session in time (RFC 4028 §10).
    SessionExpired,
    /// The dialog is lost: 481 or 408 to a request inside it (RFC 5057), a reliable provisional
    /// that nobody acknowledged (504), an answer that never came (488).
    Gone(u16),
}

/// What happened. A leg is gone with the events whose description says so: no event follows.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A non-INVITE request outside of any dialog; answer with `respond`.
    Request {
        /// To answer it.
        id: RequestId,
        /// The request.
        message: Message,
        /// Where it came from.
        flow: Flow,
    },
    /// A new inbound INVITE; 100 Trying goes out by itself if nothing else does within 200 ms.
    /// The checks of [`validate::check_session`](crate::message::validate::check_session) come
    /// after authentication and are the switch's.
    Invite {
        /// The new leg.
        leg: LegId,
        /// The request.
        message: Message,
        /// Where it came from.
        flow: Flow,
        /// Its SDP; `None` is a late offer: `answer` gives ours.
        offer: Option<Bytes>,
    },
    /// A provisional response 101–199 to our INVITE; PRACK is sent already when it was reliable.
    Progress {
        /// The leg.
        leg: LegId,
        /// Its status code.
        status: u16,
        /// The response.
        message: Message,
        /// Its SDP.
        sdp: Option<Bytes>,
    },
    /// The first 2xx to our INVITE; ACK is sent already. When the INVITE carried no SDP, `sdp` is
    /// the peer's offer and ACK waits for `accept_offer`.
    Answered {
        /// The leg.
        leg: LegId,
        /// The response.
        message: Message,
        /// The session description that counts: of the 2xx, or of its reliable provisional.
        sdp: Option<Bytes>,
    },
    /// Our INVITE failed; the leg is gone.
    Refused {
        /// The leg.
        leg: LegId,
        /// The status code, or the one that stands for the local cause (408, 503).
        status: u16,
        /// The response, if there was one.
        message: Option<Message>,
        /// Who said so.
        reason: RefusalSource,
    },
    /// The caller gave up before our final response (CANCEL, or the INVITE's Expires passed); 487
    /// is sent; the leg is gone.
    Cancelled {
        /// The leg.
        leg: LegId,
        /// The CANCEL (the INVITE itself when its Expires passed).
        message: Message,
    },
    /// The ACK for our 2xx to the first INVITE.
    Confirmed {
        /// The leg.
        leg: LegId,
        /// The answer to a late offer.
        sdp: Option<Bytes>,
    },
    /// The peer wants to change the session; answer with `accept_offer` or `refuse_offer`.
    Offer {
        /// The leg.
        leg: LegId,
        /// The request.
        message: Message,
        /// The offer; `None` (re-INVITE only): `accept_offer` gives ours.
        sdp: Option<Bytes>,
        /// How it came.
        via: OfferVia,
    },
    /// The peer took back the offer of the last [`Event::Offer`] (CANCEL or BYE of its re-INVITE):
    /// nothing changed and no answer is wanted.
    OfferWithdrawn {
        /// The leg.
        leg: LegId,
    },
    /// The peer answered our offer.
    OfferAnswered {
        /// The leg.
        leg: LegId,
        /// The answer; `None` only when a 2xx came without one.
        sdp: Option<Bytes>,
        /// The message that carried it (2xx, PRACK or ACK).
        message: Message,
    },
    /// The peer refused our offer; the session is as before (RFC 3261 §14.1).
    OfferRefused {
        /// The leg.
        leg: LegId,
        /// The status code; 408 and 503 also for silence and for a failed transport.
        status: u16,
    },
    /// Another request inside the dialog (INFO, REFER, NOTIFY, MESSAGE, SUBSCRIBE, OPTIONS); answer
    /// with `respond`.
    InDialog {
        /// The leg.
        leg: LegId,
        /// To answer it.
        id: RequestId,
        /// The request.
        message: Message,
    },
    /// The final outcome of `request` or `request_in_dialog`.
    Response {
        /// The token given with the request.
        token: u64,
        /// The status code; 408 for silence, 503 for a failed transport or our own full table.
        status: u16,
        /// The response, if there was one.
        message: Option<Message>,
    },
    /// The leg ended; it is gone. A BYE is answered already.
    Ended {
        /// The leg.
        leg: LegId,
        /// Why.
        cause: EndCause,
    },
}
