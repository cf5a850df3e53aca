//! The named steps of everything that changes a store, and a hook for tests: at each step it can
//! return an error or end the process.

use crate::error::Result;
use std::fmt;
use std::sync::Arc;

/// A moment at which an operation is only partly done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failpoint {
    /// A batch is numbered but not handed to the log yet.
    Numbered,
    /// The log has a new file, and the buffer is marked for sealing.
    SealBegun,
    /// The segments of a seal are written and verified but not committed.
    SealWritten,
    /// The segments of a seal are committed but not shown.
    SealCommitted,
    /// The segments of a seal are shown; the log still has their events.
    SealShown,
    /// The records of a large batch are in a file beside the log, which does not refer to it yet.
    BesideWritten,
    /// A merged segment is written but not committed.
    MergeWritten,
    /// The merged segment is committed but not shown.
    MergeCommitted,
    /// The events that a deletion leaves are written.
    DeletionWritten,
    /// The deletion is recorded but not committed.
    DeletionRecorded,
    /// The deletion is committed but not shown.
    DeletionCommitted,
    /// A change of administrative state (the policy, a saved view) is recorded but not made.
    AdminRecorded,
    /// The change of administrative state is in its file but not shown.
    AdminWritten,
    /// A checkpoint of the table's log is written, but nothing relies on it yet.
    CheckpointWritten,
    /// The checkpoint was read back, compared and recorded.
    CheckpointProved,
    /// Commits that the log no longer needs are archived but still in the log.
    CommitsArchived,
    /// The buffer was sealed, and a backup of the store is about to be made.
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
        Self::AdminRecorded,
        Self::AdminWritten,
        Self::CheckpointWritten,
        Self::CheckpointProved,
        Self::CommitsArchived,
        Self::BackupBegun,
    ];
}

/// The hook that is called at each step; empty outside tests.
#[derive(Clone, Default)]
pub struct AtFailpoint(Option<Arc<dyn Fn(Failpoint) -> Result<()> + Send + Sync>>);

impl AtFailpoint {
    /// Returns a value that calls `hook` at each step.
    pub fn new(hook: impl Fn(Failpoint) -> Result<()> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    pub(in crate::engine) fn reach(&self, step: Failpoint) -> Result<()> {
        self.0.as_ref().map_or(Ok(()), |hook| hook(step))
    }
}

impl fmt::Debug for AtFailpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.0.is_some() { "AtFailpoint(hook)" } else { "AtFailpoint(none)" })
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
