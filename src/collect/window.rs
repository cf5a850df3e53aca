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

    /// Returns how long it is, in milliseconds.
    pub(super) fn millis(&self) -> i64 {
        self.to.millis() - self.from.millis()
    }

    /// Returns its two halves, the earlier one first; nothing if it cannot be cut.
    pub(super) fn halves(&self) -> Option<[Self; 2]> {
        let middle = self.from.millis() + self.millis() / 2;
        (middle > self.from.millis())
            .then(|| [Self::of(self.from.millis(), middle), Self::of(middle, self.to.millis())])
    }

    /// Returns whether a moment is in it.
    pub(super) fn has(&self, moment: Timestamp) -> bool {
        self.from <= moment && moment < self.to
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn halves_are_the_whole_and_cannot_be_cut_for_ever(from in 0..1_000_i64, length in 1..5_000_i64) {
            let whole = Window::of(from, from + length);
            match whole.halves() {
                None => prop_assert_eq!(length, 1),
                Some([first, second]) => {
                    prop_assert_eq!((first.from, second.to), (whole.from, whole.to));
                    prop_assert_eq!(first.to, second.from);
                    prop_assert!(first.millis() > 0 && second.millis() > 0);
                    prop_assert!(first.has(whole.from) && !first.has(second.from));
                }
            }
        }
    }
}
