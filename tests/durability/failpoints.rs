//! Everything that changes a store, failing and dying at each of its named steps: nothing
//! acknowledged is lost, nothing is doubled, and what was begun can be done again.

use crate::support::store::{NOW, TestStore};
use annals::access::{Actor, Caller, Scope};
use annals::engine::{AtFailpoint, Engine, Failpoint, Retention, SeenVersion, Settings, ViewText};
use annals::error::{Error, Result};
use annals::event::DAY_MS;
use annals::ingest::{IncomingRecord, TenantRule};
use annals::query::Filter;
use serde_json::json;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How a step ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// With an error; the process goes on.
    Fails,
    /// With the process.
    Dies,
}

fn settings(at_failpoint: AtFailpoint) -> Settings {
    Settings { compact: false, bulk_events: 30, at_failpoint, ..Settings::default() }
}

fn ingest(engine: &Engine, ids: std::ops::Range<u32>) -> Result<()> {
    let record = |id: u32| {
        // Some are past their time, on two dates.
        let days = [0, 0, 300, 301][id as usize % 4];
        json!({ "event_name": "e", "trace_id": format!("id-{id}"),
            "time": NOW - days * DAY_MS + i64::from(id), "operator": format!("o{}",
                id % 3) })
        .to_string()
    };
    let records = ids.map(|id| IncomingRecord::new(u64::from(id), record(id))).collect();
    let rule = TenantRule::new(Some("t"), None)?;
    engine.ingest(engine.decode(records, None, &rule), "test").map(drop)
}

/// Whether an event is deleted in the end: past its time and not held.
fn goes(id: u32) -> bool {
    id % 4 >= 2 && id % 3 != 1
}

type Act = fn(&Engine, &Path) -> Result<()>;

/// Everything that changes a store, in an order in which each has something to do. Each can be done
/// again.
const ACTS: &[(&str, Act)] = &[
    ("a small batch", |engine, _| ingest(engine, 0..12)),
    ("a seal", |engine, _| engine.seal()),
    ("another small batch", |engine, _| ingest(engine, 8..20)),
    ("another seal", |engine, _| engine.seal()),
    ("a large batch", |engine, _| ingest(engine, 16..80)),
    ("what stays in the buffer", |engine, _| ingest(engine, 80..84)),
    ("a merge", |engine, _| engine.compact().map(drop)),
    ("a hold", |engine, _| {
        engine
            .place_hold(
                &Actor::operator(),
                "h",
                vec!["t".to_owned()],
                vec![("operator".to_owned(), "o1".to_owned())],
                "case",
            )
            .map(drop)
    }),
    ("a retention", |engine, _| {
        engine.set_retention(&Actor::operator(), &Retention::Days(None, Some(200))).map(drop)
    }),
    ("a deletion", |engine, _| engine.expire(&Actor::operator()).map(drop)),
    ("a view", |engine, _| {
        let text =
            ViewText { name: "v".to_owned(), owner: String::new(), query: "tenant=t".to_owned() };
        engine.save_view(&Caller::operator(), "v", text, SeenVersion::Unsaid).map(drop)
    }),
    ("a backup", |engine, folder| {
        engine.backup(&Actor::operator(), &folder.join("backup")).map(drop)
    }),
];

fn ids(engine: &Engine) -> Vec<u32> {
    let scope = Scope::of_operator(&["t"]).expect("a tenant");
    let events = crate::support::store::all_pages(
        engine,
        &scope,
        &Filter::default(),
        annals::query::SortOrder::Descending,
        100,
    );
    let mut ids: Vec<u32> = events
        .iter()
        .filter_map(|event| event.trace_id().strip_prefix("id-")?.parse().ok())
        .collect();
    ids.sort_unstable();
    ids
}

