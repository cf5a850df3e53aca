//! The rows of a segment that match, and reading their events.

use crate::decode;
use crate::error::{Error, Result};
use crate::event::{Event, FIELDS, Field};
use crate::storage::segment::Segment;
use std::ops::Range;

/// Rows that match, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::query) enum Rows {
    /// All rows of a range.
    Range(Range<u32>),
    /// These rows.
    List(Vec<u32>),
}

impl Rows {
    pub(in crate::query) fn len(&self) -> usize {
        match self {
            Self::Range(range) => range.len(),
            Self::List(rows) => rows.len(),
        }
    }

    /// Returns the row at an index, which must be below [`Rows::len`].
    pub(in crate::query) fn at(&self, position: usize) -> u32 {
        match self {
            Self::Range(range) => range.start + position as u32,
            Self::List(rows) => rows[position],
        }
    }

    /// Returns how many of the rows come before this one.
    pub(in crate::query) fn position_of(&self, row: u32) -> usize {
        match self {
            Self::Range(range) => (row.clamp(range.start, range.end) - range.start) as usize,
            Self::List(rows) => rows.partition_point(|other| *other < row),
        }
    }

    /// Calls `take` with every row.
    pub(in crate::query) fn each(&self, take: impl FnMut(u32)) {
        match self {
            Self::Range(range) => range.clone().for_each(take),
            Self::List(rows) => rows.iter().copied().for_each(take),
        }
    }

    pub(in crate::query) fn into_vec(self) -> Vec<u32> {
        match self {
            Self::Range(range) => range.collect(),
            Self::List(rows) => rows,
        }
    }
}

/// From this many rows of a segment, events are read by column if the record is not needed: for
/// fewer rows, setting up the readers costs more than decoding the records.
pub(in crate::query) const COLUMNS_ROWS: usize = 256;

/// The fields that a list page reads of a segment whose index does not provide them: the record,
/// and what the record does not contain.
const FROM_RECORD: &[Field] = &[
    Field::Tenant,
    Field::Seq,
    Field::Time,
    Field::IngestTime,
    Field::TimeSuspect,
    Field::Format,
    Field::Original,
];

/// Reads the events in these rows, which ascend.
///
/// A page decodes the record again instead of reading two dozen columns: that is one small page of
/// one column instead of a dictionary for each column. It is only valid while the decoders are
/// those that filled the columns; a segment written by other decoders answers from its columns, so
/// that what is shown is what was filtered.
pub(in crate::query) fn events(segment: &Segment, rows: &[u32]) -> Result<Vec<Event>> {
    let has_placed = segment.manifest().decoders == decode::PLACED_VERSION;
    if !has_placed && segment.manifest().decoders != decode::VERSION {
        return events_from_columns(segment, rows);
    }
    if !has_placed && let Some(events) = events_from_index(segment, rows, &mut 0)? {
        return Ok(events);
    }
    let mut events = Vec::with_capacity(rows.len());
    // The record does not say which ids stand beside it.
    let more = if has_placed { &[Field::RelatedIds][..] } else { &[] };
    for columns in segment.read(rows, &[FROM_RECORD, more].concat(), &mut 0)? {
        for row in 0..columns.rows() {
            let mut stored = columns.event(row);
            let format = stored.text(Field::Format).and_then(decode::Format::from_name);
            let mut event = decode_again(&stored.original, format, &stored.tenant)?;
            event.tenant = stored.tenant;
            event.seq = stored.seq;
            event.time = stored.time;
            event.ingest_time = stored.ingest_time;
            event.time_suspect = stored.time_suspect;
            if has_placed {
                event.related_ids = std::mem::take(&mut stored.related_ids);
            }
            events.push(event);
        }
    }
    Ok(events)
}

fn decode_again(record: &str, format: Option<decode::Format>, tenant: &str) -> Result<Event> {
    decode::decode(record, format).map_err(|error| {
        Error::corrupt(format!("a stored record of {tenant} no longer decodes: {error}"))
    })
}

