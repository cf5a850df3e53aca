//! The chain of commits: each of ours carries the hash of the previous commit and what the table
//! contains after it.
//!
//! A reader of Delta tables does not notice a file of the log that is emptied, shortened, changed
//! or gone: it takes an empty commit for one that does nothing. So before the log is trusted, its
//! files are followed from the last proved checkpoint to the newest, and `head.json` records which
//! commit was the newest when we last committed. Commits of other programs are accepted if they
//! change no data. Commits from before the chain existed are only checked one by one.

use super::super::marked::{put_marked, read_marked};
use super::super::paths;
use super::super::store::Store;
use super::account::{Account, sha256};
use super::checkpoints::Checkpoints;
use super::{INGEST, MAINTENANCE};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// The key of our entry in `commitInfo`.
pub(super) const LINK: &str = "annals";

/// The entry of one of our commits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Link {
    /// SHA-256 of the file of the previous commit; empty for the first.
    pub(super) previous: String,
    /// What the table contains after the commit.
    #[serde(flatten)]
    pub(super) account: Account,
}

/// The newest commit that was followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tip {
    pub(super) version: u64,
    /// SHA-256 of its file.
    pub(super) sha256: String,
    /// What the table contains after it; not known before the chain existed.
    pub(super) account: Option<Account>,
    /// The last sequence number that any commit so far mentions.
    #[serde(skip)]
    last_seq: Option<u64>,
}

/// What was found out about a log.
#[derive(Debug)]
pub(super) struct Proof {
    pub(super) tip: Tip,
    /// Oddities that do not contradict the log: while there are any, nothing is removed.
    pub(super) doubts: Vec<String>,
    /// Whether `head.json` is behind the log, or missing.
    pub(super) head_behind: bool,
    /// The number of commits since the last checkpoint.
    pub(super) behind_checkpoint: u64,
}

/// One commit as the chain needs it.
#[derive(Debug, Default)]
struct Commit {
    link: Option<Link>,
    added: Vec<(String, u64)>,
    removed: Vec<(String, u64)>,
    rows_added: u64,
    ingested: Option<u64>,
    maintenance: bool,
    data_change: bool,
}

impl Tip {
    pub(super) fn new(version: u64, sha256: String, account: Option<Account>) -> Self {
        let last_seq = account.as_ref().map(|account| account.last_seq);
        Self { version, sha256, account, last_seq }
    }

    /// Advances to the next commit.
    ///
    /// # Errors
    /// A file that does not continue the chain, naming it.
    fn follow(
        &mut self,
        store: &Store,
        version: u64,
        bytes: &[u8],
        doubts: &mut Vec<String>,
    ) -> Result<()> {
        let commit = Commit::parse(bytes).map_err(|what| damaged(store, version, &what))?;
        match &commit.link {
            Some(link) => self.follow_ours(store, version, &commit, link, doubts)?,
            None if self.account.is_some()
                && !(commit.added.is_empty() && commit.removed.is_empty()) =>
            {
                let what = "it changes what the table holds and was not made by annals";
                return Err(damaged(store, version, what));
            }
            None => {}
        }
        if let Some(ingested) = commit.ingested {
            if let Some(before) =
                self.last_seq.filter(|before| ingested.saturating_sub(*before) != commit.rows_added)
            {
                let what = format!(
                    "commit {version} ends with event {ingested}, the one before it with {before}, \
                    and {} events were added",
                    commit.rows_added
                );
                doubts.push(what);
            }
            self.last_seq = Some(ingested);
        }
        (self.version, self.sha256) = (version, sha256(bytes));
        Ok(())
    }

