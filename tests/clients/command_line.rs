//! The command line: the main job from records to answers, in every form, by directory and by
//! server.

use crate::support::process::{Server, annals, annals_with_input, binary};
use crate::support::python::skipped;
use annals::clock::{Clock, SystemClock};
use annals::event::{DAY_MS, Timestamp};
use serde_json::{Value as Json, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// The end of the generated period: every run asks about the same days.
const END: &str = "2026-06-30T00:00:00Z";

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// Generated records, taken in through a pipe.
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().expect("a temporary directory") };
        let size = ["--events", "600", "--tenants", "3", "--days", "3"];
        let records = annals(&[&["generate", "--end", END], &size[..]].concat()).ok();
        assert_eq!(records.lines().count(), 600);
        let answer = annals_with_input(
            &["ingest", "--data", &place.data(), "--tenant-from", "project_id", "-"],
            records.as_bytes(),
        )
        .ok();
        assert_eq!(serde_json::from_str::<Json>(&answer).expect("JSON")["accepted"], 600);
        place
    }

    fn data(&self) -> String {
        self.folder.path().join("data").to_string_lossy().into_owned()
    }

    fn ask(&self, words: &[&str]) -> String {
        annals(&[&words[..1], &["--data", &self.data()], &words[1..]].concat()).ok()
    }

    fn json(&self, words: &[&str]) -> Json {
        serde_json::from_str(&self.ask(&[words, &["-o", "json"]].concat())).expect("JSON")
    }
}

#[test]
fn the_same_seed_gives_the_same_records() {
    let generate =
        |seed: &str| annals(&["generate", "--events", "200", "--seed", seed, "--end", END]).ok();
    assert_eq!(generate("5"), generate("5"));
    assert_ne!(generate("5"), generate("6"));
}

#[test]
fn generated_records_end_at_the_last_midnight() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let data = folder.path().join("data").display().to_string();
    let before = SystemClock.now().millis();
    let records = annals(&["generate", "--events", "2000", "--days", "2"]).ok();
    let words = ["ingest", "--data", &data, "--tenant-from", "project_id", "-"];
    annals_with_input(&words, records.as_bytes()).ok();
    let newest = annals(&["query", "--data", &data, "--limit", "1"]).ok();
    let newest: Json = serde_json::from_str(&newest).expect("JSON");
    let newest = Timestamp::parse(newest["time"].as_str().expect("a time")).expect("a time");
    let midnight = before.div_euclid(DAY_MS) * DAY_MS;
    // The day may end while this runs.
    let latest = midnight + DAY_MS;
    assert!((midnight - DAY_MS / 2..=latest).contains(&newest.millis()), "{newest}");
}

#[test]
fn answers_come_in_every_form() {
    let place = Place::new();
    let lines = place.ask(&["query", "--source", "ECS", "--limit", "4"]);
    let events: Vec<Json> =
        lines.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect();
    assert_eq!(events.len(), 4, "NDJSON in a pipe");
    assert_eq!(place.json(&["query", "--source", "ECS", "--limit", "4"])["events"], json!(events));
    let csv = place.ask(&["query", "--source", "ECS", "--limit", "4", "-o", "csv"]);
    assert!(csv.starts_with("tenant,seq,trace_id,time,") && csv.ends_with("\r\n"), "{csv}");
    assert!(csv.contains(events[0]["trace_id"].as_str().expect("an id")));
    let table = place.ask(&["query", "--source", "ECS", "--limit", "4", "-o", "table"]);
    assert!(
        table.contains("EVENT_NAME") && table.lines().count() == 5 && !table.contains('\u{1b}'),
        "{table}"
    );
    let all = place.ask(&["query", "--all"]);
    assert_eq!(all.lines().count(), 600);
    let count = place.json(&["count", "--source", "ECS"])["count"].clone();
    assert_eq!(
        place.ask(&["count", "--source", "ECS", "-o", "csv"]),
        format!("count\r\n{count}\r\n")
    );
    let facets = place.json(&["facets", "--fields", "source,level", "--size", "100"]);
    let counted = facets["facets"]["source"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|value| value["value"] == "ECS")
        .expect("ECS");
    assert_eq!(counted["count"], count);
    let top = place.json(&["top", "--field", "source", "--size", "100"]);
    assert_eq!(top["values"], facets["facets"]["source"]);
    let histogram = place.json(&["histogram", "--interval", "1d"]);
    let sum: u64 = histogram["buckets"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|bucket| bucket["count"].as_u64())
        .sum();
    assert_eq!(sum, 600);
    assert!(place.ask(&["explain", "--source", "ECS", "-o", "table"]).contains("lookup"));
    assert!(place.ask(&["inspect", "-o", "table"]).contains("600 events in"));
    // What takes room adds up to the bytes that there are.
    let sum = |lines: &str, names: &[&str]| -> u64 {
        let lines = lines.lines().map(|line| serde_json::from_str::<Json>(line).expect("JSON"));
        lines.map(|line| names.iter().filter_map(|name| line[*name].as_u64()).sum::<u64>()).sum()
    };
    let (sizes, segments) = (place.ask(&["inspect", "--sizes"]), place.ask(&["inspect"]));
    assert!(
        sizes.contains("posting lists")
            && sizes.contains("\"original\"")
            && sizes.contains("codes.source"),
        "{sizes}"
    );
    assert_eq!(sum(&sizes, &["bytes"]), sum(&segments, &["data_bytes", "index_bytes"]));
    assert!(annals(&["completions", "bash"]).ok().contains("annals"));
}

