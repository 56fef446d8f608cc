//! Faults of a configuration: where, what was found, what was expected, what was probably meant.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

/// Most faults that are collected; a file with more is not worth listing further.
const MAX_FAULTS: usize = 1000;

/// One fault of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// The file as it was named.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub found: String,
    /// What would be right; may be empty.
    pub expected: String,
    /// The name that was probably meant.
    pub suggestion: Option<String>,
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}: {}", self.file, self.line, self.column, self.found)?;
        if !self.expected.is_empty() {
            write!(formatter, "; expected {}", self.expected)?;
        }
        if let Some(suggestion) = &self.suggestion {
            write!(formatter, "; did you mean \"{suggestion}\"?")?;
        }
        Ok(())
    }
}

/// Collects faults while a file is read, and knows where in the text a byte stands.
pub(crate) struct Collector<'a> {
    file: &'a str,
    text: &'a str,
    line_starts: Vec<usize>,
    faults: RefCell<Vec<Diagnosis>>,
}

impl<'a> Collector<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        Self { file, text, line_starts, faults: RefCell::new(Vec::new()) }
    }

    /// Line and column of a byte offset, both from 1.
    pub(crate) fn position(&self, at: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= at).max(1);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0);
        let column = self.text.get(start..at).map_or(1, |before| before.chars().count() + 1);
        (line, column)
    }

    /// Notes a fault.
    pub(crate) fn report(
        &self,
        span: &Range<usize>,
        found: impl Into<String>,
        expected: impl Into<String>,
        suggestion: Option<String>,
    ) {
        let (line, column) = self.position(span.start);
        let mut faults = self.faults.borrow_mut();
        let fault = Diagnosis {
            file: self.file.to_owned(),
            line,
            column,
            found: found.into(),
            expected: expected.into(),
            suggestion,
        };
        if faults.len() < MAX_FAULTS && !faults.contains(&fault) {
            faults.push(fault);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.faults.borrow().is_empty()
    }

    /// Lines that have a fault so far.
    pub(crate) fn faulty_lines(&self) -> Vec<usize> {
        self.faults.borrow().iter().map(|fault| fault.line).collect()
    }

    /// Drops the faults after the first `keep` that stand on one of `lines`.
    pub(crate) fn discard_consequences(&self, keep: usize, lines: &[usize]) {
        let mut index = 0;
        self.faults.borrow_mut().retain(|fault| {
            index += 1;
            index <= keep || !lines.contains(&fault.line)
        });
    }

    /// The faults in the order of the file.
    pub(crate) fn finish(self) -> Vec<Diagnosis> {
        let mut faults = self.faults.into_inner();
        faults.sort_by_key(|fault| (fault.line, fault.column));
        faults
    }
}

/// The candidate that is most like `word`, if any is near enough to have been meant.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let most = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .filter(|candidate| *candidate != word && !candidate.is_empty())
        .map(|candidate| (edit_distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= most && *distance < candidate.chars().count())
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}

/// Insertions, deletions, replacements and swaps of neighbours between two words, case aside.
fn edit_distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().flat_map(char::to_lowercase).take(64).collect();
    let right: Vec<char> = right.chars().flat_map(char::to_lowercase).take(64).collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (row, a) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, b) in right.iter().enumerate() {
            let replaced = last[column] + usize::from(a != b);
            let mut best = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            let is_swapped =
                row > 0 && column > 0 && *a == right[column - 1] && left[row - 1] == *b;
            if is_swapped {
                best = best.min(before_last[column - 1] + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_and_columns_in_characters() {
        let collector = Collector::new("x", "a\nÄö = 1\n");
        assert_eq!(collector.position(0), (1, 1));
        assert_eq!(collector.position(2), (2, 1));
        assert_eq!(collector.position("a\nÄö ".len()), (2, 4));
        assert_eq!(collector.position("a\nÄö = 1\n".len()), (3, 1));
    }

    #[test]
    fn measures_how_far_words_are_apart() {
        for (left, right, distance) in [
            ("members", "member", 1),
            ("memebrs", "members", 1),
            ("domian", "domain", 1),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("Sales", "sales", 0),
        ] {
            assert_eq!(edit_distance(left, right), distance, "{left} {right}");
        }
    }

    #[test]
    fn suggests_only_what_is_near() {
        assert_eq!(nearest("membrs", ["name", "members"]), Some("members".into()));
        assert_eq!(nearest("colour", ["name", "members"]), None);
        assert_eq!(nearest("210", ["201", "333"]), Some("201".into()));
        assert_eq!(nearest("Sales", ["sales"]), Some("sales".into()));
    }

    #[test]
    fn is_written_on_one_line() {
        let mut fault = Diagnosis {
            file: "office.toml".into(),
            line: 3,
            column: 7,
            found: "unknown setting \"domian\"".into(),
            expected: String::new(),
            suggestion: Some("domain".into()),
        };
        assert_eq!(
            fault.to_string(),
            "office.toml:3:7: unknown setting \"domian\"; did you mean \"domain\"?"
        );
        fault.expected = "a setting".into();
        fault.suggestion = None;
        assert_eq!(
            fault.to_string(),
            "office.toml:3:7: unknown setting \"domian\"; expected a setting"
        );
    }
}
