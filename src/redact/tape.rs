//! Reads JSON to its end before any of it is judged, because what follows can reveal that what came
//! before was something else.
//!
//! A text parses completely if it is one JSON value from its first byte to its last. That includes
//! everything that the decoders accept, and a few things that they refuse and that change neither
//! keys nor paths (control characters within strings).

use crate::text::Lexer;

/// A key or value, or the rest of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) kind: TapeTokenKind,
    /// Offsets of its first byte and of the byte after its last, quotes and brackets included.
    pub(super) start: u32,
    pub(super) end: u32,
    /// The index of the node after it and everything in it. A key's value is the node after the
    /// key.
    pub(super) next: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TapeTokenKind {
    Object,
    Array,
    Key,
    Text,
    Literal,
}

/// The nodes of a text, in order.
#[derive(Debug)]
pub(super) struct Tape {
    pub(super) nodes: Vec<Node>,
    /// Where the text stopped being JSON, if it did.
    pub(super) fault: Option<Fault>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    /// The number of bytes that parsed.
    pub(super) at: usize,
    /// Whether the text ends there and could have continued.
    pub(super) is_cut: bool,
}

/// Reads a text of less than 4 GiB whose objects and arrays nest at most `levels` deep.
pub(super) fn read(json: &str, levels: usize) -> Tape {
    let mut reader =
        TapeReader { json, lexer: Lexer::new(json), nodes: Vec::new(), open: Vec::new(), levels };
    let fault = reader.read().err();
    while let Some(open) = reader.open.pop() {
        reader.close(open, fault.map_or(json.len(), |fault| fault.at));
    }
    Tape { nodes: reader.nodes, fault }
}

struct TapeReader<'a> {
    json: &'a str,
    lexer: Lexer<'a>,
    nodes: Vec<Node>,
    /// The objects and arrays that are open.
    open: Vec<usize>,
    levels: usize,
}

impl TapeReader<'_> {
    fn read(&mut self) -> Result<(), Fault> {
        self.value()?;
        while let Some(open) = self.open.last().copied() {
            let object = self.nodes[open].kind == TapeTokenKind::Object;
            let empty = self.nodes.len() == open + 1;
            match self.due()? {
                b'}' if object => self.closed(open),
                b']' if !object => self.closed(open),
                b',' if !empty => {
                    self.lexer.step();
                    self.member(object)?;
                }
                _ if empty => self.member(object)?,
                _ => return Err(self.stray()),
            }
        }
        self.lexer.peek().map_or(Ok(()), |_| Err(self.stray()))
    }

    fn stray(&self) -> Fault {
        Fault { at: self.lexer.at(), is_cut: false }
    }

    /// Takes the next byte, which must exist.
    fn due(&mut self) -> Result<u8, Fault> {
        self.lexer.peek().ok_or(Fault { at: self.json.len(), is_cut: true })
    }

    fn closed(&mut self, open: usize) {
        self.lexer.step();
        self.open.pop();
        self.close(open, self.lexer.at());
    }

    fn close(&mut self, open: usize, end: usize) {
        let next = self.nodes.len() as u32;
        let node = &mut self.nodes[open];
        (node.end, node.next) = (end as u32, next);
    }

    fn add(&mut self, kind: TapeTokenKind, start: usize) {
        let next = self.nodes.len() as u32 + 1;
        self.nodes.push(Node { kind, start: start as u32, end: self.lexer.at() as u32, next });
    }

    fn member(&mut self, object: bool) -> Result<(), Fault> {
        if object {
            if self.due()? != b'"' {
                return Err(self.stray());
            }
            self.string(TapeTokenKind::Key)?;
            if self.due()? != b':' {
                return Err(self.stray());
            }
            self.lexer.step();
        }
        self.value()
    }

    fn value(&mut self) -> Result<(), Fault> {
        match self.due()? {
            bracket @ (b'{' | b'[') => {
                if self.open.len() >= self.levels {
                    return Err(self.stray());
                }
                self.open.push(self.nodes.len());
                let start = self.lexer.at();
                self.lexer.step();
                self.add(
                    if bracket == b'{' { TapeTokenKind::Object } else { TapeTokenKind::Array },
                    start,
                );
                Ok(())
            }
            b'"' => self.string(TapeTokenKind::Text),
            _ => self.literal(),
        }
    }

    fn string(&mut self, kind: TapeTokenKind) -> Result<(), Fault> {
        let start = self.lexer.at();
        match self.lexer.string() {
            Some(string) if string.is_sound() => {
                self.add(kind, start);
                Ok(())
            }
            string => Err(Fault { at: start, is_cut: string.is_none() }),
        }
    }

    fn literal(&mut self) -> Result<(), Fault> {
        let start = self.lexer.at();
        let literal = self.lexer.literal().unwrap_or_default();
        if serde_json::from_str::<serde::de::IgnoredAny>(literal).is_err() {
            return Err(Fault { at: start, is_cut: self.lexer.at() == self.json.len() });
        }
        self.add(TapeTokenKind::Literal, start);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns where a text stops being JSON, and whether it is only truncated there.
    fn fault(json: &str) -> Option<(usize, bool)> {
        read(json, 8).fault.map(|fault| (fault.at, fault.is_cut))
    }

    #[test]
    fn it_is_told_where_json_ends_and_whether_it_is_cut_off() {
        for (json, expected) in [
            (r#" {"a":[1,{"b":null}],"c":"\ud800"} "#, None),
            ("\"a\"", None),
            ("1", None),
            (r#"{"a":1"#, Some((6, true))),
            (r#"{"a":1,"b"#, Some((7, true))),
            (r#"{"a":"#, Some((5, true))),
            ("", Some((0, true))),
            (r#"{"a":1} x"#, Some((8, false))),
            (r#"{"a":1}}"#, Some((7, false))),
            ("{'a':1}", Some((1, false))),
            (r#"{"a":1,}"#, Some((7, false))),
            (r#"{,"a":1}"#, Some((1, false))),
            (r#"{"a" 1}"#, Some((5, false))),
            (r#"{"a":"\x"}"#, Some((5, false))),
            (r#"{"a":NaN}"#, Some((5, false))),
            ("[1 2]", Some((3, false))),
            ("[1]]", Some((3, false))),
            ("{]", Some((1, false))),
            ("[[[[[[[[[1]]]]]]]]]", Some((8, false))),
        ] {
            assert_eq!(fault(json), expected, "{json}");
        }
    }

    proptest! {
        /// Everything that serde_json accepts parses completely.
        #[test]
        fn what_serde_accepts_is_read(
            json in "[\\[\\]{}\":,\\\\un0-9a 中]{0,40}",
            deep in 0_usize..9,
        ) {
            let json = format!("{}{json}{}", "[".repeat(deep), "]".repeat(deep));
            if serde_json::from_str::<serde::de::IgnoredAny>(&json).is_ok() {
                prop_assert_eq!(read(&json, 64).fault, None);
            }
        }
    }
}
