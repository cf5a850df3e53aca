//! The values of fields: their numbers, which are the same in all segments, and their locations.

pub(super) mod value_locations;
pub(super) mod vocabulary;
