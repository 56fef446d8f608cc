//! A day of a call centre on the real program, in a few seconds: agents log in by code and take
//! breaks, callers wait and give up, and an administrator looks at it. Nobody is lost or served twice.
//!
//! What docs/call-centre-day.md shows is written by it:
//! `STROWGER_DAY="200 20 4000 900" cargo test -p tests --test agent a_day_of -- --nocapture`
//! (agents, queues, calls, seconds).

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;
use sip_stack::endpoint::LegId;
use sip_stack::flow::{Flow, Received};
use sip_stack::message::{HeaderName, Message};
use sip_stack::time::{Entropy, Now, Seeded};
use switch::phone::{Behaviour, PhoneConfig, PhoneCore, PhoneEvent};
use tests::program::{Program, pause};

const FIRST_NAMES: [&str; 20] = [
    "ada", "ben", "cleo", "dan", "eve", "finn", "gina", "hugo", "iris", "jane", "karl", "lea",
    "max", "nora", "omar", "pia", "quinn", "rosa", "sven", "tara",
];
const QUEUES: [&str; 20] = [
    "support",
    "orders",
    "billing",
    "returns",
    "claims",
    "delivery",
    "spares",
    "repairs",
    "leasing",
    "contracts",
    "tickets",
    "bookings",
    "lost",
    "press",
    "partners",
    "export",
    "english",
    "french",
    "italian",
    "night",
];
const STRATEGIES: [&str; 6] =
    ["longest-idle", "round-robin", "fewest-calls", "least-talk-time", "sequential", "random"];
/// Registrations under way at one time.
const AT_ONCE: usize = 20;
/// Longer than a phone repeats what nobody answers.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often an agent looks, once a second, whether the other one that seems to talk with its caller is
/// let go: an answer that crossed the end of the ringing is taken, and ended by a BYE that may get lost.
const MAX_DOUBTS: u32 = 40;

/// How big the day is.
#[derive(Clone, Copy)]
struct Size {
    agents: usize,
    queues: usize,
    calls: usize,
    seconds: u64,
}

impl Size {
    fn of_test() -> Size {
        let small = [6, 3, 24, 4];
        let asked: Vec<u64> = std::env::var("STROWGER_DAY")
            .map(|text| text.split_whitespace().map(|word| word.parse().unwrap()).collect())
            .unwrap_or_default();
        let of = |place: usize| asked.get(place).copied().unwrap_or(small[place]);
        Size {
            agents: of(0) as usize,
            queues: (of(1) as usize).clamp(1, QUEUES.len()),
            calls: of(2) as usize,
            seconds: of(3),
        }
    }

    fn callers(&self) -> usize {
        self.agents + self.queues * 2
    }

    fn groups(&self) -> usize {
        self.queues.div_ceil(2)
    }
}

fn agent_line(index: usize) -> String {
    (3000 + index).to_string()
}

fn caller_line(index: usize) -> String {
    (5000 + index).to_string()
}

fn agent_name(index: usize) -> String {
    let name = FIRST_NAMES[index % FIRST_NAMES.len()];
    match index / FIRST_NAMES.len() {
        0 => name.to_owned(),
        round => format!("{name}{}", round + 1),
    }
}

