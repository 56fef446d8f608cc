use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::auth::{ClientCredentials, DigestClient};
use crate::message::Method;
use crate::time::Seeded;

const NOW: u64 = 1_800_000_000;
const REALM: &str = "example.com";
const URI: &str = "sip:example.com";
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 8));

fn authenticator() -> Authenticator {
    Authenticator::new(AuthenticatorConfig::new(REALM, [7; 32]))
}

fn lookup(user: &str) -> Option<Ha1> {
    (user == "201").then(|| Ha1::new("201", REALM, "secret"))
}

/// A REGISTER with these Authorization header lines.
fn register(authorizations: &[&str]) -> Message {
    let lines: String =
        authorizations.iter().map(|value| format!("Authorization: {value}\r\n")).collect();
    let text = format!(
        "REGISTER {URI} SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:201@h>;tag=1\r\n\
         To: <sip:201@h>\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\n{lines}\r\n"
    );
    Message::parse(Bytes::from(text)).unwrap()
}

fn unauthorized(challenges: &[String]) -> Message {
    let lines: String =
        challenges.iter().map(|value| format!("WWW-Authenticate: {value}\r\n")).collect();
    Message::parse(Bytes::from(format!("SIP/2.0 401 Unauthorized\r\nVia: x\r\n{lines}\r\n")))
        .unwrap()
}

fn client(password: &str) -> DigestClient {
    DigestClient::new(ClientCredentials { username: "201".into(), password: password.into() })
}

/// A client that has seen these challenges.
fn challenged(password: &str, challenges: &[String]) -> DigestClient {
    let mut client = client(password);
    assert!(client.on_challenge(&unauthorized(challenges), 0));
    client
}

fn answer(client: &mut DigestClient) -> String {
    client.authorize(&Method::Register, URI, b"", &mut Seeded::new(1)).remove(0).1
}

impl Authenticator {
    fn judge_value(&mut self, now: u64, value: &str) -> Verdict {
        self.verify((now, HERE), &register(&[value]), HeaderName::Authorization, lookup)
    }
}

fn authenticated() -> Verdict {
    Verdict::Authenticated { user: "201".into() }
}

#[test]
fn challenges_offer_sha_256_before_md5_under_one_fresh_nonce() {
    let mut server = authenticator();
    let challenges = server.challenges(NOW, HERE, false);
    assert_eq!(challenges.len(), 2);
    assert!(challenges[0].starts_with("Digest realm=\"example.com\", nonce=\""));
    assert!(challenges[0].ends_with(", algorithm=SHA-256, qop=\"auth\""));
    assert!(challenges[1].ends_with(", algorithm=MD5, qop=\"auth\""));
    assert!(server.challenges(NOW, HERE, true)[1].ends_with(", stale=true"));
    assert_ne!(server.challenges(NOW, HERE, false), challenges);
}

#[test]
fn both_algorithms_let_the_right_password_in() {
    let mut server = authenticator();
    for which in [0, 1] {
        let challenges = server.challenges(NOW, HERE, false);
        let mut phone = challenged("secret", &challenges[which..=which]);
        assert_eq!(server.judge_value(NOW, &answer(&mut phone)), authenticated());
        assert_eq!(server.judge_value(NOW + 1, &answer(&mut phone)), authenticated());
    }
}

#[test]
fn without_credentials_for_our_realm_they_are_missing() {
    let mut server = authenticator();
    let header = HeaderName::Authorization;
    assert_eq!(server.verify((NOW, HERE), &register(&[]), header, lookup), Verdict::Missing);
    for foreign in ["Digest realm=\"other\", nonce=\"x\"", "NoOneKnowsThisScheme opaque-data=here"]
    {
        assert_eq!(server.judge_value(NOW, foreign), Verdict::Missing, "{foreign}");
    }
    let challenges = server.challenges(NOW, HERE, false);
    let right = answer(&mut challenged("secret", &challenges));
    let proxy = HeaderName::ProxyAuthorization;
    assert_eq!(server.verify((NOW, HERE), &register(&[&right]), proxy, lookup), Verdict::Missing);
    let both = register(&["Digest realm=\"other\", nonce=\"x\"", &right]);
    assert_eq!(server.verify((NOW, HERE), &both, header, lookup), authenticated());
}

#[test]
fn a_wrong_password_and_an_unknown_user_get_the_same_verdict() {
    let mut server = authenticator();
    let challenges = server.challenges(NOW, HERE, false);
    let wrong = answer(&mut challenged("wrong", &challenges));
    assert_eq!(server.judge_value(NOW, &wrong), Verdict::Wrong { user: Some("201".into()) });
    let right = answer(&mut challenged("secret", &challenges));
    let verdict =
        server.verify((NOW, HERE), &register(&[&right]), HeaderName::Authorization, |_| None);
    assert_eq!(verdict, Verdict::Wrong { user: Some("201".into()) });
}

