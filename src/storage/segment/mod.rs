//! The segment: an immutable set of events as one Parquet file, one index, and a manifest that says what both must be.
//!
//! Rows are sorted by tenant, then newest first, then accepted last first. So a tenant is one range of rows, a list page
//! is the first rows of it that match, and a document id of the index *is* the row number in the Parquet file.
//! There is one writer ([`write_segment`]), one form, and one reader ([`Segment`]).
//!
//! The Parquet file is the truth; the index can be rebuilt from it. The Parquet writer records no checksums of pages, so
//! the manifest has the SHA-256 of each file and the CRC32C of each column chunk: damage is found, and located.

mod accepted;
mod amounts;
mod blocks;
mod bundle;
mod codes;
mod damage;
mod dimensions;
mod hash_table;
mod ids;
mod index;
mod index_writer;
mod keys;
mod looked_up;
mod manifest;
mod opened;
mod packed;
mod pages;
mod reader;
mod records;
mod remembered;
mod sizes;
mod summary;
mod texts;
mod texts_builder;
mod value_table;
mod words;
mod writer;

pub use amounts::Amounts;
pub use codes::Codes;
pub use damage::Damage;
pub use index::{IndexReader, TextRows, term_of};
pub use keys::{LoadedKeys, RowKeys};
pub use manifest::{FileMark, Manifest, TenantRows};
pub use opened::{OPEN_BYTES, OpenParts, Opened};
pub use reader::{DamageFindings, DataFile, PositionedFile, Segment};
pub use records::RecordReader;
pub use sizes::Sizes;
pub use summary::{AmountTotal, Cube, HOUR_MS, HOURS, KINDS, SUMS, SegmentSummary, SummaryRule, Sums};
pub use writer::{BATCH_ROWS, SegmentFiles, SegmentOptions, index_of, tenant_rows, write_batches, write_segment};

#[cfg(test)]
mod tests;
