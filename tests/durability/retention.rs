//! Retention, legal holds and the scrubber: what is past its time goes, what is held stays, and all
//! of it is recorded.

use crate::support::process::{Server, annals};
use crate::support::store::{NOW, TestStore, all_pages};
use annals::access::{Actor, Scope};
use annals::engine::Retention;
use annals::event::{DAY_MS, Timestamp};
use annals::query::{Filter, SortOrder};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

fn record(id: &str, days_ago: i64, operator: &str) -> Json {
    json!({ "event_name": "e", "trace_id": id, "time": NOW - days_ago * DAY_MS + 1_000,
        "operator": operator, "source": "s" })
}

fn ids(store: &TestStore, tenant: &str) -> BTreeSet<String> {
    let events = store.everything();
    events
        .iter()
        .filter(|event| event.tenant.as_ref() == tenant)
        .map(|event| event.trace_id().to_owned())
        .collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// What the store recorded about itself, oldest first.
fn recorded(store: &TestStore) -> Vec<Json> {
    let scope = Scope::of_operator(&["_annals"]).expect("a tenant");
    let mut events =
        all_pages(store.engine(), &scope, &Filter::default(), SortOrder::Descending, 100);
    events.sort_by_key(|event| event.seq);
    events
        .iter()
        .map(|event| serde_json::from_str(&event.original).expect("our own records are JSON"))
        .collect()
}

fn count(store: &TestStore, tenant: &str) -> u64 {
    let snapshot = store.engine().snapshot();
    let scope = Scope::of_operator(&[tenant]).expect("a tenant");
    store.engine().reader(&snapshot, None).count(&scope, &Filter::default()).expect("a count").0
}

/// Three tenants with events of today, of 200 and of 400 days ago; the old ones share segments.
fn filled() -> TestStore {
    let store = TestStore::new();
    for tenant in ["a", "b", "c"] {
        let records: Vec<String> = [("new", 0), ("old", 200), ("older", 400)]
            .iter()
            .flat_map(|(name, days)| {
                ["ann", "bob"].map(|who| record(&format!("{name}-{who}"), *days, who).to_string())
            })
            .collect();
        assert_eq!(store.ingest(tenant, &records).accepted, 6);
    }
    store.engine().compact().expect("segments merge");
    store
}

const ALL: &[&str] = &["new-ann", "new-bob", "old-ann", "old-bob", "older-ann", "older-bob"];

#[test]
fn what_is_past_its_time_goes_for_its_tenant_alone() {
    let mut store = filled();
    let engine = store.engine();
    assert_eq!(
        engine.expire(&Actor::operator()).expect("nothing to do").events,
        0,
        "without a policy everything is kept"
    );
    engine
        .set_retention(&Actor::operator(), &Retention::Days(Some("a".to_owned()), Some(365)))
        .expect("above the floor");
    engine
        .set_retention(&Actor::operator(), &Retention::Days(Some("b".to_owned()), Some(180)))
        .expect("the floor");
    let expected = engine.expirable().expect("a forecast");
    assert_eq!(ids(&store, "a"), set(ALL), "a forecast deletes nothing");
    let expired = store.engine().expire(&Actor::operator()).expect("a run");
    assert_eq!(expired, expected);
    assert_eq!((expired.events, expired.held, expired.segments), (6, 0, 2));
    assert_eq!(
        expired.tenants.into_iter().collect::<Vec<_>>(),
        [("a".to_owned(), 2), ("b".to_owned(), 4)]
    );
    let check = |store: &TestStore| {
        assert_eq!(ids(store, "a"), set(&ALL[..4]));
        assert_eq!(ids(store, "b"), set(&ALL[..2]));
        assert_eq!(ids(store, "c"), set(ALL), "who has no days keeps everything");
        assert_eq!((count(store, "a"), count(store, "b"), count(store, "c")), (4, 2, 6));
        assert!(store.engine().check(false).expect("a check").is_sound());
    };
    check(&store);
    assert_eq!(
        store.engine().expire(&Actor::operator()).expect("a run").events,
        0,
        "a second run has nothing to do"
    );
    store.reopen();
    check(&store);
    let done: Vec<Json> = recorded(&store)
        .into_iter()
        .filter(|record| record["event_name"] == "deleteEvents")
        .collect();
    let of = |tenant: &str, state: &str| {
        done.iter()
            .filter(|record| record["resource_name"] == tenant && record["code"] == state)
            .count()
    };
    assert_eq!(
        [of("a", "begun"), of("a", "done"), of("b", "begun"), of("b", "done"), of("c", "done")],
        [1, 1, 1, 1, 0]
    );
    let deleted =
        &done.iter().find(|record| record["resource_name"] == "b").expect("recorded")["details"];
    assert_eq!(
        (&deleted["events"], &deleted["kept_from"], &deleted["days"]),
        (&json!(4), &json!("2026-01-01"), &json!(180))
    );
    assert!(
        deleted["segments"]
            .as_array()
            .is_some_and(|segments| segments.len() == 2 && segments[0]["sha256"].is_string())
    );
    // What was deleted may come again: it is taken, and goes again.
    assert_eq!(store.ingest("b", &[record("old-ann", 200, "ann").to_string()]).accepted, 1);
    assert_eq!(store.engine().expire(&Actor::operator()).expect("a run").events, 1);
}

#[test]
fn a_hold_beats_retention_until_it_is_lifted() {
    let store = filled();
    let engine = store.engine();
    engine.set_retention(&Actor::operator(), &Retention::Days(None, Some(180))).expect("the floor");
    let filter = vec![("operator".to_owned(), "ann".to_owned())];
    engine
        .place_hold(
            &Actor::operator(),
            "case-7",
            vec!["a".to_owned(), "b".to_owned()],
            filter,
            "court order 7",
        )
        .expect("a hold");
    let expired = engine.expire(&Actor::operator()).expect("a run");
    assert_eq!((expired.events, expired.held), (8, 4));
    assert_eq!(ids(&store, "a"), set(&["new-ann", "new-bob", "old-ann", "older-ann"]));
    assert_eq!(ids(&store, "c"), set(&ALL[..2]));
    assert_eq!(engine.expire(&Actor::operator()).expect("a run").events, 0);
    // Merged segments keep what is held, and a hold on everything of a tenant holds everything.
    engine
        .place_hold(&Actor::operator(), "all-of-b", vec!["b".to_owned()], Vec::new(), "audit")
        .expect("a hold");
    engine.compact().expect("segments merge");
    engine.lift_hold(&Actor::operator(), "case-7", "closed").expect("there is one");
    assert_eq!(engine.expire(&Actor::operator()).expect("a run").events, 2, "of a");
    assert_eq!(ids(&store, "a"), set(&ALL[..2]));
    assert_eq!(ids(&store, "b"), set(&["new-ann", "new-bob", "old-ann", "older-ann"]));
    engine.lift_hold(&Actor::operator(), "all-of-b", "over").expect("there is one");
    assert_eq!(engine.expire(&Actor::operator()).expect("a run").events, 2);
    let names: Vec<String> = recorded(&store)
        .iter()
        .map(|record| record["event_name"].as_str().unwrap_or_default().to_owned())
        .collect();
    let changes: Vec<&str> =
        names.iter().map(String::as_str).filter(|name| *name != "deleteEvents").collect();
    assert_eq!(changes, ["setRetention", "placeHold", "placeHold", "liftHold", "liftHold"]);
    let placed = recorded(&store)
        .into_iter()
        .find(|record| record["event_name"] == "placeHold")
        .expect("recorded");
    assert_eq!(
        (&placed["resource_name"], &placed["details"]["reason"]),
        (&json!("case-7"), &json!("court order 7"))
    );
}

#[test]
fn a_change_that_was_recorded_and_not_put_in_force_is_at_the_next_start() {
    let mut store = filled();
    let files = ["admin.redb", "marks/admin.redb"].map(|name| store.path().join(name));
    store
        .engine()
        .set_retention(&Actor::operator(), &Retention::Days(None, Some(365)))
        .expect("above the floor");
    store.close();
    let first = files.each_ref().map(|file| std::fs::read(file).expect("a file"));
    store.reopen();
    let bob = Actor { name: "bob".to_owned(), source_ip: Some("10.1.2.3".to_owned()) };
    store.engine().set_retention(&bob, &Retention::Days(None, Some(200))).expect("above the floor");
    // As if the process had died between the two.
    store.close();
    for (file, bytes) in files.iter().zip(&first) {
        std::fs::write(file, bytes).expect("the file can be written");
    }
    let in_force =
        |store: &TestStore| (store.engine().policy().version, store.engine().policy().default_days);
    store.reopen();
    assert_eq!(in_force(&store), (2, Some(200)));
    store.close();
    std::fs::remove_file(&files[0]).expect("there is one");
    store.reopen();
    assert_eq!(in_force(&store), (2, Some(200)), "even if the file is lost");
    store.close();
    files.iter().for_each(|file| std::fs::remove_file(file).expect("there is one"));
    store.reopen();
    assert_eq!(in_force(&store), (2, Some(200)), "and its mark");
    let changes = recorded(&store);
    let seen: Vec<[&Json; 4]> = changes
        .iter()
        .map(|change| {
            let days = &change["changes"][0]["body"]["default_days"];
            [&change["trace_id"], &change["operator"], &change["source_ip"], days]
        })
        .collect();
    let (operator, bob) = (json!("operator"), json!("bob"));
    let ids = [json!("admin-1"), json!("admin-2")];
    let (address, days) = (json!("10.1.2.3"), [json!(365), json!(200)]);
    assert_eq!(
        seen,
        [[&ids[0], &operator, &Json::Null, &days[0]], [&ids[1], &bob, &address, &days[1]]]
    );
    assert_eq!(changes[1]["changes"][0]["kind"], "policy");
}

#[test]
fn a_policy_that_is_damaged_is_never_taken_for_an_empty_one() {
    let mut store = filled();
    let file = store.path().join("admin.redb");
    store
        .engine()
        .set_retention(&Actor::operator(), &Retention::Days(None, Some(365)))
        .expect("above the floor");
    store.close();
    let data = store.path().to_string_lossy().into_owned();
    let sound = std::fs::read(&file).expect("a file");
    for damaged in [&sound[..sound.len() / 2], b"", b"{}", &[0; 8_192]] {
        std::fs::write(&file, damaged).expect("damage");
        for words in [&["retention", "show"][..], &["retention", "set", "--days", "200"]] {
            annals(&[words, &["--data", &data]].concat())
                .refused(3, &["admin.redb", "is damaged", "from a backup"]);
        }
    }
    std::fs::write(&file, &sound).expect("mended");
    // A store that is running finds it by a check, and goes on.
    store.reopen();
    let mut damaged = sound.clone();
    damaged[70] ^= 1;
    std::fs::write(&file, &damaged).expect("damage");
    let found = store.engine().check(false).expect("a check").store;
    assert!(found.len() == 1 && found[0].contains("admin.redb"), "{found:?}");
    assert_eq!(store.engine().policy().default_days, Some(365));
    std::fs::write(&file, &sound).expect("mended");
    assert!(store.engine().check(false).expect("a check").is_sound());
}

#[test]
fn readers_and_a_disk_that_fails_half_way_lose_nothing() {
    let mut store = filled();
    let snapshot = store.engine().snapshot();
    store
        .engine()
        .set_retention(&Actor::operator(), &Retention::Days(None, Some(180)))
        .expect("the floor");
    // A commit that cannot be written: something stands in its place.
    let log = store.path().join("events/_delta_log");
    let next = log.join(format!("{:020}.json", store.engine().stats().version + 1));
    std::fs::create_dir(&next).expect("a folder in the way");
    assert!(store.engine().expire(&Actor::operator()).is_err());
    std::fs::remove_dir(&next).expect("the folder goes");
    assert_eq!(ids(&store, "a"), set(ALL), "nothing is gone that was not committed");
    assert_eq!(store.engine().expire(&Actor::operator()).expect("a run").events, 12);
    // A reader that began before still sees everything, though files are removed.
    store.engine().compact().expect("files are removed");
    let scope = Scope::of_operator(&["a"]).expect("a tenant");
    let page = annals::query::PageQuery { limit: 10, ..Default::default() };
    let seen = store
        .engine()
        .reader(&snapshot, None)
        .list(&scope, &Filter::default(), &page)
        .expect("the files are there");
    assert_eq!(seen.events.len(), 6);
    drop(snapshot);
    store.clock.set(Timestamp::from_millis(NOW + 3 * DAY_MS));
    store.reopen();
    assert_eq!(ids(&store, "a"), set(&ALL[..2]));
}

#[test]
fn the_policy_is_shown_and_changed_over_http_and_by_command() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let data = folder.path().join("data");
    let records: String = [record("x", 0, "ann"), record("y", 300, "ann"), record("z", 300, "bob")]
        .map(|record| record.to_string() + "\n")
        .concat();
    let file = folder.path().join("records.ndjson");
    std::fs::write(&file, records).expect("a file");
    let (data_word, file_word) =
        (data.to_string_lossy().into_owned(), file.to_string_lossy().into_owned());
    annals(&["ingest", "--data", &data_word, "--tenant", "t", &file_word]).ok();
    for (words, said) in [
        (
            vec!["retention", "set", "--data", &data_word, "--tenant", "t", "--days", "30"],
            "180 (this store's floor)",
        ),
        (vec!["retention", "set", "--data", &data_word, "--days", "soon"], "forever"),
        (vec!["retention", "floor", "--data", &data_word, "--days", "10"], "only rises"),
        (
            vec!["hold", "place", "h", "--data", &data_word, "--tenant", "t", "--reason", " "],
            "reason",
        ),
        (
            vec![
                "hold", "place", "h", "--data", &data_word, "--tenant", "t", "--reason", "r",
                "--last", "7d",
            ],
            "does not move",
        ),
    ] {
        annals(&words).refused(2, &[said]);
    }
    annals(&["hold", "lift", "h", "--data", &data_word, "--reason", "r"]).refused(1, &["no hold"]);
    let shown = annals(&[
        "hold",
        "place",
        "h",
        "--data",
        &data_word,
        "--tenant",
        "t",
        "--reason",
        "r",
        "--operator",
        "bob",
    ])
    .ok();
    assert_eq!(
        serde_json::from_str::<Json>(&shown).expect("JSON")["h"]["filter"],
        json!({ "operator": ["bob"] })
    );

    retention_runs_by_command(&data);
    annals(&["ingest", "--data", &data_word, "--tenant", "_annals", &file_word])
        .refused(2, &["_annals"]);
    assert!(annals(&["check", "--data", &data_word]).ok().starts_with("sound"));
}

