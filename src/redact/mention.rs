//! Finds keys that are given a value in texts that are not JSON, or not completely.
//!
//! In `user=a&password=x`, `{"password":"x",}`, `<password>x</password>` and `login --password x`
//! the key is a word by itself, and what follows shows that a value comes. Which value that is, and
//! where it ends, cannot be known, so everything after the key is taken for it.

use super::paths::{PathPattern, is_unseen, key_form};
use crate::error::{Context, ErrorKind, Result};
use crate::text::{plain_forms, unescape};
use regex::{Regex, RegexBuilder};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// How many encodings on top of each other are undone in a text: escapes, percent-encoding, HTML.
pub(super) const CODINGS_MAX: usize = 8;

/// The last keys of all patterns.
#[derive(Debug)]
pub(super) struct Mentions(Option<Regex>);

impl Mentions {
    pub(super) fn of(patterns: &[PathPattern]) -> Result<Self> {
        let keys: BTreeSet<&str> = patterns.iter().map(PathPattern::key).collect();
        if keys.is_empty() {
            return Ok(Self(None));
        }
        // The longest comes first, because the first alternative that matches wins.
        let mut keys: Vec<String> = keys.into_iter().map(regex::escape).collect();
        keys.sort_by_key(|key| std::cmp::Reverse(key.len()));
        let pattern =
            RegexBuilder::new(&keys.join("|")).case_insensitive(true).size_limit(64 << 20).build();
        Ok(Self(Some(pattern.context(ErrorKind::Invalid, || {
            "the rules of redaction name too many paths".to_owned()
        })?)))
    }

    /// Finds the first wanted key that a text gives a value to. Returns the offset of the key's
    /// end, and what `wanted` says about it.
    pub(super) fn find<T>(
        &self,
        text: &str,
        wanted: impl Fn(&str) -> Option<T>,
    ) -> Option<(usize, T)> {
        let pattern = self.0.as_ref()?;
        let mut from = 0;
        while let Some(found) = pattern.find_at(text, from) {
            if gets_value(&text[..found.start()], &text[found.end()..])
                && let Some(wanted) = wanted(&key_form(found.as_str()))
            {
                return Some((found.end(), wanted));
            }
            from = found.start() + found.as_str().chars().next().map_or(1, char::len_utf8);
        }
        None
    }
}

/// Returns whether a key between these two texts is given a value.
fn gets_value(before: &str, after: &str) -> bool {
    let last = before.chars().next_back();
    if last.is_some_and(|letter| letter.is_alphanumeric() || letter == '_') {
        return false;
    }
    if before.ends_with("[redacted:") && is_hash(after) {
        return false;
    }
    let is_around = |letter: char| {
        letter.is_whitespace() || matches!(letter, '"' | '\'' | '`' | '\\' | ']' | ')' | '}')
    };
    let is_value = |rest: &str| {
        rest.chars()
            .any(|letter| !is_around(letter) && !matches!(letter, '{' | '[' | '(' | ',' | ';'))
    };
    match (last, after.chars().next()) {
        (_, None) => false,
        (Some('<'), Some(letter)) if letter == '>' || letter.is_whitespace() => {
            is_value(&after[letter.len_utf8()..])
        }
        (Some('-'), Some(letter)) if letter.is_whitespace() => is_value(after),
        _ => without_keys_below(after)
            .trim_start_matches(is_around)
            .strip_prefix([':', '='])
            .is_some_and(is_value),
    }
}

/// The maximum length of the keys below a key, in bytes.
const BELOW_MAX: usize = 200;

/// Skips the keys below a key: `.user` or `[user]`.
fn without_keys_below(after: &str) -> &str {
    if !after.starts_with(['.', '[']) {
        return after;
    }
    let is_key = |letter: char| {
        letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.' | '[' | ']' | '$' | '@')
    };
    let head = &after[..after.floor_char_boundary(BELOW_MAX)];
    &after[head.find(|letter| !is_key(letter)).unwrap_or(head.len())..]
}

/// Returns whether a text begins like the end of a replaced value, after the name of the rule.
fn is_hash(after: &str) -> bool {
    let hash = after.strip_prefix(':').and_then(|after| after.split_once(']'));
    hash.is_some_and(|(hash, _)| {
        hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// Returns whether [`decoded`] could change this text.
pub(super) fn is_coded(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b'\\' | b'%' | b'&' | b'\0') || !byte.is_ascii())
}

/// Undoes one encoding of a text: escapes, percent-encoding, HTML references, compatibility forms,
/// invisible characters. The result is only for searching, because parts that are not encoded may
/// be changed too.
pub(super) fn decoded(text: &str) -> String {
    let mut text =
        if text.contains('\\') { Cow::Owned(unescape(text)) } else { Cow::Borrowed(text) };
    if text.contains('%') {
        text = Cow::Owned(percent_decoded(&text));
    }
    if text.contains('&') {
        let references = [
            ("&quot;", "\""),
            ("&#34;", "\""),
            ("&#x22;", "\""),
            ("&#39;", "'"),
            ("&lt;", "<"),
            ("&gt;", ">"),
            ("&amp;", "&"),
        ];
        text =
            Cow::Owned(references.iter().fold(text.into_owned(), |text, (reference, letter)| {
                text.replace(reference, letter)
            }));
    }
    if text.is_ascii() && !text.contains('\0') {
        return text.into_owned();
    }
    plain_forms(&text).chars().filter(|letter| !is_unseen(*letter)).collect()
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digit = |index: usize| after.get(index).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_gets_a_value_is_told_from_a_word() {
        let pattern = PathPattern::parse(0, "**.password").expect("a path");
        let mentions = Mentions::of(&[pattern]).expect("few keys");
        for (text, end) in [
            ("user=a&password=x", Some(15)),
            ("PassWord: x", Some(8)),
            (r#"{"password":"x",}"#, Some(10)),
            (r#"{\\\"password\\\" : \\\"x"#, Some(13)),
            ("request[password]=x", Some(16)),
            ("password.old=x", Some(8)),
            ("password[0][v]=x", Some(8)),
            ("see password.txt", None),
            ("<password>x</password>", Some(9)),
            ("<password type='a'>x", Some(9)),
            ("login --password x", Some(16)),
            ("a password, password=x", Some(20)),
            ("the password is x", None),
            ("password:", None),
            (r#"{"password":"#, None),
            ("user_password=x", None),
            ("passwords=x", None),
            ("password-hint=x", None),
            ("[redacted:password:0123456789abcdef]", None),
            ("[redacted:password:not a hash!!!!!]", Some(18)),
        ] {
            assert_eq!(mentions.find(text, |_| Some(())).map(|(end, ())| end), end, "{text}");
        }
    }

    #[test]
    fn codings_are_undone_one_at_a_time() {
        for (text, expected) in [
            (r"pass\u0077ord", "password"),
            (r"pass\\u0077ord", r"pass\u0077ord"),
            ("pass%77ord", "password"),
            ("&quot;password&quot;", "\"password\""),
            ("ｐａｓｓ\u{200b}ｗｏｒｄ", "password"),
            ("p\0a\0s\0s\0", "pass"),
            ("100% &c.", "100% &c."),
        ] {
            assert!(is_coded(text), "{text}");
            assert_eq!(decoded(text), expected, "{text}");
        }
        assert!(!is_coded("plain text"));
    }
}
