//! The doors: what shippers send is stored once and whole, and told in their own protocol. Real
//! clients where there are any (`tests/support/clients.rs`). With a credential they are tried in
//! `tests/access/shippers.rs`.

use crate::support::clients::{
    free_port, log_lines, rsyslog, run, run_javascript, syslog_ng, wait_until,
};
use crate::support::python::serve;
use crate::support::store::TestStore;
use annals::api::router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::{Value as Json, json};
use std::io::Write;
use std::sync::Arc;
use tower::ServiceExt;

/// A request and its answer: status, headers, text.
fn send(store: &TestStore, request: Request<Body>) -> (u16, axum::http::HeaderMap, String) {
    let router = router(Arc::clone(store.engine()));
    store.runtime.block_on(async {
        let response = router.oneshot(request).await.expect("the router answers");
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a body");
        (parts.status.as_u16(), parts.headers, String::from_utf8_lossy(&body).into_owned())
    })
}

fn post(path: &str, kind: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path).header(header::CONTENT_TYPE, kind).body(body.into()).expect("a request")
}

fn bulk(store: &TestStore, path: &str, body: &str) -> String {
    let (status, headers, text) = send(store, post(path, "application/x-ndjson", body.to_owned()));
    assert_eq!(status, 200, "{text}");
    assert_eq!(headers["x-elastic-product"], "Elasticsearch");
    assert_eq!(headers[header::CONTENT_TYPE], "application/json");
    text
}

fn get(store: &TestStore, path: &str) -> Json {
    let (status, _, text) = send(store, Request::get(path).body(Body::empty()).expect("a request"));
    assert_eq!(status, 200, "{path}: {text}");
    serde_json::from_str(&text).expect("JSON")
}

fn count(store: &TestStore, question: &str) -> u64 {
    get(store, &format!("/api/v1/count?{question}"))["count"].as_u64().expect("a count")
}

#[test]
fn a_bulk_answer_is_what_shippers_search_as_text() {
    let store = TestStore::new();
    let created = bulk(
        &store,
        "/es/t/_bulk",
        "{\"create\":{\"_index\":\"a\",\"_id\":\"1\"}}\n{\"@timestamp\":\"2026-03-01T00:00:00Z\"}\n",
    );
    let took = created.split_once(',').expect("took comes first").0.to_owned();
    assert!(took.starts_with("{\"took\":"), "{created}");
    let inside = |text: &str| {
        text.strip_prefix(&text[..text.find(',').expect("took")]).expect("a prefix").to_owned()
    };
    let done = "\"_index\":\"a\",\"_id\":\"1\",\"_version\":1,\"result\":\"created\",\"_shards\":{\"total\":1,\"successful\":1,\"failed\":0},\"_seq_no\":1,\"_primary_term\":1,\"status\":201";
    assert_eq!(
        inside(&created),
        format!(",\"errors\":false,\"items\":[{{\"create\":{{{done}}}}}]}}")
    );
    let mixed = bulk(
        &store,
        "/es/t/a/_bulk/?pipeline=x&timeout=60s&tenant=ignored-by-the-path",
        "{\"index\":{\"_id\":\"1\",\"_type\":\"_doc\"}}\n{\"@timestamp\":\"2026-03-01T00:00:00Z\"}\n{\"index\":{\"_id\":\"1\"}}\n{\"@timestamp\":\"2026-03-01T00:00:00Z\",\"x\":1}\n\
         {\"delete\":{\"_id\":\"1\"}}\n{\"update\":{\"_id\":\"1\"}}\n{\"doc\":{}}\n{\"create\":{}}\nnonsense\n{\"create\":{\"_id\":null}}\n{}\n",
    );
    let answer: Json = serde_json::from_str(&mixed).expect("JSON");
    assert!(inside(&mixed).starts_with(",\"errors\":true,\"items\":["), "{mixed}");
    let items = answer["items"].as_array().expect("items");
    let inner =
        |place: usize| items[place].as_object().expect("an object").iter().next().expect("one key");
    let found: Vec<(&str, u64)> = (0..items.len())
        .map(|place| {
            (inner(place).0.as_str(), inner(place).1["status"].as_u64().expect("a status"))
        })
        .collect();
    assert_eq!(
        found,
        [
            ("index", 200),
            ("index", 409),
            ("delete", 400),
            ("update", 400),
            ("create", 201),
            ("create", 201)
        ]
    );
    assert!(items.iter().all(|item| item.as_object().is_some_and(|item| item.len() == 1)));
    for place in [1, 2, 3] {
        let error = &inner(place).1["error"];
        assert!(error["type"].is_string() && error["reason"].is_string(), "{error}");
    }
    let (_, _, metrics) =
        send(&store, Request::get("/metrics").body(Body::empty()).expect("a request"));
    for line in
        ["outcome=\"accepted\"} 2", "outcome=\"duplicate\"} 1", "outcome=\"quarantined\"} 2"]
    {
        assert!(
            metrics
                .contains(&format!("annals_records_total{{door=\"Elasticsearch _bulk\",{line}\n")),
            "{metrics}"
        );
    }
    // Without a time it is filed under the time it came; what is no document is in quarantine, and
    // so is the conflict.
    assert_eq!(count(&store, "tenant=t"), 2);
    assert_eq!(count(&store, "tenant=t&time_suspect=true"), 1);
    assert_eq!(get(&store, "/api/v1/quarantine?tenant=t")["total"], 2);
    assert_eq!(
        get(&store, "/api/v1/events/a%2F1?tenant=t")["original"],
        "{\"_index\":\"a\",\"_id_of\":\"a\",\"_id\":\"1\",\"@timestamp\":\"2026-03-01T00:00:00Z\"}"
    );
}

