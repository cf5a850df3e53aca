//! Attacks over the wire on the real binary, by clients with a credential and without: bombs, slow
//! bodies, heads that are read in two ways, and secrets where they do not belong.

use crate::support::process::{Server, annals};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::{Value as Json, json};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// More than any wait of the server; a wait that has no end fails here.
const PATIENCE: Duration = Duration::from_secs(100);
/// What is counted of requests at most: 448 MiB of the first large one, and 256 of all others; and
/// an eighth for what is small, and what the allocator has not given back yet.
const MEMORY: u64 = ((448 + 256) * 9 / 8) << 20;
/// The doors, with the type of what they take.
const DOORS: &[(&str, &str)] = &[
    ("/api/v1/events?tenant=t", "application/x-ndjson"),
    ("/es/t/_bulk", "application/x-ndjson"),
    ("/es/t/i/_doc/1", "application/json"),
    ("/otlp/t/v1/logs", "application/x-protobuf"),
    ("/otlp/t/v1/logs", "application/json"),
    ("/cloudevents/t", "application/cloudevents+json"),
    ("/k8s/audit/t", "application/json"),
];

/// A server with credentials, with a token for each of some roles.
struct Attacked {
    folder: tempfile::TempDir,
    server: Server,
    producer: String,
    auditor: String,
    auditor_of_trail: String,
}

/// An answer: its status (0 if the connection just ended) and all of it.
#[derive(Debug)]
struct Reply {
    status: u16,
    text: String,
}

impl Attacked {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let data = folder.path().join("data");
        let place = ["--data", data.to_str().expect("text")];
        annals(&[&["init"], &place[..]].concat()).ok();
        let token = |name: &str, role: &str, tenant: &[&str]| {
            let create = ["principal", "create", name, "--role", role];
            annals(&[&create[..], tenant, &place].concat()).ok();
            let said = annals(&[&["token", "create", name], &place[..]].concat()).ok();
            said.split_whitespace().last().expect("a token").to_owned()
        };
        let of_t = ["--tenant", "t"];
        let producer = token("shipper", "ingest", &of_t);
        let auditor = token("auditor", "auditor", &of_t);
        let auditor_of_trail = token("trail", "audit_administrator", &[]);
        let server = Server::start_guarded_with(&data, flags);
        Self { folder, server, producer, auditor, auditor_of_trail }
    }

    fn address(&self) -> &str {
        self.server.url.strip_prefix("http://").expect("a plain URL")
    }

    fn sent(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address()).expect("connections are taken");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        // The server may refuse before it has read everything.
        let _ = stream.write_all(bytes);
        stream
    }

    /// Sends a head without its end, and a body with its length.
    fn ask(&self, head: &str, body: &[u8]) -> Reply {
        let length = body.len();
        let head = format!(
            "{head}Host: localhost\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        reply(self.sent(&[head.as_bytes(), body].concat()))
    }

    fn get(&self, token: &str, path: &str) -> Reply {
        self.ask(&format!("GET {path} HTTP/1.1\r\nAuthorization: Bearer {token}\r\n"), b"")
    }

    fn count(&self) -> Json {
        let answer = self.get(&self.auditor, "/api/v1/count?tenant=t");
        let (_, body) = answer.text.split_once("\r\n\r\n").expect("an answer");
        serde_json::from_str(body).expect("JSON")
    }

    /// Delivers one event, which must succeed at once.
    fn deliver(&self, id: &str) {
        let record = json!({ "trace_id": id, "event_name": "n", "source": "s",
            "time": "2026-06-01T00:00:00Z" });
        let began = Instant::now();
        let head = post("/api/v1/events", "application/json", Some(&self.producer));
        let answer = self.ask(&head, record.to_string().as_bytes());
        assert!(answer.text.contains("\"accepted\":1"), "{answer:?}");
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    }

    /// The most memory that the server has had, in bytes.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server.id()));
        let status = status.expect("the state of a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kib << 10
    }
}

