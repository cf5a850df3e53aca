//! Reads the log after a stop of any kind: returns what was acknowledged, complete and once, or
//! refuses clearly.

use super::disk::LogDisk;
use super::epoch_of;
use super::frame::{BadFrame, Frame, Header, HeaderRead, VERSION, frame_at};
use super::marker::{self, Marker};
use crate::error::{Error, ErrorKind, Result};
use std::io;

/// The contents of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The batches whose events are not in the table, in the order of their sequence numbers.
    pub frames: Vec<Frame>,
    /// The sequence number of the last event that is in the table or in `frames`.
    pub last_seq: u64,
    /// The epoch of the newest file; 0 if there is none.
    pub last_epoch: u64,
    /// The end of the last file, if it was cut off.
    pub torn: Option<TornTail>,
}

/// A frame that was being written when the machine stopped. Nothing of it was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The file.
    pub file: String,
    /// The offset at which it begins.
    pub at: u64,
    /// Its length, in bytes.
    pub bytes: u64,
}

/// Reads the log of a table whose last event has the sequence number `sealed`. Changes nothing on
/// the disk.
///
/// # Errors
/// Acknowledged events that are missing or damaged; the message says in which file, where, and what
/// to do.
pub fn recover(disk: &impl LogDisk, sealed: u64) -> Result<Recovered> {
    let marker = read_marker(disk)?;
    let files = read_files(disk, marker.epoch)?;
    check_newest(&files, marker)?;
    let mut recovered =
        Recovered { last_seq: sealed, last_epoch: last_epoch(disk)?, ..Recovered::default() };
    let mut next = sealed + 1;
    for (index, file) in files.iter().enumerate() {
        // A file that was started after a stop contains a copy of what older files contain.
        let void_from = files[index + 1..].iter().map(|later| later.header.first_seq).min();
        if void_from.is_some_and(|void_from| void_from <= file.header.first_seq.max(sealed + 1)) {
            // All of it is in a later file or in the table; only its removal was interrupted.
            continue;
        }
        if file.header.first_seq > next {
            let what = format!(
                "events {next} to {} were acknowledged and are missing before it",
                file.header.first_seq - 1
            );
            return Err(damage(file, 0, &what));
        }
        let durable = if file.header.epoch == marker.epoch { marker.durable } else { 0 };
        let end = read_frames(file, void_from, sealed, &mut recovered)?;
        if recovered.torn.as_ref().is_some_and(|torn| torn.file == file.name && torn.at < durable) {
            return Err(damage(
                file,
                recovered.torn.as_ref().map_or(0, |torn| torn.at as usize),
                "a batch that was acknowledged is in it",
            ));
        }
        if void_from.is_some_and(|void_from| end < void_from) {
            let what = format!(
                "events {end} to {} were acknowledged and are missing",
                void_from.unwrap_or_default() - 1
            );
            return Err(damage(file, file.bytes.len(), &what));
        }
        next = end.max(next);
    }
    Ok(recovered)
}

struct RecoveredFile {
    name: String,
    header: Header,
    bytes: Vec<u8>,
}

/// Returns the highest epoch ever used. Epochs are used once, including those of files that were
/// being created.
fn last_epoch(disk: &impl LogDisk) -> Result<u64> {
    let names = disk.names().map_err(|cause| Error::io("the log", cause))?;
    Ok(names.iter().filter_map(|name| epoch_of(name)).max().unwrap_or_default())
}

/// Returns what is known to be in the log; nothing, if an earlier version wrote it.
fn read_marker(disk: &impl LogDisk) -> Result<Marker> {
    let failed = |cause: io::Error| Error::io(marker::NAME, cause);
    if !disk.names().map_err(failed)?.iter().any(|name| name == marker::NAME) {
        return Ok(Marker::default());
    }
    let damaged = || {
        Error::corrupt(format!(
            "the file {} is damaged: restore it from a copy, or, if the log is known to be whole, \
            remove it and start again",
            marker::NAME
        ))
    };
    Marker::decode(&disk.read(marker::NAME).map_err(failed)?).ok_or_else(damaged)
}

