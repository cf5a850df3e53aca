//! The Delta Lake table: which segments exist, in one atomic version after another.
//!
//! One commit adds all segments of a batch and carries a `txn` action whose version is the batch's last sequence number:
//! that is where the next batch's numbers start, and how a commit that seemed to fail is recognised as done. The
//! library's own log cleanup is off: the log is evidence, and how long it is kept is not a default's to decide.

use super::paths;
use super::segment::Manifest;
use super::store::Store;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::{FIELDS, FieldDef, Kind, Timestamp};
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake::kernel::{Action, Add, ArrayType, DataType, PrimitiveType, Remove, StructField, Transaction};
use deltalake::operations::create::CreateBuilder;
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::{DeltaTable, DeltaTableBuilder};
use futures::TryStreamExt;
use serde_json::json;
use std::collections::{HashMap, HashSet};

/// The column that the table is partitioned by; its value stands in the file's path, not in the file.
const PARTITION: &str = "date";
/// The application id of the `txn` actions of ingest.
const INGEST: &str = "annals/ingest";
/// The application id of the `txn` actions of compaction and retention; their version is the table version they were made
/// from, so that no two of them can both replace the same files.
const MAINTENANCE: &str = "annals/maintenance";

/// The open table.
#[derive(Debug)]
pub struct Table {
    table: DeltaTable,
}

/// A segment as the table knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSegment {
    /// The segment's id.
    pub id: String,
    /// The length of its data file, bytes.
    pub bytes: u64,
}

/// A segment to be added: its files are durable already.
#[derive(Debug)]
pub struct NewSegment<'a> {
    /// What it holds.
    pub manifest: &'a Manifest,
}

impl Table {
    /// Opens the table of a data directory, and creates it if it is not there and `create` allows it.
    ///
    /// # Errors
    /// A log that cannot be read; no table where one is needed.
    pub async fn open(store: &Store, create: bool) -> Result<Self> {
        let folder = store.path(paths::TABLE);
        let shown = folder.display().to_string();
        let context = || format!("the Delta table at {shown}");
        let exists = !store.names(&format!("{}/_delta_log", paths::TABLE))?.is_empty();
        if !exists {
            refuse_lost_table(store)?;
            if !create {
                let what =
                    format!("{shown} has no table yet: its first opening was interrupted; `annals serve` or `annals ingest` finishes it");
                return Err(Error::new(ErrorKind::NotFound, what));
            }
            // Delta wants the folder of a table to be there.
            super::store::create_root(&folder)?;
        }
        let url = store.url(paths::TABLE)?;
        let builder = DeltaTableBuilder::from_url(url.clone()).context(ErrorKind::Unavailable, context)?;
        let builder = builder.with_storage_backend(store.object_store(), url);
        let mut table = builder.build().context(ErrorKind::Unavailable, context)?;
        if exists || !create {
            table.load().await.context(ErrorKind::Corrupt, context)?;
        } else {
            table = Self::create(&table).await.context(ErrorKind::Unavailable, context)?;
        }
        Ok(Self { table })
    }

    async fn create(table: &DeltaTable) -> deltalake::DeltaResult<DeltaTable> {
        let columns = FIELDS.iter().map(column).chain([StructField::new(PARTITION, DataType::Primitive(PrimitiveType::Date), true)]);
        let never = [("delta.enableExpiredLogCleanup", Some("false"))];
        CreateBuilder::new()
            .with_log_store(table.log_store())
            .with_save_mode(SaveMode::ErrorIfExists)
            .with_table_name("annals events")
            .with_columns(columns)
            .with_partition_columns([PARTITION])
            .with_configuration(never.map(|(name, value)| (name.to_owned(), value.map(str::to_owned))))
            .with_commit_properties(CommitProperties::default().with_cleanup_expired_logs(Some(false)))
            .await
    }

    /// The version of the table.
    pub fn version(&self) -> u64 {
        self.table.version().unwrap_or_default()
    }

