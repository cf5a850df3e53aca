//! Which rows match: pruned by the manifest, looked up in the index, or scanned; and the events in
//! them.

pub(super) mod events;
pub(super) mod lookup;
pub mod plan;
pub(super) mod scan;
