//! `/api/v1/principals` and their credentials, and `/api/v1/me`: who may do what.
//!
//! The command line makes the same calls through [`PrincipalCall`].

use super::App;
use super::error::ApiError;
use crate::access::Caller;
use crate::calls::{Pairs, PrincipalCall, me};
use crate::error::{Error, Result};
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde_json::Value;

/// The largest body of a principal.
const BODY_BYTES_MAX: usize = 256 << 10;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/me", get(who))
        .route("/api/v1/principals", get(list).post(create))
        .route("/api/v1/principals/{name}", get(show).patch(change).delete(remove))
        .route("/api/v1/principals/{name}/tokens", get(tokens).post(create_token))
        .route("/api/v1/principals/{name}/tokens/{id}", delete(remove_token))
        .route("/api/v1/principals/{name}/tokens/{id}/rotate", post(rotate_token))
        .route("/api/v1/principals/{name}/access-keys", get(access_keys).post(create_access_key))
        .route("/api/v1/principals/{name}/access-keys/{id}", delete(remove_access_key))
}

type Named = std::result::Result<Path<String>, PathRejection>;
type CredentialPath = std::result::Result<Path<(String, String)>, PathRejection>;

fn name_of(path: Named) -> Result<String> {
    path.map(|Path(name)| name)
        .map_err(|cause| Error::parameter("name", "is not UTF-8 text").because(cause))
}

fn credential_of(path: CredentialPath) -> Result<(String, String)> {
    path.map(|Path(of)| of)
        .map_err(|cause| Error::parameter("id", "is not UTF-8 text").because(cause))
}

/// Makes a call, with the JSON of the body if there is one.
async fn answer(
    (app, caller): (App, Caller),
    call: PrincipalCall,
    pairs: Pairs,
    body: Body,
) -> Result<Response, ApiError> {
    pairs.only(&[])?;
    let body = app.read_body(body, BODY_BYTES_MAX).await?;
    let body: Value = match body.trim_ascii() {
        [] => Value::Null,
        json => serde_json::from_slice(json)
            .map_err(|cause| Error::invalid("the body is not JSON").because(cause))?,
    };
    let created = matches!(
        call,
        PrincipalCall::Create
            | PrincipalCall::CreateToken(_)
            | PrincipalCall::RotateToken(..)
            | PrincipalCall::CreateAccessKey(_)
    );
    let answer = app.run(move |engine| call.answer(engine, &caller, body)).await?;
    let status = match (&answer, created) {
        (Value::Null, _) => return Ok(StatusCode::NO_CONTENT.into_response()),
        (_, true) => StatusCode::CREATED,
        (_, false) => StatusCode::OK,
    };
    // An answer may have a secret in it, which no cache may keep.
    Ok((status, [(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

async fn who(caller: Caller) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(me(&caller))).into_response()
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    pairs: Pairs,
    body: Body,
) -> Result<Response, ApiError> {
    let place = app.limits.place(&caller, &[]).await?;
    let listed = answer((app, caller), PrincipalCall::List, pairs, body).await;
    drop(place);
    listed
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    pairs: Pairs,
    body: Body,
) -> Result<Response, ApiError> {
    answer((app, caller), PrincipalCall::Create, pairs, body).await
}

async fn show(
    State(app): State<App>,
    caller: Caller,
    path: Named,
    pairs: Pairs,
    body: Body,
) -> Result<Response, ApiError> {
    answer((app, caller), PrincipalCall::Show(name_of(path)?), pairs, body).await
}

async fn change(
    State(app): State<App>,
    caller: Caller,
    path: Named,
    pairs: Pairs,
    body: Body,
) -> Result<Response, ApiError> {
    answer((app, caller), PrincipalCall::Change(name_of(path)?), pairs, body).await
}

async fn remove(
    State(app): State<App>,
    caller: Caller,
    path: Named,
    pairs: Pairs,
    body: Body,
) -> Result<Response, ApiError> {
    answer((app, caller), PrincipalCall::Remove(name_of(path)?), pairs, body).await
}

async fn tokens(
    State(app): State<App>,
    caller: Caller,
    path: Named,
    pairs: Pairs,
    body: Body,
) -> Result<Response, ApiError> {
    answer((app, caller), PrincipalCall::Tokens(name_of(path)?), pairs, body).await
}

async fn create_token(
    State(app): State<App>,
    caller: Caller,
    path: Named,
    pairs: Pairs,
    body: Body,
) -> Result<Response, ApiError> {
    answer((app, caller), PrincipalCall::CreateToken(name_of(path)?), pairs, body).await
}

async fn remove_token(
    State(app): State<App>,
    caller: Caller,
    path: CredentialPath,
    pairs: Pairs,
    body: Body,
) -> Result<Response, ApiError> {
    let (name, id) = credential_of(path)?;
    answer((app, caller), PrincipalCall::RemoveToken(name, id), pairs, body).await
}

async fn rotate_token(
    State(app): State<App>,
    caller: Caller,
    path: CredentialPath,
    pairs: Pairs,
    body: Body,
) -> Result<Response, ApiError> {
    let (name, id) = credential_of(path)?;
    answer((app, caller), PrincipalCall::RotateToken(name, id), pairs, body).await
}

async fn access_keys(
    State(app): State<App>,
    caller: Caller,
    path: Named,
    pairs: Pairs,
    body: Body,
) -> Result<Response, ApiError> {
    answer((app, caller), PrincipalCall::AccessKeys(name_of(path)?), pairs, body).await
}

async fn create_access_key(
    State(app): State<App>,
    caller: Caller,
    path: Named,
    pairs: Pairs,
    body: Body,
) -> Result<Response, ApiError> {
    answer((app, caller), PrincipalCall::CreateAccessKey(name_of(path)?), pairs, body).await
}

async fn remove_access_key(
    State(app): State<App>,
    caller: Caller,
    path: CredentialPath,
    pairs: Pairs,
    body: Body,
) -> Result<Response, ApiError> {
    let (name, id) = credential_of(path)?;
    answer((app, caller), PrincipalCall::RemoveAccessKey(name, id), pairs, body).await
}