    fn follow_ours(
        &mut self,
        store: &Store,
        version: u64,
        commit: &Commit,
        link: &Link,
        doubts: &mut Vec<String>,
    ) -> Result<()> {
        if !self.sha256.is_empty() && link.previous != self.sha256 {
            let what = format!(
                "it is not the file that commit {version} was made after: it was emptied, \
                shortened or changed"
            );
            return Err(damaged(store, version - 1, &what));
        }
        if let Some(before) = &self.account {
            let mut account = before.clone();
            commit.added.iter().for_each(|(path, bytes)| account.add_file(path, *bytes));
            commit.removed.iter().for_each(|(path, bytes)| account.remove_file(path, *bytes));
            if !account.same_files(&link.account) {
                return Err(damaged(
                    store,
                    version,
                    "its files do not add up to what it says the table holds",
                ));
            }
            let rows = if commit.ingested.is_some() {
                before.rows + commit.rows_added
            } else {
                before.rows
            };
            if !commit.data_change && commit.maintenance && link.account.rows != before.rows
                || commit.ingested.is_some() && link.account.rows != rows
            {
                doubts.push(format!(
                    "commit {version} says {} events where {rows} were expected",
                    link.account.rows
                ));
            }
        }
        self.account = Some(link.account.clone());
        Ok(())
    }
}

impl Commit {
    fn parse(bytes: &[u8]) -> std::result::Result<Self, String> {
        let mut commit = Self::default();
        let mut actions = 0;
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty())
        {
            let action: Json = serde_json::from_slice(line)
                .map_err(|_| "it is not JSON: it was cut or changed".to_owned())?;
            actions += 1;
            commit.take(&action);
        }
        if actions == 0 {
            return Err("it is empty".to_owned());
        }
        Ok(commit)
    }

    fn take(&mut self, action: &Json) {
        let file = |action: &Json| {
            let path = action["path"].as_str().unwrap_or_default().to_owned();
            (path, action["size"].as_u64().unwrap_or_default())
        };
        if let Some(add) = action.get("add") {
            self.added.push(file(add));
            let stats: Option<Json> =
                add["stats"].as_str().and_then(|stats| serde_json::from_str(stats).ok());
            self.rows_added +=
                stats.and_then(|stats| stats["numRecords"].as_u64()).unwrap_or_default();
            self.data_change |= add["dataChange"].as_bool().unwrap_or(true);
        } else if let Some(remove) = action.get("remove") {
            self.removed.push(file(remove));
            self.data_change |= remove["dataChange"].as_bool().unwrap_or(true);
        } else if let Some(info) = action.get("commitInfo") {
            self.link = info.get(LINK).and_then(|link| serde_json::from_value(link.clone()).ok());
        } else if let Some(txn) = action.get("txn") {
            if txn["appId"] == INGEST {
                self.ingested = txn["version"].as_u64();
            }
            self.maintenance |= txn["appId"] == MAINTENANCE;
        }
    }
}

fn damaged(store: &Store, version: u64, what: &str) -> Error {
    let path = store.path(&paths::table_log(version));
    Error::corrupt(format!(
        "{} is damaged: {what}; nothing was changed: restore this file, or the store, from a \
        backup",
        path.display()
    ))
}

fn missing(store: &Store, version: u64) -> Error {
    let path = store.path(&paths::table_log(version));
    Error::corrupt(format!(
        "{} is missing, and what it committed with it; nothing was changed: restore this file, or \
        the store, from a backup",
        path.display()
    ))
}

/// Returns the versions for which the log has a commit file, and those for which it has a
/// checkpoint.
pub(super) fn listed(store: &Store) -> Result<(BTreeSet<u64>, BTreeSet<u64>)> {
    let (mut commits, mut checkpoints) = (BTreeSet::new(), BTreeSet::new());
    for name in store.names(paths::TABLE_LOG)? {
        if let Some(version) = paths::commit_of(&name) {
            commits.insert(version);
        } else if let Some(version) = paths::checkpoint_of(&name) {
            checkpoints.insert(version);
        }
    }
    Ok((commits, checkpoints))
}

