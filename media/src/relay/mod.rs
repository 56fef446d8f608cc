//! The only I/O of the crate: port pairs, worker threads, and the control of both.
//!
//! Must not know contexts beyond their plans. Sockets are pinned to a worker; commands reach it by
//! a bounded queue and an eventfd; counters and addresses are read without asking it.

mod batch;
mod book;
mod certificate;
mod clock;
mod command;
mod gate;
mod handful;
mod handshake;
mod kernel;
mod lane;
mod load;
mod notice;
mod port;
mod ports;
mod raw;
mod recording;
mod report;
mod reporter;
mod room;
mod secure;
mod slots;
mod steer;
mod stock;
mod sys;
#[cfg(test)]
#[path = "../../tests/common/ports.rs"]
mod test_ports;
mod thread;
mod translate;
mod worker;

use std::collections::BTreeMap;
use std::hash::RandomState;
use std::os::unix::thread::JoinHandleExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use self::command::{Command, Destination, Means};
use self::handful::Known;
use self::handshake::{Handshakes, Task};
use self::kernel::{Kernel, Offload};
use self::port::{Choice, PortPair};
use self::ports::Ports;
pub use self::report::Watcher;
use self::steer::Steered;
use self::stock::random;
use self::sys::{raise_descriptor_limit, thread_cpu_time};
use self::thread::Thread;
pub use self::thread::{begin_threads_with, rest_threads_with};
use self::worker::{Bound, Clock};
use crate::context::{
    Audience, Board, Conferences, Key, MEMBERS_MAX, Member, Performer, Player, STREAMS_MAX, Seat,
    compile,
};
use crate::control::{
    ConferenceId, Country, Fingerprint, Format, MediaConfig, MediaError, MediaPlane, MemberCodec,
    Notify, PayloadMap, Performance, RelayReport, Sound, SoundId, Speaker, StreamPorts, StreamSpec,
    StreamStatistics, Termination, TerminationId, TerminationStatistics, Treatment, Watch,
    Whereabouts,
};
use crate::ear::Ear;
use crate::plan::{Inlet, Outlet};
use crate::recording::writer::Recorder;
use crate::recording::{Recording, Voices};

/// Notices that may wait for call control; more are lost and counted.
const NOTICES_MAX: usize = 8_192;
/// Recordings that are kept; more are not.
const SOUNDS_MAX: usize = 1_024;

/// The relay. Started once; [`RelayControl`] is its handle.
#[derive(Debug)]
pub struct Relay;

