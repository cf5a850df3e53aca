//! Walks through lists: a direction, where it begins, and the ranks by which the rows of many runs
//! are put in one order.

use crate::event::{EventKey, Timestamp};
use crate::query::Run;
use crate::query::answers::cursor::SortOrder;

/// A row that may be on the page: its rank, the index of its run, and its row number. Smaller ranks
/// come first in the direction of the walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::query) struct Hit {
    /// Its position in the list, from [`ListWalk::rank`].
    pub(in crate::query) rank: i128,
    /// The index of its run.
    pub(in crate::query) run: usize,
    /// Its row in the segment.
    pub(in crate::query) row: u32,
}

/// A direction through the list and the position where it starts.
#[derive(Debug, Clone, Copy)]
pub(in crate::query) struct ListWalk {
    pub(in crate::query) order: SortOrder,
    /// Only events after this one, in the direction of the walk.
    pub(in crate::query) after: Option<EventKey>,
}

/// Returns the key at which a list that starts at a moment begins: before every event of that
/// moment.
pub(in crate::query) fn start_at(moment: Timestamp, order: SortOrder) -> EventKey {
    match order {
        SortOrder::Descending => EventKey { time: moment, seq: u64::MAX },
        SortOrder::Ascending => EventKey { time: moment, seq: 0 },
    }
}

/// Returns the indexes of the hits in the order in which they are read: run by run, and by row
/// within a run.
pub(in crate::query) fn in_rows_order(hits: &[Hit]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..hits.len()).collect();
    order.sort_unstable_by_key(|index| (hits[*index].run, hits[*index].row));
    order
}

impl ListWalk {
    /// Returns a number that ascends in the direction of the walk.
    pub(in crate::query) fn rank(self, key: EventKey) -> i128 {
        let rank = (i128::from(key.time.millis()) << 64) | i128::from(key.seq);
        match self.order {
            SortOrder::Descending => -rank,
            SortOrder::Ascending => rank,
        }
    }

    /// Returns a key before every event that the run can have.
    pub(in crate::query) fn first_time(self, run: &Run<'_>) -> EventKey {
        match self.order {
            SortOrder::Descending => EventKey { time: run.tenant.newest(), seq: u64::MAX },
            SortOrder::Ascending => EventKey { time: run.tenant.oldest(), seq: 0 },
        }
    }

    /// Returns whether the run can have an event that the walk reaches.
    pub(in crate::query) fn reaches(self, run: &Run<'_>) -> bool {
        self.after.is_none_or(|after| match self.order {
            SortOrder::Descending => run.tenant.oldest() <= after.time,
            SortOrder::Ascending => run.tenant.newest() >= after.time,
        })
    }
}
