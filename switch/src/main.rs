//! The program `strowger`.

use std::process::ExitCode;

fn main() -> ExitCode {
    switch::cli::main()
}
