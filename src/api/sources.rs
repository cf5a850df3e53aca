//! `/api/v1/sources` and `/api/v1/coverage`: what is fetched from elsewhere, and how far it is
//! complete.
//!
//! The command line makes the same calls through [`SourceCall`].

use super::App;
use super::error::ApiError;
use crate::access::{Caller, Permission};
use crate::calls::{Pairs, SourceCall, check_sources};
use crate::collect::{SourceCoverage, missing};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Timestamp;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How long a source may take to be tried.
const TEST_MAX: Duration = Duration::from_secs(60);
/// The largest body of a source.
const BODY_BYTES_MAX: usize = 64 << 10;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/sources", get(list).post(add))
        .route("/api/v1/sources/{name}", get(show).patch(change).delete(remove))
        .route("/api/v1/sources/{name}/pause", post(pause))
        .route("/api/v1/sources/{name}/resume", post(resume))
        .route("/api/v1/sources/{name}/backfill", post(backfill))
        .route("/api/v1/sources/{name}/gaps", post(declare))
        .route("/api/v1/sources/{name}/test", post(test))
        .route("/api/v1/sources/{name}/run", post(run))
        .route("/api/v1/coverage", get(coverage))
}

type SourcePath = std::result::Result<Path<String>, PathRejection>;

fn name_of(path: SourcePath) -> Result<String> {
    path.map(|Path(name)| name)
        .map_err(|cause| Error::parameter("name", "is not UTF-8 text").because(cause))
}

