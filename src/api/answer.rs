//! `GET /api/v1/count`, `/facets`, `/histogram`, `/top`, `/stats`, `/values`, each also as `POST
//! …/query` with the filter as JSON; and what all answers of the native API share: an `ETag`, by
//! which a client asks whether anything is new.

use super::App;
use super::error::ApiError;
use super::params::read_json_pairs;
use super::trail::AnswerRows;
use crate::access::Caller;
use crate::calls::Pairs;
use crate::calls::question::{Asked, CALLS, QueryCall, answer_within};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use sha2::{Digest, Sha256};

pub(super) fn routes() -> Router<App> {
    let mut routes = Router::new();
    for call in CALLS.iter().copied().filter(|call| *call != QueryCall::Events) {
        let by_url = async move |State(app): State<App>,
                                 caller: Caller,
                                 pairs: Pairs,
                                 headers: HeaderMap| {
            respond(app, caller, (call, pairs), &headers).await
        };
        let by_body = async move |State(app): State<App>,
                                  caller: Caller,
                                  url: Pairs,
                                  headers: HeaderMap,
                                  body: Body| {
            let pairs = read_json_pairs(&app, url, body).await?;
            respond(app, caller, (call, pairs), &headers).await
        };
        routes = routes
            .route(call.path(), get(by_url))
            .route(&format!("{}/query", call.path()), post(by_body));
    }
    routes
}

/// Answers a call of the native API, with 304 if the client already has the answer to this question
/// at this table version.
pub(super) async fn respond(
    app: App,
    caller: Caller,
    (call, pairs): (QueryCall, Pairs),
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let tag = entity_tag(&app, &caller, call, &pairs);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if let (Some(tag), Some(known)) = (&tag, known)
        && known.split(',').any(|known| known.trim() == tag)
    {
        return Ok(with_tag(StatusCode::NOT_MODIFIED.into_response(), Some(tag)));
    }
    let place = app.limits.place(&caller, &pairs.all("tenant")).await?;
    let answer = app.ask(&place, move |engine, budget| {
        answer_within(engine, &caller, Asked { call, pairs: &pairs }, budget)
    });
    let answer = answer.await?;
    let rows = AnswerRows(answer.rows() as u64);
    place.gave(rows.0);
    let mut response = with_tag(Json(answer).into_response(), tag.as_deref());
    response.extensions_mut().insert(rows);
    Ok(response)
}

/// Returns the tag of an answer: it identifies the question, who asks, and the events that there
/// are of the tenants asked about; what happens to others does not change it. A question relative
/// to the current time is never the same twice.
fn entity_tag(app: &App, caller: &Caller, call: QueryCall, pairs: &Pairs) -> Option<String> {
    if pairs.0.iter().any(|(name, _)| name == "last" || name == "explain" || name == "partial") {
        return None;
    }
    // A wrong question has no answer to be tagged.
    let scope = caller.scope(&pairs.all("tenant")).ok()?;
    // Another store, or a backup of this one, may have the same numbers for other events.
    let shown = (app.engine.opening(), app.engine.state_of(&scope)?);
    let digest = Sha256::digest(format!(
        "{} {shown:?} {} {} {:?}",
        env!("CARGO_PKG_VERSION"),
        scope.canonical(),
        call.path(),
        pairs.0
    ));
    Some(format!("W/\"{}\"", crate::event::hex(&digest[..12])))
}

fn with_tag(mut response: Response, tag: Option<&str>) -> Response {
    let headers = response.headers_mut();
    // Answers are private to the tenant, and clients must revalidate them.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Some(tag) = tag.and_then(|tag| HeaderValue::from_str(tag).ok()) {
        headers.insert(header::ETAG, tag);
    }
    response
}
