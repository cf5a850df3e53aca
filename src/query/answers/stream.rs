//! Streams: every event that matches, in the order of the list, in constant memory.
//!
//! Runs are merged as a list page merges them, but each run keeps its position: it looks for its
//! next hits when the previous ones have been delivered. So nothing is searched twice, and at most
//! one chunk of row numbers per run is held. A stream sees one snapshot from beginning to end.

use crate::access::{Scope, ScopedFilter};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::Field;
use crate::filter::Filter;
use crate::query::answers::batch::EventBatch;
use crate::query::answers::walk::{Hit, ListWalk, in_rows_order};
use crate::query::budget::EVENT_WORK;
use crate::query::rows::events::{self, Rows};
use crate::query::{Run, SnapshotReader, SortOrder};
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::Range;
use std::sync::mpsc::sync_channel;
use std::thread::Builder;

/// Number of events handed over at a time, and number of such parts that are made at a time, on all
/// cores.
const PART: usize = 4_096;
const PARTS: usize = 4;
/// Number of hits that a run looks for first, and the maximum; doubled each time.
const CHUNK: (usize, usize) = (1_024, 65_536);

/// What to stream.
#[derive(Debug, Clone, Default)]
pub struct StreamQuery {
    /// The order of the list.
    pub order: SortOrder,
    /// The fields that events must have at least; all if none is named.
    pub fields: Vec<Field>,
}

/// A run that is being streamed.
#[derive(Debug)]
struct StreamedRun {
    hits: VecDeque<u32>,
    /// The rows that were not examined yet; `None` until the run is started.
    rest: Option<Range<u32>>,
    chunk: usize,
}

impl<'a> SnapshotReader<'a> {
    /// Calls `make` for the matching events, a part at a time and on all cores, and hands the
    /// results to `take` in the order of the list while the next ones are made. Returns how many
    /// events there were.
    ///
    /// # Errors
    /// A segment that cannot be read, or an error of `make` or `take`: the stream ends there.
    pub fn stream<T: Send>(
        &self,
        scope: &Scope,
        filter: &Filter,
        query: &StreamQuery,
        make: impl Fn(EventBatch) -> Result<T> + Sync,
        take: impl FnMut(T) -> Result<()>,
    ) -> Result<u64> {
        let (make, filter) = (&make, &scope.narrow(filter)?);
        std::thread::scope(|threads| {
            // At most one finished round waits to be taken.
            let (sender, receiver) = sync_channel::<Vec<T>>(0);
            let making =
                Builder::new().name("stream".to_owned()).spawn_scoped(threads, move || {
                    self.each_round(filter, query.order, |runs, hits| {
                        let make =
                            |hits: &[Hit]| make(self.batch_of(runs, hits, &query.fields, scope)?);
                        let parts: Vec<T> =
                            self.part(true, || hits.par_chunks(PART).map(make).collect())?;
                        // The send fails only if the receiver failed, which reports its own error.
                        sender
                            .send(parts)
                            .map_err(|_| Error::internal("the receiver of the stream is gone"))
                    })
                });
            let making = making.context(ErrorKind::Unavailable, || {
                "the system cannot start a thread for this: try again later".to_owned()
            })?;
            let taken = receiver.into_iter().flatten().try_for_each(take);
            let made = making.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            taken.and(made)
        })
    }

