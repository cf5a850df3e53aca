//! The trail of changes: each call that changes something is recorded once by the name of what was
//! done, and by its refusal where nothing was.

use super::matrix::asked;
use super::server::Guarded;
use crate::support::store::TestStore;
use annals::access::{SYSTEM_TENANT, Scope};
use annals::api::route_needs;
use annals::engine::{AtFailpoint, Failpoint, Settings};
use annals::error::Error;
use annals::query::{Filter, PageQuery, SortOrder};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The newest records of the trail, oldest first.
fn trail(server: &Guarded) -> Vec<Json> {
    let (engine, runtime) = (server.store.engine(), &server.store.runtime);
    runtime.block_on(engine.record_event("mark", json!({}))).expect("a record");
    let snapshot = engine.snapshot();
    let scope = Scope::of_operator(&[SYSTEM_TENANT]).expect("a scope");
    let query = PageQuery { limit: 500, order: SortOrder::Descending, ..PageQuery::default() };
    let page = engine.reader(&snapshot, None).list(&scope, &Filter::default(), &query);
    let mut events = page.expect("a page").events;
    events.sort_by_key(|event| event.seq);
    let records = events.iter().map(|event| serde_json::from_str(&event.original).expect("JSON"));
    records.filter(|record: &Json| record["event_name"] != "mark").collect()
}

