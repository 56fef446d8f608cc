//! What phones write and what we make of it.

use bytes::Bytes;

use super::*;

fn audio(lines: &str) -> Session {
    parse(&format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{lines}"
    ))
}

fn error(text: &str) -> SdpErrorKind {
    Session::parse(text.as_bytes()).unwrap_err().kind
}

#[test]
fn an_ordinary_offer_is_read_in_full() {
    let session = parse(DESK_PHONE);
    assert_eq!(session.origin.username, "201");
    assert_eq!((session.origin.session_id, session.origin.version), (8000, 8001));
    let media = &session.media[0];
    assert_eq!(media.kind, MediaKind::Audio);
    assert_eq!(
        media.codec_summary(),
        "PCMU/8000 PCMA/8000 G729/8000 G722/8000 telephone-event/8000"
    );
    assert_eq!(media.codecs[2].fmtp.as_deref(), Some("annexb=no"));
    assert_eq!(media.codecs[4].fmtp.as_deref(), Some("0-15"));
    assert_eq!(media.ptime_ms(), Some(20));
    assert_eq!(media.rtp_address(&session), Some("192.0.2.21:11780".parse().unwrap()));
    assert_eq!(media.rtcp_address(&session), Some("192.0.2.21:11781".parse().unwrap()));
    assert_eq!(session.codec_summary(), format!("audio: {}", media.codec_summary()));
}

#[test]
fn a_description_without_session_name_and_time_is_accepted() {
    let session = parse(
        "v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n",
    );
    assert_eq!(session.media[0].port, 4000);
}

#[test]
fn bare_line_feeds_bare_returns_and_a_missing_last_line_end_are_accepted() {
    for end in ["\n", "\r", "\r\n"] {
        let text = [
            "v=0",
            "o=- 1 1 IN IP4 192.0.2.1",
            "s=-",
            "c=IN IP4 192.0.2.1",
            "t=0 0",
            "m=audio 4000 RTP/AVP 8",
            "a=sendonly",
        ]
        .join(end);
        let session = parse(&text);
        assert_eq!(session.media[0].direction, Some(Direction::SendOnly), "{end:?}");
    }
}

#[test]
fn unknown_and_damaged_lines_are_left_out() {
    let session = audio(
        "y=what\r\nrubbish\r\n=\r\na=\r\nX=1\r\nm=audio  4000\tRTP/AVP  0   8 \r\nb=AS\r\nb=AS:64\r\n\
         c=IN IP4\r\nj=x\r\na=ptime:20\r\n",
    );
    let media = &session.media[0];
    assert_eq!(media.formats, ["0", "8"]);
    assert_eq!(media.bandwidths, [Bandwidth { kind: "AS".to_owned(), value: 64 }]);
    assert_eq!(media.connection, None);
    assert_eq!(media.ptime_ms(), Some(20));
}

#[test]
fn a_bad_origin_line_is_repaired() {
    let origin = |line: &str| {
        parse(&format!("v=0\r\n{line}\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n")).origin
    };
    let spaced = origin("o=Anna Maria Berg 77 78 IN IP4 192.0.2.9");
    assert_eq!(spaced.username, "Anna_Maria_Berg");
    assert_eq!((spaced.session_id, spaced.version), (77, 78));
    let nameless = origin("o=77 78 IN IP4 192.0.2.9");
    assert_eq!((nameless.username.as_str(), nameless.version), ("-", 78));
    let long = origin("o=- 99999999999999999999999 99999999999999999999998 IN IP4 192.0.2.9");
    assert_ne!(long.session_id, long.version);
    assert_eq!(
        long,
        origin("o=- 99999999999999999999999 99999999999999999999998 IN IP4 192.0.2.9")
    );
    assert_ne!(origin("o=x y").version, origin("o=x z").version);
    assert_eq!(origin("o=- 1 2 IN IP4 phone.example.com").address.to_string(), "0.0.0.0");
}

#[test]
fn a_missing_origin_line_is_accepted() {
    assert_eq!(parse("v=0\nm=audio 4000 RTP/AVP 0\n").origin, Origin::default());
}

