//! The Delta Lake table: which segments exist, in one atomic version after another.
//!
//! One commit adds all segments of a batch and carries a `txn` action whose version is the batch's
//! last sequence number: that is where the numbers of the next batch start, and how a commit that
//! seemed to fail is recognized as done. Commits are chained and carry totals (`chain`), so that a
//! log that lost something is not taken for a smaller table. The library's own checkpoints and
//! cleanup are off: `lifecycle` makes checkpoints, proves them, and archives what comes before
//! them.

mod account;
mod actions;
mod chain;
mod check;
mod checkpoints;
mod copying;
mod lifecycle;
#[cfg(test)]
mod tests;
mod upgrade;

pub use account::Account;
pub use check::{check_archives, check_log};
pub use copying::{LogFileCopy, check_same_history, files_to_copy, prune_log};
pub use lifecycle::{Archived, TableLog, clear_archives};

use super::paths;
use super::segment::Manifest;
use super::store::Store;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::{FIELDS, Timestamp};
use actions::{PARTITION, add, column, remove};
use chain::{LINK, Link, Proof, Tip};
use checkpoints::Checkpoints;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake::kernel::{Action, Add, DataType, PrimitiveType, StructField, Transaction};
use deltalake::operations::create::CreateBuilder;
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::{DeltaTable, DeltaTableBuilder};
use futures::TryStreamExt;
use serde_json::{Value as Json, json};
use std::collections::HashSet;

/// The application id of the `txn` actions of ingest.
const INGEST: &str = "annals/ingest";
/// The application id of the `txn` actions of compaction and retention. Their version is the table
/// version they were made from, so that no two of them can replace the same files.
const MAINTENANCE: &str = "annals/maintenance";
/// A log with this many commits after the last checkpoint is long: an earlier version of annals
/// made no checkpoints.
const LONG_LOG: u64 = 1_000;

/// The open table.
#[derive(Debug)]
pub struct Table {
    table: DeltaTable,
    store: Store,
    /// The newest commit; its account is known.
    tip: Tip,
    doubts: Vec<String>,
}

/// A segment as the table records it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSegment {
    /// The segment's id.
    pub id: String,
    /// The length of its data file, in bytes.
    pub bytes: u64,
}

/// A segment to be added; its files are already durable.
#[derive(Debug)]
pub struct NewSegment<'a> {
    /// What it contains.
    pub manifest: &'a Manifest,
}

impl Table {
    /// Opens the table of a data directory, and creates it if it does not exist and `create` allows
    /// it. Its log is proved first: a log that lost a file, or a part of one, is not opened.
    ///
    /// # Errors
    /// A log that is damaged, naming the file; no table where one is needed.
    pub async fn open(store: &Store, create: bool) -> Result<Self> {
        let folder = store.path(paths::TABLE);
        let shown = folder.display().to_string();
        let context = || format!("the Delta table at {shown}");
        let exists = !store.names(paths::TABLE_LOG)?.is_empty();
        if !exists {
            check::refuse_lost_table(store)?;
            if !create {
                let what = format!(
                    "{shown} has no table yet: its first opening was interrupted; `annals serve` \
                    or `annals ingest` finishes it"
                );
                return Err(Error::new(ErrorKind::NotFound, what));
            }
            // Delta expects the folder of a table to exist.
            super::store::create_root(&folder)?;
            Self::create(&delta_table(store)?).await.context(ErrorKind::Unavailable, context)?;
        }
        let proof = chain::prove(store)?;
        if proof.behind_checkpoint > LONG_LOG {
            let commits = proof.behind_checkpoint;
            tracing::info!(
                commits,
                "the table's log has many commits since its last checkpoint: opening it takes \
                 longer this once"
            );
        }
        let there = chain::listed(store)?.1;
        if create {
            Checkpoints::read(store)?.mend(store, &there)?;
        } else if let Some(gone) = checkpoints::named(store)?.filter(|named| !there.contains(named))
        {
            return Err(Error::corrupt(format!(
                "{} is missing: restore it from a backup, or open the store for writing, which \
                goes on with the checkpoint before it",
                store.path(&paths::table_checkpoint(gone)).display()
            )));
        }
        let mut table = delta_table(store)?;
        table.load().await.context(ErrorKind::Corrupt, context)?;
        let head_behind = proof.head_behind;
        let mut table = Self::proved(store, table, proof).await?;
        if create {
            if head_behind {
                chain::put_head(store, &table.tip)?;
            }
            table.add_new_columns().await?;
        }
        Ok(table)
    }

