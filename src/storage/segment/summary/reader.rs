//! Reads the summary of a segment, one section at a time.

use super::format::*;
use crate::error::{Error, Result};
use crate::event::{Amount, Field};
use crate::storage::segment::file::bitpacked::PackedNumbers;
use tantivy::HasLen;
use tantivy::directory::{FileSlice, OwnedBytes};

/// A summary in a mapped file.
#[derive(Debug)]
pub struct SegmentSummary {
    keys: PackedNumbers,
    indexes: PackedNumbers,
    body: OwnedBytes,
}

/// How many rows have each value, by code.
#[derive(Debug)]
pub struct ValueCounts {
    codes: PackedNumbers,
    counts: PackedNumbers,
}

/// How many rows have each combination.
#[derive(Debug)]
pub struct Cube {
    dimensions: Vec<PackedNumbers>,
    hours: Option<PackedNumbers>,
    counts: PackedNumbers,
}

/// The totals of the amounts of each combination.
#[derive(Debug)]
pub struct Sums {
    dimensions: Vec<PackedNumbers>,
    values: Vec<PackedNumbers>,
}

/// The totals of a number of amounts, in the units of [`Amount`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AmountTotal {
    /// The number of amounts.
    pub count: u64,
    /// Their sum.
    pub sum: Amount,
    /// The smallest of them.
    pub least: Amount,
    /// The largest of them.
    pub most: Amount,
}

fn damaged() -> Error {
    Error::corrupt(
        "the summary in the index is damaged; `annals check --rebuild-index` rebuilds it",
    )
}

impl SegmentSummary {
    pub(in crate::storage::segment) fn open(file: &FileSlice) -> Result<Self> {
        if file.len() == 0 {
            return Err(damaged());
        }
        let bytes = file.read_bytes().map_err(|cause| damaged().because(cause))?;
        let (keys, rest) = PackedNumbers::split(bytes)?;
        let (indexes, body) = PackedNumbers::split(rest)?;
        if keys.len() != indexes.len() {
            return Err(damaged());
        }
        Ok(Self { keys, indexes, body })
    }

    fn section(&self, unit: u32, section: u8) -> Option<OwnedBytes> {
        let wanted = key(unit, section);
        let index = self.keys.partition_point(|key| key < wanted);
        if index == self.keys.len() || self.keys.get(index) != wanted {
            return None;
        }
        let start = usize::try_from(self.indexes.get(index))
            .ok()
            .filter(|start| *start <= self.body.len())?;
        Some(self.body.slice(start..self.body.len()))
    }

    /// Returns how many rows of a unit have each value of a field, or `None` if the field is not
    /// summarized.
    ///
    /// # Errors
    /// A summary that is damaged.
    pub fn values(&self, unit: u32, field: Field) -> Result<Option<ValueCounts>> {
        let Some(section) = self.section(unit, field as u8) else { return Ok(None) };
        let (codes, rest) = PackedNumbers::split(section)?;
        let (counts, _) = PackedNumbers::split(rest)?;
        if codes.len() != counts.len() {
            return Err(damaged());
        }
        Ok(Some(ValueCounts { codes, counts }))
    }

    /// Returns the kinds cube of a unit.
    ///
    /// # Errors
    /// A summary that is damaged.
    pub fn kinds(&self, unit: u32) -> Result<Option<Cube>> {
        self.cube(unit, KINDS_SECTION, KINDS.len(), false)
    }

    /// Returns the hours cube of a unit.
    ///
    /// # Errors
    /// A summary that is damaged.
    pub fn hours(&self, unit: u32) -> Result<Option<Cube>> {
        self.cube(unit, HOURS_SECTION, HOURS.len(), true)
    }

    /// Returns the totals of the amounts of a unit by the first `dimensions` of [`SUMS`], or by
    /// more of them.
    ///
    /// # Errors
    /// A summary that is damaged.
    pub fn sums(&self, unit: u32, dimensions: usize) -> Result<Option<Sums>> {
        let dimensions = dimensions.max(SUMS.len() - 1);
        let section = if dimensions == SUMS.len() { ALL_SUMS_SECTION } else { SUMS_SECTION };
        let Some(mut lists) = self.lists(unit, section, dimensions + 4)? else { return Ok(None) };
        let values = lists.split_off(dimensions);
        Ok(Some(Sums { dimensions: lists, values }))
    }

    /// Reads the lists of equal length that a section begins with.
    fn lists(&self, unit: u32, section: u8, count: usize) -> Result<Option<Vec<PackedNumbers>>> {
        let Some(mut rest) = self.section(unit, section) else { return Ok(None) };
        let mut lists = Vec::with_capacity(count);
        for _ in 0..count {
            let (list, after) = PackedNumbers::split(rest)?;
            lists.push(list);
            rest = after;
        }
        if lists.iter().any(|list| list.len() != lists[0].len()) {
            return Err(damaged());
        }
        Ok(Some(lists))
    }

    fn cube(
        &self,
        unit: u32,
        section: u8,
        dimensions: usize,
        hourly: bool,
    ) -> Result<Option<Cube>> {
        let Some(mut lists) = self.lists(unit, section, dimensions + 1 + usize::from(hourly))?
        else {
            return Ok(None);
        };
        let counts = lists.pop().ok_or_else(damaged)?;
        let hours = if hourly { lists.pop() } else { None };
        Ok(Some(Cube { dimensions: lists, hours, counts }))
    }
}

impl ValueCounts {
    /// Returns the code of each value and how many rows have it, in the order of codes.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u64)> {
        (0..self.codes.len())
            .map(|index| (self.codes.get(index) as u32, self.counts.get(index) as u64))
    }
}

impl Cube {
    /// Returns the number of combinations.
    pub fn cells(&self) -> u32 {
        self.counts.len()
    }

    /// Returns the code of a combination in a dimension, given by its index.
    #[inline]
    pub fn code(&self, cell: u32, dimension: usize) -> u32 {
        self.dimensions[dimension].get(cell) as u32
    }

    /// Returns the start of the hour of a combination, in milliseconds.
    pub fn hour(&self, cell: u32) -> Option<i64> {
        self.hours.as_ref().map(|hours| hours.get(cell).saturating_mul(HOUR_MS))
    }

    /// Returns how many rows have a combination.
    #[inline]
    pub fn count(&self, cell: u32) -> u64 {
        self.counts.get(cell) as u64
    }
}

impl Sums {
    /// Returns the number of combinations.
    pub fn cells(&self) -> u32 {
        self.values[0].len()
    }

    /// Returns the code of a combination in a dimension, given by its index.
    pub fn code(&self, cell: u32, dimension: usize) -> u32 {
        self.dimensions[dimension].get(cell) as u32
    }

    /// Returns the totals of the amounts of a combination.
    pub fn total(&self, cell: u32) -> AmountTotal {
        let [count, sum, least, most] = [0, 1, 2, 3].map(|index| self.values[index].get(cell));
        let amount = |units: i64| Amount::from_units(i128::from(units));
        AmountTotal {
            count: count as u64,
            sum: amount(sum),
            least: amount(least),
            most: amount(most),
        }
    }
}
