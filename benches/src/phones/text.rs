//! Reading what the switch writes: only what a phone has to look at, in one pass.

use std::net::SocketAddr;

/// The parts of a message.
pub(super) struct Parts<'a> {
    start: &'a str,
    pub(super) via: &'a str,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) call_id: &'a str,
    pub(super) cseq: &'a str,
    pub(super) contact: Option<&'a str>,
    /// The challenge with MD5.
    pub(super) challenge: Option<&'a str>,
    body: &'a str,
}

impl<'a> Parts<'a> {
    /// `None` if a field that every message has is missing.
    pub(super) fn of(datagram: &'a [u8]) -> Option<Parts<'a>> {
        let text = std::str::from_utf8(datagram).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let start = lines.next()?;
        let mut parts = Parts {
            start,
            via: "",
            from: "",
            to: "",
            call_id: "",
            cseq: "",
            contact: None,
            challenge: None,
            body,
        };
        for line in lines {
            let Some((name, value)) = line.split_once(": ") else { continue };
            match name {
                "Via" => parts.via = value,
                "From" => parts.from = value,
                "To" => parts.to = value,
                "Call-ID" => parts.call_id = value,
                "CSeq" => parts.cseq = value,
                "Contact" => parts.contact = Some(value),
                "WWW-Authenticate" if value.contains("=MD5") => parts.challenge = Some(value),
                _ => {}
            }
        }
        let all = [parts.via, parts.from, parts.to, parts.call_id, parts.cseq];
        all.iter().all(|part| !part.is_empty()).then_some(parts)
    }

    /// The status of a response.
    pub(super) fn status(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// The first line.
    pub(super) fn start(&self) -> &'a str {
        self.start
    }

    /// The method of a request.
    pub(super) fn method(&self) -> &'a str {
        self.start.split(' ').next().unwrap_or_default()
    }

    /// The user part of a request's URI.
    pub(super) fn user(&self) -> Option<&'a str> {
        let uri = self.start.split(' ').nth(1)?;
        uri.strip_prefix("sip:")?.split('@').next()
    }

    /// The kind and number of the job that our Call-ID names.
    pub(super) fn job(&self) -> Option<(char, usize)> {
        let kind = self.call_id.chars().next()?;
        let number = self.call_id.get(1..)?.split('-').next()?;
        Some((kind, number.parse().ok()?))
    }

    /// The CSeq number.
    pub(super) fn cseq_number(&self) -> Option<u32> {
        self.cseq.split(' ').next()?.parse().ok()
    }

    /// The To tag.
    pub(super) fn to_tag(&self) -> Option<&'a str> {
        let (_, rest) = self.to.split_once(";tag=")?;
        rest.split(';').next()
    }

    /// The URI of the Contact.
    pub(super) fn target(&self) -> Option<&'a str> {
        self.contact?.split_once('<')?.1.split('>').next()
    }

    /// Where the SDP says that audio goes; `None` without one or with port 0.
    pub(super) fn media(&self) -> Option<SocketAddr> {
        let address = self.body.split("c=IN IP4 ").nth(1)?.lines().next()?;
        let port: u16 = self.body.split("m=audio ").nth(1)?.split(' ').next()?.parse().ok()?;
        (port != 0).then_some(SocketAddr::new(address.trim().parse().ok()?, port))
    }
}

/// A parameter of a challenge, without its quotes.
pub(super) fn parameter<'a>(challenge: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = challenge.split_once(name)?;
    rest.strip_prefix("=\"")?.split('"').next()
}
