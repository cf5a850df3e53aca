//! The native API over HTTP: shapes, errors, limits, isolation.

use crate::support::store::TestStore;
use annals::api::router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value as Json, json};
use std::io::Write;
use std::sync::Arc;
use tower::ServiceExt;

impl TestStore {
    pub(crate) fn send(&self, request: Request<Body>) -> (StatusCode, String, Vec<u8>) {
        let router = router(Arc::clone(self.engine()));
        self.runtime.block_on(async {
            let response = router.oneshot(request).await.expect("the router answers");
            let kind = response
                .headers()
                .get(header::CONTENT_TYPE)
                .and_then(|kind| kind.to_str().ok())
                .unwrap_or_default()
                .to_owned();
            (
                response.status(),
                kind,
                to_bytes(response.into_body(), usize::MAX).await.expect("a body").to_vec(),
            )
        })
    }

    pub(crate) fn get(&self, path: &str) -> Json {
        let (status, _, body) =
            self.send(Request::get(path).body(Body::empty()).expect("a request"));
        let json = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(status, StatusCode::OK, "{path}: {json}");
        json
    }

    pub(crate) fn post(&self, path: &str, body: impl Into<Body>) -> Json {
        let (status, _, body) =
            self.send(Request::post(path).body(body.into()).expect("a request"));
        let json = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(status, StatusCode::OK, "{path}: {json}");
        json
    }

    /// A request that must be refused, and how it was.
    pub(crate) fn refused(&self, request: Request<Body>, status: u16) -> Json {
        let (found, kind, body) = self.send(request);
        let problem: Json = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(found.as_u16(), status, "{problem}");
        assert_eq!(kind, "application/problem+json");
        assert_eq!(problem["status"], status);
        assert!(
            problem["detail"].as_str().is_some_and(|detail| !detail.is_empty())
                && problem["title"].is_string()
        );
        problem
    }

    pub(crate) fn wrong(&self, path: &str, parameter: &str) {
        let problem = self.refused(Request::get(path).body(Body::empty()).expect("a request"), 400);
        assert_eq!(problem["parameter"], parameter, "{path}: {problem}");
    }
}

