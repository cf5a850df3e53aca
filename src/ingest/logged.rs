//! The payload of a batch in the write-ahead log: for each event its tenant, its format and its
//! record.
//!
//! Reading the log decodes the events from their records again: the record is the truth, here as in
//! a segment. A payload starts with a line of JSON (when the batch was accepted, the requests it
//! answers, and up to where sources are read with it). Then follow, for each event, the length of
//! the tenant's name (one byte), the name, the format's number (one byte), the length of the record
//! (four bytes) and the record. The
//! records of a large batch are in a file beside the log (see [`Beside`]), which the line of JSON
//! then names.

use super::beside::Beside;
use super::log_record::{LogPart, encode_event, part};
use crate::decode::decode;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::{Event, Timestamp};
use crate::storage::wal::Frame;
use crate::storage::{Store, paths};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::borrow::{Borrow, Cow};

/// A request that carried an `Idempotency-Key`, and the answer it received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedRequest {
    /// The tenant that owns the key, and the key.
    pub key: String,
    /// The SHA-256 of the decoded body, in hexadecimal.
    pub body: String,
    /// When it was answered, in milliseconds since the epoch.
    pub at: i64,
    /// The number of the last event accepted by then.
    pub seq: u64,
    /// The answer.
    pub answer: serde_json::Value,
}

/// Up to where something is read that is fetched from elsewhere. It moves in the same append as the
/// events that it covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedCursor {
    /// What is read: the name of a source, a slash, and which of its lists.
    pub name: String,
    /// Up to where, as whoever reads it says; null if it is no longer read.
    pub value: serde_json::Value,
}

#[derive(Serialize, Deserialize)]
struct LoggedHead<'a> {
    at: i64,
    #[serde(default, skip_serializing_if = "<[LoggedRequest]>::is_empty")]
    requests: Cow<'a, [LoggedRequest]>,
    #[serde(default, skip_serializing_if = "<[LoggedCursor]>::is_empty")]
    cursors: Cow<'a, [LoggedCursor]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    beside: Option<Reference<'a>>,
}

/// A file beside the log, as a frame refers to it.
#[derive(Serialize, Deserialize)]
struct Reference<'a> {
    file: Cow<'a, str>,
    bytes: u64,
    crc32c: u32,
    events: u32,
    /// The indexes of events in the file that were known already and do not belong to the batch.
    #[serde(default, skip_serializing_if = "<[u32]>::is_empty")]
    passed: Cow<'a, [u32]>,
}

/// The content of a frame of the log.
#[derive(Debug)]
pub struct LoggedBatch<'a> {
    /// When the batch was accepted.
    pub at: Timestamp,
    /// The requests it answers.
    pub requests: &'a [LoggedRequest],
    /// The cursors that move with it.
    pub cursors: &'a [LoggedCursor],
    /// The file that holds its records, and the indexes in it of events that were known already.
    pub beside: Option<(&'a Beside, &'a [u32])>,
}

impl LoggedBatch<'_> {
    /// Encodes the payload of the frame, including the records unless they are in a file beside the
    /// log.
    pub fn encode<E: Borrow<Event>>(&self, events: &[E]) -> Vec<u8> {
        let beside = self.beside.map(|(beside, passed)| Reference {
            file: beside.name.as_str().into(),
            bytes: beside.bytes,
            crc32c: beside.crc32c,
            events: beside.events,
            passed: passed.into(),
        });
        let is_beside = beside.is_some();
        let head = LoggedHead {
            at: self.at.millis(),
            requests: self.requests.into(),
            cursors: self.cursors.into(),
            beside,
        };
        let mut payload = serde_json::to_vec(&head).unwrap_or_default();
        payload.push(b'\n');
        if !is_beside {
            payload.reserve(
                events
                    .iter()
                    .map(|event| event.borrow().original.len() + event.borrow().tenant.len() + 8)
                    .sum(),
            );
            events.iter().for_each(|event| encode_event(event.borrow(), &mut payload));
        }
        payload
    }
}

/// A frame decoded back into its batch.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Its events.
    pub events: Vec<Event>,
    /// The requests it answers.
    pub requests: Vec<LoggedRequest>,
    /// The cursors that moved with it.
    pub cursors: Vec<LoggedCursor>,
    /// The name of the file that holds its records, if they are beside the log.
    pub beside: Option<String>,
}

/// Decodes a frame. `store` holds the files beside the log.
///
/// # Errors
/// A payload that [`LoggedBatch::encode`] could not have written, although its checksum is right; a
/// file beside the log that is missing or damaged.
pub fn decode_logged(frame: &Frame, store: &Store) -> Result<Decoded> {
    let broken = || format!("the log's batch of event {} cannot be read", frame.first_seq);
    let line = memchr::memchr(b'\n', &frame.payload).ok_or_else(|| Error::corrupt(broken()))?;
    let head: LoggedHead<'_> =
        serde_json::from_slice(&frame.payload[..line]).context(ErrorKind::Corrupt, broken)?;
    let beside = head.beside.as_ref().map(|beside| read_beside(beside, store)).transpose()?;
    let mut rest = beside.as_deref().unwrap_or(&frame.payload[line + 1..]);
    let mut parts = Vec::with_capacity(frame.events as usize);
    while !rest.is_empty() {
        parts.push(part(&mut rest).ok_or_else(|| Error::corrupt(broken()))?);
    }
    if let Some(beside) = &head.beside {
        let mut passed = beside.passed.iter().copied().peekable();
        let mut position = 0_u32;
        parts.retain(|_| {
            let known = passed.next_if_eq(&position).is_some();
            position += 1;
            !known
        });
    }
    if parts.len() != frame.events as usize {
        return Err(Error::corrupt(broken()));
    }
    let now = Timestamp::from_millis(head.at);
    let event = |(index, part): (usize, LogPart<'_>)| {
        let mut event = decode(part.record, Some(part.format))
            .map_err(|error| Error::corrupt(broken()).because(error))?;
        event.tenant = part.tenant.into();
        part.placed.iter().for_each(|placed| event.place(placed));
        event.accept(frame.first_seq + index as u64, now);
        Ok(event)
    };
    let events =
        parts.into_par_iter().with_min_len(256).enumerate().map(event).collect::<Result<_>>()?;
    Ok(Decoded {
        events,
        requests: head.requests.into_owned(),
        cursors: head.cursors.into_owned(),
        beside: head.beside.map(|beside| beside.file.into_owned()),
    })
}

