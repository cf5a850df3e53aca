//! Bodies of requests whose caller must still be who it was when they began: a body may take its
//! time, and a credential can be withdrawn meanwhile.

use crate::access::Caller;
use crate::engine::Engine;
use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

/// A body that ends with an error when its sender's credential does.
pub(super) struct CurrentBody {
    body: Body,
    caller: Caller,
    engine: Arc<Engine>,
    /// Set when the credential has ended.
    has_ended: Arc<AtomicBool>,
}

impl CurrentBody {
    /// Wraps the body of a caller's request. The flag says later whether its credential has ended.
    pub(super) fn wrap(
        body: Body,
        caller: &Caller,
        engine: &Arc<Engine>,
    ) -> (Body, Arc<AtomicBool>) {
        let has_ended = Arc::new(AtomicBool::new(false));
        let wrapped = Self {
            body,
            caller: caller.clone(),
            engine: Arc::clone(engine),
            has_ended: Arc::clone(&has_ended),
        };
        (Body::new(wrapped), has_ended)
    }
}

impl HttpBody for CurrentBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        // With every frame, and not at the end: whoever reads may know the length and not ask for
        // more.
        if frame.is_ready()
            && let Err(error) = self.engine.check_current(&self.caller)
        {
            self.has_ended.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err(axum::Error::new(io::Error::other(error)))));
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
