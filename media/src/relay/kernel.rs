//! The kernel path: streams that need no more than rewriting are handed to it, and taken back when
//! anything about them changes.
//!
//! A stream is handed over by its own worker, after a packet showed that nothing stands against it,
//! and taken back by whoever changes something that its entry in the kernel was made of: its worker
//! (plan, peer, listener), the worker of the stream that it feeds (address, direction, treatment),
//! or control at the end. The next packet then comes to user space, and it may be handed over anew.
//!
//! Whoever changes a stream from another thread counts up its epoch and then takes back what feeds
//! it and, where that matters, the stream itself; whoever hands over names itself as feeder and then
//! looks whether both epochs, its own and that of the stream it feeds, still are what they were. One
//! of the two sees the other.
//!
//! LIMIT: IPv4 only.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use fastpath::{FastPath, Flow, Hop, Rewrite, Seed, Snapshot, Status, monotonic_ns};

use super::worker::{Bound, Clock};
use crate::control::{FastPathMode, MediaConfig};
use crate::plan::statistics::StreamStatistics;
use crate::plan::{Ends, ForwardPlan, Handover, Ingress, handover, last_of};
use crate::rtp::{Elsewhere, RtpTime, Ssrc};

/// After so many packets in a row that the kernel should have forwarded and did not, the stream is
/// taken back: its way has changed, or it has expired there.
const STRAYS_MAX: u8 = 8;
/// How long a stream that could not be handed over stays in user space at least.
const RETRY_US: u64 = 100_000;
/// ... and one that was taken back because the kernel did not forward it.
const STRAY_RETRY_US: u64 = 1_000_000;

/// The kernel path of a relay.
pub(super) struct Kernel {
    path: FastPath,
    /// The address that media comes to, unless it comes to all.
    address: Option<Ipv4Addr>,
    /// The monotonic clock when the relay's began.
    start_ns: u64,
    /// Packets that the kernel forwarded.
    forwarded: AtomicU64,
}

/// What a stream has with the kernel. Locked for moments only, and on the way of a packet only if
/// the stream is handed over and the packet came to user space all the same.
#[derive(Default)]
pub(super) struct Offload {
    state: Mutex<State>,
    /// There is something for the worker to look at.
    is_busy: AtomicBool,
    /// How far the worker has counted: its extended highest sequence number.
    heard: AtomicU32,
    /// Streams that the kernel sends out of this one.
    feeders: Mutex<Vec<Weak<Bound>>>,
    /// Counts changes of what entries are made of: the feeders' and its own.
    epoch: AtomicU32,
}

/// How often the two streams that an entry is made of had changed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Epochs {
    own: u32,
    fed: u32,
}

impl Epochs {
    fn of(own: &Offload, fed: &Offload) -> Self {
        let read = |offload: &Offload| offload.epoch.load(Ordering::SeqCst);
        Self { own: read(own), fed: read(fed) }
    }
}

#[derive(Default)]
struct State {
    installed: Option<Installed>,
    /// Counted by the kernel, not yet taken in by the worker.
    pending: Option<Pending>,
    is_closed: bool,
}

struct Installed {
    local: SocketAddrV4,
    flow: Flow,
    sink: Arc<Bound>,
    /// The name of the stream as a source.
    source: u32,
    seen: Snapshot,
}

#[derive(Clone, Copy, Default)]
struct Pending {
    counted: Elsewhere,
    clock_hz: u32,
    last_us: u64,
}

/// When a worker may hand over a stream, and whether the kernel does what it should.
#[derive(Default)]
pub(super) struct Attempts {
    strays: u8,
    next_us: u64,
}

/// A stream and its packet, as its worker sees them.
pub(super) struct Candidate<'a> {
    pub(super) bound: &'a Arc<Bound>,
    pub(super) sink: &'a Arc<Bound>,
    pub(super) plan: &'a ForwardPlan,
    pub(super) ingress: &'a Ingress,
    /// The payload type that came.
    pub(super) payload: u8,
    pub(super) now_us: u64,
}

