//! Records in quarantine that are decoded again: what decodes becomes an event once and leaves,
//! everything else stays as it was.

use crate::support::process::annals;
use crate::support::store::{NOW, TestStore};
use annals::access::Actor;
use annals::event::{DAY_MS, Timestamp};
use annals::ingest::{DecodedBatch, Rejected};
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value as Json, json};

fn record(number: usize) -> String {
    format!(
        "{{\"trace_id\":\"r{number}\",\"trace_name\":\"n\",\"service_type\":\"ECS\",\
        \"project_id\":\"p\",\"time\":{}}}\n",
        NOW + number as i64
    )
}

fn records(numbers: std::ops::Range<usize>) -> String {
    numbers.map(record).collect()
}

/// Sends records as audit records of Google Cloud, which they are not.
fn send_as_gcp(store: &TestStore, records: String) {
    let answer = store.post("/api/v1/events?tenant=t&format=gcp", records);
    assert_eq!(answer["accepted"], 0, "{answer}");
}

fn decode(store: &TestStore, query: &str) -> Json {
    store.post(&format!("/api/v1/quarantine/decode?{query}"), "")
}

fn left(store: &TestStore) -> u64 {
    store.get("/api/v1/quarantine?tenant=*&limit=1")["total"].as_u64().expect("a number")
}

fn events(store: &TestStore, tenant: &str) -> u64 {
    store.get(&format!("/api/v1/count?tenant={tenant}"))["count"].as_u64().expect("a number")
}

/// Whether an answer has these numbers.
#[track_caller]
fn counts(answer: &Json, expected: &[(&str, u64)]) {
    for (name, number) in expected {
        assert_eq!(answer[*name], *number, "{name} of {answer}");
    }
}

