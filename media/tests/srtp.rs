//! The relay with SRTP on one side or both: over sockets.

#![cfg(feature = "io")]

mod common;

use common::{
    Crypt, Made, Pair, draw, keys, local, receive, receiver_report, relay, reporting, rtp, until,
};
use media::srtp::Suite;
use media::{MediaPlane, MemberCodec, Security, StreamSpec, Tone, Treatment};

fn secured(pair: &Pair, suite: Suite, seed: u8) -> (StreamSpec, Crypt) {
    let keys = keys(suite, seed);
    let crypt = Crypt::new(&keys);
    (StreamSpec { security: Security::Sdes(Box::new(keys)), ..pair.a.spec() }, crypt)
}

/// B says packets until A has heard one of them; what A got.
fn b_is_heard(pair: &mut Pair) -> Vec<u8> {
    pair.b.talk(pair.b_ports, 0);
    receive(&pair.a.media).0
}

#[test]
fn a_secure_and_a_plain_party_hear_each_other_in_every_suite() {
    for suite in Suite::ALL {
        let mut pair = Pair::new(relay(draw(10)));
        let (spec, mut crypt) = secured(&pair, suite, 7);
        pair.relay.modify(pair.a_id, 0, spec);
        for sequence in 1..20 {
            let plain = rtp(0, sequence, 0xa);
            pair.a.media.send_to(&crypt.seal(&plain), local(pair.a_ports.rtp)).unwrap();
            assert_eq!(pair.b.hear().1, plain, "{suite}");
            let heard = b_is_heard(&mut pair);
            assert_ne!(heard[12..40], plain[12..40], "{suite}");
            assert_eq!(crypt.open(heard)[12..], plain[12..], "{suite}");
        }
        let report = receiver_report(0xb, 0xa);
        pair.b.control.send_to(&report, local(pair.b_ports.rtcp)).unwrap();
        let (mut sealed, _) = receive(&pair.a.control);
        let length = crypt.opener.open_rtcp(&mut sealed).expect("SRTCP of the relay");
        assert_eq!(sealed[..length], report, "{suite}");
    }
}

#[test]
fn two_secure_parties_have_keys_of_their_own() {
    let mut pair = Pair::new(relay(draw(10)));
    let (spec, crypt_a) = secured(&pair, Suite::AesCm128Sha1_80, 1);
    pair.relay.modify(pair.a_id, 0, spec);
    let keys_b = keys(Suite::AeadAes256Gcm, 2);
    let mut crypt_b = Crypt::new(&keys_b);
    let spec = StreamSpec { security: Security::Sdes(Box::new(keys_b)), ..pair.b.spec() };
    pair.relay.modify(pair.b_id, 0, spec);
    let plain = rtp(0, 5, 0xa);
    pair.a.media.send_to(&crypt_a.seal(&plain), local(pair.a_ports.rtp)).unwrap();
    assert_eq!(crypt_b.open(receive(&pair.b.media).0), plain);
}

#[test]
fn what_is_not_authentic_is_neither_heard_nor_learnt_from() {
    let mut pair = Pair::new(relay(draw(10)));
    let (spec, crypt) = secured(&pair, Suite::AesCm128Sha1_32, 1);
    pair.relay.modify(pair.a_id, 0, spec);
    let to = local(pair.a_ports.rtp);
    let good = crypt.seal(&rtp(0, 1, 0xa));
    let mut changed = good.clone();
    changed[20] ^= 1;
    for bad in [&rtp(0, 1, 0xa)[..], &changed] {
        pair.a.media.send_to(bad, to).unwrap();
    }
    for _ in 0..2 {
        pair.a.media.send_to(&good, to).unwrap();
    }
    assert_eq!(pair.b.hear().1, rtp(0, 1, 0xa));
    until("one packet taken, three refused", || {
        let received = pair.received(pair.a_id);
        (received.packets, received.dropped.authentication) == (1, 3)
    });
}

