//! The threads that questions run on: light ones apart from heavy ones, and both apart from those
//! that take records in. A thread that has begun a part of one question goes on with that question,
//! so a light one must never wait for the same threads as a heavy one.

use crate::error::{Context, ErrorKind, Result};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Heavy questions yield to everything else by so much (as `nice` counts).
#[cfg(target_os = "linux")]
const HEAVY_NICENESS: i32 = 5;

/// The threads of questions.
#[derive(Debug)]
pub struct Threads {
    light: ThreadPool,
    heavy: ThreadPool,
}

impl Threads {
    /// A thread for each core, of both kinds.
    ///
    /// # Errors
    /// The system gives no threads.
    pub fn start() -> Result<Self> {
        Self::sized(0)
    }

    /// So many threads of both kinds; 0 for one a core.
    pub(super) fn sized(threads: usize) -> Result<Self> {
        Ok(Self {
            light: pool("light", threads, || ())?,
            heavy: pool("heavy", threads, yield_to_others)?,
        })
    }

    /// The threads of the heavy questions, or of the others.
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

/// On Linux a thread has a niceness of its own; elsewhere it is the whole process that has one, and
/// stays as it is.
fn yield_to_others() {
    #[cfg(target_os = "linux")]
    {
        // Where that is refused, heavy questions are as urgent as others.
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
