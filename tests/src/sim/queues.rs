//! What a random day does with queues and their agents, and what must be true of them at every moment:
//! nobody who waits is lost, nobody is served twice, and the books add up.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use config::{Config, Queue, QueueStrategy, WhenEmpty};
use serde_json::{Value, json};
use sip_stack::time::{Entropy, Seeded};
use switch::exchange::{AdminRequest, AgentAction};

use super::schedule::{Schedule, call_id};

/// The two queues of the day.
const QUEUES: [&str; 3] = ["600", "601", "600"];
/// What agents dial.
const CODES: [&str; 7] = ["*45", "*45", "*46", "*47", "*48", "*45jane*4711", "*45omar*4712"];
/// Where calls go: queues and lines.
const TARGETS: [&str; 5] = ["600", "601", "202", "203", "299"];
/// Longer than any call waits, rings and is worked on.
const OVER: Duration = Duration::from_secs(60);

/// The office with two queues, whose settings the seed chooses.
fn two_queues(seed: u64, config: &mut Config) {
    let mut random = Seeded::new(seed ^ 0x00ac_d000);
    let mut below = |limit: u64| random.next_u64() % limit;
    let Some(mut support) = config.queues.remove("support") else { return };
    let settle = |queue: &mut Queue, below: &mut dyn FnMut(u64) -> u64| {
        let strategies = [
            QueueStrategy::LongestIdle,
            QueueStrategy::RingAll,
            QueueStrategy::RoundRobin,
            QueueStrategy::Random,
        ];
        queue.strategy = strategies[below(4) as usize];
        queue.wrap_up = Duration::from_secs(below(3) * 3);
        queue.ring_timeout = Some(Duration::from_secs(3 + below(8)));
        queue.retry = Duration::from_secs(1 + below(4));
        queue.busy_delay = Duration::from_secs(below(20));
        queue.max_misses = below(4) as u32;
        queue.max_wait = (below(2) == 0).then(|| Duration::from_secs(5 + below(40)));
        queue.max_length = (below(3) == 0).then(|| 1 + below(3) as u32);
        queue.answers = below(4) > 0;
        queue.answer_after = Duration::from_secs(below(3) * 2);
        queue.when_empty = if below(4) == 0 { WhenEmpty::Leave } else { WhenEmpty::Wait };
        queue.announcements.has_tones = below(2) == 0;
        queue.announcements.every = Duration::from_secs(5);
    };
    let mut orders = Queue { id: "orders".to_owned(), number: "601".to_owned(), ..support.clone() };
    settle(&mut support, &mut below);
    settle(&mut orders, &mut below);
    let choose = |below: &mut dyn FnMut(u64) -> u64, other: &str| match below(4) {
        0 => None,
        1 => Some("202".to_owned()),
        _ => Some(other.to_owned()),
    };
    support.on_max_wait = choose(&mut below, "601");
    orders.on_max_wait = choose(&mut below, "600");
    support.on_full = choose(&mut below, "601");
    config.queues.insert(support.id.clone(), support);
    config.queues.insert(orders.id.clone(), orders);
    for (agent, line) in [("jane", "202"), ("omar", "203")] {
        if let Some(agent) = config.agents.get_mut(agent) {
            agent.line = Some(line.to_owned());
        }
    }
}

impl Schedule {
    /// Plays a day of a call centre with everything else that an office does.
    pub fn play_with_queues(seed: u64) -> Schedule {
        let mut day = Schedule::in_office(seed, |config| two_queues(seed, config));
        day.has_features = day.below(2) == 0;
        let steps = 15 + day.below(45);
        for _ in 0..steps {
            day.pause();
            match day.below(5) {
                0..=2 => day.use_queue(),
                3 if day.has_features => day.use_feature(),
                _ => day.act(),
            }
            day.check_queues();
        }
        day.calm_down();
        day.check_queues();
        day.clear();
        day.world.run_for(OVER);
        day.check_books();
        day.end();
        day
    }

    fn use_queue(&mut self) {
        match self.below(12) {
            0..=3 => {
                let (phone, number) = (self.some_phone(), self.pick(&QUEUES));
                self.dial_from(phone, number);
            }
            4 | 5 => {
                let (phone, code) = (self.some_phone(), self.pick(&CODES));
                self.dial_from(phone, code);
            }
            6..=8 => self.pick_up(),
            9 => {
                let target = self.pick(&TARGETS);
                let leg = self.some_leg(|_, is_confirmed| is_confirmed);
                if let Some((phone, leg)) = leg {
                    self.world.note(format!("{} transfers to {target}", self.name(phone)));
                    self.world.with_phone(phone, |phone, now| phone.transfer(now, leg, target));
                }
            }
            10 => self.direct_agents(),
            _ => self.redirect_waiting(),
        }
    }

    /// An administrator logs agents in and out, wherever they are.
    fn direct_agents(&mut self) {
        let agent = self.pick(&["jane", "omar"]).to_owned();
        let line = self.pick(&["202", "203", "204"]).to_owned();
        let action = match self.below(4) {
            0 | 1 => AgentAction::LogIn { line },
            2 => AgentAction::SetReady(self.below(3) > 0),
            _ => AgentAction::LogOut,
        };
        self.world.note(format!("administrator: {agent} {action:?}"));
        let _ = self.world.administrator(AdminRequest::AgentAction { agent, action, lines: None });
    }

