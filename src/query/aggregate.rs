//! Facets and histograms: exact counts by value and by time.

use super::filter::{Filter, parse_duration};
use super::rows::Rows;
use super::{Explain, Reader, Run};
use crate::access::Scope;
use crate::error::{Error, Result};
use crate::event::{Columns, DAY_MS, Field, Kind, Timestamp};
use arrow::array::Array;
use std::collections::{BTreeMap, HashMap};

/// The most buckets that a histogram may have.
pub const BUCKETS_MAX: i64 = 10_000;
/// About how many buckets `interval=auto` makes.
const BUCKETS_AUTO: i64 = 60;
/// The intervals that `interval=auto` chooses from, in the order tried.
const NICE: &[&str] =
    &["1s", "5s", "10s", "30s", "1m", "5m", "10m", "30m", "1h", "3h", "6h", "12h", "1d", "2d", "1w", "2w", "4w", "12w", "52w"];
/// Monday, 1970-01-05: where weeks begin.
const MONDAY_MS: i64 = 4 * DAY_MS;

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

/// The width of a bucket. Buckets begin at multiples of it in UTC, those of weeks on a Monday.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interval {
    text: String,
    millis: i64,
}

/// What a histogram counts by.
#[derive(Debug, Clone, Default)]
pub struct HistogramQuery {
    /// The width; chosen by the length of the period if absent.
    pub interval: Option<Interval>,
    /// A facet field to count by within each bucket.
    pub by: Option<Field>,
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

impl Interval {
    /// Reads `30s`, `5m`, `1h`, `1d` or `2w`.
    ///
    /// # Errors
    /// Any other text; the message names the parameter `interval`.
    pub fn parse(text: &str) -> Result<Self> {
        let millis = parse_duration(text).ok_or_else(|| Error::parameter("interval", "write a number and s, m, h, d or w, or auto"))?;
        Ok(Self { text: text.to_owned(), millis })
    }

    fn auto(span: i64) -> Self {
        let interval = |text: &&str| Self { text: (*text).to_owned(), millis: parse_duration(text).expect("the list holds durations") };
        let fits = NICE.iter().map(interval).find(|interval| span / interval.millis < BUCKETS_AUTO);
        fits.unwrap_or_else(|| interval(&"52w"))
    }

    fn origin(&self) -> i64 {
        if self.text.ends_with('w') { MONDAY_MS } else { 0 }
    }

    /// Where the bucket of a moment begins.
    fn start(&self, millis: i64) -> i64 {
        millis - (millis - self.origin()).rem_euclid(self.millis)
    }
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

