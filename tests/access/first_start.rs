//! The first start, as a newcomer makes it with the real binary: a store, its administrator, access
//! for others, and a server that asks who calls.

use crate::support::process::{Server, annals, annals_with, annals_with_input};
use serde_json::{Value as Json, json};
use std::path::Path;

fn shown(folder: &tempfile::TempDir) -> String {
    folder.path().join("store").to_string_lossy().into_owned()
}

/// The last line of an output.
fn last(text: &str) -> String {
    text.lines().last().unwrap_or_default().to_owned()
}

const RECORD: &[u8] = br#"{"trace_id":"x","event_name":"n","source":"s","source_ip":"10.0.0.1","time":"2026-06-01T00:00:00Z"}"#;

#[test]
fn a_newcomer_makes_a_store_grants_access_and_asks_with_it() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let data = shown(&folder);
    let said = annals(&["init", "--data", &data]).ok();
    assert!(said.contains("first-admin-token"), "{said}");
    let file = folder.path().join("store/first-admin-token");
    let admin = std::fs::read_to_string(&file).expect("the token").trim().to_owned();
    assert!(!said.contains(&admin), "where others may read it, only the file is named");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).expect("a file"));
    assert_eq!(mode & 0o777, 0o600);

    annals_with_input(&["ingest", "--data", &data, "--tenant", "acme", "-"], RECORD).ok();
    let server = Server::start_guarded(Path::new(&data));
    let url = server.url.as_str();
    let with =
        |words: &[&str], token: &str| annals(&[words, &["--url", url, "--token", token]].concat());
    // Nobody without a credential, and the administrator reads no events.
    annals(&["count", "--url", url, "--tenant", "acme"]).refused(1, &["credential"]);
    with(&["count", "--tenant", "acme"], "annals_made_up").refused(1, &["checksum"]);
    with(&["count", "--tenant", "acme"], &admin).refused(1, &["roles"]);

    let create = ["principal", "create", "li@example.com", "--role", "auditor", "--tenant", "acme"];
    let mask = ["--mask", "source_ip=hash"];
    let created: Json =
        serde_json::from_str(&with(&[&create[..], &mask].concat(), &admin).ok()).expect("JSON");
    assert_eq!(created["masks"], json!({ "source_ip": "hash" }));
    with(&create, &admin).refused(1, &["principal of this name"]);
    let token = last(&with(&["token", "create", "li@example.com"], &admin).ok());
    assert_eq!(with(&["count"], &token).ok().trim(), r#"{"count":1}"#);
    let listed = with(&["query", "-o", "json"], &token).ok();
    assert!(listed.contains("hash:") && !listed.contains("10.0.0.1"), "{listed}");
    with(&["count", "--tenant", "other"], &token).refused(2, &["tenant", "other"]);
    with(&["principal", "list"], &token).refused(1, &["roles"]);
    let file = folder.path().join("record.json");
    std::fs::write(&file, RECORD).expect("a file");
    let path = file.to_string_lossy().into_owned();
    with(&["ingest", "--tenant", "acme", &path], &token).refused(1, &["roles"]);
    let create = ["principal", "create", "shipper", "--role", "ingest", "--tenant", "acme"];
    with(&create, &admin).ok();
    let shipper = last(&with(&["token", "create", "shipper", "--expires-in", "1h"], &admin).ok());
    let file = file.to_string_lossy();
    let sent = with(&["ingest", "--tenant", "acme", &file], &shipper).ok();
    assert!(sent.contains("\"duplicates\":1"), "{sent}");

    let id = shipper.split('_').nth(1).expect("an id").to_owned();
    with(&["token", "revoke", "shipper", &id], &admin).ok();
    with(&["ingest", "--tenant", "acme", &file], &shipper).refused(1, &["withdrawn"]);
    drop(server);

    // Who holds the files needs no credential, and what it did is on record.
    let trail = annals(&["query", "--data", &data, "--tenant", "_annals", "-o", "json"]).ok();
    for part in ["createPrincipal", "createToken", "removeToken", "\"operator\":\"admin\""] {
        assert!(trail.contains(part), "{part}: {trail}");
    }
    assert!(!trail.contains(&admin) && !trail.contains(&token) && !trail.contains(&shipper));
}

#[test]
fn a_token_made_elsewhere_is_taken_as_it_is_and_a_second_administrator_is_not_made() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let data = shown(&folder);
    let file = folder.path().join("token");
    let path = file.to_string_lossy().into_owned();
    std::fs::write(&file, "short\n").expect("a file");
    annals(&["init", "--data", &data, "--admin-token-file", &path]).refused(1, &["24"]);
    assert!(!folder.path().join("store").exists(), "what is wrong makes no store");
    std::fs::write(&file, "a-token-that-was-made-elsewhere\n").expect("a file");
    annals(&["init", "--data", &data, "--admin-token-file", &path]).ok();
    assert!(!folder.path().join("store/first-admin-token").exists());
    annals(&["init", "--data", &data]).refused(1, &["administrator already"]);
    let server = Server::start_guarded(Path::new(&data));
    let token = "a-token-that-was-made-elsewhere";
    let list = annals(&["principal", "list", "--url", &server.url, "--token", token]).ok();
    assert!(list.contains("security_administrator"), "{list}");
}

