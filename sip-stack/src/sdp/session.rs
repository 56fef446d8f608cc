//! A session description as data; reading and writing it.

use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;

use super::{
    Attribute, Bandwidth, Codec, CodecFamily, Direction, Media, MediaKind, Rtcp, SdpError,
    SdpErrorKind, codec, repair,
};

/// The o= line (RFC 8866 §5.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// Login name of the author, `-` for none.
    pub username: String,
    /// Number of the session; what is not a number is replaced by its hash.
    pub session_id: u64,
    /// Version of this description; what is not a number is replaced by its hash.
    pub version: u64,
    /// Address of the author; unspecified when it is written as a name.
    pub address: IpAddr,
}

impl Default for Origin {
    fn default() -> Self {
        Origin {
            username: "-".to_owned(),
            session_id: 0,
            version: 0,
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        }
    }
}

/// A session description.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Session {
    /// The o= line.
    pub origin: Origin,
    /// The session's c= address.
    ///
    /// LIMIT: a host name in c= is not resolved; the stream is then without address and its
    /// sender is learnt from the packets that arrive.
    pub connection: Option<IpAddr>,
    /// Direction of every stream that names none itself.
    pub direction: Option<Direction>,
    /// b= lines of the session.
    pub bandwidths: Vec<Bandwidth>,
    /// Other attributes of the session, in order.
    pub attributes: Vec<Attribute>,
    /// The streams in order; their place is their identity (RFC 3264 §8).
    pub media: Vec<Media>,
}

/// What the audio of a session is coded with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PreferredAudio<'a> {
    /// Index of the m-line.
    pub media: usize,
    /// Which of the codecs the exchange speaks it is.
    pub family: CodecFamily,
    /// The codec with its number in this description.
    pub codec: &'a Codec,
}

impl Session {
    /// Longest description that is read.
    pub const MAX_BYTES: usize = 65_536;
    /// Most lines that are read.
    pub const MAX_LINES: usize = 512;
    /// Most m-lines.
    pub const MAX_MEDIA: usize = 8;
    /// Most formats of one m-line.
    pub const MAX_FORMATS: usize = 64;

    /// Reads a description as phones really write it.
    ///
    /// Accepted without: s=, t=, o=, the final line end; with bare LF or CR, stray blanks,
    /// unknown and malformed lines (dropped), a damaged o= line (repaired).
    ///
    /// Source: RFC 8866 §5, §9.
    /// Errors: a limit of this type is exceeded, `v=0` does not come first, an m= line is
    /// unusable.
    pub fn parse(body: &[u8]) -> Result<Session, SdpError> {
        let regular = repair::repair(body)?;
        let parsed = sdp_types::Session::parse(regular.as_bytes())
            .map_err(|_| SdpError::new(0, SdpErrorKind::Malformed))?;
        Ok(Session::from_parsed(parsed))
    }

    /// Writes the description strictly as RFC 8866 §9 orders it.
    pub fn to_bytes(&self) -> Bytes {
        let mut text = Vec::new();
        // Writing to memory does not fail.
        let _ = self.to_written().write(&mut text);
        Bytes::from(text)
    }

    /// Whether `other` repeats the offer or answer this one is: same o= session and version.
    pub fn is_same_version(&self, other: &Session) -> bool {
        self.origin.session_id == other.origin.session_id
            && self.origin.version == other.origin.version
    }

    /// Whether both say the same, whatever their o= lines say.
    pub fn is_same_content(&self, other: &Session) -> bool {
        self.connection == other.connection
            && self.direction == other.direction
            && self.bandwidths == other.bandwidths
            && self.attributes == other.attributes
            && self.media == other.media
    }

    /// The first live audio stream.
    pub fn audio(&self) -> Option<&Media> {
        self.media.iter().find(|media| media.kind == MediaKind::Audio && !media.is_rejected())
    }

    /// Whether any stream is alive.
    pub fn has_live_media(&self) -> bool {
        self.media.iter().any(|media| !media.is_rejected())
    }

    /// Whether the session carries T.38 fax.
    pub fn has_fax(&self) -> bool {
        self.media.iter().any(|media| media.kind == MediaKind::Image && !media.is_rejected())
    }

