//! A phone that runs by itself on a thread, while the test waits for something else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sip_stack::endpoint::LegId;
use switch::phone::{HoldSpelling, Phone, PhoneEvent, RtpCounts};

use crate::program::{PATIENCE, pause};

/// A tenth of a second.
const TONE_SAMPLES: usize = 800;
/// Samples of one packet of G.711.
const PACKET_SAMPLES: usize = 160;

/// Samples a second of G.711.
const G711_HZ: u32 = 8_000;

/// How much of the power of samples is at one frequency (Goertzel).
pub fn power_share(samples: &[i16], rate_hz: u32, frequency_hz: u16) -> f64 {
    let turn = std::f64::consts::TAU * f64::from(frequency_hz) / f64::from(rate_hz);
    let coefficient = 2.0 * turn.cos();
    let (mut one, mut two) = (0.0, 0.0);
    for sample in samples {
        let next = f64::from(*sample) + coefficient * one - two;
        two = one;
        one = next;
    }
    let power = one * one + two * two - coefficient * one * two;
    let total: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    if total == 0.0 { 0.0 } else { power / (total * samples.len() as f64 / 2.0) }
}

struct State {
    phone: Phone,
    seen: Vec<PhoneEvent>,
}

/// A phone on a thread of its own; it ends, without a word to the switch, when dropped.
pub struct LivePhone {
    state: Arc<Mutex<State>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl LivePhone {
    /// Lets a phone run.
    pub fn start(phone: Phone) -> LivePhone {
        let state = Arc::new(Mutex::new(State { phone, seen: Vec::new() }));
        let is_over = Arc::new(AtomicBool::new(false));
        let (shared, over) = (Arc::clone(&state), Arc::clone(&is_over));
        let thread = std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                {
                    let mut state = shared.lock().expect("no panic while stepping");
                    state.phone.step();
                    let fresh = state.phone.events();
                    state.seen.extend(fresh);
                }
                pause();
            }
        });
        LivePhone { state, is_over, thread: Some(thread) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while stepping")
    }

    /// Does something with the phone between two of its steps.
    pub fn with<T>(&self, act: impl FnOnce(&mut Phone) -> T) -> T {
        act(&mut self.state().phone)
    }

    /// Registers, and waits until that is done.
    pub fn register(&self, expires: Duration) {
        self.with(|phone| phone.register(expires));
        self.wait("registration", |event| match event {
            PhoneEvent::Registered { status: 200 } => Some(()),
            _ => None,
        });
    }

    /// Calls a number.
    pub fn call(&self, number: &str) -> LegId {
        self.with(|phone| phone.call(number)).expect("the phone has room for a call")
    }

    /// Calls another phone, which answers: the call's legs, here and there.
    pub fn talk_to(&self, other: &LivePhone) -> (LegId, LegId) {
        let near = self.call(&other.number());
        let far = other.incoming();
        other.answer(far);
        self.connected(near);
        other.connected(far);
        (near, far)
    }

    /// Answers.
    pub fn answer(&self, leg: LegId) {
        self.with(|phone| phone.answer(leg));
    }

    /// Refuses.
    pub fn reject(&self, leg: LegId, status: u16) {
        self.with(|phone| phone.reject(leg, status));
    }

    /// Hangs up or gives up.
    pub fn hang_up(&self, leg: LegId) {
        self.with(|phone| phone.hang_up(leg));
    }

    /// Holds by `a=sendonly`, and waits until the switch has agreed.
    pub fn hold(&self, leg: LegId) {
        self.with(|phone| phone.hold(leg, HoldSpelling::SendOnly));
        self.offer_answered();
    }

    /// Holds in any spelling, and waits until the switch has agreed.
    pub fn hold_spelt(&self, leg: LegId, spelling: HoldSpelling) {
        self.with(|phone| phone.hold(leg, spelling));
        self.offer_answered();
    }

    /// Resumes, and waits until the switch has agreed.
    pub fn resume(&self, leg: LegId) {
        self.with(|phone| phone.resume(leg));
        self.offer_answered();
    }

    /// Waits until the switch has agreed to what the phone asked for last: hold or resume.
    pub fn offer_answered(&self) {
        self.wait("200 to the re-INVITE", |event| {
            matches!(event, PhoneEvent::OfferAnswered { .. }).then_some(())
        });
    }

    /// Presses keys that travel as telephone-events (RFC 4733).
    pub fn press(&self, leg: LegId, digits: &str) {
        assert!(self.with(|phone| phone.press(leg, digits)), "the far side takes no events");
    }

    /// Presses keys that are heard among the voice.
    pub fn press_audibly(&self, leg: LegId, digits: &str) {
        assert!(self.with(|phone| phone.press_audibly(leg, digits)), "the call speaks no G.711");
    }

    /// Sends INFO; the status of its answer.
    pub fn info(&self, leg: LegId, content_type: &str, body: &str) -> u16 {
        self.with(|phone| phone.send_info(leg, content_type, body));
        self.wait("the answer to INFO", |event| match event {
            PhoneEvent::InfoAnswered { status } => Some(*status),
            _ => None,
        })
    }

    /// Waits for a digit by INFO.
    pub fn info_digit(&self) -> char {
        self.wait("a digit by INFO", |event| match event {
            PhoneEvent::Digit { digit, .. } => Some(*digit),
            _ => None,
        })
    }

    /// Waits until exactly these digits have been heard as telephone-events.
    pub fn hears_digits(&self, digits: &str) {
        let start = Instant::now();
        let mut heard = String::new();
        while start.elapsed() < PATIENCE {
            heard = self.with(|phone| phone.digits().to_owned());
            if heard == digits {
                return;
            }
            pause();
        }
        panic!("heard {heard:?}, not {digits:?}")
    }

    /// Sounds two frequencies together for so many packets; the same one twice is one.
    pub fn sound(&self, leg: LegId, frequencies_hz: [u16; 2], packets: u16) {
        let is_said = self.with(|phone| phone.sound(leg, frequencies_hz, packets));
        assert!(is_said, "the call speaks no G.711");
    }

    /// Waits until what is heard is these frequencies together, for a tenth of a second at least.
    pub fn hears_frequencies(&self, frequencies_hz: &[u16]) {
        self.hears_sound(&format!("{frequencies_hz:?} Hz"), |sound| {
            let shares = frequencies_hz.iter().map(|hz| power_share(sound, G711_HZ, *hz));
            shares.clone().sum::<f64>() > 0.8 && { shares }.all(|share| share > 0.1)
        });
    }

    /// Waits until a tone of the field is heard: which of the frequencies depends on the country.
    pub fn hears_one_of(&self, frequencies_hz: &[u16]) {
        self.hears_sound(&format!("one of {frequencies_hz:?} Hz"), |sound| {
            frequencies_hz.iter().any(|hz| power_share(sound, G711_HZ, *hz) > 0.8)
        });
    }

    fn hears_sound(&self, what: &str, is_it: impl Fn(&[i16]) -> bool) {
        let start = Instant::now();
        let mut before = None;
        while start.elapsed() < PATIENCE {
            let (sound, packets) = self.with(|phone| (phone.heard_sound(), phone.rtp().received));
            // Whatever came since the last look, however long ago that was.
            let packets_new = packets - before.replace(packets).unwrap_or(packets);
            let new =
                usize::try_from(packets_new).unwrap_or(usize::MAX).saturating_mul(PACKET_SAMPLES);
            let recent = &sound[sound.len().saturating_sub(new.saturating_add(TONE_SAMPLES))..];
            let mut windows = recent.windows(TONE_SAMPLES).rev().step_by(PACKET_SAMPLES);
            if windows.any(&is_it) {
                return;
            }
            pause();
        }
        panic!("{what} is not heard")
    }

    /// Subscribes to an event package of a number; the subscription and the first document.
    pub fn watch(&self, number: &str, event: &str, expires: Duration) -> (LegId, String) {
        let leg = self.with(|phone| phone.watch(number, event, expires)).expect("room for it");
        let granted = u32::try_from(expires.as_secs()).ok();
        self.wait("200 to SUBSCRIBE", |event| {
            let is_granted = PhoneEvent::Subscribed { leg, status: 200, expires: granted };
            (*event == is_granted).then_some(())
        });
        let body = self.told(leg, "the first document", |_| true);
        (leg, body)
    }

    /// Waits for the NOTIFY of a subscription whose document fits. Those of other subscriptions stay.
    pub fn told(&self, leg: LegId, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        self.pick(what, |event| match event {
            PhoneEvent::Notified { leg: of, body, .. } if *of == leg && wanted(body) => {
                Some(body.clone())
            }
            _ => None,
        })
    }

    /// Waits for the last NOTIFY of a subscription; its Subscription-State.
    pub fn told_last(&self, leg: LegId) -> String {
        self.pick("the last NOTIFY", |event| match event {
            PhoneEvent::Notified { leg: of, state, .. }
                if *of == leg && state.starts_with("terminated") =>
            {
                Some(state.clone())
            }
            _ => None,
        })
    }

    /// Packets so far.
    pub fn rtp(&self) -> RtpCounts {
        self.with(|phone| phone.rtp())
    }

    /// Waits for the first event that fits; it and those before it are taken.
    pub fn wait<T>(&self, what: &str, wanted: impl Fn(&PhoneEvent) -> Option<T>) -> T {
        self.find(what, wanted, |seen, at| drop(seen.drain(..=at)))
    }

    /// Waits for the first event that fits; it alone is taken.
    pub fn pick<T>(&self, what: &str, wanted: impl Fn(&PhoneEvent) -> Option<T>) -> T {
        self.find(what, wanted, |seen, at| drop(seen.remove(at)))
    }

    fn find<T>(
        &self,
        what: &str,
        wanted: impl Fn(&PhoneEvent) -> Option<T>,
        take: impl Fn(&mut Vec<PhoneEvent>, usize),
    ) -> T {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            {
                let mut state = self.state();
                let found = state.seen.iter().enumerate();
                let found = found.filter_map(|(at, event)| Some((at, wanted(event)?))).next();
                if let Some((at, found)) = found {
                    take(&mut state.seen, at);
                    return found;
                }
            }
            pause();
        }
        let number = self.with(|phone| phone.number().to_owned());
        let seen = std::mem::take(&mut self.state().seen);
        panic!("{number}: {what}; saw {seen:?}")
    }

    /// Waits for User-to-User in a message of a call; its value.
    pub fn user_info(&self, leg: LegId) -> String {
        self.wait("User-to-User", |event| match event {
            PhoneEvent::UserInfo { leg: of, value } if *of == leg => Some(value.clone()),
            _ => None,
        })
    }

    /// Waits for an INVITE; its From.
    pub fn incoming_from(&self) -> (LegId, String) {
        self.wait("an INVITE", |event| match event {
            PhoneEvent::Incoming { leg, from } => Some((*leg, from.clone())),
            _ => None,
        })
    }

    /// Waits for an INVITE.
    pub fn incoming(&self) -> LegId {
        self.wait("an INVITE", |event| match event {
            PhoneEvent::Incoming { leg, .. } => Some(*leg),
            _ => None,
        })
    }

    /// Waits until the phone is so.
    pub fn until(&self, what: &str, is_so: impl Fn(&Phone) -> bool) {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if self.with(|phone| is_so(phone)) {
                return;
            }
            pause();
        }
        panic!("{}: {what}", self.number())
    }

    /// Waits until the far phone rings.
    pub fn rings_there(&self) {
        self.wait("180", |event| {
            matches!(event, PhoneEvent::Progress { status: 180, .. }).then_some(())
        });
    }

    /// Waits until a call is up.
    pub fn connected(&self, leg: LegId) {
        self.wait("the call is up", |event| {
            (*event == PhoneEvent::Connected { leg }).then_some(())
        });
    }

    /// Waits until the far side has ended a call.
    pub fn ended(&self, leg: LegId) {
        self.wait("the call is ended", |event| (*event == PhoneEvent::Ended { leg }).then_some(()));
    }

    /// Waits until a call has failed; its status and Reason.
    pub fn failed(&self) -> (u16, Option<String>) {
        self.wait("the call fails", |event| match event {
            PhoneEvent::Failed { status, reason, .. } => Some((*status, reason.clone())),
            _ => None,
        })
    }

    /// Waits until the voice of `other` has come through, in packets that were not there before.
    pub fn hears(&self, other: &LivePhone) {
        const PACKETS: u64 = 3;
        let before = self.rtp().voice;
        let start = Instant::now();
        loop {
            let other = other.with(|phone| phone.number().to_owned());
            let is_heard = self.with(|phone| {
                phone.rtp().voice >= before + PACKETS && phone.heard_number_is(&other)
            });
            if is_heard {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "nothing is heard of {other}: {:?}", self.rtp());
            pause();
        }
    }
}