/// Checks that the newest file exists and is as long as it was when its last batch was
/// acknowledged.
fn check_newest(files: &[RecoveredFile], marker: Marker) -> Result<()> {
    let advice = "nothing was changed; restore the file from a copy";
    if marker.epoch == 0 {
        return Ok(());
    }
    let name = super::file_name(marker.epoch);
    match files.iter().find(|file| file.header.epoch == marker.epoch) {
        None => Err(Error::corrupt(format!(
            "{name} is missing: it had {} bytes of events from number {} on that were \
            acknowledged; {advice}",
            marker.durable, marker.first_seq
        ))),
        Some(file) if (file.bytes.len() as u64) < marker.durable => Err(Error::corrupt(format!(
            "{name} was cut: it has {} bytes, and {} were acknowledged; {advice}",
            file.bytes.len(),
            marker.durable
        ))),
        Some(_) => Ok(()),
    }
}

/// Reads the files that were ever in use, oldest first. Files up to the epoch `marked` were in use.
fn read_files(disk: &impl LogDisk, marked: u64) -> Result<Vec<RecoveredFile>> {
    let failed = |cause: io::Error| Error::io("the log", cause);
    let mut files: Vec<RecoveredFile> = Vec::new();
    for name in disk.names().map_err(failed)? {
        let Some(epoch) = epoch_of(&name) else { continue };
        let bytes = disk.read(&name).map_err(|cause| Error::io(&name, cause))?;
        let whole = match Header::decode(&bytes) {
            HeaderRead::Unborn if epoch > marked => continue,
            HeaderRead::Unborn => {
                return Err(Error::corrupt(format!(
                    "{name} was emptied or cut: its header is gone; restore it from a copy"
                )));
            }
            HeaderRead::Version(version) => {
                let what = format!(
                    "{name} is a log of version {version}, this annals reads version {VERSION}: \
                    use the annals that wrote it"
                );
                return Err(Error::new(ErrorKind::Version, what));
            }
            HeaderRead::Whole(header) if header.epoch == epoch => header,
            HeaderRead::Whole(_) | HeaderRead::Damaged => {
                return Err(Error::corrupt(format!(
                    "{name}: the header of this log file is damaged; restore it from a copy"
                )));
            }
        };
        files.push(RecoveredFile { name, header: whole, bytes });
    }
    Ok(files)
}

/// Adds the frames of a file; returns the sequence number after that of its last event.
fn read_frames(
    file: &RecoveredFile,
    void_from: Option<u64>,
    sealed: u64,
    recovered: &mut Recovered,
) -> Result<u64> {
    let mut at = super::frame::HEADER_BYTES;
    let mut next = file.header.first_seq;
    while let Some(read) = frame_at(&file.bytes, at, file.header.epoch) {
        let (frame, end) = match read {
            Ok(read) => read,
            // This is void as well: whatever it was, the next file begins before it.
            Err(_) if void_from == Some(next) => return Ok(next),
            Err(BadFrame { torn: true, .. }) if void_from.is_none() => {
                recovered.torn = Some(TornTail {
                    file: file.name.clone(),
                    at: at as u64,
                    bytes: (file.bytes.len() - at) as u64,
                });
                return Ok(next);
            }
            Err(bad) => {
                return Err(damage(file, bad.at, "a batch that was acknowledged may be in it"));
            }
        };
        if void_from.is_some_and(|void_from| frame.first_seq >= void_from) && frame.events > 0 {
            return Ok(next);
        }
        if frame.first_seq != next {
            return Err(damage(
                file,
                at,
                &format!("it begins with event {}, and {next} was expected", frame.first_seq),
            ));
        }
        at = end;
        next = frame.end_seq();
        if frame.events > 0 && frame.end_seq() <= sealed + 1 {
            continue;
        }
        if frame.first_seq <= sealed && frame.events > 0 {
            return Err(damage(
                file,
                at,
                &format!(
                    "only a part of its batch is in the table, which ends with event {sealed}"
                ),
            ));
        }
        recovered.last_seq = recovered.last_seq.max(next - 1);
        recovered.frames.push(frame);
    }
    Ok(next)
}

fn damage(file: &RecoveredFile, at: usize, what: &str) -> Error {
    let advice =
        "the log is not read further, and nothing was changed; restore the file from a copy";
    Error::corrupt(format!("{} is damaged at byte {at}: {what}; {advice}", file.name))
}