/// What must be true at any moment: what was acknowledged is there once, unless it may be deleted;
/// nothing else is.
fn check(engine: &Engine, acknowledged: u32, place: &str) {
    let there = ids(engine);
    let unique: BTreeSet<u32> = there.iter().copied().collect();
    assert_eq!(unique.len(), there.len(), "{place}: doubled");
    assert!(unique.iter().all(|id| *id < 84), "{place}: what was never sent");
    let lost: Vec<u32> =
        (0..acknowledged).filter(|id| !unique.contains(id) && !goes(*id)).collect();
    assert!(lost.is_empty(), "{place}: lost {lost:?}");
    let snapshot = engine.snapshot();
    let scope = Scope::of_operator(&["t"]).expect("a tenant");
    let (count, _) =
        engine.reader(&snapshot, None).count(&scope, &Filter::default()).expect("a count");
    assert_eq!(count, there.len() as u64, "{place}: a count");
    assert!(engine.check(false).expect("a check").is_sound(), "{place}: unsound");
}

/// Plays everything; the step ends so when it is reached after it went well `before` times.
fn play(step: Failpoint, before: usize, end: End) {
    let place = format!("{end:?} at {step:?} after {before}");
    let (armed, passed) = (Arc::new(AtomicBool::new(true)), AtomicUsize::new(0));
    let hook = {
        let armed = Arc::clone(&armed);
        AtFailpoint::new(move |reached| {
            let here = reached == step && passed.fetch_add(1, Ordering::SeqCst) >= before;
            match here && armed.swap(false, Ordering::SeqCst) {
                false => Ok(()),
                true if end == End::Fails => {
                    Err(Error::internal("the step fails, as the test wants it"))
                }
                true => panic!("the process dies here, as the test wants it"),
            }
        })
    };
    let mut store = TestStore::new();
    let folder = tempfile::tempdir().expect("a temporary directory");
    store.reopen_with(settings(hook));
    let mut acknowledged = 0;
    for (number, (act_name, act)) in ACTS.iter().enumerate() {
        let place = format!("{place}, in {act_name}");
        let done = catch_unwind(AssertUnwindSafe(|| act(store.engine(), folder.path())));
        if !matches!(done, Ok(Ok(()))) {
            assert!(!armed.load(Ordering::SeqCst), "{place}: {done:?}");
            if end == End::Dies {
                store.reopen_with(settings(AtFailpoint::default()));
            }
            check(store.engine(), acknowledged, &place);
            act(store.engine(), folder.path())
                .unwrap_or_else(|error| panic!("{place}, again: {error}"));
        }
        acknowledged = acknowledged.max([12, 12, 20, 20, 80, 84][number.min(5)]);
        check(store.engine(), acknowledged, &place);
    }
    assert!(!armed.load(Ordering::SeqCst), "{place}: the step was never reached");
    let wanted: Vec<u32> = (0..84).filter(|id| !goes(*id)).collect();
    store.engine().seal().expect("a commit");
    store.engine().expire(&Actor::operator()).expect("a run");
    assert_eq!(ids(store.engine()), wanted, "{place}");
    for _ in 0..2 {
        store.reopen();
        assert_eq!(ids(store.engine()), wanted, "{place}, after another start");
        assert_eq!(store.engine().policy().holds.len(), 1, "{place}");
        let versions = (store.engine().admin().version(), store.engine().policy().version);
        assert_eq!(versions, (3, 2), "{place}: each change was made once");
        let views: Vec<u64> = store.engine().views().all().map(|view| view.version).collect();
        assert_eq!(views, [1], "{place}");
    }
    let backup = Engine::open(
        &folder.path().join("backup"),
        annals::storage::AccessMode::Read,
        Arc::clone(&store.clock) as Arc<dyn annals::clock::Clock>,
        store.runtime.handle().clone(),
    );
    backup.expect("the backup opens").prove().expect("the backup is sound");
}

/// Plays each step at its first time, and those of administrative state at each change of it: a
/// hold, a retention, a view.
fn play_all(end: End) {
    for step in Failpoint::ALL {
        let times = match step {
            Failpoint::AdminRecorded | Failpoint::AdminWritten => 3,
            _ => 1,
        };
        (0..times).for_each(|before| play(*step, before, end));
    }
}

#[test]
fn failing_at_each_named_step_loses_and_doubles_nothing() {
    play_all(End::Fails);
}

#[test]
fn dying_at_each_named_step_loses_and_doubles_nothing() {
    play_all(End::Dies);
}
