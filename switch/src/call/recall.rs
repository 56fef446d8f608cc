//! The completion of calls: a line that became free is noticed, who waits for it is rung, then it is
//! called.
//!
//! Whatever happens to a line that somebody waits for, or that waits itself, touches it; when the
//! present input has been dealt with, the touched lines are looked at. One caller is rung for a line at
//! a time; when its own line is in use it keeps its place and the next one is served. Source:
//! sip-mapping §2.9.8, §3.8, §3.17 (36, 37); tapi-call-control §3.7, §4.8.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use sip_stack::time::TimerToken;
use tapi::constant::{CallComplMode, CallState};
use tapi::{CallMode, CompletionEnd};

use super::cause::{Cause, Outcome};
use super::originate::MAX_FORWARDS;
use super::{Call, CallId, Completes, Origination, Party, Side, Timer};
use crate::exchange::state::{NewParty, OFFERED};
use crate::exchange::{Exchange, MAX_CONNECTIONS};
use crate::feature::completion::Request;
use crate::feature::forward::{CallerFacts, Decision, Occasion};

/// Pause after a caller could not even be rung: no ports, no room.
const RETRY: Duration = Duration::from_secs(10);
/// How often a caller's phone may say busy although nothing is seen of a call there.
const MAX_REFUSALS: u32 = 3;
/// What tells a phone that this is no ordinary call (RFC 7462 §8.2.1).
const ALERT: &str = "<urn:alert:service:recall:callback>";

/// A line is free and somebody's turn has come; it has to stay free for a moment.
#[derive(Debug)]
pub(crate) struct Guard {
    token: TimerToken,
    /// The request that the timer names.
    id: u32,
}

impl Call {
    /// Whether its phone dialled and the attempt ends with this state: somebody is there.
    pub(crate) fn was_dialling(&self, next: CallState) -> bool {
        use CallState::{Busy, Dialing, Disconnected, Idle, Proceeding, Ringback};
        self.side == Side::Caller
            && self.origination != Origination::Summoning
            && matches!(self.state, Dialing | Proceeding | Ringback)
            && matches!(next, Busy | Disconnected | Idle)
    }

    /// Whether the call needs no phone: a failed attempt that is only shown, or a conversation of
    /// another station of a shared line.
    fn is_only_shown(&self) -> bool {
        self.is_over_for_its_phone() || self.legs.is_empty() && self.mode.is_inactive()
    }
}

impl Exchange {
    /// Something about a line has changed that those who wait for it may be interested in.
    pub(crate) fn touch(&mut self, line: &str) {
        if self.completing.queue.concerns(line) {
            self.completing.touched.insert(line.to_owned());
        }
    }

    /// The same for the line of a call.
    pub(crate) fn touch_line_of(&mut self, id: CallId) {
        if self.completing.queue.is_empty() {
            return;
        }
        let line = self.calls.get(id.0).and_then(|call| call.party.line().map(str::to_owned));
        line.into_iter().for_each(|line| self.touch(&line));
    }

    /// The phone of a line has been used: somebody is there.
    pub(crate) fn note_use(&mut self, line: &str) {
        for id in self.completing.queue.note_activity(line) {
            if let Some(request) = self.completing.queue.get(id).cloned() {
                self.keep_request(&request);
            }
        }
    }

    /// Looks at one line that was touched; false when there is none.
    pub(crate) fn review_touched(&mut self) -> bool {
        let Some(line) = self.completing.touched.pop_first() else { return false };
        let asked = self.completing.queue.of_line(&line).map(|request| request.callee.clone());
        let callees: BTreeSet<String> = asked.chain([line.clone()]).collect();
        // Of two lines that wait for each other the older request goes first (§3.17, 37).
        let oldest = |callee: &String| self.completing.queue.at(callee).next().map(|r| r.id);
        let mut callees: Vec<(Option<u32>, String)> =
            callees.into_iter().map(|callee| (oldest(&callee), callee)).collect();
        callees.sort();
        for (_, callee) in callees {
            self.watch(&callee);
        }
        true
    }

    fn watch(&mut self, callee: &str) {
        self.cancel_forwarded(callee);
        self.show_first_waiting(callee);
        let turn = self.turn(callee).map(|request| (request.id, request.mode));
        match turn {
            None => self.forget_guard(callee),
            Some((id, mode)) if !self.completing.guards.contains_key(callee) => {
                // Who camps on is there already.
                let is_waiting_in_line = mode == CallComplMode::CampOn;
                let guard = self.config.completion.idle_guard;
                self.guard(callee, id, if is_waiting_in_line { Duration::ZERO } else { guard });
            }
            Some(_) => {}
        }
    }

