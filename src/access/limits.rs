//! What one principal, or all callers about one tenant, may use of a server.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// The least rates that can be set: below them a single frame of a body, or a single page, would
/// take longer than its client waits.
const BYTES_IN_MIN: u32 = 64 << 10;
const ROWS_OUT_MIN: u32 = 1_000;

/// Limits of a principal or of a tenant; what is absent has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallLimits {
    /// Requests a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<u32>,
    /// Questions and exports at work at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub questions: Option<u32>,
    /// Bytes a second of what is delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_in: Option<u32>,
    /// Events a second in answers and exports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_out: Option<u32>,
}

impl CallLimits {
    /// Returns whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns these limits, with those of `others` where one is absent.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self {
            requests: self.requests.or(others.requests),
            questions: self.questions.or(others.questions),
            bytes_in: self.bytes_in.or(others.bytes_in),
            rows_out: self.rows_out.or(others.rows_out),
        }
    }

    /// Checks that each limit lets something through.
    ///
    /// # Errors
    /// A limit that is too low; the message names the parameter `limits`.
    pub fn check(&self) -> Result<()> {
        let least = [
            ("requests", self.requests, 1),
            ("questions", self.questions, 1),
            ("bytes_in", self.bytes_in, BYTES_IN_MIN),
            ("rows_out", self.rows_out, ROWS_OUT_MIN),
        ];
        for (name, limit, least) in least {
            if limit.is_some_and(|limit| limit < least) {
                let what = format!("{name} is at least {least}, or absent for no limit");
                return Err(Error::parameter("limits", what));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_lets_something_through_and_ones_own_comes_first() {
        let own = CallLimits { requests: Some(5), ..CallLimits::default() };
        let others = CallLimits { requests: Some(9), questions: Some(2), ..CallLimits::default() };
        let both = CallLimits { requests: Some(5), questions: Some(2), ..CallLimits::default() };
        assert_eq!(own.or(others), both);
        assert!(both.check().is_ok() && !both.is_empty() && CallLimits::default().is_empty());
        for wrong in [
            CallLimits { requests: Some(0), ..both },
            CallLimits { questions: Some(0), ..both },
            CallLimits { bytes_in: Some(BYTES_IN_MIN - 1), ..both },
            CallLimits { rows_out: Some(ROWS_OUT_MIN - 1), ..both },
        ] {
            let error = wrong.check().expect_err("it lets nothing through");
            assert_eq!(error.parameter_name(), Some("limits"), "{error}");
        }
    }
}
