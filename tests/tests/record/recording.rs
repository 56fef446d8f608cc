//! Recordings of real calls: on request, by rule, in both kinds of file, and on a disk that says no.

use std::path::Path;
use std::process::Command;

use config::{Srtp, SrtpKeys};
use serde_json::{Value, json};
use switch::phone::Behaviour;
use tests::program::{LivePhone, Program, office};

const LEFT_HZ: u16 = 600;
const RIGHT_HZ: u16 = 1_300;

/// The office that records into a folder, and more of its configuration.
fn recording_office(folder: &Path, more: &str) -> Program {
    recording_office_with(folder, more, |text| text)
}

/// The same with other changes of its configuration.
fn recording_office_with(
    folder: &Path,
    more: &str,
    edit: impl FnOnce(String) -> String,
) -> Program {
    let folder = folder.to_string_lossy().into_owned();
    Program::with(office(|text| {
        let text = edit(text.replace("[lines.203]", "[lines.203]\nrecord = true"));
        format!("{text}\n[recording]\nfolder = \"{folder}\"\n{more}")
    }))
}

/// Two phones that hum at each other, and the call's dwCallID.
fn humming(
    program: &Program,
    near: &LivePhone,
    far: &LivePhone,
) -> (sip_stack::endpoint::LegId, u64) {
    let leg = near.call(&far.number());
    let other = far.incoming();
    far.answer(other);
    near.connected(leg);
    far.connected(other);
    assert!(near.with(|phone| phone.hum(leg, LEFT_HZ)));
    assert!(far.with(|phone| phone.hum(other, RIGHT_HZ)));
    let calls = program.until("/api/v1/calls", |answer| {
        let rows = answer["items"].as_array().unwrap();
        rows.iter().filter(|row| row["callState"] == "LINECALLSTATE_CONNECTED").count() == 2
    });
    (leg, calls["items"][0]["callId"].as_u64().unwrap())
}

fn wait_for_speech(phones: [&LivePhone; 2]) {
    for phone in phones {
        let before = phone.rtp();
        phone.until("a second and a half of speech", |phone| {
            let now = phone.rtp();
            now.sent >= before.sent + 75 && now.received >= before.received + 75
        });
    }
}

/// The row of a recording that is over.
fn finished(program: &Program, file: &str) -> Value {
    let row = |answer: &Value| {
        let rows = answer["items"].as_array().unwrap();
        rows.iter().find(|row| row["file"] == file && !row["ended"].is_null()).cloned()
    };
    row(&program.until("/api/v1/recordings", |answer| row(answer).is_some())).unwrap()
}

/// Rate and channels of a WAV file.
fn sound(path: &Path) -> (u32, [Vec<i16>; 2]) {
    let file = std::fs::read(path).unwrap();
    assert_eq!((&file[..4], &file[8..12]), (&b"RIFF"[..], &b"WAVE"[..]));
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    assert_eq!(word(40) as usize, file.len() - 44, "the header says the true length");
    let channel = |first: usize| -> Vec<i16> {
        let frames = file[44..].chunks_exact(4);
        frames.map(|frame| i16::from_le_bytes([frame[first], frame[first + 1]])).collect()
    };
    (word(24), [channel(0), channel(2)])
}

