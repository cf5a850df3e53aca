//! The named steps of everything that changes a store, and a hook that tests put there: it makes a
//! step fail, or the process end at it.

use crate::error::Result;
use std::fmt;
use std::sync::Arc;

/// A moment at which something is done in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failpoint {
    /// A batch is numbered and not handed to the log yet.
    Numbered,
    /// The log has a new file, and the buffer is marked for sealing.
    SealBegun,
    /// The segments of a seal are written, compared and not committed.
    SealWritten,
    /// They are committed and not shown.
    SealCommitted,
    /// They are shown; the log still has their events.
    SealShown,
    /// The records of a large batch are in a file beside the log, which does not refer to it yet.
    BesideWritten,
    /// A merged segment is written and not committed.
    MergeWritten,
    /// It is committed and not shown.
    MergeCommitted,
    /// What a deletion leaves is written.
    DeletionWritten,
    /// The deletion is recorded and not committed.
    DeletionRecorded,
    /// It is committed and not shown.
    DeletionCommitted,
    /// A change of policy is recorded and not in force.
    PolicyRecorded,
    /// It is written and not in force.
    PolicyWritten,
    /// A change of a saved view is recorded and not made.
    ViewRecorded,
    /// It is written and not shown.
    ViewWritten,
    /// A checkpoint of the table's log is written, and nothing relies on it yet.
    CheckpointWritten,
    /// It was read back, compared and recorded.
    CheckpointProved,
    /// Commits that the log needs no more are archived, and still in the log.
    CommitsArchived,
    /// A backup is about to be made of what was just sealed.
    BackupBegun,
}

impl Failpoint {
    /// Every step.
    pub const ALL: &[Self] = &[
        Self::Numbered,
        Self::SealBegun,
        Self::SealWritten,
        Self::SealCommitted,
        Self::SealShown,
        Self::BesideWritten,
        Self::MergeWritten,
        Self::MergeCommitted,
        Self::DeletionWritten,
        Self::DeletionRecorded,
        Self::DeletionCommitted,
        Self::PolicyRecorded,
        Self::PolicyWritten,
        Self::ViewRecorded,
        Self::ViewWritten,
        Self::CheckpointWritten,
        Self::CheckpointProved,
        Self::CommitsArchived,
        Self::BackupBegun,
    ];
}

/// What is called at each step; nothing, outside tests.
#[derive(Clone, Default)]
pub struct AtFailpoint(Option<Arc<dyn Fn(Failpoint) -> Result<()> + Send + Sync>>);

impl AtFailpoint {
    /// A hook.
    pub fn new(hook: impl Fn(Failpoint) -> Result<()> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    pub(in crate::engine) fn reach(&self, step: Failpoint) -> Result<()> {
        self.0.as_ref().map_or(Ok(()), |hook| hook(step))
    }
}

impl fmt::Debug for AtFailpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.0.is_some() { "AtStep(hook)" } else { "AtStep(none)" })
    }
}

impl PartialEq for AtFailpoint {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(left), Some(right)) => Arc::ptr_eq(left, right),
            (left, right) => left.is_none() && right.is_none(),
        }
    }
}

impl Eq for AtFailpoint {}
