//! Splits a stream into records: one JSON object a line, objects over several lines, arrays, and the envelopes that
//! clouds deliver (`{"Records":[…]}`, `{"traces":[…]}`, `{"items":[…]}` …).
//!
//! Nothing is lost here: what is no JSON comes out as a piece too, for the decoder to refuse with its line.

use super::accept::Record;
use crate::decode;
use crate::error::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::VecDeque;
use std::io::{self, BufRead};

/// The largest record, in bytes: 1 MiB.
pub const RECORD_BYTES_MAX: usize = 1 << 20;
/// The largest array, envelope or object over several lines, in bytes: 512 MiB.
const DOCUMENT_BYTES_MAX: usize = 512 << 20;

/// The records of a stream, one after another.
#[derive(Debug)]
pub struct RecordSplitter<R> {
    input: R,
    line: u64,
    /// A document over several lines that has begun: its first line, its bytes, and how deep it is open.
    open: Option<(u64, Vec<u8>, Nesting)>,
    ready: VecDeque<Record>,
    ended: bool,
}

/// Where in JSON a reader stands: which brackets are open, and whether inside a text.
#[derive(Debug, Default)]
struct Nesting {
    open: Vec<u8>,
    in_text: bool,
    escaped: bool,
    /// A bracket was closed that was not open.
    broken: bool,
}

impl<R: BufRead> RecordSplitter<R> {
    /// The records of `input`.
    pub fn new(input: R) -> Self {
        Self { input, line: 0, open: None, ready: VecDeque::new(), ended: false }
    }

    /// The next record; `None` at the end.
    ///
    /// # Errors
    /// A stream that cannot be read or unpacked to its end; what came before was given out.
    pub fn next_record(&mut self) -> Result<Option<Record>> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return Ok(Some(record));
            }
            if self.ended {
                return Ok(None);
            }
            self.read_line()?;
        }
    }

    fn read_line(&mut self) -> Result<()> {
        let mut line = Vec::new();
        let read = self.input.read_until(b'\n', &mut line).map_err(|cause| self.unreadable(cause))?;
        if read == 0 {
            self.ended = true;
            if let Some((first, bytes, _)) = self.open.take() {
                self.ready.extend(salvage(first, &bytes));
            }
            return Ok(());
        }
        self.line += 1;
        if self.line == 1 && line.starts_with(b"\xef\xbb\xbf") {
            line.drain(..3);
        }
        self.take_line(line)
    }

    fn take_line(&mut self, line: Vec<u8>) -> Result<()> {
        if let Some((first, mut bytes, mut nesting)) = self.open.take() {
            // Where a key is due, a whole object at the beginning of a line means that what was open was cut off.
            if nesting.open.last() == Some(&b'{') && is_object(&line) {
                self.ready.push_back(Record { line: first, bytes: trim(&bytes).to_vec() });
            } else {
                nesting.read(&line);
                bytes.extend_from_slice(&line);
                return self.continue_with(first, bytes, nesting);
            }
        }
        if trim(&line).is_empty() {
            return Ok(());
        }
        let mut nesting = Nesting::default();
        if matches!(trim(&line).first(), Some(b'{' | b'[')) {
            nesting.read(&line);
        }
        self.continue_with(self.line, line, nesting)
    }

    fn continue_with(&mut self, first: u64, bytes: Vec<u8>, nesting: Nesting) -> Result<()> {
        if nesting.is_closed() || nesting.broken {
            self.ready.extend(records_of(first, trim(&bytes)));
            return Ok(());
        }
        if bytes.len() > DOCUMENT_BYTES_MAX {
            let what = format!("line {first}: a document of more than {DOCUMENT_BYTES_MAX} bytes");
            return Err(Error::new(ErrorKind::TooLarge, what));
        }
        self.open = Some((first, bytes, nesting));
        Ok(())
    }

    fn unreadable(&self, cause: io::Error) -> Error {
        let what = match cause.kind() {
            io::ErrorKind::UnexpectedEof => format!("the stream is cut off after line {}", self.line),
            _ => format!("cannot read on after line {}", self.line),
        };
        let kind = if cause.kind() == io::ErrorKind::FileTooLarge { ErrorKind::TooLarge } else { ErrorKind::Invalid };
        Error::new(kind, what).because(cause)
    }
}

