//! Mixed load: clients of every kind at once, slow and broken ones among them, and kills in
//! between. What must hold is checked all the time: every request ends, single events and small
//! questions are answered beside bulk and heavy ones, memory stays under its bound, and in the end
//! what was acknowledged is there, once.
//!
//! `ANNALS_LOAD_SECONDS` makes it longer (20 by default), `ANNALS_LOAD_KILLS` says how often the
//! server is killed (2), `ANNALS_LOAD_DATA` keeps the data directory there.

use crate::support::process::{Server, annals};
use serde_json::{Value as Json, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::{Duration, Instant};

/// No request may take longer, on the slowest machine: an answer or a refusal.
const DEADLINE: Duration = Duration::from_secs(60);
/// Resident memory that is not of mapped files, at most: what intake may take (1.5 GiB), and what
/// stays open of segments (`--open`, 512 MiB by default).
const MEMORY_MIB: u64 = 1_536 + 512;
/// 2026-06-20T00:00:00Z.
const BASE_MS: u64 = 1_781_913_600_000;

fn number_of(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// A set of small numbers.
#[derive(Default)]
struct IdSet {
    words: Vec<u64>,
    len: u64,
}

impl IdSet {
    /// Adds a number. Returns whether it was not there.
    fn insert(&mut self, id: u64) -> bool {
        let (word, bit) = (id as usize / 64, 1 << (id % 64));
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        let new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.len += u64::from(new);
        new
    }

    /// Returns numbers that are here and not in another set, at most ten.
    fn missing_in(&self, other: &Self) -> Vec<u64> {
        let of = |set: &Self, word: usize| set.words.get(word).copied().unwrap_or_default();
        (0..self.words.len())
            .filter(|word| of(self, *word) & !of(other, *word) != 0)
            .flat_map(|word| (0..64).map(move |bit| (word, bit)))
            .filter(|(word, bit)| (of(self, *word) & !of(other, *word)) >> bit & 1 == 1)
            .map(|(word, bit)| word as u64 * 64 + bit)
            .take(10)
            .collect()
    }
}

/// What all clients share.
#[derive(Default)]
struct Load {
    /// Where the server is; another port after each kill.
    address: RwLock<String>,
    stop: AtomicBool,
    /// A kill is under way: a connection may break.
    killing: AtomicBool,
    next: AtomicU64,
    acknowledged: Mutex<IdSet>,
    faults: Mutex<Vec<String>>,
    /// Of single events and of small questions: how long each took, in milliseconds.
    single_ms: Mutex<Vec<u64>>,
    light_ms: Mutex<Vec<u64>>,
    refused: AtomicU64,
    answered: AtomicU64,
}

/// How a request ended.
enum Ended {
    Answered(u16, Json),
    /// The connection broke: fine while the server is killed.
    Broken,
}

impl Load {
    /// Sends clients to a server.
    fn find(&self, server: &Server) {
        *self.address.write().expect("an address") =
            server.url.trim_start_matches("http://").to_owned();
    }

    fn fault(&self, what: String) {
        self.faults.lock().expect("faults").push(what);
    }

    fn running(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let address = self.address.read().expect("an address").clone();
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        Ok(stream)
    }

    /// One request over a connection of its own.
    fn ask(&self, method: &str, path: &str, body: &[u8]) -> Ended {
        let started = Instant::now();
        let killed_before = self.killing.load(Ordering::SeqCst);
        let answer = (|| -> std::io::Result<(u16, Json)> {
            let mut stream = self.connect()?;
            let head = format!(
                "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: \
                application/x-ndjson\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes())?;
            stream.write_all(body)?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer)?;
            let text = String::from_utf8_lossy(&answer);
            let broken = || std::io::Error::other("the answer broke off");
            let status =
                text.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
            let body = text.split_once("\r\n\r\n").ok_or_else(broken)?.1;
            Ok((status, serde_json::from_str(body).unwrap_or_default()))
        })();
        let took = started.elapsed();
        match answer {
            Ok((status, body)) => {
                self.answered.fetch_add(1, Ordering::Relaxed);
                if matches!(status, 503 | 504) {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                }
                if took > DEADLINE {
                    self.fault(format!("{method} {path} took {took:?}"));
                }
                Ended::Answered(status, body)
            }
            Err(error) => {
                let killed =
                    killed_before || self.killing.load(Ordering::SeqCst) || !self.running();
                if !killed {
                    self.fault(format!("{method} {path} broke after {took:?}: {error}"));
                }
                Ended::Broken
            }
        }
    }

    /// Sends events until the end; each batch until it is acknowledged.
    fn write(&self, size: u64, latencies: Option<&Mutex<Vec<u64>>>) {
        while self.running() {
            let first = self.next.fetch_add(size, Ordering::Relaxed);
            let body: String = (first..first + size).map(|id| record(id) + "\n").collect();
            loop {
                let started = Instant::now();
                match self.ask("POST", "/api/v1/events?tenant=t", body.as_bytes()) {
                    Ended::Answered(200, answer) => {
                        let known = answer["accepted"].as_u64().unwrap_or(0)
                            + answer["duplicates"].as_u64().unwrap_or(0);
                        if known != size {
                            self.fault(format!("{known} of {size} events were taken: {answer}"));
                        }
                        let mut acknowledged = self.acknowledged.lock().expect("ids");
                        for id in first..first + size {
                            acknowledged.insert(id);
                        }
                        drop(acknowledged);
                        if let Some(latencies) = latencies {
                            latencies
                                .lock()
                                .expect("latencies")
                                .push(started.elapsed().as_millis() as u64);
                        }
                        break;
                    }
                    Ended::Answered(503, _) | Ended::Broken if self.running() => {
                        std::thread::sleep(Duration::from_millis(20))
                    }
                    Ended::Answered(503, _) | Ended::Broken => return,
                    Ended::Answered(status, body) => {
                        return self.fault(format!("a write was answered {status}: {body}"));
                    }
                }
            }
        }
    }

    /// Asks small questions until the end; the count never falls below what was acknowledged before
    /// it was asked.
    fn look(&self) {
        while self.running() {
            let known = self.acknowledged.lock().expect("ids").len;
            let started = Instant::now();
            match self.ask("GET", "/api/v1/count?tenant=t", b"") {
                Ended::Answered(200, answer) => {
                    if answer["count"].as_u64().is_none_or(|count| count < known) {
                        self.fault(format!(
                            "{known} events were acknowledged, and then counted: {answer}"
                        ));
                    }
                    self.light_ms
                        .lock()
                        .expect("latencies")
                        .push(started.elapsed().as_millis() as u64);
                }
                Ended::Answered(503 | 504, _) | Ended::Broken => {}
                Ended::Answered(status, body) => {
                    self.fault(format!("a count was answered {status}: {body}"))
                }
            }
            match self.ask("GET", "/api/v1/events?tenant=t&limit=20", b"") {
                Ended::Answered(200 | 503 | 504, _) | Ended::Broken => {}
                Ended::Answered(status, body) => {
                    self.fault(format!("a page was answered {status}: {body}"))
                }
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asks what reads every record, and goes away before the answer every other time.
    fn ask_for_much(&self) {
        for turn in 0_u64.. {
            if !self.running() {
                return;
            }
            let path = format!("/api/v1/count?tenant=t&substring=nothing-has-this-{turn}");
            if turn % 2 == 0 {
                match self.ask("GET", &path, b"") {
                    Ended::Answered(200 | 503 | 504, _) | Ended::Broken => {}
                    Ended::Answered(status, body) => {
                        self.fault(format!("a scan was answered {status}: {body}"))
                    }
                }
            } else if let Ok(mut stream) = self.connect() {
                let _ = stream.write_all(
                    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes(),
                );
                std::thread::sleep(Duration::from_millis(30));
            }
        }
    }

    /// Sends what is not a record.
    fn send_garbage(&self) {
        for turn in 0_u64.. {
            if !self.running() {
                return;
            }
            let body: String =
                (0..2_000).map(|line| format!("{{\"bad\":{turn},\"line\":{line}\n")).collect();
            match self.ask("POST", "/api/v1/events?tenant=g", body.as_bytes()) {
                Ended::Answered(200 | 503, _) | Ended::Broken => {
                    std::thread::sleep(Duration::from_millis(200))
                }
                Ended::Answered(status, body) => {
                    self.fault(format!("garbage was answered {status}: {body}"))
                }
            }
        }
    }

    /// Holds connections that never become a whole request, or that never read their answer.
    fn stall(&self, opening: &str) {
        while self.running() {
            let mut held = Vec::new();
            for _ in 0..20 {
                if let Ok(mut stream) = self.connect() {
                    let _ = stream.write_all(opening.as_bytes());
                    held.push(stream);
                }
            }
            for _ in 0..50 {
                if self.running() {
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
        }
    }

    /// What can be told from outside at any time: it lives, and its memory is bounded.
    fn watch(&self, process: &AtomicU64, most: &AtomicU64) {
        while self.running() {
            if let Ended::Answered(status, body) = self.ask("GET", "/livez", b"")
                && status != 200
            {
                self.fault(format!("/livez says {status}: {body}"));
            }
            let status =
                std::fs::read_to_string(format!("/proc/{}/status", process.load(Ordering::SeqCst)))
                    .unwrap_or_default();
            let kib = status.lines().find_map(|line| {
                line.strip_prefix("RssAnon:")?.trim().split(' ').next()?.parse::<u64>().ok()
            });
            most.fetch_max(kib.unwrap_or_default() >> 10, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

fn record(id: u64) -> String {
    json!({
        "trace_id": format!("id-{id}"), "event_name": "createServer", "source": "ECS",
        "time": BASE_MS + id % 864_000_000,
        "resource_name": format!("web-{}", id % 97), "details": { "note": "what was done, and by \
        whom", "turn": id },
    })
    .to_string()
}

const STALLED: &[&str] = &[
    "GET /api/v1/count?tenant=t HTTP/1.1\r\nHost: local",
    "POST /api/v1/events?tenant=t HTTP/1.1\r\nHost: localhost\r\nContent-Type: \
    application/json\r\nContent-Length: 67108864\r\n\r\n{",
    "POST /api/v1/events?tenant=t HTTP/1.1\r\nHost: localhost\r\nContent-Type: \
    application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
    "GET /api/v1/events.ndjson?tenant=t HTTP/1.1\r\nHost: localhost\r\n\r\n",
];

fn percentile(values: &mut [u64], share: usize) -> u64 {
    values.sort_unstable();
    values.get(values.len().saturating_sub(1) * share / 100).copied().unwrap_or_default()
}

/// Judges a data directory that nothing has open.
fn judge(data: &Path, load: &Load) {
    let data = data.to_string_lossy();
    let run =
        |words: &[&str]| annals(&[&words[..1], &["--data", &data], &words[1..]].concat()).ok();
    let sound = run(&["check"]);
    assert!(sound.starts_with("sound"), "{sound}");
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = folder.path().join("ids.csv");
    run(&["export", "--tenant", "t", "--columns", "trace_id", "--out", &file.to_string_lossy()]);
    let mut there = IdSet::default();
    let lines = BufReader::new(std::fs::File::open(&file).expect("an export")).lines();
    for line in lines.skip(1) {
        let line = line.expect("text");
        let id = line.strip_prefix("id-").and_then(|id| id.parse().ok());
        let id = id.unwrap_or_else(|| panic!("{line} was not sent"));
        assert!(there.insert(id), "event {id} is there twice");
    }
    let lost = load.acknowledged.lock().expect("ids").missing_in(&there);
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}

struct StopAtEnd<'a>(&'a Load);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::SeqCst);
    }
}

#[test]
fn every_kind_of_client_at_once_and_kills_in_between() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let data =
        std::env::var_os("ANNALS_LOAD_DATA").map_or_else(|| folder.path().join("data"), Into::into);
    let (seconds, kills) =
        (number_of("ANNALS_LOAD_SECONDS", 20), number_of("ANNALS_LOAD_KILLS", 2));
    let mut server = Some(Server::start(&data));
    let load = Load::default();
    load.find(server.as_ref().expect("a server"));
    let (process, most) =
        (AtomicU64::new(u64::from(server.as_ref().expect("a server").id())), AtomicU64::new(0));
    let ended_in = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let load = &load;
        // Also when this thread panics: the clients must end, or nobody hears why.
        let _stops = StopAtEnd(load);
        for _ in 0..8 {
            scope.spawn(move || load.write(1, Some(&load.single_ms)));
        }
        for size in [50, 3_000, 8_000] {
            scope.spawn(move || load.write(size, None));
        }
        for _ in 0..2 {
            scope.spawn(move || load.look());
            scope.spawn(move || load.ask_for_much());
        }
        scope.spawn(move || load.send_garbage());
        for opening in STALLED {
            scope.spawn(move || load.stall(opening));
        }
        let (process, most) = (&process, &most);
        scope.spawn(move || load.watch(process, most));
        for _ in 0..kills {
            std::thread::sleep(Duration::from_secs(seconds) / (kills as u32 + 1));
            load.killing.store(true, Ordering::SeqCst);
            // Dropped, it is killed and waited for: only then is the directory free.
            drop(server.take());
            let next = Server::start(&data);
            process.store(u64::from(next.id()), Ordering::SeqCst);
            load.find(&next);
            server = Some(next);
            // Requests that began before may still find out.
            std::thread::sleep(Duration::from_secs(1));
            load.killing.store(false, Ordering::SeqCst);
        }
        std::thread::sleep(Duration::from_secs(seconds) / (kills as u32 + 1));
        let stopping = Instant::now();
        load.stop.store(true, Ordering::SeqCst);
        server.take().expect("a server").stop();
        ended_in.store(stopping.elapsed().as_secs(), Ordering::Relaxed);
    });
    let faults = load.faults.lock().expect("faults");
    assert!(faults.is_empty(), "{} faults: {:#?}", faults.len(), &faults[..faults.len().min(10)]);
    let (most, ended_in) = (most.load(Ordering::Relaxed), ended_in.load(Ordering::Relaxed));
    judge(&data, &load);
    assert!(ended_in < DEADLINE.as_secs(), "the end took {ended_in} s");
    assert!(most < MEMORY_MIB, "{most} MiB of memory");
    let what = format!("{seconds} s, {kills} kills: {most} MiB at most; ended in {ended_in} s");
    report(&load, &what);
}

/// Says what was done, and that it was enough to try something.
fn report(load: &Load, what: &str) {
    let (mut single, mut light) =
        (load.single_ms.lock().expect("latencies"), load.light_ms.lock().expect("latencies"));
    let count = load.acknowledged.lock().expect("ids").len;
    assert!(
        single.len() > 20 && count > 1_000,
        "{count} events were acknowledged: nothing was tried"
    );
    crate::durability::kills::said(&format!(
        "{what}; {} requests answered, {} of them with 503 or 504; {count} events acknowledged; \
        single events p50 {} ms, p99 {} ms; counts p50 {} ms, p99 {} ms",
        load.answered.load(Ordering::Relaxed),
        load.refused.load(Ordering::Relaxed),
        percentile(&mut single, 50),
        percentile(&mut single, 99),
        percentile(&mut light, 50),
        percentile(&mut light, 99),
    ));
}
