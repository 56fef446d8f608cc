//! The phases of a run: what is begun, for how long, and what is written into the table.

use std::error::Error;
use std::time::Duration;

use super::application::Reader;
use super::media::Sockets;
use super::process::{CpuTime, Switch};
use super::report::Report;
use super::wire::Wire;
use super::{Options, now, rest};
use crate::phones::{Phones, Send, Tally};

/// Most jobs of one closed loop of registrations: what the switch remembers of answered requests
/// is bounded, and beyond that it refuses.
const MOST_REGISTRATIONS: usize = 25_000;
/// How long the switch has to remember an answered request; waited for between phases.
const ECHOES: Duration = Duration::from_secs(5);
/// The search goes up by this factor until a step fails, then half-way back.
const GROWTH: f64 = 1.3;
/// Steps upwards, and steps between the last good and the first bad rate.
const STEPS_UP: usize = 8;
const STEPS_BETWEEN: usize = 3;
/// A rate holds if so few of its messages, for each call, had to be repeated, and so much of it was
/// reached, the last calls' end included.
const MOST_REPEATED: f64 = 0.001;
const LEAST_REACHED: f64 = 0.97;

/// The phones, the switch, and how long to go on.
pub(super) struct Bench<'a> {
    pub(super) options: &'a Options,
    pub(super) switch: &'a Switch,
    pub(super) wire: Wire,
    pub(super) sockets: Sockets,
    /// Calls a second of the closed loop.
    closed_rate: f64,
}

/// One measured stretch.
struct Stretch {
    tally: Tally,
    elapsed: Duration,
    cpu: CpuTime,
    is_settled: bool,
}

impl Stretch {
    fn rate(&self) -> f64 {
        self.tally.done as f64 / self.elapsed.as_secs_f64()
    }

    fn has_failed(&self) -> bool {
        self.tally.failed > 0 || !self.is_settled
    }

    /// `812/s, 0 failed`.
    fn figure(&self) -> String {
        let Tally { done, failed, repeated, .. } = &self.tally;
        let mut text = format!("{:.0}/s ({done} done, {failed} failed", self.rate());
        if *repeated > 0 {
            text.push_str(&format!(", {repeated} messages repeated"));
        }
        text.push(')');
        text
    }

    /// `0.310 ms CPU each`.
    fn cost(&self, by_thread: bool) -> String {
        let done = self.tally.done.max(1);
        let each = self.cpu.total().as_secs_f64() * 1000.0 / done as f64;
        let mut text = format!("{each:.3} ms CPU each");
        if by_thread {
            text.push_str(&format!(" ({})", self.cpu.each(done)));
        }
        text
    }

    /// Half of the calls were set up within this time, and 99 % within that.
    fn setup(&mut self) -> String {
        let times = &mut self.tally.setup_us;
        times.sort_unstable();
        let at = |share: f64| {
            let index = (times.len() as f64 * share) as usize;
            times.get(index.min(times.len().saturating_sub(1))).copied().unwrap_or_default()
        };
        let (half, most) = (f64::from(at(0.5)) / 1000.0, f64::from(at(0.99)) / 1000.0);
        format!("set up in {half:.1} ms, 99 % in {most:.1} ms")
    }
}

impl<'a> Bench<'a> {
    pub(super) fn new(options: &'a Options, switch: &'a Switch) -> Result<Self, Box<dyn Error>> {
        let sockets = Sockets::open()?;
        let wire = Wire::new(switch.sip, options.lines, sockets.ports()?)?;
        Ok(Bench { options, switch, wire, sockets, closed_rate: 0.0 })
    }

    /// Runs `work`, lets everything end, and measures both.
    fn measure(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<(), Box<dyn Error>>,
    ) -> Result<Stretch, Box<dyn Error>> {
        self.wire.take_tally();
        let (cpu, start) = (self.switch.cpu()?, now());
        work(self)?;
        let is_settled = self.wire.settle()?;
        let elapsed = start.elapsed();
        let cpu = self.switch.cpu()?.since(&cpu);
        rest(ECHOES);
        Ok(Stretch { tally: self.wire.take_tally(), elapsed, cpu, is_settled })
    }

