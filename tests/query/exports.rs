//! Exports: every event that matches in every form, never cut short in silence, in memory that does
//! not grow.

use crate::support::process::{Server, annals};
use crate::support::store::TestStore;
use annals::api::router;
use annals::decode::decode;
use annals::event::{Event, Field};
use annals::generate::{Generator, Plan};
use axum::body::{Body, Bytes};
use axum::http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value as Json, json};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::BufReader;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt;

/// Whether an event is among those asked for.
type Wanted = fn(&Event) -> bool;

/// A store of generated events and two that are awkward in CSV.
fn store() -> TestStore {
    let store = TestStore::new();
    let mut generator =
        Generator::new(&Plan { events: 3_000, tenants: 3, days: 4, ..Plan::default() });
    let mut records = Vec::new();
    let mut record = String::new();
    while generator.next_record(&mut record) {
        records.push(serde_json::from_str::<Json>(&record).expect("generated records are JSON"));
        record.clear();
    }
    store.ingest_from(&records, "project_id");
    let awkward = |id: &str, name: &str| {
        json!({ "trace_id": id, "trace_name": "n",
        "resource_name": name, "service_type": "S", "trace_rating": "warning",
        "time": 1_772_323_200_000_i64 })
    };
    store.ingest(
        "odd",
        &[
            awkward("o1", "=HYPERLINK(\"x\"),\r\n第二行 \"q\"").to_string(),
            awkward("o2", "plain").to_string(),
        ],
    );
    store
}

fn ask(store: &TestStore, path: &str) -> Response<Body> {
    let request =
        Request::get(path).header("te", "trailers").body(Body::empty()).expect("a request");
    store
        .runtime
        .block_on(router(Arc::clone(store.engine())).oneshot(request))
        .expect("the router answers")
}

/// A whole export: its bytes, and what its trailers say of rows.
fn export(store: &TestStore, path: &str) -> (Bytes, u64) {
    let response = ask(store, path);
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    assert!(response.headers().contains_key("trailer"), "trailers are announced");
    let body = store.runtime.block_on(response.into_body().collect()).expect("a whole body");
    let trailers = body.trailers().expect("trailers").clone();
    assert_eq!(trailers["x-annals-complete"], "true");
    let rows = trailers["x-annals-rows"].to_str().expect("a number").parse().expect("a number");
    (body.to_bytes(), rows)
}

fn csv_rows(bytes: &[u8]) -> (Vec<String>, Vec<Vec<String>>) {
    let mut reader = csv::Reader::from_reader(bytes);
    let cells = |record: &csv::StringRecord| record.iter().map(str::to_owned).collect::<Vec<_>>();
    let header = cells(reader.headers().expect("a header"));
    (header, reader.records().map(|record| cells(&record.expect("RFC 4180"))).collect())
}

#[test]
fn every_form_holds_every_event_that_matches_in_order() {
    let store = store();
    let everything = store.everything();
    let ids = |wanted: Wanted| {
        everything
            .iter()
            .filter(|event| wanted(event))
            .map(|event| event.trace_id().to_owned())
            .collect::<Vec<_>>()
    };
    let cases: [(&str, Wanted); 3] = [
        ("tenant=*", |_| true),
        ("tenant=*&source=ECS", |event| event.text(Field::Source) == Some("ECS")),
        ("tenant=*&source=nothing", |_| false),
    ];
    for (question, wanted) in cases {
        let expected = ids(wanted);
        let (bytes, rows) = export(&store, &format!("/api/v1/events.csv?{question}"));
        let (header, cells) = csv_rows(&bytes);
        let at = header.iter().position(|name| name == "trace_id").expect("a column");
        assert_eq!(rows as usize, expected.len(), "{question}");
        assert_eq!(
            cells.iter().map(|row| row[at].clone()).collect::<Vec<_>>(),
            expected,
            "csv {question}"
        );

        let (bytes, rows) =
            export(&store, &format!("/api/v1/events.ndjson?{question}&closing=true&order=asc"));
        let mut lines: Vec<Json> = String::from_utf8(bytes.to_vec())
            .expect("UTF-8")
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        let closing = lines.pop().expect("a closing record");
        assert_eq!(closing, json!({ "annals_export": { "complete": true, "rows": rows } }));
        let found: Vec<&str> =
            lines.iter().rev().map(|line| line["trace_id"].as_str().expect("an id")).collect();
        assert_eq!(found, expected, "ndjson {question}");

        let (bytes, rows) = export(
            &store,
            &format!("/api/v1/events.parquet?{question}&columns=trace_id,time,amount"),
        );
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).expect("a Parquet file");
        assert_eq!(
            reader.schema().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(),
            ["trace_id", "time", "amount"]
        );
        let found: usize =
            reader.build().expect("a reader").map(|batch| batch.expect("rows").num_rows()).sum();
        assert_eq!((found, rows as usize), (expected.len(), expected.len()), "parquet {question}");
    }
}

