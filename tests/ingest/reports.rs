//! Inputs after public bug reports of this field, each with what it must give. Every input stands
//! for a kind; its folder is named after the kind.

use crate::support::process::{Ran, annals};
use crate::support::store::TestStore;
use annals::event::Timestamp;
use annals::ingest::{TenantRule, Unpacked};
use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value as Json, json};
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// After the newest event of all inputs.
const TODAY: &str = "2026-11-28T12:00:00Z";

fn path(of: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/reports");
    let (number, file) = of.split_once('/').expect("a folder and a file");
    let folder = fs::read_dir(folder)
        .expect("the inputs are there")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(number))
        });
    folder.expect("a folder of this number").join(file)
}

fn input(of: &str) -> Vec<u8> {
    fs::read(path(of)).expect("the input is there")
}

struct Reports(TestStore);

impl Reports {
    fn new() -> Self {
        let store = TestStore::new();
        store.clock.set(Timestamp::parse(TODAY).expect("a time"));
        Self(store)
    }

    /// Takes in an input as `annals ingest` does: accepted, quarantined.
    fn take(&self, of: &str) -> (u64, u64) {
        let bytes = input(of);
        let unpacked = Unpacked::detect(bytes.as_slice(), u64::MAX, 27).expect("a stream");
        let rule = TenantRule::new(Some("t"), None).expect("a tenant");
        let (outcome, error) =
            self.0.engine().ingest_stream(BufReader::new(unpacked), None, &rule, of, |_| ());
        assert!(error.is_none(), "{of}: {error:?}");
        (outcome.accepted, outcome.quarantined.total())
    }

    fn post(&self, path: &str, kind: &str, body: Vec<u8>) -> Json {
        let request = Request::post(path).header(header::CONTENT_TYPE, kind).body(Body::from(body));
        let (status, _, answer) = self.0.send(request.expect("a request"));
        assert!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&answer));
        serde_json::from_slice(&answer).unwrap_or_default()
    }

    fn count(&self, question: &str) -> u64 {
        let path = format!("/api/v1/count?tenant=t&{question}");
        self.0.get(&path)["count"].as_u64().expect("a count")
    }

    /// The events of the tenant, oldest first.
    fn events(&self) -> Vec<Json> {
        let page = self.0.get("/api/v1/events?tenant=t&order=asc&limit=100");
        page["events"].as_array().expect("a list").clone()
    }
}

#[test]
fn a_broken_piece_takes_no_other_with_it() {
    for (of, outcome) in [
        ("01/input-small", (10, 1)),
        ("01/input2", (512, 1)),
        ("01/input3", (2, 1)),
        ("02/input", (2, 0)),
        ("09/input.concat", (3, 0)),
        ("09/input.concatenv", (2, 0)),
        ("09/input.concatpretty", (2, 0)),
        ("09/input.nestarr", (2, 0)),
        ("09/input.commas", (3, 0)),
        ("10/input.pzstd.zst", (2, 0)),
        ("10/input.long27.zst", (3, 0)),
    ] {
        assert_eq!(Reports::new().take(of), outcome, "{of}");
    }
}

#[test]
fn one_bad_text_or_number_does_not_cost_its_batch() {
    for (of, kind, events) in [
        ("03/input", "application/x-protobuf", 2),
        ("03/input.json", "application/json", 2),
        ("04/input", "application/json", 1),
        ("04/input2", "application/json", 2),
    ] {
        let store = Reports::new();
        store.post("/otlp/t/v1/logs", kind, input(of));
        assert_eq!(store.count("event_name=good") + store.count("event_name.not=good"), events);
        assert_eq!(store.count("substring=-9223372036854"), 0, "{of}");
        for number in ["9223372036854776000", "1e+21"] {
            let sent = memchr::memmem::find(&input(of), number.as_bytes()).is_some();
            let found = store.count(&format!("substring={}", number.replace('+', "%2B")));
            assert_eq!(found, u64::from(sent), "{of}: {number}");
        }
    }
}

