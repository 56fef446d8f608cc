//! Descriptions on their way from one leg to the other.

use std::net::IpAddr;

use super::*;

fn end(port: u16) -> RelayMedia {
    RelayMedia::new("203.0.113.5".parse().unwrap(), port, port + 1)
}

fn ends(ports: &[u16]) -> Vec<Option<RelayMedia>> {
    ports.iter().map(|port| (*port != 0).then(|| end(*port))).collect()
}

fn offer(lines: &str) -> Session {
    parse(&format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{lines}"
    ))
}

fn our_address() -> IpAddr {
    "203.0.113.5".parse().unwrap()
}

/// A browser-like pile of transport attributes on a plain RTP line.
const LOADED: &str = "a=group:BUNDLE 0\r\na=msid-semantic: WMS\r\nm=audio 4000 RTP/AVPF 111 126\r\n\
    a=mid:0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=ice-options:trickle\r\n\
    a=candidate:1 1 UDP 1 192.0.2.1 4000 typ host\r\na=fingerprint:sha-256 AA:BB\r\na=setup:actpass\r\n\
    a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtcp:9\r\n\
    a=rtcp-fb:111 transport-cc\r\na=extmap:1 urn:x\r\na=ssrc:1 cname:x\r\na=msid:a b\r\n\
    a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
    a=rtpmap:126 telephone-event/8000\r\na=ptime:20\r\na=maxptime:60\r\na=label:7\r\na=x-vendor:1\r\n\
    a=end-of-candidates\r\na=sendrecv\r\n";

#[test]
fn the_other_legs_offer_has_our_addresses_and_none_of_the_transport_attributes() {
    let relayed = relay_offer(&offer(LOADED), &ends(&[20000])).unwrap();
    assert_eq!(
        written(&relayed),
        "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\n\
         m=audio 20000 RTP/AVP 111 126\r\na=rtpmap:111 opus/48000/2\r\n\
         a=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:126 telephone-event/8000\r\n\
         a=ptime:20\r\na=maxptime:60\r\na=label:7\r\na=sendrecv\r\n"
    );
}

#[test]
fn count_and_order_of_media_lines_are_kept_and_the_unrelayed_rejected() {
    let source = offer(
        "m=message 7394 TCP/MSRP *\r\nm=audio 4000 RTP/AVP 0\r\nm=application 9 TCP/BFCP *\r\n\
         m=video 0 RTP/AVP 34\r\nm=video 4002 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\n\
         a=fmtp:99 profile-level-id=42e01f\r\na=content:main\r\nm=audio 4008 TCP/RTP/AVP 0\r\n",
    );
    let relayed = relay_offer(&source, &ends(&[1, 20000, 2, 3, 20002, 4])).unwrap();
    let ports: Vec<u16> = relayed.media.iter().map(|media| media.port).collect();
    assert_eq!(ports, [0, 20000, 0, 0, 20002, 0]);
    let kinds: Vec<&MediaKind> = relayed.media.iter().map(|media| &media.kind).collect();
    assert_eq!(kinds, source.media.iter().map(|media| &media.kind).collect::<Vec<_>>());
    assert!(relayed.media[0].attributes.is_empty());
    assert_eq!(relayed.media[0].formats, ["*"]);
    assert_eq!(relayed.media[4].codecs, source.media[4].codecs);
    assert_eq!(relayed.media[4].attribute("content"), Some("main"));
    assert_eq!(relayed.media[5].protocol, "TCP/RTP/AVP");
}

#[test]
fn a_stream_without_relay_is_rejected_and_nothing_left_is_incompatible() {
    let source = offer("m=audio 4000 RTP/AVP 0\r\nm=video 4002 RTP/AVP 34\r\n");
    let relayed = relay_offer(&source, &ends(&[20000, 0])).unwrap();
    assert_eq!((relayed.media[0].port, relayed.media[1].port), (20000, 0));
    assert_eq!(relay_offer(&source, &[]), Err(Incompatible::Formats));
    let removed = offer("m=audio 0 RTP/AVP 0\r\n");
    assert!(relay_offer(&removed, &[]).is_ok());
}

