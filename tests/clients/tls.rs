//! Annals on a network: HTTPS, certificates of clients, proxies, and which addresses are served.

use crate::support::pki::{Identity, Secured, TestAuthority};
use crate::support::process::{Server, annals, annals_with, binary};
use crate::support::python::skipped;
use crate::support::store::TestStore;
use annals::access::{ApiToken, Caller, Principal, Role, TokenRecord};
use annals::api::{ServeOptions, TlsFiles, serve};
use rustls::ClientConfig;
use rustls::version::{TLS12, TLS13};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The deadline of a handshake.
const HEAD: Duration = Duration::from_secs(10);
/// More than any wait of the server; a wait that has no end fails here.
const PATIENCE: Duration = Duration::from_secs(100);

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}

/// A server with a certificate of an authority, and what a client of it speaks.
struct Fixture {
    authority: TestAuthority,
    folder: tempfile::TempDir,
    server: Server,
}

impl Fixture {
    fn new(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let authority = TestAuthority::new("authority");
        let (cert, key) = authority.server("first").write(folder.path());
        let flags = [&["--tls-cert", text(&cert), "--tls-key", text(&key)], flags].concat();
        let server = Server::start_with(&folder.path().join("data"), &flags);
        Self { authority, folder, server }
    }

    fn address(&self) -> &str {
        self.server.url.strip_prefix("https://").expect("a server over TLS")
    }

    fn config(&self) -> Arc<ClientConfig> {
        self.authority.trusted(&[&TLS13, &TLS12], None)
    }

    fn dial(&self) -> Secured {
        Secured::dial(self.address(), &self.config()).expect("a handshake")
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).expect("connections are taken");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    }

    fn sent(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = self.connect();
        stream.write_all(bytes).expect("it is taken");
        stream
    }
}

/// Everything until the server closes.
fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the connection is kept: {error}"),
    }
    bytes
}

/// The greeting of a client that speaks nothing above this version of TLS: 2 is 1.1, 3 is 1.2.
fn greeting(version: u8) -> Vec<u8> {
    let mut hello = vec![3, version];
    hello.extend([7; 32]);
    // No session; ECDHE-ECDSA-AES128-GCM and one suite of old; no compression.
    hello.extend([0, 0, 4, 0xc0, 0x2b, 0xc0, 0x09, 1, 0]);
    // Groups (X25519, P-256), forms of points, signatures (ECDSA with P-256).
    let extensions = [
        &[0, 10, 0, 6, 0, 4, 0, 0x1d, 0, 0x17][..],
        &[0, 11, 0, 2, 1, 0],
        &[0, 13, 0, 4, 0, 2, 4, 3],
    ]
    .concat();
    hello.extend([0, u8::try_from(extensions.len()).expect("short")]);
    hello.extend(extensions);
    let body = [&[1, 0, 0, u8::try_from(hello.len()).expect("short")][..], &hello].concat();
    [&[0x16, 3, 1, 0, u8::try_from(body.len()).expect("short")][..], &body].concat()
}

