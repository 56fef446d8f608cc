//! Call completion as administrators see it, and what of it outlives the process.

use std::time::Duration;

use serde_json::{Value, json};
use tapi::constant::{CallComplCond, CallComplMode};
use tapi::{CompletionEnd, Constant};

use super::Exchange;
use super::mailbox::Problem;
use crate::feature::completion::Request;
use crate::store::{StoredCompletion, StoredCompletions, StoredMessage};

impl Exchange {
    /// Rows of `GET completions`, in the order in which requests were made.
    pub(super) fn completion_rows(&self) -> Value {
        let row = |request: &Request| {
            let place = self.completing.queue.at(&request.callee).position(|r| r.id == request.id);
            let state = if request.is_recalling {
                "RECALLING"
            } else if self.is_in_use(&request.line) {
                "SUSPENDED"
            } else {
                "WAITING"
            };
            json!({
                "completionId": request.id, "line": request.line, "callee": request.callee,
                "mode": request.mode.name(), "condition": request.condition.name(),
                "state": state, "position": place.map_or(0, |place| place + 1),
                "since": request.since_unix_ms, "expiresAt": request.expires_at_unix_ms,
                "callId": request.call_id,
            })
        };
        self.completing.queue.iter().map(row).collect()
    }

    /// `DELETE completions/{completionId}`.
    pub(super) fn cancel_completion(&mut self, id: u32) -> Result<Value, Problem> {
        if self.completing.queue.get(id).is_none() {
            let detail = format!("no request for completion has the identifier {id}");
            return Err(Problem { status: 404, detail });
        }
        self.end_request(id, CompletionEnd::Cancelled, "ADMINISTRATOR");
        Ok(json!({"completionId": id}))
    }

    /// `DELETE lines/{line}/messages`.
    pub(super) fn clear_messages(&mut self, line: &str) -> Result<Value, Problem> {
        if !self.config.lines.contains_key(line) {
            return Err(Problem { status: 404, detail: format!("there is no line {line}") });
        }
        self.keep_messages(line, Vec::new());
        Ok(json!({"line": line, "messages": []}))
    }

    /// What was left for a line.
    pub(super) fn message_rows(&self, line: &str) -> Value {
        let row = |message: &StoredMessage| {
            json!({
                "from": message.from, "text": message.text, "since": message.since_unix_ms,
            })
        };
        self.completing.messages.get(line).into_iter().flatten().map(row).collect()
    }

    /// Takes back what the previous run kept.
    pub(super) fn restore_completions(&mut self, kept: StoredCompletions) {
        self.tapi.completions_from(kept.last_id);
        let now = self.clock.unix_ms;
        let is_line = |exchange: &Exchange, line: &str| exchange.config.lines.contains_key(line);
        for stored in kept.requests {
            // The machine's clock may have been set back meanwhile.
            let whole = stored.expires_at_unix_ms.saturating_sub(stored.since_unix_ms);
            let left = stored.expires_at_unix_ms.saturating_sub(now).min(whole);
            let Some(request) = restored(stored).filter(|request| {
                left > 0 && is_line(self, &request.line) && is_line(self, &request.callee)
            }) else {
                continue;
            };
            self.await_expiry(request.id, Duration::from_millis(left));
            self.tell_added(&request);
            let callee = request.callee.clone();
            self.completing.queue.insert(request);
            self.touch(&callee);
        }
        for (line, messages) in kept.messages {
            // The lamp itself is kept with the count of what waits.
            if is_line(self, &line) {
                self.completing.messages.insert(line, messages);
            }
        }
    }

    /// A line is no longer configured: neither does it wait, nor anybody for it.
    pub(super) fn forget_completions(&mut self, line: &str) {
        let queue = &self.completing.queue;
        let ids = queue.of_line(line).chain(queue.at(line)).map(|request| request.id);
        let ids: Vec<u32> = ids.collect();
        for id in ids {
            self.end_request(id, CompletionEnd::Cancelled, "LINE_REMOVED");
        }
    }
}

/// A row as a request; none for values that this release does not know.
fn restored(stored: StoredCompletion) -> Option<Request> {
    Some(Request {
        id: stored.id,
        mode: CallComplMode::from_value(stored.mode)?,
        condition: CallComplCond::from_value(stored.condition)?,
        call_id: stored.call_id,
        needs_activity: stored.needs_activity,
        since_unix_ms: stored.since_unix_ms,
        expires_at_unix_ms: stored.expires_at_unix_ms,
        is_recalling: false,
        refusals: 0,
        line: stored.line,
        callee: stored.callee,
    })
}
