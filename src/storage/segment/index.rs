//! The index of a segment: tantivy posting lists whose document ids are the Parquet row numbers (of the dimensions, and of
//! the words of the records), two fast fields that give a row's place in time, and tables of hashed ids. It can always be
//! made anew from the Parquet file.

use super::bundle::{Bundle, BundleWriter};
use super::hash_table::{HashTable, HashTableBuilder};
use super::manifest::FileMark;
use super::words::{BLOCK_ROWS, WordsBuilder};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::{Event, EventKey, FIELDS, Field, FieldDef, IndexKind, Timestamp, Value, hex};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tantivy::columnar::ColumnValues;
use tantivy::directory::RamDirectory;
use tantivy::indexer::SingleSegmentIndexWriter;
use tantivy::postings::SegmentPostings;
use tantivy::schema::{Field as TermField, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions};
use tantivy::store::Compressor;
use tantivy::{Directory, Index as TantivyIndex, IndexSettings, InvertedIndexReader, TantivyDocument, Term};

const TIME: &str = "time";
const SEQ: &str = "seq";
/// The words of the records.
const WORDS: &str = "words";
/// The table of ids that stand in the records: which blocks of rows have one.
const WORD_IDS: &str = "ids.words";
/// Memory that tantivy may plan its term table with, in bytes; it grows past it when a segment needs more.
const MEMORY_BUDGET: usize = 64 << 20;
/// Values longer than this, in bytes, are indexed as their beginning and a hash: tantivy drops terms above 64 KiB.
const TERM_BYTES_MAX: usize = 1024;

fn term_fields() -> impl Iterator<Item = &'static FieldDef> {
    FIELDS.iter().filter(|def| def.index == IndexKind::Term)
}

fn hash_fields() -> impl Iterator<Item = &'static FieldDef> {
    FIELDS.iter().filter(|def| def.index == IndexKind::Hash)
}

fn hash_file(field: Field) -> String {
    format!("ids.{field}")
}

/// The tantivy schema: one raw, unscored text field for each field that is found by posting lists.
fn schema() -> Schema {
    let mut builder = Schema::builder();
    let raw = TextFieldIndexing::default().set_tokenizer("raw").set_index_option(IndexRecordOption::Basic).set_fieldnorms(false);
    for def in term_fields() {
        builder.add_text_field(def.name, TextOptions::default().set_indexing_options(raw.clone()));
    }
    let words = TextFieldIndexing::default().set_tokenizer("whitespace").set_index_option(IndexRecordOption::Basic).set_fieldnorms(false);
    builder.add_text_field(WORDS, TextOptions::default().set_indexing_options(words));
    builder.add_i64_field(TIME, NumericOptions::default().set_fast());
    builder.add_u64_field(SEQ, NumericOptions::default().set_fast());
    builder.build()
}

/// The term under which a value is indexed.
pub fn term_of(value: &str) -> Cow<'_, str> {
    if value.len() <= TERM_BYTES_MAX {
        return Cow::Borrowed(value);
    }
    let cut = value.floor_char_boundary(TERM_BYTES_MAX);
    Cow::Owned(format!("{}\u{0}{}", &value[..cut], hex(&Sha256::digest(value.as_bytes()))))
}

/// Builds the index of one segment; events are added in the order of their rows.
pub(super) struct IndexBuilder {
    writer: SingleSegmentIndexWriter,
    directory: RamDirectory,
    terms: Vec<(Field, TermField)>,
    time: TermField,
    seq: TermField,
    hashes: Vec<(Field, HashTableBuilder)>,
    words_field: TermField,
    words: WordsBuilder,
    rows: u32,
}

impl IndexBuilder {
    pub(super) fn new() -> Result<Self> {
        let schema = schema();
        let directory = RamDirectory::create();
        let settings =
            IndexSettings { docstore_compression: Compressor::None, docstore_compress_dedicated_thread: false, ..IndexSettings::default() };
        let terms = term_fields().map(|def| (def.field, schema.get_field(def.name).expect("the schema has the field"))).collect();
        let time = schema.get_field(TIME).expect("the schema has the field");
        let seq = schema.get_field(SEQ).expect("the schema has the field");
        let words_field = schema.get_field(WORDS).expect("the schema has the field");
        let builder = TantivyIndex::builder().schema(schema).settings(settings);
        let writer = builder
            .single_segment_index_writer(directory.clone(), MEMORY_BUDGET)
            .context(ErrorKind::Internal, || "cannot start an index".to_owned())?;
        let hashes = hash_fields().map(|def| (def.field, HashTableBuilder::default())).collect();
        let words = WordsBuilder::default();
        Ok(Self { writer, directory, terms, time, seq, hashes, words_field, words, rows: 0 })
    }

