//! Any body for `_bulk`: the server does not fail, each action has its answer, each document its
//! place, and what is sent again is there already.

#![no_main]

mod server;

use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use serde_json::Value as Json;
use server::{Answer, Server};
use std::collections::BTreeMap;
use std::sync::LazyLock;

const DOOR: &str = "Elasticsearch _bulk";

static SERVER: LazyLock<Server> = LazyLock::new(Server::new);

fuzz_target!(|body: &[u8]| {
    let Some(first) = post(body) else { return };
    assert_eq!(first.items.len(), actions(body), "an answer for each action");
    let seqs: Vec<u64> = first
        .items
        .iter()
        .filter_map(|item| item["_seq_no"].as_u64())
        .filter(|seq| *seq > 0)
        .collect();
    assert_eq!(seqs.len() as u64, first.accepted, "events have numbers, and nothing else");
    assert!(seqs.is_sorted_by(|seq, next| seq < next), "{seqs:?}");
    if let Some(again) = post(body) {
        assert_eq!(again.items.len(), first.items.len());
        assert_eq!(again.accepted, 0, "what was sent again was taken again");
    }
});

/// What a body was answered that is in the grammar.
struct Done {
    /// What is said of each action.
    items: Vec<Json>,
    /// Events that are new.
    accepted: u64,
}

/// Posts a body; nothing if the whole of it was refused.
fn post(body: &[u8]) -> Option<Done> {
    let before = SERVER.taken(DOOR);
    let answer = SERVER.post("/_bulk?tenant=t", "application/x-ndjson", body);
    let told = json(&answer);
    let after = SERVER.taken(DOOR);
    if answer.status != 200 {
        assert_eq!(told["status"], answer.status, "{told}");
        assert!(told["error"]["type"].is_string() && told["error"]["reason"].is_string(), "{told}");
        assert_eq!(after, before, "whole or not at all");
        return None;
    }
    let items: Vec<Json> =
        told["items"].as_array().expect("a list of items").iter().map(inside).collect();
    assert_eq!(told["errors"], items.iter().any(|item| item.get("error").is_some()), "{told}");
    assert!(
        items.iter().all(|item| matches!(item["status"].as_u64(), Some(200 | 201 | 400 | 409))),
        "{told}"
    );
    // What is refused in its answer is nowhere; everything else is an event, there already, or in
    // quarantine.
    let kept = items.iter().filter(|item| item["status"] != 400).count() as u64;
    let accepted = after.accepted - before.accepted;
    assert_eq!(
        accepted + after.duplicates - before.duplicates + after.quarantined - before.quarantined,
        kept,
        "{told}"
    );
    Some(Done { items, accepted })
}

fn json(answer: &Answer) -> Json {
    assert_eq!(answer.kind, "application/json");
    serde_json::from_slice(&answer.body).expect("an answer in JSON")
}

/// The inside of an item: `{"create":{…}}`.
fn inside(item: &Json) -> Json {
    let item = item.as_object().expect("an object");
    let (operation, inside) = item.iter().next().expect("one key");
    assert!(
        item.len() == 1 && ["index", "create", "update", "delete"].contains(&operation.as_str()),
        "{item:?}"
    );
    inside.clone()
}

/// How many actions a body has that is in the grammar: all but `delete` have a document on the next
/// line.
fn actions(body: &[u8]) -> usize {
    let mut lines = body.split(|byte| *byte == b'\n');
    let mut count = 0;
    while let Some(line) = lines.next() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let named: BTreeMap<String, IgnoredAny> =
            serde_json::from_slice(line).expect("an action that was accepted");
        if !named.contains_key("delete") {
            lines.next().expect("a document that was accepted");
        }
        count += 1;
    }
    count
}
