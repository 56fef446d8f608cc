//! Recordings of calls: on request, and by the rules of lines and queues.
//!
//! What is recorded is a party: what its phone says and what it hears, whoever talks to it, on hold and
//! after a transfer, until it hangs up. The relay copies and writes; here is decided whom, and under
//! which name.

use std::collections::BTreeMap;
use std::fmt::Write;

use config::RecordingFormat;
use media::MemberCodec;
use media::recording::{Format, Recorded, Recording, Voices};
use serde_json::{Value, json};
use sip_stack::sdp::{Codec, Session};
use tapi::constant::CallState;

use super::bridge::voice;
use super::end::MediaEnd;
use super::{CallId, Side};
use crate::exchange::counters::{add, count};
use crate::exchange::{Exchange, Problem};
use crate::server::clock;

/// Recordings that are over and still shown.
const SHOWN_MAX: usize = 1_000;
/// Letters of a number that go into a file's name.
const NUMBER_MAX: usize = 32;

/// The recordings under way, and the last that are over.
#[derive(Debug, Default)]
pub(crate) struct Recordings {
    /// Call records so far: names for the store.
    pub(crate) records: u64,
    last: u64,
    rows: BTreeMap<u64, Row>,
}

#[derive(Debug)]
struct Row {
    call_id: u32,
    line: String,
    other: Option<String>,
    file: String,
    by: &'static str,
    since_unix_ms: u64,
    ended_unix_ms: Option<u64>,
    recorded: Recorded,
}

impl Recordings {
    fn active(&self) -> usize {
        self.rows.values().filter(|row| row.ended_unix_ms.is_none()).count()
    }

    fn add(&mut self, row: Row) -> u64 {
        let over = self.rows.iter().filter(|(_, row)| row.ended_unix_ms.is_some());
        let over: Vec<u64> = over.map(|(ticket, _)| *ticket).collect();
        let surplus = (over.len() + 1).saturating_sub(SHOWN_MAX);
        for ticket in over.into_iter().take(surplus) {
            self.rows.remove(&ticket);
        }
        self.last += 1;
        self.rows.insert(self.last, row);
        self.last
    }
}

impl Exchange {
    /// `POST calls/{callId}/record`: the file.
    pub(crate) fn record_on_request(
        &mut self,
        id: CallId,
        format: Option<RecordingFormat>,
    ) -> Result<Value, Problem> {
        self.begin_recording(id, format, "request")
    }

