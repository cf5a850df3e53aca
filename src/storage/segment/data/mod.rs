//! The Parquet file of a segment.

pub(super) mod record_pages;
