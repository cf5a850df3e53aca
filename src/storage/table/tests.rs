use super::super::segment::{FileMark, TenantRows};
use super::checkpoints::Checkpoints;
use super::*;
use crate::storage::files::PutMode;
use std::fs;

/// A table of segments that have no files: the log is all that is looked at.
struct TestTable {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    store: Store,
    table: Table,
    seq: u64,
}

fn manifest(id: &str, first_seq: u64, rows: u32) -> Manifest {
    Manifest {
        version: Manifest::VERSION,
        id: id.to_owned(),
        date: "2026-06-30".into(),
        rows,
        first_seq,
        last_seq: first_seq + u64::from(rows) - 1,
        suspects: 0,
        record_bytes: 0,
        decoders: 1,
        tenants: vec![TenantRows { tenant: "a".into(), first: 0, rows, newest: 5, oldest: 4 }],
        data: FileMark::of(id.as_bytes()),
        index: FileMark::of(b"index"),
    }
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_782_777_600_000)
}

/// Later than any file of a test was written.
fn much_later() -> Timestamp {
    Timestamp::from_millis(i64::MAX)
}

impl TestTable {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let store = Store::new(folder.path()).expect("a store");
        let table = runtime.block_on(Table::open(&store, true)).expect("a new table");
        Self { folder, runtime, store, table, seq: 0 }
    }

    fn seal(&mut self, rows: u32) -> Manifest {
        let manifest = manifest(&format!("SEG{:06}", self.seq + 1), self.seq + 1, rows);
        self.seq += u64::from(rows);
        let added = [NewSegment { manifest: &manifest }];
        self.runtime.block_on(self.table.commit(&added, self.seq, now())).expect("a commit");
        manifest
    }

    fn seals(&mut self, count: usize) {
        (0..count).for_each(|_| drop(self.seal(10)));
    }

    fn checkpoint(&self) -> TableLog {
        let log = self.table.log();
        self.runtime.block_on(log.write_checkpoint()).expect("a checkpoint");
        self.runtime.block_on(log.prove_checkpoint()).expect("it gives the same");
        log
    }

    fn archive_all(&self) -> usize {
        let log = self.table.log();
        let archived = log.archive(much_later()).expect("an archive");
        log.clean(&archived).expect("a clean log")
    }

    fn open(&self, write: bool) -> Result<Table> {
        self.runtime.block_on(Table::open(&self.store, write))
    }

    /// Opens the table, which must be refused, and returns what is said.
    fn refused(&self, fixture: &str) -> String {
        let said: Vec<String> = [false, true]
            .into_iter()
            .map(|write| match self.open(write) {
                Ok(table) => panic!("{fixture}: opened with {:?}", table.account()),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{fixture}: {error}");
                    error.to_string()
                }
            })
            .collect();
        assert!(!self.check().is_empty(), "{fixture}: a check says nothing");
        said[0].clone()
    }

    fn check(&self) -> Vec<String> {
        let mut wrong = self.runtime.block_on(check_log(&self.store));
        wrong.extend(check_archives(&self.store));
        wrong
    }

    fn commits(&self) -> usize {
        chain::listed(&self.store).expect("a log").0.len()
    }
}

/// Everything that can happen to a file.
fn damage(path: &std::path::Path, how: &str) {
    let bytes = fs::read(path).expect("the file");
    match how {
        "deleted" => fs::remove_file(path).expect("removed"),
        "emptied" => fs::write(path, []).expect("written"),
        "halved" => fs::write(path, &bytes[..bytes.len() / 2]).expect("written"),
        // The last action is lost, and what is left is whole lines.
        "shortened" => {
            let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
            fs::write(path, lines[..lines.len().max(2) - 1].join(&b'\n')).expect("written");
        }
        _ => {
            let mut bytes = bytes;
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
            fs::write(path, bytes).expect("written");
        }
    }
}

const DAMAGES: [&str; 5] = ["deleted", "emptied", "halved", "shortened", "flipped"];

