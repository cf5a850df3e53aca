//! The auditor's screen: the files that the build made from `web/` and embedded in the binary.
//!
//! The page may load only what this server serves, runs no inline script, and never turns text into
//! markup: its content security policy says so, and the browser enforces it. The list of files is
//! in the table that `build.rs` writes.

use super::doors::elastic_root;
use super::{ApiError, App};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use sha2::{Digest, Sha256};

/// A file of the screen.
struct File {
    /// The path at which it is served.
    path: &'static str,
    /// Its media type.
    kind: &'static str,
    /// Its bytes.
    plain: &'static [u8],
    /// Its bytes in gzip, if that is smaller.
    gzip: Option<&'static [u8]>,
}

mod built {
    use super::File;
    include!(concat!(env!("OUT_DIR"), "/web.rs"));
}

/// The file that is served for every path of the page.
const INDEX: &str = "/index.html";
/// The paths of the page besides the root; the page reads from its URL which view to show.
const ROUTES: &[&str] = &["/access", "/dashboards", "/quota", "/relation", "/store"];
/// Beginnings of paths that belong to programs.
const DOORS: &[&str] = &["/api/", "/assets/", "/auth/", "/es/", "/otlp/", "/v1", "/v2/", "/v3/"];
/// What the page may do.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                     font-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for \
     'script'; trusted-types 'none'";
/// Browser features that the page never needs.
const PERMISSIONS: &str = "camera=(), microphone=(), geolocation=(), display-capture=(), \
                          payment=(), usb=(), serial=(), \
     hid=(), midi=(), screen-wake-lock=(), xr-spatial-tracking=()";
/// Names of assets contain a hash of their content.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

pub(super) fn routes() -> Router<App> {
    let mut routes = Router::new().route("/", get(root));
    for path in ROUTES {
        routes = routes.route(path, page());
    }
    for file in built::FILES.iter().filter(|file| file.path != INDEX) {
        let cache = if file.path.starts_with("/assets/") { FOR_EVER } else { "no-cache" };
        routes = routes
            .route(file.path, get(async move |headers: HeaderMap| serve(file, &headers, cache)));
    }
    routes
}

/// Returns whether the page is served at a path.
pub(super) fn is_page(path: &str) -> bool {
    path == "/" || ROUTES.contains(&path)
}

/// Returns whether a route is one of the screen's own files, which anybody may read.
pub(super) fn is_public(route: &str) -> bool {
    ROUTES.contains(&route) || built::FILES.iter().any(|file| file.path == route)
}

/// Returns whether a browser asks for the page.
pub(super) fn is_for_page(request: &Request) -> bool {
    is_page(request.uri().path()) && takes_html(request.headers())
}

/// The answer at a path that nothing has: the page for a browser, which says so in the language
/// of its user and leads on, and a problem for every other client.
pub(super) async fn nothing_here(request: Request) -> Response {
    let path = request.uri().path();
    let is_door = DOORS.iter().any(|door| path.starts_with(door)) || path.contains("/_");
    if request.method() != Method::GET || is_door || !takes_html(request.headers()) {
        let problem = "there is nothing at this path; see /api/v1/openapi.json";
        return ApiError::not_found(problem).into_response();
    }
    let mut response = show_page(request.headers());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// Returns whether a client takes pages, as browsers do.
pub(super) fn takes_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("text/html"))
}

/// Returns why this binary has no screen, if it has none.
pub fn missing() -> Option<&'static str> {
    built::MISSING
}

/// Browsers ask for the page here; shippers for Elasticsearch ask here what server it is.
async fn root(app: State<App>, headers: HeaderMap) -> Response {
    let mut response =
        if takes_html(&headers) { show_page(&headers) } else { elastic_root(app).await };
    response.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
    response
}

fn page() -> MethodRouter<App> {
    get(async |headers: HeaderMap| show_page(&headers))
}

fn show_page(headers: &HeaderMap) -> Response {
    let index = built::FILES.iter().find(|file| file.path == INDEX);
    let mut response = match index {
        Some(index) => serve(index, headers, "no-cache"),
        None => without_screen(missing().unwrap_or("it was built without")),
    };
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("permissions-policy", PERMISSIONS),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Serves a file, compressed if the client accepts that, or only its tag if the client has it.
fn serve(file: &File, headers: &HeaderMap, cache: &'static str) -> Response {
    let text = |name| {
        headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default()
    };
    let digest = Sha256::digest(file.plain);
    let tag = format!("W/\"{}\"", crate::event::hex(&digest[..12]));
    let known = text(header::IF_NONE_MATCH).split(',').any(|known| known.trim() == tag);
    let packed = file.gzip.filter(|_| takes_gzip(text(header::ACCEPT_ENCODING)));
    let mut response = match (known, packed) {
        (true, _) => StatusCode::NOT_MODIFIED.into_response(),
        (false, Some(gzip)) => {
            ([(header::CONTENT_ENCODING, "gzip")], Bytes::from_static(gzip)).into_response()
        }
        (false, None) => Bytes::from_static(file.plain).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// Returns whether a client accepts gzip and does not refuse it with a weight of zero.
fn takes_gzip(accepted: &str) -> bool {
    accepted.split(',').map(str::trim).any(|coding| match coding.split_once(';') {
        None => coding.eq_ignore_ascii_case("gzip"),
        Some((name, weight)) => {
            let refused = weight
                .trim()
                .strip_prefix("q=")
                .is_some_and(|weight| weight.trim().parse() == Ok(0.0));
            name.trim().eq_ignore_ascii_case("gzip") && !refused
        }
    })
}

/// The page of a binary without the screen: how to get it, and that everything else works.
fn without_screen(reason: &str) -> Response {
    let reason = reason.replace('&', "&amp;").replace('<', "&lt;");
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta \
        charset=\"utf-8\"><title>Annals</title></head><body><main>\n\
         <h1>Annals</h1>\n<p>This server works, and so does its API (<a \
         href=\"/api/v1/openapi.json\">/api/v1/openapi.json</a>), \
         but it was built without the screen: {reason}.</p>\n\
         <p>To get it, install Node.js 20.19 or later with npm, and build again:</p>\n\
         <pre>ANNALS_WEB=required cargo run -- demo</pre>\n\
         <p lang=\"zh-CN\">服务和接口工作正常，但此程序构建时没有包含页面。请安装 Node.js（20.19 或更高版本）和 \
         npm，然后用上面的命令重新构建。</p>\n\
         </main></body></html>\n"
    );
    (
        [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")],
        page,
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_whoever_takes_it() {
        for accepted in
            ["gzip", "gzip, deflate, br, zstd", "br;q=1.0, GZIP;q=0.8", "deflate, gzip;q=1"]
        {
            assert!(takes_gzip(accepted), "{accepted}");
        }
        for accepted in ["", "br", "gzip;q=0", "gzip;q=0.0, br", "xgzip"] {
            assert!(!takes_gzip(accepted), "{accepted}");
        }
    }

    #[test]
    fn every_file_has_a_path_and_a_kind_and_unpacks_to_itself() {
        use std::io::Read;
        for file in built::FILES {
            assert!(
                file.path.starts_with('/') && file.kind.contains('/') && !file.plain.is_empty(),
                "{}",
                file.path
            );
            let Some(gzip) = file.gzip else { continue };
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(gzip).read_to_end(&mut plain).expect("gzip");
            assert!(plain == file.plain && gzip.len() < plain.len(), "{}", file.path);
        }
        assert_eq!(built::FILES.is_empty(), missing().is_some());
        assert!(built::FILES.is_empty() || built::FILES.iter().any(|file| file.path == INDEX));
    }
}
