//! The call centre through a day of 200 agents, 20 queues and 20,000 calls: events that one core sustains.
//!
//! The day is played once with callers and agents who do what they do by chance, and written down; what is
//! measured is the centre alone, given the same inputs again, its timers and outputs included.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use acd::{
    AgentPlan, CallKey, Center, GroupPlan, Output, PhoneState, Plan, QueuePlan, Refusal, Strategy,
    Time, WaitingCall,
};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tapi::agent::{QueueId, WorkAddress};
use tapi::{AddressId, DeviceId};

const AGENTS: u32 = 200;
const QUEUES: u64 = 20;
const GROUPS: u64 = 12;
const CALLS: u64 = 20_000;
/// Eight hours, in milliseconds.
const DAY: u64 = 8 * 3_600_000;
const START: Time = Time(1_767_225_600_000);

/// What the exchange tells.
#[derive(Clone, Copy)]
enum Input {
    LogIn(u32),
    Enters(u64, QueueId),
    GivesUp(u64),
    Rings(u64, u32),
    Answers(u64, u32),
    Refuses(u64, u32),
    HangsUp(u64, u32),
    Break(u32, bool),
}

/// A fixed sequence of numbers.
struct Random(u64);

impl Random {
    fn between(&mut self, from: u64, to: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        from + (self.0 >> 8) % (to - from)
    }
}

fn desk(line: u32) -> WorkAddress {
    WorkAddress { line: DeviceId(line), address: AddressId(0) }
}

fn plan() -> Plan {
    let mut plan = Plan::new("bench.example");
    let key = |index: u64| format!("g{}", index % GROUPS);
    for index in 0..GROUPS {
        plan.groups.push(GroupPlan { key: key(index), name: key(index) });
    }
    let strategies = [
        Strategy::LongestIdle,
        Strategy::RoundRobin,
        Strategy::FewestCalls,
        Strategy::LeastTalkTime,
        Strategy::Sequential,
        Strategy::Random,
    ];
    for (index, strategy) in (0..QUEUES).zip(strategies.into_iter().cycle()) {
        let mut queue = QueuePlan::new(&format!("q{index}"), &[]);
        queue.groups = vec![key(index), key(index + 5)];
        queue.strategy = strategy;
        queue.wrap_up = Duration::from_secs(10);
        queue.max_wait = Some(Duration::from_secs(600));
        queue.announce = Some(Duration::from_secs(30));
        queue.weight = (index % 3) as u32;
        plan.queues.push(queue);
    }
    for index in 0..AGENTS {
        let groups = vec![key(index.into()), key(u64::from(index) + 3), key(u64::from(index) + 7)];
        let line = Some(DeviceId(index));
        plan.agents.push(AgentPlan { id: format!("a{index}"), pin: None, groups, line });
    }
    plan
}

fn opened() -> Center {
    let mut center = Center::new(plan(), START, 1);
    (0..AGENTS).for_each(|line| center.phone(desk(line), PhoneState::FREE, START));
    center
}

/// Gives one input; whether it still meant something.
fn give(center: &mut Center, input: Input, now: Time) -> bool {
    match input {
        Input::LogIn(line) => center.log_in(desk(line), None, None, now).is_ok(),
        Input::Enters(call, queue) => {
            let call = WaitingCall { key: CallKey(call), queue, from_queue: None, priority: 0 };
            center.enqueue(call, now).is_ok()
        }
        Input::GivesUp(call) => center.abandon(CallKey(call), now).is_ok(),
        Input::Rings(call, line) => center.ringing(CallKey(call), desk(line), now).is_ok(),
        Input::Answers(call, line) => center.answered(CallKey(call), desk(line), now).is_ok(),
        Input::Refuses(call, line) => {
            center.refused(CallKey(call), desk(line), Refusal::NoAnswer, now).is_ok()
        }
        Input::HangsUp(call, line) => center.left(CallKey(call), desk(line), now).is_ok(),
        Input::Break(line, is_ready) => center.set_ready(desk(line), is_ready, now).is_ok(),
    }
}

