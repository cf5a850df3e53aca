//! Backup of a running store, and restore.

use crate::access::Actor;
use crate::engine::maintain::delta_log::prove_whole;
use crate::engine::{CheckReport, Engine, Failpoint, Writer};
use crate::error::{Error, Result};
use crate::maintain::{BackupReport, copy, prepare};
use serde_json::json;
use std::path::Path;

impl Engine {
    /// Copies everything that was accepted so far into `target`, while questions are answered and
    /// events arrive.
    ///
    /// # Errors
    /// If the target holds something else, or the disk fails; an interrupted copy is finished by
    /// the next one.
    pub fn backup(&self, actor: &Actor, target: &Path) -> Result<BackupReport> {
        self.copy_to(target, |writer| record_backup(actor, writer, target))
    }

    /// The same for whoever has the files of the store anyway: the copy is made even if it cannot
    /// be recorded. A disk that accepts no more records is when a backup is needed most.
    ///
    /// # Errors
    /// As [`Engine::backup`].
    pub fn backup_in_need(&self, target: &Path) -> Result<BackupReport> {
        self.copy_to(target, |writer| {
            if let Err(error) = record_backup(&Actor::operator(), writer, target) {
                tracing::warn!(%error, "cannot record that a backup is made; it is made without");
            }
            Ok(())
        })
    }

    fn copy_to(
        &self,
        target: &Path,
        record: impl FnOnce(&Writer) -> Result<()>,
    ) -> Result<BackupReport> {
        let writer = self.writer()?;
        prepare(self.shared.data.store(), target)?;
        record(writer)?;
        // Before the seal: the copy has the event of each change that is in its state.
        let admin = self.admin();
        writer.seal_now()?;
        // This guard keeps the files of the log in place while they are copied; the snapshot keeps
        // those of segments.
        let reading = writer.log_files.read();
        let (log, snapshot) = writer.table.log_at_rest()?;
        prove_whole(&log, &snapshot)?;
        self.shared.reach(Failpoint::BackupBegun)?;
        // With a checkpoint of exactly this version, a copy needs only a few files of the log,
        // however long that is.
        writer.checkpoint(&log)?;
        let report = copy(
            self.shared.data.store(),
            &snapshot.segments,
            &admin,
            log.version(),
            target,
            self.shared.clock.now(),
        )?;
        drop(reading);
        writer.archive(&log)?;
        Ok(report)
    }

    /// Copies this store, which is a backup, into a new data directory, and verifies every byte.
    ///
    /// # Errors
    /// If the directory is not empty, or the disk fails.
    pub fn restore(&self, target: &Path) -> Result<BackupReport> {
        if std::fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Error::invalid(format!(
                "{} is not empty: restore into a new or empty directory",
                target.display()
            )));
        }
        let snapshot = self.snapshot();
        copy(
            self.shared.data.store(),
            &snapshot.segments,
            &self.admin(),
            snapshot.version,
            target,
            self.shared.clock.now(),
        )
    }

    /// Checks the whole store, and returns the first problem as an error.
    ///
    /// # Errors
    /// If anything is damaged; the message names the file or the segment.
    pub fn prove(&self) -> Result<CheckReport> {
        let report = self.check(false)?;
        match (report.reports.first(), report.store.first().or(report.quarantine.first())) {
            (None, None) => Ok(report),
            (_, Some(wrong)) => Err(Error::corrupt(wrong.clone())),
            (Some(wrong), None) => {
                let what =
                    wrong.data.iter().chain(&wrong.index).next().cloned().unwrap_or_default();
                Err(Error::corrupt(format!("segment {}: {what}", wrong.segment)))
            }
        }
    }
}

/// Records that the store is about to be copied, and where to.
fn record_backup(actor: &Actor, writer: &Writer, target: &Path) -> Result<()> {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let record = json!({
        "trace_id": format!("backup-{}-{}", writer.shared.clock.now().millis(),
            writer.shared.published.get().last_seq), "event_name": "backUpStore",
        "resource_type": "backup", "resource_name": name,
        "details": { "to": target.to_string_lossy() },
    });
    writer.record_deed(actor, record).map(drop)
}
