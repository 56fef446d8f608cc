//! ICE-lite: answering a peer's connectivity checks (RFC 8445 §2.5, RFC 8489).
//!
//! A pure function from a packet to an answer: no state, no socket, no allocation. We are lite and so
//! controlled: we send no checks, and the pair that the peer nominates is the one that is used.
//!
//! LIMIT: a check whose integrity is wrong is dropped, not answered with 401 (RFC 8489 §9.1.3): what
//! does not know the password gets no answer at all (SEC-84).

mod stun;

use std::net::SocketAddr;

use self::stun::{Class, Reader, Writer};

/// Octets of the longest answer.
pub const ANSWER_MAX: usize = 128;
/// Longest user name fragment or password (RFC 8445 §5.3 allows 256; nobody writes so much).
pub const CREDENTIAL_MAX: usize = 256;

/// What a stream's checks are answered with.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Our user name fragment: what a check's user name begins with.
    pub fragment: String,
    /// Our password: what its integrity is made with.
    pub password: String,
    /// The peer's user name fragment: what a check's user name ends with.
    pub peer_fragment: String,
}

/// Passwords are not shown.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Credentials({}:{})", self.fragment, self.peer_fragment)
    }
}

/// What a packet turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Check {
    /// A check of the peer. The answer stands at the beginning of the buffer and goes back to where
    /// the packet came from.
    Valid {
        /// Octets of the answer.
        length: usize,
        /// The peer wants this pair to be used.
        is_nominated: bool,
    },
    /// A check of the peer that cannot be granted; the answer says why.
    Refused {
        /// Octets of the answer.
        length: usize,
    },
    /// Not a check of the peer: no answer.
    Foreign,
}

/// Whether a packet's first octet is that of STUN (RFC 7983).
#[must_use]
pub fn is_stun(packet: &[u8]) -> bool {
    matches!(packet, [0..=3, ..]) && packet.len() >= stun::HEADER_LEN
}

/// Whom a check is addressed to: our user name fragment, which its user name begins with.
#[must_use]
pub fn fragment(packet: &[u8]) -> Option<&str> {
    if !is_stun(packet) {
        return None;
    }
    let name = Reader::read(packet)?.username()?;
    let colon = name.iter().position(|octet| *octet == b':')?;
    std::str::from_utf8(name.get(..colon)?).ok()
}

/// Answers a packet that came from `from`: its first `length` octets are read, and the answer is
/// written over them.
///
/// Source: RFC 8445 §7.3, RFC 8489 §6.3.1, §14.
pub fn answer(
    credentials: &Credentials,
    buffer: &mut [u8; ANSWER_MAX],
    packet: &[u8],
    from: SocketAddr,
) -> Check {
    let Some(reader) = Reader::read(packet) else { return Check::Foreign };
    // What costs least comes first: strangers do not know the name (SEC-89).
    let is_ours = reader.class() == Class::BindingRequest
        && reader.username().is_some_and(|name| is_for(credentials, name));
    if !is_ours
        || !reader.has_fingerprint_or_none()
        || !reader.is_authentic(credentials.password.as_bytes())
    {
        return Check::Foreign;
    }
    let key = credentials.password.as_bytes();
    if let Some(unknown) = reader.unknown() {
        let mut writer = Writer::new(buffer, Class::BindingError, &reader);
        writer.error(420, "Unknown Attribute");
        writer.unknown(unknown);
        return Check::Refused { length: writer.finish(key) };
    }
    if reader.is_controlled() {
        // Two that are controlled: the lite one stays so (RFC 8445 §6.1.1).
        let mut writer = Writer::new(buffer, Class::BindingError, &reader);
        writer.error(487, "Role Conflict");
        return Check::Refused { length: writer.finish(key) };
    }
    let is_nominated = reader.is_nominating();
    let mut writer = Writer::new(buffer, Class::BindingSuccess, &reader);
    writer.xor_mapped_address(from);
    Check::Valid { length: writer.finish(key), is_nominated }
}

