//! Any value of `Authorization` and any request: what is read as a signature names what must be
//! signed, and a canonical form is that of one request only.

#![no_main]

use annals::access::{SentRequest, SignatureHeader, is_signature};
use libfuzzer_sys::fuzz_target;

const REST: &str = "Access=A, SignedHeaders=host;x-sdk-date, Signature=\
                    0000000000000000000000000000000000000000000000000000000000000000";

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(header) = SignatureHeader::parse(&text) {
        assert!(is_signature(bytes), "{text:?}");
        assert!(header.has_signed("host") && header.has_signed("x-sdk-date"), "{text:?}");
        assert!(text.contains(header.access_key()) && text.contains(&header.signature()));
        assert!(text.contains(&header.signed_headers().join(";")), "{text:?}");
    }
    let header = SignatureHeader::parse(&format!("SDK-HMAC-SHA256 {REST}")).expect("a header");
    let (path, query) = text.split_once('?').unwrap_or((text.as_ref(), ""));
    let Some(form) = form(path, query, &header) else { return };
    // What the form has is its own form.
    let mut lines = form.split('\n').skip(1);
    let (path, query) = (lines.next().expect("a path"), lines.next().expect("a query"));
    assert_eq!(self::form(path, query, &header).as_deref(), Some(form.as_str()));
});

fn form(path: &str, query: &str, header: &SignatureHeader) -> Option<String> {
    let headers = vec![("host", &b"h"[..]), ("x-sdk-date", &b"d"[..])];
    let sent = SentRequest { method: "GET", path, query, headers };
    let form = sent.canonical(header, "").ok()?;
    Some(String::from_utf8(form).expect("a form of ASCII"))
}
