//! The segment: an immutable set of events as one Parquet file, one index, and a manifest that says
//! what both must be.
//!
//! Rows are sorted by tenant, then newest first, then accepted last first. So a tenant is one range
//! of rows, a list page is the first rows of it that match, and a document id of the index *is* the
//! row number in the Parquet file. There is one writer ([`write_segment`]), one form, and one
//! reader ([`Segment`]).
//!
//! The Parquet file is the truth; the index can be rebuilt from it. The Parquet writer records no
//! checksums of pages, so the manifest has the SHA-256 of each file and a CRC32C of every 16 KiB of
//! it: damage is found, and located.

mod cache;
mod damage;
mod data;
mod file;
mod index;
mod manifest;
mod reader;
mod sizes;
mod summary;
mod writer;

pub use cache::open_parts::{OPEN_BYTES, OpenParts, Opened};
pub use damage::Damage;
pub use data::record_pages::RecordReader;
pub use file::positioned::PositionedFile;
pub use index::amounts::Amounts;
pub use index::codes::Codes;
pub use index::reader::{IndexReader, TextRows};
pub use index::row_keys::{LoadedKeys, RowKeys};
pub use index::schema::term_of;
pub use manifest::{FileMark, Manifest, TenantRows};
pub use reader::{DamageFindings, DataFile, Segment};
pub use sizes::Sizes;
pub use summary::{
    AmountTotal, Cube, HOUR_MS, HOURS, KINDS, SUMS, SegmentSummary, SummaryRule, Sums,
};
pub use writer::{
    BATCH_ROWS, SegmentFiles, SegmentOptions, index_of, tenant_rows, write_batches, write_segment,
};

#[cfg(test)]
mod tests;
