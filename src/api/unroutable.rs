//! Requests that never reach a route: heads that are no HTTP, and addresses that are no text.
//!
//! Each door has clients that parse errors in its own form, so a refusal has the form of the door
//! that the path leads to, and says how to write what was meant.

use super::refusal::Refusal;
use super::web;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Characters that may not stand in an address, and how they are written there.
const ESCAPES: &[(u8, &str)] = &[
    (b' ', "%20"),
    (b'"', "%22"),
    (b'<', "%3C"),
    (b'>', "%3E"),
    (b'\\', "%5C"),
    (b'^', "%5E"),
    (b'`', "%60"),
    (b'{', "%7B"),
    (b'|', "%7C"),
    (b'}', "%7D"),
];

/// Refuses an address whose percent-encoding is not UTF-8: what it asks for cannot be known.
pub(super) async fn check_text(request: Request, next: Next) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let Some(parameter) = not_utf8(query) else { return next.run(request).await };
    // The page reads its own address and says there what is wrong with it.
    if web::is_for_page(&request) {
        return next.run(request).await;
    }
    let detail = format!("{parameter}: its percent-encoding is not UTF-8");
    let status = StatusCode::BAD_REQUEST;
    Refusal::at(request.uri().path(), status, &detail, Some(&parameter)).into_response()
}

/// Returns the name of the first parameter that is not UTF-8.
fn not_utf8(query: &str) -> Option<String> {
    if !query.contains('%') {
        return None;
    }
    let is_text = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8().is_ok();
    let wrong = query.split('&').find(|pair| !is_text(pair))?;
    let name = wrong.split('=').next().unwrap_or(wrong);
    Some(percent_encoding::percent_decode_str(name).decode_utf8_lossy().into_owned())
}

/// Returns the answer to a head that hyper refuses, which it would send without a body; `None` if
/// `sent` is not such an answer. `head` is the beginning of the head.
pub(super) fn answer_with_body(sent: &[u8], head: &[u8]) -> Option<Vec<u8>> {
    let status = match sent.get(..12)? {
        b"HTTP/1.1 400" => StatusCode::BAD_REQUEST,
        b"HTTP/1.1 414" => StatusCode::URI_TOO_LONG,
        b"HTTP/1.1 431" => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        _ => return None,
    };
    memchr::memmem::find(sent, b"content-length: 0\r\n")?;
    let line = head.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let target = line.splitn(2, |byte| *byte == b' ').nth(1).unwrap_or_default();
    let end = memchr::memmem::rfind(target, b" HTTP/").unwrap_or(target.len());
    let target = &target[..end];
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    let detail = match status {
        StatusCode::URI_TOO_LONG => {
            "the address is too long: ask by POST, with the parameters as a JSON body".to_owned()
        }
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            "the head of the request is larger than 128 KiB, or has more than 100 headers"
                .to_owned()
        }
        _ => what_is_wrong(target),
    };
    let path = String::from_utf8_lossy(path);
    let refusal = Refusal::at(&path, status, &detail, None);
    let head = format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: {}\r\ncontent-length: {}\r\n\
        x-content-type-options: nosniff\r\nx-elastic-product: Elasticsearch\r\n\r\n",
        refusal.content_type,
        refusal.body.len()
    );
    Some([head.as_bytes(), refusal.body.as_bytes()].concat())
}

fn what_is_wrong(target: &[u8]) -> String {
    let wrong = target.iter().find(|byte| {
        ESCAPES.iter().any(|(known, _)| known == *byte) && !matches!(byte, b'"' | b'{' | b'}')
    });
    let wrong = wrong.or_else(|| target.iter().find(|byte| !(0x21..0x7f).contains(*byte)));
    match wrong {
        Some(byte) => match ESCAPES.iter().find(|(known, _)| known == byte) {
            Some((known, escape)) => format!(
                "the address has the character {:?}: write it as {escape} (curl does it with -G \
                and --data-urlencode)",
                char::from(*known)
            ),
            None => format!("the address has a byte that is no ASCII: write it as %{byte:02X}"),
        },
        None => "the head of the request is not that of HTTP/1.1".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: &str, head: &str) -> Option<String> {
        let sent = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        answer_with_body(sent.as_bytes(), head.as_bytes())
            .map(|answer| String::from_utf8(answer).expect("text"))
    }

    #[test]
    fn a_refusal_names_the_character_in_the_form_of_its_door() {
        for (head, parts) in [
            ("GET /api/v1/count?amount>=5 HTTP/1.1\r\n", &["%3E", "problem+json"][..]),
            ("GET /api/v1/count?text=a b HTTP/1.1\r\n", &["%20", "problem+json"]),
            ("GET /v3/p/traces?from=<x HTTP/1.1\r\n", &["%3C", "error_msg", "CTS."]),
            ("POST /es/t/_bulk?x=| HTTP/1.1\r\n", &["%7C", "root_cause"]),
            ("POST /v1/logs?x=^ HTTP/1.1\r\n", &["%5E", "\"code\":3"]),
            ("GET /api/v1/count?text=\u{e9} HTTP/1.1\r\n", &["%C3"]),
            ("nonsense", &["not that of HTTP/1.1"]),
            ("GET / HTTP/9.9", &["not that of HTTP/1.1"]),
        ] {
            let answer = answered("400 Bad Request", head).expect(head);
            let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
            assert!(head.contains(&format!("content-length: {}", body.len())), "{answer}");
            serde_json::from_str::<serde_json::Value>(body).expect("JSON");
            for part in parts {
                assert!(answer.contains(part), "{part}: {answer}");
            }
        }
        assert!(answered("414 URI Too Long", "GET /x").expect("it").contains("by POST"));
        assert!(answered("200 OK", "GET /x").is_none());
    }

    #[test]
    fn a_parameter_that_is_not_utf_8_is_named() {
        assert_eq!(not_utf8("a=%C3%A9&b=%e4%b8%ad+x"), None);
        assert_eq!(not_utf8("a=1&operator=%ff").as_deref(), Some("operator"));
        assert_eq!(not_utf8("a=100%"), None);
    }
}
