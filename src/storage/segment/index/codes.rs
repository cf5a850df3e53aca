//! The codes of a field with few values, one per row: counts by value are computed from them,
//! without a text or a page of Parquet.
//!
//! A code is the ordinal of the row's value among the terms of the field, from 1; 0 means no value.

use crate::error::{Error, Result};
use crate::storage::segment::file::bitpacked::{PackedNumbers, write_packed};
use std::ops::Range;
use tantivy::directory::FileSlice;

/// Writes a column of codes.
pub(in crate::storage::segment) fn write_codes(codes: &[u32]) -> Vec<u8> {
    let codes: Vec<i64> = codes.iter().map(|code| i64::from(*code)).collect();
    let mut bytes = Vec::new();
    write_packed(&codes, &mut bytes);
    bytes
}

/// A column of codes in a mapped file.
#[derive(Debug, Clone)]
pub struct Codes(PackedNumbers);

impl Codes {
    pub(in crate::storage::segment) fn open(file: &FileSlice, rows: u32) -> Result<Self> {
        let damaged = || {
            Error::corrupt(
                "a column of codes is damaged; `annals check --rebuild-index` rebuilds it",
            )
        };
        let bytes = file.read_bytes().map_err(|cause| damaged().because(cause))?;
        let (codes, rest) = PackedNumbers::split(bytes)?;
        if codes.len() != rows || !rest.is_empty() {
            return Err(damaged());
        }
        Ok(Self(codes))
    }

    /// Returns the code of a row.
    #[inline]
    pub fn get(&self, row: u32) -> u32 {
        self.0.get(row) as u32
    }

    /// Calls `take` with the codes of a range of rows.
    #[inline]
    pub fn each(&self, rows: Range<u32>, mut take: impl FnMut(u32)) {
        self.0.each(rows, |code| take(code as u32));
    }
}
