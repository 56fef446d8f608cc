//! Asynchronous requests, from the intent to the reply.

use serde_json::{Map, Value};

use crate::constant::{CallInfoState, CallParamFlag, CallPrivilege, LineErr, Mask};
use crate::message::{Message, reply};
use crate::model::{API_2_2, ApplicationId, CallKey, DeviceId, Holder};
use crate::op::Intent;

use super::observe::Subject;
use super::{
    Fault, MAX_PENDING_REQUESTS, Output, Pending, Purpose, ReplyFields, ReplyTo, RequestKey,
    Server, rpc,
};

/// An asynchronous request whose checks have passed.
#[derive(Debug)]
pub(crate) struct Begun {
    /// For the provider; none for what the server does by itself.
    pub(crate) intent: Option<Intent>,
    pub(crate) h_line: u32,
    pub(crate) device: DeviceId,
    /// The call that is acted on; when it ends, so does the request.
    pub(crate) call: Option<CallKey>,
    /// The calls that the request makes, on one address.
    pub(crate) created: Vec<Created>,
    pub(crate) purpose: Purpose,
}

/// A call that a request makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Created {
    pub(crate) call: CallKey,
    /// The requester's handle, void until the reply.
    pub(crate) h_call: u32,
    /// The field of the reply that gives it.
    pub(crate) field: &'static str,
}

impl Server {
    /// The request has been carried out, or has failed. The application gets its LINE_REPLY
    /// (or the response that it waits for) before any message that follows. Calls that the
    /// request created become known with success and are gone with failure. For a generation of
    /// digits or of a tone, LINE_GENERATE follows: DONE with success, CANCEL with failure. A key
    /// that is not known any more is ignored.
    pub fn complete(
        &mut self,
        now_ms: u64,
        request: RequestKey,
        result: Result<ReplyFields, LineErr>,
    ) {
        self.tick(now_ms);
        if self.end_generation(request, result.is_ok()) {
            return;
        }
        let Some(pending) = self.requests.remove(&request) else { return };
        self.forget_proxied(request);
        if let Some(app) = self.applications.get_mut(&pending.application) {
            app.pending = app.pending.saturating_sub(1);
        }
        match result {
            Ok(fields) => self.succeed(pending, fields.0),
            Err(error) => {
                self.discard_all(&pending.created);
                self.answer(&pending, Err(error));
            }
        }
    }

    /// Registers a request that the provider is to carry out; the intent follows the response.
    pub(crate) fn begin(
        &mut self,
        application: ApplicationId,
        waits_on: Option<Value>,
        begun: Begun,
    ) -> Result<u32, Fault> {
        let app = self.applications.get_mut(&application);
        let Some(app) = app.filter(|app| app.pending < MAX_PENDING_REQUESTS) else {
            self.discard_all(&begun.created);
            let detail = "Too many requests of this application are outstanding.";
            return Err(Fault::line(LineErr::ResourceUnavail, detail));
        };
        app.pending += 1;
        let request_id = app.next_request();
        let reply_to = match (waits_on, app.connection) {
            (Some(id), Some(connection)) => ReplyTo::Response(connection, id),
            _ => ReplyTo::Message,
        };
        let request = self.next_key();
        let Begun { intent, h_line, device, call, created, purpose } = begun;
        for made in &created {
            if let Some(call) = self.calls.get_mut(made.call) {
                call.creation = Some(request);
            }
        }
        let is_proxied = matches!(purpose, Purpose::Agent { proxied: Some(_), .. });
        let pending =
            Pending { application, request_id, reply_to, h_line, device, call, created, purpose };
        self.requests.insert(request, pending);
        match intent {
            Some(intent) => self.deferred.push(Output::Intent { request, intent }),
            None if is_proxied => self.pass_on(request),
            None => self.settled.push(request),
        }
        Ok(request_id)
    }

    /// A key that no request has had.
    pub(crate) fn next_key(&mut self) -> RequestKey {
        self.last_request += 1;
        RequestKey(self.last_request)
    }

    /// Replies to the requests that needed no provider.
    pub(super) fn settle(&mut self) {
        for request in std::mem::take(&mut self.settled) {
            self.complete(self.now_ms, request, Ok(ReplyFields::default()));
        }
    }

