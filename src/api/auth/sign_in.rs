//! `/auth/login` and `/auth/logout`, by which the screen signs in and out, and `/api/v1/sessions`,
//! by which administrators see and end sessions.

use super::super::App;
use super::super::error::ApiError;
use super::super::peer::Peer;
use super::session_values;
use super::sessions::{COOKIE, COOKIE_OVER_TLS, SessionProof, UserSession};
use crate::access::Caller;
use crate::calls::{Pairs, me};
use crate::error::{Error, ErrorKind, Result};
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Extension, Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

/// The largest body of a sign-in.
const BODY_BYTES_MAX: usize = 4 << 10;

pub(in crate::api) fn routes() -> Router<App> {
    Router::new()
        .route("/auth/login", post(sign_in))
        .route("/auth/logout", post(sign_out))
        .route("/api/v1/sessions", get(list))
        .route("/api/v1/sessions/{id}", delete(end))
}

/// What a user signs in with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    token: String,
}

async fn sign_in(
    State(app): State<App>,
    peer: Option<Extension<Peer>>,
    body: Body,
) -> Result<Response, ApiError> {
    let body = app.read_body(body, BODY_BYTES_MAX).await?;
    if !app.credentials {
        let mut response = Json(me(&Caller::operator())).into_response();
        response.extensions_mut().insert(Caller::operator());
        return Ok(response);
    }
    // The cause is left out: it would quote what may be a token.
    let sent: SignIn = serde_json::from_slice(&body)
        .map_err(|_| Error::invalid("the body is not an object with a token"))?;
    let peer = peer.map(|Extension(peer)| peer);
    let (caller, id) =
        app.caller_of_token(sent.token.trim(), peer.as_ref()).map_err(|refused| {
            match refused.reached {
                Some(reached) => reached.into_error().into(),
                None => ApiError::unauthorized(&refused.detail),
            }
        })?;
    let proof = SessionProof::Token(id);
    let (caller, cookie) = begin_session(&app, caller, proof, peer.as_ref())?;
    let mut response = with_cookie(Json(me(&caller)).into_response(), &cookie);
    // Who has signed in is recorded with the call.
    response.extensions_mut().insert(caller);
    Ok(response)
}

/// Begins a session of a caller, and returns it at its address, and the cookie.
///
/// # Errors
/// No random numbers.
pub(super) fn begin_session(
    app: &App,
    caller: Caller,
    proof: SessionProof,
    peer: Option<&Peer>,
) -> Result<(Caller, String)> {
    let caller = caller.at(peer.map(|peer| peer.client));
    let now = app.engine.clock().now();
    let value = app.sessions.begin(&caller, proof, now)?;
    // Its record names the session that begins here.
    let begun = app.sessions.caller(&value, &app.engine.directory(), now);
    let caller = begun.map_or_else(|| caller.clone(), |begun| begun.at(caller.address()));
    Ok((caller, cookie(&value, "", app.has_tls(peer))))
}

/// Returns the cookie of a session, with further attributes.
fn cookie(value: &str, attributes: &str, is_tls: bool) -> String {
    let (name, secure) = if is_tls { (COOKIE_OVER_TLS, "; Secure") } else { (COOKIE, "") };
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{attributes}{secure}")
}

/// Ends the session, or every one of those that the browser has cookies of; without one, nothing is
/// left to do.
async fn sign_out(
    State(app): State<App>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
) -> Response {
    let is_tls = app.has_tls(peer.as_deref());
    session_values(&headers, is_tls).for_each(|value| app.sessions.end(value));
    with_cookie(StatusCode::NO_CONTENT.into_response(), &cookie("", "; Max-Age=0", is_tls))
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        headers.insert(header::SET_COOKIE, cookie);
    }
    response
}

async fn list(State(app): State<App>, pairs: Pairs) -> Result<Json<Value>, ApiError> {
    pairs.only(&[])?;
    let all = app.sessions.all(app.engine.clock().now());
    let shown: Vec<Value> = all.iter().map(UserSession::shown).collect();
    Ok(Json(json!({ "sessions": shown })))
}

async fn end(
    State(app): State<App>,
    path: std::result::Result<Path<String>, PathRejection>,
    pairs: Pairs,
) -> Result<StatusCode, ApiError> {
    pairs.only(&[])?;
    let Path(id) =
        path.map_err(|cause| Error::parameter("id", "is not UTF-8 text").because(cause))?;
    if app.sessions.end_by_id(&id) {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Error::new(ErrorKind::NotFound, "there is no such session").into())
}
