//! Every list is walked page by page while events arrive and leave, with trace ids and times that
//! many events share: what was there all the time and matches is listed once, nothing is listed
//! twice, and the order holds, at every limit.

use crate::support::store::{NOW, TestStore};
use annals::access::Actor;
use annals::api::router;
use annals::engine::Retention;
use annals::event::{DAY_MS, Event};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value as Json, json};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use tower::ServiceExt;

/// The limits of pages; the last is more than there is.
const LIMITS: [usize; 8] = [1, 2, 3, 4, 5, 6, 7, 200];
/// No walk has more pages than there can be events.
const PAGES_MAX: usize = 2_000;

const TENANTS: [&str; 3] = ["a", "b", "c"];
const SCOPES: [&str; 4] =
    ["tenant=a", "tenant=a&tenant=b", "tenant=a&tenant=b&tenant=c", "tenant=*"];
/// Days that retention deletes, and days that it does not: few moments, so that they are shared.
const TIMES: [i64; 8] = [
    NOW - 400 * DAY_MS,
    NOW - 400 * DAY_MS + 1,
    NOW - 300 * DAY_MS,
    NOW - DAY_MS,
    NOW - DAY_MS + 1,
    NOW - 2,
    NOW - 1,
    NOW,
];

/// A record that comes: its tenant, trace id and time, each by number.
type Coming = (usize, usize, usize);

/// What happens between two pages.
#[derive(Debug, Clone)]
enum Change {
    Arrive(Vec<Coming>),
    Seal,
    Merge,
    Expire(usize),
    Nothing,
}

fn coming(ids: usize) -> impl Strategy<Value = Coming> {
    (0..TENANTS.len(), 0..ids, 0..TIMES.len())
}

fn changes(ids: usize) -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        6 => proptest::collection::vec(coming(ids), 1..3).prop_map(Change::Arrive),
        2 => Just(Change::Seal),
        1 => Just(Change::Merge),
        1 => (0..TENANTS.len()).prop_map(Change::Expire),
        4 => Just(Change::Nothing),
    ];
    proptest::collection::vec(change, 4..40)
}

/// A store, one server over it, and what will happen to it.
struct Tide {
    store: TestStore,
    router: Router,
    changes: Vec<Change>,
    at: Cell<usize>,
}

/// Where an event is in a list: its time and number.
type Place = (i64, u64);

impl Tide {
    fn new(first: &[Coming], changes: Vec<Change>) -> Self {
        let store = TestStore::new();
        let router = router(Arc::clone(store.engine()));
        let tide = Self { store, router, changes, at: Cell::new(0) };
        tide.arrive(first);
        tide
    }

    fn arrive(&self, coming: &[Coming]) {
        let records: Vec<Json> = coming
            .iter()
            .map(|(tenant, id, time)| {
                json!({ "trace_id": format!("id{id}"), "time": TIMES[*time],
                    "event_name": format!("name{}", id % 2), "event_type": "system",
                    "of": TENANTS[*tenant] })
            })
            .collect();
        self.store.buffer_from(&records, "of");
    }

    /// The next change.
    fn turn(&self) {
        let at = self.at.replace(self.at.get() + 1);
        let engine = self.store.engine();
        match &self.changes[at % self.changes.len()] {
            Change::Arrive(coming) => self.arrive(coming),
            Change::Seal => engine.seal().expect("a commit"),
            Change::Merge => drop(engine.compact().expect("a merge")),
            Change::Expire(tenant) => {
                let days = Retention::Days(Some(TENANTS[*tenant].to_owned()), Some(180));
                engine.set_retention(&Actor::operator(), &days).expect("a policy");
                engine.expire(&Actor::operator()).expect("what is past goes");
            }
            Change::Nothing => {}
        }
    }

    fn get(&self, path: &str) -> Json {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        self.send(request)
    }

    fn send(&self, request: Request<Body>) -> Json {
        let path = request.uri().to_string();
        self.store.runtime.block_on(async {
            let answer = self.router.clone().oneshot(request).await.expect("an answer");
            let status = answer.status();
            let body = to_bytes(answer.into_body(), usize::MAX).await.expect("a body");
            let json: Json = serde_json::from_slice(&body).expect("JSON");
            assert_eq!(status, StatusCode::OK, "{path}: {json}");
            json
        })
    }

    /// The events that match now.
    fn present(&self, matches: impl Fn(&Event) -> bool) -> BTreeSet<Place> {
        let events = self.store.everything();
        let events = events.iter().filter(|event| matches(event));
        events.map(|event| (event.time.millis(), event.seq)).collect()
    }

