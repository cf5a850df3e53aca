//! Text, paths and substrings over the CloudTrail samples: the same records as an independent scan
//! in Python finds.

use crate::ingest::samples::lines;
use crate::support::python::run_with_input;
use crate::support::store::{NOW, TestStore, all_pages};
use annals::access::Scope;
use annals::calls::Pairs;
use annals::clock::Clock;
use annals::event::Timestamp;
use annals::filter::{Clause, parse_filter};
use annals::query::rows::plan::AnswerPath;
use annals::query::{Filter, SortOrder};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

/// What is asked for besides what is drawn from the records: rare, frequent, absent, cut, with
/// signs, in other case.
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
    let records: Vec<String> = ["cloudtrail_invictus.jsonl.gz", "cloudtrail_stratus.jsonl.gz"]
        .iter()
        .flat_map(|name| lines(name))
        .collect();
    store.ingest("t", &records);
    let mut asked: Vec<(Json, String, String)> = Vec::new();
    let mut ask =
        |query: Json, name: &str, value: String| asked.push((query, name.to_owned(), value));
    for word in WORDS {
        ask(json!(["word", word]), "text", format!("\"{word}\""));
    }
    for text in SUBSTRINGS {
        ask(json!(["substring", text]), "substring", (*text).to_owned());
    }
    for (path, value) in PATHS {
        ask(json!(["path", path, value]), "text", format!("{path}:\"{value}\""));
        ask(
            json!(["prefix", path, &value[..2.min(value.len())]]),
            "text",
            format!("{path}:{}*", &value[..2.min(value.len())]),
        );
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
    let Some(output) = run_with_input("scan_text.py", "json", &[], input.as_bytes()) else {
        return;
    };
    let expected: Vec<Vec<usize>> =
        serde_json::from_slice(&output.stdout).expect("the script prints JSON");
    assert_eq!(expected.len(), asked.len());

    let scope = Scope::of_operator(&["t"]).expect("a scope");
    let mut with_hits = 0;
    for ((query, name, value), numbers) in asked.iter().zip(expected) {
        let pairs = Pairs(vec![(name.clone(), value.clone())]);
        let filter = parse_filter(&pairs.0, &[], store.clock.now())
            .unwrap_or_else(|error| panic!("{query}: {error}"));
        let found: BTreeSet<String> =
            all_pages(store.engine(), &scope, &filter, SortOrder::Descending, 1_000)
                .into_iter()
                .map(|event| event.original.into())
                .collect();
        let wanted: BTreeSet<String> =
            numbers.iter().map(|number| records[*number].clone()).collect();
        with_hits += usize::from(!wanted.is_empty());
        let missing: Vec<_> = wanted.difference(&found).take(1).collect();
        let surplus: Vec<_> = found.difference(&wanted).take(1).collect();
        assert!(
            missing.is_empty() && surplus.is_empty(),
            "{name}={value}\nmissing {missing:?}\nsurplus {surplus:?}"
        );
    }
    assert!(with_hits > 200, "only {with_hits} questions found anything");
}

/// A word of letters that stands for a number.
fn word(number: usize) -> String {
    let letters =
        number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect::<String>();
    format!("w{letters}")
}

/// A trace with texts of every kind that the table of texts tells apart.
fn trace_of_texts(number: usize) -> String {
    let request = json!({
        "flavor": format!("s{}.large.{}", number % 7, number % 3),
        "state": (["rolled back", "done well", "rolled out", "变更已经回滚", "变更未完成"][number % 5]),
        "ticket": format!("{} CHG-{number:05} after  failed deploy", (["rollback",
            "patch"])[number % 2]),
        "pair": format!("{} beside {}", word(number), word(number / 2)),
        "uuid": format!("00000000-dead-beef-0000-{number:012}"),
        "address": format!("10.0.{}.{}", number / 250, number % 250),
        "long": format!("{} the end of \
        it", "long ".repeat(if number.is_multiple_of(90) { 150 } else { 1 })),
        "labels": { format!("label-{}", word(number)): if number.is_multiple_of(4) { "kept \
        apart" } else { "kept together" } },
        "list": [{ "name": format!("disk {}", number % 4) }, { "name": "root disk" }],
        "inner": if number.is_multiple_of(10) { json!(format!("{{\"name\":\"inner name {}\"}}",
            number % 20)) } else { json!("plain inner name") },
        "Some_Key": number.is_multiple_of(2),
    });
    json!({
        "trace_id": format!("00000000-0000-4000-8000-{number:012}"), "trace_name": "createServer",
        "trace_type": "ApiCall",
        "service_type": "ECS", "resource_type": "ecs", "code": 200, "trace_rating": "normal",
        "user": {"name": "alice"},
        "time": NOW - 1_000_000 + number as i64, "record_time": NOW, "request": request.to_string(),
    })
    .to_string()
}

/// The filter of a text; with `-` before it of those without, with ` OR ` within it of either.
fn filter(text: &str) -> Filter {
    let one = |text: &str| {
        let (text, negated) = text.strip_prefix('-').map_or((text, false), |text| (text, true));
        let parsed =
            parse_filter(&[("text".to_owned(), text.to_owned())], &[], Timestamp::from_millis(NOW));
        let all = Clause::All(parsed.unwrap_or_else(|error| panic!("{text}: {error}")).clauses);
        if negated { Clause::Not(Box::new(all)) } else { all }
    };
    let mut clauses: Vec<Clause> = text.split(" OR ").map(one).collect();
    let clauses = match (clauses.remove(0), clauses.is_empty()) {
        (Clause::All(all), true) => all,
        (one, true) => vec![one],
        (first, false) => vec![Clause::Any(std::iter::once(first).chain(clauses).collect())],
    };
    Filter { clauses, ..Filter::default() }
}

