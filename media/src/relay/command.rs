//! What a worker is told, and what it shares with control.

use std::hash::RandomState;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use super::book::{News, Signs};
use super::gate::Gate;
use super::handful::Handful;
use super::handshake::Task;
use super::kernel::Kernel;
use super::load::Share;
use super::steer::Steered;
use super::sys::Waker;
use super::worker::{Bound, Clock};
use crate::context::{Audience, Key, Member, Mixer, Performer, Player};
use crate::control::Notify;
use crate::ear::Ear;
use crate::plan::{ForwardPlan, Inlet};
use crate::srtp::Opener;

/// Where accepted media goes.
#[derive(Default)]
pub(super) struct Destination {
    pub(super) sink: Option<Arc<Bound>>,
    pub(super) inlet: Option<Arc<Inlet>>,
}

/// What a worker is told.
pub(super) enum Command {
    /// A pair begins to serve.
    Open(Arc<Bound>, Box<ForwardPlan>),
    /// The plan changed, or what it is connected to.
    Set { bound: Arc<Bound>, plan: Box<ForwardPlan>, to: Destination, learns_anew: bool },
    /// What a stream's packets look like, before its next plan; where streams share ports.
    Look { bound: Arc<Bound>, signs: Box<Signs>, news: News },
    /// Another treatment, or none.
    Treat { bound: Arc<Bound>, player: Option<Box<Player>> },
    /// Something is played once, or no more.
    Perform { bound: Arc<Bound>, performer: Option<Box<Performer>> },
    /// What its peer's packets are checked and decrypted with.
    Secure { bound: Arc<Bound>, opener: Option<Box<Opener>> },
    /// What it takes besides media.
    Gate { bound: Arc<Bound>, gate: Option<Box<Gate>> },
    /// What is listened for.
    Watch { bound: Arc<Bound>, ear: Option<Box<Ear>> },
    /// A conference begins or, without a mixer, ends.
    Room(usize, Option<Box<Mixer<Arc<Bound>>>>),
    /// A member joins the conference in a room.
    Join(usize, Key, Box<Member<Arc<Bound>>>),
    /// Who hears a member.
    Audience(usize, Key, Audience),
    /// A member leaves it.
    Leave(usize, Key),
    /// A pair has served.
    Close(Arc<Bound>),
    /// The relay ends.
    Stop,
}

/// What control and worker share.
pub(super) struct Signal {
    pub(super) waker: Waker,
    /// True while a wake is under way, so that a burst of commands costs one.
    pub(super) is_awake: AtomicBool,
    /// Notices that found their queue full.
    pub(super) notices_lost: AtomicU64,
    /// Media packets that this worker forwarded.
    pub(super) forwarded: AtomicU64,
    /// Packets at shared ports from where nobody expects any.
    pub(super) strangers: AtomicU64,
    /// ... and from where more than one might be.
    pub(super) ambiguous: AtomicU64,
    /// How much of its time this worker was busy lately.
    pub(super) busy_percent: AtomicU64,
    /// ... and of that, had no processor.
    pub(super) starved_percent: AtomicU64,
    /// Whether packets would soon queue behind it.
    pub(super) is_full: AtomicBool,
}

impl Signal {
    /// Tells what the worker did with its time.
    pub(super) fn note(&self, share: &Share) {
        self.busy_percent.store(share.busy_percent, Ordering::Relaxed);
        self.starved_percent.store(share.starved_percent, Ordering::Relaxed);
        self.is_full.store(share.is_full, Ordering::Relaxed);
    }

    /// Whether packets would soon queue behind this worker.
    pub(super) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }
}

/// The way to a worker.
#[derive(Clone)]
pub(super) struct Mailbox {
    pub(super) commands: SyncSender<Command>,
    pub(super) signal: Arc<Signal>,
}

impl Mailbox {
    pub(super) fn tell(&self, command: Command) {
        // It fails only after the worker ended, which ends with the relay alone.
        if self.commands.send(command).is_ok() && !self.signal.is_awake.swap(true, Ordering::SeqCst)
        {
            self.signal.waker.wake();
        }
    }
}

/// What all workers have in common.
#[derive(Clone)]
pub(super) struct Means {
    pub(super) clock: Clock,
    pub(super) notices: SyncSender<Notify>,
    /// The way of handshakes.
    pub(super) door: SyncSender<Task>,
    pub(super) kernel: Option<Arc<Kernel>>,
    pub(super) steered: Option<Arc<Steered>>,
    /// Where streams share ports.
    pub(super) handful: Option<Arc<Handful>>,
    pub(super) timeout: Duration,
    /// How long what has ended rests.
    pub(super) quarantine: Duration,
    /// A worker that is busy for so many hundredths of its time takes no new calls.
    pub(super) busy_limit: u64,
    /// The mean time between two reports of our own to a party.
    pub(super) report_interval: Duration,
    /// What no peer can foresee is made of it.
    pub(super) secret: RandomState,
}
