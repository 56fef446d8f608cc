//! The switch registers at the peers of its trunks: one switch is the carrier of another. Requests
//! inside a call with a carrier go where its Contact says.

use bytes::Bytes;
use serde_json::json;
use sip_stack::message::{HeaderName, Message};
use switch::phone::PhoneEvent;
use tests::program::{PATIENCE, Program, office};
use tests::stranger::{SDP, Stranger, answer_to};

/// The carrier: our user name is a line there, 301 a phone behind it.
fn carrier() -> Program {
    Program::with(office(|text| {
        text + "\n[lines.office]\npassword = \"carrier-pw\"\n[lines.301]\npassword = \"pw-301\"\n"
    }))
}

/// The office, registered at that carrier with a password.
fn office_of(carrier: &Program, password: &str) -> Program {
    Program::with(office(|text| {
        text.replace("sip:127.0.0.1:5090", &format!("sip:{}", carrier.sip))
            .replace("password = \"carrier-pw\"", &format!("password = \"{password}\""))
            .replace("register = false", "register = true\ninbound = \"201\"")
    }))
}

fn until_shown(office: &Program, shown: &str) {
    office.until("/api/v1/trunks", |answer| answer["items"][0]["registration"] == shown);
}

#[test]
fn the_switch_registers_with_its_password_and_calls_come_in_by_the_registration() {
    let carrier = carrier();
    let office = office_of(&carrier, "carrier-pw");
    until_shown(&office, "registered");
    let rows = carrier.until("/api/v1/registrations", |answer| answer["items"] != json!([]));
    assert_eq!(rows["items"][0]["line"], "office");
    let (outside, inside) = (carrier.live_phone("301"), office.live_phone("201"));
    let near = outside.call("office");
    let far = inside.incoming();
    inside.answer(far);
    outside.wait("the answer", |event| {
        matches!(event, PhoneEvent::Connected { leg } if *leg == near).then_some(())
    });
    inside.hears(&outside);
    outside.hang_up(near);
    inside.wait("the end", |event| matches!(event, PhoneEvent::Ended { .. }).then_some(()));
}

#[test]
fn a_wrong_password_is_shown_and_does_not_become_a_flood() {
    let carrier = carrier();
    let office = office_of(&carrier, "wrong");
    office.until("/api/v1/trunks", |answer| {
        let shown = answer["items"][0]["registration"].as_str().unwrap_or_default();
        shown.starts_with("failed ")
    });
    let output = office.command(&["trunks"]);
    assert!(String::from_utf8(output.stdout).unwrap().contains("failed "));
    assert_eq!(carrier.get("/api/v1/registrations").1["items"], json!([]));
}

#[test]
fn a_reload_that_wants_no_registration_takes_it_away() {
    let carrier = carrier();
    let office = office_of(&carrier, "carrier-pw");
    until_shown(&office, "registered");
    let text = std::fs::read_to_string(&office.config).unwrap();
    std::fs::write(&office.config, text.replace("register = true", "register = false")).unwrap();
    assert_eq!(office.post("/api/v1/reload", &json!({})).0, 200);
    carrier.until("/api/v1/registrations", |answer| answer["items"] == json!([]));
    assert_eq!(office.get("/api/v1/trunks").1["items"][0]["registration"], json!(null));
}

#[test]
fn a_switch_that_stops_takes_its_registration_away() {
    for (signal, has_call) in [("TERM", false), ("TERM", true), ("INT", true)] {
        let carrier = carrier();
        let mut office = office_of(&carrier, "carrier-pw");
        until_shown(&office, "registered");
        let (a, b) = (office.live_phone("201"), office.live_phone("202"));
        let call = has_call.then(|| a.talk_to(&b));
        office.signal(signal);
        if let (Some((near, _)), "TERM") = (call, signal) {
            office.until("/readyz", |answer| answer["status"] == 503);
            a.hang_up(near);
        }
        assert_eq!(office.wait_for_exit(), Some(0), "{}", office.log());
        carrier.until("/api/v1/registrations", |answer| answer["items"] == json!([]));
    }
}

#[test]
fn a_registration_is_renewed_before_what_the_carrier_granted_is_over() {
    let brief = |text: String| {
        let text = text.replace("max_expires = \"3600s\"", "max_expires = \"8s\"");
        text.replace("default_expires = \"300s\"", "default_expires = \"8s\"")
    };
    let carrier =
        Program::with(office(|text| brief(text) + "\n[lines.office]\npassword = \"carrier-pw\"\n"));
    let office = office_of(&carrier, "carrier-pw");
    until_shown(&office, "registered");
    // The time that is left goes down, and then it is up again: nobody was forgotten in between.
    let mut lowest = u64::MAX;
    carrier.until("/api/v1/registrations", |answer| {
        let rows = answer["items"].as_array().unwrap();
        assert_eq!(rows.len(), 1, "the registration has never ended");
        let left = rows[0]["expires"].as_u64().unwrap();
        lowest = lowest.min(left);
        left > lowest
    });
}

/// The next message whose first line begins like this; what was repeated is passed over.
fn next(peer: &Stranger, start: &str) -> Message {
    loop {
        let datagram = peer.receive(PATIENCE).unwrap_or_else(|| panic!("no {start}"));
        if datagram.starts_with(start.as_bytes()) {
            return Message::parse(Bytes::from(datagram)).unwrap();
        }
    }
}

#[test]
fn requests_inside_a_call_with_a_carrier_go_to_its_contact_and_come_from_there() {
    let balancer = Stranger::at("127.0.0.1", "127.0.0.1:9".parse().unwrap());
    let peer = balancer.socket.local_addr().unwrap();
    let program = Program::with(office(|text| text.replace("127.0.0.1:5090", &peer.to_string())));
    // Nothing in the configuration knows the gateway, and its Contact is all that it says.
    let gateway = Stranger::at("127.0.0.2", program.sip);
    let place = gateway.socket.local_addr().unwrap();
    let contact = format!("Contact: <sip:gw@{place}>\r\nContent-Type: application/sdp\r\n");
    let phone = program.live_phone("201");
    for (number, is_carrier_to_end) in [("012345", false), ("012346", true)] {
        let leg = phone.call(number);
        let invite = next(&balancer, &format!("INVITE sip:{}", &number[1..]));
        let answer = answer_to(&invite, "200 OK", &contact, SDP);
        balancer.socket.send_to(answer.as_bytes(), program.sip).unwrap();
        phone.connected(leg);
        let start = format!("ACK sip:gw@{place} ");
        assert_eq!(next(&gateway, &start).call_id(), invite.call_id());
        if is_carrier_to_end {
            let of = |name| invite.header(name).unwrap();
            let bye = format!(
                "BYE {} SIP/2.0\r\nVia: SIP/2.0/UDP {place};branch=z9hG4bKgateway\r\n\
                 Max-Forwards: 70\r\nFrom: {};tag=carrier\r\nTo: {}\r\nCall-ID: {}\r\n\
                 CSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
                of(HeaderName::Contact).trim_matches(['<', '>']),
                of(HeaderName::To),
                of(HeaderName::From),
                invite.call_id(),
            );
            gateway.send(bye.as_bytes());
            next(&gateway, "SIP/2.0 200");
            phone.ended(leg);
        } else {
            phone.hang_up(leg);
            let bye = next(&gateway, &format!("BYE sip:gw@{place} "));
            assert_eq!(bye.call_id(), invite.call_id());
            gateway.send(answer_to(&bye, "200 OK", "", "").as_bytes());
        }
    }
}
