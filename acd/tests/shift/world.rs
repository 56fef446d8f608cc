//! The world around the call centre: callers, phones, agents, and what is known of them from outside.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use acd::{
    AgentPlan, CallKey, Center, Destination, EmptyQueue, GroupPlan, Output, Overflow, PhoneState,
    Plan, QueuePlan, Refusal, Strategy, Time, WaitingCall,
};
use tapi::agent::{AgentId, AgentSessionId, GroupId, QueueId, WorkAddress};
use tapi::constant::AgentSessionState;
use tapi::{AddressId, DeviceId};

use crate::model::{Entry, How, Log};
use crate::random::Random;

pub(crate) const START: Time = Time(1_767_225_600_000);
const DOMAIN: &str = "shift.example";
const TRACE: usize = 60;

/// How large a world is.
#[derive(Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) agents: (u64, u64),
    pub(crate) queues: (u64, u64),
    pub(crate) groups: (u64, u64),
    pub(crate) calls: (u64, u64),
    pub(crate) length_s: u64,
    /// Something odd happens so often, on average.
    pub(crate) whim_s: u64,
    /// Everything is compared so often, in steps.
    pub(crate) audit: u64,
}

impl Scale {
    pub(crate) const SHIFT: Self = Self {
        agents: (1, 9),
        queues: (1, 5),
        groups: (1, 4),
        calls: (5, 40),
        length_s: 1_800,
        whim_s: 25,
        audit: 60,
    };
    pub(crate) const DAY: Self = Self {
        agents: (200, 201),
        queues: (20, 21),
        groups: (12, 13),
        calls: (20_000, 20_001),
        length_s: 9 * 3_600,
        whim_s: 40,
        audit: 40_000,
    };
}

/// What comes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Event {
    Arrives,
    GivesUp(u64),
    IsTaken(u64),
    Rings(u64, u32),
    Answers(u64, u32),
    Refuses(u64, u32, u8),
    HangsUp(u64, u32),
    Private(u32, u8),
    Whim,
    Reload,
    Shift(u32),
}

/// A call that waits, as the callers know it.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) queue: QueueId,
    pub(crate) place: (Reverse<u32>, u64),
    pub(crate) ringing: BTreeSet<u32>,
    pub(crate) refused_by: BTreeSet<AgentId>,
}

/// A phone and who works there.
#[derive(Clone, Default, Debug)]
pub(crate) struct Phone {
    pub(crate) state: PhoneState,
    pub(crate) ringing: Option<(u64, Time)>,
    pub(crate) busy_with: Option<(u64, AgentSessionId)>,
    pub(crate) unreachable_until: Option<Time>,
}

/// A session, from its messages.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) agent: AgentId,
    pub(crate) group: GroupId,
    pub(crate) line: u32,
    pub(crate) state: AgentSessionState,
}

pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) scale: Scale,
    pub(crate) center: Center,
    pub(crate) now: Time,
    pub(crate) plan: Plan,
    pub(crate) whole: Plan,
    events: BTreeMap<(Time, u64), Event>,
    last: u64,
    pub(crate) waiting: BTreeMap<u64, Caller>,
    pub(crate) lines: BTreeMap<QueueId, BTreeMap<(Reverse<u32>, u64), u64>>,
    pub(crate) done: BTreeSet<u64>,
    pub(crate) phones: BTreeMap<u32, Phone>,
    pub(crate) sessions: BTreeMap<AgentSessionId, Seen>,
    pub(crate) back_off: BTreeMap<AgentId, Time>,
    pub(crate) logged_in: BTreeSet<AgentId>,
    pub(crate) agent_begin: BTreeMap<AgentId, Time>,
    pub(crate) told: BTreeMap<(u8, u32), Time>,
    pub(crate) log: Log,
    pub(crate) arrived: u64,
    pub(crate) served: u64,
    pub(crate) steps: u64,
    pub(crate) outputs_seen: u64,
    flows: VecDeque<(u64, QueueId, QueueId, u32)>,
    trace: VecDeque<String>,
}

pub(crate) fn desk(line: u32) -> WorkAddress {
    WorkAddress { line: DeviceId(line), address: AddressId(0) }
}

