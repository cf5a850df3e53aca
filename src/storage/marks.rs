//! The hashes of small files that others may read or write: keys, redaction rules, and the policy
//! and saved views of earlier versions.
//!
//! The hash of a file is stored in a separate file. While a file is being replaced, both hashes are
//! valid, so that a process that dies in between leaves a file that has one of them. A file from an
//! earlier version has no hash and is accepted as it is. Two marks have no hash: each says that a
//! folder exists, whose own list of files would be lost with it. One has the hash of a state
//! instead of a file's ([`super::admin`]). Which marks there must be is in the
//! [version file](super::version).

use super::files::PutMode;
use super::marked::{put_marked, read_marked};
use super::paths;
use super::store::Store;
use super::version::{missing_marks, note_mark, put_version};
use crate::error::{Error, ErrorKind, Result};
use crate::event::hex;
use sha2::{Digest, Sha256};

/// The state of a small file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marked {
    /// It exists and has its hash, or never had one.
    Sound(Vec<u8>),
    /// It exists and was changed.
    Changed(Vec<u8>),
    /// It existed and is gone.
    Gone,
    /// It never existed.
    Absent,
}

/// Stored instead of a hash for a file that does not exist.
const NONE: &str = "none";

fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hashes(store: &Store, name: &str) -> Result<Vec<String>> {
    let advice = format!(
        "the hash of {name} (if that file is known to be whole, remove this one and start again)"
    );
    Ok(read_marked(store, &paths::mark(name))
        .map_err(|error| error.at(advice))?
        .unwrap_or_default())
}

/// Writes a small file of the data directory and its hash.
///
/// # Errors
/// A disk that fails.
pub fn put_guarded(store: &Store, name: &str, bytes: &[u8]) -> Result<()> {
    let new = hash(bytes);
    let mut good = match store.read(name) {
        Ok(there) => vec![hash(&there)],
        Err(error) if error.kind() == ErrorKind::NotFound => vec![NONE.to_owned()],
        Err(error) => return Err(error),
    };
    good.push(new.clone());
    put_marked(store, &paths::mark(name), &good)?;
    store.put(name, bytes, PutMode::Replace)?;
    put_marked(store, &paths::mark(name), &[new])?;
    note_mark(store, name)
}

/// Returns whether a mark says that there is a folder.
fn is_of_folder(name: &str) -> bool {
    [paths::LOG, paths::QUARANTINE_MARK].contains(&name)
}

/// Returns whether a mark holds something else than the hash of its file.
fn is_of_its_own(name: &str) -> bool {
    is_of_folder(name) || name == paths::ADMIN_FILE
}

/// Writes the mark of a folder, if it does not exist.
///
/// # Errors
/// A disk that fails.
pub fn put_folder_mark(store: &Store, name: &str) -> Result<()> {
    debug_assert!(is_of_folder(name), "{name} is a file");
    if !store.exists(&paths::mark(name)) {
        store.put(&paths::mark(name), b"this folder must exist\n", PutMode::Replace)?;
    }
    note_mark(store, name)
}

