//! Pages stay right while events arrive, and a store that is closed and opened again is the same
//! store.

use crate::support::store::{TestStore, all_pages};
use annals::access::Scope;
use annals::clock::Clock;
use annals::event::{Event, Timestamp};
use annals::query::{Filter, PageQuery, SortOrder};
use std::collections::BTreeSet;

const START: i64 = 1_772_323_200_000;

/// Records whose times repeat: ten events share each.
fn records(ids: std::ops::Range<i64>, shift: i64) -> Vec<String> {
    ids.map(|id| {
        format!(
            r#"{{"event_name":"n","trace_id":"r{id}","time":{}}}"#,
            START + shift + id / 10 * 1_000
        )
    })
    .collect()
}

fn keys(events: &[Event]) -> BTreeSet<u64> {
    events.iter().map(|event| event.seq).collect()
}

#[test]
fn a_pager_sees_every_event_once_while_others_arrive() {
    let store = TestStore::new();
    for batch in 0..5 {
        store.ingest("t", &records(batch * 60..(batch + 1) * 60, 0));
    }
    let scope = Scope::of_operator(&["t"]).expect("a scope");
    let before = keys(&store.everything());
    for order in [SortOrder::Descending, SortOrder::Ascending] {
        let (mut seen, mut cursor, mut page_number) = (Vec::<Event>::new(), None, 0);
        loop {
            let snapshot = store.engine().snapshot();
            let query = PageQuery { limit: 7, order, cursor, around: None };
            let page = store
                .engine()
                .reader(&snapshot, None)
                .list(&scope, &Filter::default(), &query)
                .expect("a page");
            seen.extend(page.events);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
            // Late ones with times in use, and new ones at both ends.
            let id =
                10_000 + page_number * 10 + if order == SortOrder::Ascending { 5_000 } else { 0 };
            let shift = [-20_000_000, -10_000_000, 20_000_000][page_number as usize % 3];
            if page_number < 20 {
                store.ingest("t", &records(id..id + 3, shift));
            }
            page_number += 1;
        }
        let sorted: Vec<_> = seen.iter().map(Event::key).collect();
        match order {
            SortOrder::Descending => {
                assert!(sorted.is_sorted_by(|left, right| left > right), "in order, none twice")
            }
            SortOrder::Ascending => {
                assert!(sorted.is_sorted_by(|left, right| left < right), "in order, none twice")
            }
        }
        assert!(
            keys(&seen).is_superset(&before),
            "{order:?}: none of those that were there is skipped"
        );
    }
}

#[test]
fn numbers_go_on_without_gaps_and_cursors_hold_over_a_restart() {
    let mut store = TestStore::new();
    store.ingest("t", &records(0..40, 0));
    let scope = Scope::of_operator(&["t"]).expect("a scope");
    let snapshot = store.engine().snapshot();
    let query = PageQuery { limit: 15, ..PageQuery::default() };
    let first = store
        .engine()
        .reader(&snapshot, None)
        .list(&scope, &Filter::default(), &query)
        .expect("a page");
    let before = store.everything();
    store.reopen();
    assert_eq!(store.everything(), before);
    let receipt = store.ingest("t", &records(100..110, 50_000_000)).receipt;
    assert_eq!((receipt.first_seq, receipt.last_seq), (Some(41), Some(50)));
    let snapshot = store.engine().snapshot();
    let query = PageQuery { cursor: first.next, ..query };
    let second = store
        .engine()
        .reader(&snapshot, None)
        .list(&scope, &Filter::default(), &query)
        .expect("a page");
    assert_eq!(second.events, before[15..30]);
    let numbers: Vec<u64> =
        keys(&all_pages(store.engine(), &scope, &Filter::default(), SortOrder::Descending, 100))
            .into_iter()
            .collect();
    assert_eq!(numbers, (1..=50).collect::<Vec<_>>());
}

