//! Who the switch is once it runs, and what it still may do; what the service manager hears.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;

use serde_json::json;
use tests::program::{PATIENCE, Program, office};

/// The rows of `/proc/PID/task/TID/status` of each thread, by its name and number.
fn threads(program: &Program) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut threads = BTreeMap::new();
    for entry in std::fs::read_dir(format!("/proc/{}/task", program.pid())).unwrap() {
        let folder = entry.unwrap().path();
        // A thread may have ended meanwhile.
        let Ok(status) = std::fs::read_to_string(folder.join("status")) else { continue };
        let rows: BTreeMap<String, String> = status
            .lines()
            .filter_map(|row| row.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        threads.insert(format!("{} {}", rows["Name"], rows["Pid"]), rows);
    }
    threads
}

fn capabilities(rows: &BTreeMap<String, String>) -> u64 {
    u64::from_str_radix(&rows["CapEff"], 16).unwrap()
        | u64::from_str_radix(&rows["CapPrm"], 16).unwrap()
}

fn is_root() -> bool {
    let uid = std::process::Command::new("id").arg("-u").output().unwrap().stdout;
    let is_root = String::from_utf8_lossy(&uid).trim() == "0";
    if !is_root {
        eprintln!("SKIPPED: only root can give up rights");
    }
    is_root
}

/// A port of loopback that only root may bind.
fn privileged_port() -> Option<u16> {
    let first = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").ok()?;
    let first: u16 = first.trim().parse().ok()?;
    let free = |port: &u16| std::net::UdpSocket::bind(("127.0.0.1", *port)).is_ok();
    let start = u16::try_from(std::process::id() % 300).ok()? + 600;
    (start..first).find(free)
}

#[test]
fn started_by_root_it_binds_what_root_may_becomes_its_user_and_serves_without_any_right() {
    if !is_root() {
        return;
    }
    let port = privileged_port().unwrap_or(0);
    let program = Program::with(office(|text| {
        let text = text.replace("udp:127.0.0.1:0", &format!("udp:127.0.0.1:{port}"));
        // On another machine it would be `strowger`.
        format!("{text}\n[switch]\nuser = \"nobody\"\n")
    }));
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let (near, far) = a.talk_to(&b);
    a.hears(&b);
    b.hears(&a);

    for (name, rows) in threads(&program) {
        assert_eq!(rows["Uid"].split_whitespace().next(), Some("65534"), "{name}");
        assert!(rows["Uid"].split_whitespace().all(|uid| uid == "65534"), "{name}");
        assert!(!rows["Gid"].split_whitespace().any(|gid| gid == "0"), "{name}");
        assert_eq!(rows["Groups"], "", "{name}");
        assert_eq!(rows["NoNewPrivs"], "1", "{name}");
        assert_eq!(rows["CapInh"].trim_start_matches('0'), "", "{name}");
        // The thread that attaches the kernel path to interfaces hears nothing of the network.
        if !name.starts_with("media-kernel") {
            assert_eq!(capabilities(&rows), 0, "{name}");
        }
    }
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", program.pid())).unwrap();
    let core = limits.lines().find(|row| row.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");

    // What root could read at the start, its user may not: a reload says so and changes nothing.
    let may_be_read = |mode| {
        std::fs::set_permissions(&program.config, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    may_be_read(0o600);
    let (status, answer) = program.post("/api/v1/reload", &json!({}));
    assert_eq!(status, 422, "{answer}");
    assert!(answer["faults"][0].as_str().unwrap().contains("ermission denied"), "{answer}");
    may_be_read(0o644);
    assert_eq!(program.post("/api/v1/reload", &json!({})).0, 200);
    a.hears(&b);
    a.hang_up(near);
    b.ended(far);
}

#[test]
fn root_without_a_user_is_warned() {
    if !is_root() {
        return;
    }
    let program = Program::start();
    program.says("runs as root, with all its rights: name a user");
}

#[test]
fn a_user_that_is_not_there_keeps_it_from_starting_and_is_named() {
    let config = |more: &str| office(|text| format!("{text}\n[switch]\n{more}\n"));
    let (code, said) = Program::refused(&config("user = \"strowger-nobody-has-this\""));
    assert_eq!(code, Some(1));
    assert!(said.contains("no user \"strowger-nobody-has-this\""), "{said}");
    let (code, said) = Program::refused(&config("user = \"nobody\"\ngroup = \"no-such-group\""));
    assert_eq!(code, Some(1));
    assert!(said.contains("no group \"no-such-group\""), "{said}");
    let (code, said) = Program::refused(&config("user = \"no:body\""));
    assert_eq!(code, Some(1));
    assert!(said.contains("\"no:body\" is no name of an account"), "{said}");
    let (_, said) = Program::refused(&config("group = \"nogroup\""));
    assert!(said.contains("switch.group stands without switch.user"), "{said}");
}

#[test]
fn the_service_manager_hears_when_it_is_ready_that_it_lives_and_when_it_stops() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let socket = format!("NOTIFY_SOCKET={}", path.display());
    let command = ["env", &*socket, "WATCHDOG_USEC=30000000"];
    let program = Program::through(office(|text| text), &command);
    let hear = |wanted: &str| loop {
        let mut octets = [0; 512];
        let length = manager.recv(&mut octets).unwrap();
        let text = String::from_utf8_lossy(&octets[..length]).into_owned();
        if text.lines().any(|line| line == wanted) {
            return;
        }
    };
    hear("READY=1");
    hear("WATCHDOG=1");
    program.signal("TERM");
    hear("STOPPING=1");
}
