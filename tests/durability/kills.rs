//! What was acknowledged, after every kind of stop: there, once, and nothing that was never sent.
//!
//! The real binary runs on a real disk; producers send small batches over HTTP and note what was
//! acknowledged. It is killed at random moments and at each of its writes and syncs, its disk is
//! copied as a power cut leaves it, filled up, and made to fail. One checker judges all of it.

use crate::support::process::{Server, annals};
use crate::support::python::skipped;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const TENANT: &str = "t";
/// Settings under which a few hundred events meet every step: seals by size and by age, and batches
/// that are sealed at once.
const BUSY: &[&str] = &["--seal-events", "60", "--seal-after", "0.05", "--bulk-events", "40"];

/// A request over a connection of its own; an error if the server is gone before it answered.
fn ask(url: &str, method: &str, path: &str, body: &str) -> std::io::Result<(u16, Json)> {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://"))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: \
        {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer);
    let broken = || std::io::Error::other("the answer broke off");
    let status =
        text.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(broken)?;
    let length: Option<usize> =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
    if length != Some(body.len()) {
        return Err(broken());
    }
    Ok((status, serde_json::from_str(body).map_err(std::io::Error::other)?))
}

fn record(id: u64) -> Json {
    // Several dates, some of them old, so that a seal makes several segments.
    let day = [0, 0, 0, 1, 40][id as usize % 5];
    json!({
        "trace_id": format!("id-{id}"), "trace_name": "createServer", "service_type": "ECS",
        "trace_rating": "normal",
        "time": 1_782_000_000_000_i64 - day * 86_400_000 + id as i64,
        "resource_name": format!("web-{}", id % 7),
    })
}

/// What producers sent, and what of it was acknowledged.
#[derive(Debug, Default)]
struct Ledger {
    next: AtomicU64,
    acknowledged: Mutex<BTreeSet<u64>>,
    /// Sent and not answered: may be there, and is sent again.
    unanswered: Mutex<Vec<(u64, u64)>>,
}

