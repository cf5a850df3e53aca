//! Reads records out of the data file by row, one data page at a time: a list page needs only a few
//! records of a segment, and setting up a reader of columns costs more than unpacking the page that
//! holds them.
//!
//! The record column is always written the same way: data pages of version 1, compressed with zstd,
//! values as length and bytes, none absent. Parquet's page index gives the offset of each page; the
//! header of a page is a Thrift structure in the compact protocol (parquet-format, `PageHeader`),
//! of which the type, the two sizes and the encoding are read.

use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::Field;
use crate::storage::segment::cache::open_parts::Opened;
use crate::storage::segment::cache::pages::RecordPage;
use crate::storage::segment::cache::scratch::PageScratch;
use crate::storage::segment::file::leb128;
use crate::storage::segment::file::positioned::PositionedFile;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::basic::Compression;
use parquet::file::page_index::offset_index::PageLocation;
use std::ops::Range;
use std::sync::Arc;

/// Pages above this unpacked size are treated as damaged: a page holds about 48 KiB, or one record
/// of at most a MiB.
const PAGE_BYTES_MAX: usize = 64 << 20;

/// Reads the records of one segment.
pub struct RecordReader<'a> {
    file: &'a PositionedFile,
    groups: Vec<RowGroupPages<'a>>,
    /// The rows of the page that was read last.
    rows: Range<u32>,
    scratch: PageScratch,
    /// That page, if it is shared.
    shared: Option<Arc<RecordPage>>,
    /// The cache of pages.
    opened: &'a Opened,
    /// The serial number of the segment, if its pages are cached.
    keep: Option<u32>,
    bytes_read: u64,
}

impl Drop for RecordReader<'_> {
    fn drop(&mut self) {
        self.opened.keep_scratch(std::mem::take(&mut self.scratch));
    }
}

/// The pages of a row group.
#[derive(Debug)]
struct RowGroupPages<'a> {
    rows: Range<u32>,
    pages: &'a [PageLocation],
}

impl std::fmt::Debug for RecordReader<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Records").field("groups", &self.groups).finish_non_exhaustive()
    }
}

fn damaged(what: &str) -> Error {
    Error::corrupt(format!("a page of records cannot be read: {what}"))
}

impl<'a> RecordReader<'a> {
    /// Opens a reader of a file; returns `None` if its record column is written in another way.
    ///
    /// # Errors
    /// None that input can cause.
    pub(in crate::storage::segment) fn open(
        file: &'a PositionedFile,
        metadata: &'a ArrowReaderMetadata,
        opened: &'a Opened,
        keep: Option<u32>,
    ) -> Result<Option<Self>> {
        let metadata = metadata.metadata();
        let Some(index) = metadata.offset_index() else { return Ok(None) };
        let leaf = Field::Original as usize;
        let mut groups = Vec::with_capacity(metadata.num_row_groups());
        let mut first = 0;
        for (group, pages) in metadata.row_groups().iter().zip(index) {
            let column = group.column(leaf);
            if !matches!(column.compression(), Compression::ZSTD(_))
                || column.dictionary_page_offset().is_some()
            {
                return Ok(None);
            }
            let rows = first..first + group.num_rows() as u32;
            first = rows.end;
            groups.push(RowGroupPages { rows, pages: pages[leaf].page_locations() });
        }
        Ok(Some(Self {
            file,
            groups,
            rows: 0..0,
            scratch: opened.scratch(),
            shared: None,
            opened,
            keep,
            bytes_read: 0,
        }))
    }

    /// Returns the record of a row. If rows are read in ascending order, each page is unpacked
    /// once.
    ///
    /// # Errors
    /// A file that is damaged.
    pub fn record(&mut self, row: u32) -> Result<&str> {
        std::str::from_utf8(self.bytes(row)?)
            .map_err(|cause| damaged("a record is not valid UTF-8").because(cause))
    }

    /// Returns the bytes of the record of a row.
    ///
    /// # Errors
    /// A file that is damaged.
    pub fn bytes(&mut self, row: u32) -> Result<&[u8]> {
        if !self.rows.contains(&row) {
            self.load(row)?;
        }
        let page = self.shared.as_deref().unwrap_or(&self.scratch.page);
        Ok(page.record(row - self.rows.start))
    }

