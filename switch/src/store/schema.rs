//! Tables of the state file, their version, and rows in and out.

use rusqlite::types::Value;
use rusqlite::{Connection, Row, Transaction, params};

use super::{
    Change, StoredBinding, StoredForward, StoredForwarding, ban, completion, dialog, familiar,
    record,
};

/// `PRAGMA application_id`: the file is ours.
pub(super) const APPLICATION_ID: i64 = 0x5354_5247;

/// `PRAGMA user_version`: the tables are these.
pub(super) const VERSION: i64 = 9;

/// The statements that lead from each version to the next.
const MIGRATIONS: [&str; 9] = [
    "CREATE TABLE bindings (
        id INTEGER PRIMARY KEY,
        line TEXT NOT NULL,
        uri TEXT NOT NULL,
        params TEXT NOT NULL,
        q INTEGER NOT NULL,
        expires_at_unix_ms INTEGER NOT NULL,
        registered_at_unix_ms INTEGER NOT NULL,
        call_id TEXT NOT NULL,
        cseq INTEGER NOT NULL,
        instance TEXT,
        reg_id INTEGER,
        transport TEXT NOT NULL,
        local TEXT NOT NULL,
        remote TEXT NOT NULL,
        is_direct INTEGER NOT NULL,
        path TEXT NOT NULL,
        user_agent TEXT NOT NULL,
        allow TEXT NOT NULL,
        allow_events TEXT NOT NULL,
        supported TEXT NOT NULL
    ) STRICT",
    "CREATE TABLE forwardings (
        line TEXT NOT NULL,
        position INTEGER NOT NULL,
        rings INTEGER,
        mode INTEGER NOT NULL,
        caller TEXT,
        destination TEXT,
        PRIMARY KEY (line, position)
    ) STRICT",
    "CREATE TABLE messages (line TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT",
    completion::TABLES,
    "CREATE TABLE centre (id INTEGER PRIMARY KEY CHECK (id = 1), snapshot TEXT NOT NULL) STRICT",
    record::TABLE,
    dialog::TABLE,
    ban::TABLE,
    familiar::TABLE,
];

const SAVE_BINDING: &str = "INSERT OR REPLACE INTO bindings VALUES
    (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)";

/// A pragma's number.
pub(super) fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

/// Are there tables at all?
pub(super) fn has_tables(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))
}

/// Brings a file of version `from` to the present one, all or nothing.
pub(super) fn migrate(connection: &mut Connection, from: i64) -> rusqlite::Result<()> {
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let done = usize::try_from(from).unwrap_or(0);
    for statements in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(statements)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// Writes one change.
pub(super) fn write(transaction: &Transaction<'_>, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::SaveBinding(binding) => {
            let mut statement = transaction.prepare_cached(SAVE_BINDING)?;
            statement.execute(params![
                signed(binding.id),
                binding.line,
                binding.uri,
                binding.params,
                binding.q,
                signed(binding.expires_at_unix_ms),
                signed(binding.registered_at_unix_ms),
                binding.call_id,
                binding.cseq,
                binding.instance,
                binding.reg_id,
                binding.transport,
                binding.local,
                binding.remote,
                binding.is_direct,
                joined(&binding.path),
                binding.user_agent,
                joined(&binding.allow),
                joined(&binding.allow_events),
                joined(&binding.supported),
            ])?;
        }
        Change::RemoveBinding { id } => {
            let mut statement = transaction.prepare_cached("DELETE FROM bindings WHERE id = ?1")?;
            statement.execute([signed(*id)])?;
        }
        Change::SaveForwarding(forwarding) => write_forwarding(transaction, forwarding)?,
        Change::SaveMessages { line, count: 0 } => {
            let mut statement =
                transaction.prepare_cached("DELETE FROM messages WHERE line = ?1")?;
            statement.execute([line])?;
        }
        Change::SaveMessages { line, count } => {
            let mut statement =
                transaction.prepare_cached("INSERT OR REPLACE INTO messages VALUES (?1, ?2)")?;
            statement.execute(params![line, count])?;
        }
        Change::SaveCompletion(request) => completion::save(transaction, request)?,
        Change::RemoveCompletion { id } => completion::remove(transaction, *id)?,
        Change::SaveLeft { line, messages } => {
            completion::save_messages(transaction, line, messages)?;
        }
        Change::SaveDialog(kept) => dialog::save(transaction, kept)?,
        Change::RemoveDialog { tag } => dialog::remove(transaction, tag)?,
        Change::SaveCentre { snapshot } => {
            let mut statement =
                transaction.prepare_cached("INSERT OR REPLACE INTO centre VALUES (1, ?1)")?;
            statement.execute([snapshot])?;
        }
        Change::AddCallRecord(call) => record::add(transaction, call)?,
        Change::SaveBan(kept) => ban::save(transaction, kept)?,
        Change::RemoveBan { source } => ban::remove(transaction, source)?,
        Change::SaveFamiliar(known) => familiar::save(transaction, known)?,
    }
    Ok(())
}

