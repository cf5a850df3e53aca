use super::*;

fn redactor(rules: &str) -> Redactor {
    Redactor::parse(rules.as_bytes(), [7; 32]).expect("rules")
}

/// The record with the hashes of what was redacted left out.
fn shown(redactor: &Redactor, record: &str) -> String {
    let redacted = redactor.redact(record);
    regex::Regex::new(r"(\[redacted:[a-z]+):[0-9a-f]{16}\]").expect("a pattern").replace_all(&redacted, "$1]").into_owned()
}

#[test]
fn paths_are_replaced_and_every_other_byte_stays() {
    let rules = redactor(r#"{"rules":[{"name":"p","paths":["request.password","**.secret","users.*.pin"]}]}"#);
    for (record, expected) in [
        (
            r#"{ "request" : {"password":"x\"y", "name" : "a\u0041" }, "n":1.50 }"#,
            r#"{ "request" : {"password":"[redacted:p]", "name" : "a\u0041" }, "n":1.50 }"#,
        ),
        (r#"{"REQUEST":{"Password":5}}"#, r#"{"REQUEST":{"Password":"[redacted:p]"}}"#),
        (r#"{"a":[{"b":{"secret":[1,{"secret":"x"}]}}],"secret":null}"#, r#"{"a":[{"b":{"secret":"[redacted:p]"}}],"secret":null}"#),
        (
            r#"{"users":[{"x":{"pin":"1"}},{"y":{"pin":true,"pin2":2}}]}"#,
            r#"{"users":[{"x":{"pin":"[redacted:p]"}},{"y":{"pin":"[redacted:p]","pin2":2}}]}"#,
        ),
        (r#"{"request":"{\"password\":\"x\",\"k\":\"v\"}"}"#, r#"{"request":"{\"password\":\"[redacted:p]\",\"k\":\"v\"}"}"#),
        (r#"{"request":"{not json password x"}"#, r#"{"request":"{not json password x"}"#),
        (r#"{"password":"only within request"}"#, r#"{"password":"only within request"}"#),
    ] {
        assert_eq!(shown(&rules, record), expected);
    }
    assert!(matches!(rules.redact(r#"{"a":"b"}"#), Cow::Borrowed(_)), "nothing found, nothing copied");
    assert_eq!(rules.found().collect::<Vec<_>>(), [("p", 9)], "a secret within a secret is found too");
}

#[test]
fn detectors_find_secrets_wherever_they_stand() {
    let rules = redactor(
        r#"{"rules":[{"name":"k","detector":"access_key"},{"name":"t","detector":"token"},{"name":"pem","detector":"pem"},
        {"name":"u","detector":"url_password"},{"name":"c","detector":"card"}]}"#,
    );
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";
    for (record, expected) in [
        (r#"{"a":"key AKIAIOSFODNN7EXAMPLE!"}"#.to_owned(), r#"{"a":"key [redacted:k]!"}"#),
        (r#"{"a":"xAKIAIOSFODNN7EXAMPLE"}"#.to_owned(), r#"{"a":"xAKIAIOSFODNN7EXAMPLE"}"#),
        (
            format!(r#"{{"h":["{jwt}","Authorization: Bearer abcdefghijklmnop0123=="]}}"#),
            r#"{"h":["[redacted:t]","Authorization: [redacted:t]"]}"#,
        ),
        (
            r#"{"b":"a -----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- b","c":"-----BEGIN PRIVATE KEY-----\ncut"}"#
                .to_owned(),
            r#"{"b":"a [redacted:pem] b","c":"[redacted:pem]"}"#,
        ),
        (r#"{"u":"https://ann:pass@example.com/x"}"#.to_owned(), r#"{"u":"[redacted:u]example.com/x"}"#),
        (
            r#"{"c":"4111 1111-1111 1111","n":4111111111111111,"not":4111111111111112}"#.to_owned(),
            r#"{"c":"[redacted:c]","n":"[redacted:c]","not":4111111111111112}"#,
        ),
        (r#"{"time":1782000000000,"id":"1234567890123"}"#.to_owned(), r#"{"time":1782000000000,"id":"1234567890123"}"#),
        (r#"{"j":"{\"k\":\"AKIAIOSFODNN7EXAMPLE\"}"}"#.to_owned(), r#"{"j":"{\"k\":\"[redacted:k]\"}"}"#),
        ("no JSON at all, AKIAIOSFODNN7EXAMPLE".to_owned(), "no JSON at all, [redacted:k]"),
        (r#"{"cut":"AKIAIOSFODNN7EXAMPLE"#.to_owned(), r#"{"cut":"[redacted:k]"#),
    ] {
        assert_eq!(shown(&rules, &record), expected, "{record}");
    }
}

#[test]
fn the_same_secret_has_the_same_hash_and_another_key_another() {
    let rules = r#"{"rules":[{"name":"p","paths":["a","b"]}]}"#;
    let one = redactor(rules).redact(r#"{"a":"x","b":"x"}"#).into_owned();
    let json: serde_json::Value = serde_json::from_str(&one).expect("JSON");
    assert_eq!(json["a"], json["b"]);
    assert_ne!(json["a"], serde_json::from_str::<serde_json::Value>(&redactor(rules).redact(r#"{"a":"y"}"#)).expect("JSON")["a"]);
    let other = Redactor::parse(rules.as_bytes(), [8; 32]).expect("rules").redact(r#"{"a":"x","b":"x"}"#).into_owned();
    assert_ne!(one, other);
}

#[test]
fn nothing_makes_it_panic_and_json_stays_json() {
    let rules = redactor(r#"{"rules":[{"name":"p","paths":["**.a"]},{"name":"k","detector":"card"}]}"#);
    let whole = r#"{"a":{"b":[1,"\u00e9\\",{"a":null}]},"c":"{\"a\":[]}","d":"4111111111111111","é":"\"}"}"#;
    for end in (0..=whole.len()).filter(|end| whole.is_char_boundary(*end)) {
        let _ = rules.redact(&whole[..end]);
    }
    serde_json::from_str::<serde_json::Value>(&rules.redact(whole)).expect("JSON");
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    let _ = rules.redact(&deep);
}

#[test]
fn wrong_rules_are_refused_by_name() {
    for (rules, says) in [
        ("{", "wrong"),
        (r#"{"rules":[{"name":"x"}]}"#, "\"x\": says nothing"),
        (r#"{"rules":[{"name":"a b","paths":["x"]}]}"#, "a name is"),
        (r#"{"rules":[{"name":"x","paths":["a..b"]}]}"#, "is no path"),
        (r#"{"rules":[{"name":"x","paths":["**"]}]}"#, "is no path"),
        (r#"{"rules":[{"name":"x","detector":"magic"}]}"#, "none of the detectors access_key"),
        (r#"{"rules":[{"name":"x","path":"a"}]}"#, "wrong"),
    ] {
        let error = Redactor::parse(rules.as_bytes(), [0; 32]).expect_err("must be refused");
        assert!(error.to_string().contains(says), "{error}");
    }
}
