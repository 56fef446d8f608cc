//! Rules that hold for every input.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

/// Bodies that look like SDP often enough to get far.
fn sdp_like() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("o=- 1 1 IN IP4 192.0.2.1".to_owned()),
        "o=[ -~]{0,30}",
        Just("c=IN IP4 192.0.2.1".to_owned()),
        Just("c=IN IP6 2001:db8::1".to_owned()),
        "c=[ -~]{0,20}",
        "b=(AS|TIAS|X):[0-9]{1,6}",
        "m=(audio|video|image|text) [0-9]{1,5}(/2)? (RTP/AVP|RTP/SAVP|RTP/AVPF|udptl|TCP/MSRP)( [0-9]{1,3}){1,4}",
        "a=rtpmap:[0-9]{1,3} [a-zA-Z0-9-]{1,8}(/[0-9]{1,5})?(/[0-9])?",
        "a=fmtp:[0-9]{1,3} [ -~]{0,12}",
        "a=(sendrecv|sendonly|recvonly|inactive|rtcp-mux)",
        "a=rtcp:[0-9]{1,6}( IN IP4 192.0.2.3)?",
        "a=[a-z0-9-]{1,10}(:[ -~]{0,12})?",
        "[ -~]{0,12}",
        "\\PC{0,8}",
    ];
    (proptest::collection::vec(line, 0..24), prop_oneof![Just("\r\n"), Just("\n")])
        .prop_map(|(lines, end)| format!("v=0{end}{}", lines.join(end)))
}

fn relays(count: usize) -> Vec<Option<RelayMedia>> {
    let address = "203.0.113.5".parse().unwrap();
    (0..count)
        .map(|index| {
            let port = 20_000 + 2 * u16::try_from(index).unwrap();
            (index % 5 != 4).then(|| RelayMedia::new(address, port, port + 1))
        })
        .collect()
}

proptest! {
    #[test]
    fn arbitrary_octets_never_panic(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Session::parse(&body);
        let mut with_start = b"v=0\r\n".to_vec();
        with_start.extend_from_slice(&body);
        let _ = Session::parse(&with_start);
        let _ = session_part(Some("multipart/mixed;boundary=b"), &Bytes::from(with_start));
    }

    #[test]
    fn writing_and_reading_again_changes_nothing(text in sdp_like()) {
        if let Ok(session) = Session::parse(text.as_bytes()) {
            let bytes = session.to_bytes();
            let again = Session::parse(&bytes).unwrap();
            prop_assert_eq!(&again, &session);
            prop_assert_eq!(again.to_bytes(), bytes);
        }
    }

    #[test]
    fn a_relayed_offer_aligns_with_its_source_and_leaks_no_address(text in sdp_like()) {
        if let Ok(source) = Session::parse(text.as_bytes())
            && let Ok(relayed) = relay_offer(&source, &relays(source.media.len()))
        {
            prop_assert_eq!(relayed.media.len(), source.media.len());
            for (ours, theirs) in relayed.media.iter().zip(&source.media) {
                prop_assert_eq!(&ours.kind, &theirs.kind);
                prop_assert!(ours.is_rejected() || theirs.is_relayable());
                let address = ours.rtp_address(&relayed).map(|address| address.ip().to_string());
                prop_assert!(ours.is_rejected() || address.as_deref() == Some("203.0.113.5"));
            }
            let read = Session::parse(&relayed.to_bytes()).unwrap();
            prop_assert!(read.is_same_content(&relayed));
        }
    }

    #[test]
    fn every_answer_fits_its_offer(near in sdp_like(), far in sdp_like()) {
        if let (Ok(near), Ok(far)) = (Session::parse(near.as_bytes()), Session::parse(far.as_bytes()))
            && let Ok(answer) = relay_answer(&near, &far, &near, &relays(near.media.len()))
        {
            prop_assert_eq!(answer.media.len(), near.media.len());
            for (ours, theirs) in answer.media.iter().zip(&near.media) {
                prop_assert_eq!(&ours.protocol, &theirs.protocol);
                for codec in ours.codecs.iter().filter(|_| !ours.is_rejected()) {
                    let offered = theirs.codecs.iter().find(|known| known.payload == codec.payload);
                    prop_assert!(offered.is_some_and(|known| known.is_same_encoding(codec)));
                }
                let allowed = theirs.effective_direction(&near).reversed();
                let given = ours.effective_direction(&answer);
                prop_assert_eq!(given, given.restricted_to(allowed));
            }
        }
    }

    #[test]
    fn a_continued_description_never_gives_a_number_two_meanings(
        first in sdp_like(),
        second in sdp_like(),
    ) {
        if let (Ok(first), Ok(second)) =
            (Session::parse(first.as_bytes()), Session::parse(second.as_bytes()))
        {
            let mut local = LocalDescription::new(9, "203.0.113.5".parse().unwrap());
            local.write(first.clone());
            let mut next = second;
            local.continue_with(&mut next);
            prop_assert!(next.media.len() >= first.media.len());
            for (new, old) in next.media.iter().zip(&first.media) {
                if !(new.is_rtp() && old.is_rtp() && new.kind == old.kind) {
                    continue;
                }
                for codec in &new.codecs {
                    let clash = old.codecs.iter().find(|old| old.payload == codec.payload);
                    prop_assert!(clash.is_none_or(|old| old.is_same_encoding(codec)));
                    let same = new.codecs.iter().filter(|other| other.payload == codec.payload);
                    prop_assert_eq!(same.count(), 1);
                }
            }
        }
    }
}
