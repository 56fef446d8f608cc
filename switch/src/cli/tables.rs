//! `lines`, `registrations`, `calls`, `media`, `trunks`, `park`, `pickup-groups`, `subscriptions`,
//! `completions`; `reload` and `drain`.

use std::io::{IsTerminal, Write, stdout};
use std::time::Duration;

use serde_json::{Value, json};

use super::client::Client;
use super::table::{self, Column};
use super::{CliError, Connection, List};
use crate::server::clock;

/// How often `--watch` and `drain` look.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Moves the cursor to the top left corner and clears what is below.
const CLEAR: &str = "\x1b[H\x1b[J";

/// A collection of the control interface and its columns.
pub(super) struct Table {
    collection: &'static str,
    columns: &'static [Column],
}

const fn column(title: &'static str, member: &'static str) -> Column {
    Column { title, member }
}

pub(super) const LINES: Table = Table {
    collection: "lines",
    columns: &[
        column("LINE", "line"),
        column("NAME", "name"),
        column("REGISTERED", "registered"),
        column("CALLS", "calls"),
        column("SHARED", "addresses"),
        column("PICKUP GROUP", "pickupGroup"),
        column("DND", "dnd"),
        column("FORWARDING", "forwardList"),
        column("MESSAGES", "messagesWaiting"),
    ],
};

pub(super) const REGISTRATIONS: Table = Table {
    collection: "registrations",
    columns: &[
        column("LINE", "line"),
        column("CONTACT", "contact"),
        column("SOURCE", "source"),
        column("TRANSPORT", "transport"),
        column("EXPIRES", "expires"),
        column("USER AGENT", "userAgent"),
    ],
};

pub(super) const CALLS: Table = Table {
    collection: "calls",
    columns: &[
        column("CALL", "callId"),
        column("LINE", "line"),
        column("ADDRESS", "address"),
        column("STATE", "callState"),
        column("MODE", "mode"),
        column("ORIGIN", "origin"),
        column("CALLER", "caller"),
        column("CALLED", "called"),
        column("CONNECTED", "connected"),
        column("HEARS WHEN HELD", "treatment"),
        column("SRTP", "srtp"),
        column("TRANSCODED", "transcoded"),
        column("SINCE", "since"),
    ],
};

pub(super) const MEDIA: Table = Table {
    collection: "media",
    columns: &[
        column("CALL", "callId"),
        column("LINE", "line"),
        column("STREAM", "stream"),
        column("PORT", "port"),
        column("REMOTE", "remote"),
        column("CODEC", "codec"),
        column("SRTP", "srtp"),
        column("TRANSCODED", "transcoded"),
        column("RECEIVED", "packetsReceived"),
        column("SENT", "packetsSent"),
        column("LOST", "packetsLost"),
        column("JITTER MS", "jitterMs"),
        column("ROUND TRIP MS", "roundTripMs"),
        column("MOS", "mosReceived"),
        column("MOS HEARD", "mosSent"),
        column("KERNEL %", "kernelPercent"),
    ],
};

pub(super) const MEDIA_PATHS: Table = Table {
    collection: "media/paths",
    columns: &[
        column("PATH", "path"),
        column("PACKETS", "packets"),
        column("%", "percent"),
        column("STREAMS", "streams"),
        column("BUSY %", "busyPercent"),
        column("STARVED %", "starvedPercent"),
        column("SOCKETS", "sockets"),
        column("ORPHANS", "orphans"),
        column("INTERFACES", "interfaces"),
        column("OFF", "off"),
        column("NOT PINNED", "unpinned"),
    ],
};

pub(super) const RECORDINGS: Table = Table {
    collection: "recordings",
    columns: &[
        column("SINCE", "since"),
        column("CALL", "callId"),
        column("LINE", "line"),
        column("OTHER", "other"),
        column("BY", "by"),
        column("STATE", "state"),
        column("PACKETS", "packets"),
        column("LOST", "lost"),
        column("FILE", "file"),
        column("REASON", "reason"),
    ],
};