#[test]
fn errors_of_the_elasticsearch_door_are_in_its_form() {
    let store = TestStore::new();
    let (status, headers, text) = send(
        &store,
        post("/es/t/_bulk", "application/json", "{\"index\":{\"_index\":\"a\"}}\n{}\nnonsense\n"),
    );
    let error: Json = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        (status, &error["status"], &error["error"]["type"]),
        (400, &json!(400), &json!("illegal_argument_exception"))
    );
    assert!(
        error["error"]["reason"].as_str().is_some_and(|reason| reason.contains("line [3]")),
        "{error}"
    );
    assert_eq!(headers["x-elastic-product"], "Elasticsearch");
    assert_eq!(count(&store, "tenant=t"), 0, "whole or not at all");
    for (request, expected) in [
        (Request::delete("/es/t/a/_doc/1").body(Body::empty()).expect("a request"), 400),
        (post("/es/t/_search", "application/json", "{}"), 404),
        (post("/es/a%20b/_bulk", "application/json", ""), 400),
    ] {
        let (status, headers, text) = send(&store, request);
        assert_eq!(
            (status, &headers["x-elastic-product"]),
            (expected, &axum::http::HeaderValue::from_static("Elasticsearch")),
            "{text}"
        );
        assert!(serde_json::from_str::<Json>(&text).expect("JSON")["error"]["reason"].is_string());
    }
    for path in [
        "/",
        "/_license",
        "/_xpack",
        "/_cluster/health",
        "/_nodes/http",
        "/_ilm/policy/filebeat",
        "/_index_template/x",
        "/es/t/",
        "/es/t/_license",
    ] {
        get(&store, path);
    }
    assert_eq!(get(&store, "/_license")["license"]["status"], "active");
    let (status, _, _) = send(
        &store,
        Request::head("/_index_template/logstash").body(Body::empty()).expect("a request"),
    );
    assert_eq!(status, 200);
    let (status, headers, text) =
        send(&store, Request::get("/_cat/health").body(Body::empty()).expect("a request"));
    assert_eq!(
        (status, headers[header::CONTENT_TYPE].to_str().expect("text")),
        (200, "text/plain; charset=UTF-8"),
        "{text}"
    );
}