#[test]
fn whether_one_leg_is_secured_is_not_the_other_legs_affair() {
    for protocol in ["RTP/SAVP", "UDP/TLS/RTP/SAVPF", "RTP/AVPF"] {
        let lines = format!("m=audio 4000 {protocol} 0\r\na=crypto:1 X inline:abc\r\n");
        let relayed = relay_offer(&offer(&lines), &ends(&[20000])).unwrap();
        assert_eq!(relayed.media[0].protocol, "RTP/AVP");
        assert!(relayed.media[0].attributes.is_empty());
        let answer = relay_answer(&offer(&lines), &relayed, &relayed, &ends(&[20002])).unwrap();
        assert_eq!(answer.media[0].protocol, protocol);
    }
}

#[test]
fn foreign_offers_name_the_reason() {
    let refused = |lines: &str| relay_offer(&offer(lines), &ends(&[20000])).unwrap_err();
    assert_eq!(refused("m=audio 4000 TCP/RTP/AVP 0\r\n"), Incompatible::Transport);
    assert_eq!(refused("m=message 7394 TCP/MSRP *\r\n"), Incompatible::MediaType);
    assert_eq!(
        refused("m=audio 4000 RTP/AVP 101\r\na=rtpmap:101 telephone-event/8000\r\n"),
        Incompatible::Formats
    );
    assert_eq!(Incompatible::Formats.warning("pbx"), "305 pbx \"Incompatible media format\"");
    assert_eq!(Incompatible::Transport.warning_code(), 302);
    assert_eq!(Incompatible::STATUS, 488);
}

#[test]
fn the_rtcp_port_is_named_only_when_it_is_not_the_next() {
    let source = offer("m=audio 4000 RTP/AVP 0\r\na=rtcp:4900\r\n");
    assert_eq!(relay_offer(&source, &ends(&[20000])).unwrap().media[0].rtcp, None);
    let apart = RelayMedia { rtcp_port: 30001, ..end(20000) };
    let relayed = relay_offer(&source, &[Some(apart)]).unwrap();
    assert!(written(&relayed).contains("a=rtcp:30001\r\n"));
}

#[test]
fn a_stream_with_another_address_gets_its_own_connection_line() {
    let source = offer("m=audio 4000 RTP/AVP 0\r\nm=video 4002 RTP/AVP 34\r\n");
    let v6 = RelayMedia::new("2001:db8::5".parse().unwrap(), 20002, 20003);
    let text = written(&relay_offer(&source, &[Some(end(20000)), Some(v6)]).unwrap());
    assert!(text.contains("m=video 20002 RTP/AVP 34\r\nc=IN IP6 2001:db8::5\r\n"));
    assert_eq!(text.matches("c=IN IP4 203.0.113.5").count(), 1);
}

#[test]
fn the_direction_is_the_legs_own_and_not_the_sources() {
    let source = offer("m=audio 4000 RTP/AVP 0\r\na=inactive\r\n");
    let relay = [Some(end(20000).with_direction(Direction::SendOnly))];
    assert_eq!(relay_offer(&source, &relay).unwrap().media[0].direction, Some(Direction::SendOnly));
}

#[test]
fn bandwidth_is_copied_up_to_a_cap() {
    let source = offer("m=audio 4000 RTP/AVP 0\r\nb=AS:64\r\nb=TIAS:18446744073709551615\r\n");
    let relayed = relay_offer(&source, &ends(&[20000])).unwrap();
    let values: Vec<u64> = relayed.media[0].bandwidths.iter().map(|b| b.value).collect();
    assert_eq!(values, [64, 100_000_000]);
}

#[test]
fn a_policy_filters_codecs_before_the_offer() {
    let mut source = parse(DESK_PHONE);
    source.retain_codecs(|codec| codec.name != "G729" && codec.name != "G722");
    let relayed = relay_offer(&source, &ends(&[20000])).unwrap();
    assert_eq!(relayed.media[0].formats, ["0", "8", "101"]);
}

