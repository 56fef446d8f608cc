//! The client without a socket: protocol and object table joined. Text of the switch goes in; out
//! come texts to send, results of requests and events.
//!
//! What a reply makes true (a handle of a new call, an open line) is entered before the next
//! message is looked at, so that no message meets an object that is not known yet.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::constant::{CallPrivilege, TapiEvent};
use super::error::{TapiError, TapiErrorCode};
use super::map::number;
use super::table::{AddressKey, CallId, Freed, Open, Raw, Table};
use super::wire::{Arrival, Violation, Wire};
use crate::constant::Mask;

/// Bindings of lost requests that are kept in case the switch had them.
const MAX_LOST: usize = 256;
/// Handles that wait to be given back.
const MAX_FREED: usize = 65_536;

/// What a reply means beside its result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// Nothing.
    Plain,
    /// lineInitializeEx.
    Start,
    /// lineShutdown.
    Stop,
    /// lineOpen.
    Open(Open),
    /// lineClose.
    Close(u32),
    /// The calls whose handles the reply brings.
    Bind(Binding),
    /// LINECALLINFO of a call whose dwCallID is wanted.
    Identify(CallId),
    /// lineGetNewCalls: calls that were there before the application looked.
    NewCalls(u32, AddressKey),
    /// LINECALLSTATUS of a call whose state is not known yet.
    Status(CallId),
}

/// Which field of a reply is the handle of which call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Binding {
    pub(crate) h_line: u32,
    pub(crate) fields: Vec<(&'static str, CallId)>,
}

struct Waiting<S> {
    to: Option<S>,
    purpose: Purpose,
}

/// A result for somebody who waits.
pub(crate) type Done<S> = (S, Result<Value, TapiError>);

/// The client; `S` is somebody who waits for a result.
pub(crate) struct Core<S> {
    wire: Wire<Waiting<S>>,
    pub(crate) table: Table,
    /// put_EventFilter; without it no event is delivered at all.
    pub(crate) filter: Mask<TapiEvent>,
    /// Between Initialize and Shutdown.
    pub(crate) is_initialized: bool,
    pub(crate) num_devices: u32,
    /// The last lRegister that was given out.
    pub(crate) last_cookie: i32,
    lost: VecDeque<Binding>,
    freed: VecDeque<Freed>,
}

impl<S> Default for Core<S> {
    fn default() -> Self {
        Self {
            wire: Wire::default(),
            table: Table::default(),
            filter: Mask::EMPTY,
            is_initialized: false,
            num_devices: 0,
            last_cookie: 0,
            lost: VecDeque::new(),
            freed: VecDeque::new(),
        }
    }
}

impl<S> Core<S> {
    /// Asks for a function; `to` gets the result, at once where it cannot be asked.
    pub(crate) fn ask(
        &mut self,
        method: &str,
        params: Value,
        purpose: Purpose,
        to: S,
    ) -> Option<Done<S>> {
        if !self.is_initialized && purpose != Purpose::Start {
            let error = TapiError::new(TapiErrorCode::NotInitialized, "Initialize comes first.");
            return Some((to, Err(error)));
        }
        let waiting = Waiting { to: Some(to), purpose };
        let refused = self.wire.ask(method, params, waiting).err()?;
        let detail = "Too many requests are under way.";
        let error = TapiError::new(TapiErrorCode::RequestOverrun, detail);
        refused.to.map(|to| (to, Err(error)))
    }

    /// Asks for a function whose result nobody waits for; false where there is no room.
    fn ask_silently(&mut self, method: &str, params: Value, purpose: Purpose) -> bool {
        self.wire.ask(method, params, Waiting { to: None, purpose }).is_ok()
    }

    /// Texts to send now, in order.
    pub(crate) fn take_unsent(&mut self) -> Vec<String> {
        self.follow_up();
        self.wire.take_unsent()
    }

    /// How many requests are under way.
    #[cfg(test)]
    fn under_way(&self) -> usize {
        self.wire.under_way()
    }

    /// A text of the switch; results go into `done`.
    pub(crate) fn receive(&mut self, text: &str, done: &mut Vec<Done<S>>) -> Result<(), Violation> {
        match self.wire.receive(text)? {
            None => {}
            Some(Arrival::Notification { method, params }) => self.table.message(&method, &params),
            Some(Arrival::Orphan(reply)) => self.adopt(&reply),
            Some(Arrival::Done { waiter, result }) => {
                if let Ok(value) = &result {
                    self.achieve(waiter.purpose, value);
                }
                done.extend(waiter.to.map(|to| (to, result)));
            }
        }
        Ok(())
    }

    /// The events since the last time that pass the filter. Their calls are held for the objects
    /// that will be in them.
    pub(crate) fn take_events(&mut self) -> Vec<Raw> {
        let filter = self.filter;
        let passes = |event: &Raw| event.kind().is_none_or(|kind| filter.contains(kind));
        let events: Vec<Raw> = self.table.take_events().into_iter().filter(passes).collect();
        for call in events.iter().filter_map(Raw::call) {
            self.table.hold(*call);
        }
        events
    }

