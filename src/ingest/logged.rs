//! A batch as the write-ahead log holds it: who the records belong to, in which format they are, and the records.
//!
//! Events are decoded from their records again when the log is read: the record is the truth, here as in a segment. A
//! payload is a line of JSON (when it was accepted, and the requests it answers), then for each event the length of the
//! tenant's name (one byte), the name, the format's number (one byte), the length of the record (four bytes), the record.

use crate::decode::{Format, decode};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::{Event, Field, Timestamp};
use crate::storage::wal::Frame;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;

/// A request that named itself by an `Idempotency-Key`, and what it was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedRequest {
    /// Whose key it is, and the key.
    pub key: String,
    /// The SHA-256 of the decoded body, in hexadecimal.
    pub body: String,
    /// When it was answered, in milliseconds.
    pub at: i64,
    /// The number of the last event that was accepted then.
    pub seq: u64,
    /// The answer.
    pub answer: serde_json::Value,
}

#[derive(Serialize, Deserialize)]
struct Head {
    at: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    requests: Vec<LoggedRequest>,
}

/// The payload of a batch that was accepted at `now`.
pub fn encode_logged<E: Borrow<Event>>(now: Timestamp, requests: &[LoggedRequest], events: &[E]) -> Vec<u8> {
    let head = Head { at: now.millis(), requests: requests.to_vec() };
    let mut payload = serde_json::to_vec(&head).unwrap_or_default();
    let bytes: usize = events.iter().map(|event| event.borrow().original.len() + event.borrow().tenant.len() + 6).sum();
    payload.reserve(bytes + 1);
    payload.push(b'\n');
    for event in events.iter().map(Borrow::borrow) {
        let format = event.text(Field::Format).and_then(Format::from_name);
        let format = format.and_then(|format| Format::ALL.iter().position(|known| *known == format)).unwrap_or_default();
        // Names of tenants are shorter than 256 bytes, records shorter than 4 GiB.
        payload.push(event.tenant.len() as u8);
        payload.extend_from_slice(event.tenant.as_bytes());
        payload.push(format as u8 + 1);
        payload.extend_from_slice(&(event.original.len() as u32).to_le_bytes());
        payload.extend_from_slice(event.original.as_bytes());
    }
    payload
}

/// The events of a frame as they were accepted, and the requests it answers.
///
/// # Errors
/// A payload that is not what [`encode_logged`] makes, though its checksum is right.
pub fn decode_logged(frame: &Frame) -> Result<(Vec<Event>, Vec<LoggedRequest>)> {
    let broken = || format!("the log's batch of event {} cannot be read", frame.first_seq);
    let line = memchr::memchr(b'\n', &frame.payload).ok_or_else(|| Error::corrupt(broken()))?;
    let (head, mut rest) = (&frame.payload[..line], &frame.payload[line + 1..]);
    let head: Head = serde_json::from_slice(head).context(ErrorKind::Corrupt, broken)?;
    let mut parts = Vec::with_capacity(frame.events as usize);
    while !rest.is_empty() {
        parts.push(part(&mut rest).ok_or_else(|| Error::corrupt(broken()))?);
    }
    if parts.len() != frame.events as usize {
        return Err(Error::corrupt(broken()));
    }
    let now = Timestamp::from_millis(head.at);
    let event = |(place, (tenant, format, record)): (usize, (&str, Format, &str))| {
        let mut event = decode(record, Some(format)).map_err(|error| Error::corrupt(broken()).because(error))?;
        event.tenant = tenant.into();
        event.accept(frame.first_seq + place as u64, now);
        Ok(event)
    };
    let events = parts.into_par_iter().with_min_len(256).enumerate().map(event).collect::<Result<_>>()?;
    Ok((events, head.requests))
}

fn part<'a>(rest: &mut &'a [u8]) -> Option<(&'a str, Format, &'a str)> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::{Generator, Plan};

    #[test]
    fn accepted_events_come_back_as_they_were() {
        let mut generator = Generator::new(&Plan { events: 500, tenants: 3, days: 2, ..Plan::default() });
        let now = Timestamp::parse("2026-07-01T00:00:00Z").expect("a time");
        let (mut events, mut record) = (Vec::new(), String::new());
        while generator.next_record(&mut record) {
            let mut event = decode(&record, None).expect("generated records decode");
            event.tenant = generator.tenant().into();
            // Absurd times are filed under the ingest time again.
            if events.len() % 50 == 0 {
                event = decode(&record.replace("\"time\":1", "\"time\":9"), None).expect("still a record");
                event.tenant = generator.tenant().into();
            }
            event.accept(events.len() as u64 + 8, now);
            events.push(event);
            record.clear();
        }
        let request = LoggedRequest { key: "k".into(), body: "b".into(), at: 5, seq: 9, answer: serde_json::json!({ "accepted": 1 }) };
        let payload = encode_logged(now, std::slice::from_ref(&request), &events);
        let frame = Frame { first_seq: 8, events: 500, batch: 1, payload };
        assert_eq!(decode_logged(&frame).expect("a payload"), (events, vec![request]));
        for cut in [0, 5, frame.payload.len() / 2, frame.payload.len() - 1] {
            let frame = Frame { payload: frame.payload[..cut].to_vec(), ..frame.clone() };
            assert_eq!(decode_logged(&frame).expect_err("cut").kind(), ErrorKind::Corrupt);
        }
        let none = encode_logged::<Event>(now, &[], &[]);
        assert_eq!(decode_logged(&Frame { first_seq: 1, events: 0, batch: 0, payload: none }).expect("nothing").0, []);
    }
}
