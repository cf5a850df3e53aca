//! The record lists of the partner centre.

use super::cloud::{Cloud, Sealed, heads, send, until};
use super::cts::{HOUR, coverage, moment, now};
use crate::support::process::{Server, annals};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

const TENANT: &str = "acme";

/// The trace ids that the records make, with the reseller whose they are.
fn truth(cloud: &Cloud) -> BTreeMap<String, Option<String>> {
    let answer = cloud.order(&json!({ "partner_ids": true }));
    let whose = |one: &Json| {
        let id = one["id"].as_str().expect("an id").to_owned();
        (id, one["reseller"].as_str().map(str::to_owned))
    };
    answer["ids"].as_array().expect("ids").iter().map(whose).collect()
}

/// Each record is an event, once, and says whose it is even where the record does not.
fn check(store: &Sealed, cloud: &Cloud) {
    let (truth, events) = (truth(cloud), store.events(TENANT));
    let mut seen = BTreeSet::new();
    for event in &events {
        let id = event["trace_id"].as_str().expect("an id");
        assert!(seen.insert(id.to_owned()), "{id} is there twice");
        let related = event["related_ids"].as_array().expect("ids");
        if let Some(reseller) = truth.get(id).unwrap_or_else(|| panic!("{id} is of nobody")) {
            assert!(related.contains(&json!(format!("reseller:{reseller}"))), "{event}");
            assert!(!event["original"].as_str().expect("a record").contains(reseller), "{event}");
        }
    }
    let missing: Vec<&String> = truth.keys().filter(|id| !seen.contains(*id)).take(5).collect();
    assert_eq!((seen.len(), missing), (truth.len(), Vec::new()));
}

fn add(store: &Sealed, cloud: &Cloud, since: i64) {
    let more = ["--kind", "partner", "--tenant", TENANT, "--reseller", "*"];
    store.add_source("bss", &cloud.endpoint, &moment(since), &more);
}

fn fill(cloud: &Cloud, resellers: usize, records: u32, hours: i64) {
    let resellers: Vec<String> =
        (0..resellers).map(|number| format!("reseller-{number}")).collect();
    cloud.order(&json!({ "partner": { "resellers": resellers, "records": records,
        "from": now() - hours * HOUR, "to": now() - HOUR / 2 } }));
}

#[test]
fn records_that_arrive_while_pages_are_read_are_neither_lost_nor_doubled() {
    let Some(cloud) = Cloud::start(5) else { return };
    let store = Sealed::new();
    fill(&cloud, 2, 350, 300);
    add(&store, &cloud, now() - 301 * HOUR);
    let faults = json!({ "flow": 0.02, "error": 0.02, "cut": 0.02, "empty": 0.05 });
    cloud.order(&json!({ "faults": faults, "arriving": 0.1 }));
    // While records keep coming into what was read, a list may not come to rest at once.
    for _ in 0..3 {
        store.collect();
    }
    cloud.order(&json!({ "arriving": 0.0 }));
    let (data, since) = (store.text("data"), moment(now() - 301 * HOUR));
    // What appeared after its time had been settled is what reading again is for.
    let words = ["source", "backfill", "bss", "--data", &data, "--from", &since, "--to"];
    annals(&[&words[..], &[&moment(now())]].concat()).ok();
    store.collect().ok();
    check(&store, &cloud);
    let own = &coverage(&store)[0];
    assert_eq!((&own["tenant"], &own["error"]), (&json!(TENANT), &Json::Null), "{own}");
    assert_eq!(own["gaps"], json!([]), "{own}");
    let words = ["count", "--data", &data, "--related-ids", "reseller:reseller-1", "-o", "json"];
    let counted: Json = serde_json::from_str(&annals(&words).ok()).expect("JSON");
    assert!(counted["count"].as_u64() >= Some(3 * 350), "{counted}");
}

#[test]
fn a_late_record_comes_with_the_overlap_and_what_stands_beside_records_outlives_everything() {
    let Some(cloud) = Cloud::start(6) else { return };
    let store = Sealed::new();
    fill(&cloud, 1, 20, 10);
    add(&store, &cloud, now() - 11 * HOUR);
    store.collect().ok();
    let late = json!({ "api": "coupon_records", "reseller": "reseller-0",
        "time": now() - 40 * 60_000 });
    cloud.order(&json!({ "late": late }));
    store.collect().ok();
    // From the log after a kill, from a segment after it is sealed, and merged.
    let flags = ["--seal-key-file", &store.text("seal.key")];
    let server = Server::start_with(&store.data(), &flags);
    until("the late record", || {
        let path = format!("GET /api/v1/count?tenant={TENANT}&related_ids=reseller:reseller-0");
        let path = format!("{path}&event_name.prefix=issue");
        send(&server.url, &path, "")["count"].as_u64() > Some(0)
    });
    server.kill();
    drop(server);
    annals(&["compact", "--data", &store.text("data")]).ok();
    let server = Server::start_with(&store.data(), &flags);
    let list = |path: &str| send(&server.url, path, "");
    let path = format!("GET /api/v1/events?tenant={TENANT}&related_ids=reseller:reseller-0");
    for event in list(&path)["events"].as_array().expect("events") {
        let related = event["related_ids"].as_array().expect("ids");
        assert!(related.contains(&json!("reseller:reseller-0")), "{event}");
    }
    server.stop();
    // The late one is within the overlap, but is read again only when that has passed.
    let (data, from) = (store.text("data"), moment(now() - HOUR));
    let words = ["source", "backfill", "bss", "--data", &data, "--from", &from, "--to"];
    annals(&[&words[..], &[&moment(now())]].concat()).ok();
    store.collect().ok();
    check(&store, &cloud);
}