impl Ledger {
    /// Sends batches until the server is gone or `stop` is set.
    fn produce(&self, url: &str, size: u64, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            let again = self.unanswered.lock().expect("the ledger").pop();
            let (first, end) = again.unwrap_or_else(|| {
                let first = self.next.fetch_add(size, Ordering::Relaxed);
                (first, first + size)
            });
            let body: String = (first..end).map(|id| record(id).to_string() + "\n").collect();
            match ask(url, "POST", &format!("/api/v1/events?tenant={TENANT}"), &body) {
                Ok((200, answer)) => {
                    let known = answer["accepted"].as_u64().unwrap_or(0)
                        + answer["duplicates"].as_u64().unwrap_or(0);
                    assert_eq!(
                        (known, &answer["quarantined"]),
                        (end - first, &json!([])),
                        "{answer}"
                    );
                    self.acknowledged.lock().expect("the ledger").extend(first..end);
                }
                Ok((503, _)) => {
                    self.unanswered.lock().expect("the ledger").push((first, end));
                    std::thread::sleep(Duration::from_millis(5));
                }
                Ok(other) => panic!("{other:?}"),
                Err(_) => {
                    self.unanswered.lock().expect("the ledger").push((first, end));
                    return;
                }
            }
        }
    }

    /// Judges a data directory that nothing has open.
    fn check(&self, data: &Path, place: &str) {
        let data = data.to_string_lossy();
        let run =
            |words: &[&str]| annals(&[&words[..1], &["--data", &data], &words[1..]].concat()).ok();
        let sound = run(&["check"]);
        assert!(sound.starts_with("sound"), "{place}: {sound}");
        let mut listed: BTreeMap<u64, u32> = BTreeMap::new();
        let mut seqs = Vec::new();
        for line in run(&["query", "--all"]).lines() {
            let event: Json = serde_json::from_str(line).expect("one object a line");
            let id = event["trace_id"]
                .as_str()
                .and_then(|id| id.strip_prefix("id-")?.parse().ok())
                .expect("an id that was sent");
            *listed.entry(id).or_default() += 1;
            seqs.push(event["seq"].as_u64().expect("a number"));
        }
        // The store's own events, such as a start, have numbers of the same sequence.
        for line in run(&["query", "--all", "--tenant", "_annals"]).lines() {
            let event: Json = serde_json::from_str(line).expect("one object a line");
            seqs.push(event["seq"].as_u64().expect("a number"));
        }
        let acknowledged = self.acknowledged.lock().expect("the ledger");
        let lost: Vec<&u64> = acknowledged.iter().filter(|id| !listed.contains_key(id)).collect();
        let doubled: Vec<&u64> =
            listed.iter().filter(|(_, count)| **count > 1).map(|(id, _)| id).collect();
        let next = self.next.load(Ordering::Relaxed);
        assert!(lost.is_empty(), "{place}: acknowledged and lost: {lost:?}");
        assert!(doubled.is_empty(), "{place}: doubled: {doubled:?}");
        assert!(listed.keys().all(|id| *id < next), "{place}: there is what was never sent");
        // Batches are whole or not there.
        for (first, end) in self.unanswered.lock().expect("the ledger").iter() {
            let there = (*first..*end).filter(|id| listed.contains_key(id)).count() as u64;
            assert!(
                there == 0 || there == end - first,
                "{place}: {there} of a batch of {}",
                end - first
            );
        }
        seqs.sort_unstable();
        assert!(
            seqs.iter().copied().eq(1..1 + seqs.len() as u64),
            "{place}: the numbers have a gap"
        );
        let total = format!("{{\"count\":{}}}\n", listed.len());
        for path in ["lookup", "scan"] {
            assert_eq!(
                run(&["count", "-o", "json", "--source", "ECS", "--path", path]),
                total,
                "{place}: by {path}"
            );
        }
        assert_eq!(run(&["count", "-o", "json"]), total, "{place}");
        for id in listed.keys().step_by(listed.len() / 5 + 1) {
            assert_eq!(
                run(&["count", "-o", "csv", "--trace-id", &format!("id-{id}")]),
                "count\r\n1\r\n",
                "{place}: by id {id}"
            );
        }
    }
}

fn number_of(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// The server is killed at random moments while producers send, and started again on what it left.
#[test]
fn killed_at_any_moment_nothing_acknowledged_is_lost_or_doubled() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let data = folder.path().join("data");
    let ledger = Ledger::default();
    let kills = number_of("ANNALS_KILLS", 40);
    let mut chance = kills;
    let mut below = |limit: u64| {
        chance =
            chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (chance >> 33) % limit
    };
    for kill in 0..kills {
        let server = Server::start_with(&data, BUSY);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for size in [1, 3, 17, 50] {
                let (ledger, url, stop) = (&ledger, &server.url, &stop);
                scope.spawn(move || ledger.produce(url, size, stop));
            }
            std::thread::sleep(Duration::from_millis(1 + below(250)));
            server.kill();
        });
        drop(server);
        if kill % 10 == 9 || kill + 1 == kills {
            ledger.check(&data, &format!("after kill {kill}"));
        }
    }
    // A start that changes nothing, and an end in good order.
    drop(Server::start_with(&data, BUSY));
    ledger.check(&data, "after another start");
    let server = Server::start(&data);
    server.stop();
    ledger.check(&data, "after a stop");
    let acknowledged = ledger.acknowledged.lock().expect("the ledger").len();
    assert!(
        acknowledged as u64 > kills * 10,
        "only {acknowledged} events were acknowledged: nothing was tried"
    );
    said(&format!("{kills} kills, {acknowledged} events acknowledged"));
}

#[allow(clippy::print_stderr, reason = "what was counted, and what was skipped and why")]
pub(crate) fn said(what: &str) {
    eprintln!("{what}");
}

