//! What the index knows about a clause: a set of rows that contains every match, and whether that
//! set is exact.

use crate::error::Result;
use crate::filter::{Clause, FieldCondition, RecordTest, ValueMatch, ValueTest};
use crate::query::dictionary::vocabulary::Vocabulary;
use crate::query::rows::lookup::conditions::{ConditionLookup, TERMS_MAX};
use crate::query::rows::lookup::literal::{raw_words, words_of_glob};
use crate::query::rows::lookup::row_set::{ClauseRows, Conjunct, Intersection, RowSet, in_order};
use crate::storage::segment::{IndexReader, Segment, TextRows};
use crate::text::{NeedleTerms, decided_by_shape, words_of};
use std::ops::Range;

/// Answers clauses from one index, for a range of rows.
pub(super) struct ClauseLookup<'a, 'q> {
    index: &'a IndexReader,
    rows: &'q Range<u32>,
    conditions: ConditionLookup<'a, 'q>,
}

impl<'a, 'q> ClauseLookup<'a, 'q> {
    pub(super) fn new(
        segment: &'a Segment,
        index: &'a IndexReader,
        rows: &'q Range<u32>,
        vocabulary: &'q Vocabulary,
    ) -> Self {
        Self { index, rows, conditions: ConditionLookup { segment, index, rows, vocabulary } }
    }

