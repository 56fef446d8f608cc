//! Calls out over the carrier and in from it.

use serde_json::json;
use tests::interop::{self, Audio, Sipp, hear_each_other};
use tests::program::Program;

use super::{assert_at_rest, phone};

#[test]
fn a_line_calls_out_over_the_trunk_which_challenges_once() {
    let port = interop::free_port();
    let program = Program::with(interop::office(|text| {
        text.replace("sip:127.0.0.1:5090", &format!("sip:127.0.0.1:{port}"))
    }));
    let (mut a, mut b) = (Audio::new(), Audio::new());
    let carrier = Sipp::new(&program, "trunk.xml").port(port).called("carrier").audio(&b).listen();
    program.until("/api/v1/trunks", |answer| {
        answer["items"][0]["resolved"] == json!([format!("127.0.0.1:{port}")])
    });
    let mut calling =
        Sipp::new(&program, "caller_talks.xml").call("201", "0155501234").audio(&a).start();
    calling.until_received("SIP/2.0 200");
    hear_each_other(&program, ("201", &mut a), ("155501234", &mut b));
    calling.go_on();
    calling.finish();
    let log = carrier.finish();
    let invites: Vec<_> = log.received("INVITE ").collect();
    assert_eq!(invites.len(), 2, "one without and one with credentials");
    assert_eq!(invites[0].header("Call-ID"), invites[1].header("Call-ID"));
    assert!(invites[1].second_word().starts_with("sip:155501234@127.0.0.1"), "{:?}", invites[1]);
    assert_at_rest(&program);
}

#[test]
fn the_trunk_calls_a_line_without_being_challenged() {
    let port = interop::free_port();
    let program = Program::with(interop::office(|text| {
        text.replace("sip:127.0.0.1:5090", &format!("sip:127.0.0.1:{port}"))
    }));
    program.until("/api/v1/trunks", |answer| {
        answer["items"][0]["resolved"] == json!([format!("127.0.0.1:{port}")])
    });
    let called = phone(&program, "202", "callee.xml");
    let log = Sipp::new(&program, "from_trunk.xml")
        .port(port)
        .key("me", "+33155501234")
        .key("domain", "carrier.test")
        .key("uri", "sip:202@office.test")
        .run();
    assert!(log.received("SIP/2.0 401").next().is_none());
    let seen = called.finish();
    assert!(seen.only("INVITE ").header("From").contains("+33155501234"), "{seen:#?}");
    assert_at_rest(&program);
}