    fn succeed(&mut self, pending: Pending, mut fields: Map<String, Value>) {
        if pending.created.iter().any(|made| self.calls.get(made.call).is_none()) {
            self.discard_all(&pending.created);
            return self.answer(&pending, Err(LineErr::OperationFailed));
        }
        let changes = pending.call.map_or(Mask::EMPTY, |key| self.apply(&pending, key));
        if let Purpose::Completion(id) = pending.purpose {
            fields.entry("completionId").or_insert(id.into());
        }
        if matches!(pending.purpose, Purpose::Agent { version, .. } if version < API_2_2) {
            fields.remove("proxyGuid");
        }
        let first = pending.created.first().and_then(|made| self.calls.get(made.call));
        let place = first.map(|call| (call.line, call.address));
        let before = place.map(|(line, address)| self.address_counts(line, address));
        for made in &pending.created {
            self.publish(&pending, *made);
            fields.insert(made.field.to_owned(), made.h_call.into());
        }
        self.answer(&pending, Ok(fields));
        let requester = (pending.application, pending.h_line);
        for made in &pending.created {
            self.announce_to_monitors(made.call, requester);
        }
        for made in &pending.created {
            self.tell_backlog(made.call);
        }
        if let (Some((line, address)), Some(before)) = (place, before) {
            self.tell_counts(line, address, before);
        }
        if let Some(key) = pending.call {
            self.tell_info(key, changes, None);
        }
    }

    /// Gives the requester the handle of a call that its request has made.
    fn publish(&mut self, pending: &Pending, made: Created) {
        let app = self.applications.get_mut(&pending.application);
        let open = app.filter(|app| app.opens.contains_key(&pending.h_line));
        let name = open.as_ref().map(|app| app.name.clone());
        if let Some(app) = open {
            app.calls.insert(made.h_call, made.call);
        }
        let Some(call) = self.calls.get_mut(made.call) else { return };
        call.creation = None;
        if let Some(name) = name {
            if call.info.app_name.is_empty() {
                call.info.app_name = name;
            }
            call.holders.push(Holder {
                application: pending.application,
                h_line: pending.h_line,
                h_call: made.h_call,
                privilege: CallPrivilege::Owner,
            });
        }
    }

    /// What success means for a call that is there already; says what of it changed.
    fn apply(&mut self, pending: &Pending, key: CallKey) -> Mask<CallInfoState> {
        let name = self.applications.get(&pending.application).map(|app| app.name.clone());
        let Some(call) = self.calls.get_mut(key) else { return Mask::EMPTY };
        match &pending.purpose {
            Purpose::Claim => {
                if call.info.app_name.is_empty() {
                    call.info.app_name = name.unwrap_or_default();
                }
            }
            Purpose::Dial { is_complete, has_digits } => {
                call.takes_digits = !is_complete;
                call.has_digits |= has_digits;
            }
            Purpose::Secure => {
                if !call.info.call_param_flags.contains(CallParamFlag::Secure) {
                    call.info.call_param_flags.insert(CallParamFlag::Secure);
                    return CallInfoState::Other.into();
                }
            }
            Purpose::Treatment(treatment) => {
                call.info.treatment = Some(*treatment);
                return CallInfoState::Treatment.into();
            }
            Purpose::CallData(data) => {
                call.info.call_data.clone_from(data);
                return CallInfoState::CallData.into();
            }
            Purpose::Params { bearer_mode, dial_params } => {
                let mut changes = Mask::EMPTY;
                if call.info.bearer_mode != *bearer_mode {
                    changes.insert(CallInfoState::BearerMode);
                }
                if call.info.dial_params != *dial_params {
                    changes.insert(CallInfoState::DialParams);
                }
                call.info.bearer_mode = *bearer_mode;
                call.info.dial_params = *dial_params;
                return changes;
            }
            Purpose::ReleaseInfo => {
                let next = call.later_info.pop_front();
                let has_more = next.is_some();
                call.info.user_user_info = next.unwrap_or_default();
                if has_more {
                    return CallInfoState::UserUserInfo.into();
                }
            }
            Purpose::Drop | Purpose::Completion(_) | Purpose::Agent { .. } | Purpose::Other => {}
        }
        Mask::EMPTY
    }

    fn answer(&mut self, pending: &Pending, result: Result<Map<String, Value>, LineErr>) {
        let request_id = pending.request_id;
        match &pending.reply_to {
            ReplyTo::Nobody => {}
            ReplyTo::Response(connection, id) if self.connections.contains_key(connection) => {
                let response = match result {
                    Ok(fields) => rpc::success(id, Value::Object(reply(request_id, &fields))),
                    Err(error) => {
                        let detail = "The request was accepted and then failed.";
                        rpc::line_error(id, error, detail)
                    }
                };
                self.send_text(*connection, response.to_string());
            }
            ReplyTo::Message | ReplyTo::Response(..) => {
                let message = Message::Reply { request_id, result };
                self.notify(pending.application, &message);
                let (device, application) = (Some(pending.device), Some(pending.application));
                self.observe(Subject { device, application, call: pending.call }, &message);
            }
        }
    }

    /// Forgets the calls whose creation failed.
    fn discard_all(&mut self, created: &[Created]) {
        for made in created {
            self.discard(made.call);
        }
    }

    /// Forgets a call whose creation failed: nobody has heard of it.
    fn discard(&mut self, key: CallKey) {
        if let Some(call) = self.calls.remove(key)
            && let Some(line) = self.lines.get_mut(call.line.0 as usize)
        {
            line.calls.retain(|listed| *listed != key);
        }
    }
}
