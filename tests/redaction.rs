//! Redaction through the real binary: no byte of a secret is on the disk, by any door, and equal secrets are found together.

use crate::process::{Server, annals, annals_with_input};
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
        format!("{{\"password\":\"{password}\",\"of\":\"no known format\"}}\n"),
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
            if SECRETS.iter().any(|secret| memchr::memmem::find(&bytes, secret.as_bytes()).is_some()) {
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
    annals(&["serve", "--data", &data, "--listen", "127.0.0.1:0"]).refused(1, &["redaction.json", "rules of redaction"]);
    std::fs::write(path.join("redaction.json"), RULES).expect("rules");

    let server = Server::start(&path);
    let sent = annals_with_input(&["ingest", "--url", &server.url, "--tenant", "t", "-"], records(0).as_bytes()).ok();
    assert!(sent.contains("\"accepted\":3") && sent.contains("\"quarantined\":2"), "{sent}");
    // Still in the log, killed before it is sealed.
    server.kill();
    drop(server);
    assert_eq!(holds_secret(&path), None, "in the log");
    let sent = annals_with_input(&["ingest", "--data", &data, "--tenant", "t", "-"], records(0).as_bytes()).ok();
    assert!(sent.contains("\"duplicates\":3"), "what was redacted is known again: {sent}");
    annals_with_input(&["ingest", "--data", &data, "--tenant", "t", "-"], records(10).as_bytes()).ok();
    annals(&["backup", "--data", &data, "--to", &folder.path().join("backup").to_string_lossy()]).ok();
    assert_eq!(holds_secret(folder.path()), None);

    let listed = annals(&["query", "--data", &data, "--all", "--original", "--text", "password"]).ok();
    let values: Vec<String> = listed
        .lines()
        .map(|line| {
            let event: Json = serde_json::from_str(line).expect("JSON");
            let original: Json = serde_json::from_str(event["original"].as_str().expect("a record")).expect("JSON");
            match &original["request"] {
                Json::String(inner) => serde_json::from_str::<Json>(inner).expect("JSON")["password"].as_str().expect("a text").to_owned(),
                request => request["password"].as_str().expect("a text").to_owned(),
            }
        })
        .collect();
    assert_eq!(values.len(), 4, "{listed}");
    assert!(values[0].starts_with("[redacted:passwords:") && values.iter().all(|value| *value == values[0]), "{values:?}");
    let found = annals(&["count", "--data", &data, "-o", "csv", "--text", &format!("request.password:\"{}\"", values[0])]).ok();
    assert_eq!(found, "count\r\n4\r\n", "equal secrets are found together, however they were written");
    assert!(annals(&["check", "--data", &data]).ok().starts_with("sound"));
}