/// A change: its method, path, body, and the event that says what was done. `{id}` in a path is the
/// id in the answer of the call before that made something.
type Change = (&'static str, &'static str, &'static str, &'static str, &'static str);

/// Each route that changes something, in an order in which all of them do.
const CHANGES: &[Change] = &[
    ("PUT", "/api/v1/views/{id}", "v1", r#"{"name":"n","query":"tenant=mine"}"#, "saveView"),
    ("DELETE", "/api/v1/views/{id}", "v1", "", "deleteView"),
    ("PUT", "/api/v1/retention", "?tenant=mine&days=400", "", "setRetention"),
    ("POST", "/api/v1/retention/run", "", "", "runRetention"),
    ("PUT", "/api/v1/holds/{name}", "h1?tenant=mine&reason=case", "", "placeHold"),
    ("DELETE", "/api/v1/holds/{name}", "h1?reason=over", "", "liftHold"),
    ("PATCH", "/api/v1/tenants/{name}", "mine", r#"{"customers":["c1"]}"#, "setTenant"),
    (
        "POST",
        "/api/v1/relationships",
        "",
        r#"{"partner":"p","customer":"c9","tenants":["mine"],"from":"2026-01-01T00:00:00Z"}"#,
        "createRelationship",
    ),
    (
        "PATCH",
        "/api/v1/relationships/{id}",
        "",
        r#"{"to":"2026-02-01T00:00:00Z"}"#,
        "changeRelationship",
    ),
    ("POST", "/api/v1/relationships/{id}/withdraw", "", "", "withdrawRelationship"),
    (
        "POST",
        "/api/v1/principals",
        "",
        r#"{"name":"made","roles":["reader"],"tenants":["mine"]}"#,
        "createPrincipal",
    ),
    ("PATCH", "/api/v1/principals/{name}", "made", r#"{"disabled":true}"#, "changePrincipal"),
    ("POST", "/api/v1/principals/{name}/tokens", "made", "{}", "createToken"),
    ("POST", "/api/v1/principals/{name}/tokens/{id}/rotate", "made", "{}", "rotateToken"),
    ("DELETE", "/api/v1/principals/{name}/tokens/{id}", "made", "", "removeToken"),
    ("DELETE", "/api/v1/principals/{name}", "made", "", "removePrincipal"),
    (
        "POST",
        "/api/v1/sources",
        "",
        r#"{"name":"c","kind":"cts","endpoint":"https://cts.example","tenant":"mine",
            "projects":["p1"],"since":"2026-06-01"}"#,
        "addSource",
    ),
    ("PATCH", "/api/v1/sources/{name}", "c", r#"{"every":"5m"}"#, "changeSource"),
    ("POST", "/api/v1/sources/{name}/pause", "c", r#"{"reason":"rest"}"#, "pauseSource"),
    ("POST", "/api/v1/sources/{name}/resume", "c", "", "resumeSource"),
    (
        "POST",
        "/api/v1/sources/{name}/gaps",
        "c",
        r#"{"from":"2026-01-01T00:00:00Z","to":"2026-02-01T00:00:00Z","reason":"before us"}"#,
        "declareGap",
    ),
    ("DELETE", "/api/v1/sources/{name}", "c", "", "removeSource"),
];

/// Routes whose changes other tests make, because they need a key, a folder, evidence, a session or a cloud.
const ELSEWHERE: &[&str] = &[
    "POST /api/v1/principals/{name}/access-keys",
    "DELETE /api/v1/principals/{name}/access-keys/{id}",
    "POST /api/v1/relationships/{id}/confirm",
    "POST /api/v1/backups",
    "DELETE /api/v1/sessions/{id}",
    "POST /api/v1/quarantine/decode",
    // What these bring is an event of its own; a source of traces has the last days alone.
    "POST /api/v1/sources/{name}/backfill",
];

/// Routes that change something: what is neither asked nor delivered.
fn changing() -> BTreeSet<String> {
    let rows = route_needs().filter(|(method, path)| {
        *method != "GET"
            && path.starts_with("/api/v1/")
            && !path.ends_with("/query")
            && !path.starts_with("/api/v1/events")
            // These use the credential of a source, and are recorded as such.
            && !["/api/v1/sources/{name}/test", "/api/v1/sources/{name}/run"].contains(path)
    });
    rows.map(|(method, path)| format!("{method} {path}")).collect()
}

fn server() -> Guarded {
    let server = Guarded::recording(TestStore::new(), false);
    let record = json!({ "trace_id": "a", "event_name": "n", "source": "s",
        "time": "2026-06-01T00:00:00Z" });
    server.store.ingest("mine", &[record.to_string()]);
    // Principals are created only where somebody may grant access.
    server.principal(&json!({ "name": "granter", "roles": ["security_administrator"],
        "tenants": [] }));
    server
}

#[test]
fn each_change_is_recorded_once_by_its_name() {
    let server = server();
    let mut walked: BTreeSet<String> = ELSEWHERE.iter().map(|route| (*route).to_owned()).collect();
    let mut id = String::new();
    for (method, path, named, body, event_name) in CHANGES {
        let route = format!("{method} {path}");
        let before = trail(&server).len();
        let filled = match (path.contains("{name}"), path.starts_with("/api/v1/views")) {
            (true, _) => path.replace("{name}", named),
            (false, true) => path.replace("{id}", named),
            (false, false) => format!("{path}{named}"),
        };
        let answer = server.call(None, method, &filled.replace("{id}", &id), *body);
        assert!(answer.status.is_success(), "{route}: {}", answer.text());
        if let Some(made) = answer.json()["id"].as_str() {
            made.clone_into(&mut id);
        }
        let names: Vec<String> = trail(&server)
            .split_off(before)
            .iter()
            .map(|record| record["event_name"].as_str().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(names, [*event_name], "{route}");
        walked.insert(route);
    }
    assert_eq!(walked, changing(), "a route that changes something is not walked");
}

#[test]
fn a_change_that_fails_is_recorded_with_the_reason() {
    let server = server();
    for route in changing() {
        let (method, path) = route.split_once(' ').expect("a route");
        let path = path.replace("{name}", "no%20body").replace("{id}", "nothing") + "?no=parameter";
        let before = trail(&server).len();
        let answer = server.call(None, method, &path, r#"{"no such member":1}"#);
        assert!(!answer.status.is_success(), "{route}");
        let records = trail(&server).split_off(before);
        let [record] = &records[..] else { panic!("{route}: {} in {records:?}", answer.text()) };
        assert_eq!(record["resource_name"], route, "{record}");
        assert_eq!(record["details"]["status"], answer.status.as_u16(), "{record}");
        assert_eq!(record["level"], "warning", "{record}");
        let own = ["readQuarantine", "endSession", "runRetention"];
        let is_own = own.iter().any(|own| record["event_name"] == *own);
        if !is_own {
            assert_eq!(record["event_name"], "refuseCall", "{route}");
            assert!(record["details"]["reason"].is_string(), "{record}");
        }
    }
}

/// Routes that are answered though nothing can be recorded: they tell nothing of what is stored.
const UNRECORDED: &[&str] = &[
    "GET /",
    "GET /livez",
    "GET /readyz",
    "GET /api/v1/livez",
    "GET /api/v1/readyz",
    "GET /api/v1/openapi.json",
    "GET /metrics",
    "GET /api/v1/metrics",
    "GET /auth/login",
    "GET /auth/methods",
    "GET /api/v1/me",
    "GET /api/v1/fields",
    "GET /v3/auth/domains",
];

#[test]
fn what_cannot_be_recorded_is_not_answered_by_any_route() {
    let backups = tempfile::tempdir().expect("a temporary directory");
    let fails = Arc::new(AtomicBool::new(false));
    let at = Arc::clone(&fails);
    let at_failpoint = AtFailpoint::new(move |step| match step {
        Failpoint::Numbered if at.load(Ordering::Relaxed) => Err(Error::internal("no disk")),
        _ => Ok(()),
    });
    let mut store = TestStore::new();
    store.reopen_with(Settings {
        at_failpoint,
        compact: false,
        backups: Some(backups.path().to_owned()),
        ..Settings::default()
    });
    let record = json!({ "trace_id": "canary-of-mine", "event_name": "n", "source": "s",
        "time": "2026-06-01T00:00:00Z" });
    store.ingest("mine", &[record.to_string()]);
    let server = Guarded::recording(store, false);
    let copy = backups.path().join("copy");
    fails.store(true, Ordering::Relaxed);
    for (method, path) in route_needs() {
        let route = format!("{method} {path}");
        // Deliveries are not recorded, but stored; handshakes of shippers are the same for all.
        let of_doors = ["/v1/logs", "/otlp/", "/cloudevents", "/k8s/", "/es/", "/_", "/{index}"];
        let is_door = of_doors.iter().any(|start| path.starts_with(start));
        if UNRECORDED.contains(&route.as_str()) || is_door || route == "POST /api/v1/events" {
            continue;
        }
        let (asked, body) = asked(method, path);
        let answer = server.call(None, method, &asked, body);
        let told = answer.text();
        assert!(!answer.status.is_success(), "{route}: {told}");
        assert!(!told.contains("canary-of-mine"), "{route}: {told}");
    }
    let answer = server.call(None, "POST", "/api/v1/backups?name=copy", "");
    let is_made = copy.join("events").exists();
    assert!(answer.status.is_server_error() && !is_made, "{}", answer.text());
    fails.store(false, Ordering::Relaxed);
    assert_eq!(server.call(None, "GET", "/api/v1/count?tenant=mine", "").status, 200);
    let answer = server.call(None, "POST", "/api/v1/backups?name=copy", "");
    let is_made = copy.join("events").exists();
    assert!(answer.status.is_success() && is_made, "{}", answer.text());
}
