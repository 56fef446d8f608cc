//! What must outlive the process, behind the trait [`Store`].
//!
//! The exchange emits [`Change`]s; the store writes them behind its back and never makes it wait. The
//! store knows rows, not what they mean.

mod ban;
mod completion;
mod dialog;
mod familiar;
mod record;
mod schema;
mod sqlite;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

pub use self::sqlite::SqliteStore;

/// One thing to keep or to forget.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Keep this binding in place of the one with the same id.
    SaveBinding(Box<StoredBinding>),
    /// Forget the binding with this id.
    RemoveBinding {
        /// [`StoredBinding::id`].
        id: u64,
    },
    /// Keep what this line has set in place of what it had; nothing is kept of an empty list.
    SaveForwarding(StoredForwarding),
    /// So many messages wait at this line.
    SaveMessages {
        /// Number of the line.
        line: String,
        /// How many; none is forgotten.
        count: u32,
    },
    /// Keep this request for completion in place of the one with the same id.
    SaveCompletion(StoredCompletion),
    /// Forget the request with this id.
    RemoveCompletion {
        /// [`StoredCompletion::id`].
        id: u32,
    },
    /// Keep what was left for this line in place of what was there.
    SaveLeft {
        /// Number of the line.
        line: String,
        /// The messages, oldest first.
        messages: Vec<StoredMessage>,
    },
    /// Keep this dialog in place of the one with the same tag of ours.
    SaveDialog(Box<StoredDialog>),
    /// Forget the dialog with this tag of ours.
    RemoveDialog {
        /// [`StoredDialog::tag`].
        tag: String,
    },
    /// Keep this picture of the call centre in place of the former one.
    SaveCentre {
        /// Its text; the store does not read it.
        snapshot: String,
    },
    /// Keep this record of a call that is over.
    AddCallRecord(Box<StoredCallRecord>),
    /// Keep this ban in place of the former one of the same source.
    SaveBan(StoredBan),
    /// Forget the ban of a source.
    RemoveBan {
        /// [`StoredBan::source`].
        source: String,
    },
    /// Keep where a line has been in place of what was kept of it; nothing is kept of nowhere.
    SaveFamiliar(StoredFamiliar),
}

/// What a change is about; a later change about the same thing replaces an earlier one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Subject {
    /// A binding by its id.
    Binding(u64),
    /// What a line has set about its calls.
    Forwarding(String),
    /// The messages that wait at a line.
    Messages(String),
    /// A request for completion by its id.
    Completion(u32),
    /// What was left for a line by others.
    Left(String),
    /// A dialog by our tag.
    Dialog(String),
    /// The call centre.
    Centre,
    /// A call that is over, by a number of its own.
    CallRecord(u64),
    /// A ban by its source.
    Ban(String),
    /// Where a line has been.
    Familiar(String),
}

impl Change {
    /// What it is about.
    pub(crate) fn subject(&self) -> Subject {
        match self {
            Self::SaveBinding(binding) => Subject::Binding(binding.id),
            Self::RemoveBinding { id } => Subject::Binding(*id),
            Self::SaveForwarding(forwarding) => Subject::Forwarding(forwarding.line.clone()),
            Self::SaveCompletion(request) => Subject::Completion(request.id),
            Self::RemoveCompletion { id } => Subject::Completion(*id),
            Self::SaveLeft { line, .. } => Subject::Left(line.clone()),
            Self::SaveMessages { line, .. } => Subject::Messages(line.clone()),
            Self::SaveDialog(dialog) => Subject::Dialog(dialog.tag.clone()),
            Self::RemoveDialog { tag } => Subject::Dialog(tag.clone()),
            Self::SaveCentre { .. } => Subject::Centre,
            Self::AddCallRecord(record) => Subject::CallRecord(record.id),
            Self::SaveBan(ban) => Subject::Ban(ban.source.clone()),
            Self::RemoveBan { source } => Subject::Ban(source.clone()),
            Self::SaveFamiliar(known) => Subject::Familiar(known.line.clone()),
        }
    }
}

/// What a line has set about its calls, as rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredForwarding {
    /// Number of the line.
    pub line: String,
    /// Rings before a call counts as not answered, if the line has its own count.
    pub rings: Option<u32>,
    /// The list, in its order.
    pub entries: Vec<StoredForward>,
}

/// One entry of a forward list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredForward {
    /// Value of its LINEFORWARDMODE_.
    pub mode: u32,
    /// The caller it is about, if it is about one.
    pub caller: Option<String>,
    /// Where to; none is do not disturb.
    pub destination: Option<String>,
}

