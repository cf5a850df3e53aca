//! Looking after the store: small segments become large ones, and files that nothing needs go.
//!
//! [`choose`] and [`settle`] are pure functions of what segments there are, [`cut`] of their
//! tenants. [`merge`] makes one segment of parts of several and tells by what its events are known,
//! [`part`] what stays of one. [`Policy`] says what is kept for how long. The engine commits,
//! shows, and removes. [`copy`] makes and adds to backups.

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
pub use merge::{Fingerprint, merge};
pub use orphans::{Orphan, clear_aside, orphans, put_away};
pub use policy::{FLOOR_DAYS, Hold, Policy};
pub use stay::{Parted, part, write_left};