/// Makes a call, with the JSON of the body if there is one.
async fn answer(
    (app, caller): (App, Caller),
    call: SourceCall,
    pairs: Pairs,
    body: Body,
) -> Result<Response, ApiError> {
    pairs.only(&[])?;
    let body = app.read_body(body, BODY_BYTES_MAX).await?;
    let body: Value = match body.trim_ascii() {
        [] => Value::Null,
        // The cause is left out: it may quote a credential.
        json => serde_json::from_slice(json).map_err(|_| Error::invalid("the body is not JSON"))?,
    };
    let is_new = call == SourceCall::Add;
    let collector = Arc::clone(&app.collector);
    let answer =
        app.run(move |engine| call.answer((engine, Some(collector.as_ref())), &caller, body));
    let answer = answer.await?;
    let status = match (&answer, is_new) {
        (Value::Null, _) => return Ok(StatusCode::NO_CONTENT.into_response()),
        (_, true) => StatusCode::CREATED,
        (_, false) => StatusCode::OK,
    };
    Ok((status, [(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    pairs: Pairs,
    body: Body,
) -> Result<Response, ApiError> {
    let place = app.limits.place(&caller, &[]).await?;
    let listed = answer((app, caller), SourceCall::List, pairs, body).await;
    drop(place);
    listed
}

async fn add(
    State(app): State<App>,
    caller: Caller,
    pairs: Pairs,
    body: Body,
) -> Result<Response, ApiError> {
    answer((app, caller), SourceCall::Add, pairs, body).await
}

async fn show(
    State(app): State<App>,
    caller: Caller,
    path: SourcePath,
    pairs: Pairs,
    body: Body,
) -> Result<Response, ApiError> {
    answer((app, caller), SourceCall::Show(name_of(path)?), pairs, body).await
}

async fn change(
    State(app): State<App>,
    caller: Caller,
    path: SourcePath,
    pairs: Pairs,
    body: Body,
) -> Result<Response, ApiError> {
    answer((app, caller), SourceCall::Change(name_of(path)?), pairs, body).await
}

async fn remove(
    State(app): State<App>,
    caller: Caller,
    path: SourcePath,
    pairs: Pairs,
    body: Body,
) -> Result<Response, ApiError> {
    answer((app, caller), SourceCall::Remove(name_of(path)?), pairs, body).await
}

async fn pause(
    State(app): State<App>,
    caller: Caller,
    path: SourcePath,
    pairs: Pairs,
    body: Body,
) -> Result<Response, ApiError> {
    answer((app, caller), SourceCall::Pause(name_of(path)?), pairs, body).await
}

async fn resume(
    State(app): State<App>,
    caller: Caller,
    path: SourcePath,
    pairs: Pairs,
    body: Body,
) -> Result<Response, ApiError> {
    answer((app, caller), SourceCall::Resume(name_of(path)?), pairs, body).await
}

async fn backfill(
    State(app): State<App>,
    caller: Caller,
    path: SourcePath,
    pairs: Pairs,
    body: Body,
) -> Result<Response, ApiError> {
    answer((app, caller), SourceCall::Backfill(name_of(path)?), pairs, body).await
}

async fn declare(
    State(app): State<App>,
    caller: Caller,
    path: SourcePath,
    pairs: Pairs,
    body: Body,
) -> Result<Response, ApiError> {
    answer((app, caller), SourceCall::Declare(name_of(path)?), pairs, body).await
}

/// Makes one call of each list of a source, and says what is wrong in words.
async fn test(
    State(app): State<App>,
    caller: Caller,
    path: SourcePath,
    pairs: Pairs,
) -> Result<Json<Value>, ApiError> {
    pairs.only(&[])?;
    check_sources(&caller)?;
    let place = app.limits.place(&caller, &[]).await?;
    let name = name_of(path)?;
    let tested = tokio::time::timeout(TEST_MAX, app.collector.test(&name)).await;
    drop(place);
    tested.map_err(|_| {
        let seconds = TEST_MAX.as_secs();
        Error::new(ErrorKind::Unavailable, format!("no answer of all lists within {seconds} s"))
    })??;
    Ok(Json(json!({ "ok": true })))
}

/// Has a source read as soon as possible, without waiting for it.
async fn run(
    State(app): State<App>,
    caller: Caller,
    path: SourcePath,
    pairs: Pairs,
) -> Result<Response, ApiError> {
    pairs.only(&[])?;
    check_sources(&caller)?;
    let source = app.collector.source(&name_of(path)?)?;
    if let Some(pause) = &source.paused {
        let what = format!("the source is paused ({}): resume it first", pause.reason);
        return Err(Error::invalid(what).into());
    }
    app.collector.hurry(&source.name);
    Ok((StatusCode::ACCEPTED, Json(json!(app.collector.state(&source.name)))).into_response())
}

/// How far the sources of the caller's tenants are complete.
async fn coverage(
    State(app): State<App>,
    caller: Caller,
    pairs: Pairs,
) -> Result<Json<Value>, ApiError> {
    pairs.only(&["tenant", "from", "to"])?;
    let moment = |name| {
        let text = pairs.one(name)?;
        text.map(Timestamp::parse).transpose().map_err(|error| error.with_parameter(name))
    };
    let period = (moment("from")?, moment("to")?);
    let wanted = pairs.all("tenant").into_iter().map(str::to_owned).collect::<Vec<_>>();
    let names: Vec<&str> = wanted.iter().map(String::as_str).collect();
    let place = app.limits.place(&caller, &names).await?;
    let collector = Arc::clone(&app.collector);
    let covered = app.ask(&place, move |_, _| {
        let names: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let scope = caller.scope_or_all(&names)?;
        let mut covered = collector.coverage()?;
        covered.retain(|own: &SourceCoverage| scope.covers(&own.tenant));
        if !caller.may(Permission::ManageStore) {
            // What goes wrong with a source is for those who look after it.
            for own in covered.iter_mut().filter(|own| own.error.is_some()) {
                own.error = Some("it cannot be read at the moment".to_owned());
            }
        }
        let missing = missing(&covered, period, collector.engine().clock().now());
        Ok(json!({ "sources": covered, "missing": missing }))
    });
    let covered = covered.await?;
    drop(place);
    Ok(Json(covered))
}
