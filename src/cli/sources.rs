//! The sources that the arguments of `annals ingest` name: standard input, files, folders, globs.
//!
//! A folder may be what a cloud delivers to a bucket: CloudTrail's `AWSLogs/…`, the
//! `CloudTraces/…` of CTS, or what Firehose writes, whose names have no ending. Files are read
//! under every name that a log gets when it is rotated. What is passed over is said.

use crate::error::{Error, ErrorKind, Result};
use crate::ingest::Unpacked;
use crate::storage::paths::VERSION_FILE;
use indicatif::ProgressBar;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The endings of files that hold records.
const ENDINGS: &[&str] = &["json", "ndjson", "jsonl", "log", "gz", "gzip", "zst", "zstd"];
/// Endings that a rotated file gets instead of a number or a date.
const ROTATED: &[&str] = &["old", "bak", "prev"];
/// How far into a file its first record is searched for, in bytes.
const HEAD_BYTES: usize = 4_096;
/// The largest zstd window that a file may have: what `zstd -d` accepts without being asked.
const WINDOW_LOG_MAX: u32 = 27;

/// Where records come from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RecordSource {
    Stdin,
    File(PathBuf),
}

impl std::fmt::Display for RecordSource {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stdin => out.write_str("standard input"),
            Self::File(path) => write!(out, "{}", path.display()),
        }
    }
}

impl RecordSource {
    /// Opens the source. What is read of it, before it is unpacked, advances the bar: a bufferful
    /// at a time, which costs nothing.
    pub(super) fn open(&self, bar: &ProgressBar) -> Result<Unpacked<'static>> {
        match self {
            Self::Stdin => {
                Unpacked::detect(bar.wrap_read(std::io::stdin()), u64::MAX, WINDOW_LOG_MAX)
            }
            Self::File(path) => {
                let file = File::open(path).map_err(|cause| Error::io(path.display(), cause))?;
                Unpacked::detect(bar.wrap_read(file), u64::MAX, WINDOW_LOG_MAX)
            }
        }
    }

    /// Returns how many bytes there are to read, if that is known before the end.
    pub(super) fn bytes(&self) -> Option<u64> {
        match self {
            Self::Stdin => None,
            // What cannot be opened has nothing to read.
            Self::File(path) => match path.metadata() {
                Ok(metadata) => metadata.is_file().then_some(metadata.len()),
                Err(_) => Some(0),
            },
        }
    }
}

/// What an argument names.
#[derive(Debug, Default)]
pub(super) struct Expanded {
    /// The sources, in order.
    pub(super) sources: Vec<RecordSource>,
    /// What is not read in the folders that it names, and why.
    pub(super) passed_over: Vec<(PathBuf, &'static str)>,
}

/// Returns the sources that an argument names.
pub(super) fn expand(pattern: &OsStr) -> Result<Expanded> {
    if pattern == "-" {
        return Ok(Expanded { sources: vec![RecordSource::Stdin], ..Expanded::default() });
    }
    let shown = pattern.display();
    let path = Path::new(pattern);
    let mut walk = FolderWalk::default();
    if path.is_dir() {
        walk.folder(path)?;
        if walk.found.sources.is_empty() {
            walk.found.say_why(&shown.to_string())?;
        }
    } else if path.exists() {
        walk.found.sources.push(RecordSource::File(path.to_owned()));
    } else if let Some(glob) = pattern.to_str().filter(|text| text.contains(['*', '?', '['])) {
        let paths = glob::glob(glob).map_err(|cause| {
            Error::parameter("FILE", format!("{glob:?} is not a valid pattern")).because(cause)
        })?;
        for path in paths.flatten().filter(|path| path.is_file()) {
            match path.parent().filter(|folder| is_in_store(folder)) {
                Some(_) => walk.found.passed_over.push((path, "it belongs to a store")),
                None => walk.found.sources.push(RecordSource::File(path)),
            }
        }
    }
    if walk.found.sources.is_empty() && walk.found.passed_over.is_empty() {
        return Err(Error::new(ErrorKind::NotFound, format!("{shown}: no such file")));
    }
    walk.found.sources.sort_unstable();
    walk.found.passed_over.sort_unstable();
    Ok(walk.found)
}

impl Expanded {
    /// Fails for a folder that holds nothing to read, saying what it holds.
    fn say_why(&self, shown: &str) -> Result<()> {
        let what = match self.passed_over.as_slice() {
            [] => "the folder is empty".to_owned(),
            [(path, why)] if path.as_os_str() == OsStr::new(shown) => (*why).to_owned(),
            [(path, why)] => format!("{} is passed over: {why}", path.display()),
            [(path, why), more @ ..] => {
                format!("{} and {} more are passed over: {why}", path.display(), more.len())
            }
        };
        Err(Error::new(ErrorKind::NotFound, format!("{shown}: no records in it: {what}")))
    }
}

/// Walks through folders and the folders in them.
#[derive(Debug, Default)]
struct FolderWalk {
    found: Expanded,
    /// The folders and files that were seen, by device and inode: links may lead to them again.
    seen: HashSet<(u64, u64)>,
}

impl FolderWalk {
    fn folder(&mut self, folder: &Path) -> Result<()> {
        let metadata = folder.metadata().map_err(|cause| Error::io(folder.display(), cause))?;
        if !self.seen.insert(identity(&metadata)) {
            return Ok(());
        }
        if is_in_store(folder) {
            self.found.passed_over.push((folder.to_owned(), "it is a store of annals or a backup"));
            return Ok(());
        }
        let entries =
            std::fs::read_dir(folder).map_err(|cause| Error::io(folder.display(), cause))?;
        let mut paths = Vec::new();
        for entry in entries {
            paths.push(entry.map_err(|cause| Error::io(folder.display(), cause))?.path());
        }
        // Of several links to one file, the same one is read each time.
        paths.sort_unstable();
        paths.into_iter().try_for_each(|path| self.entry(path))
    }

