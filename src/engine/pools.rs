//! The threads that work is spread over: those of questions, and those that take records in, so that neither waits for the other.

use crate::error::{Context, ErrorKind, Result};
use crate::query::Threads;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// The threads of an engine.
#[derive(Debug)]
pub(super) struct Pools {
    /// Those of questions.
    pub(super) questions: Threads,
    /// Those that records are decoded on.
    pub(super) intake: ThreadPool,
}

impl Pools {
    /// A thread for each core, for each kind of work.
    ///
    /// # Errors
    /// The system gives no threads.
    pub(super) fn start() -> Result<Self> {
        let intake = ThreadPoolBuilder::new().thread_name(|number| format!("intake-{number}")).build();
        let intake = intake.context(ErrorKind::Unavailable, || "cannot start the threads that records are decoded on".to_owned())?;
        Ok(Self { questions: Threads::start()?, intake })
    }
}
