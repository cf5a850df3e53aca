//! Copies of a store: a data directory of its own, that is added to by the next copy.
//!
//! A copy holds one version of the table: its segments, the log of the table up to that version, the quarantine, and the
//! key. Files that are there already are not copied again, so the next copy costs what is new. Each file is compared with
//! its hash before it is written and after. The log of the table comes last, oldest first; a copy that was interrupted is
//! finished by the next one.

use crate::error::{Error, ErrorKind, Result};
use crate::storage::segment::{FileMark, Segment};
use crate::storage::{PutMode, Store, paths};
use rayon::prelude::*;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a copy has, and what was done for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BackupReport {
    /// The version of the table.
    pub version: u64,
    /// Segments.
    pub segments: usize,
    /// Events.
    pub events: u64,
    /// Files that were copied.
    pub copied: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were there already.
    pub kept: u64,
}

/// Copies a version of a store into the directory `target`: one that is not there, that is empty, or that holds an earlier
/// copy of the same store.
///
/// # Errors
/// A directory that holds something else, a file that is not what its hash says, a disk that fails.
pub fn copy(source: &Store, segments: &[Arc<Segment>], version: u64, target: &Path) -> Result<BackupReport> {
    let target = target_store(source, target)?;
    let copying = Copying { source, target: &target, copied: AtomicU64::new(0), bytes: AtomicU64::new(0), kept: AtomicU64::new(0) };
    segments.par_iter().try_for_each(|segment| copying.segment(segment))?;
    copying.quarantine()?;
    copying.file(paths::KEY_FILE)?;
    for path in [paths::REDACTION_FILE, paths::REDACTION_KEY, paths::VIEWS_FILE] {
        if source.exists(path) {
            copying.put(path, &source.read(path)?)?;
        }
    }
    for version in 0..=version {
        copying.file(&paths::table_log(version))?;
    }
    copying.file(paths::VERSION_FILE)?;
    Ok(BackupReport {
        version,
        segments: segments.len(),
        events: segments.iter().map(|segment| u64::from(segment.manifest().rows)).sum(),
        copied: copying.copied.into_inner(),
        bytes: copying.bytes.into_inner(),
        kept: copying.kept.into_inner(),
    })
}

/// Makes sure that `target` can take a copy of the source.
///
/// # Errors
/// As [`copy`].
pub fn prepare(source: &Store, target: &Path) -> Result<()> {
    target_store(source, target).map(drop)
}

/// The target, if it can take a copy of the source.
fn target_store(source: &Store, target: &Path) -> Result<Store> {
    let shown = target.display();
    let made = !target.exists();
    if made {
        Store::create(target)?;
    }
    let store = Store::new(target)?;
    let empty = store.all_names("")?.is_empty();
    let first = paths::table_log(0);
    let same = || matches!((source.read(&first), store.read(&first)), (Ok(left), Ok(right)) if left == right);
    // The key is copied before the table's log, so that an interrupted first copy is known too.
    let begun = || {
        !store.exists(&first)
            && matches!((source.read(paths::KEY_FILE), store.read(paths::KEY_FILE)), (Ok(left), Ok(right)) if left == right)
    };
    let only_segments = || !store.exists(&first) && store.all_names("").is_ok_and(|names| names.iter().all(|name| name == paths::TABLE));
    if empty || same() || begun() || only_segments() {
        return Ok(store);
    }
    Err(Error::invalid(format!("{shown} is not empty and holds no copy of this store: name another directory")))
}

struct Copying<'a> {
    source: &'a Store,
    target: &'a Store,
    copied: AtomicU64,
    bytes: AtomicU64,
    kept: AtomicU64,
}

impl Copying<'_> {
    fn segment(&self, segment: &Segment) -> Result<()> {
        let manifest = segment.manifest();
        for (path, mark) in [(paths::data(&manifest.date, &manifest.id), &manifest.data), (paths::index(&manifest.id), &manifest.index)] {
            if self.target.length(&path)? == Some(mark.bytes) {
                self.kept.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let bytes = self.source.read(&path)?;
            self.proved(self.source, &path, &bytes, mark)?;
            self.put(&path, &bytes)?;
            self.proved(self.target, &path, &self.target.read_back(&path)?, mark)?;
        }
        self.file(&paths::manifest(&manifest.id))
    }

    fn proved(&self, store: &Store, path: &str, bytes: &[u8], mark: &FileMark) -> Result<()> {
        if mark.is_of(bytes) {
            return Ok(());
        }
        Err(Error::corrupt(format!("{} is not what its hash says; `annals check` tells more", store.path(path).display())))
    }

    /// Copies the files of quarantine. They change meanwhile: a log grows and becomes another file, retention writes files
    /// anew. So this is done again until the list of the files stayed the same; the list comes last.
    fn quarantine(&self) -> Result<()> {
        loop {
            let list = self.read_if_there(paths::QUARANTINE_FILES)?;
            let mut gone = false;
            for name in self.source.names(paths::QUARANTINE)? {
                let path = format!("{}/{name}", paths::QUARANTINE);
                if path != paths::QUARANTINE_FILES {
                    gone |= !self.quarantined(&path)?;
                }
            }
            if !gone && self.read_if_there(paths::QUARANTINE_FILES)? == list {
                return list.map_or(Ok(()), |list| self.put_if_other(paths::QUARANTINE_FILES, &list));
            }
        }
    }

    /// Copies a file of quarantine; whether it was there.
    fn quarantined(&self, path: &str) -> Result<bool> {
        let Some(bytes) = self.read_if_there(path)? else { return Ok(false) };
        let there = self.target.read(path);
        // Of a log that was cut short the copy has more.
        if there.is_ok_and(|there| there.len() > bytes.len() && there.starts_with(&bytes)) {
            return Ok(true);
        }
        self.put_if_other(path, &bytes).map(|()| true)
    }

    fn read_if_there(&self, path: &str) -> Result<Option<Vec<u8>>> {
        match self.source.read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn put_if_other(&self, path: &str, bytes: &[u8]) -> Result<()> {
        if self.target.read(path).is_ok_and(|there| there == bytes) {
            self.kept.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        self.put(path, bytes)
    }

    /// Copies a small file, or compares it with the one that is there.
    fn file(&self, path: &str) -> Result<()> {
        let bytes = self.source.read(path)?;
        match self.target.read(path) {
            Ok(there) if there == bytes => {
                self.kept.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            // An index that was made anew has a new manifest.
            Ok(_) if !path.starts_with(paths::MANIFESTS) => {
                Err(Error::invalid(format!("{} is another file than the store's: this is no copy of it", self.target.path(path).display())))
            }
            Ok(_) => self.put(path, &bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => self.put(path, &bytes),
            Err(error) => Err(error),
        }
    }

    fn put(&self, path: &str, bytes: &[u8]) -> Result<()> {
        self.target.put(path, bytes, PutMode::Replace)?;
        self.copied.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}
