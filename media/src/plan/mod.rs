//! What to do with a packet of a stream: flat, immutable data, and the function that obeys it.
//!
//! Must not know why. Hops 4 and 5 of a packet's path: check, latch the source, count, rewrite.
//! No lock, no allocation, no system call, no clock.
//!
//! A peer is sent media at its SDP's address before anything came from there, so that early media,
//! announcements and phones that only listen work: where the host is that of its signalling, which has
//! proved itself, or is named by a trunk. Another host gets so little until something comes that nobody is
//! flooded by being named (SEC-86, [`Outlet::may_send`]).
//!
//! LIMIT: no keep-alives of RFC 6263. A peer behind NAT that is sent nothing for minutes may have to
//! send first; [`Treatment::Silence`](crate::Treatment::Silence) keeps its binding open.

mod address;
mod handover;
mod inlet;
pub mod latch;
mod outlet;
mod report;
pub mod statistics;

use std::net::SocketAddr;
use std::time::Duration;

pub use handover::{Handover, RtpHandover, handover, last_of};
pub use inlet::Inlet;
pub use latch::{Judgement, Latch, LatchRules};
pub use outlet::{Mapping, Outlet, Speech, Stamp};
pub use report::Told;
pub use statistics::{DirectionCounters, DropReason};

use crate::ear::Ear;
use crate::rtcp;
use crate::rtp::{
    COMFORT_NOISE, DigitDetector, Header, KeyEvent, PACKET_MAX, PayloadSet, Reception, Seq, Ssrc,
    header::payload,
};
use crate::srtp::{Opener, SrtpError};

/// Marks a payload type that the other side cannot be sent.
pub const BLOCKED: u8 = 0xff;
/// Voice that is later than an event by the first of so many parts of a second says that it is over.
/// Packets of an event come each 50 ms at least (RFC 4733 §2.5.1.2).
const KEY_GAPS_A_SECOND: u32 = 10;
/// An event of which nothing comes for so long is over, whatever else comes.
const KEY_SILENCE_US: u64 = 1_000_000;
/// Payload types there are.
pub const PAYLOADS: usize = 128;

/// Which socket of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Component {
    /// The even port.
    Media,
    /// The odd port.
    Control,
}

/// A stream's handling, compiled from what signalling agreed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ForwardPlan {
    /// Names this stream as a source; never 0, never used again.
    pub source: u32,
    /// False: any datagram, relayed as it is.
    pub is_rtp: bool,
    /// What the peer sends is protected; nothing else is taken.
    pub is_secure: bool,
    /// RTCP may come to the media port.
    pub is_muxed: bool,
    /// The peer may send to us.
    pub is_receiving: bool,
    /// We may send to the peer.
    pub is_sending: bool,
    /// The address that signalling named has to prove itself by a packet.
    pub is_unproven: bool,
    /// Silence of the peer is worth a notice.
    pub is_watched: bool,
    /// Payload types the peer may send; empty means any.
    pub accept: PayloadSet,
    /// The payload type of telephone-events whose digits are reported.
    pub telephone_event: Option<u8>,
    /// The payload types that go into the room of the mixer in which the party sits.
    pub mixed: PayloadSet,
    /// Received payload type → sent one, or [`BLOCKED`].
    pub payloads: [u8; PAYLOADS],
    /// Clock rates by received payload type.
    pub clocks_hz: [u32; PAYLOADS],
    /// Whom to believe.
    pub rules: LatchRules,
}

impl ForwardPlan {
    fn sent_payload(&self, received: u8) -> Option<u8> {
        let sent = self.payloads.get(usize::from(received)).copied()?;
        (sent != BLOCKED).then_some(sent)
    }

    fn clock_hz(&self, payload: u8) -> u32 {
        self.clocks_hz.get(usize::from(payload)).copied().unwrap_or_default()
    }

    fn accepts(&self, payload: u8) -> bool {
        self.accept.is_empty() || self.accept.contains(payload) || payload == COMFORT_NOISE
    }
}

