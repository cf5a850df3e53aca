//! Bad input, through the real binary: one clear line saying what and where, and everything stored
//! stays readable.

use crate::support::process::{Server, annals, annals_with_input};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value as Json;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A data directory with three events, and a place for files.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().expect("a temporary directory") };
        let records: String = (0..3).map(|number| good(number) + "\n").collect();
        let taken = place.ingest(records.as_bytes());
        assert_eq!(taken["accepted"], 3);
        place
    }

    fn data(&self) -> String {
        self.folder.path().join("data").to_string_lossy().into_owned()
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path: PathBuf = self.folder.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        path.to_string_lossy().into_owned()
    }

    /// Takes in bytes from standard input, which must not fail, and returns the answer.
    fn ingest(&self, bytes: &[u8]) -> Json {
        let ran =
            annals_with_input(&["ingest", "--data", &self.data(), "--tenant", "t", "-"], bytes);
        assert_eq!(ran.code, 0, "{ran:?}");
        serde_json::from_str(&ran.out).expect("the answer is JSON")
    }

    /// The store is sound and has this many events.
    fn holds(&self, events: u64) {
        assert_eq!(
            annals(&["count", "--data", &self.data(), "-o", "json"]).ok().trim(),
            format!("{{\"count\":{events}}}")
        );
        assert!(annals(&["check", "--data", &self.data()]).ok().starts_with("sound"));
    }
}

fn good(number: u32) -> String {
    format!(
        r#"{{"trace_id":"g{number}","trace_name":"n","service_type":"S","time":{}}}"#,
        1_772_323_200_000_i64 + i64::from(number)
    )
}

