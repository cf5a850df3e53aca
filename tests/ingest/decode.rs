//! Decoders against whole files of real records: what they make of each is compared with a golden
//! file.
//!
//! `UPDATE_GOLDEN=1` writes the golden files anew; the difference is then to be reviewed like code.

use annals::decode::{Format, decode, detect};
use annals::event::{Event, Field};
use flate2::read::GzDecoder;
use proptest::prelude::*;
use proptest::sample::Index;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs, io::Read};

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The records of a sample file, as they are written there.
fn samples(file: &str) -> Vec<String> {
    let bytes =
        fs::read(root("data/samples").join(file)).expect("the sample file is in the repository");
    let mut text = String::new();
    match file.ends_with(".gz") {
        true => {
            GzDecoder::new(&bytes[..]).read_to_string(&mut text).expect("the sample file is gzip")
        }
        false => (&bytes[..]).read_to_string(&mut text).expect("the sample file is text"),
    };
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[derive(Deserialize)]
struct Published<'a> {
    #[serde(borrow)]
    published: Vec<Sample<'a>>,
    #[serde(borrow)]
    synthetic: Vec<Sample<'a>>,
}

#[derive(Deserialize)]
struct Sample<'a> {
    #[serde(borrow)]
    payload: &'a RawValue,
}

#[derive(Deserialize)]
struct Listing<'a> {
    #[serde(borrow)]
    traces: Vec<&'a RawValue>,
}

/// The records of `cts_samples.json`; the answer of a list call is split into its traces.
fn cts_samples() -> Vec<String> {
    let text = fs::read_to_string(root("data/samples/cts_samples.json"))
        .expect("the sample file is in the repository");
    let file: Published<'_> = serde_json::from_str(&text).expect("the sample file has its form");
    assert_eq!(file.published.len() + file.synthetic.len(), 15);
    let mut records = Vec::new();
    for sample in file.published.iter().chain(&file.synthetic) {
        match serde_json::from_str::<Listing<'_>>(sample.payload.get()) {
            Ok(listing) => {
                records.extend(listing.traces.iter().map(|trace| trace.get().to_owned()))
            }
            Err(_) => records.push(sample.payload.get().to_owned()),
        }
    }
    records
}

/// One line for an event; keys in order, whatever features serde_json was built with.
fn line(event: &Event) -> String {
    let json = event.to_json(false);
    let sorted: BTreeMap<_, _> = json.as_object().expect("an event is an object").iter().collect();
    serde_json::to_string(&sorted).expect("JSON can be written")
}

/// A golden file larger than this holds every tenth event, and the hash of all.
const GOLDEN_BYTES_MAX: usize = 1_500_000;

fn thinned(lines: &str) -> String {
    let kept: String = lines.lines().step_by(10).map(|line| format!("{line}\n")).collect();
    let hash: String = Sha256::digest(lines).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{kept}{{\"sha256\":\"{hash}\"}}\n")
}

fn check(name: &str, format: Format, records: &[String], count: usize) {
    assert_eq!(records.len(), count, "{name}");
    let mut lines = String::new();
    for record in records {
        assert_eq!(detect(record), Some(format), "{record}");
        let event = decode(record, None).unwrap_or_else(|error| panic!("{error}: {record}"));
        assert_eq!(
            event,
            decode(record, Some(format)).expect("a named format decodes as a detected one")
        );
        assert_eq!(&*event.original, record);
        assert_eq!(event.text(Field::Format), Some(format.name()));
        lines += &line(&event);
        lines.push('\n');
    }
    let golden = root("tests/golden/decode").join(name);
    if lines.len() > GOLDEN_BYTES_MAX {
        lines = thinned(&lines);
    }
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, &lines).expect("the golden file can be written");
        return;
    }
    let expected = fs::read_to_string(&golden).expect("the golden file is in the repository");
    for (number, (expected, line)) in expected.lines().zip(lines.lines()).enumerate() {
        assert_eq!(line, expected, "{name}, line {}", number + 1);
    }
    assert_eq!(lines.lines().count(), expected.lines().count(), "{name}");
}

#[test]
fn published_cts_traces_decode_as_they_did() {
    check("cts_traces.ndjson", Format::Cts, &samples("cts_traces.jsonl.gz"), 25);
    check("cts_samples.ndjson", Format::Cts, &cts_samples(), 16);
}

