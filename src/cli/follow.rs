//! `annals ingest --follow`: reads files as they are written, through rotation, and continues after
//! a restart where it left off.
//!
//! A file is identified by its device, inode and first bytes, not by its name. A log that is
//! renamed is read to its end; one that is truncated and started over is read from its beginning.
//! Progress is saved only after what was read is durable: a process that dies in between reads some
//! lines again, and these are then recognized as duplicates. Each line is one record. A line counts
//! once its line ending has been written; one that is far longer than any record may be is reported
//! and skipped. Compressed files are read once, when they have stopped growing.

use super::destination::Destination;
use super::output::note;
use super::sources::{RecordSource, expand};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::ingest::Coding;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often files are polled.
const EVERY: Duration = Duration::from_millis(500);
/// How long to wait after a failure.
const REST: Duration = Duration::from_secs(5);
/// How long a file that lost its name must be quiet before it is closed.
const QUIET: Duration = Duration::from_secs(30);
/// Maximum bytes that are read and ingested at a time; a single line may be longer.
const CHUNK_BYTES: usize = 8 << 20;
/// The longest line that is read as one: many times the longest record. No more than this is held
/// in memory of a longer line.
const LINE_BYTES_MAX: usize = 64 << 20;
/// The number of first bytes that identify a file.
const HEAD_BYTES: usize = 256;
/// How many files are remembered after they are gone.
const GONE_MAX: usize = 10_000;

/// How far all files were read.
#[derive(Debug, Default, Serialize, Deserialize)]
struct FollowState {
    files: Vec<Progress>,
}

/// How far one file was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    path: PathBuf,
    device: u64,
    inode: u64,
    /// Bytes of it that are durable in the store.
    offset: u64,
    /// Lines in those bytes.
    lines: u64,
    /// How many of its first bytes identify it, and their hash.
    head: (usize, String),
    /// For a compressed file: its length at the last poll, and whether it has been read.
    packed: Option<(u64, bool)>,
    /// Whether the next bytes are the rest of a line that is being skipped.
    #[serde(default)]
    passing: bool,
}

/// A file that is being followed.
struct Followed {
    read: Progress,
    file: File,
    /// Since when its name has belonged to another file or to none, or when it last grew after
    /// that. The process that writes to it may not have noticed the rotation yet, so it is read
    /// until it has been quiet for a while, and then closed.
    gone: Option<Instant>,
}

/// Follows the files that match the patterns, forever.
pub(super) fn run(
    destination: &Destination<'_>,
    patterns: &[OsString],
    state: &Path,
    mut heard: impl FnMut(u64),
) -> Result<u8> {
    if patterns.iter().any(|pattern| pattern == "-") {
        return Err(Error::parameter(
            "--follow",
            "- is standard input, which is followed anyway: name files",
        ));
    }
    let known = load(state)?;
    let mut follower =
        Follower { destination, known, files: HashMap::new(), troubled: HashSet::new(), state };
    let mut failing = false;
    loop {
        match follower.round(patterns, &mut heard) {
            Ok(()) => {
                if failing {
                    note("annals: following again");
                }
                failing = false;
                std::thread::sleep(EVERY);
            }
            // A request that is wrong now stays wrong.
            Err(error) if !matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::NotFound) => {
                return Err(error);
            }
            Err(error) => {
                if !failing {
                    note(&format!("annals: {error}; trying again until it works"));
                }
                failing = true;
                std::thread::sleep(REST);
            }
        }
    }
}

/// Returns the default path of the state file for these patterns.
pub(super) fn default_state(words: &[String]) -> Result<PathBuf> {
    let home = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state")));
    let home = home.ok_or_else(|| {
        Error::parameter("--state", "name a file for the progress: HOME is not set")
    })?;
    let digest = Sha256::digest(words.join("\0"));
    Ok(home.join("annals").join(format!("follow-{}.json", crate::event::hex(&digest[..8]))))
}

fn load(path: &Path) -> Result<Vec<Progress>> {
    let shown = || path.display().to_string();
    match std::fs::read(path) {
        Ok(bytes) => {
            let state: FollowState =
                serde_json::from_slice(&bytes).context(ErrorKind::Invalid, || {
                    format!(
                        "{} is not a progress file: move it away to read everything again",
                        shown()
                    )
                })?;
            Ok(state.files)
        }
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(cause) => Err(Error::io(shown(), cause)),
    }
}

struct Follower<'a> {
    destination: &'a Destination<'a>,
    /// Files that were read before and are not being followed (yet).
    known: Vec<Progress>,
    files: HashMap<(u64, u64), Followed>,
    /// Files that cannot be read and were reported already.
    troubled: HashSet<PathBuf>,
    state: &'a Path,
}

