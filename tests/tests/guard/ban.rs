//! Rates per source, bans, and what an administrator sees of them.

use std::net::SocketAddr;
use std::time::Instant;

use serde_json::json;
use sip_stack::message::HeaderName;
use tests::program::{CRM_TOKEN, PATIENCE, Program, TOKEN, http, office, pause};
use tests::stranger::{SILENCE, Stranger};

/// Waits until the log has a line that fits.
pub(crate) fn logged(program: &Program, wanted: &str) -> String {
    let start = Instant::now();
    loop {
        if let Some(line) = program.log().lines().find(|line| line.contains(wanted)) {
            return line.to_owned();
        }
        assert!(start.elapsed() < PATIENCE, "no {wanted:?} in\n{}", program.log());
        pause();
    }
}

/// Guesses passwords until nobody answers; how many guesses were refused.
fn guess_until_ignored(thief: &mut Stranger) -> usize {
    let mut refused = 0;
    while let Some(status) = thief.register("201", "guess", SILENCE * 2) {
        assert_eq!(status, 401);
        refused += 1;
        assert!(refused < 60, "nobody minds");
    }
    refused
}

#[test]
fn who_guesses_passwords_is_banned_and_an_administrator_sees_and_lifts_it() {
    // Quick refills: the slowing down of strangers is tested elsewhere.
    let program = Program::with(office(|text| {
        format!("{text}\n[security.limits]\nunauthenticated = 1000\n")
    }));
    let mut thief = Stranger::at("127.0.0.2", program.sip);
    let refused = guess_until_ignored(&mut thief);
    assert!(refused >= 10, "{refused} guesses");
    let bans = program.until("/api/v1/bans", |answer| answer["items"][0]["source"] == "127.0.0.2");
    assert_eq!(bans["items"][0]["reason"], "failed authentications");
    assert_eq!(bans["items"][0]["times"], 1);
    let lasts = bans["items"][0]["expiresAt"].as_u64().unwrap()
        - bans["items"][0]["since"].as_u64().unwrap();
    assert!((599_000..=601_000).contains(&lasts), "{lasts}");
    logged(
        &program,
        "SECURITY event=ban src=127.0.0.2 port=0 reason=\"failed authentications, for 600 s\"",
    );

    // Not even the right password helps, nor another port, nor TCP; others are not concerned.
    let mut other_port = Stranger::at("127.0.0.2", program.sip);
    assert_eq!(other_port.register("201", "pw-201", SILENCE), None);
    let mut neighbour = Stranger::at("127.0.0.3", program.sip);
    assert_eq!(neighbour.register("201", "pw-201", PATIENCE), Some(200));
    assert!(program.metric("guard_bans_in_force") == 1);
    assert!(program.metric("guard_banned_messages_total") >= 1);

    let listed = program.command(&["bans"]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains("127.0.0.2") && listed.contains("failed authentications"), "{listed}");
    let lifted = program.command(&["bans", "--lift", "127.0.0.2"]);
    assert!(lifted.status.success(), "{lifted:?}");
    assert_eq!(program.get("/api/v1/bans").1, json!({"items": []}));
    assert_eq!(thief.register("201", "pw-201", PATIENCE), Some(200));
    logged(&program, "SECURITY event=unban src=127.0.0.2");
    let again = program.command(&["bans", "--lift", "127.0.0.2"]);
    assert_eq!(again.status.code(), Some(1));
}

#[test]
fn a_ban_by_hand_ends_by_itself_and_needs_the_right() {
    let program = Program::start();
    let ban = |token, body: &str| http(program.api, "POST", "/api/v1/bans", Some(token), body);
    let wish = json!({"source": "127.0.0.9", "duration": "1s"}).to_string();
    assert_eq!(ban(CRM_TOKEN, &wish).0, 403);
    assert_eq!(http(program.api, "GET", "/api/v1/bans", Some(CRM_TOKEN), "").0, 403);
    let lift = |token| http(program.api, "DELETE", "/api/v1/bans/127.0.0.9", Some(token), "").0;
    assert_eq!(lift(CRM_TOKEN), 403);
    assert_eq!(lift(TOKEN), 404);
    assert_eq!(ban(TOKEN, &json!({"source": "everybody"}).to_string()).0, 400);
    let done = program.command(&["bans", "--ban", "127.0.0.9", "--duration", "1s"]);
    assert!(done.status.success(), "{done:?}");
    // It is over by itself, and the phone that tries again gets in.
    let mut phone = Stranger::at("127.0.0.9", program.sip);
    assert_eq!(phone.register("201", "pw-201", PATIENCE), Some(200));
    program.until("/api/v1/bans", |answer| answer["items"] == json!([]));
}

