//! Credentials that are withdrawn while a request or an answer is under way, and what is left
//! behind by principals that are removed.

use super::server::Guarded;
use axum::body::{Body, Bytes};
use axum::http::Request;
use futures::stream;
use http_body_util::BodyExt;
use serde_json::{Value as Json, json};
use std::convert::Infallible;
use std::sync::Arc;
use tower::ServiceExt;

fn event(number: usize, tenant: &str) -> Json {
    json!({ "trace_id": format!("e-{number}"), "event_name": "createServer", "source": "ECS",
        "project_id": tenant, "time": "2026-06-01T00:00:00Z", "details": "x".repeat(300) })
}

fn events(numbers: std::ops::Range<usize>) -> String {
    numbers.map(|number| format!("{}\n", event(number, "t"))).collect()
}

/// Withdraws the token of a principal.
fn withdraw(server: &Guarded, name: &str) {
    let operator = annals::access::Caller::operator();
    let engine = server.store.engine();
    for (id, _) in engine.tokens_of(name).expect("tokens") {
        engine.remove_token(&operator, name, &id).expect("it is withdrawn");
    }
}

#[test]
fn a_body_counts_for_nothing_if_its_token_ends_before_it_does() {
    let server = Guarded::new();
    let principal = |name: &str, role: &str, tenants: &[&str]| {
        server.principal(&json!({ "name": name, "roles": [role], "tenants": tenants }));
    };
    principal("li", "ingest", &["t"]);
    principal("root", "security_administrator", &[]);
    let bulk = format!("{{\"create\":{{}}}}\n{}\n", event(1, "t"));
    let one = json!({ "name": "wang", "roles": ["reader"], "tenants": ["t"] }).to_string();
    for (name, path, body) in [
        ("li", "/api/v1/events?tenant=t", events(0..3)),
        ("li", "/es/t/_bulk", bulk),
        ("root", "/api/v1/principals", one),
    ] {
        let token = server.token(name, &json!({}));
        let request = |body: Body| {
            Request::post(path)
                .header("host", "localhost")
                .header("authorization", format!("Bearer {token}"))
                .header("content-type", "application/json")
                .body(body)
                .expect("a request")
        };
        let (first, rest) = body.split_at(body.len() / 2);
        let (first, rest) = (first.to_owned(), rest.to_owned());
        let pieces = stream::iter([(0, first), (1, rest)]);
        let server = &server;
        let answer = std::thread::scope(|threads| {
            let (sent, wait) = std::sync::mpsc::channel::<()>();
            let (done, go_on) = std::sync::mpsc::channel::<()>();
            threads.spawn(move || {
                wait.recv().expect("the first half is on its way");
                withdraw(server, name);
                done.send(()).expect("it is waited for");
            });
            let body = futures::StreamExt::map(pieces, move |(number, piece)| {
                if number == 1 {
                    sent.send(()).expect("it is waited for");
                    go_on.recv().expect("the token is withdrawn");
                }
                Ok::<_, Infallible>(Bytes::from(piece))
            });
            server.send(request(Body::from_stream(body)))
        });
        assert_eq!(answer.status, 403, "{path}: {}", answer.text());
        assert!(answer.text().contains("has changed since"), "{path}: {}", answer.text());
        assert_eq!(server.send(request(body.into())).status, 401, "{path}");
    }
    assert_eq!(server.store.get("/api/v1/count?tenant=t"), json!({ "count": 0 }));
    assert!(server.store.engine().directory().get("wang").is_none());
}

#[test]
fn an_export_ends_with_its_token() {
    let server = Guarded::new();
    // More than what waits for a client that does not read.
    for part in 0..12 {
        let numbers = part * 5_000..(part + 1) * 5_000;
        let records: Vec<String> = numbers.map(|number| event(number, "t").to_string()).collect();
        server.store.ingest("t", &records);
    }
    let reader = json!({ "name": "li", "roles": ["auditor"], "tenants": ["t"] });
    let token = server.principal(&reader);
    let request = Request::get("/api/v1/events.ndjson?tenant=t")
        .header("host", "localhost")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::empty())
        .expect("a request");
    let failed = server.store.runtime.block_on(async {
        let answer = server.router.clone().oneshot(request).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        let mut body = answer.into_body();
        body.frame().await.expect("a piece").expect("it is whole");
        let engine = Arc::clone(server.store.engine());
        let withdrawn = tokio::task::spawn_blocking(move || {
            let operator = annals::access::Caller::operator();
            for (id, _) in engine.tokens_of("li").expect("tokens") {
                engine.remove_token(&operator, "li", &id).expect("it is withdrawn");
            }
        });
        withdrawn.await.expect("it is done");
        let mut failed = false;
        while let Some(frame) = body.frame().await {
            failed |= frame.is_err();
        }
        failed
    });
    assert!(failed, "the end of the answer must not look like the end of the export");
}

