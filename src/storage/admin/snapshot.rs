//! The whole administrative state at one version, and what a store of it can do.

use super::record::{AdminRecord, RecordChange, RecordHash, RecordKind, encode, hash_of};
use crate::error::Result;
use crate::event::hex;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::Arc;

/// A store of administrative state. Changes are compared and made as one.
pub trait AdminState: Debug + Send + Sync {
    /// Returns the newest state. It waits for nothing.
    fn snapshot(&self) -> Arc<AdminSnapshot>;

    /// Makes changes, all or none, provided that the state is at the version `seen`. Of several
    /// changes of one record the last counts. Returns the new state, which has the next version
    /// (or the same one if there are no changes). It is durable when this returns.
    ///
    /// # Errors
    /// [`ErrorKind::Outdated`](crate::error::ErrorKind::Outdated) if the state has another version;
    /// a disk that fails, after which it is unknown whether the changes were made.
    fn change(&self, seen: u64, changes: &[RecordChange]) -> Result<Arc<AdminSnapshot>>;
}

/// A record with the hash of its stored form.
#[derive(Clone)]
struct HashedRecord {
    record: Arc<AdminRecord>,
    hash: RecordHash,
}

type RecordsOfKind = BTreeMap<String, HashedRecord>;

/// The administrative state at one version.
#[derive(Clone, Default)]
pub struct AdminSnapshot {
    version: u64,
    /// The version up to which the changes were recorded under the names of earlier versions.
    carried: u64,
    /// By the names of kinds: their order in the code may change, the order on disk may not.
    records: BTreeMap<&'static str, Arc<RecordsOfKind>>,
}

impl AdminSnapshot {
    /// Returns the state that the files of an earlier version amount to after `changes` changes.
    ///
    /// # Errors
    /// As [`AdminSnapshot::with`].
    pub fn carried(changes: u64, records: &[RecordChange]) -> Result<Self> {
        let mut state = Self { version: changes, carried: changes, ..Self::default() };
        state.apply(records)?;
        Ok(state)
    }

    /// Returns how many changes were made so far.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Returns the version up to which the changes were recorded under the names of earlier
    /// versions; 0 in a store that has none.
    pub fn carried_version(&self) -> u64 {
        self.carried
    }

    /// Returns a record.
    pub fn get(&self, kind: RecordKind, key: &str) -> Option<&Arc<AdminRecord>> {
        Some(&self.records.get(kind.name())?.get(key)?.record)
    }

    /// Returns the records of a kind with their keys, in the order of keys.
    pub fn all(&self, kind: RecordKind) -> impl Iterator<Item = (&str, &Arc<AdminRecord>)> {
        let records = self.records.get(kind.name()).into_iter().flat_map(|records| records.iter());
        records.map(|(key, hashed)| (key.as_str(), &hashed.record))
    }

    /// Returns whether the records of a kind are those of another state, as far as can be told
    /// without comparing them.
    pub fn is_same(&self, other: &Self, kind: RecordKind) -> bool {
        match (self.records.get(kind.name()), other.records.get(kind.name())) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            (own, other) => own.is_none() && other.is_none(),
        }
    }

    /// Returns the number of records of all kinds.
    pub fn count(&self) -> usize {
        self.records.values().map(|records| records.len()).sum()
    }

    /// Returns the state after a change.
    ///
    /// # Errors
    /// A body that could not be read again from a disk.
    pub fn with(&self, changes: &[RecordChange]) -> Result<Self> {
        let mut next = self.clone();
        next.version += 1;
        next.apply(changes)?;
        Ok(next)
    }

    fn apply(&mut self, changes: &[RecordChange]) -> Result<()> {
        for change in changes {
            let Some(body) = change.body.clone() else {
                if let Some(records) = self.records.get_mut(change.kind.name()) {
                    Arc::make_mut(records).remove(&change.key);
                }
                continue;
            };
            // A change that is read from its event has lost the secret, and must not take it away
            // from the record: who has a token would be locked out.
            let known = || self.get(change.kind, &change.key).and_then(|old| old.secret.clone());
            let secret = change.secret.clone().or_else(known);
            let record = AdminRecord { version: self.version, body, secret };
            self.put(change.kind, &change.key, record)?;
        }
        Ok(())
    }

    fn put(&mut self, kind: RecordKind, key: &str, record: AdminRecord) -> Result<()> {
        let hash = hash_of(&encode(kind, key, &record)?);
        let records = Arc::make_mut(self.records.entry(kind.name()).or_default());
        records.insert(key.to_owned(), HashedRecord { record: Arc::new(record), hash });
        Ok(())
    }

    /// Gives back their secrets to records that are the same in another state.
    ///
    /// # Errors
    /// As [`AdminSnapshot::with`].
    pub fn take_secrets(&mut self, other: &Self) -> Result<()> {
        for kind in RecordKind::ALL {
            for (key, theirs) in other.all(*kind) {
                let same = |ours: &&Arc<AdminRecord>| {
                    (ours.version, &ours.body) == (theirs.version, &theirs.body)
                };
                if self.get(*kind, key).filter(same).is_some() && theirs.secret.is_some() {
                    self.put(*kind, key, AdminRecord::clone(theirs))?;
                }
            }
        }
        Ok(())
    }

    /// Builds a state from what a file holds.
    pub(super) fn read(version: u64, carried: u64) -> Self {
        Self { version, carried, ..Self::default() }
    }

    /// Adds a record that was read, with its hash.
    pub(super) fn add(
        &mut self,
        kind: RecordKind,
        key: String,
        record: AdminRecord,
        hash: RecordHash,
    ) {
        let records = Arc::make_mut(self.records.entry(kind.name()).or_default());
        records.insert(key, HashedRecord { record: Arc::new(record), hash });
    }

    /// Returns the SHA-256 of the whole state: its versions, the number of its records, and their
    /// hashes in the order of kinds and keys.
    pub(super) fn hash(&self) -> RecordHash {
        let mut hash = Sha256::new();
        for number in [self.version, self.carried, self.count() as u64] {
            hash.update(number.to_le_bytes());
        }
        let records = self.records.values().flat_map(|records| records.values());
        records.for_each(|record| hash.update(record.hash));
        hash.finalize().into()
    }

    /// Returns the same as text, as it stands in the mark.
    pub(super) fn hash_text(&self) -> String {
        hex(&self.hash())
    }
}

impl PartialEq for AdminSnapshot {
    fn eq(&self, other: &Self) -> bool {
        self.hash() == other.hash()
    }
}

impl Debug for AdminSnapshot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("AdminSnapshot")
            .field("version", &self.version)
            .field("carried", &self.carried)
            .field("records", &self.count())
            .finish()
    }
}