#[test]
fn https_is_http_1_1_over_tls_1_2_and_1_3_alone() {
    let fixture = Fixture::new(&[]);
    for version in [&TLS13, &TLS12] {
        let config = fixture.authority.trusted(&[version], None);
        let mut stream = Secured::dial(fixture.address(), &config).expect("a handshake");
        assert_eq!(stream.0.conn.protocol_version(), Some(version.version));
        assert_eq!(stream.0.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        // One connection answers several requests.
        for _ in 0..2 {
            let answer = stream.get("/readyz", "").expect("an answer");
            assert!(answer.starts_with("http/1.1 200"), "{answer}");
            assert!(answer.contains("strict-transport-security: max-age=31536000"), "{answer}");
        }
        let answer = stream.get("/readyz", "Connection: close\r\n").expect("an answer");
        assert!(answer.starts_with("http/1.1 200"), "{answer}");
        let mut more = Vec::new();
        stream.0.read_to_end(&mut more).expect("the end is told, not cut");
    }
    // TLS 1.1: the alert protocol_version. The same greeting with TLS 1.2 is answered.
    let alert = rest(fixture.sent(&greeting(2)));
    assert!(alert.starts_with(&[0x15, 3]) && alert.ends_with(&[2, 70]), "{alert:?}");
    let mut answer = [0; 6];
    fixture.sent(&greeting(3)).read_exact(&mut answer).expect("an answer");
    assert_eq!((answer[0], answer[5]), (0x16, 2), "a ServerHello");
    // An authority that the client does not know, as a control of the others.
    let stranger = TestAuthority::new("stranger").trusted(&[&TLS13], None);
    assert!(Secured::dial(fixture.address(), &stranger).is_err());
    fixture.server.stop();
}

#[test]
fn plain_http_at_the_port_of_tls_is_told_so() {
    let fixture = Fixture::new(&[]);
    let answer = rest(fixture.sent(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    let answer = String::from_utf8(answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    assert!(head.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(head.contains(&format!("content-length: {}", body.len())), "{answer}");
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    assert!(body["detail"].as_str().is_some_and(|detail| detail.contains("https://")), "{body}");
    // What is neither TLS nor HTTP ends with an alert.
    let alert = rest(fixture.sent(&[0, 1, 2, 3, 4, 5, 6, 7]));
    assert!(alert.is_empty() || alert.starts_with(&[0x15, 3]), "{alert:?}");
    fixture.server.stop();
}

#[test]
fn half_handshakes_end_and_hold_up_nobody() {
    let fixture = Fixture::new(&[]);
    let greeting = greeting(3);
    let began = Instant::now();
    let silent: Vec<TcpStream> = (0..100).map(|_| fixture.connect()).collect();
    let half: Vec<TcpStream> = (0..100).map(|_| fixture.sent(&greeting[..20])).collect();
    for _ in 0..20 {
        let answer = fixture.dial().get("/readyz", "").expect("an answer");
        assert!(answer.starts_with("http/1.1 200"), "{answer}");
    }
    let served = began.elapsed();
    assert!(served < HEAD, "all 200 were still open while others were served: {served:?}");
    for stream in silent.into_iter().chain(half) {
        rest(stream);
    }
    let ended = began.elapsed();
    assert!(ended >= HEAD - Duration::from_secs(1), "they ended for another reason: {ended:?}");
    assert!(ended < 3 * HEAD, "{ended:?}");
    fixture.server.stop();
}

#[test]
fn half_handshakes_are_connections_and_do_not_hold_up_the_end() {
    let fixture = Fixture::new(&["--connections", "3", "--drain", "30"]);
    let open: Vec<TcpStream> = (0..3).map(|_| fixture.sent(&[0x16, 3, 1, 2])).collect();
    // The server has taken them when it refuses the next one, with an alert.
    let alert = rest(fixture.connect());
    assert_eq!(alert, [0x15, 3, 3, 0, 2, 2, 80]);
    let began = Instant::now();
    fixture.server.stop();
    assert!(began.elapsed() < HEAD, "{:?}", began.elapsed());
    drop(open);
}

#[test]
fn after_the_handshake_every_wait_ends_as_it_does_without() {
    let fixture = Fixture::new(&["--connections", "2", "--drain", "3"]);
    let ca = fixture.folder.path().join("authority.pem");
    std::fs::write(&ca, fixture.authority.pem()).expect("a file");
    let records = fixture.folder.path().join("records.ndjson");
    let padding = "x".repeat(4_000);
    let lines = (0..5_000).map(|number| {
        format!("{{\"trace_id\":\"e{number}\",\"trace_name\":\"n\",\"time\":1772323200000,\"request\":\"{padding}\"}}\n")
    });
    std::fs::write(&records, lines.collect::<String>()).expect("a file");
    let place = ["--url", &fixture.server.url, "--ca", text(&ca), "--tenant", "t"];
    annals(&[&["ingest"], &place[..], &[text(&records)]].concat()).ok();

    // Half a head.
    let mut half = fixture.dial();
    half.0.write_all(b"GET /livez HTTP/1.1\r\nHost: local").expect("it is taken");
    let began = Instant::now();
    let mut rest = Vec::new();
    let _ = half.0.read_to_end(&mut rest);
    let ended = began.elapsed();
    assert!((HEAD / 2..3 * HEAD).contains(&ended) && rest.is_empty(), "{ended:?} {rest:?}");
    drop(half);

    // Exports that nobody reads take all connections, and lose them.
    let export = b"GET /api/v1/events.ndjson?tenant=t HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let stalled = || {
        let mut stream = Secured::dial(fixture.address(), &fixture.config()).ok()?;
        stream.0.write_all(export).expect("it is taken");
        stream.0.read_exact(&mut [0; 12]).expect("an answer");
        Some(stream)
    };
    let begin = || {
        let began = Instant::now();
        loop {
            // What has just ended may still be counted.
            if let Some(stream) = stalled() {
                return stream;
            }
            assert!(began.elapsed() < PATIENCE, "connections that ended are still counted");
        }
    };
    let open = [begin(), begin()];
    let began = Instant::now();
    Secured::dial(fixture.address(), &fixture.config()).err().expect("there are two already");
    while Secured::dial(fixture.address(), &fixture.config()).is_err() {
        assert!(began.elapsed() < PATIENCE, "they are kept for ever");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(began.elapsed() > HEAD, "they ended for another reason: {:?}", began.elapsed());
    drop(open);
    let again = begin();
    let began = Instant::now();
    fixture.server.stop();
    assert!(began.elapsed() < 3 * HEAD, "{:?}", began.elapsed());
    drop(again);
}

#[test]
fn a_new_certificate_is_for_new_connections() {
    let fixture = Fixture::new(&[]);
    let mut before = fixture.dial();
    let first = before.certificate();
    let second = fixture.authority.server("second");
    // The key does not belong to the certificate until both are written.
    let (cert, key) =
        (fixture.folder.path().join("cert.pem"), fixture.folder.path().join("key.pem"));
    std::fs::write(cert, &second.cert).expect("a file");
    assert_eq!(fixture.dial().certificate(), first);
    std::fs::write(key, &second.key).expect("a file");
    let began = Instant::now();
    while fixture.dial().certificate() == first {
        assert!(began.elapsed() < PATIENCE, "the files are not read again");
        std::thread::sleep(Duration::from_millis(50));
    }
    // What was open goes on, with the certificate that it has.
    let answer = before.get("/readyz", "").expect("an answer");
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
    assert_eq!(before.certificate(), first);
    fixture.server.stop();
}

/// Starts a server that must not start; returns what it said.
fn refused(flags: &[&str], words: &[&str]) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let said = Server::start_under(&[], folder.path(), flags).err().expect("it must not start");
    for word in words {
        assert!(said.contains(word), "{said:?} does not say {word:?}");
    }
}

#[test]
fn files_that_cannot_be_used_are_named_with_what_is_wrong() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let authority = TestAuthority::new("authority");
    let own = authority.server("own");
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("a file");
        text(&path).to_owned()
    };
    let cert = file("own.pem", &own.cert);
    let key = file("own.key", &own.key);
    let other = file("other.key", &authority.server("other").key);
    let noise = file("noise.pem", "0\u{82}\u{3}");
    let cut = file("cut.pem", &own.cert[..own.cert.len() / 2]);
    let sealed = file(
        "sealed.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let legacy = file(
        "legacy.key",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n\
        MIIB\n-----END RSA PRIVATE KEY-----\n",
    );
    let chain = file("chain.pem", &(authority.pem() + &own.cert));
    let wrong = file("wrong.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    for (cert, key, words) in [
        (&noise, &key, &[noise.as_str(), "not PEM", "BEGIN CERTIFICATE"][..]),
        (&cert, &noise, &[&noise, "not PEM", "BEGIN PRIVATE KEY"]),
        (&key, &key, &[&key, "no certificate, but a private key"]),
        (&cert, &cert, &[&cert, "no private key, but a certificate"]),
        (&cut, &key, &[&cut, "damaged"]),
        (&wrong, &key, &[&wrong, "cannot be read"]),
        (&cert, &other, &[&cert, &other, "does not belong to the certificate"]),
        (&chain, &key, &[&chain, "must stand first"]),
        (&cert, &sealed, &[&sealed, "encrypted"]),
        (&cert, &legacy, &[&legacy, "encrypted"]),
        (&"/nowhere.pem".to_owned(), &key, &["/nowhere.pem", "No such file"]),
    ] {
        refused(&["--tls-cert", cert, "--tls-key", key], words);
    }
    let own = ["--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca"];
    refused(&[&own[..], &[&noise]].concat(), &[&noise, "not PEM"]);
    refused(&[&own[..], &[&key]].concat(), &[&key, "no certificate"]);
    refused(&["--tls-cert", &cert], &["--tls-cert", "--tls-key"]);
    refused(&["--tls-key", &key], &["--tls-key", "--tls-cert"]);
    refused(&["--tls-client-ca", &cert], &["--tls-client-ca", "--tls-cert"]);
    refused(&["--behind-proxy", "proxy.example"], &["--behind-proxy", "proxy.example"]);
}

#[test]
fn an_expired_certificate_is_a_warning() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (cert, key) = TestAuthority::new("authority").expired().write(folder.path());
    let data = folder.path().join("data");
    let words = ["serve", "--create", "--listen", "127.0.0.1:0", "--data", text(&data)];
    let mut server = Command::new(binary())
        .args(words)
        .args(["--tls-cert", text(&cert), "--tls-key", text(&key)])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut said = String::new();
    let mut stderr = std::io::BufReader::new(server.stderr.take().expect("a pipe"));
    while !said.contains("has expired") || !said.contains("serving ") {
        let read = std::io::BufRead::read_line(&mut stderr, &mut said).expect("text");
        assert!(read > 0, "it ended: {said}");
    }
    assert!(said.contains("WARN") && said.contains(text(&cert)), "{said}");
    server.kill().expect("a child");
    server.wait().expect("a child");
}

#[test]
fn a_client_may_have_a_certificate_but_none_of_strangers() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let clients = TestAuthority::new("clients");
    let ca = folder.path().join("clients.pem");
    std::fs::write(&ca, clients.pem()).expect("a file");
    let fixture = Fixture::new(&["--tls-client-ca", text(&ca)]);
    let asked = |identity: Option<&Identity>, version| {
        let config = fixture.authority.trusted(&[version], identity);
        // With TLS 1.3 a client hears only after its handshake what became of its certificate.
        Secured::dial(fixture.address(), &config).and_then(|mut stream| stream.get("/readyz", ""))
    };
    for version in [&TLS13, &TLS12] {
        let known = clients.client("shipper", "spiffe://logs/shipper");
        assert!(asked(Some(&known), version).expect("an answer").starts_with("http/1.1 200"));
        assert!(asked(None, version).expect("an answer").starts_with("http/1.1 200"));
        let stranger = TestAuthority::new("clients").client("shipper", "spiffe://logs/shipper");
        asked(Some(&stranger), version).expect_err("nobody known has signed it");
        let server = fixture.authority.client("shipper", "spiffe://logs/shipper");
        asked(Some(&server), version).expect_err("the server's authority is not that of clients");
    }
    fixture.server.stop();
}

