//! Floods of new work while calls are up (must show 2 of docs/security.md): the calls go on, their media
//! is whole, and who has nothing to do with the flood is served.
//!
//! `make test` runs a short version. `make flood` sets STROWGER_FLOOD and builds for release: 50 calls,
//! ten times what the switch can do, and an answer within a second.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sip_stack::endpoint::LegId;
use tests::program::{LivePhone, PATIENCE, Program, office, pause};
use tests::stranger::Stranger;

const FIRST_LINE: usize = 1000;
/// Requests between two looks at the clock.
const TICK: Duration = Duration::from_millis(4);

#[derive(Clone, Copy)]
struct Scale {
    calls: usize,
    lasts: Duration,
    /// Requests a second; `None`: ten times what is answered without a flood.
    rate: Option<u64>,
    /// A registration takes no longer.
    bound: Duration,
}

fn scale() -> Scale {
    match std::env::var_os("STROWGER_FLOOD") {
        Some(_) => Scale {
            calls: 50,
            lasts: Duration::from_secs(10),
            rate: None,
            bound: Duration::from_secs(1),
        },
        None => {
            Scale { calls: 3, lasts: Duration::from_secs(2), rate: Some(3000), bound: PATIENCE }
        }
    }
}

fn start(calls: usize) -> Program {
    let lines: String = (FIRST_LINE..FIRST_LINE + 2 * calls)
        .map(|line| format!("[lines.{line}]\npassword = \"pw-{line}\"\n"))
        .collect();
    Program::with(office(|text| format!("{text}\n{lines}")))
}

struct Talk {
    a: LivePhone,
    b: LivePhone,
    near: LegId,
    far: LegId,
}

fn talk(program: &Program, index: usize) -> Talk {
    let numbers = [0, 1].map(|side| (FIRST_LINE + 2 * index + side).to_string());
    let [a, b] = [&numbers[0], &numbers[1]].map(|number| program.live_phone(number));
    let near = a.call(&numbers[1]);
    let far = b.incoming();
    b.answer(far);
    a.connected(near);
    b.connected(far);
    Talk { a, b, near, far }
}

/// Sends INVITE, REGISTER and OPTIONS in turn until told to stop.
struct Flood {
    sent: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Flood {
    fn begin(switch: SocketAddr, sources: Vec<String>, per_second: u64) -> Flood {
        let (sent, is_over) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (count, stop) = (sent.clone(), is_over.clone());
        let thread = std::thread::spawn(move || {
            let mut peers: Vec<Stranger> =
                sources.iter().map(|source| Stranger::at(source, switch)).collect();
            for peer in &peers {
                peer.socket.set_nonblocking(true).unwrap();
            }
            let start = Instant::now();
            let mut serial = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                let due = (start.elapsed().as_secs_f64() * per_second as f64) as u64;
                while serial < due {
                    let index = (serial % peers.len() as u64) as usize;
                    let peer = &mut peers[index];
                    let (method, uri) = match serial % 3 {
                        0 => ("INVITE", "sip:201@office.test"),
                        1 => ("REGISTER", "sip:office.test"),
                        _ => ("OPTIONS", "sip:201@office.test"),
                    };
                    let request = peer.request(method, uri, "201", "");
                    let _ = peer.socket.send_to(request.as_bytes(), switch);
                    serial += 1;
                }
                count.store(serial, Ordering::Relaxed);
                std::thread::sleep(TICK);
            }
        });
        Flood { sent, is_over, thread: Some(thread) }
    }

    fn end(mut self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        self.sent.load(Ordering::Relaxed)
    }
}

/// Requests a second that are answered when always some are on their way.
fn capacity(program: &Program) -> u64 {
    const ON_THEIR_WAY: usize = 32;
    const LASTS: Duration = Duration::from_secs(2);
    let mut peer = Stranger::at("127.0.0.1", program.sip);
    let start = Instant::now();
    let mut answered = 0_u64;
    let send = |peer: &mut Stranger, serial: u64| {
        let method = ["REGISTER", "OPTIONS"][(serial % 2) as usize];
        let request = peer.request(method, "sip:201@office.test", "201", "");
        peer.send(request.as_bytes());
    };
    (0..ON_THEIR_WAY as u64).for_each(|serial| send(&mut peer, serial));
    while start.elapsed() < LASTS {
        if peer.receive(Duration::from_millis(500)).is_some() {
            answered += 1;
        }
        send(&mut peer, answered);
    }
    (answered as f64 / start.elapsed().as_secs_f64()) as u64
}