#[test]
fn every_damage_to_every_commit_is_found_and_named() {
    let mut fixture = TestTable::new();
    let merged = [fixture.seal(10), fixture.seal(20), fixture.seal(30)];
    let one = manifest("MERGED", 1, 60);
    let old: Vec<&Manifest> = merged.iter().collect();
    fixture
        .runtime
        .block_on(fixture.table.replace(&old, &[NewSegment { manifest: &one }], now()))
        .expect("a merge");
    let left = manifest("LEFT", 1, 25);
    fixture
        .runtime
        .block_on(fixture.table.delete(&[&one], &[NewSegment { manifest: &left }], now()))
        .expect("a deletion");
    fixture.seals(2);
    let whole = fixture.table.account();
    assert_eq!((whole.rows, whole.last_seq, whole.segments), (45, 80, 3));
    assert_eq!(fixture.open(false).expect("a sound table").account(), whole);
    assert_eq!(fixture.check(), Vec::<String>::new());
    for version in 0..=fixture.table.version() {
        for how in DAMAGES {
            let path = fixture.store.path(&paths::table_log(version));
            let bytes = fs::read(&path).expect("the commit");
            damage(&path, how);
            let said = fixture.refused(&format!("commit {version} {how}"));
            assert!(
                said.contains(&format!("{version:020}.json")),
                "commit {version} {how}: {said}"
            );
            fs::write(&path, bytes).expect("restored");
        }
    }
    assert_eq!(fixture.open(true).expect("all restored").account(), whole);
    // Several at the end: each is missed.
    let newest = fixture.table.version();
    for version in [newest - 1, newest] {
        fs::rename(
            fixture.store.path(&paths::table_log(version)),
            fixture.folder.path().join(version.to_string()),
        )
        .expect("moved");
    }
    assert!(
        fixture.refused("the newest two").contains(&format!("{:020}.json is missing", newest - 1))
    );
}

#[test]
fn a_damaged_checkpoint_or_record_is_named_and_a_missing_one_is_done_without() {
    let mut fixture = TestTable::new();
    fixture.seals(5);
    fixture.checkpoint();
    fixture.seals(5);
    fixture.checkpoint();
    fixture.seals(3);
    assert!(fixture.archive_all() > 0);
    let whole = fixture.table.account();
    let again = |fixture: &TestTable, what: &str| {
        assert_eq!(
            fixture.open(false).unwrap_or_else(|error| panic!("{what}: {error}")).account(),
            whole
        )
    };
    again(&fixture, "whole");
    let files = [paths::table_checkpoint(10), paths::table_checkpoint(5)].into_iter();
    let files = files.chain(
        [paths::TABLE_CHECKPOINTS, paths::TABLE_HEAD, paths::LAST_CHECKPOINT].map(str::to_owned),
    );
    let kept: Vec<(String, Vec<u8>)> =
        files.map(|path| (path.clone(), fixture.store.read(&path).expect("a file"))).collect();
    for (path, refused) in [
        (paths::table_checkpoint(10), true),
        (paths::table_checkpoint(5), true),
        (paths::TABLE_CHECKPOINTS.to_owned(), true),
        (paths::TABLE_HEAD.to_owned(), true),
        (paths::LAST_CHECKPOINT.to_owned(), false),
    ] {
        let file = fixture.store.path(&path);
        for how in ["deleted", "emptied", "halved", "flipped"] {
            let what = format!("{path} {how}");
            damage(&file, how);
            if refused && how != "deleted" {
                let name = path.rsplit('/').next().expect("a name");
                let said = fixture.refused(&what);
                assert!(said.contains(name), "{what}: {said}");
            } else {
                // A reader is sent to the newest checkpoint; a writer does without it.
                if path == paths::table_checkpoint(10) {
                    let said = fixture.open(false).expect_err("it is missing").to_string();
                    assert!(said.contains("00010.checkpoint.parquet is missing"), "{said}");
                } else {
                    again(&fixture, &what);
                }
                assert_eq!(fixture.open(true).expect("for writing").account(), whole, "{what}");
            }
            kept.iter().for_each(|(path, bytes)| {
                fixture.store.put(path, bytes, PutMode::Replace).expect("restored")
            });
        }
    }
    again(&fixture, "restored");
    // An archive is evidence: only a check reads it.
    let archive = fixture.store.names(paths::TABLE_ARCHIVE).expect("archives").remove(0);
    damage(&fixture.store.path(&format!("{}/{archive}", paths::TABLE_ARCHIVE)), "flipped");
    again(&fixture, "an archive");
    assert!(fixture.check().iter().any(|wrong| wrong.contains(&archive)), "{:?}", fixture.check());
}

