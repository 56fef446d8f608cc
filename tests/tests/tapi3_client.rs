//! The TAPI 3 client against the real program and phones: every method, the sequences of calls,
//! both orders of events, errors in wrong states, handles given back, a broken connection, and the
//! example programs.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use tapi::Constant as _;
use tapi::client::{
    Address, AddressCapability, AddressEvent, AddressState, Call, CallHubEvent, CallHubState,
    CallInfoBuffer, CallInfoChangeCause, CallInfoLong, CallInfoString, CallNotificationEvent,
    CallPrivilege, CallState, CallStateEventCause, ClientConfig, Connect, DisconnectCode, Event,
    FinishMode, Forward, QosServiceLevel, Success, Tapi, TapiError, TapiErrorCode, TapiEvent,
    TapiMediaType, TapiObjectEvent,
};
use tapi::constant::{CallReason, ForwardMode, LineErr, Mask, TranslateOption, TranslateResult};
use tests::program::{LivePhone, PATIENCE, Program, TOKEN, office};
use tokio::runtime::Runtime;
use tokio::time::timeout;

#[path = "../../tapi/examples/answer_and_transfer.rs"]
#[allow(dead_code, reason = "main is for the command line")]
mod answer_and_transfer;
#[path = "../../tapi/examples/conference.rs"]
#[allow(dead_code, reason = "main is for the command line")]
mod conference;
#[path = "../../tapi/examples/dial.rs"]
#[allow(dead_code, reason = "main is for the command line")]
mod dial;
#[path = "../../tapi/examples/forward.rs"]
#[allow(dead_code, reason = "main is for the command line")]
mod forward;
#[path = "../../tapi/examples/park_and_pickup.rs"]
#[allow(dead_code, reason = "main is for the command line")]
mod park_and_pickup;