fn plan(random: &mut Random, scale: Scale) -> Plan {
    let mut plan = Plan::new(DOMAIN);
    let groups = random.between(scale.groups.0, scale.groups.1);
    for index in 0..groups {
        plan.groups.push(GroupPlan { key: format!("g{index}"), name: format!("Group {index}") });
    }
    let some_groups = |random: &mut Random| {
        let mut keys: Vec<String> = (0..1 + random.below(3.min(groups)))
            .map(|_| format!("g{}", random.below(groups)))
            .collect();
        let mut seen = BTreeSet::new();
        keys.retain(|key| seen.insert(key.clone()));
        keys
    };
    let queues = random.between(scale.queues.0, scale.queues.1);
    for index in 0..queues {
        let keys = some_groups(random);
        let mut queue = QueuePlan::new(&format!("q{index}"), &[]);
        queue.groups = keys;
        queue.strategy = *random
            .of(&[
                Strategy::LongestIdle,
                Strategy::LongestIdle,
                Strategy::RoundRobin,
                Strategy::FewestCalls,
                Strategy::LeastTalkTime,
                Strategy::Sequential,
                Strategy::Random,
                Strategy::RingAll,
            ])
            .unwrap();
        queue.weight = random.below(3) as u32;
        queue.wrap_up = Duration::from_secs(*random.of(&[0, 5, 10, 30]).unwrap());
        queue.max_wait = random.percent(40).then(|| Duration::from_secs(60 + random.below(120)));
        queue.max_length = random.percent(20).then(|| 3 + random.below(20) as u32);
        queue.when_empty =
            *random.of(&[EmptyQueue::Wait, EmptyQueue::RefuseNew, EmptyQueue::Overflow]).unwrap();
        queue.overflow = match random.below(3) {
            0 => Overflow::HangUp,
            1 => Overflow::Number(String::from("206")),
            _ => Overflow::Queue(format!("q{}", random.below(queues))),
        };
        queue.announce = random.percent(30).then(|| Duration::from_secs(15));
        plan.queues.push(queue);
    }
    for index in 0..random.between(scale.agents.0, scale.agents.1) {
        plan.agents.push(AgentPlan {
            id: format!("a{index}"),
            pin: None,
            groups: some_groups(random),
            line: Some(DeviceId(index as u32)),
        });
    }
    plan
}

impl World {
    pub(crate) fn new(seed: u64, scale: Scale) -> Self {
        let mut random = Random::new(seed);
        let plan = plan(&mut random, scale);
        let center = Center::new(plan.clone(), START, seed);
        let mut world = Self {
            random,
            scale,
            center,
            now: START,
            whole: plan.clone(),
            plan,
            events: BTreeMap::new(),
            last: 0,
            waiting: BTreeMap::new(),
            lines: BTreeMap::new(),
            done: BTreeSet::new(),
            phones: BTreeMap::new(),
            sessions: BTreeMap::new(),
            back_off: BTreeMap::new(),
            logged_in: BTreeSet::new(),
            agent_begin: BTreeMap::new(),
            told: BTreeMap::new(),
            log: Vec::new(),
            arrived: 0,
            served: 0,
            steps: 0,
            outputs_seen: 0,
            flows: VecDeque::new(),
            trace: VecDeque::new(),
        };
        world.note_agents();
        world.prepare();
        world
    }

    fn prepare(&mut self) {
        let length = self.scale.length_s * 1000;
        for agent in self.plan.agents.clone() {
            let line = agent.line.unwrap().0;
            self.phones.insert(line, Phone::default());
            self.set_phone(line, PhoneState::FREE);
            let at = self.random.below(120_000);
            self.plan_at(at, Event::Shift(line));
        }
        for _ in 0..self.random.between(self.scale.calls.0, self.scale.calls.1) {
            let at = self.random.below(length);
            self.plan_at(at, Event::Arrives);
        }
        for _ in 0..self.scale.length_s / self.scale.whim_s {
            let at = self.random.below(length);
            self.plan_at(at, Event::Whim);
        }
        if self.random.percent(30) {
            let at = self.random.below(length);
            self.plan_at(at, Event::Reload);
        }
    }

