use super::database::{decoded, encoded};
use super::*;
use crate::error::ErrorKind;
use crate::storage::paths::{self, ADMIN_FILE};
use crate::storage::{PutMode, Store, check_marks, put_version};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

fn set(kind: RecordKind, key: &str, number: u64) -> RecordChange {
    let body = Some(json!({ "number": number, "text": "t".repeat(20) }));
    RecordChange { kind, key: key.to_owned(), body, secret: None }
}

fn remove(kind: RecordKind, key: &str) -> RecordChange {
    RecordChange { kind, key: key.to_owned(), body: None, secret: None }
}

fn secret(kind: RecordKind, key: &str, secret: &[u8]) -> RecordChange {
    RecordChange { secret: Some(secret.to_vec()), ..set(kind, key, 1) }
}

struct Place {
    _folder: tempfile::TempDir,
    store: Store,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let store = Store::new(folder.path()).expect("a store");
        put_version(&store).expect("a version file");
        Self { _folder: folder, store }
    }

    fn file(&self) -> AdminFile {
        AdminFile::open(&self.store).expect("it opens").unwrap_or_else(|| {
            AdminFile::create(&self.store, AdminSnapshot::default()).expect("a new file")
        })
    }

    fn refused(&self) -> String {
        let error = AdminFile::open(&self.store).expect_err("it is damaged");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains(ADMIN_FILE), "{error}");
        error.to_string()
    }
}

#[test]
fn changes_are_compared_made_as_one_and_survive() {
    let place = Place::new();
    let file = place.file();
    let (policy, view) = (RecordKind::Policy, RecordKind::View);
    let first = file.change(0, &[set(policy, "p", 1), set(view, "b", 2), set(view, "a", 3)]);
    let first = first.expect("a change");
    assert_eq!((first.version(), first.count()), (1, 3));
    let outdated = file.change(0, &[set(policy, "p", 9)]).expect_err("another version");
    assert_eq!(outdated.kind(), ErrorKind::Outdated);
    assert_eq!(*file.snapshot(), *first, "nothing was changed");
    assert_eq!(file.change(1, &[]).expect("nothing to do").version(), 1);
    let second = file.change(1, &[remove(view, "b"), set(view, "c", 4), remove(view, "none")]);
    let second = second.expect("a change");
    let keys: Vec<(&str, u64)> =
        second.all(view).map(|(key, record)| (key, record.version)).collect();
    assert_eq!(keys, [("a", 1), ("c", 2)]);
    assert_eq!(first.all(view).count(), 2, "who holds the state before sees it as it was");
    let too_deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
    let deep = RecordChange { body: Some(too_deep), ..set(view, "d", 1) };
    assert!(file.change(2, &[set(view, "a", 7), deep]).is_err(), "it could not be read again");
    assert_eq!(*file.snapshot(), *second, "all or nothing");
    drop(file);
    let file = place.file();
    assert_eq!(*file.snapshot(), *second);
    assert_eq!(file.check(), Vec::<String>::new());
    assert_eq!(check_marks(&place.store), Vec::<String>::new());
    assert_eq!(file.change(2, &[set(view, "a", 5)]).expect("a change").version(), 3);
}

