//! The thread that numbers events: the sole owner of the accept order, of the events that are not
//! in a segment yet, and of the answers to requests that carried an idempotency key.
//!
//! Everything slow is done before and after, on the threads of the requests: decoding, comparing
//! with segments, writing a large batch beside the log, quarantine. Only a few lookups in memory
//! remain for each event, and small batches go first, so a single event that arrives while large
//! batches are queued waits for one of them at most.
//!
//! Every batch carries the sequence number up to which it was compared with the segments. If a seal
//! has since moved events from the memory of this thread into segments, the batch goes back to its
//! request, which compares it with the new segments (see [`Verdict::Outdated`]). So every earlier
//! event is looked for either in the segments or in this thread's memory.

use crate::clock::Clock;
use crate::engine::Outcome;
use crate::engine::failpoint::{AtFailpoint, Failpoint};
use crate::engine::write::cursors::{Cursors, DurableCursors};
use crate::engine::write::log::{Durable, Log, LoggedEvents, Promise, Rotated};
use crate::engine::write::requests::{RequestKey, Requests};
use crate::engine::write::room::Permit;
use crate::engine::write::seal::segment_id;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::{Event, Timestamp};
use crate::ingest::{
    Beside, Buffered, DedupVerdict, Generation, LoggedBatch, LoggedCursor, Rejected, RowPlan,
    Unsealed,
};
use crate::storage::wal::Frame;
use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// The most events of a batch that goes first: what one person or one service does in a moment.
pub(in crate::engine) const LIGHT_EVENTS: usize = 1_000;

/// A batch that was compared with the segments.
#[derive(Debug)]
pub(in crate::engine) struct Offer {
    /// The events that are in no segment, in the order they arrived.
    pub(in crate::engine) events: Vec<Arc<Event>>,
    /// The hash that [`IdentityHasher`](crate::ingest::IdentityHasher) computes of each.
    pub(in crate::engine) hashes: Vec<u64>,
    /// The order of their rows, if there are many.
    pub(in crate::engine) plan: Option<RowPlan>,
    /// The line on which each began.
    pub(in crate::engine) lines: Vec<u64>,
    /// The segments it was compared with hold everything up to this sequence number.
    pub(in crate::engine) compared_seq: u64,
    /// The outcome of the request's other records.
    pub(in crate::engine) outcome: Outcome,
    pub(in crate::engine) request: Option<RequestKey>,
    /// The cursor that moves with it.
    pub(in crate::engine) cursor: Option<LoggedCursor>,
    /// The file beside the log that has the events, if there are many.
    pub(in crate::engine) beside: Option<Beside>,
    /// The room they take in the buffer.
    pub(in crate::engine) room: Permit,
    /// What must have become of them before they are acknowledged.
    pub(in crate::engine) promise: Promise,
}

/// The answer to an offer.
#[derive(Debug)]
pub(in crate::engine) enum Verdict {
    /// The batch is numbered; it is durable once `durable` reports so.
    Numbered(Box<NumberedBatch>),
    /// Segments were written since that the batch was not compared with.
    Outdated(Box<Offer>),
}

/// A batch that is numbered.
#[derive(Debug)]
pub(in crate::engine) struct NumberedBatch {
    pub(in crate::engine) outcome: Outcome,
    /// Records that were decoded but whose trace id is that of another record outside the segments;
    /// they are not in quarantine yet.
    pub(in crate::engine) conflicts: Vec<Rejected>,
    pub(in crate::engine) durable: Durable,
    /// The file beside the log, if it turned out not to be needed: nothing in it was new.
    pub(in crate::engine) unused: Option<Beside>,
    /// The cursor, if it has moved with it.
    pub(in crate::engine) moved: Option<LoggedCursor>,
}

/// An order to the thread.
#[derive(Debug)]
enum IntakeOrder {
    Offer(Box<Offer>, oneshot::Sender<Result<Verdict>>),
    /// Begin a new file of the log, and mark what is in the buffer for sealing.
    BeginSeal(SyncSender<Result<Rotated>>),
    /// Note that segments that are shown hold everything up to this sequence number.
    Sealed(u64, SyncSender<Sealed>),
}

#[derive(Debug, Default)]
struct Queues {
    /// Seals and small batches: these go first.
    light: VecDeque<IntakeOrder>,
    bulk: VecDeque<IntakeOrder>,
    stop: bool,
}

/// The queues of orders. Their length is bounded by the room that each batch holds in the buffer.
#[derive(Debug, Default)]
struct Waiting {
    queues: Mutex<Queues>,
    changed: Condvar,
}

