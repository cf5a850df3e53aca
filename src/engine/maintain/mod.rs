//! Maintenance: what is done to a store besides accepting events.
//!
//! In the background, each on its own thread:
//!
//! * `compact` merges small segments after seals, and cuts past dates by tenant when it is quiet.
//! * `housekeeping` runs once an hour: `retention` deletes what has expired and is not held,
//!   `scrub` compares a part of the files with their hashes, and files that nothing needs are
//!   removed.
//! * `repair` rebuilds indexes that a question, a batch or the scrubber has found damaged.
//!
//! On request: `backup` copies a running store, and `check` verifies all of it. `admin` changes
//! administrative state: `policy` retention and legal holds, `views` the saved views of the screen;
//! `carry_over` reads what earlier versions kept of it. `delta_log` makes checkpoints of the
//! table's log and archives old commits.
//!
//! How it stays out of the way:
//!
//! * Background work holds no lock while it reads or writes. `turns` lets one merge, one removal
//!   and one checkpoint run at a time, and keeps the table's log in place while a backup or a check
//!   reads it.
//! * The table is changed only by the thread that commits (`write::commit`). A merge or deletion
//!   names the segments that it replaces; if one of them is gone by then, nothing is done.
//! * New segments are compared with what they replace before they are committed.
//! * A file is removed only if no version of the table needs it that anyone may still read, no work
//!   has it in hand, and the shown segments add up to what the table's last commit says. Files of
//!   segments that the log does not name as removed are moved aside for a month instead.
//! * What administrators and retention do is recorded as events of the tenant `_annals`, before it
//!   is done. A change of administrative state that was recorded but not made is made at the next
//!   start.
//! * The thread that commits a deletion checks the version of the policy right before: a legal hold
//!   waits for one commit at most.

pub(super) mod admin;
pub(super) mod backup;
mod carry_over;
pub(super) mod check;
pub(super) mod compact;
pub(super) mod delta_log;
pub(super) mod directory;
pub(super) mod housekeeping;
pub(super) mod policy;
pub(super) mod repair;
pub(super) mod retention;
pub(super) mod saved_views;
pub(super) mod scrub;
pub(super) mod turns;
pub(super) mod views;
