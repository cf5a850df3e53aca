//! Before credentials exist, whoever reaches the server is the operator; so only this machine may reach it.
//!
//! The server listens on loopback. A browser on this machine could still be made to ask it by a foreign page, so a
//! request must name a loopback host, and one that comes from a page must come from a loopback page.

use super::error::ApiError;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;

/// Refuses requests for another host, and those of foreign pages.
pub(super) async fn same_machine(request: Request, next: Next) -> Response {
    match check(request.headers()) {
        Some(refusal) => ApiError::forbidden(refusal).into_response(),
        None => next.run(request).await,
    }
}

fn check(headers: &HeaderMap) -> Option<&'static str> {
    let header = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if header(header::HOST).is_some_and(|host| !is_loopback(host)) {
        return Some("the Host header names another machine: until there are credentials, only this machine is served");
    }
    let foreign = |origin: &str| !origin.split_once("://").is_some_and(|(_, host)| is_loopback(host));
    header(header::ORIGIN).is_some_and(foreign).then_some("pages of other sites may not call this server")
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for host in ["localhost", "localhost:7400", "127.0.0.1:7400", "127.1.2.3", "[::1]:7400", "LOCALHOST:1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["example.com", "10.0.0.1:7400", "127.0.0.1.example.com", "[2001:db8::1]:7400", "localhost.example.com:80", ""] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