#[test]
fn states_of_quotas_are_events_when_they_change() {
    let Some(cloud) = Cloud::start(8) else { return };
    let store = Sealed::new();
    cloud.order(&json!({ "quotas": (0..150).collect::<Vec<u32>>() }));
    let more = ["--kind", "partner", "--tenant", TENANT, "--list", "issued_quotas"];
    store.add_source("bss", &cloud.endpoint, &moment(now() - HOUR), &more);
    store.collect().ok();
    assert_eq!(store.events(TENANT).len(), 150);
    let changed: Vec<u32> = (0..150).map(|number| number.max(10)).collect();
    cloud.order(&json!({ "quotas": changed }));
    store.collect().ok();
    assert_eq!(store.events(TENANT).len(), 150, "not again so soon");
    // A state says nothing of what has happened, so nothing is said to be complete.
    assert_eq!(coverage(&store), Vec::<Json>::new());
}

#[test]
fn a_gap_that_somebody_declares_is_told_with_the_reason() {
    let Some(cloud) = Cloud::start(7) else { return };
    let store = Sealed::new();
    fill(&cloud, 0, 5, 10);
    add(&store, &cloud, now() - 11 * HOUR);
    store.collect().ok();
    let data = store.text("data");
    let (from, to) = (moment(now() - 9 * HOUR), moment(now() - 8 * HOUR));
    let words = ["source", "declare", "bss", "--data", &data, "--from", &from, "--to", &to];
    annals(&[&words[..], &["--reason", " "]].concat()).refused(2, &["reason"]);
    annals(&[&words[..], &["--reason", "the vendor lost it"]].concat()).ok();
    let gap = &coverage(&store)[0]["gaps"][0];
    assert_eq!((&gap["from"], &gap["to"]), (&json!(from), &json!(to)));
    assert!(gap["reason"].as_str().expect("a reason").contains("the vendor lost it"), "{gap}");
    // An export of that time says so, and one of another time does not.
    let export = |from: i64, to: i64| {
        let (from, to) = (moment(from), moment(to));
        let words = ["export", "--data", &data, "--tenant", TENANT, "-o", "ndjson"];
        annals(&[&words[..], &["--from", &from, "--to", &to]].concat())
    };
    let said = export(now() - 10 * HOUR, now() - 8 * HOUR);
    assert!(said.err.contains("the vendor lost it"), "{}", said.err);
    assert_eq!(export(now() - 7 * HOUR, now() - 6 * HOUR).err, "");
    let server = Server::start_with(&store.data(), &["--seal-key-file", &store.text("seal.key")]);
    let head = |query: &str| heads(&server.url, &format!("/api/v1/events.csv?tenant=*&{query}"));
    assert!(head(&format!("from={from}&to={to}")).contains("x-annals-missing: gap;source=\"bss\""));
    assert!(!head(&format!("from={to}&to={}", moment(now() - 7 * HOUR))).contains("missing"));
    assert!(head("from=2020-01-01").contains("before;source=\"bss\";tenant=\"acme\""));
    let path = format!("GET /api/v1/coverage?from={from}&to={to}");
    assert_eq!(send(&server.url, &path, "")["missing"][0]["kind"], "gap");
    server.stop();
    // What is decided by calls of their own is no setting, and the store's own tenant is nobody's.
    let server = Server::start_with(&store.data(), &["--seal-key-file", &store.text("seal.key")]);
    let patch = |body: &str| send(&server.url, "PATCH /api/v1/sources/bss", body);
    for (body, parameter) in [
        (r#"{"declared":[]}"#, "declared"),
        (r#"{"paused":null}"#, "paused"),
        (r#"{"moves_relationships":true}"#, "moves_relationships"),
        (r#"{"tenant":"_annals"}"#, "tenant"),
        (r#"{"access_key":null}"#, "endpoint"),
        (r#"{"endpoint":"http://127.0.0.1:1"}"#, "endpoint"),
    ] {
        let answer = patch(body);
        assert_eq!(answer["parameter"], parameter, "{body}: {answer}");
    }
    // Another tenant begins anew: what was read for the one before says nothing about it.
    assert_eq!(patch(r#"{"tenant":"beta","every":"1h"}"#)["tenant"], "beta");
    let covered = send(&server.url, "GET /api/v1/coverage?tenant=acme", "");
    assert_eq!(covered["sources"], json!([]), "{covered}");
    server.stop();
    let future = moment(now() + HOUR);
    let words = ["source", "backfill", "bss", "--data", &data, "--from", &from, "--to", &future];
    annals(&words).refused(2, &["future"]);
}
