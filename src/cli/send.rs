//! Sends records to a server one request at a time, in smaller requests where the server says that
//! one is too large.

use super::output::note;
use super::remote::Remote;
use crate::calls::Pairs;
use crate::engine::{Outcome, Refusals};
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::RecordSplitter;
use serde::Deserialize;
use serde_json::Value as Json;
use std::io::BufRead;

/// Maximum bytes of records in one request.
const REQUEST_BYTES: usize = 8 << 20;

/// Sends the records of a source.
pub(super) struct Sender<'a> {
    remote: &'a Remote<'a>,
    request: &'a Pairs,
    /// Lines of the source before the first one that is sent.
    first_line: u64,
    total: Outcome,
    /// Why a record that is too large by itself was skipped, if one was.
    passed: Option<Error>,
}

/// Records that form one request.
#[derive(Default)]
struct RequestBody {
    bytes: Vec<u8>,
    records: Vec<SentRecord>,
}

/// Where a record is in a request and in its source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct SentRecord {
    /// The offset of its end in the request.
    end: usize,
    /// How many lines it has in the request.
    rows: u64,
    /// Its line number in the source.
    line: u64,
}

impl RequestBody {
    fn add(&mut self, record: &[u8], line: u64) {
        // A line break within JSON is white space between tokens. The lines of an event that is
        // text are joined again by the server.
        let is_json = record.starts_with(b"{") || record.starts_with(b"[");
        let written = |byte: &u8| match byte {
            b'\r' | b'\n' if is_json => b' ',
            byte => *byte,
        };
        let start = self.bytes.len();
        self.bytes.extend(record.iter().map(written));
        self.bytes.push(b'\n');
        let rows = self.bytes[start..].iter().filter(|byte| **byte == b'\n').count() as u64;
        self.records.push(SentRecord { end: self.bytes.len(), rows, line });
    }

    /// Splits the records into two bodies; there are at least two records.
    fn halves(mut self) -> [Self; 2] {
        let middle = self.records.len() / 2;
        let end = self.records[middle - 1].end;
        let bytes = self.bytes.split_off(end);
        let mut records = self.records.split_off(middle);
        records.iter_mut().for_each(|record| record.end -= end);
        [self, Self { bytes, records }]
    }
}

impl<'a> Sender<'a> {
    /// Creates a sender for what follows this many lines of its source.
    pub(super) fn new(remote: &'a Remote<'a>, request: &'a Pairs, first_line: u64) -> Self {
        Self { remote, request, first_line, total: Outcome::default(), passed: None }
    }

    /// Sends all records and calls `heard` after each request. A record that is too large by itself
    /// is reported and skipped; the error reports it once the others have been sent.
    pub(super) fn send(
        mut self,
        mut splitter: RecordSplitter<impl BufRead>,
        mut heard: impl FnMut(&Outcome),
    ) -> (Outcome, Option<Error>) {
        let sent = (|| {
            let mut body = RequestBody::default();
            loop {
                let record = splitter.next_record()?;
                let ended = record.is_none();
                if let Some(record) = record {
                    body.add(&record.bytes, record.line);
                }
                if !body.bytes.is_empty() && (ended || body.bytes.len() >= REQUEST_BYTES) {
                    self.post(std::mem::take(&mut body))?;
                    heard(&self.total);
                }
                if ended {
                    return Ok(());
                }
            }
        })();
        (self.total, sent.err().or(self.passed))
    }

    /// Sends records, in one request if the server accepts it. Records that are sent again are
    /// duplicates to the server.
    fn post(&mut self, body: RequestBody) -> Result<()> {
        let mut left = vec![body];
        while let Some(body) = left.pop() {
            match self.remote.post_patiently("/api/v1/events", self.request, body.bytes.clone()) {
                Ok(answer) => self.add(&answer, &body.records),
                Err(error) if error.kind() != ErrorKind::TooLarge => return Err(error),
                Err(_) if body.records.len() > 1 => {
                    let [first, second] = body.halves();
                    left.extend([second, first]);
                }
                Err(error) => {
                    let SentRecord { end: length, line, .. } =
                        body.records.first().copied().unwrap_or_default();
                    let error = error
                        .at(format!("line {}, a record of {length} bytes", self.first_line + line));
                    note(&format!("annals: {error}; it is skipped"));
                    self.passed = Some(error);
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, answer: &Json, records: &[SentRecord]) {
        self.total.accepted += answer["accepted"].as_u64().unwrap_or_default();
        self.total.duplicates += answer["duplicates"].as_u64().unwrap_or_default();
        // Line numbers in the answer count lines of the request's body; these count lines of the
        // source.
        let mut first_row = 1;
        let rows: Vec<(u64, u64)> = records
            .iter()
            .map(|record| {
                let row = first_row;
                first_row += record.rows;
                (row, record.line)
            })
            .collect();
        let line = |row: u64| {
            let behind = rows.partition_point(|(first, _)| *first <= row);
            rows[..behind].last().map_or(row, |(_, line)| *line)
        };
        self.total
            .quarantined
            .add(Refusals::deserialize(answer).unwrap_or_default().with_lines(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_halved_between_records() {
        let mut body = RequestBody::default();
        for (record, line) in [("{\"a\":\n1}", 1), ("{}", 3), ("{\"long\":2}", 4)] {
            body.add(record.as_bytes(), line);
        }
        let record = |end, line| SentRecord { end, rows: 1, line };
        let [first, second] = body.halves();
        assert_eq!(
            (first.bytes.as_slice(), first.records),
            (&b"{\"a\": 1}\n"[..], vec![record(9, 1)])
        );
        assert_eq!(
            (second.bytes.as_slice(), second.records),
            (&b"{}\n{\"long\":2}\n"[..], vec![record(3, 3), record(14, 4)])
        );
    }

    #[test]
    fn the_lines_of_a_text_event_stay_lines() {
        let mut body = RequestBody::default();
        body.add(b"type=A msg=audit(1.1:1):\ntype=B msg=audit(1.1:1):", 7);
        assert_eq!(body.bytes, b"type=A msg=audit(1.1:1):\ntype=B msg=audit(1.1:1):\n");
        assert_eq!(body.records, [SentRecord { end: 50, rows: 2, line: 7 }]);
    }
}
