//! The façade as its clients see it: whole requests to the router over a small store.

use crate::access::Actor;
use crate::api::router;
use crate::clock::ManualClock;
use crate::decode::Format;
use crate::engine::Engine;
use crate::event::Timestamp;
use crate::generate::{Plan, generate};
use crate::ingest::{IncomingRecord, TenantRule};
use crate::storage::AccessMode;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tower::ServiceExt;

const NOW: i64 = 1_700_000_000_000;

struct CtsStore {
    directory: TempDir,
    runtime: Runtime,
    router: Router,
    engine: Arc<Engine>,
}

impl CtsStore {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let runtime = Runtime::new().expect("a runtime");
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(NOW)));
        let engine =
            Engine::open(directory.path(), AccessMode::Write, clock, runtime.handle().clone())
                .expect("an engine");
        let engine = Arc::new(engine);
        Self { directory, runtime, router: router(Arc::clone(&engine)), engine }
    }

    fn with(tenant: &str, records: &[Json]) -> Self {
        let store = Self::new();
        let texts: Vec<String> = records.iter().map(Json::to_string).collect();
        store.ingest(tenant, None, &texts);
        store
    }

    fn ingest(&self, tenant: &str, format: Option<Format>, records: &[String]) {
        let records: Vec<IncomingRecord> = records
            .iter()
            .zip(1..)
            .map(|(record, line)| IncomingRecord::new(line, record.clone()))
            .collect();
        let batch = self.engine.decode(records, format, &TenantRule::Is(tenant.to_owned()));
        assert_eq!(batch.rejected, []);
        self.engine.ingest(batch, "test").expect("accepted");
    }

    fn call(&self, path: &str) -> (StatusCode, Option<String>, Json) {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let response =
            self.runtime.block_on(self.router.clone().oneshot(request)).expect("an answer");
        let (status, retry) =
            (response.status(), response.headers().get(header::RETRY_AFTER).cloned());
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "application/json;charset=UTF-8",
            "{path}"
        );
        let body =
            self.runtime.block_on(response.into_body().collect()).expect("a body").to_bytes();
        let retry = retry.map(|value| value.to_str().expect("a number").to_owned());
        (status, retry, serde_json::from_slice(&body).expect("JSON"))
    }

    fn ask(&self, query: &str) -> Json {
        let (status, _, json) = self.call(&format!("/v3/project/traces?{query}"));
        assert_eq!(status, StatusCode::OK, "{query}: {json}");
        json
    }

    fn ids(&self, query: &str) -> Vec<String> {
        self.ask(query)["traces"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|trace| id(trace).to_owned())
            .collect()
    }

    /// The one trace that a record becomes.
    fn trace(format: Option<Format>, record: &str) -> Json {
        let store = Self::new();
        store.ingest("project", format, &[record.to_owned()]);
        let all = store.ask("from=0946684800001&to=1800000000000&limit=200");
        let data = store.ask("from=0946684800001&to=1800000000000&limit=200&trace_type=data");
        let traces: Vec<&Json> = [&all, &data]
            .into_iter()
            .flat_map(|page| page["traces"].as_array().expect("a list"))
            .collect();
        assert_eq!(traces.len(), 1, "{all} {data}");
        traces[0].clone()
    }
}

fn id(trace: &Json) -> &str {
    trace["trace_id"].as_str().expect("a trace id")
}

fn record(id: &str, time: i64) -> Json {
    json!({
        "trace_id": id, "trace_name": "createServer", "service_type": "ECS",
        "trace_rating": "normal", "time": time,
        "user": { "name": "ann" },
    })
}

fn numbered(count: i64) -> Vec<Json> {
    (0..count).map(|number| record(&format!("t{number}"), NOW - 1_000 + number)).collect()
}

