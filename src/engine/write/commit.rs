//! The thread that owns the Delta table: every commit is made here, on a separate runtime.
//!
//! Callers hand over what is to be committed and wait for the answer; nobody holds a lock
//! meanwhile. The runtime is not the one that serves requests, so a commit never waits for a thread
//! that itself waits for a commit.
//!
//! A commit that returns an error may still have reached the table. Until that is known the table
//! is *in doubt*, and the next order first reads it again (`settle`) and shows what it really
//! holds.

use crate::clock::Clock;
use crate::engine::failpoint::{AtFailpoint, Failpoint};
use crate::engine::snapshot::Published;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::query::Snapshot;
use crate::storage::segment::{Manifest, Segment};
use crate::storage::{NewSegment, Store, Table, TableLog, TableSegment, check_log};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use tokio::runtime::{Builder, Handle, Runtime};

/// The most orders that may wait: one for each thread that commits (sealing, merging, retention, an
/// administrator), and some to spare.
const ORDERS_WAITING: usize = 16;
/// Threads of the commit runtime: one reads and writes while another waits for the disk.
const RUNTIME_THREADS: usize = 2;

/// Builds a runtime for commits alone.
///
/// # Errors
/// If the system cannot start the threads.
pub(in crate::engine) fn runtime() -> Result<Runtime> {
    let built = Builder::new_multi_thread()
        .worker_threads(RUNTIME_THREADS)
        .thread_name("annals-commit")
        .enable_all()
        .build();
    built.context(ErrorKind::Unavailable, || {
        "cannot start the threads that commits run on".to_owned()
    })
}

/// The state of the thread that owns the table.
#[derive(Debug)]
pub(in crate::engine) struct Owned {
    pub(in crate::engine) table: Table,
    /// Whether a commit failed whose outcome is not known.
    in_doubt: Arc<AtomicBool>,
    store: Store,
    published: Arc<Published>,
    clock: Arc<dyn Clock>,
    at_failpoint: AtFailpoint,
    runtime: Handle,
}

impl Owned {
    pub(in crate::engine) fn new(
        table: Table,
        store: Store,
        published: Arc<Published>,
        clock: Arc<dyn Clock>,
        at_failpoint: AtFailpoint,
        runtime: Handle,
    ) -> Self {
        Self { table, in_doubt: Arc::default(), store, published, clock, at_failpoint, runtime }
    }

    /// Adds the segments of a seal, and shows them in place of the part of the buffer that they
    /// were made from.
    fn seal(&mut self, segments: Vec<Arc<Segment>>, last_seq: u64) -> Result<u64> {
        self.settle()?;
        let added: Vec<NewSegment<'_>> = new_segments(&segments);
        let committed =
            self.runtime.block_on(self.table.commit(&added, last_seq, self.clock.now()));
        let committed = committed.and_then(|version| {
            self.at_failpoint.reach(Failpoint::SealCommitted).map(|()| version)
        });
        self.in_doubt.store(committed.is_err(), Ordering::Relaxed);
        let version = committed?;
        self.published.sealed(version, last_seq, segments);
        Ok(version)
    }

    /// Returns whether all these segments are in the table: others merge and delete too, and only
    /// what is present can be replaced.
    fn has(&self, segments: &[Arc<Segment>]) -> bool {
        let snapshot = self.published.get();
        let there: HashSet<&str> =
            snapshot.segments.iter().map(|segment| segment.manifest().id.as_str()).collect();
        segments.iter().all(|segment| there.contains(segment.manifest().id.as_str()))
    }

    /// Replaces segments with others that hold the same events. Does nothing if any of the old ones
    /// is no longer in the table.
    fn replace(&mut self, old: &[Arc<Segment>], new: Vec<Arc<Segment>>) -> Result<Option<u64>> {
        self.settle()?;
        if !self.has(old) {
            return Ok(None);
        }
        let manifests: Vec<&Manifest> = old.iter().map(|segment| segment.manifest()).collect();
        let committed = self.runtime.block_on(self.table.replace(
            &manifests,
            &new_segments(&new),
            self.clock.now(),
        ));
        self.exchange(old, new, committed, Failpoint::MergeCommitted).map(Some)
    }

