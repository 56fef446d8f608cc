//! Who hears whom: compiles the state of a connection into commands for the relay.
//!
//! One function, [`Exchange::join_media`], is called after every change; it looks at both ends and
//! says the whole truth to the relay. Path 3, hop 4. Source: sip-mapping §5.4, §2.9.0, §2.9.3.

use media::{MemberCodec, PayloadMap, TerminationId, Tone, Treatment, Voice};
use sip_stack::sdp::{Codec, Session, payload_map};
use tapi::constant::CallState;

use super::end::{MediaEnd, accepted};
use super::transcode::translation;
use super::{CallId, ConnectionKey};
use crate::exchange::Exchange;

impl Exchange {
    /// Brings the relay in line with the connection: addresses, directions, maps, treatments.
    pub(crate) fn join_media(&mut self, connection: ConnectionKey) {
        let is_translated = self.let_hear(connection);
        self.note_translation(connection, is_translated);
    }

    /// True where the two parties are translated for each other.
    fn let_hear(&mut self, connection: ConnectionKey) -> bool {
        self.hear_anew(connection);
        if self.seat_members(connection) {
            return false;
        }
        let caller = self.connections.get(connection.0).and_then(|connection| connection.caller);
        if caller.is_some_and(|caller| self.echo_again(caller)) || self.treat_queued(connection) {
            return false;
        }
        let Some((caller, called)) = self.pair(connection) else { return false };
        let tones = (self.treatment(caller, called), self.treatment(called, caller));
        for call in [caller, called] {
            if let Some(call) = self.calls.get_mut(call.0) {
                call.end.apply(self.media.as_mut());
            }
        }
        let (Some(near), Some(far)) = (self.calls.get(caller.0), self.calls.get(called.0)) else {
            return false;
        };
        let (a, b) = match (near.end.termination(), far.end.termination()) {
            (Some(a), Some(b)) => (a, b),
            (None, Some(alone)) => return self.leave_alone(alone, far.end.streams(), tones.1),
            (Some(alone), None) => return self.leave_alone(alone, near.end.streams(), tones.0),
            (None, None) => return false,
        };
        let is_held = near.is_away() || far.is_away();
        let mut is_translated = false;
        for stream in 0..near.end.streams().min(far.end.streams()) {
            let translated = translation(&near.end, &far.end, stream);
            is_translated |= translated.is_some();
            // A held call carries nothing of its parties, whether or not a tone can take its place.
            if is_held {
                self.media.disconnect(a, stream);
                self.media.disconnect(b, stream);
            } else if let Some([near, far]) = translated {
                if let Err(error) = self.media.transcode(near, far) {
                    tracing::warn!(%error, "a call cannot be transcoded");
                }
            } else {
                let a_to_b = map(&near.end, &far.end, stream);
                let b_to_a = map(&far.end, &near.end, stream);
                self.media.connect((a, stream), (b, stream), a_to_b, b_to_a);
            }
            let is_audio = |end: &MediaEnd| end.audio_stream() == Some(stream);
            let tone = |end, tone| if is_audio(end) { tone } else { Treatment::None };
            self.media.treat(a, stream, tone(&near.end, tones.0));
            self.media.treat(b, stream, tone(&far.end, tones.1));
        }
        self.record_by_rule(caller);
        self.record_by_rule(called);
        is_translated
    }

    /// The far party's phone serves another call.
    fn leave_alone(&mut self, id: TerminationId, streams: usize, treatment: Treatment) -> bool {
        for stream in 0..streams {
            self.media.disconnect(id, stream);
            self.media.treat(id, stream, treatment);
        }
        false
    }

    /// Plays a tone to a party that nobody talks to yet, or any more.
    pub(crate) fn play(&mut self, id: CallId, tone: Tone) {
        self.play_alone(id, |codec| Treatment::Tone(tone, codec));
    }

    /// A party that heard a tone hears silence.
    pub(crate) fn hush(&mut self, id: CallId) {
        self.play_alone(id, Treatment::Silence);
    }

