//! Merging segments changes no answer, disturbs no reader, and leaves nothing behind.

use crate::support::store::{NOW, TestStore, all_pages};
use annals::access::Scope;
use annals::engine::Settings;
use annals::event::{DAY_MS, Event, Field, Timestamp};
use annals::filter::parse_filter;
use annals::generate::{Generator, Plan};
use annals::maintain::Most;
use annals::query::{Filter, HistogramQuery, PageQuery, SortOrder};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

fn records(events: u64, seed: u64) -> Vec<Json> {
    let mut generator =
        Generator::new(&Plan { events, tenants: 4, days: 2, seed, ..Plan::default() });
    let mut records = Vec::new();
    let mut record = String::new();
    while generator.next_record(&mut record) {
        records.push(serde_json::from_str(&record).expect("generated records are JSON"));
        record.clear();
    }
    records
}

/// A store of many small seals.
fn store() -> TestStore {
    let store = TestStore::new();
    for batch in records(1_200, 3).chunks(80) {
        store.ingest_from(batch, "project_id");
    }
    store
}

/// Every kind of answer, as one text.
fn answers(store: &TestStore) -> String {
    let scope = Scope::of_operator(&["*"]).expect("a scope");
    let snapshot = store.engine().snapshot();
    let reader = store.engine().reader(&snapshot, None);
    let mut all = String::new();
    for question in [
        "",
        "source=ECS",
        "level.not=normal",
        "text=terraform",
        "amount.min=1",
        "resource_name.prefix=dev",
    ] {
        let pairs: Vec<(String, String)> = question
            .split_once('=')
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect();
        let filter = parse_filter(&pairs, &[], Timestamp::from_millis(NOW)).expect("a filter");
        let list: Vec<(u64, String)> =
            all_pages(store.engine(), &scope, &filter, SortOrder::Ascending, 97)
                .iter()
                .map(|event| (event.seq, event.original.to_string()))
                .collect();
        let count = reader.count(&scope, &filter).expect("a count").0;
        let facets = reader
            .facets(&scope, &filter, &[Field::Source, Field::Operator], 50)
            .expect("facets")
            .0;
        let histogram =
            reader.histogram(&scope, &filter, &HistogramQuery::default()).expect("a histogram").0;
        let stats = reader.stats(&scope, &filter, Some(Field::Currency)).expect("sums").0;
        all += &format!("{question}: {count} {facets:?} {histogram:?} {stats:?} {list:?}\n");
    }
    all
}

fn files(store: &TestStore) -> usize {
    fn below(folder: &Path) -> usize {
        std::fs::read_dir(folder).map_or(0, |entries| {
            entries
                .flatten()
                .filter(|entry| entry.file_name() != "aside")
                .map(|entry| if entry.path().is_dir() { below(&entry.path()) } else { 1 })
                .sum()
        })
    }
    let table = store.path().join("events");
    let partitions =
        std::fs::read_dir(&table).expect("the table").flatten().map(|entry| entry.path());
    partitions.filter(|path| !path.ends_with("_delta_log")).map(|path| below(&path)).sum()
}

