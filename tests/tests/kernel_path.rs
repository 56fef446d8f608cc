//! The real program between two networks: a call's media goes through the kernel, and everybody sees it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed unwrap here is a failed test"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use fastpath::testbed::{MIDDLE_LEFT, Side, Testbed};
use serde_json::{Value, json};
use tests::program::{LivePhone, Program, TOKEN, http_with_head, office};

fn testbed() -> Option<Testbed> {
    let testbed = Testbed::new().and_then(|testbed| testbed.make_native().map(|()| testbed));
    testbed.inspect_err(|reason| eprintln!("SKIPPED: no network namespaces: {reason}")).ok()
}

/// Runs something in a thread of a namespace, and gives what it gave.
fn inside<T: Send + 'static>(
    testbed: &Testbed,
    side: Side,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    testbed.enter(side, work).join().unwrap().unwrap()
}

fn kernel(answer: &Value) -> &Value {
    answer["items"].as_array().unwrap().iter().find(|row| row["path"] == "kernel").unwrap()
}

/// The office between the networks, with more of its configuration, and a call of 201 on the left with
/// 202 on the right.
fn talking(
    testbed: &Testbed,
    more: &str,
) -> (Arc<Program>, [LivePhone; 2], sip_stack::endpoint::LegId) {
    let pins = testbed.pins().display().to_string();
    let more = more.to_owned();
    let config = office(move |text| {
        let address = MIDDLE_LEFT.to_string();
        text.replace("udp:127.0.0.1:0", &format!("udp:{address}:0")).replacen(
            "[media]\naddress = \"127.0.0.1\"",
            &format!("[media]\nfast_path_pins = \"{pins}\"\naddress = \"{address}\""),
            1,
        ) + &more
    });
    let program = Arc::new(inside(testbed, Side::Middle, || Program::with(config)));
    let phone = |side, number: &'static str| -> LivePhone {
        let program = Arc::clone(&program);
        inside(testbed, side, move || program.live_phone(number))
    };
    let (a, b) = (phone(Side::Left, "201"), phone(Side::Right, "202"));
    let near = a.call("202");
    let far = b.incoming();
    b.answer(far);
    a.connected(near);
    b.connected(far);
    (program, [a, b], near)
}

/// Waits until the kernel forwards so many streams.
fn until_kernel_has(testbed: &Testbed, program: &Arc<Program>, streams: u64) {
    let shared = Arc::clone(program);
    inside(testbed, Side::Middle, move || {
        shared.until("/api/v1/media/paths", |answer| kernel(answer)["streams"] == streams)
    });
}

#[test]
fn a_call_between_two_networks_goes_through_the_kernel_and_everybody_sees_it() {
    let Some(testbed) = testbed() else { return };
    let (program, [a, _b], near) = talking(&testbed, "");
    let shared = Arc::clone(&program);
    let (paths, media, table, metrics) = inside(&testbed, Side::Middle, move || {
        let paths = shared.until("/api/v1/media/paths", |answer| {
            kernel(answer)["streams"] == 2 && kernel(answer)["packets"].as_u64().unwrap() > 20
        });
        let media = shared.get("/api/v1/media").1;
        let table = shared.command(&["media", "--paths"]).stdout;
        let (_, _, metrics) = http_with_head(shared.api, "GET", "/metrics", Some(TOKEN), "");
        (paths, media, String::from_utf8_lossy(&table).into_owned(), metrics)
    });
    let row = kernel(&paths);
    assert_eq!(
        (&row["off"], &row["unpinned"], &row["orphans"]),
        (&json!(null), &json!(null), &json!(0))
    );
    let interfaces = row["interfaces"].to_string();
    assert!(interfaces.contains("left: tc") && interfaces.contains("right: tc"));
    for row in media["items"].as_array().unwrap() {
        assert!(row["packetsKernel"].as_u64().unwrap() > 0, "{row}");
        assert_eq!(row["packetsLost"], 0, "{row}");
    }
    assert!(table.contains("left: tc"), "{table}");
    assert!(metrics.contains("\nstrowger_media_kernel_path 1\n"), "{metrics}");
    assert!(metrics.contains("\nstrowger_media_kernel_streams 2\n"), "{metrics}");

    // A hold takes it back, a resumption gives it to the kernel again.
    a.hold(near);
    until_kernel_has(&testbed, &program, 0);
    a.resume(near);
    until_kernel_has(&testbed, &program, 2);
    a.hang_up(near);
    until_kernel_has(&testbed, &program, 0);
}

