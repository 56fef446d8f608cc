//! Parties that share no codec: what a phone is asked beyond the other's codecs, how both are answered,
//! and what each of them speaks then.
//!
//! A phone is offered the other party's codecs alone at first. Only one that refuses them (415, 488, 606)
//! is asked again, with those that the switch translates behind them: so nothing is ever translated between
//! parties that share a codec, whatever their taste. Source: sip-mapping §5.9; RFC 3264 §6.1.

use bytes::Bytes;
use config::Speech;
use media::{MemberCodec, PayloadMap, Speaker, Voice};
use sip_stack::endpoint::LegId;
use sip_stack::sdp::{Codec, Media, MediaKind, Session, payload_map};

use super::bridge::{tone_codec, voice};
use super::cause::Cause;
use super::end::MediaEnd;
use super::{CallId, ConnectionKey, Party, Reoffer, Side};
use crate::exchange::Exchange;
use crate::exchange::counters::count;

/// Lowest number of the dynamic range (RFC 3551 §3).
const FIRST_DYNAMIC: u8 = 96;
/// Most phones of one call that are remembered; others are not asked again.
const PHONES_MAX: usize = 64;

/// What the switch translates, in the order in which it is offered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Repertoire(Vec<Codec>);

impl Repertoire {
    /// That of `[media] transcode`.
    pub(crate) fn new(known: &[Speech]) -> Repertoire {
        let codec = |speech: &Speech| match speech {
            Speech::Pcmu => Codec::pcmu(),
            Speech::Pcma => Codec::pcma(),
            Speech::G722 => Codec::g722(),
            Speech::Opus => Codec::opus(),
        };
        Repertoire(known.iter().map(codec).collect())
    }

    /// Whether nothing is translated.
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn has(&self, codec: &Codec) -> bool {
        voice(codec).is_some() && self.0.iter().any(|own| own.is_same_encoding(codec))
    }

    /// Puts what is translated behind the speech of an offer, where that can be translated itself; false
    /// when there is nothing to be added.
    pub(crate) fn extend(&self, offer: &mut Session) -> bool {
        let mut has_more = false;
        for media in offer.media.iter_mut().filter(|media| is_live_audio(media)) {
            if !media.codecs.iter().any(|codec| self.has(codec)) {
                continue;
            }
            let mut codecs = media.codecs.clone();
            for own in &self.0 {
                if codecs.iter().any(|codec| codec.is_same_encoding(own)) {
                    continue;
                }
                let is_free = |number: &u8| codecs.iter().all(|codec| codec.payload != *number);
                let mut numbers =
                    [own.payload].into_iter().chain(FIRST_DYNAMIC..=Codec::MAX_PAYLOAD);
                let Some(payload) = numbers.find(is_free) else { continue };
                let behind = codecs.iter().rposition(Codec::is_real).map_or(0, |last| last + 1);
                codecs.insert(behind, Codec { payload, ..own.clone() });
                has_more = true;
            }
            media.set_codecs(codecs);
        }
        has_more
    }

    /// An answer to `asked` in words that the author of `offer` understands; `None` where it understands
    /// them as they are, or cannot be helped.
    pub(crate) fn translated(
        &self,
        offer: &Session,
        answer: &Session,
        asked: &Session,
    ) -> Option<Session> {
        let mut translated = answer.clone();
        let mut has_changed = false;
        for (index, answered) in translated.media.iter_mut().enumerate() {
            let Some(offered) = offer.media.get(index).filter(|media| is_live_audio(media)) else {
                continue;
            };
            if !is_live_audio(answered) {
                continue;
            }
            // An answer may leave the names out.
            let asked = asked.media.get(index).map(|asked| asked.codecs.as_slice());
            let meaning = |codec: &Codec| match codec.name.is_empty() {
                true => asked?.iter().find(|known| known.payload == codec.payload).cloned(),
                false => Some(codec.clone()),
            };
            let meant: Vec<Codec> = answered.codecs.iter().filter_map(meaning).collect();
            let is_known =
                |codec: &&Codec| offered.codecs.iter().any(|o| o.is_same_encoding(codec));
            let mut real = meant.iter().filter(|codec| codec.is_real());
            if real.clone().find(is_known).is_some() || !real.any(|codec| self.has(codec)) {
                continue;
            }
            let Some(own) = offered.codecs.iter().find(|codec| self.has(codec)) else { continue };
            let mut codecs = vec![own.clone()];
            if voice(own) == Some(Voice::Opus) {
                codecs[..1]
                    .iter_mut()
                    .for_each(|own| own.fmtp = Some(Codec::OPUS_SPEECH.to_owned()));
            }
            codecs.extend(meant.into_iter().filter(Codec::is_telephone_event));
            answered.set_codecs(codecs);
            // The mixer has a rhythm of its own.
            answered.attributes.retain(|line| !line.name.to_ascii_lowercase().ends_with("ptime"));
            has_changed = true;
        }
        has_changed.then_some(translated)
    }
}