    /// Compares what a reader of the log computes with what its last commit says.
    async fn proved(store: &Store, table: DeltaTable, proof: Proof) -> Result<Self> {
        let Proof { mut tip, mut doubts, behind_checkpoint, .. } = proof;
        let version = table.version().unwrap_or_default();
        let log = store.path(paths::TABLE_LOG);
        if version != tip.version {
            return Err(Error::corrupt(format!(
                "{} ends with version {}, and is read up to {version} only",
                log.display(),
                tip.version
            )));
        }
        let sealed = match tip.account.as_ref().filter(|_| behind_checkpoint > LONG_LOG) {
            // The library would read every commit again for this number; the chain has it already.
            Some(account) => account.last_seq,
            None => ingested(&table).await?,
        };
        let read = account_of(&table, sealed).await?;
        if let Some(account) = tip.account.as_ref().filter(|account| **account != read) {
            return Err(Error::corrupt(format!(
                "{} gives {} events in {} segments up to number {}, and its last commit says {} in \
                {} up to {}: a checkpoint in it is \
                 damaged or was not made by annals; nothing was changed: restore the folder from a \
                 backup",
                log.display(),
                read.rows,
                read.segments,
                read.last_seq,
                account.rows,
                account.segments,
                account.last_seq
            )));
        }
        if read.rows > read.last_seq {
            doubts.push(format!(
                "the table has {} events, and {} were numbered",
                read.rows, read.last_seq
            ));
        }
        for doubt in &doubts {
            tracing::warn!(
                doubt,
                "the table's log does not add up: no file is removed from the store"
            );
        }
        tip.account = Some(read);
        Ok(Self { table, store: store.clone(), tip, doubts })
    }

    async fn create(table: &DeltaTable) -> deltalake::DeltaResult<DeltaTable> {
        let columns = FIELDS.iter().map(column).chain([StructField::new(
            PARTITION,
            DataType::Primitive(PrimitiveType::Date),
            true,
        )]);
        let never = [("delta.enableExpiredLogCleanup", Some("false"))];
        let link = Link { previous: String::new(), account: Account::default() };
        CreateBuilder::new()
            .with_log_store(table.log_store())
            .with_save_mode(SaveMode::ErrorIfExists)
            .with_table_name("annals events")
            .with_columns(columns)
            .with_partition_columns([PARTITION])
            .with_configuration(
                never.map(|(name, value)| (name.to_owned(), value.map(str::to_owned))),
            )
            .with_commit_properties(linked(&link))
            .await
    }

    /// Returns what the table contains according to its last commit.
    pub fn account(&self) -> Account {
        self.tip.account.clone().unwrap_or_default()
    }

    /// Returns the inconsistencies in the log that are not damage of a file. While there are any,
    /// nothing may be removed.
    pub fn doubts(&self) -> &[String] {
        &self.doubts
    }

    /// Returns the log at this version, for maintenance that does not hold the table.
    pub fn log(&self) -> TableLog {
        TableLog::new(self.store.clone(), self.table.clone(), self.tip.clone(), self.doubts.clone())
    }

    /// Returns the segments that the log says were removed from the table: their files are known to
    /// be replaced or deleted.
    ///
    /// # Errors
    /// A log that cannot be read.
    pub async fn removed(&self) -> Result<HashSet<String>> {
        let context = || "the Delta log".to_owned();
        let state = self.table.snapshot().context(ErrorKind::Corrupt, context)?;
        let log_store = self.table.log_store();
        let removed: Vec<_> = state
            .all_tombstones(log_store.as_ref())
            .try_collect()
            .await
            .context(ErrorKind::Corrupt, context)?;
        Ok(removed
            .iter()
            .filter_map(|removed| paths::segment_of(&removed.path()).map(str::to_owned))
            .collect())
    }

    /// Returns the version of the table.
    pub fn version(&self) -> u64 {
        self.table.version().unwrap_or_default()
    }

