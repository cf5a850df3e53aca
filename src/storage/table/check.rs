//! Problems of the log of a table and of its archives.

use super::{Table, lifecycle};
use crate::error::{Error, Result};
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

/// Refuses to create a table where there are signs of a lost one.
pub(super) fn refuse_lost_table(store: &Store) -> Result<()> {
    let left = |folder: &str| store.names(folder).map(|names| !names.is_empty());
    let parts = store.names(paths::TABLE)?.into_iter().any(|name| name != "_delta_log");
    if parts || left(paths::LOG)? {
        let what = format!(
            "{} holds events and its Delta log is missing: restore {}/_delta_log from a copy; \
                 a new table is not created over them",
            store.path("").display(),
            paths::TABLE
        );
        return Err(Error::corrupt(what));
    }
    Ok(())
}
