//! Quarantine: bounded in bytes, files and memory; paged, searched, counted; past its time deleted;
//! damage named.

use crate::support::process::annals;
use crate::support::store::{NOW, TestStore};
use annals::access::Actor;
use annals::engine::{Retention, Settings};
use annals::event::{DAY_MS, Timestamp};
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value as Json, json};
use std::fs;
use std::path::PathBuf;

fn files(store: &TestStore) -> Vec<PathBuf> {
    let entries = fs::read_dir(store.path().join("quarantine")).into_iter().flatten();
    let holds_records = |path: &PathBuf| {
        !path.ends_with("files.json") && path.extension().is_none_or(|ending| ending != "length")
    };
    entries.map(|entry| entry.expect("an entry").path()).filter(holds_records).collect()
}

fn bytes(store: &TestStore) -> u64 {
    files(store).iter().map(|path| fs::metadata(path).expect("it is there").len()).sum()
}

fn bad(numbers: std::ops::Range<usize>) -> String {
    numbers.map(|number| format!("{{\"bad\":{number}]\n")).collect()
}

const COUNT: &str = "/api/v1/quarantine?tenant=t&limit=1";

#[test]
fn a_request_of_bad_lines_is_answered_in_brief_and_kept_in_few_files() {
    let mut store = TestStore::new();
    let answer = store.post("/api/v1/events?tenant=t", bad(0..20_000));
    assert_eq!(
        (answer["accepted"].clone(), answer["quarantined_total"].clone()),
        (json!(0), json!(20_000))
    );
    assert_eq!(answer["quarantined"].as_array().map(Vec::len), Some(100));
    assert_eq!(answer["quarantined"][99]["line"], 100);
    let reasons = answer["quarantined_reasons"].as_array().expect("a list");
    assert_eq!((reasons.len(), &reasons[0]["count"]), (1, &json!(20_000)), "{reasons:?}");
    assert!(answer.to_string().len() < 20_000, "{} bytes", answer.to_string().len());
    let more = answer["quarantined_more"].as_str().expect("where the rest is");
    let page = store.get(more);
    assert_eq!(
        (&page["total"], page["records"].as_array().map(Vec::len)),
        (&json!(20_000), Some(100))
    );
    assert_eq!(page["records"][0]["record"], "{\"bad\":19999]");
    assert!(
        files(&store).len() < 3 && bytes(&store) < 4 << 20,
        "{:?}: {} bytes",
        files(&store),
        bytes(&store)
    );
    // Sent again, nothing is kept twice; equal lines are one record.
    store.post("/api/v1/events?tenant=t", bad(0..20_000));
    let equal = store.post("/api/v1/events?tenant=t", "{]\n".repeat(50_000));
    assert_eq!(equal["quarantined_total"], 50_000);
    store.reopen();
    assert_eq!(store.get(COUNT)["total"], 20_001);
    let few = store.post("/api/v1/events?tenant=t", bad(0..3));
    assert_eq!(
        (few["quarantined"].as_array().map(Vec::len), &few["quarantined_more"]),
        (Some(3), &Json::Null)
    );
}

#[test]
fn a_hole_of_zeros_takes_no_room() {
    let mut store = TestStore::new();
    let body = [vec![b'x'; 700_000], b"\n".to_vec(), vec![0; 30 << 20]].concat();
    let answer = store.post("/api/v1/events?tenant=t", body);
    assert!(answer["quarantined_total"].as_u64().is_some_and(|total| total >= 1), "{answer}");
    store.reopen();
    assert!(bytes(&store) < 64 << 10, "{} bytes", bytes(&store));
    let page = store.get("/api/v1/quarantine?tenant=t");
    let record = page["records"].as_array().and_then(|records| records.last()).expect("a record");
    assert_eq!(
        (&record["cut"], record["record"].as_str().map(str::len)),
        (&json!(true), Some(64 << 10))
    );
    assert!(
        record["length"].as_u64().is_some_and(|length| length >= 700_000)
            && record["sha256"].as_str().is_some_and(|hash| hash.len() == 64)
    );
}

