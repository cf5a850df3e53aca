//! `/api/v1/retention`, `/api/v1/holds` and `/api/v1/tenants`: how long events are kept, what is
//! kept whatever its age, which tenants there are, and what a tenant refuses.
//!
//! The command line makes the same calls through [`PolicyCall`].

use super::App;
use super::error::ApiError;
use super::params::read_pairs;
use crate::access::Caller;
use crate::calls::{Pairs, PolicyCall, tenants};
use crate::error::{Error, Result};
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::routing::{get, patch, post, put};
use axum::{Json, Router};
use serde_json::Value;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/retention", get(show).put(retain))
        .route("/api/v1/retention/run", post(run))
        .route("/api/v1/holds", get(show))
        .route("/api/v1/holds/{name}", put(place).delete(lift))
        .route("/api/v1/tenants", get(list_tenants))
        .route("/api/v1/tenants/{name}", patch(set_tenant))
}

async fn answer(
    app: App,
    caller: Caller,
    call: PolicyCall,
    pairs: Pairs,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(app.run(move |engine| call.answer(engine, &caller, &pairs)).await?))
}

async fn show(
    State(app): State<App>,
    caller: Caller,
    pairs: Pairs,
) -> Result<Json<Value>, ApiError> {
    answer(app, caller, PolicyCall::Show, pairs).await
}

async fn retain(
    State(app): State<App>,
    caller: Caller,
    url: Pairs,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let pairs = read_pairs(&app, url, body).await?;
    answer(app, caller, PolicyCall::Retain, pairs).await
}

async fn run(
    State(app): State<App>,
    caller: Caller,
    pairs: Pairs,
) -> Result<Json<Value>, ApiError> {
    answer(app, caller, PolicyCall::Run, pairs).await
}

/// Returns the last part of the path, which names a hold or a tenant.
fn named(path: Result<Path<String>, PathRejection>) -> Result<String> {
    path.map(|Path(name)| name)
        .map_err(|cause| Error::parameter("name", "is not UTF-8 text").because(cause))
}

/// Makes a change to what the path names.
async fn change(
    (app, caller): (App, Caller),
    path: Result<Path<String>, PathRejection>,
    (url, body): (Pairs, Body),
    call: fn(String) -> PolicyCall,
) -> Result<Json<Value>, ApiError> {
    let pairs = read_pairs(&app, url, body).await?;
    answer(app, caller, call(named(path)?), pairs).await
}

async fn place(
    State(app): State<App>,
    caller: Caller,
    path: Result<Path<String>, PathRejection>,
    url: Pairs,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    change((app, caller), path, (url, body), PolicyCall::Place).await
}

async fn lift(
    State(app): State<App>,
    caller: Caller,
    path: Result<Path<String>, PathRejection>,
    pairs: Pairs,
) -> Result<Json<Value>, ApiError> {
    answer(app, caller, PolicyCall::Lift(named(path)?), pairs).await
}

async fn list_tenants(
    State(app): State<App>,
    caller: Caller,
    pairs: Pairs,
) -> Result<Json<Value>, ApiError> {
    let answer = app.ask(move |engine, budget| tenants(engine, &caller, &pairs, Some(budget)));
    Ok(Json(answer.await?))
}

async fn set_tenant(
    State(app): State<App>,
    caller: Caller,
    path: Result<Path<String>, PathRejection>,
    url: Pairs,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    change((app, caller), path, (url, body), PolicyCall::Tenant).await
}
