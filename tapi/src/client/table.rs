//! The objects that an application knows: open lines, calls by handle, hubs by call ID, and the
//! events that LINE_ messages become.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use serde_json::Value;

use super::center::{self, Roster};
use super::constant::{
    AddressEvent, CallHubEvent, CallInfoChangeCause, CallNotificationEvent, CallPrivilege,
    CallState, CallStateEventCause, TapiObjectEvent,
};
use super::event::Event;
use super::map::{self, mask, number, one};
use super::setup::CallSetup;
use crate::constant::{self as two, CallInfoState, DisconnectMode, LineDevState, Mask};

/// Line devices whose addresses are kept in mind for the events of a whole line.
const MAX_ADDRESSES: usize = 65_536;

/// A call object of this application.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct CallId(pub(crate) u64);

/// An address: line device and address identifier (AC_LINEID, AC_ADDRESSID).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct AddressKey {
    pub(crate) device: u32,
    pub(crate) address: u32,
}

/// An event before it has objects in it; hubs are named by their call ID.
pub(crate) type Raw = Event<CallId, AddressKey, u32, center::Raw>;

/// Where a call came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// ITAddress::CreateCall: lives as long as the application holds it.
    Made,
    /// ITCallNotificationEvent: lives until it is over, even if nobody holds it.
    Announced,
    /// The conference of a 2.x line, for which TAPI 3 has no object.
    Parent,
}

/// A consultation that Finish can complete; kept at the consultation call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Consultation {
    pub(crate) original: CallId,
    /// The conference that it is to join; none for a transfer.
    pub(crate) conference: Option<CallId>,
}

/// What is known of a call.
#[derive(Debug)]
pub(crate) struct CallRecord {
    pub(crate) address: AddressKey,
    pub(crate) kind: Kind,
    pub(crate) h_line: u32,
    /// None before the call exists, and after its handle was given back.
    pub(crate) handle: Option<u32>,
    pub(crate) line_state: Option<two::CallState>,
    pub(crate) state: CallState,
    pub(crate) cause: CallStateEventCause,
    pub(crate) privilege: CallPrivilege,
    pub(crate) consultation: Option<Consultation>,
    /// The conference that it is a member of.
    pub(crate) parent: Option<CallId>,
    /// dwCallID, 0 while it is not known.
    pub(crate) call_id: u32,
    /// The call ID of the hub: that of the conference for a member, else its own.
    pub(crate) hub: u32,
    pub(crate) callback: i32,
    pub(crate) setup: CallSetup,
    /// Whether Connect, Unpark, Pickup or a consultation has been asked for.
    pub(crate) is_begun: bool,
    /// How many objects of the application stand for it.
    refs: u32,
}

/// An open line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Open {
    pub(crate) device: u32,
    /// The registration that it stands for; none for a line that is open to make calls.
    pub(crate) cookie: Option<i32>,
    pub(crate) callback: i32,
    /// Whether its status messages are asked for.
    pub(crate) has_status: bool,
}

/// A handle to give back; the call is ended first if it is over but not IDLE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Freed {
    pub(crate) handle: u32,
    pub(crate) must_drop: bool,
}

/// All of it.
#[derive(Default)]
pub(crate) struct Table {
    last: u64,
    pub(crate) calls: BTreeMap<CallId, CallRecord>,
    handles: HashMap<u32, CallId>,
    pub(crate) opens: BTreeMap<u32, Open>,
    addresses: HashSet<AddressKey>,
    pub(crate) tracked: HashSet<AddressKey>,
    /// Calls whose dwCallID should be asked for.
    pub(crate) unidentified: Vec<CallId>,
    maybe_over: Vec<CallId>,
    pub(crate) roster: Roster,
    raw: VecDeque<Raw>,
}

impl Table {
    /// The events since the last time.
    pub(crate) fn take_events(&mut self) -> VecDeque<Raw> {
        std::mem::take(&mut self.raw)
    }

    /// A call object, in CS_IDLE.
    pub(crate) fn create(&mut self, address: AddressKey, kind: Kind, setup: CallSetup) -> CallId {
        self.last += 1;
        let id = CallId(self.last);
        let record = CallRecord {
            address,
            kind,
            h_line: 0,
            handle: None,
            line_state: None,
            state: CallState::Idle,
            cause: CallStateEventCause::None,
            privilege: CallPrivilege::Owner,
            consultation: None,
            parent: None,
            call_id: 0,
            hub: 0,
            callback: 0,
            setup,
            is_begun: false,
            refs: 0,
        };
        self.calls.insert(id, record);
        id
    }

