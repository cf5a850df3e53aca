//! `/api/v1/events`: lists and single events.

use super::App;
use super::answer::respond;
use super::error::ApiError;
use super::trail::AnswerRows;
use crate::access::Caller;
use crate::api::params::read_json_pairs;
use crate::calls::Pairs;
use crate::calls::question::{self, QueryCall};
use crate::error::{Error, Result};
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/events", get(list))
        .route("/api/v1/events/query", post(query))
        .route("/api/v1/events/{trace_id}", get(one))
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    pairs: Pairs,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    respond(app, caller, (QueryCall::Events, pairs), &headers).await
}

async fn query(
    State(app): State<App>,
    caller: Caller,
    url: Pairs,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let pairs = read_json_pairs(&app, url, body).await?;
    respond(app, caller, (QueryCall::Events, pairs), &headers).await
}

async fn one(
    State(app): State<App>,
    caller: Caller,
    path: Result<Path<String>, PathRejection>,
    pairs: Pairs,
) -> Result<Response, ApiError> {
    let Path(trace_id) =
        path.map_err(|cause| Error::parameter("trace_id", "is not UTF-8 text").because(cause))?;
    let place = app.limits.place(&caller, &pairs.all("tenant")).await?;
    let event = app.ask(&place, move |engine, budget| {
        question::event(engine, &caller, (&trace_id, &pairs), budget)
    });
    let event = event.await?;
    // With those of the same id at other times, and in other tenants.
    let rows = 1 + event["others"].as_array().map_or(0, Vec::len) as u64;
    let mut response = Json(event).into_response();
    place.gave(rows);
    response.extensions_mut().insert(AnswerRows(rows));
    Ok(response)
}
