//! What comes to a media port, told by its first octet (RFC 7983 §7).

/// A kind of packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// STUN: a check of ICE.
    Check,
    /// DTLS: a part of a handshake.
    Handshake,
    /// RTP or RTCP, or nothing that is known: whoever reads media finds out.
    Media,
}

/// What a packet is.
#[must_use]
pub fn kind(packet: &[u8]) -> Kind {
    match packet.first() {
        Some(0..=3) => Kind::Check,
        Some(20..=63) => Kind::Handshake,
        _ => Kind::Media,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ranges_are_those_of_rfc_7983() {
        let kinds = |from: u8, to: u8| -> Vec<Kind> {
            let mut kinds: Vec<Kind> = (from..=to).map(|octet| kind(&[octet, 0])).collect();
            kinds.dedup();
            kinds
        };
        assert_eq!(kinds(0, 3), [Kind::Check]);
        assert_eq!(kinds(4, 19), [Kind::Media]);
        assert_eq!(kinds(20, 63), [Kind::Handshake]);
        assert_eq!(kinds(64, 255), [Kind::Media]);
        assert_eq!(kind(&[]), Kind::Media);
    }
}
