//! Stores that earlier versions wrote are read, and answer as a store that this version makes of
//! the same records.
//!
//! `fixtures/store_of_first_index.tar.gz` was made by the version before there were codes,
//! summaries and lists of amounts in an index, with `annals generate --events 60 --tenants 2 --days
//! 1 --end 2026-06-30T00:00:00Z` and `annals ingest --tenant-from project_id`;
//! `fixtures/store_before_regions.tar.gz` by the last version whose events had no region, of twelve
//! CloudTrail records and one of our own form.

use crate::support::process::{Server, annals};
use serde_json::Value as Json;
use std::path::Path;
use std::process::Command;
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
