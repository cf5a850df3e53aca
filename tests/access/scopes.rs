//! The oracle of scopes: what a principal is answered equals what the operator of a store is
//! answered that holds only what the principal may see.

use super::server::Guarded;
use crate::support::store::{NOW, TestStore, all_pages};
use annals::access::{Caller, Scope};
use annals::calls::RelationshipCall;
use annals::event::{Event, Timestamp};
use annals::filter::parse_filter;
use annals::query::{Filter, SortOrder};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value as Json, json};

const DAY: i64 = 86_400_000;
const TENANTS: &[&str] = &["a", "b", "c"];
const SOURCES: &[&str] = &["ECS", "VPC", "日志"];
const LEVELS: &[&str] = &["normal", "warning"];
const OPERATORS: &[&str] = &["zhang", "li-wei-chen", ""];
const ADDRESSES: &[&str] = &["10.0.0.1", "192.168.100.24"];
/// Fields that are masked, and asked about where they are not.
const MASKED: &[&str] = &["operator", "source_ip", "resource_id", "related_ids", "amount"];
const MASKS: &[&str] = &["hide", "hash", "last4"];
/// Filters of questions and of what a principal sees.
const FILTERS: &[&str] = &[
    "{}",
    r#"{"source":"ECS"}"#,
    r#"{"source.not":"ECS"}"#,
    r#"{"level":"warning"}"#,
    r#"{"source":["VPC","日志"],"level":"normal"}"#,
    r#"{"event_name.prefix":"del"}"#,
    r#"{"any":[{"source":"日志"},{"event_name":"create"}]}"#,
    r#"{"not":{"level":"warning"}}"#,
];
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

#[derive(Debug, Clone)]
struct Case {
    records: Vec<(usize, Json)>,
    sealed: usize,
    settings: Json,
    relationships: Vec<Related>,
    filter: &'static str,
}

/// A period in which the principal's partner sees what names a customer.
#[derive(Debug, Clone)]
struct Related {
    customer: u32,
    tenants: Vec<&'static str>,
    from: String,
    to: Option<String>,
}

/// The customer that the last of the tenants belongs to, if the principal has a partner.
const OWNER: u32 = 0;

fn related() -> impl Strategy<Value = Related> {
    let hours = |hours: i64| Timestamp::from_millis(NOW - 3 * DAY + hours * 3_600_000).to_string();
    (0..4_u32, subsequence(TENANTS, 1..3), 0..20_i64, 0..24_i64).prop_map(
        move |(customer, tenants, from, length)| Related {
            customer,
            tenants,
            from: hours(from),
            to: (length > 0 && length < 20).then(|| hours(from + length)),
        },
    )
}

/// Records the relationships of the principal's partner; those of one customer do not overlap.
fn relate(store: &TestStore, relationships: &[Related]) {
    let call = |call: &RelationshipCall, body: Json| {
        call.answer(store.engine(), &Caller::operator(), body).expect("it is done");
    };
    for related in relationships {
        let body = json!({ "partner": "p", "customer": format!("c{}", related.customer),
            "tenants": related.tenants, "from": related.from, "to": related.to });
        call(&RelationshipCall::Create, body);
    }
    if !relationships.is_empty() {
        let owner = json!({ "customers": [format!("c{OWNER}")] });
        call(&RelationshipCall::Tenant(TENANTS[2].to_owned()), owner);
    }
}

fn record() -> impl Strategy<Value = (usize, Json)> {
    let text = (select(SOURCES), select(LEVELS), select(OPERATORS), select(ADDRESSES));
    (0..TENANTS.len(), 0..5_000_u32, text, 0..4_u32, 0..20_i64, 0..3_u32).prop_map(
        |(tenant, id, (source, level, operator, address), small, hours, amount)| {
            let name = ["create", "delete"][small as usize % 2];
            let mut record = json!({
                "trace_id": format!("t{id}"), "event_name": name,
                "source": source, "level": level, "operator": operator, "source_ip": address,
                "resource_id": format!("r{small}"), "resource_type": "x",
                "related_ids": [format!("customer:c{small}")],
                "time": Timestamp::from_millis(NOW - 3 * DAY + hours * 3_600_000).to_string(),
            });
            if amount > 0 {
                record["amount"] = amount.to_string().into();
                record["currency"] = "CNY".into();
            }
            (tenant, record)
        },
    )
}

