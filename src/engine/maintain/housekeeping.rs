//! The housekeeping thread: once an hour it applies retention, removes files that nothing needs,
//! and runs the scrubber.

use crate::access::Actor;
use crate::engine::maintain::scrub::{RUNS, Scrubber};
use crate::engine::{Shared, Writer};
use crate::error::Result;
use crate::event::{DAY_MS, Timestamp};
use crate::maintain::clear_aside;
use crate::storage::clear_archives;
use std::time::Duration;

/// The time from the start to the first run, and from one run to the next.
const FIRST: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_secs(3_600);

/// How many runs must see a clock that is far ahead before events are deleted by it: a day of them.
const DOUBTS: u32 = 24;
/// How far the clock may be ahead of what was seen before.
const AHEAD_MAX_MS: i64 = 2 * DAY_MS;

/// Decides whether the clock is trusted when it says that events have expired.
///
/// A clock that is set years ahead by mistake must not delete years of events. So a clock that is
/// far ahead of the last known event is trusted only after it has stayed so for a day of the
/// process's own time.
#[derive(Debug)]
struct Belief {
    /// The latest time that is trusted.
    seen: Timestamp,
    doubts: u32,
}

impl Belief {
    /// Returns whether `now` is trusted, and remembers it.
    fn believes(&mut self, now: Timestamp) -> bool {
        if now.millis() > self.seen.millis().saturating_add(AHEAD_MAX_MS) && self.doubts < DOUBTS {
            self.doubts += 1;
            return false;
        }
        self.doubts = 0;
        self.seen = self.seen.max(now);
        true
    }
}

/// Runs the housekeeping thread until it is told to stop.
pub(in crate::engine) fn run(writer: &Writer) {
    let mut belief = Belief { seen: last_commit(&writer.shared), doubts: 0 };
    let mut scrubber = Scrubber::default();
    writer.trigger.rest(FIRST);
    while !writer.trigger.stopping() {
        if belief.believes(writer.shared.clock.now()) {
            report("delete what has expired", writer.expire(&Actor::store()).map(drop));
            // A check that reads the archives must not find one gone; the next run removes them.
            if let Some(_archiving) = writer.log_files.archive() {
                report(
                    "remove old archives of the table's log",
                    clear_archives(writer.shared.data.store(), writer.shared.clock.now()).map(drop),
                );
            }
            report(
                "clear what was moved aside",
                clear_aside(writer.shared.data.store(), writer.shared.clock.now()).map(drop),
            );
        } else if belief.doubts == 1 {
            tracing::warn!(
                "the clock is far ahead of the last trusted time: retention deletes nothing for a \
                day; check the clock"
            );
        }
        report("compare files with their hashes", scrubber.run(writer, RUNS));
        // Files may have to go sooner than in an hour: those are looked for more often.
        let look = writer.shared.settings.replaced_kept.clamp(FIRST, EVERY);
        for _ in 0..EVERY.as_secs() / look.as_secs() {
            if writer.trigger.stopping() {
                return;
            }
            report("remove files that nothing needs", writer.remove_orphans().map(drop));
            report("make a checkpoint of the table's log", writer.tend_log());
            writer.trigger.rest(look);
        }
    }
}

/// Returns when the newest segment was written.
fn last_commit(shared: &Shared) -> Timestamp {
    let snapshot = shared.published.get();
    snapshot
        .segments
        .iter()
        .filter_map(|segment| segment.manifest().written())
        .max()
        .unwrap_or_default()
}

/// Logs a failure: housekeeping goes on with the next task.
fn report(what: &str, done: Result<()>) {
    if let Err(error) = done {
        tracing::error!(%error, "cannot {what}; will try again within an hour");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumps_ahead_is_believed_after_a_day_of_running() {
        let day = |day: i64| Timestamp::from_millis(day * DAY_MS);
        let mut belief = Belief { seen: day(100), doubts: 0 };
        assert!(belief.believes(day(101)) && belief.believes(day(102)) && belief.believes(day(50)));
        for run in 0..DOUBTS {
            assert!(!belief.believes(day(4_000)), "run {run}");
        }
        assert!(belief.believes(day(4_000)) && belief.believes(day(4_001)));
        assert!(!belief.believes(day(9_000)));
        assert!(belief.believes(day(4_001)), "it was set back");
    }
}
