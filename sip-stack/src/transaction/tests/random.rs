//! Whatever comes in whatever order.

use proptest::prelude::*;

use super::*;

/// Pieces from which messages are made that fit, half fit and do not fit what went before.
fn any_message() -> impl Strategy<Value = String> {
    let methods = prop_oneof![
        Just("INVITE"),
        Just("ACK"),
        Just("CANCEL"),
        Just("BYE"),
        Just("OPTIONS"),
        Just("FOO")
    ];
    let branches = prop_oneof![
        Just(";branch=z9hG4bK1"),
        Just(";branch=z9hG4bK2;rport"),
        Just(";branch=z9hG4bK"),
        Just(";branch=1"),
        Just(""),
        Just(";received=::1;branch=z9hG4bK1;branch=z9hG4bK2")
    ];
    let hosts = prop_oneof![
        Just("192.0.2.9:5060"),
        Just("[2001:db8::1]"),
        Just("h"),
        Just(""),
        Just("192.0.2.9:99999")
    ];
    let tags = prop_oneof![Just(""), Just(";tag=1"), Just(";tag=")];
    let cseqs = prop_oneof![Just("1"), Just("2"), Just("4294967296"), Just("")];
    let starts = prop_oneof![Just(0u16), Just(100), Just(180), Just(200), Just(487), Just(699)];
    let junk = prop_oneof![Just(""), Just("Via: x\r\n"), Just("X: \u{e4},;\"\r\n")];
    (methods, branches, hosts, (tags.clone(), tags), cseqs, starts, junk).prop_map(
        |(method, branch, host, (from, to), cseq, status, junk)| {
            let start = match status {
                0 => format!("{method} sip:b@example.com SIP/2.0"),
                status => format!("SIP/2.0 {status} Reason"),
            };
            format!(
                "{start}\r\nVia: SIP/2.0/UDP {host}{branch}\r\n{junk}From: <sip:a@h>{from}\r\n\
                 To: <sip:b@h>{to}\r\nCall-ID: c\r\nCSeq: {cseq} {method}\r\n\r\n"
            )
        },
    )
}

proptest! {
    #[test]
    fn never_panics_and_always_empties(
        script in proptest::collection::vec((any_message(), 0u8..8, any::<u16>()), 0..40),
    ) {
        let mut bench = Bench::new();
        bench.send(&request("INVITE", "z9hG4bK1", 1, ""), Transport::Udp);
        let mut owed: Vec<(ServerKey, Message)> = Vec::new();
        let mut clients = Vec::new();
        for (text, action, number) in script {
            if let Ok(message) = Message::parse(Bytes::from(text)) {
                bench.receive(&message);
                while let Some(event) = bench.event() {
                    match event {
                        Event::Request { key, message, .. } => owed.push((key, message)),
                        Event::Response { key, .. } => clients.push(key),
                        _ => {}
                    }
                }
            }
            match action {
                0 | 1 => {
                    if let Some((key, message)) = owed.first().cloned() {
                        bench.respond(key, &message, 100 + number % 600);
                    }
                }
                2 => bench.pass(Duration::from_millis(number.into())),
                3 => {
                    let flow = flow_from(Transport::Udp, PEER);
                    bench.layer.transport_failed(bench.now, &flow, &mut bench.out);
                    bench.layer.check();
                }
                4 => {
                    for key in clients.drain(..) {
                        bench.layer.cancel(bench.now, key, &[], &mut bench.out);
                    }
                }
                _ => {}
            }
        }
        for (key, message) in owed {
            bench.respond(key, &message, 500);
        }
        for key in clients {
            bench.layer.cancel(bench.now, key, &[], &mut bench.out);
        }
        bench.pass(Duration::from_secs(200));
        prop_assert_eq!(bench.layer.server_count(), 0);
        // An INVITE of ours may ring for ever if its key was never seen; everything else is gone.
        prop_assert!(bench.layer.client_count() <= 1);
    }
}
