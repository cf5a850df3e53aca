//! Pages stay right while events arrive, and a store that is closed and opened again is the same store.

use crate::store::{TestStore, all_pages};
use annals::access::Scope;
use annals::event::{Event, Timestamp};
use annals::query::{Filter, Order, PageQuery};
use std::collections::BTreeSet;

const START: i64 = 1_772_323_200_000;

/// Records whose times repeat: ten events share each.
fn records(ids: std::ops::Range<i64>, shift: i64) -> Vec<String> {
    ids.map(|id| format!(r#"{{"event_name":"n","trace_id":"r{id}","time":{}}}"#, START + shift + id / 10 * 1_000)).collect()
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
    for order in [Order::Descending, Order::Ascending] {
        let (mut seen, mut cursor, mut page_number) = (Vec::<Event>::new(), None, 0);
        loop {
            let snapshot = store.engine().snapshot();
            let query = PageQuery { limit: 7, order, cursor, around: None };
            let page = store.engine().reader(&snapshot, None).list(&scope, &Filter::default(), &query).expect("a page");
            seen.extend(page.events);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
            // Late ones with times in use, and new ones at both ends.
            let id = 10_000 + page_number * 10 + if order == Order::Ascending { 5_000 } else { 0 };
            let shift = [-20_000_000, -10_000_000, 20_000_000][page_number as usize % 3];
            if page_number < 20 {
                store.ingest("t", &records(id..id + 3, shift));
            }
            page_number += 1;
        }
        let sorted: Vec<_> = seen.iter().map(Event::key).collect();
        match order {
            Order::Descending => assert!(sorted.is_sorted_by(|left, right| left > right), "in order, none twice"),
            Order::Ascending => assert!(sorted.is_sorted_by(|left, right| left < right), "in order, none twice"),
        }
        assert!(keys(&seen).is_superset(&before), "{order:?}: none of those that were there is skipped");
    }
}

#[test]
fn numbers_go_on_without_gaps_and_cursors_hold_over_a_restart() {
    let mut store = TestStore::new();
    store.ingest("t", &records(0..40, 0));
    let scope = Scope::of_operator(&["t"]).expect("a scope");
    let snapshot = store.engine().snapshot();
    let query = PageQuery { limit: 15, ..PageQuery::default() };
    let first = store.engine().reader(&snapshot, None).list(&scope, &Filter::default(), &query).expect("a page");
    let before = store.everything();
    store.reopen();
    assert_eq!(store.everything(), before);
    let receipt = store.ingest("t", &records(100..110, 50_000_000)).receipt;
    assert_eq!((receipt.first_seq, receipt.last_seq), (Some(41), Some(50)));
    let snapshot = store.engine().snapshot();
    let query = PageQuery { cursor: first.next, ..query };
    let second = store.engine().reader(&snapshot, None).list(&scope, &Filter::default(), &query).expect("a page");
    assert_eq!(second.events, before[15..30]);
    let numbers: Vec<u64> = keys(&all_pages(store.engine(), &scope, &Filter::default(), Order::Descending, 100)).into_iter().collect();
    assert_eq!(numbers, (1..=50).collect::<Vec<_>>());
}

#[test]
fn an_event_of_tomorrow_is_filed_under_its_date_and_one_of_next_week_under_today() {
    let store = TestStore::new();
    let at = |time: i64| vec![format!(r#"{{"event_name":"n","trace_id":"{time}","time":{time}}}"#)];
    store.ingest("t", &at(crate::store::NOW + 3_600_000));
    store.ingest("t", &at(crate::store::NOW + 7 * 86_400_000));
    let events = store.everything();
    assert_eq!(events.iter().map(|event| event.time_suspect).collect::<Vec<_>>(), [false, true]);
    assert_eq!(events[1].time, Timestamp::from_millis(crate::store::NOW));
    store.clock.set(Timestamp::from_millis(crate::store::NOW + 60_000));
    assert_eq!(store.ingest("t", &at(crate::store::NOW + 7 * 86_400_000)).duplicates, 1, "known, though the time it came is another");
}
