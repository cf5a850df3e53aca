//! Numbers for the values of fields that are the same in all segments: counts of different segments
//! are added up as numbers, and only the values that are shown become text.
//!
//! The codes of a segment are ordinals in its own dictionary. Which number of the vocabulary each
//! code stands for is determined when a question first uses the field in that segment, and then
//! kept. So are the segments in which each value occurs: a question for a value looks into one
//! table instead of into a dictionary in every segment.

use crate::error::Result;
use crate::event::{FIELDS, Field, FieldDef, FilterOperator, Value, parse_address};
use crate::filter::Test;
use crate::query::answers::group_by::GroupBy;
use crate::query::budget::GroupMemory;
use crate::query::dictionary::value_locations::{VALUES_MAX, ValueLocations};
use crate::query::source::RowSource;
use crate::storage::segment::{Codes, IndexReader, Segment};
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Memory that a text takes in a table, besides its bytes.
pub(in crate::query) const TEXT_OVERHEAD: usize = 64;
/// Maximum number of bytes of texts in the vocabulary of a field; segments with values beyond that
/// count by text.
const TEXT_BYTES_MAX: usize = 128 << 20;
/// Maximum number of value numbers that are kept for the segments of a field (four bytes each);
/// when there are more, all are dropped.
const NUMBERS_MAX: usize = 32 << 20;

/// The values of all fields.
#[derive(Debug)]
pub struct Vocabulary {
    fields: Vec<RwLock<FieldValues>>,
    /// What the last questions tested values for, the latest first.
    asked: Mutex<VecDeque<TestedValues>>,
}

/// The number of tests whose outcomes are kept: those of a question with two phrases.
const TESTS_KEPT: usize = 8;

/// Which values pass a test.
#[derive(Debug)]
struct TestedValues {
    field: Field,
    test: Test,
    /// By the number of the value.
    verdicts: Arc<Vec<bool>>,
}

/// The codes of a segment whose values pass a test.
#[derive(Debug, Clone)]
pub(in crate::query) struct TestedCodes {
    numbers: Arc<[u32]>,
    verdicts: Arc<Vec<bool>>,
}

impl TestedCodes {
    #[inline]
    pub(in crate::query) fn has(&self, code: u32) -> bool {
        code > 0 && self.verdicts[self.numbers[code as usize - 1] as usize]
    }
}

impl Default for Vocabulary {
    fn default() -> Self {
        let values = |def: &FieldDef| {
            RwLock::new(FieldValues {
                addressed: def.operators.contains(&FilterOperator::Cidr),
                ..FieldValues::default()
            })
        };
        Self { fields: FIELDS.iter().map(values).collect(), asked: Mutex::default() }
    }
}

/// The values of one field.
#[derive(Debug, Default)]
struct FieldValues {
    numbers: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
    bytes: usize,
    /// Whether networks are asked for; if so, the address of each text is kept as well.
    addressed: bool,
    addresses: Vec<Option<IpAddr>>,
    /// By the serial number of the segment: the numbers of its values, in the order of their codes
    /// from 1.
    segments: HashMap<u32, Arc<[u32]>>,
    remembered: usize,
    locations: ValueLocations,
}

impl FieldValues {
    fn number(&mut self, text: &str) -> Option<u32> {
        if let Some(number) = self.numbers.get(text) {
            return Some(*number);
        }
        let bytes = self.bytes + text.len() + TEXT_OVERHEAD;
        if bytes > TEXT_BYTES_MAX {
            return None;
        }
        let text: Arc<str> = text.into();
        let number = self.texts.len() as u32;
        self.bytes = bytes;
        if self.addressed {
            self.addresses.push(parse_address(&text));
        }
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, number);
        Some(number)
    }

    fn remember(&mut self, segment: u32, numbers: &Arc<[u32]>) {
        if self.remembered + numbers.len() > NUMBERS_MAX {
            self.segments.clear();
            self.remembered = 0;
        }
        self.remembered += numbers.len();
        self.segments.insert(segment, Arc::clone(numbers));
    }

    /// Extends the outcomes of a test by those of the values that were added since.
    fn extend_verdicts(&self, test: &Test, verdicts: &mut Vec<bool>) {
        let new = verdicts.len()..self.texts.len();
        let Test::Address(texts, networks) = test else {
            verdicts.extend(self.texts[new].iter().map(|text| test.holds(Value::Text(text))));
            return;
        };
        // Addresses were parsed before.
        let inside = |address: &Option<IpAddr>| {
            address.is_some_and(|address| networks.iter().any(|network| network.contains(&address)))
        };
        verdicts.extend(self.addresses[new].iter().map(inside));
        for number in texts.iter().filter_map(|text| self.numbers.get(text.as_str())) {
            verdicts[*number as usize] = true;
        }
    }

    /// Returns what is known about a value in a segment.
    fn verdict(&self, segment: u32, text: &str) -> ValueVerdict {
        if !self.locations.knows(segment) {
            return ValueVerdict::Unknown;
        }
        let found = self.numbers.get(text).and_then(|number| self.locations.find(segment, *number));
        found.map_or(ValueVerdict::Nowhere, |(code, rows)| ValueVerdict::At { code, rows })
    }
}

