//! Which checkpoints of the Delta log were proved, and the hashes that their files must have.

use super::super::marked::{put_marked, read_marked};
use super::super::paths;
use super::account::{Account, sha256};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::files::PutMode;
use crate::storage::store::Store;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// The number of proved checkpoints that are kept: the newest, and one to fall back to.
const KEPT: usize = 2;

/// A checkpoint that was read back and compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    pub(super) version: u64,
    /// SHA-256 of the checkpoint's file.
    pub(super) sha256: String,
    /// SHA-256 of the file of the commit of its version.
    pub(super) commit_sha256: String,
    /// What the table contains at its version.
    pub(super) account: Account,
    /// The content of `_last_checkpoint` when it was made.
    pub(super) hint: String,
}

/// The proved checkpoints, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checkpoints {
    pub(super) checkpoints: Vec<Checkpoint>,
    /// Oddities in commits before them.
    #[serde(default)]
    pub(super) doubts: Vec<String>,
}

/// Returns the version of the checkpoint that `_last_checkpoint` points to, if it can be read.
pub(super) fn named(store: &Store) -> Result<Option<u64>> {
    match store.read(paths::LAST_CHECKPOINT) {
        Ok(bytes) => {
            Ok(serde_json::from_slice(&bytes).ok().and_then(|hint: Json| hint["version"].as_u64()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Checkpoints {
    pub(super) fn read(store: &Store) -> Result<Self> {
        let advice = "the record of proved checkpoints (if the log is known to be whole, remove \
                     this file and start again)";
        Ok(read_marked(store, paths::TABLE_CHECKPOINTS)
            .map_err(|error| error.at(advice))?
            .unwrap_or_default())
    }

    pub(super) fn put(&self, store: &Store) -> Result<()> {
        put_marked(store, paths::TABLE_CHECKPOINTS, self)
    }

    pub(super) fn newest(&self) -> Option<&Checkpoint> {
        self.checkpoints.last()
    }

    /// Returns the version before which no commit is needed: that of the older of two proved
    /// checkpoints.
    pub(super) fn boundary(&self) -> Option<u64> {
        (self.checkpoints.len() >= KEPT)
            .then(|| self.checkpoints[self.checkpoints.len() - KEPT].version)
    }

    /// Adds a checkpoint that was just proved, and drops those that are no longer needed.
    pub(super) fn add(&mut self, checkpoint: Checkpoint) {
        self.checkpoints.retain(|other| other.version < checkpoint.version);
        self.checkpoints.push(checkpoint);
        let surplus = self.checkpoints.len().saturating_sub(KEPT);
        self.checkpoints.drain(..surplus);
    }

    /// Returns the newest checkpoint whose file exists.
    ///
    /// # Errors
    /// A file that was changed, naming it: a reader would trust it.
    pub(super) fn newest_sound(
        &self,
        store: &Store,
        there: &BTreeSet<u64>,
    ) -> Result<Option<Checkpoint>> {
        let mut newest = None;
        for checkpoint in &self.checkpoints {
            let path = paths::table_checkpoint(checkpoint.version);
            let shown = store.path(&path);
            if !there.contains(&checkpoint.version) {
                tracing::warn!(file = %shown.display(), "a checkpoint of the table is missing; an \
                                                        earlier one is used");
                continue;
            }
            if sha256(&store.read(&path)?) != checkpoint.sha256 {
                let before = self.checkpoints.iter().any(|other| {
                    other.version < checkpoint.version && there.contains(&other.version)
                });
                let advice = if before {
                    "remove it and start again: the one before it is used"
                } else {
                    "restore it from a backup"
                };
                return Err(Error::corrupt(format!(
                    "{} is damaged: it is not what it was when it was made; {advice}",
                    shown.display()
                )));
            }
            newest = Some(checkpoint.clone());
        }
        Ok(newest)
    }

    /// Drops the checkpoints whose file is gone, and makes `_last_checkpoint` point to the newest
    /// one that is left, if it points elsewhere.
    pub(super) fn mend(mut self, store: &Store, there: &BTreeSet<u64>) -> Result<()> {
        let known = self.checkpoints.len();
        self.checkpoints.retain(|checkpoint| there.contains(&checkpoint.version));
        if self.checkpoints.len() < known {
            self.put(store)?;
        }
        let hint = match store.read(paths::LAST_CHECKPOINT) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let wanted = self.newest().map(|newest| newest.hint.as_bytes());
        let shown = store.path(paths::LAST_CHECKPOINT);
        match wanted {
            Some(wanted) if hint.as_deref() != Some(wanted) => {
                tracing::warn!(file = %shown.display(), "the name of the newest checkpoint was \
                                                        missing or changed; it is rewritten");
                store.put(paths::LAST_CHECKPOINT, wanted, PutMode::Replace)
            }
            // All proved checkpoints are gone, and so is the one that it points to.
            None if known > 0 && hint.is_some() => store.remove(paths::LAST_CHECKPOINT),
            _ => Ok(()),
        }
    }
}
