//! The ways to peers: asked of the kernel by a thread of their own, remembered for the workers.
//!
//! A worker that asks for a way gets what is known and never waits. Ways in use are asked for again
//! every few seconds, so that another gateway or another network card is followed.

use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crate::netlink::{Link, Netlink, XdpFeatures};
use crate::program::Program;

/// Ways that are remembered at one time; peers beyond them stay in user space.
const HOPS_MAX: usize = 16_384;
/// Questions that may wait; a worker asks again with the next packet.
const QUESTIONS_MAX: usize = 1_024;
/// How often ways are asked for again.
const REFRESH: Duration = Duration::from_secs(5);

/// The way to a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hop {
    /// The interface.
    pub interface: u32,
    /// The next hop's MAC address.
    pub to_mac: [u8; 6],
    /// The interface's own.
    pub from_mac: [u8; 6],
    /// The address of ours that the peer knows us by.
    pub local: Ipv4Addr,
    /// True if the interface takes frames from XDP.
    pub is_xdp: bool,
    /// True if the interface is a veth whose other end is in another network namespace: tc can
    /// hand that end a packet directly.
    pub is_peer: bool,
    /// Where the program sees what comes from the peer.
    pub hooks: Hooks,
}

/// Where the program is attached at an interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Hooks {
    /// In the driver.
    pub xdp: bool,
    /// In the stack, before routing.
    pub tc: bool,
}

#[derive(Clone, Copy)]
struct Remembered {
    hop: Option<Hop>,
    /// Asked for since the last refresh.
    is_used: bool,
}

type Cache = Arc<Mutex<HashMap<Ipv4Addr, Remembered>>>;

/// The ways to peers.
pub(crate) struct Hops {
    cache: Cache,
    questions: Option<SyncSender<Ipv4Addr>>,
    thread: Option<JoinHandle<()>>,
    is_ended: Arc<AtomicBool>,
}

impl Hops {
    /// Starts the thread. `tick` is called at each refresh.
    pub(crate) fn start(
        address: Ipv4Addr,
        program: Arc<Mutex<Program>>,
        tick: impl FnMut() + Send + 'static,
    ) -> io::Result<Self> {
        let cache = Cache::default();
        let (questions, queue) = sync_channel(QUESTIONS_MAX);
        let is_ended = Arc::new(AtomicBool::new(false));
        let resolver = Resolver {
            netlink: Netlink::open()?,
            address: (!address.is_unspecified()).then_some(address),
            program,
            cache: Arc::clone(&cache),
            interfaces: HashMap::new(),
            is_ended: Arc::clone(&is_ended),
        };
        let name = "media-kernel".to_owned();
        let thread = Builder::new().name(name).spawn(move || resolver.run(&queue, tick))?;
        Ok(Self { cache, questions: Some(questions), thread: Some(thread), is_ended })
    }

    /// The way to a peer, as far as it is known; asks for it otherwise.
    pub(crate) fn get(&self, to: Ipv4Addr) -> Option<Hop> {
        let mut cache = lock(&self.cache);
        if let Some(remembered) = cache.get_mut(&to) {
            remembered.is_used = true;
            return remembered.hop;
        }
        let has_room = cache.len() < HOPS_MAX;
        if has_room && self.questions.as_ref().is_some_and(|ask| ask.try_send(to).is_ok()) {
            // Nobody asks twice meanwhile.
            cache.insert(to, Remembered { hop: None, is_used: true });
        }
        None
    }
}

impl Drop for Hops {
    fn drop(&mut self) {
        self.is_ended.store(true, Ordering::Relaxed);
        self.questions = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so on standard error already.
            let _ = thread.join();
        }
    }
}

struct Resolver {
    netlink: Netlink,
    /// The address that media comes to, unless it comes to all.
    address: Option<Ipv4Addr>,
    program: Arc<Mutex<Program>>,
    cache: Cache,
    /// What was found out about interfaces since the last refresh; `None`: not for us.
    interfaces: HashMap<u32, Option<Interface>>,
    is_ended: Arc<AtomicBool>,
}