/// What a stream remembers of its peer's packets; owned by one worker.
#[derive(Debug, Default)]
pub struct Ingress {
    media: Latch,
    control: Latch,
    reception: Reception,
    digits: DigitDetector,
    came: Option<report::Came>,
    /// When the last packet of an event came, and the clock of its ticks.
    event: (u64, u32),
    /// Checks and decrypts what the peer of a secure stream sends; none until there are keys.
    pub opener: Option<Box<Opener>>,
    /// Listens to the peer's voice.
    pub ear: Option<Box<Ear>>,
    /// When the last accepted packet came.
    pub last_us: u64,
}

impl Ingress {
    /// The lock of a socket.
    pub fn latch(&mut self, component: Component) -> &mut Latch {
        match component {
            Component::Media => &mut self.media,
            Component::Control => &mut self.control,
        }
    }

    /// The key that went down, and of which nothing has come for long: how long it was pressed.
    pub fn overdue_key(&mut self, now_us: u64) -> Option<(char, Duration)> {
        let (heard_us, clock_hz) = self.event;
        if !self.digits.is_waiting() || now_us.saturating_sub(heard_us) < KEY_SILENCE_US {
            return None;
        }
        self.digits.give_up().map(|(key, ticks)| (key, lasting(ticks, clock_hz)))
    }

    /// Lets the peer's addresses be learnt anew; `has_moved`: signalling has named another one.
    pub fn reopen(&mut self, has_moved: bool, now_us: u64) {
        for latch in [&mut self.media, &mut self.control] {
            if has_moved {
                latch.leave(now_us);
            } else {
                latch.reopen();
            }
        }
    }
}

/// The two ends of a packet's way.
#[derive(Clone, Copy, Debug)]
pub struct Ends<'a> {
    /// The stream that the packet came to.
    pub own: &'a Outlet,
    /// The stream that it goes out of, if any is connected.
    pub sink: Option<&'a Outlet>,
}

/// A packet that came.
#[derive(Debug)]
pub struct Arrival<'a> {
    /// Its octets; rewritten in place.
    pub packet: &'a mut [u8],
    /// Its source.
    pub from: SocketAddr,
    /// The socket it came to.
    pub component: Component,
    /// When.
    pub now_us: u64,
}

/// What becomes of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Goes out of the connected stream.
    Send {
        /// To this address.
        to: SocketAddr,
        /// From this socket.
        component: Component,
        /// With so many of its octets.
        length: usize,
        /// True for RTCP.
        is_rtcp: bool,
    },
    /// Goes into the conference: a payload with this number.
    Mix(Seq),
    /// Accepted, but nobody hears it.
    Keep,
    /// Not the peer's, or not for the other side; counted.
    Drop(DropReason),
}

/// What a packet revealed. One packet may be the first from another address and a key as well.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Learnt {
    /// The peer's media address, where it is new.
    pub latched: Option<SocketAddr>,
    /// A key came up and how long it was pressed, without an end packet; told before what was heard.
    pub overdue: Option<(char, Duration)>,
    /// What was heard.
    pub finding: Option<Finding>,
}

/// What a packet let be heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finding {
    /// A key went down.
    Key(char),
    /// A key came up, and how long it was pressed.
    Digit(char, Duration),
    /// Both at once: only the end of an event came.
    WholeKey(char, Duration),
}

/// The result of [`run`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// What to do.
    pub verdict: Verdict,
    /// What to tell.
    pub learnt: Learnt,
    /// How many octets of the packet that came are what the peer meant: fewer than came where they
    /// were protected.
    pub length: usize,
}

/// Obeys the plan for one packet: checks it, learns from it, counts it, rewrites it.
pub fn run(
    plan: &ForwardPlan,
    ingress: &mut Ingress,
    ends: Ends<'_>,
    arrival: Arrival<'_>,
) -> Outcome {
    let mut learnt = Learnt::default();
    let mut length = arrival.packet.len();
    let opened = admit(plan, ingress, &arrival).and_then(|()| {
        length = open(plan, ingress, &mut *arrival.packet, arrival.component)?;
        let packet = arrival.packet.get_mut(..length).unwrap_or_default();
        let is_copied = ends.own.is_tapped() && plan.is_rtp && !rtcp::is_rtcp(packet);
        let original = if is_copied { Header::read(packet) } else { None };
        let (from, now_us) = (arrival.from, arrival.now_us);
        let next = Arrival { packet: &mut *packet, ..arrival };
        let verdict = step(plan, ingress, ends, next, &mut learnt)?;
        let is_heard =
            matches!(verdict, Verdict::Mix(_) | Verdict::Send { component: Component::Media, .. });
        if let Some(header) = original.filter(|_| is_heard) {
            ends.own.copy_received(&header, packet, from, now_us);
        }
        Ok(verdict)
    });
    let verdict = opened.unwrap_or_else(|reason| {
        ends.own.received.count_drop(reason);
        Verdict::Drop(reason)
    });
    Outcome { verdict, learnt, length }
}

