//! The summary of a segment: counts that are computed when the segment is written, so that
//! dashboards over whole tenants cost the same however many events there are.
//!
//! A unit is the rows of one tenant, or all rows of the segment. For each unit that is large
//! enough, the summary holds:
//!
//! * for every field with few values, how many rows have each value;
//! * the *kinds* cube: how many rows have each combination of [`KINDS`], if there are few
//!   combinations relative to the rows;
//! * the *hours* cube: the same for [`HOURS`] and every hour (UTC), under the same condition;
//! * the *sums*: the totals of the amounts for each combination of [`SUMS`], once without and once
//!   with the last of these fields (which may have many values), each if there are few combinations
//!   and the totals fit into 64 bits.
//!
//! A segment covers one day, so the kinds cube has a granularity of a day. A tenant with few events
//! a day has no cube: counting its rows is just as fast. Everything is computed from the columns of
//! codes and can be rebuilt with the index.
//!
//! ```text
//! keys: unit and section, ascending, packed │ offset of each section, packed
//! │ sections: lists of numbers, packed
//! ```
//! A unit is named by its first row; the unit of all rows by the number of rows.

use crate::error::{Error, Result};
use crate::event::{Amount, Field};
use crate::storage::segment::file::bitpacked::{PackedNumbers, write_packed};
use crate::storage::segment::index::codes_writer::CodedField;
use hashbrown::HashMap;
use std::ops::Range;
use tantivy::HasLen;
use tantivy::directory::{FileSlice, OwnedBytes};

/// The dimensions of the kinds cube.
pub const KINDS: &[Field] = &[
    Field::EventType,
    Field::Source,
    Field::ResourceType,
    Field::EventName,
    Field::Level,
    Field::TraceType,
];
/// The dimensions of the hours cube.
pub const HOURS: &[Field] = &[Field::EventType, Field::Source, Field::Level];
/// The dimensions of the sums.
pub const SUMS: &[Field] =
    &[Field::Format, Field::Source, Field::EventName, Field::Currency, Field::Operator];
/// Milliseconds in an hour.
pub const HOUR_MS: i64 = 3_600_000;

const KINDS_SECTION: u8 = 200;
const HOURS_SECTION: u8 = 201;
/// The sums without the last dimension.
const SUMS_SECTION: u8 = 202;
const ALL_SUMS_SECTION: u8 = 203;
/// This many combinations of amounts are kept however few amounts there are.
const SUMS_CELLS: usize = 32;

/// Which units and cubes are summarized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SummaryRule {
    /// Minimum number of rows of a unit that has a summary.
    pub rows: u32,
    /// A cube has at most one combination per this many rows.
    pub share: u32,
}

impl Default for SummaryRule {
    /// Summarizes units from 1,024 rows, with at least four rows per combination: below that,
    /// counting the rows costs no more.
    fn default() -> Self {
        Self { rows: 1_024, share: 4 }
    }
}

/// The input of a summary: codes, the time of each row, the rows with an amount, and the rows of
/// each tenant.
pub(super) struct Summarizing<'a> {
    pub(super) fields: &'a [CodedField],
    pub(super) times: &'a [i64],
    pub(super) amounts: &'a [(u32, Amount)],
    pub(super) tenants: &'a [Range<u32>],
}

