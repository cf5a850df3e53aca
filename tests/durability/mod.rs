//! What must stay true: kills, power cuts, full and failing disks, damage, retention, backups, load.

mod admin;
mod backup;
mod compaction;
mod connections;
mod failpoints;
mod formats;
mod health;
pub(crate) mod kills;
mod load;
mod retention;
