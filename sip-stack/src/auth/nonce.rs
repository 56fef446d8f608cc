//! Nonces that need no memory until they are used, and the memory of those that were.
//!
//! A nonce is base64url(time ‖ serial ‖ HMAC-SHA256(secret, time ‖ serial ‖ realm ‖ source)): it proves
//! itself, and that it was given to this source (SEC-22). Only nonces used by somebody who knows a password are remembered, with the counts seen.

use std::collections::VecDeque;
use std::net::IpAddr;

use ahash::AHashMap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::guard::source_of;

/// Most nonces whose counts are remembered; the oldest is forgotten and dead from then on.
pub const MAX_NONCES: usize = 65_536;

/// Octets of the HMAC that are sent.
const PROOF_LENGTH: usize = 16;

/// What a genuine nonce says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Nonce {
    /// When it was made.
    pub(super) unix_s: u64,
    serial: u64,
}

/// Makes nonces and recognises its own.
pub(super) struct Mint {
    realm: String,
    secret: [u8; 32],
    former_secret: Option<[u8; 32]>,
    next_serial: u64,
}

impl Mint {
    pub(super) const fn new(realm: String, secret: [u8; 32]) -> Self {
        Self { realm, secret, former_secret: None, next_serial: 0 }
    }

    /// From now on `secret` makes the nonces; those made with the last one stay good.
    pub(super) const fn rotate(&mut self, secret: [u8; 32]) {
        self.former_secret = Some(std::mem::replace(&mut self.secret, secret));
    }

    pub(super) fn make(&mut self, unix_s: u64, source: IpAddr) -> String {
        let nonce = Nonce { unix_s, serial: self.next_serial & u64::from(u32::MAX) };
        self.next_serial = self.next_serial.wrapping_add(1);
        let mut octets = nonce.octets().to_vec();
        octets.extend_from_slice(&self.proof(&self.secret, nonce, source));
        URL_SAFE_NO_PAD.encode(octets)
    }

    /// The nonce, if it is one that we gave to this source, in its only spelling.
    pub(super) fn recognise(&self, text: &str, source: IpAddr) -> Option<Nonce> {
        let octets = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (unix_s, rest) = octets.split_first_chunk::<4>()?;
        let (serial, proof) = rest.split_first_chunk::<4>()?;
        let (unix_s, serial) = (u32::from_be_bytes(*unix_s), u32::from_be_bytes(*serial));
        let nonce = Nonce { unix_s: u64::from(unix_s), serial: u64::from(serial) };
        let is_current = self.proof(&self.secret, nonce, source).ct_eq(proof);
        let former = self.former_secret.as_ref().unwrap_or(&self.secret);
        let is_former = self.proof(former, nonce, source).ct_eq(proof);
        let is_canonical = URL_SAFE_NO_PAD.encode(&octets) == text;
        (bool::from(is_current | is_former) && is_canonical).then_some(nonce)
    }

    /// A pseudo-random value for a name: the same each time, known to nobody else.
    pub(super) fn decoy(&self, user: &str) -> [u8; 32] {
        keyed(&self.secret, &[b"decoy", user.as_bytes()])
    }