    /// One more object stands for a call.
    pub(crate) fn hold(&mut self, id: CallId) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.refs += 1;
        }
    }

    /// One object less stands for a call.
    pub(crate) fn release(&mut self, id: CallId) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.refs = call.refs.saturating_sub(1);
            self.maybe_over.push(id);
        }
    }

    /// Forgets the calls that nobody holds and that need not be kept; the handles to give back.
    pub(crate) fn sweep(&mut self) -> Vec<Freed> {
        let mut freed = Vec::new();
        for id in std::mem::take(&mut self.maybe_over) {
            let Some(call) = self.calls.get(&id) else { continue };
            let is_done = match call.kind {
                Kind::Made => true,
                Kind::Announced => call.state == CallState::Disconnected,
                Kind::Parent => call.line_state == Some(two::CallState::Idle),
            };
            if call.refs == 0 && is_done {
                freed.extend(self.forget(id));
            }
        }
        freed
    }

    /// Forgets a call.
    pub(crate) fn forget(&mut self, id: CallId) -> Option<Freed> {
        let call = self.calls.remove(&id)?;
        let handle = call.handle?;
        self.handles.remove(&handle);
        use two::CallState as S;
        let is_remnant =
            matches!(call.line_state, Some(S::Busy | S::Disconnected | S::SpecialInfo));
        Some(Freed { handle, must_drop: is_remnant && call.privilege == CallPrivilege::Owner })
    }

    /// An application has seen an address.
    pub(crate) fn know_address(&mut self, address: AddressKey) {
        if self.addresses.len() < MAX_ADDRESSES {
            self.addresses.insert(address);
        }
    }

    fn addresses_of(&self, device: u32) -> Vec<AddressKey> {
        let of_line = |key: &&AddressKey| key.device == device;
        let mut known: Vec<_> = self.addresses.iter().filter(of_line).copied().collect();
        known.sort_unstable();
        if known.is_empty() { vec![AddressKey { device, address: 0 }] } else { known }
    }

    /// The open line on which calls are made: a registration before any other.
    pub(crate) fn line_of(&self, device: u32) -> Option<u32> {
        let of_device = self.opens.iter().filter(|(_, open)| open.device == device);
        of_device.min_by_key(|(_, open)| open.cookie.is_none()).map(|(h_line, _)| *h_line)
    }

    /// A request has brought a call into being, or has changed the handle of one. False where
    /// the object is gone.
    pub(crate) fn bind(&mut self, id: CallId, handle: u32, h_line: u32) -> bool {
        let callback = self.opens.get(&h_line).map_or(0, |open| open.callback);
        let Some(call) = self.calls.get_mut(&id) else { return false };
        if let Some(old) = call.handle.replace(handle) {
            self.handles.remove(&old);
        }
        call.h_line = h_line;
        call.callback = callback;
        if self.tracked.contains(&call.address) {
            self.unidentified.push(id);
        }
        self.handles.insert(handle, id);
        true
    }

    /// A line is closed: its call handles are void.
    pub(crate) fn closed(&mut self, h_line: u32) -> Option<Open> {
        let open = self.opens.remove(&h_line)?;
        let on_it = |call: &CallRecord| call.h_line == h_line && call.handle.is_some();
        let ids: Vec<CallId> =
            self.calls.iter().filter(|(_, call)| on_it(call)).map(|(id, _)| *id).collect();
        for id in ids {
            self.lose(id, CallStateEventCause::None);
        }
        Some(open)
    }

    /// Nothing is known any more: the application must be started anew.
    pub(crate) fn lose_all(&mut self) {
        self.opens.clear();
        self.roster = Roster::default();
        for id in self.calls.keys().copied().collect::<Vec<_>>() {
            if self.calls.get(&id).is_some_and(|call| call.handle.is_some()) {
                self.lose(id, CallStateEventCause::DisconnectFailed);
            }
        }
        self.raw.push_back(Event::TapiObject { event: TapiObjectEvent::Reinit, address: None });
    }

    fn lose(&mut self, id: CallId, cause: CallStateEventCause) {
        if let Some(call) = self.calls.get_mut(&id) {
            if let Some(handle) = call.handle.take() {
                self.handles.remove(&handle);
            }
            call.line_state = Some(two::CallState::Idle);
        }
        self.enter(id, CallState::Disconnected, cause);
    }

    /// A LINE_ message.
    pub(crate) fn message(&mut self, method: &str, params: &Value) {
        let call =
            || number(&params["hCall"]).and_then(|handle| self.handles.get(&handle)).copied();
        match method {
            "LINE_APPNEWCALL" => self.new_call(params),
            "LINE_CALLSTATE" => {
                if let Some(id) = call() {
                    self.call_state(id, params);
                }
            }
            "LINE_CALLINFO" => {
                if let Some(id) = call() {
                    self.call_info(id, mask(&params["callInfoState"]));
                }
            }
            "LINE_ADDRESSSTATE" => self.address_state(params),
            "LINE_LINEDEVSTATE" => self.line_state(params),
            "LINE_CLOSE" => {
                let open = number(&params["hLine"]).and_then(|h_line| self.closed(h_line));
                if let Some(open) = open {
                    let address = Some(AddressKey { device: open.device, address: 0 });
                    let event = TapiObjectEvent::AddressClose;
                    self.raw.push_back(Event::TapiObject { event, address });
                }
            }
            "LINE_CREATE" | "LINE_REMOVE" => {
                let event = match method {
                    "LINE_CREATE" => TapiObjectEvent::AddressCreate,
                    _ => TapiObjectEvent::AddressRemove,
                };
                let device = number(&params["deviceId"]);
                let address = device.map(|device| AddressKey { device, address: 0 });
                self.raw.push_back(Event::TapiObject { event, address });
            }
            _ => match call() {
                Some(id) => self.media(id, method, params),
                None => self.center(method, params),
            },
        }
    }

    /// A message about agents, which comes by every open line of the device; one counts.
    fn center(&mut self, method: &str, params: &Value) {
        let Some(h_line) = number(&params["hLine"]) else { return };
        let Some(device) = self.opens.get(&h_line).map(|open| open.device) else { return };
        let mut same = self.opens.iter().filter(|(_, open)| open.device == device);
        if same.next().is_some_and(|(first, _)| *first == h_line) {
            let events = self.roster.message(method, device, params);
            self.raw.extend(events.into_iter().map(Event::CallCenter));
        }
    }

    fn new_call(&mut self, params: &Value) {
        let (Some(h_line), Some(handle)) = (number(&params["hLine"]), number(&params["hCall"]))
        else {
            return;
        };
        let Some(device) = self.opens.get(&h_line).map(|open| open.device) else { return };
        if self.handles.contains_key(&handle) {
            return;
        }
        let address = AddressKey { device, address: number(&params["addressId"]).unwrap_or(0) };
        let id = self.create(address, Kind::Announced, CallSetup::default());
        self.bind(id, handle, h_line);
        let privilege = privilege_of(&params["privilege"]).unwrap_or(CallPrivilege::Monitor);
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.privilege = privilege;
        let event = match privilege {
            CallPrivilege::Owner => CallNotificationEvent::Owner,
            CallPrivilege::Monitor => CallNotificationEvent::Monitor,
        };
        let callback_instance = call.callback;
        self.raw.push_back(Event::CallNotification { call: id, event, callback_instance });
    }

    /// A call that was there before the application looked; it is only monitored.
    pub(crate) fn found(&mut self, handle: u32, h_line: u32, address: AddressKey) {
        if !self.handles.contains_key(&handle) {
            let id = self.create(address, Kind::Announced, CallSetup::default());
            self.bind(id, handle, h_line);
            if let Some(call) = self.calls.get_mut(&id) {
                call.privilege = CallPrivilege::Monitor;
            }
        }
    }

    /// LINECALLSTATUS of a call of which no LINE_CALLSTATE has come yet.
    pub(crate) fn status(&mut self, id: CallId, status: &Value) {
        if self.calls.get(&id).is_some_and(|call| call.line_state.is_none()) {
            let params = serde_json::json!({
                "callState": status["callState"],
                "mode": status["callStateMode"],
                "privilege": status["callPrivilege"],
            });
            self.call_state(id, &params);
        }
    }

    fn call_state(&mut self, id: CallId, params: &Value) {
        let Some(state) = one::<two::CallState>(&params["callState"]) else { return };
        let parent = number(&params["hConfCall"]).and_then(|h| self.handles.get(&h)).copied();
        let privilege = privilege_of(&params["privilege"]);
        let mode = one::<DisconnectMode>(&params["mode"]);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let has_new_rights = privilege.is_some_and(|privilege| privilege != call.privilege);
        call.privilege = privilege.unwrap_or(call.privilege);
        if state != two::CallState::Unknown {
            call.line_state = Some(state);
            call.parent = if state == two::CallState::Conferenced { parent } else { None };
        }
        let (before, callback_instance, kind) = (call.state, call.callback, call.kind);
        // A member waits with its conference; the one that is just joining it is there already.
        let joins = call.consultation.is_some_and(|consultation| consultation.conference == parent);
        let is_waiting = call.parent.is_some_and(|parent| !joins && self.is_on_hold(parent));
        if has_new_rights {
            let cause = CallInfoChangeCause::Privilege;
            self.raw.push_back(Event::CallInfoChange { call: id, cause, callback_instance });
        }
        if let Some(new) = map::call_state(state) {
            let new = if is_waiting { CallState::Hold } else { new };
            let cause = match new {
                CallState::Disconnected => map::end_cause(state, mode, before),
                _ => CallStateEventCause::None,
            };
            self.enter(id, new, cause);
        }
        if kind == Kind::Parent {
            self.align_members(id);
        }
        self.settle_hub(id);
        if state == two::CallState::Idle {
            self.maybe_over.push(id);
        }
    }

    fn is_on_hold(&self, parent: CallId) -> bool {
        self.calls.get(&parent).is_some_and(|call| call.state == CallState::Hold)
    }

    /// The members of a conference are held with it.
    fn align_members(&mut self, parent: CallId) {
        let state = self.calls.get(&parent).map(|call| call.state);
        let Some(state @ (CallState::Hold | CallState::Connected)) = state else { return };
        let of_it = |call: &CallRecord| call.parent == Some(parent) && call.consultation.is_none();
        let members: Vec<CallId> =
            self.calls.iter().filter(|(_, call)| of_it(call)).map(|(id, _)| *id).collect();
        for member in members {
            self.enter(member, state, CallStateEventCause::None);
        }
    }

    /// A call has a state; told once, and never after CS_DISCONNECTED.
    fn enter(&mut self, id: CallId, state: CallState, cause: CallStateEventCause) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.state == state || !map::is_permitted(call.state, state) {
            return;
        }
        (call.state, call.cause) = (state, cause);
        let (callback_instance, kind) = (call.callback, call.kind);
        if kind == Kind::Parent {
            return;
        }
        self.raw.push_back(Event::CallState { call: id, state, cause, callback_instance });
        if state == CallState::Disconnected {
            let hub = self.calls.get_mut(&id).map_or(0, |call| std::mem::take(&mut call.hub));
            self.leave_hub(id, hub);
            self.maybe_over.push(id);
        }
    }

    fn call_info(&mut self, id: CallId, changes: Mask<CallInfoState>) {
        let Some(call) = self.calls.get(&id) else { return };
        if call.kind == Kind::Parent {
            return;
        }
        let (callback_instance, address) = (call.callback, call.address);
        let mut told = Vec::new();
        for change in <CallInfoState as two::Constant>::ALL {
            let cause = map::info_change(*change);
            if changes.contains(*change) && !told.contains(&cause) {
                told.push(cause);
                self.raw.push_back(Event::CallInfoChange { call: id, cause, callback_instance });
            }
        }
        if changes.contains(CallInfoState::CallId) && self.tracked.contains(&address) {
            self.unidentified.push(id);
        }
    }

    /// LINECALLINFO has told the dwCallID of a call.
    pub(crate) fn identified(&mut self, id: CallId, call_id: u32) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.call_id = call_id;
        let is_of_it = |call: &CallRecord| call.parent == Some(id);
        let members = self.calls.iter().filter(|(_, call)| is_of_it(call)).map(|(id, _)| *id);
        for id in members.chain([id]).collect::<Vec<_>>() {
            self.settle_hub(id);
        }
    }

    /// All members of a conference are in one hub; any other call is in that of its own call ID.
    fn settle_hub(&mut self, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        let of_parent = call.parent.and_then(|parent| self.calls.get(&parent));
        let hub = of_parent.map(|parent| parent.call_id).filter(|hub| *hub != 0);
        let hub = hub.unwrap_or(call.call_id);
        let is_over = call.state == CallState::Disconnected || call.kind == Kind::Parent;
        if call.hub == hub || is_over {
            return;
        }
        let is_tracked = self.tracked.contains(&call.address);
        let old = self.calls.get_mut(&id).map_or(0, |call| std::mem::replace(&mut call.hub, hub));
        self.leave_hub(id, old);
        if hub != 0 && is_tracked {
            let is_first = !self.members_of_hub(hub).any(|other| other != id);
            let event = if is_first { CallHubEvent::CallHubNew } else { CallHubEvent::CallJoin };
            self.raw.push_back(Event::CallHub { call_hub: hub, event, call: id });
        }
    }

    fn leave_hub(&mut self, id: CallId, hub: u32) {
        let is_tracked = self.calls.get(&id).is_some_and(|c| self.tracked.contains(&c.address));
        if hub == 0 || !is_tracked {
            return;
        }
        let is_last = !self.members_of_hub(hub).any(|other| other != id);
        let event = if is_last { CallHubEvent::CallHubIdle } else { CallHubEvent::CallLeave };
        self.raw.push_back(Event::CallHub { call_hub: hub, event, call: id });
    }

    /// The calls of a hub that are not over.
    pub(crate) fn members_of_hub(&self, hub: u32) -> impl Iterator<Item = CallId> {
        let is_member = move |call: &CallRecord| {
            call.hub == hub && call.state != CallState::Disconnected && call.kind != Kind::Parent
        };
        self.calls.iter().filter(move |(_, call)| is_member(call)).map(|(id, _)| *id)
    }

    /// The handles from which the hub of every call follows, conferences included.
    pub(crate) fn identifiable(&self) -> Vec<(CallId, u32)> {
        let live = self
            .calls
            .iter()
            .filter(|(_, call)| call.kind == Kind::Parent || call.state != CallState::Disconnected);
        live.filter_map(|(id, call)| Some((*id, call.handle?))).collect()
    }

    fn address_state(&mut self, params: &Value) {
        use two::AddressState as S;
        let Some(open) = number(&params["hLine"]).and_then(|h| self.opens.get(&h)) else { return };
        let address = number(&params["addressId"]).unwrap_or(0);
        let address = AddressKey { device: open.device, address };
        let changes = mask::<S>(&params["addressState"]);
        for (change, event) in
            [(S::Forward, AddressEvent::Forward), (S::CapsChange, AddressEvent::CapsChange)]
        {
            if changes.contains(change) {
                self.raw.push_back(Event::Address { address, event });
            }
        }
    }

    fn line_state(&mut self, params: &Value) {
        let Some(state) = one::<LineDevState>(&params["lineDevState"]) else { return };
        let Some(open) = number(&params["hLine"]).and_then(|h| self.opens.get(&h)) else { return };
        let device = open.device;
        match state {
            LineDevState::Reinit => {
                let event = TapiObjectEvent::Reinit;
                self.raw.push_back(Event::TapiObject { event, address: None });
            }
            // Said on every open line; once is enough.
            LineDevState::TranslateChange => {
                let with_status = self.opens.values().filter(|open| open.has_status);
                if with_status.map(|open| open.device).min() == Some(device) {
                    let event = TapiObjectEvent::TranslateChange;
                    self.raw.push_back(Event::TapiObject { event, address: None });
                }
            }
            _ => {
                let Some(event) = map::address_event(state) else { return };
                for address in self.addresses_of(device) {
                    self.raw.push_back(Event::Address { address, event });
                }
            }
        }
    }

    fn media(&mut self, id: CallId, method: &str, params: &Value) {
        let Some(callback_instance) = self.calls.get(&id).map(|call| call.callback) else { return };
        let text = |name: &str| params[name].as_str().unwrap_or_default().to_owned();
        let event = match method {
            "LINE_MONITORDIGITS" => {
                text("digit").chars().next().zip(one(&params["digitMode"])).map(
                    |(digit, digit_mode)| Event::DigitDetection {
                        call: id,
                        digit,
                        digit_mode,
                        callback_instance,
                    },
                )
            }
            "LINE_GATHERDIGITS" => {
                one(&params["reason"]).map(|gather_termination| Event::DigitsGathered {
                    call: id,
                    digits: text("digits"),
                    gather_termination,
                    callback_instance,
                })
            }
            "LINE_GENERATE" => one(&params["reason"]).map(|generation_termination| {
                Event::DigitGeneration { call: id, generation_termination, callback_instance }
            }),
            "LINE_MONITORTONE" => Some(Event::ToneDetection {
                call: id,
                app_specific: number(&params["appSpecific"]).unwrap_or(0),
                callback_instance,
            }),
            _ => None,
        };
        self.raw.extend(event);
    }
}

fn privilege_of(value: &Value) -> Option<CallPrivilege> {
    match one::<two::CallPrivilege>(value)? {
        two::CallPrivilege::Owner => Some(CallPrivilege::Owner),
        two::CallPrivilege::Monitor => Some(CallPrivilege::Monitor),
        two::CallPrivilege::None => None,
    }
}
