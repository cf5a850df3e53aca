//! Questions end: with their budget, in every loop, and with the same answer where they go on among
//! the heavy ones.

use super::*;
use crate::access::Scope;
use crate::decode;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::event::Timestamp;
use crate::event::{Event, Field, row_order};
use crate::filter::parse_filter;
use crate::generate::{Generator, Plan};
use crate::ingest::Buffered;
use crate::query::rows::plan::AnswerPath;
use crate::storage::segment::Segment;
use crate::storage::segment::{SegmentOptions, write_segment};
use crate::storage::{PutMode, Store, paths};
use budget::RUN_WORK;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

const EVENTS: u64 = 4_000;

/// Four segments and a part of the buffer.
struct Sample {
    snapshot: Snapshot,
    scanner: Scanner,
    threads: Threads,
    _runtime: Runtime,
    _folder: tempfile::TempDir,
}

impl Sample {
    fn new(segments: usize) -> Self {
        let mut generator =
            Generator::new(&Plan { events: EVENTS, tenants: 2, days: 1, ..Plan::default() });
        let (mut events, mut record) = (Vec::new(), String::new());
        while generator.next_record(&mut record) {
            let mut event = decode::decode(&record, None).expect("generated records decode");
            event.tenant = generator.tenant().into();
            event.accept(
                events.len() as u64 + 1,
                Timestamp::parse("2026-07-01T00:00:00Z").expect("a time"),
            );
            events.push(event);
            record.clear();
        }
        let folder = tempfile::tempdir().expect("a temporary directory");
        let store = Store::new(folder.path()).expect("a store");
        let mut snapshot = Snapshot::default();
        let mut parts: Vec<Vec<Event>> =
            events.chunks(events.len() / (segments + 1) + 1).map(<[Event]>::to_vec).collect();
        let buffered = parts.pop().expect("the last part").into_iter().map(Arc::new).collect();
        snapshot.fresh = vec![Arc::new(Buffered::new(buffered))];
        let written = parts.into_iter().zip(0..).map(|(mut part, number)| {
            part.sort_by(row_order);
            let id = format!("01PART{number}");
            let files =
                write_segment(&id, "2026-03-02", SegmentOptions::of(decode::VERSION), &part)
                    .expect("a segment");
            store
                .put(&paths::data("2026-03-02", &id), &files.data, PutMode::Replace)
                .expect("the data file");
            store.put(&paths::index(&id), &files.index, PutMode::Replace).expect("the index file");
            Arc::new(Segment::new(&store, files.manifest))
        });
        snapshot.segments = Arc::new(written.collect());
        let runtime = Runtime::new().expect("a runtime");
        let scanner = Scanner::new(runtime.handle().clone());
        Self {
            snapshot,
            scanner,
            threads: Threads::sized(2).expect("threads"),
            _runtime: runtime,
            _folder: folder,
        }
    }

    fn reader<'a>(
        &'a self,
        forced: Option<AnswerPath>,
        budget: &'a QueryBudget,
    ) -> SnapshotReader<'a> {
        SnapshotReader::new(&self.snapshot, &self.scanner, &self.threads, forced).within(budget)
    }
}

fn all() -> Scope {
    Scope::of_operator(&["*"]).expect("all tenants")
}

fn filter(query: &[(&str, &str)]) -> Filter {
    let pairs: Vec<_> =
        query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    parse_filter(&pairs, &[], Timestamp::default()).expect("a filter")
}

