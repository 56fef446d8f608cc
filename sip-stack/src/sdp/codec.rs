//! A payload format of an RTP m-line: number, name, clock, parameters.

use std::fmt;

/// One RTP payload format: its number in this description and what it means.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Codec {
    /// RTP payload type, 0 to 127.
    pub payload: u8,
    /// Encoding name as written; empty for a dynamic number without a=rtpmap.
    pub name: String,
    /// RTP clock; 0 when the name is empty.
    pub clock_hz: u32,
    /// Audio channels; 1 when nothing is said.
    pub channels: u16,
    /// Value of a=fmtp without the number, byte for byte.
    pub fmtp: Option<String>,
}

/// The codecs the exchange itself can speak, for tones and statistics.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CodecFamily {
    /// G.711 µ-law, 8 kHz.
    Pcmu,
    /// G.711 A-law, 8 kHz.
    Pcma,
    /// G.722; 16 kHz audio under an 8 kHz RTP clock.
    G722,
    /// Anything else: relayed, never spoken.
    Other,
}

/// RFC 3551 tables 4 and 5: payload numbers that mean something without a=rtpmap.
const STATIC_PAYLOADS: [(u8, &str, u32, u16); 24] = [
    (0, "PCMU", 8000, 1),
    (3, "GSM", 8000, 1),
    (4, "G723", 8000, 1),
    (5, "DVI4", 8000, 1),
    (6, "DVI4", 16000, 1),
    (7, "LPC", 8000, 1),
    (8, "PCMA", 8000, 1),
    (9, "G722", 8000, 1),
    (10, "L16", 44100, 2),
    (11, "L16", 44100, 1),
    (12, "QCELP", 8000, 1),
    (13, "CN", 8000, 1),
    (14, "MPA", 90000, 1),
    (15, "G728", 8000, 1),
    (16, "DVI4", 11025, 1),
    (17, "DVI4", 22050, 1),
    (18, "G729", 8000, 1),
    (25, "CelB", 90000, 1),
    (26, "JPEG", 90000, 1),
    (28, "nv", 90000, 1),
    (31, "H261", 90000, 1),
    (32, "MPV", 90000, 1),
    (33, "MP2T", 90000, 1),
    (34, "H263", 90000, 1),
];

/// Formats that accompany a codec and cannot carry a conversation alone.
const AUXILIARY: [&str; 9] =
    ["telephone-event", "tone", "CN", "red", "rtx", "ulpfec", "parityfec", "flexfec", "flexfec-03"];

/// Clock assumed when a=rtpmap names none, as some gateways write telephone-event.
const DEFAULT_CLOCK_HZ: u32 = 8000;

impl Codec {
    /// Highest RTP payload number.
    pub const MAX_PAYLOAD: u8 = 127;

    /// A single-channel codec without parameters.
    pub fn new(payload: u8, name: &str, clock_hz: u32) -> Self {
        Codec { payload, name: name.to_owned(), clock_hz, channels: 1, fmtp: None }
    }

    /// G.711 µ-law, static number 0.
    pub fn pcmu() -> Self {
        Codec::new(0, "PCMU", 8000)
    }

    /// G.711 A-law, static number 8.
    pub fn pcma() -> Self {
        Codec::new(8, "PCMA", 8000)
    }

    /// G.722, static number 9; RFC 3551 §4.5.2 fixes its RTP clock at 8000.
    pub fn g722() -> Self {
        Codec::new(9, "G722", 8000)
    }

    /// Opus for speech, dynamic number 96 (RFC 7587 §6.1, §7: always 48 kHz and two channels).
    pub fn opus() -> Self {
        let fmtp = Some(Self::OPUS_SPEECH.to_owned());
        Codec { channels: 2, fmtp, ..Codec::new(96, "opus", 48_000) }
    }

    /// What we ask of those who send us Opus: one channel that is no wider than 16 kHz.
    pub const OPUS_SPEECH: &str =
        "maxplaybackrate=16000;sprop-maxcapturerate=16000;maxaveragebitrate=40000;stereo=0";

    /// Telephone events 0 to 16 at 8 kHz (RFC 4733), dynamic number 101.
    pub fn telephone_event() -> Self {
        Codec { fmtp: Some("0-16".to_owned()), ..Codec::new(101, "telephone-event", 8000) }
    }

