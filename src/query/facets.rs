//! Facets: exact counts by value.

use super::by::By;
use super::filter::Filter;
use super::rows::Rows;
use super::summarized::Summarized;
use super::vocabulary::{Coded, Counts, Totals, Vocabulary};
use super::{Explain, Reader, Run};
use crate::access::Scope;
use crate::error::Result;
use crate::event::{Columns, Field};
use arrow::array::Array;
use hashbrown::HashMap;

/// The counts of one field, or of one kind of related ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facet {
    /// What was counted by.
    pub by: By,
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

impl Reader<'_> {
    /// The `size` most frequent values of each of `by` among the events that match. An event without a value is not counted.
    ///
    /// # Errors
    /// A segment that cannot be read.
    pub fn facets<B: Clone + Into<By>>(&self, scope: &Scope, filter: &Filter, by: &[B], size: usize) -> Result<(Vec<Facet>, Explain)> {
        let by: Vec<By> = by.iter().cloned().map(Into::into).collect();
        let vocabulary = &self.snapshot.vocabulary;
        let fields: Option<Vec<Field>> = by.iter().map(By::field).collect();
        let by_rows = |run: &Run<'_>, rows: Rows| facets_of(run, &rows, &by, vocabulary);
        let runs = self.wide_runs(scope, filter);
        let summary = |summarized: &Summarized<'_>| fields.as_ref().map_or(Ok(None), |fields| summarized.facets(fields));
        let (counts, explain) = self.each_run_or(&runs, filter, summary, by_rows)?;
        let mut totals: Vec<Totals> = by.iter().map(|_| Totals::default()).collect();
        for (place, counts) in counts.into_iter().flat_map(|run| run.into_iter().enumerate()) {
            totals[place].add(counts);
        }
        let facet = |(by, totals): (By, Totals)| {
            let values = totals.most(vocabulary, by.column(), size).into_iter();
            Facet { by, values: values.map(|(value, count)| FacetValue { value, count }).collect() }
        };
        Ok((by.into_iter().zip(totals).map(facet).collect(), explain))
    }
}

/// Counts by codes where there are some; what has none is counted by its columns, all in one pass.
fn facets_of(run: &Run<'_>, rows: &Rows, by: &[By], vocabulary: &Vocabulary) -> Result<Vec<Counts>> {
    let mut counts: Vec<Counts> = by.iter().map(|_| Counts::default()).collect();
    if rows.len() == 0 {
        return Ok(counts);
    }
    let mut others = Vec::new();
    for (place, by) in by.iter().enumerate() {
        match by.field().map(|field| vocabulary.coded(run.source, field)).transpose()?.flatten() {
            Some(coded) => counts[place].numbers = count_codes(&coded, rows),
            None => others.push((place, by)),
        }
    }
    if !others.is_empty() {
        let mut read: Vec<Field> = others.iter().map(|(_, by)| by.column()).collect();
        read.sort_unstable();
        read.dedup();
        for columns in run.source.columns(rows, &read)? {
            for (place, by) in &others {
                count_values(&columns, by, &mut counts[*place].texts);
            }
        }
    }
    Ok(counts)
}

/// How many rows have each value.
fn count_codes(coded: &Coded, rows: &Rows) -> Vec<(u32, u64)> {
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

fn count_values(columns: &Columns, by: &By, counts: &mut HashMap<String, u64>) {
    let mut add = |value: &str, count: u64| match counts.get_mut(value) {
        Some(total) => *total += count,
        None => {
            counts.insert(value.to_owned(), count);
        }
    };
    if let By::Field(field) = by
        && let Some((codes, values)) = columns.dictionary(*field)
    {
        let mut by_code = vec![0_u64; values.len()];
        codes.iter().flatten().for_each(|code| by_code[*code as usize] += 1);
        by_code.iter().enumerate().filter(|(_, count)| **count > 0).for_each(|(code, count)| add(values.value(code), *count));
        return;
    }
    for row in 0..columns.rows() {
        by.each(columns, row, |value| add(value, 1));
    }
}
