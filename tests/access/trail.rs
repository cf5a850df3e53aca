//! The trail: every question, export, sign-in and refusal is recorded before it is answered.

use super::matrix::asked;
use super::server::{Answer, Guarded};
use crate::support::process::{Server, annals};
use crate::support::store::TestStore;
use annals::access::{SYSTEM_TENANT, Scope};
use annals::api::route_needs;
use annals::engine::{AtFailpoint, Failpoint, Settings};
use annals::error::Error;
use annals::event::{Event, Timestamp};
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value as Json, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tower::ServiceExt;

/// How each route is recorded, as a reviewer reads it.
const EXPECTED: &str = "tests/access/trail.txt";

/// A server that records what is asked.
pub(super) fn server(credentials: bool) -> Guarded {
    Guarded::recording(TestStore::new(), credentials)
}

/// The events of the store's own tenant, oldest first, with the record of each. Those that are only
/// written are synced before.
fn trail(server: &Guarded) -> Vec<Json> {
    let (engine, runtime) = (server.store.engine(), &server.store.runtime);
    runtime.block_on(engine.record_event("mark", json!({}))).expect("a record");
    synced(server)
}

/// The same, of those that are on the disk now.
fn synced(server: &Guarded) -> Vec<Json> {
    let engine = server.store.engine();
    let snapshot = engine.snapshot();
    let scope = Scope::of_operator(&[SYSTEM_TENANT]).expect("a scope");
    let reader = engine.reader(&snapshot, None);
    let mut events: Vec<Event> = Vec::new();
    let mut cursor = None;
    loop {
        let query = annals::query::PageQuery { limit: 500, cursor, ..Default::default() };
        let page = reader.list(&scope, &annals::query::Filter::default(), &query).expect("a page");
        events.extend(page.events);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    events.sort_by_key(|event| event.seq);
    let records = events.iter().map(|event| {
        serde_json::from_str::<Json>(&event.original).expect("a record of the store is JSON")
    });
    records.filter(|record| record["event_name"] != "mark").collect()
}

/// Takes in this many events of the tenant `t`.
fn ingest(server: &Guarded, count: u32) {
    let record = |number: u32| {
        json!({ "trace_id": format!("e{number}"), "event_name": "n", "source": "ECS",
            "time": "2026-06-01T00:00:00Z" })
        .to_string()
    };
    server.store.ingest("t", &(0..count).map(record).collect::<Vec<_>>());
}

/// Those of a name.
pub(super) fn named(server: &Guarded, event_name: &str) -> Vec<Json> {
    trail(server).into_iter().filter(|record| record["event_name"] == event_name).collect()
}

#[test]
fn every_route_is_recorded_as_the_table_says() {
    let server = server(false);
    server.store.ingest(
        "mine",
        &[json!({ "trace_id": "canary-of-mine", "event_name": "n",
        "source": "s", "time": "2026-06-01T00:00:00Z" })
        .to_string()],
    );
    let mut table = String::new();
    for (method, path) in route_needs() {
        let before = trail(&server).len();
        let (asked, body) = asked(method, path);
        let answer = server.call(None, method, &asked, body);
        assert_ne!(answer.status, 500, "{method} {path}");
        let records = trail(&server).split_off(before);
        let route = format!("{method} {path}");
        let names: Vec<&str> = records
            .iter()
            .filter(|record| record["resource_name"] == route.as_str())
            .filter_map(|record| record["event_name"].as_str())
            .collect();
        assert!(names.len() <= 1, "{route}: {names:?}");
        // What changes something is recorded with its change, if it changes anything.
        let name = names.first().copied().unwrap_or("-");
        table.push_str(&format!("{route}: {name}\n"));
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(EXPECTED);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &table).expect("the file can be written");
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(table, expected, "{EXPECTED} says otherwise; UPDATE_GOLDEN=1 writes it again");
    for line in table.lines().filter(|line| line.contains("/events") && line.starts_with("GET")) {
        assert!(!line.ends_with("-"), "events are read, and nobody is told: {line}");
    }
}

#[test]
fn a_record_says_who_asked_what_and_what_it_gave() {
    let server = server(true);
    ingest(&server, 5);
    let li = json!({ "name": "li", "roles": ["auditor"], "tenants": ["t"],
        "rows": { "source": "ECS" }, "masks": { "source_ip": "hide" } });
    let token = server.principal(&li);
    let id = token.split('_').nth(1).expect("an id").to_owned();
    let list = "/api/v1/events?source=ECS&limit=2";
    let first = server.json(&token, list);
    let record = named(&server, "askQuestion").pop().expect("a record");
    let details = &record["details"];
    assert_eq!((&record["operator"], &record["code"]), (&json!("li"), &json!("begun")));
    assert_eq!(record["resource_name"], "GET /api/v1/events");
    assert_eq!(details["token"], id.as_str());
    assert_eq!(
        details["asked"],
        json!({ "path": "/api/v1/events", "query": "source=ECS&limit=2" })
    );
    let sees = json!({ "tenants": ["t"], "rows": { "source": "ECS" },
        "masks": { "source_ip": "hide" } });
    assert_eq!(details["may_see"], sees);
    assert_eq!((&details["status"], &details["rows"]), (&json!(200), &json!(2)));
    // Its pages and repetitions are counted with it, and the end says how many there were.
    let cursor = first["next_cursor"].as_str().expect("another page");
    server.json(&token, &format!("{list}&cursor={cursor}"));
    server.json(&token, list);
    assert_eq!(named(&server, "askQuestion").len(), 1);
    let body = json!({ "source": ["ECS"], "cursor": cursor, "limit": 2 }).to_string();
    let answer = server.call(Some(&token), "POST", "/api/v1/events/query", body);
    assert!(answer.status == 200 || answer.status == 400, "{}", answer.text());
    let posted = named(&server, "askQuestion").pop().expect("a record");
    assert_eq!(posted["details"]["asked"]["body"], r#"{"limit":2,"source":["ECS"]}"#);
    let (engine, runtime) = (server.store.engine(), &server.store.runtime);
    let now = engine.clock().now().millis();
    server.store.clock.set(Timestamp::from_millis(now + 60_000));
    runtime.block_on(engine.record_ends(false)).expect("ends");
    let ends = named(&server, "askQuestion");
    let end = ends
        .iter()
        .find(|end| end["code"] == "done" && end["resource_id"] == record["resource_id"])
        .expect("the end of the first question");
    assert_eq!((&end["details"]["count"], &end["details"]["rows"]), (&json!(3), &json!(6)));
    assert_ne!(end["trace_id"], record["trace_id"]);
    // Asked again, it is recorded again.
    server.json(&token, list);
    let begun = |record: &&Json| record["code"] == "begun";
    assert_eq!(named(&server, "askQuestion").iter().filter(begun).count(), 3);
    assert!(!json!(trail(&server)).to_string().contains(&token[20..40]), "no secret is recorded");
}

#[test]
fn exports_sign_ins_refusals_and_other_reads_are_recorded() {
    let server = server(true);
    ingest(&server, 700);
    let token = server.principal(&json!({ "name": "li", "roles": ["auditor"], "tenants": ["t"] }));
    let exported = server.get(&token, "/api/v1/events.ndjson?source=ECS");
    assert_eq!(exported.text().lines().count(), 700);
    server.store.runtime.block_on(server.store.engine().record_ends(true)).expect("ends");
    let exports = named(&server, "exportEvents");
    assert_eq!(exports.len(), 2, "{exports:?}");
    let done = &exports[1]["details"];
    assert_eq!(exports[1]["code"], "done");
    assert_eq!(done["bytes"], exported.body.len());
    assert_eq!(done["rows"], 700);

    // Who shows a wrong credential, or asks for what is not permitted.
    server.get("annals_made_up_token", "/api/v1/count?tenant=t");
    server.get(&token, "/api/v1/principals");
    let other = server.get(&token, "/api/v1/count?tenant=other");
    assert_eq!(other.status, 403);
    let refused = named(&server, "refuseCall");
    let told: Vec<(&Json, &Json, &Json)> = refused
        .iter()
        .map(|record| (&record["operator"], &record["resource_name"], &record["details"]["status"]))
        .collect();
    assert_eq!(
        told,
        [
            (&json!("unknown"), &json!("GET /api/v1/count"), &json!(401)),
            (&json!("li"), &json!("GET /api/v1/principals"), &json!(403)),
        ]
    );
    let id = token.split('_').nth(1).expect("an id");
    assert_eq!(refused[1]["details"]["token"], id, "with which credential, and where");
    assert_eq!(refused[1]["details"]["asked"]["path"], "/api/v1/principals");
    let asked = named(&server, "askQuestion").pop().expect("a record");
    assert_eq!((&asked["details"]["status"], &asked["level"]), (&json!(403), &json!("warning")));
    for _ in 0..50 {
        server.get("annals_made_up_token", "/api/v1/count?tenant=t");
    }
    assert_eq!(named(&server, "refuseCall").len(), 2, "a flood is counted, and fills nothing");

    let sign_in = |token: &str, beside: Option<&str>| -> Answer {
        let body = json!({ "token": token }).to_string();
        let request = Request::post("/auth/login")
            .header("host", "localhost")
            .header("origin", "http://localhost")
            .header("content-type", "application/json");
        // Another credential says nothing of who signs in.
        let request = match beside {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        };
        server.send(request.body(Body::from(body)).expect("a request"))
    };
    assert_eq!(sign_in(&token, None).status, 200);
    assert_eq!(sign_in("annals_wrong", Some(&token)).status, 401);
    let sign_ins = named(&server, "signIn");
    let told: Vec<(&Json, &Json)> =
        sign_ins.iter().map(|record| (&record["operator"], &record["details"]["status"])).collect();
    assert_eq!(told, [(&json!("li"), &json!(200)), (&json!("unknown"), &json!(401))]);
    assert!(!json!(sign_ins).to_string().contains("annals_wrong"));
}

#[test]
fn a_question_is_recorded_as_a_whole_or_not_answered() {
    let server = server(true);
    let token = server.principal(&json!({ "name": "li", "roles": ["auditor"], "tenants": ["t"] }));
    let asked = |first: usize| {
        let value = |number: usize| format!("{number:01000}");
        let values: Vec<String> = (0..first / 1_000).map(value).collect();
        let body = json!({ "any": [{ "source": values }, { "operator": "the-victim" }] });
        let path = "/api/v1/count/query?tenant=t";
        server.call(Some(&token), "POST", path, body.to_string())
    };
    let answer = asked(200_000);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let record = named(&server, "askQuestion").pop().expect("its record").to_string();
    assert!(record.contains("the-victim"), "{}", &record[..1_000]);
    assert_eq!(asked(300_000).status, 413);
}

#[test]
fn what_is_refused_is_recorded_with_what_it_was_about() {
    let server = server(true);
    let admin = json!({ "name": "ada", "roles": ["tenant_administrator"], "tenants": ["t"] });
    let admin = server.principal(&admin);
    for name in ["one", "two"] {
        let path = format!("/api/v1/holds/{name}?reason=x");
        assert_eq!(server.call(Some(&admin), "DELETE", &path, Body::empty()).status, 404);
    }
    let records = named(&server, "refuseCall");
    let paths: Vec<&Json> = records.iter().map(|one| &one["details"]["asked"]["path"]).collect();
    assert_eq!(paths, ["/api/v1/holds/one", "/api/v1/holds/two"]);
    // By interfaces that answer for each record, too.
    let producer = json!({ "name": "pia", "roles": ["ingest"], "tenants": ["t", "u"] });
    let producer = server.principal(&producer);
    let own = json!({ "event_name": "n", "source": "s", "project_id": "t" });
    let other = json!({ "event_name": "n", "source": "s", "project_id": "victim" });
    let bulk = format!("{{\"create\":{{\"_index\":\"victim\"}}}}\n{other}\n");
    let lines = format!("{own}\n{other}\n");
    for (path, body) in [("/_bulk", bulk), ("/api/v1/events?tenant_from=project_id", lines)] {
        assert_eq!(server.call(Some(&producer), "POST", path, body).status, 200, "{path}");
        let last = named(&server, "refuseRecords").pop().expect("a record");
        assert_eq!((&last["operator"], &last["level"]), (&json!("pia"), &json!("warning")));
        assert_eq!(last["details"]["tenants"], json!(["victim"]), "{last}");
    }
    assert_eq!(named(&server, "refuseRecords").len(), 2);
}

#[test]
fn an_export_that_breaks_off_is_recorded_with_what_it_had_given() {
    let server = server(true);
    ingest(&server, 20_000);
    let token = server.principal(&json!({ "name": "li", "roles": ["auditor"], "tenants": ["t"] }));
    let request = Request::get("/api/v1/events.ndjson")
        .header("host", "localhost")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::empty())
        .expect("a request");
    server.store.runtime.block_on(async {
        let answer = server.router.clone().oneshot(request).await.expect("an answer");
        let mut body = answer.into_body();
        let first = body.frame().await.expect("a piece").expect("a piece");
        assert!(first.is_data());
    });
    server.store.runtime.block_on(server.store.engine().record_ends(true)).expect("ends");
    let done = named(&server, "exportEvents").pop().expect("its end");
    let details = &done["details"];
    assert_eq!((&done["code"], &details["broken_off"]), (&json!("done"), &json!(1)), "{done}");
    assert!(details["rows"].as_u64() > Some(0) && details["bytes"].as_u64() > Some(0), "{done}");
    // A whole one has not broken off.
    server.get(&token, "/api/v1/events.csv");
    server.store.runtime.block_on(server.store.engine().record_ends(true)).expect("ends");
    let done = named(&server, "exportEvents").pop().expect("its end");
    let details = &done["details"];
    assert_eq!((&details["broken_off"], &details["rows"]), (&Json::Null, &json!(20_000)), "{done}");
    // Nor has one of which only the head is asked.
    let head = server.call(Some(&token), "HEAD", "/api/v1/events.parquet", Body::empty());
    assert_eq!((head.status.as_u16(), head.text()), (200, String::new()));
    server.store.runtime.block_on(server.store.engine().record_ends(true)).expect("ends");
    let last = named(&server, "exportEvents").pop().expect("its record");
    assert_eq!(last["resource_name"], "HEAD /api/v1/events.parquet", "{last}");
    assert_eq!(last["details"]["broken_off"], Json::Null, "{last}");
}

#[test]
fn what_must_be_is_on_the_disk_when_the_answer_leaves_and_questions_are_soon_after() {
    let server = server(true);
    ingest(&server, 3);
    let token = server.principal(&json!({ "name": "li", "roles": ["auditor"], "tenants": ["t"] }));
    let login = |token: &str| {
        let request = Request::post("/auth/login")
            .header("host", "localhost")
            .header("origin", "http://localhost")
            .header("content-type", "application/json");
        let body = json!({ "token": token }).to_string();
        server.send(request.body(Body::from(body)).expect("a request"));
    };
    type Call<'a> = &'a dyn Fn();
    let calls: [(&str, Call<'_>); 6] = [
        ("exportEvents", &|| drop(server.get(&token, "/api/v1/events.csv"))),
        ("readQuarantine", &|| drop(server.get(&token, "/api/v1/quarantine"))),
        ("signIn", &|| login(&token)),
        ("signIn", &|| login("annals_wrong")),
        ("refuseCall", &|| drop(server.get("annals_made_up", "/api/v1/count"))),
        ("refuseCall", &|| drop(server.get(&token, "/api/v1/principals"))),
    ];
    let count =
        |name: &str| synced(&server).iter().filter(|record| record["event_name"] == name).count();
    for (at, (name, call)) in calls.iter().enumerate() {
        let before = count(name);
        call();
        assert_eq!(count(name), before + 1, "{at}: {name} is not on the disk");
    }
    // A question is written, and the disk has it without anybody asking for that.
    server.json(&token, "/api/v1/count");
    let began = std::time::Instant::now();
    while count("askQuestion") == 0 {
        assert!(began.elapsed().as_secs() < 30, "the question is not on the disk");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn two_sessions_of_one_person_at_one_address_are_two() {
    let server = server(true);
    ingest(&server, 1);
    let token = server.principal(&json!({ "name": "li", "roles": ["reader"], "tenants": ["t"] }));
    for _ in 0..2 {
        let request = Request::post("/auth/login")
            .header("host", "localhost")
            .header("origin", "http://localhost")
            .header("content-type", "application/json");
        let body = json!({ "token": token }).to_string();
        let signed_in = server.send(request.body(Body::from(body)).expect("a request"));
        let cookie = signed_in.headers["set-cookie"].to_str().expect("a cookie");
        let cookie = cookie.split(';').next().expect("a value").to_owned();
        for _ in 0..2 {
            let request = Request::get("/api/v1/count?level=warning")
                .header("host", "localhost")
                .header("sec-fetch-site", "same-origin")
                .header("cookie", &cookie);
            let answer = server.send(request.body(Body::empty()).expect("a request"));
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    }
    let asked = named(&server, "askQuestion");
    let in_session = asked.iter().filter_map(|record| record["details"]["session"].as_str());
    assert_eq!(in_session.collect::<std::collections::BTreeSet<_>>().len(), 2, "{asked:?}");
    let of_level = |record: &&Json| record["details"]["asked"]["query"] == "level=warning";
    assert_eq!(asked.iter().filter(of_level).count(), 2, "one for each session");
}

#[test]
fn reading_the_trail_is_recorded_once_and_seen_by_who_may() {
    let server = server(true);
    let audit = server.principal(&json!({ "name": "au", "roles": ["audit_administrator"] }));
    for _ in 0..3 {
        server.json(&audit, "/api/v1/events?tenant=_annals&limit=10");
    }
    let asked = named(&server, "askQuestion");
    assert_eq!(asked.len(), 1, "{asked:?}");
    let li = server.principal(&json!({ "name": "li", "roles": ["auditor"], "tenants": ["*"] }));
    assert_eq!(server.get(&li, "/api/v1/events?tenant=_annals").status, 403);
    assert_eq!(server.json(&li, "/api/v1/count?tenant=*"), json!({ "count": 0 }));
}

#[test]
fn what_cannot_be_recorded_is_not_answered() {
    let fails = Arc::new(AtomicBool::new(false));
    let at = Arc::clone(&fails);
    let reached = move |step| match step {
        Failpoint::Numbered if at.load(Ordering::Relaxed) => Err(Error::internal("no disk")),
        _ => Ok(()),
    };
    let mut store = TestStore::new();
    let at_failpoint = AtFailpoint::new(reached);
    store.reopen_with(Settings { at_failpoint, compact: false, ..Settings::default() });
    store.ingest(
        "t",
        &[json!({ "event_name": "n", "source": "s",
        "time": "2026-06-01T00:00:00Z" })
        .to_string()],
    );
    let server = Guarded::recording(store, true);
    let token = server.principal(&json!({ "name": "li", "roles": ["auditor"], "tenants": ["t"] }));
    let manager = server.principal(&json!({ "name": "sys", "roles": ["system_administrator"] }));
    fails.store(true, Ordering::Relaxed);
    for path in ["/api/v1/count", "/api/v1/events", "/api/v1/events.csv", "/api/v1/quarantine"] {
        let answer = server.get(&token, path);
        assert_eq!(answer.status, 503, "{path}: {}", answer.text());
        assert!(answer.text().contains("cannot be recorded"), "{path}: {}", answer.text());
        assert!(answer.headers.contains_key("retry-after"), "{path}");
    }
    fails.store(false, Ordering::Relaxed);
    assert_eq!(server.json(&token, "/api/v1/count"), json!({ "count": 1 }));
    let printed = server.get(&manager, "/metrics").text();
    let failures = printed.lines().find_map(|line| {
        line.strip_prefix("annals_trail_failures_total ").and_then(|value| value.parse().ok())
    });
    assert!(failures >= Some(4_u64), "{failures:?}: {printed}");
}

#[test]
fn refused_credentials_are_counted_by_what_they_were_sent_for() {
    let server = Guarded::recording(TestStore::new(), true);
    let manager = json!({ "name": "sys", "roles": ["system_administrator"] });
    let manager = server.principal(&manager);
    let counted = || {
        let text = server.get(&manager, "/metrics").text();
        ["call", "sign_in"].map(|of| {
            let name = format!("annals_refused_credentials_total{{of=\"{of}\"}} ");
            let value = text.lines().find_map(|line| line.strip_prefix(&name).map(str::to_owned));
            value.expect("a value").parse::<u64>().expect("a number")
        })
    };
    assert_eq!(counted(), [0, 0]);
    assert_eq!(server.get("annals_wrong", "/api/v1/count").status, 401);
    assert_eq!(counted(), [1, 0]);
    // Without a credential, and with one that permits other calls, none is refused.
    assert_eq!(server.call(None, "GET", "/api/v1/count", Body::empty()).status, 401);
    assert_eq!(server.get(&manager, "/api/v1/count").status, 403);
    assert_eq!(counted(), [1, 0]);
    let sign_in = Request::post("/auth/login")
        .header("host", "localhost")
        .header("origin", "http://localhost")
        .header("content-type", "application/json")
        .body(json!({ "token": "wrong" }).to_string().into())
        .expect("a request");
    assert_eq!(server.send(sign_in).status, 401);
    let user = json!({ "name": "sys", "password": "wrong" });
    let body = json!({ "auth": { "identity": { "methods": ["password"],
        "password": { "user": user } } } });
    let asked = server.call(None, "POST", "/v3/auth/tokens", body.to_string());
    assert_eq!(asked.status, 401);
    assert_eq!(counted(), [1, 2]);
}

#[test]
fn a_kill_loses_no_question_that_was_answered() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let mut asked = Vec::new();
    for round in 0..3 {
        let server = Server::start(folder.path());
        for number in 0..40 {
            let query = format!("tenant=t&resource_id=r-{round}-{number}");
            let answer = get(&server, &format!("/api/v1/count?{query}"));
            assert!(answer.contains("\"count\""), "{answer}");
            asked.push(query);
        }
        server.kill();
    }
    let data = folder.path().to_string_lossy().into_owned();
    let trail = annals(&[
        "query",
        "--data",
        &data,
        "--tenant",
        "_annals",
        "--limit",
        "1000",
        "--event-name",
        "askQuestion",
        "-o",
        "ndjson",
        "--original",
    ])
    .ok();
    for query in &asked {
        assert!(trail.contains(&format!("{query}\\\"")), "{query} was answered, and not recorded");
    }
    for line in trail.lines() {
        let record: Json = serde_json::from_str(line).expect("a record");
        let record: Json = match record["original"].as_str() {
            Some(original) => serde_json::from_str(original).expect("a record"),
            None => record,
        };
        let details = &record["details"];
        assert_eq!(record["source_ip"], "127.0.0.1", "{record}");
        assert!(details["bytes"].as_u64() > Some(0) && details["millis"].is_u64(), "{record}");
    }
    let starts =
        annals(&["count", "--data", &data, "--tenant", "_annals", "--event-name", "startServer"]);
    assert_eq!(starts.ok().trim(), r#"{"count":3}"#);
}

#[test]
fn a_start_tells_what_is_new_and_how_the_process_before_ended() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let started = |flags: &[&str]| Server::start_with(folder.path(), flags);
    let torn = |wal: &Path| {
        let newest = std::fs::read_dir(wal).expect("a log").filter_map(|file| {
            let path = file.expect("a file").path();
            (path.extension().is_some_and(|kind| kind == "wal")).then_some(path)
        });
        newest.max().expect("a file of the log")
    };
    started(&["--principal-requests", "9"]).stop();
    started(&["--principal-requests", "9"]).kill();
    started(&["--principal-requests", "8", "--connections", "77"]).kill();
    let log = torn(&folder.path().join("wal"));
    let mut file = std::fs::OpenOptions::new().append(true).open(&log).expect("the log");
    file.write_all(b"half of a batch").expect("it is written");
    started(&["--principal-requests", "8", "--connections", "77"]).stop();
    let data = folder.path().to_string_lossy().into_owned();
    let words = ["query", "--data", &data, "--tenant", "_annals", "--order", "asc"];
    let recorded = annals(&[&words[..], &["-o", "ndjson", "--original"]].concat()).ok();
    let recorded: Vec<Json> = recorded
        .lines()
        .map(|line| serde_json::from_str::<Json>(line).expect("JSON"))
        .filter(|event| event["resource_type"] == "store" && event["event_name"] != "createStore")
        .collect();
    let names: Vec<&str> =
        recorded.iter().filter_map(|event| event["event_name"].as_str()).collect();
    assert_eq!(
        names,
        [
            "startServer",
            "stopServer",
            "startServer",
            "recoverStore",
            "changeConfiguration",
            "startServer",
            "recoverStore",
            "startServer",
            "stopServer",
        ]
    );
    let details = |position: usize| -> Json {
        let text = recorded[position]["original"].as_str().expect("a record");
        serde_json::from_str::<Json>(text).expect("JSON")["details"].clone()
    };
    assert_eq!(details(3)["stopped"], false);
    let expected = json!({ "before": { "connections": 10_000, "principal_limits": {
        "requests": 9, "questions": 32 } }, "after": { "connections": 77, "principal_limits": {
        "requests": 8, "questions": 32 } } });
    assert_eq!(details(4), expected);
    assert_eq!(details(6)["torn_bytes"], 15);
    assert_eq!(details(7)["settings"]["auth"], "none");
}

/// The answer of a real server, with its head.
fn get(server: &Server, path: &str) -> String {
    let address = server.url.strip_prefix("http://").expect("an address");
    let mut stream = TcpStream::connect(address).expect("connections are taken");
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("it is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}