#[test]
fn static_payload_numbers_need_no_rtpmap() {
    let session = audio("m=audio 4000 RTP/AVP 0 3 4 8 9 18\r\nm=video 4002 RTP/AVP 34\r\n");
    assert_eq!(
        session.media[0].codec_summary(),
        "PCMU/8000 GSM/8000 G723/8000 PCMA/8000 G722/8000 G729/8000"
    );
    assert_eq!(session.media[1].codec_summary(), "H263/90000");
}

#[test]
fn an_rtpmap_without_clock_means_8000() {
    let session = audio("m=audio 4000 RTP/AVP 101\r\na=rtpmap:101 telephone-event\r\n");
    assert_eq!(session.media[0].codecs[0], Codec::new(101, "telephone-event", 8000));
}

#[test]
fn unknown_codecs_keep_name_clock_channels_and_parameters() {
    let session = audio(
        "m=audio 4000 RTP/AVP 106 97\r\na=rtpmap:106 opus/48000/2\r\n\
         a=fmtp:106 useinbandfec=1;  stereo=0\r\n",
    );
    let codecs = &session.media[0].codecs;
    assert_eq!(
        (codecs[0].name.as_str(), codecs[0].clock_hz, codecs[0].channels),
        ("opus", 48000, 2)
    );
    assert_eq!(codecs[0].fmtp.as_deref(), Some("useinbandfec=1;  stereo=0"));
    assert_eq!((codecs[1].payload, codecs[1].name.as_str()), (97, ""));
    assert_eq!(codecs[1].to_string(), "97");
}

#[test]
fn all_three_spellings_of_hold_are_hold() {
    let hold = |text: &str, expected: Direction| {
        let session = parse(text);
        assert_eq!(session.media[0].effective_direction(&session), expected, "{text}");
        assert!(is_hold(&session), "{text}");
    };
    let base = "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n";
    hold(&format!("{base}a=sendonly\r\n"), Direction::SendOnly);
    hold(&format!("{base}a=inactive\r\n"), Direction::Inactive);
    hold(&base.replace("192.0.2.1", "0.0.0.0"), Direction::SendOnly);
    hold(
        "v=0\r\nm=audio 4000 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\na=sendrecv\r\n",
        Direction::SendOnly,
    );
    hold("v=0\r\nm=audio 4000 RTP/AVP 0\r\nc=IN IP6 ::\r\na=recvonly\r\n", Direction::Inactive);
    assert!(!is_hold(&parse(base)));
    assert!(!is_hold(&parse(&format!("{base}a=recvonly\r\n"))));
    assert!(!is_hold(&parse("v=0\r\nm=audio 0 RTP/AVP 0\r\n")));
}

#[test]
fn held_video_beside_live_audio_is_no_hold() {
    let session = audio("m=audio 4000 RTP/AVP 0\r\nm=video 4002 RTP/AVP 34\r\na=inactive\r\n");
    assert!(!is_hold(&session));
}

#[test]
fn a_session_direction_counts_where_the_stream_has_none() {
    let session = parse(
        "v=0\r\nc=IN IP4 192.0.2.1\r\na=sendonly\r\nm=audio 4000 RTP/AVP 0\r\n\
         m=video 4002 RTP/AVP 34\r\na=recvonly",
    );
    assert_eq!(session.media[0].effective_direction(&session), Direction::SendOnly);
    assert_eq!(session.media[1].effective_direction(&session), Direction::RecvOnly);
}

#[test]
fn rtcp_follows_mux_then_its_own_attribute_then_the_next_port() {
    let rtcp = |lines: &str| {
        let session = audio(lines);
        session.media[0].rtcp_address(&session).map(|address| address.to_string())
    };
    let media = "m=audio 4000 RTP/AVP 0\r\n";
    assert_eq!(rtcp(media).unwrap(), "192.0.2.1:4001");
    assert_eq!(rtcp(&format!("{media}a=rtcp:53020\r\n")).unwrap(), "192.0.2.1:53020");
    assert_eq!(
        rtcp(&format!("{media}a=rtcp:53020 IN IP4 192.0.2.77\r\n")).unwrap(),
        "192.0.2.77:53020"
    );
    assert_eq!(rtcp(&format!("{media}a=rtcp-mux\r\na=rtcp:9\r\n")).unwrap(), "192.0.2.1:4000");
    assert_eq!(rtcp("m=audio 65535 RTP/AVP 0\r\n"), None);
}

