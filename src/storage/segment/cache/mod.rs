//! What stays open or unpacked of all segments, within one bound.

pub(super) mod open_parts;
pub(super) mod pages;