fn audio() -> Mask<TapiMediaType> {
    TapiMediaType::Audio.into()
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// An office with phones, and a client with every event wanted.
struct Office {
    runtime: Runtime,
    program: Program,
    phones: Vec<LivePhone>,
    tapi: Tapi,
}

impl Office {
    fn new(lines: &[&str]) -> Office {
        Office::with(Program::start(), lines)
    }

    fn with(program: Program, lines: &[&str]) -> Office {
        let runtime = runtime();
        let phones = lines.iter().map(|line| program.live_phone(line)).collect();
        let tapi = Tapi::new(config(&program, "client"));
        assert_eq!(runtime.block_on(tapi.initialize()), Ok(Success::Ok));
        tapi.put_event_filter(Mask::all());
        Office { runtime, program, phones, tapi }
    }

    fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let patient = async { timeout(PATIENCE * 2, work).await };
        match self.runtime.block_on(patient) {
            Ok(value) => value,
            Err(_) => panic!("a method does not end\n{}", self.program.log()),
        }
    }

    fn ok<T>(&self, work: impl Future<Output = Result<T, TapiError>>) -> T {
        self.run(work).unwrap_or_else(|error| panic!("{error}"))
    }

    fn fails<T: std::fmt::Debug>(
        &self,
        work: impl Future<Output = Result<T, TapiError>>,
    ) -> TapiErrorCode {
        self.run(work).unwrap_err().code
    }

    fn address(&self, line: &str) -> Address {
        self.ok(self.tapi.address(line))
    }

    /// The address, its calls owned and monitored.
    fn registered(&self, line: &str, callback: i32) -> Address {
        let address = self.address(line);
        self.ok(self.tapi.register_call_notifications(&address, true, true, audio(), callback));
        address
    }

    fn event(&self, what: &str) -> Event {
        match self.run(async { timeout(PATIENCE, self.tapi.next_event()).await }) {
            Ok(Some(event)) => event,
            other => panic!("{what}: {other:?}\n{}", self.program.log()),
        }
    }

    /// The first event that fits; those before it are skipped.
    fn wait<T>(&self, what: &str, wanted: impl Fn(Event) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.event(what)) {
                return found;
            }
        }
    }

    /// The next call that is offered.
    fn offered(&self) -> Call {
        self.wait("CS_OFFERING", |event| match event {
            Event::CallState { call, state: CallState::Offering, .. } => Some(call),
            _ => None,
        })
    }

    fn reaches(&self, call: &Call, wanted: CallState) {
        let start = Instant::now();
        while call.call_state() != wanted {
            assert!(start.elapsed() < PATIENCE, "{wanted:?} and not {:?}", call.call_state());
            tests::program::pause();
        }
    }

    /// States of one call, in order, until it is over; its object.
    fn trace(&self, of: &Call) -> Vec<String> {
        let mut trace = Vec::new();
        loop {
            if let Event::CallState { call, state, cause, .. } = self.event("CS_DISCONNECTED")
                && call == *of
            {
                trace.push(match cause {
                    CallStateEventCause::None => state.name().to_owned(),
                    cause => format!("{} {}", state.name(), cause.name()),
                });
                if state == CallState::Disconnected {
                    return trace;
                }
            }
        }
    }

    /// A call of `line` to the phone at this place, which has answered.
    fn call_to(&self, address: &Address, phone: usize) -> (Call, LegId) {
        let number = self.phones[phone].with(|phone| phone.number().to_owned());
        let call = address.create_call(Some(&number), audio()).unwrap();
        self.ok(call.connect(Connect::r#async()));
        let leg = self.answers(phone);
        self.reaches(&call, CallState::Connected);
        (call, leg)
    }

    fn answers(&self, phone: usize) -> LegId {
        let leg = self.phones[phone].incoming();
        self.phones[phone].answer(leg);
        self.phones[phone].connected(leg);
        leg
    }

    fn hear_each_other(&self, one: usize, other: usize) {
        self.phones[one].hears(&self.phones[other]);
        self.phones[other].hears(&self.phones[one]);
    }

    /// No call, no port, and no handle of the application is left.
    fn at_rest(&self) {
        for collection in ["calls", "media", "park"] {
            let path = format!("/api/v1/{collection}");
            self.program.until(&path, |answer| answer["items"] == json!([]));
        }
    }
}

fn config(program: &Program, name: &str) -> ClientConfig {
    ClientConfig::new(format!("http://{}", program.api), TOKEN, name)
}

#[test]
fn initialize_and_shutdown_answer_s_false_when_there_is_nothing_to_do() {
    let program = Program::start();
    let runtime = runtime();
    let tapi = Tapi::new(config(&program, "twice"));
    let early = runtime.block_on(tapi.addresses()).unwrap_err();
    assert_eq!(early.code, TapiErrorCode::NotInitialized);
    assert_eq!(runtime.block_on(tapi.shutdown()), Ok(Success::False));
    for _ in 0..2 {
        assert_eq!(runtime.block_on(tapi.initialize()), Ok(Success::Ok));
        assert_eq!(runtime.block_on(tapi.initialize()), Ok(Success::False));
        assert_eq!(runtime.block_on(tapi.addresses()).unwrap().len(), 7);
        assert_eq!(runtime.block_on(tapi.shutdown()), Ok(Success::Ok));
        assert!(runtime.block_on(tapi.next_event()).is_none());
    }
    let wrong = Tapi::new(ClientConfig::new(format!("http://{}", program.api), "no", "x"));
    let refused = runtime.block_on(wrong.initialize()).unwrap_err();
    assert_eq!(refused.code, TapiErrorCode::AccessDenied);
    let nobody = Tapi::new(ClientConfig::new("http://127.0.0.1:1", TOKEN, "x"));
    let refused = runtime.block_on(nobody.initialize()).unwrap_err();
    assert_eq!(refused.code, TapiErrorCode::ServiceNotRunning);
}

#[test]
fn an_address_tells_its_name_number_media_state_and_capabilities() {
    let office = Office::new(&["201"]);
    let ada = office.address("201");
    assert_eq!(office.ok(ada.address_name()), "Ada");
    assert_eq!(office.ok(ada.dialable_address()), "201");
    assert_eq!(office.ok(ada.service_provider_name()), "Strowger");
    assert!(office.ok(ada.query_media_type(TapiMediaType::Audio)));
    assert!(!office.ok(ada.query_media_type(TapiMediaType::G3Fax)));
    assert_eq!(office.ok(ada.state()), AddressState::InService);
    assert_eq!(office.ok(office.address("202").state()), AddressState::OutOfService);
    let caps = office.ok(ada.capabilities());
    assert_eq!(caps.address_capability(AddressCapability::MaxActiveCalls), 4);
    assert_eq!(caps.address_capability(AddressCapability::ParkSupport), 3);
    assert_eq!(caps.address_capability(AddressCapability::AddressTypes), 1);
    let nobody = office.run(office.tapi.address("999")).unwrap_err();
    assert_eq!(nobody.code, TapiErrorCode::NoItems);
}

#[test]
fn a_phone_that_comes_and_goes_is_an_address_event() {
    let office = Office::new(&[]);
    let ada = office.address("201");
    assert_eq!(office.ok(ada.state()), AddressState::OutOfService);
    let phone = office.program.live_phone("201");
    let changed = |event| match event {
        Event::Address { address, event: AddressEvent::State } => Some(address),
        _ => None,
    };
    assert_eq!(office.wait("AE_STATE", changed), ada);
    assert_eq!(office.ok(ada.state()), AddressState::InService);
    phone.register(Duration::ZERO);
    office.wait("AE_STATE", changed);
    assert_eq!(office.ok(ada.state()), AddressState::OutOfService);
}

#[test]
fn an_outgoing_call_goes_from_idle_through_in_progress_to_connected_and_disconnected() {
    let office = Office::new(&["201", "202"]);
    let ada = office.address("201");
    let call = ada.create_call(Some("202"), audio()).unwrap();
    assert_eq!(call.call_state(), CallState::Idle);
    assert_eq!(office.program.get("/api/v1/calls").1["items"], json!([]), "nothing happens yet");
    assert_eq!(office.run(call.disconnect(DisconnectCode::Normal)), Ok(Success::False));
    assert_eq!(office.fails(call.hold(true)), TapiErrorCode::InvalCallState);
    assert_eq!(office.fails(call.call_hub()), TapiErrorCode::Pending);
    office.ok(call.connect(Connect::r#async()));
    assert_eq!(office.fails(call.connect(Connect::r#async())), TapiErrorCode::InvalCallState);
    office.answers(1);
    office.reaches(&call, CallState::Connected);
    office.hear_each_other(0, 1);
    assert_eq!(office.ok(ada.calls()), [call.clone()]);
    assert_eq!(office.run(call.disconnect(DisconnectCode::Normal)), Ok(Success::Ok));
    assert_eq!(call.call_state(), CallState::Disconnected);
    assert_eq!(office.run(call.disconnect(DisconnectCode::Normal)), Ok(Success::False));
    assert_eq!(
        office.trace(&call),
        ["CS_INPROGRESS", "CS_CONNECTED", "CS_DISCONNECTED CEC_DISCONNECT_NORMAL"]
    );
    assert!(office.ok(ada.calls()).is_empty());
    office.at_rest();
}

#[test]
fn a_synchronous_connect_waits_for_the_answer() {
    let office = Office::new(&["201", "202"]);
    let call = office.address("201").create_call(Some("202"), audio()).unwrap();
    let task = {
        let call = call.clone();
        office.runtime.spawn(async move { call.connect(Connect::sync()).await })
    };
    let leg = office.answers(1);
    assert_eq!(office.run(task).unwrap(), Ok(()));
    assert_eq!(call.call_state(), CallState::Connected);
    office.phones[1].hang_up(leg);
    office.reaches(&call, CallState::Disconnected);
    assert_eq!(call.disconnect_cause(), CallStateEventCause::DisconnectNormal);
    let _ = office.ok(call.disconnect(DisconnectCode::Normal));
    office.at_rest();
}

#[test]
fn a_call_that_fails_is_disconnected_with_its_cause() {
    let office = Office::new(&["201", "202"]);
    let ada = office.address("201");
    for (number, status, code, cause) in [
        ("202", 486, TapiErrorCode::DestBusy, CallStateEventCause::DisconnectBusy),
        ("202", 603, TapiErrorCode::DestUnavail, CallStateEventCause::DisconnectRejected),
        ("299", 0, TapiErrorCode::InvalAddress, CallStateEventCause::DisconnectBadAddress),
    ] {
        let call = ada.create_call(Some(number), audio()).unwrap();
        let task = {
            let call = call.clone();
            office.runtime.spawn(async move { call.connect(Connect::sync()).await })
        };
        if status != 0 {
            let leg = office.phones[1].incoming();
            office.phones[1].reject(leg, status);
        }
        let error = office.run(task).unwrap().unwrap_err();
        assert_eq!(error.code, code, "{number} {status}: {error}");
        assert_eq!(call.disconnect_cause(), cause, "{number} {status}");
        // The line still shows it until the application lets it go.
        drop(call);
        office.ok(ada.calls());
        loop {
            if let Event::CallState { state: CallState::Disconnected, .. } = office.event("over") {
                break;
            }
        }
        office.at_rest();
    }
}

#[test]
fn an_incoming_call_is_announced_then_offered_then_answered() {
    let office = Office::new(&["201", "202"]);
    office.registered("202", 7);
    let near = office.phones[0].call("202");
    let mut told = Vec::new();
    let call = loop {
        match office.event("CS_OFFERING") {
            Event::CallNotification { call, event, callback_instance } => {
                assert_eq!((event, callback_instance), (CallNotificationEvent::Owner, 7));
                // Announced, not offered yet or just now: answering is for CS_OFFERING.
                told.push(("notification", call));
            }
            Event::CallState { call, state, callback_instance, .. } => {
                assert_eq!((state, callback_instance), (CallState::Offering, 7));
                told.push(("state", call.clone()));
                break call;
            }
            _ => {}
        }
    };
    let names: Vec<&str> = told.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["notification", "state"]);
    assert_eq!(told[0].1, call);
    assert_eq!(call.privilege().unwrap(), CallPrivilege::Owner);
    assert_eq!(office.ok(call.call_info_string(CallInfoString::CallerIdNumber)), "201");
    assert_eq!(office.ok(call.call_info_string(CallInfoString::CallerIdName)), "Ada");
    office.ok(call.answer());
    office.phones[0].connected(near);
    office.hear_each_other(0, 1);
    assert_eq!(office.fails(call.answer()), TapiErrorCode::Unexpected);
    let _ = office.ok(call.disconnect(DisconnectCode::Normal));
    office.phones[0].ended(near);
    office.at_rest();
}

#[test]
fn an_offered_call_is_rejected_by_disconnect() {
    let office = Office::new(&["201", "202"]);
    office.registered("202", 0);
    office.phones[0].call("202");
    let call = office.offered();
    assert_eq!(office.ok(call.disconnect(DisconnectCode::Rejected)), Success::Ok);
    let (status, _) = office.phones[0].failed();
    assert!((400..700).contains(&status), "{status}");
    office.at_rest();
}

#[test]
fn a_monitor_sees_everything_and_may_change_nothing() {
    let office = Office::new(&["201", "202", "203"]);
    let ada = office.address("201");
    office.ok(office.tapi.register_call_notifications(&ada, true, false, audio(), 0));
    let near = office.phones[0].call("202");
    let call = office.wait("CNE_MONITOR", |event| match event {
        Event::CallNotification { call, event: CallNotificationEvent::Monitor, .. } => Some(call),
        _ => None,
    });
    let leg = office.answers(1);
    office.phones[0].connected(near);
    office.reaches(&call, CallState::Connected);
    assert_eq!(call.privilege().unwrap(), CallPrivilege::Monitor);
    let other = ada.create_call(Some("203"), audio()).unwrap();
    for code in [
        office.fails(call.hold(true)),
        office.fails(call.blind_transfer("203")),
        office.fails(call.transfer(&other, false)),
        office.fails(call.park_indirect()),
        office.fails(call.disconnect(DisconnectCode::Normal)),
        office.fails(call.dial("1")),
        office.fails(call.put_call_info_long(CallInfoLong::AppSpecific, 1)),
    ] {
        assert_eq!(code, TapiErrorCode::NotOwner);
    }
    office.phones[1].hang_up(leg);
    office.reaches(&call, CallState::Disconnected);
    office.at_rest();
}

#[test]
fn hold_and_swap_hold_move_calls_between_connected_and_hold() {
    let office = Office::new(&["201", "202", "203"]);
    let ada = office.address("201");
    let (first, _) = office.call_to(&ada, 1);
    assert_eq!(office.fails(first.hold(false)), TapiErrorCode::InvalCallState);
    office.ok(first.hold(true));
    assert_eq!(first.call_state(), CallState::Hold);
    assert_eq!(office.fails(first.hold(true)), TapiErrorCode::InvalCallState);
    office.phones[1].hears_nothing_of(&office.phones[0]);
    office.ok(first.hold(false));
    assert_eq!(first.call_state(), CallState::Connected);
    office.hear_each_other(0, 1);
    let unmade = ada.create_call(Some("203"), audio()).unwrap();
    assert_eq!(office.fails(first.swap_hold(&unmade)), TapiErrorCode::InvalidArg);
    office.ok(first.transfer(&unmade, false));
    office.answers(2);
    office.reaches(&unmade, CallState::Connected);
    assert_eq!(office.fails(first.swap_hold(&unmade)), TapiErrorCode::InvalCallState);
    office.ok(unmade.swap_hold(&first));
    assert_eq!((first.call_state(), unmade.call_state()), (CallState::Connected, CallState::Hold));
    office.hear_each_other(0, 1);
    office.ok(first.swap_hold(&unmade));
    office.hear_each_other(0, 2);
    for call in [unmade, first] {
        let _ = office.ok(call.disconnect(DisconnectCode::Normal));
    }
    office.at_rest();
}

#[test]
fn a_consultation_transfer_joins_the_far_parties_and_ends_both_calls_here() {
    let office = Office::new(&["201", "202", "203"]);
    let ada = office.address("201");
    let (original, far) = office.call_to(&ada, 1);
    let consultation = ada.create_call(Some("203"), audio()).unwrap();
    let finish = |mode| office.run(consultation.finish(mode)).map_err(|error| error.code);
    assert_eq!(finish(FinishMode::AsTransfer), Err(TapiErrorCode::InvalCallState));
    office.ok(original.transfer(&consultation, false));
    office.reaches(&original, CallState::Hold);
    office.reaches(&consultation, CallState::InProgress);
    office.answers(2);
    office.reaches(&consultation, CallState::Connected);
    assert_eq!(original.call_state(), CallState::Hold);
    office.hear_each_other(0, 2);
    assert_eq!(finish(FinishMode::AsTransfer), Ok(()));
    office.reaches(&original, CallState::Disconnected);
    office.reaches(&consultation, CallState::Disconnected);
    office.hear_each_other(1, 2);
    assert_eq!(
        office.trace(&original),
        ["CS_INPROGRESS", "CS_CONNECTED", "CS_HOLD", "CS_DISCONNECTED CEC_DISCONNECT_NORMAL"]
    );
    office.phones[1].hang_up(far);
    office.at_rest();
}

#[test]
fn a_consultation_that_is_given_up_brings_the_original_call_back() {
    let office = Office::new(&["201", "202", "203"]);
    let ada = office.address("201");
    let (original, _) = office.call_to(&ada, 1);
    let consultation = ada.create_call(Some("203"), audio()).unwrap();
    office.ok(original.transfer(&consultation, false));
    office.phones[2].incoming();
    let _ = office.ok(consultation.disconnect(DisconnectCode::Normal));
    assert_eq!(consultation.disconnect_cause(), CallStateEventCause::DisconnectCancelled);
    // LINEADDRCAPFLAGS_AUTORECONNECT; where a switch has it not, Hold(FALSE) does it.
    let flags = office.ok(ada.capabilities()).address_capability(AddressCapability::AddressCapFlags);
    assert!(flags & tapi::constant::AddrCapFlag::AutoReconnect.value() != 0);
    office.reaches(&original, CallState::Connected);
    office.hear_each_other(0, 1);
    let _ = office.ok(original.disconnect(DisconnectCode::Normal));
    office.at_rest();
}

#[test]
fn a_consultation_needs_a_destination_an_own_call_and_the_same_address() {
    let office = Office::new(&["201", "202", "203"]);
    let ada = office.address("201");
    let (original, _) = office.call_to(&ada, 1);
    let hot = ada.create_call(None, audio()).unwrap();
    let foreign = office.address("203").create_call(Some("204"), audio()).unwrap();
    for wrong in [&hot, &foreign, &original] {
        assert_eq!(office.fails(original.transfer(wrong, true)), TapiErrorCode::InvalidArg);
        assert_eq!(office.fails(original.conference(wrong, true)), TapiErrorCode::InvalidArg);
    }
    let unknown = ada.create_call(Some("203"), audio()).unwrap();
    let _ = office.ok(original.disconnect(DisconnectCode::Normal));
    assert_eq!(office.fails(original.transfer(&unknown, true)), TapiErrorCode::InvalCallState);
    assert_eq!(unknown.call_state(), CallState::Idle);
    office.at_rest();
}

#[test]
fn a_blind_transfer_sends_the_party_on_or_leaves_the_call_as_it_was() {
    let office = Office::new(&["201", "202", "203"]);
    let ada = office.address("201");
    let (call, far) = office.call_to(&ada, 1);
    assert_eq!(office.fails(call.blind_transfer("299")), TapiErrorCode::InvalAddress);
    assert_eq!(call.call_state(), CallState::Connected);
    office.hear_each_other(0, 1);
    office.ok(call.blind_transfer("203"));
    assert_eq!(call.call_state(), CallState::Disconnected);
    office.answers(2);
    office.hear_each_other(1, 2);
    office.phones[1].hang_up(far);
    office.at_rest();
}

#[test]
fn a_conference_grows_by_consultation_shrinks_by_removal_and_ends_with_its_hub() {
    let office = Office::new(&["201", "202", "203", "204"]);
    let ada = office.address("201");
    office.tapi.set_call_hub_tracking(std::slice::from_ref(&ada), true);
    let (first, _) = office.call_to(&ada, 1);
    assert_eq!(office.fails(first.remove_from_conference()), TapiErrorCode::NoConference);
    let mut members = vec![first.clone()];
    for phone in [2, 3] {
        let number = office.phones[phone].with(|phone| phone.number().to_owned());
        let consultation = ada.create_call(Some(&number), audio()).unwrap();
        office.ok(first.conference(&consultation, false));
        office.reaches(&first, CallState::Hold);
        office.answers(phone);
        office.reaches(&consultation, CallState::Connected);
        office.hear_each_other(0, phone);
        let wrong = office.fails(consultation.finish(FinishMode::AsTransfer));
        assert_eq!(wrong, TapiErrorCode::InvalCallState);
        office.ok(consultation.finish(FinishMode::AsConference));
        members.push(consultation);
        for member in &members {
            office.reaches(member, CallState::Connected);
        }
    }
    for (one, other) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
        office.hear_each_other(one, other);
    }
    let hub = office.ok(first.call_hub());
    assert_eq!(office.ok(hub.calls()).len(), 3, "one hub for all members");
    assert_eq!((hub.state(), hub.num_calls()), (CallHubState::Active, 3));
    office.ok(members[2].remove_from_conference());
    assert_eq!(members[2].call_state(), CallState::Disconnected);
    assert_eq!(office.ok(hub.calls()).len(), 2);
    office.hear_each_other(0, 1);
    office.ok(first.hold(true));
    assert_eq!(members[1].call_state(), CallState::Hold, "the station's part is held");
    office.ok(first.hold(false));
    office.reaches(&members[1], CallState::Connected);
    office.ok(hub.clear());
    for member in &members {
        office.reaches(member, CallState::Disconnected);
    }
    office.at_rest();
    assert_eq!(hub.state(), CallHubState::Idle);
}

#[test]
fn a_conference_of_three_falls_back_to_a_call_when_a_member_is_removed() {
    let office = Office::new(&["201", "202", "203"]);
    let ada = office.address("201");
    let (first, _) = office.call_to(&ada, 1);
    let second = ada.create_call(Some("203"), audio()).unwrap();
    office.ok(first.conference(&second, false));
    office.answers(2);
    office.reaches(&second, CallState::Connected);
    office.ok(second.finish(FinishMode::AsConference));
    office.ok(second.remove_from_conference());
    assert_eq!(second.call_state(), CallState::Disconnected);
    office.reaches(&first, CallState::Connected);
    office.hear_each_other(0, 1);
    assert_eq!(office.fails(first.remove_from_conference()), TapiErrorCode::NoConference);
    office.ok(first.hold(true));
    office.ok(first.hold(false));
    let _ = office.ok(first.disconnect(DisconnectCode::Normal));
    office.at_rest();
}

#[test]
fn a_call_is_parked_by_the_switch_or_in_a_slot_and_taken_out_there() {
    let office = Office::new(&["201", "202", "203"]);
    let ada = office.address("201");
    let cleo = office.address("203");
    for slot in [None, Some("705")] {
        let (call, _) = office.call_to(&ada, 1);
        let at = match slot {
            None => office.ok(call.park_indirect()),
            Some(slot) => {
                let bad = office.fails(call.park_direct("70 5 x"));
                assert_eq!(bad, TapiErrorCode::InvalidArg);
                office.ok(call.park_direct(slot));
                slot.to_owned()
            }
        };
        assert_eq!(call.call_state(), CallState::Disconnected);
        assert_eq!(office.fails(call.park_indirect()), TapiErrorCode::InvalCallState);
        let taken = cleo.create_call(Some(&at), audio()).unwrap();
        assert_eq!(taken.call_state(), CallState::Idle);
        office.ok(taken.unpark());
        assert_eq!(taken.call_state(), CallState::Connected);
        office.hear_each_other(1, 2);
        let reason = office.ok(taken.call_info_long(CallInfoLong::Reason));
        assert_eq!(reason, CallReason::Unpark.value());
        assert_eq!(office.fails(taken.unpark()), TapiErrorCode::InvalCallState);
        let _ = office.ok(taken.disconnect(DisconnectCode::Normal));
        office.at_rest();
    }
    let nowhere = cleo.create_call(None, audio()).unwrap();
    assert_eq!(office.fails(nowhere.unpark()), TapiErrorCode::InvalidArg);
}

#[test]
fn a_ringing_call_is_picked_up_by_address_by_group_or_nearest() {
    let office = Office::new(&["201", "202", "203"]);
    let cleo = office.address("203");
    let idle = cleo.create_call(None, audio()).unwrap();
    assert_eq!(office.fails(idle.pickup(None)), TapiErrorCode::Fail, "nothing rings");
    for (address, group) in [(Some("202"), None), (None, Some("10")), (None, None)] {
        let near = office.phones[0].call("202");
        office.phones[1].incoming();
        let call = cleo.create_call(address, audio()).unwrap();
        office.ok(call.pickup(group));
        office.phones[0].connected(near);
        office.hear_each_other(0, 2);
        let reason = office.ok(call.call_info_long(CallInfoLong::Reason));
        assert_eq!(reason, CallReason::Pickup.value());
        let _ = office.ok(call.disconnect(DisconnectCode::Normal));
        office.at_rest();
    }
}

#[test]
fn forwarding_is_set_read_announced_replaced_and_cancelled() {
    let office = Office::new(&["201", "202", "203"]);
    let ada = office.address("201");
    let mut info = ada.create_forward_info_object();
    info.set_forward_type(ForwardMode::Uncond, "203", None).unwrap();
    office.ok(ada.forward(Some(&info)));
    let forwarded = |event| match event {
        Event::Address { address, event: AddressEvent::Forward } => Some(address),
        _ => None,
    };
    assert_eq!(office.wait("AE_FORWARD", forwarded), ada);
    let current = office.ok(ada.current_forward_info());
    assert_eq!(current.forward_type_destination(ForwardMode::Uncond), Some("203"));
    let near = office.phones[1].call("201");
    office.answers(2);
    office.phones[1].hang_up(near);
    office.ok(ada.put_do_not_disturb(true));
    assert!(office.ok(ada.do_not_disturb()));
    let entry = Forward { mode: ForwardMode::Uncond, destination: None, caller: None };
    assert_eq!(office.ok(ada.current_forward_info()).entries(), [entry]);
    office.ok(ada.put_do_not_disturb(false));
    assert!(!office.ok(ada.do_not_disturb()));
    assert!(office.ok(ada.current_forward_info()).entries().is_empty());
    let mut own = ada.create_forward_info_object();
    own.set_forward_type(ForwardMode::Busy, "201", None).unwrap();
    assert_eq!(office.fails(ada.forward(Some(&own))), TapiErrorCode::InvalAddress);
    office.at_rest();
}

#[test]
fn call_information_is_put_before_the_call_and_read_in_every_state() {
    let office = Office::new(&["201", "202"]);
    let ada = office.address("201");
    let call = ada.create_call(Some("202"), audio()).unwrap();
    call.put_call_info_string(CallInfoString::Comment, "order 4711").unwrap();
    call.put_call_info_string(CallInfoString::CalledPartyFriendlyName, "Ben's desk").unwrap();
    let wrong = call.put_call_info_string(CallInfoString::CallerIdName, "x").unwrap_err();
    assert_eq!(wrong.code, TapiErrorCode::InvalidArg);
    office.ok(call.put_call_info_long(CallInfoLong::AppSpecific, 77));
    office.ok(call.put_call_info_long(CallInfoLong::MaxRate, 64_000));
    let wrong = office.fails(call.put_call_info_long(CallInfoLong::CallId, 1));
    assert_eq!(wrong, TapiErrorCode::InvalidArg);
    assert_eq!(office.ok(call.call_info_string(CallInfoString::Comment)), "order 4711");
    assert_eq!(office.ok(call.call_info_string(CallInfoString::CalledIdNumber)), "202");
    office.ok(call.connect(Connect::r#async()));
    office.answers(1);
    office.reaches(&call, CallState::Connected);
    for (item, text) in [
        (CallInfoString::Comment, "order 4711"),
        (CallInfoString::CalledPartyFriendlyName, "Ben's desk"),
        (CallInfoString::CalledIdNumber, "202"),
        (CallInfoString::ConnectedIdNumber, "202"),
        (CallInfoString::CallerIdNumber, "201"),
    ] {
        assert_eq!(office.ok(call.call_info_string(item)), text, "{item:?}");
    }
    for (item, value) in [
        (CallInfoLong::AppSpecific, 77),
        (CallInfoLong::MaxRate, 64_000),
        (CallInfoLong::MediaTypesAvailable, TapiMediaType::Audio.value()),
        (CallInfoLong::BearerMode, 1),
        (CallInfoLong::Origin, 1),
        (CallInfoLong::Reason, CallReason::Direct.value()),
        (CallInfoLong::NumberOfOwners, 1),
        (CallInfoLong::CalledIdAddressType, 1),
        (CallInfoLong::RedirectingIdAddressType, 0),
    ] {
        assert_eq!(office.ok(call.call_info_long(item)), value, "{item:?}");
    }
    let late = call.put_call_info_string(CallInfoString::Comment, "late").unwrap_err();
    assert_eq!(late.code, TapiErrorCode::InvalCallState);
    let late = office.fails(call.put_call_info_long(CallInfoLong::MinRate, 1));
    assert_eq!(late, TapiErrorCode::InvalCallState);
    office.ok(call.put_call_info_long(CallInfoLong::AppSpecific, 78));
    assert_eq!(office.ok(call.call_info_long(CallInfoLong::AppSpecific)), 78);
    assert!(office.ok(call.call_info_buffer(CallInfoBuffer::ChargingInfoBuffer)).is_empty());
    let binary = office.fails(call.put_call_info_buffer(CallInfoBuffer::CallDataBuffer, &[0xFF]));
    assert_eq!(binary, TapiErrorCode::InvalidArg);
    assert_eq!(office.ok(call.device_id("tapi/line")), 0);
    let audio_only = call.set_qos(audio(), QosServiceLevel::IfAvailable);
    assert_eq!(audio_only, Ok(()));
    let needed = call.set_qos(audio(), QosServiceLevel::Needed).unwrap_err();
    assert_eq!(needed.code, TapiErrorCode::NotSupported);
    let nothing = call.set_qos(Mask::EMPTY, QosServiceLevel::BestEffort).unwrap_err();
    assert_eq!(nothing.code, TapiErrorCode::InvalidArg);
    let _ = office.ok(call.disconnect(DisconnectCode::Normal));
    office.at_rest();
}

#[test]
fn a_change_of_information_is_told_with_its_cause() {
    let office = Office::new(&["201", "202", "203"]);
    office.registered("202", 5);
    let near = office.phones[0].call("202");
    let call = office.offered();
    office.ok(call.answer());
    office.phones[0].with(|phone| phone.transfer(near, "203"));
    office.answers(2);
    let changes = office.wait("CIC_CONNECTEDID", |event| match event {
        Event::CallInfoChange {
            call,
            cause: CallInfoChangeCause::ConnectedId,
            callback_instance,
        } => Some((call, callback_instance)),
        _ => None,
    });
    assert_eq!(changes, (call.clone(), 5));
    let _ = office.ok(call.disconnect(DisconnectCode::Normal));
    office.phones[0].hang_up(near);
    office.at_rest();
}

#[test]
fn a_call_is_handed_off_to_another_application_or_disconnected() {
    let office = Office::new(&["201", "202"]);
    let other = Tapi::new(config(&office.program, "other"));
    assert_eq!(office.run(other.initialize()), Ok(Success::Ok));
    other.put_event_filter(TapiEvent::CallNotification);
    let (call, far) = office.call_to(&office.address("201"), 1);
    let there = office.ok(other.address("201"));
    office.ok(other.register_call_notifications(&there, false, true, audio(), 3));
    assert_eq!(office.fails(call.handoff_indirect(Mask::EMPTY)), TapiErrorCode::InvalidArg);
    office.ok(call.handoff_direct("other"));
    assert_eq!(call.privilege().unwrap(), CallPrivilege::Monitor);
    let event = office.run(other.next_event());
    let Some(Event::CallNotification { call: handed, event, callback_instance: 3 }) = event else {
        panic!("{event:?}");
    };
    assert_eq!(event, CallNotificationEvent::Owner);
    assert_eq!(office.run(handed.handoff_direct("nobody")).unwrap_err().code,
        TapiErrorCode::TargetNotFound);
    assert_eq!(handed.call_state(), CallState::Disconnected, "a failed handoff ends the call");
    office.phones[1].ended(far);
    office.reaches(&call, CallState::Disconnected);
    office.at_rest();
}

#[test]
fn hub_events_follow_a_call_on_tracked_addresses() {
    let office = Office::new(&["201", "202"]);
    let (ada, ben) = (office.registered("201", 0), office.registered("202", 0));
    office.tapi.set_call_hub_tracking(&[ada, ben], true);
    office.tapi.put_event_filter(TapiEvent::CallHub);
    let near = office.phones[0].call("202");
    let mut hubs = Vec::new();
    let mut next = |what: &str| {
        let Event::CallHub { call_hub, event, .. } = office.event(what) else { panic!("{what}") };
        hubs.push(call_hub.call_id());
        event
    };
    assert_eq!(next("the caller's view"), CallHubEvent::CallHubNew);
    assert_eq!(next("the called party's view"), CallHubEvent::CallJoin);
    office.answers(1);
    office.phones[0].connected(near);
    let known = office.tapi.call_hubs();
    assert_eq!(known.len(), 1);
    assert_eq!(known[0].num_calls(), 2);
    office.phones[0].hang_up(near);
    assert_eq!(next("one has gone"), CallHubEvent::CallLeave);
    assert_eq!(next("both have gone"), CallHubEvent::CallHubIdle);
    hubs.dedup();
    assert_eq!(hubs.len(), 1, "one call ID all along");
    office.at_rest();
}

#[test]
fn addresses_are_translated_by_the_location_of_the_office() {
    let office = Office::new(&[]);
    let translation = office.tapi.address_translation();
    let info =
        office.ok(translation.translate_address("+33 (1) 23456789", 0, Mask::EMPTY));
    assert!(info.translation_results.contains(TranslateResult::Canonical), "{info:?}");
    assert_eq!(info.destination_country_code, 33);
    assert!(!info.dialable_string.is_empty());
    let location = office.ok(translation.current_location());
    assert_eq!((location.country_code, location.city_code.as_str()), (33, "1"));
    assert!(office.ok(translation.locations()).contains(&location));
    office.ok(translation.put_current_location(&location));
    let cards = office.ok(translation.calling_cards());
    assert_eq!(cards[0].card_name, "None (Direct Dial)");
    let options = TranslateOption::CardOverride.into();
    let wrong = translation.translate_address("+33 (1) 23456789", 99, options);
    assert_eq!(office.fails(wrong), TapiErrorCode::InvalCard);
}

#[test]
fn calls_that_were_there_before_are_found_and_monitored() {
    let office = Office::new(&["201", "202"]);
    let near = office.phones[0].call("202");
    office.answers(1);
    office.phones[0].connected(near);
    let ada = office.address("201");
    let calls = office.ok(ada.calls());
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].call_state(), CallState::Connected);
    assert_eq!(calls[0].privilege().unwrap(), CallPrivilege::Monitor);
    assert_eq!(office.ok(ada.calls()), calls, "the same object again");
    office.phones[0].hang_up(near);
    office.reaches(&calls[0], CallState::Disconnected);
    assert!(office.ok(ada.calls()).is_empty());
    office.at_rest();
}

#[test]
fn unregistering_ends_the_events_and_voids_the_calls() {
    let office = Office::new(&["201", "202"]);
    let ben = office.address("202");
    let registered =
        office.ok(office.tapi.register_call_notifications(&ben, true, true, audio(), 0));
    office.phones[0].call("202");
    let call = office.offered();
    office.ok(office.tapi.unregister_notifications(registered));
    assert_eq!(call.call_state(), CallState::Disconnected);
    assert_eq!(office.fails(call.answer()), TapiErrorCode::InvalCallState);
    let again = office.tapi.unregister_notifications(registered);
    assert_eq!(office.fails(again), TapiErrorCode::NotRegistered);
    let leg = office.phones[1].incoming();
    office.phones[1].reject(leg, 486);
    let neither = office.tapi.register_call_notifications(&ben, false, false, audio(), 0);
    assert_eq!(office.fails(neither), TapiErrorCode::InvalidArg);
    let fax = TapiMediaType::G3Fax.into();
    let fax = office.tapi.register_call_notifications(&ben, false, true, fax, 0);
    assert_eq!(office.fails(fax), TapiErrorCode::InvalidMediaType);
    office.at_rest();
}

/// How many handles the switch counts for a call of the line.
fn holders(office: &Office, watcher: &mut tests::program::Application, call: u64) -> u64 {
    let info = watcher.call("lineGetCallInfo", json!({"hCall": call})).unwrap();
    let count = |name: &str| info[name].as_u64().unwrap();
    assert!(office.tapi.event_filter() == Mask::all());
    count("numOwners") + count("numMonitors")
}

#[test]
fn a_dropped_object_gives_its_handle_back_and_the_call_goes_on() {
    let office = Office::new(&["201", "202"]);
    let mut watcher = office.program.application("watcher");
    watcher.open_for("201", &["MONITOR"]);
    let (call, far) = office.call_to(&office.address("201"), 1);
    watcher.wait("the call is announced", |message| message["method"] == "LINE_APPNEWCALL");
    let handle = watcher.handle("201");
    assert_eq!(holders(&office, &mut watcher, handle), 2);
    let clone = call.clone();
    drop(call);
    office.ok(clone.call_info_long(CallInfoLong::CallId));
    // Its events hold the call too: they are fetched and let go.
    for _ in 0..2 {
        office.wait("states", |event| matches!(event, Event::CallState { .. }).then_some(()));
    }
    assert_eq!(holders(&office, &mut watcher, handle), 2);
    office.tapi.put_event_filter(Mask::EMPTY);
    drop(clone);
    office.run(async {
        while timeout(Duration::from_millis(50), office.tapi.next_event()).await.is_ok() {}
    });
    office.tapi.put_event_filter(Mask::all());
    let start = Instant::now();
    while holders(&office, &mut watcher, handle) != 1 {
        assert!(start.elapsed() < PATIENCE, "the handle is not given back");
        tests::program::pause();
    }
    office.hear_each_other(0, 1);
    office.phones[1].hang_up(far);
    office.at_rest();
}

#[test]
fn a_slow_reader_loses_the_oldest_events_and_is_told_how_many() {
    let program = Program::start();
    let runtime = runtime();
    let tapi = Tapi::new(config(&program, "slow").max_events(3));
    assert_eq!(runtime.block_on(tapi.initialize()), Ok(Success::Ok));
    tapi.put_event_filter(TapiEvent::Address);
    let ada = runtime.block_on(tapi.address("201")).unwrap();
    runtime.block_on(ada.state()).unwrap();
    for round in 0..4 {
        let mut info = ada.create_forward_info_object();
        info.set_forward_type(ForwardMode::Busy, &format!("20{}", 2 + round), None).unwrap();
        runtime.block_on(ada.forward(Some(&info))).unwrap();
    }
    runtime.block_on(ada.state()).unwrap();
    let first = runtime.block_on(tapi.next_event());
    assert_eq!(first, Some(Event::Dropped { count: 1 }));
    for _ in 0..3 {
        let next = runtime.block_on(tapi.next_event());
        assert!(matches!(next, Some(Event::Address { .. })), "{next:?}");
    }
}

/// A proxy between the client and the switch whose connections can be cut.
struct Cable {
    address: std::net::SocketAddr,
    cut: tokio::sync::watch::Sender<u32>,
}

impl Cable {
    fn new(runtime: &Runtime, to: std::net::SocketAddr) -> Cable {
        let (cut, cuts) = tokio::sync::watch::channel(0);
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut cuts = cuts.clone();
                cuts.mark_unchanged();
                tokio::spawn(async move {
                    let Ok(mut far) = tokio::net::TcpStream::connect(to).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = cuts.changed() => {}
                    }
                });
            }
        });
        Cable { address, cut }
    }

    fn break_off(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }
}

