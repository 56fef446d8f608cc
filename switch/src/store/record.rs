//! The table of call records: rows in, pages out, the oldest away.

use rusqlite::types::Value;
use rusqlite::{Connection, Transaction, params, params_from_iter};

use super::schema::{signed, unsigned};
use super::{RecordLimits, RecordQuery, StoredCallRecord};

/// Most records of one page.
pub(super) const PAGE_MAX: u32 = 1_000;
/// Old ones are looked for after so many records.
pub(super) const SWEEP_EVERY: u32 = 64;

/// AUTOINCREMENT: a page goes on where the last one ended although records were taken away.
pub(super) const TABLE: &str = "CREATE TABLE call_records (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        ended_unix_ms INTEGER NOT NULL,
        line TEXT NOT NULL,
        call_id INTEGER NOT NULL,
        record TEXT NOT NULL
    ) STRICT;
    CREATE INDEX call_records_by_line ON call_records (line, id);
    CREATE INDEX call_records_by_call ON call_records (call_id, id);
    CREATE INDEX call_records_by_end ON call_records (ended_unix_ms)";

pub(super) fn add(
    transaction: &Transaction<'_>,
    record: &StoredCallRecord,
) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO call_records (ended_unix_ms, line, call_id, record) VALUES (?1, ?2, ?3, ?4)",
    )?;
    statement.execute(params![
        signed(record.ended_unix_ms),
        record.line,
        record.call_id,
        record.record,
    ])?;
    Ok(())
}

/// Forgets what is too old or too much.
pub(super) fn sweep(
    connection: &Connection,
    limits: RecordLimits,
    now_unix_ms: u64,
) -> rusqlite::Result<()> {
    let keep_ms = u64::try_from(limits.keep.as_millis()).unwrap_or(u64::MAX);
    connection.execute(
        "DELETE FROM call_records WHERE ended_unix_ms < ?1",
        [signed(now_unix_ms.saturating_sub(keep_ms))],
    )?;
    connection.execute(
        "DELETE FROM call_records WHERE id <= (SELECT max(id) FROM call_records) - ?1",
        [limits.max],
    )?;
    Ok(())
}

/// A page of records, newest first.
pub(super) fn read(
    connection: &Connection,
    query: &RecordQuery,
) -> rusqlite::Result<Vec<StoredCallRecord>> {
    let mut text =
        "SELECT id, ended_unix_ms, line, call_id, record FROM call_records WHERE 1".to_owned();
    let mut values: Vec<Value> = Vec::new();
    let numbers = [
        (" AND id < ?", query.before.map(signed)),
        (" AND call_id = ?", query.call_id.map(|id| Value::Integer(id.into()))),
        (" AND ended_unix_ms >= ?", query.since_unix_ms.map(signed)),
    ];
    for (condition, value) in numbers {
        if let Some(value) = value {
            text.push_str(condition);
            values.push(value);
        }
    }
    if let Some(lines) = &query.lines {
        let places = vec!["?"; lines.len()].join(", ");
        text.push_str(&format!(" AND line IN ({places})"));
        values.extend(lines.iter().cloned().map(Value::Text));
    }
    let limit = query.limit.clamp(1, PAGE_MAX);
    text.push_str(&format!(" ORDER BY id DESC LIMIT {limit}"));
    let mut statement = connection.prepare_cached(&text)?;
    let rows = statement.query_map(params_from_iter(values), |row| {
        Ok(StoredCallRecord {
            id: unsigned(row.get(0)?),
            ended_unix_ms: unsigned(row.get(1)?),
            line: row.get(2)?,
            call_id: row.get(3)?,
            record: row.get(4)?,
        })
    })?;
    rows.collect()
}
