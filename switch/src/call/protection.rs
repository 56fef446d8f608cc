//! Whether and how a party's media is protected: what is offered, taken and refused.
//!
//! Pure: from descriptions to descriptions and to the relay's keys. Knows no call. Source: sip-mapping
//! §5.6; RFC 4568; RFC 5763, 5764; RFC 8643 (optional SRTP under RTP/AVP); SEC-85.

use config::{Srtp, SrtpKeys};
use hmac::{Hmac, KeyInit, Mac};
use media::srtp::{Keys, Material, Suite};
use media::{Fingerprint, Handshake, Security};
use sha2::Sha256;
use sip_stack::sdp::{Crypto, Incompatible, Media, MediaKind, Profile, Session};
use zeroize::Zeroizing;

/// What is offered, in this order: what everybody knows comes first.
const OFFERED: [Suite; 5] = [
    Suite::AesCm128Sha1_80,
    Suite::AesCm128Sha1_32,
    Suite::AesCm256Sha1_80,
    Suite::AeadAes128Gcm,
    Suite::AeadAes256Gcm,
];
const SECURE_PROTOCOL: &str = "RTP/SAVP";
const HANDSHAKE_PROTOCOL: &str = "UDP/TLS/RTP/SAVPF";

/// A party's wishes, and the secret that the keys of its calls come from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Protection {
    srtp: Srtp,
    keys: SrtpKeys,
    /// Keys may stand in the SDP: whoever reads it may know them.
    allows_sdes: bool,
    /// Of our certificate, where handshakes are possible.
    fingerprint: Option<Fingerprint>,
    secret: Secret,
}

/// How an offered stream is going to be protected.
enum Choice {
    Sdes(Crypto, Suite),
    Dtls,
}

/// What both sides have said that belongs together.
enum Agreed {
    Sdes(Crypto, Crypto),
    Dtls(Handshake),
}

/// Octets that nobody else knows: not shown, and wiped.
#[derive(Clone, Default)]
pub(crate) struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    /// A secret of its own for everything that keys are made from.
    pub(crate) fn root(seed: &[u8]) -> Secret {
        Secret(Zeroizing::new(hmac(seed, b"keys of media")))
    }

    fn child(&self, name: &[u8]) -> Secret {
        Secret(Zeroizing::new(hmac(self.0.as_slice(), name)))
    }
}

/// HMAC-SHA256: the same for the same name, and nothing to be foreseen without the key.
fn hmac(key: &[u8], name: &[u8]) -> [u8; 32] {
    // HMAC takes keys of every length.
    let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(key) else { return [0; 32] };
    mac.update(name);
    mac.finalize().into_bytes().into()
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret")
    }
}

impl Protection {
    /// The wishes of a party for one session. `number` is never used again with the same `root`.
    pub(crate) fn new(
        (srtp, keys): (Srtp, SrtpKeys),
        allows_sdes: bool,
        (root, number): (&Secret, u64),
    ) -> Protection {
        let secret = root.child(&number.to_le_bytes());
        Protection { srtp, keys, allows_sdes, fingerprint: None, secret }
    }

    /// The same where handshakes are possible, with the certificate of this fingerprint.
    pub(crate) fn with_fingerprint(self, fingerprint: Option<Fingerprint>) -> Protection {
        Protection { fingerprint, ..self }
    }

    /// User name fragment and password of a stream's checks: others for another fragment of the peer.
    pub(super) fn check_credentials(&self, stream: usize, peer: &str) -> (String, String) {
        let stream = stream.to_le_bytes();
        let secret = self.secret.child(&[b"checks", &stream[..], peer.as_bytes()].concat());
        let digits: String = secret.0.iter().map(|octet| format!("{octet:02x}")).collect();
        let (fragment, password) = digits.split_at(8);
        (fragment.to_owned(), password.chars().take(32).collect())
    }

    /// The same wishes for another session of the party, with keys of its own.
    pub(crate) fn renewed(&self) -> Protection {
        Protection { secret: self.secret.child(b"next"), ..self.clone() }
    }

