//! Callers of every kind at once, with and without a right to what they ask, and kills in between.
//! What must hold is checked all the time: nobody sees anything of another tenant or under a mask,
//! a token that was withdrawn is none; and in the end: each event that was acknowledged is there
//! once, each call that was answered is in the trail once, under its caller's name, and no secret
//! is on the disk.
//!
//! `ANNALS_LOAD_SECONDS` makes it longer (12 by default), `ANNALS_LOAD_KILLS` says how often the
//! server is killed (2).

use super::hostile_clients::is_on_disk;
use crate::support::process::{Server, annals};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(60);
/// What only the events of a tenant have.
const MARKS: [(&str, &str); 2] = [("a", "mark-of-a"), ("b", "mark-of-b")];
/// Begins the names of the people in events, which a mask hides.
const PERSON: &str = "person-";

/// What the callers share.
#[derive(Default)]
struct Load {
    address: RwLock<String>,
    is_over: AtomicBool,
    is_killing: AtomicBool,
    next: AtomicU64,
    faults: Mutex<Vec<String>>,
    /// Acknowledged events, each with its tenant.
    events: Mutex<Vec<(String, &'static str)>>,
    /// Calls that were answered: a text that the trail has of each, and its caller.
    calls: Mutex<Vec<(String, String)>>,
    secrets: Mutex<Vec<String>>,
}

impl Load {
    fn fault(&self, what: String) {
        self.faults.lock().expect("faults").push(what);
    }

    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }

    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn answered(&self, text: String, caller: &str) {
        self.calls.lock().expect("calls").push((text, caller.to_owned()));
    }

    fn sent(&self, text: &str) -> std::io::Result<TcpStream> {
        let address = self.address.read().expect("an address").clone();
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.write_all(text.as_bytes())?;
        Ok(stream)
    }

    /// Returns the status of an answer and its body; `None` if a kill came between, or a refusal
    /// for the moment.
    fn ask(&self, token: &str, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        let was_killing = self.is_killing.load(Ordering::SeqCst);
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
            Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let answer = self.sent(&request).and_then(|mut stream| {
            let mut answer = String::new();
            stream.read_to_string(&mut answer).map(|_| answer)
        });
        match answer {
            Ok(answer) if answer.contains("\r\n\r\n") => {
                let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
                let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
                let status: u16 = status.expect("a status");
                // An answer of chunks that has no end was cut off.
                let is_cut = head.contains("transfer-encoding") && !body.ends_with("0\r\n\r\n");
                if status == 503 || is_cut {
                    std::thread::sleep(Duration::from_millis(20));
                    return None;
                }
                Some((status, body.to_owned()))
            }
            ended => {
                let is_killing = was_killing || self.is_killing.load(Ordering::SeqCst);
                if !is_killing && self.goes_on() {
                    self.fault(format!("{method} {path} broke: {ended:?}"));
                }
                std::thread::sleep(Duration::from_millis(20));
                None
            }
        }
    }