#[test]
fn the_answer_uses_the_offerers_numbers_and_the_far_choice() {
    let near = offer(
        "m=audio 4000 RTP/AVP 106 0 126\r\na=rtpmap:106 opus/48000/2\r\n\
         a=rtpmap:126 telephone-event/8000\r\na=fmtp:126 0-16\r\n",
    );
    let far_offer = relay_offer(&near, &ends(&[20000])).unwrap();
    // The far phone answers with numbers of its own, which is illegal and common.
    let far = parse(
        "v=0\r\nc=IN IP4 198.51.100.7\r\nm=audio 7000 RTP/AVP 102 101\r\n\
         a=rtpmap:102 OPUS/48000/2\r\na=fmtp:102 maxaveragebitrate=30000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:40\r\n",
    );
    let answer = relay_answer(&near, &far, &far_offer, &ends(&[21000])).unwrap();
    let media = &answer.media[0];
    assert_eq!((media.port, answer.connection), (21000, Some(our_address())));
    assert_eq!(media.formats, ["106", "126"]);
    assert_eq!(media.codecs[0].fmtp.as_deref(), Some("maxaveragebitrate=30000"));
    assert_eq!(media.codecs[1].fmtp.as_deref(), Some("0-15"));
    assert_eq!(media.ptime_ms(), Some(40));
    assert_eq!(payload_map(&answer.media[0], &far.media[0]), [(106, 102), (126, 101)]);
    assert_eq!(payload_map(&far_offer.media[0], &near.media[0]), [(106, 106), (0, 0), (126, 126)]);
}

#[test]
fn an_answer_without_rtpmap_means_what_was_offered() {
    let near = offer("m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n");
    let far_offer = offer("m=audio 4000 RTP/AVP 97\r\na=rtpmap:97 opus/48000/2\r\n");
    let far = parse("v=0\r\nc=IN IP4 198.51.100.7\r\nm=audio 7000 RTP/AVP 97\r\n");
    let answer = relay_answer(&near, &far, &far_offer, &ends(&[21000])).unwrap();
    assert_eq!(answer.media[0].codecs[0].to_string(), "opus/48000/2");
    assert_eq!(answer.media[0].formats, ["96"]);
}

#[test]
fn a_nameless_codec_is_relayed_under_its_number() {
    let near = offer("m=audio 4000 RTP/AVP 97\r\na=fmtp:97 mode=20\r\n");
    let far_offer = relay_offer(&near, &ends(&[20000])).unwrap();
    assert_eq!(far_offer.media[0].codecs, near.media[0].codecs);
    let far = parse("v=0\r\nc=IN IP4 198.51.100.7\r\nm=audio 7000 RTP/AVP 97\r\n");
    let answer = relay_answer(&near, &far, &far_offer, &ends(&[21000])).unwrap();
    assert_eq!(answer.media[0].formats, ["97"]);
    assert_eq!(payload_map(&answer.media[0], &far.media[0]), [(97, 97)]);
}

#[test]
fn an_answer_without_a_common_codec_is_incompatible() {
    let near = offer("m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n");
    let far_offer = relay_offer(&near, &ends(&[20000])).unwrap();
    for formats in ["8", "101", "13"] {
        let far = parse(&format!(
            "v=0\r\nc=IN IP4 198.51.100.7\r\nm=audio 7000 RTP/AVP {formats}\r\n\
             a=rtpmap:101 telephone-event/8000\r\n"
        ));
        let refused = relay_answer(&near, &far, &far_offer, &ends(&[21000]));
        assert_eq!(refused, Err(Incompatible::Formats), "{formats}");
    }
}

#[test]
fn an_answer_agrees_when_one_stream_has_an_offered_coding() {
    let ours = offer("m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n");
    for (answer, agrees) in [
        ("m=audio 5000 RTP/AVP 0\r\n", true),
        ("m=audio 5000 RTP/AVP 9 8\r\n", false),
        ("m=audio 0 RTP/AVP 0\r\n", false),
        ("m=audio 5000 RTP/AVP 101\r\na=rtpmap:101 telephone-event/8000\r\n", false),
        ("", false),
    ] {
        assert_eq!(is_agreement(&ours, &offer(answer)), agrees, "{answer}");
    }
}

