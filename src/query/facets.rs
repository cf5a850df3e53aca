//! Facets: exact counts by value.

use super::filter::Filter;
use super::rows::Rows;
use super::vocabulary::{Coded, Counts, Totals, Vocabulary};
use super::{Explain, Reader, Run};
use crate::access::Scope;
use crate::error::{Error, Result};
use crate::event::{Columns, Field, Kind};
use arrow::array::Array;
use hashbrown::HashMap;

/// The counts of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facet {
    /// The field.
    pub field: Field,
    /// Its most frequent values; equal counts in the order of the text.
    pub values: Vec<FacetValue>,
}

/// A value and how many events have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FacetValue {
    /// The value.
    pub value: String,
    /// How many events.
    pub count: u64,
}

/// A field that `facets` and `by` may name.
///
/// # Errors
/// A field that is not counted by value; the message names the parameter.
pub(crate) fn facet_field(parameter: &str, name: &str) -> Result<Field> {
    Field::from_name(name).filter(|field| field.def().facet).ok_or_else(|| {
        let known: Vec<&str> = crate::event::FIELDS.iter().filter(|def| def.facet).map(|def| def.name).collect();
        Error::parameter(parameter, format!("{:?} is none of {}", crate::event::clip(name, 60), known.join(", ")))
    })
}

impl Reader<'_> {
    /// The `size` most frequent values of each field among the events that match. An event without a value is not counted.
    ///
    /// # Errors
    /// A segment that cannot be read.
    pub fn facets(&self, scope: &Scope, filter: &Filter, fields: &[Field], size: usize) -> Result<(Vec<Facet>, Explain)> {
        let vocabulary = &self.snapshot.vocabulary;
        let by_rows = |run: &Run<'_>, rows: Rows| facets_of(run, &rows, fields, vocabulary);
        let runs = self.wide_runs(scope, filter);
        let (counts, explain) = self.each_run_or(&runs, filter, |summarized| summarized.facets(fields), by_rows)?;
        let mut totals: Vec<Totals> = fields.iter().map(|_| Totals::default()).collect();
        for (place, counts) in counts.into_iter().flat_map(|run| run.into_iter().enumerate()) {
            totals[place].add(counts);
        }
        let facet = |(field, totals): (&Field, Totals)| {
            let values = totals.most(vocabulary, *field, size).into_iter();
            Facet { field: *field, values: values.map(|(value, count)| FacetValue { value, count }).collect() }
        };
        Ok((fields.iter().zip(totals).map(facet).collect(), explain))
    }
}

/// Counts by codes where there are some; fields that have none are counted by their columns, all in one pass.
fn facets_of(run: &Run<'_>, rows: &Rows, fields: &[Field], vocabulary: &Vocabulary) -> Result<Vec<Counts>> {
    let mut counts: Vec<Counts> = fields.iter().map(|_| Counts::default()).collect();
    if rows.len() == 0 {
        return Ok(counts);
    }
    let mut others = Vec::new();
    for (place, field) in fields.iter().enumerate() {
        match vocabulary.coded(run.source, *field)? {
            Some(coded) => counts[place].numbers = count_codes(&coded, rows),
            None => others.push((place, *field)),
        }
    }
    if !others.is_empty() {
        let read: Vec<Field> = others.iter().map(|(_, field)| *field).collect();
        for columns in run.source.columns(rows, &read)? {
            for (place, field) in &others {
                count_values(&columns, *field, &mut counts[*place].texts);
            }
        }
    }
    Ok(counts)
}

/// How many rows have each value.
fn count_codes(coded: &Coded<'_>, rows: &Rows) -> Vec<(u32, u64)> {
    let number = |code: u32| coded.numbers[code as usize - 1];
    if rows.len() * 4 < coded.numbers.len() {
        // A few rows of many values: sorting the codes is less than a place for each value.
        let mut codes = Vec::with_capacity(rows.len());
        rows.each(|row| codes.push(coded.codes.get(row)));
        codes.sort_unstable();
        let runs = codes.chunk_by(|left, right| left == right).filter(|same| same[0] > 0);
        return runs.map(|same| (number(same[0]), same.len() as u64)).collect();
    }
    let mut by_code = vec![0_u32; coded.numbers.len() + 1];
    match rows {
        Rows::Range(range) => coded.codes.each(range.clone(), |code| by_code[code as usize] += 1),
        Rows::List(rows) => rows.iter().for_each(|row| by_code[coded.codes.get(*row) as usize] += 1),
    }
    let counted = (0_u32..).zip(by_code).skip(1).filter(|(_, count)| *count > 0);
    counted.map(|(code, count)| (number(code), u64::from(count))).collect()
}

fn count_values(columns: &Columns, field: Field, counts: &mut HashMap<String, u64>) {
    let mut add = |value: &str, count: u64| match counts.get_mut(value) {
        Some(total) => *total += count,
        None => {
            counts.insert(value.to_owned(), count);
        }
    };
    if let Some((codes, values)) = columns.dictionary(field) {
        let mut by_code = vec![0_u64; values.len()];
        codes.iter().flatten().for_each(|code| by_code[*code as usize] += 1);
        by_code.iter().enumerate().filter(|(_, count)| **count > 0).for_each(|(code, count)| add(values.value(code), *count));
        return;
    }
    for row in 0..columns.rows() {
        if let Some(value) = facet_value(columns, field, row) {
            add(value, 1);
        }
    }
}

pub(super) fn facet_value(columns: &Columns, field: Field, row: usize) -> Option<&str> {
    match field.def().kind {
        Kind::Bool => columns.flag(field, row).map(|flag| if flag { "true" } else { "false" }),
        _ => columns.text(field, row),
    }
}
