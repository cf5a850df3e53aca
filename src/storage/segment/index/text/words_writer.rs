//! The words of the records for the index: dictionary terms as posting lists, ids as a table of
//! hashes.
//!
//! A record contains a dozen ids, most of them in pieces, and nearly all distinct. As terms they
//! would fill the dictionary; as (hash, row) pairs they would cost more than all other parts of the
//! index. So the table only records which block of rows contains an id: ids that a tenant's records
//! have in common are stored once per block, and a candidate costs reading one block. Ids that are
//! values of hashed fields are already in the tables of those.
//!
//! Keys and many values are the same texts in every record, so what a text consists of is cached by
//! its path. The texts themselves go to the table of texts.
//!
//! The words of some fields ([`WORD_FIELDS`]) are words of the record too.

use crate::event::{Columns, FIELDS, Field, IndexKind, WORD_FIELDS};
use crate::storage::segment::index::hash_table::{HashTableBuilder, hash_of};
use crate::storage::segment::index::text::text_table::KEYS;
use crate::storage::segment::index::text::text_table_writer::TextsBuilder;
use crate::storage::segment::index::text::token_cache::TokenCache;
use crate::text::{Token, TokenKind, WalkStep, fold, is_lone_id, part_tokens, tokens, walk};
use hashbrown::HashMap;

/// Maximum number of values of fields whose terms are cached.
const FIELD_TEXTS_MAX: usize = 1 << 14;

/// Number of rows in a block of the table of ids.
pub(in crate::storage::segment) const BLOCK_ROWS: u32 = 64;

/// A term and the rows that have it.
pub(in crate::storage::segment) type TermRows = (Box<str>, Vec<u32>);

/// What an index stores about the texts of records.
pub(in crate::storage::segment) struct Words {
    /// The terms in the order of their bytes.
    pub(in crate::storage::segment) terms: Vec<TermRows>,
    /// The bytes of the table of ids.
    pub(in crate::storage::segment) ids: Vec<u8>,
    /// Lists of rows, which the table of texts refers to by number.
    pub(in crate::storage::segment) lists: Vec<Vec<u32>>,
    /// The bytes of the table of texts.
    pub(in crate::storage::segment) texts: Vec<u8>,
}

/// The rows of a term, as they come.
#[derive(Debug, Default)]
struct Posting {
    rows: Vec<u32>,
}

/// Collects the words of records in the order of their rows.
#[derive(Debug, Default)]
pub(in crate::storage::segment) struct WordsBuilder {
    numbers: HashMap<Box<str>, u32>,
    postings: Vec<Posting>,
    remembered: TokenCache,
    /// The ids of the block that is being filled.
    block: Vec<u32>,
    block_number: u32,
    table: HashTableBuilder,
    texts: TextsBuilder,
    /// The terms of values of fields.
    field_terms: HashMap<Box<str>, Box<[u32]>>,
    /// The path of the key that was met last, and its group.
    path: String,
    group: u32,
}

/// The record at an index among events, with its row in the segment.
#[derive(Clone, Copy)]
struct RecordAt<'a> {
    events: &'a Columns,
    index: usize,
    row: u32,
}

impl WordsBuilder {
    /// Collects the words of the records of events, in the order of rows.
    pub(in crate::storage::segment) fn of(batches: &[Columns]) -> Self {
        let mut builder = Self::default();
        let indexes =
            batches.iter().flat_map(|events| (0..events.rows()).map(move |index| (events, index)));
        for ((events, index), row) in indexes.zip(0..) {
            builder.add(RecordAt { events, index, row });
        }
        builder
    }

    /// Adds the words of a record.
    fn add(&mut self, source: RecordAt<'_>) {
        let RecordAt { events, index, row } = source;
        if row / BLOCK_ROWS != self.block_number {
            self.close_block();
            self.block_number = row / BLOCK_ROWS;
        }
        let mut terms = Vec::new();
        walk(
            events.text(Field::Original, index).unwrap_or_default(),
            &mut |path, part| match part {
                WalkStep::Key(key) => self.add_key(source, path, key, &mut terms),
                WalkStep::Text(text) | WalkStep::Literal(text) => {
                    self.add_value(source, path, text, &mut terms)
                }
                // The record itself is at no path.
                WalkStep::Container(_) if path.is_empty() => {}
                WalkStep::Embedded(_) | WalkStep::Container(_) => {
                    let group = self.group_of(path);
                    self.texts.add_composite(group, row);
                }
            },
        );
        for field in WORD_FIELDS {
            self.add_words_of(source, *field, &mut terms);
        }
    }

    /// Adds the words of a field, which the record need not have: decoders give names of their own
    /// to what is a number or nothing there.
    fn add_words_of(&mut self, source: RecordAt<'_>, field: Field, terms: &mut Vec<u32>) {
        let Some(text) = source.events.text(field, source.index) else { return };
        if let Some(known) = self.field_terms.get(text) {
            add_rows(&mut self.postings, known, source.row);
            return;
        }
        if self.cut(source, text, &fold(text), terms) && self.field_terms.len() < FIELD_TEXTS_MAX {
            self.field_terms.insert(text.into(), terms.as_slice().into());
        }
        add_rows(&mut self.postings, terms, source.row);
    }

