//! How a segment finds rows by an id field: by a table of its values where those are short or
//! repeat, as names do, so that it is not much larger than a table of their hashes; otherwise by
//! hashes.

use crate::error::Result;
use crate::event::{Columns, Field, FieldKind, FilterOperator};
use crate::storage::segment::file::bundle::{Bundle, BundleWriter};
use crate::storage::segment::index::codes_writer::Dimension;
use crate::storage::segment::index::hash_table::{HashTable, HashTableBuilder, hash_of};
use crate::storage::segment::index::value_table::{ValueTable, write_value_table};
use std::ops::Range;

/// The table of values may take this many times the bytes of the hashes, in hundredths: values can
/// be searched by prefix and give certain answers.
const VALUES_WORTH: usize = 250;
/// Number of values that are collected before deciding whether a table of values can pay off.
const VALUES_TRIED: usize = 16_384;
/// Maximum bytes of a hash; and the share of a value, in hundredths, that is left after removing
/// what it has in common with its neighbour, if it has little in common.
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
pub(in crate::storage::segment) struct IdsBuilder {
    field: Field,
    hashes: HashTableBuilder,
    /// The values, as long as a table of values may pay off, and how many bytes the distinct ones
    /// have.
    values: Option<Dimension>,
    value_bytes: usize,
}

impl IdsBuilder {
    pub(in crate::storage::segment) fn new(field: Field) -> Self {
        // A field that has no prefix search is served by hashes just as well.
        let values =
            field.def().operators.contains(&FilterOperator::Prefix).then(|| Dimension::new(field));
        Self { field, hashes: HashTableBuilder::default(), values, value_bytes: 0 }
    }

