//! Which file of the log is the newest, and up to where it was acknowledged, in a file beside them.
//!
//! The log alone cannot tell that its newest file is gone, or was cut: that looks like a log that
//! never was longer. So a marker is written durably when a file is begun, and again, without
//! waiting for the disk, after each sync. It is never ahead of what is durable: after a power cut
//! it may be behind, and then less is known.
//!
//! ```text
//! marker = slot slot, each in 512 bytes of its own; the one with the higher count is good, the other is the one before
//! slot   = "ANNALMRK" count:u64 epoch:u64 first_seq:u64 durable:u64 crc32c:u32
//! ```

use super::frame::BLOCK_BYTES;
use crc32c::crc32c;

/// The marker's file.
pub const NAME: &str = "marker";

const MAGIC: &[u8; 8] = b"ANNALMRK";
const BODY_BYTES: usize = 40;

/// What is known to be in the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Marker {
    /// Counts the times it was written.
    pub(super) count: u64,
    /// The newest file; none yet if 0.
    pub(super) epoch: u64,
    /// The number of its first event.
    pub(super) first_seq: u64,
    /// Up to where it is durable.
    pub(super) durable: u64,
}

impl Marker {
    /// Where its slot is, and the bytes of that.
    pub(super) fn slot(self) -> (u64, Vec<u8>) {
        let mut bytes = MAGIC.to_vec();
        for number in [self.count, self.epoch, self.first_seq, self.durable] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let crc = crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        ((self.count % 2) * BLOCK_BYTES as u64, bytes)
    }

    /// The whole file, with this in both slots.
    pub(super) fn file(self) -> Vec<u8> {
        let mut file = self.slot().1;
        file.resize(BLOCK_BYTES, 0);
        let slot = file.clone();
        file.extend_from_slice(&slot);
        file
    }

    /// The newer of the slots of a file; none if neither is whole.
    pub(super) fn decode(file: &[u8]) -> Option<Self> {
        file.chunks(BLOCK_BYTES).filter_map(Self::decode_slot).max_by_key(|marker| marker.count)
    }

    fn decode_slot(slot: &[u8]) -> Option<Self> {
        let body = slot.get(..BODY_BYTES)?;
        let crc = slot.get(BODY_BYTES..BODY_BYTES + 4)?;
        if &body[..8] != MAGIC || crc32c(body).to_le_bytes() != crc {
            return None;
        }
        let number =
            |at: usize| u64::from_le_bytes(body[at..at + 8].try_into().expect("eight bytes"));
        Some(Self {
            count: number(8),
            epoch: number(16),
            first_seq: number(24),
            durable: number(32),
        })
    }
}
