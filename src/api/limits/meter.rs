//! Rates: how much of something there may be in a second.
//!
//! A request is counted before it is answered, by the crate governor (GCRA). What else a call uses
//! is known only afterwards: the bytes of a body, the events of an answer. governor refuses what is
//! more than a second's units, so these are a debt, which is paid off at the rate, and whoever
//! comes next waits until no more than a second's units are owed.

use governor::clock::{Clock, DefaultClock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// So many requests a second, as many of which may come at once.
#[derive(Debug)]
pub(super) struct RequestRate<C: Clock = DefaultClock> {
    limiter: RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<C::Instant>>,
    clock: C,
}

impl<C: Clock + Clone> RequestRate<C> {
    pub(super) fn new(rate: NonZeroU32, clock: C) -> Self {
        let limiter = RateLimiter::direct_with_clock(Quota::per_second(rate), clock.clone());
        Self { limiter, clock }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// How long it takes until one is possible.
    pub(super) fn take(&self) -> Result<(), Duration> {
        let taken = self.limiter.check();
        taken.map_err(|refused| refused.wait_time_from(self.clock.now()))
    }
}

/// Units that were used, and are paid off at a rate.
#[derive(Debug)]
pub(super) struct Debt<C: Clock = DefaultClock> {
    /// Units a second.
    rate: f64,
    /// How much may be owed.
    allowed: f64,
    clock: C,
    /// What was owed at a moment.
    owed: Mutex<(f64, C::Instant)>,
}

impl<C: Clock> Debt<C> {
    /// A debt of which a second's units may be owed.
    pub(super) fn new(rate: NonZeroU32, clock: C) -> Self {
        Self::allowing(f64::from(rate.get()), f64::from(rate.get()), clock)
    }

    /// A debt of which so many units may be owed, and that is paid at so many a second.
    pub(super) fn allowing(allowed: f64, rate: f64, clock: C) -> Self {
        let owed = Mutex::new((0.0, clock.now()));
        Self { rate, allowed, clock, owed }
    }

    /// Changes what is owed now, and returns it.
    fn owed(&self, more: u64) -> f64 {
        let mut owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, since) = *owed;
        let now = self.clock.now();
        let passed: Duration = now.duration_since(since).into();
        let left = (before - passed.as_secs_f64() * self.rate).max(0.0) + more as f64;
        *owed = (left, now);
        left
    }

    /// Notes units that were used.
    pub(super) fn add(&self, units: u64) {
        self.owed(units);
    }

    /// Fails while more is owed than may be.
    ///
    /// # Errors
    /// How long that is so.
    pub(super) fn check(&self) -> Result<(), Duration> {
        let wait = (self.owed(0) - self.allowed) / self.rate;
        // What is less than a clock tells apart is nothing to wait for.
        if wait < 1e-6 { Ok(()) } else { Err(Duration::from_secs_f64(wait.min(1e9))) }
    }

    /// Waits while more is owed than may be.
    ///
    /// # Errors
    /// How long that is so, if it is longer than `bound`.
    pub(super) async fn paid(&self, bound: Duration) -> Result<(), Duration> {
        let begun = tokio::time::Instant::now();
        while let Err(wait) = self.check() {
            // Others add to it meanwhile.
            if begun.elapsed().saturating_add(wait) > bound {
                return Err(wait);
            }
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    /// Returns whether nothing is owed.
    pub(super) fn is_paid(&self) -> bool {
        self.owed(0) <= 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;

    fn rate(rate: u32) -> NonZeroU32 {
        NonZeroU32::new(rate).expect("a rate")
    }

    #[test]
    fn a_seconds_requests_are_there_at_once_and_then_come_at_the_rate() {
        let clock = FakeRelativeClock::default();
        let requests = RequestRate::new(rate(4), clock.clone());
        for _ in 0..4 {
            assert_eq!(requests.take(), Ok(()));
        }
        assert_eq!(requests.take(), Err(Duration::from_millis(250)));
        clock.advance(Duration::from_millis(249));
        assert!(requests.take().is_err());
        clock.advance(Duration::from_millis(1));
        assert!(requests.take().is_ok() && requests.take().is_err());
    }

    #[test]
    fn a_debt_is_paid_at_the_rate_and_the_wait_that_is_told_is_the_true_one() {
        let clock = FakeRelativeClock::default();
        let debt = Debt::new(rate(100), clock.clone());
        debt.add(100);
        assert_eq!(debt.check(), Ok(()), "a second's units may be owed");
        debt.add(1_000);
        assert_eq!(debt.check(), Err(Duration::from_secs(10)));
        // Nobody need ask meanwhile.
        clock.advance(Duration::from_millis(9_999));
        assert!(debt.check().is_err());
        clock.advance(Duration::from_millis(1));
        assert_eq!(debt.check(), Ok(()));
        assert!(!debt.is_paid());
        clock.advance(Duration::from_secs(1));
        assert!(debt.is_paid());
    }

    #[test]
    fn over_a_long_time_no_more_passes_than_the_rate() {
        let clock = FakeRelativeClock::default();
        let debt = Debt::new(rate(1_000), clock.clone());
        let (mut passed, mut waited) = (0_u64, Duration::ZERO);
        while waited < Duration::from_secs(60) {
            match debt.check() {
                Ok(()) => {
                    debt.add(700);
                    passed += 700;
                }
                Err(wait) => {
                    clock.advance(wait);
                    waited += wait;
                }
            }
        }
        assert!((60_000..=62_500).contains(&passed), "{passed}");
    }
}
