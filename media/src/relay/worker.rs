//! One thread of the relay: its sockets, their plans, and the loop that obeys them.
//!
//! Hops 1, 2 and 7 of a packet's path. The clock is read once for each pass.

mod intake;
mod sweep;

use std::collections::VecDeque;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};

use super::batch::{BATCH_MAX, Batch, Leaving, Payer};
use super::book::{Book, News, Signs};
pub(super) use super::clock::Clock;
use super::command::{Command, Destination, Means, Signal};
use super::gate::{Entered, enter};
use super::handshake::Task;
use super::kernel::{Attempts, Candidate, Kernel, Offload};
use super::lane::{Lane, play, reply, seal, settle};
use super::load::Load;
use super::notice::{SHARED, STEERED, WAKE, notify, pack, shared_line, tell, tell_heard};
use super::port::PortPair;
use super::reporter::{Reporter, Reports};
use super::room::Rooms;
use super::steer::Places;
use super::sys::{Poller, own_cpu_us};
use crate::context::Key;
use crate::control::Notify;
use crate::dsp::tone::SineTable;
use crate::plan::{
    Arrival, Component, DropReason, Ends, ForwardPlan, Ingress, Learnt, Outlet, Verdict, next_port,
    run,
};
use crate::rtp::header::payload;

/// Commands that may wait for a worker.
pub(super) const COMMANDS_MAX: usize = 8_192;
/// Packets taken from one socket before the next one has its turn.
const BURST_MAX: usize = 4;
/// Batches taken from a shared socket before commands have their turn.
const BATCHES_MAX: usize = 8;
/// The rhythm of treatments.
const FRAME_US: u64 = 20_000;
/// A worker that was kept from its treatments for longer starts the rhythm anew.
const BEHIND_MAX_US: u64 = 5 * FRAME_US;

/// One life of a port pair: the sockets, and the state that other threads may touch.
pub(super) struct Bound {
    pub(super) outlet: Outlet,
    pub(super) offload: Offload,
    pub(super) pair: Arc<PortPair>,
    /// Told apart from earlier lives of the same sockets.
    pub(super) life: u32,
    pub(super) key: Key,
    /// Where its peer's media comes from is known: so far as streams share ports.
    pub(super) is_found: AtomicBool,
}

impl Bound {
    /// Whether it is known where its peer's media comes from.
    pub(super) fn is_found(&self) -> bool {
        self.is_found.load(Ordering::Relaxed)
    }
}

pub(super) struct Worker {
    clock: Clock,
    commands: Receiver<Command>,
    notices: SyncSender<Notify>,
    signal: Arc<Signal>,
    /// The way of handshakes.
    door: SyncSender<Task>,
    poller: Poller,
    kernel: Option<Arc<Kernel>>,
    /// Where ports lead to one socket.
    places: Option<Places>,
    /// Where streams share ports.
    book: Option<Book>,
    reporter: Reporter,
    timeout_us: u64,
    lanes: Vec<Option<Lane>>,
    /// Slots of lanes with a player.
    treated: Vec<usize>,
    /// Sockets that may hold more than was taken from them; the poller tells of new packets only.
    unread: VecDeque<u64>,
    rooms: Rooms,
    sines: SineTable,
    next_frame_us: u64,
    next_sweep_us: u64,
    busy_limit: u64,
    /// Streams that have ended since the worker last gave something back.
    ended: usize,
}

impl Worker {
    pub(super) fn new(
        index: usize,
        means: Means,
        commands: Receiver<Command>,
        signal: Arc<Signal>,
    ) -> std::io::Result<Self> {
        let poller = Poller::new()?;
        poller.add(signal.waker.as_raw_fd(), WAKE)?;
        let places = means.steered.map(|steered| Places::new(steered, index));
        if let Some(places) = &places {
            poller.add(places.shared(), STEERED)?;
        }
        let rest_us = u64::try_from(means.quarantine.as_micros()).unwrap_or(u64::MAX);
        let book = means.handful.map(|handful| Book::new(&handful, index, rest_us));
        for (event, fd) in book.iter().flat_map(Book::sockets).enumerate() {
            poller.add(fd, SHARED - event as u64)?;
        }
        Ok(Self {
            clock: means.clock,
            commands,
            notices: means.notices,
            signal,
            door: means.door,
            poller,
            kernel: means.kernel,
            places,
            book,
            reporter: Reporter::new(means.clock, means.report_interval, means.secret),
            timeout_us: u64::try_from(means.timeout.as_micros()).unwrap_or(u64::MAX),
            lanes: Vec::new(),
            treated: Vec::new(),
            unread: VecDeque::new(),
            rooms: Rooms::new(),
            sines: SineTable::new(),
            next_frame_us: 0,
            next_sweep_us: 0,
            busy_limit: means.busy_limit,
            ended: 0,
        })
    }