#[test]
fn groups_everybody_and_nobody_are_no_addresses() {
    for address in ["224.2.1.1/127", "255.255.255.255", "0.0.0.0"] {
        let session = parse(&format!("v=0\r\nc=IN IP4 {address}\r\nm=audio 4000 RTP/AVP 0\r\n"));
        assert_eq!(session.media[0].rtp_address(&session), None, "{address}");
    }
    let mapped = parse("v=0\r\nc=IN IP6 ::ffff:192.0.2.5\r\nm=audio 4000 RTP/AVP 0\r\n");
    assert_eq!(mapped.media[0].rtp_address(&mapped), Some("192.0.2.5:4000".parse().unwrap()));
}

#[test]
fn fax_and_other_transports_keep_their_formats_and_attributes() {
    let session = audio(
        "m=image 4004 udptl t38\r\na=T38FaxVersion:0\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n\
         m=application 9 TCP/BFCP *\r\nm=message 7394 TCP/MSRP *\r\na=path:msrp://x\r\n",
    );
    assert_eq!(session.media[0].profile(), Profile::Udptl);
    assert_eq!(session.media[0].formats, ["t38"]);
    assert_eq!(session.media[0].attribute("t38faxversion"), Some("0"));
    assert!(session.has_fax());
    assert_eq!(session.media[1].formats, ["*"]);
    assert_eq!(session.media[2].kind, MediaKind::Other("message".to_owned()));
    assert!(!session.media[2].is_relayable());
}

#[test]
fn a_rejected_stream_may_leave_out_its_formats() {
    let session = audio("m=audio 0 RTP/AVP\r\n");
    assert!(session.media[0].is_rejected());
    assert_eq!(error("v=0\r\nm=audio 4000 RTP/AVP\r\n"), SdpErrorKind::Media);
}

#[test]
fn unusable_media_lines_and_foreign_versions_are_errors_that_name_their_line() {
    for line in
        ["m=audio", "m=audio x RTP/AVP 0", "m=audio 65536 RTP/AVP 0", "m=audio -1 RTP/AVP 0"]
    {
        let found = Session::parse(format!("v=0\r\ns=-\r\n{line}\r\n").as_bytes()).unwrap_err();
        assert_eq!(found, SdpError { line: 3, kind: SdpErrorKind::Media });
    }
    for text in ["", "v=1\r\n", "s=-\r\nv=0\r\n", "<xml/>"] {
        assert_eq!(error(text), SdpErrorKind::Version);
    }
}

#[test]
fn each_limit_is_exact() {
    let media = "m=audio 4000 RTP/AVP 0\r\n";
    assert_eq!(audio(&media.repeat(Session::MAX_MEDIA)).media.len(), Session::MAX_MEDIA);
    let more = format!("v=0\r\n{}", media.repeat(Session::MAX_MEDIA + 1));
    assert_eq!(error(&more), SdpErrorKind::TooManyMedia);
    let formats = |count: usize| format!("v=0\r\nm=audio 4000 RTP/AVP{}\r\n", " 0".repeat(count));
    assert_eq!(parse(&formats(Session::MAX_FORMATS)).media[0].codecs.len(), 1);
    assert_eq!(error(&formats(Session::MAX_FORMATS + 1)), SdpErrorKind::TooManyFormats);
    let lines = |count: usize| format!("v=0\r\n{}", "a=x\r\n".repeat(count));
    assert_eq!(parse(&lines(Session::MAX_LINES)).attributes.len(), Session::MAX_LINES);
    assert_eq!(error(&lines(Session::MAX_LINES + 1)), SdpErrorKind::TooManyLines);
    let long = format!("v=0\r\na={}\r\n", "x".repeat(Session::MAX_BYTES));
    assert_eq!(error(&long), SdpErrorKind::TooLong);
}

#[test]
fn octets_that_are_no_text_do_not_hide_the_rest() {
    let body = b"v=0\r\no=\xff\xfe 1 1 IN IP4 192.0.2.1\r\ns=\xc3\x28\r\na=\0x\r\nm=audio 4000 RTP/AVP 0\r\n";
    assert_eq!(Session::parse(body).unwrap().media[0].port, 4000);
}