#[test]
fn not_even_the_decoy_lets_an_unknown_user_in() {
    let mut server = authenticator();
    let challenge = &server.challenges(NOW, HERE, false)[1];
    let nonce = challenge.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let ha1 = server.decoy("ghost");
    let protection = Protection::Auth { nc: "00000001", cnonce: "c" };
    let response = digest::response(Algorithm::Md5, &ha1, &nonce, ("REGISTER", URI), protection);
    let value = format!(
        "Digest username=\"ghost\", realm=\"{REALM}\", nonce=\"{nonce}\", uri=\"{URI}\", qop=auth, \
         nc=00000001, cnonce=\"c\", response=\"{response}\""
    );
    assert_eq!(server.judge_value(NOW, &value), Verdict::Wrong { user: Some("ghost".into()) });
}

#[test]
fn a_replayed_count_is_stale_and_not_a_failed_login() {
    let mut server = authenticator();
    let challenges = server.challenges(NOW, HERE, false);
    let mut phone = challenged("secret", &challenges);
    let first = answer(&mut phone);
    let second = answer(&mut phone);
    assert_eq!(server.judge_value(NOW, &second), Verdict::Stale, "a nonce enters with count 1");
    assert_eq!(server.judge_value(NOW, &first), authenticated());
    assert_eq!(server.judge_value(NOW, &first), Verdict::Stale);
    assert_eq!(server.judge_value(NOW, &second), authenticated());
}

#[test]
fn nonces_age_and_foreign_ones_are_stale_only_with_the_right_password() {
    let mut server = authenticator();
    let challenges = server.challenges(NOW, HERE, false);
    let mut phone = challenged("secret", &challenges);
    let mut late = challenged("secret", &challenges);
    assert_eq!(server.judge_value(NOW + 121, &answer(&mut late)), Verdict::Stale);
    assert_eq!(server.judge_value(NOW + 120, &answer(&mut phone)), authenticated());
    assert_eq!(server.judge_value(NOW + 3_600, &answer(&mut phone)), authenticated());
    assert_eq!(server.judge_value(NOW + 3_601, &answer(&mut phone)), Verdict::Stale);

    let mut other = Authenticator::new(AuthenticatorConfig::new(REALM, [8; 32]));
    let foreign = other.challenges(NOW, HERE, false);
    let right = answer(&mut challenged("secret", &foreign));
    assert_eq!(server.judge_value(NOW, &right), Verdict::Stale);
    let wrong = answer(&mut challenged("wrong", &foreign));
    assert_eq!(server.judge_value(NOW, &wrong), Verdict::Wrong { user: None });
}

#[test]
fn a_changed_secret_keeps_the_last_nonces_good() {
    let mut server = authenticator();
    let mut phone = challenged("secret", &server.challenges(NOW, HERE, false));
    server.rotate([9; 32]);
    assert_eq!(server.judge_value(NOW, &answer(&mut phone)), authenticated());
    server.rotate([10; 32]);
    assert_eq!(server.judge_value(NOW, &answer(&mut phone)), Verdict::Stale);
}

#[test]
fn credentials_that_were_not_asked_for_like_this_are_malformed() {
    let mut server = authenticator();
    let challenges = server.challenges(NOW, HERE, false);
    let right = answer(&mut challenged("secret", &challenges));
    for (from, to) in [
        ("qop=auth, ", ""),
        ("qop=auth, ", "qop=auth-int, "),
        ("algorithm=SHA-256", "algorithm=sha-256"),
        ("algorithm=SHA-256", "algorithm=SHA-512-256"),
        ("nc=00000001", "nc=1"),
        ("nc=00000001", "nc=0000000g"),
        ("nc=00000001", "nc=+0000001"),
        ("nc=00000001, ", ""),
        ("username=\"201\", ", ""),
        ("username=\"201\"", "username=\"201\", username=\"202\""),
        ("uri=\"sip:example.com\"", "uri=\"sip:example.org\""),
        ("uri=\"sip:example.com\"", "uri=\"sip:example.com:5060\""),
        ("realm=\"example.com\"", "realm=\"example.com"),
    ] {
        let changed = right.replace(from, to);
        assert_ne!(changed, right, "{from}");
        assert_eq!(server.judge_value(NOW, &changed), Verdict::Malformed, "{to}");
    }
    let twice = register(&[&right, &right]);
    let verdict = server.verify((NOW, HERE), &twice, HeaderName::Authorization, lookup);
    assert_eq!(verdict, Verdict::Malformed);
    assert_eq!(server.judge_value(NOW, &right), authenticated());
}

#[test]
fn a_response_in_another_spelling_is_wrong() {
    let mut server = authenticator();
    let challenges = server.challenges(NOW, HERE, false);
    let right = answer(&mut challenged("secret", &challenges));
    let start = right.find("response=\"").unwrap() + 10;
    let digest = right.get(start..start + 64).unwrap().to_owned();
    for other in [digest.to_ascii_uppercase(), digest.get(..63).unwrap().into(), String::new()] {
        let changed = right.replace(&digest, &other);
        assert!(matches!(server.judge_value(NOW, &changed), Verdict::Wrong { .. }), "{other}");
    }
}