#[test]
fn a_broken_connection_is_taken_up_again_with_all_objects_and_no_event_lost() {
    let mut office = Office::new(&["201", "202"]);
    let cable = Cable::new(&office.runtime, office.program.api);
    let url = format!("http://{}", cable.address);
    office.tapi = Tapi::new(ClientConfig::new(url, TOKEN, "resumes"));
    assert_eq!(office.run(office.tapi.initialize()), Ok(Success::Ok));
    office.tapi.put_event_filter(TapiEvent::CallState);
    let ben = office.registered("202", 0);
    let near = office.phones[0].call("202");
    let call = office.offered();
    cable.break_off();
    // Asked while nobody is connected: answered when somebody is.
    assert_eq!(office.ok(call.call_info_string(CallInfoString::CallerIdNumber)), "201");
    office.ok(call.answer());
    cable.break_off();
    office.phones[0].connected(near);
    office.phones[0].hang_up(near);
    assert_eq!(
        office.trace(&call),
        ["CS_CONNECTED", "CS_DISCONNECTED CEC_DISCONNECT_NORMAL"]
    );
    assert!(office.ok(ben.calls()).is_empty());
    office.at_rest();
}

#[test]
fn an_application_that_the_switch_has_forgotten_is_told_te_reinit_and_begins_anew() {
    let program = Program::with(office(|text| {
        text.replacen("[api]\n", "[api]\nresume_window = \"1ms\"\n", 1)
    }));
    let mut office = Office::with(program, &["201", "202"]);
    let cable = Cable::new(&office.runtime, office.program.api);
    let url = format!("http://{}", cable.address);
    office.tapi = Tapi::new(ClientConfig::new(url, TOKEN, "forgotten"));
    assert_eq!(office.run(office.tapi.initialize()), Ok(Success::Ok));
    office.tapi.put_event_filter(TapiEvent::TapiObject | TapiEvent::CallState);
    office.registered("202", 0);
    office.phones[0].call("202");
    let call = office.offered();
    cable.break_off();
    assert_eq!(office.trace(&call), ["CS_DISCONNECTED CEC_DISCONNECT_FAILED"]);
    let event = office.event("TE_REINIT");
    assert!(matches!(event, Event::TapiObject { event: TapiObjectEvent::Reinit, .. }), "{event:?}");
    assert!(office.run(office.tapi.next_event()).is_none(), "the stream ends");
    assert_eq!(office.fails(call.answer()), TapiErrorCode::InvalCallState);
    assert_eq!(office.run(office.tapi.initialize()), Ok(Success::Ok));
    let found = office.ok(office.address("202").calls());
    assert_eq!(found.len(), 1);
    office.reaches(&found[0], CallState::Offering);
}

