//! Asking for the completion of a call that met busy or no answer, and taking that back.
//!
//! The request waits in [`feature::completion`](crate::feature::completion); [`recall`](super::recall)
//! carries it out. A phone asks by a feature code soon after its attempt, an application by
//! lineCompleteCall on the call itself. Source: TAPI lineCompleteCall, lineUncompleteCall;
//! sip-mapping §3.8; tapi-call-control §4.8, §7.5.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use config::FeatureCode;
use serde_json::json;
use sip_stack::time::TimerToken;
use tapi::constant::{
    CallComplCond, CallComplMode, CallFeature, CallOrigin, CallReason, CallState, DisconnectMode,
    LineErr,
};
use tapi::{AddressId, CallInfo, CompletionEnd, Constant, Mask, ReplyFields, RequestKey};

use super::cause::{Cause, Outcome};
use super::identity::Identity;
use super::recall::Guard;
use super::{CallId, Completes, Connection, Side, Timer};
use crate::exchange::state::NewParty;
use crate::exchange::{Exchange, Output};
use crate::feature::completion::{MAX_MESSAGES, Queue, Request};
use crate::store::{Change, StoredCompletion, StoredMessage};

/// An attempt of a line that came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The line that asks.
    pub line: String,
    /// The line that was called.
    pub callee: String,
    /// What the call met.
    pub condition: CallComplCond,
    /// Its dwCallID.
    pub call_id: u32,
    /// When, in milliseconds since 1970.
    at_unix_ms: u64,
}

/// What the exchange keeps of call completion.
#[derive(Debug, Default)]
pub(crate) struct Completing {
    pub(crate) queue: Queue,
    /// The calls by which callers are being rung, with their requests.
    pub(crate) recalls: HashMap<CallId, u32>,
    /// The calls that show a waiting caller at the busy line.
    pub(crate) camped: HashMap<CallId, u32>,
    /// For each called line that is free: when its caller's turn has come.
    pub(crate) guards: HashMap<String, Guard>,
    expiries: HashMap<u32, TimerToken>,
    /// The last attempt of each line, for its feature code.
    failed: HashMap<String, Failed>,
    /// What was left for each line.
    pub(crate) messages: HashMap<String, Vec<StoredMessage>>,
    /// Lines of which something has changed since they were looked at.
    pub(crate) touched: BTreeSet<String>,
}

impl Exchange {
    /// The line that a call tries to reach, if the attempt could be completed: one of our lines
    /// called another one, and not because of an earlier request.
    pub(crate) fn completable(&self, id: CallId) -> Option<Failed> {
        let call = self.calls.get(id.0).filter(|call| call.side == Side::Caller)?;
        let line = call.party.line()?;
        let connection = self.connections.get(call.connection.0)?;
        let callee = &connection.dialled;
        let is_another = callee != line && self.config.lines.contains_key(callee);
        let is_answered = connection.answered.is_some();
        // Who is waiting still cannot ask again.
        let is_waiting = matches!(&connection.completion, Some(Completes::Recall { request, .. })
            if self.completing.queue.get(*request).is_some());
        (is_another && !is_answered && !is_waiting).then(|| Failed {
            line: line.to_owned(),
            callee: callee.clone(),
            condition: match call.state {
                CallState::Busy => CallComplCond::Busy,
                _ => CallComplCond::NoAnswer,
            },
            call_id: connection.call_id,
            at_unix_ms: self.clock.unix_ms,
        })
    }

    /// LINECALLINFO of a call that completes an earlier one; none where it is an ordinary one.
    pub(crate) fn completing_info(
        &self,
        new: &NewParty,
        connection: &Connection,
        completion: &Completes,
    ) -> Option<CallInfo> {
        let own = Identity::of(&self.config, &new.party);
        let dialled = self.identity_of_number(&connection.dialled);
        let (caller, reason, completion_id, related) = match (completion, new.side) {
            (Completes::Recall { request, call_id }, Side::Caller) => {
                (dialled, CallReason::CallCompletion, *request, *call_id)
            }
            (Completes::CampOn { line, call_id }, Side::Called) => {
                (self.identity_of_number(line), CallReason::CampedOn, 0, *call_id)
            }
            (Completes::Intrusion, Side::Called) => {
                (self.identity_of(connection.caller?), CallReason::Intrude, 0, 0)
            }
            _ => return None,
        };
        Some(CallInfo {
            origin: CallOrigin::Internal,
            reason,
            completion_id,
            call_id: connection.call_id,
            related_call_id: related,
            caller: caller.party_id(),
            called: own.party_id(),
            ..CallInfo::default()
        })
    }

