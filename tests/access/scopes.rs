//! The oracle of scopes: what a principal is answered equals what the operator of a store is
//! answered that holds only what the principal may see.

use super::scope_cases::{Case, DAY, MASKED, Related, TENANTS, case, relate, store_of, visible};
use super::scope_paths::{Pair, comparable, if_none_match, list};
use super::server::Guarded;
use crate::support::store::{NOW, TestStore};
use annals::access::Caller;
use annals::calls::RelationshipCall;
use annals::event::Timestamp;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value as Json, json};

/// Filters that only ask about one field of those that may be masked, and by which.
const OF_FIELDS: &[(&str, &str)] = &[
    ("operator", "operator=zhang"),
    ("operator", "operator.exists=false"),
    ("source_ip", "source_ip=10.0.0.0/8"),
    ("resource_id", "resource_id.prefix=r1"),
    ("related_ids", "related_ids=customer:c1"),
    ("amount", "amount.min=2"),
];
/// Questions that are asked of text, where nothing is masked.
const TEXTS: &[&str] = &["text=zhang", "substring=192.168", "text=r1"];

fn check(case: &Case) {
    let server = Guarded::over(store_of(&case.records, case.sealed), true);
    let token = server.principal(&case.settings);
    relate(&server.store, &case.relationships);
    let visible = visible(&server.store, &case.settings, &case.relationships);
    let reference = store_of(&visible, case.sealed / 2);
    let reference = Guarded::over(reference, false);
    let masks = case.settings["masks"].as_object().expect("masks");
    let filter: String = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("filter", case.filter)])
        .finish();
    let mut filters = vec![String::new(), filter];
    let of_fields = OF_FIELDS.iter().filter(|(field, _)| !masks.contains_key(*field));
    filters.extend(of_fields.map(|(_, filter)| (*filter).to_owned()));
    if masks.is_empty() {
        filters.extend(TEXTS.iter().map(|text| (*text).to_owned()));
    }
    let exports = case.settings["roles"][0] == "auditor";
    let pair = Pair { server: &server, token: &token, reference: &reference, masks, exports };
    let open: Vec<&str> =
        MASKED[..3].iter().copied().filter(|field| !masks.contains_key(*field)).collect();
    let fields = [&["source", "level", "event_name"], open.as_slice()].concat().join(",");
    let columns = format!("trace_id,tenant,time,source,{fields}");
    for (number, filter) in filters.iter().enumerate() {
        let query = format!("tenant=*&{filter}");
        for page in ["limit=3", "limit=1000&order=asc"] {
            let query = format!("{query}&{page}");
            assert_eq!(
                comparable(list(&server, &token, &query), masks),
                comparable(list(&reference, "", &query), masks),
                "{query}"
            );
        }
        let mut calls = vec![
            format!("/api/v1/count?{query}"),
            format!("/api/v1/facets?{query}&fields={fields}"),
            format!("/api/v1/histogram?{query}"),
            format!("/api/v1/histogram?{query}&interval=1d&by=level"),
            format!("/api/v1/values?{query}&field=source&contains=s"),
            format!("/api/v1/top?{query}&field=event_name"),
        ];
        if !masks.contains_key("amount") {
            calls.push(format!("/api/v1/stats?{query}&by=source"));
        }
        if !masks.contains_key("related_ids") {
            calls.push(format!("/api/v1/top?{query}&field=related_ids.customer"));
        }
        for call in &calls {
            assert_eq!(server.json(&token, call), reference.json("", call), "{call}");
        }
        // The further paths are many: no filter, the one of the case, and the last field or text.
        if number < 2 || number + 1 == filters.len() {
            pair.check_filter(&query, &calls);
        }
        if pair.exports {
            exports_are_equal(&server, &token, &reference, &format!("{query}&columns={columns}"));
        }
    }
    assert_eq!(server.json(&token, "/api/v1/tenants"), reference.json("", "/api/v1/tenants"));
    for (_, record) in &case.records {
        pair.check_id(record["trace_id"].as_str().expect("an id"));
    }
    TENANTS.iter().for_each(|tenant| pair.check_cts(tenant));
    pair.check_hints();
    views_are_those_of_what_is_seen_whole(&server, &token, &case.settings);
    never_told(&server, &token, &case.settings);
    if let Some((_, left)) = case.relationships.split_first() {
        after_a_withdrawal(case, left, (&server, &token));
    }
}

