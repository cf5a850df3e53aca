//! The parts of maintenance that need no engine: which segments are merged, how, and what may go.
//!
//! [`choose`] and [`settle`] are pure functions of the segments that exist, and decide which are
//! merged next; [`cut`] divides them by tenant. [`merge`] writes one segment from parts of several,
//! with a [`Fingerprint`] that proves that no event was lost or changed; [`part`] separates what
//! stays of a segment from what is deleted. [`Policy`] says what is kept, and for how long.
//! [`orphans()`] finds files that no version of the table needs, and [`put_away`] removes them or
//! moves them aside. [`copy`] makes backups, and adds to them. Committing and showing the results
//! is left to the engine.

mod backup;
mod choose;
mod cut;
mod merge;
mod orphans;
mod policy;
mod stay;

pub use backup::{BackupReport, copy, prepare};
pub use choose::{Candidate, SettleOccasion, choose, settle};
pub use cut::{Most, SegmentPiece, cut, runs_when_cut};
pub use merge::{Fingerprint, Fingerprinter, merge};
pub use orphans::{Orphan, clear_aside, orphans, put_away};
pub use policy::{FLOOR_DAYS, Hold, POLICY_KEY, Policy};
pub use stay::{SplitEvents, part, write_left};
