//! Start and end, addresses, registrations, forwarding, translation.

use std::time::Duration;
use tapi::client::{
    AddressCapability, AddressEvent, AddressState, CallState, ClientConfig, Event, Forward,
    Success, Tapi, TapiErrorCode, TapiMediaType,
};
use tapi::constant::{ForwardMode, Mask, TranslateOption, TranslateResult};
use tests::program::{Program, TOKEN};

use crate::office::{Office, audio, config, runtime};

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
        assert!(runtime.block_on(tapi.addresses()).unwrap().len() >= 6);
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
    assert!(!office.ok(ada.query_media_type(TapiMediaType::Video)));
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
fn addresses_are_translated_by_the_location_of_the_office() {
    let office = Office::new(&[]);
    let translation = office.tapi.address_translation();
    let info = office.ok(translation.translate_address("+33 (1) 23456789", 0, Mask::EMPTY));
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
fn unregistering_ends_the_events_and_voids_the_calls() {
    let office = Office::new(&["201", "202"]);
    let ben = office.address("202");
    let registered =
        office.ok(office.tapi.register_call_notifications(&ben, true, true, audio(), 0));
    office.phones[0].call("202");
    let call = office.offered();
    office.ok(office.tapi.unregister_notifications(registered));
    assert_eq!(call.call_state(), CallState::Disconnected);
    assert_eq!(office.fails(call.answer()), TapiErrorCode::Unexpected);
    assert_eq!(office.fails(call.hold(true)), TapiErrorCode::InvalCallState);
    let again = office.tapi.unregister_notifications(registered);
    assert_eq!(office.fails(again), TapiErrorCode::NotRegistered);
    let leg = office.phones[1].incoming();
    office.phones[1].reject(leg, 486);
    let neither = office.tapi.register_call_notifications(&ben, false, false, audio(), 0);
    assert_eq!(office.fails(neither), TapiErrorCode::InvalidArg);
    let video = TapiMediaType::Video.into();
    let video = office.tapi.register_call_notifications(&ben, false, true, video, 0);
    assert_eq!(office.fails(video), TapiErrorCode::InvalidMediaType);
    office.at_rest();
}