    pub(super) fn add(&mut self, event: &Event) -> Result<()> {
        let mut document = TantivyDocument::new();
        for (field, term_field) in &self.terms {
            match event.value(*field) {
                Value::Text(text) => document.add_text(*term_field, term_of(text)),
                Value::Bool(flag) => document.add_text(*term_field, if flag { "true" } else { "false" }),
                _ => {}
            }
        }
        document.add_i64(self.time, event.time.millis());
        document.add_u64(self.seq, event.seq);
        for (field, table) in &mut self.hashes {
            match event.value(*field) {
                Value::Text(text) => table.add(text, self.rows),
                Value::List(items) => items.iter().for_each(|item| table.add(item, self.rows)),
                _ => {}
            }
        }
        document.add_text(self.words_field, self.words.add(event, self.rows));
        self.rows += 1;
        self.writer.add_document(document).context(ErrorKind::Internal, || "cannot index an event".to_owned())
    }

    /// The bytes of the index file.
    pub(super) fn finish(self) -> Result<Vec<u8>> {
        let broken = || "cannot finish an index".to_owned();
        let index = self.writer.finalize().context(ErrorKind::Internal, broken)?;
        let metas = index.load_metas().context(ErrorKind::Internal, broken)?;
        let mut bundle = BundleWriter::new();
        let mut files: Vec<PathBuf> = metas.list_segment_files().into_iter().chain([PathBuf::from("meta.json")]).collect();
        files.sort_unstable();
        for file in files {
            // A segment's list names files that this kind of index does not have.
            if self.directory.exists(&file).unwrap_or(false) {
                let bytes = self.directory.open_read(&file).context(ErrorKind::Internal, broken)?;
                let bytes = bytes.read_bytes().context(ErrorKind::Internal, broken)?;
                bundle.add(&file.to_string_lossy(), &bytes);
            }
        }
        for (field, table) in self.hashes {
            bundle.add(&hash_file(field), &table.finish());
        }
        bundle.add(WORD_IDS, &self.words.finish());
        Ok(bundle.finish())
    }
}

/// An open index.
pub struct IndexReader {
    terms: HashMap<Field, (TermField, Arc<InvertedIndexReader>)>,
    hashes: HashMap<Field, HashTable>,
    words: Option<(TermField, Arc<InvertedIndexReader>, HashTable)>,
    times: Arc<dyn ColumnValues<i64>>,
    seqs: Arc<dyn ColumnValues<u64>>,
    rows: u32,
}

impl std::fmt::Debug for IndexReader {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("IndexReader").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl IndexReader {
    pub(super) fn open(path: &Path, mark: &FileMark) -> Result<Self> {
        let bundle = Bundle::open(path, mark)?;
        Self::read(&bundle).map_err(|error| error.at(path.display()))
    }

    fn read(bundle: &Bundle) -> Result<Self> {
        let broken = || "the index cannot be read; `annals check --rebuild-index` makes it anew".to_owned();
        let index = TantivyIndex::open(bundle.clone()).context(ErrorKind::Corrupt, broken)?;
        let segments = index.searchable_segments().context(ErrorKind::Corrupt, broken)?;
        let [segment] = segments.as_slice() else {
            return Err(Error::corrupt(format!("the index has {} parts instead of one", segments.len())));
        };
        let reader = tantivy::SegmentReader::open(segment).context(ErrorKind::Corrupt, broken)?;
        let mut terms = HashMap::new();
        for def in term_fields() {
            let field = index.schema().get_field(def.name).context(ErrorKind::Corrupt, broken)?;
            let inverted = reader.inverted_index(field).context(ErrorKind::Corrupt, broken)?;
            terms.insert(def.field, (field, inverted));
        }
        let mut hashes = HashMap::new();
        for def in hash_fields() {
            hashes.insert(def.field, HashTable::open(bundle.file(&hash_file(def.field))?)?);
        }
        // Indexes that were written before there were words answer without them.
        let words = match index.schema().get_field(WORDS) {
            Ok(field) => {
                let inverted = reader.inverted_index(field).context(ErrorKind::Corrupt, broken)?;
                Some((field, inverted, HashTable::open(bundle.file(WORD_IDS)?)?))
            }
            Err(_) => None,
        };
        let times = reader.fast_fields().i64(TIME).context(ErrorKind::Corrupt, broken)?.first_or_default_col(0);
        let seqs = reader.fast_fields().u64(SEQ).context(ErrorKind::Corrupt, broken)?.first_or_default_col(0);
        Ok(Self { terms, hashes, words, times, seqs, rows: reader.max_doc() })
    }

    /// How many rows are indexed.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// The place of a row in its tenant's list.
    pub fn key(&self, row: u32) -> EventKey {
        EventKey { time: self.time(row), seq: self.seqs.get_val(row) }
    }

    /// The time of a row.
    pub fn time(&self, row: u32) -> Timestamp {
        Timestamp::from_millis(self.times.get_val(row))
    }

    /// The posting list of a value, if any row has it.
    ///
    /// # Errors
    /// An index that cannot be read.
    pub fn postings(&self, field: Field, value: &str) -> Result<Option<SegmentPostings>> {
        let Some((term_field, inverted)) = self.terms.get(&field) else {
            return Err(Error::internal(format!("{field} has no posting lists")));
        };
        let term = Term::from_field_text(*term_field, &term_of(value));
        inverted.read_postings(&term, IndexRecordOption::Basic).context(ErrorKind::Corrupt, || format!("cannot read postings of {field}"))
    }

