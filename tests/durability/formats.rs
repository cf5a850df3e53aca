//! Stores that earlier versions wrote are read, and answer as a store that this version makes of
//! the same records.
//!
//! `fixtures/store_of_first_index.tar.gz` was made by the version before there were codes,
//! summaries and lists of amounts in an index, with `annals generate --events 60 --tenants 2 --days
//! 1 --end 2026-06-30T00:00:00Z` and `annals ingest --tenant-from project_id`;
//! `fixtures/store_before_regions.tar.gz` by the last version whose events had no region, of twelve
//! CloudTrail records and one of our own form;
//! `fixtures/store_before_admin.tar.gz` by the last version that kept the policy and saved views in
//! files of JSON, with two changes of retention, a hold, and three changes of two views.

use crate::support::process::{Server, annals};
use annals::clock::{Clock, SystemClock};
use annals::engine::Engine;
use annals::storage::AccessMode;
use serde_json::{Value as Json, json};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const QUESTIONS: &[&[&str]] = &[
    &["count", "--source", "ECS"],
    &["count", "--amount-min", "1"],
    &["count", "--source-ip", "10.0.0.0/8"],
    &["count", "--resource-name-prefix", "ecs"],
    &["count", "--text", "create*"],
    &["facets", "--fields", "source,level,operator,event_name,resource_type"],
    &["histogram", "--interval", "3h", "--by", "level"],
    &["stats", "--by", "currency"],
    &["query", "--limit", "100"],
    &["query", "--source-not", "ECS", "--limit", "7", "--order", "asc"],
];

/// Unpacks a store of an earlier version.
fn unpack(fixture: &str, into: &str) {
    let fixture = format!("{}/tests/fixtures/{fixture}", env!("CARGO_MANIFEST_DIR"));
    std::fs::create_dir(into).expect("a folder");
    let unpacked =
        Command::new("tar").args(["-xzf", &fixture, "-C", into]).status().expect("tar runs");
    assert!(unpacked.success());
}

/// Returns the versions of the manifests of a store.
fn versions(store: &str) -> Vec<u64> {
    let folder = Path::new(store).join("events/_annals/segments");
    let files = std::fs::read_dir(folder).expect("a folder").flatten();
    let version = |file: std::fs::DirEntry| {
        let manifest = std::fs::read_to_string(file.path()).expect("a manifest");
        let line = manifest.lines().next().expect("a line, and its checksum");
        let manifest: Json = serde_json::from_str(line).expect("JSON");
        manifest["version"].as_u64().expect("a number")
    };
    files.map(version).collect()
}

/// Serves a store until the indexes of earlier versions are rebuilt in the background.
fn rebuild(store: &str) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (today, record) = (folder.path().join("today"), folder.path().join("one.ndjson"));
    std::fs::write(&record, r#"{"time":1767225600000,"event_name":"one"}"#).expect("a file");
    let (today, record) = (today.to_string_lossy(), record.to_string_lossy());
    annals(&["ingest", "--data", &today, "--tenant", "t", &record]).ok();
    let newest = versions(&today)[0];
    let outdated = || versions(store).iter().filter(|version| **version != newest).count();
    assert!(outdated() > 0, "the fixture is of an earlier version");
    assert!(annals(&["check", "--data", store]).ok().starts_with("sound"));
    let server = Server::start(Path::new(store));
    let started = Instant::now();
    while outdated() > 0 {
        assert!(started.elapsed() < Duration::from_secs(60), "they are not rebuilt");
        std::thread::sleep(Duration::from_millis(100));
    }
    server.stop();
}