fn record(number: i64) -> Json {
    let pick = |values: &[&'static str]| values[number as usize % values.len()];
    json!({
        "trace_id": format!("t{number}"), "trace_name": pick(&["create", "delete"]),
        "service_type": pick(&["ECS", "VPC", "日志"]),
        "resource_type": "ecs", "resource_name": "web", "trace_rating": "normal",
        "time": 1_772_323_200_000_i64 + number * 60_000, "project_id": "p",
    })
}

fn lines(numbers: std::ops::Range<i64>) -> String {
    numbers.map(|number| record(number).to_string() + "\n").collect()
}

#[test]
fn records_are_taken_in_in_every_form() {
    let store = TestStore::new();
    let answer = store.post("/api/v1/events?tenant=t", lines(0..10));
    assert_eq!(
        (&answer["accepted"], &answer["duplicates"], &answer["quarantined"]),
        (&10.into(), &0.into(), &json!([]))
    );
    assert_eq!(
        (&answer["receipt"]["first_seq"], &answer["receipt"]["last_seq"]),
        (&1.into(), &10.into())
    );
    let array: Vec<Json> = (5..15).map(record).collect();
    let answer = store.post("/api/v1/events?tenant=t&format=cts", json!(array).to_string());
    assert_eq!((&answer["accepted"], &answer["duplicates"]), (&5.into(), &5.into()));
    let traces: Vec<Json> = (15..20).map(record).collect();
    assert_eq!(
        store.post(
            "/api/v1/events?tenant=t",
            json!({ "traces": traces, "meta_data": { "count": 5 } }).to_string()
        )["accepted"],
        5
    );
    let trail = json!({ "Records": [{ "eventID": "c", "eventName": "n", "eventSource": "s",
        "eventTime": "2026-03-01T00:00:00Z" }] });
    assert_eq!(store.post("/api/v1/events?tenant=t", trail.to_string())["accepted"], 1);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(lines(20..25).as_bytes()).expect("memory");
    assert_eq!(
        store.post("/api/v1/events?tenant=t", gzip.finish().expect("memory"))["accepted"],
        5,
        "told by its first bytes"
    );
    let zstd = zstd::encode_all(lines(25..30).as_bytes(), 1).expect("memory");
    let request = Request::post("/api/v1/events?tenant=t")
        .header(header::CONTENT_ENCODING, "zstd")
        .body(Body::from(zstd))
        .expect("a request");
    assert_eq!(store.send(request).0, StatusCode::OK);
    assert_eq!(
        store.post("/api/v1/events?tenant_from=project_id", lines(0..3))["accepted"],
        3,
        "another tenant's"
    );
    assert_eq!(store.get("/api/v1/count?tenant=t"), json!({ "count": 31 }));
    assert_eq!(store.get("/api/v1/count?tenant=p"), json!({ "count": 3 }));
    assert_eq!(store.get("/api/v1/count?tenant=*"), json!({ "count": 34 }));
}

#[test]
fn pages_facets_and_histograms_have_their_shapes() {
    let store = TestStore::new();
    store.post("/api/v1/events?tenant=t", lines(0..25));
    let mut cursor = String::new();
    let mut seen = Vec::new();
    loop {
        let page = store.get(&format!("/api/v1/events?tenant=t&limit=10{cursor}"));
        seen.extend(
            page["events"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|event| event["trace_id"].as_str().expect("an id").to_owned()),
        );
        assert_eq!(page["prev_cursor"].is_null(), cursor.is_empty());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, (0..25).rev().map(|number| format!("t{number}")).collect::<Vec<_>>());
    let asked = store.post(
        "/api/v1/events/query?tenant=t",
        json!({ "source": ["ECS", "VPC"], "limit": 3, "event_name.not": "delete" }).to_string(),
    );
    assert_eq!(
        asked["events"],
        store.get("/api/v1/events?tenant=t&source=ECS&source=VPC&limit=3&event_name.not=delete")["events"]
    );
    assert_eq!(
        store.get("/api/v1/events?tenant=t&order=asc&limit=1")["events"][0]["trace_id"],
        "t0"
    );
    assert_eq!(
        store.get("/api/v1/events?tenant=t&around=2026-03-01T00:05:00Z&limit=1")["events"][0]["trace_id"],
        "t5"
    );
    let facets = store.get("/api/v1/facets?tenant=t&fields=source,level&size=2");
    assert_eq!(
        facets["facets"]["source"],
        json!([{ "value": "ECS", "count": 9 }, { "value": "VPC", "count": 8 }])
    );
    assert_eq!(facets["facets"]["level"], json!([{ "value": "normal", "count": 25 }]));
    assert_eq!(
        store.get("/api/v1/top?tenant=t&field=event_name&size=1"),
        json!({ "field": "event_name", "values": [{ "value": "create", "count": 13 }], "without": 0 })
    );
    let histogram = store.get("/api/v1/histogram?tenant=t&interval=10m&by=event_name");
    assert_eq!(histogram["interval"], "10m");
    assert_eq!(
        histogram["buckets"][0],
        json!({ "start": "2026-03-01T00:00:00.000Z", "count": 10, "by": { "create": 5,
            "delete": 5 } })
    );
    let explain = store.get("/api/v1/events?tenant=t&explain=true&source=ECS");
    assert_eq!(
        explain["explain"]["steps"][0]["path"], "buffer",
        "accepted, durable, and in no segment yet"
    );
    let page = store.get("/api/v1/events?tenant=t&limit=7&source=ECS");
    store.engine().seal().expect("a commit");
    assert_eq!(
        store.get("/api/v1/events?tenant=t&limit=7&source=ECS"),
        page,
        "sealing changes no answer and no cursor"
    );
    let explain = store.get("/api/v1/events?tenant=t&explain=true&source=ECS");
    assert_eq!(explain["explain"]["steps"][0]["path"], "lookup");
}

#[test]
fn one_event_comes_with_its_record_byte_for_byte() {
    let store = TestStore::new();
    let odd =
        "{ \"trace_name\":\"n\", \"trace_id\":\"a/b c\",\t\"time\":1772323200000,\"x\":1.50 }";
    store.post("/api/v1/events?tenant=t", odd);
    let event = store.get("/api/v1/events/a%2Fb%20c?tenant=t");
    assert_eq!(event["original"], odd);
    store.refused(
        Request::get("/api/v1/events/nothing?tenant=t").body(Body::empty()).expect("a request"),
        404,
    );
    store.refused(
        Request::get("/api/v1/events/a%2Fb%20c?tenant=u").body(Body::empty()).expect("a request"),
        404,
    );
}

#[test]
fn wrong_parameters_are_named_and_wrong_requests_are_problems() {
    let store = TestStore::new();
    store.post("/api/v1/events?tenant=t", lines(0..5));
    for (query, parameter) in [
        ("events", "tenant"),
        ("count?tenant=../x", "tenant"),
        ("count?tenant=t&nonsense=1", "nonsense"),
        ("count?tenant=t&level=fatal", "level"),
        ("events?tenant=t&limit=0", "limit"),
        ("events?tenant=t&limit=1001", "limit"),
        ("events?tenant=t&limit=x", "limit"),
        ("events?tenant=t&order=up", "order"),
        ("events?tenant=t&cursor=abc", "cursor"),
        ("facets?tenant=t", "fields"),
        ("facets?tenant=t&fields=original", "fields"),
        ("top?tenant=t&field=time", "field"),
        ("histogram?tenant=t&interval=1y", "interval"),
        ("count?tenant=t&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "from"),
        ("count?tenant=t&path=magic", "path"),
    ] {
        store.wrong(&format!("/api/v1/{query}"), parameter);
    }
    let page = store.get("/api/v1/events?tenant=t&limit=2");
    let cursor = page["next_cursor"].as_str().expect("more");
    for other in ["tenant=u&limit=2", "tenant=t&source=ECS", "tenant=t&order=asc"] {
        store.wrong(&format!("/api/v1/events?{other}&cursor={cursor}"), "cursor");
    }
    let get = |path: &str| Request::get(path).body(Body::empty()).expect("a request");
    store.refused(get("/api/v1/nothing"), 404);
    store.refused(Request::delete("/api/v1/count").body(Body::empty()).expect("a request"), 405);
    let ingest = |query: &str, coding: &str, body: Vec<u8>| {
        Request::post(format!("/api/v1/events?{query}"))
            .header(header::CONTENT_ENCODING, coding)
            .body(Body::from(body))
            .expect("a request")
    };
    assert_eq!(
        store.refused(ingest("tenant=t", "br", vec![]), 400)["parameter"],
        "Content-Encoding"
    );
    assert_eq!(
        store.refused(ingest("tenant=t&format=xml", "identity", vec![]), 400)["parameter"],
        "format"
    );
    assert_eq!(
        store.refused(ingest("tenant=t&tenant_from=x", "identity", vec![]), 400)["parameter"],
        "tenant_from"
    );
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&vec![b' '; 300 << 20]).expect("memory");
    let bomb = gzip.finish().expect("memory");
    store.refused(ingest("tenant=t", "gzip", bomb.clone()), 413);
    store.refused(ingest("tenant=t", "gzip", bomb[..1_000].to_vec()), 400);
    store.refused(ingest("tenant=t", "identity", vec![b' '; (64 << 20) + 1]), 413);
    store.refused(
        Request::get("/api/v1/fields")
            .header(header::HOST, "example.com")
            .body(Body::empty())
            .expect("a request"),
        403,
    );
    store.refused(
        Request::get("/api/v1/fields")
            .header(header::ORIGIN, "https://example.com")
            .body(Body::empty())
            .expect("a request"),
        403,
    );
    assert_eq!(store.get("/api/v1/count?tenant=t"), json!({ "count": 5 }));
}

/// A parameter's value as a URL carries it.
fn coded(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

#[test]
fn hostile_questions_are_refused_by_name_and_limit() {
    let store = TestStore::new();
    store.post("/api/v1/events?tenant=t", lines(0..5));
    let refused = |query: &str, parameter: &str, says: &str| {
        let path = format!("/api/v1/{query}");
        let problem =
            store.refused(Request::get(&path).body(Body::empty()).expect("a request"), 400);
        assert_eq!(problem["parameter"], parameter, "{query}: {problem}");
        assert!(
            problem["detail"].as_str().is_some_and(|detail| detail.contains(says)),
            "{query}: {problem}"
        );
    };
    for unbalanced in ["\"open", "a \"b", "path:\"open"] {
        refused(&format!("count?tenant=t&text={}", coded(unbalanced)), "text", "quote");
    }
    for parameter in ["text", "text.not", "substring", "substring.not"] {
        refused(&format!("count?tenant=t&{parameter}={}", "x".repeat(1_025)), parameter, "1024");
        refused(&format!("count?tenant=t&{parameter}="), parameter, "");
    }
    let group = |json: &Json| format!("count?tenant=t&filter={}", coded(&json.to_string()));
    let regex = |text: &str| group(&json!({ "record": { "path": "a", "regex": text } }));
    // Nested repetition would be a gigabyte of states.
    refused(&regex("((a{1000}){1000}){1000}"), "filter.record.regex", "bytes");
    refused(&regex(&"(".repeat(500)), "filter.record.regex", "regular expression");
    refused(&regex(&"a".repeat(1_025)), "filter.record.regex", "1024");
    refused(&regex("(?<=x)y"), "filter.record.regex", "regular expression");
    refused(&format!("count?tenant=t{}", "&source=x".repeat(1_001)), "source", "1000");
    refused(&group(&json!({ "source": vec!["x"; 1_001] })), "filter.source", "1000");
    let spread: Vec<Json> = (0..1_001).map(|_| json!({ "text": "x" })).collect();
    refused(&group(&json!({ "any": spread })), "filter.any.text", "1000");
    let deep = (0..20).fold(json!({ "source": "x" }), |inner, _| json!({ "not": inner }));
    refused(&group(&deep), &format!("filter{}", ".not".repeat(9)), "8");
    for zone in ["Mars/Olympus", "CST+8", "../etc/passwd", "%F0%9F%98%80"] {
        refused(&format!("histogram?tenant=t&interval=1d&time_zone={zone}"), "time_zone", "zone");
    }
    let ten_years = "from=2016-01-01T00:00:00Z&to=2027-01-01T00:00:00Z";
    let mut old = record(9);
    old["time"] = 1_460_000_000_000_i64.into();
    store.post("/api/v1/events?tenant=t", old.to_string());
    refused(&format!("histogram?tenant=t&interval=1ms&{ten_years}"), "interval", "");
    refused(&format!("histogram?tenant=t&interval=1s&{ten_years}"), "interval", "buckets");
    refused("histogram?tenant=t&interval=0s", "interval", "");
    refused("histogram?tenant=t&interval=99999999999999999999d", "interval", "");
    refused("count?tenant=t&last=99999999999999999d", "last", "");
    refused("stats?tenant=t&by=operator_x", "by", "");
    assert_eq!(
        store.get("/api/v1/count?tenant=t"),
        json!({ "count": 6 }),
        "and the server goes on"
    );
}

#[test]
fn cursors_fit_only_the_question_they_came_from() {
    let store = TestStore::new();
    store.post("/api/v1/events?tenant=t", lines(0..20));
    store.post("/api/v1/events?tenant=u", lines(0..20));
    let page = store.get("/api/v1/events?tenant=t&limit=5&source=ECS");
    let cursor = page["next_cursor"].as_str().expect("more").to_owned();
    let at =
        |question: &str, cursor: &str| format!("/api/v1/events?{question}&limit=5&cursor={cursor}");
    assert_eq!(
        store.get(&at("tenant=t&source=ECS", &cursor))["events"].as_array().map(Vec::len),
        Some(2)
    );
    for question in [
        "tenant=u&source=ECS",
        "tenant=t",
        "tenant=t&source=VPC",
        "tenant=*&source=ECS",
        "tenant=t&source=ECS&order=asc",
    ] {
        store.wrong(&at(question, &cursor), "cursor");
    }
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for position in 0..cursor.len() {
        let mut bent = cursor.clone().into_bytes();
        let value = letters.iter().position(|letter| *letter == bent[position]).expect("base64url");
        for flip in [1, 32] {
            bent[position] = letters[value ^ flip];
            store.wrong(
                &at("tenant=t&source=ECS", &String::from_utf8(bent.clone()).expect("ASCII")),
                "cursor",
            );
        }
    }
    store.wrong(&at("tenant=t&source=ECS", &cursor[..cursor.len() - 1]), "cursor");
    store.wrong(&at("tenant=t&source=ECS", &format!("{cursor}A")), "cursor");
    let other = TestStore::new();
    other.post("/api/v1/events?tenant=t", lines(0..20));
    other.wrong(&at("tenant=t&source=ECS", &cursor), "cursor");
}

#[test]
fn a_kubernetes_api_server_delivers_its_audit_events() {
    let store = TestStore::new();
    let items: Vec<Json> = crate::ingest::samples::lines("k8s_audit_falco.jsonl.gz")
        .iter()
        .map(|line| serde_json::from_str(line).expect("samples are JSON"))
        .collect();
    // The webhook sends items without their kind.
    let bare = |mut item: Json| {
        item.as_object_mut()
            .expect("an object")
            .retain(|key, _| key != "kind" && key != "apiVersion");
        item
    };
    let list = json!({ "kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {},
        "items": items.into_iter().map(bare).collect::<Vec<_>>() });
    for _ in 0..2 {
        assert_eq!(store.post("/k8s/audit/cluster-1", list.to_string()), json!({}));
    }
    assert_eq!(store.get("/api/v1/count?tenant=cluster-1&format=k8s"), json!({ "count": 52 }));
    assert_eq!(
        store.get("/api/v1/quarantine?tenant=cluster-1")["total"],
        3,
        "the same id with another content"
    );
    assert_eq!(
        store.post("/k8s/audit/cluster-1", "{\"kind\":\"EventList\",\"items\":[{\"nonsense\":1}]}"),
        json!({})
    );
    assert_eq!(
        store.get("/api/v1/quarantine?tenant=cluster-1")["total"],
        4,
        "kept, not refused: it would be sent again and then dropped"
    );
    let wrong = Request::post("/k8s/audit/a%2Fb").body(Body::from("{}")).expect("a request");
    assert_eq!(store.refused(wrong, 400)["parameter"], "tenant");
}

#[test]
fn a_request_that_names_itself_is_answered_once() {
    let store = TestStore::new();
    let send = |store: &TestStore, key: &str, body: Vec<u8>| {
        let request = Request::post("/api/v1/events?tenant=t")
            .header("idempotency-key", key)
            .body(Body::from(body))
            .expect("a request");
        let (status, _, body) = store.send(request);
        (status.as_u16(), serde_json::from_slice::<Json>(&body).expect("JSON"))
    };
    let (status, first) = send(&store, "a", lines(0..5).into_bytes());
    assert_eq!((status, &first["accepted"]), (200, &5.into()));
    assert_eq!(
        send(&store, "\"a\"", lines(0..5).into_bytes()),
        (200, first.clone()),
        "the same receipt, not five duplicates"
    );
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(lines(0..5).as_bytes()).expect("memory");
    assert_eq!(
        send(&store, "a", gzip.finish().expect("memory")),
        (200, first.clone()),
        "packed otherwise, it says the same"
    );
    let (status, problem) = send(&store, "a", lines(0..6).into_bytes());
    assert_eq!((status, &problem["parameter"]), (422, &"Idempotency-Key".into()));
    assert_eq!(send(&store, "b", lines(0..5).into_bytes()).1["duplicates"], 5, "another request");
    assert_eq!(send(&store, "", vec![]).0, 400);
    assert_eq!(send(&store, &"k".repeat(256), vec![]).0, 400);
    let mut store = store;
    for seal in [false, true] {
        if seal {
            store.engine().seal().expect("a commit");
        }
        store.reopen();
        assert_eq!(
            send(&store, "a", lines(0..5).into_bytes()),
            (200, first.clone()),
            "after a restart, sealed: {seal}"
        );
    }
    assert_eq!(store.get("/api/v1/count?tenant=t"), json!({ "count": 5 }));
}

#[test]
fn a_trace_id_is_taken_once_and_another_record_with_it_is_kept_in_quarantine() {
    let store = TestStore::new();
    store.post("/api/v1/events?tenant=t", lines(0..3));
    let mut other = record(1);
    other["resource_name"] = "other".into();
    for sealed in [false, true] {
        let answer = store
            .post("/api/v1/events?tenant=t", record(1).to_string() + "\n" + &other.to_string());
        assert_eq!(
            (&answer["accepted"], &answer["duplicates"]),
            (&0.into(), &1.into()),
            "sealed: {sealed}"
        );
        assert_eq!(answer["quarantined"][0]["line"], 2);
        assert!(
            answer["quarantined"][0]["reason"].as_str().is_some_and(|reason| reason.contains("t1"))
        );
        store.engine().seal().expect("a commit");
    }
    assert_eq!(store.get("/api/v1/quarantine?tenant=t")["total"], 1, "kept, once");
    assert_eq!(
        store.post("/api/v1/events?tenant=u", other.to_string())["accepted"],
        1,
        "another tenant's ids are its own"
    );
    assert_eq!(store.get("/api/v1/events/t1?tenant=t")["resource_name"], "web");
}

#[test]
fn quarantine_keeps_the_record_and_does_not_keep_it_twice() {
    let store = TestStore::new();
    let body =
        [b"nonsense\n{\"trace_name\":\"\xff\"}\n".as_slice(), lines(0..1).as_bytes()].concat();
    for _ in 0..2 {
        let answer = store.post("/api/v1/events?tenant=t", body.clone());
        assert_eq!(answer["quarantined"].as_array().map(Vec::len), Some(2));
        assert_eq!(
            (&answer["quarantined"][0]["line"], &answer["quarantined"][1]["line"]),
            (&1.into(), &2.into())
        );
    }
    let kept = store.get("/api/v1/quarantine?tenant=t");
    assert_eq!(kept["total"], 2);
    let records = kept["records"].as_array().expect("a list");
    assert!(
        records.iter().any(|record| record["record"] == "nonsense" && record["reason"].is_string())
    );
    assert!(
        records.iter().any(|record| record["record_base64"] == "eyJ0cmFjZV9uYW1lIjoi/yJ9"),
        "{kept}"
    );
    assert_eq!(store.get("/api/v1/quarantine?tenant=u")["total"], 0);
}

#[test]
fn what_another_tenant_has_changes_no_answer() {
    let questions = [
        "count?tenant=t",
        "events?tenant=t&limit=3",
        "facets?tenant=t&fields=source,operator,code",
        "histogram?tenant=t&interval=1h",
        "top?tenant=t&field=resource_name",
        "count?tenant=t&source=VPC&event_name.not=delete",
        "quarantine?tenant=t",
    ];
    let alone = TestStore::new();
    alone.post("/api/v1/events?tenant=t", lines(0..20));
    let shared = TestStore::new();
    shared.post("/api/v1/events?tenant=t", lines(0..20));
    shared.post("/api/v1/events?tenant=u", lines(10..60) + "nonsense\n");
    shared.post("/api/v1/events?tenant=ta", lines(0..60));
    for question in questions {
        let path = format!("/api/v1/{question}");
        // Each store signs its cursors with a key of its own.
        let unsigned = |mut answer: Json| {
            if answer["next_cursor"].is_string() {
                answer["next_cursor"] = "some".into();
            }
            answer
        };
        assert_eq!(unsigned(alone.get(&path)), unsigned(shared.get(&path)), "{question}");
    }
    // Nor does an explanation say how many segments there are of others.
    for store in [&alone, &shared] {
        store.engine().seal().expect("a commit");
        store.ingest("u", &[lines(100..101)]);
        let explained = &store.get("/api/v1/count?tenant=t&explain=true")["explain"];
        let own = explained["steps"].as_array().expect("steps").len();
        assert_eq!((&explained["segments"], &explained["untouched"]), (&json!(own), &json!(0)));
    }
}

#[test]
fn the_table_of_fields_and_health_are_served() {
    let store = TestStore::new();
    let fields = store.get("/api/v1/fields");
    let names: Vec<&str> = fields["fields"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|field| field["name"].as_str())
        .collect();
    assert_eq!(names, annals::event::FIELDS.iter().map(|def| def.name).collect::<Vec<_>>());
    assert_eq!(store.get("/livez")["status"], "ok");
    assert_eq!(store.get("/readyz")["events"], 0);
    let (status, kind, body) =
        store.send(Request::get("/metrics").body(Body::empty()).expect("a request"));
    assert_eq!((status, kind.starts_with("text/plain")), (StatusCode::OK, true));
    assert!(String::from_utf8_lossy(&body).contains("annals_events 0"));
}
