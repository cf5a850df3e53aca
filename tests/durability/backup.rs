//! Backups: of a running store, added to, checked, restored, and refused where they would overwrite
//! something.

use crate::support::process::{Server, annals, annals_with_input};
use crate::support::store::TestStore;
use annals::access::{Actor, Caller};
use annals::clock::Clock;
use annals::engine::{Engine, Retention, SeenVersion, ViewText};
use annals::storage::AccessMode;
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary directory") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }
}

fn records(numbers: std::ops::Range<u64>) -> String {
    let record = |number: u64| {
        let time = 1_782_000_000_000_u64 - (number % 3) * 86_400_000 + number;
        format!(
            "{{\"trace_id\":\"b{number}\",\"trace_name\":\"n\",\"service_type\":\"ECS\",\"time\":{time}}}\n"
        )
    };
    numbers.map(record).collect()
}

fn send(server: &Server, numbers: std::ops::Range<u64>) {
    let body = records(numbers) + "nonsense\n";
    annals_with_input(&["ingest", "--url", &server.url, "--tenant", "t", "-"], body.as_bytes())
        .ok();
}

/// Every event of the producer as it is listed.
fn everything(data: &str) -> String {
    annals(&["query", "--data", data, "--tenant", "t", "--all", "--original"]).ok()
}

#[test]
fn a_running_store_is_backed_up_added_to_and_restored() {
    let place = Place::new();
    let server = Server::start_with(
        &place.path("data"),
        &["--backups", &place.text("backups"), "--seal-events", "50"],
    );
    send(&server, 0..120);
    let backup = || annals(&["backup", "--url", &server.url, "--to", "daily"]).ok();
    let first = backup();
    assert!(
        first.starts_with("122 events in") && first.contains(" 0 were already there"),
        "{first}"
    );
    let again = backup();
    assert!(again.starts_with("123 events in"), "nothing is new but that it was made: {again}");
    send(&server, 100..200);
    let second = backup();
    assert!(
        second.starts_with("204 events in")
            && !second.contains(": 0 files")
            && !second.contains(" 0 were already there"),
        "{second}"
    );
    send(&server, 200..230);
    server.stop();

    let backup = place.text("backups/daily");
    assert!(annals(&["check", "--data", &backup]).ok().starts_with("sound"));
    let kept: Json = serde_json::from_str(
        &annals(&["count", "--data", &backup, "--tenant", "t", "-o", "json"]).ok(),
    )
    .expect("JSON");
    assert_eq!(kept["count"], 200);
    let restored = annals(&["restore", "--from", &backup, "--data", &place.text("new")]).ok();
    assert!(restored.starts_with("204 events"), "{restored}");
    let recorded = annals(&[
        "query",
        "--data",
        &backup,
        "--tenant",
        "_annals",
        "--event-name",
        "backUpStore",
        "-o",
        "ndjson",
    ])
    .ok();
    assert_eq!(
        recorded.lines().filter(|line| line.contains("\"resource_name\":\"daily\"")).count(),
        3,
        "{recorded}"
    );
    assert_eq!(everything(&place.text("new")), everything(&backup));
    // It goes on from there: what came after the backup is taken in again, what was in it is known.
    let sent = annals_with_input(
        &["ingest", "--data", &place.text("new"), "--tenant", "t", "-"],
        records(190..230).as_bytes(),
    )
    .ok();
    assert!(sent.contains("\"accepted\":30,\"duplicates\":10"), "{sent}");
    assert_eq!(everything(&place.text("new")).lines().count(), 230);
    assert_eq!(everything(&place.text("data")).lines().count(), 230);
}

