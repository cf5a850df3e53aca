//! The version file of a data directory, `annals.json`: the format of the directory, and which
//! marks there must be. A mark tells that a file was changed or lost; this tells that a mark was.

use super::files::PutMode;
use super::paths::{self, VERSION_FILE};
use super::store::Store;
use crate::error::{Context, Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// The version of the directory's layout that this build writes. Since 2 the policy is in
/// `admin.redb`: an earlier annals, which would not see it there, refuses the directory.
const FORMAT_VERSION: u32 = 2;
/// The earliest version that this build reads. Opening for writing raises it.
const EARLIEST_FORMAT: u32 = 1;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct VersionFile {
    format: u32,
    /// Earlier versions did not list their marks.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    marks: BTreeSet<String>,
}

fn read(store: &Store) -> Result<VersionFile> {
    serde_json::from_slice(&store.read(VERSION_FILE)?).context(ErrorKind::Corrupt, || {
        format!("{} is not a version mark", store.path(VERSION_FILE).display())
    })
}

/// Writes the version file, with the marks that there are. The format of a directory that has one
/// stays as it is.
///
/// # Errors
/// A disk that fails, or a damaged version file.
pub fn put_version(store: &Store) -> Result<()> {
    let there = store.exists(VERSION_FILE).then(|| read(store)).transpose()?;
    let format = there.map_or(FORMAT_VERSION, |version| version.format);
    let marks = store.names(paths::MARKS)?.into_iter().collect();
    write(store, &VersionFile { format, marks })
}

/// Raises the format of a directory to the one that this build writes, so that no earlier annals
/// opens it any more. A directory that has no version file yet is left alone.
///
/// # Errors
/// A disk that fails, or a damaged version file.
pub fn raise_version(store: &Store) -> Result<()> {
    if !store.exists(VERSION_FILE) {
        return Ok(());
    }
    let _adding = ADDING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut version = read(store)?;
    if version.format == FORMAT_VERSION {
        return Ok(());
    }
    version.format = FORMAT_VERSION;
    write(store, &version)
}

fn write(store: &Store, version: &VersionFile) -> Result<()> {
    let bytes = serde_json::to_vec(version)
        .context(ErrorKind::Internal, || "cannot write JSON".to_owned())?;
    store.put(VERSION_FILE, &bytes, PutMode::Replace)
}

/// Held while a mark is added: two files of one directory may be written at once, and each adds its
/// own to what it read.
static ADDING: Mutex<()> = Mutex::new(());

/// Adds a mark, which was just written, to those that there must be.
///
/// # Errors
/// A disk that fails.
pub(super) fn note_mark(store: &Store, name: &str) -> Result<()> {
    // A directory that is being prepared or copied gets its version file last.
    if !store.exists(VERSION_FILE) {
        return Ok(());
    }
    let _adding = ADDING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut version = read(store)?;
    if !version.marks.insert(name.to_owned()) {
        return Ok(());
    }
    write(store, &version)
}

/// Returns the marks that there must be and that are gone.
///
/// # Errors
/// A version file that cannot be read.
pub(super) fn missing_marks(store: &Store) -> Result<Vec<String>> {
    let there = store.names(paths::MARKS)?;
    Ok(read(store)?.marks.into_iter().filter(|name| !there.contains(name)).collect())
}

/// Fails unless this build reads the directory's format.
///
/// # Errors
/// A directory of another format, or a damaged version file.
pub(super) fn check_version(store: &Store) -> Result<()> {
    let format = read(store)?.format;
    if (EARLIEST_FORMAT..=FORMAT_VERSION).contains(&format) {
        return Ok(());
    }
    let path = store.path(VERSION_FILE);
    let what = format!(
        "{} was written in format {format}, this annals reads formats {EARLIEST_FORMAT} to \
        {FORMAT_VERSION}: use the annals that wrote it",
        path.parent().unwrap_or(&path).display(),
    );
    Err(Error::new(ErrorKind::Version, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_that_are_added_at_once_are_all_there() {
        let folder = tempfile::tempdir().expect("a directory");
        let store = Store::new(folder.path()).expect("a store");
        put_version(&store).expect("a version file");
        let add = |thread: usize| {
            for number in 0..20 {
                note_mark(&store, &format!("{thread}-{number}")).expect("a mark");
            }
        };
        std::thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || add(thread));
            }
        });
        assert_eq!(read(&store).expect("a version file").marks.len(), 80);
    }
}
