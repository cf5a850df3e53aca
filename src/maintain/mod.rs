//! Looking after the store: small segments become large ones, and files that nothing needs go.
//!
//! [`choose`] is a pure function of what segments there are. [`merge`] makes one segment of several and proves that it holds
//! the same events. [`Policy`] says what is kept for
//! how long. The engine commits, shows, and removes. [`copy`] makes and adds to backups.

mod backup;
mod choose;
mod merge;
mod orphans;
mod policy;

pub use backup::{BackupReport, copy, prepare};
pub use choose::{Candidate, choose};
pub use merge::{Fingerprint, events_of, merge};
pub use orphans::remove_orphans;
pub use policy::{FLOOR_DAYS, Hold, Policy};
