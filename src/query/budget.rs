//! What a question may take: time, work, and memory for its groups; and the word to stop when
//! nobody waits for it any more.
//!
//! Every loop over rows says what it does, in units of about a nanosecond, and asks now and then
//! whether it may go on. So a question ends soon after its deadline or its client, and one that
//! turns out to be heavy is known by its work, whatever its filter looked like.

use crate::error::{Error, ErrorKind, Result};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Work that a question may do before it counts as heavy.
const LIGHT_WORK: u64 = 10_000_000;
/// Memory that the groups of one count may take, in bytes.
const GROUP_BYTES: u64 = 128 << 20;
/// What it costs to look at a run: its index is asked, whatever comes of it.
pub(super) const RUN_WORK: u64 = 2_000;
/// What it costs to read one field of a row from its column.
pub(super) const VALUE_WORK: u64 = 20;
/// What it costs to decode a record, beside its bytes.
pub(super) const EVENT_WORK: u64 = 2_000;
/// A loop asks whether it may go on after so much work.
const PACE_WORK: u64 = 1 << 16;

/// The bounds of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long it may take.
    pub time: Option<Duration>,
    /// How much work it may do, in units of about a nanosecond.
    pub work: u64,
    /// Memory that its groups may take, in bytes.
    pub group_bytes: u64,
    /// Whether it runs among the heavy ones.
    pub heavy: bool,
}

impl Default for Limits {
    /// All the time and work it takes.
    fn default() -> Self {
        Self { time: None, work: u64::MAX, group_bytes: GROUP_BYTES, heavy: false }
    }
}

impl Limits {
    /// The bounds of a question that is light as far as anyone knows.
    pub fn light(time: Duration) -> Self {
        Self { time: Some(time), work: LIGHT_WORK, ..Self::default() }
    }

    /// The bounds of a heavy question.
    pub fn heavy(time: Option<Duration>) -> Self {
        Self { time, heavy: true, ..Self::default() }
    }
}

/// What one question may still take. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct QueryBudget(Option<Arc<BudgetState>>);

/// Makes a light question a heavy one, if there is room among those now: what it gives is held as
/// long as the question runs.
type Upgrade = Box<dyn FnOnce() -> Option<Box<dyn Send>> + Send>;

struct BudgetState {
    limits: Limits,
    ends: Option<Instant>,
    stopped: AtomicBool,
    heavy: AtomicBool,
    spent: AtomicU64,
    upgrade: Mutex<Option<Upgrade>>,
    upgraded: Mutex<Option<Box<dyn Send>>>,
}

impl fmt::Debug for BudgetState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("State")
            .field("limits", &self.limits)
            .field("spent", &self.spent)
            .finish_non_exhaustive()
    }
}

/// The budget of who asks without bounds.
pub(super) static UNBOUNDED: QueryBudget = QueryBudget(None);

impl QueryBudget {
    /// A budget of these limits; its time begins now.
    pub fn new(limits: Limits) -> Self {
        Self::with_upgrade(limits, None)
    }

    /// The same for a question that goes on as a heavy one where its limit of work ends, if
    /// `upgrade` gives it a place among those.
    pub fn upgrading(
        limits: Limits,
        upgrade: impl FnOnce() -> Option<Box<dyn Send>> + Send + 'static,
    ) -> Self {
        Self::with_upgrade(limits, Some(Box::new(upgrade)))
    }

    fn with_upgrade(limits: Limits, upgrade: Option<Upgrade>) -> Self {
        Self(Some(Arc::new(BudgetState {
            limits,
            ends: limits.time.and_then(|time| Instant::now().checked_add(time)),
            stopped: AtomicBool::new(false),
            heavy: AtomicBool::new(limits.heavy),
            spent: AtomicU64::new(0),
            upgrade: Mutex::new(upgrade),
            upgraded: Mutex::default(),
        })))
    }

