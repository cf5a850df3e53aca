//! Request ids: taken from the client's `X-Request-Id` or created here, returned with the answer,
//! and added to everything logged meanwhile, so that a user who sees an error can point the
//! operator to its log lines. The caller is added to them, too.

use super::peer::Peer;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// The maximum length of a client's id.
const LETTERS_MAX: usize = 64;

/// Assigns an id to a request.
pub(in crate::api) async fn number(request: Request, next: Next) -> Response {
    let said = request
        .headers()
        .get(HEADER)
        .and_then(|value| value.to_str().ok())
        .filter(|text| is_plain(text));
    let number = said.map_or_else(made, str::to_owned);
    let peer = request.extensions().get::<Peer>().map(tracing::field::display);
    let span = tracing::error_span!("request", id = %number, peer);
    let mut response = next.run(request).instrument(span).await;
    if let Ok(value) = HeaderValue::from_str(&number) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

/// Returns whether a text is safe to log: nothing that a client sends may look like a line of its
/// own.
fn is_plain(text: &str) -> bool {
    (1..=LETTERS_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

fn made() -> String {
    let mut bytes = [0; 8];
    // Without random numbers requests share one id, which does no harm.
    let _ = getrandom::fill(&mut bytes);
    crate::event::hex(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_fit_for_a_log_is_taken_over() {
        assert!(is_plain("a-1_b.2") && is_plain(&"x".repeat(64)));
        for text in ["", "a b", "a\"b", "中", &"x".repeat(65)] {
            assert!(!is_plain(text), "{text}");
        }
        assert!(is_plain(&made()) && made() != made());
    }
}
