//! Lines of containers that were written in parts, which are joined to one record.
//!
//! Parts of `stdout` and `stderr` may be mixed. Parts whose last one does not come, or comes too
//! late, or is older, stay apart, as they came.

use super::super::lines::ContainerLine;
use super::super::record::{IncomingRecord, RECORD_BYTES_MAX};
use chrono::{DateTime, Utc};
use serde::de::IgnoredAny;
use std::collections::{HashMap, VecDeque};

/// The most text that is joined, in bytes. JSON may be as long as a record; but what stands for
/// text has it twice, as it came and joined, and longer where it has characters to be escaped.
const TEXT_BYTES_MAX: usize = RECORD_BYTES_MAX / 4;
/// The longest time between two parts, in milliseconds. They are written at once, but a program may
/// pause within a line.
const PAUSE_MS: i64 = 60_000;
/// How far into a line its stream is searched for: no time is longer.
const HEAD_BYTES_MAX: usize = 64;

/// The parts of one stream that have come.
#[derive(Debug, Default)]
struct StreamParts {
    parts: Vec<IncomingRecord>,
    bytes: usize,
    /// When the last one was written.
    last: Option<DateTime<Utc>>,
    /// Whether there were more than a record may have, so that the rest stays apart as well.
    is_too_long: bool,
}

/// The lines of containers that go on.
#[derive(Debug, Default)]
pub(super) struct ContainerParts(HashMap<String, StreamParts>);

impl ContainerParts {
    /// Takes a line that is a part, or that has parts before it; returns `false` for every other.
    pub(super) fn take(
        &mut self,
        line: &IncomingRecord,
        ready: &mut VecDeque<IncomingRecord>,
    ) -> bool {
        let Some((bytes, read)) = container_line(line) else { return false };
        if !read.is_partial && self.0.is_empty() {
            return false;
        }
        let record = IncomingRecord::new(line.line, bytes);
        if !read.is_partial && !self.0.contains_key(read.stream) {
            ready.push_back(apart(record));
            return true;
        }
        let mut stream = self.0.remove(read.stream).unwrap_or_default();
        if !stream.is_continued_at(read.time) {
            // It is of another container, or of another run: nothing of it was the beginning.
            stream.give_up(ready);
            stream = StreamParts::default();
        }
        stream.last = Some(read.time);
        stream.bytes += record.bytes.len() + 1;
        stream.parts.push(record);
        stream.is_too_long |= stream.bytes > RECORD_BYTES_MAX;
        if stream.is_too_long {
            stream.give_up(ready);
        }
        match read.is_partial {
            true => drop(self.0.insert(read.stream.to_owned(), stream)),
            false => stream.end(ready),
        }
        true
    }

    /// Returns whether no line goes on.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ends all streams, whose parts stay apart.
    pub(super) fn end(&mut self, ready: &mut VecDeque<IncomingRecord>) {
        let mut parts: Vec<_> = self.0.drain().flat_map(|(_, stream)| stream.parts).collect();
        parts.sort_by_key(|part| part.line);
        ready.extend(parts.into_iter().map(apart));
    }
}

impl StreamParts {
    /// Returns whether what was written then can belong to the parts that have come.
    fn is_continued_at(&self, time: DateTime<Utc>) -> bool {
        let since = self.last.map(|last| (time - last).num_milliseconds());
        since.is_none_or(|since| (0..=PAUSE_MS).contains(&since))
    }

    fn give_up(&mut self, ready: &mut VecDeque<IncomingRecord>) {
        ready.extend(self.parts.drain(..).map(apart));
    }

    /// Joins the parts behind the last one.
    fn end(mut self, ready: &mut VecDeque<IncomingRecord>) {
        let Some(first) = self.parts.first() else { return };
        if self.bytes > TEXT_BYTES_MAX && !self.is_json() {
            return self.give_up(ready);
        }
        let lines: Vec<&[u8]> = self.parts.iter().map(|part| part.bytes.as_slice()).collect();
        ready.push_back(apart(IncomingRecord::new(first.line, lines.join(&b'\n'))));
    }

    fn is_json(&self) -> bool {
        let texts = self.parts.iter().filter_map(|part| Some(container_line(part)?.1.message));
        let text: String = texts.collect();
        text.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(&text).is_ok()
    }
}

/// Returns a line without its end, and what it is as the line of a container. Blanks at its end
/// belong to the text, which may go on.
fn container_line(line: &IncomingRecord) -> Option<(&[u8], ContainerLine<'_>)> {
    let bytes = line.bytes.trim_ascii_start();
    let bytes = bytes.strip_prefix(super::BYTE_ORDER_MARK).unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    // Most lines are told by their head, without reading all of them.
    let head = &bytes[..bytes.len().min(HEAD_BYTES_MAX)];
    let is_likely = head.first().is_some_and(u8::is_ascii_digit)
        && memchr::memmem::find(head, b" std").is_some()
        && line.cut.is_none();
    let text = is_likely.then(|| std::str::from_utf8(bytes).ok()).flatten()?;
    Some((bytes, ContainerLine::of(text)?))
}

/// Returns a record of its own, which has no blanks around it.
fn apart(mut record: IncomingRecord) -> IncomingRecord {
    record.bytes.truncate(record.bytes.trim_ascii_end().len());
    record
}
