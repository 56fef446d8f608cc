//! Park, pickup, and calls that were there before.

use tapi::Constant as _;
use tapi::client::{CallInfoLong, CallPrivilege, CallState, DisconnectCode, TapiErrorCode};
use tapi::constant::CallReason;

use crate::office::{Office, audio};

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
