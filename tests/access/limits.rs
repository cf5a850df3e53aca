//! Limits of principals and tenants: a noisy one is held back, and its neighbours are served.

use super::server::{Answer, Guarded};
use crate::support::process::Server;
use crate::support::store::TestStore;
use annals::access::CallLimits;
use annals::api::{RouterOptions, ServerLimits};
use annals::engine::Settings;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value as Json, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tower::ServiceExt;

pub(super) const NONE: CallLimits =
    CallLimits { requests: None, questions: None, bytes_in: None, rows_out: None };

pub(super) fn server(principal: CallLimits, tenant: CallLimits) -> Guarded {
    let limits = ServerLimits { principal, tenant };
    let options = RouterOptions { credentials: true, trail: true, limits, ..Default::default() };
    Guarded::with_options(TestStore::new(), &options)
}

pub(super) fn principal(server: &Guarded, name: &str, role: &str, tenants: &[&str]) -> String {
    server.principal(&json!({ "name": name, "roles": [role], "tenants": tenants }))
}

pub(super) fn event(number: usize, bytes: usize) -> Json {
    json!({ "trace_id": format!("e-{number}"), "event_name": "n", "source": "ECS",
        "time": "2026-06-01T00:00:00Z", "details": "x".repeat(bytes) })
}

/// When a refused request is worth sending again.
fn retry_after(answer: &Answer) -> Duration {
    assert_eq!(answer.status, 503, "{}", answer.text());
    let seconds = answer.headers["retry-after"].to_str().expect("text").parse();
    Duration::from_secs(seconds.expect("whole seconds"))
}

/// How often a limit was reached, as the metrics say.
fn refusals(server: &Guarded, of: &str, limit: &str) -> u64 {
    let line = format!("annals_limit_refusals_total{{of=\"{of}\",limit=\"{limit}\"}} ");
    let system = match server.store.engine().directory().get("system") {
        Some(_) => server.token("system", &json!({})),
        None => server.principal(&json!({ "name": "system", "roles": ["system_administrator"] })),
    };
    let text = server.get(&system, "/metrics").text();
    let count = text.lines().find_map(|line_of| line_of.strip_prefix(&line));
    count.expect("the metric").parse().expect("a number")
}