#[test]
fn four_dimensions_and_their_opposites_add_up() {
    let place = Place::new();
    let page = place.json(&["query", "--event-type", "system", "--limit", "1"]);
    let event = &page["events"][0];
    let text = |name: &str| event[name].as_str().expect(name).to_owned();
    let (tenant, source, kind, name) =
        (text("tenant"), text("source"), text("resource_type"), text("event_name"));
    let by_type = place.json(&[
        "count",
        "--tenant",
        &tenant,
        "--event-type",
        "system",
        "--source",
        &source,
        "--resource-type",
        &kind,
        "--filter-type",
        "event_name",
        "--filter-value",
        &name,
    ]);
    let by_name = place.json(&[
        "count",
        "--tenant",
        &tenant,
        "--event-type",
        "system",
        "--source",
        &source,
        "--resource-type",
        &kind,
        "--event-name",
        &name,
    ]);
    assert_eq!(by_type, by_name);
    assert!(by_name["count"].as_u64().is_some_and(|count| count > 0));
    let with = place.json(&["count", "--source", &source])["count"].as_u64().expect("a number");
    let without =
        place.json(&["count", "--source-not", &source])["count"].as_u64().expect("a number");
    assert_eq!(with + without, 600);
}

#[test]
fn a_server_answers_as_the_directory_does() {
    let place = Place::new();
    let questions: &[&[&str]] = &[
        &["query", "--source", "ECS", "--limit", "7", "--original"],
        &["count", "--level", "warning"],
        &["facets", "--fields", "source"],
        &["histogram", "--interval", "1d", "--by", "level", "--time-zone", "Asia/Shanghai"],
        &["stats", "--by", "source"],
        &[
            "query",
            "--text",
            "\"createServer\"",
            "--filter",
            r#"{"not":{"level":"incident"}}"#,
            "--total",
        ],
    ];
    let local: Vec<Json> = questions
        .iter()
        .map(|question| place.json(&[question, &["--tenant", "*"][..]].concat()))
        .collect();
    let server = Server::start(Path::new(&place.data()));
    for (question, local) in questions.iter().zip(local) {
        let words = [
            &question[..1],
            &["--url", &server.url, "--tenant", "*", "-o", "json"],
            &question[1..],
        ]
        .concat();
        assert_eq!(
            serde_json::from_str::<Json>(&annals(&words).ok()).expect("JSON"),
            local,
            "{question:?}"
        );
    }
}

