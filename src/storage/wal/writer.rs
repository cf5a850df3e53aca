//! Appends frames to the newest file of the log.

use super::disk::LogDisk;
use super::frame::{Frame, Header};
use super::marker::{self, Marker};
use super::{epoch_of, file_name};
use std::io;

/// The newest file of the log, open for appending. After any error it accepts nothing more:
/// [`LogWriter::rotate`] starts a new file at the first number that is not durable.
#[derive(Debug)]
pub struct LogWriter<D: LogDisk> {
    disk: D,
    epoch: u64,
    file: Option<D::File>,
    /// Frames that were accepted and not written yet.
    waiting: Vec<u8>,
    /// The offset up to which the file is written.
    written: u64,
    /// The offset up to which it is durable.
    durable: u64,
    marker: Marker,
}

impl<D: LogDisk> LogWriter<D> {
    /// Creates a writer that has no file yet; the first one is created by [`LogWriter::rotate`],
    /// with an epoch above `last_epoch`.
    pub fn new(disk: D, last_epoch: u64) -> Self {
        Self {
            disk,
            epoch: last_epoch,
            file: None,
            waiting: Vec::new(),
            written: 0,
            durable: 0,
            marker: Marker::default(),
        }
    }

    /// Starts a new file whose first event has the number `first_seq`, with `frames` in it.
    /// Everything that was accepted and not synced, and whatever older files contain from that
    /// number on, is void. The file gets its name when all of it is durable.
    ///
    /// # Errors
    /// A disk that fails; then there is no file, and this may be tried again.
    pub fn rotate(&mut self, first_seq: u64, frames: &[Frame]) -> io::Result<()> {
        self.file = None;
        self.waiting.clear();
        self.epoch += 1;
        let name = file_name(self.epoch);
        let temporary = format!("{name}.tmp");
        if self.disk.names()?.contains(&temporary) {
            self.disk.remove(&temporary)?;
        }
        let mut file = self.disk.create(&temporary)?;
        let mut bytes = Header { epoch: self.epoch, first_seq }.encode();
        for frame in frames {
            frame.encode(self.epoch, 0, &mut bytes);
        }
        self.disk.append(&mut file, &bytes)?;
        self.disk.sync(&mut file)?;
        self.disk.rename(&temporary, &name)?;
        self.disk.sync_names()?;
        (self.written, self.durable) = (bytes.len() as u64, bytes.len() as u64);
        self.mark_file(first_seq)?;
        self.file = Some(file);
        Ok(())
    }

    /// Records durably that this is the newest file: before anything in it is acknowledged, and
    /// before older files are removed.
    fn mark_file(&mut self, first_seq: u64) -> io::Result<()> {
        if self.marker.count == 0 && self.disk.names()?.iter().any(|name| name == marker::NAME) {
            self.marker = Marker::decode(&self.disk.read(marker::NAME)?).unwrap_or_default();
        }
        let marker = Marker {
            count: self.marker.count + 1,
            epoch: self.epoch,
            first_seq,
            durable: self.durable,
        };
        let temporary = format!("{}.tmp", marker::NAME);
        if self.disk.names()?.contains(&temporary) {
            self.disk.remove(&temporary)?;
        }
        let mut file = self.disk.create(&temporary)?;
        self.disk.append(&mut file, &marker.file())?;
        self.disk.sync(&mut file)?;
        self.disk.rename(&temporary, marker::NAME)?;
        self.disk.sync_names()?;
        self.marker = marker;
        Ok(())
    }

    /// Hands all accepted frames to the system without waiting for the disk: they outlive this
    /// process, and are durable after the next [`LogWriter::sync`].
    ///
    /// # Errors
    /// As [`LogWriter::sync`].
    pub fn write(&mut self) -> io::Result<()> {
        let mut file =
            self.file.take().ok_or_else(|| io::Error::other("the log's file failed before"))?;
        if let Err(cause) = self.disk.append(&mut file, &self.waiting) {
            // What was written before is whole, and must not go with what was not.
            if self.written > self.durable && self.disk.sync(&mut file).is_ok() {
                self.durable = self.written;
            }
            return Err(cause);
        }
        self.written += self.waiting.len() as u64;
        self.waiting.clear();
        self.file = Some(file);
        Ok(())
    }

    /// Returns whether all that was written is durable.
    pub fn is_synced(&self) -> bool {
        self.written == self.durable
    }

    /// Accepts a frame; it is durable after the next [`LogWriter::sync`].
    pub fn append(&mut self, frame: &Frame) {
        frame.encode(self.epoch, self.durable, &mut self.waiting);
    }

    /// Makes all accepted frames durable.
    ///
    /// # Errors
    /// A disk that fails, or a file that failed before: the frames are not durable, and the file
    /// accepts nothing more.
    pub fn sync(&mut self) -> io::Result<()> {
        let mut file =
            self.file.take().ok_or_else(|| io::Error::other("the log's file failed before"))?;
        self.disk.append(&mut file, &self.waiting)?;
        self.disk.sync(&mut file)?;
        self.written += self.waiting.len() as u64;
        self.durable = self.written;
        self.waiting.clear();
        let marker = Marker { count: self.marker.count + 1, durable: self.durable, ..self.marker };
        let (at, slot) = marker.slot();
        // The marker is true before and after this write; if it cannot be written, less is known.
        if self.disk.overwrite(marker::NAME, at, &slot).is_ok() {
            self.marker = marker;
        }
        self.file = Some(file);
        Ok(())
    }

    /// Returns the number of bytes accepted and not written.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Returns whether anything was accepted that is not durable.
    pub fn is_behind(&self) -> bool {
        !self.waiting.is_empty() || self.written > self.durable
    }

    /// Returns the length of the newest file, in bytes.
    pub fn bytes(&self) -> u64 {
        self.written
    }

    /// Returns the epoch of the newest file.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Removes the files before `epoch`, oldest first: all their events are in the table.
    ///
    /// # Errors
    /// A disk that fails; files that are left will be removed another time, and contain nothing
    /// that is not in the table.
    pub fn trim(&mut self, epoch: u64) -> io::Result<()> {
        let mut removed = false;
        for name in self.disk.names()? {
            if epoch_of(&name).is_some_and(|own| own < epoch.min(self.epoch)) {
                self.disk.remove(&name)?;
                removed = true;
            }
        }
        if removed { self.disk.sync_names() } else { Ok(()) }
    }
}
