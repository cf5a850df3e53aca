//! Recently read, unpacked pages of records of all segments: a question shows what it has just
//! verified, and a list page begins where the previous one ended. Bounded in bytes; the oldest
//! pages are dropped first.

use hashbrown::HashMap;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// A page of records.
#[derive(Debug, Default)]
pub(in crate::storage::segment) struct RecordPage {
    pub(in crate::storage::segment) bytes: Vec<u8>,
    /// The range of bytes of each record in the page.
    pub(in crate::storage::segment) ranges: Vec<Range<u32>>,
}

impl RecordPage {
    /// Returns the record at an index within the page.
    #[inline]
    pub(in crate::storage::segment) fn record(&self, index: u32) -> &[u8] {
        let index = &self.ranges[index as usize];
        &self.bytes[index.start as usize..index.end as usize]
    }

    fn size(&self) -> usize {
        self.bytes.capacity() + self.ranges.capacity() * size_of::<Range<u32>>() + 128
    }
}

/// The serial number of a page's segment, and the page's first row there.
pub(in crate::storage::segment) type PageKey = (u32, u32);

/// The cached pages.
#[derive(Debug, Default)]
pub(in crate::storage::segment) struct Pages(Mutex<CachedPage>);

#[derive(Debug, Default)]
struct CachedPage {
    pages: HashMap<PageKey, Arc<RecordPage>>,
    /// In the order in which they were added.
    order: VecDeque<PageKey>,
    bytes: usize,
}

impl Pages {
    /// Returns a page, if it is cached.
    pub(in crate::storage::segment) fn get(&self, key: PageKey) -> Option<Arc<RecordPage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pages.get(&key).cloned()
    }

    /// Caches a page for as long as newer ones leave room for it in `budget` bytes.
    pub(in crate::storage::segment) fn keep(
        &self,
        key: PageKey,
        page: &Arc<RecordPage>,
        budget: usize,
    ) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have added it in the meantime.
        if kept.pages.insert(key, Arc::clone(page)).is_none() {
            kept.order.push_back(key);
            kept.bytes += page.size();
        }
        while kept.bytes > budget {
            let Some(oldest) = kept.order.pop_front() else { break };
            if let Some(page) = kept.pages.remove(&oldest) {
                kept.bytes -= page.size();
            }
        }
    }

    /// Returns the memory that the pages take, in bytes.
    pub(in crate::storage::segment) fn bytes(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_pages_go_when_there_is_no_room() {
        let pages = Pages::default();
        let page = |size: usize| {
            Arc::new(RecordPage { bytes: vec![7; size], ranges: vec![0..3, 3..size as u32] })
        };
        let room = 3 * page(1_000).size();
        for number in 0..5 {
            pages.keep((1, number), &page(1_000), room);
        }
        assert_eq!(
            (0..5).map(|number| pages.get((1, number)).is_some()).collect::<Vec<_>>(),
            [false, false, true, true, true]
        );
        assert_eq!((pages.bytes(), pages.get((2, 4)).is_none()), (room, true));
        pages.keep((1, 4), &page(1_000), room);
        assert_eq!(pages.bytes(), room, "a page that is there already is counted once");
        assert_eq!(pages.get((1, 4)).expect("kept").record(0), [7; 3]);
        pages.keep((1, 9), &page(10_000), room);
        assert!(
            pages.bytes() == 0 && pages.get((1, 9)).is_none(),
            "one that is larger than all room is not kept"
        );
    }
}