    fn play_alone(&mut self, id: CallId, treatment: impl FnOnce(MemberCodec) -> Treatment) {
        let Some(call) = self.calls.get(id.0) else { return };
        if let Some(codec) = tone_codec(&call.end) {
            self.treat_alone(id, treatment(codec));
        }
    }

    /// The two calls whose media belong together: the caller and who answered, or the only one
    /// that rings (early media of several is not relayed, sip-mapping §5.8).
    pub(crate) fn pair(&self, connection: ConnectionKey) -> Option<(CallId, CallId)> {
        let connection = self.connections.get(connection.0)?;
        let called = match (connection.answered, connection.called.as_slice()) {
            (Some(answered), _) => answered,
            (None, [only]) => *only,
            _ => return None,
        };
        Some((connection.caller?, called))
    }

    /// What `call` hears instead of `far`.
    fn treatment(&self, call: CallId, far: CallId) -> Treatment {
        let (Some(call), Some(far)) = (self.calls.get(call.0), self.calls.get(far.0)) else {
            return Treatment::None;
        };
        let Some(codec) = tone_codec(&call.end) else { return Treatment::None };
        if call.is_away() {
            return Treatment::Silence(codec);
        }
        if far.is_away() {
            return self.while_away(call, far, codec);
        }
        // A phone that we called for its user has our answer, not the far phone's ringback tone.
        let waits_for_far = call.state == CallState::Ringback && call.end.remote.is_some();
        if waits_for_far && far.end.remote.is_none() && call.is_summoned() {
            return self.while_ringing(far, codec);
        }
        Treatment::None
    }
}

/// Numbers that have no counterpart pass as they are, among those that may come at all.
fn map(from: &MediaEnd, to: &MediaEnd, stream: usize) -> PayloadMap {
    let media_of =
        |session: Option<&Session>| session.and_then(|session| session.media.get(stream)).cloned();
    let (told, wanted) = (media_of(from.local()), media_of(to.remote.as_ref()));
    let (Some(told), Some(wanted)) = (told, wanted) else { return PayloadMap::identity() };
    let mut pairs = payload_map(&told, &wanted);
    let own = media_of(from.remote.as_ref());
    for payload in accepted(Some(&told), own.as_ref()) {
        if pairs.iter().all(|(received, _)| *received != payload) {
            pairs.push((payload, payload));
        }
    }
    pairs.into()
}

/// What the switch itself says to this party: the first codec it was told, accepts, and that the
/// switch can speak.
pub(crate) fn tone_codec(end: &MediaEnd) -> Option<MemberCodec> {
    let told = end.local()?.audio()?;
    let accepted = end.remote.as_ref().and_then(Session::audio);
    // Numbers are the party's.
    let number = |codec: &Codec| match accepted {
        None => Some(codec.payload),
        Some(media) => {
            let theirs = media.codecs.iter().find(|theirs| theirs.is_same_encoding(codec));
            theirs.map(|theirs| theirs.payload)
        }
    };
    let speech = |codec: &Codec| Some(MemberCodec { payload: number(codec)?, kind: voice(codec)? });
    told.codecs.iter().find_map(speech)
}

/// What this party says to the switch: the first codec that it was told, that it has named itself
/// and that the switch can speak, under the number that it was told.
pub(crate) fn spoken_codec(end: &MediaEnd) -> Option<MemberCodec> {
    let (told, named) = (end.local()?.audio()?, end.remote.as_ref()?.audio()?);
    let is_named = |codec: &&Codec| named.codecs.iter().any(|own| own.is_same_encoding(codec));
    let speech = |codec: &Codec| Some(MemberCodec { payload: codec.payload, kind: voice(codec)? });
    told.codecs.iter().filter(is_named).find_map(speech)
}

/// The codec of a description, if the switch can speak it.
pub(crate) fn voice(codec: &Codec) -> Option<Voice> {
    Voice::of_name(&codec.name, codec.clock_hz).filter(|voice| codec.channels == voice.channels())
}
