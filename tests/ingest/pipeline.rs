//! Intake as a pipeline: nobody waits for another's disk work, and however batches, seals and
//! commits interleave, an event is taken once.

use crate::support::store::{NOW, TestStore};
use annals::access::{Actor, Scope};
use annals::engine::{AtFailpoint, Engine, Failpoint, Outcome, RequestKey, Retention, Settings};
use annals::error::ErrorKind;
use annals::event::DAY_MS;
use annals::ingest::{IncomingRecord, TenantRule};
use annals::query::Filter;
use serde_json::json;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long something may take that must not wait: generous, because machines are slow.
const PATIENCE: Duration = Duration::from_secs(60);

fn records(ids: Range<u64>) -> Vec<IncomingRecord> {
    let record = |id: u64| {
        json!({ "event_name": "e", "trace_id": format!("id-{id}"),
            "time": NOW - 1_000 + (id as i64) % 900 })
        .to_string()
    };
    ids.map(|id| IncomingRecord::new(id + 1, record(id))).collect()
}

fn ingest(engine: &Engine, ids: Range<u64>) -> annals::error::Result<Outcome> {
    let rule = TenantRule::new(Some("t"), None)?;
    engine.ingest(engine.decode(records(ids), None, &rule), "test")
}

fn count(engine: &Engine) -> u64 {
    let snapshot = engine.snapshot();
    let scope = Scope::of_operator(&["t"]).expect("a tenant");
    engine.reader(&snapshot, None).count(&scope, &Filter::default()).expect("a count").0
}

/// A hook that holds up whoever reaches a step, until it is let go.
struct Gate {
    reached: Receiver<()>,
    let_go: Sender<()>,
    armed: Arc<AtomicBool>,
}

fn gate(at: Failpoint) -> (AtFailpoint, Gate) {
    let (say_reached, reached) = channel();
    let (let_go, wait) = channel::<()>();
    let (say_reached, wait) = (Mutex::new(say_reached), Mutex::new(wait));
    let armed = Arc::new(AtomicBool::new(false));
    let hook = {
        let armed = Arc::clone(&armed);
        AtFailpoint::new(move |step| {
            if step == at && armed.swap(false, Ordering::SeqCst) {
                let _ = say_reached.lock().expect("a channel").send(());
                let _ = wait.lock().expect("a channel").recv_timeout(PATIENCE * 2);
            }
            Ok(())
        })
    };
    (hook, Gate { reached, let_go, armed })
}

/// Runs something on a thread of its own; it must end within the patience.
fn in_time<T: Send>(what: &str, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let (done, answer) = channel();
        scope.spawn(move || done.send(work()));
        answer
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|_| panic!("{what} waits for what it must not wait for"))
    })
}

fn settings(at_failpoint: AtFailpoint) -> Settings {
    Settings { compact: false, bulk_events: 30, at_failpoint, ..Settings::default() }
}

/// A disk that holds up a seal, a commit, a merge or a large batch holds up nothing else.
#[test]
fn nobody_waits_for_a_slow_disk_of_another() {
    for step in [
        Failpoint::SealBegun,
        Failpoint::SealWritten,
        Failpoint::SealCommitted,
        Failpoint::SealShown,
        Failpoint::MergeWritten,
        Failpoint::MergeCommitted,
        Failpoint::BesideWritten,
    ] {
        let mut store = TestStore::new();
        let (hook, gate) = gate(step);
        store.reopen_with(settings(hook));
        let engine = store.engine();
        for batch in 0..6 {
            ingest(engine, batch * 10..batch * 10 + 10).expect("a batch");
            engine.seal().expect("a seal");
        }
        ingest(engine, 60..70).expect("a batch");
        gate.armed.store(true, Ordering::SeqCst);
        std::thread::scope(|scope| {
            let held_up = scope.spawn(|| match step {
                Failpoint::MergeWritten | Failpoint::MergeCommitted => engine.compact().map(drop),
                Failpoint::BesideWritten => ingest(engine, 1_000..1_100).map(drop),
                _ => engine.seal(),
            });
            gate.reached
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("{step:?} is not reached"));
            let place = format!("beside a disk that is slow at {step:?}");
            for id in 70..80 {
                assert_eq!(
                    in_time(&format!("a single event {place}"), || ingest(engine, id..id + 1))
                        .expect("taken")
                        .accepted,
                    1
                );
            }
            assert_eq!(
                in_time(&format!("a large batch {place}"), || ingest(engine, 80..180))
                    .expect("taken")
                    .accepted,
                100
            );
            assert_eq!(in_time(&format!("a question {place}"), || count(engine)), 180);
            // What is on its way from the buffer into a segment is known all the time.
            assert_eq!(
                in_time(&format!("a repeated batch {place}"), || ingest(engine, 55..75))
                    .expect("taken")
                    .duplicates,
                20
            );
            gate.let_go.send(()).expect("somebody waits");
            held_up.join().expect("no panic").unwrap_or_else(|error| panic!("{step:?}: {error}"));
        });
        let beside = if step == Failpoint::BesideWritten { 100 } else { 0 };
        assert_eq!(ingest(engine, 0..180).expect("known").duplicates, 180, "{step:?}");
        store.reopen();
        assert_eq!(count(store.engine()), 180 + beside, "{step:?}");
    }
}

