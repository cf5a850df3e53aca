//! The thread that owns the write-ahead log. It writes the batches that wait, syncs once for all of
//! them, shows them, and only then acknowledges them.

use crate::engine::snapshot::Published;
use crate::engine::write::seal_trigger::SealTrigger;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::Event;
use crate::ingest::Buffered;
use crate::storage::wal::{Frame, LogFolder, LogWriter};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// The most orders that may wait.
const ORDERS_WAITING: usize = 1_024;
/// Bytes that are collected before they are written.
const WRITE_BYTES: usize = 8 << 20;

/// An order to the log. Orders are carried out in the order they arrive.
#[derive(Debug)]
enum LogOrder {
    /// Make a batch durable and show it; without a frame, report when everything before is durable.
    Append {
        frame: Option<(Frame, LoggedEvents)>,
        promise: Promise,
        done: oneshot::Sender<Result<()>>,
    },
    /// Begin a new file after the last durable event, and mark what is in the buffer for sealing.
    /// Refused after a failure.
    BeginSeal { checkpoint: Vec<u8>, done: SyncSender<Result<Rotated>> },
    /// Begin a new file after the last durable event: what was not durable when the log failed is
    /// discarded.
    Mend { checkpoint: Vec<u8>, done: SyncSender<Result<Rotated>> },
    /// Remove the files before this one.
    Trim { epoch: u64 },
}

/// What has become of a batch when it is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Promise {
    /// It is on the disk, and is shown.
    Synced,
    /// The system has it: it outlives this process. It is synced and shown within
    /// [`SYNC_WITHIN`]; if the power fails before, it is lost.
    Written,
}

/// How long a batch that was acknowledged as written waits for the disk at most.
const SYNC_WITHIN: Duration = Duration::from_millis(500);

/// The events of a batch, to be shown once they are durable.
#[derive(Debug)]
pub(in crate::engine) enum LoggedEvents {
    /// A few events, in the order of their sequence numbers.
    Events(Vec<Arc<Event>>),
    /// Many events, as a part of the buffer that is already sorted: this thread has no time to
    /// sort.
    Part(Buffered),
}

/// A new file of the log.
#[derive(Debug)]
pub(in crate::engine) struct Rotated {
    /// The sequence number of the last durable event.
    pub(in crate::engine) durable_seq: u64,
    /// The file's number.
    pub(in crate::engine) epoch: u64,
    /// The events to be sealed: all durable events that are in no segment.
    pub(in crate::engine) events: Vec<Arc<Event>>,
}

/// The handle of the log's thread. Dropping it lets the thread end after the orders it has.
#[derive(Debug)]
pub(in crate::engine) struct Log {
    orders: Option<SyncSender<LogOrder>>,
    /// Whether events were numbered that will never be durable; they must be forgotten before
    /// anything else is numbered.
    failed: Arc<AtomicBool>,
    /// How often the log has failed.
    failures: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

/// An answer that is still to come: everything up to the order is durable and shown, or was not
/// acknowledged.
pub(in crate::engine) type Durable = oneshot::Receiver<Result<()>>;

/// Returns the error for callers that waited for the thread after it ended.
pub(in crate::engine) fn gone() -> Error {
    Error::internal("the thread of the log has ended; restart to recover")
}

impl Log {
    /// Starts the thread. `writer` has an open file, and everything up to `durable_seq` is durable
    /// and shown.
    pub(in crate::engine) fn start(
        writer: LogWriter<LogFolder>,
        durable_seq: u64,
        published: Arc<Published>,
        trigger: Arc<SealTrigger>,
    ) -> Result<Self> {
        let (orders, received) = sync_channel(ORDERS_WAITING);
        let failed = Arc::new(AtomicBool::new(false));
        let failures = Arc::new(AtomicU64::new(0));
        let mut thread = LogThread {
            writer,
            durable_seq,
            failure: None,
            failed: Arc::clone(&failed),
            failures: Arc::clone(&failures),
            published,
            trigger,
            written: SyncGroup::default(),
            sync_by: None,
        };
        let spawned = std::thread::Builder::new()
            .name("annals-log".into())
            .spawn(move || thread.run(&received));
        let thread = spawned
            .context(ErrorKind::Unavailable, || "cannot start the thread of the log".to_owned())?;
        Ok(Self { orders: Some(orders), failed, failures, thread: Some(thread) })
    }

    fn send(&self, order: LogOrder) -> Result<()> {
        self.orders.as_ref().and_then(|orders| orders.send(order).ok()).ok_or_else(gone)
    }

    /// Hands over a batch.
    pub(in crate::engine) fn append(
        &self,
        frame: Frame,
        batch: LoggedEvents,
        promise: Promise,
    ) -> Result<Durable> {
        self.order(Some((frame, batch)), promise)
    }

    /// Returns an answer that arrives when everything handed over before is durable.
    pub(in crate::engine) fn barrier(&self) -> Result<Durable> {
        self.order(None, Promise::Synced)
    }

    fn order(&self, frame: Option<(Frame, LoggedEvents)>, promise: Promise) -> Result<Durable> {
        let (done, answer) = oneshot::channel();
        self.send(LogOrder::Append { frame, promise, done })?;
        Ok(answer)
    }