#[test]
fn whose_documents_they_are_is_said_by_path_parameter_header_or_index() {
    let store = TestStore::new();
    let body = |id: u32, index: &str| {
        format!(
            "{{\"index\":{{\"_index\":\"{index}\",\"_id\":\"{id}\"}}}}\n{{\"project_id\":\"of-record\"}}\n"
        )
    };
    bulk(&store, "/es/of-path/_bulk?tenant=other", &body(1, "i"));
    bulk(&store, "/_bulk?tenant=of-query", &body(2, "i"));
    bulk(&store, "/_bulk?tenant_from=project_id", &body(3, "i"));
    bulk(&store, "/_bulk", &(body(4, "of-index-2026.11.23") + &body(5, "of-index-2026.11.24")));
    let mut request = post("/_bulk", "application/json", body(6, "i"));
    request.headers_mut().insert("x-annals-tenant", "of-header".parse().expect("a value"));
    assert_eq!(send(&store, request).0, 200);
    for (tenant, expected) in [
        ("of-path", 1),
        ("of-query", 1),
        ("of-record", 1),
        ("of-index", 2),
        ("of-header", 1),
        ("*", 6),
    ] {
        assert_eq!(count(&store, &format!("tenant={tenant}")), expected, "{tenant}");
    }
}

#[test]
fn ids_are_those_of_an_index_without_its_date() {
    let store = TestStore::new();
    let body = |index: &str, note: &str| {
        format!(
            "{{\"create\":{{\"_index\":\"{index}\",\"_id\":\"7\"}}}}\n\
             {{\"@timestamp\":\"2026-03-01T00:00:00Z\",\"note\":\"{note}\"}}\n"
        )
    };
    // Where several indices share a tenant, and where the index is the tenant.
    for (path, tenant) in
        [("/es/t/_bulk", Some("t")), ("/_bulk?tenant=u", Some("u")), ("/_bulk", None)]
    {
        for (index, note, expected) in [
            ("app-2026.11.01", "a", 201),
            ("audit", "a", 201),
            ("app-2026.11.01", "a", 200),
            ("app-2026.11.02", "b", 409),
            ("app", "b", 409),
            ("audit", "b", 409),
            ("audit-2026.11.01", "b", 409),
            ("other", "b", 201),
        ] {
            let answer: Json =
                serde_json::from_str(&bulk(&store, path, &body(index, note))).expect("JSON");
            let item = &answer["items"][0]["create"];
            assert_eq!(item["status"], expected, "{path} {index} {note}: {item}");
            assert_eq!((&item["_id"], &item["_index"]), (&json!("7"), &json!(index)));
        }
        for index in ["app", "audit", "other"] {
            let event = match tenant {
                Some(tenant) => format!("{index}%2F7?tenant={tenant}"),
                None => format!("7?tenant={index}"),
            };
            get(&store, &format!("/api/v1/events/{event}"));
        }
    }
    // The index that is named like the tenant keeps its plain ids also where the tenant is named.
    let again = bulk(&store, "/_bulk?tenant=app", &body("app-2026.11.01", "a"));
    assert!(again.contains("\"noop\""), "{again}");
    assert_eq!(count(&store, "tenant=*"), 9);
    // A member of a document that is named like it is only a member.
    let named = "{\"create\":{\"_index\":\"own\",\"_id\":\"9\"}}\n{\"_id_of\":\"x\"}\n";
    let answer: Json = serde_json::from_str(&bulk(&store, "/_bulk", named)).expect("JSON");
    assert_eq!(answer["items"][0]["create"]["_id"], "9");
    assert_eq!(store.get("/api/v1/events/9?tenant=own")["trace_id"], "9");
}

