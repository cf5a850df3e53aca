//! Credentials: the forms in which a token is accepted, and the many in which it is not.

use super::server::Guarded;
use annals::engine::{AtFailpoint, Failpoint, Settings};
use annals::error::Error;
use annals::event::Timestamp;
use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn reader(name: &str) -> serde_json::Value {
    json!({ "name": name, "roles": ["reader"], "tenants": ["t"] })
}

fn with(name: &str, value: &str) -> Request<Body> {
    Request::get("/api/v1/count?tenant=t")
        .header("host", "localhost")
        .header(name, value)
        .body(Body::empty())
        .expect("a request")
}

#[test]
fn a_token_is_accepted_in_every_form_that_clients_send() {
    let server = Guarded::new();
    let token = server.principal(&reader("li"));
    let id = token.split('_').nth(1).expect("an id");
    let basic = |name: &str| format!("Basic {}", STANDARD.encode(format!("{name}:{token}")));
    let key = format!("ApiKey {}", STANDARD.encode(format!("{id}:{token}")));
    for (name, value) in [
        ("authorization", format!("Bearer {token}")),
        ("authorization", basic("li")),
        ("authorization", basic("token")),
        ("authorization", key),
        ("x-auth-token", token.clone()),
    ] {
        let answer = server.send(with(name, &value));
        assert_eq!(
            (answer.status.as_u16(), answer.json()),
            (200, json!({ "count": 0 })),
            "{value}"
        );
    }
}

#[test]
fn without_a_good_credential_nothing_is_answered_and_nothing_is_told() {
    let server = Guarded::new();
    server.store.ingest(
        "t",
        &[json!({ "trace_id": "x", "event_name": "n", "source": "s",
        "time": "2026-06-01T00:00:00Z" })
        .to_string()],
    );
    let (token, other) = (server.principal(&reader("li")), server.principal(&reader("wang")));
    let (id, other_id) = (token.split('_').nth(1).expect("an id"), other.split('_').nth(1));
    let encoded = |name: &str| STANDARD.encode(format!("{name}:{token}"));
    let mistyped = format!("{}x", &token[..token.len() - 1]);
    for (name, value) in [
        ("x-nothing", String::new()),
        ("authorization", String::new()),
        ("authorization", "Bearer".to_owned()),
        ("authorization", "Bearer x".to_owned()),
        ("authorization", format!("Bearer {mistyped}")),
        ("authorization", format!("Bearer {}", token.to_uppercase())),
        ("authorization", format!("Bearer {token} {token}")),
        ("authorization", format!("Token {token}")),
        ("authorization", format!("Basic {}", encoded("wang"))),
        ("authorization", format!("Basic {}", encoded(""))),
        ("authorization", format!("Basic {}", STANDARD.encode(format!("li:{id}")))),
        ("authorization", format!("ApiKey {}", encoded(other_id.expect("an id")))),
        ("authorization", format!("ApiKey {token}")),
        ("x-auth-token", mistyped.clone()),
        ("cookie", format!("session={token}")),
    ] {
        let answer = server.send(with(name, &value));
        assert_eq!(answer.status, 401, "{name}: {value}");
        assert!(answer.headers.contains_key("www-authenticate"), "{name}: {value}");
        let text = answer.text();
        assert!(!text.contains("count") && !text.contains(&token[20..40]), "{text}");
    }
    // Two credentials are none, though one of them is good.
    let both = Request::get("/api/v1/count?tenant=t")
        .header("host", "localhost")
        .header("authorization", format!("Bearer {token}"))
        .header("x-auth-token", &other);
    assert_eq!(server.send(both.body(Body::empty()).expect("a request")).status, 401);
}

