//! Attacks on a server by callers with a credential and by pages in their browsers: what they send
//! stops nothing, names nothing outside the store, and tells them nothing of other tenants.
//!
//! Which attack is tried where is in the table of `tests/README.md`.

use super::matrix::asked;
use super::server::{Answer, Guarded};
use crate::support::store::TestStore;
use annals::api::route_needs;
use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::path::Path;

fn event(id: &str, name: &str) -> Json {
    json!({ "trace_id": id, "event_name": name, "source": "ECS", "operator": "zhang",
        "source_ip": "10.0.0.1", "resource_id": "r1", "resource_type": "server",
        "related_ids": ["customer:c1"], "amount": "1.50", "currency": "CNY",
        "request": { "note": format!("words of {id}") }, "time": "2026-06-01T00:00:00Z" })
}

fn auditor(name: &str, tenant: &str) -> Json {
    json!({ "name": name, "roles": ["auditor"], "tenants": [tenant] })
}

/// Bodies that break readers: deep, wide, of absurd numbers and of no text.
fn hostile_bodies() -> Vec<(&'static str, Vec<u8>)> {
    let keys: String = (0..100_000).map(|number| format!("\"k{number}\":0,")).collect();
    vec![
        ("open lists", "[".repeat(1_000_000).into_bytes()),
        ("open objects", "{\"a\":".repeat(100_000).into_bytes()),
        ("deep lists", ["[".repeat(50_000), "]".repeat(50_000)].concat().into_bytes()),
        ("many keys", format!("{{{keys}\"last\":0}}").into_bytes()),
        ("a huge number", b"{\"limit\":1e999999,\"time\":1e999999,\"days\":1e999999}".to_vec()),
        ("digits", format!("{{\"time\":{},\"days\":1}}", "9".repeat(100_000)).into_bytes()),
        ("half a surrogate", b"{\"name\":\"\\ud800\",\"trace_id\":\"\\udc00\"}".to_vec()),
        ("no UTF-8", b"{\"name\":\"\xff\xfe\",\"trace_id\":\"\xc0\x80\"}".to_vec()),
        ("a mark of order", b"\xef\xbb\xbf{\"name\":\"x\"}".to_vec()),
        ("no number", b"{\"limit\":NaN,\"time\":-Infinity}".to_vec()),
        ("the same key twice", b"{\"name\":\"a\",\"name\":\"b\",\"id\":1,\"id\":2}".to_vec()),
        ("nothing but zeros", vec![0; 100_000]),
    ]
}

#[test]
fn no_body_breaks_a_route() {
    let server = Guarded::over(TestStore::new(), false);
    let bodies = hostile_bodies();
    for (method, path) in route_needs().filter(|(method, _)| *method != "GET") {
        let (path, _) = asked(method, path);
        for (what, body) in &bodies {
            let answer = server.call(None, method, &path, body.clone());
            let status = answer.status.as_u16();
            assert!(status < 500, "{method} {path}, {what}: {status} {}", answer.text());
            if status >= 400 {
                assert!(answer.body.len() < 4_096, "{method} {path}, {what}: an echo");
            }
        }
    }
    let taken = server.call(None, "POST", "/api/v1/events?tenant=t", event("a", "n").to_string());
    assert_eq!(taken.json()["accepted"], 1, "{}", taken.text());
}