    /// Removes segments, and adds those that hold what is left of their events. Does nothing if any
    /// of the old ones is no longer in the table.
    fn delete(&mut self, old: &[Arc<Segment>], left: Vec<Arc<Segment>>) -> Result<Option<u64>> {
        self.settle()?;
        if !self.has(old) {
            return Ok(None);
        }
        let manifests: Vec<&Manifest> = old.iter().map(|segment| segment.manifest()).collect();
        let committed = self.runtime.block_on(self.table.delete(
            &manifests,
            &new_segments(&left),
            self.clock.now(),
        ));
        self.exchange(old, left, committed, Failpoint::DeletionCommitted).map(Some)
    }

    /// Shows the result of a commit that replaced `old` with `new`; an error leaves the table in
    /// doubt.
    fn exchange(
        &mut self,
        old: &[Arc<Segment>],
        new: Vec<Arc<Segment>>,
        committed: Result<u64>,
        step: Failpoint,
    ) -> Result<u64> {
        let committed =
            committed.and_then(|version| self.at_failpoint.reach(step).map(|()| version));
        // An error does not prove that the commit is absent: it may have reached the table all the
        // same.
        self.in_doubt.store(committed.is_err(), Ordering::Relaxed);
        let version = committed?;
        let ids = old.iter().map(|segment| segment.manifest().id.clone()).collect();
        self.published.exchanged(version, &ids, new);
        Ok(version)
    }

    /// Reads the table again after a commit in doubt, and shows what it holds.
    fn settle(&mut self) -> Result<()> {
        if !self.in_doubt.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.table = self.runtime.block_on(Table::open(&self.store, false))?;
        let last_seq = self.table.last_seq();
        let snapshot = self.published.get();
        let known: HashMap<&str, &Arc<Segment>> = snapshot
            .segments
            .iter()
            .map(|segment| (segment.manifest().id.as_str(), segment))
            .collect();
        let committed = self.runtime.block_on(self.table.segments())?;
        let open = |segment: &TableSegment| match known.get(segment.id.as_str()) {
            Some(known) => Ok(Arc::clone(known)),
            None => Segment::open(&self.store, &segment.id).map(Arc::new),
        };
        let segments = committed.iter().map(open).collect::<Result<_>>()?;
        self.published.replaced(self.table.version(), last_seq, segments);
        self.in_doubt.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn segment_ids(&self) -> Result<HashSet<String>> {
        let segments = self.runtime.block_on(self.table.segments())?;
        Ok(segments.into_iter().map(|segment| segment.id).collect())
    }
}

fn new_segments(segments: &[Arc<Segment>]) -> Vec<NewSegment<'_>> {
    segments.iter().map(|segment| NewSegment { manifest: segment.manifest() }).collect()
}

type CommitOrder = Box<dyn FnOnce(&mut Owned) + Send>;

/// The handle of the thread that owns the table. Dropping it lets the thread end after the orders
/// it has.
#[derive(Debug)]
pub(in crate::engine) struct Committer {
    orders: Option<SyncSender<CommitOrder>>,
    in_doubt: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    /// Starts the thread. The runtime lives as long as the thread does.
    pub(in crate::engine) fn start(owned: Owned, runtime: Runtime) -> Result<Self> {
        let (orders, received) = sync_channel(ORDERS_WAITING);
        let in_doubt = Arc::clone(&owned.in_doubt);
        let run = move || {
            run(owned, &received);
            // A disk that hangs must not keep the process from ending.
            runtime.shutdown_background();
        };
        let spawned = std::thread::Builder::new().name("annals-table".into()).spawn(run);
        let thread = spawned.context(ErrorKind::Unavailable, || {
            "cannot start the thread of the table".to_owned()
        })?;
        Ok(Self { orders: Some(orders), in_doubt, thread: Some(thread) })
    }

