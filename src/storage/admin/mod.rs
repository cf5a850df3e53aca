//! Administrative state: the policy, saved views, and what else administrators set up, as records
//! of a few kinds in one small transactional store, `admin.redb`.
//!
//! * `record` defines the kinds, a record, and a change of one.
//! * `snapshot` is the whole state at one version, in memory and immutable. Readers share it;
//!   nothing is read from the file after it was opened.
//! * `database` turns a state into the bytes of a redb database and back, and commits changes. It
//!   alone names redb.
//! * `file` is the file in a data directory: its mark, its compare-and-change, its check.
//!
//! **Invariant:** a file that was changed by anything else is an error that names it, never another
//! state. redb verifies its checksums only after a crash, and falls back to the commit before the
//! last if the newest is damaged. So each record has a SHA-256 of its own, the whole has one over
//! these, its count and its version, and `marks/admin.redb` says which of these the file must have.

mod database;
mod file;
mod record;
mod snapshot;

#[cfg(test)]
mod tests;

pub use file::{AdminFile, put_admin};
pub use record::{AdminRecord, RecordChange, RecordKind};
pub use snapshot::{AdminSnapshot, AdminState};
