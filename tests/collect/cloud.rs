//! The stub of a cloud (`tests/python/cloud_stub.py`), and stores that read it.

use crate::support::process::annals;
use crate::support::python::skipped;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long something may take that must come.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// A cloud, which ends with this.
pub(super) struct Cloud {
    child: Child,
    pub(super) endpoint: String,
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = (self.child.kill(), self.child.wait());
    }
}

impl Cloud {
    /// Starts it; nothing where Python has not what it needs.
    pub(super) fn start(seed: u64) -> Option<Self> {
        let python = std::env::var("ANNALS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let there = Command::new(&python).args(["-c", "import huaweicloudsdkcts"]).output();
        if !there.is_ok_and(|output| output.status.success()) {
            skipped(&format!("{python} has no huaweicloudsdkcts"));
            return None;
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/cloud_stub.py");
        let mut child = Command::new(&python)
            .arg(script)
            .arg(seed.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python can be started");
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().expect("a pipe"));
        said.read_line(&mut line).expect("a port");
        Some(Self { child, endpoint: format!("http://127.0.0.1:{}", line.trim()) })
    }

    /// Has it do something; returns its answer.
    pub(super) fn order(&self, order: &Json) -> Json {
        send(&self.endpoint, "POST /_stub", &order.to_string())
    }

    /// The ids of all traces of a project.
    pub(super) fn ids(&self, project: &str) -> BTreeSet<String> {
        let answer = self.order(&json!({ "ids": project }));
        let ids = answer["ids"].as_array().expect("ids");
        ids.iter().map(|id| id.as_str().expect("an id").to_owned()).collect()
    }
}

/// A store with a seal key, and a file with the secret of the stub's key.
pub(super) struct Sealed {
    folder: tempfile::TempDir,
}

impl Sealed {
    pub(super) fn new() -> Self {
        let sealed = Self { folder: tempfile::tempdir().expect("a temporary directory") };
        let (data, seal) = (sealed.text("data"), sealed.text("seal.key"));
        annals(&["init", "--data", &data, "--seal-key-file", &seal]).ok();
        std::fs::write(sealed.folder.path().join("sk"), "SKTEST\n").expect("a file");
        sealed
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The path of a file beside the store.
    pub(super) fn text(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Adds a source that reads projects of a cloud.
    pub(super) fn add(&self, name: &str, endpoint: &str, since: &str, more: &[&str]) {
        let more = [&["--kind", "cts", "--tenant", "{project}"], more].concat();
        self.add_source(name, endpoint, since, &more);
    }

    /// Adds a source of any kind.
    pub(super) fn add_source(&self, name: &str, endpoint: &str, since: &str, more: &[&str]) {
        let (data, seal, secret) = (self.text("data"), self.text("seal.key"), self.text("sk"));
        let words = [
            "source",
            "add",
            name,
            "--data",
            &data,
            "--seal-key-file",
            &seal,
            "--endpoint",
            endpoint,
            "--access-key",
            "AKTEST",
            "--secret-key-file",
            &secret,
            "--since",
            since,
            "--calls-per-second",
            "0",
            "--every",
            "1s",
            "--settle",
            "1s",
        ];
        annals(&[&words, more].concat()).ok();
    }

    /// Reads all sources once.
    pub(super) fn collect(&self) -> crate::support::process::Ran {
        let (data, seal) = (self.text("data"), self.text("seal.key"));
        annals(&["collect", "--once", "--data", &data, "--seal-key-file", &seal])
    }

    /// The ids of all events of a tenant, each as often as it is there.
    pub(super) fn ids(&self, tenant: &str) -> Vec<String> {
        let id = |event: &Json| event["trace_id"].as_str().expect("an id").to_owned();
        self.events(tenant).iter().map(id).collect()
    }

    /// All events of a tenant.
    pub(super) fn events(&self, tenant: &str) -> Vec<Json> {
        let data = self.text("data");
        let words = ["export", "--data", &data, "--tenant", tenant, "-o", "ndjson"];
        let out = annals(&words).ok();
        out.lines().map(|line| serde_json::from_str(line).expect("an event")).collect()
    }
}

/// Sends a request, and returns the JSON of its answer.
pub(super) fn send(url: &str, call: &str, body: &str) -> Json {
    let answer = whole(url, call, body);
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    serde_json::from_str(body).expect("JSON")
}

/// Sends a request, and returns its answer.
fn whole(url: &str, call: &str, body: &str) -> String {
    let address = url.strip_prefix("http://").expect("an address");
    let mut stream = TcpStream::connect(address).expect("a server");
    let request = format!(
        "{call} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// The head of the answer to a `GET`.
pub(super) fn heads(url: &str, path: &str) -> String {
    let answer = whole(url, &format!("GET {path}"), "");
    answer.split_once("\r\n\r\n").expect("a head").0.to_ascii_lowercase()
}

/// Asks again and again until something holds.
pub(super) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what} does not come");
        std::thread::sleep(Duration::from_millis(100));
    }
}
