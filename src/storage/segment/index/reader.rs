//! The index of a segment: tantivy posting lists whose document ids are the Parquet row numbers
//! (for the fields with few values and the words of the records), the time, sequence number and
//! codes of each row, tables of hashed ids, and the summary. It can always be rebuilt from the
//! Parquet file.

use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::{EventKey, Field, Timestamp};
use crate::storage::segment::damage::Health;
use crate::storage::segment::file::bitpacked::PackedNumbers;
use crate::storage::segment::file::bundle::Bundle;
use crate::storage::segment::file::checksums::FileMark;
use crate::storage::segment::index::amounts::Amounts;
use crate::storage::segment::index::codes::Codes;
use crate::storage::segment::index::hash_table::HashTable;
use crate::storage::segment::index::id_table::Ids;
use crate::storage::segment::index::ingest_times::IngestTimes;
use crate::storage::segment::index::on_demand::OnDemand;
use crate::storage::segment::index::schema::{
    ACCEPTED, AMOUNTS, KEYS, SUMMARY, TERM_BYTES_MAX, TEXTS, WORD_IDS, WORDS, codes_file,
    id_fields, term_fields, term_of,
};
use crate::storage::segment::index::term_cache::{ByField, TermCache};
use crate::storage::segment::index::text::text_table::{TextMatch, TextTable};
use crate::storage::segment::index::text::words_writer::BLOCK_ROWS;
use crate::storage::segment::summary::SegmentSummary;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use tantivy::postings::SegmentPostings;
use tantivy::schema::{Field as TermField, IndexRecordOption};
use tantivy::termdict::TermDictionary;
use tantivy::{Index as TantivyIndex, InvertedIndexReader, Term};

/// An open index.
pub struct IndexReader {
    terms: ByField<(TermField, Arc<InvertedIndexReader>)>,
    ids: ByField<Ids>,
    words: WordIndex,
    texts: TextIndex,
    codes: ByField<OnDemand<Codes>>,
    looked_up: TermCache,
    accepted: OnDemand<IngestTimes>,
    amounts: Option<OnDemand<Amounts>>,
    summary: OnDemand<SegmentSummary>,
    keys: KeyColumns,
    rows: u32,
}

/// The words of the records.
struct WordIndex {
    field: TermField,
    inverted: Arc<InvertedIndexReader>,
    /// The ids among them, by blocks of rows.
    ids: HashTable,
}

/// The texts of the records.
struct TextIndex {
    field: TermField,
    inverted: Arc<InvertedIndexReader>,
    table: OnDemand<TextTable>,
}

/// The rows of records with a text that was searched for.
pub struct TextRows {
    /// Posting lists of records that have it for certain.
    pub sure: Vec<SegmentPostings>,
    /// Posting lists of records that may have it; no other record has it.
    pub maybe: Vec<SegmentPostings>,
}

impl std::fmt::Debug for TextRows {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "TextRows({} sure, {} maybe)", self.sure.len(), self.maybe.len())
    }
}

/// The times and sequence numbers of the rows.
struct KeyColumns {
    times: PackedNumbers,
    seqs: PackedNumbers,
}

impl KeyColumns {
    fn open(bundle: &Bundle, rows: u32) -> Result<Self> {
        let bytes = bundle.file(KEYS)?.read_bytes().context(ErrorKind::Corrupt, broken)?;
        let (times, rest) = PackedNumbers::split(bytes)?;
        let (seqs, rest) = PackedNumbers::split(rest)?;
        if times.len() != rows || seqs.len() != rows || !rest.is_empty() {
            return Err(Error::corrupt(broken()));
        }
        Ok(Self { times, seqs })
    }
}

fn broken() -> String {
    "the index cannot be read; `annals check --rebuild-index` rebuilds it".to_owned()
}

impl std::fmt::Debug for IndexReader {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("IndexReader").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl IndexReader {
    pub(in crate::storage::segment) fn open(
        path: &Path,
        mark: &FileMark,
        health: &Arc<Health>,
    ) -> Result<Self> {
        let bundle = Bundle::open(path, mark, health)?;
        Self::read(&bundle).map_err(|error| error.at(path.display()))
    }

