//! What a cursor, a marker or a tag is worth after what its holder may see has changed: it shows no
//! more than is seen now, and never says that an answer is still the same which is not.

use super::scope_paths::{if_none_match, list};
use super::server::Guarded;
use crate::support::store::{NOW, TestStore};
use annals::event::Timestamp;
use serde_json::{Value as Json, json};

const HOUR: i64 = 3_600_000;

fn moment(hour: i64) -> String {
    Timestamp::from_millis(NOW - 100 * HOUR + hour * HOUR).to_string()
}

/// A server with 40 events in each of the tenants `a` and `b`, every second of which names the
/// customer `c0`; the token of an administrator, and the principal `p`, who sees what the customer
/// did in `b` through a relationship.
struct Stage {
    server: Guarded,
    security: String,
    token: String,
    relationship: String,
}

impl Stage {
    fn new() -> Self {
        let server = Guarded::over(TestStore::new(), true);
        for tenant in ["a", "b"] {
            let record = |number: i64| {
                let source = ["ECS", "VPC"][number as usize % 2];
                json!({ "trace_id": format!("{tenant}{number}"), "event_name": "n",
                    "source": source, "operator": "zhang-wei-chen",
                    "time": moment(number), "related_ids": [format!("customer:c{}", number % 2)] })
                .to_string()
            };
            server.store.ingest(tenant, &(0..40).map(record).collect::<Vec<_>>());
        }
        let security =
            server.principal(&json!({ "name": "s", "roles": ["security_administrator"] }));
        let token = server.principal(&json!({ "name": "p", "roles": ["reader"],
            "tenants": ["a"], "partner": "x" }));
        let body = json!({ "partner": "x", "customer": "c0", "tenants": ["b"], "from": moment(5),
            "to": moment(35) });
        let path = "/api/v1/relationships";
        let made = server.call(Some(&security), "POST", path, body.to_string()).json();
        let relationship = made["id"].as_str().expect("an id").to_owned();
        Self { server, security, token, relationship }
    }

    fn change(&self, method: &str, path: &str, body: &Json) {
        let path = path.replace("RELATIONSHIP", &self.relationship);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let done = self.server.call(Some(&self.security), method, &path, body);
        assert!(done.status.is_success(), "{method} {path}: {}", done.text());
    }
}

const TENANTS: &[&str] = &["tenant=*", "tenant=a", "tenant=b", "tenant=a&tenant=b"];
const CALLS: &[&str] = &[
    "/api/v1/events?limit=4",
    "/api/v1/count?level.exists=true",
    "/api/v1/count?source=ECS",
    "/api/v1/facets?fields=source,tenant",
    "/api/v1/histogram?by=source",
    "/api/v1/top?field=event_name",
    "/api/v1/values?field=source&contains=e",
    "/api/v1/stats?by=source",
];

/// What was answered before a change.
struct Seen {
    path: String,
    tag: Option<String>,
    answer: Json,
}

fn seen(stage: &Stage) -> Vec<Seen> {
    let mut all = Vec::new();
    for tenant in TENANTS {
        for call in CALLS {
            let path = format!("{call}&{tenant}");
            let answer = stage.server.get(&stage.token, &path);
            let tag = answer.headers.get("etag").map(|tag| tag.to_str().expect("text").to_owned());
            all.push(Seen { path, tag, answer: answer.json() });
        }
    }
    all
}

/// Markers of the façade of CTS, by their lists.
fn markers(stage: &Stage) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for tenant in ["a", "b"] {
        let path = format!("/v3/{tenant}/traces?from=1000000000000&limit=4");
        let page = stage.server.get(&stage.token, &path).json();
        if let Some(marker) = page["meta_data"]["marker"].as_str() {
            all.push((path, marker.to_owned()));
        }
    }
    all
}

/// Changes of a principal or of its relationship, by method, path and body.
fn changes() -> Vec<(&'static str, &'static str, Json)> {
    const PRINCIPAL: &str = "/api/v1/principals/p";
    const RELATIONSHIP: &str = "/api/v1/relationships/RELATIONSHIP";
    let of_principal = |body: Json| ("PATCH", PRINCIPAL, body);
    let of_relationship = |body: Json| ("PATCH", RELATIONSHIP, body);
    vec![
        of_relationship(json!({ "to": moment(20) })),
        of_relationship(json!({ "from": moment(20) })),
        of_relationship(json!({ "from": moment(0), "to": null })),
        of_relationship(json!({ "tenants": ["a"] })),
        ("POST", "/api/v1/relationships/RELATIONSHIP/withdraw", Json::Null),
        ("PATCH", "/api/v1/tenants/b", json!({ "customers": ["c0"] })),
        (
            "POST",
            "/api/v1/relationships",
            json!({ "partner": "x", "customer": "c1",
            "tenants": ["b"], "from": moment(0) }),
        ),
        of_principal(json!({ "tenants": ["b"] })),
        of_principal(json!({ "tenants": ["a", "b"] })),
        of_principal(json!({ "rows": { "source": "VPC" } })),
        of_principal(json!({ "masks": { "source": "hide" } })),
        of_principal(json!({ "masks": { "operator": "hash" } })),
        of_principal(json!({ "from": moment(20) })),
        of_principal(json!({ "to": moment(20) })),
        of_principal(json!({ "partner": "another" })),
    ]
}

#[test]
fn after_what_may_be_seen_has_changed_no_cursor_shows_more_and_no_tag_says_that_nothing_has() {
    let (mut not_modified, mut refused) = (0, 0);
    for (method, path, body) in changes() {
        let stage = Stage::new();
        let (before, markers) = (seen(&stage), markers(&stage));
        stage.change(method, path, &body);
        for seen in &before {
            let context = format!("{method} {path} {body}, then {}", seen.path);
            let now = stage.server.get(&stage.token, &seen.path);
            if let Some(tag) = &seen.tag {
                let again = if_none_match(&stage.server, &stage.token, &seen.path, tag);
                if again.status == 304 {
                    // Cursors hold more than the list.
                    let events =
                        |answer: &Json| (answer["events"].clone(), answer["count"].clone());
                    assert_eq!(events(&now.json()), events(&seen.answer), "{context}");
                    not_modified += 1;
                } else {
                    assert_eq!(again.json(), now.json(), "{context}");
                }
            }
            let Some(cursor) = seen.answer["next_cursor"].as_str() else { continue };
            let page = format!("{}&cursor={cursor}", seen.path);
            let page = stage.server.get(&stage.token, &page);
            if page.status != 200 {
                assert!([400, 403].contains(&page.status.as_u16()), "{context}: {}", page.text());
                refused += 1;
                continue;
            }
            let question = seen.path.split_once('?').expect("a question").1;
            let all = list(&stage.server, &stage.token, question);
            let page = page.json();
            let events = page["events"].as_array().expect("events");
            assert!(events.iter().all(|event| all.contains(event)), "{context}: {page}");
        }
        for (list, marker) in markers {
            let page = stage.server.get(&stage.token, &format!("{list}&next={marker}"));
            let all = list.replace("limit=4", "limit=200");
            let all = stage.server.get(&stage.token, &all).json();
            let traces = page.json()["traces"].as_array().cloned().unwrap_or_default();
            let is_seen =
                |trace: &Json| all["traces"].as_array().is_some_and(|all| all.contains(trace));
            assert!(
                traces.iter().all(is_seen),
                "{method} {path} {body}, then {list}: {}",
                page.text()
            );
        }
    }
    assert!(not_modified > 20 && refused > 10, "{not_modified} same, {refused} refused");
}
