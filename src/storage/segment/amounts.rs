//! The amounts of a segment: few events move money, so those that do are a short list of rows and amounts.

use super::packed::{Packed, write_packed};
use crate::error::{Error, Result};
use crate::event::Amount;
use std::ops::Range;
use tantivy::directory::FileSlice;

/// The bytes of the list; `None` if an amount is too large for it, and then the column must be read.
pub(super) fn write_amounts(amounts: &[(u32, Amount)]) -> Option<Vec<u8>> {
    let units: Vec<i64> = amounts.iter().map(|(_, amount)| i64::try_from(amount.units()).ok()).collect::<Option<_>>()?;
    let mut bytes = Vec::new();
    write_packed(&amounts.iter().map(|(row, _)| i64::from(*row)).collect::<Vec<_>>(), &mut bytes);
    write_packed(&units, &mut bytes);
    Some(bytes)
}

/// The list in a mapped file.
#[derive(Debug)]
pub struct Amounts {
    rows: Packed,
    units: Packed,
}

impl Amounts {
    pub(super) fn open(file: &FileSlice) -> Result<Self> {
        let damaged = || Error::corrupt("the list of amounts is damaged; `annals check --rebuild-index` makes it anew");
        let bytes = file.read_bytes().map_err(|cause| damaged().because(cause))?;
        let (rows, rest) = Packed::split(bytes)?;
        let (units, rest) = Packed::split(rest)?;
        if rows.len() != units.len() || !rest.is_empty() {
            return Err(damaged());
        }
        Ok(Self { rows, units })
    }

    /// The rows of a range that have an amount, ascending, with it.
    pub fn within(&self, range: Range<u32>) -> impl Iterator<Item = (u32, Amount)> {
        let first = self.rows.partition_point(|row| row < i64::from(range.start));
        let last = self.rows.partition_point(|row| row < i64::from(range.end));
        (first..last).map(|place| (self.rows.get(place) as u32, Amount::from_units(i128::from(self.units.get(place)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_come_back_and_huge_ones_are_not_cut() {
        let amount = |text: &str| Amount::parse(text).expect("an amount");
        let all = [(3, amount("5.25")), (4, amount("-1000000")), (900, amount("0"))];
        let list = Amounts::open(&FileSlice::from(write_amounts(&all).expect("they fit"))).expect("our own list");
        assert_eq!(list.within(0..1_000).collect::<Vec<_>>(), all);
        assert_eq!(list.within(4..900).collect::<Vec<_>>(), all[1..2]);
        assert!(write_amounts(&[(1, amount("999999999999999999999"))]).is_none());
    }
}
