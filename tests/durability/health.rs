//! Damage is answered truthfully, health checks tell the truth, and nobody waits for work that is
//! not theirs.

use crate::support::store::{NOW, TestStore};
use annals::access::{Actor, Caller};
use annals::api::router;
use annals::engine::{AtFailpoint, Engine, Failpoint, Retention, Settings};
use annals::event::DAY_MS;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use serde_json::{Value as Json, json};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;
use tower::ServiceExt;

/// So long nothing takes that does not hang.
const PATIENCE: Duration = Duration::from_secs(60);

fn record(number: i64) -> String {
    let pick = |values: &[&'static str]| values[number as usize % values.len()];
    json!({
        "trace_id": format!("t{number}"), "trace_name": pick(&["createServer", "deleteServer",
            "列出"]), "service_type": pick(&["ECS", "VPC"]),
        "resource_type": "ecs", "resource_id": format!("{number:032x}"),
        "resource_name": format!("web-{number}"), "trace_rating": "normal",
        "time": NOW - (number % 2) * DAY_MS - number * 1_000, "source_ip": format!("10.0.0.{}",
            number % 9),
        "request": json!({ "amount": number, "comment": format!("mark-{} done",
            number % 5) }).to_string(),
    })
    .to_string()
}

const EVENTS: i64 = 400;

/// Two tenants on two dates, in two segments.
fn filled() -> TestStore {
    let store = TestStore::new();
    let engine = store.engine();
    let rule = |tenant| annals::ingest::TenantRule::new(Some(tenant), None).expect("a tenant");
    for tenant in ["t", "u"] {
        let records = (0..EVENTS)
            .map(|number| annals::ingest::IncomingRecord::new(1 + number as u64, record(number)));
        engine
            .ingest(engine.decode(records.collect(), None, &rule(tenant)), "test")
            .expect("a batch");
    }
    engine.seal().expect("a seal");
    store
}

/// Questions of every shape.
fn questions() -> Vec<String> {
    let day = NOW - DAY_MS;
    let mut questions: Vec<String> = [
        "count?tenant=t",
        "count?tenant=t&tenant=u",
        "count?tenant=t&source=ECS",
        "count?tenant=t&source=ECS&event_name=createServer",
        "count?tenant=t&text=mark-3",
        "count?tenant=t&text=%22ark-3%20do%22",
        "count?tenant=t&resource_id=00000000000000000000000000000007",
        "facets?tenant=t&fields=source,event_name,source_ip",
        "facets?tenant=*&fields=source&text=mark-1",
        "histogram?tenant=t&interval=1h&by=source",
        "histogram?tenant=*&interval=1d&source=VPC",
        "top?tenant=u&field=resource_name",
        "stats?tenant=t",
        "values?tenant=t&field=event_name&contains=c",
        "events?tenant=t&limit=7&original=true",
        "events?tenant=t&limit=7&order=asc&source=VPC",
        "events?tenant=*&limit=30&text=mark-2",
        "events?tenant=u&limit=5&total=true&trace_id=t17",
        "events/t42?tenant=t",
    ]
    .map(str::to_owned)
    .into();
    questions.push(format!("count?tenant=t&from={}", day - 50_000));
    questions.push(format!("events?tenant=t&limit=9&from={}&to={}", day - 90_000, NOW - 20_000));
    questions
}

fn answers(store: &TestStore) -> Vec<(String, Json)> {
    questions()
        .into_iter()
        .map(|question| (question.clone(), store.get(&format!("/api/v1/{question}"))))
        .collect()
}

fn ready(store: &TestStore) -> (StatusCode, Json) {
    let (status, _, body) =
        store.send(Request::get("/readyz").body(Body::empty()).expect("a request"));
    (status, serde_json::from_slice(&body).expect("JSON"))
}

fn flip(path: &Path, places: impl Fn(usize) -> Vec<usize>) {
    let mut bytes = std::fs::read(path).expect("a file");
    places(bytes.len()).into_iter().for_each(|place| bytes[place] ^= 0x55);
    std::fs::write(path, bytes).expect("damage");
}

type IndexDamage = (&'static str, Box<dyn Fn(&Path)>);

/// Everything that can happen to an index file.
fn damages_of_an_index() -> Vec<IndexDamage> {
    let mut damages: Vec<IndexDamage> = vec![
        ("removed", Box::new(|path| std::fs::remove_file(path).expect("there"))),
        ("emptied", Box::new(|path| std::fs::write(path, "").expect("written"))),
        (
            "cut",
            Box::new(|path| {
                std::fs::write(path, &std::fs::read(path).expect("there")[..5_000])
                    .expect("written")
            }),
        ),
        (
            "flipped all over",
            Box::new(|path| flip(path, |length| (100..length).step_by(4_000).collect())),
        ),
    ];
    // A bit in a part that is met only when the question is half answered.
    for part in 1..6 {
        damages.push((
            "flipped in one place",
            Box::new(move |path| flip(path, |length| vec![length * part / 6])),
        ));
    }
    damages
}

#[test]
fn an_index_that_is_rebuilt_meanwhile_is_no_damage() {
    let store = filled();
    let engine = store.engine();
    let old = engine.snapshot();
    let segment = &old.segments[0];
    // Rebuilt as the background does it: another file under the name, and another manifest.
    let rule = annals::storage::segment::SummaryRule { rows: 1, share: 1 };
    let form = annals::storage::segment::SegmentOptions {
        decoders: segment.manifest().decoders,
        summary: rule,
    };
    let batches = segment.read_batches(0..segment.manifest().rows).expect("rows");
    let manifest = segment.manifest();
    let files =
        annals::storage::segment::write_batches(&manifest.id, &manifest.date, form, &batches)
            .expect("files");
    assert_ne!(files.manifest.index, manifest.index);
    std::fs::write(segment.index_path(), &files.index).expect("written");
    let made = annals::storage::segment::Manifest {
        index: files.manifest.index.clone(),
        ..manifest.clone()
    };
    let path = store.path().join(format!("events/_annals/segments/{}.json", manifest.id));
    std::fs::write(path, made.encode()).expect("written");
    assert_eq!(segment.check().expect("a check"), (Vec::new(), Vec::new()));
    let copies = tempfile::tempdir().expect("a temporary directory");
    let copy = copies.path().join("copy");
    engine.backup(&Actor::operator(), &copy).expect("a backup of what the manifest names");
    let copied = std::fs::read(copy.join(format!("events/_annals/index/{}.idx", manifest.id)));
    assert!(made.index.is_of(&copied.expect("the index")));
}

#[test]
fn a_start_names_the_files_of_segments_that_are_gone_before_anybody_asks() {
    let mut store = filled();
    let whole = answers(&store);
    let all = store.engine().snapshot().segments.len();
    store.close();
    let indexes = store.path().join("events/_annals/index");
    std::fs::remove_dir_all(&indexes).expect("damage");
    store.reopen_with(Settings { compact: false, ..Settings::default() });
    let (status, body) = ready(&store);
    assert_eq!((status, &body["status"]), (StatusCode::OK, &json!("degraded")));
    let what = body["problems"][0]["what"].as_str().expect("a text");
    assert!(what.starts_with(&format!("the index of {all} segments is damaged")), "{what}");
    assert_eq!(answers(&store), whole);
    let snapshot = store.engine().snapshot();
    snapshot.segments.iter().for_each(|segment| drop(segment.rebuild_index().expect("an index")));
    let lost = snapshot.segments[0].data_path();
    drop(snapshot);
    store.close();
    std::fs::rename(&lost, lost.with_extension("away")).expect("damage");
    store.reopen_with(Settings { compact: false, ..Settings::default() });
    let (_, body) = ready(&store);
    let what = body["problems"][0]["what"].as_str().expect("a text");
    assert!(what.starts_with("the data of 1 segments is damaged"), "{what}");
    store.close();
    std::fs::rename(lost.with_extension("away"), &lost).expect("mended");
    store.reopen();
    assert_eq!(answers(&store), whole);
}

#[test]
fn a_damaged_index_changes_no_answer_refuses_no_event_and_is_made_anew() {
    let mut store = filled();
    let whole = answers(&store);
    let snapshot = store.engine().snapshot();
    let segment = snapshot
        .segments
        .iter()
        .find(|segment| segment.manifest().rows > 100)
        .expect("a segment of events");
    let (named, index) = (segment.manifest().id.clone(), segment.index_path());
    drop(snapshot);
    let damages = damages_of_an_index();
    for (number, (what, damage)) in damages.iter().enumerate() {
        store.clock.set(annals::event::Timestamp::from_millis(NOW + 1_000 * number as i64));
        store.close();
        damage(&index);
        store.reopen();
        for (question, answer) in &whole {
            assert_eq!(
                store.get(&format!("/api/v1/{question}")),
                *answer,
                "{question}, index {what} ({number})"
            );
        }
        assert_eq!(
            store.ingest("t", &[record(10), record(11)]).duplicates,
            2,
            "what is known is known: {what}"
        );
        store.engine().scrub().expect("a run");
        let (status, health) = ready(&store);
        assert_eq!(
            (status, &health["status"], &health["problems"][0]["segments"]),
            (StatusCode::OK, &json!("degraded"), &json!([named])),
            "{what}: {health}"
        );
        assert_eq!(store.engine().mend().expect("the data is whole"), 1, "{what}");
        assert_eq!(ready(&store).1["status"], "ok", "{what}");
        assert!(store.engine().check(false).expect("a check").is_sound(), "{what}");
        assert_eq!(answers(&store), whole, "made anew after it was {what}");
        assert_eq!(store.engine().mend().expect("nothing to do"), 0);
    }
    // What is new in its period is taken while it is damaged.
    store.close();
    std::fs::remove_file(&index).expect("there");
    store.reopen();
    assert_eq!(store.ingest("t", &[record(10).replace("\"t10\"", "\"new\"")]).accepted, 1);
    let recorded = store.get("/api/v1/facets?tenant=_annals&fields=event_name");
    let times = |name: &str| {
        let values = recorded["facets"]["event_name"].as_array().expect("values");
        values
            .iter()
            .find(|value| value["value"] == name)
            .map_or(0, |value| value["count"].as_u64().unwrap_or(0))
    };
    assert_eq!(
        (times("findDamage"), times("mendDamage")),
        (damages.len() as u64, damages.len() as u64)
    );
}

#[test]
fn lost_data_is_an_error_with_its_name_or_named_as_missing() {
    let mut store = filled();
    let snapshot = store.engine().snapshot();
    let lost = snapshot
        .segments
        .iter()
        .find(|segment| segment.manifest().rows > 100)
        .expect("a segment of events");
    let (id, path) = (lost.manifest().id.clone(), lost.data_path());
    let rows = u64::from(lost.tenant("t").expect("has the tenant").rows);
    let bytes = std::fs::read(&path).expect("a file");
    drop(snapshot);
    let question = "/api/v1/count?tenant=t&text=%22ark-3%20do%22&path=scan";
    let page = "/api/v1/events?tenant=t&limit=500";
    let damages: [(&str, &dyn Fn()); 3] = [
        ("missing", &|| std::fs::remove_file(&path).expect("there")),
        ("cut", &|| std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("written")),
        ("flipped", &|| {
            std::fs::write(&path, &bytes).expect("written");
            flip(&path, |length| (50..length - 50).step_by(300).collect());
        }),
    ];
    for (number, (what, damage)) in damages.into_iter().enumerate() {
        store.clock.set(annals::event::Timestamp::from_millis(NOW + 1_000 * number as i64));
        store.close();
        damage();
        store.reopen();
        for path in [question, page] {
            let problem =
                store.refused(Request::get(path).body(Body::empty()).expect("a request"), 500);
            assert!(
                problem["detail"].as_str().is_some_and(|detail| detail.contains(&id)),
                "{what}: {problem}"
            );
            let partial = store.get(&format!("{path}&partial=true"));
            let missing = partial["missing"].as_array().expect("a list");
            assert_eq!(missing.len(), 1, "{what}: {partial}");
            assert_eq!(
                (&missing[0]["segment"], &missing[0]["tenant"], &missing[0]["rows"]),
                (&json!(id), &json!("t"), &json!(rows)),
                "{what}"
            );
        }
        let left = store.get(&format!("{page}&partial=true"));
        assert_eq!(
            left["events"].as_array().expect("events").len() as u64,
            EVENTS as u64 - rows,
            "{what}: the rest is answered"
        );
        let (status, health) = ready(&store);
        assert_eq!((status, &health["status"]), (StatusCode::OK, &json!("degraded")), "{what}");
        assert_eq!(store.engine().mend().expect("nothing can be done"), 0);
        assert_eq!(ready(&store).1["problems"][0]["segments"], json!([id]), "{what}");
    }
    store.close();
    std::fs::write(&path, &bytes).expect("put back");
    store.reopen();
    assert_eq!(
        store.get(&format!("{page}&partial=true"))["missing"],
        json!([]),
        "a whole answer says so"
    );
}

#[test]
fn an_answer_of_another_store_or_of_before_a_restart_is_not_taken_for_this_one() {
    let tag = |store: &TestStore| {
        let router = router(Arc::clone(store.engine()));
        let request =
            Request::get("/api/v1/events?tenant=t").body(Body::empty()).expect("a request");
        let response = store.runtime.block_on(router.oneshot(request)).expect("an answer");
        response.headers()[header::ETAG].to_str().expect("text").to_owned()
    };
    let (mut one, other) = (TestStore::new(), TestStore::new());
    one.ingest("t", &[record(1)]);
    other.ingest("t", &[record(2)]);
    assert_eq!(tag(&one), tag(&one));
    assert_ne!(tag(&one), tag(&other), "the same numbers, other events");
    let before = tag(&one);
    one.reopen();
    assert_ne!(tag(&one), before);
}

/// What runs at steps of a store that is opened after this.
#[derive(Default)]
struct Hook {
    engine: OnceLock<Weak<Engine>>,
    seen: Mutex<Vec<Failpoint>>,
}

fn settings(at_failpoint: AtFailpoint) -> Settings {
    Settings { compact: false, at_failpoint, ..Settings::default() }
}

#[test]
fn a_hold_does_not_wait_for_a_backup_or_a_merge() {
    for (step, backup) in [(Failpoint::BackupBegun, true), (Failpoint::MergeWritten, false)] {
        let mut store = filled();
        store.ingest("t", &[record(1_000), record(1_002)]);
        let (reached, at_failpoint) = sync_channel::<()>(1);
        let (release, released) = channel::<()>();
        let (reached, released) = (Mutex::new(reached), Mutex::new(released));
        let hung = Arc::new(AtomicBool::new(false));
        let given_up = Arc::clone(&hung);
        store.reopen_with(settings(AtFailpoint::new(move |at| {
            if at == step {
                let _ = reached.lock().expect("one at a time").try_send(());
                let waited = released.lock().expect("one at a time").recv_timeout(PATIENCE);
                if waited == Err(RecvTimeoutError::Timeout) {
                    given_up.store(true, Ordering::Relaxed);
                }
            }
            Ok(())
        })));
        let (engine, target) = (store.engine(), store.path().with_file_name("backup"));
        std::thread::scope(|threads| {
            let working = threads.spawn(|| {
                if backup {
                    engine.backup(&Actor::operator(), &target).map(|_| ())
                } else {
                    engine.compact().map(|_| ())
                }
            });
            at_failpoint.recv_timeout(PATIENCE).expect("the step is reached");
            engine
                .place_hold(&Actor::operator(), "case", vec!["t".to_owned()], Vec::new(), "court")
                .expect("a hold");
            engine
                .set_retention(&Actor::operator(), &Retention::Days(None, Some(200)))
                .expect("days");
            assert!(!hung.load(Ordering::Relaxed), "the hold is placed while {step:?} goes on");
            // Each step that comes finds nobody to wait for.
            drop(release);
            working.join().expect("ends").expect("ends well");
        });
        assert_eq!(store.engine().policy().holds.len(), 1);
    }
}

#[test]
fn a_hold_that_is_placed_while_events_are_being_deleted_holds() {
    for step in [Failpoint::DeletionWritten, Failpoint::DeletionRecorded] {
        let mut store = TestStore::new();
        let old = |number: i64| {
            let source = if number % 2 == 0 { "s" } else { "r" };
            json!({ "event_name": "e", "trace_id": format!("o{number}"),
                "time": NOW - 400 * DAY_MS + number, "source": source })
        };
        store.ingest("t", &(0..40).map(|number| old(number).to_string()).collect::<Vec<_>>());
        store.ingest("u", &(0..40).map(|number| old(number).to_string()).collect::<Vec<_>>());
        let hook = Arc::new(Hook::default());
        let hooked = Arc::clone(&hook);
        store.reopen_with(settings(AtFailpoint::new(move |at| {
            let first = at == step && !hooked.seen.lock().expect("one at a time").contains(&at);
            hooked.seen.lock().expect("one at a time").push(at);
            if let (true, Some(engine)) = (first, hooked.engine.get().and_then(Weak::upgrade)) {
                engine.place_hold(
                    &Actor::operator(),
                    "case",
                    vec!["t".to_owned()],
                    vec![("source".to_owned(), "s".to_owned())],
                    "court",
                )?;
            }
            Ok(())
        })));
        hook.engine.set(Arc::downgrade(store.engine())).expect("once");
        store
            .engine()
            .set_retention(&Actor::operator(), &Retention::Days(None, Some(180)))
            .expect("the floor");
        let expired = store.engine().expire(&Actor::operator()).expect("a run");
        assert_eq!((expired.events, expired.held), (60, 20), "{step:?}: the hold holds");
        assert_eq!(store.get("/api/v1/count?tenant=t")["count"], 20, "{step:?}");
        assert_eq!(store.get("/api/v1/count?tenant=t&source=s")["count"], 20, "{step:?}");
        assert_eq!(store.get("/api/v1/count?tenant=u")["count"], 0, "{step:?}");
        assert!(store.engine().check(false).expect("a check").is_sound());
    }
}

#[test]
fn what_is_held_of_a_segment_keeps_every_value() {
    let mut store = filled();
    store.reopen_with(settings(AtFailpoint::default()));
    let held = |store: &TestStore| {
        store.get("/api/v1/events?tenant=t&limit=500&original=true&source_ip=10.0.0.3&fields=trace_id,time,source,event_name,original,resource_name")
    };
    let before = held(&store);
    let filter = vec![("source_ip".to_owned(), "10.0.0.3".to_owned())];
    store
        .engine()
        .place_hold(&Actor::operator(), "case", vec!["t".to_owned()], filter, "court")
        .expect("a hold");
    store
        .engine()
        .set_retention(&Actor::operator(), &Retention::Days(Some("t".to_owned()), Some(180)))
        .expect("the floor");
    store.clock.set(annals::event::Timestamp::from_millis(NOW + 300 * DAY_MS));
    let forecast = store.engine().expirable().expect("a forecast");
    let expired = store.engine().expire(&Actor::operator()).expect("a run");
    assert_eq!(expired, forecast);
    assert_eq!(held(&store)["events"], before["events"]);
    assert_eq!(expired.held, before["events"].as_array().expect("events").len() as u64);
    assert_eq!(
        store.get("/api/v1/facets?tenant=t&fields=source_ip")["facets"]["source_ip"]
            .as_array()
            .expect("values")
            .len(),
        1,
        "no value of what is gone"
    );
    assert_eq!(store.get("/api/v1/count?tenant=u")["count"], EVENTS);
}

#[test]
fn health_is_told_when_nothing_else_is_answered() {
    let store = filled();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let (release, released) = channel::<()>();
    runtime.spawn_blocking(move || released.recv_timeout(PATIENCE * 2));
    let router = router(Arc::clone(store.engine()));
    runtime.block_on(async {
        let call = runtime.spawn(router.clone().oneshot(
            Request::get("/api/v1/count?tenant=t").body(Body::empty()).expect("a request"),
        ));
        for path in ["/livez", "/readyz", "/api/v1/livez", "/api/v1/readyz"] {
            let request = Request::get(path).body(Body::empty()).expect("a request");
            let answer = tokio::time::timeout(PATIENCE, router.clone().oneshot(request))
                .await
                .expect("in time")
                .expect("an answer");
            assert_eq!(answer.status(), StatusCode::OK, "{path}");
            let body: Json = serde_json::from_slice(
                &to_bytes(answer.into_body(), usize::MAX).await.expect("a body"),
            )
            .expect("JSON");
            assert_eq!(body["status"], "ok", "{path}");
        }
        assert!(!call.is_finished(), "a question waits for a thread");
        drop(release);
        assert_eq!(call.await.expect("ends").expect("an answer").status(), StatusCode::OK);
    });
}

#[test]
fn who_takes_nothing_in_is_not_ready() {
    let mut store = filled();
    assert_eq!(ready(&store).1["problems"], json!([]));
    store.reopen_with(Settings { free_bytes: u64::MAX, compact: false, ..Settings::default() });
    let (status, health) = ready(&store);
    assert_eq!(
        (status, &health["status"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable"))
    );
    assert_eq!(
        (&health["problems"][0]["part"], &health["problems"][0]["refuses"]),
        (&json!("disk"), &json!(true))
    );
    store.reopen_with(Settings { buffer_bytes: 1, compact: false, ..Settings::default() });
    let outcome = store.engine().ingest(
        store.engine().decode(
            vec![annals::ingest::IncomingRecord::new(1, record(5_000))],
            None,
            &annals::ingest::TenantRule::new(Some("t"), None).expect("a tenant"),
        ),
        "test",
    );
    assert_eq!(outcome.expect("the first is taken").accepted, 1);
    let (status, health) = ready(&store);
    assert_eq!(
        (status, &health["problems"][0]["part"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("buffer"))
    );
}

#[test]
fn administrative_state_that_is_ahead_of_what_was_recorded_is_made_of_what_was() {
    let mut store = TestStore::new();
    let text = |query: &str| annals::engine::ViewText {
        name: "n".to_owned(),
        owner: String::new(),
        query: query.to_owned(),
    };
    store
        .engine()
        .save_view(&Caller::operator(), "a", text("tenant=t"), annals::engine::SeenVersion::Unsaid)
        .expect("saved");
    let target = store.path().with_file_name("copy");
    store.engine().backup(&Actor::operator(), &target).expect("a backup");
    let recorded = store.get("/api/v1/views");
    store
        .engine()
        .save_view(&Caller::operator(), "b", text("tenant=t"), annals::engine::SeenVersion::Unsaid)
        .expect("saved");
    // As a backup that copied the file after somebody saved another view.
    store.close();
    for name in ["admin.redb", "marks/admin.redb"] {
        std::fs::copy(store.path().join(name), target.join(name)).expect("copied");
    }
    std::fs::remove_dir_all(store.path()).expect("gone");
    std::fs::rename(&target, store.path()).expect("restored");
    store.reopen();
    assert_eq!(store.get("/api/v1/views"), recorded);
    store
        .engine()
        .save_view(&Caller::operator(), "c", text("tenant=t"), annals::engine::SeenVersion::Unsaid)
        .expect("saved");
    let views = store.get("/api/v1/views");
    store.reopen();
    assert_eq!(store.get("/api/v1/views"), views, "and what comes next is kept");
}