#[test]
fn a_store_of_before_gets_its_administrator_and_is_closed_then() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let data = shown(&folder);
    let ingest = ["ingest", "--data", &data, "--tenant", "acme", "-"];
    for is_new in [true, false] {
        let said = annals_with_input(&ingest, RECORD);
        assert_eq!(said.err.contains("annals init"), is_new, "{}", said.err);
        said.ok();
    }
    for create in [&["--create"][..], &[]] {
        annals(&[&["serve", "--data", &data, "--listen", "127.0.0.1:0"], create].concat())
            .refused(1, &["no administrator", "annals init", "--auth none"]);
    }
    let open = Server::start(Path::new(&data));
    annals(&["count", "--url", &open.url, "--tenant", "acme"]).ok();
    drop(open);
    annals(&["init", "--data", &data]).ok();
    let closed = Server::start_guarded(Path::new(&data));
    annals(&["count", "--url", &closed.url, "--tenant", "acme"]).refused(1, &["credential"]);
    drop(closed);
    let open = Server::start(Path::new(&data));
    annals(&["count", "--url", &open.url, "--tenant", "acme"]).ok();
    drop(open);
    annals(&["serve", "--data", &data, "--auth", "none", "--listen", "0.0.0.0:0"])
        .refused(1, &["credentials"]);
}

#[test]
fn a_store_that_is_made_when_it_is_served_has_an_administrator() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let data = folder.path().join("store");
    let server = Server::start_guarded(&data);
    let token = std::fs::read_to_string(data.join("first-admin-token")).expect("the token");
    let list = ["principal", "list", "--url", &server.url];
    annals(&list).refused(1, &["credential"]);
    let listed = annals(&[&list[..], &["--token", token.trim()]].concat()).ok();
    assert!(listed.contains("security_administrator"), "{listed}");
    drop(server);
    Server::start_guarded(&data).stop();

    // The file goes with its token, and not with another one.
    let place = data.to_string_lossy().into_owned();
    let made = annals(&["token", "create", "admin", "--data", &place]).ok();
    let id = |token: &str| token.trim().split('_').nth(1).expect("an id").to_owned();
    for (token, is_there) in [(&made, true), (&token, false)] {
        annals(&["token", "revoke", "admin", &id(token), "--data", &place]).ok();
        assert_eq!(data.join("first-admin-token").exists(), is_there);
    }
}

#[test]
fn the_first_token_is_in_no_log_and_no_backup_and_its_file_goes_when_it_is_rotated() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (data, copy) = (folder.path().join("store"), folder.path().join("copy"));
    let server = Server::start_guarded(&data);
    let token = std::fs::read_to_string(data.join("first-admin-token")).expect("the token");
    let token = token.trim();
    let said = server.stop();
    assert!(!said.contains(token), "{said}");
    let (place, target) = (data.to_string_lossy(), copy.to_string_lossy());
    annals(&["backup", "--data", &place, "--to", &target]).ok();
    assert!(copy.join("annals.json").exists() && !copy.join("first-admin-token").exists());
    let id = token.split('_').nth(1).expect("an id");
    let rotate = ["token", "rotate", "admin", id, "--data", &place, "--overlap", "1h"];
    let made = annals(&rotate);
    assert!(made.err.contains("is accepted until"), "{}", made.err);
    let new = last(&made.ok());
    assert!(new.starts_with("annals_") && new != token, "{new}");
    assert!(!data.join("first-admin-token").exists());
    let server = Server::start_guarded(&data);
    for token in [token, &new] {
        annals(&["principal", "list", "--url", &server.url, "--token", token]).ok();
    }
}

#[test]
fn the_first_administrators_token_may_be_in_the_environment() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let data = folder.path().join("store");
    let place = data.to_string_lossy();
    let chosen = "chosen-by-whoever-installs-it";
    annals_with("ANNALS_ADMIN_TOKEN", "too-short", &["init", "--data", &place]).refused(1, &["24"]);
    let made = annals_with("ANNALS_ADMIN_TOKEN", chosen, &["init", "--data", &place]);
    assert!(!made.err.contains(chosen), "{}", made.err);
    assert!(!made.ok().contains(chosen) && !data.join("first-admin-token").exists());
    let server = Server::start_guarded(&data);
    annals(&["principal", "list", "--url", &server.url, "--token", chosen]).ok();
}
