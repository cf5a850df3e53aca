//! The sources that the arguments of `annals ingest` name: standard input, files, folders, globs.
//!
//! A folder may be what a cloud delivers to a bucket: CloudTrail's `AWSLogs/…` or the
//! `CloudTraces/…` of CTS. Their digest files, which hold hashes and no events, are skipped.

use crate::error::{Error, ErrorKind, Result};
use crate::ingest::Unpacked;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Where records come from.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    pub(super) fn open(&self) -> Result<Unpacked<'static>> {
        match self {
            Self::Stdin => Unpacked::detect(std::io::stdin(), u64::MAX),
            Self::File(path) => Unpacked::detect(
                File::open(path).map_err(|cause| Error::io(path.display(), cause))?,
                u64::MAX,
            ),
        }
    }
}

/// Returns the sources that an argument names, in order.
pub(super) fn expand(pattern: &str) -> Result<Vec<RecordSource>> {
    if pattern == "-" {
        return Ok(vec![RecordSource::Stdin]);
    }
    let path = Path::new(pattern);
    let mut files = Vec::new();
    if path.is_dir() {
        walk(path, &mut files)?;
    } else if path.exists() {
        files.push(path.to_owned());
    } else if pattern.contains(['*', '?', '[']) {
        let paths = glob::glob(pattern).map_err(|cause| {
            Error::parameter("FILE", format!("{pattern:?} is not a valid pattern")).because(cause)
        })?;
        files.extend(paths.flatten().filter(|path| path.is_file()));
    }
    if files.is_empty() {
        return Err(Error::new(ErrorKind::NotFound, format!("{pattern}: no such file")));
    }
    files.sort_unstable();
    Ok(files.into_iter().map(RecordSource::File).collect())
}

/// Returns every file below a folder that may hold records, judging by its extension.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(folder).map_err(|cause| Error::io(folder.display(), cause))?;
    for entry in entries {
        let path = entry.map_err(|cause| Error::io(folder.display(), cause))?.path();
        let named = |endings: &[&str]| {
            path.extension()
                .and_then(|ending| ending.to_str())
                .is_some_and(|ending| endings.contains(&ending))
        };
        if path.is_dir() {
            walk(&path, files)?;
        } else if is_digest(&path) {
            continue;
        } else if named(&["json", "ndjson", "jsonl", "log", "gz", "zst"]) {
            files.push(path);
        }
    }
    Ok(())
}

/// Returns whether a file is a digest that a cloud delivers beside its logs:
/// `…_CloudTrail-Digest_…`, `…_CloudTrace-Digest_…`.
fn is_digest(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    name.contains("_CloudTrail-Digest_") || name.contains("_CloudTrace-Digest_")
}
