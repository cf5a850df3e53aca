//! Clients that show a certificate: whom it stands for, and what is recorded if it is nobody.

use super::server::Guarded;
use super::trail::{named, server};
use crate::support::pki::{Identity, Secured, TestAuthority};
use crate::support::python::serve_with;
use annals::api::{ServeOptions, TlsFiles};
use rustls::version::TLS13;
use rustls::{ClientConfig, HandshakeKind};
use serde_json::{Value as Json, json};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Serves the store over TLS too, to clients with a certificate; returns
/// the address and such a client.
pub(super) fn serve_client(
    server: &Guarded,
    folder: &Path,
    name: &str,
) -> (String, Arc<ClientConfig>) {
    let (servers, clients) = (TestAuthority::new("servers"), TestAuthority::new("clients"));
    let address = serve_to(server, folder, (&servers, &clients));
    let identity = clients.client(name, "spiffe://logs/producer");
    (address, config_of(&servers, &identity))
}

/// Serves the store over TLS too; returns the address.
fn serve_to(
    server: &Guarded,
    folder: &Path,
    (servers, clients): (&TestAuthority, &TestAuthority),
) -> String {
    let (cert, key) = servers.server("own").write(folder);
    let client_ca = folder.join("clients.pem");
    std::fs::write(&client_ca, clients.pem()).expect("a file");
    let options = ServeOptions {
        credentials: true,
        tls: Some(TlsFiles { cert, key, client_ca: Some(client_ca) }),
        ..ServeOptions::at("127.0.0.1:0".parse().expect("an address"))
    };
    let url = serve_with(&server.store, options);
    url.strip_prefix("https://").expect("a server over TLS").to_owned()
}

/// What a client with a certificate speaks.
fn config_of(servers: &TestAuthority, identity: &Identity) -> Arc<ClientConfig> {
    let mut config = (*servers.trusted(&[&TLS13], Some(identity))).clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

/// The status of a question over a connection that is open.
fn status(connection: &mut Secured) -> u16 {
    let answer = connection.get("/api/v1/count?tenant=t", "").expect("an answer");
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
}

/// Asks until the answer is another, which must come before the end of a minute.
fn changed(connection: &mut Secured, from: u16) -> u16 {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let now = status(connection);
        if now != from || Instant::now() > deadline {
            return now;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_connection_outlives_neither_its_certificate_nor_the_authority_of_that() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let server = server(true);
    server.principal(&json!({ "name": "asker", "roles": ["reader"], "tenants": ["t"],
        "certificates": ["cn:asker"] }));
    let (servers, clients) = (TestAuthority::new("servers"), TestAuthority::new("clients"));
    let address = serve_to(&server, folder.path(), (&servers, &clients));
    let config = |identity: &Identity| config_of(&servers, identity);
    let long = config(&clients.client("asker", "spiffe://logs/asker"));
    let short = config(&clients.ending_soon("asker", Duration::from_secs(12)));
    let mut lasting = Secured::dial(&address, &long).expect("a handshake");
    let mut ending = Secured::dial(&address, &short).expect("a handshake");
    assert_eq!((status(&mut lasting), status(&mut ending)), (200, 200));
    assert_eq!(changed(&mut ending, 200), 401);
    // Nor is a session taken up that began with it: a certificate is shown each time.
    Secured::dial(&address, &short)
        .and_then(|mut again| again.get("/livez", ""))
        .expect_err("it has ended");
    for _ in 0..2 {
        let again = Secured::dial(&address, &long).expect("a handshake");
        assert_eq!(again.0.conn.handshake_kind(), Some(HandshakeKind::Full));
    }
    assert_eq!(status(&mut lasting), 200);
    // One more authority changes nothing for who has a certificate of the first.
    let (file, others) = (folder.path().join("clients.pem"), TestAuthority::new("others"));
    std::fs::write(&file, clients.pem() + &others.pem()).expect("a file");
    let of_others = config(&others.client("asker", "spiffe://logs/asker"));
    let deadline = Instant::now() + Duration::from_secs(60);
    let known = || {
        let dialled = Secured::dial(&address, &of_others);
        dialled.and_then(|mut other| other.get("/livez", "")).is_ok()
    };
    while !known() {
        assert!(Instant::now() < deadline, "the file is not read again");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(status(&mut lasting), 200);
    std::fs::write(&file, others.pem()).expect("a file");
    assert_eq!(changed(&mut lasting, 200), 401);
    // It is told to come again, and is not served as nobody for ever.
    lasting.get("/livez", "").expect_err("the connection is closed");
}

#[test]
fn a_certificate_that_stands_for_nobody_is_refused_and_recorded() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let server = server(true);
    server.principal(&json!({ "name": "shipper", "roles": ["ingest"], "tenants": ["t"],
        "certificates": ["cn:shipper"] }));
    let record = json!({ "event_name": "login", "source": "IAM" }).to_string();
    let mut wanted = Vec::new();
    for (name, status) in [("shipper", "200"), ("stranger", "401")] {
        let folder = folder.path().join(name);
        std::fs::create_dir(&folder).expect("a directory");
        let (address, config) = serve_client(&server, &folder, name);
        let mut connection = Secured::dial(&address, &config).expect("a handshake");
        let path = "/api/v1/events?tenant=t";
        let answer = connection.post(path, "application/x-ndjson", &record).expect("an answer");
        assert_eq!(answer.split(' ').nth(1), Some(status), "{answer}");
        let recorded = named(&server, "refuseCall");
        if status == "401" {
            wanted.push((json!("unknown"), json!("127.0.0.1"), json!(401)));
        }
        let told: Vec<_> = recorded
            .iter()
            .map(|one| {
                let part = |value: &Json| value.clone();
                (part(&one["operator"]), part(&one["source_ip"]), part(&one["details"]["status"]))
            })
            .collect();
        assert_eq!(told, wanted, "{recorded:?}");
    }
}