    /// Follows a cursor to its end, with a change before each page; the pages, and the last answer.
    fn follow(&self, path: &str, name: &str, first: Json) -> (Vec<Vec<Place>>, Json) {
        let (mut pages, mut page) = (vec![places(&page_events(&first))], first);
        while let Some(cursor) = page[name].as_str() {
            self.turn();
            page = self.get(&format!("{path}&cursor={cursor}"));
            pages.push(places(&page_events(&page)));
            assert!(pages.len() < PAGES_MAX, "{path}: the walk ends");
        }
        (pages, page)
    }
}

fn page_events(page: &Json) -> Vec<Json> {
    page["events"].as_array().expect("a list").clone()
}

fn places(events: &[Json]) -> Vec<Place> {
    let place = |event: &Json| {
        let time = event["time"].as_str().expect("a time");
        let time = annals::event::Timestamp::parse(time).expect("a time").millis();
        (time, event["seq"].as_u64().expect("a number"))
    };
    events.iter().map(place).collect()
}

/// The list is in order, has nothing twice, and has all that stayed.
fn check(
    listed: &[Place],
    descending: bool,
    stayed: &BTreeSet<Place>,
    what: &str,
) -> Result<(), TestCaseError> {
    let in_order =
        listed.is_sorted_by(|left, right| if descending { left > right } else { left < right });
    prop_assert!(in_order, "{}: in order, none twice: {:?}", what, listed);
    let listed: BTreeSet<Place> = listed.iter().copied().collect();
    let missed: Vec<_> = stayed.difference(&listed).collect();
    prop_assert!(missed.is_empty(), "{}: missed {:?}", what, missed);
    Ok(())
}

/// Runs a test over this many stores.
fn run<S: Strategy>(stores: u32, input: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let mut runner = TestRunner::new(Config {
        cases: stores,
        failure_persistence: None,
        max_shrink_iters: 40,
        ..Config::default()
    });
    runner.run(&input, test).unwrap_or_else(|failure| panic!("{failure}"));
}

fn covers(scope: &str, event: &Event) -> bool {
    scope == "tenant=*" || scope.split('&').any(|part| part[7..] == *event.tenant)
}

/// The parts of a filter and what it means.
const NAMES: [(&str, &str); 2] = [("", ""), ("&event_name=name1", "name1")];

fn named(name: &str, event: &Event) -> bool {
    name.is_empty() || event.text(annals::event::Field::EventName) == Some(name)
}

#[test]
fn events_are_listed_once_forward_and_back_while_others_come_and_go() {
    let first = proptest::collection::vec(coming(6), 0..50);
    let asked = (0..SCOPES.len(), 0..NAMES.len(), any::<bool>());
    run(3, (first, changes(6), asked), |(first, changes, (scope, name, descending))| {
        let (scope, (filter, name)) = (SCOPES[scope], NAMES[name]);
        let matches = |event: &Event| covers(scope, event) && named(name, event);
        let tide = Tide::new(&first, changes);
        for limit in LIMITS {
            let order = if descending { "desc" } else { "asc" };
            let path = format!("/api/v1/events?limit={limit}&order={order}&{scope}{filter}");
            let before = tide.present(matches);
            let (pages, last) = tide.follow(&path, "next_cursor", tide.get(&path));
            let stayed = &before & &tide.present(matches);
            check(&pages.concat(), descending, &stayed, &path)?;
            let before = tide.present(matches);
            let (mut pages, _) = tide.follow(&path, "prev_cursor", last);
            pages.reverse();
            let stayed = &before & &tide.present(matches);
            check(&pages.concat(), descending, &stayed, &format!("{path} backward"))?;
        }
        Ok(())
    });
}

#[test]
fn around_a_moment_both_ways_are_the_whole_list() {
    let first = proptest::collection::vec(coming(6), 0..50);
    let moment = (0..TIMES.len(), -1_i64..2, any::<bool>());
    run(3, (first, changes(6), 0..SCOPES.len(), moment), |(first, changes, scope, moment)| {
        let (scope, moment, descending) = (SCOPES[scope], TIMES[moment.0] + moment.1, moment.2);
        let matches = |event: &Event| covers(scope, event);
        let tide = Tide::new(&first, changes);
        for limit in LIMITS {
            let order = if descending { "desc" } else { "asc" };
            let path = format!("/api/v1/events?limit={limit}&order={order}&{scope}");
            let before = tide.present(matches);
            let page = tide.get(&format!("{path}&around={moment}"));
            let there = places(&page_events(&page));
            prop_assert!(
                there.iter().all(|(time, _)| if descending {
                    *time <= moment
                } else {
                    *time >= moment
                }),
                "{} begins at {}",
                path,
                moment
            );
            let (after, _) = tide.follow(&path, "next_cursor", page.clone());
            let (mut back, _) = tide.follow(&path, "prev_cursor", page);
            back.remove(0);
            back.reverse();
            let stayed = &before & &tide.present(matches);
            let what = format!("{path} around {moment}");
            check(&[back, after].concat().concat(), descending, &stayed, &what)?;
        }
        Ok(())
    });
}

