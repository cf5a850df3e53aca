//! How fast the parts of the engine are, on generated events: the same plan, the same bytes, the
//! same store in every run.
//!
//! `cargo bench --bench engine` runs all of it; `cargo bench --bench engine -- list` only what has
//! `list` in its name. Questions go to the reader, without HTTP and JSON; `benches/compare`
//! measures those too.

use annals::access::Scope;
use annals::calls::Pairs;
use annals::clock::ManualClock;
use annals::decode::{self, Format, decode};
use annals::engine::Engine;
use annals::event::{Columns, DAY_MS, Event, FIELDS, Field, IndexKind, Timestamp, row_order};
use annals::export::{Encoder, ExportFormat, Options};
use annals::filter::parse_filter;
use annals::generate::{Generator, Plan, generate};
use annals::ingest::TenantRule;
use annals::query::{
    EventBatch, Filter, HistogramQuery, Interval, PageQuery, SnapshotReader, StreamQuery,
};
use annals::storage::AccessMode;
use annals::storage::segment::{self, write_segment};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Records that are decoded in one go.
const DECODED: usize = 10_000;
/// Events of the segment that is written.
const WRITTEN: u64 = 50_000;
/// Events of the store that is asked.
const STORED: u64 = 200_000;
/// Events on a page.
const PAGE_ROWS: usize = 50;
/// A question of four dimensions that the largest tenant has many answers to.
const FOUR_DIMENSIONS: &str =
    "event_type=system&source=ECS&resource_type=ecs&event_name=createServer";
/// Fields of the facets.
const FACETS: [Field; 5] =
    [Field::Source, Field::ResourceType, Field::EventName, Field::Level, Field::SourceIp];

fn main() {
    divan::main();
    // What a static holds is never dropped.
    if let Some(store) = STORE.get() {
        std::fs::remove_dir_all(store.folder.path()).expect("the store can be removed");
    }
}

/// The end of the generated period: every event is in the past of the benches' clock.
fn now() -> Timestamp {
    let plan = Plan::default();
    Timestamp::from_millis(plan.start_ms + i64::from(plan.days) * DAY_MS)
}

/// The first [`DECODED`] generated records of a format.
fn records(format: Format) -> Vec<String> {
    let mut generator = Generator::new(&Plan { events: u64::MAX, ..Plan::default() });
    let mut records = Vec::with_capacity(DECODED);
    while records.len() < DECODED {
        let mut record = String::new();
        assert!(generator.next_record(&mut record), "the generator ended");
        if decode::detect(&record) == Some(format) {
            records.push(record);
        }
    }
    records
}

#[divan::bench(args = [Format::Cts, Format::Partner], sample_count = 20)]
fn decode_records(bencher: Bencher<'_, '_>, format: Format) {
    let records = records(format);
    let bytes: usize = records.iter().map(String::len).sum();
    bencher.counter(ItemsCount::new(records.len())).counter(BytesCount::new(bytes)).bench_local(
        || {
            for record in &records {
                black_box(
                    decode(black_box(record), Some(format)).expect("a generated record decodes"),
                );
            }
        },
    );
}

/// Events of one day, in the order of a segment, and their date.
fn events_of_a_day() -> (Vec<Event>, String) {
    let plan = Plan { events: WRITTEN, days: 1, ..Plan::default() };
    let mut generator = Generator::new(&plan);
    let mut record = String::new();
    let mut events: Vec<Event> = Vec::new();
    while generator.next_record(&mut record) {
        let mut event = decode(&record, None).expect("a generated record decodes");
        event.tenant = generator.tenant().into();
        event.accept(events.len() as u64 + 1, now());
        events.push(event);
        record.clear();
    }
    events.sort_by(row_order);
    (events, Timestamp::from_millis(plan.start_ms).date())
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn write_a_segment(bencher: Bencher<'_, '_>) {
    let (events, date) = events_of_a_day();
    let bytes: usize = events.iter().map(|event| event.original.len()).sum();
    bencher.counter(ItemsCount::new(events.len())).counter(BytesCount::new(bytes)).bench_local(
        || {
            write_segment(
                "bench",
                &date,
                segment::SegmentOptions::of(decode::VERSION),
                black_box(&events),
            )
            .expect("a segment is written")
        },
    );
}

/// What is built of an index: nothing but what every index has, a field alone, the words, or all of
/// it.
fn index_parts() -> Vec<&'static str> {
    let fields = FIELDS
        .iter()
        .filter(|def| matches!(def.index, IndexKind::Term | IndexKind::Hash))
        .map(|def| def.name);
    ["(nothing)"].into_iter().chain(fields).chain(["(words)", "(everything)"]).collect()
}

