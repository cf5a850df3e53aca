//! Deadlines for request bodies: they arrive in time or are refused.
//!
//! A body that sends no byte for [`STALL`], or that is slower than [`RATE`] after [`GRACE`], is
//! answered with 408, whichever handler reads it. Time in which the server does not ask for more
//! bytes does not count against the client. If a request is answered before its body has been read,
//! the rest is read and dropped, within limits: many clients do not read an answer before they have
//! sent everything, and would only see a broken connection.

use super::error::ApiError;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// How long a body may send no byte.
const STALL: Duration = Duration::from_secs(10);
/// How long a body may take beyond the time allowed for its bytes, and the most time that bytes
/// which came faster may save up: a burst does not pay for an hour of trickling.
const GRACE: Duration = Duration::from_secs(20);
/// The rate, in bytes per second, at which the rest must arrive.
const RATE: u64 = 16 << 10;
/// How much of an unwanted body is read before the answer is sent.
const DISCARD_BYTES_MAX: u64 = 256 << 20;
/// How long an unwanted body is read before the answer is sent, and how long it may send no byte.
const DISCARD: Duration = Duration::from_secs(10);
const DISCARD_STALL: Duration = Duration::from_secs(2);

/// Reads a request's body in time, or answers 408.
pub(super) async fn in_time(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let asks_first = request.headers().contains_key(header::EXPECT);
    let left = Arc::new(Mutex::new(Left::default()));
    let (parts, body) = request.into_parts();
    let body = Arriving { body: Some(body), left: Arc::clone(&left), pace: ArrivalPace::default() };
    let mut response = next.run(Request::from_parts(parts, Body::new(body))).await;
    let left = std::mem::take(&mut *left.lock().unwrap_or_else(PoisonError::into_inner));
    let whole = match left {
        Left::Nothing => true,
        Left::Late => {
            response = ApiError::request_timeout(
                "the body did not arrive in time: send at least 16 KiB a second",
            )
            .into_response();
            false
        }
        // A client that asked whether to send (`Expect: 100-continue`) has not sent anything yet.
        Left::Unread { read: false, .. } if asks_first => false,
        Left::Unread { body, .. } => discard(body).await,
    };
    if !whole {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Reads and drops a body; returns whether its end was reached.
async fn discard(mut body: Body) -> bool {
    let all = async {
        let mut bytes = 0;
        while let Ok(frame) = tokio::time::timeout(DISCARD_STALL, body.frame()).await {
            match frame {
                None => return true,
                Some(Ok(frame)) => bytes += frame.data_ref().map_or(0, |data| data.len() as u64),
                Some(Err(_)) => return false,
            }
            if bytes > DISCARD_BYTES_MAX {
                return false;
            }
        }
        false
    };
    tokio::time::timeout(DISCARD, all).await.unwrap_or(false)
}

/// What is left of a body when its request has been answered.
#[derive(Default)]
enum Left {
    #[default]
    Nothing,
    /// The body did not arrive in time.
    Late,
    /// The body was not read to its end; says whether reading had begun.
    Unread { body: Body, read: bool },
}

/// A request body while it arrives.
struct Arriving {
    body: Option<Body>,
    left: Arc<Mutex<Left>>,
    pace: ArrivalPace,
}

/// Measures how fast a body arrives while the server waits for it.
struct ArrivalPace {
    /// How much longer the server waits at this moment; bytes that arrive extend it.
    credit: Duration,
    /// Since when the next bytes have been awaited, and the deadline.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    read: bool,
}

impl Default for ArrivalPace {
    fn default() -> Self {
        Self { credit: GRACE, waiting: None, read: false }
    }
}

impl ArrivalPace {
    fn arrived(&mut self, bytes: usize) {
        if let Some((since, _)) = self.waiting.take() {
            self.waited(since.elapsed());
        }
        let earned = Duration::from_micros((bytes as u64).saturating_mul(1_000_000) / RATE);
        self.credit = self.credit.saturating_add(earned).min(GRACE);
    }

    fn waited(&mut self, time: Duration) {
        self.credit = self.credit.saturating_sub(time);
    }

    /// Returns how long the next bytes may take.
    fn patience(&self) -> Duration {
        self.credit.min(STALL)
    }

    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let patience = self.patience();
        let (_, until) = self
            .waiting
            .get_or_insert_with(|| (Instant::now(), Box::pin(tokio::time::sleep(patience))));
        until.as_mut().poll(cx).is_ready()
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        this.pace.read = true;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        let frame = Pin::new(body).poll_frame(cx);
        match &frame {
            Poll::Ready(Some(Ok(frame))) => {
                this.pace.arrived(frame.data_ref().map_or(0, Bytes::len))
            }
            Poll::Ready(_) => this.body = None,
            Poll::Pending if this.pace.is_late(cx) => {
                this.body = None;
                *this.left.lock().unwrap_or_else(PoisonError::into_inner) = Left::Late;
                let late =
                    io::Error::new(io::ErrorKind::TimedOut, "the body did not arrive in time");
                return Poll::Ready(Some(Err(axum::Error::new(late))));
            }
            Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(HttpBody::size_hint).unwrap_or_default()
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) else { return };
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) =
            Left::Unread { body, read: self.pace.read };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_trickles_ends_and_one_that_comes_at_the_rate_does_not() {
        let mut pace = ArrivalPace::default();
        let mut steps = 0;
        while !pace.patience().is_zero() {
            pace.arrived(1);
            pace.waited(Duration::from_secs(1));
            steps += 1;
            assert!(steps < 60, "a byte a second goes on for ever");
        }
        // However much came at first.
        let mut pace = ArrivalPace::default();
        pace.arrived(62 << 20);
        for second in 0_u64.. {
            if pace.patience().is_zero() {
                break;
            }
            pace.arrived(1);
            pace.waited(Duration::from_secs(1));
            assert!(second < 60, "a burst pays for a minute of trickling");
        }
        let mut pace = ArrivalPace::default();
        for _ in 0..10_000 {
            pace.arrived(RATE as usize);
            pace.waited(Duration::from_secs(1));
            assert_eq!(pace.patience(), STALL);
        }
    }
}
