use bytes::Bytes;

use super::*;
use crate::auth::params::parse;
use crate::time::Seeded;

fn client() -> DigestClient {
    DigestClient::new(ClientCredentials {
        username: "Mufasa".into(),
        password: "Circle of Life".into(),
    })
}

fn response(headers: &str) -> Message {
    let text = format!("SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP h\r\n{headers}\r\n");
    Message::parse(Bytes::from(text)).unwrap()
}

fn authorize(client: &mut DigestClient) -> Vec<(HeaderName, AuthParams)> {
    client
        .authorize(&Method::Invite, "sip:b@example.com", b"v=0\r\n", &mut Seeded::new(5))
        .into_iter()
        .map(|(header, value)| (header, parse(&value).unwrap().remove(0)))
        .collect()
}

#[test]
fn answers_the_first_known_algorithm_and_counts_up() {
    let mut client = client();
    let challenge = response(
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"n1\", algorithm=SHA-512-256, qop=\"auth\"\r\n\
         WWW-Authenticate: Digest realm=\"r\", nonce=\"n2\", algorithm=SHA-256, qop=\"auth,auth-int\", opaque=\"o\"\r\n\
         WWW-Authenticate: Digest realm=\"r\", nonce=\"n3\", algorithm=MD5, qop=\"auth\"\r\n",
    );
    assert!(client.on_challenge(&challenge, 0));
    for count in ["00000001", "00000002"] {
        let answers = authorize(&mut client);
        assert_eq!(answers.len(), 1);
        let (header, params) = &answers[0];
        assert_eq!(*header, HeaderName::Authorization);
        assert_eq!(params.value("nonce"), Some("n2"));
        assert_eq!(params.value("qop"), Some("auth"));
        assert_eq!(params.value("nc"), Some(count));
        assert_eq!(params.value("opaque"), Some("o"));
        assert_eq!(params.value("algorithm"), Some("SHA-256"));
        assert_eq!(params.value("uri"), Some("sip:b@example.com"));
    }
    // A new nonce starts at 1 again.
    assert!(client.on_challenge(
        &response(
            "WWW-Authenticate: Digest realm=\"r\", nonce=\"n4\", stale=TRUE, qop=\"auth\"\r\n"
        ),
        1
    ));
    let answers = authorize(&mut client);
    assert_eq!(answers[0].1.value("nc"), Some("00000001"));
    assert_eq!(answers[0].1.value("nonce"), Some("n4"));
    assert_eq!(answers[0].1.value("algorithm"), None, "not named, not echoed");
}

#[test]
fn gives_the_example_of_rfc_7616() {
    let mut session = Session {
        header: HeaderName::Authorization,
        realm: "http-auth@example.org".into(),
        nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v".into(),
        opaque: None,
        algorithm: Algorithm::Sha256,
        is_algorithm_named: true,
        quality: Quality::Auth,
        answers: 0,
    };
    let value = session.answer(
        &client().credentials,
        ("GET", "/dir/index.html"),
        b"",
        "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    );
    assert!(
        value.contains(
            "response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\""
        )
    );
}

#[test]
fn answers_proxy_and_server_together() {
    let mut client = client();
    let challenge = response(
        "Proxy-Authenticate: Digest realm=\"p\", nonce=\"1\"\r\n\
         WWW-Authenticate: Digest realm=\"w\", nonce=\"2\", Digest realm=\"x\", nonce=\"3\"\r\n",
    );
    assert!(client.on_challenge(&challenge, 0));
    let answers = authorize(&mut client);
    let named: Vec<_> =
        answers.iter().map(|(header, params)| (*header, params.value("realm").unwrap())).collect();
    assert_eq!(
        named,
        [
            (HeaderName::Authorization, "w"),
            (HeaderName::Authorization, "x"),
            (HeaderName::ProxyAuthorization, "p"),
        ]
    );
    assert!(answers.iter().all(|(_, params)| params.value("nc").is_none()));
}

#[test]
fn gives_up_when_the_password_is_wrong_or_challenges_never_end() {
    let mut client = client();
    let plain = response("WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n");
    let stale =
        response("WWW-Authenticate: Digest realm=\"r\", nonce=\"m\", qop=\"auth\", stale=true\r\n");
    assert!(client.on_challenge(&plain, 0));
    assert!(!client.on_challenge(&plain, 1));
    assert!(client.on_challenge(&stale, 1));
    assert!(!client.on_challenge(&stale, 2));
}

#[test]
fn answers_no_other_realm_and_no_other_scheme() {
    let mut client = client().with_realm("r");
    for challenge in [
        "WWW-Authenticate: Digest realm=\"other\", nonce=\"n\"\r\n",
        "WWW-Authenticate: Basic realm=\"r\"\r\n",
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"unknown\"\r\n",
        "WWW-Authenticate: Digest realm=\"r\"\r\n",
        "WWW-Authenticate: Digest realm=\"r\r\n",
        "",
    ] {
        assert!(!client.on_challenge(&response(challenge), 0), "{challenge}");
        assert!(authorize(&mut client).is_empty());
    }
    assert!(
        client.on_challenge(&response("WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n"), 0)
    );
    client.forget();
    assert!(authorize(&mut client).is_empty());
}

#[test]
fn remembers_a_bounded_number_of_realms() {
    let mut client = client();
    for realm in 0..20 {
        let line = format!("WWW-Authenticate: Digest realm=\"{realm}\", nonce=\"n\"\r\n");
        assert!(client.on_challenge(&response(&line), 0));
    }
    let answers = authorize(&mut client);
    assert_eq!(answers.len(), MAX_REALMS);
    assert_eq!(answers[0].1.value("realm"), Some("12"));
}

#[test]
fn quotes_in_a_name_cannot_end_it() {
    let mut client = DigestClient::new(ClientCredentials {
        username: "a\"b\\c\r\nX: y".into(),
        password: "p".into(),
    });
    let challenge = response("WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n");
    assert!(client.on_challenge(&challenge, 0));
    let answers = authorize(&mut client);
    assert_eq!(answers[0].1.value("username"), Some("a\"b\\cX: y"));
    assert_eq!(format!("{:?}", client.credentials).find("\"p\""), None);
}
