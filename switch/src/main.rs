//! The program `strowger`.

use std::process::ExitCode;

/// A fifth of a call's cost was the system's allocator (docs/benchmarks.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    switch::cli::main()
}
