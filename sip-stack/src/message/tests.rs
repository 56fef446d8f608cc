use bytes::Bytes;

use super::{HeaderName, MAX_HEADERS, Message, Method, ParseError, ParseErrorKind as Kind};

fn parse(text: &str) -> Result<Message, ParseError> {
    Message::parse(Bytes::copy_from_slice(text.as_bytes()))
}

fn kind(text: &str) -> Kind {
    parse(text).unwrap_err().kind
}

const REGISTER: &str = "REGISTER sip:example.com SIP/2.0\r\n\
    Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\nf: <sip:a@example.com>;tag=1\r\nTo : <sip:a@example.com>\r\n\
    i: 1@h\r\nCSEQ: 1 REGISTER\r\nm: <sip:a@h>, <sip:b@h>;q=0.5\r\nX-Own: v\r\n\
    Supported: path, outbound\r\nk: gruu\r\nMax-Forwards: 0070\r\nl: 2\r\n\r\nhibye";

#[test]
fn a_request_reads_by_name_in_every_form() {
    let message = parse(REGISTER).unwrap();
    assert!(message.is_request() && !message.is_response());
    assert_eq!(message.method(), Method::Register);
    assert_eq!(message.request_uri(), Some("sip:example.com"));
    assert_eq!(message.header(HeaderName::From), Some("<sip:a@example.com>;tag=1"));
    assert_eq!(message.call_id(), "1@h");
    assert_eq!(message.cseq().unwrap().number, 1);
    assert_eq!(message.header_named("x-oWN"), Some("v"));
    assert_eq!(message.header_named("t"), Some("<sip:a@example.com>"));
    assert_eq!(message.header_named("X-None"), None);
    assert_eq!(message.contacts().unwrap().as_slice().len(), 2);
    assert_eq!(message.max_forwards(), Some(70));
    assert!(message.lists(HeaderName::Supported, "GRUU"));
    assert_eq!(
        message.list(HeaderName::Supported).collect::<Vec<_>>(),
        ["path", "outbound", "gruu"]
    );
    assert!(message.is_repeated(HeaderName::Supported));
    assert_eq!(message.all_headers().count(), 11);
}

#[test]
fn the_body_ends_with_content_length() {
    let message = parse(REGISTER).unwrap();
    assert_eq!(message.body(), b"hi");
    assert_eq!(message.body_bytes(), "hi");
    assert!(message.bytes().ends_with(b"\r\n\r\nhi"));
    let message = parse("OPTIONS sip:h SIP/2.0\r\nX: y\r\n\r\nall of it").unwrap();
    assert_eq!(message.body(), b"all of it");
}

#[test]
fn a_response_has_the_method_of_its_cseq() {
    let message = parse("SIP/2.0 486 Busy Here\r\nCSeq: 3 INVITE\r\n\r\n").unwrap();
    assert_eq!((message.status(), message.reason_phrase()), (Some(486), "Busy Here"));
    assert_eq!(message.method(), Method::Invite);
    assert_eq!(message.request_uri(), None);
    assert_eq!(parse("SIP/2.0 180\r\nX: y\r\n\r\n").unwrap().reason_phrase(), "");
    assert_eq!(parse("SIP/2.0 180 \r\nX: y\r\n\r\n").unwrap().status(), Some(180));
}

#[test]
fn folds_become_one_space_and_nothing_else_changes() {
    let message = parse(
        "\r\n\r\nINVITE sip:h SIP/2.0\r\nSubject: one  \r\n \t two\r\n\tthree\r\nTo:\r\n <sip:a@h>\r\nl: 4\r\n\r\na\r\n b",
    );
    // Content-Length is 4: the body is cut there.
    let message = message.unwrap();
    assert_eq!(message.header(HeaderName::Subject), Some("one two three"));
    assert_eq!(message.header(HeaderName::To), Some("<sip:a@h>"));
    assert_eq!(message.body(), b"a\r\n ");
    assert!(message.bytes().starts_with(b"INVITE"));
}

#[test]
fn blanks_in_the_request_line_are_forgiven_but_not_inside_the_uri() {
    let message = parse("INVITE  sip:u@h  SIP/2.0  \r\nX: y\r\n\r\n").unwrap();
    assert_eq!(message.request_uri(), Some("sip:u@h"));
    assert_eq!(kind("INVITE sip:u@h; lr SIP/2.0\r\n\r\n"), Kind::StartLine);
    assert_eq!(kind(" INVITE sip:u@h SIP/2.0\r\n\r\n"), Kind::Method);
    assert_eq!(kind("INVITE sip:u@h\r\n\r\n"), Kind::StartLine);
    assert_eq!(kind("INV(TE sip:u@h SIP/2.0\r\n\r\n"), Kind::Method);
    assert_eq!(kind("GET / HTTP/1.1\r\n\r\n"), Kind::StartLine);
}

#[test]
fn status_codes_are_three_digits_from_100_to_699() {
    for code in ["099", "700", "4294967301", "20", "2x0", "-20"] {
        assert_eq!(kind(&format!("SIP/2.0 {code} x\r\n\r\n")), Kind::StatusCode, "{code}");
    }
}

