//! Tests of the record's text.

use crate::error::{Error, Result};
use crate::event::parse_address;
use crate::text::{
    Glob, RecordTextKind, RecordTexts, WalkStep, container_at, fold, holds_words, walk, walk_parts,
};
use ipnet::IpNet;
use regex::{Regex, RegexBuilder};
use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;

/// The longest regular expression, in bytes.
const PATTERN_BYTES_MAX: usize = 1024;
/// The memory that a compiled regular expression and its cache may take, in bytes.
const PATTERN_MEMORY_MAX: usize = 1 << 20;
/// An expression that needs more than this is large: a filter may have fewer of those.
const PATTERN_SMALL: usize = 64 << 10;
/// The maximum nesting depth of a regular expression.
const PATTERN_NEST_MAX: u32 = 32;

/// A test of the record's text. [`crate::text`] defines what a record's texts are and how they are
/// folded.
#[derive(Debug, Clone, PartialEq)]
pub enum RecordTest {
    /// This word or phrase (folded, spaced) occurs in one of the record's texts, or it is a part of
    /// a name there, as `delete` is of `deleteServer`.
    Words(String),
    /// This text occurs, exactly, in the record as received or in one of its texts.
    Substring(String),
    /// A value passes a test.
    Value(ValueTest),
}

/// A test of the values at some paths, or of all texts of the record.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueTest {
    /// The paths (folded), each of them keys joined by dots, with arrays passed through: the value
    /// at any of them counts. If there are none, all texts of the record, including its keys.
    pub paths: Vec<String>,
    /// The value must match any of these.
    pub any: Vec<ValueMatch>,
    /// Whether case and width matter. Regular expressions define that themselves.
    pub cased: bool,
}

/// What a value must be.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueMatch {
    /// There is a value, an object or an array (not `null`).
    Exists,
    /// The whole value matches; folded unless the test is cased.
    Glob(Glob),
    /// A part of the value matches.
    Pattern(Pattern),
    /// The value is an address in this network.
    Network(IpNet),
    /// The value is one of those at this path (folded), folded unless the test is cased.
    SameAs(String),
}

impl ValueMatch {
    /// Returns the path whose values the value must be one of.
    pub(crate) fn other_path(&self) -> Option<&str> {
        if let Self::SameAs(path) = self { Some(path) } else { None }
    }
}

/// A regular expression that runs in linear time and bounded memory.
#[derive(Clone)]
pub struct Pattern {
    regex: Regex,
    large: bool,
}

impl Pattern {
    /// Parses a regular expression in the syntax of the `regex` crate; flags are written as `(?i)`.
    ///
    /// # Errors
    /// An expression that is malformed, too long, too large when compiled, or uses look-around or
    /// backreferences.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(Error::invalid(format!(
                "a regular expression may have at most {PATTERN_BYTES_MAX} bytes"
            )));
        }
        let build = |most: usize| {
            RegexBuilder::new(text)
                .size_limit(most)
                .dfa_size_limit(PATTERN_MEMORY_MAX)
                .nest_limit(PATTERN_NEST_MAX)
                .build()
        };
        let built = match build(PATTERN_SMALL) {
            Err(regex::Error::CompiledTooBig(_)) => {
                build(PATTERN_MEMORY_MAX).map(|regex| Self { regex, large: true })
            }
            small => small.map(|regex| Self { regex, large: false }),
        };
        built.map_err(|cause| {
            let what = match cause {
                regex::Error::CompiledTooBig(limit) => {
                    format!(
                        "the regular expression needs more than {limit} bytes: make \
                            repetitions smaller"
                    )
                }
                other => other
                    .to_string()
                    .lines()
                    .last()
                    .unwrap_or_default()
                    .replace("error: ", "the regular expression is invalid: "),
            };
            Error::invalid(what)
        })
    }

    /// Returns the expression as it was written.
    pub fn as_str(&self) -> &str {
        self.regex.as_str()
    }

    /// Returns the number of values that it counts as in a filter: a filter of many large
    /// expressions would take hundreds of megabytes.
    pub(super) fn values(&self) -> usize {
        if self.large { 50 } else { 1 }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Pattern({:?})", self.as_str())
    }
}

impl RecordTest {
    /// Returns whether the record passes. `texts` provides its texts, which are extracted once for
    /// all tests of a record.
    pub fn holds<'a>(&self, record: &str, texts: impl FnOnce() -> &'a RecordTexts) -> bool {
        match self {
            Self::Words(needle) => texts().iter().any(|text| {
                matches!(text.kind, RecordTextKind::Key | RecordTextKind::Value)
                    && holds_words(needle, text.raw, text.folded)
            }),
            Self::Substring(wanted) => {
                memchr::memmem::find(record.as_bytes(), wanted.as_bytes()).is_some()
                    || (escapes_could_hide(record, wanted)
                        && texts().iter().any(|text| text.raw.contains(wanted.as_str())))
            }
            // Walking to the paths is faster than folding and keeping all texts of the record.
            Self::Value(test) if !test.paths.is_empty() => test.holds_in(record),
            Self::Value(test) => test.holds(texts()),
        }
    }
}

