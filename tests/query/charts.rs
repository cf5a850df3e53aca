//! Charts say what they leave out, and begin and end where the question does.

use crate::support::store::TestStore;
use serde_json::{Value as Json, json};

fn store() -> TestStore {
    let store = TestStore::new();
    let record = |number: u32, day: &str, operator: &str| {
        let operator = if operator.is_empty() {
            String::new()
        } else {
            format!(r#","operator":"{operator}""#)
        };
        format!(
            r#"{{"trace_id":"c{number}","time":"2026-{day}T08:00:00Z","event_name":"e"{operator}}}"#
        )
    };
    let records: Vec<String> =
        [("01-10", "ann"), ("03-05", ""), ("03-31", "bob"), ("05-01", "ann")]
            .into_iter()
            .zip(0..)
            .map(|((day, operator), number)| record(number, day, operator))
            .collect();
    store.ingest("t", &records);
    store
}

fn counts(histogram: &Json) -> Vec<(String, u64)> {
    let buckets = histogram["buckets"].as_array().expect("a list");
    let bucket = |bucket: &Json| {
        let start = bucket["start"].as_str().expect("a time");
        (start[..10].to_owned(), bucket["count"].as_u64().expect("a count"))
    };
    buckets.iter().map(bucket).collect()
}

fn expected(buckets: &[(&str, u64)]) -> Vec<(String, u64)> {
    buckets.iter().map(|(start, count)| ((*start).to_owned(), *count)).collect()
}

#[test]
fn counts_by_value_say_how_many_events_have_none() {
    let store = store();
    let facets = store.get("/api/v1/facets?tenant=t&fields=operator,event_name");
    assert_eq!(facets["without"], json!({ "operator": 1, "event_name": 0 }));
    // With a condition, and with fewer values than there are.
    let facets = store.get("/api/v1/facets?tenant=t&fields=operator&size=1&text=e");
    assert_eq!(facets["facets"]["operator"].as_array().map(Vec::len), Some(1));
    let top = store.get("/api/v1/top?tenant=t&field=operator&size=1");
    assert_eq!(top["without"], 1);
    let histogram = store.get("/api/v1/histogram?tenant=t&interval=month&by=operator");
    let without: u64 = histogram["buckets"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|bucket| bucket["without"].as_u64().unwrap_or_default())
        .sum();
    assert_eq!(without, 1);
}

#[test]
fn buckets_follow_the_calendar_and_fill_the_period() {
    let store = store();
    let months = store.get("/api/v1/histogram?tenant=t&interval=month");
    let known = [
        ("2026-01-01", 1),
        ("2026-02-01", 0),
        ("2026-03-01", 2),
        ("2026-04-01", 0),
        ("2026-05-01", 1),
    ];
    assert_eq!(counts(&months), expected(&known));
    let quarters = store.get("/api/v1/histogram?tenant=t&interval=quarter");
    assert_eq!(counts(&quarters), expected(&[("2026-01-01", 3), ("2026-04-01", 1)]));
    let period = "from=2025-12-15T00:00:00Z&to=2026-03-01T00:00:00Z";
    let filled = store.get(&format!("/api/v1/histogram?tenant=t&interval=month&{period}"));
    let known = [("2025-12-01", 0), ("2026-01-01", 1), ("2026-02-01", 0)];
    assert_eq!(counts(&filled), expected(&known));
    let empty = store.get(&format!("/api/v1/histogram?tenant=nobody&interval=quarter&{period}"));
    assert_eq!(counts(&empty), expected(&[("2025-10-01", 0), ("2026-01-01", 0)]));
    // A period far longer than its events is answered, and not filled.
    let long = "from=2016-01-01T00:00:00Z&to=2026-12-01T00:00:00Z";
    let narrow = store.get(&format!("/api/v1/histogram?tenant=t&interval=1h&{long}"));
    assert_eq!(counts(&narrow).first(), Some(&("2026-01-10".to_owned(), 1)));
}