#[test]
fn a_secret_is_kept_and_shown_nowhere() {
    let place = Place::new();
    let file = place.file();
    let change = secret(RecordKind::Token, "t", b"geheim");
    assert!(!format!("{change:?}").contains("103"), "the bytes of the secret: {change:?}");
    let shown = change.shown();
    assert_eq!(shown.as_object().map(serde_json::Map::len), Some(3), "{shown}");
    let lost = RecordChange::from_shown(&shown).expect("a change");
    assert_eq!((&lost.body, &lost.secret), (&change.body, &None));
    file.change(0, &[change]).expect("a change");
    drop(file);
    let state = place.file().snapshot();
    let record = state.get(RecordKind::Token, "t").expect("a token");
    assert_eq!(record.secret.as_deref(), Some(&b"geheim"[..]));
    assert!(format!("{record:?}").contains("has_secret: true"));
    assert!(!format!("{record:?} {state:?}").contains("103, 101"));
    use std::os::unix::fs::PermissionsExt;
    let file = std::fs::metadata(place.store.path(ADMIN_FILE)).expect("the file");
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_state_that_is_made_again_takes_the_secrets_of_records_that_are_the_same() {
    let token = RecordKind::Token;
    let with = |changes: &[RecordChange]| AdminSnapshot::default().with(changes).expect("a state");
    let before = with(&[secret(token, "same", b"1"), secret(token, "other", b"2")]);
    let mut again = with(&[set(token, "same", 1), set(token, "other", 7), set(token, "new", 1)]);
    again.take_secrets(&before).expect("they are taken");
    let secrets: Vec<bool> = again.all(token).map(|(_, record)| record.secret.is_some()).collect();
    assert_eq!(secrets, [false, false, true], "new, other, same");
}

/// A state with a record of each kind, after a few commits, and the bytes that it has on the disk:
/// when its process has died, and when it has closed the file.
fn written() -> (Place, Arc<AdminSnapshot>, [Vec<u8>; 2]) {
    let place = Place::new();
    let file = place.file();
    for version in 0..6 {
        let kind = RecordKind::ALL[version as usize % RecordKind::ALL.len()];
        let changes = [set(kind, "k", version), secret(RecordKind::Token, "s", &[version as u8])];
        file.change(version, &changes).expect("a change");
    }
    let died = place.store.read(ADMIN_FILE).expect("the file");
    let state = file.snapshot();
    drop(file);
    let closed = place.store.read(ADMIN_FILE).expect("the file");
    assert_ne!(died, closed);
    (place, state, [died, closed])
}

/// Asserts that damaged bytes are refused, or hold the same state. Returns whether they are
/// refused.
fn is_refused(place: &Place, bad: &[u8], state: &AdminSnapshot, what: &str) -> bool {
    match decoded(bad.to_owned()) {
        Err(_) => true,
        Ok(found) if found == *state => false,
        // Then it is the state before, whose commit redb falls back to: the mark knows.
        Ok(found) => {
            assert!(found.version() < state.version(), "{what}: {found:?}");
            place.store.put(ADMIN_FILE, bad, PutMode::Replace).expect("damage");
            place.refused();
            true
        }
    }
}

#[test]
fn no_damage_is_taken_for_another_state() {
    let (place, state, files) = written();
    let every_byte = std::env::var_os("ANNALS_FLIPS").is_some();
    for whole in files {
        assert_eq!(decoded(whole.clone()).expect("it is sound"), *state);
        // The header is damaged byte by byte. Of the rest, what redb has never written is zero.
        let used = |at: &usize| {
            let sampled = whole[*at] != 0 && at.is_multiple_of(13);
            every_byte || *at < 320 || sampled || at.is_multiple_of(4_003)
        };
        let (mut refused, mut same) = (0, 0);
        for at in (0..whole.len()).filter(used) {
            for flip in [1_u8 << (at % 8), 0xff] {
                let mut bad = whole.clone();
                bad[at] ^= flip;
                match is_refused(&place, &bad, &state, &format!("byte {at}")) {
                    true => refused += 1,
                    false => same += 1,
                }
            }
        }
        assert!(refused > 200 && same > 0, "{refused} were refused, {same} are the same");
        for length in (0..whole.len()).step_by(997).chain([1, 2, 319, 4_095, whole.len() - 1]) {
            let cut = whole[..length].to_vec();
            assert!(is_refused(&place, &cut, &state, &format!("cut to {length} bytes")));
        }
    }
    for other in [&b"{}"[..], &[0; 4_096], &[0xff; 100_000]] {
        assert!(decoded(other.to_vec()).is_err());
    }
}

#[test]
fn a_file_of_another_time_is_refused_and_one_that_is_lost_is_none() {
    let place = Place::new();
    let file = place.file();
    let view = RecordKind::View;
    file.change(0, &[set(view, "a", 1)]).expect("a change");
    drop(file);
    let earlier = place.store.read(ADMIN_FILE).expect("the file");
    let file = place.file();
    file.change(1, &[set(view, "a", 2)]).expect("a change");
    let newest = file.snapshot();
    place.store.put(ADMIN_FILE, &earlier, PutMode::Replace).expect("damage");
    assert!(file.check()[0].contains(ADMIN_FILE), "{:?}", file.check());
    drop(file);
    assert!(place.refused().contains("another state"));
    // With its mark gone it is taken as it is.
    place.store.remove(&paths::mark(ADMIN_FILE)).expect("it is there");
    assert_eq!(check_marks(&place.store).len(), 1);
    assert_eq!(place.file().snapshot().version(), 1);
    assert_eq!(place.file().replace((*newest).clone()).expect("a file").version(), 2);
    assert_eq!(check_marks(&place.store), Vec::<String>::new());
    assert_eq!(*place.file().snapshot(), *newest);
    place.store.remove(ADMIN_FILE).expect("it is there");
    assert!(AdminFile::open(&place.store).expect("no file").is_none());
}

#[test]
fn a_commit_that_fails_is_looked_at_before_the_next() {
    let place = Place::new();
    let file = place.file();
    let view = RecordKind::View;
    file.change(0, &[set(view, "a", 1)]).expect("a change");
    drop(file);
    let file = place.file();
    let state = file.snapshot();
    let bytes = place.store.read(ADMIN_FILE).expect("the file");
    place.store.remove(ADMIN_FILE).expect("it is there");
    place.store.create_folder(ADMIN_FILE).expect("something in its place");
    assert!(file.change(1, &[set(view, "b", 2)]).is_err());
    assert!(!file.check().is_empty());
    place.store.remove_folder(ADMIN_FILE).expect("it goes");
    place.store.put(ADMIN_FILE, &bytes, PutMode::Replace).expect("it is back");
    assert_eq!(*file.snapshot(), *state);
    // As if the commit had been made although it seemed to fail.
    let next = state.with(&[set(view, "b", 2)]).expect("a state");
    put_admin(&place.store, &next).expect("a file");
    let outdated = file.change(1, &[set(view, "b", 2)]).expect_err("it is there");
    assert_eq!(outdated.kind(), ErrorKind::Outdated);
    assert_eq!(*file.snapshot(), next);
    file.change(2, &[set(view, "c", 3)]).expect("a change");
    assert_eq!(file.check(), Vec::<String>::new());
}

#[test]
fn a_state_of_a_later_version_is_refused_as_one() {
    let error = RecordChange::from_shown(&json!({ "kind": "moon", "key": "k", "body": 1 }));
    assert_eq!(error.expect_err("an unknown kind").kind(), ErrorKind::Version);
    for kind in RecordKind::ALL {
        assert_eq!(RecordKind::named(kind.name()), Some(*kind));
    }
}

#[test]
fn changes_that_compete_lose_nothing() {
    const EACH: u64 = 12;
    let place = Place::new();
    let file = place.file();
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let file = &file;
            scope.spawn(move || {
                for _ in 0..EACH {
                    loop {
                        let state = file.snapshot();
                        let there = state.get(RecordKind::Policy, "sum");
                        let sum = there
                            .map_or(0, |record| record.body["number"].as_u64().expect("a number"));
                        let changes = [
                            set(RecordKind::Policy, "sum", sum + 1),
                            set(RecordKind::View, &format!("by-{thread}"), sum),
                        ];
                        match file.change(state.version(), &changes) {
                            Ok(_) => break,
                            Err(error) => assert_eq!(error.kind(), ErrorKind::Outdated, "{error}"),
                        }
                    }
                }
            });
        }
    });
    let state = file.snapshot();
    drop(file);
    assert_eq!(*place.file().snapshot(), *state);
    assert_eq!((state.version(), state.count()), (8 * EACH, 9));
    let sum = &state.get(RecordKind::Policy, "sum").expect("a sum").body["number"];
    assert_eq!(sum, &json!(8 * EACH), "no update is lost");
}

