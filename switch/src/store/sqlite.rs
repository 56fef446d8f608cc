//! [`Store`] on a local SQLite file: write-ahead log, one writer thread, one transaction for what waits.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use config::StatePath;
use rusqlite::{Connection, ErrorCode};

use super::{
    Change, Counters, RecordLimits, RecordQuery, Store, StoreCounts, StoreError, StoredBan,
    StoredBinding, StoredCallRecord, StoredCompletions, StoredDialog, StoredFamiliar,
    StoredForwarding, Subject, ban, completion, dialog, familiar, record, schema,
};

/// Most changes waiting for the writer; more are lost and counted.
const MAX_QUEUED: usize = 65_536;

/// Most changes of one transaction.
const MAX_BATCH: usize = 1024;

/// Most things whose changes are kept for another try while the disk refuses them.
const MAX_PENDING: usize = 100_000;

/// Pause before changes that failed are tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How long another program may hold the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

enum Command {
    Change(Change),
    Flush(SyncSender<()>),
    Records(RecordQuery, SyncSender<Vec<StoredCallRecord>>),
    LimitRecords(RecordLimits, u64),
}

/// The SQLite state file with its writer thread.
///
/// Dropping it writes what is left and ends the thread.
pub struct SqliteStore {
    commands: Option<SyncSender<Command>>,
    restored: Mutex<Vec<StoredBinding>>,
    forwardings: Mutex<Vec<StoredForwarding>>,
    messages: Mutex<Vec<(String, u32)>>,
    completions: Mutex<StoredCompletions>,
    dialogs: Mutex<Vec<StoredDialog>>,
    centre: Mutex<Option<String>>,
    bans: Mutex<Vec<StoredBan>>,
    familiar: Mutex<Vec<StoredFamiliar>>,
    counters: Arc<Counters>,
    writer: Option<JoinHandle<()>>,
}

impl SqliteStore {
    /// Opens or makes the state file, forgets what ended before `now_unix_ms`, and starts the writer.
    ///
    /// Errors: a file that cannot be opened or written, that is damaged, not ours, or too new.
    pub fn open(path: &StatePath, now_unix_ms: u64) -> Result<Self, StoreError> {
        let (opened, name) = match path {
            StatePath::Memory => (Connection::open_in_memory(), PathBuf::from(":memory:")),
            StatePath::File(path) => (Connection::open(path), path.clone()),
        };
        let mut connection = opened.map_err(|error| classify(&error, &name))?;
        prepare(&mut connection, &name)?;
        let unreadable = |error: rusqlite::Error| classify(&error, &name);
        let now = i64::try_from(now_unix_ms).unwrap_or(i64::MAX);
        connection
            .execute("DELETE FROM bindings WHERE expires_at_unix_ms <= ?1", [now])
            .map_err(unreadable)?;
        connection
            .execute("DELETE FROM completions WHERE expires_at_unix_ms <= ?1", [now])
            .map_err(unreadable)?;
        ban::sweep(&connection, now_unix_ms).map_err(unreadable)?;
        let restored = schema::bindings(&connection).map_err(unreadable)?;
        let forwardings = schema::forwardings(&connection).map_err(unreadable)?;
        let messages = schema::messages(&connection).map_err(unreadable)?;
        let completions = completion::read(&connection).map_err(unreadable)?;
        let dialogs = dialog::read(&connection).map_err(unreadable)?;
        let centre = schema::centre(&connection).map_err(unreadable)?;
        let bans = ban::read(&connection).map_err(unreadable)?;
        let familiar = familiar::read(&connection).map_err(unreadable)?;
        let counters = Arc::new(Counters::default());
        let (commands, receiver) = sync_channel(MAX_QUEUED);
        let writer = Writer {
            connection,
            name: name.clone(),
            pending: BTreeMap::new(),
            counters: Arc::clone(&counters),
            taken: 0,
            limits: RecordLimits::default(),
            recorded: 0,
            is_failing: false,
        };
        let writer = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer.run(&receiver))
            .map_err(StoreError::Thread)?;
        Ok(Self {
            commands: Some(commands),
            restored: Mutex::new(restored),
            forwardings: Mutex::new(forwardings),
            messages: Mutex::new(messages),
            completions: Mutex::new(completions),
            dialogs: Mutex::new(dialogs),
            centre: Mutex::new(centre),
            bans: Mutex::new(bans),
            familiar: Mutex::new(familiar),
            counters,
            writer: Some(writer),
        })
    }
}

