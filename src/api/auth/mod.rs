//! Who calls, and whether the route is for them: the first thing that happens to a request once its
//! route is known.
//!
//! A request without a credential, or with one that nobody has, is refused whatever its body is:
//! 401, with what to send. A caller whose roles do not permit the call gets 403. Which
//! tenants, events and fields a permitted caller sees, its [`Scope`](crate::access::Scope) says.

mod credential;
mod current;
mod guesses;
mod oidc;
mod permissions;
mod refused;
mod replay;
mod sessions;
mod sign_in;
mod signed;
mod subject_tokens;
mod unproved;

use super::App;
use super::error::retry_later;
use super::limits::LimitReached;
use super::peer::Peer;
use super::refusal::Refusal;
use super::trail::{RefusedRequest, call_of, record_refusal};
use super::web;
use crate::access::{Caller, CallerBasis, Directory, TokenRefusal};
use axum::Router;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use credential::PresentedOf;
use current::CurrentBody;
use hyper::body::Body as _;
pub(in crate::api) use oidc::CALLBACK;
pub use oidc::{KeyTimes, OidcProvider, OidcSettings};
pub use permissions::route_needs;
use permissions::{Need, need_of};
pub(in crate::api) use permissions::{Recorded, changes_something, recorded_as};
pub(in crate::api) use refused::RefusedCredentials;
pub(in crate::api) use replay::UsedSignatures;
pub(in crate::api) use sessions::Sessions;
use std::sync::atomic::Ordering;
pub(in crate::api) use subject_tokens::SubjectTokens;
pub(in crate::api) use unproved::UnprovedBodies;

pub(in crate::api) fn routes() -> Router<App> {
    sign_in::routes().merge(oidc::routes())
}

/// How to send a credential, for clients that wait to be told.
const CHALLENGES: [&str; 3] =
    [r#"Basic realm="annals", charset="UTF-8""#, r#"ApiKey"#, r#"Bearer realm="annals""#];

/// Why a request is refused.
struct CallRefusal {
    status: StatusCode,
    detail: String,
    /// Who is refused, if that is known.
    caller: Option<Box<Caller>>,
    /// The code that clients of CTS know it by, if it is not that of the status.
    code: Option<&'static str>,
    /// The limit that is reached, if that is why.
    reached: Option<LimitReached>,
}

impl CallRefusal {
    fn unauthorized(detail: impl Into<String>) -> Self {
        Self::of(StatusCode::UNAUTHORIZED, detail)
    }

    fn forbidden(detail: impl Into<String>, caller: Option<Caller>) -> Self {
        Self { caller: caller.map(Box::new), ..Self::of(StatusCode::FORBIDDEN, detail) }
    }

    fn of(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), caller: None, code: None, reached: None }
    }

    fn limited(reached: LimitReached) -> Self {
        // The same words each time, so that the trail counts them as one refusal.
        let refusal = Self::of(StatusCode::SERVICE_UNAVAILABLE, reached.words());
        Self { reached: Some(reached), ..refusal }
    }

    /// Returns the answer once the refusal is in the trail. A request without any credential tells
    /// nothing of anybody, and is not recorded.
    async fn recorded(self, app: &App, refused: RefusedRequest) -> Response {
        if self.status == StatusCode::UNAUTHORIZED && !refused.has_credential {
            return self.response(&refused.path, refused.is_page);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            app.refused_credentials.note_call();
        }
        match record_refusal(app, &refused, self.status, &self.detail).await {
            Ok(()) => self.response(&refused.path, refused.is_page),
            Err(response) => response,
        }
    }

    fn response(&self, path: &str, is_page: bool) -> Response {
        let detail = match self.reached {
            Some(reached) => format!("{}: {reached}", self.detail),
            None => self.detail.clone(),
        };
        let refusal = Refusal::coded(path, self.status, &detail, self.code);
        let mut response = refusal.into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            retry_later(&mut response, self.reached);
        }
        // A browser would ask its user for a name and password; the page has its own form.
        if self.status == StatusCode::UNAUTHORIZED && !is_page {
            for challenge in CHALLENGES {
                let value = HeaderValue::from_static(challenge);
                response.headers_mut().append(header::WWW_AUTHENTICATE, value);
            }
        }
        response
    }
}