    /// Delivers single events of a tenant, each until it is acknowledged.
    fn deliver(&self, token: &str, (tenant, mark): (&'static str, &str)) {
        while self.goes_on() {
            let number = self.number();
            let id = format!("e-{tenant}-{number}");
            let record = json!({ "trace_id": id, "event_name": "createServer", "source": "ECS",
                "time": "2026-06-01T00:00:00Z", "resource_name": mark,
                "operator": format!("{PERSON}{number}") });
            let path = format!("/api/v1/events?tenant={tenant}");
            while self.goes_on() {
                match self.ask(token, "POST", &path, &record.to_string()) {
                    Some((200, _)) => {
                        self.events.lock().expect("events").push((id, tenant));
                        break;
                    }
                    Some(other) => return self.fault(format!("{id}: {other:?}")),
                    None => {}
                }
            }
        }
    }

    /// Asks about one tenant, and tries another.
    fn read(&self, name: &str, token: &str, (own, mark): (&str, &str)) {
        let (other, other_mark) = if own == MARKS[0].0 { MARKS[1] } else { MARKS[0] };
        while self.goes_on() {
            let number = self.number();
            let question = format!("resource_id=q-{name}-{number}x");
            for path in [
                format!("/api/v1/count?tenant={own}&{question}"),
                "/api/v1/events?tenant=*&limit=50".to_owned(),
                "/api/v1/facets?tenant=*&fields=resource_name".to_owned(),
                format!("/api/v1/events?tenant=*&resource_name={other_mark}"),
            ] {
                match self.ask(token, "GET", &path, "") {
                    Some((200, body)) => {
                        if body.contains(other_mark) && !path.contains(other_mark) {
                            self.fault(format!("{name} sees of {other} at {path}"));
                        }
                        if path.contains(other_mark) && body.contains("createServer") {
                            self.fault(format!("{name} finds events of {other}"));
                        }
                        if path.contains(&question) {
                            self.answered(question.clone(), name);
                        }
                    }
                    Some(wrong) => self.fault(format!("{name} {path} ({mark}): {wrong:?}")),
                    None => {}
                }
            }
            let path = format!("/api/v1/count?tenant={other}");
            if let Some((status, body)) = self.ask(token, "GET", &path, "")
                && status != 403
            {
                self.fault(format!("{name} asks about {other}: {status} {body}"));
            }
        }
    }

    /// Reads and exports under a mask.
    fn export(&self, name: &str, token: &str) {
        while self.goes_on() {
            let question = format!("related_ids=x-{name}-{}x", self.number());
            for path in [
                "/api/v1/events.ndjson?tenant=*&event_name=createServer".to_owned(),
                format!("/api/v1/events.csv?tenant=*&{question}"),
                "/api/v1/top?tenant=*&field=resource_name".to_owned(),
            ] {
                match self.ask(token, "GET", &path, "") {
                    Some((200, body)) => {
                        if body.contains(PERSON) {
                            self.fault(format!("{name} sees whom a mask hides at {path}"));
                        }
                        if path.contains(&question) {
                            self.answered(question.clone(), name);
                        }
                    }
                    Some(wrong) => self.fault(format!("{name} {path}: {wrong:?}")),
                    None => {}
                }
            }
        }
    }

    /// Makes tokens, uses them, withdraws them, and tries them again.
    fn administer(&self, name: &str, token: &str) {
        let tokens = "/api/v1/principals/reader-a/tokens";
        while self.goes_on() {
            let note = format!("note-{}x", self.number());
            let body = json!({ "note": note }).to_string();
            let Some((status, body)) = self.ask(token, "POST", tokens, &body) else { continue };
            let made: Json = serde_json::from_str(&body).unwrap_or_default();
            let (Some(id), Some(text)) = (made["id"].as_str(), made["token"].as_str()) else {
                self.fault(format!("a token is not made: {status} {body}"));
                continue;
            };
            self.answered(format!("\"{note}\""), name);
            self.secrets.lock().expect("secrets").push(text.to_owned());
            match self.ask(text, "GET", "/api/v1/me", "") {
                None | Some((200, _)) => {}
                Some(wrong) => self.fault(format!("a new token is refused: {wrong:?}")),
            }
            match self.ask(token, "DELETE", &format!("{tokens}/{id}"), "") {
                None => {}
                Some((status, _)) if (200..300).contains(&status) => {
                    match self.ask(text, "GET", "/api/v1/me", "") {
                        None | Some((401, _)) => {}
                        Some(wrong) => self.fault(format!("a withdrawn token: {wrong:?}")),
                    }
                }
                Some(wrong) => self.fault(format!("a token is not withdrawn: {wrong:?}")),
            }
        }
    }

    /// Guesses tokens, and holds connections that never become a request.
    fn disturb(&self) {
        while self.goes_on() {
            let guess = format!("guess{}", self.number());
            match self.ask(&guess, "GET", "/api/v1/count", "") {
                None | Some((401 | 429, _)) => {}
                Some(wrong) => self.fault(format!("a guess: {wrong:?}")),
            }
            let heads = ["GET /api/v1/cou", "POST /api/v1/events?tenant=a HTTP/1.1\r\nHost: l"];
            let held: Vec<_> = heads.iter().filter_map(|head| self.sent(head).ok()).collect();
            std::thread::sleep(Duration::from_millis(50));
            drop(held);
        }
    }
}

/// A new store with its principals, and a token of each.
fn principals(data: &Path) -> BTreeMap<&'static str, String> {
    let place = ["--data", data.to_str().expect("text")];
    annals(&[&["init"], &place[..]].concat()).ok();
    let of_both = ["--tenant", "a", "--tenant", "b"];
    let made: [(&str, &[&str]); 7] = [
        ("producer-a", &["--role", "ingest", "--tenant", "a"]),
        ("producer-b", &["--role", "ingest", "--tenant", "b"]),
        ("reader-a", &["--role", "reader", "--tenant", "a"]),
        ("reader-b", &["--role", "reader", "--tenant", "b"]),
        ("masked", &["--role", "auditor", "--mask", "operator=hide"]),
        ("sec", &["--role", "security_administrator"]),
        ("trail", &["--role", "audit_administrator"]),
    ];
    made.map(|(name, words)| {
        let both = if name == "masked" { &of_both[..] } else { &[] };
        annals(&[&["principal", "create", name], words, both, &place].concat()).ok();
        let said = annals(&[&["token", "create", name], &place[..]].concat()).ok();
        (name, said.split_whitespace().last().expect("a token").to_owned())
    })
    .into()
}