impl Store for SqliteStore {
    fn apply(&self, change: Change) {
        let Some(commands) = &self.commands else { return };
        match commands.try_send(Command::Change(change)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                if self.counters.lost.fetch_add(1, Ordering::Relaxed) == 0 {
                    tracing::error!("the state file cannot keep up: changes are being lost");
                }
            }
        }
    }

    fn take_bindings(&self) -> Vec<StoredBinding> {
        std::mem::take(&mut *self.restored.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take_messages(&self) -> Vec<(String, u32)> {
        std::mem::take(&mut *self.messages.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take_forwardings(&self) -> Vec<StoredForwarding> {
        std::mem::take(&mut *self.forwardings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take_completions(&self) -> StoredCompletions {
        std::mem::take(&mut *self.completions.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take_dialogs(&self) -> Vec<StoredDialog> {
        std::mem::take(&mut *self.dialogs.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take_centre(&self) -> Option<String> {
        self.centre.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn take_bans(&self) -> Vec<StoredBan> {
        std::mem::take(&mut *self.bans.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take_familiar(&self) -> Vec<StoredFamiliar> {
        std::mem::take(&mut *self.familiar.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn call_records(&self, query: RecordQuery) -> Vec<StoredCallRecord> {
        let (answer, records) = sync_channel(1);
        let Some(commands) = &self.commands else { return Vec::new() };
        match commands.send(Command::Records(query, answer)) {
            Ok(()) => records.recv().unwrap_or_default(),
            Err(_) => Vec::new(),
        }
    }

    fn limit_call_records(&self, limits: RecordLimits, now_unix_ms: u64) {
        if let Some(commands) = &self.commands {
            // A writer that is gone keeps nothing any more.
            let _ = commands.send(Command::LimitRecords(limits, now_unix_ms));
        }
    }

    fn flush(&self) {
        let (done, is_done) = sync_channel(1);
        if let Some(commands) = &self.commands
            && commands.send(Command::Flush(done)).is_ok()
        {
            // An error means that the writer is gone: nothing is left to wait for.
            let _ = is_done.recv();
        }
    }

    fn counters(&self) -> StoreCounts {
        self.counters.counts()
    }

    fn trouble(&self) -> Option<String> {
        self.counters.trouble()
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(writer) = self.writer.take() {
            // A writer that died has nothing more to write.
            let _ = writer.join();
        }
    }
}

/// Sets the file up and makes sure that it is sound, ours, and can be written.
fn prepare(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let classify = |error: rusqlite::Error| classify(&error, path);
    connection.busy_timeout(BUSY_TIMEOUT).map_err(classify)?;
    let is_empty = !schema::has_tables(connection).map_err(classify)?;
    let version = schema::pragma(connection, "user_version").map_err(classify)?;
    let application = schema::pragma(connection, "application_id").map_err(classify)?;
    if !is_empty && application != schema::APPLICATION_ID {
        return Err(StoreError::NotOurs { path: path.to_owned() });
    }
    if version > schema::VERSION {
        let path = path.to_owned();
        return Err(StoreError::TooNew { path, found: version, known: schema::VERSION });
    }
    let check: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(classify)?;
    if check != "ok" {
        return Err(StoreError::Corrupt { path: path.to_owned(), reason: check });
    }
    // With a write-ahead log, NORMAL loses nothing when the process dies, only when the machine does.
    connection
        .pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))
        .and_then(|()| connection.pragma_update(None, "synchronous", "normal"))
        .map_err(classify)?;
    schema::migrate(connection, version).map_err(classify)
}

fn classify(error: &rusqlite::Error, path: &Path) -> StoreError {
    let (path, reason) = (path.to_owned(), error.to_string());
    // The database says of a read-only disk now this, now that.
    if path.parent().is_some_and(is_read_only) {
        return StoreError::ReadOnlyDisk { path };
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Corrupt { path, reason }
        }
        Some(
            ErrorCode::ReadOnly
            | ErrorCode::DiskFull
            | ErrorCode::PermissionDenied
            | ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked,
        ) => StoreError::Unwritable { path, reason },
        Some(_) => StoreError::Open { path, reason },
        // Rows that do not have the shape of the schema.
        None => StoreError::Corrupt { path, reason },
    }
}

fn is_read_only(folder: &Path) -> bool {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let found = rustix::fs::statvfs(folder);
    found.is_ok_and(|found| found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

struct Writer {
    connection: Connection,
    name: PathBuf,
    /// Changes not yet written, the latest of each thing.
    pending: BTreeMap<Subject, Change>,
    /// Changes taken into `pending`, those that a later one of the same thing replaced as well.
    taken: u64,
    limits: RecordLimits,
    /// Call records since the last look for old ones.
    recorded: u32,
    counters: Arc<Counters>,
    is_failing: bool,
}

impl Writer {
    fn run(mut self, commands: &Receiver<Command>) {
        loop {
            let first = if self.pending.is_empty() {
                commands.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                commands.recv_timeout(RETRY)
            };
            let mut flushes = Vec::new();
            let mut questions = Vec::new();
            let is_over = matches!(first, Err(RecvTimeoutError::Disconnected));
            let mut next = first.ok();
            let mut taken = 0;
            while let Some(command) = next {
                match command {
                    Command::Change(change) => self.keep(change),
                    Command::Flush(done) => flushes.push(done),
                    Command::Records(query, answer) => questions.push((query, answer)),
                    Command::LimitRecords(limits, now) => {
                        self.limits = limits;
                        self.sweep(now);
                    }
                }
                taken += 1;
                next = if taken < MAX_BATCH { commands.try_recv().ok() } else { None };
            }
            self.commit();
            for (query, answer) in questions {
                // Whoever asked may have stopped waiting.
                let _ = answer.try_send(self.read(&query));
            }
            for done in flushes {
                // Whoever asked may have stopped waiting.
                let _ = done.try_send(());
            }
            if is_over {
                return;
            }
        }
    }

    fn read(&self, query: &RecordQuery) -> Vec<StoredCallRecord> {
        record::read(&self.connection, query).unwrap_or_else(|error| {
            tracing::error!("call records cannot be read from {} ({error})", self.name.display());
            Vec::new()
        })
    }

    /// Forgets call records that are too old or too many.
    fn sweep(&mut self, now_unix_ms: u64) {
        self.recorded = 0;
        if let Err(error) = record::sweep(&self.connection, self.limits, now_unix_ms) {
            tracing::error!("old call records cannot be deleted ({error})");
        }
    }

    fn keep(&mut self, change: Change) {
        if let Change::AddCallRecord(record) = &change {
            if self.limits.max == 0 {
                return;
            }
            self.recorded += 1;
            if self.recorded >= record::SWEEP_EVERY {
                self.sweep(record.ended_unix_ms);
            }
        }
        let subject = change.subject();
        if self.pending.len() < MAX_PENDING || self.pending.contains_key(&subject) {
            self.pending.insert(subject, change);
            self.taken = self.taken.saturating_add(1);
        } else {
            self.counters.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes all that is pending in one transaction; what fails stays pending.
    fn commit(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        match self.write() {
            Ok(()) => {
                self.counters.written.fetch_add(std::mem::take(&mut self.taken), Ordering::Relaxed);
                let count = self.pending.len();
                self.pending.clear();
                self.counters.waiting.store(0, Ordering::Relaxed);
                if std::mem::take(&mut self.is_failing) {
                    self.counters.set_trouble(None);
                    let name = self.name.display();
                    tracing::info!(
                        "the state file {name} can be written again; {count} changes were"
                    );
                }
            }
            Err(error) => {
                self.counters.failed_transactions.fetch_add(1, Ordering::Relaxed);
                let waiting = self.pending.len();
                self.counters
                    .waiting
                    .store(u64::try_from(waiting).unwrap_or(u64::MAX), Ordering::Relaxed);
                // Said once, not with every try.
                if !std::mem::replace(&mut self.is_failing, true) {
                    let trouble = format!(
                        "The state file {} cannot be written ({error}); check its permissions and the space on its disk",
                        self.name.display()
                    );
                    tracing::error!("{trouble}; {waiting} changes wait, calls go on");
                    self.counters.set_trouble(Some(trouble));
                }
            }
        }
    }

    fn write(&mut self) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        for change in self.pending.values() {
            schema::write(&transaction, change)?;
        }
        transaction.commit()
    }
}
