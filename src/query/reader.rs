//! The reader: splits a question into runs, answers each by lookup, by scan or from its summary,
//! and combines the results.

use super::answers::from_summary::Summarized;
use super::budget::{RUN_WORK, UNBOUNDED};
use super::rows::events::Rows;
use super::rows::lookup::Lookup;
use super::rows::plan::{self, AnswerPath, Choice};
use super::rows::scan::Scanner;
use super::source::RowSource;
use super::{Explain, ExplainedRun, QueryBudget, Snapshot, Threads};
use crate::access::{Scope, ScopedFilter};
use crate::error::Result;
use crate::filter::{self, Filter};
use crate::ingest::Buffered;
use crate::query::{Run, VerifyWork};
use crate::storage::segment::{Segment, TenantRows};
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

/// Minimum number of runs that one thread handles in a row when there are many: most take a few
/// microseconds.
const RUNS_TOGETHER: usize = 16;

/// Answers questions about one snapshot.
#[derive(Debug, Clone, Copy)]
pub struct SnapshotReader<'a> {
    pub(super) snapshot: &'a Snapshot,
    scanner: &'a Scanner,
    threads: &'a Threads,
    pub(super) forced: Option<AnswerPath>,
    pub(super) budget: &'a QueryBudget,
}

impl<'a> SnapshotReader<'a> {
    /// Creates a reader of a snapshot. `forced` makes every run answer by that path, for tests and
    /// comparisons.
    pub fn new(
        snapshot: &'a Snapshot,
        scanner: &'a Scanner,
        threads: &'a Threads,
        forced: Option<AnswerPath>,
    ) -> Self {
        Self { snapshot, scanner, threads, forced, budget: &UNBOUNDED }
    }

    /// Returns the same reader with a budget.
    #[must_use]
    pub fn within(self, budget: &'a QueryBudget) -> Self {
        Self { budget, ..self }
    }

    /// Counts the events that match.
    ///
    /// # Errors
    /// A segment that cannot be read: a count is never silently short.
    pub fn count(&self, scope: &Scope, filter: &Filter) -> Result<(u64, Explain)> {
        let count = |_: &Run<'a>, rows: Rows| Ok(rows.len() as u64);
        let mut total = 0;
        let add = |rows| {
            total += rows;
            Ok(())
        };
        let filter = &scope.narrow(filter)?;
        let explain = self.each_run_or(
            &self.wide_runs(filter),
            filter,
            |summarized| summarized.count(),
            count,
            add,
        )?;
        Ok((total, explain))
    }

    /// Fails at once if a filter requires reading more records than a light question may, instead
    /// of after having read some.
    ///
    /// The budget is that of a light question and too small.
    pub fn foresee(&self, scope: &Scope, filter: &Filter) -> Result<()> {
        let filter = &scope.narrow(filter)?;
        if !filter.reads_all_records() {
            return self.budget.check();
        }
        let sizes = self
            .runs(filter)
            .into_iter()
            .map(|run| (run.tenant.rows, run.source.record_bytes(run.tenant.rows)));
        let (rows, bytes) =
            sizes.fold((0, 0), |sum, (rows, bytes)| (sum.0 + u64::from(rows), sum.1 + bytes));
        self.budget.foresee(filter::cost_of(&filter.clauses).of_all(rows, bytes))
    }

    /// Returns the runs that may have events in the scope and period, according to their manifests.
    pub(super) fn runs(&self, filter: &ScopedFilter<'_>) -> Vec<Run<'a>> {
        let (scope, mut runs) = (filter.scope(), Vec::new());
        for source in self.snapshot.sources() {
            let mut add = |tenant: &'a TenantRows| {
                let inside = filter.from.is_none_or(|from| tenant.newest() >= from)
                    && filter.to.is_none_or(|to| tenant.oldest() < to);
                if inside {
                    runs.push(Run { source, tenant: Cow::Borrowed(tenant) });
                }
            };
            match scope.named() {
                Some(names) => {
                    names.iter().filter_map(|name| source.tenant(name)).for_each(&mut add)
                }
                None => source
                    .tenants()
                    .iter()
                    .filter(|rows| scope.covers(&rows.tenant))
                    .for_each(&mut add),
            }
        }
        runs
    }

    /// Returns the same runs for questions that do not depend on the order of rows: when all
    /// tenants are asked about and the period covers all of a segment, the segment is a single run.
    pub(super) fn wide_runs(&self, filter: &ScopedFilter<'_>) -> Vec<Run<'a>> {
        let runs = self.runs(filter);
        if filter.scope().named().is_some() {
            return runs;
        }
        let mut wide = Vec::new();
        for own in runs.chunk_by(|left, right| left.source.is(right.source)) {
            let source = own[0].source;
            let whole = |run: &Run<'_>| {
                filter.from.is_none_or(|from| run.tenant.oldest() >= from)
                    && filter.to.is_none_or(|to| run.tenant.newest() < to)
            };
            if own.len() == source.tenants().len() && own.iter().all(whole) {
                wide.push(Run::of_all(source, own));
            } else {
                wide.extend_from_slice(own);
            }
        }
        wide
    }

