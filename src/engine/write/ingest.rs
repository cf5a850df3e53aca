//! Accepting records, on the request's side. A batch is compared with the segments, made durable as
//! far as possible, handed to the thread that numbers events ([`crate::engine::write::intake`]),
//! and acknowledged when the log has it.
//!
//! Nothing here holds a lock, and no request waits for another's work: slow work is done on the
//! request's own thread or in the intake pool. While a request waits for room, for its turn or for
//! the disk, it needs no thread ([`Engine::submit`]). Every wait has a limit.

use crate::access::Caller;
use crate::decode::Format;
use crate::engine::failpoint::Failpoint;
use crate::engine::write::intake::{self, LIGHT_EVENTS, NumberedBatch, Offer, Verdict};
use crate::engine::write::log::{self, Promise};
use crate::engine::write::requests::RequestKey;
use crate::engine::write::room::RoomShare;
use crate::engine::{Engine, Outcome, Writer};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::ingest::{
    BATCH_BYTES, BATCH_RECORDS, Beside, DecodedBatch, DedupVerdict, IncomingRecord, LoggedCursor,
    RecordSplitter, Rejected, RowPlan, TenantRule, Unsealed, decode_records, known_events,
};
use crate::storage::segment::Segment;
use std::io::BufRead;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a request waits for its turn and for the disk: longer than either ever takes, but not
/// for ever.
const ANSWER_WAIT: Duration = Duration::from_secs(60);
/// How long the batch of a file or a stream waits for room: a reader of files has time, and nobody
/// else waits for it.
pub(super) const STREAM_ROOM_WAIT: Duration = Duration::from_secs(600);

impl Engine {
    /// Accepts a batch, whole or not at all. When this returns, what was accepted is durable and
    /// visible.
    ///
    /// # Errors
    /// If the disk fails or is full, or the buffer stays full; nothing of the batch is accepted
    /// then.
    pub fn ingest(&self, batch: DecodedBatch, source: &str) -> Result<Outcome> {
        self.ingest_once(batch, source, None)
    }

    /// Decodes records as this store accepts them: whatever its redaction rules match is replaced.
    pub fn decode(
        &self,
        records: Vec<IncomingRecord>,
        format: Option<Format>,
        rule: &TenantRule,
    ) -> DecodedBatch {
        let few = records.len() <= LIGHT_EVENTS;
        let (redactor, now) = (self.shared.redactor.as_ref(), self.shared.clock.now());
        let decode = || decode_records(records, format, rule, redactor, now);
        // A few records are decoded on this thread: in the pool they would wait behind large
        // batches.
        let mut batch = if few { decode() } else { self.shared.pools.intake.install(decode) };
        batch.refuse_undated(&self.policy().refusing_undated);
        batch
    }

    /// Accepts a batch as [`Engine::ingest`] does, for a request that carries an idempotency key:
    /// when it is sent again with the same body, it gets the same answer.
    ///
    /// # Errors
    /// As [`Engine::ingest`]; also if the key was used with another body.
    pub fn ingest_once(
        &self,
        batch: DecodedBatch,
        source: &str,
        request: Option<RequestKey>,
    ) -> Result<Outcome> {
        self.writer()?.ingest(batch, source, request, self.shared.settings.room_wait)
    }

    /// Accepts a batch as [`Engine::ingest_once`] does, without holding a thread while it waits for
    /// its turn, for room and for the disk.
    ///
    /// # Errors
    /// As [`Engine::ingest_once`].
    pub async fn submit(
        &self,
        batch: DecodedBatch,
        source: &'static str,
        request: Option<RequestKey>,
    ) -> Result<Outcome> {
        let writer = self.writer()?;
        let _working = writer.shared.watchdog.begin(crate::engine::WatchedPart::Intake);
        let mut comparing = {
            let writer = Arc::clone(writer);
            blocking(move || writer.compare(batch, source, request)).await?
        };
        loop {
            match writer.hand_over(comparing, None, self.shared.settings.room_wait).await? {
                Handed::Outdated(again) => {
                    let writer = Arc::clone(writer);
                    comparing = blocking(move || writer.compare_again(*again, source)).await?;
                }
                Handed::Durable(done) if done.needs_disk() => {
                    let writer = Arc::clone(writer);
                    return blocking(move || writer.finish(*done, source)).await;
                }
                Handed::Durable(done) => return writer.finish(*done, source),
            }
        }
    }