    /// Stops the question: its answer is of no use any more.
    pub fn stop(&self) {
        if let Some(state) = &self.0 {
            state.stopped.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the question was stopped.
    pub fn is_stopped(&self) -> bool {
        self.0.as_ref().is_some_and(|state| state.stopped.load(Ordering::Relaxed))
    }

    /// Something that stops the question when it is dropped.
    pub fn stop_on_drop(&self) -> StopOnDrop {
        StopOnDrop(self.clone())
    }

    /// The work that was done so far.
    pub fn spent(&self) -> u64 {
        self.0.as_ref().map_or(0, |state| state.spent.load(Ordering::Relaxed))
    }

    /// Whether the question has come to the end of its work, and is none of the heavy ones.
    pub fn is_exhausted(&self) -> bool {
        self.0.as_ref().is_some_and(|state| state.is_exhausted())
    }

    /// Whether it runs among the heavy ones.
    pub(super) fn is_heavy(&self) -> bool {
        self.0.as_ref().is_some_and(|state| state.heavy.load(Ordering::Relaxed))
    }

    /// Whether a question that is exhausted may go on as a heavy one.
    pub(super) fn upgrade(&self) -> bool {
        let Some(state) = self.0.as_ref().filter(|state| state.is_exhausted()) else {
            return false;
        };
        let upgrade = state.upgrade.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(place) = upgrade.and_then(|upgrade| upgrade()) else { return false };
        *state.upgraded.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
        state.heavy.store(true, Ordering::Relaxed);
        true
    }

    /// Counts work of a test.
    #[cfg(test)]
    pub(crate) fn work_for_tests(&self, work: u64) -> Result<()> {
        let done = self.spend(work);
        if done.is_err() && self.upgrade() { Ok(()) } else { done }
    }

    /// Whether the question may go on.
    ///
    /// # Errors
    /// It was stopped, its time is over, or its work is.
    pub(super) fn check(&self) -> Result<()> {
        self.0.as_ref().map_or(Ok(()), |state| state.check())
    }

    /// Counts work that is done or about to be done.
    ///
    /// # Errors
    /// As [`Budget::check`].
    pub(super) fn spend(&self, work: u64) -> Result<()> {
        let Some(state) = &self.0 else { return Ok(()) };
        state.spent.fetch_add(work, Ordering::Relaxed);
        state.check()
    }

    /// Gives up at once where so much work lies ahead that it would only be given up later.
    ///
    /// # Errors
    /// As [`Budget::check`].
    pub(super) fn foresee(&self, work: u64) -> Result<()> {
        match &self.0 {
            Some(state) if !self.is_heavy() && work > state.limits.work => self.spend(work),
            _ => self.check(),
        }
    }

    /// For one loop: counts its work, and asks now and then.
    pub(super) fn pace(&self) -> WorkMeter<'_> {
        WorkMeter { budget: self, done: 0 }
    }

    /// Room for groups by something.
    pub(super) fn room(&self) -> GroupMemory {
        let most = self.0.as_ref().map_or(GROUP_BYTES, |state| state.limits.group_bytes);
        GroupMemory { most, left: most }
    }
}

impl BudgetState {
    fn is_exhausted(&self) -> bool {
        self.spent.load(Ordering::Relaxed) > self.limits.work && !self.heavy.load(Ordering::Relaxed)
    }

    fn check(&self) -> Result<()> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "the question was stopped: nobody waits for its answer any more",
            ));
        }
        if self.ends.is_some_and(|ends| Instant::now() >= ends) {
            let seconds = self.limits.time.unwrap_or_default().as_secs_f64();
            let what = format!(
                "the question took longer than {seconds} s and was stopped: narrow its period (from, to, last), name fewer tenants, \
                 or add a condition on a field, such as source or resource_id"
            );
            return Err(Error::new(ErrorKind::Timeout, what));
        }
        if self.is_exhausted() {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "the question is more work than a light one may be",
            ));
        }
        Ok(())
    }
}

/// Stops a question when it is dropped: whoever waited for the answer is gone.
#[derive(Debug)]
pub struct StopOnDrop(QueryBudget);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// The work of one loop. Asking costs more than many a row, so it is done once in a while.
#[derive(Debug)]
pub(super) struct WorkMeter<'b> {
    budget: &'b QueryBudget,
    done: u64,
}

