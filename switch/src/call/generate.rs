//! Digits and tones that applications send into calls: lineGenerateDigits, lineGenerateTone.
//!
//! Who hears them are those who hear the call's party. Digits go out one after the other, to each
//! phone in the way that it takes them: as telephone-events, by INFO, or as sound. A call sends one
//! thing at a time; the TAPI server has ended the former one before an intent comes here. What is
//! being sent ends with the conversation. Source: sip-mapping §5.9; tapi-call-control §4.12.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use media::{Country, Format, Partial, Performance, TerminationId, Tone};
use serde_json::json;
use sip_stack::time::TimerToken;
use tapi::constant::{CallState, DigitMode, LineErr, ToneMode};
use tapi::{GeneratedTone, ReplyFields, RequestKey};

use super::bridge::tone_codec;
use super::{CallId, Timer};
use crate::exchange::Exchange;
use crate::feature::dtmf::{self, Press};

/// Between the end of a digit and the next one: the gap of ITU-T Q.24 and the repeated ends of an
/// event (RFC 4733 §2.5.1.4).
const GAP: Duration = Duration::from_millis(120);
/// The exchange itself knows when these are over, so their tickets are all the same.
const TICKET: u64 = 0;

/// What is being sent on a call.
#[derive(Debug)]
pub(crate) struct Generation {
    /// The application's request; none for digits that were dialled with the number.
    request: Option<RequestKey>,
    work: Work,
    timer: Option<TimerToken>,
}

#[derive(Debug)]
enum Work {
    /// Digits that are left, and the one that sounds now.
    Digits { left: VecDeque<char>, now: Option<char>, tone: Duration, pause: Duration },
    /// A tone, and where it is played.
    Tone { tone: Performance, at: Vec<(TerminationId, usize)> },
}

/// What is being sent, by call.
pub(crate) type Generations = HashMap<CallId, Generation>;

impl Exchange {
    /// lineGenerateDigits: the first digit goes out at once.
    ///
    /// Errors: OPERATIONFAILED when nobody is there to hear them.
    pub(crate) fn generate_digits(
        &mut self,
        id: CallId,
        digits: &str,
        times: (Duration, Duration),
        request: RequestKey,
    ) -> Result<(), LineErr> {
        self.stop_generating(id);
        if self.hearers(id).is_empty() {
            return Err(LineErr::OperationFailed);
        }
        self.begin_digits(id, digits, times, Some(request));
        Ok(())
    }

    /// Digits that nobody waits for.
    pub(crate) fn send_digits(&mut self, id: CallId, digits: &str, times: (Duration, Duration)) {
        self.stop_generating(id);
        self.begin_digits(id, digits, times, None);
    }

    fn begin_digits(
        &mut self,
        id: CallId,
        digits: &str,
        (tone, pause): (Duration, Duration),
        request: Option<RequestKey>,
    ) {
        let work = Work::Digits { left: digits.chars().collect(), now: None, tone, pause };
        self.generations.insert(id, Generation { request, work, timer: None });
        self.on_generated(id);
    }

    /// lineGenerateTone.
    ///
    /// Errors: OPERATIONFAILED when nobody is there to hear it.
    pub(crate) fn generate_tone(
        &mut self,
        id: CallId,
        (mode, components): (ToneMode, &[GeneratedTone]),
        duration: Option<Duration>,
        request: RequestKey,
    ) -> Result<(), LineErr> {
        self.stop_generating(id);
        if self.hearers(id).is_empty() {
            return Err(LineErr::OperationFailed);
        }
        let tone = performance(mode, components);
        let cycle = (mode == ToneMode::Billing).then(|| Tone::Billing.cycle(Country::default()));
        let work = Work::Tone { tone, at: Vec::new() };
        let timer = duration.or(cycle).map(|time| self.arm(time, Timer::Generated(id)));
        self.generations.insert(id, Generation { request: Some(request), work, timer });
        self.play_generated(id);
        let is_heard = self.generations.get(&id).is_some_and(
            |generation| !matches!(&generation.work, Work::Tone { at, .. } if at.is_empty()),
        );
        if is_heard {
            return Ok(());
        }
        self.stop_generating(id);
        Err(LineErr::OperationFailed)
    }

    /// A digit or a pause is over, or the time of a tone.
    pub(crate) fn on_generated(&mut self, id: CallId) {
        let Some(generation) = self.generations.get_mut(&id) else { return };
        generation.timer = None;
        let Work::Digits { left, now, tone, pause } = &mut generation.work else {
            return self.end_generation(id, Ok(ReplyFields::default()));
        };
        let (former, next) = (now.take(), left.pop_front());
        let (tone, pause) = (*tone, *pause);
        *now = next;
        if let Some(former) = former {
            self.generated_digit_heard(id, former, DigitMode::DtmfEnd);
        }
        let Some(next) = next else {
            return self.end_generation(id, Ok(ReplyFields::default()));
        };
        let time = if next == ',' {
            pause
        } else {
            for hearer in self.hearers(id) {
                self.press_for(hearer, Press { digit: next, duration: tone });
            }
            self.generated_digit_heard(id, next, DigitMode::Dtmf);
            tone + GAP
        };
        let timer = self.arm(time, Timer::Generated(id));
        match self.generations.get_mut(&id) {
            Some(generation) => generation.timer = Some(timer),
            None => {
                self.timers.disarm(timer);
            }
        }
    }

    /// The digit arrives at those who hear the call's party, and so on their calls.
    fn generated_digit_heard(&mut self, id: CallId, digit: char, mode: DigitMode) {
        for listener in self.listeners(id) {
            self.digit_heard(listener, digit, mode);
        }
    }

