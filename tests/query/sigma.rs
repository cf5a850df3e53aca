//! Sigma rules over the sample records: each of `data/sigma` finds what a predicate written by hand
//! finds.

use crate::ingest::samples::lines;
use crate::support::process::{Server, annals, annals_with_input};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::path::Path;

fn text<'a>(record: &'a Json, path: &str) -> &'a str {
    path.split('.').fold(record, |at, key| &at[key]).as_str().unwrap_or_default()
}

fn stopped(record: &Json) -> bool {
    let (source, name) = (text(record, "eventSource"), text(record, "eventName"));
    let what = (source == "cloudtrail.amazonaws.com"
        && ["StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors"].contains(&name))
        || (source == "ec2.amazonaws.com" && name == "DeleteFlowLogs")
        || (source == "route53resolver.amazonaws.com"
            && name.starts_with("DeleteResolverQueryLog"));
    what && record["errorCode"].is_null()
}

fn secrets(record: &Json) -> bool {
    let name = text(record, "eventName");
    let agent = text(record, "userAgent").to_lowercase();
    let tool = ["stratus", "pacu", "cloudfox"]
        .iter()
        .any(|tool| agent.strip_prefix(tool).is_some_and(|rest| rest.starts_with(['-', '_', '/'])));
    text(record, "eventSource") == "secretsmanager.amazonaws.com"
        && name.contains("Get")
        && name.contains("SecretValue")
        && (name.starts_with("Batch") || tool)
        && !text(record, "sourceIPAddress").ends_with(".amazonaws.com")
}

fn denied(record: &Json) -> bool {
    let (code, address, agent) = (
        text(record, "errorCode"),
        text(record, "sourceIPAddress"),
        text(record, "userAgent").to_lowercase(),
    );
    let octets: Vec<u8> = address.split('.').filter_map(|octet| octet.parse().ok()).collect();
    let inside = matches!(octets[..], [10, ..] | [192, 168, ..] | [172, 16..=31, ..]);
    (code == "AccessDenied" || code.contains("Unauthorized"))
        && !inside
        && !agent.contains("console")
}

fn admin(record: &Json) -> bool {
    ["create", "update", "patch"].contains(&text(record, "verb"))
        && text(record, "objectRef.resource") == "clusterrolebindings"
        && text(record, "requestObject.roleRef.name") == "cluster-admin"
        && record["responseStatus"]["code"] != 403
}

fn recalled(record: &Json) -> bool {
    let kind = record["operation_type"].to_string();
    kind.trim_matches('"') == "11"
        && text(record, "quota_id").starts_with("CQ")
        && record["coupon_id"].is_null()
        && record["result"].to_string().trim_matches('"') != "-1"
}

