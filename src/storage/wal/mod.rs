//! The write-ahead log: keeps the promise of an acknowledgement to a producer until there is a
//! segment.
//!
//! A batch is one frame. Frames are appended to the newest file of the log by one thread, and a
//! batch is acknowledged after the `fdatasync` that covers its frame. Once the events of a file are
//! in the table, the file is removed.
//!
//! ```text
//! file  = header frame*
//! header = "ANNALWAL" version:u32 epoch:u64 first_seq:u64 reserved:u32 crc32c:u32
//! frame  = "FRAM" kind:u32 epoch:u64 durable:u64 first_seq:u64 batch:u128 events:u32 length:u64
//!          payload_crc32c:u32 crc32c:u32 payload 0xA5
//! ```
//!
//! All numbers are little-endian. Epochs number the files. The events of all frames are numbered
//! without a gap, and each file records the number it begins with. From that follows what recovery
//! may rely on:
//!
//! * A file gets its name when its header is durable. After a stop, the batches that were read are
//!   written into a new file before anything else happens: what a killed process wrote may be in
//!   the page cache only, and would be gone after the next power cut.
//! * What a file contains at or after the first number of a later file is void: it was never
//!   acknowledged, and was either written again or given up when the previous file failed. So after
//!   an error nothing is repaired in place and no `fsync` is tried twice (the kernel reports a
//!   failed write-back once): a new file begins at the first number that is not durable.
//! * What a file lacks before the first number of the next file was acknowledged and is lost: that
//!   is damage, and refused.
//! * Beside the files is a marker (`marker.rs`): the newest file must exist and be at least as long
//!   as the marker says.
//! * At the end of the last file, an incomplete frame is a *torn tail* if the file ends within it,
//!   or if one of its blocks consists of zeros only, as a power cut leaves it; nothing after it was
//!   acknowledged, and it is cut off. Anything else is damage: a flipped bit leaves no such mark
//!   (frames begin and end with bytes that are not zero, and payloads have no empty block).
//!   `durable` is the offset up to which the file was synced when the frame was written, so a hole
//!   before the mark of a later frame is damage too, whatever it looks like.

mod disk;
mod frame;
mod marker;
mod recover;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;
mod writer;

pub use disk::{LogDisk, LogFolder};
pub use frame::Frame;
pub use marker::NAME as MARKER;
pub use recover::{Recovered, TornTail, recover};
pub use writer::LogWriter;

/// Returns the name of the file of an epoch.
fn file_name(epoch: u64) -> String {
    format!("{epoch:020}.wal")
}

/// Returns the epoch in the name of a file.
fn epoch_of(name: &str) -> Option<u64> {
    name.strip_suffix(".wal").filter(|digits| digits.len() == 20)?.parse().ok()
}
