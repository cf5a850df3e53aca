//! The file of administrative state in a data directory, and its mark.
//!
//! The mark holds the hash of the state, not of the file, of which redb changes pages in place.
//! While a change is committed it holds the hash of the state before and of the one after: a
//! process that dies in between leaves one of the two.

use super::database::{OpenDatabase, decoded, encoded};
use super::record::RecordChange;
use super::snapshot::{AdminSnapshot, AdminState};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::marked::{put_marked, read_marked};
use crate::storage::paths::{self, ADMIN_FILE};
use crate::storage::store::Store;
use crate::storage::version::note_mark;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Stands in the mark for a file that is about to be made.
const NONE: &str = "none";

/// The administrative state of a data directory.
#[derive(Debug)]
pub struct AdminFile {
    store: Store,
    /// What writes. It is opened by the first change, and again by the next one after a failure,
    /// of which the outcome is unknown. Held while the disk works; no reader takes it.
    database: Mutex<Option<OpenDatabase>>,
    newest: Mutex<Arc<AdminSnapshot>>,
}

impl AdminFile {
    /// Opens the file of a data directory; `None` if there is none. Nothing is written.
    ///
    /// # Errors
    /// A file that is not what was written; a disk that fails.
    pub fn open(store: &Store) -> Result<Option<Self>> {
        let Some(state) = read(store)? else {
            if marks(store)?.is_some_and(|good| !good.iter().any(|hash| hash == NONE)) {
                tracing::warn!(file = %store.path(ADMIN_FILE).display(), "the file of the policy, \
                    of saved views and of other administrative state is missing; it is rebuilt \
                    from the recorded changes");
            }
            return Ok(None);
        };
        Ok(Some(Self {
            store: store.clone(),
            database: Mutex::default(),
            newest: Mutex::new(Arc::new(state)),
        }))
    }

    /// Creates the file, or replaces it as a whole, with this state. It is durable when this
    /// returns.
    ///
    /// # Errors
    /// A disk that fails.
    pub fn create(store: &Store, state: AdminSnapshot) -> Result<Self> {
        put_admin(store, &state)?;
        Ok(Self {
            store: store.clone(),
            database: Mutex::default(),
            newest: Mutex::new(Arc::new(state)),
        })
    }

    /// Replaces the state as a whole. It is durable when this returns.
    ///
    /// # Errors
    /// A disk that fails.
    pub fn replace(&self, state: AdminSnapshot) -> Result<Arc<AdminSnapshot>> {
        let mut database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        *database = None;
        put_admin(&self.store, &state)?;
        Ok(self.show(state))
    }

    /// Returns the problems of the file, each naming it. A change that is being made is waited for.
    pub fn check(&self) -> Vec<String> {
        let _still = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        match read(&self.store) {
            Ok(Some(state)) if state == *self.snapshot() => Vec::new(),
            Ok(Some(_)) => vec![foreign(&self.store).to_string()],
            Ok(None) => {
                let file = self.store.path(ADMIN_FILE);
                vec![format!("{} is gone: restore it from a backup", file.display())]
            }
            Err(error) => vec![error.to_string()],
        }
    }

    fn newest(&self) -> MutexGuard<'_, Arc<AdminSnapshot>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, state: AdminSnapshot) -> Arc<AdminSnapshot> {
        let state = Arc::new(state);
        *self.newest() = Arc::clone(&state);
        state
    }

    /// Opens the database to change it, with the state that it has: after a failure that may be the
    /// one before or the one after.
    fn reopen(&self) -> Result<OpenDatabase> {
        let gone = || Error::corrupt(format!("{} is gone", self.store.path(ADMIN_FILE).display()));
        let state = read(&self.store)?.ok_or_else(gone)?;
        let database = OpenDatabase::open(&self.store.path(ADMIN_FILE))
            .map_err(|error| damaged(&self.store, error))?;
        put_mark(&self.store, &[state.hash_text()])?;
        if state != *self.snapshot() {
            self.show(state);
        }
        Ok(database)
    }
}

