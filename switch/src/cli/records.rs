//! `strowger call-records`: calls that are over, newest first; `strowger record`.

use std::io::{Write, stdout};
use std::time::Duration;

use serde_json::{Value, json};

use super::client::Client;
use super::table::{self, Column};
use super::{CliError, Connection, Records};
use crate::server::clock;

const fn column(title: &'static str, member: &'static str) -> Column {
    Column { title, member }
}

const COLUMNS: [Column; 17] = [
    column("BEGAN", "began"),
    column("CALL", "callId"),
    column("LINE", "line"),
    column("ORIGIN", "origin"),
    column("CALLER", "caller"),
    column("CALLED", "called"),
    column("CONNECTED", "connected"),
    column("REASON", "reason"),
    column("TALK", "talk"),
    column("END", "end"),
    column("CODEC", "codec"),
    column("RECEIVED", "received"),
    column("LOST", "lost"),
    column("JITTER MS", "jitter"),
    column("ROUND TRIP MS", "roundTrip"),
    column("MOS", "mosReceived"),
    column("MOS HEARD", "mosSent"),
];

/// Prints the table.
pub(super) fn show(wanted: &Records) -> Result<(), CliError> {
    let mut question = format!("call-records?limit={}", wanted.limit);
    if let Some(line) = &wanted.line {
        // What cannot be dialled is refused by the switch, with a sentence.
        let plain = |letter: &char| letter.is_ascii_alphanumeric() || "*-._".contains(*letter);
        let escape = |letter: char| match plain(&letter) {
            true => letter.to_string(),
            false => format!("%{:02X}", u32::from(letter) & 0xff),
        };
        question.push_str(&format!("&line={}", line.chars().map(escape).collect::<String>()));
    }
    if let Some(call) = wanted.call {
        question.push_str(&format!("&callId={call}"));
    }
    if let Some(since) = wanted.since {
        let ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        question.push_str(&format!("&since={}", clock::unix_ms().saturating_sub(ms)));
    }
    let rows = Client::find(&wanted.connection)?.rows(&question)?;
    let text = match wanted.json {
        true => format!("{:#}\n", json!({ "items": rows })),
        false => table::text(&COLUMNS, &rows.iter().map(readable).collect::<Vec<_>>()),
    };
    stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}

/// Begins or ends a recording; says where it is.
pub(super) fn record(
    connection: &Connection,
    call: u32,
    line: &str,
    format: Option<&str>,
    is_stop: bool,
) -> Result<(), CliError> {
    let client = Client::find(connection)?;
    let mut body = json!({ "line": line });
    if let Some(format) = format {
        body["format"] = format.into();
    }
    let action = if is_stop { "stop-recording" } else { "record" };
    let answer = client.post_json(&format!("calls/{call}/{action}"), &body)?;
    writeln!(stdout(), "{}", table::plain(&answer["file"]))?;
    Ok(())
}

/// A record as people read it.
fn readable(record: &Value) -> Value {
    let bare = |member: &str| {
        let text = record[member].as_str();
        text.map(|text| text.split_once('_').map_or(text, |(_, bare)| bare))
    };
    let talk = record["talkMs"].as_u64();
    let talk = talk.map(|ms| config::format_duration(Duration::from_secs(ms / 1_000)));
    let media = &record["media"];
    json!({
        "began": record["began"].as_u64().map(clock::timestamp),
        "callId": record["callId"], "line": record["line"], "origin": record["origin"],
        "caller": record["caller"], "called": record["called"], "connected": record["connected"],
        "reason": bare("reason"), "talk": talk, "end": bare("disconnectMode"),
        "codec": record["codec"],
        "received": media["received"]["packets"], "lost": media["received"]["lost"],
        "jitter": media["received"]["jitterMs"], "roundTrip": media["roundTripMs"],
        "mosReceived": media["received"]["mos"], "mosSent": media["sent"]["mos"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_shown_with_short_names_and_what_is_not_known_as_a_dash() {
        let record = json!({
            "began": 1_704_067_199_000_u64, "callId": 7, "line": "201", "origin": "OUTBOUND",
            "caller": "201", "called": "202", "connected": "202", "talkMs": 61_250,
            "reason": "LINECALLREASON_DIRECT", "disconnectMode": "LINEDISCONNECTMODE_NORMAL",
            "codec": "PCMU",
            "media": {"received": {"packets": 3000, "lost": 2, "jitterMs": 4, "mos": 4.4}},
        });
        let text = table::text(&COLUMNS, &[readable(&record)]);
        assert!(text.contains("2023-12-31T23:59:59.000Z"), "{text}");
        assert!(text.contains(" DIRECT ") && text.contains(" 1m1s ") && text.contains(" NORMAL "));
        assert!(text.contains(" 4.4 ") && text.trim_end().ends_with('-'), "{text}");
    }
}