/// Time by part of an index; the bytes are those of the index, so that what a part takes is the
/// difference to `(nothing)`.
#[divan::bench(args = index_parts(), sample_count = 5, sample_size = 1)]
fn build_an_index_of(bencher: Bencher<'_, '_>, part: &str) {
    let (events, _) = events_of_a_day();
    let all: Vec<Field> = FIELDS.iter().map(|def| def.field).collect();
    let columns = [Columns::of_events(&events, &all).expect("columns")];
    let fields: Vec<Field> =
        if part == "(everything)" { all } else { Field::from_name(part).into_iter().collect() };
    let words = ["(words)", "(everything)"].contains(&part);
    let build =
        || segment::index_of(black_box(&columns), &fields, words).expect("an index is built");
    bencher
        .counter(ItemsCount::new(events.len()))
        .counter(BytesCount::new(build()))
        .bench_local(build);
}

/// The store that is asked, and things in it to ask for.
struct Store {
    folder: TempDir,
    engine: Engine,
    /// What the engine's streams run on.
    _runtime: Runtime,
    /// The largest tenant.
    scope: Scope,
    operator: String,
    resource_id: String,
}

static STORE: OnceLock<Store> = OnceLock::new();

fn store() -> &'static Store {
    STORE.get_or_init(|| {
        let folder = tempfile::Builder::new()
            .prefix("annals-bench-")
            .tempdir()
            .expect("a temporary directory");
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let engine = Engine::open(
            &folder.path().join("audit"),
            AccessMode::Write,
            Arc::new(ManualClock::new(now())),
            runtime.handle().clone(),
        );
        let engine = engine.expect("a new store");

        let plan = Plan { events: STORED, ..Plan::default() };
        let mut records = Vec::new();
        generate(&plan, &mut records).expect("writing to memory does not fail");
        let rule = TenantRule::new(None, Some("project_id")).expect("a rule");
        let (outcome, error) =
            engine.ingest_stream(records.as_slice(), None, &rule, "bench", |_| ());
        assert!(error.is_none(), "{error:?}");
        assert_eq!(outcome.accepted, STORED);

        let scope = Scope::of_operator(&[Generator::new(&plan).tenant()]).expect("a scope");
        let snapshot = engine.snapshot();
        let page = engine
            .reader(&snapshot, None)
            .list(&scope, &filter(FOUR_DIMENSIONS), &page_query())
            .expect("a page");
        let event = page.events.first().expect("the largest tenant creates servers");
        let text = |field: Field| {
            event.text(field).expect("a server has an id, its creation an operator").to_owned()
        };
        let (operator, resource_id) = (text(Field::Operator), text(Field::ResourceId));
        drop(page);
        Store { folder, engine, _runtime: runtime, scope, operator, resource_id }
    })
}

fn filter(query: &str) -> Filter {
    parse_filter(&Pairs::from_query(query).0, &[], now()).expect("a filter")
}

/// A parameter as a URL has it.
fn coded(name: &str, value: &str) -> String {
    Pairs(vec![(name.to_owned(), value.to_owned())]).to_query()
}

fn page_query() -> PageQuery {
    PageQuery { limit: PAGE_ROWS, ..PageQuery::default() }
}

