//! What the screen asks besides questions: the page itself, tenants, the state of the store,
//! completion, events in part, saved views.

use crate::support::store::{NOW, TestStore};
use annals::access::Caller;
use annals::engine::{SeenVersion, ViewText};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::{Value as Json, json};

fn record(number: i64) -> String {
    let pick = |values: &[&'static str]| values[number as usize % values.len()];
    json!({
        "trace_id": format!("t{number}"), "trace_name": pick(&["create", "delete"]),
        "service_type": pick(&["ECS", "VPC", "ecsPro", "日志"]),
        "resource_type": "ecs", "resource_name": format!("web-{number}"), "trace_rating": "normal",
        "time": NOW - number * 60_000,
        "user": { "name": format!("name-{}", "很长".repeat(200)) },
    })
    .to_string()
}

fn filled() -> TestStore {
    let store = TestStore::new();
    store.ingest("t", &(0..30).map(record).collect::<Vec<_>>());
    store.ingest("u", &(0..7).map(record).collect::<Vec<_>>());
    store
}

fn call(method: &str, path: &str, version: Option<&str>, body: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(format!("/api/v1/{path}"));
    let request = version
        .into_iter()
        .fold(request, |request, version| request.header(header::IF_MATCH, version));
    request.body(Body::from(body.to_owned())).expect("a request")
}

fn view(name: &str, query: &str) -> String {
    json!({ "name": name, "owner": "张三", "query": query }).to_string()
}

impl TestStore {
    fn put_view(&self, id: &str, version: Option<&str>, body: &str, status: u16) -> Json {
        let (found, _, answer) = self.send(call("PUT", &format!("views/{id}"), version, body));
        let answer: Json = serde_json::from_slice(&answer).expect("JSON");
        assert_eq!(found.as_u16(), status, "{answer}");
        answer
    }

    pub(crate) fn page(
        &self,
        path: &str,
        accept: &str,
    ) -> (StatusCode, axum::http::HeaderMap, String) {
        use tower::ServiceExt;
        let router = annals::api::router(std::sync::Arc::clone(self.engine()));
        let request = Request::get(path)
            .header(header::ACCEPT, accept)
            .body(Body::empty())
            .expect("a request");
        self.runtime.block_on(async {
            let response = router.oneshot(request).await.expect("the router answers");
            let (status, headers) = (response.status(), response.headers().clone());
            let body =
                axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
            (status, headers, String::from_utf8_lossy(&body).into_owned())
        })
    }
}

#[test]
fn tenants_are_told_with_what_they_have_sealed_or_not() {
    let store = filled();
    let row = |tenant: &str, events: u64, minutes: i64| {
        let time = |millis| annals::event::Timestamp::from_millis(millis).to_string();
        json!({ "tenant": tenant, "events": events, "newest": time(NOW),
            "oldest": time(NOW - minutes * 60_000), "undated": "accept" })
    };
    assert_eq!(
        store.get("/api/v1/tenants"),
        json!({ "tenants": [row("t", 30, 29), row("u", 7, 6)] })
    );
    let records: Vec<Json> =
        (7..50).map(|number| serde_json::from_str(&record(number)).expect("JSON")).collect();
    let mine = |mut record: Json| {
        record["tenant"] = "u".into();
        record
    };
    store.buffer_from(&records.into_iter().map(mine).collect::<Vec<_>>(), "tenant");
    assert_eq!(
        store.get("/api/v1/tenants"),
        json!({ "tenants": [row("u", 50, 49), row("t", 30, 29)] }),
        "the buffer counts"
    );
    assert_eq!(store.get("/api/v1/tenants?tenant=t"), json!({ "tenants": [row("t", 30, 29)] }));
    assert_eq!(store.get("/api/v1/tenants?tenant=nobody"), json!({ "tenants": [] }));
    store.wrong("/api/v1/tenants?tenant=../x", "tenant");
    store.wrong("/api/v1/tenants?size=3", "size");
    assert_eq!(TestStore::new().get("/api/v1/tenants"), json!({ "tenants": [] }));
}

#[test]
fn events_are_given_in_part_and_say_what_is_cut() {
    let store = filled();
    let page = store.get("/api/v1/events?tenant=t&limit=2&fields=time,operator,source&cut=20");
    let first = &page["events"][0];
    let keys: Vec<&String> = first.as_object().expect("an event").keys().collect();
    assert_eq!(keys, ["cut", "operator", "source", "time"]);
    assert_eq!(first["cut"], json!(["operator"]));
    assert_eq!(first["operator"].as_str().map(|text| text.chars().count()), Some(20));
    let body =
        json!({ "tenant": "t", "limit": 2, "fields": ["time", "operator", "source"], "cut": 20 })
            .to_string();
    assert_eq!(store.post("/api/v1/events/query", body), page, "the same in a body");
    let whole = store.get("/api/v1/events?tenant=t&limit=2");
    assert!(whole["events"][0].get("original").is_none() && whole["events"][0]["trace_id"] == "t0");
    let named = store.get("/api/v1/events?tenant=t&limit=1&fields=original");
    assert_eq!(named["events"], json!([{ "original": record(0) }]));
    let next = page["next_cursor"].as_str().expect("more");
    let other =
        store.get(&format!("/api/v1/events?tenant=t&limit=1&fields=trace_id&cursor={next}"));
    assert_eq!(
        other["events"],
        json!([{ "trace_id": "t2" }]),
        "a cursor is of the question, not of the fields"
    );
    store.wrong("/api/v1/events?tenant=t&fields=sauce", "fields");
    store.wrong("/api/v1/events?tenant=t&fields=", "fields");
    store.wrong("/api/v1/events?tenant=t&cut=0", "cut");
    store.wrong("/api/v1/count?tenant=t&cut=5", "cut");
}

#[test]
fn values_complete_what_is_typed() {
    let store = filled();
    let ask = |query: &str| store.get(&format!("/api/v1/values?tenant=t&{query}"));
    let found = json!([{ "value": "ECS", "count": 8 }, { "value": "ecsPro", "count": 7 }]);
    assert_eq!(
        ask("field=source&contains=EcS"),
        json!({ "field": "source", "values": found, "total": 2 })
    );
    assert_eq!(
        ask("field=source&contains=%EF%BC%A5%EF%BC%A3%EF%BC%B3")["values"],
        found,
        "full width"
    );
    assert_eq!(
        ask("field=source&contains=%E5%BF%97")["values"],
        json!([{ "value": "日志", "count": 7 }]),
        "anywhere in the value"
    );
    assert_eq!(ask("field=source")["total"], 4);
    let shown = ask("field=resource_name&contains=web-1&size=3");
    assert_eq!(
        (shown["total"].as_u64(), shown["values"].as_array().map(Vec::len)),
        (Some(11), Some(3))
    );
    assert_eq!(
        ask("field=source&contains=pro&event_name=create")["values"],
        json!([{ "value": "ecsPro", "count": 7 }])
    );
    assert_eq!(
        ask("field=source&contains=vpc&event_name=create")["total"],
        0,
        "under the same filters"
    );
    assert_eq!(
        store.get("/api/v1/values?tenant=u&field=source&contains=ecs")["values"][0],
        json!({ "value": "ECS", "count": 2 })
    );
    assert_eq!(
        store.post(
            "/api/v1/values/query?tenant=t",
            json!({ "field": "source", "contains": "ecs" }).to_string()
        )["total"],
        2
    );
    store.wrong("/api/v1/values?tenant=t", "field");
    store.wrong("/api/v1/values?tenant=t&field=original", "field");
    store.wrong("/api/v1/values?tenant=t&field=source&size=0", "size");
    store.wrong(
        &format!("/api/v1/values?tenant=t&field=source&contains={}", "x".repeat(1_001)),
        "contains",
    );
    store.wrong("/api/v1/values?field=source", "tenant");
}

#[test]
fn the_status_tells_what_there_is() {
    let store = filled();
    store.post("/api/v1/events?tenant=t", "nonsense\n".to_owned() + &record(99));
    let status = store.get("/api/v1/status");
    for (pointer, expected) in [
        ("/events", json!(38)),
        ("/buffered", json!(1)),
        ("/segments", json!(store.engine().snapshot().segments.len())),
        ("/quarantined", json!(1)),
        ("/ingest/accepted_in_window", json!(38)),
        ("/ingest/doors/test/accepted", json!(37)),
        ("/retention/floor_days", json!(180)),
        ("/retention/holds", json!(0)),
        ("/coverage/newest", json!("2026-06-30T00:00:00.000Z")),
        ("/coverage/lag_seconds", json!(0)),
        ("/scrub/compared", json!(0)),
        ("/scrub/all_since", Json::Null),
        ("/refusing", Json::Null),
        ("/backups", json!(false)),
    ] {
        assert_eq!(status.pointer(pointer), Some(&expected), "{pointer} of {status}");
    }
    assert!(
        status["wal"]["bytes"].as_u64() > Some(0)
            && status["disk"]["free_bytes"].as_u64() > Some(0),
        "{status}"
    );
    store.engine().seal().expect("a commit");
    store.engine().scrub().expect("a check");
    let status = store.get("/api/v1/status");
    assert_eq!(status["scrub"]["compared"], status["segments"]);
    assert_eq!(status["scrub"]["all_since"], "2026-06-30T00:00:00.000Z");
    assert_eq!(status["buffered"], 0);
    store.wrong("/api/v1/status?tenant=t", "tenant");
}

#[test]
fn views_are_saved_changed_and_deleted_by_who_has_seen_them() {
    let store = filled();
    let first =
        store.put_view("recalls", None, &view("六月的回收", "tenant=t&source=ECS&last=7d"), 201);
    assert_eq!(
        (&first["version"], &first["owner"], &first["created"]),
        (&1.into(), &"张三".into(), &"2026-06-30T00:00:00.000Z".into())
    );
    assert_eq!(
        store.put_view("recalls", None, &view("六月的回收", "tenant=t&source=ECS&last=7d"), 201),
        first,
        "sent again, it is the same"
    );
    store.put_view("recalls", None, &view("another", "tenant=t"), 409);
    store.put_view("recalls", Some("\"2\""), &view("another", "tenant=t"), 412);
    store.put_view("nothing", Some("\"1\""), &view("another", "tenant=t"), 412);
    store.put_view("nothing", Some("*"), &view("another", "tenant=t"), 412);
    let second = store.put_view("recalls", Some("\"1\""), &view("recalls", "tenant=t"), 200);
    assert_eq!((&second["version"], &second["created"]), (&2.into(), &first["created"]));
    assert_eq!(store.get("/api/v1/views/recalls"), second);
    assert_eq!(store.get("/api/v1/views"), json!({ "views": [second] }));

    for (id, version, body, parameter) in [
        ("a.b", None, view("n", ""), "id"),
        ("a%2Fb", None, view("n", ""), "id"),
        ("x", Some("abc"), view("n", ""), "If-Match"),
        ("x", None, view("", ""), "name"),
        ("x", None, view("a\u{7}b", ""), "name"),
        ("x", None, view("n", "a b"), "query"),
        ("x", None, view("n", &"q".repeat(9_000)), "query"),
    ] {
        assert_eq!(
            store.refused(call("PUT", &format!("views/{id}"), version, &body), 400)["parameter"],
            parameter,
            "{id} {body}"
        );
    }
    for body in [
        "",
        "[]",
        "{}",
        "{\"name\":\"n\"}",
        "{\"name\":\"n\",\"query\":\"\",\"more\":1}",
        "{\"name\":1,\"query\":\"\"}",
    ] {
        store.refused(call("PUT", "views/x", None, body), 400);
    }
    store.refused(call("PUT", "views/x", None, &" ".repeat(100_000)), 413);
    store.refused(call("DELETE", "views/nothing", None, ""), 404);
    store.refused(call("DELETE", "views/recalls", Some("\"1\""), ""), 412);
    assert_eq!(
        store.send(call("DELETE", "views/recalls", Some("\"2\""), "")).0,
        StatusCode::NO_CONTENT
    );
    store.refused(call("GET", "views/recalls", None, ""), 404);
    let recorded =
        store.get("/api/v1/events?tenant=_annals&resource_type=view&original=true&order=asc");
    let names: Vec<&Json> = recorded["events"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|event| &event["event_name"])
        .collect();
    assert_eq!(
        names,
        ["saveView", "saveView", "deleteView"],
        "who looks later can see what was changed"
    );
}

#[test]
fn views_survive_and_no_change_is_doubled() {
    let mut store = TestStore::new();
    store.put_view("a", None, &view("a", "tenant=t"), 201);
    store.put_view("b", None, &view("b", "tenant=t"), 201);
    store.put_view("b", Some("\"1\""), &view("b", "tenant=t&last=1d"), 200);
    let views = store.get("/api/v1/views");
    store.reopen();
    assert_eq!(store.get("/api/v1/views"), views, "after a restart");
    // A file that is lost is made anew of what was recorded.
    store.close();
    std::fs::remove_file(store.path().join("admin.redb")).expect("the file is there");
    store.reopen();
    assert_eq!(store.get("/api/v1/views"), views, "from the records");
    store.put_view("b", Some("\"2\""), &view("b", "tenant=t&last=2d"), 200);
    let views = store.get("/api/v1/views");
    store.reopen();
    assert_eq!(store.get("/api/v1/views"), views, "and what comes next is kept");
}

#[test]
fn views_of_another_tenant_are_not_seen_and_not_told() {
    let store = filled();
    store.put_view("mine", None, &view("mine", "tenant=t&source=ECS"), 201);
    store.put_view("yours", None, &view("yours", "tenant=u&source=ECS"), 201);
    store.put_view("both", None, &view("both", "tenant=t&tenant=u"), 201);
    store.put_view("all", None, &view("all", "source=ECS"), 201);
    let ids = |query: &str| -> Vec<String> {
        let views = store.get(&format!("/api/v1/views{query}"));
        views["views"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|view| view["id"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    assert_eq!(ids(""), ["all", "both", "mine", "yours"]);
    assert_eq!(ids("?tenant=*"), ["all", "both", "mine", "yours"]);
    assert_eq!(ids("?tenant=t"), ["mine"]);
    assert_eq!(ids("?tenant=t&tenant=u"), ["both", "mine", "yours"]);
    store.refused(call("GET", "views/yours?tenant=t", None, ""), 404);
    store.refused(call("DELETE", "views/yours?tenant=t", None, ""), 404);
    let taken = store
        .refused(call("PUT", "views/yours?tenant=t", Some("\"1\""), &view("n", "tenant=t")), 409);
    assert!(!taken.to_string().contains("yours") && !taken.to_string().contains("ECS"), "{taken}");
    store.wrong("/api/v1/views?tenant=../x", "tenant");
    store.wrong("/api/v1/views?name=x", "name");
}

#[test]
fn there_is_an_end_to_views() {
    let store = TestStore::new();
    let text = |number: u32| ViewText {
        name: format!("view {number}"),
        owner: String::new(),
        query: "tenant=t".to_owned(),
    };
    for number in 0..1_000 {
        store
            .engine()
            .save_view(
                &Caller::operator(),
                &format!("v{number}"),
                text(number),
                SeenVersion::Unsaid,
            )
            .expect("a view");
    }
    let refused = store
        .engine()
        .save_view(&Caller::operator(), "more", text(1), SeenVersion::Unsaid)
        .expect_err("too many");
    assert!(refused.to_string().contains("1000"), "{refused}");
    store
        .engine()
        .save_view(&Caller::operator(), "v7", text(8), SeenVersion::Version(1))
        .expect("a change of one that is there");
}

#[test]
fn browsers_get_the_page_and_shippers_get_what_they_ask_for() {
    let store = TestStore::new();
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for path in ["/", "/dashboards", "/quota?id=1", "/relation", "/store"] {
        let (status, headers, body) = store.page(path, browser);
        let header = |name: &str| {
            headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        assert_eq!(
            (status, header("content-type").as_str()),
            (StatusCode::OK, "text/html; charset=utf-8"),
            "{path}"
        );
        for (name, part) in [
            ("content-security-policy", "default-src 'none'; script-src 'self';"),
            ("content-security-policy", "require-trusted-types-for 'script'"),
            ("content-security-policy", "frame-ancestors 'none'"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("permissions-policy", "camera=()"),
            ("cache-control", "no-cache"),
        ] {
            assert!(header(name).contains(part), "{path}: {name}: {}", header(name));
        }
        for unsafe_word in ["unsafe-inline", "unsafe-eval", "data:", "http:", "https:", "*"] {
            assert!(!header("content-security-policy").contains(unsafe_word), "{unsafe_word}");
        }
        assert!(
            body.starts_with("<!doctype html>") || body.starts_with("<!DOCTYPE html>"),
            "{path}: {body}"
        );
        assert!(
            !body.contains("<style") && !body.contains("style=") && !body.contains("<script>"),
            "nothing stands in it: {body}"
        );
    }
    let (_, headers, _) = store.page("/livez", "*/*");
    assert_eq!(headers["x-request-id"].len(), 16, "a request without a number gets one");
    let request = Request::get("/nothing")
        .header("x-request-id", "abc-1")
        .body(Body::empty())
        .expect("a request");
    let response = store.runtime.block_on(tower::ServiceExt::oneshot(
        annals::api::router(std::sync::Arc::clone(store.engine())),
        request,
    ));
    assert_eq!(
        response.expect("an answer").headers()["x-request-id"],
        "abc-1",
        "also with an error"
    );
    for accept in
        ["*/*", "application/json", "application/vnd.elasticsearch+json; compatible-with=8"]
    {
        let (status, headers, body) = store.page("/", accept);
        assert_eq!(status, StatusCode::OK);
        assert!(
            body.contains("You Know, for Search") && headers.contains_key("x-elastic-product"),
            "{accept}: {body}"
        );
    }
    let (status, headers, _) = store.page("/assets/nothing.js", browser);
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(headers["content-security-policy"], "default-src 'none'; frame-ancestors 'none'");
}

#[test]
fn what_the_page_loads_is_packed_tagged_and_kept() {
    let store = TestStore::new();
    let (_, headers, page) = store.page("/", "text/html");
    let assets: Vec<&str> =
        page.split(['"', '\'']).filter(|part| part.starts_with("/assets/")).collect();
    if assets.is_empty() {
        assert!(
            page.contains("ANNALS_WEB=required"),
            "a binary without the screen says how to get it: {page}"
        );
        return;
    }
    let ask = |path: &str, name: header::HeaderName, value: &str| {
        let request = Request::get(path)
            .header(header::ACCEPT, "text/html")
            .header(name, value)
            .body(Body::empty())
            .expect("a request");
        store.send(request)
    };
    assert_eq!(
        ask("/", header::IF_NONE_MATCH, headers["etag"].to_str().expect("a tag")).0,
        StatusCode::NOT_MODIFIED
    );
    for path in assets {
        let (status, headers, body) = store.page(path, "*/*");
        assert_eq!(
            (status, &headers["cache-control"]),
            (StatusCode::OK, &"public, max-age=31536000, immutable".parse().expect("a header"))
        );
        assert_eq!(headers["x-content-type-options"], "nosniff");
        let (_, kind, packed) = ask(path, header::ACCEPT_ENCODING, "gzip");
        assert!(
            kind.starts_with("text/javascript")
                || kind.starts_with("text/css")
                || kind.starts_with("image/"),
            "{path}: {kind}"
        );
        assert!(packed.len() < body.len() || kind.starts_with("image/"), "{path}");
    }
}

#[test]
fn counts_and_sums_are_told_by_the_ids_of_a_kind() {
    let store = TestStore::new();
    let event = |number: u32, amount: Option<&str>, related: &[&str]| {
        json!({ "trace_id": format!("e{number}"), "time": NOW - i64::from(number),
            "event_name": "n", "amount": amount, "related_ids": related })
        .to_string()
    };
    let records = [
        event(1, Some("1.50"), &["quota:a", "reseller:r"]),
        event(2, Some("2.25"), &["quota:a", "quota:b", "quotas:x"]),
        event(3, Some("4"), &["customer:quota"]),
        event(4, None, &["quota:b", "reseller:r"]),
        event(5, Some("8"), &[]),
    ];
    store.ingest("t", &records);
    let group = |value: Json, count: u64, sum: &str, min: &str, max: &str| {
        (value, count, sum.to_owned(), min.to_owned(), max.to_owned())
    };
    let found = |answer: &Json| -> Vec<(Json, u64, String, String, String)> {
        let text = |group: &Json, name: &str| group[name].as_str().unwrap_or_default().to_owned();
        let groups = answer["groups"].as_array().expect("groups");
        groups
            .iter()
            .map(|group| {
                (
                    group["value"].clone(),
                    group["count"].as_u64().unwrap_or_default(),
                    text(group, "sum"),
                    text(group, "min"),
                    text(group, "max"),
                )
            })
            .collect()
    };
    for sealed in [true, false] {
        if !sealed {
            store.ingest("other", &records);
        }
        let stats = store.get("/api/v1/stats?tenant=t&by=related_ids.quota");
        let expected = vec![
            group(Json::Null, 2, "12.00", "4.00", "8.00"),
            group("a".into(), 2, "3.75", "1.50", "2.25"),
            group("b".into(), 1, "2.25", "2.25", "2.25"),
        ];
        assert_eq!(
            (found(&stats), &stats["by"], &stats["groups_total"]),
            (expected, &"related_ids.quota".into(), &3.into())
        );
        let values = json!([{ "value": "a", "count": 2 }, { "value": "b", "count": 2 }]);
        assert_eq!(
            store.get("/api/v1/top?tenant=t&field=related_ids.quota"),
            json!({ "field": "related_ids.quota", "values": values })
        );
        let facets = store
            .get("/api/v1/facets?tenant=t&fields=related_ids.quota,related_ids.reseller,format");
        assert_eq!(facets["facets"]["related_ids.quota"], values);
        assert_eq!(facets["facets"]["related_ids.reseller"], json!([{ "value": "r", "count": 2 }]));
        assert_eq!(facets["facets"]["format"], json!([{ "value": "native", "count": 5 }]));
        let typed = store.get("/api/v1/values?tenant=t&field=related_ids.quota&contains=B");
        assert_eq!(typed["values"], json!([{ "value": "b", "count": 2 }]));
    }
    assert_eq!(store.get("/api/v1/top?tenant=t&field=related_ids.nothing")["values"], json!([]));
    for kind in ["related_ids.", "related_ids.a b", "related_ids.a:b", "related_ids"] {
        store.wrong(&format!("/api/v1/top?tenant=t&field={}", kind.replace(' ', "%20")), "field");
    }
    store.wrong("/api/v1/histogram?tenant=t&by=related_ids.quota", "by");
}
