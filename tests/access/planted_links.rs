//! Symbolic links that somebody with access to a folder nearby has planted: nothing is written
//! through them, and no secret comes to where others read it.

use super::server::Guarded;
use crate::support::process::annals;
use crate::support::store::TestStore;
use annals::engine::Settings;
use axum::body::Body;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

/// The files below a folder, with their bytes.
fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(content(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).expect("a file"));
        }
    }
    found
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn record(id: &str) -> String {
    json!({ "trace_id": id, "event_name": "n", "source": "s", "time": "2026-06-01T00:00:00Z" })
        .to_string()
}

#[test]
fn a_link_in_place_of_what_is_written_in_place_is_refused() {
    // What the process itself writes at a start, and what redb and the log change in place.
    for name in ["LOCK", "admin.redb", "wal"] {
        let mut server = Guarded::new();
        server.principal(&json!({ "name": "li", "roles": ["reader"], "tenants": ["t"] }));
        server.store.ingest("t", &[record("a")]);
        server.close();
        let outside = tempfile::tempdir().expect("a folder");
        let (there, here) = (outside.path().join("theirs"), server.store.path().join(name));
        // With all that was there, so that nothing else is missing.
        fs::rename(&here, &there).expect("moved");
        symlink(&there, &here).expect("a link");
        if name == "LOCK" {
            fs::write(&there, "a file of somebody else").expect("a file");
        }
        let before = content(outside.path());
        let settings = || Settings { compact: false, ..Settings::default() };
        let error = server.try_reopen(settings()).expect_err("a link");
        let said = format!("{error:?}");
        assert!(said.contains("symbolic link") && said.contains(name), "{said}");
        assert_eq!(content(outside.path()), before, "{name}");
        // With the file itself in its place again the store is as it was.
        fs::remove_file(&here).expect("removed");
        fs::rename(&there, &here).expect("moved back");
        server.reopen(settings());
        assert_eq!(server.store.get("/api/v1/count?tenant=t")["count"], 1, "{name}");
    }
}

#[test]
fn nothing_is_written_into_a_folder_that_a_link_leads_to() {
    let mut server = Guarded::new();
    server.store.post("/api/v1/events?tenant=t", "no record\n".to_owned());
    server.close();
    let outside = tempfile::tempdir().expect("a folder");
    let (there, here) = (outside.path().join("theirs"), server.store.path().join("quarantine"));
    fs::rename(&here, &there).expect("moved");
    symlink(&there, &here).expect("a link");
    let before = content(outside.path());
    let settings = Settings { compact: false, ..Settings::default() };
    match server.try_reopen(settings) {
        Err(error) => assert!(format!("{error:?}").contains("symbolic link"), "{error:?}"),
        Ok(()) => {
            server.restart();
            let admin = json!({ "name": "i", "roles": ["ingest"], "tenants": ["t"] });
            let token = server.principal(&admin);
            let path = "/api/v1/events?tenant=t";
            let answer = server.call(Some(&token), "POST", path, "nor is this a record\n");
            assert!(answer.status.is_server_error(), "{}", answer.text());
            server.close();
        }
    }
    assert_eq!(content(outside.path()), before);
}

#[test]
fn nothing_is_removed_or_moved_through_a_folder_that_is_a_link() {
    for link in ["wal/beside", "events/date=2026-06-01"] {
        let mut server = Guarded::new();
        server.store.ingest("t", &[record("a")]);
        server.close();
        let outside = tempfile::tempdir().expect("a folder");
        for name in ["theirs", "part-00000.parquet"] {
            fs::write(outside.path().join(name), "a file of somebody else").expect("a file");
        }
        let here = server.store.path().join(link);
        if here.exists() {
            fs::rename(&here, here.with_extension("before")).expect("moved");
        }
        fs::create_dir_all(here.parent().expect("a folder")).expect("a folder");
        symlink(outside.path(), &here).expect("a link");
        let before = content(outside.path());
        let settings = Settings { compact: false, ..Settings::default() };
        if server.try_reopen(settings).is_ok() {
            server.close();
        }
        assert_eq!(content(outside.path()), before, "{link}");
    }
}

