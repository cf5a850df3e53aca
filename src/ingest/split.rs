//! Splits a stream into records: one JSON object per line, objects over several lines, arrays, and
//! the envelopes that clouds deliver (`{"Records":[…]}`, `{"traces":[…]}`, `{"items":[…]}` …).
//!
//! Nothing is lost here: text that is not JSON is returned as a piece too, and the decoder refuses
//! it with its line number.

use super::record::IncomingRecord;
use crate::decode;
use crate::error::{Error, ErrorKind, Result};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::collections::VecDeque;
use std::io::{self, BufRead};

/// The largest array, envelope or object over several lines, in bytes: 512 MiB.
const DOCUMENT_BYTES_MAX: usize = 512 << 20;
/// The most records in one array or envelope: all of them are in memory at once.
const DOCUMENT_RECORDS_MAX: usize = 1_000_000;

/// Iterates over the records of a stream.
#[derive(Debug)]
pub struct RecordSplitter<R> {
    input: R,
    line: u64,
    /// A document over several lines that has begun: its first line, its bytes, and which brackets
    /// are open.
    open: Option<(u64, Vec<u8>, Nesting)>,
    ready: VecDeque<IncomingRecord>,
    ended: bool,
}

/// The state of a scan through JSON: which brackets are open, and whether it is inside a string.
#[derive(Debug, Default)]
struct Nesting {
    open: Vec<u8>,
    in_text: bool,
    escaped: bool,
    /// Whether a bracket was closed that was not open.
    broken: bool,
}

impl<R: BufRead> RecordSplitter<R> {
    /// Creates a splitter of `input`.
    pub fn new(input: R) -> Self {
        Self { input, line: 0, open: None, ready: VecDeque::new(), ended: false }
    }

    /// Returns the stream that is being split.
    pub fn input(&mut self) -> &mut R {
        &mut self.input
    }

    /// Returns the next record, or `None` at the end.
    ///
    /// # Errors
    /// A stream that cannot be read or decompressed to its end; earlier records have been returned.
    pub fn next_record(&mut self) -> Result<Option<IncomingRecord>> {
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
        let read =
            self.input.read_until(b'\n', &mut line).map_err(|cause| self.unreadable(cause))?;
        if read == 0 {
            self.ended = true;
            if let Some((first, bytes, _)) = self.open.take() {
                self.ready.extend(salvage(first, &bytes)?);
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
            // Where a key is expected, a whole object at the beginning of a line means that the
            // open document was truncated.
            if nesting.open.last() == Some(&b'{') && is_object(&line) {
                self.ready.push_back(IncomingRecord { line: first, bytes: trim(&bytes).to_vec() });
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
            self.ready.extend(records_of(first, trim(&bytes))?);
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
            io::ErrorKind::UnexpectedEof => {
                format!("the stream is truncated after line {}", self.line)
            }
            _ => format!("cannot read beyond line {}", self.line),
        };
        let kind = if cause.kind() == io::ErrorKind::FileTooLarge {
            ErrorKind::TooLarge
        } else {
            ErrorKind::Invalid
        };
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
                    // In ASCII, a closing bracket comes two after its opening one.
                    b'}' | b']' => self.broken |= self.open.pop() != Some(byte - 2),
                    _ => {}
                }
                continue;
            }
            if self.escaped {
                self.escaped = false;
                continue;
            }
            // Most of a record is strings, in which only the end and escapes matter.
            let Some(found) = memchr::memchr2(b'"', b'\\', &bytes[at - 1..]) else { return };
            at += found;
            if bytes[at - 1] == b'"' { self.in_text = false } else { self.escaped = true }
        }
    }

    fn is_closed(&self) -> bool {
        self.open.is_empty() && !self.in_text
    }
}

/// Returns whether a line is a complete object, apart from a comma after it.
fn is_object(line: &[u8]) -> bool {
    let mut nesting = Nesting::default();
    line.starts_with(b"{") && {
        nesting.read(line);
        nesting.is_closed() && !nesting.broken
    }
}

/// Splits a document that was never closed: its lines that are complete objects, and the text
/// between them.
fn salvage(first: u64, bytes: &[u8]) -> Result<Vec<IncomingRecord>> {
    let mut records = Vec::new();
    let mut rest: Option<IncomingRecord> = None;
    for (line, text) in (first..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
        if is_object(text) {
            records.extend(rest.take());
            let text = trim(text);
            records.extend(records_of(line, text.strip_suffix(b",").unwrap_or(text))?);
        } else {
            rest.get_or_insert_with(|| IncomingRecord { line, bytes: Vec::new() })
                .bytes
                .extend_from_slice(text);
        }
    }
    records.extend(rest);
    records.retain_mut(|record| {
        record.bytes = trim(&record.bytes).to_vec();
        !record.bytes.is_empty()
    });
    Ok(records)
}

