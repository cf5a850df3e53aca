//! The thread that owns the Delta table: every commit is made here, on a runtime of its own.
//!
//! Callers hand over what is to be committed and wait for the answer; nobody holds a lock
//! meanwhile. The runtime is not the one that serves requests, so a commit never waits for a thread
//! that waits for a commit.

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

/// Orders that may wait: one for each thread that commits (sealing, merging, retention, an
/// administrator), and some.
const ORDERS_WAITING: usize = 16;
/// Threads of the runtime that commits run on: one reads and writes while another waits for the
/// disk.
const RUNTIME_THREADS: usize = 2;

/// A runtime for commits alone.
///
/// # Errors
/// A system that gives no threads.
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

/// What the owner of the table works with.
#[derive(Debug)]
pub(in crate::engine) struct Owned {
    pub(in crate::engine) table: Table,
    /// A commit failed, and whether it is in the table is not known.
    in_doubt: Arc<AtomicBool>,
    store: Store,
    published: Arc<Published>,
    clock: Arc<dyn Clock>,
    at_step: AtFailpoint,
    runtime: Handle,
}

impl Owned {
    pub(in crate::engine) fn new(
        table: Table,
        store: Store,
        published: Arc<Published>,
        clock: Arc<dyn Clock>,
        at_step: AtFailpoint,
        runtime: Handle,
    ) -> Self {
        Self { table, in_doubt: Arc::default(), store, published, clock, at_step, runtime }
    }

    /// Adds the segments of a seal, and shows them in place of the part of the buffer that they
    /// were made of.
    fn seal(&mut self, segments: Vec<Arc<Segment>>, last_seq: u64) -> Result<u64> {
        self.settle()?;
        let added: Vec<NewSegment<'_>> = new_segments(&segments);
        let committed =
            self.runtime.block_on(self.table.commit(&added, last_seq, self.clock.now()));
        let committed = committed
            .and_then(|version| self.at_step.reach(Failpoint::SealCommitted).map(|()| version));
        self.in_doubt.store(committed.is_err(), Ordering::Relaxed);
        let version = committed?;
        self.published.sealed(version, last_seq, segments);
        Ok(version)
    }

    /// Whether all these segments are in the table: others merge and delete too, and only what is
    /// there can be replaced.
    fn has(&self, segments: &[Arc<Segment>]) -> bool {
        let snapshot = self.published.get();
        let there: HashSet<&str> =
            snapshot.segments.iter().map(|segment| segment.manifest().id.as_str()).collect();
        segments.iter().all(|segment| there.contains(segment.manifest().id.as_str()))
    }

    /// Puts segments in the place of others that hold the same events; nothing is done if these are
    /// not there any more.
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

    /// Takes segments out, and puts in those that hold what is left of their events; nothing is
    /// done if they are not there.
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

    fn exchange(
        &mut self,
        old: &[Arc<Segment>],
        new: Vec<Arc<Segment>>,
        committed: Result<u64>,
        step: Failpoint,
    ) -> Result<u64> {
        let committed = committed.and_then(|version| self.at_step.reach(step).map(|()| version));
        self.in_doubt.store(committed.is_err(), Ordering::Relaxed);
        let version = committed?;
        let ids = old.iter().map(|segment| segment.manifest().id.clone()).collect();
        self.published.exchanged(version, &ids, new);
        Ok(version)
    }

    /// After a commit in doubt: reads the table again, and shows what is in it.
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

/// The way to the thread that owns the table. Dropping it lets the thread end after the orders it
/// has.
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
            // What a disk holds up for ever must not hold up the end of the process.
            runtime.shutdown_background();
        };
        let spawned = std::thread::Builder::new().name("annals-table".into()).spawn(run);
        let thread = spawned.context(ErrorKind::Unavailable, || {
            "cannot start the thread of the table".to_owned()
        })?;
        Ok(Self { orders: Some(orders), in_doubt, thread: Some(thread) })
    }

    /// Runs something on the thread of the table, after the orders before it.
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

    /// Puts segments in the place of others that hold the same events; nothing is done if any of
    /// these is not there any more.
    pub(in crate::engine) fn replace(
        &self,
        old: Vec<Arc<Segment>>,
        new: Vec<Arc<Segment>>,
    ) -> Result<Option<u64>> {
        self.run(move |owned| owned.replace(&old, new))
    }

    /// Takes segments out, and puts in those that hold what is left of their events, if `still`
    /// says so right before and all of them are there; otherwise nothing is done.
    pub(in crate::engine) fn delete_if(
        &self,
        old: Vec<Arc<Segment>>,
        left: Vec<Arc<Segment>>,
        still: impl Fn() -> bool + Send + 'static,
    ) -> Result<Option<u64>> {
        self.run(move |owned| if still() { owned.delete(&old, left) } else { Ok(None) })
    }

    /// Whether a commit failed of which it is not known whether it is in the table.
    pub(in crate::engine) fn is_in_doubt(&self) -> bool {
        self.in_doubt.load(Ordering::Relaxed)
    }

    /// After a commit in doubt: finds out what is in the table, and shows it.
    pub(in crate::engine) fn settle(&self) -> Result<()> {
        self.run(Owned::settle)
    }

    /// The log of the table, and what is shown of exactly its version.
    pub(in crate::engine) fn log_at_rest(&self) -> Result<(TableLog, Arc<Snapshot>)> {
        self.run(|owned| {
            owned.settle()?;
            Ok((owned.table.log(), owned.published.get()))
        })
    }

    /// The same; none while anything about the log is doubtful.
    pub(in crate::engine) fn log_without_doubt(&self) -> Result<Option<(TableLog, Arc<Snapshot>)>> {
        self.run(|owned| {
            owned.settle()?;
            Ok(owned.table.doubts().is_empty().then(|| (owned.table.log(), owned.published.get())))
        })
    }

    /// The files that the log says were taken out of the table.
    pub(in crate::engine) fn removed(&self) -> Result<HashSet<String>> {
        self.run(|owned| owned.runtime.block_on(owned.table.removed()))
    }

    /// What is wrong with the log, found while nobody commits. Its archives are not looked at: they
    /// may be many.
    pub(in crate::engine) fn check_log(&self) -> Result<Vec<String>> {
        self.run(|owned| Ok(owned.runtime.block_on(check_log(&owned.store))))
    }

    /// The ids of the segments in the table.
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