/// Writes the summary.
pub(super) fn write_summary(of: &Summarizing<'_>, rule: SummaryRule) -> Vec<u8> {
    let Summarizing { fields, times, amounts, tenants } = *of;
    let rows = times.len() as u32;
    // With a single tenant, its unit is all rows already.
    let all = std::iter::once((rows, 0..rows)).filter(|_| tenants.len() > 1);
    let mut writer = SummaryWriter { keys: Vec::new(), places: Vec::new(), body: Vec::new() };
    for (unit, range) in tenants.iter().map(|range| (range.start, range.clone())).chain(all) {
        if (range.len() as u32) < rule.rows {
            continue;
        }
        for coded in fields {
            writer.values(unit, coded, &range);
        }
        // A cube with more cells than this would be no cheaper to read than the rows themselves.
        let most = range.len() / rule.share as usize;
        for (section, dimensions) in [(KINDS_SECTION, KINDS), (HOURS_SECTION, HOURS)] {
            let hours = (section == HOURS_SECTION).then_some(times);
            writer.cube(
                unit,
                section,
                &CubeDimensions { fields, wanted: dimensions, hours },
                &range,
                most,
            );
        }
        // Amounts are in the order of rows, so those of a unit are one slice.
        let place = |row: u32| amounts.partition_point(|(other, _)| *other < row);
        let amounts = &amounts[place(range.start)..place(range.end)];
        for (section, wanted) in [(SUMS_SECTION, &SUMS[..SUMS.len() - 1]), (ALL_SUMS_SECTION, SUMS)]
        {
            writer.sums(
                (unit, section),
                &CubeDimensions { fields, wanted, hours: None },
                amounts,
                rule.share,
            );
        }
    }
    writer.finish()
}

struct SummaryWriter {
    keys: Vec<i64>,
    places: Vec<i64>,
    body: Vec<u8>,
}

/// The dimensions of a cube.
struct CubeDimensions<'a> {
    fields: &'a [CodedField],
    wanted: &'a [Field],
    hours: Option<&'a [i64]>,
}

impl CubeDimensions<'_> {
    /// Returns the codes of each dimension, or `None` if one of the fields has no codes.
    fn codes(&self) -> Option<Vec<&[u32]>> {
        let find = |field: &Field| {
            self.fields
                .iter()
                .find(|coded| coded.field == *field)
                .map(|coded| coded.codes.as_slice())
        };
        self.wanted.iter().map(find).collect()
    }
}

fn key(unit: u32, section: u8) -> i64 {
    (i64::from(unit) << 8) | i64::from(section)
}

impl SummaryWriter {
    fn begin(&mut self, unit: u32, section: u8) {
        self.keys.push(key(unit, section));
        self.places.push(self.body.len() as i64);
    }

    fn values(&mut self, unit: u32, coded: &CodedField, rows: &Range<u32>) {
        let mut counts = vec![0_i64; coded.values.len() + 1];
        for code in &coded.codes[rows.start as usize..rows.end as usize] {
            counts[*code as usize] += 1;
        }
        self.begin(unit, coded.field as u8);
        let counted: Vec<(i64, i64)> =
            // Code 0 stands for rows without a value, and values that the unit does not have are
            // left out.
            (0..).zip(counts).skip(1).filter(|(_, count)| *count > 0).collect();
        write_packed(&counted.iter().map(|(code, _)| *code).collect::<Vec<_>>(), &mut self.body);
        write_packed(&counted.iter().map(|(_, count)| *count).collect::<Vec<_>>(), &mut self.body);
    }

    fn cube(
        &mut self,
        unit: u32,
        section: u8,
        dimensions: &CubeDimensions<'_>,
        rows: &Range<u32>,
        most: usize,
    ) {
        let Some(codes) = dimensions.codes() else { return };
        let mut cells: HashMap<(Option<i64>, [u32; 6]), i64> = HashMap::new();
        // Counts each combination. The cube is given up as soon as it turns out to be too large.
        for row in rows.start as usize..rows.end as usize {
            let mut cell = [0; 6];
            cell.iter_mut().zip(&codes).for_each(|(cell, codes)| *cell = codes[row]);
            let hour = dimensions.hours.map(|times| times[row].div_euclid(HOUR_MS));
            *cells.entry((hour, cell)).or_default() += 1;
            if cells.len() > most {
                return;
            }
        }
        let mut cells: Vec<_> = cells.into_iter().collect();
        // In order, so that neighbouring cells are alike and the bytes are the same for the same
        // rows.
        cells.sort_unstable();
        self.begin(unit, section);
        // The cells are stored by column: each dimension, then the hour if there is one, then the
        // count.
        for place in 0..codes.len() {
            write_packed(
                &cells.iter().map(|((_, cell), _)| i64::from(cell[place])).collect::<Vec<_>>(),
                &mut self.body,
            );
        }
        if dimensions.hours.is_some() {
            write_packed(
                &cells.iter().map(|((hour, _), _)| hour.unwrap_or_default()).collect::<Vec<_>>(),
                &mut self.body,
            );
        }
        write_packed(&cells.iter().map(|(_, count)| *count).collect::<Vec<_>>(), &mut self.body);
    }