    pub(crate) fn plan_at(&mut self, after_ms: u64, event: Event) {
        self.last += 1;
        self.events.insert((Time(self.now.0 + after_ms), self.last), event);
    }

    pub(crate) fn trace(&self) -> impl Iterator<Item = &String> {
        self.trace.iter()
    }

    pub(crate) fn say(&mut self, what: std::fmt::Arguments<'_>) {
        if self.trace.len() == TRACE {
            self.trace.pop_front();
        }
        self.trace.push_back(format!("{:>9} {what}", self.now.0 - START.0));
    }

    pub(crate) fn note_agents(&mut self) {
        let now = self.now;
        for agent in self.center.agents(now) {
            self.agent_begin.entry(agent.id).or_insert(now);
        }
    }

    /// Until everybody has gone home.
    pub(crate) fn run(&mut self) {
        loop {
            let event = self.events.first_key_value().map(|((at, _), _)| *at);
            let timer = self.center.next_timer();
            let Some(event) = event else { break };
            if let Some(due) = timer.filter(|due| *due <= event) {
                self.now = self.now.max(due);
                self.center.tick(self.now);
                self.after("timer");
                continue;
            }
            let Some(((at, _), event)) = self.events.pop_first() else { break };
            self.now = at;
            self.happen(event);
            self.after("event");
        }
        self.audit();
        assert!(self.waiting.is_empty(), "calls left over: {:?}", self.waiting);
        for queue in self.center.queues(self.now) {
            assert_eq!(queue.info.waiting, 0, "a queue still has calls");
        }
        for agent in self.center.agents(self.now) {
            assert!(!agent.is_ringing, "an agent is still reserved");
        }
        self.restart();
        self.audit();
    }

    /// The switch is started again; nobody is on the phone, and all books must be what they were.
    fn restart(&mut self) {
        let snapshot = self.center.snapshot(self.now, |line| Some(line.0.to_string()));
        let text = serde_json::to_string(&snapshot).unwrap();
        let snapshot = serde_json::from_str(&text).unwrap();
        let line_of = |name: &str| name.parse().ok().map(DeviceId);
        let plan = self.plan.clone();
        self.center = Center::restore(plan, &snapshot, self.now, 1, line_of);
    }

    fn happen(&mut self, event: Event) {
        self.say(format_args!("{event:?}"));
        match event {
            Event::Arrives => self.arrive(),
            Event::GivesUp(call) => self.leave_queue(call, How::Abandoned),
            Event::IsTaken(call) => self.leave_queue(call, How::Taken),
            Event::Rings(call, line) => {
                if self.is_ringing(call, line) {
                    self.center.ringing(CallKey(call), desk(line), self.now).unwrap();
                    self.phones.get_mut(&line).unwrap().ringing = Some((call, self.now));
                }
            }
            Event::Answers(call, line) => self.answer(call, line),
            Event::Refuses(call, line, why) => self.refuse(call, line, why),
            Event::HangsUp(call, line) => self.hang_up(call, line),
            Event::Private(line, step) => self.private(line, step),
            Event::Whim => self.whim(),
            Event::Reload => self.reload(),
            Event::Shift(line) => self.come_to_work(line),
        }
    }

    fn arrive(&mut self) {
        self.arrived += 1;
        let call = self.arrived;
        let queue = self.random.of(&self.whole.queues).unwrap().name.clone();
        let Some(queue) = self.center.queue_named(&queue) else {
            self.done.insert(call);
            return;
        };
        let priority = [0, 0, 0, 1, 2][self.random.below(5) as usize];
        self.enter(call, queue, None, priority);
        if self.waiting.contains_key(&call) {
            let patience = self.random.between(1_000, 400_000);
            self.plan_at(patience, Event::GivesUp(call));
            if self.random.percent(3) {
                let at = self.random.below(60_000);
                self.plan_at(at, Event::IsTaken(call));
            }
        }
    }

