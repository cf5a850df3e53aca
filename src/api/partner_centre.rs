//! The API of Huawei Cloud's partner centre, as far as its clients ask about operations:
//! `GET /v2/partners/coupon-quotas/records`, the `ListCouponQuotasRecords` of huaweicloudsdkbss
//! 3.1.219.
//!
//! Only a distributor may ask, as there: a principal whose partner is one. What it is answered are
//! the records of grants and recalls of quotas in its tenants, as they were received. Errors are
//! `{"error_code", "error_msg"}`.

use super::App;
use super::error::ApiError;
use super::refusal::Refusal;
use super::trail::AnswerRows;
use crate::access::Caller;
use crate::calls::Pairs;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Field, Timestamp};
use crate::filter::{Clause, FieldCondition, Filter, Test};
use crate::query::{PageCursor, PageQuery, QueryBudget, SortOrder};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use std::collections::BTreeMap;

const RECORDS: &str = "/v2/partners/coupon-quotas/records";
/// How many records an answer has unless it is said otherwise, and at most.
const LIMIT_DEFAULT: usize = 10;
const LIMIT_MAX: usize = 100;
/// The farthest that one may go by counting: what is beyond is asked for by its period.
const OFFSET_MAX: usize = 100_000;
/// How many events are read at a time on the way to an offset.
const STEP: usize = 1_000;
/// The longest value of a parameter, in characters.
const VALUE_LETTERS_MAX: usize = 64;
/// The parameters of the call.
const PARAMETERS: &[&str] = &[
    "indirect_partner_id",
    "quota_id",
    "operation_time_begin",
    "operation_time_end",
    "parent_quota_id",
    "operation_type",
    "offset",
    "limit",
];
/// Operation types, and the events that they are here.
const OPERATIONS: &[(&str, &str)] = &[("10", "grantCouponQuota"), ("11", "recallCouponQuota")];
/// What a record has, in the vendor's order.
const MEMBERS: &[&str] = &[
    "id",
    "operator",
    "operation_type",
    "quota_id",
    "parent_quota_id",
    "amount",
    "operation_time",
    "result",
    "indirect_partner_account_name",
    "indirect_partner_id",
    "indirect_partner_name",
    "remark",
];

pub(super) fn routes() -> Router<App> {
    Router::new().route(RECORDS, get(quota_records))
}

/// An error to be sent to a client of the partner centre.
#[derive(Debug)]
struct PartnerCentreError(Error);

impl From<Error> for PartnerCentreError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for PartnerCentreError {
    fn into_response(self) -> Response {
        let detail = self.0.to_string();
        // The native answer has the status of the kind, and says when to try again.
        let native = ApiError::from(self.0).into_response();
        let mut response = Refusal::at(RECORDS, native.status(), &detail, None).into_response();
        if let Some(seconds) = native.headers().get(header::RETRY_AFTER) {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.clone());
        }
        response
    }
}

/// The answer. Amounts are numbers with all of their digits, so values stay as they are written.
#[derive(Debug, Serialize)]
struct QuotaRecords {
    total_count: u64,
    records: Vec<QuotaRecord>,
}

