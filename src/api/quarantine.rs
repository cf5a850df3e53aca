//! `GET /api/v1/quarantine` lists records that could not be decoded, `GET
//! /api/v1/quarantine/reasons` counts them by kind of reason, and `POST /api/v1/quarantine/decode`
//! decodes them again.
//!
//! The command line makes the same calls through [`QuarantineCall`].

use super::App;
use super::error::ApiError;
use super::params::read_pairs;
use crate::access::Caller;
use crate::calls::{Pairs, QuarantineCall};
use axum::body::Body;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::Value;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(QuarantineCall::List.route().1, get(records))
        .route(QuarantineCall::Reasons.route().1, get(reasons))
        .route(QuarantineCall::Decode.route().1, post(decode))
}

async fn answer(
    app: App,
    caller: Caller,
    call: QuarantineCall,
    pairs: Pairs,
) -> Result<Json<Value>, ApiError> {
    let place = app.limits.place(&caller, &pairs.all("tenant")).await?;
    let answer = app.run(move |engine| call.answer(engine, &caller, &pairs)).await?;
    drop(place);
    Ok(Json(answer))
}

async fn records(
    State(app): State<App>,
    caller: Caller,
    pairs: Pairs,
) -> Result<Json<Value>, ApiError> {
    answer(app, caller, QuarantineCall::List, pairs).await
}

async fn reasons(
    State(app): State<App>,
    caller: Caller,
    pairs: Pairs,
) -> Result<Json<Value>, ApiError> {
    answer(app, caller, QuarantineCall::Reasons, pairs).await
}

async fn decode(
    State(app): State<App>,
    caller: Caller,
    url: Pairs,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let pairs = read_pairs(&app, url, body).await?;
    answer(app, caller, QuarantineCall::Decode, pairs).await
}