    fn end_generation(&mut self, id: CallId, result: Result<ReplyFields, LineErr>) {
        let Some(generation) = self.take_generation(id) else { return };
        let reason =
            if result.is_ok() { "LINEGENERATETERM_DONE" } else { "LINEGENERATETERM_CANCEL" };
        let Some(request) = generation.request else { return };
        self.publish_heard("LINE_GENERATE", id, json!({"reason": reason}));
        self.tapi.complete(self.clock.unix_ms, request, result);
    }

    /// Nothing more is sent on a call; whoever asked for it knows already, or is told by the
    /// TAPI server.
    pub(crate) fn stop_generating(&mut self, id: CallId) {
        self.take_generation(id);
    }

    /// The call is no conversation any more, or not now: what was being sent is cancelled.
    pub(crate) fn break_generation(&mut self, id: CallId) {
        self.end_generation(id, Err(LineErr::OperationFailed));
    }

    fn take_generation(&mut self, id: CallId) -> Option<Generation> {
        let generation = self.generations.remove(&id)?;
        if let Some(timer) = generation.timer {
            self.timers.disarm(timer);
        }
        match &generation.work {
            Work::Tone { at, .. } => {
                at.iter().for_each(|(end, stream)| self.media.stop_performing(*end, *stream));
            }
            Work::Digits { now: None, .. } => {}
            Work::Digits { .. } => {
                for hearer in self.hearers(id) {
                    if let Some((end, stream)) = self.audio_of(hearer) {
                        self.media.stop_performing(end, stream);
                    }
                }
            }
        }
        Some(generation)
    }

    /// Who hears the call's party may have changed: the tone goes along.
    pub(crate) fn play_generated(&mut self, id: CallId) {
        if !matches!(self.generations.get(&id).map(|g| &g.work), Some(Work::Tone { .. })) {
            return;
        }
        let hearers = self.hearers(id);
        let ends: Vec<(CallId, (TerminationId, usize))> =
            hearers.into_iter().filter_map(|id| Some((id, self.audio_of(id)?))).collect();
        let Some(Work::Tone { tone, at }) = self.generations.get(&id).map(|g| &g.work) else {
            return;
        };
        let (tone, former) = (tone.clone(), at.clone());
        for (end, stream) in &former {
            if ends.iter().all(|(_, other)| other != &(*end, *stream)) {
                self.media.stop_performing(*end, *stream);
            }
        }
        let mut heard = Vec::with_capacity(ends.len());
        for (hearer, end) in ends {
            let is_new = !former.contains(&end);
            let format = self.calls.get(hearer.0).map(|call| format_of(&call.end));
            let is_played = !is_new
                || format.is_some_and(|format| {
                    self.media.perform(end.0, end.1, TICKET, tone.clone(), format)
                });
            if is_played {
                heard.push(end);
            }
        }
        if let Some(Work::Tone { at, .. }) = self.generations.get_mut(&id).map(|g| &mut g.work) {
            *at = heard;
        }
    }

    /// Gives a phone a digit in the way that it takes it: as an event, by INFO, or as sound.
    pub(crate) fn press_for(&mut self, id: CallId, press: Press) {
        let Some(call) = self.calls.get(id.0) else { return };
        let format = format_of(&call.end);
        if format.event.is_none() && self.send_info_digit(id, press) {
            return;
        }
        let Some((end, stream)) = self.audio_of(id) else { return };
        if format.event.is_none() && !dtmf::is_dtmf(press.digit) {
            return; // A hook flash has no sound.
        }
        let tone = press.duration;
        let performance =
            Performance::Digits { digits: press.digit.to_string(), tone, pause: Duration::ZERO };
        self.media.perform(end, stream, TICKET, performance, format);
    }

    /// Those who hear the call's party and are there to do so.
    fn hearers(&self, id: CallId) -> Vec<CallId> {
        let is_there = |id: &CallId| {
            self.calls.get(id.0).is_some_and(|c| c.state == CallState::Connected && !c.is_away())
                && self.calls.get(id.0).is_some_and(|call| call.leg.is_some())
        };
        self.listeners(id).into_iter().filter(is_there).collect()
    }

    /// The stream by which a call's phone is spoken to.
    pub(crate) fn audio_of(&self, id: CallId) -> Option<(TerminationId, usize)> {
        let end = &self.calls.get(id.0)?.end;
        Some((end.termination()?, end.audio_stream()?))
    }
}

/// How a phone can be given digits and tones.
fn format_of(end: &super::end::MediaEnd) -> Format {
    Format { voice: tone_codec(end), event: end.events() }
}

fn performance(mode: ToneMode, components: &[GeneratedTone]) -> Performance {
    let ms = |ms: u32| Duration::from_millis(ms.into());
    let partial = |one: &GeneratedTone| Partial {
        frequency_hz: u16::try_from(one.frequency_hz).unwrap_or(u16::MAX),
        on: ms(one.cadence_on_ms),
        off: ms(one.cadence_off_ms),
        volume: u16::try_from(one.volume).unwrap_or(u16::MAX),
    };
    match mode {
        ToneMode::Custom => Performance::Custom(components.iter().map(partial).collect(), None),
        ToneMode::Ringback => Performance::Tone(Tone::Ringback, None),
        ToneMode::Busy => Performance::Tone(Tone::Busy, None),
        ToneMode::Beep => Performance::Tone(Tone::Beep, None),
        ToneMode::Billing => Performance::Tone(Tone::Billing, None),
    }
}