#[test]
fn sums_and_exports_agree_in_every_form() {
    let place = Place::new();
    let stats = place.json(&["stats", "--by", "currency"]);
    let table = place.ask(&["stats", "--by", "currency", "-o", "table"]);
    for group in stats["groups"].as_array().expect("groups") {
        assert!(table.contains(group["sum"].as_str().expect("a decimal")), "{table}");
    }
    let narrow = ["--source", "ECS"];
    let events: Vec<Json> = place
        .ask(&[&["query", "--all"], &narrow[..]].concat())
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert!(events.len() > 10);
    let columns = ["--columns", "trace_id,time"];
    let exported = place.ask(&[&["export", "-o", "ndjson"], &narrow[..], &columns].concat());
    let pick = |event: &Json| json!({ "trace_id": event["trace_id"], "time": event["time"] });
    let lines: Vec<Json> =
        exported.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines, events.iter().map(pick).collect::<Vec<_>>());
    let out = place.folder.path().join("events.parquet").to_string_lossy().into_owned();
    let ran = annals(&[&["export", "--data", &place.data(), "--out", &out], &narrow[..]].concat());
    assert!(ran.code == 0 && ran.err.contains(&format!("{} events in", events.len())), "{ran:?}");
    assert_eq!(&std::fs::read(&out).expect("a file")[..4], b"PAR1");
    assert!(!Path::new(&format!("{out}.partial")).exists());
    let code =
        |words: &[&str]| annals(&[&["export", "--data", &place.data()], words].concat()).code;
    assert_eq!(code(&["-o", "ndjson", "--source", "nothing", "--fail-empty"]), 4);
    assert_eq!(code(&["--out", "events.xyz"]), 2, "no form is known by that ending");
    assert_eq!(code(&["-o", "csv", "--columns", "nonsense"]), 2);
    assert_eq!(code(&["-o", "parquet", "--bom"]), 2);
}

#[test]
fn folders_globs_and_packed_files_are_taken_in_once() {
    let place = Place { folder: tempfile::tempdir().expect("a temporary directory") };
    let record = |number: u32| {
        format!(
            "{{\"event_name\":\"n\",\"trace_id\":\"f{number}\",\"time\":{}}}\n",
            1_772_323_200_000_i64 + i64::from(number)
        )
    };
    let below = place.folder.path().join("logs/deep");
    std::fs::create_dir_all(&below).expect("folders");
    std::fs::write(below.join("a.ndjson"), record(1) + &record(2)).expect("a file");
    std::fs::write(
        below.join("b.json.zst"),
        zstd::encode_all(record(3).as_bytes(), 1).expect("memory"),
    )
    .expect("a file");
    std::fs::write(below.join("notes.txt"), "not records").expect("a file");
    let ingest = |what: &Path| {
        let ran =
            annals(&["ingest", "--data", &place.data(), "--tenant", "t", &what.to_string_lossy()]);
        serde_json::from_str::<Json>(&ran.ok()).expect("JSON")
    };
    let folder = ingest(&place.folder.path().join("logs"));
    assert_eq!((&folder["accepted"], &folder["files"]), (&3.into(), &2.into()));
    let glob = ingest(&below.join("*.nd*"));
    assert_eq!(
        (&glob["accepted"], &glob["duplicates"], &glob["files"]),
        (&0.into(), &2.into(), &1.into())
    );
}

#[test]
fn a_damaged_index_is_found_and_made_anew_with_the_same_answers() {
    let place = Place::new();
    let before = place.json(&["query", "--source", "ECS", "--limit", "20"]);
    let folder = Path::new(&place.data()).join("events/_annals/index");
    let mut indexes: Vec<_> =
        std::fs::read_dir(folder).expect("indexes").flatten().map(|entry| entry.path()).collect();
    indexes.sort();
    let mut bytes = std::fs::read(&indexes[0]).expect("an index");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    std::fs::write(&indexes[0], bytes).expect("damage");
    std::fs::remove_file(&indexes[1]).expect("more damage");
    let checked = annals(&["check", "--data", &place.data()]);
    assert_eq!(checked.code, 3, "{checked:?}");
    assert!(
        checked.err.contains("SHA-256 differs")
            && checked.err.contains("missing")
            && checked.out.starts_with("DAMAGED"),
        "{checked:?}"
    );
    let rebuilt = annals(&["check", "--data", &place.data(), "--rebuild-index"]).ok();
    assert!(rebuilt.starts_with("sound") && rebuilt.contains("rebuilt"), "{rebuilt}");
    assert!(annals(&["check", "--data", &place.data()]).ok().starts_with("sound"));
    assert_eq!(place.json(&["query", "--source", "ECS", "--limit", "20"]), before);
}