    /// An administrator sends somebody who waits elsewhere.
    fn redirect_waiting(&mut self) {
        let to = self.pick(&TARGETS).to_owned();
        let rows = self.rows();
        let waiting: Vec<Value> = rows.into_iter().filter(is_of_queue).collect();
        let Some(row) = self.one_of(&waiting) else { return };
        let line = row["line"].as_str().unwrap_or_default().to_owned();
        if let Some(call_id) = call_id(&row) {
            self.world.note(format!("administrator: {line} redirects to {to}"));
            let request = AdminRequest::Redirect { call_id, line, to };
            let _ = self.world.administrator(request);
        }
    }

    fn table(&mut self, request: AdminRequest) -> Vec<Value> {
        let rows = self.world.administrator(request).unwrap_or_default();
        rows.as_array().cloned().unwrap_or_default()
    }

    /// Who waits is a call on the queue's line and nowhere else; the books of queues add up; an agent
    /// who is busy has a call.
    fn check_queues(&mut self) {
        let calls = self.rows();
        let queues = self.table(AdminRequest::Queues);
        let sessions = self.table(AdminRequest::AgentSessions);
        let seen = waiting_is_true(&queues, &calls)
            .and_then(|()| busy_is_true(&sessions, &calls))
            .map_err(|rule| format!("{rule}\nqueues {queues:?}\ncalls {calls:?}"));
        self.world.demand(seen);
    }

    /// Nothing goes on any more: what agents have served is what queues have given.
    fn check_books(&mut self) {
        self.check_queues();
        let queues = self.table(AdminRequest::Queues);
        let agents = self.table(AdminRequest::Agents);
        let sessions = self.table(AdminRequest::AgentSessions);
        let busy = |row: &&Value| row["agentSessionState"] == "LINEAGENTSESSIONSTATE_BUSYONCALL";
        let busy = sessions.iter().filter(busy).count();
        let rule = format!("{busy} sessions are busy, and nothing goes on");
        self.world.demand(if busy == 0 { Ok(()) } else { Err(rule) });
        let (given, served) = (sum(&queues, "callsAnswered"), sum(&agents, "numberOfAcdCalls"));
        let rule = format!("queues gave {given} calls, agents had {served}");
        self.world.demand(if given == served { Ok(()) } else { Err(rule) });
        let (out, into) = (sum(&queues, "totalCallsFlowedOut"), sum(&queues, "totalCallsFlowedIn"));
        let rule = format!("{out} calls flowed out and {into} in");
        self.world.demand(if out >= into { Ok(()) } else { Err(rule) });
    }
}

fn sum(rows: &[Value], member: &str) -> u64 {
    rows.iter().filter_map(|row| row[member].as_u64()).sum()
}

fn is_of_queue(row: &Value) -> bool {
    let is_waiting = ["LINECALLSTATE_OFFERING", "LINECALLSTATE_ACCEPTED"]
        .iter()
        .any(|state| row["callState"] == *state);
    is_waiting && QUEUES.iter().any(|number| row["line"] == *number)
}

/// Errors: a caller who is lost, or waits twice, or a queue whose books do not add up.
fn waiting_is_true(queues: &[Value], calls: &[Value]) -> Result<(), String> {
    let mut on_lines: BTreeMap<&str, usize> = BTreeMap::new();
    for row in calls.iter().filter(|row| is_of_queue(row)) {
        *on_lines.entry(row["line"].as_str().unwrap_or_default()).or_default() += 1;
    }
    let mut names = BTreeSet::new();
    for queue in queues {
        let number = queue["number"].as_str().unwrap_or_default();
        let shown = queue["calls"].as_array().map_or(0, Vec::len);
        let waiting = queue["waiting"].as_u64().unwrap_or_default() as usize;
        let on_line = on_lines.get(number).copied().unwrap_or_default();
        if [shown, on_line] != [waiting; 2] {
            return Err(format!(
                "{number}: {waiting} wait, {shown} are shown, {on_line} on its line"
            ));
        }
        for call in queue["calls"].as_array().into_iter().flatten() {
            if !names.insert(call["callId"].as_u64()) {
                return Err(format!("{call} waits twice"));
            }
        }
        let ends = [
            "callsAnswered",
            "totalCallsAbandoned",
            "totalCallsFlowedOut",
            "finalDisposition",
            "callsTakenAway",
            "waiting",
        ];
        let ends: u64 = ends.iter().filter_map(|end| queue[*end].as_u64()).sum();
        if queue["totalCallsQueued"] != json!(ends) {
            return Err(format!("{number}: {ends} calls are accounted for"));
        }
    }
    Ok(())
}

/// Errors: a session that is busy with a call that is not there, or two of one agent.
fn busy_is_true(sessions: &[Value], calls: &[Value]) -> Result<(), String> {
    let mut busy = BTreeSet::new();
    for session in sessions {
        if session["agentSessionState"] != "LINEAGENTSESSIONSTATE_BUSYONCALL" {
            continue;
        }
        if !busy.insert(session["agent"].as_str()) {
            return Err(format!("an agent is served two calls: {sessions:?}"));
        }
        let silent = ["IDLE", "OFFERING", "ACCEPTED", "DIALTONE"];
        let is_talk = |row: &&Value| {
            let state = row["callState"].as_str().unwrap_or_default();
            row["line"] == session["line"]
                && !silent.contains(&state.trim_start_matches("LINECALLSTATE_"))
        };
        if calls.iter().find(is_talk).is_none() {
            return Err(format!("a session is busy with nothing: {session}"));
        }
    }
    Ok(())
}
