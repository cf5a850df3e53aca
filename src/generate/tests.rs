//! Tests of the generated stream as a whole: its reproducibility, its ids and its mix.

use super::*;
use serde_json::Value;
use std::collections::{HashMap, HashSet};

fn plan(events: u64) -> Plan {
    Plan { events, ..Plan::default() }
}

fn bytes(plan: &Plan) -> Vec<u8> {
    let mut out = Vec::new();
    generate(plan, &mut out).expect("a Vec takes everything");
    out
}

fn records(plan: &Plan) -> Vec<Value> {
    let text = String::from_utf8(bytes(plan)).expect("JSON is UTF-8");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

fn text<'a>(record: &'a Value, key: &str) -> &'a str {
    record[key].as_str().unwrap_or_else(|| panic!("{key} is not a text in {record}"))
}

fn share(records: &[&Value], holds: impl Fn(&Value) -> bool) -> f64 {
    records.iter().filter(|record| holds(record)).count() as f64 / records.len() as f64
}

#[test]
fn the_same_plan_gives_the_same_bytes() {
    assert_eq!(bytes(&plan(5_000)), bytes(&plan(5_000)));
}

#[test]
fn another_seed_gives_other_bytes() {
    assert_ne!(bytes(&plan(100)), bytes(&Plan { seed: 2, ..plan(100) }));
}

#[test]
fn there_are_exactly_as_many_lines_as_events() {
    for events in [0, 1, 999] {
        let out = bytes(&plan(events));
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count() as u64, events);
        assert!(events == 0 || out.ends_with(b"\n"));
    }
}

#[test]
fn the_default_period_ends_at_the_end_of_june_2026() {
    let end = chrono::DateTime::from_timestamp_millis(END_DEFAULT_MS)
        .expect("a moment in 2026")
        .to_rfc3339();
    assert_eq!(end, "2026-06-30T00:00:00+00:00");
    assert_eq!(Plan::default().start_ms + i64::from(Plan::default().days) * DAY_MS, END_DEFAULT_MS);
}

#[test]
fn plans_at_the_limits_of_their_types_still_give_records() {
    for (start_ms, days, tenants) in [(i64::MIN, 0, 0), (i64::MAX, u32::MAX, 1), (-1, 1, 3_000)] {
        let plan = Plan { start_ms, days, tenants, ..plan(200) };
        assert_eq!(records(&plan).len(), 200);
    }
}

#[test]
fn every_record_has_the_members_of_its_kind() {
    const TRACE: &[&str] = &[
        "trace_id",
        "trace_name",
        "trace_rating",
        "trace_type",
        "service_type",
        "resource_type",
        "resource_id",
        "resource_name",
        "event_type",
        "tracker_name",
        "source_ip",
        "code",
        "request",
        "response",
        "request_id",
        "enterprise_project_id",
        "project_id",
    ];
    for record in records(&plan(20_000)) {
        assert_eq!(text(&record, "project_id").len(), 32);
        if record["trace_id"].is_null() {
            assert!(record["id"].is_string() || record["trans_id"].is_string(), "{record}");
            text(&record, "operation_type");
            assert!(
                chrono::DateTime::parse_from_rfc3339(text(&record, "operation_time")).is_ok(),
                "{record}"
            );
            continue;
        }
        TRACE.iter().for_each(|key| assert!(record[key].is_string(), "{key} in {record}"));
        assert!(
            record["time"].as_i64() <= record["record_time"].as_i64()
                && record["read_only"].is_boolean()
        );
        for key in ["id", "name", "type", "principal_urn", "access_key_id"] {
            text(&record["user"], key);
        }
        assert_eq!(text(&record["user"]["domain"], "id").len(), 32);
        for body in [text(&record, "request"), text(&record, "response")] {
            assert!(
                body.is_empty()
                    || serde_json::from_str::<Value>(body).is_ok_and(|body| body.is_object()),
                "{body}"
            );
        }
    }
}

