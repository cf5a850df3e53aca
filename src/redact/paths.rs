//! Path patterns of rules, and where they lead in a record.
//!
//! Keys are compared folded ([`crate::text::fold`]: NFKC, lower case) and without invisible
//! characters. A key that contains dots counts as the keys between the dots, because producers
//! write `{"a.b":{"c":1}}` for `a.b.c`. Arrays do not count as a step.

use crate::text::fold;
use std::borrow::Cow;

/// The maximum number of steps of a path: a position in it is one bit of a number.
const STEPS_MAX: usize = 60;

/// The keys that lead to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PathPattern {
    /// The index of the rule that names the path.
    pub(super) rule: usize,
    steps: Vec<PathStep>,
    /// The index of the last step that names a key.
    last_key: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum PathStep {
    Key(String),
    /// Exactly one key, whatever it is.
    One,
    /// Any number of keys, including none.
    Many,
}

/// What can still match below a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lead {
    /// Nothing.
    Nowhere,
    /// The pattern's last key, at some depth.
    ToKey,
    /// Any key, at some depth.
    Anywhere,
}

impl PathPattern {
    pub(super) fn parse(rule: usize, path: &str) -> Option<Self> {
        let step = |step: &str| match step {
            "*" => Some(PathStep::One),
            "**" => Some(PathStep::Many),
            key => Some(key_form(key))
                .filter(|key| !key.is_empty())
                .map(|key| PathStep::Key(key.into_owned())),
        };
        let steps: Vec<PathStep> = path.split('.').map(step).collect::<Option<_>>()?;
        // A pattern of stars alone would match the record itself.
        let last_key = steps.iter().rposition(|step| matches!(step, PathStep::Key(_)))?;
        (steps.len() <= STEPS_MAX).then_some(Self { rule, steps, last_key })
    }

    /// Returns the last key that the pattern names.
    pub(super) fn key(&self) -> &str {
        match &self.steps[self.last_key] {
            PathStep::Key(key) => key,
            PathStep::One | PathStep::Many => "",
        }
    }

    /// Adds the positions that are reached without a key. A position is a set of bits: bit `n` says
    /// that the first `n` steps may have matched. Steps that are `**` may match nothing, so they
    /// may have matched as well.
    fn closed(&self, mut index: u64) -> u64 {
        for (number, step) in self.steps.iter().enumerate() {
            if *step == PathStep::Many && index >> number & 1 == 1 {
                index |= 2 << number;
            }
        }
        index
    }

    fn start(&self) -> u64 {
        self.closed(1)
    }

    /// Returns every position from which the last key is still to come.
    fn astray(&self) -> u64 {
        self.closed((2 << self.last_key) - 1)
    }

    /// Returns the position that a key leads to. `*` is any one key, so it matches all of a key
    /// with dots, or any part of it.
    fn follow(&self, index: u64, key: &str) -> u64 {
        let (mut index, mut within) = (index, 0_u64);
        let mut parts = key.split('.').map(str::trim).filter(|part| !part.is_empty()).peekable();
        // An empty key is a key too.
        let nothing = if parts.peek().is_none() { Some("") } else { None };
        for part in parts.chain(nothing) {
            let (mut next, mut taking) = (within << 1, within);
            for (number, step) in
                self.steps.iter().enumerate().filter(|(number, _)| index >> number & 1 == 1)
            {
                match step {
                    PathStep::Many => next |= 1 << number,
                    PathStep::One => {
                        next |= 2 << number;
                        taking |= 1 << number;
                    }
                    PathStep::Key(key) if key == part => next |= 2 << number,
                    PathStep::Key(_) => {}
                }
            }
            (index, within) = (self.closed(next), taking);
        }
        index
    }

    fn ends(&self, index: u64) -> bool {
        index >> self.steps.len() & 1 == 1
    }

    fn lead(&self, index: u64) -> Lead {
        let to_key = (2 << self.last_key) - 1;
        match index & !(1 << self.steps.len()) {
            0 => Lead::Nowhere,
            open if open & !to_key != 0 => Lead::Anywhere,
            _ => Lead::ToKey,
        }
    }
}