/// What can be said of a packet before it is read.
fn admit(plan: &ForwardPlan, ingress: &Ingress, arrival: &Arrival<'_>) -> Result<(), DropReason> {
    let latch = match arrival.component {
        Component::Media => &ingress.media,
        Component::Control => &ingress.control,
    };
    if latch.is_foreign(arrival.from, arrival.now_us) {
        return Err(DropReason::Source);
    }
    if arrival.packet.is_empty() || arrival.packet.len() > PACKET_MAX {
        return Err(DropReason::Malformed);
    }
    if plan.is_secure && ingress.opener.is_none() {
        return Err(DropReason::Authentication);
    }
    Ok(())
}

/// Checks and decrypts a packet of a secure stream before anything else is learnt from it (SEC-85);
/// returns its length.
fn open(
    plan: &ForwardPlan,
    ingress: &mut Ingress,
    packet: &mut [u8],
    component: Component,
) -> Result<usize, DropReason> {
    let Some(opener) = ingress.opener.as_deref_mut().filter(|_| plan.is_secure) else {
        return Ok(packet.len());
    };
    let opened = if component == Component::Control || rtcp::is_rtcp(packet) {
        opener.open_rtcp(packet)
    } else {
        opener.open_rtp(packet)
    };
    opened.map_err(|error| match error {
        SrtpError::Malformed => DropReason::Malformed,
        _ => DropReason::Authentication,
    })
}

fn step(
    plan: &ForwardPlan,
    ingress: &mut Ingress,
    ends: Ends<'_>,
    arrival: Arrival<'_>,
    learnt: &mut Learnt,
) -> Result<Verdict, DropReason> {
    match arrival.component {
        Component::Control if plan.is_rtp => on_rtcp(plan, ingress, ends, arrival),
        Component::Control => Err(DropReason::Malformed),
        Component::Media if !plan.is_rtp => on_datagram(plan, ingress, ends, &arrival, learnt),
        Component::Media if rtcp::is_rtcp(arrival.packet) => {
            if plan.is_muxed {
                on_rtcp(plan, ingress, ends, arrival)
            } else {
                Err(DropReason::Malformed)
            }
        }
        Component::Media => on_rtp(plan, ingress, ends, arrival, learnt),
    }
}

fn on_rtp(
    plan: &ForwardPlan,
    ingress: &mut Ingress,
    ends: Ends<'_>,
    arrival: Arrival<'_>,
    learnt: &mut Learnt,
) -> Result<Verdict, DropReason> {
    let header = Header::read(arrival.packet).ok_or(DropReason::Malformed)?;
    if !plan.accepts(header.payload) {
        return Err(DropReason::Payload);
    }
    let stream = Some((header.ssrc, header.sequence));
    learn_media(plan, ingress, ends.own, &arrival, stream, learnt)?;
    if !plan.is_receiving {
        return Err(DropReason::Direction);
    }
    let clock_hz = plan.clock_hz(header.payload);
    count(ingress, ends.own, &header, &arrival, clock_hz);
    hear_keys(plan, ingress, &header, &arrival, learnt);
    if let Some(ear) = &mut ingress.ear {
        ear.hear(&header, payload(arrival.packet).unwrap_or_default(), arrival.now_us);
    }
    if plan.mixed.contains(header.payload) {
        return Ok(Verdict::Mix(header.sequence));
    }
    let Some(sink) = ends.sink else { return Ok(Verdict::Keep) };
    if !sink.is_listening() {
        return Ok(held_back(sink, DropReason::Direction));
    }
    let Some(sent_payload) = plan.sent_payload(header.payload) else {
        return Ok(held_back(sink, DropReason::Payload));
    };
    let Some(to) = sink.media_remote().filter(|_| sink.may_send(arrival.now_us)) else {
        return Ok(held_back(sink, DropReason::Undeliverable));
    };
    let source = plan.source;
    let stamp = Stamp { source, payload: sent_payload, clock_hz, now_us: arrival.now_us, lead: 0 };
    sink.stamp(arrival.packet, &header, stamp);
    let length = arrival.packet.len();
    Ok(Verdict::Send { to, component: Component::Media, length, is_rtcp: false })
}

