use super::*;
use crate::event::{DAY_MS, hex};
use crate::storage::paths;
use crate::storage::quarantine::FIRST_NUMBER;
use std::fs;

const NOW: Timestamp = Timestamp::from_millis(1_782_777_600_000);

fn rejected(tenant: &str, text: impl Into<Vec<u8>>) -> Rejected {
    Rejected {
        tenant: Some(tenant.to_owned()),
        line: 1,
        reason: "record is no JSON object".into(),
        bytes: text.into(),
        cut: None,
        conflict: false,
        is_bound: false,
        foreign: None,
    }
}

fn numbered(tenant: &str, numbers: std::ops::Range<usize>) -> Vec<Rejected> {
    numbers.map(|number| rejected(tenant, format!("nonsense {number}"))).collect()
}

struct TestQuarantine {
    folder: tempfile::TempDir,
    quarantine: Option<Quarantine>,
    bound: u64,
}

impl TestQuarantine {
    fn new(bound: u64) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let mut kept = Self { folder, quarantine: None, bound };
        kept.reopen();
        kept
    }

    fn reopen(&mut self) {
        self.quarantine = None;
        let store = Store::new(self.folder.path()).expect("a store");
        self.quarantine =
            Some(Quarantine::open(&store, AccessMode::Write, self.bound).expect("it opens"));
    }

    fn get(&self) -> &Quarantine {
        self.quarantine.as_ref().expect("it is open")
    }

    fn files(&self) -> Vec<String> {
        let store = Store::new(self.folder.path()).expect("a store");
        let mut names = store.names(paths::QUARANTINE).expect("a folder");
        names.retain(|name| name != "files.json" && !name.ends_with(paths::LENGTH_ENDING));
        names
    }

    fn bytes(&self) -> u64 {
        let length = |name: &String| {
            fs::metadata(self.folder.path().join(paths::QUARANTINE).join(name))
                .expect("it is there")
                .len()
        };
        self.files().iter().map(length).sum()
    }
}

fn everything(_: Option<&str>) -> bool {
    true
}

const ALL: QuarantineAsk<'static> = QuarantineAsk {
    tenant: &everything,
    from: None,
    to: None,
    reason: None,
    source: None,
    substring: None,
    after: None,
    limit: 100,
};

/// All pages; how many there were.
fn pages(quarantine: &Quarantine, ask: &QuarantineAsk<'_>) -> (Vec<Quarantined>, usize) {
    let (mut records, mut after, mut count) = (Vec::new(), None::<String>, 0);
    loop {
        let page =
            quarantine.page(&QuarantineAsk { after: after.as_deref(), ..*ask }).expect("a page");
        assert!(page.records.len() <= ask.limit && page.damaged.is_empty(), "{:?}", page.damaged);
        records.extend(page.records);
        count += 1;
        match page.next {
            None => return (records, count),
            next => after = next,
        }
    }
}

#[test]
fn the_same_record_is_kept_once_in_a_request_later_and_after_a_restart() {
    let mut kept = TestQuarantine::new(QUARANTINE_BYTES);
    let sent = [numbered("t", 0..500), numbered("t", 0..500), numbered("u", 0..3)].concat();
    for _ in 0..2 {
        kept.get().keep("a door", NOW, &sent).expect("kept");
        assert_eq!(kept.get().len(), 503);
        kept.reopen();
        assert_eq!(kept.get().len(), 503);
    }
    assert_eq!(kept.files().len(), 1, "{:?}", kept.files());
    kept.get().keep("a door", NOW, &[]).expect("nothing to do");
    assert!(kept.get().check().expect("a check").is_empty());
}

#[test]
fn many_at_once_are_each_kept() {
    let kept = TestQuarantine::new(QUARANTINE_BYTES);
    std::thread::scope(|scope| {
        for number in 0..200 {
            let quarantine = kept.get();
            scope.spawn(move || {
                quarantine.keep("a door", NOW, &numbered("t", number..number + 1)).expect("kept")
            });
        }
    });
    let (records, _) = pages(kept.get(), &ALL);
    let ids: HashSet<&str> = records.iter().map(|record| record.id.as_str()).collect();
    assert_eq!((records.len(), ids.len(), kept.files().len()), (200, 200, 1));
}

