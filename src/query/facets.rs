//! Facets: exact counts by value.

use super::by::By;
use super::filter::Filter;
use super::rows::Rows;
use super::{Explain, Reader, Run};
use crate::access::Scope;
use crate::error::Result;
use crate::event::{Columns, Field};
use arrow::array::Array;
use std::collections::HashMap;

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
        let (counts, explain) = self.each_run(&self.wide_runs(scope, filter), filter, |run, rows| facets_of(run, &rows, &by))?;
        let mut totals: Vec<HashMap<String, u64>> = vec![HashMap::new(); by.len()];
        for (place, counted) in counts.into_iter().flat_map(|run| run.into_iter().enumerate()) {
            for (value, count) in counted {
                *totals[place].entry(value).or_default() += count;
            }
        }
        let facet = |(by, counts): (By, HashMap<String, u64>)| {
            let mut values: Vec<FacetValue> = counts.into_iter().map(|(value, count)| FacetValue { value, count }).collect();
            values.sort_unstable_by(|left, right| right.count.cmp(&left.count).then_with(|| left.value.cmp(&right.value)));
            values.truncate(size);
            Facet { by, values }
        };
        Ok((by.into_iter().zip(totals).map(facet).collect(), explain))
    }
}

fn facets_of(run: &Run<'_>, rows: &Rows, by: &[By]) -> Result<Vec<HashMap<String, u64>>> {
    let mut counts: Vec<HashMap<String, u64>> = vec![HashMap::new(); by.len()];
    let mut fields: Vec<Field> = by.iter().map(By::column).collect();
    fields.sort_unstable();
    fields.dedup();
    for columns in run.source.columns(rows, &fields)? {
        for (by, counts) in by.iter().zip(&mut counts) {
            count_values(&columns, by, counts);
        }
    }
    Ok(counts)
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
