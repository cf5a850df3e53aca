//! Bodies of requests, within bounds that hold before memory is used: each alone, and all together.

use super::super::App;
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::{Coding, Unpacked};
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, header};
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The bounds of a door's bodies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// The most bytes on the wire.
    pub(super) wire: usize,
    /// The most bytes when unpacked.
    pub(super) unpacked: u64,
    /// How many bytes of memory a byte of it may need while it is read.
    pub(super) growth: u64,
}

impl Default for Bounds {
    /// 64 MiB on the wire, 512 MiB when unpacked, and no more in memory.
    fn default() -> Self {
        Self { wire: 64 << 20, unpacked: 512 << 20, growth: 1 }
    }
}

/// A body may not grow more than this many times when unpacked.
const UNPACKED_RATIO_MAX: u64 = 200;
/// Below this size when unpacked, the ratio does not matter.
const UNPACKED_BYTES_FREE: u64 = 1 << 20;
/// What all bodies that are being taken in may need together: 1 GiB.
const ROOM_BYTES: usize = 1 << 30;
/// How long a body waits for room.
const ROOM_WAIT: Duration = Duration::from_secs(10);

/// The memory that bodies may need together, in KiB.
#[derive(Debug, Clone)]
pub(crate) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ROOM_BYTES >> 10)))
    }
}

impl Room {
    async fn take(&self, bytes: u64) -> Result<OwnedSemaphorePermit> {
        let kib = bytes.div_ceil(1 << 10).min((ROOM_BYTES >> 10) as u64) as u32;
        let taken = tokio::time::timeout(ROOM_WAIT, Arc::clone(&self.0).acquire_many_owned(kib)).await;
        let full = || Error::new(ErrorKind::Unavailable, "too many bodies are being taken in: send it again later");
        taken.map_err(|_| full())?.map_err(|_| full())
    }
}

/// A body as it came.
#[derive(Debug)]
pub(super) struct Packed {
    bytes: Bytes,
    coding: Coding,
    limit: u64,
    /// Given back when the body is done with.
    _room: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

impl Packed {
    /// Reads a body within bounds.
    ///
    /// # Errors
    /// A body that is too large, did not arrive, or is packed in an unknown way; no room for it.
    pub(super) async fn read(app: &App, headers: &HeaderMap, body: Body, bounds: Bounds) -> Result<Self> {
        let coding = headers.get(header::CONTENT_ENCODING).map(|value| Coding::from_header(value.to_str().unwrap_or("?"))).transpose()?;
        let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        let on_wire = app.room.take(length.unwrap_or(bounds.wire).min(bounds.wire) as u64).await?;
        let bytes = read_body(body, bounds.wire).await?;
        let coding = coding.unwrap_or_else(|| Coding::of_bytes(&bytes));
        let limit = match coding {
            Coding::Identity => (bytes.len() as u64).min(bounds.unpacked),
            _ => bounds.unpacked.min((bytes.len() as u64 * UNPACKED_RATIO_MAX).max(UNPACKED_BYTES_FREE)),
        };
        let unpacked = app.room.take(limit * bounds.growth).await?;
        Ok(Self { bytes, coding, limit, _room: (on_wire, unpacked) })
    }

    /// The body's own bytes, as a stream.
    ///
    /// # Errors
    /// A decoder that cannot be started.
    pub(super) fn unpack(&self) -> Result<Unpacked<'_>> {
        Unpacked::new(self.bytes.as_ref(), self.coding, self.limit)
    }

    /// The body's own bytes, all at once.
    ///
    /// # Errors
    /// A body that cannot be unpacked to its end, or is too large then.
    pub(super) fn whole(&self) -> Result<Bytes> {
        if self.coding == Coding::Identity && self.bytes.len() as u64 <= self.limit {
            return Ok(self.bytes.clone());
        }
        let mut whole = Vec::new();
        self.unpack()?.read_to_end(&mut whole).map_err(|cause| {
            let kind = if cause.kind() == std::io::ErrorKind::FileTooLarge { ErrorKind::TooLarge } else { ErrorKind::Invalid };
            Error::new(kind, "the body cannot be unpacked").because(cause)
        })?;
        Ok(whole.into())
    }
}

/// A whole body of at most `limit` bytes.
///
/// # Errors
/// A larger one, or one that did not arrive.
pub(in super::super) async fn read_body(body: Body, limit: usize) -> Result<Bytes> {
    to_bytes(body, limit).await.map_err(|cause| {
        let mut source = Some(&cause as &dyn std::error::Error);
        while let Some(error) = source {
            if error.is::<http_body_util::LengthLimitError>() {
                return Error::new(ErrorKind::TooLarge, format!("the body is larger than {limit} bytes: send it in parts"));
            }
            source = error.source();
        }
        Error::invalid("the body did not arrive whole").because(cause)
    })
}
