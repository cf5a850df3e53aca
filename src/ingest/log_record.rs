//! The encoding of an event in the write-ahead log and in the files beside it: the length of the
//! tenant's name (one byte), the name, the format's number (one byte), the length of the record
//! (four bytes, little-endian) and the record.
//!
//! If the highest bit of the format's number is set, the length (two bytes) and the text of what
//! stands beside the record follow it.

use crate::decode::Format;
use crate::event::{Event, Field};

/// Set in the number of a format: something stands beside the record.
const PLACED: u8 = 0x80;
/// The longest text beside a record.
const PLACED_BYTES_MAX: usize = u16::MAX as usize;

/// An event as it stands in the log.
pub(super) struct LogPart<'a> {
    pub(super) tenant: &'a str,
    pub(super) format: Format,
    pub(super) record: &'a str,
    /// What stands beside the record.
    pub(super) placed: Option<&'a str>,
}

/// Appends an event in the encoding of the log and of the files beside it.
pub(super) fn encode_event(event: &Event, out: &mut Vec<u8>) {
    let format = event.text(Field::Format).and_then(Format::from_name);
    let format = format
        .and_then(|format| Format::ALL.iter().position(|known| *known == format))
        .unwrap_or_default();
    // Names of tenants are shorter than 256 bytes, records shorter than 4 GiB.
    out.push(event.tenant.len() as u8);
    out.extend_from_slice(event.tenant.as_bytes());
    let placed = event.placed.as_deref().filter(|placed| placed.len() <= PLACED_BYTES_MAX);
    let number = format as u8 + 1;
    out.push(if placed.is_some() { number | PLACED } else { number });
    if let Some(placed) = placed {
        out.extend_from_slice(&(placed.len() as u16).to_le_bytes());
        out.extend_from_slice(placed.as_bytes());
    }
    out.extend_from_slice(&(event.original.len() as u32).to_le_bytes());
    out.extend_from_slice(event.original.as_bytes());
}

/// Takes an event off the front.
pub(super) fn part<'a>(rest: &mut &'a [u8]) -> Option<LogPart<'a>> {
    let mut take = |length: usize| {
        let (taken, left) = rest.split_at_checked(length)?;
        *rest = left;
        Some(taken)
    };
    let tenant = take(1)?[0] as usize;
    let tenant = std::str::from_utf8(take(tenant)?).ok()?;
    let number = take(1)?[0];
    let format = *Format::ALL.get(usize::from(number & !PLACED).checked_sub(1)?)?;
    let placed = if number & PLACED == 0 {
        None
    } else {
        let length = u16::from_le_bytes(take(2)?.try_into().ok()?);
        Some(std::str::from_utf8(take(usize::from(length))?).ok()?)
    };
    let length = u32::from_le_bytes(take(4)?.try_into().ok()?) as usize;
    Some(LogPart { tenant, format, record: std::str::from_utf8(take(length)?).ok()?, placed })
}