/// How much of the power of what is not silent is at one frequency.
fn share(samples: &[i16], rate_hz: u32, frequency_hz: u16) -> f64 {
    // Frames in which nothing came would break the tone's phase: each tenth of a second by itself.
    let chunks = samples.chunks_exact(rate_hz as usize / 10);
    let loud = chunks.filter(|chunk| chunk.iter().any(|sample| sample.unsigned_abs() > 1_000));
    let shares: Vec<f64> = loud
        .map(|chunk| {
            let step = std::f64::consts::TAU * f64::from(frequency_hz) / f64::from(rate_hz);
            let (mut re, mut im, mut total) = (0.0, 0.0, 0.0);
            for (n, sample) in chunk.iter().enumerate() {
                let (value, angle) = (f64::from(*sample), step * n as f64);
                re += value * angle.cos();
                im += value * angle.sin();
                total += value * value;
            }
            2.0 * (re * re + im * im) / (total * chunk.len() as f64)
        })
        .collect();
    assert!(!shares.is_empty(), "all is silence");
    let mut sorted = shares.clone();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

#[test]
fn a_call_is_recorded_on_request_each_party_in_its_channel_and_the_shell_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let program = recording_office(folder.path(), "");
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let (leg, call_id) = humming(&program, &a, &b);
    let path = format!("/api/v1/calls/{call_id}/record");
    let (status, answer) = program.post(&path, &json!({"line": "201"}));
    assert_eq!(status, 200, "{answer}");
    let file = answer["file"].as_str().unwrap().to_owned();
    assert_eq!(program.post(&path, &json!({"line": "201"})).1, answer, "it is recorded already");
    wait_for_speech([&a, &b]);
    let output = program.command(&["record", &call_id.to_string(), "201", "--stop"]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), file);
    let row = finished(&program, &file);
    assert_eq!(
        [&row["state"], &row["by"], &row["lost"]],
        [&json!("finished"), &json!("request"), &json!(0)]
    );
    assert!(row["packets"].as_u64().unwrap() >= 150, "{row}");
    let (rate_hz, [left, right]) = sound(&folder.path().join(&file));
    assert_eq!(rate_hz, 8_000);
    assert!(share(&left, rate_hz, LEFT_HZ) > 0.9 && share(&left, rate_hz, RIGHT_HZ) < 0.01);
    assert!(share(&right, rate_hz, RIGHT_HZ) > 0.9 && share(&right, rate_hz, LEFT_HZ) < 0.01);
    // The call goes on, and can be recorded again: as packets this time.
    let (status, answer) = program.post(&path, &json!({"line": "202", "format": "pcap"}));
    assert_eq!(status, 200, "{answer}");
    wait_for_speech([&a, &b]);
    a.hang_up(leg);
    let packets = answer["file"].as_str().unwrap().to_owned();
    let row = finished(&program, &packets);
    let size = std::fs::metadata(folder.path().join(&packets)).unwrap().len();
    // A header, and of each packet one of the file, IP, UDP, RTP and 20 ms of G.711.
    assert_eq!(size, 24 + row["packets"].as_u64().unwrap() * (16 + 20 + 8 + 12 + 160));
    let shown = String::from_utf8(program.command(&["recordings"]).stdout).unwrap();
    assert!(shown.contains(&file) && shown.contains(&packets), "{shown}");
    let (_, records) = program.get("/api/v1/call-records?line=201");
    assert_eq!(records["items"][0]["recordings"], json!([file]));
}

#[test]
fn a_line_with_the_rule_is_recorded_from_its_answer_to_its_end_and_others_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let program = recording_office(folder.path(), "format = \"wav\"\n");
    let (b, c) = (program.live_phone("202"), program.live_phone("203"));
    let (leg, call_id) = humming(&program, &b, &c);
    let rows = program.until("/api/v1/recordings", |answer| answer["items"] != json!([]));
    assert_eq!(rows["items"].as_array().unwrap().len(), 1);
    let row = &rows["items"][0];
    assert_eq!([&row["line"], &row["other"], &row["by"]], ["203", "202", "line"]);
    assert_eq!(row["callId"], call_id);
    let file = row["file"].as_str().unwrap().to_owned();
    wait_for_speech([&b, &c]);
    b.hang_up(leg);
    finished(&program, &file);
    let (rate_hz, [left, right]) = sound(&folder.path().join(&file));
    assert!(share(&left, rate_hz, RIGHT_HZ) > 0.9, "203 is the party");
    assert!(share(&right, rate_hz, LEFT_HZ) > 0.9);
}

#[test]
fn a_disk_that_says_no_is_told_and_the_call_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let program = recording_office(&file.join("calls"), "");
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let leg = a.call("202");
    let far = b.incoming();
    b.answer(far);
    a.connected(leg);
    let calls = program.until("/api/v1/calls", |answer| {
        let rows = answer["items"].as_array().unwrap();
        rows.len() == 2 && rows.iter().all(|row| row["callState"] == "LINECALLSTATE_CONNECTED")
    });
    let path = format!("/api/v1/calls/{}/record", calls["items"][0]["callId"]);
    let (status, answer) = program.post(&path, &json!({"line": "201"}));
    assert_eq!(status, 200, "{answer}");
    let row = finished(&program, answer["file"].as_str().unwrap());
    assert_eq!(row["state"], "failed");
    assert!(row["reason"].as_str().unwrap().contains("Not a directory"), "{row}");
    program.says("ended early (Not a directory");
    let (_, metrics) = program.get("/metrics");
    assert!(metrics.as_str().unwrap().contains("\nstrowger_recordings_failed_total 1\n"));
    a.hears(&b);
    b.hears(&a);
    assert_eq!(program.post("/api/v1/calls/1/record", &json!({"line": "201"})).0, 404);
}

/// Asserts that a recording's channels are two hums and nothing else.
fn is_of(path: &Path, [left_hz, right_hz]: [u16; 2]) {
    let (rate_hz, [left, right]) = sound(path);
    assert!(share(&left, rate_hz, left_hz) > 0.9, "the left is the party");
    assert!(share(&right, rate_hz, right_hz) > 0.9, "the right is what it hears");
}

