//! Reads segments: rows by number out of the Parquet file, everything else out of the index.

use super::index::IndexReader;
use super::manifest::{FileMark, Manifest};
use super::writer::write_index;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::{Columns, Event, EventKey, Field};
use crate::storage::paths;
use crate::storage::store::{PutMode, Store};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::reader::{ChunkReader, Length};
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Rows decoded at a time.
const READ_ROWS: usize = 8_192;

/// A segment that can be read. Its files are opened when they are first needed, and stay open.
#[derive(Debug)]
pub struct Segment {
    manifest: Manifest,
    store: Store,
    index: OnceLock<IndexReader>,
    data: OnceLock<(PositionedFile, ArrowReaderMetadata)>,
}

/// What [`Segment::check`] found wrong, one line each.
pub type Findings = Vec<String>;

impl Segment {
    /// The segment with this id; only its manifest is read.
    ///
    /// # Errors
    /// A manifest that is missing or damaged.
    pub fn open(store: &Store, id: &str) -> Result<Self> {
        let path = paths::manifest(id);
        let manifest = Manifest::decode(&store.read(&path)?).map_err(|error| error.at(store.path(&path).display()))?;
        Ok(Self::new(store, manifest))
    }

    /// The segment of a manifest that is at hand.
    pub fn new(store: &Store, manifest: Manifest) -> Self {
        Self { manifest, store: store.clone(), index: OnceLock::new(), data: OnceLock::new() }
    }

    /// What the segment holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The path of the Parquet file.
    pub fn data_path(&self) -> PathBuf {
        self.store.path(&paths::data(&self.manifest.date, &self.manifest.id))
    }

    /// The path of the index file.
    pub fn index_path(&self) -> PathBuf {
        self.store.path(&paths::index(&self.manifest.id))
    }

    /// The index.
    ///
    /// # Errors
    /// An index that is missing, damaged, or not of this segment.
    pub fn index(&self) -> Result<&IndexReader> {
        if let Some(index) = self.index.get() {
            return Ok(index);
        }
        let index = IndexReader::open(&self.index_path())?;
        if index.rows() != self.manifest.rows {
            let what = format!("{} has {} rows, its segment {}", self.index_path().display(), index.rows(), self.manifest.rows);
            return Err(Error::corrupt(what));
        }
        Ok(self.index.get_or_init(|| index))
    }

    /// The Parquet file's footer and page index.
    ///
    /// # Errors
    /// A file that is missing or damaged.
    pub fn metadata(&self) -> Result<&ArrowReaderMetadata> {
        Ok(&self.data()?.1)
    }

    fn data(&self) -> Result<&(PositionedFile, ArrowReaderMetadata)> {
        if let Some(data) = self.data.get() {
            return Ok(data);
        }
        let path = self.data_path();
        let file = PositionedFile::open(&path)?;
        if file.length != self.manifest.data.bytes {
            let what = format!("{} has {} bytes instead of {}", path.display(), file.length, self.manifest.data.bytes);
            return Err(Error::corrupt(what));
        }
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
        let metadata = ArrowReaderMetadata::load(&file, options).context(ErrorKind::Corrupt, || path.display().to_string())?;
        Ok(self.data.get_or_init(|| (file, metadata)))
    }

