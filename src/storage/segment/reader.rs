//! Reads segments: rows by number from the Parquet file, everything else from the index.

use super::damage::{Damage, Health};
use super::manifest::{Manifest, TenantRows};
use super::summary::SummaryRule;
use super::writer::write_index;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::{Columns, EventKey, FIELDS, Field};
use crate::storage::files::PutMode;
use crate::storage::paths;
use crate::storage::segment::cache::open_parts::{LazyPart, Opened};
use crate::storage::segment::data::added_columns::{ColumnPlan, lacking};
use crate::storage::segment::data::record_pages::RecordReader;
use crate::storage::segment::file::checksums::FileMark;
use crate::storage::segment::file::positioned::PositionedFile;
use crate::storage::segment::index::reader::IndexReader;
use crate::storage::segment::index::row_keys::{LoadedKeys, RowKeys};
use crate::storage::store::Store;
use arrow::array::RecordBatch;
use hashbrown::HashMap;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
    RowSelector,
};
use parquet::file::metadata::PageIndexPolicy;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Maximum number of rows decoded at a time…
const READ_ROWS: u64 = 8_192;
/// …of rows with all columns, whose memory grows while they are read…
const WHOLE_ROWS: u64 = 1_024;
/// …and the bytes that records of average length may have together: the texts of a batch must stay
/// below 2 GiB, however long the longest records are and wherever they are.
const READ_BYTES: u64 = 16 << 20;

/// Pages are cached for up to this many records; a caller that reads more does not come back to
/// them soon.
const KEPT_ROWS: usize = 512;

/// A segment that can be read. Its files are opened when they are first needed, and stay open
/// within the store's budget.
#[derive(Debug)]
pub struct Segment {
    pub(super) manifest: Manifest,
    pub(super) store: Store,
    pub(super) index: Arc<LazyPart<IndexReader>>,
    /// The keys of the rows, used if the index is damaged.
    keys: Arc<LazyPart<LoadedKeys>>,
    pub(super) health: Arc<Health>,
    /// The index of each tenant in the manifest.
    tenants: OnceLock<HashMap<Box<str>, u32>>,
    pub(super) data: Arc<LazyPart<DataFile>>,
    serial: Arc<u32>,
}

/// An open Parquet file: its footer and its page index.
#[derive(Debug)]
pub struct DataFile {
    file: PositionedFile,
    metadata: ArrowReaderMetadata,
    opened: Arc<Opened>,
    /// The serial number of the segment.
    serial: u32,
}

/// The memory that an open index takes besides the checksums of its blocks: readers of twenty
/// dictionaries and the names of their parts (measured on a store of 121 segments).
const INDEX_BYTES: u64 = 32 << 10;

impl Segment {
    /// Opens the segment with this id; only its manifest is read.
    ///
    /// # Errors
    /// A manifest that is missing or damaged.
    pub fn open(store: &Store, id: &str) -> Result<Self> {
        let path = paths::manifest(id);
        let manifest = Manifest::decode(&store.read(&path)?)
            .map_err(|error| error.at(store.path(&path).display()))?;
        Ok(Self::new(store, manifest))
    }

    /// Creates the segment of a manifest that is already loaded.
    pub fn new(store: &Store, manifest: Manifest) -> Self {
        let opened = store.opened();
        Self {
            health: Health::sound(),
            manifest,
            store: store.clone(),
            index: LazyPart::new(opened),
            keys: LazyPart::new(opened),
            tenants: OnceLock::new(),
            data: LazyPart::new(opened),
            serial: Arc::new(opened.new_serial()),
        }
    }

    /// Returns a number that no other segment of the store has, for caches of the segment's
    /// contents; it is dropped when the segment is.
    pub fn serial(&self) -> &Arc<u32> {
        &self.serial
    }

    /// Returns what the segment contains.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns the rows of a tenant, if it has any here. Every question asks every segment for
    /// them.
    pub fn tenant(&self, tenant: &str) -> Option<&TenantRows> {
        let tenants = &self.manifest.tenants;
        let positions = self.tenants.get_or_init(|| {
            tenants
                .iter()
                .zip(0..)
                .map(|(rows, position)| (rows.tenant.clone(), position))
                .collect()
        });
        positions.get(tenant).map(|position| &tenants[*position as usize])
    }

    /// Returns the path of the Parquet file.
    pub fn data_path(&self) -> PathBuf {
        self.store.path(&paths::data(&self.manifest.date, &self.manifest.id))
    }

    /// Returns the path of the index file.
    pub fn index_path(&self) -> PathBuf {
        self.store.path(&paths::index(&self.manifest.id))
    }

    /// Returns the index.
    ///
    /// # Errors
    /// An index that is missing, damaged, of another version, or does not belong to this segment.
    pub fn index(&self) -> Result<Arc<IndexReader>> {
        self.index.get(|| {
            if self.manifest.version != Manifest::VERSION {
                let what = format!(
                    "{} was written by an earlier version; it is rebuilt in the background",
                    self.index_path().display()
                );
                return Err(Error::new(ErrorKind::Version, what));
            }
            let index = IndexReader::open(&self.index_path(), &self.manifest.index, &self.health)?;
            if index.rows() != self.manifest.rows {
                let what = format!(
                    "{} has {} rows, its segment {}",
                    self.index_path().display(),
                    index.rows(),
                    self.manifest.rows
                );
                return Err(Error::corrupt(what));
            }
            Ok((index, INDEX_BYTES + self.manifest.index.blocks.len() as u64))
        })
    }