#[derive(Debug, Clone)]
enum Step {
    Change(Vec<RecordChange>),
    Reopen,
    Replace,
}

fn secret_of(record: &AdminRecord) -> Option<Vec<u8>> {
    record.secret.clone()
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kinds = proptest::sample::select(RecordKind::ALL);
    let body = proptest::option::weighted(0.7, (any::<i64>(), "\\PC{0,12}"));
    let secret = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40));
    let change =
        (kinds, "[a-c\u{e9}\u{0}]{0,2}", body, secret).prop_map(|(kind, key, body, secret)| {
            let body = body.map(|(number, text)| json!({ "number": number, text: [null, true] }));
            RecordChange { kind, key, body, secret }
        });
    let changes = proptest::collection::vec(change, 1..5).prop_map(Step::Change);
    let step = prop_oneof![6 => changes, 2 => Just(Step::Reopen), 1 => Just(Step::Replace)];
    proptest::collection::vec(step, 1..16)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_changes_give_what_a_map_gives(steps in steps()) {
        let place = Place::new();
        let mut file = place.file();
        let mut map = BTreeMap::new();
        let mut version = 0;
        for step in steps {
            match step {
                Step::Change(changes) => {
                    version += 1;
                    for change in &changes {
                        let key = (change.kind.name(), change.key.clone());
                        match change.body.clone() {
                            Some(body) => {
                                let before = map.get(&key).and_then(secret_of);
                                let secret = change.secret.clone().or(before);
                                map.insert(key, AdminRecord { version, body, secret })
                            }
                            None => map.remove(&key),
                        };
                    }
                    file.change(version - 1, &changes).expect("a change");
                }
                Step::Reopen => {
                    drop(file);
                    file = place.file();
                }
                Step::Replace => {
                    let state = (*file.snapshot()).clone();
                    let bytes = encoded(&state).expect("bytes");
                    prop_assert_eq!(&decoded(bytes).expect("a state"), &state);
                    file.replace(state).expect("a file");
                }
            }
            let state = file.snapshot();
            let mut found = BTreeMap::new();
            for kind in RecordKind::ALL {
                for (key, record) in state.all(*kind) {
                    found.insert((kind.name(), key.to_owned()), AdminRecord::clone(record));
                }
            }
            prop_assert_eq!(&found, &map);
            prop_assert_eq!((state.version(), state.count()), (version, map.len()));
        }
        prop_assert_eq!(file.check(), Vec::<String>::new());
    }
}
