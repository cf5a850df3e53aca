//! Writes segments: sorted events become one Parquet file, its index and its manifest.

use super::manifest::{Manifest, TenantRows};
use super::summary::SummaryRule;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::{
    Columns, Event, FIELDS, Field, FieldDef, FieldKind, IndexKind, event_batch, event_schema,
};
use crate::storage::segment::file::checksums::FileMark;
use crate::storage::segment::index::text::words_writer::WordsBuilder;
use crate::storage::segment::index::writer::{Contents, IndexBuilder};
use arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use rayon::prelude::*;
use std::borrow::Borrow;

/// Rows in a Parquet row group.
const ROW_GROUP_ROWS: usize = 131_072;
/// Number of bytes after which a data page is closed. List pages read one page of the record column
/// for each hit, so it must be small; columns of dictionary codes put tens of thousands of rows
/// into the same number of bytes.
const PAGE_BYTES: usize = 24 << 10;
/// Number of rows that the writer takes at a time, and hence how exactly it keeps to
/// [`PAGE_BYTES`].
const WRITE_ROWS: usize = 16;
/// Number of rows in a batch of columns that a segment is written from.
pub const BATCH_ROWS: usize = 16_384;

/// How a segment is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentOptions {
    /// The version of the decoders that made the events.
    pub decoders: u32,
    /// What its summary contains.
    pub summary: SummaryRule,
}

impl SegmentOptions {
    /// Returns the options for events of these decoders, with the usual summary.
    pub fn of(decoders: u32) -> Self {
        Self { decoders, summary: SummaryRule::default() }
    }
}

/// A segment in memory: the bytes of its two files, and its manifest.
#[derive(Debug)]
pub struct SegmentFiles {
    /// The Parquet file.
    pub data: Vec<u8>,
    /// The index file.
    pub index: Vec<u8>,
    /// What they contain.
    pub manifest: Manifest,
}

/// Builds a segment from events that are sorted by [`crate::event::row_order`] and belong to one
/// date.
///
/// # Errors
/// As [`write_batches`].
pub fn write_segment<E: Borrow<Event> + Sync>(
    id: &str,
    date: &str,
    form: SegmentOptions,
    events: &[E],
) -> Result<SegmentFiles> {
    let in_order =
        |left: &E, right: &E| crate::event::row_order(left.borrow(), right.borrow()).is_lt();
    debug_assert!(events.is_sorted_by(in_order), "rows must be sorted and distinct");
    let batches: Vec<RecordBatch> =
        events.par_chunks(BATCH_ROWS).map(event_batch).collect::<Result<_>>()?;
    write_batches(id, date, form, &batches)
}

/// Builds a segment from batches of events, with all columns, whose rows are in order and belong to
/// one date.
///
/// # Errors
/// More than 2³¹ rows, or no rows; nothing else that input can cause.
pub fn write_batches(
    id: &str,
    date: &str,
    form: SegmentOptions,
    batches: &[RecordBatch],
) -> Result<SegmentFiles> {
    let count = batches.iter().map(RecordBatch::num_rows).sum::<usize>();
    let rows = u32::try_from(count).ok().filter(|rows| (1..=1 << 31).contains(rows));
    let rows = rows.ok_or_else(|| Error::internal(format!("a segment of {count} rows")))?;
    let (parquet, index) =
        rayon::join(|| write_parquet(batches), || write_index(batches, form.summary));
    let (data, (index, contents)) = (parquet?, index?);
    let manifest = Manifest {
        version: Manifest::VERSION,
        id: id.to_owned(),
        date: date.to_owned(),
        rows,
        first_seq: contents.first_seq,
        last_seq: contents.last_seq,
        suspects: contents.suspects,
        record_bytes: contents.record_bytes,
        decoders: form.decoders,
        tenants: contents.tenants,
        data: FileMark::of(&data),
        index: FileMark::of(&index),
    };
    Ok(SegmentFiles { data, index, manifest })
}

