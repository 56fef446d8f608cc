//! The provider's side: lines, and what happens to calls.

use crate::constant::{
    AddressState, CallFeature, CallInfoState, CallPrivilege, CallState, CallTreatment,
    LineDevState, LineErr, Mask,
};
use crate::feature;
use crate::message::{LineDetail, Message};
use crate::model::{
    AddressId, ApplicationId, Call, CallCapability, CallInfo, CallKey, CallMode, Candidate,
    DeviceId, Holder, Line, LineSpec, StateError, is_legal,
};

use super::observe::Subject;
use super::{MAX_IDLE_CALLS, Purpose, ReplyFields, RequestKey, Server};

/// States of a call kept until the LINE_REPLY of the request that creates it.
const MAX_BACKLOG: usize = 16;

/// A call that no application asked for.
#[derive(Clone, PartialEq, Debug)]
pub struct NewCall {
    /// The line it is on.
    pub line: DeviceId,
    /// The address it is on.
    pub address: AddressId,
    /// Its state, a first state of the transition matrix.
    pub state: CallState,
    /// Its mode.
    pub mode: CallMode,
    /// What is known of it.
    pub info: CallInfo,
    /// What can be done with it.
    pub capability: CallCapability,
}

/// A call as the provider sees it.
#[derive(Clone, Copy, Debug)]
pub struct CallView<'a> {
    /// Its line.
    pub line: DeviceId,
    /// Its address.
    pub address: AddressId,
    /// Its state; UNKNOWN while none has been reported.
    pub state: CallState,
    /// Its mode.
    pub mode: CallMode,
    /// What is known of it.
    pub info: &'a CallInfo,
    /// What its far party hears while it waits.
    pub treatment: Option<CallTreatment>,
    /// What can be done with it.
    pub capability: CallCapability,
    /// When it got into the state.
    pub entered_ms: u64,
    /// How many handles there are.
    pub holders: usize,
    /// Applications know of it: the request that creates it, if any, has been answered.
    pub is_known: bool,
}

/// Lines.
impl Server {
    /// Adds a line, or changes the one with this number. Applications are told by LINE_CREATE,
    /// or by CAPSCHANGE. A line begins out of service. One that was removed gets its device
    /// identifier back.
    pub fn add_line(&mut self, spec: LineSpec) -> DeviceId {
        let device = match self.by_number.get(&spec.number) {
            Some(device) => *device,
            None => {
                let device = DeviceId(u32::try_from(self.lines.len()).unwrap_or(u32::MAX));
                self.by_number.insert(spec.number.clone(), device);
                self.lines.push(Line::new(spec));
                self.tell_device(device, &Message::Create { device });
                return device;
            }
        };
        let Some(line) = self.lines.get_mut(device.0 as usize) else { return device };
        let was_removed = std::mem::replace(&mut line.is_removed, false);
        let is_changed = line.spec != spec;
        let leaves_proxies = line.spec.offers.agents != spec.offers.agents;
        line.spec = spec;
        let addresses = line.address_ids();
        if leaves_proxies {
            self.unregister_proxies(device, None);
        }
        if was_removed {
            self.tell_device(device, &Message::Create { device });
        } else if is_changed {
            self.tell_line(device, LineDevState::CapsChange, LineDetail::None, None);
            for address in addresses {
                self.tell_address(device, address, AddressState::CapsChange.into());
            }
        }
        device
    }

    /// Takes a line away: outstanding requests fail, LINE_CLOSE goes to every open handle, and
    /// LINE_REMOVE to every application. Its calls stay until the provider ends them.
    pub fn remove_line(&mut self, now_ms: u64, device: DeviceId) {
        self.tick(now_ms);
        let Some(line) = self.lines.get_mut(device.0 as usize).filter(|l| !l.is_removed) else {
            return;
        };
        line.is_removed = true;
        line.is_in_service = false;
        let due: Vec<RequestKey> =
            self.requests.iter().filter(|(_, p)| p.device == device).map(|(k, _)| *k).collect();
        for request in due {
            self.complete(now_ms, request, Err(LineErr::OperationFailed));
        }
        self.tell_line(device, LineDevState::Removed, LineDetail::None, None);
        let opens =
            self.lines.get_mut(device.0 as usize).map(|line| std::mem::take(&mut line.opens));
        for (application, h_line) in opens.unwrap_or_default() {
            let message = Message::Close { h_line };
            self.notify(application, &message);
            let (device, application_told) = (Some(device), Some(application));
            let about = Subject { device, application: application_told, ..Subject::default() };
            self.observe(about, &message);
            self.close_line(application, h_line);
        }
        self.tell_device(device, &Message::Remove { device });
    }

