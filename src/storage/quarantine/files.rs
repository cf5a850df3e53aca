//! The quarantine folder: which files there are, and which there must be.

use super::FIRST_NUMBER;
use super::part::QuarantineFile;
use crate::error::{Context, ErrorKind, Result};
use crate::storage::{PutMode, Store, paths, put_folder_mark};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How often the folder is read again while files come and go.
const ATTEMPTS: usize = 3;

/// The quarantine folder of a data directory.
#[derive(Debug, Clone)]
pub struct Folder {
    store: Store,
    /// Files that are listed and did not exist when the folder was opened: they stay listed, so
    /// that every check reports them.
    missing: BTreeSet<String>,
    /// Problems of the list itself.
    lost: BTreeSet<String>,
}

/// The contents of the folder.
#[derive(Debug, Default)]
pub struct FolderContents {
    /// The files that contain records, oldest first.
    pub parts: Vec<Arc<QuarantineFile>>,
    /// The paths of files that were merged into others.
    pub superseded: Vec<String>,
    /// Problems of the folder itself: files that are missing.
    pub damage: Vec<String>,
    /// The number of the next record.
    pub next: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Names {
    files: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    lost: BTreeSet<String>,
}

impl Folder {
    /// Creates the folder of a store.
    pub fn new(store: &Store) -> Self {
        Self { store: store.clone(), missing: BTreeSet::new(), lost: BTreeSet::new() }
    }

    /// Returns the store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Opens every file; `kind` returns the kind of a reason. A damaged file is opened as far as it
    /// can be read.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn open(&mut self, kind: fn(&str) -> String) -> Result<FolderContents> {
        // Another process may be writing: files that it renamed are looked for again.
        for _ in 1..ATTEMPTS {
            let (found, vanished) = self.open_once(kind)?;
            if !vanished && self.missing.is_empty() {
                return Ok(found);
            }
        }
        Ok(self.open_once(kind)?.0)
    }

    /// Returns the contents, and whether a file was gone when it was about to be opened.
    fn open_once(&mut self, kind: fn(&str) -> String) -> Result<(FolderContents, bool)> {
        let names = self.store.names(paths::QUARANTINE)?;
        let mut found = FolderContents { next: FIRST_NUMBER, ..FolderContents::default() };
        self.compare(&names);
        let missing = self
            .missing
            .iter()
            .map(|name| self.store.path(&format!("{}/{name}", paths::QUARANTINE)));
        found.damage.extend(missing.map(|path| format!("{}: is missing", path.display())));
        found.damage.extend(self.lost.iter().cloned());
        let (mut old, mut vanished) = (Vec::new(), false);
        for name in &names {
            let path = format!("{}/{name}", paths::QUARANTINE);
            if let Some(numbers) = paths::quarantine_numbers(name) {
                vanished |= found.add_part(&self.store, &path, numbers);
            } else if name.ends_with(".ndjson") {
                old.push(path);
            }
        }
        found.drop_superseded();
        found.damage.extend(found.parts.iter().filter_map(|part| part.without_length()));
        for path in old {
            let low = found
                .parts
                .iter()
                .map(|part| part.numbers().1)
                .filter(|last| *last < FIRST_NUMBER)
                .max()
                .unwrap_or(0);
            match QuarantineFile::lines(&self.store, &path, low + 1, kind) {
                Ok(part) => found.parts.push(Arc::new(part)),
                Err(error) => found.damage.push(error.to_string()),
            }
        }
        found.parts.sort_by_key(|part| part.numbers().0);
        let last = found.parts.iter().map(|part| part.numbers().1).max().unwrap_or(0);
        found.next = FIRST_NUMBER.max(last + 1);
        Ok((found, vanished))
    }