#[test]
fn merged_segments_give_the_same_answers_and_the_old_files_go_after_a_day() {
    let mut store = store();
    let segments = store.engine().stats().segments;
    assert!(segments > 12, "{segments}");
    let before = answers(&store);
    // A list that is being paged through, and a reader that holds the segments as they were.
    let scope = Scope::of_operator(&["*"]).expect("a scope");
    let held = store.engine().snapshot();
    let query = PageQuery { limit: 50, ..PageQuery::default() };
    let page = store
        .engine()
        .reader(&held, None)
        .list(&scope, &Filter::default(), &query)
        .expect("a page");

    let done = store.engine().compact().expect("a compaction");
    assert_eq!((done.merged, done.removed), (segments, 0), "{done:?}");
    assert_eq!(store.engine().stats().segments, done.made);
    assert!(done.made <= 3, "{done:?}");
    assert_eq!(answers(&store), before);
    assert!(store.engine().check(false).expect("a check").is_sound());
    let query = PageQuery { cursor: page.next, ..query };
    let next = |snapshot: &annals::query::Snapshot| {
        store
            .engine()
            .reader(snapshot, None)
            .list(&scope, &Filter::default(), &query)
            .expect("the next page")
            .events
    };
    let (old, new): (Vec<Event>, Vec<Event>) = (next(&held), next(&store.engine().snapshot()));
    assert_eq!(old, new, "a cursor goes on, whatever was merged");

    // After a day, files go that no reader has; then the rest.
    store.clock.set(Timestamp::from_millis(NOW + 400 * DAY_MS));
    let all = files(&store);
    assert_eq!(store.engine().compact().expect("nothing to merge").removed, 0, "a reader has them");
    drop(held);
    let removed = store.engine().compact().expect("nothing to merge").removed;
    assert_eq!((removed, files(&store)), (3 * segments, all - 3 * segments));
    assert_eq!(answers(&store), before);
    store.reopen();
    assert_eq!(answers(&store), before);
    // What was merged is known again.
    let again = store.ingest_from(&records(1_200, 3), "project_id");
    assert_eq!((again.accepted, again.duplicates), (0, 1_200));
}

#[test]
fn replaced_files_stay_from_when_they_were_replaced_and_as_long_as_is_asked_for() {
    let mut store = store();
    let segments = store.engine().stats().segments;
    let replaced = 3 * segments;
    // The files are a year old when they are replaced, so somebody may have been reading them a
    // moment ago.
    store.clock.set(Timestamp::from_millis(NOW + 400 * DAY_MS));
    let done = store.engine().compact().expect("a compaction");
    assert_eq!((done.merged, done.removed), (segments, 0), "{done:?}");
    let all = files(&store);
    store.clock.set(Timestamp::from_millis(NOW + 401 * DAY_MS));
    assert_eq!(store.engine().compact().expect("nothing to merge").removed, 0, "not yet a day");
    let before = answers(&store);
    store.reopen_with(Settings {
        compact: false,
        replaced_kept: Duration::from_secs(86_399),
        ..Settings::default()
    });
    assert_eq!(
        (files(&store), answers(&store)),
        (all - replaced, before),
        "nor a second less than one"
    );

    let mut store = self::store();
    let before = answers(&store);
    store.reopen_with(Settings {
        compact: false,
        replaced_kept: Duration::ZERO,
        ..Settings::default()
    });
    store.clock.set(Timestamp::from_millis(NOW + 400 * DAY_MS));
    let done = store.engine().compact().expect("a compaction");
    assert_eq!((done.merged, done.removed), (segments, 0), "replaced in this very millisecond");
    store.clock.set(Timestamp::from_millis(NOW + 400 * DAY_MS + 1));
    assert_eq!(store.engine().compact().expect("nothing to merge").removed, replaced);
    assert_eq!(answers(&store), before);
}

#[test]
fn long_records_are_merged_in_pieces_that_fit_into_memory() {
    let mut store = TestStore::new();
    let most = Most { rows: 200_000, bytes: 256 << 10 };
    store.reopen_with(Settings { compact: false, merged: most, ..Settings::default() });
    let long = |number: i64| {
        let text = format!("part {number} ").repeat(2_500);
        serde_json::json!({ "tenant": "acme", "trace_id": format!("long-{number}"),
            "time": NOW - DAY_MS / 2 - number * 1_000, "event_name": "putObject", "source": "OBS",
            "text": text })
    };
    for seal in 0..12 {
        let records: Vec<Json> = (seal * 4..seal * 4 + 4).map(long).collect();
        store.ingest_from(&records, "tenant");
    }
    let bytes = |store: &TestStore| {
        store
            .engine()
            .snapshot()
            .segments
            .iter()
            .map(|segment| segment.manifest().record_bytes)
            .collect::<Vec<_>>()
    };
    let (before, everything) = (bytes(&store), store.everything());
    let total = before.iter().sum::<u64>();
    assert!(before.len() == 12 && total > 3 * most.bytes, "{before:?}");
    store.engine().compact().expect("a compaction");
    let after = bytes(&store);
    assert_eq!(after.iter().sum::<u64>(), total);
    assert!(
        after.len() < before.len() && after.iter().all(|bytes| *bytes < most.bytes + 60_000),
        "{before:?} {after:?}"
    );
    assert_eq!(store.everything(), everything);
    assert_eq!(store.engine().compact().expect("nothing to merge").merged, 0, "it comes to an end");
}

