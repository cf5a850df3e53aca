//! Answers in the form of Elasticsearch: compact and with keys in its order, because some shippers
//! search them as text.

use super::super::super::error::{limit_of, log_failure, retry_later, status_of};
use super::bulk::BulkOperation;
use crate::error::{Error, ErrorKind};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::json;

/// The outcome of all actions of a request, in order.
#[derive(Debug, serde::Serialize)]
pub(super) struct BulkAnswer {
    pub(super) took: u64,
    pub(super) errors: bool,
    pub(super) items: Vec<Item>,
}

/// The outcome of one action.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) operation: BulkOperation,
    pub(super) done: ItemResult,
}

/// The content of an item.
#[derive(Debug, serde::Serialize)]
pub(super) struct ItemResult {
    #[serde(rename = "_index")]
    pub(super) index: String,
    #[serde(rename = "_id")]
    pub(super) id: Option<String>,
    #[serde(rename = "_version", skip_serializing_if = "Option::is_none")]
    version: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'static str>,
    #[serde(rename = "_shards", skip_serializing_if = "Option::is_none")]
    shards: Option<Shards>,
    #[serde(rename = "_seq_no", skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(rename = "_primary_term", skip_serializing_if = "Option::is_none")]
    term: Option<u8>,
    pub(super) status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<Cause>,
    /// The tenant that it was for, if whoever sent it may not deliver for that.
    #[serde(skip)]
    pub(super) foreign: Option<String>,
}

#[derive(Debug, serde::Serialize)]
struct Shards {
    total: u8,
    successful: u8,
    failed: u8,
}

#[derive(Debug, serde::Serialize)]
pub(super) struct Cause {
    #[serde(rename = "type")]
    kind: &'static str,
    reason: String,
}

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.operation.name(), &self.done)?;
        map.end()
    }
}

impl ItemResult {
    /// Reports a document that has been stored.
    pub(super) fn created(index: String, id: Option<String>, seq: u64) -> Self {
        Self::there(index, id, "created", 201, seq)
    }

    /// Reports a document that was stored before, byte for byte. This is not an error, because a
    /// client that received no answer sends it again.
    pub(super) fn noop(index: String, id: Option<String>) -> Self {
        Self::there(index, id, "noop", 200, 0)
    }

    fn there(
        index: String,
        id: Option<String>,
        result: &'static str,
        status: u16,
        seq: u64,
    ) -> Self {
        let shards = Shards { total: 1, successful: 1, failed: 0 };
        Self {
            index,
            id,
            version: Some(1),
            result: Some(result),
            shards: Some(shards),
            seq: Some(seq),
            term: Some(1),
            status,
            error: None,
            foreign: None,
        }
    }

    /// Reports an action that was refused.
    pub(super) fn refused(
        index: String,
        id: Option<String>,
        status: u16,
        kind: &'static str,
        reason: String,
    ) -> Self {
        let error = Some(Cause { kind, reason });
        Self {
            index,
            id,
            version: None,
            result: None,
            shards: None,
            seq: None,
            term: None,
            status,
            error,
            foreign: None,
        }
    }
}

/// An error of a whole request.
#[derive(Debug)]
pub(super) struct ElasticError(Error);

impl From<Error> for ElasticError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for ElasticError {
    fn into_response(self) -> Response {
        let kind = match self.0.kind() {
            ErrorKind::Invalid | ErrorKind::Mismatch | ErrorKind::Exists | ErrorKind::Outdated => {
                "illegal_argument_exception"
            }
            ErrorKind::NotFound => "index_not_found_exception",
            ErrorKind::Forbidden => "security_exception",
            ErrorKind::TooLarge => "content_too_long_exception",
            ErrorKind::Locked | ErrorKind::Unavailable | ErrorKind::Timeout => {
                "es_rejected_execution_exception"
            }
            ErrorKind::Version | ErrorKind::Corrupt | ErrorKind::Internal => "exception",
        };
        let status = status_of(self.0.kind());
        log_failure(&self.0, status);
        let cause = json!({ "type": kind, "reason": self.0.to_string() });
        let body = json!({
            "error": { "root_cause": [cause], "type": kind, "reason": self.0.to_string() },
            "status": status.as_u16(),
        });
        let mut response = respond(status, body.to_string());
        if status == StatusCode::SERVICE_UNAVAILABLE {
            retry_later(&mut response, limit_of(&self.0));
        }
        response
    }
}

/// A body of JSON.
pub(super) fn respond(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body)
        .into_response()
}
