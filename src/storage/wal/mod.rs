//! The write-ahead log: what makes an answer to a producer true before there is a segment.
//!
//! A batch is one frame. Frames are appended to the newest file of the log by one thread, and a
//! batch is acknowledged after the `fdatasync` that covers its frame. When the events of a file are
//! in the table, the file is removed.
//!
//! ```text
//! file  = header frame*
//! header = "ANNALWAL" version:u32 epoch:u64 first_seq:u64 reserved:u32 crc32c:u32
//! frame  = "FRAM" kind:u32 epoch:u64 durable:u64 first_seq:u64 batch:u128 events:u32 length:u64 payload_crc32c:u32 crc32c:u32
//!          payload 0xA5
//! ```
//!
//! All numbers are little-endian. Epochs count files. The events of all frames are numbered without
//! a gap, and each file says with which number it begins. From that follows what recovery may
//! believe:
//!
//! * A file gets its name when its header is durable. After a stop, the batches that were read are
//!   written into a new file before anything else happens: what a killed process wrote may be in
//!   the page cache only, and would be gone after the next power cut.
//! * What a file holds at or after the first number of a later file is void: it was never
//!   acknowledged, and was written again or given up when the file before was poisoned. So after an
//!   error nothing is repaired in place and no `fsync` is tried twice (the kernel reports a failed
//!   write-back once): a new file begins at the first number that is not durable.
//! * What a file lacks before the first number of the next file was acknowledged and is lost: that
//!   is damage, and refused.
//! * Beside the files is a marker (`marker.rs`): the newest file must be there, and be as long as
//!   it says.
//! * At the end of the last file, a frame that is not whole is a *torn tail* if the file ends
//!   within it, or if a block of it is nothing but zeros, as a power cut leaves it; nothing after
//!   it was acknowledged, and it is cut off. Anything else is damage: a flipped bit leaves no such
//!   mark (frames begin and end in bytes that are not zero, payloads have no empty block).
//!   `durable` says up to where the file was synced when the frame was written, so a hole that lies
//!   before a later frame's mark is damage too, whatever it looks like.

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

/// The name of the file of an epoch.
fn file_name(epoch: u64) -> String {
    format!("{epoch:020}.wal")
}

/// The epoch of a file's name.
fn epoch_of(name: &str) -> Option<u64> {
    name.strip_suffix(".wal").filter(|digits| digits.len() == 20)?.parse().ok()
}
