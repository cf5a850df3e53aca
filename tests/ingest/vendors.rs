//! Golden samples of the audit logs of other vendors: what an independent reader of the vendor's
//! documents expects of each record is what its event says.
//!
//! `tests/fixtures/vendors` has for each vendor the records, made up after the vendor's documents
//! and the samples of Elastic's integrations, a line each, and beside them what is expected:
//! fields, where `null` is "absent" and `{"any":[…]}` leaves a choice that the documents leave.

use crate::support::store::TestStore;
use annals::event::Timestamp;
use serde_json::Value as Json;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vendors")
}

/// Whether a field is as expected; names of sources and types are compared without case.
fn fits(field: &str, told: &Json, expected: &Json) -> bool {
    if let Some(choice) = expected["any"].as_array() {
        return choice.iter().any(|expected| fits(field, told, expected));
    }
    match (told.as_str(), expected.as_str()) {
        (Some(told), Some(expected)) if matches!(field, "source" | "resource_type") => {
            told.eq_ignore_ascii_case(expected)
        }
        _ => told == expected,
    }
}

#[test]
fn records_of_every_vendor_say_what_an_independent_reader_expects() {
    let (mut vendors, mut records, mut wrong) = (0, 0, Vec::new());
    for file in std::fs::read_dir(folder()).expect("a folder") {
        let path = file.expect("a file").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        let Some((vendor, "ndjson" | "txt")) = name.split_once('.') else { continue };
        vendors += 1;
        let expected = std::fs::read_to_string(folder().join(format!("{vendor}.expected.ndjson")))
            .expect("what is expected");
        let text = std::fs::read_to_string(&path).expect("the records");
        assert_eq!(text.lines().count(), expected.lines().count(), "{vendor}");
        let store = TestStore::new();
        store.clock.set(Timestamp::parse("2026-12-01T00:00:00Z").expect("a time"));
        for (number, (line, expected)) in (1..).zip(text.lines().zip(expected.lines())) {
            records += 1;
            let answer = store.post(&format!("/api/v1/events?tenant=r{number}"), line.to_owned());
            assert_eq!(answer["accepted"], 1, "{vendor} {number}: {answer}");
            let event = store.get(&format!("/api/v1/events?tenant=r{number}"))["events"][0].clone();
            let expected: Json = serde_json::from_str(expected).expect("JSON");
            for (field, expected) in expected.as_object().expect("an object") {
                if !fits(field, &event[field.as_str()], expected) {
                    let told = &event[field.as_str()];
                    wrong.push(format!("{vendor} {number} {field}: {told}, not {expected}"));
                }
            }
        }
    }
    assert!(vendors >= 20 && records >= 140, "{vendors} vendors, {records} records");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
