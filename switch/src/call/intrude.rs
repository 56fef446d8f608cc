//! LINECALLCOMPLMODE_INTRUDE: a caller joins the call of the line that it has found busy.
//!
//! The three hear each other through the mixer. The busy line sees a second call, CONNECTED with
//! LINECALLREASON_INTRUDE, that shares its phone; the caller's own call leaves BUSY for CONNECTED. Who
//! has hung up after the 486 is called first. The intrusion ends when any of the three goes, or when the
//! line does anything with its call that takes more than the two parties. Only lines that
//! `[completion] intruders` names may do it. Source: TAPI lineCompleteCall; tapi-call-control §3.7,
//! §4.8, §7.11.

use tapi::constant::{CallState, ConnectedMode, DisconnectMode, LineErr};
use tapi::{AddressId, CallMode, CompletionEnd, RequestKey};

use super::complete::Failed;
use super::conference::ConferenceKey;
use super::errand::Errand;
use super::supervise::Hearing;
use super::{CallId, Completes, Origination, Party, Side, Timer, Waiting};
use crate::exchange::Exchange;
use crate::exchange::state::NewParty;

const ACTIVE: CallMode = CallMode::Connected(ConnectedMode::Active);

/// Somebody has joined the call of a busy line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Intrusion {
    /// The call that joined.
    pub intruder: CallId,
    /// The call by which the busy line sees it; a supervisor is not shown.
    pub shown: Option<CallId>,
    /// The completion identifier, valid as long as the intrusion; a supervisor has none.
    pub completion: Option<u32>,
    /// Who hears the one that joined.
    pub hearing: Hearing,
    /// The two that talked before.
    pub pair: (CallId, CallId),
}

impl Exchange {
    /// Joins the call of the busy line, or calls the line's own phone first.
    ///
    /// Errors: OPERATIONUNAVAIL without the right, OPERATIONFAILED when the busy line has no call of
    /// two parties that can be mixed or it is a secured one, or when no phone of the caller can be
    /// called; the call stays BUSY.
    pub(crate) fn intrude(
        &mut self,
        id: CallId,
        failed: &Failed,
        completion: u32,
        request: RequestKey,
    ) -> Result<(), LineErr> {
        if !self.config.completion.intruders.contains(&failed.line) {
            return Err(LineErr::OperationUnavail);
        }
        self.intrudable(&failed.callee)?;
        let call = self.calls.get(id.0).ok_or(LineErr::InvalCallHandle)?;
        if call.waiting.is_some() {
            return Err(LineErr::OperationFailed);
        }
        if call.leg.is_some() {
            self.check_intruder(id, &failed.callee)?;
            self.done(Some(request));
            return self.join_in(id, &failed.callee, completion);
        }
        let former = call.origination;
        let own = self.config.lines.get(&failed.line).ok_or(LineErr::InvalLineState)?;
        let ring_time = own.ring_timeout;
        if let Some(call) = self.calls.get_mut(id.0) {
            call.origination = Origination::Summoning;
        }
        if self.summon(id).is_err() {
            if let Some(call) = self.calls.get_mut(id.0) {
                call.origination = former;
            }
            return Err(LineErr::OperationFailed);
        }
        if let Some(call) = self.calls.get_mut(id.0) {
            call.errand = Some(Errand::Intrude(completion));
            call.waiting = Some(Waiting::Errand(request));
        }
        self.set_call_timer(id, ring_time, Timer::NoAnswer(id));
        Ok(())
    }

    /// The call of a busy line that can be joined: both of its parties.
    ///
    /// Errors: OPERATIONFAILED.
    pub(super) fn intrudable(&self, line: &str) -> Result<(CallId, CallId), LineErr> {
        let calls = self.by_line.get(line).map(Vec::as_slice).unwrap_or_default();
        let pair = |id: &CallId| {
            let far = self.far(*id)?;
            let is_plain = |id: CallId| {
                self.calls.get(id.0).is_some_and(|call| {
                    let connection = self.connections.get(call.connection.0);
                    let is_open = connection.is_some_and(|c| {
                        c.search.is_none() && c.seek.is_none() && c.reoffer.is_none()
                    });
                    call.state == CallState::Connected
                        && call.leg.is_some()
                        && call.conference.is_none()
                        && call.partner.is_none()
                        && is_open
                })
            };
            let can_join = [*id, far]
                .into_iter()
                .all(|id| is_plain(id) && self.can_be_mixed(id) && !self.is_secured_call(id));
            can_join.then_some((*id, far))
        };
        calls.iter().find_map(pair).ok_or(LineErr::OperationFailed)
    }

    /// lineSecureCall: nothing interferes with the call.
    fn is_secured_call(&self, id: CallId) -> bool {
        self.calls.get(id.0).is_some_and(|call| call.details.is_secure)
    }

    fn check_intruder(&self, id: CallId, callee: &str) -> Result<(), LineErr> {
        self.intrudable(callee)?;
        if self.can_be_mixed(id) { Ok(()) } else { Err(LineErr::OperationFailed) }
    }

    /// The intruder's own phone has answered.
    pub(crate) fn finish_intrusion(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(id.0) else { return };
        let (Some(Errand::Intrude(completion)), Some(waiting)) =
            (call.errand.take(), call.waiting.take())
        else {
            return;
        };
        let callee = self.completable(id).map(|failed| failed.callee).unwrap_or_default();
        if let Err(error) = self.check_intruder(id, &callee) {
            self.tapi.complete(self.clock.unix_ms, waiting.request(), Err(error));
            return self.stay_busy(id);
        }
        self.done(Some(waiting.request()));
        if let Err(error) = self.join_in(id, &callee, completion) {
            tracing::warn!(error = tapi::Constant::name(error), "an intrusion fails");
            self.drop_call(id);
        }
    }

