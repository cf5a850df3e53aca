//! The HTTP surfaces: the native API under `/api/v1`, and the façade of CTS v3.
//!
//! Handlers translate and nothing more: parameters in, a call of the engine on a blocking thread, an answer out. What a
//! question means and what its answer looks like is in [`question`], which the command line uses too.

mod aggregate;
mod cts;
mod error;
mod events;
mod guard;
mod params;
pub mod question;
mod serve;
mod store;

pub(crate) use events::parse_format;
pub use params::Pairs;
pub use serve::{ServeOptions, serve};

use crate::engine::Engine;
use crate::error::{Error, Result};
use axum::Router;
use axum::middleware;
use error::ApiError;
use std::sync::Arc;

/// What every handler has.
#[derive(Debug, Clone)]
pub(crate) struct App {
    engine: Arc<Engine>,
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
    let app = App { engine };
    Router::new()
        .merge(events::routes())
        .merge(aggregate::routes())
        .merge(store::routes())
        .merge(cts::routes())
        .fallback(async || ApiError::not_found("there is nothing at this path; see /api/v1/fields and the README"))
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .layer(middleware::from_fn(guard::same_machine))
        .with_state(app)
}