    fn add_key(&mut self, source: RecordAt<'_>, path: &str, key: &str, terms: &mut Vec<u32>) {
        let row = source.row;
        self.path.clear();
        self.path.push_str(path);
        if let Some((group, known)) = self.remembered.key(path, key) {
            let known = known.clone();
            self.group = group;
            self.texts.add_row(KEYS, known.kept, row);
            add_rows(&mut self.postings, self.remembered.terms(&known), row);
            return;
        }
        self.group = self.texts.group(path);
        let folded = fold(key);
        let kept = self.texts.entry(KEYS, &folded);
        let plain = self.cut(source, key, &folded, terms);
        if plain {
            self.remembered.add_key(path, key, self.group, kept, terms);
        }
        self.texts.add_row(KEYS, kept, row);
        add_rows(&mut self.postings, terms, row);
    }

    fn add_value(&mut self, source: RecordAt<'_>, path: &str, text: &str, terms: &mut Vec<u32>) {
        let row = source.row;
        let group = self.group_of(path);
        if is_lone_id(text) {
            let folded = fold(text);
            self.texts.add_id(group, &folded, row);
            if !is_value(source, &folded) {
                self.block.push(hash_of(&folded));
            }
            terms.clear();
            self.cut_names(source, text, terms);
            add_rows(&mut self.postings, terms, row);
            return;
        }
        if let Some(known) = self.remembered.value(group, text).cloned() {
            self.texts.add_row(group, known.kept, row);
            add_rows(&mut self.postings, self.remembered.terms(&known), row);
            return;
        }
        let folded = fold(text);
        let kept = self.texts.entry(group, &folded);
        if self.cut(source, text, &folded, terms) {
            self.remembered.add_value(group, text, kept, terms);
        }
        self.texts.add_row(group, kept, row);
        add_rows(&mut self.postings, terms, row);
    }

    /// Returns the group of the path of a value: nearly always that of the key before it.
    fn group_of(&mut self, path: &str) -> u32 {
        if self.path != path {
            self.path.clear();
            self.path.push_str(path);
            self.group = self.texts.group(path);
        }
        self.group
    }

    /// Splits a text, which is given as it is and folded, into terms, and adds its ids to the
    /// block. Returns whether it contains no ids.
    fn cut(
        &mut self,
        source: RecordAt<'_>,
        text: &str,
        folded: &str,
        terms: &mut Vec<u32>,
    ) -> bool {
        let mut plain = true;
        terms.clear();
        tokens(folded, &mut |token| plain &= self.add_token(source, token, terms));
        self.cut_names(source, text, terms) && plain
    }

    /// Does the same with the parts of names in a text.
    fn cut_names(&mut self, source: RecordAt<'_>, text: &str, terms: &mut Vec<u32>) -> bool {
        let mut plain = true;
        part_tokens(text, &mut |token| plain &= self.add_token(source, token, terms));
        plain
    }

    /// Adds a token; returns whether it is a term.
    fn add_token(&mut self, source: RecordAt<'_>, token: Token<'_>, terms: &mut Vec<u32>) -> bool {
        match token.kind {
            TokenKind::Term => terms.push(self.number(token.text)),
            TokenKind::Id if is_value(source, token.text) => {}
            TokenKind::Id => self.block.push(hash_of(token.text)),
        }
        token.kind == TokenKind::Term
    }

    fn number(&mut self, term: &str) -> u32 {
        if let Some(number) = self.numbers.get(term) {
            return *number;
        }
        let number = self.postings.len() as u32;
        self.postings.push(Posting::default());
        self.numbers.insert(term.into(), number);
        number
    }

    fn close_block(&mut self) {
        self.block.sort_unstable();
        self.block.dedup();
        for hash in self.block.drain(..) {
            self.table.add_hash(hash, self.block_number);
        }
    }

    /// Returns what was collected, for the index.
    pub(in crate::storage::segment) fn finish(mut self) -> Words {
        self.close_block();
        let mut terms: Vec<(Box<str>, u32)> = self.numbers.into_iter().collect();
        terms.sort_unstable_by(|left, right| left.0.as_bytes().cmp(right.0.as_bytes()));
        let rows = |(term, number): (Box<str>, u32)| {
            (term, std::mem::take(&mut self.postings[number as usize].rows))
        };
        let terms = terms.into_iter().map(rows).collect();
        let (lists, texts) = self.texts.finish();
        Words { terms, ids: self.table.finish(), lists, texts }
    }
}

fn add_rows(postings: &mut [Posting], terms: &[u32], row: u32) {
    for term in terms {
        let rows = &mut postings[*term as usize].rows;
        if rows.last() != Some(&row) {
            rows.push(row);
        }
    }
}

/// Returns whether a folded token is the value of a hashed field. The tables of fields are searched
/// for the folded id, so they only contain ids that folding does not change.
fn is_value(RecordAt { events, index, .. }: RecordAt<'_>, token: &str) -> bool {
    let mut fields =
        FIELDS.iter().filter(|def| def.index == IndexKind::Hash && def.field != Field::RelatedIds);
    fields.any(|def| events.text(def.field, index) == Some(token))
}