    /// Accepts the records of a stream in as many batches as needed; `progress` is called after
    /// each. Splitting and decoding continue while a batch is being accepted.
    ///
    /// Returns what was accepted, and the error that ended the stream early, if there was one; what
    /// was accepted before it stays.
    pub fn ingest_stream(
        &self,
        input: impl BufRead + Send,
        format: Option<Format>,
        rule: &TenantRule,
        source: &str,
        mut progress: impl FnMut(&Outcome),
    ) -> (Outcome, Option<Error>) {
        let mut total = Outcome::default();
        let writer = match self.writer() {
            Ok(writer) => writer,
            Err(error) => return (total, Some(error)),
        };
        let mut failed = None;
        let (sender, receiver): (SyncSender<DecodedBatch>, Receiver<DecodedBatch>) =
            sync_channel(1);
        let broken = std::thread::scope(|scope| {
            let producer = scope.spawn(move || self.produce(input, format, rule, &sender));
            for mut batch in &receiver {
                // Whoever reads files into the store is the operator.
                let caller = Caller::operator();
                let accepted = self.statements_of(&caller, &mut batch).and_then(|said| {
                    let outcome = writer.ingest(batch, source, None, STREAM_ROOM_WAIT)?;
                    if let Some(ticket) = self.hear(&caller, said, &outcome)? {
                        self.weigh_evidence(&ticket)?;
                    }
                    Ok(outcome)
                });
                match accepted {
                    Ok(outcome) => total.add(outcome),
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
                progress(&total);
            }
            // Without a receiver, a producer that is still sending stops.
            drop(receiver);
            producer.join().unwrap_or_else(|_| {
                Some(Error::internal("the thread that decodes records panicked"))
            })
        });
        (total, failed.or(broken))
    }

    /// Splits and decodes a stream, and sends its batches. Returns the error that ended the stream
    /// early, if there was one; batches before it are sent.
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

/// Runs blocking work on a thread where blocking is allowed.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|cause| Error::internal("taking in a batch failed").because(cause))?
}

/// A batch that was compared with the segments.
#[derive(Debug)]
pub(super) struct Compared {
    pub(super) events: Vec<Arc<Event>>,
    pub(super) hashes: Vec<u64>,
    pub(super) plan: Option<RowPlan>,
    pub(super) lines: Vec<u64>,
    pub(super) compared_seq: u64,
    pub(super) outcome: Outcome,
    pub(super) request: Option<RequestKey>,
    pub(super) cursor: Option<LoggedCursor>,
    pub(super) beside: Option<Beside>,
    pub(super) promise: Promise,
}

/// The result of handing over a batch.
#[derive(Debug)]
pub(super) enum Handed {
    /// Segments were written meanwhile that the batch was not compared with.
    Outdated(Box<Offer>),
    /// The new events of the batch are durable and visible.
    Durable(Box<DurableBatch>),
}

/// A batch that is durable.
#[derive(Debug)]
pub(super) struct DurableBatch {
    outcome: Outcome,
    conflicts: Vec<Rejected>,
    unused: Option<Beside>,
}

impl DurableBatch {
    fn needs_disk(&self) -> bool {
        !self.conflicts.is_empty() || self.unused.is_some()
    }
}

impl Writer {
    /// Accepts a batch, and counts its outcome for `source`.
    pub(in crate::engine) fn ingest(
        &self,
        batch: DecodedBatch,
        source: &str,
        request: Option<RequestKey>,
        room_wait: Duration,
    ) -> Result<Outcome> {
        self.ingest_marked(batch, source, (request, None), room_wait)
    }

    /// The same with a cursor that moves with it.
    pub(super) fn ingest_marked(
        &self,
        batch: DecodedBatch,
        source: &str,
        (request, cursor): (Option<RequestKey>, Option<LoggedCursor>),
        room_wait: Duration,
    ) -> Result<Outcome> {
        let _working = self.shared.watchdog.begin(crate::engine::WatchedPart::Intake);
        let mut compared = Compared { cursor, ..self.compare(batch, source, request)? };
        loop {
            match self.runtime.block_on(self.hand_over(compared, None, room_wait))? {
                Handed::Outdated(again) => compared = self.compare_again(*again, source)?,
                Handed::Durable(done) => return self.finish(*done, source),
            }
        }
    }

    /// Compares a batch with the segments, and makes durable what can be before events are
    /// numbered: records that cannot be accepted go to quarantine, and many records go into a file
    /// beside the log.
    fn compare(
        &self,
        batch: DecodedBatch,
        source: &str,
        request: Option<RequestKey>,
    ) -> Result<Compared> {
        self.check_disk()?;
        let (snapshot, now) = (self.shared.published.get(), self.shared.clock.now());
        let many = batch.events.len() > LIGHT_EVENTS;
        let compare = || known_events(&batch.events, &Unsealed::default(), &snapshot.segments);
        let known = if many { self.shared.pools.intake.install(compare) } else { compare() }?;
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
        self.shared.quarantine.keep(source, now, &rejected)?;
        outcome.refuse(&rejected);
        let is_bulk = events.len() >= self.shared.settings.bulk_events;
        let beside = if is_bulk {
            Some(Beside::write(self.shared.data.store(), now, &events)?)
        } else {
            None
        };
        if is_bulk {
            self.shared.reach(Failpoint::BesideWritten)?;
        }
        let hashes = events.iter().map(|event| self.hasher.hash(event)).collect();
        let events: Vec<Arc<Event>> = events.into_iter().map(Arc::new).collect();
        let plan = (events.len() > LIGHT_EVENTS)
            .then(|| self.shared.pools.intake.install(|| RowPlan::of(&events)));
        Ok(Compared {
            events,
            hashes,
            plan,
            lines,
            compared_seq: snapshot.sealed_seq,
            outcome,
            request,
            cursor: None,
            beside,
            promise: Promise::Synced,
        })
    }