#[test]
fn times_are_the_moments_that_they_say() {
    let store = Reports::new();
    assert_eq!(store.take("05/input"), (12, 0));
    let time = |id: &str| {
        let event = store.0.get(&format!("/api/v1/events/{id}?tenant=t"));
        let event = event["events"][0].as_object().or(event.as_object()).expect("an event").clone();
        event["time"].as_str().expect("a time").to_owned()
    };
    for (id, moment) in [
        ("a1", "2026-03-01T00:00:00.000Z"),
        ("a2", "2026-03-01T07:00:00.977Z"),
        ("a3", "2026-03-01T08:00:00.000Z"),
        ("a4", "2026-03-01T00:00:00.000Z"),
        ("a5", "2026-03-01T00:00:00.000Z"),
        ("a6", "2026-03-01T00:00:00.000Z"),
        ("a7", "2026-03-01T08:00:00.000Z"),
        ("a8", "2026-03-01T08:00:00.123Z"),
        ("a9", "2026-03-01T08:00:00.123Z"),
        ("b1", "2026-03-01T08:00:00.000Z"),
        ("b2", "2026-03-02T00:00:00.000Z"),
        ("b3", "2026-03-01T08:00:00.000Z"),
    ] {
        assert_eq!(time(id), moment, "{id}");
    }
    let store = Reports::new();
    store.post("/es/t/_bulk", "application/x-ndjson", input("05/input.bulk"));
    assert_eq!(store.events()[0]["time"], "2026-11-20T07:00:00.977Z");
    let store = Reports::new();
    assert_eq!((store.take("06/input"), store.take("06/input2")), ((4, 0), (4, 0)));
    for event in store.events() {
        let time = event["time"].as_str().expect("a time");
        assert!(
            ["2026-11-02T12:44:00.000Z", "2026-11-02T12:44:00.123Z"].contains(&time),
            "{event}"
        );
        assert_ne!(event["time_suspect"], json!(true));
    }
    // A filter reads the same forms.
    for from in ["2026-11-02T12:44Z", "20261102T124400Z", "1793623440", "1.79362344E9"] {
        assert_eq!(store.count(&format!("from={from}")), 8, "{from}");
    }
}

#[test]
fn envelopes_of_clouds_are_opened() {
    let store = Reports::new();
    assert_eq!(store.take("07/input"), (1, 0));
    let event = &store.events()[0];
    for (field, value) in [
        ("source", "ec2.amazonaws.com"),
        ("event_name", "DescribeRegions"),
        ("code", "Client.RequestLimitExceeded"),
        ("level", "warning"),
        ("trace_type", "Others"),
    ] {
        assert_eq!(event[field], value, "{event}");
    }
    for (of, name) in [
        ("08/input.cwl", "list"),
        ("08/input.cwlsub", "CreateUser"),
        ("08/input.eventbridge", "CreateUser"),
        ("08/input.lookup", "CreateUser"),
        ("19/input", "login"),
    ] {
        let store = Reports::new();
        assert_eq!(store.take(of), (1, 0), "{of}");
        let event = &store.events()[0];
        assert_eq!(
            (&event["event_name"], &event["operator"]),
            (&json!(name), &json!("ann")),
            "{of}"
        );
        assert_eq!(event["time"], "2026-11-02T12:44:00.000Z", "{of}");
    }
}

#[test]
fn the_same_audit_id_is_not_the_same_event() {
    let store = Reports::new();
    assert_eq!(store.take("16/input"), (2, 0));
    assert_eq!(store.count("request_id=9b1c0000-0000-4000-8000-000000000001"), 2);
}

#[test]
fn an_address_is_one_however_it_is_written() {
    let store = Reports::new();
    assert_eq!(store.take("17/input"), (14, 0));
    // The plain one, two mapped ones, and the one with a port.
    for question in ["source_ip=10.1.2.3", "source_ip=::ffff:10.1.2.3", "source_ip=10.0.0.0/8"] {
        assert_eq!(store.count(question), 4, "{question}");
        let negated = question.replace("source_ip=", "source_ip.not=");
        assert_eq!(store.count(&negated), 10, "{negated}");
    }
    for question in [
        "source_ip=2001:db8::1",
        "source_ip=2001:DB8:0::1",
        "source_ip=2001:db8::/32",
        "filter=%7B%22record%22:%7B%22path%22:%22source_ip%22,%22cidr%22:%222001:db8::/32%22%7D%7D",
        "filter=%7B%22record%22:%7B%22path%22:%22source_ip%22,%22equals%22:%222001:db8::1%22%7D%7D",
    ] {
        assert_eq!(store.count(question), 3, "{question}");
    }
}

