//! The answers that are built from the matching rows: lists, streams, counts, histograms and sums.

pub(super) mod batch;
pub(super) mod by_id;
pub(super) mod combinations;
pub(super) mod cursor;
pub(super) mod facets;
pub(super) mod from_summary;
pub(super) mod group_by;
pub(super) mod histogram;
pub(super) mod interval;
pub(super) mod list;
pub(super) mod stats;
pub(super) mod stream;
pub(super) mod top_k;
pub(super) mod walk;
