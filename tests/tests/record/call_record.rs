//! Call records of real calls: parties, times, reason, codec, and how well each direction was heard.

use std::net::UdpSocket;
use std::time::Duration;

use serde_json::{Value, json};
use tests::program::{CRM_TOKEN, LivePhone, Program, http, office};
use tests::row::Row;

/// The records of a line, as soon as there are so many.
fn records(program: &Program, line: &str, count: usize) -> Vec<Value> {
    let path = format!("/api/v1/call-records?line={line}");
    let answer = program.until(&path, |answer| {
        answer["items"].as_array().is_some_and(|items| items.len() >= count)
    });
    answer["items"].as_array().unwrap().clone()
}

/// The relay's RTCP port and the counters of a line's stream.
fn stream(program: &Program, line: &str) -> Value {
    let (_, answer) = program.get("/api/v1/media");
    let rows = answer["items"].as_array().unwrap();
    rows.iter().find(|row| row["line"] == line).unwrap().clone()
}

/// Sender report of an SSRC without blocks (RFC 3550 §6.4.1).
fn sender_report(ssrc: u32, ntp_middle: u32) -> Vec<u8> {
    let (high, low) = (ntp_middle >> 16, ntp_middle << 16);
    let words = [0x80c8_0006, ssrc, high, low, 8_000, 50, 8_000];
    words.iter().flat_map(|word: &u32| word.to_be_bytes()).collect()
}

/// Receiver report about one SSRC.
fn receiver_report(about: u32, lost: u32, jitter: u32, last_sr: u32) -> Vec<u8> {
    let words = [0x81c9_0007, 99, about, lost, 1_000, jitter, last_sr, 0];
    words.iter().flat_map(|word: &u32| word.to_be_bytes()).collect()
}

