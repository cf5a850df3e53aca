//! Random stores, principals and questions for the oracle of scopes, and which events each shows.

use crate::support::store::{NOW, TestStore, all_pages};
use annals::access::{Caller, Scope};
use annals::calls::RelationshipCall;
use annals::event::{Event, Timestamp};
use annals::filter::parse_filter;
use annals::query::{Filter, SortOrder};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value as Json, json};

pub(super) const DAY: i64 = 86_400_000;
pub(super) const TENANTS: &[&str] = &["a", "b", "c"];
const SOURCES: &[&str] = &["ECS", "VPC", "日志"];
const LEVELS: &[&str] = &["normal", "warning"];
const OPERATORS: &[&str] = &["zhang", "li-wei-chen", ""];
const ADDRESSES: &[&str] = &["10.0.0.1", "192.168.100.24"];
/// Fields that are masked, and asked about where they are not.
pub(super) const MASKED: &[&str] =
    &["operator", "source_ip", "resource_id", "related_ids", "amount"];
const MASKS: &[&str] = &["hide", "hash", "last4"];
/// Filters of questions and of what a principal sees.
const FILTERS: &[&str] = &[
    "{}",
    r#"{"source":"ECS"}"#,
    r#"{"source.not":"ECS"}"#,
    r#"{"level":"warning"}"#,
    r#"{"source":["VPC","日志"],"level":"normal"}"#,
    r#"{"event_name.prefix":"del"}"#,
    r#"{"any":[{"source":"日志"},{"event_name":"create"}]}"#,
    r#"{"not":{"level":"warning"}}"#,
];
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) records: Vec<(usize, Json)>,
    pub(super) sealed: usize,
    pub(super) settings: Json,
    pub(super) relationships: Vec<Related>,
    pub(super) filter: &'static str,
}

/// A period in which the principal's partner sees what names a customer.
#[derive(Debug, Clone)]
pub(super) struct Related {
    pub(super) customer: u32,
    pub(super) tenants: Vec<&'static str>,
    pub(super) from: String,
    pub(super) to: Option<String>,
}

/// The customer that the last of the tenants belongs to, if the principal has a partner.
const OWNER: u32 = 0;

fn related() -> impl Strategy<Value = Related> {
    let hours = |hours: i64| Timestamp::from_millis(NOW - 3 * DAY + hours * 3_600_000).to_string();
    (0..4_u32, subsequence(TENANTS, 1..3), 0..20_i64, 0..24_i64).prop_map(
        move |(customer, tenants, from, length)| Related {
            customer,
            tenants,
            from: hours(from),
            to: (length > 0 && length < 20).then(|| hours(from + length)),
        },
    )
}

/// Records the relationships of the principal's partner; those of one customer do not overlap.
pub(super) fn relate(store: &TestStore, relationships: &[Related]) {
    let call = |call: &RelationshipCall, body: Json| {
        call.answer(store.engine(), &Caller::operator(), body).expect("it is done");
    };
    for related in relationships {
        let body = json!({ "partner": "p", "customer": format!("c{}", related.customer),
            "tenants": related.tenants, "from": related.from, "to": related.to });
        call(&RelationshipCall::Create, body);
    }
    if !relationships.is_empty() {
        let owner = json!({ "customers": [format!("c{OWNER}")] });
        call(&RelationshipCall::Tenant(TENANTS[2].to_owned()), owner);
    }
}

fn record() -> impl Strategy<Value = (usize, Json)> {
    let text = (select(SOURCES), select(LEVELS), select(OPERATORS), select(ADDRESSES));
    (0..TENANTS.len(), 0..5_000_u32, text, 0..4_u32, 0..20_i64, 0..3_u32).prop_map(
        |(tenant, id, (source, level, operator, address), small, hours, amount)| {
            let name = ["create", "delete"][small as usize % 2];
            let mut record = json!({
                "trace_id": format!("t{id}"), "event_name": name,
                "source": source, "level": level, "operator": operator, "source_ip": address,
                "resource_id": format!("r{small}"), "resource_type": "x",
                "related_ids": [format!("customer:c{small}")],
                "time": Timestamp::from_millis(NOW - 3 * DAY + hours * 3_600_000).to_string(),
            });
            if amount > 0 {
                record["amount"] = amount.to_string().into();
                record["currency"] = "CNY".into();
            }
            (tenant, record)
        },
    )
}

fn moment() -> impl Strategy<Value = Option<String>> {
    let hours = (0..20_i64).prop_map(|hours| {
        Some(Timestamp::from_millis(NOW - 3 * DAY + hours * 3_600_000).to_string())
    });
    prop_oneof![2 => Just(None), 1 => hours]
}