/// Waits until so many bans are in the state file: the writer works behind the scenes.
fn keeps(program: &Program, count: i64) {
    let file = rusqlite::Connection::open(program.database()).unwrap();
    let start = Instant::now();
    loop {
        let kept: i64 =
            file.query_row("SELECT count(*) FROM bans", [], |row| row.get(0)).unwrap_or_default();
        if kept == count {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{kept} bans are kept");
        pause();
    }
}

#[test]
fn bans_outlive_a_death_of_the_process_and_those_that_were_lifted_stay_lifted() {
    let program = Program::with_database(&office(|text| text));
    for source in ["127.0.0.9", "127.0.0.8"] {
        let done = program.command(&["bans", "--ban", source, "--duration", "1h"]);
        assert!(done.status.success(), "{done:?}");
    }
    keeps(&program, 2);
    assert!(program.command(&["bans", "--lift", "127.0.0.8"]).status.success());
    let before = program.get("/api/v1/bans").1;
    keeps(&program, 1);
    let program = program.crash_and_restart();
    let after = program.get("/api/v1/bans").1;
    let rows = after["items"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "{after}");
    for member in ["source", "reason", "times"] {
        assert_eq!(rows[0][member], before["items"][0][member]);
    }
    let end = |bans: &serde_json::Value| bans["items"][0]["expiresAt"].as_u64().unwrap();
    assert!(end(&after).abs_diff(end(&before)) < 60_000, "{before} {after}");
    let mut banned = Stranger::at("127.0.0.9", program.sip);
    assert_eq!(banned.register("201", "pw-201", SILENCE), None);
    let mut lifted = Stranger::at("127.0.0.8", program.sip);
    assert_eq!(lifted.register("201", "pw-201", PATIENCE), Some(200));
}

#[test]
fn programs_that_call_themselves_scanners_get_no_answer_and_a_line_in_the_log() {
    let program = Program::start();
    let mut scanner = Stranger::at("127.0.0.2", program.sip);
    let named = "User-Agent: friendly-scanner\r\n";
    let options = scanner.request("OPTIONS", "sip:office.test", "100", named);
    assert!(scanner.ask(&options, SILENCE).is_none());
    logged(&program, "SECURITY event=scanner src=127.0.0.2 ");
    assert!(program.metric("guard_scanners_total") >= 1);
    // Nobody is banned for a name, which anybody can forge.
    assert_eq!(program.get("/api/v1/bans").1, json!({"items": []}));
    let options = scanner.request("OPTIONS", "sip:office.test", "100", "User-Agent: phone\r\n");
    assert!(scanner.ask(&options, PATIENCE).is_some());
}

#[test]
fn an_address_where_a_phone_is_registered_is_not_banned_and_the_switch_itself_never() {
    let program = Program::with(office(|text| {
        format!("{text}\n[security.limits]\nunauthenticated = 1000\n")
    }));
    let mut phone = Stranger::at("127.0.0.2", program.sip);
    assert_eq!(phone.register("201", "pw-201", PATIENCE), Some(200));
    let mut thief = Stranger::at("127.0.0.2", program.sip);
    let mut own = Stranger::at("127.0.0.1", program.sip);
    for _ in 0..20 {
        assert_eq!(thief.register("202", "guess", PATIENCE), Some(401));
        assert_eq!(own.register("202", "guess", PATIENCE), Some(401));
    }
    assert_eq!(program.get("/api/v1/bans").1, json!({"items": []}));
    assert_eq!(phone.register("201", "pw-201", PATIENCE), Some(200));
    assert!(program.metric("guard_failures_total") >= 40);
}

#[test]
fn strangers_are_answered_so_often_and_no_more_and_others_do_not_notice() {
    let program =
        Program::with(office(|text| format!("{text}\n[security.limits]\nunauthenticated = 1\n")));
    let mut noisy = Stranger::at("127.0.0.2", program.sip);
    for _ in 0..100 {
        let options = noisy.request("OPTIONS", "sip:office.test", "x", "");
        noisy.send(options.as_bytes());
    }
    let mut answers = 0;
    while noisy.receive(SILENCE).is_some() {
        answers += 1;
    }
    // Three at once, then one a second while the test waits.
    assert!((1..60).contains(&answers), "{answers} answers");
    assert!(program.metric("guard_limited_total") >= 40);
    let line = logged(&program, "event=rate_limited");
    assert!(line.contains("src=127.0.0.2") && line.contains("unauthenticated requests"), "{line}");
    let mut neighbour = Stranger::at("127.0.0.3", program.sip);
    assert_eq!(neighbour.register("201", "pw-201", PATIENCE), Some(200));
    // A reload changes the rate at once.
    let text = std::fs::read_to_string(&program.config).unwrap();
    let text = text.replace("unauthenticated = 1\n", "unauthenticated = 1000\n");
    std::fs::write(&program.config, text).unwrap();
    assert_eq!(program.post("/api/v1/reload", &json!({})).0, 200);
    for _ in 0..50 {
        let options = noisy.request("OPTIONS", "sip:office.test", "x", "");
        assert!(noisy.ask(&options, PATIENCE).is_some());
    }
}

#[test]
fn garbage_is_answered_so_often_and_no_more_and_bans_nobody() {
    let program = Program::with(office(|text| {
        format!("{text}\n[security.limits]\nunauthenticated = 10000\nmalformed = 5\n")
    }));
    let noisy = Stranger::at("127.0.0.2", program.sip);
    for _ in 0..200 {
        noisy.send(b"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2;branch=z9hG4bKx\r\nno colon\r\n\r\n");
    }
    let mut answers = 0;
    while noisy.receive(SILENCE).is_some() {
        answers += 1;
    }
    assert!(answers <= 10, "{answers} answers");
    assert!(program.metric("guard_malformed_limited_total") >= 150);
    assert_eq!(program.get("/api/v1/bans").1, json!({"items": []}));
}

#[test]
fn connections_are_taken_so_often_and_no_more() {
    let program =
        Program::with(office(|text| format!("{text}\n[security.limits]\nconnections = 1\n")));
    let switch = program.listener("tcp");
    let connect = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind(SocketAddr::from(([127, 0, 0, 2], 0))).unwrap();
            socket.connect(switch).await.and_then(|stream| stream.into_std()).ok()
        })
    };
    let kept: Vec<_> = (0..40).filter_map(|_| connect()).collect();
    assert!(!kept.is_empty());
    program.reaches("guard_connections_limited_total", 10);
}