/// A merge that a disk holds up holds up no backup, no check and no retention; if these change what
/// it merges, it gives way.
#[test]
fn a_backup_a_check_and_retention_do_not_wait_for_a_merge() {
    let mut store = TestStore::new();
    let (hook, gate) = gate(Failpoint::MergeWritten);
    store.reopen_with(Settings { replaced_kept: Duration::ZERO, ..settings(hook) });
    let engine = store.engine();
    let old = |id: u64| {
        json!({ "event_name": "e", "trace_id": format!("old-{id}"), "time": NOW - 200 * DAY_MS })
            .to_string()
    };
    for batch in 0..6 {
        let records: Vec<IncomingRecord> =
            (0..5).map(|id| IncomingRecord::new(1, old(batch * 5 + id))).collect();
        let rule = TenantRule::new(Some("gone"), None).expect("a tenant");
        engine.ingest(engine.decode(records, None, &rule), "test").expect("a batch");
        ingest(engine, batch * 10..batch * 10 + 10).expect("a batch");
        engine.seal().expect("a seal");
    }
    engine
        .set_retention(&Actor::operator(), &Retention::Days(Some("gone".to_owned()), Some(180)))
        .expect("the floor");
    let copies = tempfile::tempdir().expect("a temporary directory");
    gate.armed.store(true, Ordering::SeqCst);
    std::thread::scope(|scope| {
        let merge = scope.spawn(|| engine.compact());
        gate.reached.recv_timeout(PATIENCE).expect("a merge");
        let copied =
            in_time("a backup", || engine.backup(&Actor::operator(), &copies.path().join("copy")))
                .expect("a backup");
        assert!(copied.events >= 90, "{copied:?}");
        assert!(in_time("a check", || engine.check(false)).expect("a check").is_sound());
        assert_eq!(
            in_time("retention", || engine.expire(&Actor::operator())).expect("a run").events,
            30
        );
        gate.let_go.send(()).expect("somebody waits");
        merge.join().expect("no panic").expect("it goes on with what is left");
    });
    assert_eq!(count(engine), 60);
    engine.compact().expect("what the merge wrote in vain is put away");
    assert!(engine.check(false).expect("a check").is_sound());
    store.reopen();
    assert_eq!(count(store.engine()), 60);
    assert_eq!(ingest(store.engine(), 0..60).expect("known").duplicates, 60);
}

/// A server that is told to stop does not wait for a merge.
#[test]
fn a_merge_that_is_held_up_does_not_hold_up_the_end() {
    let mut store = TestStore::new();
    let (hook, gate) = gate(Failpoint::MergeWritten);
    gate.armed.store(true, Ordering::SeqCst);
    store.reopen_with(Settings { compact: true, ..settings(hook) });
    let engine = store.engine();
    for batch in 0..8 {
        ingest(engine, batch * 10..batch * 10 + 10).expect("a batch");
        engine.seal().expect("a seal");
    }
    gate.reached.recv_timeout(PATIENCE).expect("a merge in the background");
    assert!(!in_time("the end", || engine.stop_within(Duration::from_millis(50))));
    gate.let_go.send(()).expect("somebody waits");
    assert!(engine.stop_within(PATIENCE));
    store.reopen();
    assert_eq!(count(store.engine()), 80);
}

