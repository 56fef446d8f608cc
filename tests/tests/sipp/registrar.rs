//! The registrar (T16) and digest (T17).

use serde_json::json;
use tests::interop::{self, Peer, Sipp, register};
use tests::program::Program;

use super::{assert_at_rest, office, request};

// --- T16: registrar

/// One REGISTER of line 201, authenticated; `cseq` is that of the challenged one.
fn registers(program: &Program, call_id: &str, cseq: u32, headers: &str) -> interop::Logged {
    let log = Sipp::new(program, "register_as.xml")
        .line("201", "sip:office.test")
        .key("to", "sip:201@office.test")
        .key("first", cseq)
        .key("second", cseq + 1)
        .key("extra", headers.replace('\n', "\r\n"))
        .options(&["-cid_str", call_id])
        .run();
    log.last_response("REGISTER").clone()
}

/// The contacts of a 200 without the seconds that are left.
fn contacts(answer: &interop::Logged) -> Vec<String> {
    assert_eq!(answer.status(), 200, "{}", answer.text);
    let mut all: Vec<String> = answer
        .headers("Contact")
        .into_iter()
        .map(|one| {
            let (uri, seconds) = one.split_once(";expires=").unwrap_or((one, ""));
            assert!(seconds.parse::<u32>().is_ok(), "{one}");
            uri.to_owned()
        })
        .collect();
    all.sort();
    all
}

#[test]
fn t16_bindings_are_made_refreshed_listed_and_removed_as_rfc_3261_says() {
    let program = office();
    let two = "Contact: <sip:201@127.0.0.1:7001>, <sip:201@127.0.0.1:7002>;methods=\"INVITE, ACK\"\n\
               Expires: 300";
    let both = ["<sip:201@127.0.0.1:7001>", "<sip:201@127.0.0.1:7002>;methods=\"INVITE, ACK\""];
    assert_eq!(contacts(&registers(&program, "phone", 10, two)), both);
    assert_eq!(contacts(&registers(&program, "phone", 20, two)), both, "refreshed");
    assert_eq!(contacts(&registers(&program, "other", 1, "Subject: fetch")), both, "fetched");

    let late = "Contact: <sip:201@127.0.0.1:7001>;expires=0";
    assert_eq!(registers(&program, "phone", 5, late).status(), 500, "a lower CSeq");
    assert_eq!(
        contacts(&registers(&program, "other", 3, "Subject: fetch")),
        both,
        "nothing changed"
    );

    assert_eq!(registers(&program, "other", 5, "Contact: *\nExpires: 60").status(), 400);
    let peer = Peer::new(&program);
    let mixed = "Contact: *, <sip:201@127.0.0.1:7001>\nExpires: 0";
    let mixed = request(&peer, "REGISTER", "sip:office.test", "mixed", mixed);
    let own = mixed.lines().position(|line| line.starts_with("Contact: <sip:201@")).unwrap();
    let lines: Vec<&str> = mixed.lines().collect();
    peer.request(&[&lines[..own], &lines[own + 1..]].concat().join("\n"));
    peer.wait("SIP/2.0 400");
    let brief = registers(&program, "other", 7, "Contact: <sip:201@127.0.0.1:7003>;expires=2");
    assert_eq!((brief.status(), brief.header("Min-Expires")), (423, "5"));
    let moved = "Contact: <sip:201@127.0.0.1:7001>;expires=0, <sip:201@127.0.0.1:7004>;expires=60";
    assert_eq!(
        contacts(&registers(&program, "phone", 30, moved)),
        [both[1], "<sip:201@127.0.0.1:7004>"]
    );
    assert!(contacts(&registers(&program, "phone", 40, "Contact: *\nExpires: 0")).is_empty());
    let (_, rows) = program.get("/api/v1/registrations");
    assert_eq!(rows["items"], json!([]));
}

