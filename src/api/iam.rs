//! What clients of Huawei Cloud ask IAM: a token of a day, their projects, their domain. Projects
//! are tenants, and the domain is the principal.
//!
//! Errors are `{"error": {"code", "message", "title"}}`.

use super::App;
use super::error::{limit_of, retry_later, status_of};
use super::limits::LimitReached;
use super::peer::Peer;
use super::refusal::Refusal;
use crate::access::{Caller, Permission, Role, SigningSecret, TOKEN_PREFIX, check_producer};
use crate::calls::Pairs;
use crate::error::{Error, Result};
use crate::event::Timestamp;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use serde::Deserialize;
use serde_json::{Value as Json, json};

/// The largest body of a request for a token.
const BODY_BYTES_MAX: usize = 16 << 10;
/// The header with a token that was given.
const SUBJECT_TOKEN: &str = "x-subject-token";
const DOMAINS: &str = "/v3/auth/domains";
const PROJECTS: &str = "/v3/projects";
/// The ways of asking for a token.
const PASSWORD: &str = "password";
const ACCESS_KEY: &str = "hw_ak_sk";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v3/auth/tokens", post(give_token))
        .route(DOMAINS, get(domains))
        .route(PROJECTS, get(projects))
}

/// An error to be sent to a client of IAM.
#[derive(Debug)]
struct IamError(StatusCode, String, Option<LimitReached>);

impl From<Error> for IamError {
    fn from(error: Error) -> Self {
        Self(status_of(error.kind()), error.to_string(), limit_of(&error))
    }
}

impl IntoResponse for IamError {
    fn into_response(self) -> Response {
        let mut response = Refusal::of_iam(self.0, &self.1).into_response();
        if self.0 == StatusCode::SERVICE_UNAVAILABLE {
            retry_later(&mut response, self.2);
        }
        response
    }
}

/// The body of a request for a token. Other settings than these decide nothing here.
#[derive(Deserialize)]
struct TokenWish {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    identity: Identity,
    #[serde(default)]
    scope: WishedScope,
}

#[derive(Deserialize)]
struct Identity {
    methods: Vec<String>,
    password: Option<PasswordIdentity>,
    hw_ak_sk: Option<KeyIdentity>,
}

#[derive(Deserialize)]
struct PasswordIdentity {
    user: PasswordUser,
}

#[derive(Deserialize)]
struct PasswordUser {
    name: String,
    password: String,
}

#[derive(Deserialize)]
struct KeyIdentity {
    access: KeyText,
    secret: KeyText,
}

#[derive(Deserialize)]
struct KeyText {
    key: String,
}

#[derive(Default, Deserialize)]
struct WishedScope {
    project: Option<WishedProject>,
}

#[derive(Deserialize)]
struct WishedProject {
    id: Option<String>,
    name: Option<String>,
}

/// Gives a token to whoever shows a token as the password of its principal, or an access key with
/// its secret.
async fn give_token(
    State(app): State<App>,
    peer: Option<Extension<Peer>>,
    body: Body,
) -> Result<Response, IamError> {
    let body = app.read_body(body, BODY_BYTES_MAX).await?;
    // The cause is left out: it would quote what may be a secret.
    let wish: TokenWish = serde_json::from_slice(&body).map_err(|_| {
        Error::invalid("the body is no request for a token: {\"auth\": {\"identity\": {…}}}")
    })?;
    let now = app.engine.clock().now();
    let address = peer.map(|Extension(peer)| peer.network());
    let password = wish.auth.identity.password.as_ref();
    // What an access key signs is guessed by nobody.
    let shown = password.map_or(TOKEN_PREFIX, |password| password.user.password.as_str());
    app.limits.check_failures(address, shown).map_err(LimitReached::into_error)?;
    let found = shown_by(&app, &wish.auth.identity, now);
    if found.as_ref().is_err_and(|error| error.0 == StatusCode::UNAUTHORIZED) {
        app.limits.note_failure(address, shown).map_err(LimitReached::into_error)?;
    }
    let (caller, method) = found?;
    let project = wish.auth.scope.project.and_then(|project| project.id.or(project.name));
    project.as_deref().map_or(Ok(()), |project| check_producer(project).map(drop))?;
    let is_own = |project: &String| {
        caller.deliverable().is_none_or(|own| own.contains(project))
            || (caller.may(Permission::Read) && caller.scope(&[project]).is_ok())
    };
    if !project.as_ref().is_none_or(is_own) {
        let what = "the project in the scope is not one of your tenants".to_owned();
        return Err(IamError(StatusCode::FORBIDDEN, what, None));
    }
    let credential = caller.token().unwrap_or_default();
    let shown = (credential, project.as_deref());
    let (token, until) = app.subject_tokens.give(&caller, shown, now)?;
    let mut body = json!({ "token": {
        "methods": [method], "issued_at": now.to_string(), "expires_at": until.to_string(),
        "catalog": [], "roles": roles(&caller), "domain": domain(&caller),
        "user": { "id": caller.name(), "name": caller.name(), "domain": domain(&caller) },
    } });
    if let Some(project) = project {
        let project = json!({ "id": project, "name": project, "domain": domain(&caller) });
        body["token"]["project"] = project;
    }
    let token = HeaderValue::from_str(&token)
        .map_err(|cause| Error::internal("a token is no header").because(cause))?;
    let no_store = HeaderValue::from_static("no-store");
    let mut response = (StatusCode::CREATED, axum::Json(body)).into_response();
    response.headers_mut().insert(SUBJECT_TOKEN, token);
    response.headers_mut().insert(header::CACHE_CONTROL, no_store);
    // Who was given a token is recorded with the call.
    response.extensions_mut().insert(caller);
    Ok(response)
}

