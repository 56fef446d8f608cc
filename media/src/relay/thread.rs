//! The relay's threads: how each begins, and a worker's as control holds it.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, OnceLock};
use std::thread::{Builder, JoinHandle};

use super::RelayControl;
use super::command::{Command, Mailbox, Means, Signal};
use super::sys::Waker;
use super::worker::{COMMANDS_MAX, Worker};

static BEGINNING: OnceLock<fn()> = OnceLock::new();
static RESTING: OnceLock<fn()> = OnceLock::new();

/// Says what each thread does first that has to do with packets of others; it can be said once, before
/// [`Relay::start`]. The rim gives up rights there.
pub fn begin_threads_with(beginning: fn()) {
    let _ = BEGINNING.set(beginning);
}

/// Says what a worker does at a quiet time after many streams have ended; it can be said once, before
/// [`Relay::start`]. The rim, which knows the allocator, gives back there what the thread does not need.
pub fn rest_threads_with(resting: fn()) {
    let _ = RESTING.set(resting);
}

/// What a worker does at a quiet time after a load.
pub(super) fn rest_thread() {
    if let Some(resting) = RESTING.get() {
        resting();
    }
}

/// What a thread of the relay does first.
pub(super) fn begin_thread() {
    if let Some(beginning) = BEGINNING.get() {
        beginning();
    }
}

pub(super) struct Thread {
    pub(super) mailbox: Mailbox,
    pub(super) handle: Option<JoinHandle<()>>,
}

impl Thread {
    pub(super) fn start(index: usize, means: Means) -> std::io::Result<Self> {
        let (commands, queue) = sync_channel(COMMANDS_MAX);
        let signal = Arc::new(Signal {
            waker: Waker::new()?,
            is_awake: AtomicBool::new(false),
            notices_lost: AtomicU64::new(0),
            forwarded: AtomicU64::new(0),
            strangers: AtomicU64::new(0),
            ambiguous: AtomicU64::new(0),
            busy_percent: AtomicU64::new(0),
            starved_percent: AtomicU64::new(0),
            is_full: AtomicBool::new(false),
        });
        let worker = Worker::new(index, means, queue, Arc::clone(&signal))?;
        let name = format!("media-{index}");
        let handle = Builder::new().name(name).spawn(move || {
            begin_thread();
            worker.run();
        })?;
        Ok(Self { mailbox: Mailbox { commands, signal }, handle: Some(handle) })
    }

    pub(super) fn tell(&self, command: Command) {
        self.mailbox.tell(command);
    }
}

/// All threads end with the handle.
impl Drop for RelayControl {
    fn drop(&mut self) {
        for thread in &self.workers {
            thread.tell(Command::Stop);
        }
        for thread in &mut self.workers {
            if let Some(handle) = thread.handle.take() {
                // A worker that panicked has said so on standard error already.
                let _ = handle.join();
            }
        }
        if let Some(kernel) = &self.kernel {
            kernel.close();
        }
    }
}
