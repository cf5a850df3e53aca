//! One server over a store in a temporary folder, for targets whose parsers only requests reach.

use annals::api::router;
use annals::clock::ManualClock;
use annals::engine::{Engine, Settings, SourceCounts};
use annals::event::Timestamp;
use annals::storage::AccessMode;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

/// The routes, and what they need as long as the process runs.
pub struct Server {
    router: Router,
    engine: Arc<Engine>,
    runtime: Runtime,
    _folder: TempDir,
}

/// What a request was answered.
pub struct Answer {
    pub status: u16,
    pub kind: String,
    pub body: Vec<u8>,
}

impl Server {
    /// A server over a store of its own, in which time stands still and nothing is merged: an input
    /// does the same each time.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let runtime =
            Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_782_777_600_000)));
        let settings = Settings { compact: false, ..Settings::default() };
        let engine = Engine::open_with(
            &folder.path().join("data"),
            AccessMode::Write,
            clock,
            runtime.handle().clone(),
            settings,
        );
        let engine = Arc::new(engine.expect("a store"));
        Self { router: router(Arc::clone(&engine)), engine, runtime, _folder: folder }
    }

    /// Posts a body as it is, whatever its first bytes look like. The server may be busy, and may
    /// not fail.
    pub fn post(&self, path: &str, kind: &str, body: &[u8]) -> Answer {
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, kind)
            .header(header::CONTENT_ENCODING, "identity");
        let request = request.body(Body::from(body.to_vec())).expect("a request");
        let answer = self.runtime.block_on(async {
            let (parts, body) = self
                .router
                .clone()
                .oneshot(request)
                .await
                .expect("the router answers")
                .into_parts();
            let kind = parts
                .headers
                .get(header::CONTENT_TYPE)
                .and_then(|kind| kind.to_str().ok())
                .unwrap_or_default()
                .to_owned();
            let body = to_bytes(body, usize::MAX).await.expect("an answer to its end").to_vec();
            Answer { status: parts.status.as_u16(), kind, body }
        });
        let failed = answer.status >= 500 && answer.status != 503;
        assert!(!failed, "{}: {}", answer.status, String::from_utf8_lossy(&answer.body));
        answer
    }

    /// What became of all records of a door so far.
    pub fn taken(&self, door: &str) -> SourceCounts {
        self.engine.taken().get(door).copied().unwrap_or_default()
    }
}
