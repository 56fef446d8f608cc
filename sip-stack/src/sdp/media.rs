//! One m-line with its attributes.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use super::{Codec, Direction, Session, codec};

/// The media type of an m-line.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum MediaKind {
    /// Speech and music.
    Audio,
    /// Moving pictures.
    Video,
    /// Fax (T.38).
    Image,
    /// Data of an application.
    Application,
    /// Any other type, as written.
    Other(String),
}

impl MediaKind {
    /// Reads the first field of an m-line.
    pub fn from_token(token: &str) -> Self {
        match token.to_ascii_lowercase().as_str() {
            "audio" => MediaKind::Audio,
            "video" => MediaKind::Video,
            "image" => MediaKind::Image,
            "application" => MediaKind::Application,
            _ => MediaKind::Other(token.to_owned()),
        }
    }

    /// The first field of the m-line.
    pub fn as_str(&self) -> &str {
        match self {
            MediaKind::Audio => "audio",
            MediaKind::Video => "video",
            MediaKind::Image => "image",
            MediaKind::Application => "application",
            MediaKind::Other(token) => token,
        }
    }
}

impl fmt::Display for MediaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The family of transports an m-line's protocol belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Profile {
    /// RTP/AVP and RTP/AVPF over UDP.
    Rtp,
    /// RTP/SAVP, RTP/SAVPF, with or without DTLS.
    SecureRtp,
    /// T.38 over UDPTL.
    Udptl,
    /// Everything else: TCP, MSRP, BFCP, data channels.
    Other,
}

/// An attribute kept as text.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Attribute {
    /// Before the colon.
    pub name: String,
    /// After the colon, byte for byte.
    pub value: Option<String>,
}

/// A b= line.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Bandwidth {
    /// `AS`, `TIAS`, …
    pub kind: String,
    /// In the unit of its kind: kbit/s for AS, bit/s for TIAS.
    pub value: u64,
}

/// The a=rtcp attribute (RFC 3605).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rtcp {
    /// Where RTCP is expected.
    pub port: u16,
    /// Its own address, if it is not that of the stream.
    pub address: Option<IpAddr>,
}

/// One media stream of a session description.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Media {
    /// Media type.
    pub kind: MediaKind,
    /// Port; 0 is a rejected or removed stream (RFC 3264 §6, §8.2).
    pub port: u16,
    /// Transport protocol as written.
    pub protocol: String,
    /// The formats of the m-line as written; for RTP the numbers of `codecs`.
    pub formats: Vec<String>,
    /// RTP payload formats in the order of the m-line; empty for other transports.
    pub codecs: Vec<Codec>,
    /// The stream's own c= address, if it has one.
    pub connection: Option<IpAddr>,
    /// b= lines.
    pub bandwidths: Vec<Bandwidth>,
    /// The stream's own direction attribute.
    pub direction: Option<Direction>,
    /// a=rtcp.
    pub rtcp: Option<Rtcp>,
    /// a=rtcp-mux (RFC 5761).
    pub rtcp_mux: bool,
    /// All other attributes in order.
    pub attributes: Vec<Attribute>,
}

/// Attributes that describe the coding of a stream and travel from leg to leg.
const CODING_ATTRIBUTES: [&str; 17] = [
    "ptime",
    "maxptime",
    "minptime",
    "label",
    "content",
    "framerate",
    "framesize",
    "quality",
    "imageattr",
    "orient",
    "lang",
    "sdplang",
    "silenceSupp",
    "ecan",
    "gpmd",
    "maxprate",
    "ptmode",
];

impl Media {
    /// An RTP stream with these codecs, without address.
    pub fn rtp(kind: MediaKind, port: u16, codecs: Vec<Codec>) -> Self {
        let mut media = Media::empty(kind, port, "RTP/AVP".to_owned());
        media.set_codecs(codecs);
        media
    }

    /// A rejected or removed stream in the place of `like` (RFC 3264 §6): port 0, one format.
    pub fn rejected(like: &Media) -> Self {
        let mut media = Media::empty(like.kind.clone(), 0, like.protocol.clone());
        let format = like.formats.first().cloned().unwrap_or_else(|| "0".to_owned());
        if let Some(payload) = codec::parse_payload(&format).filter(|_| like.is_rtp()) {
            let known = like.codecs.iter().find(|codec| codec.payload == payload);
            let codec = known.cloned().unwrap_or_else(|| Codec::from_payload(payload));
            media.codecs = vec![Codec { fmtp: None, ..codec }];
        }
        media.formats = vec![format];
        media
    }

    pub(super) fn empty(kind: MediaKind, port: u16, protocol: String) -> Self {
        Media {
            kind,
            port,
            protocol,
            formats: Vec::new(),
            codecs: Vec::new(),
            connection: None,
            bandwidths: Vec::new(),
            direction: None,
            rtcp: None,
            rtcp_mux: false,
            attributes: Vec::new(),
        }
    }