    /// What its address offers and this call cannot.
    pub(crate) fn unavailable(&self, id: CallId) -> Mask<CallFeature> {
        use CallFeature as F;
        let Some(call) = self.calls.get(id.0) else { return Mask::EMPTY };
        let connection = self.connections.get(call.connection.0);
        let mut unavailable: Mask<F> = match connection.and_then(|c| c.completion.as_ref()) {
            // It has no phone, or shares its phone with another call.
            Some(Completes::CampOn { .. } | Completes::Intrusion) => {
                return Mask::<F>::all() - Mask::from(F::Drop);
            }
            // What would complete a call is neither claimed nor sent elsewhere.
            Some(Completes::Recall { .. }) if call.side == Side::Caller => F::Accept | F::Redirect,
            _ => Mask::EMPTY,
        };
        if self.completable(id).is_none() {
            unavailable.insert(F::CompleteCall);
        }
        unavailable
    }

    /// lineCompleteCall. The call is IDLE after it, but for INTRUDE.
    ///
    /// Errors: INVALCALLSTATE for a call that has nobody to wait for, COMPLETIONOVERRUN when too
    /// many wait, OPERATIONFAILED when a call cannot be intruded upon; nothing has changed then.
    pub(crate) fn complete_call(
        &mut self,
        id: CallId,
        mode: CallComplMode,
        completion: u32,
        message: Option<u32>,
        request: RequestKey,
    ) -> Result<(), LineErr> {
        let failed = self.completable(id).ok_or(LineErr::InvalCallState)?;
        match mode {
            CallComplMode::Intrude => self.intrude(id, &failed, completion, request),
            CallComplMode::Message => {
                let text = self.message_text(message)?;
                self.check_messages(&failed.callee)?;
                self.done(Some(request));
                self.drop_call(id);
                self.completing.failed.remove(&failed.line);
                self.leave_message(&failed, text);
                Ok(())
            }
            CallComplMode::CampOn | CallComplMode::Callback => {
                let known = self.check_request(&failed)?;
                let completion = known.unwrap_or(completion);
                let reply = ReplyFields::default().with("completionId", completion);
                self.tapi.complete(self.clock.unix_ms, request, Ok(reply));
                self.drop_call(id);
                self.completing.failed.remove(&failed.line);
                self.enqueue(failed, mode, completion);
                Ok(())
            }
        }
    }

    /// The identifier of the request that this one would only repeat, if there is one.
    ///
    /// Errors: COMPLETIONOVERRUN.
    fn check_request(&self, failed: &Failed) -> Result<Option<u32>, LineErr> {
        let queue = &self.completing.queue;
        if let Some(known) = queue.find(&failed.line, &failed.callee) {
            return Ok(Some(known.id));
        }
        let most = self.config.completion.max_per_address;
        queue.check_room(&failed.line, &failed.callee, most).map(|()| None)
    }

    /// From now on the line waits for the other one: LINEDEVSTATE_NUMCOMPLETIONS.
    fn enqueue(&mut self, failed: Failed, mode: CallComplMode, id: u32) {
        let lifetime = self.config.completion.expires;
        let lifetime_ms = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
        let former = self.completing.queue.get(id);
        let is_recalling = former.is_some_and(|request| request.is_recalling);
        let is_busy = failed.condition == CallComplCond::Busy;
        let request = Request {
            id,
            mode,
            condition: failed.condition,
            call_id: failed.call_id,
            needs_activity: !is_busy,
            since_unix_ms: self.clock.unix_ms,
            expires_at_unix_ms: self.clock.unix_ms.saturating_add(lifetime_ms),
            is_recalling,
            refusals: 0,
            line: failed.line,
            callee: failed.callee,
        };
        self.publish(
            "COMPLETION_REQUESTED",
            json!({
                "line": request.line, "callee": request.callee, "completionId": id,
                "mode": mode.name(),
            }),
        );
        self.keep_request(&request);
        self.await_expiry(id, lifetime);
        self.tell_added(&request);
        let callee = request.callee.clone();
        self.completing.queue.insert(request);
        self.touch(&callee);
    }

    /// A request is in the queue: applications are told of it.
    pub(crate) fn tell_added(&mut self, request: &Request) {
        if let Some(device) = self.tapi.line_by_number(&request.line) {
            self.tapi.completion_added(device, AddressId(0), request.id);
        }
    }

