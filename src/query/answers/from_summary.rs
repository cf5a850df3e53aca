//! Counts taken from the summaries of segments, where a question covers whole units of them: no row
//! is read.
//!
//! A run is answered this way if the period covers all of its rows and its summary has what the
//! filter and the counts need. The other runs (the ragged ends of a period, small tenants) are
//! counted row by row, so the totals are exact.

use crate::error::Result;
use crate::event::{Field, Timestamp};
use crate::filter::{Clause, FieldCondition, Filter};
use crate::query::answers::group_by::GroupValue;
use crate::query::answers::interval::Calendar;
use crate::query::dictionary::vocabulary::{Counts, Vocabulary};
use crate::query::rows::lookup::{CodeVerdict, ConditionLookup, WantedCodes};
use crate::query::source::RowSource;
use crate::query::{Bucket, Run};
use crate::storage::segment::{
    AmountTotal, Cube, HOUR_MS, HOURS, IndexReader, KINDS, SUMS, Segment, SegmentSummary,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A run and its summary.
pub(in crate::query) struct Summarized<'a> {
    segment: &'a Segment,
    index: Arc<IndexReader>,
    /// The name of the unit: the first row of a tenant, or the number of rows for all tenants.
    unit: u32,
    run: &'a Run<'a>,
    filter: &'a Filter,
    vocabulary: &'a Vocabulary,
}

/// The totals of the amounts of one value of a field, or of all events without a value.
pub(in crate::query) type ValueTotal = (GroupValue, AmountTotal);

/// Which combinations of a cube match: those that pass all of these.
type Tests = Vec<CubeTest>;

/// A test of one dimension of a cube.
struct CubeTest {
    /// The index of the dimension.
    dimension: usize,
    negated: bool,
    /// The codes that pass; none if no row has one of them.
    wanted: Option<WantedCodes>,
}

impl CubeTest {
    fn passes(&self, code: u32) -> bool {
        self.wanted.as_ref().is_some_and(|wanted| wanted.has(code)) != self.negated
    }
}

impl<'a> Summarized<'a> {
    /// Returns the summary of a run if all of its rows lie in the filter's period; `None` if there
    /// is none.
    pub(in crate::query) fn of(
        run: &'a Run<'a>,
        filter: &'a Filter,
        vocabulary: &'a Vocabulary,
    ) -> Result<Option<Self>> {
        let RowSource::Segment(segment) = run.source else { return Ok(None) };
        let inside = filter.from.is_none_or(|from| run.tenant.oldest() >= from)
            && filter.to.is_none_or(|to| run.tenant.newest() < to);
        if !inside {
            return Ok(None);
        }
        let Some(index) = segment.sound_index()? else { return Ok(None) };
        let unit = if run.is_wide() { segment.manifest().rows } else { run.tenant.first };
        Ok(Some(Self { segment, index, unit, run, filter, vocabulary }))
    }

    /// Counts the rows that match.
    pub(in crate::query) fn count(&self) -> Result<Option<u64>> {
        match self.filter.clauses.as_slice() {
            [] => Ok(Some(u64::from(self.run.tenant.rows))),
            [Clause::Field(condition)] if !KINDS.contains(&condition.field) => {
                let wanted = match self.conditions().wanted(condition)? {
                    CodeVerdict::Unknown => return Ok(None),
                    CodeVerdict::Nothing => None,
                    CodeVerdict::Codes(wanted) => Some(wanted),
                };
                let Some(values) = self.summary()?.values(self.unit, condition.field)? else {
                    return Ok(None);
                };
                let found: u64 = values
                    .iter()
                    .filter(|(code, _)| wanted.as_ref().is_some_and(|wanted| wanted.has(*code)))
                    .map(|(_, rows)| rows)
                    .sum();
                Ok(Some(if condition.negated {
                    u64::from(self.run.tenant.rows) - found
                } else {
                    found
                }))
            }
            _ => {
                let Some((cube, tests)) = self.kinds()? else { return Ok(None) };
                Ok(Some(
                    matching(cube.cells(), |cell, position| cube.code(cell, position), &tests)
                        .map(|cell| cube.count(cell))
                        .sum(),
                ))
            }
        }
    }

