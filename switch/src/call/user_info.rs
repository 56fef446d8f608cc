//! User-user information: what one user sends the other beside the call, as User-to-User (RFC 7433)
//! at phones and LINECALLINFO.userUserInfo at applications.
//!
//! Whatever a phone's message carries is told to the applications of the other line and goes on,
//! as it was written, with the next message to the other phone: INVITE, 180, 200, BYE, and INFO in
//! between. What an application sends takes the same way. Source: RFC 7433 §4; TAPI
//! lineSendUserUserInfo, 4.10; sip-mapping §1.4, §2.7.

use sip_stack::endpoint::{HeaderField, InDialogRequest, LegId, Reply};
use sip_stack::header::{MAX_USER_TO_USER, UserToUser};
use sip_stack::message::{HeaderName, Message, Method};
use tapi::RequestKey;
use tapi::constant::{CallState, LineErr};

use super::{CallId, Origination, Side, Waiting};
use crate::exchange::Exchange;

/// Bytes that an application can send at a time (LINEDEVCAPS.dwUUI…Size), as in ISDN.
pub(crate) const MAX_INFO: u32 = 128;

/// The User-to-User value of a message, as long as it can be read.
pub(crate) fn info_of(message: &Message) -> Option<String> {
    let value = message.header(HeaderName::UserToUser)?;
    let is_read = value.len() <= MAX_USER_TO_USER && UserToUser::parse(value).is_ok();
    is_read.then(|| value.to_owned())
}

/// What applications read of a User-to-User value.
pub(crate) fn text_of(value: &str) -> String {
    UserToUser::parse(value).map(|info| info.text()).unwrap_or_default()
}

/// The User-to-User value of what an application sends; none for nothing.
pub(crate) fn value_of(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| UserToUser::hex(text.as_bytes()))
}

impl Exchange {
    /// A response of a called phone may bring information for the caller, which goes on with the
    /// response that the caller's phone gets because of it.
    pub(crate) fn hear_response(&mut self, leg: LegId, message: &Message) {
        let Some(&id) = self.by_leg.get(&leg) else { return };
        self.note_asserted(id, message);
        let Some(value) = info_of(message) else { return };
        let Some(call) = self.calls.get(id.0).filter(|call| call.side == Side::Called) else {
            return;
        };
        let is_only_phone = call.legs == [leg];
        let Some(connection) = self.connections.get(call.connection.0) else { return };
        // Of several that refuse the caller hears one cause, and what belongs to no other.
        let is_final_refusal = message.status().is_some_and(|status| status >= 300);
        if is_final_refusal && !(is_only_phone && connection.called == [id]) {
            return;
        }
        if let Some(caller) = connection.caller {
            self.bring_info(caller, &value);
        }
    }

    /// A BYE brings the last information.
    pub(crate) fn hear_bye(&mut self, leg: LegId, message: &Message) {
        let Some(&id) = self.by_leg.get(&leg) else { return };
        if let Some(value) = info_of(message) {
            for far in self.told_of(id) {
                self.bring_info(far, &value);
            }
        }
    }

    /// INFO with User-to-User, in the middle of a call.
    pub(crate) fn hear_info(&mut self, leg: LegId, message: &Message) {
        let Some(&id) = self.by_leg.get(&leg) else { return };
        if let Some(value) = info_of(message) {
            for far in self.told_of(id) {
                self.bring_info(far, &value);
                self.send_info_now(far);
            }
        }
    }

    /// Information for a party: its line's applications are told at once, its phone by the next
    /// message.
    pub(crate) fn bring_info(&mut self, to: CallId, value: &str) {
        let Some(call) = self.calls.get_mut(to.0) else { return };
        call.details.for_phone = Some(value.to_owned());
        if let Some(key) = call.tapi {
            let text = text_of(value);
            if !text.is_empty() {
                self.tapi.user_user_info(self.clock.unix_ms, key, text);
            }
        }
    }

    /// The header fields that go with the next message to a call's phone.
    pub(crate) fn info_headers(&mut self, id: CallId) -> Vec<HeaderField> {
        let value = self.calls.get_mut(id.0).and_then(|call| call.details.for_phone.take());
        value.map(info_field).into_iter().collect()
    }