#[test]
fn of_a_long_record_its_beginning_is_kept_with_length_and_hash() {
    let mut kept = TestQuarantine::new(QUARANTINE_BYTES);
    let long = "é".repeat(HEAD_BYTES) + "the end";
    let zeros = vec![0; 5 << 20];
    let odd = [b"x".as_slice(), "é".repeat(HEAD_BYTES).as_bytes()].concat();
    kept.get()
        .keep(
            "a file",
            NOW,
            &[
                rejected("t", long.clone()),
                rejected("t", zeros.clone()),
                rejected("t", odd.clone()),
            ],
        )
        .expect("kept");
    for _ in 0..2 {
        let (records, _) = pages(kept.get(), &ALL);
        for (record, whole) in records.iter().rev().zip([long.as_bytes(), &zeros, &odd]) {
            assert_eq!((record.cut, record.length), (true, whole.len() as u64));
            assert_eq!(record.sha256, hex(&Sha256::digest(whole)));
            let head = record.record.as_ref().expect("it is text").as_bytes();
            assert!(
                head.len() > HEAD_BYTES - 2 && head.len() <= HEAD_BYTES && whole.starts_with(head)
            );
        }
        kept.reopen();
    }
    assert!(kept.bytes() < 10_000, "{} bytes", kept.bytes());
}

#[test]
fn a_full_log_becomes_a_kept_file_and_a_start_reads_only_what_files_say_of_themselves() {
    let mut kept = TestQuarantine::new(QUARANTINE_BYTES);
    let filler = "x".repeat(HEAD_BYTES - 20);
    let sent: Vec<Rejected> =
        (0..700).map(|number| rejected("t", format!("{number} {filler}"))).collect();
    kept.get().keep("a file", NOW, &sent).expect("kept");
    let files = kept.files();
    assert_eq!(files.iter().filter(|name| name.ends_with(".kept")).count(), 1, "{files:?}");
    assert_eq!(files.iter().filter(|name| name.ends_with(".log")).count(), 1, "{files:?}");
    kept.reopen();
    assert!(kept.files().iter().all(|name| name.ends_with(".kept")), "{:?}", kept.files());
    assert_eq!(
        kept.get().shared.parts().iter().filter(|part| part.is_kept()).count(),
        2,
        "the records of none are in memory"
    );
    let (records, count) = pages(kept.get(), &QuarantineAsk { limit: 1_000, ..ALL });
    assert_eq!(records.len(), 700);
    assert!(count >= 700 * HEAD_BYTES / (10 << 20), "a page of large records ends early: {count}");
    let after = Some(records[350].id.as_str());
    let page = kept.get().page(&QuarantineAsk { after, limit: 2, ..ALL }).expect("a page");
    assert_eq!((page.total, &page.records[..]), (Some(700), &records[351..353]));
}

#[test]
fn questions_have_exact_totals_and_pages_that_fit_together() {
    let mut kept = TestQuarantine::new(QUARANTINE_BYTES);
    let day = |day: i64| Timestamp::from_millis(NOW.millis() + day * DAY_MS);
    for number in 0..4 {
        kept.get()
            .keep(
                "a door",
                day(number),
                &numbered("t", 100 * number as usize..100 * (number as usize + 1)),
            )
            .expect("kept");
        kept.get()
            .keep("a file", day(number), &numbered("u", number as usize..number as usize + 1))
            .expect("kept");
        let other = Rejected {
            reason: format!("expected value at byte {number}").into(),
            ..rejected("t", format!("{{{number}"))
        };
        let unknown = Rejected { tenant: None, ..rejected("", format!("[{number}")) };
        kept.get().keep("a file", day(number), &[other, unknown]).expect("kept");
        if number == 1 {
            kept.reopen();
        }
    }
    let t = |tenant: Option<&str>| tenant == Some("t");
    let of_t = QuarantineAsk { tenant: &t, limit: 7, ..ALL };
    for (ask, total) in [
        (ALL, 412),
        (of_t, 404),
        (QuarantineAsk { reason: Some("expected value at byte …"), ..of_t }, 4),
        (QuarantineAsk { reason: Some("record is no JSON object"), ..of_t }, 400),
        (QuarantineAsk { reason: Some("another"), ..of_t }, 0),
        (QuarantineAsk { source: Some("a file"), ..ALL }, 12),
        (QuarantineAsk { from: Some(day(2)), ..ALL }, 206),
        (QuarantineAsk { from: Some(day(1)), to: Some(day(3)), ..of_t }, 202),
        (QuarantineAsk { to: Some(NOW), ..ALL }, 0),
        (QuarantineAsk { tenant: &|tenant| tenant.is_none(), ..ALL }, 4),
    ] {
        let page = kept.get().page(&ask).expect("a page");
        let (records, _) = pages(kept.get(), &ask);
        assert_eq!((page.total, records.len()), (Some(total), total as usize), "{ask:?}");
        assert!(records.windows(2).all(|pair| pair[0].time >= pair[1].time), "newest first");
        let (reasons, damaged) = kept.get().reasons(&ask).expect("reasons");
        assert_eq!(
            (reasons.iter().map(|reason| reason.count).sum::<u64>(), damaged.len()),
            (total, 0)
        );
    }
    let (found, _) =
        pages(kept.get(), &QuarantineAsk { substring: Some("sense 7"), limit: 3, ..of_t });
    assert_eq!(found.len(), 11, "7 and 70 to 79");
    for wrong in ["0", "@", "@x", "00000000000000000000000000000000", "é"] {
        assert!(kept.get().page(&QuarantineAsk { after: Some(wrong), ..ALL }).is_err(), "{wrong}");
    }
}