#[test]
fn others_of_one_trace_id_go_on_with_their_cursor() {
    // More of one id than an answer has: the times are apart, not those of the other tests.
    let records = |range: std::ops::Range<i64>| -> Vec<Json> {
        let record = |number: i64| {
            json!({ "trace_id": "one", "time": TIMES[5] - number / 3, "event_name": "n",
                "of": TENANTS[(number % 3) as usize] })
        };
        range.map(record).collect()
    };
    run(2, (45_i64..70, 0_i64..60, changes(6)), |(count, more, changes)| {
        let tide = Tide::new(&[], changes);
        tide.store.buffer_from(&records(40..40 + count), "of");
        let of_id = |event: &Event| event.trace_id() == "one";
        for (limit, number) in LIMITS.into_iter().zip(0..) {
            let before = tide.present(of_id);
            let answer = tide.get("/api/v1/events/one?tenant=*");
            let mut events = vec![answer.clone()];
            events.extend(answer["others"].as_array().cloned().unwrap_or_default());
            let mut listed = places(&events);
            prop_assert_eq!(answer["others_cursor"].is_string(), before.len() > 51);
            tide.store.buffer_from(&records(more + number..more + number + 2), "of");
            if let Some(cursor) = answer["others_cursor"].as_str() {
                let path = format!("/api/v1/events?tenant=*&trace_id=one&limit={limit}");
                let first = tide.get(&format!("{path}&cursor={cursor}"));
                listed.extend(tide.follow(&path, "next_cursor", first).0.concat());
            }
            check(&listed, true, &(&before & &tide.present(of_id)), "others")?;
        }
        Ok(())
    });
}

#[test]
fn traces_of_cts_are_listed_once_whatever_ids_and_times_they_share() {
    let first = proptest::collection::vec(coming(6), 0..60);
    let paths = ["/v3/a/traces", "/v2.0/a/system/trace", "/v1.0/a/system/trace"];
    let asked = (0..paths.len(), 0..NAMES.len());
    run(6, (first, changes(6), asked), |(first, changes, (path, name))| {
        let (path, (_, name)) = (paths[path], NAMES[name]);
        let matches = |event: &Event| &*event.tenant == "a" && named(name, event);
        let tide = Tide::new(&first, changes);
        for limit in LIMITS {
            let path =
                format!("{path}?limit={limit}&from=1000000000000&to={}&trace_name={name}", NOW + 1);
            let ids = |places: &BTreeSet<Place>| -> BTreeSet<(i64, String)> {
                let events = tide.store.everything();
                let there = |event: &&Event| places.contains(&(event.time.millis(), event.seq));
                let of = |event: &Event| (event.time.millis(), event.trace_id().to_owned());
                events.iter().filter(there).map(of).collect()
            };
            let before = tide.present(matches);
            let (mut listed, mut next, mut pages) = (Vec::new(), String::new(), 0);
            loop {
                let page = tide.get(&format!("{path}&next={next}"));
                let traces = page["traces"].as_array().expect("a list");
                prop_assert!(traces.len() <= limit);
                let of = |trace: &Json| {
                    let id = trace["trace_id"].as_str().expect("an id").to_owned();
                    (trace["time"].as_i64().expect("a time"), id)
                };
                listed.extend(traces.iter().map(of));
                let Some(marker) = page["meta_data"]["marker"].as_str() else { break };
                next = marker.to_owned();
                pages += 1;
                prop_assert!(pages < PAGES_MAX, "{}: the walk ends", path);
                tide.turn();
            }
            prop_assert!(listed.is_sorted_by(|left, right| left.0 >= right.0), "{}", path);
            let once: BTreeSet<_> = listed.iter().cloned().collect();
            prop_assert_eq!(once.len(), listed.len(), "{}: none twice: {:?}", path, listed);
            let stayed = ids(&(&before & &tide.present(matches)));
            let missed: Vec<_> = stayed.difference(&once).collect();
            prop_assert!(missed.is_empty(), "{}: missed {:?} in {:?}", path, missed, listed);
        }
        Ok(())
    });
}

/// A record that has no tenant, so that it is in quarantine until it is given one.
fn refused(number: usize) -> Json {
    json!({ "trace_id": format!("id{}", number % 7), "time": TIMES[number % 8],
        "event_name": "n", "note": format!("x{number}x") })
}

