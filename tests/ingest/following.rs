//! `annals ingest --follow` as its users run it: files that grow, are renamed, cut off and packed,
//! and a follower that is killed. Also the folders that clouds deliver.

use crate::support::process::{Server, annals};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value as Json, json};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn line(id: u32) -> String {
    json!({ "event_name": "e", "trace_id": format!("id-{id}"),
        "time": 1_782_000_000_000_i64 + i64::from(id), "text": "日志" })
    .to_string()
        + "\n"
}

fn append(path: &Path, text: &str) {
    append_bytes(path, text.as_bytes());
}

fn append_bytes(path: &Path, bytes: &[u8]) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).expect("a file");
    file.write_all(bytes).expect("the disk takes it");
}

struct Follower(Child);

impl Follower {
    fn start(words: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_annals"));
        command
            .args(["ingest", "--tenant", "t", "--follow"])
            .args(words)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(command.spawn().expect("the binary starts"))
    }

    fn kill(mut self) {
        self.0.kill().expect("it runs");
        self.0.wait().expect("it ends");
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn counted(url: &str) -> u64 {
    let answer: Json =
        serde_json::from_str(&annals(&["count", "--url", url, "--tenant", "t", "-o", "json"]).ok())
            .expect("JSON");
    answer["count"].as_u64().expect("a count")
}

fn wait_for(url: &str, count: u64, what: &str) {
    let begun = Instant::now();
    while counted(url) < count {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}: {} of {count}", counted(url));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(counted(url), count, "{what}");
}

#[test]
fn files_are_followed_through_rotation_and_restarts() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(&folder.path().join("data"));
    let logs = folder.path().join("logs");
    fs::create_dir(&logs).expect("a folder");
    let log = logs.join("audit.log");
    let state = folder.path().join("state.json");
    let pattern = format!("{}/audit.log*", logs.display());
    let words =
        ["--url", &server.url, "--state", &state.to_string_lossy(), &pattern].map(str::to_owned);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let follower = Follower::start(&words);

    append(&log, &(0..10).map(line).collect::<String>());
    wait_for(&server.url, 10, "what was written after the start");
    // A line counts when it has its end.
    let (half, rest) = (line(10)[..32].to_owned(), line(10)[32..].to_owned());
    append(&log, &half);
    std::thread::sleep(Duration::from_millis(1_200));
    assert_eq!(counted(&server.url), 10);
    append(&log, &(rest + &line(11)));
    wait_for(&server.url, 12, "a line in two parts");

    // Renamed, written to by who still has it open, and a new one in its place.
    let mut open = OpenOptions::new().append(true).open(&log).expect("the log");
    fs::rename(&log, logs.join("audit.log.1")).expect("it is renamed");
    append(&log, &line(13));
    open.write_all(line(12).as_bytes()).expect("the disk takes it");
    wait_for(&server.url, 14, "after a rotation");
    // Copied and cut off.
    fs::copy(&log, logs.join("audit.log.2")).expect("it is copied");
    File::create(&log).expect("it is cut off");
    append(&log, &(14..16).map(line).collect::<String>());
    wait_for(&server.url, 16, "after it was cut off");
    // Renamed to where nobody looks, while the follower has it.
    append(&log, &line(16));
    let mut open = OpenOptions::new().append(true).open(&log).expect("the log");
    fs::rename(&log, folder.path().join("away")).expect("it is renamed");
    wait_for(&server.url, 17, "what was written before it went away");
    // Who writes to it has not noticed yet.
    std::thread::sleep(Duration::from_millis(1_500));
    open.write_all(line(17).as_bytes()).expect("the disk takes it");
    wait_for(&server.url, 18, "what was written after it went away");

    // Killed, and started again: it goes on where it was.
    append(&log, &(18..30).map(line).collect::<String>());
    wait_for(&server.url, 30, "before it is killed");
    follower.kill();
    append(&log, &(30..35).map(line).collect::<String>());
    fs::rename(&log, logs.join("audit.log.3")).expect("it is renamed");
    append(&log, &(35..40).map(line).collect::<String>());
    let read: Json = serde_json::from_slice(&fs::read(&state).expect("a state")).expect("JSON");
    assert!(read["files"].as_array().is_some_and(|files| {
        files.iter().any(|file| file["offset"].as_u64().is_some_and(|offset| offset > 0))
    }));
    let follower = Follower::start(&words);
    wait_for(&server.url, 40, "what was written while it was away");

    // A packed file is read once, when it is whole.
    let mut packed = GzEncoder::new(
        File::create(logs.join("audit.log.4.gz")).expect("a file"),
        Compression::fast(),
    );
    packed.write_all((38..45).map(line).collect::<String>().as_bytes()).expect("the disk takes it");
    packed.finish().expect("the disk takes it");
    wait_for(&server.url, 45, "a packed file");
    // One that is cut off gives what is whole, and the rest when it has it.
    let mut whole = GzEncoder::new(Vec::new(), Compression::fast());
    whole.write_all(line(46).as_bytes()).expect("memory");
    let whole = whole.finish().expect("memory");
    let cut = logs.join("audit.log.5.gz");
    append_bytes(&cut, &whole[..whole.len() / 2]);
    std::thread::sleep(Duration::from_millis(2_500));
    append_bytes(&cut, &whole[whole.len() / 2..]);
    wait_for(&server.url, 46, "a packed file that was cut off");
    // What is no record goes to quarantine, and following goes on.
    append(&log, &("nonsense\n".to_owned() + &line(45)));
    wait_for(&server.url, 47, "after nonsense");
    follower.kill();
    server.stop();
}

#[test]
fn a_server_that_is_away_is_waited_for() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (data, log) = (folder.path().join("data"), folder.path().join("a.log"));
    let state = folder.path().join("state.json").to_string_lossy().into_owned();
    let server = Server::start(&data);
    let address = server.url.trim_start_matches("http://").to_owned();
    let follower =
        Follower::start(&["--url", &server.url, "--state", &state, &log.to_string_lossy()]);
    append(&log, &line(0));
    wait_for(&server.url, 1, "the first line");
    drop(server);
    append(&log, &line(1));
    std::thread::sleep(Duration::from_millis(1_500));
    let again = Command::new(env!("CARGO_BIN_EXE_annals"))
        .args(["serve", "--auth", "none", "--listen", &address, "--data"])
        .arg(&data)
        .stderr(Stdio::null())
        .spawn()
        .map(Follower)
        .expect("the binary starts");
    let begun = Instant::now();
    let url = format!("http://{address}");
    while annals(&["count", "--url", &url, "--tenant", "t"]).code != 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "the server does not come back");
        std::thread::sleep(Duration::from_millis(50));
    }
    wait_for(&url, 2, "what was written while the server was away");
    follower.kill();
    drop(again);
}

