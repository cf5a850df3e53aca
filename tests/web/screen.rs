//! The screen in a real browser: `tests/web` drives Debian's Chromium against the real binary.
//!
//! It needs Node.js 20, `/usr/bin/chromium` (or what `ANNALS_CHROMIUM` names) and the packages of
//! `tests/web/package.json` (`npm ci --prefix tests/web`), and a binary that was built with the
//! screen. Where one of them is missing the test says SKIPPED; with `ANNALS_TESTS_MUST_RUN` set, it
//! fails. `ANNALS_WEB_TESTS="events quota"` runs only what has these words in a file's or a test's
//! name.

use crate::support::python::skipped;
use crate::support::store::TestStore;
use std::path::Path;
use std::process::{Command, Stdio};

/// What is missing, if something is.
fn missing(folder: &Path) -> Option<String> {
    let runs = |program: &str| {
        Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    let chromium =
        std::env::var("ANNALS_CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
    if !runs("node") {
        return Some("there is no node".to_owned());
    }
    if !Path::new(&chromium).exists() {
        return Some(format!("there is no {chromium}; apt-get install chromium fonts-noto-cjk"));
    }
    if !folder.join("node_modules/playwright-core/package.json").exists() {
        return Some("the packages are not installed; npm ci --prefix tests/web".to_owned());
    }
    let (_, _, page) = TestStore::new().page("/", "text/html");
    (!page.contains("/assets/")).then(|| "this binary was built without the screen".to_owned())
}

#[test]
fn the_screen_holds_what_it_promises_in_a_browser() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/web");
    if let Some(reason) = missing(&folder) {
        return skipped(&reason);
    }
    let words = std::env::var("ANNALS_WEB_TESTS").unwrap_or_default();
    let mut command = Command::new("node");
    command
        .arg(folder.join("run.mjs"))
        .args(words.split_whitespace())
        .env("ANNALS_BIN", env!("CARGO_BIN_EXE_annals"));
    // Other tests may run beside it.
    command.env(
        "ANNALS_WEB_PATIENCE",
        std::env::var("ANNALS_WEB_PATIENCE").unwrap_or_else(|_| "3".to_owned()),
    );
    let output = command.stdin(Stdio::null()).output().expect("node can be started");
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{said}");
    println!("{said}");
}

#[test]
fn the_types_of_the_screen_are_those_of_the_api() {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
    let program = web.join("node_modules/.bin/openapi-typescript");
    if !program.exists() {
        return skipped("the packages are not installed; npm ci --prefix web");
    }
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (document, types) = (folder.path().join("openapi.json"), folder.path().join("schema.d.ts"));
    let json = serde_json::to_vec(&annals::api::openapi_document()).expect("JSON");
    std::fs::write(&document, json).expect("the temporary directory can be written");
    let output = Command::new(program)
        .arg(&document)
        .arg("-o")
        .arg(&types)
        .output()
        .expect("it can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (made, kept) = (
        std::fs::read_to_string(&types),
        std::fs::read_to_string(web.join("src/lib/api/schema.d.ts")),
    );
    let same = made.expect("types were made") == kept.expect("types are kept");
    assert!(
        same,
        "web/src/lib/api/schema.d.ts is not what the API says: run `npm run types` against a \
        running server"
    );
}