fn moment() -> impl Strategy<Value = Option<String>> {
    let hours = (0..20_i64).prop_map(|hours| {
        Some(Timestamp::from_millis(NOW - 3 * DAY + hours * 3_600_000).to_string())
    });
    prop_oneof![2 => Just(None), 1 => hours]
}

fn case() -> impl Strategy<Value = Case> {
    let masks = subsequence(MASKED, 0..3)
        .prop_flat_map(|fields| {
            let count = fields.len();
            (Just(fields), proptest::collection::vec(select(MASKS), count))
        })
        .prop_map(|(fields, masks)| {
            let mask = |(field, mask): (&str, &str)| {
                let mask = if field == "amount" { "hide" } else { mask };
                (field.to_owned(), Json::from(mask))
            };
            fields.into_iter().zip(masks).map(mask).collect::<Map<_, _>>()
        });
    let masks = prop_oneof![Just(Map::new()), masks];
    let tenants = prop_oneof![Just(vec!["*"]), subsequence(TENANTS, 1..3)];
    let settings = (tenants, select(FILTERS), masks, moment(), moment()).prop_map(
        |(tenants, rows, masks, left, right)| {
            let rows: Json = serde_json::from_str(rows).expect("a filter");
            let mut settings = json!({ "name": "p", "roles": ["auditor"], "tenants": tenants,
                "rows": rows, "masks": masks });
            let (from, to) = match (left, right) {
                (Some(left), Some(right)) if left > right => (Some(right), Some(left)),
                (Some(left), Some(right)) if left == right => (Some(left), None),
                both => both,
            };
            for (name, moment) in [("from", from), ("to", to)] {
                if let Some(moment) = moment {
                    settings[name] = moment.into();
                }
            }
            settings
        },
    );
    let relationships = proptest::collection::vec(related(), 0..5);
    let all = proptest::collection::vec(record(), 1..80);
    (all, 0..80_usize, settings, relationships, select(FILTERS)).prop_map(
        |(records, sealed, mut settings, mut relationships, filter)| {
            // One period for each customer, and none for who sees all tenants.
            let mut seen = Vec::new();
            relationships.retain(|related: &Related| {
                let is_new = !seen.contains(&related.customer);
                seen.push(related.customer);
                is_new
            });
            if settings["tenants"][0] == "*" {
                relationships.clear();
            }
            if !relationships.is_empty() {
                settings["partner"] = "p".into();
                // An auditor has tenants of its own; a reader need not.
                if sealed % 3 == 0 {
                    settings["roles"] = json!(["reader"]);
                    settings["tenants"] = json!([]);
                }
            }
            Case { records, sealed, settings, relationships, filter }
        },
    )
}

/// Returns whether relationships show an event.
fn is_related(event: &Event, relationships: &[Related]) -> bool {
    relationships.iter().any(|related| {
        let moment = |text: &String| Timestamp::parse(text).expect("a moment");
        let customer = format!("customer:c{}", related.customer);
        let names = related.tenants.contains(&&*event.tenant)
            && event.related_ids.iter().any(|id| **id == *customer);
        let is_own = related.customer == OWNER && *event.tenant == *TENANTS[2];
        (names || is_own)
            && event.time >= moment(&related.from)
            && related.to.as_ref().is_none_or(|to| event.time < moment(to))
    })
}

/// A store with the records of a case, the first of which are sealed.
fn store_of(records: &[(usize, Json)], sealed: usize) -> TestStore {
    let store = TestStore::new();
    let with_tenant = |(tenant, record): &(usize, Json)| {
        let mut record = record.clone();
        record["project_id"] = TENANTS[*tenant].into();
        record
    };
    let all: Vec<Json> = records.iter().map(with_tenant).collect();
    let (first, rest) = all.split_at(sealed.min(all.len()));
    store.ingest_from(first, "project_id");
    store.buffer_from(rest, "project_id");
    store
}