#[test]
fn a_noisy_principal_is_refused_and_its_neighbours_are_served() {
    let server = server(CallLimits { requests: Some(5), ..NONE }, NONE);
    let noisy = principal(&server, "noisy", "reader", &["t"]);
    let same = principal(&server, "same", "reader", &["t"]);
    let other = principal(&server, "other", "reader", &["u"]);
    let answers: Vec<Answer> =
        (0..40).map(|_| server.get(&noisy, "/api/v1/count?tenant=t")).collect();
    assert!(answers[..5].iter().all(|answer| answer.status == 200));
    let refused: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert!(refused.len() >= 20, "{}", refused.len());
    for (token, tenant) in [(&same, "t"), (&other, "u")] {
        for _ in 0..5 {
            let answer = server.get(token, &format!("/api/v1/count?tenant={tenant}"));
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    }
    let last = refused.last().expect("one");
    let detail = last.json()["detail"].as_str().unwrap_or_default().to_owned();
    assert_eq!(detail, "the limit principal-requests is reached: try again in 1 s");
    // What anybody may call is nobody's request.
    assert_eq!(server.get(&noisy, "/livez").status, 200);
    assert_eq!(refusals(&server, "principal", "requests"), refused.len() as u64);
    std::thread::sleep(retry_after(last));
    assert_eq!(server.get(&noisy, "/api/v1/count?tenant=t").status, 200, "as it was told");
}

#[test]
fn refusals_are_recorded_once_with_how_many_there_were() {
    let server = server(CallLimits { requests: Some(1), ..NONE }, NONE);
    let noisy = principal(&server, "noisy", "ingest", &["t"]);
    let audit = server.principal(&json!({ "name": "audit", "roles": ["audit_administrator"],
        "limits": { "requests": 100 } }));
    let post = || server.call(Some(&noisy), "POST", "/es/t/_bulk", "{}");
    let answers: Vec<Answer> = (0..20).map(|_| post()).collect();
    let refused = answers.iter().filter(|answer| answer.status == 503).count();
    assert!(refused >= 15, "{refused}");
    let told = answers.last().expect("one").json();
    assert_eq!(told["error"]["type"], "es_rejected_execution_exception", "{told}");
    let list = "/api/v1/events?tenant=_annals&event_name=refuseCall";
    let events = server.json(&audit, list)["events"].clone();
    assert_eq!(events.as_array().map(Vec::len), Some(1), "{events}");
    let id = events[0]["trace_id"].as_str().expect("an id");
    let record = server.json(&audit, &format!("/api/v1/events/{id}?tenant=_annals"));
    let record = record["original"].as_str().expect("a record");
    let record: Json = serde_json::from_str(record).expect("a record");
    assert_eq!(record["operator"], "noisy", "{record}");
    let reason = "the limit principal-requests is reached";
    assert_eq!(record["details"]["reason"], reason, "{record}");
}

#[test]
fn a_limit_of_its_own_comes_before_the_servers() {
    let server = server(CallLimits { requests: Some(1), ..NONE }, NONE);
    let root = principal(&server, "root", "security_administrator", &[]);
    let li = server.principal(&json!({ "name": "li", "roles": ["reader"], "tenants": ["t"],
        "limits": { "requests": 50, "rows_out": 5_000 } }));
    let me = server.json(&li, "/api/v1/me");
    assert_eq!(me["limits"], json!({ "requests": 50, "rows_out": 5_000 }));
    for _ in 0..20 {
        assert_eq!(server.get(&li, "/api/v1/count").status, 200);
    }
    let patch = |body: Json| {
        // One request a second is the server's limit, and root's.
        loop {
            let path = "/api/v1/principals/li";
            let answer = server.call(Some(&root), "PATCH", path, body.to_string());
            if answer.status != 503 {
                return answer;
            }
            std::thread::sleep(retry_after(&answer));
        }
    };
    for wrong in [json!({ "requests": 0 }), json!({ "bytes_in": 10 }), json!({ "speed": 1 })] {
        let answer = patch(json!({ "limits": wrong }));
        assert_eq!(answer.status, 400, "{}", answer.text());
    }
    assert_eq!(patch(json!({ "limits": { "requests": 2 } })).status, 200);
    let count = || server.get(&li, "/api/v1/count").status;
    let statuses: Vec<_> = (0..10).map(|_| count()).collect();
    assert!(statuses.iter().filter(|status| **status == 503).count() >= 5, "{statuses:?}");
    assert_eq!(patch(json!({ "limits": null })).json()["limits"], Json::Null);
}

#[test]
fn a_tenants_limit_holds_for_all_who_ask_about_it_and_for_no_other_tenant() {
    let server = server(NONE, CallLimits { requests: Some(3), ..NONE });
    let both = principal(&server, "both", "reader", &["a", "b"]);
    let one = principal(&server, "one", "reader", &["a"]);
    let outsider = principal(&server, "outsider", "reader", &["c"]);
    for tenant in ["a", "b", "c"] {
        server.store.ingest(tenant, &[event(1, 1).to_string()]);
    }
    let status = |token: &str, query: &str| {
        server.get(token, &format!("/api/v1/count?{query}")).status.as_u16()
    };
    // Whoever may not ask about a tenant uses nothing of it up.
    for _ in 0..10 {
        assert_eq!(status(&outsider, "tenant=a"), 403);
    }
    let first: Vec<u16> = (0..3).map(|_| status(&both, "tenant=a")).collect();
    assert_eq!(first, [200; 3]);
    let refused = [status(&one, ""), status(&both, "tenant=a"), status(&both, "tenant=*")];
    assert!(refused.contains(&503), "{refused:?}");
    assert_eq!(status(&both, "tenant=b"), 200);
    assert_eq!(status(&outsider, "tenant=c"), 200);
    assert!(refusals(&server, "tenant", "requests") >= 1);
}

#[test]
fn deliveries_for_a_tenant_are_limited_in_the_words_of_each_door() {
    let server = server(NONE, CallLimits { requests: Some(1), ..NONE });
    let shipper = principal(&server, "shipper", "ingest", &["a", "b", "c", "d"]);
    let mut number = 0;
    let mut post = |path: &str, body: &dyn Fn(usize) -> String| -> Answer {
        // The first takes what there is in this second, or finds it taken.
        let mut answer = None;
        for _ in 0..10 {
            number += 1;
            let sent = server.call(Some(&shipper), "POST", path, body(number));
            let is_refused = sent.status == 503;
            answer = Some(sent);
            if is_refused {
                break;
            }
        }
        answer.expect("an answer")
    };
    let bulk = |number: usize| format!("{{\"create\":{{}}}}\n{}\n", event(number, 1));
    let refused = post("/es/a/x/_bulk", &bulk);
    assert!(retry_after(&refused) >= Duration::from_secs(1));
    let told = refused.json()["error"]["reason"].to_string();
    assert!(told.contains("tenant-requests"), "{told}");
    let native = |number: usize| event(number, 1).to_string();
    let refused = post("/api/v1/events?tenant=b", &native);
    assert!(retry_after(&refused) >= Duration::from_secs(1));
    assert!(refused.text().contains("tenant-requests"), "{}", refused.text());
    let otlp = |number: usize| {
        let time = format!("{}", 1_780_000_000_000_000_000_u64 + number as u64);
        json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [
            { "timeUnixNano": time, "body": { "stringValue": format!("m{number}") } }] }] }] })
        .to_string()
    };
    let refused = post("/otlp/c/v1/logs", &otlp);
    assert!(retry_after(&refused) >= Duration::from_secs(1));
    assert_eq!(refused.json()["code"], 14, "{}", refused.text());
    let operator = server.store.get("/api/v1/count?tenant=*")["count"].clone();
    assert_eq!(operator, number as u64 - 3, "what was refused is not there, and the rest is");
}

