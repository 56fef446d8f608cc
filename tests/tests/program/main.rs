//! The program as a process: commands, exit codes, reload; [`start`] has what keeps it from running, [`stop`] its end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed unwrap here is a failed test, which waits for real programs"
)]

mod start;
mod stop;

use std::net::TcpListener;
use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};
use sip_stack::time::Seeded;
use switch::phone::Phone;
use tests::program::{LivePhone, Program, TOKEN, binary, office, run};

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The output of a command that must succeed.
fn done(output: Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    assert_eq!(stderr(&output), "");
    stdout(&output)
}

/// The complaint of a command that must end with this code.
fn refused(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{}{}", stdout(output), stderr(output));
    let text = stderr(output);
    assert!(!text.contains("panicked"), "{text}");
    text
}

/// One plain sentence that says what to do.
fn is_sentence(text: &str) {
    let text = text.trim_end_matches('\n');
    assert!(!text.is_empty() && !text.contains('\n'), "{text:?} is not one line");
    assert!(text.ends_with('.') || text.contains("; expected"), "{text:?}");
    assert!(!text.contains("Error {") && !text.contains("Os {"), "{text:?} is no plain language");
}

fn rewrite(program: &Program, edit: impl FnOnce(String) -> String) {
    let text = std::fs::read_to_string(&program.config).unwrap();
    std::fs::write(&program.config, edit(text)).unwrap();
}

#[test]
fn one_line_says_that_every_listener_is_bound_and_where() {
    let mut program = Program::start();
    let words: Vec<&str> = program.ready.trim_end().split(' ').collect();
    let [name, ready, sip, api] = words.as_slice() else { panic!("{:?}", program.ready) };
    assert_eq!((*name, *ready), ("strowger", "ready"));
    let listeners: Vec<&str> = sip.strip_prefix("sip=").unwrap().split(',').collect();
    assert_eq!(listeners[0], format!("udp:{}", program.sip));
    let tcp = listeners[1].strip_prefix("tcp:").unwrap();
    std::net::TcpStream::connect(tcp).unwrap();
    assert_eq!(*api, format!("api={}", program.api));
    program.signal("TERM");
    assert_eq!(program.wait_for_exit(), Some(0));
    assert_eq!(program.said(), "", "stdout has the ready line and nothing else");
}

#[test]
fn a_sound_configuration_is_checked_with_exit_0() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("office.toml");
    std::fs::write(&file, office(|text| text)).unwrap();
    let said = done(run(&["check", &file.to_string_lossy()]));
    assert!(said.contains("no faults, 6 lines"), "{said}");
}

#[test]
fn every_fault_is_named_with_file_line_column_and_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    let text = office(|text| {
        text.replace("min_expires = \"5s\"", "min_expires = 5")
            .replace("strategy = \"simultaneous\"", "strategy = \"all-at-once\"")
            .replace("ring_timeout = \"20s\"", "ring_timout = \"20s\"")
            .replace("pickup_group = \"support\"", "pickup_group = \"supprot\"")
    });
    std::fs::write(&file, &text).unwrap();
    let name = file.to_string_lossy();
    let said = refused(&run(&["check", &name]), 1);
    let line_of = |wanted: &str| text.lines().position(|line| line.contains(wanted)).unwrap() + 1;
    for (wanted, words) in [
        ("min_expires = 5", "expected a duration"),
        ("all-at-once", "expected"),
        ("ring_timout", "did you mean \"ring_timeout\"?"),
        ("supprot", "did you mean \"support\"?"),
    ] {
        let place = format!("{name}:{}:", line_of(wanted));
        let line = said.lines().find(|line| line.starts_with(&place));
        let line = line.unwrap_or_else(|| panic!("nothing at {place} in\n{said}"));
        let column = line[place.len()..].split(':').next().unwrap();
        assert!(column.parse::<usize>().is_ok_and(|column| column > 0), "{line}");
        assert!(line.contains(words), "{line}");
    }
    assert_eq!(refused(&run(&["run", "--config", &name]), 1), said, "run says the same");
}

