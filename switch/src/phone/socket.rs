//! A phone on a real socket. Nothing runs by itself: whoever owns it calls [`Phone::run`].

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use media::ToneCodec;
use media::codec::g711;
use sip_stack::endpoint::LegId;
use sip_stack::flow::{Flow, Received};
use sip_stack::message::Message;
use sip_stack::time::{Entropy, Now};

use super::core::{Behaviour, HoldSpelling, PhoneConfig, PhoneCore, PhoneEvent};
use super::instrument::Instrument;
use super::keypad;
use super::rtp::{RtpCounts, Voice};
use super::wire::{Access, Wire};

/// Between two RTP packets.
const PACKET_TIME: Duration = Duration::from_millis(20);

/// Why a phone could not be made or did not see what was waited for.
#[derive(Debug, thiserror::Error)]
pub enum PhoneError {
    /// The operating system refused a socket.
    #[error("no socket for a phone: {0}")]
    Socket(#[from] io::Error),
    /// The event did not come in time.
    #[error("phone {number}: {what} did not happen; it saw {seen}")]
    Missing {
        /// The phone.
        number: String,
        /// What was waited for.
        what: &'static str,
        /// What came instead.
        seen: String,
    },
}

/// A phone on loopback; see the module's text.
pub struct Phone {
    core: PhoneCore,
    wire: Wire,
    switch: SocketAddr,
    flow: Flow,
    voice: Voice,
    start: Instant,
    next_packet: Now,
    seen: Vec<PhoneEvent>,
}

#[expect(clippy::disallowed_methods, reason = "the phone's rim: here the clock is read")]
fn read_clock() -> Instant {
    Instant::now()
}

impl Phone {
    /// A phone of line `number` that talks to the switch at `switch`.
    ///
    /// Errors: no free port on loopback.
    pub fn new(
        number: &str,
        password: &str,
        domain: &str,
        switch: SocketAddr,
        entropy: Box<dyn Entropy + Send>,
    ) -> Result<Phone, PhoneError> {
        let behaviour = Behaviour::default();
        Phone::with_behaviour(number, password, domain, switch, behaviour, entropy)
    }

    /// The same, with what it does by itself settled before it says anything about it.
    ///
    /// Errors: no free port on loopback.
    pub fn with_behaviour(
        number: &str,
        password: &str,
        domain: &str,
        switch: SocketAddr,
        behaviour: Behaviour,
        entropy: Box<dyn Entropy + Send>,
    ) -> Result<Phone, PhoneError> {
        Phone::over(&Access::Udp, (number, password, domain), switch, behaviour, entropy)
    }

    /// The same over any transport; the account is number, password and domain.
    ///
    /// Errors: no free port on loopback, or the switch refuses the connection.
    pub fn over(
        access: &Access,
        (number, password, domain): (&str, &str, &str),
        switch: SocketAddr,
        behaviour: Behaviour,
        mut entropy: Box<dyn Entropy + Send>,
    ) -> Result<Phone, PhoneError> {
        let (wire, flow) = Wire::open(access, switch)?;
        let rtp = UdpSocket::bind((behaviour.media_host.unwrap_or(flow.local.ip()), 0))?;
        rtp.set_nonblocking(true)?;
        let ssrc = entropy.next_u64() as u32;
        let config = PhoneConfig {
            number: number.to_owned(),
            password: password.to_owned(),
            domain: domain.to_owned(),
            flow,
            rtp: rtp.local_addr()?,
            behaviour,
        };
        Ok(Phone {
            core: PhoneCore::new(config, entropy),
            wire,
            switch,
            flow,
            voice: Voice::new(rtp, ssrc, mark(number)),
            start: read_clock(),
            next_packet: Now::ZERO,
            seen: Vec::new(),
        })
    }

    /// Breaks its connection off and opens another one, in the middle of everything; it is the same phone
    /// with the same Contact.
    ///
    /// Errors: the switch refuses the connection.
    pub fn reconnect(&mut self, access: &Access) -> Result<(), PhoneError> {
        self.wire = Wire::open(access, self.switch)?.0;
        Ok(())
    }

    /// What the phone does by itself.
    pub fn behaviour(&mut self) -> &mut Behaviour {
        self.core.behaviour()
    }

