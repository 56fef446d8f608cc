//! Who is told what: messages to the holders of a call and to the open handles of a line.

use crate::constant::{AddressState, CallInfoState, CallPrivilege, CallState, LineDevState, Mask};
use crate::message::{LineDetail, Message};
use crate::model::{
    API_1_4, API_2_0, AddressId, ApplicationId, Call, CallKey, CallMode, ConnectionId, Counts,
    DeviceId, Holder,
};

use super::observe::Subject;
use super::{CLOSE_TRY_AGAIN_LATER, Output, Server};

impl Server {
    /// Writes a text to a connection; a reader that is too far behind is closed instead.
    pub(super) fn send_text(&mut self, connection: ConnectionId, text: String) {
        let Some(state) = self.connections.get_mut(&connection) else { return };
        if state.behind >= state.limit {
            self.close_connection(
                connection,
                CLOSE_TRY_AGAIN_LATER,
                "too many unread messages; resume with lineInitializeEx",
            );
            return;
        }
        state.behind += 1;
        self.out.push(Output::Send { connection, text });
    }

    /// Numbers a message for an application and sends it where there is a connection.
    pub(super) fn notify(&mut self, application: ApplicationId, message: &Message) {
        let Some(app) = self.applications.get_mut(&application) else { return };
        let connection = app.connection;
        let text = app.outlet.push(message, connection.is_some());
        match connection {
            Some(connection) => self.send_text(connection, text),
            // What was missed is more than is kept: the next expiry ends the application.
            None if app.outlet.is_overrun() => app.expires_ms = Some(0),
            None => {}
        }
    }

    fn version_of(&self, holder: &Holder) -> u32 {
        let app = self.applications.get(&holder.application);
        app.and_then(|app| app.opens.get(&holder.h_line)).map_or(0, |open| open.api_version)
    }

    /// LINE_CALLSTATE for one holder.
    pub(crate) fn tell_state_to(
        &mut self,
        holder: &Holder,
        state: CallState,
        mode: CallMode,
        privilege: Option<CallPrivilege>,
    ) {
        let h_conf_call = match mode {
            CallMode::Conferenced(parent) => self.handle_of(holder.application, parent),
            _ => None,
        };
        let message = Message::CallState {
            h_call: holder.h_call,
            state,
            mode: mode.for_version(self.version_of(holder)),
            h_conf_call,
            privilege,
        };
        self.notify(holder.application, &message);
    }

    /// LINE_CALLSTATE for every holder, owners first.
    pub(super) fn tell_state(&mut self, key: CallKey, state: CallState, mode: CallMode) {
        for holder in self.holders(key) {
            self.tell_state_to(&holder, state, mode, None);
        }
    }

    /// The first notice of a call: LINE_APPNEWCALL (API 2.0) and LINE_CALLSTATE.
    pub(crate) fn tell_new_call(
        &mut self,
        (key, holder): (CallKey, &Holder),
        address: AddressId,
        state: CallState,
        mode: CallMode,
    ) {
        if self.version_of(holder) >= API_2_0 {
            let message = Message::AppNewCall {
                h_line: holder.h_line,
                address,
                h_call: holder.h_call,
                privilege: holder.privilege,
            };
            self.notify(holder.application, &message);
            let (call, application) = (Some(key), Some(holder.application));
            self.observe(Subject { call, application, device: None }, &message);
        }
        self.tell_state_to(holder, state, mode, Some(holder.privilege));
    }

    /// LINE_CALLINFO for every holder but one application; silent for calls that nobody knows
    /// yet or that are IDLE.
    pub(crate) fn tell_info(
        &mut self,
        key: CallKey,
        changes: Mask<CallInfoState>,
        except: Option<ApplicationId>,
    ) {
        self.tell_info_but(key, changes, except.as_slice());
    }

    /// LINE_CALLINFO for every holder but some applications.
    pub(crate) fn tell_info_but(
        &mut self,
        key: CallKey,
        changes: Mask<CallInfoState>,
        except: &[ApplicationId],
    ) {
        let is_silent = self
            .calls
            .get(key)
            .is_none_or(|call| call.state == CallState::Idle || call.creation.is_some());
        if is_silent || changes.is_empty() {
            return;
        }
        let mut told = None;
        for holder in self.holders(key) {
            if !except.contains(&holder.application) {
                let message = Message::CallInfo { h_call: holder.h_call, changes };
                self.notify(holder.application, &message);
                told = Some(message);
            }
        }
        let about = Subject { call: Some(key), ..Subject::default() };
        told.iter().for_each(|message| self.observe(about, message));
    }