#[test]
fn partner_records_decode_as_they_did() {
    let records = samples("partner.jsonl");
    check("partner.ndjson", Format::Partner, &records, records.len());
}

#[test]
fn cloudtrail_events_decode_as_they_did() {
    check(
        "cloudtrail_stratus.ndjson",
        Format::CloudTrail,
        &samples("cloudtrail_stratus.jsonl.gz"),
        310,
    );
    check(
        "cloudtrail_invictus.ndjson",
        Format::CloudTrail,
        &samples("cloudtrail_invictus.jsonl.gz"),
        2_900,
    );
}

#[test]
fn kubernetes_and_google_events_decode_as_they_did() {
    check("k8s.ndjson", Format::K8s, &samples("k8s_audit_falco.jsonl.gz"), 55);
    check("gcp.ndjson", Format::Gcp, &samples("gcp_audit_c7n_tests.jsonl.gz"), 46);
}

/// One record of each sample file and a native one, to be mutated.
fn seeds() -> Vec<String> {
    let mut seeds = cts_samples();
    for file in [
        "cts_traces.jsonl.gz",
        "cloudtrail_stratus.jsonl.gz",
        "k8s_audit_falco.jsonl.gz",
        "gcp_audit_c7n_tests.jsonl.gz",
    ] {
        seeds.extend(samples(file).into_iter().step_by(7).take(10));
    }
    seeds.extend(samples("partner.jsonl"));
    seeds.push(r#"{"event_name":"x","time":1,"amount":"1.5","related_ids":["a:b"],"level":"normal","read_only":true}"#.to_owned());
    seeds
}

/// What mutations put into a record: brackets, quotes, escapes, numbers and times at the edge of
/// what types hold.
const SPLINTERS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    "\\ud800",
    "\\u0000",
    ":",
    ",",
    "null",
    "1e999999",
    "-",
    "-9223372036854775808",
    "18446744073709551616",
    "0.000000001",
    "{}",
    "[]",
    "\"\"",
    "\"9999-12-31T23:59:59Z\"",
    "\"0001-01-01\"",
    "\"2016-12-15 15:27:40 GMT+2147483647:59\"",
    "\"2016-12-15 15:27:40 GMT-99:99\"",
    "\"+262143-12-31T23:59:59Z\"",
    "中",
    "\u{2028}",
    "\"SOURCE_OPERA\"",
    "\"arn:\"",
    "\"x:assumed-agency:\"",
];

fn never_panics(record: &str) {
    for format in Format::ALL.into_iter().map(Some).chain([None]) {
        if let Ok(event) = decode(record, format) {
            assert!(!event.trace_id().is_empty());
            assert_eq!(&*event.original, record);
        }
    }
    let _ = annals::decode::text_at(record, "user.domain.id");
    let _ = annals::decode::text_at(record, "resources.0.ARN");
}

/// Pieces to cut out of a record, and what to put there.
fn cuts() -> impl Strategy<Value = Vec<(Index, usize, Index)>> {
    prop::collection::vec((any::<Index>(), 0_usize..12, any::<Index>()), 1..6)
}

proptest! {
    #[test]
    fn no_text_makes_a_decoder_panic(text in "\\PC*") {
        never_panics(&text);
        never_panics(&format!("{{{text}}}"));
    }

    #[test]
    fn no_mutation_of_a_record_makes_a_decoder_panic(seed: Index, cuts in cuts()) {
        let seeds = seeds();
        let mut record = seed.get(&seeds).clone();
        for (place, length, splinter) in cuts {
            let from = record.floor_char_boundary(place.index(record.len() + 1));
            let to = record.floor_char_boundary((from + length).min(record.len()));
            let splinter: &&str = splinter.get(SPLINTERS);
            record.replace_range(from..to.max(from), splinter);
        }
        never_panics(&record);
    }

    #[test]
    fn no_value_of_any_field_makes_a_decoder_panic(seed: Index, field: Index, splinter: Index) {
        let seeds = seeds();
        let record = seed.get(&seeds);
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(record).expect(
            "a seed is \
                an object",
        );
        let changed = field.index(members.len());
        let members = members.iter().enumerate().map(|(place, (key, value))| {
            let value = if place == changed { splinter.get(SPLINTERS) } else { value.get() };
            format!("{}:{value}", serde_json::to_string(key).expect("a text can be written"))
        });
        never_panics(&format!("{{{}}}", members.collect::<Vec<_>>().join(",")));
    }
}
