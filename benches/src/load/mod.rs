//! The load program: the real switch as a child process, many phones on loopback in front of it.
//!
//! What is measured, in this order: memory of registrations and calls, registrations and calls with
//! bounded concurrency, the highest rate of calls without a failure, relayed media. The switch's
//! cost is the CPU time that the kernel counts for its threads.

pub(crate) mod application;
mod media;
mod phase;
pub(crate) mod process;
mod report;
pub(crate) mod wire;

use std::error::Error;
use std::time::Duration;

pub use self::report::Report;

use self::application::Reader;
use self::phase::Bench;
use self::process::Switch;

/// What a run is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// Lines of the switch; half of them call the other half.
    pub lines: usize,
    /// Registrations or calls under way at the same time in the closed loops.
    pub concurrency: usize,
    /// How long each closed loop lasts.
    pub time: Duration,
    /// Calls a second that the search begins with; 0 takes half of what the closed loop reached.
    pub first_rate: u32,
    /// How long each step of the search lasts.
    pub step: Duration,
    /// Calls with media.
    pub streams: usize,
    /// Calls that are up while memory is measured.
    pub standing: usize,
    /// Lines that the application has opened.
    pub opened: usize,
    /// Whether to say what each thread of the switch cost.
    pub by_thread: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lines: 10_000,
            concurrency: 32,
            time: Duration::from_secs(8),
            first_rate: 0,
            step: Duration::from_secs(4),
            streams: 200,
            standing: 1_000,
            opened: 1_000,
            by_thread: false,
        }
    }
}

/// Measures everything and prints the table's rows as they come.
///
/// Errors: the switch does not start or stops, or no socket can be had. Failed calls are no error;
/// they stand in the table.
pub fn run(options: &Options) -> Result<Report, Box<dyn Error>> {
    let switch = Switch::start(options.lines)?;
    let mut report = Report::default();
    let mut bench = Bench::new(options, &switch)?;
    // Memory first: later phases use again what earlier ones gave back.
    bench.first_registrations(&mut report)?;
    bench.standing_calls(&mut report)?;
    bench.registrations(&mut report)?;
    let reader = Reader::start(switch.api, options.opened.min(options.lines))?;
    bench.calls(&mut report, &reader)?;
    bench.highest_rate(&mut report)?;
    bench.media(&mut report)?;
    report.row("memory at the end", &format!("{} MiB", switch.memory_kib()? / 1024), "");
    report.row("messages read by the application", &reader.finish()?.to_string(), "");
    Ok(report)
}

/// The load program's clock.
#[expect(clippy::disallowed_methods, reason = "a load generator has a rhythm")]
pub(crate) fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// Lets others run.
#[expect(clippy::disallowed_methods, reason = "a load generator has a rhythm")]
pub(crate) fn rest(time: Duration) {
    std::thread::sleep(time);
}
