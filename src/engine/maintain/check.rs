//! Checking a whole store against its hashes, and making damaged indexes anew.

use crate::engine::Engine;
use crate::engine::write::commit;
use crate::error::Result;
use crate::storage::segment::Segment;
use crate::storage::{check_archives, check_log, check_marks};
use rayon::prelude::*;
use serde::Serialize;

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Segments checked.
    pub segments: usize,
    /// Events in them.
    pub events: u64,
    /// Bytes read and hashed.
    pub bytes: u64,
    /// Segments with something wrong, or whose index was made anew.
    pub reports: Vec<SegmentReport>,
    /// What is wrong with the files of quarantine.
    pub quarantine: Vec<String>,
    /// What is wrong with files of other kinds, each naming its file.
    pub store: Vec<String>,
}

/// What was found in one segment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SegmentReport {
    /// The segment.
    pub segment: String,
    /// What is wrong with its data.
    pub data: Vec<String>,
    /// What was wrong with its index.
    pub index: Vec<String>,
    /// Whether the index was made anew.
    pub rebuilt: bool,
}

impl CheckReport {
    /// Whether nothing is wrong any more.
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
    /// Reads every file of every segment, and of quarantine, and compares it with its hashes;
    /// follows the table's log, and compares its checkpoints, its archives, and the small files of
    /// the directory with theirs. `rebuild` makes every index anew, damaged or not, from a Parquet
    /// file that is sound.
    ///
    /// # Errors
    /// A disk that fails; damage is reported, not an error.
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
            quarantine: self.core.quarantine.check()?,
        })
    }
}

impl Engine {
    /// What is wrong with files that are not of a segment or of quarantine.
    fn check_store(&self) -> Result<Vec<String>> {
        let store = self.core.data.store();
        let _reading = self.core.write.as_ref().map(|write| write.log_files.read());
        let mut wrong = match &self.core.write {
            Some(write) => write.table.check_log()?,
            None => commit::runtime()?.block_on(check_log(store)),
        };
        wrong.extend(check_archives(store));
        wrong.extend(check_marks(store));
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
