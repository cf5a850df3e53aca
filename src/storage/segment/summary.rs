//! The summary of a segment: how many rows have what, counted when it is written, so that dashboards over whole tenants cost the
//! same however many events there are.
//!
//! A unit is the rows of one tenant, or all rows. Of a unit that is large enough it holds
//!
//! * for every field of few values, how many rows have each value;
//! * the *kinds* cube: how many rows have each combination of [`KINDS`], if the combinations are few against the rows;
//! * the *hours* cube: the same of [`HOURS`] for every hour (UTC), if those are few.
//!
//! A segment is of one day, so the kinds cube has the grain of a day, and a tenant with few events a day has no cube: its rows are
//! counted as fast. Everything is made of the columns of codes and can be made anew with the index.
//!
//! ```text
//! keys: unit and section, ascending, packed │ where each section begins, packed │ sections: lists of numbers, packed
//! ```
//! A unit is named by its first row; all rows by their number.

use super::dimensions::Coded;
use super::packed::{Packed, write_packed};
use crate::error::{Error, Result};
use crate::event::Field;
use hashbrown::HashMap;
use std::ops::Range;
use tantivy::HasLen;
use tantivy::directory::{FileSlice, OwnedBytes};

/// The fields of the cube of kinds.
pub const KINDS: &[Field] = &[Field::EventType, Field::Source, Field::ResourceType, Field::EventName, Field::Level, Field::TraceType];
/// The fields of the cube of hours.
pub const HOURS: &[Field] = &[Field::EventType, Field::Source, Field::Level];
/// Milliseconds of an hour.
pub const HOUR_MS: i64 = 3_600_000;

const KINDS_SECTION: u8 = 200;
const HOURS_SECTION: u8 = 201;

/// What is summarized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SummaryRule {
    /// Units of so many rows have a summary.
    pub rows: u32,
    /// A cube has at most one combination for so many rows.
    pub share: u32,
}

impl Default for SummaryRule {
    /// From 1,024 rows, four rows a combination: below that, counting the rows costs no more.
    fn default() -> Self {
        Self { rows: 1_024, share: 4 }
    }
}

/// Writes the summary of rows with these codes and times; `tenants` are the rows of each.
pub(super) fn write_summary(fields: &[Coded], times: &[i64], tenants: &[Range<u32>], rule: SummaryRule) -> Vec<u8> {
    let rows = times.len() as u32;
    let all = std::iter::once((rows, 0..rows)).filter(|_| tenants.len() > 1);
    let mut writer = Writer { keys: Vec::new(), places: Vec::new(), body: Vec::new() };
    for (unit, range) in tenants.iter().map(|range| (range.start, range.clone())).chain(all) {
        if (range.len() as u32) < rule.rows {
            continue;
        }
        for coded in fields {
            writer.values(unit, coded, &range);
        }
        let most = range.len() / rule.share as usize;
        for (section, dimensions) in [(KINDS_SECTION, KINDS), (HOURS_SECTION, HOURS)] {
            let hours = (section == HOURS_SECTION).then_some(times);
            writer.cube(unit, section, &Dimensions { fields, wanted: dimensions, hours }, &range, most);
        }
    }
    writer.finish()
}

struct Writer {
    keys: Vec<i64>,
    places: Vec<i64>,
    body: Vec<u8>,
}

/// What a cube is made of.
struct Dimensions<'a> {
    fields: &'a [Coded],
    wanted: &'a [Field],
    hours: Option<&'a [i64]>,
}

impl Dimensions<'_> {
    /// The codes of each field; `None` if one has none.
    fn codes(&self) -> Option<Vec<&[u32]>> {
        let find = |field: &Field| self.fields.iter().find(|coded| coded.field == *field).map(|coded| coded.codes.as_slice());
        self.wanted.iter().map(find).collect()
    }
}

fn key(unit: u32, section: u8) -> i64 {
    (i64::from(unit) << 8) | i64::from(section)
}

impl Writer {
    fn begin(&mut self, unit: u32, section: u8) {
        self.keys.push(key(unit, section));
        self.places.push(self.body.len() as i64);
    }

    fn values(&mut self, unit: u32, coded: &Coded, rows: &Range<u32>) {
        let mut counts = vec![0_i64; coded.values.len() + 1];
        for code in &coded.codes[rows.start as usize..rows.end as usize] {
            counts[*code as usize] += 1;
        }
        self.begin(unit, coded.field as u8);
        let counted: Vec<(i64, i64)> = (0..).zip(counts).skip(1).filter(|(_, count)| *count > 0).collect();
        write_packed(&counted.iter().map(|(code, _)| *code).collect::<Vec<_>>(), &mut self.body);
        write_packed(&counted.iter().map(|(_, count)| *count).collect::<Vec<_>>(), &mut self.body);
    }

