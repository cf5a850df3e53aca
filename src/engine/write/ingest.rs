//! Accepting records, on the request's side: a batch is compared with the segments and made durable
//! as far as it can be, then handed to the thread that numbers events
//! ([`crate::engine::write::intake`]), and acknowledged when the log has it.
//!
//! Nothing here holds a lock, and nobody waits for another request's work: what takes long is done
//! on the request's own thread or in the pool of intake, and while a request waits for room, for
//! its turn or for the disk, it needs no thread ([`Engine::submit`]). Every wait has an end.

use crate::decode::Format;
use crate::engine::failpoint::Failpoint;
use crate::engine::write::intake::{self, LIGHT_EVENTS, NumberedBatch, Offer, Verdict};
use crate::engine::write::log;
use crate::engine::write::refusals::{Refusals, Refused};
use crate::engine::write::requests::RequestKey;
use crate::engine::{Core, Engine, WriteSide};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::ingest::{
    BATCH_BYTES, BATCH_RECORDS, Beside, DecodedBatch, DedupVerdict, IncomingRecord, RecordSplitter,
    Rejected, RowPlan, TenantRule, Unsealed, decode_records, known_events,
};
use crate::storage::segment::Segment;
use serde::{Deserialize, Serialize};
use std::io::BufRead;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::oneshot;

/// What became of the records of a request or a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Events that are durable and visible now.
    pub accepted: u64,
    /// Records that were here already.
    pub duplicates: u64,
    /// Records that could not be decoded: kept in quarantine.
    #[serde(flatten)]
    pub quarantined: Refusals,
    /// The proof of acceptance.
    pub receipt: Receipt,
    /// The lines of those that were here already, for doors that answer for each record.
    #[serde(skip)]
    pub duplicate_lines: Vec<u64>,
    /// It is the answer that the request was given before.
    #[serde(skip)]
    pub replayed: bool,
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
    /// The version of the Delta table that has all of them; absent while they are in the
    /// write-ahead log only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_version: Option<u64>,
}

impl Outcome {
    fn add(&mut self, more: Self) {
        self.accepted += more.accepted;
        self.duplicates += more.duplicates;
        self.quarantined.add(more.quarantined);
        self.duplicate_lines.extend(more.duplicate_lines);
        self.receipt = Receipt {
            first_seq: self.receipt.first_seq.or(more.receipt.first_seq),
            last_seq: more.receipt.last_seq.or(self.receipt.last_seq),
            ..more.receipt
        };
    }

    /// Says which records are refused, beside those that are already.
    pub(in crate::engine) fn refuse(&mut self, rejected: &[Rejected]) {
        self.quarantined.extend(rejected.iter().map(Refused::from));
    }

    /// Says what was accepted, and as what; what was known already is counted.
    pub(in crate::engine) fn accept(&mut self, batch: &str, first_seq: u64, accepted: u64) {
        self.accepted = accepted;
        self.duplicate_lines.sort_unstable();
        self.duplicates = self.duplicate_lines.len() as u64;
        self.receipt = Receipt {
            batch: batch.to_owned(),
            first_seq: (accepted > 0).then_some(first_seq),
            last_seq: (accepted > 0).then(|| first_seq + accepted - 1),
            table_version: None,
        };
    }
}

/// How long a request waits for its turn and for the disk: longer than either takes, and never for
/// ever.
const ANSWER_WAIT: Duration = Duration::from_secs(60);
/// How long the batch of a file or a stream waits for room: whoever reads a file has time, and
/// nobody else waits for it.
const STREAM_ROOM_WAIT: Duration = Duration::from_secs(600);

impl Engine {
    /// Accepts a batch, whole or not at all. When this returns, what it accepted is durable and
    /// visible.
    ///
    /// # Errors
    /// A disk that fails or is full, or a buffer that stays full; nothing of the batch is accepted
    /// then.
    pub fn ingest(&self, batch: DecodedBatch, source: &str) -> Result<Outcome> {
        self.ingest_once(batch, source, None)
    }

    /// Decodes records as this store takes them: with what its rules of redaction find replaced.
    pub fn decode(
        &self,
        records: Vec<IncomingRecord>,
        format: Option<Format>,
        rule: &TenantRule,
    ) -> DecodedBatch {
        let few = records.len() <= LIGHT_EVENTS;
        let decode = || decode_records(records, format, rule, self.core.redactor.as_ref());
        // A few records are decoded here: they would wait in the pool behind large batches.
        if few { decode() } else { self.core.pools.intake.install(decode) }
    }

    /// The same for a request that names itself: sent again with the same body, it gets the same
    /// answer.
    ///
    /// # Errors
    /// As [`Engine::ingest`]; the same key with another body.
    pub fn ingest_once(
        &self,
        batch: DecodedBatch,
        source: &str,
        request: Option<RequestKey>,
    ) -> Result<Outcome> {
        self.core.ingest(batch, source, request, self.core.settings.room_wait)
    }

