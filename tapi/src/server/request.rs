//! Asynchronous requests, from the intent to the reply.

use serde_json::{Map, Value};

use crate::constant::{CallPrivilege, LineErr};
use crate::message::{Message, reply};
use crate::model::{ApplicationId, CallKey, DeviceId, Holder};
use crate::op::Intent;

use super::{
    Fault, MAX_PENDING_REQUESTS, Output, Pending, Purpose, ReplyFields, ReplyTo, RequestKey,
    Server, rpc,
};

/// An asynchronous request whose checks have passed.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) intent: Intent,
    pub(crate) h_line: u32,
    pub(crate) device: DeviceId,
    pub(crate) call: Option<CallKey>,
    pub(crate) purpose: Purpose,
}

impl Server {
    /// The request has been carried out, or has failed. The application gets its LINE_REPLY
    /// (or the response that it waits for) before any message that follows. A call that the
    /// request created becomes known with success and is gone with failure. A key that is
    /// not known any more is ignored.
    pub fn complete(
        &mut self,
        now_ms: u64,
        request: RequestKey,
        result: Result<ReplyFields, LineErr>,
    ) {
        self.tick(now_ms);
        let Some(pending) = self.requests.remove(&request) else { return };
        if let Some(app) = self.applications.get_mut(&pending.application) {
            app.pending = app.pending.saturating_sub(1);
        }
        match result {
            Ok(fields) => self.succeed(&pending, fields.0),
            Err(error) => {
                if let (Purpose::Create { .. }, Some(key)) = (pending.purpose, pending.call) {
                    self.discard(key);
                }
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
            if let (Purpose::Create { .. }, Some(key)) = (begun.purpose, begun.call) {
                self.discard(key);
            }
            let detail = "Too many requests of this application are outstanding.";
            return Err(Fault::line(LineErr::ResourceUnavail, detail));
        };
        app.pending += 1;
        let request_id = app.next_request();
        let reply_to = match (waits_on, app.connection) {
            (Some(id), Some(connection)) => ReplyTo::Response(connection, id),
            _ => ReplyTo::Message,
        };
        self.last_request += 1;
        let request = RequestKey(self.last_request);
        let Begun { intent, h_line, device, call, purpose } = begun;
        if let (Purpose::Create { .. }, Some(call)) =
            (purpose, call.and_then(|key| self.calls.get_mut(key)))
        {
            call.creation = Some(request);
        }
        let pending = Pending { application, request_id, reply_to, h_line, device, call, purpose };
        self.requests.insert(request, pending);
        self.deferred.push(Output::Intent { request, intent });
        Ok(request_id)
    }

    fn succeed(&mut self, pending: &Pending, mut fields: Map<String, Value>) {
        let Some(key) = pending.call else { return self.answer(pending, Ok(fields)) };
        let Purpose::Create { h_call } = pending.purpose else {
            self.apply(pending, key);
            return self.answer(pending, Ok(fields));
        };
        let Some((line, address)) = self.calls.get(key).map(|call| (call.line, call.address))
        else {
            return self.answer(pending, Err(LineErr::OperationFailed));
        };
        let before = self.address_counts(line, address);
        let name = self.applications.get(&pending.application).map(|app| app.name.clone());
        let requester = (pending.application, pending.h_line);
        let is_open = self
            .applications
            .get(&pending.application)
            .is_some_and(|app| app.opens.contains_key(&pending.h_line));
        if let Some(call) = self.calls.get_mut(key) {
            call.creation = None;
            if call.info.app_name.is_empty() {
                call.info.app_name = name.unwrap_or_default();
            }
            if is_open {
                call.holders.push(Holder {
                    application: pending.application,
                    h_line: pending.h_line,
                    h_call,
                    privilege: CallPrivilege::Owner,
                });
            }
        }
        if is_open && let Some(app) = self.applications.get_mut(&pending.application) {
            app.calls.insert(h_call, key);
        }
        fields.insert("hCall".to_owned(), h_call.into());
        self.answer(pending, Ok(fields));
        self.announce_created(key, requester, before);
    }

    /// What success means for a call that is there already.
    fn apply(&mut self, pending: &Pending, key: CallKey) {
        let name = self.applications.get(&pending.application).map(|app| app.name.clone());
        let Some(call) = self.calls.get_mut(key) else { return };
        match pending.purpose {
            Purpose::Claim if call.info.app_name.is_empty() => {
                call.info.app_name = name.unwrap_or_default();
            }
            Purpose::Dial { is_complete, has_digits } => {
                call.takes_digits = !is_complete;
                call.has_digits |= has_digits;
            }
            _ => {}
        }
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
                self.notify(pending.application, &Message::Reply { request_id, result });
            }
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