    fn sums(
        &mut self,
        (unit, section): (u32, u8),
        dimensions: &CubeDimensions<'_>,
        amounts: &[(u32, Amount)],
        share: u32,
    ) {
        let Some(codes) = dimensions.codes() else { return };
        let mut cells: HashMap<[u32; 5], [i128; 4]> = HashMap::new();
        // Adds each amount to the cell of its combination.
        for (row, amount) in amounts {
            let units = amount.units();
            let mut cell = [0; 5];
            cell.iter_mut().zip(&codes).for_each(|(cell, codes)| *cell = codes[*row as usize]);
            let [count, sum, least, most] = cells.entry(cell).or_insert([0, 0, units, units]);
            *count += 1;
            // Amounts have at most 38 digits, so if their sum overflows, some of them are too large
            // for the section anyway.
            *sum = sum.saturating_add(units);
            (*least, *most) = (units.min(*least), units.max(*most));
        }
        // The columns hold 64-bit numbers. If any total does not fit, the section is left out and
        // the amounts are added up row by row.
        let narrow = |values: [i128; 4]| -> Option<[i64; 4]> {
            let [count, sum, least, most] = values.map(|value| i64::try_from(value).ok());
            Some([count?, sum?, least?, most?])
        };
        let cells: Option<Vec<([u32; 5], [i64; 4])>> =
            cells.into_iter().map(|(cell, values)| Some((cell, narrow(values)?))).collect();
        let Some(mut cells) =
            cells.filter(|cells| cells.len() <= SUMS_CELLS.max(amounts.len() / share as usize))
        else {
            return;
        };
        cells.sort_unstable();
        self.begin(unit, section);
        // By column again: the dimensions, then count, sum, minimum and maximum.
        for place in 0..codes.len() {
            write_packed(
                &cells.iter().map(|(cell, _)| i64::from(cell[place])).collect::<Vec<_>>(),
                &mut self.body,
            );
        }
        for place in 0..4 {
            write_packed(
                &cells.iter().map(|(_, values)| values[place]).collect::<Vec<_>>(),
                &mut self.body,
            );
        }
    }

    fn finish(self) -> Vec<u8> {
        // Units are written in order, and so are the sections within one, except for the order of
        // the fields. Readers find a section by binary search, so the keys are sorted here.
        let mut order: Vec<usize> = (0..self.keys.len()).collect();
        order.sort_unstable_by_key(|place| self.keys[*place]);
        let mut bytes = Vec::with_capacity(self.body.len() + 64);
        write_packed(&order.iter().map(|place| self.keys[*place]).collect::<Vec<_>>(), &mut bytes);
        write_packed(
            &order.iter().map(|place| self.places[*place]).collect::<Vec<_>>(),
            &mut bytes,
        );
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// A summary in a mapped file.
#[derive(Debug)]
pub struct SegmentSummary {
    keys: PackedNumbers,
    places: PackedNumbers,
    body: OwnedBytes,
}

/// How many rows have each value, by code.
#[derive(Debug)]
pub struct ValueCounts {
    codes: PackedNumbers,
    counts: PackedNumbers,
}

/// How many rows have each combination.
#[derive(Debug)]
pub struct Cube {
    dimensions: Vec<PackedNumbers>,
    hours: Option<PackedNumbers>,
    counts: PackedNumbers,
}

/// The totals of the amounts of each combination.
#[derive(Debug)]
pub struct Sums {
    dimensions: Vec<PackedNumbers>,
    values: Vec<PackedNumbers>,
}

/// The totals of a number of amounts, in the units of [`Amount`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AmountTotal {
    /// The number of amounts.
    pub count: u64,
    /// Their sum.
    pub sum: Amount,
    /// The smallest of them.
    pub least: Amount,
    /// The largest of them.
    pub most: Amount,
}

fn damaged() -> Error {
    Error::corrupt(
        "the summary in the index is damaged; `annals check --rebuild-index` rebuilds it",
    )
}

impl SegmentSummary {
    pub(super) fn open(file: &FileSlice) -> Result<Self> {
        if file.len() == 0 {
            return Err(damaged());
        }
        let bytes = file.read_bytes().map_err(|cause| damaged().because(cause))?;
        let (keys, rest) = PackedNumbers::split(bytes)?;
        let (places, body) = PackedNumbers::split(rest)?;
        if keys.len() != places.len() {
            return Err(damaged());
        }
        Ok(Self { keys, places, body })
    }

