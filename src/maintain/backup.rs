//! Backups of a store. A backup is a complete data directory, which the next backup adds to.
//!
//! A copy holds one version of the table: its segments, the newest proved checkpoint of the table's
//! log with what follows it, the quarantine, the administrative state, and the keys. Files that are
//! already there are read, compared with their hashes, and copied again if they are damaged.
//! Missing files are copied, and compared before and after they are written. The log of the table
//! is written last: an interrupted copy still is the copy it was before, and is finished by the
//! next one. Files of segments that are no longer in the table (merged, or deleted by retention)
//! are moved aside in the copy and deleted after a month.

use super::orphans::{clear_aside, orphans, put_away};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Timestamp;
use crate::storage::admin::{AdminFile, AdminSnapshot, AdminState, put_admin};
use crate::storage::segment::{FileMark, Manifest, Segment};
use crate::storage::{
    PutMode, Store, check_same_history, files_to_copy, paths, prune_log, put_guarded, put_version,
    raise_version, remove_guarded,
};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The content of a copy, and what was done to make it.
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
    /// Files that were already there and match their hashes.
    pub kept: u64,
    /// Files that were already there, were damaged, and were written again.
    pub mended: Vec<String>,
    /// Files of segments that are no longer in the table: they were moved aside in the copy now.
    pub aside: u64,
    /// Files that were moved aside a month ago: they were removed from the copy now.
    pub removed: u64,
}