    /// Counts the rows that match by the values of each field.
    pub(in crate::query) fn facets(&self, fields: &[Field]) -> Result<Option<Vec<Counts>>> {
        let mut all = Vec::with_capacity(fields.len());
        if self.filter.clauses.is_empty() {
            for field in fields {
                let Some(coded) = self.vocabulary.coded(self.run.source, *field)? else {
                    return Ok(None);
                };
                let Some(values) = self.summary()?.values(self.unit, *field)? else {
                    return Ok(None);
                };
                let numbers = values
                    .iter()
                    .map(|(code, rows)| (coded.numbers[code as usize - 1], rows))
                    .collect();
                all.push(Counts { numbers, ..Counts::default() });
            }
            return Ok(Some(all));
        }
        let positions: Option<Vec<usize>> =
            fields.iter().map(|field| KINDS.iter().position(|kind| kind == field)).collect();
        let (Some(positions), Some((cube, tests))) = (positions, self.kinds()?) else {
            return Ok(None);
        };
        let cells: Vec<u32> =
            matching(cube.cells(), |cell, position| cube.code(cell, position), &tests).collect();
        for (field, position) in fields.iter().zip(positions) {
            let Some(coded) = self.vocabulary.coded(self.run.source, *field)? else {
                return Ok(None);
            };
            let mut by_code = vec![0_u64; coded.numbers.len() + 1];
            cells
                .iter()
                .for_each(|cell| by_code[cube.code(*cell, position) as usize] += cube.count(*cell));
            let counted = (0_usize..).zip(by_code).skip(1).filter(|(_, rows)| *rows > 0);
            all.push(Counts {
                numbers: counted.map(|(code, rows)| (coded.numbers[code - 1], rows)).collect(),
                ..Counts::default()
            });
        }
        Ok(Some(all))
    }

    /// Counts the rows that match over time, if every hour lies in a single bucket.
    pub(in crate::query) fn histogram(
        &self,
        calendar: &Calendar,
        by: Option<Field>,
    ) -> Result<Option<Vec<Bucket>>> {
        let by = match by.map(|field| HOURS.iter().position(|hourly| *hourly == field)) {
            Some(None) => return Ok(None),
            Some(position) => position,
            None => None,
        };
        let Some(cube) = self.summary()?.hours(self.unit)? else { return Ok(None) };
        let Some(tests) = self.tests(&self.filter.clauses, HOURS)? else { return Ok(None) };
        // Cells have the codes of this segment; groups need the numbers of the whole store.
        let coded = match by {
            Some(position) => match self.vocabulary.coded(self.run.source, HOURS[position])? {
                Some(coded) => Some((position, coded)),
                None => return Ok(None),
            },
            None => None,
        };
        let mut buckets: BTreeMap<i64, (u64, BTreeMap<u32, u64>)> = BTreeMap::new();
        let mut last = None;
        for cell in matching(cube.cells(), |cell, position| cube.code(cell, position), &tests) {
            let hour = cube.hour(cell).unwrap_or_default();
            let start = match last {
                Some((same, start)) if same == hour => start,
                _ => {
                    let start = calendar.start(hour);
                    if calendar.start(hour + HOUR_MS - 1) != start {
                        return Ok(None);
                    }
                    start
                }
            };
            last = Some((hour, start));
            let bucket = buckets.entry(start).or_default();
            bucket.0 += cube.count(cell);
            if let Some((position, _)) = &coded {
                *bucket.1.entry(cube.code(cell, *position)).or_default() += cube.count(cell);
            }
        }
        let text = |code: u32| {
            let (position, coded) = coded.as_ref()?;
            let number = coded.numbers.get((code as usize).checked_sub(1)?)?;
            self.vocabulary
                .texts(HOURS[*position], std::iter::once(*number))
                .first()
                .map(ToString::to_string)
        };
        let bucket = |(start, (count, by)): (i64, (u64, BTreeMap<u32, u64>))| {
            let by =
                by.into_iter().filter_map(|(code, count)| Some((text(code)?, count))).collect();
            Bucket { start: Timestamp::from_millis(start), count, by }
        };
        Ok(Some(buckets.into_iter().map(bucket).collect()))
    }