#[test]
fn segments_are_merged_in_the_background_while_events_arrive() {
    let store = TestStore::compacting();
    for batch in records(2_400, 5).chunks(40) {
        store.ingest_from(batch, "project_id");
    }
    let started = std::time::Instant::now();
    while store.engine().stats().segments > 20 && started.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let stats = store.engine().stats();
    assert!(stats.segments <= 20, "60 seals of two dates each left {} segments", stats.segments);
    assert_eq!((stats.events, store.everything().len()), (2_400, 2_400));
    assert!(store.engine().check(false).expect("a check").is_sound());
}

#[test]
fn what_an_interrupted_write_left_is_removed_and_nothing_else() {
    let mut store = store();
    let before = answers(&store);
    let table = store.path().join("events");
    let date = std::fs::read_dir(&table)
        .expect("the table")
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.to_string_lossy().contains("date="))
        .expect("a partition");
    let all = files(&store);
    for path in ["01ORPHAN.parquet", "01ORPHAN.parquet#7", "notes.txt"] {
        std::fs::write(date.join(path), "left over").expect("a file");
    }
    std::fs::write(table.join("_annals/index/01ORPHAN.idx"), "left over").expect("a file");
    std::fs::write(table.join("_annals/segments/01ORPHAN.json#3"), "left over").expect("a file");
    store.reopen();
    assert_eq!(files(&store), all + 5, "younger than a day: it may be someone's");
    store.clock.set(Timestamp::from_millis(NOW + 400 * DAY_MS));
    store.reopen();
    assert_eq!(files(&store), all + 1, "what is not ours stays");
    let aside = table.join("_annals/aside").join(Timestamp::from_millis(NOW + 400 * DAY_MS).date());
    assert_eq!(
        std::fs::read_dir(aside).expect("a folder of that day").count(),
        4,
        "what no version ever named is kept there"
    );
    assert_eq!(answers(&store), before);
}

#[test]
fn a_date_is_cut_by_tenant_into_segments_of_bounded_size() {
    const ROWS: u32 = 150;
    let mut store = store();
    store.reopen_with(Settings {
        compact: false,
        merged: Most { rows: ROWS, bytes: u64::MAX },
        ..Settings::default()
    });
    let before = answers(&store);
    let done = store.engine().compact().expect("a compaction");
    assert!(done.merged > 12, "{done:?}");
    assert_eq!(answers(&store), before);
    assert!(store.engine().check(false).expect("a check").is_sound());

    // Of a date, a tenant's events lie in no more segments than they fill.
    let snapshot = store.engine().snapshot();
    let mut rows: BTreeMap<(String, String), (u32, u32)> = BTreeMap::new();
    for manifest in snapshot.segments.iter().map(|segment| segment.manifest()) {
        for tenant in &manifest.tenants {
            let of = rows.entry((manifest.date.clone(), tenant.tenant.to_string())).or_default();
            *of = (of.0 + 1, of.1 + tenant.rows);
        }
    }
    assert!(
        rows.values().any(|(segments, _)| *segments > 1),
        "one tenant is larger than a segment: {rows:?}"
    );
    for ((date, tenant), (segments, rows)) in &rows {
        assert!(
            *segments <= rows.div_ceil(ROWS),
            "{tenant} has {rows} events of {date} in {segments} segments"
        );
    }
    assert!(snapshot.segments.len() > 6, "{} segments", snapshot.segments.len());
    assert_eq!(
        store.engine().compact().expect("nothing to merge").merged,
        0,
        "what is cut stays as it is"
    );
    // Late events of all tenants are cut in, whatever the clock says: it stands still here.
    let late: Vec<Json> = records(1_400, 3).split_off(1_200);
    store.ingest_from(&late, "project_id");
    let whole = answers(&store);
    store.engine().compact().expect("a compaction");
    assert_eq!(answers(&store), whole);
    store.reopen();
    assert_eq!(answers(&store), whole);
}

