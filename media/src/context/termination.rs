//! What signalling says about a party's media end.

use std::net::{IpAddr, SocketAddr};

use super::sound::SoundId;
use crate::codec::MemberCodec;
use crate::dsp::tone::Tone;
use crate::ice::Credentials;
use crate::srtp::{Keys, Material};

/// Most streams (m-lines) that one termination may have.
pub const STREAMS_MAX: usize = 8;

/// Names a termination. An id is never valid again after its Subtract.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TerminationId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl TerminationId {
    /// Makes an id for a media plane of one's own (simulation, tests).
    #[must_use]
    pub fn new(index: u32, generation: u32) -> Self {
        Self { index, generation }
    }
}

/// The local ports of one stream.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct StreamPorts {
    /// Even port for RTP (or UDPTL).
    pub rtp: u16,
    /// The port after it, for RTCP when it is not multiplexed.
    pub rtcp: u16,
}

/// What Add returns: one party's media end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Termination {
    /// Its name in later commands.
    pub id: TerminationId,
    /// One entry for each stream asked for, in order.
    pub streams: Vec<StreamPorts>,
}

/// What signalling agreed about one stream with its peer. Compiled into a plan by Modify.
///
/// The default is a stream that sends and receives RTP with any payload type, peer still unknown.
///
/// Source: RFC 3264 §5–8; RFC 3605 (`remote_rtcp`); RFC 5761 (`rtcp_mux`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamSpec {
    /// Where the peer's SDP says it receives. `None`: unknown yet, or a hold by c=0.0.0.0.
    pub remote: Option<SocketAddr>,
    /// Where it receives RTCP, if the SDP says so; otherwise the port after `remote`.
    pub remote_rtcp: Option<SocketAddr>,
    /// RTCP shares the RTP port.
    pub rtcp_mux: bool,
    /// The peer may send to us.
    pub receive: bool,
    /// We may send to the peer.
    pub send: bool,
    /// Payload types that the peer may send; empty means any.
    pub accept: Vec<u8>,
    /// A new offer/answer was made: the peer's real address may be learnt anew. A changed `remote`
    /// implies it.
    pub sdp_changed: bool,
    /// False for UDPTL and other datagrams that are relayed as they are.
    pub is_rtp: bool,
    /// The peer's signalling address: besides the SDP's addresses the only one that media of a
    /// peer behind NAT is accepted from.
    pub peer: Option<IpAddr>,
    /// Clock rates in Hz of dynamic payload types. Types not listed count as RFC 3551 says, or 8000.
    pub clocks: Vec<(u8, u32)>,
    /// The payload type of the peer's telephone-events, if digits shall be reported.
    pub telephone_event: Option<u8>,
    /// Whether and how its packets are protected, in both directions.
    pub security: Security,
    /// Connectivity checks are answered with these, and media is taken from and sent to whichever
    /// address the peer nominates, no other (RFC 8445, we being lite).
    pub ice: Option<Box<Credentials>>,
    /// The names of its sources that its SDP has (RFC 5576).
    pub ssrcs: Vec<u32>,
    /// Its packets will come from elsewhere than `remote`: a NAT stands between. Nobody vouches for
    /// `remote` then, so that it is sent little until a packet has come from there, or from where the
    /// peer really is (SEC-86).
    pub is_hidden: bool,
}

/// Where a party's media will come from, as far as is known before its first packet.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Whereabouts {
    /// Where its signalling comes from, or would from each phone that is called.
    pub hosts: Vec<IpAddr>,
    /// The addresses of its SDP, by stream.
    pub remotes: Vec<Option<SocketAddr>>,
    /// Its packets will come from ports that no SDP names: a NAT stands between.
    pub is_hidden: bool,
}

/// How the packets of a stream are protected.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Security {
    /// RTP.
    #[default]
    Plain,
    /// SRTP with keys that signalling carried (RFC 4568). A key that stays the same keeps its
    /// roll-over counter and its replay window; a new one begins anew.
    Sdes(Box<Keys>),
    /// SRTP with keys that a DTLS handshake on the media port makes (RFC 5763, 5764). Another
    /// handshake begins when any of this changes.
    Dtls(Box<Handshake>),
}

/// What signalling says of a DTLS handshake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Handshake {
    /// The peer's certificate.
    pub fingerprint: Fingerprint,
    /// We begin (a=setup:active of ours).
    pub is_client: bool,
}

/// Why a DTLS handshake gave no keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeFault {
    /// The peer has shown no certificate, or one whose key is not of the kinds that are understood.
    #[error(
        "the phone has shown no ECDSA certificate (P-256 or P-384), and RSA ones are not understood: give it \
         an ECDSA certificate, or keys in its SDP (srtp_keys = \"sdes\")"
    )]
    Certificate,
    /// The certificate is not the one that signalling named.
    #[error("the phone's certificate is not the one that its SDP names (a=fingerprint)")]
    Fingerprint,
    /// The peer ended it; a peer that awaits our hello and has an RSA certificate does so by 40.
    #[error(
        "the phone has refused it with alert {0} (40, handshake_failure, where it has an RSA certificate alone: \
         only ECDSA is understood)"
    )]
    Refused(u8),
    /// The peer fell silent.
    #[error("the phone did not answer in time")]
    Silence,
    /// Anything else.
    #[error("the phone did not keep to DTLS 1.2 or 1.3 as RFC 5764 wants it")]
    Protocol,
}

