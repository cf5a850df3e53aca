//! A file that is read at arbitrary offsets: every block is verified with its checksum before it is
//! used.

use super::checksums::Blocks;
use crate::error::{Error, Result};
use crate::storage::segment::damage::{Health, is_damage};
use crate::storage::segment::file::checksums::FileMark;
use bytes::Bytes;
use parquet::file::reader::{ChunkReader, Length};
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A file that several threads read at independent offsets; the bytes they get are verified.
#[derive(Debug, Clone)]
pub struct PositionedFile {
    file: Arc<File>,
    pub(in crate::storage::segment) blocks: Arc<Blocks>,
    health: Arc<Health>,
    pub(in crate::storage::segment) length: u64,
    /// The number of bytes read so far.
    pub(in crate::storage::segment) counter: Arc<AtomicU64>,
}

impl PositionedFile {
    /// Returns the same file with a separate count of bytes read.
    pub(in crate::storage::segment) fn counted_apart(&self) -> Self {
        Self { counter: Arc::default(), ..self.clone() }
    }

    pub(in crate::storage::segment) fn open(
        path: &Path,
        mark: &FileMark,
        health: &Arc<Health>,
    ) -> Result<Self> {
        let file = File::open(path).map_err(|cause| match cause.kind() {
            // The file was not requested by name: stored data is lost.
            io::ErrorKind::NotFound => {
                Error::corrupt(format!("{} is missing: a backup may have it", path.display()))
            }
            _ => Error::io(path.display(), cause),
        })?;
        let length = file.metadata().map_err(|cause| Error::io(path.display(), cause))?.len();
        let blocks = Arc::new(Blocks::of(mark)?);
        Ok(Self {
            file: Arc::new(file),
            blocks,
            health: Arc::clone(health),
            length,
            counter: Arc::default(),
        })
    }

    /// Returns the bytes of a range.
    ///
    /// # Errors
    /// A range beyond the end, or bytes that are not what was written.
    pub fn bytes(&self, range: Range<u64>) -> io::Result<Bytes> {
        let bytes = self.proved(range).inspect_err(|cause| {
            if is_damage(cause) {
                self.health.damage_data(&cause.to_string());
            }
        })?;
        self.counter.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes)
    }

    fn proved(&self, range: Range<u64>) -> io::Result<Bytes> {
        Ok(match self.blocks.span(&range) {
            None => self.unchecked(range)?,
            // Blocks that are not verified yet are read whole, once.
            Some(span) => {
                let bytes = self.unchecked(span.clone())?;
                let part = |range: Range<u64>| {
                    bytes.slice(
                        (range.start - span.start) as usize..(range.end - span.start) as usize,
                    )
                };
                self.blocks.check(range.clone(), |block| Ok(part(block)))?;
                part(range)
            }
        })
    }

    /// Returns the number of bytes that were requested.
    pub fn bytes_read(&self) -> u64 {
        self.counter.load(Ordering::Relaxed)
    }

    pub(in crate::storage::segment) fn unchecked(&self, range: Range<u64>) -> io::Result<Bytes> {
        let mut bytes = vec![0; (range.end - range.start) as usize];
        self.file.read_exact_at(&mut bytes, range.start)?;
        Ok(Bytes::from(bytes))
    }
}

impl Length for PositionedFile {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for PositionedFile {
    type T = Box<dyn Read + Send>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(Box::new(io::BufReader::new(PositionedRead { file: self.clone(), index: start })))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        Ok(self.bytes(start..start + length as u64)?)
    }
}

/// A reader with its own offset.
#[derive(Debug)]
struct PositionedRead {
    file: PositionedFile,
    index: u64,
}

impl Read for PositionedRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = (self.index + buffer.len() as u64).min(self.file.length);
        let bytes = self.file.bytes(self.index..end.max(self.index))?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        self.index += bytes.len() as u64;
        Ok(bytes.len())
    }
}
