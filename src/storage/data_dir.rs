//! A data directory: its version mark, and the lock that keeps a second process out.

use super::files::{PutMode, open_in_place};
use super::marks::{Marked, accept, changed, gone, put_guarded, read_guarded, restore_marks};
use super::paths::{KEY_FILE, LOCK_FILE, REDACTION_FILE, REDACTION_KEY, VERSION_FILE};
use super::store::{Store, create_root};
use super::version::{check_version, put_version};
use crate::error::{Context, Error, ErrorKind, Result};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How a process wants to use a data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessMode {
    /// To change it: exclusively; the directory is created if it does not exist.
    Write,
    /// To read it: together with other readers; it must exist.
    Read,
}

/// An open data directory. The lock is held until this is dropped.
#[derive(Debug)]
pub struct DataDir {
    store: Store,
    key: [u8; 32],
    _lock: File,
}

impl DataDir {
    /// Opens the data directory at `root`, and creates it if it is opened for writing.
    ///
    /// # Errors
    /// A directory that does not exist (when reading), contains something else, was written by
    /// another version, or is open in another process.
    pub fn open(root: &Path, access: AccessMode) -> Result<Self> {
        let mark = root.join(VERSION_FILE);
        if !mark.exists() {
            refuse_unless_new(root, access)?;
            create_root(root)?;
        }
        let store = Store::new(root)?;
        let lock = lock(root, access)?;
        if !mark.exists() {
            put_version(&store)?;
        }
        check_version(&store)?;
        if access == AccessMode::Write {
            restore_marks(&store)?;
        }
        let key = key(&store, KEY_FILE, access)?;
        Ok(Self { store, key, _lock: lock })
    }

    /// Prepares the directory at `root` to become a new data directory with these redaction rules.
    ///
    /// # Errors
    /// A directory that already is a data directory, or contains something else.
    pub fn prepare(root: &Path, redaction: Option<&[u8]>) -> Result<()> {
        let exists =
            |what: &str| Err(Error::new(ErrorKind::Exists, format!("{} {what}", root.display())));
        if Self::is_at(root) {
            return exists(
                "is a data directory already: change its redaction.json and start it again",
            );
        }
        refuse_unless_new(root, AccessMode::Write)?;
        create_root(root)?;
        let Some(rules) = redaction else { return Ok(()) };
        match Store::new(root)?.put(REDACTION_FILE, rules, PutMode::Create) {
            Err(_) if root.join(REDACTION_FILE).exists() => {
                exists("has a redaction.json already: leave out the rules, or remove it")
            }
            done => done,
        }
    }

    /// Returns whether a directory is a data directory.
    pub fn is_at(root: &Path) -> bool {
        root.join(VERSION_FILE).exists()
    }

    /// Returns the redaction rules and their key, if there are rules. The key is created when it is
    /// first needed.
    ///
    /// # Errors
    /// Files that cannot be read or written.
    pub fn redaction(&self) -> Result<Option<(Vec<u8>, [u8; 32])>> {
        // Rules are edited by people: changed rules are reported and accepted, but missing ones are
        // not.
        let rules = match read_guarded(&self.store, REDACTION_FILE)? {
            Marked::Sound(rules) => {
                if !self.store.exists(&super::paths::mark(REDACTION_FILE)) {
                    accept(&self.store, REDACTION_FILE, &rules)?;
                }
                rules
            }
            Marked::Changed(rules) => {
                tracing::warn!(file = %self.store.path(REDACTION_FILE).display(), "the redaction \
                    rules changed since the last start");
                accept(&self.store, REDACTION_FILE, &rules)?;
                rules
            }
            Marked::Gone => return Err(gone(&self.store, REDACTION_FILE)),
            Marked::Absent => return Ok(None),
        };
        Ok(Some((rules, key(&self.store, REDACTION_KEY, AccessMode::Write)?)))
    }

    /// Returns the directory's own key, which signs cursors. It is created when the directory is
    /// first opened for writing.
    pub fn key(&self) -> [u8; 32] {
        self.key
    }

    /// Returns the files of the directory.
    pub fn store(&self) -> &Store {
        &self.store
    }
}

fn refuse_unless_new(root: &Path, access: AccessMode) -> Result<()> {
    let shown = root.display();
    let entries = match fs::read_dir(root) {
        Ok(entries) => Some(entries),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => None,
        Err(cause) => return Err(Error::io(shown, cause)),
    };
    // Redaction rules may be there first, with their key from an earlier store. A process that was
    // killed while creating the directory leaves its lock file, and files under temporary names.
    let begins = |name: &str, file: &str| {
        name.strip_prefix(file).is_some_and(|rest| rest.is_empty() || rest.starts_with('#'))
    };
    let own = |name: &str| {
        name == LOCK_FILE
            || name.strip_prefix(VERSION_FILE).is_some_and(|rest| rest.starts_with('#'))
            || [REDACTION_FILE, REDACTION_KEY].iter().any(|file| begins(name, file))
    };
    let foreign = entries.is_some_and(|entries| {
        entries.flatten().any(|entry| !entry.file_name().to_str().is_some_and(own))
    });
    match access {
        _ if foreign => Err(Error::invalid(format!(
            "{shown} is not empty and holds no {VERSION_FILE}: it is not a data directory of annals"
        ))),
        AccessMode::Read => Err(Error::new(
            ErrorKind::NotFound,
            format!(
                "there is no data directory at {shown}; `annals init --data {shown}` creates one"
            ),
        )),
        AccessMode::Write => Ok(()),
    }
}

