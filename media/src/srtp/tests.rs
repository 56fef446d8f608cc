//! Test vectors of RFC 3711 appendix B, RFC 6188 §7, RFC 7714 §16 and libsrtp's packets; round trips.

use proptest::prelude::*;

use super::cipher::{Block, Parts, Transform};
use super::derive::{Protocol, derive, generate};
use super::{Material, OVERHEAD_MAX, Opener, Sealer, SrtpError, Suite};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

fn key_stream(key: &str, length: usize) -> Vec<u8> {
    let counter = hex("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000").try_into().unwrap();
    let mut octets = vec![0; length];
    Block::new(&hex(key)).add_key_stream(&counter, &mut octets);
    octets
}

#[test]
fn the_key_stream_is_that_of_rfc_3711_b_2() {
    let stream = key_stream("2b7e151628aed2a6abf7158809cf4f3c", 0xff03 * 16);
    let begin = "e03ead0935c95e80e166b16dd92b4eb4 d23513162b02d0f72a43a2fe4a5f97ab \
                 41e95b3bb0a2e8dd477901e4fca894c0";
    assert_eq!(stream[..48], hex(begin));
    let end = "ec8cdf7398607cb0f2d21675ea9ea1e4 362b7c3c6773516318a077d7fc5073ae \
               6a2cc3787889374fbeb4c81b17ba6c44";
    assert_eq!(stream[0xfeff * 16..0xff02 * 16], hex(end));
}

#[test]
fn the_key_stream_of_256_bits_is_that_of_rfc_6188_7_1() {
    let key = "57f82fe3613fd170a85ec93c40b1f092 2ec4cb0dc025b58272147cc438944a98";
    let begin = "92bdd28a93c3f52511c677d08b5515a4 9da71b2378a854f67050756ded165bac \
                 63c4868b7096d88421b563b8c94c9a31";
    assert_eq!(key_stream(key, 48), hex(begin));
}

#[test]
fn session_keys_are_those_of_rfc_3711_b_3() {
    let master = hex("e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6");
    let material = Material::new(Suite::AesCm128Sha1_80, &master).unwrap();
    let session = derive(&material, Protocol::Rtp);
    assert_eq!(session.key[..16], hex("c61e7a93744f39ee10734afe3ff7a087"));
    assert_eq!(session.salt[..], hex("30cbbc08863d8c85d49db34a9ae1"));
    let mut auth = [0; 94];
    generate(&Block::new(&master[..16]), &master[16..], 1, &mut auth);
    let expected = "cebe321f6ff7716b6fd4ab49af256a15 6d38baa48f0a0acf3c34e2359e6cdbce \
                    e049646c43d9327ad175578ef7227098 6371c10c9a369ac2f94a8c5fbcdddc25 \
                    6d6e919a48b610ef17c2041e47403576 6b68642c59bbfc2f34db60dbdfb2";
    assert_eq!(auth[..], hex(expected));
    assert_eq!(session.auth[..], auth[..20]);
}

#[test]
fn session_keys_of_256_bits_are_those_of_rfc_6188_7_2() {
    let master = hex("f0f04914b513f2763a1b1fa130f10e29 98f6f6e43e4309d1e622a0e332b9f1b6 \
         3b04803de51ee7c96423ab5b78d2");
    let material = Material::new(Suite::AesCm256Sha1_80, &master).unwrap();
    let session = derive(&material, Protocol::Rtp);
    let key = "5ba1064e30ec51613cad926c5a28ef73 1ec7fb397f70a960653caf06554cd8c4";
    assert_eq!(session.key[..], hex(key));
    assert_eq!(session.salt[..], hex("fa31791685ca444a9e07c6c64e93"));
    assert_eq!(session.auth[..], hex("fd9c32d39ed5fbb5a9dc96b30818454d1313dc05"));
}

#[test]
fn a_packet_of_aes_gcm_is_that_of_rfc_7714_16() {
    let packet = "8040f17b8041f8d35501a0b2 47616c6c696120657374206f6d6e697320646976\
                  69736120696e207061727465732074726573";
    let salt = hex("517569642070726f2071756f");
    let tables = [
        (
            Suite::AeadAes128Gcm,
            "000102030405060708090a0b0c0d0e0f",
            "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833\
             899d7f27beb16a9152cf765ee4390cce",
        ),
        (
            Suite::AeadAes256Gcm,
            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
            "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b\
             7aa3db36dfffd6b0f9bb7878d7a76c13",
        ),
    ];
    for (suite, key, expected) in tables {
        let transform = Transform::with_session_keys(suite, &hex(key), &salt);
        let mut octets = hex(packet);
        let (clear, body) = octets.split_at_mut(12);
        let mut tag = [0; 16];
        let parts = |body, tag| Parts {
            clear,
            body,
            trailer: &[],
            tag,
            ssrc: 0x5501_a0b2,
            index: 0xf17b,
            is_encrypted: true,
        };
        transform.seal(parts(body, &mut tag)).unwrap();
        assert_eq!([body as &[u8], &tag].concat(), hex(expected), "{suite}");
    }
}