/// Reads the same events with nothing but the records from the data file: the index and the
/// manifest provide the rest. Returns `None` if they do not.
pub(in crate::query) fn events_from_index(
    segment: &Segment,
    rows: &[u32],
    bytes: &mut u64,
) -> Result<Option<Vec<Event>>> {
    let (Some(index), data) = (segment.sound_index()?, segment.data()?) else { return Ok(None) };
    let (Some(formats), Some(suspects), Some(mut records)) =
        (index.codes(Field::Format)?, index.codes(Field::TimeSuspect)?, data.records(rows.len())?)
    else {
        return Ok(None);
    };
    let mut names = Vec::new();
    index.each_value(Field::Format, |name, _| names.push(decode::Format::from_name(name)))?;
    let mut flags = Vec::new();
    index.each_value(Field::TimeSuspect, |flag, _| flags.push(flag == "true"))?;
    let tenants = &segment.manifest().tenants;
    let mut events = Vec::with_capacity(rows.len());
    for row in rows {
        let position = tenants.partition_point(|tenant| tenant.first <= *row).saturating_sub(1);
        let tenant = tenants.get(position).filter(|tenant| tenant.range().contains(row));
        let tenant = tenant.ok_or_else(|| {
            Error::corrupt(format!("row {row} of {} is of no tenant", segment.manifest().id))
        })?;
        let format = (formats.get(*row) as usize)
            .checked_sub(1)
            .and_then(|code| names.get(code).copied().flatten());
        let suspect = (suspects.get(*row) as usize)
            .checked_sub(1)
            .and_then(|code| flags.get(code).copied())
            .unwrap_or_default();
        let key = index.key(*row);
        let ingest_time = index.ingest_time(key.seq)?;
        let mut event = decode_again(records.record(*row)?, format, &tenant.tenant)?;
        event.tenant = tenant.tenant.clone();
        (event.seq, event.time) = (key.seq, key.time);
        event.ingest_time = ingest_time;
        event.time_suspect = suspect;
        events.push(event);
    }
    *bytes += records.bytes_read();
    Ok(Some(events))
}

/// Reads the events in these rows from their columns.
fn events_from_columns(segment: &Segment, rows: &[u32]) -> Result<Vec<Event>> {
    let fields: Vec<Field> = FIELDS.iter().map(|def| def.field).collect();
    let batches = segment.read(rows, &fields, &mut 0)?;
    Ok(batches
        .iter()
        .flat_map(|columns| (0..columns.rows()).map(|row| columns.event(row)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Timestamp, row_order};
    use crate::generate::{Generator, Plan};
    use crate::storage::segment::{SegmentOptions, write_segment};
    use crate::storage::{PutMode, Store, paths};

    #[test]
    fn a_decoded_record_shows_what_the_columns_hold() {
        let mut generator =
            Generator::new(&Plan { events: 2_000, tenants: 3, days: 1, ..Plan::default() });
        let (mut written, mut record) = (Vec::new(), String::new());
        while generator.next_record(&mut record) {
            let mut event = decode::decode(&record, None).expect("generated records decode");
            event.tenant = generator.tenant().into();
            event.accept(
                written.len() as u64 + 1,
                Timestamp::parse("2026-07-01T00:00:00Z").expect("a time"),
            );
            written.push(event);
            record.clear();
        }
        written.sort_by(row_order);
        let folder = tempfile::tempdir().expect("a temporary directory");
        let store = Store::new(folder.path()).expect("a store");
        let rows: Vec<u32> = (0..2_000).step_by(3).collect();
        let expected: Vec<Event> = rows.iter().map(|row| written[*row as usize].clone()).collect();
        // Decoders of another version must not be used: the columns are read instead.
        for decoders in [decode::VERSION, decode::VERSION + 1] {
            let files =
                write_segment("01ROWS", "2026-03-02", SegmentOptions::of(decoders), &written)
                    .expect("a segment");
            store
                .put(&paths::data("2026-03-02", "01ROWS"), &files.data, PutMode::Replace)
                .expect("the data file");
            store
                .put(&paths::index("01ROWS"), &files.index, PutMode::Replace)
                .expect("the index file");
            let segment = Segment::new(&store, files.manifest);
            assert_eq!(events(&segment, &rows).expect("events"), expected);
            assert_eq!(
                events_from_index(&segment, &rows, &mut 0).expect("events").as_ref(),
                Some(&expected)
            );
            assert_eq!(events_from_columns(&segment, &rows).expect("events"), expected);
        }
    }
}
