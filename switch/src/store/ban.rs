//! The table of bans: rows in and out.

use rusqlite::{Connection, Row, Transaction, params};

use super::StoredBan;
use super::schema::{signed, unsigned};

/// Most rows; those that are over first go first.
const MAX_ROWS: i64 = 10_000;
/// So long the store keeps a ban that is over, for how long the next one of the same source lasts.
const MEMORY_MS: u64 = 24 * 3_600_000;

pub(super) const TABLE: &str = "CREATE TABLE bans (
        source TEXT PRIMARY KEY,
        reason TEXT NOT NULL,
        since_unix_ms INTEGER NOT NULL,
        until_unix_ms INTEGER NOT NULL,
        times INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID";

pub(super) fn save(transaction: &Transaction<'_>, ban: &StoredBan) -> rusqlite::Result<()> {
    let mut statement =
        transaction.prepare_cached("INSERT OR REPLACE INTO bans VALUES (?1, ?2, ?3, ?4, ?5)")?;
    statement.execute(params![
        ban.source,
        ban.reason,
        signed(ban.since_unix_ms),
        signed(ban.until_unix_ms),
        ban.times,
    ])?;
    let count: i64 =
        transaction.prepare_cached("SELECT count(*) FROM bans")?.query_row([], |row| row.get(0))?;
    if count > MAX_ROWS {
        let mut statement = transaction.prepare_cached(
            "DELETE FROM bans WHERE source IN
                (SELECT source FROM bans ORDER BY until_unix_ms LIMIT ?1)",
        )?;
        // Some more than needed, so that not every ban has to look for the oldest one.
        statement.execute([count - MAX_ROWS + MAX_ROWS / 10])?;
    }
    Ok(())
}

pub(super) fn remove(transaction: &Transaction<'_>, source: &str) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached("DELETE FROM bans WHERE source = ?1")?;
    statement.execute([source])?;
    Ok(())
}

/// Forgets what was over long before `now_unix_ms`.
pub(super) fn sweep(connection: &Connection, now_unix_ms: u64) -> rusqlite::Result<()> {
    let oldest = signed(now_unix_ms.saturating_sub(MEMORY_MS));
    connection.execute("DELETE FROM bans WHERE until_unix_ms <= ?1", [oldest])?;
    Ok(())
}

/// All of them.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<Vec<StoredBan>> {
    let mut statement = connection.prepare("SELECT * FROM bans ORDER BY source")?;
    let rows = statement.query_map([], ban)?;
    rows.collect()
}

fn ban(row: &Row<'_>) -> rusqlite::Result<StoredBan> {
    Ok(StoredBan {
        source: row.get("source")?,
        reason: row.get("reason")?,
        since_unix_ms: unsigned(row.get("since_unix_ms")?),
        until_unix_ms: unsigned(row.get("until_unix_ms")?),
        times: row.get("times")?,
    })
}