    /// Runs until told to stop.
    pub(super) fn run(mut self) {
        let mut batch = Batch::new(self.places.as_ref().map(Places::raw));
        let mut arrivals = Vec::with_capacity(BATCH_MAX);
        let mut now_us = self.clock.now_us();
        let mut load = Load::since(now_us, own_cpu_us(), self.busy_limit);
        loop {
            let (done_us, has_more) = (self.clock.now_us(), !self.unread.is_empty());
            let count = self.poller.wait(self.patience_ms(now_us));
            now_us = self.clock.now_us();
            // A look at the others while there is work is no wait.
            let began_us = if has_more { now_us } else { done_us };
            if let Some(share) = load.note(began_us, now_us, own_cpu_us) {
                self.signal.note(&share);
            }
            // Commands first: what was ordered before a packet was sent counts for that packet.
            let has_commands = (0..count).any(|index| self.poller.event(index) == Some(WAKE));
            if has_commands && !self.obey(now_us) {
                return self.end();
            }
            let unread = self.unread.len();
            for index in 0..unread + count {
                let event = match index.checked_sub(unread) {
                    None => self.next_unread(),
                    Some(index) => self.poller.event(index).filter(|event| *event != WAKE),
                };
                match event.map(|event| (event, shared_line(event))) {
                    Some((STEERED, _)) => {
                        self.receive_steered(&mut batch, &mut arrivals, now_us);
                    }
                    Some((_, Some(line))) => {
                        self.receive_shared(line, &mut batch, &mut arrivals, now_us);
                    }
                    Some((event, None)) => self.receive(event, &mut batch, &mut arrivals),
                    None => {}
                }
                if arrivals.len() + BURST_MAX > BATCH_MAX {
                    self.forward(&mut batch, &mut arrivals, now_us);
                }
            }
            self.forward(&mut batch, &mut arrivals, now_us);
            if self.has_frames() && now_us >= self.next_frame_us {
                self.play(&mut batch, now_us);
            }
            if now_us >= self.next_sweep_us {
                self.sweep(now_us);
                self.report(&mut batch, now_us);
                batch.sweep(now_us);
            }
        }
    }

    /// Nothing stays with the kernel.
    fn end(&self) {
        if let Some(kernel) = &self.kernel {
            self.lanes.iter().flatten().for_each(|lane| kernel.finish(&lane.bound));
        }
    }

    /// How long to wait for packets, rounded up so that the loop never spins.
    fn patience_ms(&self, now_us: u64) -> i32 {
        if !self.unread.is_empty() {
            return 0;
        }
        let frame_us = if self.has_frames() { self.next_frame_us } else { u64::MAX };
        let wait_us = frame_us.min(self.next_sweep_us).saturating_sub(now_us);
        i32::try_from(wait_us.div_ceil(1_000)).unwrap_or(1_000)
    }

    /// Whether anybody hears what is made here.
    fn has_frames(&self) -> bool {
        !self.treated.is_empty() || !self.rooms.is_empty()
    }