    /// Replaces the codecs and with them the formats of the m-line.
    pub fn set_codecs(&mut self, codecs: Vec<Codec>) {
        self.formats = codecs.iter().map(|codec| codec.payload.to_string()).collect();
        self.codecs = codecs;
    }

    /// Keeps only the codecs that `keep` accepts; what is not RTP stays as it is.
    pub fn retain_codecs(&mut self, keep: impl FnMut(&Codec) -> bool) {
        if self.is_rtp() {
            let mut codecs = std::mem::take(&mut self.codecs);
            codecs.retain(keep);
            self.set_codecs(codecs);
        }
    }

    /// Whether the stream is refused or removed.
    pub fn is_rejected(&self) -> bool {
        self.port == 0
    }

    /// The family of its transport protocol.
    pub fn profile(&self) -> Profile {
        match self.protocol.to_ascii_uppercase().as_str() {
            "RTP/AVP" | "RTP/AVPF" => Profile::Rtp,
            "UDPTL" => Profile::Udptl,
            other if other.contains("RTP/SAVP") => Profile::SecureRtp,
            _ => Profile::Other,
        }
    }

    /// Whether its formats are RTP payload numbers, secured or not.
    pub fn is_rtp(&self) -> bool {
        self.protocol.to_ascii_uppercase().contains("RTP/")
    }

    /// Whether the stream is alive and of a transport that is relayed: RTP, secured or not, or UDPTL.
    pub fn is_relayable(&self) -> bool {
        let profile = self.profile();
        !self.is_rejected() && matches!(profile, Profile::Rtp | Profile::SecureRtp | Profile::Udptl)
    }

    /// Makes it rejected or removed (RFC 3264 §6).
    pub fn reject(&mut self) {
        *self = Media::rejected(self);
    }

    /// The direction its author means, whichever of the spellings of hold is used.
    ///
    /// Own attribute, else the session's, else sendrecv; an unspecified c= address says that the
    /// author does not receive (RFC 3264 §8.4); a rejected stream is inactive.
    pub fn effective_direction(&self, session: &Session) -> Direction {
        if self.is_rejected() {
            return Direction::Inactive;
        }
        let direction = self.direction.or(session.direction).unwrap_or_default();
        match self.address(session) {
            Some(address) if address.is_unspecified() => {
                Direction::from_flags(direction.is_sending(), false)
            }
            _ => direction,
        }
    }

    /// Where the author wants to receive the stream; `None` while it names no usable address.
    pub fn rtp_address(&self, session: &Session) -> Option<SocketAddr> {
        let address = self.address(session).filter(is_unicast)?;
        (!self.is_rejected()).then(|| SocketAddr::new(address, self.port))
    }

    /// Where the author wants to receive RTCP: a=rtcp-mux, a=rtcp, else the next port.
    pub fn rtcp_address(&self, session: &Session) -> Option<SocketAddr> {
        let rtp = self.rtp_address(session)?;
        if self.rtcp_mux {
            return Some(rtp);
        }
        match self.rtcp {
            Some(rtcp) => {
                let address = rtcp.address.filter(is_unicast).unwrap_or(rtp.ip());
                Some(SocketAddr::new(address, rtcp.port))
            }
            None => Some(SocketAddr::new(rtp.ip(), rtp.port().checked_add(1)?)),
        }
    }

    /// The value of the first attribute of this name; empty when it has none.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name.eq_ignore_ascii_case(name))
            .map(|attribute| attribute.value.as_deref().unwrap_or(""))
    }

    /// Packet time from a=ptime.
    pub fn ptime_ms(&self) -> Option<u32> {
        self.attribute("ptime")?.trim().parse().ok()
    }

    /// The first format that carries media by itself.
    pub fn first_real_codec(&self) -> Option<&Codec> {
        self.codecs.iter().find(|codec| codec.is_real())
    }

    /// The codecs as `name/clock` words, for logs and records.
    pub fn codec_summary(&self) -> String {
        if self.codecs.is_empty() {
            return self.formats.join(" ");
        }
        self.codecs.iter().map(Codec::to_string).collect::<Vec<_>>().join(" ")
    }

    /// The attributes that the other leg may see.
    pub(super) fn coding_attributes(&self) -> Vec<Attribute> {
        self.attributes.iter().filter(|attribute| attribute.is_coding()).cloned().collect()
    }

    fn address(&self, session: &Session) -> Option<IpAddr> {
        self.connection.or(session.connection)
    }
}

impl Attribute {
    /// Whether it describes the coding; all else belongs to one leg's transport.
    fn is_coding(&self) -> bool {
        let is_t38 = self.name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("T38"));
        is_t38 || CODING_ATTRIBUTES.iter().any(|name| self.name.eq_ignore_ascii_case(name))
    }
}

/// An address a packet may be sent to: never to nobody, to everybody or to a group.
fn is_unicast(address: &IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !(address.is_unspecified() || address.is_multicast() || is_broadcast)
}
