//! The lexical grammar of JSON, read leniently: on any input it says where strings and literals
//! are, and it never panics.
//!
//! Both the search for texts ([`super::walk`]) and redaction, which must not miss one, read with
//! this lexer, so that both see the same keys and values.

use memchr::memchr2;
use std::borrow::Cow;

/// A position in a text that should be JSON.
#[derive(Debug, Clone)]
pub struct Lexer<'a> {
    json: &'a str,
    at: usize,
}

/// A string as it is written, without its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quoted<'a> {
    inner: &'a str,
    escaped: bool,
}

impl<'a> Lexer<'a> {
    /// Starts at the beginning of a text.
    pub fn new(json: &'a str) -> Self {
        Self { json, at: 0 }
    }

    /// Returns what was not read yet.
    pub fn rest(&self) -> &'a str {
        self.json.get(self.at..).unwrap_or_default()
    }

    /// Returns the number of bytes read so far.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Returns the next byte that is not white space, without consuming it.
    pub fn peek(&mut self) -> Option<u8> {
        let bytes = self.json.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    /// Consumes the bracket, comma or colon that was just seen.
    pub fn step(&mut self) {
        self.at += 1;
    }

    /// Consumes the string whose opening quote was just seen; `None` if it does not end.
    pub fn string(&mut self) -> Option<Quoted<'a>> {
        let start = self.at + 1;
        let bytes = self.json.as_bytes();
        let mut at = start;
        let mut escaped = false;
        loop {
            at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
            if bytes[at] == b'"' {
                break;
            }
            escaped = true;
            at += 2;
        }
        self.at = at + 1;
        Some(Quoted { inner: self.json.get(start..at)?, escaped })
    }

    /// Consumes a literal up to a comma, a closing bracket or white space; `None` if it is empty.
    pub fn literal(&mut self) -> Option<&'a str> {
        let rest = self.json.get(self.at..)?;
        let length = rest
            .find(|letter: char| matches!(letter, ',' | '}' | ']') || letter.is_whitespace())
            .unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).filter(|literal| !literal.is_empty())
    }
}

impl<'a> Quoted<'a> {
    /// Returns the text that the string stands for.
    pub fn text(self) -> Cow<'a, str> {
        if self.escaped { Cow::Owned(unescape(self.inner)) } else { Cow::Borrowed(self.inner) }
    }

    /// Returns whether every escape is valid JSON. Half a surrogate pair is.
    pub fn is_sound(self) -> bool {
        let bytes = self.inner.as_bytes();
        let mut at = 0;
        while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr(b'\\', rest)) {
            at += found + 2;
            match bytes.get(at - 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {}
                Some(b'u') if unit(&bytes[at..]).is_some() => at += 4,
                _ => return false,
            }
        }
        true
    }
}

/// Parses four hexadecimal digits.
fn unit(bytes: &[u8]) -> Option<u32> {
    bytes
        .get(..4)?
        .iter()
        .try_fold(0, |unit, byte| Some((unit << 4) | char::from(*byte).to_digit(16)?))
}

/// Returns the text that an escaped string stands for. Half a surrogate pair stands for no
/// character, so it becomes U+FFFD; an invalid escape stands for itself, without its backslash.
pub fn unescape(inner: &str) -> String {
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let mut after = rest[at + 1..].chars();
        let letter = after.next();
        rest = after.as_str();
        match letter {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('u') => {
                let Some(first) = unit(rest.as_bytes()) else { continue };
                rest = &rest[4..];
                let second = rest.strip_prefix("\\u").and_then(|rest| unit(rest.as_bytes()));
                match (first, second.filter(|second| (0xdc00..0xe000).contains(second))) {
                    (0xd800..0xdc00, Some(second)) => {
                        rest = &rest[6..];
                        text.extend(char::from_u32(
                            0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00),
                        ));
                    }
                    _ => text.push(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)),
                }
            }
            Some(other) => text.push(other),
            None => {}
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_become_what_they_stand_for() {
        assert_eq!(
            unescape(r#"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude80\ud800x"#),
            "\"\\/\u{8}\u{c}\n\r\té🚀\u{fffd}x"
        );
        assert_eq!(unescape(r"\x\u12\u+123\"), "x12+123");
    }

    #[test]
    fn escapes_that_json_does_not_have_are_told() {
        for (string, sound) in [
            (r#""""#, true),
            (r#""\u00e9\ud800\"\\""#, true),
            (r#""\x""#, false),
            (r#""\u12""#, false),
            (r#""\u+123""#, false),
            (r#""é""#, true),
        ] {
            assert_eq!(Lexer::new(string).string().map(Quoted::is_sound), Some(sound), "{string}");
        }
    }

    proptest! {
        #[test]
        fn what_serde_reads_is_sound_and_the_same(string in "\"([a\\\\u0-9d-f\"/n中])*\"") {
            if let Ok(text) = serde_json::from_str::<String>(&string) {
                let quoted = Lexer::new(&string).string().expect("it ends");
                prop_assert!(quoted.is_sound());
                prop_assert_eq!(quoted.text(), text);
            }
        }

        #[test]
        fn nothing_makes_it_panic(text in "[\\[\\]{}\":,\\\\un0-9a 中]{0,40}") {
            let mut lexer = Lexer::new(&text);
            let _ = lexer.peek();
            let _ = lexer.clone().literal();
            if let Some(string) = lexer.string() {
                let _ = (string.is_sound(), string.text());
            }
            let _ = unescape(&text);
        }
    }
}
