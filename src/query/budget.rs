//! What a question may consume (time, work, and memory for its groups), and how it is stopped when
//! nobody waits for its answer any more.
//!
//! Every loop over rows reports its work, in units of about a nanosecond, and checks from time to
//! time whether it may go on. So a question ends soon after its deadline or after its client is
//! gone, and a question that turns out to be heavy is recognized by its work, whatever its filter
//! looked like.

use crate::error::{Error, ErrorKind, Result};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The work that a question may do before it counts as heavy.
const LIGHT_WORK: u64 = 10_000_000;
/// The memory that the groups of one count may take, in bytes.
const GROUP_BYTES: u64 = 128 << 20;
/// The cost of visiting a run: its index is asked even if nothing comes of it.
pub(super) const RUN_WORK: u64 = 2_000;
/// The cost of reading one field of a row from its column.
pub(super) const VALUE_WORK: u64 = 20;
/// The cost of decoding a record, in addition to its bytes.
pub(super) const EVENT_WORK: u64 = 2_000;
/// A loop checks whether it may go on after this much work.
const PACE_WORK: u64 = 1 << 16;

/// The limits of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The time it may take.
    pub time: Option<Duration>,
    /// The work it may do, in units of about a nanosecond.
    pub work: u64,
    /// The memory that its groups may take, in bytes.
    pub group_bytes: u64,
    /// Whether it runs among the heavy questions.
    pub heavy: bool,
}

impl Default for Limits {
    /// Returns limits without bounds on time and work.
    fn default() -> Self {
        Self { time: None, work: u64::MAX, group_bytes: GROUP_BYTES, heavy: false }
    }
}

impl Limits {
    /// Returns the limits of a question that is assumed to be light.
    pub fn light(time: Duration) -> Self {
        Self { time: Some(time), work: LIGHT_WORK, ..Self::default() }
    }

    /// Returns the limits of a heavy question.
    pub fn heavy(time: Option<Duration>) -> Self {
        Self { time, heavy: true, ..Self::default() }
    }
}

/// What a question may still consume. Clones share the same budget.
#[derive(Debug, Clone, Default)]
pub struct QueryBudget(Option<Arc<BudgetState>>);

/// Turns a light question into a heavy one if there is a free slot among those: the returned value
/// is held as long as the question runs.
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

/// The budget of callers without limits.
pub(super) static UNBOUNDED: QueryBudget = QueryBudget(None);

impl QueryBudget {
    /// Creates a budget with these limits; its time starts now.
    pub fn new(limits: Limits) -> Self {
        Self::with_upgrade(limits, None)
    }

    /// Creates a budget of a question that continues as a heavy one when it reaches its limit of
    /// work, provided that `upgrade` gives it a slot.
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

    /// Stops the question because its answer is no longer of use.
    pub fn stop(&self) {
        if let Some(state) = &self.0 {
            state.stopped.store(true, Ordering::Relaxed);
        }
    }

    /// Returns whether the question was stopped.
    pub fn is_stopped(&self) -> bool {
        self.0.as_ref().is_some_and(|state| state.stopped.load(Ordering::Relaxed))
    }

    /// Returns a guard that stops the question when it is dropped.
    pub fn stop_on_drop(&self) -> StopOnDrop {
        StopOnDrop(self.clone())
    }

    /// Returns the work done so far.
    pub fn spent(&self) -> u64 {
        self.0.as_ref().map_or(0, |state| state.spent.load(Ordering::Relaxed))
    }

    /// Returns whether the question has used up its work and is not a heavy one.
    pub fn is_exhausted(&self) -> bool {
        self.0.as_ref().is_some_and(|state| state.is_exhausted())
    }

    /// Returns whether it runs among the heavy questions.
    pub(super) fn is_heavy(&self) -> bool {
        self.0.as_ref().is_some_and(|state| state.heavy.load(Ordering::Relaxed))
    }