#[test]
fn bytes_wait_first_and_are_refused_when_they_would_wait_for_too_long() {
    let limits = CallLimits { bytes_in: Some(64 << 10), ..NONE };
    let server = server(limits, NONE);
    let noisy = principal(&server, "noisy", "ingest", &["t"]);
    let other = principal(&server, "other", "ingest", &["t"]);
    let post = |token: &str, number: usize, bytes: usize| {
        let body = event(number, bytes).to_string();
        server.call(Some(token), "POST", "/api/v1/events?tenant=t", body)
    };
    let begun = Instant::now();
    assert_eq!(post(&noisy, 1, 120 << 10).status, 200);
    assert_eq!(post(&noisy, 2, 1_000 << 10).status, 200);
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_millis(800), "the second waited for the first: {waited:?}");
    let refused = post(&noisy, 3, 100);
    let told = retry_after(&refused);
    assert!((Duration::from_secs(11)..=Duration::from_secs(17)).contains(&told), "{told:?}");
    assert!(refused.text().contains("principal-bytes-in"), "{}", refused.text());
    assert_eq!(post(&other, 4, 100).status, 200);
    assert_eq!(server.store.get("/api/v1/count?tenant=t"), json!({ "count": 3 }));
    assert_eq!(refusals(&server, "principal", "bytes-in"), 1);
}

