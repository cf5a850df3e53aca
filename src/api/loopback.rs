//! Which requests are refused whatever they ask for: those of foreign pages and, without
//! credentials, those for other machines.
//!
//! Without credentials every caller that reaches the server is the operator, so it serves this
//! machine only; with them it serves every host. In both cases a foreign page could make a browser
//! send requests to it, so
//! * without credentials a request names a loopback host, and nothing that only looks like one, and
//!   has passed no proxy;
//! * a request from a page comes from this server's own page: `Origin` is this server (the host
//!   that a trusted proxy names, if one does; over TLS a page that came over TLS), and
//!   `Sec-Fetch-Site` is `same-origin` or `none` (what a user typed). Links from elsewhere lead to
//!   the screen's pages and the way back from an OpenID provider, and nowhere else;
//! * what a page writes has a content type that pages can send to their own server only: a form or
//!   a plain text, which any page may send anywhere, is refused.
//!
//! Programs send none of these headers, and may send bodies of any type.

use crate::api::auth;
use crate::api::error::ApiError;
use crate::api::peer::Peer;
use crate::api::web;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::body::Body as _;
use std::net::{Ipv4Addr, Ipv6Addr};

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// What proxies add. A server without credentials is behind none.
const FORWARDED: [&str; 5] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

/// Content types that a page may send, in addition to those that end in `+json`.
const TYPES: &[&str] = &[
    "application/json",
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-protobuf",
    "application/protobuf",
    "application/octet-stream",
];

