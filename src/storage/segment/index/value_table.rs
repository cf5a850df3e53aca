//! The values of an id field in order, and the rows that have each. Where values are short or
//! repeat (names of resources, access keys), this is not much larger than a table of their hashes,
//! gives certain rows, and supports prefixes.
//!
//! ```text
//! values u32 │ bytes of the values u32
//! │ for each block of 32 values: offset u32, rows of the values before it u32
//! │ values │ rows, packed
//! a value: bytes shared with the one before (none at the beginning of a block), bytes of its own,
//!          rows (LEB128 each) │ its own bytes
//! ```

use crate::error::{Error, Result};
use crate::storage::segment::file::bitpacked::{PackedNumbers, write_packed};
use crate::storage::segment::file::leb128;
use std::cmp::Ordering;
use std::ops::Range;
use tantivy::directory::{FileSlice, OwnedBytes};

const BLOCK: usize = 32;
const HEAD: usize = 8;
const ENTRY: usize = 8;

/// Writes a table of ascending values; the rows of each are a range of `rows`.
pub(in crate::storage::segment) fn write_value_table(
    values: &[Box<str>],
    rows: &[u32],
    lists: &[Range<usize>],
) -> Vec<u8> {
    let (mut directory, mut texts) = (Vec::new(), Vec::new());
    let mut before: &[u8] = b"";
    for (index, (value, list)) in values.iter().zip(lists).enumerate() {
        if index.is_multiple_of(BLOCK) {
            directory.extend_from_slice(&(texts.len() as u32).to_le_bytes());
            directory.extend_from_slice(&(list.start as u32).to_le_bytes());
            before = b"";
        }
        let shared =
            before.iter().zip(value.as_bytes()).take_while(|(left, right)| left == right).count();
        let own = &value.as_bytes()[shared..];
        for number in [shared, own.len(), list.len()] {
            leb128::write(number as u64, &mut texts);
        }
        texts.extend_from_slice(own);
        before = value.as_bytes();
    }
    let mut table = (values.len() as u32).to_le_bytes().to_vec();
    table.extend_from_slice(&(texts.len() as u32).to_le_bytes());
    table.extend_from_slice(&directory);
    table.extend_from_slice(&texts);
    write_packed(&rows.iter().map(|row| i64::from(*row)).collect::<Vec<_>>(), &mut table);
    table
}

fn damaged() -> Error {
    Error::corrupt("a table of values is damaged; `annals check --rebuild-index` rebuilds it")
}

/// A table of values in a mapped file.
#[derive(Debug)]
pub(in crate::storage::segment) struct ValueTable {
    /// Everything before the rows.
    head: OwnedBytes,
    blocks: usize,
    values: usize,
    texts_at: usize,
    rows: PackedNumbers,
}

impl ValueTable {
    pub(in crate::storage::segment) fn open(file: &FileSlice) -> Result<Self> {
        let bytes = file.read_bytes().map_err(|cause| damaged().because(cause))?;
        let number = |at: usize| {
            bytes
                .get(at..at + 4)
                .map(|bytes| u32::from_le_bytes(bytes.try_into().expect("four bytes")) as usize)
        };
        let (values, length) = number(0).zip(number(4)).ok_or_else(damaged)?;
        let blocks = values.div_ceil(BLOCK);
        let texts_at = HEAD + blocks * ENTRY;
        if bytes.len() < texts_at + length {
            return Err(damaged());
        }
        let (head, rest) = bytes.split(texts_at + length);
        let (rows, rest) = PackedNumbers::split(rest)?;
        if !rest.is_empty() {
            return Err(damaged());
        }
        Ok(Self { head, blocks, values, texts_at, rows })
    }

    /// Appends the rows of a value, ascending.
    ///
    /// # Errors
    /// A table that is damaged.
    pub(in crate::storage::segment) fn rows_of(
        &self,
        value: &str,
        found: &mut Vec<u32>,
    ) -> Result<()> {
        self.each_from(value.as_bytes(), |other, indexes| {
            let order = other.cmp(value.as_bytes());
            if order == Ordering::Equal {
                self.rows.each(indexes, |row| found.push(row as u32));
            }
            order == Ordering::Less
        })
    }

    /// Appends those of `rows` whose value begins with `prefix`, in the order of the values.
    ///
    /// # Errors
    /// A table that is damaged.
    pub(in crate::storage::segment) fn rows_with_prefix(
        &self,
        prefix: &str,
        rows: &Range<u32>,
        found: &mut Vec<u32>,
    ) -> Result<()> {
        let prefix = prefix.as_bytes();
        self.each_from(prefix, |value, indexes| {
            if value.starts_with(prefix) {
                self.rows.each(indexes, |row| {
                    if rows.contains(&(row as u32)) {
                        found.push(row as u32);
                    }
                });
                return true;
            }
            value < prefix
        })
    }