impl Offload {
    /// Whether the kernel was told to forward such a packet; `None` where it has nothing of the
    /// stream.
    fn fits(&self, candidate: &Candidate<'_>) -> Option<bool> {
        if !self.is_busy.load(Ordering::Relaxed) {
            return None;
        }
        let state = lock(&self.state);
        let rtp = state.installed.as_ref()?.flow.rtp;
        Some(rtp.is_none_or(|rtp| {
            let mut known = rtp.payloads.iter().flatten();
            candidate.ingress.ssrc() == Some(rtp.ssrc)
                && known.any(|(received, _)| *received == candidate.payload)
        }))
    }
}

impl Kernel {
    /// Loads the program, or says why not.
    pub(super) fn open(config: &MediaConfig, clock: Clock) -> Result<Self, String> {
        let mode = match config.fast_path.mode {
            FastPathMode::Off => return Err("off in the configuration".to_owned()),
            FastPathMode::Auto => fastpath::Mode::Auto,
            FastPathMode::Xdp => fastpath::Mode::Xdp,
            FastPathMode::Tc => fastpath::Mode::Tc,
        };
        if config.shared_ports.is_some() {
            return Err("streams share ports (shared_ports)".to_owned());
        }
        let IpAddr::V4(address) = config.address else {
            return Err(format!("media comes to the IPv6 address {}", config.address));
        };
        let options = fastpath::Options {
            mode,
            pins: config.fast_path.pins.clone(),
            address,
            ports: config.ports.clone(),
            idle: config.timeout,
        };
        let path = FastPath::open(options).map_err(|error| error.to_string())?;
        let address = (!address.is_unspecified()).then_some(address);
        let start_ns = monotonic_ns().saturating_sub(clock.now_us().saturating_mul(1_000));
        Ok(Self { path, address, start_ns, forwarded: AtomicU64::new(0) })
    }

    pub(super) fn forwarded(&self) -> u64 {
        self.forwarded.load(Ordering::Relaxed)
    }

    pub(super) fn status(&self) -> Status {
        self.path.status()
    }

    pub(super) fn run_times(&self) -> Vec<(&'static str, u64, Duration)> {
        self.path.run_times()
    }

    /// True for a port on which the kernel still forwards for an earlier process.
    pub(super) fn is_orphaned(&self, port: u16) -> bool {
        self.path.is_orphaned(port)
    }

    /// Takes everything out of the kernel.
    pub(super) fn close(&self) {
        self.path.close();
    }

    /// Looks at a stream whose packet user space has just forwarded: hands it over, or takes it
    /// back if it should not have come here.
    pub(super) fn consider(&self, attempts: &mut Attempts, candidate: &Candidate<'_>) {
        let offload = &candidate.bound.offload;
        offload.heard.store(candidate.ingress.highest(), Ordering::Relaxed);
        match offload.fits(candidate) {
            Some(true) => {
                attempts.strays = attempts.strays.saturating_add(1);
                if attempts.strays >= STRAYS_MAX {
                    self.take_back(candidate.bound);
                    attempts.next_us = candidate.now_us + STRAY_RETRY_US;
                }
            }
            // Events pass by; another codec or another source needs another entry.
            Some(false) if candidate.plan.telephone_event != Some(candidate.payload) => {
                self.take_back(candidate.bound);
            }
            Some(false) => {}
            None if candidate.now_us >= attempts.next_us => {
                let is_handed_over = self.hand_over(candidate).is_some();
                attempts.strays = 0;
                attempts.next_us = if is_handed_over { 0 } else { candidate.now_us + RETRY_US };
            }
            None => {}
        }
    }

    fn hand_over(&self, candidate: &Candidate<'_>) -> Option<()> {
        let Candidate { bound, sink, plan, ingress, payload, .. } = *candidate;
        let epochs = Epochs::of(&bound.offload, &sink.offload);
        let ends = Ends { own: &bound.outlet, sink: Some(&sink.outlet) };
        let agreed = handover(plan, ingress, ends, payload)?;
        let (local, flow, seed) = self.entry(bound, sink, &agreed)?;
        #[cfg(test)]
        tests::hold(bound.key);
        let mut state = lock(&bound.offload.state);
        if state.is_closed {
            return None;
        }
        self.path.install(local, &flow, &seed).ok()?;
        let seen = Snapshot {
            last_ns: seed.now_ns,
            highest: seed.highest,
            last_time: seed.last_time,
            jitter: seed.jitter,
            ..Snapshot::default()
        };
        let sink = Arc::clone(sink);
        let fed = Arc::clone(&sink);
        state.installed = Some(Installed { local, flow, sink, source: plan.source, seen });
        bound.offload.is_busy.store(true, Ordering::SeqCst);
        drop(state);
        {
            let mut feeders = lock(&fed.offload.feeders);
            feeders.retain(|feeder| feeder.strong_count() > 0);
            if !feeders.iter().any(|feeder| feeder.as_ptr() == Arc::as_ptr(bound)) {
                feeders.push(Arc::downgrade(bound));
            }
        }
        if Epochs::of(&bound.offload, &fed.offload) != epochs {
            self.take_back(bound);
        }
        Some(())
    }

