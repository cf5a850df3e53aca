//! Looking after the store: small segments become large ones, and files that nothing needs go.
//!
//! [`choose`] is a pure function of what segments there are. [`merge`] makes one segment of several and proves that it holds
//! the same events. The engine commits, shows, and removes. [`copy`] makes and adds to backups.

mod backup;
mod choose;
mod merge;
mod orphans;

pub use backup::{BackupReport, copy};
pub use choose::{Candidate, choose};
pub use merge::{Fingerprint, merge};
pub use orphans::remove_orphans;
