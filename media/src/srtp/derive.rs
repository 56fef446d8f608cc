//! From a master key to session keys (RFC 3711 §4.3, RFC 6188 §3, RFC 7714 §11), rate 0.

use zeroize::Zeroizing;

use super::cipher::Block;
use super::material::Material;

/// Octets of the longest encryption key.
pub(super) const KEY_MAX: usize = 32;
/// Octets of an HMAC-SHA1 key.
pub(super) const AUTH_LEN: usize = 20;
/// Octets of the longest salt.
pub(super) const SALT_MAX: usize = 14;

/// Session keys of one of the two protocols.
pub(super) struct Session {
    pub(super) key: Zeroizing<[u8; KEY_MAX]>,
    pub(super) auth: Zeroizing<[u8; AUTH_LEN]>,
    pub(super) salt: Zeroizing<[u8; SALT_MAX]>,
}

/// Which protocol; its labels follow each other from here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Protocol {
    Rtp,
    Rtcp,
}

/// Derives the session keys.
pub(super) fn derive(material: &Material, protocol: Protocol) -> Session {
    let first = match protocol {
        Protocol::Rtp => 0,
        Protocol::Rtcp => 3,
    };
    let mut session = Session {
        key: Zeroizing::new([0; KEY_MAX]),
        auth: Zeroizing::new([0; AUTH_LEN]),
        salt: Zeroizing::new([0; SALT_MAX]),
    };
    let block = Block::new(material.key());
    let key_len = material.suite().key_len();
    let salt_len = material.suite().salt_len();
    generate(&block, material.salt(), first, session.key.get_mut(..key_len).unwrap_or_default());
    generate(&block, material.salt(), first + 1, session.auth.as_mut_slice());
    let salt = session.salt.get_mut(..salt_len).unwrap_or_default();
    generate(&block, material.salt(), first + 2, salt);
    session
}

/// Writes as many octets of the generator's output under a label as there is room for.
pub(super) fn generate(block: &Block, salt: &[u8], label: u8, out: &mut [u8]) {
    // The salt stands at the beginning; one of 96 bits is followed by zeroes (RFC 7714 §11).
    let mut counter = [0; 16];
    for (place, octet) in counter.iter_mut().zip(salt) {
        *place = *octet;
    }
    // RFC 3711 §4.3.1: the label is the octet before the 48 bits of the index, which is 0.
    counter[7] ^= label;
    out.fill(0);
    block.add_key_stream(&counter, out);
}