#[test]
fn what_was_sent_with_the_wrong_format_becomes_events_once() {
    let mut store = TestStore::new();
    send_as_gcp(&store, records(0..25));
    store.reopen();
    send_as_gcp(&store, records(25..30) + "{\"bad\":1]\n");
    assert_eq!((left(&store), events(&store, "t")), (31, 0));

    let tried = decode(&store, "tenant=t&dry_run=true");
    counts(&tried, &[("records", 31), ("accepted", 30), ("refused", 1), ("removed", 0)]);
    assert_eq!((left(&store), events(&store, "t")), (31, 0), "a dry run changes nothing");
    counts(&decode(&store, "tenant=other"), &[("records", 0), ("removed", 0)]);
    let same = decode(&store, "tenant=t&format=gcp");
    counts(&same, &[("accepted", 0), ("refused", 31), ("removed", 0)]);
    assert_eq!(left(&store), 31, "what is refused again is there once");

    // In small steps, each of which says where to continue.
    let (mut after, mut accepted) = (String::new(), 0);
    loop {
        let answer = decode(&store, &format!("tenant=t&limit=7{after}"));
        accepted += answer["accepted"].as_u64().expect("a number");
        match answer["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!((accepted, left(&store), events(&store, "t")), (30, 1, 30));
    store.reopen();
    assert_eq!((left(&store), events(&store, "t")), (1, 30));
    // The sender sends again what it was told is in quarantine: no event is there twice.
    assert_eq!(store.post("/api/v1/events?tenant=t", records(0..30))["duplicates"], 30);
    assert!(store.engine().check(false).expect("a check").is_sound());
    let told = store.get("/api/v1/events?tenant=_annals&event_name=decodeQuarantined");
    assert!(told["events"].as_array().is_some_and(|told| told.len() == 5), "{told}");
}

#[test]
fn what_is_stored_already_leaves_and_another_record_of_the_same_id_stays() {
    let store = TestStore::new();
    send_as_gcp(&store, records(0..10));
    // As after a crash between accepting and removing.
    store.post("/api/v1/events?tenant=t", records(0..6));
    // Another record has the id of the seventh.
    store.post("/api/v1/events?tenant=t", record(6).replace("ECS", "EVS"));
    let answer = decode(&store, "tenant=t");
    counts(&answer, &[("accepted", 3), ("duplicates", 6), ("refused", 1), ("removed", 9)]);
    assert_eq!((left(&store), events(&store, "t")), (1, 10));
    let stays = store.get("/api/v1/quarantine?tenant=t");
    assert_eq!(stays["records"][0]["record"], record(6).trim_end());
}

#[test]
fn records_without_a_tenant_get_the_one_that_is_named() {
    let store = TestStore::new();
    let answer = store.post("/api/v1/events?tenant_from=account", records(0..3));
    assert_eq!(answer["quarantined_total"], 3);
    counts(&decode(&store, "tenant=t"), &[("records", 0)]);
    let nobody = decode(&store, "tenant=*");
    counts(&nobody, &[("records", 3), ("without_tenant", 3), ("accepted", 0), ("removed", 0)]);
    let half = decode(&store, "tenant=*&tenant_from=project_id&limit=1");
    counts(&half, &[("accepted", 1), ("removed", 1)]);
    counts(&decode(&store, "tenant=*&unknown_tenant=acme"), &[("accepted", 2), ("removed", 2)]);
    assert_eq!((events(&store, "p"), events(&store, "acme"), left(&store)), (1, 2, 0));
}

#[test]
fn held_records_become_events_and_stay_and_cut_ones_cannot_be_decoded() {
    let store = TestStore::new();
    let long =
        record(0).replace("\"ECS\"", &format!("\"ECS\",\"text\":\"{}\"", "x".repeat(70_000)));
    send_as_gcp(&store, long + &records(1..4));
    let filter = vec![("operator".to_owned(), "ann".to_owned())];
    store
        .engine()
        .place_hold(&Actor::operator(), "case", vec!["t".to_owned()], filter, "a case")
        .expect("a hold");
    let held = decode(&store, "tenant=t");
    counts(&held, &[("accepted", 3), ("cut", 1), ("held", 3), ("removed", 0)]);
    assert_eq!((left(&store), events(&store, "t")), (4, 3));
    store.engine().lift_hold(&Actor::operator(), "case", "closed").expect("there is one");
    counts(&decode(&store, "tenant=t"), &[("duplicates", 3), ("cut", 1), ("removed", 3)]);
    assert_eq!((left(&store), events(&store, "t")), (1, 3));
}

#[test]
fn a_record_that_holds_several_is_split_as_a_stream_is() {
    let store = TestStore::new();
    // An earlier version may have kept these lines as one record.
    let bytes = format!("{}{}{{\"bad\":1]\n", record(0), record(1)).into_bytes();
    let rejected = Rejected {
        tenant: Some("t".to_owned()),
        line: 40,
        reason: "an earlier version did not know it".into(),
        bytes,
        cut: None,
        conflict: false,
        is_bound: false,
        foreign: None,
    };
    let batch = DecodedBatch { rejected: vec![rejected], ..DecodedBatch::default() };
    store.engine().ingest(batch, "file.log").expect("it is kept");
    counts(&decode(&store, "tenant=t"), &[("records", 1), ("accepted", 2), ("removed", 1)]);
    let page = store.get("/api/v1/quarantine?tenant=t");
    let shown = |name: &str| page["records"][0][name].clone();
    assert_eq!(
        (shown("record"), shown("line"), shown("source"), left(&store)),
        (json!("{\"bad\":1]"), json!(40), json!("file.log"), 1)
    );
}

#[test]
fn wrong_parameters_are_named() {
    let store = TestStore::new();
    for (query, parameter) in [
        ("", "tenant"),
        ("tenant=t&format=gpc", "format"),
        ("tenant=t&limit=0", "limit"),
        ("tenant=t&limit=100001", "limit"),
        ("tenant=t&unknown_tenant=", "unknown_tenant"),
        ("tenant=t&unknown_tenant=_annals", "unknown_tenant"),
        ("tenant=t&unknown_tenant=a&tenant_from=b", "tenant_from"),
        ("tenant=t&after=x", "after"),
        ("tenant=t&dry_run=maybe", "dry_run"),
        ("tenant=t&file=x", "file"),
    ] {
        let request = Request::post(format!("/api/v1/quarantine/decode?{query}"))
            .body(Body::empty())
            .expect("a request");
        assert_eq!(store.refused(request, 400)["parameter"], parameter, "{query}");
    }
}

#[test]
fn the_command_line_lists_counts_and_decodes() {
    let mut store = TestStore::new();
    send_as_gcp(&store, records(0..3));
    store.close();
    let data = store.path().to_string_lossy().into_owned();
    let run = |words: &[&str]| annals(&[&["quarantine"], words, &["--data", &data]].concat());
    let listed = run(&["list", "--substring", "r1"]).ok();
    let listed: Json = serde_json::from_str(listed.trim()).expect("one record");
    assert_eq!(listed["record"], record(1).trim_end());
    let reasons: Json = serde_json::from_str(run(&["reasons"]).ok().trim()).expect("one reason");
    assert_eq!(reasons["count"], 3);
    let answer = run(&["decode", "--tenant", "t"]).ok();
    let answer: Json = serde_json::from_str(answer.trim()).expect("JSON");
    counts(&answer, &[("records", 3), ("accepted", 3), ("removed", 3)]);
    assert_eq!(run(&["list"]).ok(), "");
    run(&["decode", "--format", "gpc"]).refused(2, &["format", "gpc"]);
}

#[test]
fn a_record_of_which_nothing_decodes_stays_as_it_is() {
    let store = TestStore::new();
    let rejected = |bytes: &str, tenant: Option<&str>| Rejected {
        tenant: tenant.map(str::to_owned),
        line: 7,
        reason: "an earlier version did not know it".into(),
        bytes: bytes.as_bytes().to_vec(),
        cut: None,
        conflict: false,
        is_bound: false,
        foreign: None,
    };
    let rejected = vec![rejected("{]\n[}\n", Some("t")), rejected(&record(0), Some("_annals"))];
    let batch = DecodedBatch { rejected, ..DecodedBatch::default() };
    store.engine().ingest(batch, "file.log").expect("it is kept");
    for _ in 0..2 {
        let answer = decode(&store, "tenant=*&unknown_tenant=acme");
        counts(&answer, &[("records", 1), ("refused", 1), ("without_tenant", 0), ("removed", 0)]);
        let answer = decode(&store, "tenant=_annals&unknown_tenant=acme");
        counts(&answer, &[("records", 1), ("refused", 0), ("without_tenant", 1), ("removed", 0)]);
        let of_system = store.get("/api/v1/quarantine?tenant=_annals")["total"].clone();
        assert_eq!((left(&store), of_system, events(&store, "acme")), (1, 1.into(), 0));
    }
}

#[test]
fn the_day_of_arrival_decides_the_year_of_a_time_without_one() {
    let store = TestStore::new();
    let answer = store.post(
        "/api/v1/events?tenant=t&format=cts",
        "Jun 28 10:00:00 web1 sshd[1]: Failed password for bob from 10.0.0.1 port 22 ssh2\n",
    );
    assert_eq!(answer["quarantined_total"], 1, "{answer}");
    store.clock.set(Timestamp::from_millis(NOW + 500 * DAY_MS));
    counts(&decode(&store, "tenant=t"), &[("accepted", 1), ("removed", 1)]);
    let event = store.get("/api/v1/events?tenant=t")["events"][0].clone();
    assert_eq!(event["time"], "2026-06-28T10:00:00.000Z");
}

#[test]
fn a_secret_that_was_replaced_keeps_its_hash() {
    let mut store = TestStore::new();
    store.close();
    let rules = r#"{"rules":[{"name":"p","paths":["password"]}]}"#;
    std::fs::write(store.path().join("redaction.json"), rules).expect("the rules");
    store.reopen();
    let record = record(0).replace("\"n\"", "\"n\",\"password\":\"s3cret\"");
    send_as_gcp(&store, record.clone());
    counts(&decode(&store, "tenant=t"), &[("accepted", 1), ("removed", 1)]);
    assert_eq!(store.post("/api/v1/events?tenant=t", record)["duplicates"], 1);
    assert_eq!(left(&store), 0);
}
