//! Shippers with a credential: what each sends arrives in the tenant of its credential, once, and
//! with a wrong credential or none nothing does. Real clients where there are any; of others the
//! requests as they send them.

use super::server::Guarded;
use crate::support::clients::{
    free_port, log_lines, rsyslog, run, run_javascript, syslog_ng, wait_until,
};
use crate::support::pki::{Identity, TestAuthority};
use crate::support::python::{serve_guarded, serve_with, skipped};
use annals::api::{ServeOptions, TlsFiles};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A server with a producer of tenant `t`, an auditor of it and one of another tenant.
struct Delivery {
    server: Guarded,
    url: String,
    token: String,
    auditor: String,
    stranger: String,
}

impl Delivery {
    fn new() -> Self {
        let mut delivery = Self::unserved();
        delivery.url = serve_guarded(&delivery.server.store);
        delivery
    }

    fn unserved() -> Self {
        let server = Guarded::new();
        let producer = json!({ "name": "shipper", "roles": ["ingest"], "tenants": ["t"],
            "certificates": ["cn:shipper"] });
        let auditor =
            |name, tenant| json!({ "name": name, "roles": ["auditor"], "tenants": [tenant] });
        Self {
            url: String::new(),
            token: server.principal(&producer),
            auditor: server.principal(&auditor("auditor", "t")),
            stranger: server.principal(&auditor("stranger", "theirs")),
            server,
        }
    }

    /// The token with another last letter.
    fn wrong(&self) -> String {
        let last = if self.token.ends_with('a') { 'b' } else { 'a' };
        format!("{}{last}", &self.token[..self.token.len() - 1])
    }

    fn basic(&self, token: &str) -> String {
        format!("Basic {}", STANDARD.encode(format!("shipper:{token}")))
    }

    fn port(&self) -> &str {
        self.url.rsplit(':').next().expect("a port")
    }

    fn count(&self, question: &str) -> u64 {
        let answer = self.server.json(&self.auditor, &format!("/api/v1/count?{question}"));
        answer["count"].as_u64().expect("a count")
    }

    /// Waits until this many events have arrived; no more have.
    fn arrive(&self, question: &str, events: u64) {
        wait_until(question, || self.count(question), |found| *found >= events);
        assert_eq!(self.count(question), events, "{question}");
    }

    /// There is this much in all, and all of it is of the tenant of the credential.
    fn is_all(&self, events: u64) {
        let all = self.server.store.get("/api/v1/count?tenant=*")["count"].clone();
        assert_eq!((self.count(""), all), (events, json!(events)));
        let stranger = |question: &str| self.server.get(&self.stranger, question);
        for question in ["/api/v1/count", "/api/v1/count?tenant=*"] {
            assert_eq!(stranger(question).json(), json!({ "count": 0 }), "{question}");
        }
        assert_eq!(stranger("/api/v1/quarantine").json()["total"], 0);
        assert_eq!(stranger("/api/v1/events?tenant=t").status, 403);
        let own = self.server.json(&self.auditor, "/api/v1/quarantine");
        assert_eq!(own["total"], 0, "{own}");
    }

    /// Sends a request as it stands, and returns the status of its answer.
    fn exchange(&self, head: &str, body: &[u8]) -> u16 {
        let mut stream =
            TcpStream::connect(("127.0.0.1", self.port().parse().expect("a port"))).expect("open");
        stream.set_read_timeout(Some(Duration::from_secs(100))).expect("a timeout");
        let rest = format!(
            "Host: 127.0.0.1:{}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.port(),
            body.len()
        );
        stream.write_all(&[head.as_bytes(), rest.as_bytes(), body].concat()).expect("taken");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
    }
}

#[test]
fn clients_of_elasticsearch_and_opensearch_deliver_with_every_credential_they_have() {
    let delivery = Delivery::new();
    let mut all = 0;
    for (kind, forms) in [
        ("elasticsearch7", &["basic", "any-name", "api-key"][..]),
        ("elasticsearch8", &["basic", "any-name", "api-key", "bearer"]),
        ("elasticsearch9", &["basic", "any-name", "api-key", "bearer"]),
        ("opensearch", &["basic", "any-name", "bearer"]),
    ] {
        let words = [&delivery.url, "t", kind, "shipper", &delivery.token];
        if !run("credentials.py", kind, &words) {
            continue;
        }
        for form in forms {
            assert_eq!(delivery.count(&format!("event_name={kind}-{form}")), 20, "{kind} {form}");
            all += 20;
        }
    }
    delivery.is_all(all);
}

