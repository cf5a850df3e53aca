//! The watchdog: knows whether each part of the engine makes progress while it has work, so that
//! health checks report the truth.
//!
//! A part reports when it begins work and when the work is done. A part is stuck if it has work and
//! has finished none for longer than a working part ever takes. Asking takes no lock and touches no
//! disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A part that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchedPart {
    /// The thread that writes the log.
    Log,
    /// Batches on their way in.
    Intake,
    /// The thread that seals.
    Seal,
    /// Calls of the API, of whatever kind.
    Calls,
}

impl WatchedPart {
    const ALL: [Self; 4] = [Self::Log, Self::Intake, Self::Seal, Self::Calls];

    /// Returns its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Intake => "intake",
            Self::Seal => "seal",
            Self::Calls => "calls",
        }
    }

    /// Returns how long it may have work without finishing any.
    fn limit(self) -> Duration {
        match self {
            Self::Log | Self::Intake => Duration::from_secs(60),
            Self::Seal | Self::Calls => Duration::from_secs(180),
        }
    }

    /// Returns whether only a restart helps when it is stuck.
    pub fn is_vital(self) -> bool {
        matches!(self, Self::Log | Self::Intake)
    }
}

/// A part that has work but makes no progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stuck {
    /// The part.
    pub part: WatchedPart,
    /// How long it has made no progress.
    pub since: Duration,
    /// How many pieces of its work were begun and are not done.
    pub waiting: u64,
}

/// Consecutive failures that are worth a warning.
const FAILURES: u32 = 3;

#[derive(Debug)]
pub(super) struct Watchdog {
    started: Instant,
    parts: [Watched; WatchedPart::ALL.len()],
}

#[derive(Debug, Default)]
struct Watched {
    waiting: AtomicU64,
    /// When it last began work while idle, or finished some: milliseconds since the start.
    moved: AtomicU64,
    failures: AtomicU32,
}

impl Default for Watchdog {
    fn default() -> Self {
        Self { started: Instant::now(), parts: Default::default() }
    }
}

/// Work in progress; it counts as done when this is dropped, however it ends.
#[derive(Debug)]
pub struct Working {
    watchdog: Arc<Watchdog>,
    part: WatchedPart,
}

impl Drop for Working {
    fn drop(&mut self) {
        let watched = self.watchdog.of(self.part);
        watched.moved.fetch_max(self.watchdog.millis(Instant::now()), Ordering::Relaxed);
        watched.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Watchdog {
    fn of(&self, part: WatchedPart) -> &Watched {
        &self.parts[part as usize]
    }

    fn millis(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.started).as_millis() as u64
    }

    /// Marks a part as working until the returned guard is dropped.
    pub(super) fn begin(self: &Arc<Self>, part: WatchedPart) -> Working {
        let watched = self.of(part);
        // The part was idle: the time it had nothing to do must not count as time without progress.
        if watched.waiting.fetch_add(1, Ordering::Relaxed) == 0 {
            watched.moved.fetch_max(self.millis(Instant::now()), Ordering::Relaxed);
        }
        Working { watchdog: Arc::clone(self), part }
    }

    /// Records whether a piece of work succeeded.
    pub(super) fn ended(&self, part: WatchedPart, well: bool) {
        let failures = &self.of(part).failures;
        if well {
            failures.store(0, Ordering::Relaxed);
        } else {
            failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns whether a part keeps failing.
    pub(super) fn keeps_failing(&self, part: WatchedPart) -> bool {
        self.of(part).failures.load(Ordering::Relaxed) >= FAILURES
    }

    /// Returns the parts that are stuck.
    pub(super) fn stuck(&self, now: Instant) -> Vec<Stuck> {
        let stuck = |part: &WatchedPart| {
            let watched = self.of(*part);
            let waiting = watched.waiting.load(Ordering::Relaxed);
            let since = self.millis(now).saturating_sub(watched.moved.load(Ordering::Relaxed));
            let since = Duration::from_millis(since);
            (waiting > 0 && since > part.limit()).then_some(Stuck { part: *part, since, waiting })
        };
        WatchedPart::ALL.iter().filter_map(stuck).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_work_and_finishes_none_is_stuck() {
        let watchdog = Arc::new(Watchdog::default());
        let later = |seconds| Instant::now() + Duration::from_secs(seconds);
        assert_eq!(watchdog.stuck(later(9_000)), [], "who has nothing to do is not");
        let first = watchdog.begin(WatchedPart::Intake);
        let second = watchdog.begin(WatchedPart::Intake);
        let third = watchdog.begin(WatchedPart::Calls);
        assert_eq!(watchdog.stuck(later(50)), []);
        let stuck = watchdog.stuck(later(70));
        assert_eq!((stuck.len(), stuck[0].part, stuck[0].waiting), (1, WatchedPart::Intake, 2));
        assert!(stuck[0].since >= Duration::from_secs(60) && stuck[0].part.is_vital());
        assert_eq!(watchdog.stuck(later(200)).len(), 2);
        drop((first, third));
        assert_eq!(watchdog.stuck(later(70)).len(), 1, "the other one still waits");
        drop(second);
        assert_eq!(watchdog.stuck(later(9_000)), []);
    }

    #[test]
    fn a_part_that_fails_once_does_not_keep_failing() {
        let watchdog = Watchdog::default();
        for _ in 0..2 {
            watchdog.ended(WatchedPart::Seal, false);
        }
        assert!(!watchdog.keeps_failing(WatchedPart::Seal));
        watchdog.ended(WatchedPart::Seal, false);
        assert!(watchdog.keeps_failing(WatchedPart::Seal));
        watchdog.ended(WatchedPart::Seal, true);
        assert!(!watchdog.keeps_failing(WatchedPart::Seal));
    }
}
