//! Digest credentials: whatever is sent, who does not know the password is not let in, and a realm
//! that is not ours is not asked for anything.

use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use sip_stack::auth::{Authenticator, AuthenticatorConfig, Ha1, Verdict};
use sip_stack::message::{HeaderName, Message};

/// When the nonces were made.
const NOW_S: u64 = 1_700_000_000;
/// For whom.
const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9));

/// The value of Authorization; `@` stands for a fresh nonce.
pub(crate) fn credentials(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut config = AuthenticatorConfig::new("office.test", [7; 32]);
    config.is_uri_exact = false;
    config.accepts_without_qop = true;
    let mut guard = Authenticator::new(config);
    let challenge = guard.challenges(NOW_S, SOURCE, false).pop().unwrap_or_default();
    let nonce = challenge.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next());
    let value = text.replace('@', nonce.expect("a challenge has a nonce"));
    let request = format!(
        "REGISTER sip:office.test SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\
         From: <sip:201@office.test>;tag=1\r\nTo: <sip:201@office.test>\r\nCall-ID: c\r\n\
         CSeq: 1 REGISTER\r\nAuthorization: {value}\r\nContent-Length: 0\r\n\r\n"
    );
    let Ok(message) = Message::parse(Bytes::from(request)) else { return };
    let header = HeaderName::Authorization;
    let known = |name: &str| {
        let password = "0d9c3a51f2b6-never-in-a-corpus";
        (name == "201").then(|| Ha1::new("201", "office.test", password))
    };
    let first = guard.verify((NOW_S, SOURCE), &message, header, known);
    assert!(!matches!(first, Verdict::Authenticated { .. }), "let in without the password");
    let again = guard.verify((NOW_S, SOURCE), &message, header, |_| None);
    // Whether somebody is known does not show.
    assert_eq!(std::mem::discriminant(&again), std::mem::discriminant(&first));
}