#[test]
fn opentelemetrys_exporters_and_the_sdk_of_cloudevents_deliver_with_a_credential() {
    let delivery = Delivery::new();
    let mut all = 0;
    for (kind, forms) in [
        ("otel", ["bearer", "basic", "environment"]),
        ("otel136", ["bearer", "basic", "environment"]),
        ("cloudevents", ["bearer", "basic", "header"]),
    ] {
        let words = [&delivery.url, "t", kind, "shipper", &delivery.token];
        if !run("credentials.py", kind, &words) {
            continue;
        }
        for form in forms {
            assert_eq!(delivery.count(&format!("source={kind}-{form}")), 20, "{kind} {form}");
            all += 20;
        }
    }
    let mut logins = 0;
    for (authorization, events) in [
        (format!("Bearer {}", delivery.wrong()), 0),
        (delivery.basic(&delivery.token), 1_200),
        (format!("Bearer {}", delivery.token), 1_200),
    ] {
        let Some(output) = run_javascript(&[&delivery.url, "t", &authorization]) else { break };
        assert!(events == 0 || output.status.success(), "{output:?}");
        logins += events;
        assert_eq!(delivery.count("event_name=user.login"), logins, "{authorization}");
    }
    all += logins;
    delivery.is_all(all);
}

#[test]
fn rsyslog_delivers_with_a_user_and_a_password() {
    let delivery = Delivery::new();
    let (port, folder) = (free_port(), tempfile::tempdir().expect("a temporary directory"));
    let (server, work) = (delivery.port(), folder.path().display());
    let action = |index: &str, credential: &str, retries: i32| {
        format!(
            r#"action(type="omelasticsearch" server="127.0.0.1" serverport="{server}" searchIndex="{index}" bulkmode="on" template="doc"
 {credential} errorfile="{work}/errors-{index}" action.resumeretrycount="{retries}" action.resumeinterval="1")
"#
        )
    };
    let credential = |token: &str| format!(r#"uid="shipper" pwd="{token}""#);
    let actions = [
        action("none", "", 0),
        action("wrong", &credential(&delivery.wrong()), 0),
        action("good", &credential(&delivery.token), -1),
    ];
    let Some(_rsyslog) = rsyslog(folder.path(), port, &actions.concat()) else { return };
    log_lines(port, 500);
    delivery.arrive("source=billing&level=incident&text=回收", 500);
    assert!(!folder.path().join("errors-good").exists(), "rsyslog noted errors");
    wait_until("wrong credentials that were refused", || refusals(&delivery), |found| *found > 0);
    delivery.is_all(500);
}

/// How many calls with a wrong credential are recorded.
fn refusals(delivery: &Delivery) -> u64 {
    let question = "/api/v1/count?tenant=_annals&event_name=refuseCall&operator=unknown";
    delivery.server.store.get(question)["count"].as_u64().expect("a count")
}

