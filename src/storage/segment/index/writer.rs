//! Writes the index of a segment. Tantivy's term dictionaries and posting lists are written from
//! the codes and words that were collected, which are already in the order of rows, and everything
//! else is a part of the bundle. So tantivy is given a single empty document whose count is
//! corrected afterwards: even an empty document store would cost six bytes a row.

use crate::error::{Context, ErrorKind, Result};
use crate::event::{Amount, Columns, Field};
use crate::storage::segment::file::bitpacked::write_packed;
use crate::storage::segment::file::bundle::BundleWriter;
use crate::storage::segment::index::amounts::write_amounts;
use crate::storage::segment::index::codes_writer::{CodedField, CodesWriter};
use crate::storage::segment::index::id_table::IdsBuilder;
use crate::storage::segment::index::ingest_times::write_accepted;
use crate::storage::segment::index::reader::text_list;
use crate::storage::segment::index::schema::{
    ACCEPTED, AMOUNTS, KEYS, SUMMARY, TEXTS, WORD_IDS, WORDS, codes_file, id_fields, schema,
    term_fields, term_of,
};
use crate::storage::segment::index::text::words_writer::{Words, WordsBuilder};
use crate::storage::segment::manifest::TenantRows;
use crate::storage::segment::summary::{Summarizing, SummaryRule, write_summary};
use std::borrow::Cow;
use std::ops::Range;
use std::path::PathBuf;
use tantivy::directory::RamDirectory;
use tantivy::index::SegmentComponent;
use tantivy::indexer::SingleSegmentIndexWriter;
use tantivy::postings::{FieldSerializer, InvertedIndexSerializer};
use tantivy::store::Compressor;
use tantivy::{Directory, Index as TantivyIndex, IndexSettings, TantivyDocument};

/// The file with tantivy's list of segments.
const META: &str = "meta.json";
/// The memory with which tantivy may plan its term table, in bytes: it gets no terms through
/// documents.
const MEMORY_BUDGET: usize = 15 << 20;

/// Builds the index of one segment; events are added in the order of their rows.
pub(in crate::storage::segment) struct IndexBuilder {
    writer: SingleSegmentIndexWriter,
    directory: RamDirectory,
    dimensions: CodesWriter,
    ids: Vec<IdsBuilder>,
    accepted: Vec<(u64, i64)>,
    amounts: Vec<(u32, Amount)>,
    rows: u32,
    suspects: u32,
    record_bytes: u64,
    times: Vec<i64>,
    tenants: Vec<TenantRows>,
    rule: SummaryRule,
}

/// What the manifest of a segment says about its rows.
#[derive(Debug)]
pub(in crate::storage::segment) struct Contents {
    pub(in crate::storage::segment) tenants: Vec<TenantRows>,
    pub(in crate::storage::segment) first_seq: u64,
    pub(in crate::storage::segment) last_seq: u64,
    pub(in crate::storage::segment) suspects: u32,
    pub(in crate::storage::segment) record_bytes: u64,
}

impl IndexBuilder {
    /// Creates a builder of an index of these fields.
    pub(in crate::storage::segment) fn new(
        rule: SummaryRule,
        has: impl Fn(Field) -> bool,
    ) -> Result<Self> {
        let schema = schema();
        let directory = RamDirectory::create();
        let settings = IndexSettings {
            docstore_compression: Compressor::None,
            docstore_compress_dedicated_thread: false,
            ..IndexSettings::default()
        };
        let builder = TantivyIndex::builder().schema(schema).settings(settings);
        let writer = builder
            .single_segment_index_writer(directory.clone(), MEMORY_BUDGET)
            .context(ErrorKind::Internal, || "cannot start an index".to_owned())?;
        let ids = id_fields()
            .filter(|def| has(def.field))
            .map(|def| IdsBuilder::new(def.field))
            .collect();
        let dimensions =
            CodesWriter::of(term_fields().map(|def| def.field).filter(|field| has(*field)));
        Ok(Self {
            writer,
            directory,
            dimensions,
            ids,
            accepted: Vec::new(),
            amounts: Vec::new(),
            rows: 0,
            suspects: 0,
            record_bytes: 0,
            times: Vec::new(),
            tenants: Vec::new(),
            rule,
        })
    }