/// A request for the completion of a call, as a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredCompletion {
    /// The completion identifier.
    pub id: u32,
    /// The line that asked.
    pub line: String,
    /// The line that could not be reached.
    pub callee: String,
    /// Value of its LINECALLCOMPLMODE_.
    pub mode: u32,
    /// Value of the LINECALLCOMPLCOND_ that the call met.
    pub condition: u32,
    /// dwCallID of the call that failed.
    pub call_id: u32,
    /// The called line must have been used before it counts as free.
    pub needs_activity: bool,
    /// When it was asked for, in milliseconds since 1970.
    pub since_unix_ms: u64,
    /// When it is forgotten, in milliseconds since 1970.
    pub expires_at_unix_ms: u64,
}

/// A message that was left for a line, as a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredMessage {
    /// The line that left it.
    pub from: String,
    /// Its text.
    pub text: String,
    /// When, in milliseconds since 1970.
    pub since_unix_ms: u64,
}

/// A party's view of a call that is over, as a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredCallRecord {
    /// Names it. The store gives it one of its own; before that it only tells records apart.
    pub id: u64,
    /// When the call ended, in milliseconds since 1970.
    pub ended_unix_ms: u64,
    /// Number of the line, or of the party behind a trunk.
    pub line: String,
    /// dwCallID.
    pub call_id: u32,
    /// Everything about it, as a JSON object.
    pub record: String,
}

/// Which call records are wanted, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordQuery {
    /// Only those with a lower id: the next page.
    pub before: Option<u64>,
    /// Only those of these lines; `None` means all.
    pub lines: Option<Vec<String>>,
    /// Only those of this dwCallID.
    pub call_id: Option<u32>,
    /// Only calls that ended not before this moment, in milliseconds since 1970.
    pub since_unix_ms: Option<u64>,
    /// So many at most; at least 1 and at most 1000.
    pub limit: u32,
}

/// How many call records are kept and how long; what is older or more goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordLimits {
    /// The most; 0 keeps none.
    pub max: u32,
    /// Those that ended before are forgotten.
    pub keep: std::time::Duration,
}

impl Default for RecordLimits {
    fn default() -> Self {
        Self { max: 100_000, keep: std::time::Duration::from_secs(365 * 86_400) }
    }
}

/// What the previous run kept of call completion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredCompletions {
    /// The highest identifier that a request ever had.
    pub last_id: u32,
    /// The requests, oldest first.
    pub requests: Vec<StoredCompletion>,
    /// The messages of each line.
    pub messages: Vec<(String, Vec<StoredMessage>)>,
}

/// A binding as a row: text and numbers, no clocks of this run, no connections.
///
/// Source: sip-mapping §6.2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredBinding {
    /// Names it as long as it lives.
    pub id: u64,
    /// Number of the line.
    pub line: String,
    /// The Contact's URI as the phone wrote it.
    pub uri: String,
    /// The Contact's parameters but `expires`, as the phone wrote them.
    pub params: String,
    /// Preference in thousandths.
    pub q: u16,
    /// When it ends, in milliseconds since 1970.
    pub expires_at_unix_ms: u64,
    /// When it was made or last refreshed, in milliseconds since 1970.
    pub registered_at_unix_ms: u64,
    /// Call-ID of the REGISTER that made or last refreshed it.
    pub call_id: String,
    /// CSeq of that REGISTER.
    pub cseq: u32,
    /// `+sip.instance` (RFC 5626).
    pub instance: Option<String>,
    /// `reg-id` (RFC 5626).
    pub reg_id: Option<u32>,
    /// Lower-case name of the transport the REGISTER came over.
    pub transport: String,
    /// Our address and port there.
    pub local: String,
    /// The phone's address and port as seen there.
    pub remote: String,
    /// Did the REGISTER say that its sender sees itself at the address we see?
    pub is_direct: bool,
    /// Path values, first hop first (RFC 3327).
    pub path: Vec<String>,
    /// User-Agent.
    pub user_agent: String,
    /// Methods of Allow.
    pub allow: Vec<String>,
    /// Packages of Allow-Events.
    pub allow_events: Vec<String>,
    /// Option tags of Supported.
    pub supported: Vec<String>,
}

/// An answered call's dialog with one phone or trunk, as a row: what a BYE needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredDialog {
    /// Our tag, which names it.
    pub tag: String,
    /// Call-ID.
    pub call_id: String,
    /// From of our requests, with tag.
    pub from: String,
    /// To of our requests, with tag.
    pub to: String,
    /// CSeq number of our last request when it was kept.
    pub cseq: u32,
    /// Request-URI.
    pub request_uri: String,
    /// Route values in order.
    pub route: Vec<String>,
    /// Lower-case name of the transport.
    pub transport: String,
    /// Our address and port.
    pub local: String,
    /// The peer's address and port.
    pub remote: String,
}

