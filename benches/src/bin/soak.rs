//! `soak`: the real switch at half load for a long time; prints one table.

use std::error::Error;
use std::process::ExitCode;

use benches::command_line::{LoadProgram, Value};
use benches::load::Report;
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
    let is_clean = Report::is_clean;
    LoadProgram { name: "soak", help: HELP, set, run, is_clean }.main()
}

fn set(options: &mut Options, name: &str, value: &mut Value<'_>) -> Result<bool, Box<dyn Error>> {
    match name {
        "--minutes" => options.time = 60 * value.seconds()?,
        "--rate" => options.rate = value.number()?,
        "--lines" => options.lines = value.number::<usize>()?.clamp(200, 20_000),
        "--standing" => options.standing = value.number()?,
        _ => return Ok(false),
    }
    Ok(true)
}
