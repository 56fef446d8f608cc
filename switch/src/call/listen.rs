//! What applications want to hear of on calls: digits, tones, kinds of media.
//!
//! A wish belongs to a call; what is listened to are the phones that the call's party hears. Who
//! that is changes with transfer, hold and conference, and the wish goes along with the call.
//! Source: TAPI lineMonitorDigits, lineGatherDigits, lineMonitorTones, lineMonitorMedia.

use std::collections::HashMap;
use std::time::Duration;

use media::{MemberCodec, Signal, TerminationId, Watch, WatchedTone};
use serde_json::{Value, json};
use tapi::constant::{CallInfoState, CallState, DigitMode, MediaMode};
use tapi::{Constant, Mask};

use super::bridge::spoken_codec;
use super::{CallId, ConnectionKey};
use crate::exchange::Exchange;

/// What all applications together want to hear of on a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Wish {
    pub(crate) digits: Mask<DigitMode>,
    pub(crate) media: Mask<MediaMode>,
    pub(crate) tones: Vec<tapi::Tone>,
}

impl Wish {
    fn is_empty(&self) -> bool {
        self.digits.is_empty() && self.media.is_empty() && self.tones.is_empty()
    }
}

/// A stream that is listened to.
type Place = (TerminationId, usize);

/// What is listened for at a place: whose wishes, in which codec.
#[derive(Debug, Default)]
struct Ear {
    /// Calls whose party hears it.
    listeners: Vec<CallId>,
    /// What the relay was told.
    told: Watch,
}

/// The wishes of all calls, and what the relay does about them. Bounded by the calls and by what
/// TAPI takes for each.
#[derive(Debug, Default)]
pub(crate) struct Listening {
    wishes: HashMap<CallId, Wish>,
    ears: HashMap<Place, Ear>,
    /// Calls that may hear somebody else than before.
    stale: Vec<CallId>,
}

impl Listening {
    pub(crate) fn wish(&self, call: CallId) -> Option<&Wish> {
        self.wishes.get(&call)
    }

    /// Calls with wishes, and streams that are listened to.
    pub(crate) fn len(&self) -> usize {
        self.wishes.len() + self.ears.len()
    }
}

impl Exchange {
    /// What applications want to hear of on a call has changed.
    pub(crate) fn listen_for(&mut self, id: CallId, wish: Wish) {
        self.listening.stale.push(id);
        if wish.is_empty() {
            self.listening.wishes.remove(&id);
        } else {
            self.listening.wishes.insert(id, wish);
        }
    }

    /// The call is over: nobody wants to hear of it any more, and its phone says nothing more.
    pub(crate) fn stop_listening(&mut self, id: CallId) {
        self.hears_another(id);
        self.listening.wishes.remove(&id);
        if let Some(termination) = self.calls.get(id.0).and_then(|call| call.end.termination()) {
            self.listening.ears.retain(|(end, _), _| *end != termination);
        }
    }

    /// A call may hear somebody else from now on, or in another codec.
    pub(crate) fn hears_another(&mut self, id: CallId) {
        let listening = &mut self.listening;
        let is_asked = listening.wishes.contains_key(&id) || self.generations.contains_key(&id);
        if is_asked && !listening.stale.contains(&id) {
            listening.stale.push(id);
        }
    }

    /// The same for all calls of a connection, and for the conference that one of them is in.
    pub(crate) fn hear_anew(&mut self, key: ConnectionKey) {
        if self.listening.wishes.is_empty() && self.generations.is_empty() {
            return;
        }
        let Some(connection) = self.connections.get(key.0) else { return };
        let parties: Vec<CallId> =
            connection.caller.into_iter().chain(connection.called.iter().copied()).collect();
        for party in parties {
            self.hears_another(party);
            for other in self.listeners(party) {
                self.hears_another(other);
            }
        }
    }

    /// Brings the relay in line with the wishes of calls that may hear somebody else than before.
    /// False if there was none.
    pub(crate) fn settle_listening(&mut self) -> bool {
        let stale = std::mem::take(&mut self.listening.stale);
        let has_work = !stale.is_empty();
        for id in stale {
            self.listen_again(id);
            self.play_generated(id);
        }
        has_work
    }