    /// Returns whether something that was numbered is not durable and never will be.
    pub(in crate::engine) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Returns how often the log has failed: what was written and not synced before is lost then.
    pub(in crate::engine) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Acquire)
    }

    /// Notes that a numbered batch was not handed over: it must be forgotten.
    pub(in crate::engine) fn fail(&self) {
        self.failed.store(true, Ordering::Release);
    }

    /// Begins a new file with a checkpoint, after everything that was handed over before, and marks
    /// those events for sealing. The log answers on `done`.
    pub(in crate::engine) fn begin_seal(
        &self,
        checkpoint: Vec<u8>,
        done: &SyncSender<Result<Rotated>>,
    ) {
        if let Err(error) = self.send(LogOrder::BeginSeal { checkpoint, done: done.clone() }) {
            let _ = done.send(Err(error));
        }
    }

    /// Begins a new file that follows everything durable, after a failure.
    pub(in crate::engine) fn mend(&self, checkpoint: Vec<u8>) -> Result<Rotated> {
        let (done, answer) = sync_channel(1);
        self.send(LogOrder::Mend { checkpoint, done })?;
        answer.recv().unwrap_or_else(|_| Err(gone()))
    }

    /// Removes the files before `epoch`.
    pub(in crate::engine) fn trim(&self, epoch: u64) -> Result<()> {
        self.send(LogOrder::Trim { epoch })
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[derive(Debug)]
struct LogThread {
    writer: LogWriter<LogFolder>,
    durable_seq: u64,
    /// Why the file accepts no more frames, if it failed.
    failure: Option<String>,
    failed: Arc<AtomicBool>,
    failures: Arc<AtomicU64>,
    published: Arc<Published>,
    trigger: Arc<SealTrigger>,
    /// Batches that are written, and the time by which they are synced.
    written: SyncGroup,
    sync_by: Option<Instant>,
}

/// Batches that share the next sync, and the callers that wait for them.
#[derive(Debug, Default)]
struct SyncGroup {
    events: Vec<Arc<Event>>,
    parts: Vec<Buffered>,
    end_seq: u64,
    /// Callers that wait for the disk, and those that only wait for the system.
    waiting: Vec<oneshot::Sender<Result<()>>>,
    hurried: Vec<oneshot::Sender<Result<()>>>,
}

impl SyncGroup {
    /// Adds the batches of a later group.
    fn add(&mut self, later: Self) {
        self.events.extend(later.events);
        self.parts.extend(later.parts);
        self.end_seq = self.end_seq.max(later.end_seq);
        self.waiting.extend(later.waiting);
        self.hurried.extend(later.hurried);
    }

    fn answer(
        callers: impl IntoIterator<Item = oneshot::Sender<Result<()>>>,
        failed: Option<&str>,
    ) {
        for done in callers {
            let _ = done.send(failed.map_or(Ok(()), |failed| Err(failure(failed))));
        }
    }
}

impl LogThread {
    /// Carries out orders until the handle is dropped. Appends that are waiting form a group that
    /// is synced once; any other order ends the group and follows its sync.
    fn run(&mut self, orders: &Receiver<LogOrder>) {
        let mut next = self.next(orders);
        while let Some(order) = next {
            let mut group = SyncGroup::default();
            let mut other = None;
            let mut order = Some(order);
            while let Some(taken) = order.take() {
                match taken {
                    LogOrder::Append { frame, promise, done } => {
                        self.take(&mut group, frame, promise, done);
                        // A group has a bound, so that its first caller is not kept waiting by a
                        // steady stream.
                        if self.writer.waiting() < WRITE_BYTES {
                            order = orders.try_recv().ok();
                        }
                    }
                    order => other = Some(order),
                }
            }
            if other.is_none() && group.waiting.is_empty() && self.is_early() {
                self.write(group);
            } else {
                self.sync(group);
            }
            match other {
                Some(LogOrder::BeginSeal { checkpoint, done }) => {
                    drop(done.send(self.begin_seal(checkpoint)))
                }
                Some(LogOrder::Mend { checkpoint, done }) => drop(done.send(self.mend(checkpoint))),
                Some(LogOrder::Trim { epoch }) => {
                    if let Err(cause) = self.writer.trim(epoch) {
                        tracing::warn!(%cause, "cannot remove an old file of the write-ahead log; \
                                               the next seal tries again");
                    }
                }
                Some(LogOrder::Append { .. }) | None => {}
            }
            next = self.next(orders);
        }
        self.sync(SyncGroup::default());
    }

    /// Waits for the next order; meanwhile, what is only written is synced in time.
    fn next(&mut self, orders: &Receiver<LogOrder>) -> Option<LogOrder> {
        if let Some(sync_by) = self.sync_by {
            match orders.recv_timeout(sync_by.saturating_duration_since(Instant::now())) {
                Ok(order) => return Some(order),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => self.sync(SyncGroup::default()),
            }
        }
        orders.recv().ok()
    }

    /// Returns whether what is only written may stay so for now.
    fn is_early(&self) -> bool {
        self.sync_by.is_none_or(|sync_by| Instant::now() < sync_by)
    }

    /// Adds a batch to the group that is synced next.
    fn take(
        &mut self,
        group: &mut SyncGroup,
        frame: Option<(Frame, LoggedEvents)>,
        promise: Promise,
        done: oneshot::Sender<Result<()>>,
    ) {
        if let Some(failed) = &self.failure {
            let _ = done.send(Err(failure(failed)));
            return;
        }
        if let Some((frame, batch)) = frame {
            self.writer.append(&frame);
            group.end_seq = frame.end_seq();
            match batch {
                LoggedEvents::Events(mut events) => group.events.append(&mut events),
                LoggedEvents::Part(part) => group.parts.push(part),
            }
        }
        match promise {
            Promise::Synced => group.waiting.push(done),
            Promise::Written => group.hurried.push(done),
        }
    }

    /// Writes a group for whose callers that is enough. It is synced and shown with the next one
    /// that is, and within [`SYNC_WITHIN`].
    fn write(&mut self, mut group: SyncGroup) {
        let _working = self.trigger.watchdog.begin(crate::engine::WatchedPart::Log);
        match self.writer.write() {
            Ok(()) => {
                SyncGroup::answer(group.hurried.drain(..), None);
                self.written.add(group);
                self.sync_by.get_or_insert_with(|| Instant::now() + SYNC_WITHIN);
            }
            Err(cause) => {
                let written = std::mem::take(&mut self.written);
                self.sync_by = None;
                if self.writer.is_synced() {
                    self.show(written);
                }
                self.refuse(group, &cause);
            }
        }
    }

    /// Syncs a group, shows its events, and answers the callers.
    fn sync(&mut self, group: SyncGroup) {
        let _working = self.trigger.watchdog.begin(crate::engine::WatchedPart::Log);
        let mut all = std::mem::take(&mut self.written);
        self.sync_by = None;
        all.add(group);
        if self.writer.is_behind()
            && let Err(cause) = self.writer.sync()
        {
            return self.refuse(all, &cause);
        }
        self.show(all);
    }

    /// Shows a group that is durable, and answers its callers.
    fn show(&mut self, group: SyncGroup) {
        let SyncGroup { events, mut parts, end_seq, waiting, hurried } = group;
        self.durable_seq = self.durable_seq.max(end_seq.saturating_sub(1));
        if !events.is_empty() {
            parts.push(Buffered::new(events));
        }
        let (count, bytes) = parts
            .iter()
            .fold((0, 0), |sum, part| (sum.0 + part.rows().len(), sum.1 + part.bytes()));
        if count > 0 {
            // Show before counting: a seal that ends in between then counts these events twice,
            // instead of never.
            self.published.add(parts, end_seq.saturating_sub(1));
            self.trigger.added(count, bytes);
        }
        SyncGroup::answer(waiting.into_iter().chain(hurried), None);
    }

    /// Answers a group that the disk did not take.
    fn refuse(&mut self, group: SyncGroup, cause: &std::io::Error) {
        tracing::error!(%cause, "the write-ahead log failed: no more is written to its current \
                                file");
        // Set the flag before answering: a caller may send the next batch at once.
        self.failed_with(cause.to_string());
        let failed = cause.to_string();
        SyncGroup::answer(group.waiting.into_iter().chain(group.hurried), Some(&failed));
    }

    /// Refuses everything until the thread that numbers events has dealt with the failure.
    fn failed_with(&mut self, failure: String) {
        self.failure = Some(failure);
        self.failures.fetch_add(1, Ordering::AcqRel);
        self.failed.store(true, Ordering::Release);
    }

    /// Begins a new file, and returns the events that are in the files before it.
    fn begin_seal(&mut self, checkpoint: Vec<u8>) -> Result<Rotated> {
        if let Some(failed) = &self.failure {
            return Err(failure(failed));
        }
        let mut rotated = self.rotate(checkpoint)?;
        rotated.events = self.published.begin_seal();
        Ok(rotated)
    }

    fn mend(&mut self, checkpoint: Vec<u8>) -> Result<Rotated> {
        let rotated = self.rotate(checkpoint)?;
        self.failure = None;
        self.failed.store(false, Ordering::Release);
        Ok(rotated)
    }

    /// Begins a new file that starts with the checkpoint.
    fn rotate(&mut self, checkpoint: Vec<u8>) -> Result<Rotated> {
        let first_seq = self.durable_seq + 1;
        let checkpoint = Frame { first_seq, events: 0, batch: 0, payload: checkpoint };
        match self.writer.rotate(first_seq, &[checkpoint]) {
            Ok(()) => Ok(Rotated {
                durable_seq: self.durable_seq,
                epoch: self.writer.epoch(),
                events: Vec::new(),
            }),
            Err(cause) => {
                self.failed_with(cause.to_string());
                Err(failure(&cause.to_string()))
            }
        }
    }
}

fn failure(cause: &str) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!(
            "the write-ahead log cannot be written ({cause}): nothing was accepted, send it again \
            later"
        ),
    )
}
