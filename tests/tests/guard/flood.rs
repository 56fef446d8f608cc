//! Floods of new work while calls are up (must show 2 of docs/security.md): the calls go on, their media
//! is whole, and who has nothing to do with the flood is served.
//!
//! `make test` runs a short version. `make flood` sets STROWGER_FLOOD and builds for release: 50 calls,
//! ten times what the switch can do, and an answer within a second.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sip_stack::endpoint::LegId;
use tests::flood::Flood;
use tests::program::{LivePhone, PATIENCE, Program, office, pause};
use tests::stranger::Stranger;

const FIRST_LINE: usize = 1000;
/// Lines that register in a flood, with so many phones each.
const NEWCOMERS: std::ops::Range<usize> = 900..930;
const PHONES_OF_EACH: usize = 8;
/// Where a single stranger floods from.
const STRANGER: &str = "127.0.0.66";
/// The flood that no rate keeps out.
const EXEMPT: &str = "an exempt address";
/// What the guard counts, for the report.
const COUNTS: [&str; 6] = [
    "guard_limited_total",
    "guard_overload_refused_total",
    "guard_overload_shed_total",
    "guard_unanswered_total",
    "transport_dropped_total",
    "transport_messages_received_total",
];

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
            Scale { calls: 3, lasts: Duration::from_secs(2), rate: Some(1000), bound: PATIENCE }
        }
    }
}

fn start(calls: usize) -> Program {
    let lines: String = (FIRST_LINE..FIRST_LINE + 2 * calls)
        .chain(NEWCOMERS)
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
    let (near, far) = a.talk_to(&b);
    Talk { a, b, near, far }
}