fn post(path: &str, kind: &str, token: Option<&str>) -> String {
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    format!("POST {path} HTTP/1.1\r\nContent-Type: {kind}\r\n{}", token.unwrap_or_default())
}

/// Everything until the server closes.
fn reply(mut stream: TcpStream) -> Reply {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the connection is kept: {error}"),
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    Reply { status: status.and_then(|status| status.parse().ok()).unwrap_or_default(), text }
}

/// Bodies of a few kilobytes that would be a gigabyte, each with its coding.
fn bombs() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let zeros = vec![0; 16 << 20];
    let packed = |mut writer: GzEncoder<Vec<u8>>| {
        writer.write_all(&zeros).expect("memory");
        writer.finish().expect("memory")
    };
    let member = packed(GzEncoder::new(Vec::new(), Compression::best()));
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(&zeros).expect("memory");
    let frame = zstd::encode_all(zeros.as_slice(), 1).expect("memory");
    // A frame that asks for a window of 2 GiB, with one block of repeated zeros.
    let window = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x03, 0x00, 0x10, 0x00].to_vec();
    let mut twice = GzEncoder::new(Vec::new(), Compression::fast());
    twice.write_all(&member).expect("memory");
    vec![
        ("a member", "gzip", member.clone()),
        ("64 members", "gzip", member.repeat(64)),
        ("deflate", "deflate", zlib.finish().expect("memory")),
        ("64 frames", "zstd", frame.repeat(64)),
        ("a window of 2 GiB", "zstd", window),
        ("two codings", "gzip, gzip", twice.finish().expect("memory")),
        ("a coding of no use", "br", vec![0; 1_000]),
    ]
}

#[test]
fn a_body_that_grows_when_it_is_unpacked_is_refused_before_it_fills_the_memory() {
    let attacked = Attacked::new();
    attacked.deliver("before");
    let before = attacked.memory();
    for (path, kind) in DOORS {
        for (what, coding, body) in bombs() {
            let coding = format!("Content-Encoding: {coding}\r\n");
            let began = Instant::now();
            let head = post(path, kind, Some(&attacked.producer)) + &coding;
            let known = attacked.ask(&head, &body).status;
            assert!([400, 413, 415].contains(&known), "{path} {what}: {known}");
            let unknown = attacked.ask(&(post(path, kind, None) + &coding), &body).status;
            assert_eq!(unknown, 401, "{path} {what}");
            assert!(began.elapsed() < Duration::from_secs(30), "{path} {what}");
        }
        attacked.deliver(&format!("after {path} {kind}"));
    }
    // Many at once share what requests may need in memory.
    let (_, coding, body) = bombs().swap_remove(1);
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                let head = post("/es/t/_bulk", "application/x-ndjson", Some(&attacked.producer));
                let head = format!("{head}Content-Encoding: {coding}\r\n");
                let status = attacked.ask(&head, &body).status;
                assert!([413, 503].contains(&status), "{status}");
            });
        }
    });
    attacked.deliver("at last");
    let grown = attacked.memory().saturating_sub(before);
    assert!(grown < MEMORY, "the server has taken {} MiB", grown >> 20);
    attacked.server.stop();
}

