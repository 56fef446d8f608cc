//! The rules of SIP mapping §5.1–5.4, §5.9, §5.10 and of RFC 3264, one by one.

mod mediation;
mod parsing;
mod property;

use super::*;

fn parse(text: &str) -> Session {
    Session::parse(text.as_bytes()).unwrap()
}

fn written(session: &Session) -> String {
    String::from_utf8(session.to_bytes().to_vec()).unwrap()
}

/// An ordinary desk phone's offer.
const DESK_PHONE: &str = "v=0\r\no=201 8000 8001 IN IP4 192.0.2.21\r\ns=SDP data\r\n\
    c=IN IP4 192.0.2.21\r\nt=0 0\r\nm=audio 11780 RTP/AVP 0 8 18 9 101\r\n\
    a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:18 G729/8000\r\n\
    a=fmtp:18 annexb=no\r\na=rtpmap:9 G722/8000\r\na=fmtp:101 0-15\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\na=sendrecv\r\n";
