//! Bodies of principals whose bytes a second are limited: a body is read as fast as that, and
//! refused only if its next bytes would have to wait for too long.

use super::account::LimitAccount;
use super::reached::LimitReached;
use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// How long a body may wait for its first bytes, and how long for the next ones: what has begun
/// would be sent once more.
const FIRST_WAIT: Duration = Duration::from_secs(10);
const NEXT_WAIT: Duration = Duration::from_secs(60);

type Payment = Pin<Box<dyn Future<Output = Result<(), LimitReached>> + Send>>;

/// A body that is read no faster than its sender may send.
pub(super) struct PacedBody {
    body: Body,
    account: Arc<LimitAccount>,
    /// Bytes that came and wait until they may be read: of the end of a body it is known only when
    /// it is there, and it waits for nothing.
    held: Option<Frame<Bytes>>,
    payment: Option<Payment>,
    has_begun: bool,
    /// Why it was not read to its end.
    reached: Arc<OnceLock<LimitReached>>,
}

impl PacedBody {
    /// Wraps a body. What is returned with it says later whether it was refused.
    pub(super) fn wrap(
        body: Body,
        account: Arc<LimitAccount>,
    ) -> (Body, Arc<OnceLock<LimitReached>>) {
        let reached = Arc::new(OnceLock::new());
        let told = Arc::clone(&reached);
        let paced = Self { body, account, held: None, payment: None, has_begun: false, reached };
        (Body::new(paced), told)
    }

    fn poll_paid(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LimitReached>> {
        if self.payment.is_none() && self.account.may_deliver() {
            return Poll::Ready(Ok(()));
        }
        let bound = if self.has_begun { NEXT_WAIT } else { FIRST_WAIT };
        let account = Arc::clone(&self.account);
        let payment = self
            .payment
            .get_or_insert_with(|| Box::pin(async move { account.bytes_paid(bound).await }));
        let paid = ready!(payment.as_mut().poll(cx));
        self.payment = None;
        Poll::Ready(paid)
    }
}

impl HttpBody for PacedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if this.held.is_none() {
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => this.held = Some(frame),
                end => return Poll::Ready(end),
            }
        }
        if let Err(reached) = ready!(this.poll_paid(cx)) {
            let _ = this.reached.set(reached);
            return Poll::Ready(Some(Err(axum::Error::new(io::Error::other(reached)))));
        }
        let Some(frame) = this.held.take() else { return Poll::Ready(None) };
        this.account.add_bytes(frame.data_ref().map_or(0, |data| data.len() as u64));
        this.has_begun = true;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.held {
            None => self.body.size_hint(),
            Some(_) => SizeHint::default(),
        }
    }
}
