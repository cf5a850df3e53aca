//! From bytes to events: unpack, split into records, decode; what cannot be decoded is kept in
//! quarantine.
//!
//! Nothing here is durable but the quarantine; the engine logs what comes out, keeps it in the
//! buffer, and seals the buffer into segments.

mod accept;
mod beside;
mod buffer;
mod known;
mod logged;
mod quarantine;
mod split;
mod unpack;

pub use accept::{DecodedBatch, IncomingRecord, Rejected, TenantRule, decode_records, seal};
pub use beside::Beside;
pub use buffer::{Buffered, RowPlan};
pub use known::{DedupVerdict, Generation, IdentityHasher, Unsealed, known_events};
pub use logged::{Decoded, LoggedBatch, LoggedRequest, decode_logged};
pub use quarantine::{
    Cleared, Clearing, QUARANTINE_BYTES, Quarantine, QuarantineAsk, QuarantinePage, Quarantined,
    ReasonCount, kind_of,
};
pub use split::{RECORD_BYTES_MAX, RecordSplitter};
pub use unpack::{Coding, Unpacked};

/// The most records in one batch, and so in one commit, unless a single request has more.
pub const BATCH_RECORDS: usize = 50_000;
/// The most bytes of records in one batch, unless a single request has more.
pub const BATCH_BYTES: usize = 32 << 20;