/// Runs curl; `None` if there is none.
fn curl(words: &[&str]) -> Option<(i32, String)> {
    let Ok(output) = Command::new("curl").args(["-sS", "-i", "-m", "60"]).args(words).output()
    else {
        skipped("there is no curl");
        return None;
    };
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned()))
}

#[test]
fn a_certificate_for_trials_is_trusted_where_one_says_so() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let out = folder.path().join("tls");
    let said = annals(&["cert", "--out", text(&out)]).ok();
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| out.join(name));
    for word in [text(&cert), text(&key), "--cacert", "--tls-cert", "30 days", "localhost"] {
        assert!(said.contains(word), "{said}");
    }
    let mode = std::fs::metadata(&key).expect("a key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = std::fs::read(&key).expect("a key");
    annals(&["cert", "--out", text(&out)]).refused(1, &["cert.pem", "not overwritten"]);
    std::fs::remove_file(&cert).expect("a file");
    annals(&["cert", "--out", text(&out)]).refused(1, &["key.pem", "not overwritten"]);
    assert!(!cert.exists() && std::fs::read(&key).expect("a key") == before);
    std::fs::remove_file(&key).expect("a file");
    annals(&["cert", "--out", text(&out), "--name", "中"]).refused(2, &["--name"]);
    annals(&["cert", "--out", text(&out)]).ok();
    let own = ["own.pem", "own.key"].map(|name| out.join(name));
    std::fs::copy(&cert, &own[0]).expect("a file");
    std::fs::copy(&key, &own[1]).expect("a file");

    let data = folder.path().join("data");
    let server = Server::start_with(&data, &["--tls-cert", text(&cert), "--tls-key", text(&key)]);
    let url = server.url.as_str();
    let local = url.replace("127.0.0.1", "localhost");
    for url in [url, &local] {
        let readyz = format!("{url}/readyz");
        if let Some((code, said)) = curl(&["--cacert", text(&cert), &readyz]) {
            assert_eq!(code, 0, "{said}");
            assert!(said.contains(" 200") && said.contains("max-age=31536000"), "{said}");
            assert_eq!(curl(&[&readyz]).expect("curl").0, 60, "nobody else has signed it");
        }
        let count = ["count", "--url", url, "--tenant", "t", "-o", "json"];
        let counted = annals(&[&count[..], &["--ca", text(&cert)]].concat()).ok();
        assert!(counted.contains("\"count\":0"), "{counted}");
        annals_with("ANNALS_CA", text(&cert), &count).ok();
        annals(&count).refused(1, &["no answer", "--ca"]);
        let said = annals(&count).err;
        assert!(!said.contains("ERROR"), "one error is told once: {said}");
        annals(&[&count[..], &["--ca", text(&key)]].concat())
            .refused(2, &["--ca", "no certificate"]);
        annals(&[&count[..], &["--ca", "/nowhere"]].concat()).refused(2, &["--ca", "/nowhere"]);
    }
    // Another name is another fault, and no authority mends it.
    let other = folder.path().join("other");
    annals(&["cert", "--out", text(&other), "--name", "logs.example"]).ok();
    for name in ["cert.pem", "key.pem"] {
        std::fs::copy(other.join(name), out.join(name)).expect("a file");
    }
    let count = ["count", "--url", url, "--tenant", "t", "--ca", text(&cert)];
    let began = Instant::now();
    let said = loop {
        let ran = annals(&count);
        if ran.code != 0 && ran.err.contains("not valid for name") {
            break ran.err;
        }
        assert!(began.elapsed() < PATIENCE, "the new certificate is not taken: {ran:?}");
    };
    assert!(!said.contains("--ca"), "{said}");
    server.stop();
    let server =
        Server::start_with(&data, &["--tls-cert", text(&own[0]), "--tls-key", text(&own[1])]);
    let url = server.url.as_str();
    let cert = &own[0];
    let records = folder.path().join("records.ndjson");
    let record = r#"{"trace_id":"a","trace_name":"n","time":1772323200000}"#;
    std::fs::write(&records, record).expect("a file");
    let place = ["--url", url, "--ca", text(cert), "--tenant", "t"];
    annals(&[&["ingest"], &place[..], &[text(&records)]].concat()).ok();
    assert!(annals(&[&["count"], &place[..], &["-o", "json"]].concat()).ok().contains(":1"));
    server.stop();
}

