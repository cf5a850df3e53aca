//! Writing: the way of a batch of records from a request into segments of the table.
//!
//! ```text
//! request threads   ingest        compare with the segments; quarantine; large batches to a file
//!                     │           beside the log; take room in the buffer (`room`)
//! annals-intake     intake        find duplicates outside the segments, give sequence numbers
//! annals-log        log           write, sync once for all that wait, show, acknowledge
//! annals-seal       seal          buffer to segments, by size, age or request (`seal_trigger`)
//! annals-table      commit        one Delta commit; segments replace their part of the buffer
//! ```
//!
//! Each thread owns what it changes, so none of this needs a lock that is held while a disk works.
//! `intake` owns the order in which events are accepted, the memory of events that are in no
//! segment, and the remembered answers of requests (`requests`). `log` owns the write-ahead log.
//! `commit` owns the table, for merging and retention too. Slow work stays on the threads of the
//! requests: what is left for `intake` is a few lookups an event, and small batches pass large
//! ones.
//!
//! A batch is compared with the segments before it is queued, and a seal may move events into
//! segments meanwhile. Therefore a batch carries the sequence number up to which it was compared,
//! and `intake` returns it to be compared again if that is out of date. Otherwise a duplicate could
//! be overlooked: no longer in `intake`'s memory, and in a segment that the batch has not seen.
//!
//! A seal passes all of them: `intake` starts a new generation, `log` a new file and marks the
//! buffer, `seal` writes the segments and reads them back, `commit` adds them and swaps the
//! snapshot. Only then does `intake` forget the events, and `log` remove the old files; until then
//! an error or a crash loses nothing, because the next seal or the next start has the events from
//! the log.
//!
//! If the log fails, what was numbered but is not durable must be forgotten: `intake` has the log
//! begin a new file behind everything durable before it numbers another event. Callers that were
//! not acknowledged send their batch again.

pub(super) mod commit;
pub(super) mod cursors;
pub(super) mod ingest;
pub(super) mod intake;
pub(super) mod log;
pub(super) mod outcome;
pub(super) mod own;
pub(super) mod refusals;
pub(super) mod requests;
pub(super) mod room;
pub(super) mod seal;
pub(super) mod seal_trigger;
