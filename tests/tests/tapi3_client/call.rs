//! Making, answering, holding, handing off and ending calls; errors in wrong states.

use serde_json::json;
use tapi::client::{
    CallInfoLong, CallInfoString, CallNotificationEvent, CallPrivilege, CallState,
    CallStateEventCause, Connect, DisconnectCode, Event, Success, Tapi, TapiErrorCode, TapiEvent,
};
use tapi::constant::Mask;

use crate::office::{Office, audio, config};

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
    office.ok(call.connect(Connect::asynchronous()));
    assert_eq!(office.fails(call.connect(Connect::asynchronous())), TapiErrorCode::InvalCallState);
    office.answers(1);
    office.reaches(&call, CallState::Connected);
    office.hear_each_other(0, 1);
    assert_eq!(office.ok(ada.calls()), std::slice::from_ref(&call));
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
    assert_eq!(
        office.run(handed.handoff_direct("nobody")).unwrap_err().code,
        TapiErrorCode::TargetNotFound
    );
    assert_eq!(handed.call_state(), CallState::Disconnected, "a failed handoff ends the call");
    office.phones[1].ended(far);
    office.reaches(&call, CallState::Disconnected);
    office.at_rest();
}