impl Nesting {
    fn read(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            at += 1;
            if !self.in_text {
                match byte {
                    b'"' => self.in_text = true,
                    b'{' | b'[' => self.open.push(*byte),
                    // In ASCII a closing bracket is two after its opening one.
                    b'}' | b']' => self.broken |= self.open.pop() != Some(byte - 2),
                    _ => {}
                }
                continue;
            }
            if self.escaped {
                self.escaped = false;
                continue;
            }
            // Most of a record is text, in which only its end and escapes matter.
            let Some(found) = memchr::memchr2(b'"', b'\\', &bytes[at - 1..]) else { return };
            at += found;
            if bytes[at - 1] == b'"' { self.in_text = false } else { self.escaped = true }
        }
    }

    fn is_closed(&self) -> bool {
        self.open.is_empty() && !self.in_text
    }
}

/// Whether a line is an object by itself, but for a comma after it.
fn is_object(line: &[u8]) -> bool {
    let mut nesting = Nesting::default();
    line.starts_with(b"{") && {
        nesting.read(line);
        nesting.is_closed() && !nesting.broken
    }
}

/// The records in a document that was never closed: its lines that are objects by themselves, and what is between them.
fn salvage(first: u64, bytes: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    let mut rest: Option<Record> = None;
    for (line, text) in (first..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
        if is_object(text) {
            records.extend(rest.take());
            let text = trim(text);
            records.extend(records_of(line, text.strip_suffix(b",").unwrap_or(text)));
        } else {
            rest.get_or_insert_with(|| Record { line, bytes: Vec::new() }).bytes.extend_from_slice(text);
        }
    }
    records.extend(rest);
    records.retain_mut(|record| {
        record.bytes = trim(&record.bytes).to_vec();
        !record.bytes.is_empty()
    });
    records
}

fn trim(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}

/// The records in one JSON value: the items of an array or an envelope, or the value itself.
fn records_of(line: u64, value: &[u8]) -> Vec<Record> {
    let itself = || vec![Record { line, bytes: value.to_vec() }];
    let Ok(text) = std::str::from_utf8(value) else { return itself() };
    let items = match value.first() {
        Some(b'[') if !too_deep(value) => serde_json::from_str::<Vec<&RawValue>>(text).ok(),
        Some(b'{') => envelope(text),
        _ => None,
    };
    match items {
        Some(items) => items.into_iter().flat_map(|item| nested(line, item.get())).collect(),
        None => itself(),
    }
}

/// An item of an array may be an envelope itself: exports of deliveries are lists of files.
fn nested(line: u64, item: &str) -> Vec<Record> {
    match envelope(item) {
        Some(items) => items.into_iter().map(|item| Record { line, bytes: item.get().as_bytes().to_vec() }).collect(),
        None => vec![Record { line, bytes: item.as_bytes().to_vec() }],
    }
}

/// The keys under which clouds deliver lists of records.
const ENVELOPES: &[&str] = &["\"Records\"", "\"traces\"", "\"records\"", "\"items\"", "\"entries\"", "\"events\""];
/// How far into a value an envelope's key is looked for, in bytes.
const ENVELOPE_HEAD: usize = 4_096;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "Records")]
    cloudtrail: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    traces: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    records: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    entries: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    events: Option<Vec<&'a RawValue>>,
}

fn envelope(text: &str) -> Option<Vec<&RawValue>> {
    let head = &text[..text.floor_char_boundary(ENVELOPE_HEAD)];
    if !ENVELOPES.iter().any(|key| head.contains(key)) || too_deep(text.as_bytes()) || decode::detect(text).is_some() {
        return None;
    }
    let envelope: Envelope<'_> = serde_json::from_str(text).ok()?;
    let lists = [envelope.cloudtrail, envelope.traces, envelope.records, envelope.items, envelope.entries, envelope.events];
    let mut lists = lists.into_iter().flatten();
    // Two lists are not an envelope that we know.
    lists.next().filter(|_| lists.next().is_none())
}

