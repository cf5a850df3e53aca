//! Accepting records: from decoded batches to the log, or, if they are many, to a commit.

use super::intake::{Admitted, Intake, logged};
use super::log::Pending;
use super::requests::RequestKey;
use super::step::Step;
use super::{Core, Engine, WriteSide};
use crate::decode::Format;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Timestamp};
use crate::ingest::{BATCH_BYTES, BATCH_RECORDS, Batch, Record, RecordSplitter, TenantRule, decode_records, encode_logged};
use crate::storage::wal::Frame;
use serde::{Deserialize, Serialize};
use std::io::BufRead;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Instant;

/// What became of the records of a request or a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Events that are durable and visible now.
    pub accepted: u64,
    /// Records that were here already.
    pub duplicates: u64,
    /// Records that could not be decoded: kept in quarantine.
    pub quarantined: Vec<Refused>,
    /// The proof of acceptance.
    pub receipt: Receipt,
    /// The lines of those that were here already, for doors that answer for each record.
    #[serde(skip)]
    pub duplicate_lines: Vec<u64>,
    /// It is the answer that the request was given before.
    #[serde(skip)]
    pub replayed: bool,
}

/// A record that is in quarantine now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The line it began on.
    pub line: u64,
    /// Why.
    pub reason: String,
    /// It decoded, and its trace id is that of another record.
    #[serde(skip)]
    pub conflict: bool,
}

/// What was committed, and as what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The batch; with several commits the last one.
    pub batch: String,
    /// The number of the first event accepted, if any was.
    pub first_seq: Option<u64>,
    /// The number of the last event accepted, if any was.
    pub last_seq: Option<u64>,
    /// The version of the Delta table that has all of them; absent while they are in the write-ahead log only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_version: Option<u64>,
}

impl Outcome {
    fn add(&mut self, more: Self) {
        self.accepted += more.accepted;
        self.duplicates += more.duplicates;
        self.quarantined.extend(more.quarantined);
        self.duplicate_lines.extend(more.duplicate_lines);
        self.receipt = Receipt {
            first_seq: self.receipt.first_seq.or(more.receipt.first_seq),
            last_seq: more.receipt.last_seq.or(self.receipt.last_seq),
            ..more.receipt
        };
    }
}

impl Engine {
    /// Accepts a batch, whole or not at all. When this returns, what it accepted is durable and visible.
    ///
    /// # Errors
    /// A disk that fails or is full, or a buffer that stays full; nothing of the batch is accepted then.
    pub fn ingest(&self, batch: Batch, source: &str) -> Result<Outcome> {
        self.ingest_once(batch, source, None)
    }

    /// Decodes records as this store takes them: with what its rules of redaction find replaced.
    pub fn decode(&self, records: Vec<Record>, format: Option<Format>, rule: &TenantRule) -> Batch {
        decode_records(records, format, rule, self.core.redactor.as_ref())
    }

    /// The same for a request that names itself: sent again with the same body, it gets the same answer.
    ///
    /// # Errors
    /// As [`Engine::ingest`]; the same key with another body.
    pub fn ingest_once(&self, batch: Batch, source: &str, request: Option<RequestKey>) -> Result<Outcome> {
        self.core.ingest(batch, source, request)
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
            let producer = scope.spawn(move || self.produce(input, format, rule, &sender));
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

    fn produce(&self, input: impl BufRead, format: Option<Format>, rule: &TenantRule, sender: &SyncSender<Batch>) -> Option<Error> {
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
            if !records.is_empty() && sender.send(self.decode(records, format, rule)).is_err() {
                return None;
            }
            if let Some(ended) = ended {
                return ended;
            }
        }
    }
}

impl Core {
    /// Accepts a batch, and counts what became of it.
    pub(super) fn ingest(&self, batch: Batch, source: &str, request: Option<RequestKey>) -> Result<Outcome> {
        let _working = self.watchdog.begin(super::Part::Intake);
        let outcome = self.accept(batch, source, request)?;
        self.count(source, &outcome);
        Ok(outcome)
    }

