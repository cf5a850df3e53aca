//! Operation records of the partner centre (BSS): quotas granted and recalled, coupons issued and recalled, account
//! adjustments, budgets, account changes.
//!
//! | question | filter |
//! |---|---|
//! | all operations on a quota | `related_ids=quota:ID` |
//! | everything that happened to a customer | `related_ids=customer:ID` |
//! | all unbinds, whichever record tells of them | `related_ids=relation:unbind` |
//!
//! The API misspells some of its own values (`OPERAIION`); both spellings are read.

use super::json::{scalar, shape};
use crate::error::{Error, Result};
use crate::event::{Amount, Event, Field, Timestamp, clip};
use chrono::FixedOffset;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

type Raw<'a> = Option<&'a RawValue>;

/// The source of these events.
const SOURCE: &str = "PartnerCenter";

#[derive(Deserialize)]
struct PartnerRecord<'a> {
    #[serde(borrow)]
    id: Raw<'a>,
    #[serde(borrow)]
    operator: Raw<'a>,
    #[serde(borrow)]
    operation_type: Raw<'a>,
    #[serde(borrow)]
    operation_time: Raw<'a>,
    #[serde(borrow)]
    result: Raw<'a>,
    #[serde(borrow)]
    quota_id: Raw<'a>,
    #[serde(borrow)]
    parent_quota_id: Raw<'a>,
    #[serde(borrow)]
    quota_value: Raw<'a>,
    #[serde(borrow)]
    coupon_id: Raw<'a>,
    #[serde(borrow)]
    customer_id: Raw<'a>,
    #[serde(borrow)]
    customer_name: Raw<'a>,
    #[serde(borrow)]
    indirect_partner_id: Raw<'a>,
    #[serde(borrow)]
    indirect_partner_name: Raw<'a>,
    #[serde(borrow)]
    amount: Raw<'a>,
    #[serde(borrow)]
    operation_amount: Raw<'a>,
    #[serde(borrow)]
    budget_amount: Raw<'a>,
    #[serde(borrow)]
    budget_type: Raw<'a>,
    #[serde(borrow)]
    change_amount: Raw<'a>,
    #[serde(borrow)]
    currency: Raw<'a>,
    #[serde(borrow)]
    trans_id: Raw<'a>,
    #[serde(borrow)]
    account_change_id: Raw<'a>,
    #[serde(borrow)]
    account_name: Raw<'a>,
    #[serde(borrow)]
    trade_type: Raw<'a>,
    #[serde(borrow)]
    trade_detail_type: Raw<'a>,
    #[serde(borrow)]
    trade_time: Raw<'a>,
    #[serde(borrow)]
    trade_id: Raw<'a>,
    #[serde(borrow, rename = "type")]
    direction: Raw<'a>,
    #[serde(borrow)]
    partner_corp_name: Raw<'a>,
    #[serde(borrow)]
    create_time: Raw<'a>,
    #[serde(borrow)]
    last_update_time: Raw<'a>,
}

/// What kind of record it is, with what differs between kinds.
struct Kind<'a> {
    event_name: &'static str,
    resource_type: &'static str,
    resource_id: Raw<'a>,
    resource_name: Raw<'a>,
    trace_id: Raw<'a>,
    time: (&'static str, Raw<'a>),
    amount: Raw<'a>,
    relation: Option<&'static str>,
}

pub(super) fn decode(text: &str) -> Result<Event> {
    let record: PartnerRecord<'_> = shape("partner", text)?;
    let kind = kind(&record)?;
    let mut event = Event::default();
    event.time = time(&kind)?;
    event.amount = amount(kind.amount)?;
    event.set(Field::Source, SOURCE);
    event.set(Field::EventType, "system");
    event.set(Field::EventName, kind.event_name);
    event.set(Field::ResourceType, kind.resource_type);
    event.set_opt(Field::ResourceId, scalar(kind.resource_id));
    event.set_opt(Field::ResourceName, scalar(kind.resource_name));
    event.set_opt(Field::TraceId, scalar(kind.trace_id));
    event.set_opt(Field::Operator, scalar(record.operator));
    event.set_opt(Field::Currency, scalar(record.currency));
    event.read_only = Some(false);
    if let Some(result) = scalar(record.result) {
        event.set(Field::Level, if result == "0" { "normal" } else { "warning" });
        event.set(Field::Code, result);
    } else {
        event.set(Field::Level, "normal");
    }
    let related = [
        ("quota", record.quota_id),
        ("parent_quota", record.parent_quota_id),
        ("coupon", record.coupon_id),
        ("customer", record.customer_id),
        ("reseller", record.indirect_partner_id),
        ("transaction", record.trans_id),
        ("transaction", record.trade_id),
    ];
    for (name, raw) in related {
        if let Some(id) = scalar(raw) {
            event.relate(name, id);
        }
    }
    if let Some(relation) = kind.relation {
        event.relate("relation", relation);
    }
    Ok(event)
}