/// Measures a question to the largest tenant of the store.
fn ask<T>(
    bencher: Bencher<'_, '_>,
    query: &str,
    question: impl Fn(&SnapshotReader<'_>, &Scope, &Filter) -> T + Sync,
) {
    let store = store();
    let filter = filter(query);
    let snapshot = store.engine.snapshot();
    let reader = store.engine.reader(&snapshot, None);
    bencher.bench_local(|| question(&reader, black_box(&store.scope), black_box(&filter)));
}

fn ask_page(bencher: Bencher<'_, '_>, query: &str) {
    ask(bencher, query, |reader, scope, filter| {
        reader.list(scope, filter, &page_query()).expect("a page")
    });
}

fn ask_count(bencher: Bencher<'_, '_>, query: &str) {
    ask(bencher, query, |reader, scope, filter| reader.count(scope, filter).expect("a count"));
}

fn ask_facets(bencher: Bencher<'_, '_>, query: &str) {
    ask(bencher, query, |reader, scope, filter| {
        reader.facets(scope, filter, &FACETS, 10).expect("facets")
    });
}

#[divan::bench]
fn list_newest(bencher: Bencher<'_, '_>) {
    ask_page(bencher, "");
}

#[divan::bench]
fn list_by_four_dimensions(bencher: Bencher<'_, '_>) {
    ask_page(bencher, FOUR_DIMENSIONS);
}

#[divan::bench]
fn list_by_resource_id(bencher: Bencher<'_, '_>) {
    ask_page(bencher, &format!("resource_id={}", store().resource_id));
}

/// Few events in every segment: the page must visit many.
#[divan::bench]
fn list_scattered(bencher: Bencher<'_, '_>) {
    ask_page(bencher, "level=incident&read_only=true");
}

#[divan::bench]
fn count_four_dimensions_30_days(bencher: Bencher<'_, '_>) {
    ask_count(bencher, &format!("{FOUR_DIMENSIONS}&last=30d"));
}

/// Words, phrases, paths and pieces of the records: rare and frequent ones.
#[divan::bench(args = ["审计整改", "terraform", "\"payment \
                                            3124\"", "user.name:svc-backup", "request.description:*整改"])]
fn list_by_text(bencher: Bencher<'_, '_>, text: &str) {
    ask_page(bencher, &coded("text", text));
}

#[divan::bench(args = ["审计整改", "terraform", "user.name:svc-backup"])]
fn count_by_text(bencher: Bencher<'_, '_>, text: &str) {
    ask_count(bencher, &coded("text", text));
}

#[divan::bench(args = ["svc-terra", "\\\"description\\\":\\\"REQ-"])]
fn count_by_substring(bencher: Bencher<'_, '_>, text: &str) {
    ask_count(bencher, &coded("substring", text));
}

#[divan::bench]
fn list_by_groups(bencher: Bencher<'_, '_>) {
    let group = r#"{"any":[{"level":"incident"},{"source":"ECS","text":"rollback"}],"not":{"operator.prefix":"svc-"}}"#;
    ask_page(bencher, &coded("filter", group));
}

#[divan::bench]
fn list_by_regex(bencher: Bencher<'_, '_>) {
    ask_page(
        bencher,
        &coded("filter", r#"{"record":{"path":"user.access_key_id","regex":"^HPUA[A-F]"}}"#),
    );
}

/// The largest tenant as a file, in bytes a second.
#[divan::bench(args = [ExportFormat::Csv, ExportFormat::Ndjson, ExportFormat::Parquet], sample_count = 10)]
fn export_a_tenant(bencher: Bencher<'_, '_>, form: ExportFormat) {
    let store = store();
    let snapshot = store.engine.snapshot();
    let reader = store.engine.reader(&snapshot, None);
    let events = reader.count(&store.scope, &Filter::default()).expect("a count").0;
    bencher.counter(ItemsCount::new(events)).bench_local(|| {
        let mut encoder = Encoder::new(Vec::new(), Options::new(form)).expect("an encoder");
        let parts = encoder.parts();
        let make = |events: EventBatch| parts.make(&events);
        reader
            .stream(&store.scope, &Filter::default(), &StreamQuery::default(), make, |part| {
                encoder.write(&part)
            })
            .expect("a stream");
        encoder.finish().expect("a file").len()
    });
}

#[divan::bench]
fn sums_by_currency(bencher: Bencher<'_, '_>) {
    ask(bencher, "", |reader, scope, filter| {
        reader.stats(scope, filter, Some(Field::Currency)).expect("sums")
    });
}

/// No index serves amounts: the column is scanned.
#[divan::bench]
fn count_amounts(bencher: Bencher<'_, '_>) {
    ask_count(bencher, "amount.min=100");
}

#[divan::bench]
fn facets_of_a_tenant(bencher: Bencher<'_, '_>) {
    ask_facets(bencher, "");
}

#[divan::bench]
fn facets_of_an_operator(bencher: Bencher<'_, '_>) {
    ask_facets(bencher, &format!("operator={}", store().operator));
}

#[divan::bench]
fn histogram_of_a_source(bencher: Bencher<'_, '_>) {
    let query = HistogramQuery {
        interval: Some(Interval::parse("1h").expect("an interval")),
        ..HistogramQuery::default()
    };
    ask(bencher, "source=ECS", move |reader, scope, filter| {
        reader.histogram(scope, filter, &query).expect("a histogram")
    });
}