fn is_live_audio(media: &Media) -> bool {
    media.kind == MediaKind::Audio && media.is_rtp() && !media.is_rejected()
}

/// What a phone was offered, and where.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// The codecs of another party, as they were offered last with nothing behind them.
    codecs: Vec<Codec>,
    /// The phones that may be asked again, by their legs.
    phones: Vec<(LegId, String)>,
}

impl Asked {
    /// It is offered this and no more.
    pub(crate) fn note(&mut self, source: &Session) {
        self.codecs = source.audio().map(|audio| audio.codecs.clone()).unwrap_or_default();
    }

    /// Whether it was offered these codecs and no others. A phone that was offered more need not have
    /// said all that it speaks.
    fn is(&self, theirs: &Session) -> bool {
        let theirs = theirs.audio().map(|audio| audio.codecs.as_slice()).unwrap_or_default();
        is_within(theirs, &self.codecs) && is_within(&self.codecs, theirs)
    }

    /// An INVITE goes to a phone.
    pub(crate) fn invited(&mut self, leg: LegId, contact: String) {
        if self.phones.len() < PHONES_MAX {
            self.phones.push((leg, contact));
        }
    }

    /// The phone of a leg, the first time.
    pub(crate) fn phone_of(&mut self, leg: LegId) -> Option<String> {
        let place = self.phones.iter().position(|(known, _)| *known == leg)?;
        Some(self.phones.swap_remove(place).1)
    }
}

/// Whether all codecs of speech of one list are in the other.
fn is_within(few: &[Codec], many: &[Codec]) -> bool {
    let mut real = few.iter().filter(|codec| codec.is_real());
    real.all(|codec| many.iter().any(|other| other.is_same_encoding(codec)))
}

/// A final response that says: not with this media.
pub(crate) fn refuses_media(status: u16) -> bool {
    matches!(status, 415 | 488 | 606)
}

/// The codecs of speech that a party was told and has named itself.
fn agreed(end: &MediaEnd) -> Vec<&Codec> {
    let (Some(told), Some(remote)) = (end.local().and_then(Session::audio), end.remote.as_ref())
    else {
        return Vec::new();
    };
    let Some(named) = remote.audio() else { return Vec::new() };
    let is_named = |codec: &&Codec| named.codecs.iter().any(|own| own.is_same_encoding(codec));
    told.codecs.iter().filter(|codec| codec.is_real()).filter(is_named).collect()
}

/// What two parties speak that share no codec; `None` where they share one, or where nothing helps.
pub(crate) fn translation(near: &MediaEnd, far: &MediaEnd, stream: usize) -> Option<[Speaker; 2]> {
    if [near, far].iter().any(|end| end.audio_stream() != Some(stream)) {
        return None;
    }
    let (ours, theirs) = (agreed(near), agreed(far));
    let is_shared = |codec: &&Codec| theirs.iter().any(|other| other.is_same_encoding(codec));
    if ours.is_empty() || theirs.is_empty() || ours.iter().any(is_shared) {
        return None;
    }
    Some([speaker(near, far, stream)?, speaker(far, near, stream)?])
}

fn speaker(end: &MediaEnd, other: &MediaEnd, stream: usize) -> Option<Speaker> {
    let speech = |codec: &&Codec| {
        let kind = voice(codec).filter(|_| end.repertoire.has(codec))?;
        Some(MemberCodec { payload: codec.payload, kind })
    };
    // It may change among them as it likes (RFC 3264 §6.1).
    let speaks: Vec<MemberCodec> = agreed(end).iter().filter_map(speech).collect();
    let hears = tone_codec(end)?;
    let is_allowed = speaks.iter().any(|codec| codec.kind == hears.kind);
    let told = end.local()?.media.get(stream)?;
    let wanted = other.remote.as_ref()?.media.get(stream)?;
    let mut events = told.clone();
    events.retain_codecs(Codec::is_telephone_event);
    let passes: PayloadMap = payload_map(&events, wanted).into();
    let stream = (end.termination()?, stream);
    is_allowed.then_some(Speaker { stream, speaks, hears, passes })
}

