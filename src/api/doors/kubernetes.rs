//! The audit webhook of a Kubernetes API server.
//!
//! It accepts an `EventList` and answers with an empty object when the events are durable. The API
//! server repeats a batch a few times after any error and then drops it, so events that cannot be
//! decoded go to quarantine instead.

use super::super::App;
use super::super::error::ApiError;
use super::body::{Bounds, PackedBody};
use super::tell_repeats_apart;
use crate::access::{Caller, Permission};
use crate::decode::Format;
use crate::error::Error;
use crate::ingest::TenantRule;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

/// The limit for a batch of 400 events with requests and responses, which are not truncated by
/// default.
const BOUNDS: Bounds = Bounds { wire: 256 << 20, unpacked: 512 << 20, growth: 1 };

pub(super) fn routes() -> Router<App> {
    Router::new().route("/k8s/audit/{tenant}", post(take))
}

async fn take(
    State(app): State<App>,
    caller: Caller,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let Path(tenant) =
        path.map_err(|cause| Error::parameter("tenant", "is not UTF-8 text").because(cause))?;
    caller.check(Permission::Ingest, &tenant)?;
    let rule = TenantRule::new(Some(&tenant), None)?;
    let body = PackedBody::read(&app, &headers, body, BOUNDS).await?;
    app.take_in("Kubernetes audit webhook", &caller, body, move |engine, body| {
        let batch = engine.decode(body.records()?, Some(Format::K8s), &rule);
        Ok((tell_repeats_apart(batch), None, ()))
    })
    .await?;
    Ok(Json(json!({})))
}
