//! `/api/v1/views`: saved views of the screen.
//!
//! A view belongs to the principal that saved it, and is seen by those who may ask about all
//! tenants that its question names.

use super::App;
use super::error::ApiError;
use crate::access::{Caller, Scope};
use crate::calls::Pairs;
use crate::engine::{Engine, SeenVersion, View, ViewText};
use crate::error::{Error, ErrorKind, Result};
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

/// The largest body of a view.
const BODY_BYTES_MAX: usize = 64 << 10;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/views", get(list))
        .route("/api/v1/views/{id}", get(one).put(save).delete(delete))
}

/// A view as a client sends it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    name: String,
    #[serde(default)]
    owner: String,
    query: String,
}

/// Returns which views are visible: those of the named tenants, or all if none is named.
fn scope(caller: &Caller, pairs: &Pairs) -> Result<Scope> {
    if let Some((name, _)) = pairs.0.iter().find(|(name, _)| name != "tenant") {
        return Err(Error::parameter(name, "unknown parameter; this call takes tenant"));
    }
    let tenants = pairs.all("tenant");
    caller.scope(if tenants.is_empty() { &["*"] } else { tenants.as_slice() })
}

/// Returns whether a caller sees a view: its own, and those about tenants that it may ask about.
fn sees(caller: &Caller, scope: &Scope, view: &View) -> bool {
    let question = Pairs::from_query(&view.text.query);
    let tenants = question.all("tenant");
    let is_about_own =
        !tenants.is_empty() && tenants.iter().all(|tenant| *tenant != "*" && scope.covers(tenant));
    if caller.grant().is_none() {
        return scope.named().is_none() || is_about_own;
    }
    // What a view asks for may be what a part of the events would not show.
    view.is_of(caller) || is_about_own && !scope.is_restricted()
}

/// Fails if a view names a tenant that whoever saves it may not ask about: others of that tenant
/// would see the view.
fn check_tenants(caller: &Caller, query: &str) -> Result<()> {
    let question = Pairs::from_query(query);
    let named = question.all("tenant");
    let is_own = |tenant: &&str| *tenant == "*" || caller.scope(&[tenant]).is_ok();
    if caller.grant().is_none() || named.iter().all(is_own) {
        return Ok(());
    }
    let what = "names a tenant that is not one of yours";
    Err(Error::new(ErrorKind::Forbidden, what).with_parameter("query"))
}

/// Returns a view if it exists and is visible.
fn seen(engine: &Engine, caller: &Caller, id: &str, pairs: &Pairs) -> Result<View> {
    let scope = scope(caller, pairs)?;
    let view = engine.views().get(id).filter(|view| sees(caller, &scope, view)).cloned();
    view.ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no such view"))
}

/// Parses the version in `If-Match`.
fn if_match(headers: &HeaderMap) -> Result<SeenVersion> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(SeenVersion::Unsaid) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(SeenVersion::Any);
    }
    let number = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let version = number.parse().map_err(|_| {
        Error::parameter("If-Match", "must be the version of a view, such as \"3\", or *")
    })?;
    Ok(SeenVersion::Version(version))
}

fn answer(status: StatusCode, view: &View) -> Response {
    let tag = HeaderValue::from_str(&format!("\"{}\"", view.version)).expect("digits");
    (
        status,
        [
            (header::ETAG, tag),
            (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
        ],
        Json(json!(view)),
    )
        .into_response()
}

type ViewId = std::result::Result<Path<String>, PathRejection>;

fn id_of(path: ViewId) -> Result<String> {
    path.map(|Path(id)| id)
        .map_err(|cause| Error::parameter("id", "is not UTF-8 text").because(cause))
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    pairs: Pairs,
) -> Result<Json<Value>, ApiError> {
    let place = app.limits.place(&caller, &pairs.all("tenant")).await?;
    let shown = app.ask(&place, move |engine, _| {
        let scope = scope(&caller, &pairs)?;
        let views = engine.views();
        let views: Vec<&View> = views.all().filter(|view| sees(&caller, &scope, view)).collect();
        Ok(json!({ "views": views }))
    });
    Ok(Json(shown.await?))
}

async fn one(
    State(app): State<App>,
    caller: Caller,
    path: ViewId,
    pairs: Pairs,
) -> Result<Response, ApiError> {
    Ok(answer(StatusCode::OK, &seen(&app.engine, &caller, &id_of(path)?, &pairs)?))
}

async fn save(
    State(app): State<App>,
    caller: Caller,
    path: ViewId,
    pairs: Pairs,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let (id, version) = (id_of(path)?, if_match(&headers)?);
    let body = app.read_body(body, BODY_BYTES_MAX).await?;
    let sent: Sent = serde_json::from_slice(&body)
        .map_err(|cause| Error::invalid("the body is not a view").because(cause))?;
    let view = app.run(move |engine| {
        let scope = scope(&caller, &pairs)?;
        let views = engine.views();
        let there = views.get(&id);
        if there.is_some_and(|view| !sees(&caller, &scope, view)) {
            return Err(Error::new(ErrorKind::Exists, "this id is taken: choose another one"));
        }
        check_tenants(&caller, &sent.query)?;
        let text = ViewText { name: sent.name, owner: sent.owner, query: sent.query };
        engine.save_view(&caller, &id, text, version)
    });
    let view = view.await?;
    Ok(answer(if view.version == 1 { StatusCode::CREATED } else { StatusCode::OK }, &view))
}

async fn delete(
    State(app): State<App>,
    caller: Caller,
    path: ViewId,
    pairs: Pairs,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let (id, version) = (id_of(path)?, if_match(&headers)?);
    let deleted = app.run(move |engine| {
        seen(engine, &caller, &id, &pairs).and_then(|_| engine.delete_view(&caller, &id, version))
    });
    deleted.await?;
    Ok(StatusCode::NO_CONTENT)
}