impl Follower<'_> {
    fn round(&mut self, patterns: &[OsString], heard: &mut impl FnMut(u64)) -> Result<()> {
        self.find(patterns)?;
        let mut keys: Vec<(u64, u64)> = self.files.keys().copied().collect();
        // A renamed file is older than the file that has its name now.
        keys.sort_by_key(|key| (self.files[key].gone.is_none(), self.files[key].read.path.clone()));
        for key in keys {
            while self.read_on(key, heard)? {}
        }
        self.files.retain(|_, followed| {
            if followed.is_over() {
                self.known.push(followed.read.clone());
            }
            !followed.is_over()
        });
        Ok(())
    }

    /// Finds the files that match the patterns now.
    fn find(&mut self, patterns: &[OsString]) -> Result<()> {
        let mut there = HashMap::new();
        for pattern in patterns {
            match expand(pattern) {
                Ok(found) => {
                    there.extend(found.sources.into_iter().filter_map(|source| match source {
                        RecordSource::File(path) => Some((identity(&path)?, path)),
                        RecordSource::Stdin => None,
                    }))
                }
                // It may still appear.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        for (key, followed) in &mut self.files {
            match there.get(key) {
                Some(path) => {
                    followed.gone = None;
                    followed.read.path.clone_from(path);
                }
                None => drop(followed.gone.get_or_insert_with(Instant::now)),
            }
        }
        for (key, path) in there {
            if self.files.contains_key(&key) {
                continue;
            }
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => continue,
                Err(cause) => {
                    self.trouble(&path, &Error::io(path.display(), cause));
                    continue;
                }
            };
            self.troubled.remove(&path);
            let known = self
                .known
                .iter()
                .position(|read| (read.device, read.inode) == key)
                .map(|index| self.known.swap_remove(index));
            let fresh = Progress {
                path: path.clone(),
                device: key.0,
                inode: key.1,
                offset: 0,
                lines: 0,
                head: (0, String::new()),
                packed: None,
                passing: false,
            };
            let read = known.map_or_else(|| fresh, |known| Progress { path, ..known });
            self.files.insert(key, Followed { read, file, gone: None });
        }
        Ok(())
    }

    /// Reports once that a file cannot be read.
    fn trouble(&mut self, path: &Path, error: &Error) {
        if self.troubled.insert(path.to_owned()) {
            note(&format!(
                "annals: {error}; the others are followed, and this one once it can be read"
            ));
        }
    }

    /// Ingests the next lines of a file and returns whether there may be more. What cannot be read
    /// is reported and retried later; an error means that the destination of the records failed.
    fn read_on(&mut self, key: (u64, u64), heard: &mut impl FnMut(u64)) -> Result<bool> {
        let Some(followed) = self.files.get_mut(&key) else { return Ok(false) };
        let path = followed.read.path.clone();
        let shown = path.display().to_string();
        let chunk = match followed.look() {
            Ok(Look::Nothing) => return Ok(false),
            Ok(Look::Packed(length)) => return self.read_packed(key, length, heard),
            Ok(Look::Lines(chunk)) => chunk,
            Ok(Look::TooLong(bytes, ended)) => return self.pass_over(key, bytes, ended),
            Err(cause) => {
                self.trouble(&path, &Error::io(&shown, cause));
                return Ok(false);
            }
        };
        let first_line = followed.read.lines;
        match self.destination.take_bytes(&chunk, &shown, first_line) {
            Ok(taken) => heard(taken),
            // When sending to a server, the record has already been reported, and all others of
            // these lines have been sent.
            Err(error)
                if error.kind() == ErrorKind::TooLarge
                    && matches!(self.destination, Destination::Remote(..)) => {}
            Err(error) => return Err(error),
        }
        let Some(followed) = self.files.get_mut(&key) else { return Ok(false) };
        followed.gone = followed.gone.map(|_| Instant::now());
        followed.read.offset += chunk.len() as u64;
        followed.read.lines += memchr::memchr_iter(b'\n', &chunk).count() as u64;
        // If the beginning cannot be read now, it is recorded with the next lines.
        let _ = followed.note_head();
        self.save()?;
        Ok(true)
    }

    /// Skips part of a line that is too long; `ended` says whether this part includes the end of
    /// the line.
    fn pass_over(&mut self, key: (u64, u64), bytes: u64, ended: bool) -> Result<bool> {
        let Some(followed) = self.files.get_mut(&key) else { return Ok(false) };
        let read = &mut followed.read;
        if !read.passing {
            let line = read.lines + 1;
            note(&format!(
                "annals: {}: line {line} has more than {LINE_BYTES_MAX} bytes; it is skipped",
                read.path.display()
            ));
        }
        read.offset += bytes;
        read.lines += u64::from(ended);
        read.passing = !ended;
        let _ = followed.note_head();
        self.save()?;
        Ok(true)
    }

    /// Reads a compressed file once, as a whole, when it has not grown since the last poll.
    fn read_packed(
        &mut self,
        key: (u64, u64),
        length: u64,
        heard: &mut impl FnMut(u64),
    ) -> Result<bool> {
        let Some(followed) = self.files.get_mut(&key) else { return Ok(false) };
        match followed.read.packed {
            Some((before, read)) if before == length => {
                if !read {
                    let source = RecordSource::File(followed.read.path.clone());
                    match self.destination.take_file(&source) {
                        Ok(taken) => heard(taken),
                        // It is truncated, or not a compressed file after all: the complete part is
                        // ingested, and the file is read again if it grows.
                        Err(error)
                            if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::TooLarge) =>
                        {
                            note(&format!("annals: {error}; it is read again if it grows"));
                        }
                        // It was renamed just now: the next poll finds its new name, if that is
                        // followed.
                        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
                        Err(error) => return Err(error),
                    }
                    if let Some(followed) = self.files.get_mut(&key) {
                        followed.read.packed = Some((length, true));
                    }
                    self.save()?;
                }
            }
            _ => followed.read.packed = Some((length, false)),
        }
        Ok(false)
    }

    /// Saves how far all files were read, in one step.
    fn save(&mut self) -> Result<()> {
        let excess = self.known.len().saturating_sub(GONE_MAX);
        self.known.drain(..excess);
        let files = self
            .files
            .values()
            .map(|followed| followed.read.clone())
            .chain(self.known.iter().cloned())
            .collect();
        let bytes = serde_json::to_vec(&FollowState { files })
            .context(ErrorKind::Internal, || "cannot write JSON".to_owned())?;
        let folder = self
            .state
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or_else(|| Path::new("."));
        let write = || {
            std::fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(&bytes)?;
            file.as_file().sync_all()?;
            file.persist(self.state).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|cause: std::io::Error| Error::io(self.state.display(), cause))
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// What there is to read in a file.
enum Look {
    Nothing,
    /// A compressed file of this length.
    Packed(u64),
    Lines(Vec<u8>),
    /// This many bytes of a line that is too long, and whether its end is among them.
    TooLong(u64, bool),
}

impl Followed {
    fn look(&mut self) -> std::io::Result<Look> {
        let length = self.file.metadata()?.len();
        self.begin_anew_if_cut(length)?;
        if length == self.read.offset && self.read.packed.is_none() {
            return Ok(Look::Nothing);
        }
        if self.is_packed()? {
            return Ok(Look::Packed(length));
        }
        if self.read.passing {
            let rest = self.read_at(self.read.offset, CHUNK_BYTES)?;
            return Ok(match memchr::memchr(b'\n', &rest) {
                Some(end) => Look::TooLong(end as u64 + 1, true),
                None if rest.is_empty() => Look::Nothing,
                None => Look::TooLong(rest.len() as u64, false),
            });
        }
        self.next_lines()
    }

    fn read_at(&mut self, offset: u64, limit: usize) -> std::io::Result<Vec<u8>> {
        self.file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        (&mut self.file).take(limit as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Returns whether a file was truncated and rewritten: it is shorter than what was read of it,
    /// or begins with other bytes. Its inode may also belong to another file by now.
    fn begin_anew_if_cut(&mut self, length: u64) -> std::io::Result<()> {
        let (bytes, hash) = self.read.head.clone();
        if length < self.read.offset || head_hash(&self.read_at(0, bytes)?) != hash && bytes > 0 {
            self.read = Progress {
                offset: 0,
                lines: 0,
                head: (0, String::new()),
                packed: None,
                passing: false,
                ..self.read.clone()
            };
        }
        Ok(())
    }

    fn note_head(&mut self) -> std::io::Result<()> {
        let bytes = HEAD_BYTES.min(self.read.offset as usize);
        if self.read.head.0 < bytes {
            self.read.head = (bytes, head_hash(&self.read_at(0, bytes)?));
        }
        Ok(())
    }

    fn is_packed(&mut self) -> std::io::Result<bool> {
        Ok(self.read.offset == 0 && Coding::of_bytes(&self.read_at(0, 4)?) != Coding::Identity)
    }

    /// Returns whether no process writes to the file any more, as far as can be told.
    fn is_over(&self) -> bool {
        self.gone.is_some_and(|since| since.elapsed() >= QUIET)
    }

    /// Returns the next complete lines; for a file that is gone and quiet, also the last line
    /// without a line ending.
    fn next_lines(&mut self) -> std::io::Result<Look> {
        let mut limit = CHUNK_BYTES;
        loop {
            let mut chunk = self.read_at(self.read.offset, limit)?;
            let at_end = chunk.len() < limit;
            match memchr::memrchr(b'\n', &chunk) {
                Some(end) => {
                    if !(at_end && self.is_over()) {
                        chunk.truncate(end + 1);
                    }
                    return Ok(Look::Lines(chunk));
                }
                None if at_end => {
                    return Ok(if self.is_over() && !chunk.is_empty() {
                        Look::Lines(chunk)
                    } else {
                        Look::Nothing
                    });
                }
                None if limit >= LINE_BYTES_MAX => {
                    return Ok(Look::TooLong(chunk.len() as u64, false));
                }
                None => limit *= 2,
            }
        }
    }
}

fn head_hash(bytes: &[u8]) -> String {
    crate::event::hex(&Sha256::digest(bytes)[..16])
}