/// A certificate's digest (RFC 8122).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fingerprint {
    /// How it is made.
    pub hash: FingerprintHash,
    /// The digest.
    pub octets: Vec<u8>,
}

/// Hash functions that are good enough for a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FingerprintHash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl FingerprintHash {
    const ALL: [(&str, Self, usize); 3] = [
        ("sha-256", Self::Sha256, 32),
        ("sha-384", Self::Sha384, 48),
        ("sha-512", Self::Sha512, 64),
    ];

    fn row(self) -> (&'static str, usize) {
        let row = Self::ALL.into_iter().find(|(_, hash, _)| *hash == self);
        row.map_or(("", 0), |(name, _, length)| (name, length))
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = ();

    /// Reads the value of a=fingerprint: `sha-256 AB:CD:…`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (name, digits) = text.trim().split_once(' ').ok_or(())?;
        let known = FingerprintHash::ALL.into_iter();
        let (_, hash, length) =
            { known }.find(|(known, ..)| known.eq_ignore_ascii_case(name)).ok_or(())?;
        let octets = digits.trim().split(':').take(length + 1);
        let octet = |pair: &str| match pair.len() {
            2 => u8::from_str_radix(pair, 16).map_err(|_| ()),
            _ => Err(()),
        };
        let octets = octets.map(octet).collect::<Result<Vec<u8>, ()>>()?;
        if octets.len() == length { Ok(Self { hash, octets }) } else { Err(()) }
    }
}

/// As a=fingerprint has it.
impl std::fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.hash.row().0)?;
        for (at, octet) in self.octets.iter().enumerate() {
            write!(formatter, "{}{octet:02X}", if at == 0 { ' ' } else { ':' })?;
        }
        Ok(())
    }
}

impl Security {
    /// True of RTP.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::Plain
    }

    /// True where keys come from a handshake.
    #[must_use]
    pub fn is_by_handshake(&self) -> bool {
        matches!(self, Self::Dtls(_))
    }

    /// What we protect with, where signalling said so.
    #[must_use]
    pub fn local(&self) -> Option<&Material> {
        match self {
            Self::Sdes(keys) => Some(&keys.local),
            Self::Plain | Self::Dtls(_) => None,
        }
    }

    /// What the peer protects with, where signalling said so.
    #[must_use]
    pub fn remote(&self) -> Option<&Material> {
        match self {
            Self::Sdes(keys) => Some(&keys.remote),
            Self::Plain | Self::Dtls(_) => None,
        }
    }
}

impl Default for StreamSpec {
    fn default() -> Self {
        Self {
            remote: None,
            remote_rtcp: None,
            rtcp_mux: false,
            receive: true,
            send: true,
            accept: Vec::new(),
            sdp_changed: false,
            is_rtp: true,
            peer: None,
            clocks: Vec::new(),
            telephone_event: None,
            security: Security::Plain,
            ice: None,
            ssrcs: Vec::new(),
            is_hidden: false,
        }
    }
}

/// Received payload type → sent payload type.
///
/// An empty map changes nothing. A filled one passes what it lists, comfort noise, and (only where
/// the stream accepts any type) what it does not list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PayloadMap(Vec<(u8, u8)>);

impl PayloadMap {
    /// The map that changes nothing.
    #[must_use]
    pub fn identity() -> Self {
        Self::default()
    }

    /// The (received, sent) pairs.
    #[must_use]
    pub fn pairs(&self) -> &[(u8, u8)] {
        &self.0
    }
}

impl FromIterator<(u8, u8)> for PayloadMap {
    fn from_iter<I: IntoIterator<Item = (u8, u8)>>(pairs: I) -> Self {
        let known = pairs.into_iter().filter(|(from, to)| *from < 128 && *to < 128);
        Self(known.take(128).collect())
    }
}

impl From<Vec<(u8, u8)>> for PayloadMap {
    fn from(pairs: Vec<(u8, u8)>) -> Self {
        pairs.into_iter().collect()
    }
}

/// What a party hears instead of the stream it is connected to, for as long as it lasts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Treatment {
    /// The connected stream.
    #[default]
    None,
    /// Digital silence, so that NAT bindings and jitter buffers stay alive.
    Silence(MemberCodec),
    /// A tone.
    Tone(Tone, MemberCodec),
    /// A recording, again and again; the hold tone where the media plane has none of this name.
    Sound(SoundId, MemberCodec),
    /// What the party itself says.
    Echo,
}

impl Treatment {
    /// True if the connected stream is heard.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::None
    }

    /// True if the media plane makes it, packet by packet.
    #[must_use]
    pub fn is_played(self) -> bool {
        !matches!(self, Self::None | Self::Echo)
    }
}