    /// Finds every event that matches, in the order of the list, and hands over a round at a time.
    fn each_round(
        &self,
        filter: &ScopedFilter<'_>,
        order: SortOrder,
        mut hand_over: impl FnMut(&[Run<'a>], &[Hit]) -> Result<()>,
    ) -> Result<u64> {
        let walk = ListWalk { order, after: None };
        let mut runs = self.runs(filter);
        runs.sort_by_key(|run| walk.rank(walk.first_time(run)));
        let mut sources: Vec<StreamedRun> = runs
            .iter()
            .map(|_| StreamedRun { hits: VecDeque::new(), rest: None, chunk: CHUNK.0 })
            .collect();
        let mut next_run = 0;
        let mut heads: BinaryHeap<Reverse<(i128, usize)>> = BinaryHeap::new();
        let mut batch: Vec<Hit> = Vec::with_capacity(PART * PARTS);
        let mut total = 0;
        loop {
            // A run is started when it can contain the next event.
            while next_run < runs.len()
                && heads
                    .peek()
                    .is_none_or(|head| walk.rank(walk.first_time(&runs[next_run])) <= head.0.0)
            {
                sources[next_run].rest = Some(runs[next_run].range(filter)?);
                if let Some(rank) =
                    self.advance(&runs[next_run], &mut sources[next_run], filter, walk)?
                {
                    heads.push(Reverse((rank, next_run)));
                }
                next_run += 1;
            }
            let Some(Reverse((rank, run))) = heads.pop() else { break };
            let row = sources[run].hits.pop_front().expect("a head has its hit");
            batch.push(Hit { rank, run, row });
            if batch.len() == PART * PARTS {
                total += batch.len() as u64;
                hand_over(&runs, &batch)?;
                batch.clear();
            }
            if let Some(rank) = self.advance(&runs[run], &mut sources[run], filter, walk)? {
                heads.push(Reverse((rank, run)));
            }
        }
        total += batch.len() as u64;
        hand_over(&runs, &batch)?;
        Ok(total)
    }

    /// Finds the next hits of a run if it has none left; returns the rank of its first hit.
    fn advance(
        &self,
        run: &Run<'_>,
        source: &mut StreamedRun,
        filter: &Filter,
        walk: ListWalk,
    ) -> Result<Option<i128>> {
        while source.hits.is_empty() {
            let Some(rest) = source.rest.take().filter(|rest| !rest.is_empty()) else {
                return Ok(None);
            };
            // Runs on the threads of questions, so that all exports together take no more of the
            // machine than they may.
            let (hits, _) = self
                .part(true, || self.hits_in(run, filter, rest.clone(), walk.order, source.chunk))?;
            // Fewer hits than asked for: the run is at its end.
            if let Some(last) = hits.last().filter(|_| hits.len() == source.chunk) {
                source.rest = Some(match walk.order {
                    SortOrder::Descending => last + 1..rest.end,
                    SortOrder::Ascending => rest.start..*last,
                });
            }
            source.chunk = CHUNK.1.min(source.chunk * 2);
            source.hits = hits.into();
        }
        let Some(row) = source.hits.front() else { return Ok(None) };
        Ok(Some(walk.rank(run.source.keys()?.key(*row))))
    }

    /// Reads the events of hits with the given `fields`; whole events if none is named.
    fn batch_of(
        &self,
        runs: &[Run<'a>],
        hits: &[Hit],
        fields: &[Field],
        scope: &Scope,
    ) -> Result<EventBatch> {
        if fields.is_empty() || fields.contains(&Field::Original) || scope.is_masked() {
            let mut events = self.fetch(runs, hits)?;
            events.iter_mut().for_each(|event| scope.mask(event));
            return Ok(events.into());
        }
        let order = in_rows_order(hits);
        let mut batch = EventBatch::of(hits.len());
        for group in order.chunk_by(|left, right| hits[*left].run == hits[*right].run) {
            let numbers: Vec<u32> = group.iter().map(|index| hits[*index].row).collect();
            let source = runs[hits[group[0]].run].source;
            let indexes = &mut group.iter().copied();
            let mut found = 0;
            if numbers.len() < events::COLUMNS_ROWS {
                self.budget.spend(numbers.len() as u64 * EVENT_WORK)?;
                found += batch.add_events(source.events(&numbers)?, indexes);
            } else {
                source.each_columns(
                    &Rows::List(numbers),
                    fields,
                    &mut self.budget.pace(),
                    |columns| {
                        found += batch.add_columns(columns, indexes);
                        Ok(())
                    },
                )?;
            }
            if found != group.len() {
                return Err(Error::corrupt(format!(
                    "{} gave {found} of {} rows",
                    source.name(),
                    group.len()
                )));
            }
        }
        Ok(batch)
    }
}