/// Reads a file beside the log, whose bytes must match the length and checksum in the frame.
fn read_beside(beside: &Reference<'_>, store: &Store) -> Result<Vec<u8>> {
    let path = paths::beside(&beside.file);
    let advice = "its events were acknowledged; restore the file from a copy";
    let bytes = match store.read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Error::corrupt(format!(
                "{} is missing: {advice}",
                store.path(&path).display()
            )));
        }
        read => read?,
    };
    if bytes.len() as u64 != beside.bytes || crc32c::crc32c(&bytes) != beside.crc32c {
        return Err(Error::corrupt(format!(
            "{} is damaged: {advice}",
            store.path(&path).display()
        )));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::{Generator, Plan};

    fn request() -> LoggedRequest {
        LoggedRequest {
            key: "k".into(),
            body: "b".into(),
            at: 5,
            seq: 9,
            answer: serde_json::json!({ "accepted": 1 }),
        }
    }

    fn accepted(now: Timestamp) -> Vec<Event> {
        let mut generator =
            Generator::new(&Plan { events: 500, tenants: 3, days: 2, ..Plan::default() });
        let (mut events, mut record) = (Vec::new(), String::new());
        while generator.next_record(&mut record) {
            let mut event = decode(&record, None).expect("generated records decode");
            event.tenant = generator.tenant().into();
            // Absurd times are filed under the ingest time again.
            if events.len() % 50 == 0 {
                event = decode(&record.replace("\"time\":1", "\"time\":9"), None)
                    .expect("still a record");
                event.tenant = generator.tenant().into();
            }
            if events.len() % 7 == 0 {
                event.place("reseller:ir1\ncustomer:c7");
            }
            event.accept(events.len() as u64 + 8, now);
            events.push(event);
            record.clear();
        }
        events
    }

    #[test]
    fn accepted_events_come_back_as_they_were() {
        let now = Timestamp::parse("2026-07-01T00:00:00Z").expect("a time");
        let events = accepted(now);
        let request = request();
        let folder = tempfile::tempdir().expect("a temporary directory");
        let store = Store::new(folder.path()).expect("a store");
        let requests = std::slice::from_ref(&request);
        let cursor = LoggedCursor { name: "cloud/traces".into(), value: serde_json::json!(7) };
        let cursors = std::slice::from_ref(&cursor);
        let payload = LoggedBatch { at: now, requests, cursors, beside: None }.encode(&events);
        let frame = Frame { first_seq: 8, events: 500, batch: 1, payload };
        let decoded = decode_logged(&frame, &store).expect("a payload");
        assert_eq!(
            (&decoded.events, decoded.requests.as_slice(), decoded.beside),
            (&events, requests, None)
        );
        assert_eq!(decoded.cursors, cursors);
        for cut in [0, 5, frame.payload.len() / 2, frame.payload.len() - 1] {
            let frame = Frame { payload: frame.payload[..cut].to_vec(), ..frame.clone() };
            assert_eq!(decode_logged(&frame, &store).expect_err("cut").kind(), ErrorKind::Corrupt);
        }
        let payload =
            LoggedBatch { at: now, requests: &[], cursors: &[], beside: None }.encode::<Event>(&[]);
        assert_eq!(
            decode_logged(&Frame { first_seq: 1, events: 0, batch: 0, payload }, &store)
                .expect("nothing")
                .events,
            []
        );

        // Beside the log, without those that were known already.
        let mut beside = Beside::write(&store, now, &events).expect("a file");
        let named: Option<(&Beside, &[u32])> = Some((&beside, &[0, 7, 499]));
        let payload = LoggedBatch { at: now, requests: &[], cursors: &[], beside: named }
            .encode::<Event>(&[]);
        assert!(payload.len() < 300, "the records are not in the log");
        let frame = Frame { first_seq: 8, events: 497, batch: 1, payload };
        let decoded = decode_logged(&frame, &store).expect("a payload");
        let expected = events
            .iter()
            .enumerate()
            .filter(|(index, _)| ![0, 7, 499].contains(index))
            .map(|(_, event)| &event.original);
        assert!(decoded.events.iter().map(|event| &event.original).eq(expected));
        assert_eq!(
            decoded.events.iter().map(|event| event.seq).collect::<Vec<_>>(),
            (8..505).collect::<Vec<_>>()
        );

        // A file that was changed or is gone is named; one that nothing refers to goes.
        let path = store.path(&paths::beside(decoded.beside.as_deref().expect("a name")));
        let whole = std::fs::read(&path).expect("the file");
        std::fs::write(&path, &whole[..whole.len() - 1]).expect("written");
        assert_eq!(decode_logged(&frame, &store).expect_err("cut").kind(), ErrorKind::Corrupt);
        std::fs::write(&path, whole).expect("written");
        beside.keep();
        drop(beside);
        assert!(path.exists(), "the log refers to it");
        Beside::remove_others(&store, &std::collections::HashSet::new()).expect("removed");
        assert_eq!(decode_logged(&frame, &store).expect_err("gone").kind(), ErrorKind::Corrupt);
    }
}