    fn read(bundle: &Bundle) -> Result<Self> {
        let index = TantivyIndex::open(bundle.clone()).context(ErrorKind::Corrupt, broken)?;
        let segments = index.searchable_segments().context(ErrorKind::Corrupt, broken)?;
        let [segment] = segments.as_slice() else {
            return Err(Error::corrupt(format!(
                "the index has {} parts instead of one",
                segments.len()
            )));
        };
        let reader = tantivy::SegmentReader::open(segment).context(ErrorKind::Corrupt, broken)?;
        let inverted = |name: &str| {
            let field = index.schema().get_field(name).context(ErrorKind::Corrupt, broken)?;
            let inverted = reader.inverted_index(field).context(ErrorKind::Corrupt, broken)?;
            Ok::<_, Error>((field, inverted))
        };
        let mut terms = ByField::default();
        for def in term_fields() {
            terms.insert(def.field, inverted(def.name)?);
        }
        let mut ids = ByField::default();
        for def in id_fields() {
            ids.insert(def.field, Ids::open(bundle, def.field)?);
        }
        let (field, lists) = inverted(WORDS)?;
        let ids_of_words = HashTable::open(bundle.file(WORD_IDS)?)?;
        let words = WordIndex { field, inverted: lists, ids: ids_of_words };
        let (field, lists) = inverted(TEXTS)?;
        let texts = TextIndex { field, inverted: lists, table: OnDemand::new(bundle.file(TEXTS)?) };
        // A field with a value that is longer than a term may be has no codes.
        let mut codes = ByField::default();
        for def in term_fields() {
            if let Ok(file) = bundle.file(&codes_file(def.field)) {
                codes.insert(def.field, OnDemand::new(file));
            }
        }
        Ok(Self {
            terms,
            ids,
            words,
            texts,
            codes,
            looked_up: TermCache::default(),
            accepted: OnDemand::new(bundle.file(ACCEPTED)?),
            amounts: bundle.file(AMOUNTS).ok().map(OnDemand::new),
            summary: OnDemand::new(bundle.file(SUMMARY)?),
            keys: KeyColumns::open(bundle, reader.max_doc())?,
            rows: reader.max_doc(),
        })
    }

    /// Returns the codes of a field, one per row; `None` if it has none in this segment, because a
    /// value is longer than a term may be: then there are posting lists, and the column.
    ///
    /// # Errors
    /// An index that is damaged.
    pub fn codes(&self, field: Field) -> Result<Option<&Codes>> {
        self.codes
            .get(field)
            .map(|codes| codes.get(|file| Codes::open(file, self.rows)))
            .transpose()
    }

    /// Calls `take` with the values of a field in the order of their codes, from 1, and the number
    /// of rows that have each.
    ///
    /// # Errors
    /// An index that cannot be read.
    pub fn each_value(&self, field: Field, mut take: impl FnMut(&str, u32)) -> Result<()> {
        let broken = || format!("cannot read the terms of {field}");
        let (_, inverted) = self
            .terms
            .get(field)
            .ok_or_else(|| Error::internal(format!("{field} has no posting lists")))?;
        let mut stream = inverted.terms().stream().context(ErrorKind::Corrupt, broken)?;
        while stream.advance() {
            take(
                std::str::from_utf8(stream.key()).context(ErrorKind::Corrupt, broken)?,
                stream.value().doc_freq,
            );
        }
        Ok(())
    }

    /// Returns the summary.
    ///
    /// # Errors
    /// An index that is damaged.
    pub fn summary(&self) -> Result<&SegmentSummary> {
        self.summary.get(SegmentSummary::open)
    }

    fn dictionary(&self, field: Field) -> Result<&TermDictionary> {
        let terms = self.terms.get(field).map(|(_, inverted)| inverted.terms());
        terms.ok_or_else(|| Error::internal(format!("{field} has no posting lists")))
    }

    /// Returns the number of values that a field has in this segment.
    ///
    /// # Errors
    /// A field that does not have posting lists: a defect.
    pub fn values(&self, field: Field) -> Result<u32> {
        Ok(self.dictionary(field)?.num_terms() as u32)
    }

    /// Returns the code of a value and the number of rows that have it, if any has.
    ///
    /// # Errors
    /// An index that cannot be read.
    pub fn code_of(&self, field: Field, value: &str) -> Result<Option<(u32, u32)>> {
        self.looked_up.get(field, value, || {
            let broken = || format!("cannot read the terms of {field}");
            let dictionary = self.dictionary(field)?;
            let Some(position) = dictionary.term_ord(value).context(ErrorKind::Corrupt, broken)?
            else {
                return Ok(None);
            };
            let rows = dictionary
                .get(value)
                .context(ErrorKind::Corrupt, broken)?
                .map_or(0, |info| info.doc_freq);
            Ok(Some((position as u32 + 1, rows)))
        })
    }