#[test]
fn a_file_that_is_no_toml_or_not_there_is_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    std::fs::write(&file, "domain = [\n").unwrap();
    let said = refused(&run(&["check", &file.to_string_lossy()]), 1);
    assert!(said.starts_with(&format!("{}:", file.display())), "{said}");
    std::fs::write(&file, [0xff, 0xfe, 0x00]).unwrap();
    refused(&run(&["check", &file.to_string_lossy()]), 1);
    let missing = folder.path().join("missing.toml");
    let said = refused(&run(&["check", &missing.to_string_lossy()]), 1);
    assert!(said.contains("missing.toml") && said.lines().count() == 1, "{said}");
    let said = refused(&run(&["run", "--config", &missing.to_string_lossy()]), 1);
    assert!(said.contains("missing.toml") && said.lines().count() == 1, "{said}");
}

#[test]
fn a_new_configuration_runs_and_its_phone_registers_as_init_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new.toml");
    let said = done(run(&["init", &file.to_string_lossy()]));
    let password = said.split_once("user 201, password ").unwrap().1.lines().next().unwrap();
    let again = run(&["init", &file.to_string_lossy()]);
    is_sentence(&refused(&again, 1));
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text
        .replace("127.0.0.1:5060", "127.0.0.1:0")
        .replace("127.0.0.1:8080", "127.0.0.1:0")
        .replace("strowger.db", &folder.path().join("strowger.db").to_string_lossy());
    let program = Program::with(text);
    let entropy = Box::new(Seeded::new(1));
    let phone = Phone::new("201", password, "office.test", program.sip, entropy).unwrap();
    LivePhone::start(phone).register(Duration::from_secs(60));
    assert!(folder.path().join("strowger.db").exists());
}

#[test]
fn the_demonstration_plays_every_step_and_exits_0() {
    let said = done(run(&["demo"]));
    let states = ["ONHOLD", "CONNECTED", "DISCONNECTED", "IDLE"];
    let steps = [
        "REGISTER",
        "REFER with Replaces",
        "lineSetupTransfer",
        "lineSwapHold",
        "lineCompleteTransfer CONFERENCE",
        "REFER to 700",
        "INVITE 701",
        "INVITE *8",
        "INVITE *72203",
        "INVITE *66",
        "lineCompleteCall CALLBACK",
    ];
    for words in states.into_iter().chain(steps) {
        assert!(said.contains(words), "no {words} in\n{said}");
    }
}

#[test]
fn tables_show_the_running_switch_as_text_and_as_json() {
    let (program, a, _b, _near, _far) = Program::talking();
    let json = |command: &str| -> Value {
        let said = done(program.command(&[command, "--json"]));
        let answer: Value = serde_json::from_str(&said).unwrap();
        answer["items"].clone()
    };
    let text = |command: &str| done(program.command(&[command]));
    let titles = |table: &str| table.lines().next().unwrap().to_owned();

    let lines = json("lines");
    assert_eq!(lines.as_array().unwrap().len(), 6);
    assert_eq!(lines[0]["line"], "201");
    assert_eq!((&lines[0]["registered"], &lines[0]["calls"]), (&json!(true), &json!(1)));
    assert_eq!((&lines[2]["registered"], &lines[2]["calls"]), (&json!(false), &json!(0)));
    let table = text("lines");
    assert!(titles(&table).starts_with("LINE"), "{table}");
    assert!(table.lines().any(|row| row.starts_with("201") && row.contains("Ada")), "{table}");

    let registrations = json("registrations");
    assert_eq!(registrations.as_array().unwrap().len(), 2);
    let source = a.with(|phone| phone.address().to_string());
    assert_eq!(registrations[0]["source"], source);
    assert_eq!(registrations[0]["transport"], "udp");
    assert!(text("registrations").contains(&source));

    let calls = json("calls");
    let calls = calls.as_array().unwrap();
    let states: Vec<(&Value, &Value)> =
        calls.iter().map(|row| (&row["line"], &row["callState"])).collect();
    let connected = json!("LINECALLSTATE_CONNECTED");
    assert_eq!(states.len(), 2);
    assert!(states.contains(&(&json!("201"), &connected)));
    assert!(states.contains(&(&json!("202"), &connected)));
    assert_eq!(calls[0]["callId"], calls[1]["callId"]);
    let table = text("calls");
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(table.contains(&calls[0]["callId"].to_string()), "{table}");

    let media = json("media");
    assert_eq!(media.as_array().unwrap().len(), 2);
    assert!(media[0]["port"].as_u64().is_some_and(|port| port % 2 == 0));
    assert_eq!(text("media").lines().count(), 3);

    let trunks = json("trunks");
    assert_eq!(trunks[0]["trunk"], "carrier");
    assert!(text("trunks").contains("carrier"));
}

