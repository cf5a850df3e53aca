//! What shippers ask an Elasticsearch server before they write: what it is, whether it is licensed
//! and healthy, whether their templates and policies exist. Everything they ask for exists; what
//! they put is acknowledged and has no effect.

use super::super::super::App;
use super::answer::respond;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::{Digest, Sha256};

/// The routes, except the one of [`root`].
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/_license", get(async || ok(&json!({ "license": license() }))))
        .route(
            "/_xpack",
            get(async || ok(&json!({ "build": {}, "license": license(), "features": {} }))),
        )
        .route("/_cluster/health", get(health))
        .route(
            "/_cat/health",
            get(async || {
                ([(header::CONTENT_TYPE, "text/plain; charset=UTF-8")], "annals green 1 1\n")
            }),
        )
        .route("/_nodes/http", get(nodes))
        .route("/_nodes/_all/http", get(nodes))
        .route("/_ilm/policy/{name}", there())
        .route("/_index_template/{name}", there())
        .route("/_component_template/{name}", there())
        .route("/_template/{name}", there())
        .route("/_ingest/pipeline/{name}", there())
        .route("/_data_stream/{name}", there())
}

/// Something that a shipper creates if it does not exist: it exists, and may be put again.
fn there() -> MethodRouter<App> {
    let acknowledge = async || ok(&json!({ "acknowledged": true }));
    get(async || ok(&json!({}))).put(acknowledge).post(acknowledge)
}

fn ok(body: &serde_json::Value) -> Response {
    respond(StatusCode::OK, body.to_string())
}

fn license() -> serde_json::Value {
    // The year 2099: shippers never write to a server without an active license.
    json!({ "uid": "annals", "type": "basic", "status": "active",
        "expiry_date_in_millis": 4_102_444_800_000_i64 })
}

pub(super) async fn root(State(app): State<App>) -> Response {
    let key = app.engine.cursor_key();
    let uuid = URL_SAFE_NO_PAD
        .encode(&Sha256::new().chain_update(b"cluster").chain_update(key).finalize()[..16]);
    ok(&json!({
        "name": "annals", "cluster_name": "annals", "cluster_uuid": uuid,
        "version": {
            "number": app.elastic_version.as_ref(), "build_flavor": "default", "build_type": "tar",
            "build_hash": env!("CARGO_PKG_VERSION"),
            "build_date": "2026-01-01T00:00:00.000Z", "build_snapshot": false,
            "lucene_version": "9.12.0",
            "minimum_wire_compatibility_version": "7.17.0",
            "minimum_index_compatibility_version": "7.0.0",
        },
        "tagline": "You Know, for Search",
    }))
}

/// Always green: problems are reported by the store's own health endpoints.
async fn health() -> Response {
    ok(&json!({
        "cluster_name": "annals", "status": "green", "timed_out": false, "number_of_nodes": 1,
        "number_of_data_nodes": 1,
        "active_primary_shards": 1, "active_shards": 1, "relocating_shards": 0,
        "initializing_shards": 0, "unassigned_shards": 0,
    }))
}

/// The only node, under the name by which the client already reaches it.
async fn nodes(headers: HeaderMap) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let node = json!({ "name": "annals", "roles": ["data", "ingest"],
        "http": { "publish_address": host, "bound_address": [host] } });
    ok(&json!({ "cluster_name": "annals", "nodes": { "annals": node } }))
}