    /// The codec of the first live audio stream: its first format that carries sound.
    pub fn preferred_audio(&self) -> Option<PreferredAudio<'_>> {
        self.media.iter().enumerate().find_map(|(index, media)| {
            if media.kind != MediaKind::Audio || media.is_rejected() {
                return None;
            }
            let codec = media.first_real_codec()?;
            Some(PreferredAudio { media: index, family: codec.family(), codec })
        })
    }

    /// The live streams and their codecs in one line, for logs and records.
    pub fn codec_summary(&self) -> String {
        let live = self.media.iter().filter(|media| !media.is_rejected());
        live.map(|media| format!("{}: {}", media.kind, media.codec_summary()))
            .collect::<Vec<_>>()
            .join("; ")
    }

    /// Keeps only the codecs that a policy accepts, in all RTP streams.
    pub fn retain_codecs(&mut self, mut keep: impl FnMut(&Codec) -> bool) {
        for media in &mut self.media {
            media.retain_codecs(&mut keep);
        }
    }

    /// Gives every live stream this direction.
    pub fn set_direction(&mut self, direction: Direction) {
        self.direction = None;
        for media in self.media.iter_mut().filter(|media| !media.is_rejected()) {
            media.direction = Some(direction);
        }
    }

    fn from_parsed(parsed: sdp_types::Session) -> Self {
        let origin = Origin {
            username: parsed.origin.username.unwrap_or_else(|| "-".to_owned()),
            session_id: parsed.origin.sess_id.parse().unwrap_or_default(),
            version: parsed.origin.sess_version,
            address: parse_address(&parsed.origin.unicast_address)
                .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        };
        let mut session = Session {
            origin,
            connection: parsed.connection.as_ref().and_then(connection_address),
            bandwidths: parsed.bandwidths.into_iter().map(Bandwidth::from_parsed).collect(),
            media: parsed.medias.into_iter().map(Media::from_parsed).collect(),
            ..Session::default()
        };
        for attribute in parsed.attributes {
            match Direction::from_attribute(&attribute.attribute) {
                Some(direction) => {
                    session.direction.get_or_insert(direction);
                }
                None => session.attributes.push(Attribute::from_parsed(attribute)),
            }
        }
        session
    }

    fn to_written(&self) -> sdp_types::Session {
        let origin = &self.origin;
        let mut written = sdp_types::Session::new(
            sdp_types::Origin::with_ip_addr(origin.session_id, origin.version, origin.address),
            "-",
        );
        written.origin.username = Some(single_word(&origin.username));
        written.connection = self.connection.map(sdp_types::Connection::from_ip_addr);
        written.bandwidths = self.bandwidths.iter().map(Bandwidth::to_written).collect();
        written.times = vec![sdp_types::Time { start_time: 0, stop_time: 0, repeats: Vec::new() }];
        written.attributes = self.attributes.iter().map(Attribute::to_written).collect();
        written.attributes.extend(self.direction.map(direction_attribute));
        written.medias = self.media.iter().map(Media::to_written).collect();
        written
    }
}

impl Media {
    fn from_parsed(parsed: sdp_types::Media) -> Self {
        let mut media =
            Media::empty(MediaKind::from_token(&parsed.media), parsed.port, parsed.proto);
        media.formats = parsed.fmt.split_whitespace().map(str::to_owned).collect();
        media.connection = parsed.connections.iter().find_map(connection_address);
        media.bandwidths = parsed.bandwidths.into_iter().map(Bandwidth::from_parsed).collect();
        if media.is_rtp() {
            media.read_codecs(&parsed.attributes);
        }
        let mut parameters_of = Vec::new();
        for attribute in parsed.attributes {
            media.take_attribute(attribute, &mut parameters_of);
        }
        media
    }

    /// First pass over the attributes: what the numbers of the m-line mean.
    fn read_codecs(&mut self, attributes: &[sdp_types::Attribute]) {
        for payload in self.formats.iter().filter_map(|format| codec::parse_payload(format)) {
            if self.codecs.iter().any(|codec| codec.payload == payload) {
                continue;
            }
            let mapped = attributes
                .iter()
                .filter(|attribute| attribute.attribute.eq_ignore_ascii_case("rtpmap"))
                .filter_map(|attribute| Codec::from_rtpmap(attribute.value.as_deref()?))
                .find(|codec| codec.payload == payload);
            self.codecs.push(mapped.unwrap_or_else(|| Codec::from_payload(payload)));
        }
    }

