//! One run: every relay under the same load, and the tables.

use std::time::Duration;

use crate::Outcome;
use crate::load::{Counted, Load, Pace};
use crate::place::Place;
use crate::relay::now;
use crate::target::{Kind, Target, has_rtpengine};
use crate::usage::{cpu, memory, softirqs};
use crate::wire::{pin, prefer};

/// Before counting begins.
const WARM_UP: Duration = Duration::from_millis(1_500);
/// The search for the most calls: where it begins, how it grows, how exact it is, what it may cost.
const FIRST_CALLS: usize = 200;
const MOST_CALLS: usize = 5_000;
const EXACT_PERCENT: usize = 4;
const STEP: Duration = Duration::from_secs(4);
/// The rule.
const LOSS_MAX: f64 = 0.001;
const P99_MAX_MS: f64 = 20.0;

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
        }
    }
}

/// One relay at one pace.
struct Measured {
    counted: Counted,
    relay: Duration,
    machine: Duration,
}

impl Measured {
    fn each(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / self.counted.heard.max(1) as f64
    }

    fn relay_us(&self) -> f64 {
        self.each(self.relay)
    }

    fn machine_us(&self) -> f64 {
        self.each(self.machine)
    }

    fn row(&self, name: &str, bare_us: Option<f64>) -> String {
        let counted = &self.counted;
        let (relay, above) = match bare_us {
            None => (String::new(), String::new()),
            Some(bare) => {
                (format!("{:.2}", self.relay_us()), format!("{:.2}", self.machine_us() - bare))
            }
        };
        format!(
            "| {name} | {:.0} | {} | {} ({:.3} %) | {} | {:.2} | {:.2} | {:.2} | {:.1} | {relay} | {:.2} | {above} |",
            counted.heard as f64 / counted.elapsed.as_secs_f64(),
            counted.heard,
            counted.lost(),
            counted.lost() as f64 * 100.0 / counted.sent.max(1) as f64,
            counted.wrong,
            counted.percentile_ms(0.5),
            counted.percentile_ms(0.99),
            counted.percentile_ms(0.999),
            counted.max_ms(),
            self.machine_us(),
        )
    }
}

/// A relay with its calls.
struct Bench<'a> {
    place: &'a Place,
    target: Target,
    /// Of the process before the first call.
    memory: u64,
}

impl<'a> Bench<'a> {
    fn start(kind: Kind, place: &'a Place) -> Outcome<Self> {
        let target = Target::start(kind, place)?;
        let memory = target.process().map_or(Ok(0), memory)?;
        Ok(Self { place, target, memory })
    }

    /// Makes calls until there are so many; gives how many it made in a second.
    fn grow(&mut self, calls: usize) -> Outcome<f64> {
        let (before, start) = (self.target.calls.len(), now());
        let is_relayed = self.target.process().is_some();
        for call in before..calls {
            self.target.call(self.place.phones(call, is_relayed), self.place)?;
        }
        let made = calls.saturating_sub(before);
        Ok(made as f64 / start.elapsed().as_secs_f64())
    }

    fn load(&self, calls: usize) -> Outcome<Load> {
        let mut load = Load::new(self.place, &self.target, calls)?;
        load.talk(WARM_UP, Pace::RealTime);
        Ok(load)
    }

    fn measure(&self, load: &mut Load, time: Duration, pace: Pace) -> Outcome<Measured> {
        let process = self.target.process();
        let read = || -> Outcome<(Duration, Duration)> {
            let relay = process.map_or(Ok(Duration::ZERO), cpu)?;
            Ok((relay, relay + cpu(std::process::id())? + softirqs()?))
        };
        let before = read()?;
        let counted = load.talk(time, pace);
        let after = read()?;
        Ok(Measured { counted, relay: after.0 - before.0, machine: after.1 - before.1 })
    }