/// A request as this server's own page sends it, with the cookie of a session.
fn of_page(method: &str, path: &str, cookie: &str, body: Body) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
        .header("sec-fetch-site", "same-origin")
        .header("sec-fetch-mode", "cors")
        .header("content-type", "application/json")
        .header("cookie", cookie)
        .body(body)
        .expect("a request")
}

/// Signs in with a token, and returns the cookie.
fn signed_in(server: &Guarded, token: &str) -> String {
    let body = json!({ "token": token }).to_string();
    let answer = server.send(of_page("POST", "/auth/login", "", body.into()));
    let set = answer.headers["set-cookie"].to_str().expect("text");
    set.split(';').next().expect("a cookie").to_owned()
}

/// A body of two pieces; before the second, something happens.
fn interrupted(body: &str, between: impl Future<Output = ()> + Send + 'static) -> Body {
    let (first, rest) = body.split_at(body.len() / 2);
    let (first, rest) = (Bytes::from(first.to_owned()), Bytes::from(rest.to_owned()));
    let second = stream::once(async move {
        between.await;
        Ok::<_, Infallible>(rest)
    });
    Body::from_stream(futures::StreamExt::chain(stream::iter([Ok(first)]), second))
}

#[test]
fn what_is_under_way_ends_with_its_session() {
    let server = Guarded::new();
    for part in 0..12 {
        let numbers = part * 5_000..(part + 1) * 5_000;
        let records: Vec<String> = numbers.map(|number| event(number, "t").to_string()).collect();
        server.store.ingest("t", &records);
    }
    let li = json!({ "name": "li", "roles": ["auditor", "ingest"], "tenants": ["t", "u"] });
    let token = server.principal(&li);
    let root = server.principal(&json!({ "name": "root", "roles": ["security_administrator"] }));
    // An administrator ends it while a body is on its way.
    let cookie = signed_in(&server, &token);
    let listed = server.json(&root, "/api/v1/sessions");
    let id = listed["sessions"][0]["id"].as_str().expect("an id").to_owned();
    let end = Request::delete(format!("/api/v1/sessions/{id}"))
        .header("host", "localhost")
        .header("authorization", format!("Bearer {root}"))
        .body(Body::empty())
        .expect("a request");
    let router = server.router.clone();
    let body = interrupted(&events(0..3), async move {
        assert_eq!(router.oneshot(end).await.expect("an answer").status(), 204);
    });
    let answer = server.send(of_page("POST", "/api/v1/events?tenant=u", &cookie, body));
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert_eq!(server.store.get("/api/v1/count?tenant=u"), json!({ "count": 0 }));
    // Its user signs out while an export is being read; another session of theirs goes on.
    let (cookie, other) = (signed_in(&server, &token), signed_in(&server, &token));
    let export =
        |cookie: &str| of_page("GET", "/api/v1/events.ndjson?tenant=t", cookie, Body::empty());
    let (ended, whole) = server.store.runtime.block_on(async {
        let begin = async |cookie: &str| {
            let answer = server.router.clone().oneshot(export(cookie)).await.expect("an answer");
            assert_eq!(answer.status(), 200);
            let mut body = answer.into_body();
            body.frame().await.expect("a piece").expect("it is whole");
            body
        };
        let (ended, whole) = (begin(&cookie).await, begin(&other).await);
        let out = of_page("POST", "/auth/logout", &cookie, Body::empty());
        let out = server.router.clone().oneshot(out).await.expect("an answer");
        assert_eq!(out.status(), 204);
        (ended.collect().await.is_ok(), whole.collect().await.is_ok())
    });
    assert!(!ended && whole, "the one that was signed out of ends: {ended} {whole}");
}