fn trim(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}

/// Returns the records in one JSON value: the items of an array or an envelope, or the value
/// itself.
fn records_of(line: u64, value: &[u8]) -> Result<Vec<IncomingRecord>> {
    let itself = || vec![IncomingRecord { line, bytes: value.to_vec() }];
    let Ok(text) = std::str::from_utf8(value) else { return Ok(itself()) };
    let items = match value.first() {
        Some(b'[') if !too_deep(value) => list(text),
        Some(b'{') => envelope(text),
        _ => Ok(None),
    };
    let too_many = |TooMany| {
        let what = format!(
            "line {line}: a document of more than {DOCUMENT_RECORDS_MAX} records: send it in parts"
        );
        Error::new(ErrorKind::TooLarge, what)
    };
    let Some(items) = items.map_err(too_many)? else { return Ok(itself()) };
    let mut records = Vec::with_capacity(items.len());
    for item in items {
        // An item of an array may itself be an envelope: exports of deliveries are lists of files.
        let inner = envelope(item.get()).map_err(too_many)?.unwrap_or_else(|| vec![item]);
        if records.len() + inner.len() > DOCUMENT_RECORDS_MAX {
            return Err(too_many(TooMany));
        }
        records.extend(
            inner
                .into_iter()
                .map(|item| IncomingRecord { line, bytes: item.get().as_bytes().to_vec() }),
        );
    }
    Ok(records)
}

/// The document has more records than [`DOCUMENT_RECORDS_MAX`].
#[derive(Debug)]
struct TooMany;

/// The items of an array, up to a limit: each one needs memory, however short it is.
#[derive(Debug, Default)]
struct Items<'a>(Vec<&'a RawValue>);

/// Tells this error apart from serde's others.
const TOO_MANY: &str = "too many records in one document";

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Bounded;
        impl<'de> Visitor<'de> for Bounded {
            type Value = Items<'de>;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(
                self,
                mut seq: A,
            ) -> std::result::Result<Items<'de>, A::Error> {
                let mut items = Items::default();
                while let Some(item) = seq.next_element()? {
                    if items.0.len() == DOCUMENT_RECORDS_MAX {
                        return Err(serde::de::Error::custom(TOO_MANY));
                    }
                    items.0.push(item);
                }
                Ok(items)
            }
        }
        deserializer.deserialize_seq(Bounded)
    }
}

/// Parses JSON; returns `None` if it does not have the expected form.
fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> std::result::Result<Option<T>, TooMany> {
    match serde_json::from_str(text) {
        Ok(value) => Ok(Some(value)),
        Err(cause) if cause.is_data() && cause.to_string().starts_with(TOO_MANY) => Err(TooMany),
        Err(_) => Ok(None),
    }
}

/// Returns the items of an array, or `None` if the value is not an array.
fn list(text: &str) -> std::result::Result<Option<Vec<&RawValue>>, TooMany> {
    Ok(parse::<Items<'_>>(text)?.map(|items| items.0))
}

/// The keys under which clouds deliver lists of records.
const ENVELOPES: &[&str] =
    &["\"Records\"", "\"traces\"", "\"records\"", "\"items\"", "\"entries\"", "\"events\""];
/// How far into a value the key of an envelope is searched for, in bytes.
const ENVELOPE_HEAD: usize = 4_096;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "Records")]
    cloudtrail: Option<Items<'a>>,
    #[serde(borrow)]
    traces: Option<Items<'a>>,
    #[serde(borrow)]
    records: Option<Items<'a>>,
    #[serde(borrow)]
    items: Option<Items<'a>>,
    #[serde(borrow)]
    entries: Option<Items<'a>>,
    #[serde(borrow)]
    events: Option<Items<'a>>,
}

fn envelope(text: &str) -> std::result::Result<Option<Vec<&RawValue>>, TooMany> {
    let head = &text[..text.floor_char_boundary(ENVELOPE_HEAD)];
    if !ENVELOPES.iter().any(|key| head.contains(key))
        || too_deep(text.as_bytes())
        || decode::detect(text).is_some()
    {
        return Ok(None);
    }
    let Some(envelope) = parse::<Envelope<'_>>(text)? else { return Ok(None) };
    let lists = [
        envelope.cloudtrail,
        envelope.traces,
        envelope.records,
        envelope.items,
        envelope.entries,
        envelope.events,
    ];
    let mut lists = lists.into_iter().flatten();
    // A document with two lists is not an envelope that we know.
    Ok(lists.next().filter(|_| lists.next().is_none()).map(|items| items.0))
}

