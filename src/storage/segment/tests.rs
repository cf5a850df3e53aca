//! A segment as a whole: what goes in comes out, damage is found, an index is rebuilt.

use super::{IndexReader, Segment, SegmentOptions, write_segment};
use crate::decode::{VERSION, decode};
use crate::event::{Event, EventKey, FIELDS, Field, Timestamp, row_order};
use crate::generate::{Generator, Plan};
use crate::storage::{PutMode, Store, paths};

const DATE: &str = "2026-06-29";

/// Generated events of one day, numbered and in the order of rows.
fn events(count: u64) -> Vec<Event> {
    let mut generator =
        Generator::new(&Plan { events: count, tenants: 7, days: 1, ..Plan::default() });
    let mut events = Vec::new();
    let mut record = String::new();
    while generator.next_record(&mut record) {
        let mut event = decode(&record, None).expect("generated records decode");
        event.tenant = generator.tenant().into();
        event.accept(
            events.len() as u64 + 1,
            Timestamp::parse("2026-07-01T00:00:00Z").expect("a time"),
        );
        events.push(event);
        record.clear();
    }
    events.sort_by(row_order);
    events
}

struct WrittenSegment {
    store: Store,
    segment: Segment,
    events: Vec<Event>,
    _folder: tempfile::TempDir,
}

fn written(count: u64) -> WrittenSegment {
    written_of(events(count))
}

fn written_of(events: Vec<Event>) -> WrittenSegment {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let store = Store::new(folder.path()).expect("a store");
    let files =
        write_segment("01TEST", DATE, SegmentOptions::of(VERSION), &events).expect("a segment");
    store.put(&paths::data(DATE, "01TEST"), &files.data, PutMode::Create).expect("the data file");
    store.put(&paths::index("01TEST"), &files.index, PutMode::Create).expect("the index file");
    store
        .put(&paths::manifest("01TEST"), &files.manifest.encode(), PutMode::Create)
        .expect("the manifest");
    let segment = Segment::open(&store, "01TEST").expect("the segment");
    WrittenSegment { store, segment, events, _folder: folder }
}

fn all_fields() -> Vec<Field> {
    FIELDS.iter().map(|def| def.field).collect()
}

fn rows_with(index: &IndexReader, field: Field, value: &str) -> u32 {
    let postings = index.postings(field, value).expect("terms");
    postings.map_or(0, |postings| tantivy::DocSet::size_hint(&postings))
}

#[test]
fn rows_are_read_back_as_they_were_written_whole_and_in_parts() {
    let written = written(3_000);
    let rows: Vec<u32> = (0..3_000).collect();
    for rows in [&rows[..], &rows[17..18], &[0, 5, 6, 7, 999, 2_999]] {
        let batches = written.segment.read(rows, &all_fields(), &mut 0).expect("the rows");
        let read: Vec<Event> = batches
            .iter()
            .flat_map(|columns| (0..columns.rows()).map(|row| columns.event(row)))
            .collect();
        let expected: Vec<Event> =
            rows.iter().map(|row| written.events[*row as usize].clone()).collect();
        assert_eq!(read, expected);
    }
}

#[test]
fn a_document_of_the_index_is_a_row_of_the_file() {
    let written = written(2_000);
    let index = written.segment.index().expect("the index");
    for (row, event) in (0_u32..).zip(&written.events) {
        assert_eq!(index.key(row), event.key());
        assert!(
            index
                .candidates(Field::TraceId, event.trace_id())
                .expect("a table of ids")
                .contains(&row)
        );
        for related in &event.related_ids {
            assert!(
                index
                    .candidates(Field::RelatedIds, related)
                    .expect("a table of ids")
                    .contains(&row)
            );
        }
    }
    let with = |value: &str| {
        written.events.iter().filter(|event| event.text(Field::Source) == Some(value)).count()
            as u32
    };
    for source in ["ECS", "PartnerCenter", "no such source"] {
        assert_eq!(rows_with(&index, Field::Source, source), with(source), "{source}");
    }
}

