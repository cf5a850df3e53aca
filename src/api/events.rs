//! `/api/v1/events`: records in, lists and single events out.

use super::App;
use super::answer::respond;
use super::error::ApiError;
use super::params::Pairs;
use super::question::{self, Call};
use crate::decode::Format;
use crate::engine::{Engine, Outcome, RequestKey, read_records};
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::{Coding, Record, TenantRule, Unpacked};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The largest body on the wire: 64 MiB.
pub(super) const WIRE_BYTES_MAX: usize = 64 << 20;
/// The largest body when unpacked: 512 MiB.
const UNPACKED_BYTES_MAX: u64 = 512 << 20;
/// A body may not grow more than this many times when unpacked.
const UNPACKED_RATIO_MAX: u64 = 200;
/// Below this size when unpacked, the ratio does not matter.
const UNPACKED_BYTES_FREE: u64 = 1 << 20;
/// The largest JSON filter.
const QUERY_BYTES_MAX: usize = 1 << 20;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/events", get(list).post(ingest))
        .route("/api/v1/events/query", post(query))
        .route("/api/v1/events/{trace_id}", get(one))
        .route("/k8s/audit/{tenant}", post(kubernetes))
}

async fn list(State(app): State<App>, pairs: Pairs, headers: HeaderMap) -> Result<Response, ApiError> {
    respond(app, Call::Events, pairs, &headers).await
}

async fn query(State(app): State<App>, url: Pairs, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    respond(app, Call::Events, read_json_pairs(url, body).await?, &headers).await
}

/// The pairs of a JSON body and of the URL together.
pub(super) async fn read_json_pairs(url: Pairs, body: Body) -> Result<Pairs> {
    let body = read_body(body, QUERY_BYTES_MAX).await?;
    let mut pairs = Pairs::from_json(&body)?;
    pairs.0.extend(url.0);
    Ok(pairs)
}

async fn one(State(app): State<App>, path: Result<Path<String>, PathRejection>, pairs: Pairs) -> Result<Json<Value>, ApiError> {
    let Path(trace_id) = path.map_err(|cause| Error::parameter("trace_id", "is no text").because(cause))?;
    Ok(Json(app.run(move |engine| question::event(engine, &trace_id, &pairs)).await?))
}

async fn ingest(State(app): State<App>, pairs: Pairs, headers: HeaderMap, body: Body) -> Result<Json<Outcome>, ApiError> {
    let request = IngestRequest::read(&pairs, &headers)?;
    let body = read_body(body, WIRE_BYTES_MAX).await?;
    Ok(Json(app.run(move |engine| request.run(engine, &body, "POST /api/v1/events")).await?))
}

/// The audit webhook of a Kubernetes API server: an `EventList` in, an empty object out when it is durable. The API server
/// repeats a batch a few times after any error and then drops it, so what cannot be decoded goes to quarantine instead.
async fn kubernetes(
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let Path(tenant) = path.map_err(|cause| Error::parameter("tenant", "is no text").because(cause))?;
    let rule = TenantRule::new(Some(&tenant), None)?;
    let request = IngestRequest { format: Some(Format::K8s), rule, coding: coding(&headers)?, key: None };
    let body = read_body(body, WIRE_BYTES_MAX).await?;
    app.run(move |engine| request.run(engine, &body, "Kubernetes audit webhook")).await?;
    Ok(Json(Value::Object(serde_json::Map::new())))
}

/// How a body is packed, as its header says.
fn coding(headers: &HeaderMap) -> Result<Option<Coding>> {
    headers.get(header::CONTENT_ENCODING).map(|value| Coding::from_header(value.to_str().unwrap_or("?"))).transpose()
}

async fn read_body(body: Body, limit: usize) -> Result<Bytes> {
    to_bytes(body, limit).await.map_err(|cause| {
        let mut source = Some(&cause as &dyn std::error::Error);
        while let Some(error) = source {
            if error.is::<http_body_util::LengthLimitError>() {
                return Error::new(ErrorKind::TooLarge, format!("the body is larger than {limit} bytes: send it in parts"));
            }
            source = error.source();
        }
        Error::invalid("the body did not arrive whole").because(cause)
    })
}

/// What `POST /api/v1/events` was asked to do.
struct IngestRequest {
    format: Option<Format>,
    rule: TenantRule,
    coding: Option<Coding>,
    /// Who asks what, and the key that the request has for itself.
    key: Option<String>,
}

impl IngestRequest {
    fn read(pairs: &Pairs, headers: &HeaderMap) -> Result<Self> {
        if let Some((name, _)) = pairs.0.iter().find(|(name, _)| !["format", "tenant", "tenant_from"].contains(&name.as_str())) {
            return Err(Error::parameter(name, "unknown parameter; this call takes format, tenant and tenant_from"));
        }
        let format = parse_format(pairs.one("format")?.unwrap_or("auto"))?;
        let rule = TenantRule::new(pairs.one("tenant")?, pairs.one("tenant_from")?)?;
        let coding = coding(headers)?;
        let key = match headers.get("idempotency-key") {
            Some(value) => Some(idempotency_key(value.to_str().unwrap_or_default())?),
            None => None,
        };
        let key = key.map(|key| format!("{rule:?} {format:?} {key}"));
        Ok(Self { format, rule, coding, key })
    }

    fn run(&self, engine: &Engine, body: &[u8], source: &str) -> Result<Outcome> {
        let limit = UNPACKED_BYTES_MAX.min((body.len() as u64 * UNPACKED_RATIO_MAX).max(UNPACKED_BYTES_FREE));
        let coding = self.coding.unwrap_or_else(|| Coding::of_bytes(body));
        let records = read_records(Unpacked::new(body, coding, limit)?)?;
        let request = self.key.as_ref().map(|key| RequestKey { key: key.clone(), body: digest(&records) });
        engine.ingest_once(engine.decode(records, self.format, &self.rule), source, request)
    }
}

/// The longest `Idempotency-Key`, in bytes.
const KEY_BYTES_MAX: usize = 255;

/// The key of a request, in the header's own quotes or without (draft-ietf-httpapi-idempotency-key-header).
fn idempotency_key(value: &str) -> Result<String> {
    let key = value.trim();
    let key = key.strip_prefix('"').and_then(|key| key.strip_suffix('"')).unwrap_or(key);
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(Error::parameter("Idempotency-Key", format!("is a text of 1 to {KEY_BYTES_MAX} visible ASCII characters")));
    }
    Ok(key.to_owned())
}

/// What a request said, however it was packed: the records, and where each ends.
fn digest(records: &[Record]) -> String {
    let mut digest = Sha256::new();
    for record in records {
        digest.update((record.bytes.len() as u64).to_le_bytes());
        digest.update(&record.bytes);
    }
    crate::event::hex(&digest.finalize())
}

/// Reads the name of a record format, `auto` for none.
///
/// # Errors
/// An unknown name; the message names the parameter `format`.
pub(crate) fn parse_format(name: &str) -> Result<Option<Format>> {
    if name == "auto" {
        return Ok(None);
    }
    let known = crate::event::FORMATS.join(", ");
    Format::from_name(name)
        .map(Some)
        .ok_or_else(|| Error::parameter("format", format!("{:?} is none of auto, {known}", crate::event::clip(name, 40))))
}
