//! How background work keeps out of the way of other work: turns that are taken and given back, and
//! the ids of segments that are in use. The locks in here are held for a few instructions; no work
//! holds one while a disk is busy.

use crate::engine::Shared;
use crate::engine::write::seal::segment_id;
use crate::event::Timestamp;
use crate::storage::paths;
use crate::storage::segment::Segment;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Lets one piece of work of a kind run at a time: merges, for example, so that memory holds only
/// one of them. Who came first is first, however often others come again.
#[derive(Debug, Default)]
pub(in crate::engine) struct Turns {
    line: Mutex<WaitingLine>,
    given_back: Condvar,
}

/// The number that the next to come gets, and the one whose turn it is.
#[derive(Debug, Default)]
struct WaitingLine {
    next: u64,
    serving: u64,
}

/// A turn; dropping it gives it back.
#[derive(Debug)]
pub(in crate::engine) struct MaintenanceTurn<'a>(&'a Turns);

impl Turns {
    /// Waits until whoever came before has had the turn, and takes it.
    pub(in crate::engine) fn take(&self) -> MaintenanceTurn<'_> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let own = line.next;
        line.next += 1;
        let line = self.given_back.wait_while(line, |line| line.serving != own);
        drop(line.unwrap_or_else(PoisonError::into_inner));
        MaintenanceTurn(self)
    }
}

impl Drop for MaintenanceTurn<'_> {
    fn drop(&mut self) {
        self.0.line.lock().unwrap_or_else(PoisonError::into_inner).serving += 1;
        // Only the next in line goes on, and who that is, nobody else knows.
        self.0.given_back.notify_all();
    }
}

/// Coordinates the readers of the Delta log's files with archiving. Readers are backups and checks,
/// several at once, for as long as they take; the owner of the table is not one of them. No file
/// leaves the log meanwhile, while commits and checkpoints are added as usual.
#[derive(Debug, Default)]
pub(in crate::engine) struct LogFiles {
    users: Mutex<LogUsers>,
    archived: Condvar,
}

#[derive(Debug, Default)]
struct LogUsers {
    readers: usize,
    archiving: bool,
}

/// While this is held, no file leaves the log.
#[derive(Debug)]
pub(in crate::engine) struct ReadingLog<'a>(&'a LogFiles);

/// While this is held, files of the log may be moved.
#[derive(Debug)]
pub(in crate::engine) struct ArchivingLog<'a>(&'a LogFiles);

impl LogFiles {
    fn users(&self) -> MutexGuard<'_, LogUsers> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to read. Waits for the archive that is being written, whose size has a bound.
    pub(in crate::engine) fn read(&self) -> ReadingLog<'_> {
        let users = self.archived.wait_while(self.users(), |users| users.archiving);
        users.unwrap_or_else(PoisonError::into_inner).readers += 1;
        ReadingLog(self)
    }

    /// Begins to archive, unless somebody is reading or archiving: that can wait until next time.
    pub(in crate::engine) fn archive(&self) -> Option<ArchivingLog<'_>> {
        let mut users = self.users();
        if users.archiving || users.readers > 0 {
            return None;
        }
        users.archiving = true;
        Some(ArchivingLog(self))
    }
}

impl Drop for ReadingLog<'_> {
    fn drop(&mut self) {
        self.0.users().readers -= 1;
    }
}

impl Drop for ArchivingLog<'_> {
    fn drop(&mut self) {
        self.0.users().archiving = false;
        self.0.archived.notify_all();
    }
}

/// The segments that are being written and are not in the table yet, and those that are being
/// removed from it. Their files must not be treated as unneeded.
#[derive(Debug, Default)]
pub(in crate::engine) struct SegmentsInWork(Mutex<HashMap<String, usize>>);

/// The segments that one piece of work uses; dropping it releases them.
#[derive(Debug)]
pub(in crate::engine) struct SegmentWork<'a> {
    all: &'a SegmentsInWork,
    ids: Vec<String>,
}

impl SegmentsInWork {
    fn counts(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a piece of work.
    pub(in crate::engine) fn begin(&self) -> SegmentWork<'_> {
        SegmentWork { all: self, ids: Vec::new() }
    }

    /// Returns the ids of all segments in use.
    pub(in crate::engine) fn ids(&self) -> HashSet<String> {
        self.counts().keys().cloned().collect()
    }
}

impl SegmentWork<'_> {
    /// Marks a segment as in use. Returns whether nobody else uses it.
    pub(in crate::engine) fn hold(&mut self, id: &str) -> bool {
        let mut counts = self.all.counts();
        let others = counts.entry(id.to_owned()).or_default();
        *others += 1;
        self.ids.push(id.to_owned());
        *others == 1
    }

    /// Marks segments that are about to leave the table as in use.
    pub(in crate::engine) fn hold_all(&mut self, segments: &[Arc<Segment>]) {
        for segment in segments {
            self.hold(&segment.manifest().id);
        }
    }

    /// Returns an id that no file has and nobody else is about to write. It has to be searched for:
    /// a clock may stand still, and the version of the table does not count segments.
    pub(in crate::engine) fn new_id(
        &mut self,
        shared: &Shared,
        last_seq: u64,
        number: &mut u64,
    ) -> String {
        loop {
            let id = maintained_id(shared.clock.now(), last_seq, *number);
            *number += 1;
            if self.hold(&id) && !shared.data.store().exists(&paths::manifest(&id)) {
                return id;
            }
        }
    }
}

impl Drop for SegmentWork<'_> {
    fn drop(&mut self) {
        let mut counts = self.all.counts();
        for id in self.ids.drain(..) {
            if let Some(count) = counts.get_mut(&id) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(&id);
                }
            }
        }
    }
}

/// Returns the id of a segment that is made from others. Numbers below 2¹⁵ belong to seals.
fn maintained_id(now: Timestamp, last_seq: u64, version: u64) -> String {
    segment_id(now, last_seq, (1 << 15) | (version % (1 << 15)) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_not_archived_while_it_is_read_and_readers_do_not_wait_for_each_other() {
        let files = LogFiles::default();
        let (first, second) = (files.read(), files.read());
        assert!(files.archive().is_none());
        drop(first);
        assert!(files.archive().is_none(), "the second still reads");
        drop(second);
        let archiving = files.archive().expect("nobody reads");
        assert!(files.archive().is_none(), "one at a time");
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| drop(files.read()));
            drop(archiving);
            reader.join().expect("the reader goes on when the archive is written");
        });
    }

    #[test]
    fn a_turn_is_given_back() {
        let turns = Turns::default();
        let first = turns.take();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| drop(turns.take()));
            drop(first);
            second.join().expect("the turn comes");
        });
        drop(turns.take());
    }

    #[test]
    fn a_segment_is_in_work_until_nobody_works_with_it() {
        let all = SegmentsInWork::default();
        let (mut one, mut other) = (all.begin(), all.begin());
        assert!(one.hold("A") && !other.hold("A") && other.hold("B"));
        drop(other);
        assert_eq!(all.ids(), HashSet::from(["A".to_owned()]));
        drop(one);
        assert!(all.ids().is_empty());
    }
}
