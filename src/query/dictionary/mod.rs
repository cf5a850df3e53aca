//! The values of fields, numbered alike in all segments, and where each of them is.

pub(super) mod value_locations;
pub(super) mod vocabulary;