    /// Calls `visit` with values and the ranges of their rows, in order, until it returns `false`;
    /// begins a few values before the first that is not less than `wanted`.
    fn each_from(
        &self,
        wanted: &[u8],
        mut visit: impl FnMut(&[u8], Range<u32>) -> bool,
    ) -> Result<()> {
        let (mut low, mut high) = (0, self.blocks);
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.first_of(middle)? < wanted { low = middle + 1 } else { high = middle }
        }
        let mut value = Vec::new();
        for block in low.saturating_sub(1)..self.blocks {
            let (mut texts, mut index) = self.block(block)?;
            for _ in 0..BLOCK.min(self.values - block * BLOCK) {
                let (shared, own, rows) = take_value(&mut texts)
                    .filter(|(shared, ..)| *shared <= value.len())
                    .ok_or_else(damaged)?;
                value.truncate(shared);
                value.extend_from_slice(own);
                let end = index
                    .checked_add(rows)
                    .filter(|end| *end <= self.rows.len())
                    .ok_or_else(damaged)?;
                if !visit(&value, index..end) {
                    return Ok(());
                }
                index = end;
            }
            value.clear();
        }
        Ok(())
    }

    /// Returns the texts from a block on, and the index of its first row.
    fn block(&self, block: usize) -> Result<(&[u8], u32)> {
        let number =
            |at: usize| u32::from_le_bytes(self.head[at..at + 4].try_into().expect("four bytes"));
        let at = HEAD + block * ENTRY;
        let texts = self.head.get(self.texts_at + number(at) as usize..).ok_or_else(damaged)?;
        Ok((texts, number(at + 4)))
    }

    fn first_of(&self, block: usize) -> Result<&[u8]> {
        let (mut texts, _) = self.block(block)?;
        take_value(&mut texts).map(|(_, own, _)| own).ok_or_else(damaged)
    }
}

/// Reads a value from the beginning of `texts` and advances past it: the number of bytes that it
/// shares, its own bytes, and the number of rows that have it.
fn take_value<'a>(texts: &mut &'a [u8]) -> Option<(usize, &'a [u8], u32)> {
    let mut number = || u32::try_from(leb128::read(texts)?).ok();
    let (shared, own, rows) = (number()?, number()?, number()?);
    let (own, rest) = texts.split_at_checked(own as usize)?;
    *texts = rest;
    Some((shared as usize, own, rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn write(values: &BTreeMap<String, Vec<u32>>) -> Vec<u8> {
        let texts: Vec<Box<str>> = values.keys().map(|value| value.as_str().into()).collect();
        let rows: Vec<u32> = values.values().flatten().copied().collect();
        let mut end = 0;
        let lists: Vec<_> = values
            .values()
            .map(|rows| {
                end += rows.len();
                end - rows.len()..end
            })
            .collect();
        write_value_table(&texts, &rows, &lists)
    }

    fn open(bytes: Vec<u8>) -> Result<ValueTable> {
        ValueTable::open(&FileSlice::from(bytes))
    }

    fn many() -> BTreeMap<String, Vec<u32>> {
        (0..300).map(|number| (format!("web-{number}"), vec![number, number + 1_000])).collect()
    }

    #[test]
    fn a_table_that_is_cut_or_changed_never_panics() {
        let bytes = write(&many());
        for length in 0..bytes.len() {
            assert!(open(bytes[..length].to_vec()).is_err(), "{length}");
        }
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 0xff;
            if let Ok(table) = open(changed) {
                // Which bytes were meant is for the checksums of the file to decide.
                let _ = table.rows_of("web-17", &mut Vec::new());
                let _ = table.rows_with_prefix("", &(0..u32::MAX), &mut Vec::new());
            }
        }
    }

    #[test]
    fn an_empty_table_finds_nothing() {
        let table = open(write(&BTreeMap::new())).expect("our own table");
        let mut found = Vec::new();
        table.rows_of("x", &mut found).expect("whole");
        table.rows_with_prefix("", &(0..9), &mut found).expect("whole");
        assert!(found.is_empty());
    }

    #[test]
    fn blocks_are_crossed() {
        let table = open(write(&many())).expect("our own table");
        let with = |prefix: &str, rows: Range<u32>| {
            let mut found = Vec::new();
            table.rows_with_prefix(prefix, &rows, &mut found).expect("whole");
            found.len()
        };
        assert_eq!(
            (
                with("", 0..2_000),
                with("web-", 0..1_000),
                with("web-2", 0..2_000),
                with("web-29", 0..2_000)
            ),
            (600, 300, 222, 22)
        );
        assert_eq!(
            (with("web-300", 0..2_000), with("a", 0..2_000), with("z", 0..2_000)),
            (0, 0, 0)
        );
    }

    proptest! {
        #[test]
        fn rows_are_those_that_have_a_value_or_its_beginning(
            rows in proptest::collection::vec("[ab中]{0,6}", 0..400),
            asked in "[ab中]{0,4}",
            within in 0_u32..400,
        ) {
            let mut values: BTreeMap<String, Vec<u32>> = BTreeMap::new();
            for (row, value) in (0..).zip(&rows) {
                values.entry(value.clone()).or_default().push(row);
            }
            let table = open(write(&values)).expect("our own table");
            let of = |test: &dyn Fn(u32, &String) -> bool| {
                (0..)
                    .zip(&rows)
                    .filter(|(row, value)| test(*row, value))
                    .map(|(row, _)| row)
                    .collect::<Vec<u32>>()
            };
            let mut found = Vec::new();
            table.rows_of(&asked, &mut found).expect("whole");
            prop_assert_eq!(&found, &of(&|_, value| *value == asked));
            found.clear();
            table.rows_with_prefix(&asked, &(0..within), &mut found).expect("whole");
            found.sort_unstable();
            prop_assert_eq!(&found, &of(&|row, value| row < within && value.starts_with(&asked)));
        }
    }
}