    /// The entry in the kernel, if the ways to both peers are known.
    fn entry(
        &self,
        bound: &Bound,
        sink: &Bound,
        agreed: &Handover,
    ) -> Option<(SocketAddrV4, Flow, Seed)> {
        let (SocketAddr::V4(peer), SocketAddr::V4(to)) = (agreed.peer, agreed.to) else {
            return None;
        };
        let (towards_peer, hop) = self.hops(*peer.ip(), *to.ip())?;
        let is_seen = towards_peer.hooks.tc || towards_peer.hooks.xdp && hop.is_xdp;
        if !is_seen {
            return None;
        }
        let ours = |hop: &Hop| self.address.unwrap_or(hop.local);
        let rtp = agreed.rtp.map(|rtp| Rewrite {
            ssrc: rtp.ssrc,
            sent_ssrc: rtp.sent_ssrc,
            sequence_delta: rtp.sequence_delta,
            time_delta: rtp.time_delta,
            clock_hz: rtp.clock_hz,
            payloads: rtp.payloads,
        });
        let flow =
            Flow { peer, from: SocketAddrV4::new(ours(&hop), sink.pair.ports.rtp), to, hop, rtp };
        let seed = Seed {
            now_ns: monotonic_ns(),
            highest: agreed.rtp.map_or(0, |rtp| rtp.highest),
            last_time: agreed.rtp.map_or(0, |rtp| rtp.last_time),
            jitter: agreed.rtp.map_or(0, |rtp| rtp.jitter),
        };
        let local = SocketAddrV4::new(ours(&towards_peer), bound.pair.ports.rtp);
        Some((local, flow, seed))
    }

    fn hops(&self, peer: Ipv4Addr, to: Ipv4Addr) -> Option<(Hop, Hop)> {
        // Both are asked for, whatever the first answer is.
        let (peer, to) = (self.path.hop(peer), self.path.hop(to));
        Some((peer?, to?))
    }

    /// Gives a stream back to user space.
    pub(super) fn take_back(&self, bound: &Bound) {
        let mut state = lock(&bound.offload.state);
        self.end(&mut state, bound);
    }

    fn end(&self, state: &mut State, bound: &Bound) {
        let Some(installed) = &state.installed else { return };
        self.path.remove(installed.local);
        self.fold(state, bound);
        state.installed = None;
    }

    /// Something about a stream has changed that those who send through it were told.
    pub(super) fn changed(&self, bound: &Bound) {
        bound.offload.epoch.fetch_add(1, Ordering::SeqCst);
        let feeders = std::mem::take(&mut *lock(&bound.offload.feeders));
        for feeder in feeders.iter().filter_map(Weak::upgrade) {
            let mut state = lock(&feeder.offload.state);
            let feeds = |installed: &Installed| std::ptr::eq(Arc::as_ptr(&installed.sink), bound);
            if state.installed.as_ref().is_some_and(feeds) {
                self.end(&mut state, &feeder);
            }
        }
    }

    /// The kernel may have nothing of a stream any more, in either direction. Whatever keeps it from
    /// being handed over again has been done before.
    pub(super) fn reclaim(&self, bound: &Bound) {
        // The epoch first: a worker that does not see it has installed its entry by now.
        self.changed(bound);
        self.take_back(bound);
    }

    /// The end of a stream: nothing is handed over any more, in either direction.
    pub(super) fn finish(&self, bound: &Bound) {
        let mut state = lock(&bound.offload.state);
        state.is_closed = true;
        self.end(&mut state, bound);
        drop(state);
        self.changed(bound);
    }