#[test]
fn rows_read_by_column_are_those_decoded_from_records() {
    let store = store();
    let names: Vec<&str> = annals::event::FIELDS
        .iter()
        .map(|def| def.field.name())
        .filter(|name| *name != "original")
        .collect();
    for question in ["tenant=*", "tenant=*&order=asc", "tenant=*&level=warning"] {
        // Without the record, large runs are read by column; with it, every event is decoded from
        // it.
        let (without, rows) =
            export(&store, &format!("/api/v1/events.csv?{question}&columns={}", names.join(",")));
        let (with, same) = export(
            &store,
            &format!("/api/v1/events.csv?{question}&columns={},original", names.join(",")),
        );
        assert_eq!(rows, same, "{question}");
        let (header, mut cells) = csv_rows(&with);
        assert_eq!(header.last().map(String::as_str), Some("original"));
        cells.iter_mut().for_each(|row| {
            assert!(row.pop().is_some_and(|record| record.starts_with('{')), "the record")
        });
        assert_eq!(csv_rows(&without).1, cells, "{question}");
    }
}

#[test]
fn csv_is_safe_in_spreadsheets_and_speaks_the_readers_language() {
    let store = store();
    let (bytes, _) = export(
        &store,
        "/api/v1/events.csv?tenant=odd&columns=trace_id,resource_name,time,level&labels=zh&bom=true&time_zone=Asia/Shanghai",
    );
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).expect("a byte order mark");
    let (header, rows) = csv_rows(text);
    assert_eq!(header[0], "事件ID");
    let odd = rows.iter().find(|row| row[0] == "o1").expect("the odd event");
    assert_eq!(odd[1], "'=HYPERLINK(\"x\"),\r\n第二行 \"q\"");
    assert_eq!(odd[2], "2026-03-01T08:00:00.000+08:00");
    let (bytes, _) =
        export(&store, "/api/v1/events.csv?tenant=odd&columns=resource_name&formulas=raw");
    assert!(csv_rows(&bytes).1.iter().any(|row| row[0].starts_with("=HYPERLINK")));
    let (bytes, _) = export(&store, "/api/v1/events.csv?tenant=odd");
    assert!(
        !csv_rows(&bytes).0.iter().any(|name| name == "original"),
        "records are not in a CSV unless asked for"
    );
}

#[test]
fn ids_of_digits_survive_a_spreadsheet_if_asked() {
    let store = TestStore::new();
    let ids = ["1234567890123456789", "000123", "1E5", "ecs-1", "42"];
    let record = |id: &&str| {
        json!({ "trace_id": id, "event_name": "e", "time": 1_772_323_200_000_i64,
            "amount": "1234567890123.5" })
        .to_string()
    };
    store.ingest("t", &ids.iter().map(record).collect::<Vec<_>>());
    for (digits, expected) in [
        ("plain", ids.map(str::to_owned)),
        (
            "text",
            ids.map(|id| {
                if matches!(id, "ecs-1" | "42") { id.to_owned() } else { format!("=\"{id}\"") }
            }),
        ),
    ] {
        let path = format!("/api/v1/events.csv?tenant=t&columns=trace_id,amount&digits={digits}");
        let (bytes, _) = export(&store, &path);
        let mut rows: Vec<Vec<String>> = csv_rows(&bytes).1;
        rows.sort();
        let mut expected = expected.to_vec();
        expected.sort();
        assert_eq!(rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>(), expected);
        assert!(rows.iter().all(|row| row[1].starts_with("1234567890123.5")), "{rows:?}");
    }
}

