//! Encrypting and authenticating what a peer is sent. Shared by all workers that send to it.
//!
//! A stream's continuity gives its packets one SSRC, so one counter does. Two workers may send in the
//! moment when the source of a stream changes: every index is claimed before it is used, so that no
//! two packets ever share a key stream, whatever their numbers say.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::cipher::{Parts, Transform};
use super::derive::Protocol;
use super::material::Material;
use super::open::{half, roll_over, word};
use super::replay::{INDEX_MAX, WINDOW, index_of};
use super::{SrtpError, Suite};
use crate::rtp::header::header_len;

const WINDOW_LEN: usize = 128;
const _: () = assert!(WINDOW_LEN as u64 == WINDOW);
const RTCP_HEADER: usize = 8;
const RTCP_INDEX: usize = 4;
const RTCP_INDEX_MAX: u32 = 0x7fff_ffff;

/// Seals the packets of one direction of a stream.
pub struct Sealer {
    suite: Suite,
    rtp: Transform,
    rtcp: Transform,
    /// One more than the highest index that was claimed.
    next: AtomicU64,
    /// One more than the last index that was claimed among those with the same remainder.
    claimed: Box<[AtomicU64; WINDOW_LEN]>,
    rtcp_next: AtomicU32,
}

impl Sealer {
    /// A sealer that has sealed nothing.
    #[must_use]
    pub fn new(material: &Material) -> Self {
        Self {
            suite: material.suite(),
            rtp: Transform::new(material, Protocol::Rtp),
            rtcp: Transform::new(material, Protocol::Rtcp),
            next: AtomicU64::new(0),
            claimed: Box::new([const { AtomicU64::new(0) }; WINDOW_LEN]),
            rtcp_next: AtomicU32::new(0),
        }
    }

    /// Its suite.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Makes the first `length` octets of a buffer an SRTP packet; returns its length.
    ///
    /// Source: RFC 3711 §3.3. Errors: Malformed (no RTP, or no room behind it), Replay (a packet of
    /// this number was sent), Exhausted.
    pub fn seal_rtp(&self, buffer: &mut [u8], length: usize) -> Result<usize, SrtpError> {
        let header = buffer.get(..length).and_then(header_len).ok_or(SrtpError::Malformed)?;
        let (sequence, ssrc) = (half(buffer, 2)?, word(buffer, 8)?);
        let total = length + self.rtp.tag_len();
        let packet = buffer.get_mut(..total).ok_or(SrtpError::Malformed)?;
        let index = self.claim(sequence)?;
        let (rest, tag) = packet.split_at_mut_checked(length).ok_or(SrtpError::Malformed)?;
        let (clear, body) = rest.split_at_mut_checked(header).ok_or(SrtpError::Malformed)?;
        let roll_over = roll_over(index);
        let trailer = if self.rtp.is_aead() { &[][..] } else { &roll_over[..] };
        self.rtp.seal(Parts { clear, body, trailer, tag, ssrc, index, is_encrypted: true })?;
        Ok(total)
    }

    /// Makes the first `length` octets of a buffer an SRTCP packet; returns its length.
    ///
    /// Source: RFC 3711 §3.4, RFC 7714 §9. Errors: Malformed, Exhausted.
    pub fn seal_rtcp(&self, buffer: &mut [u8], length: usize) -> Result<usize, SrtpError> {
        let ssrc = buffer.get(..length).map_or(Err(SrtpError::Malformed), |head| word(head, 4))?;
        let tag_len = self.rtcp.tag_len();
        let total = length + tag_len + RTCP_INDEX;
        let packet = buffer.get_mut(..total).ok_or(SrtpError::Malformed)?;
        let number = self.rtcp_next.fetch_add(1, Ordering::Relaxed);
        if number > RTCP_INDEX_MAX {
            self.rtcp_next.store(RTCP_INDEX_MAX + 1, Ordering::Relaxed);
            return Err(SrtpError::Exhausted);
        }
        let trailer = (number | 1 << 31).to_be_bytes();
        let (rest, tail) = packet.split_at_mut_checked(length).ok_or(SrtpError::Malformed)?;
        let (clear, body) = rest.split_at_mut_checked(RTCP_HEADER).ok_or(SrtpError::Malformed)?;
        let (tag_at, index_at) = if self.rtcp.is_aead() { (0, tag_len) } else { (RTCP_INDEX, 0) };
        let tag = tail.get_mut(tag_at..tag_at + tag_len).ok_or(SrtpError::Malformed)?;
        let index = u64::from(number);
        let parts = Parts { clear, body, trailer: &trailer, tag, ssrc, index, is_encrypted: true };
        self.rtcp.seal(parts)?;
        if let Some(place) = tail.get_mut(index_at..index_at + RTCP_INDEX) {
            place.copy_from_slice(&trailer);
        }
        Ok(total)
    }

    /// The index of a packet that is about to be sent; each is given once.
    fn claim(&self, sequence: u16) -> Result<u64, SrtpError> {
        let next = self.next.load(Ordering::Relaxed);
        let index = match next.checked_sub(1) {
            Some(highest) => index_of(highest, sequence),
            None => u64::from(sequence),
        };
        if index > INDEX_MAX {
            return Err(SrtpError::Exhausted);
        }
        if index + WINDOW < next {
            return Err(SrtpError::Replay);
        }
        let place = usize::try_from(index % WINDOW).unwrap_or_default();
        let place = self.claimed.get(place).ok_or(SrtpError::Malformed)?;
        if place.fetch_max(index + 1, Ordering::Relaxed) > index {
            return Err(SrtpError::Replay);
        }
        self.next.fetch_max(index + 1, Ordering::Relaxed);
        Ok(index)
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Sealer({})", self.suite)
    }
}
