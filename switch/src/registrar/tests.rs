//! The rows of sip-mapping §6.1, and what survives a restart.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use config::{Config, StatePath};
use sip_stack::endpoint::Reply;
use sip_stack::flow::{Flow, Transport};
use sip_stack::message::Message;
use sip_stack::time::Now;

use super::RegistrationEvent::{self, Expired, Refreshed, Registered, Unregistered};
use super::{Outcome, Registrar};
use crate::exchange::Clock;
use crate::registry::{MAX_BINDINGS, Registry};
use crate::store::{SqliteStore, Store};

const OFFICE: &str = "domain = \"office.test\"\n\
    [registration]\nmin_expires = \"5s\"\ndefault_expires = \"300s\"\nmax_expires = \"3600s\"\n\
    max_contacts = 3\n\
    [lines.201]\npassword = \"x\"\n[lines.202]\npassword = \"y\"\n";

/// A registrar, a clock that is moved by hand, and one phone's way to it.
struct Desk {
    registrar: Registrar,
    config: Config,
    clock: Clock,
    flow: Flow,
    cseq: u32,
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn udp(source: &str) -> Flow {
    Flow::udp(address("127.0.0.1:5060"), address(source))
}

fn tcp(source: &str, connection: u64) -> Flow {
    Flow { transport: Transport::Tcp, connection: Some(connection), ..udp(source) }
}

impl Desk {
    fn new() -> Self {
        Self {
            registrar: Registrar::new(Arc::new(Registry::new())),
            config: config::parse(OFFICE, "office.toml").unwrap(),
            clock: Clock { now: Now(Duration::from_secs(100)), unix_ms: 1_700_000_000_000 },
            flow: udp("127.0.0.1:7000"),
            cseq: 0,
        }
    }

    fn wait(&mut self, seconds: u64) {
        self.clock.now += Duration::from_secs(seconds);
        self.clock.unix_ms += seconds * 1000;
    }

    /// A REGISTER of 201 with the next CSeq and these header lines.
    fn register(&mut self, headers: &str) -> Outcome {
        self.cseq += 1;
        self.send(&format!("Call-ID: one\r\nCSeq: {} REGISTER\r\n{headers}", self.cseq))
    }

    /// A REGISTER of 201 whose Call-ID and CSeq are among the header lines.
    fn send(&mut self, headers: &str) -> Outcome {
        let text = format!(
            "REGISTER sip:office.test SIP/2.0\r\n\
             Via: SIP/2.0/UDP {};branch=z9hG4bK1;rport\r\n\
             From: <sip:201@office.test>;tag=a\r\nTo: <sip:201@office.test>\r\n\
             Max-Forwards: 70\r\n{headers}Content-Length: 0\r\n\r\n",
            self.flow.remote
        );
        self.send_text(&text)
    }

    fn send_text(&mut self, text: &str) -> Outcome {
        let message = Message::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap();
        let line = self.config.lines["201"].clone();
        self.registrar.register(self.clock, &self.config, &line, &message, self.flow)
    }

    /// URIs of the bindings of 201.
    fn uris(&self) -> Vec<String> {
        let bindings = self.registrar.registry().bindings("201");
        bindings.iter().map(|binding| binding.uri.clone()).collect()
    }

