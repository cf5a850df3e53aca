//! Histograms: exact counts over time.

use crate::access::{Scope, ScopedFilter};
use crate::error::{Error, Result};
use crate::event::{Field, Timestamp};
use crate::filter::Filter;
use crate::query::answers::from_summary::Summarized;
use crate::query::answers::group_by::value_of;
use crate::query::answers::interval::{Calendar, Interval};
use crate::query::budget::{GroupMemory, QueryBudget, VALUE_WORK};
use crate::query::dictionary::vocabulary::SegmentCodes;
use crate::query::rows::events::Rows;
use crate::query::source::SourceKeys;
use crate::query::{Bucket, Explain, Run, SnapshotReader};
use chrono_tz::Tz;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// The most buckets that a histogram may have.
pub const BUCKETS_MAX: i64 = 10_000;

/// What a histogram is counted by.
#[derive(Debug, Clone, Default)]
pub struct HistogramQuery {
    /// The width of a bucket; chosen by the length of the period if absent.
    pub interval: Option<Interval>,
    /// A facet field to count by within each bucket.
    pub by: Option<Field>,
    /// The time zone whose wall clock the buckets follow; UTC if absent.
    pub time_zone: Option<Tz>,
}

/// Counts over time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// The width of a bucket, as the parameter `interval` takes it.
    pub interval: String,
    /// Every bucket from `from` to `to`, or where these are not given, from the first to the last
    /// that contains an event.
    pub buckets: Vec<Bucket>,
}

impl SnapshotReader<'_> {
    /// Counts the events that match over time.
    ///
    /// # Errors
    /// More than [`BUCKETS_MAX`] buckets, or a segment that cannot be read.
    pub fn histogram(
        &self,
        scope: &Scope,
        filter: &Filter,
        query: &HistogramQuery,
    ) -> Result<(Histogram, Explain)> {
        query.by.map_or(Ok(()), |field| scope.check_field(field))?;
        let (asked, filter) = (filter, &scope.narrow(filter)?);
        let (first, last) = self.extent(filter)?;
        let span = last.saturating_sub(first);
        let interval = query.interval.clone().unwrap_or_else(|| Interval::auto(span));
        // The period may cut the first and the last bucket; both still count.
        check_buckets(span / interval.millis(), &interval)?;
        let calendar = Calendar { interval, zone: query.time_zone.unwrap_or(Tz::UTC) };
        let vocabulary = &self.snapshot.vocabulary;
        // Without conditions and groups, it is enough to find where each bucket begins among the
        // rows.
        let plain = filter.clauses.is_empty() && query.by.is_none();
        let summary = |summarized: &Summarized<'_>| {
            if plain { Ok(None) } else { summarized.histogram(&calendar, query.by) }
        };
        let by_rows = |run: &Run<'_>, rows: Rows| match query.by {
            None => counts_of(run, &rows, &calendar),
            Some(field) => match vocabulary.coded(run.source, field)? {
                Some(coded) => {
                    self.budget.spend(rows.len() as u64 * VALUE_WORK / 4)?;
                    counts_by_code(run, &rows, &calendar, &coded, |numbers| {
                        vocabulary.texts(field, numbers)
                    })
                }
                None => counts_by(run, &rows, &calendar, field, self.budget),
            },
        };
        let (mut totals, mut room) = (BTreeMap::new(), self.budget.room());
        let add = |buckets: Vec<Bucket>| {
            buckets
                .into_iter()
                .try_for_each(|bucket| add_to(&mut totals, bucket, query.by, &mut room))
        };
        let explain = self.each_run_or(&self.wide_runs(filter), filter, summary, by_rows, add)?;
        Ok((
            Histogram {
                interval: calendar.interval.text().to_owned(),
                // Empty buckets are those of the period that was asked for: the scope's own
                // ends say nothing about events.
                buckets: fill(totals, &calendar, asked)?,
            },
            explain,
        ))
    }

    /// Returns the first and last moment that events in scope and period can have, in milliseconds.
    fn extent(&self, filter: &ScopedFilter<'_>) -> Result<(i64, i64)> {
        if filter.scope().is_restricted() {
            return self.extent_of_visible(filter);
        }
        let runs = self.runs(filter);
        let first = runs.iter().map(|run| run.tenant.oldest).min().unwrap_or_default();
        let last = runs.iter().map(|run| run.tenant.newest).max().unwrap_or_default();
        let first = filter.from.map_or(first, |from| first.max(from.millis()));
        let last = filter.to.map_or(last, |to| last.min(to.millis()));
        Ok((first, last.max(first)))
    }
}

