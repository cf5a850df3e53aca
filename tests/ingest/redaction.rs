//! Redaction through the real binary: no byte of a secret is on the disk, by any door, and equal
//! secrets are found together.

use crate::support::process::{Server, annals, annals_with_input};
use serde_json::Value as Json;
use std::path::Path;

const RULES: &str = r#"{"rules":[{"name":"passwords","paths":["**.password"]},{"name":"keys","detector":"access_key"}]}"#;
const SECRETS: [&str; 2] = ["correct-horse-battery", "AKIAIOSFODNN7EXAMPLE"];

fn records(from: u64) -> String {
    let [password, key] = SECRETS;
    let record = |number: u64, request: String| {
        format!(
            "{{\"trace_id\":\"r{number}\",\"trace_name\":\"n\",\"service_type\":\"IAM\",\"time\":{},\"request\":{request}}}\n",
            1_782_000_000_000 + number
        )
    };
    [
        record(from, format!("{{\"password\":\"{password}\",\"name\":\"ann\"}}")),
        record(from + 1, format!("\"{{\\\"password\\\":\\\"{password}\\\"}}\"")),
        record(from + 2, format!("{{\"text\":\"used {key} again\"}}")),
        // What goes to quarantine is redacted too.
        format!("{{\"password\":\"{password}\",\"closed\":\"wrongly\"]\n"),
        format!("no JSON: {key}\n"),
    ]
    .concat()
}

/// Every file below a folder, searched byte by byte.
fn holds_secret(folder: &Path) -> Option<std::path::PathBuf> {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()) {
        if entry.is_dir() {
            if let Some(found) = holds_secret(&entry) {
                return Some(found);
            }
        } else {
            let bytes = std::fs::read(&entry).expect("a file");
            if SECRETS
                .iter()
                .any(|secret| memchr::memmem::find(&bytes, secret.as_bytes()).is_some())
            {
                return Some(entry);
            }
        }
    }
    None
}

#[test]
fn no_secret_reaches_the_disk_and_equal_ones_are_found_together() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("data");
    let data = path.to_string_lossy().into_owned();
    annals_with_input(&["ingest", "--data", &data, "--tenant", "t", "-"], b"").ok();
    std::fs::write(path.join("redaction.json"), "{\"rules\":[{}]}").expect("wrong rules");
    annals(&["serve", "--data", &data, "--listen", "127.0.0.1:0"])
        .refused(1, &["redaction.json", "rules of redaction"]);
    std::fs::write(path.join("redaction.json"), RULES).expect("rules");

    let server = Server::start(&path);
    let sent = annals_with_input(
        &["ingest", "--url", &server.url, "--tenant", "t", "-"],
        records(0).as_bytes(),
    )
    .ok();
    assert!(sent.contains("\"accepted\":3") && sent.contains("\"quarantined\":2"), "{sent}");
    // Still in the log, killed before it is sealed.
    server.kill();
    drop(server);
    assert_eq!(holds_secret(&path), None, "in the log");
    let sent = annals_with_input(
        &["ingest", "--data", &data, "--tenant", "t", "-"],
        records(0).as_bytes(),
    )
    .ok();
    assert!(sent.contains("\"duplicates\":3"), "what was redacted is known again: {sent}");
    annals_with_input(&["ingest", "--data", &data, "--tenant", "t", "-"], records(10).as_bytes())
        .ok();
    annals(&["backup", "--data", &data, "--to", &folder.path().join("backup").to_string_lossy()])
        .ok();
    assert_eq!(holds_secret(folder.path()), None);

    let listed =
        annals(&["query", "--data", &data, "--all", "--original", "--text", "password"]).ok();
    let values: Vec<String> = listed
        .lines()
        .map(|line| {
            let event: Json = serde_json::from_str(line).expect("JSON");
            let original: Json =
                serde_json::from_str(event["original"].as_str().expect("a record")).expect("JSON");
            match &original["request"] {
                Json::String(inner) => {
                    serde_json::from_str::<Json>(inner).expect("JSON")["password"]
                        .as_str()
                        .expect("a text")
                        .to_owned()
                }
                request => request["password"].as_str().expect("a text").to_owned(),
            }
        })
        .collect();
    assert_eq!(values.len(), 4, "{listed}");
    assert!(
        values[0].starts_with("[redacted:passwords:")
            && values.iter().all(|value| *value == values[0]),
        "{values:?}"
    );
    let found = annals(&[
        "count",
        "--data",
        &data,
        "-o",
        "csv",
        "--text",
        &format!("request.password:\"{}\"", values[0]),
    ])
    .ok();
    assert_eq!(
        found, "count\r\n4\r\n",
        "equal secrets are found together, however they were written"
    );
    assert!(annals(&["check", "--data", &data]).ok().starts_with("sound"));
}