#[test]
fn an_answer_has_the_offers_lines_whatever_the_far_side_sends() {
    let near = offer("m=audio 4000 RTP/AVP 0\r\nm=video 4002 RTP/AVPF 34\r\n");
    let far_offer = relay_offer(&near, &ends(&[20000, 20002])).unwrap();
    let far = parse("v=0\r\nc=IN IP4 198.51.100.7\r\nm=audio 7000 RTP/AVP 0\r\n");
    let answer = relay_answer(&near, &far, &far_offer, &ends(&[21000, 21002])).unwrap();
    assert_eq!(answer.media.len(), 2);
    assert_eq!((answer.media[1].port, answer.media[1].protocol.as_str()), (0, "RTP/AVPF"));
    let both = parse(
        "v=0\r\nc=IN IP4 198.51.100.7\r\nm=audio 7000 RTP/AVP 0\r\nm=video 7002 RTP/AVP 34\r\n\
         m=audio 7004 RTP/AVP 0\r\n",
    );
    let answer = relay_answer(&near, &both, &far_offer, &ends(&[21000, 21002])).unwrap();
    assert_eq!(answer.media.len(), 2);
    assert_eq!((answer.media[1].port, answer.media[1].protocol.as_str()), (21002, "RTP/AVPF"));
}

#[test]
fn fax_is_relayed_unchanged_end_to_end() {
    let near = offer(
        "m=audio 0 RTP/AVP 0\r\nm=image 4004 udptl t38\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\n\
         a=T38FaxRateManagement:transferredTCF\r\n",
    );
    let far_offer = relay_offer(&near, &ends(&[0, 20004])).unwrap();
    assert_eq!(far_offer.media[1].attributes, near.media[1].attributes);
    assert_eq!(far_offer.media[1].protocol, "udptl");
    let far = parse(
        "v=0\r\nc=IN IP4 198.51.100.7\r\nm=audio 0 RTP/AVP 0\r\nm=image 7004 udptl t38\r\n\
         a=T38FaxVersion:0\r\na=T38MaxBitRate:9600\r\n",
    );
    let answer = relay_answer(&near, &far, &far_offer, &ends(&[0, 21004])).unwrap();
    assert_eq!(answer.media[1].port, 21004);
    assert_eq!(answer.media[1].attribute("T38MaxBitRate"), Some("9600"));
    assert_eq!(answer.media[1].rtcp, None);
}

#[test]
fn the_answers_direction_never_exceeds_the_offer() {
    // Spec §5.4, row by row: offer, leg's logical direction, answer.
    let rows = [
        ("sendrecv", Direction::SendRecv, Direction::SendRecv),
        ("sendonly", Direction::SendRecv, Direction::RecvOnly),
        ("recvonly", Direction::SendRecv, Direction::SendOnly),
        ("inactive", Direction::SendRecv, Direction::Inactive),
        ("sendrecv", Direction::SendOnly, Direction::SendOnly),
        ("sendrecv", Direction::Inactive, Direction::Inactive),
        ("sendonly", Direction::SendOnly, Direction::Inactive),
    ];
    let first = offer("m=audio 4000 RTP/AVP 0\r\n");
    let current = relay_answer(&first, &first, &first, &ends(&[21000])).unwrap();
    for (offered, ours, answered) in rows {
        let near = offer(&format!("m=audio 4000 RTP/AVP 0\r\na={offered}\r\n"));
        let relay = [Some(end(21000).with_direction(ours))];
        let relayed = relay_answer(&near, &first, &first, &relay).unwrap();
        assert_eq!(relayed.media[0].direction, Some(answered), "{offered} {ours}");
        let local = answer_locally(&near, &current, &[ours]).unwrap();
        assert_eq!(local.media[0].direction, Some(answered), "{offered} {ours}");
    }
}

