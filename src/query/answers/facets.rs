//! Facets: exact counts by value.

use crate::access::Scope;
use crate::error::Result;
use crate::event::{Columns, Field, FieldKind};
use crate::filter::Filter;
use crate::query::answers::from_summary::Summarized;
use crate::query::answers::group_by::GroupBy;
use crate::query::budget::{GroupMemory, QueryBudget, VALUE_WORK};
use crate::query::dictionary::vocabulary::{
    CountTotals, Counts, SegmentCodes, TEXT_OVERHEAD, Vocabulary,
};
use crate::query::rows::events::Rows;
use crate::query::{Explain, Run, SnapshotReader};
use arrow::array::Array;
use hashbrown::HashMap;

/// The counts by one field, or by one kind of related ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facet {
    /// What was counted by.
    pub by: GroupBy,
    /// Its most frequent values; values with equal counts are in the order of their texts.
    pub values: Vec<FacetValue>,
    /// How many events have no value; unknown for ids, of which an event may have several.
    pub without: Option<u64>,
}

/// A value and the number of events that have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FacetValue {
    /// The value.
    pub value: String,
    /// The number of events.
    pub count: u64,
}

impl SnapshotReader<'_> {
    /// Returns the `size` most frequent values of each of `by` among the events that match, and how
    /// many of these have none.
    ///
    /// # Errors
    /// A segment that cannot be read.
    pub fn facets<B: Clone + Into<GroupBy>>(
        &self,
        scope: &Scope,
        filter: &Filter,
        by: &[B],
        size: usize,
    ) -> Result<(Vec<Facet>, Explain)> {
        let by: Vec<GroupBy> = by.iter().cloned().map(Into::into).collect();
        by.iter().try_for_each(|by| scope.check_field(by.column()))?;
        let filter = &scope.narrow(filter)?;
        let vocabulary = &self.snapshot.vocabulary;
        let fields: Option<Vec<Field>> = by.iter().map(GroupBy::field).collect();
        let by_rows = |run: &Run<'_>, rows: Rows| {
            let matched = rows.len() as u64;
            Ok((facets_of(run, &rows, &by, vocabulary, self.budget)?, matched))
        };
        let runs = self.wide_runs(filter);
        let summary = |summarized: &Summarized<'_>| {
            let Some(fields) = &fields else { return Ok(None) };
            Ok(summarized.facets(fields)?.zip(summarized.count()?))
        };
        let mut events = 0;
        let mut totals: Vec<CountTotals> = by.iter().map(|_| CountTotals::default()).collect();
        let mut room = self.budget.room();
        let add = |(counts, matched): (Vec<Counts>, u64)| {
            events += matched;
            totals
                .iter_mut()
                .zip(counts)
                .zip(&by)
                .try_for_each(|((totals, counts), by)| totals.add(counts, by, &mut room))
        };
        let explain = self.each_run_or(&runs, filter, summary, by_rows, add)?;
        let facet = |(by, totals): (GroupBy, CountTotals)| {
            let is_single = !matches!(by.column().def().kind, FieldKind::List);
            let without = is_single.then(|| events.saturating_sub(totals.sum()));
            let values = totals.most(vocabulary, by.column(), size).into_iter();
            let values = values.map(|(value, count)| FacetValue { value, count }).collect();
            Facet { by, values, without }
        };
        Ok((by.into_iter().zip(totals).map(facet).collect(), explain))
    }
}

/// Counts by codes where there are codes; the fields without codes are counted by their columns,
/// all in one pass.
fn facets_of(
    run: &Run<'_>,
    rows: &Rows,
    by: &[GroupBy],
    vocabulary: &Vocabulary,
    budget: &QueryBudget,
) -> Result<Vec<Counts>> {
    let mut counts: Vec<Counts> = by.iter().map(|_| Counts::default()).collect();
    if rows.len() == 0 {
        return Ok(counts);
    }
    let mut others = Vec::new();
    for (index, by) in by.iter().enumerate() {
        match by.field().map(|field| vocabulary.coded(run.source, field)).transpose()?.flatten() {
            Some(coded) => {
                budget.spend(rows.len() as u64 * VALUE_WORK / 8)?;
                counts[index].numbers = count_codes(&coded, rows);
            }
            None => others.push((index, by)),
        }
    }
    if !others.is_empty() {
        let mut read: Vec<Field> = others.iter().map(|(_, by)| by.column()).collect();
        read.sort_unstable();
        read.dedup();
        let mut room = budget.room();
        run.source.each_columns(rows, &read, &mut budget.pace(), |columns| {
            others.iter().try_for_each(|(index, by)| {
                count_values(&columns, by, &mut counts[*index].texts, &mut room)
            })
        })?;
    }
    Ok(counts)
}

/// Counts the rows of each value.
fn count_codes(coded: &SegmentCodes, rows: &Rows) -> Vec<(u32, u64)> {
    let number = |code: u32| coded.numbers[code as usize - 1];
    if rows.len() * 4 < coded.numbers.len() {
        // There are few rows and many values: sorting the codes is cheaper than a counter for each
        // value.
        let mut codes = Vec::with_capacity(rows.len());
        rows.each(|row| codes.push(coded.codes.get(row)));
        codes.sort_unstable();
        let runs = codes.chunk_by(|left, right| left == right).filter(|same| same[0] > 0);
        return runs.map(|same| (number(same[0]), same.len() as u64)).collect();
    }
    let mut by_code = vec![0_u32; coded.numbers.len() + 1];
    match rows {
        Rows::Range(range) => coded.codes.each(range.clone(), |code| by_code[code as usize] += 1),
        Rows::List(rows) => {
            rows.iter().for_each(|row| by_code[coded.codes.get(*row) as usize] += 1)
        }
    }
    let counted = (0_u32..).zip(by_code).skip(1).filter(|(_, count)| *count > 0);
    counted.map(|(code, count)| (number(code), u64::from(count))).collect()
}

fn count_values(
    columns: &Columns,
    by: &GroupBy,
    counts: &mut HashMap<String, u64>,
    room: &mut GroupMemory,
) -> Result<()> {
    let mut add = |value: &str, count: u64| {
        match counts.get_mut(value) {
            Some(total) => *total += count,
            None => {
                room.take(by, value.len() + TEXT_OVERHEAD)?;
                counts.insert(value.to_owned(), count);
            }
        }
        Ok(())
    };
    if let GroupBy::Field(field) = by
        && let Some((codes, values)) = columns.dictionary(*field)
    {
        let mut by_code = vec![0_u64; values.len()];
        codes.iter().flatten().for_each(|code| by_code[*code as usize] += 1);
        let mut counted = by_code.iter().enumerate().filter(|(_, count)| **count > 0);
        return counted.try_for_each(|(code, count)| add(values.value(code), *count));
    }
    (0..columns.rows()).try_for_each(|row| by.each(columns, row, |value| add(value, 1)).map(|_| ()))
}