    pub(super) fn explain(
        &self,
        scope: &Scope,
        runs: &[Run<'_>],
        steps: Vec<ExplainedRun>,
    ) -> Explain {
        // How many segments there are of others would tell how much these deliver.
        let is_own = |source: &RowSource<'_>| match scope.named() {
            Some(names) => names.iter().any(|name| source.tenant(name).is_some()),
            None => source.tenants().iter().any(|rows| scope.covers(&rows.tenant)),
        };
        let is_segment = |source: &RowSource<'_>| matches!(source, RowSource::Segment(_));
        let own = |source: &RowSource<'_>| is_segment(source) && is_own(source);
        let segments = self.snapshot.sources().filter(own).count();
        let touched: HashSet<&str> = runs
            .iter()
            .filter(|run| is_segment(&run.source))
            .map(|run| run.source.name())
            .collect();
        Explain { segments, untouched: segments.saturating_sub(touched.len()), steps }
    }

    /// Does a part of a question, on all cores if `spread` is set. If a light question reaches its
    /// limit of work, the part is started again among the heavy ones, if there is a slot.
    pub(super) fn part<T: Send>(
        &self,
        spread: bool,
        work: impl Fn() -> Result<T> + Sync,
    ) -> Result<T> {
        let heavy = self.budget.is_heavy();
        let done = if spread || heavy { self.threads.of(heavy).install(&work) } else { work() };
        // Another part of the same question may have been upgraded in the meantime.
        if done.is_err() && (self.budget.upgrade() || (!heavy && self.budget.is_heavy())) {
            return self.threads.of(true).install(&work);
        }
        done
    }