    /// Records a call whose line, or the queue that it came from, is recorded.
    pub(crate) fn record_by_rule(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id.0).filter(|call| call.state == CallState::Connected)
        else {
            return;
        };
        let Some(line) = call.party.line().and_then(|line| self.config.lines.get(line)) else {
            return;
        };
        let is_new = call.end.recording.is_none() && call.history.recordings.is_empty();
        let is_ready = call.end.termination().is_some() && !voices(&call.end).from.is_empty();
        if !is_new || !is_ready || self.config.recording.folder.is_none() {
            return;
        }
        let by = match line.record {
            true => Some("line"),
            false => self.is_of_recorded_queue(id).then_some("queue"),
        };
        if let Some(by) = by
            && let Err(problem) = self.begin_recording(id, None, by)
        {
            tracing::warn!("a call that is to be recorded is not: {}", problem.detail);
        }
    }

    /// At the agent, who was called, the number that was called is the queue's. The caller's own view
    /// names it, too; one file of the two is enough, and it begins when somebody is there to talk with.
    fn is_of_recorded_queue(&self, id: CallId) -> bool {
        let call = self.calls.get(id.0).filter(|call| call.side == Side::Called);
        let call = call.and_then(|call| self.tapi.call(call.tapi?));
        let called = call.map(|view| view.info.called.number.as_str());
        let queue = called.and_then(|number| self.config.queue_at(number));
        queue.is_some_and(|queue| queue.record)
    }

    fn begin_recording(
        &mut self,
        id: CallId,
        format: Option<RecordingFormat>,
        by: &'static str,
    ) -> Result<Value, Problem> {
        let refused = |status, detail: &str| Problem { status, detail: detail.to_owned() };
        let config = &self.config.recording;
        let folder = config.folder.clone().ok_or_else(|| {
            refused(409, "nothing can be recorded: [recording] folder is not configured")
        })?;
        let format = format.unwrap_or(config.format);
        if self.recordings.active() >= usize::try_from(config.max).unwrap_or(usize::MAX) {
            count(&self.counters.recordings_failed_total);
            return Err(refused(503, "too many calls are recorded; see [recording] max"));
        }
        let call = self.calls.get(id.0).filter(|call| call.is_established());
        let call = call.ok_or_else(|| refused(409, "only a connected call can be recorded"))?;
        let place = call.end.termination().zip(call.end.audio_stream());
        let (termination, stream) =
            place.ok_or_else(|| refused(409, "the call has no sound to record"))?;
        let present = call.end.recording.and_then(|ticket| self.recordings.rows.get(&ticket));
        if let Some(row) = present.filter(|row| row.ended_unix_ms.is_none()) {
            return Ok(json!({ "callId": row.call_id, "file": row.file }));
        }
        let line = call.party.number().to_owned();
        let voices = voices(&call.end);
        let other = self.far(id).and_then(|far| self.calls.get(far.0));
        let other = other.map(|far| far.party.number().to_owned());
        let call_id = self.connection_number(id);
        let row = Row {
            call_id,
            file: String::new(),
            line,
            other,
            by,
            since_unix_ms: self.clock.unix_ms,
            ended_unix_ms: None,
            recorded: Recorded::default(),
        };
        let ticket = self.recordings.last + 1;
        let file = file_name(&row, ticket, format);
        let recording = Recording {
            ticket,
            path: folder.join(&file),
            format: match format {
                RecordingFormat::Wav => Format::Wav,
                RecordingFormat::Pcap => Format::Pcap,
            },
            voices,
            now_unix_ms: self.clock.unix_ms,
        };
        if let Err(error) = self.media.record(termination, stream, recording) {
            count(&self.counters.recordings_failed_total);
            return Err(Problem { status: 503, detail: error.to_string() });
        }
        let fields = json!({ "line": row.line, "callId": call_id, "file": file, "by": by });
        self.recordings.add(Row { file: file.clone(), ..row });
        if let Some(call) = self.calls.get_mut(id.0) {
            call.end.recording = Some(ticket);
            call.history.recordings.push(file.clone());
        }
        count(&self.counters.recordings_total);
        self.count_recordings();
        self.publish("RECORDING_BEGAN", fields);
        Ok(json!({ "callId": call_id, "file": file }))
    }

    /// `POST calls/{callId}/stop-recording`: the file.
    pub(crate) fn stop_recording(&mut self, id: CallId) -> Result<Value, Problem> {
        let refused = || {
            let detail = "this party is not recorded; see GET recordings".to_owned();
            Problem { status: 409, detail }
        };
        let call = self.calls.get_mut(id.0).ok_or_else(refused)?;
        let ticket = call.end.recording.take().ok_or_else(refused)?;
        if let Some((termination, stream)) = call.end.termination().zip(call.end.audio_stream()) {
            self.media.stop_recording(termination, stream);
        }
        let row = self.recordings.rows.get(&ticket).ok_or_else(refused)?;
        Ok(json!({ "callId": row.call_id, "file": row.file }))
    }

    /// The relay has finished a file, or could not.
    pub(crate) fn on_recorded(&mut self, ticket: u64, recorded: Recorded) {
        let Some(row) = self.recordings.rows.get_mut(&ticket) else { return };
        row.ended_unix_ms = Some(self.clock.unix_ms);
        row.recorded = recorded;
        let reason = reason(&recorded);
        let folder = self.config.recording.folder.clone().unwrap_or_default();
        let path = folder.join(&row.file);
        let fields = json!({
            "line": row.line, "callId": row.call_id, "file": row.file,
            "packets": recorded.packets, "lost": recorded.lost, "reason": reason,
        });
        if let Some(reason) = &reason {
            count(&self.counters.recordings_failed_total);
            tracing::error!(
                "the recording {} of line {} ended early ({reason}); check the space on its disk and the \
                 permissions of its folder; the call goes on",
                path.display(),
                row.line
            );
        } else if recorded.lost > 0 {
            let lost = recorded.lost;
            tracing::warn!("the recording {} lacks {lost} packets", path.display());
        }
        add(&self.counters.recording_packets_total, recorded.packets);
        add(&self.counters.recording_packets_lost_total, recorded.lost);
        self.count_recordings();
        self.publish("RECORDING_ENDED", fields);
    }

    /// Rows of `GET recordings`, oldest first.
    pub(crate) fn recording_rows(&self) -> Value {
        let row = |row: &Row| {
            let reason = reason(&row.recorded);
            let state = match (row.ended_unix_ms, &reason) {
                (None, _) => "recording",
                (Some(_), None) => "finished",
                (Some(_), Some(_)) => "failed",
            };
            let known = row.ended_unix_ms.map(|_| row.recorded);
            json!({
                "callId": row.call_id, "line": row.line, "other": row.other, "file": row.file,
                "by": row.by, "since": row.since_unix_ms, "ended": row.ended_unix_ms,
                "state": state, "reason": reason,
                "packets": known.map(|recorded| recorded.packets),
                "lost": known.map(|recorded| recorded.lost),
                "bytes": known.map(|recorded| recorded.bytes),
            })
        };
        self.recordings.rows.values().map(row).collect()
    }

    fn count_recordings(&self) {
        let active = u64::try_from(self.recordings.active()).unwrap_or_default();
        self.counters.recordings.store(active, std::sync::atomic::Ordering::Relaxed);
    }

    fn connection_number(&self, id: CallId) -> u32 {
        let connection = self.calls.get(id.0).and_then(|c| self.connections.get(c.connection.0));
        connection.map_or(0, |connection| connection.call_id)
    }
}

