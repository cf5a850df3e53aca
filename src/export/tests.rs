//! What exports look like, byte for byte.

use super::*;
use crate::event::{Amount, Event};
use proptest::prelude::*;

fn event() -> Event {
    let mut event = Event::default();
    event.time = Timestamp::from_millis(1_782_777_600_000);
    event.set(Field::TraceId, "id-1");
    event.set(Field::ResourceName, "=1+1");
    event.set(Field::Operator, "a \"b\", c\r\nd");
    event.amount = Some(Amount::parse("-5").expect("an amount"));
    event.relate("quota", "q1");
    event.relate("coupon", "c1");
    event.original = "{\"x\":1}".into();
    event
}

fn export(options: Options) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new(), options).expect("an encoder");
    encoder.write(&encoder.parts().make(&vec![event()].into()).expect("a part")).expect("memory");
    encoder.finish().expect("memory")
}

fn columns() -> Vec<Field> {
    parse_columns(&["time,trace_id,resource_name", "operator", "amount,related_ids,code"])
        .expect("columns")
}

#[test]
fn csv_is_quoted_disarmed_and_labelled() {
    let options = Options {
        columns: columns(),
        labels: Labels::Zh,
        bom: true,
        time_zone: Tz::Asia__Shanghai,
        ..Options::new(ExportFormat::Csv)
    };
    assert_eq!(
        String::from_utf8(export(options)).expect("text"),
        "\u{feff}操作时间,事件ID,资源名称,操作用户,金额,关联ID,返回码\r\n\
         2026-06-30T08:00:00.000+08:00,id-1,'=1+1,\"a \"\"b\"\", c\r\nd\",-5.00,\
         \"[\"\"quota:q1\"\",\"\"coupon:c1\"\"]\",\r\n"
    );
    let raw = Options {
        columns: vec![Field::ResourceName],
        formulas: Formulas::Raw,
        digits: Digits::Plain,
        ..Options::new(ExportFormat::Csv)
    };
    assert_eq!(export(raw), b"resource_name\r\n=1+1\r\n");
}

#[test]
fn ndjson_keeps_the_order_of_columns_and_says_that_it_is_complete() {
    let options =
        Options { columns: columns(), closing: true, ..Options::new(ExportFormat::Ndjson) };
    assert_eq!(
        String::from_utf8(export(options)).expect("text"),
        "{\"time\":\"2026-06-30T00:00:00.000Z\",\"trace_id\":\"id-1\",\"resource_name\":\"=1+1\",\"operator\":\"a \\\"b\\\", c\\r\\nd\",\
         \"amount\":\"-5.00\",\"related_ids\":[\"quota:q1\",\"coupon:c1\"]}\n{\"annals_export\":{\"complete\":true,\"rows\":1}}\n"
    );
}

#[test]
fn columns_are_named_once() {
    for names in ["nonsense", "time,time", ""] {
        assert_eq!(parse_columns(&[names]).expect_err(names).parameter_name(), Some("columns"));
    }
}

proptest! {
    /// Whatever a cell begins with, a spreadsheet sees text; and without the apostrophe it is what
    /// it was.
    #[test]
    fn no_cell_is_a_formula(
        start in proptest::sample::select(&["=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠", "x", ""][..]),
        before in proptest::sample::select(&["", " ", "\"", "'", "  \""][..]),
        rest in "[a-z0-9(),\"]{0,8}",
    ) {
        let cell = format!("{before}{start}{rest}");
        let mut event = Event::default();
        event.set(Field::ResourceName, &cell);
        let options =
            Options { columns: vec![Field::ResourceName], ..Options::new(ExportFormat::Csv) };
        let mut encoder = Encoder::new(Vec::new(), options).expect("an encoder");
        encoder.write(&encoder.parts().make(&vec![event].into()).expect("a part")).expect("memory");
        let bytes = encoder.finish().expect("memory");
        let mut reader = ::csv::ReaderBuilder::new().from_reader(bytes.as_slice());
        let found = reader
            .records()
            .next()
            .map(|record| record.expect("CSV")[0].to_owned())
            .unwrap_or_default();
        let begins = found.trim_start_matches([' ', '"']).chars().next();
        prop_assert!(
            !begins.is_some_and(|letter| "=+-@\t\r\n\0＝＋－＠".contains(letter)),
            "{:?}",
            found
        );
        prop_assert!(
            found == cell || found.strip_prefix('\'') == Some(&cell),
            "{:?} \
                {:?}",
            found,
            cell
        );
    }
}