#[test]
fn dates_that_were_filled_come_to_rest_as_one_segment_each_when_it_is_quiet() {
    let store = TestStore::compacting();
    // Too few of a size to be merged while events arrive.
    for batch in records(600, 7).chunks(150) {
        store.ingest_from(batch, "project_id");
    }
    let snapshot = store.engine().snapshot();
    let dates: BTreeSet<String> =
        snapshot.segments.iter().map(|segment| segment.manifest().date.clone()).collect();
    let at_rest = |segments: usize| segments == dates.len();
    assert!(!at_rest(snapshot.segments.len()), "{} segments of {dates:?}", snapshot.segments.len());
    let started = std::time::Instant::now();
    while !at_rest(store.engine().stats().segments) && started.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(
        at_rest(store.engine().stats().segments),
        "{} segments of {dates:?}",
        store.engine().stats().segments
    );
    assert_eq!(store.everything().len(), 600);
}

#[test]
fn answers_are_the_same_when_no_part_of_a_segment_may_stay_open() {
    let mut store = store();
    let before = answers(&store);
    let open = store.engine().open_parts();
    assert!(
        open.parts >= 2 * store.engine().stats().segments
            && open.bytes > 0
            && open.bytes <= open.budget,
        "{open:?}"
    );
    // Less than one index takes: each part is closed as soon as it is open, and used until its
    // question is done.
    store.reopen_with(Settings { compact: false, open_bytes: 1, ..Settings::default() });
    assert_eq!(answers(&store), before);
    assert_eq!((store.engine().open_parts().bytes, store.engine().open_parts().budget), (0, 1));
    // Room for a few.
    store.reopen_with(Settings { compact: false, open_bytes: 500_000, ..Settings::default() });
    assert_eq!(answers(&store), before);
    let open = store.engine().open_parts();
    assert!(open.bytes <= 500_000 && open.parts > 1, "{open:?}");
}

#[test]
fn events_of_one_time_are_merged_into_segments_of_the_size_that_is_allowed() {
    let mut store = TestStore::new();
    let most = Most { rows: 100, bytes: 1 << 20 };
    store.reopen_with(Settings { compact: false, merged: most, ..Settings::default() });
    for batch in 0..5 {
        let records: Vec<String> = (0..60)
            .map(|n| {
                format!(
                    r#"{{"event_name":"n","trace_id":"{batch}-{n}","time":{}}}"#,
                    if n < 50 { NOW } else { NOW - n }
                )
            })
            .collect();
        store.ingest("t", &records);
    }
    let before = store.everything();
    assert_eq!(before.len(), 300);
    let done = store.engine().compact().expect("a compaction");
    let rows = |store: &TestStore| {
        store
            .engine()
            .snapshot()
            .segments
            .iter()
            .map(|segment| segment.manifest().rows)
            .collect::<Vec<u32>>()
    };
    assert!(
        done.merged > 0 && rows(&store).iter().all(|rows| *rows <= most.rows),
        "{done:?} {:?}",
        rows(&store)
    );
    assert_eq!(store.everything(), before);
}
