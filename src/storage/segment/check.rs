//! Checks of a segment's files: against the manifest's lengths at a start, and against its hashes.

use super::reader::Segment;
use crate::error::{ErrorKind, Result};
use crate::storage::paths;
use crate::storage::segment::file::checksums::FileMark;
use crate::storage::segment::file::positioned::PositionedFile;
use crate::storage::segment::manifest::Manifest;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::file::metadata::PageIndexPolicy;
use std::path::Path;
use std::time::Duration;

/// An index that was written within this time may be one that is being rebuilt.
const JUST_NOW: Duration = Duration::from_secs(5);

/// The problems that [`Segment::check`] found, one line each.
pub type DamageFindings = Vec<String>;

impl Segment {
    /// Compares the lengths of the files with the manifest, so that a file that is gone or was cut,
    /// or an index of an earlier version, is known before a question needs it: it is in
    /// [`Segment::damage`] then.
    ///
    /// # Errors
    /// A disk that fails.
    pub fn look_at_files(&self) -> Result<()> {
        let differs = |path: &str, mark: &FileMark| -> Result<Option<String>> {
            let shown = self.store.path(path);
            Ok(match self.store.length(path)? {
                None => Some(format!("{} is missing", shown.display())),
                Some(bytes) if bytes != mark.bytes => {
                    Some(format!("{} has {bytes} bytes instead of {}", shown.display(), mark.bytes))
                }
                Some(_) => None,
            })
        };
        let manifest = &self.manifest;
        if manifest.version != Manifest::VERSION {
            self.health.outdate_index();
        }
        if let Some(what) = differs(&paths::data(&manifest.date, &manifest.id), &manifest.data)? {
            self.health.damage_data(&what);
        }
        // An outdated index is rebuilt whatever it is; if that was broken off, it is another one.
        if manifest.version == Manifest::VERSION
            && let Some(what) = differs(&paths::index(&manifest.id), &manifest.index)?
        {
            self.health.damage_index(&what);
        }
        Ok(())
    }

    /// Reads every byte and compares it with the hashes in the manifest. Returns the problems found
    /// in the data and those found in the index.
    ///
    /// # Errors
    /// A disk that fails; damage is a finding, not an error.
    pub fn check(&self) -> Result<(DamageFindings, DamageFindings)> {
        let mut data = self.check_file(
            &self.data_path(),
            &paths::data(&self.manifest.date, &self.manifest.id),
            &self.manifest.data,
        )?;
        if !data.is_empty() {
            data.extend(self.damaged_chunks());
        }
        let mut index = self.check_file(
            &self.index_path(),
            &paths::index(&self.manifest.id),
            &self.manifest.index,
        )?;
        if index.is_empty() {
            let error = self.index().err().filter(|error| error.kind() != ErrorKind::Version);
            index.extend(error.map(|error| error.to_string()));
        }
        if !index.is_empty() && self.index_was_rebuilt()? {
            index.clear();
        }
        let damaged = self.health.damage().is_some_and(|damage| !damage.is_only_outdated());
        if data.is_empty() && index.is_empty() && damaged {
            // The files were restored, so they are opened again.
            self.data.shut();
            self.index.shut();
            self.health.mended();
            if self.manifest.version != Manifest::VERSION {
                self.health.outdate_index();
            }
        }
        if let Some(what) = data.first() {
            self.health.damage_data(what);
        }
        if let Some(what) = index.first() {
            self.health.damage_index(what);
        }
        Ok((data, index))
    }

    /// Returns whether the index is another one since this segment was opened, and sound.
    fn index_was_rebuilt(&self) -> Result<bool> {
        let path = paths::manifest(&self.manifest.id);
        // The index is written before the manifest that names it: only one that was written just
        // now is worth waiting for.
        let written = std::fs::metadata(self.index_path()).and_then(|file| file.modified());
        let is_new = written.is_ok_and(|at| at.elapsed().is_ok_and(|age| age < JUST_NOW));
        for _ in 0..if is_new { 5 } else { 1 } {
            let manifest = self.store.read(&path).and_then(|bytes| Manifest::decode(&bytes));
            if let Ok(manifest) = manifest
                && manifest.index != self.manifest.index
            {
                return Ok(manifest.index.is_of(&self.store.read(&paths::index(&manifest.id))?));
            }
            if is_new {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(false)
    }

    fn check_file(&self, shown: &Path, path: &str, mark: &FileMark) -> Result<DamageFindings> {
        let bytes = match self.store.read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(vec![format!("{} is missing", shown.display())]);
            }
            Err(error) => return Err(error),
        };
        if mark.is_of(&bytes) {
            return Ok(Vec::new());
        }
        let what = if bytes.len() as u64 == mark.bytes {
            "SHA-256 differs".to_owned()
        } else {
            format!("{} bytes instead of {}", bytes.len(), mark.bytes)
        };
        Ok(vec![format!("{} is damaged: {what}", shown.display())])
    }

    /// Returns the column chunks that lie in damaged blocks, as far as the footer can still locate
    /// them.
    fn damaged_chunks(&self) -> DamageFindings {
        let path = self.data_path();
        let Ok(file) = PositionedFile::open(&path, &self.manifest.data, &self.health) else {
            return Vec::new();
        };
        let damaged = file.blocks.damaged(|range| file.unchecked(range));
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Skip);
        let Ok(metadata) = ArrowReaderMetadata::load(&file, options) else { return Vec::new() };
        let mut findings = Vec::new();
        for (number, group) in metadata.metadata().row_groups().iter().enumerate() {
            for column in group.columns() {
                let (offset, length) = column.byte_range();
                if damaged.iter().any(|block| block.start < offset + length && offset < block.end) {
                    let name = column.column_path().string();
                    findings.push(format!(
                        "{}: row group {number}, column {name} may be damaged",
                        path.display()
                    ));
                }
            }
        }
        findings
    }
}