fn configuration(size: &Size) -> String {
    let mut text = String::from(
        "domain = \"office.test\"\n[sip]\nlisten = [\"udp:127.0.0.1:0\"]\n[media]\n\
         address = \"127.0.0.1\"\n[api]\nlisten = \"127.0.0.1:0\"\n[[api.tokens]]\n\
         name = \"admin\"\nsecret = \"admin-token\"\nscopes = [\"admin\"]\n[state]\n\
         path = \":memory:\"\n[feature_codes]\nagent_login = \"*45\"\nagent_logout = \"*46\"\n\
         agent_ready = \"*47\"\nagent_not_ready = \"*48\"\n",
    );
    let lines = (0..size.agents).map(agent_line).chain((0..size.callers()).map(caller_line));
    for line in lines {
        let _ = write!(text, "[lines.{line}]\npassword = \"pw-{line}\"\n");
    }
    for group in 0..size.groups() {
        let _ = writeln!(text, "[agent_groups.team{}]", group + 1);
    }
    for (index, name) in QUEUES.iter().enumerate().take(size.queues) {
        let own = index % size.groups();
        let helps = (index + 1) % size.groups();
        let helps = if helps == own { String::new() } else { format!(", \"team{}\"", helps + 1) };
        let strategy = STRATEGIES[index % STRATEGIES.len()];
        let next = (index + 1) % size.queues;
        let overflow = match index % 4 {
            3 if next != index => format!("on_max_wait = \"{}\"\n", 600 + next),
            _ => String::new(),
        };
        let _ = write!(
            text,
            "[queues.{name}]\nnumber = \"{}\"\nstrategy = \"{strategy}\"\n\
             groups = [\"team{}\"{helps}]\nwrap_up = \"1s\"\nring_timeout = \"2s\"\nretry = \"1s\"\n\
             busy_delay = \"2s\"\nreject_delay = \"2s\"\nweight = {}\nservice_level = \"2s\"\n\
             max_wait = \"40s\"\n{overflow}",
            600 + index,
            own + 1,
            index % 3,
        );
    }
    for index in 0..size.agents {
        let own = index % size.groups();
        let also = (index * 7 + 3) % size.groups();
        let also = if also == own { String::new() } else { format!(", \"team{}\"", also + 1) };
        let _ = write!(
            text,
            "[agents.{}]\npassword = \"4711\"\ngroups = [\"team{}\"{also}]\nline = \"{}\"\n",
            agent_name(index),
            own + 1,
            agent_line(index),
        );
    }
    text
}

/// What is to come.
enum Act {
    Dial(usize),
    GiveUp { caller: usize, leg: LegId },
    Code(usize, &'static str),
    Answer { agent: usize, leg: LegId },
    Reject { agent: usize, leg: LegId },
    EndTalk { agent: usize, leg: LegId },
    Look,
}

/// A caller that dials, waits, talks.
struct Caller {
    leg: LegId,
    /// The agents' calls that are up with it.
    serving: Vec<(usize, LegId)>,
    doubts: u32,
}

/// The phones of everybody behind one socket, and what they are about to do.
struct Floor {
    size: Size,
    socket: UdpSocket,
    switch: SocketAddr,
    start: Instant,
    phones: Vec<PhoneCore>,
    by_number: HashMap<String, usize>,
    acts: BTreeMap<(Duration, u64), Act>,
    acts_so_far: u64,
    random: Seeded,
    callers: HashMap<usize, Caller>,
    /// The caller of each agent's call, and which call of his it is.
    offered: HashMap<(usize, LegId), (usize, LegId)>,
    /// Who dialled last: callers take turns, so that nobody's next call meets the end of the one before.
    last_caller: usize,
    registered: usize,
    calls: u64,
    talks: u64,
}

#[expect(clippy::disallowed_methods, reason = "the phones' clock is the machine's")]
fn clock() -> Instant {
    Instant::now()
}

/// The user of the SIP URI in a header field.
fn user_of(text: &str) -> Option<&str> {
    text.split_once("sip:")?.1.split('@').next()
}

impl Floor {
    fn new(size: Size, program: &Program) -> Floor {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let (own, switch) = (socket.local_addr().unwrap(), program.sip);
        let numbers: Vec<String> =
            (0..size.agents).map(agent_line).chain((0..size.callers()).map(caller_line)).collect();
        let mut floor = Floor {
            size,
            socket,
            switch,
            start: clock(),
            phones: Vec::new(),
            by_number: HashMap::new(),
            acts: BTreeMap::new(),
            acts_so_far: 0,
            random: Seeded::new(1),
            callers: HashMap::new(),
            offered: HashMap::new(),
            last_caller: 0,
            registered: 0,
            calls: 0,
            talks: 0,
        };
        for number in numbers {
            let config = PhoneConfig {
                password: format!("pw-{number}"),
                number: number.clone(),
                domain: "office.test".to_owned(),
                flow: Flow::udp(own, switch),
                rtp: SocketAddr::from((Ipv4Addr::LOCALHOST, 9)),
                behaviour: Behaviour { obeys_events: false, ..Behaviour::default() },
            };
            let entropy = Seeded::new(1_000 + floor.phones.len() as u64);
            floor.by_number.insert(number, floor.phones.len());
            floor.phones.push(PhoneCore::new(config, Box::new(entropy)));
        }
        floor
    }

    fn now(&self) -> Now {
        Now(clock().duration_since(self.start))
    }

