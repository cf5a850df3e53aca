//! Accepting records: from decoded batches to a commit.

use super::{Engine, Writer};
use crate::decode::Format;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Timestamp};
use crate::ingest::{BATCH_BYTES, BATCH_RECORDS, Batch, Record, RecordSplitter, Rejected, TenantRule, decode_records, known_events, seal};
use crate::query::Snapshot;
use crate::storage::segment::{Segment, SegmentFiles};
use crate::storage::{NewSegment, PutMode, paths};
use rayon::prelude::*;
use serde::Serialize;
use std::io::BufRead;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// What became of the records of a request or a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Events that are durable and visible now.
    pub accepted: u64,
    /// Records that were here already.
    pub duplicates: u64,
    /// Records that could not be decoded: kept in quarantine.
    pub quarantined: Vec<Refused>,
    /// The proof of acceptance.
    pub receipt: Receipt,
}

/// A record that is in quarantine now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The line it began on.
    pub line: u64,
    /// Why.
    pub reason: String,
}

/// What was committed, and as what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The batch; with several commits the last one.
    pub batch: String,
    /// The number of the first event accepted, if any was.
    pub first_seq: Option<u64>,
    /// The number of the last event accepted, if any was.
    pub last_seq: Option<u64>,
    /// The version of the Delta table in which all are visible.
    pub table_version: u64,
}

impl Outcome {
    fn add(&mut self, more: Self) {
        self.accepted += more.accepted;
        self.duplicates += more.duplicates;
        self.quarantined.extend(more.quarantined);
        self.receipt = Receipt {
            first_seq: self.receipt.first_seq.or(more.receipt.first_seq),
            last_seq: more.receipt.last_seq.or(self.receipt.last_seq),
            ..more.receipt
        };
    }
}

impl Engine {
    /// Accepts a batch in one commit. When this returns, what it accepted is durable and visible.
    ///
    /// # Errors
    /// A disk that fails; nothing of the batch is accepted then.
    pub fn ingest(&self, batch: Batch, source: &str) -> Result<Outcome> {
        let mut writer = self.writer()?;
        if writer.in_doubt {
            let what = "a commit failed and may or may not be in the table; nothing more is taken in until a restart reads it anew";
            return Err(Error::new(ErrorKind::Unavailable, what));
        }
        let now = self.clock.now();
        let snapshot = self.snapshot();
        let known = known_events(&batch.events, &snapshot.segments, now)?;
        let duplicates = known.iter().filter(|known| **known).count() as u64;
        let mut fresh: Vec<Event> = batch.events.into_iter().zip(known).filter(|(_, known)| !known).map(|(event, _)| event).collect();
        let id = batch_id(now, writer.last_seq);
        writer.quarantine.keep(&id, source, now, &batch.rejected)?;

        let first_seq = writer.last_seq + 1;
        for (seq, event) in (first_seq..).zip(&mut fresh) {
            event.accept(seq, now);
        }
        let accepted = fresh.len() as u64;
        let table_version = if accepted == 0 { snapshot.version } else { self.commit(&mut writer, &snapshot, fresh, now)? };
        let receipt = Receipt {
            batch: id,
            first_seq: (accepted > 0).then_some(first_seq),
            last_seq: (accepted > 0).then_some(writer.last_seq),
            table_version,
        };
        Ok(Outcome { accepted, duplicates, quarantined: refused(&batch.rejected), receipt })
    }

    /// Writes the events' segments, commits them and shows them. Returns the table's new version.
    fn commit(&self, writer: &mut Writer, snapshot: &Snapshot, events: Vec<Event>, now: Timestamp) -> Result<u64> {
        let last_seq = writer.last_seq + events.len() as u64;
        let mut number = 0;
        let segments = seal(events, || {
            number += 1;
            segment_id(now, last_seq, number)
        })?;
        let store = self.data.store();
        segments.par_iter().map(|segment| put(store, segment)).collect::<Result<Vec<()>>>()?;
        let added: Vec<NewSegment<'_>> = segments.iter().map(|segment| NewSegment { manifest: &segment.manifest }).collect();
        let committed = self.runtime.block_on(writer.table.commit(&added, last_seq, now));
        writer.in_doubt = committed.is_err();
        let version = committed?;
        writer.last_seq = last_seq;
        let mut shown = snapshot.segments.clone();
        shown.extend(segments.into_iter().map(|segment| Arc::new(Segment::new(store, segment.manifest))));
        self.publish(Snapshot { version, segments: shown });
        Ok(version)
    }

