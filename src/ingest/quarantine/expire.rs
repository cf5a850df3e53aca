//! Retention in quarantine: deletes expired records unless they are held.

use super::{Quarantine, SharedQuarantine};
use crate::error::Result;
use crate::event::Timestamp;
use crate::storage::quarantine::{
    QuarantineEntry, QuarantineFile, QuarantineRow, QuarantineSummary,
};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Decides which records are deleted.
#[derive(Clone, Copy)]
pub struct Clearing<'a> {
    /// Returns whether a record of this tenant that arrived at this time has expired.
    pub past: &'a dyn Fn(Option<&str>, Timestamp) -> bool,
    /// Returns whether all records of a tenant are held.
    pub held: &'a dyn Fn(Option<&str>) -> bool,
}

impl fmt::Debug for Clearing<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Clearing")
    }
}

/// What was deleted, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleared {
    /// The number of expired records that are held.
    pub held: u64,
    /// The number of deleted records by tenant; those without a tenant under `None`.
    pub tenants: BTreeMap<Option<Arc<str>>, u64>,
}

impl Cleared {
    /// Returns the number of deleted records.
    pub fn records(&self) -> u64 {
        self.tenants.values().sum()
    }
}

/// What happens to a record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RecordFate {
    Stays,
    Held,
    Goes,
}

fn fate(clearing: &Clearing<'_>, tenant: Option<&str>, time: i64) -> RecordFate {
    if !(clearing.past)(tenant, Timestamp::from_millis(time)) {
        RecordFate::Stays
    } else if (clearing.held)(tenant) {
        RecordFate::Held
    } else {
        RecordFate::Goes
    }
}

fn tenant<'a>(summary: &'a QuarantineSummary, row: &QuarantineRow) -> Option<&'a Arc<str>> {
    summary.text(row.tenant)
}

/// Counts what happens to the records of a file; returns whether any is deleted.
fn forecast(part: &QuarantineFile, clearing: &Clearing<'_>, cleared: &mut Cleared) -> Result<bool> {
    let summary = part.summary()?;
    let oldest = Timestamp::from_millis(summary.oldest);
    let text = |index: u32| summary.text(index).map(AsRef::as_ref);
    if !summary.counts.iter().any(|count| (clearing.past)(text(count.tenant), oldest)) {
        return Ok(false);
    }
    let mut any = false;
    for row in part.rows()? {
        let tenant = tenant(&summary, &row);
        match fate(clearing, tenant.map(AsRef::as_ref), row.time) {
            RecordFate::Stays => {}
            RecordFate::Held => cleared.held += 1,
            RecordFate::Goes => {
                any = true;
                *cleared.tenants.entry(tenant.cloned()).or_default() += 1;
            }
        }
    }
    Ok(any)
}

impl Quarantine {
    /// Returns what [`Quarantine::clear`] would delete. Files that cannot be read are left out.
    pub fn clearable(&self, clearing: &Clearing<'_>) -> Cleared {
        self.shared.clearable(clearing).0
    }

    /// Deletes records that have expired and are not held. `begun` is called first with what will
    /// be deleted. Meanwhile records keep arriving and can be read.
    ///
    /// # Errors
    /// `begun` fails, or a disk fails; what was not deleted then is deleted by the next call.
    pub fn clear(
        &self,
        clearing: &Clearing<'_>,
        begun: impl FnOnce(&Cleared) -> Result<()>,
    ) -> Result<Cleared> {
        self.alone(|| {
            let (mut cleared, mut parts) = self.shared.clearable(clearing);
            if parts.is_empty() {
                return Ok(cleared);
            }
            if parts.iter().any(|part| !part.is_kept()) {
                // Records in the log are deleted too, so it is closed first.
                self.close_log()?;
                (cleared, parts) = self.shared.clearable(clearing);
            }
            begun(&cleared)?;
            let goes = |entry: &QuarantineEntry| {
                fate(clearing, entry.tenant.as_deref(), entry.time) == RecordFate::Goes
            };
            self.rewrite(&parts, &goes)?;
            Ok(cleared)
        })
    }
}

impl SharedQuarantine {
    /// Returns what would be deleted, and the files that hold it.
    fn clearable(&self, clearing: &Clearing<'_>) -> (Cleared, Vec<Arc<QuarantineFile>>) {
        let mut cleared = Cleared::default();
        let parts = self.parts();
        let has = |part: &&Arc<QuarantineFile>| {
            let mut of_part = Cleared::default();
            match forecast(part, clearing, &mut of_part) {
                // A damaged file is evidence: it stays complete until an operator has dealt with
                // it.
                Ok(any) if !any || part.damage().is_empty() => {
                    cleared.held += of_part.held;
                    of_part.tenants.into_iter().for_each(|(tenant, count)| {
                        *cleared.tenants.entry(tenant).or_default() += count
                    });
                    any
                }
                Ok(_) => false,
                Err(error) => {
                    tracing::warn!(%error, "nothing is deleted from a damaged quarantine file");
                    false
                }
            }
        };
        let parts = parts.iter().filter(has).cloned().collect();
        (cleared, parts)
    }
}