    /// Returns the number of bytes read from the file so far.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    fn load(&mut self, row: u32) -> Result<()> {
        let group = self
            .groups
            .iter()
            .find(|group| group.rows.contains(&row))
            .ok_or_else(|| damaged("no such row"))?;
        let inside = i64::from(row - group.rows.start);
        let number =
            group.pages.partition_point(|page| page.first_row_index <= inside).saturating_sub(1);
        let location =
            group.pages.get(number).ok_or_else(|| damaged("a row group without pages"))?;
        let first = group.rows.start + location.first_row_index as u32;
        let end = group
            .pages
            .get(number + 1)
            .map_or(group.rows.end, |next| group.rows.start + next.first_row_index as u32);
        self.rows = 0..0;
        let key = self.keep.map(|segment| (segment, first));
        self.shared = key.and_then(|key| self.opened.page(key));
        if self.shared.is_none() {
            let from = location.offset as u64;
            let bytes = self.file.bytes(from..from + location.compressed_page_size as u64);
            let bytes = bytes.map_err(|cause| damaged("reading").because(cause))?;
            self.bytes_read += bytes.len() as u64;
            let PageScratch { unpacker, page } = &mut self.scratch;
            match key {
                None => unpack(unpacker, &bytes, (end - first) as usize, page)?,
                Some(key) => {
                    let mut page = RecordPage::default();
                    unpack(unpacker, &bytes, (end - first) as usize, &mut page)?;
                    let page = Arc::new(page);
                    self.opened.keep_page(key, &page);
                    self.shared = Some(page);
                }
            }
        }
        self.rows = first..end;
        Ok(())
    }
}

/// Unpacks a page with the given number of records.
fn unpack(
    unpacker: &mut Option<zstd::bulk::Decompressor<'static>>,
    bytes: &Bytes,
    records: usize,
    into: &mut RecordPage,
) -> Result<()> {
    let (size, packed) = body(bytes)?;
    let RecordPage { bytes: page, ranges } = into;
    page.clear();
    page.reserve(size);
    let unpacker = match unpacker {
        Some(unpacker) => unpacker,
        None => {
            let new = zstd::bulk::Decompressor::new()
                .context(ErrorKind::Internal, || "cannot unpack zstd".to_owned())?;
            unpacker.insert(new)
        }
    };
    let unpacked = unpacker
        .decompress_to_buffer(packed, page)
        .map_err(|cause| damaged("unpacking").because(cause))?;
    if unpacked != size {
        return Err(damaged("its size"));
    }
    ranges.clear();
    ranges.reserve(records);
    let mut at = 0;
    while at < page.len() {
        let length = page.get(at..at + 4).ok_or_else(|| damaged("a length"))?;
        let (start, length) =
            (at + 4, u32::from_le_bytes(length.try_into().expect("four bytes")) as usize);
        at = start + length;
        ranges.push(start as u32..at as u32);
    }
    if at != page.len() || ranges.len() != records {
        return Err(damaged("its records"));
    }
    Ok(())
}

/// Parses the header of a page of records; returns the unpacked size and the compressed bytes.
fn body(page: &Bytes) -> Result<(usize, &[u8])> {
    let mut head = ThriftReader { bytes: page, at: 0 };
    // Fields 1, 2 and 3: the type of the page (0 is a data page), the unpacked size, and the
    // compressed size.
    let [kind, unpacked, packed] = [head.number(1)?, head.number(1)?, head.number(1)?];
    // Field 4 may be a checksum; field 5 describes the data page: the number of values, and their
    // encoding (0 is plain).
    let mut step = head.byte()?;
    if step == 0x15 {
        head.varint()?;
        step = head.byte()? + 0x10;
    }
    if step != 0x2c {
        return Err(damaged("its head"));
    }
    let _values = head.number(1)?;
    let encoding = head.number(1)?;
    let (unpacked, packed) = (
        usize::try_from(unpacked).unwrap_or(usize::MAX),
        usize::try_from(packed).unwrap_or(usize::MAX),
    );
    if kind != 0 || encoding != 0 || unpacked > PAGE_BYTES_MAX || packed > page.len() {
        return Err(damaged("not of the form that is written here"));
    }
    Ok((unpacked, &page[page.len() - packed..]))
}

/// Reads Thrift's compact protocol.
struct ThriftReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl ThriftReader<'_> {
    fn byte(&mut self) -> Result<u8> {
        let byte = self.bytes.get(self.at).copied().ok_or_else(|| damaged("its head"))?;
        self.at += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u64> {
        let mut rest = self.bytes.get(self.at..).unwrap_or_default();
        let number = leb128::read(&mut rest).ok_or_else(|| damaged("its head"))?;
        self.at = self.bytes.len() - rest.len();
        Ok(number)
    }

    /// Reads a 32-bit number (zigzag) whose field id is `after` above the previous one.
    fn number(&mut self, after: u8) -> Result<i64> {
        if self.byte()? != (after << 4) | 5 {
            return Err(damaged("its head"));
        }
        let zigzag = self.varint()?;
        Ok((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }
}