#[test]
fn a_wrong_token_is_refused_in_the_same_words_whether_the_name_is_known_or_not() {
    let server = Guarded::new();
    let (token, made_up) = (server.principal(&reader("li")), annals::access::ApiToken::new());
    let wrong = made_up.expect("a token").reveal().to_owned();
    let id = token.split('_').nth(1).expect("an id");
    let encoded = |of: &str| STANDARD.encode(format!("{of}:{wrong}"));
    let told = |request: Request<Body>| {
        let answer = server.send(request);
        let names: Vec<_> = answer.headers.keys().cloned().collect();
        (answer.status.as_u16(), answer.text(), names)
    };
    for (known, unknown) in [
        (format!("Basic {}", encoded("li")), format!("Basic {}", encoded("nobody"))),
        (format!("ApiKey {}", encoded(id)), format!("ApiKey {}", encoded("aaaaaaaaaaaa"))),
    ] {
        let known = told(with("authorization", &known));
        assert_eq!(known.0, 401);
        assert_eq!(known, told(with("authorization", &unknown)));
    }
    let of_iam = |name: &str, password: &str| {
        let body = json!({ "auth": { "identity": { "methods": ["password"],
            "password": { "user": { "name": name, "password": password } } } } });
        told(
            Request::post("/v3/auth/tokens")
                .header("host", "localhost")
                .body(body.to_string().into())
                .expect("a request"),
        )
    };
    let known = of_iam("li", &wrong);
    assert_eq!(known.0, 401);
    assert_eq!(known, of_iam("nobody", &wrong));
    assert_eq!(known, of_iam("nobody", &token), "a good token of another name tells nothing");
}

#[test]
fn a_browser_is_not_asked_for_a_name_and_password() {
    let server = Guarded::new();
    let request = Request::get("/api/v1/me")
        .header("host", "localhost")
        .header("sec-fetch-site", "same-origin")
        .header("sec-fetch-mode", "cors")
        .header("sec-fetch-dest", "empty");
    let answer = server.send(request.body(Body::empty()).expect("a request"));
    assert_eq!(answer.status, 401);
    assert!(!answer.headers.contains_key("www-authenticate"));
}

#[test]
fn a_refusal_has_the_form_of_its_door() {
    let server = Guarded::new();
    let token = server.principal(&reader("li"));
    for (method, path, pointers) in [
        ("GET", "/api/v1/count", &["/status", "/title", "/detail"][..]),
        ("POST", "/_bulk", &["/error/type", "/error/root_cause/0/type", "/status"]),
        ("POST", "/es/t/_bulk", &["/error/type"]),
        ("POST", "/v1/logs", &["/code", "/message"]),
        ("GET", "/v3/t/traces", &["/error_code", "/error_msg"]),
        ("GET", "/v2.0/t/system/trace", &["/error_code"]),
    ] {
        let answer = server.call(None, method, path, Body::empty());
        assert_eq!(answer.status, 401, "{path}");
        for pointer in pointers {
            assert!(
                answer.json().pointer(pointer).is_some(),
                "{path} {pointer}: {}",
                answer.text()
            );
        }
    }
    for (method, path, code) in [
        ("POST", "/es/t/_bulk", "/error/type"),
        ("POST", "/otlp/t/v1/logs", "/code"),
        ("GET", "/v3/other/traces", "/error_code"),
    ] {
        let answer = server.call(Some(&token), method, path, Body::empty());
        assert_eq!(answer.status, 403, "{path}: {}", answer.text());
        let codes = [json!("security_exception"), json!(7), json!("CTS.0002")];
        assert!(codes.contains(answer.json().pointer(code).expect(code)), "{}", answer.text());
    }
}

#[test]
fn a_token_ends_when_it_expires_is_withdrawn_or_its_principal_is_removed() {
    let server = Guarded::new();
    let admin = server.principal(&json!({ "name": "sec", "roles": ["security_administrator"] }));
    let first = server.principal(&reader("li"));
    let second = server.token("li", &json!({ "expires_in": "1d", "note": "of one day" }));
    let status = |token: &str| server.get(token, "/api/v1/count?tenant=t").status.as_u16();
    assert_eq!((status(&first), status(&second)), (200, 200));
    let tokens = server.json(&admin, "/api/v1/principals/li/tokens");
    let tokens = tokens["tokens"].as_array().expect("tokens").clone();
    assert_eq!(tokens.len(), 2);
    assert!(tokens.iter().all(|token| token["last_used"].is_string()), "{tokens:?}");

    let now = crate::support::store::NOW;
    server.store.clock.set(Timestamp::from_millis(now + 86_400_000));
    assert_eq!((status(&first), status(&second)), (200, 401));

    let id = first.split('_').nth(1).expect("an id");
    let path = format!("/api/v1/principals/li/tokens/{id}");
    assert_eq!(server.call(Some(&admin), "DELETE", &path, Body::empty()).status, 204);
    assert_eq!(server.call(Some(&admin), "DELETE", &path, Body::empty()).status, 404);
    assert_eq!(status(&first), 401);

    let third = server.token("li", &json!({ "expires_in": "never" }));
    assert_eq!(status(&third), 200);
    let removed = server.call(Some(&admin), "DELETE", "/api/v1/principals/li", Body::empty());
    assert_eq!((removed.status.as_u16(), status(&third)), (204, 401));
    // Somebody else of the same name does not get the tokens of the first.
    server.principal(&reader("li"));
    assert_eq!(status(&third), 401);
}