    fn section(&self, unit: u32, section: u8) -> Option<OwnedBytes> {
        let wanted = key(unit, section);
        let place = self.keys.partition_point(|key| key < wanted);
        if place == self.keys.len() || self.keys.get(place) != wanted {
            return None;
        }
        let start = usize::try_from(self.places.get(place))
            .ok()
            .filter(|start| *start <= self.body.len())?;
        Some(self.body.slice(start..self.body.len()))
    }

    /// Returns how many rows of a unit have each value of a field, or `None` if the field is not
    /// summarized.
    ///
    /// # Errors
    /// A summary that is damaged.
    pub fn values(&self, unit: u32, field: Field) -> Result<Option<ValueCounts>> {
        let Some(section) = self.section(unit, field as u8) else { return Ok(None) };
        let (codes, rest) = PackedNumbers::split(section)?;
        let (counts, _) = PackedNumbers::split(rest)?;
        if codes.len() != counts.len() {
            return Err(damaged());
        }
        Ok(Some(ValueCounts { codes, counts }))
    }

    /// Returns the kinds cube of a unit.
    ///
    /// # Errors
    /// A summary that is damaged.
    pub fn kinds(&self, unit: u32) -> Result<Option<Cube>> {
        self.cube(unit, KINDS_SECTION, KINDS.len(), false)
    }

    /// Returns the hours cube of a unit.
    ///
    /// # Errors
    /// A summary that is damaged.
    pub fn hours(&self, unit: u32) -> Result<Option<Cube>> {
        self.cube(unit, HOURS_SECTION, HOURS.len(), true)
    }

    /// Returns the totals of the amounts of a unit by the first `dimensions` of [`SUMS`], or by
    /// more of them.
    ///
    /// # Errors
    /// A summary that is damaged.
    pub fn sums(&self, unit: u32, dimensions: usize) -> Result<Option<Sums>> {
        let dimensions = dimensions.max(SUMS.len() - 1);
        let section = if dimensions == SUMS.len() { ALL_SUMS_SECTION } else { SUMS_SECTION };
        let Some(mut lists) = self.lists(unit, section, dimensions + 4)? else { return Ok(None) };
        let values = lists.split_off(dimensions);
        Ok(Some(Sums { dimensions: lists, values }))
    }

    /// Reads the lists of equal length that a section begins with.
    fn lists(&self, unit: u32, section: u8, count: usize) -> Result<Option<Vec<PackedNumbers>>> {
        let Some(mut rest) = self.section(unit, section) else { return Ok(None) };
        let mut lists = Vec::with_capacity(count);
        for _ in 0..count {
            let (list, after) = PackedNumbers::split(rest)?;
            lists.push(list);
            rest = after;
        }
        if lists.iter().any(|list| list.len() != lists[0].len()) {
            return Err(damaged());
        }
        Ok(Some(lists))
    }