    /// Says whether signalling is such that keys may stand in it.
    pub(crate) fn allow_sdes(&mut self, allows: bool) {
        self.allows_sdes = allows;
    }

    /// Whether the party must not be sent RTP.
    pub(crate) fn is_required(&self) -> bool {
        self.srtp == Srtp::Required
    }

    /// Rejects the streams of an offer that the party's wishes do not admit; where an offer has its
    /// audio twice, with and without protection, only one of them stays.
    ///
    /// Errors: no audio is left of an offer that had some.
    pub(crate) fn screen_offer(&self, offer: &mut Session) -> Result<(), Incompatible> {
        let had_audio = offer.audio().is_some();
        for index in 0..offer.media.len() {
            let can_protect = self.choose(offer, index).is_some();
            let Some(media) = offer.media.get_mut(index).filter(|media| media.is_rtp()) else {
                continue;
            };
            let is_secure = media.profile() == Profile::SecureRtp;
            if (is_secure || self.is_required()) && !can_protect {
                media.reject();
            }
        }
        if offer.audio().is_none() && had_audio {
            return Err(Incompatible::Security);
        }
        let is_audio = |media: &Media, profile| {
            media.kind == MediaKind::Audio && !media.is_rejected() && media.profile() == profile
        };
        if offer.media.iter().any(|media| is_audio(media, Profile::SecureRtp)) {
            let plain = offer.media.iter_mut().filter(|media| is_audio(media, Profile::Rtp));
            plain.for_each(Media::reject);
        }
        Ok(())
    }

    /// Rejects the streams of an answer that are not protected as they must be.
    ///
    /// Errors: as for [`Protection::screen_offer`].
    pub(crate) fn screen_answer(
        &self,
        offer: Option<&Session>,
        answer: &mut Session,
    ) -> Result<(), Incompatible> {
        let had_audio = answer.audio().is_some();
        for index in 0..answer.media.len() {
            let is_agreed = offer.is_some_and(|offer| agreed(offer, answer, index).is_some());
            let Some(media) = answer.media.get_mut(index) else { continue };
            if media.is_rejected() || !media.is_rtp() {
                continue;
            }
            let is_secure = media.profile() == Profile::SecureRtp;
            if !is_agreed && (is_secure || self.is_required()) {
                media.reject();
            }
        }
        if had_audio && answer.audio().is_none() {
            return Err(Incompatible::Security);
        }
        Ok(())
    }

    /// Says in an offer of ours how its streams are protected. `former` is what the party was told
    /// before and `remote` what it said: what was agreed stays.
    ///
    /// Errors: the party must be offered SRTP and cannot be.
    pub(crate) fn protect_offer(
        &self,
        offer: &mut Session,
        former: Option<&Session>,
        remote: Option<&Session>,
    ) -> Result<(), Incompatible> {
        for (index, media) in offer.media.iter_mut().enumerate() {
            if media.is_rejected() || !media.is_rtp() {
                continue;
            }
            let ours = former.and_then(|former| former.media.get(index));
            let theirs = remote.and_then(|remote| remote.media.get(index));
            let is_settled = theirs.is_some_and(|theirs| !theirs.is_rejected());
            let kept = former.zip(remote).and_then(|(ours, theirs)| agreed(ours, theirs, index));
            match (kept, ours) {
                (Some(Agreed::Sdes(own, _)), Some(ours)) => {
                    media.protocol.clone_from(&ours.protocol);
                    media.set_cryptos([own]);
                }
                (Some(Agreed::Dtls(handshake)), Some(ours)) => {
                    media.protocol.clone_from(&ours.protocol);
                    self.name_certificate(
                        media,
                        if handshake.is_client { "active" } else { "passive" },
                    );
                }
                _ if is_settled && !self.is_required() => media.set_cryptos([]),
                _ => self.offer_keys(index, media)?,
            }
        }
        Ok(())
    }