#[test]
fn records_that_are_carried_in_documents_and_log_records_are_decoded() {
    let store = TestStore::new();
    let trace = json!({ "trace_id": "c1", "trace_name": "createServer", "service_type": "ECS",
        "time": 1_772_323_200_000_i64, "trace_rating": "warning" });
    let document = json!({ "@timestamp": "2026-03-02T00:00:00Z", "message": trace.to_string(),
        "host": { "name": "h" } });
    bulk(
        &store,
        "/es/t/_bulk",
        &format!("{{\"create\":{{\"_index\":\"filebeat\"}}}}\n{document}\n"),
    );
    let trace = |id: &str| {
        json!({ "trace_id": id, "trace_name": "createServer", "service_type": "ECS",
            "time": 1_772_323_200_000_i64 })
        .to_string()
    };
    let logs = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [{ "timeUnixNano": "1",
        "body": { "stringValue": trace("c2") } }] }] }] });
    assert_eq!(send(&store, post("/otlp/t/v1/logs", "application/json", logs.to_string())).0, 200);
    let cloud = format!(
        "{{\"specversion\":\"1.0\",\"id\":\"i\",\"source\":\"s\",\"type\":\"t\",\"data\":{}}}",
        trace("c3")
    );
    assert_eq!(send(&store, post("/cloudevents/t", "application/cloudevents+json", cloud)).0, 200);
    assert_eq!(
        count(
            &store,
            "tenant=t&source=ECS&event_name=createServer&from=2026-03-01T00:00:00Z&to=2026-03-01T00:00:01Z"
        ),
        3
    );
    for id in ["c1", "c2", "c3"] {
        assert_eq!(get(&store, &format!("/api/v1/events/{id}?tenant=t"))["source"], "ECS");
    }
}

#[test]
fn otlp_in_json_is_read_as_its_specification_says() {
    let store = TestStore::new();
    let export = |record: Json| {
        let body = json!({ "resourceLogs": [{
            "resource": { "attributes": [{ "key": "service.name",
                "value": { "stringValue": "billing" } }] },
            "scopeLogs": [{ "scope": { "name": "lib", "version": "1" }, "logRecords": [record] }],
            "unknown": 1,
        }] });
        send(&store, post("/v1/logs?tenant=t", "application/json", body.to_string()))
    };
    let (status, headers, text) = export(json!({
        "timeUnixNano": 1_772_323_200_000_000_123_u64,
        "observedTimeUnixNano": "1772323200001000000", "severityNumber": "SEVERITY_NUMBER_ERROR2",
        "eventName": "quota.recall", "traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "",
        "body": { "kvlistValue": { "values": [
            { "key": "amount", "value": { "intValue": "9007199254740993" } }, { "key": "ok",
                "value": { "boolValue": true } },
            { "key": "raw", "value": { "bytesValue": "AAE=" } }, { "key": "none", "value": {} },
        ] } },
        "attributes": [
            { "key": "user.id", "value": { "stringValue": "u1" } }, { "key": "user.id",
                "value": { "stringValue": "u2" } },
            { "key": "list", "value": { "arrayValue": { "values": [{ "doubleValue": 1.5 },
                { "stringValue": "x" }] } } },
        ],
    }));
    assert_eq!(
        (status, headers[header::CONTENT_TYPE].to_str().expect("text"), text.as_str()),
        (200, "application/json", "{}")
    );
    let event = get(&store, "/api/v1/events?tenant=t&original=true")["events"][0].clone();
    assert_eq!(event["time"], "2026-03-01T00:00:00.000Z");
    for (field, value) in [
        ("event_name", "quota.recall"),
        ("source", "billing"),
        ("operator", "u1"),
        ("level", "incident"),
        ("format", "otlp"),
    ] {
        assert_eq!(event[field], value, "{event}");
    }
    assert_eq!(
        count(
            &store,
            "tenant=t&related_ids=trace:5b8efff798038103d269b633813fc60c&text=body.amount:9007199254740993"
        ),
        1
    );
    let original: Json =
        serde_json::from_str(event["original"].as_str().expect("text")).expect("JSON");
    assert_eq!(original["repeatedAttributes"], json!([{ "key": "user.id", "value": "u2" }]));
    assert_eq!(
        (&original["body"]["raw"], &original["spanId"]),
        (&json!({ "bytesValue": "AAE=" }), &Json::Null)
    );
}