#[test]
fn the_table_of_texts_tells_what_the_records_tell() {
    let store = TestStore::new();
    let records: Vec<String> = (0..3_000).map(trace_of_texts).collect();
    assert_eq!(store.ingest("t", &records).accepted, 3_000);
    let scope = Scope::of_operator(&["t"]).expect("a scope");
    let snapshot = store.engine().snapshot();
    for (text, expected) in [
        ("\"rolled back\"", Some(600)),
        ("\"rolled\" \"well\"", Some(0)),
        ("\"变更已经\"", Some(600)),
        ("\"更未完成\"", Some(600)),
        ("\"after failed deploy\"", Some(3_000)),
        ("\"rollback chg\"", Some(1_500)),
        ("\"patch CHG-00007 after\"", Some(1)),
        ("\"wb beside\"", Some(1)),
        ("\"beside wb\"", Some(2)),
        ("\"dead-beef\"", Some(0)),
        ("\"long long the\"", Some(34)),
        ("\"long long long\"", Some(34)),
        ("\"the end of it\"", Some(3_000)),
        ("\"kept apart\"", Some(750)),
        ("\"label-wc\"", Some(1)),
        ("\"some_key\"", Some(3_000)),
        ("\"root disk\"", Some(3_000)),
        ("\"inner name\"", Some(3_000)),
        ("\"plain inner\"", Some(2_700)),
        ("-\"rolled back\"", Some(2_400)),
        ("\"rolled back\" OR \"kept apart\"", Some(1_200)),
        ("\"rolled back\" \"kept apart\" \"wb beside\"", Some(0)),
        ("\"-\"", None),
        ("request.flavor:s3.large.1", None),
        ("request.flavor:s3*", None),
        ("request.flavor:nothing", Some(0)),
        ("request.nothing:s3", Some(0)),
        ("REQUEST.STATE:\"Rolled Back\"", Some(600)),
        ("request.state:rolled*", Some(1_200)),
        ("request.pair:*wb", Some(2)),
        ("request.uuid:00000000-dead-beef-0000-000000000007", Some(1)),
        ("request.address:10.0.1.7", Some(1)),
        ("request.long:long*", Some(3_000)),
        ("request.labels.label-wc:*together", Some(1)),
        ("request.list.name:\"disk 3\"", Some(750)),
        ("request.list.name:*disk*", Some(3_000)),
        ("request.inner:plain*", Some(2_700)),
        ("request.inner:*name*", Some(3_000)),
        ("request.inner.name:\"inner name 10\"", Some(150)),
        ("request.some_key:true", Some(1_500)),
        ("-request.some_key:true", Some(1_500)),
        ("code:200", Some(3_000)),
    ] {
        let filter = filter(text);
        let count = |path| {
            store.engine().reader(&snapshot, path).count(&scope, &filter).expect("a count").0
        };
        let scanned = count(Some(AnswerPath::Scan));
        assert_eq!(count(None), scanned, "{text}");
        assert_eq!(expected.unwrap_or(scanned), scanned, "{text}");
        let listed = all_pages(store.engine(), &scope, &filter, SortOrder::Descending, 700);
        assert_eq!(listed.len() as u64, scanned, "{text}");
    }
    let steps = store
        .engine()
        .reader(&snapshot, None)
        .count(&scope, &filter("\"rolled back\""))
        .expect("a count")
        .1
        .steps;
    let examined: u64 = steps.iter().map(|step| step.examined).sum();
    assert!(examined < 100, "a phrase is told by the table, but {examined} records were read");
}

#[test]
fn a_number_in_a_path_is_a_key_or_an_item_of_a_list_on_every_path() {
    let store = TestStore::new();
    let tags = [
        json!([[{ "b": "nested lists" }]]),
        json!({ "0": { "1": { "b": "keys" } } }),
        json!([{ "1": { "b": "an item and a key" } }]),
        json!({ "0": [{ "b": "a key and an item" }] }),
        json!({ "0": { "b": "one key alone" } }),
    ];
    let records: Vec<String> = (0..)
        .zip(&tags)
        .map(|(id, tags)| {
            json!({ "event_name": "n", "trace_id": format!("t{id}"), "time": NOW, "tags": tags })
                .to_string()
        })
        .collect();
    store.ingest("t", &records);
    for (typed, expected) in [
        ("tags.0.1.b:\"nested lists\"", 1),
        ("tags.0.1.b:keys", 1),
        ("tags.0.1.b:\"an item and a key\"", 1),
        ("tags.0.1.b:\"a key and an item\"", 1),
        ("tags.0.1.b:*", 5),
        ("tags.7.b:nested*", 1),
        ("tags.0.b:one*", 1),
        ("tags.7.b:one*", 0),
    ] {
        let (path, value) = typed.split_once(':').expect("a path");
        let like = json!({ "record": { "path": path, "like": value.replace('"', "") } });
        for pairs in [("text", typed.to_owned()), ("filter", like.to_string())] {
            let pairs = Pairs(vec![(pairs.0.to_owned(), pairs.1)]);
            let filter = parse_filter(&pairs.0, &[], store.clock.now()).expect(typed);
            let matching = store.everything().iter().filter(|event| filter.matches(event)).count();
            assert_eq!(matching, expected, "{pairs:?}");
            for path in [AnswerPath::Lookup, AnswerPath::Scan] {
                let snapshot = store.engine().snapshot();
                let reader = store.engine().reader(&snapshot, Some(path));
                let scope = Scope::of_operator(&["t"]).expect("a scope");
                let (count, _) = reader.count(&scope, &filter).expect("a count");
                assert_eq!(count as usize, expected, "{pairs:?} by {path:?}");
            }
        }
    }
}
