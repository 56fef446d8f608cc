//! What is wished of a call beside whom it goes to: LINECALLPARAMS, security, and the data that go
//! with it.
//!
//! Call data belong to the connection: every line in it sees them, and they stay with it when a
//! party is transferred, parked, picked up or sent on. Source: TAPI lineMakeCall, lineSecureCall,
//! lineSetCallData, 4.2, 4.10, 7.11; sip-mapping §2.7.

use std::time::Duration;

use tapi::CallParams;
use tapi::constant::{CallInfoState, CallParamFlag, CallState, DisconnectMode};

use super::cause::Cause;
use super::identity::Identity;
use super::later::LaterDigits;
use super::user_info::value_of;
use super::{CallId, ConnectionKey, Timer};
use crate::exchange::Exchange;

/// Bytes of lineSetCallData (LINEADDRESSCAPS.dwMaxCallDataSize).
pub(crate) const MAX_CALL_DATA: u32 = 4096;

/// What goes along with a call beside its state, its phone and its media.
#[derive(Clone, Debug, Default)]
pub struct Details {
    /// Nothing disturbs the station: no waiting call is offered, nobody comes in.
    pub is_secure: bool,
    /// The party does not want to be known (LINECALLPARAMFLAGS_BLOCKID, Privacy: id).
    pub is_private: bool,
    /// Whom it calls shall answer at once (LINECALLPARAMFLAGS_DESTOFFHOOK).
    pub takes_off_hook: bool,
    /// How long nobody may answer before the attempt fails (dwNoAnswerTimeout).
    pub no_answer: Option<Duration>,
    /// Digits that are sent after the answer.
    pub later: LaterDigits,
    /// What the network says of an outside party.
    pub asserted: Option<Identity>,
    /// User-to-User that goes with the next message to its phone.
    pub for_phone: Option<String>,
    /// User-to-User that goes to the caller when its phone answers.
    pub with_answer: Option<String>,
}

impl Exchange {
    /// Remembers what LINECALLPARAMS wish of a call that an application makes.
    pub(crate) fn apply_params(&mut self, id: CallId, params: &CallParams) {
        let Some(call) = self.calls.get_mut(id.0) else { return };
        let has = |flag| params.flags.contains(flag);
        call.details.is_secure = has(CallParamFlag::Secure);
        call.details.is_private = has(CallParamFlag::BlockId);
        call.details.takes_off_hook = has(CallParamFlag::DestOffHook);
        call.details.later = LaterDigits::of(params);
        call.details.no_answer =
            params.no_answer_timeout_s.map(|seconds| Duration::from_secs(seconds.into()));
        if let Some(connection) = self.connections.get_mut(call.connection.0) {
            connection.call_data.clone_from(&params.call_data);
            connection.user_info = value_of(&params.user_user_info);
        }
    }

    /// dwNoAnswerTimeout begins when everything is dialled.
    pub(crate) fn await_answer(&mut self, caller: CallId) {
        let wait = self.calls.get(caller.0).and_then(|call| call.details.no_answer);
        if let Some(wait) = wait {
            self.set_call_timer(caller, wait, Timer::Unanswered(caller));
        }
    }

    /// Nobody has answered for as long as the application wanted to wait: DISCONNECTED (NOANSWER).
    pub(crate) fn on_unanswered(&mut self, caller: CallId) {
        let Some(call) = self.calls.get_mut(caller.0) else { return };
        call.timer = None;
        if !call.awaits_answer() {
            return;
        }
        let Some(connection) = self.connections.get_mut(call.connection.0) else { return };
        connection.hunt = None;
        for called in connection.called.clone() {
            let reason = Cause::NO_ANSWER.reason_header();
            self.clear_called(called, DisconnectMode::Cancelled, &reason);
        }
        self.attempt_failed(caller, Cause::NO_ANSWER);
    }

    /// lineSecureCall.
    pub(crate) fn secure(&mut self, id: CallId) {
        if let Some(call) = self.calls.get_mut(id.0) {
            call.details.is_secure = true;
        }
    }

    /// Whether a line's call is not to be disturbed: then the line is busy for everybody else.
    pub(crate) fn is_secured(&self, line: &str) -> bool {
        let calls = self.by_line.get(line).map(Vec::as_slice).unwrap_or_default();
        calls.iter().filter_map(|id| self.calls.get(id.0)).any(|call| {
            let is_over = matches!(call.state, CallState::Busy | CallState::Disconnected);
            call.details.is_secure && !is_over
        })
    }

    /// lineSetCallData: the other lines of the connection see the data, too.
    pub(crate) fn set_call_data(&mut self, id: CallId, data: &str) {
        let Some(key) = self.calls.get(id.0).map(|call| call.connection) else { return };
        self.set_data(key, data.to_owned());
    }

    /// Replaces the data of a connection.
    pub(crate) fn set_data(&mut self, key: ConnectionKey, data: String) {
        if let Some(connection) = self.connections.get_mut(key.0) {
            connection.call_data = data;
        }
        self.show_call_data(key);
    }

    /// A call, or what is left of another connection, came into this one: data that only the other
    /// one has are this one's now.
    pub(crate) fn inherit_data(&mut self, key: ConnectionKey, data: String) {
        if let Some(connection) = self.connections.get_mut(key.0)
            && connection.call_data.is_empty()
        {
            connection.call_data = data;
        }
        self.show_call_data(key);
    }

    /// The data of a connection.
    pub(crate) fn call_data_of(&self, key: ConnectionKey) -> String {
        self.connections.get(key.0).map(|c| c.call_data.clone()).unwrap_or_default()
    }

    fn show_call_data(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get(key.0) else { return };
        let data = connection.call_data.clone();
        let all: Vec<CallId> =
            connection.caller.into_iter().chain(connection.called.iter().copied()).collect();
        for id in all {
            let key = self.calls.get(id.0).and_then(|call| call.tapi);
            let Some(key) = key else { continue };
            if self.tapi.call(key).is_some_and(|view| view.info.call_data != data) {
                let data = data.clone();
                let change = move |info: &mut tapi::CallInfo| info.call_data = data;
                self.tapi.call_info(self.clock.unix_ms, key, change, CallInfoState::CallData);
            }
        }
    }
}