/// A server is asked to delete what is past its time; the hold `h` keeps one event until it is
/// lifted.
fn retention_runs_by_command(data: &std::path::Path) {
    let server = Server::start(data);
    let run = |words: &[&str]| {
        serde_json::from_str::<Json>(&annals(&[words, &["--url", &server.url]].concat()).ok())
            .expect("JSON")
    };
    assert_eq!(
        run(&["retention", "set", "--tenant", "t", "--days", "200"])["tenants"],
        json!({ "t": 200 })
    );
    // Real time has gone on: whatever "now" is, the records of the test are older than they were.
    let forecast = run(&["retention", "run", "--dry-run"]);
    assert_eq!((&forecast["dry_run"], &forecast["held"]), (&json!(true), &json!(1)));
    let done = run(&["retention", "run"]);
    assert_eq!((&done["events"], &done["tenants"]), (&forecast["events"], &forecast["tenants"]));
    assert!(done["events"].as_u64().is_some_and(|events| events >= 1));
    assert_eq!(run(&["hold", "lift", "h", "--reason", "over"]), json!({}));
    assert_eq!(run(&["retention", "run"])["events"], 1);
    let names = annals(&[
        "top",
        "--url",
        &server.url,
        "--tenant",
        "_annals",
        "--field",
        "event_name",
        "-o",
        "json",
    ])
    .ok();
    for name in ["setRetention", "placeHold", "liftHold", "deleteEvents"] {
        assert!(names.contains(name), "{name} is recorded: {names}");
    }
    let file = data.with_file_name("records.ndjson").to_string_lossy().into_owned();
    annals(&["ingest", "--url", &server.url, "--tenant", "_annals", &file])
        .refused(2, &["_annals"]);
    server.stop();
}

