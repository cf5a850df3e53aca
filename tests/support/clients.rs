//! Real clients of the doors: where they are, how they are started, and what they deliver.
//!
//! `.ci/run` installs them below `ANNALS_CLIENTS` (`tests/python/clients.txt`,
//! `tests/node/package.json`, Debian's rsyslog and syslog-ng). Where one is missing, its test says
//! SKIPPED; with `ANNALS_TESTS_MUST_RUN` set, it fails.

use crate::support::python::skipped;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// More than anything takes that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// The folder of a client; says SKIPPED if it is not there.
pub(crate) fn client(name: &str) -> Option<PathBuf> {
    let clients = std::env::var_os("ANNALS_CLIENTS").map(PathBuf::from);
    let clients = clients
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/annals/clients")));
    let folder = clients.map(|clients| clients.join(name)).filter(|folder| folder.is_dir());
    if folder.is_none() {
        skipped(&format!("there is no {name} below ANNALS_CLIENTS"));
    }
    folder
}

/// Runs a script of `tests/python` with a client's packages; whether they are there.
pub(crate) fn run(script: &str, client_name: &str, words: &[&str]) -> bool {
    let Some(folder) = client(client_name) else { return false };
    let python = std::env::var("ANNALS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(script);
    let output = Command::new(python)
        .arg(path)
        .args(words)
        .env("PYTHONPATH", folder)
        .output()
        .expect("python can be started");
    let said = format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{script} with {client_name}: {said}");
    true
}

/// Runs OpenTelemetry's exporters for JavaScript; `None` if they are not there. The words are the
/// URL, the tenant and, if there is one, the header `Authorization`.
pub(crate) fn run_javascript(words: &[&str]) -> Option<Output> {
    let folder = client("node")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node/otlp.mjs");
    let output = Command::new("node").arg(script).arg(folder).args(words).output();
    Some(output.expect("node can be started"))
}

/// A program that is killed at the end.
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(command: &mut Command) -> Running {
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    Running(child.expect("the syslog server can be started"))
}

/// A free port of this machine.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}

/// Starts rsyslog with `omelasticsearch` and this action below its rulesets; it listens at a port
/// of this machine. `None` if it is not there.
pub(crate) fn rsyslog(folder: &Path, port: u16, actions: &str) -> Option<Running> {
    if !Path::new("/usr/lib/x86_64-linux-gnu/rsyslog/omelasticsearch.so").exists() {
        skipped("there is no rsyslog with omelasticsearch");
        return None;
    }
    let work = folder.display();
    let config = format!(
        r#"global(workDirectory="{work}")
module(load="imtcp")
module(load="omelasticsearch")
template(name="doc" type="list" option.json="on") {{
  constant(value="{{\"@timestamp\":\"") property(name="timegenerated" dateFormat="rfc3339")
  constant(value="\",\"host\":\"") property(name="hostname") constant(value="\",\"programname\":\"") property(name="programname")
  constant(value="\",\"syslogseverity-text\":\"") property(name="syslogseverity-text")
  constant(value="\",\"message\":\"") property(name="msg") constant(value="\"}}")
}}
ruleset(name="es") {{
{actions}
}}
input(type="imtcp" port="{port}" address="127.0.0.1" ruleset="es")
"#
    );
    let path = folder.join("rsyslog.conf");
    std::fs::write(&path, config).expect("a file");
    let mut command = Command::new("rsyslogd");
    command.arg("-n").arg("-f").arg(&path).arg("-i").arg(folder.join("pid"));
    Some(start(&mut command))
}

/// Starts syslog-ng with these destinations, each a name and the options of `http()` that are its
/// own; it listens at a port of this machine. `None` if it is not there.
pub(crate) fn syslog_ng(
    folder: &Path,
    port: u16,
    destinations: &[(&str, String)],
) -> Option<Running> {
    let root = client("syslog-ng")?;
    let mut config = format!(
        r#"@version: 3.38
options {{ keep-hostname(yes); }};
source s {{ network(transport("tcp") ip("127.0.0.1") port({port})); }};
"#
    );
    for (name, options) in destinations {
        config += &format!(
            r#"destination {name} {{ http({options} persist-name("{name}") method("PUT") body-suffix("\n") delimiter("\n") batch-lines(20) batch-timeout(200)
  body("{{\"index\":{{\"_index\":\"{name}\"}}}}\n$(format-json --scope rfc5424 --exclude DATE --key ISODATE @timestamp=${{ISODATE}})")); }};
log {{ source(s); destination({name}); }};
"#
        );
    }
    let path = folder.join("syslog-ng.conf");
    std::fs::write(&path, config).expect("a file");
    let library = root.join("usr/lib/syslog-ng");
    let mut command = Command::new(root.join("usr/sbin/syslog-ng"));
    command
        .args(["-F", "--no-caps"])
        .arg("-f")
        .arg(&path)
        .arg("--module-path")
        .arg(library.join("3.38"))
        .env("LD_LIBRARY_PATH", &library);
    for (flag, name) in [("-R", "persist"), ("-p", "pid"), ("-c", "control")] {
        command.arg(flag).arg(folder.join(name));
    }
    Some(start(&mut command))
}

/// Sends numbered lines to a syslog server, as soon as it listens.
pub(crate) fn log_lines(port: u16, lines: usize) {
    let begun = Instant::now();
    let mut stream = loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => break stream,
            Err(error) => {
                assert!(begun.elapsed() < PATIENCE, "the syslog server does not listen: {error}")
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    for number in 0..lines {
        writeln!(stream, "<11>Nov 22 16:14:46 host-1 billing: quota {number} 回收")
            .expect("the syslog server reads");
    }
}

/// Asks until something holds, and fails with what was found last.
pub(crate) fn wait_until<T: std::fmt::Debug>(
    what: &str,
    mut ask: impl FnMut() -> T,
    holds: impl Fn(&T) -> bool,
) {
    let begun = Instant::now();
    loop {
        let found = ask();
        if holds(&found) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: {found:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