#[test]
fn no_secret_is_in_any_file_event_or_answer() {
    let mut server = Guarded::new();
    let admin = server.principal(&json!({ "name": "sec", "roles": ["security_administrator"] }));
    let audit = server.principal(&json!({ "name": "aud", "roles": ["audit_administrator"] }));
    let token = server.principal(&reader("li"));
    let secret = token.split('_').nth(2).expect("a secret").to_owned();
    let trail = server.json(&audit, "/api/v1/events?tenant=_annals&original=true&limit=100");
    assert!(trail["events"].as_array().is_some_and(|events| events.len() >= 6), "{trail}");
    for path in ["/api/v1/principals", "/api/v1/principals/li", "/api/v1/principals/li/tokens"] {
        assert!(!server.get(&admin, path).text().contains(&secret), "{path}");
    }
    assert!(!trail.to_string().contains(&secret));
    server.store.engine().seal().expect("a commit");
    server.store.close();
    let mut files = vec![server.store.path()];
    let mut read = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).expect("a folder");
            files.extend(entries.map(|entry| entry.expect("an entry").path()));
            continue;
        }
        let bytes = std::fs::read(&path).expect("a file");
        read += bytes.len();
        assert!(
            memchr::memmem::find(&bytes, secret.as_bytes()).is_none(),
            "{} has the secret of a token",
            path.display()
        );
    }
    assert!(read > 10_000, "the scan read {read} bytes");
}

