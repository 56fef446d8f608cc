//! Which lines are reached over which stream connection, so that a lost connection finds them.

use ahash::RandomState;
use dashmap::DashMap;

/// Lines by connection. A line stands once for each of its bindings on that connection.
#[derive(Debug, Default)]
pub(super) struct ConnectionIndex {
    lines: DashMap<u64, Vec<String>, RandomState>,
}

impl ConnectionIndex {
    pub(super) fn insert(&self, connection: u64, line: &str) {
        self.lines.entry(connection).or_default().push(line.to_owned());
    }

    pub(super) fn remove(&self, connection: u64, line: &str) {
        if let Some(mut lines) = self.lines.get_mut(&connection)
            && let Some(at) = lines.iter().position(|one| one == line)
        {
            lines.swap_remove(at);
        }
        self.lines.remove_if(&connection, |_, lines| lines.is_empty());
    }

    /// The lines on a connection, each once.
    pub(super) fn lines(&self, connection: u64) -> Vec<String> {
        let mut lines = self.lines.get(&connection).map(|lines| lines.clone()).unwrap_or_default();
        lines.sort_unstable();
        lines.dedup();
        lines
    }
}