    /// The same for a response.
    pub(crate) fn with_info(&mut self, id: CallId, reply: Reply) -> Reply {
        let fields = self.info_headers(id).into_iter();
        fields.fold(reply, |reply, (name, value)| reply.header(name, value))
    }

    /// lineSendUserUserInfo.
    ///
    /// Errors: OPERATIONFAILED when there is nobody at the other end.
    pub(crate) fn send_user_info(
        &mut self,
        id: CallId,
        text: &str,
        request: RequestKey,
    ) -> Result<(), LineErr> {
        let receivers = self.told_of(id);
        if receivers.is_empty() {
            return Err(LineErr::OperationFailed);
        }
        self.done(Some(request));
        let Some(value) = value_of(text) else { return Ok(()) };
        for receiver in receivers {
            self.bring_info(receiver, &value);
            self.send_info_now(receiver);
        }
        Ok(())
    }

    /// lineAccept and lineDrop with information: it goes with what they cause.
    pub(crate) fn send_info_along(&mut self, id: CallId, text: &str) {
        let Some(value) = value_of(text) else { return };
        for receiver in self.told_of(id) {
            self.bring_info(receiver, &value);
        }
    }

    /// lineAnswer with information: it goes with the 200, when the phone has answered.
    pub(crate) fn keep_answer_info(&mut self, id: CallId, text: &str) {
        if let Some(call) = self.calls.get_mut(id.0) {
            call.details.with_answer = value_of(text);
        }
    }

    /// The phone has answered as lineAnswer wished.
    pub(crate) fn bring_answer_info(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(id.0) else { return };
        let is_asked = matches!(call.waiting, Some(Waiting::Answer { .. }));
        let value = call.details.with_answer.take().filter(|_| is_asked);
        let caller = self.connections.get(call.connection.0).and_then(|c| c.caller);
        if let (Some(value), Some(caller)) = (value, caller) {
            self.bring_info(caller, &value);
        }
    }

    /// Who hears what this party sends: the other members of its conference, the far party, all
    /// that ring for it.
    fn told_of(&self, id: CallId) -> Vec<CallId> {
        let Some(call) = self.calls.get(id.0) else { return Vec::new() };
        if let Some(conference) = call.conference.and_then(|key| self.conferences.get(key.0)) {
            return conference.members.iter().copied().filter(|other| *other != id).collect();
        }
        match self.far(id) {
            Some(far) => vec![far],
            None if call.state == CallState::Ringback => {
                let connection = self.connections.get(call.connection.0);
                connection.map(|connection| connection.called.clone()).unwrap_or_default()
            }
            None => Vec::new(),
        }
    }

    /// What waits for the phone is sent now: by INFO, or, while the phone waits for the answer to
    /// its INVITE, by a provisional response.
    fn send_info_now(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id.0) else { return };
        let (legs, is_calling) = (call.legs.clone(), call.side == Side::Caller);
        let waits = is_calling && call.origination == Origination::Phone && !call.is_established();
        let status = if call.state == CallState::Ringback { 180 } else { 183 };
        let Some(field) = self.info_headers(id).into_iter().next() else { return };
        for leg in legs {
            if waits {
                let reply = Reply::new(status).header(field.0.clone(), field.1.clone());
                self.endpoint.progress(self.clock.now, leg, &reply, None, &mut self.sip);
                continue;
            }
            let Some(view) = self.endpoint.leg(leg) else { continue };
            // Before the phone's first response there is no dialog to send INFO in.
            if view.remote_tag.is_empty() || !view.peer_allows(&Method::Info) {
                continue;
            }
            let headers = vec![field.clone()];
            let request = InDialogRequest { method: Method::Info, headers, body: None, token: 0 };
            self.endpoint.request_in_dialog(self.clock.now, leg, request, &mut self.sip);
        }
    }
}

pub(crate) fn info_field(value: String) -> HeaderField {
    (HeaderName::UserToUser.as_str().to_owned(), value)
}
