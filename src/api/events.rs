//! `/api/v1/events`: records in, lists and single events out.

use super::App;
use super::answer::respond;
use super::error::ApiError;
use super::params::Pairs;
use super::question::{self, Call};
use crate::decode::Format;
use crate::engine::{Engine, Outcome, read_records};
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::{Coding, TenantRule, Unpacked, decode_records};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::Value;

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
    Ok(Json(app.run(move |engine| request.run(engine, &body)).await?))
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
}

impl IngestRequest {
    fn read(pairs: &Pairs, headers: &HeaderMap) -> Result<Self> {
        if let Some((name, _)) = pairs.0.iter().find(|(name, _)| !["format", "tenant", "tenant_from"].contains(&name.as_str())) {
            return Err(Error::parameter(name, "unknown parameter; this call takes format, tenant and tenant_from"));
        }
        let format = parse_format(pairs.one("format")?.unwrap_or("auto"))?;
        let rule = TenantRule::new(pairs.one("tenant")?, pairs.one("tenant_from")?)?;
        let coding = match headers.get(header::CONTENT_ENCODING) {
            Some(value) => Some(Coding::from_header(value.to_str().unwrap_or("?"))?),
            None => None,
        };
        Ok(Self { format, rule, coding })
    }

    fn run(&self, engine: &Engine, body: &[u8]) -> Result<Outcome> {
        let limit = UNPACKED_BYTES_MAX.min((body.len() as u64 * UNPACKED_RATIO_MAX).max(UNPACKED_BYTES_FREE));
        let coding = self.coding.unwrap_or_else(|| Coding::of_bytes(body));
        let records = read_records(Unpacked::new(body, coding, limit)?)?;
        engine.ingest(decode_records(records, self.format, &self.rule), "POST /api/v1/events")
    }
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
