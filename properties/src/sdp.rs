//! Session descriptions: what is written reads the same, and what a leg is offered or answered keeps
//! the rules of RFC 3264 and leaks no address of the other leg.

use bytes::Bytes;
use sip_stack::sdp::{
    LocalDescription, RelayMedia, Session, is_agreement, is_hold, relay_answer, relay_offer,
    session_part,
};

const RELAY: &str = "203.0.113.5";

/// One description, or two with an octet 0xFF between them.
pub(crate) fn descriptions(data: &[u8]) {
    let _ = session_part(Some("multipart/mixed;boundary=b"), &Bytes::copy_from_slice(data));
    let mut parts = data.splitn(2, |octet| *octet == 0xff);
    let near = parts.next().and_then(|text| Session::parse(text).ok());
    let far = parts.next().and_then(|text| Session::parse(text).ok());
    for session in near.iter().chain(far.iter()) {
        reads_the_same(session);
        relayed(session);
    }
    if let (Some(near), Some(far)) = (near, far) {
        answered(&near, &far);
        continued(near, far);
    }
}

fn reads_the_same(session: &Session) {
    let bytes = session.to_bytes();
    let again = Session::parse(&bytes).expect("what was written reads again");
    assert_eq!(again, *session);
    assert_eq!(again.to_bytes(), bytes);
    let _ = (is_hold(session), session.codec_summary(), session.preferred_audio());
    let _ = (session.has_live_media(), session.has_fax());
}

fn relays(count: usize) -> Vec<Option<RelayMedia>> {
    let address = RELAY.parse().expect("an address");
    let ports = (20_000_u16..).step_by(2).take(count).enumerate();
    ports
        .map(|(index, port)| (index % 5 != 4).then(|| RelayMedia::new(address, port, port + 1)))
        .collect()
}

fn relayed(source: &Session) {
    let Ok(relayed) = relay_offer(source, &relays(source.media.len())) else { return };
    assert_eq!(relayed.media.len(), source.media.len());
    for (ours, theirs) in relayed.media.iter().zip(&source.media) {
        assert_eq!(ours.kind, theirs.kind);
        assert!(ours.is_rejected() || theirs.is_relayable());
        let address = ours.rtp_address(&relayed).map(|address| address.ip().to_string());
        assert!(ours.is_rejected() || address.as_deref() == Some(RELAY));
    }
    let read = Session::parse(&relayed.to_bytes()).expect("our offer reads");
    assert!(read.is_same_content(&relayed));
}

fn answered(near: &Session, far: &Session) {
    let Ok(answer) = relay_answer(near, far, near, &relays(near.media.len())) else { return };
    assert_eq!(answer.media.len(), near.media.len());
    let _ = is_agreement(near, &answer);
    for (ours, theirs) in answer.media.iter().zip(&near.media) {
        assert_eq!(ours.protocol, theirs.protocol);
        for codec in ours.codecs.iter().filter(|_| !ours.is_rejected()) {
            let offered = theirs.codecs.iter().find(|known| known.payload == codec.payload);
            assert!(offered.is_some_and(|known| known.is_same_encoding(codec)));
        }
        let allowed = theirs.effective_direction(near).reversed();
        let given = ours.effective_direction(&answer);
        assert_eq!(given, given.restricted_to(allowed));
    }
}

/// A number never gets a second meaning within a session (RFC 3264 §8.3.2).
fn continued(first: Session, second: Session) {
    let mut local = LocalDescription::new(9, RELAY.parse().expect("an address"));
    local.write(first.clone());
    let mut next = second;
    local.continue_with(&mut next);
    assert!(next.media.len() >= first.media.len());
    for (new, old) in next.media.iter().zip(&first.media) {
        if !(new.is_rtp() && old.is_rtp() && new.kind == old.kind) {
            continue;
        }
        for codec in &new.codecs {
            let clash = old.codecs.iter().find(|old| old.payload == codec.payload);
            assert!(clash.is_none_or(|old| old.is_same_encoding(codec)));
            let same = new.codecs.iter().filter(|other| other.payload == codec.payload);
            assert_eq!(same.count(), 1);
        }
    }
}