fn kind<'a>(record: &PartnerRecord<'a>) -> Result<Kind<'a>> {
    let operation = scalar(record.operation_type);
    let operated = ("operation_time", record.operation_time);
    if record.budget_amount.is_some() || record.budget_type.is_some() {
        return budget(record, operation.as_deref());
    }
    if record.account_change_id.is_some() || record.trade_time.is_some() {
        return account_change(record);
    }
    if let Some(kind) = operation.as_deref().and_then(|operation| adjustment(record, operation)) {
        return Ok(kind);
    }
    if record.coupon_id.is_some() || record.operation_amount.is_some() {
        let (event_name, relation) = coupon_operation(operation.as_deref())?;
        return Ok(Kind {
            event_name,
            resource_type: "coupon",
            resource_id: record.coupon_id,
            resource_name: None,
            trace_id: record.id,
            time: operated,
            amount: record.operation_amount.or(record.amount),
            relation,
        });
    }
    if operation.is_none() && record.quota_value.is_some() {
        return Ok(Kind {
            event_name: "couponQuotaIssued",
            resource_type: "couponQuota",
            resource_id: record.quota_id,
            resource_name: record.indirect_partner_name,
            trace_id: None,
            time: if record.last_update_time.is_some() { ("last_update_time", record.last_update_time) } else { ("create_time", record.create_time) },
            amount: record.quota_value,
            relation: None,
        });
    }
    let event_name = match operation.as_deref() {
        Some("10") => "grantCouponQuota",
        Some("11") => "recallCouponQuota",
        other => return Err(unknown("quota", other)),
    };
    Ok(Kind {
        event_name,
        resource_type: "couponQuota",
        resource_id: record.quota_id,
        resource_name: record.indirect_partner_name,
        trace_id: record.id,
        time: operated,
        amount: record.amount,
        relation: None,
    })
}

fn coupon_operation(operation: Option<&str>) -> Result<(&'static str, Option<&'static str>)> {
    Ok(match operation {
        Some("1") => ("issueCoupon", None),
        Some("2") => ("recallCoupon", None),
        Some("3") => ("unbindRecallCoupon", Some("unbind")),
        Some("4") => ("expireRecallCoupon", None),
        Some("5") => ("unsubscribeRecallCoupon", None),
        Some("6") => ("refundRecallCoupon", None),
        Some("7") => ("associateRecallCoupon", Some("bind")),
        Some("8") => ("switchModeRecallCoupon", Some("switch")),
        Some("9") => ("transferRecallCoupon", Some("transfer")),
        other => return Err(unknown("coupon", other)),
    })
}

fn adjustment<'a>(record: &PartnerRecord<'a>, operation: &str) -> Option<Kind<'a>> {
    // SOURCE_OPERATION_BEUNBIND, and as the API has also written it, SOURCE_OPERAIION_BEUNBIND.
    let what = operation.strip_prefix("SOURCE_")?.rsplit('_').next()?;
    let (event_name, relation) = match what {
        "BEADJUST" => ("grantAccountAmount", None),
        "BERETRIEVE" => ("retrieveAccountAmount", None),
        "BEUNBIND" => ("unbindRetrieveAccountAmount", Some("unbind")),
        _ => return None,
    };
    Some(Kind {
        event_name,
        resource_type: "account",
        resource_id: record.customer_id,
        resource_name: record.customer_name,
        trace_id: record.trans_id,
        time: ("operation_time", record.operation_time),
        amount: record.amount,
        relation,
    })
}

fn budget<'a>(record: &PartnerRecord<'a>, operation: Option<&str>) -> Result<Kind<'a>> {
    let (event_name, relation) = match operation {
        Some("SETTING") => ("setCustomerBudget", None),
        // A budget is deleted when the customer is disassociated.
        Some("DELETE") => ("deleteCustomerBudget", Some("unbind")),
        other => return Err(unknown("budget", other)),
    };
    Ok(Kind {
        event_name,
        resource_type: "budget",
        resource_id: record.customer_id,
        resource_name: record.customer_name.or(record.partner_corp_name),
        trace_id: record.id,
        time: ("operation_time", record.operation_time),
        amount: record.budget_amount,
        relation,
    })
}

fn account_change<'a>(record: &PartnerRecord<'a>) -> Result<Kind<'a>> {
    let unbound = [record.trade_type, record.trade_detail_type].into_iter().filter_map(scalar).any(|text| text.ends_with("BEUNBIND"));
    let event_name = match scalar(record.direction).as_deref() {
        _ if unbound => "unbindRetrieveAccountAmount",
        Some("1") => "accountAmountIn",
        Some("2") => "accountAmountOut",
        other => return Err(unknown("account change", other)),
    };
    Ok(Kind {
        event_name,
        resource_type: "account",
        resource_id: record.customer_id,
        resource_name: record.account_name,
        trace_id: record.account_change_id,
        time: ("trade_time", record.trade_time),
        amount: record.change_amount.or(record.amount),
        relation: unbound.then_some("unbind"),
    })
}

fn unknown(kind: &str, operation: Option<&str>) -> Error {
    match operation {
        Some(operation) => Error::invalid(format!("partner: operation_type: {:?} is no operation of a {kind} record", clip(operation, 60))),
        None => Error::invalid(format!("partner: a {kind} record without operation_type")),
    }
}

/// Stamps are in UTC; plain dates are days in UTC+8, where the partner centre keeps its books.
fn time(kind: &Kind<'_>) -> Result<Timestamp> {
    let (name, raw) = kind.time;
    let text = scalar(raw).ok_or_else(|| Error::invalid(format!("partner: the record has no {name}")))?;
    let zone = FixedOffset::east_opt(if text.len() == 10 { 8 * 3600 } else { 0 }).expect("eight hours are a valid offset");
    // Ten digits without hyphens are seconds, which have no zone.
    Timestamp::parse_in(&text, zone).map_err(|error| Error::invalid(format!("partner: {name}: {error}")))
}

fn amount(raw: Raw<'_>) -> Result<Option<Amount>> {
    let text: Option<Cow<'_, str>> = scalar(raw).filter(|text| !text.is_empty());
    text.map(|text| Amount::parse(&text).map_err(|error| Error::invalid(format!("partner: {error}")))).transpose()
}
