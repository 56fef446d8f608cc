//! The messages that the layer makes itself: ACK for refusals, CANCEL, and its own responses.

use std::fmt::Write as _;
use std::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};
use sha2::{Digest, Sha256};

use crate::message::{self, HeaderName, Message, MessageWriter, Method};
use crate::time::Entropy;

/// How the branches of RFC 3261 begin (§8.1.1.7).
pub const BRANCH_COOKIE: &str = "z9hG4bK";

/// A branch that nobody can guess or repeat.
pub fn new_branch(entropy: &mut (impl Entropy + ?Sized)) -> String {
    format!("{BRANCH_COOKIE}{:016x}{:016x}", entropy.next_u64(), entropy.next_u64())
}

/// The To tag of a response for which no state is kept: the same for each echo of the request.
#[must_use]
pub fn stateless_tag(request: &Message) -> String {
    let branch = request.via().ok().and_then(|via| via.branch.map(str::to_owned));
    let digest = Sha256::new()
        .chain_update(branch.as_deref().unwrap_or(""))
        .chain_update([0])
        .chain_update(request.call_id())
        .finalize();
    digest.iter().take(8).fold(String::new(), |mut tag, octet| {
        // Writing to a String cannot fail.
        let _ = write!(tag, "{octet:02x}");
        tag
    })
}

/// 100 Trying (RFC 3261 §8.2.6.1: without a To tag).
pub(super) fn trying(request: &Message) -> Bytes {
    message::response_to(request, 100, "Trying", None).finish(None, b"")
}

/// A response that the layer gives on its own.
pub(super) fn answer(request: &Message, status: u16, reason: &str, to_tag: &str) -> Bytes {
    message::response_to(request, status, reason, Some(to_tag)).finish(None, b"")
}

/// 503 with a Retry-After between 5 and 15 seconds, spread by the request's own branch.
pub(super) fn overloaded(request: &Message) -> Bytes {
    let tag = stateless_tag(request);
    let spread = tag.bytes().fold(0u32, |sum, octet| sum.wrapping_mul(31) + u32::from(octet));
    let mut response = message::response_to(request, 503, "Service Unavailable", Some(&tag));
    response.header(HeaderName::RetryAfter, 5 + spread % 11);
    response.finish(None, b"")
}

/// ACK for a refusal (RFC 3261 §17.1.1.3): the INVITE's Request-URI, top Via, From, Call-ID, Route
/// and CSeq number, the To of the response.
pub(super) fn acknowledgement(invite: &Message, refusal: &Message) -> Option<Bytes> {
    let mut ack = same_hop(invite, &Method::Ack)?;
    ack.header(HeaderName::To, refusal.header(HeaderName::To)?);
    Some(ack.finish(None, b""))
}

/// CANCEL for an INVITE (RFC 3261 §9.1): its Request-URI, top Via, From, To, Call-ID, Route and
/// CSeq number, and what the user adds (Reason).
pub(super) fn cancellation(invite: &Message, headers: &[(HeaderName, String)]) -> Option<Bytes> {
    let mut cancel = same_hop(invite, &Method::Cancel)?;
    cancel.header(HeaderName::To, invite.header(HeaderName::To)?);
    for (name, value) in headers {
        cancel.header(*name, value);
    }
    Some(cancel.finish(None, b""))
}

/// What ACK and CANCEL have in common with their INVITE.
fn same_hop(invite: &Message, method: &Method) -> Option<MessageWriter> {
    let mut request = MessageWriter::request(method, invite.request_uri()?);
    request.header(HeaderName::Via, invite.list(HeaderName::Via).next()?);
    for route in invite.headers(HeaderName::Route) {
        request.header(HeaderName::Route, route);
    }
    request.header(HeaderName::MaxForwards, 70);
    request.header(HeaderName::From, invite.header(HeaderName::From)?);
    request.header(HeaderName::CallId, invite.call_id());
    request.header(HeaderName::CSeq, format_args!("{} {method}", invite.cseq().ok()?.number));
    Some(request)
}

/// Writes into the top Via of a response where its request really came from.
///
/// `rport` is filled in if the request asked for it, and `received` is added then or when the
/// sent-by is not the source; values that the request itself carried are replaced.
///
/// Source: RFC 3261 §18.2.1, RFC 3581 §4.
#[must_use]
pub fn stamp_via(response: &Bytes, source: SocketAddr) -> Bytes {
    let Some((start, end)) = top_via(response) else { return response.clone() };
    let (Some(before), Some(via), Some(after)) =
        (response.get(..start), response.get(start..end), response.get(end..))
    else {
        return response.clone();
    };
    let address = source.ip().to_canonical();
    let mut parts = split_outside_quotes(via, b';');
    let sent_by = parts.next().unwrap_or(via);
    let mut stamped = BytesMut::with_capacity(response.len() + 64);
    stamped.put_slice(before);
    stamped.put_slice(sent_by.trim_ascii_end());
    let mut has_rport = false;
    for part in parts {
        let name = part.split(|octet| *octet == b'=').next().unwrap_or(part).trim_ascii();
        if name.eq_ignore_ascii_case(b"rport") {
            has_rport = true;
        } else if !name.eq_ignore_ascii_case(b"received") {
            stamped.put_u8(b';');
            stamped.put_slice(part.trim_ascii());
        }
    }
    if has_rport {
        stamped.put_slice(format!(";rport={}", source.port()).as_bytes());
    }
    if has_rport || !is_host(sent_by, &address.to_string()) {
        stamped.put_slice(format!(";received={address}").as_bytes());
    }
    stamped.put_slice(after);
    stamped.freeze()
}