    /// How many rows of the segment have a value.
    ///
    /// # Errors
    /// An index that cannot be read.
    pub fn rows_with(&self, field: Field, value: &str) -> Result<u32> {
        let Some((term_field, inverted)) = self.terms.get(&field) else {
            return Err(Error::internal(format!("{field} has no posting lists")));
        };
        let term = Term::from_field_text(*term_field, &term_of(value));
        inverted.doc_freq(&term).context(ErrorKind::Corrupt, || format!("cannot read the terms of {field}"))
    }

    /// The values of a field that begin with `prefix`, as terms, at most `limit`; `None` when there are more.
    ///
    /// # Errors
    /// An index that cannot be read.
    pub fn values_with_prefix(&self, field: Field, prefix: &str, limit: usize) -> Result<Option<Vec<String>>> {
        let Some((_, inverted)) = self.terms.get(&field) else {
            return Err(Error::internal(format!("{field} has no posting lists")));
        };
        terms_with_prefix(inverted, prefix, limit).context(ErrorKind::Corrupt, || format!("cannot read the terms of {field}"))
    }

    /// The posting list of a term as the dictionary has it.
    ///
    /// # Errors
    /// An index that cannot be read.
    pub fn postings_of_term(&self, field: Field, term: &str) -> Result<Option<SegmentPostings>> {
        // A long term is already cut, and cutting is idempotent for terms below the limit; longer ones were made by us.
        if term.len() <= TERM_BYTES_MAX {
            return self.postings(field, term);
        }
        let Some((term_field, inverted)) = self.terms.get(&field) else {
            return Err(Error::internal(format!("{field} has no posting lists")));
        };
        let term = Term::from_field_text(*term_field, term);
        inverted.read_postings(&term, IndexRecordOption::Basic).context(ErrorKind::Corrupt, || format!("cannot read postings of {field}"))
    }

    /// The rows that may have this id, ascending; each is to be verified against the row.
    ///
    /// # Errors
    /// A field that has no table of ids: a defect.
    pub fn candidates(&self, field: Field, id: &str) -> Result<Vec<u32>> {
        let table = self.hashes.get(&field).ok_or_else(|| Error::internal(format!("{field} has no table of ids")))?;
        table.candidates(id)
    }

    /// Whether the words of the records are indexed.
    pub fn has_words(&self) -> bool {
        self.words.is_some()
    }

    /// The posting list of a word, if any record has it.
    ///
    /// # Errors
    /// An index that cannot be read, or has no words.
    pub fn word(&self, word: &str) -> Result<Option<SegmentPostings>> {
        let (field, inverted, _) = self.words.as_ref().ok_or_else(|| Error::internal("this index has no words"))?;
        let term = Term::from_field_text(*field, word);
        inverted.read_postings(&term, IndexRecordOption::Basic).context(ErrorKind::Corrupt, || "cannot read postings of words".to_owned())
    }

    /// The words that begin with `prefix`, at most `limit`; `None` when there are more.
    ///
    /// # Errors
    /// An index that cannot be read, or has no words.
    pub fn words_with_prefix(&self, prefix: &str, limit: usize) -> Result<Option<Vec<String>>> {
        let (_, inverted, _) = self.words.as_ref().ok_or_else(|| Error::internal("this index has no words"))?;
        terms_with_prefix(inverted, prefix, limit).context(ErrorKind::Corrupt, || "cannot read the words".to_owned())
    }

    /// The rows whose record may hold this id (folded) as a word, ascending: all rows of the blocks that have it, and those
    /// that have it as a value of a field.
    ///
    /// # Errors
    /// An index that has no words.
    pub fn rows_near_id(&self, id: &str) -> Result<Vec<u32>> {
        let (_, _, table) = self.words.as_ref().ok_or_else(|| Error::internal("this index has no words"))?;
        let blocks = table.candidates(id)?.into_iter();
        let mut rows: Vec<u32> = blocks.flat_map(|block| block * BLOCK_ROWS..self.rows.min((block + 1) * BLOCK_ROWS)).collect();
        for table in self.hashes.values() {
            rows.extend(table.candidates(id)?);
        }
        rows.sort_unstable();
        rows.dedup();
        Ok(rows)
    }
}

/// The terms of a dictionary that begin with `prefix`, at most `limit`; `None` when there are more.
fn terms_with_prefix(inverted: &InvertedIndexReader, prefix: &str, limit: usize) -> std::io::Result<Option<Vec<String>>> {
    let mut stream = inverted.terms().range().ge(prefix).into_stream()?;
    let mut values = Vec::new();
    while stream.advance() {
        if !stream.key().starts_with(prefix.as_bytes()) {
            break;
        }
        if values.len() == limit {
            return Ok(None);
        }
        values.push(String::from_utf8_lossy(stream.key()).into_owned());
    }
    Ok(Some(values))
}