    fn proof(&self, secret: &[u8; 32], nonce: Nonce, source: IpAddr) -> [u8; PROOF_LENGTH] {
        let source = match source_of(source) {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        let parts: [&[u8]; 4] =
            [b"nonce", &nonce.octets(), &source.octets(), self.realm.as_bytes()];
        let full = keyed(secret, &parts);
        full.first_chunk().copied().unwrap_or_default()
    }
}

impl Nonce {
    /// Short, because a challenge must not be longer than what it answers: 32 bits each.
    fn octets(self) -> [u8; 8] {
        ((self.unix_s << 32) | (self.serial & u64::from(u32::MAX))).to_be_bytes()
    }
}

fn keyed(secret: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // RFC 2104 §2: a key shorter than a block is filled up with zeros.
    let mut block = [0; 64];
    for (place, octet) in block.iter_mut().zip(secret) {
        *place = *octet;
    }
    let mut mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The counts that were seen under one nonce.
#[derive(Clone, Copy, Debug)]
struct Counts {
    highest: u32,
    /// Bit n: `highest - n` was seen.
    seen: u64,
}

/// What has been seen of the nonces in use.
#[derive(Default)]
pub(super) struct ReplayWindow {
    counts: AHashMap<Nonce, Counts>,
    order: VecDeque<Nonce>,
    /// Nonces made up to then may have been forgotten and cannot enter again.
    forgotten_unix_s: Option<u64>,
}

impl ReplayWindow {
    /// Whether the nonce has been used successfully before.
    pub(super) fn knows(&self, nonce: Nonce) -> bool {
        self.counts.contains_key(&nonce)
    }

    /// Notes a use; false if it was seen before, is too old to tell, or does not start at 1.
    pub(super) fn enter(&mut self, nonce: Nonce, nc: u32) -> bool {
        let Some(counts) = self.counts.get_mut(&nonce) else {
            if nc != 1 || self.forgotten_unix_s.is_some_and(|until| nonce.unix_s <= until) {
                return false;
            }
            self.make_room();
            self.counts.insert(nonce, Counts { highest: nc, seen: 1 });
            self.order.push_back(nonce);
            return true;
        };
        if nc > counts.highest {
            let ahead = nc - counts.highest;
            counts.seen = counts.seen.checked_shl(ahead).unwrap_or(0) | 1;
            counts.highest = nc;
            return true;
        }
        let Some(bit) = 1u64.checked_shl(counts.highest - nc) else { return false };
        let is_new = counts.seen & bit == 0;
        counts.seen |= bit;
        is_new && nc > 0
    }

    /// Forgets the nonces made before then: they are too old to be used.
    pub(super) fn forget_before(&mut self, unix_s: u64) {
        while self.order.front().is_some_and(|nonce| nonce.unix_s < unix_s) {
            self.forget_oldest();
        }
    }

    fn make_room(&mut self) {
        while self.order.len() >= MAX_NONCES {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(nonce) = self.order.pop_front() {
            self.counts.remove(&nonce);
            self.forgotten_unix_s = self.forgotten_unix_s.max(Some(nonce.unix_s));
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    fn mint() -> Mint {
        Mint::new("example.com".into(), [7; 32])
    }

    #[test]
    fn recognises_its_own_nonces_and_no_others() {
        let mut ours = mint();
        let text = ours.make(1_000, HERE);
        assert_eq!(text.len(), 32);
        assert_eq!(ours.recognise(&text, HERE).unwrap().unix_s, 1_000);
        assert_ne!(ours.make(1_000, HERE), text);
        assert!(ours.recognise(&text, "192.0.2.8".parse().unwrap()).is_none(), "given to another");
        assert!(ours.recognise(&text, "::ffff:192.0.2.7".parse().unwrap()).is_some());
        assert!(Mint::new("example.com".into(), [8; 32]).recognise(&text, HERE).is_none());
        assert!(Mint::new("example.org".into(), [7; 32]).recognise(&text, HERE).is_none());
    }

    #[test]
    fn any_other_spelling_is_unknown() {
        let mut ours = mint();
        let text = ours.make(1_000, HERE);
        let cut = text.get(..31).unwrap();
        for other in [cut, &format!("{text}="), &format!("{text}A"), &format!(" {text}"), ""] {
            assert!(ours.recognise(other, HERE).is_none(), "{other}");
        }
        for at in 0..text.len() {
            let mut octets = text.clone().into_bytes();
            octets[at] = if octets[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(octets).unwrap();
            assert!(ours.recognise(&changed, HERE).is_none(), "changed at {at}");
        }
    }

    #[test]
    fn the_secret_before_the_last_change_is_dead() {
        let mut ours = mint();
        let text = ours.make(1_000, HERE);
        ours.rotate([8; 32]);
        assert!(ours.recognise(&text, HERE).is_some());
        ours.rotate([9; 32]);
        assert!(ours.recognise(&text, HERE).is_none());
    }

    fn nonce(serial: u64) -> Nonce {
        Nonce { unix_s: 100 + serial, serial }
    }

    #[test]
    fn a_count_is_good_once_in_any_order_within_the_window() {
        let mut window = ReplayWindow::default();
        assert!(!window.enter(nonce(0), 2), "a new nonce starts at 1");
        for nc in [1, 2, 5, 3, 70, 69, 7] {
            assert!(window.enter(nonce(0), nc), "{nc}");
            assert!(!window.enter(nonce(0), nc), "{nc} again");
        }
        assert!(!window.enter(nonce(0), 6), "64 counts back is too far");
        assert!(!window.enter(nonce(0), 0));
        assert!(window.enter(nonce(0), u32::MAX));
        assert!(!window.enter(nonce(0), 70));
    }

    #[test]
    fn the_table_is_bounded_and_a_forgotten_nonce_is_dead() {
        let mut window = ReplayWindow::default();
        for serial in 0..(MAX_NONCES as u64 + 10) {
            assert!(window.enter(nonce(serial), 1));
        }
        assert_eq!(window.len(), MAX_NONCES);
        assert!(!window.enter(nonce(3), 1), "replay of a forgotten nonce");
        assert!(window.knows(nonce(10)));
        window.forget_before(100 + MAX_NONCES as u64);
        assert_eq!(window.len(), 10);
    }
}