#[test]
fn pages_stay_where_they_are_while_records_arrive() {
    let kept = TestQuarantine::new(QUARANTINE_BYTES);
    kept.get().keep("a door", NOW, &numbered("t", 0..300)).expect("kept");
    let (before, _) = pages(kept.get(), &ALL);
    let (mut seen, mut after, mut number) = (Vec::new(), None::<String>, 1_000);
    loop {
        let page = kept
            .get()
            .page(&QuarantineAsk { after: after.as_deref(), limit: 7, ..ALL })
            .expect("a page");
        seen.extend(page.records);
        kept.get().keep("a door", NOW, &numbered("t", number..number + 5)).expect("kept");
        number += 5;
        if page.next.is_none() {
            break;
        }
        after = page.next;
    }
    assert_eq!(seen, before);
}

#[test]
fn one_tenant_that_is_full_does_not_stop_another() {
    let mut kept = TestQuarantine::new(64 << 10);
    let fill = |kept: &TestQuarantine, tenant: &str| {
        (0..1_000).find_map(|number| {
            kept.get()
                .keep("a door", NOW, &numbered(tenant, number..number + 1))
                .err()
                .map(|error| (number, error))
        })
    };
    let (filled, error) = fill(&kept, "loud").expect("it is full at last");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("quarantine is full: loud has"), "{error}");
    assert!((100..130).contains(&filled), "a quarter: {filled}");
    kept.get()
        .keep("a door", NOW, &numbered("loud", 0..50))
        .expect("what is there already needs no room");
    assert_eq!(
        kept.get()
            .keep("a door", NOW, &numbered("loud", 5_000..5_100))
            .expect_err("no room")
            .kind(),
        ErrorKind::Unavailable
    );
    assert_eq!(kept.get().len(), filled as u64, "nothing of a request that was refused is kept");
    for tenant in ["b", "c"] {
        assert!(fill(&kept, tenant).is_some_and(|(filled, _)| filled > 100));
    }
    // Three quarters are taken: the rest is for those that have little.
    assert!(fill(&kept, "d").is_some_and(|(filled, _)| (1..10).contains(&filled)));
    assert!(fill(&kept, "e").is_some_and(|(filled, _)| (1..10).contains(&filled)));
    let QuarantineUsage { bytes, bound, .. } = kept.get().usage();
    kept.reopen();
    let usage = kept.get().usage();
    assert_eq!((usage.bytes, usage.bound), (bytes, bound), "counted again from the files");
    assert!(fill(&kept, "loud").is_some_and(|(_, error)| error.to_string().contains("full")));
}