impl AdminState for AdminFile {
    fn snapshot(&self) -> Arc<AdminSnapshot> {
        Arc::clone(&self.newest())
    }

    fn change(&self, seen: u64, changes: &[RecordChange]) -> Result<Arc<AdminSnapshot>> {
        let mut opened = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        // It is put back only if all goes well.
        let database = match opened.take() {
            Some(database) => database,
            None => self.reopen()?,
        };
        let state = self.snapshot();
        if state.version() != seen {
            *opened = Some(database);
            let what = format!(
                "the administrative state is at version {}, not {seen}: it was changed in between",
                state.version()
            );
            return Err(Error::new(ErrorKind::Outdated, what));
        }
        if changes.is_empty() {
            *opened = Some(database);
            return Ok(state);
        }
        let next = match state.with(changes) {
            Ok(next) => next,
            Err(error) => {
                *opened = Some(database);
                return Err(error);
            }
        };
        put_mark(&self.store, &[state.hash_text(), next.hash_text()])?;
        database.commit(&next, changes).map_err(|error| damaged(&self.store, error))?;
        *opened = Some(database);
        // The change is made. Until the next one, the mark takes the state before for valid too.
        if let Err(error) = put_mark(&self.store, &[next.hash_text()]) {
            tracing::warn!(%error, "cannot write the mark of the administrative state");
        }
        Ok(self.show(next))
    }
}

/// Writes a whole file of administrative state, with its mark. It is durable when this returns.
/// Returns its length in bytes.
///
/// # Errors
/// A disk that fails.
pub fn put_admin(store: &Store, state: &AdminSnapshot) -> Result<u64> {
    let bytes = encoded(state)?;
    // A file that was damaged is replaced; it has no hash that counts.
    let before = match read(store) {
        Ok(Some(before)) => before.hash_text(),
        _ => NONE.to_owned(),
    };
    put_mark(store, &[before, state.hash_text()])?;
    store.put_private(ADMIN_FILE, &bytes)?;
    put_mark(store, &[state.hash_text()])?;
    note_mark(store, ADMIN_FILE)?;
    Ok(bytes.len() as u64)
}

/// Returns the state that the file holds, which must be one that the mark allows; `None` if there
/// is no file.
fn read(store: &Store) -> Result<Option<AdminSnapshot>> {
    // redb changes the file in place, wherever a link leads.
    store.refuse_link(ADMIN_FILE)?;
    let bytes = match store.read(ADMIN_FILE) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let state = decoded(bytes).map_err(|error| damaged(store, error))?;
    match marks(store)? {
        Some(good) if !good.contains(&state.hash_text()) => Err(foreign(store)),
        _ => Ok(Some(state)),
    }
}

fn marks(store: &Store) -> Result<Option<Vec<String>>> {
    let advice = format!(
        "the hash of {ADMIN_FILE} (if that file is known to be whole, remove this one and start \
        again)"
    );
    read_marked(store, &paths::mark(ADMIN_FILE)).map_err(|error| error.at(advice))
}

fn put_mark(store: &Store, hashes: &[String]) -> Result<()> {
    put_marked(store, &paths::mark(ADMIN_FILE), &hashes)
}

/// Says which file is damaged, and what can be done.
fn damaged(store: &Store, error: Error) -> Error {
    let file = store.path(ADMIN_FILE);
    match error.kind() {
        ErrorKind::Corrupt => {
            let what = format!(
                "{} is damaged: restore it from a backup together with {}; or remove it, and what \
                it held is made again from the recorded changes, without the secrets of tokens",
                file.display(),
                store.path(&paths::mark(ADMIN_FILE)).display()
            );
            Error::corrupt(what).because(error)
        }
        _ => error.at(file.display()),
    }
}

/// The error for a file that is sound and has another state than it must have.
fn foreign(store: &Store) -> Error {
    let mark = store.path(&paths::mark(ADMIN_FILE));
    Error::corrupt(format!(
        "{} holds another state than annals last wrote: restore it from a backup together with \
        {}, or, if it was changed on purpose, remove {} and start again",
        store.path(ADMIN_FILE).display(),
        mark.display(),
        mark.display()
    ))
}
