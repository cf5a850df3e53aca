//! Principals: set, changed and removed, with every change on record, and nobody above the rules.

use super::server::Guarded;
use crate::support::process::annals;
use axum::body::Body;
use serde_json::{Value as Json, json};

fn admin(server: &Guarded) -> String {
    server.principal(&json!({ "name": "sec", "roles": ["security_administrator"] }))
}

fn body(value: &Json) -> Body {
    Body::from(value.to_string())
}

#[test]
fn a_principal_is_created_changed_shown_and_removed_and_all_of_it_is_recorded() {
    let server = Guarded::new();
    let (admin, audit) = (
        admin(&server),
        server.principal(&json!({ "name": "aud", "roles": ["audit_administrator"] })),
    );
    let call = |method: &str, path: &str, settings: &Json| {
        server.call(Some(&admin), method, &format!("/api/v1/principals{path}"), body(settings))
    };
    let settings = json!({ "name": "li", "roles": ["reader"], "tenants": ["a"],
        "rows": { "source": "ECS" }, "masks": { "source_ip": "hash" } });
    let created = call("POST", "", &settings);
    assert_eq!((created.status.as_u16(), created.json()), (201, settings.clone()));
    assert_eq!(call("POST", "", &settings).status, 409);
    let changed = call("PATCH", "/li", &json!({ "roles": ["auditor"], "masks": null }));
    let expected = json!({ "name": "li", "roles": ["auditor"], "tenants": ["a"],
        "rows": { "source": "ECS" } });
    assert_eq!((changed.status.as_u16(), changed.json()), (200, expected.clone()));
    assert_eq!(server.json(&admin, "/api/v1/principals/li"), expected);
    let listed = server.json(&admin, "/api/v1/principals");
    assert!(listed["principals"].as_array().is_some_and(|all| all.contains(&expected)), "{listed}");
    let made = call("POST", "/li/tokens", &json!({ "note": "for a shipper" }));
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.headers["cache-control"], "no-store");
    assert_eq!(call("DELETE", "/li", &Json::Null).status, 204);
    for (method, path) in [("GET", "/li"), ("DELETE", "/li"), ("GET", "/li/tokens")] {
        assert_eq!(call(method, path, &Json::Null).status, 404, "{method} {path}");
    }
    let trail = server.json(&audit, "/api/v1/events?resource_name=li&order=asc&original=true");
    let names: Vec<&str> = trail["events"]
        .as_array()
        .expect("events")
        .iter()
        .filter_map(|event| {
            assert_eq!(event["operator"], "sec", "{event}");
            event["event_name"].as_str()
        })
        .collect();
    assert_eq!(
        names,
        ["createPrincipal", "changePrincipal", "createToken", "removePrincipal"],
        "{trail}"
    );
}

#[test]
fn what_is_wrong_is_named_and_changes_nothing() {
    let server = Guarded::new();
    let admin = admin(&server);
    server.principal(&json!({ "name": "li", "roles": ["reader"], "tenants": ["a"] }));
    let before = server.json(&admin, "/api/v1/principals");
    for (method, path, settings, parameter) in [
        ("POST", "", json!({ "name": "a b", "roles": ["reader"], "tenants": ["a"] }), "name"),
        ("POST", "", json!({ "name": "n", "roles": [], "tenants": ["a"] }), "roles"),
        ("POST", "", json!({ "name": "n", "roles": ["reader"] }), "tenants"),
        (
            "POST",
            "",
            json!({ "name": "n", "roles": ["reader"], "tenants": ["a"], "rows": { "x": 1 } }),
            "rows",
        ),
        ("PATCH", "/li", json!({ "name": "other" }), "name"),
        ("PATCH", "/li", json!({ "tenants": ["a b"] }), "tenants"),
        ("POST", "/sec/tokens", json!({ "expires_in": "soon" }), "expires_in"),
        ("POST", "/sec/tokens", json!({ "expires_in": "0d" }), "expires_in"),
        ("POST", "/sec/tokens", json!({ "note": "a\u{7}" }), "note"),
    ] {
        let path = format!("/api/v1/principals{path}");
        let answer = server.call(Some(&admin), method, &path, body(&settings));
        assert_eq!(answer.status, 400, "{settings}: {}", answer.text());
        assert_eq!(answer.json()["parameter"], parameter, "{settings}: {}", answer.text());
    }
    for text in ["", "[]", "{", "null", "{\"name\":\"n\",\"admin\":true}", "{\"name\":7}"] {
        let answer = server.call(Some(&admin), "POST", "/api/v1/principals", text);
        assert_eq!(answer.status, 400, "{text}: {}", answer.text());
    }
    assert_eq!(server.json(&admin, "/api/v1/principals"), before);
}

