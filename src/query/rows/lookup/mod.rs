//! Lookup: finds the matching rows with posting lists and tables of ids, and verifies them against
//! the columns and the record where the index is not certain.

mod clauses;
mod conditions;
mod escapes;
mod literal;
mod row_set;
mod verify;

use crate::error::Result;
use crate::event::Field;
use crate::filter::{Clause, Filter};
use crate::query::VerifyWork;
use crate::query::dictionary::vocabulary::Vocabulary;
use crate::query::rows::events::Rows;
use crate::query::rows::lookup::clauses::ClauseLookup;

pub(in crate::query) use crate::query::rows::lookup::row_set::WantedCodes;
use crate::query::rows::lookup::row_set::{Conjunct, Intersection, RowSet};
use crate::query::rows::plan::Facts;
use crate::storage::segment::{IndexReader, Segment};
pub(in crate::query) use conditions::{CodeVerdict, ConditionLookup};
use std::ops::Range;
pub(in crate::query) use verify::{ColumnRow, fields_of, verify};

/// Number of candidates that are verified first while a page fills; doubled each time, for a page
/// that does not fill soon.
const VERIFY_ROWS: usize = 512;
/// Maximum number of candidates that are verified at a time.
const VERIFY_ROWS_MAX: usize = 32_768;

/// A filter prepared against the index of one segment.
pub(in crate::query) struct Lookup<'a> {
    segment: &'a Segment,
    conjuncts: Vec<Conjunct<'a>>,
    residual: Vec<&'a Clause>,
    /// For each residual clause, the rows that satisfy it for certain, if any are known.
    sure: Vec<Option<RowSet<'a>>>,
    facts: Facts,
}

/// What the index tells about a clause.
enum ClauseVerdict<'a> {
    /// Which rows satisfy it.
    Settled,
    /// Not all: rows must be verified, except those that satisfy it for certain.
    Residual { sure: Option<RowSet<'a>> },
}

impl<'a> Lookup<'a> {
    /// Asks the index what it knows about the filter's clauses, for the rows in question;
    /// `thorough` asks about all clauses even when one has already settled it.
    pub(in crate::query) fn prepare(
        segment: &'a Segment,
        index: &'a IndexReader,
        filter: &'a Filter,
        rows: &Range<u32>,
        vocabulary: &Vocabulary,
        thorough: bool,
    ) -> Result<Self> {
        let facts = Facts { rows: rows.len() as u32, ..Facts::default() };
        let mut lookup =
            Self { segment, conjuncts: Vec::new(), residual: Vec::new(), sure: Vec::new(), facts };
        if rows.is_empty() {
            return Ok(lookup);
        }
        let clauses = ClauseLookup::new(segment, index, rows, vocabulary);
        for clause in &filter.clauses {
            // A clause that no row satisfies settles it, unless all rows are going to be scanned
            // anyway.
            if lookup.facts.absent.is_some() && !thorough {
                break;
            }
            if let ClauseVerdict::Residual { sure } = lookup.ask(&clauses, clause)? {
                lookup.residual.push(clause);
                lookup.sure.push(sure);
            }
        }
        lookup.facts.records_only = fields_of(lookup.residual.iter().copied()) == [Field::Original];
        lookup.facts.residual = lookup.residual.iter().map(ToString::to_string).collect();
        Ok(lookup)
    }

    /// Takes from the index what it knows about a clause.
    fn ask(
        &mut self,
        clauses: &ClauseLookup<'a, '_>,
        clause: &'a Clause,
    ) -> Result<ClauseVerdict<'a>> {
        if let Some(set) = clauses.excluded(clause)? {
            let size = set.size();
            self.conjuncts.push(Conjunct { set, negated: true, size });
            return Ok(ClauseVerdict::Settled);
        }
        let Some(found) = clauses.look_up(clause)? else {
            return Ok(ClauseVerdict::Residual { sure: None });
        };
        for set in found.required {
            let size = set.size();
            self.facts.narrowest =
                Some(self.facts.narrowest.map_or(size, |narrowest| narrowest.min(size)));
            if size == 0 {
                self.facts.absent.get_or_insert_with(|| clause.to_string());
            }
            self.conjuncts.push(Conjunct { set, negated: false, size });
        }
        Ok(if found.exact {
            ClauseVerdict::Settled
        } else {
            ClauseVerdict::Residual { sure: found.sure }
        })
    }

    /// Returns the segment.
    pub(in crate::query) fn segment(&self) -> &'a Segment {
        self.segment
    }

    /// Returns what is known before any row is read.
    pub(in crate::query) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Finds the first `limit` rows of `rows` that match, or all of them. Adds what was read for
    /// verification to `work`.
    pub(in crate::query) fn rows(
        self,
        rows: Range<u32>,
        limit: Option<usize>,
        work: &mut VerifyWork<'_>,
    ) -> Result<Rows> {
        // No clause narrows anything: all rows match.
        if self.conjuncts.is_empty() && self.residual.is_empty() {
            let end = limit
                .map_or(rows.end, |limit| rows.end.min(rows.start.saturating_add(limit as u32)));
            return Ok(Rows::Range(rows.start..end));
        }
        let within = rows.clone();
        let mut candidates = Intersection::new(self.conjuncts, rows)?;
        // The index settles every clause: the intersection is the answer.
        if self.residual.is_empty() {
            let found = candidates.take(limit.unwrap_or(usize::MAX));
            work.pace.step(found.len() as u64)?;
            return Ok(Rows::List(found));
        }
        // Rows that satisfy all residual clauses for certain need not be read.
        let sure: Option<Vec<RowSet<'a>>> = self.sure.into_iter().collect();
        let mut sure = sure
            .map(|sure| Intersection::new(sure.into_iter().map(Conjunct::of).collect(), within))
            .transpose()?;
        let mut found = Vec::new();
        // Small batches while a page fills, since it may be full soon; large ones when all rows are
        // wanted.
        let mut step = if limit.is_some() { VERIFY_ROWS } else { VERIFY_ROWS_MAX };
        loop {
            let batch = candidates.take(step);
            step = VERIFY_ROWS_MAX.min(step * 2);
            if batch.is_empty() {
                return Ok(Rows::List(found));
            }
            let (settled, doubtful) = match &mut sure {
                Some(sure) => batch.into_iter().partition(|row| sure.has(*row)),
                None => (Vec::new(), batch),
            };
            let before = found.len();
            verify(self.segment, &self.residual, &doubtful, &mut found, work)?;
            if !settled.is_empty() {
                // Verified and certain rows are merged back into ascending order.
                found.extend(settled);
                found[before..].sort_unstable();
            }
            if let Some(limit) = limit
                && found.len() >= limit
            {
                found.truncate(limit);
                return Ok(Rows::List(found));
            }
        }
    }
}
