//! Call records: what is kept of a party's call when it is over, and how well the parties heard.
//!
//! A record is one party's view: a conversation of two lines leaves two, one of a line and a trunk
//! leaves two as well. Source: TAPI LINECALLINFO for the words; ITU-T G.107 for the scores.

use media::StreamStatistics;
use media::quality::Measured;
use serde_json::{Value, json};
use sip_stack::sdp::{Codec, Session};
use sip_stack::time::Now;
use tapi::constant::{CallOrigin, CallState, DisconnectMode};
use tapi::{CallMode, Constant};

use super::end::MediaEnd;
use super::{Call, CallId, Party, Side};
use crate::exchange::counters::{add, count};
use crate::exchange::{Clock, Exchange, Output};
use crate::store::{Change, StoredCallRecord};

/// Below this score users complain (G.107 annex B: "some users dissatisfied").
const MOS_POOR: f64 = 3.6;

fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// When what happened to a call.
#[derive(Clone, Debug, Default)]
pub struct History {
    began_unix_ms: u64,
    answered_unix_ms: Option<u64>,
    /// The same by the clock that nobody sets: how long they talked is told by it.
    answered_at: Option<Now>,
    disconnect: Option<DisconnectMode>,
    /// Who called, where no application's view of the call can tell.
    caller: Option<String>,
    media: Option<Heard>,
    /// Files with recordings of it.
    pub(crate) recordings: Vec<String>,
}

/// What was counted of a call's audio.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    codec: String,
    srtp: Option<String>,
    stream: StreamStatistics,
}

impl History {
    /// Of a call that begins.
    pub(crate) fn begun(clock: Clock, state: CallState, caller: Option<String>) -> History {
        let mut history = History { began_unix_ms: clock.unix_ms, caller, ..History::default() };
        history.note(clock, state, CallMode::None);
        history
    }

    /// The call goes over to a state.
    pub(crate) fn note(&mut self, clock: Clock, state: CallState, mode: CallMode) {
        match state {
            CallState::Connected if self.answered_unix_ms.is_none() => {
                self.answered_unix_ms = Some(clock.unix_ms);
                self.answered_at = Some(clock.now);
            }
            CallState::Busy => self.disconnect = Some(DisconnectMode::Busy),
            _ => {}
        }
        if let CallMode::Disconnected(mode) = mode {
            self.disconnect = Some(mode);
        }
    }

    /// The ports of its phone have gone: what was counted there is kept.
    pub(crate) fn heard(&mut self, heard: Option<Heard>) {
        self.media = heard.or(self.media.take());
    }
}

impl Exchange {
    /// Who calls on a connection, for the record of a trunk's call.
    pub(crate) fn caller_for_record(&self, connection: super::ConnectionKey) -> Option<String> {
        let caller = self.connections.get(connection.0)?.caller?;
        Some(self.calls.get(caller.0)?.party.number().to_owned())
    }

    /// What will be kept of a call that is about to end; nothing of calls that nobody heard of.
    pub(crate) fn record_of(&self, id: CallId) -> Option<Value> {
        let call = self.calls.get(id.0).filter(|call| call.state != CallState::Unknown)?;
        let connection = self.connections.get(call.connection.0)?;
        let info = call.tapi.and_then(|key| self.tapi.call(key)).map(|view| view.info);
        let shown = |party: fn(&tapi::CallInfo) -> &tapi::PartyId| {
            let number = info.map(|info| party(info).number.clone());
            number.filter(|number| !number.is_empty())
        };
        let is_outbound = info.map_or(call.side == Side::Caller, |info| {
            matches!(info.origin, CallOrigin::Outbound | CallOrigin::Conference)
        });
        let own = || (call.side == Side::Caller).then(|| call.party.number().to_owned());
        let trunk = match &call.party {
            Party::Trunk { name, .. } => Some(name),
            Party::Line(_) => None,
        };
        let history = &call.history;
        let now = self.clock.unix_ms;
        Some(json!({
            "callId": connection.call_id,
            "line": call.party.number(),
            "trunk": trunk,
            "address": call.number(),
            "origin": if is_outbound { "OUTBOUND" } else { "INBOUND" },
            "reason": info.map(|info| info.reason.name()),
            "caller": shown(|info| &info.caller).or_else(|| history.caller.clone()).or_else(own),
            "called": shown(|info| &info.called).unwrap_or_else(|| connection.dialled.clone()),
            "connected": shown(|info| &info.connected),
            "began": history.began_unix_ms,
            "answered": history.answered_unix_ms,
            "ended": now,
            "talkMs": history.answered_at.map(|answered| millis(self.clock.now - answered)),
            "disconnectMode": history.disconnect.map(|mode| mode.name()),
        }))
    }

