//! Signing in at a real OpenID provider: `oidc-provider` of npm (`tests/node/package.json`), with
//! its own forms, over HTTP. `tests/node/oidc.mjs` starts it and is the browser.

use crate::support::python::skipped;
use crate::support::store::TestStore;
use annals::access::{Caller, Principal};
use annals::api::{KeyTimes, OidcSettings, ServeOptions, serve};
use annals::clock::{Clock, SystemClock};
use serde_json::{Value as Json, json};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// The folder with the packages, if they are installed.
fn packages() -> Option<PathBuf> {
    let folder = std::env::var_os("ANNALS_CLIENTS").map(PathBuf::from).unwrap_or_default();
    let folder = folder.join("node");
    if folder.join("node_modules/oidc-provider").is_dir() {
        return Some(folder);
    }
    skipped("ANNALS_CLIENTS has no node/node_modules/oidc-provider: .ci/run installs it");
    None
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// Serves a store to callers with credentials, who may come from a provider.
fn serve_federated(store: &TestStore, oidc: OidcSettings) -> String {
    let engine = Arc::clone(store.engine());
    let (sender, address) = std::sync::mpsc::channel();
    let listen = "127.0.0.1:0".parse().expect("an address");
    let options = ServeOptions { credentials: true, oidc: Some(oidc), ..ServeOptions::at(listen) };
    store.runtime.spawn(async move {
        serve(engine, options, |address| sender.send(address).expect("the test waits"))
            .await
            .expect("the server runs");
    });
    format!("http://{}", address.recv().expect("the server starts"))
}

#[test]
fn somebody_signs_in_at_a_real_provider_and_a_program_has_a_token_of_it() {
    let Some(packages) = packages() else { return };
    let store = TestStore::new();
    // The provider has a clock of its own.
    store.clock.set(SystemClock.now());
    for principal in [
        json!({ "name": "auditors", "roles": ["auditor"], "tenants": ["t"],
            "identities": ["oidc:group:auditors"] }),
        json!({ "name": "li", "roles": ["reader"], "tenants": ["t"],
            "identities": ["oidc:sub:li"] }),
        json!({ "name": "shipper", "roles": ["ingest"], "tenants": ["t"],
            "identities": ["oidc:sub:a-shipper"] }),
    ] {
        let principal: Principal = serde_json::from_value(principal).expect("settings");
        store.engine().create_principal(&Caller::operator(), &principal).expect("a principal");
    }
    for secret in [None, Some("a secret: of 100% + more/than=that")] {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), secret.unwrap_or_default()).expect("a file");
        let port = free_port();
        // The server starts before its provider does, and asks again.
        let times = KeyTimes { rest: Duration::from_millis(200), ..KeyTimes::default() };
        let url = serve_federated(
            &store,
            OidcSettings {
                issuer: format!("http://127.0.0.1:{port}"),
                client_id: "annals".to_owned(),
                client_secret_file: secret.map(|_| file.path().to_owned()),
                audience: Some("urn:annals".to_owned()),
                times,
                ..OidcSettings::default()
            },
        );
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node/oidc.mjs");
        let output = Command::new("node")
            .arg(script)
            .arg(&packages)
            .args([&port.to_string(), &url, secret.unwrap_or_default()])
            .output()
            .expect("node can be started");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stdout));
        let said: Json = serde_json::from_slice(&output.stdout).expect("the script prints JSON");
        // Of a group, by its own name, at the page that was asked for.
        assert_eq!(said["member"]["me"]["name"], "auditors/wang@example.com", "{said}");
        assert_eq!(said["member"]["page"], "/?tenant=t&last=7d");
        assert_eq!(said["subject"]["me"]["name"], "li", "{said}");
        assert_eq!(said["unknown"]["page"], "/#sign_in=unknown", "{said}");
        assert_eq!(said["aborted"]["page"], "/#sign_in=denied", "{said}");
        assert_eq!(said["program"]["name"], "shipper", "{said}");
    }
}