#[test]
fn a_backup_never_overwrites_and_never_copies_damage() {
    let place = Place::new();
    let (data, to) = (place.text("data"), place.text("to"));
    annals_with_input(
        &["ingest", "--data", &data, "--tenant", "t", "-"],
        records(0..50).as_bytes(),
    )
    .ok();
    annals(&["backup", "--data", &place.text("nowhere"), "--to", &to]).refused(2, &["--data"]);
    annals(&["backup", "--data", &data]).code.eq(&2).then_some(()).expect("--to is needed");
    std::fs::create_dir(place.path("mine")).expect("a folder");
    std::fs::write(place.path("mine/notes.txt"), "mine").expect("a file");
    annals(&["backup", "--data", &data, "--to", &place.text("mine")])
        .refused(1, &["holds no copy of this store"]);
    annals(&["restore", "--from", &data, "--data", &place.text("mine")])
        .refused(1, &["is not empty"]);
    annals(&["backup", "--data", &data, "--to", &to]).ok();
    // Another store has another history.
    let other = place.text("other");
    annals_with_input(
        &["ingest", "--data", &other, "--tenant", "t", "-"],
        records(0..9).as_bytes(),
    )
    .ok();
    annals(&["backup", "--data", &other, "--to", &to]).refused(1, &["holds no copy of this store"]);
    // Nor has one that went another way from an earlier copy, nor one that is behind.
    let fork = place.text("fork");
    annals(&["restore", "--from", &to, "--data", &fork]).ok();
    annals_with_input(
        &["ingest", "--data", &data, "--tenant", "t", "-"],
        records(100..105).as_bytes(),
    )
    .ok();
    annals(&["backup", "--data", &data, "--to", &to]).ok();
    annals(&["backup", "--data", &fork, "--to", &to]).refused(1, &["holds no copy of this store"]);

    annals_with_input(
        &["ingest", "--data", &data, "--tenant", "t", "-"],
        records(50..99).as_bytes(),
    )
    .ok();
    let newest = files_by_age(&place.path("data/events")).pop().expect("a file");
    let mut bytes = std::fs::read(&newest).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&newest, bytes).expect("damage");
    annals(&["backup", "--data", &data, "--to", &to]).refused(3, &["is not what its hash says"]);
    let kept: Json = serde_json::from_str(
        &annals(&["count", "--data", &to, "--tenant", "t", "-o", "json"]).ok(),
    )
    .expect("JSON");
    assert_eq!(kept["count"], 55, "the backup is what it was");
    assert!(annals(&["check", "--data", &to]).ok().starts_with("sound"));
    // Damage in a backup is found when it is restored.
    let copy = files_by_age(&place.path("to/events")).remove(0);
    let mut bytes = std::fs::read(&copy).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&copy, bytes).expect("damage");
    annals(&["restore", "--from", &to, "--data", &place.text("new")])
        .refused(3, &["is not what its hash says"]);

    let server = Server::start(&place.path("other"));
    annals(&["backup", "--url", &server.url, "--to", "x"]).refused(1, &["--backups DIR"]);
    annals(&["backup", "--url", &server.url, "--to", "../x"]).refused(2, &["name"]);
}

/// Changes a byte in the middle of a file.
fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).expect("damage");
}

#[test]
fn the_next_backup_looks_again_at_what_is_there_and_mends_it() {
    let place = Place::new();
    let (data, to) = (place.text("data"), place.text("to"));
    annals_with_input(
        &["ingest", "--data", &data, "--tenant", "t", "-"],
        (records(0..50) + "nonsense\n").as_bytes(),
    )
    .ok();
    annals(&["backup", "--data", &data, "--to", &to]).ok();
    let names = |folder: &str| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(place.path(folder)).expect("a folder").flatten();
        entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect()
    };
    let parquet = files_by_age(&place.path("to/events"));
    let mut damaged = vec![parquet[0].clone()];
    damaged.extend(names("to/events/_annals/index").into_iter().take(1));
    damaged.extend(names("to/quarantine").into_iter().take(1));
    damaged.iter().for_each(|path| flip(path));
    std::fs::write(parquet.last().expect("a file"), "short").expect("damage");
    let again = annals(&["backup", "--data", &data, "--to", &to]);
    let said = again.ok();
    // A file of quarantine may have changed since; it is copied again without a word.
    assert!(said.contains("3 of them damaged and copied again"), "{said}");
    assert!(annals(&["check", "--data", &to]).ok().starts_with("sound"));
    assert_eq!(everything(&to), everything(&data));
    let said = annals(&["backup", "--data", &data, "--to", &to]).ok();
    assert!(!said.contains("damaged"), "{said}");
}