/// Deeper than any record in an envelope may be; parsing deeper values could exhaust the stack.
fn too_deep(value: &[u8]) -> bool {
    let mut nesting = Nesting::default();
    value.chunks(256).any(|bytes| {
        nesting.read(bytes);
        nesting.open.len() > decode::DEPTH_MAX + 8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(input: &str) -> Vec<(u64, String)> {
        let mut splitter = RecordSplitter::new(input.as_bytes());
        let mut records = Vec::new();
        while let Some(record) = splitter.next_record().expect("memory can be read") {
            records.push((record.line, String::from_utf8(record.bytes).expect("text")));
        }
        records
    }

    #[test]
    fn lines_arrays_and_envelopes_are_lists_of_records() {
        let one_two = |line: u64| vec![(line, "{\"a\":1}".to_owned()), (line, "{\"b\":[2]}".to_owned())];
        assert_eq!(split("{\"a\":1}\n\n{\"b\":[2]}"), [(1, "{\"a\":1}".to_owned()), (3, "{\"b\":[2]}".to_owned())]);
        assert_eq!(split("[{\"a\":1},{\"b\":[2]}]"), one_two(1));
        assert_eq!(split("{\"Records\":[{\"a\":1},{\"b\":[2]}]}"), one_two(1));
        assert_eq!(split("{\"meta_data\":{\"count\":2},\n \"traces\":[{\"a\":1},{\"b\":[2]}]}"), one_two(1));
        assert_eq!(split("[{\"Records\":[{\"a\":1}]},{\"b\":[2]}]"), one_two(1));
        assert_eq!(split("[]"), []);
    }

    #[test]
    fn an_object_over_several_lines_is_one_record() {
        assert_eq!(split("\n{\n \"a\": 1\n}\n{\"b\":2}\n"), [(2, "{\n \"a\": 1\n}".to_owned()), (5, "{\"b\":2}".to_owned())]);
    }

    #[test]
    fn what_is_no_json_comes_out_with_its_line_and_takes_nothing_with_it() {
        let records = split("nonsense\n{\"a\":1\n{\"b\":2}\n}}\n{\"c\":3}\n{\"d\":\"");
        let expected = [(1, "nonsense"), (2, "{\"a\":1"), (3, "{\"b\":2}"), (4, "}}"), (5, "{\"c\":3}"), (6, "{\"d\":\"")];
        assert_eq!(records, expected.map(|(line, text)| (line, text.to_owned())));
    }

    #[test]
    fn arrays_with_an_object_on_each_line_are_one_document() {
        let array = "[\n{\"a\":1},\n{\"b\":[\n2]}\n]\n{\"c\":3}";
        assert_eq!(split(array), [(1, "{\"a\":1}".to_owned()), (1, "{\"b\":[\n2]}".to_owned()), (6, "{\"c\":3}".to_owned())]);
        let envelope = "{\"Records\":[\n{\"a\":1},\n{\"b\":2}\n]}";
        assert_eq!(split(envelope), [(1, "{\"a\":1}".to_owned()), (1, "{\"b\":2}".to_owned())]);
    }

    #[test]
    fn a_document_that_is_never_closed_gives_its_whole_objects() {
        let cut = split("[\n{\"a\":1},\n{\"b\":2},\n{\"c\":");
        assert_eq!(cut, [(1, "["), (2, "{\"a\":1}"), (3, "{\"b\":2}"), (4, "{\"c\":")].map(|(line, text)| (line, text.to_owned())));
        let swallowed = split("{\"x\":[1,\n{\"a\":1}\n{\"b\":2}");
        assert_eq!(swallowed, [(1, "{\"x\":[1,"), (2, "{\"a\":1}"), (3, "{\"b\":2}")].map(|(line, text)| (line, text.to_owned())));
    }

    #[test]
    fn brackets_without_end_are_one_piece() {
        let deep = "[".repeat(1_000_000);
        assert_eq!(split(&deep), [(1, deep.clone())]);
        let closed = format!("{deep}{}", "]".repeat(1_000_000));
        assert_eq!(split(&closed).len(), 1);
    }
}
