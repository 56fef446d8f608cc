//! What somebody hears who waits: music, a tone of the field, silence; and the echo test.
//!
//! A treatment belongs to the call of the line that lets somebody wait: its held party, or its
//! caller while it is offering, hears it. A party that nobody's call holds (in a park slot) is
//! treated as its own call says. Source: TAPI lineSetCallTreatment, LINECALLTREATMENT_; sip-mapping
//! §3.3, §3.6.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use config::Config;
use media::{Country, MemberCodec, Performance, Sound, SoundId, Tone, Treatment};
use sip_stack::endpoint::Reply;
use tapi::constant::{CallState, CallTreatment, ConnectedMode, LineErr, SpecialInfo};
use tapi::{CallMode, RequestKey};

use super::bridge::tone_codec;
use super::cause::Cause;
use super::{Call, CallId, Timer};
use crate::exchange::Exchange;

/// Nobody tests longer.
const ECHO_TEST: Duration = Duration::from_secs(300);
/// How long a phone hears in early media why its call fails: each tone has sounded twice.
const FAILURE_TONE: Duration = Duration::from_secs(4);
/// The tone that begins an echo test: what comes back afterwards is the caller's own voice.
const ECHO_BEGINS: Duration = Duration::from_millis(600);

/// The recordings of the configuration and the names under which the relay knows them.
#[derive(Debug, Default)]
pub(crate) struct Music {
    names: BTreeMap<PathBuf, (SoundId, config::Sound)>,
    last: u32,
}

impl Music {
    fn name(&self, sound: &config::Sound) -> Option<SoundId> {
        self.names.get(&sound.path).map(|(name, _)| *name)
    }
}

/// Every recording that a configuration names.
fn recordings(config: &Config) -> impl Iterator<Item = &config::Sound> {
    let lines = config.lines.values().filter_map(|line| line.music.as_ref());
    let lots = config.park.lots.values().filter_map(|lot| lot.music.as_ref());
    let queues = config.queues.values().filter_map(|queue| queue.music.as_ref());
    config.media.music.iter().chain(lines).chain(lots).chain(queues)
}

impl Exchange {
    /// Gives the relay the recordings and the tones of the configuration.
    pub(crate) fn read_sounds(&mut self) {
        let config = self.config.clone();
        let location = config.location.as_ref();
        let country = location.map(|location| Country::of_calling_code(location.country_code));
        self.media.set_country(country.unwrap_or_default());
        let known = std::mem::take(&mut self.music.names);
        for sound in recordings(&config) {
            if self.music.names.contains_key(&sound.path) {
                continue;
            }
            let kept = known.get(&sound.path).filter(|(_, old)| old == sound);
            let name = match kept {
                Some((name, _)) => *name,
                None => self.keep_sound(sound),
            };
            self.music.names.insert(sound.path.clone(), (name, sound.clone()));
        }
        let is_used = |name: &SoundId| self.music.names.values().any(|(used, _)| used == name);
        let gone: Vec<SoundId> =
            known.into_values().map(|(name, _)| name).filter(|name| !is_used(name)).collect();
        gone.into_iter().for_each(|name| self.media.keep_sound(name, None));
    }

    fn keep_sound(&mut self, sound: &config::Sound) -> SoundId {
        self.music.last = self.music.last.wrapping_add(1);
        let name = SoundId(self.music.last);
        self.media.keep_sound(name, Sound::new(sound.rate_hz, sound.samples.clone()));
        name
    }

    /// What the party of `call` hears while the far call `holder` is away.
    pub(crate) fn while_away(&self, call: &Call, holder: &Call, codec: MemberCodec) -> Treatment {
        let line = holder.party.line().and_then(|line| self.config.lines.get(line));
        let music = line.and_then(|line| line.music.as_ref());
        self.treated(holder.treatment.or(call.treatment), music, codec)
    }

    /// What the caller of `called` hears while that call waits to be answered.
    pub(crate) fn while_ringing(&self, called: &Call, codec: MemberCodec) -> Treatment {
        let queue = self.connections.get(called.connection.0).and_then(|c| c.queue.as_ref());
        let usual = match queue.is_some_and(|waiting| waiting.is_answered) {
            true => CallTreatment::Music,
            false => CallTreatment::Ringback,
        };
        let chosen = called.treatment.unwrap_or(usual);
        let line = called.party.line().and_then(|line| self.config.lines.get(line));
        let queue = queue.and_then(|waiting| self.config.queues.get(&waiting.queue));
        let music = line.and_then(|line| line.music.as_ref());
        let music = music.or_else(|| queue.and_then(|queue| queue.music.as_ref()));
        self.treated(Some(chosen), music, codec)
    }

    fn treated(
        &self,
        chosen: Option<CallTreatment>,
        music: Option<&config::Sound>,
        codec: MemberCodec,
    ) -> Treatment {
        match chosen.unwrap_or(CallTreatment::Music) {
            CallTreatment::Silence => Treatment::Silence(codec),
            CallTreatment::Ringback => Treatment::Tone(Tone::Ringback, codec),
            CallTreatment::Busy => Treatment::Tone(Tone::Busy, codec),
            CallTreatment::Music => {
                let sound = music.or(self.config.media.music.as_ref());
                match sound.and_then(|sound| self.music.name(sound)) {
                    Some(name) => Treatment::Sound(name, codec),
                    None => Treatment::Tone(Tone::Hold, codec),
                }
            }
        }
    }

    /// A parked party hears the music of its lot, or what its own call says.
    pub(crate) fn treat_parked(&mut self, party: CallId, slot: &str) {
        let Some(call) = self.calls.get(party.0) else { return };
        let Some(codec) = tone_codec(&call.end) else { return };
        let music = self.lot_of(slot).and_then(|lot| lot.music.as_ref());
        let treatment = self.treated(call.treatment, music, codec);
        self.treat_alone(party, treatment);
    }

