//! The store: files that are durable when a call returns.
//!
//! The local store of `object_store` 0.13 never syncs, so a power cut after a put leaves empty
//! files under existing names. Ours writes a temporary file, syncs it, publishes it by one link or
//! rename, and syncs the directory and every directory it had to create. Delta Lake gets the same
//! through [`Store::object_store`].

use super::durable_objects::DurableStore;
use super::segment::Opened;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::Timestamp;
use crate::storage::PutMode;
use crate::storage::files::{Files, create_folder, open_in_place, refuse_link, sync_folder};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

/// How much of a file that is written in pieces is buffered in memory.
const PIECE_BYTES: usize = 1 << 20;

/// The files of one data directory. With object storage, the same type will later stand in front of
/// the bucket and its cache.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    files: Arc<Files>,
    opened: Arc<Opened>,
}

impl Store {
    /// Opens the store of the directory `root`, which must exist.
    ///
    /// # Errors
    /// A root that does not exist.
    pub fn new(root: &Path) -> Result<Self> {
        let root = fs::canonicalize(root).map_err(|cause| Error::io(root.display(), cause))?;
        let files = Files { root: root.clone(), ..Files::default() };
        Ok(Self { root, files: Arc::new(files), opened: Arc::default() })
    }

    /// Returns the open parts of segments.
    pub fn opened(&self) -> &Arc<Opened> {
        &self.opened
    }

    /// Creates the directory `root` and its parents, durably.
    ///
    /// # Errors
    /// A disk that fails.
    pub fn create(root: &Path) -> Result<()> {
        create_root(root)
    }

    /// Fails if a file is a symbolic link, for what is written to in place by others than this
    /// store.
    ///
    /// # Errors
    /// A link.
    pub fn refuse_link(&self, path: &str) -> Result<()> {
        let target = self.path(path);
        refuse_link(&target)
            .map_err(|cause| Error::io(format!("cannot use {}", target.display()), cause))
    }

    /// Opens a file that exists to write to it in place; a symbolic link is refused.
    ///
    /// # Errors
    /// A file that does not exist, is a link, or cannot be opened.
    pub fn open_to_write(&self, path: &str) -> Result<File> {
        let target = self.path(path);
        open_in_place(File::options().write(true), &target)
            .map_err(|cause| Error::io(format!("cannot write {}", target.display()), cause))
    }

    /// Returns whether a file exists.
    pub fn exists(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// Returns the length of a file in bytes; `None` if it does not exist.
    ///
    /// # Errors
    /// A disk that fails.
    pub fn length(&self, path: &str) -> Result<Option<u64>> {
        let source = self.path(path);
        match fs::metadata(&source) {
            Ok(file) => Ok(Some(file.len())),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(Error::io(source.display(), cause)),
        }
    }

    /// Returns the absolute path of a file of the store.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Writes a whole file. When this returns, the file is durable under its name.
    ///
    /// # Errors
    /// [`PutMode::Create`] on a name that exists; a full or failing disk.
    pub fn put(&self, path: &str, bytes: &[u8], mode: PutMode) -> Result<()> {
        let target = self.path(path);
        self.files
            .publish(&target, &[bytes], mode)
            .map_err(|cause| Error::io(format!("cannot write {}", target.display()), cause))
    }

    /// Writes a whole file that only its owner may read, replacing what was there. When this
    /// returns, it is durable.
    ///
    /// # Errors
    /// A full or failing disk.
    pub fn put_private(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let target = self.path(path);
        self.files
            .publish_private(&target, bytes)
            .map_err(|cause| Error::io(format!("cannot write {}", target.display()), cause))
    }

    /// Writes a new file piece by piece, so that it is never in memory as a whole. When this
    /// returns, the file is durable.
    ///
    /// A name that exists; a full or failing disk. In that case there is no file.
    pub fn put_in_pieces(
        &self,
        path: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<()> {
        let target = self.path(path);
        let published = self.files.publish_with(&target, PutMode::Create, |file| {
            let mut pieces = io::BufWriter::with_capacity(PIECE_BYTES, file);
            write(&mut pieces)?;
            pieces.flush()
        });
        published.map_err(|cause| Error::io(format!("cannot write {}", target.display()), cause))
    }

    /// Creates a folder, durably.
    ///
    /// # Errors
    /// A disk that fails.
    pub fn create_folder(&self, path: &str) -> Result<()> {
        let target = self.path(path);
        self.files
            .create_folder(&target)
            .map_err(|cause| Error::io(format!("cannot make {}", target.display()), cause))
    }

    /// Reads a whole file.
    ///
    /// # Errors
    /// A file that does not exist or cannot be read.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        let source = self.path(path);
        fs::read(&source).map_err(|cause| Error::io(source.display(), cause))
    }

    /// Reads a whole file from the disk itself: pages that a write left in memory are dropped
    /// first, so that the result is what would be there after a power cut.
    ///
    /// # Errors
    /// A file that does not exist or cannot be read.
    pub fn read_back(&self, path: &str) -> Result<Vec<u8>> {
        let mut file = self.open(path)?;
        let failed = |cause: io::Error| Error::io(self.path(path).display(), cause);
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)
            .map_err(|cause| failed(cause.into()))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }

    /// Returns the free space on the disk, in bytes.
    ///
    /// # Errors
    /// The system cannot report it.
    pub fn free_bytes(&self) -> Result<u64> {
        let stat = rustix::fs::statvfs(&self.root)
            .map_err(|cause| Error::io(self.root.display(), cause.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Opens a file for reading at any offset.
    ///
    /// # Errors
    /// A file that does not exist or cannot be opened.
    pub fn open(&self, path: &str) -> Result<File> {
        let source = self.path(path);
        File::open(&source).map_err(|cause| Error::io(source.display(), cause))
    }

    /// Returns the place of what is to be removed or moved away.
    ///
    /// # Errors
    /// A folder above it that is a symbolic link: what is there is not the store's.
    fn in_place(&self, path: &str) -> Result<PathBuf> {
        let mut place = self.root.clone();
        let mut parts = Path::new(path).components().peekable();
        while let Some(part) = parts.next() {
            place.push(part);
            let is_link = || fs::symlink_metadata(&place).is_ok_and(|found| found.is_symlink());
            if parts.peek().is_some() && is_link() {
                let what = "is a symbolic link: nothing is removed through it";
                return Err(Error::invalid(format!("{} {what}", place.display())));
            }
        }
        Ok(place)
    }

    /// Removes a file, if it exists.
    ///
    /// # Errors
    /// A file that exists and cannot be removed.
    pub fn remove(&self, path: &str) -> Result<()> {
        let target = self.in_place(path)?;
        match fs::remove_file(&target) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                Err(Error::io(target.display(), cause))
            }
            _ => Ok(()),
        }
    }

    /// Moves a file to another folder, durably. An existing file of that name is replaced.
    ///
    /// # Errors
    /// A disk that fails.
    pub fn rename(&self, from: &str, to: &str) -> Result<()> {
        let (source, target) = (self.in_place(from)?, self.path(to));
        let folder =
            |path: &Path| path.parent().map_or_else(|| self.root.clone(), Path::to_path_buf);
        let moved = self
            .files
            .create_folder(&folder(&target))
            .and_then(|()| fs::rename(&source, &target))
            .and_then(|()| sync_folder(&folder(&target)))
            .and_then(|()| sync_folder(&folder(&source)));
        moved.map_err(|cause| {
            Error::io(format!("cannot move {} to {}", source.display(), target.display()), cause)
        })
    }

    /// Removes an empty folder.
    ///
    /// # Errors
    /// A folder that is not empty; a disk that fails.
    pub fn remove_folder(&self, folder: &str) -> Result<()> {
        let target = self.in_place(folder)?;
        fs::remove_dir(&target).map_err(|cause| Error::io(target.display(), cause))
    }

    /// Returns the names in a folder, in order; none if the folder does not exist. Temporary files
    /// are left out.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn names(&self, folder: &str) -> Result<Vec<String>> {
        let mut names = self.all_names(folder)?;
        names.retain(|name| !name.contains('#'));
        Ok(names)
    }

    /// Returns when a file was last changed; `None` if it does not exist.
    ///
    /// # Errors
    /// A disk that fails.
    pub fn changed(&self, path: &str) -> Result<Option<Timestamp>> {
        let source = self.path(path);
        match fs::metadata(&source).and_then(|file| file.modified()) {
            Ok(changed) => Ok(Some(Timestamp::from_millis(
                chrono::DateTime::<chrono::Utc>::from(changed).timestamp_millis(),
            ))),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(Error::io(source.display(), cause)),
        }
    }

    /// Sets the modification time of a file to `now`; the file may be gone.
    ///
    /// # Errors
    /// A disk that fails.
    pub fn touch(&self, path: &str, now: Timestamp) -> Result<()> {
        let source = self.path(path);
        let moment = SystemTime::UNIX_EPOCH + Duration::from_millis(now.millis().max(0) as u64);
        let opened = open_in_place(File::options().append(true), &source);
        match opened.and_then(|file| file.set_modified(moment)) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                Err(Error::io(source.display(), cause))
            }
            _ => Ok(()),
        }
    }

    /// Returns all names in a folder, including temporary files.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn all_names(&self, folder: &str) -> Result<Vec<String>> {
        let source = self.path(folder);
        let entries = match fs::read_dir(&source) {
            Ok(entries) => entries,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => return Err(Error::io(source.display(), cause)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|cause| Error::io(source.display(), cause))?;
            names.extend(entry.file_name().into_string().ok());
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Returns the same durable files as an object store whose root is that of the file system.
    pub fn object_store(&self) -> Arc<dyn ObjectStore> {
        Arc::new(DurableStore { inner: LocalFileSystem::new(), files: Arc::clone(&self.files) })
    }

    /// Returns how many names listings returned to the readers of the table, and how many files
    /// they have read.
    pub fn work(&self) -> (u64, u64) {
        (self.files.listed.load(Ordering::Relaxed), self.files.read.load(Ordering::Relaxed))
    }

    /// Returns the URL of a folder, which is the form that Delta Lake needs.
    ///
    /// # Errors
    /// A path that a URL cannot express.
    pub fn url(&self, folder: &str) -> Result<url::Url> {
        let path = self.path(folder);
        url::Url::from_directory_path(&path)
            .map_err(|()| Error::invalid(format!("{} cannot be written as a URL", path.display())))
    }
}

