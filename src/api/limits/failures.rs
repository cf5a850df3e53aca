//! Sign-ins that failed: an address that fails often is answered later, so that nobody tries many
//! tokens in a short time. Other addresses do not notice.

use super::meter::Debt;
use super::reached::{LimitKind, LimitOf, LimitReached};
use governor::clock::DefaultClock;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// How many failures an address has in a minute; as many may come at once.
const IN_A_MINUTE: f64 = 10.0;
/// The most addresses that are remembered.
const ADDRESSES_MAX: usize = 10_000;

/// The addresses from which sign-ins failed lately.
#[derive(Debug)]
pub(super) struct FailedSignIns {
    known: Mutex<HashMap<IpAddr, Debt>>,
    most: usize,
}

impl Default for FailedSignIns {
    fn default() -> Self {
        Self { known: Mutex::default(), most: ADDRESSES_MAX }
    }
}

impl FailedSignIns {
    /// Notes that a sign-in from an address failed.
    pub(super) fn note(&self, address: IpAddr) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= self.most && !known.contains_key(&address) {
            known.retain(|_, failures| !failures.is_paid());
            // Whoever has so many addresses is not held back by any of them.
            if known.len() >= self.most
                && let Some(any) = known.keys().next().copied()
            {
                known.remove(&any);
            }
        }
        let fresh = || {
            // The last one that is allowed is the one before it is full.
            Debt::allowing(IN_A_MINUTE - 1.0, IN_A_MINUTE / 60.0, DefaultClock::default())
        };
        known.entry(address).or_insert_with(fresh).add(1);
    }

    /// Fails if too many sign-ins from an address have failed lately.
    ///
    /// # Errors
    /// How long that is so.
    pub(super) fn check(&self, address: IpAddr) -> Result<(), LimitReached> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let checked = known.get(&address).map_or(Ok(()), Debt::check);
        checked.map_err(|wait| LimitReached::new(LimitOf::Address, LimitKind::Failures, wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_fails_often_is_held_back_and_no_other() {
        let failed = FailedSignIns { most: 2, ..FailedSignIns::default() };
        let address = |last: u8| IpAddr::from([203, 0, 113, last]);
        for _ in 0..10 {
            failed.check(address(1)).expect("it has not failed so often");
            failed.note(address(1));
        }
        let reached = failed.check(address(1)).expect_err("it has failed ten times");
        assert_eq!(reached.words(), "the limit address-failures is reached");
        assert_eq!(reached.seconds, 6);
        assert!(failed.check(address(2)).is_ok());
        for last in 2..10 {
            failed.note(address(last));
        }
        let known = failed.known.lock().expect("a lock");
        assert!(known.len() <= 2, "{}", known.len());
    }
}