/// Follows the log from the last proved checkpoint, or from its first file, to its end.
///
/// # Errors
/// A file that is missing, empty, cut or changed, naming it; a head or a checkpoint that was
/// changed.
pub(super) fn prove(store: &Store) -> Result<Proof> {
    let (commits, checkpoints) = listed(store)?;
    let newest = commits.last().copied().max(checkpoints.last().copied()).unwrap_or_default();
    let head: Option<Tip> = read_marked(store, paths::TABLE_HEAD).map_err(|error| {
        error.at("the record of the newest commit (if the log is known to be \
                                  whole, remove this file and start again)")
    })?;
    let mut doubts = Vec::new();
    let recorded = Checkpoints::read(store)?;
    doubts.extend_from_slice(&recorded.doubts);
    let base = recorded.newest_sound(store, &checkpoints)?;
    let (mut tip, from) = match base {
        Some(base) => {
            if commits.contains(&base.version)
                && sha256(&store.read(&paths::table_log(base.version))?) != base.commit_sha256
            {
                return Err(damaged(
                    store,
                    base.version,
                    "it is not what it was when the checkpoint of its version was made",
                ));
            }
            (Tip::new(base.version, base.commit_sha256, Some(base.account)), base.version + 1)
        }
        None => {
            let from = first_needed(store, &commits, &checkpoints, newest)?;
            let mut tip = Tip::new(from.saturating_sub(1), String::new(), None);
            tip.last_seq = (from == 0).then_some(0);
            (tip, from)
        }
    };
    for version in from..=newest {
        if !commits.contains(&version) {
            return Err(missing(store, version));
        }
        let bytes = store.read(&paths::table_log(version))?;
        tip.follow(store, version, &bytes, &mut doubts)?;
        if head.as_ref().is_some_and(|head| head.version == version && head.sha256 != tip.sha256) {
            return Err(damaged(store, version, "it is not what it was when it was committed"));
        }
    }
    let head_version = head.as_ref().map(|head| head.version);
    if let Some(last) = head_version.filter(|last| *last > newest) {
        return Err(missing(store, newest + 1)
            .at(format!("the newest commit was {last}, and the log ends with {newest}")));
    }
    // A new table has its first commit and no head yet.
    if head.is_none() && tip.account.is_some() && tip.version > 0 {
        tracing::warn!(
            "{} is missing; it is rebuilt from the log",
            store.path(paths::TABLE_HEAD).display()
        );
    }
    let behind_checkpoint = (newest + 1).saturating_sub(from);
    Ok(Proof {
        behind_checkpoint,
        head_behind: tip.account.is_some() && head_version != Some(tip.version),
        tip,
        doubts,
    })
}

/// Returns where a log without a proved checkpoint must begin: at its first commit, or after the
/// checkpoint that replaces the earlier ones.
fn first_needed(
    store: &Store,
    commits: &BTreeSet<u64>,
    checkpoints: &BTreeSet<u64>,
    newest: u64,
) -> Result<u64> {
    let mut from = newest + 1;
    while from > 0 && commits.contains(&(from - 1)) {
        from -= 1;
    }
    let covered = checkpoints.iter().any(|checkpoint| checkpoint + 1 >= from);
    if from == 0 || covered { Ok(from) } else { Err(missing(store, from - 1)) }
}

/// Follows the commits after `tip`, up to `newest`.
///
/// # Errors
/// As [`prove`].
pub(super) fn follow(store: &Store, tip: &mut Tip, newest: u64) -> Result<()> {
    let mut doubts = Vec::new();
    for version in tip.version + 1..=newest {
        let bytes = store.read(&paths::table_log(version))?;
        tip.follow(store, version, &bytes, &mut doubts)?;
    }
    doubts.iter().for_each(|doubt| tracing::warn!(doubt, "a commit does not add up"));
    Ok(())
}

/// Records which commit is the newest.
///
/// # Errors
/// A disk that fails.
pub(super) fn put_head(store: &Store, tip: &Tip) -> Result<()> {
    put_marked(store, paths::TABLE_HEAD, tip)
}