impl Waiting {
    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, order: IntakeOrder, light: bool) -> Result<()> {
        let mut queues = self.queues();
        if queues.stop {
            return Err(ended());
        }
        if light {
            queues.light.push_back(order)
        } else {
            queues.bulk.push_back(order)
        }
        self.changed.notify_one();
        Ok(())
    }

    /// Returns the next order, or none when the thread is to end.
    fn next(&self) -> Option<IntakeOrder> {
        let mut queues = self.queues();
        loop {
            if let Some(order) = queues.light.pop_front() {
                return Some(order);
            }
            if queues.stop {
                return None;
            }
            if let Some(order) = queues.bulk.pop_front() {
                return Some(order);
            }
            queues = self.changed.wait(queues).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Refuses further orders and drops the queued ones; callers that wait for those learn that the
    /// thread is gone.
    fn close(&self) {
        let mut queues = self.queues();
        queues.stop = true;
        let dropped = (std::mem::take(&mut queues.light), std::mem::take(&mut queues.bulk));
        drop(queues);
        drop(dropped);
        self.changed.notify_all();
    }
}

/// Returns the error for callers that waited for the thread after it ended.
pub(in crate::engine) fn ended() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the thread that numbers events has ended; restart to recover",
    )
}

/// The handle of the thread. Dropping it ends the thread; queued orders are refused.
#[derive(Debug)]
pub(in crate::engine) struct Intake {
    waiting: Arc<Waiting>,
    thread: Option<JoinHandle<()>>,
}

impl Intake {
    /// Starts the thread.
    pub(in crate::engine) fn start(owner: Owner) -> Result<Self> {
        let waiting = Arc::new(Waiting::default());
        let orders = Arc::clone(&waiting);
        let mut owner = owner;
        let run = move || {
            // This closes the queues even if the thread panics: nobody may wait for a thread that
            // is gone.
            let _closed = CloseAtEnd(&orders);
            owner.run(&orders);
        };
        let spawned = std::thread::Builder::new().name("annals-intake".into()).spawn(run);
        let thread = spawned.context(ErrorKind::Unavailable, || {
            "cannot start the thread that numbers events".to_owned()
        })?;
        Ok(Self { waiting, thread: Some(thread) })
    }

    /// Hands over a batch; the answer arrives when the batch has had its turn.
    pub(in crate::engine) fn offer(
        &self,
        offer: Offer,
        light: bool,
    ) -> Result<oneshot::Receiver<Result<Verdict>>> {
        let (done, answer) = oneshot::channel();
        self.waiting.push(IntakeOrder::Offer(Box::new(offer), done), light)?;
        Ok(answer)
    }

    /// Begins a new file of the log, and marks what is in the buffer for sealing.
    pub(in crate::engine) fn begin_seal(&self) -> Result<Rotated> {
        let (done, answer) = std::sync::mpsc::sync_channel(1);
        self.waiting.push(IntakeOrder::BeginSeal(done), true)?;
        answer.recv().unwrap_or_else(|_| Err(ended()))
    }

    /// Reports that segments that are shown hold everything up to `last_seq`. Returns what is no
    /// longer needed, for the caller to drop: this thread must not spend its time freeing many
    /// events or removing files.
    pub(in crate::engine) fn sealed(&self, last_seq: u64) -> Result<Sealed> {
        let (done, answer) = std::sync::mpsc::sync_channel(1);
        self.waiting.push(IntakeOrder::Sealed(last_seq, done), true)?;
        answer.recv().map_err(|_| ended())
    }

    /// Returns whether the thread is running.
    pub(in crate::engine) fn is_running(&self) -> bool {
        !self.waiting.queues().stop
    }
}

struct CloseAtEnd<'a>(&'a Waiting);

impl Drop for CloseAtEnd<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.waiting.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The resources that a batch holds until its events are in segments.
#[derive(Debug)]
pub(in crate::engine) struct HeldBatch {
    /// The sequence number of its last event.
    pub(in crate::engine) last_seq: u64,
    /// The file that has its records, if they are not in the log itself.
    pub(in crate::engine) beside: Option<Beside>,
    /// The room it takes in the buffer.
    pub(in crate::engine) _room: Permit,
}

/// What is no longer needed once a seal is done.
#[derive(Debug)]
pub(in crate::engine) struct Sealed {
    _events: Vec<Generation>,
    _batches: Vec<HeldBatch>,
}

