//! Problems of the log of a table and of its archives.

use super::{Table, lifecycle};
use crate::storage::{Store, paths};

/// Finds the problems of a store's table log: its commits, its checkpoints and its archives. Nobody
/// may write to it meanwhile.
pub async fn check_log(store: &Store) -> Vec<String> {
    let mut wrong = Vec::new();
    match Table::open(store, false).await {
        Ok(table) => wrong.extend(table.doubts),
        Err(error) => wrong.push(error.to_string()),
    }
    wrong
}

/// Finds the problems of the log's archives; each names its file.
pub fn check_archives(store: &Store) -> Vec<String> {
    let mut wrong = Vec::new();
    let archives = store.names(paths::TABLE_ARCHIVE).unwrap_or_default();
    for name in archives.iter().filter(|name| paths::archive_of(name).is_some()) {
        let read = lifecycle::read_archive(store, &format!("{}/{name}", paths::TABLE_ARCHIVE));
        wrong.extend(read.err().map(|error| error.to_string()));
    }
    wrong
}