#[test]
fn ids_are_unique_and_uuids() {
    let out = String::from_utf8(bytes(&plan(100_000))).expect("JSON is UTF-8");
    let mut seen = HashSet::new();
    for line in out.lines() {
        let mut parts = line.split('"').skip(1).step_by(2);
        let (name, id) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        assert!(["trace_id", "id", "trans_id"].contains(&name), "{line}");
        assert_eq!((id.len(), &id[14..15]), (36, "4"), "{line}");
        assert!(matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{line}");
        assert!(seen.insert(id), "{line}");
    }
}

#[test]
fn moments_lie_in_the_period_and_few_are_out_of_order() {
    let plan = Plan { days: 30, ..plan(50_000) };
    let end = plan.start_ms + 30 * DAY_MS;
    let times: Vec<_> =
        records(&plan).iter().filter_map(|record| record["time"].as_i64()).collect();
    assert!(times.iter().all(|time| (plan.start_ms..end).contains(time)));
    let back =
        times.windows(2).filter(|pair| pair[1] < pair[0]).count() as f64 / times.len() as f64;
    assert!((0.005..0.06).contains(&back), "{back}");
    assert!(times.windows(2).all(|pair| pair[1] > pair[0] - 300_000));
    assert!(times[times.len() - 1] > end - DAY_MS / 24);
}

#[test]
fn the_mix_is_as_documented() {
    let records = records(&plan(100_000));
    let all: Vec<_> = records.iter().collect();
    let traces: Vec<_> = records.iter().filter(|record| record["trace_id"].is_string()).collect();
    let near = |name: &str, measured: f64, low: f64, high: f64| {
        assert!((low..high).contains(&measured), "{name}: {measured}")
    };
    near("partner", share(&all, |record| record["trace_id"].is_null()), 0.09, 0.11);
    near("read only", share(&traces, |record| record["read_only"] == true), 0.27, 0.33);
    near("data", share(&traces, |record| record["event_type"] == "data"), 0.025, 0.035);
    near("normal", share(&traces, |record| record["trace_rating"] == "normal"), 0.935, 0.945);
    near("warning", share(&traces, |record| record["trace_rating"] == "warning"), 0.05, 0.06);
    near("incident", share(&traces, |record| record["trace_rating"] == "incident"), 0.004, 0.006);
    near(
        "default project",
        share(&traces, |record| record["enterprise_project_id"] == "0"),
        0.7,
        0.75,
    );
    for record in &traces {
        let expected = match &text(record, "code")[..1] {
            "2" => "normal",
            "4" => "warning",
            _ => "incident",
        };
        assert_eq!(text(record, "trace_rating"), expected);
        assert_eq!(
            expected != "normal",
            text(record, "response").contains("error_code"),
            "{record}"
        );
    }
}

#[test]
fn the_largest_tenant_has_its_documented_share() {
    let mut generator = Generator::new(&plan(100_000));
    let (mut counts, mut record) = (HashMap::<String, u32>::new(), String::new());
    while generator.next_record(&mut record) {
        assert!(record.contains(generator.tenant()));
        *counts.entry(generator.tenant().to_string()).or_default() += 1;
        record.clear();
    }
    let largest = counts.values().max().expect("there are records");
    assert!((13_000..30_000).contains(largest), "{largest}");
    assert!(counts.len() > 190);
}

#[test]
fn all_coupon_operations_occur_and_flows_hang_together() {
    let (mut operations, mut issued, mut left) = (HashSet::new(), HashMap::new(), HashSet::new());
    let mut quotas = HashMap::<String, u32>::new();
    let out = String::from_utf8(bytes(&plan(200_000))).expect("JSON is UTF-8");
    for line in out.lines().filter(|line| line.contains("customer_id")) {
        let record: Value = serde_json::from_str(line).expect("another test parses every line");
        if record["trace_name"] == "applyUnbindOrSwitchCooperation"
            && text(&record, "request").contains("UNBIND")
        {
            left.insert(text(&record, "resource_id").to_string());
        } else if record["operation_type"] == "SOURCE_OPERATION_BEUNBIND"
            || record["operation_type"] == "DELETE"
        {
            assert!(left.contains(text(&record, "customer_id")), "{record}");
        } else if record["coupon_id"].is_string() {
            let operation = text(&record, "operation_type").to_string();
            *quotas.entry(text(&record, "quota_id").to_string()).or_default() += 1;
            if operation == "1" {
                issued.insert(
                    text(&record, "coupon_id").to_string(),
                    (record["quota_id"].clone(), record["customer_id"].clone()),
                );
            } else {
                let known = &issued[text(&record, "coupon_id")];
                assert_eq!((&known.0, &known.1), (&record["quota_id"], &record["customer_id"]));
            }
            operations.insert(operation);
        }
    }
    assert_eq!(operations.len(), 9, "{operations:?}");
    assert!(left.len() > 100);
    let mean = f64::from(quotas.values().sum::<u32>()) / quotas.len() as f64;
    assert!(mean > 2.0, "{mean}");
}
