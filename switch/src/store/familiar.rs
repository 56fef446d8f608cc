//! The table of where the phones of each line have been: rows in and out.

use rusqlite::{Connection, Transaction, params};

use super::StoredFamiliar;
use super::schema::{joined, split};

pub(super) const TABLE: &str = "CREATE TABLE familiar (
        line TEXT PRIMARY KEY,
        networks TEXT NOT NULL,
        user_agents TEXT NOT NULL
    ) STRICT, WITHOUT ROWID";

/// Keeps a row; nothing is kept of a line that was nowhere.
pub(super) fn save(transaction: &Transaction<'_>, kept: &StoredFamiliar) -> rusqlite::Result<()> {
    let StoredFamiliar { line, networks, user_agents } = kept;
    if networks.is_empty() {
        let mut statement = transaction.prepare_cached("DELETE FROM familiar WHERE line = ?1")?;
        statement.execute([line])?;
        return Ok(());
    }
    let mut statement =
        transaction.prepare_cached("INSERT OR REPLACE INTO familiar VALUES (?1, ?2, ?3)")?;
    statement.execute(params![line, joined(networks), joined(user_agents)])?;
    Ok(())
}

/// All of them.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<Vec<StoredFamiliar>> {
    let mut statement = connection.prepare("SELECT * FROM familiar ORDER BY line")?;
    let rows = statement.query_map([], |row| {
        Ok(StoredFamiliar {
            line: row.get("line")?,
            networks: split(&row.get::<_, String>("networks")?),
            user_agents: split(&row.get::<_, String>("user_agents")?),
        })
    })?;
    rows.collect()
}
