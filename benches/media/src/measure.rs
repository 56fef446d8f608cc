//! One run: every relay under the same load, and the tables.

use std::fs;
use std::time::Duration;

use crate::Outcome;
use crate::load::{Load, Pace};
use crate::place::Place;
use crate::relay::now;
use crate::table::{HEAD, Measured, PROGRAM_HEAD, median, range};
use crate::target::{Kind, Tally, Target, has_rtpengine};
use crate::trial::{Trial, keep_apart};
use crate::usage::{cpu, memory, softirqs};
use crate::wire::{pin, prefer, signal};

/// Before counting begins.
const WARM_UP: Duration = Duration::from_millis(1_500);
/// How long and how often it is waited for the kernel to have all streams.
const SETTLING: Duration = Duration::from_millis(500);
const SETTLINGS_MAX: usize = 20;
/// The search for the most calls: where it begins, how it grows, how exact it is, what it may cost.
const FIRST_CALLS: usize = 200;
const MOST_CALLS: usize = 5_000;
const EXACT_PERCENT: usize = 4;
const STEP: Duration = Duration::from_secs(4);
/// The rule.
const LOSS_MAX: f64 = 0.001;
const P99_MAX_MS: f64 = 20.0;
/// Whether the kernel keeps statistics of programs.
const STATISTICS: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// What is to be measured.
pub(crate) struct Plan {
    pub(crate) calls: usize,
    pub(crate) time: Duration,
    pub(crate) rounds: usize,
    pub(crate) nice: i32,
    pub(crate) is_veth: bool,
    pub(crate) is_searching: bool,
    pub(crate) is_bound: bool,
    pub(crate) is_resting: bool,
    pub(crate) only: Option<String>,
    /// In place of all other relays but ours.
    pub(crate) trials: Vec<Trial>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            calls: 20,
            time: Duration::from_secs(2),
            rounds: 1,
            nice: 0,
            is_veth: false,
            is_searching: false,
            is_bound: false,
            is_resting: false,
            only: None,
            trials: Vec::new(),
        }
    }
}

/// A relay with its calls, in a place of its own.
struct Bench {
    kind: Kind,
    // First: it ends before its place.
    target: Target,
    place: Place,
    /// Of the process before the first call.
    memory: u64,
    /// The numbering of all streams.
    number: u32,
}

impl Bench {
    fn start(kind: Kind, place: Place) -> Outcome<Self> {
        let target = Target::start(kind, &place)?;
        let memory = target.process().map_or(Ok(0), memory)?;
        Ok(Self { kind, target, place, memory, number: 0 })
    }

    /// Makes calls until there are so many; gives how many it made in a second.
    fn grow(&mut self, calls: usize) -> Outcome<f64> {
        let (before, start) = (self.target.calls.len(), now());
        let is_relayed = self.target.process().is_some();
        for call in before..calls {
            self.target.call(self.place.phones(call, is_relayed), &self.place)?;
        }
        let made = calls.saturating_sub(before);
        let elapsed = start.elapsed();
        self.pause(true);
        Ok(made as f64 / elapsed.as_secs_f64())
    }

    /// Keeps a trial from running while others are measured: one that spins would take their core.
    fn pause(&self, is_paused: bool) {
        if let (Kind::Trial(_), Some(process)) = (self.kind, self.target.process()) {
            signal(process, if is_paused { libc::SIGSTOP } else { libc::SIGCONT });
        }
    }

    /// Talks until everything goes the way it will go.
    fn load(&mut self, calls: usize) -> Outcome<Load> {
        let mut load = Load::new(&self.place, &self.target, calls, self.number)?;
        load.talk(WARM_UP, Pace::RealTime);
        if !self.kind.is_kernel() {
            return Ok(load);
        }
        let mut streams = 0;
        for _ in 0..SETTLINGS_MAX {
            streams = self.target.count()?.map_or(0, |tally| tally.streams);
            if streams == 2 * calls as u64 {
                return Ok(load);
            }
            load.talk(SETTLING, Pace::RealTime);
        }
        Err(format!("the kernel has only {streams} streams of {calls} calls").into())
    }

    fn measure(&mut self, calls: usize, time: Duration, pace: Pace) -> Outcome<Measured> {
        self.pause(false);
        let mut load = self.load(calls)?;
        let process = self.target.process();
        let read = || -> Outcome<(Duration, Duration)> {
            let relay = process.map_or(Ok(Duration::ZERO), cpu)?;
            Ok((relay, relay + cpu(std::process::id())? + softirqs()?))
        };
        let tally = self.target.count()?;
        let before = read()?;
        let counted = load.talk(time, pace);
        let after = read()?;
        let since = |now: Tally| tally.map(|before| now.since(&before));
        let tally = self.target.count()?.and_then(since);
        self.pause(true);
        self.number = load.number;
        let (relay, machine) = (after.0 - before.0, after.1 - before.1);
        Ok(Measured { counted, relay, machine, tally })
    }

