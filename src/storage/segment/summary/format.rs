//! The sections of a summary, and how they are named.

use crate::event::Field;

/// The dimensions of the kinds cube.
pub const KINDS: &[Field] = &[
    Field::EventType,
    Field::Source,
    Field::ResourceType,
    Field::EventName,
    Field::Level,
    Field::TraceType,
];

/// The dimensions of the hours cube.
pub const HOURS: &[Field] = &[Field::EventType, Field::Source, Field::Level];

/// The dimensions of the sums.
pub const SUMS: &[Field] =
    &[Field::Format, Field::Source, Field::EventName, Field::Currency, Field::Operator];

/// Milliseconds in an hour.
pub const HOUR_MS: i64 = 3_600_000;

pub(super) const KINDS_SECTION: u8 = 200;

pub(super) const HOURS_SECTION: u8 = 201;

/// The sums without the last dimension.
pub(super) const SUMS_SECTION: u8 = 202;

pub(super) const ALL_SUMS_SECTION: u8 = 203;

/// Returns the key of a section of a unit.
pub(super) fn key(unit: u32, section: u8) -> i64 {
    (i64::from(unit) << 8) | i64::from(section)
}