#[test]
fn events_are_followed_from_a_number_one_line_each() {
    let program = Program::start();
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let (near, _) = a.talk_to(&b);
    let mut json_lines = program.follow(&["events", "--json", "--after", "0"]);
    let first: Value = serde_json::from_str(&json_lines.wait(|_| true)).unwrap();
    assert_eq!(first["number"], 1);
    let mut last = 1;
    let mut text_lines = program.follow(&["events", "--after", "0"]);
    text_lines.wait(|line| {
        line.contains("LINE_CALLSTATE")
            && line.contains("line=202")
            && line.contains("callState=LINECALLSTATE_CONNECTED")
    });
    a.hang_up(near);
    loop {
        let event: Value = serde_json::from_str(&json_lines.wait(|_| true)).unwrap();
        last += 1;
        assert_eq!(event["number"], last, "{event}");
        if event["callState"] == "LINECALLSTATE_IDLE" && event["line"] == "202" {
            break;
        }
    }
    text_lines.wait(|line| line.contains("line=202") && line.contains("LINECALLSTATE_IDLE"));
}

#[test]
fn a_table_can_be_watched() {
    let program = Program::start();
    let mut watch = program.follow(&["lines", "--json", "--watch"]);
    let registered = |line: &str| {
        let answer: Value = serde_json::from_str(line).unwrap();
        answer["items"][0]["registered"] == true
    };
    assert!(!registered(&watch.wait(|_| true)));
    let _phone = program.live_phone("201");
    watch.wait(registered);
}

#[test]
fn one_tapi_operation_from_a_shell_waits_for_its_reply() {
    let program = Program::start();
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let tapi = |method: &str, params: Value| -> Value {
        let said = done(program.command(&["tapi", method, &params.to_string()]));
        serde_json::from_str(&said).unwrap()
    };
    assert_eq!(tapi("lineGetDevCaps", json!({"deviceId": 1}))["lineName"], "202");
    assert_eq!(tapi("lineGetDevCaps", json!({"line": "203"}))["lineName"], "203");
    assert_eq!(tapi("lineInitializeEx", json!({}))["numDevs"], 7, "six phones and a queue");
    let made = tapi("lineMakeCall", json!({"line": "201", "destAddress": "202"}));
    assert_eq!(made["result"], 0);
    let far = b.incoming();
    b.answer(far);
    b.connected(far);
    let calls = program.until("/api/v1/calls", |answer| {
        let rows = answer["items"].as_array().unwrap();
        rows.len() == 2 && rows.iter().all(|row| row["callState"] == "LINECALLSTATE_CONNECTED")
    });
    let call_id = calls["items"][0]["callId"].clone();
    let info = tapi("lineGetCallInfo", json!({"line": "202"}));
    assert_eq!((&info["callId"], &info["callerId"]), (&call_id, &json!("201")));
    assert_eq!(tapi("lineHold", json!({"line": "201", "callId": call_id}))["result"], 0);
    let status = tapi("lineGetCallStatus", json!({"line": "201"}));
    assert_eq!(status["callState"], "LINECALLSTATE_ONHOLD");
    assert_eq!(tapi("lineUnhold", json!({"line": "201"}))["result"], 0);
    let status = tapi("lineGetLineDevStatus", json!({"line": "201"}));
    assert_eq!(status["numOpens"], 1, "nothing of the commands before is left: {status}");
    assert_eq!(tapi("lineDrop", json!({"line": "201"}))["result"], 0);
    b.ended(far);
    drop(a);
    for (method, params, words) in [
        ("lineDrop", json!({"line": "201"}), "the line has no call"),
        ("lineOpen", json!({"line": "299", "privileges": 2}), "LINEERR_BADDEVICEID"),
        ("lineMakeCall", json!({"line": "203", "destAddress": "202"}), "LINEERR_INVALLINESTATE"),
        ("lineFly", json!({}), "lineFly"),
    ] {
        let complaint = refused(&program.command(&["tapi", method, &params.to_string()]), 1);
        is_sentence(&complaint);
        assert!(complaint.contains(words), "{complaint}");
    }
    let complaint = refused(&program.command(&["tapi", "lineDrop", "{"]), 2);
    assert!(complaint.contains("JSON"), "{complaint}");
}

