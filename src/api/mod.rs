//! The HTTP surfaces: the native API under `/api/v1`, and the façade of CTS v3.
//!
//! Handlers only translate: from parameters to a call of the engine on a blocking thread, and from
//! its result to an answer. The meaning of questions and the form of their answers are in
//! [`crate::calls`], which the command line uses too.

mod admission;
mod answer;
mod arrival;
mod auth;
mod connection;
mod connection_shares;
mod cts;
mod doors;
mod error;
mod events;
mod export;
mod health;
mod iam;
mod lifecycle;
mod limits;
mod loopback;
mod openapi;
mod params;
mod partner_centre;
mod peer;
mod places;
mod policy;
mod principals;
mod proxy;
mod quarantine;
mod refusal;
mod relationships;
mod request_id;
mod serve;
mod sources;
mod status;
mod store;
mod tls;
mod trail;
mod unroutable;
mod views;
mod web;

pub use auth::{KeyTimes, OidcProvider, OidcSettings, route_needs};
pub use limits::ServerLimits;
pub use openapi::document as openapi_document;
pub use serve::{CONNECTIONS_MAX, DRAIN, ServeOptions, serve};
pub use tls::TlsFiles;
pub use web::missing as screen_missing;

use crate::collect::Collector;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::event::Timestamp;
use admission::Admission;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum::{Router, middleware};
use error::ApiError;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

/// Answers below this size are not compressed.
const COMPRESS_BYTES_MIN: u16 = 1_024;

/// State shared by all handlers.
#[derive(Debug, Clone)]
pub(crate) struct App {
    engine: Arc<Engine>,
    /// Limits which questions may run now.
    admission: Admission,
    /// Limits what each principal and tenant may use.
    limits: Arc<limits::UsedLimits>,
    /// Limits how many exports run at a time.
    exports: Arc<Semaphore>,
    /// The turn of whoever weighs evidence of relationships.
    evidence: Arc<Semaphore>,
    /// Limits the memory that request bodies may need together.
    room: doors::BodyRoom,
    /// The same for bodies of queries and settings: they are small, and read quickly.
    query_room: doors::BodyRoom,
    /// The same for signed bodies, which are read before anything is done with them.
    held_room: doors::BodyRoom,
    /// Those among them that must be read before their signature is proved.
    unproved: auth::UnprovedBodies,
    /// The version that the Elasticsearch door reports.
    elastic_version: Arc<str>,
    /// Whether callers must say who they are.
    credentials: bool,
    /// Whether browsers know this server by an address of HTTPS, be it that of a proxy.
    is_public_https: bool,
    /// Whether questions, exports and sign-ins are recorded.
    has_trail: bool,
    /// The sessions of the screen.
    sessions: Arc<auth::Sessions>,
    /// The tokens that were given to clients of Huawei Cloud.
    subject_tokens: Arc<auth::SubjectTokens>,
    /// How many credentials were refused.
    refused_credentials: Arc<auth::RefusedCredentials>,
    /// The signatures of requests that have changed something.
    used_signatures: Arc<auth::UsedSignatures>,
    /// When the server was started.
    started: Timestamp,
    /// The OpenID provider whose tokens are believed, if there is one.
    oidc: Option<Arc<OidcProvider>>,
    /// Reads the sources of the store.
    collector: Arc<Collector>,
    /// What the markers of CTS's lists were given for.
    page_ends: Arc<cts::PageEnds>,
}

impl App {
    fn new(engine: Arc<Engine>, options: &RouterOptions) -> Self {
        let (admission, exports) =
            (Admission::new(engine.settings()), Arc::new(Semaphore::new(export::EXPORTS_MAX)));
        let started = engine.clock().now();
        let limits = limits::UsedLimits::new(Arc::clone(&engine), &options.limits);
        let fresh = || Arc::new(Collector::new(Arc::clone(&engine)));
        let collector = options.collector.clone().unwrap_or_else(fresh);
        Self {
            engine,
            admission,
            limits: Arc::new(limits),
            exports,
            evidence: Arc::new(Semaphore::new(1)),
            room: doors::BodyRoom::default(),
            query_room: doors::BodyRoom::default(),
            held_room: doors::BodyRoom::of_held(),
            unproved: auth::UnprovedBodies::default(),
            elastic_version: options.elastic_version.as_str().into(),
            credentials: options.credentials,
            is_public_https: options.public_https
                || options.oidc.as_ref().is_some_and(|oidc| oidc.is_public_https()),
            has_trail: options.trail,
            sessions: Arc::default(),
            subject_tokens: Arc::default(),
            refused_credentials: Arc::default(),
            used_signatures: Arc::default(),
            started,
            oidc: options.oidc.clone(),
            collector,
            page_ends: Arc::default(),
        }
    }