#[test]
fn exit_codes_tell_what_happened() {
    let place = Place::new();
    let code = |words: &[&str]| {
        annals(&[&words[..1], &["--data", &place.data()], &words[1..]].concat()).code
    };
    assert_eq!(code(&["count", "--source", "nothing"]), 0);
    assert_eq!(code(&["count", "--source", "nothing", "--fail-empty"]), 4);
    assert_eq!(code(&["query", "--source", "nothing", "--fail-empty"]), 4);
    assert_eq!(code(&["count", "--level", "fatal"]), 2);
    assert_eq!(code(&["count", "--no-such-flag"]), 2);
    assert_eq!(code(&["count", "--from", "yesterday"]), 2);
    assert_eq!(annals(&["count"]).code, 2);
    assert_eq!(annals(&["demo", "--events", "2000", "--no-serve"]).code, 0);
}

#[test]
fn fields_choose_columns_and_their_order_in_every_form() {
    let place = Place::new();
    let ask = |form: &str, fields: &str| {
        place.ask(&["query", "--limit", "1", "--fields", fields, "-o", form])
    };
    let event = place.json(&["query", "--limit", "1"])["events"][0].clone();
    let text = |name: &str| event[name].as_str().expect(name).to_owned();
    let (time, id, level) = (text("time"), text("trace_id"), text("level"));
    let fields = "trace_id,time,level,time";
    assert_eq!(ask("csv", fields), format!("trace_id,time,level\r\n{id},{time},{level}\r\n"));
    let object = format!(r#"{{"trace_id":"{id}","time":"{time}","level":"{level}"}}"#);
    assert_eq!(ask("ndjson", fields), format!("{object}\n"));
    assert!(ask("json", fields).starts_with(&format!(r#"{{"events":[{object}],"#)));
    let words: Vec<String> = ask("table", fields).split_whitespace().map(str::to_owned).collect();
    assert_eq!(words, ["TRACE_ID", "TIME", "LEVEL", &id, &time, &level]);
    // The record comes last, unless it is named.
    let with = ["query", "--limit", "1", "--fields", "level", "--original"];
    assert!(place.ask(&with).starts_with(&format!(r#"{{"level":"{level}","original":"#)));
    let exported = place.ask(&["export", "-o", "csv", "--fields", "level,time"]);
    assert!(exported.starts_with("level,time\r\n"), "{exported}");
    let data = place.data();
    for command in [&["query"][..], &["export", "-o", "csv"]] {
        let words = [command, &["--data", &data, "--fields", "time,sauce"]].concat();
        let refused = annals(&words);
        assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{refused:?}");
        for word in ["sauce", "tenant, seq, trace_id, time,", "related_ids"] {
            assert!(refused.err.contains(word), "{command:?} does not name {word}: {refused:?}");
        }
    }
}

#[test]
fn a_reader_that_has_read_enough_is_no_failure() {
    let place = Place::new();
    let data = place.data();
    for words in ["query --all", "query --all -o csv", "export -o ndjson", "generate"] {
        let store = if words == "generate" { String::new() } else { format!("--data {data}") };
        let command = format!("{{ {} {words} {store}; echo ended $? >&2; }} | head -n 1", binary());
        let ran = Command::new("sh").args(["-c", &command]).output().expect("a shell");
        assert_eq!(String::from_utf8_lossy(&ran.stderr), "ended 0\n", "{words}");
        assert_eq!(ran.stdout.iter().filter(|byte| **byte == b'\n').count(), 1, "{words}");
    }
}

#[test]
fn a_demo_that_is_asked_to_stop_leaves_nothing() {
    // Before it serves, and while it does.
    for (signal, events, line) in [
        ("HUP", "2000000", None),
        ("TERM", "2000000", None),
        ("INT", "2000000", None),
        ("HUP", "2000", Some("serving at")),
        ("TERM", "2000", Some("serving at")),
    ] {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let left = || std::fs::read_dir(folder.path()).expect("a folder").count();
        // Whoever runs the tests under nohup has them ignore SIGHUP, and so what they start.
        let mut demo = Command::new("env")
            .args(["--default-signal=HUP", &binary()])
            .args(["demo", "--events", events, "--listen", "127.0.0.1:0"])
            .env("TMPDIR", folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut said = BufReader::new(demo.stderr.take().expect("a pipe")).lines();
        match line {
            Some(line) => {
                let serves = said.by_ref().flatten().any(|said| said.starts_with(line));
                assert!(serves && left() == 1, "it serves");
            }
            // The store is there as soon as there is a folder in the folder.
            None => {
                while left() == 0 && demo.try_wait().is_ok_and(|ended| ended.is_none()) {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
            }
        }
        let signalled =
            Command::new("kill").args([&format!("-{signal}"), &demo.id().to_string()]).status();
        assert!(signalled.is_ok_and(|status| status.success()));
        // It may have more to say than fits into a pipe.
        let rest: Vec<String> = said.map_while(Result::ok).collect();
        let status = demo.wait().expect("it ends");
        assert_eq!(left(), 0, "{signal} {events}: {rest:?}");
        assert_eq!(status.code(), Some(if line.is_some() { 0 } else { 1 }), "{signal}: {rest:?}");
    }
}

#[test]
fn the_link_of_a_demo_signs_in() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let mut demo = Command::new(binary())
        .args(["demo", "--events", "2000", "--listen", "127.0.0.1:0"])
        .env("TMPDIR", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut said = BufReader::new(demo.stderr.take().expect("a pipe")).lines();
    let mut lines: Vec<String> = Vec::new();
    for line in said.by_ref().map_while(Result::ok) {
        let is_over = line.contains("ANNALS_TOKEN=");
        lines.push(line);
        if is_over {
            break;
        }
    }
    let link = lines.iter().find(|line| line.contains("#token="));
    let Some(link) = link else {
        let _ = (demo.kill(), demo.wait());
        assert!(lines.iter().any(|line| line.contains("no screen")), "{lines:?}");
        return skipped("the binary has no page");
    };
    let link = &link[link.find("http://").expect("an address")..];
    let (page, token) = link.split_once("#token=").expect("a token");
    let (url, tenant) = page.split_once("/?tenant=").expect("a tenant");
    let token = token.split_whitespace().next().expect("a token before the words after it");
    let count = ["count", "--url", url, "--tenant", tenant, "--token", token];
    assert!(annals(&count).ok().contains("\"count\""));
    annals(&count[..5]).refused(1, &["credential"]);
    drop(said);
    demo.kill().expect("it ends");
    demo.wait().expect("it ends");
}

#[test]
fn an_empty_answer_says_what_stands_in_its_way() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let data = folder.path().join("data").display().to_string();
    let record = r#"{"time":"2026-03-01T08:00:00Z","event_name":"login","source":"IAM"}"#;
    let words = ["ingest", "--data", &data, "--tenant", "acme", "-"];
    annals_with_input(&words, record.as_bytes()).ok();
    for (words, hints) in [
        (&["count", "--source", "iam"][..], &["no event has the source \"iam\"", "\"IAM\""][..]),
        (&["query", "--event-name", "log*"], &["--event-name-prefix"]),
        (&["count", "--tenant", "Acme"], &["no events of tenant Acme"]),
        (&["count", "--to", "2025-01-01"], &["events are from 2026-03-01T08:00:00.000Z"]),
        (&["facets", "--fields", "source", "--operator", "x"], &["the operator \"x\""]),
    ] {
        let ran = annals(&[&[words[0], "--data", &data], &words[1..]].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        for hint in hints {
            assert!(ran.err.contains(hint), "{words:?} does not say {hint:?}: {}", ran.err);
        }
    }
    let found = annals(&["count", "--data", &data, "--last", "9y"]);
    assert!(found.err.is_empty() && found.out.contains('1'), "{found:?}");
}