/// The state that the thread owns.
#[derive(Debug)]
pub(in crate::engine) struct Owner {
    /// The sequence number of the last accepted event.
    pub(in crate::engine) last_seq: u64,
    /// Segments hold everything up to this sequence number, and it is forgotten here.
    pub(in crate::engine) sealed_seq: u64,
    /// The events outside segments, including those that the log has received but not made durable.
    pub(in crate::engine) unsealed: Unsealed,
    pub(in crate::engine) requests: Requests,
    /// The cursors, including those that the log has received but not made durable.
    pub(in crate::engine) cursors: Cursors,
    pub(in crate::engine) durable_cursors: Arc<DurableCursors>,
    /// The batches whose events are in `unsealed`, oldest first.
    pub(in crate::engine) held: VecDeque<HeldBatch>,
    pub(in crate::engine) log: Arc<Log>,
    pub(in crate::engine) clock: Arc<dyn Clock>,
    pub(in crate::engine) at_failpoint: AtFailpoint,
}

impl Owner {
    fn run(&mut self, orders: &Waiting) {
        while let Some(order) = orders.next() {
            match order {
                // A caller that has given up does not get the answer; what was numbered is accepted
                // all the same.
                IntakeOrder::Offer(offer, done) => drop(done.send(self.take(offer))),
                IntakeOrder::BeginSeal(done) => self.begin_seal(&done),
                IntakeOrder::Sealed(last_seq, done) => drop(done.send(self.let_go(last_seq))),
            }
        }
    }

    /// Numbers the new events of a batch and hands them to the log.
    fn take(&mut self, mut offer: Box<Offer>) -> Result<Verdict> {
        if offer.compared_seq < self.sealed_seq {
            return Ok(Verdict::Outdated(offer));
        }
        self.mend()?;
        let now = self.clock.now();
        if let Some(request) = &offer.request
            && let Some(outcome) = self.requests.answered(request, now)?
        {
            let unused = offer.beside.take();
            // The first answer may still be on its way to the disk.
            return Ok(Verdict::Numbered(Box::new(NumberedBatch {
                outcome,
                conflicts: Vec::new(),
                durable: self.log.barrier()?,
                unused,
                moved: None,
            })));
        }
        let out = self.take_out_known(&mut offer);
        self.number(*offer, out, now).map(|numbered| Verdict::Numbered(Box::new(numbered)))
    }

    /// Removes the events from a batch that were accepted before and are not in a segment yet; the
    /// batch's outcome then reports them.
    fn take_out_known(&self, offer: &mut Offer) -> TakenOut {
        let mut out = TakenOut::default();
        for (index, (event, hash)) in (0_u32..).zip(offer.events.iter().zip(&offer.hashes)) {
            let line = offer.lines[index as usize];
            match self.unsealed.known_by(*hash, event) {
                DedupVerdict::New => continue,
                DedupVerdict::Duplicate => offer.outcome.duplicate_lines.push(line),
                DedupVerdict::Conflict => out.conflicts.push(Rejected::conflict(event, line)),
            }
            out.indexes.push(index);
        }
        if !out.indexes.is_empty() {
            // This is rare: nearly always everything is new, and nothing is moved.
            offer.plan = None;
            without(&mut offer.events, &out.indexes);
            without(&mut offer.hashes, &out.indexes);
            offer.outcome.refuse(&out.conflicts);
        }
        out
    }

    /// Numbers the events that are left of an offer, remembers them, and hands them to the log.
    fn number(&mut self, offer: Offer, out: TakenOut, now: Timestamp) -> Result<NumberedBatch> {
        let Offer { mut events, hashes, plan, mut outcome, beside, room, promise, .. } = offer;
        let (request, cursor) = (offer.request, offer.cursor);
        let (first_seq, accepted) = (self.last_seq + 1, events.len() as u64);
        let last_seq = self.last_seq + accepted;
        let batch = segment_id(now, self.last_seq, 0);
        outcome.accept(&batch, first_seq, accepted);
        let conflicts = out.conflicts;
        // An answer that names conflicts is not remembered, because the conflicts reach quarantine
        // only afterwards: if the client or the process were gone by then, a repeated request would
        // be told of records that nobody has. Instead, the request is carried out again.
        let request = request.filter(|_| conflicts.is_empty());
        let answered = request.map(|request| request.answered(&outcome, last_seq, now));
        // Nor does a cursor pass over records that nobody has yet.
        let moved = cursor.filter(|_| conflicts.is_empty());
        if events.is_empty() && answered.is_none() && moved.is_none() {
            // The events that this batch repeats may still be on their way to the disk.
            return Ok(NumberedBatch {
                outcome,
                conflicts,
                durable: self.log.barrier()?,
                unused: beside,
                moved,
            });
        }
        let as_claimed = self.accept(&mut events, &hashes, now)?;
        let (beside, unused) = if events.is_empty() { (None, beside) } else { (beside, None) };
        let named = beside.as_ref().map(|beside| (beside, out.indexes.as_slice()));
        let (requests, cursors) = (answered.as_slice(), moved.as_slice());
        let logged = LoggedBatch { at: now, requests, cursors, beside: named };
        let frame = Frame {
            first_seq,
            events: events.len() as u32,
            batch: ulid::Ulid::from_string(&batch).map_or(0, |id| id.0),
            payload: logged.encode(&events),
        };
        self.last_seq = last_seq;
        answered.into_iter().for_each(|answered| self.requests.add(answered));
        moved.iter().for_each(|cursor| self.cursors.set(cursor));
        if !events.is_empty() {
            let mut beside = beside;
            beside.iter_mut().for_each(Beside::keep);
            self.held.push_back(HeldBatch { last_seq, beside, _room: room });
        }
        // The plan sorted events by the times they claim: an event that is filed under another time
        // invalidates it.
        let batch = match plan {
            Some(plan) if as_claimed => LoggedEvents::Part(Buffered::planned(&events, plan)),
            _ => LoggedEvents::Events(events),
        };
        // If the log did not take the frame, its events must be forgotten before anything else is
        // numbered.
        let taken = self
            .at_failpoint
            .reach(Failpoint::Numbered)
            .and_then(|()| self.log.append(frame, batch, promise));
        let durable = taken.inspect_err(|_| self.log.fail())?;
        Ok(NumberedBatch { outcome, conflicts, durable, unused, moved })
    }