/// Finds the keys that go down and come up.
fn hear_keys(
    plan: &ForwardPlan,
    ingress: &mut Ingress,
    header: &Header,
    arrival: &Arrival<'_>,
    learnt: &mut Learnt,
) {
    let Some(event) = plan.telephone_event else { return };
    let clock_hz = plan.clock_hz(header.payload);
    if event != header.payload {
        if ingress.digits.is_waiting() && clock_hz == ingress.event.1 {
            let overdue = ingress.digits.on_voice(header, clock_hz / KEY_GAPS_A_SECOND);
            learnt.overdue = overdue.map(|(key, ticks)| (key, lasting(ticks, clock_hz)));
        }
        return;
    }
    if let Some(ear) = &mut ingress.ear {
        ear.prefer_events();
    }
    let news = ingress.digits.on_packet(header, payload(arrival.packet).unwrap_or_default());
    learnt.overdue = news.overdue.map(|(key, ticks)| (key, lasting(ticks, ingress.event.1)));
    ingress.event = (arrival.now_us, clock_hz);
    learnt.finding = news.event.map(|event| match event {
        KeyEvent::Began(key) => Finding::Key(key),
        KeyEvent::Ended(key, ticks) => Finding::Digit(key, lasting(ticks, clock_hz)),
        KeyEvent::Whole(key, ticks) => Finding::WholeKey(key, lasting(ticks, clock_hz)),
    });
}

fn lasting(ticks: u32, clock_hz: u32) -> Duration {
    Duration::from_micros(u64::from(ticks) * 1_000_000 / u64::from(clock_hz.max(1)))
}

/// UDPTL and the like: nothing is known about the octets.
fn on_datagram(
    plan: &ForwardPlan,
    ingress: &mut Ingress,
    ends: Ends<'_>,
    arrival: &Arrival<'_>,
    learnt: &mut Learnt,
) -> Result<Verdict, DropReason> {
    learn_media(plan, ingress, ends.own, arrival, None, learnt)?;
    if !plan.is_receiving {
        return Err(DropReason::Direction);
    }
    let length = arrival.packet.len();
    ends.own.received.count(length);
    ingress.last_us = arrival.now_us;
    let Some(sink) = ends.sink else { return Ok(Verdict::Keep) };
    if !sink.is_listening() {
        return Ok(held_back(sink, DropReason::Direction));
    }
    let Some(to) = sink.media_remote().filter(|_| sink.may_send(arrival.now_us)) else {
        return Ok(held_back(sink, DropReason::Undeliverable));
    };
    Ok(Verdict::Send { to, component: Component::Media, length, is_rtcp: false })
}

