//! The open parts of segments: footers of Parquet files with their page indexes, and indexes with
//! their dictionaries. They stay open for the next question until together they exceed a budget;
//! then those that were not used recently are closed, and opened again when they are needed. A part
//! that is in use is kept until its user is done. A small share of the budget is for pages of
//! records.

use crate::error::Result;
use crate::storage::segment::cache::pages::{PageKey, Pages, RecordPage};
use crate::storage::segment::cache::scratch::{PageScratch, ScratchPool};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};

/// The default budget, in bytes.
pub const OPEN_BYTES: u64 = 512 << 20;

/// The open parts of all segments of a store.
#[derive(Debug)]
pub struct Opened {
    budget: AtomicU64,
    bytes: AtomicU64,
    /// In the order in which they were opened or spared.
    parts: Mutex<VecDeque<Weak<dyn Closing>>>,
    pages: Pages,
    scratch: ScratchPool,
    /// The serial number of the segment that is opened next.
    next_serial: AtomicU32,
}

/// One byte of the budget in this many is for unpacked pages of records.
const PAGES_SHARE: u64 = 16;

impl Default for Opened {
    fn default() -> Self {
        Self {
            budget: AtomicU64::new(OPEN_BYTES),
            bytes: AtomicU64::new(0),
            parts: Mutex::default(),
            pages: Pages::default(),
            scratch: ScratchPool::default(),
            next_serial: AtomicU32::new(0),
        }
    }
}

/// How much is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OpenParts {
    /// The number of open parts: a segment has two, its data file and its index.
    pub parts: usize,
    /// The memory that they take, in bytes, including unpacked pages of records. Mapped index files
    /// can be reclaimed by the system at any time and are not counted.
    pub bytes: u64,
    /// The memory that they may take, in bytes.
    pub budget: u64,
}

impl Opened {
    /// Sets how much memory open parts may take.
    pub fn set_budget(&self, bytes: u64) {
        self.budget.store(bytes, Ordering::Relaxed);
    }

    /// Returns how much is open.
    pub fn now(&self) -> OpenParts {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        OpenParts {
            parts: parts.iter().filter(|part| part.strong_count() > 0).count(),
            bytes: self.bytes(),
            budget: self.budget.load(Ordering::Relaxed),
        }
    }

    /// Returns a number for a segment that no other segment of the store has.
    pub(in crate::storage::segment) fn new_serial(&self) -> u32 {
        self.next_serial.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns buffers for a reader of records.
    pub(in crate::storage::segment) fn scratch(&self) -> PageScratch {
        self.scratch.take()
    }

    /// Keeps the buffers of a reader for the next one.
    pub(in crate::storage::segment) fn keep_scratch(&self, scratch: PageScratch) {
        self.scratch.give_back(scratch);
    }

    /// Returns an unpacked page of records, if it is cached.
    pub(in crate::storage::segment) fn page(&self, key: PageKey) -> Option<Arc<RecordPage>> {
        self.pages.get(key)
    }

    /// Caches an unpacked page of records.
    pub(in crate::storage::segment) fn keep_page(&self, key: PageKey, page: &Arc<RecordPage>) {
        let budget = self.budget.load(Ordering::Relaxed);
        self.pages.keep(key, page, (budget / PAGES_SHARE) as usize);
        if self.bytes() > budget {
            self.close_some(&mut self.parts.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed) + self.pages.bytes() as u64
    }

    fn add(&self, part: Weak<dyn Closing>, bytes: u64) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.push_back(part);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.close_some(&mut parts);
    }

    fn close_some(&self, parts: &mut VecDeque<Weak<dyn Closing>>) {
        // Each part is spared once if it was used since it was last examined.
        for _ in 0..2 * parts.len() {
            if self.bytes() <= self.budget.load(Ordering::Relaxed) {
                break;
            }
            let Some(oldest) = parts.pop_front() else { break };
            let Some(part) = oldest.upgrade() else { continue };
            if part.spared() {
                parts.push_back(oldest);
            } else {
                part.close();
            }
        }
    }
}

trait Closing: std::fmt::Debug + Send + Sync {
    /// Returns whether the part was used since this was last called.
    fn spared(&self) -> bool;
    fn close(&self);
}

/// A part that is opened on first use and may be closed again.
#[derive(Debug)]
pub(in crate::storage::segment) struct LazyPart<T> {
    open: RwLock<Option<Arc<T>>>,
    /// Its size while it is open.
    bytes: AtomicU64,
    asked: AtomicBool,
    all: Arc<Opened>,
    own: OnceLock<Weak<dyn Closing>>,
}

impl<T: std::fmt::Debug + Send + Sync + 'static> LazyPart<T> {
    pub(in crate::storage::segment) fn new(all: &Arc<Opened>) -> Arc<Self> {
        let part = Arc::new(Self {
            open: RwLock::default(),
            bytes: AtomicU64::new(0),
            asked: AtomicBool::new(false),
            all: Arc::clone(all),
            own: OnceLock::new(),
        });
        let own: Weak<Self> = Arc::downgrade(&part);
        let _ = part.own.set(own);
        part
    }

