//! What takes up space in a segment: bytes by column of the Parquet file and by part of the index.

use super::reader::Segment;
use crate::error::Result;
use crate::storage::segment::file::bundle::Bundle;
use std::collections::BTreeMap;
use std::path::Path;

/// Bytes by file (`data` or `index`) and part.
pub type Sizes = BTreeMap<(&'static str, String), u64>;

impl Segment {
    /// Returns the bytes by column and by part of the index.
    ///
    /// # Errors
    /// A file that is missing or damaged.
    pub fn sizes(&self) -> Result<Sizes> {
        let mut sizes = Sizes::new();
        let metadata = self.metadata()?;
        for column in metadata.metadata().row_groups().iter().flat_map(|group| group.columns()) {
            *sizes.entry(("data", column.column_path().string())).or_default() +=
                column.compressed_size().unsigned_abs();
        }
        for (path, bytes) in
            Bundle::open(&self.index_path(), &self.manifest().index, &self.health)?.sizes()
        {
            *sizes.entry(("index", part_name(&path))).or_default() += bytes;
        }
        let known = |file| {
            sizes.iter().filter(|((of, _), _)| *of == file).map(|(_, bytes)| bytes).sum::<u64>()
        };
        let rest = [
            ("data", self.manifest().data.bytes - known("data")),
            ("index", self.manifest().index.bytes - known("index")),
        ];
        sizes.extend(rest.map(|(file, bytes)| ((file, "(footer)".to_owned()), bytes)));
        Ok(sizes)
    }
}

/// Returns the name of a part. Tantivy names its files by segment; only the extension distinguishes
/// them.
fn part_name(path: &Path) -> String {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("term") => "dictionaries".to_owned(),
        Some("idx") => "posting lists".to_owned(),
        Some("pos" | "store" | "fast" | "fieldnorm") => "(tantivy's empty files)".to_owned(),
        _ => path.to_string_lossy().into_owned(),
    }
}
