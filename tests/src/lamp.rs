//! Reading the documents that lamps get: just enough for what the switch writes.

/// The value of the first `name="…"` of a document.
pub fn attribute<'a>(document: &'a str, name: &str) -> &'a str {
    let document = document.split_once("?>").map_or(document, |(_, rest)| rest);
    let start = document.split_once(&format!("{name}=\"")).map(|(_, rest)| rest);
    start.and_then(|rest| rest.split_once('"')).map_or("", |(value, _)| value)
}

/// The state of a dialog-info document's first dialog.
pub fn state_of(document: &str) -> &str {
    let start = document.split_once("<state>").map(|(_, rest)| rest);
    start.and_then(|rest| rest.split_once('<')).map_or("", |(value, _)| value)
}