/// Copies a version of a store, with its administrative state, into the directory `target`, which
/// must be missing, empty, or an earlier copy of the same store.
///
/// # Errors
/// If the directory holds something else, a file does not match its hash, or the disk fails.
pub fn copy(
    source: &Store,
    segments: &[Arc<Segment>],
    admin: &AdminSnapshot,
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
    // The key comes first: it identifies the store of an interrupted copy.
    copying.file(paths::KEY_FILE)?;
    segments.par_iter().try_for_each(|segment| copying.segment(segment))?;
    copying.quarantine()?;
    for path in [paths::REDACTION_FILE, paths::REDACTION_KEY] {
        if source.exists(path) {
            let bytes = source.read(path)?;
            put_guarded(&target, path, &bytes)?;
            copying.count(bytes.len() as u64);
        }
    }
    copying.admin(admin)?;
    for file in files_to_copy(source, version)? {
        copying.bytes_of(&file.path, &file.bytes)?;
    }
    // With the marks of the copy, which has no log.
    put_version(&target)?;

    // Only now is the earlier copy no longer needed.
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

/// Checks that `target` can take a copy of the source.
///
/// # Errors
/// As [`copy`].
pub fn prepare(source: &Store, target: &Path) -> Result<()> {
    target_store(source, target).map(drop)
}

/// Opens the target, if it can take a copy of the source.
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
    // Each store has its own key, which is copied before anything else.
    let keys = (source.read(paths::KEY_FILE), store.read(paths::KEY_FILE));
    let same = matches!(keys, (Ok(left), Ok(right)) if left == right);
    let only_segments = || {
        !store.exists(paths::KEY_FILE)
            && store.names(paths::TABLE_LOG).is_ok_and(|names| names.is_empty())
            && store.all_names("").is_ok_and(|names| {
                names.iter().all(|name| name == paths::TABLE || name.starts_with(paths::KEY_FILE))
            })
    };
    if !same && !only_segments() {
        return Err(Error::invalid(format!(
            "{shown} is not empty and holds no copy of this store: choose another directory"
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
    /// Copies the files of a segment that the copy lacks or has damaged. Its index may be rebuilt
    /// meanwhile, index first and manifest after it: what is copied is what one manifest names.
    fn segment(&self, segment: &Segment) -> Result<()> {
        let path = paths::manifest(&segment.manifest().id);
        let mut attempts = 0;
        loop {
            let named = self.source.read(&path)?;
            let manifest = Manifest::decode(&named)
                .map_err(|error| error.at(self.source.path(&path).display()))?;
            let copied = self.files_of(&manifest);
            let changed = self.source.read(&path)? != named;
            match copied {
                Ok(()) if !changed => return self.bytes_of(&path, &named),
                Err(error) if !changed && (error.kind() != ErrorKind::Corrupt || attempts == 5) => {
                    return Err(error);
                }
                _ => attempts += 1,
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Copies the data file and the index that a manifest names.
    fn files_of(&self, manifest: &Manifest) -> Result<()> {
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
        Ok(())
    }

    /// Writes the administrative state, unless the copy has the same one. What earlier versions
    /// have copied of it is in there.
    fn admin(&self, state: &AdminSnapshot) -> Result<()> {
        raise_version(self.target)?;
        match AdminFile::open(self.target) {
            Ok(Some(there)) if *there.snapshot() == *state => {
                self.kept.fetch_add(1, Ordering::Relaxed);
            }
            there => {
                match there {
                    Err(error) if error.kind() == ErrorKind::Corrupt => {
                        self.mending(paths::ADMIN_FILE);
                    }
                    there => drop(there?),
                }
                let bytes = put_admin(self.target, state)?;
                self.count(bytes);
            }
        }
        remove_guarded(self.target, paths::POLICY_FILE)?;
        remove_guarded(self.target, paths::VIEWS_FILE)
    }

    /// Notes that a file of the copy is no longer what was copied.
    fn mending(&self, path: &str) {
        tracing::warn!(file = %self.target.path(path).display(), "a file of the backup was \
            damaged; it is copied again");
        self.mended.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_owned());
    }

    /// Checks that these bytes of a file match its hash.
    fn proved(&self, store: &Store, path: &str, bytes: &[u8], mark: &FileMark) -> Result<()> {
        if mark.is_of(bytes) {
            return Ok(());
        }
        Err(Error::corrupt(format!(
            "{} is not what its hash says; run `annals check` for details",
            store.path(path).display()
        )))
    }

    /// Copies the files of quarantine. They change meanwhile: a log grows and is replaced by
    /// another file, and retention rewrites files. So the copy is repeated until the list of files
    /// stays the same; the list is copied last.
    fn quarantine(&self) -> Result<()> {
        loop {
            let list = self.read_if_there(paths::QUARANTINE_FILES)?;
            let mut gone = false;
            // The length of a log is copied with the log.
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

    /// Copies a file of quarantine. Returns whether it existed.
    fn quarantined(&self, path: &str) -> Result<bool> {
        // The length is read first: the log grows, and the copy must have as much as it says.
        let length = paths::quarantine_length(path);
        let noted = length.as_deref().map_or(Ok(None), |path| self.read_if_there(path))?;
        let Some(bytes) = self.read_if_there(path)? else { return Ok(false) };
        let there = self.target.read(path);
        // Otherwise the log was cut short since: the copy has all of it, and more.
        if !there.is_ok_and(|there| there.len() > bytes.len() && there.starts_with(&bytes)) {
            self.put_if_other(path, &bytes)?;
        }
        // And written last: what it says must be there also if the copy ends here.
        if let (Some(path), Some(noted)) = (&length, noted) {
            self.target.put(path, &noted, PutMode::Replace)?;
        }
        Ok(true)
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

    /// Copies a small file, unless the copy has the same one.
    fn file(&self, path: &str) -> Result<()> {
        self.bytes_of(path, &self.source.read(path)?)
    }

    /// Writes a file of these bytes, unless the copy has the same one.
    fn bytes_of(&self, path: &str, bytes: &[u8]) -> Result<()> {
        match self.target.read(path) {
            Ok(there) if there == bytes => {
                self.kept.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Ok(_) => {
                // Commits, checkpoints and quarantined records never change, so a difference is
                // damage; other files do change.
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
        self.count(bytes.len() as u64);
        Ok(())
    }

    fn count(&self, bytes: u64) {
        self.copied.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}
