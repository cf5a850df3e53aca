//! Writes the index of a segment. Its documents are empty: tantivy's term dictionaries and posting lists are written from the codes
//! and words that were gathered, which are in the order of rows already, and everything else is a part of the bundle. So tantivy
//! is given one document, and its count is corrected: a store of nothing would cost six bytes a row.

use super::accepted::write_accepted;
use super::amounts::write_amounts;
use super::bundle::BundleWriter;
use super::dimensions::{Coded, Dimensions};
use super::hash_table::HashTableBuilder;
use super::index::{ACCEPTED, AMOUNTS, PLACES, SUMMARY, WORD_IDS, WORDS, codes_file, hash_fields, hash_file, schema, term_of};
use super::packed::write_packed;
use super::summary::{SummaryRule, write_summary};
use super::words::WordsBuilder;
use crate::error::{Context, ErrorKind, Result};
use crate::event::{Amount, Event, Field, Value};
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
/// Memory that tantivy may plan its term table with, in bytes: it gets no terms by documents.
const MEMORY_BUDGET: usize = 15 << 20;

/// Builds the index of one segment; events are added in the order of their rows.
pub(super) struct IndexBuilder {
    writer: SingleSegmentIndexWriter,
    directory: RamDirectory,
    dimensions: Dimensions,
    hashes: Vec<(Field, HashTableBuilder)>,
    words: WordsBuilder,
    accepted: Vec<(u64, i64)>,
    amounts: Vec<(u32, Amount)>,
    rows: u32,
    times: Vec<i64>,
    /// The tenant of the last row, and the rows of those before.
    tenant: Box<str>,
    tenants: Vec<Range<u32>>,
    rule: SummaryRule,
}

impl IndexBuilder {
    pub(super) fn new(rule: SummaryRule) -> Result<Self> {
        let schema = schema();
        let directory = RamDirectory::create();
        let settings =
            IndexSettings { docstore_compression: Compressor::None, docstore_compress_dedicated_thread: false, ..IndexSettings::default() };
        let builder = TantivyIndex::builder().schema(schema).settings(settings);
        let writer = builder
            .single_segment_index_writer(directory.clone(), MEMORY_BUDGET)
            .context(ErrorKind::Internal, || "cannot start an index".to_owned())?;
        let hashes = hash_fields().map(|def| (def.field, HashTableBuilder::default())).collect();
        let (dimensions, words) = (Dimensions::default(), WordsBuilder::default());
        Ok(Self {
            writer,
            directory,
            dimensions,
            hashes,
            words,
            accepted: Vec::new(),
            amounts: Vec::new(),
            rows: 0,
            times: Vec::new(),
            tenant: Box::default(),
            tenants: Vec::new(),
            rule,
        })
    }

    pub(super) fn add(&mut self, event: &Event) {
        self.dimensions.add(event);
        for (field, table) in &mut self.hashes {
            match event.value(*field) {
                Value::Text(text) => table.add(text, self.rows),
                Value::List(items) => items.iter().for_each(|item| table.add(item, self.rows)),
                _ => {}
            }
        }
        self.words.add(event, self.rows);
        self.accepted.push((event.seq, event.ingest_time.millis()));
        self.amounts.extend(event.amount.map(|amount| (self.rows, amount)));
        self.times.push(event.time.millis());
        match self.tenants.last_mut() {
            Some(rows) if self.tenant == event.tenant => rows.end += 1,
            _ => {
                self.tenants.push(self.rows..self.rows + 1);
                self.tenant = event.tenant.clone();
            }
        }
        self.rows += 1;
    }