    /// Second pass: everything but a=rtpmap. `parameters_of` are the numbers that have their fmtp.
    fn take_attribute(&mut self, attribute: sdp_types::Attribute, parameters_of: &mut Vec<u8>) {
        let value = attribute.value.as_deref().unwrap_or("");
        let name = attribute.attribute.to_ascii_lowercase();
        if let Some(direction) = Direction::from_attribute(&name) {
            self.direction.get_or_insert(direction);
            return;
        }
        match name.as_str() {
            "rtpmap" if self.is_rtp() => {}
            "fmtp" if self.is_rtp() => {
                let Some((payload, parameters)) = codec::split_number(value) else { return };
                if parameters.is_empty() || parameters_of.contains(&payload) {
                    return;
                }
                parameters_of.push(payload);
                if let Some(codec) = self.codecs.iter_mut().find(|codec| codec.payload == payload) {
                    codec.fmtp = Some(parameters.to_owned());
                }
            }
            "rtcp" => {
                self.rtcp = self.rtcp.or_else(|| Rtcp::from_value(value));
            }
            "rtcp-mux" => self.rtcp_mux = true,
            _ => self.attributes.push(Attribute::from_parsed(attribute)),
        }
    }

    fn to_written(&self) -> sdp_types::Media {
        let mut attributes = Vec::new();
        for codec in &self.codecs {
            attributes.extend(codec.rtpmap().map(|value| attribute("rtpmap", value)));
            if let Some(fmtp) = &codec.fmtp {
                attributes.push(attribute("fmtp", format!("{} {fmtp}", codec.payload)));
            }
        }
        attributes.extend(self.attributes.iter().map(Attribute::to_written));
        attributes.extend(self.rtcp.map(|rtcp| attribute("rtcp", rtcp.to_string())));
        if self.rtcp_mux {
            attributes.push(sdp_types::Attribute { attribute: "rtcp-mux".to_owned(), value: None });
        }
        attributes.extend(self.direction.map(direction_attribute));
        sdp_types::Media {
            media: single_word(self.kind.as_str()),
            port: self.port,
            num_ports: None,
            proto: single_word(&self.protocol),
            fmt: if self.formats.is_empty() { "0".to_owned() } else { self.formats.join(" ") },
            media_title: None,
            connections: self
                .connection
                .map(sdp_types::Connection::from_ip_addr)
                .into_iter()
                .collect(),
            bandwidths: self.bandwidths.iter().map(Bandwidth::to_written).collect(),
            key: None,
            attributes,
        }
    }
}

impl Attribute {
    fn from_parsed(parsed: sdp_types::Attribute) -> Self {
        Attribute { name: parsed.attribute, value: parsed.value }
    }

    fn to_written(&self) -> sdp_types::Attribute {
        sdp_types::Attribute { attribute: self.name.clone(), value: self.value.clone() }
    }
}

impl Bandwidth {
    fn from_parsed(parsed: sdp_types::Bandwidth) -> Self {
        Bandwidth { kind: parsed.bwtype, value: parsed.bandwidth }
    }

    fn to_written(&self) -> sdp_types::Bandwidth {
        sdp_types::Bandwidth { bwtype: self.kind.clone(), bandwidth: self.value }
    }
}

impl Rtcp {
    /// RFC 3605: `port` or `port nettype addrtype address`.
    fn from_value(value: &str) -> Option<Self> {
        let mut fields = value.split_whitespace();
        let port = fields.next()?.parse().ok()?;
        Some(Rtcp { port, address: fields.nth(2).and_then(parse_address) })
    }
}

impl std::fmt::Display for Rtcp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.port)?;
        match self.address {
            Some(IpAddr::V4(address)) => write!(f, " IN IP4 {address}"),
            Some(IpAddr::V6(address)) => write!(f, " IN IP6 {address}"),
            None => Ok(()),
        }
    }
}

fn attribute(name: &str, value: String) -> sdp_types::Attribute {
    sdp_types::Attribute { attribute: name.to_owned(), value: Some(value) }
}

fn direction_attribute(direction: Direction) -> sdp_types::Attribute {
    sdp_types::Attribute { attribute: direction.as_str().to_owned(), value: None }
}

/// The address of a c= line without TTL and count.
fn connection_address(connection: &sdp_types::Connection) -> Option<IpAddr> {
    let text = connection.connection_address.as_str();
    parse_address(text.split_once('/').map_or(text, |(address, _)| address))
}

/// SEC-19: a mapped IPv4 address is compared and used as the IPv4 address it is.
fn parse_address(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// A field that is written between blanks must not contain any.
fn single_word(text: &str) -> String {
    let word: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    if word.is_empty() { "-".to_owned() } else { word }
}
