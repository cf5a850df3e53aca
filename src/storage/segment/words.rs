//! The words of the records, for the index: dictionary terms as posting lists, ids as a table of hashes.
//!
//! A record names a dozen ids, most of them in pieces, and nearly all distinct. As terms they would fill the dictionary; as
//! (hash, row) pairs they would cost more than all other parts of the index. So the table says only in which block of rows
//! an id stands: what a tenant's records share is kept once for a block, and a candidate costs the reading of one block.
//! Ids that are values of hashed fields are in the tables of those already.

use super::hash_table::{HashTableBuilder, hash_of};
use crate::event::{Event, FIELDS, Field, IndexKind};
use crate::text::{Part, Token, TokenKind, fold, tokens, walk};

/// Rows in a block of the table of ids.
pub(super) const BLOCK_ROWS: u32 = 64;

/// Collects the words of records, in the order of their rows.
#[derive(Debug, Default)]
pub(super) struct WordsBuilder {
    terms: String,
    /// Ids of the block that is being filled.
    block: Vec<u32>,
    block_number: u32,
    table: HashTableBuilder,
}

impl WordsBuilder {
    /// The dictionary terms of an event's record, separated by spaces. Its ids go to the table.
    pub(super) fn add(&mut self, event: &Event, row: u32) -> &str {
        if row / BLOCK_ROWS != self.block_number {
            self.close_block();
            self.block_number = row / BLOCK_ROWS;
        }
        self.terms.clear();
        // Tables of fields are asked for the folded id, so they have only what folding leaves alone.
        let fields = FIELDS.iter().filter(|def| def.index == IndexKind::Hash && def.field != Field::RelatedIds);
        let known: Vec<&str> = fields.filter_map(|def| event.text(def.field)).collect();
        let Self { terms, block, .. } = self;
        walk(&event.original, &mut |_, part| {
            let (Part::Key(text) | Part::Text(text) | Part::Literal(text)) = part else { return };
            tokens(&fold(text), &mut |token: Token<'_>| match token.kind {
                TokenKind::Term => {
                    terms.push_str(token.text);
                    terms.push(' ');
                }
                TokenKind::Id if known.contains(&token.text) => {}
                TokenKind::Id => block.push(hash_of(token.text)),
            });
        });
        &self.terms
    }

    fn close_block(&mut self) {
        self.block.sort_unstable();
        self.block.dedup();
        for hash in self.block.drain(..) {
            self.table.add_hash(hash, self.block_number);
        }
    }

    /// The bytes of the table of ids.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.close_block();
        self.table.finish()
    }
}