#[test]
fn an_event_of_tomorrow_is_filed_under_its_date_and_one_of_next_week_under_today() {
    let store = TestStore::new();
    let at = |time: i64| vec![format!(r#"{{"event_name":"n","trace_id":"{time}","time":{time}}}"#)];
    store.ingest("t", &at(crate::support::store::NOW + 3_600_000));
    store.ingest("t", &at(crate::support::store::NOW + 7 * 86_400_000));
    let events = store.everything();
    assert_eq!(events.iter().map(|event| event.time_suspect).collect::<Vec<_>>(), [false, true]);
    assert_eq!(events[1].time, Timestamp::from_millis(crate::support::store::NOW));
    store.clock.set(Timestamp::from_millis(crate::support::store::NOW + 60_000));
    assert_eq!(
        store.ingest("t", &at(crate::support::store::NOW + 7 * 86_400_000)).duplicates,
        1,
        "known, though the time it came is another"
    );
}

/// A record of a trace id and a time, and the same with something else in it.
fn at(id: &str, time: i64, note: u32) -> Vec<String> {
    vec![format!(r#"{{"event_name":"n","trace_id":"{id}","time":{time},"note":{note}}}"#)]
}

#[test]
fn an_event_of_the_near_future_is_known_when_its_time_is_absurd_no_more() {
    const DAY: i64 = 86_400_000;
    let mut store = TestStore::new();
    let now = crate::support::store::NOW;
    let buffered = |store: &TestStore, records: &[String]| {
        let records = records
            .iter()
            .map(|text| serde_json::from_str(&text.replace('}', ",\"of\":\"t\"}")).expect("JSON"));
        let outcome = store.buffer_from(&records.collect::<Vec<serde_json::Value>>(), "of");
        (outcome.accepted, outcome.duplicates, outcome.quarantined.total())
    };
    let (new, known, conflict) = ((1, 0, 0), (0, 1, 0), (0, 0, 1));
    // Both are four seconds too far ahead; one is sealed, one stays in the buffer.
    let (sealed, waiting) =
        (at("sealed", now + DAY + 4_000, 1), at("waiting", now + DAY + 4_000, 1));
    assert_eq!(buffered(&store, &sealed), new);
    store.engine().seal().expect("a commit");
    assert_eq!(buffered(&store, &waiting), new);
    assert!(
        store
            .everything()
            .iter()
            .all(|event| event.time_suspect && event.time == Timestamp::from_millis(now))
    );
    for (later, what) in
        [(0, "at once"), (6_000, "when it is not absurd any more"), (3 * DAY, "when it is past")]
    {
        store.clock.set(Timestamp::from_millis(now + later));
        for record in [&sealed, &waiting] {
            assert_eq!(buffered(&store, record), known, "{what}");
        }
        for id in ["sealed", "waiting"] {
            // Batches of nothing but what is refused are told apart by when they came.
            store.clock.set(Timestamp::from_millis(store.clock.now().millis() + 1));
            assert_eq!(
                buffered(&store, &at(id, now + DAY + 4_000, 2)),
                conflict,
                "another record with this id and time, {what}"
            );
        }
        store.reopen();
        for record in [&sealed, &waiting] {
            assert_eq!(buffered(&store, record), known, "{what}, after a restart");
        }
    }
    // The same id at another time is another event, as ever; also when both times are absurd.
    assert_eq!(buffered(&store, &at("sealed", now + 5_000, 1)), new);
    assert_eq!(buffered(&store, &at("sealed", 5_000, 1)), new);
    assert_eq!(buffered(&store, &at("sealed", 6_000, 1)), new);
    // A clock that was set back does not make what was plausible another event.
    assert_eq!(buffered(&store, &at("ahead", now + 4 * DAY, 1)), new);
    store.clock.set(Timestamp::from_millis(now));
    assert_eq!(buffered(&store, &at("ahead", now + 4 * DAY, 1)), known);
    store.engine().seal().expect("a commit");
    for (id, time) in
        [("sealed", now + 5_000), ("sealed", 5_000), ("sealed", 6_000), ("ahead", now + 4 * DAY)]
    {
        assert_eq!(buffered(&store, &at(id, time, 1)), known, "{id} {time}");
    }
}

#[test]
fn one_trace_id_for_everything_costs_no_more_than_many() {
    let store = TestStore::new();
    let records = |shift: i64, note: u32| {
        (0..30_000).flat_map(move |n| at("const", START + shift + n, note)).collect::<Vec<_>>()
    };
    let begun = std::time::Instant::now();
    assert_eq!(store.ingest("t", &records(0, 1)).accepted, 30_000);
    assert_eq!(store.ingest("t", &records(0, 1)).duplicates, 30_000);
    let mixed = store.ingest("t", &records(15_000, 2));
    assert_eq!((mixed.accepted, mixed.quarantined.total()), (15_000, 15_000));
    // Each with each would be two billion comparisons.
    assert!(begun.elapsed() < std::time::Duration::from_secs(120), "{:?}", begun.elapsed());
}
