//! Files that no version of the table needs: what an interrupted write left, and what was merged into something else.

use crate::error::Result;
use crate::event::Timestamp;
use crate::storage::{Store, paths};
use std::collections::HashSet;

/// Removes the files of segments that are not `needed` and were not changed since `before`; returns how many. Other readers
/// of the table may still read a version that was current until then.
///
/// # Errors
/// A disk that fails.
pub fn remove_orphans(store: &Store, needed: &HashSet<String>, before: Timestamp) -> Result<usize> {
    let mut removed = 0;
    for folder in store.names(paths::TABLE)?.into_iter().filter(|name| name.starts_with("date=")) {
        let folder = format!("{}/{folder}", paths::TABLE);
        removed += remove_in(store, &folder, ".parquet", needed, before)?;
    }
    removed += remove_in(store, paths::INDEXES, ".idx", needed, before)?;
    removed += remove_in(store, paths::MANIFESTS, ".json", needed, before)?;
    Ok(removed)
}

fn remove_in(store: &Store, folder: &str, ending: &str, needed: &HashSet<String>, before: Timestamp) -> Result<usize> {
    let mut removed = 0;
    for name in store.all_names(folder)? {
        // What a killed process was writing has the name it was to get, a # and a number.
        let (whole, temporary) = name.split_once('#').map_or((name.as_str(), false), |(whole, _)| (whole, true));
        let Some(id) = whole.strip_suffix(ending) else { continue };
        let path = format!("{folder}/{name}");
        if (temporary || !needed.contains(id)) && store.changed(&path)?.is_some_and(|changed| changed < before) {
            store.remove(&path)?;
            removed += 1;
        }
    }
    Ok(removed)
}