impl WorkMeter<'_> {
    /// Counts work; asks if it is time to.
    ///
    /// # Errors
    /// As [`Budget::check`].
    #[inline]
    pub(super) fn step(&mut self, work: u64) -> Result<()> {
        self.done += work;
        if self.done < PACE_WORK {
            Ok(())
        } else {
            self.budget.spend(std::mem::take(&mut self.done))
        }
    }

    /// The budget.
    pub(super) fn budget(&self) -> &QueryBudget {
        self.budget
    }
}

impl Drop for WorkMeter<'_> {
    fn drop(&mut self) {
        if let Some(state) = &self.budget.0 {
            state.spent.fetch_add(self.done, Ordering::Relaxed);
        }
    }
}

/// Memory for the groups of one count.
#[derive(Debug)]
pub(super) struct GroupMemory {
    most: u64,
    left: u64,
}

impl GroupMemory {
    /// Takes room for a group.
    ///
    /// # Errors
    /// There is no more; the message says what to do.
    pub(super) fn take(&mut self, by: impl fmt::Display, bytes: usize) -> Result<()> {
        match self.left.checked_sub(bytes as u64) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Error::invalid(format!(
                "counting by {by} comes to more values than fit into {} MiB: narrow the period or the filter, \
                 or export the events and count them there",
                self.most.div_ceil(1 << 20)
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(result: Result<()>) -> Option<ErrorKind> {
        result.err().map(|error| error.kind())
    }

    #[test]
    fn a_question_ends_with_its_client_its_time_or_its_work() {
        let budget = QueryBudget::new(Limits::light(Duration::from_secs(3_600)));
        assert_eq!(kind(budget.spend(LIGHT_WORK)), None);
        assert!(!budget.is_exhausted());
        assert_eq!(kind(budget.spend(1)), Some(ErrorKind::Unavailable));
        assert!(budget.is_exhausted() && !budget.upgrade(), "nobody said that it may be heavy");

        let late = QueryBudget::new(Limits::heavy(Some(Duration::ZERO)));
        let error = late.check().expect_err("its time is over");
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.to_string().contains("narrow its period"), "{error}");

        let left = QueryBudget::new(Limits::default());
        drop(left.stop_on_drop());
        assert_eq!(kind(left.check()), Some(ErrorKind::Unavailable));
        assert_eq!(kind(UNBOUNDED.spend(u64::MAX)), None);
    }

    #[test]
    fn a_light_question_goes_on_as_a_heavy_one_where_there_is_room() {
        for room in [true, false] {
            let budget =
                QueryBudget::upgrading(Limits::light(Duration::from_secs(3_600)), move || {
                    room.then(|| Box::new(()) as Box<dyn Send>)
                });
            assert!(!budget.upgrade(), "there is work left");
            assert!(budget.spend(LIGHT_WORK + 1).is_err());
            assert_eq!(
                (budget.upgrade(), budget.is_heavy(), budget.check().is_ok()),
                (room, room, room)
            );
        }
    }

    #[test]
    fn what_is_foreseen_to_be_heavy_is_not_begun() {
        let budget = QueryBudget::new(Limits::light(Duration::from_secs(3_600)));
        assert!(budget.foresee(LIGHT_WORK).is_ok());
        assert_eq!(budget.spent(), 0);
        assert!(budget.foresee(LIGHT_WORK + 1).is_err() && budget.is_exhausted());
        assert!(QueryBudget::new(Limits::heavy(None)).foresee(u64::MAX).is_ok());
    }

    #[test]
    fn a_loop_asks_now_and_then_and_counts_all_it_does() {
        let budget = QueryBudget::new(Limits::default());
        let mut pace = budget.pace();
        assert!(pace.step(PACE_WORK - 1).is_ok());
        budget.stop();
        assert!(pace.step(0).is_ok() && pace.step(1).is_err());
        assert!(pace.step(7).is_ok());
        drop(pace);
        assert_eq!(budget.spent(), PACE_WORK + 7);
    }

    #[test]
    fn groups_have_a_bound() {
        let budget = QueryBudget::new(Limits { group_bytes: 100, ..Limits::default() });
        let mut room = budget.room();
        assert!(room.take("operator", 60).is_ok());
        let error = room.take("operator", 60).expect_err("no room");
        assert!(
            error.kind() == ErrorKind::Invalid && error.to_string().contains("operator"),
            "{error}"
        );
    }
}
