//! Any body for the OTLP door, as protobuf and as JSON: the server does not fail, answers in the
//! encoding of the request, and takes what is sent again only once.

#![no_main]

mod server;

use libfuzzer_sys::fuzz_target;
use serde_json::Value as Json;
use server::{Answer, Server};
use std::sync::LazyLock;

const DOOR: &str = "OTLP logs";
const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

static SERVER: LazyLock<Server> = LazyLock::new(Server::new);

fuzz_target!(|body: &[u8]| {
    for kind in [PROTOBUF, JSON] {
        let before = SERVER.taken(DOOR);
        let answer = post(kind, body);
        let first = SERVER.taken(DOOR);
        if answer.status != 200 {
            assert_eq!(first, before, "whole or not at all");
            continue;
        }
        if post(kind, body).status == 200 {
            let again = SERVER.taken(DOOR);
            assert_eq!(again.accepted, first.accepted, "what was sent again was taken again");
            let taken = |to: annals::engine::SourceCounts, from: annals::engine::SourceCounts| {
                to.accepted + to.duplicates + to.quarantined
                    - from.accepted
                    - from.duplicates
                    - from.quarantined
            };
            assert_eq!(
                taken(again, first),
                taken(first, before),
                "the same body has another number of records"
            );
        }
    }
});

/// Posts a body, and looks at the form of the answer.
fn post(kind: &str, body: &[u8]) -> Answer {
    let answer = SERVER.post("/v1/logs?tenant=t", kind, body);
    assert_eq!(answer.kind, kind);
    if kind == PROTOBUF {
        check_protobuf(&answer);
    } else {
        check_json(&answer);
    }
    answer
}

/// `ExportLogsServiceResponse` without anything, or `google.rpc.Status` with a code (field 1) and a
/// message (field 2).
fn check_protobuf(answer: &Answer) {
    match answer.body.as_slice() {
        [] => assert_eq!(answer.status, 200),
        [0x08, 1..=16, 0x12, ..] => assert_ne!(answer.status, 200),
        other => panic!("{}: {other:?}", answer.status),
    }
}

fn check_json(answer: &Answer) {
    let told: Json = serde_json::from_slice(&answer.body).expect("an answer in JSON");
    match answer.status {
        200 => assert_eq!(told, serde_json::json!({})),
        _ => assert!(told["code"].is_u64() && told["message"].is_string(), "{told}"),
    }
}