#[test]
fn a_slow_body_ends_and_holds_up_nobody_with_a_credential_and_without() {
    let attacked = Attacked::new();
    let announced = |token| {
        let head = post("/api/v1/events", "application/json", token);
        attacked
            .sent(format!("{head}Host: localhost\r\nContent-Length: 60000000\r\n\r\n{{").as_bytes())
    };
    let began = Instant::now();
    // Without a credential nobody waits for a body.
    for stream in (0..20).map(|_| announced(None)).collect::<Vec<_>>() {
        assert_eq!(reply(stream).status, 401);
    }
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    let known: Vec<TcpStream> =
        (0..100).map(|_| announced(Some(attacked.producer.as_str()))).collect();
    let mut drops = announced(Some(&attacked.producer));
    for number in 0..5 {
        attacked.deliver(&format!("beside {number}"));
    }
    for stream in known {
        assert_eq!(reply(stream).status, 408);
    }
    // One letter now and then is too slow as well.
    while began.elapsed() < PATIENCE && drops.write_all(b" ").is_ok() {
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(began.elapsed() < PATIENCE, "a letter now and then is enough");
    assert_eq!(attacked.count(), json!({ "count": 5 }));
    attacked.server.stop();
}

#[test]
fn a_head_that_can_be_read_in_two_ways_or_is_without_end_is_refused() {
    let attacked = Attacked::new();
    let token = &attacked.producer;
    let record =
        r#"{"trace_id":"smuggled","event_name":"n","source":"s","time":"2026-06-01T00:00:00Z"}"#;
    let inner = format!(
        "POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
        Content-Length: {}\r\n\r\n{record}",
        record.len()
    );
    let chunked = format!("0\r\n\r\n{inner}");
    let length = chunked.len();
    let heads = [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
        format!("Content-Length: {length}\r\nContent-Length: 5\r\n"),
        format!("Content-Length: {length}, 5\r\n"),
        format!("Content-Length: +{length}\r\n"),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".to_owned(),
        "Transfer-Encoding: chunked, identity\r\n".to_owned(),
        "Transfer-Encoding: \u{b}chunked\r\n".to_owned(),
        "Transfer-Encoding : chunked\r\n".to_owned(),
        "X: a\r\n Transfer-Encoding: chunked\r\n".to_owned(),
        "Content-Length: 0\rContent-Length: 5\r\n".to_owned(),
    ];
    // Somebody else in front has let the first request pass, without a credential: whatever is
    // read as the second must not be answered as one of its own.
    for head in heads {
        let text =
            format!("POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\n{head}\r\n{chunked}");
        let answer = reply(attacked.sent(text.as_bytes()));
        assert!(answer.status == 0 || (400..500).contains(&answer.status), "{head}: {answer:?}");
        assert!(!answer.text.contains("\"accepted\":1"), "{head}: {answer:?}");
    }
    assert_eq!(attacked.count(), json!({ "count": 0 }));

    let many: String = (0..100_000).map(|number| format!("X-{number}: a\r\n")).collect();
    let long = format!("X: {}\r\n", "a".repeat(8 << 20));
    for head in [many, long] {
        let text = format!("GET /api/v1/me HTTP/1.1\r\nHost: localhost\r\n{head}\r\n");
        let status = reply(attacked.sent(text.as_bytes())).status;
        assert!([0, 400, 431].contains(&status), "{status}");
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(8 << 20));
    let status = reply(attacked.sent(long.as_bytes())).status;
    assert!([0, 400, 414, 431].contains(&status), "{status}");
    attacked.deliver("after");
    attacked.server.stop();
}

/// HTTP/2 is not spoken, so none of its floods are: neither with prior knowledge nor as an upgrade.
/// (Over TLS it is not offered: `tests/clients/tls.rs`.)
#[test]
fn http_2_is_not_spoken() {
    let attacked = Attacked::new();
    let mut flood = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    flood.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    // Streams that are opened and reset, and frames without data.
    for stream in (1_u32..4_000).step_by(2) {
        flood.extend([0, 0, 1, 1, 4]);
        flood.extend(stream.to_be_bytes());
        flood.push(0x82);
        flood.extend([0, 0, 4, 3, 0]);
        flood.extend(stream.to_be_bytes());
        flood.extend([0, 0, 0, 8, 0, 0, 0, 0, 0]);
        flood.extend(stream.to_be_bytes());
    }
    let answer = reply(attacked.sent(&flood));
    assert!([0, 400, 505].contains(&answer.status), "{answer:?}");
    let upgrade = format!(
        "GET /api/v1/me HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nConnection: \
        Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
        attacked.auditor
    );
    let answer = reply(attacked.sent(upgrade.as_bytes()));
    assert_eq!(answer.status, 200, "{answer:?}");
    attacked.deliver("after");
    attacked.server.stop();
}

/// Whether a text has a control character other than the end of a line.
fn is_plain(text: &str) -> bool {
    text.chars().all(|letter| letter == '\n' || !letter.is_control())
}

#[test]
fn hostile_text_is_one_line_in_every_output() {
    let attacked = Attacked::new();
    let hostile = "a\r\n{\"event\":\"fake\"}\u{1b}[2J\u{9b}31m\u{0}\u{85}\u{2028}\u{2029}b";
    let mut record = json!({ "time": "2026-06-01T00:00:00Z" });
    for field in ["trace_id", "event_name", "source", "operator", "resource_name", "code"] {
        record[field] = hostile.into();
    }
    record["request"] = json!({ hostile: hostile });
    let head = post("/api/v1/events", "application/json", Some(&attacked.producer));
    let answer = attacked.ask(&head, record.to_string().as_bytes());
    assert!(answer.text.contains("\"accepted\":1"), "{answer:?}");
    assert_eq!(attacked.count(), json!({ "count": 1 }));

    let exported =
        attacked.get(&attacked.auditor, "/api/v1/events.ndjson?columns=event_name,original").text;
    let (_, body) = exported.split_once("\r\n\r\n").expect("an answer");
    let lines: Vec<&str> = body.split('\n').filter(|line| line.starts_with('{')).collect();
    assert_eq!(lines.len(), 1, "{body}");
    let event: Json = serde_json::from_str(lines[0]).expect("JSON");
    assert_eq!(event["event_name"], hostile);

    // Calls that say hostile things, good and bad.
    let quoted: String = url::form_urlencoded::byte_serialize(hostile.as_bytes()).collect();
    for path in [
        format!("/api/v1/events/{quoted}"),
        format!("/api/v1/count?event_name={quoted}"),
        format!("/api/v1/count?{quoted}={quoted}"),
        format!("/{quoted}"),
        format!("/api/v1/count?tenant={quoted}"),
    ] {
        for id in ["ok-1", "a\u{9b}31m", "x y\tz"] {
            let token = format!("Authorization: Bearer {}\r\n", attacked.auditor);
            let head = format!("GET {path} HTTP/1.1\r\nX-Request-Id: {id}\r\n{token}");
            let answer = attacked.ask(&head, b"");
            let (head, _) = answer.text.split_once("\r\n\r\n").expect("an answer");
            assert!(is_plain(&head.replace('\r', "")), "{head:?}");
            assert_eq!(head.contains("ok-1"), id == "ok-1", "{head}");
        }
    }
    for (token, words) in [
        (&attacked.auditor, &["query", "-o", "table"][..]),
        (&attacked.auditor, &["query", "-o", "ndjson"]),
        (&attacked.auditor, &["facets", "--fields", "operator,source", "-o", "table"]),
        (&attacked.auditor_of_trail, &["query", "--tenant", "_annals", "-o", "table"]),
        (&attacked.auditor_of_trail, &["query", "--tenant", "_annals", "-o", "ndjson"]),
    ] {
        let place = ["--url", &attacked.server.url, "--token", token];
        let said = annals(&[words, &place].concat()).ok();
        // In JSON what is above ASCII stands as it is.
        let is_json = words.contains(&"ndjson");
        let steers = |letter: &char| *letter != '\n' && letter.is_control();
        let steers = said.chars().find(|letter| steers(letter) && (letter.is_ascii() || !is_json));
        assert_eq!(steers, None, "{words:?}: {said:?}");
        let lines = said.lines().filter(|line| line.contains("fake")).count();
        assert!(lines <= 1 || words.contains(&"facets") || words.contains(&"_annals"), "{said}");
        assert!(!said.is_empty());
    }
    let log = attacked.server.stop();
    assert!(is_plain(&log), "{log:?}");
    let forged = |line: &str| line.trim_start().starts_with("{\"event\":\"fake\"");
    assert!(!log.lines().any(forged), "{log:?}");
}

/// Whether any file below a folder has a text.
pub(super) fn is_on_disk(folder: &Path, text: &str) -> Option<String> {
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap_or_default();
            if memchr::memmem::find(&bytes, text.as_bytes()).is_some() {
                return Some(path.display().to_string());
            }
        }
    }
    None
}

