//! Splitting any bytes: records are pieces of the input, in its order, with their lines, and
//! nothing is lost between them.

#![no_main]

use annals::ingest::{IncomingRecord, RecordSplitter};
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;
use std::io::{BufRead, BufReader};

/// Arrays that may lie in each other so that their items are records.
const NESTED_MAX: usize = 64;

fuzz_target!(|bytes: &[u8]| {
    let records = split(bytes);
    assert_eq!(
        records,
        split(BufReader::with_capacity(1, bytes)),
        "it matters in which pieces the bytes arrive"
    );
    // The mark of UTF-8 at the beginning of a file is no part of a record.
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    check_pieces(text, &records);
    check_plain_lines(text, &records);
    check_without_arrays(text, &records);
    check_array_of_values(text, &records);
});

fn split(input: impl BufRead) -> Vec<IncomingRecord> {
    let mut splitter = RecordSplitter::new(input);
    std::iter::from_fn(|| {
        splitter
            .next_record()
            .expect("memory can be read, and this little is no document too large")
    })
    .collect()
}

/// Records are trimmed pieces of the input that do not overlap; so together they are no longer than
/// it.
fn check_pieces(text: &[u8], records: &[IncomingRecord]) {
    let lines = text.split_inclusive(|byte| *byte == b'\n').count() as u64;
    assert!(
        records.iter().all(|record| (1..=lines).contains(&record.line)),
        "a line that is none of {lines}"
    );
    assert!(records.is_sorted_by_key(|record| record.line), "lines do not ascend");
    let mut rest = text;
    for record in records {
        let piece = record.bytes.as_slice();
        assert!(
            !piece.is_empty() && piece == piece.trim_ascii(),
            "a record with white space around it, or nothing in it"
        );
        let at = rest
            .windows(piece.len())
            .position(|window| window == piece)
            .expect("a record is a piece of the input");
        rest = &rest[at + piece.len()..];
    }
}

/// Lines of which none opens a bracket are a record each, if there is anything on them.
fn check_plain_lines(text: &[u8], records: &[IncomingRecord]) {
    let lines = || text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    if lines().any(|line| matches!(line.first(), Some(b'{' | b'['))) {
        return;
    }
    let told = (1..).zip(lines()).filter(|(_, line)| !line.is_empty());
    let expected: Vec<IncomingRecord> =
        told.map(|(line, bytes)| IncomingRecord { line, bytes: bytes.to_vec() }).collect();
    assert_eq!(records, expected);
}

/// Without an array there is no envelope: everything is in some record, but white space and commas
/// between records.
fn check_without_arrays(text: &[u8], records: &[IncomingRecord]) {
    if text.contains(&b'[') {
        return;
    }
    let counts = |byte: &&u8| !byte.is_ascii_whitespace() && **byte != b',';
    let kept = records.iter().flat_map(|record| &record.bytes).filter(counts);
    assert!(kept.eq(text.iter().filter(counts)), "bytes were lost or moved");
}

/// A document that is an array, in which no object could be an envelope, gives its items.
fn check_array_of_values(text: &[u8], records: &[IncomingRecord]) {
    if text.contains(&b'{') || text.iter().filter(|byte| **byte == b'[').count() > NESTED_MAX {
        return;
    }
    let Ok(items) = serde_json::from_slice::<Vec<&RawValue>>(text) else { return };
    assert!(
        records
            .iter()
            .map(|record| record.bytes.as_slice())
            .eq(items.iter().map(|item| item.get().as_bytes()))
    );
}