#[test]
fn what_the_store_has_no_more_leaves_the_backup_and_the_log_in_it_stays_short() {
    let place = Place::new();
    let (data, to) = (place.text("data"), place.text("to"));
    for round in 0..6 {
        annals_with_input(
            &["ingest", "--data", &data, "--tenant", "t", "-"],
            records(round * 20..round * 20 + 20).as_bytes(),
        )
        .ok();
        annals(&["backup", "--data", &data, "--to", &to]).ok();
    }
    let files = files_by_age(&place.path("to/events")).len();
    annals(&["compact", "--data", &data]).ok();
    annals(&["backup", "--data", &data, "--to", &to]).ok();
    assert!(files_by_age(&place.path("to/events")).len() < files);
    let aside: Vec<_> = std::fs::read_dir(place.path("to/events/_annals/aside"))
        .expect("a folder")
        .flatten()
        .collect();
    assert_eq!(aside.len(), 1, "a folder of today");
    let log: Vec<String> = std::fs::read_dir(place.path("to/events/_delta_log"))
        .expect("the log")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(log.len(), 3, "a checkpoint, its name, its commit: {log:?}");
    assert!(annals(&["check", "--data", &to]).ok().starts_with("sound"));
    // What was moved aside a month ago goes.
    let day = aside[0].path();
    std::fs::rename(&day, day.with_file_name("2026-01-01")).expect("moved");
    annals(&["backup", "--data", &data, "--to", &to]).ok();
    assert!(!day.with_file_name("2026-01-01").exists());
    assert_eq!(everything(&to), everything(&data));
}

/// The Parquet files of a table, the one that was changed first first.
fn files_by_age(table: &Path) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(table)
        .expect("the table")
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("date="));
    let mut files: Vec<_> = folders
        .flat_map(|folder| std::fs::read_dir(folder.path()).expect("a partition").flatten())
        .collect();
    files.sort_by_key(|file| file.metadata().and_then(|file| file.modified()).expect("a time"));
    files.into_iter().map(|file| file.path()).collect()
}

#[test]
fn a_backup_has_the_policy_and_the_views_and_damage_to_them_is_mended() {
    let (store, place) = (TestStore::new(), Place::new());
    let (operator, target) = (Actor::operator(), place.path("copy"));
    let text = ViewText { name: "v".to_owned(), owner: String::new(), query: String::new() };
    let engine = store.engine();
    engine.set_retention(&operator, &Retention::Days(None, Some(365))).expect("days");
    engine.save_view(&Caller::operator(), "v", text, SeenVersion::Unsaid).expect("a view");
    let open = |access| {
        let clock: Arc<dyn Clock> = Arc::clone(&store.clock) as _;
        Engine::open(&target, access, clock, store.runtime.handle().clone()).expect("it opens")
    };
    let kept = || {
        engine.backup(&operator, &target).expect("a backup");
        let copy = open(AccessMode::Read);
        copy.prove().expect("it is sound");
        assert_eq!(*copy.admin(), *engine.admin());
        (copy.policy().default_days, copy.views().get("v").map(|view| view.version))
    };
    assert_eq!(kept(), (Some(365), Some(1)));
    engine.set_retention(&operator, &Retention::Days(None, Some(200))).expect("days");
    assert_eq!(kept(), (Some(200), Some(1)));
    let file = target.join("admin.redb");
    std::fs::write(&file, "damage").expect("damage");
    let mended = engine.backup(&operator, &target).expect("a backup").mended;
    assert_eq!(mended, ["admin.redb"]);
    // A copy is restored by opening it, and has nothing to catch up with.
    let restored = open(AccessMode::Write);
    assert_eq!(*restored.admin(), *engine.admin());
    let hold = restored.place_hold(&operator, "h", vec!["t".to_owned()], Vec::new(), "case");
    assert_eq!(hold.expect("a hold").version, 3);
}
