//! Ingest: the steps that turn the bytes of a request or a file into events in segments.
//!
//! ```text
//!  bytes
//!    │  unpack      decompress gzip, zstd or deflate, within limits
//!    │  split       cut the stream into records
//!    ▼
//!  records
//!    │  decode      replace secrets, decode, determine the tenant ─────► rejected ──┐
//!    ▼                                                                              │
//!  events                                                                           │
//!    │  dedup       new, duplicate, or conflict with an accepted event? ────────────┤
//!    ▼                                                                              ▼
//!  new events                                                                   quarantine
//!    │  beside      write a large batch into a file of its own beside the log
//!    │  logged      encode the batch for the write-ahead log
//!    ▼
//!  accepted events
//!    │  buffer      keep them in sorted, immutable parts that queries read
//!    ▼
//!  segments         built by `seal`, one per event date
//! ```
//!
//! This folder holds the steps; it does not run them. The API's doors and the command line call the
//! first ones, `engine::write` the others. The engine also numbers the events before they are
//! logged, syncs the log and decides when to seal. So nothing here is durable by itself, with two
//! exceptions: the quarantine, which owns its files and the thread that writes them, and the files
//! beside the log, which are durable before the log refers to them.
//!
//! Rules that every step keeps:
//!
//! * Nothing is dropped. Text that is not JSON, a record that is too large or of an unknown format,
//!   and a record that reuses the trace id of another one at the same time all go to quarantine,
//!   with the reason and the line. If quarantine is full, the request is refused as a whole.
//!   Duplicates are only counted.
//! * The record is the truth. The log stores records, not events, and a start decodes them again,
//!   so a decoder must produce the same event from the same bytes.
//! * Secrets go first. Redaction runs before a record is decoded, so neither the log nor the
//!   quarantine nor a segment ever contains what a rule matches.
//! * Memory is bounded. Decompression, documents and the number of records in a document have
//!   limits that apply before the memory is used.

mod beside;
mod buffer;
mod decode;
mod dedup;
mod lines;
mod log_record;
mod logged;
mod quarantine;
mod record;
mod seal;
mod split;
mod unpack;

pub use beside::Beside;
pub use buffer::{Buffered, RowPlan};
pub use decode::{TenantRule, decode_records};
pub use dedup::{DedupVerdict, Generation, IdentityHasher, Unsealed, known_events};
pub use logged::{Decoded, LoggedBatch, LoggedCursor, LoggedRequest, decode_logged};
pub use quarantine::{
    Cleared, Clearing, EntryPage, QUARANTINE_BYTES, Quarantine, QuarantineAsk, QuarantinePage,
    QuarantineUsage, Quarantined, ReasonCount, kind_of,
};
pub use record::{
    CutRecord, DecodedBatch, ForeignTenants, IncomingRecord, RECORD_BYTES_MAX, Rejected,
};
pub use seal::seal;
pub use split::RecordSplitter;
pub use unpack::{Coding, Unpacked};

/// The most records in one batch, and so in one commit, unless a single request has more.
pub const BATCH_RECORDS: usize = 50_000;
/// The most bytes of records in one batch, unless a single request has more.
pub const BATCH_BYTES: usize = 32 << 20;