/// Tells the switch by RTCP what `hearer` heard of `speaker`, until it knows a round trip.
fn report(program: &Program, speaker: &LivePhone, hearer: &LivePhone, lost: u32, jitter: u32) {
    const SENT_AT: u32 = 0x1234_5678;
    let ssrc = speaker.with(|phone| phone.ssrc());
    let port = |phone: &LivePhone| {
        u16::try_from(stream(program, &phone.number())["port"].as_u64().unwrap()).unwrap() + 1
    };
    let (speaks, hears) =
        (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let (of_speaker, of_hearer) = (port(speaker), port(hearer));
    let number = hearer.number();
    program.until("/api/v1/media", |answer| {
        speaks.send_to(&sender_report(ssrc, SENT_AT), ("127.0.0.1", of_speaker)).unwrap();
        let block = receiver_report(ssrc, lost, jitter, SENT_AT);
        hears.send_to(&block, ("127.0.0.1", of_hearer)).unwrap();
        let mut rows = answer["items"].as_array().unwrap().iter();
        rows.any(|row| row["line"] == number.as_str() && !row["roundTripMs"].is_null())
    });
}

#[test]
fn a_record_tells_who_when_why_and_how_well_each_direction_was_heard_and_outlives_a_crash() {
    let program = Program::with_database(&office(|text| text));
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let (near, far) = a.talk_to(&b);
    a.hears(&b);
    b.hears(&a);
    // Two gaps, of three packets and of two.
    for gap in [3, 2] {
        a.with(|phone| phone.lose(gap));
        let sent = a.rtp().sent;
        a.until("it has spoken again", |phone| phone.rtp().sent >= sent + 5);
    }
    report(&program, &a, &b, 7, 160);
    let arrived = a.rtp().sent;
    program.until("/api/v1/media", |_| {
        stream(&program, "201")["packetsReceived"].as_u64().unwrap() >= arrived
    });
    assert_eq!(stream(&program, "201")["lossBursts"], 2);
    a.hang_up(near);
    b.ended(far);
    let record = records(&program, "201", 1).remove(0);
    assert_eq!(record["line"], "201");
    assert_eq!(record["trunk"], Value::Null);
    assert_eq!(record["origin"], "OUTBOUND");
    assert_eq!(record["reason"], "LINECALLREASON_DIRECT");
    assert_eq!([&record["caller"], &record["called"], &record["connected"]], ["201", "202", "202"]);
    assert_eq!(record["codec"], "PCMU");
    assert_eq!(record["disconnectMode"], Value::Null, "who hangs up is not disconnected");
    let time = |member: &str| record[member].as_u64().unwrap();
    assert!(time("began") <= time("answered") && time("answered") <= time("ended"));
    // The one is of a clock that cannot be set, the others are of the calendar: each is rounded for itself.
    assert!(time("talkMs").abs_diff(time("ended") - time("answered")) <= 1, "{record}");
    let received = &record["media"]["received"];
    assert_eq!([&received["lost"], &received["lossBursts"]], [5, 2]);
    assert!(received["packets"].as_u64().unwrap() >= arrived, "{received}");
    assert!(received["jitterMs"].is_u64());
    let lossy = received["mos"].as_f64().unwrap();
    assert!((1.0..4.4).contains(&lossy), "{received}");
    assert_eq!(record["media"]["sent"]["mos"], Value::Null, "its phone reported nothing");

    let far = records(&program, "202", 1).remove(0);
    assert_eq!(far["callId"], record["callId"]);
    assert_eq!(far["origin"], "INBOUND");
    assert_eq!([&far["caller"], &far["called"], &far["connected"]], ["201", "202", "201"]);
    assert_eq!(far["disconnectMode"], "LINEDISCONNECTMODE_NORMAL");
    let media = &far["media"];
    assert_eq!(media["received"]["lost"], 0);
    // 160 ticks of 8 kHz; as the phone said itself.
    assert_eq!([&media["sent"]["lost"], &media["sent"]["jitterMs"]], [7, 20]);
    // On one machine it may be nothing, rounded to a tenth.
    assert!(media["roundTripMs"].as_f64().unwrap() >= 0.0);
    let (good, poor) =
        (media["received"]["mos"].as_f64().unwrap(), media["sent"]["mos"].as_f64().unwrap());
    assert!(good > poor && good > 3.5, "{media}");

    assert_eq!(program.metric("media_packets_lost_total"), 5);
    assert_eq!(
        [program.metric("media_scores_total"), program.metric("media_round_trips_total")],
        [3, 1]
    );
    assert!(program.metric("media_mos_hundredths_total") > 300);

    // Reading the records has written them: the reader waits for the writer.
    let program = program.crash_and_restart();
    assert_eq!(records(&program, "201", 1), [record]);
    let output = program.command(&["call-records", "--line", "202", "--since", "1d"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(
        text.contains(" DIRECT ") && text.contains(" NORMAL ") && text.contains("PCMU"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[test]
fn calls_that_came_to_nothing_leave_records_and_questions_narrow_them() {
    let program = Program::start();
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    a.call("202");
    let far = b.incoming();
    b.reject(far, 486);
    a.failed();
    a.call("299");
    a.failed();
    // A failed call is kept for a while; its end is its record.
    let (_, calls) = program.get("/api/v1/calls");
    for call in calls["items"].as_array().unwrap() {
        let path = format!("/api/v1/calls/{}/drop", call["callId"]);
        program.post(&path, &json!({"line": call["line"]}));
    }
    let rows = records(&program, "201", 2);
    let told: Vec<[&Value; 3]> =
        rows.iter().map(|row| [&row["called"], &row["disconnectMode"], &row["answered"]]).collect();
    assert!(told.contains(&[&json!("202"), &json!("LINEDISCONNECTMODE_BUSY"), &Value::Null]));
    assert!(told.contains(&[&json!("299"), &json!("LINEDISCONNECTMODE_BADADDRESS"), &Value::Null]));
    let get = |path: &str| program.get(&format!("/api/v1/call-records{path}"));
    let items = |path: &str| get(path).1["items"].as_array().unwrap().clone();
    // The called line's view of the first call is there as well.
    let all = items("");
    assert_eq!(all.len(), 3);
    assert!(all.windows(2).all(|pair| pair[0]["id"].as_u64() > pair[1]["id"].as_u64()));
    let newest = all[0]["id"].as_u64().unwrap();
    assert_eq!(items(&format!("?before={newest}")), all[1..]);
    assert_eq!(items("?limit=1"), all[..1]);
    assert_eq!(items(&format!("?callId={}", all[0]["callId"])).len(), 1);
    let later = u64::try_from(Duration::from_secs(86_400).as_millis()).unwrap();
    let tomorrow = all[0]["ended"].as_u64().unwrap() + later;
    assert_eq!(items(&format!("?since={tomorrow}")), Vec::<Value>::new());
    assert_eq!(get("?since=yesterday").0, 400);
    let narrow = |path: &str| {
        let path = format!("/api/v1/call-records{path}");
        http(program.api, "GET", &path, Some(CRM_TOKEN), "").0
    };
    assert_eq!([narrow(""), narrow("?line=201"), narrow("?line=999")], [200, 200, 404]);
}

#[test]
fn no_more_records_are_kept_than_the_file_says() {
    let program = Program::with(office(|text| format!("{text}\n[call_records]\nmax = 0\n")));
    let a = program.live_phone("201");
    let near = a.call("*43");
    a.connected(near);
    a.hang_up(near);
    program.until("/api/v1/calls", |answer| answer["items"] == json!([]));
    assert_eq!(program.get("/api/v1/call-records"), (200, json!({"items": []})));
}

#[test]
fn a_call_through_a_trunk_leaves_the_record_of_the_line_and_that_of_the_outside_party() {
    let (row, outside) = Row::with_carrier(&["201"], |text| text);
    let program = &row.program;
    program.until("/api/v1/trunks", |answer| {
        answer["items"][0]["resolved"].as_array().is_some_and(|found| !found.is_empty())
    });
    let inside = program.live_phone("201");
    for (calls, origin) in [(1, "OUTBOUND"), (2, "INBOUND")] {
        let (a, b, dialled) = match origin {
            "OUTBOUND" => (&inside, &outside, "0301"),
            _ => (&outside, &inside, "201"),
        };
        let near = a.call(dialled);
        let far = b.incoming();
        b.answer(far);
        a.connected(near);
        b.connected(far);
        inside.hears(&outside);
        outside.hears(&inside);
        a.hang_up(near);
        b.ended(far);
        let all = program.until("/api/v1/call-records", |answer| {
            answer["items"].as_array().is_some_and(|items| items.len() >= 2 * calls)
        });
        let mut all = all["items"].as_array().unwrap().iter();
        let trunk = { all.by_ref() }.find(|row| row["trunk"] == "carrier").unwrap();
        let line = &records(program, "201", calls)[0];
        assert_eq!([&line["trunk"], &line["origin"]], [&Value::Null, &json!(origin)]);
        assert_eq!(trunk["callId"], line["callId"]);
        for row in [trunk, line] {
            assert!(row["talkMs"].is_u64() && row["answered"].is_u64(), "{row}");
            assert_eq!(row["codec"], "PCMU");
            assert!(row["media"]["received"]["packets"].as_u64().unwrap() > 0, "{row}");
            assert_eq!(row["media"]["received"]["lost"], 0);
        }
    }
    let output = program.command(&["call-records"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 5, "{text}");
}
