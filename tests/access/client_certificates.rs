//! Clients that show a certificate: whom it stands for, and what is recorded if it is nobody.

use super::server::Guarded;
use super::trail::{named, server};
use crate::support::pki::{Secured, TestAuthority};
use crate::support::python::serve_with;
use annals::api::{ServeOptions, TlsFiles};
use rustls::ClientConfig;
use rustls::version::TLS13;
use serde_json::{Value as Json, json};
use std::path::Path;
use std::sync::Arc;

/// Serves the store over TLS too, to clients with a certificate; returns
/// the address and such a client.
pub(super) fn serve_client(
    server: &Guarded,
    folder: &Path,
    name: &str,
) -> (String, Arc<ClientConfig>) {
    let (servers, clients) = (TestAuthority::new("servers"), TestAuthority::new("clients"));
    let (cert, key) = servers.server("own").write(folder);
    let client_ca = folder.join("clients.pem");
    std::fs::write(&client_ca, clients.pem()).expect("a file");
    let options = ServeOptions {
        credentials: true,
        tls: Some(TlsFiles { cert, key, client_ca: Some(client_ca) }),
        ..ServeOptions::at("127.0.0.1:0".parse().expect("an address"))
    };
    let url = serve_with(&server.store, options);
    let identity = clients.client(name, "spiffe://logs/producer");
    let mut config = (*servers.trusted(&[&TLS13], Some(&identity))).clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let address = url.strip_prefix("https://").expect("a server over TLS").to_owned();
    (address, Arc::new(config))
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