    /// The device of a line's number.
    pub fn line_by_number(&self, number: &str) -> Option<DeviceId> {
        let device = *self.by_number.get(number)?;
        self.lines.get(device.0 as usize).filter(|line| !line.is_removed).map(|_| device)
    }

    /// The number of a line device that is not removed.
    pub fn line_number(&self, device: DeviceId) -> Option<&str> {
        let line = self.lines.get(device.0 as usize).filter(|line| !line.is_removed)?;
        Some(&line.spec.number)
    }

    /// A phone is registered for the line, or none is any more.
    pub fn line_service(&mut self, now_ms: u64, device: DeviceId, is_in_service: bool) {
        self.tick(now_ms);
        let Some(line) = self.lines.get_mut(device.0 as usize) else { return };
        if line.is_in_service == is_in_service {
            return;
        }
        line.is_in_service = is_in_service;
        let states = if is_in_service {
            [LineDevState::InService, LineDevState::Connected]
        } else {
            [LineDevState::OutOfService, LineDevState::Disconnected]
        };
        for state in states {
            self.tell_line(device, state, LineDetail::None, None);
        }
    }

    /// A message waits at the line, or none does any more.
    pub fn message_waiting(&mut self, device: DeviceId, is_waiting: bool) {
        let Some(line) = self.lines.get_mut(device.0 as usize) else { return };
        if line.has_message_waiting != is_waiting {
            line.has_message_waiting = is_waiting;
            let state = if is_waiting { LineDevState::MsgWaitOn } else { LineDevState::MsgWaitOff };
            self.tell_line(device, state, LineDetail::None, None);
        }
    }

    /// Another status item of the line changed.
    pub fn line_state(&mut self, device: DeviceId, state: LineDevState, detail: LineDetail) {
        self.tell_line(device, state, detail, None);
    }

    /// A ring cycle began at the line's phone; `count` rises from 0.
    pub fn ringing(&mut self, device: DeviceId, count: u32) {
        self.tell_line(device, LineDevState::Ringing, LineDetail::Ring { mode: 1, count }, None);
    }

    /// Status items of an address changed.
    pub fn address_state(
        &mut self,
        device: DeviceId,
        address: AddressId,
        changes: impl Into<Mask<AddressState>>,
    ) {
        self.tell_address(device, address, changes.into());
    }
}

/// Calls.
impl Server {
    /// A call appeared: it arrived, or the phone began it. The first application with OWNER for
    /// its media mode owns it, those with MONITOR monitor it.
    pub fn call_new(&mut self, now_ms: u64, new: NewCall) -> Result<CallKey, StateError> {
        self.tick(now_ms);
        if !is_legal(None, new.state) {
            return Err(StateError::Illegal { from: None, to: new.state });
        }
        if !new.mode.fits(new.state) {
            return Err(StateError::WrongMode { state: new.state, mode: new.mode });
        }
        let (line, address) = (new.line, new.address);
        let before = self.address_counts(line, address);
        let mut call = Call::new(line, address, new.info, self.now_ms);
        call.state = new.state;
        call.mode = new.mode;
        call.capability = new.capability;
        let key = self.insert_call(call);
        for holder in self.offer(key) {
            self.tell_new_call((key, &holder), address, new.state, new.mode);
        }
        self.tell_counts(line, address, before);
        Ok(key)
    }

    /// A call got into a state, or its mode changed; every holder is told. A repeated report is
    /// ignored. With IDLE the call is over: what was still asked of it fails (lineDrop
    /// succeeds), and the key ends with the last handle.
    pub fn call_state(
        &mut self,
        now_ms: u64,
        key: CallKey,
        state: CallState,
        mode: CallMode,
    ) -> Result<(), StateError> {
        self.tick(now_ms);
        let call = self.calls.get(key).ok_or(StateError::NoSuchCall)?;
        let from = Some(call.state);
        if from == Some(state) && call.mode == mode {
            return Ok(());
        }
        if !is_legal(from, state) {
            return Err(StateError::Illegal { from, to: state });
        }
        if !mode.fits(state) {
            return Err(StateError::WrongMode { state, mode });
        }
        if state == CallState::Idle {
            self.settle_requests(now_ms, key);
        }
        if matches!(state, CallState::Idle | CallState::Disconnected) {
            self.end_detections(key);
        }
        let is_joining = state == CallState::Conferenced;
        self.last_joined += u64::from(is_joining);
        let joined = self.last_joined;
        let call = self.calls.get(key).ok_or(StateError::NoSuchCall)?;
        let (line, address) = (call.line, call.address);
        let before = self.address_counts(line, address);
        let now_ms = self.now_ms;
        let Some(call) = self.calls.get_mut(key) else { return Err(StateError::NoSuchCall) };
        call.state = state;
        call.mode = mode;
        call.entered_ms = now_ms;
        if is_joining {
            call.joined = joined;
        }
        if call.creation.is_some() {
            if call.backlog.len() < MAX_BACKLOG {
                call.backlog.push((state, mode));
            }
            return Ok(());
        }
        self.tell_state(key, state, mode);
        if state == CallState::Idle {
            self.retire(key);
        }
        self.tell_counts(line, address, before);
        Ok(())
    }