    /// Returns the codes of the values that begin with `prefix`.
    ///
    /// # Errors
    /// An index that cannot be read.
    pub fn codes_with_prefix(&self, field: Field, prefix: &str) -> Result<Range<u32>> {
        let broken = || format!("cannot read the terms of {field}");
        let mut stream = self
            .dictionary(field)?
            .range()
            .ge(prefix)
            .into_stream()
            .context(ErrorKind::Corrupt, broken)?;
        let (mut first, mut end) = (0, 0);
        while stream.advance() && stream.key().starts_with(prefix.as_bytes()) {
            let code = stream.term_ord() as u32 + 1;
            if end == 0 {
                first = code;
            }
            end = code + 1;
        }
        Ok(first..end)
    }

    /// Returns when an event of this segment was accepted, by its sequence number.
    ///
    /// # Errors
    /// An index that is damaged.
    pub fn ingest_time(&self, seq: u64) -> Result<Timestamp> {
        self.accepted.get(IngestTimes::open).map(|accepted| accepted.time(seq))
    }

    /// Returns the amounts; `None` if the index has no list of them, in which case the column must
    /// be read.
    ///
    /// # Errors
    /// An index that is damaged.
    pub fn amounts(&self) -> Result<Option<&Amounts>> {
        self.amounts.as_ref().map(|amounts| amounts.get(Amounts::open)).transpose()
    }

    /// Returns the number of indexed rows.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Returns the key of a row, which orders it in its tenant's list.
    pub fn key(&self, row: u32) -> EventKey {
        EventKey { time: self.time(row), seq: self.keys.seqs.get(row) as u64 }
    }

    /// Returns the time of a row.
    pub fn time(&self, row: u32) -> Timestamp {
        Timestamp::from_millis(self.keys.times.get(row))
    }

    /// Returns the posting list of a value, if any row has it.
    ///
    /// # Errors
    /// An index that cannot be read.
    pub fn postings(&self, field: Field, value: &str) -> Result<Option<SegmentPostings>> {
        let Some((term_field, inverted)) = self.terms.get(field) else {
            return Err(Error::internal(format!("{field} has no posting lists")));
        };
        let term = Term::from_field_text(*term_field, &term_of(value));
        inverted
            .read_postings(&term, IndexRecordOption::Basic)
            .context(ErrorKind::Corrupt, || format!("cannot read postings of {field}"))
    }

    /// Returns the values of a field that begin with `prefix`, as terms, at most `limit`; `None` if
    /// there are more.
    ///
    /// # Errors
    /// An index that cannot be read.
    pub fn values_with_prefix(
        &self,
        field: Field,
        prefix: &str,
        limit: usize,
    ) -> Result<Option<Vec<String>>> {
        let Some((_, inverted)) = self.terms.get(field) else {
            return Err(Error::internal(format!("{field} has no posting lists")));
        };
        terms_with_prefix(inverted, prefix, limit)
            .context(ErrorKind::Corrupt, || format!("cannot read the terms of {field}"))
    }

    /// Returns the posting list of a term as it is in the dictionary.
    ///
    /// # Errors
    /// An index that cannot be read.
    pub fn postings_of_term(&self, field: Field, term: &str) -> Result<Option<SegmentPostings>> {
        // Terms up to the limit are the values themselves. A longer one comes from the dictionary,
        // which already has it in shortened form.
        if term.len() <= TERM_BYTES_MAX {
            return self.postings(field, term);
        }
        let Some((term_field, inverted)) = self.terms.get(field) else {
            return Err(Error::internal(format!("{field} has no posting lists")));
        };
        let term = Term::from_field_text(*term_field, term);
        inverted
            .read_postings(&term, IndexRecordOption::Basic)
            .context(ErrorKind::Corrupt, || format!("cannot read postings of {field}"))
    }

    fn ids(&self, field: Field) -> Result<&Ids> {
        self.ids.get(field).ok_or_else(|| Error::internal(format!("{field} has no table of ids")))
    }

    /// Returns the rows that may have this id, ascending; each must be verified against the row
    /// unless [`IndexReader::ids_are_certain`].
    ///
    /// # Errors
    /// A field that has no table of ids: a defect.
    pub fn candidates(&self, field: Field, id: &str) -> Result<Vec<u32>> {
        self.ids(field)?.rows_of(id)
    }

    /// Calls `take`, for ids that the table cannot distinguish, with their indexes in `ids` and the
    /// rows, ascending, that may have one of them, as [`IndexReader::candidates`] does for one id.
    ///
    /// # Errors
    /// A field that has no table of ids: a defect.
    pub fn each_candidates(
        &self,
        field: Field,
        ids: &[&str],
        take: &mut dyn FnMut(&[usize], &[u32]),
    ) -> Result<()> {
        self.ids(field)?.each_rows_of(ids, take)
    }