#[test]
fn names_are_kept_as_values_and_random_ids_as_hashes() {
    let mut events = events(4_000);
    for (number, event) in events.iter_mut().enumerate() {
        event.set(Field::ResourceName, format!("web-{}", number % 700));
        event.set_opt(
            Field::AccessKeyId,
            number.is_multiple_of(3).then(|| format!("KEY{}", number % 5)),
        );
        event.set(
            Field::RequestId,
            format!(
                "{:032x}",
                (number as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
            ),
        );
    }
    let written = written_of(events);
    let index = written.segment.index().expect("the index");
    for (field, certain) in [
        (Field::ResourceName, true),
        (Field::AccessKeyId, true),
        (Field::RequestId, false),
        (Field::TraceId, false),
    ] {
        assert_eq!(index.ids_are_certain(field).expect("a table"), certain, "{field}");
        let value = written.events[1_500].text(field).expect("a value");
        let rows = |within: &std::ops::Range<u32>, test: &dyn Fn(&str) -> bool| -> Vec<u32> {
            let has = |row: &u32| written.events[*row as usize].text(field).is_some_and(test);
            within.clone().filter(has).collect()
        };
        assert_eq!(
            index.candidates(field, value).expect("rows"),
            rows(&(0..4_000), &|text| text == value),
            "{field}"
        );
        let within = 900..3_100;
        for prefixes in
            [vec![""], vec!["web-1"], vec!["web-69", "web-6"], vec!["KEY", "web-"], vec!["x"]]
        {
            let asked: Vec<String> = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
            let found = index.rows_with_id_prefix(field, &asked, &within).expect("rows");
            assert_eq!(found.is_some(), certain, "{field}");
            if let Some(mut found) = found {
                found.sort_unstable();
                found.dedup();
                assert_eq!(
                    found,
                    rows(&within, &|text| prefixes.iter().any(|prefix| text.starts_with(prefix))),
                    "{field} {prefixes:?}"
                );
            }
        }
    }
}

#[test]
fn the_manifest_knows_the_rows_of_each_tenant_and_seek_finds_places_in_them() {
    let written = written(2_000);
    let mut rows = 0;
    for tenant in &written.segment.manifest().tenants {
        let range = tenant.range();
        let own = &written.events[range.start as usize..range.end as usize];
        assert!(own.iter().all(|event| event.tenant == tenant.tenant));
        assert_eq!((own[0].time, own[own.len() - 1].time), (tenant.newest(), tenant.oldest()));
        rows += own.len();
        let middle = own[own.len() / 2].key();
        let position = |after: bool| {
            own.iter()
                .filter(|event| event.key() > middle || (after && event.key() == middle))
                .count() as u32
        };
        assert_eq!(
            written.segment.seek(&range, middle, true).expect("a place"),
            range.start + position(false)
        );
        assert_eq!(
            written.segment.seek(&range, middle, false).expect("a place"),
            range.start + position(true)
        );
        let last = EventKey { time: Timestamp::from_millis(i64::MIN), seq: 0 };
        assert_eq!(written.segment.seek(&range, last, true).expect("a place"), range.end);
    }
    assert_eq!(rows, 2_000);
}

#[test]
fn damage_is_found_and_located_and_an_index_is_made_anew() {
    let written = written(500);
    assert_eq!(written.segment.check().expect("a check"), (vec![], vec![]));

    let index_path = paths::index("01TEST");
    let mut index = written.store.read(&index_path).expect("the index");
    let middle = index.len() / 2;
    index[middle] ^= 1;
    written.store.put(&index_path, &index, PutMode::Replace).expect("damage");
    let (data, found) =
        Segment::open(&written.store, "01TEST").expect("the segment").check().expect("a check");
    assert!(data.is_empty() && found.iter().any(|line| line.contains("SHA-256")), "{found:?}");
    written.segment.rebuild_index().expect("an index");
    let anew = Segment::open(&written.store, "01TEST").expect("the segment");
    assert_eq!(anew.check().expect("a check"), (vec![], vec![]));
    assert_eq!(anew.manifest().data, written.segment.manifest().data, "only the index changes");
    assert_eq!(anew.index().expect("the index").key(7), written.events[7].key());

    let data_path = paths::data(DATE, "01TEST");
    let mut data = written.store.read(&data_path).expect("the data");
    data[1_000] ^= 1;
    written.store.put(&data_path, &data, PutMode::Replace).expect("damage");
    let (found, _) =
        Segment::open(&written.store, "01TEST").expect("the segment").check().expect("a check");
    assert!(
        found.iter().any(|line| line.contains("column")),
        "the damaged column is named: {found:?}"
    );
}

#[test]
fn a_cut_file_is_an_error_and_not_a_short_answer() {
    let written = written(300);
    let data_path = paths::data(DATE, "01TEST");
    let data = written.store.read(&data_path).expect("the data");
    written.store.put(&data_path, &data[..data.len() - 1], PutMode::Replace).expect("damage");
    let segment = Segment::open(&written.store, "01TEST").expect("the segment");
    let error = segment.read(&[0], &[Field::Original], &mut 0).expect_err("a cut file");
    assert!(error.to_string().contains(".parquet"), "{error}");
}

#[test]
fn values_longer_than_a_term_are_still_found_whole() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let store = Store::new(folder.path()).expect("a store");
    let long = |last: char| format!("{}{last}", "长".repeat(30_000));
    let mut events = events(2);
    events[0].set(Field::Operator, long('a'));
    events[1].set(Field::Operator, long('b'));
    let files =
        write_segment("01LONG", DATE, SegmentOptions::of(VERSION), &events).expect("a segment");
    store.put(&paths::index("01LONG"), &files.index, PutMode::Create).expect("the index file");
    let segment = Segment::new(&store, files.manifest);
    let index = segment.index().expect("the index");
    assert_eq!(rows_with(&index, Field::Operator, &long('a')), 1);
    assert_eq!(rows_with(&index, Field::Operator, &long('c')), 0);
}