#[test]
fn what_the_switch_does_not_offer_answers_the_documented_error() {
    let office = Office::new(&["201", "202"]);
    let program = &office.program;
    let (call, _) = office.call_to(&office.address("201"), 1);
    let offered = |name: &str| {
        let mut probe = program.application("probe");
        let caps = probe.call("lineGetAddressCaps", json!({"deviceId": 0})).unwrap();
        caps["callFeatures"].as_array().unwrap().contains(&Value::from(name))
    };
    // Only what is clear is refused; what is lit has its own tests.
    if !offered("LINECALLFEATURE_MONITORTONES") {
        let error = office.run(call.detect_tones(&[])).unwrap_err();
        assert_eq!(error.line_error, Some(LineErr::OperationUnavail));
        assert_eq!(error.code, TapiErrorCode::NotSupported);
    }
    if !offered("LINECALLFEATURE_MONITORMEDIA") {
        let error = office.fails(call.monitor_media(audio()));
        assert_eq!(error, TapiErrorCode::NotSupported);
    }
    assert_eq!(office.fails(call.device_id("phone")), TapiErrorCode::InvalDeviceClass);
    let fax = call.set_media_type(TapiMediaType::G3Fax);
    assert_eq!(office.fails(fax), TapiErrorCode::InvalidMediaType);
    office.ok(call.set_media_type(TapiMediaType::Audio));
    let _ = office.ok(call.disconnect(DisconnectCode::Normal));
    office.at_rest();
}

