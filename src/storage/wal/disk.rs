//! What the log needs from a disk, so that recovery can be tested on one that loses, tears and
//! reorders writes.

use crate::storage::files::open_in_place;
use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// A folder of log files.
pub trait LogDisk: Debug + Send {
    /// A file that is open for appending.
    type File: Debug + Send;

    /// Returns the names in the folder, in order.
    ///
    /// # Errors
    /// A folder that cannot be read.
    fn names(&self) -> io::Result<Vec<String>>;
    /// Returns all bytes of a file.
    ///
    /// # Errors
    /// A file that cannot be read.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;
    /// Creates a new file.
    ///
    /// # Errors
    /// A name that exists; a disk that fails.
    fn create(&self, name: &str) -> io::Result<Self::File>;
    /// Appends bytes. They may be lost until [`LogDisk::sync`] returns.
    ///
    /// # Errors
    /// A full or failing disk; part of the bytes may have been written.
    fn append(&self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()>;
    /// Makes the bytes and the length of a file durable.
    ///
    /// # Errors
    /// A failing disk; data that was not durable before may be lost, and must not be synced again.
    fn sync(&self, file: &mut Self::File) -> io::Result<()>;
    /// Makes the names in the folder durable.
    ///
    /// # Errors
    /// A failing disk.
    fn sync_names(&self) -> io::Result<()>;
    /// Renames a file atomically.
    ///
    /// # Errors
    /// A disk that fails.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// A failing disk.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Overwrites bytes of an existing file; until its next sync, the write may get lost or
    /// survive.
    ///
    /// # Errors
    /// A failing disk.
    fn overwrite(&self, name: &str, at: u64, bytes: &[u8]) -> io::Result<()>;
}

/// A folder of the file system, which must exist.
#[derive(Debug, Clone)]
pub struct LogFolder(pub PathBuf);

impl LogDisk for LogFolder {
    type File = File;

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            names.extend(entry?.file_name().into_string().ok());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.0.join(name))
    }

    fn create(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().append(true).create_new(true).open(self.0.join(name))
    }

    fn append(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync(&self, file: &mut File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.0.join(name))
    }

    fn overwrite(&self, name: &str, at: u64, bytes: &[u8]) -> io::Result<()> {
        open_in_place(OpenOptions::new().write(true), &self.0.join(name))?.write_all_at(bytes, at)
    }
}