    fn cube(&mut self, unit: u32, section: u8, dimensions: &Dimensions<'_>, rows: &Range<u32>, most: usize) {
        let Some(codes) = dimensions.codes() else { return };
        let mut cells: HashMap<(Option<i64>, [u32; 6]), i64> = HashMap::new();
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
        cells.sort_unstable();
        self.begin(unit, section);
        for place in 0..codes.len() {
            write_packed(&cells.iter().map(|((_, cell), _)| i64::from(cell[place])).collect::<Vec<_>>(), &mut self.body);
        }
        if dimensions.hours.is_some() {
            write_packed(&cells.iter().map(|((hour, _), _)| hour.unwrap_or_default()).collect::<Vec<_>>(), &mut self.body);
        }
        write_packed(&cells.iter().map(|(_, count)| *count).collect::<Vec<_>>(), &mut self.body);
    }

    fn finish(self) -> Vec<u8> {
        // Units come in their order, and within one the sections do, but for the fields' own order.
        let mut order: Vec<usize> = (0..self.keys.len()).collect();
        order.sort_unstable_by_key(|place| self.keys[*place]);
        let mut bytes = Vec::with_capacity(self.body.len() + 64);
        write_packed(&order.iter().map(|place| self.keys[*place]).collect::<Vec<_>>(), &mut bytes);
        write_packed(&order.iter().map(|place| self.places[*place]).collect::<Vec<_>>(), &mut bytes);
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// A summary in a mapped file.
#[derive(Debug)]
pub struct Summary {
    keys: Packed,
    places: Packed,
    body: OwnedBytes,
}

/// How many rows have each value, by code.
#[derive(Debug)]
pub struct ValueCounts {
    codes: Packed,
    counts: Packed,
}

/// How many rows have each combination.
#[derive(Debug)]
pub struct Cube {
    dimensions: Vec<Packed>,
    hours: Option<Packed>,
    counts: Packed,
}

fn damaged() -> Error {
    Error::corrupt("the summary in the index is damaged; `annals check --rebuild-index` makes it anew")
}

impl Summary {
    pub(super) fn open(file: &FileSlice) -> Result<Self> {
        if file.len() == 0 {
            return Err(damaged());
        }
        let bytes = file.read_bytes().map_err(|cause| damaged().because(cause))?;
        let (keys, rest) = Packed::split(bytes)?;
        let (places, body) = Packed::split(rest)?;
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
        let start = usize::try_from(self.places.get(place)).ok().filter(|start| *start <= self.body.len())?;
        Some(self.body.slice(start..self.body.len()))
    }

    /// How many rows of a unit have each value of a field; `None` if it is not summarized.
    ///
    /// # Errors
    /// A summary that is damaged.
    pub fn values(&self, unit: u32, field: Field) -> Result<Option<ValueCounts>> {
        let Some(section) = self.section(unit, field as u8) else { return Ok(None) };
        let (codes, rest) = Packed::split(section)?;
        let (counts, _) = Packed::split(rest)?;
        if codes.len() != counts.len() {
            return Err(damaged());
        }
        Ok(Some(ValueCounts { codes, counts }))
    }

    /// The combinations of [`KINDS`] in a unit.
    ///
    /// # Errors
    /// A summary that is damaged.
    pub fn kinds(&self, unit: u32) -> Result<Option<Cube>> {
        self.cube(unit, KINDS_SECTION, KINDS.len(), false)
    }

    /// The combinations of [`HOURS`] in a unit by hour.
    ///
    /// # Errors
    /// A summary that is damaged.
    pub fn hours(&self, unit: u32) -> Result<Option<Cube>> {
        self.cube(unit, HOURS_SECTION, HOURS.len(), true)
    }

    fn cube(&self, unit: u32, section: u8, dimensions: usize, hourly: bool) -> Result<Option<Cube>> {
        let Some(mut rest) = self.section(unit, section) else { return Ok(None) };
        let mut lists = Vec::with_capacity(dimensions + 2);
        for _ in 0..dimensions + 1 + usize::from(hourly) {
            let (list, after) = Packed::split(rest)?;
            lists.push(list);
            rest = after;
        }
        if lists.iter().any(|list| list.len() != lists[0].len()) {
            return Err(damaged());
        }
        let counts = lists.pop().ok_or_else(damaged)?;
        let hours = if hourly { lists.pop() } else { None };
        Ok(Some(Cube { dimensions: lists, hours, counts }))
    }
}

impl ValueCounts {
    /// Each value's code and how many rows have it, in the order of codes.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u64)> {
        (0..self.codes.len()).map(|place| (self.codes.get(place) as u32, self.counts.get(place) as u64))
    }
}

impl Cube {
    /// How many combinations there are.
    pub fn cells(&self) -> u32 {
        self.counts.len()
    }

    /// The code that a combination has in the dimension of this place.
    #[inline]
    pub fn code(&self, cell: u32, dimension: usize) -> u32 {
        self.dimensions[dimension].get(cell) as u32
    }

    /// When the hour of a combination begins, in milliseconds.
    pub fn hour(&self, cell: u32) -> Option<i64> {
        self.hours.as_ref().map(|hours| hours.get(cell).saturating_mul(HOUR_MS))
    }

    /// How many rows have a combination.
    #[inline]
    pub fn count(&self, cell: u32) -> u64 {
        self.counts.get(cell) as u64
    }
}
