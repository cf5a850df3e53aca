//! Combinations: which values of several fields occur together, and how often.

use crate::access::Scope;
use crate::error::{Error, Result};
use crate::event::{Columns, Field};
use crate::filter::Filter;
use crate::query::budget::GroupMemory;
use crate::query::dictionary::vocabulary::{SegmentCodes, Vocabulary};
use crate::query::rows::events::Rows;
use crate::query::{Explain, Run, SnapshotReader};
use std::collections::{BTreeMap, HashMap};

/// The values of the requested fields, in their order; `None` where events have no value.
pub type Combination = Vec<Option<String>>;

impl SnapshotReader<'_> {
    /// Counts every combination of values of these fields with few values among the events that
    /// match.
    ///
    /// # Errors
    /// A segment that cannot be read.
    pub fn combinations(
        &self,
        scope: &Scope,
        filter: &Filter,
        fields: &[Field],
    ) -> Result<(BTreeMap<Combination, u64>, Explain)> {
        fields.iter().try_for_each(|field| scope.check_field(*field))?;
        let filter = &scope.narrow(filter)?;
        let vocabulary = &self.snapshot.vocabulary;
        let find = |run: &Run<'_>, rows: Rows| {
            let mut counts = BTreeMap::new();
            if count_codes(run, &rows, fields, vocabulary, &mut counts)? {
                return Ok(counts);
            }
            run.source.each_columns(&rows, fields, &mut self.budget.pace(), |columns| {
                count(&columns, fields, &mut counts)
            })?;
            Ok(counts)
        };
        let (mut totals, mut room) = (BTreeMap::new(), self.budget.room());
        let add = |counts: BTreeMap<Combination, u64>| {
            counts.into_iter().try_for_each(|(values, count)| {
                add_to(&mut totals, &mut room, fields, values, count)
            })
        };
        let explain = self.each_run(&self.wide_runs(filter), filter, find, add)?;
        Ok((totals, explain))
    }
}

fn add_to(
    totals: &mut BTreeMap<Combination, u64>,
    room: &mut GroupMemory,
    fields: &[Field],
    values: Combination,
    count: u64,
) -> Result<()> {
    if let Some(total) = totals.get_mut(&values) {
        *total += count;
        return Ok(());
    }
    let texts: usize = values.iter().flatten().map(String::len).sum();
    room.take(
        format_args!("{fields:?}"),
        texts + values.len() * size_of::<Option<String>>() + COMBINATION_BYTES,
    )?;
    totals.insert(values, count);
    Ok(())
}

/// Memory that a combination takes besides its values, in bytes.
const COMBINATION_BYTES: usize = 64;

/// Counts by the codes of the index; returns `false` if a field has no codes.
fn count_codes(
    run: &Run<'_>,
    rows: &Rows,
    fields: &[Field],
    vocabulary: &Vocabulary,
    counts: &mut BTreeMap<Combination, u64>,
) -> Result<bool> {
    if rows.len() == 0 {
        return Ok(true);
    }
    let mut lists = Vec::with_capacity(fields.len());
    for field in fields {
        let Some(coded) = vocabulary.coded(run.source, *field)? else { return Ok(false) };
        lists.push(coded);
    }
    let mut by_codes: HashMap<Vec<u32>, u64> = HashMap::new();
    let mut key = Vec::with_capacity(lists.len());
    rows.each(|row| {
        key.clear();
        key.extend(lists.iter().map(|coded| coded.codes.get(row)));
        match by_codes.get_mut(&key) {
            Some(count) => *count += 1,
            None => {
                by_codes.insert(key.clone(), 1);
            }
        }
    });
    for (codes, count) in by_codes {
        let value = |((field, coded), code): ((&Field, &SegmentCodes), u32)| {
            let number = coded.numbers.get((code as usize).checked_sub(1)?)?;
            vocabulary.texts(*field, std::iter::once(*number)).first().map(ToString::to_string)
        };
        *counts.entry(fields.iter().zip(&lists).zip(codes).map(value).collect()).or_default() +=
            count;
    }
    Ok(true)
}

/// Counts by codes first: texts are made once per combination, not once per row.
fn count(
    columns: &Columns,
    fields: &[Field],
    counts: &mut BTreeMap<Combination, u64>,
) -> Result<()> {
    let lists = fields.iter().map(|field| columns.dictionary(*field)).collect::<Option<Vec<_>>>();
    let lists =
        lists.ok_or_else(|| Error::internal("combinations are of fields with few values"))?;
    let mut by_codes: HashMap<Vec<Option<u32>>, u64> = HashMap::new();
    let mut key = Vec::with_capacity(lists.len());
    for row in 0..columns.rows() {
        key.clear();
        key.extend(lists.iter().map(|(codes, _)| codes[row]));
        match by_codes.get_mut(&key) {
            Some(count) => *count += 1,
            None => {
                by_codes.insert(key.clone(), 1);
            }
        }
    }
    for (codes, count) in by_codes {
        let values = codes
            .iter()
            .zip(&lists)
            .map(|(code, (_, values))| code.map(|code| values.value(code as usize).to_owned()))
            .collect();
        *counts.entry(values).or_default() += count;
    }
    Ok(())
}
