//! Digits, tones and media on a call: who hears of them, the gathering of digits with its
//! time-outs, and the one generation that a call can have.

use crate::constant::{CallInfoState, DigitMode, GatherTerm, GenerateTerm, Mask, MediaMode};
use crate::message::Message;
use crate::model::{ApplicationId, CallKey, Detection, Tone};
use crate::op::Intent;

use super::observe::Subject;
use super::{Output, RequestKey, Server};

/// A gathering of digits.
#[derive(Debug)]
pub(crate) struct Gathering {
    pub(crate) application: ApplicationId,
    pub(crate) h_call: u32,
    pub(crate) modes: Mask<DigitMode>,
    pub(crate) digits: String,
    pub(crate) wanted: usize,
    pub(crate) termination: String,
    /// Time-out between digits; none for no limit.
    pub(crate) inter_digit_ms: Option<u64>,
    pub(crate) deadline_ms: Option<u64>,
}

impl Gathering {
    /// Takes a digit; says why the gathering is over, if it is.
    fn take(&mut self, now_ms: u64, digit: char, mode: DigitMode) -> Option<GatherTerm> {
        // Both edges of one tone are one digit.
        let counted = match mode {
            DigitMode::DtmfEnd => !self.modes.contains(DigitMode::Dtmf),
            _ => true,
        };
        if !counted || !self.modes.contains(mode) {
            return None;
        }
        self.digits.push(digit);
        self.deadline_ms = self.inter_digit_ms.map(|ms| now_ms.saturating_add(ms));
        if self.termination.contains(digit) {
            Some(GatherTerm::TermDigit)
        } else if self.digits.chars().count() >= self.wanted {
            Some(GatherTerm::BufferFull)
        } else {
            None
        }
    }
}

/// Digits or a tone that the provider sends for an application.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Generation {
    pub(crate) call: CallKey,
    pub(crate) application: ApplicationId,
    pub(crate) h_call: u32,
    pub(crate) end_to_end_id: Option<u32>,
    /// It goes on until it is stopped.
    pub(crate) is_endless: bool,
}

/// What the provider heard on a call.
impl Server {
    /// A digit was heard from the call's party: it goes to the applications that monitor digits
    /// of this mode, and to the gathering. Ignored while another station takes part instead.
    pub fn digit(&mut self, now_ms: u64, key: CallKey, digit: char, mode: DigitMode) {
        self.tick(now_ms);
        let Some(call) = self.calls.get(key).filter(|call| call.is_active()) else { return };
        for detection in call.detections.clone() {
            if detection.digits.contains(mode) {
                let message = Message::MonitorDigits { h_call: detection.h_call, digit, mode };
                self.notify(detection.application, &message);
            }
        }
        let now_ms = self.now_ms;
        let over = self.gatherings.get_mut(&key).and_then(|g| g.take(now_ms, digit, mode));
        if let Some(reason) = over {
            self.end_gathering(key, reason);
        }
    }

    /// A tone was heard that [`Intent::Detect`] asked for.
    pub fn tone(&mut self, now_ms: u64, key: CallKey, tone: Tone) {
        self.tick(now_ms);
        let Some(call) = self.calls.get(key).filter(|call| !call.mode.is_inactive()) else {
            return;
        };
        for detection in call.detections.clone() {
            let h_call = detection.h_call;
            for (app_specific, _) in detection.tones.iter().filter(|(_, listed)| *listed == tone) {
                let message = Message::MonitorTone { h_call, app_specific: *app_specific };
                self.notify(detection.application, &message);
            }
        }
    }

    /// Media of another kind were heard. LINECALLINFO.dwMediaMode does not change.
    pub fn media(&mut self, now_ms: u64, key: CallKey, mode: MediaMode) {
        self.tick(now_ms);
        let Some(call) = self.calls.get(key) else { return };
        for detection in call.detections.clone() {
            if detection.media.contains(mode) {
                let media_modes = mode.into();
                let message = Message::MonitorMedia { h_call: detection.h_call, media_modes };
                self.notify(detection.application, &message);
            }
        }
    }
}