#[test]
fn pages_follow_the_marker_newest_first_to_the_end_without_gap_or_repeat() {
    let store = CtsStore::with("project", &numbered(25));
    let mut seen = Vec::new();
    let mut query = "trace_type=system".to_owned();
    for size in [10, 10, 5] {
        let page = store.ask(&query);
        let traces = page["traces"].as_array().expect("a list");
        assert_eq!(traces.len(), size, "ten to a page unless limit says otherwise");
        assert_eq!(page["meta_data"]["count"], size);
        seen.extend(traces.iter().map(|trace| id(trace).to_owned()));
        match page["meta_data"]["marker"].as_str() {
            Some(marker) => {
                assert_eq!(Some(marker), seen.last().map(String::as_str));
                query = format!("trace_type=system&next={marker}");
            }
            None => assert!(page["meta_data"]["marker"].is_null() && seen.len() == 25),
        }
    }
    let expected: Vec<String> = (0..25).rev().map(|number| format!("t{number}")).collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_page_that_ends_with_the_last_trace_has_no_marker() {
    let store = CtsStore::with("project", &numbered(10));
    assert!(store.ask("limit=10")["meta_data"]["marker"].is_null());
    assert_eq!(store.ask("limit=9")["meta_data"]["marker"], "t1");
}

#[test]
fn after_the_last_trace_comes_an_empty_page() {
    let store = CtsStore::with("project", &numbered(3));
    assert_eq!(
        store.ask("next=t0"),
        json!({ "traces": [], "meta_data": { "count": 0, "marker": null } })
    );
}

#[test]
fn next_is_any_trace_of_the_project_and_is_intersected_with_period_and_filters() {
    let store = CtsStore::with("project", &numbered(8));
    store.ingest("other", None, &[record("foreign", NOW - 990).to_string()]);
    let from = NOW - 1_000 + 2;
    assert_eq!(store.ids(&format!("next=t6&from={from}&to={NOW}")), ["t5", "t4", "t3"]);
    // The trace itself need not lie in the period or match the filters.
    assert_eq!(store.ids(&format!("next=t7&from={from}&to={}", NOW - 1_000 + 5)), ["t4", "t3"]);
    assert_eq!(store.ids("next=t2&user=nobody"), [""; 0]);
    let (status, _, error) = store.call("/v3/project/traces?next=foreign");
    assert_eq!((status, &error["error_code"]), (StatusCode::BAD_REQUEST, &json!("CTS.0300")));
}

#[test]
fn of_traces_that_share_an_id_a_page_continues_after_the_oldest() {
    let store = CtsStore::with(
        "project",
        &[record("a", NOW - 9), record("x", NOW - 8), record("b", NOW - 7), record("x", NOW - 6)],
    );
    assert_eq!(store.ids("next=x"), ["a"]);
    assert_eq!(store.ids("trace_id=x"), ["x", "x"], "neither record is hidden");
}

#[test]
fn no_trace_is_passed_over_where_a_page_would_end_with_a_shared_id() {
    let times = [("a", 9), ("x", 8), ("b", 7), ("c", 6), ("x", 5), ("d", 4)];
    let store = CtsStore::with("project", &times.map(|(id, ago)| record(id, NOW - ago)));
    let first = store.ask("limit=2");
    assert_eq!(
        (&first["meta_data"], id(&first["traces"][0])),
        (&json!({ "count": 1, "marker": "d" }), "d")
    );
    assert_eq!(store.ids("limit=2&next=d"), ["x", "c"]);
    assert_eq!(store.ids("limit=2&next=c"), ["b", "x"]);
    assert_eq!(store.ids("limit=2&next=x"), ["a"]);
}

#[test]
fn a_marker_means_the_trace_that_it_was_given_for() {
    let times = [("a", 9), ("b", 8), ("c", 7), ("x", 6), ("d", 5)];
    let store = CtsStore::with("project", &times.map(|(id, ago)| record(id, NOW - ago)));
    assert_eq!(store.ask("limit=2")["meta_data"]["marker"], "x");
    // Meanwhile an older trace with this id comes.
    store.ingest("project", None, &[record("x", NOW - 10).to_string()]);
    assert_eq!(store.ids("limit=3&next=x"), ["c", "b", "a"]);
    // The same id in a list of its own is any trace of the project.
    assert_eq!(store.ids("next=x&user=ann"), [""; 0]);
}

#[test]
fn a_list_goes_on_after_a_trace_that_has_left() {
    let old = NOW - 200 * 86_400_000;
    let store = CtsStore::with("project", &[record("a", old), record("b", NOW - 1)]);
    let query = format!("limit=1&from={}&to={}", old - 1, NOW + 1);
    store.ingest("project", None, &[record("c", old + 1).to_string()]);
    assert_eq!(store.ask(&format!("{query}&next=b"))["meta_data"]["marker"], "c");
    store.engine.seal().expect("a commit");
    let days = crate::engine::Retention::Days(Some("project".to_owned()), Some(180));
    store.engine.set_retention(&Actor::operator(), &days).expect("a policy");
    assert_eq!(store.engine.expire(&Actor::operator()).expect("what is past goes").events, 2);
    assert_eq!(store.ids(&format!("{query}&next=c")), [""; 0]);
}

#[test]
fn from_and_to_are_exclusive_and_this_very_millisecond_counts_by_default() {
    let store = CtsStore::with(
        "project",
        &[
            record("now", NOW),
            record("b", NOW - 1),
            record("hour", NOW - 3_600_000),
            record("a", NOW - 3_599_999),
        ],
    );
    assert_eq!(store.ids(""), ["now", "b", "a"]);
    assert_eq!(store.ids(&format!("from={}&to={NOW}", NOW - 2)), ["b"]);
    assert_eq!(store.ids(&format!("from={}&to={NOW}", NOW - 1)), [""; 0]);
    assert_eq!(store.ids(&format!("from={}&to={}", NOW - 1, NOW + 1)), ["now"]);
}

#[test]
fn a_trace_id_is_answered_whatever_else_is_asked() {
    let store = CtsStore::with("project", &[record("old", NOW - 10_000_000), record("new", NOW)]);
    assert_eq!(store.ids("trace_id=old&user=nobody&next=unknown&limit=1"), ["old"]);
    let none = store.ask("trace_id=unknown");
    assert_eq!(none, json!({ "traces": [], "meta_data": { "count": 0, "marker": null } }));
}

#[test]
fn filters_select_and_another_projects_traces_are_never_seen() {
    let store = CtsStore::with("project", &[record("a", NOW), record("b", NOW)]);
    let other = json!({
        "trace_id": "c", "trace_name": "deleteVpc", "service_type": "VPC",
        "trace_status": "warning", "time": NOW, "event_type": "system",
        "resource_type": "vpc", "resource_id": "r-1", "resource_name": "Net One",
        "enterprise_project_id": "ep", "tracker_name": "mine",
        "user": { "user_name": "bob+x", "access_key_id": "AK" },
    });
    let data = json!({
        "trace_id": "d", "trace_name": "getObject", "service_type": "OBS", "trace_type": "ObsAPI",
        "tracker_name": "t1", "time": NOW,
    });
    store.ingest("project", None, &[other.to_string(), data.to_string()]);
    store.ingest("other", None, &[record("z", NOW).to_string()]);
    for query in [
        "service_type=VPC",
        "resource_type=vpc",
        "trace_name=deleteVpc",
        "resource_id=r-1",
        "resource_name=Net%20One",
        "user=bob%2Bx",
        "trace_rating=warning",
        "access_key_id=AK",
        "enterprise_project_id=ep",
        "tracker_name=mine",
        "trace_rating=warning&service_type=VPC&tracker_name=system",
    ] {
        assert_eq!(store.ids(query), ["c"], "{query}");
    }
    assert_eq!(store.ids("service_type=vpc"), [""; 0], "equality, in this very case");
    assert_eq!(store.ids("trace_type=data&service_type=ECS&tracker_name=t1"), ["d"]);
    assert_eq!(store.ids("trace_type=data&tracker_name=t2"), [""; 0]);
    assert_eq!(store.ids("user=&service_type="), ["c", "b", "a"]);
}

#[test]
fn wrong_parameters_are_query_errors_in_the_shape_of_cts() {
    let store = CtsStore::with("project", &numbered(1));
    for (query, named) in [
        ("limit=201", "limit"),
        ("sort=time", "sort"),
        ("next=unknown", "next"),
        ("from=1", "from"),
    ] {
        let (status, retry, error) = store.call(&format!("/v3/project/traces?{query}"));
        assert_eq!((status, retry), (StatusCode::BAD_REQUEST, None), "{query}");
        assert_eq!(error["error_code"], "CTS.0300", "{query}");
        assert!(error["error_msg"].as_str().is_some_and(|text| text.starts_with(named)), "{error}");
        assert_eq!(error.as_object().map(serde_json::Map::len), Some(2));
    }
    for project in ["*", "a%2Fb", "%FF"] {
        let (status, _, error) = store.call(&format!("/v3/{project}/traces"));
        assert_eq!(
            (status, &error["error_code"]),
            (StatusCode::BAD_REQUEST, &json!("CTS.0300")),
            "{project}"
        );
    }
}

#[test]
fn a_store_that_cannot_be_read_is_an_error_of_the_server_and_never_a_short_page() {
    let store = CtsStore::with("project", &numbered(3));
    store.engine.seal().expect("a commit");
    let mut pending = vec![store.directory.path().to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory)
            .expect("a directory")
            .map(|entry| entry.expect("an entry").path())
        {
            if entry.is_dir() {
                pending.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "parquet") {
                std::fs::remove_file(entry).expect("removed");
            }
        }
    }
    let (status, retry, error) = store.call("/v3/project/traces");
    assert!(status.is_server_error(), "{status} {error}");
    assert_eq!(error["error_code"], "CTS.0005");
    assert_eq!(retry.is_some(), status == StatusCode::SERVICE_UNAVAILABLE);
}