#[test]
fn t16_an_invite_reaches_every_contact_and_the_first_answer_wins() {
    let program = office();
    let (a, b) = (interop::free_port(), interop::free_port());
    let both = format!("Contact: <sip:201@127.0.0.1:{a}>, <sip:201@127.0.0.1:{b}>");
    assert_eq!(contacts(&registers(&program, "phone", 1, &both)).len(), 2);
    let listen =
        |port: u16, scenario: &str| Sipp::new(&program, scenario).port(port).called("201").listen();
    let (mut winner, mut loser) = (listen(a, "answers_later.xml"), listen(b, "cancelled.xml"));
    let calling = Sipp::new(&program, "caller.xml").call("203", "201").start();
    winner.until_received("INVITE ");
    loser.until_received("INVITE ");
    winner.go_on();
    calling.finish();
    winner.finish();
    let log = loser.finish();
    let reason = log.only("CANCEL ").header("Reason");
    assert!(reason.starts_with("SIP;cause=200"), "{reason}");
    assert_at_rest(&program);
}

// --- T17: digest

/// The algorithms of the challenges that an unauthenticated REGISTER gets.
fn offered(program: &Program, headers: &str) -> Vec<String> {
    let peer = Peer::new(program);
    peer.request(&request(&peer, "REGISTER", "sip:office.test", "c1", headers));
    let answer = peer.wait("SIP/2.0 401");
    assert!(!answer.contains("stale=true"), "{answer}");
    let challenges =
        answer.lines().filter_map(|line| line.strip_prefix("WWW-Authenticate: Digest "));
    challenges
        .filter_map(|one| one.split("algorithm=").nth(1)?.split(',').next().map(str::to_owned))
        .collect()
}

#[test]
fn t17_the_challenge_offers_sha_256_and_then_md5() {
    let program = office();
    assert_eq!(offered(&program, "User-Agent: Phone/1.0"), ["SHA-256", "MD5"]);
}

#[test]
fn t17_the_configuration_may_put_md5_first_or_leave_one_out() {
    for (setting, wanted) in [
        ("[\"MD5\", \"SHA-256\"]", vec!["MD5", "SHA-256"]),
        ("[\"SHA-256\"]", vec!["SHA-256"]),
        ("[\"MD5\"]", vec!["MD5"]),
    ] {
        let program = Program::with(interop::office(|text| {
            text.replacen("[sip]\n", &format!("[sip]\ndigest = {setting}\n"), 1)
        }));
        assert_eq!(offered(&program, "User-Agent: Phone/1.0"), wanted);
    }
}

#[test]
fn t17_a_replayed_count_is_stale_and_a_new_nonce_works() {
    let program = office();
    let log = register(&program, "201", interop::free_port());
    let credentials = log.sent("REGISTER ").last().unwrap().header("Authorization").to_owned();
    let peer = Peer::new(&program);
    let stolen = format!("Authorization: {credentials}");
    peer.request(
        &request(&peer, "REGISTER", "sip:office.test", "replay", &stolen)
            .replace("To: <sip:office.test>", "To: <sip:201@office.test>"),
    );
    let answer = peer.wait("SIP/2.0 ");
    assert!(answer.starts_with("SIP/2.0 401"), "{answer}");
    assert_eq!(answer.matches("stale=true").count(), 2, "{answer}");
    register(&program, "201", interop::free_port());
}

#[test]
fn t17_a_wrong_password_is_challenged_again_but_not_as_stale() {
    let program = office();
    let log = Sipp::new(&program, "register_as.xml")
        .key("me", "201")
        .key("uri", "sip:office.test")
        .options(&["-au", "201", "-ap", "wrong"])
        .key("to", "sip:201@office.test")
        .key("first", 1)
        .key("second", 2)
        .run();
    let answers: Vec<_> = log.received("SIP/2.0 401").collect();
    assert_eq!(answers.len(), 2);
    assert!(!answers[1].text.contains("stale=true"), "{answers:?}");
    let (_, rows) = program.get("/api/v1/registrations");
    assert_eq!(rows["items"], json!([]));
}