fn there_is(program: &str, word: &str) -> bool {
    Command::new(program)
        .arg(word)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The same load in one order, from one producer: small batches, one that is sealed at once, and
/// time for seals by age.
fn steady_load(ledger: &Ledger, url: &str) {
    let send = |size: u64| {
        let first = ledger.next.fetch_add(size, Ordering::Relaxed);
        let body: String = (first..first + size).map(|id| record(id).to_string() + "\n").collect();
        match ask(url, "POST", &format!("/api/v1/events?tenant={TENANT}"), &body) {
            Ok((200, _)) => {
                ledger.acknowledged.lock().expect("the ledger").extend(first..first + size)
            }
            _ => ledger.unanswered.lock().expect("the ledger").push((first, first + size)),
        }
    };
    for size in [1, 5, 30, 30, 1, 45, 2] {
        send(size);
    }
    std::thread::sleep(Duration::from_millis(120));
    for size in [3, 50, 4] {
        send(size);
    }
}

/// Runs the server under strace, which kills it at a call; whether that call was reached.
fn run_killed(data: &Path, calls: &str, when: u64, ledger: &Ledger) -> bool {
    let inject = format!("inject={calls}:signal=KILL:when={when}");
    let prefix =
        ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}"), "-e", &inject]
            .map(str::to_owned);
    let Ok(mut server) = Server::start_under(&prefix, data, BUSY) else { return true };
    steady_load(ledger, &server.url);
    server.has_ended()
}

/// The server is killed at its first, second, … call of each kind that changes the disk, until a
/// whole run has no more.
#[test]
fn killed_at_each_write_and_sync_nothing_acknowledged_is_lost_or_doubled() {
    if !there_is("strace", "-V") {
        return skipped("there is no strace");
    }
    let step = number_of("ANNALS_SWEEP_STEP", 1);
    let mut points = 0;
    for calls in [
        "fdatasync",
        "fsync",
        "rename,renameat,renameat2",
        "link,linkat",
        "unlink,unlinkat",
        "write,pwrite64",
    ] {
        // Writes include those of other threads to pipes and sockets; every step-th will do there.
        let step = if calls.starts_with("write") { step * 8 } else { step };
        let mut when = 1;
        loop {
            let folder = tempfile::tempdir().expect("a temporary directory");
            let data = folder.path().join("data");
            let ledger = Ledger::default();
            let reached = run_killed(&data, calls, when, &ledger);
            if data.join("wal").exists() {
                ledger.check(&data, &format!("killed at {calls} number {when}"));
            } else {
                assert!(
                    ledger.acknowledged.lock().expect("the ledger").is_empty(),
                    "nothing is acknowledged without a log"
                );
            }
            if data.exists() {
                // Started again under load, and checked again.
                let server = Server::start_with(&data, BUSY);
                steady_load(&ledger, &server.url);
                server.kill();
                drop(server);
                ledger.check(&data, &format!("killed at {calls} number {when}, and again"));
            }
            if !reached {
                break;
            }
            points += 1;
            when += step;
        }
    }
    assert!(points > 20, "only {points} points were reached");
    said(&format!("{points} kill points"));
}

