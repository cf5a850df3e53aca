//! Real clients, in Python: the `deltalake` package reads the table, Huawei's SDK pages through the
//! CTS façade.
//!
//! They run with the interpreter that `ANNALS_PYTHON` names, or `python3`, if it has the packages
//! of `tests/python/requirements.txt`. Where it has not, a test says SKIPPED; with
//! `ANNALS_TESTS_MUST_RUN` set, it fails.

use crate::support::python::{run, serve};
use crate::support::store::{NOW, TestStore};
use annals::access::Actor;
use annals::generate::{Generator, Plan};
use serde_json::{Value as Json, json};
use std::path::Path;

/// Random calls of each operation of the OpenAPI document.
const EXAMPLES: &str = "20";

#[test]
fn python_reads_the_delta_table_and_counts_the_same_rows() {
    let mut store = TestStore::new();
    let mut generator =
        Generator::new(&Plan { events: 3_000, tenants: 5, days: 4, ..Plan::default() });
    let mut records = Vec::new();
    let mut record = String::new();
    while generator.next_record(&mut record) {
        records.push(serde_json::from_str::<Json>(&record).expect("generated records are JSON"));
        record.clear();
    }
    for batch in records.chunks(1_000) {
        store.ingest_from(batch, "project_id");
    }
    let events = store.everything();
    store.close();
    let table = store.path().join("events");
    let Some(output) = run("count_delta.py", "deltalake, pyarrow", &[&table.to_string_lossy()])
    else {
        return;
    };
    let counted: Json = serde_json::from_slice(&output.stdout).expect("the script prints JSON");
    assert_eq!(counted["rows"], 3_000);
    assert_eq!(counted["version"], 3, "one commit a batch after the one that made the table");
    let mut tenants = serde_json::Map::new();
    for event in &events {
        let count = tenants.entry(event.tenant.to_string()).or_insert(0.into());
        *count = (count.as_u64().unwrap_or_default() + 1).into();
    }
    assert_eq!(counted["tenants"], Json::Object(tenants));
    assert_eq!(
        counted["bytes_of_originals"],
        events.iter().map(|event| event.original.len()).sum::<usize>()
    );
    let amounts = events.iter().filter(|event| event.amount.is_some()).count();
    assert_eq!(counted["amounts"].as_array().map(Vec::len), Some(amounts));
}

#[test]
fn python_reads_the_delta_table_when_its_old_commits_are_archived() {
    let mut store = TestStore::new();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let record = |id: usize| {
        json!({ "event_name": "e", "trace_id": format!("id-{id}"), "time": NOW + id as i64 })
            .to_string()
    };
    for round in 0..4 {
        store.ingest("t", &(round * 50..round * 50 + 50).map(record).collect::<Vec<_>>());
        // Commits may go when they are older than files that were replaced.
        store.clock.set(annals::event::Timestamp::from_millis(NOW + 400 * annals::event::DAY_MS));
        store
            .engine()
            .backup(&Actor::operator(), &folder.path().join("copy"))
            .expect("a backup, and a checkpoint with it");
    }
    let events = store.everything().len();
    assert_eq!(events, 200);
    store.close();
    let table = store.path().join("events");
    assert!(
        !table.join("_delta_log/00000000000000000000.json").exists(),
        "the first commit is archived"
    );
    let rows = |table: &Path| -> Option<Json> {
        let output = run("count_delta.py", "deltalake, pyarrow", &[&table.to_string_lossy()])?;
        let counted: Json = serde_json::from_slice(&output.stdout).expect("the script prints JSON");
        Some(counted["rows"].clone())
    };
    let Some(counted) = rows(&table) else { return };
    // The table has what was recorded of four backups, too.
    assert_eq!(counted, events + 4);
    assert_eq!(rows(&folder.path().join("copy/events")), Some(json!(events + 4)));
}

#[test]
fn the_sdk_of_cts_pages_through_a_thousand_traces() {
    let store = TestStore::new();
    let project = "0a1b2c3d4e5f60718293a4b5c6d7e8f9";
    let pick = |values: &[&'static str], number: i64| values[number as usize % values.len()];
    let code = |number: i64| if number % 2 == 0 { json!(200) } else { json!("200") };
    let trace = |number: i64| {
        json!({
            "trace_id": format!("00000000-0000-4000-8000-{number:012}"),
            "trace_name": "createServer", "trace_type": "ApiCall",
            "service_type": pick(&["ECS", "VPC", "IAM"], number), "resource_type": "ecs",
            "resource_name": format!("web-{}", number % 7),
            "resource_id": format!("r-{}", number % 11), "trace_rating": pick(&["normal", "normal",
                "warning", "incident"], number), "code": code(number),
            "user": {"name": pick(&["alice", "bob"], number), "id": "u", "domain": {"name": "d",
                "id": "i"}}, "source_ip": "10.0.0.1",
            "request": {"n": number}, "response": "", "api_version": "v1", "project_id": project,
            "tracker_name": "system",
            // Every third has the time of the one before it.
            "time": NOW - 1_000_000 + (number - i64::from(number % 3 == 2)) * 10,
            "record_time": NOW - 1_000_000 + number * 10,
        })
        .to_string()
    };
    let traces: Vec<String> = (0..1_000).map(trace).collect();
    traces
        .chunks(300)
        .for_each(|batch| assert_eq!(store.ingest(project, batch).accepted, batch.len() as u64));
    store.ingest("another", &traces[..50]);

    let url = serve(&store);
    let (from, to) = ((NOW - 1_000_001).to_string(), NOW.to_string());
    let Some(output) = run("cts_sdk.py", "huaweicloudsdkcts", &[&url, project, "1000", &from, &to])
    else {
        return;
    };
    assert!(String::from_utf8_lossy(&output.stdout).contains("ok 1000 traces"));
}

#[test]
fn every_answer_is_what_the_openapi_document_says() {
    let store = TestStore::new();
    let mut generator =
        Generator::new(&Plan { events: 2_000, tenants: 3, days: 4, ..Plan::default() });
    let mut records = Vec::new();
    let mut record = String::new();
    while generator.next_record(&mut record) {
        records.push(serde_json::from_str::<Json>(&record).expect("generated records are JSON"));
        record.clear();
    }
    store.ingest_from(&records, "project_id");
    let url = serve(&store);
    let Some(output) = run("openapi.py", "schemathesis", &[&url, EXAMPLES]) else { return };
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    let passed = |line: &str| {
        line.split_once(" generated, ")
            .is_some_and(|(made, passed)| passed == format!("{} passed", made.trim()))
    };
    assert_eq!(report.lines().filter(|line| passed(line)).count(), 2, "{report}");
}