#[test]
fn a_data_directory_is_followed_into_too() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (data, log) = (folder.path().join("data"), folder.path().join("a.log"));
    append(&log, &(0..5).map(line).collect::<String>());
    let follower = Follower::start(&["--data", &data.to_string_lossy(), &log.to_string_lossy()]);
    let begun = Instant::now();
    while !data.join("follow.json").exists() {
        assert!(begun.elapsed() < Duration::from_secs(30), "nothing was read");
        std::thread::sleep(Duration::from_millis(50));
    }
    follower.kill();
    let count =
        annals(&["count", "--data", &data.to_string_lossy(), "--tenant", "t", "-o", "json"]).ok();
    assert_eq!(count, "{\"count\":5}\n");
    annals(&["ingest", "--data", &data.to_string_lossy(), "--tenant", "t", "--follow", "-"])
        .refused(2, &["--follow"]);
}

fn pack(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let mut packed = GzEncoder::new(File::create(path).expect("a file"), Compression::fast());
    packed.write_all(text.as_bytes()).expect("the disk takes it");
    packed.finish().expect("the disk takes it");
}

#[test]
fn what_clouds_deliver_to_buckets_is_taken_in_as_a_folder() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (bucket, data) =
        (folder.path().join("bucket"), folder.path().join("data").to_string_lossy().into_owned());
    let event = |id: &str, account: &str| {
        json!({ "eventVersion": "1.08", "eventID": id, "eventName": "RunInstances",
            "eventSource": "ec2.amazonaws.com", "eventTime": "2026-03-01T00:00:00Z",
                "recipientAccountId": account })
    };
    let trail = "AWSLogs/o-1/111122223333/CloudTrail/eu-west-1/2026/03/01/111122223333_CloudTrail_eu-west-1_20260301T0005Z_abcdefghijklmnop.json.gz";
    pack(
        &bucket.join(trail),
        &json!({ "Records": [event("1", "111122223333"), event("2", "111122223333")] }).to_string(),
    );
    // Delivered at least once: the same file again under another name.
    pack(
        &bucket.join(trail.replace("abcdefgh", "ABCDEFGH")),
        &json!({ "Records": [event("2", "111122223333"), event("3", "444455556666")] }).to_string(),
    );
    let digest = "AWSLogs/o-1/111122223333/CloudTrail-Digest/eu-west-1/2026/03/01/111122223333_CloudTrail-Digest_eu-west-1_trail_eu-west-1_20260301T010000Z.json.gz";
    pack(
        &bucket.join(digest),
        &json!({ "awsAccountId": "111122223333", "logFiles": [] }).to_string(),
    );
    let aws = bucket.join("AWSLogs").to_string_lossy().into_owned();
    let taken =
        annals(&["ingest", "--data", &data, "--tenant-from", "recipientAccountId", &aws]).ok();
    let taken: Json = serde_json::from_str(&taken).expect("JSON");
    assert_eq!(
        (&taken["accepted"], &taken["duplicates"], &taken["quarantined"], &taken["files"]),
        (&json!(3), &json!(1), &json!(0), &json!(2))
    );

    let trace = |id: &str| {
        json!({ "trace_id": id, "trace_name": "createServer",
        "service_type": "ECS", "resource_type": "ecs", "time": 1_772_323_200_000_i64,
        "project_id": "p" })
    };
    let traces = "CloudTraces/cn-north-4/2026/3/1/system/ECS/file_CloudTrace_cn-north-4_2026-03-01T00-05-00Z_0123456789abcdef.json.gz";
    pack(&bucket.join(traces), &json!([trace("a"), trace("b")]).to_string());
    let plain =
        bucket.join("CloudTraces/cn-north-4/2026/3/1/system/file_CloudTrace_cn-north-4-p_2026-03-01T00-10-00Z_0123456789abcdef.json");
    fs::write(&plain, json!({ "traces": [trace("b"), trace("c")] }).to_string()).expect("a file");
    pack(
        &bucket.join("CloudTraces/cn-north-4/2026/3/1/system/Digest/ECS/file_CloudTrace-Digest_cn-north-4_2026-03-01T01-00-00Z.json.gz"),
        &json!({ "project_id": "p", "log_files": [] }).to_string(),
    );
    let obs = bucket.join("CloudTraces").to_string_lossy().into_owned();
    let taken: Json = serde_json::from_str(
        &annals(&["ingest", "--data", &data, "--tenant-from", "project_id", &obs]).ok(),
    )
    .expect("JSON");
    assert_eq!(
        (&taken["accepted"], &taken["duplicates"], &taken["quarantined"], &taken["files"]),
        (&json!(3), &json!(1), &json!(0), &json!(2))
    );
    assert_eq!(
        annals(&["count", "--data", &data, "--tenant", "p", "--source", "ECS", "-o", "json"]).ok(),
        "{\"count\":3}\n"
    );
}