#[test]
fn a_failed_login_is_written_for_fail2ban_twice_and_a_forged_one_is_not() {
    let program = Program::start();
    let mut clumsy = Stranger::at("127.0.0.2", program.sip);
    assert_eq!(clumsy.register("201", "wrong", PATIENCE), Some(401));
    let line = logged(&program, "SECURITY event=auth_fail src=127.0.0.2 ");
    assert!(line.contains("user=\"201\""), "{line}");
    let line = logged(&program, "SecurityEvent=\"InvalidPassword\"");
    assert!(line.contains("AccountID=\"201\"") && line.contains("/127.0.0.2/"), "{line}");
    if let Ok(filter) = std::env::var("STROWGER_FAIL2BAN_REGEX") {
        // `fail2ban-regex LOG asterisk` of an installed fail2ban.
        let log = program.config.with_file_name("log");
        std::fs::write(&log, program.log()).unwrap();
        let told = std::process::Command::new(filter).arg(&log).arg("asterisk").output().unwrap();
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        assert!(told.contains("1 matched"), "{told}");
    }
    // An answer to a challenge that nobody gave: whoever forges an address can do no better.
    let mut forger = Stranger::at("127.0.0.3", program.sip);
    let forged = "Authorization: Digest username=\"201\", realm=\"office.test\", nonce=\"x\", \
         uri=\"sip:office.test\", response=\"0\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c\"\r\n";
    for _ in 0..20 {
        let request = forger.request("REGISTER", "sip:office.test", "201", forged);
        let answer = forger.ask(&request, PATIENCE).expect("an answer");
        assert_eq!(answer.status(), Some(401));
        // As with the right password: it does not tell whether that was it.
        assert!(answer.header(HeaderName::WwwAuthenticate).unwrap().contains("stale=true"));
    }
    logged(&program, "event=auth_unproven src=127.0.0.3");
    assert!(!program.log().contains("event=auth_fail src=127.0.0.3"));
    assert_eq!(program.get("/api/v1/bans").1, json!({"items": []}));
}