#[test]
fn bytes_of_a_tenant_count_whoever_delivers_and_however_it_is_named() {
    let server = server(NONE, CallLimits { bytes_in: Some(64 << 10), ..NONE });
    let one = principal(&server, "one", "ingest", &["a", "b"]);
    let two = principal(&server, "two", "ingest", &["a"]);
    let mut first = event(1, 900 << 10);
    first["project_id"] = "a".into();
    let path = "/api/v1/events?tenant_from=project_id";
    assert_eq!(server.call(Some(&one), "POST", path, first.to_string()).status, 200);
    let post = |token: &str, tenant: &str, number: usize| {
        let path = format!("/api/v1/events?tenant={tenant}");
        server.call(Some(token), "POST", &path, event(number, 10).to_string())
    };
    let refused = post(&two, "a", 2);
    assert!(retry_after(&refused) > Duration::from_secs(8), "{}", refused.text());
    assert!(refused.text().contains("tenant-bytes-in"), "{}", refused.text());
    assert_eq!(post(&one, "b", 3).status, 200);
}

#[test]
fn an_export_is_slowed_down_and_whole_and_the_next_question_waits_for_it() {
    let server = server(CallLimits { rows_out: Some(2_000), ..NONE }, NONE);
    let records: Vec<String> = (0..6_000).map(|number| event(number, 1).to_string()).collect();
    server.store.ingest("t", &records);
    let li = principal(&server, "li", "auditor", &["t"]);
    let begun = Instant::now();
    let answer = server.get(&li, "/api/v1/events.ndjson?tenant=t");
    let took = begun.elapsed();
    assert_eq!(answer.text().lines().count(), 6_000);
    assert!(took >= Duration::from_millis(1_500), "{took:?}");
    let wang = principal(&server, "wang", "auditor", &["t"]);
    let begun = Instant::now();
    for _ in 0..4 {
        let events = server.json(&wang, "/api/v1/events?tenant=t&limit=1000")["events"].clone();
        assert_eq!(events.as_array().map(Vec::len), Some(1_000));
    }
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(400), "the fourth page waits: {took:?}");
}

#[test]
fn a_principal_has_a_share_of_the_exports() {
    let server = server(NONE, NONE);
    // More than what waits for a client that does not read.
    for part in 0..10 {
        let numbers = part * 5_000..(part + 1) * 5_000;
        let records: Vec<String> = numbers.map(|number| event(number, 300).to_string()).collect();
        server.store.ingest("t", &records);
    }
    let noisy = principal(&server, "noisy", "auditor", &["t"]);
    let other = principal(&server, "other", "auditor", &["t"]);
    let begin = |token: &str| {
        let request = Request::get("/api/v1/events.ndjson?tenant=t")
            .header("host", "localhost")
            .header("authorization", format!("Bearer {token}"))
            .body(Body::empty())
            .expect("a request");
        server
            .store
            .runtime
            .block_on(async { server.router.clone().oneshot(request).await.expect("an answer") })
    };
    let mut running: Vec<_> = (0..4).map(|_| begin(&noisy)).collect();
    assert!(running.iter().all(|answer| answer.status() == 200));
    let refused = begin(&noisy);
    assert_eq!(refused.status(), 503);
    assert_eq!(begin(&other).status(), 200);
    assert_eq!(refusals(&server, "principal", "exports"), 1);
    // One that has ended makes room.
    let first = running.remove(0);
    server.store.runtime.block_on(first.into_body().collect()).expect("it is whole");
    let deadline = Instant::now() + Duration::from_secs(30);
    while begin(&noisy).status() != 200 {
        assert!(Instant::now() < deadline, "its place is not given back");
    }
}