    fn offer_keys(&self, stream: usize, media: &mut Media) -> Result<(), Incompatible> {
        let is_wanted = self.srtp != Srtp::Off && self.keys == SrtpKeys::Dtls;
        if is_wanted && self.fingerprint.is_some() {
            if self.is_required() {
                media.protocol = HANDSHAKE_PROTOCOL.to_owned();
            }
            media.set_cryptos([]);
            self.name_certificate(media, "actpass");
            return Ok(());
        }
        let has_keys = self.allows_sdes && self.keys == SrtpKeys::Sdes;
        let can_offer = has_keys && self.srtp != Srtp::Off;
        if !can_offer {
            media.set_cryptos([]);
            return if self.is_required() { Err(Incompatible::Security) } else { Ok(()) };
        }
        if self.is_required() {
            media.protocol = SECURE_PROTOCOL.to_owned();
        }
        let lines = (1..).zip(OFFERED);
        media.set_cryptos(lines.map(|(tag, suite)| self.crypto(stream, tag, suite)));
        Ok(())
    }

    /// Says in an answer of ours how the streams of `offer` that it takes are protected. `former` is
    /// what the party was told before: roles stay (RFC 8842 §5.3).
    pub(crate) fn protect_answer(
        &self,
        offer: &Session,
        answer: &mut Session,
        former: Option<&Session>,
    ) {
        for (index, media) in answer.media.iter_mut().enumerate() {
            if media.is_rejected() || !media.is_rtp() {
                continue;
            }
            media.set_cryptos([]);
            match self.choose(offer, index) {
                Some(Choice::Sdes(theirs, suite)) => {
                    media.set_cryptos([self.crypto(index, theirs.tag, suite)]);
                }
                Some(Choice::Dtls) => {
                    let before = former.and_then(|former| former.stream_attribute(index, "setup"));
                    let role = match (offer.stream_attribute(index, "setup"), before) {
                        (Some("passive"), _) | (Some("actpass"), Some("active")) => "active",
                        // Whoever says nothing begins (RFC 4145 §4.1).
                        _ => "passive",
                    };
                    self.name_certificate(media, role);
                }
                None => {}
            }
        }
    }

    fn name_certificate(&self, media: &mut Media, role: &str) {
        let Some(fingerprint) = &self.fingerprint else { return };
        media.set_attribute("fingerprint", Some(fingerprint.to_string()));
        media.set_attribute("setup", Some(role.to_owned()));
    }

    /// How an offered stream can be protected: by the first a=crypto line that we can obey, by a
    /// handshake where that is the stream's protocol or nothing else is offered.
    fn choose(&self, offer: &Session, index: usize) -> Option<Choice> {
        let offered = offer.media.get(index).filter(|_| self.srtp != Srtp::Off)?;
        let can_shake = self.fingerprint.is_some() && certificate_of(offer, index).is_some();
        let by_handshake = || can_shake.then_some(Choice::Dtls);
        if offered.protocol.to_ascii_uppercase().contains("TLS") {
            return by_handshake();
        }
        let mut cryptos = offered.cryptos().filter(|_| self.allows_sdes);
        let sdes = cryptos.find_map(|crypto| {
            let suite = Suite::of_name(&crypto.suite)?;
            Material::new(suite, &crypto.key_and_salt)?;
            Some(Choice::Sdes(crypto, suite))
        });
        sdes.or_else(by_handshake)
    }

    fn crypto(&self, stream: usize, tag: u32, suite: Suite) -> Crypto {
        let place = u8::try_from(stream).unwrap_or(u8::MAX);
        let kind = Suite::ALL.iter().position(|known| *known == suite).unwrap_or_default();
        let kind = u8::try_from(kind).unwrap_or_default();
        let part = |number| self.secret.child(&[place, kind, number]);
        let (first, second) = (part(0), part(1));
        let mut key_and_salt: Vec<u8> = first.0.iter().chain(second.0.iter()).copied().collect();
        key_and_salt.truncate(suite.material_len());
        Crypto { tag, suite: suite.name().to_owned(), key_and_salt }
    }
}