/// Creates a directory for data, durably.
pub(super) fn create_root(root: &Path) -> Result<()> {
    let absolute =
        std::path::absolute(root).context(ErrorKind::Invalid, || format!("{}", root.display()))?;
    create_folder(&absolute)
        .map_err(|cause| Error::io(format!("cannot create {}", root.display()), cause))
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::path::Path as ObjectPath;
    use object_store::{ObjectStoreExt, PutOptions};

    #[test]
    fn create_refuses_a_name_that_exists_and_replace_does_not() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let store = Store::new(folder.path()).expect("a store");
        store.put("a/b/c.txt", b"one", PutMode::Create).expect("a first file");
        assert!(store.put("a/b/c.txt", b"two", PutMode::Create).is_err());
        assert_eq!(store.read("a/b/c.txt").expect("the file"), b"one");
        store.put("a/b/c.txt", b"three", PutMode::Replace).expect("a replacement");
        assert_eq!(store.read("a/b/c.txt").expect("the file"), b"three");
        assert_eq!(store.names("a/b").expect("the folder"), ["c.txt"], "no temporary file is left");
        assert!(store.names("nowhere").expect("no folder is an empty one").is_empty());
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let [data, outside] = ["data", "outside"].map(|name| folder.path().join(name));
        for path in [&data, &outside] {
            fs::create_dir(path).expect("a folder");
        }
        fs::write(outside.join("kept"), "kept").expect("a file");
        let store = Store::new(&data).expect("a store");
        let link = |to: &Path, name: &str| {
            std::os::unix::fs::symlink(to, data.join(name)).expect("a link");
        };
        link(&outside, "folder");
        link(&outside.join("kept"), "file");
        link(&outside.join("new"), "dangling");
        store.put("whole", b"moved", PutMode::Create).expect("a file");
        let now = Timestamp::from_millis(0);
        let refused = [
            store.put("folder/a", b"x", PutMode::Create),
            store.put("folder/deep/a", b"x", PutMode::Replace),
            store.put_private("folder/a", b"x"),
            store.put_in_pieces("folder/a", |file| file.write_all(b"x")),
            store.create_folder("folder"),
            store.create_folder("folder/deep"),
            store.rename("whole", "folder/a"),
            store.touch("file", now),
            store.open_to_write("file").map(drop),
            store.open_to_write("dangling").map(drop),
            store.refuse_link("file"),
        ];
        for (at, refused) in refused.into_iter().enumerate() {
            let error = refused.expect_err("a link");
            let said = format!("{error:?}");
            assert!(said.contains("symbolic link"), "{at}: {said}");
        }
        let objects = store.object_store();
        let path = ObjectPath::from_absolute_path(store.path("folder/0.json")).expect("a path");
        let written = futures::executor::block_on(objects.put(&path, "one".into()));
        assert!(format!("{written:?}").contains("symbolic link"), "{written:?}");
        // A link in place of a whole file is replaced by it.
        store.put("file", b"own", PutMode::Replace).expect("a file");
        store.put_private("dangling", b"own").expect("a file");
        assert_eq!(fs::read(outside.join("kept")).expect("it is there"), b"kept");
        assert_eq!(fs::read_dir(&outside).expect("a folder").count(), 1, "only what was there");
        assert!(!data.join("file").symlink_metadata().expect("it is there").is_symlink());
    }

    #[test]
    fn the_object_store_reports_a_lost_race_as_one() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let store = Store::new(folder.path()).expect("a store");
        let objects = store.object_store();
        let path = ObjectPath::from_absolute_path(store.path("log/0.json")).expect("a path");
        let create = || PutOptions { mode: object_store::PutMode::Create, ..PutOptions::default() };
        futures::executor::block_on(async {
            objects.put_opts(&path, "one".into(), create()).await.expect("the first commit");
            let second = objects.put_opts(&path, "two".into(), create()).await;
            assert!(matches!(second, Err(object_store::Error::AlreadyExists { .. })), "{second:?}");
            let read =
                objects.get(&path).await.expect("the file").bytes().await.expect("its bytes");
            assert_eq!(read.as_ref(), b"one");
        });
    }
}