impl LivePhone {
    /// Waits until these voices, added up, have come through in some packets: all of them, no other.
    pub fn hears_mix(&self, others: &[&LivePhone]) {
        const PACKETS: u64 = 3;
        let others: Vec<String> = others.iter().map(|other| other.number()).collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        let before = self.rtp().received;
        let start = Instant::now();
        let is_heard = |phone: &mut Phone| {
            phone.rtp().received >= before + PACKETS && phone.heard_mix_is(&others)
        };
        while !self.with(is_heard) {
            assert!(start.elapsed() < PATIENCE, "no mix of {others:?}: {:?}", self.rtp());
            pause();
        }
    }

    /// Its number.
    pub fn number(&self) -> String {
        self.with(|phone| phone.number().to_owned())
    }

    /// Waits for the NOTIFY that ends a transfer; its status.
    pub fn transfer_outcome(&self) -> u16 {
        self.wait("the outcome of the transfer", |event| match event {
            PhoneEvent::TransferProgress { status, is_final: true, .. } => Some(*status),
            _ => None,
        })
    }

    /// Waits until something comes that is no voice of a phone: a tone of the switch.
    pub fn hears_tone(&self) {
        let start = Instant::now();
        let of_switch = |counts: RtpCounts| counts.received - counts.voice;
        let before = of_switch(self.rtp());
        while of_switch(self.rtp()) <= before {
            assert!(start.elapsed() < PATIENCE, "no tone is heard: {:?}", self.rtp());
            pause();
        }
    }

    /// Waits until so many packets have come in.
    pub fn wait_for_packets(&self, count: u64) {
        let start = Instant::now();
        while self.rtp().received < count {
            assert!(start.elapsed() < PATIENCE, "too few packets: {:?}", self.rtp());
            pause();
        }
    }

    /// Waits until this phone or `other` has sent some packets, and nothing of `other` was heard
    /// meanwhile.
    pub fn hears_nothing_of(&self, other: &LivePhone) {
        const PACKETS: u64 = 20;
        let number = other.number();
        let start = Instant::now();
        // One of the two may be silent: a phone that holds need not send.
        let sent = |counts: RtpCounts| counts.sent + other.rtp().sent;
        let mut voice = self.rtp().voice;
        let mut quiet_since = sent(self.rtp());
        loop {
            let (counts, is_other) =
                self.with(|phone| (phone.rtp(), phone.heard_number_is(&number)));
            if is_other && counts.voice > voice {
                quiet_since = sent(counts);
            }
            voice = counts.voice;
            if sent(counts) >= quiet_since + PACKETS {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{number} is still heard: {counts:?}");
            pause();
        }
    }
}

impl Drop for LivePhone {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the phone's thread panicked");
        }
    }
}
