use super::envelope::DOCUMENT_RECORDS_MAX;
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
        [(1, "{\"a\":1}".to_owned()), (1, "{\"b\":[\n2]}".to_owned()), (6, "{\"c\":3}".to_owned())]
    );
    let envelope = "{\"Records\":[\n{\"a\":1},\n{\"b\":2}\n]}";
    assert_eq!(split(envelope), [(1, "{\"a\":1}".to_owned()), (1, "{\"b\":2}".to_owned())]);
}

#[test]
fn a_document_that_is_never_closed_gives_its_whole_objects() {
    let cut = split("[\n{\"a\":1},\n{\"b\":2},\n{\"c\":");
    assert_eq!(
        cut,
        [(2, "{\"a\":1}"), (3, "{\"b\":2}"), (4, "{\"c\":")]
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

/// What a stream is split into, without lines.
fn pieces(input: &str) -> Vec<String> {
    split(input).into_iter().map(|(_, text)| text).collect()
}

#[test]
fn documents_follow_each_other_without_line_breaks() {
    for (input, expected) in [
        (r#"{"a":1}{"b":2} {"c":3}"#, &[r#"{"a":1}"#, r#"{"b":2}"#, r#"{"c":3}"#][..]),
        ("{\"a\":1},\n{\"b\":2},\n", &[r#"{"a":1}"#, r#"{"b":2}"#]),
        ("{\n\"a\":1}{\n\"b\":2\n}\n", &["{\n\"a\":1}", "{\n\"b\":2\n}"]),
        (r#"{"Records":[{"a":1}]}{"Records":[{"b":2}]}"#, &[r#"{"a":1}"#, r#"{"b":2}"#]),
        (r#"[[{"a":1}],[{"b":2},{"c":3}]]"#, &[r#"{"a":1}"#, r#"{"b":2}"#, r#"{"c":3}"#]),
        (r#"[{"Records":[{"a":1}]},[{"items":[{"b":2}]}]]"#, &[r#"{"a":1}"#, r#"{"b":2}"#]),
        (
            "{\"a\":1}\n\u{feff}{\"b\":2}\u{feff}{\"c\":3}",
            &[r#"{"a":1}"#, r#"{"b":2}"#, r#"{"c":3}"#],
        ),
        ("\x1e{\"a\":1}\n\x1e{\"b\":2}\n", &[r#"{"a":1}"#, r#"{"b":2}"#]),
        (r#"{"a":1} and more"#, &[r#"{"a":1} and more"#]),
        (r#"[{"a":1},{"b":2}] and more"#, &[r#"{"a":1}"#, r#"{"b":2}"#, "and more"]),
    ] {
        assert_eq!(pieces(input), expected, "{input}");
    }
}

#[test]
fn an_object_may_be_the_value_of_a_key_on_the_line_before() {
    for input in ["{\"a\":\n{\"b\":1}\n}", "{\"a\":[\n{\"b\":1}\n,\n{\"c\":2}\n]\n}"] {
        assert_eq!(pieces(input), [input]);
    }
}

#[test]
fn a_line_that_was_cut_takes_no_other_with_it() {
    let good = "{\"b\":[1,{}],\"c\":\"x\"}";
    for cut in [
        "{\"a\":1,\"text\":\"with",
        "{\"a\":1,\"te",
        "{\"a\":1,",
        "{\"a\":1",
        "{\"a\":",
        "{\"a\"",
        "{",
        "{\"a\":[1,{\"b\":2},",
        "[{\"a\":\"",
        "{\"a\":\"x\\",
        "[2026-11-28 10:00] \"GET",
        "{\"a\":1}}",
        "]",
    ] {
        let input = format!("{good}\n{cut}\n{good}\n{good}\n{cut}\ntext\n{good}");
        let pieces = pieces(&input);
        let whole = pieces.iter().filter(|piece| *piece == good).count();
        assert_eq!(whole, 4, "{cut}: {pieces:?}");
        assert!(pieces.len() <= 4 + 2 * 3 + 1, "{cut}: {pieces:?}");
    }
}

#[test]
fn one_bad_value_in_a_document_costs_its_record() {
    for input in [
        "{\"Records\":[\n{\"a\":1},\n{\"b\":NaN},\n{\"c\":3}\n]}",
        "{\"Records\":[{\"a\":1},{\"b\":NaN},{\"c\":3}]}",
        "[{\"a\":1},{\"b\":NaN},{\"c\":3}]",
        "[\n{\"a\":1}\n{\"b\":NaN}\n{\"c\":3}\n]",
        "[\n{\"a\":1},\n{\"b\":NaN},\n{\"c\":3},\n]\n",
    ] {
        assert_eq!(pieces(input), ["{\"a\":1}", "{\"b\":NaN}", "{\"c\":3}"], "{input}");
    }
    let lines: Vec<u64> = split("[\n{\"a\":1},\n\n{\"b\":NaN},{\"c\":3}\n]")
        .into_iter()
        .map(|(line, _)| line)
        .collect();
    assert_eq!(lines, [2, 4, 4]);
    // What stands beside the list is kept.
    let input = "{\"owner\":\"1\",\"logEvents\":[{\"a\":1},{\"b\":NaN}],\"more\":5}";
    let expected =
        ["{\"owner\":\"1\",\"logEvents\":[", "{\"a\":1}", "{\"b\":NaN}", "],\"more\":5}"];
    assert_eq!(pieces(input), expected);
}

#[test]
fn holes_in_a_file_are_passed_over_and_long_lines_are_cut() {
    let hole = "\0".repeat(100_000);
    let input = format!("{hole}{{\"a\":1}}\n{{\"b\":2,{hole}{{\"c\":3}}\n{hole}");
    assert_eq!(pieces(&input), ["{\"a\":1}", "{\"b\":2,", "{\"c\":3}"]);
    let long = "x".repeat(3 * RECORD_BYTES_MAX);
    let input = format!("{long}\n{{\"a\":1}}\n{long}");
    let mut splitter = RecordSplitter::new(input.as_bytes());
    let first = splitter.next_record().expect("memory").expect("a line");
    assert_eq!(first.bytes.len(), RECORD_BYTES_MAX);
    let cut = first.cut.expect("it was cut");
    assert_eq!(cut.length, long.len() as u64);
    assert_eq!(cut.sha256[..], Sha256::digest(&long)[..]);
    let second = splitter.next_record().expect("memory").expect("a record");
    assert_eq!((second.line, second.bytes.as_slice()), (2, b"{\"a\":1}".as_slice()));
    let third = splitter.next_record().expect("memory").expect("a line");
    assert_eq!((third.line, third.cut), (3, Some(cut)));
}

#[test]
fn a_string_that_is_never_closed_ends() {
    let mut input = "{\"a\":\"cut\n".to_owned();
    input.push_str(&"plain text\n".repeat(300_000));
    input.push_str("{\"b\":2}\n");
    let pieces = pieces(&input);
    assert_eq!(pieces.last().map(String::as_str), Some("{\"b\":2}"));
}

#[test]
fn an_event_with_a_list_is_no_envelope() {
    for record in [
        r#"{"time":"2026-03-01T08:00:00Z","type":"order","items":[{"a":1},{"b":2}]}"#,
        r#"{"name":"x","@timestamp":1,"events":[{"a":1}]}"#,
        r#"{"name":"x","items":[1,2]}"#,
        r#"{"items":["a"],"x":1}"#,
    ] {
        assert_eq!(pieces(record), [record]);
    }
    for record in [
        r#"{"value":[{"a":1},{"b":2}]}"#,
        r#"{"data":[{"@timestamp":1,"message":"m"}]}"#,
        r#"{"Response":{"TotalCount":1}}"#,
        r#"{"Response":{"Response":{"Events":[{"a":1}]}}}"#,
        r#"{"value":[],"name":"x"}"#,
        r#"{"Request":{"user":"bob"},"Response":[{"id":1},{"id":2}]}"#,
        r#"{"Response":{"items":[{"a":1}]}}"#,
        r#"{"createdAt":"2026","actor":"bob","data":[{"EventID":1,"Channel":"x"}]}"#,
        r#"{"value":[{"operationName":"o","caller":"c"},{"a":1}]}"#,
    ] {
        assert_eq!(pieces(record), [record]);
    }
    let known = r#"{"operationName":"o","caller":"c"}"#;
    for envelope in [
        format!("{{\"@odata.context\":\"x\",\"value\":[{known},{known}]}}"),
        format!("{{\"data\":[{known},{known}],\"opc-next-page\":null}}"),
        format!("{{\"Response\":{{\"Events\":[{known},{known}],\"ListOver\":true}}}}"),
        format!("{{\"records\":[{known},{known}],\"data\":{{\"a\":1}},\"x\": {{\"data\":[]}}}}"),
    ] {
        assert_eq!(pieces(&envelope), [known, known], "{envelope}");
    }
    let envelope = r#"{"kind":"EventList","metadata":{},"items":[{"a":1},{"b":2}]}"#;
    assert_eq!(pieces(envelope), [r#"{"a":1}"#, r#"{"b":2}"#]);
}

#[test]
fn documents_over_several_lines_survive_a_cut_before_them() {
    let good = "{\n  \"b\": [1],\n  \"c\": {}\n}";
    for cut in ["{\n  \"a\":", "{\n  \"x\": [\n    1,", "{\n  \"x\": [\n    {\"y\": 1},"] {
        for between in ["\n", ",\n"] {
            let input = format!("{cut}\n{good}{between}{good}{between}{good}\n{{\"d\":4}}");
            let pieces = pieces(&input);
            let whole = pieces.iter().filter(|piece| *piece == good).count();
            assert_eq!(whole, 3, "{input}: {pieces:?}");
            assert!(pieces.contains(&"{\"d\":4}".to_owned()), "{pieces:?}");
        }
    }
    let indented = "{\"a\":\"c\",\"tags\":[\n {\"g\":0}\n {\"g\":1}\n {\"g\":2}";
    let found = pieces(indented);
    assert_eq!(found.iter().filter(|piece| piece.starts_with("{\"g\"")).count(), 3, "{found:?}");
}

#[test]
fn an_item_that_is_not_closed_ends_where_the_next_one_begins() {
    let input = "{\"Records\":[{\"g\":0},{\"a\":{\"b\":1},{\"g\":1},{\"g\":2}]}";
    let expected = ["{\"g\":0}", "{\"a\":{\"b\":1},", "{\"g\":1}", "{\"g\":2}"];
    assert_eq!(pieces(input), expected);
}

const PART: &str = "2026-03-01T10:00:00.1Z stdout P ";
const LAST: &str = "2026-03-01T10:00:00.2Z stdout F ";

#[test]
fn parts_of_a_line_of_a_container_are_one_record() {
    let parts = format!("{PART}a \n{PART}b\n{LAST}c\n");
    for (input, expected) in [
        (parts.clone(), vec![(1, parts.trim_end().to_owned())]),
        (format!("\u{feff}{parts}"), vec![(1, parts.trim_end().to_owned())]),
        (parts.replace("b\n", "b\n\n"), vec![(1, parts.trim_end().to_owned())]),
        // An empty last part ends a line as well.
        (
            format!("{PART}a\n{}\n", LAST.trim_end()),
            vec![(1, format!("{PART}a\n{}", LAST.trim_end()))],
        ),
        // What is between the parts of one stream is of the other.
        (
            format!(
                "{PART}a\n{}x\n{}y\n{LAST}b\n{}z\n",
                LAST.replace("out", "err"),
                PART.replace("out", "err"),
                LAST.replace("out", "err"),
            ),
            vec![
                (2, format!("{}x", LAST.replace("out", "err"))),
                (1, format!("{PART}a\n{LAST}b")),
                (3, format!("{}y\n{}z", PART.replace("out", "err"), LAST.replace("out", "err"))),
            ],
        ),
    ] {
        assert_eq!(split(&input), expected, "{input}");
    }
}

#[test]
fn parts_without_a_last_one_stay_as_they_came() {
    for (input, expected) in [
        (format!("{PART}a\n{PART}b\n"), vec![(1, format!("{PART}a")), (2, format!("{PART}b"))]),
        (
            format!("{PART}a\nother\n{LAST}b\n"),
            vec![(1, format!("{PART}a")), (2, "other".to_owned()), (3, format!("{LAST}b"))],
        ),
        (
            format!("{PART}a\n{{\"x\":1}}\n"),
            vec![(1, format!("{PART}a")), (2, "{\"x\":1}".to_owned())],
        ),
        (
            format!("{{\"x\":\n{PART}a\n{LAST}b\n"),
            vec![(1, "{\"x\":".to_owned()), (2, format!("{PART}a\n{LAST}b"))],
        ),
    ] {
        assert_eq!(split(&input), expected, "{input}");
    }
}

#[test]
fn parts_are_not_joined_with_what_is_older_or_much_later() {
    for time in ["09:00:00Z", "10:00:00.05Z", "10:01:00.2Z", "23:00:00Z"] {
        let other = format!("2026-03-01T{time} stdout F b");
        let expected = [(1, format!("{PART}a")), (2, other.clone())];
        assert_eq!(split(&format!("{PART}a\n{other}\n")), expected, "{time}");
    }
    let paused = "2026-03-01T10:00:59Z stdout F b";
    assert_eq!(split(&format!("{PART}a\n{paused}\n")), [(1, format!("{PART}a\n{paused}"))]);
}

#[test]
fn parts_are_joined_up_to_the_size_of_a_record() {
    let count = |open: &str, size: usize, close: &str| {
        let part = format!("{PART}{}\n", "x".repeat(16_000));
        let body = part.repeat(size / part.len());
        split(&format!("{PART}{open}\n{body}{LAST}{close}\n{PART}a\n{LAST}b\n")).len()
    };
    assert_eq!(count("", 200_000, ""), 2);
    assert_eq!(count("{\"a\":\"", 1_000_000, "\"}"), 2);
    // Text is in its event twice, and what is longer than a record stays apart up to its end.
    assert_eq!(count("", 1_000_000, ""), 62 + 3);
    assert_eq!(count("{\"a\":\"", 1_100_000, "\"}"), 68 + 3);
}

#[test]
fn no_part_is_lost_wherever_a_batch_ends() {
    let text = format!("{PART}a\n{PART}{{b\n{LAST}c\n{LAST}d\n{PART}e\nx\n{LAST}f\n");
    for cut in 0..=text.len() {
        let pieces: Vec<String> = [&text[..cut], &text[cut..]]
            .iter()
            .flat_map(|batch| split(batch))
            .map(|(_, record)| record)
            .collect();
        let kept: String = pieces.concat().split_ascii_whitespace().collect();
        let all: String = text.split_ascii_whitespace().collect();
        assert_eq!(kept, all, "{cut}");
    }
}