/// Builds the bytes of an index for these events; returns them with what the manifest says about
/// them.
pub(super) fn write_index(
    batches: &[RecordBatch],
    rule: SummaryRule,
) -> Result<(Vec<u8>, Contents)> {
    let columns = batches.iter().map(Columns::new).collect::<Result<Vec<_>>>()?;
    // The words are most of the work.
    let (words, index) =
        rayon::join(|| WordsBuilder::of(&columns), || add_all(&columns, rule, |_| true));
    index?.finish(words)
}

fn add_all(
    columns: &[Columns],
    rule: SummaryRule,
    has: impl Fn(Field) -> bool,
) -> Result<IndexBuilder> {
    let mut index = IndexBuilder::new(rule, has)?;
    columns.iter().try_for_each(|events| index.add(events))?;
    Ok(index)
}

/// Returns the size in bytes of an index of these fields alone, with or without the words: for
/// benchmarks that measure what each costs.
///
/// # Errors
/// As [`write_batches`].
pub fn index_of(events: &[Columns], fields: &[Field], words: bool) -> Result<usize> {
    let index = add_all(events, SummaryRule::default(), |field| fields.contains(&field))?;
    let words = if words { WordsBuilder::of(events) } else { WordsBuilder::default() };
    Ok(index.finish(words)?.0.len())
}

/// Returns the rows of each tenant among events in the order of rows.
pub fn tenant_rows<E: Borrow<Event>>(events: &[E]) -> Vec<TenantRows> {
    let mut first = 0;
    let mut tenants = Vec::new();
    for chunk in events.chunk_by(|left, right| left.borrow().tenant == right.borrow().tenant) {
        let rows = chunk.len() as u32;
        let (newest, oldest) =
            (chunk[0].borrow().time.millis(), chunk[chunk.len() - 1].borrow().time.millis());
        tenants.push(TenantRows {
            tenant: chunk[0].borrow().tenant.clone(),
            first,
            rows,
            newest,
            oldest,
        });
        first += rows;
    }
    tenants
}

fn write_parquet(batches: &[RecordBatch]) -> Result<Vec<u8>> {
    let broken = || "cannot write a Parquet file".to_owned();
    let options = ArrowWriterOptions::new().with_properties(properties());
    let mut writer = ArrowWriter::try_new_with_options(Vec::new(), event_schema(), options)
        .context(ErrorKind::Internal, broken)?;
    for batch in batches {
        writer.write(batch).context(ErrorKind::Internal, broken)?;
    }
    writer.into_inner().context(ErrorKind::Internal, broken)
}

fn properties() -> WriterProperties {
    let level = ZstdLevel::try_new(1).expect("1 is a level of zstd");
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("annals ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_size_limit(PAGE_BYTES)
        .set_write_batch_size(WRITE_ROWS)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_sorting_columns(Some(sorting_columns()));
    for def in FIELDS {
        let column = column_path(def);
        builder = builder.set_column_dictionary_enabled(column.clone(), def.is_dictionary());
        if matches!(def.kind, FieldKind::Time | FieldKind::Integer) {
            builder = builder.set_column_encoding(column.clone(), Encoding::DELTA_BINARY_PACKED);
        }
        if def.field == Field::Original {
            // The minimum and maximum record of a page are of no use and cost the size of a record
            // each.
            builder = builder.set_column_statistics_enabled(column, EnabledStatistics::None);
        }
    }
    builder.build()
}

fn column_path(def: &FieldDef) -> ColumnPath {
    match def.kind {
        FieldKind::List => {
            ColumnPath::from(vec![def.name.to_owned(), "list".to_owned(), "element".to_owned()])
        }
        _ => ColumnPath::from(def.name),
    }
}

fn sorting_columns() -> Vec<SortingColumn> {
    let position = |field: Field| field as i32;
    debug_assert_eq!(Field::Tenant.def().index, IndexKind::Rows);
    [(Field::Tenant, false), (Field::Time, true), (Field::Seq, true)]
        .map(|(field, descending)| SortingColumn {
            column_idx: position(field),
            descending,
            nulls_first: false,
        })
        .to_vec()
}
