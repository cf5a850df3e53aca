//! Finding the rows that match (pruned by the manifest, looked up in the index, or scanned) and
//! reading their events.

pub(super) mod events;
pub(super) mod lookup;
pub mod plan;
pub(super) mod scan;