/// A server that takes bodies up to a length, and keeps what it took.
fn small_server(limit: usize) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let taken: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&taken);
    #[allow(clippy::disallowed_methods, reason = "it ends with the process")]
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = Vec::new();
            let mut bytes = [0; 65_536];
            let body = loop {
                let read = stream.read(&mut bytes).unwrap_or_default();
                request.extend_from_slice(&bytes[..read]);
                let head = request.windows(4).position(|end| end == b"\r\n\r\n");
                if let Some(head) = head {
                    let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
                    let length = text.lines().find_map(|line| {
                        line.strip_prefix("content-length:")?.trim().parse::<usize>().ok()
                    });
                    if request.len() >= head + 4 + length.unwrap_or_default() {
                        break request.split_off(head + 4);
                    }
                }
                if read == 0 {
                    break Vec::new();
                }
            };
            let lines: Vec<String> =
                String::from_utf8_lossy(&body).lines().map(str::to_owned).collect();
            let (status, answer) = if body.len() > limit {
                ("413 Payload Too Large", json!({ "detail": "the body is too large" }))
            } else {
                ("200 OK", json!({ "accepted": lines.len(), "duplicates": 0, "quarantined": [] }))
            };
            if status.starts_with("200") {
                kept.lock().expect("nobody panicked").extend(lines);
            }
            let answer = answer.to_string();
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}",
                answer.len()
            );
        }
    });
    (url, taken)
}

#[test]
fn what_is_too_large_for_a_request_is_sent_in_parts_and_what_is_too_large_by_itself_passed_over() {
    let (url, taken) = small_server(1_000);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let log = folder.path().join("audit.log");
    let state = folder.path().join("state.json");
    let long = |id: u32, length: usize| line(id).replace("日志", &"x".repeat(length));
    append(
        &log,
        &((0..40).map(line).collect::<String>()
            + &long(40, 2_000)
            + &(41..60).map(line).collect::<String>()),
    );
    let follower = Follower::start(&[
        "--url",
        &url,
        "--state",
        &state.to_string_lossy(),
        &log.to_string_lossy(),
    ]);
    let wait_for = |expected: &[u32], what: &str| {
        let begun = Instant::now();
        let ids = || -> Vec<u32> {
            let taken = taken.lock().expect("nobody panicked");
            let id = |line: &String| {
                serde_json::from_str::<Json>(line).ok()?["trace_id"]
                    .as_str()?
                    .strip_prefix("id-")?
                    .parse()
                    .ok()
            };
            taken.iter().filter_map(id).collect()
        };
        while ids().len() < expected.len() && begun.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(ids(), expected, "{what}");
    };
    let expected: Vec<u32> = (0..40).chain(41..60).collect();
    wait_for(&expected, "all but the one that is too large, each once and in order");
    // It goes on, also behind a line that is far too long to be read as one, and behind the rest of
    // it.
    append(&log, &(line(60) + &"y".repeat(70 << 20)));
    wait_for(&[&expected[..], &[60]].concat(), "before a line that has no end");
    append(&log, &("z".repeat(1_000) + "\n" + &line(61)));
    wait_for(&[&expected[..], &[60, 61]].concat(), "behind it");
    let length = fs::metadata(&log).expect("the log").len();
    let begun = Instant::now();
    let offset = || {
        serde_json::from_slice::<Json>(&fs::read(&state).expect("a state")).expect("JSON")["files"]
            [0]["offset"]
            .as_u64()
    };
    while offset() != Some(length) {
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?} of {length}", offset());
        std::thread::sleep(Duration::from_millis(50));
    }
    follower.kill();
}