#[test]
fn no_parameter_breaks_a_route() {
    let server = Guarded::over(TestStore::new(), false);
    server.store.ingest("mine", &[event("a", "n").to_string()]);
    let deep = "{\"not\":".repeat(2_500);
    let values = [
        ("filter", deep.as_str()),
        ("filter", "{\"any\":[{\"any\":[{\"any\":[{}]}]}]}"),
        ("text", &"(".repeat(5_000)),
        ("text", &"a ".repeat(5_000)),
        ("substring", "\u{0}\u{1b}[2J\r\n"),
        ("event_name.regex", "(a{1000}){1000}"),
        ("event_name.regex", "(((((((((((((((((((((.*)*)*)*)*"),
        ("event_name.wildcard", &"*a".repeat(500)),
        ("limit", "-1"),
        ("limit", "99999999999999999999"),
        ("cursor", &"A".repeat(5_000)),
        ("from", "-292277-01-01T00:00:00Z"),
        ("to", "9999-12-31T23:59:60+99:99"),
        ("tenant", "../../etc/passwd"),
        ("fields", &"source,".repeat(1_000)),
        ("interval", "1ns"),
        ("time_zone", "../../../etc/localtime"),
        ("columns", "original'; DROP TABLE events; --"),
        ("after", "\u{202e}\u{0}"),
    ];
    for (method, path) in route_needs().filter(|(method, _)| *method == "GET") {
        let (path, _) = asked(method, path);
        for (name, value) in values {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.append_pair(name, value);
            let and = if path.contains('?') { '&' } else { '?' };
            let asked = format!("{path}{and}{}", query.finish());
            let answer = server.call(None, method, &asked, Body::empty());
            let clipped: String = asked.chars().take(100).collect();
            assert!(answer.status.as_u16() < 500, "{clipped}: {}", answer.text());
        }
    }
    assert_eq!(server.json("", "/api/v1/count?tenant=mine"), json!({ "count": 1 }));
}

/// Every file and folder below a folder.
fn tree(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).expect("a folder") {
            let path = entry.expect("an entry").path();
            found.insert(path.display().to_string());
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    found
}

#[test]
fn no_name_leads_out_of_the_store() {
    let server = Guarded::over(TestStore::new(), false);
    let data = server.store.path();
    let around = data.parent().expect("a folder").to_owned();
    std::fs::write(around.join("outside"), "kept").expect("a file");
    let beside = || -> BTreeSet<String> {
        let inside = format!("{}/", data.display());
        tree(&around).into_iter().filter(|path| !path.starts_with(&inside)).collect()
    };
    let before = beside();
    let long = "a".repeat(300);
    let names = [
        "..%2foutside",
        "%2e%2e%2foutside",
        "..%5coutside",
        "%2fetc%2fpasswd",
        "a%2f..%2f..%2fb",
        "..",
        "%2e%2e",
        ".",
        "CON",
        "nul%00byte",
        "dot.",
        "space%20",
        "%E2%80%A4%E2%80%A4",
        "~",
        "canary-$(id)",
        "%252e%252e%252foutside",
        "date%3D2026-06-01",
        "_annals",
        "_delta_log",
        &long,
    ];
    for name in names {
        let record = event("a", "n").to_string();
        for (method, path, body) in [
            ("POST", format!("/api/v1/events?tenant={name}"), record.clone()),
            ("POST", format!("/cloudevents/{name}"), record.clone()),
            ("POST", format!("/k8s/audit/{name}"), "{\"items\":[{\"a\":1}]}".to_owned()),
            ("PUT", format!("/es/{name}/{name}/_doc/{name}"), record.clone()),
            ("PUT", format!("/{name}/_doc/{name}"), record.clone()),
            (
                "PUT",
                format!("/api/v1/views/{name}"),
                json!({ "name": "n", "query": "" }).to_string(),
            ),
            ("PUT", format!("/api/v1/holds/{name}"), json!({ "reason": "r" }).to_string()),
            ("PATCH", format!("/api/v1/tenants/{name}"), "{\"undated\":\"refuse\"}".to_owned()),
            ("POST", format!("/api/v1/backups?name={name}"), String::new()),
            ("GET", format!("/api/v1/events/{name}?tenant=*"), String::new()),
            ("GET", format!("/{name}"), String::new()),
            ("GET", format!("/assets/{name}"), String::new()),
        ] {
            let answer = server.call(None, method, &path, body);
            assert!(answer.status.as_u16() < 500 || answer.status == 501, "{method} {path}");
            assert!(!answer.text().contains("root:"), "{method} {path}");
        }
    }
    let dated = event("dated", "n").to_string();
    server.call(None, "POST", "/api/v1/events?tenant_from=request.note", dated);
    server.store.engine().seal().expect("a commit");
    assert_eq!(beside(), before, "something was made beside the store");
    let made = tree(&data);
    for path in &made {
        for word in ["outside", "passwd", "canary", "CON", "nul", "‥", "~"] {
            assert!(!path[data.as_os_str().len()..].contains(word), "{path}");
        }
    }
    assert_eq!(std::fs::read(around.join("outside")).expect("a file"), b"kept");
}

