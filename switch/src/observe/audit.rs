//! The audit trail in a file of its own (`[api] audit_file`): one line for each thing that was changed or
//! tried, appended by a thread of its own, so that a disk which is slow or full keeps nobody waiting.
//!
//! ```text
//! 2026-01-31T12:00:00.000Z AUDIT token="admin" src=192.0.2.7 method=POST path="/api/v1/bans" status=201
//! ```

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::security::escape;
use super::{Family, Sample};
use crate::server::clock;

/// Lines that may wait for the disk; more are lost and counted.
const MAX_WAITING: usize = 4_096;
/// A file that could not be opened or written is tried again so often at most.
const RETRY: Duration = Duration::from_secs(1);
/// Its owner and group may read it.
const MODE: u32 = 0o640;

enum Order {
    /// Write this line.
    Write(String),
    /// Look whether another file is wanted.
    Look,
}

/// Who did what to which thing.
#[derive(Clone, Copy, Debug)]
pub struct Deed<'a> {
    /// The token's name.
    pub token: &'a str,
    /// The address it came from.
    pub source: &'a str,
    /// The HTTP method, or the TAPI function.
    pub method: &'a str,
    /// Path and status, over HTTP.
    pub outcome: Option<(&'a str, u16)>,
}

#[derive(Default)]
struct State {
    written: AtomicU64,
    lost: AtomicU64,
    /// Lines that were handed over and are neither written nor lost.
    waiting: Mutex<u64>,
    /// None waits.
    idle: Condvar,
    trouble: Mutex<Option<String>>,
    path: Mutex<Option<PathBuf>>,
    /// Raised whenever the file is to be opened anew.
    opening: AtomicU64,
}

/// The way to the file. Dropping the last one ends its thread.
pub struct AuditFile {
    orders: SyncSender<Order>,
    state: Arc<State>,
}

impl AuditFile {
    /// Starts the thread that writes to this file, if any.
    ///
    /// Errors: the system refuses a thread.
    pub fn start(path: Option<PathBuf>) -> io::Result<Self> {
        let (orders, received) = sync_channel(MAX_WAITING);
        let state = Arc::new(State::default());
        let writer = Writer {
            file: None,
            opened: 0,
            retry_at: None,
            is_torn: false,
            state: Arc::clone(&state),
        };
        std::thread::Builder::new()
            .name("strowger-audit".to_owned())
            .spawn(move || writer.run(&received))?;
        let audit = Self { orders, state };
        audit.reopen(path);
        Ok(audit)
    }

    /// Goes on in this file, which is opened anew: a rotated one is left alone. `None`: in none.
    pub fn reopen(&self, path: Option<PathBuf>) {
        *self.state.path.lock().unwrap_or_else(PoisonError::into_inner) = path;
        self.state.opening.fetch_add(1, Ordering::Release);
        // Where the queue is full, whoever writes next looks.
        let _ = self.orders.try_send(Order::Look);
    }