/// Returns the caller whose credential was shown, and how.
fn shown_by(
    app: &App,
    identity: &Identity,
    now: Timestamp,
) -> Result<(Caller, &'static str), IamError> {
    let wrong = || {
        let what = "the user name or password is wrong, or the access key or secret key is";
        IamError(StatusCode::UNAUTHORIZED, what.to_owned(), None)
    };
    if !app.credentials {
        let what = "this server asks for no credentials, and gives no tokens";
        return Err(Error::invalid(what).into());
    }
    let directory = app.engine.directory();
    match (identity.methods.as_slice(), &identity.password, &identity.hw_ak_sk) {
        ([method], Some(password), _) if method == PASSWORD => {
            let user = &password.user;
            let (caller, _) = directory.by_token(&user.password, now).map_err(|_| wrong())?;
            if caller.name() == user.name { Ok((caller, PASSWORD)) } else { Err(wrong()) }
        }
        ([method], _, Some(sent)) if method == ACCESS_KEY => {
            let seal = app.engine.seal_key().ok_or_else(|| {
                let what = "this server has no seal key, so it cannot check access keys";
                IamError(StatusCode::UNAUTHORIZED, what.to_owned(), None)
            })?;
            let key = directory.access_key(&sent.access.key);
            let opened = key.and_then(|key| Some((key, key.secret(seal).ok()?)));
            let Some((key, secret)) = opened else {
                // The same work as for a key that there is.
                SigningSecret::of_nobody(seal).is(&sent.secret.key);
                return Err(wrong());
            };
            if secret.is(&sent.secret.key) {
                Ok((key.caller(now), ACCESS_KEY))
            } else {
                Err(wrong())
            }
        }
        _ => Err(Error::invalid(format!(
            "methods is [\"{PASSWORD}\"] with a user, whose password is a token, or \
            [\"{ACCESS_KEY}\"] with an access key"
        ))
        .into()),
    }
}

fn roles(caller: &Caller) -> Json {
    let own = caller
        .grant()
        .map_or_else(|| Role::ALL.to_vec(), |grant| grant.roles().iter().copied().collect());
    own.iter().map(|role| json!({ "id": role.name(), "name": role.name() })).collect()
}

fn domain(caller: &Caller) -> Json {
    json!({ "id": caller.name(), "name": caller.name() })
}

/// The links that every list of IAM has.
fn links(path: &str) -> Json {
    json!({ "self": path, "previous": null, "next": null })
}

async fn domains(caller: Caller, pairs: Pairs) -> Result<Response, IamError> {
    pairs.only(&[])?;
    let mut own = domain(&caller);
    own["enabled"] = true.into();
    own["description"] = "".into();
    own["links"] = json!({ "self": DOMAINS });
    Ok(axum::Json(json!({ "domains": [own], "links": links(DOMAINS) })).into_response())
}

/// The tenants of the caller, and those of which it sees events: all of them, or by relationships.
async fn projects(
    State(app): State<App>,
    caller: Caller,
    pairs: Pairs,
) -> Result<Response, IamError> {
    let wanted = pairs.one("name")?.map(str::to_owned);
    let name = domain(&caller)["id"].clone();
    let place = app.limits.place(&caller, &["*"]).await?;
    let tenants = app.ask(&place, move |engine, budget| {
        let mut tenants = caller.deliverable().cloned().unwrap_or_default();
        if caller.may(Permission::Read) {
            let scope = caller.scope(&["*"])?;
            // Its own are its projects, be they without events.
            if scope.named() != Some(&tenants) {
                let with_events = engine.tenants(&scope, Some(budget))?;
                tenants.extend(with_events.iter().map(|total| total.tenant.to_string()));
            }
        }
        Ok(tenants)
    });
    let mut tenants = tenants.await?;
    tenants.retain(|tenant| wanted.as_ref().is_none_or(|wanted| wanted == tenant));
    let project = |tenant: &String| {
        json!({ "id": tenant, "name": tenant, "domain_id": name, "parent_id": name,
            "is_domain": false, "enabled": true, "description": "", "links": { "self": PROJECTS } })
    };
    let projects: Vec<Json> = tenants.iter().map(project).collect();
    Ok(axum::Json(json!({ "projects": projects, "links": links(PROJECTS) })).into_response())
}