    fn between(&mut self, from_ms: u64, to_ms: u64) -> Duration {
        let span = (to_ms - from_ms).max(1);
        Duration::from_millis(from_ms + self.random.next_u64() % span)
    }

    fn later(&mut self, after: Duration, act: Act) {
        self.acts_so_far += 1;
        self.acts.insert((self.now().0 + after, self.acts_so_far), act);
    }

    /// Reads what has come, does what is due, sends what is to be sent.
    fn step(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok((length, _)) = self.socket.recv_from(&mut buffer) {
            let Ok(message) = Message::parse(Bytes::copy_from_slice(&buffer[..length])) else {
                continue;
            };
            // The phone's own address is To in what it is asked, and From in what it is answered.
            let own = if message.is_request() { HeaderName::To } else { HeaderName::From };
            let whose = message.header(own).and_then(user_of);
            let Some(phone) = whose.and_then(|user| self.by_number.get(user)).copied() else {
                continue;
            };
            let flow = Flow::udp(self.socket.local_addr().unwrap(), self.switch);
            let now = self.now();
            self.phones[phone].receive(now, Received { message, flow });
            self.hear(phone);
        }
        let now = self.now();
        for phone in 0..self.phones.len() {
            if self.phones[phone].next_deadline().is_some_and(|deadline| deadline <= now) {
                self.phones[phone].expire(now);
                self.hear(phone);
            }
        }
    }

    /// Sends what a phone has to say, and notes what its user notices.
    fn hear(&mut self, phone: usize) {
        while let Some(transmit) = self.phones[phone].poll_transmit() {
            let _ = self.socket.send_to(&transmit.bytes, self.switch);
        }
        while let Some(event) = self.phones[phone].poll_event() {
            match event {
                PhoneEvent::Registered { status: 200 } => self.registered += 1,
                PhoneEvent::Incoming { leg, from } => self.offered(phone, leg, &from),
                PhoneEvent::Connected { leg } => self.talks(phone, leg),
                PhoneEvent::Failed { leg, .. } | PhoneEvent::Ended { leg } => {
                    self.let_go(phone, leg);
                    if self.callers.get(&phone).is_some_and(|caller| caller.leg == leg) {
                        self.callers.remove(&phone);
                    }
                }
                _ => {}
            }
        }
    }

    /// An agent's call ends otherwise than by the agent: with its caller, or because the answer crossed
    /// the end of the ringing; then the caller still waits.
    fn let_go(&mut self, agent: usize, leg: LegId) {
        let Some((caller, call)) = self.offered.remove(&(agent, leg)) else { return };
        if let Some(caller) = self.callers.get_mut(&caller).filter(|caller| caller.leg == call) {
            caller.serving.retain(|one| *one != (agent, leg));
        }
    }

    /// Whether another agent seems to talk with an agent's caller, too: not for long, or somebody is
    /// served twice.
    fn is_in_doubt(&mut self, agent: usize, leg: LegId) -> bool {
        let Some((caller, call)) = self.offered.get(&(agent, leg)) else { return false };
        let caller = self.callers.get_mut(caller).filter(|caller| caller.leg == *call);
        let Some(caller) = caller.filter(|caller| caller.serving.len() > 1) else { return false };
        caller.doubts += 1;
        assert!(caller.doubts < MAX_DOUBTS, "somebody is served twice");
        true
    }

    /// An agent's phone rings: mostly it is answered, sometimes refused, sometimes nobody is there.
    fn offered(&mut self, agent: usize, leg: LegId, from: &str) {
        let caller = self.by_number[user_of(from).unwrap()];
        if let Some(call) = self.callers.get(&caller) {
            self.offered.insert((agent, leg), (caller, call.leg));
        }
        match self.random.next_u64() % 20 {
            0 => {}
            1 => {
                let after = self.between(100, 900);
                self.later(after, Act::Reject { agent, leg });
            }
            _ => {
                let after = self.between(100, 1_500);
                self.later(after, Act::Answer { agent, leg });
            }
        }
    }

    /// An agent and a caller talk: a caller does so once, see [`Floor::is_in_doubt`].
    fn talks(&mut self, agent: usize, leg: LegId) {
        let Some((caller, call)) = self.offered.get(&(agent, leg)) else { return };
        // The caller may have hung up while the agent answered.
        if let Some(caller) = self.callers.get_mut(caller).filter(|caller| caller.leg == *call) {
            caller.serving.push((agent, leg));
        }
        self.talks += 1;
        let longest = (self.size.seconds * 25).clamp(800, 12_000);
        let after = self.between(300, longest);
        self.later(after, Act::EndTalk { agent, leg });
    }