#[test]
fn a_lenient_uri_may_differ_in_port_and_parameters_only() {
    let mut config = AuthenticatorConfig::new(REALM, [7; 32]);
    config.is_uri_exact = false;
    let mut server = Authenticator::new(config);
    for (uri, is_right) in [
        ("sip:EXAMPLE.com:5060;transport=tcp", true),
        ("sip:201@example.com", false),
        ("sips:example.com", false),
    ] {
        let mut phone = challenged("secret", &server.challenges(NOW, HERE, false));
        let value = phone.authorize(&Method::Register, uri, b"", &mut Seeded::new(1)).remove(0).1;
        let expected = if is_right { authenticated() } else { Verdict::Malformed };
        assert_eq!(server.judge_value(NOW, &value), expected, "{uri}");
    }
}

#[test]
fn a_uri_that_names_this_server_and_no_user_stands_for_any_request() {
    let mut config = AuthenticatorConfig::new(REALM, [7; 32]);
    config.own_hosts = vec!["192.0.2.1".to_owned()];
    let mut server = Authenticator::new(config);
    for (uri, is_right) in
        [("sip:192.0.2.1:5060", true), ("sip:201@192.0.2.1", false), ("sip:192.0.2.2:5060", false)]
    {
        let mut phone = challenged("secret", &server.challenges(NOW, HERE, false));
        let value = phone.authorize(&Method::Register, uri, b"", &mut Seeded::new(1)).remove(0).1;
        let expected = if is_right { authenticated() } else { Verdict::Malformed };
        assert_eq!(server.judge_value(NOW, &value), expected, "{uri}");
    }
}

#[test]
fn without_qop_a_nonce_is_good_for_one_request() {
    let mut config = AuthenticatorConfig::new(REALM, [7; 32]);
    config.accepts_without_qop = true;
    let mut server = Authenticator::new(config);
    let old: Vec<String> = server
        .challenges(NOW, HERE, false)
        .iter()
        .map(|challenge| challenge.replace(", qop=\"auth\"", ""))
        .collect();
    let mut phone = challenged("secret", &old);
    let value = answer(&mut phone);
    assert!(!value.contains("qop"));
    assert_eq!(server.judge_value(NOW, &value), authenticated());
    assert_eq!(server.judge_value(NOW, &value), Verdict::Stale);
}

#[test]
fn only_offered_algorithms_are_taken() {
    let mut config = AuthenticatorConfig::new(REALM, [7; 32]);
    config.algorithms = vec![Algorithm::Sha256];
    let mut server = Authenticator::new(config);
    let challenges = server.challenges(NOW, HERE, false);
    assert_eq!(challenges.len(), 1);
    let md5: Vec<String> =
        challenges.iter().map(|challenge| challenge.replace("SHA-256", "MD5")).collect();
    let mut phone = challenged("secret", &md5);
    assert_eq!(server.judge_value(NOW, &answer(&mut phone)), Verdict::Malformed);
}

proptest! {
    #[test]
    fn no_text_without_the_password_gets_in(
        pieces in proptest::collection::vec(
            prop_oneof![
                Just("Digest ".to_owned()), Just("realm=\"example.com\"".to_owned()),
                Just("username=\"201\"".to_owned()), Just("uri=\"sip:example.com\"".to_owned()),
                Just("qop=auth".to_owned()), Just("nc=00000001".to_owned()),
                Just("cnonce=\"c\"".to_owned()), Just("response=\"\"".to_owned()),
                Just("nonce=\"AAAA\"".to_owned()), "[ -~]{0,30}",
            ],
            0..14,
        ),
        separator in prop_oneof![Just(","), Just(", "), Just(" ")],
    ) {
        let mut server = authenticator();
        let value = format!("Digest {}", pieces.join(separator));
        let is_in = matches!(server.judge_value(NOW, &value), Verdict::Authenticated { .. });
        prop_assert!(!is_in);
    }
}

#[test]
fn an_answer_from_another_address_than_the_challenge_went_to_is_no_login_and_no_failure() {
    let mut server = authenticator();
    let challenges = server.challenges(NOW, HERE, false);
    let right = register(&[&answer(&mut challenged("secret", &challenges))]);
    let wrong = register(&[&answer(&mut challenged("wrong", &challenges))]);
    let header = HeaderName::Authorization;
    assert_eq!(server.verify((NOW, THERE), &right, header, lookup), Verdict::Stale);
    let forged = server.verify((NOW, THERE), &wrong, header, lookup);
    assert_eq!(forged, Verdict::Wrong { user: None });
    let failed = server.verify((NOW, HERE), &wrong, header, lookup);
    assert_eq!(failed, Verdict::Wrong { user: Some("201".into()) });
    assert_eq!(server.verify((NOW, HERE), &right, header, lookup), authenticated());
}
