//! `GET /api/v1/count`, `/facets`, `/histogram`, `/top`.

use super::App;
use super::error::ApiError;
use super::params::Pairs;
use super::question::{Call, answer};
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;

pub(super) fn routes() -> Router<App> {
    let mut routes = Router::new();
    for call in [Call::Count, Call::Facets, Call::Histogram, Call::Top] {
        routes = routes.route(call.path(), get(async move |State(app): State<App>, pairs: Pairs| respond(app, call, pairs).await));
    }
    routes
}

/// Answers a call of the native API.
pub(super) async fn respond(app: App, call: Call, pairs: Pairs) -> Result<Json<Value>, ApiError> {
    Ok(Json(app.run(move |engine| answer(engine, call, &pairs)).await?))
}