    fn remotes(&self) -> Vec<String> {
        let contacts = self.registrar.registry().contacts("201");
        contacts.iter().map(|binding| binding.flow.remote.to_string()).collect()
    }
}

fn values(reply: &Reply, name: &str) -> Vec<String> {
    let named = reply.headers.iter().filter(|(header, _)| header == name);
    named.map(|(_, value)| value.clone()).collect()
}

fn events(outcome: &Outcome) -> Vec<RegistrationEvent> {
    outcome.changes.iter().map(super::Registration::event).collect()
}

#[test]
fn a_contact_comes_back_as_it_was_written_with_its_lifetime() {
    let mut desk = Desk::new();
    let outcome = desk.register(
        "Contact: \"Ada\" <sip:201@127.0.0.1:7000;ob;Line=x%41>;+sip.instance=\"<urn:uuid:1>\";q=0.7;expires=60\r\n\
         User-Agent: Phone/1\r\nAllow-Events: talk, hold\r\nAllow: INVITE, UPDATE\r\n",
    );
    assert_eq!(outcome.reply.status, 200);
    assert_eq!(
        values(&outcome.reply, "Contact"),
        ["<sip:201@127.0.0.1:7000;ob;Line=x%41>;+sip.instance=\"<urn:uuid:1>\";q=0.7;expires=60"]
    );
    assert_eq!(values(&outcome.reply, "Date"), ["Tue, 14 Nov 2023 22:13:20 GMT"]);
    assert_eq!(events(&outcome), [Registered]);
    let binding = outcome.changes[0].binding();
    assert_eq!((binding.q, binding.user_agent.as_str()), (700, "Phone/1"));
    assert!(binding.allows_event("hold") && binding.allows("UPDATE"));
    assert_eq!(binding.expires_at, desk.clock.now + Duration::from_secs(60));
    assert_eq!(outcome.changes[0].contact(), "sip:201@127.0.0.1:7000;ob;Line=x%41");
    assert_eq!((outcome.changes[0].line(), outcome.changes[0].kind()), ("201", "REGISTERED"));
    desk.wait(10);
    let again = desk.register("");
    assert!(values(&again.reply, "Contact")[0].ends_with(";expires=50"));
    assert!(again.changes.is_empty());
}

#[test]
fn a_lifetime_comes_from_the_contact_then_expires_then_the_default_and_is_cut_to_the_longest() {
    for (headers, seconds) in [
        ("Contact: <sip:a@127.0.0.1>;expires=77\r\nExpires: 99\r\n", 77),
        ("Contact: <sip:a@127.0.0.1>\r\nExpires: 99\r\n", 99),
        ("Contact: <sip:a@127.0.0.1>\r\n", 300),
        ("Contact: <sip:a@127.0.0.1>;expires=5\r\n", 5),
        ("Contact: <sip:a@127.0.0.1>;expires=999999\r\n", 3600),
        ("Contact: <sip:a@127.0.0.1>;expires=4294967295\r\n", 3600),
        ("Contact: <sip:a@127.0.0.1>;expires=soon\r\n", 3600),
        ("Contact: <sip:a@127.0.0.1>\r\nExpires: 99999999999999\r\n", 3600),
    ] {
        let contact = &values(&Desk::new().register(headers).reply, "Contact")[0];
        assert!(contact.ends_with(&format!(";expires={seconds}")), "{headers}{contact}");
    }
}

#[test]
fn too_brief_a_lifetime_is_refused_with_the_least_one_and_changes_nothing() {
    let mut desk = Desk::new();
    let outcome = desk.register(
        "Contact: <sip:a@127.0.0.1>;expires=60\r\nContact: <sip:b@127.0.0.1>;expires=4\r\n",
    );
    assert_eq!(outcome.reply.status, 423);
    assert_eq!(values(&outcome.reply, "Min-Expires"), ["5"]);
    assert!(outcome.changes.is_empty() && desk.uris().is_empty());
}

#[test]
fn an_hour_is_never_too_brief() {
    let mut desk = Desk::new();
    desk.config.registration.min_expires = Duration::from_secs(7200);
    desk.config.registration.max_expires = Duration::from_secs(9000);
    assert_eq!(desk.register("Contact: <sip:a@127.0.0.1>;expires=3600\r\n").reply.status, 200);
    assert_eq!(desk.register("Contact: <sip:a@127.0.0.1>;expires=3599\r\n").reply.status, 423);
}

#[test]
fn several_contacts_are_bound_and_rung_by_q() {
    let mut desk = Desk::new();
    let outcome = desk.register(
        "Contact: <sip:a@127.0.0.1:1>;q=0.1, <sip:b@127.0.0.1:2>\r\nContact: <sip:c@127.0.0.1:3>;q=0.5\r\n",
    );
    assert_eq!(values(&outcome.reply, "Contact").len(), 3);
    let contacts = desk.registrar.registry().contacts("201");
    let users: Vec<_> = contacts.iter().map(|contact| &contact.uri[4..5]).collect();
    assert_eq!(users, ["b", "c", "a"]);
}

#[test]
fn a_refresh_is_recognised_by_uri_comparison() {
    let mut desk = Desk::new();
    desk.register("Contact: <sip:%61da@Host.Example;transport=tcp>\r\n");
    let outcome = desk.register("Contact: <sip:ada@host.example;Transport=TCP>\r\n");
    assert_eq!(events(&outcome), [Refreshed]);
    // The transport is significant, and so is a port that is only implied.
    assert_eq!(events(&desk.register("Contact: <sip:ada@host.example>\r\n")), [Registered]);
    assert_eq!(events(&desk.register("Contact: <sip:ada@host.example:5060>\r\n")), [Registered]);
    assert_eq!(desk.uris()[0], "sip:ada@host.example;Transport=TCP");
}

#[test]
fn a_flow_is_recognised_by_instance_and_reg_id() {
    let mut desk = Desk::new();
    let contact = |uri: &str, instance: u32, reg_id: u32| {
        format!("Contact: <{uri}>;+sip.instance=\"<urn:uuid:{instance}>\";reg-id={reg_id}\r\n")
    };
    desk.register(&contact("sip:a@one.invalid;transport=ws", 1, 1));
    let moved = desk.register(&contact("sip:a@two.invalid;transport=ws", 1, 1));
    assert_eq!(events(&moved), [Refreshed]);
    assert_eq!(desk.uris(), ["sip:a@two.invalid;transport=ws"]);
    // Another flow of the same phone, and another phone at the same URI.
    assert_eq!(
        events(&desk.register(&contact("sip:a@two.invalid;transport=ws", 1, 2))),
        [Registered]
    );
    assert_eq!(
        events(&desk.register(&contact("sip:a@two.invalid;transport=ws", 2, 1))),
        [Registered]
    );
    assert_eq!(desk.registrar.registry().contacts("201").len(), 2);
}

#[test]
fn an_expiry_of_zero_ends_one_binding_and_a_star_ends_all() {
    let mut desk = Desk::new();
    desk.register("Contact: <sip:a@127.0.0.1>, <sip:b@127.0.0.1>, <sip:c@127.0.0.1>\r\n");
    let outcome = desk.register("Contact: <sip:b@127.0.0.1>;expires=0\r\n");
    assert_eq!(events(&outcome), [Unregistered]);
    assert_eq!(desk.uris(), ["sip:a@127.0.0.1", "sip:c@127.0.0.1"]);
    // What is not there can be ended too.
    let outcome = desk.register("Contact: <sip:z@127.0.0.1>\r\nExpires: 0\r\n");
    assert_eq!((outcome.reply.status, outcome.changes.len()), (200, 0));
    let outcome = desk.register("Contact: *\r\nExpires: 0\r\n");
    assert_eq!(events(&outcome), [Unregistered, Unregistered]);
    assert!(values(&outcome.reply, "Contact").is_empty());
    assert_eq!(desk.registrar.next_expiry(), None);
}

#[test]
fn a_star_must_stand_alone_and_with_expires_zero() {
    let mut desk = Desk::new();
    desk.register("Contact: <sip:a@127.0.0.1>\r\n");
    for headers in [
        "Contact: *\r\n",
        "Contact: *\r\nExpires: 60\r\n",
        "Contact: *\r\nExpires: none\r\n",
        "Contact: *, <sip:b@127.0.0.1>\r\nExpires: 0\r\n",
        "Contact: *\r\nContact: <sip:b@127.0.0.1>\r\nExpires: 0\r\n",
    ] {
        assert_eq!(desk.register(headers).reply.status, 400, "{headers}");
    }
    assert_eq!(desk.uris(), ["sip:a@127.0.0.1"]);
}

#[test]
fn a_request_that_is_older_than_the_binding_is_refused_whole() {
    let mut desk = Desk::new();
    desk.send("Call-ID: one\r\nCSeq: 10 REGISTER\r\nContact: <sip:a@127.0.0.1>\r\n");
    let late = "Call-ID: one\r\nCSeq: 9 REGISTER\r\n";
    let outcome = desk.send(&format!("{late}Contact: <sip:b@127.0.0.1>, <sip:a@127.0.0.1>\r\n"));
    assert_eq!((outcome.reply.status, outcome.changes.len()), (500, 0));
    assert_eq!(desk.send(&format!("{late}Contact: *\r\nExpires: 0\r\n")).reply.status, 500);
    assert_eq!(
        desk.send(&format!("{late}Contact: <sip:a@127.0.0.1>;expires=0\r\n")).reply.status,
        500
    );
    assert_eq!(desk.uris(), ["sip:a@127.0.0.1"]);
}

#[test]
fn a_phone_that_was_restarted_counts_from_the_beginning() {
    let mut desk = Desk::new();
    desk.send("Call-ID: one\r\nCSeq: 10 REGISTER\r\nContact: <sip:a@127.0.0.1>\r\n");
    let outcome = desk.send("Call-ID: two\r\nCSeq: 1 REGISTER\r\nContact: <sip:a@127.0.0.1>\r\n");
    assert_eq!(events(&outcome), [Refreshed]);
    let outcome = desk.send("Call-ID: one\r\nCSeq: 2 REGISTER\r\nContact: *\r\nExpires: 0\r\n");
    assert_eq!(events(&outcome), [Unregistered]);
}

#[test]
fn the_same_request_again_is_answered_alike_and_later_refused() {
    let mut desk = Desk::new();
    let request = "Call-ID: one\r\nCSeq: 10 REGISTER\r\nContact: <sip:a@127.0.0.1>;expires=60\r\n";
    desk.send(request);
    desk.wait(31);
    let outcome = desk.send(request);
    assert_eq!((outcome.reply.status, outcome.changes.len()), (200, 0));
    assert!(values(&outcome.reply, "Contact")[0].ends_with("expires=29"));
    desk.wait(1);
    assert_eq!(desk.send(request).reply.status, 500);
}

#[test]
fn one_contact_twice_in_a_request_is_one_binding() {
    let mut desk = Desk::new();
    let outcome =
        desk.register("Contact: <sip:a@127.0.0.1>;expires=60, <sip:a@127.0.0.1>;expires=90\r\n");
    assert_eq!(events(&outcome), [Registered]);
    assert!(values(&outcome.reply, "Contact")[0].ends_with("expires=90"));
    let outcome =
        desk.register("Contact: <sip:a@127.0.0.1>;expires=60, <sip:a@127.0.0.1>;expires=0\r\n");
    assert_eq!(events(&outcome), [Unregistered]);
}

#[test]
fn more_contacts_than_the_limit_are_refused_whole() {
    let mut desk = Desk::new();
    desk.register("Contact: <sip:a@127.0.0.1>, <sip:b@127.0.0.1>\r\n");
    let outcome = desk.register("Contact: <sip:c@127.0.0.1>, <sip:d@127.0.0.1>\r\n");
    assert_eq!((outcome.reply.status, outcome.changes.len()), (403, 0));
    assert_eq!(desk.uris().len(), 2);
    // One out, two in is within the limit; a refresh is always.
    let outcome = desk
        .register("Contact: <sip:a@127.0.0.1>;expires=0, <sip:c@127.0.0.1>, <sip:d@127.0.0.1>\r\n");
    assert_eq!(events(&outcome), [Unregistered, Registered, Registered]);
    desk.config.registration.max_contacts = 1;
    assert_eq!(events(&desk.register("Contact: <sip:c@127.0.0.1>\r\n")), [Refreshed]);
}

#[test]
fn a_full_registry_refuses_new_bindings_for_a_while() {
    let mut desk = Desk::new();
    desk.register("Contact: <sip:a@127.0.0.1>\r\n");
    let one = desk.registrar.registry().bindings("201").remove(0);
    desk.registrar.registry().replace("others", vec![one; MAX_BINDINGS - 1]);
    let outcome = desk.register("Contact: <sip:b@127.0.0.1>\r\n");
    assert_eq!(outcome.reply.status, 503);
    assert_eq!(values(&outcome.reply, "Retry-After"), ["30"]);
    assert_eq!(desk.register("Contact: <sip:a@127.0.0.1>\r\n").reply.status, 200);
}

#[test]
fn a_phone_that_cannot_be_reached_makes_room() {
    let mut desk = Desk::new();
    desk.flow = tcp("127.0.0.9:40001", 1);
    desk.register("Contact: <sip:a@10.0.0.1>, <sip:b@10.0.0.1>, <sip:c@10.0.0.1>\r\n");
    assert_eq!(desk.registrar.flow_lost(&desk.flow), ["201"]);
    assert_eq!(desk.remotes().len(), 0);
    desk.flow = tcp("127.0.0.9:40002", 2);
    let outcome = desk.register("Contact: <sip:d@10.0.0.1>\r\n");
    assert_eq!(events(&outcome), [Unregistered, Registered]);
    assert_eq!(desk.uris(), ["sip:b@10.0.0.1", "sip:c@10.0.0.1", "sip:d@10.0.0.1"]);
}

#[test]
fn a_phone_is_reached_where_its_request_came_from() {
    let mut desk = Desk::new();
    desk.flow = udp("203.0.113.9:31000");
    let via = "REGISTER sip:office.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.168.1.5:5060;branch=z9hG4bK1\r\n\
        From: <sip:201@office.test>;tag=a\r\nTo: <sip:201@office.test>\r\nCall-ID: one\r\nCSeq: 1 REGISTER\r\n\
        Contact: <sip:201@192.168.1.5:5060>\r\n\r\n";
    assert_eq!(desk.send_text(via).reply.status, 200);
    assert_eq!(desk.remotes(), ["203.0.113.9:31000"]);
    // A port that was translated on the phone's own host.
    let mut desk = Desk::new();
    desk.flow = udp("192.168.1.5:31000");
    desk.send_text(via);
    assert_eq!(desk.remotes(), ["192.168.1.5:31000"]);
}

#[test]
fn phones_that_one_host_registers_are_reached_at_their_contacts() {
    let mut desk = Desk::new();
    desk.register("Contact: <sip:a@127.0.0.1:7001>, <sip:b@127.0.0.1:7002>;q=0.5\r\n");
    assert_eq!(desk.remotes(), ["127.0.0.1:7001", "127.0.0.1:7002"]);
    // A contact on another host is not believed.
    let mut desk = Desk::new();
    desk.register("Contact: <sip:a@192.0.2.1:7001>\r\n");
    assert_eq!(desk.remotes(), ["127.0.0.1:7000"]);
}

#[test]
fn a_lost_connection_leaves_the_contact_where_it_can_be_reached_without() {
    let mut desk = Desk::new();
    desk.flow = tcp("127.0.0.1:40001", 1);
    desk.register("Contact: <sip:a@127.0.0.1:7001;transport=tcp>\r\n");
    let flow = desk.registrar.registry().contacts("201")[0].flow;
    assert_eq!((flow.remote, flow.connection), (desk.flow.remote, Some(1)));
    assert_eq!(desk.registrar.flow_lost(&tcp("127.0.0.1:40001", 2)), Vec::<String>::new());
    assert_eq!(desk.registrar.flow_lost(&desk.flow), ["201"]);
    let flow = desk.registrar.registry().contacts("201")[0].flow;
    assert_eq!((flow.remote, flow.connection), (address("127.0.0.1:7001"), None));
    assert_eq!(desk.registrar.flow_lost(&desk.flow), Vec::<String>::new());
}

#[test]
fn a_binding_ends_when_its_time_is_over() {
    let mut desk = Desk::new();
    desk.register("Contact: <sip:a@127.0.0.1>;expires=10, <sip:b@127.0.0.1>;expires=20\r\n");
    assert_eq!(desk.registrar.next_expiry(), Some(desk.clock.now + Duration::from_secs(10)));
    desk.wait(9);
    assert!(desk.registrar.expire(desk.clock).is_empty());
    desk.wait(1);
    let over = desk.registrar.expire(desk.clock);
    assert_eq!((over.len(), over[0].event(), over[0].contact()), (1, Expired, "sip:a@127.0.0.1"));
    assert_eq!(desk.uris(), ["sip:b@127.0.0.1"]);
    // A refresh moves the end.
    desk.register("Contact: <sip:b@127.0.0.1>;expires=100\r\n");
    desk.wait(50);
    assert!(desk.registrar.expire(desk.clock).is_empty());
    desk.wait(50);
    assert_eq!(desk.registrar.expire(desk.clock).len(), 1);
    assert_eq!(
        (desk.registrar.next_expiry(), desk.registrar.registry().binding_count()),
        (None, 0)
    );
}

#[test]
fn another_domain_is_not_found_and_another_line_is_forbidden() {
    let text = |request_uri: &str, to: &str| {
        format!(
            "REGISTER {request_uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:7000;branch=z9hG4bK1\r\n\
             From: <sip:201@office.test>;tag=a\r\nTo: <{to}>\r\nCall-ID: one\r\nCSeq: 1 REGISTER\r\n\
             Contact: <sip:a@127.0.0.1>\r\n\r\n"
        )
    };
    for (request_uri, to, status) in [
        ("sip:office.test", "sip:201@office.test", 200),
        ("sip:OFFICE.test", "sip:2%301@Office.Test;transport=udp", 200),
        ("sip:127.0.0.1:5060", "sip:201@127.0.0.1", 200),
        ("sip:elsewhere.test", "sip:201@office.test", 404),
        ("sip:192.0.2.9", "sip:201@office.test", 404),
        ("tel:+123", "sip:201@office.test", 416),
        ("sip:office.test", "sip:201@elsewhere.test", 404),
        ("sip:office.test", "sip:office.test", 404),
        ("sip:office.test", "sip:202@office.test", 403),
        ("sip:office.test", "sip:999@office.test", 403),
    ] {
        let outcome = Desk::new().send_text(&text(request_uri, to));
        assert_eq!(outcome.reply.status, status, "{request_uri} {to}");
    }
}

#[test]
fn a_contact_that_is_no_sip_uri_is_refused() {
    for contact in ["<tel:+123>", "<mailto:a@b>", "<sip:a@b", "<sip:>", "<>"] {
        let outcome = Desk::new().register(&format!("Contact: {contact}\r\n"));
        assert_eq!(outcome.reply.status, 400, "{contact}");
    }
}

#[test]
fn a_path_is_kept_and_repeated_where_the_phone_knows_it() {
    let mut desk = Desk::new();
    let headers = "Contact: <sip:a@127.0.0.1>\r\nPath: <sip:p1.test;lr>, <sip:p2.test;lr>\r\n";
    let outcome = desk.register(headers);
    assert_eq!(outcome.reply.status, 420);
    assert_eq!(values(&outcome.reply, "Unsupported"), ["path"]);
    let outcome = desk.register(&format!("{headers}Supported: path\r\n"));
    assert_eq!(outcome.reply.status, 200);
    assert_eq!(values(&outcome.reply, "Path"), ["<sip:p1.test;lr>", "<sip:p2.test;lr>"]);
    assert_eq!(
        desk.registrar.registry().contacts("201")[0].path,
        ["<sip:p1.test;lr>", "<sip:p2.test;lr>"]
    );
    // Asking alone shows no Path (RFC 3327 §5.3: the one of this request).
    assert!(values(&desk.register("").reply, "Path").is_empty());
}

#[test]
fn outbound_is_promised_over_connections_only_and_refused_through_a_proxy_without_it() {
    let contact = "Contact: <sip:a@x.invalid>;+sip.instance=\"<urn:uuid:1>\";reg-id=1\r\nSupported: path, outbound\r\n";
    let mut desk = Desk::new();
    assert!(values(&desk.register(contact).reply, "Require").is_empty());
    desk.flow = tcp("127.0.0.1:40001", 1);
    assert_eq!(values(&desk.register(contact).reply, "Require"), ["outbound"]);
    let proxied = format!("Via: SIP/2.0/TCP phone.test;branch=z9hG4bK2\r\n{contact}");
    assert_eq!(desk.register(&format!("{proxied}Path: <sip:edge.test;lr>\r\n")).reply.status, 439);
    assert_eq!(
        desk.register(&format!("{proxied}Path: <sip:edge.test;lr;ob>\r\n")).reply.status,
        200
    );
}

#[test]
fn a_line_that_is_removed_loses_its_bindings() {
    let mut desk = Desk::new();
    desk.register("Contact: <sip:a@127.0.0.1>, <sip:b@127.0.0.1>\r\n");
    let changes = desk.registrar.forget_line("201");
    assert_eq!(changes.len(), 2);
    assert!(changes.iter().all(|change| change.event() == Unregistered));
    assert!(desk.registrar.forget_line("201").is_empty());
    assert_eq!(desk.registrar.next_expiry(), None);
}

#[test]
fn bindings_survive_a_restart_through_the_state_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = StatePath::File(folder.path().join("state.db"));
    let mut desk = Desk::new();
    let store = SqliteStore::open(&path, desk.clock.unix_ms).unwrap();
    let keep = |outcome: Outcome| {
        for change in outcome.changes {
            store.apply(change.into_store());
        }
    };
    keep(desk.register(
        "Contact: <sip:a@127.0.0.1:7000;ob>;q=0.3;expires=600\r\nAllow-Events: talk\r\n",
    ));
    keep(desk.register("Contact: <sip:gone@127.0.0.1:7000>;expires=600\r\n"));
    keep(desk.register("Contact: <sip:gone@127.0.0.1:7000>;expires=0\r\n"));
    keep(desk.register("Contact: <sip:brief@127.0.0.1:7000>;expires=20\r\n"));
    let before = desk.registrar.registry().bindings("201");
    drop(store);