pub(super) const TRUNKS: Table = Table {
    collection: "trunks",
    columns: &[
        column("TRUNK", "trunk"),
        column("PEER", "peer"),
        column("ADDRESSES", "resolved"),
        column("REGISTRATION", "registration"),
        column("CALLS", "calls"),
    ],
};

pub(super) const PARK: Table = Table {
    collection: "park",
    columns: &[
        column("SLOT", "slot"),
        column("LOT", "lot"),
        column("PARTY", "party"),
        column("NAME", "name"),
        column("BY", "by"),
        column("CALL", "callId"),
        column("SINCE", "since"),
    ],
};

pub(super) const PICKUP_GROUPS: Table = Table {
    collection: "pickup-groups",
    columns: &[
        column("GROUP", "group"),
        column("ID", "id"),
        column("MEMBERS", "members"),
        column("ALSO FOR", "allow"),
        column("RINGING", "ringing"),
    ],
};

pub(super) const SUBSCRIPTIONS: Table = Table {
    collection: "subscriptions",
    columns: &[
        column("LINE", "line"),
        column("PACKAGE", "package"),
        column("ENTITY", "entity"),
        column("EXPIRES", "expires"),
    ],
};

pub(super) const COMPLETIONS: Table = Table {
    collection: "completions",
    columns: &[
        column("ID", "completionId"),
        column("LINE", "line"),
        column("WAITS FOR", "callee"),
        column("MODE", "mode"),
        column("AFTER", "condition"),
        column("STATE", "state"),
        column("PLACE", "position"),
        column("SINCE", "since"),
        column("EXPIRES", "expiresAt"),
    ],
};

pub(super) const QUEUES: Table = Table {
    collection: "queues",
    columns: &[
        column("QUEUE", "queue"),
        column("NUMBER", "number"),
        column("STRATEGY", "strategy"),
        column("WAITING", "waiting"),
        column("LONGEST", "longestWait"),
        column("READY", "agentsReady"),
        column("BUSY", "agentsBusy"),
        column("LOGGED IN", "agentsLoggedIn"),
        column("QUEUED", "totalCallsQueued"),
        column("ANSWERED", "callsAnswered"),
        column("ABANDONED", "totalCallsAbandoned"),
        column("AVG WAIT", "averageWaitTime"),
        column("AVG ANSWER", "averageSpeedOfAnswer"),
        column("SERVICE %", "serviceLevel"),
    ],
};

pub(super) const AGENTS: Table = Table {
    collection: "agents",
    columns: &[
        column("AGENT", "agent"),
        column("NAME", "name"),
        column("STATE", "agentState"),
        column("SINCE", "since"),
        column("LINE", "line"),
        column("GROUPS", "groups"),
        column("ACTIVITY", "activity"),
        column("CALLS", "numberOfAcdCalls"),
        column("TALK", "totalAcdTalkTime"),
        column("WRAP-UP", "totalAcdWrapUpTime"),
        column("IN", "numberOfIncomingCalls"),
        column("OUT", "numberOfOutgoingCalls"),
    ],
};

pub(super) const AGENT_SESSIONS: Table = Table {
    collection: "agent-sessions",
    columns: &[
        column("SESSION", "hAgentSession"),
        column("AGENT", "agent"),
        column("GROUP", "group"),
        column("LINE", "line"),
        column("STATE", "agentSessionState"),
        column("NEXT", "nextAgentSessionState"),
        column("DURATION", "sessionDuration"),
        column("CALLS", "numberOfCalls"),
        column("AVG TALK", "averageTalkTime"),
        column("AVG ANSWER", "averageTimeToAnswer"),
    ],
};

pub(super) const BANS: Table = Table {
    collection: "bans",
    columns: &[
        column("SOURCE", "source"),
        column("REASON", "reason"),
        column("TIMES", "times"),
        column("SINCE", "since"),
        column("EXPIRES", "expiresAt"),
    ],
};

