//! What was measured, and how it is printed.

use std::time::Duration;

use crate::load::Counted;
use crate::target::Tally;

/// One relay at one pace.
pub(crate) struct Measured {
    pub(crate) counted: Counted,
    /// CPU time of the relay.
    pub(crate) relay: Duration,
    /// ... with that of the generator and of the kernel's threads.
    pub(crate) machine: Duration,
    /// What the relay counted meanwhile, if it was asked.
    pub(crate) tally: Option<Tally>,
}

pub(crate) const HEAD: &str = "\
| relay | packets/s | delivered | lost | wrong | counted by the relay | p50 ms | p99 ms | p99.9 ms | max ms | CPU of the relay, µs/packet | of the machine | above no relay |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |";

pub(crate) const PROGRAM_HEAD: &str = "\
| relay | runs of the program | µs each | through the kernel |
| --- | --- | --- | --- |";

impl Measured {
    fn each(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / self.counted.heard.max(1) as f64
    }

    pub(crate) fn relay_us(&self) -> f64 {
        self.each(self.relay)
    }

    pub(crate) fn machine_us(&self) -> f64 {
        self.each(self.machine)
    }

    pub(crate) fn row(&self, name: &str, bare_us: Option<f64>) -> String {
        let counted = &self.counted;
        let (relay, above) = match bare_us {
            None => (String::new(), String::new()),
            Some(bare) => {
                (format!("{:.2}", self.relay_us()), format!("{:.2}", self.machine_us() - bare))
            }
        };
        let tally = match self.tally {
            None => String::new(),
            Some(tally) if tally.packets == counted.sent => "all".to_owned(),
            Some(tally) => format!("{} of {}", tally.packets, counted.sent),
        };
        format!(
            "| {name} | {:.0} | {} | {} ({:.3} %) | {} | {tally} | {:.2} | {:.2} | {:.2} | {:.1} | {relay} | {:.2} | {above} |",
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

    /// Beside what another relay took.
    pub(crate) fn ratio(&self, name: &str, theirs: &Self, their_name: &str, bare: f64) -> String {
        format!(
            "| {name} / {their_name} | | | | | | | | | | {:.3} | {:.3} | {:.3} |",
            self.relay_us() / theirs.relay_us(),
            self.machine_us() / theirs.machine_us(),
            (self.machine_us() - bare) / (theirs.machine_us() - bare),
        )
    }

    /// What the kernel says of the program.
    pub(crate) fn program_row(&self, name: &str) -> String {
        let tally = self.tally.unwrap_or_default();
        format!(
            "| {name} | {} | {:.3} | {} of {} |",
            tally.runs,
            tally.run_ns as f64 / 1e3 / tally.runs.max(1) as f64,
            tally.by_kernel,
            tally.packets,
        )
    }
}

/// The round in the middle, by the CPU time of a packet.
pub(crate) fn median(of: &mut [Measured]) -> Option<&Measured> {
    of.sort_by(|one, other| one.machine_us().total_cmp(&other.machine_us()));
    of.get(of.len() / 2)
}

/// The smallest and the largest CPU time of a packet, of all rounds.
pub(crate) fn range(of: &[Measured]) -> String {
    let us = |measured: Option<&Measured>| measured.map_or(0.0, Measured::machine_us);
    format!("{:.2} to {:.2}", us(of.first()), us(of.last()))
}