#[test]
fn events_of_before_regions_have_theirs() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let store = folder.path().join("old").to_string_lossy().into_owned();
    unpack("store_before_regions.tar.gz", &store);
    let ask = |words: &[&str]| annals(&[&words[..1], &["--data", &store], &words[1..]].concat());
    let count = |words: &[&str]| {
        let answer = ask(&[&["count", "-o", "csv"], words].concat()).ok();
        answer.lines().nth(1).and_then(|line| line.parse::<u64>().ok()).expect("a number")
    };
    let answers = |when: &str| {
        assert_eq!(count(&["--region", "eu-west-1"]), 4, "{when}");
        assert_eq!(count(&["--region-prefix", "us-"]), 4, "{when}");
        assert_eq!(count(&["--region-not", "us-east-1"]), 9, "{when}");
        assert_eq!(count(&["--region-exists", "false"]), 1, "{when}");
        let facets = ask(&["facets", "--fields", "region", "-o", "csv"]).ok();
        let mut rows: Vec<&str> = facets.lines().skip(1).collect();
        rows.sort_unstable();
        assert_eq!(rows, ["region,ap-south-1,4", "region,eu-west-1,4", "region,us-east-1,4"]);
        let listed = ask(&["query", "--all", "-o", "ndjson"]).ok();
        assert_eq!(listed.matches(r#""region":"ap-south-1""#).count(), 4, "{when}");
    };
    answers("before a rebuild");
    rebuild(&store);
    answers("after a rebuild");
    // Other readers of the table see the column.
    let log = folder.path().join("old/events/_delta_log");
    let commits = std::fs::read_dir(log).expect("the log").flatten();
    let names_region = |file: std::fs::DirEntry| {
        let commit = std::fs::read_to_string(file.path()).unwrap_or_default();
        commit.lines().any(|action| action.contains("metaData") && action.contains("region"))
    };
    assert!(commits.into_iter().any(names_region));
}

#[test]
fn a_store_of_the_first_index_answers_as_one_of_today() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    unpack("store_of_first_index.tar.gz", &path("old"));
    let records =
        annals(&["query", "--data", &path("old"), "--all", "--original", "-o", "ndjson"]).ok();
    let mut events: Vec<Json> =
        records.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(events.len(), 60);
    events.sort_by_key(|event| event["seq"].as_u64());
    let originals: Vec<&str> =
        events.iter().map(|event| event["original"].as_str().expect("the record")).collect();
    std::fs::write(path("records.ndjson"), originals.join("\n")).expect("a file");
    annals(&[
        "ingest",
        "--data",
        &path("new"),
        "--tenant-from",
        "project_id",
        &path("records.ndjson"),
    ])
    .ok();

    let ask = |store: &str, words: &[&str]| {
        let answer =
            annals(&[&words[..1], &["--data", &path(store), "-o", "json"], &words[1..]].concat())
                .ok();
        let mut answer: Json = serde_json::from_str(&answer).expect("JSON");
        // They were accepted at another time, and cursors are signed by each store.
        answer.as_object_mut().expect("an object").retain(|name, _| !name.ends_with("_cursor"));
        for event in answer["events"].as_array_mut().into_iter().flatten() {
            event.as_object_mut().expect("an event").remove("ingest_time");
        }
        answer
    };
    for words in QUESTIONS {
        assert_eq!(ask("old", words), ask("new", words), "{words:?}");
    }
    rebuild(&path("old"));
    for words in QUESTIONS {
        assert_eq!(ask("old", words), ask("new", words), "{words:?} of the rebuilt index");
    }
}

/// Returns the policy and the views of a store.
fn administered(store: &str) -> (Json, Json) {
    let policy = annals(&["retention", "show", "--data", store]).ok();
    let clock = Arc::new(SystemClock) as Arc<dyn Clock>;
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let handle = runtime.handle().clone();
    let engine = Engine::open(Path::new(store), AccessMode::Read, clock, handle).expect("it opens");
    let views: Vec<Json> = engine.views().all().map(|view| json!(view)).collect();
    (serde_json::from_str(&policy).expect("JSON"), json!(views))
}

