//! Gathers the first matching rows of a walk out of many runs: newest first, and only as long as a
//! run can still contain one that belongs on the page.
//!
//! When a question is about all tenants, a store has one run for every tenant of every segment. A
//! frequent filter fills the page from the first of them; a rare one would ask them all. So after a
//! number of runs, whole segments are asked: a segment with no or few matches answers for all its
//! tenants at once.

use crate::access::ScopedFilter;
use crate::error::Result;
use crate::query::answers::walk::{Hit, ListWalk};
use crate::query::budget::RUN_WORK;
use crate::query::rows::events::Rows;
use crate::query::rows::lookup::Lookup;
use crate::query::rows::plan::Choice;
use crate::query::source::RowSource;
use crate::query::{ExplainedRun, Run, SnapshotReader};
use rayon::prelude::*;
use std::collections::{BinaryHeap, HashMap};
use std::time::Instant;

/// Maximum number of runs that are asked at a time.
const RUNS_AT_A_TIME: usize = 64;
/// Up to this many runs at a time are finished sooner than they could be distributed to threads.
const RUNS_ALONE: usize = 8;
/// Maximum number of segments that are asked at a time.
const SEGMENTS_AT_A_TIME: usize = 32;
/// A segment is asked for all its tenants at once if a filter can have at most this many rows
/// there…
const ROWS_AT_ONCE: u32 = 4_096;
/// …or at most this many if they have to be verified.
const VERIFIED_AT_ONCE: u32 = 256;

/// The rows found in a run, which is given by its index.
type RunMatches = (usize, Vec<u32>, ExplainedRun);

/// The state of gathering one page.
pub(in crate::query) struct TopK<'r, 'a> {
    reader: &'r SnapshotReader<'a>,
    filter: &'r ScopedFilter<'r>,
    walk: ListWalk,
    wanted: usize,
    /// In the order of the walk.
    runs: &'r [Run<'a>],
    best: BinaryHeap<Hit>,
    steps: Vec<ExplainedRun>,
}