/// A source that is not listened to, as a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredBan {
    /// An IPv4 address, or the first address of an IPv6 /64.
    pub source: String,
    /// Why, in words.
    pub reason: String,
    /// When it began, in milliseconds since 1970.
    pub since_unix_ms: u64,
    /// When it is over, in milliseconds since 1970.
    pub until_unix_ms: u64,
    /// How often this source was banned, this time included.
    pub times: u32,
}

/// Where the phones of a line have been, as a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredFamiliar {
    /// Number of the line.
    pub line: String,
    /// Networks, oldest first.
    pub networks: Vec<String>,
    /// What its phones called themselves, oldest first.
    pub user_agents: Vec<String>,
}

/// Keeps state over a restart. Implementations never block the caller and never panic.
pub trait Store: Send + Sync {
    /// Takes a change to write soon; within a second it survives the death of the process.
    ///
    /// When the store cannot keep up the change is lost, and counted.
    fn apply(&self, change: Change);

    /// The bindings of the previous run, as they were when the store was opened. Answers them once.
    fn take_bindings(&self) -> Vec<StoredBinding>;

    /// What lines had set about their calls in the previous run. Answers it once.
    fn take_forwardings(&self) -> Vec<StoredForwarding>;

    /// How many messages waited at which line in the previous run. Answers it once.
    fn take_messages(&self) -> Vec<(String, u32)>;
    /// What the previous run kept of call completion. Answers it once.
    fn take_completions(&self) -> StoredCompletions;

    /// The dialogs of calls that were up when the previous run ended. Answers them once.
    fn take_dialogs(&self) -> Vec<StoredDialog>;

    /// The picture of the call centre that the previous run kept. Answers it once.
    fn take_centre(&self) -> Option<String>;

    /// Who was banned in the previous run, and who had been a while ago. Answers it once.
    fn take_bans(&self) -> Vec<StoredBan>;

    /// Where the phones of each line had been. Answers it once.
    fn take_familiar(&self) -> Vec<StoredFamiliar>;

    /// The records of calls that are over, also of those that were applied a moment ago. Waits for
    /// the database.
    fn call_records(&self, query: RecordQuery) -> Vec<StoredCallRecord>;

    /// Says how many call records are kept from now on; what is too old now goes.
    fn limit_call_records(&self, limits: RecordLimits, now_unix_ms: u64);

    /// Waits until everything applied so far has been written or has failed.
    fn flush(&self);

    /// What the store counts.
    fn counters(&self) -> StoreCounts;

    /// What is wrong now, as a sentence; `None` while everything is written.
    fn trouble(&self) -> Option<String>;
}

/// What a store has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreCounts {
    /// Changes that are in the database; one that a later change of the same thing overtook counts.
    pub written: u64,
    /// Transactions that failed; their changes are tried again.
    pub failed_transactions: u64,
    /// Changes lost because too many were waiting.
    pub lost: u64,
    /// Changes that wait because the disk refuses them.
    pub waiting: u64,
}

#[derive(Debug, Default)]
struct Counters {
    written: AtomicU64,
    failed_transactions: AtomicU64,
    lost: AtomicU64,
    waiting: AtomicU64,
    trouble: Mutex<Option<String>>,
}

impl Counters {
    fn counts(&self) -> StoreCounts {
        StoreCounts {
            written: self.written.load(Ordering::Relaxed),
            failed_transactions: self.failed_transactions.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }

    /// The file cannot be written, as the database says; or it can be again.
    fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Why the state cannot be kept where the configuration says; each a sentence that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file cannot be opened or made.
    #[error("The state file {} cannot be opened ({reason}); check [state] path and the permissions of its folder", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the database said.
        reason: String,
    },
    /// The file cannot be written.
    #[error("The state file {} cannot be written ({reason}); check its permissions and the space on its disk", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the database said.
        reason: String,
    },
    /// The file lies where nothing can be written.
    #[error("The state file {} cannot be written: its disk is read-only; mount it for writing, or name another file in [state] path", path.display())]
    ReadOnlyDisk {
        /// The file.
        path: PathBuf,
    },
    /// The file is damaged or no database.
    #[error("The state file {} is damaged or is no database ({reason}); move it away to start with empty state", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What the database said.
        reason: String,
    },
    /// The file is a database, but of another program.
    #[error("The state file {} belongs to another program; name another file in [state] path", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a later release.
    #[error("The state file {} has schema {found}, this release knows up to {known}; use the release that wrote it, or move it away", path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The latest known one.
        known: i64,
    },
    /// The writer thread could not be started.
    #[error(
        "the thread that writes the state cannot be started ({0}); check the limit of processes"
    )]
    Thread(std::io::Error),
}

#[cfg(test)]
mod tests;
