//! The marker: a file beside the log that records which log file is the newest, and up to which
//! offset it was acknowledged.
//!
//! The log alone cannot show that its newest file is gone or was cut: it would look like a log that
//! was never longer. So a marker is written durably when a file is started, and again after each
//! sync, without waiting for the disk. It is never ahead of what is durable; after a power cut it
//! may be behind, and then less is known.
//!
//! ```text
//! marker = slot slot, each in 512 bytes of its own; the one with the higher count is valid,
//!          the other is the previous one
//! slot   = "ANNALMRK" count:u64 epoch:u64 first_seq:u64 durable:u64 crc32c:u32
//! ```

use super::frame::BLOCK_BYTES;
use crc32c::crc32c;

/// The name of the marker's file.
pub const NAME: &str = "marker";

const MAGIC: &[u8; 8] = b"ANNALMRK";
const BODY_BYTES: usize = 40;

/// What is known to be in the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Marker {
    /// How many times it was written.
    pub(super) count: u64,
    /// The epoch of the newest file; 0 if there is none yet.
    pub(super) epoch: u64,
    /// The sequence number of its first event.
    pub(super) first_seq: u64,
    /// The offset up to which it is durable.
    pub(super) durable: u64,
}

impl Marker {
    /// Returns the offset and the bytes of its slot.
    pub(super) fn slot(self) -> (u64, Vec<u8>) {
        let mut bytes = MAGIC.to_vec();
        for number in [self.count, self.epoch, self.first_seq, self.durable] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let crc = crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        ((self.count % 2) * BLOCK_BYTES as u64, bytes)
    }

    /// Returns the bytes of the whole file, with this marker in both slots.
    pub(super) fn file(self) -> Vec<u8> {
        let mut file = self.slot().1;
        file.resize(BLOCK_BYTES, 0);
        let slot = file.clone();
        file.extend_from_slice(&slot);
        file
    }

    /// Decodes the newer slot of a file; `None` if neither is whole.
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