/// Overlapping batches of all sizes from many threads, while seals and merges run without a pause.
#[test]
fn events_that_are_sent_by_many_at_once_are_taken_once() {
    let mut store = TestStore::new();
    store.reopen_with(settings(AtFailpoint::default()));
    let engine = store.engine();
    let (stop, accepted) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let maintaining = scope.spawn(|| {
            for turn in 0.. {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                engine.seal().expect("a seal");
                if turn % 4 == 3 {
                    engine.compact().expect("a merge");
                }
            }
        });
        let senders: Vec<_> = (0..6_u64)
            .map(|sender| {
                let accepted = &accepted;
                scope.spawn(move || {
                    let mut chance = sender + 1;
                    for _ in 0..60 {
                        chance = chance
                            .wrapping_mul(6_364_136_223_846_793_005)
                            .wrapping_add(1_442_695_040_888_963_407);
                        let (first, size) =
                            ((chance >> 33) % 600, [1, 3, 20, 45, 70][(chance >> 20) as usize % 5]);
                        let outcome = ingest(engine, first..first + size).expect("a batch");
                        assert_eq!(outcome.accepted + outcome.duplicates, size, "{outcome:?}");
                        accepted.fetch_add(outcome.accepted, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        senders.into_iter().for_each(|sender| sender.join().expect("no panic"));
        stop.store(true, Ordering::SeqCst);
        maintaining.join().expect("no panic");
    });
    let accepted = accepted.into_inner();
    for _ in 0..2 {
        let scope = Scope::of_operator(&["t"]).expect("a tenant");
        let events = crate::support::store::all_pages(
            store.engine(),
            &scope,
            &Filter::default(),
            annals::query::SortOrder::Descending,
            100,
        );
        let ids: BTreeSet<&str> = events.iter().map(|event| event.trace_id()).collect();
        let seqs: BTreeSet<u64> = events.iter().map(|event| event.seq).collect();
        assert_eq!(
            (events.len() as u64, ids.len() as u64),
            (accepted, accepted),
            "doubled or lost"
        );
        assert!(seqs.into_iter().eq(1..=accepted), "the numbers have a gap");
        store.reopen();
    }
}

/// A batch that is in a file beside the log is there after a restart, is known, and its file goes
/// when it is in segments.
#[test]
fn a_large_batch_is_whole_after_a_restart_and_leaves_no_file() {
    let mut store = TestStore::new();
    let settings = || Settings { compact: false, bulk_events: 30, ..Settings::default() };
    store.reopen_with(settings());
    let files = |store: &TestStore| {
        std::fs::read_dir(store.path().join("wal/beside")).map_or(0, Iterator::count)
    };
    ingest(store.engine(), 0..10).expect("in the log");
    assert_eq!(ingest(store.engine(), 5..100).expect("beside it").duplicates, 5);
    assert_eq!(files(&store), 1);
    // Nothing new: the file is not needed.
    assert_eq!(ingest(store.engine(), 0..100).expect("known").accepted, 0);
    assert_eq!(files(&store), 1);
    store.reopen_with(settings());
    assert_eq!((count(store.engine()), files(&store)), (100, 1));
    assert_eq!(ingest(store.engine(), 0..100).expect("known").duplicates, 100);
    // What a process left that died before the log referred to it.
    std::fs::write(store.path().join("wal/beside/01ARZ3NDEKTSV4RRFFQ69G5FAV.batch"), b"half")
        .expect("written");
    store.reopen_with(settings());
    assert_eq!((count(store.engine()), files(&store)), (100, 1));
    store.engine().seal().expect("a seal");
    assert_eq!((count(store.engine()), files(&store)), (100, 0));
    store.reopen_with(settings());
    assert_eq!(count(store.engine()), 100);
}

/// A request that is repeated while it is on its way gets the same answer, and its events are there
/// once.
#[test]
fn a_request_that_is_sent_many_times_at_once_is_done_once() {
    let store = TestStore::new();
    let engine = store.engine();
    let once = || {
        let rule = TenantRule::new(Some("t"), None).expect("a tenant");
        let key = RequestKey { key: "k".into(), body: "b".into() };
        engine
            .ingest_once(engine.decode(records(0..50), None, &rule), "test", Some(key))
            .expect("taken")
    };
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let sent: Vec<_> = (0..8).map(|_| scope.spawn(once)).collect();
        sent.into_iter().map(|sent| sent.join().expect("no panic")).collect()
    });
    assert_eq!(outcomes.iter().filter(|outcome| !outcome.replayed).count(), 1);
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome.accepted == 50 && outcome.receipt == outcomes[0].receipt)
    );
    assert_eq!(count(engine), 50);
}

