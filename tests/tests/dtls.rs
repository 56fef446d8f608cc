//! SRTP with keys by a DTLS handshake, ICE-lite and rtcp-mux, against stock soft phones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panic")]

use sip_stack::auth::{ClientCredentials, DigestClient};
use sip_stack::message::{Message, Method};
use sip_stack::time::Seeded;
use tests::interop::{self, Baresip, Linphone, Peer, RSA, packets_flow};
use tests::program::Program;

/// An office whose line 202 speaks SRTP by handshakes or not at all, as do others if they want to.
fn program(others: &[(&str, &str)]) -> Program {
    Program::with(interop::office(|text| {
        let text = text.replace("[media]\n", "[media]\nsdes_without_tls = true\n");
        others.iter().chain(&[("202", "dtls")]).fold(text, |text, (line, keys)| {
            let head = format!("[lines.{line}]\n");
            let wish = format!("{head}srtp = \"required\"\nsrtp_keys = \"{keys}\"\n");
            text.replace(&head, &wish)
        })
    }))
}

fn shown(program: &Program, line: &str) -> String {
    let (_, answer) = program.get("/api/v1/calls");
    let mut rows = answer["items"].as_array().into_iter().flatten();
    let row = rows.find(|row| row["line"] == line).cloned().unwrap_or_default();
    row["srtp"].as_str().unwrap_or_default().to_owned()
}

/// What OpenSSL and mbedTLS choose of what is offered.
const BARESIP: &str = "DTLS AEAD_AES_256_GCM";
const LINPHONE: &str = "DTLS AES_CM_128_HMAC_SHA1_80";

/// Lines 201 and 202 hear each other, each protected as it should be.
fn talk_by_handshake(program: &Program, suites: [&str; 2]) {
    packets_flow(program, &["201", "202"], 25);
    assert_eq!([shown(program, "201"), shown(program, "202")], suites);
}

#[test]
fn a_baresip_shakes_hands_when_it_is_called_and_when_it_calls() {
    let program = program(&[]);
    let mut ada = Baresip::start(&program, "201", "udp", true);
    let mut ben = Baresip::with(&program, "202", "udp", true, ";mediaenc=dtls_srtp");
    ada.command("dial", "202");
    ada.until("CALL_ESTABLISHED");
    talk_by_handshake(&program, ["", BARESIP]);
    ada.command("hold", "");
    ada.command("resume", "");
    talk_by_handshake(&program, ["", BARESIP]);
    ada.command("hangup", "");
    ben.until_closed();
    ben.command("dial", "201");
    ben.until("CALL_ESTABLISHED");
    talk_by_handshake(&program, ["", BARESIP]);
    // Held by the one that shakes hands: what was agreed goes on.
    ben.command("hold", "");
    ben.command("resume", "");
    talk_by_handshake(&program, ["", BARESIP]);
    ben.command("hangup", "");
}

#[test]
fn a_baresip_with_ice_and_one_port_for_all_shakes_hands_and_so_does_the_other_side() {
    let program = program(&[("201", "dtls")]);
    let mut ada = Baresip::with(&program, "201", "udp", true, ";mediaenc=dtls_srtp");
    let account = ";mediaenc=dtls_srtp;medianat=ice;rtcp_mux=yes";
    let mut ben = Baresip::with(&program, "202", "udp", true, account);
    ben.command("dial", "201");
    ben.until("CALL_ESTABLISHED");
    talk_by_handshake(&program, [BARESIP, BARESIP]);
    ben.command("hangup", "");
    ada.until_closed();
    ada.command("dial", "202");
    ada.until("CALL_ESTABLISHED");
    talk_by_handshake(&program, [BARESIP, BARESIP]);
    ada.command("hangup", "");
}

#[test]
fn a_linphone_shakes_hands_with_a_party_whose_keys_stand_in_the_sdp() {
    let program = program(&[("201", "sdes")]);
    let mut ada = Baresip::with(&program, "201", "udp", false, ";mediaenc=srtp-mand");
    let mut ben = Linphone::with(&program, "202", true, "dtls");
    ada.command("dial", "202");
    ben.talks();
    talk_by_handshake(&program, ["AES_CM_128_HMAC_SHA1_80", LINPHONE]);
}

