//! The Parquet file of a segment.

pub(super) mod added_columns;
pub(super) mod record_pages;
