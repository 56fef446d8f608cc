//! What applications want to hear of on calls: digits, tones, kinds of media.
//!
//! A wish belongs to a call; what is listened to are the phones that the call's party hears. Who
//! that is changes with transfer, hold and conference, and the wish goes along with the call.
//! Source: TAPI lineMonitorDigits, lineGatherDigits, lineMonitorTones, lineMonitorMedia.

use std::collections::HashMap;

use serde_json::Value;
use tapi::Mask;
use tapi::constant::{DigitMode, MediaMode};

use super::CallId;
use crate::exchange::Exchange;

/// What all applications together want to hear of on a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Wish {
    pub(crate) digits: Mask<DigitMode>,
    pub(crate) media: Mask<MediaMode>,
    pub(crate) tones: Vec<tapi::Tone>,
}

impl Wish {
    fn is_empty(&self) -> bool {
        self.digits.is_empty() && self.media.is_empty() && self.tones.is_empty()
    }
}

/// The wishes of all calls. Bounded by the calls and by what TAPI takes for each.
#[derive(Debug, Default)]
pub(crate) struct Listening {
    wishes: HashMap<CallId, Wish>,
}

impl Listening {
    pub(crate) fn wish(&self, call: CallId) -> Option<&Wish> {
        self.wishes.get(&call)
    }

    /// Calls with wishes.
    pub(crate) fn len(&self) -> usize {
        self.wishes.len()
    }
}

impl Exchange {
    /// What applications want to hear of on a call has changed.
    pub(crate) fn listen_for(&mut self, id: CallId, wish: Wish) {
        if wish.is_empty() {
            self.listening.wishes.remove(&id);
        } else {
            self.listening.wishes.insert(id, wish);
        }
    }

    /// The call is over, and nobody wants to hear of it any more.
    pub(crate) fn stop_listening(&mut self, id: CallId) {
        self.listening.wishes.remove(&id);
    }

    /// Publishes a message of a call in `GET events`.
    pub(crate) fn publish_heard(&mut self, kind: &str, id: CallId, fields: Value) {
        let Some(call) = self.calls.get(id.0) else { return };
        let Some(line) = call.party.line() else { return };
        let call_id = self.connections.get(call.connection.0).map_or(0, |c| c.call_id);
        let mut event = serde_json::json!({"line": line, "callId": call_id});
        if let (Some(event), Value::Object(fields)) = (event.as_object_mut(), fields) {
            event.extend(fields);
        }
        self.publish(kind, event);
    }
}
