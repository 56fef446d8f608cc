//! Relay threads that are busy: new calls are refused before packets of the others queue.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::json;
use sip_stack::endpoint::LegId;
use switch::phone::PhoneEvent;
use tests::program::{LivePhone, PATIENCE, Program, office, pause};

use super::{ask, hears_only, ports};

/// Between two bursts of a flood.
const BREATH: Duration = Duration::from_micros(500);

/// The office with one relay thread, which counts as full when it is busy for two hundredths of its time.
fn soon_full() -> Program {
    let ports = ports::draw(64);
    // A socket for each port: the flood has a receive buffer of its own.
    let media = format!(
        "ports = \"{}-{}\"\nworkers = 1\nbusy_limit = 2\nport_steering = \"off\"",
        ports.start(),
        ports.end()
    );
    let text = office(|text| text.replace("ports = \"16384-32767\"", &media));
    assert!(text.contains(&media), "{text}");
    Program::with(text)
}

/// Octets that are no RTCP, to one port of the relay, tens of thousands of times a second until it is over:
/// each is thrown away, but has to be looked at.
struct Flood {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Flood {
    fn begin(port: u16) -> Flood {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let thread = std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                for _ in 0..256 {
                    // What the system does not take is one less.
                    let _ = socket.send_to(&[0; 4], (Ipv4Addr::LOCALHOST, port));
                }
                std::thread::sleep(BREATH);
            }
        });
        Flood { is_over, thread: Some(thread) }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Calls a number until the switch says this of it: how busy the thread was is known each half second. What
/// gets through meanwhile is given up.
fn call_until(caller: &LivePhone, number: &str, status: u16) {
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < PATIENCE, "no {status}");
        let leg = caller.call(number);
        let said = caller.wait("an answer of the switch", |event| match event {
            PhoneEvent::Progress { status: 180, .. } => Some(180),
            PhoneEvent::Failed { status, .. } => Some(*status),
            _ => None,
        });
        assert!([180, 503].contains(&said), "{said}");
        if said == 180 {
            caller.hang_up(leg);
        }
        if said == status {
            return;
        }
        pause();
    }
}

#[test]
fn while_all_relay_threads_are_busy_new_calls_are_refused_and_nothing_of_the_others_is_lost() {
    let program = soon_full();
    let [a, b, c, _d] = ["201", "202", "203", "204"].map(|line| program.live_phone(line));
    let mut app = program.application("desk");
    let h_line = app.open("203");
    // Whatever else the machine does, this one gets through in the end.
    let (near, far) = talk_at_last(&a, &b);
    hears_only(&b, 300, &[400]);
    hears_only(&a, 400, &[300]);
    let media = program.get("/api/v1/media").1;
    let rows = media["items"].as_array().unwrap();
    let port = rows.iter().find_map(|row| row["port"].as_u64()).unwrap();
    let flood = Flood::begin(u16::try_from(port).unwrap() + 1);
    program.until("/api/v1/media/paths", |paths| {
        paths["items"][0]["busyPercent"].as_u64().unwrap() >= 2
    });
    let before = program.metric("media_ports_exhausted_total");
    call_until(&c, "204", 503);
    let start = Instant::now();
    loop {
        let call = json!({"hLine": h_line, "destAddress": "204", "wait": true});
        match app.call("lineMakeCall", call) {
            Err(refused) => break assert_eq!(refused["message"], "LINEERR_RESOURCEUNAVAIL"),
            Ok(made) => {
                assert!(start.elapsed() < PATIENCE, "no refusal");
                ask(&mut app, "lineDrop", json!({"hCall": made["hCall"]}));
            }
        }
    }
    assert!(program.metric("media_ports_exhausted_total") >= before + 2);
    // Those who talk hear nothing of it.
    for (phone, other, leg, hz) in [(&a, &b, near, 500), (&b, &a, far, 700)] {
        assert!(phone.with(|phone| phone.hum(leg, hz)));
        hears_only(other, hz, &[300, 400]);
    }
    let media = program.get("/api/v1/media").1;
    for row in media["items"].as_array().unwrap() {
        assert_eq!(row["packetsLost"], 0, "{row}");
        assert!(row["packetsReceived"].as_u64().unwrap() > 0, "{row}");
    }
    drop(flood);
    call_until(&c, "204", 180);
    a.hang_up(near);
    b.ended(far);
}

/// Two phones talk and hum, however often it takes.
fn talk_at_last(a: &LivePhone, b: &LivePhone) -> (LegId, LegId) {
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < PATIENCE, "never through");
        let near = a.call(&b.number());
        let said = a.wait("an answer of the switch", |event| match event {
            PhoneEvent::Progress { status: 180, .. } => Some(180),
            PhoneEvent::Failed { status, .. } => Some(*status),
            _ => None,
        });
        if said == 180 {
            let far = b.incoming();
            b.answer(far);
            a.connected(near);
            b.connected(far);
            assert!(a.with(|phone| phone.hum(near, 300)));
            assert!(b.with(|phone| phone.hum(far, 400)));
            return (near, far);
        }
        assert_eq!(said, 503);
        pause();
    }
}
