//! The client against hand-written texts of a switch: objects, both orders of events, resumption.

use serde_json::{Value, json};

use super::*;
use crate::client::constant::{AddressEvent, CallState, CallStateEventCause};
use crate::client::event::Event;
use crate::client::setup::CallSetup;
use crate::client::table::{AddressKey, Kind};
use crate::constant::Constant as _;

const ADA: AddressKey = AddressKey { device: 0, address: 0 };

struct Switch {
    core: Core<&'static str>,
    seq: u64,
    request: u32,
    /// What the client has sent and nobody has answered: id and method.
    sent: VecDeque<(u64, String, Value)>,
    done: Vec<Done<&'static str>>,
}

impl Switch {
    /// An application that has line 0 open, with every event wanted.
    fn new() -> Self {
        let (core, sent, done) = (Core::default(), VecDeque::new(), Vec::new());
        let mut switch = Self { core, seq: 0, request: 0, sent, done };
        assert!(switch.core.ask("lineInitializeEx", json!({}), Purpose::Start, "start").is_none());
        switch.answer(json!({"numDevs": 1, "instance": "i"}));
        let open = Open { device: 0, cookie: Some(1), callback: 42, has_status: true };
        switch.core.ask("lineOpen", json!({}), Purpose::Open(open), "open");
        switch.answer(json!({"hLine": 5}));
        switch.core.filter = Mask::all();
        switch.core.table.know_address(ADA);
        switch
    }

    fn collect(&mut self) {
        for text in self.core.take_unsent() {
            let message: Value = serde_json::from_str(&text).unwrap();
            let method = message["method"].as_str().unwrap().to_owned();
            self.sent.push_back((
                message["id"].as_u64().unwrap(),
                method,
                message["params"].clone(),
            ));
        }
    }

    fn tell(&mut self, text: &Value) {
        self.core.receive(&text.to_string(), &mut self.done).unwrap();
    }

    /// Answers the oldest request; its method.
    fn answer(&mut self, result: Value) -> String {
        self.collect();
        let (id, method, _) = self.sent.pop_front().expect("a request");
        self.tell(&json!({"jsonrpc": "2.0", "id": id, "result": result}));
        method
    }

    /// Begins the oldest request and replies to it.
    fn reply(&mut self, fields: Value) {
        self.request += 1;
        self.answer(json!({"requestId": self.request}));
        let mut params = fields;
        params["requestId"] = self.request.into();
        params["result"] = 0.into();
        self.notify("LINE_REPLY", params);
    }