#[test]
fn what_is_past_its_time_goes_and_what_is_held_stays() {
    let mut kept = TestQuarantine::new(QUARANTINE_BYTES);
    let old = Timestamp::from_millis(NOW.millis() - 400 * DAY_MS);
    for tenant in ["a", "b", "c"] {
        kept.get().keep("a door", old, &numbered(tenant, 0..10)).expect("kept");
    }
    kept.reopen();
    kept.get().keep("a door", old, &numbered("a", 10..20)).expect("kept");
    for tenant in ["a", "b"] {
        kept.get().keep("a door", NOW, &numbered(tenant, 20..25)).expect("kept");
    }
    let past = |tenant: Option<&str>, time: Timestamp| tenant != Some("c") && time < NOW;
    let clearing = Clearing { past: &past, held: &|tenant| tenant == Some("b") };
    let before = kept.get().usage().bytes;
    let expected = kept.get().clearable(&clearing);
    assert_eq!((expected.records(), expected.held, kept.get().len()), (20, 10, 50));
    let refused = kept.get().clear(&clearing, |_| Err(Error::internal("it cannot be recorded")));
    assert!(refused.is_err() && kept.get().len() == 50, "what cannot be recorded is not deleted");
    let mut told = None;
    let cleared = kept.get().clear(&clearing, |cleared| {
        told = Some(cleared.clone());
        Ok(())
    });
    let cleared = cleared.expect("cleared");
    assert_eq!((Some(&cleared), &cleared), (told.as_ref(), &expected));
    let charge = before - kept.get().usage().bytes;
    let check = |kept: &TestQuarantine| {
        let (records, _) = pages(kept.get(), &ALL);
        let of = |tenant: &str| {
            records.iter().filter(|record| record.tenant.as_deref() == Some(tenant)).count()
        };
        assert_eq!([of("a"), of("b"), of("c")], [5, 15, 10]);
        assert!(kept.get().check().expect("a check").is_empty());
    };
    check(&kept);
    kept.reopen();
    check(&kept);
    assert_eq!(before - kept.get().usage().bytes, charge, "the room is free again");
    assert_eq!(
        kept.get()
            .clear(&clearing, |_| Err(Error::internal("nothing to do")))
            .expect("nothing")
            .records(),
        0
    );
    // It may come again; when the hold is lifted, the rest goes.
    kept.get().keep("a door", NOW, &numbered("a", 0..1)).expect("kept");
    assert_eq!(kept.get().len(), 31);
    let cleared =
        kept.get().clear(&Clearing { held: &|_| false, ..clearing }, |_| Ok(())).expect("cleared");
    assert_eq!((cleared.records(), cleared.held, kept.get().len()), (10, 0, 21));
    let all = kept
        .get()
        .clear(&Clearing { past: &|_, _| true, held: &|_| false }, |_| Ok(()))
        .expect("cleared");
    assert_eq!((all.records(), kept.files().len(), kept.get().usage().bytes), (21, 0, 0));
    kept.reopen();
    assert!(kept.get().is_empty() && kept.get().check().expect("a check").is_empty());
}

#[test]
fn what_a_killed_process_left_is_there_and_written_as_a_kept_file() {
    let kept = TestQuarantine::new(QUARANTINE_BYTES);
    for number in 0..20 {
        kept.get()
            .keep("a door", NOW, &numbered("t", 10 * number..10 * (number + 1)))
            .expect("kept");
    }
    let log = fs::read(kept.folder.path().join(paths::QUARANTINE).join(&kept.files()[0]))
        .expect("it is there");
    for (end, records) in [(log.len(), 200), (log.len() - 1, 190)] {
        let mut killed = TestQuarantine::new(QUARANTINE_BYTES);
        killed.quarantine = None;
        let folder = killed.folder.path().join(paths::QUARANTINE);
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join(&kept.files()[0]), &log[..end]).expect("written");
        // Not forced to disk: it may be behind.
        let length = kept.files()[0].replace(".log", paths::LENGTH_ENDING);
        let first = TestQuarantine::new(QUARANTINE_BYTES);
        first.get().keep("a door", NOW, &numbered("t", 0..1)).expect("kept");
        fs::copy(first.folder.path().join(paths::QUARANTINE).join(&length), folder.join(&length))
            .expect("copied");
        fs::copy(kept.folder.path().join(paths::QUARANTINE_FILES), folder.join("files.json"))
            .expect("copied");
        killed.reopen();
        assert_eq!((killed.get().len(), killed.files().len()), (records, 1));
        assert!(
            killed.files()[0].ends_with(".kept")
                && killed.get().check().expect("a check").is_empty(),
            "{:?}",
            killed.files()
        );
        killed.get().keep("a door", NOW, &numbered("t", 0..300)).expect("kept");
        assert_eq!(killed.get().len(), 300, "what was lost with the process comes again");
        // What says how long a log is goes with the log, also if the process died between the two.
        fs::write(folder.join("00000000000000000001.length"), b"left").expect("written");
        killed.reopen();
        let names = fs::read_dir(&folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name());
        assert_eq!(
            names.filter(|name| name.to_string_lossy().ends_with(paths::LENGTH_ENDING)).count(),
            0
        );
    }
}

