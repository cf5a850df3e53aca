//! Where rows are stored: in a segment, or in the buffer of events that are not in a segment yet.
//! Questions treat both alike.

use super::budget::{VALUE_WORK, WorkMeter};
use crate::error::Result;
use crate::event::{Columns, Event, EventKey, Field, Timestamp};
use crate::ingest::Buffered;
use crate::query::rows::events::{self, Rows};
use crate::storage::segment::{RowKeys, Segment, TenantRows};
use std::ops::Range;
use std::sync::Arc;

/// A segment or a part of the buffer.
#[derive(Debug, Clone, Copy)]
pub(super) enum RowSource<'a> {
    Segment(&'a Segment),
    Buffer(&'a Buffered),
}

/// Number of buffered rows that are converted to columns at a time.
const BUFFERED_ROWS: usize = 8_192;

/// The times and sequence numbers of rows.
#[derive(Debug, Clone)]
pub(super) enum SourceKeys<'a> {
    Segment(RowKeys),
    Buffer(&'a Buffered),
}

impl<'a> RowSource<'a> {
    /// Returns the name used in explanations.
    pub(super) fn name(self) -> &'a str {
        match self {
            Self::Segment(segment) => &segment.manifest().id,
            Self::Buffer(_) => "buffer",
        }
    }

    pub(super) fn is(self, other: Self) -> bool {
        match (self, other) {
            (Self::Segment(left), Self::Segment(right)) => std::ptr::eq(left, right),
            (Self::Buffer(left), Self::Buffer(right)) => std::ptr::eq(left, right),
            _ => false,
        }
    }

    /// Returns the rows of each tenant, in the order of rows.
    pub(super) fn tenants(self) -> &'a [TenantRows] {
        match self {
            Self::Segment(segment) => &segment.manifest().tenants,
            Self::Buffer(buffered) => buffered.tenants(),
        }
    }

    pub(super) fn tenant(self, name: &str) -> Option<&'a TenantRows> {
        match self {
            Self::Segment(segment) => segment.tenant(name),
            Self::Buffer(buffered) => buffered.tenant(name),
        }
    }

    /// Calls `ask`, and calls it again without the index if that was found damaged on the way.
    pub(super) fn again<T>(self, ask: impl Fn() -> Result<T>) -> Result<T> {
        let damaged = || matches!(self, Self::Segment(segment) if segment.index_is_unusable());
        let before = damaged();
        ask().or_else(|error| if !before && damaged() { ask() } else { Err(error) })
    }

    /// Returns the number of rows.
    pub(super) fn rows(self) -> u32 {
        match self {
            Self::Segment(segment) => segment.manifest().rows,
            Self::Buffer(buffered) => buffered.rows().len() as u32,
        }
    }

    /// Returns the first row of `range` (rows of one tenant) that comes after `key` in the list,
    /// with `key` itself included or not.
    pub(super) fn seek(self, range: &Range<u32>, key: EventKey, inclusive: bool) -> Result<u32> {
        match self {
            Self::Segment(segment) => segment.seek(range, key, inclusive),
            Self::Buffer(buffered) => Ok(buffered.seek(range, key, inclusive)),
        }
    }

    pub(super) fn keys(self) -> Result<SourceKeys<'a>> {
        match self {
            Self::Segment(segment) => segment.row_keys().map(SourceKeys::Segment),
            Self::Buffer(buffered) => Ok(SourceKeys::Buffer(buffered)),
        }
    }

    /// Hands over some columns of the given rows, in batches.
    pub(super) fn each_columns(
        self,
        rows: &Rows,
        fields: &[Field],
        pace: &mut WorkMeter<'_>,
        mut take: impl FnMut(Columns) -> Result<()>,
    ) -> Result<()> {
        let mut take = |columns: Columns| {
            pace.step((columns.rows() * fields.len()) as u64 * VALUE_WORK)?;
            take(columns)
        };
        match (self, rows) {
            (_, rows) if rows.len() == 0 => Ok(()),
            (Self::Segment(segment), Rows::Range(range)) => {
                segment.visit_range(range.clone(), fields, take)
            }
            (Self::Segment(segment), Rows::List(rows)) => segment.visit(rows, fields, &mut 0, take),
            (Self::Buffer(buffered), Rows::Range(range)) => {
                let events = &buffered.rows()[range.start as usize..range.end as usize];
                events
                    .chunks(BUFFERED_ROWS)
                    .try_for_each(|events| take(Columns::of_events(events, fields)?))
            }
            (Self::Buffer(buffered), Rows::List(rows)) => {
                rows.chunks(BUFFERED_ROWS).try_for_each(|rows| {
                    let events: Vec<Arc<Event>> = rows
                        .iter()
                        .map(|row| Arc::clone(&buffered.rows()[*row as usize]))
                        .collect();
                    take(Columns::of_events(&events, fields)?)
                })
            }
        }
    }

    /// Estimates the bytes of the records of this many rows, from the average length.
    pub(super) fn record_bytes(self, rows: u32) -> u64 {
        let (all, bytes) = match self {
            Self::Segment(segment) => (segment.manifest().rows, segment.manifest().record_bytes),
            Self::Buffer(buffered) => (self.rows(), buffered.bytes() as u64),
        };
        bytes / u64::from(all.max(1)) * u64::from(rows)
    }

    /// Reads the events in these rows, which ascend.
    pub(super) fn events(self, numbers: &[u32]) -> Result<Vec<Event>> {
        match self {
            Self::Segment(segment) => self.again(|| events::events(segment, numbers)),
            Self::Buffer(buffered) => {
                Ok(numbers.iter().map(|row| buffered.event(*row).clone()).collect())
            }
        }
    }
}

impl SourceKeys<'_> {
    /// Returns the key of a row, which orders it in its tenant's list.
    pub(super) fn key(&self, row: u32) -> EventKey {
        match self {
            Self::Segment(keys) => keys.key(row),
            Self::Buffer(buffered) => buffered.key(row),
        }
    }

    /// Returns the time of a row.
    pub(super) fn time(&self, row: u32) -> Timestamp {
        match self {
            Self::Segment(keys) => keys.time(row),
            Self::Buffer(buffered) => buffered.time(row),
        }
    }
}
