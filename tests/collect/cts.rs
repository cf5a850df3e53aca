//! The trace list of CTS.

use super::cloud::{Cloud, Sealed, send, until};
use crate::support::process::{Server, annals};
use annals::clock::{Clock, SystemClock};
use annals::event::Timestamp;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

pub(super) const HOUR: i64 = 3_600_000;

pub(super) fn now() -> i64 {
    SystemClock.now().millis()
}

pub(super) fn moment(millis: i64) -> String {
    Timestamp::from_millis(millis).to_string()
}

fn fill(cloud: &Cloud, project: &str, count: u32, hours: std::ops::Range<i64>) {
    let (from, to) = (now() - hours.end * HOUR, now() - hours.start * HOUR);
    cloud.order(&json!({ "fill": { "project": project, "count": count, "from": from, "to": to } }));
}

/// Each trace of a project is an event of the tenant, once.
fn check(store: &Sealed, cloud: &Cloud, project: &str) {
    let (there, stored) = (cloud.ids(project), store.ids(project));
    let once: BTreeSet<String> = stored.iter().cloned().collect();
    assert_eq!(once.len(), stored.len(), "{project}: some are there twice");
    let missing: Vec<&String> = there.difference(&once).take(5).collect();
    assert_eq!((once.len(), missing), (there.len(), Vec::new()), "{project}");
}

pub(super) fn coverage(store: &Sealed) -> Vec<Json> {
    let server = Server::start_with(&store.data(), &["--seal-key-file", &store.text("seal.key")]);
    let answer = send(&server.url, "GET /api/v1/coverage?tenant=*", "");
    server.stop();
    answer["sources"].as_array().expect("sources").clone()
}

#[test]
fn traces_come_once_whatever_fails_and_coverage_says_how_far() {
    let Some(cloud) = Cloud::start(1) else { return };
    let store = Sealed::new();
    let since = now() - 20 * 24 * HOUR;
    fill(&cloud, "p1", 3_000, 1..40);
    fill(&cloud, "p2", 500, 2..150);
    let more = ["--project", "p1", "--project", "p2"];
    store.add("cloud", &cloud.endpoint, &moment(since), &more);
    let faults = json!({ "flow": 0.05, "error": 0.05, "cut": 0.05, "empty": 0.05 });
    cloud.order(&json!({ "faults": faults }));
    store.collect().ok();
    for project in ["p1", "p2"] {
        check(&store, &cloud, project);
    }
    // What appears late is read when it is read again, and what is new with it.
    let late = |id: &str, ago: i64| {
        let trace = json!({ "trace_id": id, "trace_name": "late", "service_type": "ECS",
            "trace_rating": "normal", "trace_type": "ApiCall", "resource_type": "ecs",
            "time": now() - ago });
        cloud.order(&json!({ "traces": [{ "project": "p1", "trace": trace }] }));
    };
    late("late-1", 30 * 60_000);
    late("new-1", 5_000);
    store.collect().ok();
    assert!(store.ids("p1").contains(&"new-1".to_owned()));
    // Who opens the store and changes nothing moves nothing back.
    let before = coverage(&store);
    let data = store.text("data");
    for _ in 0..3 {
        annals(&["source", "resume", "nothing", "--data", &data]).refused(1, &["source"]);
        let words = ["export", "--data", &data, "--tenant", "p1", "-o", "ndjson", "--from"];
        let (from, to) = (moment(now() - 48 * HOUR), moment(now() - 24 * HOUR));
        let words = [&words[..], &[&from, "--to", &to]].concat();
        assert_eq!(annals(&words).err, "", "{before:?}");
    }
    for own in coverage(&store) {
        // It keeps seven days: what was before is a gap, and its end trails by the overlap.
        let gap = &own["gaps"][0];
        assert_eq!((&own["from"], &gap["from"]), (&json!(moment(since)), &json!(moment(since))));
        assert!(gap["reason"].as_str().expect("a reason").contains("keeps"), "{own}");
        let to = Timestamp::parse(own["to"].as_str().expect("an end")).expect("a time");
        let behind = now() - to.millis();
        assert!((HOUR..HOUR + 10 * 60_000).contains(&behind), "{own}");
        assert_eq!(own["error"], Json::Null, "{own}");
    }
}

#[test]
fn what_is_wrong_is_said_in_words_and_a_refused_key_pauses_its_source() {
    let Some(cloud) = Cloud::start(2) else { return };
    let store = Sealed::new();
    fill(&cloud, "p1", 10, 1..2);
    store.add("cloud", &cloud.endpoint, &moment(now() - 3 * HOUR), &["--project", "p1"]);
    let (data, seal) = (store.text("data"), store.text("seal.key"));
    let test = || annals(&["source", "test", "cloud", "--data", &data, "--seal-key-file", &seal]);
    test().ok();
    cloud.order(&json!({ "clock": 16 * 60 }));
    test().refused(1, &["clock", "16 minutes behind the cloud"]);
    cloud.order(&json!({ "clock": 0, "keys": {} }));
    test().refused(1, &["key or token is wrong"]);
    assert_eq!(store.collect().code, 1);
    let shown: Json =
        serde_json::from_str(&annals(&["source", "show", "cloud", "--data", &data]).ok())
            .expect("JSON");
    assert!(shown["paused"]["reason"].as_str().expect("a reason").contains("key"), "{shown}");
    // It is not read until somebody says so.
    cloud.order(&json!({ "keys": { "AKTEST": "SKTEST" } }));
    store.collect().ok();
    assert!(store.ids("p1").is_empty());
    annals(&["source", "resume", "cloud", "--data", &data]).ok();
    store.collect().ok();
    check(&store, &cloud, "p1");
    annals(&["source", "remove", "cloud", "--data", &data]).ok();
    assert_eq!(store.ids("p1").len(), 10, "what it has brought stays");
}

#[test]
fn kills_at_any_moment_lose_and_double_nothing() {
    let Some(cloud) = Cloud::start(3) else { return };
    let store = Sealed::new();
    for project in ["p1", "p2"] {
        fill(&cloud, project, 4_000, 0..100);
    }
    let more = ["--project", "p1", "--project", "p2"];
    store.add("cloud", &cloud.endpoint, &moment(now() - 101 * HOUR), &more);
    cloud.order(&json!({ "faults": { "flow": 0.02, "error": 0.02, "cut": 0.02, "slow": 0.02 } }));
    let kills: u64 =
        std::env::var("ANNALS_COLLECT_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    for kill in 0..kills {
        let flags = ["--seal-key-file", &store.text("seal.key")];
        let server = Server::start_with(&store.data(), &flags);
        std::thread::sleep(std::time::Duration::from_millis(50 + kill * 977 % 1_500));
        server.kill();
        drop(server);
    }
    let server = Server::start_with(&store.data(), &["--seal-key-file", &store.text("seal.key")]);
    until("the end of the lists", || {
        let answer = send(&server.url, "GET /api/v1/coverage?tenant=*", "");
        let sources = answer["sources"].as_array().expect("sources").clone();
        sources.len() == 2 && sources.iter().all(|own| own["lag_s"].as_i64() < Some(10))
    });
    server.stop();
    for project in ["p1", "p2"] {
        check(&store, &cloud, project);
    }
}