/// What an auditor of tenant `a` asks of the native API.
const OF_EVENTS: &[&str] = &[
    "events?limit=3",
    "events?limit=1000&order=asc&original=true",
    "events?source=none",
    "events?text=words",
    "events?text=canary",
    "events?substring=words%20of%20b",
    "events?around=2026-06-01T00:00:00Z",
    "events?tenant=*&limit=2",
    "count",
    "count?explain=true",
    "count?text=secret",
    "count?substring=canary",
    "count?related_ids=customer:c1",
    "count?operator=canary-operator",
    "count?tenant=*",
    "facets?fields=source,level,event_name,operator,resource_type,currency,format",
    "histogram?interval=1d&by=event_name",
    "histogram",
    "histogram?tenant=*&interval=1h",
    "top?field=operator&size=100",
    "top?field=related_ids.customer",
    "top?field=resource_id",
    "top?field=source_ip&tenant=*",
    "stats",
    "stats?by=source",
    "stats?by=currency",
    "stats?by=related_ids.customer",
    "values?field=operator&contains=a",
    "values?field=event_name&contains=",
    "values?field=operator&contains=canary",
    "values?field=source&tenant=*&contains=",
    "events.csv",
    "events.parquet",
    "events.ndjson?columns=trace_id,original",
    "events/a1",
    "events/b1",
    "events/shared",
    "events/shared?tenant=*",
    "events/nobodys",
    "quarantine",
    "quarantine?tenant=*",
    "quarantine?substring=canary",
    "quarantine/reasons",
    "tenants",
    "views",
    "views/of-b",
    "retention",
    "holds",
    "me",
    "fields",
    "events?tenant=b",
    "count?tenant=b",
    "events?tenant=nobody",
    "events?cursor=x",
    "facets?fields=nothing",
    "events/b1?tenant=b",
];
/// The same of the façade.
const OF_CTS: &[&str] = &[
    "/v3/a/traces?limit=2",
    "/v3/a/traces?trace_id=b1",
    "/v3/a/resources",
    "/v3/a/operations",
    "/v3/a/user-resources",
    "/v3/b/traces",
    "/v2.0/a/system/trace",
    "/v3/projects",
    "/v3/projects?name=b",
];

/// Asks all of it: each call, with its status, its headers that say something, and its body.
fn everything_of_a(server: &Guarded, token: &str, extra: &[String]) -> Vec<(String, String)> {
    let native = OF_EVENTS.iter().map(|path| format!("/api/v1/{path}"));
    let calls = native.chain(OF_CTS.iter().map(|path| (*path).to_owned()));
    let ask = |path: String| {
        let Answer { status, headers, body } = server.get(token, &path);
        let header = |name: &str| {
            headers.get(name).map_or("", |value| value.to_str().expect("text")).to_owned()
        };
        let told = ["etag", "content-type", "link", "cache-control", "retry-after"].map(header);
        // How long an answer took is no part of it.
        let mut text = String::from_utf8_lossy(&body).into_owned();
        if path.contains("explain") {
            text = without_times(&text);
        }
        (path, format!("{status} {told:?} {text}"))
    };
    calls.chain(extra.iter().cloned()).map(ask).collect()
}

/// The text of an explanation without how long each step took.
fn without_times(text: &str) -> String {
    fn clear(value: &mut Json) {
        match value {
            Json::Object(members) => {
                members.remove("micros");
                members.values_mut().for_each(clear);
            }
            Json::Array(values) => values.iter_mut().for_each(clear),
            _ => {}
        }
    }
    let mut json: Json = serde_json::from_str(text).unwrap_or_default();
    clear(&mut json);
    json.to_string()
}