/// What is known about a value in a segment.
enum ValueVerdict {
    /// The segment must be asked.
    Unknown,
    /// No row has it.
    Nowhere,
    /// It has this code there, and so many rows have it.
    At { code: u32, rows: u32 },
}

/// The codes of a field in a segment, and the number that each stands for.
#[derive(Debug)]
pub(in crate::query) struct SegmentCodes {
    pub(in crate::query) codes: Codes,
    /// By code, from 1.
    pub(in crate::query) numbers: Arc<[u32]>,
}

impl Vocabulary {
    /// Returns what a source needs to count by a field without texts; `None` if it cannot.
    pub(in crate::query) fn coded(
        &self,
        source: RowSource<'_>,
        field: Field,
    ) -> Result<Option<SegmentCodes>> {
        let RowSource::Segment(segment) = source else { return Ok(None) };
        let Some(index) = segment.sound_index()? else { return Ok(None) };
        let Some(codes) = index.codes(field)?.cloned() else { return Ok(None) };
        Ok(self.numbers(segment, field)?.map(|numbers| SegmentCodes { codes, numbers }))
    }

    fn numbers(&self, segment: &Segment, field: Field) -> Result<Option<Arc<[u32]>>> {
        let values = &self.fields[field as usize];
        if let Some(numbers) = values
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .segments
            .get(segment.serial().as_ref())
        {
            return Ok(Some(Arc::clone(numbers)));
        }
        let Some(index) = segment.sound_index()? else { return Ok(None) };
        let mut values = values.write().unwrap_or_else(PoisonError::into_inner);
        let (mut numbers, mut all_rows, mut full) = (Vec::new(), Vec::new(), false);
        index.each_value(field, |text, rows| {
            match values.number(text).filter(|_| !full) {
                Some(number) => numbers.push(number),
                None => full = true,
            }
            all_rows.push(rows);
        })?;
        if full {
            return Ok(None);
        }
        let numbers: Arc<[u32]> = numbers.into();
        values.remember(**segment.serial(), &numbers);
        values.locations.add(segment.serial(), &numbers, &all_rows);
        Ok(Some(numbers))
    }

    /// Returns the code of a value in a segment and the number of rows that have it, if any has.
    pub(in crate::query) fn code_of(
        &self,
        segment: &Segment,
        index: &IndexReader,
        field: Field,
        value: &str,
    ) -> Result<Option<(u32, u32)>> {
        let verdict = || {
            self.fields[field as usize]
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .verdict(**segment.serial(), value)
        };
        let mut known = verdict();
        // Entering a segment of few values in the table once is cheaper than asking it each time.
        if matches!(known, ValueVerdict::Unknown)
            && index.values(field)? <= VALUES_MAX
            && self.numbers(segment, field)?.is_some()
        {
            known = verdict();
        }
        match known {
            ValueVerdict::Unknown => index.code_of(field, value),
            ValueVerdict::Nowhere => Ok(None),
            ValueVerdict::At { code, rows } => Ok(Some((code, rows))),
        }
    }

