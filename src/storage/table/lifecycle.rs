//! The life of the Delta log: a checkpoint every hundred commits, proved before anything relies on
//! it. The commits before the older of two such checkpoints are archived, a thousand to a file, and
//! removed from the log's folder.
//!
//! A commit and a start list that folder and read what follows the last checkpoint, so their cost
//! depends on its contents; without this, it would grow with the number of all commits ever made.

use super::super::paths;
use super::account::{Account, sha256};
use super::chain::{Tip, listed};
use super::checkpoints::{Checkpoint, Checkpoints};
use super::{INGEST, account_of, delta_table};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::{DAY_MS, Timestamp};
use crate::storage::files::PutMode;
use crate::storage::store::Store;
use deltalake::DeltaTable;
use serde::{Deserialize, Serialize};
use std::io::Read;

/// Number of commits between two checkpoints.
pub(super) const EVERY: u64 = 100;
/// Commits further behind the newest one than this are archived regardless of their age, so at most
/// about this many are kept because of their age.
const KEPT_MAX: u64 = 1_000;
/// Number of commits in one archive.
const ARCHIVED_TOGETHER: usize = 1_000;
/// Number of days that an archive is kept: for that long, a backup can be extended and the history
/// of the log be read.
const ARCHIVE_DAYS: i64 = 400;
/// Maximum number of commits that are archived in one go: a backup or a check that starts meanwhile
/// has to wait for it.
const ARCHIVED_MAX: usize = 20_000;

/// The log of an open table at one version, for maintenance.
#[derive(Debug)]
pub struct TableLog {
    store: Store,
    table: DeltaTable,
    tip: Tip,
    doubts: Vec<String>,
}

/// A file of the log, as it is stored in an archive.
#[derive(Debug, Serialize, Deserialize)]
struct ArchiveEntry {
    version: u64,
    bytes: usize,
    sha256: String,
}

/// Commits that are archived and still in the log.
#[derive(Debug)]
pub struct Archived(Vec<u64>);

impl Archived {
    /// Returns whether the maximum number was archived in one go: there may be more.
    pub fn is_full(&self) -> bool {
        self.0.len() >= ARCHIVED_MAX
    }
}

impl TableLog {
    pub(super) fn new(store: Store, table: DeltaTable, tip: Tip, doubts: Vec<String>) -> Self {
        Self { store, table, tip, doubts }
    }

    /// Returns whether enough commits follow the last proved checkpoint that another one is due.
    ///
    /// # Errors
    /// A record of checkpoints that cannot be read.
    pub fn is_due(&self) -> Result<bool> {
        let recorded = Checkpoints::read(&self.store)?;
        let newest = recorded.newest().map_or(0, |checkpoint| checkpoint.version);
        // Most of a log that is far too long can only be archived after a second checkpoint, so
        // that one is made at once.
        let second = newest > 0
            && recorded.boundary().unwrap_or_default() + EVERY + KEPT_MAX < newest
            && self.tip.version > newest;
        Ok(self.tip.version >= newest + EVERY || second)
    }

    /// Returns whether there is a proved checkpoint of this very version.
    ///
    /// # Errors
    /// A record of checkpoints that cannot be read.
    pub fn has_checkpoint(&self) -> Result<bool> {
        let recorded = Checkpoints::read(&self.store)?;
        let there = recorded.newest().is_some_and(|newest| newest.version == self.tip.version);
        Ok(there && self.store.exists(&paths::table_checkpoint(self.tip.version)))
    }

    /// Returns what the table contains at this version.
    pub fn account(&self) -> Account {
        self.tip.account.clone().unwrap_or_default()
    }

    /// Returns the version of the log.
    pub fn version(&self) -> u64 {
        self.tip.version
    }

    /// Writes a checkpoint of this version. Nothing relies on it until
    /// [`TableLog::prove_checkpoint`].
    ///
    /// # Errors
    /// A disk that fails.
    pub async fn write_checkpoint(&self) -> Result<()> {
        let context = || "cannot write a checkpoint of the Delta table".to_owned();
        deltalake::checkpoints::create_checkpoint(&self.table, None)
            .await
            .context(ErrorKind::Unavailable, context)
    }