fn write_forwarding(transaction: &Transaction<'_>, set: &StoredForwarding) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached("DELETE FROM forwardings WHERE line = ?1")?;
    statement.execute([&set.line])?;
    let mut statement =
        transaction.prepare_cached("INSERT INTO forwardings VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    for (position, entry) in (0_u32..).zip(&set.entries) {
        let StoredForward { mode, caller, destination } = entry;
        statement.execute(params![set.line, position, set.rings, mode, caller, destination])?;
    }
    Ok(())
}

/// What lines have set about their calls, by line.
pub(super) fn forwardings(connection: &Connection) -> rusqlite::Result<Vec<StoredForwarding>> {
    let mut statement = connection.prepare("SELECT * FROM forwardings ORDER BY line, position")?;
    let mut rows = statement.query([])?;
    let mut list: Vec<StoredForwarding> = Vec::new();
    while let Some(row) = rows.next()? {
        let line: String = row.get("line")?;
        let entry = StoredForward {
            mode: row.get("mode")?,
            caller: row.get("caller")?,
            destination: row.get("destination")?,
        };
        match list.last_mut().filter(|set| set.line == line) {
            Some(set) => set.entries.push(entry),
            None => {
                let rings = row.get("rings")?;
                list.push(StoredForwarding { line, rings, entries: vec![entry] });
            }
        }
    }
    Ok(list)
}

/// How many messages wait at which line.
pub(super) fn messages(connection: &Connection) -> rusqlite::Result<Vec<(String, u32)>> {
    let mut statement = connection.prepare("SELECT line, count FROM messages ORDER BY line")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// The picture of the call centre, if one was ever kept.
pub(super) fn centre(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let mut statement = connection.prepare("SELECT snapshot FROM centre")?;
    let mut rows = statement.query_map([], |row| row.get(0))?;
    rows.next().transpose()
}

/// All bindings, oldest first.
pub(super) fn bindings(connection: &Connection) -> rusqlite::Result<Vec<StoredBinding>> {
    let mut statement = connection.prepare("SELECT * FROM bindings ORDER BY id")?;
    let rows = statement.query_map([], binding)?;
    rows.collect()
}

fn binding(row: &Row<'_>) -> rusqlite::Result<StoredBinding> {
    Ok(StoredBinding {
        id: unsigned(row.get("id")?),
        line: row.get("line")?,
        uri: row.get("uri")?,
        params: row.get("params")?,
        q: row.get("q")?,
        expires_at_unix_ms: unsigned(row.get("expires_at_unix_ms")?),
        registered_at_unix_ms: unsigned(row.get("registered_at_unix_ms")?),
        call_id: row.get("call_id")?,
        cseq: row.get("cseq")?,
        instance: row.get("instance")?,
        reg_id: row.get("reg_id")?,
        transport: row.get("transport")?,
        local: row.get("local")?,
        remote: row.get("remote")?,
        is_direct: row.get("is_direct")?,
        path: split(&row.get::<_, String>("path")?),
        user_agent: row.get("user_agent")?,
        allow: split(&row.get::<_, String>("allow")?),
        allow_events: split(&row.get::<_, String>("allow_events")?),
        supported: split(&row.get::<_, String>("supported")?),
    })
}

/// SQLite's integers are signed; ids and times stay far below the sign.
pub(super) fn signed(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Header elements never contain a line break.
pub(super) fn joined(list: &[String]) -> String {
    list.join("\n")
}

pub(super) fn split(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}