    /// LINE_LINEDEVSTATE for every open handle that enabled the item.
    pub(crate) fn tell_line(
        &mut self,
        device: DeviceId,
        state: LineDevState,
        detail: LineDetail,
        except: Option<(ApplicationId, u32)>,
    ) {
        let Some(line) = self.lines.get(device.0 as usize) else { return };
        let mut told = None;
        for (application, h_line) in line.opens.clone() {
            let open = self.applications.get(&application).and_then(|a| a.opens.get(&h_line));
            let is_enabled = open.is_some_and(|open| open.line_states.contains(state));
            if is_enabled && except != Some((application, h_line)) {
                let message = Message::LineDevState { h_line, state, detail };
                self.notify(application, &message);
                told = Some(message);
            }
        }
        let about = Subject { device: Some(device), ..Subject::default() };
        told.iter().for_each(|message| self.observe(about, message));
    }

    /// LINE_ADDRESSSTATE for every open handle that enabled some of the items.
    pub(super) fn tell_address(
        &mut self,
        device: DeviceId,
        address: AddressId,
        changes: Mask<AddressState>,
    ) {
        let Some(line) = self.lines.get(device.0 as usize) else { return };
        let mut told = Mask::EMPTY;
        for (application, h_line) in line.opens.clone() {
            let open = self.applications.get(&application).and_then(|a| a.opens.get(&h_line));
            let enabled = open.map_or(Mask::EMPTY, |open| open.address_states & changes);
            if !enabled.is_empty() {
                let message = Message::AddressState { h_line, address, changes: enabled };
                self.notify(application, &message);
                told |= enabled;
            }
        }
        if !told.is_empty() {
            let message = Message::AddressState { h_line: 0, address, changes: told };
            self.observe(Subject { device: Some(device), ..Subject::default() }, &message);
        }
    }

    /// The messages that follow a change of the call counters.
    pub(super) fn tell_counts(&mut self, device: DeviceId, address: AddressId, before: Counts) {
        let after = self.address_counts(device, address);
        if after == before {
            return;
        }
        let mut changes = Mask::from(AddressState::NumCalls);
        match (before.total(), after.total()) {
            (0, 1..) => changes.insert(AddressState::InUseOne),
            (1.., 0) => changes.insert(AddressState::InUseZero),
            _ => {}
        }
        self.tell_address(device, address, changes);
        self.tell_line(device, LineDevState::NumCalls, LineDetail::None, None);
    }

    /// LINE_CREATE or LINE_REMOVE for every application that may see the line.
    pub(super) fn tell_device(&mut self, device: DeviceId, message: &Message) {
        let Some(line) = self.lines.get(device.0 as usize) else { return };
        let (number, is_removed) = (line.spec.number.clone(), line.is_removed);
        let since = if is_removed { API_2_0 } else { API_1_4 };
        let all: Vec<ApplicationId> = self
            .applications
            .iter()
            .filter(|(_, app)| app.api_version >= since && app.filter.allows(&number))
            .map(|(id, _)| *id)
            .collect();
        if !all.is_empty() {
            self.observe(Subject { device: Some(device), ..Subject::default() }, message);
        }
        for application in all {
            self.notify(application, message);
        }
    }

    /// The holders of a call, owners first.
    pub(super) fn holders(&self, key: CallKey) -> Vec<Holder> {
        let mut holders = self.calls.get(key).map_or_else(Vec::new, |call| call.holders.clone());
        holders.sort_by_key(|holder| !holder.is_owner());
        holders
    }

    pub(super) fn handle_of(&self, application: ApplicationId, key: CallKey) -> Option<u32> {
        let call = self.calls.get(key)?;
        call.holders.iter().find(|h| h.application == application).map(|h| h.h_call)
    }

    /// Calls of an address that the applications know of.
    pub(crate) fn address_counts(&self, device: DeviceId, address: AddressId) -> Counts {
        let mut counts = Counts::default();
        let calls = self.lines.get(device.0 as usize).map_or(&[][..], |line| &line.calls);
        for call in calls.iter().filter_map(|key| self.calls.get(*key)) {
            if call.address == address && call.creation.is_none() {
                counts.add(call.state);
            }
        }
        counts
    }

    /// Call appearances of an address in use: calls that are not IDLE, those that are only being
    /// made included. The members of a conference have one together, their parent's.
    pub fn calls_in_use(&self, device: DeviceId, address: AddressId) -> u32 {
        let calls = self.lines.get(device.0 as usize).map_or(&[][..], |line| &line.calls);
        let here = calls.iter().filter_map(|key| self.calls.get(*key));
        let is_counted =
            |call: &&Call| call.address == address && call.state != CallState::Conferenced;
        let count = here.filter(is_counted).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}