/// Reports marks that are gone, and writes them again for the files as they are now.
///
/// # Errors
/// A disk that fails, or a damaged version file.
pub(super) fn restore_marks(store: &Store) -> Result<()> {
    for name in missing_marks(store)? {
        tracing::warn!("{}; the start goes on with what is there", lost(store, &name));
        match store.read(&name) {
            _ if is_of_its_own(&name) => {}
            Ok(bytes) => accept(store, &name, &bytes)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    // What was removed together with its file is not expected any longer.
    put_version(store)
}

fn lost(store: &Store, name: &str) -> String {
    let (mark, file) = (store.path(&paths::mark(name)), store.path(name));
    let (mark, file) = (mark.display(), file.display());
    if !is_of_folder(name) && !store.exists(name) {
        return format!("{mark} and {file} are gone: restore them from a backup");
    }
    format!("{mark} is gone, so it is unknown whether {file} is as annals wrote it")
}

/// Accepts the file as it is now as the valid one.
///
/// # Errors
/// A disk that fails.
pub fn accept(store: &Store, name: &str, bytes: &[u8]) -> Result<()> {
    put_marked(store, &paths::mark(name), &[hash(bytes)])?;
    note_mark(store, name)
}

/// Reads a small file and returns its state.
///
/// # Errors
/// A disk that fails, or a hash that is itself damaged.
pub fn read_guarded(store: &Store, name: &str) -> Result<Marked> {
    let good = hashes(store, name)?;
    match store.read(name) {
        Ok(bytes) if good.is_empty() || good.contains(&hash(&bytes)) => Ok(Marked::Sound(bytes)),
        Ok(bytes) => Ok(Marked::Changed(bytes)),
        Err(error)
            if error.kind() == ErrorKind::NotFound
                && (good.is_empty() || good.iter().any(|hash| hash == NONE)) =>
        {
            Ok(Marked::Absent)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Marked::Gone),
        Err(error) => Err(error),
    }
}

/// Removes a small file with its mark, if they exist. It is no longer expected then.
///
/// # Errors
/// A disk that fails.
pub fn remove_guarded(store: &Store, name: &str) -> Result<()> {
    if store.exists(name) || store.exists(&paths::mark(name)) {
        store.remove(name)?;
        store.remove(&paths::mark(name))?;
        put_version(store)?;
    }
    Ok(())
}

/// Returns the error for a file that was changed.
pub fn changed(store: &Store, name: &str) -> Error {
    Error::corrupt(format!(
        "{} is not what annals wrote: restore it from a backup, or, if it was changed on purpose, \
        remove {} and start again",
        store.path(name).display(),
        store.path(&paths::mark(name)).display()
    ))
}

/// Returns the error for a file that is gone.
pub fn gone(store: &Store, name: &str) -> Error {
    Error::corrupt(format!(
        "{} was there and is gone: restore it from a backup, or, if it was removed on purpose, \
        remove {} and start again",
        store.path(name).display(),
        store.path(&paths::mark(name)).display()
    ))
}

/// Finds the problems of the small files of a data directory.
pub fn check_marks(store: &Store) -> Vec<String> {
    let mut wrong = match missing_marks(store) {
        Ok(missing) => missing.iter().map(|name| lost(store, name)).collect(),
        Err(error) => vec![error.to_string()],
    };
    for name in store.names(paths::MARKS).unwrap_or_default() {
        if is_of_its_own(&name) {
            continue;
        }
        match read_guarded(store, &name) {
            Ok(Marked::Changed(_)) => wrong.push(changed(store, &name).to_string()),
            Ok(Marked::Gone) => wrong.push(gone(store, &name).to_string()),
            Ok(_) => {}
            Err(error) => wrong.push(error.to_string()),
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_that_is_gone_is_noticed_once() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let store = Store::new(folder.path()).expect("a store");
        put_version(&store).expect("a version file");
        put_guarded(&store, "policy.json", b"one").expect("a file");
        put_folder_mark(&store, paths::LOG).expect("a mark");
        assert_eq!(check_marks(&store), Vec::<String>::new());
        for name in ["policy.json", paths::LOG] {
            store.remove(&paths::mark(name)).expect("damage");
        }
        let wrong = check_marks(&store);
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(wrong[0].contains("marks/policy.json is gone"), "{wrong:?}");
        restore_marks(&store).expect("a start");
        assert_eq!(check_marks(&store), Vec::<String>::new());
        store.put("policy.json", b"two", PutMode::Replace).expect("damage");
        assert_eq!(check_marks(&store).len(), 1, "the mark is there again");
    }

    #[test]
    fn a_change_from_outside_is_seen_and_an_interrupted_write_is_none() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let store = Store::new(folder.path()).expect("a store");
        let read = || read_guarded(&store, "policy.json").expect("a state");
        assert_eq!(read(), Marked::Absent);
        store.put("policy.json", b"old", PutMode::Replace).expect("a file of an earlier version");
        assert_eq!(read(), Marked::Sound(b"old".to_vec()));
        put_guarded(&store, "policy.json", b"one").expect("a file");
        assert_eq!(read(), Marked::Sound(b"one".to_vec()));
        store.put("policy.json", b"onf", PutMode::Replace).expect("damage");
        assert_eq!(read(), Marked::Changed(b"onf".to_vec()));
        store.remove("policy.json").expect("damage");
        assert_eq!(read(), Marked::Gone);
        put_marked(&store, &paths::mark("policy.json"), &[NONE.to_owned(), hash(b"one")])
            .expect("a mark");
        assert_eq!(read(), Marked::Absent, "the first was about to be written");
        // Both moments at which the process may die.
        store.put("policy.json", b"one", PutMode::Replace).expect("a file");
        put_marked(&store, &paths::mark("policy.json"), &[hash(b"one"), hash(b"two")])
            .expect("a mark");
        assert_eq!(read(), Marked::Sound(b"one".to_vec()));
        store.put("policy.json", b"two", PutMode::Replace).expect("a file");
        assert_eq!(read(), Marked::Sound(b"two".to_vec()));
    }
}