    /// Begins one job after the other, as many at once as allowed, while `may_go_on`.
    fn closed_loop(
        &mut self,
        mut may_go_on: impl FnMut() -> bool,
        mut begin: impl FnMut(&mut Phones, u64, Send<'_>) -> bool,
    ) -> Result<(), Box<dyn Error>> {
        while may_go_on() {
            while self.wire.phones.busy() < self.options.concurrency && may_go_on() {
                if !self.wire.begin(&mut begin) {
                    break;
                }
            }
            self.wire.step()?;
        }
        Ok(())
    }

    fn note(&self, report: &mut Report, what: &str, stretch: &Stretch) {
        if let Some(fault) = &stretch.tally.fault {
            report.fault(format!("{what}: {} failed, first: {fault}", stretch.tally.failed));
        }
        if !stretch.is_settled {
            report.fault(format!("{what}: {} never ended", self.wire.phones.busy()));
        }
        report.row(what, &stretch.figure(), &stretch.cost(self.options.by_thread));
    }

    /// Registers every line once, and measures their memory.
    pub(super) fn first_registrations(
        &mut self,
        report: &mut Report,
    ) -> Result<(), Box<dyn Error>> {
        let lines = self.options.lines;
        let before = self.switch.memory_kib()?;
        report.row("memory at start", &format!("{} MiB", before / 1024), &format!("{lines} lines"));
        let first = self.measure(|bench| {
            let begun = std::cell::Cell::new(0);
            bench.closed_loop(
                || begun.get() < lines,
                |phones, now_us, send| {
                    begun.set(begun.get() + 1);
                    phones.register(now_us, begun.get() - 1, send)
                },
            )
        })?;
        self.note(report, "first registrations, 401 each", &first);
        let grown = self.switch.memory_kib()?.saturating_sub(before) as f64 / lines as f64;
        report.row("memory of a registration", &format!("{grown:.2} KiB"), "with its transaction");
        Ok(())
    }

    /// Registers the lines again and again.
    pub(super) fn registrations(&mut self, report: &mut Report) -> Result<(), Box<dyn Error>> {
        let (lines, time) = (self.options.lines, self.options.time);
        let mut next = 0;
        let again = self.measure(|bench| {
            let (start, begun) = (now(), std::cell::Cell::new(0));
            bench.closed_loop(
                || start.elapsed() < time && begun.get() < MOST_REGISTRATIONS,
                |phones, now_us, send| {
                    begun.set(begun.get() + 1);
                    next += 1;
                    phones.register(now_us, next % lines, send)
                },
            )
        })?;
        self.note(report, "registrations, 401 each", &again);
        let refreshed = self.measure(|bench| {
            let (start, begun) = (now(), std::cell::Cell::new(0));
            bench.closed_loop(
                || start.elapsed() < time && begun.get() < MOST_REGISTRATIONS,
                |phones, now_us, send| {
                    begun.set(begun.get() + 1);
                    next += 1;
                    phones.refresh(now_us, next % lines, send)
                },
            )
        })?;
        self.note(report, "refreshes with a known nonce", &refreshed);
        Ok(())
    }

    pub(super) fn calls(
        &mut self,
        report: &mut Report,
        reader: &Reader,
    ) -> Result<(), Box<dyn Error>> {
        let (time, messages) = (self.options.time, reader.messages());
        let mut stretch = self.measure(|bench| {
            let start = now();
            bench.closed_loop(
                || start.elapsed() < time,
                |phones, now_us, send| phones.call(now_us, false, send).is_some(),
            )
        })?;
        self.closed_rate = stretch.rate();
        let what = format!("calls, {} at once", self.options.concurrency);
        self.note(report, &what, &stretch);
        let each = (reader.messages() - messages) as f64 / stretch.tally.done.max(1) as f64;
        report.row("TAPI messages for each call", &format!("{each:.2}"), &stretch.setup());
        Ok(())
    }

    /// Calls that begin at even intervals, whatever becomes of those before.
    fn open_loop(&mut self, rate: f64) -> Result<Stretch, Box<dyn Error>> {
        let step = self.options.step;
        self.measure(|bench| {
            let start = now();
            let mut begun = 0.0;
            while start.elapsed() < step {
                let due = start.elapsed().as_secs_f64() * rate;
                while begun < due {
                    begun += 1.0;
                    let call = |phones: &mut Phones, now_us, send: Send<'_>| {
                        if phones.call(now_us, false, send).is_none() {
                            phones.tally.failed += 1;
                            phones.tally.fault.get_or_insert_with(|| "no free line".to_owned());
                        }
                    };
                    bench.wire.begin(call);
                }
                bench.wire.step()?;
            }
            Ok(())
        })
    }