    /// Gives events their sequence numbers and remembers them. Returns whether all of them are
    /// filed under the times they claim.
    fn accept(
        &mut self,
        events: &mut [Arc<Event>],
        hashes: &[u64],
        now: Timestamp,
    ) -> Result<bool> {
        let mut as_claimed = true;
        self.unsealed.reserve(events.len());
        for ((seq, event), hash) in (self.last_seq + 1..).zip(events).zip(hashes) {
            let claimed = event.time;
            let own = Arc::get_mut(event)
                .ok_or_else(|| Error::internal("an event is shared before it is accepted"))?;
            own.accept(seq, now);
            as_claimed &= !own.time_suspect;
            self.unsealed.add(*hash, claimed, Arc::clone(event));
        }
        Ok(as_claimed)
    }

    /// Begins a new file of the log that follows everything durable, and forgets what was not
    /// durable, if the log has failed.
    fn mend(&mut self) -> Result<()> {
        if !self.log.has_failed() {
            return Ok(());
        }
        // A cursor that is not durable may cover events that are lost.
        self.cursors = self.durable_cursors.get();
        let durable = self.log.mend(self.checkpoint())?.durable_seq;
        self.unsealed.forget_after(durable);
        self.requests.forget_after(durable);
        let lost = self.held.partition_point(|held| held.last_seq <= durable);
        self.held
            .drain(lost..)
            .filter_map(|batch| batch.beside)
            .for_each(|mut beside| beside.give_up());
        self.last_seq = durable;
        Ok(())
    }

    /// Starts a new generation of events in memory, and has the log begin a new file.
    fn begin_seal(&mut self, done: &SyncSender<Result<Rotated>>) {
        match self.mend() {
            // The log answers the sealer directly: this thread does not wait for the disk.
            Ok(()) => {
                self.unsealed.begin_generation();
                self.log.begin_seal(self.checkpoint(), done);
            }
            Err(error) => drop(done.send(Err(error))),
        }
    }

    /// Forgets the events up to `last_seq`, which are in segments now, and the files beside the log
    /// that held them.
    fn let_go(&mut self, last_seq: u64) -> Sealed {
        self.sealed_seq = self.sealed_seq.max(last_seq);
        let done = self.held.partition_point(|held| held.last_seq <= last_seq);
        let mut batches: Vec<HeldBatch> = self.held.drain(..done).collect();
        batches.iter_mut().filter_map(|batch| batch.beside.as_mut()).for_each(Beside::give_up);
        Sealed { _events: self.unsealed.take_sealed(last_seq), _batches: batches }
    }

    /// Encodes what a new file of the log begins with: the answers to earlier requests, and the
    /// cursors.
    fn checkpoint(&self) -> Vec<u8> {
        let (requests, cursors) = (self.requests.all(), self.cursors.all());
        let at = self.clock.now();
        LoggedBatch { at, requests: &requests, cursors: &cursors, beside: None }
            .encode::<Event>(&[])
    }
}

/// The events that were removed from a batch.
#[derive(Default)]
struct TakenOut {
    /// Their indexes in the batch, ascending.
    indexes: Vec<u32>,
    conflicts: Vec<Rejected>,
}

/// Removes the items at these indexes, which must ascend.
fn without<T>(items: &mut Vec<T>, indexes: &[u32]) {
    let (mut index, mut out) = (0, indexes.iter().copied().peekable());
    items.retain(|_| {
        let gone = out.next_if_eq(&index).is_some();
        index += 1;
        !gone
    });
}
