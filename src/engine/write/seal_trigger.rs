//! When the buffer is sealed: by size, by age, or on request.

use crate::engine::watchdog::Watchdog;
use crate::error::Result;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How full the buffer is, and what the sealer was asked for.
#[derive(Debug, Default)]
struct BufferFill {
    events: usize,
    bytes: usize,
    /// When the oldest event in the buffer arrived.
    since: Option<Instant>,
    stop: bool,
    /// Seals that ended, whether they succeeded or not.
    seals: u64,
    /// Whether a batch waits for room.
    wanted: bool,
    /// Callers that wait for a seal of everything that was accepted before they asked.
    asked: Vec<SyncSender<Result<()>>>,
}

#[derive(Debug, Default)]
pub(in crate::engine) struct SealTrigger {
    state: Mutex<BufferFill>,
    changed: Condvar,
    pub(in crate::engine) watchdog: Arc<Watchdog>,
}

/// Why a waiting thread woke up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Wake {
    Seal,
    /// There was no seal for a while.
    Quiet,
    Stop,
}

impl SealTrigger {
    fn state(&self) -> MutexGuard<'_, BufferFill> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to the count of events and bytes in the buffer, and wakes the sealer.
    pub(in crate::engine) fn added(&self, events: usize, bytes: usize) {
        let mut state = self.state();
        state.events += events;
        state.bytes += bytes;
        state.since.get_or_insert_with(Instant::now);
        self.changed.notify_all();
    }

    /// Notes that a seal ended. `left` returns how many events of how many bytes are in the buffer;
    /// it is called while nothing can be added to the count, so that no event is left out of it.
    pub(in crate::engine) fn sealed(&self, left: impl FnOnce() -> (usize, usize)) {
        let mut state = self.state();
        (state.events, state.bytes) = left();
        state.wanted = false;
        state.since = (state.events > 0).then(Instant::now);
        state.seals += 1;
        self.changed.notify_all();
    }

    /// Tells the threads that wait here to end.
    pub(in crate::engine) fn stop(&self) {
        let mut state = self.state();
        state.stop = true;
        state.asked.clear();
        drop(state);
        self.changed.notify_all();
    }

    /// Asks for a seal soon, because a batch waits for room.
    pub(in crate::engine) fn ask(&self) {
        self.state().wanted = true;
        self.changed.notify_all();
    }

    /// Asks for a seal now; the answer arrives when everything that was accepted before is in
    /// segments.
    pub(in crate::engine) fn ask_now(&self) -> Receiver<Result<()>> {
        let (done, answer) = sync_channel(1);
        let mut state = self.state();
        // Nothing is sealed after the end: dropping the sender tells the caller so at once.
        if !state.stop {
            state.asked.push(done);
        }
        self.changed.notify_all();
        answer
    }

    /// Takes the callers that asked for the seal that begins now.
    pub(in crate::engine) fn take_asked(&self) -> Vec<SyncSender<Result<()>>> {
        std::mem::take(&mut self.state().asked)
    }

    /// Waits until a seal has ended that `seen` does not count, or until the time is over.
    pub(in crate::engine) fn wait_for_another_seal(&self, seen: &mut u64, limit: Duration) -> Wake {
        let waiting = |state: &mut BufferFill| state.seals == *seen && !state.stop;
        let (state, _) = self
            .changed
            .wait_timeout_while(self.state(), limit, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        let sealed = state.seals != *seen;
        *seen = state.seals;
        if state.stop {
            Wake::Stop
        } else if sealed {
            Wake::Seal
        } else {
            Wake::Quiet
        }
    }

    /// Returns the number of seals that have ended.
    pub(in crate::engine) fn seals(&self) -> u64 {
        self.state().seals
    }

    /// Returns whether the threads are to end.
    pub(in crate::engine) fn stopping(&self) -> bool {
        self.state().stop
    }

    /// Waits for `time`, or until the threads are to end.
    pub(in crate::engine) fn rest(&self, time: Duration) {
        drop(
            self.changed
                .wait_timeout_while(self.state(), time, |state| !state.stop)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    /// Waits until there is enough to seal, or a caller asks for it. After a failure the sealer
    /// rests for `rest` first, unless a caller asks.
    pub(in crate::engine) fn wait_for_work(
        &self,
        events: usize,
        bytes: usize,
        after: Duration,
        rest: Duration,
    ) -> Wake {
        let mut state = self.state();
        let rested = Instant::now() + rest;
        loop {
            if state.stop {
                return Wake::Stop;
            }
            if !state.asked.is_empty() {
                return Wake::Seal;
            }
            let due = state.since.map(|since| since + after);
            let enough = state.events >= events
                || state.bytes >= bytes
                || state.wanted
                || due.is_some_and(|due| due <= Instant::now());
            if enough && rested <= Instant::now() {
                return Wake::Seal;
            }
            // With enough to seal, only the rest after a failure is left to wait for.
            let until = if enough { Some(rested) } else { due };
            let wait = until.map_or(Duration::from_secs(3_600), |until| {
                until.saturating_duration_since(Instant::now())
            });
            state = self
                .changed
                .wait_timeout(state, wait.max(Duration::from_millis(1)))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}