    /// A call enters a queue, or goes where the refusal sends it.
    pub(crate) fn enter(
        &mut self,
        call: u64,
        queue: QueueId,
        from: Option<QueueId>,
        priority: u32,
    ) {
        self.last += 1;
        let place = (Reverse(priority), self.last);
        let (ringing, refused_by) = (BTreeSet::new(), BTreeSet::new());
        self.waiting.insert(call, Caller { queue, place, ringing, refused_by });
        self.lines.entry(queue).or_default().insert(place, call);
        let is_flow = from.is_some();
        let entry = WaitingCall { key: CallKey(call), queue, from_queue: from, priority };
        self.log.push((self.now, Entry::Entered { call, queue, is_flow }));
        let Err(refusal) = self.center.enqueue(entry, self.now) else { return };
        self.log.pop();
        self.forget_place(call);
        match refusal.to {
            Destination::Queue(other) => {
                assert_ne!(other, queue);
                self.enter(call, other, from, priority);
                assert!(self.waiting.contains_key(&call), "a destination takes the call");
            }
            Destination::HangUp | Destination::Number(_) => drop(self.done.insert(call)),
        }
    }

    pub(crate) fn forget_place(&mut self, call: u64) -> Option<Caller> {
        let caller = self.waiting.remove(&call)?;
        self.lines.get_mut(&caller.queue).unwrap().remove(&caller.place);
        Some(caller)
    }

    fn leave_queue(&mut self, call: u64, how: How) {
        let Some(caller) = self.forget_place(call) else { return };
        self.done.insert(call);
        self.log.push((self.now, Entry::Left { call, queue: caller.queue, how }));
        let key = CallKey(call);
        match how {
            How::Taken => self.center.take_away(key, self.now).unwrap(),
            _ => self.center.abandon(key, self.now).unwrap(),
        }
        assert!(self.center.abandon(key, self.now).is_err(), "a call leaves once");
    }

    pub(crate) fn is_ringing(&self, call: u64, line: u32) -> bool {
        self.phones.get(&line).is_some_and(|p| p.ringing.is_some_and(|(other, _)| other == call))
    }

    fn answer(&mut self, call: u64, line: u32) {
        if !self.is_ringing(call, line) {
            assert!(self.center.answered(CallKey(call), desk(line), self.now).is_err());
            return;
        }
        let caller = self.forget_place(call).unwrap();
        let session = self.center.answered(CallKey(call), desk(line), self.now).unwrap();
        let agent = self.sessions[&session].agent;
        let phone = self.phones.get_mut(&line).unwrap();
        let (_, since) = phone.ringing.take().unwrap();
        phone.busy_with = Some((call, session));
        let after_ms = self.now.0 - since.0;
        let how = How::Answered;
        self.log.push((self.now, Entry::Left { call, queue: caller.queue, how }));
        self.log.push((self.now, Entry::Answered { session, agent, after_ms }));
        assert!(self.done.insert(call), "a call is served once");
        self.served += 1;
        let talk = self.random.between(5_000, 300_000);
        self.plan_at(talk, Event::HangsUp(call, line));
    }

    fn refuse(&mut self, call: u64, line: u32, why: u8) {
        if !self.is_ringing(call, line) {
            return;
        }
        let why = [
            Refusal::NoAnswer,
            Refusal::Busy,
            Refusal::Rejected,
            Refusal::Unregistered,
            Refusal::Failed,
        ][usize::from(why)];
        let agent = self.center.agent_at(desk(line)).unwrap();
        let caller = self.waiting.get_mut(&call).unwrap();
        caller.ringing.remove(&line);
        caller.refused_by.insert(agent);
        let plan = self.plan_of(self.waiting[&call].queue);
        let pause = plan.map(|plan| match why {
            Refusal::Busy => plan.busy_back_off,
            Refusal::Rejected | Refusal::Failed => plan.reject_back_off,
            Refusal::NoAnswer | Refusal::Unregistered => Duration::ZERO,
        });
        let phone = self.phones.get_mut(&line).unwrap();
        phone.ringing = None;
        if why == Refusal::Unregistered {
            phone.unreachable_until = Some(self.now.after(Duration::from_secs(60)));
        }
        if let Some(pause) = pause.filter(|pause| !pause.is_zero()) {
            self.back_off.insert(agent, self.now.after(pause));
        }
        self.center.refused(CallKey(call), desk(line), why, self.now).unwrap();
    }

