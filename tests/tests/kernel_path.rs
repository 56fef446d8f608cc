//! The real program between two networks: a call's media goes through the kernel, and everybody sees it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed unwrap here is a failed test"
)]

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

#[test]
fn a_call_between_two_networks_goes_through_the_kernel_and_everybody_sees_it() {
    let Some(testbed) = testbed() else { return };
    let pins = testbed.pins().display().to_string();
    let config = office(move |text| {
        let address = MIDDLE_LEFT.to_string();
        text.replace("udp:127.0.0.1:0", &format!("udp:{address}:0")).replacen(
            "[media]\naddress = \"127.0.0.1\"",
            &format!("[media]\nfast_path_pins = \"{pins}\"\naddress = \"{address}\""),
            1,
        )
    });
    let program = Arc::new(inside(&testbed, Side::Middle, || Program::with(config)));
    let phone = |side, number: &'static str| -> LivePhone {
        let program = Arc::clone(&program);
        inside(&testbed, side, move || program.live_phone(number))
    };
    let (a, b) = (phone(Side::Left, "201"), phone(Side::Right, "202"));
    let near = a.call("202");
    let far = b.incoming();
    b.answer(far);
    a.connected(near);
    b.connected(far);

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
    let shared = Arc::clone(&program);
    inside(&testbed, Side::Middle, move || {
        shared.until("/api/v1/media/paths", |answer| kernel(answer)["streams"] == 0)
    });
    a.resume(near);
    let shared = Arc::clone(&program);
    inside(&testbed, Side::Middle, move || {
        shared.until("/api/v1/media/paths", |answer| kernel(answer)["streams"] == 2)
    });
    a.hang_up(near);
    let shared = Arc::clone(&program);
    inside(&testbed, Side::Middle, move || {
        shared.until("/api/v1/media/paths", |answer| kernel(answer)["streams"] == 0)
    });
}
