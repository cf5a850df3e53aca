//! Walks through the texts of a record without building a tree.
//!
//! Records were accepted as JSON, so the walk does not validate. On anything else it stops early,
//! and it never panics.

use super::lexer::{Lexer, Quoted};
use std::borrow::Cow;

/// The depth of objects, arrays and embedded JSON that is entered. Records may nest
/// [`crate::decode::DEPTH_MAX`] levels, and JSON within strings adds its own.
const DEPTH_MAX: usize = 256;
/// The maximum depth of JSON in a string: serde_json parses nothing deeper.
const JSON_DEPTH_MAX: usize = 128;

/// The longest path, in bytes; the paths of deeper values are cut to this length. A record can have
/// a key of half its length with a hundred thousand values below it, each of which has the path.
const PATH_BYTES_MAX: usize = 1_024;
/// The end of a path that was cut. It makes the path longer than any other.
const CUT: &str = "…\u{0}";

/// What a walk visits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalkStep<'a> {
    /// The key of an object.
    Key(&'a str),
    /// A string, with escapes resolved.
    Text(&'a str),
    /// A number, `true` or `false`, as written.
    Literal(&'a str),
    /// A string that is JSON itself; its parts follow.
    Embedded(&'a str),
    /// An object or an array begins here, with everything behind it; its parts follow.
    Container(&'a str),
}

/// Calls `visit` with every part of a record and the path that leads to it: keys joined by dots;
/// arrays add nothing. `null` is not a part.
pub fn walk(record: &str, visit: &mut dyn FnMut(&str, WalkStep<'_>)) {
    let mut path = KeyPath { text: String::new(), kept: true };
    walk_value(record, &mut path, 0, visit);
}

/// Walks without reporting the paths of the parts.
pub fn walk_parts(record: &str, visit: &mut dyn FnMut(WalkStep<'_>)) {
    let mut path = KeyPath { text: String::new(), kept: false };
    walk_value(record, &mut path, 0, &mut |_, part| visit(part));
}

fn walk_value(
    json: &str,
    path: &mut KeyPath,
    depth: usize,
    visit: &mut dyn FnMut(&str, WalkStep<'_>),
) {
    let mut walker = Walker(Lexer::new(json));
    // Malformed input ends the walk; everything before it has been visited.
    let _ = walker.value(path, depth, visit);
}

/// The keys that lead to the current position of a walk, joined by dots.
struct KeyPath {
    text: String,
    kept: bool,
}

impl KeyPath {
    fn enter(&mut self, key: &str) {
        if self.kept && self.text.len() <= PATH_BYTES_MAX {
            if !self.text.is_empty() {
                self.text.push('.');
            }
            self.text.push_str(key);
            if self.text.len() > PATH_BYTES_MAX {
                self.text.truncate(self.text.floor_char_boundary(PATH_BYTES_MAX));
                self.text.push_str(CUT);
            }
        }
    }
}

struct Walker<'a>(Lexer<'a>);

impl<'a> Walker<'a> {
    fn value(
        &mut self,
        path: &mut KeyPath,
        depth: usize,
        visit: &mut dyn FnMut(&str, WalkStep<'_>),
    ) -> Option<()> {
        match self.0.peek()? {
            b'{' | b'[' if depth >= DEPTH_MAX => None,
            b'{' => self.object(path, depth, visit),
            b'[' => self.array(path, depth, visit),
            b'"' => {
                let text = self.string()?;
                if is_json(&text) && fits(&text, depth) {
                    visit(&path.text, WalkStep::Embedded(&text));
                    walk_value(&text, path, depth + 1, visit);
                } else {
                    visit(&path.text, WalkStep::Text(&text));
                }
                Some(())
            }
            _ => {
                let literal = self.0.literal()?;
                if literal != "null" {
                    visit(&path.text, WalkStep::Literal(literal));
                }
                Some(())
            }
        }
    }

    fn object(
        &mut self,
        path: &mut KeyPath,
        depth: usize,
        visit: &mut dyn FnMut(&str, WalkStep<'_>),
    ) -> Option<()> {
        visit(&path.text, WalkStep::Container(self.0.rest()));
        self.0.step();
        let parent = path.text.len();
        loop {
            match self.0.peek()? {
                b'}' => {
                    self.0.step();
                    return Some(());
                }
                b',' => self.0.step(),
                b'"' => {
                    let key = self.string()?;
                    if self.0.peek()? != b':' {
                        return None;
                    }
                    self.0.step();
                    path.enter(&key);
                    visit(&path.text, WalkStep::Key(&key));
                    let done = self.value(path, depth + 1, visit);
                    path.text.truncate(parent);
                    done?;
                }
                _ => return None,
            }
        }
    }

    fn array(
        &mut self,
        path: &mut KeyPath,
        depth: usize,
        visit: &mut dyn FnMut(&str, WalkStep<'_>),
    ) -> Option<()> {
        visit(&path.text, WalkStep::Container(self.0.rest()));
        self.0.step();
        loop {
            match self.0.peek()? {
                b']' => {
                    self.0.step();
                    return Some(());
                }
                b',' => self.0.step(),
                _ => self.value(path, depth + 1, visit)?,
            }
        }
    }

    fn string(&mut self) -> Option<Cow<'a, str>> {
        self.0.string().map(Quoted::text)
    }
}

/// Returns the object or array at the beginning of a text, as it is written.
pub fn container_at(text: &str) -> &str {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth += 1,
            b'}' | b']' if !in_text && depth > 1 => depth -= 1,
            b'}' | b']' if !in_text => return &text[..=at],
            _ => {}
        }
    }
    text
}

/// Returns whether a string is JSON that is worth opening: an object or an array.
fn is_json(text: &str) -> bool {
    let trimmed = text.trim_matches([' ', '\t', '\n', '\r']);
    let composite = matches!(
        (trimmed.as_bytes().first(), trimmed.as_bytes().last()),
        (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']'))
    );
    composite && serde_json::from_str::<serde::de::IgnoredAny>(trimmed).is_ok()
}

/// Returns whether a string of JSON can be entered completely from this depth on. If it cannot, it
/// is treated as plain text: its parts must be searchable at the same place as the text itself.
fn fits(json: &str, depth: usize) -> bool {
    // serde_json parses nothing deeper, and nearly everything is far from the limit.
    if depth + JSON_DEPTH_MAX < DEPTH_MAX {
        return true;
    }
    let (mut now, mut most, mut bytes) = (0_usize, 0, json.bytes());
    let mut in_text = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if in_text => drop(bytes.next()),
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                now += 1;
                most = most.max(now);
            }
            b'}' | b']' if !in_text => now = now.saturating_sub(1),
            _ => {}
        }
    }
    depth + most < DEPTH_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(record: &str) -> Vec<String> {
        let mut found = Vec::new();
        walk(record, &mut |path, part| match part {
            WalkStep::Container(text) => {
                found.push(format!("{path} Container"));
                assert!(text.starts_with(['{', '[']) && container_at(text).ends_with(['}', ']']));
            }
            part => found.push(format!("{path} {part:?}")),
        });
        found
    }

    #[test]
    fn keys_strings_and_literals_are_visited_with_their_paths() {
        assert_eq!(
            parts(r#"{"a": {"b": [1, "x\u4e2d\n", {"c": null}]}, "d": true, "e": 5000.00}"#),
            [
                " Container",
                "a Key(\"a\")",
                "a Container",
                "a.b Key(\"b\")",
                "a.b Container",
                "a.b Literal(\"1\")",
                "a.b Text(\"x中\\n\")",
                "a.b Container",
                "a.b.c Key(\"c\")",
                "d Key(\"d\")",
                "d Literal(\"true\")",
                "e Key(\"e\")",
                "e Literal(\"5000.00\")",
            ]
        );
    }

    #[test]
    fn json_in_a_string_is_opened_and_what_only_looks_like_it_is_not() {
        assert_eq!(
            parts(r#"{"request":"{\"amount\":\"5\",\"inner\":\"[\\\"y\\\"]\"}","note":"[draft]"}"#),
            [
                " Container",
                "request Key(\"request\")",
                r#"request Embedded("{\"amount\":\"5\",\"inner\":\"[\\\"y\\\"]\"}")"#,
                "request Container",
                "request.amount Key(\"amount\")",
                "request.amount Text(\"5\")",
                "request.inner Key(\"inner\")",
                r#"request.inner Embedded("[\"y\"]")"#,
                "request.inner Container",
                "request.inner Text(\"y\")",
                "note Key(\"note\")",
                "note Text(\"[draft]\")",
            ]
        );
    }

    #[test]
    fn paths_have_an_end_and_what_lies_behind_it_is_visited() {
        let long = "k".repeat(3_000);
        let record = format!(r#"{{"a":{{"{long}":{{"b":{{"c":1}},"d":2}},"e":3}},"f":4}}"#);
        let mut found = Vec::new();
        walk(&record, &mut |path, part| {
            if let WalkStep::Literal(text) = part {
                found.push((text.to_owned(), path.len(), path.ends_with(CUT)));
            }
        });
        let cut = PATH_BYTES_MAX + CUT.len();
        assert_eq!(
            found,
            [("1", cut, true), ("2", cut, true), ("3", 3, false), ("4", 1, false)]
                .map(|(text, length, cut)| (text.to_owned(), length, cut))
        );
    }

    #[test]
    fn json_in_strings_is_entered_whole_or_not_at_all() {
        // Each level is deep by itself, and there are several.
        let mut record = "\"innermost\"".to_owned();
        for _ in 0..4 {
            let nested = format!("{}{record}{}", "[".repeat(100), "]".repeat(100));
            record = serde_json::Value::from(nested).to_string();
        }
        let (mut embedded, mut words) = (0, Vec::new());
        walk(&record, &mut |_, part| match part {
            WalkStep::Embedded(_) => embedded += 1,
            WalkStep::Text(text) => words.push(text.matches("innermost").count()),
            _ => {}
        });
        assert_eq!(
            (embedded, words),
            (2, vec![1]),
            "two levels of a hundred fit, and the third is a text"
        );
    }

    proptest! {
        #[test]
        fn strings_come_out_as_serde_reads_them(text in "\\PC*", key in "[a-z\"\\\\é中]{0,8}") {
            let record = serde_json::json!({ key: text }).to_string();
            let mut found = String::new();
            walk(&record, &mut |_, part| {
                if let WalkStep::Text(text) | WalkStep::Embedded(text) = part
                    && found.is_empty()
                {
                    text.clone_into(&mut found)
                }
            });
            prop_assert_eq!(found, text);
        }

        #[test]
        fn nothing_makes_a_walk_panic(text in "[\\[\\]{}\":,\\\\un0-9a 中]{0,40}") {
            walk(&text, &mut |_, _| {});
        }
    }
}
