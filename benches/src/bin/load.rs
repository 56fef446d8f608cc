//! `load`: what the real switch costs, on loopback; prints one table.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use benches::load::{Options, run};
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
    let result = options().and_then(|options| match options {
        Some(options) => run(&options).map(Some),
        None => Ok(None),
    });
    match result {
        Ok(None) => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        Ok(Some(report)) => {
            println!("\n{report}");
            if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Option<Options>, Box<dyn Error>> {
    let mut options = Options::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        match name.as_str() {
            "--help" | "-h" => return Ok(None),
            "--by-thread" => {
                options.by_thread = true;
                continue;
            }
            _ => {}
        }
        let text = arguments.next().ok_or_else(|| format!("{name} wants a number"))?;
        let number: u32 = text.parse().map_err(|_| format!("{name}: {text} is no number"))?;
        let count = usize::try_from(number)?;
        match name.as_str() {
            "--lines" => options.lines = count.clamp(2, MAX_LINES),
            "--concurrency" => options.concurrency = count.max(1),
            "--seconds" => options.time = Duration::from_secs(number.into()),
            "--first-rate" => options.first_rate = number,
            "--step-seconds" => options.step = Duration::from_secs(number.into()),
            "--streams" => options.streams = count,
            "--standing" => options.standing = count,
            "--opened" => options.opened = count,
            _ => return Err(format!("{name} is not known; see --help").into()),
        }
    }
    Ok(Some(options))
}
