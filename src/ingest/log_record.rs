//! The encoding of an event in the write-ahead log and in the files beside it: the length of the
//! tenant's name (one byte), the name, the format's number (one byte), the length of the record
//! (four bytes, little-endian) and the record.

use crate::decode::Format;
use crate::event::{Event, Field};

/// Appends an event in the encoding of the log and of the files beside it.
pub(super) fn encode_event(event: &Event, out: &mut Vec<u8>) {
    let format = event.text(Field::Format).and_then(Format::from_name);
    let format = format
        .and_then(|format| Format::ALL.iter().position(|known| *known == format))
        .unwrap_or_default();
    // Names of tenants are shorter than 256 bytes, records shorter than 4 GiB.
    out.push(event.tenant.len() as u8);
    out.extend_from_slice(event.tenant.as_bytes());
    out.push(format as u8 + 1);
    out.extend_from_slice(&(event.original.len() as u32).to_le_bytes());
    out.extend_from_slice(event.original.as_bytes());
}

/// Takes an event's tenant, format and record off the front.
pub(super) fn part<'a>(rest: &mut &'a [u8]) -> Option<(&'a str, Format, &'a str)> {
    let mut take = |length: usize| {
        let (taken, left) = rest.split_at_checked(length)?;
        *rest = left;
        Some(taken)
    };
    let tenant = take(1)?[0] as usize;
    let tenant = std::str::from_utf8(take(tenant)?).ok()?;
    let format = *Format::ALL.get((take(1)?[0] as usize).checked_sub(1)?)?;
    let length = u32::from_le_bytes(take(4)?.try_into().ok()?) as usize;
    Some((tenant, format, std::str::from_utf8(take(length)?).ok()?))
}