/// The members of a record.
#[derive(Debug)]
struct QuotaRecord(Vec<(&'static str, Box<RawValue>)>);

impl Serialize for QuotaRecord {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

async fn quota_records(
    State(app): State<App>,
    caller: Caller,
    pairs: Pairs,
) -> Result<Response, PartnerCentreError> {
    let place = app.limits.place(&caller, &["*"]).await?;
    let asked = app.ask(&place, move |engine, budget| answer(engine, &caller, &pairs, budget));
    let answer = asked.await?;
    let rows = AnswerRows(answer.records.len() as u64);
    place.gave(rows.0);
    let mut response = Json(answer).into_response();
    response.extensions_mut().insert(rows);
    Ok(response)
}

fn answer(
    engine: &Engine,
    caller: &Caller,
    pairs: &Pairs,
    budget: &QueryBudget,
) -> Result<QuotaRecords> {
    let is_distributor = caller.grant().is_none_or(|grant| grant.principal().distributor);
    if !is_distributor {
        let what = "only a distributor may call this";
        return Err(Error::new(ErrorKind::Forbidden, what));
    }
    let (filter, offset, limit) = read(pairs)?;
    let scope = caller.scope(&["*"])?;
    let snapshot = engine.snapshot();
    let reader = engine.reader(&snapshot, None).within(budget);
    let (total, _) = reader.count(&scope, &filter)?;
    let (mut left, mut cursor): (usize, Option<PageCursor>) = (offset, None);
    let mut records = Vec::new();
    // A list is walked page by page; there is no way to go to an offset at once.
    while records.len() < limit {
        let wanted = if left > 0 { left.min(STEP) } else { limit - records.len() };
        let query = PageQuery { limit: wanted, order: SortOrder::Descending, cursor, around: None };
        let page = reader.list(&scope, &filter, &query)?;
        if left == 0 {
            records.extend(page.events.iter().map(record).collect::<Result<Vec<_>>>()?);
        }
        left -= left.min(page.events.len());
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    Ok(QuotaRecords { total_count: total, records })
}

fn read(pairs: &Pairs) -> Result<(Filter, usize, usize)> {
    pairs.only(PARAMETERS)?;
    for (name, value) in &pairs.0 {
        if value.chars().count() > VALUE_LETTERS_MAX {
            let what = format!("has at most {VALUE_LETTERS_MAX} characters");
            return Err(Error::parameter(name, what));
        }
    }
    let given = |name: &str| Ok::<_, Error>(pairs.one(name)?.filter(|value| !value.is_empty()));
    let one_of = |field: Field, values: Vec<String>, negated: bool| {
        Clause::Field(FieldCondition { field, negated, test: Test::OneOf(values.into()) })
    };
    let operations = match given("operation_type")? {
        Some(wanted) if OPERATIONS.iter().any(|(operation, _)| *operation == wanted) => {
            Some(wanted)
        }
        // Any other value is no filter.
        _ => None,
    };
    let names =
        OPERATIONS.iter().filter(|(operation, _)| operations.is_none_or(|of| of == *operation));
    let names = names.map(|(_, name)| (*name).to_owned()).collect();
    let mut filter = Filter::default().and_equal(Field::Format, "partner");
    filter.clauses.push(one_of(Field::EventName, names, false));
    if let Some(quota) = given("quota_id")? {
        filter = filter.and_equal(Field::ResourceId, quota);
    }
    if let Some(reseller) = given("indirect_partner_id")? {
        filter = filter.and_equal(Field::RelatedIds, format!("reseller:{reseller}"));
    }
    match pairs.one("parent_quota_id")? {
        None => {}
        // Sent without a value it asks for the records that have none.
        Some("" | "null") => filter.clauses.push(Clause::Field(FieldCondition {
            field: Field::RelatedIds,
            negated: true,
            test: Test::Prefix(vec!["parent_quota:".to_owned()]),
        })),
        Some(parent) => {
            filter = filter.and_equal(Field::RelatedIds, format!("parent_quota:{parent}"));
        }
    }
    filter.from = given("operation_time_begin")?.map(|text| moment("begin", text)).transpose()?;
    let end = given("operation_time_end")?.map(|text| moment("end", text)).transpose()?;
    // Both ends are part of the period.
    filter.to = end.map(|end| Timestamp::from_millis(end.millis().saturating_add(1)));
    let number = |name: &'static str, least: usize, most: usize, default: usize| {
        let number = given(name)?.map_or(Ok(default), |text| {
            text.parse().map_err(|_| Error::parameter(name, "is a number"))
        })?;
        if (least..=most).contains(&number) {
            return Ok(number);
        }
        Err(Error::parameter(name, format!("is {least} to {most}")))
    };
    let offset = number("offset", 0, OFFSET_MAX, 0)?;
    Ok((filter, offset, number("limit", 1, LIMIT_MAX, LIMIT_DEFAULT)?))
}

/// Reads a moment in the one form that the vendor takes: `2026-01-31T23:59:59Z`.
fn moment(which: &str, text: &str) -> Result<Timestamp> {
    let name = format!("operation_time_{which}");
    let is_plain = text.len() == 20 && text.ends_with('Z');
    Timestamp::parse(text)
        .ok()
        .filter(|_| is_plain)
        .ok_or_else(|| Error::parameter(name, "is a time in UTC, such as 2026-01-31T23:59:59Z"))
}

/// Returns a record as it was received, as far as it has what the vendor's model names; without a
/// record, because it is withheld, what is shown of the event.
fn record(event: &Event) -> Result<QuotaRecord> {
    if event.original.is_empty() {
        return shown(event);
    }
    let mut members: BTreeMap<&str, Box<RawValue>> = serde_json::from_str(&event.original)
        .map_err(|cause| Error::corrupt("a stored record is no object").because(cause))?;
    let known = MEMBERS.iter().filter_map(|name| Some((*name, members.remove(name)?)));
    Ok(QuotaRecord(known.collect()))
}

fn shown(event: &Event) -> Result<QuotaRecord> {
    let related = |kind: &str| {
        let of_kind = |id: &str| Some(id.strip_prefix(kind)?.strip_prefix(':')?.to_owned());
        event.related_ids.iter().find_map(|id| of_kind(id))
    };
    let text = |field: Field| event.text(field).map(str::to_owned);
    let operation = |name: String| {
        let named = OPERATIONS.iter().find(|(_, known)| *known == name);
        named.map(|(operation, _)| (*operation).to_owned())
    };
    let id = event.trace_id().strip_prefix("quota-record:").map(str::to_owned);
    let texts = [
        ("id", id),
        ("operator", text(Field::Operator)),
        ("operation_type", text(Field::EventName).and_then(operation)),
        ("quota_id", text(Field::ResourceId)),
        ("parent_quota_id", related("parent_quota")),
        ("operation_time", Some(event.time.to_string())),
        ("result", text(Field::Code)),
        ("indirect_partner_id", related("reseller")),
        ("indirect_partner_name", text(Field::ResourceName)),
    ];
    let raw = |cause| Error::internal("a text is no JSON").because(cause);
    let mut members = Vec::new();
    for (name, value) in texts {
        if let Some(value) = value {
            members.push((name, to_raw_value(&value).map_err(raw)?));
        }
    }
    if let Some(amount) = event.amount {
        members.push(("amount", RawValue::from_string(amount.to_string()).map_err(raw)?));
    }
    Ok(QuotaRecord(members))
}
