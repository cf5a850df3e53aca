//! Signing in at the provider: `GET /auth/login` leads there, `GET /auth/callback` is the way back
//! (OpenID Connect Core 3.1, with PKCE), and `GET /auth/methods` tells the page that there is a
//! provider.
//!
//! The way back is answered with a page that leads on by itself, not with a redirect: the session's
//! cookie is `SameSite=Strict`, and a browser does not send such a cookie along redirects that
//! began at another site. What went wrong is told to the screen as a word in the fragment of the
//! address ([`SignInFailure`]), for which it has its own sentences: words of others never become
//! words of the page.

use super::attempt::{ATTEMPT_SECONDS, Attempt, SealedAttempt, is_own_address};
use super::current::Known;
use super::{OidcProvider, words};
use crate::access::{JwtPurpose, JwtRefusal, Person, PersonRefusal, UnverifiedJwt};
use crate::api::auth::sessions::SessionProof;
use crate::api::auth::sign_in::begin_session;
use crate::api::peer::Peer;
use crate::api::{ApiError, App, web};
use crate::calls::Pairs;
use crate::error::{Error, Result};
use crate::event::{Timestamp, clip};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde::Deserialize;
use serde_json::json;

/// The path of the way back, which the provider knows.
pub(in crate::api) const CALLBACK: &str = "/auth/callback";
/// The cookie of an attempt. Over TLS its prefix keeps neighbours from planting one.
const COOKIE: &str = "annals_sign_in";
const SECURE_COOKIE: &str = "__Host-annals_sign_in";

pub(in crate::api::auth) fn routes() -> Router<App> {
    Router::new()
        .route("/auth/login", get(begin))
        .route(CALLBACK, get(end))
        .route("/auth/methods", get(methods))
}

/// Why a sign-in failed, as the screen is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SignInFailure {
    /// The user or the provider said no.
    Denied,
    /// It took too long, or began in another browser or at another address of this server.
    Expired,
    /// The provider does not answer.
    Unavailable,
    /// The provider's answer cannot be believed.
    Failed,
    /// The person is no principal.
    Unknown,
    /// The person's groups are those of several principals.
    SeveralGroups,
}

impl SignInFailure {
    fn name(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Unavailable => "unavailable",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::SeveralGroups => "several",
        }
    }
}

/// What the page offers to sign in with.
async fn methods(State(app): State<App>, pairs: Pairs) -> Result<Response, ApiError> {
    pairs.only(&[])?;
    let provider = app.oidc.as_ref().filter(|_| app.credentials);
    let provider = provider.map(|oidc| json!({ "name": oidc.host() }));
    let methods = json!({ "token": app.credentials, "oidc": provider });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(methods)).into_response())
}

fn provider(app: &App) -> Result<&OidcProvider, ApiError> {
    let provider = app.oidc.as_deref().filter(|_| app.credentials);
    provider.ok_or_else(|| ApiError::not_found("this server knows no provider to sign in at"))
}

/// Leads to the provider.
async fn begin(
    State(app): State<App>,
    peer: Option<Extension<Peer>>,
    pairs: Pairs,
) -> Result<Response, ApiError> {
    let oidc = provider(&app)?;
    pairs.only(&["return_to"])?;
    let return_to = pairs.one("return_to")?.unwrap_or("/");
    if !is_own_address(return_to, web::is_page) {
        let what = "is not the address of a page of this server";
        return Err(Error::parameter("return_to", what).into());
    }
    let Some(known) = oidc.known().await else {
        return Ok(lead_on(return_to, Some(SignInFailure::Unavailable), &[]));
    };
    let attempt = Attempt::begin(return_to, app.engine.clock().now())?;
    let sealed = oidc.key.seal(&attempt);
    let place = oidc.authorization(&known, &attempt, &sealed);
    let cookie = attempt_cookie(&sealed.cookie, ATTEMPT_SECONDS, app.has_tls(peer.as_deref()));
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response();
    finish(&mut response, &[cookie]);
    Ok(response)
}

fn attempt_cookie(value: &str, seconds: i64, is_tls: bool) -> String {
    let (name, more) =
        if is_tls { (SECURE_COOKIE, "Path=/; Secure") } else { (COOKIE, "Path=/auth") };
    // Lax: the way back comes from the provider's site.
    format!("{name}={value}; {more}; HttpOnly; SameSite=Lax; Max-Age={seconds}")
}

/// Returns the cookie of the attempt; none if there are several, of which one may be planted.
fn cookie_of(headers: &HeaderMap, is_tls: bool) -> Option<&str> {
    let wanted = if is_tls { SECURE_COOKIE } else { COOKIE };
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut values = cookies
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .filter(|(name, _)| *name == wanted);
    let (_, value) = values.next()?;
    values.next().is_none().then_some(value)
}

/// The way back from the provider.
async fn end(
    State(app): State<App>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    pairs: Pairs,
) -> Result<Response, ApiError> {
    let oidc = provider(&app)?;
    let peer = peer.map(|Extension(peer)| peer);
    let is_tls = app.has_tls(peer.as_ref());
    let now = app.engine.clock().now();
    let gone = attempt_cookie("", 0, is_tls);
    let sealed = cookie_of(&headers, is_tls).zip(pairs.one("state").ok().flatten());
    let attempt = sealed.and_then(|(cookie, state)| {
        let sealed = SealedAttempt { cookie: cookie.to_owned(), state: state.to_owned() };
        oidc.key.open(&sealed, now)
    });
    let Some(attempt) = attempt else {
        return Ok(lead_on("/", Some(SignInFailure::Expired), &[gone]));
    };
    let signed_in = async {
        let person = oidc.person((&pairs, peer.as_ref()), &attempt, now).await?;
        let caller = app.engine.directory().by_person(&person).map_err(|refusal| {
            tracing::warn!("nobody was signed in: {}", words(&person, refusal));
            match refusal {
                PersonRefusal::Unknown | PersonRefusal::Disabled => SignInFailure::Unknown,
                PersonRefusal::SeveralGroups => SignInFailure::SeveralGroups,
            }
        })?;
        Ok((caller, person))
    };
    match signed_in.await {
        Err(failure) => Ok(lead_on(&attempt.return_to, Some(failure), &[gone])),
        Ok((caller, person)) => {
            let proof = SessionProof::Person(person);
            let (caller, session) = begin_session(&app, caller, proof, peer.as_ref())?;
            let mut response = lead_on(&attempt.return_to, None, &[gone, session]);
            // Who has signed in is recorded with the call.
            response.extensions_mut().insert(caller);
            Ok(response)
        }
    }
}