    /// Closes the part, so that the next caller opens the file again.
    pub(in crate::storage::segment) fn shut(&self) {
        self.close();
    }

    /// Returns the part; if it is not open, `open` provides it with its size in memory.
    pub(in crate::storage::segment) fn get(
        &self,
        open: impl FnOnce() -> Result<(T, u64)>,
    ) -> Result<Arc<T>> {
        if let Some(part) = &*self.open.read().unwrap_or_else(PoisonError::into_inner) {
            if !self.asked.load(Ordering::Relaxed) {
                self.asked.store(true, Ordering::Relaxed);
            }
            return Ok(Arc::clone(part));
        }
        let (part, bytes) = open()?;
        let mut slot = self.open.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have opened it in the meantime.
        if let Some(part) = &*slot {
            return Ok(Arc::clone(part));
        }
        let part = Arc::new(part);
        *slot = Some(Arc::clone(&part));
        self.bytes.store(bytes, Ordering::Relaxed);
        self.asked.store(true, Ordering::Relaxed);
        drop(slot);
        self.all.add(self.own.get().cloned().expect("set when it was made"), bytes);
        Ok(part)
    }
}

impl<T: std::fmt::Debug + Send + Sync> Closing for LazyPart<T> {
    fn spared(&self) -> bool {
        self.asked.swap(false, Ordering::Relaxed)
    }

    fn close(&self) {
        let mut slot = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if slot.take().is_some() {
            self.all.bytes.fetch_sub(self.bytes.swap(0, Ordering::Relaxed), Ordering::Relaxed);
        }
    }
}

impl<T> Drop for LazyPart<T> {
    fn drop(&mut self) {
        self.all.bytes.fetch_sub(self.bytes.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn what_was_not_asked_for_is_closed_first() {
        let all = Arc::new(Opened::default());
        all.set_budget(300);
        let opens = Cell::new(0);
        let parts: Vec<Arc<LazyPart<usize>>> = (0..5).map(|_| LazyPart::new(&all)).collect();
        let get = |index: usize| {
            let open = || {
                opens.set(opens.get() + 1);
                Ok((index, 100))
            };
            assert_eq!(*parts[index].get(open).expect("opens"), index);
        };
        (0..3).for_each(get);
        (0..3).for_each(get);
        assert_eq!((opens.get(), all.now()), (3, OpenParts { parts: 3, bytes: 300, budget: 300 }));
        // All were used, so the oldest is closed; the next one was spared once, and is not spared
        // again unless it is used.
        get(3);
        assert_eq!(all.now().bytes, 300);
        get(1);
        get(4);
        assert_eq!((opens.get(), all.now().bytes), (5, 300));
        get(1);
        assert_eq!(opens.get(), 5, "what was asked for is still open");
        get(2);
        assert_eq!(opens.get(), 6, "what was not is opened again");
    }

    #[test]
    fn a_part_in_use_outlives_its_closing_and_a_dropped_one_is_not_counted() {
        let all = Arc::new(Opened::default());
        all.set_budget(0);
        let part = LazyPart::new(&all);
        let held = part.get(|| Ok(("held", 10))).expect("opens");
        assert_eq!(
            (*held, all.now().bytes),
            ("held", 0),
            "above a budget of nothing it is closed, and used"
        );
        all.set_budget(100);
        let other = LazyPart::new(&all);
        other.get(|| Ok(("other", 60))).expect("opens");
        assert_eq!(all.now(), OpenParts { parts: 1, bytes: 60, budget: 100 });
        drop(other);
        assert_eq!(all.now(), OpenParts { parts: 0, bytes: 0, budget: 100 });
        assert!(
            part.get(|| Err(crate::error::Error::internal("a disk that fails"))).is_err(),
            "an error is not kept"
        );
    }
}