    /// Its number.
    pub fn number(&self) -> &str {
        self.core.number()
    }

    /// Its SIP address.
    pub fn address(&self) -> SocketAddr {
        self.flow.local
    }

    fn now(&self) -> Now {
        Now(read_clock().duration_since(self.start))
    }

    /// Sends a keep-alive: a double CRLF (RFC 5626 §3.5.1).
    pub fn ping(&mut self) {
        self.wire.ping(self.switch);
    }

    /// Registers, without waiting.
    pub fn register(&mut self, expires: Duration) {
        let now = self.now();
        self.core.register(now, expires);
        self.flush();
    }

    /// Calls a number, without waiting.
    pub fn call(&mut self, number: &str) -> Option<LegId> {
        let now = self.now();
        let leg = self.core.call(now, number);
        self.flush();
        leg
    }

    /// Calls a number in the name of a shared line, without waiting.
    pub fn call_as(&mut self, own: &str, number: &str) -> Option<LegId> {
        let now = self.now();
        let leg = self.core.call_as(now, own, number);
        self.flush();
        leg
    }

    /// Takes the place of another phone's dialog: Call-ID, the switch's tag and that phone's tag.
    pub fn call_replacing(&mut self, number: &str, dialog: (&str, &str, &str)) -> Option<LegId> {
        let now = self.now();
        let leg = self.core.call_replacing(now, number, dialog);
        self.flush();
        leg
    }

    /// Call-ID, the switch's tag and our tag of a call.
    pub fn dialog(&self, leg: LegId) -> Option<(String, String, String)> {
        self.core.dialog(leg)
    }

    /// Who the switch says is at the other end: P-Asserted-Identity of its last word on it.
    pub fn connected_to(&self, leg: LegId) -> Option<String> {
        self.core.connected_to(leg)
    }

    /// Answers.
    pub fn answer(&mut self, leg: LegId) {
        let now = self.now();
        self.core.answer(now, leg);
        self.flush();
    }

    /// Says how far a call is: 101–199.
    pub fn progress(&mut self, leg: LegId, status: u16) {
        let now = self.now();
        self.core.progress(now, leg, status);
        self.flush();
    }

    /// Refuses.
    pub fn reject(&mut self, leg: LegId, status: u16) {
        let now = self.now();
        self.core.reject(now, leg, status);
        self.flush();
    }

    /// Sends a ringing call to another number by 302.
    pub fn deflect(&mut self, leg: LegId, number: &str) {
        let now = self.now();
        self.core.deflect(now, leg, number);
        self.flush();
    }

    /// Hangs up or gives up.
    pub fn hang_up(&mut self, leg: LegId) {
        let now = self.now();
        self.core.hang_up(now, leg);
        self.flush();
    }

    /// Holds.
    pub fn hold(&mut self, leg: LegId, spelling: HoldSpelling) {
        let now = self.now();
        self.core.hold(now, leg, spelling);
        self.flush();
    }

    /// Resumes.
    pub fn resume(&mut self, leg: LegId) {
        let now = self.now();
        self.core.resume(now, leg);
        self.flush();
    }

    /// Blind transfer: asks the switch to send the far party to a number.
    pub fn transfer(&mut self, leg: LegId, number: &str) {
        let now = self.now();
        self.core.transfer(now, leg, number);
        self.flush();
    }

    /// Subscribes to an event package of a number.
    pub fn watch(&mut self, number: &str, event: &str, expires: Duration) -> Option<LegId> {
        let now = self.now();
        let leg = self.core.watch(now, number, event, expires);
        self.flush();
        leg
    }

    /// Asks for a longer life of a subscription; zero ends it.
    pub fn watch_again(&mut self, leg: LegId, expires: Duration) {
        let now = self.now();
        self.core.watch_again(now, leg, expires);
        self.flush();
    }

    /// Attended transfer: the far parties of both calls are to talk to each other.
    pub fn transfer_attended(&mut self, leg: LegId, consult: LegId) {
        let now = self.now();
        self.core.transfer_attended(now, leg, consult);
        self.flush();
    }

    /// The next INVITE, 180, 200, refusal, BYE or INFO carries this header field.
    pub fn attach(&mut self, name: &str, value: &str) {
        self.core.attach(name, value);
    }

