//! From bytes to events: unpack, split into records, decode; what cannot be decoded is kept in quarantine.
//!
//! Nothing here is durable; the engine takes what comes out, makes segments of it and commits them. The write-ahead log
//! and the buffer will stand between the two.

mod accept;
mod quarantine;
mod split;
mod unpack;

pub use accept::{Batch, Record, Rejected, TenantRule, decode_records, known_events, seal};
pub use quarantine::{Quarantine, Quarantined};
pub use split::{RECORD_BYTES_MAX, RecordSplitter};
pub use unpack::{Coding, Unpacked};

/// The most records in one batch, and so in one commit, unless a single request has more.
pub const BATCH_RECORDS: usize = 200_000;
/// The most bytes of records in one batch, unless a single request has more.
pub const BATCH_BYTES: usize = 128 << 20;
