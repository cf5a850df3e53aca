//! Rows of a segment that are in the answer, and the events in them.

use crate::decode;
use crate::error::{Error, Result};
use crate::event::{Event, FIELDS, Field};
use crate::storage::segment::Segment;
use std::ops::Range;

/// Rows that match, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rows {
    /// All rows of a range.
    Range(Range<u32>),
    /// These.
    List(Vec<u32>),
}

impl Rows {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Range(range) => range.len(),
            Self::List(rows) => rows.len(),
        }
    }

    pub(super) fn into_vec(self) -> Vec<u32> {
        match self {
            Self::Range(range) => range.collect(),
            Self::List(rows) => rows,
        }
    }
}

/// What a list page reads: the record, and what the record does not tell.
const FROM_RECORD: &[Field] =
    &[Field::Tenant, Field::Seq, Field::Time, Field::IngestTime, Field::TimeSuspect, Field::Format, Field::Original];

/// The events in these rows, in ascending order of rows.
///
/// A page decodes the record again instead of reading two dozen columns: one small page of one column against a
/// dictionary of each. That holds only while the decoders are those that filled the columns; a segment from other
/// decoders answers from its columns, so that what is shown is what is filtered.
pub(super) fn events(segment: &Segment, rows: &[u32]) -> Result<Vec<Event>> {
    if segment.manifest().decoders != decode::VERSION {
        return events_from_columns(segment, rows);
    }
    let mut events = Vec::with_capacity(rows.len());
    for columns in segment.read(rows, FROM_RECORD, &mut 0)? {
        for row in 0..columns.rows() {
            let stored = columns.event(row);
            let format = stored.text(Field::Format).and_then(decode::Format::from_name);
            let decoded = decode::decode(&stored.original, format);
            let mut event =
                decoded.map_err(|error| Error::corrupt(format!("a stored record of {} no longer decodes: {error}", stored.tenant)))?;
            event.tenant = stored.tenant;
            event.seq = stored.seq;
            event.time = stored.time;
            event.ingest_time = stored.ingest_time;
            event.time_suspect = stored.time_suspect;
            events.push(event);
        }
    }
    Ok(events)
}

/// The events in these rows, from all their columns.
pub(super) fn events_from_columns(segment: &Segment, rows: &[u32]) -> Result<Vec<Event>> {
    let fields: Vec<Field> = FIELDS.iter().map(|def| def.field).collect();
    let batches = segment.read(rows, &fields, &mut 0)?;
    Ok(batches.iter().flat_map(|columns| (0..columns.rows()).map(|row| columns.event(row))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Timestamp, row_order};
    use crate::generate::{Generator, Plan};
    use crate::storage::segment::write_segment;
    use crate::storage::{PutMode, Store, paths};

    #[test]
    fn a_decoded_record_shows_what_the_columns_hold() {
        let mut generator = Generator::new(&Plan { events: 2_000, tenants: 3, days: 1, ..Plan::default() });
        let (mut written, mut record) = (Vec::new(), String::new());
        while generator.next_record(&mut record) {
            let mut event = decode::decode(&record, None).expect("generated records decode");
            event.tenant = generator.tenant().into();
            event.accept(written.len() as u64 + 1, Timestamp::parse("2026-07-01T00:00:00Z").expect("a time"));
            written.push(event);
            record.clear();
        }
        written.sort_by(row_order);
        let folder = tempfile::tempdir().expect("a temporary directory");
        let store = Store::new(folder.path()).expect("a store");
        let rows: Vec<u32> = (0..2_000).step_by(3).collect();
        let expected: Vec<Event> = rows.iter().map(|row| written[*row as usize].clone()).collect();
        // Decoders of another version must not be asked: the columns are.
        for decoders in [decode::VERSION, decode::VERSION + 1] {
            let files = write_segment("01ROWS", "2026-03-02", decoders, &written).expect("a segment");
            store.put(&paths::data("2026-03-02", "01ROWS"), &files.data, PutMode::Replace).expect("the data file");
            let segment = Segment::new(&store, files.manifest);
            assert_eq!(events(&segment, &rows).expect("events"), expected);
            assert_eq!(events_from_columns(&segment, &rows).expect("events"), expected);
        }
    }
}