    /// Whether so many calls go well, by the rule.
    fn carries(&mut self, calls: usize) -> Outcome<bool> {
        self.grow(calls)?;
        let measured = self.measure(calls, STEP, Pace::RealTime)?;
        let counted = &measured.counted;
        let lost = counted.lost() as f64 / counted.sent.max(1) as f64;
        let p99_ms = counted.percentile_ms(0.99);
        eprintln!(
            "  {calls} calls: {:.3} % lost, p99 {p99_ms:.2} ms, {:.2} us a packet, generator behind {:.1} ms",
            lost * 100.0,
            measured.relay_us(),
            counted.behind.as_secs_f64() * 1e3,
        );
        Ok(lost <= LOSS_MAX && p99_ms <= P99_MAX_MS && counted.wrong == 0)
    }

    fn most_calls(&mut self) -> Outcome<usize> {
        let (mut good, mut bad) = (0, None);
        let mut calls = FIRST_CALLS;
        while bad.is_none_or(|bad| (bad - good) * 100 > bad * EXACT_PERCENT) && good < MOST_CALLS {
            // What fails once may have met another program.
            if self.carries(calls)? || self.carries(calls)? {
                good = calls;
            } else {
                bad = Some(calls);
            }
            calls = bad.map_or((good * 3 / 2).min(MOST_CALLS), |bad| (good + bad) / 2);
        }
        Ok(good)
    }
}

/// The cores that are told apart: the generator's is 0, the relay's the last.
fn prepare(plan: &Plan) -> Option<usize> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if plan.nice != 0 {
        prefer(plan.nice);
    }
    if cores > 1 {
        pin(0);
    }
    (cores > 1).then_some(cores - 1)
}

/// A place of its own for each relay: no program at its devices but its own.
fn place(plan: &Plan, core: Option<usize>) -> Outcome<Place> {
    if plan.is_veth { Place::veth(core) } else { Ok(Place::loopback(core)) }
}

/// Everything that was asked for.
pub(crate) fn run(plan: &Plan) -> Outcome<()> {
    let core = prepare(plan);
    let mut kinds = vec![Kind::OursBound, Kind::Ours];
    if plan.is_veth {
        kinds.extend([Kind::Tc, Kind::Xdp]);
    }
    if !plan.trials.is_empty() {
        keep_apart()?;
        kinds = vec![Kind::Ours];
        kinds.extend(plan.trials.iter().map(|trial| Kind::Trial(*trial)));
    } else if has_rtpengine() {
        kinds.push(Kind::Rtpengine);
    } else {
        println!("rtpengine is not installed (apt-get install rtpengine-daemon): no comparison");
    }
    kinds.retain(|kind| plan.only.as_deref().is_none_or(|only| kind.name().starts_with(only)));
    println!(
        "{} calls over {}, {} s each, {} round(s), {} core(s), load average {}\n",
        plan.calls,
        if plan.is_veth { "veth" } else { "loopback" },
        plan.time.as_secs(),
        plan.rounds,
        core.map_or(1, |last| last + 1),
        fs::read_to_string("/proc/loadavg")?.trim(),
    );
    compare(plan, core, &kinds)?;
    if plan.is_searching {
        search(plan, core, &kinds)?;
    }
    Ok(())
}

fn compare(plan: &Plan, core: Option<usize>, kinds: &[Kind]) -> Outcome<()> {
    let mut benches = Vec::new();
    let mut setups = Vec::new();
    for kind in [&[Kind::Nobody], kinds].concat() {
        let mut bench = Bench::start(kind, place(plan, core)?)?;
        setups.push(bench.grow(plan.calls)?);
        benches.push(bench);
    }
    let mut memories = vec![0.0; benches.len()];
    for (pace, title) in [(Pace::RealTime, "In real time"), (Pace::FullSpeed, "At full speed")] {
        let mut all: Vec<Vec<Measured>> = benches.iter().map(|_| Vec::new()).collect();
        for _ in 0..plan.rounds {
            for (at, bench) in benches.iter_mut().enumerate() {
                all[at].push(bench.measure(plan.calls, plan.time, pace)?);
                if let Some(process) = bench.target.process() {
                    let grown = memory(process)?.saturating_sub(bench.memory);
                    memories[at] = grown as f64 / 1_024.0 / plan.calls as f64;
                }
            }
        }
        println!("{title}:\n\n{HEAD}");
        print_rounds(&benches, &mut all);
    }
    programs(plan, &mut benches)?;
    println!(
        "| relay | memory of a call | calls set up by its control socket or pipe, one after the other |\n| --- | --- | --- |"
    );
    for (at, bench) in benches.iter().enumerate().skip(1) {
        println!("| {} | {:.1} KiB | {:.0}/s |", bench.kind.name(), memories[at], setups[at]);
    }
    println!();
    Ok(())
}