/// How often, and after which pause, a lock is tried again: a child that this process is just
/// starting holds a copy of the lock of an earlier opening until it runs its own program.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

fn lock(root: &Path, access: AccessMode) -> Result<File> {
    let path: PathBuf = root.join(LOCK_FILE);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file =
        open_in_place(&mut options, &path).map_err(|cause| Error::io(path.display(), cause))?;
    let take = || match access {
        AccessMode::Write => file.try_lock(),
        AccessMode::Read => file.try_lock_shared(),
    };
    let mut taken = take();
    for _ in 0..LOCK_TRIES {
        if !matches!(taken, Err(TryLockError::WouldBlock)) {
            break;
        }
        std::thread::sleep(LOCK_PAUSE);
        taken = take();
    }
    match taken {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            let holder = if holder.trim().is_empty() {
                "another process".to_owned()
            } else {
                holder.trim().to_owned()
            };
            let what =
                format!("{} is in use by {holder}: stop it, or ask it with --url", root.display());
            return Err(Error::new(ErrorKind::Locked, what));
        }
        Err(TryLockError::Error(cause)) => return Err(Error::io(path.display(), cause)),
    }
    if access == AccessMode::Write {
        // Only for the message above; the lock itself is held by the kernel.
        let _ = file.set_len(0).and_then(|()| file.rewind());
        let _ = write!(file, "process {}", std::process::id());
    }
    Ok(file)
}

fn key(store: &Store, file: &str, access: AccessMode) -> Result<[u8; 32]> {
    match store.read(file) {
        Ok(bytes) => {
            match read_guarded(store, file)? {
                Marked::Changed(_) => return Err(changed(store, file)),
                _ if access == AccessMode::Write && !store.exists(&super::paths::mark(file)) => {
                    accept(store, file, &bytes)?
                }
                _ => {}
            }
            return bytes.try_into().map_err(|_| {
                Error::corrupt(format!(
                    "{} is not a key of 32 bytes: restore it from a copy",
                    store.path(file).display()
                ))
            });
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if read_guarded(store, file)? == Marked::Gone {
                return Err(gone(store, file));
            }
        }
        Err(error) => return Err(error),
    }
    let mut key = [0; 32];
    getrandom::fill(&mut key)
        .context(ErrorKind::Unavailable, || "the system provides no random numbers".to_owned())?;
    if access == AccessMode::Write {
        put_guarded(store, file, &key)?;
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_is_kept_out_and_readers_share() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let root = folder.path().join("data");
        assert_eq!(
            DataDir::open(&root, AccessMode::Read).expect_err("nothing there").kind(),
            ErrorKind::NotFound
        );
        let writer = DataDir::open(&root, AccessMode::Write).expect("a new directory");
        let refused = DataDir::open(&root, AccessMode::Read).expect_err("a writer has it");
        assert_eq!(refused.kind(), ErrorKind::Locked);
        assert!(refused.to_string().contains(&std::process::id().to_string()), "{refused}");
        drop(writer);
        let _one = DataDir::open(&root, AccessMode::Read).expect("a reader");
        let _two = DataDir::open(&root, AccessMode::Read).expect("another reader");
        assert_eq!(
            DataDir::open(&root, AccessMode::Write).expect_err("readers have it").kind(),
            ErrorKind::Locked
        );
    }

    #[test]
    fn rules_of_redaction_may_be_there_first() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let root = folder.path().join("data");
        DataDir::prepare(&root, Some(b"rules")).expect("nothing is there");
        let refused = DataDir::prepare(&root, Some(b"others")).expect_err("there are rules");
        assert_eq!(refused.kind(), ErrorKind::Exists);
        assert_eq!(
            DataDir::open(&root, AccessMode::Read).expect_err("no store yet").kind(),
            ErrorKind::NotFound
        );
        let data = DataDir::open(&root, AccessMode::Write).expect("a new directory");
        assert_eq!(
            data.redaction().expect("a key is made").map(|(rules, _)| rules),
            Some(b"rules".to_vec())
        );
        drop(data);
        assert_eq!(DataDir::prepare(&root, None).expect_err("a store").kind(), ErrorKind::Exists);
        fs::write(folder.path().join("notes.txt"), "mine").expect("a foreign file");
        assert_eq!(
            DataDir::prepare(folder.path(), None).expect_err("foreign").kind(),
            ErrorKind::Invalid
        );
    }

    #[test]
    fn other_versions_and_other_directories_are_refused() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        fs::write(folder.path().join("notes.txt"), "mine").expect("a foreign file");
        assert_eq!(
            DataDir::open(folder.path(), AccessMode::Write).expect_err("foreign").kind(),
            ErrorKind::Invalid
        );
        fs::write(folder.path().join(VERSION_FILE), "{\"format\":99}")
            .expect("a mark of the future");
        let refused = DataDir::open(folder.path(), AccessMode::Write).expect_err("the future");
        assert_eq!(refused.kind(), ErrorKind::Version);
        assert!(refused.to_string().contains("format 99"), "{refused}");
        fs::write(folder.path().join(VERSION_FILE), "not json").expect("a damaged mark");
        assert_eq!(
            DataDir::open(folder.path(), AccessMode::Write).expect_err("damage").kind(),
            ErrorKind::Corrupt
        );
    }
}
