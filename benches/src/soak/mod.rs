//! The soak: hours of calls, registrations, features and reloads, and what the process looks like
//! meanwhile.
//!
//! Three things run beside each other: the load (many phones on one socket), the features (five
//! phones that hold, transfer, park, pick up, queue), the probe (OPTIONS to the switch, to see that
//! it answers at once). Judged at the end: memory, descriptors, threads and what the switch itself
//! counts, with the load on and after it has gone.

mod feature;
mod gauge;
mod probe;

use std::collections::VecDeque;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::load::application::Reader;
use crate::load::process::Switch;
use crate::load::wire::Wire;
use crate::load::{Report, now, rest};
use crate::phones::{Phones, Send};

use self::feature::Features;
use self::gauge::{Gauge, Sample, api};
use self::probe::Probe;

/// Closed loop before the rate is chosen, and how many calls at once then.
const TRIAL: Duration = Duration::from_secs(5);
const TRIAL_CALLS: usize = 32;
/// A calm time after the first load: from here on nothing may grow.
const WARM_UP: Duration = Duration::from_secs(20);
/// How often the process is looked at, and the configuration is read again.
const LOOK: Duration = Duration::from_secs(5);
const RELOAD: Duration = Duration::from_secs(30);
/// Calls that stay up take turns this often.
const TURN: Duration = Duration::from_millis(200);
/// For each call so many registrations.
const REGISTRATIONS: f64 = 0.5;
/// What the last timer of a transaction needs, and some seconds more.
const LAST_TIMER: Duration = Duration::from_secs(45);
/// What memory may differ by: a tenth or this much (SEC-103).
const MEMORY_KIB: u64 = 32 * 1024;
/// Lines that the application watches.
const WATCHED: usize = 100;

/// What a run is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long the load lasts.
    pub time: Duration,
    /// Calls a second; 0 is half of what the switch reaches.
    pub rate: u32,
    /// Lines of the load.
    pub lines: usize,
    /// Calls that are up at any time.
    pub standing: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { time: Duration::from_secs(3_600), rate: 0, lines: 2_000, standing: 50 }
    }
}

/// Runs the soak.
///
/// Errors: the switch does not start or stops. Everything else stands in the report.
pub fn run(options: &Options) -> Result<Report, Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("strowger-soak-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let configuration = feature::configuration(options.lines, &folder.join("state.db"));
    let switch = Switch::with(&configuration)?;
    let report = soak(options, &switch, &configuration);
    drop(switch);
    std::fs::remove_dir_all(&folder)?;
    report
}

fn soak(options: &Options, switch: &Switch, configuration: &str) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::default();
    let wire = Wire::new(switch.sip, options.lines, vec![40_000])?;
    let mut load = Load { wire, up: VecDeque::new() };
    load.register_all()?;
    let rate = match options.rate {
        0 => load.trial()? / 2.0,
        rate => f64::from(rate),
    };
    report.row("load", &format!("{rate:.0} calls/s, {:.0} REGISTER/s", rate * REGISTRATIONS), "");
    let reader = Reader::start(switch.api, WATCHED)?;
    let is_over = Arc::new(AtomicBool::new(false));
    let features = Features::start(switch.sip, switch.api, Arc::clone(&is_over))?;
    let gauge = Gauge::new(switch.pid(), switch.api);
    load.run(WARM_UP, rate, options, |_| Ok(()))?;
    let probe = Probe::start(switch.sip, switch.pid(), Arc::clone(&is_over))?;
    load.wire.take_tally();

    let mut samples = vec![gauge.read()?];
    let start = now();
    let (mut next_look, mut next_reload) = (start + LOOK, start + RELOAD);
    let mut reloads = 0;
    load.run(options.time, rate, options, |_| {
        let time = now();
        if time >= next_look {
            next_look = time + LOOK;
            samples.push(gauge.read()?);
        }
        if time >= next_reload {
            next_reload = time + RELOAD;
            reloads += 1;
            reload(switch, configuration, reloads)?;
        }
        Ok(())
    })?;
    samples.push(gauge.read()?);
    is_over.store(true, Ordering::Relaxed);
    report.row("time", &format!("{} s", start.elapsed().as_secs()), "");
    report.row("reloads", &reloads.to_string(), "a line more, a line less");
    probe.finish(&mut report)?;
    features.finish(&mut report)?;
    load.finish(&mut report)?;
    report.row("messages read by the application", &reader.finish()?.to_string(), "");
    rest(LAST_TIMER);
    judge(&mut report, &samples, gauge.read()?);
    Ok(report)
}