    /// Runs a call of the engine on a blocking thread.
    async fn run<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Engine) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let engine = Arc::clone(&self.engine);
        // Measured from here, and not from when a thread is free: a shortage of threads must be
        // noticed.
        let _working = engine.begin_call();
        let done = tokio::task::spawn_blocking(move || call(&engine)).await;
        done.map_err(|cause| Error::internal("a call failed").because(cause))?
    }
}

/// The Elasticsearch version reported by default: it satisfies shippers of versions 7 and 8.
pub const ELASTIC_VERSION: &str = "8.19.99";

/// How the routes answer.
#[derive(Debug, Clone)]
pub struct RouterOptions {
    /// The version that the Elasticsearch door reports: Filebeat refuses servers older than itself.
    pub elastic_version: String,
    /// Whether callers must say who they are. Without, every caller is the operator.
    pub credentials: bool,
    /// Whether questions, exports and sign-ins are recorded as events of the store's own tenant.
    pub trail: bool,
    /// The OpenID provider whose tokens are believed, if there is one. Somebody must await
    /// [`OidcProvider::keep_current`].
    pub oidc: Option<Arc<OidcProvider>>,
    /// What each principal and tenant may use.
    pub limits: ServerLimits,
    /// Whether browsers know this server by an address of HTTPS, be it that of a proxy: its cookies
    /// are sent over nothing else then.
    pub public_https: bool,
    /// Reads the sources of the store; somebody must await [`Collector::run`]. Without one,
    /// sources can be set and none is read.
    pub collector: Option<Arc<Collector>>,
}

impl Default for RouterOptions {
    fn default() -> Self {
        Self {
            elastic_version: ELASTIC_VERSION.to_owned(),
            credentials: false,
            trail: false,
            oidc: None,
            limits: ServerLimits::default(),
            public_https: false,
            collector: None,
        }
    }
}

/// Builds all routes over an engine; every caller is the operator.
pub fn router(engine: Arc<Engine>) -> Router {
    router_with(engine, &RouterOptions::default())
}

/// Builds all routes over an engine.
pub fn router_with(engine: Arc<Engine>, options: &RouterOptions) -> Router {
    let app = App::new(engine, options);
    // Parquet is compressed already, and what fits in one packet gains nothing.
    let worth = SizeAbove::new(COMPRESS_BYTES_MIN)
        .and(NotForContentType::const_new("application/vnd.apache.parquet"));
    Router::new()
        .merge(events::routes())
        .merge(doors::routes())
        .merge(answer::routes())
        .merge(export::routes())
        .merge(store::routes())
        .merge(quarantine::routes())
        .merge(health::routes())
        .merge(policy::routes())
        .merge(principals::routes())
        .merge(sources::routes())
        .merge(relationships::routes())
        .merge(auth::routes())
        .merge(status::routes())
        .merge(views::routes())
        .merge(web::routes())
        .merge(openapi::routes())
        .merge(cts::routes())
        .merge(iam::routes())
        .merge(partner_centre::routes())
        .fallback(web::nothing_here)
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .layer(middleware::from_fn_with_state(app.clone(), trail::record))
        .layer(CompressionLayer::new().compress_when(worth))
        .layer(middleware::from_fn_with_state(app.clone(), auth::authorize))
        .layer(middleware::map_response(confine))
        .layer(middleware::from_fn(unroutable::check_text))
        .layer(middleware::from_fn_with_state(options.credentials, loopback::own_pages))
        .layer(middleware::from_fn(arrival::in_time))
        .layer(middleware::from_fn(request_id::number))
        .with_state(app)
}

/// Adds headers so that no browser mistakes data from a record for a page, and no other site can
/// show or read it. The screen sets its own policy.
async fn confine(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let alone = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(alone);
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}
