//! The kernel path as its users see it.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::hop::{Hooks, Hop, Hops, locked};
use crate::layout::{Flow, key, port_of};
#[cfg(feature = "xdp")]
use crate::pins::Remains;
#[cfg(not(feature = "xdp"))]
use crate::program::Remains;
use crate::program::{Flows, Loaded, Program};
use crate::record::{Records, Seed, Snapshot};
use crate::sys::monotonic_ns;
use crate::{FastPathError, Options};

/// Streams that may be on the kernel path at one time: one for each pair of ports there can be.
pub const FLOWS_MAX: u32 = 32_768;

/// What an administrator may want to know.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Status {
    /// Streams that are forwarded by the kernel.
    pub flows: usize,
    /// Streams of an earlier process that are forwarded until they fall silent.
    pub orphans: usize,
    /// Interfaces, where the program is attached there, and why not elsewhere.
    pub interfaces: Vec<(String, Hooks, Vec<String>)>,
    /// Why streams will not outlive the process.
    pub unpinned: Option<String>,
}

/// The kernel path. All methods can be called from any thread; none waits for packets.
pub struct FastPath {
    // First: its thread uses what follows.
    hops: Hops,
    shared: Arc<Shared>,
    program: Arc<Mutex<Program>>,
    options: Options,
    unpinned: Option<String>,
}

struct Shared {
    flows: Mutex<Table>,
    records: Records,
    ports: RangeInclusive<u16>,
    idle: Duration,
}

struct Table {
    flows: Flows,
    /// Keys of this process.
    ours: BTreeSet<u16>,
    /// Keys that an earlier process left.
    orphans: BTreeSet<u16>,
    /// What processes of another address or other ports left.
    remains: Vec<Remains>,
    /// This process has let the kernel forward something.
    has_served: bool,
}

impl FastPath {
    /// Loads the program. What an earlier process of the same address and ports left goes on.
    ///
    /// Errors: NotBuilt, Loopback, Refused (no such kernel, or no right), System.
    pub fn open(options: Options) -> Result<Self, FastPathError> {
        if options.address.is_loopback() {
            return Err(FastPathError::Loopback(options.address));
        }
        let places = (options.ports.end().saturating_sub(*options.ports.start())) / 2 + 1;
        let places = u32::from(places).min(FLOWS_MAX);
        let Loaded { program, flows, records, remains, unpinned } =
            Program::load(&options, places)?;
        let orphans = flows.keys().flatten().map(port_of).collect();
        let shared = Arc::new(Shared {
            flows: Mutex::new(Table {
                flows,
                ours: BTreeSet::new(),
                orphans,
                remains,
                has_served: false,
            }),
            records,
            ports: options.ports.clone(),
            idle: options.idle,
        });
        let program = Arc::new(Mutex::new(program));
        let expiring = Arc::clone(&shared);
        let retried = Arc::clone(&program);
        let tick = move || {
            if expiring.expire(monotonic_ns()) {
                locked(&retried).retry();
            }
        };
        let hops = Hops::start(options.address, Arc::clone(&program), tick)
            .map_err(|source| FastPathError::System { what: "asking for routes", source })?;
        Ok(Self { hops, shared, program, options, unpinned })
    }

    /// The way to a peer, if it is known and leads over an Ethernet interface. Asks for it
    /// otherwise; a later call finds the answer.
    #[must_use]
    pub fn hop(&self, to: Ipv4Addr) -> Option<Hop> {
        self.hops.get(to)
    }

    /// Lets the kernel forward what comes to `local`, or changes how it does.
    ///
    /// Errors: Full, Refused; user space goes on seeing the packets.
    pub fn install(
        &self,
        local: SocketAddrV4,
        flow: &Flow,
        seed: &Seed,
    ) -> Result<(), FastPathError> {
        let record = self.shared.record_of(local.port());
        if record.is_none_or(|record| record >= FLOWS_MAX) {
            return Err(FastPathError::Full);
        }
        let record = record.unwrap_or_default();
        let mut table = locked(&self.shared.flows);
        self.shared.records.seed(record, seed);
        let value = flow.encode(record, self.options.idle);
        table.flows.insert(key(local), value, 0).map_err(|error| FastPathError::Refused {
            what: "a stream",
            reason: error.to_string(),
        })?;
        table.orphans.remove(&local.port());
        table.ours.insert(local.port());
        table.has_served = true;
        Ok(())
    }