    /// Sends INFO without a body; what is attached goes with it.
    pub fn inform(&mut self, leg: LegId) {
        let now = self.now();
        self.core.inform(now, leg);
        self.flush();
    }

    /// Sends a digit by INFO.
    pub fn send_digit(&mut self, leg: LegId, digit: char) {
        let now = self.now();
        self.core.send_digit(now, leg, digit);
        self.flush();
    }

    /// Sends INFO with any body.
    pub fn send_info(&mut self, leg: LegId, content_type: &str, body: &str) {
        let now = self.now();
        self.core.send_info(now, leg, content_type, body.to_owned());
        self.flush();
    }

    /// Presses keys that travel as telephone-events; false if the far side takes none.
    pub fn press(&mut self, leg: LegId, digits: &str) -> bool {
        let Some(payload) = self.core.far_event(leg) else { return false };
        self.voice.say(digits.chars().flat_map(|digit| keypad::event(digit, payload)));
        true
    }

    /// Presses keys that are heard among the voice; false unless the call speaks G.711.
    pub fn press_audibly(&mut self, leg: LegId, digits: &str) -> bool {
        let Some(law) = self.law(leg) else { return false };
        self.voice.say(digits.chars().flat_map(|digit| keypad::key(digit, law)));
        true
    }

    /// Sounds two frequencies together for so many packets of 20 ms; the same one twice is one.
    pub fn sound(&mut self, leg: LegId, frequencies_hz: [u16; 2], packets: u16) -> bool {
        let Some(law) = self.law(leg) else { return false };
        self.voice.say(keypad::tone(frequencies_hz, law, packets));
        true
    }

    /// The next packets of its voice get lost on their way, so many of them.
    pub fn lose(&mut self, packets: u16) {
        self.voice.say((0..packets).map(|_| keypad::Frame::Lost));
    }

    /// Whatever it was still to say or to lose is forgotten; its voice goes on.
    pub fn go_on(&mut self) {
        self.voice.go_on();
    }

    /// The SSRC of its voice.
    pub fn ssrc(&self) -> u32 {
        self.voice.ssrc()
    }

    fn law(&self, leg: LegId) -> Option<ToneCodec> {
        ToneCodec::of_payload(self.core.far_media(leg)?.1)
    }

    /// Hums a tone on a call from now on, in the call's codec, instead of the phone's own voice;
    /// false where the phone cannot speak that codec.
    pub fn hum(&mut self, leg: LegId, frequency_hz: u16) -> bool {
        let codec = self.core.far_voice(leg);
        self.voice.instrument = codec.map(|codec| Instrument::new(codec, frequency_hz));
        codec.is_some()
    }

    /// The peak of a frequency in what a humming phone heard in so many of the last milliseconds, up
    /// to two seconds; 0 until it has heard so much.
    pub fn heard_level(&self, frequency_hz: u16, milliseconds: usize) -> f64 {
        let instrument = self.voice.instrument.as_ref();
        instrument.map_or(0.0, |instrument| instrument.level(frequency_hz, milliseconds))
    }

    /// Digits heard as telephone-events so far.
    pub fn digits(&self) -> &str {
        self.voice.digits()
    }

    /// The G.711 sound of the last five seconds, 8000 samples a second.
    pub fn heard_sound(&self) -> Vec<i16> {
        self.voice.sound()
    }

    /// Whether its voice is SRTP at the moment.
    pub fn speaks_srtp(&self) -> bool {
        self.voice.is_secure()
    }

    /// Packets so far.
    pub fn rtp(&self) -> RtpCounts {
        self.voice.counts()
    }

    /// Whether the voice heard last is that of `other`.
    pub fn hears(&self, other: &Phone) -> bool {
        self.heard_number_is(other.number())
    }

    /// Whether the sound heard last is the voices of `others` mixed, as G.711 µ-law rounds them.
    pub fn hears_mixed(&self, others: &[&Phone]) -> bool {
        let loudness = |octet| i32::from(g711::decode(ToneCodec::Pcmu, octet));
        let mixed: i32 = others.iter().map(|other| loudness(mark(other.number()))).sum();
        let heard = self.voice.heard().map(loudness);
        heard.is_some_and(|heard| (heard - mixed).abs() <= mixed.abs() / 16 + 32)
    }