    /// Runs the plans of all packets of a batch, then sends what they say.
    fn forward(&mut self, batch: &mut Batch, arrivals: &mut Vec<(usize, Component)>, now_us: u64) {
        for (at, (slot, component)) in arrivals.iter().enumerate() {
            let Some(lane) = self.lanes.get_mut(*slot).and_then(Option::as_mut) else { continue };
            let Some((packet, from)) = batch.packet(at) else { continue };
            let kernel = self.kernel.as_deref();
            if let Some(gate) = lane.gate.as_deref() {
                let arrival = Arrival { packet, from, component: *component, now_us };
                let lane_state = (&*lane.plan, &mut lane.ingress);
                match enter(gate, &lane.bound, lane_state, &arrival, &self.door) {
                    Entered::Media => {}
                    Entered::Taken => continue,
                    Entered::Answer { answer, length, has_moved } => {
                        settle(&mut self.book, (&lane.bound, &mut lane.ingress), *component, from);
                        if let Some(kernel) = kernel.filter(|_| has_moved) {
                            kernel.take_back(&lane.bound);
                            kernel.changed(&lane.bound);
                        }
                        let place = (at, *slot);
                        reply(batch, &lane.bound, place, (*component, from), (&answer, length));
                        continue;
                    }
                }
            }
            let Some((packet, from)) = batch.packet(at) else { continue };
            if let Some(kernel) = kernel {
                kernel.absorb(&lane.bound, &mut lane.ingress, &mut lane.attempts);
            }
            let payload_type = packet.get(1).map_or(0, |octet| octet & 0x7f);
            let sink = lane.sink.as_ref();
            let ends = Ends { own: &lane.bound.outlet, sink: sink.map(|sink| &sink.outlet) };
            let arrival = Arrival { packet, from, component: *component, now_us };
            let outcome = run(&lane.plan, &mut lane.ingress, ends, arrival);
            settle(&mut self.book, (&lane.bound, &mut lane.ingress), *component, from);
            if outcome.learnt != Learnt::default() {
                if let Some(kernel) = kernel.filter(|_| outcome.learnt.latched.is_some()) {
                    kernel.take_back(&lane.bound);
                    kernel.changed(&lane.bound);
                }
                let keys = lane.ingress.ear.as_ref().is_some_and(|ear| ear.hears_keys());
                tell(&self.notices, &self.signal, lane.bound.key, outcome.learnt, keys);
            }
            tell_heard(&self.notices, &self.signal, lane.bound.key, &mut lane.ingress.ear);
            if let (Verdict::Mix(sequence), Some(inlet)) = (outcome.verdict, &lane.inlet) {
                // A full ring: the mixer's worker is behind, and this is too old already.
                let heard = batch.packet(at).and_then(|(packet, _)| packet.get(..outcome.length));
                let is_taken = |heard| inlet.push(sequence, payload_type, heard);
                if !heard.and_then(payload).is_none_or(is_taken) {
                    lane.bound.outlet.received.count_drop(DropReason::Undeliverable);
                }
            }
            let (Verdict::Send { to, component, length, is_rtcp }, Some(sink)) =
                (outcome.verdict, sink)
            else {
                continue;
            };
            if !lane.plan.mixed.is_empty() && !is_rtcp {
                sink.outlet.hear_event(now_us);
            }
            if let Some(kernel) = kernel.filter(|_| !is_rtcp) {
                let candidate = Candidate {
                    bound: &lane.bound,
                    sink,
                    plan: &lane.plan,
                    ingress: &lane.ingress,
                    payload: payload_type,
                    now_us,
                };
                kernel.consider(&mut lane.attempts, &candidate);
            }
            let copied_us = (!is_rtcp).then_some(now_us);
            let Some(length) = seal(sink, batch, at, length, copied_us) else { continue };
            let way = sink.pair.way(component);
            let payer = Payer::Sink;
            let what = Leaving { way, buffer: at, slot: *slot, payer, is_rtcp, length };
            if !batch.leave(to, sink.pair.is_v6, what) {
                sink.outlet.sent.count_drop(DropReason::Undeliverable);
            }
        }
        arrivals.clear();
        self.send(batch);
    }

    fn send(&self, batch: &mut Batch) {
        let lane = |slot: usize| self.lanes.get(slot).and_then(Option::as_ref);
        let mut forwarded = 0;
        batch.send(|what, is_sent| {
            forwarded += u64::from(is_sent && !what.is_rtcp && what.payer == Payer::Sink);
            let bound = match what.payer {
                Payer::Sink => lane(what.slot).and_then(|lane| lane.sink.as_ref()),
                Payer::Own => lane(what.slot).map(|lane| &lane.bound),
                Payer::Member => self.rooms.payer(what.slot),
                Payer::Nobody => None,
            };
            let Some(bound) = bound else { return };
            match (is_sent, what.is_rtcp) {
                (true, true) => bound.outlet.sent.count_rtcp(),
                (true, false) => bound.outlet.sent.count(what.length),
                (false, _) => bound.outlet.sent.count_drop(DropReason::Undeliverable),
            }
        });
        // This thread alone writes it.
        let before = self.signal.forwarded.load(Ordering::Relaxed);
        self.signal.forwarded.store(before + forwarded, Ordering::Relaxed);
    }