    fn cube(
        &self,
        unit: u32,
        section: u8,
        dimensions: usize,
        hourly: bool,
    ) -> Result<Option<Cube>> {
        let Some(mut lists) = self.lists(unit, section, dimensions + 1 + usize::from(hourly))?
        else {
            return Ok(None);
        };
        let counts = lists.pop().ok_or_else(damaged)?;
        let hours = if hourly { lists.pop() } else { None };
        Ok(Some(Cube { dimensions: lists, hours, counts }))
    }
}

impl ValueCounts {
    /// Returns the code of each value and how many rows have it, in the order of codes.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u64)> {
        (0..self.codes.len())
            .map(|place| (self.codes.get(place) as u32, self.counts.get(place) as u64))
    }
}

impl Cube {
    /// Returns the number of combinations.
    pub fn cells(&self) -> u32 {
        self.counts.len()
    }

    /// Returns the code of a combination in a dimension, given by its index.
    #[inline]
    pub fn code(&self, cell: u32, dimension: usize) -> u32 {
        self.dimensions[dimension].get(cell) as u32
    }

    /// Returns the start of the hour of a combination, in milliseconds.
    pub fn hour(&self, cell: u32) -> Option<i64> {
        self.hours.as_ref().map(|hours| hours.get(cell).saturating_mul(HOUR_MS))
    }

    /// Returns how many rows have a combination.
    #[inline]
    pub fn count(&self, cell: u32) -> u64 {
        self.counts.get(cell) as u64
    }
}

impl Sums {
    /// Returns the number of combinations.
    pub fn cells(&self) -> u32 {
        self.values[0].len()
    }

    /// Returns the code of a combination in a dimension, given by its index.
    pub fn code(&self, cell: u32, dimension: usize) -> u32 {
        self.dimensions[dimension].get(cell) as u32
    }

