//! Lists that are read by offset while they change: a record that comes in between moves the pages,
//! so one may be seen twice and another not at all.
//!
//! A stretch is read page by page, and again until two passes agree. A list of one page is read at
//! one moment, and need not be read twice.

use super::client::ReadFailure;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

/// How often a stretch is read before it is given up for now.
const PASSES_MAX: usize = 8;
/// The most bytes of records that one pass holds.
const PASS_BYTES_MAX: usize = 128 << 20;
/// How often a page that must not be empty is asked for again.
const EMPTY_MAX: usize = 3;

/// A page of a list that is read by offset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OffsetPage {
    /// Its records, as they came.
    pub(super) records: Vec<String>,
    /// How many records the list has, as the source says.
    pub(super) total: u64,
}

/// A list that is read by offset.
pub(super) trait OffsetList: Sync {
    /// Reads the page that begins after so many records.
    fn page(&self, offset: u64) -> impl Future<Output = Result<OffsetPage, ReadFailure>> + Send;
}

/// Records by a hash of their texts: two that share an id are two, one that is seen twice is one.
type ByHash = BTreeMap<[u8; 16], String>;

/// What one pass has seen.
struct Pass {
    records: ByHash,
    pages: usize,
    /// Whether the number of records stayed the same, and so many were seen.
    is_whole: bool,
}

/// Reads the whole of a list, and returns its records; nothing if there are more than `most`: then
/// a shorter stretch of time is to be read.
///
/// # Errors
/// A page that cannot be had; a list that does not come to rest.
pub(super) async fn read_at_rest(
    list: &impl OffsetList,
    most: u64,
) -> Result<Option<Vec<String>>, ReadFailure> {
    let mut before: Option<BTreeSet<[u8; 16]>> = None;
    for _ in 0..PASSES_MAX {
        let Some(pass) = read_once(list, most).await? else { return Ok(None) };
        let is_same =
            || before.as_ref().is_some_and(|before| before.iter().eq(pass.records.keys()));
        if pass.is_whole && (pass.pages <= 1 || is_same()) {
            return Ok(Some(pass.records.into_values().collect()));
        }
        before = Some(pass.records.into_keys().collect());
    }
    let what = format!("the list changes while it is read: {PASSES_MAX} readings differ");
    Err(ReadFailure::Unavailable(what))
}

async fn read_once(list: &impl OffsetList, most: u64) -> Result<Option<Pass>, ReadFailure> {
    let mut records = ByHash::new();
    let (mut pages, mut first_total, mut is_same_total) = (0, None, true);
    let (mut offset, mut empty, mut bytes) = (0, 0, 0);
    loop {
        let OffsetPage { records: listed, total } = list.page(offset).await?;
        bytes += listed.iter().map(String::len).sum::<usize>();
        if total > most || bytes > PASS_BYTES_MAX {
            return Ok(None);
        }
        pages += 1;
        is_same_total &= *first_total.get_or_insert(total) == total;
        if listed.is_empty() && offset < total {
            // Somewhere between the source and here it was lost.
            empty += 1;
            if empty > EMPTY_MAX {
                let what = format!("the page at {offset} of {total} records is empty");
                return Err(ReadFailure::Unavailable(what));
            }
            continue;
        }
        // The next page begins where this one ends, however many records it has.
        offset += listed.len() as u64;
        let is_last = listed.is_empty() || offset >= total;
        records.extend(listed.into_iter().map(|text| (key_of(&text), text)));
        if is_last {
            return Ok(Some(Pass { records, pages, is_whole: is_same_total && offset == total }));
        }
    }
}

/// What a record is told from others by, whatever its id: a hash of its text.
pub(super) fn key_of(text: &str) -> [u8; 16] {
    let hash = Sha256::digest(text.as_bytes());
    let mut key = [0; 16];
    key.copy_from_slice(&hash[..16]);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Mutex;

    /// A list of the newest first, as the partner centre has it, that changes between its pages.
    struct Growing {
        /// The ids, the newest first.
        there: Vec<u32>,
        /// What happens before each page that is asked for: how many come in, how many go.
        changes: Vec<(u8, u8)>,
        next: u32,
        asked: usize,
        /// How many pages at offset 4 are empty that must not be.
        empty: usize,
    }

    impl Growing {
        fn of(first: u32, changes: Vec<(u8, u8)>) -> Self {
            Self { there: (0..first).rev().collect(), changes, next: first, asked: 0, empty: 0 }
        }

        fn page(&mut self, offset: u64, limit: usize) -> OffsetPage {
            let (come, go) = self.changes.get(self.asked).copied().unwrap_or_default();
            self.asked += 1;
            for _ in 0..come {
                self.there.insert(0, self.next);
                self.next += 1;
            }
            for _ in 0..usize::from(go).min(self.there.len()) {
                self.there.remove(self.there.len() / 2);
            }
            let total = self.there.len() as u64;
            if offset == 4 && self.empty > 0 {
                self.empty -= 1;
                return OffsetPage { records: Vec::new(), total };
            }
            let listed = self.there.iter().skip(offset as usize).take(limit);
            OffsetPage { records: listed.map(u32::to_string).collect(), total }
        }
    }

    struct Pages(Mutex<Growing>, usize);

    impl OffsetList for Pages {
        async fn page(&self, offset: u64) -> Result<OffsetPage, ReadFailure> {
            Ok(self.0.lock().expect("no test has panicked").page(offset, self.1))
        }
    }

    fn read(pages: &Pages, most: u64) -> Result<Option<Vec<String>>, ReadFailure> {
        futures::executor::block_on(read_at_rest(pages, most))
    }

    proptest! {
        #[test]
        fn what_was_there_all_the_time_is_read_or_nothing_is(
            first in 0..60_u32,
            limit in 1..20_usize,
            changes in proptest::collection::vec((0..2_u8, 0..2_u8), 0..25),
        ) {
            let pages = Pages(Mutex::new(Growing::of(first, changes)), limit);
            let Ok(read) = read(&pages, 10_000) else { return Ok(()) };
            let read = read.expect("few");
            for id in &pages.0.lock().expect("no test has panicked").there {
                prop_assert!(*id >= first || read.contains(&id.to_string()), "{id} is missing");
            }
        }
    }

    #[test]
    fn an_empty_page_in_the_middle_is_asked_for_again_and_too_many_are_not_read() {
        let pages = |empty| Pages(Mutex::new(Growing { empty, ..Growing::of(10, Vec::new()) }), 4);
        assert_eq!(read(&pages(2), 100).expect("a list").expect("few").len(), 10);
        assert!(read(&pages(usize::MAX), 100).is_err());
        assert_eq!(read(&pages(0), 9).expect("an answer"), None);
    }
}
