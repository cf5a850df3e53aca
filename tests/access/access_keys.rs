//! Access keys: made, listed and withdrawn, sealed with a key that is not in the store.

use super::server::Guarded;
use super::signatures::{key_of, principal, sealed_server};
use super::signer::Call;
use annals::access::{Actor, SealKey};
use annals::engine::{Engine, Settings};
use annals::storage::AccessMode;
use axum::body::Body;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;

fn seal() -> SealKey {
    SealKey::generate().expect("a key")
}

fn admin(server: &Guarded) -> String {
    server.principal(&json!({ "name": "sec", "roles": ["security_administrator"] }))
}

const PATH: &str = "/api/v1/principals/li/access-keys";

#[test]
fn an_access_key_is_shown_once_listed_without_its_secret_and_withdrawn_at_once() {
    let server = sealed_server(&seal());
    let admin = admin(&server);
    server.principal(&json!({ "name": "li", "roles": ["reader"], "tenants": ["t"] }));
    let made = server.call(Some(&admin), "POST", PATH, r#"{"note":"a shipper"}"#);
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.headers["cache-control"], "no-store");
    let made = made.json();
    let text = |name: &str| made[name].as_str().expect("a text").to_owned();
    let key = super::signer::Key { id: text("id"), secret: text("secret") };
    assert_eq!((key.id.len(), key.secret.len()), (20, 40));
    let listed = server.json(&admin, PATH);
    assert!(!listed.to_string().contains(&key.secret));
    let shown = &listed["access_keys"][0];
    assert_eq!((&shown["note"], &shown["last_used"]), (&json!("a shipper"), &json!(null)));
    let count = Call::get("/api/v1/count");
    assert_eq!(count.send(&server, &key).status, 200);
    assert!(server.json(&admin, PATH)["access_keys"][0]["last_used"].is_string());
    let path = format!("{PATH}/{}", key.id);
    let other = format!("/api/v1/principals/sec/access-keys/{}", key.id);
    assert_eq!(server.call(Some(&admin), "DELETE", &other, Body::empty()).status, 404);
    assert_eq!(server.call(Some(&admin), "DELETE", &path, Body::empty()).status, 204);
    assert_eq!(server.call(Some(&admin), "DELETE", &path, Body::empty()).status, 404);
    assert_eq!(count.send(&server, &key).status, 401);
    // It goes with its principal, and is not that of the next one of this name.
    let key = key_of(&server, "li");
    assert_eq!(count.send(&server, &key).status, 200);
    let removed = server.call(Some(&admin), "DELETE", "/api/v1/principals/li", Body::empty());
    assert_eq!((removed.status.as_u16(), count.send(&server, &key).status.as_u16()), (204, 401));
    server.principal(&json!({ "name": "li", "roles": ["reader"], "tenants": ["t"] }));
    assert_eq!(count.send(&server, &key).status, 401);
    assert_eq!(server.json(&admin, PATH)["access_keys"], json!([]));
}

#[test]
fn a_principal_has_ten_access_keys_at_most_and_what_is_wrong_is_named() {
    let server = sealed_server(&seal());
    let admin = admin(&server);
    server.principal(&json!({ "name": "li", "roles": ["reader"], "tenants": ["t"] }));
    let make = |body: &str| server.call(Some(&admin), "POST", PATH, body.to_owned());
    for body in [r#"{"note":"a\u0007"}"#, r#"{"expires_in":"1d"}"#, "7", "{"] {
        assert_eq!(make(body).status, 400, "{body}");
    }
    for _ in 0..10 {
        assert_eq!(make("").status, 201);
    }
    let refused = make("");
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("10 access keys"), "{}", refused.text());
    let nobody = "/api/v1/principals/nobody/access-keys";
    for method in ["GET", "POST"] {
        assert_eq!(server.call(Some(&admin), method, nobody, Body::empty()).status, 404);
    }
}

