//! Copies of a store: a data directory of its own, that is added to by the next copy.
//!
//! A copy holds one version of the table: its segments, the newest proved checkpoint of the table's
//! log with what follows it, the quarantine, and the keys. Files that are there already are read
//! and compared with their hashes, and written again if they are damaged; what is not there is
//! copied, compared before it is written and after. The log of the table comes last: a copy that
//! was interrupted gives what it gave before, and is finished by the next one. Files of segments
//! that are in the table no more (merged, or deleted by retention) are moved aside in the copy and
//! go after a month.

use super::orphans::{clear_aside, orphans, put_away};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Timestamp;
use crate::storage::segment::{FileMark, Segment};
use crate::storage::{
    PutMode, Store, check_same_history, files_to_copy, paths, prune_log, put_guarded,
};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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
    /// Files that were there already and are what their hashes say.
    pub kept: u64,
    /// Files that were there, were damaged, and were written again.
    pub mended: Vec<String>,
    /// Files of segments that are in the table no more: moved aside in the copy now.
    pub aside: u64,
    /// Files that were moved aside a month ago: removed from the copy now.
    pub removed: u64,
}

/// Copies a version of a store into the directory `target`: one that is not there, that is empty,
/// or that holds an earlier copy of the same store.
///
/// # Errors
/// A directory that holds something else, a file that is not what its hash says, a disk that fails.
pub fn copy(
    source: &Store,
    segments: &[Arc<Segment>],
    version: u64,
    target: &Path,
    now: Timestamp,
) -> Result<BackupReport> {
    let target = target_store(source, target)?;
    let copying = Copying {
        source,
        target: &target,
        copied: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        kept: AtomicU64::new(0),
        mended: Mutex::default(),
    };
    // The key first: it says of which store an interrupted copy is.
    copying.file(paths::KEY_FILE)?;
    segments.par_iter().try_for_each(|segment| copying.segment(segment))?;
    copying.quarantine()?;
    for path in [paths::REDACTION_FILE, paths::REDACTION_KEY, paths::VIEWS_FILE] {
        if source.exists(path) {
            let bytes = source.read(path)?;
            put_guarded(&target, path, &bytes)?;
            copying.count(&bytes);
        }
    }
    for file in files_to_copy(source, version)? {
        copying.bytes_of(&file.path, &file.bytes)?;
    }
    copying.file(paths::VERSION_FILE)?;

    // Only now is nothing of the earlier copy needed.
    prune_log(&target)?;
    let needed: HashSet<String> =
        segments.iter().map(|segment| segment.manifest().id.clone()).collect();
    let surplus = orphans(&target, &needed, Timestamp::from_millis(i64::MAX))?;
    let aside = put_away(&target, &surplus, &HashSet::new(), now)?;
    let removed = clear_aside(&target, now)?;
    let mut mended = copying.mended.into_inner().unwrap_or_else(PoisonError::into_inner);
    mended.sort_unstable();
    Ok(BackupReport {
        version,
        segments: segments.len(),
        events: segments.iter().map(|segment| u64::from(segment.manifest().rows)).sum(),
        copied: copying.copied.into_inner(),
        bytes: copying.bytes.into_inner(),
        kept: copying.kept.into_inner(),
        mended,
        aside: aside as u64,
        removed: removed as u64,
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
    if store.all_names("")?.is_empty() {
        return Ok(store);
    }
    // Each store has a key of its own, which is copied before anything else.
    let same = matches!((source.read(paths::KEY_FILE), store.read(paths::KEY_FILE)), (Ok(left), Ok(right)) if left == right);
    let only_segments = || {
        !store.exists(paths::KEY_FILE)
            && store.names(paths::TABLE_LOG).is_ok_and(|names| names.is_empty())
            && store.all_names("").is_ok_and(|names| {
                names.iter().all(|name| name == paths::TABLE || name.starts_with(paths::KEY_FILE))
            })
    };
    if !same && !only_segments() {
        return Err(Error::invalid(format!(
            "{shown} is not empty and holds no copy of this store: name another directory"
        )));
    }
    check_same_history(source, &store)?;
    Ok(store)
}

struct Copying<'a> {
    source: &'a Store,
    target: &'a Store,
    copied: AtomicU64,
    bytes: AtomicU64,
    kept: AtomicU64,
    mended: Mutex<Vec<String>>,
}

impl Copying<'_> {
    fn segment(&self, segment: &Segment) -> Result<()> {
        let manifest = segment.manifest();
        for (path, mark) in [
            (paths::data(&manifest.date, &manifest.id), &manifest.data),
            (paths::index(&manifest.id), &manifest.index),
        ] {
            if self.target.length(&path)?.is_some() {
                if mark.is_of(&self.target.read(&path)?) {
                    self.kept.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                self.mending(&path);
            }
            let bytes = self.source.read(&path)?;
            self.proved(self.source, &path, &bytes, mark)?;
            self.put(&path, &bytes)?;
            self.proved(self.target, &path, &self.target.read_back(&path)?, mark)?;
        }
        self.file(&paths::manifest(&manifest.id))
    }

    /// A file of the copy is not what it was when it was copied.
    fn mending(&self, path: &str) {
        tracing::warn!(file = %self.target.path(path).display(), "a file of the backup was damaged; it is copied again");
        self.mended.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_owned());
    }

    fn proved(&self, store: &Store, path: &str, bytes: &[u8], mark: &FileMark) -> Result<()> {
        if mark.is_of(bytes) {
            return Ok(());
        }
        Err(Error::corrupt(format!(
            "{} is not what its hash says; `annals check` tells more",
            store.path(path).display()
        )))
    }

    /// Copies the files of quarantine. They change meanwhile: a log grows and becomes another file,
    /// retention writes files anew. So this is done again until the list of the files stayed the
    /// same; the list comes last.
    fn quarantine(&self) -> Result<()> {
        loop {
            let list = self.read_if_there(paths::QUARANTINE_FILES)?;
            let mut gone = false;
            // How long a log is changes meanwhile, and is not what the copy has.
            for name in self
                .source
                .names(paths::QUARANTINE)?
                .into_iter()
                .filter(|name| !name.ends_with(paths::LENGTH_ENDING))
            {
                let path = format!("{}/{name}", paths::QUARANTINE);
                if path != paths::QUARANTINE_FILES {
                    gone |= !self.quarantined(&path)?;
                }
            }
            if !gone && self.read_if_there(paths::QUARANTINE_FILES)? == list {
                return list
                    .map_or(Ok(()), |list| self.put_if_other(paths::QUARANTINE_FILES, &list));
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
        self.bytes_of(path, &self.source.read(path)?)
    }

    fn bytes_of(&self, path: &str, bytes: &[u8]) -> Result<()> {
        match self.target.read(path) {
            Ok(there) if there == bytes => {
                self.kept.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Ok(_) => {
                // Commits, checkpoints and quarantined records never change; the rest does.
                let fixed = [paths::TABLE_LOG, paths::QUARANTINE]
                    .iter()
                    .any(|folder| path.starts_with(folder));
                if fixed && path != paths::LAST_CHECKPOINT {
                    self.mending(path);
                }
                self.put(path, bytes)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => self.put(path, bytes),
            Err(error) => Err(error),
        }
    }

    fn put(&self, path: &str, bytes: &[u8]) -> Result<()> {
        self.target.put(path, bytes, PutMode::Replace)?;
        self.count(bytes);
        Ok(())
    }

    fn count(&self, bytes: &[u8]) {
        self.copied.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }
}
