//! Health of the store: what is stuck, what refuses, what is damaged. Nothing here waits for a lock
//! or for other work, so health is reported even when nothing else is answered.

use super::watchdog::{Stuck, WatchedPart, Working};
use super::{Engine, Writer};
use std::time::Instant;

/// How healthy the store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HealthStatus {
    /// Everything works.
    Sound,
    /// The store accepts events and answers questions, but something needs attention.
    Degraded,
    /// The store does not accept events or does not answer questions.
    Unavailable,
}

/// A problem of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How severe it is.
    pub condition: HealthStatus,
    /// The part that is affected.
    pub part: &'static str,
    /// A description of the problem.
    pub what: String,
    /// The segments that are affected.
    pub segments: Vec<String>,
}

/// The most segments that a problem names.
const NAMED_MAX: usize = 100;

impl Engine {
    /// Returns the parts that have work but make no progress.
    pub fn stuck(&self) -> Vec<Stuck> {
        self.shared.watchdog.stuck(Instant::now())
    }

    /// Marks a call as in progress until the returned guard is dropped.
    pub fn begin_call(&self) -> Working {
        self.shared.watchdog.begin(WatchedPart::Calls)
    }

    /// Returns every problem of the store.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems: Vec<Problem> = self.stuck().iter().map(stuck).collect();
        if let Some(writer) = &self.writer {
            problems.extend(writer.problems());
        }
        problems.extend(self.damage());
        problems.extend(self.quarantine_damage());
        problems
    }

    fn quarantine_damage(&self) -> Option<Problem> {
        let damage = self.shared.quarantine.damage();
        let what = match damage.as_slice() {
            [] => return None,
            [first] => first.clone(),
            [first, more @ ..] => {
                format!("{first}, and {} more problems; run `annals check` for all", more.len())
            }
        };
        Some(problem(HealthStatus::Degraded, "quarantine", what))
    }

    fn damage(&self) -> Option<Problem> {
        let damaged = self.damaged();
        let lost = damaged.values().filter(|damage| damage.data.is_some()).count();
        let outdated = damaged.values().filter(|damage| damage.is_only_outdated()).count();
        let what = match (damaged.len(), lost) {
            (0, _) => return None,
            (all, _) if all == outdated => format!(
                "the index of {all} segments is of an earlier version: it is being rebuilt, and \
                questions are answered without it until then"
            ),
            (all, 0) => format!(
                "the index of {all} segments is damaged: it is being rebuilt, and questions are \
                answered without it until then"
            ),
            (_, lost) => format!(
                "the data of {lost} segments is damaged: restore the files from a backup; run \
                `annals check` for details"
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
    let what =
        format!("{} waiting, and none was finished for {} s", stuck.waiting, stuck.since.as_secs());
    problem(
        if stuck.part.is_vital() { HealthStatus::Unavailable } else { HealthStatus::Degraded },
        stuck.part.name(),
        what,
    )
}

impl Writer {
    /// Returns the problems that keep the store from accepting events.
    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |condition, part, what: String| problems.push(problem(condition, part, what));
        if self.log.has_failed() {
            add(
                HealthStatus::Unavailable,
                "log",
                "the write-ahead log failed: the next batch will try to start a new file"
                    .to_owned(),
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
                "a commit failed, and it is not known yet whether the table has it; the events are \
                safe in the log".to_owned(),
            );
        }
        if let Err(error) = self.check_disk() {
            add(HealthStatus::Unavailable, "disk", error.to_string());
        }
        if let Some(held) = self.room.full() {
            add(
                HealthStatus::Unavailable,
                "buffer",
                format!(
                    "the write buffer is full: {} MiB are waiting to be written into segments",
                    held >> 20
                ),
            );
        }
        if self.shared.watchdog.keeps_failing(WatchedPart::Seal) {
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
