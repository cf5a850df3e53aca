//! Patterns for whole values: `*` matches any text, `?` any one character, and `\` makes the next
//! character literal.

use super::fold::fold;
use std::fmt;

/// A pattern that a whole value must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    parts: Vec<GlobPart>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum GlobPart {
    Text(String),
    One,
    Many,
}

impl Glob {
    /// Parses a pattern.
    pub fn parse(pattern: &str) -> Self {
        let mut glob = Self { parts: Vec::new() };
        let mut letters = pattern.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '*' => glob.push(GlobPart::Many),
                '?' => glob.push(GlobPart::One),
                // A backslash before any other character is literal: Windows paths are full of
                // them.
                '\\' => match letters.clone().next() {
                    Some(next @ ('*' | '?' | '\\')) => {
                        letters.next();
                        glob.push_letter(next);
                    }
                    _ => glob.push_letter('\\'),
                },
                other => glob.push_letter(other),
            }
        }
        glob
    }

    /// Creates the pattern that matches exactly this text.
    pub fn literal(text: &str) -> Self {
        let parts =
            if text.is_empty() { Vec::new() } else { vec![GlobPart::Text(text.to_owned())] };
        Self { parts }
    }

    /// Allows any text before the pattern.
    #[must_use]
    pub fn anything_before(mut self) -> Self {
        if self.parts.first() != Some(&GlobPart::Many) {
            self.parts.insert(0, GlobPart::Many);
        }
        self
    }

    /// Allows any text after the pattern.
    #[must_use]
    pub fn anything_after(mut self) -> Self {
        self.push(GlobPart::Many);
        self
    }

    /// Folds the pattern, for matching folded texts.
    #[must_use]
    pub fn folded(mut self) -> Self {
        for part in &mut self.parts {
            if let GlobPart::Text(text) = part {
                *text = fold(text).into_owned();
            }
        }
        self
    }

    fn push(&mut self, part: GlobPart) {
        if part != GlobPart::Many || self.parts.last() != Some(&GlobPart::Many) {
            self.parts.push(part);
        }
    }

    fn push_letter(&mut self, letter: char) {
        if let Some(GlobPart::Text(text)) = self.parts.last_mut() {
            text.push(letter);
        } else {
            self.parts.push(GlobPart::Text(letter.to_string()));
        }
    }

    /// Returns whether the pattern is only `*`.
    pub fn is_anything(&self) -> bool {
        self.parts == [GlobPart::Many]
    }

    /// Returns the texts that every matching value contains, each with whether the value begins
    /// with it and whether the value ends with it.
    pub fn literals(&self) -> impl Iterator<Item = (&str, bool, bool)> {
        let last = self.parts.len().saturating_sub(1);
        self.parts.iter().enumerate().filter_map(move |(index, part)| match part {
            GlobPart::Text(text) => Some((text.as_str(), index == 0, index == last)),
            _ => None,
        })
    }

    /// Returns whether the whole value matches. The time for each part is linear in the value:
    /// after the last `*`, only the most recent one is ever retried.
    pub fn matches(&self, value: &str) -> bool {
        let (mut part, mut at) = (0, 0);
        let mut again: Option<(usize, usize)> = None;
        loop {
            let step = match self.parts.get(part) {
                None if at == value.len() => return true,
                None => None,
                Some(GlobPart::Many) => {
                    again = Some((part, at));
                    Some((part + 1, at))
                }
                Some(GlobPart::One) => {
                    value[at..].chars().next().map(|letter| (part + 1, at + letter.len_utf8()))
                }
                Some(GlobPart::Text(text)) => {
                    value[at..].starts_with(text.as_str()).then(|| (part + 1, at + text.len()))
                }
            };
            let Some((next_part, next_at)) = step else {
                let Some((star, from)) = again else { return false };
                let Some(next) = self.advance(value, star, from) else { return false };
                again = Some((star, next));
                (part, at) = (star + 1, next);
                continue;
            };
            (part, at) = (next_part, next_at);
        }
    }

    /// Returns the next offset after `from` at which the part after the star may begin.
    fn advance(&self, value: &str, star: usize, from: usize) -> Option<usize> {
        let after = from + value[from..].chars().next()?.len_utf8();
        match self.parts.get(star + 1) {
            Some(GlobPart::Text(text)) => {
                value[after..].find(text.as_str()).map(|found| after + found)
            }
            None => Some(value.len()),
            _ => Some(after),
        }
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                GlobPart::Many => out.write_str("*")?,
                GlobPart::One => out.write_str("?")?,
                GlobPart::Text(text) => {
                    for letter in text.chars() {
                        if matches!(letter, '*' | '?' | '\\') {
                            out.write_str("\\")?;
                        }
                        write!(out, "{letter}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stars_marks_and_escapes() {
        for (pattern, value, expected) in [
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("*b*", "abc", true),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abcdef", false),
            ("a?c", "a中c", true),
            ("a?c", "ac", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("?*", "", false),
            (r"a\*", "a*", true),
            (r"a\*", "ab", false),
            (r"C:\Windows\*", r"C:\Windows*", true),
            (r"C:\Windows\\*", r"C:\Windows\system", true),
            ("*ab*ab", "abab", true),
            ("*aab", "aaab", true),
            ("**", "x", true),
        ] {
            assert_eq!(Glob::parse(pattern).matches(value), expected, "{pattern} {value}");
        }
    }

    /// The plain recursive meaning.
    fn oracle(pattern: &[char], value: &[char]) -> bool {
        match pattern {
            [] => value.is_empty(),
            ['*', rest @ ..] => (0..=value.len()).any(|skipped| oracle(rest, &value[skipped..])),
            ['?', rest @ ..] => !value.is_empty() && oracle(rest, &value[1..]),
            [letter, rest @ ..] => value.first() == Some(letter) && oracle(rest, &value[1..]),
        }
    }

    proptest! {
        #[test]
        fn patterns_mean_what_the_plain_definition_says(
            pattern in "[ab中*?]{0,8}",
            value in "[ab中]{0,10}",
        ) {
            let letters = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(
                Glob::parse(&pattern).matches(&value),
                oracle(&letters(&pattern), &letters(&value))
            );
        }

        #[test]
        fn a_pattern_is_written_as_it_is_read(pattern in "[ab*?\\\\]{0,8}") {
            let glob = Glob::parse(&pattern);
            prop_assert_eq!(Glob::parse(&glob.to_string()), glob);
        }
    }
}