    /// Accepts the records of a stream in as many commits as it needs; `progress` hears of each. Splitting and decoding
    /// go on while a batch is committed.
    ///
    /// Returns what was accepted, and the error that ended the stream early, if one did: what came before it stays.
    pub fn ingest_stream(
        &self,
        input: impl BufRead + Send,
        format: Option<Format>,
        rule: &TenantRule,
        source: &str,
        mut progress: impl FnMut(&Outcome),
    ) -> (Outcome, Option<Error>) {
        let mut total = Outcome::default();
        let mut failed = None;
        let (sender, receiver): (SyncSender<Batch>, Receiver<Batch>) = sync_channel(1);
        let broken = std::thread::scope(|scope| {
            let producer = scope.spawn(move || produce(input, format, rule, &sender));
            for batch in &receiver {
                match self.ingest(batch, source) {
                    Ok(outcome) => total.add(outcome),
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
                progress(&total);
            }
            // Lets a producer that still sends come to its end.
            drop(receiver);
            producer.join().unwrap_or_else(|_| Some(Error::internal("the thread that decodes records panicked")))
        });
        (total, failed.or(broken))
    }
}

fn produce(input: impl BufRead, format: Option<Format>, rule: &TenantRule, sender: &SyncSender<Batch>) -> Option<Error> {
    let mut splitter = RecordSplitter::new(input);
    loop {
        let (mut records, mut bytes, mut ended) = (Vec::new(), 0, None);
        while records.len() < BATCH_RECORDS && bytes < BATCH_BYTES {
            match splitter.next_record() {
                Ok(Some(record)) => {
                    bytes += record.bytes.len();
                    records.push(record);
                }
                Ok(None) => {
                    ended = Some(None);
                    break;
                }
                Err(error) => {
                    ended = Some(Some(error));
                    break;
                }
            }
        }
        if !records.is_empty() && sender.send(decode_records(records, format, rule)).is_err() {
            return None;
        }
        if let Some(ended) = ended {
            return ended;
        }
    }
}

/// All records of a request at once: it is accepted whole or not at all.
///
/// # Errors
/// A body that cannot be read or unpacked to its end.
pub(crate) fn read_records(input: impl BufRead) -> Result<Vec<Record>> {
    let mut splitter = RecordSplitter::new(input);
    let mut records = Vec::new();
    while let Some(record) = splitter.next_record()? {
        records.push(record);
    }
    Ok(records)
}

fn put(store: &crate::storage::Store, segment: &SegmentFiles) -> Result<()> {
    let manifest = &segment.manifest;
    // A name is unique unless a process died before its commit; then what it left is replaced.
    store.put(&paths::data(&manifest.date, &manifest.id), &segment.data, PutMode::Replace)?;
    store.put(&paths::index(&manifest.id), &segment.index, PutMode::Replace)?;
    store.put(&paths::manifest(&manifest.id), &manifest.encode(), PutMode::Replace)
}

fn refused(rejected: &[Rejected]) -> Vec<Refused> {
    rejected.iter().map(|rejected| Refused { line: rejected.line, reason: rejected.reason.clone() }).collect()
}

/// A ULID of the moment and the sequence numbers: unique without chance, and in the order of commits.
fn segment_id(now: Timestamp, last_seq: u64, number: u16) -> String {
    ulid::Ulid::from_parts(now.millis().max(0) as u64, (u128::from(last_seq) << 16) | u128::from(number)).to_string()
}

fn batch_id(now: Timestamp, last_seq: u64) -> String {
    segment_id(now, last_seq, 0)
}
