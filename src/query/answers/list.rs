//! Lists: pages of events in time order, at any depth, that stay correct while new events arrive.
//!
//! A page begins after an event, identified by its time and sequence number, and not at an offset:
//! events that arrive later change neither what was shown nor what comes next. Runs are visited in
//! the order of the list, and only as long as one of them can still contain an event of the page.

use crate::access::{Scope, ScopedFilter};
use crate::error::{Error, Result};
use crate::event::{Event, EventKey, Timestamp};
use crate::filter::Filter;
use crate::query::answers::cursor::{PageCursor, SortOrder};
use crate::query::answers::top_k::TopK;
use crate::query::answers::walk::{Hit, ListWalk, in_rows_order, start_at};
use crate::query::budget::EVENT_WORK;
use crate::query::rows::events::Rows;
use crate::query::source::RowSource;
use crate::query::{Explain, ExplainedRun, Run, SnapshotReader};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// The most events on a page.
pub const PAGE_ROWS_MAX: usize = 1_000;
/// A page ends early when its records exceed this many bytes: a thousand of the largest records
/// would be a gibibyte.
const PAGE_BYTES: u64 = 32 << 20;
/// Number of rows at the end of a range that are examined first when a list runs from the oldest
/// event.
const WINDOW_ROWS: u32 = 4_096;

/// Which page of a list to return.
#[derive(Debug, Clone, Default)]
pub struct PageQuery {
    /// The number of events on the page, 1 to [`PAGE_ROWS_MAX`].
    pub limit: usize,
    /// The order of the list.
    pub order: SortOrder,
    /// Where the page begins; at the start of the list if absent.
    pub cursor: Option<PageCursor>,
    /// Begin at this moment instead of at a cursor.
    pub around: Option<Timestamp>,
}

/// One page of a list.
#[derive(Debug, Clone, Default)]
pub struct EventPage {
    /// The events, in the order of the list.
    pub events: Vec<Event>,
    /// The cursor of the next page; `None` only at the true end of the list.
    pub next: Option<PageCursor>,
    /// The cursor of the previous page; `None` only at the true beginning of the list.
    pub prev: Option<PageCursor>,
    /// How the page was found.
    pub explain: Explain,
}

impl<'a> SnapshotReader<'a> {
    /// Returns a page of the events that match.
    ///
    /// # Errors
    /// A limit out of bounds, or a segment that cannot be read: a page is never silently short.
    pub fn list(&self, scope: &Scope, filter: &Filter, query: &PageQuery) -> Result<EventPage> {
        if !(1..=PAGE_ROWS_MAX).contains(&query.limit) {
            return Err(Error::parameter("limit", format!("is 1 to {PAGE_ROWS_MAX}")));
        }
        let filter = &scope.narrow(filter)?;
        let backward = query.cursor.is_some_and(|cursor| cursor.backward);
        let order = if backward { query.order.reversed() } else { query.order };
        let start = query.around.map(|moment| start_at(moment, query.order));
        let after = query.cursor.map(|cursor| cursor.key).or(start);
        let (mut events, more, explain) =
            self.walk(filter, ListWalk { order, after }, query.limit)?;
        if backward {
            events.reverse();
        }
        // A page that has become empty, because what was on it has left, still has neighbours.
        let edge = |turned| after.filter(|_| turned).map(|key| before(key, order));
        let cursor = |event: Option<&Event>, backward_from| {
            let key = event.map(Event::key).or(edge(backward_from != backward));
            key.map(|key| PageCursor { key, backward: backward_from })
        };
        let (first, last) = (cursor(events.first(), true), cursor(events.last(), false));
        // If the walk started at a cursor, there are events behind it. If it started at a moment,
        // that may be the beginning of the list, which has to be found out.
        let behind = |index: Option<PageCursor>| -> Result<Option<PageCursor>> {
            let Some(index) = index else { return Ok(None) };
            let from = if index.backward { query.order.reversed() } else { query.order };
            let (found, _, _) =
                self.walk(filter, ListWalk { order: from, after: Some(index.key) }, 1)?;
            Ok((!found.is_empty()).then_some(index))
        };
        let (next, prev) = match (backward, after.is_some()) {
            (false, false) => (last.filter(|_| more), None),
            (false, true) => (last.filter(|_| more), behind(first)?),
            (true, _) => (behind(last)?, first.filter(|_| more)),
        };
        Ok(EventPage { events, next, prev, explain })
    }

