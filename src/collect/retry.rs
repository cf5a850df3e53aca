//! When a call that failed is tried again.

use std::time::Duration;

/// The first pause, the longest, and the longest that a server may ask for.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(60);
const ASKED_MAX: Duration = Duration::from_secs(300);
/// How often a call is tried in all.
const TRIES: u32 = 7;

/// The tries of one call.
#[derive(Debug, Default)]
pub(super) struct Retry {
    failed: u32,
}

impl Retry {
    /// Notes a failure, and returns how long to wait before the next try; nothing if there is none.
    /// What the server asks for is waited for at least. `part` (0 to 1, at random) keeps those who
    /// failed together from trying together.
    pub(super) fn next(&mut self, asked: Option<Duration>, part: f64) -> Option<Duration> {
        self.failed += 1;
        if self.failed >= TRIES {
            return None;
        }
        let longest = FIRST.saturating_mul(1 << (self.failed - 1)).min(LONGEST);
        let waited = longest.mul_f64(part.clamp(0.0, 1.0));
        Some(waited.max(asked.unwrap_or_default().min(ASKED_MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_end_and_are_as_long_as_the_server_asks() {
        let mut retry = Retry::default();
        let pauses: Vec<u128> =
            std::iter::from_fn(|| retry.next(None, 1.0)).map(|pause| pause.as_millis()).collect();
        assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 8_000, 16_000]);
        let asked = |seconds| Retry::default().next(Some(Duration::from_secs(seconds)), 0.0);
        assert_eq!(asked(7), Some(Duration::from_secs(7)));
        assert_eq!(asked(86_400), Some(ASKED_MAX), "a day would stop the source");
        assert_eq!(Retry::default().next(None, 0.0), Some(Duration::ZERO));
    }
}