/// A few kilobytes may describe gigabytes: room is taken before the records are built, so what is
/// refused here has never been in memory (64 GiB would not fit).
#[test]
fn otlp_records_that_repeat_a_large_resource_are_refused_before_they_are_built() {
    let store = TestStore::new();
    let resource = json!({ "attributes": [{ "key": "a",
        "value": { "stringValue": "x".repeat(1_000_000) } }] });
    let records = vec![json!({ "timeUnixNano": "1772323200000000000" }); 64_000];
    let body = json!({ "resourceLogs": [{ "resource": resource,
        "scopeLogs": [{ "logRecords": records }] }] });
    let (status, _, text) =
        send(&store, post("/v1/logs?tenant=t", "application/json", body.to_string()));
    assert_eq!(status, 413, "{text}");
    assert_eq!(count(&store, "tenant=t"), 0);
}

#[test]
fn otlp_requests_are_taken_once_and_refused_in_their_encoding() {
    let store = TestStore::new();
    // The same log line twice in one request is two events; the request again is none.
    let line = json!({ "timeUnixNano": "1772323200000000000", "body": { "stringValue": "again" } });
    let twice =
        json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [line, line] }] }] }).to_string();
    for _ in 0..2 {
        assert_eq!(
            send(&store, post("/v1/logs?tenant=t", "application/json", twice.clone())).0,
            200
        );
        assert_eq!(count(&store, "tenant=t&text=again"), 2);
    }
    assert_eq!(
        send(&store, post("/v1/logs?tenant=t", "application/x-protobuf", "")).0,
        200,
        "an empty request is one"
    );
    for (kind, body, expected) in [
        ("application/json", "[]", 400),
        ("application/json", "{\"resource_logs\":[]}", 400),
        ("application/json", "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[5]}]}]}", 400),
        ("application/x-protobuf", "\u{1}\u{2}nonsense", 400),
        ("text/plain", "", 415),
    ] {
        let (status, headers, text) = send(&store, post("/v1/logs?tenant=t", kind, body));
        assert_eq!(status, expected, "{kind} {body}: {text}");
        let answered = headers[header::CONTENT_TYPE].to_str().expect("text");
        assert_eq!(
            answered,
            if kind == "application/x-protobuf" { kind } else { "application/json" }
        );
    }
    let (status, _, text) = send(&store, post("/v1/logs", "application/json", "{}"));
    assert!(status == 400 && text.contains("tenant"), "{text}");
}

#[test]
fn bodies_are_unpacked_however_they_are_packed() {
    let store = TestStore::new();
    let line = |id: u32| {
        format!(
            "{{\"index\":{{\"_index\":\"i\",\"_id\":\"{id}\"}}}}\n{{\"@timestamp\":\"2026-03-01T00:00:00Z\"}}\n"
        )
    };
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(line(1).as_bytes()).expect("memory");
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(line(2).as_bytes()).expect("memory");
    let packed =
        [("gzip", gzip.finish().expect("memory")), ("deflate", zlib.finish().expect("memory"))];
    for (coding, body) in packed {
        let mut request = post("/es/t/_bulk", "application/x-ndjson", body);
        request.headers_mut().insert(header::CONTENT_ENCODING, coding.parse().expect("a value"));
        let (status, _, text) = send(&store, request);
        assert!(status == 200 && text.contains("\"errors\":false"), "{coding}: {text}");
    }
    assert_eq!(count(&store, "tenant=t"), 2);
    let mut request = post("/es/t/_bulk", "application/x-ndjson", "no gzip");
    request.headers_mut().insert(header::CONTENT_ENCODING, "gzip".parse().expect("a value"));
    assert_eq!(send(&store, request).0, 400);
    let bomb = {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&vec![b' '; 64 << 20]).expect("memory");
        gzip.finish().expect("memory")
    };
    let (status, _, text) = send(&store, post("/es/t/_bulk", "application/x-ndjson", bomb));
    assert!(status == 413 && text.contains("content_too_long_exception"), "{text}");
}

#[test]
fn clients_of_elasticsearch_and_opensearch_write_to_the_door() {
    let store = TestStore::new();
    let url = serve(&store);
    for kind in ["elasticsearch7", "elasticsearch8", "elasticsearch9", "opensearch"] {
        run("elastic.py", kind, &[&url, &format!("tenant-{kind}"), kind]);
    }
}