#[test]
fn line_ends_are_crlf_only() {
    assert_eq!(kind("OPTIONS sip:h SIP/2.0\nX: y\r\n\r\n"), Kind::BareLineEnd);
    assert_eq!(kind("OPTIONS sip:h SIP/2.0\r\nX: y\nZ: 1\r\n\r\n"), Kind::BareLineEnd);
    assert_eq!(kind("OPTIONS sip:h SIP/2.0\r\nX: y\rZ: 1\r\n\r\n"), Kind::BareLineEnd);
    assert_eq!(kind("OPTIONS sip:h SIP/2.0\r\nX: y\r\n"), Kind::HeaderSectionOpen);
    assert_eq!(kind("OPTIONS sip:h SIP/2.0\r\nX: y\r\n\r"), Kind::HeaderSectionOpen);
    assert_eq!(kind(""), Kind::Empty);
    assert_eq!(kind("\r\n\r\n"), Kind::Empty);
}

#[test]
fn header_lines_need_a_token_and_a_colon() {
    assert_eq!(kind("OPTIONS sip:h SIP/2.0\r\nX y\r\n\r\n"), Kind::NoColon);
    assert_eq!(kind("OPTIONS sip:h SIP/2.0\r\n: y\r\n\r\n"), Kind::HeaderName);
    assert_eq!(kind("OPTIONS sip:h SIP/2.0\r\nX Z: y\r\n\r\n"), Kind::HeaderName);
    assert_eq!(kind("OPTIONS sip:h SIP/2.0\r\n X: y\r\n\r\n"), Kind::Folding);
    let message = parse("OPTIONS sip:h SIP/2.0\r\nP-Asserted-Identity \t: y\r\n\r\n").unwrap();
    assert_eq!(message.header(HeaderName::PAssertedIdentity), Some("y"));
}

#[test]
fn nul_is_legal_behind_a_backslash_only() {
    assert!(parse("OPTIONS sip:h SIP/2.0\r\nTo: \"\\\0\" <sip:a@h>\r\n\r\n").is_ok());
    assert_eq!(kind("OPTIONS sip:h SIP/2.0\r\nX: \0\r\n\r\n"), Kind::Nul);
    assert_eq!(kind("OPTIONS sip:h SIP/2.0\r\nX: \\\\\0\r\n\r\n"), Kind::Nul);
}

#[test]
fn the_header_section_is_utf8_and_the_body_is_not() {
    let bad = Bytes::from_static(b"OPTIONS sip:h SIP/2.0\r\nX: \xff\r\n\r\n");
    assert_eq!(Message::parse(bad).unwrap_err().kind, Kind::Utf8);
    let body = Bytes::from_static(b"OPTIONS sip:h SIP/2.0\r\nX: \xc3\xbc\r\n\r\n\xff\0");
    assert_eq!(Message::parse(body).unwrap().body(), b"\xff\0");
}

#[test]
fn content_length_is_digits_once_and_not_beyond_the_datagram() {
    let with = |lines: &str| format!("OPTIONS sip:h SIP/2.0\r\n{lines}\r\n\r\nabc");
    assert_eq!(parse(&with("l: 0003")).unwrap().body(), b"abc");
    assert_eq!(kind(&with("l: 4")), Kind::BodyTruncated);
    assert_eq!(kind(&with("l: -1")), Kind::ContentLength);
    assert_eq!(kind(&with("l: 18446744073709551617")), Kind::ContentLength);
    assert_eq!(kind(&with("l: 3\r\nContent-Length: 3")), Kind::RepeatedContentLength);
}

#[test]
fn limits_hold() {
    let lines = |count: usize| format!("OPTIONS sip:h SIP/2.0\r\n{}\r\n", "X: y\r\n".repeat(count));
    assert!(parse(&lines(MAX_HEADERS)).is_ok());
    assert_eq!(kind(&lines(MAX_HEADERS + 1)), Kind::TooManyHeaders);
    let long = format!("OPTIONS sip:h SIP/2.0\r\nX: {}\r\n\r\n", "y".repeat(8192));
    assert_eq!(kind(&long), Kind::HeaderTooLong);
    let line = format!("X: {}\r\n", "y".repeat(8000));
    let head = format!("OPTIONS sip:h SIP/2.0\r\n{}\r\n", line.repeat(9));
    assert_eq!(kind(&head), Kind::HeadTooLarge);
    let body = format!("OPTIONS sip:h SIP/2.0\r\n\r\n{}", "y".repeat(256 * 1024 + 1));
    assert_eq!(kind(&body), Kind::BodyTooLarge);
}

#[test]
fn missing_headers_are_errors_of_the_view() {
    let message = parse("OPTIONS sip:h SIP/2.0\r\nX: y\r\n\r\n").unwrap();
    assert_eq!(message.via().unwrap_err().kind, Kind::MissingHeader);
    assert_eq!(message.cseq().unwrap_err().kind, Kind::MissingHeader);
    assert!(message.from().is_err() && message.to().is_err());
    assert_eq!(message.call_id(), "");
    assert_eq!(message.max_forwards(), None);
}
