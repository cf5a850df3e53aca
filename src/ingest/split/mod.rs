//! Splits a stream into records: one JSON object per line, objects over several lines or one after
//! another, arrays, and the envelopes that clouds deliver (`{"Records":[…]}`, `{"traces":[…]}`,
//! `{"items":[…]}` …).
//!
//! Nothing is lost here: text that is not JSON is returned as a piece too, and the decoder refuses
//! it with its line number. A record that was cut takes no other record with it: where a line
//! begins as no line of the open document can, the document ends and the line begins a new one.
//! White space, commas and what marks or fills files are passed over between records: byte order
//! marks, record separators (RFC 7464) and the NUL bytes of holes.

mod envelope;
mod parts;
mod salvage;
mod scan;

use super::lines::{audit_stamp, is_line};
use super::record::{IncomingRecord, RECORD_BYTES_MAX};
use crate::error::{Error, ErrorKind, Result};
use parts::ContainerParts;
use salvage::{records_of, salvage};
use scan::{Scan, ScanEnd};
use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::io::{self, BufRead};

/// The largest array, envelope or object over several lines, in bytes: 512 MiB.
const DOCUMENT_BYTES_MAX: usize = 512 << 20;
/// What some programs write at the beginning of a file in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The most lines of `audit.log` that are taken for one event, in bytes.
const GROUP_BYTES_MAX: usize = 256 << 10;
/// The most events of `audit.log` whose lines are being collected.
const GROUPS_MAX: usize = 16;
/// How many brackets that broken documents left open are remembered.
const UNCLOSED_MAX: usize = 1_000;

/// Iterates over the records of a stream.
#[derive(Debug)]
pub struct RecordSplitter<R> {
    input: R,
    line: u64,
    open: Option<OpenDocument>,
    /// How many brackets documents have left open that were cut.
    unclosed: usize,
    /// Lines of `audit.log` that are one event, which may have more, with its node and stamp: the
    /// oldest event first. Processors that work at once mix the lines of their events.
    groups: VecDeque<(String, IncomingRecord)>,
    /// Lines of containers that go on.
    parts: ContainerParts,
    ready: VecDeque<IncomingRecord>,
    ended: bool,
}

/// Returns whether a line is a record of text, which no document goes on with.
fn is_text_line(line: &IncomingRecord) -> bool {
    line.cut.is_none() && std::str::from_utf8(&line.bytes).is_ok_and(is_line)
}

/// A document that has begun.
#[derive(Debug)]
struct OpenDocument {
    /// The line on which it began.
    first: u64,
    bytes: Vec<u8>,
    scan: Scan,
    /// Its length when a line ended inside a string, which no line of a document does.
    torn_at: Option<usize>,
}

impl<R: BufRead> RecordSplitter<R> {
    /// Creates a splitter of `input`.
    pub fn new(input: R) -> Self {
        let (open, groups, parts, ready) = Default::default();
        Self { input, line: 0, open, unclosed: 0, groups, parts, ready, ended: false }
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
        let line = self.next_line()?;
        if let Some(line) = line.as_ref().filter(|_| self.open.is_none())
            && (self.parts.take(line, &mut self.ready) || self.joins_group(line))
        {
            return Ok(());
        }
        self.parts.end(&mut self.ready);
        self.end_groups(0);
        let Some(line) = line else {
            self.ended = true;
            if let Some(document) = self.open.take() {
                self.give_up(&document)?;
            }
            return Ok(());
        };
        if let Some(document) = self.open.take() {
            let first = line.bytes.trim_ascii_start().first();
            let is_cut = |first: &u8| document.scan.is_cut_before(*first) || is_text_line(&line);
            if !first.is_some_and(is_cut) {
                return self.read_document(document, &line.bytes);
            }
            self.give_up(&document)?;
            if self.parts.take(&line, &mut self.ready) || self.joins_group(&line) {
                return Ok(());
            }
        }
        match line.cut {
            Some(_) => self.ready.push_back(line),
            None => self.begin(&line.bytes)?,
        }
        Ok(())
    }

