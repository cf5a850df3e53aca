//! The parts that CEF and LEEF have in common: a header whose fields end in `|`, and pairs of a key
//! and a value.
//!
//! The pairs of CEF (ArcSight Common Event Format, "Extension") are separated by blanks that values
//! contain as well. So a value ends where the next key begins: at a word right before an `=` that
//! no backslash precedes.

use super::ecs_object::KEYS_MAX;
use std::borrow::Cow;

/// Splits off this many fields, each of which ends in `|`; the last one may end with the text.
/// Returns them without escapes, and what comes after them.
pub(super) fn header_fields(text: &str, count: usize) -> Option<(Vec<String>, &str)> {
    let mut fields = Vec::with_capacity(count);
    let mut rest = text;
    while fields.len() < count {
        let Some(end) = unescaped_bar(rest) else {
            fields.push(without_escapes(rest.trim()).into_owned());
            rest = "";
            break;
        };
        fields.push(without_escapes(rest[..end].trim()).into_owned());
        rest = &rest[end + 1..];
    }
    (fields.len() == count).then_some((fields, rest))
}

fn unescaped_bar(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let is_end = byte == b'|' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    })
}

/// Returns the pairs of a text in which blanks separate them, with the values as they are written.
pub(super) fn blank_separated(text: &str) -> Vec<(&str, &str)> {
    let mut pairs = Vec::new();
    let mut open: Option<(&str, usize)> = None;
    let mut is_escaped = false;
    for (position, byte) in text.bytes().enumerate() {
        if byte == b'='
            && !is_escaped
            && let Some(begin) = key_before(text, position)
        {
            if let Some((key, value)) = open {
                pairs.push((key, text[value..begin].trim()));
            }
            if pairs.len() == KEYS_MAX {
                return pairs;
            }
            open = Some((&text[begin..position], position + 1));
        }
        is_escaped = byte == b'\\' && !is_escaped;
    }
    if let Some((key, value)) = open {
        pairs.push((key, text[value..].trim()));
    }
    pairs
}

/// Returns where the key begins that ends here, if a whole word is one.
fn key_before(text: &str, end: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.[]".contains(byte);
    let length = bytes[..end].iter().rev().take_while(|byte| is_part(byte)).count();
    let begin = end - length;
    let is_separated = begin == 0 || bytes[begin - 1].is_ascii_whitespace();
    (length > 0 && is_separated).then_some(begin)
}

/// Returns the pairs of a text in which this separates them.
pub(super) fn separated_by<'a>(text: &'a str, separator: &str) -> Vec<(&'a str, &'a str)> {
    text.split(separator)
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.trim(), value.trim()))
        .filter(|(key, _)| !key.is_empty())
        .take(KEYS_MAX)
        .collect()
}

/// Resolves the escapes of a header or a value. A backslash before any other character stands for
/// itself, because many products write paths of Windows without escapes.
pub(super) fn without_escapes(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut resolved = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        if next != '\\' {
            resolved.push(next);
            continue;
        }
        match rest.next() {
            Some('n') => resolved.push('\n'),
            Some('r') => resolved.push('\r'),
            Some(escaped @ ('\\' | '=' | '|')) => resolved.push(escaped),
            Some(other) => resolved.extend(['\\', other]),
            None => resolved.push('\\'),
        }
    }
    Cow::Owned(resolved)
}

/// How far into a line a format behind an unknown head is searched for, in bytes.
const HEAD_MAX: usize = 256;

/// Returns what follows a head of any form, from the first of these signs on that begins a word.
pub(super) fn behind_head<'a>(line: &'a str, signs: &[&str]) -> Option<&'a str> {
    let head = &line[..line.floor_char_boundary(HEAD_MAX)];
    let begin = signs
        .iter()
        .filter_map(|sign| head.find(sign))
        .find(|begin| line[..*begin].ends_with([' ', '\t']))?;
    Some(&line[begin..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_where_the_next_key_begins() {
        let text = r"foo=bar anotherkey=c:\\program files (|) has an \= to us!\n baz=0 e= a\\=1";
        let pairs = blank_separated(text);
        let expected = [
            ("foo", "bar"),
            ("anotherkey", r"c:\\program files (|) has an \= to us!\n"),
            ("baz", "0"),
            ("e", r"a\\=1"),
        ];
        assert_eq!(pairs, expected);
    }

    #[test]
    fn an_equals_sign_inside_an_address_is_part_of_it() {
        let pairs = blank_separated("request=http://x/?a=b&c=d é=1 x=漢");
        assert_eq!(pairs, [("request", "http://x/?a=b&c=d é=1"), ("x", "漢")]);
        assert_eq!(blank_separated("no pairs = here"), []);
    }

    #[test]
    fn a_header_is_split_at_bars_without_a_backslash() {
        let (fields, rest) = header_fields(r"a\|b|c\\| d é |e=f|g", 3).expect("three fields");
        assert_eq!(fields, ["a|b", r"c\", "d é"]);
        assert_eq!(rest, "e=f|g");
        assert_eq!(header_fields("a|b", 2).map(|(_, rest)| rest), Some(""));
        assert_eq!(header_fields("a|b", 3), None);
    }

    #[test]
    fn no_more_pairs_than_allowed() {
        let text: String = (0..5_000).map(|number| format!("k{number}=v ")).collect();
        assert_eq!(blank_separated(&text).len(), KEYS_MAX);
        assert_eq!(separated_by(&text, " ").len(), KEYS_MAX);
    }

    #[test]
    fn unknown_escapes_stay() {
        assert_eq!(without_escapes(r"C:\temp\漢\"), "C:\\temp\\漢\\");
        assert_eq!(without_escapes(r"a\nb\r\|"), "a\nb\r|");
    }
}
