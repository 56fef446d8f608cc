//! A phone that runs by itself on a thread, while the test waits for something else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sip_stack::endpoint::LegId;
use switch::phone::{HoldSpelling, Phone, PhoneEvent, RtpCounts};

use crate::program::{PATIENCE, pause};

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

    /// Resumes, and waits until the switch has agreed.
    pub fn resume(&self, leg: LegId) {
        self.with(|phone| phone.resume(leg));
        self.offer_answered();
    }

    fn offer_answered(&self) {
        self.wait("200 to the re-INVITE", |event| {
            matches!(event, PhoneEvent::OfferAnswered { .. }).then_some(())
        });
    }

    /// Packets so far.
    pub fn rtp(&self) -> RtpCounts {
        self.with(|phone| phone.rtp())
    }

    /// Waits for the first event that fits; it and those before it are taken.
    pub fn wait<T>(&self, what: &str, wanted: impl Fn(&PhoneEvent) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            {
                let mut state = self.state();
                let found = state.seen.iter().enumerate();
                let found = found.filter_map(|(at, event)| Some((at, wanted(event)?))).next();
                if let Some((at, found)) = found {
                    state.seen.drain(..=at);
                    return found;
                }
                let number = state.phone.number();
                assert!(start.elapsed() < PATIENCE, "{number}: {what}; saw {:?}", state.seen);
            }
            pause();
        }
    }

    /// Waits for an INVITE.
    pub fn incoming(&self) -> LegId {
        self.wait("an INVITE", |event| match event {
            PhoneEvent::Incoming { leg, .. } => Some(*leg),
            _ => None,
        })
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
        self.wait("the call is ended", |event| {
            (*event == PhoneEvent::Ended { leg }).then_some(())
        });
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

    /// Waits until this phone has sent some packets during which it heard nothing of `other`.
    pub fn hears_nothing_of(&self, other: &LivePhone) {
        const PACKETS: u64 = 10;
        let other = other.with(|phone| phone.number().to_owned());
        let start = Instant::now();
        let mut quiet_since = self.rtp();
        let mut voice = quiet_since.voice;
        loop {
            let (counts, is_other) =
                self.with(|phone| (phone.rtp(), phone.heard_number_is(&other)));
            if is_other && counts.voice > voice {
                quiet_since = counts;
            }
            voice = counts.voice;
            if counts.sent >= quiet_since.sent + PACKETS {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{other} is still heard: {counts:?}");
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
