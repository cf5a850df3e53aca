//! Redaction of any bytes: no value that a rule names is left, the same bytes give the same, and
//! JSON stays JSON.

#![no_main]

use annals::redact::Redactor;
use annals::text::unescape;
use libfuzzer_sys::{Corpus, fuzz_target};
use std::sync::LazyLock;

static RULES: LazyLock<Redactor> = LazyLock::new(|| {
    let rules = br#"{"rules":[{"name":"p","paths":["request.password","**.secret","users.*.pin"]},{"name":"k","detector":"access_key"}]}"#;
    Redactor::parse(rules, [7; 32]).expect("rules")
});
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let once = RULES.redact(bytes);
    assert_eq!(once, RULES.redact(bytes));
    let mut text = String::from_utf8_lossy(&once.bytes).into_owned();
    if once.unreadable_at.is_none()
        && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
    {
        serde_json::from_str::<serde::de::IgnoredAny>(&text).expect("JSON stays JSON");
    }
    let _ = RULES.redact_refused(bytes);
    // A key that stands by itself is found in every coding.
    let alone = format!(" {KEY} ");
    for _ in 0..4 {
        assert!(!text.contains(&alone), "{text}");
        text = unescape(&text);
    }
    Corpus::Keep
});
