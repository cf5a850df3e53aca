//! Everything that accesses a disk: the durable store, the data directory, administrative state,
//! segments and the Delta table.
//!
//! **Invariant:** when a call of this module that writes returns, its data survives a power cut.
//! Files are written under a temporary name, synced, published by one rename or link, and then
//! their directory is synced.

pub mod admin;
mod data_dir;
mod durable_objects;
mod files;
mod marked;
mod marks;
pub mod paths;
mod process;
pub mod quarantine;
pub mod segment;
mod store;
mod table;
mod version;
pub mod wal;

pub use data_dir::{AccessMode, DataDir};
pub use files::PutMode;
pub use marks::{
    Marked, accept, changed, check_marks, gone, put_folder_mark, put_guarded, read_guarded,
    remove_guarded,
};
pub use process::{Memory, memory};
pub use store::Store;
pub use table::{
    Account, Archived, LogFileCopy, NewSegment, Table, TableLog, TableSegment, check_archives,
    check_log, check_same_history, clear_archives, files_to_copy, prune_log,
};
pub use version::{put_version, raise_version};