#[test]
fn two_hundred_requests_of_one_bad_record_at_once_all_succeed() {
    let store = TestStore::new();
    std::thread::scope(|scope| {
        for number in 0..200 {
            let store = &store;
            scope.spawn(move || {
                let answer = store.post("/api/v1/events?tenant=t", bad(number..number + 1));
                assert_eq!(answer["quarantined_total"], 1, "{answer}");
            });
        }
    });
    assert_eq!(store.get(COUNT)["total"], 200);
    assert_eq!(files(&store).len(), 1);
}

#[test]
fn it_is_filtered_searched_and_counted_by_reason() {
    let store = TestStore::new();
    store.post("/api/v1/events?tenant=t", bad(0..50));
    store.clock.set(Timestamp::from_millis(NOW + DAY_MS));
    store.post("/api/v1/events?tenant=t", "nonsense\n[1]x\n{\"bad\":7000]\n");
    store.post("/api/v1/events?tenant=u", "nonsense\n");
    let get = |query: &str| store.get(&format!("/api/v1/quarantine?{query}"));
    let reasons = store.get("/api/v1/quarantine/reasons?tenant=t");
    assert_eq!(reasons["total"], 53);
    let known = reasons["reasons"].as_array().expect("a list");
    assert!(known.len() >= 2 && known[0]["count"] == 51, "{reasons}");
    let kind: String = annals::calls::Pairs(vec![(
        "reason".to_owned(),
        known[0]["reason"].as_str().expect("a text").to_owned(),
    )])
    .to_query();
    assert_eq!(get(&format!("tenant=t&{kind}"))["total"], 51);
    assert_eq!(get("tenant=t&from=2026-07-01T00:00:00Z")["total"], 3);
    assert_eq!(get("tenant=t&to=2026-07-01T00:00:00Z")["total"], 50);
    assert_eq!(get("tenant=*")["total"], 54);
    let found = get("tenant=t&substring=bad%22:7");
    assert_eq!(
        (&found["total"], found["records"].as_array().map(Vec::len)),
        (&Json::Null, Some(2)),
        "{found}"
    );
    let first = get("tenant=t&substring=bad&limit=3");
    let next = first["next"].as_str().expect("there is more");
    let second = get(&format!("tenant=t&substring=bad&limit=3&after={next}"));
    let shown = |page: &Json| {
        page["records"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|record| record["record"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(shown(&first), ["{\"bad\":7000]", "{\"bad\":49]", "{\"bad\":48]"]);
    assert_eq!(shown(&second), ["{\"bad\":47]", "{\"bad\":46]", "{\"bad\":45]"]);
}

#[test]
fn who_has_filled_its_share_is_refused_and_nobody_else_is() {
    let mut store = TestStore::new();
    store.reopen_with(Settings {
        compact: false,
        quarantine_bytes: 64 << 10,
        ..Settings::default()
    });
    let request = Request::post("/api/v1/events?tenant=loud")
        .body(Body::from(bad(0..500)))
        .expect("a request");
    let refused = store.refused(request, 503);
    assert!(
        refused["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("quarantine is full: loud")),
        "{refused}"
    );
    let good = format!(
        "{{\"trace_id\":\"g\",\"trace_name\":\"n\",\"service_type\":\"ECS\",\"time\":{NOW}}}\n"
    );
    assert_eq!(
        store.post("/api/v1/events?tenant=loud", good.clone())["accepted"],
        1,
        "requests without bad records go on"
    );
    assert_eq!(
        store.post("/api/v1/events?tenant=quiet", good + &bad(0..2))["quarantined_total"],
        2
    );
    let status = store.get("/api/v1/status");
    assert_eq!(
        (&status["quarantine"]["budget_bytes"], status["quarantined"].as_u64()),
        (&json!(64 << 10), Some(2))
    );
}

#[test]
fn retention_and_holds_apply_and_are_recorded() {
    let mut store = TestStore::new();
    for (tenant, days) in [("a", 400), ("b", 400), ("a", 0)] {
        store.clock.set(Timestamp::from_millis(NOW - days * DAY_MS));
        store.post(
            &format!("/api/v1/events?tenant={tenant}"),
            bad(days as usize..days as usize + 10),
        );
    }
    store.reopen();
    let engine = store.engine();
    engine
        .set_retention(&Actor::operator(), &Retention::Days(None, Some(365)))
        .expect("above the floor");
    let filter = vec![("operator".to_owned(), "ann".to_owned())];
    engine
        .place_hold(
            &Actor::operator(),
            "case",
            vec!["b".to_owned()],
            filter,
            "no filter tells of what cannot be decoded",
        )
        .expect("a hold");
    let expected = engine.expirable().expect("a forecast");
    let expired = engine.expire(&Actor::operator()).expect("a run");
    assert_eq!(expired, expected);
    assert_eq!((expired.quarantined, expired.quarantined_held, expired.events), (10, 10, 0));
    let total =
        |tenant: &str| store.get(&format!("/api/v1/quarantine?tenant={tenant}"))["total"].clone();
    assert_eq!((total("a"), total("b")), (json!(10), json!(10)));
    let recorded =
        store.get("/api/v1/events?tenant=_annals&event_name=deleteQuarantined&order=asc");
    let shown = |event: &Json| (event["resource_name"].clone(), event["code"].clone());
    let recorded: Vec<_> =
        recorded["events"].as_array().expect("a list").iter().map(shown).collect();
    assert_eq!(recorded, [(json!("a"), json!("begun")), (json!("a"), json!("done"))]);
    store.engine().lift_hold(&Actor::operator(), "case", "closed").expect("there is one");
    assert_eq!(store.engine().expire(&Actor::operator()).expect("a run").quarantined, 10);
    assert!(store.engine().check(false).expect("a check").is_sound());
}

#[test]
fn a_folder_that_is_gone_is_told_by_check_and_by_every_start() {
    let mut store = TestStore::new();
    store.post("/api/v1/events?tenant=t", bad(0..10));
    store.close();
    let data = store.path().to_string_lossy().into_owned();
    annals(&["check", "--data", &data]).ok();
    fs::remove_dir_all(store.path().join("quarantine")).expect("removed");
    for _ in 0..2 {
        let checked = annals(&["check", "--data", &data]);
        assert!(checked.code != 0 && checked.err.contains("is gone"), "{checked:?}");
        store.reopen();
        let page = store.get("/api/v1/quarantine?tenant=t");
        assert!(page["damaged"][0].as_str().is_some_and(|what| what.contains("is gone")), "{page}");
        // What comes later is kept, and hides nothing.
        store.post("/api/v1/events?tenant=t", bad(20..30));
        store.close();
    }
}

#[test]
fn a_damaged_file_stops_no_start_is_named_by_check_and_the_rest_is_answered() {
    let mut store = TestStore::new();
    for number in 0..2 {
        store.post("/api/v1/events?tenant=t", bad(10 * number..10 * (number + 1)));
        store.reopen();
    }
    store.close();
    let mut names = files(&store);
    names.sort();
    let whole = fs::read(&names[0]).expect("it is there");
    let data = store.path().to_string_lossy().into_owned();
    annals(&["check", "--data", &data]).ok();
    let flipped = [&whole[..40], &[whole[40] ^ 1], &whole[41..]].concat();
    for damaged in [whole[..whole.len() / 2].to_vec(), Vec::new(), flipped] {
        fs::write(&names[0], damaged).expect("written");
        let checked = annals(&["check", "--data", &data]);
        assert!(
            checked.code != 0 && checked.err.contains(names[0].to_string_lossy().as_ref()),
            "{checked:?}"
        );
        store.reopen();
        let page = store.get("/api/v1/quarantine?tenant=t");
        assert!(page["records"].as_array().is_some_and(|records| records.len() >= 10), "{page}");
        assert!(page["damaged"][0].as_str().is_some_and(|what| what.contains(".kept")), "{page}");
        store.close();
    }
    fs::remove_file(&names[1]).expect("removed");
    assert!(annals(&["check", "--data", &data]).err.contains("is missing"));
    fs::write(&names[0], &whole).expect("written");
}

#[test]
fn a_backup_has_it_and_a_restored_store_too() {
    let mut store = TestStore::new();
    let backup = store.path().with_file_name("backup");
    for number in 0..3 {
        store.post("/api/v1/events?tenant=t", bad(10 * number..10 * (number + 1)));
        store.engine().backup(&Actor::operator(), &backup).expect("a copy");
        if number == 1 {
            store.reopen();
        }
    }
    store.close();
    let (copy, back) = (backup.to_string_lossy().into_owned(), store.path().with_file_name("back"));
    assert!(annals(&["check", "--data", &copy]).ok().starts_with("sound"));
    annals(&["restore", "--from", &copy, "--data", &back.to_string_lossy()]).ok();
    fs::rename(store.path(), store.path().with_file_name("gone")).expect("moved");
    fs::rename(&back, store.path()).expect("moved");
    store.reopen();
    assert_eq!(store.get(COUNT)["total"], 30);
}

#[test]
fn a_tenant_may_refuse_what_has_no_time() {
    let store = TestStore::new();
    let batch = "{\"what\":\"a\"}\n{\"time\":\"2026-06-01T00:00:00Z\",\"what\":\"b\"}\n";
    let post = |tenant: &str| store.post(&format!("/api/v1/events?tenant={tenant}"), batch);
    assert_eq!(post("open")["accepted"], 2);
    let patch = |name: &str, body: &str| {
        let request = Request::patch(format!("/api/v1/tenants/{name}"))
            .body(Body::from(body.to_owned()))
            .expect("a request");
        let (status, _, body) = store.send(request);
        (status.as_u16(), serde_json::from_slice::<Json>(&body).expect("JSON"))
    };
    let (status, set) = patch("strict", r#"{"undated":"refuse"}"#);
    assert_eq!((status, &set["undated"]), (200, &json!("refuse")));
    let answer = post("strict");
    assert_eq!(answer["accepted"], 1, "{answer}");
    assert_eq!(answer["quarantined"][0]["line"], 1);
    let reason = answer["quarantined"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("has no time"), "{reason}");
    assert_eq!(post("open")["duplicates"], 2, "only the tenant that says so");
    let tenants = store.get("/api/v1/tenants");
    let shown: Vec<(&str, &str)> = tenants["tenants"]
        .as_array()
        .expect("tenants")
        .iter()
        .filter_map(|tenant| Some((tenant["tenant"].as_str()?, tenant["undated"].as_str()?)))
        .filter(|(tenant, _)| *tenant != "_annals")
        .collect();
    assert_eq!(shown, [("open", "accept"), ("strict", "refuse")]);
    // Decoded again it stays, until the tenant takes such records.
    let again = || store.post("/api/v1/quarantine/decode?tenant=strict", String::new());
    assert_eq!(again()["accepted"], 0);
    assert_eq!(patch("strict", r#"{"undated":"accept"}"#).0, 200);
    assert_eq!(again()["accepted"], 1);
    for (name, body) in [
        ("strict", r#"{"undated":"maybe"}"#),
        ("strict", "{}"),
        ("strict", r#"{"days":3}"#),
        ("_annals", r#"{"undated":"refuse"}"#),
    ] {
        assert_eq!(patch(name, body).0, 400, "{name} {body}");
    }
}