/// A view of a tenant is seen by who sees all of its events and fields.
fn views_are_those_of_what_is_seen_whole(server: &Guarded, token: &str, settings: &Json) {
    let owner = server.principal(&json!({ "name": "owner", "roles": ["reader"],
        "tenants": TENANTS }));
    for tenant in TENANTS {
        let path = format!("/api/v1/views/of-{tenant}");
        let view = json!({ "name": "n", "query": format!("tenant={tenant}&operator=zhang") });
        assert_eq!(server.call(Some(&owner), "PUT", &path, view.to_string()).status, 201);
        let own = settings["tenants"].as_array().expect("tenants");
        let is_own = own.iter().any(|name| name == "*" || name == tenant);
        let is_part = ["rows", "masks"].iter().any(|name| settings[name] != json!({}))
            || ["from", "to"].iter().any(|name| !settings[name].is_null());
        let status = server.get(token, &format!("{path}?tenant={tenant}")).status;
        assert_eq!(status == 200, is_own && !is_part, "{path}: {status}");
        let all = server.get(token, "/api/v1/views?tenant=*").text();
        assert!(!all.contains(&path[14..]) || is_own && !is_part, "{path}: {all}");
    }
}

/// When a relationship is withdrawn, cursors and tags from before show nothing that it showed.
fn after_a_withdrawal(case: &Case, left: &[Related], (server, token): (&Guarded, &str)) {
    let masks = case.settings["masks"].as_object().expect("masks");
    let paths = ["/api/v1/events?tenant=*&limit=3&hints=false", "/api/v1/count?tenant=*"];
    let before = paths.map(|path| server.get(token, path));
    let known = server.store.engine().relationships();
    let customer = format!("c{}", case.relationships[0].customer);
    let of_customer = known.all().find(|known| known.customer.as_ref() == Some(&customer));
    let id = of_customer.expect("a relationship").id.clone();
    RelationshipCall::Withdraw(id)
        .answer(server.store.engine(), &Caller::operator(), Json::Null)
        .expect("it is withdrawn");
    let visible = visible(&server.store, &case.settings, left);
    let reference = Guarded::over(store_of(&visible, case.sealed), false);
    let seen = comparable(list(server, token, "tenant=*&limit=7"), masks);
    assert_eq!(seen, comparable(list(&reference, "", "tenant=*&limit=7"), masks));
    for (path, before) in paths.iter().zip(&before) {
        let now = server.json(token, path);
        assert_eq!(now["count"], reference.json("", path)["count"], "{path}");
        if let Some(tag) = before.headers.get("etag") {
            let again = if_none_match(server, token, path, tag.to_str().expect("text"));
            assert!(again.status == 200 || now == before.json(), "{path}: {}", again.status);
        }
    }
    if let Some(cursor) = before[0].json()["next_cursor"].as_str() {
        let page = server.get(token, &format!("{}&cursor={cursor}", paths[0]));
        let events = page.json()["events"].as_array().cloned().unwrap_or_default();
        let events = comparable(events, masks);
        assert!(events.iter().all(|event| seen.contains(event)), "{events:?}");
    }
}

fn exports_are_equal(server: &Guarded, token: &str, reference: &Guarded, query: &str) {
    let export = format!("/api/v1/events.ndjson?{query}");
    assert_eq!(server.get(token, &export).text(), reference.get("", &export).text(), "{export}");
}

/// What is masked is in no answer, and cannot be asked about.
fn never_told(server: &Guarded, token: &str, settings: &Json) {
    let masks = settings["masks"].as_object().expect("masks");
    if masks.is_empty() {
        return;
    }
    let whole = list(server, token, "tenant=*&limit=1000&original=true");
    for event in &whole {
        assert!(event["original"].as_str().unwrap_or_default().is_empty(), "{event}");
        for (field, mask) in masks {
            let values = match &event[field] {
                // A list of which nothing is left is an empty one.
                Json::Array(values) if values.is_empty() => continue,
                Json::Array(values) => values.clone(),
                Json::Null => continue,
                value => vec![value.clone()],
            };
            assert_ne!(mask, "hide", "{event}");
            for value in values {
                let value = value.as_str().expect("a text").trim_start_matches("customer:");
                assert!(value.starts_with("hash:") || value.starts_with('*'), "{event}");
            }
        }
    }
    for (field, filter) in OF_FIELDS.iter().filter(|(field, _)| masks.contains_key(*field)) {
        for path in ["events", "count", "histogram", "facets?fields=source", "events.csv"] {
            let (path, rest) = path.split_once('?').unwrap_or((path, ""));
            let path = format!("/api/v1/{path}?tenant=*&{filter}&{rest}");
            assert_eq!(server.get(token, &path).status, 403, "{path}");
        }
        for path in ["top?field", "values?field", "facets?fields", "histogram?by", "stats?by"] {
            let by = if *field == "related_ids" { "related_ids.customer" } else { field };
            let path = format!("/api/v1/{path}={by}&tenant=*");
            let status = server.get(token, &path).status.as_u16();
            assert!(
                status == 403
                    || (status == 400 && path.contains("histogram"))
                    || (status == 400 && *field == "amount"),
                "{path}: {status}"
            );
        }
    }
    for text in TEXTS {
        let path = format!("/api/v1/count?tenant=*&{text}");
        assert_eq!(server.get(token, &path).status, 403, "{path}");
    }
    assert_eq!(server.get(token, "/api/v1/quarantine?tenant=*").status, 403);
    assert_eq!(server.get(token, "/api/v1/count?tenant=*&explain=true").status, 403);
}

