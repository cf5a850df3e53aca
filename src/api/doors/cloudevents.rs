//! CloudEvents 1.0 over HTTP: structured, batched and binary (CloudEvents HTTP protocol binding
//! 1.0.2), with the handshake of its webhook specification.
//!
//! In binary mode the attributes are headers and the body is the data. The record that is kept is
//! then the same event in the JSON form. Senders are parsed leniently: header values may be
//! percent-encoded or plain UTF-8, and the content type may be missing.

use super::super::App;
use super::super::error::ApiError;
use super::body::{Bounds, PackedBody};
use super::{TenantPath, required_tenant, tell_repeats_apart};
use crate::access::Caller;
use crate::calls::Pairs;
use crate::decode::Format;
use crate::engine::Outcome;
use crate::ingest::IncomingRecord;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/cloudevents", door()).route("/cloudevents/{tenant}", door())
}

fn door() -> MethodRouter<App> {
    post(take).options(handshake)
}

async fn take(
    State(app): State<App>,
    caller: Caller,
    path: TenantPath,
    pairs: Pairs,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Outcome>, ApiError> {
    let rule = required_tenant(&caller, path, &pairs, &headers)?;
    let binary = Binary::read(&headers);
    let body = PackedBody::read(&app, &headers, body, Bounds::default()).await?;
    let taken = app.take_in("CloudEvents", &caller, body, move |engine, body| {
        let records = match &binary {
            Some(binary) => vec![binary.record(&body.whole()?)],
            None => body.records()?,
        };
        let batch = engine.decode(records, Some(Format::CloudEvents), &rule);
        Ok((tell_repeats_apart(batch), None, ()))
    });
    let (outcome, ()) = taken.await?;
    Ok(Json(outcome))
}

/// Agrees to receive events: senders must ask first, so that no endpoint is flooded against its
/// will.
async fn handshake(headers: HeaderMap) -> Response {
    let Some(origin) = headers.get("webhook-request-origin") else {
        return StatusCode::NO_CONTENT.into_response();
    };
    let allowed = [
        (HeaderName::from_static("webhook-allowed-origin"), origin.clone()),
        (HeaderName::from_static("webhook-allowed-rate"), HeaderValue::from_static("*")),
        (header::ALLOW, HeaderValue::from_static("POST, OPTIONS")),
    ];
    (StatusCode::OK, allowed).into_response()
}

/// A CloudEvent whose attributes are headers.
#[derive(Debug)]
pub(super) struct Binary {
    attributes: Map<String, Value>,
    /// Whether the data are JSON; unknown without a content type.
    is_json: Option<bool>,
}

impl Binary {
    /// Returns the attributes, if the headers contain any.
    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        if !headers.contains_key("ce-specversion") && !headers.contains_key("ce-id") {
            return None;
        }
        let mut attributes = Map::new();
        for (name, value) in headers {
            if let Some(name) = name.as_str().strip_prefix("ce-") {
                attributes.insert(name.to_owned(), percent_decoded(value.as_bytes()).into());
            }
        }
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if let Some(kind) = kind {
            attributes.insert("datacontenttype".to_owned(), kind.into());
        }
        let media =
            kind.map(|kind| kind.split(';').next().unwrap_or(kind).trim().to_ascii_lowercase());
        let is_json = media.map(|media| {
            media == "application/json" || media == "text/json" || media.ends_with("+json")
        });
        Some(Self { attributes, is_json })
    }

    /// Returns the event in its JSON form.
    pub(super) fn record(&self, data: &[u8]) -> IncomingRecord {
        let text = std::str::from_utf8(data).ok();
        let json = text
            .filter(|_| self.is_json != Some(false))
            .and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
        let (name, value) = match (json, text) {
            _ if data.is_empty() => ("", String::new()),
            // Byte for byte as it was received.
            (Some(json), _) => ("data", json.get().to_owned()),
            (None, Some(text)) => ("data", json!(text).to_string()),
            (None, None) => ("data_base64", json!(STANDARD.encode(data)).to_string()),
        };
        let mut record = Value::Object(self.attributes.clone()).to_string();
        if !name.is_empty() {
            record.pop();
            record.push_str(&format!(",\"{name}\":{value}}}"));
        }
        IncomingRecord::new(1, record)
    }
}

/// Returns a header's value: percent-encoded UTF-8, as the specification requires, or any other
/// text.
fn percent_decoded(value: &[u8]) -> String {
    match percent_encoding::percent_decode(value).decode_utf8() {
        Ok(text) => text.into_owned(),
        Err(_) => String::from_utf8_lossy(value).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::percent_decoded;

    #[test]
    fn header_values_are_read_encoded_and_plain() {
        assert_eq!(percent_decoded(b"/iam/%E7%94%A8%E6%88%B7"), "/iam/用户");
        assert_eq!(percent_decoded("/iam/用户".as_bytes()), "/iam/用户");
        assert_eq!(percent_decoded(b"100% sure %zz %"), "100% sure %zz %");
        assert_eq!(percent_decoded(b"%ff"), "%ff", "no UTF-8: as it came");
    }
}
