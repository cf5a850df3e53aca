//! Buffers for reading pages of records. A question reads a few pages of each of many segments, so
//! buffers go from one reader to the next instead of being made for each.

use super::pages::RecordPage;
use std::sync::{Mutex, PoisonError};

/// A page that is kept for the next reader has at most this many bytes.
const KEPT_BYTES_MAX: usize = 1 << 20;
/// The most buffers that are kept: more readers than this are rarely at work.
const KEPT_MAX: usize = 32;

/// The buffers of one reader.
#[derive(Default)]
pub(in crate::storage::segment) struct PageScratch {
    pub(in crate::storage::segment) unpacker: Option<zstd::bulk::Decompressor<'static>>,
    /// The page that was read last, if it is not shared.
    pub(in crate::storage::segment) page: RecordPage,
}

/// Buffers that no reader uses.
#[derive(Default)]
pub(super) struct ScratchPool(Mutex<Vec<PageScratch>>);

impl std::fmt::Debug for ScratchPool {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("ScratchPool")
    }
}

impl ScratchPool {
    pub(super) fn take(&self) -> PageScratch {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    pub(super) fn give_back(&self, scratch: PageScratch) {
        if scratch.page.bytes.capacity() <= KEPT_BYTES_MAX {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() < KEPT_MAX {
                kept.push(scratch);
            }
        }
    }
}
