//! The words of the records, for the index: dictionary terms as posting lists, ids as a table of hashes.
//!
//! A record names a dozen ids, most of them in pieces, and nearly all distinct. As terms they would fill the dictionary; as
//! (hash, row) pairs they would cost more than all other parts of the index. So the table says only in which block of rows
//! an id stands: what a tenant's records share is kept once for a block, and a candidate costs the reading of one block.
//! Ids that are values of hashed fields are in the tables of those already.
//!
//! Keys and many values are the same texts in every record, so the terms of a text are remembered: what is met again costs
//! one look into a table instead of folding and cutting it again.

use super::hash_table::{HashTableBuilder, hash_of};
use crate::event::{Columns, FIELDS, Field, IndexKind};
use crate::text::{Part, Token, TokenKind, fold, tokens, walk_parts};
use hashbrown::HashMap;
use std::ops::Range;

/// Rows in a block of the table of ids.
pub(super) const BLOCK_ROWS: u32 = 64;
/// Longer texts, in bytes, are not remembered: they hardly come again.
const REMEMBERED_BYTES: usize = 64;
/// Texts that are remembered at most; when there are more, all are forgotten and the frequent ones come back.
const REMEMBERED_TEXTS: usize = 1 << 15;

/// A term and the rows that have it.
pub(super) type TermRows = (Box<str>, Vec<u32>);

/// The rows of a term, as they come.
#[derive(Debug, Default)]
struct Posting {
    rows: Vec<u32>,
}

/// Collects the words of records, in the order of their rows.
#[derive(Debug, Default)]
pub(super) struct WordsBuilder {
    numbers: HashMap<Box<str>, u32>,
    postings: Vec<Posting>,
    remembered: Remembered,
    /// Ids of the block that is being filled.
    block: Vec<u32>,
    block_number: u32,
    table: HashTableBuilder,
}

/// Texts whose terms are known.
#[derive(Debug, Default)]
struct Remembered {
    texts: HashMap<Box<str>, Range<u32>>,
    terms: Vec<u32>,
}

impl Remembered {
    fn terms(&self, text: &str) -> Option<&[u32]> {
        let range = self.texts.get(text)?;
        Some(&self.terms[range.start as usize..range.end as usize])
    }

    fn add(&mut self, text: &str, terms: &[u32]) {
        if text.len() > REMEMBERED_BYTES {
            return;
        }
        if self.texts.len() == REMEMBERED_TEXTS {
            self.texts.clear();
            self.terms.clear();
        }
        let start = self.terms.len() as u32;
        self.terms.extend_from_slice(terms);
        self.texts.insert(text.into(), start..self.terms.len() as u32);
    }
}

impl WordsBuilder {
    /// The words of the records of events, in the order of rows.
    pub(super) fn of(batches: &[Columns]) -> Self {
        let mut builder = Self::default();
        let places = batches.iter().flat_map(|events| (0..events.rows()).map(move |place| (events, place)));
        for ((events, place), row) in places.zip(0..) {
            builder.add(events, place, row);
        }
        builder
    }

    /// Takes the words of the record at a place among `events`, which is that of a row of the segment.
    fn add(&mut self, events: &Columns, place: usize, row: u32) {
        if row / BLOCK_ROWS != self.block_number {
            self.close_block();
            self.block_number = row / BLOCK_ROWS;
        }
        let mut terms = Vec::new();
        walk_parts(events.text(Field::Original, place).unwrap_or_default(), &mut |part| {
            let (Part::Key(text) | Part::Text(text) | Part::Literal(text)) = part else { return };
            if let Some(terms) = self.remembered.terms(text) {
                for term in terms {
                    add_row(&mut self.postings, *term, row);
                }
                return;
            }
            terms.clear();
            if self.cut(events, place, text, &mut terms) {
                self.remembered.add(text, &terms);
            }
            for term in &terms {
                add_row(&mut self.postings, *term, row);
            }
        });
    }

    /// Cuts a text into terms, and adds its ids to the block. Returns whether it has none.
    fn cut(&mut self, events: &Columns, place: usize, text: &str, terms: &mut Vec<u32>) -> bool {
        let mut plain = true;
        tokens(&fold(text), &mut |token: Token<'_>| match token.kind {
            TokenKind::Term => terms.push(self.number(token.text)),
            TokenKind::Id => {
                plain = false;
                if !is_value(events, place, token.text) {
                    self.block.push(hash_of(token.text));
                }
            }
        });
        plain
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

    /// The terms in the order of their bytes with their rows, and the bytes of the table of ids.
    pub(super) fn finish(mut self) -> (Vec<TermRows>, Vec<u8>) {
        self.close_block();
        let mut terms: Vec<(Box<str>, u32)> = self.numbers.into_iter().collect();
        terms.sort_unstable_by(|left, right| left.0.as_bytes().cmp(right.0.as_bytes()));
        let rows = |(term, number): (Box<str>, u32)| (term, std::mem::take(&mut self.postings[number as usize].rows));
        (terms.into_iter().map(rows).collect(), self.table.finish())
    }
}

fn add_row(postings: &mut [Posting], term: u32, row: u32) {
    let rows = &mut postings[term as usize].rows;
    if rows.last() != Some(&row) {
        rows.push(row);
    }
}

/// Whether a folded token is the value of a hashed field. Tables of fields are asked for the folded id, so they have only
/// what folding leaves alone.
fn is_value(events: &Columns, place: usize, token: &str) -> bool {
    let mut fields = FIELDS.iter().filter(|def| def.index == IndexKind::Hash && def.field != Field::RelatedIds);
    fields.any(|def| events.text(def.field, place) == Some(token))
}