#[test]
fn a_new_key_begins_anew_and_the_same_key_goes_on() {
    let mut pair = Pair::new(relay(draw(10)));
    let (spec, mut crypt) = secured(&pair, Suite::AesCm128Sha1_80, 1);
    pair.relay.modify(pair.a_id, 0, spec.clone());
    let to = local(pair.a_ports.rtp);
    // Over the wrap of sequence numbers: both sides count roll-overs.
    for sequence in 65_530..=65_540u32 {
        pair.a.media.send_to(&crypt.seal(&rtp(0, sequence as u16, 0xa)), to).unwrap();
        pair.b.hear();
        pair.b.sequence = sequence as u16;
        crypt.open(b_is_heard(&mut pair));
    }
    // A hold: the direction changes and comes back, the keys do not.
    pair.relay.modify(pair.a_id, 0, StreamSpec { receive: false, ..spec.clone() });
    pair.relay.modify(pair.a_id, 0, spec);
    crypt.open(b_is_heard(&mut pair));
    pair.a.media.send_to(&crypt.seal(&rtp(0, 5, 0xa)), to).unwrap();
    pair.b.hear();
    let (spec, mut next) = secured(&pair, Suite::AesCm128Sha1_80, 9);
    pair.relay.modify(pair.a_id, 0, spec);
    // The phone's first packet under the new key has any number: the count begins there.
    pair.a.media.send_to(&next.seal(&rtp(0, 6, 0xa)), to).unwrap();
    assert_eq!(pair.b.hear().1, rtp(0, 6, 0xa));
    next.open(b_is_heard(&mut pair));
}

#[test]
fn a_secure_party_hears_a_plain_one_that_begins_its_numbers_anew() {
    let mut pair = Pair::new(relay(draw(10)));
    let (spec, mut crypt) = secured(&pair, Suite::AesCm128Sha1_80, 1);
    pair.relay.modify(pair.a_id, 0, spec);
    for (expected, sequence) in (5_000u16..).zip((5_000..5_050).chain(200..250)) {
        pair.b.media.send_to(&rtp(0, sequence, 0xb), local(pair.b_ports.rtp)).unwrap();
        let heard = crypt.open(receive(&pair.a.media).0);
        assert_eq!(heard[12..], rtp(0, sequence, 0xb)[12..]);
        assert_eq!(heard[2..4], expected.to_be_bytes());
    }
}

#[test]
fn tones_and_conferences_are_secured_too() {
    let mut pair = Pair::new(relay(draw(10)));
    let (spec, mut crypt) = secured(&pair, Suite::AesCm256Sha1_80, 1);
    pair.relay.modify(pair.a_id, 0, spec);
    let tone = Treatment::Tone(Tone::Ringback, MemberCodec::PCMU);
    pair.relay.treat(pair.a_id, 0, tone);
    for _ in 0..5 {
        crypt.open(receive(&pair.a.media).0);
    }
    pair.relay.treat(pair.a_id, 0, Treatment::None);
    let room = pair.relay.new_conference().unwrap();
    pair.relay.join(room, pair.a_id, 0, MemberCodec::PCMU).unwrap();
    pair.relay.join(room, pair.b_id, 0, MemberCodec::PCMU).unwrap();
    let silence = [0xff; 160];
    let mut is_heard = false;
    for sequence in 1..200 {
        let plain = rtp(0, sequence, 0xa);
        pair.a.media.send_to(&crypt.seal(&plain), local(pair.a_ports.rtp)).unwrap();
        let heard = pair.b.hear().1;
        crypt.open(receive(&pair.a.media).0);
        is_heard |= heard[12..] != silence;
    }
    assert!(is_heard, "the secure member was never mixed");
}

#[test]
fn reports_of_our_own_are_secured_too() {
    for suite in Suite::ALL {
        let mut pair = Pair::new(reporting(40));
        let (spec, mut crypt) = secured(&pair, suite, 7);
        pair.relay.modify(pair.a_id, 0, spec);
        let tone = Treatment::Tone(Tone::Ringback, MemberCodec::PCMU);
        pair.relay.treat(pair.a_id, 0, tone);
        for _ in 0..2 {
            let (mut sealed, port) = receive(&pair.a.control);
            assert_eq!(port, pair.a_ports.rtcp);
            let length = crypt.opener.open_rtcp(&mut sealed).expect("SRTCP of the relay");
            let (packets, octets) = Made::read(&sealed[..length]).counts();
            assert!(packets > 0 && octets == packets * 160, "{suite}");
        }
    }
}