    /// Compares a batch with the segments that were written since it was last compared.
    fn compare_again(&self, offer: Offer, source: &str) -> Result<Compared> {
        let snapshot = self.shared.published.get();
        let since = |segment: &&Arc<Segment>| segment.manifest().last_seq > offer.compared_seq;
        let segments: Vec<Arc<Segment>> =
            snapshot.segments.iter().filter(since).map(Arc::clone).collect();
        let Offer { events, hashes, plan, lines, mut outcome, beside, promise, .. } = offer;
        let (request, cursor) = (offer.request, offer.cursor);
        // The events are not shared yet, so nothing is copied.
        let events: Vec<Event> = events.into_iter().map(Arc::unwrap_or_clone).collect();
        let compare = || known_events(&events, &Unsealed::default(), &segments);
        let known = if events.len() > LIGHT_EVENTS {
            self.shared.pools.intake.install(compare)
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
                cursor,
                beside,
                promise,
            });
        }
        // This is rare: another request brought the same events meanwhile. The file beside the log
        // is written again without them.
        drop(beside);
        let batch = DecodedBatch { events, lines, ..DecodedBatch::default() };
        let again = self.compare(batch, source, request)?;
        outcome.duplicate_lines.extend(again.outcome.duplicate_lines);
        outcome.quarantined.extend(again.outcome.quarantined.listed().iter().cloned());
        Ok(Compared { outcome, cursor, promise, ..again })
    }

    /// Waits for room and for the batch's turn, and then until its new events are durable and
    /// visible.
    pub(super) async fn hand_over(
        &self,
        compared: Compared,
        share: Option<RoomShare>,
        room_wait: Duration,
    ) -> Result<Handed> {
        let Compared {
            events,
            hashes,
            plan,
            lines,
            compared_seq,
            outcome,
            request,
            cursor,
            beside,
            promise,
        } = compared;
        let bytes = events.iter().map(|event| event.memory()).sum();
        let light = events.len() <= LIGHT_EVENTS && bytes <= LIGHT_BYTES;
        let by_size = if light { RoomShare::Light } else { RoomShare::Bulk };
        let share = share.unwrap_or(by_size);
        let room = self.room.take(bytes, share, &self.trigger, room_wait).await?;
        let offer = Offer {
            events,
            hashes,
            plan,
            lines,
            compared_seq,
            outcome,
            request,
            cursor,
            beside,
            room,
            promise,
        };
        let verdict = answer(self.intake.offer(offer, light)?, intake::ended).await?;
        let numbered = match verdict {
            Verdict::Outdated(again) => return Ok(Handed::Outdated(again)),
            Verdict::Numbered(numbered) => *numbered,
        };
        answer(numbered.durable, log::gone).await?;
        let NumberedBatch { outcome, conflicts, unused, moved, .. } = numbered;
        moved.iter().for_each(|cursor| self.shared.cursors.note(cursor));
        Ok(Handed::Durable(Box::new(DurableBatch { outcome, conflicts, unused })))
    }

    /// Moves conflicts that were found last into quarantine, and counts the outcome.
    fn finish(&self, done: DurableBatch, source: &str) -> Result<Outcome> {
        drop(done.unused);
        if !done.conflicts.is_empty() {
            self.shared.quarantine.keep(source, self.shared.clock.now(), &done.conflicts)?;
        }
        self.shared.count(source, &done.outcome);
        Ok(done.outcome)
    }
}

impl Writer {
    /// Refuses events when the disk is nearly full, while there is still room to report that.
    pub(in crate::engine) fn check_disk(&self) -> Result<()> {
        self.check_free(self.shared.settings.free_bytes)
    }

    /// Fails if less than this is free on the disk.
    pub(super) fn check_free(&self, least: u64) -> Result<()> {
        let free = self.shared.data.store().free_bytes()?;
        if free >= least {
            return Ok(());
        }
        let what = format!(
            "the disk has {} MiB left, and nothing is accepted below {} MiB; questions are \
            answered. Free some space and send it again",
            free >> 20,
            least >> 20
        );
        Err(Error::new(ErrorKind::Unavailable, what))
    }
}

/// The most bytes of memory of a batch that goes first.
const LIGHT_BYTES: usize = 4 << 20;

/// Waits for an answer, with a time limit.
async fn answer<T>(answer: oneshot::Receiver<Result<T>>, gone: fn() -> Error) -> Result<T> {
    match tokio::time::timeout(ANSWER_WAIT, answer).await {
        Ok(answer) => answer.unwrap_or_else(|_| Err(gone())),
        Err(_) => {
            let what = format!(
                "the disk did not answer within {} seconds, so it is not known whether the batch \
                was accepted: send it again, it is not accepted twice",
                ANSWER_WAIT.as_secs()
            );
            Err(Error::new(ErrorKind::Unavailable, what))
        }
    }
}
