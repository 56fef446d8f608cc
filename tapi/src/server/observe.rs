//! What applications have been told, for those who follow the switch without being one.
//!
//! A message that goes to several holders is observed once; LINE_CALLSTATE, digits, tones and media
//! are not: the provider tells those, and knows them also where nobody holds a handle.

use serde_json::{Map, Value, json};

use crate::message::Message;
use crate::model::{ApplicationId, CallKey, DeviceId};

use super::Server;

/// Fields of a message that only its application understands, and the one that nobody else may read.
const HIDDEN: [&str; 5] = ["hLine", "hCall", "hConfCall", "proxyRequest", "agentPin"];

/// A message that somebody was told.
#[derive(Clone, PartialEq, Debug)]
pub struct Observation {
    /// Its name: LINE_REPLY, LINE_ADDRESSSTATE …
    pub kind: &'static str,
    /// Its fields, with `line`, `callId` and `application` in place of handles.
    pub fields: Value,
}

/// What a message is about.
#[derive(Clone, Copy, Default)]
pub(super) struct Subject {
    pub(super) device: Option<DeviceId>,
    pub(super) call: Option<CallKey>,
    /// To whom alone it went.
    pub(super) application: Option<ApplicationId>,
}

impl Server {
    /// Notes that a message was told.
    pub(super) fn observe(&mut self, about: Subject, message: &Message) {
        let mut fields = Map::new();
        let call = about.call.and_then(|key| self.calls.get(key));
        let device = about.device.or_else(|| call.map(|call| call.line));
        if let Some(line) = device.and_then(|device| self.lines.get(device.0 as usize)) {
            fields.insert("line".to_owned(), line.spec.number.clone().into());
        }
        if let Some(call) = call {
            fields.insert("callId".to_owned(), json!(call.info.call_id));
        }
        if let Some(app) = about.application.and_then(|id| self.applications.get(&id)) {
            fields.insert("application".to_owned(), app.name.clone().into());
        }
        let said = message.params().into_iter();
        fields.extend(said.filter(|(name, _)| !HIDDEN.contains(&name.as_str())));
        self.observed.push(Observation { kind: message.method(), fields: Value::Object(fields) });
    }
}