    /// Whether the sound heard last is exactly the voices of these lines' phones added up.
    pub fn heard_mix_is(&self, numbers: &[&str]) -> bool {
        let linear = |number: &&str| i32::from(g711::decode(ToneCodec::Pcmu, mark(number)));
        let sum: i32 = numbers.iter().map(linear).sum();
        let sum = i16::try_from(sum.clamp(i16::MIN.into(), i16::MAX.into())).unwrap_or_default();
        self.voice.heard() == Some(g711::encode(ToneCodec::Pcmu, sum))
    }

    /// Whether the voice heard last is that of the phone of line `number`.
    pub fn heard_number_is(&self, number: &str) -> bool {
        self.voice.heard() == Some(mark(number))
    }

    /// Takes what arrived, fires timers, sends voice. Never blocks.
    pub fn step(&mut self) {
        while let Some((bytes, remote)) = self.wire.receive(self.switch) {
            if let Ok(message) = Message::parse(bytes) {
                let flow = Flow { remote, ..self.flow };
                let now = self.now();
                self.core.receive(now, Received { message, flow });
            }
        }
        let now = self.now();
        if self.core.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.core.expire(now);
        }
        self.flush();
        let secured = self.core.legs().into_iter().find(|leg| !self.core.security(*leg).is_plain());
        self.voice.secure(secured.map(|leg| self.core.security(leg)).unwrap_or_default());
        self.voice.receive();
        if now >= self.next_packet {
            self.next_packet = now + PACKET_TIME;
            for leg in self.core.legs() {
                if let (true, Some((to, payload))) =
                    (self.core.may_send(leg), self.core.far_media(leg))
                {
                    self.voice.send(to, payload);
                }
            }
        }
    }

    /// Events since the last call.
    pub fn events(&mut self) -> Vec<PhoneEvent> {
        std::iter::from_fn(|| self.core.poll_event()).collect()
    }

    /// Steps all `phones` until `done` says so, at most for `limit`; waits on sockets in between.
    pub fn run(
        phones: &mut [&mut Phone],
        limit: Duration,
        mut done: impl FnMut(&mut [&mut Phone]) -> bool,
    ) -> bool {
        let start = read_clock();
        loop {
            for phone in phones.iter_mut() {
                phone.step();
            }
            if done(phones) {
                return true;
            }
            if read_clock().duration_since(start) > limit {
                return false;
            }
            wait_briefly(phones);
        }
    }

    /// Steps this phone and `others` until one of its events fits, at most for `limit`.
    ///
    /// Errors: [`PhoneError::Missing`] with what was seen instead.
    pub fn wait<T>(
        &mut self,
        others: &mut [&mut Phone],
        limit: Duration,
        what: &'static str,
        mut wanted: impl FnMut(&PhoneEvent) -> Option<T>,
    ) -> Result<T, PhoneError> {
        let start = read_clock();
        loop {
            self.step();
            for other in others.iter_mut() {
                other.step();
            }
            let fresh = self.events();
            self.seen.extend(fresh);
            if let Some(index) = self.seen.iter().position(|event| wanted(event).is_some()) {
                let found = wanted(&self.seen[index]);
                self.seen.drain(..=index);
                if let Some(found) = found {
                    return Ok(found);
                }
            }
            if read_clock().duration_since(start) > limit {
                let seen = format!("{:?}", self.seen);
                return Err(PhoneError::Missing { number: self.number().to_owned(), what, seen });
            }
            wait_briefly(&mut [self]);
        }
    }

    fn flush(&mut self) {
        while let Some(transmit) = self.core.poll_transmit() {
            self.wire.send(&transmit.bytes, transmit.flow.remote);
        }
    }
}

/// The octet that the phone of a line says all the time.
fn mark(number: &str) -> u8 {
    number.bytes().fold(1, |sum, octet| sum.wrapping_mul(31).wrapping_add(octet))
}

/// Lets the socket of the first phone wake us, at the latest after a millisecond.
fn wait_briefly(phones: &mut [&mut Phone]) {
    if let Some(phone) = phones.first() {
        phone.wire.wait_briefly();
    }
}
