//! Writes the summary of a segment from its columns of codes.

use super::format::*;
use crate::event::{Amount, Field};
use crate::storage::segment::file::bitpacked::write_packed;
use crate::storage::segment::index::codes_writer::CodedField;
use hashbrown::HashMap;
use std::ops::Range;

/// This many combinations of amounts are kept however few amounts there are.
pub(super) const SUMS_CELLS: usize = 32;

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
pub(in crate::storage::segment) struct Summarizing<'a> {
    pub(in crate::storage::segment) fields: &'a [CodedField],
    pub(in crate::storage::segment) times: &'a [i64],
    pub(in crate::storage::segment) amounts: &'a [(u32, Amount)],
    pub(in crate::storage::segment) tenants: &'a [Range<u32>],
}

/// Writes the summary.
pub(in crate::storage::segment) fn write_summary(
    of: &Summarizing<'_>,
    rule: SummaryRule,
) -> Vec<u8> {
    let Summarizing { fields, times, amounts, tenants } = *of;
    let rows = times.len() as u32;
    // With a single tenant, its unit is all rows already.
    let all = std::iter::once((rows, 0..rows)).filter(|_| tenants.len() > 1);
    let mut writer = SummaryWriter { keys: Vec::new(), indexes: Vec::new(), body: Vec::new() };
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
        let index = |row: u32| amounts.partition_point(|(other, _)| *other < row);
        let amounts = &amounts[index(range.start)..index(range.end)];
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
    indexes: Vec<i64>,
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

impl SummaryWriter {
    fn begin(&mut self, unit: u32, section: u8) {
        self.keys.push(key(unit, section));
        self.indexes.push(self.body.len() as i64);
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
        for index in 0..codes.len() {
            write_packed(
                &cells.iter().map(|((_, cell), _)| i64::from(cell[index])).collect::<Vec<_>>(),
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
        for index in 0..codes.len() {
            write_packed(
                &cells.iter().map(|(cell, _)| i64::from(cell[index])).collect::<Vec<_>>(),
                &mut self.body,
            );
        }
        for index in 0..4 {
            write_packed(
                &cells.iter().map(|(_, values)| values[index]).collect::<Vec<_>>(),
                &mut self.body,
            );
        }
    }

    fn finish(self) -> Vec<u8> {
        // Units are written in order, and so are the sections within one, except for the order of
        // the fields. Readers find a section by binary search, so the keys are sorted here.
        let mut order: Vec<usize> = (0..self.keys.len()).collect();
        order.sort_unstable_by_key(|index| self.keys[*index]);
        let mut bytes = Vec::with_capacity(self.body.len() + 64);
        write_packed(&order.iter().map(|index| self.keys[*index]).collect::<Vec<_>>(), &mut bytes);
        write_packed(
            &order.iter().map(|index| self.indexes[*index]).collect::<Vec<_>>(),
            &mut bytes,
        );
        bytes.extend_from_slice(&self.body);
        bytes
    }
}
