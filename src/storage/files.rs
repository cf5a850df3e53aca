//! Files that are published whole and durably: a temporary file, a sync, one link or rename, and a
//! sync of the directory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// What to do if the file already exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutMode {
    /// Fail: the first writer wins.
    Create,
    /// Replace it, atomically.
    Replace,
}

/// Publishes files durably, and below its root through no symbolic link: whoever plants one there
/// would have them written somewhere else.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// The data directory.
    pub(super) root: PathBuf,
    pub(super) temporary: AtomicU64,
    pub(super) listed: AtomicU64,
    pub(super) read: AtomicU64,
}

impl Files {
    pub(super) fn publish(&self, target: &Path, parts: &[&[u8]], mode: PutMode) -> io::Result<()> {
        self.publish_with(target, mode, |file| {
            parts.iter().try_for_each(|part| file.write_all(part))
        })
    }

    /// Publishes a file that only its owner may read.
    pub(super) fn publish_private(&self, target: &Path, bytes: &[u8]) -> io::Result<()> {
        self.publish_with(target, PutMode::Replace, |file| {
            use std::os::unix::fs::PermissionsExt;
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
            file.write_all(bytes)
        })
    }

    pub(super) fn publish_with(
        &self,
        target: &Path,
        mode: PutMode,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<()> {
        let folder = target.parent().ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "a path without a folder")
        })?;
        self.create_folder(folder)?;
        let (temporary, mut file) = self.temporary(target)?;
        let written = (|| {
            write(&mut file)?;
            file.sync_all()?;
            match mode {
                PutMode::Create => fs::hard_link(&temporary, target),
                PutMode::Replace => fs::rename(&temporary, target),
            }
        })();
        if written.is_err() || mode == PutMode::Create {
            // After a rename there is nothing left to remove.
            let _ = fs::remove_file(&temporary);
        }
        written?;
        sync_folder(folder)
    }

    /// Creates a folder and its parents, each of them durable in its parent.
    pub(super) fn create_folder(&self, folder: &Path) -> io::Result<()> {
        if let Ok(below) = folder.strip_prefix(&self.root) {
            let mut at = self.root.clone();
            for name in below.components() {
                at.push(name);
                refuse_link(&at)?;
            }
        }
        create_folder(folder)
    }

    /// Creates a new file beside `target`. The `#` and number make `object_store` leave it out of
    /// its listings too.
    fn temporary(&self, target: &Path) -> io::Result<(PathBuf, File)> {
        loop {
            let number = self.temporary.fetch_add(1, Ordering::Relaxed);
            let mut name = target.file_name().unwrap_or_default().to_owned();
            name.push(format!("#{number}"));
            let path = target.with_file_name(name);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                // Left over from a process that was killed.
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
                opened => return opened.map(|file| (path, file)),
            }
        }
    }
}

/// Fails if there is a symbolic link of this name.
pub(super) fn refuse_link(path: &Path) -> io::Result<()> {
    if !path.symlink_metadata().is_ok_and(|there| there.is_symlink()) {
        return Ok(());
    }
    let what = format!(
        "{} is a symbolic link, which would lead out of the data directory: put what it leads to \
        in its place",
        path.display()
    );
    Err(io::Error::new(io::ErrorKind::InvalidInput, what))
}

/// Opens a file to write to it in place, and never what a symbolic link of its name leads to.
pub(super) fn open_in_place(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let opened = options.custom_flags(no_follow).open(path);
    opened.or_else(|cause| refuse_link(path).and(Err(cause)))
}

pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Creates a folder and its parents, each of them durable in its parent.
pub(super) fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        create_folder(above)?;
        match fs::create_dir(folder) {
            Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => return Err(cause),
            _ => sync_folder(above)?,
        }
    }
    Ok(())
}