/// Lets the centre's timers fire up to a moment; how many times it was woken.
fn wake(center: &mut Center, until: Time) -> u64 {
    let mut woken = 0;
    while let Some(due) = center.next_timer().filter(|due| *due <= until) {
        center.tick(due);
        woken += 1;
    }
    woken
}

/// What is to come, in the order of time.
#[derive(Default)]
struct Diary {
    entries: BTreeMap<(Time, u64), Input>,
    last: u64,
}

impl Diary {
    fn at(&mut self, when: Time, input: Input) {
        self.last += 1;
        self.entries.insert((when, self.last), input);
    }
}

fn first_plans(center: &Center, random: &mut Random) -> Diary {
    let mut diary = Diary::default();
    for line in 0..AGENTS {
        diary.at(Time(START.0 + random.between(0, 600_000)), Input::LogIn(line));
        for _ in 0..4 {
            let begin = START.0 + random.between(0, DAY);
            diary.at(Time(begin), Input::Break(line, false));
            diary.at(Time(begin + 600_000), Input::Break(line, true));
        }
    }
    for call in 0..CALLS {
        let name = format!("q{}", random.between(0, QUEUES));
        if let Some(queue) = center.queue_named(&name) {
            diary.at(Time(START.0 + random.between(0, DAY)), Input::Enters(call, queue));
        }
    }
    diary
}

/// The inputs of a day, and how many events they are with the timers that fire in between.
fn day() -> (Vec<(Time, Input)>, u64) {
    let (mut random, mut center) = (Random(0x9e37_79b9), opened());
    let mut diary = first_plans(&center, &mut random);
    let (mut played, mut woken) = (Vec::new(), 0);
    while let Some(((now, _), input)) = diary.entries.pop_first() {
        woken += wake(&mut center, now);
        if give(&mut center, input, now) {
            played.push((now, input));
        }
        let later = |ms: u64| Time(now.0 + ms);
        match input {
            Input::Enters(call, _) => {
                diary.at(later(random.between(20_000, 600_000)), Input::GivesUp(call));
            }
            Input::Answers(call, line) => {
                diary.at(later(random.between(20_000, 400_000)), Input::HangsUp(call, line));
            }
            _ => {}
        }
        let outputs: Vec<Output> = center.outputs().collect();
        for output in outputs {
            if let Output::Ring { call, at, .. } = output {
                let line = at.line.0;
                diary.at(later(random.between(50, 300)), Input::Rings(call.0, line));
                match random.between(0, 10) {
                    0 => diary.at(later(20_000), Input::Refuses(call.0, line)),
                    _ => {
                        diary.at(later(random.between(1_000, 9_000)), Input::Answers(call.0, line))
                    }
                }
            }
        }
    }
    let events = woken + played.len() as u64;
    (played, events)
}

/// The same day once more; how much came out.
fn play(center: &mut Center, inputs: &[(Time, Input)]) -> usize {
    let mut outputs = 0;
    for (now, input) in inputs {
        wake(center, *now);
        black_box(give(center, *input, *now));
        outputs += center.outputs().count();
    }
    outputs
}

fn bench(criterion: &mut Criterion) {
    let (inputs, events) = day();
    let outputs = play(&mut opened(), &inputs);
    println!("a day is {events} events, {outputs} outputs");
    let mut group = criterion.benchmark_group("acd");
    group.throughput(Throughput::Elements(events));
    group.bench_function("a day of 200 agents, 20 queues, 20,000 calls", |bench| {
        bench.iter_batched_ref(opened, |center| play(center, &inputs), BatchSize::PerIteration);
    });
    group.finish();
}

fn short() -> Criterion {
    Criterion::default().sample_size(10).measurement_time(Duration::from_secs(5))
}

criterion_group! { name = benches; config = short(); targets = bench }
criterion_main!(benches);
