//! `load`: what the real switch costs, on loopback; prints one table.

use std::error::Error;
use std::process::ExitCode;

use benches::command_line::{LoadProgram, Value};
use benches::load::{Options, Report, run};
use benches::phones::MAX_LINES;

const HELP: &str = "\
load [--lines N] [--concurrency N] [--seconds N] [--first-rate N] [--step-seconds N]
     [--streams N] [--standing N] [--opened N] [--by-thread]

Starts the program `strowger` that lies beside this one with N lines on free loopback ports,
and prints a table of what registrations, calls and media cost it.
  --lines         lines, half of them call the other half (10000)
  --concurrency   jobs at the same time in the closed loops (32)
  --seconds       how long each closed loop and the media last (8)
  --first-rate    calls a second that the search for the highest rate begins with
  --step-seconds  how long each step of that search lasts (4)
  --streams       calls with media (200)
  --standing      calls that are up while memory is measured (1000)
  --opened        lines that the application has opened (1000)
  --by-thread     say what each thread of the switch cost";

fn main() -> ExitCode {
    let is_clean = Report::is_clean;
    LoadProgram { name: "load", help: HELP, set, run, is_clean }.main()
}

fn set(options: &mut Options, name: &str, value: &mut Value<'_>) -> Result<bool, Box<dyn Error>> {
    match name {
        "--by-thread" => options.by_thread = true,
        "--lines" => options.lines = value.number::<usize>()?.clamp(2, MAX_LINES),
        "--concurrency" => options.concurrency = value.number::<usize>()?.max(1),
        "--seconds" => options.time = value.seconds()?,
        "--first-rate" => options.first_rate = value.number()?,
        "--step-seconds" => options.step = value.seconds()?,
        "--streams" => options.streams = value.number()?,
        "--standing" => options.standing = value.number()?,
        "--opened" => options.opened = value.number()?,
        _ => return Ok(false),
    }
    Ok(true)
}
