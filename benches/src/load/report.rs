//! The table.

/// Rows in the order they were measured; each is printed at once.
#[derive(Clone, Debug, Default)]
pub struct Report {
    rows: Vec<[String; 3]>,
    faults: Vec<String>,
}

impl Report {
    /// Adds a row: what was measured, the figure, and what it cost the switch.
    pub(crate) fn row(&mut self, what: &str, figure: &str, cost: &str) {
        eprintln!("{what}: {figure}  {cost}");
        self.rows.push([what.to_owned(), figure.to_owned(), cost.to_owned()]);
    }

    /// Notes what went wrong.
    pub(crate) fn fault(&mut self, what: String) {
        eprintln!("{what}");
        self.faults.push(what);
    }

    /// Whether nothing failed that was not meant to be driven to its limit.
    pub fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "| measure | figure | cost in the switch |\n| --- | --- | --- |")?;
        for [what, figure, cost] in &self.rows {
            writeln!(f, "| {what} | {figure} | {cost} |")?;
        }
        for fault in &self.faults {
            writeln!(f, "\nFAULT: {fault}")?;
        }
        Ok(())
    }
}
