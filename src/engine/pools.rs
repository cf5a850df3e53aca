//! Thread pools for work on many events. Questions, ingestion, sealing and background work each
//! have their own, so that none waits for another.

use crate::error::{Context, ErrorKind, Result};
use crate::query::Threads;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// The pools of an engine.
#[derive(Debug)]
pub(super) struct Pools {
    /// Answers questions.
    pub(super) questions: Threads,
    /// Decodes large batches and compares them with segments.
    pub(super) intake: ThreadPool,
    /// Writes the segments of a seal.
    pub(super) seal: ThreadPool,
    /// Merges segments.
    pub(super) maintenance: ThreadPool,
}

/// How much less weight than others the threads of a pool have (nice(2)): large batches give way to
/// single events and questions, and work that nobody waits for gives way to both.
const INTAKE_NICE: i32 = 4;
const MAINTENANCE_NICE: i32 = 6;

impl Pools {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            questions: Threads::start()?,
            intake: pool("annals-decode", INTAKE_NICE)?,
            seal: pool("annals-seal", INTAKE_NICE)?,
            maintenance: pool("annals-merge", MAINTENANCE_NICE)?,
        })
    }
}

fn pool(name: &'static str, nice: i32) -> Result<ThreadPool> {
    let built = ThreadPoolBuilder::new()
        .thread_name(move |number| format!("{name}-{number}"))
        // On Linux, niceness belongs to the thread. Where setting it is not allowed, all threads
        // weigh the same.
        .start_handler(move |_| {
            let _ = rustix::process::nice(nice);
        })
        .build();
    built.context(ErrorKind::Unavailable, || format!("cannot start the threads {name}"))
}