#[test]
fn a_disk_that_fails_is_told_and_the_next_records_are_kept() {
    let mut kept = TestQuarantine::new(QUARANTINE_BYTES);
    let folder = kept.folder.path().join(paths::QUARANTINE);
    fs::write(&folder, b"no folder").expect("written");
    for _ in 0..3 {
        assert!(kept.get().keep("a door", NOW, &numbered("t", 0..5)).is_err());
    }
    assert_eq!(
        (kept.get().len(), kept.get().usage().bytes),
        (0, 0),
        "what was not kept takes no room"
    );
    fs::remove_file(&folder).expect("removed");
    kept.get().keep("a door", NOW, &numbered("t", 0..5)).expect("kept");
    assert_eq!(kept.get().len(), 5);
    kept.reopen();
    assert_eq!(kept.get().len(), 5);
    assert!(kept.get().check().expect("a check").is_empty());
}

#[test]
fn small_files_of_many_starts_are_merged() {
    let mut kept = TestQuarantine::new(QUARANTINE_BYTES);
    for number in 0..40 {
        kept.get().keep("a door", NOW, &numbered("t", number..number + 1)).expect("kept");
        kept.reopen();
        assert!(kept.files().len() <= 8, "{:?}", kept.files());
    }
    let (records, _) = pages(kept.get(), &ALL);
    assert_eq!(records.len(), 40);
    assert!(kept.get().check().expect("a check").is_empty());
}

#[test]
fn files_of_earlier_versions_are_read_and_then_written_as_ours() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let quarantine = folder.path().join(paths::QUARANTINE);
    fs::create_dir(&quarantine).expect("a folder");
    let line = |number: usize, record: &str| {
        format!(
            "{{\"id\":\"{number:032x}\",\"tenant\":\"t\",\"time\":\"2026-06-01T00:00:00Z\",\"source\":\"s\",\"line\":1,\"reason\":\"x 17\",{record}}}\n"
        )
    };
    let long = "z".repeat(3 * HEAD_BYTES);
    fs::write(
        quarantine.join("01A.ndjson"),
        line(1, "\"record\":\"one\"") + &line(2, "\"record_base64\":\"/w==\""),
    )
    .expect("written");
    fs::write(quarantine.join("01B.ndjson"), line(3, &format!("\"record\":\"{long}\"")))
        .expect("written");
    fs::write(quarantine.join("01C.ndjson"), line(4, "\"record\":\"four\"") + "{\"id\":\"00")
        .expect("written");
    let store = Store::new(folder.path()).expect("a store");
    let check = |access: AccessMode| {
        let opened = Quarantine::open(&store, access, QUARANTINE_BYTES).expect("it opens");
        let page = opened.page(&ALL).expect("a page");
        let shown = |record: &Quarantined| {
            (record.record.clone(), record.record_base64.clone(), record.length, record.cut)
        };
        assert_eq!(page.total, Some(4));
        assert_eq!(shown(&page.records[0]), (Some("four".to_owned()), None, 4, false));
        assert_eq!(
            shown(&page.records[1]),
            (Some("z".repeat(HEAD_BYTES)), None, 3 * HEAD_BYTES as u64, true)
        );
        assert_eq!(shown(&page.records[2]), (None, Some("/w==".to_owned()), 1, false));
        assert_eq!(shown(&page.records[3]), (Some("one".to_owned()), None, 3, false));
        assert_eq!(page.records[1].sha256, hex(&Sha256::digest(&long)));
        assert_eq!((&*page.records[0].kind, &*page.records[0].reason), ("x …", "x 17"));
        let found = opened.check().expect("a check");
        assert!(found.len() == 1 && found[0].contains("01C.ndjson"), "{found:?}");
        assert!(page.damaged.iter().any(|what| what.contains("01C.ndjson")));
        opened
    };
    drop(check(AccessMode::Read));
    let before = store.names(paths::QUARANTINE).expect("names");
    assert_eq!(before, ["01A.ndjson", "01B.ndjson", "01C.ndjson"], "reading changes nothing");
    for _ in 0..2 {
        let opened = check(AccessMode::Write);
        let parts = opened.shared.parts();
        assert!(parts.iter().all(|part| part.numbers().0 < FIRST_NUMBER));
        let names = store.names(paths::QUARANTINE).expect("names");
        let old: Vec<&String> = names.iter().filter(|name| name.ends_with(".ndjson")).collect();
        assert_eq!(old, ["01C.ndjson"], "what is damaged stays as it is");
    }
    let opened = check(AccessMode::Write);
    opened.keep("a door", NOW, &numbered("t", 0..1)).expect("kept");
    assert_eq!(
        opened.page(&ALL).expect("a page").records[0].record.as_deref(),
        Some("nonsense 0"),
        "newer than all of them"
    );
}

