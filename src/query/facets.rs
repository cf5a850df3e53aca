//! Facets: exact counts by value.

use super::filter::Filter;
use super::rows::Rows;
use super::{Explain, Reader, Run};
use crate::access::Scope;
use crate::error::{Error, Result};
use crate::event::{Columns, Field, Kind};
use arrow::array::Array;
use std::collections::HashMap;

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
        let (counts, explain) = self.each_run(&self.wide_runs(scope, filter), filter, |run, rows| facets_of(run, &rows, fields))?;
        let mut totals: Vec<HashMap<String, u64>> = vec![HashMap::new(); fields.len()];
        for (place, counted) in counts.into_iter().flat_map(|run| run.into_iter().enumerate()) {
            for (value, count) in counted {
                *totals[place].entry(value).or_default() += count;
            }
        }
        let facet = |(field, counts): (&Field, HashMap<String, u64>)| {
            let mut values: Vec<FacetValue> = counts.into_iter().map(|(value, count)| FacetValue { value, count }).collect();
            values.sort_unstable_by(|left, right| right.count.cmp(&left.count).then_with(|| left.value.cmp(&right.value)));
            values.truncate(size);
            Facet { field: *field, values }
        };
        Ok((fields.iter().zip(totals).map(facet).collect(), explain))
    }
}

fn facets_of(run: &Run<'_>, rows: &Rows, fields: &[Field]) -> Result<Vec<HashMap<String, u64>>> {
    let mut counts: Vec<HashMap<String, u64>> = vec![HashMap::new(); fields.len()];
    for columns in run.source.columns(rows, fields)? {
        for (field, counts) in fields.iter().zip(&mut counts) {
            count_values(&columns, *field, counts);
        }
    }
    Ok(counts)
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