fn add_to(
    totals: &mut BTreeMap<i64, Bucket>,
    bucket: Bucket,
    by: Option<Field>,
    room: &mut GroupMemory,
) -> Result<()> {
    let total = totals.entry(bucket.start.millis()).or_insert_with(|| Bucket {
        start: bucket.start,
        count: 0,
        by: BTreeMap::new(),
    });
    total.count += bucket.count;
    for (value, count) in bucket.by {
        match total.by.get_mut(&value) {
            Some(total) => *total += count,
            None => {
                take_room(room, by, &value)?;
                total.by.insert(value, count);
            }
        }
    }
    Ok(())
}

/// Reserves memory for a value in a bucket: a narrow interval grouped by a field with many values
/// can have more of those pairs than events.
fn take_room(room: &mut GroupMemory, by: Option<Field>, value: &str) -> Result<()> {
    room.take(by.map_or("time", Field::name), value.len() + VALUE_BYTES)
}

/// Memory that a value takes in a bucket besides its text, in bytes.
const VALUE_BYTES: usize = 48;

/// Adds the buckets without events: between others, and up to both ends of the period if it has
/// both.
fn fill(
    mut totals: BTreeMap<i64, Bucket>,
    calendar: &Calendar,
    filter: &Filter,
) -> Result<Vec<Bucket>> {
    let span = |from: Timestamp, to: Timestamp| to.millis().saturating_sub(from.millis());
    // A period far longer than its events, in narrow buckets, is left to those with events.
    if let (Some(from), Some(to)) = (filter.from, filter.to)
        && span(from, to) / calendar.interval.millis() < BUCKETS_MAX
    {
        // The end is exclusive: a bucket that begins there is no part of the period.
        for end in [from.millis(), to.millis().saturating_sub(1).max(from.millis())] {
            let start = Timestamp::from_millis(calendar.start(end));
            let empty = Bucket { start, count: 0, by: BTreeMap::new() };
            totals.entry(start.millis()).or_insert(empty);
        }
    }
    let mut buckets: Vec<Bucket> = Vec::with_capacity(totals.len());
    for (start, bucket) in totals {
        while let Some(last) = buckets.last() {
            let next = calendar.next(last.start.millis());
            if next >= start {
                break;
            }
            buckets.push(Bucket {
                start: Timestamp::from_millis(next),
                count: 0,
                by: BTreeMap::new(),
            });
        }
        buckets.push(bucket);
        check_buckets(buckets.len() as i64, &calendar.interval)?;
    }
    Ok(buckets)
}

fn check_buckets(buckets: i64, interval: &Interval) -> Result<()> {
    if buckets <= BUCKETS_MAX {
        return Ok(());
    }
    let what = format!(
        "{} over this period makes more than {BUCKETS_MAX} buckets; choose a wider one",
        interval.text()
    );
    Err(Error::parameter("interval", what))
}

/// Hands over the start of each bucket and the range of its positions in `rows`. The rows of a
/// tenant descend in time, so a bucket is a contiguous range and its end is found by binary search.
/// If a run has several tenants, there is a bucket for each of them.
fn each_bucket(
    run: &Run<'_>,
    rows: &Rows,
    calendar: &Calendar,
    mut take: impl FnMut(i64, Range<usize>),
) -> Result<()> {
    let index = run.source.keys()?;
    if !run.is_wide() {
        bucket_part(&index, rows, 0..rows.len(), calendar, &mut take);
        return Ok(());
    }
    let mut position = 0;
    for tenant in run.source.tenants() {
        let end = rows.position_of(tenant.range().end);
        bucket_part(&index, rows, position..end, calendar, &mut take);
        position = end;
    }
    Ok(())
}