impl<'r, 'a> TopK<'r, 'a> {
    pub(in crate::query) fn new(
        reader: &'r SnapshotReader<'a>,
        filter: &'r ScopedFilter<'r>,
        walk: ListWalk,
        wanted: usize,
        runs: &'r [Run<'a>],
    ) -> Self {
        Self { reader, filter, walk, wanted, runs, best: BinaryHeap::new(), steps: Vec::new() }
    }

    /// Returns the first rows in the order of the walk, and how they were found. `together` permits
    /// asking segments for all their tenants at once.
    pub(in crate::query) fn find(
        mut self,
        together: bool,
    ) -> Result<(Vec<Hit>, Vec<ExplainedRun>)> {
        let alone = if together { self.runs.len().min(RUNS_AT_A_TIME) } else { self.runs.len() };
        self.by_run(alone)?;
        if alone < self.runs.len() {
            self.by_source(alone)?;
        }
        Ok((self.best.into_sorted_vec(), self.steps))
    }

    /// Asks the first runs. The first one often fills the page; if it does not, more and more are
    /// asked at a time, on all cores.
    fn by_run(&mut self, end: usize) -> Result<()> {
        let (mut next, mut step) = (0, 1);
        while next < end && !self.is_complete(next) {
            let positions = next..end.min(next + step);
            let ask = |position: usize| self.ask(position);
            let spread = positions.len() > RUNS_ALONE;
            let found: Vec<RunMatches> = self.reader.part(spread, || {
                let positions = positions.clone();
                if spread {
                    positions.into_par_iter().with_min_len(RUNS_ALONE).map(ask).collect()
                } else {
                    positions.map(ask).collect()
                }
            })?;
            self.take(found)?;
            next = positions.end;
            step = RUNS_AT_A_TIME.min(step * 2);
        }
        Ok(())
    }

    /// Asks the runs from an index on, those of one source together.
    fn by_source(&mut self, first: usize) -> Result<()> {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut positions: HashMap<&str, usize> = HashMap::new();
        for position in first..self.runs.len() {
            let source = self.runs[position].source;
            match (source, positions.get(source.name())) {
                (RowSource::Segment(_), Some(group)) => groups[*group].push(position),
                _ => {
                    positions.insert(source.name(), groups.len());
                    groups.push(vec![position]);
                }
            }
        }
        let (mut next, mut step) = (0, 1);
        while next < groups.len() && !self.is_complete(groups[next][0]) {
            let end = groups.len().min(next + step);
            let ask = || {
                groups[next..end]
                    .par_iter()
                    .map(|group| self.ask_together(group))
                    .collect::<Result<Vec<Vec<RunMatches>>>>()
            };
            let found = self.reader.part(true, ask)?;
            self.take(found.into_iter().flatten().collect())?;
            next = end;
            step = SEGMENTS_AT_A_TIME.min(step * 2);
        }
        Ok(())
    }

    /// Returns whether the page is full and no run from this index on can contain anything that
    /// comes before its last row.
    fn is_complete(&self, position: usize) -> bool {
        let first = self.walk.rank(self.walk.first_time(&self.runs[position]));
        self.best.len() == self.wanted && self.best.peek().is_some_and(|worst| first > worst.rank)
    }

    fn ask(&self, position: usize) -> Result<RunMatches> {
        let (rows, step) =
            self.reader.hits(&self.runs[position], self.filter, self.walk, self.wanted)?;
        Ok((position, rows, step))
    }

    /// Asks the runs of one source: at once if that is little work, one by one otherwise.
    fn ask_together(&self, group: &[usize]) -> Result<Vec<RunMatches>> {
        self.runs[group[0]].source.again(|| self.ask_all(group))
    }

    fn ask_all(&self, group: &[usize]) -> Result<Vec<RunMatches>> {
        if let (RowSource::Segment(segment), true) = (self.runs[group[0]].source, group.len() > 1)
            && let Some(index) = segment.sound_index()?
        {
            let started = Instant::now();
            self.reader.budget.spend(RUN_WORK)?;
            let all = 0..segment.manifest().rows;
            let lookup = Lookup::prepare(
                segment,
                &index,
                self.filter,
                &all,
                &self.reader.snapshot.vocabulary,
                false,
            )?;
            // If few rows can match, one pass over the segment answers for all its tenants; rows
            // outside these runs are dropped afterwards.
            let facts = lookup.facts();
            let most = if facts.residual.is_empty() { ROWS_AT_ONCE } else { VERIFIED_AT_ONCE };
            if facts.absent.is_some() || facts.narrowest.is_some_and(|rows| rows <= most) {
                let (rows, Choice { path, why }, work) =
                    self.reader.look(lookup, self.filter, all.clone(), None)?;
                let rows = self.within(group, rows)?;
                let (examined, bytes, matched) = (work.examined, work.bytes, rows.len() as u64);
                let source = self.runs[group[0]].source;
                let run = Run::of_all(source, &[self.runs[group[0]].clone()]);
                let step =
                    ExplainedRun { examined, bytes, matched, ..run.step(path, why, started) };
                return Ok(vec![(group[0], rows, step)]);
            }
        }
        group.iter().map(|position| self.ask(*position)).collect()
    }

    /// Keeps the rows of a source that belong to these runs, lie in the period, and that the walk
    /// reaches.
    fn within(&self, group: &[usize], rows: Rows) -> Result<Vec<u32>> {
        let mut ranges = Vec::with_capacity(group.len());
        let mut rows = rows.into_vec();
        if !rows.is_empty() {
            for position in group {
                ranges.push(self.reader.range_of(&self.runs[*position], self.filter, self.walk)?);
            }
        }
        ranges.sort_unstable_by_key(|range| range.start);
        rows.retain(|row| {
            let after = ranges.partition_point(|range| range.start <= *row);
            after > 0 && ranges[after - 1].contains(row)
        });
        Ok(rows)
    }

    fn take(&mut self, found: Vec<RunMatches>) -> Result<()> {
        for (position, rows, step) in found {
            self.steps.push(step);
            let index = self.runs[position].source.keys()?;
            for row in rows {
                self.best.push(Hit { rank: self.walk.rank(index.key(row)), run: position, row });
                if self.best.len() > self.wanted {
                    self.best.pop();
                }
            }
        }
        Ok(())
    }
}
