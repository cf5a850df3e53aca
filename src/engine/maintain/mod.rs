//! What is done to a store besides taking in: merging, retention, checks, repair, backups, and the
//! changes that administrators make.

pub(super) mod backup;
pub(super) mod check;
pub(super) mod compact;
pub(super) mod delta_log;
pub(super) mod housekeeping;
pub(super) mod policy;
pub(super) mod repair;
pub(super) mod retention;
pub(super) mod scrub;
pub(super) mod turns;
pub(super) mod views;