const MASTER: &str = "e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6";
const RTP: &str = "800f1234decafbadcafebabe abababababababababababababababab";
const RTCP: &str = "81c8000bcafebabe abababababababababababababababab";

#[test]
fn packets_are_those_of_libsrtp() {
    let sealer = Sealer::new(&Material::new(Suite::AesCm128Sha1_80, &hex(MASTER)).unwrap());
    let mut buffer = [hex(RTP), vec![0; OVERHEAD_MAX]].concat();
    let length = sealer.seal_rtp(&mut buffer, 28).unwrap();
    let expected = "800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb";
    assert_eq!(buffer[..length], hex(expected));
    let mut buffer = [hex(RTCP), vec![0; OVERHEAD_MAX]].concat();
    // Its packet is the second one of its session.
    sealer.seal_rtcp(&mut [hex(RTCP), vec![0; OVERHEAD_MAX]].concat(), 24).unwrap();
    let length = sealer.seal_rtcp(&mut buffer, 24).unwrap();
    let expected = "81c8000bcafebabe 7128035be487b9bdbef89041f977a5a8 80000001 \
                    993e08cd54d6c1230798";
    assert_eq!(buffer[..length], hex(expected));
}

#[test]
fn a_packet_of_aes_gcm_is_that_of_libsrtp() {
    let master = hex("000102030405060708090a0b0c0d0e0f a0a1a2a3a4a5a6a7a8a9aaab");
    let sealer = Sealer::new(&Material::new(Suite::AeadAes128Gcm, &master).unwrap());
    let mut buffer = [hex(RTP), vec![0; OVERHEAD_MAX]].concat();
    let length = sealer.seal_rtp(&mut buffer, 28).unwrap();
    let expected = "800f1234decafbadcafebabe c5002ede04cfdd2eb91159e0880aa06e \
                    d2976826f796b201df3131a127e8a392";
    assert_eq!(buffer[..length], hex(expected));
}

fn pair(suite: Suite) -> (Sealer, Opener) {
    let octets: Vec<u8> = (0..suite.material_len()).map(|n| n as u8 ^ 0x5a).collect();
    let material = Material::new(suite, &octets).unwrap();
    (Sealer::new(&material), Opener::new(&material))
}

fn rtp(sequence: u16, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 9]);
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

fn seal(sealer: &Sealer, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut buffer = [packet, &[0; OVERHEAD_MAX]].concat();
    let length = sealer.seal_rtp(&mut buffer, packet.len())?;
    buffer.truncate(length);
    Ok(buffer)
}

fn open(opener: &mut Opener, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut packet = packet.to_vec();
    let length = opener.open_rtp(&mut packet)?;
    packet.truncate(length);
    Ok(packet)
}

#[test]
fn what_was_sealed_is_opened_once_in_every_suite() {
    for suite in Suite::ALL {
        let (sealer, mut opener) = pair(suite);
        for sequence in 65_530..65_540u32 {
            let packet = rtp(sequence as u16, 7, b"hello, world");
            let sealed = seal(&sealer, &packet).unwrap();
            assert_ne!(sealed[12..24], packet[12..24], "{suite}");
            assert_eq!(open(&mut opener, &sealed).as_deref(), Ok(&packet[..]), "{suite}");
            assert_eq!(open(&mut opener, &sealed), Err(SrtpError::Replay), "{suite}");
        }
        let report = [0x80, 201, 0, 1, 0, 0, 0, 7, 1, 2, 3, 4];
        let mut buffer = [&report[..], &[0; OVERHEAD_MAX]].concat();
        let length = sealer.seal_rtcp(&mut buffer, report.len()).unwrap();
        let mut first = buffer[..length].to_vec();
        let opened = opener.open_rtcp(&mut first).unwrap();
        assert_eq!(first[..opened], report, "{suite}");
        assert_eq!(opener.open_rtcp(&mut buffer[..length]), Err(SrtpError::Replay), "{suite}");
    }
}