/// A rule of `data/sigma`, the sample files its records may stand in, and what it means.
type Expected = (&'static str, &'static [&'static str], fn(&Json) -> bool);
const TRAILS: &[&str] = &["cloudtrail_invictus.jsonl.gz", "cloudtrail_stratus.jsonl.gz"];
const EXPECTED: &[Expected] = &[
    ("cloudtrail_logging_stopped.yml", TRAILS, stopped),
    ("cloudtrail_secrets_read_in_bulk.yml", TRAILS, secrets),
    ("cloudtrail_denied_from_outside.yml", TRAILS, denied),
    ("kubernetes_admin_binding.yml", &["k8s_audit_falco.jsonl.gz"], admin),
    ("voucher_quota_recalled.yml", &["partner.jsonl"], recalled),
];

fn rules() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/sigma")
}

/// A store of all samples.
fn samples(folder: &Path) -> String {
    let data = folder.join("data").to_string_lossy().into_owned();
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/samples/*.json*");
    annals(&["ingest", "--data", &data, "--tenant", "t", &files.to_string_lossy()]).ok();
    data
}

#[test]
fn each_rule_finds_what_it_means_in_the_samples() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let data = samples(folder.path());
    let rules = rules().to_string_lossy().into_owned();
    let output = annals(&["sigma", &rules, "--data", &data, "--all", "--original"]).ok();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in output.lines() {
        let line: Json = serde_json::from_str(line).expect("one object a line");
        let record = line["event"]["original"].as_str().expect("the record").to_owned();
        found
            .entry(line["rule"]["title"].as_str().expect("a title").to_owned())
            .or_default()
            .push(record);
    }
    let mut shown = 0;
    for (file, sources, means) in EXPECTED {
        let rule = std::fs::read_to_string(Path::new(&rules).join(file)).expect("a rule");
        let title =
            rule.lines().next().and_then(|line| line.strip_prefix("title: ")).expect("a title");
        let records = sources.iter().flat_map(|source| lines(source));
        let mut expected: Vec<String> = records
            .filter(|record| means(&serde_json::from_str(record).expect("samples are JSON")))
            .map(|record| record.trim().to_owned())
            .collect();
        expected.sort();
        let mut listed = found.remove(title).unwrap_or_default();
        listed.sort();
        assert!(!expected.is_empty(), "{file} finds nothing in the samples: it shows nothing");
        assert_eq!(listed, expected, "{file}");
        shown += 1;
    }
    assert!(found.is_empty(), "rules without a predicate: {:?}", found.keys());
    let files = std::fs::read_dir(&rules).expect("the folder of rules").filter(|entry| {
        entry
            .as_ref()
            .is_ok_and(|entry| entry.path().extension().is_some_and(|ending| ending == "yml"))
    });
    assert_eq!(shown, files.count(), "every rule has a predicate");
}

#[test]
fn rules_run_in_every_form_over_a_directory_and_a_server() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let data = samples(folder.path());
    let rule = rules().join("cloudtrail_denied_from_outside.yml").to_string_lossy().into_owned();
    let ask = |words: &[&str]| annals(&[&["sigma", &rule, "--data", &data], words].concat());
    let json: Json =
        serde_json::from_str(&ask(&["-o", "json", "--limit", "3"]).ok()).expect("JSON");
    assert_eq!((json["events"].as_array().map(Vec::len), &json["more"]), (Some(3), &json!(true)));
    assert_eq!(json["rule"]["level"], "low");
    let csv = ask(&["-o", "csv", "--limit", "3"]).ok();
    assert!(csv.starts_with("rule,rule_id,rule_level,tenant,seq,trace_id,time,"), "{csv}");
    assert_eq!(csv.lines().count(), 4);
    let table = ask(&["-o", "table", "--limit", "3"]).ok();
    assert!(
        table.starts_with(
            "Refused calls from outside the company's networks (low): 3 events, and more\n"
        ),
        "{table}"
    );
    let narrowed = ask(&["--all", "--source", "iam.amazonaws.com"]).ok();
    assert!(
        narrowed.lines().count() < ask(&["--all"]).ok().lines().count(),
        "the flags narrow the rule"
    );
    assert_eq!(ask(&["--source", "NONE", "--fail-empty"]).code, 4);
    let everything = ask(&["--all"]).ok();
    let server = Server::start(Path::new(&data));
    let remote = annals(&["sigma", &rule, "--url", &server.url, "--tenant", "t", "--all"]).ok();
    assert_eq!(remote, everything);
}

#[test]
fn what_cannot_be_translated_is_named_and_the_other_rules_run() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let data = samples(folder.path());
    let rules_folder = folder.path().join("rules");
    std::fs::create_dir_all(rules_folder.join("deeper")).expect("a folder");
    let rule = |title: &str, detection: &str| {
        format!(
            "title: {title}\nlogsource: {{product: aws, service: cloudtrail}}\ndetection: \
            {detection}\n"
        )
    };
    let write =
        |name: &str, text: &str| std::fs::write(rules_folder.join(name), text).expect("a file");
    write("a.yml", &rule("counted", "{s: {a: b}, condition: s | count() > 5}"));
    write("deeper/b.yaml", &rule("sound", "{s: {eventName: StopLogging}, condition: s}"));
    write("c.yml", "title: [");
    write("d.txt", "no rule");
    let ran = annals(&["sigma", &rules_folder.to_string_lossy(), "--data", &data]);
    assert_eq!(ran.code, 1, "{ran:?}");
    for said in [
        "a.yml: \"counted\" cannot be translated: detection.condition: aggregates (count() > 5)",
        "c.yml: is no YAML",
        "2 of 3 rules were not run",
    ] {
        assert!(ran.err.contains(said), "{}", ran.err);
    }
    assert!(
        ran.out.lines().count() > 0
            && ran.out.lines().all(|line| line.contains("\"title\":\"sound\"")),
        "the sound rule ran"
    );

    let broken = rule("broken", "{s: {'a|re': '(x'}, condition: s}");
    let ran = annals_with_input(&["sigma", "-", "--data", &data], broken.as_bytes());
    assert!(
        ran.code == 1
            && ran.err.contains("-: \"broken\" cannot be translated: filter.")
            && ran.err.contains("regular expression"),
        "{ran:?}"
    );
    annals(&["sigma", "/nowhere.yml", "--data", &data]).refused(1, &["cannot read /nowhere.yml"]);
    annals(&["sigma", &folder.path().join("data").to_string_lossy(), "--data", &data])
        .refused(1, &["has no .yml or .yaml file"]);
    annals(&["sigma", &rules_folder.join("deeper").to_string_lossy()])
        .refused(2, &["--data DIR or --url URL"]);
    let shown =
        annals(&["sigma", &rules_folder.join("deeper").to_string_lossy(), "--show-filter"]).ok();
    let shown: Json = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(shown["filter"]["format"], "cloudtrail");
}

#[test]
fn community_names_of_fields_find_their_events() {
    let reports = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/reports/15-sigma-gcp-and-k8s-fields");
    let folder = tempfile::tempdir().expect("a temporary directory");
    let data = folder.path().join("data").display().to_string();
    for input in ["input", "input2"] {
        let input = reports.join(input).display().to_string();
        annals(&["ingest", "--data", &data, "--tenant", "t", &input]).ok();
    }
    for rule in ["rule-gcp.yml", "rule-gcp-data.yml", "rule-gcp-path.yml", "rule-k8s.yml"] {
        let rule = reports.join(rule).display().to_string();
        let out = annals(&["sigma", "--data", &data, "-o", "ndjson", &rule]).ok();
        assert_eq!(out.lines().count(), 1, "{rule}: {out}");
    }
    let rule = folder.path().join("rule.yml");
    let text = "title: T\nlogsource: {product: gcp, service: gcp.audit}\ndetection:\n  s:\n    \
        protoPayload|contains: x\n    nowhere.at.all: y\n  condition: s\n";
    std::fs::write(&rule, text).expect("a file");
    let run = || annals(&["sigma", "--data", &data, "-o", "ndjson", &rule.display().to_string()]);
    let ran = run();
    assert!(ran.err.contains("no record here has the field nowhere.at.all"), "{ran:?}");
    // An object is compared as it is written, and a field with another.
    for (test, count) in [
        ("protoPayload|contains: '\"methodName\"'", 1),
        ("protoPayload|contains: nothing", 0),
        ("protoPayload.methodName|fieldref: protoPayload.methodName", 1),
        ("protoPayload.methodName|fieldref: protoPayload.serviceName", 0),
    ] {
        let text = format!(
            "title: T\nlogsource: {{product: gcp, service: gcp.audit}}\ndetection:\n  s:\n    \
            {test}\n  condition: s\n"
        );
        std::fs::write(&rule, text).expect("a file");
        assert_eq!(run().out.lines().count(), count, "{test}: {:?}", run());
    }
}