impl Relay {
    /// Binds the first ports and starts the workers.
    ///
    /// Errors: PortRange, Socket (the address is not ours, or descriptors are short), Worker.
    pub fn start(config: MediaConfig) -> Result<(RelayControl, Receiver<Notify>), MediaError> {
        raise_descriptor_limit();
        let clock = Clock::start();
        let (notices, receiver) = sync_channel(NOTICES_MAX);
        let count = config.workers.max(1);
        let mut ssrc = random();
        let (kernel, off) = match Kernel::open(&config, clock) {
            Ok(kernel) => (Some(Arc::new(kernel)), None),
            Err(reason) => (None, Some(reason)),
        };
        let (steered, steering_off) = match Steered::open(&config, count) {
            Ok(steered) => (Some(Arc::new(steered)), None),
            Err(reason) => (None, Some(reason)),
        };
        let (ports, handful) = Ports::open(&config, steered.as_ref(), count)?;
        let (door, tasks) = handshake::queue();
        let means = Means {
            clock,
            notices: notices.clone(),
            door: door.clone(),
            kernel: kernel.clone(),
            steered,
            handful,
            timeout: config.timeout,
            quarantine: config.quarantine,
            busy_limit: u64::from(config.busy_limit),
            report_interval: config.report_interval,
            secret: RandomState::new(),
        };
        let workers = (0..count)
            .map(|index| Thread::start(index, means.clone()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(MediaError::Worker)?;
        let mailboxes = workers.iter().map(|thread| thread.mailbox.clone()).collect();
        let handshakes = Handshakes::start((door, tasks), mailboxes, notices.clone())?;
        let control = RelayControl {
            config,
            clock,
            workers,
            kernel,
            off,
            handshakes,
            steering_off,
            ports,
            board: Board::default(),
            conferences: Conferences::default(),
            sounds: BTreeMap::new(),
            life: 0,
            ssrc: ssrc() & 0xffff_ffff,
            exhausted: 0,
            notices,
            recorder: None,
        };
        Ok((control, receiver))
    }
}

/// Call control's handle of the relay: carries out [`MediaPlane`] by commands to the workers.
///
/// No method waits for packets. Should a worker be thousands of commands behind, the caller waits
/// until it has taken one: commands are never lost. Dropping the handle stops the workers.
pub struct RelayControl {
    config: MediaConfig,
    clock: Clock,
    workers: Vec<Thread>,
    kernel: Option<Arc<Kernel>>,
    /// Why there is no kernel path.
    off: Option<String>,
    handshakes: Handshakes,
    /// Why each port has a socket of its own.
    steering_off: Option<String>,
    ports: Ports,
    board: Board<Carrier>,
    conferences: Conferences,
    sounds: BTreeMap<SoundId, Sound>,
    life: u32,
    ssrc: u64,
    exhausted: u64,
    notices: SyncSender<Notify>,
    recorder: Option<Recorder>,
}

/// What carries a stream: its sockets, and its way into the conference that it is a member of.
struct Carrier {
    bound: Arc<Bound>,
    inlet: Option<Arc<Inlet>>,
}

impl RelayControl {
    /// How this relay was set up.
    #[must_use]
    pub fn config(&self) -> &MediaConfig {
        &self.config
    }

    /// How many streams could still be added, ports at rest included.
    #[must_use]
    pub fn ports_free(&self) -> usize {
        self.ports.len()
    }

    /// How often an Add failed because no port was free.
    #[must_use]
    pub fn ports_exhausted(&self) -> u64 {
        self.exhausted
    }

    /// How many terminations there are.
    #[must_use]
    pub fn terminations(&self) -> usize {
        self.board.len()
    }

    /// Notices that were lost because nobody took them.
    #[must_use]
    pub fn notices_lost(&self) -> u64 {
        let lost = |thread: &Thread| thread.mailbox.signal.notices_lost.load(Ordering::Relaxed);
        self.workers.iter().map(lost).sum()
    }

    /// CPU time that all workers used so far.
    #[must_use]
    pub fn cpu_time(&self) -> Duration {
        let handles = self.workers.iter().filter_map(|thread| thread.handle.as_ref());
        handles.filter_map(|handle| thread_cpu_time(handle.as_pthread_t())).sum()
    }

    /// A handle that tells how packets are forwarded, from any thread.
    #[must_use]
    pub fn watcher(&self) -> Watcher {
        let signals =
            self.workers.iter().map(|thread| Arc::clone(&thread.mailbox.signal)).collect();
        let steering_off = self.steering_off.clone();
        let shared_ports = self.config.shared_ports.clone();
        Watcher::new(signals, self.kernel.clone(), self.off.clone(), steering_off, shared_ports)
    }

    /// A stream's counters, whoever counted.
    fn read(&self, bound: &Bound) -> StreamStatistics {
        match &self.kernel {
            Some(kernel) => kernel.statistics(bound),
            None => bound.outlet.statistics(),
        }
    }

    fn take_pair(
        &mut self,
        known: &Known,
        siblings: &[usize],
    ) -> Result<Arc<PortPair>, MediaError> {
        let is_free = |port| self.kernel.as_ref().is_none_or(|kernel| !kernel.is_orphaned(port));
        let is_full = |worker: usize| {
            self.workers.get(worker).is_some_and(|thread| thread.mailbox.signal.is_full())
        };
        let choice = Choice { now_us: self.clock.now_us(), is_free: &is_free, is_full: &is_full };
        let pair = self.ports.take(known, siblings, &choice);
        if matches!(pair, Err(MediaError::PortsExhausted)) {
            self.exhausted += 1;
        }
        pair
    }

    /// Gives a pair to a new stream and tells its worker.
    fn open(
        &mut self,
        id: TerminationId,
        pair: Arc<PortPair>,
        known: Known,
    ) -> Option<StreamPorts> {
        let index = self.board.streams(id)?.len();
        let ports = pair.ports;
        self.life = self.life.wrapping_add(1);
        let bound = Arc::new(Bound {
            outlet: Outlet::default(),
            offload: Offload::default(),
            pair,
            life: self.life,
            key: (id, index),
            is_found: AtomicBool::new(false),
        });
        self.ports.begin(&bound, known);
        let carrier = Carrier { bound: Arc::clone(&bound), inlet: None };
        let key = self.board.push(id, ports, carrier)?;
        let plan = Box::new(compile(self.board.stream(key)?));
        self.tell(&bound, Command::Open(Arc::clone(&bound), plan));
        self.look(key);
        Some(ports)
    }

    /// Compiles a stream's plan anew and hands it to its worker.
    fn refresh(&self, key: Key, learns_anew: bool) {
        let Some(stream) = self.board.stream(key) else { return };
        let sink = match stream.treatment {
            Treatment::Echo => Some(stream),
            _ => stream.link.as_ref().and_then(|link| self.board.stream(link.other)),
        };
        let to = Destination {
            sink: sink.map(|sink| Arc::clone(&sink.handle.bound)),
            inlet: stream.handle.inlet.clone(),
        };
        let bound = Arc::clone(&stream.handle.bound);
        let set = Command::Set { bound, plan: Box::new(compile(stream)), to, learns_anew };
        self.tell(&stream.handle.bound, set);
    }

    fn tell(&self, bound: &Bound, command: Command) {
        if let Some(thread) = self.workers.get(bound.pair.worker) {
            thread.tell(command);
        }
    }

    /// Tells the worker that mixes a conference; `command` is made from the conference's room.
    fn tell_mixer(&self, conference: ConferenceId, command: impl FnOnce(usize) -> Command) {
        let Ok(room) = usize::try_from(conference.index) else { return };
        if let Some(thread) = self.workers.get(room % self.workers.len().max(1)) {
            thread.tell(command(room));
        }
    }

    /// A name for packets made here: Weyl sequence from a random start, distinct and not
    /// foreseeable from outside.
    fn next_ssrc(&mut self) -> u32 {
        self.ssrc = self.ssrc.wrapping_add(0x9e37_79b9) & 0xffff_ffff;
        u32::try_from(self.ssrc).unwrap_or_default()
    }
}

impl MediaPlane for RelayControl {
    fn add(&mut self, streams: usize) -> Result<Termination, MediaError> {
        self.add_at(streams, &Whereabouts::default())
    }

    fn add_at(
        &mut self,
        streams: usize,
        whereabouts: &Whereabouts,
    ) -> Result<Termination, MediaError> {
        if streams > STREAMS_MAX {
            return Err(MediaError::TooManyStreams);
        }
        if self.workers.iter().all(|thread| thread.mailbox.signal.is_full()) {
            return Err(MediaError::Overloaded);
        }
        let mut pairs: Vec<(Arc<PortPair>, Known)> = Vec::with_capacity(streams);
        for stream in 0..streams {
            let known = Known::of(whereabouts, stream);
            let siblings: Vec<_> =
                pairs.iter().filter_map(|(pair, _)| pair.shared_pair()).collect();
            match self.take_pair(&known, &siblings) {
                Ok(pair) => pairs.push((pair, known)),
                Err(error) => {
                    pairs.into_iter().for_each(|(pair, _)| self.ports.give_back_unused(pair));
                    return Err(error);
                }
            }
        }
        let id = self.board.insert();
        let opened = pairs.into_iter().filter_map(|(pair, known)| self.open(id, pair, known));
        let streams = opened.collect();
        Ok(Termination { id, streams })
    }

    fn add_stream(&mut self, id: TerminationId) -> Result<StreamPorts, MediaError> {
        let streams = self.board.streams(id).ok_or(MediaError::UnknownTermination)?;
        if streams.len() >= STREAMS_MAX {
            return Err(MediaError::TooManyStreams);
        }
        let (known, siblings) =
            self.ports.family(streams.iter().map(|stream| &stream.handle.bound));
        let pair = self.take_pair(&known, &siblings)?;
        self.open(id, pair, known).ok_or(MediaError::UnknownTermination)
    }

    fn modify(&mut self, id: TerminationId, stream: usize, spec: StreamSpec) {
        let shares_ports = self.shares_ports();
        let Some(entry) = self.board.stream_mut((id, stream)) else { return };
        let has_new_peer = spec.peer != entry.spec.peer;
        // A source that tells streams apart is forgotten only for another address.
        let learns_anew = spec.sdp_changed && !shares_ports || has_new_peer;
        let former = std::mem::replace(&mut entry.spec, spec);
        let has_new_checks = entry.spec.ice != former.ice;
        // A lock that checks made is opened by other checks alone.
        let learns_anew = has_new_checks || learns_anew && entry.spec.ice.is_none();
        let has_new_keys = entry.spec.security != former.security;
        if has_new_checks || has_new_keys {
            self.set_gate((id, stream));
        }
        self.look((id, stream));
        self.secure((id, stream), &former.security);
        self.refresh((id, stream), learns_anew);
        if has_new_keys {
            self.shake_hands((id, stream), &former.security);
        }
    }

    fn fingerprint(&self) -> Option<Fingerprint> {
        Some(self.handshakes.fingerprint())
    }

    fn connect(
        &mut self,
        a: (TerminationId, usize),
        b: (TerminationId, usize),
        a_to_b: PayloadMap,
        b_to_a: PayloadMap,
    ) {
        self.stand_up(a);
        self.stand_up(b);
        let left = self.board.link(a, b, a_to_b, b_to_a);
        // Those who lost their party stop first, so that nobody hears two.
        left.into_iter().flatten().for_each(|key| self.refresh(key, false));
        self.refresh(a, false);
        self.refresh(b, false);
    }

    fn disconnect(&mut self, id: TerminationId, stream: usize) {
        self.end_translation((id, stream));
        if let Some(other) = self.board.unlink((id, stream)) {
            self.refresh(other, false);
            self.refresh((id, stream), false);
        }
    }

    fn new_conference(&mut self) -> Result<ConferenceId, MediaError> {
        let id = self.conferences.insert().ok_or(MediaError::TooManyConferences)?;
        self.tell_mixer(id, |room| Command::Room(room, Some(Box::default())));
        Ok(id)
    }

    fn join(
        &mut self,
        conference: ConferenceId,
        id: TerminationId,
        stream: usize,
        codec: MemberCodec,
    ) -> Result<(), MediaError> {
        let key = (id, stream);
        let members = self.conferences.members(conference).ok_or(MediaError::UnknownConference)?;
        let is_member = members.contains(&key);
        if members.len() >= MEMBERS_MAX && !is_member {
            return Err(MediaError::ConferenceFull);
        }
        let entry = self.board.stream(key).ok_or(MediaError::UnknownTermination)?;
        let seat = Seat { room: conference, speaks: vec![codec], hears: codec };
        if entry.seat.as_ref() == Some(&seat) {
            return Ok(());
        }
        self.stand_up(key);
        self.disconnect(id, stream);
        self.sit_down(key, seat)?;
        self.refresh(key, false);
        Ok(())
    }

    fn set_audience(&mut self, id: TerminationId, stream: usize, audience: Audience) {
        let key = (id, stream);
        let seat = self.board.stream(key).and_then(|entry| entry.seat.as_ref());
        if let Some(room) = seat.map(|seat| seat.room) {
            self.tell_mixer(room, |room| Command::Audience(room, key, audience));
        }
    }

    fn leave(&mut self, id: TerminationId, stream: usize) {
        if self.stand_up((id, stream)) {
            self.refresh((id, stream), false);
        }
    }

    fn drop_conference(&mut self, conference: ConferenceId) {
        let members = self.conferences.members(conference).unwrap_or_default().to_vec();
        members.into_iter().for_each(|(id, stream)| self.leave(id, stream));
        if self.conferences.remove(conference).is_some() {
            self.tell_mixer(conference, |room| Command::Room(room, None));
        }
    }

    fn treat(&mut self, id: TerminationId, stream: usize, treatment: Treatment) {
        let Some(entry) = self.board.stream_mut((id, stream)) else { return };
        if entry.treatment == treatment {
            return;
        }
        entry.treatment = treatment;
        let bound = Arc::clone(&entry.handle.bound);
        let ssrc = self.next_ssrc();
        let sound = match treatment {
            Treatment::Sound(name, _) => self.sounds.get(&name),
            _ => None,
        };
        let player = Player::new(treatment, self.config.country, sound, ssrc).map(Box::new);
        self.tell(&bound, Command::Treat { bound: Arc::clone(&bound), player });
        self.refresh((id, stream), false);
    }

    fn transcode(&mut self, a: Speaker, b: Speaker) -> Result<(), MediaError> {
        self.translate(a, b)
    }

    fn perform(
        &mut self,
        id: TerminationId,
        stream: usize,
        ticket: u64,
        performance: Performance,
        format: Format,
    ) -> bool {
        let Some(entry) = self.board.stream((id, stream)) else { return false };
        let bound = Arc::clone(&entry.handle.bound);
        let ssrc = self.next_ssrc();
        let country = self.config.country;
        let Some(performer) = Performer::new(performance, format, country, ticket, ssrc) else {
            return false;
        };
        let performer = Some(Box::new(performer));
        self.tell(&bound, Command::Perform { bound: Arc::clone(&bound), performer });
        true
    }

    fn stop_performing(&mut self, id: TerminationId, stream: usize) {
        let Some(entry) = self.board.stream((id, stream)) else { return };
        let bound = &entry.handle.bound;
        self.tell(bound, Command::Perform { bound: Arc::clone(bound), performer: None });
    }

    fn watch(&mut self, id: TerminationId, stream: usize, watch: Watch) {
        let Some(entry) = self.board.stream((id, stream)) else { return };
        let bound = &entry.handle.bound;
        let ear = Ear::new(&watch).map(Box::new);
        self.tell(bound, Command::Watch { bound: Arc::clone(bound), ear });
    }

    fn keep_sound(&mut self, name: SoundId, sound: Option<Sound>) {
        match sound {
            Some(sound) if self.sounds.len() < SOUNDS_MAX || self.sounds.contains_key(&name) => {
                self.sounds.insert(name, sound);
            }
            Some(_) => {}
            None => {
                self.sounds.remove(&name);
            }
        }
    }

    fn set_country(&mut self, country: Country) {
        self.config.country = country;
    }

    fn record(
        &mut self,
        id: TerminationId,
        stream: usize,
        recording: Recording,
    ) -> Result<(), MediaError> {
        self.begin_recording((id, stream), recording)
    }

    fn stop_recording(&mut self, id: TerminationId, stream: usize) {
        self.end_recording((id, stream));
    }

    fn set_voices(&mut self, id: TerminationId, stream: usize, voices: Voices) {
        let entry = self.board.stream((id, stream));
        if let Some(tap) = entry.and_then(|entry| entry.handle.bound.outlet.tap()) {
            tap.voices.store(Arc::new(voices));
        }
    }

    fn subtract(&mut self, id: TerminationId) -> TerminationStatistics {
        let count = self.board.streams(id).map_or(0, <[_]>::len);
        for index in 0..count {
            self.end_recording((id, index));
            self.disconnect(id, index);
            self.leave(id, index);
        }
        let streams = self.board.remove(id).unwrap_or_default();
        let now_us = self.clock.now_us();
        if let Some(kernel) = &self.kernel {
            streams.iter().for_each(|stream| kernel.finish(&stream.handle.bound));
        }
        let statistics = streams.iter().map(|stream| self.read(&stream.handle.bound)).collect();
        for stream in streams {
            let bound = stream.handle.bound;
            if stream.spec.security.is_by_handshake() {
                self.handshakes.tell(Task::End(bound.life));
            }
            self.tell(&bound, Command::Close(Arc::clone(&bound)));
            self.ports.close(&bound, now_us);
        }
        TerminationStatistics { streams: statistics }
    }

    fn statistics(&self, id: TerminationId) -> Option<TerminationStatistics> {
        let streams = self.board.streams(id)?;
        let streams = streams.iter().map(|stream| self.read(&stream.handle.bound)).collect();
        Some(TerminationStatistics { streams })
    }

    fn tidy(&mut self) -> bool {
        self.board.tidy();
        self.ports.tidy(self.clock.now_us())
    }

    fn report(&self) -> RelayReport {
        self.watcher().read()
    }
}