/// Runs an example beside the phones; what it told and how it ended.
struct Example {
    told: mpsc::Receiver<String>,
    thread: std::thread::JoinHandle<Result<(), String>>,
}

impl Example {
    fn start<W>(work: impl FnOnce(mpsc::Sender<String>) -> W + Send + 'static) -> Example
    where
        W: Future<Output = Result<(), Box<dyn std::error::Error>>>,
    {
        let (tell, told) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(work(tell)).map_err(|error| error.to_string())
        });
        Example { told, thread }
    }

    fn hears(&self, wanted: &str) -> String {
        let told = self.told.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{wanted}"));
        assert!(told.starts_with(wanted), "{told} and not {wanted}");
        told
    }

    fn ends(self) {
        assert_eq!(self.thread.join().unwrap(), Ok(()));
    }
}

#[test]
fn the_example_dial_makes_a_call_and_ends_with_it() {
    let office = Office::new(&["201", "202"]);
    let url = format!("http://{}", office.program.api);
    let example =
        Example::start(move |_| async move { dial::run(&url, TOKEN, "201", "202").await });
    let leg = office.answers(1);
    office.hear_each_other(0, 1);
    office.phones[1].hang_up(leg);
    example.ends();
    office.at_rest();
}

#[test]
fn the_example_answer_and_transfer_joins_its_caller_with_a_third_party() {
    let office = Office::new(&["201", "202", "203"]);
    let url = format!("http://{}", office.program.api);
    let example = Example::start(move |tell| async move {
        let ready = move || tell.send("ready".to_owned()).unwrap();
        answer_and_transfer::run(&url, TOKEN, "201", "203", ready).await
    });
    example.hears("ready");
    let near = office.phones[1].call("201");
    office.answers(2);
    example.ends();
    office.hear_each_other(1, 2);
    office.phones[1].hang_up(near);
    office.at_rest();
}