/// Opens a store for writing and closes it.
fn start(store: &str) {
    annals(&["tenant", "set", "none", "--data", store, "--undated", "accept"]).ok();
}

#[test]
fn a_policy_and_views_of_before_one_file_of_administrative_state_are_carried_over() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let files = |store: &str| {
        ["policy.json", "views.json", "marks/policy.json", "marks/views.json", "admin.redb"]
            .map(|name| Path::new(&path(store)).join(name).exists())
    };
    unpack("store_before_admin.tar.gz", &path("old"));
    let before = std::fs::read(Path::new(&path("old")).join("annals.json")).expect("a version");
    let (policy, views) = administered(&path("old"));
    assert_eq!((&policy["version"], &policy["default_days"]), (&json!(3), &json!(400)));
    assert_eq!(policy["tenants"], json!({ "t": 365 }));
    assert_eq!(policy["holds"]["case-7"]["reason"], "court order 7");
    let seen: Vec<_> = views.as_array().expect("a list").iter().collect();
    assert_eq!((seen.len(), &seen[0]["id"], &seen[0]["version"]), (2, &json!("a"), &json!(2)));
    assert_eq!(files("old"), [true, true, true, true, false], "a reader changes nothing");
    assert_eq!(
        std::fs::read(Path::new(&path("old")).join("annals.json")).expect("a version"),
        before
    );
    let copied = |name: &str| {
        unpack("store_before_admin.tar.gz", &path(name));
        path(name)
    };

    start(&path("old"));
    assert_eq!(administered(&path("old")), (policy.clone(), views.clone()));
    assert_eq!(files("old"), [false, false, false, false, true]);
    let version = std::fs::read_to_string(Path::new(&path("old")).join("annals.json"));
    let version: Json = serde_json::from_str(&version.expect("a version")).expect("JSON");
    assert_eq!(version["format"], 2, "an earlier annals would not see the policy");
    assert!(annals(&["check", "--data", &path("old")]).ok().starts_with("sound"));

    // A process that died after the file was there and before the earlier ones were removed: what
    // they hold does not count any more.
    let half = copied("half");
    annals(&["hold", "lift", "case-7", "--data", &path("old"), "--reason", "closed"]).ok();
    let lifted = administered(&path("old"));
    assert_eq!((&lifted.0["version"], &lifted.0["holds"]), (&json!(4), &json!({})));
    for name in ["policy.json", "views.json"] {
        let file = Path::new(&half).join(name);
        std::fs::copy(&file, Path::new(&path("old")).join(name)).expect("copied");
    }
    assert_eq!(administered(&path("old")), lifted);
    start(&path("old"));
    assert_eq!(administered(&path("old")), lifted);
    assert_eq!(files("old"), [false, false, false, false, true]);

    // What was recorded is carried out first; a file that is lost is made of what was recorded.
    for lost in [&["policy.json"][..], &["views.json"], &["policy.json", "views.json"]] {
        let store = copied(&format!("lost-{}", lost.join("-")));
        lost.iter().for_each(|name| {
            std::fs::remove_file(Path::new(&store).join(name)).expect("it is there");
        });
        assert_eq!(administered(&store), (policy.clone(), views.clone()), "read, {lost:?} is lost");
        start(&store);
        assert_eq!(administered(&store), (policy.clone(), views.clone()), "{lost:?} is lost");
    }
    // And so is the file of today, of earlier changes and of later ones.
    std::fs::remove_file(Path::new(&path("old")).join("admin.redb")).expect("it is there");
    start(&path("old"));
    assert_eq!(administered(&path("old")), lifted);

    // A policy that was changed from outside is not carried over.
    let store = copied("damaged");
    std::fs::write(Path::new(&store).join("policy.json"), "{}").expect("damage");
    annals(&["retention", "set", "--data", &store, "--days", "200"])
        .refused(3, &["policy.json", "from a backup"]);
    assert!(!Path::new(&store).join("admin.redb").exists());
}
