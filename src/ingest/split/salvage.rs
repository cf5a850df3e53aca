//! What can be taken from a document that is not valid JSON: the items of its list, or its lines
//! that are whole records.
//!
//! Every byte that holds something comes out in some piece. Brackets, commas and keys that only
//! lead to the items of a list hold nothing.

use super::envelope::{
    self, DOCUMENT_RECORDS_MAX, DocumentKind, ENVELOPE_HEAD, ENVELOPES, TooMany,
};
use super::scan::{Scan, ScanEnd, is_whole};
use crate::error::Result;
use crate::ingest::IncomingRecord;
use std::ops::Range;

/// More brackets than this are no frame of a document, but something that somebody should see.
const FRAME_BYTES_MAX: usize = 4_096;

/// Returns the records in one document that begins on a line.
pub(super) fn records_of(line: u64, document: &[u8]) -> Result<Vec<IncomingRecord>> {
    match envelope::read(document).map_err(|TooMany| TooMany::at(line))? {
        DocumentKind::List(items) => {
            let record = |item: &serde_json::value::RawValue| {
                IncomingRecord::new(line, item.get().as_bytes())
            };
            Ok(items.into_iter().map(record).collect())
        }
        DocumentKind::Record => Ok(vec![IncomingRecord::new(line, document)]),
        DocumentKind::Broken => match list_of(document) {
            Some(list) => items_of(line, document, list),
            None => Ok(vec![IncomingRecord::new(line, document)]),
        },
    }
}

/// Returns the pieces of a document that was cut, or has brackets that do not match.
pub(super) fn salvage(first: u64, bytes: &[u8]) -> Result<Vec<IncomingRecord>> {
    match list_of(bytes) {
        Some(list) => items_of(first, bytes, list),
        None => by_lines(first, bytes),
    }
}

/// Returns the items of a list in a broken document as records, and what stands around the list if
/// it holds anything.
fn items_of(first: u64, bytes: &[u8], list: ListItems) -> Result<Vec<IncomingRecord>> {
    let (before, after) = (&bytes[..list.start], &bytes[list.end..]);
    let mut records = Vec::new();
    let around = |line, text: &[u8]| (!is_frame(text)).then(|| IncomingRecord::new(line, text));
    records.extend(around(first, before));
    let (mut counted, mut line) = (0, first);
    for item in list.items {
        // Items come in order, so each byte is searched for line breaks once.
        line += breaks(&bytes[counted..item.start]);
        counted = item.start;
        let text = &bytes[item];
        if is_whole(text) {
            records.extend(records_of(line, text)?);
        } else {
            records.push(IncomingRecord::new(line, text));
        }
        if records.len() > DOCUMENT_RECORDS_MAX {
            return Err(TooMany::at(first));
        }
    }
    records.extend(around(line, after));
    Ok(records)
}

/// Returns whether a text holds nothing: brackets, commas, and keys that lead to brackets.
pub(super) fn is_frame(text: &[u8]) -> bool {
    let mut rest = text.trim_ascii();
    if rest.len() > FRAME_BYTES_MAX {
        return false;
    }
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'{' | b'[' | b'}' | b']' | b',' => {}
            b'"' => {
                let Some(end) = memchr::memchr(b'"', after) else { return false };
                let Some(value) = after[end + 1..].trim_ascii_start().strip_prefix(b":") else {
                    return false;
                };
                rest = value.trim_ascii_start();
                if !rest.starts_with(b"[") && !rest.starts_with(b"{") {
                    return false;
                }
            }
            byte if byte.is_ascii_whitespace() => {}
            _ => return false,
        }
    }
    true
}

