//! The OTLP door: logs over HTTP, in protobuf and in JSON (OTLP 1.x).
//!
//! `200` with an empty answer means that every record is durable. There is no partial success:
//! exporters ignore it, so what cannot be decoded goes to quarantine. Errors are
//! `google.rpc.Status` in the encoding of the request.

mod json;
mod messages;
mod record;

use super::super::App;
use super::super::error::{limit_of, log_failure, retry_later, status_of};
use super::body::{Bounds, PackedBody};
use super::{TenantPath, required_tenant, tell_repeats_apart};
use crate::access::Caller;
use crate::calls::Pairs;
use crate::decode::Format;
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::IncomingRecord;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use messages::{ExportLogsServiceRequest, Status};
use prost::Message;
use serde_json::json;

/// The limit that the specification recommends, and 64 MiB after decompression. Two bytes of a body
/// can be an attribute, which explains the growth in memory.
const BOUNDS: Bounds = Bounds { wire: 64 << 20, unpacked: 64 << 20, growth: 8 };
/// How many times longer a record is as JSON than in protobuf, mostly: names of fields, and base64.
const JSON_GROWTH: usize = 2;
/// The maximum number of log records in a request: each needs memory, however short it is.
const RECORDS_MAX: usize = 200_000;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/v1/logs", post(take)).route("/otlp/{tenant}/v1/logs", post(take))
}

/// The encoding of a request, and of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OtlpEncoding {
    Protobuf,
    Json,
}

impl OtlpEncoding {
    /// Returns the encoding that the content type names; `None` for any other type.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        match kind.split(';').next()?.trim().to_ascii_lowercase().as_str() {
            "application/x-protobuf" | "application/protobuf" => Some(Self::Protobuf),
            "application/json" => Some(Self::Json),
            _ => None,
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }

    fn parse(self, body: &[u8]) -> Result<ExportLogsServiceRequest> {
        match self {
            Self::Protobuf => {
                check_count(messages::count_log_records(body))?;
                ExportLogsServiceRequest::decode(body).map_err(|cause| {
                    Error::invalid("the body is not an ExportLogsServiceRequest").because(cause)
                })
            }
            Self::Json => {
                let request = json::parse(body)?;
                check_count(
                    request
                        .resource_logs
                        .iter()
                        .flat_map(|logs| &logs.scope_logs)
                        .map(|logs| logs.log_records.len())
                        .sum(),
                )?;
                Ok(request)
            }
        }
    }

    fn respond(self, status: StatusCode, protobuf: Vec<u8>, json: String) -> Response {
        let body = if self == Self::Protobuf { protobuf } else { json.into_bytes() };
        (status, [(header::CONTENT_TYPE, HeaderValue::from_static(self.media_type()))], body)
            .into_response()
    }

    fn error(self, error: &Error) -> Response {
        let status = status_of(error.kind());
        log_failure(error, status);
        // Codes of gRPC: INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED,
        // UNAVAILABLE, INTERNAL.
        let code = match error.kind() {
            ErrorKind::Invalid | ErrorKind::Mismatch | ErrorKind::Exists | ErrorKind::Outdated => 3,
            ErrorKind::NotFound => 5,
            ErrorKind::Forbidden => 7,
            ErrorKind::TooLarge => 8,
            ErrorKind::Locked | ErrorKind::Unavailable | ErrorKind::Timeout => 14,
            ErrorKind::Version | ErrorKind::Corrupt | ErrorKind::Internal => 13,
        };
        let mut response = self.refuse(status, code, error.to_string());
        if status == StatusCode::SERVICE_UNAVAILABLE {
            retry_later(&mut response, limit_of(error));
        }
        response
    }

    fn refuse(self, status: StatusCode, code: i32, message: String) -> Response {
        let json = json!({ "code": code, "message": message }).to_string();
        self.respond(status, Status { code, message }.encode_to_vec(), json)
    }
}

async fn take(
    State(app): State<App>,
    caller: Caller,
    path: TenantPath,
    pairs: Pairs,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(encoding) = OtlpEncoding::of(&headers) else {
        let what = "send application/x-protobuf or application/json".to_owned();
        return OtlpEncoding::Json.refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, 3, what);
    };
    let taken = async {
        let rule = required_tenant(&caller, path, &pairs, &headers)?;
        let body = PackedBody::read(&app, &headers, body, BOUNDS).await?;
        let take = move |engine: &crate::engine::Engine, body: &mut PackedBody| {
            let request = encoding.parse(&body.whole()?)?;
            // Every record repeats its resource and scope, so room is taken before they are built:
            // a few kilobytes may describe gigabytes.
            let (count, foreseen) = foreseen(&request);
            body.hold(count, foreseen)?;
            let records = records(&request);
            drop(request);
            let built: usize = records.iter().map(|record| record.bytes.len()).sum();
            body.hold(0, built.saturating_sub(foreseen))?;
            let batch = engine.decode(records, Some(Format::Otlp), &rule);
            Ok((tell_repeats_apart(batch), None, ()))
        };
        app.take_in("OTLP logs", &caller, body, take).await
    };
    match taken.await {
        Ok(_) => encoding.respond(StatusCode::OK, Vec::new(), "{}".to_owned()),
        Err(error) => encoding.error(&error),
    }
}

fn check_count(records: usize) -> Result<()> {
    if records <= RECORDS_MAX {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::TooLarge,
        format!("a request has at most {RECORDS_MAX} log records: send it in parts"),
    ))
}

/// Returns how many records a request has, and about how many bytes they will have.
fn foreseen(request: &ExportLogsServiceRequest) -> (usize, usize) {
    let (mut count, mut bytes) = (0_usize, 0_usize);
    for resource in &request.resource_logs {
        let shared = resource.resource.as_ref().map_or(0, Message::encoded_len);
        for scope in &resource.scope_logs {
            let repeated = shared
                + resource.schema_url.len()
                + scope.schema_url.len()
                + scope.scope.as_ref().map_or(0, Message::encoded_len);
            let own: usize = scope.log_records.iter().map(Message::encoded_len).sum();
            count += scope.log_records.len();
            bytes = bytes
                .saturating_add(scope.log_records.len().saturating_mul(repeated))
                .saturating_add(own);
        }
    }
    (count, bytes.saturating_mul(JSON_GROWTH))
}

/// Returns the records of a request, numbered from 1.
fn records(request: &ExportLogsServiceRequest) -> Vec<IncomingRecord> {
    let logs = request.resource_logs.iter().flat_map(|resource| {
        resource.scope_logs.iter().flat_map(move |scope| {
            scope.log_records.iter().map(move |record| (record, scope, resource))
        })
    });
    let bytes =
        logs.map(|(log, scope, resource)| record::json_of(log, scope, resource).into_bytes());
    (1..).zip(bytes).map(|(line, bytes)| IncomingRecord::new(line, bytes)).collect()
}