    /// Returns the index unless it is damaged or of an earlier version, in which case the Parquet
    /// file must be read.
    ///
    /// # Errors
    /// The system refuses to open the file.
    pub fn sound_index(&self) -> Result<Option<Arc<IndexReader>>> {
        if self.index_is_unusable() {
            return Ok(None);
        }
        match self.index() {
            Ok(index) => Ok(Some(index)),
            Err(error) if error.kind() == ErrorKind::Version => {
                self.health.outdate_index();
                Ok(None)
            }
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound) => {
                self.health.damage_index(&error.to_string());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns whether the index was found damaged or outdated, so that it is not used.
    pub fn index_is_unusable(&self) -> bool {
        self.health.index_is_unusable()
    }

    /// Returns the damage found in the files, if any.
    pub fn damage(&self) -> Option<Damage> {
        self.health.damage()
    }

    /// Returns whether the Parquet file was found missing or damaged.
    pub fn data_is_damaged(&self) -> bool {
        self.health.data_is_damaged()
    }

    /// Returns the keys of the rows, which order them in their tenants' lists.
    ///
    /// # Errors
    /// An index that is damaged together with the Parquet file.
    pub fn row_keys(&self) -> Result<RowKeys> {
        match self.sound_index()? {
            Some(index) => Ok(RowKeys::Index(index)),
            None => self.keys.get(|| self.load_keys()).map(RowKeys::Columns),
        }
    }

    /// Returns the Parquet file's footer and page index.
    ///
    /// # Errors
    /// A file that is missing or damaged.
    pub fn metadata(&self) -> Result<ArrowReaderMetadata> {
        Ok(self.data()?.metadata.clone())
    }

    /// Returns the Parquet file, whose bytes are verified as they are read.
    ///
    /// # Errors
    /// A file that is missing or damaged.
    pub fn file(&self) -> Result<PositionedFile> {
        Ok(self.data()?.file())
    }

    /// Returns the open Parquet file.
    ///
    /// # Errors
    /// A file that is missing or damaged.
    pub fn data(&self) -> Result<Arc<DataFile>> {
        let opened = self.data.get(|| {
            let path = self.data_path();
            let file = PositionedFile::open(&path, &self.manifest.data, &self.health)?;
            if file.length != self.manifest.data.bytes {
                let what = format!(
                    "{} has {} bytes instead of {}",
                    path.display(),
                    file.length,
                    self.manifest.data.bytes
                );
                return Err(Error::corrupt(what));
            }
            let options =
                ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
            let metadata = ArrowReaderMetadata::load(&file, options)
                .context(ErrorKind::Corrupt, || path.display().to_string())?;
            let bytes =
                (metadata.metadata().memory_size() + self.manifest.data.blocks.len()) as u64;
            Ok((
                DataFile {
                    file,
                    metadata,
                    opened: Arc::clone(self.store.opened()),
                    serial: *self.serial,
                },
                bytes,
            ))
        });
        opened.inspect_err(|error| self.doubt_data(error))
    }

    /// Returns whether the Parquet file lacks the column of one of these fields, because the
    /// version that wrote it did not have the field. Readers of ours get it nevertheless.
    ///
    /// # Errors
    /// A file that is missing or damaged.
    pub fn lacks(&self, fields: &[Field]) -> Result<bool> {
        let data = self.data()?;
        Ok(!lacking(data.metadata.parquet_schema(), fields).is_empty())
    }

    /// Records that the Parquet file is damaged, if that is what a read error means.
    fn doubt_data(&self, error: &Error) {
        if error.kind() == ErrorKind::Corrupt {
            self.health.damage_data(&error.to_string());
        }
    }

    /// Returns the first row of `range` (rows of one tenant) that comes after `key` in the list,
    /// with `key` itself included or not.
    ///
    /// # Errors
    /// An index that cannot be read.
    pub fn seek(&self, range: &Range<u32>, key: EventKey, inclusive: bool) -> Result<u32> {
        Ok(self.row_keys()?.seek(range, key, inclusive))
    }

    /// Reads some fields of some rows, which must ascend, in batches of columns. Adds the bytes
    /// read from the file to `bytes`.
    ///
    /// # Errors
    /// A file that is missing or damaged.
    pub fn read(&self, rows: &[u32], fields: &[Field], bytes: &mut u64) -> Result<Vec<Columns>> {
        let mut batches = Vec::new();
        self.visit(rows, fields, bytes, |columns| {
            batches.push(columns);
            Ok(())
        })?;
        Ok(batches)
    }

    /// Calls `take` with some fields of some rows, which must ascend, in batches of columns; stops
    /// if `take` fails. Adds the bytes read from the file to `bytes`.
    ///
    /// # Errors
    /// A file that is missing or damaged, or the error of `take`.
    pub fn visit(
        &self,
        rows: &[u32],
        fields: &[Field],
        bytes: &mut u64,
        take: impl FnMut(Columns) -> Result<()>,
    ) -> Result<()> {
        self.visit_selection(select(rows, self.manifest.rows), fields, bytes, take)
    }

    /// As [`Segment::visit`], for a range of rows.
    ///
    /// # Errors
    /// As [`Segment::visit`].
    pub fn visit_range(
        &self,
        rows: Range<u32>,
        fields: &[Field],
        take: impl FnMut(Columns) -> Result<()>,
    ) -> Result<()> {
        let selection =
            vec![RowSelector::skip(rows.start as usize), RowSelector::select(rows.len())];
        self.visit_selection(RowSelection::from(selection), fields, &mut 0, take)
    }

    /// Reads all columns of a range of rows.
    ///
    /// # Errors
    /// A file that is missing or damaged.
    pub fn read_batches(&self, rows: Range<u32>) -> Result<Vec<RecordBatch>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let fields: Vec<Field> = FIELDS.iter().map(|def| def.field).collect();
        let selection = RowSelection::from(vec![
            RowSelector::skip(rows.start as usize),
            RowSelector::select(rows.len()),
        ]);
        let (reader, _) = self.reader(selection, &fields, WHOLE_ROWS)?;
        let batches = reader.collect::<Result<Vec<RecordBatch>>>()?;
        match batches.iter().map(RecordBatch::num_rows).sum::<usize>() {
            read if read == rows.len() => Ok(batches),
            read => Err(Error::corrupt(format!(
                "{} has {read} of the rows {rows:?}",
                self.data_path().display()
            ))),
        }
    }

    fn visit_selection(
        &self,
        selection: RowSelection,
        fields: &[Field],
        bytes: &mut u64,
        mut take: impl FnMut(Columns) -> Result<()>,
    ) -> Result<()> {
        let (reader, counter) = self.reader(selection, fields, READ_ROWS)?;
        for batch in reader {
            take(Columns::new(&batch?)?)?;
        }
        *bytes += counter.load(Ordering::Relaxed);
        Ok(())
    }

    /// Creates a reader of some fields of some rows, at most `most` at a time, and a counter of the
    /// bytes that it has read so far.
    fn reader(
        &self,
        selection: RowSelection,
        fields: &[Field],
        most: u64,
    ) -> Result<(impl Iterator<Item = Result<RecordBatch>>, Arc<AtomicU64>)> {
        let data = self.data()?;
        let file = data.file();
        let counter = Arc::clone(&file.counter);
        let record = self.manifest.record_bytes / u64::from(self.manifest.rows.max(1));
        let rows = (READ_BYTES / record.max(1)).clamp(16, most) as usize;
        let builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, data.metadata.clone());
        let plan = ColumnPlan::new(builder.parquet_schema(), fields);
        let builder = builder
            .with_projection(plan.mask.clone())
            .with_row_selection(selection)
            .with_batch_size(rows);
        let path = || self.data_path().display().to_string();
        let batches = builder.build().context(ErrorKind::Corrupt, path)?.map(move |batch| {
            let batch = batch.context(ErrorKind::Corrupt, path);
            plan.complete(batch.inspect_err(|error| self.doubt_data(error))?)
        });
        Ok((batches, counter))
    }

