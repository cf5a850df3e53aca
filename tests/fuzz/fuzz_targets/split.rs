//! Splitting any bytes: records are pieces of the input, in its order, with their lines, and
//! nothing is lost between them.

#![no_main]

use annals::ingest::{IncomingRecord, RecordSplitter};
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;
use std::io::{BufRead, BufReader};

fuzz_target!(|bytes: &[u8]| {
    let records = split(bytes);
    assert_eq!(
        records,
        split(BufReader::with_capacity(1, bytes)),
        "it matters in which pieces the bytes arrive"
    );
    check_pieces(bytes, &records);
    check_plain_lines(bytes, &records);
    check_whole_objects(bytes, &records);
    check_array_of_values(bytes, &records);
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

/// Lines of which none opens a bracket are a record each, if there is anything on them. What may
/// stand between records, or fills a hole in a file, is left to the other checks.
fn check_plain_lines(text: &[u8], records: &[IncomingRecord]) {
    if text.iter().any(|byte| matches!(byte, b'{' | b'[' | b',' | 0 | 0x1e | 0xef)) {
        return;
    }
    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let told = (1..).zip(lines).filter(|(_, line)| !line.is_empty());
    let expected: Vec<IncomingRecord> =
        told.map(|(line, bytes)| IncomingRecord::new(line, bytes)).collect();
    assert_eq!(records, expected);
}

/// A line that is a whole object is in some record, whatever comes before it.
fn check_whole_objects(text: &[u8], records: &[IncomingRecord]) {
    if text.contains(&b'[') || text.contains(&0) {
        return;
    }
    for line in text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
        let is_object = line.starts_with(b"{") && serde_json::from_slice::<&RawValue>(line).is_ok();
        let mut texts = records.iter().map(|record| record.bytes.as_slice());
        assert!(
            !is_object || texts.any(|text| text.windows(line.len()).any(|part| part == line)),
            "a whole object was lost"
        );
    }
}

/// A document that is an array, in which no object could be an envelope, gives its items.
fn check_array_of_values(text: &[u8], records: &[IncomingRecord]) {
    if text.contains(&b'{') || text.iter().filter(|byte| **byte == b'[').count() > 1 {
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
