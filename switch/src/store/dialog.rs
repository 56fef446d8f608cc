//! The table of dialogs of calls that are up: rows in and out.

use rusqlite::{Connection, Row, Transaction, params};

use super::StoredDialog;
use super::schema::{joined, split};

pub(super) const TABLE: &str = "CREATE TABLE dialogs (
        tag TEXT PRIMARY KEY,
        call_id TEXT NOT NULL,
        from_value TEXT NOT NULL,
        to_value TEXT NOT NULL,
        cseq INTEGER NOT NULL,
        request_uri TEXT NOT NULL,
        route TEXT NOT NULL,
        transport TEXT NOT NULL,
        local TEXT NOT NULL,
        remote TEXT NOT NULL
    ) STRICT, WITHOUT ROWID";

pub(super) fn save(transaction: &Transaction<'_>, kept: &StoredDialog) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(
        "INSERT OR REPLACE INTO dialogs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    statement.execute(params![
        kept.tag,
        kept.call_id,
        kept.from,
        kept.to,
        kept.cseq,
        kept.request_uri,
        joined(&kept.route),
        kept.transport,
        kept.local,
        kept.remote,
    ])?;
    Ok(())
}

pub(super) fn remove(transaction: &Transaction<'_>, tag: &str) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached("DELETE FROM dialogs WHERE tag = ?1")?;
    statement.execute([tag])?;
    Ok(())
}

/// All of them.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<Vec<StoredDialog>> {
    let mut statement = connection.prepare("SELECT * FROM dialogs ORDER BY tag")?;
    let rows = statement.query_map([], dialog)?;
    rows.collect()
}

fn dialog(row: &Row<'_>) -> rusqlite::Result<StoredDialog> {
    Ok(StoredDialog {
        tag: row.get("tag")?,
        call_id: row.get("call_id")?,
        from: row.get("from_value")?,
        to: row.get("to_value")?,
        cseq: row.get("cseq")?,
        request_uri: row.get("request_uri")?,
        route: split(&row.get::<_, String>("route")?),
        transport: row.get("transport")?,
        local: row.get("local")?,
        remote: row.get("remote")?,
    })
}
