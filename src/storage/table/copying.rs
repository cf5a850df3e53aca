//! The files of the Delta log that a copy of a store needs: the newest proved checkpoint and what
//! follows it, but not every version there ever was.

use super::super::marked::{marked, read_marked};
use super::super::paths;
use super::super::store::Store;
use super::account::sha256;
use super::chain::{LINK, Link, Tip, listed};
use super::checkpoints::Checkpoints;
use super::lifecycle::read_archive;
use crate::error::{Error, ErrorKind, Result};
use serde_json::Value as Json;

/// A file of the log to be written.
#[derive(Debug)]
pub struct LogFileCopy {
    /// Its path in a data directory.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Returns the files of the log that make up version `version`, in the order in which they must be
/// written: until the last one but the checkpoint is written, the copy still gives its previous
/// version.
///
/// # Errors
/// A log that cannot be read.
pub fn files_to_copy(store: &Store, version: u64) -> Result<Vec<LogFileCopy>> {
    let (_, there) = listed(store)?;
    let recorded = Checkpoints::read(store)?;
    let base =
        recorded.checkpoints.iter().rev().find(|checkpoint| {
            checkpoint.version <= version && there.contains(&checkpoint.version)
        });
    let mut files = Vec::new();
    let mut push = |path: String, bytes: Vec<u8>| files.push(LogFileCopy { path, bytes });
    let first = if let Some(base) = base {
        let kept = Checkpoints { checkpoints: vec![base.clone()], doubts: recorded.doubts.clone() };
        let bytes = store.read(&paths::table_checkpoint(base.version))?;
        if sha256(&bytes) != base.sha256 {
            return Err(Error::corrupt(format!(
                "{} is not what it was when it was made; `annals check` tells more",
                store.path(&paths::table_checkpoint(base.version)).display()
            )));
        }
        push(paths::TABLE_CHECKPOINTS.to_owned(), marked(&kept)?);
        push(paths::table_checkpoint(base.version), bytes);
        push(paths::LAST_CHECKPOINT.to_owned(), base.hint.clone().into_bytes());
        base.version
    } else {
        0
    };
    let mut last = None;
    for version in first..=version {
        let bytes = store.read(&paths::table_log(version))?;
        last = Some((version, bytes.clone()));
        push(paths::table_log(version), bytes);
    }
    if let Some((version, bytes)) = last
        && let Some(link) = link_of(&bytes)
    {
        push(
            paths::TABLE_HEAD.to_owned(),
            marked(&Tip::new(version, sha256(&bytes), Some(link.account)))?,
        );
    }
    Ok(files)
}

/// Returns the link of a commit, if it is one of ours.
fn link_of(commit: &[u8]) -> Option<Link> {
    commit.split(|byte| *byte == b'\n').find_map(|line| {
        let action: Json = serde_json::from_slice(line).ok()?;
        serde_json::from_value(action.get("commitInfo")?.get(LINK)?.clone()).ok()
    })
}

/// Checks that the contents of `copy` are an earlier version of `store`: its newest commit is one
/// of the store's.
///
/// # Errors
/// Another history, or one that is ahead of the store's.
pub fn check_same_history(store: &Store, copy: &Store) -> Result<()> {
    let (commits, _) = listed(copy)?;
    let head: Option<Tip> = read_marked(copy, paths::TABLE_HEAD).ok().flatten();
    let newest = head.map(|head| (head.version, head.sha256));
    let newest = match (newest, commits.last()) {
        (Some(newest), _) => newest,
        (None, Some(last)) => (*last, sha256(&copy.read(&paths::table_log(*last))?)),
        (None, None) => return Ok(()),
    };
    let (version, hash) = newest;
    if commit(store, version)?.is_some_and(|bytes| sha256(&bytes) == hash) {
        return Ok(());
    }
    let what = "holds no copy of this store: its history is different, or ahead of it";
    Err(Error::invalid(format!("{} {what}; name another directory", copy.path("").display())))
}

/// Returns a commit of a store, from its log or from an archive.
fn commit(store: &Store, version: u64) -> Result<Option<Vec<u8>>> {
    match store.read(&paths::table_log(version)) {
        Ok(bytes) => return Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    for name in store.names(paths::TABLE_ARCHIVE)? {
        if paths::archive_of(&name).is_some_and(|(first, last)| (first..=last).contains(&version)) {
            let commits = read_archive(store, &format!("{}/{name}", paths::TABLE_ARCHIVE))?;
            return Ok(commits
                .into_iter()
                .find(|(other, _)| *other == version)
                .map(|(_, bytes)| bytes));
        }
    }
    Ok(None)
}

/// Removes everything before the newest proved checkpoint from a copy. Returns the number of files
/// removed.
///
/// # Errors
/// A disk that fails.
pub fn prune_log(copy: &Store) -> Result<usize> {
    let recorded = Checkpoints::read(copy)?;
    let Some(base) = recorded.newest() else { return Ok(0) };
    let mut removed = 0;
    for name in copy.names(paths::TABLE_LOG)? {
        let version = paths::commit_of(&name).or_else(|| paths::checkpoint_of(&name));
        if version.is_some_and(|version| version < base.version) {
            copy.remove(&format!("{}/{name}", paths::TABLE_LOG))?;
            removed += 1;
        }
    }
    Ok(removed)
}