/// Whether the sent-by names exactly this address.
fn is_host(sent_by: &[u8], address: &str) -> bool {
    let host = sent_by.trim_ascii().rsplit(u8::is_ascii_whitespace).next().unwrap_or(sent_by);
    let host = match host.strip_prefix(b"[") {
        Some(rest) => rest.split(|octet| *octet == b']').next(),
        None => host.split(|octet| *octet == b':').next(),
    };
    host.is_some_and(|host| host.eq_ignore_ascii_case(address.as_bytes()))
}

/// Where the first value of the first Via header lies.
fn top_via(message: &[u8]) -> Option<(usize, usize)> {
    let mut at = 0;
    for line in message.split_inclusive(|octet| *octet == b'\n') {
        let end_of_line = at + line.trim_ascii_end().len();
        if line.trim_ascii().is_empty() {
            return None;
        }
        let colon = line.iter().position(|octet| *octet == b':');
        let name = colon.and_then(|colon| line.get(..colon)).unwrap_or(b"").trim_ascii();
        if let Some(colon) = colon
            && (name.eq_ignore_ascii_case(b"via") || name.eq_ignore_ascii_case(b"v"))
        {
            let value_at = at + colon + 1;
            let value = message.get(value_at..end_of_line)?;
            let start = value_at + (value.len() - value.trim_ascii_start().len());
            let first = split_outside_quotes(message.get(start..end_of_line)?, b',').next()?;
            return Some((start, start + first.len()));
        }
        at += line.len();
    }
    None
}

/// The pieces between separators that are not inside a quoted string.
fn split_outside_quotes(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    text.split(move |octet| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match octet {
            _ if was_escaped => false,
            b'\\' if is_quoted => {
                is_escaped = true;
                false
            }
            b'"' => {
                is_quoted = !is_quoted;
                false
            }
            other => *other == separator && !is_quoted,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Seeded;

    fn stamped(via: &str, source: &str) -> String {
        let text = format!("SIP/2.0 200 OK\r\nVia: {via}\r\nTo: <sip:a@b>\r\n\r\n");
        let out = stamp_via(&Bytes::from(text), source.parse().unwrap());
        let out = String::from_utf8(out.to_vec()).unwrap();
        assert!(out.starts_with("SIP/2.0 200 OK\r\nVia: "));
        assert!(out.ends_with("\r\nTo: <sip:a@b>\r\n\r\n"));
        out.lines().nth(1).unwrap().strip_prefix("Via: ").unwrap().to_owned()
    }

    #[test]
    fn fills_in_rport_and_received() {
        assert_eq!(
            stamped("SIP/2.0/UDP 10.1.1.1:4540;rport;branch=z9hG4bKkjshdyff", "192.0.2.1:9988"),
            "SIP/2.0/UDP 10.1.1.1:4540;branch=z9hG4bKkjshdyff;rport=9988;received=192.0.2.1"
        );
    }

    #[test]
    fn a_true_sent_by_without_rport_stays_as_it_is() {
        for via in ["SIP/2.0/UDP 192.0.2.1:4540;branch=z9hG4bK1", "SIP/2.0/TCP 192.0.2.1"] {
            assert_eq!(stamped(via, "192.0.2.1:9988"), via);
        }
        let via = "SIP/2.0/UDP [2001:db8::9:1]:5060;branch=z9hG4bK1";
        assert_eq!(stamped(via, "[2001:db8::9:1]:5060"), via);
    }

    #[test]
    fn a_foreign_or_named_sent_by_gets_received() {
        assert_eq!(
            stamped("SIP/2.0/UDP phone.example.com;branch=z9hG4bK1", "192.0.2.1:5060"),
            "SIP/2.0/UDP phone.example.com;branch=z9hG4bK1;received=192.0.2.1"
        );
    }

    #[test]
    fn a_received_written_by_the_peer_is_not_believed() {
        assert_eq!(
            stamped("SIP/2.0/UDP 10.0.0.1;received=6.6.6.6;rport=1;branch=b", "192.0.2.1:70"),
            "SIP/2.0/UDP 10.0.0.1;branch=b;rport=70;received=192.0.2.1"
        );
    }

    #[test]
    fn only_the_first_of_several_values_is_touched() {
        assert_eq!(
            stamped("SIP/2.0/UDP a;x=\",;\";rport, SIP/2.0/TCP b;rport", "192.0.2.1:70"),
            "SIP/2.0/UDP a;x=\",;\";rport=70;received=192.0.2.1, SIP/2.0/TCP b;rport"
        );
    }

    #[test]
    fn a_message_without_via_stays_as_it_is() {
        let text = Bytes::from_static(b"SIP/2.0 200 OK\r\n\r\nVia: body");
        assert_eq!(stamp_via(&text, "192.0.2.1:70".parse().unwrap()), text);
    }

    #[test]
    fn branches_carry_the_cookie_and_128_bits() {
        let mut entropy = Seeded::new(1);
        let branch = new_branch(&mut entropy);
        assert!(branch.starts_with(BRANCH_COOKIE));
        assert_eq!(branch.len(), BRANCH_COOKIE.len() + 32);
        assert_ne!(branch, new_branch(&mut entropy));
    }
}