/// Judges a data directory that nothing has open.
fn judge(data: &Path, load: &Load) {
    let place = data.to_string_lossy();
    let sound = annals(&["check", "--data", &place]).ok();
    assert!(sound.starts_with("sound"), "{sound}");
    let export = |tenant: &str, columns: &str| {
        let words =
            ["export", "--data", &place, "--tenant", tenant, "--columns", columns, "--out", "-"];
        annals(&[&words[..], &["-o", "ndjson"]].concat()).ok()
    };
    let lines = |text: &str| -> Vec<Json> {
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let events = load.events.lock().expect("events");
    for (tenant, mark) in MARKS {
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        for event in lines(&export(tenant, "trace_id,resource_name")) {
            assert_eq!(event["resource_name"], mark);
            *times.entry(event["trace_id"].as_str().expect("an id").to_owned()).or_default() += 1;
        }
        for (id, _) in events.iter().filter(|(_, of)| *of == tenant) {
            assert_eq!(times.get(id), Some(&1), "{id}");
        }
        assert!(times.values().all(|times| *times == 1), "{tenant}: an event is there twice");
    }
    let mut trail: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let recorded = lines(&export("_annals", "operator,code,original"));
    let recorded = recorded.iter().filter(|record| record["code"] != "done");
    for record in recorded {
        let text = record["original"].as_str().expect("a record");
        trail.entry(record["operator"].as_str().expect("a caller")).or_default().push(text);
    }
    for (text, caller) in load.calls.lock().expect("calls").iter() {
        let records = trail.get(caller.as_str()).map(Vec::as_slice).unwrap_or_default();
        let times = records.iter().filter(|record| record.contains(text.as_str())).count();
        assert_eq!(times, 1, "{caller} was answered {text}");
    }
    assert!(trail.contains_key("unknown"), "guesses are recorded");
    for secret in load.secrets.lock().expect("secrets").iter() {
        assert_eq!(is_on_disk(data, secret), None);
    }
}

fn number_of(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn callers_of_every_kind_see_what_is_theirs_and_leave_a_record_whatever_happens() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let data = folder.path().join("data");
    let (seconds, kills) =
        (number_of("ANNALS_LOAD_SECONDS", 12), number_of("ANNALS_LOAD_KILLS", 2));
    let tokens = principals(&data);
    let load = Load::default();
    let find = |server: &Server| {
        let address = server.url.trim_start_matches("http://").to_owned();
        *load.address.write().expect("an address") = address;
    };
    load.secrets.lock().expect("secrets").extend(tokens.values().cloned());
    let mut server = Some(Server::start_guarded(&data));
    find(server.as_ref().expect("a server"));
    std::thread::scope(|scope| {
        let (load, tokens) = (&load, &tokens);
        for ((tenant, mark), [producer, reader]) in
            MARKS.into_iter().zip([["producer-a", "reader-a"], ["producer-b", "reader-b"]])
        {
            for _ in 0..2 {
                scope.spawn(move || load.deliver(&tokens[producer], (tenant, mark)));
                scope.spawn(move || load.read(reader, &tokens[reader], (tenant, mark)));
            }
        }
        scope.spawn(|| load.export("masked", &tokens["masked"]));
        scope.spawn(|| load.administer("sec", &tokens["sec"]));
        scope.spawn(|| load.disturb());
        for _ in 0..kills {
            std::thread::sleep(Duration::from_secs(seconds) / (kills as u32 + 1));
            load.is_killing.store(true, Ordering::SeqCst);
            drop(server.take());
            let next = Server::start_guarded(&data);
            find(&next);
            server = Some(next);
            load.is_killing.store(false, Ordering::SeqCst);
        }
        std::thread::sleep(Duration::from_secs(seconds) / (kills as u32 + 1));
        load.is_over.store(true, Ordering::SeqCst);
    });
    server.take().expect("a server").stop();
    let faults = load.faults.lock().expect("faults");
    assert!(faults.is_empty(), "{} faults, such as {:#?}", faults.len(), &faults[..1]);
    let (events, calls) =
        (load.events.lock().expect("events").len(), load.calls.lock().expect("calls").len());
    println!("{events} events acknowledged, {calls} calls recorded, {kills} kills");
    assert!(events > 50 && calls > 50, "{events} events, {calls} calls: too little was done");
    judge(&data, &load);
}
