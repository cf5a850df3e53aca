//! Text, paths and substrings over the CloudTrail samples: the same records as an independent scan in Python finds.

use crate::clients::run_with_input;
use crate::samples::lines;
use crate::store::{TestStore, all_pages};
use annals::access::Scope;
use annals::api::Pairs;
use annals::clock::Clock;
use annals::query::Order;
use annals::query::filter::parse_filter;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

/// What is asked for besides what is drawn from the records: rare, frequent, absent, cut, with signs, in other case.
const WORDS: &[&str] = &[
    "root",
    "iam",
    "amazonaws",
    "us-east-1",
    "AccessDenied",
    "is not authorized",
    "assumed-role",
    "true",
    "bucketName",
    "arn:aws:iam",
    "console",
    "s3:GetObject",
    "0",
    "2023",
    "quota",
    "stratus",
    "admin",
    "policy",
    "policyDocument",
    "ec2 amazonaws",
    "Allow",
    "*",
    "nothing-of-the-kind",
];
const SUBSTRINGS: &[&str] = &[
    "\"eventName\":\"Create",
    "amazonaws.com",
    "AccessDen",
    "stratus-red-team",
    "ec2:",
    "no such text",
    "\"readOnly\":false",
    "Role/",
    "arn:aws:iam::",
    " ",
];
const PATHS: &[(&str, &str)] = &[
    ("userIdentity.type", "Root"),
    ("userIdentity.type", "IAMUser"),
    ("userIdentity.sessionContext.sessionIssuer.type", "role"),
    ("USERIDENTITY.sessionContext.attributes.mfaAuthenticated", "false"),
    ("resources.type", "AWS::S3::Object"),
    ("requestParameters.policyDocument.Statement.Effect", "Allow"),
    ("requestParameters.maxResults", "1000"),
    ("errorCode", "AccessDenied"),
    ("managementEvent", "true"),
    ("eventName", "nothing"),
];

#[test]
fn text_paths_and_substrings_find_what_an_independent_scan_finds() {
    let store = TestStore::new();
    let records: Vec<String> =
        ["cloudtrail_invictus.jsonl.gz", "cloudtrail_stratus.jsonl.gz"].iter().flat_map(|name| lines(name)).collect();
    store.ingest("t", &records);
    let mut asked: Vec<(Json, String, String)> = Vec::new();
    let mut ask = |query: Json, name: &str, value: String| asked.push((query, name.to_owned(), value));
    for word in WORDS {
        ask(json!(["word", word]), "text", format!("\"{word}\""));
    }
    for text in SUBSTRINGS {
        ask(json!(["substring", text]), "substring", (*text).to_owned());
    }
    for (path, value) in PATHS {
        ask(json!(["path", path, value]), "text", format!("{path}:\"{value}\""));
        ask(json!(["prefix", path, &value[..2.min(value.len())]]), "text", format!("{path}:{}*", &value[..2.min(value.len())]));
    }
    // Pieces of the records themselves, cut anywhere.
    for (number, record) in records.iter().enumerate().step_by(61) {
        let start = (number * 37) % record.len().saturating_sub(40).max(1);
        let piece = record.get(start..start + 5 + number % 30).unwrap_or("amazon");
        ask(json!(["substring", piece]), "substring", piece.to_owned());
        let json: Json = serde_json::from_str(record).expect("samples are JSON");
        for key in ["eventID", "eventName", "sourceIPAddress"] {
            let value = json[key].as_str().expect("every event has one");
            ask(json!(["word", value]), "text", format!("\"{value}\""));
            ask(json!(["path", key, value]), "text", format!("{key}:\"{value}\""));
        }
    }
    let queries: Vec<&Json> = asked.iter().map(|(query, ..)| query).collect();
    let input = json!({ "records": records, "queries": queries }).to_string();
    let Some(output) = run_with_input("scan_text.py", "json", &[], input.as_bytes()) else { return };
    let expected: Vec<Vec<usize>> = serde_json::from_slice(&output.stdout).expect("the script prints JSON");
    assert_eq!(expected.len(), asked.len());

    let scope = Scope::of_operator(&["t"]).expect("a scope");
    let mut with_hits = 0;
    for ((query, name, value), numbers) in asked.iter().zip(expected) {
        let pairs = Pairs(vec![(name.clone(), value.clone())]);
        let filter = parse_filter(&pairs.0, &[], store.clock.now()).unwrap_or_else(|error| panic!("{query}: {error}"));
        let found: BTreeSet<String> =
            all_pages(store.engine(), &scope, &filter, Order::Descending, 1_000).into_iter().map(|event| event.original.into()).collect();
        let wanted: BTreeSet<String> = numbers.iter().map(|number| records[*number].clone()).collect();
        with_hits += usize::from(!wanted.is_empty());
        let missing: Vec<_> = wanted.difference(&found).take(1).collect();
        let surplus: Vec<_> = found.difference(&wanted).take(1).collect();
        assert!(missing.is_empty() && surplus.is_empty(), "{name}={value}\nmissing {missing:?}\nsurplus {surplus:?}");
    }
    assert!(with_hits > 200, "only {with_hits} questions found anything");
}