    /// Reads the checkpoint back from the disk, as a reader that starts with it does, and compares
    /// the result with what the table contains; then records it. A checkpoint that gives anything
    /// else is removed.
    ///
    /// # Errors
    /// A disk that fails; a checkpoint that gives anything else.
    pub async fn prove_checkpoint(&self) -> Result<()> {
        let path = paths::table_checkpoint(self.tip.version);
        let bytes = self.store.read_back(&path)?;
        let mut recorded = Checkpoints::read(&self.store)?;
        if let Err(error) = self.compare().await {
            self.store.remove(&path)?;
            if recorded.checkpoints.is_empty() {
                self.store.remove(paths::LAST_CHECKPOINT)?;
            }
            recorded.mend(&self.store, &listed(&self.store)?.1)?;
            return Err(error);
        }
        let account = self.tip.account.clone().unwrap_or_default();
        let hint =
            String::from_utf8_lossy(&self.store.read_back(paths::LAST_CHECKPOINT)?).into_owned();
        recorded.doubts.clone_from(&self.doubts);
        let (version, commit_sha256) = (self.tip.version, self.tip.sha256.clone());
        recorded.add(Checkpoint { version, sha256: sha256(&bytes), commit_sha256, account, hint });
        recorded.put(&self.store)
    }

    async fn compare(&self) -> Result<()> {
        let context =
            || format!("the checkpoint of version {} cannot be read back", self.tip.version);
        let mut read = delta_table(&self.store)?;
        read.load_version(self.tip.version).await.context(ErrorKind::Corrupt, context)?;
        let state = read.snapshot().context(ErrorKind::Corrupt, context)?;
        let known = self.table.snapshot().context(ErrorKind::Corrupt, context)?;
        let last_seq = state
            .transaction_version(read.log_store().as_ref(), INGEST)
            .await
            .context(ErrorKind::Corrupt, context)?;
        let account = account_of(&read, last_seq.unwrap_or_default().cast_unsigned()).await?;
        if Some(&account) != self.tip.account.as_ref()
            || state.metadata() != known.metadata()
            || state.protocol() != known.protocol()
        {
            return Err(Error::corrupt(format!(
                "{}: it gives a different table than the log, and is not used",
                context()
            )));
        }
        Ok(())
    }

    /// Archives commits that are not needed in the log any more: those before the older of two
    /// proved checkpoints that were made before `before`, or that are so far back that the log
    /// would become large. They stay in the log until [`TableLog::clean`].
    ///
    /// # Errors
    /// A disk that fails.
    pub fn archive(&self, before: Timestamp) -> Result<Archived> {
        let Some(boundary) = Checkpoints::read(&self.store)?.boundary() else {
            return Ok(Archived(Vec::new()));
        };
        let (commits, _) = listed(&self.store)?;
        let mut old = Vec::new();
        for version in commits.range(..boundary).copied() {
            let far = version + KEPT_MAX < self.tip.version;
            if !far
                && self
                    .store
                    .changed(&paths::table_log(version))?
                    .is_none_or(|changed| changed >= before)
            {
                break;
            }
            old.push(version);
        }
        old.truncate(ARCHIVED_MAX);
        let archives: Vec<(u64, u64)> = self
            .store
            .names(paths::TABLE_ARCHIVE)?
            .iter()
            .filter_map(|name| paths::archive_of(name))
            .collect();
        let (known, new): (Vec<u64>, Vec<u64>) = old.into_iter().partition(|version| {
            archives.iter().any(|(first, last)| (*first..=*last).contains(version))
        });
        // An interrupted run archived them and did not remove them.
        let mut archived = Vec::new();
        for (first, last) in archives {
            let left: Vec<u64> =
                known.iter().copied().filter(|version| (first..=last).contains(version)).collect();
            if !left.is_empty() {
                self.compare_archive(&paths::table_archive(first, last), &left)?;
                archived.extend(left);
            }
        }
        for together in new.chunks(ARCHIVED_TOGETHER) {
            let (Some(first), Some(last)) = (together.first(), together.last()) else { continue };
            let path = paths::table_archive(*first, *last);
            self.write_archive(&path, together)?;
            self.compare_archive(&path, together)?;
            archived.extend(together);
        }
        Ok(Archived(archived))
    }