/// Finds out who calls, and lets through what they may call.
pub(in crate::api) async fn authorize(
    State(app): State<App>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Some(oidc) = app.oidc.as_ref().filter(|_| app.credentials) {
        oidc.prepare(request.headers()).await;
    }
    let caller = match caller_of(&app, &mut request).await {
        Ok(caller) => caller,
        Err(refusal) => {
            let refused = refused_request(&app, &request, refusal.caller.as_deref().cloned());
            drop(request);
            return refusal.recorded(&app, refused).await;
        }
    };
    let Some(caller) = caller else { return next.run(request).await };
    let caller = caller.at(peer(&request).map(|peer| peer.client));
    request.extensions_mut().insert(caller.clone());
    // What anybody may call is counted for nobody.
    let is_counted = need(&request).is_ok_and(|need| need != Need::Nothing);
    if is_counted && let Err(reached) = app.limits.take_request(&caller) {
        let refused = refused_request(&app, &request, Some(caller));
        drop(request);
        return CallRefusal::limited(reached).recorded(&app, refused).await;
    }
    if let Err(refusal) = signed::check_once(&app, &mut request, &caller) {
        let refused = refused_request(&app, &request, Some(caller));
        drop(request);
        return refusal.recorded(&app, refused).await;
    }
    if caller.grant().is_none() || request.body().is_end_stream() {
        return next.run(request).await;
    }
    let refused = refused_request(&app, &request, Some(caller.clone()));
    let (parts, body) = request.into_parts();
    let (body, reached) = app.limits.pace(&caller, body);
    let (body, has_ended) = CurrentBody::wrap(body, &caller, &app.engine);
    let response = next.run(Request::from_parts(parts, body)).await;
    if let Some(reached) = reached.and_then(|reached| app.limits.refused(&reached)) {
        return CallRefusal::limited(reached).recorded(&app, refused).await;
    }
    if has_ended.load(Ordering::Relaxed) {
        let detail = "your credential or what it permits has changed since the request began";
        return CallRefusal::forbidden(detail, None).recorded(&app, refused).await;
    }
    response
}

/// Returns what is to be recorded of a request that is refused.
fn refused_request(app: &App, request: &Request, caller: Option<Caller>) -> RefusedRequest {
    let (route, headers) = (request.extensions().get::<MatchedPath>(), request.headers());
    let is_tls = app.has_tls(peer(request));
    RefusedRequest {
        call: call_of(request.method(), route),
        path: request.uri().path().to_owned(),
        caller,
        address: peer(request).map(|peer| peer.client),
        has_credential: peer(request).is_some_and(|peer| peer.certificate.is_some())
            || !matches!(credential::read(headers), Ok(None))
            || session_values(headers, is_tls).next().is_some(),
        is_page: headers.contains_key("sec-fetch-mode"),
    }
}

/// Returns the caller of a request that may be answered; `None` if anybody may call it and nobody
/// said who they are.
async fn caller_of(app: &App, request: &mut Request) -> Result<Option<Caller>, CallRefusal> {
    let need = need(request)?;
    if !app.credentials {
        return Ok(Some(Caller::operator()));
    }
    if need != Need::Nothing && signed::is_signed(request.headers()) {
        return signed::admit(app, request, need).await.map(Some);
    }
    let caller = authenticate(app, request);
    if need == Need::Nothing {
        // What anybody may call does not fail for a credential that is not needed.
        return Ok(caller.unwrap_or_default());
    }
    let caller = caller?.ok_or_else(|| {
        CallRefusal::unauthorized("send a credential: Authorization: Bearer and a token")
    })?;
    permitted(need, caller).map(Some)
}

/// Returns the caller if its roles permit what a route needs.
fn permitted(need: Need, caller: Caller) -> Result<Caller, CallRefusal> {
    match need {
        Need::OneOf(permissions)
            if !permissions.iter().any(|permission| caller.may(*permission)) =>
        {
            Err(CallRefusal::forbidden("your roles do not permit this", Some(caller)))
        }
        _ => Ok(caller),
    }
}

fn need(request: &Request) -> Result<Need, CallRefusal> {
    let Some(route) = request.extensions().get::<MatchedPath>() else {
        // There is nothing at this path. A browser gets the page, which says so.
        return Ok(if web::takes_html(request.headers()) {
            Need::Nothing
        } else {
            Need::Credential
        });
    };
    if web::is_public(route.as_str()) {
        return Ok(Need::Nothing);
    }
    match need_of(request.method(), route.as_str()) {
        Some(Need::PageOrCredential) if web::is_for_page(request) => Ok(Need::Nothing),
        Some(Need::PageOrCredential) => Ok(Need::Credential),
        Some(need) => Ok(need),
        None => {
            tracing::error!(route = route.as_str(), "a route has no row in the permissions");
            let detail = "it is not decided who may call this";
            Err(CallRefusal::of(StatusCode::INTERNAL_SERVER_ERROR, detail))
        }
    }
}

