//! Questions and their answers.
//!
//! Every question is a scope, a filter and a shape (list, count, facets, histogram). The scope and
//! the filter's period cut the table down to runs: the rows of one tenant in one segment. Each run
//! answers with the numbers of its rows that match, by lookup or by scan, whichever [`plan`]
//! chooses; shapes are made of those rows.
//!
//! **Invariant:** lookup, scan and [`Filter::matches`] agree on every event.

mod answers;
mod budget;
mod dictionary;
mod explain;
pub mod filter;
mod reader;
pub mod rows;
mod snapshot;
mod source;
mod threads;

pub use answers::batch::EventBatch;
pub use answers::combinations::Combination;
pub use answers::cursor::{Binding, PageCursor, SortOrder};
pub use answers::facets::{Facet, FacetValue};
pub use answers::group_by::By;
pub(crate) use answers::group_by::facet_field;
pub use answers::histogram::{BUCKETS_MAX, Bucket, Histogram, HistogramQuery};
pub use answers::interval::{Interval, parse_time_zone};
pub use answers::list::{EventPage, PAGE_ROWS_MAX, PageQuery};
pub use answers::stats::{AmountGroup, Sum};
pub use answers::stream::StreamQuery;
pub use budget::{Limits, QueryBudget, StopOnDrop};
pub use dictionary::vocabulary::Vocabulary;
pub use explain::{Explain, ExplainedRun, describe};
pub use filter::Filter;
use reader::Run;
pub use reader::SnapshotReader;
pub(crate) use reader::VerifyWork;
pub use rows::scan::Scanner;
pub use snapshot::Snapshot;
pub use threads::Threads;

#[cfg(test)]
mod tests;