fn bucket_part(
    index: &SourceKeys<'_>,
    rows: &Rows,
    part: Range<usize>,
    calendar: &Calendar,
    take: &mut dyn FnMut(i64, Range<usize>),
) {
    let (mut position, end) = (part.start, part.end);
    let time = |position: usize| index.time(rows.at(position)).millis();
    while position < end {
        let start = calendar.start(time(position));
        // Most buckets end soon, so the search doubles its stride before it bisects.
        let (mut low, mut stride) = (position + 1, 1);
        while low + stride < end && time(low + stride) >= start {
            low += stride;
            stride *= 2;
        }
        let mut high = end.min(low + stride);
        while low < high {
            let middle = usize::midpoint(low, high);
            if time(middle) >= start { low = middle + 1 } else { high = middle }
        }
        take(start, position..low);
        position = low;
    }
}

fn counts_of(run: &Run<'_>, rows: &Rows, calendar: &Calendar) -> Result<Vec<Bucket>> {
    let mut counts: BTreeMap<i64, u64> = BTreeMap::new();
    each_bucket(run, rows, calendar, |start, keys| {
        *counts.entry(start).or_default() += keys.len() as u64
    })?;
    let bucket = |(start, count)| Bucket {
        start: Timestamp::from_millis(start),
        count,
        by: BTreeMap::new(),
    };
    Ok(counts.into_iter().map(bucket).collect())
}

/// Counts the same by the values of a field that has codes.
fn counts_by_code(
    run: &Run<'_>,
    rows: &Rows,
    calendar: &Calendar,
    coded: &SegmentCodes,
    texts: impl Fn(std::vec::IntoIter<u32>) -> Vec<Arc<str>>,
) -> Result<Vec<Bucket>> {
    let mut counts: BTreeMap<i64, (u64, BTreeMap<u32, u64>)> = BTreeMap::new();
    let mut by_code = vec![0_u64; coded.numbers.len() + 1];
    let mut seen: Vec<u32> = Vec::new();
    each_bucket(run, rows, calendar, |start, keys| {
        let bucket = counts.entry(start).or_default();
        bucket.0 += keys.len() as u64;
        let mut add = |code: u32| {
            if by_code[code as usize] == 0 {
                seen.push(code);
            }
            by_code[code as usize] += 1;
        };
        match rows {
            Rows::Range(range) => coded
                .codes
                .each(range.start + keys.start as u32..range.start + keys.end as u32, &mut add),
            Rows::List(rows) => rows[keys].iter().for_each(|row| add(coded.codes.get(*row))),
        }
        for code in seen.drain(..) {
            *bucket.1.entry(code).or_default() += std::mem::take(&mut by_code[code as usize]);
        }
    })?;
    let bucket = |(start, (count, mut by)): (i64, (u64, BTreeMap<u32, u64>))| {
        // An event without a value counts only in the bucket.
        by.remove(&0);
        let numbers: Vec<u32> = by.keys().map(|code| coded.numbers[*code as usize - 1]).collect();
        let by = texts(numbers.into_iter())
            .iter()
            .map(ToString::to_string)
            .zip(by.into_values())
            .collect();
        Bucket { start: Timestamp::from_millis(start), count, by }
    };
    Ok(counts.into_iter().map(bucket).collect())
}

fn counts_by(
    run: &Run<'_>,
    rows: &Rows,
    calendar: &Calendar,
    field: Field,
    budget: &QueryBudget,
) -> Result<Vec<Bucket>> {
    let mut buckets: BTreeMap<i64, Bucket> = BTreeMap::new();
    let mut room = budget.room();
    run.source.each_columns(rows, &[Field::Time, field], &mut budget.pace(), |columns| {
        for row in 0..columns.rows() {
            let start = calendar.start(columns.time(Field::Time, row).unwrap_or_default().millis());
            let bucket = buckets.entry(start).or_insert_with(|| Bucket {
                start: Timestamp::from_millis(start),
                count: 0,
                by: BTreeMap::new(),
            });
            bucket.count += 1;
            if let Some(value) = value_of(&columns, field, row) {
                match bucket.by.get_mut(value) {
                    Some(count) => *count += 1,
                    None => {
                        take_room(&mut room, Some(field), value)?;
                        bucket.by.insert(value.to_owned(), 1);
                    }
                }
            }
        }
        Ok(())
    })?;
    Ok(buckets.into_values().collect())
}