#[test]
fn only_a_date_at_the_end_of_an_index_is_cut() {
    let store = Reports::new();
    store.post("/_bulk", "application/x-ndjson", input("18/input"));
    for tenant in ["server-2016", "server-2019", "app-200"] {
        let count = store.0.get(&format!("/api/v1/count?tenant={tenant}"));
        assert_eq!(count["count"], 1, "{tenant}");
    }
}

#[test]
fn an_unreadable_amount_is_not_another_amount() {
    let store = Reports::new();
    assert_eq!(store.take("21/input"), (2, 0));
    for event in store.events() {
        assert_eq!(event.get("amount").unwrap_or(&Json::Null), &Json::Null, "{event}");
    }
    assert_eq!(store.take("21/input2"), (3, 2));
    assert_eq!(store.count("amount=100"), 2);
}

#[test]
fn a_walk_by_next_lists_every_trace_whatever_the_limit() {
    let store = Reports::new();
    let rule = TenantRule::new(None, Some("project_id")).expect("a path");
    let bytes = input("40/input");
    let (outcome, error) =
        store.0.engine().ingest_stream(bytes.as_slice(), None, &rule, "test", |_| ());
    assert!(error.is_none() && outcome.accepted == 9, "{outcome:?}");
    for limit in 1..=10 {
        let mut next = String::new();
        let mut times = Vec::new();
        loop {
            let page = store.0.get(&format!(
                "/v3/p/traces?limit={limit}&from=1793600000000&to=1793700000000{next}"
            ));
            times.extend(
                page["traces"]
                    .as_array()
                    .expect("a list")
                    .iter()
                    .map(|trace| trace["time"].clone()),
            );
            match page["meta_data"]["marker"].as_str() {
                Some(marker) => next = format!("&next={marker}"),
                None => break,
            }
            assert!(times.len() <= 9, "limit {limit}: {times:?}");
        }
        times.dedup();
        assert_eq!(times.len(), 9, "limit {limit}");
    }
}

#[test]
fn failure_and_operator_are_where_the_source_tells_them() {
    let store = Reports::new();
    assert_eq!(store.take("41/input"), (6, 0));
    assert_eq!(store.count("level=warning"), 3);
    for event in store.events() {
        let failed = ["a-", "c-", "e-"]
            .iter()
            .any(|start| event["trace_id"].as_str().is_some_and(|id| id.starts_with(start)));
        assert_eq!(event["level"] == "warning", failed, "{event}");
    }
    assert_eq!(store.count("operator=ann"), 6);
    let store = Reports::new();
    assert_eq!(store.take("42/input"), (2, 0));
    for person in ["00000000-aaaa-0000-0000-000000000001", "00000000-bbbb-0000-0000-000000000002"] {
        assert_eq!(store.count(&format!("operator={person}")), 1);
        assert_eq!(store.count(&format!("related_ids=user:{person}")), 1);
    }
}