#[test]
fn a_store_that_is_not_available_says_when_to_try_again() {
    use axum::response::IntoResponse;
    let response = |kind| super::CtsError(crate::error::Error::new(kind, "why")).into_response();
    let busy = response(crate::error::ErrorKind::Unavailable);
    assert_eq!(busy.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(busy.headers().contains_key(header::RETRY_AFTER));
    assert_eq!(
        response(crate::error::ErrorKind::Corrupt).status(),
        StatusCode::INTERNAL_SERVER_ERROR
    );
    assert_eq!(
        response(crate::error::ErrorKind::NotFound).status(),
        StatusCode::INTERNAL_SERVER_ERROR
    );
}

#[test]
fn loose_types_of_old_records_become_those_of_the_sdk() {
    let trace = CtsStore::trace(
        Some(Format::Cts),
        r#"{"trace_id":"x","trace_name":"n","service_type":"S","trace_status":"Warning","time":"2023-11-14 22:13:20 GMT+00:00",
            "record_time":1699999999,"code":200,"api_version":2.0,"request":{"b": 12345678901234567890123, "a": " x  y\" "},
            "response":[1, 2],
            "resource_id":{},"request_id":"null","message":null,"read_only":"true",
            "event_type":"management","domain_id":"d","extra":{"k": 1},
            "user":"{\"name\":\"ann\",\"id\":7,\"principal_is_root_user\":true,\"domain\":\"corp\",\"invoked_by\":\"console\",
            \"session_context\":{\"attributes\":{\"created_at\":1699999999000,\"mfa_authenticated\":false}}}"}"#
            .replace('\n', " ")
            .as_str(),
    );
    let expected = json!({
        "trace_id": "x", "trace_name": "n", "service_type": "S", "trace_status": "Warning",
        "trace_rating": "warning",
        "time": NOW, "record_time": 1_699_999_999_000_i64, "code": "200", "api_version": "2.0",
        "request": r#"{"b":12345678901234567890123,"a":" x  y\" "}"#, "response": "[1,2]",
        "resource_id": "{}", "request_id": "null",
        "read_only": true, "event_type": "system", "project_id": "project", "domain_id": "d",
        "extra": { "k": 1 },
        "user": {
            "name": "ann", "user_name": "ann", "id": "7", "principal_is_root_user": "true",
            "domain": { "name": "corp" },
            "invoked_by": ["console"],
            "session_context": { "attributes": { "created_at": "1699999999000",
                "mfa_authenticated": "false" } },
        },
    });
    assert_eq!(trace, expected);
}