#[test]
fn a_changed_packet_or_another_key_is_not_believed_and_changes_nothing() {
    for suite in Suite::ALL {
        let (sealer, mut opener) = pair(suite);
        let good = seal(&sealer, &rtp(5, 7, &[1; 160])).unwrap();
        for at in [1, 2, 5, 9, 30, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(open(&mut opener, &bad), Err(SrtpError::Authentication), "{suite} {at}");
        }
        let other = Material::new(suite, &vec![1; suite.material_len()]).unwrap();
        let foreign = open(&mut Opener::new(&other), &good);
        assert_eq!(foreign, Err(SrtpError::Authentication), "{suite}");
        assert!(open(&mut opener, &good).is_ok(), "{suite}");
    }
}

#[test]
fn reordering_within_the_window_passes_and_beyond_it_does_not() {
    let (sealer, mut opener) = pair(Suite::AesCm128Sha1_32);
    let sealed: Vec<_> = (0..300).map(|n| seal(&sealer, &rtp(n, 7, &[2; 20])).unwrap()).collect();
    for at in [0, 2, 1, 200, 100, 73] {
        assert!(open(&mut opener, &sealed[at]).is_ok(), "{at}");
    }
    assert_eq!(open(&mut opener, &sealed[72]), Err(SrtpError::Replay));
}

#[test]
fn sources_are_told_apart() {
    let (sealer, mut opener) = pair(Suite::AesCm256Sha1_80);
    let (other, _) = pair(Suite::AesCm256Sha1_80);
    for sequence in 0..20 {
        for (sealer, ssrc) in [(&sealer, 1), (&other, 2)] {
            let sealed = seal(sealer, &rtp(sequence, ssrc, &[3; 20])).unwrap();
            assert!(open(&mut opener, &sealed).is_ok());
        }
    }
}

#[test]
fn no_number_is_sealed_twice_whatever_the_packet_holds() {
    let (sealer, _) = pair(Suite::AeadAes256Gcm);
    assert!(seal(&sealer, &rtp(5, 7, &[1])).is_ok());
    assert_eq!(seal(&sealer, &rtp(5, 7, &[2])), Err(SrtpError::Replay));
    assert!(seal(&sealer, &rtp(4, 7, &[3])).is_ok());
    assert!(seal(&sealer, &rtp(500, 7, &[3])).is_ok());
    assert_eq!(seal(&sealer, &rtp(6, 7, &[3])), Err(SrtpError::Replay));
}

#[test]
fn two_threads_never_get_the_same_number() {
    let (sealer, _) = pair(Suite::AesCm128Sha1_80);
    let given: usize = std::thread::scope(|scope| {
        let work = || (0..5_000).filter(|n| seal(&sealer, &rtp(*n, 7, &[4; 8])).is_ok()).count();
        let threads = [scope.spawn(work), scope.spawn(work)];
        threads.map(|thread| thread.join().unwrap()).into_iter().sum()
    });
    assert!(given <= 5_000, "{given}");
}

#[test]
fn keys_are_not_shown() {
    let (sealer, opener) = pair(Suite::AesCm128Sha1_80);
    let material = Material::new(Suite::AesCm128Sha1_80, &[0x41; 30]).unwrap();
    assert_eq!(format!("{material:?}"), "Material(AES_CM_128_HMAC_SHA1_80)");
    assert_eq!(format!("{sealer:?}"), "Sealer(AES_CM_128_HMAC_SHA1_80)");
    assert_eq!(format!("{opener:?}"), "Opener(AES_CM_128_HMAC_SHA1_80)");
    assert_eq!(Material::new(Suite::AesCm128Sha1_80, &[0; 29]), None);
    assert_eq!(Suite::of_name("aes_cm_256_hmac_sha1_80"), Some(Suite::AesCm256Sha1_80));
}

proptest! {
    #[test]
    fn never_panics_and_never_believes_noise(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        for suite in Suite::ALL {
            let (sealer, mut opener) = pair(suite);
            prop_assert!(opener.open_rtp(&mut bytes.clone()).is_err());
            prop_assert!(opener.open_rtcp(&mut bytes.clone()).is_err());
            let mut buffer = bytes.clone();
            let _ = sealer.seal_rtp(&mut buffer, bytes.len());
            buffer.resize(bytes.len() + OVERHEAD_MAX, 0);
            let _ = sealer.seal_rtp(&mut buffer, bytes.len());
            let _ = sealer.seal_rtcp(&mut buffer, bytes.len());
        }
    }
}
