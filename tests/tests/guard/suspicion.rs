//! What the security log and the events tell without keeping anybody out.

use std::net::UdpSocket;

use serde_json::json;
use tests::program::{CRM_TOKEN, Events, PATIENCE, Program, TOKEN, http, office};
use tests::stranger::Stranger;

use crate::ban::logged;

/// The next event of a kind.
fn event(events: &mut Events, kind: &str) -> serde_json::Value {
    loop {
        let event = events.next(kind);
        if event["kind"] == kind {
            return event;
        }
    }
}

#[test]
fn a_line_whose_password_is_guessed_from_many_addresses_is_an_alarm_and_goes_on() {
    let program = Program::with(office(|text| format!("{text}\n[security.bans]\nalarm = 3\n")));
    let mut events = Events::follow(&program, "?after=0");
    for address in ["127.0.0.2", "127.0.0.3", "127.0.0.4"] {
        let mut thief = Stranger::at(address, program.sip);
        assert_eq!(thief.register("201", "guess", PATIENCE), Some(401));
        // Names that are no lines raise nothing.
        assert_eq!(thief.register("999", "guess", PATIENCE), Some(401));
    }
    let line = logged(&program, "SECURITY event=account_attack src=127.0.0.4 ");
    assert!(line.contains("user=\"201\" reason=\"3 failed logins within 300 s\""), "{line}");
    let alarm = event(&mut events, "ACCOUNT_UNDER_ATTACK");
    assert_eq!((&alarm["line"], &alarm["failures"]), (&json!("201"), &json!(3)), "{alarm}");
    assert_eq!(program.metric("account_alarms_total"), 1);
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let (near, far) = a.talk_to(&b);
    a.hang_up(near);
    b.ended(far);
}

#[test]
fn a_login_from_where_the_line_never_was_is_told_once_also_after_a_death_of_the_process() {
    let program = Program::with_database(&office(|text| text));
    let mut events = Events::follow(&program, "?after=0");
    let _home = program.live_phone("201");
    let visit = |program: &Program, address: &str| {
        let mut visitor = Stranger::at(address, program.sip);
        assert_eq!(visitor.register("201", "pw-201", PATIENCE), Some(200));
    };
    visit(&program, "127.0.9.2");
    visit(&program, "127.0.9.3");
    let line = logged(&program, "SECURITY event=auth_ok_new_net src=127.0.9.2 ");
    assert!(line.contains("user=\"201\"") && line.contains("network 127.0.9.0/24"), "{line}");
    let told = event(&mut events, "LOGIN_FROM_NEW_NETWORK");
    assert_eq!((&told["line"], &told["network"]), (&json!("201"), &json!("127.0.9.0/24")));
    assert_eq!(told["source"], "127.0.9.2");
    drop(events);
    // Only what the state file has is known after a death.
    let file = rusqlite::Connection::open(program.database()).unwrap();
    let kept = || -> String {
        let row = file.query_row("SELECT networks FROM familiar", [], |row| row.get(0));
        row.unwrap_or_default()
    };
    let start = std::time::Instant::now();
    while kept() != "127.0.0.0/24\n127.0.9.0/24" {
        assert!(start.elapsed() < PATIENCE, "{:?} is kept", kept());
        tests::program::pause();
    }
    let program = program.crash_and_restart();
    visit(&program, "127.0.9.2");
    visit(&program, "127.0.8.2");
    let first = logged(&program, "event=auth_ok_new_net");
    assert!(first.contains("src=127.0.8.2"), "{first}");
}

#[test]
fn packets_of_others_at_the_ports_of_a_call_are_told_when_it_is_over() {
    let (program, a, b, near, far) = Program::talking();
    a.hears(&b);
    b.hears(&a);
    // So many good packets lock the address.
    a.wait_for_packets(10);
    b.wait_for_packets(10);
    let rows = program.get("/api/v1/media").1;
    let port = rows["items"][0]["port"].as_u64().unwrap();
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..20 {
        stranger.send_to(&[0x80; 172], ("127.0.0.1", port as u16)).unwrap();
    }
    program.until("/api/v1/media", |answer| {
        let row = answer["items"].as_array().unwrap().iter().find(|row| row["port"] == port);
        row.is_some_and(|row| row["packetsDropped"].as_u64() >= Some(20))
    });
    a.hang_up(near);
    b.ended(far);
    let line = logged(&program, "SECURITY event=media_foreign src=unknown ");
    assert!(line.contains("from somebody else"), "{line}");
}

#[test]
fn garbage_refused_tokens_and_reloads_are_told() {
    let program = Program::start();
    let stranger = Stranger::at("127.0.0.2", program.sip);
    stranger.send(b"OPTIONS sip:x SIP/2.0\r\nno colon\r\n\r\n");
    logged(&program, "SECURITY event=malformed src=127.0.0.2 ");
    assert_eq!(http(program.api, "POST", "/api/v1/reload", Some(CRM_TOKEN), "{}").0, 403);
    let line = logged(&program, "SECURITY event=api_forbidden src=127.0.0.1 ");
    assert!(line.contains("user=\"crm\" reason=\"POST /api/v1/reload\""), "{line}");
    let text = std::fs::read_to_string(&program.config).unwrap();
    std::fs::write(&program.config, text.replace("Ada", "Ida")).unwrap();
    assert_eq!(http(program.api, "POST", "/api/v1/reload", Some(TOKEN), "{}").0, 200);
    let line = logged(&program, "SECURITY event=config_changed src=unknown ");
    assert!(line.contains("lines changed: 201"), "{line}");
}