    /// Adds events, which have all columns.
    pub(in crate::storage::segment) fn add(&mut self, events: &Columns) -> Result<()> {
        let first = self.rows;
        self.dimensions.add(events)?;
        self.ids.iter_mut().for_each(|ids| ids.add(events, first));
        for (position, row) in (0..events.rows()).zip(first..) {
            self.record_bytes += events.text(Field::Original, position).map_or(0, str::len) as u64;
            let accepted = events.time(Field::IngestTime, position).unwrap_or_default();
            self.accepted.push((events.seq(position).unwrap_or_default(), accepted.millis()));
            self.amounts.extend(events.amount(position).map(|amount| (row, amount)));
            self.suspects += u32::from(events.flag(Field::TimeSuspect, position) == Some(true));
            let time = events.time(Field::Time, position).unwrap_or_default().millis();
            self.times.push(time);
            let tenant = events.text(Field::Tenant, position).unwrap_or_default();
            match self.tenants.last_mut() {
                Some(rows) if rows.tenant.as_ref() == tenant => {
                    (rows.rows, rows.oldest) = (rows.rows + 1, time)
                }
                _ => self.tenants.push(TenantRows {
                    tenant: tenant.into(),
                    first: row,
                    rows: 1,
                    newest: time,
                    oldest: time,
                }),
            }
        }
        self.rows += events.rows() as u32;
        Ok(())
    }

    /// Returns the bytes of the index file with the words of the same events, and what the segment
    /// contains.
    pub(in crate::storage::segment) fn finish(
        mut self,
        words: WordsBuilder,
    ) -> Result<(Vec<u8>, Contents)> {
        let broken = || "cannot finish an index".to_owned();
        self.writer.add_document(TantivyDocument::new()).context(ErrorKind::Internal, broken)?;
        let index = self.writer.finalize().context(ErrorKind::Internal, broken)?;
        let mut bundle = BundleWriter::new();
        let fields: Vec<CodedField> = self.dimensions.finish().collect();
        let words = words.finish();
        write_terms(&index, &self.directory, &fields, &words)
            .context(ErrorKind::Internal, broken)?;
        // The terms of long values are ordered differently from the values, so such a field is
        // counted by its column.
        let coded: Vec<CodedField> = fields
            .into_iter()
            .filter(|coded| coded.values.iter().all(|value| is_whole(value)))
            .collect();
        for field in &coded {
            bundle.add(&codes_file(field.field), &field.column());
        }
        let ranges: Vec<Range<u32>> = self.tenants.iter().map(TenantRows::range).collect();
        let of = Summarizing {
            fields: &coded,
            times: &self.times,
            amounts: &self.amounts,
            tenants: &ranges,
        };
        bundle.add(SUMMARY, &write_summary(&of, self.rule));
        let metas = index.load_metas().context(ErrorKind::Internal, broken)?;
        let mut files: Vec<PathBuf> =
            metas.list_segment_files().into_iter().chain([PathBuf::from(META)]).collect();
        files.sort_unstable();
        for file in files {
            // Tantivy's list of a segment's files names some that this kind of index does not have.
            if self.directory.exists(&file).unwrap_or(false) {
                let bytes = self.directory.open_read(&file).context(ErrorKind::Internal, broken)?;
                let bytes = bytes.read_bytes().context(ErrorKind::Internal, broken)?;
                match file.to_str() {
                    Some(META) => bundle.add(
                        META,
                        &counted(&bytes, self.rows).context(ErrorKind::Internal, broken)?,
                    ),
                    _ => bundle.add(&file.to_string_lossy(), &bytes),
                }
            }
        }
        self.ids.into_iter().for_each(|ids| ids.finish(&mut bundle));
        bundle.add(WORD_IDS, &words.ids);
        bundle.add(TEXTS, &words.texts);
        let mut keys = Vec::new();
        write_packed(&self.times, &mut keys);
        write_packed(
            &self.accepted.iter().map(|(seq, _)| *seq as i64).collect::<Vec<_>>(),
            &mut keys,
        );
        bundle.add(KEYS, &keys);
        let seqs = || self.accepted.iter().map(|(seq, _)| *seq);
        let (first_seq, last_seq) =
            (seqs().min().unwrap_or_default(), seqs().max().unwrap_or_default());
        bundle.add(ACCEPTED, &write_accepted(self.accepted));
        if let Some(amounts) = write_amounts(&self.amounts) {
            bundle.add(AMOUNTS, &amounts);
        }
        let Self { tenants, suspects, record_bytes, .. } = self;
        Ok((bundle.finish(), Contents { tenants, first_seq, last_seq, suspects, record_bytes }))
    }
}