impl Exchange {
    /// Whether the parties of a connection are translated for each other.
    pub(crate) fn is_transcoded(&self, key: ConnectionKey) -> bool {
        self.transcoded.contains(&key)
    }

    /// Whether one more connection may be translated.
    pub(crate) fn may_translate(&self) -> bool {
        let has_room = self.transcoded.len() < self.config.media.max_transcoded;
        if !has_room {
            count(&self.counters.calls_transcoding_refused_total);
        }
        has_room
    }

    /// Notes whether a connection is translated.
    pub(crate) fn note_translation(&mut self, key: ConnectionKey, is_translated: bool) {
        if !is_translated {
            self.transcoded.remove(&key);
        } else if self.transcoded.insert(key) {
            count(&self.counters.calls_transcoded_total);
        }
    }

    /// A called phone has refused the caller's codecs: it is asked again, once, with those behind them that
    /// the switch translates. False when that does not help.
    pub(crate) fn asks_again(&mut self, id: CallId, leg: LegId, status: u16) -> bool {
        let Some(call) = self.calls.get_mut(id.0) else { return false };
        let Some(phone) = call.end.asked.phone_of(leg) else { return false };
        let is_called = call.side == Side::Called && call.errand.is_none() && call.leg.is_none();
        if !is_called || !refuses_media(status) || call.end.repertoire.is_empty() {
            return false;
        }
        let (key, party, others) = (call.connection, call.party.clone(), call.legs.clone());
        let Some(source) = self.source_of(key) else { return false };
        let theirs = self.calls.get(source.0).and_then(|call| call.end.remote.clone());
        let Some(theirs) = theirs.filter(|_| self.may_translate()) else { return false };
        let call = self.calls.get_mut(id.0);
        let Some(offer) = call.and_then(|call| call.end.offer_more_than(&theirs)) else {
            return false;
        };
        let sent = match party {
            Party::Line(line) => {
                let answers_itself =
                    self.calls.get(source.0).is_some_and(|call| call.details.takes_off_hook);
                let headers = if answers_itself { self.auto_answer() } else { Vec::new() };
                let from = self.identity_of(source);
                self.ring_contacts(id, (&line, Some(&phone)), &from, &offer, &headers)
            }
            Party::Trunk { name, number } => {
                let trunk = self.config.trunks.get(&name).cloned();
                match trunk.and_then(|trunk| Some((self.way_to(key, &trunk)?, trunk))) {
                    Some((way, trunk)) => {
                        self.invite_trunk((source, id), &trunk, &number, way, &offer)
                    }
                    None => Err(Cause::NO_RESOURCES),
                }
            }
        };
        if let Some(call) = self.calls.get_mut(id.0) {
            call.end.asked.phones.retain(|(leg, _)| others.contains(leg));
        }
        self.refresh_capability(id);
        sent.is_ok()
    }

    /// The offer for a phone whose INVITE brought none: what the other party speaks and, behind it, what
    /// is translated for it.
    pub(crate) fn late_offer(&mut self, late: CallId, theirs: &Session) -> Result<Bytes, Cause> {
        let may_translate = self.transcoded.len() < self.config.media.max_transcoded;
        let near = self.calls.get_mut(late.0).ok_or(Cause::NO_RESOURCES)?;
        let more = may_translate.then(|| near.end.offer_more_than(theirs)).flatten();
        match more {
            Some(offer) => Ok(offer),
            None => near.end.offer_from(theirs).map_err(|_| Cause::INCOMPATIBLE_MEDIA),
        }
    }

    /// Two who talk already share no codec of those that they have named. Either may speak what the other
    /// speaks all the same, and is asked, one after the other; until then, and where both refuse, they are
    /// translated.
    pub(crate) fn settle_codecs(&mut self, key: ConnectionKey) {
        let Some((a, b)) = self.pair(key).filter(|_| self.is_transcoded(key)) else { return };
        for (asked, other) in [(b, a), (a, b)] {
            let theirs = self.calls.get(other.0).and_then(|call| call.end.remote.clone());
            let Some(call) = self.calls.get_mut(asked.0) else { return };
            let (Some(theirs), Some(leg)) = (theirs, call.leg) else { return };
            let is_confirmed = self.endpoint.leg(leg).is_some_and(|view| view.is_confirmed);
            if !is_confirmed || call.end.asked.is(&theirs) {
                continue;
            }
            let Ok(offer) = call.end.offer_from(&theirs) else { continue };
            if self.endpoint.offer(self.clock.now, leg, offer, &mut self.sip) {
                return;
            }
            call.end.take_back();
        }
    }