    /// Returns the first `limit` events of a walk, whether there are more, and how they were found.
    fn walk(
        &self,
        filter: &ScopedFilter<'_>,
        walk: ListWalk,
        limit: usize,
    ) -> Result<(Vec<Event>, bool, Explain)> {
        let mut runs = self.runs(filter);
        runs.retain(|run| walk.reaches(run));
        runs.sort_by_key(|run| walk.rank(walk.first_time(run)));
        let together = filter.scope().named().is_none() && self.forced.is_none();
        let (mut hits, steps) = TopK::new(self, filter, walk, limit + 1, &runs).find(together)?;
        let more = hits.len() > limit;
        hits.truncate(limit);
        let mut events = self.fetch_within(&runs, &hits, PAGE_BYTES)?;
        let more = more || events.len() < hits.len();
        events.iter_mut().for_each(|event| filter.scope().mask(event));
        Ok((events, more, self.explain(filter.scope(), &runs, steps)))
    }

    /// Returns the first and last moment of the events that the scope shows in the filter's period,
    /// in milliseconds. When tenants' rows begin and end would tell of rows outside the scope.
    pub(in crate::query) fn extent_of_visible(
        &self,
        filter: &ScopedFilter<'_>,
    ) -> Result<(i64, i64)> {
        let period = Filter { from: filter.from, to: filter.to, ..Filter::default() };
        let visible = &filter.scope().narrow(&period)?;
        let end = |order| -> Result<Option<i64>> {
            let (found, _, _) = self.walk(visible, ListWalk { order, after: None }, 1)?;
            Ok(found.first().map(|event| event.time.millis()))
        };
        let first = end(SortOrder::Ascending)?.unwrap_or_default();
        Ok((first, end(SortOrder::Descending)?.unwrap_or(first)))
    }

    /// Finds the first `limit` rows of a run in the direction of the walk.
    pub(in crate::query) fn hits(
        &self,
        run: &Run<'_>,
        filter: &Filter,
        walk: ListWalk,
        limit: usize,
    ) -> Result<(Vec<u32>, ExplainedRun)> {
        self.hits_in(run, filter, self.range_of(run, filter, walk)?, walk.order, limit)
    }

    /// Returns the rows of a run that lie in the filter's period and that the walk reaches.
    pub(in crate::query) fn range_of(
        &self,
        run: &Run<'_>,
        filter: &Filter,
        walk: ListWalk,
    ) -> Result<Range<u32>> {
        let mut range = run.range(filter)?;
        if let Some(after) = walk.after {
            let inside = run.tenant.oldest() <= after.time && run.tenant.newest() >= after.time;
            match walk.order {
                SortOrder::Descending if inside => {
                    range.start = run.source.seek(&range, after, false)?
                }
                SortOrder::Ascending if inside => {
                    range.end = run.source.seek(&range, after, true)?
                }
                _ => {}
            }
        }
        Ok(range)
    }

    /// Finds the first `limit` rows of a range that match, in the order of the walk.
    pub(in crate::query) fn hits_in(
        &self,
        run: &Run<'_>,
        filter: &Filter,
        range: Range<u32>,
        order: SortOrder,
        limit: usize,
    ) -> Result<(Vec<u32>, ExplainedRun)> {
        match order {
            SortOrder::Descending => {
                let (rows, step) = self.rows(run, filter, range, Some(limit))?;
                Ok((first(rows, limit), step))
            }
            SortOrder::Ascending => self.last_hits(run, filter, range, limit),
        }
    }

    /// Finds the last `limit` rows of a range that match. Posting lists only run forward, so the
    /// range is searched in windows from its end, each four times as large as the one before.
    fn last_hits(
        &self,
        run: &Run<'_>,
        filter: &Filter,
        range: Range<u32>,
        limit: usize,
    ) -> Result<(Vec<u32>, ExplainedRun)> {
        let mut end = range.end;
        let mut window = WINDOW_ROWS;
        let mut found = Vec::new();
        let mut total: Option<ExplainedRun> = None;
        loop {
            let start = end.saturating_sub(window).max(range.start);
            let (rows, step) = self.rows(run, filter, start..end, None)?;
            let mut rows = rows.into_vec();
            rows.reverse();
            found.extend(rows);
            total = Some(match total {
                None => step,
                Some(sum) => ExplainedRun {
                    rows: sum.rows + step.rows,
                    examined: sum.examined + step.examined,
                    bytes: sum.bytes + step.bytes,
                    matched: sum.matched + step.matched,
                    micros: sum.micros + step.micros,
                    ..step
                },
            });
            if let Some(step) = total.take_if(|_| found.len() >= limit || start == range.start) {
                found.truncate(limit);
                return Ok((found, step));
            }
            end = start;
            window = window.saturating_mul(4);
        }
    }