/// Writes the configuration with one line more or less and has it read.
fn reload(switch: &Switch, configuration: &str, number: u64) -> Result<(), Box<dyn Error>> {
    let more = match number % 2 {
        1 => "\n[lines.299]\nname = \"Now and then\"\npassword = \"pw-of-line-299\"\n",
        _ => "",
    };
    std::fs::write(&switch.file, format!("{configuration}{more}"))?;
    let (status, body) = api(switch.api, "POST", "/api/v1/reload", "{}")?;
    if status == 200 { Ok(()) } else { Err(format!("reload answered {status}: {body}").into()) }
}

/// Many phones and what they are doing.
struct Load {
    wire: Wire,
    /// Calls that stay up, oldest first.
    up: VecDeque<usize>,
}

impl Load {
    fn register_all(&mut self) -> Result<(), Box<dyn Error>> {
        for line in 0..self.wire.phones.lines() {
            self.wire.begin(|phones, now_us, send| phones.register(now_us, line, send));
            while self.wire.phones.busy() >= TRIAL_CALLS {
                self.wire.step()?;
            }
        }
        self.wire.settle()?;
        match self.wire.take_tally().fault {
            Some(fault) => Err(fault.into()),
            None => Ok(()),
        }
    }

    /// Calls a second with a bounded number at once.
    fn trial(&mut self) -> Result<f64, Box<dyn Error>> {
        let start = now();
        while start.elapsed() < TRIAL {
            while self.wire.phones.busy() < TRIAL_CALLS {
                self.wire.begin(|phones, now_us, send| phones.call(now_us, false, send));
            }
            self.wire.step()?;
        }
        self.wire.settle()?;
        let tally = self.wire.take_tally();
        Ok((tally.done as f64 / start.elapsed().as_secs_f64()).max(2.0))
    }

    /// Calls and registrations at even intervals for so long; `look` is called now and then.
    fn run(
        &mut self,
        time: Duration,
        rate: f64,
        options: &Options,
        mut look: impl FnMut(&mut Load) -> Result<(), Box<dyn Error>>,
    ) -> Result<(), Box<dyn Error>> {
        let start = now();
        let (mut calls, mut registrations, mut next_turn) = (0.0, 0.0, start);
        while start.elapsed() < time {
            let due = start.elapsed().as_secs_f64() * rate;
            while calls < due {
                calls += 1.0;
                self.wire.begin(call);
            }
            while registrations < due * REGISTRATIONS {
                registrations += 1.0;
                let line = registrations as usize % self.wire.phones.lines();
                self.wire.begin(|phones, now_us, send| phones.refresh(now_us, line, send));
            }
            if now() >= next_turn {
                next_turn = now() + TURN;
                self.take_turns(options.standing);
                look(self)?;
            }
            self.wire.step()?;
        }
        Ok(())
    }

    /// One call more that stays up; beyond the wanted number the oldest ends.
    fn take_turns(&mut self, standing: usize) {
        let slot = self.wire.begin(|phones, now_us, send| phones.call(now_us, true, send));
        self.up.extend(slot);
        for _ in standing..self.up.len() {
            let Some(oldest) = self.up.pop_front() else { break };
            // One that is not up yet comes to its turn again.
            if self.wire.phones.media(oldest).is_none() {
                self.up.push_back(oldest);
                continue;
            }
            self.wire.begin(|phones, now_us, send| phones.hang_up(now_us, oldest, send));
        }
    }