    /// Adds the ids of events, which are the rows from `first` on.
    pub(in crate::storage::segment) fn add(&mut self, events: &Columns, first: u32) {
        for (index, row) in (0..events.rows()).zip(first..) {
            if self.field.def().kind == FieldKind::List {
                events.each_in_list(self.field, index, |item| self.hashes.add(item, row));
                continue;
            }
            let text = events.text(self.field, index);
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
        self.values.take_if(|values| {
            values.values() > VALUES_TRIED && least > values.rows() * HASH_BYTES * VALUES_WORTH
        });
    }

    pub(in crate::storage::segment) fn finish(self, bundle: &mut BundleWriter) {
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
pub(in crate::storage::segment) enum Ids {
    Hashes(HashTable),
    Values(ValueTable),
}

impl Ids {
    pub(in crate::storage::segment) fn open(bundle: &Bundle, field: Field) -> Result<Self> {
        match bundle.file(&values_file(field)) {
            Ok(file) => ValueTable::open(&file).map(Self::Values),
            Err(_) => HashTable::open(bundle.file(&hashes_file(field))?).map(Self::Hashes),
        }
    }

    /// Returns the rows that may have this id, ascending; [`Ids::are_certain`] returns whether they
    /// have it for certain.
    pub(in crate::storage::segment) fn rows_of(&self, id: &str) -> Result<Vec<u32>> {
        match self {
            Self::Hashes(table) => table.candidates(id),
            Self::Values(table) => {
                let mut found = Vec::new();
                table.rows_of(id, &mut found)?;
                Ok(found)
            }
        }
    }

    /// Calls `take`, for ids that the table cannot distinguish, with their indexes in `ids` and the
    /// rows, ascending, that may have one of them. Each row is handed over once, whichever ids
    /// share a hash.
    pub(in crate::storage::segment) fn each_rows_of(
        &self,
        ids: &[&str],
        take: &mut dyn FnMut(&[usize], &[u32]),
    ) -> Result<()> {
        let mut indexes: Vec<usize> = (0..ids.len()).collect();
        match self {
            Self::Hashes(table) => {
                let mut hashed: Vec<(u32, usize)> =
                    ids.iter().map(|id| hash_of(id)).zip(0..).collect();
                hashed.sort_unstable();
                let mut groups = hashed.chunk_by(|left, right| left.0 == right.0);
                let hashes: Vec<u32> = groups.clone().map(|group| group[0].0).collect();
                table.each_of(hashes, |hash, rows| {
                    let group = groups.find(|group| group[0].0 == hash).unwrap_or_default();
                    indexes.clear();
                    indexes.extend(group.iter().map(|(_, index)| *index));
                    take(&indexes, rows);
                })
            }
            Self::Values(table) => {
                indexes.sort_unstable_by_key(|index| ids[*index]);
                for group in indexes.chunk_by(|left, right| ids[*left] == ids[*right]) {
                    let mut found = Vec::new();
                    table.rows_of(ids[group[0]], &mut found)?;
                    if !found.is_empty() {
                        take(group, &found);
                    }
                }
                Ok(())
            }
        }
    }

    /// Returns whether the rows of [`Ids::rows_of`] are certain.
    pub(in crate::storage::segment) fn are_certain(&self) -> bool {
        matches!(self, Self::Values(_))
    }

    /// Returns those of `rows` whose id begins with one of these prefixes, in any order and
    /// possibly more than once; `None` if the table cannot decide.
    pub(in crate::storage::segment) fn rows_with_prefix(
        &self,
        prefixes: &[String],
        rows: &Range<u32>,
    ) -> Result<Option<Vec<u32>>> {
        let Self::Values(table) = self else { return Ok(None) };
        let mut found = Vec::new();
        for prefix in prefixes {
            table.rows_with_prefix(prefix, rows, &mut found)?;
        }
        Ok(Some(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tantivy::directory::FileSlice;

    /// Builds many different ids with one hash: a checksum is linear, so differences that do not
    /// change it can be computed.
    fn colliding(count: usize) -> Vec<String> {
        const LETTERS: usize = 16;
        let base = [b'p'; LETTERS];
        let id = |bits: u64| -> String {
            let letter =
                |index: usize| char::from(base[index] ^ ((bits >> (index * 4)) & 0xf) as u8);
            (0..LETTERS).map(letter).collect()
        };
        let zero = hash_of(&id(0));
        // The differences between texts and their effect on the hash, reduced to a form in which
        // each has its own leading bit.
        let mut leading: Vec<(u32, u64)> = Vec::new();
        let mut kernel: Vec<u64> = Vec::new();
        for bit in 0..LETTERS * 4 {
            let (mut effect, mut bits) = (hash_of(&id(1 << bit)) ^ zero, 1_u64 << bit);
            for (other, of) in &leading {
                if effect & (1 << other.ilog2()) != 0 {
                    (effect, bits) = (effect ^ other, bits ^ of);
                }
            }
            if effect == 0 { kernel.push(bits) } else { leading.push((effect, bits)) }
        }
        let pick = |number: usize| {
            (0..kernel.len())
                .filter(|index| number >> index & 1 == 1)
                .fold(0, |bits, index| bits ^ kernel[index])
        };
        (0..count).map(|number| id(pick(number))).collect()
    }

    #[test]
    fn ids_that_share_a_hash_cost_their_rows_once() {
        let ids = colliding(2_000);
        let (stored, asked) = ids.split_at(1_000);
        assert!(ids.iter().all(|id| hash_of(id) == hash_of(&ids[0])), "they collide");
        let mut builder = HashTableBuilder::default();
        stored.iter().zip(0..).for_each(|(id, row)| builder.add(id, row));
        let table =
            Ids::Hashes(HashTable::open(FileSlice::from(builder.finish())).expect("our own table"));
        let asked: Vec<&str> =
            asked.iter().map(String::as_str).chain(["not one of them"]).collect();
        let mut handed = Vec::new();
        table
            .each_rows_of(&asked, &mut |indexes, rows| handed.push((indexes.len(), rows.len())))
            .expect("whole");
        assert_eq!(handed, [(1_000, 1_000)]);
    }
}
