//! Plain-text tables: columns as wide as what is in them, numbers to the right.

use serde_json::Value;

/// One column: its heading, and the member of a row that it shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    /// The heading.
    pub(super) title: &'static str,
    /// The name of the member.
    pub(super) member: &'static str,
}

/// Shown where a row has nothing to say.
const NOTHING: &str = "-";

/// The table as text, one line a row, each with its end.
pub(super) fn text(columns: &[Column], rows: &[Value]) -> String {
    let cells: Vec<Vec<String>> =
        rows.iter().map(|row| columns.iter().map(|column| cell(row, column)).collect()).collect();
    let is_number: Vec<bool> = (0..columns.len())
        .map(|column| {
            let mut numbers =
                rows.iter().filter_map(|row| member(row, &columns[column])).peekable();
            numbers.peek().is_some() && numbers.all(Value::is_number)
        })
        .collect();
    let widths: Vec<usize> = (0..columns.len())
        .map(|column| {
            let widest = cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
            widest.max(columns[column].title.chars().count())
        })
        .collect();
    let mut text = String::new();
    let titles: Vec<String> = columns.iter().map(|column| column.title.to_owned()).collect();
    for row in std::iter::once(&titles).chain(&cells) {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let blanks = " ".repeat(widths[column] - cell.chars().count());
            let (before, after) =
                if is_number[column] { (blanks, String::new()) } else { (String::new(), blanks) };
            line.push_str(&before);
            line.push_str(cell);
            line.push_str(&after);
            line.push_str("  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn member<'a>(row: &'a Value, column: &Column) -> Option<&'a Value> {
    row.get(column.member).filter(|value| !value.is_null())
}

fn cell(row: &Value, column: &Column) -> String {
    member(row, column).map_or_else(|| NOTHING.to_owned(), plain)
}

/// A value as people read it: without quotes, lists with commas, yes and no.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => NOTHING.to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) if text.is_empty() => NOTHING.to_owned(),
        // Control characters would move the cursor.
        Value::String(text) => text.chars().filter(|letter| !letter.is_control()).collect(),
        Value::Array(items) if items.is_empty() => NOTHING.to_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: [Column; 3] = [
        Column { title: "LINE", member: "line" },
        Column { title: "CALLS", member: "calls" },
        Column { title: "NAME", member: "name" },
    ];

    #[test]
    fn columns_are_aligned_and_numbers_stand_right() {
        let rows = [
            json!({"line": "201", "calls": 12, "name": "Ada"}),
            json!({"line": "20100", "calls": 3, "name": "Front desk"}),
        ];
        assert_eq!(
            text(&COLUMNS, &rows),
            "LINE   CALLS  NAME\n201       12  Ada\n20100      3  Front desk\n"
        );
    }

    #[test]
    fn what_is_missing_is_a_dash() {
        let rows = [json!({"line": "201", "calls": null})];
        assert_eq!(text(&COLUMNS, &rows), "LINE  CALLS  NAME\n201   -      -\n");
    }

    #[test]
    fn an_empty_table_still_has_its_headings() {
        assert_eq!(text(&COLUMNS, &[]), "LINE  CALLS  NAME\n");
    }

    #[test]
    fn values_are_written_for_people() {
        assert_eq!(plain(&json!(["a", "b"])), "a,b");
        assert_eq!(plain(&json!(true)), "yes");
        assert_eq!(plain(&json!("a\u{1b}[31m")), "a[31m");
    }
}
