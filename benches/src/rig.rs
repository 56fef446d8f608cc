//! An exchange and its phones in one process, without sockets, threads or waiting: what one
//! registration or call costs the exchange itself.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use media::{
    Audience, ConferenceId, Country, Format, MediaError, MediaPlane, MemberCodec, PayloadMap,
    Performance, Sound, SoundId, Speaker, StreamPorts, StreamSpec, Termination, TerminationId,
    TerminationStatistics, Treatment, Watch,
};
use sip_stack::flow::{Flow, Received, Transport};
use sip_stack::message::Message;
use sip_stack::time::{Now, Seeded};
use switch::exchange::counters::Counters;
use switch::exchange::{Clock, Exchange, ExchangeParts, Input, Output};
use switch::registry::Registry;

use crate::phones::{Phones, PhonesConfig, number, password};

/// Where the exchange listens.
const SWITCH: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5060);
/// Where all phones are.
const PHONES: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5070);
/// 2026-01-01.
const START_UNIX_MS: u64 = 1_767_225_600_000;
/// The domain of every benchmark.
pub const DOMAIN: &str = "bench.test";

/// The configuration of a switch with so many lines on free ports.
pub fn configuration(lines: usize) -> String {
    use std::fmt::Write as _;
    let mut text = format!(
        "domain = \"{DOMAIN}\"\n\
         [sip]\nlisten = [\"udp:127.0.0.1:0\"]\n\
         [media]\naddress = \"127.0.0.1\"\n\
         [api]\nlisten = \"127.0.0.1:0\"\n\
         [[api.tokens]]\nname = \"load\"\nsecret = \"load-token\"\nscopes = [\"admin\"]\n\
         [state]\npath = \":memory:\"\n"
    );
    for line in 0..lines {
        let (number, password) = (number(line), password(line));
        // Writing to a String cannot fail.
        let _ =
            write!(text, "[lines.{number}]\nname = \"Line {number}\"\npassword = \"{password}\"\n");
    }
    text
}

/// The exchange, its phones, and the datagrams between them.
pub struct Rig {
    exchange: Exchange,
    phones: Phones,
    now_us: u64,
    to_switch: VecDeque<Bytes>,
    outputs: Vec<Output>,
}

impl Rig {
    /// An exchange with so many lines, none of them registered.
    ///
    /// Errors: faults of the configuration.
    pub fn new(lines: usize) -> Result<Rig, String> {
        let config = config::parse(&configuration(lines), "bench.toml")
            .map_err(|faults| faults.iter().map(ToString::to_string).collect::<String>())?;
        let exchange = Exchange::new(ExchangeParts {
            config: Arc::new(config),
            media: Box::new(Ports::default()),
            registry: Arc::new(Registry::new()),
            counters: Arc::new(Counters::default()),
            entropy: Box::new(Seeded::new(1)),
            local: vec![(Transport::Udp, SWITCH)],
            restored: Vec::new(),
            forwardings: Vec::new(),
            messages: Vec::new(),
            completions: Default::default(),
            dialogs: Vec::new(),
            centre: None,
            familiar: Vec::new(),
            clock: Clock { now: Now::ZERO, unix_ms: START_UNIX_MS },
        });
        let phones = Phones::new(PhonesConfig {
            domain: DOMAIN.to_owned(),
            address: PHONES,
            lines,
            media: vec![40_000],
        });
        Ok(Rig { exchange, phones, now_us: 0, to_switch: VecDeque::new(), outputs: Vec::new() })
    }

    /// A rig whose phones are all registered.
    ///
    /// Errors: faults of the configuration, or what a phone was answered.
    pub fn registered(lines: usize) -> Result<Rig, String> {
        let mut rig = Rig::new(lines)?;
        for line in 0..lines {
            rig.register(line);
        }
        rig.verdict().map(|()| rig)
    }

    /// REGISTER, 401, REGISTER with digest, 200.
    pub fn register(&mut self, line: usize) {
        let to_switch = &mut self.to_switch;
        let mut send = |text: &[u8]| to_switch.push_back(Bytes::copy_from_slice(text));
        self.phones.register(self.now_us, line, &mut send);
        self.settle();
    }

    /// REGISTER with the nonce of before, 200.
    pub fn refresh(&mut self, line: usize) {
        let to_switch = &mut self.to_switch;
        let mut send = |text: &[u8]| to_switch.push_back(Bytes::copy_from_slice(text));
        self.phones.refresh(self.now_us, line, &mut send);
        self.settle();
    }

    /// A whole call: INVITE, 401, INVITE with digest, 180, 200, ACK, BYE on both legs.
    pub fn call(&mut self) {
        let to_switch = &mut self.to_switch;
        let mut send = |text: &[u8]| to_switch.push_back(Bytes::copy_from_slice(text));
        self.phones.call(self.now_us, false, &mut send);
        self.settle();
    }

