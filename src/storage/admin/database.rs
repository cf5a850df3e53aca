//! Administrative state as a redb database: its bytes, and the commit of a change.
//!
//! A database that may be damaged is only ever read as a copy in memory: repairing it there changes
//! nothing on the disk, and a directory that cannot be written can be read. redb panics at some
//! kinds of damage, so each call of it is caught.

use super::record::{RecordChange, decode, encode, hash_of, known_kind};
use super::snapshot::AdminSnapshot;
use crate::error::{Context, Error, ErrorKind, Result};
use redb::{
    Builder, Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, StorageBackend,
    TableDefinition, WriteTransaction,
};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Records by kind and key.
const RECORDS: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("records");
/// What the whole is: one row.
const STATE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("state");
const STATE_ROW: &str = "state";
/// The version of this form.
const FORM: u64 = 1;
/// The length of the row: form, version, carried version and count, then the hash.
const STATE_BYTES: usize = 4 * 8 + 32;
/// How much memory redb may use for pages.
const CACHE_BYTES: usize = 4 << 20;
/// How much larger than it is a file may become while it is read: a damaged one could ask for more.
const ROOM_BYTES: u64 = 64 << 20;

/// The bytes of a database in memory.
#[derive(Debug, Clone)]
struct MemoryFile {
    bytes: Arc<RwLock<Vec<u8>>>,
    max: u64,
}

impl MemoryFile {
    fn new(bytes: Vec<u8>, max: u64) -> Self {
        Self { bytes: Arc::new(RwLock::new(bytes)), max }
    }

    fn range(offset: u64, length: usize, there: usize) -> io::Result<std::ops::Range<usize>> {
        let start = usize::try_from(offset).ok();
        let end = start.and_then(|start| start.checked_add(length));
        let range = start.zip(end).filter(|(_, end)| *end <= there);
        range.map(|(start, end)| start..end).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

impl StorageBackend for MemoryFile {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.bytes.read().unwrap_or_else(PoisonError::into_inner).len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let bytes = self.bytes.read().unwrap_or_else(PoisonError::into_inner);
        out.copy_from_slice(&bytes[Self::range(offset, out.len(), bytes.len())?]);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<(), io::Error> {
        if length > self.max {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.bytes.write().unwrap_or_else(PoisonError::into_inner).resize(length as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        let mut bytes = self.bytes.write().unwrap_or_else(PoisonError::into_inner);
        let range = Self::range(offset, data.len(), bytes.len())?;
        bytes[range].copy_from_slice(data);
        Ok(())
    }
}

/// Runs what calls redb. A panic of it is an error: the file is damaged.
fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Error::corrupt("it is no longer a database that can be read")))
}

/// Turns an error of redb into one of ours: of the disk, or of what is on it.
fn failed(cause: impl Into<redb::Error>) -> Error {
    let cause = cause.into();
    let kind = match &cause {
        redb::Error::Io(_) | redb::Error::PreviousIo | redb::Error::DatabaseAlreadyOpen => {
            ErrorKind::Unavailable
        }
        _ => ErrorKind::Corrupt,
    };
    Error::new(kind, "the database cannot be used").because(cause)
}

/// How often, and after which pause, the database is tried again if its file is locked. The lock of
/// the data directory keeps other processes out, but a child that this process is just starting
/// holds a copy of the lock of an earlier opening until it runs its own program.
const LOCK_TRIES: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// Returns the bytes of a new database that holds a state.
///
/// # Errors
/// A state that cannot be written as JSON.
pub(super) fn encoded(state: &AdminSnapshot) -> Result<Vec<u8>> {
    caught(|| {
        let file = MemoryFile::new(Vec::new(), u64::MAX);
        let database = builder().create_with_backend(file.clone()).map_err(failed)?;
        let transaction = begin(&database)?;
        for kind in super::record::RecordKind::ALL {
            for (key, record) in state.all(*kind) {
                let stored = encode(*kind, key, record)?;
                let mut records = transaction.open_table(RECORDS).map_err(failed)?;
                records.insert((kind.name(), key), stored.as_slice()).map_err(failed)?;
            }
        }
        put_state(&transaction, state)?;
        transaction.commit().map_err(failed)?;
        database.close().map_err(failed)?;
        Ok(std::mem::take(&mut *file.bytes.write().unwrap_or_else(PoisonError::into_inner)))
    })
}

/// Returns the state that the bytes of a database hold. Every checksum, redb's and ours, is
/// compared.
///
/// # Errors
/// Bytes that are not what was written; records of a kind that a later version added.
pub(super) fn decoded(bytes: Vec<u8>) -> Result<AdminSnapshot> {
    // redb takes a file without a byte for one that is yet to be made.
    if bytes.is_empty() {
        return Err(Error::corrupt("it is empty"));
    }
    let state = caught(|| {
        let max = bytes.len() as u64 + ROOM_BYTES;
        let mut checking = builder();
        checking.set_check_integrity_on_open(true);
        let database = checking.create_with_backend(MemoryFile::new(bytes, max)).map_err(failed)?;
        read(&database)
    });
    // No disk has a part in this.
    state.map_err(|error| match error.kind() {
        ErrorKind::Unavailable => Error::corrupt("it cannot be read").because(error),
        _ => error,
    })
}

fn read(database: &Database) -> Result<AdminSnapshot> {
    let transaction = database.begin_read().map_err(failed)?;
    let table = transaction.open_table(STATE).map_err(failed)?;
    let row = table.get(STATE_ROW).map_err(failed)?;
    let row = row.ok_or_else(|| Error::corrupt("it does not say what it holds"))?;
    let row: &[u8; STATE_BYTES] = row
        .value()
        .try_into()
        .context(ErrorKind::Corrupt, || "what it says of itself is damaged".to_owned())?;
    let (numbers, _) = row.as_chunks::<8>();
    let number = |place: usize| u64::from_le_bytes(numbers[place]);
    if number(0) != FORM {
        let what = format!(
            "it has the form {}, this annals reads form {FORM}: use the annals that wrote it",
            number(0)
        );
        return Err(Error::new(ErrorKind::Version, what));
    }
    let mut state = AdminSnapshot::read(number(1), number(2));
    let records = transaction.open_table(RECORDS).map_err(failed)?;
    for entry in records.iter().map_err(failed)? {
        let (name, stored) = entry.map_err(failed)?;
        let (kind, key) = name.value();
        let kind = known_kind(kind)?;
        let record = decode(kind, key, stored.value())?;
        state.add(kind, key.to_owned(), record, hash_of(stored.value()));
    }
    if state.count() as u64 != number(3) || state.hash() != row[4 * 8..] {
        return Err(Error::corrupt("it does not hold what it says"));
    }
    Ok(state)
}

/// A database that is open for changes.
pub(super) struct OpenDatabase(Option<Database>);

impl OpenDatabase {
    /// Opens a database whose bytes were read and found sound.
    ///
    /// # Errors
    /// A disk that fails.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let mut tries = LOCK_TRIES;
        caught(|| {
            loop {
                match builder().open(path) {
                    Ok(database) => return Ok(Self(Some(database))),
                    Err(DatabaseError::DatabaseAlreadyOpen) if tries > 0 => {
                        tries -= 1;
                        std::thread::sleep(LOCK_PAUSE);
                    }
                    Err(cause) => return Err(failed(cause)),
                }
            }
        })
    }