    /// Returns the rows that a negated clause excludes, if the index knows them for certain.
    pub(super) fn excluded(&self, clause: &Clause) -> Result<Option<RowSet<'a>>> {
        let found = match clause {
            Clause::Field(condition) if condition.negated => {
                self.conditions.look_up(&FieldCondition { negated: false, ..condition.clone() })?
            }
            Clause::Not(clause) => self.look_up(clause)?,
            _ => None,
        };
        found.filter(|found| found.exact).map(|found| self.one(found)).transpose()
    }

    /// Returns what the index knows about a clause; `None` if nothing.
    pub(super) fn look_up(&self, clause: &Clause) -> Result<Option<ClauseRows<'a>>> {
        match clause {
            Clause::Field(condition) if !condition.negated => self.conditions.look_up(condition),
            Clause::Field(_) | Clause::Not(_) => {
                let Some(set) = self.excluded(clause)? else { return Ok(None) };
                let size = set.size();
                let rest = Intersection::new(
                    vec![Conjunct { set, negated: true, size }],
                    self.rows.clone(),
                )?
                .take(usize::MAX);
                Ok(Some(ClauseRows::of(RowSet::List(rest), true)))
            }
            Clause::Record(test) => self.record(test),
            Clause::All(clauses) => self.all(clauses),
            Clause::Any(clauses) => {
                // The words of fields are words of the records in the index, so a single word is
                // found in both by one list.
                if let Some(needle) = clause.as_words()
                    && let (wanted, true) = words_of(needle, false, false)
                {
                    return self.wanted(&wanted, true);
                }
                let mut found = Vec::with_capacity(clauses.len());
                for clause in clauses {
                    let Some(rows) = self.look_up(clause)? else { return Ok(None) };
                    // There may be thousands: none keeps more than its own rows until the end.
                    found.push(self.narrowed(rows)?);
                }
                self.any(found).map(Some)
            }
        }
    }

    /// Returns the same with one set, which is that of the rows in all of them.
    fn narrowed(&self, found: ClauseRows<'a>) -> Result<ClauseRows<'a>> {
        if found.required.len() < 2 {
            return Ok(found);
        }
        Ok(ClauseRows { required: vec![RowSet::List(self.list(found.required)?)], ..found })
    }

    fn all(&self, clauses: &[Clause]) -> Result<Option<ClauseRows<'a>>> {
        let mut all = ClauseRows { required: Vec::new(), exact: true, sure: None };
        let mut known = clauses.is_empty();
        // Conditions of tenant and time are as quick to test on a few rows as their rows are many.
        let (placing, others): (Vec<&Clause>, Vec<&Clause>) =
            clauses.iter().partition(|clause| self.conditions.placing(clause).is_some());
        for clause in others {
            match self.look_up(clause)? {
                Some(found) => {
                    all.required.extend(found.required);
                    all.exact &= found.exact;
                    known = true;
                }
                None => all.exact = false,
            }
        }
        if all.required.is_empty() {
            for clause in placing {
                let found = self.look_up(clause)?;
                known |= found.is_some();
                all.required.extend(found.into_iter().flat_map(|found| found.required));
            }
        } else if !placing.is_empty() {
            let placing: Vec<&FieldCondition> =
                placing.iter().filter_map(|clause| self.conditions.placing(clause)).collect();
            let mut rows = self.list(all.required)?;
            rows.retain(|row| placing.iter().all(|test| self.conditions.places(test, *row)));
            all.required = vec![RowSet::List(rows)];
        }
        Ok(known.then_some(all))
    }

    /// Returns the union of what is known about several clauses.
    fn any(&self, found: Vec<ClauseRows<'a>>) -> Result<ClauseRows<'a>> {
        let exact = found.iter().all(|found| found.exact);
        let (mut rows, mut sure): (Vec<u32>, Vec<u32>) = Default::default();
        for found in found {
            let these = self.list(found.required)?;
            if found.exact && !exact {
                sure.extend(&these);
            } else if let Some(set) = found.sure {
                sure.extend(self.list(vec![set])?);
            }
            rows.extend(these);
        }
        let list = |rows| RowSet::List(in_order(rows, self.rows));
        let sure = (!sure.is_empty()).then(|| list(sure));
        Ok(ClauseRows { required: vec![list(rows)], exact, sure })
    }

    /// Returns the rows of the range that are in all of these sets.
    fn list(&self, required: Vec<RowSet<'a>>) -> Result<Vec<u32>> {
        let conjuncts = required.into_iter().map(Conjunct::of).collect();
        Ok(Intersection::new(conjuncts, self.rows.clone())?.take(usize::MAX))
    }

    fn one(&self, mut found: ClauseRows<'a>) -> Result<RowSet<'a>> {
        Ok(match found.required.len() {
            1 => found.required.remove(0),
            _ => RowSet::List(self.list(found.required)?),
        })
    }

    fn record(&self, test: &RecordTest) -> Result<Option<ClauseRows<'a>>> {
        match test {
            RecordTest::Words(needle) => {
                // The index has words of fields too, so a word is no proof of one in the record.
                let (wanted, is_one_token) = words_of(needle, false, false);
                let words = self.wanted(&wanted, false)?;
                if is_one_token
                    || !decided_by_shape(needle)
                    || words.as_ref().is_some_and(ClauseRows::is_empty)
                {
                    return Ok(words);
                }
                Ok(Some(of_texts(self.index.phrase(needle)?, words)))
            }
            RecordTest::Substring(text) => self.wanted(&raw_words(text, true, true), false),
            RecordTest::Value(test) => self.values(test),
        }
    }

    fn values(&self, test: &ValueTest) -> Result<Option<ClauseRows<'a>>> {
        let words = self.words_of_values(test)?;
        if !test.cased
            && !test.paths.is_empty()
            && test.any.iter().all(|wanted| matches!(wanted, ValueMatch::Glob(_)))
            && !words.as_ref().is_some_and(ClauseRows::is_empty)
        {
            let passes = |text: &str| {
                test.any
                    .iter()
                    .any(|wanted| matches!(wanted, ValueMatch::Glob(glob) if glob.matches(text)))
            };
            if let Some(texts) = self.values_at(&test.paths, passes)? {
                return Ok(Some(of_texts(texts, words)));
            }
        }
        Ok(words)
    }

    /// Returns what the index knows of values at any of these paths; `None` unless it can decide
    /// for each.
    fn values_at(
        &self,
        paths: &[String],
        passes: impl Fn(&str) -> bool,
    ) -> Result<Option<TextRows>> {
        let mut all = TextRows { sure: Vec::new(), maybe: Vec::new() };
        for path in paths {
            let Some(found) = self.index.value_at(path, &passes)? else { return Ok(None) };
            all.sure.extend(found.sure);
            all.maybe.extend(found.maybe);
        }
        Ok(Some(all))
    }

    fn words_of_values(&self, test: &ValueTest) -> Result<Option<ClauseRows<'a>>> {
        // The words of a path are words of keys.
        let path = match test.paths.as_slice() {
            [] => Vec::new(),
            [path] => words_of(path, false, false).0,
            // Each path with each value would be a product: rows that have the words of one of the
            // paths and those of one of the values are few enough.
            paths => {
                let values = self.words_at(&[], test)?;
                let Some(mut found) = self.words_of_paths(paths)? else { return Ok(values) };
                found.required.extend(values.into_iter().flat_map(|values| values.required));
                return Ok(Some(found));
            }
        };
        self.words_at(&path, test)
    }

    /// Returns the rows whose records have all words of one of these paths.
    fn words_of_paths(&self, paths: &[String]) -> Result<Option<ClauseRows<'a>>> {
        let words = |path: &String| self.wanted(&words_of(path, false, false).0, false);
        let found = paths.iter().map(words).collect::<Result<Option<Vec<_>>>>()?;
        found.map(|found| self.any(found)).transpose()
    }

    /// Returns the rows whose records have the words of the path and those of one of the values.
    fn words_at(&self, path: &[NeedleTerms], test: &ValueTest) -> Result<Option<ClauseRows<'a>>> {
        let mut any = Vec::new();
        for value in &test.any {
            let mut wanted = path.to_vec();
            if let ValueMatch::Glob(glob) = value {
                wanted.extend(words_of_glob(glob, test.cased));
            }
            if let Some(other) = value.other_path() {
                wanted.extend(words_of(other, false, false).0);
            }
            match self.wanted(&wanted, false)? {
                Some(found) => any.push(found),
                None => return Ok(None),
            }
        }
        Ok(Some(if any.len() == 1 { any.remove(0) } else { self.any(any)? }))
    }

    /// Returns the rows whose records have all these words.
    fn wanted(&self, wanted: &[NeedleTerms], exact: bool) -> Result<Option<ClauseRows<'a>>> {
        let mut required = Vec::new();
        for wanted in wanted {
            required.push(match wanted {
                NeedleTerms::Term(term) => RowSet::of(self.index.word(term)?.into_iter().collect()),
                NeedleTerms::Id(id) => RowSet::List(self.index.rows_near_id(id)?),
                NeedleTerms::Beginning(letter) => {
                    match self.index.words_with_prefix(&letter.to_string(), TERMS_MAX)? {
                        Some(words) => {
                            let postings = words
                                .iter()
                                .map(|word| self.index.word(word))
                                .collect::<Result<Vec<_>>>()?;
                            RowSet::of(postings.into_iter().flatten().collect())
                        }
                        None => return Ok(None),
                    }
                }
            });
        }
        Ok((!required.is_empty()).then_some(ClauseRows { required, exact, sure: None }))
    }
}

/// Combines the posting lists of texts: rows that match for certain, and rows that may match, which
/// must also have the words.
fn of_texts<'a>(texts: TextRows, words: Option<ClauseRows<'a>>) -> ClauseRows<'a> {
    if texts.maybe.is_empty() {
        return ClauseRows::of(RowSet::of(texts.sure), true);
    }
    let either = RowSet::of(texts.sure.iter().chain(&texts.maybe).cloned().collect());
    let words = words.into_iter().flat_map(|words| words.required);
    ClauseRows {
        required: std::iter::once(either).chain(words).collect(),
        exact: false,
        sure: Some(RowSet::of(texts.sure)),
    }
}
