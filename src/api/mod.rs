//! The HTTP surfaces: the native API under `/api/v1`, and the façade of CTS v3.
//!
//! Handlers translate and nothing more: parameters in, a call of the engine on a blocking thread, an answer out. What a
//! question means and what its answer looks like is in [`question`], which the command line uses too.

mod answer;
mod cts;
mod error;
mod events;
mod export;
mod guard;
mod openapi;
mod params;
pub mod question;
mod serve;
mod store;

pub(crate) use events::parse_format;
pub(crate) use export::Export;
pub use openapi::document as openapi_document;
pub use params::Pairs;
pub use serve::{ServeOptions, serve};

use crate::engine::Engine;
use crate::error::{Error, Result};
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
    /// What limits how many exports run at a time.
    exports: Arc<Semaphore>,
}

impl App {
    /// Runs a call of the engine where it may block.
    async fn run<T: Send + 'static>(&self, call: impl FnOnce(&Engine) -> Result<T> + Send + 'static) -> Result<T> {
        let engine = Arc::clone(&self.engine);
        let done = tokio::task::spawn_blocking(move || call(&engine)).await;
        done.map_err(|cause| Error::internal("a call failed").because(cause))?
    }
}

/// All routes over an engine.
pub fn router(engine: Arc<Engine>) -> Router {
    let app = App { engine, exports: Arc::new(Semaphore::new(export::EXPORTS_MAX)) };
    // Parquet is compressed already, and what fits in one packet gains nothing.
    let worth = SizeAbove::new(COMPRESS_BYTES_MIN).and(NotForContentType::const_new("application/vnd.apache.parquet"));
    Router::new()
        .merge(events::routes())
        .merge(answer::routes())
        .merge(export::routes())
        .merge(store::routes())
        .merge(openapi::routes())
        .merge(cts::routes())
        .fallback(async || ApiError::not_found("there is nothing at this path; see /api/v1/openapi.json"))
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .layer(CompressionLayer::new().compress_when(worth))
        .layer(middleware::map_response(never_sniff))
        .layer(middleware::from_fn(guard::same_machine))
        .with_state(app)
}

/// Nothing that came from a record may be taken for a page by a browser that guesses.
async fn never_sniff(mut response: Response) -> Response {
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
