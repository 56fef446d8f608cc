//! `strowger calls --ladder CALLID`: a call's SIP messages as arrows between the parties.

use std::io::{Write, stdout};

use serde_json::{Value, json};

use super::client::Client;
use super::{CliError, List};
use crate::server::clock;

/// Columns of letters before the first party's.
const MARGIN: usize = 14;
/// Letters from one party to the next.
const WIDTH: usize = 30;

/// Prints the ladder, or with `--json` the messages whole.
pub(super) fn show(call_id: u32, list: &List) -> Result<(), CliError> {
    let rows = Client::find(&list.connection)?.rows(&format!("calls/{call_id}/ladder"))?;
    let text = if list.json { format!("{:#}\n", json!({ "items": rows })) } else { draw(&rows) };
    stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}

/// The switch stands second: callers to the left, everybody else to the right.
fn draw(rows: &[Value]) -> String {
    let mut parties: Vec<&str> = Vec::new();
    for row in rows {
        let remote = row["remote"].as_str().unwrap_or_default();
        if !parties.contains(&remote) {
            parties.push(remote);
        }
    }
    let mut names = parties.clone();
    names.insert(names.len().min(1), "strowger");
    let mut text = header(&names);
    for row in rows {
        let party = parties.iter().position(|party| *party == row["remote"]).unwrap_or_default();
        let column = if party == 0 { 0 } else { party + 1 };
        let (from, to) = if row["direction"] == "in" { (column, 1) } else { (1, column) };
        let time = clock::timestamp(row["time"].as_u64().unwrap_or_default());
        let time = time.get(11..23).unwrap_or_default();
        let label = label(row["message"].as_str().unwrap_or_default());
        text.push_str(&arrow(names.len(), from, to, time, &label));
    }
    text
}

fn center(column: usize) -> usize {
    MARGIN + column * WIDTH + WIDTH / 2
}

fn header(names: &[&str]) -> String {
    let mut line = String::new();
    for (column, name) in names.iter().enumerate() {
        let start = center(column).saturating_sub(name.len() / 2);
        line.push_str(&" ".repeat(start.saturating_sub(line.len())));
        line.push_str(name);
    }
    line.push('\n');
    line
}

/// One message: an arrow with its label between two of the columns.
fn arrow(columns: usize, from: usize, to: usize, time: &str, label: &str) -> String {
    let mut line: Vec<char> = vec![' '; center(columns.saturating_sub(1)) + 1];
    let mut put = |at: usize, letter: char| {
        if let Some(place) = line.get_mut(at) {
            *place = letter;
        }
    };
    time.chars().enumerate().for_each(|(at, letter)| put(at, letter));
    (0..columns).for_each(|column| put(center(column), '│'));
    let (left, right) = (center(from.min(to)), center(from.max(to)));
    (left + 1..right).for_each(|at| put(at, '─'));
    if from < to {
        put(right - 1, '▶')
    } else {
        put(left + 1, '◀')
    }
    // The label lies where its arrow begins or ends beside the switch, clear of other columns.
    let (first, room) =
        if to.abs_diff(from) > 1 { (right - WIDTH, WIDTH) } else { (left, right - left) };
    let label: String = label.chars().take(room.saturating_sub(6)).collect();
    let start = first + (room - label.chars().count() - 2) / 2;
    format!(" {label} ").chars().enumerate().for_each(|(at, letter)| put(start + at, letter));
    let line: String = line.into_iter().collect();
    format!("{}\n", line.trim_end())
}

/// `INVITE 202 +SDP`, `200 OK (INVITE)`.
fn label(message: &str) -> String {
    let (head, body) = message.split_once("\r\n\r\n").unwrap_or((message, ""));
    let mut lines = head.split("\r\n");
    let start = lines.next().unwrap_or_default();
    let sdp = if body.starts_with("v=0") { " +SDP" } else { "" };
    let mut words = start.splitn(3, ' ');
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if first == "SIP/2.0" {
        let method = lines
            .find_map(|line| line.strip_prefix("CSeq:"))
            .and_then(|cseq| cseq.split_whitespace().nth(1))
            .unwrap_or_default();
        let phrase = words.next().unwrap_or_default();
        return format!("{second} {phrase} ({method}){sdp}");
    }
    let user = second.split_once(':').map_or("", |(_, rest)| rest);
    let user = user.split_once('@').map_or("", |(user, _)| user);
    format!("{first} {user}").trim_end().to_owned() + sdp
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(direction: &str, remote: &str, message: &str) -> Value {
        json!({"direction": direction, "remote": remote, "time": 3_600_123, "message": message})
    }

    #[test]
    fn arrows_lead_from_who_sent_to_who_received() {
        let text = draw(&[
            row("in", "1.1.1.1:1", "INVITE sip:202@x SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\nv=0"),
            row("out", "2.2.2.2:2", "INVITE sip:202@y SIP/2.0\r\n\r\n"),
            row("in", "2.2.2.2:2", "SIP/2.0 180 Ringing\r\nCSeq: 1 INVITE\r\n\r\n"),
            row("out", "3.3.3.3:3", "BYE sip:3.3.3.3 SIP/2.0\r\n\r\n"),
        ]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0].split_whitespace().collect::<Vec<_>>(),
            ["1.1.1.1:1", "strowger", "2.2.2.2:2", "3.3.3.3:3"]
        );
        assert!(lines[1].starts_with("01:00:00.123"), "{text}");
        assert!(lines[1].contains("─ INVITE 202 +SDP ─") && lines[1].contains("▶│"), "{text}");
        assert!(lines[2].contains("▶│") && lines[2].contains("─ INVITE 202 ─"), "{text}");
        assert!(lines[3].contains("│◀─") && lines[3].contains(" 180 Ringing (INVITE) "), "{text}");
        assert!(lines[4].ends_with("▶│") && lines[4].contains(" BYE "), "{text}");
    }

    #[test]
    fn nonsense_is_drawn_somehow() {
        for message in ["", "\r\n\r\n", "SIP/2.0", "x", "INVITE"] {
            assert!(draw(&[row("in", "a", message)]).contains('▶'));
        }
        assert_eq!(draw(&[]).trim(), "strowger");
    }
}