/// Rewrites tantivy's list of segments for one segment with `rows` documents.
fn counted(meta: &[u8], rows: u32) -> serde_json::Result<Vec<u8>> {
    let mut meta: serde_json::Value = serde_json::from_slice(meta)?;
    meta["segments"][0]["max_doc"] = rows.into();
    serde_json::to_vec(&meta)
}

/// Returns whether a value equals its term.
fn is_whole(value: &str) -> bool {
    matches!(term_of(value), Cow::Borrowed(_))
}

/// Writes the dictionaries and posting lists of an index that has none yet.
fn write_terms(
    index: &TantivyIndex,
    directory: &RamDirectory,
    fields: &[CodedField],
    words: &Words,
) -> tantivy::Result<()> {
    let segments = index.searchable_segments()?;
    let segment = segments.first().ok_or_else(|| {
        tantivy::TantivyError::InternalError("an index without a segment".to_owned())
    })?;
    for part in [SegmentComponent::Terms, SegmentComponent::Postings, SegmentComponent::Positions] {
        let path = segment.relative_path(part);
        if directory.exists(&path).unwrap_or(false) {
            directory
                .delete(&path)
                .map_err(|cause| tantivy::TantivyError::InternalError(cause.to_string()))?;
        }
    }
    let mut serializer = InvertedIndexSerializer::open(segment)?;
    let schema = index.schema();
    for coded in fields {
        let (rows, lists) = coded.postings();
        let mut field =
            serializer.new_field(schema.get_field(coded.field.name())?, rows.len() as u64, None)?;
        let mut terms: Vec<_> =
            coded.values.iter().map(|value| term_of(value)).zip(&lists).collect();
        terms.sort_by(|left, right| left.0.as_bytes().cmp(right.0.as_bytes()));
        for (term, list) in terms {
            write_term(&mut field, term.as_bytes(), &rows[list.clone()])?;
        }
        field.close()?;
    }
    let total = words.terms.iter().map(|(_, rows)| rows.len() as u64).sum();
    let mut field = serializer.new_field(schema.get_field(WORDS)?, total, None)?;
    for (term, rows) in &words.terms {
        write_term(&mut field, term.as_bytes(), rows)?;
    }
    field.close()?;
    let total = words.lists.iter().map(|rows| rows.len() as u64).sum();
    let mut field = serializer.new_field(schema.get_field(TEXTS)?, total, None)?;
    for (list, rows) in (0..).zip(&words.lists) {
        write_term(&mut field, text_list(list).as_bytes(), rows)?;
    }
    field.close()?;
    Ok(serializer.close()?)
}

fn write_term(field: &mut FieldSerializer<'_>, term: &[u8], rows: &[u32]) -> std::io::Result<()> {
    field.new_term(term, rows.len() as u32, false)?;
    for row in rows {
        field.write_doc(*row, 1, &[]);
    }
    field.close_term()
}
