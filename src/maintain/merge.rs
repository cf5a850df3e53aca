//! Several segments of one date as one: the same events, which is proved before anything is replaced.

use super::cut::Piece;
use crate::error::{Error, Result};
use crate::event::{Columns, Event, FIELDS, Field, Value, row_order};
use crate::storage::segment::{Form, Segment, SegmentFiles, SummaryRule, write_segment};
use rayon::prelude::*;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

/// Makes one segment of a piece of several; `None` if the piece has no events. They must be of one date and of the same decoders.
///
/// # Errors
/// A segment that cannot be read.
pub fn merge(id: &str, segments: &[Arc<Segment>], piece: &Piece, summary: SummaryRule) -> Result<Option<(SegmentFiles, Fingerprint)>> {
    let first = segments.first().ok_or_else(|| Error::internal("nothing to merge"))?.manifest();
    let read = |segment: &Arc<Segment>| {
        let rows = piece.rows_of(segment)?;
        let events = events_in(segment, rows.clone())?;
        if events.len() != rows.len() {
            return Err(Error::corrupt(format!("{} rows were read of {}", events.len(), rows.len())));
        }
        Ok(events)
    };
    let parts: Vec<Vec<Event>> = segments.par_iter().map(read).collect::<Result<_>>()?;
    let mut events: Vec<Event> = parts.into_iter().flatten().collect();
    if events.is_empty() {
        return Ok(None);
    }
    let fingerprint = Fingerprint::of(&events);
    events.par_sort_unstable_by(row_order);
    let files = write_segment(id, &first.date, Form { decoders: first.decoders, summary }, &events)?;
    Ok(Some((files, fingerprint)))
}

/// What a set of events is known by, whatever their order: how many, and the sum of the hashes of all their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    rows: u64,
    sum: u128,
}

impl Fingerprint {
    /// The fingerprint of events.
    pub fn of(events: &[Event]) -> Self {
        let sum = events.par_iter().map(hash).reduce(|| 0, u128::wrapping_add);
        Self { rows: events.len() as u64, sum }
    }

    /// How many events.
    pub fn rows(self) -> u64 {
        self.rows
    }

    /// The fingerprint of what a segment's file holds.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn of_segment(segment: &Segment) -> Result<Self> {
        Ok(Self::of(&events_of(segment)?))
    }
}

/// Every event of a segment, from its columns.
///
/// # Errors
/// A file that cannot be read.
pub fn events_of(segment: &Segment) -> Result<Vec<Event>> {
    events_in(segment, 0..segment.manifest().rows)
}

fn events_in(segment: &Segment, rows: Range<u32>) -> Result<Vec<Event>> {
    let fields: Vec<Field> = FIELDS.iter().map(|def| def.field).collect();
    let batches = segment.read_range(rows, &fields, &mut 0)?;
    Ok(batches.iter().flat_map(|columns: &Columns| (0..columns.rows()).map(|row| columns.event(row))).collect())
}

fn hash(event: &Event) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        for def in FIELDS {
            match event.value(def.field) {
                Value::Absent => 0_u8.hash(&mut hasher),
                Value::Text(text) => (1_u8, text).hash(&mut hasher),
                Value::Bool(flag) => (2_u8, flag).hash(&mut hasher),
                Value::Time(time) => (3_u8, time.millis()).hash(&mut hasher),
                Value::Integer(number) => (4_u8, number).hash(&mut hasher),
                Value::Decimal(amount) => (5_u8, amount.units()).hash(&mut hasher),
                Value::List(items) => (6_u8, items).hash(&mut hasher),
            }
        }
        u128::from(hasher.finish())
    };
    (half(1) << 64) | half(2)
}