    /// Removes archived commits from the log, and checkpoints that are older than those that are
    /// kept. Returns the number of files removed.
    ///
    /// # Errors
    /// A disk that fails.
    pub fn clean(&self, archived: &Archived) -> Result<usize> {
        let mut removed = 0;
        for version in &archived.0 {
            self.store.remove(&paths::table_log(*version))?;
            removed += 1;
        }
        let Some(boundary) = Checkpoints::read(&self.store)?.boundary() else { return Ok(removed) };
        for name in self.store.names(paths::TABLE_LOG)? {
            if paths::checkpoint_of(&name).is_some_and(|version| version < boundary) {
                self.store.remove(&format!("{}/{name}", paths::TABLE_LOG))?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    fn write_archive(&self, path: &str, versions: &[u64]) -> Result<()> {
        let failed = |cause: std::io::Error| Error::io(path, cause);
        let mut plain = Vec::new();
        for version in versions {
            let bytes = self.store.read(&paths::table_log(*version))?;
            let entry =
                ArchiveEntry { version: *version, bytes: bytes.len(), sha256: sha256(&bytes) };
            serde_json::to_writer(&mut plain, &entry)
                .context(ErrorKind::Internal, || "cannot write JSON".to_owned())?;
            plain.push(b'\n');
            plain.extend_from_slice(&bytes);
            plain.push(b'\n');
        }
        let mut packed = zstd::Encoder::new(Vec::new(), 9).map_err(failed)?;
        packed.include_checksum(true).map_err(failed)?;
        std::io::copy(&mut plain.as_slice(), &mut packed).map_err(failed)?;
        self.store.put(path, &packed.finish().map_err(failed)?, PutMode::Replace)
    }

    /// Checks that an archive, read back from the disk, contains these commits as the log has them.
    fn compare_archive(&self, path: &str, versions: &[u64]) -> Result<()> {
        let commits = read_archive(&self.store, path)?;
        for version in versions {
            let there = self.store.read(&paths::table_log(*version))?;
            if !commits.iter().any(|(other, bytes)| other == version && *bytes == there) {
                let what = format!(
                    "{} does not have commit {version} as the log has it",
                    self.store.path(path).display()
                );
                return Err(Error::corrupt(what));
            }
        }
        Ok(())
    }
}

/// Removes archives that were written more than `ARCHIVE_DAYS` days ago. Returns the number
/// removed.
///
/// # Errors
/// A disk that fails.
pub fn clear_archives(store: &Store, now: Timestamp) -> Result<usize> {
    let kept_from = Timestamp::from_millis(now.millis().saturating_sub(ARCHIVE_DAYS * DAY_MS));
    let mut removed = 0;
    for name in
        store.names(paths::TABLE_ARCHIVE)?.iter().filter(|name| paths::archive_of(name).is_some())
    {
        let path = format!("{}/{name}", paths::TABLE_ARCHIVE);
        if store.changed(&path)?.is_some_and(|written| written < kept_from) {
            store.remove(&path)?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Returns the commits of an archive, each compared with its hash.
pub(super) fn read_archive(store: &Store, path: &str) -> Result<Vec<(u64, Vec<u8>)>> {
    let damaged = || {
        Error::corrupt(format!(
            "{} is damaged; a backup from that time may have these commits",
            store.path(path).display()
        ))
    };
    let packed = store.read_back(path)?;
    let mut plain = Vec::new();
    let unpacked = zstd::Decoder::new(packed.as_slice())
        .and_then(|mut decoder| decoder.read_to_end(&mut plain));
    unpacked.map_err(|_| damaged())?;
    let (mut rest, mut commits) = (plain.as_slice(), Vec::new());
    while !rest.is_empty() {
        let line = rest.iter().position(|byte| *byte == b'\n').ok_or_else(damaged)?;
        let entry: ArchiveEntry = serde_json::from_slice(&rest[..line]).map_err(|_| damaged())?;
        let bytes = rest.get(line + 1..line + 1 + entry.bytes).ok_or_else(damaged)?;
        if sha256(bytes) != entry.sha256 {
            return Err(damaged());
        }
        commits.push((entry.version, bytes.to_vec()));
        rest = rest.get(line + 2 + entry.bytes..).ok_or_else(damaged)?;
    }
    Ok(commits)
}
