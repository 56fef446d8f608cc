//! Responses to those who may not be who they seem: never longer than what was asked.
//!
//! Whoever forges the source of a datagram must not gain by it (SEC-64). What can be left out is left
//! out in steps, least useful first; what then still does not fit is not sent at all.

use std::borrow::Cow;

use bytes::Bytes;

/// Header fields that a response can do without, in the order in which they go.
const SPARE: [&str; 9] = [
    "Server",
    "Accept-Language",
    "Accept-Encoding",
    "Accept",
    "Allow-Events",
    "Supported",
    "Allow",
    "Date",
    "Timestamp",
];

/// Long names with a compact form (RFC 3261 §7.3.3).
const COMPACT: [(&str, &str); 4] = [("Via", "v"), ("From", "f"), ("To", "t"), ("Call-ID", "i")];

/// Names and values of header fields.
type Fields<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// The response in at most `limit` octets; `None` where it cannot be said so shortly.
///
/// A response with a body is taken as it is or not at all. Of several challenges one is left, that of
/// MD5 where there is one: every client understands it.
#[must_use]
pub fn fit(response: &Bytes, limit: usize) -> Option<Bytes> {
    reduced(response, limit).filter(|reduced| reduced.len() <= limit)
}

/// The response in as few octets as it can be said.
#[must_use]
pub fn shortest(response: &Bytes) -> Bytes {
    reduced(response, 0).unwrap_or_else(|| response.clone())
}

