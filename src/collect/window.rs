//! Stretches of time that are read one after another.

use crate::event::Timestamp;

/// A stretch of time, from its first moment to before its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// The first moment of it.
    pub(super) from: Timestamp,
    /// The first moment after it.
    pub(super) to: Timestamp,
}

impl Window {
    /// The window between two moments in milliseconds.
    pub(super) fn of(from: i64, to: i64) -> Self {
        Self { from: Timestamp::from_millis(from), to: Timestamp::from_millis(to) }
    }
}
