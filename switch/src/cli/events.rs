//! `strowger events`: follows the server-sent events of the switch.

use std::io::{BufRead, BufReader, Write, stdout};

use serde_json::Value;

use super::client::Client;
use super::table::plain;
use super::{CliError, Events};
use crate::server::clock;

/// Members that every line begins with, in this order.
const FIRST: [&str; 3] = ["number", "time", "kind"];

/// Prints one line for each event until the stream ends.
pub(super) fn follow(events: &Events) -> Result<(), CliError> {
    let client = Client::find(&events.connection)?;
    let path = match events.after {
        Some(number) => format!("events?after={number}"),
        None => "events".to_owned(),
    };
    let mut lines = BufReader::new(client.stream(&path)?).lines();
    let mut out = stdout().lock();
    // The switch writes each event's data in one line.
    while let Some(Ok(line)) = lines.next() {
        let Some(data) = line.strip_prefix("data:").map(str::trim) else { continue };
        if events.json {
            writeln!(out, "{data}")?;
        } else {
            writeln!(out, "{}", sentence(data))?;
        }
        out.flush()?;
    }
    Err(CliError::Unreachable {
        url: client.url().to_owned(),
        reason: "the stream of events has ended".to_owned(),
    })
}

/// `7 2026-01-31T12:00:00.000Z LINE_CALLSTATE line=201 callState=LINECALLSTATE_CONNECTED`.
fn sentence(data: &str) -> String {
    let Ok(Value::Object(event)) = serde_json::from_str::<Value>(data) else {
        return data.to_owned();
    };
    let first = FIRST.iter().filter_map(|name| Some(head(name, event.get(*name)?)));
    let rest =
        event.iter().filter(|(name, value)| !FIRST.contains(&name.as_str()) && !value.is_null());
    let rest = rest.map(|(name, value)| format!("{name}={}", flat(value)));
    first.chain(rest).collect::<Vec<_>>().join(" ")
}

/// One of the members that a line begins with; the time as people read it.
fn head(name: &str, value: &Value) -> String {
    match value.as_u64() {
        Some(unix_ms) if name == "time" => clock::timestamp(unix_ms),
        _ => plain(value),
    }
}

/// A value without blanks inside, so that a line splits into words.
fn flat(value: &Value) -> String {
    match value {
        Value::String(text) if text.contains([' ', '=', '"']) => format!("{text:?}"),
        Value::Object(_) => value.to_string(),
        other => plain(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_that_begins_with_number_time_and_kind() {
        let data = r#"{"line":"201","kind":"LINE_CALLSTATE","number":7,"time":1704067199000,
            "mode":null,"name":"Front desk"}"#;
        assert_eq!(
            sentence(data),
            "7 2023-12-31T23:59:59.000Z LINE_CALLSTATE line=201 name=\"Front desk\""
        );
    }

    #[test]
    fn what_is_no_json_is_printed_as_it_is() {
        assert_eq!(sentence("hello"), "hello");
    }
}