/// More nesting than any record in an envelope may have; parsing deeper values could exhaust the
/// stack.
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
        let one_two =
            |line: u64| vec![(line, "{\"a\":1}".to_owned()), (line, "{\"b\":[2]}".to_owned())];
        assert_eq!(
            split("{\"a\":1}\n\n{\"b\":[2]}"),
            [(1, "{\"a\":1}".to_owned()), (3, "{\"b\":[2]}".to_owned())]
        );
        assert_eq!(split("[{\"a\":1},{\"b\":[2]}]"), one_two(1));
        assert_eq!(split("{\"Records\":[{\"a\":1},{\"b\":[2]}]}"), one_two(1));
        assert_eq!(
            split("{\"meta_data\":{\"count\":2},\n \"traces\":[{\"a\":1},{\"b\":[2]}]}"),
            one_two(1)
        );
        assert_eq!(split("[{\"Records\":[{\"a\":1}]},{\"b\":[2]}]"), one_two(1));
        assert_eq!(split("[]"), []);
    }

    #[test]
    fn an_object_over_several_lines_is_one_record() {
        assert_eq!(
            split("\n{\n \"a\": 1\n}\n{\"b\":2}\n"),
            [(2, "{\n \"a\": 1\n}".to_owned()), (5, "{\"b\":2}".to_owned())]
        );
    }

    #[test]
    fn what_is_no_json_comes_out_with_its_line_and_takes_nothing_with_it() {
        let records = split("nonsense\n{\"a\":1\n{\"b\":2}\n}}\n{\"c\":3}\n{\"d\":\"");
        let expected = [
            (1, "nonsense"),
            (2, "{\"a\":1"),
            (3, "{\"b\":2}"),
            (4, "}}"),
            (5, "{\"c\":3}"),
            (6, "{\"d\":\""),
        ];
        assert_eq!(records, expected.map(|(line, text)| (line, text.to_owned())));
    }

    #[test]
    fn arrays_with_an_object_on_each_line_are_one_document() {
        let array = "[\n{\"a\":1},\n{\"b\":[\n2]}\n]\n{\"c\":3}";
        assert_eq!(
            split(array),
            [
                (1, "{\"a\":1}".to_owned()),
                (1, "{\"b\":[\n2]}".to_owned()),
                (6, "{\"c\":3}".to_owned())
            ]
        );
        let envelope = "{\"Records\":[\n{\"a\":1},\n{\"b\":2}\n]}";
        assert_eq!(split(envelope), [(1, "{\"a\":1}".to_owned()), (1, "{\"b\":2}".to_owned())]);
    }

    #[test]
    fn a_document_that_is_never_closed_gives_its_whole_objects() {
        let cut = split("[\n{\"a\":1},\n{\"b\":2},\n{\"c\":");
        assert_eq!(
            cut,
            [(1, "["), (2, "{\"a\":1}"), (3, "{\"b\":2}"), (4, "{\"c\":")]
                .map(|(line, text)| (line, text.to_owned()))
        );
        let swallowed = split("{\"x\":[1,\n{\"a\":1}\n{\"b\":2}");
        assert_eq!(
            swallowed,
            [(1, "{\"x\":[1,"), (2, "{\"a\":1}"), (3, "{\"b\":2}")]
                .map(|(line, text)| (line, text.to_owned()))
        );
    }

    #[test]
    fn a_document_of_too_many_records_is_refused_before_it_needs_memory() {
        let items = |count: usize| "{},".repeat(count).trim_end_matches(',').to_owned();
        let whole = items(DOCUMENT_RECORDS_MAX + 1);
        let half = items(DOCUMENT_RECORDS_MAX / 2 + 1);
        for text in [
            format!("[{whole}]"),
            format!("{{\"Records\":[{whole}]}}"),
            format!("[{{\"items\":[{half}]}},{{\"items\":[{half}]}}]"),
        ] {
            let error = RecordSplitter::new(text.as_bytes()).next_record().expect_err("too many");
            assert_eq!(error.kind(), ErrorKind::TooLarge);
            assert!(
                error.to_string().contains("line 1") && error.to_string().contains("in parts"),
                "{error}"
            );
        }
    }

    #[test]
    fn brackets_without_end_are_one_piece() {
        let deep = "[".repeat(1_000_000);
        assert_eq!(split(&deep), [(1, deep.clone())]);
        let closed = format!("{deep}{}", "]".repeat(1_000_000));
        assert_eq!(split(&closed).len(), 1);
    }
}
