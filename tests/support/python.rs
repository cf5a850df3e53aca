//! Scripts of `tests/python`, and what they need: the interpreter that `ANNALS_PYTHON` names, or
//! `python3`, with the packages of `tests/python/requirements.txt`. Where it has not, a test says
//! SKIPPED; with `ANNALS_TESTS_MUST_RUN` set, it fails.

use crate::support::store::TestStore;
use annals::api::ServeOptions;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

/// Says why a test does not run; where it must run, it fails.
#[allow(clippy::print_stderr, reason = "a skipped test must say so")]
pub(crate) fn skipped(reason: &str) {
    assert!(
        std::env::var_os("ANNALS_TESTS_MUST_RUN").is_none(),
        "{reason}, and this test must run"
    );
    eprintln!("SKIPPED: {reason}");
}

/// Runs a script of `tests/python` if the packages it needs are there.
pub(crate) fn run(script: &str, package: &str, args: &[&str]) -> Option<Output> {
    run_with_input(script, package, args, &[])
}

/// The same with something on its standard input.
pub(crate) fn run_with_input(
    script: &str,
    package: &str,
    args: &[&str],
    input: &[u8],
) -> Option<Output> {
    let python = std::env::var("ANNALS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let there = Command::new(&python)
        .args(["-c", &format!("import {package}")])
        .output()
        .is_ok_and(|output| output.status.success());
    if !there {
        skipped(&format!(
            "{python} has no {package}; pip install -r tests/python/requirements.txt"
        ));
        return None;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(script);
    let mut command = Command::new(&python);
    command
        .arg(path)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("python can be started");
    child.stdin.take().expect("a pipe").write_all(input).expect("python reads its input first");
    let output = child.wait_with_output().expect("python ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{script}: {errors}\n{}",
        String::from_utf8_lossy(&output.stdout)
    );
    Some(output)
}

/// Serves a store on a free port; returns the address.
pub(crate) fn serve(store: &TestStore) -> String {
    serve_to(store, false)
}

/// The same for callers with credentials.
pub(crate) fn serve_guarded(store: &TestStore) -> String {
    serve_to(store, true)
}

fn serve_to(store: &TestStore, credentials: bool) -> String {
    let listen = "127.0.0.1:0".parse().expect("an address");
    serve_with(store, ServeOptions { credentials, ..ServeOptions::at(listen) })
}

/// The same with options; returns the address.
pub(crate) fn serve_with(store: &TestStore, options: ServeOptions) -> String {
    let engine = Arc::clone(store.engine());
    let (sender, address) = std::sync::mpsc::channel();
    let scheme = if options.tls.is_some() { "https" } else { "http" };
    store.runtime.spawn(async move {
        annals::api::serve(engine, options, |address| {
            sender.send(address).expect("the test waits")
        })
        .await
        .expect("the server runs");
    });
    format!("{scheme}://{}", address.recv().expect("the server starts"))
}