    /// Items of LINECALLINFO changed; every holder is told, unless the call is IDLE.
    pub fn call_info(
        &mut self,
        now_ms: u64,
        key: CallKey,
        change: impl FnOnce(&mut CallInfo),
        changes: impl Into<Mask<CallInfoState>>,
    ) {
        self.tick(now_ms);
        if let Some(call) = self.calls.get_mut(key) {
            change(&mut call.info);
            self.tell_info(key, changes.into(), None);
        }
    }

    /// Changes LINECALLINFO and tells every holder which items are not as they were, if any, and
    /// the call is not IDLE. What a transfer, a pickup or a redirection moves goes in one change.
    pub fn call_update(
        &mut self,
        now_ms: u64,
        key: CallKey,
        change: impl FnOnce(&mut CallInfo),
    ) -> Mask<CallInfoState> {
        self.tick(now_ms);
        let Some(call) = self.calls.get_mut(key) else { return Mask::EMPTY };
        let before = call.info.clone();
        change(&mut call.info);
        let changes = call.info.changes_since(&before);
        self.tell_info(key, changes, None);
        changes
    }

    /// What can be done with a call has changed. No message: features are read when needed.
    pub fn call_capability(&mut self, key: CallKey, capability: CallCapability) {
        if let Some(call) = self.calls.get_mut(key) {
            call.capability = capability;
        }
    }

    /// Repeats the present state to all holders, so that they read the features anew.
    pub fn call_features_changed(&mut self, key: CallKey) {
        let Some(call) = self.calls.get(key) else { return };
        if call.creation.is_none() {
            let (state, mode) = (call.state, call.mode);
            self.tell_state(key, state, mode);
        }
    }