fn regex() -> Filter {
    filter(&[("filter", r#"{"record":{"regex":"[a-z]+-x?[0-9a-f]+.*q$"}}"#)])
}

/// A question, and what it answers as text.
type SampleQuestion = (&'static str, fn(&Sample, &QueryBudget) -> Result<String>);

/// Every kind of question, by every path.
const QUESTIONS: &[SampleQuestion] = &[
    ("count by regex", |sample, budget| {
        Ok(sample.reader(None, budget).count(&all(), &regex())?.0.to_string())
    }),
    ("count by substring", |sample, budget| {
        Ok(sample
            .reader(None, budget)
            .count(&all(), &filter(&[("substring", "e\":\"")]))?
            .0
            .to_string())
    }),
    ("count without an index", |sample, budget| {
        Ok(sample.reader(Some(AnswerPath::Scan), budget).count(&all(), &regex())?.0.to_string())
    }),
    ("count by columns", |sample, budget| {
        Ok(sample
            .reader(Some(AnswerPath::Scan), budget)
            .count(&all(), &filter(&[("operator.not", "nobody")]))?
            .0
            .to_string())
    }),
    ("count by conditions", |sample, budget| {
        Ok(sample
            .reader(None, budget)
            .count(&all(), &filter(&[("operator.not", "nobody"), ("resource_id.not", "x")]))?
            .0
            .to_string())
    }),
    ("list", |sample, budget| {
        let query = PageQuery { limit: 10, ..PageQuery::default() };
        Ok(format!("{:?}", sample.reader(None, budget).list(&all(), &regex(), &query)?.events))
    }),
    ("list from the oldest", |sample, budget| {
        let query = PageQuery { limit: 10, order: SortOrder::Ascending, ..PageQuery::default() };
        Ok(format!("{:?}", sample.reader(None, budget).list(&all(), &regex(), &query)?.events))
    }),
    ("facets", |sample, budget| {
        let by = [Field::ResourceId, Field::Operator];
        Ok(format!(
            "{:?}",
            sample.reader(None, budget).facets(&all(), &filter(&[("code.not", "x")]), &by, 5)?.0
        ))
    }),
    ("histogram", |sample, budget| {
        let query = HistogramQuery { by: Some(Field::ResourceName), ..HistogramQuery::default() };
        Ok(format!(
            "{:?}",
            sample.reader(None, budget).histogram(&all(), &filter(&[("code.not", "x")]), &query)?.0
        ))
    }),
    ("stats", |sample, budget| {
        Ok(format!(
            "{:?}",
            sample
                .reader(None, budget)
                .stats(&all(), &Filter::default(), Some(Field::ResourceId))?
                .0
        ))
    }),
    ("combinations", |sample, budget| {
        let fields = [Field::Source, Field::EventName];
        Ok(format!(
            "{:?}",
            sample
                .reader(None, budget)
                .combinations(&all(), &filter(&[("substring", "e")]), &fields)?
                .0
        ))
    }),
    ("export of columns", |sample, budget| stream(sample, budget, vec![Field::Source])),
    ("export of records", |sample, budget| stream(sample, budget, Vec::new())),
    ("by id", |sample, budget| {
        Ok(format!("{:?}", sample.reader(None, budget).get(&all(), "no such id", 3)?))
    }),
];

fn stream(sample: &Sample, budget: &QueryBudget, fields: Vec<Field>) -> Result<String> {
    let (query, filter) =
        (StreamQuery { fields, ..StreamQuery::default() }, filter(&[("substring", "e")]));
    let mut rows = 0;
    sample.reader(None, budget).stream(
        &all(),
        &filter,
        &query,
        |batch| Ok(batch.rows()),
        |part| {
            rows += part;
            Ok(())
        },
    )?;
    Ok(rows.to_string())
}

/// The maximum work between two checks of the budget, over all threads.
const SLACK: u64 = 3 * 500_000;

#[test]
fn every_question_ends_with_its_budget() {
    for segments in [4, 0] {
        let sample = Sample::new(segments);
        for (name, ask) in QUESTIONS {
            let whole = QueryBudget::new(Limits::default());
            ask(&sample, &whole).expect(name);
            assert!(whole.spent() >= RUN_WORK, "{name} counts its work");
            for work in [0, whole.spent() / 4, whole.spent() / 2] {
                let budget = QueryBudget::new(Limits { work, ..Limits::default() });
                match ask(&sample, &budget) {
                    // What is less than a look at the budget is not noticed.
                    Ok(_) => assert!(
                        work > 0 && whole.spent() <= work + SLACK,
                        "{name} goes on: {work} of {}",
                        whole.spent()
                    ),
                    Err(error) => assert!(
                        error.kind() == ErrorKind::Unavailable && budget.is_exhausted(),
                        "{name}: {error}"
                    ),
                }
                assert!(
                    budget.spent() <= work + SLACK,
                    "{name} went on after {work}: {} of {}",
                    budget.spent(),
                    whole.spent()
                );
            }
        }
    }
}

#[test]
fn questions_that_read_records_look_at_their_budget_while_they_do() {
    let sample = Sample::new(1);
    for (name, ask) in &QUESTIONS[..3] {
        let whole = QueryBudget::new(Limits::default());
        ask(&sample, &whole).expect(name);
        let budget = QueryBudget::new(Limits { work: whole.spent() / 8, ..Limits::default() });
        ask(&sample, &budget).expect_err(name);
        assert!(
            budget.spent() < whole.spent() / 2,
            "{name} reads one segment to its end: {} of {}",
            budget.spent(),
            whole.spent()
        );
    }
}

#[test]
fn every_question_ends_with_its_time_and_with_its_client() {
    for segments in [4, 0] {
        let sample = Sample::new(segments);
        for (name, ask) in QUESTIONS {
            let late = QueryBudget::new(Limits { time: Some(Duration::ZERO), ..Limits::default() });
            assert_eq!(ask(&sample, &late).expect_err(name).kind(), ErrorKind::Timeout, "{name}");
            let left = QueryBudget::new(Limits::default());
            left.stop();
            assert_eq!(
                ask(&sample, &left).expect_err(name).kind(),
                ErrorKind::Unavailable,
                "{name}"
            );
            assert!(left.spent() <= SLACK, "{name}");
        }
    }
}

#[test]
fn a_question_that_goes_on_among_the_heavy_ones_answers_the_same() {
    let sample = Sample::new(4);
    for (name, ask) in QUESTIONS {
        let whole = QueryBudget::new(Limits::default());
        let expected = ask(&sample, &whole).expect(name);
        for share in 0..4 {
            let limits = Limits { work: whole.spent() * share / 4, ..Limits::default() };
            let budget = QueryBudget::upgrading(limits, || Some(Box::new(())));
            assert_eq!(
                ask(&sample, &budget).expect(name),
                expected,
                "{name} upgraded after {share} of 4"
            );
            assert!(share > 0 || budget.is_heavy(), "{name}");
        }
    }
}

#[test]
fn groups_that_do_not_fit_are_refused_by_name() {
    for segments in [4, 0] {
        let sample = Sample::new(segments);
        let budget = QueryBudget::new(Limits { group_bytes: 1_000, ..Limits::default() });
        let reader = sample.reader(None, &budget);
        let (scope, some) = (all(), filter(&[("code.not", "x")]));
        let query = HistogramQuery { by: Some(Field::ResourceId), ..HistogramQuery::default() };
        for (name, error) in [
            ("facets", reader.facets(&scope, &some, &[Field::ResourceId], 5).map(|_| ())),
            ("histogram", reader.histogram(&scope, &some, &query).map(|_| ())),
            (
                "stats",
                reader.stats(&scope, &Filter::default(), Some(Field::ResourceId)).map(|_| ()),
            ),
        ] {
            let error = error.expect_err(name);
            assert_eq!(error.kind(), ErrorKind::Invalid, "{name}: {error}");
            assert!(
                error.to_string().contains("resource_id") && error.to_string().contains("narrow"),
                "{error}"
            );
        }
        assert!(reader.combinations(&scope, &some, &[Field::Source, Field::EventName]).is_err());
        let few = QueryBudget::new(Limits::default());
        assert!(sample.reader(None, &few).facets(&scope, &some, &[Field::ResourceId], 5).is_ok());
    }
}