/// Every sync fails from the N-th on: nothing more is acknowledged, and nothing that was is lost.
#[test]
fn a_disk_that_fails_to_sync_is_never_believed() {
    if !there_is("strace", "-V") {
        return skipped("there is no strace");
    }
    // Links publish the commits of the table: then it is not known whether a commit is there.
    for (calls, when) in [
        ("fdatasync", "3"),
        ("fdatasync", "2+"),
        ("fdatasync", "4..5"),
        ("fsync", "12"),
        ("fsync", "20+"),
        ("link,linkat", "2"),
        ("link,linkat", "2..3"),
        ("link,linkat", "2+"),
        ("rename,renameat,renameat2", "6..9"),
    ] {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let data = folder.path().join("data");
        let ledger = Ledger::default();
        let inject = format!("inject={calls}:error=EIO:when={when}");
        let prefix = [
            "strace",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            &format!("trace={calls}"),
            "-e",
            &inject,
        ]
        .map(str::to_owned);
        if let Ok(server) = Server::start_under(&prefix, &data, BUSY) {
            steady_load(&ledger, &server.url);
            let (status, answer) = ask(&server.url, "GET", "/api/v1/count?tenant=*", "")
                .expect("questions are answered");
            assert_eq!(status, 200, "{answer}");
            if !when.ends_with('+') {
                // A failure that passes: the log goes on in a new file.
                let stop = Arc::new(AtomicBool::new(false));
                let before = ledger.acknowledged.lock().expect("the ledger").len();
                std::thread::scope(|scope| {
                    scope.spawn(|| ledger.produce(&server.url, 2, &stop));
                    let started = Instant::now();
                    while ledger.acknowledged.lock().expect("the ledger").len() == before
                        && started.elapsed() < Duration::from_secs(20)
                    {
                        std::thread::sleep(Duration::from_millis(10));
                    }
                    stop.store(true, Ordering::Relaxed);
                });
                assert!(
                    ledger.acknowledged.lock().expect("the ledger").len() > before,
                    "{calls} {when}: it does not recover"
                );
            }
            server.kill();
        }
        if data.join("wal").exists() {
            ledger.check(&data, &format!("{calls} fails at {when}"));
        }
    }
}

/// Mounts, unmounted at the end.
struct Mount(PathBuf);

