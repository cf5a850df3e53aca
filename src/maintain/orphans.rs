//! Files that no version of the table needs: those that were merged into others or deleted, and the
//! remains of interrupted writes.
//!
//! Files of segments that the table's log records as removed are deleted. A file that the log never
//! named may belong to a segment that the log has lost: it is moved aside, and kept there for a
//! month.

use crate::error::Result;
use crate::event::{DAY_MS, Timestamp};
use crate::storage::{Store, paths};
use std::collections::HashSet;

/// Days that a file is kept aside.
const ASIDE_DAYS: i64 = 30;

/// A file that no version needs.
#[derive(Debug, PartialEq, Eq)]
pub struct Orphan {
    /// The segment that it is named after.
    segment: String,
    path: String,
    /// Whether a process was killed while it wrote the file.
    unfinished: bool,
}

impl Orphan {
    /// Returns the segment that it is named after.
    pub fn segment(&self) -> &str {
        &self.segment
    }

    /// Returns whether it was never finished, whatever happened to the segment.
    pub fn is_unfinished(&self) -> bool {
        self.unfinished
    }
}

/// Returns the files of segments that are not `needed` and were not changed since `before`: until
/// then, other readers of the table may still read a version that has them.
///
/// # Errors
/// A disk that fails.
pub fn orphans(store: &Store, needed: &HashSet<String>, before: Timestamp) -> Result<Vec<Orphan>> {
    let mut found = Vec::new();
    for folder in store.names(paths::TABLE)?.into_iter().filter(|name| name.starts_with("date=")) {
        find(store, &format!("{}/{folder}", paths::TABLE), ".parquet", needed, before, &mut found)?;
    }
    find(store, paths::INDEXES, ".idx", needed, before, &mut found)?;
    find(store, paths::MANIFESTS, ".json", needed, before, &mut found)?;
    Ok(found)
}

/// Adds the orphans of one folder to `found`.
fn find(
    store: &Store,
    folder: &str,
    ending: &str,
    needed: &HashSet<String>,
    before: Timestamp,
    found: &mut Vec<Orphan>,
) -> Result<()> {
    for name in store.all_names(folder)? {
        // A file that a killed process was writing has its final name, a # and a number.
        let (whole, unfinished) =
            name.split_once('#').map_or((name.as_str(), false), |(whole, _)| (whole, true));
        let Some(id) = whole.strip_suffix(ending) else { continue };
        let path = format!("{folder}/{name}");
        if (unfinished || !needed.contains(id))
            && store.changed(&path)?.is_some_and(|changed| changed < before)
        {
            found.push(Orphan { segment: id.to_owned(), path, unfinished });
        }
    }
    Ok(())
}

/// Removes the orphans of segments that the table's log records as removed, and moves the others
/// aside. Returns how many files there were.
///
/// # Errors
/// A disk that fails.
pub fn put_away(
    store: &Store,
    orphans: &[Orphan],
    taken_out: &HashSet<String>,
    now: Timestamp,
) -> Result<usize> {
    for orphan in orphans {
        if taken_out.contains(&orphan.segment) {
            store.remove(&orphan.path)?;
            continue;
        }
        let name = orphan.path.rsplit('/').next().unwrap_or(&orphan.path);
        let aside = format!("{}/{}/{name}", paths::ASIDE, now.date());
        store.rename(&orphan.path, &aside)?;
        tracing::info!(
            file = %store.path(&aside).display(),
            "a file that no version of the table names was moved aside; it will be kept for \
            {ASIDE_DAYS} days"
        );
    }
    Ok(orphans.len())
}

/// Removes what was moved aside a month ago. Returns the number of files.
///
/// # Errors
/// A disk that fails.
pub fn clear_aside(store: &Store, now: Timestamp) -> Result<usize> {
    let kept_from = Timestamp::from_millis(now.millis().saturating_sub(ASIDE_DAYS * DAY_MS)).date();
    let mut removed = 0;
    for day in store.all_names(paths::ASIDE)?.into_iter().filter(|day| *day < kept_from) {
        let folder = format!("{}/{day}", paths::ASIDE);
        for name in store.all_names(&folder)? {
            store.remove(&format!("{folder}/{name}"))?;
            removed += 1;
        }
        store.remove_folder(&folder)?;
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::PutMode;

    #[test]
    fn what_the_log_never_named_is_moved_aside_and_goes_after_a_month() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let store = Store::new(folder.path()).expect("a store");
        for id in ["NEEDED", "MERGED", "LOST"] {
            store
                .put(&paths::data("2026-06-30", id), id.as_bytes(), PutMode::Create)
                .expect("a file");
            store.put(&paths::index(id), id.as_bytes(), PutMode::Create).expect("a file");
        }
        let set = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<HashSet<String>>();
        let now = store.changed(&paths::index("LOST")).expect("a time").expect("a file");
        let later = |days: i64| Timestamp::from_millis(now.millis() + days * DAY_MS);
        assert_eq!(orphans(&store, &set(&["NEEDED"]), later(-1)).expect("files"), []);
        let found = orphans(&store, &set(&["NEEDED"]), later(1)).expect("files");
        assert_eq!(put_away(&store, &found, &set(&["MERGED"]), later(1)).expect("a disk"), 4);
        let there = |path: &str| store.exists(path);
        assert!(there(&paths::data("2026-06-30", "NEEDED")) && there(&paths::index("NEEDED")));
        assert!(
            !there(&paths::data("2026-06-30", "MERGED"))
                && !there(&paths::data("2026-06-30", "LOST"))
        );
        let aside = format!("{}/{}", paths::ASIDE, later(1).date());
        assert_eq!(store.names(&aside).expect("a folder"), ["LOST.idx", "LOST.parquet"]);
        assert_eq!(store.read(&format!("{aside}/LOST.parquet")).expect("the file"), b"LOST");
        assert_eq!(clear_aside(&store, later(ASIDE_DAYS + 1)).expect("a disk"), 0);
        assert_eq!(clear_aside(&store, later(ASIDE_DAYS + 2)).expect("a disk"), 2);
        assert!(store.names(paths::ASIDE).expect("a folder").is_empty());
    }

    #[test]
    fn what_a_link_leads_to_is_neither_removed_nor_moved() {
        let outside = tempfile::tempdir().expect("a temporary directory");
        let theirs = outside.path().join("theirs.parquet");
        std::fs::write(&theirs, "a file of somebody else").expect("a file");
        let folder = tempfile::tempdir().expect("a temporary directory");
        let store = Store::new(folder.path()).expect("a store");
        let now = Timestamp::from_millis(1_782_777_600_000);
        for (link, gone) in [("2026-01-01", true), ("date=2026-06-01", false)] {
            let parent = if gone { paths::ASIDE } else { "events" };
            store.create_folder(parent).expect("a folder");
            let link = store.path(&format!("{parent}/{link}"));
            std::os::unix::fs::symlink(outside.path(), &link).expect("a link");
            let error = match gone {
                true => clear_aside(&store, now).map(drop),
                false => {
                    let path = "events/date=2026-06-01/theirs.parquet".to_owned();
                    let orphan = Orphan { path, segment: "theirs".to_owned(), unfinished: false };
                    put_away(&store, &[orphan], &HashSet::new(), now).map(drop)
                }
            };
            let error = error.expect_err("a link").to_string();
            assert!(error.contains("symbolic link") && theirs.exists(), "{error}");
            std::fs::remove_file(&link).expect("a link");
        }
    }
}