    /// Returns whether the rows of an id of this field are certain.
    ///
    /// # Errors
    /// A field that has no table of ids: a defect.
    pub fn ids_are_certain(&self, field: Field) -> Result<bool> {
        Ok(self.ids(field)?.are_certain())
    }

    /// Returns those of `rows` whose id begins with one of `prefixes`, in any order and possibly
    /// more than once; `None` if the index cannot decide.
    ///
    /// # Errors
    /// A field that has no table of ids: a defect.
    pub fn rows_with_id_prefix(
        &self,
        field: Field,
        prefixes: &[String],
        rows: &Range<u32>,
    ) -> Result<Option<Vec<u32>>> {
        self.ids(field)?.rows_with_prefix(prefixes, rows)
    }

    /// Returns the posting list of a word, if any record has it.
    ///
    /// # Errors
    /// An index that cannot be read.
    pub fn word(&self, word: &str) -> Result<Option<SegmentPostings>> {
        let term = Term::from_field_text(self.words.field, word);
        self.words
            .inverted
            .read_postings(&term, IndexRecordOption::Basic)
            .context(ErrorKind::Corrupt, || "cannot read postings of words".to_owned())
    }

    /// Returns the words that begin with `prefix`, at most `limit`; `None` if there are more.
    ///
    /// # Errors
    /// An index that cannot be read.
    pub fn words_with_prefix(&self, prefix: &str, limit: usize) -> Result<Option<Vec<String>>> {
        terms_with_prefix(&self.words.inverted, prefix, limit)
            .context(ErrorKind::Corrupt, || "cannot read the words".to_owned())
    }

    /// Returns the posting lists of the records that contain a phrase of more than one token that
    /// shapes can decide ([`crate::text::decided_by_shape`]).
    ///
    /// # Errors
    /// An index that is damaged.
    pub fn phrase(&self, needle: &str) -> Result<TextRows> {
        self.text_rows(self.texts.table.get(TextTable::open)?.standing(needle))
    }

    /// Returns the posting lists of the records that have a value at a path (folded) that passes a
    /// test of folded values; `None` if the index cannot decide.
    ///
    /// # Errors
    /// An index that is damaged.
    pub fn value_at(&self, path: &str, passes: impl Fn(&str) -> bool) -> Result<Option<TextRows>> {
        self.texts
            .table
            .get(TextTable::open)?
            .at_path(path, passes)
            .map(|told| self.text_rows(told))
            .transpose()
    }

    fn text_rows(&self, told: TextMatch) -> Result<TextRows> {
        let broken = || "cannot read postings of texts".to_owned();
        let texts = &self.texts;
        let list = |number: u32| {
            let term = Term::from_field_text(texts.field, &text_list(number));
            let postings = texts
                .inverted
                .read_postings(&term, IndexRecordOption::Basic)
                .context(ErrorKind::Corrupt, broken)?;
            postings.ok_or_else(|| {
                Error::corrupt("the table of texts names a list that the index does not have")
            })
        };
        let lists = |numbers: Vec<u32>| numbers.into_iter().map(list).collect::<Result<Vec<_>>>();
        Ok(TextRows { sure: lists(told.sure)?, maybe: lists(told.maybe)? })
    }

    /// Returns the rows whose record may contain this id (folded) as a word, ascending: all rows of
    /// the blocks that contain it, and those that have it as the value of a field.
    ///
    /// # Errors
    /// An index that is damaged.
    pub fn rows_near_id(&self, id: &str) -> Result<Vec<u32>> {
        let blocks = self.words.ids.candidates(id)?.into_iter();
        let mut rows: Vec<u32> = blocks
            .flat_map(|block| block * BLOCK_ROWS..self.rows.min((block + 1) * BLOCK_ROWS))
            .collect();
        for ids in self.ids.values() {
            rows.extend(ids.rows_of(id)?);
        }
        rows.sort_unstable();
        rows.dedup();
        Ok(rows)
    }
}

/// Returns the term of a list of rows that the table of texts refers to by number.
pub(in crate::storage::segment) fn text_list(number: u32) -> String {
    format!("{number:07}")
}

/// Returns the terms of a dictionary that begin with `prefix`, at most `limit`; `None` if there are
/// more.
fn terms_with_prefix(
    inverted: &InvertedIndexReader,
    prefix: &str,
    limit: usize,
) -> std::io::Result<Option<Vec<String>>> {
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
