//! Sealing: the buffer becomes segments of the table, off the request path; then the log is
//! trimmed. One thread seals.

use crate::decode;
use crate::engine::Writer;
use crate::engine::failpoint::Failpoint;
use crate::engine::write::seal_trigger::Wake;
use crate::error::{Error, Result};
use crate::event::{Event, Timestamp};
use crate::ingest::seal;
use crate::storage::segment::{Segment, SegmentFiles, SegmentOptions};
use crate::storage::{PutMode, Store, paths};
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

/// How long the sealer rests after the first failure, and at most.
const REST: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// Runs the thread that seals, until it is told to stop.
pub(in crate::engine) fn run(writer: &Writer) {
    let mut rest = Duration::ZERO;
    let settings = &writer.shared.settings;
    while writer.trigger.wait_for_work(
        settings.seal_events,
        settings.seal_bytes,
        settings.seal_after,
        rest,
    ) == Wake::Seal
    {
        let asked = writer.trigger.take_asked();
        let sealed = writer.seal();
        for done in asked {
            let answer = sealed
                .as_ref()
                .copied()
                .map_err(|error| Error::new(error.kind(), error.to_string()));
            let _ = done.send(answer);
        }
        writer.shared.watchdog.ended(crate::engine::WatchedPart::Seal, sealed.is_ok());
        match sealed {
            Ok(()) => rest = Duration::ZERO,
            Err(error) => {
                tracing::error!(%error, "cannot seal the buffer; its events are safe in the \
                                        write-ahead log");
                rest = (rest * 2).clamp(REST.0, REST.1);
                writer.trigger.sealed(|| writer.shared.published.buffered());
            }
        }
    }
}

fn ended() -> Error {
    Error::internal("the thread that seals has ended; the events are safe in the write-ahead log")
}

impl Writer {
    /// Has the buffer sealed. When this returns, everything that was accepted before is in the
    /// table.
    pub(in crate::engine) fn seal_now(&self) -> Result<()> {
        self.trigger.ask_now().recv().unwrap_or_else(|_| Err(ended()))
    }

    /// Has the buffer sealed, but waits no longer than `limit`. Returns whether the seal finished
    /// in time.
    pub(in crate::engine) fn seal_within(&self, limit: Duration) -> Result<bool> {
        match self.trigger.ask_now().recv_timeout(limit) {
            Ok(sealed) => sealed.map(|()| true),
            Err(RecvTimeoutError::Timeout) => Ok(false),
            Err(RecvTimeoutError::Disconnected) => Err(ended()),
        }
    }

    /// Makes segments of everything in the buffer, and removes the log files that held it.
    fn seal(&self) -> Result<()> {
        let _working = self.shared.watchdog.begin(crate::engine::WatchedPart::Seal);
        self.table.settle()?;
        let begun = self.intake.begin_seal()?;
        self.shared.reach(Failpoint::SealBegun)?;
        if !begun.events.is_empty() {
            self.write_segments(begun.events, begun.durable_seq)?;
        }
        self.shared.reach(Failpoint::SealShown)?;
        // The old events are dropped on this thread: freeing many takes a while.
        drop(self.intake.sealed(begun.durable_seq)?);
        self.log.trim(begun.epoch)?;
        self.trigger.sealed(|| self.shared.published.buffered());
        Ok(())
    }

    /// Writes events into segments, reads those back, commits them, and shows them.
    fn write_segments(&self, events: Vec<Arc<Event>>, last_seq: u64) -> Result<()> {
        let now = self.shared.clock.now();
        let mut number = 0;
        let has_placed = events.iter().any(|event| event.placed.is_some());
        let form = SegmentOptions {
            decoders: if has_placed { decode::PLACED_VERSION } else { decode::VERSION },
            summary: self.shared.settings.summary,
        };
        let store = self.shared.data.store();
        // Ids are held, so that no file of these segments is mistaken for an orphan before the
        // commit.
        let mut work = self.in_work.begin();
        let next_id = || {
            number += 1;
            let id = segment_id(now, last_seq, number);
            work.hold(&id);
            id
        };
        let manifests = self
            .shared
            .pools
            .seal
            .install(|| seal(events, form, next_id, |files| put(store, files)))?;
        self.shared.reach(Failpoint::SealWritten)?;
        let segments =
            manifests.into_iter().map(|manifest| Arc::new(Segment::new(store, manifest))).collect();
        self.table.seal(segments, last_seq).map(drop)
    }
}

/// Writes the files of a segment, and compares what the disk returns with their hashes.
pub(in crate::engine) fn put(store: &Store, segment: &SegmentFiles) -> Result<()> {
    let manifest = &segment.manifest;
    let (data, index) = (paths::data(&manifest.date, &manifest.id), paths::index(&manifest.id));
    // A name is unique unless a process died before its commit; then what it left is replaced.
    store.put(&data, &segment.data, PutMode::Replace)?;
    store.put(&index, &segment.index, PutMode::Replace)?;
    store.put(&paths::manifest(&manifest.id), &manifest.encode(), PutMode::Replace)?;
    for (path, mark) in [(&data, &manifest.data), (&index, &manifest.index)] {
        if !mark.is_of(&store.read_back(path)?) {
            let what = format!(
                "{} does not read back as it was written: the disk is returning wrong data",
                store.path(path).display()
            );
            return Err(Error::corrupt(what));
        }
    }
    Ok(())
}

/// Returns a ULID made of the time and the sequence number: unique without randomness, and in the
/// order of commits.
pub(in crate::engine) fn segment_id(now: Timestamp, last_seq: u64, number: u16) -> String {
    ulid::Ulid::from_parts(
        now.millis().max(0) as u64,
        (u128::from(last_seq) << 16) | u128::from(number),
    )
    .to_string()
}