impl Mount {
    fn new(words: &[&str], at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).expect("a folder");
        let mounted = Command::new("mount")
            .args(words)
            .arg(at)
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        mounted.then(|| Self(at.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// The disk fills up: the store refuses with 503, answers questions, and goes on when there is room
/// again.
#[test]
fn a_full_disk_refuses_and_recovers() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let Some(disk) =
        Mount::new(&["-t", "tmpfs", "-o", "size=48m", "tmpfs"], &folder.path().join("disk"))
    else {
        return skipped("nothing can be mounted without being root");
    };
    for floor in ["8", "0"] {
        let data = disk.0.join(format!("data{floor}"));
        let ledger = Ledger::default();
        let ballast = disk.0.join("ballast");
        {
            let server = Server::start_with(&data, &[BUSY, &["--min-free", floor]].concat());
            steady_load(&ledger, &server.url);
            let acknowledged = ledger.acknowledged.lock().expect("the ledger").len();
            // With a floor of 8 MiB there is room, but not enough; without one the disk itself is
            // full.
            let _ = std::fs::write(&ballast, vec![7_u8; 64 << 20]);
            if floor != "0" {
                let ballast =
                    std::fs::OpenOptions::new().write(true).open(&ballast).expect("the ballast");
                let length = ballast.metadata().expect("the ballast").len();
                ballast.set_len(length - (4 << 20)).expect("the ballast shrinks");
            }
            let mut refused = 0;
            for _ in 0..30 {
                let first = ledger.next.fetch_add(20, Ordering::Relaxed);
                let body: String =
                    (first..first + 20).map(|id| record(id).to_string() + "\n").collect();
                match ask(&server.url, "POST", &format!("/api/v1/events?tenant={TENANT}"), &body)
                    .expect("an answer")
                {
                    (200, _) => {
                        ledger.acknowledged.lock().expect("the ledger").extend(first..first + 20)
                    }
                    (status, problem) => {
                        assert_eq!(status, 503, "{problem}");
                        refused += 1;
                        ledger.unanswered.lock().expect("the ledger").push((first, first + 20));
                    }
                }
            }
            assert!(refused > 0, "floor {floor}: a full disk refuses");
            let (status, count) = ask(&server.url, "GET", "/api/v1/count?tenant=*", "")
                .expect("questions are answered, or it is said why not");
            let is_counted = count["count"].as_u64() >= Some(acknowledged as u64);
            // What cannot be recorded, because nothing at all is left, is not answered.
            let is_unrecorded =
                count["detail"].as_str().is_some_and(|why| why.contains("recorded"));
            assert!(
                (status == 200 && is_counted) || (status == 503 && is_unrecorded),
                "{status}: {count}"
            );
            std::fs::remove_file(&ballast).expect("room again");
            let stop = AtomicBool::new(false);
            let before = ledger.acknowledged.lock().expect("the ledger").len();
            std::thread::scope(|scope| {
                scope.spawn(|| ledger.produce(&server.url, 5, &stop));
                let started = Instant::now();
                while ledger.acknowledged.lock().expect("the ledger").len() < before + 50
                    && started.elapsed() < Duration::from_secs(20)
                {
                    std::thread::sleep(Duration::from_millis(10));
                }
                stop.store(true, Ordering::Relaxed);
            });
            assert!(
                ledger.acknowledged.lock().expect("the ledger").len() >= before + 50,
                "floor {floor}: it goes on by itself"
            );
            server.kill();
        }
        ledger.check(&data, &format!("a full disk, floor {floor}"));
    }
}

/// A power cut: the image of a mounted disk is copied while producers send, and what is on the copy
/// is judged.
#[test]
fn after_a_power_cut_nothing_acknowledged_is_lost_or_doubled() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let image = folder.path().join("image");
    let make = |path: &Path| {
        std::fs::File::create(path).and_then(|file| file.set_len(192 << 20)).expect("an image");
        Command::new("mkfs.ext4")
            .args(["-q", "-F"])
            .arg(path)
            .status()
            .is_ok_and(|status| status.success())
    };
    if !make(&image) {
        return skipped("there is no mkfs.ext4");
    }
    let Some(disk) =
        Mount::new(&["-o", "loop", &image.to_string_lossy()], &folder.path().join("disk"))
    else {
        return skipped("nothing can be mounted without being root");
    };
    let data = disk.0.join("data");
    let ledger = Ledger::default();
    let cuts = number_of("ANNALS_POWER_CUTS", 6);
    let server = Server::start_with(&data, BUSY);
    let stop = AtomicBool::new(false);
    let mut copies = Vec::new();
    std::thread::scope(|scope| {
        for size in [1, 9, 50] {
            let (ledger, url, stop) = (&ledger, &server.url, &stop);
            scope.spawn(move || ledger.produce(url, size, stop));
        }
        for cut in 0..cuts {
            std::thread::sleep(Duration::from_millis(150 + 61 * cut % 240));
            // What is acknowledged before the copy begins must be on it.
            let before = Ledger::default();
            before
                .acknowledged
                .lock()
                .expect("the ledger")
                .clone_from(&ledger.acknowledged.lock().expect("the ledger"));
            let copy = folder.path().join(format!("copy{cut}"));
            let copied = Command::new("cp")
                .arg("--sparse=always")
                .arg(&image)
                .arg(&copy)
                .status()
                .expect("cp");
            assert!(copied.success());
            copies.push((copy, before));
        }
        stop.store(true, Ordering::Relaxed);
    });
    server.kill();
    drop(server);
    ledger.check(&data, "the disk itself");
    for (number, (copy, before)) in copies.into_iter().enumerate() {
        before.next.store(ledger.next.load(Ordering::Relaxed), Ordering::Relaxed);
        let mounted = Mount::new(
            &["-o", "loop", &copy.to_string_lossy()],
            &folder.path().join(format!("cut{number}")),
        )
        .expect("the copy");
        let data = mounted.0.join("data");
        before.check(&data, &format!("power cut {number}"));
        // It goes on from there.
        let server = Server::start_with(&data, BUSY);
        steady_load(&before, &server.url);
        server.kill();
        drop(server);
        before.check(&data, &format!("power cut {number}, and on"));
        drop(mounted);
        let _ = std::fs::remove_file(copy);
    }
}