/// An answer that names a conflict with what is still in the buffer is not remembered: the record
/// is in quarantine by the time the client hears of it, and a client that did not hear of it is not
/// told of what nobody has.
#[test]
fn a_request_with_a_conflict_is_done_again_and_its_record_is_in_quarantine() {
    let store = TestStore::new();
    let engine = store.engine();
    ingest(engine, 0..1).expect("taken");
    let once = || {
        let rule = TenantRule::new(Some("t"), None).expect("a tenant");
        let mut records = records(0..2);
        records[0].bytes.splice(1..1, *b"\"other\":1,");
        let key = RequestKey { key: "k".into(), body: "b".into() };
        engine.ingest_once(engine.decode(records, None, &rule), "test", Some(key)).expect("taken")
    };
    let first = once();
    assert_eq!(
        (first.accepted, first.quarantined.total(), engine.quarantine_usage().records),
        (1, 1, 1)
    );
    let again = once();
    assert_eq!(
        (again.replayed, again.accepted, again.duplicates, again.quarantined.total()),
        (false, 0, 1, 1)
    );
    assert_eq!((count(engine), engine.quarantine_usage().records), (2, 1));
}

/// Batches wait for room in the buffer and are refused in time; single events have room of their
/// own.
#[test]
fn a_full_buffer_refuses_in_time_and_single_events_go_on() {
    let mut store = TestStore::new();
    let (hook, gate) = gate(Failpoint::SealWritten);
    let room_wait = Duration::from_millis(300);
    store.reopen_with(Settings { buffer_bytes: 4 << 20, room_wait, ..settings(hook) });
    let engine = store.engine();
    gate.armed.store(true, Ordering::SeqCst);
    ingest(engine, 0..3_000).expect("an empty buffer takes any batch");
    std::thread::scope(|scope| {
        let sealing = scope.spawn(|| engine.seal());
        gate.reached.recv_timeout(PATIENCE).expect("a seal has begun");
        let error = in_time("a batch without room", || ingest(engine, 10_000..13_000))
            .expect_err("no room");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("write buffer is full"), "{error}");
        assert_eq!(
            in_time("a single event", || ingest(engine, 5_000..5_001))
                .expect("room of its own")
                .accepted,
            1
        );
        gate.let_go.send(()).expect("somebody waits");
        sealing.join().expect("no panic").expect("a seal");
    });
    assert_eq!(ingest(engine, 10_000..13_000).expect("room again").accepted, 3_000);
    assert_eq!(count(engine), 6_001);
}

/// A server that is killed before it can seal, again and again, must not add up what it recovers.
#[test]
fn what_a_start_finds_in_the_log_takes_room_until_it_is_sealed() {
    let mut store = TestStore::new();
    let room_wait = Duration::from_millis(300);
    let small =
        |at_failpoint| Settings { buffer_bytes: 4 << 20, room_wait, ..settings(at_failpoint) };
    store.reopen_with(small(AtFailpoint::default()));
    ingest(store.engine(), 0..3_000).expect("an empty buffer takes any batch");
    let cannot_seal = AtFailpoint::new(|step| match step {
        Failpoint::SealBegun => Err(annals::error::Error::internal("a disk that fails")),
        _ => Ok(()),
    });
    store.reopen_with(small(cannot_seal));
    let error = in_time("a batch without room", || ingest(store.engine(), 10_000..13_000))
        .expect_err("what was recovered has the room");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(count(store.engine()), 3_000);
    store.reopen_with(small(AtFailpoint::default()));
    store.engine().seal().expect("a seal");
    assert_eq!(ingest(store.engine(), 10_000..13_000).expect("room again").accepted, 3_000);
    assert_eq!(count(store.engine()), 6_000);
}