#[test]
fn plain_http_needs_no_authority() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(folder.path());
    // A system that trusts nobody, such as a bare container.
    let count = |url: &str| {
        annals_with("SSL_CERT_FILE", "/dev/null", &["count", "--url", url, "--tenant", "t"])
    };
    count(&server.url).ok();
    count(&server.url.replace("http", "https")).refused(1, &[]);
    server.stop();
}

#[test]
fn settings_of_the_network_are_read_from_the_file_and_the_environment() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let authority = TestAuthority::new("authority");
    let (cert, key) = authority.server("own").write(folder.path());
    let file = folder.path().join("annals.toml");
    let settings = format!(
        "tls_cert = {:?}\ntls_key = {:?}\nbehind_proxy = \"10.0.0.1,192.0.2.0/24\"\n",
        text(&cert),
        text(&key)
    );
    std::fs::write(&file, &settings).expect("a file");
    annals(&["config", "check", text(&file)]).ok();
    // Nothing is behind a proxy without credentials.
    let data = folder.path().join("data");
    annals(&["init", "--data", text(&data)]).ok();
    let server = Server::start_guarded_with(&data, &["--config", text(&file)]);
    let address = server.url.strip_prefix("https://").expect("a server over TLS");
    Secured::dial(address, &authority.trusted(&[&TLS13], None)).expect("a handshake");
    server.stop();
    std::fs::write(&file, "tls_cert = \"x\"").expect("a file");
    annals(&["config", "check", text(&file)]).refused(2, &["--tls-cert", "--tls-key"]);
    std::fs::write(&file, "behind_proxy = \"10.0.0.1,x\"").expect("a file");
    annals(&["config", "check", text(&file)]).refused(2, &["behind_proxy", "'x'"]);
    let example = annals(&["config", "example"]).ok();
    for key in ["tls_cert", "tls_key", "tls_client_ca", "behind_proxy"] {
        assert!(example.contains(&format!("# {key} = ")), "{example}");
    }
    let data = folder.path().join("other");
    let words = ["serve", "--create", "--data", text(&data), "--listen", "127.0.0.1:0"];
    annals_with("ANNALS_TLS_CERT", text(&cert), &words).refused(2, &["--tls-cert", "--tls-key"]);
}