#[test]
fn wrong_choices_are_refused_by_name_before_anything_is_sent() {
    let store = store();
    for (path, parameter) in [
        ("events.csv?tenant=t&labels=klingon", "labels"),
        ("events.csv?tenant=t&columns=trace_id,nonsense", "columns"),
        ("events.csv?tenant=t&time_zone=Mars/Olympus", "time_zone"),
        ("events.csv?tenant=t&closing=true", "closing"),
        ("events.ndjson?tenant=t&bom=true", "bom"),
        ("events.parquet?tenant=t&time_zone=Asia/Shanghai", "time_zone"),
        ("events.csv?tenant=t&formulas=maybe", "formulas"),
        ("events.csv?tenant=t&digits=maybe", "digits"),
        ("events.ndjson?tenant=t&digits=text", "digits"),
        ("events.csv?tenant=t&limit=5", "limit"),
        ("events.csv", "tenant"),
    ] {
        let response = ask(&store, &format!("/api/v1/{path}"));
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{path}");
        let body =
            store.runtime.block_on(response.into_body().collect()).expect("a body").to_bytes();
        assert_eq!(
            serde_json::from_slice::<Json>(&body).expect("a problem")["parameter"],
            parameter,
            "{path}"
        );
    }
}

#[test]
fn an_export_that_fails_half_way_is_not_taken_for_a_whole_one() {
    let mut store = store();
    let files = |store: &TestStore| {
        let mut files: Vec<_> = glob(&store.path().join("events"));
        files.sort();
        files
    };
    let oldest = files(&store).remove(0);
    store.reopen();
    let mut bytes = std::fs::read(&oldest).expect("a Parquet file");
    for byte in bytes.iter_mut().skip(200).step_by(97) {
        *byte ^= 0x55;
    }
    std::fs::write(&oldest, bytes).expect("damage");
    for form in ["csv", "ndjson", "parquet"] {
        let response = ask(&store, &format!("/api/v1/events.{form}?tenant=*"));
        assert_eq!(response.status(), StatusCode::OK, "the damage is met after the answer began");
        let body = store.runtime.block_on(response.into_body().collect());
        assert!(body.is_err(), "{form}: the body breaks off instead of ending");
    }
    let data = store.path();
    store.close();
    let out = data.with_file_name("out.csv");
    let ran =
        annals(&["export", "--data", &data.to_string_lossy(), "--out", &out.to_string_lossy()]);
    assert!(ran.code != 0 && !out.exists() && ran.err.contains("annals: "), "{ran:?}");
    let server = Server::start(&data);
    let ran =
        annals(&["export", "--url", &server.url, "--tenant", "*", "--out", &out.to_string_lossy()]);
    assert!(ran.code != 0 && !out.exists() && ran.err.contains("incomplete"), "{ran:?}");
}

/// Every Parquet file of a table.
fn glob(table: &Path) -> Vec<std::path::PathBuf> {
    let folders = std::fs::read_dir(table)
        .expect("the table")
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("date="));
    folders
        .flat_map(|folder| {
            std::fs::read_dir(folder.path())
                .expect("a partition")
                .flatten()
                .map(|entry| entry.path())
        })
        .collect()
}

/// Rows of the large export.
const MANY: u64 = 1_000_000;
/// Memory that a process may take beyond what it had when a tenth was exported, in KiB.
const GROWTH_KIB: u64 = 96 << 10;

/// What a row of the large export is known by, whatever its order.
fn fingerprint(cells: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    cells.hash(&mut hasher);
    hasher.finish()
}

