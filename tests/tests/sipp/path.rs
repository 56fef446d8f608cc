//! Forks, routes (T13, T14) and NAT (T15).

use tests::interop::{self, Audio, Sipp, hear_each_other, sdp};

use super::{assert_at_rest, caller, office, phone, phone_with};

// --- T13, T14: forks and routes

#[test]
fn t13_of_several_early_dialogs_and_two_200s_the_first_answer_remains() {
    let program = office();
    let (mut a, mut b) = (Audio::new(), Audio::new());
    let nowhere = Audio::new();
    let called = phone_with(&program, "202", "forks.xml", |sipp| {
        sipp.audio(&b).key("other", sdp(nowhere.port(), ""))
    });
    let mut calling = caller(&program, "caller_talks.xml").audio(&a).start();
    calling.until_received("SIP/2.0 200");
    hear_each_other(&program, ("201", &mut a), ("202", &mut b));
    calling.go_on();
    let near = calling.finish();
    let mut tags: Vec<String> = near
        .received("SIP/2.0 ")
        .filter(|one| one.header("CSeq") == "2 INVITE" && one.status() > 100)
        .map(|one| one.parameter("To", "tag").to_owned())
        .collect();
    tags.dedup();
    assert_eq!(tags.len(), 1, "one tag toward the caller: {tags:?}");
    let log = called.finish();
    let requests: Vec<String> = log
        .0
        .iter()
        .filter(|one| !one.is_sent && one.text.starts_with(['A', 'B']))
        .map(|one| format!("{} {}", &one.text[..3], &one.parameter("To", "tag")[..2]))
        .collect();
    assert_eq!(requests, ["ACK b2", "ACK b3", "BYE b3", "BYE b2"]);
    assert_at_rest(&program);
}

#[test]
fn t14_behind_loose_routers_the_contact_is_the_request_uri() {
    let program = office();
    let called = phone_with(&program, "202", "record_routes.xml", |sipp| {
        sipp.key("route1", ";lr;hop=1").key("route2", ";lr;hop=2")
    });
    let port = called.port;
    caller(&program, "caller.xml").run();
    let log = called.finish();
    for request in [log.only("ACK "), log.only("BYE ")] {
        assert_eq!(request.second_word(), format!("sip:another-name@127.0.0.1:{port}"));
        let routes: Vec<&str> = request.headers("Route");
        let wanted = [2, 1].map(|hop| format!("<sip:127.0.0.1:{port};lr;hop={hop}>"));
        assert_eq!(routes, wanted);
    }
    assert_at_rest(&program);
}

#[test]
fn t14_behind_a_strict_router_its_address_is_the_request_uri_and_the_contact_the_last_route() {
    let program = office();
    let called = phone_with(&program, "202", "record_routes.xml", |sipp| {
        sipp.key("route1", ";lr;hop=1").key("route2", ";hop=2")
    });
    let port = called.port;
    caller(&program, "caller.xml").run();
    let log = called.finish();
    for request in [log.only("ACK "), log.only("BYE ")] {
        assert_eq!(request.second_word(), format!("sip:127.0.0.1:{port};hop=2"));
        let routes: Vec<&str> = request.headers("Route");
        let wanted = [
            format!("<sip:127.0.0.1:{port};lr;hop=1>"),
            format!("<sip:another-name@127.0.0.1:{port}>"),
        ];
        assert_eq!(routes, wanted);
    }
    assert_at_rest(&program);
}

#[test]
fn t14_the_record_routes_of_a_caller_come_back_in_order() {
    let program = office();
    let called = phone(&program, "202", "callee.xml");
    let routes = ["<sip:127.0.0.1:6;lr;hop=2>", "<sip:127.0.0.1:6;lr;hop=1>"];
    let extra = format!("Record-Route: {}\r\nRecord-Route: {}", routes[0], routes[1]);
    let log = caller(&program, "caller.xml").key("extra", extra).run();
    let answer = log.last_response("INVITE");
    assert_eq!(answer.headers("Record-Route"), routes);
    called.finish();
    assert_at_rest(&program);
}

// --- T15: NAT

#[test]
fn t15_a_phone_behind_nat_is_answered_and_called_where_it_sends_from() {
    let program = office();
    let private = "192.0.2.9:5070";
    let port = interop::free_port();
    let registered = Sipp::new(&program, "register.xml")
        .port(port)
        .line("202", "sip:office.test")
        .key("sentby", private)
        .key("contact", private)
        .run();
    let via = registered.last_response("REGISTER").header("Via").to_owned();
    assert!(via.contains(";received=127.0.0.1"), "{via}");
    assert!(via.contains(&format!(";rport={port}")), "{via}");
    let (mut a, mut b) = (Audio::new(), Audio::new());
    let hidden = sdp(b.port(), "").replace("c=IN IP4 127.0.0.1", "c=IN IP4 192.0.2.9");
    let called = Sipp::new(&program, "callee.xml")
        .port(port)
        .called("202")
        .key("contact", private)
        .key("sdp", hidden)
        .listen();
    let mut calling = caller(&program, "caller_talks.xml").audio(&a).start();
    calling.until_received("SIP/2.0 200");
    hear_each_other(&program, ("201", &mut a), ("202", &mut b));
    calling.go_on();
    calling.finish();
    let log = called.finish();
    for request in ["INVITE ", "ACK ", "BYE "] {
        assert_eq!(log.only(request).second_word(), "sip:202@192.0.2.9:5070");
    }
    assert_at_rest(&program);
}

#[test]
fn t15_a_caller_behind_nat_gets_responses_and_bye_where_it_sends_from() {
    let program = office();
    let private = "192.0.2.9:5070";
    let called = phone(&program, "202", "callee_talks.xml");
    let calling =
        caller(&program, "caller_waits.xml").key("sentby", private).key("contact", private);
    let port = interop::free_port();
    let mut calling = calling.port(port).start();
    calling.until_received("SIP/2.0 200");
    called.go_on();
    let log = calling.finish();
    called.finish();
    let via = log.last_response("INVITE").header("Via").to_owned();
    assert!(via.contains(&format!(";rport={port}")), "{via}");
    assert_eq!(log.only("BYE ").second_word(), "sip:201@192.0.2.9:5070");
    assert_at_rest(&program);
}