#[test]
fn a_token_takes_the_place_of_another_which_is_accepted_for_a_while() {
    let mut server = Guarded::new();
    let administrator = server.principal(&json!({ "name": "root",
        "roles": ["security_administrator"], "tenants": [] }));
    let first = server.principal(&reader("li"));
    let old = server.token("li", &json!({ "expires_in": "40d", "note": "laptop" }));
    let id = |token: &str| token.split('_').nth(1).expect("an id").to_owned();
    let rotate = |id: &str, body: &str| {
        let path = format!("/api/v1/principals/li/tokens/{id}/rotate");
        server.call(Some(&administrator), "POST", &path, body.to_owned())
    };
    for (body, named) in [
        (r#"{"overlap":"soon"}"#, "overlap"),
        (r#"{"overlap":"9000y"}"#, "overlap"),
        (r#"{"expires_in":"0d"}"#, "expires_in"),
        (r#"{"expires_in":"9000y"}"#, "expires_in"),
    ] {
        let refused = rotate(&id(&old), body);
        assert_eq!((refused.status.as_u16(), &refused.json()["parameter"]), (400, &named.into()));
    }
    assert_eq!(rotate("nosuchtoken0", "").status, 404);
    let made = rotate(&id(&old), r#"{"overlap":"2h"}"#);
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    let new = made["token"].as_str().expect("a token").to_owned();
    assert_eq!(made["in_place_of"], id(&old));
    let accepted =
        |server: &Guarded, token: &str| server.get(token, "/api/v1/count?tenant=t").status.as_u16();
    assert_eq!([&old, &new, &first].map(|token| accepted(&server, token)), [200, 200, 200]);
    let tokens = server.json(&administrator, "/api/v1/principals/li/tokens");
    let of = |token: &str| {
        let tokens = tokens["tokens"].as_array().expect("tokens").clone();
        tokens.into_iter().find(|one| one["id"] == id(token)).expect("the token")
    };
    let moment = |token: &str, name: &str| {
        Timestamp::parse(of(token)[name].as_str().expect("a moment")).expect("a moment").millis()
    };
    let now = server.store.engine().clock().now().millis();
    assert_eq!(moment(&old, "expires") - now, 2 * 3_600_000);
    assert_eq!(moment(&new, "expires") - now, 40 * 86_400_000, "as long as the other");
    assert_eq!(of(&new)["note"], "laptop");
    server.store.clock.set(Timestamp::from_millis(now + 2 * 3_600_000));
    assert_eq!([&old, &new, &first].map(|token| accepted(&server, token)), [401, 200, 200]);
    assert_eq!(rotate(&id(&old), "").status, 400, "it has ended");
    // At once, and never longer than it would have been.
    let last = rotate(&id(&new), r#"{"overlap":"0s","expires_in":"never"}"#).json();
    let last = last["token"].as_str().expect("a token").to_owned();
    assert_eq!([&new, &last].map(|token| accepted(&server, token)), [401, 200]);
    let long = rotate(&id(&first), r#"{"overlap":"999y"}"#).json();
    let tokens = server.json(&administrator, "/api/v1/principals/li/tokens").to_string();
    assert!(!tokens.contains(long["overlap_until"].as_str().expect("a moment")), "{tokens}");
    // Secrets outlive a restart with the records.
    server.reopen(Settings::default());
    assert_eq!(
        [&old, &new, &last, &first].map(|token| accepted(&server, token)),
        [401, 401, 200, 200]
    );
}

#[test]
fn a_rotation_that_fails_half_way_leaves_the_token_as_it_was() {
    for step in [Failpoint::AdminRecorded, Failpoint::AdminWritten] {
        for dies in [false, true] {
            let mut server = Guarded::new();
            let armed = Arc::new(AtomicBool::new(false));
            let at = Arc::clone(&armed);
            let at_failpoint = AtFailpoint::new(move |reached| {
                match reached == step && at.swap(false, Ordering::SeqCst) {
                    true => Err(Error::internal("the step fails, as the test wants it")),
                    false => Ok(()),
                }
            });
            server.reopen(Settings { at_failpoint, compact: false, ..Settings::default() });
            let administrator = json!({ "name": "root", "roles": ["security_administrator"],
                "tenants": [] });
            let administrator = server.principal(&administrator);
            let token = server.principal(&reader("li"));
            let id = token.split('_').nth(1).expect("an id");
            armed.store(true, Ordering::SeqCst);
            let path = format!("/api/v1/principals/li/tokens/{id}/rotate");
            let failed = server.call(Some(&administrator), "POST", &path, "");
            assert_eq!(failed.status, 500, "{}", failed.text());
            if dies {
                server.reopen(Settings::default());
            }
            // Whatever else changes makes what was recorded, too.
            server.principal(&reader("wang"));
            for token in [&token, &administrator] {
                let answer = server.get(token, "/api/v1/me");
                assert_eq!(answer.status, 200, "{step:?}, {dies}: {}", answer.text());
            }
        }
    }
}

#[test]
fn when_a_token_was_last_used_outlives_the_server() {
    let mut server = Guarded::new();
    let (used, unused) = (server.principal(&reader("li")), server.principal(&reader("wang")));
    let id = |token: &str| token.split('_').nth(1).expect("an id").to_owned();
    let last =
        |server: &Guarded, token: &str| server.store.engine().directory().last_used(&id(token));
    server.get(&used, "/api/v1/count");
    let at = last(&server, &used).expect("it was used");
    let noted = server.store.engine().note_last_used(&BTreeMap::new()).expect("it is noted");
    assert_eq!(noted, BTreeMap::from([(id(&used), at)]));
    server.reopen(Settings::default());
    assert_eq!(last(&server, &used), None, "it is not read yet");
    server.store.engine().recall_last_used();
    assert_eq!((last(&server, &used), last(&server, &unused)), (Some(at), None));
    // A later use stays, and a file that cannot be read is none.
    server.store.clock.set(Timestamp::from_millis(at.millis() + 5_000));
    server.get(&used, "/api/v1/count");
    server.store.engine().recall_last_used();
    assert_eq!(last(&server, &used).map(|time| time.millis()), Some(at.millis() + 5_000));
    std::fs::write(server.store.path().join("last-used.json"), "{").expect("a file");
    server.store.engine().recall_last_used();
}