#[test]
fn among_many_clients_of_a_flooding_principal_another_one_is_always_answered() {
    let limits = CallLimits { questions: Some(4), ..NONE };
    let limits = ServerLimits { principal: limits, tenant: NONE };
    let mut store = TestStore::new();
    store.reopen_with(Settings { question_wait: Duration::from_secs(5), ..Settings::default() });
    let options = RouterOptions { credentials: true, limits, ..Default::default() };
    let server = Guarded::with_options(store, &options);
    let records: Vec<String> = (0..3_000).map(|number| event(number, 50).to_string()).collect();
    server.store.ingest("t", &records);
    let noisy = principal(&server, "noisy", "reader", &["t"]);
    let other = server.principal(&json!({ "name": "other", "roles": ["reader", "ingest"],
        "tenants": ["t"] }));
    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|threads| {
        for _ in 0..24 {
            threads.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let path = "/api/v1/events?tenant=t&limit=200&substring=xxxx";
                    let status = server.get(&noisy, path).status;
                    assert!(status == 200 || status == 503, "{status}");
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let (server, other) = (&server, &other);
                threads.spawn(move || {
                    for number in 0..15 {
                        let count = server.get(other, "/api/v1/count?tenant=t&source=ECS");
                        let id = 100_000 + client * 100 + number;
                        let path = "/api/v1/events?tenant=t";
                        let body = event(id, 10).to_string();
                        let posted = server.call(Some(other), "POST", path, body);
                        if count.status != 200 || posted.status != 200 {
                            return Err(format!("{} {}", count.text(), posted.text()));
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        let ended: Vec<_> = clients.into_iter().map(|client| client.join()).collect();
        over.store(true, Ordering::Relaxed);
        for end in ended {
            assert_eq!(end.expect("a thread"), Ok(()));
        }
    });
    assert!(asked.load(Ordering::Relaxed) > 24, "the flood was one");
    assert_eq!(server.store.get("/api/v1/count?tenant=t"), json!({ "count": 3_060 }));
}

/// Sends a request to a running server, with a form of credential; returns the status and body.
fn ask(server: &Server, head: &str, body: &str) -> (u16, String) {
    let address = server.url.trim_start_matches("http://");
    let mut connection = TcpStream::connect(address).expect("a connection");
    let length = body.len();
    write!(
        connection,
        "{head}\r\nhost: {address}\r\nconnection: close\r\ncontent-type: \
        application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .expect("it can be sent");
    let mut text = String::new();
    connection.read_to_string(&mut text).expect("an answer");
    let status = text.split(' ').nth(1).expect("a status").parse().expect("a number");
    (status, text)
}

#[test]
fn an_address_that_tries_many_tokens_is_held_back_and_a_true_token_is_not() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let data = folder.path().join("data");
    let server = Server::start_guarded(&data);
    let token = std::fs::read_to_string(data.join("first-admin-token")).expect("a token");
    let token = token.trim();
    let basic = |password: &str| {
        use base64::Engine as _;
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("token:{password}"));
        format!("GET /api/v1/me HTTP/1.1\r\nauthorization: Basic {pair}")
    };
    let sign_in = "POST /auth/login HTTP/1.1";
    let iam = "POST /v3/auth/tokens HTTP/1.1";
    let shown = |token: &str| json!({ "token": token }).to_string();
    let asked = |password: &str| {
        json!({ "auth": { "identity": { "methods": ["password"],
            "password": { "user": { "name": "admin", "password": password } } } } })
        .to_string()
    };
    for number in 0..10 {
        let guess = format!("guess-{number}");
        let (status, text) = match number % 3 {
            0 => ask(&server, sign_in, &shown(&guess)),
            1 => ask(&server, iam, &asked(&guess)),
            _ => ask(&server, &basic(&guess), ""),
        };
        assert_eq!(status, 401, "{text}");
    }
    for (status, text) in [
        ask(&server, sign_in, &shown("guess-more")),
        ask(&server, iam, &asked("guess-more")),
        ask(&server, &basic("guess-more"), ""),
    ] {
        assert_eq!(status, 503, "{text}");
        assert!(text.contains("address-failures") && text.contains("retry-after: "), "{text}");
    }
    // Nobody guesses the tokens that are made here, so they are looked at.
    assert_eq!(ask(&server, &basic(token), "").0, 200);
    assert_eq!(ask(&server, sign_in, &shown(token)).0, 200);
    assert_eq!(ask(&server, iam, &asked(token)).0, 201);
}
