//! What the switch can ask of the endpoint, as data.

use bytes::Bytes;

use crate::auth::ClientCredentials;
use crate::flow::Flow;
use crate::message::Method;

/// A header field by name and value; the name may be any token.
pub type HeaderField = (String, String);

/// A body and its Content-Type.
pub type Body = (String, Bytes);

/// A new outbound INVITE.
#[derive(Clone, Debug)]
pub struct Invite {
    /// The Request-URI, which is also the first remote target.
    pub request_uri: String,
    /// The From value (name-addr) without tag.
    pub from: String,
    /// The To value (name-addr) without tag.
    pub to: String,
    /// Our Contact URI (addr-spec, no angle brackets).
    pub contact: String,
    /// Where to send it.
    pub destination: Flow,
    /// Where to send it next, in order, on silence, transport failure or 503 (RFC 3263 §4.3).
    pub alternatives: Vec<Flow>,
    /// Preloaded Route values (a Path, an outbound proxy), in order.
    pub route: Vec<String>,
    /// Max-Forwards.
    pub max_forwards: u32,
    /// Further header fields.
    pub headers: Vec<HeaderField>,
    /// The offer; `None` asks the peer for one.
    pub sdp: Option<Bytes>,
    /// To answer 401 and 407 with, here and later in the dialog.
    pub credentials: Option<ClientCredentials>,
    /// Whether to ask for a session timer (RFC 4028).
    pub session_timer: bool,
    /// Whether to offer reliable provisional responses (RFC 3262); ignored without `sdp`.
    pub hundred_rel: bool,
}

/// A new subscription of ours.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// The Request-URI: what is watched.
    pub request_uri: String,
    /// The From value (name-addr) without tag.
    pub from: String,
    /// The To value (name-addr) without tag.
    pub to: String,
    /// Our Contact URI (addr-spec, no angle brackets).
    pub contact: String,
    /// Where to send it.
    pub destination: Flow,
    /// Event, Expires, Accept and whatever else.
    pub headers: Vec<HeaderField>,
    /// To answer 401 and 407 with, here and later in the dialog.
    pub credentials: Option<ClientCredentials>,
    /// Comes back with [`Event::Response`](super::Event::Response).
    pub token: u64,
}

/// A request outside of any dialog.
#[derive(Clone, Debug)]
pub struct OutOfDialog {
    /// Its method.
    pub method: Method,
    /// The Request-URI.
    pub request_uri: String,
    /// The From value (name-addr) without tag.
    pub from: String,
    /// The To value (name-addr) without tag.
    pub to: String,
    /// Our Contact URI (addr-spec), if the method wants one.
    pub contact: Option<String>,
    /// Call-ID to keep over several requests (REGISTER refreshes); `None` makes a new one.
    pub call_id: Option<String>,
    /// CSeq number to use; `None` starts a new count.
    pub cseq: Option<u32>,
    /// Where to send it.
    pub destination: Flow,
    /// Preloaded Route values (a Path, an outbound proxy), in order.
    pub route: Vec<String>,
    /// Further header fields.
    pub headers: Vec<HeaderField>,
    /// The body.
    pub body: Option<Body>,
    /// To answer 401 and 407 with.
    pub credentials: Option<ClientCredentials>,
}

/// A request inside the dialog of a leg (INFO, NOTIFY, REFER, MESSAGE, OPTIONS).
#[derive(Clone, Debug)]
pub struct InDialogRequest {
    /// Its method.
    pub method: Method,
    /// Further header fields.
    pub headers: Vec<HeaderField>,
    /// The body.
    pub body: Option<Body>,
    /// Comes back with [`Event::Response`](super::Event::Response).
    pub token: u64,
}

/// A response: status, reason phrase, further header fields.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The reason phrase; empty takes the standard's.
    pub reason: String,
    /// Further header fields.
    pub headers: Vec<HeaderField>,
}

impl Reply {
    /// A response with the standard's reason phrase.
    pub fn new(status: u16) -> Self {
        Self { status, reason: String::new(), headers: Vec::new() }
    }

    /// With this reason phrase.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    /// With one more header field.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// How to end a leg.
#[derive(Clone, Debug)]
pub struct Release {
    /// Header fields of the CANCEL, BYE or final response; Reason above all (RFC 3326).
    pub reason_headers: Vec<HeaderField>,
    /// The final response to an inbound INVITE that is not answered yet.
    pub status: u16,
}

impl Default for Release {
    fn default() -> Self {
        Self { reason_headers: Vec::new(), status: 480 }
    }
}

/// Where requests inside a dialog are sent.
///
/// Source: SIP mapping §1.6 "NATed target"; security SEC-48.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TargetPolicy {
    /// Over the flow of the peer's last request (at first the one that carried the INVITE),
    /// whatever Contact and Record-Route say. Right for phones behind NAT, and nobody can point us
    /// at a foreign host.
    #[default]
    PeerFlow,
    /// To the address in the first Route or in the remote target when it is a literal that
    /// differs from the flow. For trusted trunks.
    ///
    /// The flow is kept where the literal is of another transport or address family or means
    /// something only inside the peer's own network, while a connection with the same host is
    /// there, under TLS for every other host, and until a peer that called knows our tag.
    ///
    /// LIMIT: a host name there is not resolved; the request takes the flow. The switch may
    /// resolve it and call `set_flow`.
    Target,
}

/// What the switch may know about a leg.
#[derive(Clone, Debug)]
pub struct LegView<'a> {
    /// The Call-ID header.
    pub call_id: &'a str,
    /// Our tag.
    pub local_tag: &'a str,
    /// The peer's tag; empty while no response of an outbound INVITE brought one.
    pub remote_tag: &'a str,
    /// The peer's Contact URI, or the Request-URI until we have it.
    pub remote_target: &'a str,
    /// Whether the dialog is confirmed by a 2xx.
    pub is_confirmed: bool,
    /// Whether we sent the first INVITE.
    pub is_uac: bool,
    /// Where requests of the peer came from last, or where ours goes.
    pub flow: Flow,
    /// Our last session description that both sides agreed on.
    pub local_sdp: Option<&'a Bytes>,
    /// The peer's last session description that both sides agreed on.
    pub remote_sdp: Option<&'a Bytes>,
    pub(crate) peer: &'a super::peer::Peer,
}

impl LegView<'_> {
    /// Whether the peer's last Allow lists the method.
    pub fn peer_allows(&self, method: &Method) -> bool {
        self.peer.allows(method)
    }

    /// Whether the peer's last Supported lists the option tag.
    pub fn peer_supports(&self, tag: &str) -> bool {
        self.peer.supports(tag)
    }

    /// Who is at the peer's end: its last P-Asserted-Identity (RFC 3325).
    pub fn peer_asserted(&self) -> Option<&str> {
        self.peer.asserted()
    }

    /// Whether the peer's last Allow-Events lists the event package.
    pub fn peer_allows_event(&self, package: &str) -> bool {
        self.peer.allows_event(package)
    }
}