    /// Counts what the kernel has done since it was last asked.
    fn fold(&self, state: &mut State, bound: &Bound) {
        let Some(installed) = &mut state.installed else { return };
        let now = self.path.snapshot(installed.local.port());
        let before = std::mem::replace(&mut installed.seen, now);
        let packets = now.packets.saturating_sub(before.packets);
        if packets == 0 {
            return;
        }
        let bytes = now.bytes.saturating_sub(before.bytes);
        bound.outlet.received.count_kernel(packets, bytes);
        installed.sink.outlet.sent.count_kernel(packets, bytes);
        self.forwarded.fetch_add(packets, Ordering::Relaxed);
        let last_us = now.last_ns.saturating_sub(self.start_ns) / 1_000;
        let pending = state.pending.get_or_insert_default();
        pending.last_us = last_us;
        let Some(rtp) = installed.flow.rtp else { return };
        let repeated = u64::from(now.repeated.wrapping_sub(before.repeated));
        let late = u64::from(now.late.wrapping_sub(before.late));
        pending.clock_hz = rtp.clock_hz;
        let counted = &mut pending.counted;
        counted.received += packets.saturating_sub(repeated);
        counted.late += late + repeated;
        counted.highest = now.highest;
        counted.last_time = RtpTime(now.last_time);
        counted.jitter = now.jitter;
        let last = last_of(now.highest, now.last_time);
        installed.sink.outlet.note(installed.source, Ssrc(rtp.ssrc), last, last_us);
    }

    /// Lets a worker take in what the kernel counted of its stream. Cheap where there is nothing.
    pub(super) fn absorb(&self, bound: &Bound, ingress: &mut Ingress, attempts: &mut Attempts) {
        let offload = &bound.offload;
        if !offload.is_busy.load(Ordering::Relaxed) {
            return;
        }
        let mut state = lock(&offload.state);
        self.fold(&mut state, bound);
        if let Some(pending) = state.pending.take() {
            attempts.strays = 0;
            ingress.absorb(&bound.outlet, &pending.counted, pending.last_us);
            offload.heard.store(ingress.highest(), Ordering::Relaxed);
        }
        offload.is_busy.store(state.installed.is_some(), Ordering::SeqCst);
    }

    /// Takes a stream back whose way has changed.
    pub(super) fn follow(&self, bound: &Bound) {
        if !bound.offload.is_busy.load(Ordering::Relaxed) {
            return;
        }
        let mut state = lock(&bound.offload.state);
        let Some(installed) = &state.installed else { return };
        let flow = &installed.flow;
        let ways = self.hops(*flow.peer.ip(), *flow.to.ip());
        if ways.is_none_or(|(_, hop)| hop != flow.hop) {
            self.end(&mut state, bound);
        }
    }

    /// A stream's counters, those of the kernel up to this moment.
    pub(super) fn statistics(&self, bound: &Bound) -> StreamStatistics {
        let feeders: Vec<_> =
            lock(&bound.offload.feeders).iter().filter_map(Weak::upgrade).collect();
        for feeder in feeders.iter().filter(|feeder| !std::ptr::eq(Arc::as_ptr(feeder), bound)) {
            self.fold(&mut lock(&feeder.offload.state), feeder);
        }
        let mut state = lock(&bound.offload.state);
        self.fold(&mut state, bound);
        let mut statistics = bound.outlet.statistics();
        let Some(Pending { counted, clock_hz, .. }) = state.pending else { return statistics };
        let ahead = counted.highest.wrapping_sub(bound.offload.heard.load(Ordering::Relaxed));
        let ahead = u64::try_from(ahead.cast_signed()).unwrap_or_default();
        let received = &mut statistics.received;
        let lost = received.lost;
        received.lost = (lost + ahead).saturating_sub(counted.received);
        received.bursts += received.lost.saturating_sub(lost);
        received.late += counted.late;
        let jitter_ms = (counted.jitter >> 4).saturating_mul(1_000).checked_div(clock_hz);
        received.jitter_ms = jitter_ms.unwrap_or(received.jitter_ms);
        statistics
    }
}

/// A lock that outlives the panic of another thread: what it guards is whole after every statement.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