impl RecordTest {
    /// Tests a record that few or no other tests are applied to: its texts are examined as they are
    /// met and not kept.
    pub(crate) fn holds_alone(&self, record: &str) -> bool {
        let kept = OnceCell::new();
        match self {
            Self::Words(needle) => {
                let mut found = false;
                walk_parts(record, &mut |part| {
                    let (WalkStep::Key(text) | WalkStep::Text(text) | WalkStep::Literal(text)) =
                        part
                    else {
                        return;
                    };
                    // Folding never makes an ASCII text longer, and most texts are too short to
                    // match.
                    if !found && (text.len() >= needle.len() || !text.is_ascii()) {
                        found = holds_words(needle, text, &fold(text));
                    }
                });
                found
            }
            _ => self.holds(record, || kept.get_or_init(|| RecordTexts::of(record))),
        }
    }
}

impl ValueTest {
    fn holds(&self, texts: &RecordTexts) -> bool {
        texts.iter().any(|text| {
            self.holds_at(text.path, text.kind, text.raw, &[], || Cow::Borrowed(text.folded))
        })
    }

    fn holds_in(&self, record: &str) -> bool {
        let others = self.others_in(record);
        let mut found = false;
        walk(record, &mut |path, part| {
            let (kind, text) = match part {
                _ if found => return,
                WalkStep::Key(_) => return,
                WalkStep::Text(text) | WalkStep::Literal(text) => (RecordTextKind::Value, text),
                WalkStep::Embedded(text) => (RecordTextKind::Embedded, text),
                WalkStep::Container(text) => (RecordTextKind::Container, text),
            };
            found = self.holds_at(path, kind, text, &others, || fold(text));
        });
        found
    }

    /// Returns the values at the paths that a value is to be the same as.
    fn others_in(&self, record: &str) -> Vec<String> {
        let paths: Vec<&str> = self.any.iter().filter_map(ValueMatch::other_path).collect();
        let mut others = Vec::new();
        if paths.is_empty() {
            return others;
        }
        walk(record, &mut |path, part| {
            if let WalkStep::Text(text) | WalkStep::Literal(text) | WalkStep::Embedded(text) = part
                && paths.iter().any(|wanted| same_path(wanted, path))
            {
                let text = if self.cased { Cow::Borrowed(text) } else { fold(text) };
                others.push(text.into_owned());
            }
        });
        others
    }

    fn holds_at<'a>(
        &self,
        path: &str,
        kind: RecordTextKind,
        raw: &'a str,
        others: &[String],
        folded: impl Fn() -> Cow<'a, str>,
    ) -> bool {
        let here = if self.paths.is_empty() {
            kind != RecordTextKind::Container
        } else {
            kind != RecordTextKind::Key && self.paths.iter().any(|wanted| same_path(wanted, path))
        };
        if !here {
            return false;
        }
        // An object or an array is compared as it is written.
        let whole = OnceCell::new();
        let raw = || match kind {
            RecordTextKind::Container => *whole.get_or_init(|| container_at(raw)),
            _ => raw,
        };
        let folded = || match kind {
            RecordTextKind::Container => fold(raw()),
            _ => folded(),
        };
        self.any.iter().any(|wanted| match wanted {
            ValueMatch::Exists => true,
            ValueMatch::Glob(glob) => {
                if self.cased {
                    glob.matches(raw())
                } else {
                    glob.matches(&folded())
                }
            }
            ValueMatch::Pattern(pattern) => pattern.regex.is_match(raw()),
            ValueMatch::SameAs(_) if self.cased => others.iter().any(|other| other == raw()),
            ValueMatch::SameAs(_) => others.iter().any(|other| *other == folded()),
            ValueMatch::Network(network) => {
                parse_address(raw()).is_some_and(|address| network.contains(&address))
            }
        })
    }
}

/// Returns whether a text could occur in a record's texts but not in its bytes: part of it must
/// have been written with an escape.
fn escapes_could_hide(record: &str, wanted: &str) -> bool {
    memchr::memmem::find(record.as_bytes(), hiding_escape(wanted)).is_some()
}

/// Returns what a record must contain for a text to occur in its texts but not in its bytes. Short
/// escapes stand only for quotes, slashes and controls; `\u` can stand for anything.
pub(crate) fn hiding_escape(wanted: &str) -> &'static [u8] {
    let escapable =
        wanted.bytes().any(|byte| matches!(byte, b'"' | b'\\' | b'/') || byte.is_ascii_control());
    if escapable { b"\\" } else { b"\\u" }
}