    /// A call, while it is not IDLE or some application holds it.
    pub fn call(&self, key: CallKey) -> Option<CallView<'_>> {
        self.calls.get(key).map(|call| CallView {
            line: call.line,
            address: call.address,
            state: call.state,
            mode: call.mode,
            info: &call.info,
            treatment: self.treatment_of(call),
            capability: call.capability,
            entered_ms: call.entered_ms,
            holders: call.holders.len(),
            is_known: call.creation.is_none(),
        })
    }

    /// What an owner could do with a call now.
    pub fn call_features(&self, key: CallKey) -> Mask<CallFeature> {
        feature::call_features(&self.call_situation(key, CallPrivilege::Owner))
    }

    /// The calls of a line that are not IDLE, in the order they appeared.
    pub fn calls_of(&self, device: DeviceId) -> Vec<CallKey> {
        self.lines.get(device.0 as usize).map_or_else(Vec::new, |line| line.calls.clone())
    }

    pub(crate) fn insert_call(&mut self, call: Call) -> CallKey {
        let line = call.line;
        let key = self.calls.insert(call);
        if let Some(line) = self.lines.get_mut(line.0 as usize) {
            line.calls.push(key);
        }
        key
    }

    /// Gives handles to the owner and the monitors of a call that nobody asked for.
    fn offer(&mut self, key: CallKey) -> Vec<Holder> {
        let Some(call) = self.calls.get(key) else { return Vec::new() };
        let Some(line) = self.lines.get(call.line.0 as usize) else { return Vec::new() };
        let opens = line.opens.clone();
        let candidates: Vec<Candidate<'_>> =
            opens.iter().filter_map(|entry| self.candidate(*entry)).collect();
        let owner = self.priorities.choose_owner(&candidates, call.info.media_mode, call.address);
        let mut chosen = Vec::new();
        for (index, (entry, candidate)) in opens.iter().zip(&candidates).enumerate() {
            if Some(index) == owner {
                chosen.insert(0, (*entry, CallPrivilege::Owner));
            } else if candidate.privileges.contains(CallPrivilege::Monitor) {
                chosen.push((*entry, CallPrivilege::Monitor));
            }
        }
        chosen
            .into_iter()
            .filter_map(|(entry, privilege)| self.give_handle(key, entry, privilege))
            .collect()
    }

    pub(crate) fn candidate(
        &self,
        (application, h_line): (ApplicationId, u32),
    ) -> Option<Candidate<'_>> {
        let app = self.applications.get(&application)?;
        let open = app.opens.get(&h_line)?;
        Some(Candidate {
            name: &app.name,
            privileges: open.privileges,
            media_modes: open.media_modes,
            single_address: open.single_address,
        })
    }

    /// Gives a new handle of a call to an open line.
    pub(crate) fn give_handle(
        &mut self,
        key: CallKey,
        (application, h_line): (ApplicationId, u32),
        privilege: CallPrivilege,
    ) -> Option<Holder> {
        let app = self.applications.get_mut(&application)?;
        let h_call = app.next_handle();
        let holder = Holder { application, h_line, h_call, privilege };
        self.calls.get_mut(key)?.holders.push(holder);
        app.calls.insert(h_call, key);
        Some(holder)
    }

    /// After the reply of the request that created a call, monitors learn of it as UNKNOWN.
    pub(super) fn announce_to_monitors(&mut self, key: CallKey, requester: (ApplicationId, u32)) {
        let Some(call) = self.calls.get(key) else { return };
        let (line, address) = (call.line, call.address);
        let opens = self.lines.get(line.0 as usize).map_or_else(Vec::new, |l| l.opens.clone());
        for entry in opens.into_iter().filter(|entry| *entry != requester) {
            let is_monitor = self
                .candidate(entry)
                .is_some_and(|open| open.privileges.contains(CallPrivilege::Monitor));
            if !is_monitor {
                continue;
            }
            if let Some(holder) = self.give_handle(key, entry, CallPrivilege::Monitor) {
                self.tell_new_call((key, &holder), address, CallState::Unknown, CallMode::None);
            }
        }
    }

    /// Everybody learns of the states that were reported before the reply.
    pub(super) fn tell_backlog(&mut self, key: CallKey) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let backlog = std::mem::take(&mut call.backlog);
        let is_over = call.state == CallState::Idle;
        for (state, mode) in &backlog {
            self.tell_state(key, *state, *mode);
        }
        if is_over {
            self.retire(key);
        }
    }

    /// Answers what is still asked of a call that goes IDLE.
    fn settle_requests(&mut self, now_ms: u64, key: CallKey) {
        let due: Vec<(RequestKey, Purpose)> = self
            .requests
            .iter()
            .filter(|(_, pending)| pending.call == Some(key))
            .map(|(request, pending)| (*request, pending.purpose.clone()))
            .collect();
        for (request, purpose) in due {
            match purpose {
                Purpose::Drop => self.complete(now_ms, request, Ok(ReplyFields::default())),
                _ => self.complete(now_ms, request, Err(LineErr::OperationFailed)),
            }
        }
    }

    /// Takes an IDLE call off its line and keeps it only for its handles.
    fn retire(&mut self, key: CallKey) {
        let Some(call) = self.calls.get(key) else { return };
        if let Some(line) = self.lines.get_mut(call.line.0 as usize) {
            line.calls.retain(|listed| *listed != key);
        }
        if !self.forget_if_unheld(key) {
            self.last_idle += 1;
            self.idle.insert(self.last_idle, key);
            if let Some(call) = self.calls.get_mut(key) {
                call.idle_place = self.last_idle;
            }
        }
        while self.idle.len() > MAX_IDLE_CALLS {
            if let Some((_, oldest)) = self.idle.pop_first() {
                for holder in self.holders(oldest) {
                    if let Some(app) = self.applications.get_mut(&holder.application) {
                        app.calls.remove(&holder.h_call);
                    }
                }
                self.calls.remove(oldest);
            }
        }
    }

    /// Removes an IDLE call that nobody holds; says whether it did.
    pub(super) fn forget_if_unheld(&mut self, key: CallKey) -> bool {
        let is_over = self.calls.get(key).is_some_and(|call| {
            call.state == CallState::Idle && call.holders.is_empty() && call.creation.is_none()
        });
        if is_over && let Some(call) = self.calls.remove(key) {
            self.idle.remove(&call.idle_place);
        }
        is_over
    }
}
