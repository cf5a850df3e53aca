//! The HTTP surfaces: the native API under `/api/v1`, and the façade of CTS v3.
//!
//! Handlers translate and nothing more: parameters in, a call of the engine on a blocking thread,
//! an answer out. What a question means and what its answer looks like is in [`crate::calls`],
//! which the command line uses too.

mod admission;
mod answer;
mod arrival;
mod connection;
mod cts;
mod doors;
mod error;
mod events;
mod export;
mod health;
mod loopback;
mod openapi;
mod params;
mod policy;
mod quarantine;
mod request_id;
mod serve;
mod status;
mod store;
mod views;
mod web;

pub use openapi::document as openapi_document;
pub use serve::{CONNECTIONS_MAX, DRAIN, ServeOptions, serve};
pub use web::missing as screen_missing;

use crate::engine::Engine;
use crate::error::{Error, Result};
use admission::Admission;
use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware;
use axum::response::Response;
use error::ApiError;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

/// Answers below this size are sent as they are.
const COMPRESS_BYTES_MIN: u16 = 1_024;

/// What every handler has.
#[derive(Debug, Clone)]
pub(crate) struct App {
    engine: Arc<Engine>,
    /// Which questions may be asked now.
    admission: Admission,
    /// What limits how many exports run at a time.
    exports: Arc<Semaphore>,
    /// What bodies that are being taken in may need together.
    room: doors::BodyRoom,
    /// The version that the Elasticsearch door says it is.
    elastic_version: Arc<str>,
}

impl App {
    fn new(engine: Arc<Engine>, elastic_version: &str) -> Self {
        let (admission, exports) =
            (Admission::new(engine.settings()), Arc::new(Semaphore::new(export::EXPORTS_MAX)));
        Self {
            engine,
            admission,
            exports,
            room: doors::BodyRoom::default(),
            elastic_version: elastic_version.into(),
        }
    }

    /// Runs a call of the engine where it may block.
    async fn run<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Engine) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let engine = Arc::clone(&self.engine);
        // From here, not from when a thread is free for it: that none is must be seen.
        let _working = engine.begin_call();
        let done = tokio::task::spawn_blocking(move || call(&engine)).await;
        done.map_err(|cause| Error::internal("a call failed").because(cause))?
    }
}

/// The version of Elasticsearch that its clients are told, unless something else is set: it serves
/// shippers of 7 and 8.
pub const ELASTIC_VERSION: &str = "8.19.99";

/// All routes over an engine.
pub fn router(engine: Arc<Engine>) -> Router {
    router_as(engine, ELASTIC_VERSION)
}

/// The same for another version of Elasticsearch: Filebeat refuses a server that is older than
/// itself.
pub fn router_as(engine: Arc<Engine>, elastic_version: &str) -> Router {
    let app = App::new(engine, elastic_version);
    // Parquet is compressed already, and what fits in one packet gains nothing.
    let worth = SizeAbove::new(COMPRESS_BYTES_MIN)
        .and(NotForContentType::const_new("application/vnd.apache.parquet"));
    Router::new()
        .merge(events::routes())
        .merge(doors::routes())
        .merge(answer::routes())
        .merge(export::routes())
        .merge(store::routes())
        .merge(quarantine::routes())
        .merge(health::routes())
        .merge(policy::routes())
        .merge(status::routes())
        .merge(views::routes())
        .merge(web::routes())
        .merge(openapi::routes())
        .merge(cts::routes())
        .fallback(async || {
            ApiError::not_found("there is nothing at this path; see /api/v1/openapi.json")
        })
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .layer(CompressionLayer::new().compress_when(worth))
        .layer(middleware::map_response(confine))
        .layer(middleware::from_fn(loopback::same_machine))
        .layer(middleware::from_fn(arrival::in_time))
        .layer(middleware::from_fn(request_id::number))
        .with_state(app)
}

/// Nothing that came from a record may be taken for a page by a browser that guesses, nor be shown
/// or read by another site. The screen says for itself what it may do.
async fn confine(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let alone = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(alone);
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}