    fn listen_again(&mut self, id: CallId) {
        let is_wished = self.listening.wishes.contains_key(&id) && self.calls.contains(id.0);
        let speakers = if is_wished { self.listeners(id) } else { Vec::new() };
        let wanted: Vec<Place> = speakers.iter().filter_map(|id| self.audio_of(*id)).collect();
        let mut touched = wanted.clone();
        for (place, ear) in &mut self.listening.ears {
            if ear.listeners.contains(&id) && !wanted.contains(place) {
                ear.listeners.retain(|listener| *listener != id);
                touched.push(*place);
            }
        }
        for place in wanted {
            let ear = self.listening.ears.entry(place).or_default();
            if !ear.listeners.contains(&id) {
                ear.listeners.push(id);
            }
        }
        for place in touched {
            self.tell_ear(place);
        }
    }

    /// Tells the relay what all wishes for a stream come to.
    fn tell_ear(&mut self, place: Place) {
        let Some(ear) = self.listening.ears.get(&place) else { return };
        let wishes: Vec<&Wish> =
            ear.listeners.iter().filter_map(|id| self.listening.wishes.get(id)).collect();
        let end = self.by_termination.get(&place.0).and_then(|id| self.calls.get(id.0));
        let end = end.map(|call| &call.end);
        let voice = end.and_then(spoken_codec);
        let watch = watch_of(&wishes, voice, end.is_some_and(|end| end.has_events()));
        let is_over = watch.is_empty();
        if let Some(ear) = self.listening.ears.get_mut(&place)
            && ear.told != watch
        {
            ear.told = watch.clone();
            self.media.watch(place.0, place.1, watch);
        }
        if is_over {
            self.listening.ears.remove(&place);
        }
    }

    /// The relay has heard a tone that it was told to listen for.
    pub(crate) fn on_tone(&mut self, termination: TerminationId, name: u32) {
        let Some(&speaker) = self.by_termination.get(&termination) else { return };
        for listener in self.listeners(speaker) {
            let wish = self.listening.wishes.get(&listener);
            let tone = wish.and_then(|wish| wish.tones.iter().find(|tone| name_of(tone) == name));
            let Some(tone) = tone.copied() else { continue };
            let call = self.calls.get(listener.0);
            let Some(key) = call.filter(|c| c.state == CallState::Connected).and_then(|c| c.tapi)
            else {
                continue;
            };
            self.tapi.tone(self.clock.unix_ms, key, tone);
            let fields = json!({"duration": tone.duration_ms, "frequencies": tone.frequencies_hz});
            self.publish_heard("LINE_MONITORTONE", listener, fields);
        }
    }

    /// The relay hears another kind of media.
    pub(crate) fn on_signal(&mut self, termination: TerminationId, signal: Signal) {
        let Some(&speaker) = self.by_termination.get(&termination) else { return };
        let mode = match signal {
            Signal::Voice => MediaMode::InteractiveVoice,
            Signal::FaxCalling | Signal::FaxAnswering => MediaMode::G3Fax,
            Signal::Silence => return,
        };
        for listener in self.listeners(speaker) {
            self.media_heard(listener, mode);
        }
    }

    /// LINE_MONITORMEDIA, where somebody asked for it. LINECALLINFO does not change.
    fn media_heard(&mut self, listener: CallId, mode: MediaMode) {
        let is_wished = |wish: &Wish| wish.media.contains(mode);
        let Some(call) = self.calls.get(listener.0) else { return };
        let (state, key) = (call.state, call.tapi);
        if state == CallState::Connected
            && self.listening.wishes.get(&listener).is_some_and(is_wished)
            && let Some(key) = key
        {
            self.tapi.media(self.clock.unix_ms, key, mode);
            let fields = json!({"mediaModes": [mode.name()]});
            self.publish_heard("LINE_MONITORMEDIA", listener, fields);
        }
    }

