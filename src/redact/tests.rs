use super::*;
use proptest::prelude::*;
use std::fmt::Write;

fn redactor(rules: &str) -> Redactor {
    Redactor::parse(rules.as_bytes(), [7; 32]).expect("rules")
}

/// The record redacted, with the hashes of what was redacted left out.
fn shown(redactor: &Redactor, record: &str) -> String {
    without_hashes(&redactor.redact(record.as_bytes()).bytes)
}

fn without_hashes(redacted: &[u8]) -> String {
    let redacted = std::str::from_utf8(redacted).expect("text");
    regex::Regex::new(r"(\[redacted:[a-z]+):[0-9a-f]{16}\]")
        .expect("a pattern")
        .replace_all(redacted, "$1]")
        .into_owned()
}

#[test]
fn paths_are_replaced_and_every_other_byte_stays() {
    let rules = redactor(
        r#"{"rules":[{"name":"p","paths":["request.password","**.secret","users.*.pin"]}]}"#,
    );
    for (record, expected) in [
        (
            r#"{ "request" : {"password":"x\"y", "name" : "a\u0041" }, "n":1.50 }"#,
            r#"{ "request" : {"password":"[redacted:p]", "name" : "a\u0041" }, "n":1.50 }"#,
        ),
        (
            r#"{"a":[{"b":{"secret":[1,{"secret":"x"}]}}],"secret":null}"#,
            r#"{"a":[{"b":{"secret":"[redacted:p]"}}],"secret":null}"#,
        ),
        (
            r#"{"users":[{"x":{"pin":"1"}},{"y":{"pin":true,"pin2":2}}]}"#,
            r#"{"users":[{"x":{"pin":"[redacted:p]"}},{"y":{"pin":"[redacted:p]","pin2":2}}]}"#,
        ),
        (
            r#"{"request":"{\"password\":\"x\",\"k\":\"v\"}"}"#,
            r#"{"request":"{\"password\":\"[redacted:p]\",\"k\":\"v\"}"}"#,
        ),
        (r#"{"request":"{not json password x"}"#, r#"{"request":"{not json password x"}"#),
        (r#"{"password":"only within request"}"#, r#"{"password":"only within request"}"#),
        (
            r#"{"note":"password=only within request"}"#,
            r#"{"note":"password=only within request"}"#,
        ),
        (
            r#"{"note":"\ud800","request":{"password":"x"}}"#,
            r#"{"note":"\ud800","request":{"password":"[redacted:p]"}}"#,
        ),
        (
            r#"{"request":{"password":{"x":1}},"password":1}"#,
            r#"{"request":{"password":"[redacted:p]"},"password":1}"#,
        ),
    ] {
        assert_eq!(shown(&rules, record), expected);
    }
    assert!(
        matches!(rules.redact(br#"{"a":"b"}"#).bytes, Cow::Borrowed(_)),
        "nothing found, nothing copied"
    );
    assert_eq!(rules.found().collect::<Vec<_>>(), [("p", 7)]);
}

#[test]
fn keys_are_compared_folded_and_dots_are_steps() {
    let rules = redactor(
        r#"{"rules":[{"name":"p","paths":["Request.password","**.secret","users.*.pin"]}]}"#,
    );
    for (record, expected) in [
        (r#"{"REQUEST":{"Password":5}}"#, r#"{"REQUEST":{"Password":"[redacted:p]"}}"#),
        (
            r#"{"request":{"ｐａｓｓｗｏｒｄ":"x"}}"#,
            r#"{"request":{"ｐａｓｓｗｏｒｄ":"[redacted:p]"}}"#,
        ),
        (
            r#"{"request":{" pass\u200bword ":"x"}}"#,
            r#"{"request":{" pass\u200bword ":"[redacted:p]"}}"#,
        ),
        (r#"{"request.password":"x"}"#, r#"{"request.password":"[redacted:p]"}"#),
        (r#"{"a.secret":"x","secret.a":1}"#, r#"{"a.secret":"[redacted:p]","secret.a":1}"#),
        (
            r#"{"users.bob":{"pin":1},"users.ann.pin":2}"#,
            r#"{"users.bob":{"pin":"[redacted:p]"},"users.ann.pin":"[redacted:p]"}"#,
        ),
        (
            r#"{"users":{"bob.b":{"pin":1},"c.c.pin":2}}"#,
            r#"{"users":{"bob.b":{"pin":"[redacted:p]"},"c.c.pin":"[redacted:p]"}}"#,
        ),
        (r#"{"users":{"":{"pin":1}},"pin":2}"#, r#"{"users":{"":{"pin":"[redacted:p]"}},"pin":2}"#),
        // Names beside their values.
        (
            r#"{"request":[{"key":"password","value":"x"},{"key":"b","value":"y"}]}"#,
            r#"{"request":[{"key":"password","value":"[redacted:p]"},{"key":"b","value":"y"}]}"#,
        ),
        (
            r#"{"a":[{"Value":{"stringValue":"x"},"Name":"db.secret"}]}"#,
            r#"{"a":[{"Value":"[redacted:p]","Name":"db.secret"}]}"#,
        ),
    ] {
        assert_eq!(shown(&rules, record), expected);
    }
}

#[test]
fn texts_that_are_not_json_surely_lose_what_follows_a_key() {
    let rules =
        redactor(r#"{"rules":[{"name":"p","paths":["request.password","**.secret","users.*"]}]}"#);
    for (record, expected) in [
        (r#"{"request":"user=a&password=x&b=c"}"#, r#"{"request":"user=a&password[redacted:p]"}"#),
        (r#"{"request":"{\"password\":\"x\",}"}"#, r#"{"request":"{\"password[redacted:p]"}"#),
        (
            r#"{"request":"{\"a\":1,\"password\":\"x"}"#,
            r#"{"request":"{\"a\":1,\"password[redacted:p]"}"#,
        ),
        (
            r#"{"request":"{\"password\":\"x\"}{\"b\":1}"}"#,
            r#"{"request":"{\"password[redacted:p]"}"#,
        ),
        (r#"{"request":"{\"pass\\u0077ord\":\"x\""}"#, r#"{"request":"[redacted:p]"}"#),
        (
            r#"{"request":"{\"password\":\"x\",\"y\":\"\\ud800\"}"}"#,
            r#"{"request":"{\"password\":\"[redacted:p]\",\"y\":\"\\ud800\"}"}"#,
        ),
        (
            r#"{"request":"\"{\\\"password\\\":\\\"x\\\"}\""}"#,
            r#"{"request":"\"{\\\"password\\\":\\\"[redacted:p]\\\"}\""}"#,
        ),
        (
            r#"{"request":"\ufeff {\"password\":1} "}"#,
            "{\"request\":\"\u{feff} {\\\"password\\\":\\\"[redacted:p]\\\"} \"}",
        ),
        (r#"{"note":["got secret: x"]}"#, r#"{"note":["got secret[redacted:p]"]}"#),
        (r#"{"note":"the secret is out"}"#, r#"{"note":"the secret is out"}"#),
        (r#"{"users":"bob=x"}"#, r#"{"users":"[redacted:p]"}"#),
        (r#"{"users":"none"}"#, r#"{"users":"none"}"#),
        (
            r#"{"{\"secret\":1}":2,"secret=x":3}"#,
            r#"{"{\"secret\":\"[redacted:p]\"}":2,"secret[redacted:p]":3}"#,
        ),
    ] {
        assert_eq!(shown(&rules, record), expected);
    }
}

#[test]
fn bytes_in_base64_are_opened() {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    let rules = redactor(r#"{"rules":[{"name":"p","paths":["data.secret","a.secret"]}]}"#);
    let (open, closed) = (r#"{"secret":"x??>"}"#, r#"{"secret":"[redacted:p]"}"#);
    for (before, encoded, after) in [
        (r#"{"data_base64":""#, STANDARD.encode(open), r#""}"#),
        (r#"{"data":""#, URL_SAFE_NO_PAD.encode(open), r#""}"#),
        (r#"{"a":{"bytesValue":""#, STANDARD.encode(open), r#""}}"#),
    ] {
        let record = format!("{before}{encoded}{after}");
        let redacted = rules.redact(record.as_bytes()).bytes.into_owned();
        let redacted = String::from_utf8(redacted).expect("text");
        let inner = redacted
            .strip_prefix(before)
            .and_then(|redacted| redacted.strip_suffix(after))
            .expect("the rest stays");
        assert_eq!(without_hashes(&STANDARD.decode(inner).expect("base64")), closed, "{record}");
    }
    let form = format!(r#"{{"data_base64":"{}"}}"#, STANDARD.encode("a=1&secret=x"));
    assert!(
        !rules.redact(form.as_bytes()).bytes.windows(4).any(|bytes| bytes == b"PXgi"),
        "a form's value"
    );
}

#[test]
fn of_a_record_that_is_not_read_surely_nothing_stays_but_keys_before_a_cut() {
    let rules = redactor(r#"{"rules":[{"name":"p","paths":["request.password"]}]}"#);
    for (record, expected, at) in [
        (
            r#"{"id":7,"request":{"password":"HUNT"#,
            r#"{"id":"[redacted]","request":{"password":[redacted:unreadable]"#,
            30,
        ),
        (
            r#"{"request":{"user":"x","password":{"a":"b"},"list":[1"#,
            r#"{"request":{"user":"[redacted]","password":"[redacted:p]","list":"[redacted]"[redacted:unreadable]"#,
            53,
        ),
        // A brace may be missing anywhere: what a path leads to is not sure.
        (
            r#"{"a":{"password":{"k":"x"}"#,
            r#"{"a":{"password":"[redacted:p]"[redacted:unreadable]"#,
            26,
        ),
        (r#"{"request":{"pass"#, r#"{"request":{[redacted:unreadable]"#, 12),
        (r#"{"request":{"password":"x"}} trailing"#, "[redacted:unreadable]", 29),
        (r#"{"request":{"password":"x"}}}"#, "[redacted:unreadable]", 28),
        ("{'request':{'password':'x'}}", "[redacted:unreadable]", 1),
        ("password=x", "[redacted:unreadable]", 0),
        ("\"x\"", "[redacted:unreadable]", 0),
        (r#"{"a":"\x","b":"y"}"#, "[redacted:unreadable]", 5),
    ] {
        let redacted = rules.redact(record.as_bytes());
        assert_eq!(
            (without_hashes(&redacted.bytes).as_str(), redacted.unreadable_at),
            (expected, Some(at)),
            "{record}"
        );
    }
    let utf16: Vec<u8> =
        r#"{"request":{"password":"x"}}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for bytes in [&utf16[..], b"{\"a\":\"\xff\"}"] {
        let redacted = rules.redact(bytes);
        assert_eq!(without_hashes(&redacted.bytes), "[redacted:unreadable]");
        assert!(redacted.unreadable_at.is_some());
    }
    assert_ne!(rules.redact(b"one").bytes, rules.redact(b"two").bytes, "they are told apart");
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(RECORD_BYTES_MAX));
    assert_eq!(without_hashes(&rules.redact(large.as_bytes()).bytes), "[redacted:unreadable]");
    let swelling = format!(
        "{{{}\"password\":1}}",
        "\"request\":{\"password\":1},".repeat(RECORD_BYTES_MAX / 30)
    );
    assert_eq!(without_hashes(&rules.redact(swelling.as_bytes()).bytes), "[redacted:unreadable]");
}

#[test]
fn a_refused_record_is_taken_for_any_part_of_one() {
    let rules = redactor(r#"{"rules":[{"name":"p","paths":["request.password","users.*.pin"]}]}"#);
    let refused = |record: &str| without_hashes(&rules.redact_refused(record.as_bytes()));
    assert_eq!(refused(r#"{"password":"x","a":1}"#), r#"{"password":"[redacted:p]","a":1}"#);
    assert_eq!(refused(r#"{"x":{"y":[{"pin":"x"}]}}"#), r#"{"x":{"y":[{"pin":"[redacted:p]"}]}}"#);
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
        (r#"{"n":4.111111111111111e15,"e":1e999,"not":1.5e3}"#.to_owned(), r#"{"n":"[redacted:c]","e":1e999,"not":1.5e3}"#),
        (r#"{"time":1782000000000,"id":"1234567890123"}"#.to_owned(), r#"{"time":1782000000000,"id":"1234567890123"}"#),
        (r#"{"j":"{\"k\":\"AKIAIOSFODNN7EXAMPLE\"}"}"#.to_owned(), r#"{"j":"{\"k\":\"[redacted:k]\"}"}"#),
        (r#"{"AKIAIOSFODNN7EXAMPLE":1,"a https://a:b@c":2}"#.to_owned(), r#"{"[redacted:k]":1,"a [redacted:u]c":2}"#),
        (r#"{"k":"\\u0041KIAIOSFODNN7EXAMPLE"}"#.to_owned(), r#"{"k":"[redacted:k]"}"#),
        ("no JSON at all, AKIAIOSFODNN7EXAMPLE".to_owned(), "no JSON at all, [redacted:k]"),
        (r#"{"cut":"AKIAIOSFODNN7EXAMPLE"#.to_owned(), r#"{"cut":"[redacted:k]"#),
        (r#"{"cut":"\u0041KIAIOSFODNN7EXAMPLE"#.to_owned(), "[redacted:k]"),
    ] {
        assert_eq!(shown(&rules, &record), expected, "{record}");
    }
}

#[test]
fn the_same_secret_has_the_same_hash_and_another_key_another() {
    let rules = r#"{"rules":[{"name":"p","paths":["a","b"]}]}"#;
    let redacted = |key: u8, record: &str| {
        let rules = Redactor::parse(rules.as_bytes(), [key; 32]).expect("rules");
        serde_json::from_slice::<serde_json::Value>(&rules.redact(record.as_bytes()).bytes)
            .expect("JSON")
    };
    let one = redacted(7, r#"{"a":"x","b":"x"}"#);
    assert_eq!(one["a"], one["b"]);
    assert_ne!(one["a"], redacted(7, r#"{"a":"y"}"#)["a"]);
    assert_ne!(one["a"], redacted(8, r#"{"a":"x"}"#)["a"]);
}

#[test]
fn nothing_makes_it_panic_and_json_stays_json() {
    let rules =
        redactor(r#"{"rules":[{"name":"p","paths":["**.a"]},{"name":"k","detector":"card"}]}"#);
    let whole = r#"{"a":{"b":[1,"\u00e9\\",{"a":null}]},"c":"{\"a\":[]}","d":"4111111111111111","é":"\"}"}"#;
    for end in 0..=whole.len() {
        let _ = rules.redact(&whole.as_bytes()[..end]);
        let _ = rules.redact(&whole.as_bytes()[end..]);
    }
    serde_json::from_slice::<serde_json::Value>(&rules.redact(whole.as_bytes()).bytes)
        .expect("JSON");
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    let _ = rules.redact(deep.as_bytes());
}

/// Texts that invite to be read again and again. A reader that takes the square of their length
/// would need many minutes for each.
#[test]
fn the_time_it_takes_grows_with_the_record() {
    let rules = redactor(
        r#"{"rules":[{"name":"p","paths":["**.password"]},{"name":"k","detector":"token"}]}"#,
    );
    let length = RECORD_BYTES_MAX / 6;
    let filled = |piece: &str| piece.repeat(length / piece.len());
    let mut nested = "{}".to_owned();
    while nested.len() < length {
        nested = serde_json::json!({ "a": nested }).to_string();
    }
    let mut escaped = "x".repeat(length / 2);
    for _ in 0..100 {
        escaped = format!("{{\\u0022a\\u0022:\\u0022{}\\u0022}}", escaped.replace('\\', "\\u005c"));
    }
    let inputs = [
        filled("{\"a\":\"{\\\"a\\\":"),
        filled("\""),
        filled("\\"),
        filled("\\u005c"),
        filled("[\""),
        filled("password="),
        filled("password:"),
        filled("eyJ"),
        filled("%25"),
        filled("&amp;"),
        nested,
        escaped,
    ];
    for input in inputs {
        let start = &input[..input.len().min(20)];
        for record in [
            input.clone(),
            serde_json::json!({ "r": input }).to_string(),
            format!("{{\"r\":\"{}\"}}", input.replace(['"', '\\'], "/")),
        ] {
            let began = std::time::Instant::now();
            let _ = rules.redact(record.as_bytes());
            assert!(began.elapsed().as_secs() < 60, "{start}");
        }
    }
    // Larger ones are not read.
    let _ = rules.redact(filled("{\"a\":\"{\\\"a\\\":").repeat(30).as_bytes());
}

/// Found by fuzzing: a text whose first letters decode to a bracket was taken for base64 and for
/// nothing else.
#[test]
fn a_text_that_decodes_as_base64_is_searched_as_a_text_too() {
    let rules =
        br#"{"rules":[{"name":"p","paths":["password"]},{"name":"k","detector":"access_key"}]}"#;
    let rules = Redactor::parse(rules, [7; 32]).expect("rules");
    for record in [
        r#"{"note":"eyJh AKIAIOSFODNN7EXAMPLE"}"#,
        r#"{"note":"W_WSe AKIAIOSFODNN7EXAMPLE Ee0"}"#,
        r#"{"W_WSe AKIAIOSFODNN7EXAMPLE Ee0":1}"#,
        r#"{"data_base64":"eyJh AKIAIOSFODNN7EXAMPLE"}"#,
        r#"{"list":["W1sx AKIAIOSFODNN7EXAMPLE"]}"#,
        "{\"W_WSe AKIAIOSFODNN7EXAMPLE \tEe0\tQ\"",
    ] {
        let left = rules.redact(record.as_bytes());
        let left = String::from_utf8_lossy(&left.bytes);
        assert!(!left.contains("AKIAIOSFODNN7EXAMPLE"), "{record}: {left}");
    }
}

#[test]
fn paths_begin_in_a_record_that_another_one_carries() {
    let rules = redactor(r#"{"rules":[{"name":"p","paths":["request.password"]}]}"#);
    let inner = r#"{"trace_name":"x","request":{"password":"hunter2"}}"#;
    let text = serde_json::to_string(inner).expect("JSON");
    for record in [
        format!(r#"{{"message":{text}}}"#),
        format!(r#"{{"message":{inner}}}"#),
        format!(r#"{{"log":{text}}}"#),
        format!(r#"{{"event":{{"original":{text}}}}}"#),
        format!(r#"{{"event.original":{text}}}"#),
        format!(r#"{{"body":{text},"resource":{{}}}}"#),
        format!(r#"{{"body":{inner}}}"#),
        format!(r#"{{"attributes":{{"log.record.original":{text}}}}}"#),
        format!(r#"{{"specversion":"1.0","data":{inner}}}"#),
        format!(r#"{{"specversion":"1.0","data":{text}}}"#),
        r#"{"message":"<13>Nov 28 host app: {\"request\":{\"password\":\"hunter2\"}}"}"#.to_owned(),
    ] {
        let left = rules.redact(record.as_bytes());
        let left = String::from_utf8_lossy(&left.bytes);
        assert!(!left.contains("hunter2"), "{record}: {left}");
    }
}

#[test]
fn wrong_rules_are_refused_by_name() {
    for (rules, says) in [
        ("{", "wrong"),
        (r#"{"rules":[{"name":"x"}]}"#, "\"x\": has no effect"),
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

const CANARY: &str = "Zq7SeCrEt";

/// Writes documents that hold the canary where a rule finds it, in every form that a producer could
/// give them.
struct CanaryWriter {
    random: u64,
    out: String,
}

impl CanaryWriter {
    fn under(&mut self, limit: u64) -> u64 {
        // A step of PCG; the high bits are the good ones.
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % limit
    }

    fn string(&mut self, text: &str, escapes: u64) {
        self.out.push('"');
        for letter in text.chars() {
            match letter {
                _ if escapes > 0 && self.under(escapes) == 0 => {
                    for unit in letter.encode_utf16(&mut [0; 2]) {
                        let _ = if self.under(2) == 0 {
                            write!(self.out, "\\u{unit:04x}")
                        } else {
                            write!(self.out, "\\u{unit:04X}")
                        };
                    }
                }
                '"' | '\\' => self.out.extend(['\\', letter]),
                '\n' => self.out.push_str("\\n"),
                letter if u32::from(letter) < 32 => {
                    let _ = write!(self.out, "\\u{:04x}", u32::from(letter));
                }
                letter => self.out.push(letter),
            }
        }
        self.out.push('"');
    }

    fn space(&mut self) {
        if self.under(4) == 0 {
            let space = [" ", "\n", "\t\r"][self.under(3) as usize];
            self.out.push_str(space);
        }
    }

    /// Members that say nothing.
    fn filling(&mut self) {
        let kind = self.under(8);
        let key = ["note", "", "é中", "a.b", "\"}", "k\\", "n", "deep"][kind as usize];
        self.string(key, 5);
        self.space();
        self.out.push(':');
        let value = [
            "\"\\ud800\"",
            "1.50",
            "null",
            "\"he said \\\"no\\\"\"",
            "[1,[],{}]",
            "{\"x\":\"[\"}",
            "\"{\\\"cut\\\":\"",
            "true",
        ];
        let value = value[self.under(8) as usize];
        self.out.push_str(value);
    }

    /// An object in which these keys lead to the canary.
    fn object(&mut self, keys: &[&str], depth: u64) {
        let Some((key, below)) = keys.split_first() else { return self.value(depth) };
        self.out.push('{');
        if self.under(3) == 0 {
            self.filling();
            self.out.push(',');
        }
        let dotted = below.first().filter(|_| self.under(5) == 0);
        match dotted {
            Some(next) => self.string(&format!("{key}.{next}"), 6),
            None => self.string(key, 6),
        }
        self.space();
        self.out.push(':');
        self.space();
        let below = &below[usize::from(dotted.is_some())..];
        let array = self.under(6) == 0;
        self.out.push_str(if array { "[" } else { "" });
        self.member(below, depth);
        self.out.push_str(if array { "]" } else { "" });
        if self.under(3) == 0 {
            self.out.push(',');
            self.filling();
        }
        self.out.push('}');
    }

    /// What a key leads to: an object, or one written into a string, which may be cut off there or
    /// have something around it.
    fn member(&mut self, keys: &[&str], depth: u64) {
        if depth == 0 || keys.is_empty() || self.under(2) == 0 {
            return self.object(keys, depth);
        }
        let mut inner = Self { random: self.under(u64::from(u32::MAX)), out: String::new() };
        inner.object(keys, depth - 1);
        self.random ^= inner.random;
        let text = match self.under(9) {
            0 => cut(&inner.out, self.under(u64::from(u32::MAX)) as usize).to_owned(),
            1 => inner.out + " and more",
            2 => "got ".to_owned() + &inner.out,
            3 => inner.out.clone() + &inner.out,
            4 => "{\"b\":1}".to_owned() + &inner.out,
            5 => serde_json::json!(inner.out).to_string(),
            6 => format!(" \u{feff}{}\n", inner.out),
            _ => inner.out,
        };
        self.string(&text, 9);
    }

    fn value(&mut self, depth: u64) {
        match self.under(5) {
            0 => self.out.push_str(&format!("[1,\"{CANARY}\"]")),
            1 => self.out.push_str(&format!("{{\"{CANARY}\":null}}")),
            2 if depth > 0 => self.string(&format!("{{\"v\":\"{CANARY}\"}}"), 9),
            _ => self.string(CANARY, 9),
        }
    }
}

/// The text up to somewhere.
fn cut(text: &str, index: usize) -> &str {
    &text[..text.floor_char_boundary(index % (text.len() + 1))]
}

/// Whether a text holds the canary, as it is or with escapes undone.
fn holds_canary(text: &str) -> bool {
    let mut text = text.to_owned();
    (0..6).any(|_| {
        let found = text.contains(CANARY);
        text = crate::text::unescape(&text);
        found
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Where a rule leads to it, no form of a document hides a value; and the same record gives the
    /// same bytes.
    #[test]
    fn a_value_that_a_rule_names_is_gone_however_it_is_written(
        random in any::<u64>(),
        path in 0_usize..4,
        around in 0_usize..8,
        index in any::<usize>(),
    ) {
        let rules = redactor(
            r#"{"rules":[{"name":"p","paths":["request.password","**.secret","users.*.pin","a.b.*"]}]}"#,
        );
        let keys: &[&str] = [
            &["request", "password"][..],
            &["x", "y", "secret"],
            &["users", "bob", "PIN"],
            &["a", "b", "c"],
        ][path];
        let mut writer = CanaryWriter { random, out: String::new() };
        writer.object(keys, 4);
        let whole = writer.out;
        let record = match around {
            0 => cut(&whole, index).to_owned(),
            1 => format!("{whole} trailing"),
            2 => format!("{{\"b\":1}}{whole}"),
            3 => format!("leading {whole}"),
            4 => whole.replace('"', "'"),
            _ => whole.clone(),
        };
        let redacted = rules.redact(record.as_bytes());
        let text = String::from_utf8(redacted.bytes.to_vec()).expect("text stays text");
        prop_assert!(!holds_canary(&text), "{}\n{}", record, text);
        prop_assert_eq!(rules.redact(record.as_bytes()).bytes, redacted.bytes);
        let refused = String::from_utf8(rules.redact_refused(record.as_bytes()).into_owned())
            .expect("text stays text");
        prop_assert!(!holds_canary(&refused), "{}\n{}", record, refused);
        if around >= 5 {
            prop_assert_eq!(redacted.unreadable_at, None, "{}", record);
            prop_assert!(
                serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok(),
                "{}\n{}",
                record,
                text
            );
        }
    }

    /// What no rule means stays, byte for byte.
    #[test]
    fn what_needs_no_redaction_stays(random in any::<u64>()) {
        let rules = redactor(
            r#"{"rules":[{"name":"p","paths":["request.password","users.*.pin"]},{"name":"k","detector":"access_key"}]}"#,
        );
        let mut writer = CanaryWriter { random, out: String::new() };
        writer.object(&["x", "password", "y", "pin"], 4);
        prop_assert_eq!(
            rules.redact(writer.out.as_bytes()).bytes,
            Cow::Borrowed(writer.out.as_bytes())
        );
    }

    /// Around a value that is replaced every byte stays.
    #[test]
    fn what_stands_around_a_secret_stays(random in any::<u64>(), number in any::<bool>()) {
        let rules = redactor(r#"{"rules":[{"name":"p","paths":["x.password"]}]}"#);
        let mut writer = CanaryWriter { random, out: "{".to_owned() };
        writer.filling();
        writer.out.push_str(",\"x\" : {");
        writer.filling();
        writer.out.push_str(", \"password\": ");
        let (before, value) = (writer.out, if number { "12.50" } else { "\"a\\\"b\"" });
        let mut writer = CanaryWriter { random: random ^ 1, out: " ,".to_owned() };
        writer.filling();
        let after = writer.out + "}}";
        let redacted =
            without_hashes(&rules.redact(format!("{before}{value}{after}").as_bytes()).bytes);
        prop_assert_eq!(redacted, format!("{before}\"[redacted:p]\"{after}"));
    }
}
