//! The files of quarantine: compact, with a checksum for every byte, and still partly readable when
//! damaged.
//!
//! ```text
//! file    = header block* [index trailer]
//! header  = "ANNALSQ1" version:u32 crc32c:u32
//! block   = "QBLK" records:u32 packed:u32 unpacked:u32 crc32c:u32 payload
//!           (crc32c of the header before it, and the payload)
//! index   = summary rows ids                                                (see `index`)
//! trailer = "ANNQEND1" (offset:u64 length:u64 crc32c:u32)×3 first:u64 last:u64 rows:u64 crc32c:u32
//! ```
//!
//! All numbers are little-endian; payloads are compressed with zstd. Records are numbered as they
//! come. New ones are appended to `FIRST.log`, which has no index; a full log is rewritten as
//! `FIRST-LAST.kept`, in large blocks with an index, and removed. `FIRST.length` records how many
//! bytes of the log are durable (`length:u64 crc32c:u32`), so that a truncated log is noticed even
//! if it was cut between two blocks. A kept file whose numbers lie within those of another one was
//! merged into it. `files.json` lists the files that must exist, so that a missing one is noticed.
//! Files of earlier versions (`ID.ndjson`) are read as they are.

mod bytes;
mod entry;
mod files;
mod index;
mod part;
mod reading;
mod sections;
mod writing;

pub use entry::QuarantineEntry;
pub use files::{Folder, FolderContents};
pub use index::{Count, QuarantineRow, QuarantineSummary};
pub use part::QuarantineFile;
pub use writing::{Appender, write_kept};

/// Maximum number of records in one kept file.
pub const FILE_RECORDS: usize = 100_000;
/// Maximum size of one kept file, in bytes before compression.
pub const FILE_BYTES: u64 = 32 << 20;
/// Maximum number of bytes of a record that are stored; of a longer one, its beginning, its length
/// and its hash.
pub const HEAD_BYTES: usize = 64 << 10;
/// The number of the first record of this version; lower numbers belong to records of earlier
/// versions.
pub const FIRST_NUMBER: u64 = 1 << 40;
/// The bytes that a record is charged with in addition to its own.
pub const RECORD_OVERHEAD: u64 = 128;

/// Identifies a record: the first half of a SHA-256.
pub type QuarantineId = [u8; 16];

const MAGIC: &[u8; 8] = b"ANNALSQ1";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 16;
const BLOCK_MAGIC: &[u8; 4] = b"QBLK";
const BLOCK_HEADER_BYTES: usize = 20;
const END_MAGIC: &[u8; 8] = b"ANNQEND1";
const TRAILER_BYTES: usize = 8 + 3 * 20 + 3 * 8 + 4;
/// Bytes of records in one block, before compression; a single record may be larger.
const BLOCK_BYTES: usize = 256 << 10;
/// Maximum size of a decompressed block: earlier versions stored whole records.
const UNPACKED_MAX: usize = 1 << 30;

#[cfg(test)]
mod tests;