/// Fills tenant `b` with what resembles `a`, and with words of its own.
fn fill_b(server: &Guarded) {
    let mut records: Vec<String> = (0..40)
        .map(|number| {
            let mut record = event(&format!("b{number}"), "canaryName");
            record["operator"] = "canary-operator".into();
            record["request"] = json!({ "note": format!("canary words of b {number}") });
            record["amount"] = "1000000".into();
            record.to_string()
        })
        .collect();
    records.extend(["a1", "a2", "shared"].map(|id| event(id, "canaryName").to_string()));
    let body = records.join("\n") + "\nno record but a canary\n{\"time\":\"canary\"}\n";
    server.store.post("/api/v1/events?tenant=b", body);
    let view = json!({ "name": "canary", "query": "tenant=b" }).to_string();
    assert_eq!(server.call(Some(&b_token(server)), "PUT", "/api/v1/views/of-b", view).status, 201);
}

fn b_token(server: &Guarded) -> String {
    server.principal(&auditor("canary-of-b", "b"))
}

/// The same questions of `a` with `b` empty and full are answered byte by byte the same: with what
/// has just come in, when it is in segments, and when these are merged.
#[test]
fn what_another_tenant_has_changes_no_byte_of_an_answer() {
    let server = Guarded::new();
    let records: Vec<String> =
        (0..12).map(|number| event(&format!("a{number}"), "create").to_string()).collect();
    for part in records.chunks(2) {
        server.store.ingest("a", part);
    }
    server.store.post("/api/v1/events?tenant=a", "nonsense of a".to_owned());
    let token = server.principal(&auditor("li", "a"));
    let page = server.json(&token, "/api/v1/events?limit=3");
    let cursor = page["next_cursor"].as_str().expect("a cursor");
    let extra = [format!("/api/v1/events?limit=3&cursor={cursor}")];
    let whole = |server: &Guarded| server.store.get("/api/v1/count?tenant=*")["count"].clone();
    assert_eq!(whole(&server), 12);

    let empty = everything_of_a(&server, &token, &extra);
    let compare = |server: &Guarded, when: &str| {
        for (before, after) in empty.iter().zip(everything_of_a(server, &token, &extra)) {
            assert_eq!(before.1, after.1, "{when}: {}", before.0);
        }
    };
    compare(&server, "asked again");
    for (path, answer) in &empty {
        let own = path.contains("tenant=b") || path.contains("/b") || path.contains("=canary");
        assert!(own || !answer.contains("canary"), "{path}: {answer}");
    }
    fill_b(&server);
    // What the operator sees has changed, so there is something to be told.
    assert_eq!(whole(&server), 12 + 43);
    compare(&server, "b came in");
    server.store.engine().seal().expect("a commit");
    compare(&server, "b is in segments");
    // Of merged segments the plan differs: how many there are of the tenant's own.
    assert!(server.store.engine().compact().expect("a compaction").merged > 0, "nothing merged");
    let merged = everything_of_a(&server, &token, &extra);
    for (before, after) in empty.iter().zip(merged) {
        if !before.0.contains("explain") {
            assert_eq!(before.1, after.1, "merged: {}", before.0);
        }
        assert!(!after.1.contains("canaryName"), "{}", after.0);
    }
}

#[test]
fn no_changed_letter_of_a_cursor_is_accepted() {
    let server = Guarded::new();
    let records: Vec<String> =
        (0..6).map(|number| event(&format!("a{number}"), "create").to_string()).collect();
    server.store.ingest("a", &records);
    let token = server.principal(&auditor("li", "a"));
    let page = server.json(&token, "/api/v1/events?limit=2");
    let cursor = page["next_cursor"].as_str().expect("a cursor").to_owned();
    let status = |cursor: &str| {
        server.get(&token, &format!("/api/v1/events?limit=2&cursor={cursor}")).status.as_u16()
    };
    assert_eq!(status(&cursor), 200);
    for at in 0..cursor.len() {
        let letter = if &cursor[at..=at] == "A" { "B" } else { "A" };
        let changed = format!("{}{letter}{}", &cursor[..at], &cursor[at + 1..]);
        assert_eq!(status(&changed), 400, "letter {at}");
    }
}