    /// Returns the codes of a segment whose values pass a test; `None` if the vocabulary is full.
    pub(in crate::query) fn tested(
        &self,
        segment: &Segment,
        field: Field,
        test: &Test,
    ) -> Result<Option<TestedCodes>> {
        let Some(numbers) = self.numbers(segment, field)? else { return Ok(None) };
        let values = self.fields[field as usize].read().unwrap_or_else(PoisonError::into_inner);
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_this = |asked: &TestedValues| asked.field == field && asked.test == *test;
        let known = asked.iter().position(is_this).and_then(|index| asked.remove(index));
        let mut verdicts = known.map(|known| known.verdicts).unwrap_or_default();
        // A question asks this of every segment, and each may have added new values.
        if verdicts.len() < values.texts.len() {
            values.extend_verdicts(test, Arc::make_mut(&mut verdicts));
        }
        let tested = TestedCodes { numbers, verdicts: Arc::clone(&verdicts) };
        asked.push_front(TestedValues { field, test: test.clone(), verdicts });
        asked.truncate(TESTS_KEPT);
        Ok(Some(tested))
    }

    /// Returns the texts of numbers.
    pub(in crate::query) fn texts(
        &self,
        field: Field,
        numbers: impl Iterator<Item = u32>,
    ) -> Vec<Arc<str>> {
        let values = self.fields[field as usize].read().unwrap_or_else(PoisonError::into_inner);
        numbers.map(|number| Arc::clone(&values.texts[number as usize])).collect()
    }

    /// Returns the number of a text that occurs in some segment.
    pub(in crate::query) fn known(&self, field: Field, text: &str) -> Option<u32> {
        self.fields[field as usize]
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .numbers
            .get(text)
            .copied()
    }
}

/// Counts by the values of a field, of one source or of all.
#[derive(Debug, Default)]
pub(in crate::query) struct Counts {
    /// By number.
    pub(in crate::query) numbers: Vec<(u32, u64)>,
    /// Counts of values that have no number.
    pub(in crate::query) texts: HashMap<String, u64>,
}

/// Counts added up over all runs.
#[derive(Debug, Default)]
pub(in crate::query) struct CountTotals {
    numbers: Vec<u64>,
    texts: HashMap<String, u64>,
}

impl CountTotals {
    pub(in crate::query) fn add(
        &mut self,
        counts: Counts,
        by: &GroupBy,
        room: &mut GroupMemory,
    ) -> Result<()> {
        counts.numbers.into_iter().for_each(|(number, count)| self.add_number(number, count));
        for (text, count) in counts.texts {
            match self.texts.get_mut(&text) {
                Some(total) => *total += count,
                None => {
                    room.take(by, text.len() + TEXT_OVERHEAD)?;
                    self.texts.insert(text, count);
                }
            }
        }
        Ok(())
    }

    /// Adds a count. Numbers need no limit here: they come from a vocabulary, which has its own.
    fn add_number(&mut self, number: u32, count: u64) {
        if self.numbers.len() <= number as usize {
            self.numbers.resize(number as usize + 1, 0);
        }
        self.numbers[number as usize] += count;
    }

    /// Returns the sum of all counts.
    pub(in crate::query) fn sum(&self) -> u64 {
        self.numbers.iter().sum::<u64>() + self.texts.values().sum::<u64>()
    }

    /// Returns the `size` most frequent values, equal counts in the order of the text.
    pub(in crate::query) fn most(
        mut self,
        vocabulary: &Vocabulary,
        field: Field,
        size: usize,
    ) -> Vec<(String, u64)> {
        let mut rest: Vec<(String, u64)> = Vec::new();
        for (text, count) in std::mem::take(&mut self.texts) {
            match vocabulary.known(field, &text) {
                Some(number) => self.add_number(number, count),
                None => rest.push((text, count)),
            }
        }
        let mut counted: Vec<(u32, u64)> =
            (0..).zip(self.numbers).filter(|(_, count)| *count > 0).collect();
        if size > 0 && counted.len() > size {
            // Only values at least as frequent as the last one shown need their texts.
            let (_, (_, least), _) =
                counted.select_nth_unstable_by(size - 1, |left, right| right.1.cmp(&left.1));
            let least = *least;
            counted.retain(|(_, count)| *count >= least);
        }
        let texts = vocabulary.texts(field, counted.iter().map(|(number, _)| *number));
        rest.extend(
            texts.iter().map(ToString::to_string).zip(counted.iter().map(|(_, count)| *count)),
        );
        rest.sort_unstable_by(|left, right| {
            right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0))
        });
        rest.truncate(size);
        rest
    }
}