    pub(crate) fn plan_of(&self, queue: QueueId) -> Option<&QueuePlan> {
        self.plan.queues.iter().find(|plan| self.center.queue_named(&plan.name) == Some(queue))
    }

    fn hang_up(&mut self, call: u64, line: u32) {
        let phone = self.phones.get_mut(&line).unwrap();
        let (other, session) = phone.busy_with.take().unwrap();
        assert_eq!(other, call);
        let agent = self.sessions[&session].agent;
        self.log.push((self.now, Entry::Ended { session, agent }));
        self.center.left(CallKey(call), desk(line), self.now).unwrap();
        assert!(self.center.left(CallKey(call), desk(line), self.now).is_err());
    }

    /// Everything that came out of the last input.
    fn after(&mut self, what: &str) {
        loop {
            let outputs: Vec<Output> = self.center.outputs().collect();
            if outputs.is_empty() && self.flows.is_empty() {
                break;
            }
            for output in outputs {
                let text = format!("{output:?}");
                self.outputs_seen = text.bytes().fold(self.outputs_seen, |sum, byte| {
                    sum.wrapping_mul(131).wrapping_add(byte.into())
                });
                self.say(format_args!("{what}: {text}"));
                self.take(output);
            }
            if let Some((call, queue, from, priority)) = self.flows.pop_front() {
                self.enter(call, queue, Some(from), priority);
            }
        }
        self.steps += 1;
        self.check_step();
        if self.steps.is_multiple_of(self.scale.audit) {
            self.audit();
        }
        assert_eq!(self.center.outputs().len(), 0, "audits change nothing");
    }

    fn take(&mut self, output: Output) {
        match output {
            Output::Ring { call, queue, agent, session, at, .. } => {
                self.check_ring(call.0, queue, agent, session, at.line.0);
                self.react(call.0, at.line.0);
            }
            Output::StopRinging { call, at, is_answered_elsewhere } => {
                let phone = self.phones.get_mut(&at.line.0).unwrap();
                let stopped = phone.ringing.take().unwrap();
                assert_eq!(stopped.0, call.0);
                if let Some(caller) = self.waiting.get_mut(&call.0) {
                    caller.ringing.remove(&at.line.0);
                    assert!(!is_answered_elsewhere, "it waits");
                }
            }
            Output::Overflow { call, from, to, .. } => {
                let caller = self.forget_place(call.0).unwrap();
                assert_eq!(caller.queue, from);
                let how = match to {
                    Destination::Queue(_) => How::FlowedOut,
                    _ => How::LastResort,
                };
                self.log.push((self.now, Entry::Left { call: call.0, queue: from, how }));
                match to {
                    // Once all outputs are taken in, as the exchange does one thing after the other.
                    Destination::Queue(queue) => {
                        self.flows.push_back((call.0, queue, from, caller.place.0.0));
                    }
                    _ => assert!(self.done.insert(call.0)),
                }
            }
            Output::Announce { call, position, .. } => {
                let caller = &self.waiting[&call.0];
                let ahead = self.lines[&caller.queue].range(..caller.place).count();
                assert_eq!(position as usize, ahead + 1);
                assert!(caller.ringing.is_empty());
            }
            Output::Notice { notice, .. } => self.check_notice(&notice),
        }
    }

    /// What whoever sits at a phone does when it rings.
    fn react(&mut self, call: u64, line: u32) {
        let ring = self.random.between(1, 400);
        self.plan_at(ring, Event::Rings(call, line));
        let (after, event) = match self.random.below(100) {
            0..70 => (self.random.between(500, 12_000), Event::Answers(call, line)),
            70..85 => (20_000, Event::Refuses(call, line, 0)),
            85..89 => (self.random.between(1, 300), Event::Refuses(call, line, 1)),
            89..94 => (self.random.between(500, 5_000), Event::Refuses(call, line, 2)),
            94..97 => (self.random.between(100, 3_000), Event::Refuses(call, line, 3)),
            _ => (self.random.between(1, 300), Event::Refuses(call, line, 4)),
        };
        self.plan_at(after, event);
    }
}