#[test]
fn syslog_ng_delivers_with_a_header_or_a_user_and_a_password() {
    let delivery = Delivery::new();
    let (port, folder) = (free_port(), tempfile::tempdir().expect("a temporary directory"));
    let (url, wrong) = (&delivery.url, delivery.wrong());
    let kind = r#""Content-Type: application/x-ndjson""#;
    let bearer = |token: &str| {
        format!(r#"url("{url}/es/t/_bulk") headers({kind}, "Authorization: Bearer {token}")"#)
    };
    let basic = |token: &str| {
        format!(r#"url("{url}/_bulk") headers({kind}) user("shipper") password("{token}")"#)
    };
    let destinations = [
        ("without", format!(r#"url("{url}/es/t/_bulk") headers({kind})"#)),
        ("wrong_bearer", bearer(&wrong)),
        ("wrong_basic", basic(&wrong)),
        ("bearer", bearer(&delivery.token)),
        ("basic", basic(&delivery.token)),
    ];
    let Some(_syslog_ng) = syslog_ng(folder.path(), port, &destinations) else { return };
    log_lines(port, 500);
    delivery.arrive("source=billing&text=回收", 1_000);
    wait_until("wrong credentials that were refused", || refusals(&delivery), |found| *found > 0);
    delivery.is_all(1_000);
}

#[test]
fn curl_delivers_with_every_form_of_a_credential() {
    let delivery = Delivery::new();
    if Command::new("curl").arg("-V").output().is_err() {
        return skipped("there is no curl");
    }
    let folder = tempfile::tempdir().expect("a temporary directory");
    let token = &delivery.token;
    let id = token.split('_').nth(1).expect("an id");
    let netrc = folder.path().join("netrc");
    let text = format!("machine 127.0.0.1 login shipper password {token}\n");
    std::fs::write(&netrc, text).expect("a file");
    let key =
        |id: &str| format!("Authorization: ApiKey {}", STANDARD.encode(format!("{id}:{token}")));
    let header = |value: &str| vec!["-H".to_owned(), value.to_owned()];
    let user = |value: &str| vec!["-u".to_owned(), value.to_owned()];
    let forms = [
        ("user", user(&format!("shipper:{token}")), "200"),
        ("bearer", header(&format!("Authorization: Bearer {token}")), "200"),
        ("oauth2", vec!["--oauth2-bearer".to_owned(), token.clone()], "200"),
        ("key", header(&key(id)), "200"),
        ("x-auth-token", header(&format!("X-Auth-Token: {token}")), "200"),
        ("netrc", vec!["--netrc-file".to_owned(), netrc.display().to_string()], "200"),
        ("none", Vec::new(), "401"),
        ("wrong-user", user(&format!("somebody:{token}")), "401"),
        ("wrong-token", user(&format!("shipper:{}", delivery.wrong())), "401"),
        ("wrong-key", header(&key("aaaaaaaaaaaa")), "401"),
        ("digest", [user(&format!("shipper:{token}")), vec!["--digest".into()]].concat(), "401"),
    ];
    for (form, words, expected) in &forms {
        let record = json!({ "trace_id": form, "event_name": form, "source": "curl",
            "time": "2026-06-01T00:00:00Z" });
        for _ in 0..2 {
            let output = Command::new("curl")
                .args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", "-m", "60"])
                .args(words)
                .args(["--data-binary", &record.to_string()])
                .arg(format!("{}/api/v1/events", delivery.url))
                .output()
                .expect("curl ends");
            assert_eq!(String::from_utf8_lossy(&output.stdout), *expected, "{form}: {output:?}");
        }
    }
    for (form, _, expected) in &forms {
        let found = delivery.count(&format!("event_name={form}"));
        assert_eq!(found, u64::from(*expected == "200"), "{form}");
    }
    delivery.is_all(6);
}

/// The requests as Vector and Fluent Bit send them: the head without `Host`, `Content-Length` and
/// the credential, and the body.
fn recorded() -> [(&'static str, &'static str, Vec<u8>); 4] {
    let lines = |action: &str, name: &str, time: &str| -> String {
        let line = |number: u32| {
            format!(
                "{action}{{\"{time}\":\"2026-06-01T00:00:{number:02}.000Z\",\"event\":{{\"action\":\
                \"{name}\"}},\"message\":\"number {number}\",\"host\":\"web-1\"}}\n"
            )
        };
        (0..20).map(line).collect()
    };
    let packed = |text: String| {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(text.as_bytes()).expect("memory");
        gzip.finish().expect("memory")
    };
    let vector = "{\"create\":{\"_index\":\"vector-2026.06.01\",\"_type\":\"_doc\"}}\n";
    let fluent_bit = "{\"create\":{\"_index\":\"fluent-bit\"}}\n";
    [
        (
            "vector-elasticsearch",
            "POST /es/t/_bulk?timeout=60s HTTP/1.1\r\ncontent-type: application/x-ndjson\r\n\
            content-encoding: gzip\r\naccept-encoding: zstd,gzip,deflate,br\r\n\
            user-agent: Vector/0.51.0 (x86_64-unknown-linux-gnu)\r\n",
            packed(lines(vector, "vector-elasticsearch", "timestamp")),
        ),
        (
            "vector-http",
            "POST /api/v1/events?tenant=t HTTP/1.1\r\ncontent-type: application/x-ndjson\r\n\
            accept-encoding: zstd,gzip,deflate,br\r\n\
            user-agent: Vector/0.51.0 (x86_64-unknown-linux-gnu)\r\n",
            lines("", "vector-http", "timestamp").into_bytes(),
        ),
        (
            "fluent-bit-es",
            "POST /es/t/_bulk HTTP/1.1\r\nUser-Agent: Fluent-Bit\r\n\
            Content-Type: application/x-ndjson\r\n",
            lines(fluent_bit, "fluent-bit-es", "@timestamp").into_bytes(),
        ),
        (
            "fluent-bit-http",
            "POST /api/v1/events?tenant=t HTTP/1.1\r\nContent-Type: application/x-ndjson\r\n\
            Content-Encoding: gzip\r\nUser-Agent: Fluent-Bit\r\n",
            packed(lines("", "fluent-bit-http", "date")),
        ),
    ]
}

#[test]
fn requests_of_vector_and_fluent_bit_are_taken_with_their_credentials() {
    let delivery = Delivery::new();
    let wrong = delivery.wrong();
    for (name, head, body) in recorded() {
        for (authorization, expected) in [
            (String::new(), 401),
            (format!("Authorization: Bearer {wrong}\r\n"), 401),
            (format!("Authorization: {}\r\n", delivery.basic(&wrong)), 401),
            (format!("Authorization: Bearer {}\r\n", delivery.token), 200),
            (format!("Authorization: {}\r\n", delivery.basic(&delivery.token)), 200),
        ] {
            let head = format!("{head}{authorization}");
            assert_eq!(delivery.exchange(&head, &body), expected, "{name}: {authorization}");
            // What was refused is not there, and what is sent again is not there twice.
            let there = if expected == 200 { 20 } else { 0 };
            assert_eq!(delivery.count(&format!("event_name={name}")), there, "{name}");
        }
    }
    delivery.is_all(80);
    // What Vector asks before it begins.
    for path in ["/es/t/_cluster/health", "/es/t/", "/"] {
        let status = |token: &str| delivery.server.get(token, path).status.as_u16();
        assert_eq!((status(&delivery.token), status(&wrong)), (200, 401), "{path}");
    }
}

/// A list of the audit webhook with three events of this name.
fn of_kubernetes(name: &str) -> String {
    let event = |number: u32| {
        json!({ "level": "Metadata", "auditID": format!("{name}-{number}"),
            "stage": "ResponseComplete", "requestURI": "/api/v1/namespaces/default/secrets",
            "verb": name, "user": { "username": "system:admin", "groups": ["system:masters"] },
            "sourceIPs": ["10.0.0.7"], "objectRef": { "resource": "secrets",
                "namespace": "default", "apiVersion": "v1" },
            "responseStatus": { "metadata": {}, "code": 200 },
            "requestReceivedTimestamp": "2026-06-01T00:00:00.000000Z",
            "stageTimestamp": "2026-06-01T00:00:00.001000Z", "annotations": {} })
    };
    json!({ "kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {},
        "items": (0..3).map(event).collect::<Vec<_>>() })
    .to_string()
}

#[test]
fn a_kubernetes_api_server_delivers_with_the_credential_of_its_kubeconfig() {
    let delivery = Delivery::new();
    let wrong = delivery.wrong();
    let head = |authorization: &str| {
        format!(
            "POST /k8s/audit/t?timeout=30s HTTP/1.1\r\nUser-Agent: kube-apiserver/v1.34.1 \
            (linux/amd64) kubernetes/93248f9\r\nAccept: application/json, */*\r\n\
            Accept-Encoding: gzip\r\nContent-Type: application/json\r\n{authorization}"
        )
    };
    for (name, authorization, expected) in [
        ("none", String::new(), 401),
        ("wrong", format!("Authorization: Bearer {wrong}\r\n"), 401),
        ("token", format!("Authorization: Bearer {}\r\n", delivery.token), 200),
        ("basic", format!("Authorization: {}\r\n", delivery.basic(&delivery.token)), 200),
    ] {
        let body = of_kubernetes(name);
        for _ in 0..2 {
            assert_eq!(
                delivery.exchange(&head(&authorization), body.as_bytes()),
                expected,
                "{name}"
            );
        }
    }
    assert_eq!(delivery.count("format=k8s&operator=system:admin"), 6);
    delivery.is_all(6);
}

/// The answer's status, asked by curl with a certificate of its own or without; 0 if there is no
/// answer.
fn by_certificate(
    url: &str,
    folder: &Path,
    identity: Option<&Identity>,
    words: &[&str],
    body: &str,
) -> u16 {
    let mut command = Command::new("curl");
    command.args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", "-m", "60", "--cacert"]);
    command.arg(folder.join("ca.pem"));
    if let Some(identity) = identity {
        let place = folder.join("client");
        std::fs::create_dir_all(&place).expect("a folder");
        let (cert, key) = identity.write(&place);
        command.arg("--cert").arg(cert).arg("--key").arg(key);
    }
    command
        .args(words)
        .args(["-H", "Content-Type: application/json", "--data-binary", body])
        .arg(url);
    let output = command.output().expect("curl ends");
    String::from_utf8_lossy(&output.stdout).parse().unwrap_or_default()
}

#[test]
fn a_client_certificate_is_a_credential_of_every_door() {
    if Command::new("curl").arg("-V").output().is_err() {
        return skipped("there is no curl");
    }
    let mut delivery = Delivery::unserved();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (servers, clients) = (TestAuthority::new("servers"), TestAuthority::new("clients"));
    let (cert, key) = servers.server("own").write(folder.path());
    let client_ca = folder.path().join("clients.pem");
    std::fs::write(&client_ca, clients.pem()).expect("a file");
    std::fs::write(folder.path().join("ca.pem"), servers.pem()).expect("a file");
    let listen = "127.0.0.1:0".parse().expect("an address");
    delivery.url = serve_with(
        &delivery.server.store,
        ServeOptions {
            credentials: true,
            tls: Some(TlsFiles { cert, key, client_ca: Some(client_ca) }),
            ..ServeOptions::at(listen)
        },
    );
    let known = clients.client("shipper", "spiffe://logs/shipper");
    let unknown = clients.client("somebody", "spiffe://logs/somebody");
    let stranger = TestAuthority::new("clients").client("shipper", "spiffe://logs/shipper");
    let record = |name: &str| {
        json!({ "trace_id": name, "event_name": name, "source": "s", "time":
            "2026-06-01T00:00:00Z" })
        .to_string()
    };
    for (path, body) in [
        ("/k8s/audit/t", of_kubernetes("certificate")),
        ("/api/v1/events", record("certificate-native")),
        ("/es/t/x/_doc/1", record("certificate-es")),
        ("/_bulk", "{\"create\":{\"_index\":\"i\",\"_id\":\"2\"}}\n{\"a\":1}\n".to_owned()),
        ("/v1/logs", r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1780272000000000000","body":{"stringValue":"b"}}]}]}]}"#.to_owned()),
        ("/cloudevents", json!([{ "specversion": "1.0", "id": "1", "source": "s", "type": "t",
            "time": "2026-06-01T00:00:00Z" }]).to_string()),
    ] {
        let url = format!("{}{path}", delivery.url);
        let status = |identity| by_certificate(&url, folder.path(), identity, &[], &body);
        assert_eq!((status(None), status(Some(&unknown))), (401, 401), "{path}");
        assert_eq!(status(Some(&stranger)), 0, "{path}: no handshake");
        let before = delivery.count("");
        for _ in 0..2 {
            let taken = status(Some(&known));
            assert!(taken == 200 || taken == 201, "{path}: {taken}");
        }
        assert!(delivery.count("") > before, "{path}");
    }
    delivery.is_all(8);
    // A header counts first: a wrong token is not made good by a certificate.
    let url = format!("{}/api/v1/events", delivery.url);
    let wrong = format!("Authorization: Bearer {}", delivery.wrong());
    let asked = |headers: &[&str]| {
        by_certificate(&url, folder.path(), Some(&known), headers, &record("certificate-native"))
    };
    assert_eq!((asked(&["-H", &wrong]), asked(&[])), (401, 200));
}