#[test]
fn wrong_usage_is_2_and_a_switch_that_is_not_there_or_does_not_know_us_is_1() {
    for arguments in [&["dance"][..], &[], &["check"], &["lines", "--colour"], &["tapi"]] {
        is_sentence(&refused(&run(arguments), 2));
    }
    refused(&run(&["lines", "--url", "gopher://x", "--token", "x"]), 2);
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    for command in [&["lines"][..], &["events"], &["reload"], &["drain"], &["tapi", "lineOpen"]] {
        let mut arguments = command.to_vec();
        arguments.extend(["--url", &url, "--token", "x"]);
        let complaint = refused(&run(&arguments), 1);
        is_sentence(&complaint);
        assert!(complaint.contains("No switch answers"), "{complaint}");
    }
    let program = Program::start();
    let url = format!("http://{}", program.api);
    for command in [&["calls"][..], &["reload"], &["tapi", "lineOpen"]] {
        let mut arguments = command.to_vec();
        arguments.extend(["--url", &url, "--token", "wrong"]);
        let complaint = refused(&run(&arguments), 1);
        is_sentence(&complaint);
        assert!(complaint.contains("token"), "{complaint}");
    }
}

#[test]
fn the_program_explains_itself() {
    let help = done(run(&["--help"]));
    for command in [
        "run",
        "check",
        "init",
        "demo",
        "lines",
        "registrations",
        "calls",
        "media",
        "trunks",
        "events",
        "tapi",
        "reload",
        "drain",
        "completions",
        "man",
    ] {
        let is_listed = |line: &str| line.trim_start().starts_with(&format!("{command} "));
        assert!(help.lines().any(is_listed), "{command} is not in\n{help}");
    }
    assert!(done(run(&["--version"])).starts_with("strowger "));
    for shell in ["bash", "zsh", "fish"] {
        assert!(done(run(&["completions", shell])).contains("registrations"), "{shell}");
    }
    assert!(done(run(&["man"])).starts_with(".ie") || done(run(&["man"])).contains(".TH strowger"));
}

#[test]
fn the_shell_finds_address_and_token_in_the_configuration() {
    let program = Program::start();
    rewrite(&program, |text| {
        text.replace(
            "[api]\nlisten = \"127.0.0.1:0\"",
            &format!("[api]\nlisten = \"{}\"", program.api),
        )
    });
    let output = std::process::Command::new(binary())
        .args(["lines", "--config", &program.config.to_string_lossy()])
        .env_remove("STROWGER_TOKEN")
        .output()
        .unwrap();
    assert!(done(output).contains("Ada"));
}

#[test]
fn a_fault_of_the_file_that_address_and_token_come_from_is_told() {
    let program = Program::start();
    rewrite(&program, |text| text.replace("max_calls = 4", "max_calls = 0"));
    let url = format!("http://{}", program.api);
    let ask = |arguments: &[&str]| {
        let mut command = std::process::Command::new(binary());
        command.arg("reload").args(arguments).env_remove("STROWGER_TOKEN");
        command.current_dir(program.config.parent().unwrap()).output().unwrap()
    };
    for arguments in [&[][..], &["--url", &url], &["--token", TOKEN]] {
        let complaint = refused(&ask(arguments), 1);
        assert!(complaint.starts_with("office.toml:"), "{complaint}");
        assert!(complaint.contains("max_calls"), "{complaint}");
    }
    // Nothing of the file is needed: the switch itself says what it thinks of it.
    let complaint = refused(&ask(&["--url", &url, "--token", TOKEN]), 1);
    assert!(complaint.contains("nothing was changed"), "{complaint}");
}