#[test]
fn without_a_seal_key_none_is_made_and_none_is_accepted_and_with_another_nothing_opens() {
    let (key, seal) = {
        let seal = seal();
        let mut server = sealed_server(&seal);
        let key = principal(&server, "li", &["reader"]);
        let admin = admin(&server);
        server.reopen(Settings { compact: false, ..Settings::default() });
        let made = server.call(Some(&admin), "POST", PATH, "{}");
        assert_eq!(made.status, 400);
        assert!(made.text().contains("--seal-key-file"), "{}", made.text());
        let asked = Call::get("/api/v1/count").send(&server, &key);
        assert_eq!(asked.status, 401);
        assert!(asked.text().contains("no seal key"), "{}", asked.text());
        // What needs no secret goes on: keys are listed and withdrawn.
        assert_eq!(server.json(&admin, PATH)["access_keys"][0]["id"], key.id.as_str());
        let other =
            Settings { compact: false, seal_key: Some(self::seal()), ..Settings::default() };
        let error = server.try_reopen(other).expect_err("another seal key");
        assert!(error.to_string().contains("--seal-key-file"), "{error}");
        server.reopen(Settings {
            compact: false,
            seal_key: Some(seal.clone()),
            ..Settings::default()
        });
        assert_eq!(Call::get("/api/v1/count").send(&server, &key).status, 200);
        (key, seal)
    };
    assert!(!format!("{seal:?}").contains(&*seal.reveal()) && !key.secret.is_empty());
}

/// All files below a folder.
fn files(folder: PathBuf) -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![folder], Vec::new());
    while let Some(path) = folders.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).expect("a folder");
            folders.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else {
            files.push(path);
        }
    }
    files
}

#[test]
fn the_secret_of_an_access_key_is_in_no_file_event_backup_or_answer() {
    let seal = seal();
    let mut server = sealed_server(&seal);
    let admin = admin(&server);
    let audit = server.principal(&json!({ "name": "aud", "roles": ["audit_administrator"] }));
    let key = principal(&server, "li", &["reader"]);
    assert_eq!(Call::get("/api/v1/count").send(&server, &key).status, 200);
    let trail = server.json(&audit, "/api/v1/events?tenant=_annals&original=true&limit=100");
    assert!(trail.to_string().contains("createAccessKey"), "{trail}");
    let shown = [trail.to_string(), server.json(&admin, PATH).to_string()];
    assert!(shown.iter().all(|text| !text.contains(&key.secret)), "{shown:?}");
    let state = format!("{:?}{:?}", server.store.engine().admin(), server.store.engine());
    assert!(!state.contains(&key.secret) && !state.contains(&*seal.reveal()));
    let backup = tempfile::tempdir().expect("a temporary directory");
    let copy = backup.path().join("copy");
    server.store.engine().backup(&Actor::operator(), &copy).expect("a backup");
    server.store.engine().seal().expect("a commit");
    server.close();
    let mut read = 0;
    for path in files(server.store.path()).into_iter().chain(files(copy.clone())) {
        let bytes = std::fs::read(&path).expect("a file");
        read += bytes.len();
        for secret in [key.secret.as_bytes(), seal.reveal().as_bytes()] {
            let found = memchr::memmem::find(&bytes, secret);
            assert!(found.is_none(), "{} has a secret", path.display());
        }
    }
    assert!(read > 10_000, "the scan read {read} bytes");
}

#[test]
fn a_restored_store_accepts_its_access_keys_with_its_own_seal_key() {
    let seal = seal();
    let server = sealed_server(&seal);
    let key = principal(&server, "li", &["reader"]);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let copy = folder.path().join("copy");
    server.store.engine().backup(&Actor::operator(), &copy).expect("a backup");
    let open = |seal: &SealKey| {
        let settings =
            Settings { compact: false, seal_key: Some(seal.clone()), ..Settings::default() };
        let runtime = server.store.runtime.handle().clone();
        let clock = Arc::clone(&server.store.clock);
        Engine::open_with(&copy, AccessMode::Read, clock, runtime, settings)
    };
    assert!(open(&self::seal()).is_err());
    let engine = open(&seal).expect("a store");
    let directory = engine.directory();
    let found = directory.access_key(&key.id).expect("an access key");
    assert!(found.secret(&seal).expect("its secret").is(&key.secret));
}
