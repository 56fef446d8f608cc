//! `soak`: the real switch at half load for a long time; prints one table.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use benches::soak::{Options, run};

const HELP: &str = "\
soak [--minutes N] [--rate N] [--lines N] [--standing N]

Starts the program `strowger` that lies beside this one, keeps it busy with calls, registrations,
features and reloads, and asserts that nothing grows and nothing stalls.
  --minutes   how long the load lasts (60)
  --rate      calls a second; 0 is half of what the switch reaches at first (0)
  --lines     lines of the load beside those of the features (2000)
  --standing  calls that are up at any time (50)";

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
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Option<Options>, Box<dyn Error>> {
    let mut options = Options::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        if matches!(name.as_str(), "--help" | "-h") {
            return Ok(None);
        }
        let text = arguments.next().ok_or_else(|| format!("{name} wants a number"))?;
        let number: u32 = text.parse().map_err(|_| format!("{name}: {text} is no number"))?;
        let count = usize::try_from(number)?;
        match name.as_str() {
            "--minutes" => options.time = Duration::from_secs(60 * u64::from(number)),
            "--rate" => options.rate = number,
            "--lines" => options.lines = count.clamp(200, 20_000),
            "--standing" => options.standing = count,
            _ => return Err(format!("{name} is not known; see --help").into()),
        }
    }
    Ok(Some(options))
}