    /// Rebuilds the index from the Parquet file, and the manifest with it.
    ///
    /// # Errors
    /// A Parquet file that is damaged, or a disk that fails.
    pub fn rebuild_index(&self) -> Result<Manifest> {
        let (index, contents) =
            write_index(&self.read_batches(0..self.manifest.rows)?, SummaryRule::default())?;
        let manifest = Manifest {
            version: Manifest::VERSION,
            index: FileMark::of(&index),
            record_bytes: contents.record_bytes,
            ..self.manifest.clone()
        };
        self.store.put(&paths::index(&manifest.id), &index, PutMode::Replace)?;
        self.store.put(&paths::manifest(&manifest.id), &manifest.encode(), PutMode::Replace)?;
        Ok(manifest)
    }
}

impl DataFile {
    fn file(&self) -> PositionedFile {
        self.file.counted_apart()
    }

    /// Creates a reader of `rows` records by row; returns `None` if the file does not have the
    /// format that it reads. If there are few records, their pages are cached.
    ///
    /// # Errors
    /// None that input can cause.
    pub fn records(&self, rows: usize) -> Result<Option<RecordReader<'_>>> {
        let keep = (rows <= KEPT_ROWS).then_some(self.serial);
        RecordReader::open(&self.file, &self.metadata, &self.opened, keep)
    }
}

fn select(rows: &[u32], total: u32) -> RowSelection {
    let ranges = rows
        .chunk_by(|left, right| left + 1 == *right)
        .map(|run| run[0] as usize..run[run.len() - 1] as usize + 1);
    RowSelection::from_consecutive_ranges(ranges, total as usize)
}
