//! Errors of the native API as problem details (RFC 9457). This is the only place where an error
//! kind is mapped to a status.

use super::limits::LimitReached;
use crate::error::{Error, ErrorKind};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::error::Error as _;

/// Seconds after which a client should try again when the store is unavailable.
const RETRY_AFTER_SECONDS: u64 = 5;

/// Says when a refused request is worth sending again, and leaves word of a limit that was reached
/// for the trail.
pub(super) fn retry_later(response: &mut Response, reached: Option<LimitReached>) {
    let seconds = reached.map_or(RETRY_AFTER_SECONDS, |reached| reached.seconds);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    if let Some(reached) = reached {
        response.extensions_mut().insert(reached);
    }
}

/// Why a call failed, left for its record in the trail.
#[derive(Debug, Clone)]
pub(super) struct FailureReason(pub(super) String);

/// Returns the limit that was reached, if that is the cause of an error.
pub(super) fn limit_of(error: &Error) -> Option<LimitReached> {
    error.source()?.downcast_ref().copied()
}

/// An error to be sent to the client.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    detail: String,
    parameter: Option<String>,
    /// The limit that was reached.
    reached: Option<LimitReached>,
}

impl ApiError {
    fn of(status: StatusCode, detail: &str) -> Self {
        Self { status, detail: detail.to_owned(), parameter: None, reached: None }
    }

    pub(super) fn not_found(detail: &str) -> Self {
        Self::of(StatusCode::NOT_FOUND, detail)
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::of(StatusCode::METHOD_NOT_ALLOWED, "this path does not take that method")
    }

    pub(super) fn request_timeout(detail: &str) -> Self {
        Self::of(StatusCode::REQUEST_TIMEOUT, detail)
    }

    pub(super) fn unsupported(detail: &str) -> Self {
        Self::of(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
    }

    pub(super) fn unauthorized(detail: &str) -> Self {
        Self::of(StatusCode::UNAUTHORIZED, detail)
    }

    pub(super) fn forbidden(detail: &str) -> Self {
        Self::of(StatusCode::FORBIDDEN, detail)
    }
}

/// Returns the status of an error kind.
pub(super) fn status_of(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Mismatch => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Exists => StatusCode::CONFLICT,
        ErrorKind::Outdated => StatusCode::PRECONDITION_FAILED,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::Locked | ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Version | ErrorKind::Corrupt | ErrorKind::Internal => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

/// Logs errors on our side. Overload is not a fault and can be frequent, so it is only a warning.
pub(super) fn log_failure(error: &Error, status: StatusCode) {
    if status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::GATEWAY_TIMEOUT {
        tracing::warn!(%error, "a request was refused");
    } else if status.is_server_error() {
        tracing::error!(%error, "a request failed");
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let status = match error.kind() {
            // A file of the store is missing, not what the client asked for.
            ErrorKind::NotFound if error.is_missing_file() => StatusCode::INTERNAL_SERVER_ERROR,
            kind => status_of(kind),
        };
        log_failure(&error, status);
        Self {
            status,
            detail: error.to_string(),
            parameter: error.parameter_name().map(str::to_owned),
            reached: limit_of(&error),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut problem = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let Some(parameter) = self.parameter {
            problem["parameter"] = parameter.into();
        }
        let mut response = (self.status, problem.to_string()).into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            retry_later(&mut response, self.reached);
        }
        response.extensions_mut().insert(FailureReason(self.detail));
        response
    }
}