/// Sends a body to a door; the status of the answer and what it says.
fn post(url: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
    use std::io::{Read, Write};
    let address = url.strip_prefix("http://").expect("an address");
    let mut stream = std::net::TcpStream::connect(address).expect("the server listens");
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    let _ = stream.write_all(&[head.as_bytes(), b"\r\n", body].concat());
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    (answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default(), answer)
}

/// Deliveries in which the secret stands where the rules find it, in forms that a reader of
/// well-formed records would miss.
fn deliveries(secret: &str) -> Vec<(&'static str, String)> {
    const NATIVE: &str = "/api/v1/events?tenant=t";
    let quoted = |text: &str| serde_json::json!(text).to_string();
    let event = |members: String| {
        (NATIVE, format!("{{\"event_name\":\"e\",\"time\":1782000000000,{members}}}"))
    };
    let inner = format!("{{\"password\":\"{secret}\"");
    let base64 = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(format!("{inner}}}"))
    };
    vec![
        event(format!("\"note\":\"\\ud800\",\"request\":{inner}}}")),
        event(format!("\"request.password\":\"{secret}\"")),
        event(format!("\"request\":{{\"ｐａｓｓｗｏｒｄ\":\"{secret}\"}}")),
        event(format!("\"request\":{{\"password\":{{\"{secret}\":1}}}}")),
        event(format!("\"request\":{}", quoted(&format!("{inner},\"x\":\"\\ud800\"}}")))),
        event(format!("\"request\":{}", quoted(&inner))),
        event(format!("\"request\":{}", quoted(&format!("{inner}}} and more")))),
        event(format!("\"request\":{}", quoted(&quoted(&format!("{inner}}}"))))),
        event(format!("\"request\":\"user=a&password={secret}\"")),
        event(format!("\"params\":[{{\"name\":\"password\",\"value\":\"{secret}\"}}]")),
        (NATIVE, format!("{{\"event_name\":\"e\",\"request\":{inner}")),
        (NATIVE, format!("{{\"request\":{inner}}}}} trailing")),
        (NATIVE, format!("{{'request':{{'password':'{secret}'}}}}")),
        (NATIVE, format!("password={secret}")),
        // What is left of a document that is broken: its parts are records that have lost where
        // they stood.
        (NATIVE, format!("{{\"request\":{{\"user\":1,\n{{\"password\":\"{secret}\"}}\n")),
        (NATIVE, format!("{{\"event_name\":\"e\",\"time\":\"never\",\"request\":{inner}}}}}")),
        (
            "/es/t/_bulk",
            format!(
                "{{\"create\":{{\"_index\":\"a\"}}}}\n{{\"@timestamp\":\"2026-11-01T08:00:00Z\",\"request\":{inner}\n"
            ),
        ),
        ("/es/t/_bulk", format!("{inner}}}\n{inner}}}\n")),
        ("/es/t/_bulk", format!("{{\"create\":\"{secret}\"}}\n{inner}}}\n")),
        (
            "/otlp/t/v1/logs",
            format!(
                "{{\"resourceLogs\":[{{\"scopeLogs\":[{{\"logRecords\":[{{\"timeUnixNano\":\"1782000000000000000\",\"attributes\":[\
                 {{\"key\":\"db.password\",\"value\":{{\"stringValue\":\"{secret}\"}}}},{{\"key\":\"db.password\",\"value\":{{\"stringValue\":\"{secret}\"}}}},\
                 {{\"key\":\"m\",\"value\":{{\"kvlistValue\":{{\"values\":[{{\"key\":\"password\",\"value\":{{\"stringValue\":\"{secret}\"}}}}]}}}}}}]}}]}}]}}]}}"
            ),
        ),
        ("/otlp/t/v1/logs", quoted(secret)),
        (
            "/cloudevents/t",
            format!(
                "{{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\",\"data_base64\":\"{base64}\"}}"
            ),
        ),
    ]
}