    /// Returns the segments of this version.
    ///
    /// # Errors
    /// A log that cannot be read.
    pub async fn segments(&self) -> Result<Vec<TableSegment>> {
        let context = || "the Delta log".to_owned();
        let state = self.table.snapshot().context(ErrorKind::Corrupt, context)?;
        let log_store = self.table.log_store();
        let files: Vec<_> = state
            .snapshot()
            .file_views(log_store.as_ref(), None)
            .try_collect()
            .await
            .context(ErrorKind::Corrupt, context)?;
        let mut segments = Vec::with_capacity(files.len());
        for file in files {
            let path = file.path();
            if let Some(id) = paths::segment_of(&path) {
                segments.push(TableSegment { id: id.to_owned(), bytes: file.size() as u64 });
            }
        }
        segments.sort_unstable_by(|left, right| left.id.cmp(&right.id));
        Ok(segments)
    }

    /// Returns the last committed sequence number; 0 if there is none.
    pub fn last_seq(&self) -> u64 {
        self.tip.account.as_ref().map_or(0, |account| account.last_seq)
    }

    /// Adds the segments of a batch in one commit. When this returns, they are durable and visible.
    ///
    /// # Errors
    /// A disk that fails, or a commit by another process. If the commit actually succeeded, this is
    /// detected and success is returned.
    pub async fn commit(
        &mut self,
        segments: &[NewSegment<'_>],
        last_seq: u64,
        now: Timestamp,
    ) -> Result<u64> {
        let actions =
            segments.iter().map(|segment| Action::Add(add(segment.manifest, now))).collect();
        let added: Vec<&Manifest> = segments.iter().map(|segment| segment.manifest).collect();
        let account = Account { last_seq, ..self.account().after(&[], &added)? };
        let operation = DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: Some(vec![PARTITION.to_owned()]),
            predicate: None,
        };
        let transaction =
            Transaction::new_with_last_update(INGEST, last_seq as i64, Some(now.millis()));
        let properties = self.linked(account).with_application_transaction(transaction);
        match self.write(actions, operation, properties).await? {
            // An error after the commit file was published does not mean that the commit failed.
            Some(error) if self.last_seq() != last_seq => Err(error),
            _ => Ok(self.version()),
        }
    }