fn same_path(folded: &str, path: &str) -> bool {
    if path.is_ascii() { path.eq_ignore_ascii_case(folded) } else { fold(path) == folded }
}

impl fmt::Display for RecordTest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words(words) => write!(out, "text={words:?}"),
            Self::Substring(text) => write!(out, "substring={text:?}"),
            Self::Value(test) => {
                let any: Vec<String> = test.any.iter().map(ToString::to_string).collect();
                let any = any.join("|");
                match test.paths.as_slice() {
                    [] => write!(out, "(anywhere):{any}"),
                    [path] => write!(out, "{path}:{any}"),
                    // A path may contain any sign, so several are told apart by their quotes.
                    paths => write!(out, "{paths:?}:{any}"),
                }
            }
        }
    }
}

impl fmt::Display for ValueMatch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists => out.write_str("*"),
            Self::Glob(glob) => write!(out, "{glob}"),
            Self::Pattern(pattern) => write!(out, "/{}/", pattern.as_str()),
            Self::Network(network) => write!(out, "{network}"),
            Self::SameAs(path) => write!(out, "({path})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"user":{"name":"Bob 中文用户","mfa":true},"request":"{\"quota_amount\":5000,\"note\":\"\\u64cd\\u4f5c\",\"dir\":\"C:\\\\Temp\"}","tags":["a","RunInstances",{"k":"Ｖ1"}],"none":null,"empty":{}}"#;

    fn holds(test: &RecordTest) -> bool {
        let texts = RecordTexts::of(RECORD);
        test.holds(RECORD, || &texts)
    }

    fn value(path: &str, wanted: ValueMatch) -> bool {
        holds(&RecordTest::Value(ValueTest {
            paths: vec![fold(path).into_owned()],
            any: vec![wanted],
            cased: false,
        }))
    }

    #[test]
    fn words_stand_in_keys_and_values_at_any_depth() {
        for (typed, expected) in [
            ("bob", true),
            ("BOB", true),
            ("bo", false),
            ("中文", true),
            ("文用", true),
            ("bob 中文", true),
            ("quota", true),
            ("quota_amount", true),
            ("5000", true),
            ("操作", true),
            ("v1", true),
            ("true", true),
            ("null", false),
            ("user name", false),
            ("inst", false),
            ("instances", true),
            ("run instances", false),
        ] {
            assert_eq!(holds(&RecordTest::Words(fold(typed).into_owned())), expected, "{typed}");
        }
    }

    #[test]
    fn substrings_are_exact_and_see_through_escapes() {
        for (text, expected) in [
            ("ob 中", true),
            ("OB", false),
            ("\"name\":\"Bob", true),
            ("操作", true),
            (r"C:\Temp", true),
            ("Ｖ", true),
            ("V1", false),
        ] {
            assert_eq!(holds(&RecordTest::Substring(text.to_owned())), expected, "{text}");
        }
    }

    #[test]
    fn paths_lead_through_arrays_and_embedded_json() {
        let glob = |text: &str| ValueMatch::Glob(Glob::parse(text).folded());
        for (path, wanted, expected) in [
            ("request.quota_amount", glob("5000"), true),
            ("request.quota_amount", glob("500"), false),
            ("Request.Quota_Amount", glob("50*"), true),
            ("tags", glob("A"), true),
            ("tags.k", glob("v1"), true),
            ("user.name", glob("bob*"), true),
            ("user", ValueMatch::Exists, true),
            ("empty", ValueMatch::Exists, true),
            ("none", ValueMatch::Exists, false),
            ("nothing", ValueMatch::Exists, false),
            ("user", glob("*mfa*"), true),
            ("user", glob("mfa*"), false),
            ("tags", glob("*[\"a\",*"), true),
            ("user", ValueMatch::Pattern(Pattern::parse("true}$").expect("a pattern")), true),
            ("request.note", ValueMatch::SameAs("tags".to_owned()), false),
            ("tags.k", ValueMatch::SameAs("tags.k".to_owned()), true),
            ("user.name", ValueMatch::Pattern(Pattern::parse("^Bob\\b").expect("a pattern")), true),
            ("user.name", ValueMatch::Pattern(Pattern::parse("^bob").expect("a pattern")), false),
        ] {
            assert_eq!(value(path, wanted.clone()), expected, "{path} {wanted}");
        }
    }

    #[test]
    fn regular_expressions_are_bounded() {
        for text in [
            "(a{1000}){1000}",
            &"a".repeat(2000),
            &"(".repeat(50),
            "(?=a)b",
            "(a)\\1",
            r"\pL{10000}",
        ] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }
}