/// What the provider answers to a code.
#[derive(Deserialize)]
struct IssuedTokens {
    id_token: String,
    access_token: Option<String>,
}

impl OidcProvider {
    fn callback(&self) -> String {
        format!("{}{CALLBACK}", self.settings.own)
    }

    fn authorization(&self, known: &Known, attempt: &Attempt, sealed: &SealedAttempt) -> String {
        let mut place = known.metadata.authorization.clone();
        place
            .query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &self.callback())
            .append_pair("scope", &known.metadata.scope)
            .append_pair("state", &sealed.state)
            .append_pair("nonce", &attempt.nonce)
            .append_pair("code_challenge", &attempt.challenge())
            .append_pair("code_challenge_method", "S256");
        place.into()
    }

    /// Returns whom the provider's answer to an attempt stands for.
    async fn person(
        &self,
        (pairs, peer): (&Pairs, Option<&Peer>),
        attempt: &Attempt,
        now: Timestamp,
    ) -> Result<Person, SignInFailure> {
        let one = |name| pairs.one(name).map_err(|error| failed(&error.to_string()));
        let known = self.known().await.ok_or(SignInFailure::Unavailable)?;
        // An answer of another provider must not be taken for one of this (RFC 9207).
        match one("iss")? {
            Some(issuer) if issuer == self.settings.issuer => {}
            None if !known.metadata.names_itself => {}
            _ => return Err(failed("the answer is not that of the provider that was asked (iss)")),
        }
        if let Some(error) = one("error")? {
            let more = one("error_description")?.unwrap_or_default();
            let denied = error == "access_denied";
            let failure = failed(&format!("{} {}", clip(error, 60), clip(more, 200)));
            return Err(if denied { SignInFailure::Denied } else { failure });
        }
        let code = one("code")?.ok_or_else(|| failed("the answer has no code"))?;
        let state = one("state")?.unwrap_or_default();
        let turn = self.exchanges.turn(state, peer).await?;
        let tokens = self.exchange(&known, attempt, code).await?;
        drop(turn);
        let purpose = JwtPurpose::SignIn {
            nonce: &attempt.nonce,
            access_token: tokens.access_token.as_deref(),
        };
        let refused = |refusal: JwtRefusal| failed(&refusal.to_string());
        let jwt = UnverifiedJwt::parse(&tokens.id_token).map_err(refused)?;
        self.current.with_key(jwt.kid()).await;
        let known = self.current.known().ok_or(SignInFailure::Unavailable)?;
        jwt.verify(&known.keys, &self.expected(purpose), now).map_err(refused)
    }

    fn code_form(&self, attempt: &Attempt, code: &str, is_public: bool) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", &self.callback())
            .append_pair("code_verifier", &attempt.verifier);
        if is_public {
            form.append_pair("client_id", &self.settings.client_id);
        }
        form.finish()
    }

    async fn exchange(
        &self,
        known: &Known,
        attempt: &Attempt,
        code: &str,
    ) -> Result<IssuedTokens, SignInFailure> {
        let secret = self.settings.client_secret.as_deref();
        let form = self.code_form(attempt, code, secret.is_none());
        let sent =
            self.client.post_form(&known.metadata.token, form, (&self.settings.client_id, secret));
        let (status, body) = sent.await.map_err(|error| {
            tracing::warn!(%error, "the OpenID provider cannot be asked");
            SignInFailure::Unavailable
        })?;
        if status.as_u16() != 200 {
            return Err(failed(&format!("the provider answers {status} to its code")));
        }
        serde_json::from_slice(&body).map_err(|_| failed("the provider issues no ID token"))
    }
}

fn failed(why: &str) -> SignInFailure {
    tracing::warn!("a sign-in at the OpenID provider failed: {why:?}");
    SignInFailure::Failed
}

/// Answers with a page that leads on to a page of the screen.
fn lead_on(address: &str, failure: Option<SignInFailure>, cookies: &[String]) -> Response {
    let fragment = failure.map(|failure| format!("#sign_in={}", failure.name()));
    let place = format!("{address}{}", fragment.unwrap_or_default());
    let place = place.replace('&', "&amp;").replace('"', "&quot;").replace('\'', "&#39;");
    let place = place.replace('<', "&lt;").replace('>', "&gt;");
    let page = format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<title>Annals</title>\n\
         <meta http-equiv=\"refresh\" content=\"0;url={place}\">\n\
         <p><a href=\"{place}\">Annals</a></p>\n"
    );
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    let mut response = (kind, page).into_response();
    finish(&mut response, cookies);
    response
}

/// Sets cookies, and keeps the address with its code to the browser.
fn finish(response: &mut Response, cookies: &[String]) {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    for cookie in cookies {
        if let Ok(cookie) = HeaderValue::from_str(cookie) {
            headers.append(header::SET_COOKIE, cookie);
        }
    }
}
