//! Taking records out of quarantine: files that hold them are rewritten without them.

use super::Quarantine;
use super::tidy::merge_neighbours;
use super::writer::WriterOrder;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::quarantine::{QuarantineEntry, QuarantineFile, QuarantineId, write_kept};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Quarantine {
    /// Removes records by their ids, and returns how many were there. Damaged files are evidence:
    /// they stay complete.
    ///
    /// # Errors
    /// Files are being rewritten already, or a disk fails; what was not removed then can be removed
    /// again.
    pub fn remove(&self, ids: &HashSet<QuarantineId>) -> Result<u64> {
        if ids.is_empty() {
            return Ok(0);
        }
        self.alone(|| {
            let listed: Vec<QuarantineId> = ids.iter().copied().collect();
            let mut parts = self.parts_with(&listed)?;
            if parts.iter().any(|part| !part.is_kept()) {
                self.close_log()?;
                parts = self.parts_with(&listed)?;
            }
            self.rewrite(&parts, &|entry| ids.contains(&entry.id))
        })
    }

    /// Returns the undamaged files that have any of these records.
    fn parts_with(&self, ids: &[QuarantineId]) -> Result<Vec<Arc<QuarantineFile>>> {
        let mut parts = Vec::new();
        for part in self.shared.parts().iter().filter(|part| part.damage().is_empty()) {
            match part.find(ids) {
                Ok(found) if found.iter().any(Option::is_some) => parts.push(Arc::clone(part)),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Corrupt => stays_whole(&error),
                Err(error) => return Err(error),
            }
        }
        Ok(parts)
    }

    /// Does work that rewrites files; only one caller does at a time.
    pub(super) fn alone<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.shared.rewriting.swap(true, Ordering::AcqRel) {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "records are being taken out of quarantine already: try again when that has ended",
            ));
        }
        let done = work();
        self.shared.rewriting.store(false, Ordering::Release);
        done
    }

    /// Turns the log into a kept file, so that its records can be removed too.
    pub(super) fn close_log(&self) -> Result<()> {
        self.ordered(|done| WriterOrder::Close { done })
    }

    /// Rewrites kept files without some of their records, merges what has become small, and returns
    /// how many records were removed.
    pub(super) fn rewrite(
        &self,
        parts: &[Arc<QuarantineFile>],
        goes: &dyn Fn(&QuarantineEntry) -> bool,
    ) -> Result<u64> {
        let mut removed = 0;
        for part in parts.iter().filter(|part| part.is_kept()) {
            match self.rewrite_part(part, goes) {
                Ok(gone) => removed += gone,
                Err(error) if error.kind() == ErrorKind::Corrupt => stays_whole(&error),
                Err(error) => return Err(error),
            }
        }
        self.merge_small()?;
        Ok(removed)
    }

    fn rewrite_part(
        &self,
        part: &Arc<QuarantineFile>,
        goes: &dyn Fn(&QuarantineEntry) -> bool,
    ) -> Result<u64> {
        let (gone, left): (Vec<QuarantineEntry>, Vec<QuarantineEntry>) =
            part.all()?.into_iter().partition(|entry| goes(entry));
        let new = if left.is_empty() {
            Vec::new()
        } else {
            // The new file has the same name; readers of the old one still have it open.
            vec![Arc::new(write_kept(self.shared.folder.store(), part.numbers(), &left)?)]
        };
        self.exchange(vec![Arc::clone(part)], new)?;
        let mut shares = self.shared.shares();
        gone.iter().for_each(|entry| shares.remove(entry));
        Ok(gone.len() as u64)
    }

    fn merge_small(&self) -> Result<()> {
        let parts = self.shared.parts();
        let (merged, gone) = merge_neighbours(&self.shared.folder, parts.to_vec())?;
        if gone.is_empty() {
            return Ok(());
        }
        let is_gone = |part: &&Arc<QuarantineFile>| gone.iter().any(|path| path == part.path());
        let is_new = |part: &Arc<QuarantineFile>| !parts.iter().any(|old| Arc::ptr_eq(old, part));
        let old = parts.iter().filter(is_gone).cloned().collect();
        self.exchange(old, merged.into_iter().filter(is_new).collect())
    }

    fn exchange(&self, old: Vec<Arc<QuarantineFile>>, new: Vec<Arc<QuarantineFile>>) -> Result<()> {
        self.ordered(|done| WriterOrder::Exchange { old, new, done })
    }
}

/// Says that nothing is removed from a damaged file.
fn stays_whole(error: &Error) {
    tracing::warn!(%error, "nothing is removed from a damaged quarantine file");
}