#[test]
fn a_body_ends_with_the_age_of_its_session() {
    let server = Guarded::new();
    let token = server.principal(&json!({ "name": "p", "roles": ["ingest"], "tenants": ["t"] }));
    let cookie = signed_in(&server, &token);
    let clock = Arc::clone(&server.store.clock);
    let later = annals::event::Timestamp::from_millis(crate::support::store::NOW + 12 * 3_600_000);
    let body = interrupted(&events(0..3), async move { clock.set(later) });
    let answer = server.send(of_page("POST", "/api/v1/events?tenant=t", &cookie, body));
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert_eq!(server.store.get("/api/v1/count?tenant=t"), json!({ "count": 0 }));
}

#[test]
fn what_a_producer_may_not_deliver_does_not_become_real_later() {
    let server = Guarded::new();
    let producer = json!({ "name": "p", "roles": ["ingest"], "tenants": ["t", "u"] });
    let token = server.principal(&producer);
    let body = format!("{}\n{}\n", event(1, "victim"), event(2, "victim"));
    let answer = server.call(Some(&token), "POST", "/api/v1/events?tenant_from=project_id", body);
    assert_eq!(answer.json()["quarantined_total"], 2, "{}", answer.text());
    let decode = |query: &str| {
        server.store.post(&format!("/api/v1/quarantine/decode?tenant=*&{query}"), String::new())
    };
    let done = decode("tenant_from=project_id");
    assert_eq!((&done["accepted"], &done["without_tenant"]), (&json!(0), &json!(2)), "{done}");
    assert_eq!(server.store.get("/api/v1/count?tenant=victim"), json!({ "count": 0 }));
    // Whose they are can still be said by who may decode them.
    let done = decode("unknown_tenant=t");
    assert_eq!(done["accepted"], 2, "{done}");
    assert_eq!(server.store.get("/api/v1/count?tenant=t"), json!({ "count": 2 }));
}

#[test]
fn quarantine_does_not_tell_what_others_have_sent() {
    let server = Guarded::new();
    for tenant in ["t", "u"] {
        server.store.post(&format!("/api/v1/events?tenant={tenant}"), "nonsense".to_owned());
    }
    let auditor = json!({ "name": "a", "roles": ["auditor"], "tenants": ["t"] });
    let token = server.principal(&auditor);
    let all = server.store.get("/api/v1/quarantine?tenant=*");
    for record in all["records"].as_array().expect("a list") {
        let id = record["id"].as_str().expect("an id");
        let answer = server.get(&token, &format!("/api/v1/quarantine?tenant=t&after={id}"));
        let expected = if record["tenant"] == "t" { 200 } else { 400 };
        assert_eq!(answer.status.as_u16(), expected, "{record}");
    }
}

#[test]
fn views_of_a_principal_that_is_gone_belong_to_nobody() {
    let server = Guarded::new();
    let li = json!({ "name": "li", "roles": ["reader"], "tenants": ["t"] });
    let save = |token: &str, id: &str, query: &str| {
        let body = json!({ "name": id, "query": query }).to_string();
        server.call(Some(token), "PUT", &format!("/api/v1/views/{id}"), body)
    };
    let delete = |token: &str, id: &str| {
        server.call(Some(token), "DELETE", &format!("/api/v1/views/{id}"), Body::empty())
    };
    let token = server.principal(&li);
    assert_eq!(save(&token, "own", "source=ECS").status, 201);
    assert_eq!(save(&token, "shared", "tenant=t").status, 201);
    let operator = annals::access::Caller::operator();
    server.store.engine().remove_principal(&operator, "li").expect("it is removed");
    let token = server.principal(&li);
    assert_eq!(server.get(&token, "/api/v1/views/own").status, 404);
    assert_eq!(server.get(&token, "/api/v1/views/shared").status, 200, "it is of its tenant");
    assert_eq!(delete(&token, "shared").status, 403);
    for number in 0..100 {
        assert_eq!(save(&token, &format!("v{number}"), "tenant=t").status, 201);
    }
    let refused = save(&token, "more", "tenant=t");
    assert_eq!(refused.status, 400, "{}", refused.text());
    // A principal that reads the trail keeps questions about it.
    let audit = json!({ "name": "au", "roles": ["audit_administrator"] });
    let audit = server.principal(&audit);
    let saved = save(&audit, "trail", "tenant=_annals");
    assert_eq!(saved.status, 201, "{}", saved.text());
    assert_eq!(server.get(&audit, "/api/v1/views/trail").status, 200);
    assert_eq!(save(&token, "trail2", "tenant=_annals").status, 403);
}