    /// Tries to turn an exhausted question into a heavy one; returns whether it may go on.
    pub(super) fn upgrade(&self) -> bool {
        let Some(state) = self.0.as_ref().filter(|state| state.is_exhausted()) else {
            return false;
        };
        let upgrade = state.upgrade.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(slot) = upgrade.and_then(|upgrade| upgrade()) else { return false };
        *state.upgraded.lock().unwrap_or_else(PoisonError::into_inner) = Some(slot);
        state.heavy.store(true, Ordering::Relaxed);
        true
    }

    /// Counts the work of a test.
    #[cfg(test)]
    pub(crate) fn work_for_tests(&self, work: u64) -> Result<()> {
        let done = self.spend(work);
        if done.is_err() && self.upgrade() { Ok(()) } else { done }
    }

    /// Checks whether the question may go on.
    ///
    /// # Errors
    /// The question was stopped, or its time or its work is used up.
    pub(super) fn check(&self) -> Result<()> {
        self.0.as_ref().map_or(Ok(()), |state| state.check())
    }

    /// Counts work that is done or about to be done.
    ///
    /// # Errors
    /// As [`QueryBudget::check`].
    pub(crate) fn spend(&self, work: u64) -> Result<()> {
        let Some(state) = &self.0 else { return Ok(()) };
        state.spent.fetch_add(work, Ordering::Relaxed);
        state.check()
    }

    /// Fails at once if the work that lies ahead would exceed the limit anyway.
    ///
    /// # Errors
    /// As [`QueryBudget::check`].
    pub(super) fn foresee(&self, work: u64) -> Result<()> {
        match &self.0 {
            Some(state) if !self.is_heavy() && work > state.limits.work => self.spend(work),
            _ => self.check(),
        }
    }

    /// Creates a meter for one loop, which counts its work and checks from time to time.
    pub(super) fn pace(&self) -> WorkMeter<'_> {
        WorkMeter { budget: self, done: 0 }
    }

    /// Creates the account of memory for the groups of one count.
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
                "the question took longer than {seconds} s and was stopped: narrow its period \
                (from, to, last), name fewer tenants, \
                 or add a condition on a field, such as source or resource_id"
            );
            return Err(Error::new(ErrorKind::Timeout, what));
        }
        if self.is_exhausted() {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "the question needs more work than a light one may do",
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

/// Counts the work of one loop. A check costs more than many a row, so it is done only once in a
/// while.
#[derive(Debug)]
pub(super) struct WorkMeter<'b> {
    budget: &'b QueryBudget,
    done: u64,
}

impl WorkMeter<'_> {
    /// Counts work, and checks the budget if it is time to.
    ///
    /// # Errors
    /// As [`QueryBudget::check`].
    #[inline]
    pub(super) fn step(&mut self, work: u64) -> Result<()> {
        self.done += work;
        if self.done < PACE_WORK {
            Ok(())
        } else {
            self.budget.spend(std::mem::take(&mut self.done))
        }
    }

    /// Returns the budget.
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

/// The memory for the groups of one count.
#[derive(Debug)]
pub(super) struct GroupMemory {
    most: u64,
    left: u64,
}

impl GroupMemory {
    /// Reserves memory for a group.
    ///
    /// # Errors
    /// The memory is used up; the message says what to do.
    pub(super) fn take(&mut self, by: impl fmt::Display, bytes: usize) -> Result<()> {
        match self.left.checked_sub(bytes as u64) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Error::invalid(format!(
                "counting by {by} comes to more values than fit into {} MiB: narrow the period or \
                the filter, \
                 or export the events and count them there",
                self.most.div_ceil(1 << 20)
            ))),
        }
    }
}

/// The work of verifying candidates, and the meter that limits it.
#[derive(Debug)]
pub(crate) struct VerifyWork<'b> {
    /// The number of rows whose columns or records were read.
    pub(crate) examined: u64,
    /// The number of bytes read from data files.
    pub(crate) bytes: u64,
    pub(super) pace: WorkMeter<'b>,
}

impl<'b> VerifyWork<'b> {
    pub(super) fn within(budget: &'b QueryBudget) -> Self {
        Self { examined: 0, bytes: 0, pace: budget.pace() }
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