    fn accept(&self, batch: Batch, source: &str, request: Option<RequestKey>) -> Result<Outcome> {
        let write = self.write()?;
        WriteSide::check_disk(self)?;
        if batch.events.len() >= self.settings.bulk_events {
            return write.ingest_bulk(self, batch, source, request);
        }
        let bytes = batch.events.iter().map(|event| event.original.len()).sum();
        let mut intake = write.intake_with_room(self, bytes)?;
        let (outcome, pending) = write.take(self, &mut intake, batch, source, request)?;
        drop(intake);
        pending.wait().inspect_err(|_| write.log_failed())?;
        Ok(outcome)
    }
}

impl WriteSide {
    /// Numbers what is new in a batch and hands it to the log.
    fn take(
        &self,
        core: &Core,
        intake: &mut Intake,
        batch: Batch,
        source: &str,
        request: Option<RequestKey>,
    ) -> Result<(Outcome, Pending)> {
        let now = core.clock.now();
        if let Some(outcome) = intake.answered(request.as_ref(), now)? {
            return Ok((outcome, self.log.barrier()?));
        }
        let admitted = intake.admit(core, batch, source, now)?;
        self.record(core, intake, admitted, request, now)
    }

    /// Hands what is new to the log.
    fn record(
        &self,
        core: &Core,
        intake: &mut Intake,
        admitted: Admitted,
        request: Option<RequestKey>,
        now: Timestamp,
    ) -> Result<(Outcome, Pending)> {
        let outcome = outcome(&admitted, intake.last_seq, None);
        let first_seq = intake.last_seq + 1;
        let last_seq = intake.last_seq + outcome.accepted;
        let logged = logged(request, &outcome, last_seq, now);
        if admitted.fresh.is_empty() && logged.is_none() {
            // What is known already may still be on its way to the disk.
            return Ok((outcome, self.log.barrier()?));
        }
        let events = numbered(admitted.fresh, first_seq, now);
        let payload = encode_logged(now, logged.as_slice(), &events);
        let frame = Frame { first_seq, events: events.len() as u32, batch: batch_number(&outcome), payload };
        intake.last_seq = last_seq;
        intake.unsealed_bytes += events.iter().map(|event| event.original.len()).sum::<usize>();
        intake.unsealed.extend(&events);
        logged.into_iter().for_each(|logged| intake.requests.add(logged));
        // What the log did not take must be forgotten before anything else is numbered.
        let taken = core.reach(Step::Numbered).and_then(|()| self.log.append(frame, events));
        Ok((outcome, taken.inspect_err(|_| intake.log_failed = true)?))
    }

    /// Seals a batch at once, together with what is in the buffer: one write instead of two, and the commit acknowledges it.
    fn ingest_bulk(&self, core: &Core, batch: Batch, source: &str, request: Option<RequestKey>) -> Result<Outcome> {
        let mut table = self.table();
        self.settle(core, &mut table)?;
        let mut intake = self.intake_while_sealing(core, &table)?;
        // What the log has in hand must be shown before it is sealed.
        self.log.barrier()?.wait().inspect_err(|_| intake.log_failed = true)?;
        let now = core.clock.now();
        if let Some(outcome) = intake.answered(request.as_ref(), now)? {
            return Ok(outcome);
        }
        let admitted = intake.admit(core, batch, source, now)?;
        if admitted.fresh.len() < core.settings.bulk_events {
            // Most of it is known: the log takes the rest.
            let (outcome, pending) = self.record(core, &mut intake, admitted, request, now)?;
            drop(intake);
            drop(table);
            pending.wait().inspect_err(|_| self.log_failed())?;
            return Ok(outcome);
        }
        let last_seq = intake.last_seq + admitted.fresh.len() as u64;
        let mut outcome = outcome(&admitted, intake.last_seq, None);
        let mut events = core.published.begin_seal();
        events.extend(numbered(admitted.fresh, intake.last_seq + 1, now));
        let sealed = self.write_segments(core, &mut table, events, last_seq);
        let sealed = sealed.and_then(|version| core.reach(Step::BulkSealed).map(|()| version));
        // Numbers must not be given twice if the commit is in the table after all.
        intake.in_doubt = sealed.is_err();
        let version = sealed?;
        intake.sealed_past_log(last_seq);
        outcome.receipt.table_version = Some(version);
        logged(request, &outcome, last_seq, now).into_iter().for_each(|logged| intake.requests.add(logged));
        // The log goes on behind what was sealed past it. If it cannot, the next batch tries again.
        if let Ok(epoch) = self.rotate(core, &mut intake) {
            let _ = self.log.trim(epoch);
        }
        self.signal.sealed(|| core.published.buffered());
        Ok(outcome)
    }