    /// The far side has refused what a phone offers anew. What it speaks now may be translated.
    pub(crate) fn translate_reoffer(&mut self, far: CallId, reoffer: &Reoffer) -> bool {
        let Some(call) = self.calls.get(far.0) else { return false };
        let (key, end) = (call.connection, &call.end);
        let (Some(theirs), Some(asked)) = (end.remote.clone(), end.local().cloned()) else {
            return false;
        };
        if end.repertoire.translated(&reoffer.offer, &theirs, &asked).is_none()
            || !(self.is_transcoded(key) || self.may_translate())
        {
            return false;
        }
        let reoffer = Reoffer { offer: reoffer.offer.clone(), far_offer: asked, ..*reoffer };
        self.finish_reoffer(reoffer, Some(theirs));
        true
    }

    /// Whether a translated phone's offer has a codec that the far side speaks: then nothing need be
    /// translated any more.
    pub(crate) fn ends_translation(&self, id: CallId, offer: &Session) -> bool {
        if self.calls.get(id.0).is_none_or(|call| !self.is_transcoded(call.connection)) {
            return false;
        }
        let far = self.far(id).and_then(|far| self.calls.get(far.0));
        let spoken = far.map(|far| agreed(&far.end)).unwrap_or_default();
        let offered = offer.audio().map(|audio| audio.codecs.as_slice()).unwrap_or_default();
        spoken.iter().any(|codec| offered.iter().any(|other| other.is_same_encoding(codec)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Speech; 4] = [Speech::Pcmu, Speech::Pcma, Speech::G722, Speech::Opus];

    fn session(formats: &str, lines: &str) -> Session {
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
             m=audio 4000 RTP/AVP {formats}\r\n{lines}"
        );
        Session::parse(text.as_bytes()).unwrap()
    }

    fn names(session: &Session) -> Vec<String> {
        session.media[0].codecs.iter().map(|c| format!("{} {}", c.payload, c.name)).collect()
    }

    #[test]
    fn what_is_translated_is_offered_behind_the_speech_and_before_the_events() {
        let mut offer = session("8 96", "a=rtpmap:96 telephone-event/8000\r\n");
        assert!(Repertoire::new(&ALL).extend(&mut offer));
        assert_eq!(names(&offer), ["8 PCMA", "0 PCMU", "9 G722", "97 opus", "96 telephone-event"]);
        let again = offer.clone();
        assert!(!Repertoire::new(&ALL).extend(&mut offer));
        assert_eq!(offer, again);
    }

    #[test]
    fn what_nobody_can_translate_is_offered_alone() {
        let mut offer = session("18", "");
        assert!(!Repertoire::new(&ALL).extend(&mut offer));
        let mut offer = session("0", "");
        assert!(!Repertoire::new(&[]).extend(&mut offer));
    }

    #[test]
    fn an_answer_in_foreign_words_is_given_in_the_first_of_ones_own() {
        let offer = session("18 8 0 101", "a=rtpmap:101 telephone-event/8000\r\n");
        let answer = session("9 100", "a=ptime:30\r\na=rtpmap:100 telephone-event/8000\r\n");
        let translated = Repertoire::new(&ALL).translated(&offer, &answer, &answer).unwrap();
        assert_eq!(names(&translated), ["8 PCMA", "100 telephone-event"]);
        assert_eq!(translated.media[0].ptime_ms(), None);
    }

    #[test]
    fn an_answer_that_is_understood_is_left_alone() {
        let all = Repertoire::new(&ALL);
        let offer = session("8 0", "");
        assert_eq!(all.translated(&offer, &session("9 0", ""), &offer), None);
        assert_eq!(all.translated(&offer, &session("18", ""), &offer), None);
        assert_eq!(all.translated(&session("18", ""), &session("9", ""), &offer), None);
        assert_eq!(Repertoire::default().translated(&offer, &session("9", ""), &offer), None);
    }
}