    /// The first row of `range` (rows of one tenant) that comes after `key` in the list, `key` itself included or not.
    ///
    /// # Errors
    /// An index that cannot be read.
    pub fn seek(&self, range: &Range<u32>, key: EventKey, inclusive: bool) -> Result<u32> {
        let index = self.index()?;
        let (mut low, mut high) = (range.start, range.end);
        while low < high {
            let middle = u32::midpoint(low, high);
            let here = index.key(middle);
            // Rows descend: those with a greater key come before it.
            if here > key || (!inclusive && here == key) { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// Reads some fields of some rows, which must ascend, in batches of columns. Adds to `bytes` those read from the file.
    ///
    /// # Errors
    /// A file that is missing or damaged.
    pub fn read(&self, rows: &[u32], fields: &[Field], bytes: &mut u64) -> Result<Vec<Columns>> {
        self.read_selection(select(rows, self.manifest.rows), fields, bytes)
    }

    /// As [`Segment::read`], for a range of rows.
    ///
    /// # Errors
    /// A file that is missing or damaged.
    pub fn read_range(&self, rows: Range<u32>, fields: &[Field], bytes: &mut u64) -> Result<Vec<Columns>> {
        let selection = vec![RowSelector::skip(rows.start as usize), RowSelector::select(rows.len())];
        self.read_selection(RowSelection::from(selection), fields, bytes)
    }

    fn read_selection(&self, selection: RowSelection, fields: &[Field], bytes: &mut u64) -> Result<Vec<Columns>> {
        let path = || self.data_path().display().to_string();
        let mut batches = Vec::new();
        let (reader, counter) = self.reader(Some(selection), fields)?;
        for batch in reader {
            let batch = batch.context(ErrorKind::Corrupt, path)?;
            batches.push(Columns::new(&batch)?);
        }
        *bytes += counter.load(Ordering::Relaxed);
        Ok(batches)
    }

    /// A reader of some fields of some rows, and the count of the bytes that it has read so far.
    fn reader(&self, selection: Option<RowSelection>, fields: &[Field]) -> Result<(ParquetRecordBatchReader, Arc<AtomicU64>)> {
        let (file, metadata) = self.data()?;
        let file = PositionedFile { counter: Arc::default(), ..file.clone() };
        let counter = Arc::clone(&file.counter);
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone()).with_batch_size(READ_ROWS);
        let mask = ProjectionMask::roots(builder.parquet_schema(), fields.iter().map(|field| *field as usize));
        builder = builder.with_projection(mask);
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        Ok((builder.build().context(ErrorKind::Corrupt, || self.data_path().display().to_string())?, counter))
    }

    /// Makes the index anew from the Parquet file, and the manifest with it.
    ///
    /// # Errors
    /// A Parquet file that is damaged, or a disk that fails.
    pub fn rebuild_index(&self) -> Result<Manifest> {
        let fields: Vec<Field> = crate::event::FIELDS.iter().map(|def| def.field).collect();
        let mut events: Vec<Event> = Vec::with_capacity(self.manifest.rows as usize);
        for batch in self.reader(None, &fields)?.0 {
            let batch = batch.context(ErrorKind::Corrupt, || self.data_path().display().to_string())?;
            let columns = Columns::new(&batch)?;
            events.extend((0..columns.rows()).map(|row| columns.event(row)));
        }
        let index = write_index(&events)?;
        let manifest = Manifest { index: FileMark::of(&index), ..self.manifest.clone() };
        self.store.put(&paths::index(&manifest.id), &index, PutMode::Replace)?;
        self.store.put(&paths::manifest(&manifest.id), &manifest.encode(), PutMode::Replace)?;
        Ok(manifest)
    }

    /// Reads every byte and compares it with the hashes in the manifest. Returns what is wrong with the data, and what
    /// with the index.
    ///
    /// # Errors
    /// A disk that fails; damage is a finding, not an error.
    pub fn check(&self) -> Result<(Findings, Findings)> {
        let mut data = self.check_file(&self.data_path(), &paths::data(&self.manifest.date, &self.manifest.id), &self.manifest.data)?;
        if !data.is_empty() {
            data.extend(self.damaged_chunks());
        }
        let mut index = self.check_file(&self.index_path(), &paths::index(&self.manifest.id), &self.manifest.index)?;
        if index.is_empty() {
            index.extend(self.index().err().map(|error| error.to_string()));
        }
        Ok((data, index))
    }

    fn check_file(&self, shown: &Path, path: &str, mark: &FileMark) -> Result<Findings> {
        let bytes = match self.store.read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![format!("{} is missing", shown.display())]),
            Err(error) => return Err(error),
        };
        let found = FileMark::of(&bytes);
        if found == *mark {
            return Ok(Vec::new());
        }
        let what = if found.bytes == mark.bytes {
            "SHA-256 differs".to_owned()
        } else {
            format!("{} bytes instead of {}", found.bytes, mark.bytes)
        };
        Ok(vec![format!("{} is damaged: {what}", shown.display())])
    }

    /// Which column chunks the damage lies in, as far as the footer still tells where they are.
    fn damaged_chunks(&self) -> Findings {
        let Ok((file, metadata)) = self.data() else { return Vec::new() };
        let mut findings = Vec::new();
        for (number, (group, marks)) in metadata.metadata().row_groups().iter().zip(&self.manifest.chunks).enumerate() {
            for (column, mark) in group.columns().iter().zip(marks) {
                let (offset, length) = column.byte_range();
                let same = file.get_bytes(offset, length as usize).is_ok_and(|bytes| crc32c::crc32c(&bytes) == *mark);
                if !same {
                    let name = column.column_path().string();
                    findings.push(format!("{}: row group {number}, column {name} is damaged", self.data_path().display()));
                }
            }
        }
        findings
    }
}

fn select(rows: &[u32], total: u32) -> RowSelection {
    let ranges = rows.chunk_by(|left, right| left + 1 == *right).map(|run| run[0] as usize..run[run.len() - 1] as usize + 1);
    RowSelection::from_consecutive_ranges(ranges, total as usize)
}

/// A file that several threads read at their own places.
#[derive(Debug, Clone)]
struct PositionedFile {
    file: Arc<File>,
    length: u64,
    /// Bytes read so far.
    counter: Arc<AtomicU64>,
}

impl PositionedFile {
    fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|cause| Error::io(path.display(), cause))?;
        let length = file.metadata().map_err(|cause| Error::io(path.display(), cause))?.len();
        Ok(Self { file: Arc::new(file), length, counter: Arc::default() })
    }
}

impl Length for PositionedFile {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for PositionedFile {
    type T = Box<dyn Read + Send>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(Box::new(io::BufReader::new(PositionedRead { file: self.clone(), place: start })))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        self.counter.fetch_add(length as u64, Ordering::Relaxed);
        Ok(Bytes::from(bytes))
    }
}

/// A reader with a place of its own.
#[derive(Debug)]
struct PositionedRead {
    file: PositionedFile,
    place: u64,
}

impl Read for PositionedRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.file.read_at(buffer, self.place)?;
        self.file.counter.fetch_add(count as u64, Ordering::Relaxed);
        self.place += count as u64;
        Ok(count)
    }
}