    pub(super) fn highest_rate(&mut self, report: &mut Report) -> Result<(), Box<dyn Error>> {
        let mut rate = match self.options.first_rate {
            0 => (self.closed_rate / 2.0).max(10.0),
            rate => f64::from(rate),
        };
        let (mut best, mut lowest_bad) = (None, None::<f64>);
        for step in 0..STEPS_UP + STEPS_BETWEEN {
            let stretch = self.open_loop(rate)?;
            let repeated = stretch.tally.repeated as f64 / stretch.tally.done.max(1) as f64;
            let has_held = !stretch.has_failed()
                && repeated < MOST_REPEATED
                && stretch.rate() > rate * LEAST_REACHED;
            let fault = stretch.tally.fault.as_deref().unwrap_or("nothing failed");
            eprintln!("  {rate:.0} calls/s: {}: {fault}", stretch.figure());
            if has_held {
                best = Some((rate, stretch));
            } else {
                lowest_bad = Some(rate);
            }
            let good = best.as_ref().map(|(rate, _)| *rate);
            rate = match (good, lowest_bad) {
                (_, None) if step < STEPS_UP => rate * GROWTH,
                (Some(good), Some(bad)) if bad / good > 1.05 => (good + bad) / 2.0,
                (None, Some(bad)) => bad / 2.0,
                _ => break,
            };
        }
        match best {
            Some((rate, mut stretch)) => {
                let cost = stretch.cost(self.options.by_thread);
                let text = format!("{rate:.0}/s, {}", stretch.setup());
                report.row("highest rate of calls without a failure", &text, &cost);
            }
            None => report.fault("no rate of calls holds".to_owned()),
        }
        Ok(())
    }

    /// Calls that stay up; their slots.
    pub(super) fn put_up(&mut self, calls: usize) -> Result<(Vec<usize>, Tally), Box<dyn Error>> {
        self.wire.settle()?;
        let mut slots = Vec::new();
        let stretch = self.measure(|bench| {
            let begun = std::cell::Cell::new(0);
            bench.closed_loop(
                || begun.get() < calls,
                |phones, now_us, send| {
                    begun.set(begun.get() + 1);
                    let slot = phones.call(now_us, true, send);
                    slots.extend(slot);
                    slot.is_some()
                },
            )
        })?;
        Ok((slots, stretch.tally))
    }

    pub(super) fn hang_up(&mut self, slots: Vec<usize>) -> Result<Tally, Box<dyn Error>> {
        let stretch = self.measure(|bench| {
            let mut slots = slots.into_iter().peekable();
            let is_more = std::cell::Cell::new(slots.peek().is_some());
            bench.closed_loop(
                || is_more.get(),
                |phones, now_us, send| {
                    if let Some(slot) = slots.next() {
                        phones.hang_up(now_us, slot, send);
                    }
                    is_more.set(slots.peek().is_some());
                    true
                },
            )
        })?;
        Ok(stretch.tally)
    }

    pub(super) fn standing_calls(&mut self, report: &mut Report) -> Result<(), Box<dyn Error>> {
        let before = self.switch.memory_kib()?;
        let (slots, tally) = self.put_up(self.options.standing)?;
        let up = slots.len();
        let grown = self.switch.memory_kib()?.saturating_sub(before) as f64 / up.max(1) as f64;
        report.row("memory of a call", &format!("{grown:.1} KiB"), &format!("{up} calls up"));
        let ended = self.hang_up(slots)?;
        for fault in [tally.fault, ended.fault].into_iter().flatten() {
            report.fault(format!("standing calls: {fault}"));
        }
        Ok(())
    }
}