#[test]
fn a_secret_that_is_sent_in_any_place_is_in_no_log_file_or_answer() {
    let attacked = Attacked::new();
    let token = attacked.auditor.clone();
    let secret = token.split('_').nth(2).expect("a secret").to_owned();
    let encoded = STANDARD.encode(format!("auditor:{token}"));
    let wrong = STANDARD.encode(format!("somebody:{token}"));
    // Where it belongs, and where people put it by mistake.
    let heads = [
        format!("GET /api/v1/count HTTP/1.1\r\nAuthorization: Bearer {token}\r\n"),
        format!("GET /api/v1/count HTTP/1.1\r\nAuthorization: Basic {encoded}\r\n"),
        format!("GET /api/v1/count HTTP/1.1\r\nAuthorization: Basic {wrong}\r\n"),
        format!("GET /api/v1/count HTTP/1.1\r\nAuthorization: {token}\r\n"),
        format!("GET /api/v1/count HTTP/1.1\r\nAuthorization: Bearer {token}x\r\n"),
        format!("GET /api/v1/count HTTP/1.1\r\nX-Auth-Token: {token}\r\nCookie: a={token}\r\n"),
        format!("GET /api/v1/principals HTTP/1.1\r\nAuthorization: Bearer {token}\r\n"),
        format!("GET /api/v1/count?token={token} HTTP/1.1\r\n"),
        format!("GET /api/v1/count?token={token} HTTP/1.1\r\nAuthorization: Bearer {token}\r\n"),
        format!("GET /api/v1/events?text={token} HTTP/1.1\r\nAuthorization: Bearer {token}\r\n"),
        format!("GET /api/v1/events/{token} HTTP/1.1\r\nAuthorization: Bearer {token}\r\n"),
        format!("GET /api/v1/me?access_token={token} HTTP/1.1\r\nX-Request-Id: {token}\r\n"),
        format!("GET /auth/login?next=/{token} HTTP/1.1\r\n"),
        format!("GET /{token} HTTP/1.1\r\n"),
        format!("POST /{token}/_bulk HTTP/1.1\r\n"),
    ];
    for head in &heads {
        let answer = attacked.ask(head, b"");
        // A client gets its own request id back.
        let (head, body) = answer.text.split_once("\r\n\r\n").expect("an answer");
        let told = head.lines().filter(|line| !line.starts_with("x-request-id"));
        assert!(!told.collect::<String>().contains(&secret), "{head}");
        // It is told which event there is not.
        assert!(!body.contains(&secret) || body.starts_with("{\"detail\":\"no event"), "{body}");
    }
    let login = "POST /auth/login HTTP/1.1\r\nOrigin: http://localhost\r\nContent-Type: \
                application/json\r\n";
    for sent in [json!({ "token": token }), json!({ "token": format!("{token}x") })] {
        let answer = attacked.ask(login, sent.to_string().as_bytes());
        assert!(!answer.text.contains(&secret), "{answer:?}");
    }
    let trail = attacked.get(
        &attacked.auditor_of_trail,
        "/api/v1/events.ndjson?tenant=_annals&columns=event_name,original",
    );
    assert!(trail.text.contains("askQuestion") && !trail.text.contains(&secret), "{}", trail.text);
    assert!(trail.text.contains("_…_"), "what was asked is told without it: {}", trail.text);
    // Nor would it be in a dump of the process's memory: there is none.
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", attacked.server.id()));
    let limits = limits.expect("the limits of a process");
    let of_core = limits.lines().find(|line| line.starts_with("Max core file size"));
    let of_core: Vec<&str> = of_core.expect("a limit").split_whitespace().collect();
    assert_eq!(of_core[4..6], ["0", "0"]);
    let data = attacked.folder.path().join("data");
    let log = attacked.server.stop();
    assert!(!log.contains(&secret), "{log}");
    assert_eq!(is_on_disk(&data, &secret), None);
    // Had it been written, it would have been found.
    assert!(is_on_disk(&data, "askQuestion").is_some());
}