#[test]
fn the_example_forward_sets_and_cancels_forwarding() {
    let office = Office::new(&["201"]);
    let url = format!("http://{}", office.program.api);
    for (wish, destination) in
        [(&["busy", "203"][..], Some("203")), (&["none"], None), (&["none"], None)]
    {
        let info = office.run(forward::run(&url, TOKEN, "201", wish)).unwrap();
        assert_eq!(info.forward_type_destination(ForwardMode::Busy), destination);
    }
    let dnd = office.run(forward::run(&url, TOKEN, "201", &["dnd"])).unwrap();
    assert_eq!(dnd.entries().len(), 1);
    assert!(office.run(forward::run(&url, TOKEN, "201", &["sometimes", "203"])).is_err());
}

#[test]
fn the_example_park_and_pickup_moves_two_calls_to_another_line() {
    let office = Office::new(&["201", "202", "203"]);
    let url = format!("http://{}", office.program.api);
    let example = Example::start(move |tell| async move {
        let told = move |step| tell.send(step).unwrap();
        park_and_pickup::run(&url, TOKEN, "201", "203", told).await
    });
    example.hears("ready");
    for step in [&["parked in 701", "taken out"][..], &["picked up"]] {
        let near = office.phones[1].call("201");
        for told in step {
            example.hears(told);
        }
        office.hear_each_other(1, 2);
        office.phones[1].hang_up(near);
    }
    example.ends();
    office.at_rest();
}

#[test]
fn the_example_conference_joins_all_numbers() {
    let office = Office::new(&["201", "202", "203", "204"]);
    let url = format!("http://{}", office.program.api);
    let example = Example::start(move |tell| async move {
        let joined = move |calls: usize| tell.send(calls.to_string()).unwrap();
        conference::run(&url, TOKEN, "201", "202", &["203", "204"], joined).await
    });
    let legs = [office.answers(1), office.answers(2)];
    example.hears("2");
    office.answers(3);
    example.hears("3");
    for (one, other) in [(0, 1), (1, 2), (2, 3), (3, 0)] {
        office.hear_each_other(one, other);
    }
    for (phone, leg) in [(1, legs[0]), (2, legs[1])] {
        office.phones[phone].hang_up(leg);
    }
    example.ends();
    office.at_rest();
}