#[test]
fn a_user_is_an_object_or_absent() {
    let user = |user: &str| {
        let record = format!(
            r#"{{"trace_id":"x","trace_name":"n","service_type":"S","time":{NOW},"user":{user}}}"#
        );
        CtsStore::trace(Some(Format::Cts), &record).get("user").cloned()
    };
    assert_eq!(user("null"), None);
    assert_eq!(user("\"\""), None);
    assert_eq!(user("\"ann\""), Some(json!({ "name": "ann", "user_name": "ann" })));
    assert_eq!(user("\"{broken\""), Some(json!({ "name": "{broken", "user_name": "{broken" })));
    assert_eq!(
        user(r#"{"name":"a","user_name":"b"}"#),
        Some(json!({ "name": "a", "user_name": "b" }))
    );
    assert_eq!(
        user(r#"{"name":"a","user_name":"","domain":{"id":1}}"#),
        Some(json!({ "name": "a", "user_name": "a", "domain": { "id": "1" } }))
    );
}

#[test]
fn an_envelope_is_opened_and_absent_stays_absent() {
    let trace = CtsStore::trace(
        None,
        &json!({ "cts": { "trace_name": "n", "service_type": "S", "time": NOW,
            "trace_type": "ObsSDK" } })
        .to_string(),
    );
    let id = id(&trace).to_owned();
    assert!(id.starts_with("sha256:"), "a trace without an id still has one to page by: {id}");
    let expected = json!({
        "trace_name": "n", "service_type": "S", "time": NOW, "trace_type": "ObsSDK", "trace_id": id,
        "event_type": "data",
        "project_id": "project",
    });
    assert_eq!(trace, expected);
}

#[test]
fn records_of_other_formats_are_told_in_the_names_of_cts() {
    let record = json!({
        "trace_id": "x", "time": NOW, "event_name": "grantQuota", "source": "BSS",
        "resource_type": "quota", "resource_id": "q-1",
        "resource_name": "Quota", "operator": "ann", "access_key_id": "AK", "level": "normal",
        "code": "200", "source_ip": "10.0.0.1",
        "request_id": "r", "read_only": false, "amount": "5.00", "related_ids": ["coupon:1"],
    });
    let expected = json!({
        "trace_id": "x", "time": NOW, "record_time": NOW, "trace_name": "grantQuota",
        "service_type": "BSS", "resource_type": "quota",
        "resource_id": "q-1", "resource_name": "Quota", "user": { "name": "ann", "user_name": "ann",
            "access_key_id": "AK" },
        "trace_rating": "normal", "code": "200", "source_ip": "10.0.0.1", "request_id": "r",
        "read_only": false, "event_type": "system",
        "tracker_name": "system", "project_id": "project",
    });
    assert_eq!(CtsStore::trace(Some(Format::Native), &record.to_string()), expected);
}

/// The SDK's attributes of a trace that are text.
const TEXTS: &str = "trace_id trace_name trace_rating trace_type service_type resource_type \
                    resource_name resource_id source_ip request \
    response code api_version message request_id location_info endpoint resource_url \
    enterprise_project_id \
    resource_account_id operation_id";

#[test]
fn every_generated_record_has_the_types_of_the_sdk() {
    let store = CtsStore::new();
    let mut stream = Vec::new();
    generate(&Plan { events: 1_000, ..Plan::default() }, &mut stream).expect("memory");
    let records: Vec<String> =
        String::from_utf8(stream).expect("UTF-8").lines().map(str::to_owned).collect();
    store.ingest("project", None, &records);
    let (mut query, mut seen) = ("from=0946684800001&to=1800000000000&limit=200".to_owned(), 0);
    loop {
        let page = store.ask(&query);
        for (key, value) in page["traces"]
            .as_array()
            .expect("a list")
            .iter()
            .flat_map(|trace| trace.as_object().expect("an object"))
        {
            let fits = match key.as_str() {
                "time" | "record_time" => value.is_i64(),
                "read_only" => value.is_boolean(),
                "user" => value["name"].is_string() && value["user_name"].is_string(),
                key => value.is_string() || !TEXTS.split(' ').any(|text| text == key),
            };
            assert!(fits, "{key} is {value}");
        }
        seen += page["meta_data"]["count"].as_u64().expect("a number");
        let Some(marker) = page["meta_data"]["marker"].as_str() else { break };
        query = format!("from=0946684800001&to=1800000000000&limit=200&next={marker}");
    }
    assert!((900..1_000).contains(&seen), "{seen} of a thousand records are management events");
}

#[test]
fn drop_downs_hold_what_the_events_hold() {
    let trace = |id: &str, service: &str, resource: &str, name: &str, user: &str, time: i64| {
        json!({ "trace_id": id, "service_type": service, "resource_type": resource,
            "trace_name": name, "user": { "name": user }, "time": time,
                "trace_type": "ApiCall", "trace_rating": "normal" })
    };
    let recent = NOW - 1_000;
    let store = CtsStore::with(
        "project",
        &[
            trace("1", "VPC", "eip", "deleteEip", "bob", recent),
            trace("2", "ECS", "ecs", "createServer", "alice", recent),
            trace("3", "ECS", "ecs", "deleteServer", "alice", recent),
            trace("4", "ECS", "disk", "attach", "long-gone", NOW - 31 * 86_400_000),
        ],
    );
    store.ingest("another", None, &[trace("5", "IAM", "user", "login", "eve", recent).to_string()]);
    let get = |path: &str| store.call(path).2;
    assert_eq!(
        get("/v3/project/resources"),
        json!({ "resources": [{ "service_type": "ECS", "resource": ["disk", "ecs"] },
            { "service_type": "VPC", "resource": ["eip"] }] })
    );
    assert_eq!(
        get("/v3/project/operations?service_type=ECS&resource_type=ecs"),
        json!({ "operations": [{ "service_type": "ECS", "resource_type": "ecs",
            "operation_list": ["createServer", "deleteServer"] }] })
    );
    assert_eq!(get("/v3/project/operations")["operations"].as_array().map(Vec::len), Some(3));
    assert_eq!(
        get("/v3/project/user-resources"),
        json!({ "users": [{ "name": "alice" }, { "name": "bob" }] })
    );
    assert_eq!(get("/v3/nobody/resources"), json!({ "resources": [] }));
    let (wide, new) = (
        format!("from={}&to={NOW}", NOW - 1_000_000),
        get(&format!("/v3/project/traces?from={}&to={NOW}", NOW - 1_000_000)),
    );
    assert_eq!(get(&format!("/v2.0/project/system/trace?{wide}")), new);
    assert_eq!(get(&format!("/v1.0/project/system/trace?{wide}")), new);
    for (path, parameter) in [
        ("/v3/project/operations?resource_type=ecs", "service_type"),
        ("/v3/project/resources?limit=1", "limit"),
        ("/v3/project/user-resources?name=x", "name"),
        ("/v3/*/resources", "project_id"),
        ("/v2.0/project/system/trace?trace_type=data", "trace_type"),
        ("/v2.0/project/other/trace", "tracker_name"),
    ] {
        let (status, _, body) = store.call(path);
        assert_eq!(
            (status, &body["error_code"]),
            (StatusCode::BAD_REQUEST, &json!("CTS.0300")),
            "{path}: {body}"
        );
        assert!(
            body["error_msg"].as_str().is_some_and(|message| message.starts_with(parameter)),
            "{path}: {body}"
        );
    }
}