impl Server {
    /// Changes what one handle of a call has detected.
    pub(crate) fn set_detection(
        &mut self,
        key: CallKey,
        application: ApplicationId,
        h_call: u32,
        change: impl FnOnce(&mut Detection),
    ) {
        let before = self.detected(key);
        let Some(call) = self.calls.get_mut(key) else { return };
        let is_mine = |d: &Detection| d.application == application && d.h_call == h_call;
        let mut mine = match call.detections.iter().position(is_mine) {
            Some(index) => call.detections.remove(index),
            None => Detection {
                application,
                h_call,
                digits: Mask::EMPTY,
                media: Mask::EMPTY,
                tones: Vec::new(),
            },
        };
        change(&mut mine);
        if !mine.is_empty() {
            call.detections.push(mine);
        }
        if self.tell_detection(key, before) {
            self.tell_info(key, CallInfoState::MonitorModes.into(), None);
        }
    }

    /// What is detected on a call for all applications together, their gathering included.
    fn detected(&self, key: CallKey) -> (Mask<DigitMode>, Mask<MediaMode>, Vec<Tone>) {
        let Some(call) = self.calls.get(key) else {
            return (Mask::EMPTY, Mask::EMPTY, Vec::new());
        };
        let gathered = self.gatherings.get(&key).map_or(Mask::EMPTY, |g| g.modes);
        let digits = call.detections.iter().fold(gathered, |all, one| all | one.digits);
        let media = call.detections.iter().fold(Mask::EMPTY, |all, one| all | one.media);
        let listed = call.detections.iter().flat_map(|one| &one.tones);
        let mut tones: Vec<Tone> = listed.map(|(_, tone)| *tone).collect();
        tones.sort_unstable();
        tones.dedup();
        (digits, media, tones)
    }

    /// The tones that all handles of a call but this one have detected.
    pub(crate) fn tones_of_others(
        &self,
        key: CallKey,
        application: ApplicationId,
        h_call: u32,
    ) -> Vec<Tone> {
        let detections = self.calls.get(key).map_or(&[][..], |call| &call.detections);
        let others =
            detections.iter().filter(|d| d.application != application || d.h_call != h_call);
        others.flat_map(|one| one.tones.iter().map(|(_, tone)| *tone)).collect()
    }

    /// Tells the provider what is to be detected, if that has changed.
    fn tell_detection(
        &mut self,
        call: CallKey,
        before: (Mask<DigitMode>, Mask<MediaMode>, Vec<Tone>),
    ) -> bool {
        let now = self.detected(call);
        if now == before {
            return false;
        }
        let (digits, media, tones) = now;
        let request = self.next_key();
        let intent = Intent::Detect { call, digits, media, tones };
        self.out.push(Output::Intent { request, intent });
        true
    }

    /// LINECALLINFO.dwMonitorDigitModes and dwMonitorMediaModes.
    pub(crate) fn monitored(&self, key: CallKey) -> (Mask<DigitMode>, Mask<MediaMode>) {
        let detections = self.calls.get(key).map_or(&[][..], |call| &call.detections);
        detections.iter().fold((Mask::EMPTY, Mask::EMPTY), |(digits, media), one| {
            (digits | one.digits, media | one.media)
        })
    }

    /// Begins to gather digits; one that was under way is over.
    pub(crate) fn gather(&mut self, key: CallKey, gathering: Gathering) {
        self.cancel_gathering(key);
        let before = self.detected(key);
        self.gatherings.insert(key, gathering);
        self.tell_detection(key, before);
    }

    /// Ends a gathering at an application's wish.
    pub(crate) fn cancel_gathering(&mut self, key: CallKey) {
        self.end_gathering(key, GatherTerm::Cancel);
    }

    fn end_gathering(&mut self, key: CallKey, reason: GatherTerm) {
        let before = self.detected(key);
        let Some(gathering) = self.gatherings.remove(&key) else { return };
        self.tell_detection(key, before);
        let Gathering { application, h_call, digits, .. } = gathering;
        let message = Message::GatherDigits { h_call, digits, reason };
        self.notify(application, &message);
        let (call, application) = (Some(key), Some(application));
        self.observe(Subject { call, application, device: None }, &message);
    }