#[test]
fn nobody_raises_himself_and_the_last_who_grants_access_stays() {
    let server = Guarded::new();
    let admin = admin(&server);
    let call = |token: &str, method: &str, path: &str, settings: &Json| {
        server.call(Some(token), method, &format!("/api/v1/principals{path}"), body(settings))
    };
    // Not even by way of a role that could be had with it.
    let raised = json!({ "roles": ["security_administrator", "system_administrator"] });
    assert_eq!(call(&admin, "PATCH", "/sec", &raised).status, 403);
    assert_eq!(call(&admin, "DELETE", "/sec", &Json::Null).status, 403);
    let second = json!({ "name": "sec2", "roles": ["security_administrator"] });
    assert_eq!(call(&admin, "POST", "", &second).status, 201);
    let second = server.token("sec2", &json!({}));
    assert_eq!(call(&second, "DELETE", "/sec", &Json::Null).status, 204);
    assert_eq!(call(&admin, "GET", "", &Json::Null).status, 401);
    // The operator, who holds the files, cannot leave the store without one by mistake either.
    let engine = server.store.engine();
    let operator = annals::access::Caller::operator();
    let error = engine.remove_principal(&operator, "sec2").expect_err("the last one");
    assert!(error.to_string().contains("security_administrator"), "{error}");
    for name in ["reader", "ingest", "auditor", "system_administrator"] {
        let settings = json!({ "name": name, "roles": [name],
            "tenants": if name == "system_administrator" { json!([]) } else { json!(["t"]) } });
        let token = server.principal(&settings);
        for (method, path) in [("GET", ""), ("POST", ""), ("PATCH", "/sec2"), ("DELETE", "/sec2")] {
            assert_eq!(call(&token, method, path, &settings).status, 403, "{name} {method}");
        }
    }
}

#[test]
fn everybody_may_ask_who_he_is() {
    let server = Guarded::new();
    let settings = json!({ "name": "li", "roles": ["reader"], "tenants": ["a", "b"],
        "masks": { "source_ip": "hide" }, "from": "2026-01-01T00:00:00Z" });
    let token = server.principal(&settings);
    let mut expected = settings;
    expected["credentials"] = true.into();
    assert_eq!(server.json(&token, "/api/v1/me"), expected);
    let open = Guarded::over(crate::support::store::TestStore::new(), false);
    let me = open.call(None, "GET", "/api/v1/me", Body::empty()).json();
    assert_eq!((&me["name"], &me["credentials"]), (&"operator".into(), &false.into()));
}

#[test]
fn principals_and_tokens_are_there_after_a_restart() {
    let mut server = Guarded::new();
    let token = server.principal(&json!({ "name": "li", "roles": ["reader"], "tenants": ["a"] }));
    let mut store = std::mem::replace(&mut server.store, crate::support::store::TestStore::new());
    drop(server);
    store.reopen();
    let server = Guarded::over(store, true);
    assert_eq!(server.json(&token, "/api/v1/me")["name"], "li");
}

#[test]
fn a_credential_that_is_withdrawn_while_its_request_comes_in_changes_nothing() {
    let server = Guarded::new();
    let first = admin(&server);
    server.principal(&json!({ "name": "sec2", "roles": ["security_administrator"] }));
    let (caller, _) = {
        let directory = server.store.engine().directory();
        let now = annals::event::Timestamp::from_millis(crate::support::store::NOW);
        let (caller, id) = directory.by_token(&first, now).expect("a caller");
        (caller, id.to_owned())
    };
    let create = |name: &str| {
        let settings = json!({ "name": name, "roles": ["reader"], "tenants": ["a"] });
        annals::calls::PrincipalCall::Create.answer(server.store.engine(), &caller, settings)
    };
    create("before").expect("a principal");
    let operator = annals::access::Caller::operator();
    server.store.engine().remove_principal(&operator, "sec").expect("removed");
    let error = create("after").expect_err("its token is gone");
    assert!(error.to_string().contains("credential"), "{error}");
    assert!(server.store.engine().directory().get("after").is_none());
}

#[test]
fn the_command_line_sets_and_removes_limits_and_disables_and_enables() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let data = folder.path().join("data");
    let place = ["--data", data.to_str().expect("text")];
    annals(&[&["init"], &place[..]].concat()).ok();
    let said = |words: &[&str]| annals(&[&["principal"], words, &place].concat());
    let shown = |words: &[&str]| -> Json {
        serde_json::from_str(&said(words).ok()).expect("the principal as JSON")
    };
    let grant = ["--role", "ingest", "--tenant", "t"];
    let limits = ["--limit", "bytes_in=20MiB/s", "--limit", "requests=50/s"];
    let made = shown(&[&["create", "shipper"][..], &grant, &limits].concat());
    assert_eq!(made["limits"], json!({ "bytes_in": 20 << 20, "requests": 50 }));
    let changed = shown(&["change", "shipper", "--limit", "questions=2", "--disabled", "true"]);
    assert_eq!(changed["limits"], json!({ "questions": 2 }), "these are all that it has");
    assert_eq!(changed["disabled"], true);
    let changed = shown(&["change", "shipper", "--without", "limits", "--disabled", "false"]);
    assert_eq!((&changed["limits"], &changed["disabled"]), (&Json::Null, &Json::Null));
    for (wrong, why) in [
        ("speed=1", "bytes_in"),
        ("requests", "LIMIT=N"),
        ("requests=many", "is a number"),
        ("requests=0", "requests is at least 1"),
    ] {
        let change = ["change", "shipper", "--limit", wrong];
        said(&change).refused(2, &[why]);
    }
    let twice = ["change", "shipper", "--limit", "requests=1", "--limit", "requests=2"];
    said(&twice).refused(2, &["twice"]);
    let help = annals(&["principal", "--help"]).ok();
    assert!(help.contains("relationships of partners"), "{help}");
}
