//! No two files import each other: each of a pair must be readable before the other.
//!
//! A file that is a folder's door (`mod.rs`) may be named by the files of its folder: there stand
//! what they share and what they give to others.

use crate::house::tidy::sources;
use std::collections::{BTreeMap, BTreeSet};

/// A path of an import, without `as`, and the name under which the file knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Import {
    path: Vec<String>,
    name: String,
}

/// Splits what is between braces at the commas of its own level.
fn at_commas(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// Adds the imports of a `use`, which may be a tree.
fn add_tree(before: &[String], tree: &str, imports: &mut Vec<Import>) {
    let tree = tree.trim();
    if let Some((head, rest)) = tree.split_once('{') {
        let mut path = before.to_vec();
        path.extend(
            head.split("::").map(str::trim).filter(|part| !part.is_empty()).map(String::from),
        );
        let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
        at_commas(inner).into_iter().for_each(|part| add_tree(&path, part, imports));
        return;
    }
    let (path, alias) =
        tree.split_once(" as ").map_or((tree, None), |(path, alias)| (path, Some(alias)));
    let mut whole = before.to_vec();
    whole.extend(path.split("::").map(|part| part.trim().to_owned()));
    let name = alias.unwrap_or_else(|| whole.last().map_or("", String::as_str)).to_owned();
    imports.push(Import { path: whole, name });
}

/// The imports of a file, and the paths of the crate that it names in its code.
fn imports_of(text: &str) -> Vec<Import> {
    let code: String = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default()
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .fold(String::new(), |all, line| all + line + "\n");
    let mut imports = Vec::new();
    for statement in code.split(';') {
        let at = statement.rfind("use ").filter(|at| {
            let before = statement[..*at].trim_end();
            before.is_empty() || before.ends_with(['\n', ')', ']', '}', 'b'])
        });
        match at {
            Some(at) if !statement[at..].contains('=') => {
                add_tree(&[], &statement[at + 4..], &mut imports);
            }
            _ => {
                for start in ["crate::", "super::"] {
                    for (at, _) in statement.match_indices(start) {
                        let path: String = statement[at..]
                            .chars()
                            .take_while(|letter| letter.is_alphanumeric() || "_:".contains(*letter))
                            .collect();
                        add_tree(&[], path.trim_end_matches(':'), &mut imports);
                    }
                }
            }
        }
    }
    imports
}

/// Which file each import means.
struct Crate {
    /// The file of each module.
    files: BTreeMap<Vec<String>, String>,
    imports: BTreeMap<String, Vec<Import>>,
}

fn module_of(file: &str) -> Vec<String> {
    let mut module: Vec<String> =
        file.trim_end_matches(".rs").split('/').map(String::from).collect();
    if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        module.pop();
    }
    module
}

impl Crate {
    fn of(sources: &[(String, String)]) -> Self {
        let files = sources
            .iter()
            .filter(|(file, _)| file != "main.rs")
            .map(|(file, _)| (module_of(file), file.clone()))
            .collect();
        let imports = sources.iter().map(|(file, text)| (file.clone(), imports_of(text))).collect();
        Self { files, imports }
    }

    /// Returns a path from the top of the crate; `None` if it is another crate's.
    fn absolute(&self, file: &str, path: &[String]) -> Option<Vec<String>> {
        let mut here = module_of(file);
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => return Some(path[1..].to_vec()),
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|part| part == "super") {
                    rest = &rest[1..];
                    here.pop();
                }
            }
            first => {
                here.push(first.to_owned());
                if !self.files.contains_key(&here) {
                    return None;
                }
                rest = &rest[1..];
            }
        }
        here.extend_from_slice(rest);
        Some(here)
    }

    /// Returns the file that defines what a path names, through files that pass it on.
    fn file_of(&self, path: &[String], depth: usize) -> Option<&str> {
        let module =
            (1..=path.len()).rev().find(|length| self.files.contains_key(&path[..*length]))?;
        let file = self.files[&path[..module]].as_str();
        let Some(name) = path.get(module) else { return Some(file) };
        let passed = self.imports[file].iter().filter(|import| import.name == *name && depth < 8);
        passed
            .filter_map(|import| self.absolute(file, &import.path))
            .find_map(|path| self.file_of(&path, depth + 1))
            .or(Some(file))
    }

    fn imported_by(&self, file: &str) -> BTreeSet<&str> {
        let paths =
            self.imports[file].iter().filter_map(|import| self.absolute(file, &import.path));
        let files: BTreeSet<Option<&str>> = paths.map(|path| self.file_of(&path, 0)).collect();
        files.into_iter().flatten().filter(|other| *other != file).collect()
    }
}

#[test]
fn no_two_files_import_each_other() {
    let parts = Crate::of(&sources());
    let imported: BTreeMap<&str, BTreeSet<&str>> =
        parts.imports.keys().map(|file| (file.as_str(), parts.imported_by(file))).collect();
    assert!(
        imported.values().map(BTreeSet::len).sum::<usize>() > 1_000,
        "the search found too few imports"
    );
    let is_door = |file: &str| file.ends_with("mod.rs") || file == "lib.rs";
    let circles: Vec<String> = imported
        .iter()
        .flat_map(|(file, others)| others.iter().map(move |other| (*file, *other)))
        .filter(|(file, other)| file < other && imported[other].contains(file))
        .filter(|(file, other)| !is_door(file) && !is_door(other))
        .map(|(file, other)| format!("{file} and {other}"))
        .collect();
    assert!(circles.is_empty(), "files that import each other:\n{}", circles.join("\n"));
}

#[test]
fn a_circle_is_found_through_a_door() {
    let source = |file: &str, text: &str| (file.to_owned(), text.to_owned());
    let parts = Crate::of(&[
        source("lib.rs", "pub mod a;\n"),
        source("a/mod.rs", "mod one;\nmod two;\npub use one::{One, more as less};\n"),
        source("a/one.rs", "use super::two::Two;\nuse std::fmt;\n"),
        source(
            "a/two.rs",
            "//! use crate::b::C;\nuse crate::a::{less};\nfn f() -> crate::a::One {}\n",
        ),
    ]);
    assert_eq!(Vec::from_iter(parts.imported_by("a/one.rs")), ["a/two.rs"]);
    assert_eq!(Vec::from_iter(parts.imported_by("a/two.rs")), ["a/one.rs"]);
}
