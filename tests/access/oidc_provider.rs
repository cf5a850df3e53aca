//! An OpenID provider that does what a test wants, wrong things too.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json as Body, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Runtime;

/// A code that was issued: what it is bound to, and what it is exchanged for.
struct IssuedCode {
    challenge: String,
    answer: Json,
}

struct StubState {
    key: Ed25519KeyPair,
    kid: String,
    /// What it says of itself in place of the truth.
    metadata: Json,
    /// Every request is answered with this.
    fails: Option<StatusCode>,
    /// Requests for this path are redirected to the same path of another origin.
    redirect: Option<(StatusCode, String, String)>,
    codes: HashMap<String, IssuedCode>,
    /// How often it was asked for its keys, and for a token.
    asked: usize,
    exchanges: usize,
    /// How often it was asked for anything, and redirected.
    requests: usize,
    redirected: usize,
}

/// An OpenID provider.
#[derive(Clone)]
pub(super) struct StubProvider {
    pub(super) issuer: String,
    state: Arc<Mutex<StubState>>,
}

impl StubProvider {
    /// Starts one on a free port.
    pub(super) fn start(runtime: &Runtime) -> Self {
        let listening = tokio::net::TcpListener::bind("127.0.0.1:0");
        let listener = runtime.block_on(listening).expect("a free port");
        let issuer = format!("http://{}", listener.local_addr().expect("an address"));
        let state = StubState {
            key: Ed25519KeyPair::generate().expect("a key"),
            kid: "k1".to_owned(),
            metadata: json!({}),
            fails: None,
            redirect: None,
            codes: HashMap::new(),
            asked: 0,
            exchanges: 0,
            requests: 0,
            redirected: 0,
        };
        let provider = Self { issuer, state: Arc::new(Mutex::new(state)) };
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .fallback(StatusCode::NOT_FOUND)
            .layer(middleware::from_fn_with_state(provider.clone(), redirect))
            .with_state(provider.clone());
        runtime.spawn(async move { axum::serve(listener, routes).await });
        provider
    }

    fn with<T>(&self, what: impl FnOnce(&mut StubState) -> T) -> T {
        what(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a new key in place of the one before.
    pub(super) fn rotate(&self, kid: &str) {
        self.with(|state| {
            state.key = Ed25519KeyPair::generate().expect("a key");
            state.kid = kid.to_owned();
        });
    }

    pub(super) fn fail(&self, with: Option<StatusCode>) {
        self.with(|state| state.fails = with);
    }

    /// Says something else of itself.
    pub(super) fn say(&self, metadata: Json) {
        self.with(|state| state.metadata = metadata);
    }

    /// Redirects requests for a path to the same path of another origin.
    pub(super) fn redirect(&self, status: StatusCode, path: &str, to: &str) {
        let redirect = Some((status, path.to_owned(), to.to_owned()));
        self.with(|state| state.redirect = redirect);
    }

    /// How often it was asked for anything, and how often it answered with a redirect.
    pub(super) fn requests(&self) -> (usize, usize) {
        self.with(|state| (state.requests, state.redirected))
    }

    pub(super) fn asked(&self) -> usize {
        self.with(|state| state.asked)
    }

    pub(super) fn exchanges(&self) -> usize {
        self.with(|state| state.exchanges)
    }

    /// Signs claims with the key of now.
    pub(super) fn sign(&self, claims: &Json) -> String {
        self.with(|state| {
            let header = json!({ "alg": "EdDSA", "kid": state.kid });
            let encoded = |json: &Json| URL_SAFE_NO_PAD.encode(json.to_string());
            let signed = format!("{}.{}", encoded(&header), encoded(claims));
            let signature = state.key.sign(signed.as_bytes());
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
        })
    }

    /// Issues a code for an attempt, which is exchanged for an answer.
    pub(super) fn issue(&self, code: &str, challenge: &str, answer: Json) {
        let issued = IssuedCode { challenge: challenge.to_owned(), answer };
        self.with(|state| state.codes.insert(code.to_owned(), issued));
    }
}

async fn redirect(State(provider): State<StubProvider>, request: Request, next: Next) -> Response {
    let place = provider.with(|state| {
        state.requests += 1;
        let (status, path, to) = state.redirect.as_ref()?;
        let is_meant = request.uri().path() == path;
        state.redirected += usize::from(is_meant);
        is_meant.then(|| (*status, format!("{to}{path}")))
    });
    match place {
        Some((status, place)) => (status, [(header::LOCATION, place)]).into_response(),
        None => next.run(request).await,
    }
}

async fn metadata(State(provider): State<StubProvider>) -> Response {
    let issuer = &provider.issuer;
    let mut metadata = json!({ "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize?of=stub"),
        "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/keys"),
        "scopes_supported": ["openid", "email", "groups", "offline_access"] });
    provider.with(|state| {
        if let Some(status) = state.fails {
            return status.into_response();
        }
        for (name, value) in state.metadata.as_object().expect("an object") {
            metadata[name] = value.clone();
        }
        Body(metadata).into_response()
    })
}

async fn keys(State(provider): State<StubProvider>) -> Response {
    provider.with(|state| {
        state.asked += 1;
        if let Some(status) = state.fails {
            return status.into_response();
        }
        let x = URL_SAFE_NO_PAD.encode(state.key.public_key());
        let key = json!({ "kty": "OKP", "crv": "Ed25519", "kid": state.kid, "x": x, "use": "sig" });
        Body(json!({ "keys": [key] })).into_response()
    })
}

async fn token(State(provider): State<StubProvider>, headers: HeaderMap, body: Bytes) -> Response {
    let refused =
        |what: &str| (StatusCode::BAD_REQUEST, Body(json!({ "error": what }))).into_response();
    provider.with(|state| state.exchanges += 1);
    let form: HashMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let knows = headers.get("authorization").is_some_and(|value| {
        // The name and secret are encoded as in a form first.
        let expected = base64::engine::general_purpose::STANDARD.encode("annals%3A1:s+cret%2F");
        value.as_bytes() == format!("Basic {expected}").as_bytes()
    });
    if !knows {
        return refused("invalid_client");
    }
    provider.with(|state| {
        if let Some(status) = state.fails {
            return status.into_response();
        }
        let Some(issued) = state.codes.remove(field("code")) else {
            return refused("invalid_grant");
        };
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(field("code_verifier").as_bytes()));
        let is_right = field("grant_type") == "authorization_code"
            && challenge == issued.challenge
            && field("redirect_uri") == "https://annals.example/auth/callback";
        if is_right { Body(issued.answer).into_response() } else { refused("invalid_grant") }
    })
}
