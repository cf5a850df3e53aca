//! How a segment finds rows by an id field: by a table of its values where those are short or come again, as names do, so that it is not much
//! larger than a table of their hashes; and else by hashes.

use super::bundle::{Bundle, BundleWriter};
use super::dimensions::Dimension;
use super::hash_table::{HashTable, HashTableBuilder};
use super::value_table::{ValueTable, write_value_table};
use crate::error::Result;
use crate::event::{Columns, Field, Kind, Operator};
use std::ops::Range;

/// Values may take so many times the bytes of their hashes, in hundredths: they have prefixes, and answer for certain.
const VALUES_WORTH: usize = 250;
/// Values that are gathered before it is asked whether they can be worth it.
const VALUES_TRIED: usize = 16_384;
/// What a hash takes at most, in bytes; and what is left of a value without what it shares with its neighbour, in hundredths, if it shares
/// little.
const HASH_BYTES: usize = 5;
const OWN_SHARE: usize = 75;

fn hashes_file(field: Field) -> String {
    format!("ids.{field}")
}

fn values_file(field: Field) -> String {
    format!("values.{field}")
}

/// Collects the ids of one field and writes their table.
#[derive(Debug)]
pub(super) struct IdsBuilder {
    field: Field,
    hashes: HashTableBuilder,
    /// The values, as long as they may be worth their bytes, and how many bytes the different ones have.
    values: Option<Dimension>,
    value_bytes: usize,
}

impl IdsBuilder {
    pub(super) fn new(field: Field) -> Self {
        // What nobody asks the beginning of is found by its hash as well.
        let values = field.def().operators.contains(&Operator::Prefix).then(|| Dimension::new(field));
        Self { field, hashes: HashTableBuilder::default(), values, value_bytes: 0 }
    }

    /// Adds the ids of events, which are the rows from `first` on.
    pub(super) fn add(&mut self, events: &Columns, first: u32) {
        for (place, row) in (0..events.rows()).zip(first..) {
            if self.field.def().kind == Kind::List {
                events.each_in_list(self.field, place, |item| self.hashes.add(item, row));
                continue;
            }
            let text = events.text(self.field, place);
            text.into_iter().for_each(|text| self.hashes.add(text, row));
            if let Some(values) = &mut self.values {
                let before = values.values();
                values.add_text(text);
                if values.values() > before {
                    self.value_bytes += text.map_or(0, str::len);
                }
            }
        }
        let least = self.value_bytes * OWN_SHARE;
        self.values.take_if(|values| values.values() > VALUES_TRIED && least > values.rows() * HASH_BYTES * VALUES_WORTH);
    }

    pub(super) fn finish(self, bundle: &mut BundleWriter) {
        let hashes = self.hashes.finish();
        if let Some(values) = self.values {
            let coded = values.finish();
            let (rows, lists) = coded.postings();
            let values = write_value_table(&coded.values, &rows, &lists);
            if values.len() * 100 <= hashes.len() * VALUES_WORTH {
                return bundle.add(&values_file(self.field), &values);
            }
        }
        bundle.add(&hashes_file(self.field), &hashes);
    }
}

/// The ids of one field.
#[derive(Debug)]
pub(super) enum Ids {
    Hashes(HashTable),
    Values(ValueTable),
}

impl Ids {
    pub(super) fn open(bundle: &Bundle, field: Field) -> Result<Self> {
        match bundle.file(&values_file(field)) {
            Ok(file) => ValueTable::open(&file).map(Self::Values),
            Err(_) => HashTable::open(bundle.file(&hashes_file(field))?).map(Self::Hashes),
        }
    }

    /// The rows that may have this id, ascending; [`Ids::are_certain`] says whether they have it.
    pub(super) fn rows_of(&self, id: &str) -> Result<Vec<u32>> {
        match self {
            Self::Hashes(table) => table.candidates(id),
            Self::Values(table) => {
                let mut found = Vec::new();
                table.rows_of(id, &mut found)?;
                Ok(found)
            }
        }
    }

    /// Whether [`Ids::rows_of`] tells rows for certain.
    pub(super) fn are_certain(&self) -> bool {
        matches!(self, Self::Values(_))
    }

    /// Those of `rows` whose id begins with one of these, in any order and perhaps more than once; `None` if the table does not tell.
    pub(super) fn rows_with_prefix(&self, prefixes: &[String], rows: &Range<u32>) -> Result<Option<Vec<u32>>> {
        let Self::Values(table) = self else { return Ok(None) };
        let mut found = Vec::new();
        for prefix in prefixes {
            table.rows_with_prefix(prefix, rows, &mut found)?;
        }
        Ok(Some(found))
    }
}
