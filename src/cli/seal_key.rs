//! The file with the seal key: read where something sealed is used, and made by `annals init`.

use crate::access::SealKey;
use crate::error::{Context, Error, ErrorKind, Result};
use clap::Args;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The option that names the file.
const FLAG: &str = "--seal-key-file";
/// A longer file holds something else.
const FILE_BYTES_MAX: u64 = 1 << 10;
/// What others may do with the file, in its mode.
const OF_OTHERS: u32 = 0o007;

#[derive(Debug, Args)]
pub(super) struct SealKeyArgs {
    /// File with the key that seals the secrets of access keys: 32 random bytes in hexadecimal
    /// digits or base64
    #[arg(long, value_name = "FILE", env = "ANNALS_SEAL_KEY_FILE")]
    seal_key_file: Option<PathBuf>,
}

impl SealKeyArgs {
    /// Returns the file, if one is given.
    pub(super) fn file(&self) -> Option<&Path> {
        self.seal_key_file.as_deref()
    }

    /// Reads the key, if a file is given.
    ///
    /// # Errors
    /// A file that is missing, that everybody can read, or that holds something else.
    pub(super) fn read(&self) -> Result<Option<SealKey>> {
        self.file().map(read).transpose()
    }

    /// Reads the key, or makes the file if there is none yet. Returns whether it was made.
    ///
    /// # Errors
    /// As [`SealKeyArgs::read`].
    pub(super) fn read_or_make(&self) -> Result<Option<(SealKey, bool)>> {
        let Some(path) = self.file() else { return Ok(None) };
        if path.exists() {
            return Ok(Some((read(path)?, false)));
        }
        let key = SealKey::generate()?;
        make(path, &key).context(ErrorKind::Unavailable, || path.display().to_string())?;
        Ok(Some((key, true)))
    }
}

/// Makes the file, whole or not at all, and sees to it that a power cut does not take it: what is
/// sealed with a key that is lost is lost too.
fn make(path: &Path, key: &SealKey) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".seal-key-").tempfile_in(folder)?;
    file.write_all(key.reveal().as_bytes())?;
    file.write_all(b"\n")?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path)?;
    File::open(folder)?.sync_all()
}

fn read(path: &Path) -> Result<SealKey> {
    let shown = path.display();
    let refused = |what: String| Error::parameter(FLAG, format!("{shown} {what}"));
    let failed = |cause: std::io::Error| match cause.kind() {
        std::io::ErrorKind::NotFound => {
            refused(format!("is missing: annals init {FLAG} {shown} makes one"))
        }
        std::io::ErrorKind::InvalidData => refused("holds no seal key".to_owned()),
        _ => Error::io(&shown, cause),
    };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.mode();
    if mode & OF_OTHERS != 0 {
        return Err(refused(format!("is open to every user of this machine: chmod 600 {shown}")));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    SealKey::parse(&text).map_err(|error| refused(format!("holds no seal key: {error}")))
}
