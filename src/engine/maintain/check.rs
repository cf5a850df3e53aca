//! Checking a whole store against its hashes, and rebuilding damaged indexes.

use crate::engine::Engine;
use crate::engine::write::commit;
use crate::error::Result;
use crate::storage::admin::AdminFile;
use crate::storage::segment::Segment;
use crate::storage::{check_archives, check_log, check_marks};
use rayon::prelude::*;
use serde::Serialize;

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Segments that were checked.
    pub segments: usize,
    /// Events in them.
    pub events: u64,
    /// Bytes that were read and hashed.
    pub bytes: u64,
    /// Segments with problems, or whose index was rebuilt.
    pub reports: Vec<SegmentReport>,
    /// Problems found in the files of quarantine.
    pub quarantine: Vec<String>,
    /// Problems found in files of other kinds, each naming its file.
    pub store: Vec<String>,
}

/// The findings of one segment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SegmentReport {
    /// The segment.
    pub segment: String,
    /// Problems found in its data.
    pub data: Vec<String>,
    /// Problems found in its index, before it was rebuilt.
    pub index: Vec<String>,
    /// Whether the index was rebuilt.
    pub rebuilt: bool,
}

impl CheckReport {
    /// Returns whether no problem remains.
    pub fn is_sound(&self) -> bool {
        self.store.is_empty()
            && self.quarantine.is_empty()
            && self
                .reports
                .iter()
                .all(|report| report.data.is_empty() && (report.index.is_empty() || report.rebuilt))
    }
}

impl Engine {
    /// Reads every file of every segment and of quarantine, and compares it with its hash. Also
    /// follows the table's log, and compares its checkpoints, its archives, the
    /// administrative state and the small files of the directory with their hashes. `rebuild`
    /// rebuilds every index, damaged or not, whose Parquet file is sound.
    ///
    /// # Errors
    /// If the disk fails. Damage is not an error: it is reported.
    pub fn check(&self, rebuild: bool) -> Result<CheckReport> {
        let snapshot = self.snapshot();
        let reports: Vec<SegmentReport> = snapshot
            .segments
            .par_iter()
            .map(|segment| check_segment(segment, rebuild))
            .collect::<Result<_>>()?;
        let stats = self.stats();
        let store = self.check_store()?;
        Ok(CheckReport {
            store,
            segments: stats.segments,
            events: stats.events,
            bytes: stats.data_bytes + stats.index_bytes,
            reports: reports
                .into_iter()
                .filter(|report| {
                    *report
                        != SegmentReport {
                            segment: report.segment.clone(),
                            ..SegmentReport::default()
                        }
                })
                .collect(),
            quarantine: self.shared.quarantine.check()?,
        })
    }
}

impl Engine {
    /// Returns the problems found in files that belong neither to a segment nor to quarantine.
    fn check_store(&self) -> Result<Vec<String>> {
        let store = self.shared.data.store();
        let _reading = self.writer.as_ref().map(|writer| writer.log_files.read());
        let mut wrong = match &self.writer {
            Some(writer) => writer.table.check_log()?,
            None => commit::runtime()?.block_on(check_log(store)),
        };
        wrong.extend(check_archives(store));
        wrong.extend(check_marks(store));
        wrong.extend(self.shared.admin.file().map(AdminFile::check).unwrap_or_default());
        Ok(wrong)
    }
}

fn check_segment(segment: &Segment, rebuild: bool) -> Result<SegmentReport> {
    let (data, index) = segment.check()?;
    let rebuilt = rebuild && data.is_empty();
    if rebuilt {
        segment.rebuild_index()?;
    }
    Ok(SegmentReport { segment: segment.manifest().id.clone(), data, index, rebuilt })
}