    /// Does what comes next; whether somebody shall look.
    fn act(&mut self) -> bool {
        let now = self.now();
        let Some((_, act)) = self.acts.pop_first() else { return false };
        match act {
            Act::Look => return true,
            Act::Dial(queue) => self.dial(queue),
            Act::GiveUp { caller, leg } => {
                let waits = self.callers.get(&caller);
                if waits.is_some_and(|known| known.leg == leg && known.serving.is_empty()) {
                    self.callers.remove(&caller);
                    self.phones[caller].hang_up(now, leg);
                    self.hear(caller);
                }
            }
            Act::Code(agent, code) => {
                // Who talks does not key a code.
                if self.phones[agent].legs().is_empty() {
                    self.phones[agent].call(now, code);
                    self.hear(agent);
                }
            }
            Act::Answer { agent, leg } => {
                self.phones[agent].answer(now, leg);
                self.hear(agent);
            }
            Act::Reject { agent, leg } => {
                self.offered.remove(&(agent, leg));
                self.phones[agent].reject(now, leg, 603);
                self.hear(agent);
            }
            Act::EndTalk { agent, leg } if self.is_in_doubt(agent, leg) => {
                self.later(Duration::from_secs(1), Act::EndTalk { agent, leg });
            }
            Act::EndTalk { agent, leg } => {
                self.offered.remove(&(agent, leg));
                self.phones[agent].hang_up(now, leg);
                self.hear(agent);
            }
        }
        false
    }

    /// Somebody who has no call dials a queue; a busy office makes it try again a little later.
    fn dial(&mut self, queue: usize) {
        let count = self.size.callers();
        let turns = (1..=count).map(|turn| self.size.agents + (self.last_caller + turn) % count);
        let free = { turns }.find(|phone| self.phones[*phone].legs().is_empty());
        let Some(caller) = free else {
            return self.later(Duration::from_millis(200), Act::Dial(queue));
        };
        let now = self.now();
        let leg = self.phones[caller].call(now, &(600 + queue).to_string()).unwrap();
        self.calls += 1;
        self.last_caller = caller - self.size.agents;
        self.callers.insert(caller, Caller { leg, serving: Vec::new(), doubts: 0 });
        self.hear(caller);
        let longest = (self.size.seconds * 100).clamp(2_500, 30_000);
        let patience = self.between(1_000, longest);
        self.later(patience, Act::GiveUp { caller, leg });
    }

    /// Everybody registers, some at a time.
    fn register(&mut self) {
        for phone in 0..self.phones.len() {
            let now = self.now();
            self.phones[phone].register(now, Duration::from_secs(3600));
            self.hear(phone);
            self.until("registrations", |floor| phone < floor.registered + AT_ONCE);
        }
        self.until("registrations", |floor| floor.registered == floor.phones.len());
    }

    fn until(&mut self, what: &str, is_so: impl Fn(&Floor) -> bool) {
        let begin = clock();
        while !is_so(self) {
            assert!(begin.elapsed() < PATIENCE, "{what}: {}", self.busy());
            self.turn();
            pause();
        }
    }

    /// The phones that have calls.
    fn busy(&self) -> String {
        let mut text = String::new();
        for phone in &self.phones {
            for leg in phone.legs() {
                let view = phone.leg(leg);
                let state = view.map(|view| (view.is_uac, view.is_confirmed));
                let _ = write!(text, "{} {state:?}; ", phone.number());
            }
        }
        text
    }

    /// One step, and everything that is due; whether somebody shall look.
    fn turn(&mut self) -> bool {
        self.step();
        let mut looks = false;
        while self.acts.first_key_value().is_some_and(|((due, _), _)| *due <= self.now().0) {
            looks |= self.act();
        }
        looks
    }