    fn notify(&mut self, method: &str, mut params: Value) {
        self.seq += 1;
        params["seq"] = self.seq.into();
        self.tell(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    fn state(&mut self, call: u32, state: &str) {
        self.state_with(call, state, json!({}));
    }

    fn state_with(&mut self, call: u32, state: &str, mut more: Value) {
        more["hCall"] = call.into();
        more["callState"] = format!("LINECALLSTATE_{state}").into();
        self.notify("LINE_CALLSTATE", more);
    }

    /// A call that the application makes, connected, with this handle.
    fn connected(&mut self, handle: u32) -> CallId {
        let call = self.core.table.create(ADA, Kind::Made, CallSetup::default());
        self.core.table.hold(call);
        self.bind(&[("hCall", call, handle)]);
        self.state(handle, "DIALING");
        self.state(handle, "CONNECTED");
        self.events();
        call
    }

    fn bind(&mut self, fields: &[(&'static str, CallId, u32)]) {
        let bound = fields.iter().map(|(field, call, _)| (*field, *call)).collect();
        let binding = Binding { h_line: 5, fields: bound };
        self.core.ask("lineMakeCall", json!({}), Purpose::Bind(binding), "made");
        let mut reply = json!({});
        for (field, _, handle) in fields {
            reply[*field] = (*handle).into();
        }
        self.reply(reply);
    }

    /// The events since the last time, in short; calls are let go at once.
    fn events(&mut self) -> Vec<String> {
        let events = self.core.take_events();
        for call in events.iter().filter_map(Event::call) {
            self.core.table.release(*call);
        }
        self.core.sweep();
        events.iter().map(brief).collect()
    }

    fn released(&mut self) -> Vec<(String, u64)> {
        self.core.sweep();
        self.collect();
        let sent = self.sent.iter();
        sent.map(|(_, method, params)| (method.clone(), params["hCall"].as_u64().unwrap()))
            .collect()
    }
}

fn brief(event: &Raw) -> String {
    match event {
        Event::CallNotification { call, event, callback_instance } => {
            format!("{} {} {callback_instance}", call.0, event.name())
        }
        Event::CallState { call, state, cause, .. } => match cause {
            CallStateEventCause::None => format!("{} {}", call.0, state.name()),
            cause => format!("{} {} {}", call.0, state.name(), cause.name()),
        },
        Event::CallHub { call_hub, event, call } => {
            format!("{} {} of {call_hub}", call.0, event.name())
        }
        Event::CallInfoChange { call, cause, .. } => format!("{} {}", call.0, cause.name()),
        Event::Address { event, .. } => event.name().to_owned(),
        Event::TapiObject { event, .. } => event.name().to_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn an_outgoing_call_is_in_progress_once_and_disconnected_once() {
    let mut switch = Switch::new();
    let call = switch.core.table.create(ADA, Kind::Made, CallSetup::default());
    switch.core.table.hold(call);
    switch.bind(&[("hCall", call, 9)]);
    for state in ["DIALTONE", "DIALING", "PROCEEDING", "RINGBACK", "CONNECTED"] {
        switch.state(9, state);
    }
    switch.state_with(9, "DISCONNECTED", json!({"mode": "LINEDISCONNECTMODE_NORMAL"}));
    switch.state(9, "IDLE");
    assert_eq!(
        switch.events(),
        ["1 CS_INPROGRESS", "1 CS_CONNECTED", "1 CS_DISCONNECTED CEC_DISCONNECT_NORMAL"]
    );
}

#[test]
fn a_busy_call_is_over_and_is_cleared_when_it_is_released() {
    let mut switch = Switch::new();
    let call = switch.core.table.create(ADA, Kind::Made, CallSetup::default());
    switch.core.table.hold(call);
    switch.bind(&[("hCall", call, 9)]);
    switch.state(9, "BUSY");
    assert_eq!(switch.events(), ["1 CS_DISCONNECTED CEC_DISCONNECT_BUSY"]);
    assert!(switch.released().is_empty());
    switch.core.table.release(call);
    let expected = [("lineDrop".to_owned(), 9), ("lineDeallocateCall".to_owned(), 9)];
    assert_eq!(switch.released(), expected);
}

#[test]
fn a_call_that_its_owner_gives_up_is_cancelled() {
    let mut switch = Switch::new();
    let call = switch.core.table.create(ADA, Kind::Made, CallSetup::default());
    switch.core.table.hold(call);
    switch.bind(&[("hCall", call, 9)]);
    switch.state(9, "RINGBACK");
    switch.state(9, "IDLE");
    assert_eq!(switch.events()[1], "1 CS_DISCONNECTED CEC_DISCONNECT_CANCELLED");
}

#[test]
fn a_call_is_announced_before_it_is_offered_and_accepting_says_nothing_new() {
    let mut switch = Switch::new();
    let new = json!({"hLine": 5, "addressId": 0, "hCall": 3,
        "privilege": "LINECALLPRIVILEGE_OWNER"});
    switch.notify("LINE_APPNEWCALL", new);
    switch.state_with(3, "OFFERING", json!({"privilege": "LINECALLPRIVILEGE_OWNER"}));
    switch.state(3, "ACCEPTED");
    switch.state(3, "UNKNOWN");
    switch.state(3, "CONNECTED");
    assert_eq!(switch.events(), ["1 CNE_OWNER 42", "1 CS_OFFERING", "1 CS_CONNECTED"]);
}

#[test]
fn an_announced_call_that_nobody_holds_is_kept_until_it_is_over() {
    let mut switch = Switch::new();
    let new = json!({"hLine": 5, "addressId": 0, "hCall": 3,
        "privilege": "LINECALLPRIVILEGE_MONITOR"});
    switch.notify("LINE_APPNEWCALL", new);
    switch.state(3, "OFFERING");
    assert_eq!(switch.events()[0], "1 CNE_MONITOR 42");
    assert!(switch.released().is_empty());
    switch.state(3, "IDLE");
    assert_eq!(switch.events(), ["1 CS_DISCONNECTED CEC_DISCONNECT_NORMAL"]);
    assert_eq!(switch.released(), [("lineDeallocateCall".to_owned(), 3)]);
    assert!(switch.core.table.calls.is_empty());
}

#[test]
fn a_call_that_the_application_made_is_released_with_its_last_object() {
    let mut switch = Switch::new();
    let call = switch.connected(9);
    switch.core.table.release(call);
    assert_eq!(switch.released(), [("lineDeallocateCall".to_owned(), 9)]);
    // What still comes for the handle means nothing.
    switch.state(9, "IDLE");
    assert!(switch.events().is_empty());
}

#[test]
fn the_handle_of_a_call_that_was_let_go_before_it_was_made_is_given_back() {
    let mut switch = Switch::new();
    let call = switch.core.table.create(ADA, Kind::Made, CallSetup::default());
    switch.core.table.hold(call);
    switch.core.table.release(call);
    switch.core.sweep();
    switch.bind(&[("hCall", call, 9)]);
    assert_eq!(switch.released(), [("lineDeallocateCall".to_owned(), 9)]);
}

/// A conference is set up from call 1 with handle 9; `order` are the messages that follow.
fn conference(order: [(u32, &str); 3]) -> Vec<String> {
    let mut switch = Switch::new();
    let first = switch.connected(9);
    let parent = switch.core.table.create(ADA, Kind::Parent, CallSetup::default());
    let second = switch.core.table.create(ADA, Kind::Made, CallSetup::default());
    switch.core.table.hold(second);
    switch.bind(&[("hConfCall", parent, 10), ("hConsultCall", second, 11)]);
    let conference = Some(parent);
    let joins = crate::client::table::Consultation { original: first, conference };
    switch.core.table.calls.get_mut(&second).unwrap().consultation = Some(joins);
    for (handle, state) in order {
        let more = if state == "CONFERENCED" { json!({"hConfCall": 10}) } else { json!({}) };
        switch.state_with(handle, state, more);
    }
    let mut all = switch.events();
    switch.state(11, "CONNECTED");
    switch.state_with(11, "CONFERENCED", json!({"hConfCall": 10}));
    switch.state(10, "CONNECTED");
    all.extend(switch.events());
    all
}

#[test]
fn members_wait_with_their_conference_whichever_is_told_first() {
    let expected = ["3 CS_INPROGRESS", "1 CS_HOLD", "3 CS_CONNECTED", "1 CS_CONNECTED"];
    let parent_first = [(10, "ONHOLDPENDCONF"), (11, "DIALTONE"), (9, "CONFERENCED")];
    let member_first = [(9, "CONFERENCED"), (11, "DIALTONE"), (10, "ONHOLDPENDCONF")];
    for order in [parent_first, member_first] {
        let mut told = conference(order);
        told[..2].sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(told, expected, "{order:?}");
    }
}

#[test]
fn hubs_of_tracked_addresses_begin_grow_shrink_and_end() {
    let mut switch = Switch::new();
    switch.core.table.tracked.insert(ADA);
    let first = switch.connected(9);
    assert_eq!(switch.answer(json!({"callId": 7})), "lineGetCallInfo");
    assert_eq!(switch.events(), ["1 CHE_CALLHUBNEW of 7"]);
    switch.connected(10);
    switch.answer(json!({"callId": 8}));
    switch.events();
    // A transfer: the second call becomes a view of the first one's call.
    switch.notify(
        "LINE_CALLINFO",
        json!({"hCall": 10, "callInfoState": ["LINECALLINFOSTATE_CALLID"]}),
    );
    switch.answer(json!({"callId": 7}));
    assert_eq!(switch.events(), ["2 CIC_CALLID", "2 CHE_CALLHUBIDLE of 8", "2 CHE_CALLJOIN of 7"]);
    assert_eq!(switch.core.table.members_of_hub(7).count(), 2);
    switch.state(10, "IDLE");
    assert_eq!(switch.events()[1], "2 CHE_CALLLEAVE of 7");
    switch.state(9, "IDLE");
    assert_eq!(switch.events()[1], "1 CHE_CALLHUBIDLE of 7");
    switch.core.table.release(first);
}

#[test]
fn without_a_filter_no_event_comes_and_with_one_only_those() {
    let mut switch = Switch::new();
    switch.core.filter = Mask::EMPTY;
    switch.connected(9);
    switch.state(9, "ONHOLD");
    assert!(switch.events().is_empty());
    switch.core.filter = TapiEvent::CallInfoChange.into();
    switch.state(9, "CONNECTED");
    let both = ["LINECALLINFOSTATE_DISPLAY", "LINECALLINFOSTATE_QOS", "LINECALLINFOSTATE_CALLDATA"];
    switch.notify("LINE_CALLINFO", json!({"hCall": 9, "callInfoState": both}));
    assert_eq!(switch.events(), ["1 CIC_OTHER", "1 CIC_CALLDATA"]);
}

#[test]
fn lines_and_addresses_tell_what_happens_to_them() {
    let mut switch = Switch::new();
    for state in ["RINGING", "MSGWAITON", "OUTOFSERVICE", "NUMCALLS", "TRANSLATECHANGE"] {
        let state = format!("LINEDEVSTATE_{state}");
        switch.notify("LINE_LINEDEVSTATE", json!({"hLine": 5, "lineDevState": state}));
    }
    let forward = ["LINEADDRESSSTATE_FORWARD"];
    let params = json!({"hLine": 5, "addressId": 0, "addressState": forward});
    switch.notify("LINE_ADDRESSSTATE", params);
    switch.notify("LINE_CREATE", json!({"deviceId": 1}));
    assert_eq!(
        switch.events(),
        [
            AddressEvent::Ringing.name(),
            "AE_MSGWAITON",
            "AE_STATE",
            "TE_TRANSLATECHANGE",
            "AE_FORWARD",
            "TE_ADDRESSCREATE",
        ]
    );
}

#[test]
fn a_line_that_closes_takes_its_calls_along() {
    let mut switch = Switch::new();
    let call = switch.connected(9);
    switch.notify("LINE_CLOSE", json!({"hLine": 5}));
    assert_eq!(switch.events(), ["1 CS_DISCONNECTED", "TE_ADDRESSCLOSE"]);
    assert_eq!(switch.core.owned(call).unwrap_err().code, TapiErrorCode::InvalCallState);
    switch.core.table.release(call);
    assert!(switch.released().is_empty(), "a void handle is not given back");
}

#[test]
fn digits_and_tones_are_told_with_their_call() {
    let mut switch = Switch::new();
    switch.connected(9);
    let digit = json!({"hCall": 9, "digit": "5", "digitMode": "LINEDIGITMODE_DTMF"});
    switch.notify("LINE_MONITORDIGITS", digit);
    let gathered = json!({"hCall": 9, "digits": "12", "reason": "LINEGATHERTERM_TERMDIGIT"});
    switch.notify("LINE_GATHERDIGITS", gathered);
    switch.notify("LINE_GENERATE", json!({"hCall": 9, "reason": "LINEGENERATETERM_DONE"}));
    switch.notify("LINE_MONITORTONE", json!({"hCall": 9, "appSpecific": 77}));
    let kinds: Vec<_> = switch.core.take_events().iter().filter_map(Event::kind).collect();
    assert_eq!(
        kinds,
        [
            TapiEvent::DigitEvent,
            TapiEvent::GatherDigits,
            TapiEvent::GenerateEvent,
            TapiEvent::ToneEvent
        ]
    );
}

#[test]
fn a_call_made_by_a_request_that_was_lost_is_adopted_after_the_resumption() {
    let mut switch = Switch::new();
    let call = switch.core.table.create(ADA, Kind::Made, CallSetup::default());
    switch.core.table.hold(call);
    let binding = Binding { h_line: 5, fields: vec![("hCall", call)] };
    switch.core.ask("lineMakeCall", json!({}), Purpose::Bind(binding), "made");
    switch.collect();
    let mut done = Vec::new();
    switch.core.broken(&mut done);
    assert_eq!(done[0].1.as_ref().unwrap_err().code, TapiErrorCode::OperationFailed);
    assert!(switch.core.resumption().is_some());
    switch.notify("LINE_REPLY", json!({"requestId": 99, "result": 0, "hCall": 9}));
    switch.state(9, "CONNECTED");
    assert_eq!(switch.events(), ["1 CS_CONNECTED"]);
    // Handles that nobody wanted are given back.
    switch.sent.clear();
    switch.notify("LINE_REPLY", json!({"requestId": 100, "result": 0, "hConsultCall": 33}));
    assert_eq!(switch.released(), [("lineDeallocateCall".to_owned(), 33)]);
}

#[test]
fn an_application_that_cannot_be_resumed_is_told_to_begin_anew() {
    let mut switch = Switch::new();
    switch.connected(9);
    switch.core.ask("lineHold", json!({}), Purpose::Plain, "hold");
    let mut done = Vec::new();
    switch.core.lose(&mut done);
    assert_eq!(done[0].1.as_ref().unwrap_err().code, TapiErrorCode::Reinit);
    assert_eq!(switch.events(), ["1 CS_DISCONNECTED CEC_DISCONNECT_FAILED", "TE_REINIT"]);
    let refused = switch.core.ask("lineHold", json!({}), Purpose::Plain, "later").unwrap();
    assert_eq!(refused.1.unwrap_err().code, TapiErrorCode::NotInitialized);
    assert_eq!(switch.core.under_way(), 0);
}

#[test]
fn a_monitor_may_not_change_a_call_until_it_is_handed_to_it() {
    let mut switch = Switch::new();
    let new = json!({"hLine": 5, "addressId": 0, "hCall": 3,
        "privilege": "LINECALLPRIVILEGE_MONITOR"});
    switch.notify("LINE_APPNEWCALL", new);
    switch.state(3, "CONNECTED");
    switch.events();
    let call = CallId(1);
    assert_eq!(switch.core.owned(call).unwrap_err().code, TapiErrorCode::NotOwner);
    switch.state_with(3, "CONNECTED", json!({"privilege": "LINECALLPRIVILEGE_OWNER"}));
    assert_eq!(switch.events(), ["1 CIC_PRIVILEGE"]);
    assert_eq!(switch.core.owned(call), Ok(3));
    assert_eq!(switch.core.table.calls[&call].state, CallState::Connected);
}

#[test]
fn a_message_about_agents_is_one_event_however_often_the_line_is_open() {
    use crate::client::center::CallCenterEvent;
    let mut switch = Switch::new();
    let open = Open { device: 0, cookie: None, callback: 0, has_status: false };
    switch.core.ask("lineOpen", json!({}), Purpose::Open(open), "open");
    switch.answer(json!({"hLine": 6}));
    for h_line in [5, 6] {
        let params = json!({"hLine": h_line, "queueId": 8,
            "queueStatus": ["LINEQUEUESTATUS_NEWQUEUE"]});
        switch.notify("LINE_QUEUESTATUS", params);
    }
    let events = switch.core.take_events();
    let [Event::CallCenter(CallCenterEvent::Queue { .. })] = events.as_slice() else {
        panic!("{events:?}")
    };
    switch.core.filter = Mask::all() - Mask::from(TapiEvent::Queue);
    let params = json!({"hLine": 5, "queueId": 8, "queueStatus": ["LINEQUEUESTATUS_NEWQUEUE"]});
    switch.notify("LINE_QUEUESTATUS", params);
    assert!(switch.core.take_events().is_empty(), "filtered");
}