    /// Both parties have agreed to other media: T.38 is a fax, anything else a conversation
    /// (sip-mapping §2.3). LINECALLINFO tells it, and LINE_MONITORMEDIA.
    pub(crate) fn show_media_mode(&mut self, id: CallId) {
        let is_fax = self.calls.get(id.0).and_then(|call| call.end.remote.as_ref());
        let is_fax = is_fax.is_some_and(sip_stack::sdp::Session::has_fax);
        let mode = if is_fax { MediaMode::G3Fax } else { MediaMode::InteractiveVoice };
        for party in std::iter::once(id).chain(self.far(id)) {
            let key = self.calls.get(party.0).and_then(|call| call.tapi);
            let Some(view) = key.and_then(|key| self.tapi.call(key)) else { continue };
            let was_fax = view.info.media_mode.contains(MediaMode::G3Fax);
            if was_fax == is_fax {
                continue;
            }
            let change = |info: &mut tapi::CallInfo| info.media_mode = mode.into();
            self.tell_info(party, change, CallInfoState::MediaMode);
            self.media_heard(party, mode);
        }
    }

    /// Publishes a message of a call in `GET events`.
    pub(crate) fn publish_heard(&mut self, kind: &str, id: CallId, fields: Value) {
        let Some(call) = self.calls.get(id.0) else { return };
        let Some(line) = call.party.line() else { return };
        let call_id = self.connections.get(call.connection.0).map_or(0, |c| c.call_id);
        let mut event = json!({"line": line, "callId": call_id});
        if let (Some(event), Value::Object(fields)) = (event.as_object_mut(), fields) {
            event.extend(fields);
        }
        self.publish(kind, event);
    }
}

/// What is listened for, for these wishes. Keys are looked for in the voice only of a phone that
/// sends no events: speech may sound like a key.
fn watch_of(wishes: &[&Wish], voice: Option<MemberCodec>, has_events: bool) -> Watch {
    let keys = wishes.iter().any(|wish| !wish.digits.is_empty());
    let signals = wishes.iter().any(|wish| !wish.media.is_empty());
    let mut tones: Vec<tapi::Tone> = wishes.iter().flat_map(|wish| wish.tones.clone()).collect();
    tones.sort_unstable();
    tones.dedup();
    let is_heard = signals || !tones.is_empty() || !has_events;
    let watched = |tone: &tapi::Tone| WatchedTone {
        name: name_of(tone),
        frequencies_hz: tone.frequencies_hz.map(|hz| u16::try_from(hz).unwrap_or(u16::MAX)),
        duration: Duration::from_millis(tone.duration_ms.into()),
    };
    Watch {
        voice: voice.filter(|_| is_heard),
        keys,
        tones: tones.iter().map(watched).collect(),
        signals,
    }
}

/// Names a tone to the relay (FNV-1a): the same tone has the same name for every application.
fn name_of(tone: &tapi::Tone) -> u32 {
    let parts = tone.frequencies_hz.into_iter().chain([tone.duration_ms]);
    parts
        .flat_map(u32::to_be_bytes)
        .fold(0x811c_9dc5, |hash, octet| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(digits: Mask<DigitMode>, tones: &[u32]) -> Wish {
        let tone = |hz: &u32| tapi::Tone { duration_ms: 500, frequencies_hz: [*hz, 0, 0] };
        Wish { digits, media: Mask::EMPTY, tones: tones.iter().map(tone).collect() }
    }

    #[test]
    fn the_wishes_of_several_calls_for_one_phone_add_up() {
        let (one, other) = (wish(DigitMode::Dtmf.into(), &[440]), wish(Mask::EMPTY, &[350, 440]));
        let watch = watch_of(&[&one, &other], Some(MemberCodec::PCMU), true);
        assert!(watch.keys && !watch.signals);
        assert_eq!(watch.tones.len(), 2);
        assert_eq!(watch.voice, Some(MemberCodec::PCMU));
        assert_eq!(
            watch_of(&[], Some(MemberCodec::PCMU), false),
            Watch { voice: Some(MemberCodec::PCMU), ..Watch::default() }
        );
    }

    #[test]
    fn keys_of_a_phone_with_events_are_not_looked_for_in_its_voice() {
        let keys = wish(DigitMode::Dtmf.into(), &[]);
        assert_eq!(watch_of(&[&keys], Some(MemberCodec::PCMU), true).voice, None);
        assert!(watch_of(&[&keys], Some(MemberCodec::PCMU), false).voice.is_some());
    }

    #[test]
    fn tones_have_names_of_their_own() {
        let all = wish(Mask::EMPTY, &[350, 440, 1_100, 2_100, 0]).tones;
        let mut names: Vec<u32> = all.iter().map(name_of).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all.len());
    }
}