    /// The segments of this version.
    ///
    /// # Errors
    /// A log that cannot be read.
    pub async fn segments(&self) -> Result<Vec<TableSegment>> {
        let context = || "the Delta log".to_owned();
        let state = self.table.snapshot().context(ErrorKind::Corrupt, context)?;
        let log_store = self.table.log_store();
        let files: Vec<_> =
            state.snapshot().file_views(log_store.as_ref(), None).try_collect().await.context(ErrorKind::Corrupt, context)?;
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

    /// The last sequence number that is committed; 0 when there is none.
    ///
    /// # Errors
    /// A log that cannot be read.
    pub async fn last_seq(&self) -> Result<u64> {
        let context = || "the Delta log".to_owned();
        let state = self.table.snapshot().context(ErrorKind::Corrupt, context)?;
        let version = state.transaction_version(self.table.log_store().as_ref(), INGEST).await.context(ErrorKind::Corrupt, context)?;
        Ok(version.unwrap_or_default() as u64)
    }

    /// Adds the segments of a batch in one commit. When this returns, they are durable and visible.
    ///
    /// # Errors
    /// A disk that fails, or a commit by another process. If the commit had in fact succeeded, this finds out and
    /// returns success.
    pub async fn commit(&mut self, segments: &[NewSegment<'_>], last_seq: u64, now: Timestamp) -> Result<u64> {
        let actions = segments.iter().map(|segment| Action::Add(add(segment.manifest, now))).collect();
        let operation = DeltaOperation::Write { mode: SaveMode::Append, partition_by: Some(vec![PARTITION.to_owned()]), predicate: None };
        let properties = CommitProperties::default()
            .with_application_transaction(Transaction::new_with_last_update(INGEST, last_seq as i64, Some(now.millis())))
            .with_cleanup_expired_logs(Some(false));
        match self.write(actions, operation, properties).await? {
            // An error after the commit file was published is not a failed commit.
            Some(error) if self.last_seq().await? != last_seq => Err(error),
            _ => Ok(self.version()),
        }
    }

    /// Puts segments in the place of others that hold the same events, in one commit that changes no data.
    ///
    /// # Errors
    /// As [`Table::commit`].
    pub async fn replace(&mut self, old: &[&Manifest], new: &[NewSegment<'_>], now: Timestamp) -> Result<u64> {
        let added = new.iter().map(|new| Action::Add(Add { data_change: false, ..add(new.manifest, now) }));
        let actions = old.iter().map(|old| Action::Remove(remove(old, false, now))).chain(added).collect();
        let target_size = new.iter().map(|new| new.manifest.data.bytes.cast_signed()).max().unwrap_or_default();
        let operation = DeltaOperation::Optimize { predicate: None, target_size };
        let properties = self.maintenance(now);
        match self.write(actions, operation, properties).await? {
            Some(error) => {
                let there: HashSet<String> = self.segments().await?.into_iter().map(|segment| segment.id).collect();
                if new.iter().all(|new| there.contains(&new.manifest.id)) { Ok(self.version()) } else { Err(error) }
            }
            None => Ok(self.version()),
        }
    }

    /// Takes segments out, and puts in those that hold what is left of their events, in one commit.
    ///
    /// # Errors
    /// As [`Table::commit`].
    pub async fn delete(&mut self, old: &[&Manifest], left: &[NewSegment<'_>], now: Timestamp) -> Result<u64> {
        self.allow_deletion().await?;
        let removed = old.iter().map(|old| Action::Remove(remove(old, true, now)));
        let actions = removed.chain(left.iter().map(|left| Action::Add(add(left.manifest, now)))).collect();
        let properties = self.maintenance(now);
        match self.write(actions, DeltaOperation::Delete { predicate: None }, properties).await? {
            Some(error) if self.segments().await?.iter().any(|segment| old.iter().any(|old| old.id == segment.id)) => Err(error),
            _ => Ok(self.version()),
        }
    }

    /// Tables that were made before there was retention say that nothing may be removed from them.
    async fn allow_deletion(&mut self) -> Result<()> {
        let context = || "the Delta table".to_owned();
        if !self.table.snapshot().context(ErrorKind::Corrupt, context)?.table_config().append_only.unwrap_or(false) {
            return Ok(());
        }
        let properties = HashMap::from([("delta.appendOnly".to_owned(), "false".to_owned())]);
        let changed = self.table.clone().set_tbl_properties().with_properties(properties);
        let changed = changed.with_commit_properties(CommitProperties::default().with_cleanup_expired_logs(Some(false)));
        self.table = changed.await.context(ErrorKind::Unavailable, context)?;
        Ok(())
    }

    fn maintenance(&self, now: Timestamp) -> CommitProperties {
        let transaction = Transaction::new_with_last_update(MAINTENANCE, self.version().cast_signed(), Some(now.millis()));
        CommitProperties::default().with_application_transaction(transaction).with_cleanup_expired_logs(Some(false))
    }

    /// Writes a commit and reads the table anew. Returns the error of the write, if it had one: the commit may be there.
    async fn write(&mut self, actions: Vec<Action>, operation: DeltaOperation, properties: CommitProperties) -> Result<Option<Error>> {
        let context = || "cannot commit to the Delta table".to_owned();
        let committed = async {
            let state = self.table.snapshot().context(ErrorKind::Corrupt, context)?;
            let build = CommitBuilder::from(properties).with_actions(actions);
            build.build(Some(state), self.table.log_store(), operation).await.context(ErrorKind::Unavailable, context)
        };
        let failed = committed.await.err();
        self.table.update_state().await.context(ErrorKind::Unavailable, context)?;
        Ok(failed)
    }
}

/// A table is made only where nothing says that there was one.
fn refuse_lost_table(store: &Store) -> Result<()> {
    let left = |folder: &str| store.names(folder).map(|names| !names.is_empty());
    let parts = store.names(paths::TABLE)?.into_iter().any(|name| name != "_delta_log");
    if parts || left(paths::LOG)? {
        let what = format!(
            "{} holds events and its Delta log is missing: restore {}/_delta_log from a copy; a new table is not made over it",
            store.path("").display(),
            paths::TABLE
        );
        return Err(Error::corrupt(what));
    }
    Ok(())
}

fn column(def: &FieldDef) -> StructField {
    let primitive = |primitive: PrimitiveType| DataType::Primitive(primitive);
    let kind = match def.kind {
        Kind::Text | Kind::Enum(_) => primitive(PrimitiveType::String),
        Kind::Bool => primitive(PrimitiveType::Boolean),
        Kind::Time => primitive(PrimitiveType::Timestamp),
        Kind::Integer => primitive(PrimitiveType::Long),
        Kind::Decimal => primitive(
            PrimitiveType::decimal(crate::event::AMOUNT_PRECISION, crate::event::AMOUNT_SCALE as u8)
                .expect("the constants are a decimal type"),
        ),
        Kind::List => DataType::Array(Box::new(ArrayType::new(primitive(PrimitiveType::String), false))),
    };
    StructField::new(def.name, kind, !def.is_required())
}

fn remove(manifest: &Manifest, data_change: bool, now: Timestamp) -> Remove {
    Remove {
        path: paths::data_in_table(&manifest.date, &manifest.id),
        data_change,
        deletion_timestamp: Some(now.millis()),
        extended_file_metadata: Some(true),
        partition_values: Some(HashMap::from([(PARTITION.to_owned(), Some(manifest.date.clone()))])),
        size: Some(manifest.data.bytes as i64),
        ..Remove::default()
    }
}

fn add(manifest: &Manifest, now: Timestamp) -> Add {
    let newest = manifest.tenants.iter().map(|rows| rows.newest()).max().unwrap_or_default();
    let oldest = manifest.tenants.iter().map(|rows| rows.oldest()).min().unwrap_or_default();
    let tenant = |rows: Option<&super::segment::TenantRows>| rows.map_or_else(String::new, |rows| rows.tenant.to_string());
    let stats = json!({
        "numRecords": manifest.rows,
        "minValues": { "tenant": tenant(manifest.tenants.first()), "seq": manifest.first_seq, "time": oldest.to_string() },
        "maxValues": { "tenant": tenant(manifest.tenants.last()), "seq": manifest.last_seq, "time": newest.to_string() },
        "nullCount": { "tenant": 0, "seq": 0, "time": 0 },
    });
    let tags = [("annals.segment", manifest.id.clone()), ("annals.sha256", manifest.data.sha256.clone())];
    Add {
        path: paths::data_in_table(&manifest.date, &manifest.id),
        partition_values: HashMap::from([(PARTITION.to_owned(), Some(manifest.date.clone()))]),
        size: manifest.data.bytes as i64,
        modification_time: now.millis(),
        data_change: true,
        stats: Some(stats.to_string()),
        tags: Some(tags.map(|(name, value)| (name.to_owned(), Some(value))).into()),
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
        clustering_provider: None,
    }
}
