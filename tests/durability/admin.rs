//! Changes of administrative state: who made them is recorded, secrets are not, and each is made
//! once, whoever competes and wherever a process ends.

use crate::support::store::{TestStore, all_pages};
use annals::access::{Actor, Scope};
use annals::engine::{AtFailpoint, Deed, Engine, Failpoint, Settings};
use annals::error::{Error, Result};
use annals::query::{Filter, SortOrder};
use annals::storage::admin::{AdminSnapshot, RecordChange, RecordKind};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const SECRET: &[u8] = b"a hash that nobody may read";

fn recorded(engine: &Engine) -> Vec<Json> {
    let scope = Scope::of_operator(&["_annals"]).expect("a tenant");
    let mut events = all_pages(engine, &scope, &Filter::default(), SortOrder::Descending, 100);
    events.sort_by_key(|event| event.seq);
    let parse = |text: &str| serde_json::from_str(text).expect("our own records are JSON");
    events.iter().map(|event| parse(&event.original)).collect()
}

fn deed(name: &str) -> Deed<'_> {
    Deed {
        event_name: "createToken",
        resource_type: "token",
        resource_id: Some(name),
        resource_name: None,
        details: json!({ "why": "a test" }),
    }
}

fn token(key: &str) -> RecordChange {
    let (kind, key) = (RecordKind::Token, key.to_owned());
    RecordChange { kind, key, body: Some(json!({ "of": "ann" })), secret: Some(SECRET.to_vec()) }
}

fn create(engine: &Engine, key: &str) -> Result<Arc<AdminSnapshot>> {
    let ann = Actor { name: "ann".to_owned(), source_ip: Some("10.0.0.1".to_owned()) };
    engine.change_admin(&ann, &deed(key), |state| {
        let there = state.get(RecordKind::Token, key).is_some();
        Ok(if there { Vec::new() } else { vec![token(key)] })
    })
}

fn secret(state: &AdminSnapshot, key: &str) -> Option<Option<Vec<u8>>> {
    state.get(RecordKind::Token, key).map(|record| record.secret.clone())
}

#[test]
fn who_changed_what_is_recorded_once_and_without_its_secret() {
    let mut store = TestStore::new();
    create(store.engine(), "t").expect("a token");
    create(store.engine(), "t").expect("it is there");
    let refused = store
        .engine()
        .change_admin(&Actor::operator(), &deed("u"), |_| Err(Error::invalid("not today")));
    assert!(refused.is_err());
    let events = recorded(store.engine());
    assert_eq!(events.len(), 1, "no change, no event: {events:?}");
    let event = &events[0];
    let named = ["trace_id", "event_name", "operator", "source_ip", "resource_id"];
    assert_eq!(
        named.map(|name| event[name].as_str().unwrap_or_default()),
        ["admin-1", "createToken", "ann", "10.0.0.1", "t"]
    );
    assert_eq!(event["details"], json!({ "why": "a test" }));
    let change = json!([{ "kind": "token", "key": "t", "body": { "of": "ann" } }]);
    assert_eq!(event["changes"], change);
    for _ in 0..2 {
        assert_eq!(secret(&store.engine().admin(), "t"), Some(Some(SECRET.to_vec())));
        store.reopen();
    }
    // A file that is lost comes back without what was recorded nowhere.
    store.close();
    std::fs::remove_file(store.path().join("admin.redb")).expect("it is there");
    store.reopen();
    assert_eq!(secret(&store.engine().admin(), "t"), Some(None));
}

#[test]
fn a_change_that_fails_half_way_is_made_with_its_secret_only_if_it_was_written() {
    for (step, kept) in [(Failpoint::AdminRecorded, false), (Failpoint::AdminWritten, true)] {
        for dies in [false, true] {
            let mut store = TestStore::new();
            let armed = Arc::new(AtomicBool::new(true));
            let hook = AtFailpoint::new(move |reached| {
                match reached == step && armed.swap(false, Ordering::SeqCst) {
                    true => Err(Error::internal("the step fails, as the test wants it")),
                    false => Ok(()),
                }
            });
            store.reopen_with(Settings {
                compact: false,
                at_failpoint: hook,
                ..Settings::default()
            });
            create(store.engine(), "t").expect_err("it fails half way");
            assert_eq!(store.engine().admin().version(), 0, "{step:?}: it is not shown");
            if dies {
                store.reopen();
            }
            let state = create(store.engine(), "u").expect("another token");
            let expected = kept.then(|| SECRET.to_vec());
            assert_eq!(secret(&state, "t"), Some(expected), "{step:?}, {dies}");
            assert_eq!(secret(&state, "u"), Some(Some(SECRET.to_vec())));
            assert_eq!((state.version(), recorded(store.engine()).len()), (2, 2));
            assert!(store.engine().check(false).expect("a check").is_sound());
        }
    }
}

#[test]
fn changes_of_many_threads_are_made_one_after_another() {
    const EACH: u64 = 5;
    let mut store = TestStore::new();
    let engine = store.engine();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                let actor = Actor { name: format!("thread-{thread}"), source_ip: None };
                for _ in 0..EACH {
                    let add = |state: &AdminSnapshot| {
                        let there = state.get(RecordKind::Token, "sum");
                        let sum = there.and_then(|record| record.body["sum"].as_u64());
                        let (kind, key) = (RecordKind::Token, "sum".to_owned());
                        let body = Some(json!({ "sum": sum.unwrap_or_default() + 1 }));
                        Ok(vec![RecordChange { kind, key, body, secret: None }])
                    };
                    engine.change_admin(&actor, &deed("sum"), add).expect("a change");
                }
            });
        }
    });
    for _ in 0..2 {
        let state = store.engine().admin();
        let sum = &state.get(RecordKind::Token, "sum").expect("a sum").body["sum"];
        assert_eq!((state.version(), sum), (8 * EACH, &json!(8 * EACH)));
        assert_eq!(recorded(store.engine()).len() as u64, 8 * EACH);
        store.reopen();
    }
}