    /// Whether so many calls go well, by the rule.
    fn carries(&mut self, calls: usize) -> Outcome<bool> {
        self.grow(calls)?;
        let mut load = self.load(calls)?;
        let measured = self.measure(&mut load, STEP, Pace::RealTime)?;
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

/// Everything that was asked for.
pub(crate) fn run(plan: &Plan) -> Outcome<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let core = (cores > 1).then_some(cores - 1);
    if plan.nice != 0 {
        prefer(plan.nice);
    }
    if cores > 1 {
        pin(0);
    }
    let place = if plan.is_veth { Place::veth(core)? } else { Place::loopback(core) };
    let mut kinds = vec![Kind::OursBound, Kind::Ours];
    if has_rtpengine() {
        kinds.push(Kind::Rtpengine);
    } else {
        println!("rtpengine is not installed (apt-get install rtpengine-daemon): no comparison");
    }
    kinds.retain(|kind| plan.only.as_deref().is_none_or(|only| kind.name().starts_with(only)));
    println!(
        "{} calls over {}, {} s each, {} round(s), {cores} cores, load average {}\n",
        plan.calls,
        place.name(),
        plan.time.as_secs(),
        plan.rounds,
        std::fs::read_to_string("/proc/loadavg")?.trim(),
    );
    compare(plan, &place, &kinds)?;
    if plan.is_searching {
        search(&place, &kinds)?;
    }
    Ok(())
}

const HEAD: &str = "\
| relay | packets/s | delivered | lost | wrong | p50 ms | p99 ms | p99.9 ms | max ms | CPU of the relay, µs/packet | of the machine | above no relay |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |";

fn compare(plan: &Plan, place: &Place, kinds: &[Kind]) -> Outcome<()> {
    let mut benches = Vec::new();
    let mut setups = Vec::new();
    for kind in [&[Kind::Nobody], kinds].concat() {
        let mut bench = Bench::start(kind, place)?;
        setups.push(bench.grow(plan.calls)?);
        benches.push((kind, bench));
    }
    let mut memories = vec![0.0; benches.len()];
    for (pace, title) in [(Pace::RealTime, "In real time"), (Pace::FullSpeed, "At full speed")] {
        let mut all: Vec<Vec<Measured>> = benches.iter().map(|_| Vec::new()).collect();
        for _ in 0..plan.rounds {
            for (at, (_, bench)) in benches.iter().enumerate() {
                let mut load = bench.load(plan.calls)?;
                all[at].push(bench.measure(&mut load, plan.time, pace)?);
                if let Some(process) = bench.target.process() {
                    let grown = memory(process)?.saturating_sub(bench.memory);
                    memories[at] = grown as f64 / 1_024.0 / plan.calls as f64;
                }
            }
        }
        println!("{title}:\n\n{HEAD}");
        let medians: Vec<&Measured> = all.iter_mut().filter_map(|of| median(of)).collect();
        let bare = medians.first().map_or(0.0, |bare| bare.machine_us());
        for ((kind, _), measured) in benches.iter().zip(&medians) {
            let bare = (*kind != Kind::Nobody).then_some(bare);
            println!("{}", measured.row(kind.name(), bare));
        }
        if let [.., ours, theirs] = medians[..]
            && kinds.ends_with(&[Kind::Ours, Kind::Rtpengine])
        {
            println!(
                "| ratio | | | | | | | | | {:.2} | {:.2} | {:.2} |",
                ours.relay_us() / theirs.relay_us(),
                ours.machine_us() / theirs.machine_us(),
                (ours.machine_us() - bare) / (theirs.machine_us() - bare),
            );
        }
        println!();
    }
    println!(
        "| relay | memory of a call | calls set up by its control socket or pipe, one after the other |\n| --- | --- | --- |"
    );
    for (at, (kind, _)) in benches.iter().enumerate().skip(1) {
        println!("| {} | {:.1} KiB | {:.0}/s |", kind.name(), memories[at], setups[at]);
    }
    println!();
    Ok(())
}

/// The round in the middle, by the CPU time of a packet.
fn median(of: &mut [Measured]) -> Option<&Measured> {
    of.sort_by(|one, other| one.machine_us().total_cmp(&other.machine_us()));
    of.get(of.len() / 2)
}

fn search(place: &Place, kinds: &[Kind]) -> Outcome<()> {
    let mut most = Vec::new();
    for kind in kinds {
        eprintln!("{}:", kind.name());
        most.push(Bench::start(*kind, place)?.most_calls()?);
    }
    println!("| relay | most calls on one core |\n| --- | --- |");
    for (kind, most) in kinds.iter().zip(&most) {
        println!("| {} | {most} |", kind.name());
    }
    if let [.., ours, theirs] = most[..]
        && kinds.ends_with(&[Kind::Ours, Kind::Rtpengine])
    {
        println!("| ratio | {:.2} |", ours as f64 / theirs.max(1) as f64);
    }
    println!();
    Ok(())
}
