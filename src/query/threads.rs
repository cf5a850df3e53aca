//! The threads that questions run on: light ones apart from heavy ones, and both apart from the
//! threads that ingest records. A thread that has begun a part of a question continues with that
//! question, so a light question must never wait for the same threads as a heavy one.

use crate::error::{Context, ErrorKind, Result};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// The niceness of heavy questions (as in `nice`), by which they yield to everything else.
#[cfg(target_os = "linux")]
const HEAVY_NICENESS: i32 = 5;

/// The threads of questions.
#[derive(Debug)]
pub struct Threads {
    light: ThreadPool,
    heavy: ThreadPool,
}

impl Threads {
    /// Starts a thread per core of each kind.
    ///
    /// # Errors
    /// The system provides no threads.
    pub fn start() -> Result<Self> {
        Self::sized(0)
    }

    /// Starts this many threads of each kind; 0 means one per core.
    pub(super) fn sized(threads: usize) -> Result<Self> {
        Ok(Self {
            light: pool("light", threads, || ())?,
            heavy: pool("heavy", threads, yield_to_others)?,
        })
    }

    /// Returns the threads of the heavy questions, or of the light ones.
    pub(super) fn of(&self, heavy: bool) -> &ThreadPool {
        if heavy { &self.heavy } else { &self.light }
    }
}

fn pool(name: &'static str, threads: usize, begin: fn()) -> Result<ThreadPool> {
    let builder = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(move |number| format!("{name}-{number}"));
    let built = builder.start_handler(move |_| begin()).build();
    built.context(ErrorKind::Unavailable, || {
        "cannot start the threads that questions run on".to_owned()
    })
}

/// Lowers the priority of the current thread. On Linux each thread has its own niceness; elsewhere
/// only the whole process has one, which stays as it is.
fn yield_to_others() {
    #[cfg(target_os = "linux")]
    {
        // If the system refuses, heavy questions are as urgent as others.
        let _ = rustix::process::setpriority_process(None, HEAVY_NICENESS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_questions_have_threads_of_their_own() {
        let threads = Threads::start().expect("threads");
        let name = |heavy| {
            threads
                .of(heavy)
                .install(|| std::thread::current().name().map(str::to_owned))
                .expect("a name")
        };
        assert!(name(false).starts_with("light-") && name(true).starts_with("heavy-"));
    }
}