#[test]
fn a_phone_with_an_rsa_certificate_gets_no_media_and_the_log_says_why() {
    let program = program(&[]);
    let ada = Baresip::start(&program, "201", "udp", true);
    let account = format!(";mediaenc=dtls_srtp{RSA}");
    let mut ben = Baresip::with(&program, "202", "udp", true, &account);
    ben.command("dial", "201");
    ben.until("CALL_ESTABLISHED");
    ada.until("CALL_ESTABLISHED");
    program
        .says("a DTLS handshake failed, no media passes: the phone has shown no ECDSA certificate");
    program.reaches("media_handshakes_failed_total", 1);
    assert_eq!(shown(&program, "202"), "DTLS failed");
    ben.command("hangup", "");
}

/// What a browser writes, and what it wants to read.
#[test]
fn an_offer_like_a_browsers_is_answered_with_role_candidates_and_bundle() {
    let program = program(&[]);
    let peer = Peer::new(&program);
    let port = peer.port();
    let fingerprint = vec!["AB"; 32].join(":");
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
         a=fingerprint:sha-256 {fingerprint}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0 126\r\n\
         c=IN IP4 0.0.0.0\r\na=mid:0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n\
         a=ice-options:trickle\r\na=setup:actpass\r\na=rtcp-mux\r\na=rtpmap:126 telephone-event/8000\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\n\
         a=setup:actpass\r\n"
    );
    let invite = |cseq: u32, extra: &str| {
        format!(
            "INVITE sip:*43@office.test SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK-b{cseq}\r\n\
             From: <sip:202@office.test>;tag=b\r\nTo: <sip:*43@office.test>\r\nCall-ID: browser\r\n\
             CSeq: {cseq} INVITE\r\nContact: <sip:202@127.0.0.1:{port}>\r\nMax-Forwards: 70\r\n{extra}\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        )
    };
    peer.send(invite(1, "").as_bytes());
    let challenge = peer.wait("SIP/2.0 40");
    peer.send(
        format!(
            "ACK sip:*43@office.test SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK-b1\r\n\
             From: <sip:202@office.test>;tag=b\r\nTo: <sip:*43@office.test>\r\nCall-ID: browser\r\n\
             CSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n"
        )
        .as_bytes(),
    );
    let challenge = Message::parse(challenge.replace('\n', "\r\n").into()).expect("a response");
    let credentials =
        ClientCredentials { username: "202".to_owned(), password: "pw-202".to_owned() };
    let mut client = DigestClient::new(credentials);
    assert!(client.on_challenge(&challenge, 0));
    let uri = "sip:*43@office.test";
    let answers = client.authorize(&Method::Invite, uri, b"", &mut Seeded::new(1));
    let (name, value) = answers.first().expect("an answer to the challenge");
    peer.send(invite(2, &format!("{}: {value}\r\n", name.as_str())).as_bytes());
    let answer = peer.wait("SIP/2.0 200");
    let wanted = [
        "a=group:BUNDLE 0\n",
        "a=ice-lite\n",
        "m=audio ",
        " UDP/TLS/RTP/SAVPF 0",
        "a=mid:0\n",
        "a=setup:passive\n",
        "a=fingerprint:sha-256 ",
        "a=ice-ufrag:",
        "a=ice-pwd:",
        "a=candidate:1 1 UDP 2130706431 127.0.0.1 ",
        "a=rtcp-mux\n",
        "m=video 0 UDP/TLS/RTP/SAVPF",
        "a=sendrecv\n",
    ];
    for line in wanted {
        assert!(answer.contains(line), "{line}: {answer}");
    }
    assert!(!answer.contains("a=candidate:1 2 "), "{answer}");
    assert!(!answer.contains("a=crypto"), "{answer}");
}
