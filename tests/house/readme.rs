//! The page on the filter language: every example is asked of sample data, and finds something.

use crate::support::store::{NOW, TestStore};
use annals::calls::Pairs;
use annals::calls::question::{QueryCall, answer};
use annals::generate::{Generator, Plan};
use serde_json::Value as Json;
use std::fs;
use std::path::Path;

fn filter_page() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/filter/README.md");
    fs::read_to_string(page).expect("the page is text")
}

/// The fenced blocks of a kind.
fn blocks(text: &str, kind: &str) -> Vec<String> {
    let fence = format!("```{kind}\n");
    text.split(&fence)
        .skip(1)
        .map(|rest| rest.split("\n```").next().unwrap_or_default().to_owned())
        .collect()
}

/// Generated records of one tenant, and the CloudTrail samples.
fn sample_store() -> TestStore {
    let store = TestStore::new();
    let mut generator =
        Generator::new(&Plan { events: 20_000, tenants: 1, days: 120, ..Plan::default() });
    let (mut records, mut record) = (Vec::new(), String::new());
    while generator.next_record(&mut record) {
        records.push(std::mem::take(&mut record));
    }
    store.ingest("acme", &records);
    store.ingest("acme", &crate::ingest::samples::lines("cloudtrail_invictus.jsonl.gz"));
    store
}

#[test]
fn every_filter_of_the_page_finds_something() {
    let store = sample_store();
    let page = filter_page();
    let [examples] = blocks(&page, "filters").try_into().expect("one block of filters");
    assert!(examples.lines().count() > 15);
    for line in examples.lines() {
        let (question, _) = line.rsplit_once('#').expect("every example says what it means");
        let pairs: Vec<(String, String)> = question
            .trim()
            // Quotes and groups hold no & of their own here.
            .split('&')
            .map(|pair| pair.split_once('=').expect("name=value"))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .chain([("tenant".to_owned(), "*".to_owned())])
            .collect();
        let answer = answer(store.engine(), QueryCall::Count, &Pairs(pairs))
            .unwrap_or_else(|error| panic!("{line}: {error}"));
        assert!(answer["count"].as_u64().is_some_and(|count| count > 0), "nothing matches {line}");
    }
}

#[test]
fn the_json_example_of_the_page_finds_something() {
    let store = sample_store();
    for example in blocks(&filter_page(), "json") {
        let pairs = Pairs::from_json(example.as_bytes()).expect("an object");
        let answer = answer(store.engine(), QueryCall::Events, &pairs)
            .unwrap_or_else(|error| panic!("{example}: {error}"));
        let events = answer["events"].as_array().map(Vec::len);
        assert!(
            events.is_some_and(|events| events > 0),
            "nothing matches {example}: {}",
            Json::from(NOW)
        );
    }
}

/// The commands of the tour, each with the output that is shown below it.
fn tour() -> Vec<(String, String)> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).expect("the page is text");
    let mut commands: Vec<(String, String)> = Vec::new();
    for line in blocks(&readme, "console").concat().lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), String::new())),
            // A command goes on where its last line ends in a backslash.
            (None, Some((command, shown))) if shown.is_empty() && command.ends_with('\\') => {
                command.pop();
                command.push_str(line.trim_start());
            }
            (None, Some((_, shown))) => *shown += &format!("{line}\n"),
            (None, None) => panic!("output before any command: {line}"),
        }
    }
    commands
}

#[test]
fn the_tour_runs_as_it_is_written() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let place = folder.path().display().to_string();
    let binary = crate::support::process::binary();
    let mut run = 0;
    for (command, shown) in tour() {
        // What builds, serves, follows for ever or reads a bucket is tried elsewhere.
        let elsewhere = ["cargo", "serve", "--follow", "bucket/"];
        if elsewhere.iter().any(|word| command.contains(word)) {
            continue;
        }
        let words = command
            .replace("./audit", &format!("{place}/audit"))
            .replace("/backups/audit", &format!("{place}/copy"))
            .replace("incidents.csv", &format!("{place}/incidents.csv"))
            .replacen("annals", &binary, 1);
        let ran = std::process::Command::new("sh")
            .args(["-c", &words])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("a shell");
        let out = String::from_utf8_lossy(&ran.stdout).into_owned();
        // 3 says that nothing was found.
        assert!(ran.status.success(), "{command}: {ran:?}");
        assert!(shown.is_empty() || out == shown, "{command} says:\n{out}");
        run += 1;
    }
    assert!(run > 8, "the tour has commands");
}
