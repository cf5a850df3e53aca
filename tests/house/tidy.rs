//! The house rules that a compiler does not hold: floors, homes of foreign crates, sizes, headers.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules from the ground up. A module may import from its own floor only what is named in
/// [`BESIDE`], and from below.
const FLOORS: &[&[&str]] = &[
    &["error", "clock", "event", "decode", "generate", "text", "redact"],
    &["sigma", "filter"],
    &["storage"],
    &["access"],
    &["ingest", "maintain"],
    &["query"],
    &["export"],
    &["engine"],
    &["collect"],
    &["calls"],
    &["api"],
    &["cli"],
];

/// The ground floor's own order: what each of its modules may import.
const BESIDE: &[(&str, &[&str])] = &[
    ("clock", &["event"]),
    ("event", &["error"]),
    ("decode", &["error", "event"]),
    ("error", &[]),
    ("generate", &[]),
    ("text", &[]),
    ("redact", &["error", "event", "text"]),
];

/// Foreign crates and the modules that may name them.
const HOMES: &[(&str, &[&str])] = &[
    ("object_store", &["storage"]),
    ("redb", &["storage/admin"]),
    ("deltalake", &["storage/table"]),
    ("tantivy", &["storage/segment", "query/rows/lookup"]),
    ("parquet", &["storage/segment", "query/rows/scan", "export"]),
    ("datafusion", &["query/rows/scan"]),
    ("axum", &["api"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
    ("reqwest", &["cli/remote", "api/auth/oidc/client", "collect/client"]),
    ("jsonwebtoken", &["access/jwt"]),
    ("rcgen", &["cli/cert"]),
    ("rustls", &["api/tls"]),
    ("tokio_rustls", &["api/tls"]),
    ("x509_parser", &["api/tls"]),
    ("rand_chacha", &["generate"]),
    ("serde_saphyr", &["sigma"]),
    ("prost", &["api/doors/otlp"]),
    ("aes_gcm_siv", &["access"]),
    ("governor", &["api/limits"]),
];

/// Lines of code in a file, not counting tests, comments and blank lines.
const FILE_LINES_MAX: usize = 400;

pub(crate) fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("the source folder can be read") {
            let path = entry.expect("the source folder can be read").path();
            if path.is_dir() { walk(&path, files) } else { files.push(path) }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    let rust = files.iter().filter(|path| path.extension().is_some_and(|ending| ending == "rs"));
    let read = |path: &PathBuf| {
        let name = path
            .strip_prefix(&root)
            .expect("files lie below the root")
            .to_string_lossy()
            .replace('\\', "/");
        (name, fs::read_to_string(path).expect("sources are text"))
    };
    let mut sources: Vec<_> = rust.map(read).collect();
    sources.sort();
    assert!(sources.len() > 40, "the walk found too few files");
    sources
}

/// The text without comments and without what is only compiled for tests.
fn code(text: &str) -> Vec<&str> {
    let tested = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..tested]
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
        .collect()
}

fn module(name: &str) -> &str {
    name.split('/').next().unwrap_or(name).trim_end_matches(".rs")
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

#[test]
fn imports_only_go_down() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let from = module(&name);
        if ["lib", "main"].contains(&from) {
            continue;
        }
        let here = floor(from).unwrap_or_else(|| panic!("{name} is on no floor: add it to FLOORS"));
        for line in code(&text) {
            for part in line.split("crate::").skip(1) {
                let to: String = part
                    .chars()
                    .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                    .collect();
                let Some(there) = floor(&to) else { continue };
                let beside = || {
                    BESIDE
                        .iter()
                        .any(|(module, allowed)| *module == from && allowed.contains(&to.as_str()))
                };
                if to != from && (there > here || (there == here && !beside())) {
                    wrong.push(format!("{name}: {line}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports that go up:\n{}", wrong.join("\n"));
}

#[test]
fn every_foreign_crate_has_one_home() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        for (foreign, homes) in HOMES {
            let named = code(&text).into_iter().any(|line| {
                line.match_indices(&format!("{foreign}::")).any(|(at, _)| {
                    !line[..at]
                        .ends_with(|letter: char| letter.is_alphanumeric() || "_:".contains(letter))
                })
            });
            if named && !homes.iter().any(|home| name.starts_with(home)) {
                wrong.push(format!("{name} names {foreign}, whose home is {}", homes.join(", ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for_and_can_be_read_at_one_sitting() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        if name == "lib.rs" {
            continue;
        }
        let test_file = name.ends_with("tests.rs");
        if !text.starts_with("//!") && !test_file {
            wrong.push(format!("{name} does not open with //!"));
        }
        let lines = code(&text).len();
        if lines > FILE_LINES_MAX && !test_file {
            wrong.push(format!("{name} has {lines} lines of code, more than {FILE_LINES_MAX}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Columns of a line of code.
const COLUMNS_MAX: usize = 100;

#[test]
fn lines_fit_into_a_hundred_columns() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        // A field is one row of its table, and raw strings cannot be broken.
        if name == "event/field.rs" || name.ends_with("tests.rs") {
            continue;
        }
        let tested = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
        for line in text[..tested].lines() {
            let raw = [" r\"", "(r\"", "r#\""].iter().any(|start| line.contains(start));
            if line.chars().count() > COLUMNS_MAX && !raw {
                wrong.push(format!("{name}: {}", line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "lines of more than {COLUMNS_MAX} columns:\n{}", wrong.join("\n"));
}

/// The name of the type that a line at the edge of a file defines.
fn defined_type(line: &str) -> Option<&str> {
    let rest = match line.strip_prefix("pub") {
        Some(rest) => rest
            .strip_prefix('(')
            .and_then(|rest| rest.split_once(')'))
            .map_or(rest, |(_, rest)| rest)
            .trim_start(),
        None => line,
    };
    let rest = ["struct ", "enum ", "trait ", "type ", "union "]
        .iter()
        .find_map(|word| rest.strip_prefix(word))?;
    rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next()
}

#[test]
fn every_type_has_a_name_of_its_own() {
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, text) in sources() {
        for name in text.lines().filter_map(defined_type) {
            names.entry(name.to_owned()).or_default().push(file.clone());
        }
    }
    assert!(names.len() > 300, "the search found too few types");
    let twice: Vec<String> = names
        .iter()
        .filter(|(_, files)| files.len() > 1)
        .map(|(name, files)| format!("{name}: {files:?}"))
        .collect();
    assert!(twice.is_empty(), "names that mean two things:\n{}", twice.join("\n"));
}

#[test]
fn there_are_no_stubs_and_no_vague_names() {
    for (name, text) in sources() {
        for word in ["todo!(", "unimplemented!(", "#[ignore"] {
            assert!(!text.contains(word), "{name} contains {word}");
        }
        for vague in ["utils", "common", "helpers", "misc"] {
            assert!(!name.split(['/', '.']).any(|part| part == vague), "{name} is a vague name");
        }
    }
}

#[test]
fn the_columnar_crates_resolve_to_one_copy_each() {
    let lock = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock"))
        .expect("the lock file is there");
    for name in ["arrow", "parquet", "datafusion", "object_store", "deltalake", "tantivy"] {
        let copies = lock.matches(&format!("name = \"{name}\"\n")).count();
        assert_eq!(copies, 1, "{name} has {copies} copies");
    }
}

/// The files of the screen that people write.
fn screen_sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("the screen's folder can be read") {
            let path = entry.expect("the screen's folder can be read").path();
            if path.is_dir() { walk(&path, files) } else { files.push(path) }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
    let mut files = vec![root.join("index.html")];
    walk(&root.join("src"), &mut files);
    let written = files.iter().filter(|path| {
        path.extension().is_some_and(|ending| {
            ["ts", "svelte", "css", "html"].iter().any(|kind| ending == *kind)
        })
    });
    written
        .map(|path| {
            (
                path.strip_prefix(&root).expect("below").display().to_string(),
                fs::read_to_string(path).expect("sources are text"),
            )
        })
        .collect()
}

#[test]
fn the_screen_makes_no_markup_and_no_code_of_texts() {
    let sources = screen_sources();
    assert!(sources.len() > 50, "the walk found too few files");
    let mut wrong = Vec::new();
    for (name, text) in &sources {
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "{@html",
            "document.write",
            "eval(",
            "new Function",
            "srcdoc",
            "createContextualFragment",
            "DOMParser",
            "javascript:",
            "new Worker",
            "serviceWorker",
            "unsafe-inline",
        ] {
            if text.contains(word) && !name.ends_with(".test.ts") {
                wrong.push(format!("{name} contains {word}"));
            }
        }
        // A literal style is refused by the page's policy; `style:name` and classes are not.
        if name.ends_with(".svelte") && text.contains(" style=\"") {
            wrong.push(format!("{name} has a literal style"));
        }
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX && !name.ends_with("schema.d.ts") {
            wrong.push(format!("{name} has {lines} lines, more than {FILE_LINES_MAX}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