    /// The bytes of the index file.
    pub(super) fn finish(mut self) -> Result<Vec<u8>> {
        let broken = || "cannot finish an index".to_owned();
        self.writer.add_document(TantivyDocument::new()).context(ErrorKind::Internal, broken)?;
        let index = self.writer.finalize().context(ErrorKind::Internal, broken)?;
        let mut bundle = BundleWriter::new();
        let fields: Vec<Coded> = self.dimensions.finish().collect();
        let word_ids = write_terms(&index, &self.directory, &fields, self.words).context(ErrorKind::Internal, broken)?;
        // Long values are terms of another order than their own, so such a field is counted by its column.
        let coded: Vec<Coded> = fields.into_iter().filter(|coded| coded.values.iter().all(|value| is_whole(value))).collect();
        for field in &coded {
            bundle.add(&codes_file(field.field), &field.column());
        }
        bundle.add(SUMMARY, &write_summary(&coded, &self.times, &self.tenants, self.rule));
        let metas = index.load_metas().context(ErrorKind::Internal, broken)?;
        let mut files: Vec<PathBuf> = metas.list_segment_files().into_iter().chain([PathBuf::from(META)]).collect();
        files.sort_unstable();
        for file in files {
            // A segment's list names files that this kind of index does not have.
            if self.directory.exists(&file).unwrap_or(false) {
                let bytes = self.directory.open_read(&file).context(ErrorKind::Internal, broken)?;
                let bytes = bytes.read_bytes().context(ErrorKind::Internal, broken)?;
                match file.to_str() {
                    Some(META) => bundle.add(META, &counted(&bytes, self.rows).context(ErrorKind::Internal, broken)?),
                    _ => bundle.add(&file.to_string_lossy(), &bytes),
                }
            }
        }
        for (field, table) in self.hashes {
            bundle.add(&hash_file(field), &table.finish());
        }
        bundle.add(WORD_IDS, &word_ids);
        let mut places = Vec::new();
        write_packed(&self.times, &mut places);
        write_packed(&self.accepted.iter().map(|(seq, _)| *seq as i64).collect::<Vec<_>>(), &mut places);
        bundle.add(PLACES, &places);
        bundle.add(ACCEPTED, &write_accepted(self.accepted));
        if let Some(amounts) = write_amounts(&self.amounts) {
            bundle.add(AMOUNTS, &amounts);
        }
        Ok(bundle.finish())
    }
}

/// Tantivy's list of segments, of one segment with so many documents.
fn counted(meta: &[u8], rows: u32) -> serde_json::Result<Vec<u8>> {
    let mut meta: serde_json::Value = serde_json::from_slice(meta)?;
    meta["segments"][0]["max_doc"] = rows.into();
    serde_json::to_vec(&meta)
}

/// Whether a value is a term as it is.
fn is_whole(value: &str) -> bool {
    matches!(term_of(value), Cow::Borrowed(_))
}

/// Writes the dictionaries and posting lists of an index that has none yet. Returns the table of the ids among the words.
fn write_terms(index: &TantivyIndex, directory: &RamDirectory, fields: &[Coded], words: WordsBuilder) -> tantivy::Result<Vec<u8>> {
    let segments = index.searchable_segments()?;
    let segment = segments.first().ok_or_else(|| tantivy::TantivyError::InternalError("an index without a segment".to_owned()))?;
    for part in [SegmentComponent::Terms, SegmentComponent::Postings, SegmentComponent::Positions] {
        let path = segment.relative_path(part);
        if directory.exists(&path).unwrap_or(false) {
            directory.delete(&path).map_err(|cause| tantivy::TantivyError::InternalError(cause.to_string()))?;
        }
    }
    let mut serializer = InvertedIndexSerializer::open(segment)?;
    let schema = index.schema();
    for coded in fields {
        let (rows, lists) = coded.postings();
        let mut field = serializer.new_field(schema.get_field(coded.field.name())?, rows.len() as u64, None)?;
        let mut terms: Vec<_> = coded.values.iter().map(|value| term_of(value)).zip(&lists).collect();
        terms.sort_by(|left, right| left.0.as_bytes().cmp(right.0.as_bytes()));
        for (term, list) in terms {
            write_term(&mut field, term.as_bytes(), &rows[list.clone()])?;
        }
        field.close()?;
    }
    let (terms, ids) = words.finish();
    let total = terms.iter().map(|(_, rows)| rows.len() as u64).sum();
    let mut field = serializer.new_field(schema.get_field(WORDS)?, total, None)?;
    for (term, rows) in &terms {
        write_term(&mut field, term.as_bytes(), rows)?;
    }
    field.close()?;
    serializer.close()?;
    Ok(ids)
}

fn write_term(field: &mut FieldSerializer<'_>, term: &[u8], rows: &[u32]) -> std::io::Result<()> {
    field.new_term(term, rows.len() as u32, false)?;
    for row in rows {
        field.write_doc(*row, 1, &[]);
    }
    field.close_term()
}
