//! The amounts of a segment: few events move money, so those that do are a short list of rows and
//! amounts.

use crate::error::{Error, Result};
use crate::event::Amount;
use crate::storage::segment::file::bitpacked::{PackedNumbers, write_packed};
use std::ops::Range;
use tantivy::directory::FileSlice;

/// Writes the list; returns `None` if an amount is too large for it, in which case the column must
/// be read.
pub(in crate::storage::segment) fn write_amounts(amounts: &[(u32, Amount)]) -> Option<Vec<u8>> {
    let units: Vec<i64> = amounts
        .iter()
        .map(|(_, amount)| i64::try_from(amount.units()).ok())
        .collect::<Option<_>>()?;
    let mut bytes = Vec::new();
    write_packed(&amounts.iter().map(|(row, _)| i64::from(*row)).collect::<Vec<_>>(), &mut bytes);
    write_packed(&units, &mut bytes);
    Some(bytes)
}

/// A list of amounts in a mapped file.
#[derive(Debug)]
pub struct Amounts {
    rows: PackedNumbers,
    units: PackedNumbers,
}

impl Amounts {
    pub(in crate::storage::segment) fn open(file: &FileSlice) -> Result<Self> {
        let damaged = || {
            Error::corrupt(
                "the list of amounts is damaged; `annals check --rebuild-index` rebuilds it",
            )
        };
        let bytes = file.read_bytes().map_err(|cause| damaged().because(cause))?;
        let (rows, rest) = PackedNumbers::split(bytes)?;
        let (units, rest) = PackedNumbers::split(rest)?;
        if rows.len() != units.len() || !rest.is_empty() {
            return Err(damaged());
        }
        Ok(Self { rows, units })
    }

    /// Returns the rows of a range whose amount is between two bounds, both inclusive, in ascending
    /// order.
    pub fn between(
        &self,
        range: Range<u32>,
        least: Option<Amount>,
        most: Option<Amount>,
    ) -> Vec<u32> {
        let bound = |bound: Option<Amount>, none: i64| {
            bound.map_or(i128::from(none), |bound| bound.units())
        };
        let (Ok(least), Ok(most)) =
            (clamped(bound(least, i64::MIN), i64::MIN), clamped(bound(most, i64::MAX), i64::MAX))
        else {
            return Vec::new();
        };
        let indexes = self.indexes(&range);
        let mut wanted = Vec::with_capacity(indexes.len());
        self.units.each(indexes.clone(), |units| wanted.push((least..=most).contains(&units)));
        let mut rows = Vec::new();
        let mut wanted = wanted.into_iter();
        self.rows.each(indexes, |row| {
            if wanted.next() == Some(true) {
                rows.push(row as u32);
            }
        });
        rows
    }

    fn indexes(&self, range: &Range<u32>) -> Range<u32> {
        self.rows.partition_point(|row| row < i64::from(range.start))
            ..self.rows.partition_point(|row| row < i64::from(range.end))
    }

    /// Returns the rows of a range that have an amount, ascending, with the amount.
    pub fn within(&self, range: Range<u32>) -> impl Iterator<Item = (u32, Amount)> {
        self.indexes(&range).map(|index| {
            (self.rows.get(index) as u32, Amount::from_units(i128::from(self.units.get(index))))
        })
    }
}

/// Clamps a bound to the numbers that a list can hold; fails if no number can be within it.
fn clamped(bound: i128, open: i64) -> Result<i64, ()> {
    match i64::try_from(bound) {
        Ok(bound) => Ok(bound),
        // Below all numbers for a lower bound, above all for an upper one: the bound has no effect.
        Err(_) if (bound < 0) == (open == i64::MIN) => Ok(open),
        Err(_) => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_come_back_and_huge_ones_are_not_cut() {
        let amount = |text: &str| Amount::parse(text).expect("an amount");
        let all = [(3, amount("5.25")), (4, amount("-1000000")), (900, amount("0"))];
        let list = Amounts::open(&FileSlice::from(write_amounts(&all).expect("they fit")))
            .expect("our own list");
        assert_eq!(list.within(0..1_000).collect::<Vec<_>>(), all);
        assert_eq!(list.within(4..900).collect::<Vec<_>>(), all[1..2]);
        let between = |least: Option<&str>, most: Option<&str>| {
            list.between(0..900, least.map(amount), most.map(amount))
        };
        assert_eq!(between(None, None), [3, 4]);
        assert_eq!(
            (
                between(Some("5.25"), None),
                between(Some("5.26"), None),
                between(None, Some("-1000000"))
            ),
            (vec![3], vec![], vec![4])
        );
        let huge = "999999999999999999999";
        let (low, high) = (format!("-{huge}"), huge);
        assert_eq!(
            (between(Some(&low), Some(high)), between(Some(high), None), between(None, Some(&low))),
            (vec![3, 4], vec![], vec![])
        );
        assert!(write_amounts(&[(1, amount("999999999999999999999"))]).is_none());
    }
}