fn certificate_of(session: &Session, index: usize) -> Option<Fingerprint> {
    session.stream_attribute(index, "fingerprint")?.parse().ok()
}

/// What of ours and theirs belongs together: a=crypto of the same tag and suite, or two certificates.
fn agreed(ours: &Session, theirs: &Session, index: usize) -> Option<Agreed> {
    let (own, other) = (ours.media.get(index)?, theirs.media.get(index)?);
    if let Some((own, other)) = same_line(own, other) {
        return Some(Agreed::Sdes(own, other));
    }
    certificate_of(ours, index)?;
    let fingerprint = certificate_of(theirs, index)?;
    let role = |session: &Session| session.stream_attribute(index, "setup").map(str::to_owned);
    let is_client = match role(ours).as_deref() {
        Some("active") => true,
        Some("actpass") => role(theirs).as_deref() == Some("passive"),
        _ => false,
    };
    Some(Agreed::Dtls(Handshake { fingerprint, is_client }))
}

fn same_line(ours: &Media, theirs: &Media) -> Option<(Crypto, Crypto)> {
    let theirs: Vec<Crypto> = theirs.cryptos().collect();
    ours.cryptos().find_map(|own| {
        let suite = Suite::of_name(&own.suite)?;
        let fits = |other: &&Crypto| {
            other.tag == own.tag
                && Suite::of_name(&other.suite) == Some(suite)
                && other.key_and_salt.len() == suite.material_len()
        };
        let other = theirs.iter().find(fits)?.clone();
        Some((own, other))
    })
}

/// What the relay is told of a stream, from what both said of it.
pub(crate) fn security(ours: Option<&Session>, theirs: &Session, index: usize) -> Security {
    match ours.and_then(|ours| agreed(ours, theirs, index)) {
        Some(Agreed::Sdes(own, other)) => {
            keys_of(&own, &other).map_or(Security::Plain, |keys| Security::Sdes(Box::new(keys)))
        }
        Some(Agreed::Dtls(handshake)) => Security::Dtls(Box::new(handshake)),
        None => Security::Plain,
    }
}

