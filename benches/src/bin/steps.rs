//! `steps KIND COUNT`: so many registrations, refreshes or calls through the exchange alone.
//!
//! For tools that count instructions: the difference between two counts is the price of one, the
//! phones' own (hand-made text) included.

use std::process::ExitCode;
use std::time::Duration;

use benches::rig::Rig;

/// Lines of the rig.
const LINES: usize = 200;

fn main() -> ExitCode {
    match run() {
        Ok(done) => {
            println!("{done} done");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("steps: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<u64, String> {
    let mut arguments = std::env::args().skip(1);
    let usage = "steps register|refresh|call COUNT";
    let kind = arguments.next().ok_or(usage)?;
    let count: usize = arguments.next().and_then(|text| text.parse().ok()).ok_or(usage)?;
    let mut rig = Rig::registered(LINES)?;
    for step in 0..count {
        match kind.as_str() {
            "register" => rig.register(step % LINES),
            "refresh" => rig.refresh(step % LINES),
            "call" => rig.call(),
            _ => return Err(usage.to_owned()),
        }
        rig.pass(Duration::from_millis(40));
    }
    rig.verdict()?;
    Ok(rig.done())
}
