//! What a caller stands on besides its principal and its token: a session, or a token of a
//! provider.

use crate::event::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a caller stands on. When it ends, so does what the caller has under way.
#[derive(Debug, Clone, Default)]
pub struct CallerBasis {
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// Set when somebody ends it.
    pub ended: Option<Arc<AtomicBool>>,
    /// The id of the session that it is, if it is one; it is not secret.
    pub session: Option<Arc<str>>,
}

impl CallerBasis {
    /// Something that lasts until a moment.
    pub fn until(until: Timestamp) -> Self {
        Self { until: Some(until), ..Self::default() }
    }

    /// Returns whether it goes on.
    pub(super) fn goes_on(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
            && !self.ended.as_ref().is_some_and(|ended| ended.load(Ordering::Relaxed))
    }
}
