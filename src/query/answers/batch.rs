//! Events as a stream delivers them: whole, or only the requested columns. An event consists of
//! thirty separate strings; an export of a dozen columns would spend most of its time allocating
//! and freeing them.

use crate::event::{Columns, Event, Field, Value};
use std::borrow::Cow;

/// A batch of events, in the order of the list.
#[derive(Debug, Default)]
pub struct EventBatch {
    parts: Vec<BatchPart>,
    /// For each event, the part that holds it and its row there.
    indexes: Vec<(u32, u32)>,
}

#[derive(Debug)]
enum BatchPart {
    Events(Vec<Event>),
    Columns(Columns),
}

impl BatchPart {
    fn rows(&self) -> usize {
        match self {
            Self::Events(events) => events.len(),
            Self::Columns(columns) => columns.rows(),
        }
    }
}

impl From<Vec<Event>> for EventBatch {
    fn from(events: Vec<Event>) -> Self {
        let indexes = (0..events.len() as u32).map(|row| (0, row)).collect();
        Self { parts: vec![BatchPart::Events(events)], indexes }
    }
}

impl EventBatch {
    /// Creates a batch of this many events that are not there yet.
    pub(in crate::query) fn of(rows: usize) -> Self {
        Self { parts: Vec::new(), indexes: vec![(u32::MAX, 0); rows] }
    }

    /// Adds events; `places` are their positions in the order of the list. Returns how many there
    /// were.
    pub(in crate::query) fn add_events(
        &mut self,
        events: Vec<Event>,
        indexes: &mut impl Iterator<Item = usize>,
    ) -> usize {
        self.add(BatchPart::Events(events), indexes)
    }

    /// Adds rows of columns; `places` are their positions in the order of the list. Returns how
    /// many there were.
    pub(in crate::query) fn add_columns(
        &mut self,
        columns: Columns,
        indexes: &mut impl Iterator<Item = usize>,
    ) -> usize {
        self.add(BatchPart::Columns(columns), indexes)
    }

    fn add(&mut self, part: BatchPart, indexes: &mut impl Iterator<Item = usize>) -> usize {
        let (number, rows) = (self.parts.len() as u32, part.rows());
        for (row, index) in (0..rows as u32).zip(indexes) {
            self.indexes[index] = (number, row);
        }
        self.parts.push(part);
        rows
    }

    /// Returns the number of events.
    pub fn rows(&self) -> usize {
        self.indexes.len()
    }

    /// Returns the value of a requested field of the event at a position.
    pub fn value(&self, index: usize, field: Field) -> Value<'_> {
        let (part, row) = self.indexes[index];
        match &self.parts[part as usize] {
            BatchPart::Events(events) => events[row as usize].value(field),
            BatchPart::Columns(columns) => columns.value(field, row as usize),
        }
    }

    /// Returns the events with the requested fields.
    pub fn events(&self) -> Vec<Cow<'_, Event>> {
        let event = |(part, row): &(u32, u32)| match &self.parts[*part as usize] {
            BatchPart::Events(events) => Cow::Borrowed(&events[*row as usize]),
            BatchPart::Columns(columns) => Cow::Owned(columns.event(*row as usize)),
        };
        self.indexes.iter().map(event).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::FIELDS;

    #[test]
    fn events_and_rows_of_columns_are_in_the_order_of_the_list() {
        let event = |seq: u64| {
            let mut event = Event::default();
            event.seq = seq;
            event.set(Field::Source, format!("S{seq}"));
            event.relate("quota", format!("q{seq}"));
            event
        };
        let fields: Vec<Field> = FIELDS.iter().map(|def| def.field).collect();
        let mut batch = EventBatch::of(5);
        assert_eq!(batch.add_events(vec![event(3), event(0)], &mut [3, 0].into_iter()), 2);
        let mut indexes = [1, 4, 2].into_iter();
        for seqs in [vec![1], vec![4, 2]] {
            let events: Vec<Event> = seqs.into_iter().map(event).collect();
            batch.add_columns(Columns::of_events(&events, &fields).expect("columns"), &mut indexes);
        }
        let expected: Vec<Event> = (0..5).map(event).collect();
        assert_eq!(batch.events().into_iter().map(Cow::into_owned).collect::<Vec<_>>(), expected);
        for (index, event) in expected.iter().enumerate() {
            for field in &fields {
                assert_eq!(batch.value(index, *field), event.value(*field), "{field}");
            }
        }
        assert_eq!(EventBatch::from(expected.clone()).events().len(), batch.rows());
    }
}
