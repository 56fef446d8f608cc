//! Tables of call completion: requests and messages, rows in and out.

use rusqlite::{Connection, Row, Transaction, params};

use super::schema::{signed, unsigned};
use super::{StoredCompletion, StoredCompletions, StoredMessage};

/// AUTOINCREMENT remembers the highest identifier, so that none is given twice.
pub(super) const TABLES: &str = "CREATE TABLE completions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        line TEXT NOT NULL,
        callee TEXT NOT NULL,
        mode INTEGER NOT NULL,
        condition INTEGER NOT NULL,
        call_id INTEGER NOT NULL,
        needs_activity INTEGER NOT NULL,
        since_unix_ms INTEGER NOT NULL,
        expires_at_unix_ms INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE left_messages (
        line TEXT NOT NULL,
        position INTEGER NOT NULL,
        sender TEXT NOT NULL,
        text TEXT NOT NULL,
        since_unix_ms INTEGER NOT NULL,
        PRIMARY KEY (line, position)
    ) STRICT";

pub(super) fn save(
    transaction: &Transaction<'_>,
    request: &StoredCompletion,
) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(
        "INSERT OR REPLACE INTO completions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    statement.execute(params![
        request.id,
        request.line,
        request.callee,
        request.mode,
        request.condition,
        request.call_id,
        request.needs_activity,
        signed(request.since_unix_ms),
        signed(request.expires_at_unix_ms),
    ])?;
    Ok(())
}

pub(super) fn remove(transaction: &Transaction<'_>, id: u32) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached("DELETE FROM completions WHERE id = ?1")?;
    statement.execute([id])?;
    Ok(())
}

pub(super) fn save_messages(
    transaction: &Transaction<'_>,
    line: &str,
    messages: &[StoredMessage],
) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached("DELETE FROM left_messages WHERE line = ?1")?;
    statement.execute([line])?;
    let mut statement =
        transaction.prepare_cached("INSERT INTO left_messages VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (position, message) in (0_u32..).zip(messages) {
        let since = signed(message.since_unix_ms);
        statement.execute(params![line, position, message.from, message.text, since])?;
    }
    Ok(())
}

/// Everything that is kept.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<StoredCompletions> {
    let last_id = connection.query_row(
        "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'completions'",
        [],
        |row| row.get(0),
    )?;
    let mut statement = connection.prepare("SELECT * FROM completions ORDER BY id")?;
    let requests = statement.query_map([], request)?.collect::<Result<_, _>>()?;
    Ok(StoredCompletions { last_id, requests, messages: messages(connection)? })
}

fn request(row: &Row<'_>) -> rusqlite::Result<StoredCompletion> {
    Ok(StoredCompletion {
        id: row.get("id")?,
        line: row.get("line")?,
        callee: row.get("callee")?,
        mode: row.get("mode")?,
        condition: row.get("condition")?,
        call_id: row.get("call_id")?,
        needs_activity: row.get("needs_activity")?,
        since_unix_ms: unsigned(row.get("since_unix_ms")?),
        expires_at_unix_ms: unsigned(row.get("expires_at_unix_ms")?),
    })
}

fn messages(connection: &Connection) -> rusqlite::Result<Vec<(String, Vec<StoredMessage>)>> {
    let mut statement =
        connection.prepare("SELECT * FROM left_messages ORDER BY line, position")?;
    let mut rows = statement.query([])?;
    let mut list: Vec<(String, Vec<StoredMessage>)> = Vec::new();
    while let Some(row) = rows.next()? {
        let line: String = row.get("line")?;
        let message = StoredMessage {
            from: row.get("sender")?,
            text: row.get("text")?,
            since_unix_ms: unsigned(row.get("since_unix_ms")?),
        };
        match list.last_mut().filter(|(known, _)| *known == line) {
            Some((_, messages)) => messages.push(message),
            None => list.push((line, vec![message])),
        }
    }
    Ok(list)
}