    /// Returns partial totals of the amounts of the rows that match, each with its value of `by` if
    /// a field is named.
    pub(in crate::query) fn sums(&self, by: Option<Field>) -> Result<Option<Vec<ValueTotal>>> {
        // The sums are kept by a few fields only; by any other, the rows must be walked.
        let by = match by.map(|field| SUMS.iter().position(|summed| *summed == field)) {
            Some(None) => return Ok(None),
            Some(position) => position,
            None => None,
        };
        // Every cell has amounts, so the condition that there is one holds for all of them.
        let has_amount = Clause::Field(FieldCondition::HAS_AMOUNT);
        let others = self.filter.clauses.iter().filter(|clause| **clause != has_amount);
        let Some(tests) = self.tests(others, SUMS)? else { return Ok(None) };
        // The sums are stored twice, with and without the last field: the smaller cube answers if
        // nothing asks for that field.
        let dimensions =
            tests.iter().map(|test| test.dimension).chain(by).max().map_or(0, |last| last + 1);
        let Some(sums) = self.summary()?.sums(self.unit, dimensions)? else { return Ok(None) };
        let coded = match by {
            Some(position) => match self.vocabulary.coded(self.run.source, SUMS[position])? {
                Some(coded) => Some((position, coded)),
                None => return Ok(None),
            },
            None => None,
        };
        let of = |cell: u32| {
            let (position, coded) = coded.as_ref()?;
            coded.numbers.get((sums.code(cell, *position) as usize).checked_sub(1)?).copied()
        };
        let cells = matching(sums.cells(), |cell, position| sums.code(cell, position), &tests);
        Ok(Some(
            cells
                .map(|cell| {
                    (of(cell).map_or(GroupValue::Nothing, GroupValue::Number), sums.total(cell))
                })
                .collect(),
        ))
    }

    fn kinds(&self) -> Result<Option<(Cube, Tests)>> {
        let Some(tests) = self.tests(&self.filter.clauses, KINDS)? else { return Ok(None) };
        Ok(self.summary()?.kinds(self.unit)?.map(|cube| (cube, tests)))
    }

    fn summary(&self) -> Result<&SegmentSummary> {
        self.index.summary()
    }

    fn conditions(&self) -> ConditionLookup<'_, '_> {
        ConditionLookup {
            segment: self.segment,
            index: &self.index,
            rows: &NO_ROWS,
            vocabulary: self.vocabulary,
        }
    }

    /// Turns clauses into tests of a cube's codes; `None` if the cube cannot test one of them.
    fn tests<'c>(
        &self,
        clauses: impl IntoIterator<Item = &'c Clause>,
        dimensions: &[Field],
    ) -> Result<Option<Tests>> {
        let conditions = self.conditions();
        let mut tests = Vec::new();
        for clause in clauses {
            let Clause::Field(condition) = clause else { return Ok(None) };
            let Some(dimension) = dimensions.iter().position(|field| *field == condition.field)
            else {
                return Ok(None);
            };
            let wanted = match conditions.wanted(condition)? {
                CodeVerdict::Unknown => return Ok(None),
                CodeVerdict::Nothing => None,
                CodeVerdict::Codes(wanted) => Some(wanted),
            };
            tests.push(CubeTest { dimension, negated: condition.negated, wanted });
        }
        Ok(Some(tests))
    }
}

const NO_ROWS: std::ops::Range<u32> = 0..0;

/// Returns the combinations that pass every test.
fn matching(
    cells: u32,
    code: impl Fn(u32, usize) -> u32,
    tests: &Tests,
) -> impl Iterator<Item = u32> {
    (0..cells).filter(move |cell| tests.iter().all(|test| test.passes(code(*cell, test.dimension))))
}