/// Sequence numbers of the RTP packets of a pcap file, by the port they came from.
fn sequences(path: &Path) -> BTreeMap<u16, Vec<u16>> {
    let file = std::fs::read(path).unwrap();
    let mut rest = &file[24..];
    let mut all: BTreeMap<u16, Vec<u16>> = BTreeMap::new();
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
        let packet = &rest[16..16 + length];
        let word = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
        all.entry(word(20)).or_default().push(word(30));
        rest = &rest[16 + length..];
    }
    all
}

/// Waits until both have heard so many more packets.
fn speak(phones: &[LivePhone; 2], packets: u64) {
    for phone in phones {
        let before = phone.rtp().received;
        phone.wait_for_packets(before + packets);
    }
}

#[test]
fn a_call_in_the_kernel_that_is_recorded_comes_back_to_user_space_and_nothing_of_it_is_lost() {
    let Some(testbed) = testbed() else { return };
    let folder = tempfile::tempdir().unwrap();
    let more = format!("\n[recording]\nfolder = \"{}\"\n", folder.path().display());
    let (program, phones, near) = talking(&testbed, &more);
    until_kernel_has(&testbed, &program, 2);
    speak(&phones, 25);
    let shared = Arc::clone(&program);
    let (path, file) = inside(&testbed, Side::Middle, move || {
        let calls = shared.get("/api/v1/calls").1;
        let path = format!("/api/v1/calls/{}", calls["items"][0]["callId"]);
        let wish = json!({"line": "201", "format": "pcap"});
        let (status, answer) = shared.post(&format!("{path}/record"), &wish);
        assert_eq!(status, 200, "{answer}");
        (path, answer["file"].as_str().unwrap().to_owned())
    });
    // What the other one says goes to the recorded party: neither direction stays in the kernel.
    until_kernel_has(&testbed, &program, 0);
    speak(&phones, 100);
    let (shared, name) = (Arc::clone(&program), file.clone());
    let row = inside(&testbed, Side::Middle, move || {
        let stop = shared.post(&format!("{path}/stop-recording"), &json!({"line": "201"}));
        assert_eq!(stop.0, 200, "{stop:?}");
        let rows = shared.until("/api/v1/recordings", |answer| {
            answer["items"][0]["file"] == *name && !answer["items"][0]["ended"].is_null()
        });
        rows["items"][0].clone()
    });
    assert_eq!([&row["state"], &row["lost"]], [&json!("finished"), &json!(0)]);
    // The kernel has it again.
    until_kernel_has(&testbed, &program, 2);
    speak(&phones, 25);
    let shared = Arc::clone(&program);
    let media = inside(&testbed, Side::Middle, move || shared.get("/api/v1/media").1);
    for row in media["items"].as_array().unwrap() {
        assert_eq!(row["packetsLost"], 0, "{row}");
    }
    phones[0].hang_up(near);
    until_kernel_has(&testbed, &program, 0);
    let recorded = sequences(&folder.path().join(&file));
    assert_eq!(recorded.len(), 2, "both directions");
    for numbers in recorded.values() {
        assert!(numbers.len() >= 100, "{}", numbers.len());
        let is_whole = numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1));
        assert!(is_whole, "{numbers:?}");
    }
    let packets: usize = recorded.values().map(Vec::len).sum();
    assert_eq!(row["packets"], packets);
}
