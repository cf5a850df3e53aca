//! The edges of HTTP, on the real binary: whoever sends half, reads nothing or announces much harms
//! nobody else, and stopping ends.

use crate::support::process::Server;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// More than any wait of the server; a wait that has no end fails here.
const PATIENCE: Duration = Duration::from_secs(100);

fn address(server: &Server) -> &str {
    server.url.strip_prefix("http://").expect("a plain URL")
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(address(server)).expect("connections are taken");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// A connection on which this was sent.
fn sent(server: &Server, text: &str) -> TcpStream {
    let mut stream = connect(server);
    stream.write_all(text.as_bytes()).expect("it is taken");
    stream
}

/// Everything until the server closes.
fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the connection is kept: {error}"),
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn post_head(length: usize) -> String {
    format!(
        "POST /api/v1/events?tenant=t HTTP/1.1\r\nHost: localhost\r\nContent-Length: \
        {length}\r\n\r\n"
    )
}

/// Sends one event and returns the answer.
fn post_one(server: &Server, id: &str) -> String {
    let record = format!(r#"{{"trace_id":"{id}","trace_name":"n","time":1772323200000}}"#);
    let head = post_head(record.len()).replacen("\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1);
    rest(sent(server, &(head + &record)))
}

#[test]
fn what_is_announced_and_does_not_come_holds_nothing() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(folder.path());
    let chunked = "POST /api/v1/events?tenant=t HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: \
                  chunked\r\n\r\n";
    let mut idle: Vec<TcpStream> =
        (0..17).map(|_| sent(&server, &(post_head(64 << 20) + "{"))).collect();
    idle.extend((0..16).map(|_| sent(&server, chunked)));
    for number in 0..5 {
        let answer = post_one(&server, &format!("a{number}"));
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains("\"accepted\":1"),
            "{answer}"
        );
    }
    // They are told in the end, with a problem that says why.
    for stream in idle {
        let answer = rest(stream);
        assert!(
            answer.starts_with("HTTP/1.1 408") && answer.contains("application/problem+json"),
            "{answer}"
        );
    }
    server.stop();
}

#[test]
fn half_a_head_ends_and_a_burst_of_connections_is_taken() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(folder.path());
    let half: Vec<TcpStream> =
        (0..5).map(|_| sent(&server, "GET /livez HTTP/1.1\r\nHost: local")).collect();
    let burst: Vec<TcpStream> = (0..500).map(|_| connect(&server)).collect();
    let asked: Vec<TcpStream> = burst
        .into_iter()
        .map(|mut stream| {
            stream
                .write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                .expect("it is taken");
            stream
        })
        .collect();
    for stream in asked {
        let answer = rest(stream);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    for stream in half {
        rest(stream);
    }
    server.stop();
}

#[test]
fn a_connection_too_many_is_refused_in_http() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start_with(folder.path(), &["--connections", "3"]);
    let open: Vec<TcpStream> =
        (0..3).map(|_| sent(&server, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")).collect();
    for mut stream in &open {
        let mut start = [0; 12];
        stream.read_exact(&mut start).expect("an answer");
        assert_eq!(&start, b"HTTP/1.1 200");
    }
    let refused = rest(connect(&server)).to_lowercase();
    assert!(
        refused.starts_with("http/1.1 503")
            && refused.contains("retry-after: ")
            && refused.contains("\"status\":503"),
        "{refused}"
    );
    drop(open);
    let started = Instant::now();
    while !post_one(&server, "later").starts_with("HTTP/1.1 200") {
        assert!(started.elapsed() < PATIENCE, "those that left are still counted");
        std::thread::sleep(Duration::from_millis(50));
    }
    server.stop();
}

#[test]
fn a_refusal_reaches_a_client_that_sends_everything_first() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(folder.path());
    let length = (64 << 20) + 1;
    for head in [
        post_head(length),
        post_head(length).replace("Host: localhost", "Host: evil.example"),
        post_head(length).replace("events", "x"),
    ] {
        let mut stream = sent(&server, &head);
        let piece = vec![b' '; 1 << 20];
        for _ in 0..64 {
            stream.write_all(&piece).expect("it is read to its end");
        }
        stream.write_all(b" ").expect("it is read to its end");
        let mut start = [0; 10];
        stream.read_exact(&mut start).expect("an answer");
        assert_eq!(&start, b"HTTP/1.1 4", "{head}");
    }
    server.stop();
}

#[test]
fn pages_of_other_sites_and_other_hosts_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(folder.path());
    let host = address(&server).to_owned();
    let record = r#"{"trace_name":"n","time":1772323200000}"#;
    let ask = |method: &str, path: &str, host: &str, headers: &str| {
        let body = if method == "POST" { record } else { "" };
        let length = body.len();
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: \
            close\r\n{headers}\r\n{body}"
        );
        rest(sent(&server, &text)).split(' ').nth(1).unwrap_or_default().to_owned()
    };
    let own = format!("Origin: http://{host}\r\n");
    for (host, expected) in [
        (host.as_str(), "200"),
        ("[::1]", "200"),
        ("[::1]evil.example", "403"),
        ("localhost:x@evil", "403"),
    ] {
        assert_eq!(ask("GET", "/livez", host, ""), expected, "{host}");
    }
    let count = "/api/v1/count?tenant=*";
    for (headers, expected) in [
        (
            "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n",
            "403",
        ),
        ("Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n", "403"),
        (
            "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: \
            document\r\n",
            "403",
        ),
        ("Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n", "200"),
        ("Origin: http://127.0.0.1:1\r\n", "403"),
        (own.as_str(), "200"),
        ("", "200"),
    ] {
        assert_eq!(ask("GET", count, &host, headers), expected, "{headers}");
    }
    let events = "/api/v1/events?tenant=t";
    for (kind, from_page, program) in [
        ("application/json", "200", "200"),
        ("application/x-ndjson", "200", "200"),
        ("text/plain", "415", "200"),
        ("application/x-www-form-urlencoded", "415", "200"),
    ] {
        let kind = format!("Content-Type: {kind}\r\n");
        assert_eq!(ask("POST", events, &host, &format!("{own}{kind}")), from_page, "{kind}");
        assert_eq!(ask("POST", events, &host, &kind), program, "{kind}");
    }
    server.stop();
}

#[test]
fn stopping_ends_whatever_clients_do() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start_with(folder.path(), &["--drain", "3"]);
    let padding = "x".repeat(4_000);
    let records: String = (0..5_000)
        .map(|number| format!("{{\"trace_id\":\"e{number}\",\"trace_name\":\"n\",\"time\":1772323200000,\"request\":\"{padding}\"}}\n"))
        .collect();
    let head = post_head(records.len()).replacen("\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1);
    let answer = rest(sent(&server, &(head + &records)));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(sent(&server, "GET /livez HTTP/1.1\r\nHost: local"));
        open.push(sent(&server, &(post_head(100) + "{")));
        open.push(sent(
            &server,
            "GET /api/v1/events.ndjson?tenant=t HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ));
        open.push(sent(&server, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        open.push(connect(&server));
    }
    // The exports have begun, and nobody reads on.
    for stream in open.iter_mut().skip(2).step_by(5) {
        stream.read_exact(&mut [0; 12]).expect("an answer");
    }
    let started = Instant::now();
    server.stop();
    // The drain and the last seal; without an end it would wait for ever.
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    drop(open);
    let count = crate::support::process::annals(&[
        "count",
        "--data",
        &folder.path().to_string_lossy(),
        "-o",
        "json",
    ]);
    assert_eq!(count.ok().trim(), "{\"count\":5000}");
}