#[test]
fn damage_is_named_stops_nothing_and_takes_only_its_own() {
    let mut kept = TestQuarantine::new(QUARANTINE_BYTES);
    for number in 0..3 {
        kept.get()
            .keep("a door", NOW, &numbered("t", 100 * number..100 * (number + 1)))
            .expect("kept");
        kept.reopen();
    }
    kept.quarantine = None;
    let names = kept.files();
    let path = |name: &str| kept.folder.path().join(paths::QUARANTINE).join(name);
    let cut = fs::read(path(&names[0])).expect("it is there");
    fs::write(path(&names[0]), &cut[..cut.len() - 1]).expect("written");
    fs::write(path(&names[1]), b"").expect("written");
    kept.reopen();
    let found = kept.get().check().expect("a check");
    assert!(
        names[..2].iter().all(|name| found.iter().any(|what| what.contains(name.as_str()))),
        "{found:?}"
    );
    let page = kept.get().page(&ALL).expect("a page");
    assert_eq!((page.total, page.records.len()), (Some(200), 100));
    assert!(
        names[..2].iter().all(|name| page.damaged.iter().any(|what| what.contains(name.as_str()))),
        "the total may be short"
    );
    let page = kept.get().page(&QuarantineAsk { limit: 300, ..ALL }).expect("a page");
    assert_eq!(page.records.len(), 200, "a file that lost its index is answered");
    assert!(page.damaged.iter().any(|what| what.contains(&names[1])), "{:?}", page.damaged);
    // What is lost may come again, and nothing is deleted of what is damaged.
    kept.get().keep("a door", NOW, &numbered("t", 100..200)).expect("kept");
    assert_eq!(kept.get().len(), 300);
    let cleared = kept
        .get()
        .clear(&Clearing { past: &|_, _| true, held: &|_| false }, |_| Ok(()))
        .expect("cleared");
    assert_eq!(cleared.records(), 200);
    kept.reopen();
    assert!(kept.files().contains(&names[0]) && kept.files().contains(&names[1]));
    fs::remove_file(kept.folder.path().join(paths::QUARANTINE).join(&names[1])).expect("removed");
    for _ in 0..2 {
        kept.reopen();
        let found = kept.get().check().expect("a check");
        assert!(
            found.iter().any(|what| what.contains(&names[1]) && what.contains("is missing")),
            "{found:?}"
        );
        kept.get().keep("a door", NOW, &numbered("u", 0..1)).expect("kept");
    }
}

#[test]
fn a_log_whose_length_is_lost_is_told() {
    let mut kept = TestQuarantine::new(QUARANTINE_BYTES);
    kept.get().keep("a door", NOW, &numbered("t", 0..5)).expect("kept");
    let folder = kept.folder.path().join(paths::QUARANTINE);
    let copy = tempfile::tempdir().expect("a temporary directory");
    let there = copy.path().join(paths::QUARANTINE);
    fs::create_dir(&there).expect("a folder");
    for entry in fs::read_dir(&folder).expect("a folder").flatten() {
        if !entry.file_name().to_string_lossy().ends_with(paths::LENGTH_ENDING) {
            fs::copy(entry.path(), there.join(entry.file_name())).expect("a copy");
        }
    }
    let store = Store::new(copy.path()).expect("a store");
    let opened = Quarantine::open(&store, AccessMode::Read, QUARANTINE_BYTES).expect("it opens");
    let found = opened.check().expect("a check");
    assert!(found[0].contains("its length is not noted beside it"), "{found:?}");
    assert_eq!((opened.len(), opened.damage()), (5, found));
    kept.reopen();
    assert_eq!(kept.get().damage(), Vec::<String>::new());
}
