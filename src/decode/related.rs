//! The ids and the amount of money that the body of a CTS request or response names, at any
//! position in it.
//!
//! Traces of the partner centre have no fields of their own for quota, coupon or customer: only the
//! bodies name them. Most bodies of other services contain none of the keys, so a search for parts
//! of the keys comes first.

use super::json::{self, Loose};
use crate::event::{Amount, Event, Field};

/// How deep below the top of a body ids are searched for.
const LEVELS: usize = 4;
/// How many related ids a body may add: ten times as many as any call of the partner centre
/// accepts.
const IDS_MAX: usize = 1_000;
/// A body without any of these contains none of the keys. `\u` may hide one.
const PARTS: [&str; 9] =
    ["uota", "oupon_id", "ouponId", "ustomer", "artner", "job", "order", "mount", "\\u00"];

/// The meaning of a key of a body.
enum Meaning {
    /// An id of this kind, or a list of such ids.
    Id(&'static str),
    /// An amount of money; of several, the one with the lowest rank counts.
    Amount(u8),
    Currency,
    Other,
}

/// What has been found in a body.
#[derive(Default)]
struct RelatedFindings {
    ids: usize,
    /// The best amount that was named; without a value if it cannot be read, because a worse one
    /// is another amount.
    amount: Option<(u8, Option<Amount>)>,
    currency: Option<String>,
}

/// Adds what the bodies contain to the event.
pub(super) fn relate_bodies(event: &mut Event, bodies: [Loose<'_>; 2]) {
    let mut findings = RelatedFindings::default();
    for body in bodies {
        let Some(raw) = body.raw() else { continue };
        if !PARTS.iter().any(|part| raw.contains(part)) {
            continue;
        }
        if let Some(json) = body.embedded() {
            walk(event, &json, LEVELS, &mut findings);
        }
    }
    if let Some((_, Some(amount))) = findings.amount {
        event.amount = Some(amount);
        event.set_opt(Field::Currency, findings.currency);
    }
}

fn meaning(key: &str) -> Meaning {
    match key {
        "quota_id" | "quotaId" | "quota_ids" | "quotaIds" => Meaning::Id("quota"),
        "parent_quota_id" | "parentQuotaId" => Meaning::Id("parent_quota"),
        "coupon_id" | "couponId" | "coupon_ids" | "couponIds" => Meaning::Id("coupon"),
        "customer_id" | "customerId" | "customer_ids" | "customerIds" => Meaning::Id("customer"),
        "indirect_partner_id"
        | "indirectPartnerId"
        | "indirect_partner_ids"
        | "indirectPartnerIds" => Meaning::Id("reseller"),
        "job_id" | "jobId" => Meaning::Id("job"),
        "order_id" | "orderId" | "order_ids" | "orderIds" => Meaning::Id("order"),
        "quota_amount" | "quotaAmount" => Meaning::Amount(0),
        "face_value" | "faceValue" => Meaning::Amount(1),
        "amount" => Meaning::Amount(2),
        "currency" => Meaning::Currency,
        _ => Meaning::Other,
    }
}

/// Reads one object or array and everything in it. A malformed body counts up to the error.
fn walk(event: &mut Event, json: &str, levels: usize, findings: &mut RelatedFindings) {
    if json.starts_with('[') {
        for item in json::parse::<Vec<Loose<'_>>>(json).unwrap_or_default() {
            descend(event, item, levels, findings);
        }
        return;
    }
    // Whether the body is well-formed does not matter here: the record is kept as it came.
    let _ = json::each_member(json, |key, value| match meaning(key) {
        Meaning::Id(kind) => relate(event, kind, value, levels, findings),
        Meaning::Amount(rank) => {
            let text = value.text_lossy();
            if let Some(text) = text.filter(|_| findings.amount.is_none_or(|(best, _)| rank < best))
            {
                findings.amount = Some((rank, Amount::parse(&text).ok()));
            }
        }
        Meaning::Currency => {
            if findings.currency.is_none() {
                findings.currency = value.text_lossy().map(Into::into);
            }
        }
        Meaning::Other => descend(event, value, levels, findings),
    });
}

fn descend(event: &mut Event, value: Loose<'_>, levels: usize, findings: &mut RelatedFindings) {
    if levels > 1 && findings.ids < IDS_MAX && value.is_composite() {
        walk(event, value.raw().unwrap_or_default(), levels - 1, findings);
    }
}

fn relate(
    event: &mut Event,
    kind: &str,
    value: Loose<'_>,
    levels: usize,
    findings: &mut RelatedFindings,
) {
    if value.is_object() {
        return descend(event, value, levels, findings);
    }
    let items = value.items();
    for item in items.into_iter().chain((!value.is_composite()).then_some(value)) {
        if findings.ids == IDS_MAX {
            return;
        }
        if let Some(id) = item.text_lossy() {
            findings.ids += 1;
            event.relate(kind, id);
        }
    }
}