    let (flow, config) = (desk.flow, desk.config.clone());
    let mut desk = Desk { flow, config, ..Desk::new() };
    // The clock of the new run begins at zero, thirty seconds later.
    desk.clock = Clock { now: Now::ZERO, unix_ms: desk.clock.unix_ms + 30_000 };
    let store = SqliteStore::open(&path, desk.clock.unix_ms).unwrap();
    desk.registrar.restore(desk.clock, store.take_bindings());
    let after = desk.registrar.registry().bindings("201");
    assert_eq!(after.len(), 1);
    assert_eq!(after[0].expires_at, Now(Duration::from_secs(570)));
    let same = crate::registry::Binding {
        expires_at: before[0].expires_at,
        refreshed_at: before[0].refreshed_at,
        ..after[0].as_ref().clone()
    };
    assert_eq!(same, *before[0]);
    // Its phone goes on as if nothing had happened, and new bindings do not take its place.
    desk.cseq = 10;
    assert_eq!(events(&desk.register("Contact: <sip:a@127.0.0.1:7000;ob>\r\n")), [Refreshed]);
    let new = desk.register("Contact: <sip:new@127.0.0.1:7000>\r\n");
    assert_ne!(new.changes[0].binding().id, after[0].id);
}

#[test]
fn a_restored_connection_is_lost_until_its_phone_comes_back() {
    let mut desk = Desk::new();
    desk.flow = tcp("192.0.2.5:40001", 1);
    let stored: Vec<_> = desk
        .register("Contact: <sip:nat@10.0.0.1;transport=tcp>, <sip:direct@192.0.2.5:7001;transport=tcp>\r\n")
        .changes
        .into_iter()
        .map(|change| match change.into_store() {
            crate::store::Change::SaveBinding(binding) => *binding,
            other => panic!("{other:?}"),
        })
        .collect();
    let mut next = Desk::new();
    next.registrar.restore(next.clock, stored);
    assert_eq!(next.uris().len(), 2);
    assert_eq!(next.remotes(), ["192.0.2.5:7001"]);
    next.flow = tcp("192.0.2.5:40002", 1);
    next.cseq = 1;
    next.register("Contact: <sip:nat@10.0.0.1;transport=tcp>\r\n");
    assert_eq!(next.remotes(), ["192.0.2.5:40002", "192.0.2.5:7001"]);
}

#[test]
fn rows_that_cannot_be_read_are_passed_over() {
    let row = crate::store::StoredBinding {
        id: 5,
        line: "201".to_owned(),
        uri: "sip:a@127.0.0.1".to_owned(),
        expires_at_unix_ms: u64::MAX,
        transport: "udp".to_owned(),
        local: "127.0.0.1:5060".to_owned(),
        remote: "127.0.0.1:7000".to_owned(),
        ..crate::store::StoredBinding::default()
    };
    let mut desk = Desk::new();
    desk.registrar.restore(
        desk.clock,
        vec![
            crate::store::StoredBinding { uri: "what".to_owned(), ..row.clone() },
            crate::store::StoredBinding { remote: "nowhere".to_owned(), ..row.clone() },
            crate::store::StoredBinding { transport: "pigeon".to_owned(), ..row.clone() },
            crate::store::StoredBinding { expires_at_unix_ms: 1, ..row.clone() },
            row,
        ],
    );
    assert_eq!(desk.uris(), ["sip:a@127.0.0.1"]);
}