#[test]
fn what_a_commit_costs_does_not_go_with_the_number_of_commits() {
    let mut fixture = TestTable::new();
    let mut costs = Vec::new();
    for round in 0..3 {
        fixture.seals(EVERY_TEST);
        fixture.checkpoint();
        fixture.archive_all();
        fixture.seals(1);
        let before = fixture.store.work();
        fixture.seals(5);
        let after = fixture.store.work();
        costs.push((after.0 - before.0, after.1 - before.1));
        assert!(
            fixture.commits() <= 2 * (EVERY_TEST + 6) + 1,
            "round {round}: {} commits in the log",
            fixture.commits()
        );
        let before = fixture.store.work();
        let opened = fixture.open(false).expect("a sound table");
        let after = fixture.store.work();
        assert_eq!(opened.account(), fixture.table.account());
        costs.push((after.0 - before.0, after.1 - before.1));
    }
    // The first round has one checkpoint only; from the second on, the log is as long as it ever
    // gets.
    for (second, last) in [(costs[2], costs[4]), (costs[3], costs[5])] {
        assert!(
            last.0 <= second.0 + 10 && last.1 <= second.1 + 10,
            "names listed, files read: {costs:?}"
        );
    }
}

/// Commits of a round.
const EVERY_TEST: usize = 10;

#[test]
fn commits_are_archived_whole_and_only_when_they_may_be() {
    let mut fixture = TestTable::new();
    fixture.seals(6);
    let commits: Vec<Vec<u8>> = (0..=6)
        .map(|version| fixture.store.read(&paths::table_log(version)).expect("a commit"))
        .collect();
    fixture.checkpoint();
    assert_eq!(fixture.archive_all(), 0, "one checkpoint is none to rely on");
    fixture.seals(4);
    fixture.checkpoint();
    let log = fixture.table.log();
    let young = Timestamp::from_millis(0);
    assert_eq!(log.clean(&log.archive(young).expect("nothing is old enough")).expect("a disk"), 0);
    // The process ends when they are archived, and when some are removed.
    log.archive(much_later()).expect("an archive");
    assert_eq!(fixture.commits(), 11);
    fixture.store.remove(&paths::table_log(0)).expect("a disk");
    let archived = log.archive(much_later()).expect("what is archived is known");
    assert_eq!(log.clean(&archived).expect("a disk"), 5);
    let archives = fixture.store.names(paths::TABLE_ARCHIVE).expect("archives");
    assert_eq!(archives.len(), 1, "{archives:?}");
    let read = lifecycle::read_archive(
        &fixture.store,
        &format!("{}/{}", paths::TABLE_ARCHIVE, archives[0]),
    )
    .expect("an archive");
    assert_eq!(read.len(), 6);
    assert!(read.iter().all(|(version, bytes)| commits[*version as usize] == *bytes));
    assert_eq!(fixture.open(true).expect("a table").account(), fixture.table.account());
    // It goes on, in the table that was open all the while.
    fixture.seals(3);
    assert_eq!(fixture.open(false).expect("a table").account(), fixture.table.account());
}

#[test]
fn a_checkpoint_that_gives_something_else_is_not_relied_on() {
    let mut fixture = TestTable::new();
    fixture.seals(3);
    let log = fixture.table.log();
    fixture.runtime.block_on(log.write_checkpoint()).expect("a checkpoint");
    // The process ends before it is proved: nothing has changed.
    assert_eq!(fixture.open(true).expect("a table").account(), fixture.table.account());
    // A checkpoint of fewer files in its place.
    let small = TestTable::new();
    let other = small.table.log();
    small.runtime.block_on(other.write_checkpoint()).expect("a checkpoint");
    let bytes = small.store.read(&paths::table_checkpoint(0)).expect("the file");
    fixture.store.put(&paths::table_checkpoint(3), &bytes, PutMode::Replace).expect("a disk");
    assert!(fixture.refused("a foreign checkpoint").contains("_delta_log"));
    assert!(fixture.runtime.block_on(log.prove_checkpoint()).is_err());
    assert!(!fixture.store.exists(&paths::table_checkpoint(3)), "it is removed");
    assert_eq!(fixture.open(true).expect("a table").account(), fixture.table.account());
}