    fn entry(&mut self, path: PathBuf) -> Result<()> {
        let metadata = match path.metadata() {
            Ok(metadata) => metadata,
            Err(_) => {
                self.found.passed_over.push((path, "it cannot be opened"));
                return Ok(());
            }
        };
        if metadata.is_dir() {
            return self.folder(&path);
        }
        let seen = self.seen.contains(&identity(&metadata));
        match reason_to_pass_over(&path, &metadata) {
            Some(why) => self.found.passed_over.push((path, why)),
            None if seen => {}
            None => {
                self.seen.insert(identity(&metadata));
                self.found.sources.push(RecordSource::File(path));
            }
        }
        Ok(())
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Returns whether a folder is a store or a backup of one, or lies in one.
fn is_in_store(folder: &Path) -> bool {
    let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    real.ancestors().any(|folder| folder.join(VERSION_FILE).is_file())
}

/// Returns why a file in a folder is not read; `None` if it is.
fn reason_to_pass_over(path: &Path, metadata: &Metadata) -> Option<&'static str> {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    if !metadata.is_file() {
        // Opening a pipe would wait for its writer.
        return Some("it is not a regular file");
    }
    if name.starts_with('.') {
        return Some("it is hidden");
    }
    if name.contains("_CloudTrail-Digest_") || name.contains("_CloudTrace-Digest_") {
        return Some("it is a digest, which holds hashes and no events");
    }
    let bare = without_rotation(&name);
    let is_known = match bare.rsplit_once('.') {
        Some((_, ending)) => ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)),
        None => false,
    };
    (!is_known && !begins_like_records(path))
        .then_some("neither its name nor its beginning is that of records")
}

/// Returns a name without what rotation appends: `.1`, `-20261128`, `.2026-11-28`, `.old`.
fn without_rotation(name: &str) -> &str {
    let Some(at) = name.rfind(['.', '-', '_']) else { return name };
    let (bare, part) = (&name[..at], &name[at + 1..]);
    let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_rotation = is_number || ROTATED.iter().any(|known| part.eq_ignore_ascii_case(known));
    if is_rotation && !bare.is_empty() { without_rotation(bare) } else { name }
}

/// Returns whether a file begins with an object or an array, or is compressed.
fn begins_like_records(path: &Path) -> bool {
    let mut head = Vec::new();
    let read =
        File::open(path).and_then(|file| file.take(HEAD_BYTES as u64).read_to_end(&mut head));
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head);
    let text = text.trim_ascii_start();
    read.is_ok()
        && (text.starts_with(b"{") || text.starts_with(b"[") || Unpacked::is_compressed(&head))
}

#[cfg(test)]
mod tests {
    use super::{RecordSource, without_rotation};
    use indicatif::ProgressBar;
    use std::io::{Read, Write};

    #[test]
    fn progress_is_counted_in_bytes_of_the_disk() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let path = folder.path().join("records.json.gz");
        let file = std::fs::File::create(&path).expect("a file");
        let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::default());
        packed.write_all("{\"a\":1}\n".repeat(50_000).as_bytes()).expect("a file");
        packed.finish().expect("a file");
        let source = RecordSource::File(path.clone());
        let length = path.metadata().expect("a file").len();
        assert_eq!(source.bytes(), Some(length));
        let (bar, mut unpacked) = (ProgressBar::hidden(), Vec::new());
        source.open(&bar).expect("it opens").read_to_end(&mut unpacked).expect("it is sound");
        assert_eq!((bar.position(), unpacked.len()), (length, 400_000));
        assert_eq!(RecordSource::Stdin.bytes(), None);
    }

    #[test]
    fn rotated_files_keep_their_endings() {
        for (name, bare) in [
            ("audit.log", "audit.log"),
            ("audit.log.1", "audit.log"),
            ("audit.log-20261128", "audit.log"),
            ("audit.log.2026-11-28", "audit.log"),
            ("audit.log.2026-11-28_06.2", "audit.log"),
            ("audit.log.old", "audit.log"),
            ("AUDIT.JSON", "AUDIT.JSON"),
            ("audit-2026.json", "audit-2026.json"),
            ("20261128", "20261128"),
        ] {
            assert_eq!(without_rotation(name), bare, "{name}");
        }
    }
}