    fn guard(&mut self, callee: &str, id: u32, delay: Duration) {
        let token = self.arm(delay, Timer::CalleeFree(id));
        self.completing.guards.insert(callee.to_owned(), Guard { token, id });
    }

    pub(crate) fn forget_guard(&mut self, callee: &str) {
        if let Some(guard) = self.completing.guards.remove(callee) {
            self.timers.disarm(guard.token);
        }
    }

    /// The called line has been free for long enough.
    pub(crate) fn on_callee_free(&mut self, id: u32) {
        let mut guards = self.completing.guards.iter();
        let found = guards.find(|(_, guard)| guard.id == id).map(|(callee, _)| callee.clone());
        let Some(callee) = found else { return };
        self.completing.guards.remove(&callee);
        let Some(request) = self.turn(&callee).cloned() else { return };
        if self.begin_recall(&request).is_err() {
            self.guard(&callee, request.id, RETRY);
        }
    }

    /// Whose turn it is, if the called line is free.
    fn turn(&self, callee: &str) -> Option<&Request> {
        if self.is_draining() || !self.is_idle(callee) {
            return None;
        }
        let can_be_rung = |line: &str| {
            self.is_idle(line) && matches!(self.reception(callee, line), Decision::None)
        };
        self.completing.queue.next(callee, can_be_rung)
    }

    /// Whether a phone is registered for a line and none of them is in use.
    fn is_idle(&self, line: &str) -> bool {
        !self.registrar.registry().contacts(line).is_empty() && !self.is_in_use(line)
    }

    /// Whether a line has a call that is more than shown.
    pub(crate) fn is_in_use(&self, line: &str) -> bool {
        let calls = self.by_line.get(line).map(Vec::as_slice).unwrap_or_default();
        calls.iter().any(|id| {
            let is_shown = self.calls.get(id.0).is_none_or(Call::is_only_shown);
            !is_shown && !self.completing.camped.contains_key(id)
        })
    }

    /// What would happen to a call of `line` at `callee`.
    fn reception(&self, callee: &str, line: &str) -> Decision {
        let caller = CallerFacts { number: line, is_internal: true };
        let set = self.forwardings.get(callee);
        set.map_or(Decision::None, |set| set.decide(Occasion::Always, caller))
    }

    /// The called line sends its calls elsewhere now: there is nothing to wait for.
    fn cancel_forwarded(&mut self, callee: &str) {
        let is_forwarded = |request: &&Request| {
            matches!(self.reception(callee, &request.line), Decision::Forward { .. })
                && !request.is_recalling
        };
        let waiting = self.completing.queue.at(callee).filter(is_forwarded);
        let waiting: Vec<u32> = waiting.map(|request| request.id).collect();
        for id in waiting {
            self.end_request(id, CompletionEnd::Cancelled, "FORWARDED");
        }
    }

    /// Rings the line that asked: OFFERING, LINECALLREASON_CALLCOMPLETION.
    ///
    /// Errors: the cause why it cannot be rung now; nothing was created.
    fn begin_recall(&mut self, request: &Request) -> Result<(), Cause> {
        if self.connections.len() >= MAX_CONNECTIONS {
            return Err(Cause::NO_RESOURCES);
        }
        let key = self.new_connection(&request.callee, MAX_FORWARDS);
        if let Some(connection) = self.connections.get_mut(key.0) {
            let (id, call_id) = (request.id, request.call_id);
            connection.completion = Some(Completes::Recall { request: id, call_id });
        }
        let call = self.new_call(NewParty {
            connection: key,
            side: Side::Caller,
            party: Party::Line(request.line.clone()),
            origination: Origination::Summoning,
            state: CallState::Offering,
            mode: OFFERED,
            tapi: None,
        });
        if let Some(call) = self.calls.get_mut(call.0) {
            call.dialling.digits.clone_from(&request.callee);
            call.dialling.is_complete = true;
        }
        self.refresh_capability(call);
        if let Err(cause) = self.ring_back(call, request) {
            self.finish(call);
            return Err(cause);
        }
        self.set_recalling(request.id, true);
        self.completing.recalls.insert(call, request.id);
        let timeout = self.config.completion.recall_timeout;
        self.set_call_timer(call, timeout, Timer::NoAnswer(call));
        self.publish(
            "COMPLETION_RECALL",
            json!({
                "line": request.line, "callee": request.callee, "completionId": request.id,
            }),
        );
        Ok(())
    }

