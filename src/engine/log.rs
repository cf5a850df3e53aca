//! The thread that owns the write-ahead log: it writes what waits, syncs once for all of it, shows it, and only then says so.

use super::published::Published;
use super::signal::Signal;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::Event;
use crate::storage::wal::{Frame, LogFolder, LogWriter};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Orders that may wait.
const ORDERS_WAITING: usize = 1_024;
/// Bytes that are written at a time.
const WRITE_BYTES: usize = 8 << 20;

/// What the log is told to do. Orders are done in the order they come.
#[derive(Debug)]
enum Order {
    /// Make a batch durable and show it; without a frame, say when everything before it is.
    Append { frame: Option<(Frame, Vec<Arc<Event>>)>, done: SyncSender<Result<()>> },
    /// Begin a new file, after the last durable event and no earlier than after `sealed`. Mends a log that failed.
    Rotate { sealed: u64, checkpoint: Vec<u8>, done: SyncSender<Result<Rotated>> },
    /// Remove the files before this one.
    Trim { epoch: u64 },
}

/// A new file of the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rotated {
    /// The last event that is durable.
    pub(super) durable_seq: u64,
    /// The file's number.
    pub(super) epoch: u64,
}

/// The log's thread. Dropping it lets the thread end after the orders it has.
#[derive(Debug)]
pub(super) struct Log {
    orders: Option<SyncSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

/// An answer that is still to come.
#[derive(Debug)]
pub(super) struct Pending(Receiver<Result<()>>);

impl Pending {
    /// Waits until everything up to the order is durable and shown.
    ///
    /// # Errors
    /// A disk that failed: nothing of the batch was acknowledged.
    pub(super) fn wait(self) -> Result<()> {
        self.0.recv().unwrap_or_else(|_| Err(gone()))
    }
}

fn gone() -> Error {
    Error::internal("the thread of the log has ended; restart to recover")
}

impl Log {
    /// Starts the thread. `writer` has its file, and everything up to `durable_seq` is durable and shown.
    pub(super) fn start(writer: LogWriter<LogFolder>, durable_seq: u64, published: Arc<Published>, signal: Arc<Signal>) -> Result<Self> {
        let (orders, received) = sync_channel(ORDERS_WAITING);
        let mut thread = LogThread { writer, durable_seq, failed: None, published, signal };
        let spawned = std::thread::Builder::new().name("annals-log".into()).spawn(move || thread.run(&received));
        let thread = spawned.context(ErrorKind::Unavailable, || "cannot start a thread".to_owned())?;
        Ok(Self { orders: Some(orders), thread: Some(thread) })
    }

    fn send(&self, order: Order) -> Result<()> {
        self.orders.as_ref().and_then(|orders| orders.send(order).ok()).ok_or_else(gone)
    }

    /// Takes a batch.
    pub(super) fn append(&self, frame: Frame, events: Vec<Arc<Event>>) -> Result<Pending> {
        self.order(Some((frame, events)))
    }

    /// Says when everything before is durable.
    pub(super) fn barrier(&self) -> Result<Pending> {
        self.order(None)
    }

    fn order(&self, frame: Option<(Frame, Vec<Arc<Event>>)>) -> Result<Pending> {
        let (done, answer) = sync_channel(1);
        self.send(Order::Append { frame, done })?;
        Ok(Pending(answer))
    }

    /// Begins a new file with a checkpoint, after everything that was taken before.
    pub(super) fn rotate(&self, sealed: u64, checkpoint: Vec<u8>) -> Result<Rotated> {
        let (done, answer) = sync_channel(1);
        self.send(Order::Rotate { sealed, checkpoint, done })?;
        answer.recv().unwrap_or_else(|_| Err(gone()))
    }

    /// Removes the files before `epoch`.
    pub(super) fn trim(&self, epoch: u64) -> Result<()> {
        self.send(Order::Trim { epoch })
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
    /// Why the file takes nothing more.
    failed: Option<String>,
    published: Arc<Published>,
    signal: Arc<Signal>,
}

/// Batches that are written and not synced, and who waits for them.
#[derive(Debug, Default)]
struct Group {
    events: Vec<Arc<Event>>,
    end_seq: u64,
    waiting: Vec<SyncSender<Result<()>>>,
}

impl LogThread {
    fn run(&mut self, orders: &Receiver<Order>) {
        let mut next = orders.recv().ok();
        while let Some(order) = next {
            let mut group = Group::default();
            let mut other = None;
            let mut order = Some(order);
            while let Some(taken) = order.take() {
                match taken {
                    Order::Append { frame, done } => {
                        self.take(&mut group, frame, done);
                        if self.writer.waiting() < WRITE_BYTES {
                            order = orders.try_recv().ok();
                        }
                    }
                    order => other = Some(order),
                }
            }
            self.sync(group);
            match other {
                Some(Order::Rotate { sealed, checkpoint, done }) => {
                    let _ = done.send(self.rotate(sealed, checkpoint));
                }
                Some(Order::Trim { epoch }) => {
                    if let Err(cause) = self.writer.trim(epoch) {
                        tracing::warn!(%cause, "cannot remove a file of the log; the next seal tries again");
                    }
                }
                Some(Order::Append { .. }) | None => {}
            }
            next = orders.recv().ok();
        }
    }

    fn take(&mut self, group: &mut Group, frame: Option<(Frame, Vec<Arc<Event>>)>, done: SyncSender<Result<()>>) {
        if let Some(failed) = &self.failed {
            let _ = done.send(Err(failure(failed)));
            return;
        }
        if let Some((frame, mut events)) = frame {
            self.writer.append(&frame);
            group.end_seq = frame.end_seq();
            group.events.append(&mut events);
        }
        group.waiting.push(done);
    }

    fn sync(&mut self, group: Group) {
        let _working = self.signal.watchdog.begin(super::Part::Log);
        let Group { events, end_seq, waiting } = group;
        let synced = if self.writer.waiting() > 0 { self.writer.sync() } else { Ok(()) };
        match synced {
            Ok(()) => {
                self.durable_seq = self.durable_seq.max(end_seq.saturating_sub(1));
                if !events.is_empty() {
                    let (count, bytes) = (events.len(), events.iter().map(|event| event.original.len()).sum());
                    // Shown first: a seal that ends in between then counts them twice, not never.
                    self.published.add(events);
                    self.signal.added(count, bytes);
                }
                for done in waiting {
                    let _ = done.send(Ok(()));
                }
            }
            Err(cause) => {
                tracing::error!(%cause, "the write-ahead log failed: its file takes nothing more");
                let failed = cause.to_string();
                for done in waiting {
                    let _ = done.send(Err(failure(&failed)));
                }
                self.failed = Some(failed);
            }
        }
    }

    fn rotate(&mut self, sealed: u64, checkpoint: Vec<u8>) -> Result<Rotated> {
        self.durable_seq = self.durable_seq.max(sealed);
        let first_seq = self.durable_seq + 1;
        let checkpoint = Frame { first_seq, events: 0, batch: 0, payload: checkpoint };
        match self.writer.rotate(first_seq, &[checkpoint]) {
            Ok(()) => {
                self.failed = None;
                Ok(Rotated { durable_seq: self.durable_seq, epoch: self.writer.epoch() })
            }
            Err(cause) => {
                let error = failure(&cause.to_string());
                self.failed = Some(cause.to_string());
                Err(error)
            }
        }
    }
}

fn failure(cause: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("the write-ahead log cannot be written ({cause}): nothing was taken, send it again later"))
}
