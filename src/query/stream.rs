//! Streams: every event that matches, in the list's order, in constant memory.
//!
//! Runs are merged as a list page merges them, but each keeps its place: its next hits are found when those before have
//! been given out, so nothing is looked for twice, and no more than a chunk of row numbers of each run is held. A stream
//! sees one snapshot from beginning to end.

use super::filter::Filter;
use super::list::{Hit, Walk, fetch};
use super::{Order, Reader, Run};
use crate::access::Scope;
use crate::error::Result;
use crate::event::Event;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::Range;

/// Events handed over at a time.
const BATCH: usize = 4_096;
/// Hits that a run looks for first, and at most: twice as many each time.
const CHUNK: (usize, usize) = (1_024, 65_536);

/// A run that is being given out.
#[derive(Debug)]
struct Source {
    hits: VecDeque<u32>,
    /// The rows that were not looked at yet; `None` until the run is begun.
    rest: Option<Range<u32>>,
    chunk: usize,
}

impl Reader<'_> {
    /// Hands every event that matches to `take`, in batches, in the list's order. Returns how many there were.
    ///
    /// # Errors
    /// A segment that cannot be read, or an error of `take`: the stream ends there.
    pub fn stream(&self, scope: &Scope, filter: &Filter, order: Order, mut take: impl FnMut(Vec<Event>) -> Result<()>) -> Result<u64> {
        let walk = Walk { order, after: None };
        let mut runs = self.runs(scope, filter);
        runs.sort_by_key(|run| walk.rank(walk.first_time(run)));
        let mut sources: Vec<Source> = runs.iter().map(|_| Source { hits: VecDeque::new(), rest: None, chunk: CHUNK.0 }).collect();
        let mut next_run = 0;
        let mut heads: BinaryHeap<Reverse<(i128, usize)>> = BinaryHeap::new();
        let mut batch: Vec<Hit> = Vec::with_capacity(BATCH);
        let mut total = 0;
        loop {
            // A run is begun when it can have the next event.
            while next_run < runs.len() && heads.peek().is_none_or(|head| walk.rank(walk.first_time(&runs[next_run])) <= head.0.0) {
                sources[next_run].rest = Some(runs[next_run].range(filter)?);
                if let Some(rank) = self.advance(&runs[next_run], &mut sources[next_run], filter, walk)? {
                    heads.push(Reverse((rank, next_run)));
                }
                next_run += 1;
            }
            let Some(Reverse((rank, place))) = heads.pop() else { break };
            let row = sources[place].hits.pop_front().expect("a head has its hit");
            batch.push((rank, place, row));
            if batch.len() == BATCH {
                total += batch.len() as u64;
                take(fetch(&runs, &batch)?)?;
                batch.clear();
            }
            if let Some(rank) = self.advance(&runs[place], &mut sources[place], filter, walk)? {
                heads.push(Reverse((rank, place)));
            }
        }
        total += batch.len() as u64;
        if !batch.is_empty() {
            take(fetch(&runs, &batch)?)?;
        }
        Ok(total)
    }

    /// Finds a run's next hits if it has none at hand; returns the rank of its first.
    fn advance(&self, run: &Run<'_>, source: &mut Source, filter: &Filter, walk: Walk) -> Result<Option<i128>> {
        while source.hits.is_empty() {
            let Some(rest) = source.rest.take().filter(|rest| !rest.is_empty()) else { return Ok(None) };
            let (hits, _) = self.hits_in(run, filter, rest.clone(), walk.order, source.chunk)?;
            // Fewer than asked for: the run is at its end.
            if let Some(last) = hits.last().filter(|_| hits.len() == source.chunk) {
                source.rest = Some(match walk.order {
                    Order::Descending => last + 1..rest.end,
                    Order::Ascending => rest.start..*last,
                });
            }
            source.chunk = CHUNK.1.min(source.chunk * 2);
            source.hits = hits.into();
        }
        let Some(row) = source.hits.front() else { return Ok(None) };
        Ok(Some(walk.rank(run.source.places()?.key(*row))))
    }
}
