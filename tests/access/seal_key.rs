//! The seal key and access keys by the real binary, and Huawei's own client with an access key.

use super::signatures::{key_of, sealed_server};
use crate::support::process::{Server, annals};
use crate::support::python;
use crate::support::store::NOW;
use annals::access::SealKey;
use annals::event::Timestamp;
use serde_json::{Value as Json, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn path(folder: &tempfile::TempDir, name: &str) -> String {
    folder.path().join(name).to_string_lossy().into_owned()
}

/// What stands behind a name in an output.
fn after(text: &str, name: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name}in {text}")).to_owned()
}

#[test]
fn a_seal_key_is_made_with_the_store_and_kept_apart_from_it() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (data, seal, copy) = (path(&folder, "store"), path(&folder, "seal"), path(&folder, "copy"));
    let with = ["--data", &data, "--seal-key-file", &seal];
    let said = annals(&[&["init"], &with[..]].concat()).ok();
    assert!(said.contains("made a seal key"), "{said}");
    let mode = std::fs::metadata(&seal).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let sealed = std::fs::read_to_string(&seal).expect("a key");
    assert_eq!(sealed.trim().len(), 64);
    annals(&[&["init"], &with[..]].concat()).refused(1, &["administrator already"]);
    annals(&["principal", "create", "li", "--data", &data, "--role", "reader", "--tenant", "t"])
        .ok();
    let create = ["access-key", "create", "li", "--note", "by hand"];
    annals(&[&create, &with[..2]].concat()).refused(1, &["--seal-key-file"]);
    let made = annals(&[&create, &with[..]].concat()).ok();
    let (id, secret) = (after(&made, "access key: "), after(&made, "secret key: "));
    assert_eq!((id.len(), secret.len()), (20, 40));

    let server = Server::start_with(Path::new(&data), &["--seal-key-file", &seal]);
    let admin = std::fs::read_to_string(folder.path().join("store/first-admin-token"));
    let admin = admin.expect("a token").trim().to_owned();
    let remote = ["--url", &server.url, "--token", &admin];
    annals(&[&create, &remote[..]].concat()).ok();
    let listed = annals(&[&["access-key", "list", "li"], &remote[..]].concat()).ok();
    assert!(listed.contains(&id) && !listed.contains(&secret), "{listed}");
    let keys: Json = serde_json::from_str(&listed).expect("JSON");
    assert_eq!(keys.as_array().map(Vec::len), Some(2));
    annals(&[&["access-key", "revoke", "li", &id], &remote[..]].concat()).ok();
    annals(&[&["access-key", "revoke", "li", &id], &remote[..]].concat()).refused(1, &["no such"]);
    drop(server);

    annals(&["backup", "--data", &data, "--to", &copy]).ok();
    std::fs::write(&seal, format!("{}\n", "ab".repeat(32))).expect("a file");
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data", &data, "--seal-key-file", &seal];
    annals(&serve).refused(1, &["--seal-key-file"]);
    std::fs::write(&seal, "not a key\n").expect("a file");
    annals(&serve).refused(2, &["--seal-key-file", "32 random bytes"]);
    std::fs::write(&seal, &sealed).expect("a file");
    std::fs::set_permissions(&seal, PermissionsExt::from_mode(0o644)).expect("a mode");
    annals(&serve).refused(2, &["--seal-key-file", "chmod 600"]);
    std::fs::remove_file(&seal).expect("a file");
    annals(&serve).refused(2, &["--seal-key-file", "is missing"]);
    // Without one the server is as before, but for access keys.
    let server = Server::start(Path::new(&data));
    annals(&["principal", "list", "--url", &server.url, "--token", &admin]).ok();
}

#[test]
fn huaweis_own_client_lists_traces_with_an_access_key() {
    let server = sealed_server(&SealKey::generate().expect("a key"));
    let trace = |number: i64| {
        json!({ "trace_id": format!("id-{number}"), "trace_name": "createServer",
            "trace_type": "ApiCall", "service_type": "ECS", "resource_type": "ecs",
            "resource_name": if number % 2 == 0 { "云 a+b/c*d~e" } else { "web" },
            "trace_rating": "normal", "project_id": "t", "tracker_name": "system",
            "time": NOW - 1_000 + number, "record_time": NOW - 1_000 + number })
        .to_string()
    };
    server.store.ingest("t", &(0..20).map(trace).collect::<Vec<_>>());
    server.principal(&json!({ "name": "li", "roles": ["reader"], "tenants": ["t"] }));
    let key = key_of(&server, "li");
    // The client signs with the time of the machine.
    let now = annals::clock::Clock::now(&annals::clock::SystemClock);
    server.store.clock.set(Timestamp::from_millis(now.millis()));
    let url = python::serve_guarded(&server.store);
    let (from, to) = ((NOW - 10_000).to_string(), NOW.to_string());
    let args = [&url, "t", &key.id, &key.secret, "20", &from, &to];
    let Some(output) = python::run("cts_signed.py", "huaweicloudsdkcts", &args) else { return };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("ok 20 traces"), "{said}");
}