    /// Returns the totals of the amounts of a combination.
    pub fn total(&self, cell: u32) -> AmountTotal {
        let [count, sum, least, most] = [0, 1, 2, 3].map(|place| self.values[place].get(cell));
        let amount = |units: i64| Amount::from_units(i128::from(units));
        AmountTotal {
            count: count as u64,
            sum: amount(sum),
            least: amount(least),
            most: amount(most),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Builds the fields of the cubes, with codes below 4 for each row.
    fn fields(rows: &[(usize, i64, [u32; 6])]) -> Vec<CodedField> {
        let values = || ["a", "b", "c"].map(Box::from).to_vec();
        let coded = |(place, field): (usize, &Field)| CodedField {
            field: *field,
            values: values(),
            codes: rows.iter().map(|(_, _, codes)| codes[place]).collect(),
        };
        KINDS.iter().enumerate().map(coded).collect()
    }

    fn cells(cube: &Cube, dimensions: usize) -> BTreeMap<(Option<i64>, Vec<u32>), u64> {
        let cell = |cell: u32| {
            (
                (cube.hour(cell), (0..dimensions).map(|place| cube.code(cell, place)).collect()),
                cube.count(cell),
            )
        };
        (0..cube.cells()).map(cell).collect()
    }

    proptest! {
        #[test]
        fn a_summary_counts_what_the_rows_have(
            rows in proptest::collection::vec((0_usize..3, 0_i64..200, proptest::array::uniform6(0_u32..4)), 1..120), least in 1_u32..40, share in 1_u32..5,
            amounts in proptest::collection::btree_map(0_u32..120, -9_i64..9, 0..60), huge in proptest::option::of(0_usize..60),
        ) {
            let mut rows = rows;
            rows.sort_by_key(|(tenant, time, _)| (*tenant, std::cmp::Reverse(*time)));
            let times: Vec<i64> = rows.iter().map(|(_, minutes, _)| minutes * 60_000 - 5 * HOUR_MS).collect();
            let mut tenants: Vec<Range<u32>> = Vec::new();
            for same in rows.chunk_by(|left, right| left.0 == right.0) {
                let start = tenants.last().map_or(0, |last| last.end);
                tenants.push(start..start + same.len() as u32);
            }
            let mut fields = fields(&rows);
            for (field, place) in [(Field::Currency, 5), (Field::Format, 4), (Field::Operator, 3)] {
                fields.push(CodedField { field, values: fields[0].values.clone(), codes: fields[place].codes.clone() });
            }
            let mut amounts: Vec<(u32, Amount)> =
                amounts.into_iter().filter(|(row, _)| (*row as usize) < rows.len()).map(|(row, units)| (row, Amount::from_units(units.into()))).collect();
            if let Some((_, amount)) = huge.and_then(|place| amounts.get_mut(place)) {
                *amount = Amount::from_units(i128::from(i64::MAX) + 1);
            }
            let of = Summarizing { fields: &fields, times: &times, amounts: &amounts, tenants: &tenants };
            let bytes = write_summary(&of, SummaryRule { rows: least, share });
            let summary = SegmentSummary::open(&FileSlice::from(bytes)).expect("our own summary");
            let all = (tenants.len() > 1).then_some((rows.len() as u32, 0..rows.len() as u32));
            for (unit, range) in tenants.iter().map(|range| (range.start, range.clone())).chain(all) {
                let inside = range.start as usize..range.end as usize;
                for coded in &fields {
                    let mut wanted: BTreeMap<u32, u64> = BTreeMap::new();
                    coded.codes[inside.clone()].iter().filter(|code| **code > 0).for_each(|code| *wanted.entry(*code).or_default() += 1);
                    match summary.values(unit, coded.field).expect("whole") {
                        Some(values) => prop_assert_eq!(values.iter().collect::<BTreeMap<_, _>>(), wanted),
                        None => prop_assert!((range.len() as u32) < least),
                    }
                }
                for dimensions in [SUMS.len() - 1, SUMS.len()] {
                    let codes = |row: usize| SUMS[..dimensions].iter().map(|field| fields.iter().find(|coded| coded.field == *field).expect("coded").codes[row]).collect::<Vec<u32>>();
                    let mut wanted: BTreeMap<Vec<u32>, Vec<i128>> = BTreeMap::new();
                    for (row, amount) in amounts.iter().filter(|(row, _)| inside.contains(&(*row as usize))) {
                        wanted.entry(codes(*row as usize)).or_default().push(amount.units());
                    }
                    let fits = wanted.values().flatten().all(|units| i64::try_from(*units).is_ok());
                    match summary.sums(unit, dimensions).expect("whole") {
                        Some(sums) => {
                            let total = |units: Vec<i128>| {
                                let [sum, least, most] = [units.iter().sum(), *units.iter().min().expect("some"), *units.iter().max().expect("some")];
                                AmountTotal { count: units.len() as u64, sum: Amount::from_units(sum), least: Amount::from_units(least), most: Amount::from_units(most) }
                            };
                            let found = (0..sums.cells()).map(|cell| ((0..dimensions).map(|place| sums.code(cell, place)).collect::<Vec<_>>(), sums.total(cell)));
                            prop_assert_eq!(found.collect::<BTreeMap<_, _>>(), wanted.into_iter().map(|(codes, units)| (codes, total(units))).collect());
                        }
                        None => prop_assert!((range.len() as u32) < least || !fits || wanted.len() > SUMS_CELLS),
                    }
                }
                for (dimensions, hourly) in [(KINDS, false), (HOURS, true)] {
                    let mut wanted: BTreeMap<(Option<i64>, Vec<u32>), u64> = BTreeMap::new();
                    for row in inside.clone() {
                        let codes = dimensions.iter().map(|field| fields.iter().find(|coded| coded.field == *field).expect("coded").codes[row]);
                        let hour = hourly.then(|| times[row].div_euclid(HOUR_MS) * HOUR_MS);
                        *wanted.entry((hour, codes.collect())).or_default() += 1;
                    }
                    let cube = if hourly { summary.hours(unit) } else { summary.kinds(unit) };
                    match cube.expect("whole") {
                        Some(cube) => prop_assert_eq!(cells(&cube, dimensions.len()), wanted),
                        None => prop_assert!((range.len() as u32) < least || wanted.len() > range.len() / share as usize),
                    }
                }
            }
        }
    }
}