#[test]
fn an_address_that_others_reach_needs_credentials_and_an_encrypted_way() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (cert, key) = TestAuthority::new("authority").server("own").write(folder.path());
    let data = folder.path().join("data");
    let everywhere =
        ["serve", "--create", "--auth", "none", "--data", text(&data), "--listen", "0.0.0.0:0"];
    annals(&everywhere).refused(1, &["0.0.0.0:0", "credentials", "--tls-cert", "--behind-proxy"]);
    let tls = ["--tls-cert", text(&cert), "--tls-key", text(&key)];
    let with_tls = annals(&[&everywhere[..], &tls].concat());
    with_tls.refused(1, &["no credentials", "127.0.0.1"]);
    assert!(!with_tls.err.contains("--tls-cert"), "{with_tls:?}");
    annals(&[&everywhere[..], &["--behind-proxy", "10.0.0.1"]].concat())
        .refused(1, &["no credentials"]);

    let store = TestStore::new();
    let open = |change: &dyn Fn(&mut ServeOptions)| {
        let mut options = ServeOptions::at("0.0.0.0:0".parse().expect("an address"));
        options.credentials = true;
        change(&mut options);
        started(&store, options)
    };
    let said = open(&|_| {}).expect_err("nothing is encrypted");
    assert!(said.contains("--tls-cert") && said.contains("--behind-proxy"), "{said}");
    assert!(!said.contains("no credentials"), "{said}");
    open(&|options| options.proxies = vec!["10.0.0.1/32".parse().expect("a block")])
        .expect("a proxy speaks TLS for it");
    open(&|options| {
        options.tls = Some(TlsFiles { cert: cert.clone(), key: key.clone(), client_ca: None });
    })
    .expect("it speaks TLS");
}