#[test]
fn opentelemetrys_exporters_write_to_the_door() {
    let store = TestStore::new();
    let url = serve(&store);
    for version in ["otel", "otel136"] {
        run("otlp.py", version, &[&url, &format!("tenant-{version}")]);
    }
    let Some(output) = run_javascript(&[&url, "js"]) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(count(&store, "tenant=js&event_name=user.login&operator=bob&level=incident"), 1_200);
    assert_eq!(
        count(&store, "tenant=js&text=scope.name:js-proto%20attributes.whole:1099511627776"),
        600
    );
}

#[test]
fn the_sdk_of_cloudevents_writes_to_the_door() {
    let store = TestStore::new();
    run("cloud_events.py", "cloudevents", &[&serve(&store), "t"]);
}

/// Sends lines to a syslog server, and waits until the store has counted all of them.
fn deliver_lines(store: &TestStore, port: u16, lines: u64, question: &str) {
    log_lines(port, lines as usize);
    wait_until("lines that arrived", || count(store, question), |found| *found >= lines);
    assert_eq!(count(store, question), lines);
}

#[test]
fn rsyslog_writes_to_the_door() {
    let store = TestStore::new();
    let url = serve(&store);
    let (port, folder) = (free_port(), tempfile::tempdir().expect("a temporary directory"));
    let server = url.rsplit(':').next().expect("a port");
    let errors = folder.path().join("errors");
    let action = format!(
        r#"action(type="omelasticsearch" server="127.0.0.1" serverport="{server}" searchIndex="of-rsyslog" bulkmode="on" template="doc"
 errorfile="{}" action.resumeretrycount="-1" action.resumeinterval="1")"#,
        errors.display()
    );
    let Some(_rsyslog) = rsyslog(folder.path(), port, &action) else { return };
    deliver_lines(
        &store,
        port,
        500,
        "tenant=of-rsyslog&source=billing&resource_name=host-1&level=incident&text=回收",
    );
    assert!(!errors.exists(), "rsyslog noted errors");
}

#[test]
fn syslog_ng_writes_to_the_door() {
    let store = TestStore::new();
    let url = serve(&store);
    let (port, folder) = (free_port(), tempfile::tempdir().expect("a temporary directory"));
    let options =
        format!(r#"url("{url}/es/t/_bulk") headers("Content-Type: application/x-ndjson")"#);
    let Some(_syslog_ng) = syslog_ng(folder.path(), port, &[("ng", options)]) else { return };
    deliver_lines(
        &store,
        port,
        500,
        "tenant=t&source=billing&resource_name=host-1&level=incident&text=回收",
    );
}

#[test]
fn requests_of_many_short_records_are_refused_before_they_need_memory() {
    let store = TestStore::new();
    let (status, _, text) = send(
        &store,
        post("/es/t/i/_bulk", "application/x-ndjson", "{\"index\":{}}\n{}\n".repeat(200_001)),
    );
    assert!(status == 413 && text.contains("200000 actions"), "{text}");
    let (status, _, text) = send(
        &store,
        post("/api/v1/events?tenant=t", "application/x-ndjson", "{}\n".repeat(1_000_001)),
    );
    assert!(status == 413 && text.contains("send it in parts"), "{text}");
    // One resource, one scope, and then nothing but empty records.
    let records = [0x12, 0x00].repeat(200_001);
    let enclose = |field: u8, inner: Vec<u8>| {
        let mut length = inner.len();
        let mut message = vec![field];
        while length > 127 {
            message.push(length as u8 | 0x80);
            length >>= 7;
        }
        message.push(length as u8);
        message.extend(inner);
        message
    };
    let body = enclose(0x0a, enclose(0x12, records));
    let (status, _, text) = send(&store, post("/v1/logs?tenant=t", "application/x-protobuf", body));
    assert!(status == 413 && text.contains("200000 log records"), "{text}");
    assert_eq!(
        (count(&store, "tenant=t"), &get(&store, "/api/v1/quarantine?tenant=t")["total"]),
        (0, &json!(0))
    );
}
