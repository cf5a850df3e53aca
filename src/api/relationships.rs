//! `/api/v1/relationships`: which partner sees the events of which customer or reseller, when, and
//! on what evidence.
//!
//! The command line makes the same calls through [`RelationshipCall`].

use super::App;
use super::error::ApiError;
use crate::access::Caller;
use crate::calls::{Pairs, RelationshipCall, list_relationships};
use crate::error::{Error, Result};
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use serde_json::Value;

/// The largest body of a relationship.
const BODY_BYTES_MAX: usize = 64 << 10;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/relationships", get(list).post(create))
        .route("/api/v1/relationships/{id}", patch(change))
        .route("/api/v1/relationships/{id}/confirm", post(confirm))
        .route("/api/v1/relationships/{id}/withdraw", post(withdraw))
}

type NamedId = std::result::Result<Path<String>, PathRejection>;

fn id_of(path: NamedId) -> Result<String> {
    path.map(|Path(id)| id)
        .map_err(|cause| Error::parameter("id", "is not UTF-8 text").because(cause))
}

/// Makes a call, with the JSON of the body if there is one.
async fn answer(
    (app, caller): (App, Caller),
    call: RelationshipCall,
    body: Body,
) -> Result<Response, ApiError> {
    let body = app.read_body(body, BODY_BYTES_MAX).await?;
    let body: Value = match body.trim_ascii() {
        [] => Value::Null,
        json => serde_json::from_slice(json)
            .map_err(|cause| Error::invalid("the body is not JSON").because(cause))?,
    };
    let status = match &call {
        RelationshipCall::Create => StatusCode::CREATED,
        _ => StatusCode::OK,
    };
    let answer = app.run(move |engine| call.answer(engine, &caller, body)).await?;
    Ok((status, [(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    pairs: Pairs,
    body: Body,
) -> Result<Response, ApiError> {
    let place = app.limits.place(&caller, &[]).await?;
    if !app.read_body(body, BODY_BYTES_MAX).await?.trim_ascii().is_empty() {
        return Err(Error::invalid("this call takes no body").into());
    }
    let shown =
        app.ask(&place, move |engine, budget| list_relationships(engine, &caller, &pairs, budget));
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(shown.await?)).into_response())
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    pairs: Pairs,
    body: Body,
) -> Result<Response, ApiError> {
    pairs.only(&[])?;
    answer((app, caller), RelationshipCall::Create, body).await
}

async fn change(
    State(app): State<App>,
    caller: Caller,
    path: NamedId,
    pairs: Pairs,
    body: Body,
) -> Result<Response, ApiError> {
    pairs.only(&[])?;
    answer((app, caller), RelationshipCall::Change(id_of(path)?), body).await
}

async fn confirm(
    State(app): State<App>,
    caller: Caller,
    path: NamedId,
    pairs: Pairs,
    body: Body,
) -> Result<Response, ApiError> {
    pairs.only(&[])?;
    answer((app, caller), RelationshipCall::Confirm(id_of(path)?), body).await
}

async fn withdraw(
    State(app): State<App>,
    caller: Caller,
    path: NamedId,
    pairs: Pairs,
    body: Body,
) -> Result<Response, ApiError> {
    pairs.only(&[])?;
    answer((app, caller), RelationshipCall::Withdraw(id_of(path)?), body).await
}
