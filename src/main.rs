//! The `annals` command.

/// The global allocator. Answers and records are many small texts that some threads allocate and
/// others free; the system's allocator takes a sixth of the time of a list page for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::process::ExitCode;

fn main() -> ExitCode {
    annals::cli::main()
}