#[derive(Clone)]
struct Interface {
    link: Link,
    features: Option<XdpFeatures>,
    hooks: Hooks,
}

/// What came of a question.
enum Answer {
    Known(Hop),
    /// There is none for us; the same as long as nothing changes.
    None,
    /// The neighbour has not answered yet.
    NotYet,
}

impl Resolver {
    #[expect(clippy::disallowed_methods, reason = "the rim: it has a rhythm of its own")]
    fn run(mut self, queue: &Receiver<Ipv4Addr>, mut tick: impl FnMut()) {
        let mut next = Instant::now() + REFRESH;
        loop {
            let wait = next.saturating_duration_since(Instant::now());
            match queue.recv_timeout(wait) {
                Ok(to) => self.answer(to),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if Instant::now() >= next {
                tick();
                self.refresh();
                next = Instant::now() + REFRESH;
            }
        }
    }

    fn answer(&mut self, to: Ipv4Addr) {
        let answer = self.resolve(to);
        let mut cache = lock(&self.cache);
        match answer {
            Answer::Known(hop) => {
                cache.insert(to, Remembered { hop: Some(hop), is_used: true });
            }
            Answer::None => {}
            // Forgotten, so that the next packet asks again.
            Answer::NotYet => {
                cache.remove(&to);
            }
        }
    }

    /// Asks again for what is in use, forgets what is not.
    fn refresh(&mut self) {
        self.interfaces.clear();
        let mut used = Vec::new();
        lock(&self.cache).retain(|to, remembered| {
            if remembered.is_used {
                used.push(*to);
            }
            std::mem::take(&mut remembered.is_used)
        });
        for to in used {
            if self.is_ended.load(Ordering::Relaxed) {
                return;
            }
            let answer = self.resolve(to);
            let mut cache = lock(&self.cache);
            let Some(remembered) = cache.get_mut(&to) else { continue };
            match answer {
                Answer::Known(hop) => remembered.hop = Some(hop),
                Answer::None => remembered.hop = None,
                // The neighbour is being asked; what was known is better than nothing.
                Answer::NotYet => {}
            }
        }
    }

    fn resolve(&mut self, to: Ipv4Addr) -> Answer {
        let Ok(Some(route)) = self.netlink.route(to, self.address) else { return Answer::None };
        let Some(interface) = self.interface(route.interface) else { return Answer::None };
        let Some(local) = self.address.or(route.local) else { return Answer::None };
        let neighbour = self.netlink.neighbour(route.interface, route.next).ok().flatten();
        // The stack sees nothing of what the program sends: it is told to look after the neighbour.
        if neighbour.is_none_or(|neighbour| !neighbour.is_static) {
            let _ = self.netlink.use_neighbour(route.interface, route.next);
        }
        let Some(neighbour) = neighbour else { return Answer::NotYet };
        // Before Linux 6.3 nobody tells; a veth loses what its peer does not fetch by NAPI.
        let is_target =
            interface.features.map_or(!interface.link.is_veth, |features| features.is_target);
        Answer::Known(Hop {
            interface: route.interface,
            to_mac: neighbour.mac,
            from_mac: interface.link.mac,
            local,
            is_xdp: interface.hooks.xdp && is_target,
            is_peer: interface.link.is_abroad,
            hooks: interface.hooks,
        })
    }

    /// Finds out about an interface and attaches the program.
    fn interface(&mut self, index: u32) -> Option<Interface> {
        if let Some(known) = self.interfaces.get(&index) {
            return known.clone();
        }
        let link = self.netlink.link(index).ok().flatten();
        let features = self.netlink.xdp_features(index);
        let interface = link.map(|link| {
            let is_native = features.is_none_or(|features| features.is_native);
            let hooks = locked(&self.program).attach(index, &link, is_native);
            Interface { link, features, hooks }
        });
        self.interfaces.insert(index, interface.clone());
        interface
    }
}

fn lock(cache: &Cache) -> MutexGuard<'_, HashMap<Ipv4Addr, Remembered>> {
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A lock that outlives the panic of another thread: what it guards is whole after every statement.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