/// RTCP flows in both directions whatever the direction attribute says (RFC 3264 §5.1).
fn on_rtcp(
    plan: &ForwardPlan,
    ingress: &mut Ingress,
    ends: Ends<'_>,
    arrival: Arrival<'_>,
) -> Result<Verdict, DropReason> {
    if !rtcp::is_well_formed(arrival.packet) {
        return Err(DropReason::Malformed);
    }
    learn_control(plan, ingress, ends.own, &arrival)?;
    ends.own.received.count_rtcp();
    for block in rtcp::read_blocks(arrival.packet) {
        ends.own.on_report(&block, arrival.now_us);
    }
    let came = rtcp::read_sender_report(arrival.packet);
    if let Some(rtcp::SenderReport { ssrc, ntp_middle }) = came {
        ingress.came = Some(report::Came { ssrc, ntp_middle, at_us: arrival.now_us });
    }
    if !plan.mixed.is_empty() {
        // Whoever hears its party hears a mix, of which our own reports tell.
        return Ok(Verdict::Keep);
    }
    // Reports about one's own voice would look like a loop (RFC 3550 §8.2).
    let is_other = |sink: &&Outlet| !std::ptr::eq(*sink, ends.own);
    let Some(sink) = ends.sink.filter(is_other) else { return Ok(Verdict::Keep) };
    let sender = sink.sender_map(plan.source);
    if sender.is_none() && !sink.is_fresh() {
        // The other side hears somebody else at the moment; this is about no stream it knows.
        return Ok(Verdict::Keep);
    }
    let component = if sink.is_muxed() { Component::Media } else { Component::Control };
    let remote = if sink.is_muxed() { sink.media_remote() } else { sink.control_remote() };
    let Some(to) = remote.filter(|_| sink.may_send(arrival.now_us)) else {
        return Ok(held_back(sink, DropReason::Undeliverable));
    };
    if let Some(report) = came {
        sink.on_sender_report(report.ntp_middle, arrival.now_us);
    }
    let report = ends.own.report_map();
    let length = rtcp::translate(arrival.packet, sender, report);
    if length == 0 {
        return Ok(Verdict::Keep);
    }
    Ok(Verdict::Send { to, component, length, is_rtcp: true })
}

fn learn_media(
    plan: &ForwardPlan,
    ingress: &mut Ingress,
    own: &Outlet,
    arrival: &Arrival<'_>,
    stream: Option<(Ssrc, Seq)>,
    learnt: &mut Learnt,
) -> Result<(), DropReason> {
    let rules = &plan.rules;
    match ingress.media.judge(rules, rules.remote, arrival.from, stream, arrival.now_us) {
        Judgement::Foreign => return Err(DropReason::Source),
        Judgement::Known => {}
        Judgement::Latched => {
            own.set_media(Some(arrival.from));
            if own.is_unproven() && rules.remote.is_none_or(|told| told.ip() != arrival.from.ip()) {
                // Nor does anybody vouch for where the description wants RTCP to go.
                own.set_control(Some(next_port(arrival.from)));
            }
            own.set_proven();
            // A peer whose media moved has moved its RTCP as well.
            ingress.control.reopen();
            learnt.latched = Some(arrival.from);
        }
    }
    Ok(())
}

fn learn_control(
    plan: &ForwardPlan,
    ingress: &mut Ingress,
    own: &Outlet,
    arrival: &Arrival<'_>,
) -> Result<(), DropReason> {
    let rules = &plan.rules;
    if arrival.component == Component::Media {
        // Multiplexed: the media's lock is the only one, and RTCP alone does not open it.
        let is_peer = own.media_remote() == Some(arrival.from);
        return if is_peer { Ok(()) } else { Err(DropReason::Source) };
    }
    let exact = rules.remote_rtcp.or_else(|| rules.remote.map(next_port));
    match ingress.control.judge(rules, exact, arrival.from, None, arrival.now_us) {
        Judgement::Foreign => return Err(DropReason::Source),
        Judgement::Known => {}
        Judgement::Latched => own.set_control(Some(arrival.from)),
    }
    Ok(())
}

/// The port after media's: where RTCP goes when nothing else was said (RFC 3550 §11).
#[must_use]
pub fn next_port(media: SocketAddr) -> SocketAddr {
    SocketAddr::new(media.ip(), media.port().saturating_add(1))
}

fn count(
    ingress: &mut Ingress,
    own: &Outlet,
    header: &Header,
    arrival: &Arrival<'_>,
    clock_hz: u32,
) {
    ingress.last_us = arrival.now_us;
    ingress.reception.on_packet(header, arrival.now_us, clock_hz);
    own.received.count(arrival.packet.len());
    own.received.report(ingress.reception.lost(), u64::from(ingress.reception.jitter_ms()));
    own.received.set_late(ingress.reception.late());
    own.received.set_bursts(ingress.reception.bursts());
}

fn held_back(sink: &Outlet, reason: DropReason) -> Verdict {
    sink.sent.count_drop(reason);
    Verdict::Drop(reason)
}

#[cfg(test)]
mod tests;