    /// Carries out all commands; false when told to stop.
    fn obey(&mut self, now_us: u64) -> bool {
        self.signal.waker.clear();
        self.signal.is_awake.store(false, Ordering::SeqCst);
        for _ in 0..COMMANDS_MAX {
            match self.commands.try_recv() {
                Ok(Command::Open(bound, plan)) => self.open(bound, plan, now_us),
                Ok(Command::Set { bound, plan, to, learns_anew }) => {
                    self.set(&bound, plan, to, learns_anew, now_us);
                }
                Ok(Command::Room(room, mixer)) => {
                    if !self.has_frames() {
                        self.next_frame_us = now_us;
                    }
                    self.rooms.set(room, mixer);
                }
                Ok(Command::Join(room, key, member)) => self.rooms.join(room, key, member),
                Ok(Command::Audience(room, key, audience)) => {
                    self.rooms.set_audience(room, key, audience);
                }
                Ok(Command::Leave(room, key)) => self.rooms.leave(room, key),
                Ok(Command::Treat { bound, player }) => {
                    self.treat(&bound, now_us, |lane| lane.player = player);
                }
                Ok(Command::Perform { bound, performer }) => {
                    self.treat(&bound, now_us, |lane| lane.performer = performer);
                }
                Ok(Command::Secure { bound, opener }) => {
                    if let Some(lane) = self.lane(&bound) {
                        lane.ingress.opener = opener;
                    }
                }
                Ok(Command::Gate { bound, gate }) => {
                    if let Some(lane) = self.lane(&bound) {
                        lane.gate = gate;
                    }
                }
                Ok(Command::Watch { bound, ear }) => {
                    if let Some(kernel) = self.kernel.as_deref().filter(|_| ear.is_some()) {
                        kernel.take_back(&bound);
                    }
                    if let Some(lane) = self.lane(&bound) {
                        let former = std::mem::replace(&mut lane.ingress.ear, ear);
                        if let (Some(ear), Some(former)) = (&mut lane.ingress.ear, former) {
                            ear.follow(*former);
                        }
                    }
                }
                Ok(Command::Look { bound, signs, news }) => {
                    if let Some(lane) = self.lane(&bound) {
                        lane.signs = *signs;
                    }
                    self.look(&bound, news, now_us);
                }
                Ok(Command::Close(bound)) => self.close(&bound, now_us),
                Ok(Command::Stop) | Err(TryRecvError::Disconnected) => return false,
                Err(TryRecvError::Empty) => return true,
            }
        }
        // More came than fits in the queue at once: packets first, the rest in the next pass.
        self.signal.waker.wake();
        true
    }

    fn open(&mut self, bound: Arc<Bound>, plan: Box<ForwardPlan>, now_us: u64) {
        let slot = bound.pair.slot;
        while self.lanes.len() <= slot {
            self.lanes.push(None);
        }
        for component in [Component::Media, Component::Control] {
            if let Some(places) = &mut self.places {
                places.set(bound.pair.port(component), Some((slot, component)));
            }
            let Some(fd) = bound.pair.fd(component) else { continue };
            // It fails only for want of kernel memory; the stream is deaf then, and its call ends
            // by the timeout.
            let _ = self.poller.add_edge(fd, pack(slot, component, bound.life));
        }
        // Nothing is allocated on the way of a packet.
        self.unread.reserve(2 * self.lanes.len());
        let lane = Lane {
            bound,
            plan,
            sink: None,
            inlet: None,
            ingress: Ingress::default(),
            gate: None,
            player: None,
            performer: None,
            watched_us: now_us,
            is_reported: false,
            attempts: Attempts::default(),
            reports: Reports::default(),
            is_unread: [false; 2],
            signs: Signs::default(),
        };
        if let Some(place) = self.lanes.get_mut(slot) {
            *place = Some(lane);
        }
    }

