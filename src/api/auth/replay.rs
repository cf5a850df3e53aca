//! Signatures that were used: a request that changes something is carried out once.
//!
//! A signature has no number of its own, so whoever reads a request along could send it again while
//! its time is near enough. The ones that were used are remembered for as long as that, and none is
//! forgotten for lack of room: beyond it, requests are refused. After a start the memory is empty,
//! so what was signed before is refused too.

use crate::access::SKEW_MS;
use crate::event::Timestamp;
use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// How long a signature is remembered: its time may be as far ahead as it may be behind.
const KEPT_MS: i64 = 2 * SKEW_MS;
/// The most signatures that are remembered.
const KEPT_MAX: usize = 100_000;

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
}

#[derive(Default)]
struct Kept {
    known: HashSet<UsedSignature>,
    /// With the times at which they are forgotten, in order.
    order: VecDeque<(Timestamp, UsedSignature)>,
}

impl fmt::Debug for UsedSignatures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("UsedSignatures")
    }
}

impl Default for UsedSignatures {
    fn default() -> Self {
        Self { kept: Mutex::default(), most: KEPT_MAX }
    }
}

impl UsedSignatures {
    /// Notes that a signature is used.
    pub(super) fn note(&self, signature: UsedSignature, now: Timestamp) -> Noted {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((until, oldest)) = kept.order.front().copied() {
            if until >= now {
                break;
            }
            kept.order.pop_front();
            kept.known.remove(&oldest);
        }
        if kept.known.contains(&signature) {
            return Noted::Again;
        }
        if kept.known.len() >= self.most {
            return Noted::Full;
        }
        kept.known.insert(signature);
        kept.order.push_back((Timestamp::from_millis(now.millis() + KEPT_MS), signature));
        Noted::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_remembered_as_long_as_it_could_be_sent_again_and_none_is_for_room() {
        let used = UsedSignatures { most: 2, ..UsedSignatures::default() };
        let at = |millis| Timestamp::from_millis(millis);
        assert_eq!(used.note([1; 32], at(0)), Noted::New);
        assert_eq!(used.note([1; 32], at(KEPT_MS)), Noted::Again);
        assert_eq!(used.note([2; 32], at(5)), Noted::New);
        assert_eq!(used.note([3; 32], at(KEPT_MS)), Noted::Full);
        assert_eq!(used.note([2; 32], at(KEPT_MS)), Noted::Again);
        assert_eq!(used.note([3; 32], at(KEPT_MS + 1)), Noted::New);
        assert_eq!(used.note([1; 32], at(KEPT_MS + 1)), Noted::Full);
    }
}
