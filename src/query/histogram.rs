//! Histograms: exact counts over time.

use super::by::value_of;
use super::filter::Filter;
use super::interval::{Calendar, Interval};
use super::rows::Rows;
use super::{Explain, Reader, Run};
use crate::access::Scope;
use crate::error::{Error, Result};
use crate::event::{Field, Timestamp};
use chrono_tz::Tz;
use std::collections::BTreeMap;

/// The most buckets that a histogram may have.
pub const BUCKETS_MAX: i64 = 10_000;

/// What a histogram counts by.
#[derive(Debug, Clone, Default)]
pub struct HistogramQuery {
    /// The width; chosen by the length of the period if absent.
    pub interval: Option<Interval>,
    /// A facet field to count by within each bucket.
    pub by: Option<Field>,
    /// The time zone whose wall clock buckets follow; UTC if absent.
    pub time_zone: Option<Tz>,
}

/// Counts over time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// The width, as `interval` takes it.
    pub interval: String,
    /// Every bucket from the first to the last that has an event, empty ones between included.
    pub buckets: Vec<Bucket>,
}

/// A bucket of a histogram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Where it begins.
    pub start: Timestamp,
    /// How many events.
    pub count: u64,
    /// How many of them by value of the `by` field; an event without a value counts only in `count`.
    pub by: BTreeMap<String, u64>,
}

impl Reader<'_> {
    /// The events that match, counted by time.
    ///
    /// # Errors
    /// More than [`BUCKETS_MAX`] buckets, or a segment that cannot be read.
    pub fn histogram(&self, scope: &Scope, filter: &Filter, query: &HistogramQuery) -> Result<(Histogram, Explain)> {
        let (first, last) = self.extent(scope, filter);
        let span = last.saturating_sub(first);
        let interval = query.interval.clone().unwrap_or_else(|| Interval::auto(span));
        // The first and the last bucket may be cut by the period, and still count.
        check_buckets(span / interval.millis(), &interval)?;
        let calendar = Calendar { interval, zone: query.time_zone.unwrap_or(Tz::UTC) };
        let (counts, explain) = self.each_run(&self.runs(scope, filter), filter, |run, rows| match query.by {
            None => counts_of(run, rows, &calendar),
            Some(field) => counts_by(run, &rows, &calendar, field),
        })?;
        let mut totals: BTreeMap<i64, Bucket> = BTreeMap::new();
        for bucket in counts.into_iter().flatten() {
            let total =
                totals.entry(bucket.start.millis()).or_insert_with(|| Bucket { start: bucket.start, count: 0, by: BTreeMap::new() });
            total.count += bucket.count;
            for (value, count) in bucket.by {
                *total.by.entry(value).or_default() += count;
            }
        }
        Ok((Histogram { interval: calendar.interval.text().to_owned(), buckets: fill(totals, &calendar)? }, explain))
    }

    /// The first and last moment that events in scope and period can have, in milliseconds.
    fn extent(&self, scope: &Scope, filter: &Filter) -> (i64, i64) {
        let runs = self.runs(scope, filter);
        let first = runs.iter().map(|run| run.tenant.oldest).min().unwrap_or_default();
        let last = runs.iter().map(|run| run.tenant.newest).max().unwrap_or_default();
        let first = filter.from.map_or(first, |from| first.max(from.millis()));
        let last = filter.to.map_or(last, |to| last.min(to.millis()));
        (first, last.max(first))
    }
}

fn fill(totals: BTreeMap<i64, Bucket>, calendar: &Calendar) -> Result<Vec<Bucket>> {
    let mut buckets: Vec<Bucket> = Vec::with_capacity(totals.len());
    for (start, bucket) in totals {
        while let Some(last) = buckets.last() {
            let next = calendar.next(last.start.millis());
            if next >= start {
                break;
            }
            buckets.push(Bucket { start: Timestamp::from_millis(next), count: 0, by: BTreeMap::new() });
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
    let what = format!("{} over this period makes more than {BUCKETS_MAX} buckets; choose a wider one", interval.text());
    Err(Error::parameter("interval", what))
}

/// Rows of a run descend in time, so a bucket is a stretch of rows, and its end is found by binary search.
fn counts_of(run: &Run<'_>, rows: Rows, calendar: &Calendar) -> Result<Vec<Bucket>> {
    let index = run.source.places()?;
    let mut buckets = Vec::new();
    let mut add = |start: i64, count: usize| {
        buckets.push(Bucket { start: Timestamp::from_millis(start), count: count as u64, by: BTreeMap::new() });
    };
    match rows {
        Rows::Range(range) => {
            let mut row = range.start;
            while row < range.end {
                let start = calendar.start(index.time(row).millis());
                let (mut low, mut high) = (row, range.end);
                while low < high {
                    let middle = u32::midpoint(low, high);
                    if index.time(middle).millis() >= start { low = middle + 1 } else { high = middle }
                }
                add(start, (low - row) as usize);
                row = low;
            }
        }
        Rows::List(rows) => {
            let mut rest = rows.as_slice();
            while let Some(row) = rest.first() {
                let start = calendar.start(index.time(*row).millis());
                let count = rest.partition_point(|row| index.time(*row).millis() >= start);
                add(start, count);
                rest = &rest[count..];
            }
        }
    }
    Ok(buckets)
}

fn counts_by(run: &Run<'_>, rows: &Rows, calendar: &Calendar, field: Field) -> Result<Vec<Bucket>> {
    let mut buckets: BTreeMap<i64, Bucket> = BTreeMap::new();
    for columns in run.source.columns(rows, &[Field::Time, field])? {
        for row in 0..columns.rows() {
            let start = calendar.start(columns.time(Field::Time, row).unwrap_or_default().millis());
            let bucket =
                buckets.entry(start).or_insert_with(|| Bucket { start: Timestamp::from_millis(start), count: 0, by: BTreeMap::new() });
            bucket.count += 1;
            if let Some(value) = value_of(&columns, field, row) {
                match bucket.by.get_mut(value) {
                    Some(count) => *count += 1,
                    None => {
                        bucket.by.insert(value.to_owned(), 1);
                    }
                }
            }
        }
    }
    Ok(buckets.into_values().collect())
}
