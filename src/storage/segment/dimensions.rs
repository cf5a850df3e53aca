//! The fields of few values, while a segment is written: every value gets a code, and from the codes come the posting
//! lists (a walk over the rows, sorted by code) and the column of codes that counts are made of.

use super::codes::write_codes;
use crate::event::{Event, FIELDS, Field, IndexKind, Value};
use hashbrown::HashMap;
use std::ops::Range;

/// Collects the values of one field, row by row.
#[derive(Debug)]
struct Dimension {
    field: Field,
    /// The number of each value, from 1; 0 is none.
    numbers: HashMap<Box<str>, u32>,
    values: Vec<Box<str>>,
    rows: Vec<u32>,
}

/// Collects the values of all such fields.
#[derive(Debug)]
pub(super) struct Dimensions(Vec<Dimension>);

impl Default for Dimensions {
    fn default() -> Self {
        let fields = FIELDS.iter().filter(|def| def.index == IndexKind::Term);
        Self(fields.map(|def| Dimension::new(def.field)).collect())
    }
}

impl Dimensions {
    pub(super) fn add(&mut self, event: &Event) {
        for dimension in &mut self.0 {
            match event.value(dimension.field) {
                Value::Text(text) => dimension.add(text),
                Value::Bool(flag) => dimension.add(if flag { "true" } else { "false" }),
                _ => dimension.rows.push(0),
            }
        }
    }

    /// Each field with its values in order.
    pub(super) fn finish(self) -> impl Iterator<Item = Coded> {
        self.0.into_iter().map(Dimension::finish)
    }
}

impl Dimension {
    fn new(field: Field) -> Self {
        Self { field, numbers: HashMap::new(), values: Vec::new(), rows: Vec::new() }
    }

    fn add(&mut self, text: &str) {
        // Rows of a tenant repeat what the row before says.
        if let Some(last) = self.rows.last().copied().filter(|last| *last > 0)
            && self.values[last as usize - 1].as_ref() == text
        {
            self.rows.push(last);
            return;
        }
        let number = match self.numbers.get(text) {
            Some(number) => *number,
            None => {
                self.values.push(text.into());
                let number = self.values.len() as u32;
                self.numbers.insert(text.into(), number);
                number
            }
        };
        self.rows.push(number);
    }

    fn finish(self) -> Coded {
        let mut order: Vec<u32> = (0..self.values.len() as u32).collect();
        order.sort_unstable_by(|left, right| self.values[*left as usize].as_bytes().cmp(self.values[*right as usize].as_bytes()));
        let mut codes = vec![0; self.values.len() + 1];
        for (code, number) in (1..).zip(&order) {
            codes[*number as usize + 1] = code;
        }
        let mut values = self.values;
        let values = order.iter().map(|number| std::mem::take(&mut values[*number as usize])).collect();
        Coded { field: self.field, values, codes: self.rows.into_iter().map(|number| codes[number as usize]).collect() }
    }
}

/// A field of few values: they ascend, and a row's code is the place of its value among them, from 1; 0 is none.
#[derive(Debug)]
pub(super) struct Coded {
    pub(super) field: Field,
    pub(super) values: Vec<Box<str>>,
    pub(super) codes: Vec<u32>,
}

impl Coded {
    /// The rows of each value, ascending: one list after the other, and where each lies in it.
    pub(super) fn postings(&self) -> (Vec<u32>, Vec<Range<usize>>) {
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
            let place = &mut next[*code as usize - 1];
            rows[*place] = row;
            *place += 1;
        }
        (rows, lists)
    }

    /// The bytes of the column of codes.
    pub(super) fn column(&self) -> Vec<u8> {
        write_codes(&self.codes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_coded_in_their_order_and_listed_by_row() {
        let mut dimension = Dimension::new(Field::Source);
        for text in ["b", "b", "", "a", "中", "b"] {
            if text.is_empty() { dimension.rows.push(0) } else { dimension.add(text) }
        }
        let coded = dimension.finish();
        assert_eq!(coded.values.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["a", "b", "中"]);
        assert_eq!(coded.codes, [2, 2, 0, 1, 3, 2]);
        let (rows, lists) = coded.postings();
        assert_eq!(lists.iter().map(|list| &rows[list.clone()]).collect::<Vec<_>>(), [&[3][..], &[0, 1, 5], &[4]]);
    }
}