    fn set(
        &mut self,
        bound: &Arc<Bound>,
        plan: Box<ForwardPlan>,
        to: Destination,
        learns_anew: bool,
        now_us: u64,
    ) {
        let kernel = self.kernel.clone();
        let Some(lane) = self.lane(bound) else { return };
        if let Some(kernel) = &kernel {
            kernel.take_back(bound);
            kernel.absorb(bound, &mut lane.ingress, &mut lane.attempts);
            lane.attempts = Attempts::default();
        }
        let outlet = &lane.bound.outlet;
        let (old, new) = (&lane.plan.rules, &plan.rules);
        // The address that a hold by c=0.0.0.0 hides is still the peer's: RTCP goes on.
        let has_moved = new.remote.is_some() && new.remote != old.remote;
        let control = new.remote_rtcp.or_else(|| new.remote.map(next_port));
        if has_moved {
            // Before somebody else sends there.
            if plan.is_unproven {
                outlet.set_unproven()
            } else {
                outlet.set_proven()
            }
            outlet.set_remote(new.remote, control);
        } else if new.remote_rtcp != old.remote_rtcp && new.remote_rtcp.is_some() {
            outlet.set_control(control);
        }
        let is_anew = has_moved || learns_anew;
        if is_anew {
            lane.ingress.reopen(has_moved && old.remote.is_some(), now_us);
        }
        outlet.set_direction(plan.is_sending, plan.is_muxed);
        if plan.is_watched && !lane.plan.is_watched || is_anew {
            lane.watched_us = now_us;
            lane.is_reported = false;
        }
        lane.plan = plan;
        lane.sink = to.sink;
        lane.inlet = to.inlet;
        self.look(bound, if is_anew { News::Elsewhere } else { News::None }, now_us);
        if let Some(kernel) = &kernel {
            kernel.changed(bound);
        }
    }

    /// Changes what is played to a lane.
    fn treat(&mut self, bound: &Arc<Bound>, now_us: u64, change: impl FnOnce(&mut Lane)) {
        let slot = bound.pair.slot;
        let had_frames = self.has_frames();
        let kernel = self.kernel.clone();
        let Some(lane) = self.lane(bound) else { return };
        let was_treated = lane.is_treated();
        change(lane);
        let is_treated = lane.is_treated();
        lane.bound.outlet.set_treated(is_treated);
        if let Some(kernel) = kernel.filter(|_| is_treated != was_treated) {
            kernel.changed(bound);
        }
        if is_treated && !was_treated {
            if !had_frames {
                self.next_frame_us = now_us;
            }
            self.treated.push(slot);
        } else if was_treated && !is_treated {
            self.treated.retain(|treated| *treated != slot);
        }
    }

    fn close(&mut self, bound: &Arc<Bound>, now_us: u64) {
        let Some(lane) = self.lane(bound) else { return };
        let ssrc = lane.ingress.ssrc();
        if let Some(book) = &mut self.book {
            book.close(bound.pair.slot, ssrc, now_us);
        }
        if let Some(kernel) = &self.kernel {
            kernel.finish(bound);
        }
        let slot = bound.pair.slot;
        for component in [Component::Media, Component::Control] {
            if let Some(places) = &mut self.places {
                places.set(bound.pair.port(component), None);
            }
            if let Some(fd) = bound.pair.fd(component) {
                let _ = self.poller.remove(fd);
            }
        }
        self.treated.retain(|treated| *treated != slot);
        if let Some(place) = self.lanes.get_mut(slot) {
            *place = None;
        }
        self.ended += 1;
    }

    /// Sends 20 ms of every treatment and every conference.
    fn play(&mut self, batch: &mut Batch, now_us: u64) {
        let mut treated = std::mem::take(&mut self.treated);
        for slot in &treated {
            if batch.leaving_len() == BATCH_MAX {
                self.send(batch);
            }
            let Some(lane) = self.lanes.get_mut(*slot).and_then(Option::as_mut) else { continue };
            let over = play(lane, *slot, batch, &self.sines, now_us);
            if let Some(ticket) = over {
                let (id, stream) = lane.bound.key;
                let notice = Notify::Performed { id, stream, ticket };
                notify(&self.notices, &self.signal, notice);
            }
        }
        self.send(batch);
        std::mem::swap(&mut self.treated, &mut treated);
        let lanes = &self.lanes;
        let is_treated =
            |slot: &usize| lanes.get(*slot).and_then(Option::as_ref).is_some_and(Lane::is_treated);
        self.treated.retain(is_treated);
        let mut begun = self.rooms.listen();
        while begun {
            begun = self.rooms.speak(batch, now_us);
            self.send(batch);
        }
        self.next_frame_us += FRAME_US;
        if now_us > self.next_frame_us + BEHIND_MAX_US {
            self.next_frame_us = now_us + FRAME_US;
        }
    }

    /// The lane of this life of the pair, if it has not ended.
    fn lane(&mut self, bound: &Bound) -> Option<&mut Lane> {
        let lane = self.lanes.get_mut(bound.pair.slot)?.as_mut()?;
        (lane.bound.life == bound.life).then_some(lane)
    }
}