#[test]
fn a_changed_file_is_taken_over_during_a_call_that_goes_on() {
    let (program, a, b, near, far) = Program::talking();
    rewrite(&program, |text| {
        text.replace("name = \"Cleo\"", "name = \"Clea\"")
            + "\n[lines.207]\nname = \"Gil\"\npassword = \"pw-207\"\n"
    });
    let said = done(program.command(&["reload"]));
    assert!(said.contains("lines added: 207") && said.contains("lines changed: 203"), "{said}");
    let (_, lines) = program.get("/api/v1/lines");
    assert_eq!(lines["items"][2]["name"], "Clea");
    let gil = program.live_phone("207");
    a.hears(&b);
    b.hears(&a);
    a.hang_up(near);
    b.ended(far);
    gil.talk_to(&a);
    assert!(done(program.command(&["reload"])).contains("nothing was different"));
}

#[test]
fn a_hangup_signal_reloads_the_changed_file() {
    let (program, a, b, ..) = Program::talking();
    rewrite(&program, |text| text.replace("name = \"Cleo\"", "name = \"Clea\""));
    program.signal("HUP");
    program.until("/api/v1/lines", |answer| answer["items"][2]["name"] == "Clea");
    a.hears(&b);
    b.hears(&a);
}

#[test]
fn a_faulty_file_changes_nothing_and_says_why() {
    let (program, a, b, near, far) = Program::talking();
    rewrite(&program, |text| {
        text.replace("name = \"Cleo\"", "name = \"Clea\"").replace("max_calls = 4", "max_calls = 0")
    });
    let complaint = refused(&program.command(&["reload"]), 1);
    assert!(complaint.contains("nothing was changed"), "{complaint}");
    assert!(complaint.contains("max_calls") && complaint.contains("expected"), "{complaint}");
    let (status, problem) = program.post("/api/v1/reload", &json!({}));
    assert_eq!(status, 422);
    assert!(problem["faults"][0].as_str().unwrap().contains("max_calls"), "{problem}");
    let before = program.log().matches("nothing changes").count();
    program.signal("HUP");
    program.until("/healthz", |_| program.log().matches("nothing changes").count() > before);
    assert_eq!(program.get("/api/v1/lines").1["items"][2]["name"], "Cleo");
    a.hears(&b);
    a.hang_up(near);
    b.ended(far);
}

#[test]
fn a_reload_that_removes_a_line_lets_its_call_finish() {
    let (program, a, b, near, far) = Program::talking();
    let mut app = program.application("watcher");
    let line = app.open("202");
    rewrite(&program, |text| {
        let without = text.replace(
            "[lines.202]\nname = \"Ben\"\npassword = \"pw-202\"\npickup_group = \"sales\"\n",
            "",
        );
        without
            .replace("members = [\"201\", \"202\", \"203\"]", "members = [\"201\", \"203\"]")
            .replace("\"201\", \"202\", \"203\", \"204\"", "\"201\", \"203\", \"204\"")
    });
    done(program.command(&["reload"]));
    app.expect(&["202 CLOSE", "REMOVE 1"]);
    assert_eq!(app.refusal("lineGetLineDevStatus", json!({"hLine": line})), "INVALLINEHANDLE");
    assert_eq!(app.refusal("lineGetDevCaps", json!({"deviceId": 1})), "NODEVICE");
    a.hears(&b);
    b.hears(&a);
    a.hang_up(near);
    b.ended(far);
    a.call("202");
    assert_eq!(a.failed().0, 404);
    // The line comes back, with its device.
    rewrite(&program, |text| text + "\n[lines.202]\nname = \"Ben\"\npassword = \"pw-202\"\n");
    done(program.command(&["reload"]));
    app.expect(&["CREATE 1"]);
    app.open("202");
    b.register(Duration::from_secs(60));
    a.talk_to(&b);
}