/// Leaves out what it must to get down to `limit`, and gives what it came to.
fn reduced(response: &Bytes, limit: usize) -> Option<Bytes> {
    if response.len() <= limit {
        return Some(response.clone());
    }
    let text = std::str::from_utf8(response).ok()?;
    let head = text.strip_suffix("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let mut start = lines.next()?.to_owned();
    let fields = lines.filter_map(|line| line.split_once(':'));
    let mut fields: Fields<'_> =
        fields.map(|(name, value)| (name, Cow::Borrowed(value.trim_start()))).collect();
    // RFC 3261 §18.3: the end of the datagram is the end of the message.
    fields.retain(|(name, value)| *name != "Content-Length" || value != "0");
    let steps: [fn(&mut Fields<'_>); 4] = [abbreviate, spare, leave_one_challenge, squeeze];
    for step in steps {
        step(&mut fields);
        if length(&start, &fields) <= limit {
            return Some(written(&start, &fields));
        }
    }
    // The phrase is for people (RFC 3261 §7.2).
    start.truncate("SIP/2.0 401 ".len());
    Some(written(&start, &fields))
}

fn abbreviate(fields: &mut Fields<'_>) {
    fields.retain(|(name, _)| *name != "Server");
    for (name, _) in fields {
        if let Some((_, short)) = COMPACT.iter().find(|(long, _)| long == name) {
            *name = short;
        }
    }
}

fn spare(fields: &mut Fields<'_>) {
    fields.retain(|(name, _)| !SPARE.contains(name));
}

fn leave_one_challenge(fields: &mut Fields<'_>) {
    let is_challenge = |name: &str| matches!(name, "WWW-Authenticate" | "Proxy-Authenticate");
    let mut challenges = fields.iter().filter(|(name, _)| is_challenge(name));
    let is_md5 = |value: &str| value.contains("algorithm=MD5,");
    let chosen =
        challenges.clone().find(|(_, value)| is_md5(value)).or_else(|| challenges.next_back());
    let chosen = chosen.map(|(_, value)| value.to_string());
    fields.retain(|(name, value)| !is_challenge(name) || Some(&**value) == chosen.as_deref());
}

/// RFC 7616 §3.3: an algorithm that is not named is MD5. RFC 3261 §18.2.1: `received` is for those
/// whose Via names another host.
fn squeeze(fields: &mut Fields<'_>) {
    for (name, value) in fields {
        match *name {
            "WWW-Authenticate" | "Proxy-Authenticate" => {
                *value = value.replace(" algorithm=MD5,", "").replace(", ", ",").into();
            }
            "v" => {
                if let Some(short) = without_needless_received(value) {
                    *value = short.into();
                }
            }
            _ => {}
        }
    }
}

fn without_needless_received(via: &str) -> Option<String> {
    let sent_by = via.split_once(' ')?.1.split(';').next()?;
    let host = sent_by.rsplit_once(':').map_or(sent_by, |(host, _)| host);
    let received = format!(";received={}", host.trim_matches(['[', ']']));
    let at = via.find(&received)?;
    let rest = via.get(at + received.len()..)?;
    (rest.is_empty() || rest.starts_with(';')).then(|| format!("{}{rest}", &via[..at]))
}

fn length(start: &str, fields: &Fields<'_>) -> usize {
    let fields = fields.iter().map(|(name, value)| name.len() + value.len() + 3);
    start.len() + 4 + fields.sum::<usize>()
}

fn written(start: &str, fields: &Fields<'_>) -> Bytes {
    let mut text = String::with_capacity(length(start, fields));
    text.push_str(start);
    text.push_str("\r\n");
    for (name, value) in fields {
        text.extend([name, ":", &**value, "\r\n"]);
    }
    text.push_str("\r\n");
    Bytes::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{HeaderName, Message};

    fn challenge() -> Bytes {
        Bytes::from_static(
            b"SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1;received=192.0.2.7\r\n\
              From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\n\
              Server: Strowger\r\nWWW-Authenticate: Digest realm=\"b\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"\r\n\
              WWW-Authenticate: Digest realm=\"b\", nonce=\"n\", algorithm=MD5, qop=\"auth\"\r\n\
              Content-Length: 0\r\n\r\n",
        )
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        let response = challenge();
        assert_eq!(fit(&response, response.len()), Some(response));
    }

    #[test]
    fn it_always_fits_says_the_same_and_keeps_what_identifies_it() {
        let response = challenge();
        let whole = Message::parse(response.clone()).unwrap();
        let mut shortest = response.len();
        for limit in 0..response.len() {
            let Some(short) = fit(&response, limit) else {
                assert_eq!(shortest, response.len(), "shorter was possible");
                continue;
            };
            shortest = shortest.min(short.len());
            assert!(short.len() <= limit);
            let short = Message::parse(short).unwrap();
            assert_eq!(short.status(), Some(401));
            assert_eq!(short.via().unwrap().branch, whole.via().unwrap().branch);
            for name in [HeaderName::From, HeaderName::To, HeaderName::CallId] {
                assert_eq!(short.header(name), whole.header(name), "{name:?}");
            }
            assert_eq!(short.header(HeaderName::CSeq), whole.header(HeaderName::CSeq));
            let left: Vec<&str> = short.headers(HeaderName::WwwAuthenticate).collect();
            assert!(left.len() == 2 || !left[0].contains("SHA"), "{left:?}");
        }
        assert!(shortest < response.len() - 150, "{shortest}");
    }

    #[test]
    fn received_goes_only_where_it_says_nothing_new() {
        let short = |via: &str| without_needless_received(via);
        assert_eq!(
            short("SIP/2.0/UDP 192.0.2.7:5060;rport=5060;received=192.0.2.7;branch=z9hG4bK1"),
            Some("SIP/2.0/UDP 192.0.2.7:5060;rport=5060;branch=z9hG4bK1".to_owned())
        );
        assert_eq!(short("SIP/2.0/UDP 10.0.0.1;received=192.0.2.7"), None);
        assert_eq!(short("SIP/2.0/UDP 192.0.2.7;received=192.0.2.77"), None);
    }

    #[test]
    fn what_has_a_body_is_not_cut() {
        let response = Bytes::from_static(b"SIP/2.0 200 OK\r\nContent-Length: 4\r\n\r\nbody");
        assert_eq!(fit(&response, 30), None);
    }
}
