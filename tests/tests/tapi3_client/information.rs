//! ITCallInfo and media control.

use std::time::Duration;

use tapi::Constant as _;
use tapi::client::{
    CallInfoBuffer, CallInfoChangeCause, CallInfoLong, CallInfoString, CallState, Connect,
    CustomTone, DetectTone, DisconnectCode, Event, GatherDigits, QosServiceLevel, TapiErrorCode,
    TapiMediaType,
};
use tapi::constant::{CallReason, DigitMode, GatherTerm, GenerateTerm, Mask, ToneMode};

use crate::office::{Office, audio};

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
    office.ok(call.connect(Connect::asynchronous()));
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
fn digits_and_tones_go_both_ways_and_are_told_as_events() {
    let office = Office::new(&["201", "202"]);
    let (call, far) = office.call_to(&office.address("201"), 1);
    office.hear_each_other(0, 1);
    office.ok(call.detect_digits(DigitMode::Dtmf));
    office.phones[1].press(far, "5");
    let detected = office.wait("TE_DIGITEVENT", |event| match event {
        Event::DigitDetection { call, digit, digit_mode, .. } => Some((call, digit, digit_mode)),
        _ => None,
    });
    assert_eq!(detected, (call.clone(), '5', DigitMode::Dtmf));
    office.ok(call.detect_digits(Mask::EMPTY));
    let wanted = GatherDigits {
        digit_modes: DigitMode::Dtmf.into(),
        num_digits: 8,
        termination_digits: "#".to_owned(),
        first_digit_timeout: None,
        inter_digit_timeout: None,
    };
    office.ok(call.gather_digits(Some(&wanted)));
    office.phones[1].press(far, "12#");
    let gathered = office.wait("TE_GATHERDIGITS", |event| match event {
        Event::DigitsGathered { digits, gather_termination, .. } => {
            Some((digits, gather_termination))
        }
        _ => None,
    });
    assert_eq!(gathered, ("12#".to_owned(), GatherTerm::TermDigit));
    let generated = |what: &str| {
        office.wait(what, |event| match event {
            Event::DigitGeneration { generation_termination, .. } => Some(generation_termination),
            _ => None,
        })
    };
    office.ok(call.generate_digits("42", DigitMode::Dtmf));
    assert_eq!(generated("digits"), GenerateTerm::Done);
    office.ok(call.generate_tone(ToneMode::Beep, Some(Duration::from_millis(100))));
    assert_eq!(generated("a tone"), GenerateTerm::Done);
    let component = CustomTone {
        frequency: 941,
        cadence_on: Duration::from_millis(50),
        cadence_off: Duration::from_millis(50),
        volume: u16::MAX,
    };
    let short = Duration::from_millis(100);
    office.ok(call.generate_custom_tones(&[component], Some(short)));
    assert_eq!(generated("a custom tone"), GenerateTerm::Done);
    let tone = DetectTone { app_specific: 7, duration: short, frequencies: [1004, 0, 0] };
    office.ok(call.detect_tones(&[tone]));
    office.phones[1].sound(far, [1004, 1004], 50);
    let app_specific = office.wait("TE_TONEEVENT", |event| match event {
        Event::ToneDetection { app_specific, .. } => Some(app_specific),
        _ => None,
    });
    assert_eq!(app_specific, 7);
    let pulse = call.generate_digits("1", DigitMode::Pulse);
    assert_eq!(office.fails(pulse), TapiErrorCode::InvalMode);
    let _ = office.ok(call.disconnect(DisconnectCode::Normal));
    office.at_rest();
}

#[test]
fn user_user_information_and_call_data_travel_with_the_call() {
    let office = Office::new(&["201", "202"]);
    office.registered("202", 0);
    let call = office.address("201").create_call(Some("202"), audio()).unwrap();
    office.ok(call.put_call_info_buffer(CallInfoBuffer::CallDataBuffer, b"order 4711"));
    office.ok(call.connect(Connect::asynchronous()));
    let there = office.offered();
    office.ok(there.answer());
    office.reaches(&call, CallState::Connected);
    let data = office.ok(call.call_info_buffer(CallInfoBuffer::CallDataBuffer));
    assert_eq!(data, b"order 4711");
    office.ok(call.put_call_info_buffer(CallInfoBuffer::CallDataBuffer, b"order 4712"));
    office.wait("CIC_CALLDATA", |event| match event {
        Event::CallInfoChange { cause: CallInfoChangeCause::CallData, .. } => Some(()),
        _ => None,
    });
    office.ok(call.put_call_info_buffer(CallInfoBuffer::UserUserInfo, b"hello"));
    office.wait("CIC_USERUSERINFO", |event| match event {
        Event::CallInfoChange { call, cause: CallInfoChangeCause::UserUserInfo, .. } => {
            (call == there).then_some(())
        }
        _ => None,
    });
    let info = office.ok(there.call_info_buffer(CallInfoBuffer::UserUserInfo));
    assert_eq!(info, b"hello");
    office.ok(there.release_user_user_info());
    let long = vec![b'x'; 4096];
    let long = call.put_call_info_buffer(CallInfoBuffer::UserUserInfo, &long);
    assert_eq!(office.fails(long), TapiErrorCode::UserUserInfoTooBig);
    let _ = office.ok(call.disconnect(DisconnectCode::Normal));
    office.at_rest();
}

#[test]
fn what_a_call_does_not_have_answers_the_documented_error() {
    let office = Office::new(&["201", "202"]);
    let (call, _) = office.call_to(&office.address("201"), 1);
    let types = TapiMediaType::Audio | TapiMediaType::Video;
    assert_eq!(office.fails(call.monitor_media(types)), TapiErrorCode::InvalidMediaType);
    office.ok(call.monitor_media(TapiMediaType::Audio));
    assert_eq!(office.fails(call.device_id("phone")), TapiErrorCode::InvalDeviceClass);
    let video = call.set_media_type(TapiMediaType::Video);
    assert_eq!(office.fails(video), TapiErrorCode::InvalidMediaType);
    office.ok(call.set_media_type(TapiMediaType::Audio));
    let treatment = call.put_call_info_long(CallInfoLong::CallTreatment, 99);
    assert_eq!(office.fails(treatment), TapiErrorCode::InvalidArg);
    let _ = office.ok(call.disconnect(DisconnectCode::Normal));
    office.at_rest();
}
