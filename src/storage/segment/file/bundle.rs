//! Many small files as one: the index of a segment is written once, synced once and mapped once.
//!
//! ```text
//! "ANNALIDX" │ file │ file │ … │ footer: JSON {"version":1,"files":{name:[offset,length]}}
//! │ footer length u32 │ footer CRC32C u32 │ "ANNALIDX"
//! ```
//! Numbers are little-endian. The bundle is a read-only tantivy directory.

use crate::error::{Context, Error, ErrorKind, Result};
use crate::storage::segment::damage::{Health, is_damage};
use crate::storage::segment::file::checksums::{Blocks, FileMark};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    DirectoryLock, FileHandle, FileSlice, Lock, MmapDirectory, OwnedBytes, WatchCallback,
    WatchHandle, WritePtr,
};
use tantivy::{Directory, HasLen};

const MAGIC: &[u8; 8] = b"ANNALIDX";
const VERSION: u32 = 1;
const TRAILER: usize = 4 + 4 + MAGIC.len();

#[derive(Debug, Serialize, Deserialize)]
struct Footer {
    version: u32,
    files: BTreeMap<String, (u64, u64)>,
}

/// Collects files into a bundle.
#[derive(Debug)]
pub(in crate::storage::segment) struct BundleWriter {
    bytes: Vec<u8>,
    files: BTreeMap<String, (u64, u64)>,
}

impl BundleWriter {
    pub(in crate::storage::segment) fn new() -> Self {
        Self { bytes: MAGIC.to_vec(), files: BTreeMap::new() }
    }

    pub(in crate::storage::segment) fn add(&mut self, name: &str, file: &[u8]) {
        self.files.insert(name.to_owned(), (self.bytes.len() as u64, file.len() as u64));
        self.bytes.extend_from_slice(file);
    }

    pub(in crate::storage::segment) fn finish(mut self) -> Vec<u8> {
        let footer = serde_json::to_vec(&Footer { version: VERSION, files: self.files })
            .expect("names and numbers are valid JSON");
        self.bytes.extend_from_slice(&footer);
        self.bytes.extend_from_slice(&(footer.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(&crc32c::crc32c(&footer).to_le_bytes());
        self.bytes.extend_from_slice(MAGIC);
        self.bytes
    }
}

/// An open bundle: slices of one mapped file.
#[derive(Debug, Clone)]
pub(in crate::storage::segment) struct Bundle {
    files: Arc<BTreeMap<PathBuf, FileSlice>>,
}

impl Bundle {
    /// Maps the bundle at `path`; reads are verified against the checksums of the mark.
    pub(in crate::storage::segment) fn open(
        path: &Path,
        mark: &FileMark,
        health: &Arc<Health>,
    ) -> Result<Self> {
        let shown = path.display();
        let folder = path.parent().unwrap_or(Path::new("."));
        let name = path.file_name().map(Path::new).unwrap_or(path);
        if !path.try_exists().map_err(|cause| Error::io(path.display(), cause))? {
            return Err(Error::corrupt(format!("{shown} is missing")));
        }
        let directory = MmapDirectory::open(folder)
            .context(ErrorKind::Unavailable, || format!("cannot open {}", folder.display()))?;
        let file = match directory.open_read(name) {
            Err(OpenReadError::FileDoesNotExist(_)) => {
                return Err(Error::corrupt(format!("{shown} is missing")));
            }
            opened => opened.context(ErrorKind::Unavailable, || format!("cannot map {shown}"))?,
        };
        let checked = || {
            if file.len() as u64 != mark.bytes {
                return Err(Error::corrupt(format!(
                    "{} bytes instead of {}",
                    file.len(),
                    mark.bytes
                )));
            }
            let blocks = Blocks::of(mark)?;
            Self::read(&FileSlice::new(Arc::new(Checked {
                file,
                blocks,
                health: Arc::clone(health),
            })))
        };
        checked().map_err(|error| error.at(shown))
    }

    fn read(file: &FileSlice) -> Result<Self> {
        let damaged = |what: &str| {
            Error::corrupt(format!(
                "the index is damaged ({what}); `annals check --rebuild-index` rebuilds it"
            ))
        };
        let length = file.len();
        if length < MAGIC.len() + TRAILER {
            return Err(damaged("too short"));
        }
        let read = |from: usize, to: usize| {
            file.slice(from..to).read_bytes().map_err(|cause| damaged("unreadable").because(cause))
        };
        let trailer = read(length - TRAILER, length)?;
        if &trailer[8..] != MAGIC || &read(0, MAGIC.len())?[..] != MAGIC {
            return Err(damaged("no magic number"));
        }
        let number =
            |at: usize| u32::from_le_bytes(trailer[at..at + 4].try_into().expect("four bytes"));
        let footer_start = (length - TRAILER)
            .checked_sub(number(0) as usize)
            .ok_or_else(|| damaged("footer length"))?;
        let footer_bytes = read(footer_start, length - TRAILER)?;
        if crc32c::crc32c(&footer_bytes) != number(4) {
            return Err(damaged("footer checksum"));
        }
        let footer: Footer = serde_json::from_slice(&footer_bytes)
            .map_err(|cause| damaged("footer").because(cause))?;
        if footer.version != VERSION {
            let what =
                format!("the index has version {}, this annals reads {VERSION}", footer.version);
            return Err(Error::new(ErrorKind::Version, what));
        }
        let mut files = BTreeMap::new();
        for (name, (offset, length)) in footer.files {
            let (from, to) = (offset as usize, offset.saturating_add(length) as usize);
            if from > to || to > footer_start {
                return Err(damaged("file range"));
            }
            files.insert(PathBuf::from(name), file.slice(from..to));
        }
        Ok(Self { files: Arc::new(files) })
    }

    /// Returns the files and their lengths.
    pub(in crate::storage::segment) fn sizes(&self) -> impl Iterator<Item = (PathBuf, u64)> {
        self.files.iter().map(|(path, file)| (path.clone(), file.len() as u64))
    }

    /// Returns a file of the bundle.
    pub(in crate::storage::segment) fn file(&self, name: &str) -> Result<FileSlice> {
        self.files
            .get(Path::new(name))
            .cloned()
            .ok_or_else(|| Error::corrupt(format!("the index has no {name}")))
    }
}

/// A mapped file whose bytes are only handed out after they were verified.
#[derive(Debug)]
struct Checked {
    file: FileSlice,
    blocks: Blocks,
    health: Arc<Health>,
}

impl HasLen for Checked {
    fn len(&self) -> usize {
        self.file.len()
    }
}

impl FileHandle for Checked {
    fn read_bytes(&self, range: Range<usize>) -> io::Result<OwnedBytes> {
        let read = |range: Range<u64>| {
            self.file.read_bytes_slice(range.start as usize..range.end as usize)
        };
        let checked = self.blocks.check(range.start as u64..range.end as u64, read);
        checked.inspect_err(|cause| {
            if is_damage(cause) {
                self.health.damage_index(&cause.to_string());
            }
        })?;
        self.file.read_bytes_slice(range)
    }
}

fn read_only() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "a bundle is read-only")
}

