//! What dialogs read from header values, as text: tags, addresses, lists, numbers.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use crate::flow::Transport;
use crate::header::{List, NameAddr};
use crate::message::{HeaderName, Message};
use crate::sdp;
use crate::uri::{SipUri, Uri};

/// Most entries of Allow, Supported and Allow-Events that are remembered of a peer.
pub(crate) const MAX_TOKENS: usize = 48;

/// The tag of From; empty if there is none (RFC 3261 §12.1.1 allows a null tag).
pub(crate) fn from_tag(message: &Message) -> String {
    message.from().ok().and_then(|from| from.tag().map(str::to_owned)).unwrap_or_default()
}

/// The tag of To; empty if there is none.
pub(crate) fn to_tag(message: &Message) -> String {
    message.to().ok().and_then(|to| to.tag().map(str::to_owned)).unwrap_or_default()
}

/// The CSeq number; 0 if malformed, which no dialog accepts as risen.
pub(crate) fn cseq(message: &Message) -> u32 {
    message.cseq().map_or(0, |cseq| cseq.number)
}

/// A Contact as it is written: a bare URI in angle brackets, a whole name-addr as it is.
pub(crate) fn own_contact(contact: &str) -> Cow<'_, str> {
    if contact.starts_with('<') {
        Cow::Borrowed(contact)
    } else {
        Cow::Owned(format!("<{contact}>"))
    }
}

/// The URI of the first Contact.
pub(crate) fn contact(message: &Message) -> Option<String> {
    let value = List::new(message.header(HeaderName::Contact)?).next()?;
    addr_spec(value).filter(|uri| *uri != "*").map(str::to_owned)
}

/// The values of Record-Route in order.
pub(crate) fn record_routes(message: &Message) -> Vec<String> {
    message.headers(HeaderName::RecordRoute).flat_map(List::new).map(str::to_owned).collect()
}

/// The tokens of a list header, at most [`MAX_TOKENS`]; `None` if it is not there.
pub(crate) fn tokens(message: &Message, name: HeaderName) -> Option<Vec<String>> {
    message.header(name)?;
    let values = message.headers(name).flat_map(List::new);
    Some(values.map(|value| first_token(value).to_owned()).take(MAX_TOKENS).collect())
}

/// Whether a list header has this token.
pub(crate) fn has_token(message: &Message, name: HeaderName, token: &str) -> bool {
    message
        .headers(name)
        .flat_map(List::new)
        .any(|value| first_token(value).eq_ignore_ascii_case(token))
}

/// The number at the start of a header value, before parameters and comments.
pub(crate) fn number(message: &Message, name: HeaderName) -> Option<u32> {
    first_token(message.header(name)?).split('(').next()?.trim().parse().ok()
}

/// The session description in the body.
pub(crate) fn session(message: &Message) -> Option<Bytes> {
    sdp::session_part(message.header(HeaderName::ContentType), &message.body_bytes())
}

fn first_token(value: &str) -> &str {
    value.split(';').next().unwrap_or("").trim()
}

/// The URI of a name-addr or addr-spec.
pub(crate) fn addr_spec(value: &str) -> Option<&str> {
    NameAddr::parse(value).ok().map(|address| address.uri)
}

fn sip_uri(uri: &str) -> Option<SipUri<'_>> {
    match Uri::parse(uri) {
        Ok(Uri::Sip(uri)) => Some(uri),
        _ => None,
    }
}

/// Whether the URI of a route has the parameter `lr`.
pub(crate) fn is_loose(route: &str) -> bool {
    addr_spec(route).and_then(sip_uri).is_some_and(|uri| uri.is_loose_router())
}

/// Where a URI with a literal address points: its transport, if it names one, and the socket.
pub(crate) fn literal_address(uri: &str) -> Option<(Option<Transport>, SocketAddr)> {
    let uri = sip_uri(uri)?;
    let named = uri.param("transport").and_then(Transport::from_token);
    let transport = if uri.is_secure { Some(Transport::Tls) } else { named };
    let port = uri.port.unwrap_or(transport.unwrap_or(Transport::Udp).default_port());
    Some((transport, SocketAddr::new(uri.ip()?, port)))
}

/// Whether an address means something only inside its own network (RFC 1918, 6598, 4193).
pub(crate) fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || v4.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(v6) => v6.segments().first().is_some_and(|first| first & 0xfe00 == 0xfc00),
    }
}

/// Whether an address leads nowhere, or not to a peer that was heard from `heard`: it is meant inside
/// the peer's own network.
pub(crate) fn is_beyond(address: IpAddr, heard: IpAddr) -> bool {
    let (address, heard) = (address.to_canonical(), heard.to_canonical());
    let is_everybody = match address {
        IpAddr::V4(v4) => v4.is_broadcast(),
        IpAddr::V6(_) => false,
    };
    let is_nobody = address.is_unspecified() || address.is_multicast() || is_everybody;
    let is_behind_nat = is_private(address) && !is_private(heard);
    is_nobody || is_behind_nat || address.is_loopback() && !heard.is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_loose_by_its_uri_parameter_only() {
        assert!(is_loose("<sip:p.example;lr>"));
        assert!(is_loose("<sip:u;lr=x@p.example;lr=on>"));
        assert!(!is_loose("<sip:p.example>;lr"));
        assert!(!is_loose("<sip:u;lr@p.example>"));
    }

    #[test]
    fn literal_addresses_have_a_port_and_a_transport() {
        let v4 = literal_address("sip:a@192.0.2.1:5070;transport=tcp");
        assert_eq!(v4, Some((Some(Transport::Tcp), "192.0.2.1:5070".parse().unwrap())));
        let v6 = literal_address("sip:[2001:db8::1]");
        assert_eq!(v6, Some((None, "[2001:db8::1]:5060".parse().unwrap())));
        let secure = literal_address("sips:a@192.0.2.1");
        assert_eq!(secure, Some((Some(Transport::Tls), "192.0.2.1:5061".parse().unwrap())));
        assert_eq!(literal_address("sip:a@host.invalid"), None);
    }

    #[test]
    fn what_is_meant_inside_the_peers_network_or_for_everybody_is_known() {
        let beyond = |address: &str, heard: &str| {
            is_beyond(address.parse().unwrap(), heard.parse().unwrap())
        };
        for address in ["10.1.1.1", "127.0.0.1", "::1", "0.0.0.0", "224.0.0.1", "255.255.255.255"] {
            assert!(beyond(address, "192.0.2.1"), "{address}");
        }
        for (address, heard) in
            [("192.0.2.9", "192.0.2.1"), ("10.1.1.1", "10.2.2.2"), ("127.0.0.2", "127.0.0.1")]
        {
            assert!(!beyond(address, heard), "{address} {heard}");
        }
    }

    #[test]
    fn private_addresses_are_known() {
        for address in ["10.1.1.1", "192.168.0.1", "172.16.9.9", "100.64.0.1", "fd00::1"] {
            assert!(is_private(address.parse().unwrap()), "{address}");
        }
        for address in ["192.0.2.1", "100.128.0.1", "2001:db8::1"] {
            assert!(!is_private(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_contact_is_put_in_brackets_unless_it_has_them_for_its_parameters() {
        assert_eq!(own_contact("sip:201@192.0.2.1"), "<sip:201@192.0.2.1>");
        assert_eq!(own_contact("<sip:800@192.0.2.1>;isfocus"), "<sip:800@192.0.2.1>;isfocus");
    }
}
