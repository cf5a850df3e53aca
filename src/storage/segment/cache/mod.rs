//! What stays open or unpacked of all segments, within one budget.

pub(super) mod open_parts;
pub(super) mod pages;
pub(super) mod scratch;