    /// Runs `work` on the thread of the table, after the orders before it.
    pub(in crate::engine) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Owned) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (done, answer) = sync_channel(1);
        let order: CommitOrder = Box::new(move |owned| {
            let _ = done.send(work(owned));
        });
        let sent = self.orders.as_ref().is_some_and(|orders| orders.send(order).is_ok());
        let gone = || Error::internal("the thread of the table has ended; restart to recover");
        if sent { answer.recv().unwrap_or_else(|_| Err(gone())) } else { Err(gone()) }
    }

    /// Commits the segments of a seal, which hold everything up to `last_seq`, and shows them.
    /// Returns the table's version.
    pub(in crate::engine) fn seal(
        &self,
        segments: Vec<Arc<Segment>>,
        last_seq: u64,
    ) -> Result<u64> {
        self.run(move |owned| owned.seal(segments, last_seq))
    }

    /// Replaces segments with others that hold the same events. Does nothing if any of the old ones
    /// is no longer in the table.
    pub(in crate::engine) fn replace(
        &self,
        old: Vec<Arc<Segment>>,
        new: Vec<Arc<Segment>>,
    ) -> Result<Option<u64>> {
        self.run(move |owned| owned.replace(&old, new))
    }

    /// Removes segments, and adds those that hold what is left of their events. Does nothing unless
    /// `still` returns true right before the commit and all the old ones are in the table.
    pub(in crate::engine) fn delete_if(
        &self,
        old: Vec<Arc<Segment>>,
        left: Vec<Arc<Segment>>,
        still: impl Fn() -> bool + Send + 'static,
    ) -> Result<Option<u64>> {
        self.run(move |owned| if still() { owned.delete(&old, left) } else { Ok(None) })
    }

    /// Returns whether a commit failed whose outcome is not known.
    pub(in crate::engine) fn is_in_doubt(&self) -> bool {
        self.in_doubt.load(Ordering::Relaxed)
    }

    /// Finds out what the table holds after a commit in doubt, and shows it.
    pub(in crate::engine) fn settle(&self) -> Result<()> {
        self.run(Owned::settle)
    }

    /// Returns the log of the table, and the snapshot of exactly its version.
    pub(in crate::engine) fn log_at_rest(&self) -> Result<(TableLog, Arc<Snapshot>)> {
        self.run(|owned| {
            owned.settle()?;
            Ok((owned.table.log(), owned.published.get()))
        })
    }

    /// Returns what [`Committer::log_at_rest`] does, or none while anything about the log is
    /// doubtful.
    pub(in crate::engine) fn log_without_doubt(&self) -> Result<Option<(TableLog, Arc<Snapshot>)>> {
        self.run(|owned| {
            owned.settle()?;
            Ok(owned.table.doubts().is_empty().then(|| (owned.table.log(), owned.published.get())))
        })
    }

    /// Returns the segments that the log records as removed from the table.
    pub(in crate::engine) fn removed(&self) -> Result<HashSet<String>> {
        self.run(|owned| owned.runtime.block_on(owned.table.removed()))
    }

    /// Returns the problems found in the log while nobody commits. The log's archives are not
    /// checked here, since there may be many.
    pub(in crate::engine) fn check_log(&self) -> Result<Vec<String>> {
        self.run(|owned| Ok(owned.runtime.block_on(check_log(&owned.store))))
    }

    /// Returns the ids of the segments in the table.
    pub(in crate::engine) fn segment_ids(&self) -> Result<HashSet<String>> {
        self.run(|owned| owned.segment_ids())
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(mut owned: Owned, orders: &Receiver<CommitOrder>) {
    for order in orders {
        order(&mut owned);
    }
}