    fn achieve(&mut self, purpose: Purpose, value: &Value) {
        match purpose {
            Purpose::Plain => {}
            Purpose::Start => {
                self.is_initialized = true;
                self.num_devices = number(&value["numDevs"]).unwrap_or(0);
                let instance = value["instance"].as_str().unwrap_or_default();
                self.wire.started(instance.to_owned());
            }
            Purpose::Stop => {
                self.is_initialized = false;
                self.wire.ended();
                self.freed.clear();
                self.lost.clear();
                for h_line in self.table.opens.keys().copied().collect::<Vec<_>>() {
                    self.table.closed(h_line);
                }
            }
            Purpose::Open(open) => {
                if let Some(h_line) = number(&value["hLine"]) {
                    self.table.opens.insert(h_line, open);
                }
            }
            Purpose::Close(h_line) => {
                self.table.closed(h_line);
            }
            Purpose::Bind(binding) => self.bind(&binding, value),
            Purpose::NewCalls(h_line, address) => {
                let handles = value["calls"].as_array().into_iter().flatten().filter_map(number);
                for handle in handles {
                    self.table.found(handle, h_line, address);
                }
            }
            Purpose::Status(call) => self.table.status(call, value),
            Purpose::Identify(call) => {
                if let Some(call_id) = number(&value["callId"]) {
                    self.table.identified(call, call_id);
                }
            }
        }
    }

    fn bind(&mut self, binding: &Binding, reply: &Value) {
        for (field, call) in &binding.fields {
            let Some(handle) = number(&reply[*field]) else { continue };
            if !self.table.bind(*call, handle, binding.h_line) {
                self.give_back(Freed { handle, must_drop: false });
            }
        }
    }

    /// A reply whose request was lost with a connection: its handles belong to the oldest lost
    /// request that wanted such, or to nobody.
    fn adopt(&mut self, reply: &Value) {
        const HANDLES: [&str; 3] = ["hCall", "hConsultCall", "hConfCall"];
        let brought = HANDLES.iter().filter(|field| number(&reply[**field]).is_some());
        let brought: Vec<&str> = brought.copied().collect();
        if brought.is_empty() {
            return;
        }
        let fits = |binding: &Binding| {
            binding.fields.len() == brought.len()
                && binding.fields.iter().all(|(field, _)| brought.contains(field))
        };
        if let Some(index) = self.lost.iter().position(fits) {
            if let Some(binding) = self.lost.remove(index) {
                self.bind(&binding, reply);
            }
            return;
        }
        for field in brought {
            if let Some(handle) = number(&reply[field]) {
                self.give_back(Freed { handle, must_drop: false });
            }
        }
    }

    /// Forgets the calls that nobody holds any more and gives their handles back.
    pub(crate) fn sweep(&mut self) {
        for freed in self.table.sweep() {
            self.give_back(freed);
        }
    }

    /// Gives the handle of a call back, whoever holds the call.
    pub(crate) fn give_up_call(&mut self, call: CallId) {
        if let Some(freed) = self.table.forget(call) {
            self.give_back(freed);
        }
    }

    fn give_back(&mut self, freed: Freed) {
        if self.is_initialized && self.freed.len() < MAX_FREED {
            self.freed.push_back(freed);
        }
    }

    /// What the client asks for by itself: lineDeallocateCall, and LINECALLINFO of calls on
    /// tracked addresses.
    fn follow_up(&mut self) {
        while let Some(Freed { handle, must_drop }) = self.freed.front().copied() {
            let call = json!({ "hCall": handle });
            let is_asked = (!must_drop
                || self.ask_silently("lineDrop", call.clone(), Purpose::Plain))
                && self.ask_silently("lineDeallocateCall", call, Purpose::Plain);
            if !is_asked {
                break;
            }
            self.freed.pop_front();
        }
        for call in std::mem::take(&mut self.table.unidentified) {
            let handle = self.table.calls.get(&call).and_then(|record| record.handle);
            if let Some(handle) = handle.filter(|_| self.is_initialized) {
                let params = json!({ "hCall": handle });
                self.ask_silently("lineGetCallInfo", params, Purpose::Identify(call));
            }
        }
    }

    /// The connection broke: who cannot know whether the switch has the request is told so.
    pub(crate) fn broken(&mut self, done: &mut Vec<Done<S>>) {
        for waiting in self.wire.broken() {
            if let Purpose::Bind(binding) = waiting.purpose
                && self.lost.len() < MAX_LOST
            {
                self.lost.push_back(binding);
            }
            let detail = "The connection broke before the switch answered; \
                          it may have carried the request out.";
            let error = TapiError::new(TapiErrorCode::OperationFailed, detail);
            done.extend(waiting.to.map(|to| (to, Err(error))));
        }
    }

    /// How a new connection begins; see [`Wire::resumption`].
    pub(crate) fn resumption(&mut self) -> Option<(u64, String)> {
        self.wire.resumption()
    }

    /// The application cannot be taken up again: its handles are void.
    pub(crate) fn lose(&mut self, done: &mut Vec<Done<S>>) {
        for waiting in self.wire.give_up() {
            let detail = "The connection to the switch is lost. Initialize again.";
            let error = TapiError::new(TapiErrorCode::Reinit, detail);
            done.extend(waiting.to.map(|to| (to, Err(error))));
        }
        if self.is_initialized {
            self.table.lose_all();
        }
        self.is_initialized = false;
        self.freed.clear();
        self.lost.clear();
    }

    /// The handle of a call that the application owns.
    ///
    /// Errors: TAPI_E_INVALCALLSTATE where there is no call behind the object, TAPI_E_NOTOWNER for
    /// a monitor.
    pub(crate) fn owned(&self, call: CallId) -> Result<u32, TapiError> {
        let record = self.table.calls.get(&call);
        let handle = record.and_then(|record| record.handle).ok_or_else(|| {
            TapiError::new(TapiErrorCode::InvalCallState, "There is no call behind this object.")
        })?;
        match record.map(|record| record.privilege) {
            Some(CallPrivilege::Owner) => Ok(handle),
            _ => Err(TapiError::new(TapiErrorCode::NotOwner, "The call is only monitored.")),
        }
    }
}

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;