    /// Commits changes, which lead to the state `next`. They are durable when this returns.
    ///
    /// # Errors
    /// A disk that fails. The database must not be used again then.
    pub(super) fn commit(&self, next: &AdminSnapshot, changes: &[RecordChange]) -> Result<()> {
        caught(|| {
            let closed = || Error::internal("the database of administrative state is closed");
            let transaction = begin(self.0.as_ref().ok_or_else(closed)?)?;
            {
                let mut records = transaction.open_table(RECORDS).map_err(failed)?;
                for change in changes {
                    let name = (change.kind.name(), change.key.as_str());
                    match next.get(change.kind, &change.key) {
                        Some(record) => {
                            let stored = encode(change.kind, &change.key, record)?;
                            records.insert(name, stored.as_slice()).map_err(failed)?;
                        }
                        None => drop(records.remove(name).map_err(failed)?),
                    }
                }
            }
            put_state(&transaction, next)?;
            transaction.commit().map_err(failed)
        })
    }
}

impl Drop for OpenDatabase {
    /// Closes the database. After an error redb may panic here too.
    fn drop(&mut self) {
        let database = self.0.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
    }
}

impl std::fmt::Debug for OpenDatabase {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("OpenDatabase")
    }
}

/// Begins a transaction that is durable when it is committed. In two phases: the newest commit is
/// synced before anything refers to it, so damage to it is an error and not the commit before.
fn begin(database: &Database) -> Result<WriteTransaction> {
    let mut transaction = database.begin_write().map_err(failed)?;
    transaction.set_durability(Durability::Immediate).map_err(failed)?;
    transaction.set_two_phase_commit(true);
    // There is a table even if nothing is in it.
    transaction.open_table(RECORDS).map_err(failed)?;
    Ok(transaction)
}

fn put_state(transaction: &WriteTransaction, state: &AdminSnapshot) -> Result<()> {
    let numbers = [FORM, state.version(), state.carried_version(), state.count() as u64];
    let mut row: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    row.extend(state.hash());
    let mut table = transaction.open_table(STATE).map_err(failed)?;
    table.insert(STATE_ROW, row.as_slice()).map_err(failed)?;
    Ok(())
}
