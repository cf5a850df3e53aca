//! The parts of an index, and the tantivy schema of its posting lists.

use crate::event::{FIELDS, Field, FieldDef, IndexKind, hex};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use tantivy::schema::{IndexRecordOption, Schema, TextFieldIndexing, TextOptions};

/// The times and sequence numbers of the rows.
pub(in crate::storage::segment) const KEYS: &str = "places";
/// The words of the records.
pub(in crate::storage::segment) const WORDS: &str = "words";
/// The table of texts, and the posting lists that it refers to by number.
pub(in crate::storage::segment) const TEXTS: &str = "texts";
/// The table of ids that occur in the records: which blocks of rows contain each.
pub(in crate::storage::segment) const WORD_IDS: &str = "ids.words";
/// The table of ingest times.
pub(in crate::storage::segment) const ACCEPTED: &str = "accepted";
/// The list of amounts.
pub(in crate::storage::segment) const AMOUNTS: &str = "amounts";
/// The summary.
pub(in crate::storage::segment) const SUMMARY: &str = "summary";
/// Values longer than this, in bytes, are indexed by their beginning and a hash: tantivy drops
/// terms above 64 KiB.
pub(super) const TERM_BYTES_MAX: usize = 1024;

pub(in crate::storage::segment) fn term_fields() -> impl Iterator<Item = &'static FieldDef> {
    FIELDS.iter().filter(|def| def.index == IndexKind::Term)
}

pub(in crate::storage::segment) fn id_fields() -> impl Iterator<Item = &'static FieldDef> {
    FIELDS.iter().filter(|def| def.index == IndexKind::Hash)
}

pub(in crate::storage::segment) fn codes_file(field: Field) -> String {
    format!("codes.{field}")
}

/// Returns the tantivy schema: one raw, unscored text field for each field that is found by posting
/// lists.
pub(in crate::storage::segment) fn schema() -> Schema {
    let mut builder = Schema::builder();
    let raw = TextFieldIndexing::default()
        .set_tokenizer("raw")
        .set_index_option(IndexRecordOption::Basic)
        .set_fieldnorms(false);
    for def in term_fields() {
        builder.add_text_field(def.name, TextOptions::default().set_indexing_options(raw.clone()));
    }
    let words = TextFieldIndexing::default()
        .set_tokenizer("whitespace")
        .set_index_option(IndexRecordOption::Basic)
        .set_fieldnorms(false);
    for name in [WORDS, TEXTS] {
        builder.add_text_field(name, TextOptions::default().set_indexing_options(words.clone()));
    }
    builder.build()
}

/// Returns the term under which a value is indexed.
pub fn term_of(value: &str) -> Cow<'_, str> {
    if value.len() <= TERM_BYTES_MAX {
        return Cow::Borrowed(value);
    }
    let cut = value.floor_char_boundary(TERM_BYTES_MAX);
    Cow::Owned(format!("{}\u{0}{}", &value[..cut], hex(&Sha256::digest(value.as_bytes()))))
}