#[test]
fn what_is_written_is_strict_and_in_order() {
    let text = written(&parse(
        "v=0\no=- 5 6 IN IP4 192.0.2.1\nb=AS:80\nc=IN IP4 192.0.2.1\na=tool:x\nm=audio 4000/1 RTP/AVP 0 97\na=fmtp:97 x\na=rtcp-mux\na=recvonly",
    ));
    assert_eq!(
        text,
        "v=0\r\no=- 5 6 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nb=AS:80\r\nt=0 0\r\na=tool:x\r\n\
         m=audio 4000 RTP/AVP 0 97\r\na=rtpmap:0 PCMU/8000\r\na=fmtp:97 x\r\na=rtcp-mux\r\na=recvonly\r\n"
    );
}

#[test]
fn text_from_elsewhere_cannot_add_lines() {
    let mut session = parse(DESK_PHONE);
    session.origin.username = "a\r\nm=audio 9 RTP/AVP 0".to_owned();
    session.media[0].codecs[0].fmtp = Some("x\r\na=inactive".to_owned());
    let read = Session::parse(&session.to_bytes()).unwrap();
    assert_eq!(read.media.len(), 1);
    assert_eq!(read.media[0].direction, Some(Direction::SendRecv));
}

#[test]
fn the_preferred_audio_is_the_first_that_carries_sound() {
    let session = audio(
        "m=audio 0 RTP/AVP 0\r\nm=audio 4000 RTP/AVP 101 13 8 0\r\na=rtpmap:101 telephone-event/8000\r\n",
    );
    let preferred = session.preferred_audio().unwrap();
    assert_eq!(
        (preferred.media, preferred.family, preferred.codec.payload),
        (1, CodecFamily::Pcma, 8)
    );
    assert_eq!(parse("v=0\r\nm=audio 4000 RTP/AVP 13\r\n").preferred_audio(), None);
    let families = [("9", CodecFamily::G722), ("0", CodecFamily::Pcmu), ("18", CodecFamily::Other)];
    for (format, family) in families {
        let session = parse(&format!("v=0\r\nm=audio 4000 RTP/AVP {format}\r\n"));
        assert_eq!(session.preferred_audio().unwrap().family, family);
    }
}

#[test]
fn the_first_description_in_a_multipart_body_is_found() {
    let body = Bytes::from_static(
        b"preamble\r\n--b1\r\nContent-Type: application/pidf+xml\r\n\r\n<x/>\r\n--b1\r\n\
          content-type: application/sdp\r\nContent-Disposition: session\r\n\r\nv=0\r\ns=one\r\n--b1\r\n\
          Content-Type: application/sdp\r\n\r\nv=0\r\ns=two\r\n--b1--\r\n",
    );
    let part = session_part(Some("multipart/mixed; charset=x; boundary=\"b1\""), &body).unwrap();
    assert_eq!(part, "v=0\r\ns=one");
    assert_eq!(session_part(Some("multipart/mixed;boundary=other"), &body), None);
    assert_eq!(session_part(Some("multipart/mixed"), &body), None);
}

#[test]
fn a_description_inside_a_nested_multipart_is_found_to_the_limit() {
    let wrap = |inner: &str, boundary: &str, kind: &str| {
        format!("--{boundary}\r\nContent-Type: {kind}\r\n\r\n{inner}\r\n--{boundary}--\r\n")
    };
    let one = wrap("v=0\r\n", "c", "application/sdp");
    let two = wrap(&one, "b", "multipart/alternative;boundary=c");
    let three = wrap(&two, "a", "multipart/mixed;boundary=b");
    let found = |body: &str, boundary: &str| {
        session_part(
            Some(&format!("multipart/mixed;boundary={boundary}")),
            &Bytes::from(body.to_owned()),
        )
    };
    assert_eq!(found(&one, "c").unwrap(), "v=0\r\n");
    assert_eq!(found(&two, "b").unwrap(), "v=0\r\n");
    assert_eq!(found(&three, "a"), None);
}

#[test]
fn a_plain_body_is_taken_by_its_type_or_its_start() {
    let sdp = Bytes::from_static(b"v=0\r\n");
    assert_eq!(session_part(Some("Application/SDP; charset=utf-8"), &sdp), Some(sdp.clone()));
    assert_eq!(session_part(None, &sdp), Some(sdp.clone()));
    assert_eq!(session_part(Some("application/dtmf-relay"), &sdp), None);
    assert_eq!(session_part(None, &Bytes::from_static(b"Signal=1")), None);
    assert_eq!(session_part(Some("application/sdp"), &Bytes::new()), None);
}