    /// Gives ports back, and says what was counted there.
    pub(crate) fn end_media(
        &mut self,
        line: &str,
        call_id: u32,
        end: &mut MediaEnd,
    ) -> Option<Heard> {
        let srtp = end.srtp(self.media.as_ref());
        let (termination, statistics) = end.release(self.media.as_mut())?;
        self.by_termination.remove(&termination);
        self.publish_media(line, call_id, &statistics);
        let stream = *statistics.streams.get(end.audio_stream()?)?;
        let heard = Heard { codec: agreed_codec(end), srtp, stream };
        self.count_quality(&heard);
        Some(heard)
    }

    /// Keeps the record of a call that has ended.
    pub(crate) fn keep_record(&mut self, record: Option<Value>, call: &Call) {
        let Some(mut record) = record else { return };
        let media = call.history.media.as_ref();
        record["codec"] = media.map(|heard| heard.codec.clone()).into();
        record["recordings"] = call.history.recordings.clone().into();
        record["srtp"] = media.and_then(|heard| heard.srtp.clone()).into();
        record["media"] = media.map(|heard| quality(&heard.stream, &heard.codec)).into();
        self.recordings.records += 1;
        let stored = StoredCallRecord {
            id: self.recordings.records,
            ended_unix_ms: self.clock.unix_ms,
            line: call.party.number().to_owned(),
            call_id: record["callId"].as_u64().and_then(|id| u32::try_from(id).ok()).unwrap_or(0),
            record: record.to_string(),
        };
        self.outputs.push(Output::Store(Change::AddCallRecord(Box::new(stored))));
    }

    fn count_quality(&self, heard: &Heard) {
        let (counters, stream) = (&self.counters, &heard.stream);
        add(&counters.media_packets_received_total, stream.received.packets);
        add(&counters.media_packets_sent_total, stream.sent.packets);
        add(&counters.media_packets_lost_total, stream.received.lost);
        add(&counters.media_packets_late_total, stream.received.late);
        add(&counters.media_packets_dropped_total, stream.received.dropped.total());
        for measured in [Measured::received(stream), Measured::sent(stream)].into_iter().flatten() {
            let score = measured.mos(&heard.codec);
            count(&counters.media_scores_total);
            add(&counters.media_mos_hundredths_total, (score * 100.0).round() as u64);
            add(&counters.media_jitter_ms_total, u64::from(measured.jitter_ms));
            if score < MOS_POOR {
                count(&counters.media_poor_scores_total);
            }
        }
        if let Some(round_trip) = stream.round_trip {
            count(&counters.media_round_trips_total);
            let ms = u64::try_from(round_trip.as_millis()).unwrap_or_default();
            add(&counters.media_round_trip_ms_total, ms);
        }
    }
}

/// The codec that a phone was told first of those it takes.
pub(crate) fn agreed_codec(end: &MediaEnd) -> String {
    let told = end.local().and_then(Session::audio);
    let taken = end.remote.as_ref().and_then(Session::audio);
    let agreed = told.zip(taken).and_then(|(told, taken)| {
        let is_taken = |codec: &&Codec| taken.codecs.iter().any(|own| own.is_same_encoding(codec));
        told.codecs.iter().filter(|codec| !codec.is_telephone_event()).find(is_taken)
    });
    agreed.map_or_else(|| end.codec(), |codec| codec.name.clone())
}

/// How well both directions of a stream were heard.
pub(crate) fn quality(stream: &StreamStatistics, codec: &str) -> Value {
    let (received, sent) = (&stream.received, &stream.sent);
    let (mos_received, mos_sent) = scores(stream, codec);
    json!({
        "received": {
            "packets": received.packets, "lost": received.lost, "lossBursts": received.bursts,
            "late": received.late, "jitterMs": received.jitter_ms, "mos": mos_received,
        },
        "sent": {
            "packets": sent.packets, "lost": sent.lost, "jitterMs": sent.jitter_ms,
            "mos": mos_sent,
        },
        "roundTripMs": round_trip_ms(stream),
    })
}

/// The scores of what came from a party and of what it heard, in hundredths.
pub(crate) fn scores(stream: &StreamStatistics, codec: &str) -> (Option<f64>, Option<f64>) {
    let score = |measured: Measured| (measured.mos(codec) * 100.0).round() / 100.0;
    (Measured::received(stream).map(score), Measured::sent(stream).map(score))
}

/// To the party and back, in tenths of a millisecond.
pub(crate) fn round_trip_ms(stream: &StreamStatistics) -> Option<f64> {
    stream.round_trip.map(|trip| (trip.as_secs_f64() * 10_000.0).round() / 10.0)
}