#[test]
fn the_first_token_is_written_to_a_file_of_its_own() {
    let mut store = TestStore::new();
    store.close();
    let outside = tempfile::tempdir().expect("a folder");
    let caught = outside.path().join("caught");
    for exists in [false, true] {
        let data = store.path();
        if exists {
            fs::write(&caught, "").expect("a file");
            fs::set_permissions(&caught, fs::Permissions::from_mode(0o666)).expect("a mode");
        }
        let file = data.join("first-admin-token");
        symlink(&caught, &file).expect("a link");
        annals(&["init", "--data", text(&data)]).ok();
        let made = file.symlink_metadata().expect("a file");
        assert!(made.is_file(), "it is no link");
        assert_eq!(made.mode() & 0o777, 0o600);
        assert!(fs::read_to_string(&file).expect("text").starts_with("annals_"));
        assert_eq!(content(outside.path()).values().map(Vec::len).sum::<usize>(), 0);
        assert_eq!(caught.exists(), exists);
        store = TestStore::new();
        store.close();
    }
}

#[test]
fn keys_are_not_written_through_links() {
    let folder = tempfile::tempdir().expect("a folder");
    let outside = tempfile::tempdir().expect("a folder");
    for name in ["cert.pem", "key.pem"] {
        let tls = folder.path().join(format!("tls-{name}"));
        fs::create_dir(&tls).expect("a folder");
        symlink(outside.path().join(name), tls.join(name)).expect("a link");
        annals(&["cert", "--out", text(&tls)]).refused(1, &[name, "there already"]);
        assert_eq!(fs::read_dir(&tls).expect("a folder").count(), 1, "nor is the other");
    }
    let seal = folder.path().join("seal.key");
    symlink(outside.path().join("seal.key"), &seal).expect("a link");
    let data = folder.path().join("data");
    let ran = annals(&["init", "--data", text(&data), "--seal-key-file", text(&seal)]);
    assert!(ran.code != 0 && ran.err.contains("seal.key"), "{ran:?}");
    assert!(seal.symlink_metadata().expect("it is there").is_symlink());
    assert!(content(outside.path()).is_empty());
}

#[test]
fn an_export_is_written_to_a_file_of_its_own_and_follows_no_link_of_others() {
    let mut store = TestStore::new();
    store.ingest("t", &[record("a")]);
    let data = store.path();
    store.close();
    let folder = tempfile::tempdir().expect("a folder");
    let (out, partial) =
        (folder.path().join("out.ndjson"), folder.path().join("out.ndjson.partial"));
    let theirs = folder.path().join("theirs");
    fs::write(&theirs, "kept").expect("a file");
    let export =
        || annals(&["export", "--data", text(&data), "--tenant", "t", "--out", text(&out)]);
    // A link in place of what is written at first, and a file that somebody has open already.
    symlink(&theirs, &partial).expect("a link");
    export().ok();
    assert!(fs::read_to_string(&out).expect("text").contains("\"n\""));
    fs::write(&partial, "").expect("a file");
    let held = fs::File::open(&partial).expect("a file");
    export().ok();
    assert_eq!(held.metadata().expect("a file").len(), 0, "another file than the one written");
    assert_eq!(fs::read(&theirs).expect("a file"), b"kept");
    // A link that another user made, as far as this one can make such.
    fs::remove_file(&out).expect("removed");
    symlink(&theirs, &out).expect("a link");
    if lchown(&out, Some(65_534), None).is_ok() {
        export().refused(2, &["--out", "symbolic link", "another user"]);
        assert_eq!(fs::read(&theirs).expect("a file"), b"kept");
        assert!(!partial.exists());
    }
}

#[test]
fn a_backup_of_a_server_stays_below_its_directory() {
    let folder = tempfile::tempdir().expect("a folder");
    let [backups, outside] = ["backups", "outside"].map(|name| folder.path().join(name));
    for path in [&backups, &outside] {
        fs::create_dir(path).expect("a folder");
    }
    let mut store = TestStore::new();
    let settings =
        Settings { compact: false, backups: Some(backups.clone()), ..Settings::default() };
    store.reopen_with(settings);
    store.ingest("t", &[record("a")]);
    let server = Guarded::over(store, false);
    let backup = |name: &str| {
        server.call(None, "POST", &format!("/api/v1/backups?name={name}"), Body::empty())
    };
    symlink(&outside, backups.join("planted")).expect("a link");
    let refused = backup("planted");
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(refused.text().contains("symbolic link"), "{}", refused.text());
    assert!(content(&outside).is_empty());
    // Nor does a folder in an earlier backup lead out of it.
    let made = backup("monday");
    assert_eq!(made.status, 200, "{}", made.text());
    let (here, there) = (backups.join("monday/events"), outside.join("theirs"));
    fs::rename(&here, &there).expect("moved");
    symlink(&there, &here).expect("a link");
    server.store.ingest("t", &[record("b")]);
    let before = content(&outside);
    let refused = backup("monday");
    assert!(refused.status.is_server_error() || refused.status == 400, "{}", refused.text());
    assert_eq!(content(&outside), before);
}
