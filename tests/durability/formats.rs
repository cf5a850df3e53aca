//! Stores that earlier versions wrote are read, and answer as a store that this version makes of
//! the same records.
//!
//! `fixtures/store_of_first_index.tar.gz` was made by the version before there were codes,
//! summaries and lists of amounts in an index, with `annals generate --events 60 --tenants 2 --days
//! 1` and `annals ingest --tenant-from project_id`.

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

#[test]
fn a_store_of_the_first_index_answers_as_one_of_today() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let fixture =
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/store_of_first_index.tar.gz");
    std::fs::create_dir(path("old")).expect("a folder");
    let unpacked =
        Command::new("tar").args(["-xzf", fixture, "-C", &path("old")]).status().expect("tar runs");
    assert!(unpacked.success());
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
    // A server rebuilds the indexes of earlier versions in the background.
    let manifests = |store: &str| -> Vec<String> {
        let folder = Path::new(&path(store)).join("events/_annals/segments");
        let files = std::fs::read_dir(folder).expect("a folder").flatten();
        files.map(|file| std::fs::read_to_string(file.path()).expect("a manifest")).collect()
    };
    let version = |manifest: &String| -> u64 {
        let line = manifest.lines().next().expect("a line, and its checksum");
        let manifest: Json = serde_json::from_str(line).expect("JSON");
        manifest["version"].as_u64().expect("a number")
    };
    let today = manifests("new").iter().map(version).max().expect("a segment");
    let outdated = || manifests("old").iter().filter(|old| version(old) != today).count();
    assert!(outdated() > 0, "the fixture is of an earlier version");
    assert!(annals(&["check", "--data", &path("old")]).ok().starts_with("sound"));
    let server = Server::start(Path::new(&path("old")));
    let started = Instant::now();
    while outdated() > 0 {
        assert!(started.elapsed() < Duration::from_secs(60), "they are not rebuilt");
        std::thread::sleep(Duration::from_millis(100));
    }
    server.stop();
    for words in QUESTIONS {
        assert_eq!(ask("old", words), ask("new", words), "{words:?} of the rebuilt index");
    }
}
