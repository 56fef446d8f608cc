//! The process has no file descriptor left.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use switch::phone::{Access, Behaviour, PhoneEvent};
use tests::program::{LivePhone, PATIENCE, Program, TOKEN, pause};

use super::{can, serves, value_of};

/// Connections that are tried while there is no descriptor.
const TRIED: u64 = 8;
/// Connections that can fail in a second without the switch being busy with failing: it pauses a tenth.
const FAILURES_PER_SECOND: u64 = 20;
/// So many descriptors may come free, and be taken, before it is too much.
const FREE_MAX: usize = 60;
/// A request to each kind of listener that is answered if the connection is served.
const OF_SIP: &str = "OPTIONS sip:office.test SIP/2.0\r\n\
    Via: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bKheld\r\nMax-Forwards: 70\r\n\
    From: <sip:x@office.test>;tag=1\r\nTo: <sip:office.test>\r\nCall-ID: held\r\n\
    CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
const OF_API: &str = "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n";

/// A connection to the control interface that was there before, and is used again and again: one that is
/// silent for ten seconds is closed.
struct KeptOpen {
    connection: Arc<Mutex<BufReader<TcpStream>>>,
    host: SocketAddr,
    is_over: Arc<AtomicBool>,
    refreshing: Option<JoinHandle<()>>,
}

impl KeptOpen {
    fn connect(program: &Program) -> KeptOpen {
        let stream = TcpStream::connect(program.api).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut connection = BufReader::new(stream);
        // Once it is answered it has been accepted, and not only by the system.
        get(&mut connection, program.api, "/healthz");
        let connection = Arc::new(Mutex::new(connection));
        let is_over = Arc::new(AtomicBool::new(false));
        let (used, ends, host) = (connection.clone(), is_over.clone(), program.api);
        let refreshing = std::thread::spawn(move || {
            let mut last = Instant::now();
            while !ends.load(Ordering::Relaxed) {
                if last.elapsed().as_secs() >= 1 {
                    get(&mut used.lock().unwrap(), host, "/healthz");
                    last = Instant::now();
                }
                pause();
            }
        });
        KeptOpen { connection, host, is_over, refreshing: Some(refreshing) }
    }

    fn metrics(&self) -> String {
        get(&mut self.connection.lock().unwrap(), self.host, "/metrics")
    }
}

impl Drop for KeptOpen {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(refreshing) = self.refreshing.take() {
            let ended = refreshing.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the connection was closed");
        }
    }
}

/// Asks over a connection that stays open.
fn get(connection: &mut BufReader<TcpStream>, host: SocketAddr, path: &str) -> String {
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
    connection.get_mut().write_all(head.as_bytes()).unwrap();
    let mut length = 0;
    loop {
        let mut line = String::new();
        let octets = connection.read_line(&mut line).unwrap();
        assert!(octets > 0, "the connection was closed");
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).unwrap();
    String::from_utf8(body).unwrap()
}

/// Lets the running program have so many descriptors at most.
fn limit(program: &Program, most: u64) {
    let pid = program.pid().to_string();
    let status =
        Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={most}:")]).status();
    assert!(status.unwrap().success());
}

/// How many it may have.
fn limit_of(program: &Program) -> u64 {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", program.pid())).unwrap();
    let row = limits.lines().find_map(|row| row.strip_prefix("Max open files")).unwrap();
    row.split_whitespace().next().unwrap().parse().unwrap()
}

/// The highest of those that are kept for the moment when there is no other: they are duplicates of
/// sockets.
fn highest_spare(program: &Program) -> u64 {
    let entries = std::fs::read_dir(format!("/proc/{}/fd", program.pid())).unwrap();
    let mut sockets: HashMap<_, Vec<u64>> = HashMap::new();
    for entry in entries {
        let path = entry.unwrap().path();
        let number = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
        let Ok(what) = std::fs::read_link(&path) else { continue };
        if what.to_string_lossy().starts_with("socket:") {
            sockets.entry(what).or_default().push(number);
        }
    }
    sockets.into_values().filter(|numbers| numbers.len() > 1).flatten().max().unwrap()
}

/// Connects and asks; whether the connection is served. Whoever is not is closed, and not left to wait.
fn is_served(address: SocketAddr, request: &str) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // It may be closed already.
    let _ = stream.write_all(request.as_bytes());
    match stream.read(&mut [0; 1]) {
        Ok(0) => None,
        Ok(_) => Some(stream),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
        other => panic!("{address}: {other:?}"),
    }
}

/// Connections that hold the descriptors that were left, or came free for a moment since.
#[derive(Default)]
struct Held(Vec<TcpStream>);

impl Held {
    /// Connects until somebody is turned away.
    fn until_turned_away(&mut self, address: SocketAddr, request: &str) {
        while let Some(stream) = is_served(address, request) {
            self.0.push(stream);
            assert!(self.0.len() < FREE_MAX, "descriptors do not come to an end");
        }
    }
}

#[test]
fn without_descriptors_calls_go_on_connections_are_turned_away_and_all_is_well_afterwards() {
    if !can(&["prlimit", "--version"]) {
        return;
    }
    let program = Program::start();
    let [a, b, c, d, e] = ["201", "202", "203", "204", "206"].map(|line| program.live_phone(line));
    let (near, far) = a.talk_to(&b);
    let kept = KeptOpen::connect(&program);
    let tcp = program.listener("tcp");

    let before = limit_of(&program);
    let began = Instant::now();
    // What has a higher number stays open; new ones have to be lower.
    limit(&program, highest_spare(&program) + 1);
    let mut held = Held::default();
    for _ in 0..TRIED {
        held.until_turned_away(tcp, OF_SIP);
        held.until_turned_away(program.api, OF_API);
    }
    let metrics = kept.metrics();
    let failed = value_of(&metrics, "transport_accept_failed_total");
    let of_api = value_of(&metrics, "api_accept_failed_total");
    let most = 2 * TRIED + (began.elapsed().as_secs() + 1) * FAILURES_PER_SECOND;
    for failures in [failed, of_api] {
        assert!((TRIED..=most).contains(&failures), "{failed} {of_api}");
    }
    a.hears(&b);
    b.hears(&a);
    a.hold(near);
    a.resume(near);
    b.hears(&a);
    // A call that cannot have ports is refused; where ports need no descriptor, it is made.
    let leg = c.call("204");
    let is_made = c.wait("an answer", |event| match event {
        PhoneEvent::Progress { .. } => Some(true),
        PhoneEvent::Failed { status, .. } => {
            assert_eq!(*status, 503);
            Some(false)
        }
        _ => None,
    });
    if is_made {
        c.hang_up(leg);
    }
    let told = program.log().matches("cannot accept connections").count() as u64;
    let told_most = 2 * (1 + began.elapsed().as_secs() / 60);
    assert!((2..=told_most).contains(&told), "{}", program.log());

    drop(held);
    limit(&program, before);
    let phone = until_connected(&program);
    program.says("accepts connections again");
    serves(&phone, &a);
    serves(&c, &e);
    drop(d);
    a.hang_up(near);
    b.ended(far);
    assert_eq!(program.get("/readyz").0, 200);
}

/// A phone over TCP, as soon as it is let in.
fn until_connected(program: &Program) -> LivePhone {
    let start = Instant::now();
    loop {
        match program.try_phone_over(&Access::Tcp, "205", Behaviour::default()) {
            Ok(phone) => {
                let phone = LivePhone::start(phone);
                phone.register(std::time::Duration::from_secs(300));
                return phone;
            }
            Err(error) => assert!(start.elapsed() < PATIENCE, "{error}"),
        }
        pause();
    }
}
