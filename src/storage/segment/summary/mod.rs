//! The summary of a segment: counts that are computed when the segment is written, so that
//! dashboards over whole tenants cost the same however many events there are.
//!
//! A unit is the rows of one tenant, or all rows of the segment. For each unit that is large
//! enough, the summary holds:
//!
//! * for every field with few values, how many rows have each value;
//! * the *kinds* cube: how many rows have each combination of [`KINDS`], if there are few
//!   combinations relative to the rows;
//! * the *hours* cube: the same for [`HOURS`] and every hour (UTC), under the same condition;
//! * the *sums*: the totals of the amounts for each combination of [`SUMS`], once without and once
//!   with the last of these fields (which may have many values), each if there are few combinations
//!   and the totals fit into 64 bits.
//!
//! A segment covers one day, so the kinds cube has a granularity of a day. A tenant with few events
//! a day has no cube: counting its rows is just as fast. Everything is computed from the columns of
//! codes and can be rebuilt with the index.
//!
//! ```text
//! keys: unit and section, ascending, packed │ offset of each section, packed
//! │ sections: lists of numbers, packed
//! ```
//! A unit is named by its first row; the unit of all rows by the number of rows.

mod format;
mod reader;
mod writer;

#[cfg(test)]
mod tests;

pub use format::{HOUR_MS, HOURS, KINDS, SUMS};
pub use reader::{AmountTotal, Cube, SegmentSummary, Sums};
pub use writer::SummaryRule;
pub(super) use writer::{Summarizing, write_summary};
