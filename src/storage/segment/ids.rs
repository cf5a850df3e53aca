//! How a segment finds rows by an id field: by a table of its values where that is about as small as a table of their hashes, which is
//! where values come again, and else by hashes.

use super::bundle::{Bundle, BundleWriter};
use super::dimensions::Dimension;
use super::hash_table::{HashTable, HashTableBuilder};
use super::value_table::{ValueTable, write_value_table};
use crate::error::Result;
use crate::event::{Columns, Field, Kind, Operator};
use std::ops::Range;

/// Values may take so many times the bytes of their hashes, in hundredths: they answer more, and for certain.
const VALUES_WORTH: usize = 125;
/// Values that are gathered before it is asked whether they come again.
const VALUES_TRIED: usize = 16_384;
/// Values that are nearly all different, in hundredths of the rows, are not gathered further.
const DIFFERENT: usize = 85;

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
    /// The values, as long as they may be worth their bytes.
    values: Option<Dimension>,
}

impl IdsBuilder {
    pub(super) fn new(field: Field) -> Self {
        // What nobody asks the beginning of is found by its hash as well.
        let values = field.def().operators.contains(&Operator::Prefix).then(|| Dimension::new(field));
        Self { field, hashes: HashTableBuilder::default(), values }
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
                values.add_text(text);
            }
        }
        self.values.take_if(|values| values.values() > VALUES_TRIED && values.values() * 100 > values.rows() * DIFFERENT);
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
