//! How the texts of records are found: words, and the table of texts.

pub(in crate::storage::segment) mod text_table;
pub(in crate::storage::segment) mod text_table_writer;
pub(in crate::storage::segment) mod token_cache;
pub(in crate::storage::segment) mod words_writer;
