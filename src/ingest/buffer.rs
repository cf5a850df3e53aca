//! Accepted events that are not in a segment yet, in a segment's row order, so that queries treat
//! both alike.

use crate::event::{Event, EventKey, Timestamp, row_order};
use crate::storage::segment::{TenantRows, tenant_rows};
use std::ops::Range;
use std::sync::Arc;

/// A part of the buffer: sorted, immutable, cheap to merge.
#[derive(Debug)]
pub struct Buffered {
    rows: Vec<Arc<Event>>,
    tenants: Vec<TenantRows>,
    bytes: usize,
}

/// The row order of a large batch, computed before its events are numbered, because the code that
/// publishes them has no time to sort.
#[derive(Debug)]
pub struct RowPlan {
    /// The indexes of the events in the batch, in row order.
    order: Vec<u32>,
    tenants: Vec<TenantRows>,
    bytes: usize,
}

impl RowPlan {
    /// Plans the order of these events, which will be numbered in their present order.
    pub fn of(events: &[Arc<Event>]) -> Self {
        let mut order: Vec<u32> = (0..events.len() as u32).collect();
        // Among equal times, the event numbered last comes first.
        order.sort_unstable_by(|left, right| {
            row_order(&events[*left as usize], &events[*right as usize])
                .then_with(|| right.cmp(left))
        });
        let rows: Vec<&Event> =
            order.iter().map(|index| events[*index as usize].as_ref()).collect();
        Self {
            tenants: tenant_rows(&rows),
            bytes: rows.iter().map(|event| event.original.len()).sum(),
            order,
        }
    }
}

impl Buffered {
    /// Builds a part from events that have been numbered, in the planned order. Their times must
    /// not have changed since.
    pub fn planned(events: &[Arc<Event>], plan: RowPlan) -> Self {
        let rows = plan.order.iter().map(|index| Arc::clone(&events[*index as usize])).collect();
        Self { rows, tenants: plan.tenants, bytes: plan.bytes }
    }

    /// Builds a part from these events.
    pub fn new(mut rows: Vec<Arc<Event>>) -> Self {
        rows.sort_unstable_by(|left, right| row_order(left, right));
        Self::sorted(rows)
    }

    fn sorted(rows: Vec<Arc<Event>>) -> Self {
        let bytes = rows.iter().map(|event| event.original.len()).sum();
        Self { tenants: tenant_rows(&rows), rows, bytes }
    }

    /// Merges two parts into one.
    #[must_use]
    pub fn merge(&self, other: &Self) -> Self {
        let mut rows = Vec::with_capacity(self.rows.len() + other.rows.len());
        let (mut left, mut right) = (self.rows.as_slice(), other.rows.as_slice());
        while let (Some(first), Some(second)) = (left.first(), right.first()) {
            if row_order(first, second).is_le() {
                rows.push(Arc::clone(first));
                left = &left[1..];
            } else {
                rows.push(Arc::clone(second));
                right = &right[1..];
            }
        }
        rows.extend(left.iter().chain(right).map(Arc::clone));
        Self::sorted(rows)
    }

    /// Returns the events, in row order.
    pub fn rows(&self) -> &[Arc<Event>] {
        &self.rows
    }

    /// Returns the bytes of the events' records.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the row range of each tenant, in name order.
    pub fn tenants(&self) -> &[TenantRows] {
        &self.tenants
    }

    /// Returns the row range of a tenant.
    pub fn tenant(&self, tenant: &str) -> Option<&TenantRows> {
        let index = self.tenants.binary_search_by(|rows| rows.tenant.as_ref().cmp(tenant)).ok()?;
        self.tenants.get(index)
    }

    /// Returns the event in a row.
    pub fn event(&self, row: u32) -> &Event {
        &self.rows[row as usize]
    }

    /// Returns the key by which the event in a row sorts in its tenant's list.
    pub fn key(&self, row: u32) -> EventKey {
        self.event(row).key()
    }

    /// Returns the time of a row.
    pub fn time(&self, row: u32) -> Timestamp {
        self.event(row).time
    }

    /// Returns the first row of `range` (rows of one tenant) that sorts after `key`, or at it if
    /// `key` itself is included.
    pub fn seek(&self, range: &Range<u32>, key: EventKey, inclusive: bool) -> u32 {
        let rows = &self.rows[range.start as usize..range.end as usize];
        let before = |event: &Arc<Event>| event.key() > key || (!inclusive && event.key() == key);
        range.start + rows.partition_point(before) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(events: &[(&str, i64, u64)]) -> Buffered {
        let event = |(tenant, time, seq): &(&str, i64, u64)| {
            let mut event = Event::default();
            event.tenant = (*tenant).into();
            event.time = Timestamp::from_millis(*time);
            event.seq = *seq;
            event.original = "{}".into();
            Arc::new(event)
        };
        Buffered::new(events.iter().map(event).collect())
    }

    fn shown(part: &Buffered) -> Vec<(String, i64, u64)> {
        part.rows()
            .iter()
            .map(|event| (event.tenant.to_string(), event.time.millis(), event.seq))
            .collect()
    }

    #[test]
    fn merged_parts_are_in_the_order_of_one() {
        let (left, right) = (
            [("a", 5, 1), ("b", 9, 2), ("a", 5, 3)],
            [("a", 7, 4), ("c", 1, 5), ("a", 5, 6), ("b", 9, 7)],
        );
        let merged = part(&left).merge(&part(&right));
        assert_eq!(shown(&merged), shown(&part(&[&left[..], &right[..]].concat())));
        assert_eq!(merged.bytes(), 14);
        let tenant = merged.tenant("a").expect("a tenant");
        assert_eq!((tenant.range(), tenant.newest, tenant.oldest), (0..4, 7, 5));
        assert!(merged.tenant("aa").is_none());
    }

    #[test]
    fn a_part_that_was_planned_is_the_same_as_one_that_is_sorted() {
        let batch = [("b", 5, 0), ("a", 5, 0), ("a", 9, 0), ("a", 5, 0), ("c", 1, 0), ("a", 5, 0)];
        let mut events: Vec<Arc<Event>> =
            batch.iter().map(|row| Arc::clone(&part(&[*row]).rows[0])).collect();
        let plan = RowPlan::of(&events);
        for (seq, event) in (7..).zip(&mut events) {
            Arc::get_mut(event).expect("nobody else has it").seq = seq;
        }
        let (planned, sorted) = (Buffered::planned(&events, plan), Buffered::new(events));
        assert_eq!(shown(&planned), shown(&sorted));
        assert_eq!((planned.tenants(), planned.bytes()), (sorted.tenants(), sorted.bytes()));
    }

    #[test]
    fn a_place_is_found_as_in_a_segment() {
        let part = part(&[("a", 9, 9), ("a", 5, 8), ("a", 5, 3), ("a", 1, 1)]);
        let key = |time, seq| EventKey { time: Timestamp::from_millis(time), seq };
        for (index, inclusive, expected) in [
            (key(9, 9), true, 0),
            (key(9, 9), false, 1),
            (key(5, 5), false, 2),
            (key(5, 0), false, 3),
            (key(0, 0), true, 4),
            (key(10, 0), true, 0),
        ] {
            assert_eq!(part.seek(&(0..4), index, inclusive), expected, "{index:?} {inclusive}");
        }
    }
}