pub(super) fn case() -> impl Strategy<Value = Case> {
    let masks = subsequence(MASKED, 0..3)
        .prop_flat_map(|fields| {
            let count = fields.len();
            (Just(fields), proptest::collection::vec(select(MASKS), count))
        })
        .prop_map(|(fields, masks)| {
            let mask = |(field, mask): (&str, &str)| {
                let mask = if field == "amount" { "hide" } else { mask };
                (field.to_owned(), Json::from(mask))
            };
            fields.into_iter().zip(masks).map(mask).collect::<Map<_, _>>()
        });
    let masks = prop_oneof![Just(Map::new()), masks];
    let tenants = prop_oneof![Just(vec!["*"]), subsequence(TENANTS, 1..3)];
    let settings = (tenants, select(FILTERS), masks, moment(), moment()).prop_map(
        |(tenants, rows, masks, left, right)| {
            let rows: Json = serde_json::from_str(rows).expect("a filter");
            let mut settings = json!({ "name": "p", "roles": ["auditor"], "tenants": tenants,
                "rows": rows, "masks": masks });
            let (from, to) = match (left, right) {
                (Some(left), Some(right)) if left > right => (Some(right), Some(left)),
                (Some(left), Some(right)) if left == right => (Some(left), None),
                both => both,
            };
            for (name, moment) in [("from", from), ("to", to)] {
                if let Some(moment) = moment {
                    settings[name] = moment.into();
                }
            }
            settings
        },
    );
    let relationships = proptest::collection::vec(related(), 0..5);
    let all = proptest::collection::vec(record(), 1..80);
    (all, 0..80_usize, settings, relationships, select(FILTERS)).prop_map(
        |(records, sealed, mut settings, mut relationships, filter)| {
            // One period for each customer, and none for who sees all tenants.
            let mut seen = Vec::new();
            relationships.retain(|related: &Related| {
                let is_new = !seen.contains(&related.customer);
                seen.push(related.customer);
                is_new
            });
            if settings["tenants"][0] == "*" {
                relationships.clear();
            }
            if !relationships.is_empty() {
                settings["partner"] = "p".into();
                // An auditor has tenants of its own; a reader need not.
                if sealed % 3 == 0 {
                    settings["roles"] = json!(["reader"]);
                    settings["tenants"] = json!([]);
                }
            }
            Case { records, sealed, settings, relationships, filter }
        },
    )
}

/// Returns whether relationships show an event.
fn is_related(event: &Event, relationships: &[Related]) -> bool {
    relationships.iter().any(|related| {
        let moment = |text: &String| Timestamp::parse(text).expect("a moment");
        let customer = format!("customer:c{}", related.customer);
        let names = related.tenants.contains(&&*event.tenant)
            && event.related_ids.iter().any(|id| **id == *customer);
        let is_own = related.customer == OWNER && *event.tenant == *TENANTS[2];
        (names || is_own)
            && event.time >= moment(&related.from)
            && related.to.as_ref().is_none_or(|to| event.time < moment(to))
    })
}

/// A store with the records of a case, the first of which are sealed.
pub(super) fn store_of(records: &[(usize, Json)], sealed: usize) -> TestStore {
    let store = TestStore::new();
    let with_tenant = |(tenant, record): &(usize, Json)| {
        let mut record = record.clone();
        record["project_id"] = TENANTS[*tenant].into();
        record
    };
    let all: Vec<Json> = records.iter().map(with_tenant).collect();
    let (first, rest) = all.split_at(sealed.min(all.len()));
    store.ingest_from(first, "project_id");
    store.buffer_from(rest, "project_id");
    store
}

/// The records of the events that the settings show, of all that the store holds.
pub(super) fn visible(
    store: &TestStore,
    settings: &Json,
    related: &[Related],
) -> Vec<(usize, Json)> {
    let names = |tenant: &str| {
        settings["tenants"]
            .as_array()
            .expect("tenants")
            .iter()
            .any(|name| name == "*" || name == tenant)
    };
    let mut pairs = Vec::new();
    if settings["rows"].as_object().is_some_and(|rows| !rows.is_empty()) {
        pairs.push(("filter".to_owned(), settings["rows"].to_string()));
    }
    for name in ["from", "to"] {
        if let Some(moment) = settings[name].as_str() {
            pairs.push((name.to_owned(), moment.to_owned()));
        }
    }
    let rows = parse_filter(&pairs, &[], Timestamp::from_millis(NOW)).expect("a filter");
    let all = Scope::of_operator(&["*"]).expect("all");
    let mut events =
        all_pages(store.engine(), &all, &Filter::default(), SortOrder::Ascending, 1_000);
    // In the order in which they came, so that equal times are in the same order.
    events.sort_by_key(|event| event.seq);
    events
        .iter()
        .filter(|event| names(&event.tenant) || is_related(event, related))
        .filter(|event| rows.matches(event))
        .map(|event| {
            let tenant = TENANTS.iter().position(|tenant| **tenant == *event.tenant);
            (tenant.expect("a tenant"), serde_json::from_str(&event.original).expect("a record"))
        })
        .collect()
}