    fn finish(&mut self, report: &mut Report) -> Result<(), Box<dyn Error>> {
        self.wire.settle()?;
        for slot in std::mem::take(&mut self.up) {
            self.wire.begin(|phones, now_us, send| phones.hang_up(now_us, slot, send));
        }
        let is_settled = self.wire.settle()?;
        let tally = self.wire.take_tally();
        let repeated = format!("{} messages repeated", tally.repeated);
        let done = format!("{} done, {} failed", tally.done, tally.failed);
        report.row("calls and registrations", &done, &repeated);
        if let Some(fault) = tally.fault {
            report.fault(format!("the load: {} failed, first: {fault}", tally.failed));
        }
        if !is_settled {
            report.fault(format!("{} calls never ended", self.wire.phones.busy()));
        }
        let mut times = tally.setup_us;
        times.sort_unstable();
        let at = |share: f64| {
            let index = (times.len() as f64 * share) as usize;
            f64::from(times.get(index).copied().unwrap_or_default()) / 1000.0
        };
        let text = format!("{:.1} ms, 99 % in {:.1} ms", at(0.5), at(0.99));
        report.row("a call is set up in", &text, "");
        Ok(())
    }
}

fn call(phones: &mut Phones, now_us: u64, send: Send<'_>) {
    if phones.call(now_us, false, send).is_none() {
        phones.tally.failed += 1;
        phones.tally.fault.get_or_insert_with(|| "no free line".to_owned());
    }
}

/// Nothing grew while the load was on, and everything was given back after it.
fn judge(report: &mut Report, samples: &[Sample], after: Sample) {
    let part = |from: usize, to: usize| {
        samples.get(samples.len() * from / 4..samples.len() * to / 4).unwrap_or_default()
    };
    let memory = |part: &[Sample]| {
        part.iter().map(|sample| sample.memory_kib).sum::<u64>() / part.len().max(1) as u64
    };
    let most = |read: fn(&Sample) -> u64, part: &[Sample]| part.iter().map(read).max().unwrap_or(0);
    let median = |read: fn(&Sample) -> u64, part: &[Sample]| {
        let mut values: Vec<u64> = part.iter().map(read).collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied().unwrap_or(0)
    };
    let (early, late) = (memory(part(1, 2)), memory(part(3, 4)));
    let mib = |kib: u64| format!("{:.1} MiB", kib as f64 / 1024.0);
    let growth = format!("second quarter {}, last quarter {}", mib(early), mib(late));
    report.row("memory under load", &growth, &format!("{} after it", mib(after.memory_kib)));
    let allowed = early + (early / 10).max(MEMORY_KIB);
    for (what, kib) in [("under load", late), ("after the load", after.memory_kib)] {
        if kib > allowed {
            report.fault(format!("memory {what} is {}, at first {}", mib(kib), mib(early)));
        }
    }
    for (what, read) in [
        ("descriptors", (|sample| sample.descriptors) as fn(&Sample) -> u64),
        ("threads", |sample| sample.threads),
        ("calls active", |sample| sample.calls),
        ("SIP legs", |sample| sample.legs),
    ] {
        // A pause of the machine piles calls up for a moment; what is never given back stays.
        let (early, late) = (median(read, part(0, 2)), median(read, part(2, 4)));
        let text = format!("first half {early}, second half {late}; most {}", most(read, samples));
        report.row(&format!("{what}, median"), &text, &format!("{} after the load", read(&after)));
        if late > early + early / 4 + 50 {
            report.fault(format!("{what} grow: {early}, then {late}"));
        }
    }
    for (what, left) in [("calls", after.calls), ("legs", after.legs)] {
        if left > 0 {
            report.fault(format!("{left} {what} are left after the load"));
        }
    }
    let first = samples.first().map_or(0, |sample| sample.threads);
    if after.threads > first + 2 {
        report.fault(format!("{} threads are left, {first} at first", after.threads));
    }
}
