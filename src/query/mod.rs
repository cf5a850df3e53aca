//! Questions and their answers.
//!
//! # What flows where
//!
//! A question consists of a scope (which tenants), a [`Filter`] (clauses that must all hold, and a
//! period) and the kind of answer: a count, a list, a stream, facets, a histogram, stats or
//! combinations. It is answered from one [`Snapshot`] (the segments of one version of the table,
//! and the events that are buffered and not in a segment yet), so that nothing that arrives or is
//! merged meanwhile can change the answer halfway.
//!
//! ```text
//! scope + filter ─► runs ─┬─► summary ─────────────────────────────────────► counts, sums ─┐
//!                         └─► prune │ lookup │ scan │ buffer ─► row numbers ─► answers ────┴─► sum
//! ```
//!
//! 1. The [`SnapshotReader`] splits the question into **runs**: the rows of one tenant in one
//!    segment, or in one part of the buffer. The manifests alone exclude the runs that have no
//!    event in the period. Rows of a tenant descend in time, so the period is a range of its rows,
//!    and its ends are found by binary search.
//! 2. If the period covers all rows of a run, counts and sums may come from the **summary** of the
//!    segment (`answers/from_summary.rs`) and no row is read. The ragged ends of a period are
//!    counted row by row, so totals are exact.
//! 3. Otherwise a run answers with the ascending numbers of its rows that match. `rows/plan.rs`
//!    chooses the path from a few numbers that the index knows: **pruned** if the value of some
//!    condition does not occur, **lookup** (`rows/lookup`) if posting lists, codes and tables of
//!    ids leave few rows to verify, **scan** (`rows/scan.rs`) over the columns if they do not.
//!    Events in the buffer are tested one by one.
//! 4. `answers` turns row numbers into the answer: it reads records for lists and streams, and
//!    counts codes for facets, histograms and sums. Results of runs are added up as they come.
//!
//! # Terms
//!
//! * **Code**: the ordinal of a row's value in the dictionary of its segment, for fields with few
//!   values. `dictionary` gives every value a number that is the same in all segments, so that
//!   counts are added up as numbers and only values that are shown become text.
//! * **Candidate**: a row that the index cannot exclude. It is verified against its columns or its
//!   record, unless the index is certain. A clause that needs this is called **residual**.
//! * **Rank**: the position of an event in the order of a list, by time and sequence number. Pages
//!   begin after an event, not at an offset, and so stay correct while events arrive.
//! * **Light** and **heavy**: a [`QueryBudget`] measures the work of every question; one that
//!   exceeds the light limit moves to separate threads with a lower priority, or ends.
//!
//! # Invariants
//!
//! * Lookup, scan, summary and [`Filter::matches`] agree on every event: how a question is
//!   answered never changes the answer.
//! * An answer is never silently short: a segment that cannot be read is an error. A damaged index
//!   is not one, because the Parquet file is scanned instead.

mod answers;
mod budget;
mod dictionary;
mod explain;
mod reader;
pub mod rows;
mod run;
mod snapshot;
mod source;
mod threads;

pub use crate::filter::Filter;
pub use answers::batch::EventBatch;
pub use answers::combinations::Combination;
pub use answers::cursor::{Binding, PageCursor, SortOrder};
pub use answers::facets::{Facet, FacetValue};
pub use answers::group_by::GroupBy;
pub(crate) use answers::group_by::facet_field;
pub use answers::histogram::{BUCKETS_MAX, Histogram, HistogramQuery};
pub use answers::interval::{Bucket, Interval, parse_time_zone};
pub use answers::list::{EventPage, PAGE_ROWS_MAX, PageQuery};
pub use answers::stats::{AmountGroup, Sum};
pub use answers::stream::StreamQuery;
pub(crate) use budget::VerifyWork;
pub use budget::{Limits, QueryBudget, StopOnDrop};
pub use dictionary::vocabulary::Vocabulary;
pub use explain::{Explain, ExplainedRun};
pub use reader::SnapshotReader;
pub use rows::scan::Scanner;
use run::Run;

pub use snapshot::Snapshot;
pub use threads::Threads;

#[cfg(test)]
mod tests;