impl Tide {
    fn refuse(&self, numbers: &[usize]) {
        let records: Vec<Json> = numbers.iter().map(|number| refused(*number)).collect();
        self.store.buffer_from(&records, "of");
    }

    /// Lets a record leave quarantine: its tenant is named now.
    fn decode_again(&self, record: &Json) {
        let text = record["record"].as_str().expect("a text");
        let (_, note) = text.split_once("\"note\":\"").expect("a note");
        let word = note.split('"').next().unwrap_or_default();
        let path = format!("/api/v1/quarantine/decode?tenant=*&unknown_tenant=t&substring={word}");
        self.send(Request::post(path).body(Body::empty()).expect("a request"));
    }

    fn in_quarantine(&self) -> BTreeSet<String> {
        let all = self.store.engine().quarantined().expect("a list");
        all.into_iter().map(|record| record.id).collect()
    }
}

#[test]
fn quarantined_records_are_listed_once_while_some_are_decoded() {
    let change = prop_oneof![2 => (0_usize..90).prop_map(Some), 1 => Just(None)];
    let changes = proptest::collection::vec(change, 1..30);
    let first = proptest::collection::vec(0_usize..90, 0..40);
    run(3, (first, changes, any::<bool>()), |(first, changes, searched)| {
        let tide = Tide::new(&[], vec![Change::Nothing]);
        tide.refuse(&first);
        let mut at = 0;
        for limit in LIMITS {
            let search = if searched { "&substring=note" } else { "" };
            let path = format!("/api/v1/quarantine?tenant=*&limit={limit}{search}");
            let (mut stayed, mut listed) = (tide.in_quarantine(), Vec::new());
            let mut page = tide.get(&path);
            loop {
                let records = page["records"].as_array().expect("a list");
                listed.extend(records.iter().map(|record| record["id"].to_string()));
                let Some(next) = page["next"].as_str() else { break };
                match (changes[at % changes.len()], records.last()) {
                    (Some(number), _) => tide.refuse(&[number, number + at]),
                    (None, Some(last)) => tide.decode_again(last),
                    (None, None) => {}
                }
                at += 1;
                // A record that leaves and comes again is another one.
                stayed = &stayed & &tide.in_quarantine();
                page = tide.get(&format!("{path}&after={next}"));
                prop_assert!(listed.len() < PAGES_MAX, "the walk ends");
            }
            let once: BTreeSet<&String> = listed.iter().collect();
            prop_assert_eq!(once.len(), listed.len(), "none twice");
            let missed: Vec<_> =
                stayed.iter().filter(|id| !once.contains(&format!("{id:?}"))).collect();
            prop_assert!(missed.is_empty(), "missed {:?}", missed);
        }
        Ok(())
    });
}

#[test]
fn the_list_of_quarantine_goes_on_after_a_record_that_has_left() {
    let tide = Tide::new(&[], vec![Change::Nothing]);
    tide.refuse(&[1, 2, 3]);
    let path = "/api/v1/quarantine?tenant=*&limit=1";
    let first = tide.get(path);
    let next = first["next"].as_str().expect("there are more");
    tide.decode_again(&first["records"][0]);
    let second = tide.get(&format!("{path}&after={next}"));
    assert_eq!(second["total"], 2);
    assert!(second["records"][0].to_string().contains("x2x"), "{second}");
}

#[test]
fn an_empty_page_leads_back_to_the_list() {
    let tide = Tide::new(&[(0, 0, 3), (0, 1, 5)], vec![Change::Nothing]);
    for (order, moment) in [("desc", TIMES[0]), ("asc", NOW + 1)] {
        let path = format!("/api/v1/events?tenant=a&limit=1&order={order}");
        let page = tide.get(&format!("{path}&around={moment}"));
        assert!(page_events(&page).is_empty() && page["next_cursor"].is_null(), "{page}");
        let (pages, _) = tide.follow(&path, "prev_cursor", page);
        assert_eq!(pages.concat().len(), 2, "{order}");
    }
    // The event that a page ended with is on the page before, when all behind it has left.
    let tide = Tide::new(&[(0, 0, 5), (0, 1, 0)], vec![Change::Expire(0)]);
    tide.store.engine().seal().expect("a commit");
    let path = "/api/v1/events?tenant=a&limit=1";
    let (pages, last) = tide.follow(path, "next_cursor", tide.get(path));
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [1, 0]);
    let (back, _) = tide.follow(path, "prev_cursor", last);
    assert_eq!(back.concat(), pages[0]);
}