/// Returns the form in which a key is compared.
pub(super) fn key_form(key: &str) -> Cow<'_, str> {
    let folded = fold(key);
    if folded.is_ascii() && !folded.contains('\0') {
        return match folded {
            Cow::Borrowed(key) => Cow::Borrowed(key.trim()),
            Cow::Owned(key) if key.trim().len() == key.len() => Cow::Owned(key),
            Cow::Owned(key) => Cow::Owned(key.trim().to_owned()),
        };
    }
    Cow::Owned(
        folded.chars().filter(|letter| !is_unseen(*letter)).collect::<String>().trim().to_owned(),
    )
}

/// Returns whether a character is invisible when a text is shown.
pub(super) fn is_unseen(letter: char) -> bool {
    matches!(letter,
        '\0' | '\u{ad}' | '\u{34f}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e01ef}')
}

/// The current position in a record for every pattern, on top of those of the enclosing keys.
#[derive(Debug)]
pub(super) struct PatternPositions<'r> {
    patterns: &'r [PathPattern],
    indexes: Vec<u64>,
    astray: bool,
}

impl<'r> PatternPositions<'r> {
    /// Starts at the beginning of a record or, with `astray`, somewhere within one, so that every
    /// pattern may have begun already.
    pub(super) fn new(patterns: &'r [PathPattern], astray: bool) -> Self {
        let start = |pattern: &PathPattern| if astray { pattern.astray() } else { pattern.start() };
        Self { patterns, indexes: patterns.iter().map(start).collect(), astray }
    }

    fn here(&self) -> usize {
        self.indexes.len() - self.patterns.len()
    }

    /// Returns the positions that a key leads to.
    fn after(&self, key: &str) -> impl Iterator<Item = u64> {
        let key = key_form(key);
        let indexes = self.patterns.iter().zip(&self.indexes[self.here()..]);
        indexes.map(move |(pattern, index)| {
            pattern.follow(*index, &key) | if self.astray { pattern.astray() } else { 0 }
        })
    }

    pub(super) fn enter(&mut self, key: &str) {
        let after: Vec<u64> = self.after(key).collect();
        self.indexes.extend(after);
    }

    /// Returns the positions that any of several keys leads to.
    pub(super) fn after_any<'k>(&self, keys: impl Iterator<Item = Cow<'k, str>>) -> Vec<u64> {
        let mut indexes = vec![0; self.patterns.len()];
        for key in keys {
            indexes.iter_mut().zip(self.after(&key)).for_each(|(index, after)| *index |= after);
        }
        indexes
    }

    /// Returns the positions at the beginning of a record.
    pub(super) fn beginning(&self) -> Vec<u64> {
        self.patterns.iter().map(PathPattern::start).collect()
    }

    /// Adds other positions to the current ones.
    pub(super) fn be_also(&mut self, others: &[u64]) {
        let here = self.here();
        self.indexes[here..].iter_mut().zip(others).for_each(|(index, other)| *index |= other);
    }

    /// Returns the positions before the last key.
    pub(super) fn above(&self) -> Vec<u64> {
        let above = self.here().saturating_sub(self.patterns.len());
        self.indexes[above..above + self.patterns.len()].to_vec()
    }

    pub(super) fn leave(&mut self) {
        let here = self.here();
        self.indexes.truncate(here);
    }

    /// Returns the first pattern that ends here.
    pub(super) fn matched(&self) -> Option<&'r PathPattern> {
        let mut indexes = self.patterns.iter().zip(&self.indexes[self.here()..]);
        indexes.find(|(pattern, index)| pattern.ends(**index)).map(|(pattern, _)| pattern)
    }

    /// Returns the patterns that could still match below, and how.
    pub(super) fn leads(&self) -> impl Iterator<Item = (&'r PathPattern, Lead)> {
        let indexes = self.patterns.iter().zip(&self.indexes[self.here()..]);
        indexes
            .map(|(pattern, index)| (pattern, pattern.lead(*index)))
            .filter(|(_, lead)| *lead != Lead::Nowhere)
    }
}