#[test]
fn nothing_given_is_not_everything() {
    let store = Reports::new();
    assert_eq!(store.take("43/input"), (4, 0));
    for (question, named) in [
        ("filter=%7B%22operator%22:[]%7D", "filter.operator"),
        ("filter=%7B%22not%22:%7B%22operator%22:[]%7D%7D", "filter.not.operator"),
        ("filter=%7B%22record%22:[]%7D", "filter.record"),
        ("filter=%7B%22record%22:%7B%22path%22:%22a%22,%22equals%22:[]%7D%7D", "equals"),
        ("filter=%7B%22operator%22:%22ann%22,%22operator%22:%22bob%22%7D", "operator"),
        ("operator=", "operator"),
        ("operator.not=", "operator.not"),
        ("operator.prefix=", "operator.prefix"),
        ("level=", "level"),
        ("related_ids=", "related_ids"),
        ("trace_id=", "trace_id"),
        ("source_ip=", "source_ip"),
        ("amount=", "amount"),
        ("text=", "text"),
        ("substring=", "substring"),
        ("filter_type=event_name&filter_value=", "filter_value"),
        ("operator=%ff", "operator"),
        ("from=", "from"),
    ] {
        let path = format!("/api/v1/count?tenant=t&{question}");
        let request = Request::get(&path).body(Body::empty()).expect("a request");
        let (status, _, answer) = store.0.send(request);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert_eq!(status, 400, "{question}: {answer}");
        assert!(answer.contains(named), "{question}: {answer}");
    }
    let hold = json!({ "name": "h", "reason": "r", "operator": "" }).to_string();
    let request = Request::post("/api/v1/holds?tenant=t")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(hold))
        .expect("a request");
    let (status, _, answer) = store.0.send(request);
    assert!(status.is_client_error(), "{status}: {}", String::from_utf8_lossy(&answer));
}

#[test]
fn a_field_may_stand_dotted_and_nested() {
    let store = Reports::new();
    let answer = store.post("/es/t/_bulk", "application/x-ndjson", input("47/input"));
    assert_eq!(answer["errors"], false);
    assert_eq!(store.events().len(), 3);
    assert_eq!(store.count("level=incident"), 2);
    assert_eq!(store.count("resource_name=h1"), 1);
}

#[test]
fn bulk_may_have_a_type_in_its_path() {
    for path in ["/t/_doc/_bulk", "/es/t/app/_doc/_bulk", "/t/doc/_bulk"] {
        let store = Reports::new();
        let answer = store.post(path, "application/x-ndjson", input("48/input"));
        assert_eq!(answer["items"].as_array().map(Vec::len), Some(3), "{path}: {answer}");
        assert_eq!(store.count(""), 3, "{path}");
    }
    let store = Reports::new();
    for path in ["/t/_doc/_mget", "/t/_doc/_search", "/es/t/app/_doc/_count", "/t/_doc/_update"] {
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from("{}"))
            .expect("a request");
        let (status, _, answer) = store.0.send(request);
        assert!(status.is_client_error(), "{path}: {status} {}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(store.count(""), 0);
}

#[test]
fn a_list_in_a_cell_can_be_read_back() {
    let store = Reports::new();
    let lines: Vec<u8> = input("49/input")
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .flat_map(|line| [b"{\"index\":{}}\n", line, b"\n"].concat())
        .collect();
    store.post("/es/t/app/_bulk", "application/x-ndjson", lines);
    let request = Request::get("/api/v1/events.csv?tenant=t&columns=trace_id,related_ids")
        .body(Body::empty())
        .expect("a request");
    let (_, _, csv) = store.0.send(request);
    let mut read = csv::Reader::from_reader(csv.as_slice());
    let mut lists = 0;
    for row in read.records() {
        let row = row.expect("a row");
        let list: Vec<String> = serde_json::from_str(&row[1]).expect("a list");
        lists += 1;
        assert!(!list.iter().any(|id| id == "quota:Q-1" || id == "customer:C-9"), "{list:?}");
        if list.iter().any(|id| id.contains("AUTHORITY")) {
            assert!(list.contains(&"user:NT AUTHORITY\\SYSTEM".to_owned()), "{list:?}");
        }
    }
    assert_eq!(lists, 3);
}

fn ingest(data: &Path, what: &[&Path], more: &[&str]) -> Ran {
    let data = data.display().to_string();
    let what: Vec<String> = what.iter().map(|path| path.display().to_string()).collect();
    let mut words = vec!["ingest", "--data", &data, "--tenant", "t"];
    words.extend(more);
    words.extend(what.iter().map(String::as_str));
    annals(&words)
}

#[test]
fn a_folder_is_read_whole_or_what_is_passed_over_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let ran = ingest(&folder.path().join("d"), &[&path("12/input")], &[]);
    let said = ran.err.clone();
    let answer: Json = serde_json::from_str(&ran.ok()).expect("JSON");
    assert_eq!(answer["quarantined"], 0, "{said}");
    // All but the one that is packed in another way, which is named.
    assert_eq!(answer["files"], 7, "{said}");
    assert!(said.contains("audit.log.7.xz is passed over"), "{said}");
    let ran = ingest(&folder.path().join("e"), &[&path("12/input-noext")], &[]);
    let answer: Json = serde_json::from_str(&ran.ok()).expect("JSON");
    assert_eq!(answer["files"], 1);
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).expect("a folder");
    let ran = ingest(&folder.path().join("f"), &[&empty], &[]);
    assert!(ran.code != 0 && ran.err.contains("the folder is empty"), "{ran:?}");
}