    /// Gives what comes to `local` back to user space.
    pub fn remove(&self, local: SocketAddrV4) {
        let mut table = locked(&self.shared.flows);
        table.ours.remove(&local.port());
        // It may have expired.
        let _ = table.flows.remove(&key(local));
    }

    /// What the kernel counted of a stream since it was installed.
    #[must_use]
    pub fn snapshot(&self, port: u16) -> Snapshot {
        let record = self.shared.record_of(port);
        record.map_or_else(Snapshot::default, |record| self.shared.records.read(record))
    }

    /// True for a port whose packets are still forwarded for a call of an earlier process.
    #[must_use]
    pub fn is_orphaned(&self, port: u16) -> bool {
        let table = locked(&self.shared.flows);
        table.orphans.contains(&port) || table.remains.iter().any(|remains| remains.has(port))
    }

    /// The state of things.
    #[must_use]
    pub fn status(&self) -> Status {
        let (flows, orphans) = {
            let table = locked(&self.shared.flows);
            let remains: usize = table.remains.iter().map(Remains::count).sum();
            (table.ours.len(), table.orphans.len() + remains)
        };
        let interfaces = locked(&self.program).interfaces();
        Status { flows, orphans, interfaces, unpinned: self.unpinned.clone() }
    }

    /// How often the program ran and for how long, by hook, while the kernel kept statistics of it
    /// (`sysctl kernel.bpf_stats_enabled=1`).
    #[must_use]
    pub fn run_times(&self) -> Vec<(&'static str, u64, Duration)> {
        locked(&self.program).run_times()
    }

    /// Takes the program out of the kernel and forgets its maps: an orderly end.
    ///
    /// Who never forwarded anything leaves the streams of an earlier process as they are: a start
    /// that fails, however late, does not end the calls that outlived a crash. Another living
    /// process of the same address and ports keeps what it has.
    pub fn close(&self) {
        let is_shared = locked(&self.program).is_shared();
        let mut table = locked(&self.shared.flows);
        let is_left = is_shared || !table.has_served && !table.orphans.is_empty();
        let keys: Vec<_> = table.flows.keys().flatten().collect();
        // The program is detached some time after its last reference went; the streams at once.
        for key in keys {
            if !is_left || table.ours.contains(&port_of(key)) {
                let _ = table.flows.remove(&key);
            }
        }
        table.ours.clear();
        if !is_left {
            table.orphans.clear();
        }
        drop(table);
        let mut program = locked(&self.program);
        if is_left { program.leave() } else { program.remove() }
    }
}

impl Shared {
    fn record_of(&self, port: u16) -> Option<u32> {
        let place = port.checked_sub(*self.ports.start())? / 2;
        self.ports.contains(&port).then_some(u32::from(place))
    }

    /// Forgets the streams of earlier processes that fell silent; true if one of another address or
    /// other ports has none any more.
    fn expire(&self, now_ns: u64) -> bool {
        let idle_ns = u64::try_from(self.idle.as_nanos()).unwrap_or(u64::MAX);
        let mut table = locked(&self.flows);
        let before = table.remains.len();
        table.remains.retain_mut(|remains| remains.tend(now_ns));
        let has_ended = table.remains.len() < before;
        if table.orphans.is_empty() {
            return has_ended;
        }
        let keys: Vec<_> = table.flows.keys().flatten().collect();
        for key in keys {
            let port = port_of(key);
            // Of what has no place here nobody knows when it was last heard.
            let Some(record) = self.record_of(port) else { continue };
            let last_ns = self.records.read(record).last_ns;
            if table.orphans.contains(&port) && now_ns.saturating_sub(last_ns) > idle_ns {
                let _ = table.flows.remove(&key);
                table.orphans.remove(&port);
            }
        }
        has_ended
    }
}
