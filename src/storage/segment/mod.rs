//! The segment: an immutable set of events, stored as one Parquet file, one index, and a manifest
//! that says what both must be.
//!
//! # Layout
//!
//! A segment holds events of one date, sorted by tenant, then newest first, then last accepted
//! first. Three things follow from this order: a tenant is one range of rows; a list page is the
//! first matching rows of that range; and a document id of the index *is* the row number in the
//! Parquet file, so the two need no mapping between them.
//!
//! ```text
//! sorted events ─► writer ─┬─► data/    ID.parquet   all columns, and the records as received
//!                          ├─► index/   ID.idx       one bundle: posting lists, codes, keys, ids,
//!                          │                         words, texts, amounts, ingest times, summary
//!                          └─► manifest ID.json      tenants, row ranges, times, checksums
//! ```
//!
//! * `data` reads single records of the Parquet file without setting up column readers.
//! * `index` holds what finds rows. Fields with few values have a posting list per value and a
//!   **code** per row; ids have a table of hashes or, where it pays off, of values; the texts of
//!   records have words and the table of texts (`index/text`).
//! * `summary/` holds counts and sums per tenant, for questions that cover whole tenants.
//! * `file` has the common formats: the bundle, checksums by block, bit-packed numbers.
//! * `cache` bounds what stays open or unpacked, over all segments of a store.
//!
//! There is one writer ([`write_segment`], [`write_batches`]) and one reader ([`Segment`]). Opening
//! a table reads the manifests only; the files of a segment are opened when a question first needs
//! them, and closed again when all open parts exceed their budget.
//!
//! # Invariants
//!
//! * **The Parquet file is the truth.** The index is derived from it and can always be rebuilt; a
//!   damaged index never changes an answer, because its segment is then answered from the columns
//!   ([`Segment::sound_index`]). A damaged Parquet file is an error that names the file.
//! * **Every byte is verified before it is used.** Neither Parquet nor tantivy notices every
//!   flipped bit, so the manifest has a CRC32C for each block of 16 KiB of both files, which is
//!   compared once per process, and the SHA-256 of each whole file for complete checks.
//! * **Hashes give candidates.** Two ids may share a hash, so rows from a table of hashes must be
//!   verified; rows from a table of values are certain.
//! * **A Parquet file never changes.** Merges and deletions write new segments. Only a rebuilt
//!   index, with its manifest, atomically replaces the previous one.

mod cache;
mod check;
mod damage;
mod data;
mod earlier;
mod file;
mod index;
mod manifest;
mod reader;
mod sizes;
mod summary;
mod unindexed;
mod writer;

pub use cache::open_parts::{OPEN_BYTES, OpenParts, Opened};
pub use check::DamageFindings;
pub use damage::Damage;
pub use data::record_pages::RecordReader;
pub use file::checksums::FileMark;
pub use file::positioned::PositionedFile;
pub use index::amounts::Amounts;
pub use index::codes::Codes;
pub use index::reader::{IndexReader, TextRows};
pub use index::row_keys::{LoadedKeys, RowKeys};
pub use index::schema::term_of;
pub use manifest::{Manifest, TenantRows};
pub use reader::{DataFile, Segment};
pub use sizes::Sizes;
pub use summary::{
    AmountTotal, Cube, HOUR_MS, HOURS, KINDS, SUMS, SegmentSummary, SummaryRule, Sums,
};
pub use writer::{
    BATCH_ROWS, SegmentFiles, SegmentOptions, index_of, tenant_rows, write_batches, write_segment,
};

#[cfg(test)]
mod tests;
