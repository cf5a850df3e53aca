//! Events by trace id. An id may occur any number of times (only the pair of id and time is
//! unique), so no more events are built than were asked for.

use crate::access::Scope;
use crate::error::Result;
use crate::event::{Event, EventKey, Field, Timestamp};
use crate::filter::Filter;
use crate::query::answers::walk::{Hit, ListWalk};
use crate::query::rows::events::Rows;
use crate::query::{Run, SnapshotReader, SortOrder};
use std::collections::BinaryHeap;

impl<'a> SnapshotReader<'a> {
    /// Returns the newest `most` events with a trace id, newest first.
    ///
    /// # Errors
    /// A segment that cannot be read.
    pub fn get(&self, scope: &Scope, trace_id: &str, most: usize) -> Result<Vec<Event>> {
        let (runs, hits) = self.hits_of_id(scope, trace_id, SortOrder::Descending, most)?;
        let mut events = self.fetch(&runs, &hits)?;
        events.iter_mut().for_each(|event| scope.mask(event));
        Ok(events)
    }

    /// Returns the position in the list of the oldest event with a trace id.
    ///
    /// # Errors
    /// A segment that cannot be read.
    pub fn oldest(&self, scope: &Scope, trace_id: &str) -> Result<Option<EventKey>> {
        let (_, hits) = self.hits_of_id(scope, trace_id, SortOrder::Ascending, 1)?;
        // In ascending order, the rank of an event is its key.
        let key = |hit: &Hit| EventKey {
            time: Timestamp::from_millis((hit.rank >> 64) as i64),
            seq: hit.rank as u64,
        };
        Ok(hits.first().map(key))
    }

    /// Finds the first `most` rows with a trace id in this order.
    fn hits_of_id(
        &self,
        scope: &Scope,
        trace_id: &str,
        order: SortOrder,
        most: usize,
    ) -> Result<(Vec<Run<'a>>, Vec<Hit>)> {
        let filter = Filter::default().and_equal(Field::TraceId, trace_id);
        let filter = &scope.narrow(&filter)?;
        let walk = ListWalk { order, after: None };
        let runs = self.wide_runs(filter);
        let mut best: BinaryHeap<Hit> = BinaryHeap::new();
        let find = |run: &Run<'a>, rows: Rows| {
            if rows.len() == 0 {
                return Ok(Vec::new());
            }
            let keys = run.source.keys()?;
            let run = runs.iter().position(|other| std::ptr::eq(run, other)).unwrap_or_default();
            let mut hits = Vec::with_capacity(rows.len());
            rows.each(|row| hits.push(Hit { rank: walk.rank(keys.key(row)), run, row }));
            hits.sort_unstable();
            hits.truncate(most);
            Ok(hits)
        };
        self.each_run(&runs, filter, find, |hits| {
            for hit in hits {
                best.push(hit);
                if best.len() > most {
                    best.pop();
                }
            }
            Ok(())
        })?;
        Ok((runs, best.into_sorted_vec()))
    }
}
