//! The machine's clock is set by a day, and by an hour back: the real program, with a wall clock that the
//! test sets (a library before the C library's, `wall_clock.c`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use switch::phone::PhoneEvent;
use tests::program::{Program, office};

use super::{can, serves};

const DAY: i64 = 86_400;

/// The library and the file with the seconds that are added.
struct WallClock {
    folder: tempfile::TempDir,
}

impl WallClock {
    /// Errors: there is no C compiler.
    fn build() -> Option<WallClock> {
        let folder = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fault/wall_clock.c");
        let library = folder.path().join("wall_clock.so");
        let (source, library) = (source.to_string_lossy(), library.to_string_lossy());
        let is_built = can(&["cc", "-shared", "-fPIC", "-O1", "-o", &library, &source]);
        let clock = WallClock { folder };
        clock.set(0);
        is_built.then_some(clock)
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("seconds")
    }

    /// So many seconds from the machine's clock.
    fn set(&self, seconds: i64) {
        use std::io::Write;
        let mut options = std::fs::OpenOptions::new();
        // The program has mapped this very file.
        let mut file = options.write(true).create(true).truncate(false).open(self.file()).unwrap();
        file.write_all(&seconds.to_ne_bytes()).unwrap();
    }

    /// The office with a database in the clock's folder, under this clock.
    fn office(&self, edit: impl FnOnce(String) -> String) -> Program {
        let database = self.folder.path().join("strowger.db");
        let text = office(|text| edit(text.replace(":memory:", &database.to_string_lossy())));
        let library = self.folder.path().join("wall_clock.so");
        let preload = format!("LD_PRELOAD={}", library.display());
        let file = format!("WALL_CLOCK={}", self.file().display());
        Program::through(text, &["env", &preload, &file])
    }
}

fn registered(program: &Program) -> usize {
    program.get("/api/v1/registrations").1["items"].as_array().unwrap().len()
}

/// What is up and waits when the clock is set, and has to be as it was afterwards.
fn lives_through(jump: i64) {
    let Some(clock) = WallClock::build() else { return };
    let program = clock.office(|text| text);
    let [a, b, c, d] = ["201", "202", "203", "204"].map(|line| program.live_phone(line));
    let (near, far) = a.talk_to(&b);
    let mut application = program.application("clock");
    // 203 waits until 202 is free.
    c.call("202");
    b.reject(b.incoming(), 486);
    assert_eq!(c.failed().0, 486);
    let code = c.call("*66");
    c.ended(code);
    let waiting = || program.get("/api/v1/completions").1["items"].as_array().unwrap().len();
    assert_eq!(waiting(), 1);
    let ban = json!({"source": "198.51.100.7", "duration": "10m"});
    assert_eq!(program.post("/api/v1/bans", &ban).0, 201);
    let before = program.get("/api/v1/bans").1["items"][0].clone();

    clock.set(jump);
    // Whatever reads the clock next notices.
    a.hears(&b);
    program.reaches("clock_jumps_total", 1);
    program.says("the machine's clock was set");
    let apart = program.metric("clock_apart_milliseconds");
    assert!(apart + 60_000 >= jump.unsigned_abs() * 1000, "{apart}");

    // Registrations have not ended, the call goes on, another can be made.
    assert_eq!(registered(&program), 4);
    assert_eq!(waiting(), 1);
    b.hears(&a);
    serves(&c, &d);
    // What was asked with a nonce of before is taken at once, without a new challenge.
    a.register(Duration::from_secs(300));
    // A ban is neither over nor longer.
    let after = program.get("/api/v1/bans").1["items"][0].clone();
    let moved = after["expiresAt"].as_i64().unwrap() - before["expiresAt"].as_i64().unwrap();
    assert!(moved.abs() < 60_000, "{before} {after}");
    // The application is still there, and its requests are answered.
    application.call("lineGetDevCaps", json!({"deviceId": 0})).unwrap();
    // The call's record tells how long it was, not how far the clock was set.
    a.hang_up(near);
    b.ended(far);
    let of_201 = |answer: &Value| -> Option<Value> {
        let rows = answer["items"].as_array()?;
        rows.iter().find(|row| row["line"] == "201").cloned()
    };
    let records = program.until("/api/v1/call-records", |answer| of_201(answer).is_some());
    let record = of_201(&records).unwrap();
    assert!(record["talkMs"].as_u64().unwrap() < 600_000, "{record}");
    let whole = record["ended"].as_i64().unwrap() - record["began"].as_i64().unwrap();
    assert!((0..600_000).contains(&whole), "{record}");
}

#[test]
fn nothing_ends_and_nothing_is_late_when_the_clock_is_set_a_day_ahead() {
    lives_through(DAY);
}

#[test]
fn nothing_ends_and_nothing_is_late_when_the_clock_is_set_an_hour_back() {
    lives_through(-3_600);
}

#[test]
fn what_an_application_gathers_ends_in_time_though_the_clock_is_set_back_meanwhile() {
    let Some(clock) = WallClock::build() else { return };
    let program = clock.office(|text| text);
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let mut application = program.application("clock");
    application.open("201");
    a.talk_to(&b);
    application.skip_to("201 INFO CONNECTEDID");
    clock.set(-3_600);
    program.reaches("clock_jumps_total", 1);
    let gather = json!({
        "hCall": application.handle("201"), "digitModes": "LINEDIGITMODE_DTMF", "numDigits": 3,
        "firstDigitTimeout": 300,
    });
    application.call("lineGatherDigits", gather).unwrap();
    application.skip_to("201 GATHERDIGITS FIRSTTIMEOUT");
}

#[test]
fn after_a_start_with_a_clock_that_was_set_back_bindings_last_no_longer_than_they_were_given() {
    let Some(clock) = WallClock::build() else { return };
    let program = clock.office(|text| text);
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    // Two bindings, and for each line what is familiar of its phone.
    program.has_written(4);
    clock.set(-DAY);
    let program = program.crash_and_restart();
    let rows = program.get("/api/v1/registrations").1["items"].as_array().unwrap().clone();
    assert_eq!(rows.len(), 2);
    for row in rows {
        assert!(row["expires"].as_u64().unwrap() <= 300, "{row}");
    }
    serves(&a, &b);
}

#[test]
fn after_a_start_with_a_clock_that_was_set_ahead_phones_are_found_when_they_register_again() {
    let Some(clock) = WallClock::build() else { return };
    let program = clock.office(|text| text);
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    // Two bindings, and for each line what is familiar of its phone.
    program.has_written(4);
    clock.set(DAY);
    let program = program.crash_and_restart();
    assert_eq!(registered(&program), 0);
    a.call("202");
    let refused = a.wait("a refusal", |event| match event {
        PhoneEvent::Failed { status, .. } => Some(*status),
        _ => None,
    });
    assert!((400..600).contains(&refused), "{refused}");
    for phone in [&a, &b] {
        phone.register(Duration::from_secs(300));
    }
    serves(&a, &b);
}