impl Directory for Bundle {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        match self.files.get(path) {
            Some(file) => Ok(Arc::new(file.clone())),
            None => Err(OpenReadError::FileDoesNotExist(path.to_owned())),
        }
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        Err(DeleteError::IoError { io_error: Arc::new(read_only()), filepath: path.to_owned() })
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        Ok(self.files.contains_key(path))
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        Err(OpenWriteError::IoError { io_error: Arc::new(read_only()), filepath: path.to_owned() })
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let file =
            self.files.get(path).ok_or_else(|| OpenReadError::FileDoesNotExist(path.to_owned()))?;
        let bytes = file.read_bytes().map_err(|cause| OpenReadError::IoError {
            io_error: Arc::new(cause),
            filepath: path.to_owned(),
        })?;
        Ok(bytes.to_vec())
    }

    fn atomic_write(&self, _: &Path, _: &[u8]) -> io::Result<()> {
        Err(read_only())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn acquire_lock(&self, _: &Lock) -> Result<DirectoryLock, LockError> {
        // Nothing changes, so there is nothing to lock.
        Ok(DirectoryLock::from(Box::new(())))
    }

    fn watch(&self, _: WatchCallback) -> tantivy::Result<WatchHandle> {
        Ok(WatchHandle::empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> Vec<u8> {
        let mut writer = BundleWriter::new();
        writer.add("a", b"first");
        writer.add("b", b"");
        writer.add("c", b"third");
        writer.finish()
    }

    #[test]
    fn files_come_back_as_they_were_added() {
        let bundle = Bundle::read(&FileSlice::from(written())).expect("a bundle");
        assert_eq!(&bundle.file("a").expect("a file").read_bytes().expect("bytes")[..], b"first");
        assert_eq!(&bundle.file("b").expect("a file").read_bytes().expect("bytes")[..], b"");
        assert_eq!(&bundle.file("c").expect("a file").read_bytes().expect("bytes")[..], b"third");
        assert!(bundle.file("d").is_err());
    }

    #[test]
    fn every_flipped_bit_of_the_footer_and_every_cut_is_refused() {
        let good = written();
        let footer_start = good.len()
            - TRAILER
            - u32::from_le_bytes(good[good.len() - 16..good.len() - 12].try_into().expect("four"))
                as usize;
        for bit in footer_start * 8..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Bundle::read(&FileSlice::from(bad)).is_err(), "bit {bit}");
        }
        for length in 0..good.len() {
            assert!(
                Bundle::read(&FileSlice::from(good[..length].to_vec())).is_err(),
                "length {length}"
            );
        }
    }
}