    /// The intake when there is room for so many bytes more.
    ///
    /// # Errors
    /// No room within the time that a request may wait.
    fn intake_with_room(&self, core: &Core, bytes: usize) -> Result<MutexGuard<'_, Intake>> {
        let started = Instant::now();
        loop {
            let intake = self.intake(core)?;
            // A batch that is larger than the buffer must get in when the buffer is empty.
            if intake.unsealed_bytes == 0 || intake.unsealed_bytes + bytes <= core.settings.buffer_bytes {
                return Ok(intake);
            }
            let held = intake.unsealed_bytes >> 20;
            drop(intake);
            let Some(left) = core.settings.room_wait.checked_sub(started.elapsed()) else {
                let what = format!("{held} MiB wait to be written into segments, which is as much as may: send it again later");
                return Err(Error::new(ErrorKind::Unavailable, what));
            };
            self.signal.wait_for_seal(left);
        }
    }

    fn log_failed(&self) {
        self.intake.lock().unwrap_or_else(PoisonError::into_inner).log_failed = true;
    }
}

fn numbered(events: Vec<Event>, first_seq: u64, now: Timestamp) -> Vec<Arc<Event>> {
    let number = |(seq, mut event): (u64, Event)| {
        event.accept(seq, now);
        Arc::new(event)
    };
    (first_seq..).zip(events).map(number).collect()
}

fn outcome(admitted: &Admitted, last_seq: u64, table_version: Option<u64>) -> Outcome {
    let accepted = admitted.fresh.len() as u64;
    let duplicate_lines = admitted.duplicates.clone();
    let receipt = Receipt {
        batch: admitted.id.clone(),
        first_seq: (accepted > 0).then_some(last_seq + 1),
        last_seq: (accepted > 0).then_some(last_seq + accepted),
        table_version,
    };
    let duplicates = duplicate_lines.len() as u64;
    Outcome { accepted, duplicates, quarantined: admitted.refused.clone(), receipt, duplicate_lines, replayed: false }
}

fn batch_number(outcome: &Outcome) -> u128 {
    ulid::Ulid::from_string(&outcome.receipt.batch).map_or(0, |id| id.0)
}

/// Records in a request at most: each needs memory, however short it is.
const REQUEST_RECORDS_MAX: usize = 1_000_000;

/// All records of a request at once: it is accepted whole or not at all.
///
/// # Errors
/// A body that cannot be read or unpacked to its end, or has too many records.
pub(crate) fn read_records(input: impl BufRead) -> Result<Vec<Record>> {
    let mut splitter = RecordSplitter::new(input);
    let mut records = Vec::new();
    while let Some(record) = splitter.next_record()? {
        if records.len() == REQUEST_RECORDS_MAX {
            let what = format!("a request has at most {REQUEST_RECORDS_MAX} records: send it in parts");
            return Err(Error::new(ErrorKind::TooLarge, what));
        }
        records.push(record);
    }
    Ok(records)
}
