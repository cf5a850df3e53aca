//! What is wrong with the log of a table, and with its archives.

use super::{Table, lifecycle};
use crate::storage::{Store, paths};

/// What is wrong with the log of a store: its commits, its checkpoints and its archives. Nobody may
/// write to it meanwhile.
pub async fn check_log(store: &Store) -> Vec<String> {
    let mut wrong = Vec::new();
    match Table::open(store, false).await {
        Ok(table) => wrong.extend(table.doubts),
        Err(error) => wrong.push(error.to_string()),
    }
    wrong
}

/// What is wrong with the archives of the log, each naming its file.
pub fn check_archives(store: &Store) -> Vec<String> {
    let mut wrong = Vec::new();
    let archives = store.names(paths::TABLE_ARCHIVE).unwrap_or_default();
    for name in archives.iter().filter(|name| paths::archive_of(name).is_some()) {
        let read = lifecycle::read_archive(store, &format!("{}/{name}", paths::TABLE_ARCHIVE));
        wrong.extend(read.err().map(|error| error.to_string()));
    }
    wrong
}