    /// Writes down a deed; never waits.
    pub fn note(&self, deed: Deed<'_>) {
        let line = line(clock::wall_ms(), deed);
        // Held until it is counted, which is before the thread has done with it.
        let mut waiting = self.state.waiting();
        match self.orders.try_send(Order::Write(line)) {
            Ok(()) => *waiting += 1,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.state.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Waits until what was noted is written, but not longer than this, for the program ends: what a disk that
    /// hangs has not taken by then is lost.
    pub fn flush(&self, patience: Duration) {
        let is_waiting = |waiting: &mut u64| *waiting > 0;
        let idle = &self.state.idle;
        let waited = idle.wait_timeout_while(self.state.waiting(), patience, is_waiting);
        let left = std::mem::take(&mut *waited.unwrap_or_else(PoisonError::into_inner).0);
        if left > 0 {
            self.state.lost.fetch_add(left, Ordering::Relaxed);
            tracing::error!(
                lines = left,
                "the audit file lacks its last lines: its disk is too slow"
            );
        }
    }

    /// What is wrong now, as a sentence.
    pub fn trouble(&self) -> Option<String> {
        self.state.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// For `/metrics`.
    pub fn samples(&self) -> Vec<Sample> {
        let audit = Family("audit");
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        vec![
            audit.counter("lines", "Lines written to the audit file.", value(&self.state.written)),
            audit.counter(
                "lines_lost",
                "Lines that the audit file lacks: its disk was full or too slow.",
                value(&self.state.lost),
            ),
        ]
    }
}

impl State {
    fn waiting(&self) -> MutexGuard<'_, u64> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line waits no more.
    fn done(&self) {
        let mut waiting = self.waiting();
        *waiting = waiting.saturating_sub(1);
        if *waiting == 0 {
            self.idle.notify_all();
        }
    }
}

struct Writer {
    file: Option<File>,
    /// Which opening the file is of.
    opened: u64,
    retry_at: Option<Instant>,
    /// The last line may be there in part.
    is_torn: bool,
    state: Arc<State>,
}

impl Writer {
    fn run(mut self, orders: &Receiver<Order>) {
        while let Ok(order) = orders.recv() {
            let opening = self.state.opening.load(Ordering::Acquire);
            if opening != self.opened {
                (self.file, self.opened, self.retry_at, self.is_torn) =
                    (None, opening, None, false);
                let opened = self.open();
                self.settle(opened);
            }
            let Order::Write(line) = order else { continue };
            self.put(&line);
            self.state.done();
        }
    }

    fn put(&mut self, line: &str) {
        if self.path().is_none() {
            return;
        }
        let written = self.write(line);
        let counter = if written.is_ok() { &self.state.written } else { &self.state.lost };
        counter.fetch_add(1, Ordering::Relaxed);
        self.settle(written);
    }

    fn path(&self) -> Option<PathBuf> {
        self.state.path.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sees that the file is open, unless it was tried in vain a moment ago.
    #[expect(clippy::disallowed_methods, reason = "the rim: a thread that waits for a disk")]
    fn open(&mut self) -> io::Result<()> {
        let (Some(path), None) = (self.path(), &self.file) else { return Ok(()) };
        let now = Instant::now();
        if self.retry_at.is_some_and(|at| now < at) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.retry_at = Some(now + RETRY);
        let opened = OpenOptions::new().append(true).create(true).mode(MODE).open(path)?;
        self.file = Some(opened);
        Ok(())
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        self.open()?;
        let Some(file) = &mut self.file else { return Ok(()) };
        // What a full disk has cut off must not run into the next line.
        if self.is_torn {
            file.write_all(b"\n")?;
        }
        self.is_torn = true;
        file.write_all(line.as_bytes())?;
        self.is_torn = false;
        Ok(())
    }

    /// Says once that something is wrong, and that it is not any more.
    fn settle(&mut self, done: io::Result<()>) {
        match done {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                self.file = None;
                let path = self.path().unwrap_or_default();
                let trouble = format!(
                    "The audit file {} cannot be written ({error}); check [api] audit_file, its permissions and the space on its disk",
                    path.display()
                );
                if self.set_trouble(Some(trouble.clone())).is_none() {
                    tracing::error!("{trouble}; the log still has everything");
                }
            }
            Ok(()) => {
                if self.set_trouble(None).is_some() {
                    tracing::info!("the audit file can be written again");
                }
            }
        }
    }

    fn set_trouble(&self, trouble: Option<String>) -> Option<String> {
        let mut place = self.state.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *place, trouble)
    }
}

fn line(now_ms: u64, deed: Deed<'_>) -> String {
    let Deed { token, source, method, outcome } = deed;
    let mut line = format!(
        "{} AUDIT token=\"{}\" src={} method={}",
        clock::timestamp(now_ms),
        escape(token),
        escape(source),
        escape(method)
    );
    if let Some((path, status)) = outcome {
        // Writing to a String cannot fail.
        let _ = write!(line, " path=\"{}\" status={status}", escape(path));
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEED: Deed<'_> =
        Deed { token: "admin", source: "192.0.2.7", method: "lineDrop", outcome: None };

    #[test]
    fn the_end_of_the_program_waits_until_every_deed_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let audit = AuditFile::start(Some(path.clone())).unwrap();
        (0..1000).for_each(|_| audit.note(DEED));
        audit.flush(Duration::from_secs(60));
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1000);
        let nowhere = AuditFile::start(None).unwrap();
        nowhere.note(DEED);
        nowhere.flush(Duration::from_secs(60));
        assert_eq!(nowhere.state.lost.load(Ordering::Relaxed), 0, "no file was wanted");
    }

    #[test]
    fn the_end_of_the_program_does_not_wait_for_a_disk_that_hangs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        // Nobody reads from it, so it cannot even be opened.
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let audit = AuditFile::start(Some(path)).unwrap();
        (0..3).for_each(|_| audit.note(DEED));
        audit.flush(Duration::from_millis(1));
        assert_eq!(audit.state.lost.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn a_deed_is_one_line_whatever_it_is_called() {
        let outcome = Some(("/api/v1/x\"\r\nAUDIT", 201));
        let deed = Deed { token: "admin", source: "192.0.2.7", method: "POST", outcome };
        assert_eq!(
            line(1_769_860_800_000, deed),
            "2026-01-31T12:00:00.000Z AUDIT token=\"admin\" src=192.0.2.7 method=POST \
             path=\"/api/v1/x\\x22\\x0d\\x0aAUDIT\" status=201\n"
        );
        let deed = Deed { method: "lineDrop", outcome: None, ..deed };
        assert!(line(0, deed).ends_with(" src=192.0.2.7 method=lineDrop\n"));
    }
}