    /// Lets time pass, so that transactions end: 40 ms for each job keeps as many as 25 jobs a
    /// second leave behind.
    pub fn pass(&mut self, time: Duration) {
        self.now_us += u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        while self.exchange.next_deadline().is_some_and(|deadline| deadline <= self.clock().now) {
            self.exchange.expire(self.clock(), &mut self.outputs);
            self.deliver();
        }
        self.settle();
    }

    /// Jobs that succeeded so far.
    pub fn done(&self) -> u64 {
        self.phones.tally.done
    }

    /// Whether all jobs went as they should.
    ///
    /// Errors: what went wrong first.
    pub fn verdict(&self) -> Result<(), String> {
        let tally = &self.phones.tally;
        match &tally.fault {
            Some(fault) => Err(format!("{} jobs failed: {fault}", tally.failed)),
            None if self.phones.busy() > 0 => Err("a job never ended".to_owned()),
            None => Ok(()),
        }
    }

    fn settle(&mut self) {
        while let Some(bytes) = self.to_switch.pop_front() {
            let flow = Flow::udp(SWITCH, PHONES);
            let input = match Message::parse(bytes.clone()) {
                Ok(message) => Input::Sip(Received { message, flow }),
                Err(error) => Input::Malformed { bytes, error, flow },
            };
            self.exchange.handle(self.clock(), input, &mut self.outputs);
            self.deliver();
        }
    }

    fn deliver(&mut self) {
        let to_switch = &mut self.to_switch;
        let mut send = |text: &[u8]| to_switch.push_back(Bytes::copy_from_slice(text));
        for output in self.outputs.drain(..) {
            if let Output::Transmit(transmit) = output {
                self.phones.receive(self.now_us, &transmit.bytes, &mut send);
            }
        }
    }

    fn clock(&self) -> Clock {
        let now = Now(Duration::from_micros(self.now_us));
        Clock { now, unix_ms: START_UNIX_MS + self.now_us / 1000 }
    }
}

/// A relay that only gives out ports.
#[derive(Debug, Default)]
struct Ports {
    next: u32,
    terminations: u32,
}

impl Ports {
    fn pair(&mut self) -> StreamPorts {
        self.next = (self.next + 1) % 10_000;
        let rtp = 10_000 + 2 * u16::try_from(self.next).unwrap_or_default();
        StreamPorts { rtp, rtcp: rtp + 1 }
    }
}

impl MediaPlane for Ports {
    fn add(&mut self, streams: usize) -> Result<Termination, MediaError> {
        self.terminations += 1;
        let streams = (0..streams).map(|_| self.pair()).collect();
        Ok(Termination { id: TerminationId::new(self.terminations, 0), streams })
    }

    fn add_stream(&mut self, _id: TerminationId) -> Result<StreamPorts, MediaError> {
        Ok(self.pair())
    }

    fn modify(&mut self, _id: TerminationId, _stream: usize, _spec: StreamSpec) {}

    fn connect(
        &mut self,
        _a: (TerminationId, usize),
        _b: (TerminationId, usize),
        _a_to_b: PayloadMap,
        _b_to_a: PayloadMap,
    ) {
    }

    fn disconnect(&mut self, _id: TerminationId, _stream: usize) {}

    fn new_conference(&mut self) -> Result<ConferenceId, MediaError> {
        Err(MediaError::TooManyConferences)
    }

    fn join(
        &mut self,
        _conference: ConferenceId,
        _id: TerminationId,
        _stream: usize,
        _codec: MemberCodec,
    ) -> Result<(), MediaError> {
        Err(MediaError::UnknownConference)
    }

    fn set_audience(&mut self, _id: TerminationId, _stream: usize, _audience: Audience) {}

    fn leave(&mut self, _id: TerminationId, _stream: usize) {}

    fn drop_conference(&mut self, _conference: ConferenceId) {}

    fn treat(&mut self, _id: TerminationId, _stream: usize, _treatment: Treatment) {}

    fn transcode(&mut self, _a: Speaker, _b: Speaker) -> Result<(), MediaError> {
        Err(MediaError::TooManyConferences)
    }

    fn perform(
        &mut self,
        _id: TerminationId,
        _stream: usize,
        _ticket: u64,
        _performance: Performance,
        _format: Format,
    ) -> bool {
        true
    }

    fn stop_performing(&mut self, _id: TerminationId, _stream: usize) {}

    fn watch(&mut self, _id: TerminationId, _stream: usize, _watch: Watch) {}

    fn keep_sound(&mut self, _name: SoundId, _sound: Option<Sound>) {}

    fn set_country(&mut self, _country: Country) {}

    fn subtract(&mut self, _id: TerminationId) -> TerminationStatistics {
        TerminationStatistics::default()
    }

    fn statistics(&self, _id: TerminationId) -> Option<TerminationStatistics> {
        Some(TerminationStatistics::default())
    }
}
