//! Refusals that do not come from a door itself, in the form that clients of the door parse.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A refusal in the form of a door.
pub(in crate::api) struct Refusal {
    status: StatusCode,
    pub(in crate::api) content_type: &'static str,
    pub(in crate::api) body: String,
}

/// What each door calls a refusal: the code of CTS, the type of Elasticsearch, the number of gRPC.
fn codes(status: StatusCode) -> (&'static str, &'static str, u8) {
    match status {
        StatusCode::UNAUTHORIZED => ("APIGW.0301", "security_exception", 16),
        StatusCode::FORBIDDEN => ("CTS.0002", "security_exception", 7),
        StatusCode::SERVICE_UNAVAILABLE => ("CTS.0005", "es_rejected_execution_exception", 14),
        status if status.is_server_error() => ("CTS.0005", "exception", 13),
        _ => ("CTS.0300", "illegal_argument_exception", 3),
    }
}

impl Refusal {
    /// Creates the refusal of a request for a path.
    pub(in crate::api) fn at(
        path: &str,
        status: StatusCode,
        detail: &str,
        parameter: Option<&str>,
    ) -> Self {
        if is_iam(path) {
            return Self::of_iam(status, detail);
        }
        let is_elastic = path.starts_with("/es/") || path.contains("/_") || path.contains("_bulk");
        let is_cts = is_cts(path);
        let (cts, elastic, grpc) = codes(status);
        if is_partner_centre(path) {
            let code = code_of_partner_centre(status);
            let body = json!({ "error_code": code, "error_msg": detail }).to_string();
            return Self { status, content_type: "application/json", body };
        }
        let mut content_type = "application/json";
        let body = if is_cts {
            json!({ "error_code": cts, "error_msg": detail })
        } else if is_elastic {
            let cause = json!({ "type": elastic, "reason": detail });
            json!({ "status": status.as_u16(),
                "error": { "root_cause": [cause], "type": elastic, "reason": detail } })
        } else if path.starts_with("/v1/logs") || path.starts_with("/otlp/") {
            json!({ "code": grpc, "message": detail })
        } else {
            content_type = "application/problem+json";
            let mut problem = json!({
                "type": "about:blank",
                "title": status.canonical_reason().unwrap_or("Error"),
                "status": status.as_u16(),
                "detail": detail,
            });
            if let Some(parameter) = parameter {
                problem["parameter"] = parameter.into();
            }
            problem
        };
        Self { status, content_type, body: body.to_string() }
    }

    /// Creates the refusal of a request for a path, with a code that clients of CTS know it by.
    pub(in crate::api) fn coded(
        path: &str,
        status: StatusCode,
        detail: &str,
        code: Option<&str>,
    ) -> Self {
        match code {
            Some(code) if is_cts(path) && !is_iam(path) => {
                let body = json!({ "error_code": code, "error_msg": detail }).to_string();
                Self { status, content_type: "application/json", body }
            }
            _ => Self::at(path, status, detail, None),
        }
    }

    /// Creates a refusal in the form of Huawei Cloud's IAM.
    pub(in crate::api) fn of_iam(status: StatusCode, detail: &str) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        let error = json!({ "code": status.as_u16(), "message": detail, "title": title });
        let body = json!({ "error": error }).to_string();
        Self { status, content_type: "application/json", body }
    }
}

/// Returns whether clients of CTS ask for a path.
fn is_cts(path: &str) -> bool {
    ["/v3/", "/v2.0/", "/v1.0/"].iter().any(|start| path.starts_with(start))
}

/// Returns whether clients of the partner centre ask for a path.
fn is_partner_centre(path: &str) -> bool {
    path.starts_with("/v2/partners/")
}

/// Returns what the partner centre calls a refusal.
fn code_of_partner_centre(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "CBC.0154",
        StatusCode::FORBIDDEN => "CBC.0151",
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => "CBC.0250",
        status if status.is_server_error() => "CBC.0999",
        _ => "CBC.0100",
    }
}

/// Returns whether clients of Huawei Cloud's IAM ask for a path.
fn is_iam(path: &str) -> bool {
    ["/v3/auth/tokens", "/v3/auth/domains", "/v3/projects"].contains(&path)
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let content_type = HeaderValue::from_static(self.content_type);
        (self.status, [(header::CONTENT_TYPE, content_type)], self.body).into_response()
    }
}
