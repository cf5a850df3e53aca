//! `/api/v1/retention`, `/api/v1/holds` and `/api/v1/tenants`: how long events are kept, what is
//! kept whatever its age, which tenants there are, and what a tenant refuses.
//!
//! The command line makes the same calls through [`PolicyCall`].

use super::App;
use super::error::ApiError;
use super::params::read_pairs;
use crate::access::Caller;
use crate::calls::{Pairs, PolicyCall, RelationshipCall, is_about_relationships, tenants};
use crate::error::{Error, Result};
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde_json::Value;

/// The largest body of a tenant's settings.
const TENANT_BYTES_MAX: usize = 256 << 10;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/retention", get(show).put(retain))
        .route("/api/v1/retention/run", post(run))
        .route("/api/v1/holds", get(show))
        .route("/api/v1/holds/{name}", put(place).delete(lift))
        .route("/api/v1/tenants", get(list_tenants))
        .route("/api/v1/tenants/{name}", get(show_tenant).patch(set_tenant))
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
    let place = app.limits.place(&caller, &[]).await?;
    let shown = app.ask(&place, move |engine, _| PolicyCall::Show.answer(engine, &caller, &pairs));
    Ok(Json(shown.await?))
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
    let place = app.limits.place(&caller, &pairs.all("tenant")).await?;
    let answer =
        app.ask(&place, move |engine, budget| tenants(engine, &caller, &pairs, Some(budget)));
    Ok(Json(answer.await?))
}

async fn show_tenant(
    State(app): State<App>,
    caller: Caller,
    path: Result<Path<String>, PathRejection>,
    pairs: Pairs,
) -> Result<Json<Value>, ApiError> {
    pairs.only(&[])?;
    let call = RelationshipCall::ShowTenant(named(path)?);
    Ok(Json(app.run(move |engine| call.answer(engine, &caller, Value::Null)).await?))
}

/// Changes what a tenant does with records without a time, or what it is to relationships, which
/// other people decide.
async fn set_tenant(
    State(app): State<App>,
    caller: Caller,
    path: Result<Path<String>, PathRejection>,
    url: Pairs,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let name = named(path)?;
    let bytes = app.read_body(body, TENANT_BYTES_MAX).await?;
    let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    if is_about_relationships(&json) {
        url.only(&[])?;
        let call = RelationshipCall::Tenant(name);
        return Ok(Json(app.run(move |engine| call.answer(engine, &caller, json)).await?));
    }
    let mut pairs = match bytes.trim_ascii() {
        [] => Pairs::default(),
        json => Pairs::from_json(json)?,
    };
    pairs.0.extend(url.0);
    answer(app, caller, PolicyCall::Tenant(name), pairs).await
}