fn breaks(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// Where the items of a list are in a document, the last of which may be cut.
#[derive(Debug)]
struct ListItems {
    items: Vec<Range<usize>>,
    /// Where the first item begins, and where the list ends.
    start: usize,
    end: usize,
}

/// Returns the list of an array or an envelope; `None` if the document is neither, or if no item
/// of it is whole.
fn list_of(bytes: &[u8]) -> Option<ListItems> {
    let start = list_start(bytes)?;
    let mut list = ListItems { items: Vec::new(), start, end: bytes.len() };
    let mut begin = start;
    let mut open: Vec<u8> = Vec::new();
    let (mut in_text, mut escaped, mut last) = (false, false, b'[');
    for (at, byte) in bytes.iter().enumerate().skip(start) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            // An object begins where none may: the item before it was not closed.
            b'{' if last == b',' && open.last() == Some(&b'{') => {
                list.items.extend(trimmed(bytes, begin..at));
                begin = at;
                open = vec![*byte];
            }
            b'{' | b'[' => open.push(*byte),
            b'}' | b']' if !open.is_empty() => drop(open.pop()),
            b'}' | b']' => {
                list.end = at;
                break;
            }
            b',' if open.is_empty() => {
                list.items.extend(trimmed(bytes, begin..at));
                begin = at + 1;
            }
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            last = *byte;
        }
    }
    list.items.extend(trimmed(bytes, begin..list.end));
    list.items.iter().any(|item| is_whole(&bytes[item.clone()])).then_some(list)
}

/// Returns the range without white space around it; `None` if nothing else is in it.
fn trimmed(bytes: &[u8], range: Range<usize>) -> Option<Range<usize>> {
    let text = &bytes[range.clone()];
    let start = range.start + text.len() - text.trim_ascii_start().len();
    let end = start + text.trim_ascii().len();
    (start < end).then_some(start..end)
}

/// Returns where the items of an array or of the first list of an envelope begin.
fn list_start(bytes: &[u8]) -> Option<usize> {
    if bytes.first() == Some(&b'[') {
        return Some(1);
    }
    let head = &bytes[..bytes.len().min(ENVELOPE_HEAD)];
    let found = ENVELOPES.iter().filter_map(|key| {
        let at = memchr::memmem::find(head, key.as_bytes())? + key.len();
        let value = bytes[at..].trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        value.starts_with(b"[").then(|| bytes.len() - value.len() + 1)
    });
    let start = found.min()?;
    // The key must be one of the document's own, and not of something in it.
    let mut scan = Scan::default();
    let end = scan.read(&bytes[..start]);
    (end == ScanEnd::Open && scan.depth() == 2 && !scan.in_text()).then_some(start)
}

/// Splits a document at its lines: objects that begin on a line of their own and are whole, and the
/// text between them.
fn by_lines(first: u64, bytes: &[u8]) -> Result<Vec<IncomingRecord>> {
    let mut records = Vec::new();
    let mut rest: Option<IncomingRecord> = None;
    let (mut at, mut line, mut misses) = (0, first, 0);
    while at < bytes.len() {
        let text = &bytes[at..];
        let end = memchr::memchr(b'\n', text).map_or(text.len(), |end| end + 1);
        let may_be_whole = line > first && misses < MISSES_MAX;
        let whole = if may_be_whole { whole_object(text, end) } else { None };
        let length = whole.unwrap_or(end);
        if whole.is_some() {
            records.extend(rest.take());
            records.extend(records_of(line, text[..length].trim_ascii())?);
        } else {
            misses += usize::from(text.starts_with(b"{"));
            let rest = rest.get_or_insert_with(|| IncomingRecord::new(line, b""));
            rest.bytes.extend_from_slice(&text[..end]);
        }
        line += breaks(&text[..length]);
        at += length;
        // A comma behind an object of a list holds nothing.
        at += usize::from(whole.is_some() && bytes.get(at) == Some(&b','));
    }
    records.extend(rest);
    records.iter_mut().for_each(|record| record.bytes = record.bytes.trim_ascii().to_vec());
    if records.len() > 1 {
        records.retain(|record| !is_frame(&record.bytes));
    }
    Ok(records)
}

/// How many objects that turn out not to be whole are looked through to the end of the document.
const MISSES_MAX: usize = 64;

/// Returns the length of the whole object at the beginning of a text: one on a single line, which
/// has this length, or one over several lines that begins in the first column, as no object within
/// another one does.
fn whole_object(text: &[u8], line: usize) -> Option<usize> {
    let indent = line - text[..line].trim_ascii_start().len();
    if text.get(indent) != Some(&b'{') {
        return None;
    }
    match Scan::default().read(&text[indent..]) {
        ScanEnd::Closed(end) if indent == 0 || indent + end <= line => Some(indent + end),
        _ => None,
    }
}