/// Returns the principal whose credential was sent, if one was: in a header or, by the screen, as
/// the cookie of a session.
fn authenticate(app: &App, request: &Request) -> Result<Option<Caller>, CallRefusal> {
    let headers = request.headers();
    let presented = credential::read(headers).map_err(CallRefusal::unauthorized)?;
    let (directory, now) = (app.engine.directory(), app.engine.clock().now());
    let Some(presented) = presented else {
        let peer = peer(request);
        let Some(value) = session_value(headers, app.has_tls(peer)) else {
            return Ok(peer.and_then(|peer| of_certificate(&directory, peer)));
        };
        check_own_page(request)?;
        let caller = app.sessions.caller(value, &directory, now);
        return caller
            .map(Some)
            .ok_or_else(|| CallRefusal::unauthorized("the session has ended: sign in again"));
    };
    // A token that an administrator chose may have any form, so the directory is asked first.
    if let Some(oidc) = &app.oidc
        && let Some(jwt) = oidc::bearer_jwt(headers)
        && matches!(directory.by_token(&presented.token, now), Err(TokenRefusal::Unknown))
    {
        return oidc.caller(jwt, &directory, now).map(Some);
    }
    let (caller, id) = match app.subject_tokens.caller(&presented.token, &directory, now) {
        Some(given) => given,
        None => app.caller_of_token(&presented.token, peer(request))?,
    };
    let is_own = match &presented.of {
        None => true,
        Some(PresentedOf::Principal(name)) => name == caller.name(),
        Some(PresentedOf::Token(other)) => *other == id,
    };
    if !is_own {
        return Err(CallRefusal::unauthorized("the token is not that of the name sent with it"));
    }
    Ok(Some(caller))
}

impl App {
    /// Returns whether a browser is spoken with over TLS only: its connection is, or it is that of
    /// the address that browsers know, whatever proxy is in between.
    fn has_tls(&self, peer: Option<&Peer>) -> bool {
        self.is_public_https || peer.is_some_and(|peer| peer.is_tls)
    }
}

/// Returns what is known of the other end.
fn peer(request: &Request) -> Option<&Peer> {
    request.extensions().get::<Peer>()
}

/// Returns the caller that a client certificate stands for.
fn of_certificate(directory: &Directory, peer: &Peer) -> Option<Caller> {
    let certificate = peer.certificate.as_ref()?;
    // An authority checks each kind of name in another way, so one kind does not stand for another.
    let typed = |kind: &'static str| move |name: &String| format!("{kind}:{name}");
    let names = certificate.common_name.iter().map(typed("cn"));
    let names = names.chain(certificate.dns.iter().map(typed("dns")));
    let names = names.chain(certificate.uris.iter().map(typed("uri")));
    let names = names.chain(certificate.emails.iter().map(typed("email")));
    let names = names.chain([format!("sha256:{}", certificate.sha256)]);
    let caller = directory.by_certificate(names)?;
    // What it began ends with it.
    let until = certificate.until;
    Some(caller.standing_on(CallerBasis { until, ..CallerBasis::default() }))
}

/// Returns the values of the session's cookies.
fn session_values(headers: &HeaderMap, is_tls: bool) -> impl Iterator<Item = &str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let cookie_name = if is_tls { sessions::COOKIE_OVER_TLS } else { sessions::COOKIE };
    cookies
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .filter(move |(name, _)| *name == cookie_name)
        .map(|(_, value)| value)
}

/// Returns the value of the session's cookie; none if there are several, of which one may have been
/// planted.
fn session_value(headers: &HeaderMap, is_tls: bool) -> Option<&str> {
    let mut values = session_values(headers, is_tls);
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// Fails unless what changes something comes from this server's own page. A browser says where a
/// request comes from, and `own_pages` has refused those from elsewhere; a request with a
/// session's cookie that does not say is from no page.
fn check_own_page(request: &Request) -> Result<(), CallRefusal> {
    let headers = request.headers();
    let says = headers.contains_key(header::ORIGIN)
        || headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin");
    if request.method().is_safe() || says {
        return Ok(());
    }
    let detail = "a session is for this server's own page: send a token";
    Err(CallRefusal::forbidden(detail, None))
}

/// The caller of a route that needs a credential.
impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        // `authorize` lets no request through to a route that asks, without having found it out.
        let missing = StatusCode::INTERNAL_SERVER_ERROR;
        parts.extensions.get::<Self>().cloned().ok_or(missing)
    }
}
