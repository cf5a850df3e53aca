//! How many credentials were refused, for `/metrics`: many at a time are guesses, or a client that
//! was forgotten when a credential was withdrawn.

use std::sync::atomic::{AtomicU64, Ordering};

/// The credentials that were refused since the start.
#[derive(Debug, Default)]
pub(in crate::api) struct RefusedCredentials {
    calls: AtomicU64,
    sign_ins: AtomicU64,
}

impl RefusedCredentials {
    /// Notes that a call was refused for its credential.
    pub(super) fn note_call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a sign-in, or a wish for a token of a day, was refused.
    pub(in crate::api) fn note_sign_in(&self) {
        self.sign_ins.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how many there were, by what they were sent for.
    pub(in crate::api) fn counts(&self) -> [(&'static str, u64); 2] {
        [("call", &self.calls), ("sign_in", &self.sign_ins)]
            .map(|(of, count)| (of, count.load(Ordering::Relaxed)))
    }
}