fn keys_of(own: &Crypto, other: &Crypto) -> Option<Keys> {
    let suite = Suite::of_name(&own.suite)?;
    let local = Material::new(suite, &own.key_and_salt)?;
    Some(Keys { local, remote: Material::new(suite, &other.key_and_salt)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wishing(srtp: Srtp, number: u64) -> Protection {
        Protection::new((srtp, SrtpKeys::Sdes), true, (&Secret::root(b"test"), number))
    }

    fn session(protocol: &str, lines: &[&str]) -> Session {
        let lines: String = lines.iter().map(|line| format!("a={line}\r\n")).collect();
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
             m=audio 4000 {protocol} 0\r\n{lines}"
        );
        Session::parse(text.as_bytes()).unwrap()
    }

    const LINE: &str =
        "crypto:7 AES_CM_128_HMAC_SHA1_32 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

    #[test]
    fn an_offer_that_is_answered_gives_both_the_same_keys() {
        for (wish, protocol) in [(Srtp::Required, "RTP/SAVP"), (Srtp::Optional, "RTP/AVP")] {
            let (ours, theirs) = (wishing(wish, 1), wishing(Srtp::Optional, 100));
            let mut offer = session("RTP/AVP", &[]);
            ours.protect_offer(&mut offer, None, None).unwrap();
            assert_eq!(offer.media[0].protocol, protocol);
            assert_eq!(offer.media[0].cryptos().count(), OFFERED.len());
            assert!(theirs.screen_offer(&mut offer.clone()).is_ok());
            let mut answer = session(protocol, &[]);
            theirs.protect_answer(&offer, &mut answer, None);
            assert!(ours.screen_answer(Some(&offer), &mut answer).is_ok());
            let near = security(Some(&offer), &answer, 0);
            let far = security(Some(&answer), &offer, 0);
            assert!(near.local().is_some() && near.local() == far.remote());
            assert!(near.remote().is_some() && near.remote() == far.local());
            assert_ne!(near.local(), near.remote());
            // Offered again: the same key under the same tag, and nothing else.
            let mut again = session("RTP/AVP", &[]);
            ours.protect_offer(&mut again, Some(&offer), Some(&answer)).unwrap();
            assert_eq!(again.media[0].cryptos().count(), 1);
            assert_eq!(security(Some(&again), &answer, 0), near);
        }
    }

    #[test]
    fn an_answer_repeats_the_tag_of_the_first_line_that_can_be_obeyed() {
        let offer = session("RTP/SAVP", &["crypto:3 F8_128_HMAC_SHA1_80 inline:AAAA", LINE]);
        let mut answer = session("RTP/SAVP", &[]);
        wishing(Srtp::Optional, 1).protect_answer(&offer, &mut answer, None);
        let crypto = answer.media[0].cryptos().next().unwrap();
        assert_eq!((crypto.tag, crypto.suite.as_str()), (7, "AES_CM_128_HMAC_SHA1_32"));
    }

    #[test]
    fn what_a_party_does_not_want_is_refused() {
        let screened = |protection: &Protection, mut offer: Session| {
            protection.screen_offer(&mut offer).map(|()| offer.audio().is_some())
        };
        let (plain, secure) = (session("RTP/AVP", &[]), session("RTP/SAVP", &[LINE]));
        let refused = Err(Incompatible::Security);
        assert_eq!(screened(&wishing(Srtp::Off, 1), plain.clone()), Ok(true));
        assert_eq!(screened(&wishing(Srtp::Off, 1), secure.clone()), refused);
        assert_eq!(screened(&wishing(Srtp::Optional, 1), plain.clone()), Ok(true));
        assert_eq!(screened(&wishing(Srtp::Optional, 1), secure.clone()), Ok(true));
        assert_eq!(screened(&wishing(Srtp::Required, 1), plain.clone()), refused);
        assert_eq!(screened(&wishing(Srtp::Required, 1), secure.clone()), Ok(true));
        assert_eq!(screened(&wishing(Srtp::Required, 1), session("RTP/AVP", &[LINE])), Ok(true));
        assert_eq!(screened(&wishing(Srtp::Required, 1), session("RTP/SAVP", &[])), refused);
        let mut open = wishing(Srtp::Required, 1);
        open.allow_sdes(false);
        assert_eq!(screened(&open, secure), refused);
        let mut offer = plain.clone();
        assert_eq!(open.protect_offer(&mut offer, None, None), Err(Incompatible::Security));
        let mut answer = plain.clone();
        let required = wishing(Srtp::Required, 1);
        assert_eq!(required.screen_answer(Some(&plain), &mut answer), Err(Incompatible::Security));
    }

    #[test]
    fn of_audio_that_is_offered_twice_the_protected_one_stays() {
        let mut offer = session("RTP/SAVP", &[LINE]);
        offer.media.push(session("RTP/AVP", &[]).media.remove(0));
        let mut refused = offer.clone();
        wishing(Srtp::Optional, 1).screen_offer(&mut offer).unwrap();
        assert_eq!(offer.media.iter().map(Media::is_rejected).collect::<Vec<_>>(), [false, true]);
        wishing(Srtp::Off, 1).screen_offer(&mut refused).unwrap();
        assert_eq!(refused.media.iter().map(Media::is_rejected).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn another_session_of_the_party_has_other_keys() {
        let first = wishing(Srtp::Required, 1);
        let (mut one, mut two) = (session("RTP/AVP", &[]), session("RTP/AVP", &[]));
        first.protect_offer(&mut one, None, None).unwrap();
        first.renewed().protect_offer(&mut two, None, None).unwrap();
        assert_ne!(one.media[0].cryptos().next(), two.media[0].cryptos().next());
    }
}