#[test]
fn a_principal_is_answered_as_if_there_were_only_what_it_may_see() {
    let cases = std::env::var("ANNALS_SCOPE_CASES").ok().and_then(|text| text.parse().ok());
    let config =
        Config { cases: cases.unwrap_or(24), failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    runner
        .run(&case(), |case| {
            check(&case);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn a_cursor_and_a_tag_belong_to_whom_they_were_given() {
    let records: Vec<(usize, Json)> = (0..20)
        .map(|number| {
            (
                0,
                json!({ "trace_id": format!("t{number}"), "event_name": "n", "source": "ECS",
                "time": Timestamp::from_millis(NOW - DAY + number).to_string() }),
            )
        })
        .collect();
    let server = Guarded::over(store_of(&records, 10), true);
    let reader = |name: &str| {
        server.principal(&json!({ "name": name, "roles": ["reader"], "tenants": ["a"] }))
    };
    let (mine, other) = (reader("li"), reader("wang"));
    let page = server.json(&mine, "/api/v1/events?tenant=a&limit=5");
    let next = format!(
        "/api/v1/events?tenant=a&limit=5&cursor={}",
        page["next_cursor"].as_str().expect("a cursor")
    );
    assert_eq!(
        (server.get(&mine, &next).status.as_u16(), server.get(&other, &next).status.as_u16()),
        (200, 400)
    );

    let tag = |token: &str| {
        server.get(token, "/api/v1/count?tenant=a").headers["etag"]
            .to_str()
            .expect("text")
            .to_owned()
    };
    assert_ne!(tag(&mine), tag(&other));
    // What happens to another tenant shows in no answer, and not in its tag either.
    let before = tag(&mine);
    server.store.ingest(
        "b",
        &[json!({ "trace_id": "x", "event_name": "n", "source": "s",
        "time": "2026-06-01T00:00:00Z" })
        .to_string()],
    );
    assert_eq!(tag(&mine), before);
    server.store.ingest(
        "a",
        &[json!({ "trace_id": "x", "event_name": "n", "source": "s",
        "time": "2026-06-01T00:00:00Z" })
        .to_string()],
    );
    assert_ne!(tag(&mine), before);
}

#[test]
fn an_id_that_is_the_hash_of_a_record_does_not_tell_what_is_masked() {
    let record = json!({ "event_name": "n", "source": "s", "source_ip": "10.0.0.1",
        "project_id": "a", "time": "2026-06-01T00:00:00Z" });
    let server = Guarded::over(TestStore::new(), true);
    server.store.ingest("a", &[record.to_string()]);
    let settings = json!({ "name": "p", "roles": ["auditor"], "tenants": ["a"] });
    let whole = server.principal(&settings);
    let id = server.json(&whole, "/api/v1/events")["events"][0]["trace_id"].clone();
    let id = id.as_str().expect("an id");
    assert!(id.starts_with("sha256:"), "{id}");
    let mut masked = settings;
    masked["name"] = "masked".into();
    masked["masks"] = json!({ "source_ip": "hide" });
    let token = server.principal(&masked);
    for path in [
        "/api/v1/events?tenant=a",
        "/api/v1/events.ndjson?tenant=a",
        "/v3/a/traces?from=1000000000000",
    ] {
        let text = server.get(&token, path).text();
        assert!(text.contains("sealed:") && !text.contains("sha256:"), "{path}: {text}");
    }
    for path in [
        format!("/api/v1/count?trace_id={id}"),
        format!("/api/v1/events/{id}"),
        format!("/v3/a/traces?trace_id={id}"),
    ] {
        assert_eq!(server.get(&token, &path).status, 403, "{path}");
    }
    // As it is shown, the id finds the event, for whom it was shown.
    let shown = server.json(&token, "/api/v1/events")["events"][0]["trace_id"].clone();
    let shown = shown.as_str().expect("an id");
    assert_eq!(server.json(&token, &format!("/api/v1/events/{shown}"))["trace_id"], shown);
    assert_eq!(server.json(&token, &format!("/api/v1/count?trace_id={shown}"))["count"], 1);
    let traces = server.json(&token, &format!("/v3/a/traces?trace_id={shown}"));
    assert_eq!(traces["traces"][0]["trace_id"], shown, "{traces}");
    assert_eq!(server.get(&whole, &format!("/api/v1/events/{shown}")).status, 404);
    assert_eq!(server.get(&whole, &format!("/api/v1/events/{id}")).status, 200);
}
