//! Questions have an end, and leave the server to others: deadlines, clients that leave, ids that
//! come without end.

use crate::support::process::{Server, annals_with_input};
use crate::support::store::{NOW, TestStore};
use annals::engine::Settings;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const SAME: usize = 300;

fn same_id() -> TestStore {
    let store = TestStore::new();
    let record = |number: usize| {
        let time = NOW - 10_000 + number as i64;
        json!({ "trace_id": "same", "trace_name": format!("n{number}"), "service_type": "S",
            "time": time, "event_type": "system" })
        .to_string()
    };
    let records: Vec<String> = (0..SAME).map(record).collect();
    // Some of them are in a segment, some in the buffer.
    store.ingest("t", &records[..SAME / 2]);
    let rest: Vec<Json> =
        records[SAME / 2..].iter().map(|text| serde_json::from_str(text).expect("JSON")).collect();
    let rest: Vec<Json> = rest
        .into_iter()
        .map(|mut record| {
            record["project_id"] = "t".into();
            record
        })
        .collect();
    store.buffer_from(&rest, "project_id");
    store
}

fn names(events: &Json) -> Vec<String> {
    let name = |event: &Json| event["event_name"].as_str().expect("a name").to_owned();
    events.as_array().expect("events").iter().map(name).collect()
}

#[test]
fn an_id_that_comes_without_end_is_given_in_pages() {
    let store = same_id();
    let one = store.get("/api/v1/events/same?tenant=t");
    assert_eq!(one["event_name"], format!("n{}", SAME - 1), "the newest");
    let mut seen = vec![one["event_name"].as_str().expect("a name").to_owned()];
    seen.extend(names(&one["others"]));
    assert_eq!(seen.len(), 51);
    let mut cursor = one["others_cursor"].as_str().map(str::to_owned);
    while let Some(at) = cursor {
        let page =
            store.get(&format!("/api/v1/events?tenant=t&trace_id=same&limit=100&cursor={at}"));
        seen.extend(names(&page["events"]));
        cursor = page["next_cursor"].as_str().map(str::to_owned);
    }
    assert_eq!(
        (seen.len(), seen.iter().collect::<BTreeSet<_>>().len()),
        (SAME, SAME),
        "each of them once"
    );
}

#[test]
fn the_facade_of_cts_gives_of_such_an_id_what_a_page_holds() {
    let store = same_id();
    let answer = store.get("/v3/t/traces?trace_id=same");
    assert_eq!(answer["traces"].as_array().map(Vec::len), Some(200));
    let after = store.get(&format!("/v3/t/traces?next=same&from={}&to={NOW}", NOW - 1_000_000));
    assert_eq!(after["traces"].as_array().map(Vec::len), Some(0), "it goes on after the oldest");
}

#[test]
fn a_page_of_large_records_ends_early_and_the_next_goes_on() {
    let store = TestStore::new();
    let record = |number: usize| {
        let time = NOW - 10_000 + number as i64;
        json!({ "trace_id": format!("l{number}"), "trace_name": "n", "service_type": "S",
            "time": time, "request": "x".repeat(1_000_000) })
        .to_string()
    };
    store.ingest("t", &(0..40).map(record).collect::<Vec<String>>());
    let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = store.get(&format!("/api/v1/events?tenant=t&limit=1000{cursor}"));
        let ids = page["events"]
            .as_array()
            .expect("events")
            .iter()
            .map(|event| event["trace_id"].as_str().expect("an id").to_owned());
        seen.extend(ids);
        pages += 1;
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, (0..40).rev().map(|number| format!("l{number}")).collect::<Vec<_>>());
    assert!(pages > 1, "40 megabytes are more than a page has");
}

#[test]
fn a_question_that_takes_too_long_says_so_and_what_to_do() {
    let mut store = same_id();
    store.reopen_with(Settings {
        question_time: Duration::ZERO,
        compact: false,
        ..Settings::default()
    });
    for path in [
        "/api/v1/count?tenant=t&source=S",
        "/api/v1/events?tenant=*",
        "/api/v1/events/same?tenant=t",
        "/api/v1/top?tenant=t&field=source",
    ] {
        let problem =
            store.refused(Request::get(path).body(Body::empty()).expect("a request"), 504);
        assert!(
            problem["detail"].as_str().is_some_and(|detail| detail.contains("narrow its period")),
            "{path}: {problem}"
        );
    }
    let (status, _, body) =
        store.send(Request::get("/v3/t/traces").body(Body::empty()).expect("a request"));
    assert_eq!(status.as_u16(), 504, "{}", String::from_utf8_lossy(&body));
    // Exports take the time they need.
    let (status, _, body) = store.send(
        Request::get("/api/v1/events.ndjson?tenant=t").body(Body::empty()).expect("a request"),
    );
    assert_eq!((status.as_u16(), body.iter().filter(|byte| **byte == b'\n').count()), (200, SAME));
}

/// Seconds of processor time that a process has used.
fn processor_time(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("a process");
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| fields[place].parse::<f64>().expect("a number");
    (ticks(11) + ticks(12)) / 100.0
}

fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.url.trim_start_matches("http://")).expect("a connection")
}

/// The status of a request that is answered within a while.
fn asked(server: &Server, method: &str, path: &str, body: &str) -> String {
    let mut stream = connect(server);
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: \
        application/x-ndjson\r\n"
    );
    write!(stream, "{head}Content-Length: {length}\r\n\r\n{body}").expect("a request");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .unwrap_or_else(|error| panic!("{method} {path} is not answered: {error}"));
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn heavy_questions_leave_the_server_to_others_and_stop_when_their_clients_leave() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let data = folder.path().join("data");
    let shown = data.display().to_string();
    let made = ["generate", "--events", "20000", "--seed", "7", "--end", "2026-06-30T00:00:00Z"];
    let records = crate::support::process::annals(&made).ok();
    annals_with_input(&["ingest", "--data", &shown, "--tenant", "t", "-"], records.as_bytes()).ok();
    let server = Server::start(&data);
    let mut asking = Vec::new();
    for number in 0..80 {
        let regex = format!(
            "%7B%22record%22:%7B%22regex%22:%22.*(a%7Ce%7Ci)%5Ba-z0-9-%5D%2B{number}.*y$%22%7D%7D"
        );
        let mut stream = connect(&server);
        write!(
            stream,
            "GET /api/v1/count?tenant=t&filter={regex} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        )
        .expect("a request");
        asking.push(stream);
    }
    // While all of these are asked, others are answered.
    for number in 0..3 {
        assert_eq!(asked(&server, "GET", "/api/v1/events?tenant=t&limit=50", ""), "200");
        assert_eq!(asked(&server, "GET", "/api/v1/facets?tenant=t&fields=source,level", ""), "200");
        let event = format!(
            r#"{{"trace_id":"new{number}","trace_name":"n","service_type":"S","time":1772323200000}}"#
        );
        assert_eq!(asked(&server, "POST", "/api/v1/events?tenant=t", &event), "200");
    }
    assert!(processor_time(server.id()) > 0.0);
    drop(asking);
    let (left, mut before) = (Instant::now(), processor_time(server.id()));
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let now = processor_time(server.id());
        if now - before < 0.2 {
            break;
        }
        assert!(left.elapsed() < Duration::from_secs(30), "it works on though nobody waits for it");
        before = now;
    }
    server.stop();
}