    /// Lets a party hear something that nobody else says.
    pub(crate) fn treat_alone(&mut self, id: CallId, treatment: Treatment) {
        let Some(call) = self.calls.get_mut(id.0) else { return };
        call.end.apply(self.media.as_mut());
        let Some(termination) = call.end.termination() else { return };
        let stream = call.end.audio_stream().unwrap_or_default();
        self.media.disconnect(termination, stream);
        self.media.treat(termination, stream, treatment);
    }

    /// lineSetCallTreatment: heard at once by who waits because of this call, otherwise by the next
    /// one who does.
    pub(crate) fn set_call_treatment(
        &mut self,
        id: CallId,
        treatment: CallTreatment,
        request: RequestKey,
    ) -> Result<(), LineErr> {
        let call = self.calls.get_mut(id.0).ok_or(LineErr::InvalCallHandle)?;
        call.treatment = Some(treatment);
        let (key, state) = (call.connection, call.state);
        self.done(Some(request));
        if let Some(slot) = self.slot_of(id) {
            self.treat_parked(id, &slot);
        } else if matches!(state, CallState::Offering | CallState::Accepted) {
            self.treat_waiting(id);
        } else if state != CallState::Conferenced {
            self.join_media(key);
        }
        Ok(())
    }

    /// Who waits for `called` to be answered hears what that call says, where its phone is on the
    /// line with us; a phone whose INVITE waits plays its own tone (RFC 3261 §13.2.1).
    pub(crate) fn treat_waiting(&mut self, called: CallId) {
        let Some(call) = self.calls.get(called.0) else { return };
        let Some(connection) = self.connections.get(call.connection.0) else { return };
        let seek = connection.seek.as_ref().map(|seek| seek.transferee);
        let is_ours = |id: &CallId| {
            let caller = self.calls.get(id.0);
            caller.is_some_and(|call| {
                let is_summoned = call.is_summoned() && call.state == CallState::Ringback;
                is_summoned || call.is_established() && !call.is_away()
            })
        };
        let Some(waiting) = seek.or(connection.caller.filter(is_ours)) else { return };
        let Some(codec) = self.calls.get(waiting.0).and_then(|call| tone_codec(&call.end)) else {
            return;
        };
        let treatment = self.while_ringing(call, codec);
        self.treat_alone(waiting, treatment);
    }

    /// Why an attempt fails, as a tone in early media before the final response, to phones that let it
    /// play; false to all others. Source: sip-mapping §5.8; RFC 5009.
    pub(crate) fn tell_by_tone(&mut self, id: CallId, cause: Cause) -> bool {
        let Some(call) = self.calls.get(id.0) else { return false };
        let (Some(leg), Some(offer)) = (call.leg, call.end.remote.as_ref()) else { return false };
        let is_unanswered = call.end.local().is_none() && call.party.line().is_some();
        let streams = offer.media.len();
        if !call.takes_early_media || !is_unanswered || self.reserve_ports(id, streams).is_err() {
            return false;
        }
        let answer = self.calls.get_mut(id.0).and_then(|call| call.end.answer_alone().ok());
        let Some(sdp) = answer else { return false };
        let reply = Reply::new(183).header("P-Early-Media", "sendonly");
        self.endpoint.progress(self.clock.now, leg, &reply, Some(sdp), &mut self.sip);
        let (tone, state) = (cause.tone(), self.calls.get(id.0).map(|call| call.state));
        if tone == Tone::SpecialInformation && state == Some(CallState::Proceeding) {
            let irregular = CallMode::SpecialInfo(SpecialInfo::CustIrreg);
            self.set_state(id, CallState::SpecialInfo, irregular);
        }
        self.play(id, tone);
        self.set_call_timer(id, FAILURE_TONE, Timer::Refuse(id, cause));
        true
    }

    /// The echo test: a tone, then the caller hears its own voice until it hangs up.
    pub(crate) fn begin_echo(&mut self, id: CallId) -> Result<(), Cause> {
        let answer = self.prepare_confirmation(id)?;
        if let Some((leg, sdp)) = answer {
            self.endpoint.answer(self.clock.now, leg, sdp, &[], &mut self.sip);
        }
        let active = CallMode::Connected(ConnectedMode::Active);
        self.set_state(id, CallState::Connected, active);
        self.refresh_capability(id);
        self.echo(id);
        self.perform(id, Performance::Tone(Tone::Dial, Some(ECHO_BEGINS)));
        self.set_call_timer(id, ECHO_TEST, Timer::Confirmed(id));
        Ok(())
    }

    /// Gives a party back what it says.
    fn echo(&mut self, id: CallId) {
        if let Some(call) = self.calls.get_mut(id.0) {
            call.is_echoed = true;
        }
        self.treat_alone(id, Treatment::Echo);
    }

    /// Plays something to a party once; what it hears otherwise goes on afterwards.
    pub(crate) fn perform(&mut self, id: CallId, performance: Performance) -> bool {
        let Some(call) = self.calls.get(id.0) else { return false };
        let Some(termination) = call.end.termination() else { return false };
        let stream = call.end.audio_stream().unwrap_or_default();
        let format = media::Format { voice: tone_codec(&call.end), event: None };
        self.media.perform(termination, stream, 0, performance, format)
    }

    /// A party of an echo test has held, resumed or moved its media.
    pub(crate) fn echo_again(&mut self, id: CallId) -> bool {
        let is_echoed = self.calls.get(id.0).is_some_and(|call| call.is_echoed);
        if is_echoed {
            self.echo(id);
        }
        is_echoed
    }
}