/// The medians, what they are of rtpengine's, and how far the rounds lie apart.
fn print_rounds(benches: &[Bench], all: &mut [Vec<Measured>]) {
    let medians: Vec<&Measured> = all.iter_mut().filter_map(|of| median(of)).collect();
    let bare = medians.first().map_or(0.0, |bare| bare.machine_us());
    for (bench, measured) in benches.iter().zip(&medians) {
        let bare = (bench.kind != Kind::Nobody).then_some(bare);
        println!("{}", measured.row(bench.kind.name(), bare));
    }
    let named = || benches.iter().map(|bench| bench.kind).zip(&medians).skip(1);
    if let Some((kind, theirs)) = named().find(|(kind, _)| *kind == Kind::Rtpengine) {
        for (ours, measured) in named().filter(|(kind, _)| *kind != Kind::Rtpengine) {
            println!("{}", measured.ratio(ours.name(), theirs, kind.name(), bare));
        }
    }
    // The first trial does what we do: what the others are worth is seen beside it.
    if let Some((kind, base)) = named().find(|(kind, _)| matches!(kind, Kind::Trial(_))) {
        for (other, measured) in named().filter(|(other, _)| *other != kind) {
            println!("{}", measured.ratio(other.name(), base, kind.name(), bare));
        }
    }
    println!("\nOf the machine, all rounds, µs/packet:");
    for (bench, of) in benches.iter().zip(&*all) {
        println!("- {}: {}", bench.kind.name(), range(of));
    }
    println!();
}

/// What the programs themselves take: by themselves, since keeping these statistics takes time.
fn programs(plan: &Plan, benches: &mut [Bench]) -> Outcome<()> {
    if !benches.iter().any(|bench| bench.kind.is_kernel()) {
        return Ok(());
    }
    println!("The program in the kernel, in real time:\n\n{PROGRAM_HEAD}");
    for bench in benches.iter_mut().filter(|bench| bench.kind.is_kernel()) {
        let statistics = Statistics::keep()?;
        let measured = bench.measure(plan.calls, plan.time, Pace::RealTime)?;
        drop(statistics);
        println!("{}", measured.program_row(bench.kind.name()));
    }
    println!();
    Ok(())
}

/// The kernel keeps statistics of programs until the value ends.
struct Statistics {
    before: String,
}

impl Statistics {
    fn keep() -> Outcome<Self> {
        let before = fs::read_to_string(STATISTICS)?;
        fs::write(STATISTICS, "1")?;
        Ok(Self { before })
    }
}

impl Drop for Statistics {
    fn drop(&mut self) {
        if let Err(error) = fs::write(STATISTICS, self.before.trim()) {
            eprintln!("{STATISTICS}: {error}");
        }
    }
}

fn search(plan: &Plan, core: Option<usize>, kinds: &[Kind]) -> Outcome<()> {
    let mut most = Vec::new();
    for kind in kinds {
        eprintln!("{}:", kind.name());
        most.push(Bench::start(*kind, place(plan, core)?)?.most_calls()?);
    }
    println!("| relay | most calls on one core |\n| --- | --- |");
    for (kind, most) in kinds.iter().zip(&most) {
        println!("| {} | {most} |", kind.name());
    }
    let theirs = kinds.iter().zip(&most).find(|(kind, _)| **kind == Kind::Rtpengine);
    let ours = kinds.iter().zip(&most).find(|(kind, _)| **kind == Kind::Ours);
    if let (Some((_, ours)), Some((_, theirs))) = (ours, theirs) {
        println!("| strowger / rtpengine | {:.2} |", *ours as f64 / (*theirs).max(1) as f64);
    }
    println!();
    Ok(())
}

/// SIGKILL while the kernel forwards all calls: what is lost in the time after it.
pub(crate) fn kill(plan: &Plan) -> Outcome<()> {
    let core = prepare(plan);
    let mut bench = Bench::start(Kind::Auto, Place::veth(core)?)?;
    bench.grow(plan.calls)?;
    let mut load = bench.load(plan.calls)?;
    bench.target.kill()?;
    let counted = load.talk(plan.time, Pace::RealTime);
    println!(
        "{} calls, {} s after SIGKILL: sent {}, lost {}, wrong {}",
        plan.calls,
        plan.time.as_secs(),
        counted.sent,
        counted.lost(),
        counted.wrong,
    );
    Ok(())
}
