//! A server with credentials over a store in a temporary directory.

use crate::support::store::TestStore;
use annals::access::{Caller, Principal};
use annals::api::{RouterOptions, router_with};
use annals::engine::Settings;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use tower::ServiceExt;

/// A store with a server over it that wants credentials.
pub(super) struct Guarded {
    pub(super) store: TestStore,
    pub(super) router: Router,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or(Json::Null)
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Guarded {
    pub(super) fn new() -> Self {
        Self::over(TestStore::new(), true)
    }

    /// A server over a store; without credentials, every caller is the operator.
    pub(super) fn over(store: TestStore, credentials: bool) -> Self {
        Self::with_options(store, &RouterOptions { credentials, ..RouterOptions::default() })
    }

    /// The same; what is asked is recorded, as a server does.
    pub(super) fn recording(store: TestStore, credentials: bool) -> Self {
        Self::with_options(
            store,
            &RouterOptions { credentials, trail: true, ..RouterOptions::default() },
        )
    }

    pub(super) fn with_options(store: TestStore, options: &RouterOptions) -> Self {
        let router = router_with(Arc::clone(store.engine()), options);
        Self { store, router }
    }

    /// Begins anew over the store as it is, as a server that is started again.
    pub(super) fn restart(&mut self) {
        let options = RouterOptions { credentials: true, ..RouterOptions::default() };
        self.router = router_with(Arc::clone(self.store.engine()), &options);
    }

    /// Opens the store again with other settings.
    pub(super) fn reopen(&mut self, settings: Settings) {
        self.router = Router::new();
        self.store.reopen_with(settings);
        self.restart();
    }

    /// Ends the server, and closes the store: its files stay as they are.
    pub(super) fn close(&mut self) {
        self.router = Router::new();
        self.store.close();
    }

    /// Closes the store and opens it with settings that may not do; nothing is served then.
    pub(super) fn try_reopen(&mut self, settings: Settings) -> Result<(), annals::error::Error> {
        self.router = Router::new();
        self.store.try_reopen(settings)
    }

    /// Creates a principal, and returns a token of it.
    pub(super) fn principal(&self, settings: &Json) -> String {
        let (engine, operator) = (self.store.engine(), Caller::operator());
        let principal: Principal = serde_json::from_value(settings.clone()).expect("settings");
        engine.create_principal(&operator, &principal).expect("a principal");
        self.token(&principal.name, &json!({}))
    }

    /// Makes a token for a principal.
    pub(super) fn token(&self, name: &str, wanted: &Json) -> String {
        let call = annals::calls::PrincipalCall::CreateToken(name.to_owned());
        let made =
            call.answer(self.store.engine(), &Caller::operator(), wanted.clone()).expect("a token");
        made["token"].as_str().expect("a token").to_owned()
    }

    pub(super) fn send(&self, request: Request<Body>) -> Answer {
        self.store.runtime.block_on(async {
            let answer = self.router.clone().oneshot(request).await.expect("an answer");
            let (parts, body) = answer.into_parts();
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            Answer { status: parts.status, headers: parts.headers, body }
        })
    }

    /// Sends a request with a bearer token, if one is given.
    pub(super) fn call(
        &self,
        token: Option<&str>,
        method: &str,
        path: &str,
        body: impl Into<Body>,
    ) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
        request = request.header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.send(request.body(body.into()).expect("a request"))
    }

    pub(super) fn get(&self, token: &str, path: &str) -> Answer {
        self.call(Some(token), "GET", path, Body::empty())
    }

    /// The JSON of a `GET` that must succeed.
    pub(super) fn json(&self, token: &str, path: &str) -> Json {
        let answer = self.get(token, path);
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        answer.json()
    }
}