/// RFC 8445 §7.2.2: the user name is our fragment, a colon, the peer's.
fn is_for(credentials: &Credentials, name: &[u8]) -> bool {
    let own = credentials.fragment.as_bytes();
    let rest = name.strip_prefix(own).and_then(|rest| rest.strip_prefix(b":"));
    rest == Some(credentials.peer_fragment.as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The sample request of RFC 5769 §2.1.
    const SAMPLE: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c\
        69656e74002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020000800149a\
        eaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";
    const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let octet =
            |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(octet).collect()
    }

    fn credentials() -> Credentials {
        Credentials {
            fragment: "evtj".to_owned(),
            password: PASSWORD.to_owned(),
            peer_fragment: "h6vY".to_owned(),
        }
    }

    fn from() -> SocketAddr {
        "192.0.2.1:32853".parse().unwrap()
    }

    fn ask(packet: &[u8]) -> (Check, [u8; ANSWER_MAX]) {
        let mut buffer = [0; ANSWER_MAX];
        (answer(&credentials(), &mut buffer, packet, from()), buffer)
    }

    /// A request as a full agent writes it.
    fn request(attributes: &[(u16, &[u8])], password: &str) -> Vec<u8> {
        let mut buffer = [0; ANSWER_MAX];
        let mut writer = Writer::request(&mut buffer, [7; 12]);
        writer.attribute(0x0006, b"evtj:h6vY");
        for (kind, value) in attributes {
            writer.attribute(*kind, value);
        }
        let length = writer.finish(password.as_bytes());
        buffer[..length].to_vec()
    }

    #[test]
    fn the_sample_of_rfc_5769_is_authentic_and_its_sender_is_told_that_both_are_controlled() {
        let sample = hex(SAMPLE);
        assert!(is_stun(&sample));
        assert!(matches!(ask(&sample).0, Check::Refused { .. }));
        let mut changed = sample.clone();
        changed[40] ^= 1;
        assert_eq!(ask(&changed).0, Check::Foreign);
    }

    #[test]
    fn a_check_is_answered_with_the_address_that_it_came_from() {
        let controlling = (0x802a, &[1u8; 8][..]);
        let (check, buffer) = ask(&request(&[controlling], PASSWORD));
        let Check::Valid { length, is_nominated: false } = check else { panic!("{check:?}") };
        let reader = Reader::read(&buffer[..length]).unwrap();
        assert_eq!(reader.class(), Class::BindingSuccess);
        assert!(reader.is_authentic(PASSWORD.as_bytes()) && reader.has_fingerprint_or_none());
        // RFC 5769 §2.2: this address, so masked.
        let mapped = reader.attribute(0x0020).unwrap();
        assert_eq!(mapped, hex("0001a147e112a643"));
        let (check, _) = ask(&request(&[controlling, (0x0025, &[])], PASSWORD));
        assert!(matches!(check, Check::Valid { is_nominated: true, .. }));
    }

    #[test]
    fn what_does_not_know_the_password_or_is_for_others_gets_no_answer() {
        assert_eq!(ask(&request(&[], "another password of it")).0, Check::Foreign);
        let stranger = Credentials { fragment: "xxxx".to_owned(), ..credentials() };
        let mut buffer = [0; ANSWER_MAX];
        let packet = request(&[], PASSWORD);
        assert_eq!(answer(&stranger, &mut buffer, &packet, from()), Check::Foreign);
        let mut response = packet;
        response[0] = 1;
        assert_eq!(ask(&response).0, Check::Foreign);
    }

    #[test]
    fn an_attribute_that_must_be_understood_and_is_not_is_named() {
        let (check, buffer) = ask(&request(&[(0x7ffe, &[1, 2, 3, 4])], PASSWORD));
        let Check::Refused { length } = check else { panic!("{check:?}") };
        let reader = Reader::read(&buffer[..length]).unwrap();
        assert_eq!(reader.attribute(0x000a), Some(&[0x7f, 0xfe][..]));
        assert_eq!(reader.attribute(0x0009).map(|value| &value[..4]), Some(&[0, 0, 4, 20][..]));
    }

    proptest! {
        #[test]
        fn never_panics_and_never_answers_noise(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut bytes = bytes;
            prop_assert_eq!(ask(&bytes).0, Check::Foreign);
            if let Some(head) = bytes.get_mut(..8) {
                head.copy_from_slice(&[0, 1, 0, 80, 0x21, 0x12, 0xa4, 0x42]);
            }
            prop_assert_eq!(ask(&bytes).0, Check::Foreign);
        }
    }
}
