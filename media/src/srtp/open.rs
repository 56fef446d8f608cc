//! Checking and decrypting what a peer sends. Owned by the worker of its stream.

use super::cipher::{Parts, Transform};
use super::derive::Protocol;
use super::material::Material;
use super::replay::{Window, index_of};
use super::{SrtpError, Suite};
use crate::rtp::header::header_len;

/// Sources of one stream whose numbers are remembered; one more takes the place of the one that has
/// been silent for the longest time.
pub const SSRCS_MAX: usize = 8;
/// Octets of an RTCP header with its SSRC.
const RTCP_HEADER: usize = 8;
/// The E bit and the index of SRTCP.
const RTCP_INDEX: usize = 4;

/// Opens the packets of one direction of a stream.
pub struct Opener {
    suite: Suite,
    rtp: Transform,
    rtcp: Transform,
    sources: [Source; SSRCS_MAX],
    /// Counts authentic packets: the age of sources.
    turn: u64,
}

#[derive(Clone, Copy, Default)]
struct Source {
    ssrc: u32,
    rtp: Option<Window>,
    rtcp: Option<Window>,
    used: u64,
}

impl Opener {
    /// An opener that has seen no packet.
    #[must_use]
    pub fn new(material: &Material) -> Self {
        Self {
            suite: material.suite(),
            rtp: Transform::new(material, Protocol::Rtp),
            rtcp: Transform::new(material, Protocol::Rtcp),
            sources: [Source::default(); SSRCS_MAX],
            turn: 0,
        }
    }

    /// Its suite.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Checks an SRTP packet and makes it an RTP packet in place; returns its length.
    ///
    /// Source: RFC 3711 §3.3. Errors: Malformed, Replay, Authentication; nothing is remembered then.
    pub fn open_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let header = header_len(packet).ok_or(SrtpError::Malformed)?;
        let (sequence, ssrc) = (half(packet, 2)?, word(packet, 8)?);
        let known = self.find(ssrc).and_then(|source| source.rtp);
        let window = known.unwrap_or_default();
        let index = match known {
            Some(window) => index_of(window.highest(), sequence),
            None => u64::from(sequence),
        };
        if !window.allows(index) {
            return Err(SrtpError::Replay);
        }
        let length = packet.len().checked_sub(self.rtp.tag_len()).ok_or(SrtpError::Malformed)?;
        let (rest, tag) = packet.split_at_mut_checked(length).ok_or(SrtpError::Malformed)?;
        let (clear, body) = rest.split_at_mut_checked(header).ok_or(SrtpError::Malformed)?;
        let roll_over = roll_over(index);
        let trailer = if self.rtp.is_aead() { &[][..] } else { &roll_over[..] };
        let parts = Parts { clear, body, trailer, tag, ssrc, index, is_encrypted: true };
        self.rtp.open(parts)?;
        self.source(ssrc).rtp.get_or_insert_default().note(index);
        Ok(length)
    }

    /// Checks an SRTCP packet and makes it an RTCP packet in place; returns its length.
    ///
    /// Source: RFC 3711 §3.4, RFC 7714 §9. Errors: as for [`Opener::open_rtp`].
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let ssrc = word(packet, 4)?;
        let tag_len = self.rtcp.tag_len();
        let total = packet.len();
        let length = total.checked_sub(tag_len + RTCP_INDEX).ok_or(SrtpError::Malformed)?;
        let mut trailer = [0; RTCP_INDEX];
        let trailer_at = if self.rtcp.is_aead() { total - RTCP_INDEX } else { length };
        let place = packet.get(trailer_at..trailer_at + RTCP_INDEX).unwrap_or_default();
        trailer.copy_from_slice(place);
        let word = u32::from_be_bytes(trailer);
        let (is_encrypted, index) = (word >> 31 == 1, u64::from(word & 0x7fff_ffff));
        let window = self.find(ssrc).and_then(|source| source.rtcp).unwrap_or_default();
        if !window.allows(index) {
            return Err(SrtpError::Replay);
        }
        let (rest, tail) = packet.split_at_mut_checked(length).ok_or(SrtpError::Malformed)?;
        let tag_at = if self.rtcp.is_aead() { 0 } else { RTCP_INDEX };
        let tag = tail.get_mut(tag_at..tag_at + tag_len).ok_or(SrtpError::Malformed)?;
        let header = if is_encrypted { RTCP_HEADER } else { length };
        let (clear, body) = rest.split_at_mut_checked(header).ok_or(SrtpError::Malformed)?;
        let parts = Parts { clear, body, trailer: &trailer, tag, ssrc, index, is_encrypted };
        self.rtcp.open(parts)?;
        self.source(ssrc).rtcp.get_or_insert_default().note(index);
        Ok(length)
    }

    fn find(&self, ssrc: u32) -> Option<&Source> {
        self.sources.iter().find(|source| source.used > 0 && source.ssrc == ssrc)
    }

    /// The memory of a source that has just proved itself.
    fn source(&mut self, ssrc: u32) -> &mut Source {
        self.turn += 1;
        let known = |source: &Source| source.used > 0 && source.ssrc == ssrc;
        let oldest = |(_, source): &(usize, &Source)| source.used;
        let at = self.sources.iter().position(known).unwrap_or_else(|| {
            self.sources.iter().enumerate().min_by_key(oldest).map_or(0, |(at, _)| at)
        });
        let source = &mut self.sources[at % SSRCS_MAX];
        if source.used == 0 || source.ssrc != ssrc {
            *source = Source { ssrc, ..Source::default() };
        }
        source.used = self.turn;
        source
    }
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Opener({})", self.suite)
    }
}

/// The roll-over counter of an index, as it is authenticated.
pub(super) fn roll_over(index: u64) -> [u8; 4] {
    u32::try_from(index >> 16).unwrap_or_default().to_be_bytes()
}

pub(super) fn word(packet: &[u8], at: usize) -> Result<u32, SrtpError> {
    let octets = packet.get(at..).and_then(|tail| tail.first_chunk::<4>());
    octets.map(|octets| u32::from_be_bytes(*octets)).ok_or(SrtpError::Malformed)
}

pub(super) fn half(packet: &[u8], at: usize) -> Result<u16, SrtpError> {
    let octets = packet.get(at..).and_then(|tail| tail.first_chunk::<2>());
    octets.map(|octets| u16::from_be_bytes(*octets)).ok_or(SrtpError::Malformed)
}