fn reason(recorded: &Recorded) -> Option<String> {
    let code = recorded.failure?;
    Some(match code {
        0 => "an unknown error".to_owned(),
        code => std::io::Error::from_raw_os_error(code).to_string(),
    })
}

/// `20260203T091244120Z-201-202-7-1.wav`: when, whose, with whom, dwCallID, and a number of this run.
/// Nothing in it comes from outside but letters, digits and `+`.
fn file_name(row: &Row, ticket: u64, format: RecordingFormat) -> String {
    let safe = |text: &str| -> String {
        let letters = text.chars().take(NUMBER_MAX);
        letters.map(|c| if c.is_ascii_alphanumeric() || c == '+' { c } else { '_' }).collect()
    };
    let time = clock::timestamp(row.since_unix_ms);
    let mut name: String = time.chars().filter(char::is_ascii_alphanumeric).collect();
    let other = row.other.as_deref().unwrap_or("nobody");
    let kind = match format {
        RecordingFormat::Wav => "wav",
        RecordingFormat::Pcap => "pcap",
    };
    // Writing to a String cannot fail.
    let _ = write!(name, "-{}-{}-{}-{ticket}.{kind}", safe(&row.line), safe(other), row.call_id);
    name
}

/// How a phone's packets are decoded: what it was told, under the numbers it was told, and the same
/// under its own.
pub(crate) fn voices(end: &MediaEnd) -> Voices {
    let told = end.local().and_then(Session::audio);
    let named = end.remote.as_ref().and_then(Session::audio);
    let Some((told, named)) = told.zip(named) else { return Voices::default() };
    let mut voices = Voices::default();
    for codec in &told.codecs {
        let own = named.codecs.iter().find(|own: &&Codec| own.is_same_encoding(codec));
        let (Some(kind), Some(own)) = (voice(codec), own) else { continue };
        voices.from.push(MemberCodec { payload: codec.payload, kind });
        voices.to.push(MemberCodec { payload: own.payload, kind });
    }
    voices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_hold_nothing_that_a_shell_or_a_path_could_mean() {
        let row = Row {
            call_id: 7,
            line: "201".to_owned(),
            other: Some("../../etc/pass wd;+33".to_owned()),
            file: String::new(),
            by: "request",
            since_unix_ms: 1_704_067_199_000,
            ended_unix_ms: None,
            recorded: Recorded::default(),
        };
        let name = file_name(&row, 3, RecordingFormat::Wav);
        assert_eq!(name, "20231231T235959000Z-201-______etc_pass_wd_+33-7-3.wav");
        let long = Row { other: Some("1".repeat(500)), ..row };
        assert!(file_name(&long, 3, RecordingFormat::Pcap).len() < 128);
    }
}