    /// Reads the events of the hits, in the order of the hits.
    pub(in crate::query) fn fetch(&self, runs: &[Run<'a>], hits: &[Hit]) -> Result<Vec<Event>> {
        self.fetch_within(runs, hits, u64::MAX)
    }

    /// Reads the events of the first hits, in the order of the hits: as many as fit into `most`
    /// bytes of records, but at least one.
    fn fetch_within(&self, runs: &[Run<'a>], hits: &[Hit], most: u64) -> Result<Vec<Event>> {
        let events = self.fetch_some(runs, hits, most)?;
        let mut left = most;
        let fits = |event: &Event| {
            let before = left;
            left = left.saturating_sub(event.original.len() as u64);
            before > 0
        };
        let whole: Vec<Event> =
            events.into_iter().map_while(|event| event).take_while(fits).collect();
        match hits {
            // The first event was dropped with those that were too large, so it is read by itself.
            [first, ..] if whole.is_empty() => self.fetch(runs, std::slice::from_ref(first)),
            _ => Ok(whole),
        }
    }

    /// Returns how many rows that lie close together are read at a time.
    fn rows_together(source: RowSource<'_>) -> usize {
        (TOGETHER_BYTES / source.record_bytes(1).max(1)).clamp(APART as u64, TOGETHER_ROWS) as usize
    }

    /// Reads the events of the hits, in the order of the hits; some of them are left out if their
    /// records exceed `most` bytes.
    fn fetch_some(&self, runs: &[Run<'a>], hits: &[Hit], most: u64) -> Result<Vec<Option<Event>>> {
        let order = in_rows_order(hits);
        let split = |group: &'_ [usize]| {
            let apart = (hits[group[group.len() - 1]].row - hits[group[0]].row) as usize
                / group.len()
                >= APART;
            if apart { APART_ROWS } else { Self::rows_together(runs[hits[group[0]].run].source) }
        };
        let segments = order.chunk_by(|left, right| hits[*left].run == hits[*right].run);
        let groups: Vec<&[usize]> = segments.flat_map(|group| group.chunks(split(group))).collect();
        let bytes = AtomicU64::new(0);
        let read = |group: &&[usize]| {
            if bytes.load(Ordering::Relaxed) > most {
                return Ok(Vec::new());
            }
            self.budget.spend(group.len() as u64 * EVENT_WORK)?;
            let rows: Vec<u32> = group.iter().map(|index| hits[*index].row).collect();
            let source = runs[hits[group[0]].run].source;
            let found = source.events(&rows)?;
            if found.len() != rows.len() {
                return Err(Error::corrupt(format!(
                    "{} gave {} of {} rows",
                    source.name(),
                    found.len(),
                    rows.len()
                )));
            }
            bytes.fetch_add(
                found.iter().map(|event| event.original.len() as u64).sum(),
                Ordering::Relaxed,
            );
            Ok(found)
        };
        // Scattered hits are read on all cores.
        let spread = groups.len() >= 3;
        let found: Vec<Vec<Event>> = self.part(spread, || {
            bytes.store(0, Ordering::Relaxed);
            if spread {
                groups.par_iter().map(read).collect()
            } else {
                groups.iter().map(read).collect()
            }
        })?;
        let mut events: Vec<Option<Event>> = Vec::new();
        events.resize_with(hits.len(), || None);
        for (group, found) in groups.iter().zip(found) {
            for (index, event) in group.iter().zip(found) {
                events[*index] = Some(event);
            }
        }
        Ok(events)
    }
}

/// Returns the position just before a key in this order, so that a walk the other way meets the
/// event of the key itself.
fn before(key: EventKey, order: SortOrder) -> EventKey {
    let seq = match order {
        SortOrder::Descending => key.seq.saturating_sub(1),
        SortOrder::Ascending => key.seq.saturating_add(1),
    };
    EventKey { seq, ..key }
}

fn first(rows: Rows, limit: usize) -> Vec<u32> {
    match rows {
        Rows::Range(range) => range.take(limit).collect(),
        Rows::List(mut rows) => {
            rows.truncate(limit);
            rows
        }
    }
}

/// Rows that lie at least this far apart, on average, are on different pages, and unpacking pages
/// is what a list page costs.
const APART: usize = 16;
/// Rows that lie close together are read this many at a time at most, or fewer if their records
/// exceed the number of bytes below.
const TOGETHER_ROWS: u64 = 256;
const TOGETHER_BYTES: u64 = 4 << 20;
/// Number of scattered rows that one core reads.
const APART_ROWS: usize = 13;