    /// Finds the rows of every run, passes them to `make` on all cores, and combines the results
    /// with `add`.
    pub(super) fn each_run<T: Send>(
        &self,
        runs: &[Run<'a>],
        filter: &ScopedFilter<'_>,
        make: impl Fn(&Run<'a>, Rows) -> Result<T> + Sync,
        add: impl FnMut(T) -> Result<()> + Send,
    ) -> Result<Explain> {
        self.each_run_or(runs, filter, |_| Ok(None), make, add)
    }

    /// Does the same, but runs whose summary has the answer are not read.
    pub(super) fn each_run_or<T: Send>(
        &self,
        runs: &[Run<'a>],
        filter: &ScopedFilter<'_>,
        summary: impl Fn(&Summarized<'_>) -> Result<Option<T>> + Sync,
        make: impl Fn(&Run<'a>, Rows) -> Result<T> + Sync,
        add: impl FnMut(T) -> Result<()> + Send,
    ) -> Result<Explain> {
        let answer_once = |run: &Run<'a>| {
            // What a scope leaves of the filter is found once, be it long.
            let decided = self.decided(run, filter)?;
            if self.forced.is_none()
                && let Some(filter) = decided.as_deref()
            {
                let started = Instant::now();
                let summarized = Summarized::of(run, filter, &self.snapshot.vocabulary)?;
                if let Some(answer) =
                    summarized.map(|summarized| summary(&summarized)).transpose()?.flatten()
                {
                    let why =
                        "the period covers all of it, and its summary has the counts".to_owned();
                    return Ok((answer, run.step(AnswerPath::Summary, why, started)));
                }
            }
            self.budget.spend(RUN_WORK)?;
            let range = run.range(filter)?;
            let (rows, step) = self.decided_rows(run, decided.as_deref(), range, None)?;
            Ok((make(run, rows)?, step))
        };
        let answer = |run: &Run<'a>| run.source.again(|| answer_once(run));
        // Results are added as they come, so that they need not be kept until the last one is done.
        // Each is added only once, even if the part is started again.
        let (add, steps) = (Mutex::new(add), vec![OnceLock::new(); runs.len()]);
        let take = |(run, step): (&Run<'a>, &OnceLock<ExplainedRun>)| {
            if step.get().is_none() {
                let (answer, how) = answer(run)?;
                add.lock().unwrap_or_else(PoisonError::into_inner)(answer)?;
                step.get_or_init(|| how);
            }
            Ok(())
        };
        // A few runs are finished sooner than they could be distributed to threads.
        let spread = runs.len() >= 4;
        self.part(spread, || {
            if spread {
                let runs =
                    runs.par_iter().zip(&steps).with_min_len(RUNS_TOGETHER.min(runs.len() / 4));
                runs.try_for_each(take)
            } else {
                runs.iter().zip(&steps).try_for_each(take)
            }
        })?;
        Ok(self.explain(
            filter.scope(),
            runs,
            steps.into_iter().filter_map(OnceLock::into_inner).collect(),
        ))
    }

    /// Finds the first `limit` rows of a range of a run that match, or all of them, and returns how
    /// they were found.
    pub(super) fn rows(
        &self,
        run: &Run<'_>,
        filter: &Filter,
        range: Range<u32>,
        limit: Option<usize>,
    ) -> Result<(Rows, ExplainedRun)> {
        let decided = self.decided(run, filter)?;
        self.decided_rows(run, decided.as_deref(), range, limit)
    }

    /// Returns what a run leaves of a filter, and counts that as work.
    fn decided<'f>(&self, run: &Run<'_>, filter: &'f Filter) -> Result<Option<Cow<'f, Filter>>> {
        self.budget.spend(RUN_WORK + filter.deciding())?;
        Ok(run.filter(filter))
    }

    /// Finds the same, given what the run leaves of the filter; `None` if no row can match.
    fn decided_rows(
        &self,
        run: &Run<'_>,
        filter: Option<&Filter>,
        range: Range<u32>,
        limit: Option<usize>,
    ) -> Result<(Rows, ExplainedRun)> {
        let started = Instant::now();
        let size = range.len() as u32;
        let Some(filter) = filter else {
            let why = "the scope shows none of it".to_owned();
            let step = ExplainedRun { rows: size, ..run.step(AnswerPath::Pruned, why, started) };
            return Ok((Rows::List(Vec::new()), step));
        };
        self.budget.spend(filter.looking_up())?;
        let (rows, Choice { path, why }, work) = match run.source {
            RowSource::Segment(segment) => {
                run.source.again(|| self.segment_rows(segment, filter, range.clone(), limit))?
            }
            RowSource::Buffer(buffered) => {
                let mut work = VerifyWork::within(self.budget);
                let rows = buffered_rows(buffered, filter, range, limit, &mut work)?;
                (
                    rows,
                    Choice {
                        path: AnswerPath::Buffer,
                        why: "accepted and not in a segment yet".to_owned(),
                    },
                    work,
                )
            }
        };
        let step = ExplainedRun {
            rows: size,
            examined: work.examined,
            bytes: work.bytes,
            matched: rows.len() as u64,
            ..run.step(path, why, started)
        };
        Ok((rows, step))
    }

    /// Finds the rows of a segment with the index or, if that is damaged, by reading the columns.
    fn segment_rows(
        &self,
        segment: &Segment,
        filter: &Filter,
        range: Range<u32>,
        limit: Option<usize>,
    ) -> Result<(Rows, Choice, VerifyWork<'a>)> {
        if let Some(index) = segment.sound_index()? {
            let lookup = Lookup::prepare(
                segment,
                &index,
                filter,
                &range,
                &self.snapshot.vocabulary,
                self.forced.is_some(),
            )?;
            return self.look(lookup, filter, range, limit);
        }
        let mut work = VerifyWork::within(self.budget);
        let rows = match filter.clauses.as_slice() {
            [] => Rows::Range(range),
            _ if range.is_empty() => Rows::List(Vec::new()),
            _ => self.scanner.rows(segment, filter, range, limit, &mut work)?,
        };
        Ok((rows, Choice { path: AnswerPath::Scan, why: "its index is damaged".to_owned() }, work))
    }

    /// Finds the rows of a segment for which a lookup was prepared; returns how and why they were
    /// found this way, and the work done.
    pub(super) fn look(
        &self,
        lookup: Lookup<'_>,
        filter: &Filter,
        range: Range<u32>,
        limit: Option<usize>,
    ) -> Result<(Rows, Choice, VerifyWork<'a>)> {
        let mut work = VerifyWork::within(self.budget);
        let choice = plan::choose(lookup.facts(), self.forced);
        let rows = match choice.path {
            AnswerPath::Lookup => lookup.rows(range, limit, &mut work)?,
            AnswerPath::Scan => {
                self.scanner.rows(lookup.segment(), filter, range, limit, &mut work)?
            }
            AnswerPath::Pruned | AnswerPath::Summary | AnswerPath::Buffer => Rows::List(Vec::new()),
        };
        Ok((rows, choice, work))
    }
}

/// Finds the matching rows in a part of the buffer.
fn buffered_rows(
    buffered: &Buffered,
    filter: &Filter,
    range: Range<u32>,
    limit: Option<usize>,
    work: &mut VerifyWork<'_>,
) -> Result<Rows> {
    if filter.clauses.is_empty() {
        return Ok(Rows::Range(range));
    }
    let (limit, cost) = (limit.unwrap_or(usize::MAX), filter::cost_of(&filter.clauses));
    let mut found = Vec::new();
    for row in range {
        if found.len() >= limit {
            break;
        }
        let event = buffered.event(row);
        work.pace.step(cost.of(event.original.len()))?;
        work.examined += 1;
        if filter.matches(event) {
            found.push(row);
        }
    }
    Ok(Rows::List(found))
}
