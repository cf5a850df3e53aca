//! The fields with few values while a segment is written: every value gets a code. The codes give
//! the posting lists (a pass over the rows, sorted by code) and the column that counts are computed
//! from.

use crate::error::{Error, Result};
use crate::event::{Columns, Field, FieldKind};
use crate::storage::segment::index::codes::write_codes;
use arrow::array::Array;
use hashbrown::HashMap;
use std::ops::Range;

/// Collects the values of one field, row by row.
#[derive(Debug)]
pub(in crate::storage::segment) struct Dimension {
    field: Field,
    /// The number of each value, from 1; 0 means no value.
    numbers: HashMap<Box<str>, u32>,
    values: Vec<Box<str>>,
    rows: Vec<u32>,
}

/// Collects the values of all such fields.
#[derive(Debug)]
pub(in crate::storage::segment) struct CodesWriter(Vec<Dimension>);

impl CodesWriter {
    pub(in crate::storage::segment) fn of(fields: impl Iterator<Item = Field>) -> Self {
        Self(fields.map(Dimension::new).collect())
    }

    /// Adds the values of events, which have all columns.
    pub(in crate::storage::segment) fn add(&mut self, events: &Columns) -> Result<()> {
        for dimension in &mut self.0 {
            let field = dimension.field;
            if field.def().kind == FieldKind::Bool {
                let codes: Vec<Option<u32>> =
                    (0..events.rows()).map(|row| events.flag(field, row).map(u32::from)).collect();
                dimension.add(&codes, |code| if code == 0 { "false" } else { "true" }, 2);
                continue;
            }
            let (codes, values) = events
                .dictionary(field)
                .ok_or_else(|| Error::internal(format!("{field} has no dictionary")))?;
            dimension.add(codes, |code| values.value(code as usize), values.len());
        }
        Ok(())
    }

    /// Returns each field with its values in order.
    pub(in crate::storage::segment) fn finish(self) -> impl Iterator<Item = CodedField> {
        self.0.into_iter().map(Dimension::finish)
    }
}

impl Dimension {
    pub(in crate::storage::segment) fn new(field: Field) -> Self {
        Self { field, numbers: HashMap::new(), values: Vec::new(), rows: Vec::new() }
    }

    /// Adds rows that have codes of their own; only values that occur in a row are requested, and
    /// only once each.
    fn add<'a>(&mut self, codes: &[Option<u32>], value: impl Fn(u32) -> &'a str, values: usize) {
        let mut known = vec![0; values];
        self.rows.reserve(codes.len());
        for code in codes {
            let number = code.map_or(0, |code| match known[code as usize] {
                0 => {
                    known[code as usize] = self.number(value(code));
                    known[code as usize]
                }
                number => number,
            });
            self.rows.push(number);
        }
    }

    /// Adds a row.
    pub(in crate::storage::segment) fn add_text(&mut self, text: Option<&str>) {
        let number = text.map_or(0, |text| self.number(text));
        self.rows.push(number);
    }

    /// Returns the number of different values so far.
    pub(in crate::storage::segment) fn values(&self) -> usize {
        self.values.len()
    }

    /// Returns the number of rows so far.
    pub(in crate::storage::segment) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Returns the number of a value, assigning one if it is new.
    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        self.values.push(text.into());
        let number = self.values.len() as u32;
        self.numbers.insert(text.into(), number);
        number
    }

    pub(in crate::storage::segment) fn finish(self) -> CodedField {
        let mut order: Vec<u32> = (0..self.values.len() as u32).collect();
        order.sort_unstable_by(|left, right| {
            self.values[*left as usize].as_bytes().cmp(self.values[*right as usize].as_bytes())
        });
        let mut codes = vec![0; self.values.len() + 1];
        for (code, number) in (1..).zip(&order) {
            codes[*number as usize + 1] = code;
        }
        let mut values = self.values;
        let values =
            order.iter().map(|number| std::mem::take(&mut values[*number as usize])).collect();
        CodedField {
            field: self.field,
            values,
            codes: self.rows.into_iter().map(|number| codes[number as usize]).collect(),
        }
    }
}

/// A field with few values: the values ascend, and a row's code is the ordinal of its value, from
/// 1; 0 means no value.
#[derive(Debug)]
pub(in crate::storage::segment) struct CodedField {
    pub(in crate::storage::segment) field: Field,
    pub(in crate::storage::segment) values: Vec<Box<str>>,
    pub(in crate::storage::segment) codes: Vec<u32>,
}

impl CodedField {
    /// Returns the rows of each value, ascending: all lists one after the other, and the range of
    /// each.
    pub(in crate::storage::segment) fn postings(&self) -> (Vec<u32>, Vec<Range<usize>>) {
        let mut ends = vec![0_usize; self.values.len() + 1];
        for code in self.codes.iter().filter(|code| **code > 0) {
            ends[*code as usize] += 1;
        }
        for code in 1..ends.len() {
            ends[code] += ends[code - 1];
        }
        let lists: Vec<Range<usize>> = ends.windows(2).map(|pair| pair[0]..pair[1]).collect();
        let mut rows = vec![0; ends.last().copied().unwrap_or_default()];
        let mut next: Vec<usize> = lists.iter().map(|list| list.start).collect();
        for (row, code) in (0_u32..).zip(&self.codes).filter(|(_, code)| **code > 0) {
            let index = &mut next[*code as usize - 1];
            rows[*index] = row;
            *index += 1;
        }
        (rows, lists)
    }

    /// Returns the bytes of the column of codes.
    pub(in crate::storage::segment) fn column(&self) -> Vec<u8> {
        write_codes(&self.codes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_coded_in_their_order_and_listed_by_row() {
        let mut dimension = Dimension::new(Field::Source);
        // Two batches with codes of their own; no row has the value "z".
        let (first, second) = (["b", "z"], ["a", "中", "b"]);
        dimension.add(&[Some(0), Some(0), None], |code| first[code as usize], 2);
        dimension.add(&[Some(0), Some(1), Some(2)], |code| second[code as usize], 3);
        let coded = dimension.finish();
        assert_eq!(coded.values.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["a", "b", "中"]);
        assert_eq!(coded.codes, [2, 2, 0, 1, 3, 2]);
        let (rows, lists) = coded.postings();
        assert_eq!(
            lists.iter().map(|list| &rows[list.clone()]).collect::<Vec<_>>(),
            [&[3][..], &[0, 1, 5], &[4]]
        );
    }
}