    /// Adds a line of `audit.log` to those of its event; returns `false` for every other line that
    /// is not blank.
    fn joins_group(&mut self, line: &IncomingRecord) -> bool {
        let Ok(text) = std::str::from_utf8(line.bytes.trim_ascii()) else { return false };
        if text.is_empty() {
            return !self.groups.is_empty() || !self.parts.is_empty();
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let Some((node, stamp)) = audit_stamp(text).filter(|_| line.cut.is_none()) else {
            return false;
        };
        let name = format!("{}@{stamp}", node.unwrap_or_default());
        let fits = |(of_group, group): &&mut (String, IncomingRecord)| {
            *of_group == name && group.bytes.len() + text.len() < GROUP_BYTES_MAX
        };
        if let Some((_, group)) = self.groups.iter_mut().rfind(fits) {
            group.bytes.push(b'\n');
            group.bytes.extend_from_slice(text.as_bytes());
            return true;
        }
        self.end_groups(GROUPS_MAX - 1);
        self.groups.push_back((name, IncomingRecord::new(line.line, text)));
        true
    }

    /// Ends the oldest events until at most `left` are left.
    fn end_groups(&mut self, left: usize) {
        while self.groups.len() > left {
            self.ready.extend(self.groups.pop_front().map(|(_, record)| record));
        }
    }

    /// Reads up to the next line break, or up to a NUL byte: no text has one, so it fills a hole in
    /// a file. A line that is no part of a document is kept up to the size of a record.
    fn next_line(&mut self) -> Result<Option<IncomingRecord>> {
        let mut line = IncomingRecord::new(self.line + 1, b"");
        let mut whole: Option<(u64, Sha256)> = None;
        let mut is_document = self.open.is_some();
        loop {
            let chunk = match self.input.fill_buf() {
                Ok(chunk) => chunk,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
                Err(cause) => return Err(self.unreadable(cause)),
            };
            if chunk.is_empty() {
                let is_end = line.bytes.is_empty() && whole.is_none();
                self.line += u64::from(!is_end);
                return Ok((!is_end).then(|| line.cut_short(whole)));
            }
            if line.bytes.is_empty() {
                let holes = chunk.iter().take_while(|byte| **byte == 0).count();
                if holes > 0 {
                    self.input.consume(holes);
                    continue;
                }
            }
            let end = memchr::memchr2(b'\n', 0, chunk);
            let part = &chunk[..end.map_or(chunk.len(), |end| end + 1)];
            let is_break = part.last() == Some(&b'\n');
            let taken = part.len();
            let text = part.strip_suffix(b"\0").unwrap_or(part);
            is_document |=
                matches!(line.bytes.trim_ascii_start().first().or(text.first()), Some(b'{' | b'['));
            let room = if is_document { DOCUMENT_BYTES_MAX } else { RECORD_BYTES_MAX };
            let bare = text.strip_suffix(b"\n").unwrap_or(text);
            match &mut whole {
                Some((length, hash)) => {
                    *length += bare.len() as u64;
                    hash.update(bare);
                }
                None if line.bytes.len() + bare.len() <= room => line.bytes.extend_from_slice(text),
                None if is_document => return Err(too_large(line.line)),
                None => {
                    let mut hash = Sha256::new_with_prefix(&line.bytes);
                    hash.update(bare);
                    whole = Some(((line.bytes.len() + bare.len()) as u64, hash));
                    line.bytes.extend_from_slice(&bare[..room - line.bytes.len()]);
                }
            }
            self.input.consume(taken);
            if end.is_some() {
                self.line += u64::from(is_break);
                return Ok(Some(line.cut_short(whole)));
            }
        }
    }

    /// Reads a line, or what follows a document on its line.
    fn begin(&mut self, text: &[u8]) -> Result<()> {
        let rest = without_separators(text);
        match rest.first() {
            None => {}
            Some(b'{' | b'[') => return self.read_document(OpenDocument::new(self.line), rest),
            Some(_) if self.closes_what_was_cut(text) => {}
            Some(_) => {
                let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
                self.ready.push_back(IncomingRecord::new(self.line, text.trim_ascii()));
            }
        }
        Ok(())
    }

    /// Reads more of a document, and the documents that follow it on its last line.
    fn read_document(&mut self, document: OpenDocument, text: &[u8]) -> Result<()> {
        let (mut document, mut text) = (document, text);
        loop {
            let end = match document.scan.read(text) {
                ScanEnd::Closed(end) => end,
                ScanEnd::Broken => {
                    document.bytes.extend_from_slice(text);
                    return self.give_up(&document);
                }
                ScanEnd::Open => {
                    document.bytes.extend_from_slice(text);
                    return self.keep_open(document);
                }
            };
            let rest = without_separators(&text[end..]);
            document.bytes.extend_from_slice(&text[..end]);
            let records = records_of(document.first, document.bytes.trim_ascii())?;
            match rest.first() {
                None => {
                    self.ready.extend(records);
                    return Ok(());
                }
                Some(b'{' | b'[') if !is_log_line(&document.bytes) => {
                    self.ready.extend(records);
                    document = OpenDocument::new(self.line);
                    text = rest;
                }
                Some(_) => {
                    // A record with text behind it is refused whole, so that whoever looks at it
                    // sees what was sent.
                    if records.len() == 1 {
                        document.bytes.extend_from_slice(&text[end..]);
                        let bytes = document.bytes.trim_ascii();
                        self.ready.push_back(IncomingRecord::new(document.first, bytes));
                    } else {
                        self.ready.extend(records);
                        let rest = rest.trim_ascii_end();
                        self.ready.push_back(IncomingRecord::new(self.line, rest));
                    }
                    return Ok(());
                }
            }
        }
    }

    fn keep_open(&mut self, mut document: OpenDocument) -> Result<()> {
        if document.bytes.len() > DOCUMENT_BYTES_MAX {
            return Err(too_large(document.first));
        }
        if document.scan.in_text() {
            let torn_at = *document.torn_at.get_or_insert(document.bytes.len());
            if document.bytes.len() - torn_at > RECORD_BYTES_MAX {
                return self.give_up(&document);
            }
        } else {
            document.torn_at = None;
        }
        self.open = Some(document);
        Ok(())
    }

    /// Takes what there is in a document that was cut.
    fn give_up(&mut self, document: &OpenDocument) -> Result<()> {
        self.unclosed = (self.unclosed + document.scan.depth()).min(UNCLOSED_MAX);
        self.ready.extend(salvage(document.first, document.bytes.trim_ascii())?);
        Ok(())
    }

    /// Returns whether a line only closes brackets of documents that were cut: it holds nothing.
    fn closes_what_was_cut(&mut self, text: &[u8]) -> bool {
        let closes_only = text
            .iter()
            .all(|byte| matches!(byte, b'}' | b']' | b',') || byte.is_ascii_whitespace());
        let closed = text.iter().filter(|byte| matches!(byte, b'}' | b']')).count();
        let known = closes_only && closed <= self.unclosed;
        self.unclosed -= if known { closed } else { 0 };
        known
    }

    fn unreadable(&self, cause: io::Error) -> Error {
        if cause.kind() == io::ErrorKind::Unsupported {
            return Error::invalid(cause.to_string());
        }
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

impl OpenDocument {
    fn new(first: u64) -> Self {
        Self { first, bytes: Vec::new(), scan: Scan::default(), torn_at: None }
    }
}

fn too_large(line: u64) -> Error {
    let what = format!("line {line}: a document of more than {DOCUMENT_BYTES_MAX} bytes");
    Error::new(ErrorKind::TooLarge, what)
}

/// Returns whether a document with more behind it is the beginning of a line of text, such as
/// `[2026-11-28 10:00:00] [error] …`.
fn is_log_line(document: &[u8]) -> bool {
    document.starts_with(b"[") && serde_json::from_slice::<IgnoredAny>(document).is_err()
}

/// Returns the text without what may stand between records.
fn without_separators(text: &[u8]) -> &[u8] {
    let mut text = text;
    loop {
        text = match text {
            [0xef, 0xbb, 0xbf, rest @ ..] | [b',' | 0x1e, rest @ ..] => rest,
            [byte, rest @ ..] if byte.is_ascii_whitespace() => rest,
            _ => return text,
        };
    }
}

#[cfg(test)]
mod tests;