    /// What everybody will do: two busy times of the day, breaks in turn.
    fn plan(&mut self) {
        let day = self.size.seconds * 1000;
        for agent in 0..self.size.agents {
            let arrives = self.between(0, day / 20);
            self.later(arrives, Act::Code(agent, "*45"));
            if agent % 4 == 0 {
                let leaves = self.between(day / 5, day * 4 / 5);
                let back = leaves + Duration::from_millis(day / 12);
                self.later(leaves, Act::Code(agent, "*48"));
                self.later(back, Act::Code(agent, "*47"));
            }
        }
        for call in 0..self.size.calls {
            let queue = self.random.next_u64() as usize % self.size.queues;
            let when = match call % 4 {
                0 => self.between(day * 35 / 100, day * 50 / 100),
                1 => self.between(day * 70 / 100, day * 80 / 100),
                _ => self.between(day / 20, day),
            };
            self.later(when, Act::Dial(queue));
        }
        self.later(Duration::from_millis(day / 2), Act::Look);
    }
}

fn table(program: &Program, name: &str) -> String {
    let output = program.command(&[name]);
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    println!("$ strowger {name}\n{text}");
    text
}

fn items(program: &Program, path: &str) -> Vec<Value> {
    program.get(path).1["items"].as_array().unwrap().clone()
}

fn sum(rows: &[Value], member: &str) -> u64 {
    rows.iter().map(|row| row[member].as_u64().unwrap_or_else(|| panic!("{member} in {row}"))).sum()
}

/// What the tables say in the middle of the day.
fn look(program: &Program, size: Size) {
    let queues = table(program, "queues");
    let agents = table(program, "agents");
    let sessions = table(program, "agent-sessions");
    assert_eq!(queues.lines().count(), size.queues + 1, "{queues}");
    assert_eq!(agents.lines().count(), size.agents + 1, "{agents}");
    assert!(sessions.lines().count() > size.agents / 2, "{sessions}");
    for index in 0..size.agents {
        let (name, line) = (agent_name(index), agent_line(index));
        let row = agents.lines().find(|row| row.split(' ').next() == Some(&name)).unwrap();
        assert!(row.contains("T") && row.contains("Z"), "since when: {row}");
        assert!(row.contains("RELEASED") || row.contains(&line), "where: {row}");
    }
}

#[test]
fn a_day_of_agents_and_callers_loses_nobody_and_serves_nobody_twice() {
    let size = Size::of_test();
    let program = Program::with(configuration(&size));
    let mut floor = Floor::new(size, &program);
    floor.register();
    floor.plan();
    // Whoever looks takes its time; phones that say nothing meanwhile would be given up.
    std::thread::scope(|scope| {
        while !floor.acts.is_empty() {
            if floor.turn() {
                let (program, size) = (&program, floor.size);
                scope.spawn(move || look(program, size));
            }
            pause();
        }
        floor.until("every call ends", |floor| floor.callers.is_empty());
    });
    program.until("/api/v1/queues", |rows| sum(rows["items"].as_array().unwrap(), "waiting") == 0);
    floor.until("every phone is free", |floor| floor.phones.iter().all(|p| p.legs().is_empty()));
    let none_busy = |rows: &Value| {
        let rows = rows["items"].as_array().unwrap();
        rows.iter().all(|row| row["agentSessionState"] != "LINEAGENTSESSIONSTATE_BUSYONCALL")
    };
    program.until("/api/v1/agent-sessions", none_busy);
    let queues = items(&program, "/api/v1/queues");
    let agents = items(&program, "/api/v1/agents");
    println!("{} calls, {} talks", floor.calls, floor.talks);
    table(&program, "queues");
    let (queued, flowed) = (sum(&queues, "totalCallsQueued"), sum(&queues, "totalCallsFlowedIn"));
    assert_eq!(queued - flowed, floor.calls, "{queues:#?}");
    assert_eq!(flowed, sum(&queues, "totalCallsFlowedOut"));
    let answered = sum(&queues, "callsAnswered");
    let ends = ["totalCallsAbandoned", "finalDisposition", "callsTakenAway"];
    let unserved: u64 = ends.iter().map(|member| sum(&queues, member)).sum();
    assert_eq!(answered + unserved, floor.calls, "{queues:#?}");
    assert_eq!(sum(&agents, "numberOfAcdCalls"), answered, "{agents:#?}");
    assert!(answered > 0 && floor.talks >= answered, "{} of {answered}", floor.talks);
    // A code is no call with anybody.
    assert_eq!(sum(&agents, "numberOfOutgoingCalls") + sum(&agents, "numberOfIncomingCalls"), 0);
}