/// Prints the table, once or whenever it changed.
pub(super) fn show(shown: &Table, list: &List) -> Result<(), CliError> {
    let client = Client::find(&list.connection)?;
    let mut before = None;
    loop {
        let rows = client.rows(shown.collection)?;
        if before.as_ref() != Some(&rows) {
            print(shown, list, &rows)?;
            before = Some(rows);
        }
        if !list.watch {
            return Ok(());
        }
        pause();
    }
}

fn print(shown: &Table, list: &List, rows: &[Value]) -> Result<(), CliError> {
    let text = match (list.json, list.watch) {
        (true, true) => format!("{}\n", json!({ "items": rows })),
        (true, false) => format!("{:#}\n", json!({ "items": rows })),
        (false, _) => table::text(shown.columns, &readable(rows)),
    };
    let mut out = stdout().lock();
    if list.watch && !list.json {
        out.write_all(if stdout().is_terminal() { CLEAR.as_bytes() } else { b"\n" })?;
    }
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Rows as people read them: points in time, who rings where, and constants without their
/// families' names.
fn readable(rows: &[Value]) -> Vec<Value> {
    let mut rows = rows.to_vec();
    for row in rows.iter_mut().filter_map(Value::as_object_mut) {
        for member in ["since", "expiresAt"] {
            if let Some(time) = row.get(member).and_then(Value::as_u64) {
                row.insert(member.to_owned(), clock::timestamp(time).into());
            }
        }
        if let Some(ringing) = row.get("ringing").and_then(Value::as_array) {
            let shown = ringing.iter().map(|call| {
                format!("{} at {}", table::plain(&call["caller"]), table::plain(&call["line"]))
            });
            let shown: Vec<String> = shown.collect();
            row.insert("ringing".to_owned(), shown.into());
        }
        if let Some(list) = row.get("forwardList").and_then(Value::as_array) {
            let list = list.iter().filter_map(forward).collect::<Vec<_>>();
            row.insert("forwardList".to_owned(), list.into());
        }
        if let Some(addresses) = row.get("addresses").and_then(Value::as_array) {
            let shared = addresses.iter().filter(|address| address["addressId"] != 0);
            let shared: Vec<String> = shared.map(shared_address).collect();
            row.insert("addresses".to_owned(), shared.into());
        }
        let constants = ["agentState", "agentSessionState", "nextAgentSessionState"];
        for member in ["callState", "mode", "condition"].into_iter().chain(constants) {
            let constant = row.get(member).and_then(Value::as_str);
            if let Some((_, name)) = constant.and_then(|constant| constant.split_once('_')) {
                let name = Value::from(name);
                row.insert(member.to_owned(), name);
            }
        }
    }
    rows
}

/// `250 BRIDGEDEXCL`.
fn shared_address(address: &Value) -> String {
    let sharing = address["sharing"].as_str().unwrap_or_default();
    let sharing = sharing.trim_start_matches("LINEADDRESSSHARING_");
    format!("{} {sharing}", table::plain(&address["address"]))
}

/// `BUSYSPECIFIC(202)>206`; do not disturb for everybody has a column of its own.
fn forward(entry: &Value) -> Option<String> {
    let word = |member: &str| entry.get(member).and_then(Value::as_str);
    let mode = word("forwardMode")?.trim_start_matches("LINEFORWARDMODE_");
    let caller = word("callerAddress").map(|caller| format!("({caller})")).unwrap_or_default();
    match word("destAddress") {
        Some(destination) => Some(format!("{mode}{caller}>{destination}")),
        None if mode == "UNCOND" => None,
        None => Some(format!("{mode}{caller}>refused")),
    }
}

/// `strowger bans --lift`.
pub(super) fn lift(source: &str, connection: &Connection) -> Result<(), CliError> {
    Client::find(connection)?.delete(&format!("bans/{}", source.replace('/', "%2F")))?;
    writeln!(stdout(), "{source} is listened to again.")?;
    Ok(())
}

/// `strowger bans --ban`.
pub(super) fn ban(
    source: &str,
    duration: Option<&str>,
    connection: &Connection,
) -> Result<(), CliError> {
    let mut wish = json!({ "source": source });
    if let Some(duration) = duration {
        wish["duration"] = duration.into();
    }
    let banned = Client::find(connection)?.post_json("bans", &wish)?;
    let until = banned["expiresAt"].as_u64().map(clock::timestamp).unwrap_or_default();
    writeln!(stdout(), "{source} is not listened to until {until}.")?;
    Ok(())
}

/// `strowger status`; refused while no calls are taken.
pub(super) fn status(connection: &Connection) -> Result<(), CliError> {
    let answer = Client::find(connection)?.ready()?;
    let mut out = stdout().lock();
    writeln!(out, "Calls are taken.")?;
    for trouble in answer["troubles"].as_array().into_iter().flatten() {
        writeln!(out, "{}", table::plain(trouble))?;
    }
    Ok(())
}

/// `strowger reload`.
pub(super) fn reload(connection: &Connection) -> Result<(), CliError> {
    let answer = Client::find(connection)?.post("reload")?;
    let mut out = stdout().lock();
    writeln!(out, "The new configuration is in use.")?;
    for note in answer["notes"].as_array().into_iter().flatten() {
        writeln!(out, "{}", table::plain(note))?;
    }
    Ok(())
}

/// `strowger drain`: returns when the last call has ended.
pub(super) fn drain(connection: &Connection) -> Result<(), CliError> {
    let client = Client::find(connection)?;
    client.post("drain")?;
    let mut before = None;
    loop {
        let calls = client.rows("calls")?.len();
        if calls == 0 {
            writeln!(stdout(), "No call is left; new calls are refused.")?;
            return Ok(());
        }
        if before != Some(calls) {
            writeln!(stdout(), "New calls are refused; {calls} present ones go on.")?;
            before = Some(calls);
        }
        pause();
    }
}

#[expect(clippy::disallowed_methods, reason = "a client that polls waits between two looks")]
fn pause() {
    std::thread::sleep(LOOK_EVERY);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pickup_group_says_who_rings_where() {
        let rows = [json!({
            "group": "sales", "id": "10", "members": ["201", "202"], "allow": [],
            "ringing": [{"line": "202", "caller": "206", "callId": 7, "since": 1}],
        })];
        let text = table::text(PICKUP_GROUPS.columns, &readable(&rows));
        assert!(text.contains("201,202") && text.contains("206 at 202"), "{text}");
    }

    #[test]
    fn forwarding_is_shown_in_few_words() {
        let entry = |mode: &str, caller: Option<&str>, to: Option<&str>| json!({"forwardMode": mode, "callerAddress": caller, "destAddress": to});
        let rows = [json!({"line": "201", "dnd": true, "forwardList": [
            entry("LINEFORWARDMODE_UNCOND", None, None),
            entry("LINEFORWARDMODE_BUSYSPECIFIC", Some("202"), Some("206")),
            entry("LINEFORWARDMODE_NOANSW", None, None),
        ]})];
        let text = table::text(LINES.columns, &readable(&rows));
        assert!(text.contains("yes  BUSYSPECIFIC(202)>206,NOANSW>refused"), "{text}");
    }

    #[test]
    fn calls_are_shown_with_short_names_and_dates() {
        let rows = [json!({
            "callId": 7, "line": "201", "callState": "LINECALLSTATE_CONNECTED",
            "mode": "LINECONNECTEDMODE_ACTIVE", "since": 1_704_067_199_000_u64,
        })];
        let text = table::text(CALLS.columns, &readable(&rows));
        assert!(text.contains(" CONNECTED  ACTIVE "), "{text}");
        assert!(text.contains("2023-12-31T23:59:59.000Z"), "{text}");
    }
}