#[test]
fn no_form_of_a_record_hides_a_secret_by_any_door() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (data, rules) = (folder.path().join("data"), folder.path().join("rules.json"));
    std::fs::write(&rules, RULES).expect("rules");
    let (shown, file) = (data.to_string_lossy().into_owned(), rules.to_string_lossy().into_owned());
    // Rules are there before the first record, and once.
    annals(&["init", "--data", &shown, "--redaction", &file]).ok();
    annals(&["init", "--data", &shown, "--redaction", &file])
        .refused(1, &["is a data directory already"]);
    let server = Server::start(&data);
    for (path, body) in deliveries(SECRETS[0]) {
        let kind = if path.contains("_bulk") { "application/x-ndjson" } else { "application/json" };
        let kind = if path.contains("cloudevents") { "application/cloudevents+json" } else { kind };
        let (status, answer) = post(&server.url, path, &[("content-type", kind)], body.as_bytes());
        assert!((200..500).contains(&status), "{body}\n{answer}");
        assert!(!answer.contains(SECRETS[0]), "{body}\n{answer}");
        assert_eq!(holds_secret(&data), None, "in the log or quarantine: {body}");
    }
    let utf16: Vec<u8> = format!("{{\"password\":\"{}\"}}", SECRETS[0])
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    post(&server.url, "/api/v1/events?tenant=t", &[("content-type", "application/json")], &utf16);
    server.stop();
    assert_eq!(holds_secret(&data), None, "in segments");
    let words = ["query", "--data", &shown, "--all", "--original", "-o", "ndjson"];
    let listed = annals(&words).ok();
    assert!(listed.lines().count() >= 12, "{listed}");
    assert!(!listed.contains(SECRETS[0]) && listed.contains("redacted:passwords:"), "{listed}");
    let kept: Vec<u8> = std::fs::read_dir(data.join("quarantine"))
        .expect("a folder")
        .flatten()
        .flat_map(|file| std::fs::read(file.path()).expect("a file"))
        .collect();
    assert!(
        memchr::memmem::find(&kept, "c\0o\0r\0r\0e\0c\0t".as_bytes()).is_none() && !kept.is_empty()
    );
}

#[test]
fn a_directory_that_holds_only_rules_becomes_a_store() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(folder.path().join("redaction.json"), RULES).expect("rules");
    let data = folder.path().to_string_lossy().into_owned();
    annals(&["count", "--data", &data]).refused(1, &["there is no data directory"]);
    annals_with_input(&["ingest", "--data", &data, "--tenant", "t", "-"], records(0).as_bytes())
        .ok();
    assert_eq!(holds_secret(folder.path()), None);
    let rules = folder.path().join("redaction.json");
    annals(&["init", "--data", &data, "--redaction", &rules.to_string_lossy()])
        .refused(1, &["is a data directory already"]);
    let wrong = folder.path().join("wrong.json");
    std::fs::write(&wrong, "{\"rules\":[{\"name\":\"x\"}]}").expect("rules");
    let new = folder.path().join("new").to_string_lossy().into_owned();
    annals(&["init", "--data", &new, "--redaction", &wrong.to_string_lossy()])
        .refused(1, &["wrong.json", "has no effect"]);
    assert!(!folder.path().join("new").exists(), "nothing is made of wrong rules");
}
