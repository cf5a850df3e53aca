//! A position in a text that moves forward over what it recognises.
//!
//! All formats read their heads with it, because a cursor that only ever moves to the end of
//! something it has seen cannot cut a character in two, and cannot read anything twice.

/// What is still to be read of a text. A method that returns `None` has not moved.
#[derive(Debug, Clone, Copy)]
pub(super) struct TextCursor<'a> {
    /// The text from here on.
    pub(super) rest: &'a str,
}

impl<'a> TextCursor<'a> {
    /// Begins at the start of a text.
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    /// Moves over this text.
    pub(super) fn skip(&mut self, wanted: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(wanted)?;
        Some(())
    }

    /// Moves over one of these characters and returns it.
    pub(super) fn one_of(&mut self, wanted: &[char]) -> Option<char> {
        let first = self.rest.chars().next().filter(|first| wanted.contains(first))?;
        self.rest = &self.rest[first.len_utf8()..];
        Some(first)
    }

    /// Moves over any blanks and tabs.
    pub(super) fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    /// Moves over blanks and tabs, of which there must be at least one.
    pub(super) fn gap(&mut self) -> Option<()> {
        let before = self.rest.len();
        self.blanks();
        (self.rest.len() < before).then_some(())
    }

    /// Moves over characters that pass the test, and returns them, perhaps none.
    pub(super) fn take_while(&mut self, test: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|found| !test(found)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// Moves over what comes before the next blank, which must be something, and that blank.
    pub(super) fn word(&mut self) -> Option<&'a str> {
        let (word, rest) = self.rest.split_once(' ').unwrap_or((self.rest, ""));
        if word.is_empty() {
            return None;
        }
        self.rest = rest;
        Some(word)
    }

    /// Moves over at most this many digits, and returns them; at least one.
    pub(super) fn digits(&mut self, most: usize) -> Option<&'a str> {
        let count = self.rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at(count);
        if digits.is_empty() {
            return None;
        }
        self.rest = rest;
        Some(digits)
    }

    /// Moves over a number of `least` to `most` digits.
    pub(super) fn number(&mut self, least: usize, most: usize) -> Option<u32> {
        let mut ahead = *self;
        let digits = ahead.digits(most).filter(|digits| digits.len() >= least)?;
        let number = digits.parse().ok()?;
        *self = ahead;
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_only_over_what_it_recognises() {
        let mut cursor = TextCursor::new("12é  x");
        assert_eq!(cursor.number(3, 4), None);
        assert_eq!(cursor.number(1, 2), Some(12));
        assert_eq!(cursor.one_of(&['a']), None);
        assert_eq!(cursor.one_of(&['é']), Some('é'));
        assert_eq!(cursor.gap(), Some(()));
        assert_eq!(cursor.gap(), None);
        assert_eq!(cursor.skip("y"), None);
        assert_eq!(cursor.word(), Some("x"));
        assert_eq!(cursor.word(), None);
    }

    #[test]
    fn digits_end_before_a_character_of_several_bytes() {
        let mut cursor = TextCursor::new("1漢");
        assert_eq!(cursor.digits(9), Some("1"));
        assert_eq!(cursor.take_while(|found| found == '漢'), "漢");
        assert_eq!(cursor.rest, "");
    }
}