#[test]
fn links_and_stores_below_a_folder_are_passed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let logs = folder.path().join("logs");
    fs::create_dir(&logs).expect("a folder");
    let record = r#"{"trace_id":"x1","time":"2026-11-02T08:00:00Z","event_name":"login"}"#;
    fs::write(logs.join("a.json"), record).expect("a file");
    std::os::unix::fs::symlink("..", logs.join("loop")).expect("a link");
    std::os::unix::fs::symlink("a.json", logs.join("b.json")).expect("a link");
    let data = logs.join("store");
    for round in 0..3 {
        let ran = ingest(&data, &[&logs], &[]);
        let said = ran.err.clone();
        let answer: Json = serde_json::from_str(&ran.ok()).expect("JSON");
        let expected = json!({ "accepted": u64::from(round == 0),
            "duplicates": u64::from(round > 0), "quarantined": 0, "files": 1, "failed": 0 });
        assert_eq!(answer, expected, "{said}");
    }
}

#[test]
fn a_file_of_nothing_but_broken_records_is_a_failure() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.log");
    fs::write(&file, "plain text\nmore of it\n").expect("a file");
    let ran = ingest(&folder.path().join("d"), &[&file], &[]);
    assert!(ran.code != 0 && ran.err.contains("--allow-quarantine"), "{ran:?}");
    ingest(&folder.path().join("e"), &[&file], &["--allow-quarantine"]).ok();
    let packed = folder.path().join("b.json");
    fs::write(&packed, b"PK\x03\x04 and more").expect("a file");
    let ran = ingest(&folder.path().join("f"), &[&packed], &[]);
    assert!(ran.code != 0 && ran.err.contains("a zip archive: unpack it first"), "{ran:?}");
    let name: std::ffi::OsString =
        std::os::unix::ffi::OsStringExt::from_vec(b"caf\xe9.json".to_vec());
    let odd = folder.path().join(name);
    fs::write(&odd, r#"{"time":"2026-11-02T08:00:00Z","event_name":"e"}"#).expect("a file");
    let ran = ingest(&folder.path().join("g"), &[folder.path()], &[]);
    assert!(ran.out.contains("\"accepted\":1"), "{ran:?}");
}

#[test]
fn an_export_writes_into_pipes_and_through_links() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, file) = (folder.path().join("d"), folder.path().join("a.json"));
    fs::write(&file, r#"{"time":"2026-11-02T08:00:00Z","event_name":"e"}"#).expect("a file");
    ingest(&data, &[&file], &[]).ok();
    let export = |out: &Path| {
        let (data, out) = (data.display().to_string(), out.display().to_string());
        annals(&["export", "--data", &data, "--tenant", "t", "-o", "ndjson", "--out", &out]).ok()
    };
    let target = folder.path().join("target.ndjson");
    let link = folder.path().join("link.ndjson");
    fs::write(&target, "old").expect("a file");
    std::os::unix::fs::symlink("target.ndjson", &link).expect("a link");
    export(&link);
    assert!(link.symlink_metadata().expect("it is there").is_symlink());
    assert!(fs::read_to_string(&target).expect("text").contains("\"e\""));
    assert!(export(Path::new("-")).contains("\"e\""));
    assert!(export(Path::new("/dev/stdout")).contains("\"e\""));
    export(Path::new("/dev/null"));
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
    assert!(made.success());
    let reading = pipe.clone();
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || fs::read_to_string(reading).expect("text"));
        export(&pipe);
        assert!(reader.join().expect("a reader").contains("\"e\""));
    });
}