#[test]
fn no_other_page_calls_a_route_with_a_session() {
    let server = Guarded::over(TestStore::new(), true);
    let everything =
        json!({ "name": "li", "roles": ["tenant_administrator"], "tenants": ["mine"] });
    let token = server.principal(&everything);
    let sign_in = Request::post("/auth/login")
        .header("host", "localhost")
        .header("origin", "http://localhost")
        .header("content-type", "application/json")
        .body(json!({ "token": token }).to_string().into())
        .expect("a request");
    let answer = server.send(sign_in);
    let cookie = answer.headers["set-cookie"].to_str().expect("text");
    let cookie = cookie.split(';').next().expect("a cookie").to_owned();
    let foreign: [&[(&str, &str)]; 3] = [
        &[
            ("origin", "https://evil.example"),
            ("sec-fetch-site", "cross-site"),
            ("content-type", "application/json"),
        ],
        &[("origin", "http://localhost.evil.example"), ("content-type", "text/plain")],
        &[
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "no-cors"),
            ("sec-fetch-dest", "image"),
        ],
    ];
    for (method, path) in route_needs() {
        let (path, body) = asked(method, path);
        for headers in foreign {
            // A link leads to a page and to nothing else; a preflight is answered with no consent.
            let mut request = Request::builder().method(method).uri(&path);
            request = request.header("host", "localhost").header("cookie", &cookie);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let answer = server.send(request.body(body.into()).expect("a request"));
            assert_eq!(answer.status, 403, "{method} {path} {headers:?}: {}", answer.text());
            assert!(!answer.headers.contains_key("access-control-allow-origin"), "{path}");
            assert!(!answer.headers.contains_key("set-cookie"), "{path}");
        }
    }
}

#[test]
fn names_that_look_alike_are_different_ones() {
    let server = Guarded::new();
    // In Latin, with a capital, with a Cyrillic а, in full width, with an invisible letter, and
    // turned around.
    let names = [
        "admin",
        "Admin",
        "\u{430}dmin",
        "\u{ff41}dmin",
        "ad\u{200b}min",
        "\u{202e}nimda",
        "admin ",
    ];
    let sec = json!({ "name": "sec", "roles": ["security_administrator"] });
    let sec = server.principal(&sec);
    for (number, name) in names.iter().enumerate() {
        let settings = auditor(name, "t").to_string();
        let made = server.call(Some(&sec), "POST", "/api/v1/principals", settings);
        // Principals have names of ASCII, in which no letter looks like two.
        let expected = if number < 2 { 201 } else { 400 };
        assert_eq!(made.status.as_u16(), expected, "{name:?}: {}", made.text());
    }
    let tokens = ["admin", "Admin"].map(|name| server.token(name, &json!({})));
    let [small, capital] = &tokens;
    let with = |name: &str, token: &str| {
        let basic = format!("Basic {}", STANDARD.encode(format!("{name}:{token}")));
        let request = Request::get("/api/v1/me").header("host", "localhost");
        let request = request.header("authorization", basic).body(Body::empty());
        let answer = server.send(request.expect("a request"));
        (answer.status.as_u16(), answer.json()["name"].clone())
    };
    assert_eq!(with("admin", small), (200, json!("admin")));
    assert_eq!(with("Admin", capital), (200, json!("Admin")));
    for name in names.iter().filter(|name| **name != "admin") {
        assert_eq!(with(name, small).0, 401, "{name:?}");
    }
    // Operators of records have any names: a field is compared letter by letter.
    for (number, operator) in names.iter().enumerate() {
        let mut record = event(&format!("e{number}"), "n");
        record["operator"] = (*operator).into();
        server.store.ingest("t", &[record.to_string()]);
    }
    for operator in names {
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("operator", operator)
            .finish();
        let found = server.json(small, &format!("/api/v1/events?{query}&original=true"));
        let events = found["events"].as_array().expect("events");
        assert_eq!(events.len(), 1, "{operator:?}: {found}");
        assert_eq!(events[0]["operator"], operator);
    }
    // A tenant that looks like one's own is another one.
    for tenant in ["%D1%82", "%EF%BD%94", "T", "t%E2%80%8B"] {
        let answer = server.get(small, &format!("/api/v1/count?tenant={tenant}"));
        assert!([400, 403].contains(&answer.status.as_u16()), "{tenant}: {}", answer.text());
    }
}
