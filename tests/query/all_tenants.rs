//! Lists over all tenants of a store that has many: what is rare is asked of whole segments, what
//! is frequent of each tenant, and either way the list is that of the oracle, page by page in both
//! directions.

use crate::support::store::{NOW, TestStore, all_pages};
use annals::access::Scope;
use annals::event::{Event, Field, Timestamp};
use annals::filter::{Clause, FieldCondition, RecordTest, Test};
use annals::query::{Filter, PageQuery, SortOrder};
use serde_json::{Value as Json, json};

const TENANTS: u64 = 40;
const DAY: u64 = 86_400_000;

/// Events of all tenants over four days; every 97th is of a rare kind.
fn records(batch: u64) -> Vec<Json> {
    let record = |number: u64| {
        let id = batch * 100_000 + number;
        let rare = id.is_multiple_of(97);
        json!({
            "tenant_of": format!("t{}", id * 7 % TENANTS), "trace_id": format!("trace-{id}"),
            "time": NOW as u64 - 5 * DAY + id * 131_071 % (4 * DAY),
            "event_name": if rare { "deleteVault" } else { "listVaults" }, "source": "KMS",
            "resource_id": format!("vault-{}", id % 211),
            "request": { "note": if rare { "rotated after an audit" } else { "routine" } },
        })
    };
    (0..1_200).map(record).collect()
}

fn field(field: Field, negated: bool, value: &str) -> Clause {
    Clause::Field(FieldCondition {
        field,
        negated,
        test: Test::OneOf(vec![value.to_owned()].into()),
    })
}

#[test]
fn lists_over_many_tenants_are_whole_and_in_order() {
    let store = TestStore::new();
    for batch in 0..3 {
        store.ingest_from(&records(batch), "tenant_of");
    }
    store.buffer_from(&records(3), "tenant_of");
    let everything = store.everything();
    assert_eq!(everything.len(), 4 * 1_200);
    let rare = || field(Field::EventName, false, "deleteVault");
    let word = || Clause::words("audit");
    let filters = [
        vec![rare()],
        vec![rare(), field(Field::Source, true, "KMS")],
        vec![rare(), field(Field::ResourceId, false, "vault-0")],
        vec![field(Field::ResourceId, false, "vault-7")],
        vec![word()],
        vec![word(), field(Field::ResourceId, true, "vault-0")],
        vec![Clause::Record(RecordTest::Substring("ed after".to_owned()))],
        vec![field(Field::EventName, true, "listVaults")],
        vec![
            field(Field::EventName, false, "listVaults"),
            field(Field::ResourceId, false, "vault-3"),
        ],
        vec![Clause::Any(vec![rare(), field(Field::TraceId, false, "trace-100050")])],
        vec![field(Field::EventName, false, "noSuchEvent")],
        Vec::new(),
    ];
    let moment = |days: u64| Some(Timestamp::from_millis(NOW - (days * DAY) as i64 + 3_333_333));
    let scope = Scope::of_operator(&["*"]).expect("all");
    for clauses in filters {
        for (from, to) in
            [(None, None), (moment(4), None), (None, moment(3)), (moment(4), moment(2))]
        {
            let filter = Filter { clauses: clauses.clone(), from, to, last: None };
            let mut expected: Vec<Event> =
                everything.iter().filter(|event| filter.matches(event)).cloned().collect();
            let limit = (expected.len() / 3).clamp(7, 700);
            assert_eq!(
                all_pages(store.engine(), &scope, &filter, SortOrder::Descending, limit),
                expected,
                "{filter:?}"
            );
            expected.reverse();
            assert_eq!(
                all_pages(store.engine(), &scope, &filter, SortOrder::Ascending, limit),
                expected,
                "oldest first: {filter:?}"
            );
        }
    }
}

#[test]
fn a_segment_answers_for_all_its_tenants_at_once_where_that_is_little() {
    let store = TestStore::new();
    store.ingest_from(&records(0), "tenant_of");
    let snapshot = store.engine().snapshot();
    let (segments, scope) = (snapshot.segments.len(), Scope::of_operator(&["*"]).expect("all"));
    let steps = |clause: Clause| {
        let filter = Filter { clauses: vec![clause], ..Filter::default() };
        let query = PageQuery { limit: 1_000, ..PageQuery::default() };
        store
            .engine()
            .reader(&snapshot, None)
            .list(&scope, &filter, &query)
            .expect("a page")
            .explain
            .steps
    };
    // Some runs alone, then each segment once.
    let rare = steps(field(Field::EventName, false, "deleteVault"));
    assert!(rare.len() <= 64 + segments, "{} steps", rare.len());
    assert!(rare.iter().any(|step| step.tenant == "*"), "{rare:?}");
    let absent = steps(field(Field::EventName, false, "noSuchEvent"));
    assert!(absent.len() <= 64 + segments, "{} steps", absent.len());
}