/// The records of the events that the settings show, of all that the store holds.
fn visible(store: &TestStore, settings: &Json, related: &[Related]) -> Vec<(usize, Json)> {
    let names = |tenant: &str| {
        settings["tenants"]
            .as_array()
            .expect("tenants")
            .iter()
            .any(|name| name == "*" || name == tenant)
    };
    let mut pairs = Vec::new();
    if settings["rows"].as_object().is_some_and(|rows| !rows.is_empty()) {
        pairs.push(("filter".to_owned(), settings["rows"].to_string()));
    }
    for name in ["from", "to"] {
        if let Some(moment) = settings[name].as_str() {
            pairs.push((name.to_owned(), moment.to_owned()));
        }
    }
    let rows = parse_filter(&pairs, &[], Timestamp::from_millis(NOW)).expect("a filter");
    let all = Scope::of_operator(&["*"]).expect("all");
    let mut events =
        all_pages(store.engine(), &all, &Filter::default(), SortOrder::Ascending, 1_000);
    // In the order in which they came, so that equal times are in the same order.
    events.sort_by_key(|event| event.seq);
    events
        .iter()
        .filter(|event| names(&event.tenant) || is_related(event, related))
        .filter(|event| rows.matches(event))
        .map(|event| {
            let tenant = TENANTS.iter().position(|tenant| **tenant == *event.tenant);
            (tenant.expect("a tenant"), serde_json::from_str(&event.original).expect("a record"))
        })
        .collect()
}

/// All events of a list, page by page.
fn list(server: &Guarded, token: &str, query: &str) -> Vec<Json> {
    let (mut events, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.json(token, &format!("/api/v1/events?{query}&hints=false{cursor}"));
        events.extend(page["events"].as_array().expect("events").iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return events,
        }
    }
}

/// The same without what differs between stores and what is masked.
fn comparable(mut events: Vec<Json>, masks: &Map<String, Json>) -> Vec<Json> {
    for event in &mut events {
        let event = event.as_object_mut().expect("an event");
        let store = ["seq", "ingest_time", "original"];
        let masked = masks.keys().map(String::as_str);
        for name in store.into_iter().chain(masked) {
            event.remove(name);
        }
    }
    events
}

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
    let open: Vec<&str> =
        MASKED[..3].iter().copied().filter(|field| !masks.contains_key(*field)).collect();
    let fields = [&["source", "level", "event_name"], open.as_slice()].concat().join(",");
    let columns = format!("trace_id,tenant,time,source,{fields}");
    for filter in &filters {
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
        for call in calls {
            assert_eq!(server.json(&token, &call), reference.json("", &call), "{call}");
        }
        // A reader exports nothing.
        if case.settings["roles"][0] == "auditor" {
            exports_are_equal(&server, &token, &reference, &format!("{query}&columns={columns}"));
        }
    }
    assert_eq!(server.json(&token, "/api/v1/tenants"), reference.json("", "/api/v1/tenants"));
    for (_, record) in &case.records {
        let path =
            format!("/api/v1/events/{}?tenant=*", record["trace_id"].as_str().expect("an id"));
        let (seen, there) = (server.get(&token, &path), reference.get("", &path));
        assert_eq!(seen.status, there.status, "{path}");
        if seen.status == 200 {
            assert_eq!(
                comparable(vec![seen.json()], masks)[0]["trace_id"],
                comparable(vec![there.json()], masks)[0]["trace_id"]
            );
        }
    }
    never_told(&server, &token, &case.settings);
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
        assert!(text.contains("hash:") && !text.contains("sha256:"), "{path}: {text}");
    }
    for path in [
        format!("/api/v1/count?trace_id={id}"),
        format!("/api/v1/events/{id}"),
        format!("/v3/a/traces?trace_id={id}"),
    ] {
        assert_eq!(server.get(&token, &path).status, 403, "{path}");
    }
    assert_eq!(server.get(&whole, &format!("/api/v1/events/{id}")).status, 200);
}