    /// Forgets the request when its time is over.
    pub(crate) fn await_expiry(&mut self, id: u32, delay: Duration) {
        let token = self.arm(delay, Timer::CompletionExpires(id));
        if let Some(former) = self.completing.expiries.insert(id, token) {
            self.timers.disarm(former);
        }
    }

    pub(crate) fn keep_request(&mut self, request: &Request) {
        let stored = StoredCompletion {
            id: request.id,
            line: request.line.clone(),
            callee: request.callee.clone(),
            mode: request.mode.value(),
            condition: request.condition.value(),
            call_id: request.call_id,
            needs_activity: request.needs_activity,
            since_unix_ms: request.since_unix_ms,
            expires_at_unix_ms: request.expires_at_unix_ms,
        };
        self.outputs.push(Output::Store(Change::SaveCompletion(stored)));
    }

    /// A request is over: its identifier is invalid. Whoever is being rung for it is so no more.
    pub(crate) fn end_request(&mut self, id: u32, end: CompletionEnd, why: &str) {
        let Some(request) = self.completing.queue.remove(id) else { return };
        if let Some(token) = self.completing.expiries.remove(&id) {
            self.timers.disarm(token);
        }
        self.stop_showing(id);
        self.stop_recall(id);
        self.outputs.push(Output::Store(Change::RemoveCompletion { id }));
        if let Some(device) = self.tapi.line_by_number(&request.line) {
            self.tapi.completion_ended(device, id, end);
        }
        self.publish(
            "COMPLETION_ENDED",
            json!({
                "line": request.line, "callee": request.callee, "completionId": id, "reason": why,
            }),
        );
        // Somebody else's turn may have come.
        let is_last = self.completing.queue.at(&request.callee).next().is_none();
        if is_last {
            self.forget_guard(&request.callee);
        }
        self.touch(&request.callee);
    }

    /// lineUncompleteCall.
    ///
    /// Errors: INVALCOMPLETIONID when it is over already.
    pub(crate) fn uncomplete_call(
        &mut self,
        line: &str,
        id: u32,
        request: RequestKey,
    ) -> Result<(), LineErr> {
        if self.end_intrusion_by_id(line, id, request) {
            return Ok(());
        }
        let is_its = self.completing.queue.get(id).is_some_and(|known| known.line == line);
        if !is_its {
            return Err(LineErr::InvalCompletionId);
        }
        self.done(Some(request));
        self.end_request(id, CompletionEnd::Done, "CANCELLED");
        Ok(())
    }

    /// `[completion] expires` is over. A caller that is being rung just now may still answer.
    pub(crate) fn on_completion_expired(&mut self, id: u32) {
        self.completing.expiries.remove(&id);
        if self.completing.queue.get(id).is_some_and(|request| !request.is_recalling) {
            self.end_request(id, CompletionEnd::Cancelled, "EXPIRED");
        }
    }

    /// The codes of `[feature_codes] completion_*`.
    ///
    /// Errors: 404 when there is nothing to complete or to cancel, 486 when too many wait; then
    /// nothing has changed.
    pub(crate) fn complete_by_code(
        &mut self,
        caller: CallId,
        line: &str,
        code: FeatureCode,
    ) -> Result<(), Cause> {
        if code == FeatureCode::CompletionCancel {
            let waiting: Vec<u32> = self.completing.queue.of_line(line).map(|r| r.id).collect();
            if waiting.is_empty() {
                return Err(Cause::NOTHING_RINGS);
            }
            let answer = self.prepare_confirmation(caller)?;
            self.confirm(caller, answer);
            for id in waiting {
                self.end_request(id, CompletionEnd::Cancelled, "CANCELLED");
            }
            return Ok(());
        }
        let failed = self.last_failure(line).ok_or(Cause::NOTHING_RINGS)?;
        let known = self.check_request(&failed).map_err(|_| Cause::NO_APPEARANCE)?;
        let answer = self.prepare_confirmation(caller)?;
        self.confirm(caller, answer);
        self.completing.failed.remove(line);
        let id = known.unwrap_or_else(|| self.tapi.next_completion_id());
        self.enqueue(failed, CallComplMode::Callback, id);
        Ok(())
    }

    /// The last attempt of a line, while it can still be completed.
    fn last_failure(&self, line: &str) -> Option<Failed> {
        let keep = self.config.completion.keep_failed_call;
        let keep_ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
        let failed = self.completing.failed.get(line)?;
        let is_fresh = self.clock.unix_ms <= failed.at_unix_ms.saturating_add(keep_ms);
        let is_there = self.config.lines.contains_key(&failed.callee);
        (is_fresh && is_there).then(|| failed.clone())
    }