/// Requests a second that are answered when always some are on their way.
fn capacity(program: &Program) -> u64 {
    const ON_THEIR_WAY: usize = 32;
    const LASTS: Duration = Duration::from_secs(2);
    let mut peer = Stranger::at("127.0.0.1", program.sip);
    let start = Instant::now();
    let mut answered = 0_u64;
    let send = |peer: &mut Stranger, serial: u64| {
        let method = ["INVITE", "REGISTER", "OPTIONS"][(serial % 3) as usize];
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

fn sent(talks: &[Talk]) -> u64 {
    talks.iter().map(|talk| talk.a.rtp().sent + talk.b.rtp().sent).sum()
}

fn lost_at_the_switch(program: &Program) -> u64 {
    let media = program.get("/api/v1/media").1;
    let rows = media["items"].as_array().unwrap().iter();
    rows.map(|row| row["packetsLost"].as_u64().unwrap_or(0)).sum()
}

/// Processor time of the switch so far.
fn cpu(program: &Program) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", program.pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // utime and stime, in hundredths of a second.
    let ticks: u64 = [11, 12].iter().map(|at| fields[*at].parse::<u64>().unwrap()).sum();
    Duration::from_millis(10 * ticks)
}

/// Datagrams that the kernel dropped because a listener's buffer was full.
fn dropped_by_the_kernel(program: &Program) -> u64 {
    let table = std::fs::read_to_string("/proc/net/udp").unwrap();
    let port = format!(":{:04X}", program.sip.port());
    let row = table
        .lines()
        .find(|line| line.split_whitespace().nth(1).is_some_and(|local| local.ends_with(&port)));
    row.unwrap().split_whitespace().next_back().unwrap().parse().unwrap()
}

/// What changes while a flood lasts.
struct Standing {
    at: Instant,
    cpu: Duration,
    kernel: u64,
    counts: [u64; COUNTS.len()],
    sent: u64,
    lost: u64,
    lost_at_the_switch: u64,
}

impl Standing {
    fn of(program: &Program, talks: &[Talk]) -> Standing {
        Standing {
            lost: lost(talks),
            sent: sent(talks),
            lost_at_the_switch: lost_at_the_switch(program),
            counts: COUNTS.map(|name| program.metric(name)),
            cpu: cpu(program),
            kernel: dropped_by_the_kernel(program),
            at: Instant::now(),
        }
    }
}

/// Somebody whom the switch has never seen registers; how long it takes. `None`: the switch has too much
/// to do, and says so.
fn registers(program: &Program, serial: usize) -> Option<Duration> {
    let source = format!("127.0.77.{}", 1 + serial % 240);
    let line = NEWCOMERS.start + serial / PHONES_OF_EACH % NEWCOMERS.len();
    let began = Instant::now();
    let mut phone = Stranger::at(&source, program.sip);
    let status = phone.register(&line.to_string(), &format!("pw-{line}"), PATIENCE);
    assert!(matches!(status, Some(200 | 503)), "{line}: {status:?}");
    (status == Some(200)).then(|| began.elapsed())
}

/// One flood at a time: each has the machine's buffers to itself.
static FLOODING: Mutex<()> = Mutex::new(());

fn flooded_from(kind: &str, sources: &[String]) {
    let _alone = FLOODING.lock().unwrap_or_else(PoisonError::into_inner);
    let scale = scale();
    // The last call is held and resumed, the others are counted.
    let program = start(scale.calls + 1);
    let mut talks: Vec<Talk> = (0..=scale.calls).map(|index| talk(&program, index)).collect();
    for talk in &talks {
        talk.a.hears(&talk.b);
        talk.b.hears(&talk.a);
    }
    let held = talks.pop().unwrap();
    let capacity = scale.rate.is_none().then(|| capacity(&program));
    let rate = scale.rate.or(capacity.map(|capacity| capacity * 10)).unwrap();
    let before = Standing::of(&program, &talks);
    let flood = Flood::begin(program.sip, sources, rate);
    let (mut registrations, mut holds, mut refused) = (Vec::new(), Vec::new(), 0);
    while before.at.elapsed() < scale.lasts || registrations.is_empty() {
        match registers(&program, registrations.len() + refused) {
            Some(time) => registrations.push(time),
            None => refused += 1,
        }
        // What belongs to a call goes on.
        let began = Instant::now();
        held.a.hold(held.near);
        held.a.resume(held.near);
        holds.push(began.elapsed());
        std::thread::sleep(Duration::from_millis(100));
    }
    let (lasted, used) = (before.at.elapsed().as_secs_f64(), cpu(&program) - before.cpu);
    let poured = flood.end();
    let after = Standing::of(&program, &talks);
    println!(
        "{kind}: {} calls, capacity {capacity:?}/s, {rate}/s wanted, {:.0}/s sent for {lasted:.1} s",
        scale.calls,
        poured.sent as f64 / lasted,
    );
    println!("  answered {:?}", poured.answers);
    for (name, (before, after)) in COUNTS.iter().zip(before.counts.iter().zip(&after.counts)) {
        println!("  {name} {}", after - before);
    }
    let worst = |times: &[Duration]| times.iter().max().copied().unwrap_or_default();
    println!(
        "  dropped by the kernel {}, processor {:.2} of a core",
        after.kernel - before.kernel,
        used.as_secs_f64() / lasted
    );
    println!(
        "  {} registrations, the slowest {:?}, {refused} refused; {} times hold and resume, the slowest {:?}",
        registrations.len(),
        worst(&registrations),
        holds.len(),
        worst(&holds)
    );
    let lost = after.lost.saturating_sub(before.lost);
    let lost_there = after.lost_at_the_switch - before.lost_at_the_switch;
    println!(
        "  RTP sent {}, not received {lost}, of these not by the switch {lost_there}",
        after.sent - before.sent
    );
    assert!(
        // Nothing keeps a trusted address from being heard before others.
        worst(&registrations) <= if kind == EXEMPT { PATIENCE } else { scale.bound },
        "a registration took {:?}",
        worst(&registrations)
    );
    if scale.rate.is_none() {
        assert_eq!((lost, lost_there, refused), (0, 0, 0), "lost packets, refused registrations");
    }
    talks.push(held);
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
    flooded_from("one stranger", &[STRANGER.to_owned()]);
}

#[test]
fn calls_go_on_in_a_flood_from_many_strangers() {
    let sources: Vec<String> = (1..=200).map(|last| format!("127.0.66.{last}")).collect();
    flooded_from("200 strangers", &sources);
}

#[test]
fn calls_go_on_in_a_flood_from_an_address_without_limits() {
    flooded_from(EXEMPT, &["127.0.0.1".to_owned()]);
}

/// More and more comes in, from an address without limits, until the switch refuses work.
fn overload(program: &Program) -> Flood {
    let flood = Flood::begin(program.sip, &["127.0.0.1".to_owned()], 1_000);
    let start = Instant::now();
    while program.metric("guard_overload_refused_total") == 0 {
        assert!(start.elapsed() < PATIENCE, "nothing is refused");
        flood.faster();
        std::thread::sleep(Duration::from_millis(500));
    }
    flood
}

#[test]
fn beyond_capacity_new_calls_get_503_with_retry_after_while_emergency_calls_and_established_ones_go_on()
 {
    let program = Program::with(office(|text| {
        let text = format!("{text}\n[lines.112]\npassword = \"pw-112\"\n");
        let text = format!("{text}[lines.900]\npassword = \"pw-900\"\n");
        format!("{text}[security.limits]\noverload_delay = \"1ms\"\n")
    }));
    let [a, b, c, rescue] = ["201", "202", "203", "112"].map(|line| program.live_phone(line));
    let (near, far) = a.talk_to(&b);
    let flood = overload(&program);
    let (call, taken) = c.talk_to(&rescue);
    c.hears(&rescue);
    rescue.hears(&c);
    a.hold(near);
    a.resume(near);
    a.hears(&b);
    b.hears(&a);
    let poured = flood.end();
    let refused = poured.answers.get(&503).copied().unwrap_or_default();
    println!("{} requests, answered {:?}", poured.sent, poured.answers);
    assert!(refused > 0, "{:?}", poured.answers);
    assert_eq!(poured.retry_after.values().sum::<u64>(), refused, "each 503 says when");
    let are_in_range = poured.retry_after.keys().all(|seconds| (5..=15).contains(seconds));
    assert!(are_in_range, "{:?}", poured.retry_after);
    c.hang_up(call);
    rescue.ended(taken);
    a.hang_up(near);
    b.ended(far);
    // When it is over, who was refused gets in.
    while registers(&program, 0).is_none() {
        pause();
    }
}

#[test]
fn datagrams_of_the_limited_and_the_banned_are_dropped_and_cost_little() {
    let is_long = scale().rate.is_none();
    let (rate, lasts) = if is_long { (40_000, 5) } else { (3_000, 1) };
    let program = Program::start();
    for (kind, name) in
        [("beyond a rate", "guard_limited_total"), ("banned", "guard_banned_messages_total")]
    {
        let is_banned = kind == "banned";
        if is_banned {
            let ban = serde_json::json!({"source": STRANGER, "duration": "1h"});
            assert_eq!(program.post("/api/v1/bans", &ban).0, 201);
        }
        let (began, dropped, used) = (Instant::now(), program.metric(name), cpu(&program));
        let flood = Flood::begin(program.sip, &[STRANGER.to_owned()], rate);
        std::thread::sleep(Duration::from_secs(lasts));
        let used = cpu(&program) - used;
        let (lasted, poured) = (began.elapsed().as_secs_f64(), flood.end());
        let dropped = program.metric(name) - dropped;
        println!(
            "{kind}: {:.0}/s sent, {dropped} dropped, {:.2} µs each",
            poured.sent as f64 / lasted,
            used.as_secs_f64() * 1e6 / dropped as f64
        );
        let limited: u64 = poured.answers.values().sum();
        assert!(dropped > 0 && dropped + limited <= poured.sent, "{dropped} {poured:?}");
        assert!(!is_banned || limited == 0, "{poured:?}");
    }
}