/// What phones have sent and not received from each other.
fn lost(talks: &[Talk]) -> u64 {
    let pairs = talks.iter().flat_map(|talk| [(&talk.a, &talk.b), (&talk.b, &talk.a)]);
    let lost = pairs.map(|(from, to)| {
        let sent = from.rtp().sent;
        let start = Instant::now();
        // What was sent until now arrives.
        while to.rtp().received < sent && start.elapsed() < Duration::from_secs(1) {
            pause();
        }
        sent.saturating_sub(to.rtp().received)
    });
    lost.sum()
}

fn lost_at_the_switch(program: &Program) -> u64 {
    let media = program.get("/api/v1/media").1;
    let rows = media["items"].as_array().unwrap().iter();
    rows.map(|row| row["packetsLost"].as_u64().unwrap_or(0)).sum()
}

fn flooded_from(kind: &str, sources: Vec<String>) {
    let scale = scale();
    let program = start(scale.calls);
    let talks: Vec<Talk> = (0..scale.calls).map(|index| talk(&program, index)).collect();
    for talk in &talks {
        talk.a.hears(&talk.b);
        talk.b.hears(&talk.a);
    }
    let capacity = scale.rate.is_none().then(|| capacity(&program));
    let rate = scale.rate.or(capacity.map(|capacity| capacity * 10)).unwrap();
    let before = (lost(&talks), lost_at_the_switch(&program));
    let flood = Flood::begin(program.sip, sources, rate);
    let start = Instant::now();
    let mut worst = Duration::ZERO;
    let mut registered = 0;
    while start.elapsed() < scale.lasts || registered < 3 {
        // Somebody whom the switch has never seen, each time.
        let source = format!("127.0.77.{}", 1 + registered % 200);
        let began = Instant::now();
        let mut phone = Stranger::at(&source, program.sip);
        assert_eq!(phone.register("203", "pw-203", PATIENCE), Some(200), "{}", program.log());
        worst = worst.max(began.elapsed());
        registered += 1;
        // What belongs to a call goes on.
        let talk = &talks[registered % talks.len()];
        talk.a.hold(talk.near);
        talk.a.resume(talk.near);
        std::thread::sleep(Duration::from_millis(100));
    }
    let lasted = start.elapsed();
    let sent = flood.end();
    let after = (lost(&talks), lost_at_the_switch(&program));
    println!(
        "{kind}: {} calls, capacity {capacity:?}/s, {:.0} requests/s for {:.1} s, \
         {registered} registrations, the slowest {worst:?}, packets lost {} (phones) {} (switch)",
        scale.calls,
        sent as f64 / lasted.as_secs_f64(),
        lasted.as_secs_f64(),
        after.0.saturating_sub(before.0),
        after.1.saturating_sub(before.1),
    );
    assert!(worst <= scale.bound, "a registration took {worst:?}");
    if scale.rate.is_none() {
        assert_eq!(after.1, before.1, "packets were lost at the switch");
    }
    for talk in talks {
        talk.a.hears(&talk.b);
        talk.b.hears(&talk.a);
        talk.a.hang_up(talk.near);
        talk.b.ended(talk.far);
    }
    assert!(!program.log().contains("panicked"), "{}", program.log());
}

#[test]
fn calls_go_on_in_a_flood_from_one_stranger() {
    flooded_from("one stranger", vec!["127.0.0.66".to_owned()]);
}

#[test]
fn calls_go_on_in_a_flood_from_many_strangers() {
    let sources = (1..=200).map(|last| format!("127.0.66.{last}")).collect();
    flooded_from("200 strangers", sources);
}

#[test]
fn calls_go_on_in_a_flood_from_an_address_without_limits() {
    flooded_from("an exempt address", vec!["127.0.0.1".to_owned()]);
}
