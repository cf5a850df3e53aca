//! Maintenance of the Delta log: checkpoints, and the commits that are archived after them.

use crate::engine::Writer;
use crate::engine::failpoint::Failpoint;
use crate::error::{Error, Result};
use crate::event::Timestamp;
use crate::query::Snapshot;
use crate::storage::TableLog;

impl Writer {
    /// Makes a checkpoint of the log and archives older commits, if it is time to. The table can
    /// commit meanwhile.
    pub(in crate::engine) fn tend_log(&self) -> Result<()> {
        if !self.table.log_at_rest()?.0.is_due()? {
            return Ok(());
        }
        let (log, _) = self.table.log_at_rest()?;
        self.checkpoint(&log)?;
        while self.archive(&log)? && !self.trigger.stopping() {}
        Ok(())
    }

    /// Makes a checkpoint of this version, verifies it and records it, unless there is one already.
    pub(in crate::engine) fn checkpoint(&self, log: &TableLog) -> Result<()> {
        let _turn = self.checkpoints.take();
        if log.has_checkpoint()? {
            return Ok(());
        }
        self.runtime.block_on(log.write_checkpoint())?;
        self.shared.reach(Failpoint::CheckpointWritten)?;
        self.runtime.block_on(log.prove_checkpoint())?;
        self.shared.reach(Failpoint::CheckpointProved)
    }

    /// Archives old commits and removes them from the log, unless somebody is reading it. Returns
    /// whether there may be more.
    pub(in crate::engine) fn archive(&self, log: &TableLog) -> Result<bool> {
        let Some(_archiving) = self.log_files.archive() else { return Ok(false) };
        let kept =
            i64::try_from(self.shared.settings.replaced_kept.as_millis()).unwrap_or(i64::MAX);
        let archived = log.archive(Timestamp::from_millis(
            self.shared.clock.now().millis().saturating_sub(kept),
        ))?;
        self.shared.reach(Failpoint::CommitsArchived)?;
        log.clean(&archived)?;
        Ok(archived.is_full())
    }
}

/// Verifies that the segments that are shown are those of the table. This must hold before any file
/// may be treated as unneeded.
pub(in crate::engine) fn prove_whole(log: &TableLog, snapshot: &Snapshot) -> Result<()> {
    let account = log.account();
    let rows: u64 =
        snapshot.segments.iter().map(|segment| u64::from(segment.manifest().rows)).sum();
    let bytes: u64 = snapshot.segments.iter().map(|segment| segment.manifest().data.bytes).sum();
    let shown = (snapshot.segments.len() as u64, rows, bytes);
    if shown == (account.segments, account.rows, account.bytes) {
        return Ok(());
    }
    Err(Error::corrupt(format!(
        "{} segments with {rows} events are open, but the table's last commit names {} with {}: no \
        file is removed; restart, and run \
         `annals check` for details",
        shown.0, account.segments, account.rows
    )))
}