    /// The intruder's own phone does not answer: the call stays BUSY for a while.
    pub(crate) fn intruder_missed(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(id.0) else { return };
        call.errand = None;
        if let Some(waiting) = call.waiting.take() {
            let failed = Err(LineErr::OperationFailed);
            self.tapi.complete(self.clock.unix_ms, waiting.request(), failed);
        }
        self.stay_busy(id);
    }

    fn stay_busy(&mut self, id: CallId) {
        self.release_with(id, "Q.850;cause=17");
        let keep = self.config.completion.keep_failed_call;
        self.set_call_timer(id, keep, Timer::KeepFailed(id));
        self.touch_line_of(id);
    }

    /// CONNECTED: the three hear each other. LINEDEVSTATE_NUMCOMPLETIONS: the identifier is valid.
    fn join_in(&mut self, id: CallId, callee: &str, completion: u32) -> Result<(), LineErr> {
        let (near, far) = self.intrudable(callee)?;
        let key = self.open_conference("").map_err(|_| LineErr::ResourceUnavail)?;
        let connection = self.calls.get(id.0).ok_or(LineErr::InvalCallHandle)?.connection;
        if let Some(connection) = self.connections.get_mut(connection.0) {
            connection.completion = Some(Completes::Intrusion);
        }
        self.stop_call_timer(id);
        let shown = self.new_call(NewParty {
            connection,
            side: Side::Called,
            party: Party::Line(callee.to_owned()),
            origination: Origination::Phone,
            state: CallState::Connected,
            mode: ACTIVE,
            tapi: None,
        });
        if let Some(connection) = self.connections.get_mut(connection.0) {
            connection.answered = Some(shown);
        }
        for call in [near, far, id] {
            self.mix(call, key);
        }
        if let Some(conference) = self.conferences.get_mut(key.0) {
            let pair = (near, far);
            conference.intrusion = Some(Intrusion {
                intruder: id,
                shown: Some(shown),
                completion: Some(completion),
                hearing: Hearing::All,
                pair,
            });
        }
        self.set_state(id, CallState::Connected, ACTIVE);
        for call in [shown, id] {
            self.refresh_capability(call);
        }
        self.show_connected_parties(connection);
        self.seat(id);
        let line = self.calls.get(id.0).and_then(|call| call.party.line().map(str::to_owned));
        if let Some(device) = line.as_deref().and_then(|line| self.tapi.line_by_number(line)) {
            self.tapi.completion_added(device, AddressId(0), completion);
        }
        self.publish(
            "COMPLETION_INTRUDED",
            serde_json::json!({"line": line, "callee": callee, "completionId": completion}),
        );
        Ok(())
    }

    /// A call takes part in an intrusion, and is about to do something that three parties cannot.
    pub(crate) fn end_intrusion_of(&mut self, id: CallId) {
        if let Some(key) = self.calls.get(id.0).and_then(|call| call.conference) {
            self.end_intrusion(key);
        }
    }

    /// lineUncompleteCall of a running intrusion: the intruder is out. False if it is none.
    pub(crate) fn end_intrusion_by_id(&mut self, line: &str, id: u32, request: RequestKey) -> bool {
        let is_its = |intrusion: &Intrusion| {
            let call = self.calls.get(intrusion.intruder.0);
            intrusion.completion == Some(id)
                && call.is_some_and(|call| call.party.line() == Some(line))
        };
        let found = self.conferences.iter().find_map(|(key, conference)| {
            conference.intrusion.as_ref().is_some_and(is_its).then_some(ConferenceKey(key))
        });
        let Some(key) = found else { return false };
        self.done(Some(request));
        self.end_intrusion(key);
        true
    }

    /// The intruder goes, the two others are alone again.
    pub(crate) fn end_intrusion(&mut self, key: ConferenceKey) {
        let Some(conference) = self.conferences.get_mut(key.0) else { return };
        let Some(intrusion) = conference.intrusion.take() else { return };
        let members = conference.members.clone();
        members.into_iter().for_each(|member| self.leave_conference(member));
        let Intrusion { intruder, shown, completion, pair: (near, far), .. } = intrusion;
        let line = self.calls.get(intruder.0).and_then(|call| call.party.line().map(str::to_owned));
        let is_there = |exchange: &Exchange, id: CallId| {
            exchange.calls.get(id.0).is_some_and(|call| {
                !matches!(call.state, CallState::Idle | CallState::Disconnected)
            })
        };
        for id in std::iter::once(intruder).chain(shown) {
            if is_there(self, id) {
                self.clear_called(id, DisconnectMode::Normal, "Q.850;cause=16");
            }
        }
        let device = line.as_deref().and_then(|line| self.tapi.line_by_number(line));
        if let (Some(device), Some(completion)) = (device, completion) {
            self.tapi.completion_ended(device, completion, CompletionEnd::Done);
        }
        let has_phone = |id: CallId| self.calls.get(id.0).is_some_and(|call| call.leg.is_some());
        if !(is_there(self, near) && is_there(self, far) && has_phone(near) && has_phone(far)) {
            return;
        }
        if let Err(cause) = self.align(near, far) {
            tracing::warn!(cause = cause.relay, "two parties share no codec after an intrusion");
        }
        for id in [near, far] {
            self.show_hold(id);
        }
        if let Some(connection) = self.calls.get(near.0).map(|call| call.connection) {
            self.join_media(connection);
        }
    }
}
