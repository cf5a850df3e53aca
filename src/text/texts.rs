//! The texts of one record, collected once so that many tests can use them.

use super::fold::fold;
use super::walk::{WalkStep, walk};

/// One text of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordText<'a> {
    /// The path that leads to it: keys joined by dots; arrays add nothing.
    pub path: &'a str,
    /// The text, escapes resolved.
    pub raw: &'a str,
    /// The text, folded.
    pub folded: &'a str,
    /// The role of the text in the record.
    pub kind: TextKind,
}

/// The role of a text in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    /// The key of an object; its path ends in it.
    Key,
    /// A value: a string, a number, a truth value.
    Value,
    /// A string that is JSON; its own texts follow it.
    Embedded,
    /// Not a text: an object or an array begins here.
    Container,
}

/// The texts of one record.
#[derive(Debug, Clone, Default)]
pub struct RecordTexts {
    arena: String,
    entries: Vec<TextEntry>,
}

#[derive(Debug, Clone, Copy)]
struct TextEntry {
    path: (u32, u32),
    raw: (u32, u32),
    folded: (u32, u32),
    kind: TextKind,
}

impl RecordTexts {
    /// Collects the texts of a record.
    pub fn of(record: &str) -> Self {
        let mut texts = Self {
            arena: String::with_capacity(record.len() * 2),
            entries: Vec::with_capacity(64),
        };
        walk(record, &mut |path, part| texts.add(path, part));
        texts
    }

    fn add(&mut self, path: &str, part: WalkStep<'_>) {
        let (kind, text) = match part {
            WalkStep::Key(key) => (TextKind::Key, key),
            WalkStep::Text(text) | WalkStep::Literal(text) => (TextKind::Value, text),
            WalkStep::Embedded(text) => (TextKind::Embedded, text),
            WalkStep::Container(_) => (TextKind::Container, ""),
        };
        // A value's path is that of the key before it, except in arrays and below them, where it
        // repeats.
        let known =
            self.entries.last().map(|entry| entry.path).filter(|known| self.piece(*known) == path);
        let path = known.unwrap_or_else(|| self.keep(path));
        let raw = self.keep(text);
        let folded = fold(text);
        let folded = if folded == text { raw } else { self.keep(&folded) };
        self.entries.push(TextEntry { path, raw, folded, kind });
    }

    fn keep(&mut self, text: &str) -> (u32, u32) {
        let start = self.arena.len() as u32;
        self.arena.push_str(text);
        (start, self.arena.len() as u32)
    }

    fn piece(&self, index: (u32, u32)) -> &str {
        &self.arena[index.0 as usize..index.1 as usize]
    }

    /// Iterates over all texts.
    pub fn iter(&self) -> impl Iterator<Item = RecordText<'_>> {
        self.entries.iter().map(|entry| RecordText {
            path: self.piece(entry.path),
            raw: self.piece(entry.raw),
            folded: self.piece(entry.folded),
            kind: entry.kind,
        })
    }
}