    /// What the number means before any a=rtpmap is read; nameless for dynamic numbers.
    pub fn from_payload(payload: u8) -> Self {
        match STATIC_PAYLOADS.iter().find(|row| row.0 == payload) {
            Some(&(_, name, clock_hz, channels)) => {
                Codec { channels, ..Codec::new(payload, name, clock_hz) }
            }
            None => Codec::new(payload, "", 0),
        }
    }

    /// Reads the value of a=rtpmap: number, then name/clock/channels.
    pub(super) fn from_rtpmap(value: &str) -> Option<Self> {
        let (payload, rest) = split_number(value)?;
        let encoding = rest.split_whitespace().next()?;
        let mut parts = encoding.split('/');
        let name = parts.next().filter(|name| !name.is_empty())?;
        let clock_hz = parts.next().and_then(|text| text.parse().ok()).unwrap_or(DEFAULT_CLOCK_HZ);
        let channels = parts.next().and_then(|text| text.parse().ok()).unwrap_or(1).max(1);
        Some(Codec { channels, ..Codec::new(payload, name, clock_hz) })
    }

    /// Whether both describe the same encoding, whatever their numbers and parameters.
    ///
    /// A nameless codec is only ever the one with its own number.
    pub fn is_same_encoding(&self, other: &Codec) -> bool {
        if self.name.is_empty() || other.name.is_empty() {
            return self.name == other.name && self.payload == other.payload;
        }
        self.name.eq_ignore_ascii_case(&other.name)
            && self.channels == other.channels
            && self.rtp_clock_hz() == other.rtp_clock_hz()
    }

    /// Whether it can carry media by itself: not telephone events, comfort noise or redundancy.
    pub fn is_real(&self) -> bool {
        !AUXILIARY.iter().any(|name| self.name.eq_ignore_ascii_case(name))
    }

    /// Whether it is the telephone-event format of RFC 4733.
    pub fn is_telephone_event(&self) -> bool {
        self.name.eq_ignore_ascii_case("telephone-event")
    }

    /// Which of the codecs the exchange speaks this is.
    pub fn family(&self) -> CodecFamily {
        let is = |name: &str| self.name.eq_ignore_ascii_case(name) && self.channels == 1;
        match self.rtp_clock_hz() {
            8000 if is("PCMU") => CodecFamily::Pcmu,
            8000 if is("PCMA") => CodecFamily::Pcma,
            8000 if is("G722") => CodecFamily::G722,
            _ => CodecFamily::Other,
        }
    }

    /// The number means the same encoding in every description (RFC 3551).
    pub fn is_static(&self) -> bool {
        STATIC_PAYLOADS.iter().any(|row| row.0 == self.payload)
            && Codec::from_payload(self.payload).is_same_encoding(self)
    }

    /// G.722 written with its sampling rate instead of its RTP clock is still G.722.
    fn rtp_clock_hz(&self) -> u32 {
        if self.name.eq_ignore_ascii_case("G722") && self.clock_hz == 16000 {
            8000
        } else {
            self.clock_hz
        }
    }

    /// The value of a=rtpmap, if the codec has a name.
    pub(super) fn rtpmap(&self) -> Option<String> {
        if self.name.is_empty() {
            return None;
        }
        Some(format!("{} {self}", self.payload))
    }
}

/// `name/clock` or `name/clock/channels`; a nameless codec shows its number.
impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() {
            return write!(f, "{}", self.payload);
        }
        write!(f, "{}/{}", self.name, self.clock_hz)?;
        if self.channels > 1 {
            write!(f, "/{}", self.channels)?;
        }
        Ok(())
    }
}

/// Splits the payload number from the front of an rtpmap or fmtp value.
pub(super) fn split_number(value: &str) -> Option<(u8, &str)> {
    let value = value.trim_start();
    let (number, rest) = value.split_once([' ', '\t']).unwrap_or((value, ""));
    let payload = parse_payload(number)?;
    Some((payload, rest.trim()))
}

/// Reads a payload number; `None` when it is no number of RTP.
pub(super) fn parse_payload(text: &str) -> Option<u8> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|payload| *payload <= Codec::MAX_PAYLOAD)
}
