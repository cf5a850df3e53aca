//! Signatures that were used: a request that changes something is carried out once.
//!
//! A signature has no number of its own, so whoever reads a request along could send it again while
//! its time is near enough. The ones that were used are remembered for as long as that, and none is
//! forgotten for lack of room: beyond it, requests are refused. After a start the memory is empty,
//! so what was signed before is refused too.
//!
//! A principal has a share of the room, however many access keys it has, and deliveries have no
//! more than a part of it: who delivers cannot keep an administrator from withdrawing a token.

use crate::access::SKEW_MS;
use crate::event::Timestamp;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// How long a signature is remembered: its time may be as far ahead as it may be behind.
const KEPT_MS: i64 = 2 * SKEW_MS;
/// The most signatures that are remembered, of those the most of deliveries, and the most of one
/// principal.
const KEPT_MAX: usize = 100_000;
const DELIVERIES_MAX: usize = 80_000;
const OF_PRINCIPAL_MAX: usize = 40_000;

/// A used signature: the SHA-256 of its access key and itself.
pub(super) type UsedSignature = [u8; 32];

/// What became of noting a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noted {
    /// It is new.
    New,
    /// It was used before.
    Again,
    /// There is no room to remember it.
    Full,
}

/// The signatures that were used.
pub(in crate::api) struct UsedSignatures {
    kept: Mutex<Kept>,
    most: usize,
    of_deliveries: usize,
    of_principal: usize,
}

#[derive(Default)]
struct Kept {
    known: HashSet<UsedSignature>,
    /// With the times at which they are forgotten, in order.
    order: VecDeque<(Timestamp, UsedSignature, Use)>,
    /// How many there are of each principal, and of deliveries.
    of_principals: HashMap<Arc<str>, usize>,
    of_deliveries: usize,
}

/// What a signature was used for.
#[derive(Debug, Clone)]
struct Use {
    principal: Arc<str>,
    is_delivery: bool,
}

impl Kept {
    /// Forgets what can no longer be sent again.
    fn forget(&mut self, now: Timestamp) {
        while let Some((_, oldest, was)) = self.order.pop_front_if(|(until, ..)| *until < now) {
            self.known.remove(&oldest);
            let count = self.of_principals.entry(was.principal).or_default();
            *count = count.saturating_sub(1);
            self.of_deliveries -= usize::from(was.is_delivery);
        }
        self.of_principals.retain(|_, count| *count > 0);
    }
}

impl fmt::Debug for UsedSignatures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("UsedSignatures")
    }
}

impl Default for UsedSignatures {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            most: KEPT_MAX,
            of_deliveries: DELIVERIES_MAX,
            of_principal: OF_PRINCIPAL_MAX,
        }
    }
}

impl UsedSignatures {
    /// Notes that a signature of a principal is used, be it for a delivery or for another change.
    pub(super) fn note(
        &self,
        signature: UsedSignature,
        (principal, is_delivery): (&str, bool),
        now: Timestamp,
    ) -> Noted {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.forget(now);
        if kept.known.contains(&signature) {
            return Noted::Again;
        }
        let own = kept.of_principals.get(principal).copied().unwrap_or(0);
        let is_full = kept.known.len() >= self.most || own >= self.of_principal;
        if is_full || is_delivery && kept.of_deliveries >= self.of_deliveries {
            return Noted::Full;
        }
        let principal: Arc<str> = principal.into();
        kept.known.insert(signature);
        let until = Timestamp::from_millis(now.millis() + KEPT_MS);
        *kept.of_principals.entry(Arc::clone(&principal)).or_default() += 1;
        kept.of_deliveries += usize::from(is_delivery);
        kept.order.push_back((until, signature, Use { principal, is_delivery }));
        Noted::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_remembered_as_long_as_it_could_be_sent_again_and_none_is_for_room() {
        let used = UsedSignatures { most: 2, ..UsedSignatures::default() };
        let note = |signature: u8, millis| {
            used.note([signature; 32], ("li", false), Timestamp::from_millis(millis))
        };
        assert_eq!(note(1, 0), Noted::New);
        assert_eq!(note(1, KEPT_MS), Noted::Again);
        assert_eq!(note(2, 5), Noted::New);
        assert_eq!(note(3, KEPT_MS), Noted::Full);
        assert_eq!(note(2, KEPT_MS), Noted::Again);
        assert_eq!(note(3, KEPT_MS + 1), Noted::New);
        assert_eq!(note(1, KEPT_MS + 1), Noted::Full);
    }

    #[test]
    fn deliveries_leave_room_for_administration() {
        let used = UsedSignatures { most: 3, of_deliveries: 2, ..UsedSignatures::default() };
        let note = |signature: u8, is_delivery, millis| {
            used.note([signature; 32], ("li", is_delivery), Timestamp::from_millis(millis))
        };
        assert_eq!([1, 2].map(|signature| note(signature, true, 0)), [Noted::New; 2]);
        assert_eq!(note(3, true, 0), Noted::Full);
        assert_eq!(note(3, false, 0), Noted::New);
        assert_eq!(note(4, false, 0), Noted::Full);
        assert_eq!(note(4, true, KEPT_MS + 1), Noted::New, "the deliveries are forgotten");
    }

    #[test]
    fn a_principal_takes_no_more_than_its_share() {
        let used = UsedSignatures { of_principal: 2, ..UsedSignatures::default() };
        let note = |signature: u8, principal: &str, millis| {
            used.note([signature; 32], (principal, true), Timestamp::from_millis(millis))
        };
        assert_eq!([1, 2].map(|signature| note(signature, "a", 0)), [Noted::New; 2]);
        assert_eq!(note(3, "a", 0), Noted::Full);
        assert_eq!(note(3, "b", 0), Noted::New);
        assert_eq!(note(4, "a", KEPT_MS + 1), Noted::New, "the first two are forgotten");
    }
}
