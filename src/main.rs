//! The `annals` command.

/// Answers and records are many small texts that threads make and others drop; the system's
/// allocator spends a sixth of the time of a list page on them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::process::ExitCode;

fn main() -> ExitCode {
    annals::cli::main()
}