/// Everything that a segment can be asked, or the first error.
fn everything(segment: &Segment, expected: &[Event]) -> crate::error::Result<bool> {
    let rows = segment.manifest().rows;
    let mut batches = Vec::new();
    segment.visit_range(0..rows, &all_fields(), |columns| {
        batches.push(columns);
        Ok(())
    })?;
    let read: Vec<Event> = batches
        .iter()
        .flat_map(|columns| (0..columns.rows()).map(|row| columns.event(row)))
        .collect();
    let mut same = read == expected;
    let index = segment.index()?;
    for (row, event) in (0_u32..).zip(expected) {
        same &= index.key(row) == event.key();
        for (field, id) in [
            (Field::TraceId, Some(event.trace_id())),
            (Field::ResourceId, event.text(Field::ResourceId)),
        ] {
            same &= id
                .is_none_or(|id| index.candidates(field, id).is_ok_and(|rows| rows.contains(&row)));
            if let Some(id) = id {
                index.candidates(field, id)?;
            }
        }
    }
    for field in [Field::Source, Field::EventName, Field::Operator] {
        for value in index.values_with_prefix(field, "", 10_000)?.unwrap_or_default() {
            let wanted = (0_u32..)
                .zip(expected)
                .filter(|(_, event)| event.text(field) == Some(&value))
                .map(|(row, _)| row);
            let mut found = Vec::new();
            if let Some(mut postings) = index.postings(field, &value)? {
                use tantivy::{DocSet, TERMINATED};
                while postings.doc() != TERMINATED {
                    found.push(postings.doc());
                    postings.advance();
                }
            }
            same &= wanted.eq(found);
        }
    }
    index.word("ecs")?;
    index.rows_near_id(expected[0].trace_id())?;
    Ok(same)
}

/// Flips one bit in this many; `ANNALS_FLIPS=1` flips every one.
fn flip_stride() -> usize {
    std::env::var("ANNALS_FLIPS").ok().and_then(|stride| stride.parse().ok()).unwrap_or(211)
}

#[test]
fn no_flipped_bit_of_a_segments_files_changes_an_answer() {
    let written = written(60);
    assert!(everything(&written.segment, &written.events).expect("a sound segment"));
    let mut refused = 0;
    for path in [paths::data(DATE, "01TEST"), paths::index("01TEST"), paths::manifest("01TEST")] {
        let good = written.store.read(&path).expect("the file");
        for bit in (0..good.len() * 8).step_by(flip_stride()) {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(written.store.path(&path), &bad).expect("damage");
            let answer = Segment::open(&written.store, "01TEST")
                .and_then(|segment| everything(&segment, &written.events));
            assert!(!matches!(answer, Ok(false)), "{path}: bit {bit} changes an answer");
            refused += usize::from(answer.is_err());
        }
        std::fs::write(written.store.path(&path), &good).expect("mended");
    }
    assert!(refused > 100, "most of it is noticed: {refused}");
}