    /// The same without holding a thread while it waits for its turn, for room and for the disk.
    ///
    /// # Errors
    /// As [`Engine::ingest_once`].
    pub async fn submit(
        &self,
        batch: DecodedBatch,
        source: &'static str,
        request: Option<RequestKey>,
    ) -> Result<Outcome> {
        let core = Arc::clone(&self.core);
        let _working = core.watchdog.begin(crate::engine::WatchedPart::Intake);
        let mut comparing = {
            let core = Arc::clone(&core);
            blocking(move || core.compare(batch, source, request)).await?
        };
        loop {
            match core.hand_over(comparing, core.settings.room_wait).await? {
                Handed::Outdated(again) => {
                    let core = Arc::clone(&core);
                    comparing = blocking(move || core.compare_again(*again, source)).await?;
                }
                Handed::Durable(done) if done.needs_disk() => {
                    return blocking(move || core.finish(*done, source)).await;
                }
                Handed::Durable(done) => return core.finish(*done, source),
            }
        }
    }

    /// Accepts the records of a stream in as many commits as it needs; `progress` hears of each.
    /// Splitting and decoding go on while a batch is committed.
    ///
    /// Returns what was accepted, and the error that ended the stream early, if one did: what came
    /// before it stays.
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
        let (sender, receiver): (SyncSender<DecodedBatch>, Receiver<DecodedBatch>) =
            sync_channel(1);
        let broken = std::thread::scope(|scope| {
            let producer = scope.spawn(move || self.produce(input, format, rule, &sender));
            for batch in &receiver {
                match self.core.ingest(batch, source, None, STREAM_ROOM_WAIT) {
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
            producer.join().unwrap_or_else(|_| {
                Some(Error::internal("the thread that decodes records panicked"))
            })
        });
        (total, failed.or(broken))
    }

    fn produce(
        &self,
        input: impl BufRead,
        format: Option<Format>,
        rule: &TenantRule,
        sender: &SyncSender<DecodedBatch>,
    ) -> Option<Error> {
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

/// Runs something that may block where it may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|cause| Error::internal("taking in a batch failed").because(cause))?
}

/// A batch that was compared with the segments, and what its file beside the log needs.
#[derive(Debug)]
struct Compared {
    events: Vec<Arc<Event>>,
    hashes: Vec<u64>,
    plan: Option<RowPlan>,
    lines: Vec<u64>,
    compared_seq: u64,
    outcome: Outcome,
    request: Option<RequestKey>,
    beside: Option<Beside>,
}

/// A batch that was handed over.
#[derive(Debug)]
enum Handed {
    /// Segments were written meanwhile that it was not compared with.
    Outdated(Box<Offer>),
    /// What is new in it is durable and visible.
    Durable(Box<DurableBatch>),
}

/// A batch that is durable.
#[derive(Debug)]
struct DurableBatch {
    outcome: Outcome,
    conflicts: Vec<Rejected>,
    unused: Option<Beside>,
}

impl DurableBatch {
    fn needs_disk(&self) -> bool {
        !self.conflicts.is_empty() || self.unused.is_some()
    }
}

impl Core {
    /// Accepts a batch, and counts what became of it.
    pub(in crate::engine) fn ingest(
        &self,
        batch: DecodedBatch,
        source: &str,
        request: Option<RequestKey>,
        room_wait: Duration,
    ) -> Result<Outcome> {
        let _working = self.watchdog.begin(crate::engine::WatchedPart::Intake);
        let mut compared = self.compare(batch, source, request)?;
        loop {
            match self.write()?.runtime.block_on(self.hand_over(compared, room_wait))? {
                Handed::Outdated(again) => compared = self.compare_again(*again, source)?,
                Handed::Durable(done) => return self.finish(*done, source),
            }
        }
    }

    /// Compares a batch with the segments, and makes durable what can be before it is numbered:
    /// records that cannot be accepted go to quarantine, many records into a file beside the log.
    fn compare(
        &self,
        batch: DecodedBatch,
        source: &str,
        request: Option<RequestKey>,
    ) -> Result<Compared> {
        let write = self.write()?;
        WriteSide::check_disk(self)?;
        let (snapshot, now) = (self.published.get(), self.clock.now());
        let many = batch.events.len() > LIGHT_EVENTS;
        let compare = || known_events(&batch.events, &Unsealed::default(), &snapshot.segments);
        let known = if many { self.pools.intake.install(compare) } else { compare() }?;
        let mut rejected = batch.rejected;
        let (mut events, mut lines) =
            (Vec::with_capacity(batch.events.len()), Vec::with_capacity(batch.events.len()));
        let mut outcome = Outcome::default();
        for ((event, line), known) in batch.events.into_iter().zip(batch.lines).zip(known) {
            match known {
                DedupVerdict::New => {
                    events.push(event);
                    lines.push(line);
                }
                DedupVerdict::Duplicate => outcome.duplicate_lines.push(line),
                DedupVerdict::Conflict => rejected.push(Rejected::conflict(&event, line)),
            }
        }
        rejected.sort_by_key(|rejected| rejected.line);
        self.quarantine.keep(source, now, &rejected)?;
        outcome.refuse(&rejected);
        let is_bulk = events.len() >= self.settings.bulk_events;
        let beside =
            if is_bulk { Some(Beside::write(self.data.store(), now, &events)?) } else { None };
        if is_bulk {
            self.reach(Failpoint::BesideWritten)?;
        }
        let hashes = events.iter().map(|event| write.hasher.hash(event)).collect();
        let events: Vec<Arc<Event>> = events.into_iter().map(Arc::new).collect();
        let plan = (events.len() > LIGHT_EVENTS)
            .then(|| self.pools.intake.install(|| RowPlan::of(&events)));
        Ok(Compared {
            events,
            hashes,
            plan,
            lines,
            compared_seq: snapshot.sealed_seq,
            outcome,
            request,
            beside,
        })
    }

    /// Compares a batch with the segments that were written since it was compared.
    fn compare_again(&self, offer: Offer, source: &str) -> Result<Compared> {
        let snapshot = self.published.get();
        let since = |segment: &&Arc<Segment>| segment.manifest().last_seq > offer.compared_seq;
        let segments: Vec<Arc<Segment>> =
            snapshot.segments.iter().filter(since).map(Arc::clone).collect();
        let Offer { events, hashes, plan, lines, mut outcome, request, beside, .. } = offer;
        // Nobody else has them yet.
        let events: Vec<Event> = events.into_iter().map(Arc::unwrap_or_clone).collect();
        let compare = || known_events(&events, &Unsealed::default(), &segments);
        let known = if events.len() > LIGHT_EVENTS {
            self.pools.intake.install(compare)
        } else {
            compare()
        }?;
        if known.iter().all(|known| *known == DedupVerdict::New) {
            let events = events.into_iter().map(Arc::new).collect();
            return Ok(Compared {
                events,
                hashes,
                plan,
                lines,
                compared_seq: snapshot.sealed_seq,
                outcome,
                request,
                beside,
            });
        }
        // Rare: the same events came in another request meanwhile. The file beside the log is
        // written again without them.
        drop(beside);
        let batch = DecodedBatch { events, lines, rejected: Vec::new() };
        let again = self.compare(batch, source, request)?;
        outcome.duplicate_lines.extend(again.outcome.duplicate_lines);
        outcome.quarantined.extend(again.outcome.quarantined.listed().iter().cloned());
        Ok(Compared { outcome, ..again })
    }

    /// Waits for room and for its turn, and until what is new in a batch is durable and visible.
    async fn hand_over(&self, compared: Compared, room_wait: Duration) -> Result<Handed> {
        let write = self.write()?;
        let Compared { events, hashes, plan, lines, compared_seq, outcome, request, beside } =
            compared;
        let bytes = events.iter().map(|event| event.memory()).sum();
        let light = events.len() <= LIGHT_EVENTS && bytes <= LIGHT_BYTES;
        let room = write.room.take(bytes, light, &write.trigger, room_wait).await?;
        let offer =
            Offer { events, hashes, plan, lines, compared_seq, outcome, request, beside, room };
        let verdict = answer(write.intake.offer(offer, light)?, intake::ended).await?;
        let numbered = match verdict {
            Verdict::Outdated(again) => return Ok(Handed::Outdated(again)),
            Verdict::Numbered(numbered) => *numbered,
        };
        answer(numbered.durable, log::gone).await?;
        let NumberedBatch { outcome, conflicts, unused, .. } = numbered;
        Ok(Handed::Durable(Box::new(DurableBatch { outcome, conflicts, unused })))
    }

    /// Keeps what was found to be a conflict in the end, and counts.
    fn finish(&self, done: DurableBatch, source: &str) -> Result<Outcome> {
        drop(done.unused);
        if !done.conflicts.is_empty() {
            self.quarantine.keep(source, self.clock.now(), &done.conflicts)?;
        }
        self.count(source, &done.outcome);
        Ok(done.outcome)
    }
}

impl WriteSide {
    /// Refuses what the disk has no room for, while there is still room to say so.
    pub(in crate::engine) fn check_disk(core: &Core) -> Result<()> {
        let free = core.data.store().free_bytes()?;
        if free >= core.settings.free_bytes {
            return Ok(());
        }
        let what = format!(
            "the disk has {} MiB left, and nothing is taken in below {} MiB; questions are answered. Make room and send it again",
            free >> 20,
            core.settings.free_bytes >> 20
        );
        Err(Error::new(ErrorKind::Unavailable, what))
    }
}

/// Bytes of memory of a batch that goes first, at most.
const LIGHT_BYTES: usize = 4 << 20;

/// Waits for an answer, and not for ever.
async fn answer<T>(answer: oneshot::Receiver<Result<T>>, gone: fn() -> Error) -> Result<T> {
    match tokio::time::timeout(ANSWER_WAIT, answer).await {
        Ok(answer) => answer.unwrap_or_else(|_| Err(gone())),
        Err(_) => {
            let what = format!(
                "the disk did not answer within {} seconds, and whether the batch was taken is not known: send it again, it is not taken twice",
                ANSWER_WAIT.as_secs()
            );
            Err(Error::new(ErrorKind::Unavailable, what))
        }
    }
}
