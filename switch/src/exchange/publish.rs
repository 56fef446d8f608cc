//! The lines of `GET events`: what happened, for those who follow the switch.

use media::TerminationStatistics;
use serde_json::{Value, json};
use tapi::Constant;

use super::mailbox::Output;
use super::{Exchange, Suspicion};
use crate::call::CallId;

/// Fewer packets of somebody else than these are late ones of the call that had the port before, or of
/// where a phone was before it moved.
const FOREIGN_MIN: u64 = 10;

impl Exchange {
    /// Publishes one line of `GET events`.
    pub(crate) fn publish(&mut self, kind: &str, fields: Value) {
        self.publish_observed();
        self.publish_one(kind, fields);
    }

    /// What applications have been told meanwhile goes first.
    pub(crate) fn publish_observed(&mut self) {
        for observation in std::mem::take(&mut self.tapi.observed) {
            self.publish_one(observation.kind, observation.fields);
        }
    }

    fn publish_one(&mut self, kind: &str, fields: Value) {
        self.next_event += 1;
        let mut event =
            json!({"number": self.next_event, "time": self.clock.unix_ms, "kind": kind});
        if let (Some(event), Value::Object(fields)) = (event.as_object_mut(), fields) {
            event.extend(fields);
        }
        self.outputs.push(Output::Event { number: self.next_event, event });
    }

    /// LINE_CALLSTATE, whether or not an application is told.
    pub(crate) fn publish_state(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id.0) else { return };
        let Some(line) = call.party.line() else { return };
        let call_id = self.connections.get(call.connection.0).map_or(0, |c| c.call_id);
        let mut fields = json!({
            "line": line, "callId": call_id, "callState": call.state.name(),
        });
        if let (Some(fields), Some(mode)) = (fields.as_object_mut(), call.mode.name()) {
            fields.insert("mode".to_owned(), mode.into());
        }
        self.publish("LINE_CALLSTATE", fields);
    }

    /// A call has another dwCallID from now on.
    pub(crate) fn publish_move(&mut self, id: CallId, former: u32) {
        self.tell_dialogs(id);
        let Some(call) = self.calls.get(id.0) else { return };
        let Some(line) = call.party.line() else { return };
        let call_id = self.connections.get(call.connection.0).map_or(0, |c| c.call_id);
        let fields = json!({
            "line": line, "callId": call_id, "formerCallId": former, "callState": call.state.name(),
        });
        self.publish("LINE_CALLINFO", fields);
    }

    /// What was sent and received on a call that is over.
    pub(crate) fn publish_media(
        &mut self,
        line: &str,
        call_id: u32,
        statistics: &TerminationStatistics,
    ) {
        let foreign: u64 =
            statistics.streams.iter().map(|stream| stream.received.dropped.source).sum();
        if foreign >= FOREIGN_MIN {
            let reason = format!("{foreign} packets to call {call_id} from somebody else");
            self.suspect(Suspicion::ForeignMedia, None, line, reason);
        }
        for stream in &statistics.streams {
            self.publish(
                "MEDIA_ENDED",
                json!({
                    "line": line, "callId": call_id,
                    "packetsReceived": stream.received.packets, "packetsSent": stream.sent.packets,
                    "packetsLost": stream.received.lost, "jitterMs": stream.received.jitter_ms,
                }),
            );
        }
    }
}
