//! Messages as phones send them, for the benches of the parser and the transactions.

/// REGISTER with digest credentials.
pub const REGISTER: &str = concat!(
    "REGISTER sip:office.example.com SIP/2.0\r\n",
    "Via: SIP/2.0/UDP 192.0.2.45:5060;branch=z9hG4bK-524287-1---d8754z-2b1e8f6a;rport\r\n",
    "Max-Forwards: 70\r\n",
    "Contact: <sip:201@192.0.2.45:5060;line=83f2>;expires=300;reg-id=1;",
    "+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000a95a0e128>\"\r\n",
    "To: \"Ada\" <sip:201@office.example.com>\r\n",
    "From: \"Ada\" <sip:201@office.example.com>;tag=94f1b27c\r\n",
    "Call-ID: 85248NjQ4YTJmMzY5ZTBlZGRiYzk1ZDE4NTk0OTg\r\n",
    "CSeq: 2 REGISTER\r\n",
    "Expires: 300\r\n",
    "Allow: INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, MESSAGE, OPTIONS, INFO, SUBSCRIBE\r\n",
    "Supported: replaces, norefersub, extended-refer, timer, outbound, path\r\n",
    "User-Agent: Example Phone 4.2.1\r\n",
    "Authorization: Digest username=\"201\", realm=\"office.example.com\", ",
    "nonce=\"AAABjRk0nGQAAAAAAAAAB5sV2mO1b0y8m1T3Vq1oX0b\", ",
    "uri=\"sip:office.example.com\", response=\"3f1c7e0c9d5a4b2e8f6071829304a5b6\", ",
    "cnonce=\"0a4f113b\", nc=00000001, qop=auth, algorithm=MD5\r\n",
    "Allow-Events: hold, talk, conference, presence, dialog\r\n",
    "Content-Length: 0\r\n\r\n",
);

/// INVITE with an SDP offer.
pub const INVITE: &str = concat!(
    "INVITE sip:202@office.example.com SIP/2.0\r\n",
    "Via: SIP/2.0/UDP 192.0.2.45:5060;branch=z9hG4bK-524287-1---77c1f0a2b6d3;rport\r\n",
    "Max-Forwards: 70\r\n",
    "Contact: <sip:201@192.0.2.45:5060;line=83f2>\r\n",
    "To: <sip:202@office.example.com>\r\n",
    "From: \"Ada\" <sip:201@office.example.com>;tag=5cb8f3a1\r\n",
    "Call-ID: 85249ZTk4NjA2YzE4YjM0ZDNhMTZhNjY0Njk0MWI\r\n",
    "CSeq: 1 INVITE\r\n",
    "Allow: INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, MESSAGE, OPTIONS, INFO, SUBSCRIBE, UPDATE\r\n",
    "Supported: replaces, norefersub, extended-refer, timer, 100rel\r\n",
    "Session-Expires: 1800\r\n",
    "User-Agent: Example Phone 4.2.1\r\n",
    "Content-Type: application/sdp\r\n",
    "Content-Length: 350\r\n\r\n",
    "v=0\r\n",
    "o=201 3847561029 1 IN IP4 192.0.2.45\r\n",
    "s=call\r\n",
    "c=IN IP4 192.0.2.45\r\n",
    "t=0 0\r\n",
    "m=audio 40376 RTP/AVP 9 0 8 96 101\r\n",
    "a=rtpmap:9 G722/8000\r\n",
    "a=rtpmap:0 PCMU/8000\r\n",
    "a=rtpmap:8 PCMA/8000\r\n",
    "a=rtpmap:96 opus/48000/2\r\n",
    "a=fmtp:96 useinbandfec=1; maxaveragebitrate=24000\r\n",
    "a=rtpmap:101 telephone-event/8000\r\n",
    "a=fmtp:101 0-16\r\n",
    "a=ptime:20\r\n",
    "a=maxptime:150\r\n",
    "a=sendrecv\r\n",
);

/// 200 OK to an INVITE, with an SDP answer.
pub const OK: &str = concat!(
    "SIP/2.0 200 OK\r\n",
    "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK5f0c2a9e41d7b386;rport=5060;",
    "received=192.0.2.1\r\n",
    "Contact: <sip:202@192.0.2.46:5060>\r\n",
    "To: <sip:202@office.example.com>;tag=a48279f6\r\n",
    "From: \"Ada\" <sip:201@office.example.com>;tag=8d1b4c20\r\n",
    "Call-ID: 4b1c90d27e5f6a83\r\n",
    "CSeq: 6412 INVITE\r\n",
    "Allow: INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, MESSAGE, OPTIONS, INFO, SUBSCRIBE, UPDATE\r\n",
    "Supported: replaces, timer\r\n",
    "User-Agent: Example Phone 4.2.1\r\n",
    "Content-Type: application/sdp\r\n",
    "Content-Length: 194\r\n\r\n",
    "v=0\r\n",
    "o=202 2890844730 1 IN IP4 192.0.2.46\r\n",
    "s=call\r\n",
    "c=IN IP4 192.0.2.46\r\n",
    "t=0 0\r\n",
    "m=audio 49920 RTP/AVP 8 101\r\n",
    "a=rtpmap:8 PCMA/8000\r\n",
    "a=rtpmap:101 telephone-event/8000\r\n",
    "a=fmtp:101 0-16\r\n",
    "a=sendrecv\r\n",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_samples_are_whole_messages() {
        for (text, body) in [(REGISTER, 0), (INVITE, 350), (OK, 194)] {
            let (_, rest) = text.split_once("\r\n\r\n").unwrap();
            assert_eq!(rest.len(), body);
            let message = sip_stack::message::Message::parse(text.into()).unwrap();
            assert_eq!(message.body().len(), body);
        }
    }
}