#[test]
fn undecodable_records_go_to_quarantine_and_take_nothing_with_them() {
    let place = Place::new();
    let many: String = (0..100_000).map(|key| format!("\"{key:x}\":0,")).collect();
    let hostile: Vec<(Vec<u8>, Option<&str>)> = vec![
        (b"nonsense".to_vec(), Some("JSON")),
        (b"{\"trace_name\":\"\xff\xfe\"}".to_vec(), Some("UTF-8")),
        ("[".repeat(1_000_000).into_bytes(), Some("")),
        ("{\"a\":".repeat(100_000).into_bytes(), Some("")),
        (format!("{{{many}\"trace_name\":\"n\",\"time\":1772323300000}}").into_bytes(), None),
        (br#"{"trace_name":"n","time":1772323200000,"time":1772323200001}"#.to_vec(), Some("time")),
        (br#"{"trace_name":"n","time":1772323300001,"request":{"n":1e999999,"a":1,"a":2}}"#.to_vec(), None),
        (br#"{"operation_type":"10","quota_id":"q","amount":1e999999,"operation_time":"2026-03-01T00:00:00Z"}"#.to_vec(), Some("amount")),
        (br#"{"trace_name":"n","time":"yesterday"}"#.to_vec(), Some("yesterday")),
        (format!(r#"{{"trace_name":"n","time":1772323200000,"request":"{}"}}"#, "x".repeat(2 << 20)).into_bytes(), Some("1048576")),
        (br#"{"some":"thing"}"#.to_vec(), None),
    ];
    let mut events = 3;
    for (record, reason) in hostile {
        // A hostile record between two good ones: both good ones are duplicates, so they were read.
        let body = [good(0).as_bytes(), b"\n", &record, b"\n", good(1).as_bytes(), b"\n"].concat();
        let shown = String::from_utf8_lossy(&record[..record.len().min(80)]).into_owned();
        let answer = place.ingest(&body);
        assert_eq!(answer["duplicates"], 2, "{shown}: {answer}");
        match reason {
            None => {
                assert_eq!(
                    (&answer["accepted"], &answer["quarantined"]),
                    (&1.into(), &0.into()),
                    "{shown}: {answer}"
                );
                events += 1;
            }
            Some(_) => assert_eq!(
                (&answer["accepted"], &answer["quarantined"]),
                (&0.into(), &1.into()),
                "{shown}: {answer}"
            ),
        }
        let ran =
            annals_with_input(&["ingest", "--data", &place.data(), "--tenant", "t", "-"], &body);
        if let Some(reason) = reason {
            let line = ran
                .err
                .lines()
                .find(|line| line.contains("quarantined"))
                .unwrap_or_default()
                .to_owned();
            assert!(
                line.contains("line 2") && line.contains(reason),
                "{shown}: {line:?} does not say {reason:?}"
            );
        }
    }
    place.holds(events);
}

#[test]
fn absurd_years_make_no_partitions() {
    let place = Place::new();
    let years: String = [1, 1969, 1999, 2999, 9999]
        .iter()
        .map(|year| format!("{{\"trace_name\":\"old\",\"trace_id\":\"y{year}\",\"time\":\"{year:04}-06-01T00:00:00Z\"}}\n"))
        .collect();
    assert_eq!(place.ingest(years.as_bytes())["accepted"], 5);
    assert_eq!(
        place.ingest(years.as_bytes())["duplicates"],
        5,
        "known again, though filed under another time"
    );
    let suspects = annals(&[
        "count",
        "--data",
        &place.data(),
        "--time-suspect",
        "true",
        "--last",
        "1d",
        "-o",
        "json",
    ])
    .ok();
    assert_eq!(suspects.trim(), "{\"count\":5}");
    let folders = std::fs::read_dir(Path::new(&place.data()).join("events")).expect("the table");
    let dates = folders
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("date="))
        .count();
    assert_eq!(dates, 2, "the good events' date and today");
    place.holds(8);
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let place = Place::new();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let records: String = (0..500).map(|number| good(number) + "\n").collect();
    gzip.write_all(records.as_bytes()).expect("memory");
    let gzip = gzip.finish().expect("memory");
    let cut = place.file("cut.json.gz", &gzip[..gzip.len() - 20]);
    let ingest = |file: &str| annals(&["ingest", "--data", &place.data(), "--tenant", "t", file]);
    ingest(&cut).refused(1, &["cut.json.gz", "truncated after line"]);
    let missing = place.folder.path().join("missing.json").to_string_lossy().into_owned();
    ingest(&missing).refused(1, &["missing.json", "no such file"]);
    let unknown =
        annals(&["ingest", "--data", &place.data(), "--tenant", "t", "--format", "xml", &cut]);
    unknown.refused(2, &["format", "xml", "cloudtrail"]);
    let count: Json =
        serde_json::from_str(&annals(&["count", "--data", &place.data(), "-o", "json"]).ok())
            .expect("JSON");
    let whole = place.file("whole.json.gz", &gzip);
    let ran = ingest(&whole);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(count["count"].as_u64().is_some_and(|count| (3..=500).contains(&count)));
    place.holds(500);
}

#[test]
fn data_directories_that_are_not_ours_to_change_are_left_alone() {
    let place = Place::new();
    let foreign = place.folder.path().join("foreign");
    std::fs::create_dir(&foreign).expect("a directory");
    std::fs::write(foreign.join("notes.txt"), "mine").expect("a file");
    let shown = foreign.to_string_lossy().into_owned();
    annals_with_input(&["ingest", "--data", &shown, "--tenant", "t", "-"], b"")
        .refused(1, &["foreign", "not a data directory"]);
    assert_eq!(
        std::fs::read_dir(&foreign).expect("the directory").count(),
        1,
        "nothing was put there"
    );

    let nowhere = place.folder.path().join("nowhere").to_string_lossy().into_owned();
    annals(&["count", "--data", &nowhere]).refused(1, &["nowhere", "no data directory"]);
    let version = Path::new(&place.data()).join("annals.json");
    let ours = std::fs::read(&version).expect("the version mark");
    std::fs::write(&version, "{\"format\":99}").expect("another mark");
    annals(&["count", "--data", &place.data()]).refused(1, &["format 99", "formats 1 to 2"]);
    std::fs::write(&version, ours).expect("our mark");
    place.holds(3);
}

#[test]
fn a_second_process_is_told_which_one_has_the_directory() {
    let place = Place::new();
    let server = Server::start(Path::new(&place.data()));
    annals_with_input(&["ingest", "--data", &place.data(), "--tenant", "t", "-"], b"")
        .refused(1, &["in use by process", "--url"]);
    annals(&["count", "--data", &place.data()]).refused(1, &["in use by process", "--url"]);
    assert_eq!(
        annals(&["count", "--url", &server.url, "--tenant", "t", "-o", "json"]).ok().trim(),
        "{\"count\":3}"
    );
    let more = annals_with_input(
        &["ingest", "--url", &server.url, "--tenant", "t", "-"],
        (good(9) + "\n").as_bytes(),
    )
    .ok();
    assert!(more.contains("\"accepted\":1"), "{more}");
    drop(server);
    place.holds(4);
}

#[test]
fn a_server_that_anyone_could_reach_is_not_started() {
    let place = Place::new();
    let open = ["serve", "--data", &place.data(), "--create", "--auth", "none"];
    annals(&[&open[..], &["--listen", "0.0.0.0:0"]].concat())
        .refused(1, &["0.0.0.0", "credentials"]);
}

#[test]
fn a_mistyped_directory_is_not_served_as_an_empty_store() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let folder = place.path().join("tpyo");
    for is_there in [false, true] {
        if is_there {
            std::fs::create_dir(&folder).expect("a folder");
        }
        annals(&["serve", "--data", &folder.to_string_lossy(), "--listen", "127.0.0.1:0"])
            .refused(1, &["is not a store", "annals init", "--create"]);
    }
    assert_eq!(std::fs::read_dir(&folder).expect("the folder").count(), 0, "nothing was made");
}

#[test]
fn hostile_text_does_not_steer_the_terminal() {
    let place = Place::new();
    let record = r#"{"trace_name":"\u001b[2J\r\nfake","trace_id":"h","service_type":"\u202eevil","time":1772323200009}"#;
    assert_eq!(place.ingest(record.as_bytes())["accepted"], 1);
    let table = annals(&["query", "--data", &place.data(), "-o", "table", "--limit", "1"]).ok();
    assert!(table.contains("\\x1b[2J\\x0d\\x0afake") && table.contains("\\u{202e}evil"), "{table}");
    assert!(table.chars().all(|letter| letter == '\n' || !letter.is_control()), "{table:?}");
}

#[test]
fn a_table_that_was_lost_is_not_replaced_by_an_empty_one() {
    let place = Place::new();
    let log = Path::new(&place.data()).join("events/_delta_log");
    let kept = place.folder.path().join("kept");
    std::fs::rename(&log, &kept).expect("the log of the table is lost");
    for words in [&["count"][..], &["ingest", "--tenant", "t", "-"]] {
        annals(&[&words[..1], &["--data", &place.data()], &words[1..]].concat())
            .refused(3, &["its Delta log is missing", "restore"]);
    }
    std::fs::rename(&kept, &log).expect("it is restored");
    place.holds(3);
}

#[test]
fn a_log_that_is_damaged_or_lost_in_part_is_refused_and_nothing_is_changed() {
    let place = Place::new();
    let server = Server::start(Path::new(&place.data()));
    let body = (10..40).map(|number| good(number) + "\n").collect::<String>();
    let sent =
        annals_with_input(&["ingest", "--url", &server.url, "--tenant", "t", "-"], body.as_bytes())
            .ok();
    assert!(sent.contains("\"accepted\":30"), "{sent}");
    server.kill();
    drop(server);
    let wal = Path::new(&place.data()).join("wal");
    let file = std::fs::read_dir(&wal)
        .expect("the log")
        .flatten()
        .map(|entry| entry.path())
        .next()
        .expect("a file");
    let whole = std::fs::read(&file).expect("the file");
    for at in [40, whole.len() / 2, whole.len() - 2] {
        let mut bent = whole.clone();
        bent[at] ^= 4;
        std::fs::write(&file, &bent).expect("damage");
        for command in ["count", "check"] {
            annals(&[command, "--data", &place.data()]).refused(3, &["damaged at byte", "restore"]);
        }
        assert_eq!(std::fs::read(&file).expect("the file"), bent, "nothing was changed");
    }
    std::fs::write(&file, &whole).expect("restored");
    place.holds(33);
    // A tail that was being written is cut off: what was acknowledged is before it.
    let torn = [&whole[..], &whole[36..80]].concat();
    std::fs::write(&file, torn).expect("a torn tail");
    place.holds(33);
}