/// The highest memory of its own that a process takes until `done`, in KiB: mapped files are the
/// page cache's.
fn watch(process: u32, mut done: impl FnMut() -> bool) -> u64 {
    let mut most = 0;
    loop {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let now = status.lines().find_map(|line| {
            line.strip_prefix("RssAnon:")?.trim().strip_suffix(" kB")?.parse().ok()
        });
        most = most.max(now.unwrap_or(0));
        if done() {
            return most;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn start(words: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_annals"));
    command
        .args(words)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts")
}

fn ended(child: &mut Child) -> bool {
    child.try_wait().expect("a child").is_some_and(|status| {
        assert!(status.success(), "{status}");
        true
    })
}

/// What must come out, from the records themselves: the sum of the rows' fingerprints, and how many
/// rows the smaller export has.
fn expected_of_many() -> (u64, u64) {
    let mut generator = Generator::new(&Plan { events: MANY, ..Plan::default() });
    let (mut expected, mut tenth) = (0_u64, 0);
    let mut record = String::new();
    while generator.next_record(&mut record) {
        let event = decode(&record, None).expect("a generated record decodes");
        let text = |field| event.text(field).unwrap_or_default().to_owned();
        let cells = [
            text(Field::TraceId),
            event.time.to_string(),
            text(Field::EventName),
            text(Field::ResourceId),
            text(Field::Operator),
        ];
        expected = expected.wrapping_add(fingerprint(&cells.each_ref().map(String::as_str)));
        tenth += u64::from(text(Field::Level) == "warning");
        record.clear();
    }
    (expected, tenth)
}

fn memory_can_be_measured() -> bool {
    let can = Path::new("/proc/self/status").exists();
    if !can {
        #[allow(clippy::print_stderr, reason = "a skipped test must say so")]
        {
            eprintln!("SKIPPED: memory is measured by /proc, which is not here");
        }
    }
    can
}

#[test]
fn a_million_rows_come_out_exactly_and_in_constant_memory() {
    if !memory_can_be_measured() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary directory");
    let data = folder.path().join("data").to_string_lossy().into_owned();
    let out = folder.path().join("out.csv").to_string_lossy().into_owned();
    let mut generate =
        start(&["generate", "--events", &MANY.to_string(), "--end", "2026-06-30T00:00:00Z"]);
    let records = generate.stdout.take().expect("a pipe");
    let ingest = Command::new(env!("CARGO_BIN_EXE_annals"))
        .args(["ingest", "--data", &data, "--tenant-from", "project_id", "-"])
        .stdin(records)
        .output()
        .expect("the binary starts");
    assert!(ingest.status.success() && generate.wait().expect("it ends").success(), "{ingest:?}");

    let (expected, tenth) = expected_of_many();
    assert!(tenth > MANY / 50, "the smaller export is large enough to be compared with");

    let fields = "trace_id,time,event_name,resource_id,operator,original";
    let columns = ["--columns", fields, "--formulas", "raw", "--out", &out];
    let run = |words: &[&str], watched: Option<u32>| {
        let mut child = start(&[words, &columns].concat());
        let most = watch(watched.unwrap_or(child.id()), || ended(&mut child));
        let mut reader = csv::Reader::from_reader(BufReader::with_capacity(
            1 << 20,
            std::fs::File::open(&out).expect("the export"),
        ));
        let (mut rows, mut sum, mut last) = (0_u64, 0_u64, String::from("9"));
        let mut row = csv::StringRecord::new();
        while reader.read_record(&mut row).expect("RFC 4180") {
            sum = sum.wrapping_add(fingerprint(&row.iter().take(5).collect::<Vec<_>>()));
            assert!(&row[1] <= last.as_str(), "newest first");
            row[1].clone_into(&mut last);
            rows += 1;
        }
        (rows, sum, most)
    };
    let small = run(&["export", "--data", &data, "--level", "warning"], None);
    let large = run(&["export", "--data", &data], None);
    assert_eq!((small.0, large.0, large.1), (tenth, MANY, expected));
    assert!(
        large.2 < small.2 + GROWTH_KIB,
        "{} KiB for {tenth} rows, {} KiB for {MANY}",
        small.2,
        large.2
    );

    let server = Server::start(Path::new(&data));
    let remote = ["export", "--url", &server.url, "--tenant", "*"];
    let small = run(&[&remote[..], &["--level", "warning"]].concat(), Some(server.id()));
    let large = run(&remote, Some(server.id()));
    assert_eq!((small.0, large.0, large.1), (tenth, MANY, expected));
    assert!(
        large.2 < small.2 + GROWTH_KIB,
        "{} KiB for {tenth} rows, {} KiB for {MANY}",
        small.2,
        large.2
    );
    let size = std::fs::metadata(&out).expect("the export").len();
    #[allow(clippy::print_stderr, reason = "what was measured")]
    {
        eprintln!(
            "{MANY} rows, {} MiB: the server took {} MiB, and {} MiB for {tenth} rows",
            size >> 20,
            large.2 >> 10,
            small.2 >> 10
        );
    }
}