#[test]
fn the_scrubber_finds_damage_that_no_question_has_met() {
    let mut store = filled();
    let segments = store.engine().snapshot().segments.len() as u64;
    let sound = store.engine().scrub().expect("a run");
    assert_eq!((sound.segments, sound.damaged.len()), (segments, 0));
    let path = store.engine().snapshot().segments[1].data_path();
    let mut bytes = std::fs::read(&path).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, &bytes).expect("damage");
    // Files that are open were compared when they were read; a new start reads them anew.
    store.reopen();
    for _ in 0..2 {
        assert_eq!(store.engine().scrub().expect("a run").damaged.len(), 1);
    }
    let found: Vec<Json> = recorded(&store)
        .into_iter()
        .filter(|record| record["event_name"] == "findDamage")
        .collect();
    assert_eq!(found.len(), 1, "recorded once: {found:?}");
    assert!(
        found[0]["details"]["data"][0]
            .as_str()
            .is_some_and(|what| what.contains("SHA-256 differs"))
    );
    bytes[middle] ^= 1;
    std::fs::write(&path, &bytes).expect("mended");
    assert_eq!(store.engine().scrub().expect("a run").damaged.len(), 0);
}

#[test]
fn a_table_that_was_made_append_only_lets_retention_delete() {
    let mut store = filled();
    store
        .engine()
        .set_retention(&Actor::operator(), &Retention::Days(None, Some(180)))
        .expect("the floor");
    let version = store.engine().stats().version;
    store.close();
    let log = store.path().join("events/_delta_log");
    let first =
        std::fs::read_to_string(log.join(format!("{:020}.json", 0))).expect("the first commit");
    let metadata = first
        .lines()
        .map(|line| serde_json::from_str::<Json>(line).expect("JSON"))
        .find(|action| action["metaData"].is_object());
    let mut metadata = metadata.expect("the table's metadata");
    metadata["metaData"]["configuration"]["delta.appendOnly"] = "true".into();
    std::fs::write(log.join(format!("{:020}.json", version + 1)), metadata.to_string() + "\n")
        .expect("a commit");
    store.reopen();
    assert_eq!(store.engine().expire(&Actor::operator()).expect("a run").events, 12);
    store.reopen();
    assert_eq!(ids(&store, "a"), set(&ALL[..2]));
}