    /// An attempt of a line met busy or no answer: its feature code may ask for completion.
    pub(crate) fn note_failure(&mut self, id: CallId, cause: Cause) {
        let condition = match cause.outcome {
            Outcome::BusyStation => CallComplCond::Busy,
            Outcome::Disconnected(DisconnectMode::NoAnswer) => CallComplCond::NoAnswer,
            _ => return,
        };
        if let Some(failed) = self.completable(id) {
            let failed = Failed { condition, ..failed };
            self.completing.failed.insert(failed.line.clone(), failed);
        }
    }

    /// A caller gave up while it rang.
    pub(crate) fn note_abandoned(&mut self, id: CallId) {
        let is_ringing = self.calls.get(id.0).is_some_and(|call| call.state == CallState::Ringback);
        if is_ringing {
            self.note_failure(id, Cause::NO_ANSWER);
        }
    }

    /// The line calls somebody else: its former attempt is no longer meant.
    pub(crate) fn forget_failure(&mut self, id: CallId) {
        if let Some(line) = self.calls.get(id.0).and_then(|call| call.party.line()) {
            self.completing.failed.remove(line);
        }
    }
}

/// Messages, LINECALLCOMPLMODE_MESSAGE.
impl Exchange {
    fn message_text(&self, number: Option<u32>) -> Result<String, LineErr> {
        let index = usize::try_from(number.unwrap_or(0)).map_err(|_| LineErr::InvalMessageId)?;
        self.config.completion.messages.get(index).cloned().ok_or(LineErr::InvalMessageId)
    }

    fn check_messages(&self, line: &str) -> Result<(), LineErr> {
        let waiting = self.completing.messages.get(line).map_or(0, Vec::len);
        if waiting >= MAX_MESSAGES { Err(LineErr::CompletionOverrun) } else { Ok(()) }
    }

    /// LINEDEVSTATE_MSGWAITON at the line that could not be reached. The same text of the same line
    /// stays there once.
    fn leave_message(&mut self, failed: &Failed, text: String) {
        let since_unix_ms = self.clock.unix_ms;
        let message = StoredMessage { from: failed.line.clone(), text, since_unix_ms };
        self.publish(
            "MESSAGE_LEFT",
            json!({"line": failed.callee, "from": message.from, "text": message.text}),
        );
        let mut messages =
            self.completing.messages.get(&failed.callee).cloned().unwrap_or_default();
        messages.retain(|known| known.from != message.from || known.text != message.text);
        messages.push(message);
        self.keep_messages(&failed.callee, messages);
    }

    /// What waits for a line from now on: LINEDEVSTATE_MSGWAITON or MSGWAITOFF.
    pub(crate) fn keep_messages(&mut self, line: &str, messages: Vec<StoredMessage>) {
        let count = |list: &[StoredMessage]| u32::try_from(list.len()).unwrap_or(u32::MAX);
        let former = self.completing.messages.get(line).map_or(0, |list| count(list));
        let others = self.messages_of(line).saturating_sub(former);
        let all = others.saturating_add(count(&messages));
        self.replace_left(line, messages);
        if self.set_message_waiting(line, all).is_err() {
            tracing::warn!(line, "a message is left for a line that is gone");
        }
    }

    /// The lamp of a line was put out: what was left for it has been read.
    pub(crate) fn forget_left(&mut self, line: &str) {
        if self.completing.messages.contains_key(line) {
            self.replace_left(line, Vec::new());
        }
    }

    fn replace_left(&mut self, line: &str, messages: Vec<StoredMessage>) {
        let change = Change::SaveLeft { line: line.to_owned(), messages: messages.clone() };
        self.outputs.push(Output::Store(change));
        if messages.is_empty() {
            self.completing.messages.remove(line);
        } else {
            self.completing.messages.insert(line.to_owned(), messages);
        }
    }

    /// Two lines talk to each other: what they had left for each other has been said.
    pub(crate) fn messages_answered(&mut self, a: CallId, b: CallId) {
        let line = |id: CallId| self.calls.get(id.0).and_then(|call| call.party.line());
        let (Some(a), Some(b)) = (line(a), line(b)) else { return };
        for (at, from) in [(a.to_owned(), b.to_owned()), (b.to_owned(), a.to_owned())] {
            let Some(waiting) = self.completing.messages.get(&at) else { continue };
            let left: Vec<StoredMessage> =
                waiting.iter().filter(|message| message.from != from).cloned().collect();
            if left.len() != waiting.len() {
                self.keep_messages(&at, left);
            }
        }
    }
}
