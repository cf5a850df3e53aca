//! Whether the store is well: what is stuck, what refuses, what is damaged. Nothing here waits for
//! a lock or for other work, so it is answered when nothing else is.

use super::watchdog::{Stuck, WatchedPart, Working};
use super::{Core, Engine, WriteSide};
use std::time::Instant;

/// How well the store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HealthStatus {
    /// All is well.
    Sound,
    /// It takes in and answers, and something wants looking after.
    Degraded,
    /// It does not take in, or does not answer.
    Unavailable,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub condition: HealthStatus,
    /// What is concerned.
    pub part: &'static str,
    /// What is wrong, in words.
    pub what: String,
    /// The segments that are concerned.
    pub segments: Vec<String>,
}

/// Segments that are named at most.
const NAMED_MAX: usize = 100;

impl Engine {
    /// The parts that have work and do not get on with it.
    pub fn stuck(&self) -> Vec<Stuck> {
        self.core.watchdog.stuck(Instant::now())
    }

    /// A call has begun, until what this returns is dropped.
    pub fn begin_call(&self) -> Working {
        self.core.watchdog.begin(WatchedPart::Calls)
    }

    /// Everything that is wrong.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems: Vec<Problem> = self.stuck().iter().map(stuck).collect();
        if let Ok(write) = self.core.write() {
            problems.extend(write.problems(&self.core));
        }
        problems.extend(self.damage());
        problems
    }

    fn damage(&self) -> Option<Problem> {
        let damaged = self.damaged();
        let lost = damaged.values().filter(|damage| damage.data.is_some()).count();
        let what = match (damaged.len(), lost) {
            (0, _) => return None,
            (all, 0) => format!(
                "the index of {all} segments is damaged: it is made anew, and answered without until then"
            ),
            (_, lost) => format!(
                "the data of {lost} segments is damaged: restore the files from a backup; `annals check` tells more"
            ),
        };
        let segments = damaged.into_keys().take(NAMED_MAX).collect();
        Some(Problem { condition: HealthStatus::Degraded, part: "segments", what, segments })
    }
}

fn problem(condition: HealthStatus, part: &'static str, what: String) -> Problem {
    Problem { condition, part, what, segments: Vec::new() }
}

fn stuck(stuck: &Stuck) -> Problem {
    let what = format!(
        "{} waits, and nothing of it was finished for {} s",
        stuck.waiting,
        stuck.since.as_secs()
    );
    problem(
        if stuck.part.is_vital() { HealthStatus::Unavailable } else { HealthStatus::Degraded },
        stuck.part.name(),
        what,
    )
}

impl WriteSide {
    /// What keeps the store from taking in.
    fn problems(&self, core: &Core) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |condition, part, what: String| problems.push(problem(condition, part, what));
        if self.log.has_failed() {
            add(
                HealthStatus::Unavailable,
                "log",
                "the write-ahead log failed: the next batch tries to begin another file".to_owned(),
            );
        }
        if !self.intake.is_running() {
            add(
                HealthStatus::Unavailable,
                "intake",
                "the thread that numbers events has ended; restart to recover".to_owned(),
            );
        }
        if self.table.is_in_doubt() {
            add(
                HealthStatus::Degraded,
                "table",
                "a commit failed, and whether it is in the table is not known yet; events are safe in the log".to_owned(),
            );
        }
        if let Err(error) = Self::check_disk(core) {
            add(HealthStatus::Unavailable, "disk", error.to_string());
        }
        if let Some(held) = self.room.full() {
            add(
                HealthStatus::Unavailable,
                "buffer",
                format!(
                    "the write buffer is full: {} MiB wait to be written into segments",
                    held >> 20
                ),
            );
        }
        if core.watchdog.keeps_failing(WatchedPart::Seal) {
            add(
                HealthStatus::Degraded,
                "seal",
                "the buffer cannot be written into segments; its events are safe in the log"
                    .to_owned(),
            );
        }
        problems
    }
}