/// Serves a store; the address, or what was wrong.
fn started(store: &TestStore, options: ServeOptions) -> Result<SocketAddr, String> {
    let (engine, (sender, told)) = (Arc::clone(store.engine()), std::sync::mpsc::channel());
    store.runtime.spawn(async move {
        let ready = sender.clone();
        let served = serve(engine, options, move |at| ready.send(Ok(at)).expect("the test waits"));
        if let Err(error) = served.await {
            // The test may have heard all it wanted.
            let _ = sender.send(Err(error.to_string()));
        }
    });
    told.recv().expect("the server starts or fails")
}

/// The status of a request with these headers.
fn status(address: SocketAddr, headers: &str) -> u16 {
    let mut stream = TcpStream::connect(address).expect("connections are taken");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let head = format!("GET /api/v1/fields HTTP/1.1\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).expect("it is taken");
    let answer = String::from_utf8(rest(stream)).expect("text");
    assert!(!answer.to_lowercase().contains("strict-transport-security"), "{answer}");
    answer[9..12].parse().expect("a status")
}

/// Adds a principal that may ask how the store is, and returns its token.
fn system_administrator(store: &TestStore) -> ApiToken {
    let (engine, operator) = (store.engine(), Caller::operator());
    let principal = Principal {
        name: "sys".to_owned(),
        roles: [Role::SystemAdministrator].into(),
        ..Principal::default()
    };
    engine.create_principal(&operator, &principal).expect("a principal");
    let token = ApiToken::new().expect("a token");
    let record = TokenRecord {
        principal: principal.name,
        created: String::new(),
        created_by: String::new(),
        expires: None,
        note: String::new(),
    };
    engine.add_token(&operator, &token, &record).expect("a token");
    token
}

#[test]
fn with_credentials_every_host_is_served_and_no_foreign_page() {
    let store = TestStore::new();
    let listen = "127.0.0.1:0".parse().expect("an address");
    let token = system_administrator(&store);
    let mut options = ServeOptions::at(listen);
    options.credentials = true;
    let direct = started(&store, options.clone()).expect("a server");
    options.proxies = vec!["127.0.0.0/8".parse().expect("a block")];
    let behind = started(&store, options).expect("a server");
    let operator = started(&store, ServeOptions::at(listen)).expect("a server");
    let own = "Host: logs.example\r\nOrigin: https://logs.example\r\n";
    let foreign = "Host: logs.example\r\nOrigin: https://evil.example\r\n";
    // The proxy forwards to its own name for this server.
    let said = "Host: upstream:7400\r\nX-Forwarded-Host: logs.example:8443\r\n\
               X-Forwarded-Proto: https\r\n";
    let page = format!("{said}Origin: https://logs.example:8443\r\n");
    let unsafe_page = format!("{said}Origin: http://logs.example:8443\r\n");
    for (headers, [alone, proxied, without]) in [
        ("Host: logs.example\r\n", [200, 200, 403]),
        ("Host: localhost\r\n", [200, 200, 200]),
        ("Host: a b\r\n", [403, 403, 403]),
        ("Host: a\r\nHost: a\r\n", [403, 403, 403]),
        (own, [200, 200, 403]),
        (foreign, [403, 403, 403]),
        ("Host: logs.example\r\nSec-Fetch-Site: cross-site\r\n", [403, 403, 403]),
        ("Host: logs.example\r\nSec-Fetch-Site: same-origin\r\n", [200, 200, 403]),
        // Only a trusted proxy is believed.
        (page.as_str(), [403, 200, 403]),
        (&unsafe_page, [403, 403, 403]),
    ] {
        let headers = format!("{headers}Authorization: Bearer {}\r\n", token.reveal());
        assert_eq!(
            [direct, behind, operator].map(|address| status(address, &headers)),
            [alone, proxied, without],
            "{headers}"
        );
    }
}
