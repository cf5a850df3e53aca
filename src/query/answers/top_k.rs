//! Gathers the first rows of a walk that match, out of many runs: newest first, and only while a
//! run can still have one that belongs on the page.
//!
//! When all tenants are asked about, a store has a run for every tenant of every segment. What
//! fills a page fills it from the first of them; what is rare would ask them all. So after some
//! runs whole segments are asked: one that has nothing, or little, says so for all its tenants at
//! once.

use crate::error::Result;
use crate::query::answers::list::{Hit, ListWalk};
use crate::query::budget::RUN_WORK;
use crate::query::rows::events::Rows;
use crate::query::rows::lookup::Lookup;
use crate::query::rows::plan::Choice;
use crate::query::source::RowSource;
use crate::query::{ExplainedRun, Filter, Run, SnapshotReader};
use rayon::prelude::*;
use std::collections::{BinaryHeap, HashMap};
use std::time::Instant;

/// Runs that are asked at a time at most.
const RUNS_AT_A_TIME: usize = 64;
/// Up to so many runs at a time are done sooner than they are spread.
const RUNS_ALONE: usize = 8;
/// Segments that are asked at a time at most.
const SEGMENTS_AT_A_TIME: usize = 32;
/// A segment in which a filter can have at most so many rows is asked for all of them at once…
const ROWS_AT_ONCE: u32 = 4_096;
/// …or in which so many are to be verified.
const VERIFIED_AT_ONCE: u32 = 256;

/// Rows found in a run, by its place among the runs.
type RunMatches = (usize, Vec<u32>, ExplainedRun);

/// The gathering of one page.
pub(in crate::query) struct Gathering<'r, 'a> {
    reader: &'r SnapshotReader<'a>,
    filter: &'r Filter,
    walk: ListWalk,
    wanted: usize,
    /// In the order of the walk.
    runs: &'r [Run<'a>],
    best: BinaryHeap<Hit>,
    steps: Vec<ExplainedRun>,
}

impl<'r, 'a> Gathering<'r, 'a> {
    pub(in crate::query) fn new(
        reader: &'r SnapshotReader<'a>,
        filter: &'r Filter,
        walk: ListWalk,
        wanted: usize,
        runs: &'r [Run<'a>],
    ) -> Self {
        Self { reader, filter, walk, wanted, runs, best: BinaryHeap::new(), steps: Vec::new() }
    }

    /// The first rows in the order of the walk, and how they were found; `together` if segments may
    /// be asked for all their tenants at once.
    pub(in crate::query) fn gather(
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

    /// Asks the first runs. The first of them often fills the page; when it does not, more and more
    /// are asked at a time, on all cores.
    fn by_run(&mut self, end: usize) -> Result<()> {
        let (mut next, mut step) = (0, 1);
        while next < end && !self.is_complete(next) {
            let places = next..end.min(next + step);
            let ask = |place: usize| self.ask(place);
            let spread = places.len() > RUNS_ALONE;
            let found: Vec<RunMatches> = self.reader.part(spread, || {
                let places = places.clone();
                if spread {
                    places.into_par_iter().with_min_len(RUNS_ALONE).map(ask).collect()
                } else {
                    places.map(ask).collect()
                }
            })?;
            self.take(found)?;
            next = places.end;
            step = RUNS_AT_A_TIME.min(step * 2);
        }
        Ok(())
    }

    /// Asks the runs from a place on, those of a source together.
    fn by_source(&mut self, first: usize) -> Result<()> {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for place in first..self.runs.len() {
            let source = self.runs[place].source;
            match (source, places.get(source.name())) {
                (RowSource::Segment(_), Some(group)) => groups[*group].push(place),
                _ => {
                    places.insert(source.name(), groups.len());
                    groups.push(vec![place]);
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

    /// Whether the page is full and no run from this place on can have anything that comes before
    /// what is on it.
    fn is_complete(&self, place: usize) -> bool {
        let first = self.walk.rank(self.walk.first_time(&self.runs[place]));
        self.best.len() == self.wanted && self.best.peek().is_some_and(|worst| first > worst.0)
    }

    fn ask(&self, place: usize) -> Result<RunMatches> {
        let (rows, step) =
            self.reader.hits(&self.runs[place], self.filter, self.walk, self.wanted)?;
        Ok((place, rows, step))
    }

    /// Asks runs of one source: at once if that is little work, one by one if not.
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
        group.iter().map(|place| self.ask(*place)).collect()
    }

    /// Those rows of a source that belong to these runs, lie in the period, and that the walk comes
    /// to.
    fn within(&self, group: &[usize], rows: Rows) -> Result<Vec<u32>> {
        let mut ranges = Vec::with_capacity(group.len());
        let mut rows = rows.into_vec();
        if !rows.is_empty() {
            for place in group {
                ranges.push(self.reader.range_of(&self.runs[*place], self.filter, self.walk)?);
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
        for (place, rows, step) in found {
            self.steps.push(step);
            let index = self.runs[place].source.places()?;
            for row in rows {
                self.best.push((self.walk.rank(index.key(row)), place, row));
                if self.best.len() > self.wanted {
                    self.best.pop();
                }
            }
        }
        Ok(())
    }
}