/// Refuses requests of foreign pages and, without credentials, those for another host.
pub(in crate::api) async fn own_pages(
    State(credentials): State<bool>,
    request: Request,
    next: Next,
) -> Response {
    match check(credentials, &request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

fn check(credentials: bool, request: &Request) -> Result<(), ApiError> {
    let headers = request.headers();
    let host = one(headers, header::HOST)
        .map_err(|()| ApiError::forbidden("there are several Host headers"))?;
    let named = [host, request.uri().authority().map(|authority| authority.as_str())];
    let is_served = |host: &str| {
        Authority::parse(host)
            .is_some_and(|host| if credentials { host.is_name() } else { host.is_loopback() })
    };
    if !named.into_iter().flatten().all(is_served) {
        return Err(ApiError::forbidden(if credentials {
            "the Host header is not a host"
        } else {
            "the Host header names another machine: until there are credentials, only this machine \
            is served"
        }));
    }
    if !credentials && FORWARDED.iter().any(|name| headers.contains_key(*name)) {
        return Err(ApiError::forbidden(
            "the request came through a proxy: a server without credentials serves this machine \
            only",
        ));
    }
    let origin = one(headers, header::ORIGIN).map_err(|()| foreign())?;
    let peer = request.extensions().get::<Peer>();
    let addressed = peer.and_then(|peer| peer.forwarded_host.as_deref()).or(host);
    let is_tls = peer.is_some_and(|peer| peer.is_tls);
    let own = |origin: &str| addressed.is_some_and(|host| is_own(origin, host, is_tls));
    if origin.is_some_and(|origin| !own(origin)) {
        return Err(foreign());
    }
    let site = one(headers, SITE).map_err(|()| foreign())?;
    if !matches!(site, None | Some("same-origin" | "none")) && !leads_to_a_page(request) {
        return Err(foreign());
    }
    let from_page =
        origin.is_some() || [SITE, MODE, DEST].iter().any(|name| headers.contains_key(name));
    let writes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if from_page
        && writes
        && !request.body().is_end_stream()
        && !is_typed(headers.get(header::CONTENT_TYPE))
    {
        return Err(ApiError::unsupported(
            "a page must send application/json or application/x-ndjson, not a form or plain text",
        ));
    }
    Ok(())
}

fn foreign() -> ApiError {
    ApiError::forbidden("pages of other sites may not call this server")
}

/// A header's one value; an error if there are several.
fn one(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, ()> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().map(|value| value.to_str().unwrap_or_default());
    if values.next().is_some() { Err(()) } else { Ok(first) }
}

/// Returns whether a browser sent this request to follow a link to a page of the screen, or on the
/// way back from the OpenID provider, which another site leads to by its nature.
fn leads_to_a_page(request: &Request) -> bool {
    let says = |name, value: &str| one(request.headers(), name) == Ok(Some(value));
    request.method() == Method::GET
        && says(MODE, "navigate")
        && says(DEST, "document")
        && (web::is_page(request.uri().path()) || request.uri().path() == auth::CALLBACK)
}

/// Returns whether a content type is one that pages cannot send to other sites without a preflight
/// request.
fn is_typed(value: Option<&HeaderValue>) -> bool {
    let text = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    TYPES.contains(&media.as_str())
        || (media.starts_with("application/") && media.ends_with("+json"))
}

/// Returns whether an origin is this server, which was addressed as `host`. A page that came
/// without TLS may be anybody's, so over TLS it is foreign.
fn is_own(origin: &str, host: &str, is_tls: bool) -> bool {
    let Some((scheme, origin)) = origin.split_once("://") else { return false };
    let default = match scheme {
        "http" if !is_tls => 80,
        // Without TLS here: before a proxy on this machine.
        "https" => 443,
        _ => return false,
    };
    let (Some(origin), Some(host)) = (Authority::parse(origin), Authority::parse(host)) else {
        return false;
    };
    origin.name.eq_ignore_ascii_case(host.name)
        && origin.port.unwrap_or(default) == host.port.unwrap_or(default)
}

/// A host and perhaps a port, with nothing else about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Authority<'a> {
    /// With the brackets of an IPv6 address.
    name: &'a str,
    port: Option<u16>,
}

impl<'a> Authority<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let end = match text.starts_with('[') {
            true => text.find(']')? + 1,
            false => text.find(':').unwrap_or(text.len()),
        };
        let (name, rest) = text.split_at(end);
        let port = match rest.strip_prefix(':') {
            Some(digits)
                if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                Some(digits.parse().ok()?)
            }
            None if rest.is_empty() => None,
            _ => return None,
        };
        Some(Self { name, port })
    }

    /// Returns whether this is an address in brackets or a name of letters that names have.
    pub(super) fn is_name(self) -> bool {
        match self.name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            Some(v6) => v6.parse::<Ipv6Addr>().is_ok(),
            None => {
                let is_letter =
                    |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
                !self.name.is_empty() && self.name.bytes().all(is_letter)
            }
        }
    }

    fn is_loopback(self) -> bool {
        match self.name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            Some(v6) => v6.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback()),
            None => {
                self.name.eq_ignore_ascii_case("localhost")
                    || self.name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn status(method: &str, path: &str, headers: &[(&str, &str)], body: &'static str) -> u16 {
        decided(false, &request(method, path, headers, body))
    }

    fn decided(credentials: bool, request: &Request) -> u16 {
        check(credentials, request)
            .map_or_else(|error| error.into_response().status().as_u16(), |()| 200)
    }

    fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &'static str) -> Request {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::from(body)).expect("a request")
    }

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for host in [
            "localhost",
            "localhost:7400",
            "127.0.0.1:7400",
            "127.1.2.3",
            "[::1]:7400",
            "[::1]",
            "LOCALHOST:1",
        ] {
            assert_eq!(status("GET", "/", &[("host", host)], ""), 200, "{host}");
        }
        for host in [
            "example.com",
            "10.0.0.1:7400",
            "127.0.0.1.example.com",
            "[2001:db8::1]:7400",
            "localhost.example.com:80",
            "",
            "[::1]evil.example",
            "[::1]:7400evil",
            "[::1",
            "[127.0.0.1]",
            "::1",
            "localhost:x@evil",
            "localhost:7400@evil.example",
            "evil@localhost",
            "localhost:",
            "localhost:99999",
            "localhost:+80",
            "localhost/evil",
            "localhost evil",
            "2130706433",
        ] {
            assert_eq!(status("GET", "/", &[("host", host)], ""), 403, "{host}");
        }
        assert_eq!(status("GET", "/", &[("host", "localhost"), ("host", "localhost")], ""), 403);
        assert_eq!(status("GET", "http://evil.example/", &[("host", "localhost")], ""), 403);
    }

    #[test]
    fn with_credentials_any_host_is_served_and_a_page_is_of_the_host_it_calls() {
        let peer = |is_tls, host: Option<&str>| Peer {
            address: "127.0.0.1:1".parse().expect("an address"),
            client: "127.0.0.1".parse().expect("an address"),
            is_tls,
            forwarded_host: host.map(Into::into),
            certificate: None,
        };
        let asked = |peer: Peer, headers: &[(&str, &str)]| {
            let mut request = request("GET", "/api/v1/count", headers, "");
            request.extensions_mut().insert(peer);
            decided(true, &request)
        };
        for host in ["logs.example", "logs.example:8443", "[2001:db8::1]:1", "10.0.0.1"] {
            assert_eq!(asked(peer(true, None), &[("host", host)]), 200, "{host}");
        }
        for host in ["", "a b", "a/b", "a@b", "[::1", "[x]", "a:b", "中"] {
            assert_eq!(asked(peer(true, None), &[("host", host)]), 403, "{host}");
        }
        let host = ("host", "logs.example");
        for (is_tls, origin, expected) in [
            (true, "https://logs.example", 200),
            (true, "https://logs.example:443", 200),
            (true, "http://logs.example", 403),
            (true, "https://logs.example:8443", 403),
            (true, "https://evil.example", 403),
            (false, "http://logs.example", 200),
            // TLS that ends before this server, at a proxy that it was not told of.
            (false, "https://logs.example", 200),
            (false, "http://evil.example", 403),
        ] {
            let headers = [host, ("origin", origin)];
            assert_eq!(asked(peer(is_tls, None), &headers), expected, "{is_tls} {origin}");
        }
        // The host that a trusted proxy names, and no longer its own name for this server.
        for (origin, expected) in [("https://a.example", 200), ("https://logs.example", 403)] {
            let headers = [host, ("origin", origin)];
            assert_eq!(asked(peer(true, Some("a.example")), &headers), expected, "{origin}");
        }
        let cross = [host, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")];
        assert_eq!(asked(peer(true, None), &cross), 403);
    }

    #[test]
    fn only_this_servers_own_page_calls_it() {
        let host = ("host", "localhost:7400");
        for origin in [
            "http://localhost:7400",
            "HTTP://localhost:7400".to_lowercase().as_str(),
            "https://localhost:7400",
        ] {
            assert_eq!(
                status("GET", "/api/v1/count", &[host, ("origin", origin)], ""),
                200,
                "{origin}"
            );
        }
        let foreign = [
            "null",
            "",
            "http://localhost:3000",
            "http://127.0.0.1:7400",
            "http://localhost",
            "http://evil.example",
            "file://localhost:7400",
        ];
        for origin in foreign {
            assert_eq!(
                status("GET", "/api/v1/count", &[host, ("origin", origin)], ""),
                403,
                "{origin}"
            );
        }
        assert_eq!(
            status("GET", "/", &[("host", "localhost"), ("origin", "http://localhost:80")], ""),
            200
        );
        for (site, expected) in [
            ("same-origin", 200),
            ("none", 200),
            ("same-site", 403),
            ("cross-site", 403),
            ("else", 403),
        ] {
            for (mode, dest) in [("no-cors", "image"), ("cors", "empty"), ("navigate", "iframe")] {
                let headers = [
                    host,
                    ("sec-fetch-site", site),
                    ("sec-fetch-mode", mode),
                    ("sec-fetch-dest", dest),
                ];
                assert_eq!(status("GET", "/api/v1/count", &headers, ""), expected, "{site} {mode}");
                assert_eq!(status("GET", "/", &headers, ""), expected, "{site} {mode}");
            }
        }
        let link = [
            host,
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        assert_eq!(
            (status("GET", "/", &link, ""), status("GET", "/dashboards", &link, "")),
            (200, 200)
        );
        assert_eq!(
            (status("GET", "/api/v1/events.csv", &link, ""), status("POST", "/", &link, "")),
            (403, 403)
        );
    }

    #[test]
    fn a_page_writes_what_only_a_page_of_this_server_can_send() {
        let host = ("host", "localhost:7400");
        for kind in [
            "application/json; charset=utf-8",
            "application/x-ndjson",
            "application/cloudevents+json",
            "application/octet-stream",
        ] {
            assert_eq!(
                status(
                    "POST",
                    "/",
                    &[host, ("origin", "http://localhost:7400"), ("content-type", kind)],
                    "{}"
                ),
                200,
                "{kind}"
            );
        }
        for kind in [
            "text/plain",
            "text/plain;application/json",
            "multipart/form-data",
            "application/x-www-form-urlencoded",
            "",
            "text/x+json",
        ] {
            for from in [
                ("origin", "http://localhost:7400"),
                ("sec-fetch-site", "same-origin"),
                ("sec-fetch-mode", "no-cors"),
            ] {
                assert_eq!(
                    status("POST", "/", &[host, from, ("content-type", kind)], "{}"),
                    415,
                    "{kind}"
                );
                assert_eq!(status("DELETE", "/", &[host, from], ""), 200);
            }
            assert_eq!(
                status("POST", "/", &[host, ("content-type", kind)], "{}"),
                200,
                "a program"
            );
        }
    }
}