#[test]
fn commits_of_others_are_taken_if_they_change_no_data() {
    let mut fixture = TestTable::new();
    fixture.seals(2);
    let foreign = |version: u64, text: &str| {
        fixture
            .store
            .put(&paths::table_log(version), text.as_bytes(), PutMode::Create)
            .expect("a commit")
    };
    foreign(3, "{\"commitInfo\":{\"timestamp\":1,\"operation\":\"VACUUM START\"}}\n");
    assert_eq!(fixture.open(true).expect("a table").version(), 3);
    // One that is open meanwhile fails once, sees it, and goes on behind it.
    let more = manifest("MORE", 21, 10);
    let added = [NewSegment { manifest: &more }];
    assert!(fixture.runtime.block_on(fixture.table.commit(&added, 30, now())).is_err());
    assert_eq!(
        fixture.runtime.block_on(fixture.table.commit(&added, 30, now())).expect("a commit"),
        4
    );
    assert_eq!(fixture.open(false).expect("a table").account().rows, 30);
    let remove =
        "{\"remove\":{\"path\":\"date=2026-06-30/MORE.parquet\",\"dataChange\":true,\"size\":4}}\n";
    fixture.store.put(&paths::table_log(5), remove.as_bytes(), PutMode::Create).expect("a commit");
    assert!(fixture.refused("a deletion by another program").contains("not made by annals"));
}

#[test]
fn a_log_from_before_there_was_a_chain_is_read_and_goes_on_with_one() {
    let mut fixture = TestTable::new();
    fixture.seals(4);
    let strip = |version: u64| {
        let bytes = fixture.store.read(&paths::table_log(version)).expect("a commit");
        let lines: Vec<String> = String::from_utf8(bytes)
            .expect("text")
            .lines()
            .map(|line| {
                let mut action: Json = serde_json::from_str(line).expect("JSON");
                if let Some(info) = action.get_mut("commitInfo") {
                    info.as_object_mut().expect("an object").remove(LINK);
                }
                action.to_string() + "\n"
            })
            .collect();
        fixture
            .store
            .put(&paths::table_log(version), lines.concat().as_bytes(), PutMode::Replace)
            .expect("a disk");
    };
    (0..=4).for_each(strip);
    fixture.store.remove(paths::TABLE_HEAD).expect("a disk");
    fixture.table = fixture.open(true).expect("an old table");
    assert!(fixture.table.doubts().is_empty());
    assert_eq!(fixture.table.account().rows, 40);
    fixture.seals(1);
    assert_eq!(fixture.open(true).expect("a table").account(), fixture.table.account());
    // What the numbers of old commits say is enough to doubt, so that nothing is removed.
    let path = fixture.store.path(&paths::table_log(2));
    let whole = fs::read(&path).expect("the commit");
    let text = String::from_utf8(whole.clone()).expect("text");
    let lines: Vec<&str> = text.lines().filter(|line| !line.contains("\"add\"")).collect();
    fs::write(&path, lines.join("\n")).expect("damage");
    assert!(fixture.refused("an old commit that lost a file").contains("last commit says"));
    fs::write(&path, whole).expect("restored");
    assert!(fixture.open(true).expect("a table").doubts().is_empty());
}

#[test]
fn a_copy_of_a_long_log_has_few_files_of_it_and_the_same_table() {
    let mut fixture = TestTable::new();
    fixture.seals(30);
    fixture.checkpoint();
    fixture.seals(2);
    let version = fixture.table.version();
    let copy = tempfile::tempdir().expect("a temporary directory");
    let target = Store::new(copy.path()).expect("a store");
    let files = files_to_copy(&fixture.store, version).expect("files");
    assert_eq!(files.len(), 3 + 3 + 1, "a record, a checkpoint, its name; three commits; a head");
    for file in &files {
        target.put(&file.path, &file.bytes, PutMode::Replace).expect("a disk");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let open = |store: &Store| runtime.block_on(Table::open(store, false));
    assert_eq!(open(&target).expect("the copy").account(), fixture.table.account());
    check_same_history(&fixture.store, &target).expect("it is a copy");
    // The next copy replaces it; at every moment it gives one or the other.
    let before = fixture.table.account();
    fixture.seals(20);
    fixture.checkpoint();
    fixture.archive_all();
    check_same_history(&fixture.store, &target)
        .expect("an earlier version is found in the archive");
    for file in files_to_copy(&fixture.store, fixture.table.version()).expect("files") {
        target.put(&file.path, &file.bytes, PutMode::Replace).expect("a disk");
        let account =
            open(&target).unwrap_or_else(|error| panic!("after {}: {error}", file.path)).account();
        assert!(
            account == before || account == fixture.table.account(),
            "after {}: {account:?}",
            file.path
        );
    }
    assert!(prune_log(&target).expect("a disk") > 0);
    assert_eq!(open(&target).expect("the copy").account(), fixture.table.account());
    assert_eq!(runtime.block_on(check_log(&target)), Vec::<String>::new());
    let other = TestTable::new();
    assert!(check_same_history(&other.store, &target).is_err());
    assert_eq!(Checkpoints::read(&target).expect("a record").checkpoints.len(), 1);
}