#[test]
fn an_old_style_hold_is_answered_recvonly_with_a_real_address() {
    let first = offer("m=audio 4000 RTP/AVP 0\r\n");
    let current = relay_answer(&first, &first, &first, &ends(&[21000])).unwrap();
    let hold = parse("v=0\r\nc=IN IP4 0.0.0.0\r\nm=audio 4000 RTP/AVP 0\r\n");
    let answer = answer_locally(&hold, &current, &[Direction::SendRecv]).unwrap();
    assert_eq!(answer.media[0].direction, Some(Direction::RecvOnly));
    assert_eq!(answer.connection, Some(our_address()));
}

#[test]
fn a_local_answer_keeps_ports_and_takes_the_offers_order_and_numbers() {
    let current = full_offer(&[], end(21000));
    let near = offer(
        "m=audio 5000 RTP/AVP 96 9 0 18\r\na=rtpmap:96 telephone-event/8000\r\n\
         m=video 5002 RTP/AVP 34\r\n",
    );
    let answer = answer_locally(&near, &current, &[]).unwrap();
    assert_eq!(answer.media[0].formats, ["96", "9", "0"]);
    assert_eq!((answer.media[0].port, answer.media[1].port), (21000, 0));
    let removed = offer("m=audio 0 RTP/AVP 0\r\n");
    assert_eq!(answer_locally(&removed, &current, &[]).unwrap().media[0].port, 0);
    let foreign = offer("m=audio 5000 RTP/AVP 18\r\n");
    assert_eq!(answer_locally(&foreign, &current, &[]), Err(Incompatible::Formats));
}

#[test]
fn a_local_answer_keeps_an_rtcp_port_that_is_not_the_next() {
    let relay = RelayMedia { rtcp_port: 30001, ..end(21000) };
    let current = full_offer(&[Codec::pcma()], relay);
    let answer = answer_locally(&offer("m=audio 5000 RTP/AVP 8\r\n"), &current, &[]).unwrap();
    assert_eq!(answer.media[0].rtcp, Some(Rtcp { port: 30001, address: None }));
}

#[test]
fn an_offer_from_scratch_has_the_common_codecs_and_events() {
    let text = written(&full_offer(&[], end(20000)));
    assert!(text.contains("m=audio 20000 RTP/AVP 0 8 9 96 101\r\n"));
    assert!(text.contains("a=rtpmap:9 G722/8000\r\na=rtpmap:96 opus/48000/2\r\n"));
    assert!(!text.contains("a=fmtp:96"));
    assert!(text.contains("a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"));
    assert!(text.contains("a=sendrecv\r\n"));
}

#[test]
fn an_answer_can_be_offered_on() {
    // Click-to-dial: the first party's answer becomes the offer to the second.
    let first = offer("m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n");
    let relayed = relay_offer(&first, &ends(&[20000])).unwrap();
    assert_eq!(relayed.media[0].formats, ["8", "101"]);
}

#[test]
fn events_with_another_clock_are_not_mapped() {
    let wide = offer("m=audio 4000 RTP/AVP 0 110\r\na=rtpmap:110 telephone-event/48000\r\n");
    let narrow = offer("m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n");
    assert_eq!(payload_map(&wide.media[0], &narrow.media[0]), [(0, 0)]);
}

#[test]
fn g722_with_its_sampling_rate_as_clock_is_g722() {
    let wrong = offer("m=audio 4000 RTP/AVP 9\r\na=rtpmap:9 G722/16000\r\n");
    let right = offer("m=audio 4000 RTP/AVP 9\r\n");
    assert_eq!(payload_map(&wrong.media[0], &right.media[0]), [(9, 9)]);
    assert_eq!(wrong.preferred_audio().unwrap().family, CodecFamily::G722);
}

#[test]
fn several_payloads_of_one_codec_find_their_equals() {
    let near = offer(
        "m=video 4002 RTP/AVP 97 98 99\r\na=rtpmap:97 H264/90000\r\na=fmtp:97 packetization-mode=0\r\n\
         a=rtpmap:98 H264/90000\r\na=fmtp:98 packetization-mode=1\r\na=rtpmap:99 rtx/90000\r\n\
         a=fmtp:99 apt=98\r\n",
    );
    let far = parse(
        "v=0\r\nc=IN IP4 198.51.100.7\r\nm=video 7002 RTP/AVP 120 121\r\na=rtpmap:120 H264/90000\r\n\
         a=fmtp:120 packetization-mode=1\r\na=rtpmap:121 rtx/90000\r\na=fmtp:121 apt=120;rtx-time=3\r\n",
    );
    let answer = relay_answer(&near, &far, &near, &ends(&[21002])).unwrap();
    assert_eq!(answer.media[0].formats, ["98", "99"]);
    assert_eq!(answer.media[0].codecs[1].fmtp.as_deref(), Some("apt=98;rtx-time=3"));
}