    fn ring_back(&mut self, id: CallId, request: &Request) -> Result<(), Cause> {
        self.reserve_ports(id, 1)?;
        let call = self.calls.get_mut(id.0).ok_or(Cause::NO_RESOURCES)?;
        let offer = call.end.offer_everything().ok_or(Cause::NO_RESOURCES)?;
        let mut from = self.identity_of_number(&request.callee);
        let shown = if from.name.is_empty() { &from.number } else { &from.name };
        from.name = format!("CB: {shown}");
        let headers = [("Alert-Info".to_owned(), ALERT.to_owned())];
        self.ring_phones(id, &request.line, &from, &offer, &headers)
    }

    fn set_recalling(&mut self, id: u32, is_recalling: bool) {
        if let Some(request) = self.completing.queue.get_mut(id) {
            request.is_recalling = is_recalling;
        }
    }

    /// The line that asked does not take the call that would complete its own: nobody answered, or its
    /// phones refused.
    pub(crate) fn recall_refused(&mut self, id: CallId, cause: Cause) {
        let Some(request) = self.completing.recalls.remove(&id) else { return };
        let line = self.calls.get(id.0).map(|call| call.party.number().to_owned());
        self.finish(id);
        let is_busy = cause.outcome == Outcome::BusyStation;
        if is_busy && line.is_some_and(|line| self.is_in_use(&line)) {
            // The caller began something else meanwhile: it keeps its place (§3.17, 36).
            self.wait_again(request);
        } else if is_busy && self.may_try_again(request) {
            // Its user may be dialling; nothing is seen of that yet.
            self.wait_again(request);
            let callee = self.completing.queue.get(request).map(|request| request.callee.clone());
            if let Some(callee) = callee.filter(|c| !self.completing.guards.contains_key(c)) {
                self.guard(&callee, request, RETRY);
            }
        } else {
            let why = if cause == Cause::NO_ANSWER { "NO_ANSWER" } else { "REFUSED" };
            self.end_request(request, CompletionEnd::Cancelled, why);
        }
    }

    fn may_try_again(&mut self, request: u32) -> bool {
        let Some(request) = self.completing.queue.get_mut(request) else { return false };
        request.refusals += 1;
        request.refusals < MAX_REFUSALS
    }

    /// The caller is on the line and the called one was called. When it is busy again the request
    /// stays where it is in the queue, else it has been carried out.
    pub(crate) fn completion_failed(&mut self, id: CallId, cause: Cause) {
        let Some(request) = self.completing.recalls.remove(&id) else { return };
        if cause.outcome != Outcome::BusyStation {
            return self.end_request(request, CompletionEnd::Done, "FAILED");
        }
        let callee = self.completing.queue.get(request).map(|request| request.callee.clone());
        let is_seen = callee.is_some_and(|callee| self.is_in_use(&callee));
        if let Some(waiting) = self.completing.queue.get_mut(request) {
            // What makes it busy cannot be seen here: then its next call will tell.
            waiting.needs_activity = !is_seen;
        }
        self.wait_again(request);
    }

    /// The parties talk: the request has been carried out.
    pub(crate) fn completion_connected(&mut self, id: CallId) {
        if let Some(request) = self.completing.recalls.remove(&id) {
            self.end_request(request, CompletionEnd::Done, "COMPLETED");
        }
    }

    /// The caller's call ended before the parties talked: the caller does not want it any more.
    pub(crate) fn recall_ended(&mut self, request: u32) {
        if self.is_draining() {
            return self.set_recalling(request, false);
        }
        self.end_request(request, CompletionEnd::Done, "GIVEN_UP");
    }

    fn wait_again(&mut self, id: u32) {
        self.set_recalling(id, false);
        let Some(request) = self.completing.queue.get(id).cloned() else { return };
        if request.expires_at_unix_ms <= self.clock.unix_ms {
            return self.end_request(id, CompletionEnd::Cancelled, "EXPIRED");
        }
        self.keep_request(&request);
        self.publish(
            "COMPLETION_SUSPENDED",
            json!({"line": request.line, "callee": request.callee, "completionId": id}),
        );
        self.touch(&request.callee);
    }

    /// A request is over while its caller is being rung: the ringing ends. Who has answered already
    /// goes on with the call.
    pub(crate) fn stop_recall(&mut self, request: u32) {
        let mut recalls = self.completing.recalls.iter();
        let Some(call) = recalls.find(|(_, id)| **id == request).map(|(call, _)| *call) else {
            return;
        };
        self.completing.recalls.remove(&call);
        let is_rung = self.calls.get(call.0).is_some_and(|call| call.state == CallState::Offering);
        if is_rung {
            self.release_with(call, "SIP;cause=487;text=\"Request Terminated\"");
            self.set_state(call, CallState::Idle, CallMode::None);
            self.finish(call);
        }
    }
}