    /// Ends the gatherings whose time is over.
    pub(super) fn expire_gatherings(&mut self) {
        let is_due = |g: &Gathering| g.deadline_ms.is_some_and(|at| at <= self.now_ms);
        let due: Vec<(CallKey, bool)> = self
            .gatherings
            .iter()
            .filter(|(_, gathering)| is_due(gathering))
            .map(|(key, gathering)| (*key, gathering.digits.is_empty()))
            .collect();
        for (key, is_first) in due {
            let reason = if is_first { GatherTerm::FirstTimeout } else { GatherTerm::InterTimeout };
            self.end_gathering(key, reason);
        }
    }

    pub(super) fn gathering_deadline(&self) -> Option<u64> {
        self.gatherings.values().filter_map(|gathering| gathering.deadline_ms).min()
    }

    /// Begins to send digits or a tone; what was being sent is over.
    pub(crate) fn generate(
        &mut self,
        generation: Generation,
        intent: impl FnOnce(CallKey) -> Intent,
    ) {
        self.cancel_generation(generation.call, false);
        let request = self.next_key();
        self.generations.insert(request, generation);
        let intent = intent(generation.call);
        self.out.push(Output::Intent { request, intent });
    }

    /// Ends what is being sent on a call.
    pub(crate) fn cancel_generation(&mut self, call: CallKey, tells_provider: bool) {
        let mut all = self.generations.iter();
        let Some((request, generation)) = all.find(|(_, g)| g.call == call) else { return };
        let (request, generation) = (*request, *generation);
        self.generations.remove(&request);
        if tells_provider {
            let request = self.next_key();
            let intent = Intent::StopGenerating { call };
            self.out.push(Output::Intent { request, intent });
        }
        self.tell_generated(generation, GenerateTerm::Cancel);
    }

    /// The provider is done with a generation; false if the key is none's.
    pub(super) fn end_generation(&mut self, request: RequestKey, is_done: bool) -> bool {
        let Some(generation) = self.generations.remove(&request) else { return false };
        let reason = if is_done { GenerateTerm::Done } else { GenerateTerm::Cancel };
        self.tell_generated(generation, reason);
        true
    }

    fn tell_generated(&mut self, generation: Generation, reason: GenerateTerm) {
        let Generation { application, h_call, end_to_end_id, .. } = generation;
        let message = Message::Generate { h_call, reason, end_to_end_id };
        self.notify(application, &message);
    }

    /// The call is over: nothing is detected, gathered or sent any more.
    pub(super) fn end_detections(&mut self, key: CallKey) {
        self.end_gathering(key, GatherTerm::Cancel);
        self.cancel_generation(key, false);
        if let Some(call) = self.calls.get_mut(key) {
            call.detections.clear();
        }
    }

    /// A handle is given back: what it had detected goes to nobody. What was being sent goes on to
    /// its end, if it has one.
    pub(super) fn forget_detections(
        &mut self,
        key: CallKey,
        application: ApplicationId,
        h_call: u32,
    ) {
        let before = self.detected(key);
        let is_mine = |g: &Gathering| g.application == application && g.h_call == h_call;
        if self.gatherings.get(&key).is_some_and(is_mine) {
            self.gatherings.remove(&key);
        }
        if let Some(call) = self.calls.get_mut(key) {
            call.detections.retain(|d| d.application != application || d.h_call != h_call);
        }
        let is_mine = |g: &Generation| g.application == application && g.h_call == h_call;
        let is_endless = self.generations.values().any(|g| is_mine(g) && g.is_endless);
        self.generations.retain(|_, generation| !is_mine(generation));
        if is_endless {
            let request = self.next_key();
            let intent = Intent::StopGenerating { call: key };
            self.out.push(Output::Intent { request, intent });
        }
        if self.tell_detection(key, before) {
            self.tell_info(key, CallInfoState::MonitorModes.into(), None);
        }
    }
}
