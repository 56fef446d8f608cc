//! Transfer and conference, by consultation and without.

use tapi::Constant as _;
use tapi::client::{
    AddressCapability, CallHubState, CallState, CallStateEventCause, DisconnectCode, FinishMode,
    TapiErrorCode,
};

use crate::office::{Office, audio};

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
    let flags =
        office.ok(ada.capabilities()).address_capability(AddressCapability::AddressCapFlags);
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
    office.hear_a_mix(&[0, 1, 2, 3]);
    let hub = office.ok(first.call_hub());
    assert_eq!(office.ok(hub.calls()).len(), 3, "one hub for all members");
    assert_eq!((hub.state(), hub.num_calls()), (CallHubState::Active, 3));
    office.ok(members[2].remove_from_conference());
    assert_eq!(members[2].call_state(), CallState::Disconnected);
    assert_eq!(office.ok(hub.calls()).len(), 2);
    office.hear_a_mix(&[0, 1, 2]);
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