    /// The events that match, counted by time.
    ///
    /// # Errors
    /// More than [`BUCKETS_MAX`] buckets, or a segment that cannot be read.
    pub fn histogram(&self, scope: &Scope, filter: &Filter, query: &HistogramQuery) -> Result<(Histogram, Explain)> {
        let (first, last) = self.extent(scope, filter);
        let span = last.saturating_sub(first);
        let interval = query.interval.clone().unwrap_or_else(|| Interval::auto(span));
        if span / interval.millis >= BUCKETS_MAX {
            let what = format!("{} over this period makes more than {BUCKETS_MAX} buckets; choose a wider one", interval.text);
            return Err(Error::parameter("interval", what));
        }
        let (counts, explain) = self.each_run(&self.runs(scope, filter), filter, |run, rows| match query.by {
            None => counts_of(run, rows, &interval),
            Some(field) => counts_by(run, &rows, &interval, field),
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
        Ok((Histogram { interval: interval.text.clone(), buckets: fill(totals, interval.millis) }, explain))
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

fn fill(totals: BTreeMap<i64, Bucket>, width: i64) -> Vec<Bucket> {
    let mut buckets: Vec<Bucket> = Vec::with_capacity(totals.len());
    for (start, bucket) in totals {
        while let Some(last) = buckets.last()
            && last.start.millis() + width < start
        {
            let start = Timestamp::from_millis(last.start.millis() + width);
            buckets.push(Bucket { start, count: 0, by: BTreeMap::new() });
        }
        buckets.push(bucket);
    }
    buckets
}

fn read(run: &Run<'_>, rows: &Rows, fields: &[Field]) -> Result<Vec<Columns>> {
    match rows {
        Rows::Range(range) if range.is_empty() => Ok(Vec::new()),
        Rows::List(rows) if rows.is_empty() => Ok(Vec::new()),
        Rows::Range(range) => run.segment.read_range(range.clone(), fields),
        Rows::List(rows) => run.segment.read(rows, fields),
    }
}

fn facets_of(run: &Run<'_>, rows: &Rows, fields: &[Field]) -> Result<Vec<HashMap<String, u64>>> {
    let mut counts: Vec<HashMap<String, u64>> = vec![HashMap::new(); fields.len()];
    for columns in read(run, rows, fields)? {
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

fn facet_value(columns: &Columns, field: Field, row: usize) -> Option<&str> {
    match field.def().kind {
        Kind::Bool => columns.flag(field, row).map(|flag| if flag { "true" } else { "false" }),
        _ => columns.text(field, row),
    }
}

/// Rows of a run descend in time, so a bucket is a stretch of rows, and its end is found by binary search.
fn counts_of(run: &Run<'_>, rows: Rows, interval: &Interval) -> Result<Vec<Bucket>> {
    let index = run.segment.index()?;
    let mut buckets = Vec::new();
    let mut add = |start: i64, count: usize| {
        buckets.push(Bucket { start: Timestamp::from_millis(start), count: count as u64, by: BTreeMap::new() });
    };
    match rows {
        Rows::Range(range) => {
            let mut row = range.start;
            while row < range.end {
                let start = interval.start(index.time(row).millis());
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
                let start = interval.start(index.time(*row).millis());
                let count = rest.partition_point(|row| index.time(*row).millis() >= start);
                add(start, count);
                rest = &rest[count..];
            }
        }
    }
    Ok(buckets)
}

fn counts_by(run: &Run<'_>, rows: &Rows, interval: &Interval, field: Field) -> Result<Vec<Bucket>> {
    let mut buckets: BTreeMap<i64, Bucket> = BTreeMap::new();
    for columns in read(run, rows, &[Field::Time, field])? {
        for row in 0..columns.rows() {
            let start = interval.start(columns.time(Field::Time, row).unwrap_or_default().millis());
            let bucket =
                buckets.entry(start).or_insert_with(|| Bucket { start: Timestamp::from_millis(start), count: 0, by: BTreeMap::new() });
            bucket.count += 1;
            if let Some(value) = facet_value(&columns, field, row) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_begin_at_multiples_in_utc_and_weeks_on_monday() {
        let start = |interval: &str, moment: &str| {
            let interval = Interval::parse(interval).expect("an interval");
            Timestamp::from_millis(interval.start(Timestamp::parse(moment).expect("a time").millis())).to_string()
        };
        assert_eq!(start("1h", "2026-06-30T13:59:59.999Z"), "2026-06-30T13:00:00.000Z");
        assert_eq!(start("1d", "2026-06-30T13:59:59.999Z"), "2026-06-30T00:00:00.000Z");
        assert_eq!(start("1w", "2026-06-30T13:59:59.999Z"), "2026-06-29T00:00:00.000Z");
        assert_eq!(start("1d", "1969-12-31T23:00:00Z"), "1969-12-31T00:00:00.000Z");
    }

    #[test]
    fn auto_makes_a_readable_number_of_buckets() {
        assert_eq!(Interval::auto(3_600_000).text, "5m");
        assert_eq!(Interval::auto(120 * DAY_MS).text, "1w");
        assert_eq!(Interval::auto(0).text, "1s");
    }
}