    /// Compares the files that exist with those that must exist.
    fn compare(&mut self, names: &[String]) {
        let shown = self.store.path(paths::QUARANTINE_FILES);
        let ours = names.iter().any(|name| paths::quarantine_numbers(name).is_some());
        match self.store.read(paths::QUARANTINE_FILES) {
            Ok(bytes) => match serde_json::from_slice::<Names>(&bytes) {
                Ok(listed) => {
                    self.missing =
                        listed.files.into_iter().filter(|name| !names.contains(name)).collect();
                    self.lost = listed.lost;
                }
                Err(cause) => drop(
                    self.lost.insert(format!("{}: could not be read: {cause}", shown.display())),
                ),
            },
            Err(error) if error.kind() == ErrorKind::NotFound && !ours => {
                if self.store.exists(&paths::mark(paths::QUARANTINE_MARK)) {
                    let what = "is gone, and the records that were in quarantine with it";
                    self.lost.insert(format!("{} {what}", shown.display()));
                }
            }
            Err(error) => drop(self.lost.insert(error.to_string())),
        }
    }

    /// Removes a file that is not needed any more, together with the record of its length.
    ///
    /// # Errors
    /// A disk that fails.
    pub fn remove(&self, path: &str) -> Result<()> {
        self.store.remove(path)?;
        paths::quarantine_length(path).map_or(Ok(()), |path| self.store.remove(&path))
    }

    /// Removes records of the length of logs that were removed when the process died.
    ///
    /// # Errors
    /// A disk that fails.
    pub fn remove_lengths_without_log(&self) -> Result<()> {
        let names = self.store.names(paths::QUARANTINE)?;
        for name in names.iter().filter(|name| name.ends_with(paths::LENGTH_ENDING)) {
            let log = name.replace(paths::LENGTH_ENDING, ".log");
            if !names.contains(&log) {
                self.store.remove(&format!("{}/{name}", paths::QUARANTINE))?;
            }
        }
        Ok(())
    }

    /// Writes the list of the files that must exist.
    ///
    /// # Errors
    /// A disk that fails.
    pub fn list(&self, paths: impl IntoIterator<Item = String>) -> Result<()> {
        let name = |path: String| path.rsplit('/').next().unwrap_or(&path).to_owned();
        let files =
            paths.into_iter().map(name).filter(|name| paths::quarantine_numbers(name).is_some());
        let names = Names {
            files: files.chain(self.missing.iter().cloned()).collect(),
            lost: self.lost.clone(),
        };
        let bytes = serde_json::to_vec_pretty(&names)
            .context(ErrorKind::Internal, || "cannot write JSON".to_owned())?;
        self.store.put(paths::QUARANTINE_FILES, &bytes, PutMode::Replace)?;
        put_folder_mark(&self.store, paths::QUARANTINE_MARK)
    }
}

impl FolderContents {
    /// Opens a file; returns whether it was gone.
    fn add_part(&mut self, store: &Store, path: &str, numbers: (u64, Option<u64>)) -> bool {
        let kept = if numbers.1.is_some() { QuarantineFile::kept(store, path) } else { Ok(None) };
        let opened = kept.and_then(|kept| {
            kept.map_or_else(|| QuarantineFile::scanned(store, path, numbers), Ok)
        });
        match opened {
            Ok(part) => self.parts.push(Arc::new(part)),
            Err(error) => {
                self.damage.push(error.to_string());
                return error.kind() == ErrorKind::NotFound;
            }
        }
        false
    }

    /// Leaves out files that were merged into another file that is whole.
    fn drop_superseded(&mut self) {
        let ranges: Vec<(u64, u64)> =
            self.parts.iter().filter(|part| part.is_kept()).map(|part| part.numbers()).collect();
        let within = |part: &Arc<QuarantineFile>| {
            let (first, last) = part.numbers();
            let wider = |range: &(u64, u64)| {
                range.0 <= first && last <= range.1 && (!part.is_kept() || *range != (first, last))
            };
            ranges.iter().any(wider)
        };
        let (gone, stay) = std::mem::take(&mut self.parts).into_iter().partition(within);
        self.parts = stay;
        self.superseded = Vec::from_iter(gone)
            .into_iter()
            .map(|part: Arc<QuarantineFile>| part.path().to_owned())
            .collect();
    }
}
