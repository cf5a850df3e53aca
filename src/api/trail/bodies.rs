//! Bodies that are recorded: what is asked is kept while it is read, and an answer is counted while
//! it is sent.

use crate::api::params::QUESTION_BYTES_MAX;
use crate::engine::{CallCost, CallHandle, Engine};
use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

/// The number of events that have been written to an answer so far: one that breaks off has no
/// trailer that says it.
#[derive(Debug, Clone, Default)]
pub(in crate::api) struct WrittenRows(pub(in crate::api) Arc<AtomicU64>);

/// A body that is kept while it is read.
pub(super) struct OverheardBody {
    pub(super) body: Body,
    pub(super) heard: Arc<Mutex<Vec<u8>>>,
}

impl HttpBody for OverheardBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(data) = frame.data_ref()
        {
            let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
            let room = QUESTION_BYTES_MAX.saturating_sub(heard.len());
            heard.extend_from_slice(&data[..data.len().min(room)]);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body that is counted while it is sent.
pub(super) struct CountedBody {
    pub(super) body: Body,
    pub(super) engine: Arc<Engine>,
    pub(super) handle: CallHandle,
    pub(super) begun: Instant,
    pub(super) cost: CallCost,
    /// How many events have been written to it, if it counts them itself.
    pub(super) written: Option<WrittenRows>,
    /// Whether its end was sent.
    pub(super) is_whole: bool,
}

impl HttpBody for CountedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.is_whole |= match &frame {
            Poll::Ready(None) => true,
            Poll::Ready(Some(Ok(frame))) => frame.is_trailers(),
            _ => false,
        };
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            self.cost.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            let rows = frame.trailers_ref().and_then(|trailers| trailers.get("x-annals-rows"));
            let rows = rows.and_then(|rows| rows.to_str().ok()?.parse().ok());
            self.cost.rows = rows.unwrap_or(self.cost.rows);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for CountedBody {
    fn drop(&mut self) {
        self.cost.millis = self.begun.elapsed().as_millis() as u64;
        if let Some(written) = self.written.as_ref().filter(|_| !self.is_whole) {
            self.cost.rows = written.0.load(Ordering::Relaxed);
        }
        self.engine.answer_made(&self.handle, self.cost, self.is_whole);
    }
}
