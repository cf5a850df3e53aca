//! Stretches of time that are read one after another.

use crate::event::Timestamp;

/// A stretch of time, from its first moment to before its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// The first moment of it.
    pub(super) from: Timestamp,
    /// The first moment after it.
    pub(super) to: Timestamp,
    /// Whether it is read again because somebody said so.
    pub(super) is_again: bool,
}

impl Window {
    /// The window between two moments in milliseconds.
    pub(super) fn of(from: i64, to: i64) -> Self {
        let (from, to) = (Timestamp::from_millis(from), Timestamp::from_millis(to));
        Self { from, to, is_again: false }
    }

    /// Returns its length in milliseconds.
    pub(super) fn length(&self) -> i64 {
        self.to.millis() - self.from.millis()
    }
}