    /// Replaces segments by others that hold the same events, in one commit that changes no data.
    ///
    /// # Errors
    /// As [`Table::commit`].
    pub async fn replace(
        &mut self,
        old: &[&Manifest],
        new: &[NewSegment<'_>],
        now: Timestamp,
    ) -> Result<u64> {
        let added =
            new.iter().map(|new| Action::Add(Add { data_change: false, ..add(new.manifest, now) }));
        let actions =
            old.iter().map(|old| Action::Remove(remove(old, false, now))).chain(added).collect();
        let target_size =
            new.iter().map(|new| new.manifest.data.bytes.cast_signed()).max().unwrap_or_default();
        let operation = DeltaOperation::Optimize { predicate: None, target_size };
        let added: Vec<&Manifest> = new.iter().map(|new| new.manifest).collect();
        let properties = self.maintenance(self.account().after(old, &added)?, now);
        match self.write(actions, operation, properties).await? {
            Some(error) => {
                let there: HashSet<String> =
                    self.segments().await?.into_iter().map(|segment| segment.id).collect();
                if new.iter().all(|new| there.contains(&new.manifest.id)) {
                    Ok(self.version())
                } else {
                    Err(error)
                }
            }
            None => Ok(self.version()),
        }
    }

    /// Removes segments and adds those that hold what is left of their events, in one commit.
    ///
    /// # Errors
    /// As [`Table::commit`].
    pub async fn delete(
        &mut self,
        old: &[&Manifest],
        left: &[NewSegment<'_>],
        now: Timestamp,
    ) -> Result<u64> {
        self.allow_deletion().await?;
        let removed = old.iter().map(|old| Action::Remove(remove(old, true, now)));
        let actions =
            removed.chain(left.iter().map(|left| Action::Add(add(left.manifest, now)))).collect();
        let added: Vec<&Manifest> = left.iter().map(|left| left.manifest).collect();
        let properties = self.maintenance(self.account().after(old, &added)?, now);
        match self.write(actions, DeltaOperation::Delete { predicate: None }, properties).await? {
            Some(error)
                if self
                    .segments()
                    .await?
                    .iter()
                    .any(|segment| old.iter().any(|old| old.id == segment.id)) =>
            {
                Err(error)
            }
            _ => Ok(self.version()),
        }
    }

    fn maintenance(&self, account: Account, now: Timestamp) -> CommitProperties {
        let transaction = Transaction::new_with_last_update(
            MAINTENANCE,
            self.version().cast_signed(),
            Some(now.millis()),
        );
        self.linked(account).with_application_transaction(transaction)
    }

    fn linked(&self, account: Account) -> CommitProperties {
        linked(&Link { previous: self.tip.sha256.clone(), account })
    }

    /// Writes a commit and reads the table again. Returns the error of the write, if there was one:
    /// the commit may exist nevertheless.
    async fn write(
        &mut self,
        actions: Vec<Action>,
        operation: DeltaOperation,
        properties: CommitProperties,
    ) -> Result<Option<Error>> {
        let context = || "cannot commit to the Delta table".to_owned();
        let committed = async {
            let state = self.table.snapshot().context(ErrorKind::Corrupt, context)?;
            let build = CommitBuilder::from(properties).with_actions(actions);
            build
                .build(Some(state), self.table.log_store(), operation)
                .await
                .context(ErrorKind::Unavailable, context)
        };
        let failed = committed.await.err();
        self.table.update_state().await.context(ErrorKind::Unavailable, context)?;
        self.follow()?;
        Ok(failed)
    }

    /// Follows the chain to the newest commit, and records that one.
    fn follow(&mut self) -> Result<()> {
        let newest = self.version();
        if newest != self.tip.version {
            chain::follow(&self.store, &mut self.tip, newest)?;
            chain::put_head(&self.store, &self.tip)?;
        }
        Ok(())
    }
}

/// Returns the properties of a commit with its link. The library must not retry it after a commit
/// of another process: the link would be wrong.
fn linked(link: &Link) -> CommitProperties {
    let link: Json = json!(link);
    CommitProperties::default()
        .with_metadata([(LINK.to_owned(), link)])
        .with_max_retries(0)
        .with_create_checkpoint(false)
        .with_cleanup_expired_logs(Some(false))
}

/// Returns the table of a store without reading it.
fn delta_table(store: &Store) -> Result<DeltaTable> {
    let context = || format!("the Delta table at {}", store.path(paths::TABLE).display());
    let url = store.url(paths::TABLE)?;
    let builder =
        DeltaTableBuilder::from_url(url.clone()).context(ErrorKind::Unavailable, context)?;
    builder
        .with_storage_backend(store.object_store(), url)
        .build()
        .context(ErrorKind::Unavailable, context)
}

/// Returns the last sequence number in the `txn` actions of a log.
async fn ingested(table: &DeltaTable) -> Result<u64> {
    let context = || "the Delta log".to_owned();
    let state = table.snapshot().context(ErrorKind::Corrupt, context)?;
    let version = state
        .transaction_version(table.log_store().as_ref(), INGEST)
        .await
        .context(ErrorKind::Corrupt, context)?;
    Ok(version.unwrap_or_default().cast_unsigned())
}

/// Computes what a table contains by reading its log.
async fn account_of(table: &DeltaTable, last_seq: u64) -> Result<Account> {
    let context = || "the Delta log".to_owned();
    let state = table.snapshot().context(ErrorKind::Corrupt, context)?;
    let log_store = table.log_store();
    let files: Vec<_> = state
        .snapshot()
        .file_views(log_store.as_ref(), None)
        .try_collect()
        .await
        .context(ErrorKind::Corrupt, context)?;
    let mut account = Account { last_seq, ..Account::default() };
    for file in files {
        let rows = file.num_records().map(|rows| rows as u64).or_else(|| {
            let stats: Json = serde_json::from_str(&file.stats()?).ok()?;
            stats["numRecords"].as_u64()
        });
        account.add(&file.path(), file.size().cast_unsigned(), rows.unwrap_or_default());
    }
    Ok(account)
}