#[test]
fn a_queue_with_the_rule_records_what_its_agents_talk_with_its_callers_and_no_other_call() {
    let folder = tempfile::tempdir().unwrap();
    let program = recording_office_with(folder.path(), "", |text| {
        text.replace("[queues.support]\n", "[queues.support]\nrecord = true\n")
    });
    let (caller, agent) = (program.live_phone("201"), program.live_phone("204"));
    // A call of the agent that has nothing to do with the queue.
    let (leg, _) = humming(&program, &agent, &caller);
    agent.hang_up(leg);
    program.until("/api/v1/calls", |answer| answer["items"] == json!([]));
    assert_eq!(program.post("/api/v1/agents/jane/login", &json!({"line": "204"})).0, 200);
    let near = caller.call("600");
    let far = agent.incoming();
    agent.answer(far);
    caller.connected(near);
    agent.connected(far);
    assert!(caller.with(|phone| phone.hum(near, LEFT_HZ)));
    assert!(agent.with(|phone| phone.hum(far, RIGHT_HZ)));
    let rows = program.until("/api/v1/recordings", |answer| answer["items"] != json!([]));
    let row = &rows["items"][0];
    assert_eq!([&row["line"], &row["other"], &row["by"]], ["204", "201", "queue"]);
    wait_for_speech([&caller, &agent]);
    caller.hang_up(near);
    let file = row["file"].as_str().unwrap();
    let row = finished(&program, file);
    assert_eq!([&row["state"], &row["lost"]], [&json!("finished"), &json!(0)]);
    is_of(&folder.path().join(file), [RIGHT_HZ, LEFT_HZ]);
    let rows = program.get("/api/v1/recordings").1;
    assert_eq!(rows["items"].as_array().unwrap().len(), 1, "{rows}");
}

#[test]
fn of_a_call_with_srtp_the_sound_is_recorded_and_not_the_secret() {
    let folder = tempfile::tempdir().unwrap();
    let program = recording_office_with(folder.path(), "", |text| {
        let text = text.replace("[media]\n", "[media]\nsdes_without_tls = true\n");
        text.replace("[lines.201]\n", "[lines.201]\nsrtp = \"required\"\n")
            .replace("[lines.202]\n", "[lines.202]\nsrtp = \"required\"\n")
    });
    let [a, b] = ["201", "202"].map(|line| {
        let behaviour =
            Behaviour { srtp: (Srtp::Required, SrtpKeys::Sdes), ..Behaviour::default() };
        program.live_phone_with(line, behaviour)
    });
    let (leg, call_id) = humming(&program, &a, &b);
    assert!(a.with(|phone| phone.speaks_srtp()) && b.with(|phone| phone.speaks_srtp()));
    let path = format!("/api/v1/calls/{call_id}/record");
    let (status, answer) = program.post(&path, &json!({"line": "201"}));
    assert_eq!(status, 200, "{answer}");
    wait_for_speech([&a, &b]);
    a.hang_up(leg);
    let file = answer["file"].as_str().unwrap();
    assert_eq!(finished(&program, file)["lost"], 0);
    is_of(&folder.path().join(file), [LEFT_HZ, RIGHT_HZ]);
}

/// A file system that is full after some seconds of sound; gone when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new() -> Option<SmallDisk> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=32k", "none"]).arg(folder.path());
        let is_mounted = mount.output().is_ok_and(|output| output.status.success());
        is_mounted.then_some(SmallDisk(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn when_the_disk_is_full_the_recording_says_so_keeps_what_it_has_and_the_call_goes_on() {
    let Some(disk) = SmallDisk::new() else {
        eprintln!("SKIPPED: no file system can be mounted");
        return;
    };
    let folder = disk.0.path().to_owned();
    let program = recording_office(&folder, "");
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let (leg, call_id) = humming(&program, &a, &b);
    let path = format!("/api/v1/calls/{call_id}/record");
    let (status, answer) = program.post(&path, &json!({"line": "201"}));
    assert_eq!(status, 200, "{answer}");
    let file = answer["file"].as_str().unwrap();
    let row = finished(&program, file);
    assert_eq!(row["state"], "failed");
    assert!(row["reason"].as_str().unwrap().contains("No space left"), "{row}");
    program.says("ended early (No space left");
    let part = folder.join(format!(".{file}.part"));
    assert!(std::fs::metadata(&part).unwrap().len() > 8_000, "what was heard is there");
    assert!(!folder.join(file).exists());
    wait_for_speech([&a, &b]);
    // When there is room again, the same call can be recorded.
    std::fs::remove_file(&part).unwrap();
    let (status, answer) = program.post(&path, &json!({"line": "201"}));
    assert_eq!(status, 200, "{answer}");
    let file = answer["file"].as_str().unwrap();
    let (status, _) =
        program.post(&format!("/api/v1/calls/{call_id}/stop-recording"), &json!({"line": "201"}));
    assert_eq!(status, 200);
    assert_eq!(finished(&program, file)["state"], "finished");
    a.hang_up(leg);
}