#[test]
fn the_version_rises_with_the_text_and_only_with_it() {
    let mut local = LocalDescription::new(2468, our_address());
    assert_eq!((local.version(), local.session().is_none()), (0, true));
    let first = local.write(full_offer(&[], end(20000)));
    assert!(first.starts_with(b"v=0\r\no=- 1234 1 IN IP4 203.0.113.5\r\n"));
    // A refresh repeats the text to the octet.
    assert_eq!(local.write(full_offer(&[], end(20000))), first);
    let mut held = full_offer(&[], end(20000));
    held.set_direction(Direction::SendOnly);
    assert!(local.write(held).starts_with(b"v=0\r\no=- 1234 2 IN IP4 203.0.113.5\r\n"));
    assert!(local.write(full_offer(&[], end(20000))).starts_with(b"v=0\r\no=- 1234 3 "));
    assert_eq!(local.version(), 3);
    assert_eq!(local.text().map(|text| Session::parse(text).unwrap()), local.session().cloned());
}

#[test]
fn a_description_without_live_streams_still_has_an_address() {
    let mut local = LocalDescription::new(2, our_address());
    let removed = relay_offer(&offer("m=audio 0 RTP/AVP 0\r\n"), &[]).unwrap();
    let text = local.write(removed);
    assert_eq!(
        text,
        "v=0\r\no=- 1 1 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
    );
}

#[test]
fn lines_never_shrink_and_numbers_keep_their_meaning_when_the_far_party_changes() {
    let mut local = LocalDescription::new(2, our_address());
    let first = offer(
        "m=audio 4000 RTP/AVP 0 106 101\r\na=rtpmap:106 opus/48000/2\r\n\
         a=rtpmap:101 telephone-event/8000\r\nm=video 4002 RTP/AVP 34\r\n",
    );
    local.write(relay_offer(&first, &ends(&[20000, 20002])).unwrap());
    // The new party uses 101 for something else and events under 96.
    let second = offer(
        "m=audio 4000 RTP/AVP 101 96 102\r\na=rtpmap:101 iLBC/8000\r\n\
         a=rtpmap:96 telephone-event/8000\r\na=rtpmap:102 opus/48000/2\r\n",
    );
    let mut next = relay_offer(&second, &ends(&[20000])).unwrap();
    local.continue_with(&mut next);
    assert_eq!(next.media.len(), 2);
    assert!(next.media[1].is_rejected());
    assert_eq!(next.media[0].formats, ["97", "101", "106"]);
    assert_eq!(next.media[0].codec_summary(), "iLBC/8000 telephone-event/8000 opus/48000/2");
    assert_eq!(payload_map(&next.media[0], &second.media[0]), [(97, 101), (101, 96), (106, 102)]);
}

#[test]
fn a_repeated_version_is_recognised_as_the_same_offer() {
    let first = parse(DESK_PHONE);
    assert!(first.is_same_version(&parse(&DESK_PHONE.replace("11780", "9"))));
    assert!(!first.is_same_version(&parse(&DESK_PHONE.replace("8001", "8002"))));
}

#[test]
fn a_rejected_line_keeps_the_meaning_of_its_number() {
    let source = offer("m=audio 4000 RTP/SAVP 4 0\r\na=rtpmap:4 Special/16000\r\na=fmtp:4 x\r\n");
    let rejected = Media::rejected(&source.media[0]);
    assert_eq!((rejected.port, rejected.formats.as_slice()), (0, ["4".to_owned()].as_slice()));
    assert_eq!(rejected.codecs, [Codec::new(4, "Special", 16000)]);
}
